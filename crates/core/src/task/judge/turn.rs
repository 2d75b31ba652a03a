//! One turn of an existing conversation: what the task showed before our message is not its result.

use std::time::Duration;

use crate::id::{Cursor, IntentId, MessageNo};
use crate::outcome::{LostMessage, NotStartedReason, Outcome, UnavailableReason, UnknownReason};
use crate::provider::{Confirmation, PollResult, Provider, ReadKind};
use crate::question::Answered;
use crate::response::Response;
use crate::seed::hex;
use crate::task::follow::{Cx, Follow, StatusFreshness};
use crate::task::link::{Link, Purpose, Read};
use crate::task::phase::Move;
use crate::task::turn::TurnChange;
use crate::task::{Turn, TurnState};

/// How long after a message arrived the task is polled as often as allowed: its turn may be short.
const SHORT_TURN: Duration = Duration::from_secs(60);
/// How long a task that is over may show nothing new after a message arrived before the client gives up.
const UNMOVED: Duration = Duration::from_secs(600);
/// How long an end may be the task's only reaction: a task that was at work shortly before a message arrived may take
/// it up while it works. A task that had ended before begins again within this time, and shows that.
const STANDS: Duration = Duration::from_secs(30);

/// What shows whether a poll result is about this turn.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    pub(super) reply: &'a Response,
    /// Where the conversation stood before the message.
    pub(super) cursor: &'a Cursor,
    /// Whether the task was at work then.
    pub(super) working: bool,
}

impl<P: Provider> Follow<P> {
    /// Evaluates the read before our message: was the task at work, or had it paused or ended?
    pub(super) fn baseline(&mut self, cx: &mut Cx<'_, P>, result: &PollResult<P::Output>) {
        let working = matches!(result, PollResult::Pending(_) | PollResult::Unknown(_));
        if let PollResult::Pending(status)
        | PollResult::Unknown(status)
        | PollResult::ReadFirst(_, status)
        | PollResult::Paused(status) = result
        {
            self.record_status(cx, status);
        }
        let text = self.turn.as_ref().map(|turn| turn.text.clone());
        let no = self
            .writes
            .push_message(text.unwrap_or_default(), cx.env.now);
        if let Some(turn) = &mut self.turn {
            turn.change(TurnChange::Queued { no, working });
        }
    }

    /// Returns whether the turn's message is being sent.
    pub(in crate::task) fn is_sending_turn(&self) -> bool {
        let stage = self.turn.as_ref().map(|turn| &turn.state);
        matches!(stage, Some(TurnState::Sending { .. }))
    }

