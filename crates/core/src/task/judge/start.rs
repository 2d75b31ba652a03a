//! What the reply to a start request means.

use bytes::Buf as _;
use http::StatusCode;

use crate::budget::OriginBudget;
use crate::error::{ErrorClass, ReadError, ReadErrorKind};
use crate::event::Event;
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::operation::Safety;
use crate::outcome::{NotStartedReason, Outcome, UnknownReason};
use crate::provider::{CreatedTask, PollResult, Provider, Started};
use crate::reason::{FailedAttempt, WaitReason};
use crate::response::{Head, Response};
use crate::retry::{self, Attempt, AttemptError, RetryDecision};
use crate::sse;
use crate::task::Task;
use crate::task::env::Env;
use crate::task::follow::Cx;
use crate::task::phase::{Move, Phase};
use crate::task::starting::{self, KeyChoice, StartForm, StartState, Starting};
use crate::task::stream::StreamState;
use crate::time::Timestamp;

use super::{Report, refusal};

/// How many conflicts a keyed start tolerates after the server may have received one of its attempts.
const CONFLICTS: u32 = 2;
/// The wait after the first conflict.
const CONFLICT_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

impl<P: Provider> Starting<P> {
    pub(super) fn judge(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let error = match cx.sort(report) {
            Ok(reply) => match cx.env.provider.read_start(reply).and_then(usable) {
                Ok(started) => {
                    self.stream.note_words(&cx.env.provider, &reply.body);
                    return self.started(started, budget);
                }
                Err(error) => AttemptError::Unreadable(error),
            },
            Err(error) => error,
        };
        self.judge_error(cx, error, budget)
    }

    /// Judges the reply to a start request that was to open a stream.
    pub(super) fn judge_unopened(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        self.stream.enter(StreamState::Closed {
            due: Timestamp::MAX,
        });
        self.judge(cx, report, budget)
    }

    /// Reads the stream that the start request opened, until an event names the task; returns how that moves the task,
    /// and `None` if nothing changed.
    pub(in crate::task) fn read_stream(
        &mut self,
        cx: &mut Cx<'_, P>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        let idle = cx.env.policy.limits.stream_idle;
        let now = cx.env.now;
        let open = self.stream.open_mut()?;
        let error = if let Some(chunk) = open.chunks.front_mut() {
            let mut rest: &[u8] = chunk;
            let before = rest.len();
            let read = match open.decoder.next_event(&mut rest) {
                Ok(Some(event)) => first_of(&cx.env.provider, &event).map(|started| {
                    let said = || cx.env.provider.words_beside_status(event.data.as_bytes());
                    started.map(|started| (started, said()))
                }),
                Ok(None) => Ok(None),
                Err(error) => Err(unreadable(error.to_string())),
            };
            let used = before - rest.len();
            chunk.advance(used);
            if chunk.is_empty() {
                open.chunks.pop_front();
            }
            match read {
                Ok(None) => return Some(Move::Stay),
                Ok(Some((started, said))) => {
                    open.report();
                    said.into_iter()
                        .for_each(|event| self.stream.recent.push(event));
                    return Some(self.started(started, budget));
                }
                Err(error) => error,
            }
        } else if let Some(failed) = open.end.take() {
            let id = open.id;
            let due = Timestamp::MAX;
            self.stream.enter(StreamState::Closing { id, due });
            self.stream.closed(id);
            return Some(self.judge_error(cx, cut_short(failed.detail), budget));
        } else if now >= open.silent_since(now).after(idle) {
            cut_short(format!("nothing came for {} s", idle.as_secs()))
        } else {
            return None;
        };
        self.stream.drop_held();
        Some(self.judge_error(cx, error, budget))
    }

    /// Moves to the task that the server created, or ends with its answer.
    fn started(&mut self, started: Started<P::Output>, budget: &OriginBudget) -> Move<P::Output> {
        budget.succeeded();
        match started {
            Started::Task(created, first) => Move::Follow(created, first),
            Started::Answer(output) => {
                self.stream.drop_held();
                Move::End(Outcome::Answered { output })
            }
        }
    }

