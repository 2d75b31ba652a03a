//! Judgement: what a report means for the task.

mod delivery;
mod list;
mod stream;
mod turn;
mod withdrawn;

use crate::error::{ApiError, ReadError, ReadErrorKind};
use crate::event::{Event, Status};
use crate::failure::Failure;
use crate::operation::Safety;
use crate::outcome::{Abandoned, Fault, Outcome, StoppedBy};
use crate::provider::{Finish, Look, Provider, Reading, Started};
use crate::question::Question;
use crate::response::Response;
use crate::retry::{self, Attempt, Decision, Trouble, Verdict};
use crate::shared::Shared;
use crate::time::{Timestamp, millis};
use crate::why::{RetryReason, Why};

use super::phase::{Ending, Fetching, NOT_FOUND_LOOKS, NotFound, Phase, TRAIL_LOOKS, Tracing};
use super::stream::{CROSS_CHECK, LULL, QUIET, Sequel, StreamState};
use super::{Cancel, Lag, Purpose, Task, TurnStage};
use withdrawn::by_conversation;

/// Why a start that was cancelled in time was not made.
pub(super) const CANCELLED: &str = "it was cancelled before it was sent";

/// Why a read of the conversation tells nothing.
const UNCLEAR: &str = "the newest entry of the conversation cannot be read";

/// Refusals as a conflict that a keyed start bears after an attempt of its own may have been received.
const CONFLICTS: u32 = 2;
/// The wait after the first of them.
const CONFLICT_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// What a bad end says to have followed a question.
fn sequel_of(ending: &Ending) -> Sequel {
    match ending {
        Ending::Failed(_) => Sequel::Failed,
        Ending::Stopped(_) => Sequel::Stopped,
    }
}

pub(super) type Report = Result<Response, Failure>;

impl<P: Provider> Task<P> {
    /// Takes the report that is in, if any, and moves the task accordingly.
    pub(super) fn judge_report(&mut self, shared: &mut Shared) {
        let Some(report) = self.reported.take() else {
            return;
        };
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        if self.phase.is_ended() {
            return;
        }
        match exchange.purpose {
            Purpose::Start => self.judge_start(report, shared),
            Purpose::Look(look) => self.judge_look(&look, report, shared),
            Purpose::Check => self.judge_check(report, shared),
            Purpose::Write => self.judge_write(report, shared),
            Purpose::Reconcile => self.judge_reconcile(report, shared),
            Purpose::Cancel => self.judge_cancel(report, shared),
            // Under way it is the stream's.
            Purpose::OpenStream(_) => {}
        }
        self.mode();
    }

