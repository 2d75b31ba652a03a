//! The judgement of reports: what a report means for the task.

mod backfill;
mod stream;
mod turn;
mod withdrawn;
mod writes;

use crate::budget::OriginBudget;
use crate::error::{ApiError, ReadError, ReadErrorKind};
use crate::event::{Event, Status};
use crate::failure::ExchangeFailure;
use crate::operation::Safety;
use crate::outcome::{
    CancelFailure, CancelResult, NotStartedReason, Outcome, StoppedBy, TaskFailure,
    UnavailableReason, UnknownReason,
};
use crate::provider::{CreatedTask, PollResult, Provider, ReadKind, UnconfirmedEnd};
use crate::question::Question;
use crate::reason::{RetryReason, WaitReason};
use crate::response::Response;
use crate::retry::{self, Attempt, AttemptError, RetryDecision, Retryability};
use crate::time::{Timestamp, millis};

use super::link::Purpose;
use super::phase::{Fetching, NOT_FOUND_READS, NotFound, Phase, STEPS_READS, Terminal, Tracing};
use super::stream::{Aftermath, CROSS_CHECK, LULL, QUIET, StreamState};
use super::{Cancel, StatusFreshness, Task, TurnState};
use withdrawn::by_conversation;

/// Why a read of the conversation says nothing.
const UNCLEAR: &str = "the newest entry of the conversation cannot be read";

/// How many conflicts a keyed start tolerates after the server may have received one of its attempts.
const CONFLICTS: u32 = 2;
/// The wait after the first conflict.
const CONFLICT_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Returns what an end other than success shows to have followed a question.
fn aftermath_of(terminal: &Terminal) -> Aftermath {
    match terminal {
        Terminal::Failed(_) => Aftermath::Failed,
        Terminal::Stopped(_) => Aftermath::Stopped,
    }
}

pub(super) use super::link::Report;

impl<P: Provider> Task<P> {
    /// Judges the report that is in, if any, and moves the task accordingly.
    pub(super) fn judge_report(&mut self, budget: &OriginBudget) {
        let Some((exchange, report)) = self.link.take_reported() else {
            return;
        };
        if self.phase.is_ended() {
            return;
        }
        match exchange.purpose {
            Purpose::Start => self.judge_start(report, budget),
            Purpose::Read(read) => self.judge_poll(&read, report, budget),
            Purpose::Check => self.judge_check(report, budget),
            Purpose::Write => self.judge_write(report, budget),
            Purpose::Reconcile => self.judge_reconcile(report, budget),
            Purpose::Cancel => self.judge_cancel(report, budget),
            // Once it is under way, the stream's region owns it.
            Purpose::OpenStream(_) => {}
        }
        self.update_clock();
    }

