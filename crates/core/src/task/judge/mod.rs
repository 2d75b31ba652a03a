//! The judgement of reports: what a report means for the task.

mod backfill;
mod finish;
mod locate;
mod start;
mod stream;
mod turn;
mod withdrawn;
mod writes;

use std::ops::ControlFlow;

use crate::budget::OriginBudget;
use crate::error::{ApiError, ErrorClass, ReadErrorKind};
use crate::event::{Event, Status};
use crate::outcome::{Outcome, StoppedBy};
use crate::provider::{PollResult, Provider, ReadKind, UnconfirmedEnd};
use crate::question::Question;
use crate::reason::{FailedAttempt, RetryReason, WaitReason};
use crate::response::Response;
use crate::retry::{self, AttemptError};
use crate::time::{Timestamp, millis};

use super::cancel::{CancelReply, CancelState};
use super::follow::{Cx, Follow, StatusFreshness};
use super::link::{Link, Purpose, Read};
use super::phase::{Move, Phase, Terminal};
use super::poller::{NOT_FOUND_READS, NotFound};
use super::stream::asked::LastWait;
use super::stream::{Aftermath, CROSS_CHECK, LULL, QUIET, Stream, StreamState};
use super::{Task, TurnState};
use turn::Proof;
use withdrawn::by_conversation;

/// Why a read of the conversation says nothing.
const UNCLEAR: &str = "the newest entry of the conversation cannot be read";

/// Returns what an end other than success shows to have followed a question.
fn aftermath_of(terminal: &Terminal) -> Aftermath {
    match terminal {
        Terminal::Failed(_) => Aftermath::Failed,
        Terminal::Stopped(_) => Aftermath::Stopped,
    }
}

pub(super) use super::link::Report;

impl<P: Provider> Task<P> {
    /// Judges the reports that are in, and moves the task accordingly. The reply to the request that was to open the
    /// stream is judged once nothing else is under way: it may end the task's following.
    #[inline]
    pub(super) fn judge(&mut self, budget: &OriginBudget) {
        if let Link::Reported(..) = self.link {
            self.judge_exchange(budget);
        }
        if !self.link.is_busy()
            && let Some((sent, report)) = self.phase.stream_mut().and_then(Stream::take_report)
        {
            budget.observe(&report, sent, self.env.now);
            let (phase, mut cx) = self.parts();
            let next = phase.judge_opening(&mut cx, &report, budget);
            self.go(next);
        }
    }

    fn judge_exchange(&mut self, budget: &OriginBudget) {
        // Borrowed from here on: a reply is large, and every poll comes through here.
        if let Link::Reported(purpose, sent, report) = &std::mem::take(&mut self.link) {
            budget.observe(report, *sent, self.env.now);
            let (phase, mut cx) = self.parts();
            let next = phase.judge(&mut cx, *purpose, report, budget);
            if !next.is_stay() {
                self.go(next);
            }
            let (phase, mut cx) = self.parts();
            phase.update_clock(&mut cx);
        }
    }
}

impl<P: Provider> Phase<P> {
    /// Judges a report. A reply that the phase does not wait for any more says nothing.
    fn judge(
        &mut self,
        cx: &mut Cx<'_, P>,
        purpose: Purpose,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        match (self, purpose) {
            (Self::Starting(starting), Purpose::Start) => starting.judge(cx, report, budget),
            (Self::Starting(starting), Purpose::Locate) => starting.judge_locate(cx, report),
            (Self::Following(follow), purpose) => match purpose {
                Purpose::Read(read) => follow.judge_poll(cx, read, report, budget),
                Purpose::Check => follow.judge_check(cx, report, budget),
                Purpose::Write => follow.judge_write(cx, report, budget),
                Purpose::Reconcile => follow.judge_reconcile(cx, report, budget),
                Purpose::Cancel => follow.judge_cancel(cx, report, budget),
                // Once the request that opens a stream is under way, the stream's region owns it.
                Purpose::Start
                | Purpose::StartStream
                | Purpose::Locate
                | Purpose::OpenStream(_) => Move::Stay,
            },
            (Self::Finishing(finish), Purpose::Read(read)) => {
                finish.judge(cx, read, report, budget)
            }
            (Self::Starting(_) | Self::Finishing(_) | Self::Ended(_), _) => Move::Stay,
        }
    }

