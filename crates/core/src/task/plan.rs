//! Decisions: the one place that says what a task does next.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::OriginBudget;
use crate::build_error::BuildError;
use crate::id::{ExchangeId, Revision};
use crate::limits::{Kind, Limits};
use crate::operation::Safety;
use crate::outcome::{
    CancelFailure, NotStartedReason, Outcome, TimeLimit, UnavailableReason, UnknownReason,
};
use crate::provider::{Provider, ReadKind, WriteRequest};
use crate::question::Answered;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::step::Step;
use crate::time::Timestamp;

use super::Task;
use super::cancel::{Cancel, DetachCause};
use super::env::Env;
use super::follow::{Cx, Follow};
use super::intent::old_key;
use super::link::{Exchange, Purpose, Read};
use super::phase::{Finishing, LastRead, Move, Phase};
use super::stream::{OPENING, Stream};
use super::writes::PendingWrite;

/// The earliest of several exchanges that are due.
#[derive(Debug, PartialEq)]
pub(super) struct NextExchange<T> {
    pub(super) due: Timestamp,
    pub(super) why: WaitReason,
    pub(super) purpose: Option<T>,
}

impl<T> NextExchange<T> {
    pub(super) fn offer(&mut self, due: Timestamp, why: WaitReason, what: Option<T>) {
        if due < self.due {
            *self = Self {
                due,
                why,
                purpose: what,
            };
        }
    }

    /// Offers `purpose` unless an exchange that is already due was offered before: among those that are due, the first
    /// offer wins.
    fn offer_due(&mut self, now: Timestamp, due: Timestamp, why: WaitReason, purpose: T) {
        if self.due > now || self.purpose.is_none() {
            self.offer(due, why, Some(purpose));
        }
    }

    /// Returns what is to be sent now, if anything is.
    pub(super) fn due_purpose(self, now: Timestamp) -> Result<T, (Timestamp, WaitReason)> {
        match self.purpose {
            Some(purpose) if self.due <= now => Ok(purpose),
            _ => Err((self.due, self.why)),
        }
    }
}