    /// Takes in that the stream was not opened, once nothing else is under way: it may end the watch.
    pub(super) fn judge_opening(&mut self, shared: &mut Shared) {
        if self.exchange_is_underway() {
            return;
        }
        let Some(report) = self.stream.take_report() else {
            return;
        };
        if matches!(self.phase, Phase::Following(_)) {
            self.judge_unopened(report, shared);
            self.mode();
        } else {
            // The task is over: nobody needs a stream any more.
            self.stream.enter(StreamState::Closed {
                due: Timestamp::MAX,
            });
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome<P::Output>) {
        let outcome = self.as_left(outcome);
        let left = matches!(
            outcome,
            Outcome::DeadlineExceeded { .. } | Outcome::Interrupted { .. }
        );
        if left {
            self.let_go();
            if self.phase.is_ended() {
                // Nobody knows whether the message of a turn was taken: that is its end.
                return;
            }
        }
        self.exchange = None;
        self.reported = None;
        self.phase.enter(Phase::Ended(Box::new(outcome)));
        self.save.need();
    }

    pub(super) fn known_id(&self) -> &crate::id::TaskId {
        self.id
            .as_ref()
            .expect("looks are made once the id is known")
    }

    // --- the start ---------------------------------------------------------------------------------------------

    fn judge_start(&mut self, report: Report, shared: &mut Shared) {
        let trouble = match sort(report) {
            // An id that cannot be asked for is as good as none.
            Ok(reply) => match self.provider.read_start(&reply).and_then(usable) {
                Ok(started) => {
                    shared.succeeded();
                    return self.begin(started);
                }
                Err(error) => Trouble::Unreadable(error),
            },
            Err(trouble) => trouble,
        };
        let until = self.clocks.deadline();
        let draw = self.rng.u16(..);
        let now = self.now;
        let Phase::Starting(starting) = &mut self.phase else {
            return;
        };
        let conflict = starting.safety == Safety::Keyed
            && starting.maybe
            && trouble
                .status()
                .is_some_and(|s| matches!(s.as_u16(), 409 | 422));
        if conflict && starting.conflicts < CONFLICTS {
            // It may mean that the attempt before is still being worked on.
            starting.conflicts += 1;
            starting.due = now.after(CONFLICT_WAIT * starting.conflicts);
            starting.why = Why::Conflict;
            let event = Event::Retrying {
                attempt: starting.attempts,
                reason: RetryReason::of(&trouble),
                why: trouble.to_string(),
                until: starting.due,
            };
            self.events.push(event);
            return;
        }
        starting.maybe |= retry::may_have_happened(&trouble, &self.policy.retry);
        let likely = matches!(trouble, Trouble::Unreadable(_))
            || trouble.status().is_some_and(|s| s.is_success());
        let attempt = Attempt {
            safety: starting.safety,
            number: starting.attempts,
            draw,
            now,
            until,
            maybe: starting.maybe,
        };
        let decision = retry::decide(&trouble, &attempt, &self.policy.retry, shared);
        let attempts = starting.attempts;
        let mut why = trouble.to_string();
        match decision {
            Decision::Again(due) if self.cancel == Cancel::Idle || starting.maybe => {
                starting.due = due;
                let wait = due.since(now);
                starting.why = retry::why(&trouble, wait, &self.policy.retry, draw, now);
                self.events.push(Event::Retrying {
                    attempt: attempts,
                    reason: RetryReason::of(&trouble),
                    why,
                    until: due,
                });
            }
            Decision::Again(_) => {
                self.end(Outcome::NotStarted {
                    why: CANCELLED.to_owned(),
                    attempts,
                    temporary: false,
                });
            }
            Decision::Unknown => self.end_unknown(why, likely),
            Decision::Spent => {
                if let Some(asked) = trouble.retry_after(now) {
                    why.push_str(&format!("; it asks to wait {} s", asked.as_secs()));
                }
                self.end(Outcome::NotStarted {
                    why,
                    attempts,
                    temporary: true,
                });
            }
            Decision::Final => match trouble {
                Trouble::Refused(reply) => self.end(Outcome::Refused(ApiError::read(&reply))),
                Trouble::Wire(Failure {
                    stage: crate::Stage::Answered(head),
                    ..
                }) if !head.status.is_redirection() => {
                    self.end(Outcome::Refused(ApiError::without_body(&head)));
                }
                Trouble::Wire(_) | Trouble::Unreadable(_) => {
                    self.end(Outcome::NotStarted {
                        why,
                        attempts,
                        temporary: false,
                    });
                }
            },
        }
    }

    fn begin(&mut self, started: Started) {
        let Started {
            id,
            status,
            replayed,
        } = started;
        self.id = Some(id.clone());
        self.started = Some(self.now);
        self.last_status.clone_from(&status);
        self.signs.observed = Some(self.now);
        self.signs.progressed = Some(self.now);
        self.events.push(Event::Started {
            id,
            status,
            replayed,
        });
        let due = self.schedule(None);
        self.phase
            .enter(Phase::follow(Look::Status, due, Why::Pace));
        self.stream.state = StreamState::Closed { due: self.now };
        if let Cancel::Wanted { due, .. } = &mut self.cancel {
            *due = self.now;
        }
        self.begin_leaving();
        self.save.need();
    }

    // --- looks -------------------------------------------------------------------------------------------------

    fn judge_look(&mut self, look: &Look, report: Report, shared: &mut Shared) {
        // What waited for the conversation; the newer reading stands.
        let moved = match P::CAPABILITIES.events {
            true => None,
            false => self.held.take().filter(|_| *look == Look::Questions),
        };
        // By reference: a reply is large, and this is the path of every poll.
        let (reading, reply) = match &report {
            Ok(reply) if reply.status().is_success() => {
                match self.provider.read(self.known_id(), look, reply) {
                    Ok(reading) => (reading, reply),
                    Err(error) => {
                        let trouble = Trouble::Unreadable(error);
                        return self.look_showed_nothing(look, moved, &trouble, shared);
                    }
                }
            }
            _ => {
                if let Err(trouble) = sort(report) {
                    self.look_showed_nothing(look, moved, &trouble, shared);
                }
                return;
            }
        };
        shared.succeeded();
        self.misses = 0;
        self.not_found = None;
        self.signs.observed = Some(self.now);
        match &self.phase {
            Phase::Fetching(_) => return self.judge_answer(reading),
            Phase::Tracing(_) => return self.judge_trail(reading),
            Phase::Starting(_) | Phase::Following(_) | Phase::Ended(_) => {}
        }
        if P::CAPABILITIES.stream
            && *look == Look::Status
            && let Some(ending) = &mut self.stream.ending
        {
            ending.reply = Some(reply.clone());
        }
        if let Some(moved) = moved {
            self.tell_who_answered(&reading);
            return self.apply_moved(moved);
        }
        match self.turn.as_ref().map(|turn| turn.stage.clone()) {
            Some(TurnStage::Baseline) => self.baseline(&reading),
            Some(TurnStage::Unproven { mark, working }) => {
                self.prove(look, reading, reply, &mark, working)
            }
            // Until it is known what became of the message, a task is looked at only to see it stop.
            Some(TurnStage::Sending { .. }) => self.see_stopped(reading),
            Some(TurnStage::Taken | TurnStage::Lost { .. } | TurnStage::Undelivered { .. })
            | None => self.weigh(reading),
        }
        if self.leaving.is_some() {
            self.leave_once_seen();
        }
    }

    /// Judges a reading, once everything that happened before it is known.
    pub(super) fn weigh(&mut self, reading: Reading<P::Output>) {
        if P::CAPABILITIES.events && self.wants_list(&reading) {
            self.held = Some(reading);
            self.begin_fill();
        } else if self.wants_conversation(&reading) {
            self.held = Some(reading);
            self.plan_look(Look::Questions, self.now, Why::Pace);
        } else {
            self.apply(reading);
        }
    }

    /// A look that showed nothing: never the task's failure.
    fn look_failed(&mut self, look: &Look, trouble: &Trouble, shared: &mut Shared) {
        if matches!(look, Look::Events { .. }) {
            return self.page_failed(trouble, shared);
        }
        if let Some(error) = access_lost(trouble) {
            let id = self.known_id().clone();
            return self.end(Outcome::AccessLost { id, error });
        }
        match &mut self.phase {
            Phase::Fetching(_) => return self.answer_missing(&trouble.to_string(), Some(trouble)),
            Phase::Tracing(tracing) => {
                tracing.tries += 1;
                tracing.due = self.now.after(self.policy.pace.first);
                if tracing.tries >= TRAIL_LOOKS {
                    self.end_traced();
                }
                return;
            }
            Phase::Starting(_) | Phase::Following(_) | Phase::Ended(_) => {}
        }
        let Some((due, why)) = self.missed(trouble, shared) else {
            return;
        };
        if let Some(ending) = &mut self.stream.ending {
            ending.doubted.get_or_insert(self.now);
        }
        // What a reply called for is called for again by the next status.
        let next = if matches!(look, Look::Questions) {
            Look::Questions
        } else {
            Look::Status
        };
        if let Phase::Following(following) = &mut self.phase {
            following.next = next;
            following.due = due;
            following.why = why;
        }
    }

    /// Counts a failed read and says when to try again; `None` when it ended the task.
    pub(super) fn missed(
        &mut self,
        trouble: &Trouble,
        shared: &mut Shared,
    ) -> Option<(Timestamp, Why)> {
        if let Some(error) = missing(
            trouble,
            self.last_status.is_some() || self.started.is_some(),
        ) {
            return self.confirm_gone(error);
        }
        self.misses = self.misses.saturating_add(1);
        let draw = self.rng.u16(..);
        let mut wait = millis(retry::wait(
            trouble,
            self.misses,
            &self.policy.retry,
            draw,
            self.now,
        ));
        if !shared.take(false) {
            // The origin's budget is spent: a look is never refused for good, only put off.
            wait = wait.max(millis(retry::put_off(&self.policy.retry, draw)));
        }
        let asked = retry::asked(trouble, &self.policy.retry, draw, self.now)
            .is_some_and(|asked| millis(asked) >= wait);
        let due = self
            .now
            .after(std::time::Duration::from_millis(wait))
            .max(self.schedule(None));
        let why = trouble.to_string();
        self.events.push(Event::Retrying {
            attempt: self.misses,
            reason: RetryReason::of(trouble),
            why,
            until: due,
        });
        Some((due, if asked { Why::Asked } else { Why::Backoff }))
    }

    /// Whether this process started the task so recently that a 404 may mean a record that is not visible yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.started
            .is_some_and(|started| self.now < started.after(self.policy.not_found_grace))
    }

