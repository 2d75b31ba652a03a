//! Decisions: the one place that says what a task does next.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::OriginBudget;
use crate::id::ExchangeId;
use crate::limits::{Kind, Limits};
use crate::operation::Safety;
use crate::outcome::{
    CancelFailure, NotStartedReason, Outcome, TimeLimit, UnavailableReason, UnknownReason,
};
use crate::provider::{PollResult, Provider, ReadKind, WriteRequest};
use crate::question::Answered;
use crate::reason::WaitReason;
use crate::step::Step;
use crate::time::Timestamp;

use super::cancel::DetachCause;
use super::intent::old_key;
use super::link::{Exchange, Purpose};
use super::phase::Phase;
use super::stream::{CONFIRM, OPENING, QUIET, StreamState};
use super::writes::{WriteKind, WriteState};
use super::{Cancel, Task};

/// The earliest of several exchanges that are due.
pub(super) struct NextExchange<T> {
    pub(super) due: Timestamp,
    why: WaitReason,
    pub(super) purpose: Option<T>,
}

impl<T> NextExchange<T> {
    fn offer(&mut self, due: Timestamp, why: WaitReason, what: Option<T>) {
        if due < self.due {
            *self = Self {
                due,
                why,
                purpose: what,
            };
        }
    }
}

impl<P: Provider> Task<P> {
    pub(super) fn decide(&mut self, budget: &OriginBudget) -> Step {
        self.judge_report(budget);
        self.judge_opening(budget);
        loop {
            if self.record.is_due(&self.events, self.now) && !self.save.is_due() {
                self.save.need();
            }
            if self.save.is_due() {
                self.record.begin(&self.events);
                return Step::Save {
                    revision: self.save.revision,
                };
            }
            if self.phase.is_ended() {
                self.events.release();
            }
            if let Some((no, id, event)) = self.events.first() {
                let event = event.clone();
                return Step::Event { no, id, event };
            }
            if P::CAPABILITIES.stream
                && let StreamState::Closing { id, .. } = self.stream.state
            {
                return Step::Close { id };
            }
            if self.phase.is_ended() {
                if self.record.is_behind(&self.events) {
                    self.detach();
                    continue;
                }
                self.link.forget();
                match self.stream.held_exchange() {
                    Some(id) => self.stream.enter(StreamState::Closing {
                        id,
                        due: Timestamp::MAX,
                    }),
                    None => return Step::Done,
                }
                continue;
            }
            if self.is_cancelled_unsent() {
                self.end(Outcome::NotStarted {
                    reason: NotStartedReason::Cancelled,
                    attempts: 0,
                    temporary: false,
                });
                continue;
            }
            if self.clocks.has_run_out(self.now) {
                self.expire();
                continue;
            }
            if self.drop_blocking_exchange(budget) {
                continue;
            }
            if self.link.in_flight().is_none() && self.is_past_repeating() {
                self.end_unknown(old_key(), false);
                continue;
            }
            if self.read_stream(budget) {
                continue;
            }
            if let Some((exchange, _)) = self.link.in_flight() {
                return Step::InFlight {
                    id: exchange.id,
                    stream: self.stream.readable(),
                };
            }
            let readable = if P::CAPABILITIES.stream {
                self.listen()
            } else {
                None
            };
            let plan = self.plan();
            if plan.due > self.now || plan.purpose.is_none() {
                self.link.take_back();
                if let Some(due) = self.record.due_when_idle(&self.events)
                    // A stream may bring the next event at once; a plain wait brings none.
                    && (due <= self.now || readable.is_none())
                {
                    self.save.need();
                    continue;
                }
                let (until, why) = self.pause_of(&plan);
                return match readable {
                    Some(id) => Step::Receive { id, until },
                    None => Step::Wait { until, why },
                };
            }
            let purpose = plan.purpose.expect("checked above");
            if self.prepare(purpose)
                && let Some(exchange) = self.link.planned()
            {
                let (id, request) = (exchange.id, exchange.request.clone());
                let limits = self.limits(&exchange.purpose);
                return match exchange.purpose {
                    Purpose::OpenStream(_) => Step::Open {
                        id,
                        request,
                        limits,
                    },
                    _ => Step::Send {
                        id,
                        request,
                        limits,
                    },
                };
            }
        }
    }