    /// Judges the reply to the request that was to open the stream.
    fn judge_opening(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        match self {
            Self::Starting(starting) => starting.judge_unopened(cx, report, budget),
            Self::Following(follow) => {
                let next = follow.judge_unopened(cx, report, budget);
                follow.update_clock(cx);
                next
            }
            Self::Finishing(_) | Self::Ended(_) => {
                // The task is over: nobody needs a stream any more.
                if let Some(stream) = self.stream_mut() {
                    let due = Timestamp::MAX;
                    stream.enter(StreamState::Closed { due });
                }
                Move::Stay
            }
        }
    }
}

// --- polls -------------------------------------------------------------------------------------------------------

impl<P: Provider> Follow<P> {
    fn judge_poll(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        // A poll result that waited for the conversation; a newer one replaces it.
        let moved = match cx.env.can().events {
            true => None,
            false => self.deferred.take().filter(|_| read == Read::Questions),
        };
        let reply = match cx.sort(report) {
            Ok(reply) => reply,
            Err(error) => return self.poll_showed_nothing(cx, read, moved, &error, budget),
        };
        let result = match self.read(cx, read, reply) {
            Ok(result) => result,
            Err(error) => return self.poll_showed_nothing(cx, read, moved, &error, budget),
        };
        budget.succeeded();
        self.poller.succeeded();
        if read == Read::Status {
            let asked = reply.head.retry_after(cx.env.now);
            self.poller.asked_to_wait(asked);
        }
        cx.env.liveness.last_reply_at = Some(cx.env.now);
        if cx.env.can().stream
            && read == Read::Status
            && let Some(unconfirmed) = self.stream.end_mut()
        {
            unconfirmed.reply = Some(reply.clone());
        }
        if let Some(moved) = moved {
            self.tell_who_answered(cx, &result);
            return self.apply_moved(cx, *moved);
        }
        cx.cancel.see(result.is_over(), cx.out);
        if matches!(result, PollResult::Asking(_))
            && let Some(status) = cx.env.provider.status_beside_questions(reply)
        {
            self.record_status(cx, &status);
        }
        let next = match self.turn.as_ref().map(|turn| turn.state.clone()) {
            Some(TurnState::Baseline) => {
                self.baseline(cx, &result);
                Move::Stay
            }
            Some(TurnState::Unproven { cursor, working }) => {
                let proof = Proof {
                    reply,
                    cursor: &cursor,
                    working,
                };
                self.prove(cx, read, result, &proof)
            }
            // Until the outcome of the message is known, a read only shows whether the task stopped.
            Some(TurnState::Sending { .. }) => self.see_stopped(cx, result),
            None if self.has_applied_plainly(cx, &result) => Move::Stay,
            Some(TurnState::Proven | TurnState::Lost { .. } | TurnState::Undelivered { .. })
            | None => self.defer_or_apply(cx, result),
        };
        next.or_else(|| self.detach_once_confirmed(cx))
    }

    /// Applies what most polls show, that the task works, where nothing waits for that: no question is open, no write has
    /// made the status stale, and no stream tells more. Returns whether it did; it does what [`apply`](Self::apply) would.
    fn has_applied_plainly(&mut self, cx: &mut Cx<'_, P>, result: &PollResult<P::Output>) -> bool {
        let PollResult::Pending(status) = result else {
            return false;
        };
        let is_plain = self.questions.is_unused()
            && self.freshness == StatusFreshness::Current
            && self.stream.is_unused();
        if is_plain {
            self.tell_no_progress(cx, status);
            self.record_status(cx, status);
            self.poll_again(cx);
        }
        is_plain
    }