    /// A 404 or 410: not visible yet soon after the start, else gone once several reads agree.
    fn confirm_gone(&mut self, error: ApiError) -> Option<(Timestamp, Why)> {
        let now = self.now;
        let fresh = self.is_fresh();
        let not_found = match self.not_found.take() {
            Some(seen) => NotFound {
                looks: seen.looks + 1,
                error,
            },
            None => NotFound { looks: 1, error },
        };
        if fresh {
            self.not_found = Some(NotFound {
                looks: 0,
                ..not_found
            });
            return Some((self.schedule(None), Why::Invisible));
        }
        if not_found.looks >= NOT_FOUND_LOOKS {
            let id = self.known_id().clone();
            self.end(Outcome::Gone {
                id,
                error: not_found.error,
            });
            return None;
        }
        let due = now.after(self.policy.not_found_wait);
        self.events.push(Event::Retrying {
            attempt: not_found.looks,
            reason: RetryReason::Status(not_found.error.status.as_u16()),
            why: not_found.error.to_string(),
            until: due,
        });
        self.not_found = Some(not_found);
        Some((due, Why::Gone))
    }

    /// What a reading means once it is known to be about now.
    pub(super) fn apply(&mut self, reading: Reading<P::Output>) {
        if self.contradicts_ending(&reading) {
            return;
        }
        match reading {
            Reading::Pending(status) | Reading::Unknown(status) => {
                self.lag = Lag::None;
                let hint = status.poll_hint;
                self.note(status);
                self.paused = false;
                self.unask();
                self.look_again(Look::Status, hint);
            }
            Reading::NotAsking => {
                self.paused = false;
                let ours = self.lag != Lag::None;
                let reason = |asked: &Question| by_conversation(asked, None, ours);
                self.asks.withdraw(reason, &mut self.events);
                self.look_again(Look::Status, None);
            }
            Reading::Asking(questions) => {
                self.paused = false;
                let ours = self.lag != Lag::None;
                if self.is_believed(&questions) {
                    let newest = questions
                        .iter()
                        .filter_map(|shown| shown.users_before)
                        .max();
                    let reason = |asked: &Question| by_conversation(asked, newest, ours);
                    self.asks.offer(questions, reason, &mut self.events);
                }
                self.look_again(Look::Status, None);
            }
            // What was told before stands, until a read says more.
            Reading::Unclear => {
                self.look_again(Look::Status, None);
                self.tell_unclear();
            }
            Reading::Waiting(status) => {
                self.note(status);
                self.paused = false;
                self.ask_as_events_tell();
                self.look_again(Look::Status, None);
            }
            Reading::Paused(status) => {
                self.lag = Lag::None;
                let first = !std::mem::replace(&mut self.paused, true);
                let hint = status.poll_hint;
                self.note(status.clone());
                self.unask();
                if first {
                    self.events.push(Event::Paused(status));
                }
                self.look_again(Look::Status, hint);
            }
            Reading::Next(Look::Result, status) => {
                self.note(status);
                self.leave(Sequel::Worked);
                let fetching = Fetching {
                    since: self.now,
                    due: self.now,
                    tries: 0,
                };
                self.rhythm.restart();
                self.phase.enter(Phase::Fetching(fetching));
            }
            Reading::Next(look, status) => {
                self.note(status);
                self.paused = false;
                if let Phase::Following(following) = &mut self.phase {
                    following.next = look;
                    following.due = self.now;
                    following.why = Why::Pace;
                }
            }
            // Only the read of the answer is an answer; before that it tells that there is one.
            Reading::Ready(_) => self.look_again(Look::Status, None),
            Reading::Succeeded(status, output) => {
                self.note(status);
                self.leave(Sequel::Worked);
                let id = self.known_id().clone();
                self.end(Outcome::Succeeded { id, output });
            }
            Reading::Events(page) => self.take_page(page),
            Reading::Failed(fault) => self.ended_badly(Ending::Failed(fault)),
            Reading::Stopped(fault) => self.ended_badly(Ending::Stopped(fault)),
        }
    }