    /// Returns the stream that the driver is to read, and notes since when it does.
    fn listen(&mut self) -> Option<ExchangeId> {
        let id = self.stream.readable()?;
        let now = self.now;
        if let Some(open) = self.stream.open_mut() {
            open.listening.get_or_insert(now);
        }
        Some(id)
    }

    /// Returns whether a start was cancelled before any of it was sent.
    fn is_cancelled_unsent(&self) -> bool {
        let unsent = matches!(&self.phase, Phase::Starting(starting) if starting.attempts == 0 && !starting.maybe_received);
        unsent && matches!(self.cancel, Cancel::Requested { .. })
    }

    /// Returns until when there is nothing to do by this plan, and why.
    pub(super) fn pause_of(&self, plan: &NextExchange<Purpose>) -> (Timestamp, WaitReason) {
        let deadline = self.clocks.deadline();
        let (until, why) = if deadline > plan.due {
            (plan.due, self.reason(plan.why))
        } else if self.detaching.is_some() {
            (deadline, WaitReason::Cancelling)
        } else {
            (deadline, WaitReason::Deadline)
        };
        // Recording delivered events is only housekeeping: it is not what the task waits for.
        let record = self.record.due_when_idle(&self.events);
        (record.map_or(until, |due| until.min(due)), why)
    }

    /// Replaces the reason of a wait while a human is asked: the task waits for them, unless an error delays it.
    fn reason(&self, why: WaitReason) -> WaitReason {
        match (self.clocks.running(), why) {
            (
                TimeLimit::Waiting,
                WaitReason::PollInterval
                | WaitReason::Floor
                | WaitReason::CrossCheck
                | WaitReason::Silence
                | WaitReason::Opening,
            ) => {
                if self.paused {
                    WaitReason::Review
                } else {
                    WaitReason::Question
                }
            }
            _ => why,
        }
    }

    /// Returns the next exchange and when it is due. Writes come first, because somebody requested them.
    pub(super) fn plan(&self) -> NextExchange<Purpose> {
        let mut plan = NextExchange {
            due: Timestamp::MAX,
            why: WaitReason::PollInterval,
            purpose: None,
        };
        match &self.phase {
            Phase::Starting(starting) => {
                plan.offer(starting.due, starting.why, Some(Purpose::Start))
            }
            Phase::Fetching(fetching) => plan.offer(
                fetching.due,
                WaitReason::Result,
                Some(Purpose::Read(ReadKind::Result)),
            ),
            Phase::Tracing(tracing) => plan.offer(
                tracing.due,
                WaitReason::Backoff,
                Some(Purpose::Read(ReadKind::Steps)),
            ),
            Phase::Ended(_) => {}
            Phase::Following(following) => {
                if let Cancel::Requested { due, .. } = self.cancel {
                    plan.offer(due, WaitReason::Backoff, Some(Purpose::Cancel));
                    if self.detaching.is_some() {
                        // Nothing else matters once the task is being cancelled.
                        return plan;
                    }
                }
                if P::CAPABILITIES.events
                    && let Some(fill) = &self.stream.backfill
                {
                    let read = ReadKind::Events {
                        cursor: fill.cursor.clone(),
                    };
                    plan.offer(fill.due, self.backfill_reason(), Some(Purpose::Read(read)));
                    return plan;
                }
                if let Some(write) = self.writes.front()
                    && self.detaching.is_none()
                {
                    let purpose = match write.state {
                        WriteState::Check => Purpose::Check,
                        WriteState::Write => Purpose::Write,
                        WriteState::Reconcile => Purpose::Reconcile,
                    };
                    self.offer_due(&mut plan, write.due, write.why, purpose);
                }
                if self.detaching.is_none() && self.is_sending_turn() {
                    return plan;
                }
                let mut due = (following.due, following.why);
                if let (ReadKind::Status, Some(polled)) = (&following.next, self.last_polled_at) {
                    let floor = polled.as_millis().saturating_add(self.poll_interval.floor);
                    if due.0.as_millis() < floor {
                        due = (Timestamp::from_millis(floor), WaitReason::Floor);
                    }
                }
                if let Some(until) = self.deferred_until(&following.next)
                    && due.0 < until
                {
                    due = (until, WaitReason::Opening);
                }
                let read = Purpose::Read(following.next.clone());
                self.offer_due(&mut plan, due.0, due.1, read);
                if P::CAPABILITIES.stream {
                    self.plan_stream(&mut plan);
                }
            }
        }
        plan
    }