    /// Sends the start as a plain request in the place of one that opens a stream, if nothing of it was sent.
    pub(in crate::task) fn start_by_reply(&mut self, env: &Env<P>) {
        let is_unsent = self.attempts == 0 && !self.maybe_received;
        let by_stream = (self.request()).is_some_and(|start| start.form == StartForm::Stream);
        let Some(job) = self.job.as_deref().filter(|_| is_unsent && by_stream) else {
            return;
        };
        let key = self.key.clone().map_or(KeyChoice::None, KeyChoice::Own);
        let form = StartForm::Reply;
        // What is stored of the start is of this form already, and so it could be built.
        if let Ok(built) = starting::build(&env.provider, job, form, key, &env.seed, env.now) {
            self.digest = built.digest;
            self.state = StartState::Sending(built.request);
        }
    }

    /// Sends the start in another form, if the server does not take this one and there is another: a plain request in
    /// the place of one that opens a stream, or one without our reference. The server did nothing of the refused one.
    fn try_other_form(&mut self, cx: &mut Cx<'_, P>, error: &AttemptError) -> bool {
        let (Some(job), Some(start)) = (&self.job, self.request()) else {
            return false;
        };
        let provider = &cx.env.provider;
        let (job, form, key) = match (error.class(), start.form) {
            (Some(ErrorClass::NoSuchMethod | ErrorClass::Refused), StartForm::Stream) => {
                let key = self.key.clone();
                let key = key.map_or(KeyChoice::None, KeyChoice::Own);
                (job.clone(), StartForm::Reply, key)
            }
            (Some(ErrorClass::Invalid), form) => match provider.without_reference(job) {
                Some(job) => (Box::new(job), form, KeyChoice::of(self.safety, None)),
                None => return false,
            },
            _ => return false,
        };
        let now = cx.env.now;
        let built = starting::build(provider, &job, form, key, &cx.env.seed, now);
        let Ok(mut built) = built else {
            return false;
        };
        if built.key != self.key {
            // No read can tell its task from others. Its name stays: what is stored of the form that the server refused is
            // replaced, and is not taken for a start of unknown outcome.
            if let Some(refused) = &cx.env.intent {
                built.intent.id = refused.id.clone();
            }
            cx.env.intent = Some(Box::new(built.intent));
        }
        self.job = Some(job);
        (self.digest, self.key) = (built.digest, built.key);
        self.state = StartState::Sending(built.request);
        self.retry(cx, now, WaitReason::Backoff, error);
        cx.out.save.need();
        true
    }

    /// Judges a failed attempt: is it repeated, and if not, what is known?
    fn judge_error(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let until = cx.clocks.deadline();
        let draw = cx.env.rng.u16(..);
        let now = cx.env.now;
        if self.is_conflict(&error) && self.conflicts < CONFLICTS {
            // The server may still be processing the previous attempt.
            self.conflicts += 1;
            let due = now.after(CONFLICT_WAIT * self.conflicts);
            self.retry(cx, due, WaitReason::Conflict, &error);
            return Move::Stay;
        }
        let rules = &cx.env.policy.retry;
        self.maybe_received |= retry::may_have_happened(&error, rules);
        let attempt = Attempt {
            safety: self.safety,
            number: self.attempts,
            draw,
            now,
            until,
            maybe: self.maybe_received,
        };
        let attempts = self.attempts;
        let not_started = |reason, temporary| {
            Move::End(Outcome::NotStarted {
                reason,
                attempts,
                temporary,
            })
        };
        match retry::decide(&error, &attempt, rules, budget) {
            RetryDecision::Again(due) if cx.cancel.is_idle() || self.maybe_received => {
                let wait = due.since(now);
                let reason = retry::wait_reason(&error, wait, rules, draw, now);
                self.retry(cx, due, reason, &error);
                Move::Stay
            }
            RetryDecision::Again(_) => not_started(NotStartedReason::Cancelled, false),
            RetryDecision::Unknown => self.lose(cx, &error),
            RetryDecision::Exhausted => {
                let reason = NotStartedReason::Exhausted {
                    last: error.record(),
                    retry_after: error.retry_after(now),
                };
                not_started(reason, true)
            }
            RetryDecision::Final if self.try_other_form(cx, &error) => Move::Stay,
            RetryDecision::Final => match refusal(&error) {
                Some(refusal) if !is_unfollowed(&error) => Move::End(Outcome::Refused(refusal)),
                _ => not_started(NotStartedReason::Attempt(error.record()), false),
            },
        }
    }