impl<P: Provider> Task<P> {
    pub(super) fn decide(&mut self, budget: &OriginBudget) -> Step {
        self.judge(budget);
        loop {
            let (next, readable) = match self.only_poll() {
                Some(poll) => {
                    debug_assert!(self.do_first(budget).is_none(), "nothing comes before it");
                    (poll, None)
                }
                None => {
                    if let Some(step) = self.do_first(budget) {
                        return step;
                    }
                    (self.plan(), self.phase.stream().readable())
                }
            };
            let step = match next.due_purpose(self.env.now) {
                Ok(purpose) => match self.admit(purpose, budget) {
                    Ok(()) => self.prepare(purpose),
                    Err(later) => self.rest((later, WaitReason::Rate), readable),
                },
                Err(later) => self.rest(later, readable),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Returns the next poll of a followed task for which that is all there is to do: nothing is to be stored, delivered,
    /// written, read from a stream or given up. Most tasks are so for most of their time, and need not be asked about each.
    fn only_poll(&self) -> Option<NextExchange<Purpose>> {
        let Phase::Following(follow) = &self.phase else {
            return None;
        };
        let is_quiet = self.out.is_empty()
            && self.cancel.is_unused()
            && self.link.in_flight().is_none()
            && !self.clocks.has_run_out(self.env.now)
            && follow.only_polls(&self.env);
        is_quiet.then(|| {
            let (due, why) = follow.poller.due(&self.env.policy);
            let purpose = Some(Purpose::Read(follow.poller.planned().read));
            let poll = NextExchange { due, why, purpose };
            debug_assert_eq!(poll, self.plan(), "the poll is all that is planned");
            poll
        })
    }

    /// Does what comes before the next exchange; returns the step that it takes, if it takes one.
    fn do_first(&mut self, budget: &OriginBudget) -> Option<Step> {
        loop {
            if let Phase::Following(follow) = &mut self.phase
                && self.cancel.detaching.is_none()
            {
                follow.writes.due_again(self.env.now, &mut self.out);
            }
            if let Some(step) = self.hand_over() {
                return Some(step);
            }
            if self.give_up(budget) {
                continue;
            }
            let (phase, mut cx) = self.parts();
            if let Phase::Following(follow) = phase
                && follow.writes.is_stale(cx.env.now)
            {
                follow.recheck(&mut cx);
            }
            if let Some(next) = phase.read_stream(&mut cx, budget) {
                self.go(next);
                continue;
            }
            let readable = self.phase.stream().readable();
            if let Some(sent) = self.link.in_flight() {
                return Some(Step::InFlight {
                    id: sent.id,
                    stream: readable,
                });
            }
            if readable.is_some()
                && let Some(stream) = self.phase.stream_mut()
            {
                stream.listen(self.env.now);
            }
            return None;
        }
    }

    /// Returns the step that stores a state, delivers an event, or drops a stream; of a task that is over, these are the
    /// last ones.
    fn hand_over(&mut self) -> Option<Step> {
        if let Some(revision) = self.out.due_revision(self.env.now) {
            return Some(Step::Save { revision });
        }
        let is_ended = self.phase.is_ended();
        if is_ended {
            self.out.events.release();
        }
        if let Some((no, id, event)) = self.out.events.first() {
            let event = event.clone();
            return Some(Step::Event { no, id, event });
        }
        if let Some(id) = self.phase.stream().to_close() {
            return Some(Step::Close { id });
        }
        if !is_ended {
            return None;
        }
        self.out.flush();
        if let Some(revision) = self.out.due_revision(self.env.now) {
            return Some(Step::Save { revision });
        }
        self.link.forget();
        let held = self.phase.stream_mut().and_then(Stream::drop_held);
        Some(held.map_or(Step::Done, |id| Step::Close { id }))
    }

    /// Returns the step that waits until the next exchange is due `later`; `None` if a state is to be saved first.
    fn rest(
        &mut self,
        later: (Timestamp, WaitReason),
        readable: Option<ExchangeId>,
    ) -> Option<Step> {
        self.link.take_back();
        if let Some(due) = self.out.record_due_when_idle()
            // A stream may bring the next event at once; a plain wait brings none.
            && (due <= self.env.now || readable.is_none())
        {
            self.out.save.need();
            return None;
        }
        let (until, why) = self.pause_until(later);
        Some(match readable {
            Some(id) => Step::Receive { id, until },
            None => Step::Wait { until, why },
        })
    }

    /// Ends what need not or must not go on: a start that was cancelled before it was sent, a task whose deadline has
    /// passed, an exchange that blocks a cancel, a start whose key is too old. Returns true if that changed anything.
    fn give_up(&mut self, budget: &OriginBudget) -> bool {
        if self.is_cancelled_unsent() {
            self.end(Outcome::NotStarted {
                reason: NotStartedReason::Cancelled,
                attempts: 0,
                temporary: false,
            });
        } else if self.clocks.has_run_out(self.env.now) {
            self.expire();
        } else if self.link.in_flight().is_none() && self.is_past_repeating() {
            let outcome = self.env.unknown_start(old_key(), false);
            self.end(outcome);
        } else {
            return self.drop_blocking_exchange(budget);
        }
        true
    }

    /// Returns whether a start was cancelled before any of it was sent.
    fn is_cancelled_unsent(&self) -> bool {
        let unsent = matches!(&self.phase, Phase::Starting(starting) if starting.attempts == 0 && !starting.maybe_received);
        unsent && self.cancel.due().is_some()
    }

    /// Ends a start of which nothing has reached the server, because its driver stops: whoever resumed it could not know that,
    /// and would have to take it for one of unknown outcome. What was never stored need not be. Returns whether it ended.
    pub(crate) fn end_unsent(&mut self) -> bool {
        let attempts = match &self.phase {
            Phase::Starting(starting)
                if !starting.maybe_received
                    && !self.link.is_busy()
                    && starting.stream.held_exchange().is_none() =>
            {
                starting.attempts
            }
            _ => return false,
        };
        let was_stored = self.out.save.saved > Revision::default();
        self.end(Outcome::NotStarted {
            reason: NotStartedReason::Cancelled,
            attempts,
            temporary: false,
        });
        if !was_stored {
            self.out.save.saved = self.out.save.revision;
        }
        true
    }

    /// Returns until when there is nothing to do, and why, if the next exchange is due `later`.
    pub(super) fn pause_until(&self, later: (Timestamp, WaitReason)) -> (Timestamp, WaitReason) {
        let deadline = self.clocks.deadline();
        let (until, why) = if deadline > later.0 {
            (later.0, self.reason(later.1))
        } else if self.cancel.detaching.is_some() {
            (deadline, WaitReason::Cancelling)
        } else {
            (deadline, WaitReason::Deadline)
        };
        // Recording delivered events is only housekeeping: it is not what the task waits for.
        let record = self.out.record_due_when_idle();
        (record.map_or(until, |due| until.min(due)), why)
    }

    /// Replaces the reason of a wait while a human is asked: the task waits for them, unless an error delays it.
    fn reason(&self, why: WaitReason) -> WaitReason {
        match (self.clocks.running(), why) {
            (
                TimeLimit::Waiting,
                WaitReason::PollInterval
                | WaitReason::Floor
                | WaitReason::Rate
                | WaitReason::CrossCheck
                | WaitReason::Silence
                | WaitReason::Opening,
            ) => {
                if self.is_paused() {
                    WaitReason::Review
                } else {
                    WaitReason::Question
                }
            }
            _ => why,
        }
    }

    /// Returns the next exchange and when it is due.
    pub(super) fn plan(&self) -> NextExchange<Purpose> {
        let mut plan = NextExchange {
            due: Timestamp::MAX,
            why: WaitReason::PollInterval,
            purpose: None,
        };
        match &self.phase {
            Phase::Starting(starting) => starting.plan(&self.env, &mut plan),
            Phase::Following(follow) => follow.plan(&self.env, &self.cancel, &mut plan),
            Phase::Finishing(finish) => match &finish.read {
                LastRead::Fetching(fetching) => {
                    let read = Purpose::Read(Read::Result);
                    plan.offer(fetching.due, WaitReason::Result, Some(read));
                }
                LastRead::Tracing(tracing) => {
                    let read = Purpose::Read(Read::Steps);
                    plan.offer(tracing.due, WaitReason::Backoff, Some(read));
                }
            },
            Phase::Ended(_) => {}
        }
        plan
    }

    /// Reserves the right to send; returns when to ask again while others have their turn first.
    fn admit(&mut self, purpose: Purpose, budget: &OriginBudget) -> Result<(), Timestamp> {
        if self.permit.is_none() {
            self.permit = budget.reserve(self.env.now);
        }
        self.turn_of(purpose)
    }

    /// Returns when to ask again while others have their turn before the exchange for `purpose`.
    pub(super) fn turn_of(&self, purpose: Purpose) -> Result<(), Timestamp> {
        match &self.permit {
            Some(permit) if !purpose.is_urgent() => permit.due(self.env.now),
            Some(_) | None => Ok(()),
        }
    }

    /// Plans the exchange for `purpose` and returns the step that sends it; `None` if it cannot be built, which changes
    /// what is to be done.
    fn prepare(&mut self, purpose: Purpose) -> Option<Step> {
        let planned = self.link.planned();
        let (id, request) = match planned.filter(|planned| planned.purpose == purpose) {
            Some(planned) => (planned.id, planned.request.clone()),
            None => self.build(purpose)?,
        };
        let limits = self.limits(&purpose);
        Some(match purpose {
            Purpose::OpenStream(_) | Purpose::StartStream => Step::Open {
                id,
                request,
                limits,
            },
            _ => Step::Send {
                id,
                request,
                limits,
            },
        })
    }

    /// Builds the request for `purpose` and plans its exchange; `None` if it cannot be built.
    fn build(&mut self, purpose: Purpose) -> Option<(ExchangeId, Arc<Request>)> {
        match self.phase.build(&self.env, &purpose) {
            Ok(request) => {
                let id = self.env.next_exchange();
                self.link.plan(Exchange {
                    id,
                    purpose,
                    request: request.clone(),
                });
                Some((id, request))
            }
            Err(error) => {
                let (phase, mut cx) = self.parts();
                let next = phase.unbuildable(&mut cx, &purpose, error.to_string());
                self.go(next);
                None
            }
        }
    }

    fn limits(&self, purpose: &Purpose) -> Limits {
        let left = self
            .clocks
            .left(self.env.now)
            .map(|left| left.max(Duration::from_millis(1)));
        let (kind, safety) = match (purpose, &self.phase) {
            (Purpose::Read(Read::Status), Phase::Following(_)) => {
                (Kind::Status, Safety::Repeatable)
            }
            (Purpose::Start, Phase::Starting(starting)) if starting.sends_a_form() => {
                (Kind::Upload, starting.safety)
            }
            (Purpose::Start, Phase::Starting(starting)) => (Kind::Plain, starting.safety),
            (Purpose::StartStream, Phase::Starting(starting)) => {
                (Kind::OpenStream, starting.safety)
            }
            (Purpose::Write, Phase::Following(follow)) => {
                let write = follow
                    .writes
                    .front()
                    .map(|write| write.kind.safety(self.env.can()));
                (Kind::Plain, write.unwrap_or(Safety::Once))
            }
            (Purpose::OpenStream(_), _) => (Kind::OpenStream, Safety::Repeatable),
            // Cancelling twice changes nothing more, so a cancel is safe to repeat.
            _ => (Kind::Plain, Safety::Repeatable),
        };
        self.env.policy.limits.of(kind, safety, left)
    }

    /// Ends the task's following because the running deadline has passed.
    fn expire(&mut self) {
        // Dropping an answer leaves its question open, and that would start the human's clock.
        self.clocks.stop();
        let over = matches!(&self.phase, Phase::Following(follow) if follow.has_deferred_end());
        let deadline = DetachCause::Deadline(self.clocks.running());
        if self.cancel.detaching.is_none()
            && !over
            && self.detach_or_cancel(deadline, self.env.policy.on_deadline)
        {
            return;
        }
        let start_sent =
            self.link.has_sent(Purpose::Start) || self.phase.stream().held_exchange().is_some();
        let detached = self.detached();
        let (phase, mut cx) = self.parts();
        let next = match phase {
            Phase::Starting(starting) if starting.maybe_received || start_sent => {
                let last = starting.lost_attempt();
                Move::End(
                    cx.env
                        .unknown_start(UnknownReason::Deadline { last }, false),
                )
            }
            Phase::Starting(_) | Phase::Ended(_) => Move::End(detached),
            Phase::Following(follow) => {
                let dropped = follow.drop_writes(&mut cx);
                if dropped.is_stay()
                    && let Some(result) = follow.deferred.take_if(|held| held.is_over())
                {
                    // The task ended in time; the rest of its list of events is not reported.
                    follow.stream.backfill = None;
                    follow.apply(&mut cx, *result)
                } else {
                    dropped.or_else(|| Move::End(detached))
                }
            }
            Phase::Finishing(finish) => match &finish.read {
                LastRead::Fetching(_) => Move::End(Outcome::ResultUnavailable {
                    id: finish.follow.id.clone(),
                    reason: UnavailableReason::Deadline,
                }),
                LastRead::Tracing(_) => finish.end_traced(&cx),
            },
        };
        self.go(next);
    }
}

impl<P: Provider> Phase<P> {
    /// Reads the next thing from the stream; returns how it moves the task, and `None` if nothing changed.
    fn read_stream(
        &mut self,
        cx: &mut Cx<'_, P>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        match self {
            Self::Starting(starting) => starting.read_stream(cx, budget),
            Self::Following(follow) if cx.env.can().stream => follow.read_stream(cx, budget),
            _ => None,
        }
    }

    fn build(&mut self, env: &Env<P>, purpose: &Purpose) -> Result<Arc<Request>, BuildError> {
        match self {
            Self::Starting(starting) => starting.build(env),
            Self::Following(follow) => follow.build(env, purpose),
            Self::Finishing(finishing) => finishing.follow.build(env, purpose),
            Self::Ended(_) => Err(BuildError::new("the task is over")),
        }
    }

    /// Gives up what needed a request that cannot be built, now or later, and reports that.
    fn unbuildable(
        &mut self,
        cx: &mut Cx<'_, P>,
        purpose: &Purpose,
        why: String,
    ) -> Move<P::Output> {
        match self {
            Self::Following(follow) => follow.unbuildable(cx, purpose, why),
            Self::Finishing(finishing) => finishing.unbuildable(cx, why),
            // The request of a start was built at birth, and that of a page holds the server's cursor.
            Self::Starting(starting) => starting.unlisted(cx),
            Self::Ended(_) => Move::Stay,
        }
    }
}

impl<P: Provider> Follow<P> {
    /// Returns whether polls are all that the regions of the task can bring.
    fn only_polls(&self, env: &Env<P>) -> bool {
        self.writes.is_empty()
            && self.turn.is_none()
            && self.stream.is_unused()
            && (env.is_polled || !env.can().stream)
    }

    /// Offers what may be sent next. Writes come first, because somebody requested them.
    fn plan(&self, env: &Env<P>, cancel: &Cancel, plan: &mut NextExchange<Purpose>) {
        let now = env.now;
        let detaching = cancel.detaching.is_some();
        if let Some(due) = cancel.due() {
            plan.offer(due, WaitReason::Backoff, Some(Purpose::Cancel));
            if detaching {
                // Nothing else matters once the task is being cancelled.
                return;
            }
        }
        if env.can().events
            && let Some(fill) = &self.stream.backfill
        {
            let page = Purpose::Read(Read::Events);
            return plan.offer(fill.due, fill.reason(), Some(page));
        }
        if let Some(write) = self.writes.front()
            && !detaching
        {
            plan.offer_due(now, write.due, write.why, write.purpose());
        }
        if !detaching && self.is_sending_turn() {
            return;
        }
        let (mut due, mut why) = self.poller.due(&env.policy);
        let read = self.poller.planned().read;
        if let Some(until) = self.deferred_until(read, detaching)
            && due < until
        {
            (due, why) = (until, WaitReason::Opening);
        }
        plan.offer_due(now, due, why, Purpose::Read(read));
        if env.can().stream {
            self.plan_stream(env, plan);
        }
    }

    /// Returns until when this read is postponed, because the stream that is being opened may soon make it unnecessary.
    fn deferred_until(&self, read: Read, detaching: bool) -> Option<Timestamp> {
        let since = self.stream.opening_since()?;
        let awaited = detaching || self.stream.end.is_some();
        (read == Read::Status && !awaited).then(|| since.after(OPENING))
    }

    fn plan_stream(&self, env: &Env<P>, plan: &mut NextExchange<Purpose>) {
        for timer in self.stream_timers(env) {
            plan.offer(timer.at, timer.why, None);
        }
        if let Some(due) = self.stream.closed_until()
            && self.stream.end.is_none()
            && !env.is_polled
        {
            let open = Purpose::OpenStream(self.stream.sequence.last_taken);
            plan.offer_due(env.now, due, WaitReason::Reopen, open);
        }
    }

    fn build(&mut self, env: &Env<P>, purpose: &Purpose) -> Result<Arc<Request>, BuildError> {
        let (provider, id) = (&env.provider, &self.id);
        match purpose {
            Purpose::Start | Purpose::StartStream | Purpose::Locate => {
                Err(BuildError::new("the task has started"))
            }
            Purpose::Read(Read::Status) => {
                let build = || provider.read_request(id, &ReadKind::Status);
                self.poller.status_request(build)
            }
            Purpose::Read(read) => provider
                .read_request(id, &self.kind_of(*read))
                .map(Arc::new),
            Purpose::Check | Purpose::Reconcile => provider
                .read_request(id, &ReadKind::Questions)
                .map(Arc::new),
            Purpose::OpenStream(after) => provider
                .read_request(id, &self.stream.kind_after(*after))
                .map(|request| Arc::new(request.streaming())),
            Purpose::Cancel => provider
                .write_request(id, &WriteRequest::Cancel)
                .map(Arc::new),
            Purpose::Write => {
                let write = self.writes.front();
                let write = write.ok_or_else(|| BuildError::new("there is nothing to write"))?;
                write.request(env, id).map(Arc::new)
            }
        }
    }

    fn unbuildable(
        &mut self,
        cx: &mut Cx<'_, P>,
        purpose: &Purpose,
        why: String,
    ) -> Move<P::Output> {
        match purpose {
            Purpose::Check | Purpose::Write | Purpose::Reconcile => {
                let write = self.writes.front();
                let how = match write.is_some_and(PendingWrite::maybe_applied) {
                    true => Answered::Unknown,
                    false => {
                        // An error of the server for an earlier write explains nothing here.
                        self.refused = None;
                        Answered::Refused
                    }
                };
                self.finish_write(cx, how, Some(why))
            }
            Purpose::Cancel => {
                self.refused = None;
                cx.cancel.refuse(CancelFailure::Unbuildable(why), cx.out);
                self.poll_once_refused(cx);
                Move::Stay
            }
            Purpose::OpenStream(_) => {
                self.stream.never_open();
                Move::Stay
            }
            // The cursor came from the server, so this is no failure of the task.
            Purpose::Read(Read::Events) => self.list_unusable(cx),
            Purpose::Start | Purpose::StartStream | Purpose::Locate | Purpose::Read(_) => {
                let id = self.id.clone();
                let reason = UnavailableReason::Unbuildable(why);
                Move::End(Outcome::ResultUnavailable { id, reason })
            }
        }
    }
}

impl<P: Provider> Finishing<P> {
    fn unbuildable(&self, cx: &Cx<'_, P>, why: String) -> Move<P::Output> {
        match &self.read {
            LastRead::Fetching(_) => {
                let id = self.follow.id.clone();
                let reason = UnavailableReason::Unbuildable(why);
                Move::End(Outcome::ResultUnavailable { id, reason })
            }
            LastRead::Tracing(_) => self.end_traced(cx),
        }
    }
}