    /// What was said last could not be read: it is read again.
    fn tell_unclear(&mut self) {
        if let Phase::Following(following) = &self.phase {
            let until = following.due;
            self.events.push(Event::Retrying {
                attempt: 1,
                reason: RetryReason::Unreadable(ReadErrorKind::Shape),
                why: UNCLEAR.to_owned(),
                until,
            });
        }
    }

    /// The event that ended the task stands, although no read of the task agreed.
    pub(super) fn stand(&mut self, ending: Ending, why: String) {
        let ending = ending.map(|mut fault| {
            fault.message = Some(match fault.message.take() {
                Some(message) => format!("{message}; {why}"),
                None => why,
            });
            fault
        });
        self.leave(sequel_of(&ending));
        let outcome = self.outcome_of(ending);
        self.end(outcome);
    }

    fn ended_badly(&mut self, ending: Ending) {
        let ending = match self.stream.ending.take().map(|told| told.finish) {
            Some(Finish::Failed(told) | Finish::Stopped(told)) => {
                ending.map(|fault| fault.completed_by(&told))
            }
            Some(Finish::Succeeded) | None => ending,
        };
        self.note(ending.status().clone());
        self.leave(sequel_of(&ending));
        let ours = matches!(ending, Ending::Stopped(_)) && self.cancel_was_tried();
        let wanted = self.leaving.is_none() || !ours;
        if P::CAPABILITIES.trail && self.policy.trail && wanted {
            self.phase.enter(Phase::Tracing(Tracing {
                ending,
                due: self.now,
                tries: 0,
            }));
        } else {
            let outcome = self.outcome_of(ending);
            self.end(outcome);
        }
    }