    /// Returns whether the server may be processing an earlier attempt with the same key.
    fn is_conflict(&self, error: &AttemptError) -> bool {
        let is_conflict = error.class() == Some(ErrorClass::Conflict);
        self.safety == Safety::Keyed && self.maybe_received && is_conflict
    }

    fn retry(
        &mut self,
        cx: &mut Cx<'_, P>,
        due: Timestamp,
        reason: WaitReason,
        error: &AttemptError,
    ) {
        self.due = due;
        self.why = reason;
        cx.out.events.push(Event::Retrying {
            attempt: self.attempts,
            failed: error.record(),
            until: due,
        });
    }
}

impl<P: Provider> Task<P> {
    /// Begins to follow the task that the start created.
    /// `first` is what the reply says besides, as a read of the task would.
    pub(in crate::task) fn begin(
        &mut self,
        created: CreatedTask,
        first: Option<Box<PollResult<P::Output>>>,
    ) {
        let now = self.env.now;
        self.env.liveness.last_reply_at = Some(now);
        self.env.liveness.last_change_at = Some(now);
        self.out.events.push(Event::Created {
            id: created.id.clone(),
            status: created.status.clone(),
            replayed: created.replayed,
        });
        self.step(Move::Follow(created, None));
        if let Phase::Following(follow) = &mut self.phase {
            let (due, _) = follow.poller.schedule(&mut self.env);
            follow.poller.postpone(due, WaitReason::PollInterval);
        }
        let how = self.env.policy.on_interrupt;
        self.cancel.begin(&mut self.clocks, how, now);
        self.out.save.need();
        if let Some(first) = first {
            let (phase, mut cx) = self.parts();
            if let Phase::Following(follow) = phase {
                let next = follow.defer_or_apply(&mut cx, *first);
                self.go(next);
            }
        }
    }
}

/// Returns whether the client did not follow a redirect: the server has refused nothing.
fn is_unfollowed(error: &AttemptError) -> bool {
    let head = match error {
        AttemptError::Wire(failure) => failure.head(),
        AttemptError::Refused(_) | AttemptError::Unreadable(_) => None,
    };
    head.is_some_and(|head| head.status.is_redirection())
}

/// Returns why nobody knows what became of a start that failed like this.
pub(super) fn unknown_reason<P: Provider>(cx: &Cx<'_, P>, last: FailedAttempt) -> UnknownReason {
    // A limit cut at the deadline runs out when the deadline passes.
    match cx.is_past_work_deadline() {
        true => UnknownReason::Deadline { last: Some(last) },
        false => UnknownReason::Attempt(last),
    }
}

/// Returns whether a start that failed like this has probably created a task.
pub(super) fn is_likely(error: &AttemptError) -> bool {
    matches!(error, AttemptError::Unreadable(_))
        || error.status().is_some_and(|status| status.is_success())
}

/// Reads an event that may name the task of the start.
fn first_of<P: Provider>(
    provider: &P,
    event: &sse::Event<'_>,
) -> Result<Option<Started<P::Output>>, AttemptError> {
    if let Err(error) = provider.classify_event(event) {
        let reply = Response::new(StatusCode::OK, "");
        return Err(AttemptError::refused(error, &reply));
    }
    let started = provider
        .read_started(event)
        .map_err(AttemptError::Unreadable)?;
    let started = started.map(usable).transpose();
    started.map_err(AttemptError::Unreadable)
}

fn unreadable(why: String) -> AttemptError {
    AttemptError::Unreadable(ReadError::new(ReadErrorKind::Shape, why))
}

/// Returns the error of a stream that ended before it named the task.
fn cut_short(why: String) -> AttemptError {
    let progress = ExchangeProgress::Answered(Box::new(Head::new(StatusCode::OK)));
    AttemptError::Wire(ExchangeFailure::new(progress, Cause::Truncated, why))
}

/// Refuses an id that cannot be used in a request: it is as good as none.
fn usable<O>(started: Started<O>) -> Result<Started<O>, ReadError> {
    let Started::Task(created, _) = &started else {
        return Ok(started);
    };
    match created.id.check() {
        Ok(()) => Ok(started),
        Err(error) => Err(ReadError::new(
            ReadErrorKind::Shape,
            format!("the task id cannot be used: {error}"),
        )),
    }
}