    /// Judges the reply to the request that was to open the stream, once nothing else is under way: it may end the
    /// task's following.
    pub(super) fn judge_opening(&mut self, budget: &OriginBudget) {
        if self.link.is_busy() {
            return;
        }
        let Some(report) = self.stream.take_report() else {
            return;
        };
        if matches!(self.phase, Phase::Following(_)) {
            self.judge_unopened(report, budget);
            self.update_clock();
        } else {
            // The task is over: nobody needs a stream any more.
            self.stream.enter(StreamState::Closed {
                due: Timestamp::MAX,
            });
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome<P::Output>) {
        let outcome = self.as_detached(outcome);
        let left = matches!(
            outcome,
            Outcome::DeadlineExceeded { .. } | Outcome::Interrupted { .. }
        );
        if left {
            self.drop_writes();
            if self.phase.is_ended() {
                // The turn has ended: nobody knows whether its message was applied.
                return;
            }
        }
        self.link.forget();
        self.phase.enter(Phase::Ended(Box::new(outcome)));
        self.save.need();
    }

    pub(super) fn known_id(&self) -> &crate::id::TaskId {
        self.id
            .as_ref()
            .expect("a read is made once the id is known")
    }

    // --- the start ---------------------------------------------------------------------------------------------

    fn judge_start(&mut self, report: Report, budget: &OriginBudget) {
        let error = match sort(report) {
            // An id that cannot be used in a request is as good as none.
            Ok(reply) => match self.provider.read_start(&reply).and_then(usable) {
                Ok(started) => {
                    budget.succeeded();
                    return self.begin(started);
                }
                Err(error) => AttemptError::Unreadable(error),
            },
            Err(error) => error,
        };
        let until = self.clocks.deadline();
        let draw = self.rng.u16(..);
        let now = self.now;
        let Phase::Starting(starting) = &mut self.phase else {
            return;
        };
        let conflict = starting.safety == Safety::Keyed
            && starting.maybe_received
            && error
                .status()
                .is_some_and(|s| matches!(s.as_u16(), 409 | 422));
        if conflict && starting.conflicts < CONFLICTS {
            // The server may still be processing the previous attempt.
            starting.conflicts += 1;
            starting.due = now.after(CONFLICT_WAIT * starting.conflicts);
            starting.why = WaitReason::Conflict;
            let event = Event::Retrying {
                attempt: starting.attempts,
                reason: RetryReason::of(&error),
                why: error.to_string(),
                until: starting.due,
            };
            self.events.push(event);
            return;
        }
        starting.maybe_received |= retry::may_have_happened(&error, &self.policy.retry);
        let likely = matches!(error, AttemptError::Unreadable(_))
            || error.status().is_some_and(|s| s.is_success());
        let attempt = Attempt {
            safety: starting.safety,
            number: starting.attempts,
            draw,
            now,
            until,
            maybe: starting.maybe_received,
        };
        let decision = retry::decide(&error, &attempt, &self.policy.retry, budget);
        let attempts = starting.attempts;
        match decision {
            RetryDecision::Again(due) if self.cancel == Cancel::Idle || starting.maybe_received => {
                starting.due = due;
                let wait = due.since(now);
                starting.why = retry::wait_reason(&error, wait, &self.policy.retry, draw, now);
                self.events.push(Event::Retrying {
                    attempt: attempts,
                    reason: RetryReason::of(&error),
                    why: error.to_string(),
                    until: due,
                });
            }
            RetryDecision::Again(_) => {
                self.end(Outcome::NotStarted {
                    reason: NotStartedReason::Cancelled,
                    attempts,
                    temporary: false,
                });
            }
            RetryDecision::Unknown => {
                let failed = error.record();
                // A limit cut at the deadline runs out when the deadline passes.
                let reason = match self.is_past_work_deadline() {
                    true => UnknownReason::Deadline { last: Some(failed) },
                    false => UnknownReason::Attempt(failed),
                };
                self.end_unknown(reason, likely);
            }
            RetryDecision::Exhausted => {
                self.end(Outcome::NotStarted {
                    reason: NotStartedReason::Exhausted {
                        last: error.record(),
                        retry_after: error.retry_after(now),
                    },
                    attempts,
                    temporary: true,
                });
            }
            RetryDecision::Final => match error {
                AttemptError::Refused(reply) => self.end(Outcome::Refused(ApiError::read(&reply))),
                AttemptError::Wire(ExchangeFailure {
                    progress: crate::ExchangeProgress::Answered(head),
                    ..
                }) if !head.status.is_redirection() => {
                    self.end(Outcome::Refused(ApiError::without_body(&head)));
                }
                AttemptError::Wire(_) | AttemptError::Unreadable(_) => {
                    self.end(Outcome::NotStarted {
                        reason: NotStartedReason::Attempt(error.record()),
                        attempts,
                        temporary: false,
                    });
                }
            },
        }
    }

    fn begin(&mut self, started: CreatedTask) {
        let CreatedTask {
            id,
            status,
            replayed,
        } = started;
        self.id = Some(id.clone());
        self.created_at = Some(self.now);
        self.last_status.clone_from(&status);
        self.liveness.last_reply_at = Some(self.now);
        self.liveness.last_change_at = Some(self.now);
        self.events.push(Event::Created {
            id,
            status,
            replayed,
        });
        let due = self.schedule(None);
        self.phase.enter(Phase::follow(
            ReadKind::Status,
            due,
            WaitReason::PollInterval,
        ));
        self.stream.state = StreamState::Closed { due: self.now };
        if let Cancel::Requested { due, .. } = &mut self.cancel {
            *due = self.now;
        }
        self.begin_cancelling();
        self.save.need();
    }

    // --- polls -------------------------------------------------------------------------------------------------

    fn judge_poll(&mut self, read: &ReadKind, report: Report, budget: &OriginBudget) {
        // A poll result that waited for the conversation; a newer one replaces it.
        let moved = match P::CAPABILITIES.events {
            true => None,
            false => self
                .deferred
                .take()
                .filter(|_| *read == ReadKind::Questions),
        };
        // Borrowed, not cloned: a reply is large, and every poll comes through here.
        let (result, reply) = match &report {
            Ok(reply) if reply.status().is_success() => {
                match self.provider.read(self.known_id(), read, reply) {
                    Ok(result) => (result, reply),
                    Err(error) => {
                        let error = AttemptError::Unreadable(error);
                        return self.poll_showed_nothing(read, moved, &error, budget);
                    }
                }
            }
            _ => {
                if let Err(error) = sort(report) {
                    self.poll_showed_nothing(read, moved, &error, budget);
                }
                return;
            }
        };
        budget.succeeded();
        self.failed_polls = 0;
        self.not_found = None;
        self.liveness.last_reply_at = Some(self.now);
        match &self.phase {
            Phase::Fetching(_) => return self.judge_answer(result),
            Phase::Tracing(_) => return self.judge_steps(result),
            Phase::Starting(_) | Phase::Following(_) | Phase::Ended(_) => {}
        }
        if P::CAPABILITIES.stream
            && *read == ReadKind::Status
            && let Some(unconfirmed) = &mut self.stream.end
        {
            unconfirmed.reply = Some(reply.clone());
        }
        if let Some(moved) = moved {
            self.tell_who_answered(&result);
            return self.apply_moved(moved);
        }
        match self.turn.as_ref().map(|turn| turn.state.clone()) {
            Some(TurnState::Baseline) => self.baseline(&result),
            Some(TurnState::Unproven { cursor, working }) => {
                self.prove(read, result, reply, &cursor, working)
            }
            // Until the outcome of the message is known, a read only shows whether the task stopped.
            Some(TurnState::Sending { .. }) => self.see_stopped(result),
            Some(TurnState::Proven | TurnState::Lost { .. } | TurnState::Undelivered { .. })
            | None => self.defer_or_apply(result),
        }
        if self.detaching.is_some() {
            self.detach_once_confirmed();
        }
    }

    /// Judges a poll result once everything that happened before it is known, and defers it until then.
    pub(super) fn defer_or_apply(&mut self, result: PollResult<P::Output>) {
        if P::CAPABILITIES.events && self.wants_list(&result) {
            self.deferred = Some(result);
            self.begin_backfill();
        } else if self.wants_conversation(&result) {
            self.deferred = Some(result);
            self.plan_poll(ReadKind::Questions, self.now, WaitReason::PollInterval);
        } else {
            self.apply(result);
        }
    }

    /// Handles a failed poll, which is never the task's failure.
    fn poll_failed(&mut self, read: &ReadKind, error: &AttemptError, budget: &OriginBudget) {
        if matches!(read, ReadKind::Events { .. }) {
            return self.page_failed(error, budget);
        }
        if let Some(error) = access_lost(error) {
            let id = self.known_id().clone();
            return self.end(Outcome::AccessLost { id, error });
        }
        match &mut self.phase {
            Phase::Fetching(_) => return self.answer_missing(Some(error)),
            Phase::Tracing(tracing) => {
                tracing.tries += 1;
                tracing.due = self.now.after(self.policy.poll_backoff.first);
                if tracing.tries >= STEPS_READS {
                    self.end_traced();
                }
                return;
            }
            Phase::Starting(_) | Phase::Following(_) | Phase::Ended(_) => {}
        }
        let Some((due, why)) = self.count_failed_poll(error, budget) else {
            return;
        };
        if let Some(unconfirmed) = &mut self.stream.end {
            unconfirmed.contradicted_at.get_or_insert(self.now);
        }
        // The next status read requests again what this reply called for.
        let next = if matches!(read, ReadKind::Questions) {
            ReadKind::Questions
        } else {
            ReadKind::Status
        };
        if let Phase::Following(following) = &mut self.phase {
            following.next = next;
            following.due = due;
            following.why = why;
        }
    }

    /// Counts a failed read and returns when to try again; `None` if it ended the task.
    pub(super) fn count_failed_poll(
        &mut self,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> Option<(Timestamp, WaitReason)> {
        if let Some(error) = missing(
            error,
            self.last_status.is_some() || self.created_at.is_some(),
        ) {
            return self.confirm_gone(error);
        }
        self.failed_polls = self.failed_polls.saturating_add(1);
        let draw = self.rng.u16(..);
        let mut wait = millis(retry::wait(
            error,
            self.failed_polls,
            &self.policy.retry,
            draw,
            self.now,
        ));
        if !budget.take(false) {
            // The origin's budget is empty: a poll is only postponed, and never given up.
            wait = wait.max(millis(retry::exhausted_budget_delay(
                &self.policy.retry,
                draw,
            )));
        }
        let asked = retry::server_delay(error, &self.policy.retry, draw, self.now)
            .is_some_and(|asked| millis(asked) >= wait);
        let due = self
            .now
            .after(std::time::Duration::from_millis(wait))
            .max(self.schedule(None));
        let why = error.to_string();
        self.events.push(Event::Retrying {
            attempt: self.failed_polls,
            reason: RetryReason::of(error),
            why,
            until: due,
        });
        Some((
            due,
            if asked {
                WaitReason::ServerDelay
            } else {
                WaitReason::Backoff
            },
        ))
    }

    /// Returns whether this process started the task so recently that a 404 may mean a record that is not visible yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.created_at
            .is_some_and(|started| self.now < started.after(self.policy.not_found_grace))
    }

    /// Handles a 404 or 410: soon after the start the task is not visible yet; later it is gone, once several reads
    /// agree.
    fn confirm_gone(&mut self, error: ApiError) -> Option<(Timestamp, WaitReason)> {
        let now = self.now;
        let fresh = self.is_fresh();
        let not_found = match self.not_found.take() {
            Some(seen) => NotFound {
                reads: seen.reads + 1,
                error,
            },
            None => NotFound { reads: 1, error },
        };
        if fresh {
            self.not_found = Some(NotFound {
                reads: 0,
                ..not_found
            });
            return Some((self.schedule(None), WaitReason::NotVisibleYet));
        }
        if not_found.reads >= NOT_FOUND_READS {
            let id = self.known_id().clone();
            self.end(Outcome::Gone {
                id,
                error: not_found.error,
            });
            return None;
        }
        let due = now.after(self.policy.not_found_wait);
        self.events.push(Event::Retrying {
            attempt: not_found.reads,
            reason: RetryReason::Status(not_found.error.status.as_u16()),
            why: not_found.error.to_string(),
            until: due,
        });
        self.not_found = Some(not_found);
        Some((due, WaitReason::ConfirmingGone))
    }

    /// Applies a poll result that is known to describe the present.
    pub(super) fn apply(&mut self, result: PollResult<P::Output>) {
        if self.contradicts_end(&result) {
            return;
        }
        match result {
            PollResult::Pending(status) | PollResult::Unknown(status) => {
                self.freshness = StatusFreshness::Current;
                let hint = status.poll_hint;
                self.record_status(status);
                self.paused = false;
                self.withdraw_asked();
                self.poll_again(ReadKind::Status, hint);
            }
            PollResult::NotAsking => {
                self.paused = false;
                let ours = self.freshness != StatusFreshness::Current;
                let reason = |asked: &Question| by_conversation(asked, None, ours);
                self.questions.withdraw(reason, &mut self.events);
                self.poll_again(ReadKind::Status, None);
            }
            PollResult::Asking(questions) => {
                self.paused = false;
                let ours = self.freshness != StatusFreshness::Current;
                if self.is_believed(&questions) {
                    let newest = questions
                        .iter()
                        .filter_map(|shown| shown.users_before)
                        .max();
                    let reason = |asked: &Question| by_conversation(asked, newest, ours);
                    self.questions.offer(questions, reason, &mut self.events);
                }
                self.poll_again(ReadKind::Status, None);
            }
            // What was reported before stays valid until a read says more.
            PollResult::Unclear => {
                self.poll_again(ReadKind::Status, None);
                self.tell_unclear();
            }
            PollResult::Waiting(status) => {
                self.record_status(status);
                self.paused = false;
                self.ask_as_events_tell();
                self.poll_again(ReadKind::Status, None);
            }
            PollResult::Paused(status) => {
                self.freshness = StatusFreshness::Current;
                let first = !std::mem::replace(&mut self.paused, true);
                let hint = status.poll_hint;
                self.record_status(status.clone());
                self.withdraw_asked();
                if first {
                    self.events.push(Event::Paused(status));
                }
                self.poll_again(ReadKind::Status, hint);
            }
            PollResult::ReadFirst(ReadKind::Result, status) => {
                self.record_status(status);
                self.detach_for(Aftermath::Worked);
                let fetching = Fetching {
                    since: self.now,
                    due: self.now,
                    tries: 0,
                };
                self.poll_interval.restart();
                self.phase.enter(Phase::Fetching(fetching));
            }
            PollResult::ReadFirst(read, status) => {
                self.record_status(status);
                self.paused = false;
                if let Phase::Following(following) = &mut self.phase {
                    following.next = read;
                    following.due = self.now;
                    following.why = WaitReason::PollInterval;
                }
            }
            // Only a result read brings the answer; here it only shows that there is one.
            PollResult::Ready(_) => self.poll_again(ReadKind::Status, None),
            PollResult::Succeeded(status, output) => {
                self.record_status(status);
                self.detach_for(Aftermath::Worked);
                let id = self.known_id().clone();
                self.end(Outcome::Succeeded { id, output });
            }
            PollResult::Events(page) => self.take_page(page),
            PollResult::Failed(failure) => self.ended_badly(Terminal::Failed(failure)),
            PollResult::Stopped(failure) => self.ended_badly(Terminal::Stopped(failure)),
        }
    }

    /// Reports that the newest message could not be read; it is read again.
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

    /// Ends the task by an event that no read has confirmed.
    pub(super) fn accept_unconfirmed(&mut self, terminal: Terminal, why: String) {
        let terminal = terminal.map(|mut failure| {
            failure.message = Some(match failure.message.take() {
                Some(message) => format!("{message}; {why}"),
                None => why,
            });
            failure
        });
        self.detach_for(aftermath_of(&terminal));
        let outcome = self.outcome_of(terminal);
        self.end(outcome);
    }

    fn ended_badly(&mut self, terminal: Terminal) {
        let terminal = match self.stream.end.take().map(|told| told.end) {
            Some(UnconfirmedEnd::Failed(told) | UnconfirmedEnd::Stopped(told)) => {
                terminal.map(|failure| failure.completed_by(&told))
            }
            Some(UnconfirmedEnd::Succeeded) | None => terminal,
        };
        self.record_status(terminal.status().clone());
        self.detach_for(aftermath_of(&terminal));
        let ours = matches!(terminal, Terminal::Stopped(_)) && self.cancel_was_tried();
        let wanted = self.detaching.is_none() || !ours;
        if P::CAPABILITIES.steps && self.policy.read_steps && wanted {
            self.phase.enter(Phase::Tracing(Tracing {
                terminal,
                due: self.now,
                tries: 0,
            }));
        } else {
            let outcome = self.outcome_of(terminal);
            self.end(outcome);
        }
    }

    /// Closes everything that depends on a running task: no question is open any more, and no write is sent.
    fn detach_for(&mut self, aftermath: Aftermath) {
        self.paused = false;
        self.questions.withdraw(stream::moved_on, &mut self.events);
        while !self.writes.is_empty() {
            self.asked_no_more(Some(aftermath), None);
        }
    }

    fn outcome_of(&self, terminal: Terminal) -> Outcome<P::Output> {
        let id = self.known_id().clone();
        match terminal {
            Terminal::Failed(failure) => Outcome::Failed { id, failure },
            Terminal::Stopped(failure) => {
                let by = if failure.unanswered {
                    StoppedBy::Unanswered
                } else if self.cancel_was_tried() {
                    StoppedBy::Us
                } else {
                    StoppedBy::Other
                };
                Outcome::Stopped { id, by, failure }
            }
        }
    }

    /// Returns whether a cancel request was accepted, or failed although the server may have received it.
    fn cancel_was_tried(&self) -> bool {
        matches!(
            self.cancel,
            Cancel::Accepted | Cancel::Requested { tries: 1.., .. }
        )
    }

    /// Reports a changed status; a change restarts the polling schedule.
    pub(super) fn record_status(&mut self, status: Status) {
        if self
            .last_status
            .as_ref()
            .is_some_and(|last| last.raw == status.raw)
        {
            return;
        }
        self.poll_interval.restart();
        self.liveness.last_change_at = Some(self.now);
        self.events.push(Event::Status(status.clone()));
        self.last_status = Some(status);
    }

    /// Returns whether these are questions, and not words of the agent that a stale status made look like one: see
    /// [`StatusFreshness`].
    fn is_believed(&mut self, questions: &[crate::Question]) -> bool {
        let newest = questions
            .iter()
            .map(|question| &question.id)
            .find(|id| self.questions.get(id).is_none());
        let Some(newest) = newest else { return true };
        match &self.freshness {
            StatusFreshness::Current => true,
            StatusFreshness::AwaitingConfirmation(said) if said == newest => {
                self.freshness = StatusFreshness::Current;
                true
            }
            StatusFreshness::StaleSince(_) | StatusFreshness::AwaitingConfirmation(_) => {
                self.freshness = StatusFreshness::AwaitingConfirmation(newest.clone());
                false
            }
        }
    }

    /// Plans the next poll by the schedule.
    pub(super) fn poll_again(&mut self, read: ReadKind, hint: Option<std::time::Duration>) {
        if !P::CAPABILITIES.stream {
            let due = self.schedule(hint);
            return self.plan_poll(read, due, poll_reason(hint));
        }
        if self.stream.end.is_some() {
            return self.read_again_after_end();
        }
        let pending = self.stream.asked.as_ref().is_some_and(|wait| !wait.told)
            || (self.stream.waits_without_event && self.questions.open().next().is_none());
        let (due, why) = match self.stream.open() {
            Some(open) if open.has_events && !pending => {
                let progressed = self.liveness.last_change_at.unwrap_or(open.opened);
                let lull = self.now.since(progressed);
                let due = self.now.after(lull.clamp(LULL, CROSS_CHECK));
                (due, WaitReason::CrossCheck)
            }
            // The stream has brought nothing yet, so it is cross-checked, ever more seldom.
            Some(open) if !pending => {
                let so_far = self.now.since(open.opened);
                let due = self.now.after(so_far.clamp(QUIET, CROSS_CHECK));
                (due, WaitReason::CrossCheck)
            }
            Some(_) | None => (self.schedule(hint), poll_reason(hint)),
        };
        self.plan_poll(read, due, why);
    }

    fn plan_poll(&mut self, read: ReadKind, due: Timestamp, why: WaitReason) {
        if let Phase::Following(following) = &mut self.phase {
            following.next = read;
            following.due = due;
            following.why = why;
        }
    }

    /// Returns the time of the next poll: the largest of the server's hint, the floor and the schedule's wait with
    /// jitter.
    fn schedule(&mut self, hint: Option<std::time::Duration>) -> Timestamp {
        let wait = self.poll_interval.next(self.rng.u8(..));
        let hint = hint.map_or(0, |hint| millis(hint.min(crate::failure::MAX_HINT)));
        Timestamp::from_millis(self.now.as_millis().saturating_add(wait.max(hint)))
    }

    // --- the answer and the steps --------------------------------------------------------------------------------

    fn judge_answer(&mut self, result: PollResult<P::Output>) {
        match result {
            PollResult::Ready(output) | PollResult::Succeeded(_, output) => {
                let id = self.known_id().clone();
                self.end(Outcome::Succeeded { id, output });
            }
            // The client saw the task completed, which is final: a read that shows an earlier state is stale.
            _ => self.answer_missing(None),
        }
    }

    fn answer_missing(&mut self, error: Option<&AttemptError>) {
        let reason = match error {
            Some(error) => UnavailableReason::Attempt(error.record()),
            None => UnavailableReason::StillEarlier,
        };
        let asked = error.and_then(|error| error.retry_after(self.now));
        let due = self.schedule(asked);
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        fetching.tries += 1;
        let attempt = fetching.tries;
        if attempt == 1 {
            // Patience begins at the first failure: the first read alone may have taken as long.
            fetching.since = self.now;
        }
        if due > fetching.since.after(self.policy.result_patience) {
            let id = self.known_id().clone();
            return self.end(Outcome::ResultUnavailable { id, reason });
        }
        fetching.due = due;
        self.events.push(Event::Retrying {
            attempt,
            reason: error.map_or(RetryReason::NotReady, RetryReason::of),
            why: reason.to_string(),
            until: due,
        });
    }

    fn judge_steps(&mut self, result: PollResult<P::Output>) {
        let read = match result {
            PollResult::Failed(failure) => Some(Terminal::Failed(failure)),
            PollResult::Stopped(failure) => Some(Terminal::Stopped(failure)),
            _ => None,
        };
        let Phase::Tracing(tracing) = &mut self.phase else {
            return;
        };
        if let Some(read) = read {
            let known = std::mem::replace(
                &mut tracing.terminal,
                Terminal::Failed(TaskFailure::new(Status::known(""))),
            );
            tracing.terminal = known.with_steps_of(read);
        }
        self.end_traced();
    }

    pub(super) fn end_traced(&mut self) {
        if let Phase::Tracing(tracing) = &self.phase {
            let outcome = self.outcome_of(tracing.terminal.clone());
            self.end(outcome);
        }
    }

    // --- cancel --------------------------------------------------------------------------------------------------

    fn judge_cancel(&mut self, report: Report, budget: &OriginBudget) {
        let Cancel::Requested { tries, .. } = self.cancel else {
            return;
        };
        let reply = sort(report).and_then(|reply| {
            let ours = self.provider.check_accepted(self.known_id(), &reply);
            ours.map_err(AttemptError::Unreadable)
        });
        let error = match reply {
            // The server's acceptance is no end: the task's own status shows how it ended.
            Ok(()) => {
                budget.succeeded();
                self.cancel = Cancel::Accepted;
                self.events.push(Event::Cancelling);
                self.poll_interval.restart();
                if let Phase::Following(following) = &mut self.phase {
                    following.next = ReadKind::Status;
                    following.due = self.now;
                }
                self.save.need();
                return self.detach_once_accepted();
            }
            Err(error) => error,
        };
        let failure = CancelFailure::Attempt(error.record());
        if retry::retryability(&error, Safety::Repeatable, &self.policy.retry)
            == Retryability::Retryable
        {
            let draw = self.rng.u16(..);
            let tries = tries.saturating_add(1);
            let due = self.now.after(retry::wait(
                &error,
                tries,
                &self.policy.retry,
                draw,
                self.now,
            ));
            budget.take(false);
            self.cancel = Cancel::Requested { tries, due };
            self.cancel_failure = Some(CancelResult::Failed(failure));
            self.events.push(Event::Retrying {
                attempt: tries,
                reason: RetryReason::of(&error),
                why: error.to_string(),
                until: due,
            });
        } else {
            self.refused = refusal(&error);
            self.cancel_refused(failure);
        }
    }

    pub(super) fn cancel_refused(&mut self, failure: CancelFailure) {
        self.cancel = Cancel::Refused;
        self.events.push(Event::CancelRefused(failure.to_string()));
        self.cancel_failure = Some(CancelResult::Failed(failure));
        self.poll_once_refused();
    }
}

/// Returns why a poll is planned: by the schedule, or because the server asked for this wait.
fn poll_reason(hint: Option<std::time::Duration>) -> WaitReason {
    match hint {
        Some(_) => WaitReason::ServerDelay,
        None => WaitReason::PollInterval,
    }
}

pub(super) fn sort(report: Report) -> Result<Response, AttemptError> {
    match report {
        Ok(reply) if reply.status().is_success() => Ok(reply),
        Ok(reply) => Err(AttemptError::Refused(Box::new(reply))),
        Err(failure) => Err(AttemptError::Wire(failure)),
    }
}

fn refusal(error: &AttemptError) -> Option<ApiError> {
    match error {
        AttemptError::Refused(reply) => Some(ApiError::read(reply)),
        AttemptError::Wire(failure) => failure.head().map(ApiError::without_body),
        AttemptError::Unreadable(_) => None,
    }
}

pub(super) fn access_lost(error: &AttemptError) -> Option<ApiError> {
    refusal(error).filter(|error| matches!(error.status.as_u16(), 401 | 403))
}

/// Returns the error if the task does not exist; before anything was ever seen of it, a refusal of its very id counts,
/// too.
fn missing(error: &AttemptError, seen: bool) -> Option<ApiError> {
    refusal(error).filter(|error| match error.status.as_u16() {
        404 | 410 => true,
        400 | 422 => !seen,
        _ => false,
    })
}

fn usable(started: CreatedTask) -> Result<CreatedTask, ReadError> {
    match started.id.check() {
        Ok(()) => Ok(started),
        Err(error) => Err(ReadError::new(
            ReadErrorKind::Shape,
            format!("the task id cannot be used: {error}"),
        )),
    }
}
