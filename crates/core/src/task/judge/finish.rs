//! What the last reads of a task that is over mean: its answer, or its steps.

use crate::budget::OriginBudget;
use crate::event::Event;
use crate::id::TaskId;
use crate::outcome::{Outcome, UnavailableReason};
use crate::provider::{PollResult, Provider};
use crate::reason::{FailedAttempt, RetryReason};
use crate::retry::AttemptError;
use crate::task::follow::Cx;
use crate::task::link::Read;
use crate::task::phase::{Fetching, Finishing, LastRead, Move, STEPS_READS, Terminal, Tracing};
use crate::task::poller::Poller;

use super::{Report, access_lost};

impl<P: Provider> Finishing<P> {
    pub(super) fn judge(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let is_last = match self.read {
            LastRead::Fetching(_) => read == Read::Result,
            LastRead::Tracing(_) => read == Read::Steps,
        };
        if !is_last {
            // It was sent before the task was known to be over.
            return Move::Stay;
        }
        let result = cx
            .sort(report)
            .and_then(|reply| self.follow.read(cx, read, reply));
        let result = match result {
            Ok(result) => {
                budget.succeeded();
                cx.env.liveness.last_reply_at = Some(cx.env.now);
                Ok(result)
            }
            Err(error) => {
                if let Some(error) = access_lost(&error) {
                    let id = self.follow.id.clone();
                    return Move::End(Outcome::AccessLost { id, error });
                }
                Err(error)
            }
        };
        match &mut self.read {
            LastRead::Fetching(fetching) => {
                let id = &self.follow.id;
                fetching.judge(cx, id, &mut self.follow.poller, result)
            }
            LastRead::Tracing(tracing) => {
                if tracing.judge(cx, result) {
                    return self.end_traced(cx);
                }
                Move::Stay
            }
        }
    }

    /// Ends the task with the steps that were read.
    pub(in crate::task) fn end_traced(&self, cx: &Cx<'_, P>) -> Move<P::Output> {
        match &self.read {
            LastRead::Tracing(tracing) => {
                Move::End(self.follow.outcome_of(cx, tracing.terminal.clone()))
            }
            LastRead::Fetching(_) => Move::Stay,
        }
    }
}

impl Fetching {
    fn judge<P: Provider>(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: &TaskId,
        poller: &mut Poller,
        result: Result<PollResult<P::Output>, AttemptError>,
    ) -> Move<P::Output> {
        let (reason, error) = match result {
            Ok(PollResult::Ready(output) | PollResult::Succeeded(_, output)) => {
                let id = id.clone();
                return Move::End(Outcome::Succeeded { id, output });
            }
            // The client saw the task completed, which is final: a read that shows an earlier state is stale.
            Ok(_) => (UnavailableReason::StillEarlier, None),
            Err(error) => (UnavailableReason::Attempt(error.record()), Some(error)),
        };
        let now = cx.env.now;
        let asked = error.as_ref().and_then(|error| error.retry_after(now));
        let (due, _) = poller.schedule(cx.env);
        let due = asked.map_or(due, |asked| {
            due.max(now.after(asked.min(crate::failure::MAX_HINT)))
        });
        self.tries += 1;
        if self.tries == 1 {
            // Patience begins at the first failure: the first read alone may have taken as long.
            self.since = now;
        }
        if due > self.since.after(cx.env.policy.result_patience) {
            let id = id.clone();
            return Move::End(Outcome::ResultUnavailable { id, reason });
        }
        self.due = due;
        let kind = error
            .as_ref()
            .map_or(RetryReason::NotReady, RetryReason::of);
        cx.out.events.push(Event::Retrying {
            attempt: self.tries,
            failed: FailedAttempt::new(kind, reason.to_string()),
            until: due,
        });
        Move::Stay
    }
}

impl Tracing {
    /// Adds the steps that were read; returns whether they are all that is to be had.
    fn judge<P: Provider>(
        &mut self,
        cx: &Cx<'_, P>,
        result: Result<PollResult<P::Output>, AttemptError>,
    ) -> bool {
        let read = match result {
            Ok(PollResult::Failed(failure)) => Terminal::Failed(failure),
            Ok(PollResult::Stopped(failure)) => Terminal::Stopped(failure),
            Ok(_) => return true,
            Err(_) => {
                self.tries += 1;
                self.due = cx.env.now.after(cx.env.policy.poll_backoff.first);
                return self.tries >= STEPS_READS;
            }
        };
        self.terminal = self.terminal.clone().with_steps_of(read);
        true
    }
}