    /// Evaluates a poll result after a cancel, while nobody knows whether the turn's message arrived: everything but
    /// the stop may date from before.
    pub(super) fn see_stopped(
        &mut self,
        cx: &mut Cx<'_, P>,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        match result {
            PollResult::Stopped(_) => {
                self.turn_stopped();
                self.defer_or_apply(cx, result)
            }
            PollResult::Pending(_) => self.defer_or_apply(cx, result),
            PollResult::ReadFirst(ReadKind::Result, _)
            | PollResult::Succeeded(..)
            | PollResult::Failed(_)
            | PollResult::Ready(_) => Move::End(self.detached(cx)),
            PollResult::ReadFirst(..)
            | PollResult::Asking(_)
            | PollResult::Unclear
            | PollResult::Waiting(_)
            | PollResult::NotAsking
            | PollResult::Paused(_)
            | PollResult::Unknown(_)
            | PollResult::Events(_) => {
                self.poll_again(cx);
                Move::Stay
            }
        }
    }

    /// Evaluates a poll result after our message: is it about this turn yet?
    pub(super) fn prove(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        result: PollResult<P::Output>,
        proof: &Proof<'_>,
    ) -> Move<P::Output> {
        let unmoved = match self.freshness {
            StatusFreshness::StaleSince(since) => cx.env.now.since(since),
            StatusFreshness::Current | StatusFreshness::AwaitingConfirmation(_) => Duration::ZERO,
        };
        if unmoved <= SHORT_TURN {
            // A short turn must not slip through between two polls.
            self.poller.restart(&cx.env.policy);
        }
        if self.has_moved(cx, read, &result, proof, unmoved) {
            if let Some(turn) = &mut self.turn {
                turn.change(TurnChange::Shown);
            }
            cx.out.save.need();
            return self.apply(cx, result);
        }
        self.wait_for_proof(cx, read, result, unmoved)
    }

    /// Returns whether a poll result is about the turn, after the status has not changed for this long.
    fn has_moved(
        &self,
        cx: &Cx<'_, P>,
        read: Read,
        result: &PollResult<P::Output>,
        proof: &Proof<'_>,
        unmoved: Duration,
    ) -> bool {
        let provider = &cx.env.provider;
        match (read, result) {
            (_, PollResult::Pending(_)) => true,
            (Read::Questions, _) => {
                let text = self.turn.as_ref().map_or("", |turn| turn.text.as_str());
                let found = provider.find_write(&self.id, proof.reply, proof.cursor, text, None);
                matches!(
                    found,
                    Ok(Confirmation::PresentAndReplied | Confirmation::AbsentAndReplied)
                )
            }
            // The task had not ended when the message was written.
            (_, PollResult::Failed(failure) | PollResult::Stopped(failure)) => self
                .status
                .as_ref()
                .is_some_and(|last| last.raw != failure.status.raw),
            (
                _,
                PollResult::ReadFirst(..)
                | PollResult::Waiting(_)
                | PollResult::Paused(_)
                | PollResult::Succeeded(..),
            ) => proof.working && unmoved > STANDS,
            _ => false,
        }
    }

    /// Plans the next read after one that shows nothing of the turn yet.
    fn wait_for_proof(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        result: PollResult<P::Output>,
        unmoved: Duration,
    ) -> Move<P::Output> {
        match (read, result) {
            // The conversation is read, too: the machine may have slept since the last poll.
            (Read::Questions, _) if unmoved > UNMOVED => {
                let id = self.id.clone();
                return Move::End(Outcome::ResultUnavailable {
                    id,
                    reason: UnavailableReason::NothingNew,
                });
            }
            (Read::Questions, _) => self.poll_again(cx),
            // The task paused or ended, before or after our message: the conversation shows which.
            (
                _,
                PollResult::ReadFirst(..)
                | PollResult::Asking(_)
                | PollResult::Waiting(_)
                | PollResult::Failed(_)
                | PollResult::Stopped(_)
                | PollResult::Ready(_)
                | PollResult::Succeeded(..),
            ) => {
                self.poller.read_now(Read::Questions, cx.env.now);
            }
            (_, result) => {
                if let PollResult::Unknown(status) | PollResult::Paused(status) = result {
                    self.record_status(cx, &status);
                }
                self.poll_again(cx);
            }
        }
        Move::Stay
    }

    /// Records the outcome of a message, which may be the turn's.
    pub(super) fn turn_sent(
        &mut self,
        cx: &mut Cx<'_, P>,
        no: MessageNo,
        how: Answered,
        cursor: Cursor,
        detail: Option<String>,
    ) -> Move<P::Output> {
        let Some(turn) = &mut self.turn else {
            return Move::Stay;
        };
        if !matches!(turn.state, TurnState::Sending { no: its, .. } if its == no) {
            return Move::Stay;
        }
        match how {
            Answered::Applied => turn.change(TurnChange::Applied(cursor)),
            Answered::Unknown => {
                turn.change(TurnChange::Lost(cursor));
                let intent =
                    IntentId::new(hex(&cx.env.seed.derive("intent", turn.text.as_bytes())[..6]));
                let detaching = cx.cancel.detaching.is_some();
                let reason = UnknownReason::Message(LostMessage {
                    detail,
                    is_deadline: cx.is_past_work_deadline(),
                    // The outcome of a cancel would say this, and the present outcome takes its place.
                    cancel: detaching.then(|| cx.cancel.result(cx.link)),
                });
                return Move::End(Outcome::Unknown {
                    intent,
                    reason,
                    likely: false,
                });
            }
            Answered::Refused | Answered::Gone(_) | Answered::NotSent => {
                turn.change(TurnChange::NotApplied(detail));
            }
        }
        Move::Stay
    }

    /// Notes that the agent has replied to the message: from now on the task shows this turn.
    pub(super) fn turn_replied(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.change(TurnChange::Shown);
        }
    }

    /// Notes that the task has stopped as requested, whether the message arrived or not.
    fn turn_stopped(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.change(TurnChange::Stopped);
        }
    }

    /// Returns whether the turn's message is known not to have arrived.
    pub(super) fn is_undelivered(&self) -> bool {
        let stage = self.turn.as_ref().map(|turn| &turn.state);
        matches!(stage, Some(TurnState::Undelivered { .. }))
    }

    /// Ends a turn whose message is known not to have arrived: what the task shows is not its result.
    pub(super) fn end_undelivered(&mut self, attempts: u32, temporary: bool) -> Move<P::Output> {
        if let Some(Turn {
            state: TurnState::Undelivered { detail },
            ..
        }) = self.turn.as_deref()
        {
            let detail = detail.clone();
            return Move::End(Outcome::NotStarted {
                reason: NotStartedReason::Message { detail },
                attempts,
                temporary,
            });
        }
        Move::Stay
    }

    /// Returns whether the running work was started by this client: a message that was not sent yet started nothing.
    pub(in crate::task) fn is_ours_to_stop(&self, link: &Link) -> bool {
        match self.turn.as_ref().map(|turn| &turn.state) {
            Some(TurnState::Baseline | TurnState::Undelivered { .. }) => false,
            Some(TurnState::Sending { .. }) => {
                let is_writing = link.has_sent(Purpose::Write);
                is_writing
                    || self
                        .writes
                        .front()
                        .is_some_and(|front| front.maybe_applied())
            }
            Some(TurnState::Unproven { .. } | TurnState::Proven | TurnState::Lost { .. })
            | None => true,
        }
    }
}