    /// Returns until when this read is postponed, because the stream that is being opened may soon make it unnecessary.
    fn deferred_until(&self, read: &ReadKind) -> Option<Timestamp> {
        let since = self.stream.opening_since()?;
        let awaited = self.detaching.is_some() || self.stream.end.is_some();
        (*read == ReadKind::Status && !awaited).then(|| since.after(OPENING))
    }

    /// Offers `purpose` unless an exchange that is already due was offered before: among those that are due, the first
    /// offer wins.
    fn offer_due(
        &self,
        plan: &mut NextExchange<Purpose>,
        due: Timestamp,
        why: WaitReason,
        purpose: Purpose,
    ) {
        if plan.due > self.now || plan.purpose.is_none() {
            plan.offer(due, why, Some(purpose));
        }
    }

    fn plan_stream(&self, plan: &mut NextExchange<Purpose>) {
        if let Some(unconfirmed) = &self.stream.end {
            if let Some(contradicted_at) = unconfirmed.contradicted_at {
                plan.offer(contradicted_at.after(CONFIRM), WaitReason::Confirm, None);
            }
            return;
        }
        if let Some(wait) = self
            .stream
            .asked
            .as_ref()
            .filter(|wait| !wait.checked && !wait.told)
        {
            plan.offer(
                self.quiet_from(wait.since).after(QUIET),
                WaitReason::Quiet,
                None,
            );
        }
        match &self.stream.state {
            StreamState::Closed { due } => {
                self.offer_due(
                    plan,
                    *due,
                    WaitReason::Reopen,
                    Purpose::OpenStream(self.stream.last_taken),
                );
            }
            StreamState::Open(open) => {
                let since = open.listening.unwrap_or(self.now).max(open.last_byte_at);
                plan.offer(
                    since.after(self.policy.limits.stream_idle),
                    WaitReason::Silence,
                    None,
                );
                if !open.contiguous && self.has_list() {
                    plan.offer(open.opened.after(QUIET), WaitReason::Quiet, None);
                }
            }
            StreamState::Opening(_) | StreamState::Closing { .. } => {}
        }
    }

    /// Builds the exchange for `purpose`; returns false if that changed the plan instead.
    fn prepare(&mut self, purpose: Purpose) -> bool {
        let planned = self.link.planned();
        if planned.is_some_and(|exchange| exchange.purpose == purpose) {
            return true;
        }
        let built = match (&purpose, &self.id) {
            (Purpose::Start, _) => match &self.phase {
                Phase::Starting(starting) => Ok(starting.request.clone()),
                _ => unreachable!("only a task that has not started plans its start"),
            },
            (Purpose::Read(ReadKind::Status), Some(id)) => match &self.status_request {
                // Built once: it is sent more often than any other.
                Some(request) => Ok(request.clone()),
                None => self
                    .provider
                    .read_request(id, &ReadKind::Status)
                    .map(|request| {
                        let request = Arc::new(request);
                        self.status_request = Some(request.clone());
                        request
                    }),
            },
            (Purpose::Read(read), Some(id)) => self.provider.read_request(id, read).map(Arc::new),
            (Purpose::Check | Purpose::Reconcile, Some(id)) => self
                .provider
                .read_request(id, &ReadKind::Questions)
                .map(Arc::new),
            (Purpose::OpenStream(after), Some(id)) => self
                .provider
                .read_request(id, &ReadKind::Stream { after: *after })
                .map(|request| Arc::new(request.streaming())),
            (Purpose::Cancel, Some(id)) => self
                .provider
                .write_request(id, &WriteRequest::Cancel)
                .map(Arc::new),
            (Purpose::Write, Some(id)) => {
                let write = self.writes.front().expect("planned because there is one");
                let request = match &write.kind {
                    WriteKind::Answer { question, answer } => WriteRequest::Answer {
                        question,
                        answer,
                        key: write.key.as_ref(),
                    },
                    WriteKind::Message { text, .. } => WriteRequest::Message(text),
                };
                self.provider
                    .write_request(id, &request)
                    .map(|request| Arc::new(request.freeze(&self.seed)))
            }
            (_, None) => unreachable!("only a start is planned before the id is known"),
        };
        match built {
            Ok(request) => {
                let id = ExchangeId(self.exchanges + 1);
                self.link.plan(Exchange {
                    id,
                    purpose,
                    request,
                });
                true
            }
            Err(error) => {
                self.unbuildable(&purpose, error.to_string());
                false
            }
        }
    }