    /// The task is over: nothing is asked any more, and nothing is delivered.
    fn leave(&mut self, sequel: Sequel) {
        self.paused = false;
        self.asks.withdraw(stream::moved_on, &mut self.events);
        while !self.deliveries.is_empty() {
            self.asked_no_more(Some(sequel), None);
        }
    }

    fn outcome_of(&self, ending: Ending) -> Outcome<P::Output> {
        let id = self.known_id().clone();
        match ending {
            Ending::Failed(fault) => Outcome::Failed { id, fault },
            Ending::Stopped(fault) => {
                let by = if fault.unanswered {
                    StoppedBy::Unanswered
                } else if self.cancel_was_tried() {
                    StoppedBy::Us
                } else {
                    StoppedBy::Other
                };
                Outcome::Stopped { id, by, fault }
            }
        }
    }

    /// Whether a request to cancel was accepted, or failed and may have been received all the same.
    fn cancel_was_tried(&self) -> bool {
        matches!(
            self.cancel,
            Cancel::Accepted | Cancel::Wanted { tries: 1.., .. }
        )
    }

    /// Tells a change of status; a change starts the schedule again.
    pub(super) fn note(&mut self, status: Status) {
        if self
            .last_status
            .as_ref()
            .is_some_and(|last| last.raw == status.raw)
        {
            return;
        }
        self.rhythm.restart();
        self.signs.progressed = Some(self.now);
        self.events.push(Event::Status(status.clone()));
        self.last_status = Some(status);
    }