    /// Judges a poll result once everything that happened before it is known, and defers it until then.
    pub(super) fn defer_or_apply(
        &mut self,
        cx: &mut Cx<'_, P>,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        if cx.env.can().events && self.wants_list(cx, &result) {
            self.deferred = Some(Box::new(result));
            self.begin_backfill(cx);
        } else if self.wants_conversation(cx, &result) {
            self.deferred = Some(Box::new(result));
            self.poller.read_now(Read::Questions, cx.env.now);
        } else {
            return self.apply(cx, result);
        }
        Move::Stay
    }

    /// Handles a failed poll, which is never the task's failure.
    fn poll_failed(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        if read == Read::Events {
            return self.page_failed(cx, error, budget);
        }
        let (due, why) = match self.count_failed_poll(cx, error, budget) {
            ControlFlow::Continue(later) => later,
            ControlFlow::Break(outcome) => return Move::End(outcome),
        };
        if let Some(unconfirmed) = self.stream.end_mut() {
            unconfirmed.contradicted_at.get_or_insert(cx.env.now);
        }
        // The next status read requests again what this reply called for.
        let next = if read == Read::Questions {
            Read::Questions
        } else {
            Read::Status
        };
        self.poller.plan(next, due, why);
        Move::Stay
    }

    /// Counts a failed read and returns when to try again, or how it ends the task.
    pub(super) fn count_failed_poll(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> ControlFlow<Outcome<P::Output>, (Timestamp, WaitReason)> {
        if let Some(error) = access_lost(error) {
            let id = self.id.clone();
            return ControlFlow::Break(Outcome::AccessLost { id, error });
        }
        if let Some(error) = missing(error, self.status.is_some() || self.created_at.is_some()) {
            return self.confirm_gone(cx, error);
        }
        let is_local = error.is_local();
        if !is_local {
            self.poller.failed = self.poller.failed.saturating_add(1);
        }
        let draw = cx.env.rng.u16(..);
        let mut wait = millis(retry::wait(
            error,
            self.poller.failed.max(1),
            &cx.env.policy.retry,
            draw,
            cx.env.now,
        ));
        let is_free = is_local || error.is_refused_by_rate();
        if !is_free && !budget.take(false) {
            // The origin's budget is empty: a poll is only postponed, and never given up.
            wait = wait.max(millis(retry::exhausted_budget_delay(
                &cx.env.policy.retry,
                draw,
            )));
        }
        let asked = retry::server_delay(error, &cx.env.policy.retry, draw, cx.env.now)
            .is_some_and(|asked| millis(asked) >= wait);
        let due = cx
            .env
            .now
            .after(std::time::Duration::from_millis(wait))
            .max(self.poller.schedule(cx.env).0);
        cx.out.events.push(Event::Retrying {
            attempt: self.poller.failed.max(1),
            failed: error.record(),
            until: due,
        });
        let why = if asked {
            WaitReason::ServerDelay
        } else {
            WaitReason::Backoff
        };
        ControlFlow::Continue((due, why))
    }

    /// Returns whether this process started the task so recently that a 404 may mean a record that is not visible yet.
    pub(super) fn is_fresh(&self, cx: &Cx<'_, P>) -> bool {
        self.created_at
            .is_some_and(|started| cx.env.now < started.after(cx.env.policy.not_found_grace))
    }

    /// Handles a 404 or 410: soon after the start the task is not visible yet; later it is gone, once several reads
    /// agree.
    fn confirm_gone(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: ApiError,
    ) -> ControlFlow<Outcome<P::Output>, (Timestamp, WaitReason)> {
        let now = cx.env.now;
        let fresh = self.is_fresh(cx);
        let not_found = match self.poller.not_found.take() {
            Some(seen) => NotFound {
                reads: seen.reads + 1,
                error,
            },
            None => NotFound { reads: 1, error },
        };
        if fresh {
            self.poller.not_found = Some(Box::new(NotFound {
                reads: 0,
                ..not_found
            }));
            return ControlFlow::Continue((
                self.poller.schedule(cx.env).0,
                WaitReason::NotVisibleYet,
            ));
        }
        if not_found.reads >= NOT_FOUND_READS {
            let id = self.id.clone();
            let error = not_found.error;
            return ControlFlow::Break(Outcome::Gone { id, error });
        }
        let due = now.after(cx.env.policy.not_found_wait);
        cx.out.events.push(Event::Retrying {
            attempt: not_found.reads,
            failed: FailedAttempt::new(
                RetryReason::of_error(&not_found.error),
                not_found.error.to_string(),
            ),
            until: due,
        });
        self.poller.not_found = Some(Box::new(not_found));
        ControlFlow::Continue((due, WaitReason::ConfirmingGone))
    }

    /// Reads what a reply says about the task.
    fn read(
        &self,
        cx: &Cx<'_, P>,
        read: Read,
        reply: &Response,
    ) -> Result<PollResult<P::Output>, AttemptError> {
        let result = cx.env.provider.read(&self.id, &self.kind_of(read), reply);
        result.map_err(AttemptError::Unreadable)
    }

    /// Applies a poll result that is known to describe the present.
    pub(super) fn apply(
        &mut self,
        cx: &mut Cx<'_, P>,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        if self.contradicts_end(cx, &result) {
            return Move::Stay;
        }
        match result {
            PollResult::Pending(status) | PollResult::Unknown(status) => {
                self.tell_no_progress(cx, &status);
                self.apply_unasked(cx, status, false);
            }
            PollResult::Paused(status) => self.apply_unasked(cx, status, true),
            PollResult::NotAsking => {
                let ours = self.freshness != StatusFreshness::Current;
                let reason = |asked: &Question| by_conversation(asked, None, ours);
                self.questions.paused = false;
                self.questions.withdraw(reason, &mut cx.out.events);
                self.poll_again(cx);
            }
            PollResult::Asking(questions) => self.apply_asking(cx, questions),
            // What was reported before stays valid until a read says more.
            PollResult::Unclear => {
                self.poll_again(cx);
                self.tell_unclear(cx);
            }
            PollResult::Waiting(status) => {
                self.record_status(cx, &status);
                self.questions.paused = false;
                self.ask_as_events_tell(cx);
                self.poll_again(cx);
            }
            PollResult::ReadFirst(ReadKind::Result, status) => {
                self.record_status(cx, &status);
                let detached = self.detach_for(cx, Aftermath::Worked);
                self.poller.restart(&cx.env.policy);
                return detached.or_else(|| Move::Fetch);
            }
            PollResult::ReadFirst(read, status) => {
                self.record_status(cx, &status);
                self.questions.paused = false;
                self.poller.read_now(Read::first(&read), cx.env.now);
            }
            // Only a result read brings the answer; here it only shows that there is one.
            PollResult::Ready(_) => self.poll_again(cx),
            PollResult::Succeeded(status, output) => {
                self.record_status(cx, &status);
                let id = self.id.clone();
                let detached = self.detach_for(cx, Aftermath::Worked);
                return detached.or_else(|| Move::End(Outcome::Succeeded { id, output }));
            }
            PollResult::Events(page) => return self.take_page(cx, page),
            PollResult::Failed(failure) => return self.ended_badly(cx, Terminal::Failed(failure)),
            PollResult::Stopped(failure) => {
                return self.ended_badly(cx, Terminal::Stopped(failure));
            }
        }
        Move::Stay
    }

    /// Applies a status that needs no answer: the task works, or a review is open.
    fn apply_unasked(&mut self, cx: &mut Cx<'_, P>, status: Status, paused: bool) {
        self.freshness = StatusFreshness::Current;
        let was_paused = std::mem::replace(&mut self.questions.paused, paused);
        self.record_status(cx, &status);
        self.withdraw_asked(cx);
        if paused && !was_paused {
            cx.out.events.push(Event::Paused(status));
        }
        self.poll_again(cx);
    }

    /// Reports once that the status has not changed for long, where the server says since when it has been the same.
    #[inline]
    fn tell_no_progress(&mut self, cx: &mut Cx<'_, P>, status: &Status) {
        if let (Some(text), Some(since)) = (&status.since, status.since_millis) {
            self.tell_unchanged(cx, text, since);
        }
    }

    #[inline(never)]
    fn tell_unchanged(&mut self, cx: &mut Cx<'_, P>, text: &str, since: Timestamp) {
        let for_long = cx.env.now.since(since);
        if for_long < cx.env.policy.no_progress || self.no_progress_since == Some(since) {
            return;
        }
        self.no_progress_since = Some(since);
        cx.out.events.push(Event::NoProgress {
            since: text.to_owned(),
            seconds: for_long.as_secs(),
        });
    }

    /// Applies the questions that a read shows.
    fn apply_asking(&mut self, cx: &mut Cx<'_, P>, questions: Vec<Question>) {
        self.questions.paused = false;
        let ours = self.freshness != StatusFreshness::Current;
        if self.is_believed(&questions) {
            let users = questions.iter().filter_map(|shown| shown.users_before);
            let newest = users.max();
            let reason = |asked: &Question| by_conversation(asked, newest, ours);
            let questions = questions.into_iter();
            let questions = questions.map(|shown| self.with_words(cx, shown)).collect();
            self.questions.offer(questions, reason, &mut cx.out.events);
        }
        self.poll_again(cx);
    }

    /// Adds the words to a new question that a read shows without any, if an event or another reply has said them.
    fn with_words(&mut self, cx: &Cx<'_, P>, shown: Question) -> Question {
        if !shown.stand_in || self.questions.get(&shown.id).is_some() {
            return shown;
        }
        let recent = self.stream.recent.as_slice();
        cx.env.provider.add_words(shown, recent)
    }

    /// Reports that the newest message could not be read; it is read again.
    fn tell_unclear(&mut self, cx: &mut Cx<'_, P>) {
        cx.out.events.push(Event::Retrying {
            attempt: 1,
            failed: FailedAttempt::new(RetryReason::Unreadable(ReadErrorKind::Shape), UNCLEAR),
            until: self.poller.planned().due,
        });
    }

    /// Ends the task by an event that no read has confirmed.
    pub(super) fn accept_unconfirmed(
        &mut self,
        cx: &mut Cx<'_, P>,
        terminal: Terminal,
        why: String,
    ) -> Move<P::Output> {
        let terminal = terminal.map(|mut failure| {
            failure.message = Some(match failure.message.take() {
                Some(message) => format!("{message}; {why}"),
                None => why,
            });
            failure
        });
        let detached = self.detach_for(cx, aftermath_of(&terminal));
        detached.or_else(|| Move::End(self.outcome_of(cx, terminal)))
    }

    fn ended_badly(&mut self, cx: &mut Cx<'_, P>, terminal: Terminal) -> Move<P::Output> {
        let terminal = match self.stream.end.take().map(|told| told.end) {
            Some(UnconfirmedEnd::Failed(told) | UnconfirmedEnd::Stopped(told)) => {
                terminal.map(|failure| failure.completed_by(&told))
            }
            Some(UnconfirmedEnd::Succeeded) | None => terminal,
        };
        self.record_status(cx, terminal.status());
        let detached = self.detach_for(cx, aftermath_of(&terminal));
        let ours = matches!(terminal, Terminal::Stopped(_)) && cx.cancel.was_tried();
        let wanted = cx.cancel.detaching.is_none() || !ours;
        detached.or_else(|| {
            if cx.env.can().steps && cx.env.policy.read_steps && wanted {
                Move::Trace(terminal)
            } else {
                Move::End(self.outcome_of(cx, terminal))
            }
        })
    }

    /// Closes everything that depends on a running task: no question is open any more, and no write is sent.
    fn detach_for(&mut self, cx: &mut Cx<'_, P>, aftermath: Aftermath) -> Move<P::Output> {
        self.questions.paused = false;
        self.questions
            .withdraw(stream::moved_on, &mut cx.out.events);
        let mut next = Move::Stay;
        while !self.writes.is_empty() {
            let ended = self.asked_no_more(cx, Some(aftermath), None);
            next = next.or_else(|| ended);
        }
        next
    }

    fn outcome_of(&self, cx: &Cx<'_, P>, terminal: Terminal) -> Outcome<P::Output> {
        let id = self.id.clone();
        match terminal {
            Terminal::Failed(failure) => Outcome::Failed { id, failure },
            Terminal::Stopped(failure) => {
                let by = if failure.unanswered {
                    StoppedBy::Unanswered
                } else if cx.cancel.was_tried() {
                    StoppedBy::Us
                } else {
                    StoppedBy::Other
                };
                Outcome::Stopped { id, by, failure }
            }
        }
    }

    /// Reports a changed status; a change restarts the polling schedule. The first status is no change: a task that works for
    /// a second has no reason to be polled as often as one that moves on.
    #[inline]
    pub(super) fn record_status(&mut self, cx: &mut Cx<'_, P>, status: &Status) {
        if let Some(left) = status.time_left {
            self.poller.expects(left);
        }
        if self.status.as_ref().map(|last| &last.raw) != Some(&status.raw) {
            self.change_status(cx, status);
        }
    }

    #[inline(never)]
    fn change_status(&mut self, cx: &mut Cx<'_, P>, status: &Status) {
        if self.status.is_some() {
            self.poller.restart(&cx.env.policy);
        }
        cx.env.liveness.last_change_at = Some(cx.env.now);
        cx.out.events.push(Event::Status(status.clone()));
        self.status = Some(status.clone());
    }

    /// Returns whether these are questions, and not words of the agent that a stale status made look like one: see
    /// [`StatusFreshness`].
    fn is_believed(&mut self, questions: &[Question]) -> bool {
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
    pub(super) fn poll_again(&mut self, cx: &mut Cx<'_, P>) {
        if !cx.env.can().stream {
            let (due, why) = self.poller.schedule(cx.env);
            return self.poller.plan(Read::Status, due, why);
        }
        if self.stream.end.is_some() {
            return self.read_again_after_end(cx);
        }
        let pending = self
            .stream
            .asked
            .as_ref()
            .is_some_and(|wait| !wait.is_told())
            || (self.stream.last_wait == LastWait::Unnamed
                && self.questions.open().next().is_none());
        let (due, why) = match self.stream.open() {
            Some(open) if open.has_events() && !pending => {
                let progressed = cx.env.liveness.last_change_at.unwrap_or(open.opened);
                let lull = cx.env.now.since(progressed);
                let due = cx.env.now.after(lull.clamp(LULL, CROSS_CHECK));
                (due, WaitReason::CrossCheck)
            }
            // The stream has brought nothing yet, so it is cross-checked, ever more seldom.
            Some(open) if !pending => {
                let so_far = cx.env.now.since(open.opened);
                let due = cx.env.now.after(so_far.clamp(QUIET, CROSS_CHECK));
                (due, WaitReason::CrossCheck)
            }
            Some(_) | None => self.poller.schedule(cx.env),
        };
        self.poller.plan(Read::Status, due, why);
    }

    // --- cancel --------------------------------------------------------------------------------------------------

    fn judge_cancel(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let reply = cx.sort(report).and_then(|reply| {
            let ours = cx.env.provider.check_accepted(&self.id, reply);
            ours.map_err(AttemptError::Unreadable)
        });
        let refused = reply.as_ref().err().and_then(refusal);
        match cx.cancel.judge(reply, cx.env, cx.out, budget) {
            CancelReply::Accepted => {
                self.poller.restart(&cx.env.policy);
                self.poller.poll_now(cx.env.now);
                let detaching = cx.cancel.detaching.as_ref();
                // The server's acceptance is enough, unless a poll has to confirm it.
                if detaching.is_some_and(|detaching| !detaching.confirm) {
                    return Move::End(self.detached(cx));
                }
            }
            CancelReply::Again => {}
            CancelReply::Refused => {
                self.refused = refused.map(Box::new);
                self.poll_once_refused(cx);
            }
        }
        Move::Stay
    }

    /// Polls after the server refused to cancel: the task may be over.
    pub(super) fn poll_once_refused(&mut self, cx: &Cx<'_, P>) {
        if cx.cancel.detaching.is_some() || cx.cancel.is_doubted() {
            self.poller.poll_now(cx.env.now);
        }
    }

    /// Detaches, if that has begun, once a poll shows the task at work that the server refused to cancel: there is nothing
    /// left to wait for.
    fn detach_once_confirmed(&self, cx: &Cx<'_, P>) -> Move<P::Output> {
        if cx.cancel.detaching.is_none() {
            return Move::Stay;
        }
        let planned = self.poller.planned();
        let at_work = planned.read == Read::Status && planned.due > cx.env.now;
        let refused = matches!(cx.cancel.state, CancelState::Refused(_));
        if at_work && refused {
            return Move::End(self.detached(cx));
        }
        Move::Stay
    }

    /// Returns the outcome if the client detached now.
    fn detached(&self, cx: &Cx<'_, P>) -> Outcome<P::Output> {
        let cancel = cx.cancel.result(cx.link);
        cx.cancel
            .outcome(Some(&self.id), cx.clocks, self.status.clone(), cancel)
    }
}