    /// Gives up what needed a request that cannot be built, now or later, and reports that.
    fn unbuildable(&mut self, purpose: &Purpose, why: String) {
        match purpose {
            Purpose::Check | Purpose::Write | Purpose::Reconcile => {
                self.finish_write(Answered::Refused, Some(why))
            }
            Purpose::Cancel => self.cancel_refused(CancelFailure::Unbuildable(why)),
            Purpose::OpenStream(_) => {
                self.stream.state = StreamState::Closed {
                    due: Timestamp::MAX,
                };
            }
            Purpose::Read(ReadKind::Steps) => self.end_traced(),
            // The cursor came from the server, so this is no failure of the task.
            Purpose::Read(ReadKind::Events { .. }) => self.list_unusable(),
            Purpose::Start | Purpose::Read(_) => {
                let id = self
                    .id
                    .clone()
                    .expect("a start's request was built at birth");
                let reason = UnavailableReason::Unbuildable(why);
                self.end(Outcome::ResultUnavailable { id, reason });
            }
        }
    }

    fn limits(&self, purpose: &Purpose) -> Limits {
        let left = self
            .clocks
            .left(self.now)
            .map(|left| left.max(Duration::from_millis(1)));
        let (kind, safety) = match (purpose, &self.phase) {
            (Purpose::Read(ReadKind::Status), _) => return self.status_limits.within(left),
            (Purpose::Start, Phase::Starting(starting)) if starting.request.is_form() => {
                (Kind::Upload, starting.safety)
            }
            (Purpose::Start, Phase::Starting(starting)) => (Kind::Plain, starting.safety),
            (Purpose::Write, _) => {
                let write = self.writes.front();
                let kind = &write.expect("a write is a write's").kind;
                (Kind::Plain, kind.safety::<P>())
            }
            (Purpose::OpenStream(_), _) => (Kind::OpenStream, Safety::Repeatable),
            // Cancelling twice changes nothing more, so a cancel is safe to repeat.
            _ => (Kind::Plain, Safety::Repeatable),
        };
        self.policy.limits.of(kind, safety, left)
    }

    /// Ends the task's following because the running deadline has passed.
    fn expire(&mut self) {
        // Dropping an answer leaves its question open, and that would start the human's clock.
        self.clocks.stop();
        let over = self.deferred.as_ref().is_some_and(PollResult::is_over);
        let deadline = DetachCause::Deadline(self.clocks.running());
        if self.detaching.is_none()
            && !over
            && self.detach_or_cancel(deadline, self.policy.on_deadline)
        {
            return;
        }
        if let Phase::Starting(starting) = &self.phase
            && (starting.maybe_received || self.link.has_sent(&Purpose::Start))
        {
            return self.end_unknown(UnknownReason::Deadline { last: None }, false);
        }
        self.drop_writes();
        if self.phase.is_ended() {
            // This was the message of a turn: `drop_writes` has already ended the turn with an unknown outcome.
            return;
        }
        if let Some(result) = self.deferred.take_if(|held| held.is_over()) {
            // The task ended in time; the rest of its list of events is not reported.
            self.stream.backfill = None;
            return self.apply(result);
        }
        let outcome = match (&self.phase, &self.id) {
            (Phase::Fetching(_), Some(id)) => Outcome::ResultUnavailable {
                id: id.clone(),
                reason: UnavailableReason::Deadline,
            },
            (Phase::Tracing(_), _) => return self.end_traced(),
            _ => return self.end_cancelling(),
        };
        self.end(outcome);
    }
}