    /// Whether these are questions, or the agent's words that a stale status made look like one: see [`Lag`].
    fn is_believed(&mut self, questions: &[crate::Question]) -> bool {
        let newest = questions
            .iter()
            .map(|question| &question.id)
            .find(|id| self.asks.get(id).is_none());
        let Some(newest) = newest else { return true };
        match &self.lag {
            Lag::None => true,
            Lag::Said(said) if said == newest => {
                self.lag = Lag::None;
                true
            }
            Lag::Delivered(_) | Lag::Said(_) => {
                self.lag = Lag::Said(newest.clone());
                false
            }
        }
    }

    /// Plans the next look by the schedule.
    pub(super) fn look_again(&mut self, look: Look, hint: Option<std::time::Duration>) {
        if !P::CAPABILITIES.stream {
            let due = self.schedule(hint);
            return self.plan_look(look, due, paced(hint));
        }
        if self.stream.ending.is_some() {
            return self.read_again_after_ending();
        }
        let untold = self.stream.wait.as_ref().is_some_and(|wait| !wait.told)
            || (self.stream.unexplained && self.asks.open().next().is_none());
        let (due, why) = match self.stream.open() {
            Some(open) if open.carried && !untold => {
                let progressed = self.signs.progressed.unwrap_or(open.opened);
                let lull = self.now.since(progressed);
                let due = self.now.after(lull.clamp(LULL, CROSS_CHECK));
                (due, Why::CrossCheck)
            }
            // It has brought nothing yet: is it worth trusting? Asked ever more seldom.
            Some(open) if !untold => {
                let so_far = self.now.since(open.opened);
                let due = self.now.after(so_far.clamp(QUIET, CROSS_CHECK));
                (due, Why::CrossCheck)
            }
            Some(_) | None => (self.schedule(hint), paced(hint)),
        };
        self.plan_look(look, due, why);
    }

    fn plan_look(&mut self, look: Look, due: Timestamp, why: Why) {
        if let Phase::Following(following) = &mut self.phase {
            following.next = look;
            following.due = due;
            following.why = why;
        }
    }

    /// The next time by the schedule, which grows: the largest of the server's hint, the floor and the schedule's wait
    /// with jitter.
    fn schedule(&mut self, hint: Option<std::time::Duration>) -> Timestamp {
        let wait = self.rhythm.next(self.rng.u8(..));
        let hint = hint.map_or(0, |hint| millis(hint.min(crate::failure::MAX_HINT)));
        Timestamp::from_millis(self.now.as_millis().saturating_add(wait.max(hint)))
    }

    // --- the answer and the trail --------------------------------------------------------------------------------

    fn judge_answer(&mut self, reading: Reading<P::Output>) {
        match reading {
            Reading::Ready(output) | Reading::Succeeded(_, output) => {
                let id = self.known_id().clone();
                self.end(Outcome::Succeeded { id, output });
            }
            // Completion was seen and is final: a read that shows an earlier state is stale.
            _ => self.answer_missing("the server still shows an earlier state", None),
        }
    }

    fn answer_missing(&mut self, why: &str, trouble: Option<&Trouble>) {
        let asked = trouble.and_then(|trouble| trouble.retry_after(self.now));
        let due = self.schedule(asked);
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        fetching.tries += 1;
        let attempt = fetching.tries;
        if attempt == 1 {
            // Patience begins here: the first look alone may have taken as long.
            fetching.since = self.now;
        }
        if due > fetching.since.after(self.policy.result_patience) {
            let id = self.known_id().clone();
            return self.end(Outcome::ResultUnavailable {
                id,
                why: why.to_owned(),
            });
        }
        fetching.due = due;
        self.events.push(Event::Retrying {
            attempt,
            reason: trouble.map_or(RetryReason::NotReady, RetryReason::of),
            why: why.to_owned(),
            until: due,
        });
    }