impl<P: Provider> Cx<'_, P> {
    /// Returns the reply if it is no error, and otherwise what went wrong.
    #[inline]
    pub(super) fn sort<'r>(&self, report: &'r Report) -> Result<&'r Response, AttemptError> {
        match report {
            Ok(reply) => match self.env.provider.classify(reply) {
                Ok(()) => Ok(reply),
                Err(error) => Err(AttemptError::refused(error, reply)),
            },
            Err(failure) => Err(AttemptError::Wire(failure.clone())),
        }
    }
}

fn refusal(error: &AttemptError) -> Option<ApiError> {
    match error {
        AttemptError::Refused(refusal) => Some(refusal.error.clone()),
        AttemptError::Wire(failure) => failure.head().map(ApiError::without_body),
        AttemptError::Unreadable(_) => None,
    }
}

pub(super) fn access_lost(error: &AttemptError) -> Option<ApiError> {
    refusal(error).filter(|error| error.class == ErrorClass::Unauthorised)
}

/// Returns the error if the task does not exist; before anything was ever seen of it, a refusal of its very id counts,
/// too.
fn missing(error: &AttemptError, seen: bool) -> Option<ApiError> {
    refusal(error).filter(|error| match error.class {
        ErrorClass::Gone => true,
        ErrorClass::Invalid | ErrorClass::Conflict => !seen,
        _ => false,
    })
}