    fn judge_trail(&mut self, reading: Reading<P::Output>) {
        let read = match reading {
            Reading::Failed(fault) => Some(Ending::Failed(fault)),
            Reading::Stopped(fault) => Some(Ending::Stopped(fault)),
            _ => None,
        };
        let Phase::Tracing(tracing) = &mut self.phase else {
            return;
        };
        if let Some(read) = read {
            let known = std::mem::replace(
                &mut tracing.ending,
                Ending::Failed(Fault::new(Status::known(""))),
            );
            tracing.ending = known.with_trail_of(read);
        }
        self.end_traced();
    }

    pub(super) fn end_traced(&mut self) {
        if let Phase::Tracing(tracing) = &self.phase {
            let outcome = self.outcome_of(tracing.ending.clone());
            self.end(outcome);
        }
    }

    // --- cancel --------------------------------------------------------------------------------------------------

    fn judge_cancel(&mut self, report: Report, shared: &mut Shared) {
        let Cancel::Wanted { tries, .. } = self.cancel else {
            return;
        };
        let reply = sort(report).and_then(|reply| {
            let ours = self.provider.accepted(self.known_id(), &reply);
            ours.map_err(Trouble::Unreadable)
        });
        let trouble = match reply {
            // An acknowledgement is no end: the task's own status says how it ended.
            Ok(()) => {
                shared.succeeded();
                self.cancel = Cancel::Accepted;
                self.events.push(Event::Cancelling);
                self.rhythm.restart();
                if let Phase::Following(following) = &mut self.phase {
                    following.next = Look::Status;
                    following.due = self.now;
                }
                self.save.need();
                return self.leave_once_accepted();
            }
            Err(trouble) => trouble,
        };
        let why = trouble.to_string();
        if retry::judge(&trouble, Safety::Repeatable, &self.policy.retry) == Verdict::Retry {
            let draw = self.rng.u16(..);
            let tries = tries.saturating_add(1);
            let due = self.now.after(retry::wait(
                &trouble,
                tries,
                &self.policy.retry,
                draw,
                self.now,
            ));
            shared.take(false);
            self.cancel = Cancel::Wanted { tries, due };
            self.uncancelled = Some(Abandoned::CancelFailed(why.clone()));
            self.events.push(Event::Retrying {
                attempt: tries,
                reason: RetryReason::of(&trouble),
                why,
                until: due,
            });
        } else {
            self.refused = refusal(&trouble);
            self.cancel_refused(why);
        }
    }

    pub(super) fn cancel_refused(&mut self, why: String) {
        self.cancel = Cancel::Refused;
        self.uncancelled = Some(Abandoned::CancelFailed(why.clone()));
        self.events.push(Event::CancelRefused(why));
        self.look_once_refused();
    }
}

/// Why a look is planned by the schedule, or by what the server asked for.
fn paced(hint: Option<std::time::Duration>) -> Why {
    match hint {
        Some(_) => Why::Asked,
        None => Why::Pace,
    }
}

pub(super) fn sort(report: Report) -> Result<Response, Trouble> {
    match report {
        Ok(reply) if reply.status().is_success() => Ok(reply),
        Ok(reply) => Err(Trouble::Refused(Box::new(reply))),
        Err(failure) => Err(Trouble::Wire(failure)),
    }
}

fn refusal(trouble: &Trouble) -> Option<ApiError> {
    match trouble {
        Trouble::Refused(reply) => Some(ApiError::read(reply)),
        Trouble::Wire(failure) => failure.head().map(ApiError::without_body),
        Trouble::Unreadable(_) => None,
    }
}

pub(super) fn access_lost(trouble: &Trouble) -> Option<ApiError> {
    refusal(trouble).filter(|error| matches!(error.status.as_u16(), 401 | 403))
}

/// A task that is not there; before anything was ever seen of it, a refusal of its very id counts too.
fn missing(trouble: &Trouble, seen: bool) -> Option<ApiError> {
    refusal(trouble).filter(|error| match error.status.as_u16() {
        404 | 410 => true,
        400 | 422 => !seen,
        _ => false,
    })
}

fn usable(started: Started) -> Result<Started, ReadError> {
    match started.id.check() {
        Ok(()) => Ok(started),
        Err(error) => Err(ReadError::new(
            ReadErrorKind::Shape,
            format!("the task id cannot be used: {error}"),
        )),
    }
}
