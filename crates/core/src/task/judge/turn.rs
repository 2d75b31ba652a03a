//! One turn of a conversation that was there before: what the task showed before our message is not its result.

use std::time::Duration;

use crate::id::{IntentId, Mark, MessageNo};
use crate::outcome::Outcome;
use crate::provider::{Landed, Look, Provider, Reading};
use crate::question::Answered;
use crate::response::Response;
use crate::seed::hex;
use crate::task::phase::Phase;
use crate::task::{Lag, Task, Turn, TurnStage};

/// For this long after a message arrived the task is looked at as often as may be: its turn may be a short one.
const SHORT_TURN: Duration = Duration::from_secs(60);
/// A task that is over and shows nothing new for this long after a message arrived is not waited for any longer.
const UNMOVED: Duration = Duration::from_secs(600);
/// A task that was at work shortly before a message arrived may have taken it up on its way, and show nothing but its
/// end. One that had ended by then begins anew within this time, and shows that.
const STANDS: Duration = Duration::from_secs(30);

impl<P: Provider> Task<P> {
    /// The look before a message of ours: was the task at work, or had it paused or ended?
    pub(super) fn baseline(&mut self, reading: &Reading<P::Output>) {
        let working = matches!(reading, Reading::Pending(_) | Reading::Unknown(_));
        if let Reading::Pending(status)
        | Reading::Unknown(status)
        | Reading::Next(_, status)
        | Reading::Paused(status) = reading
        {
            self.note(status.clone());
        }
        let text = self.turn.as_ref().map(|turn| turn.text.clone());
        let no = self.queue_message(text.unwrap_or_default());
        if let Some(turn) = &mut self.turn {
            turn.stage = TurnStage::Sending { no, working };
        }
    }

    /// Whether the turn's message is being delivered.
    pub(in crate::task) fn is_sending_turn(&self) -> bool {
        let stage = self.turn.as_ref().map(|turn| &turn.stage);
        matches!(stage, Some(TurnStage::Sending { .. }))
    }

    /// A reading after the task was asked to stop, while nobody knows whether the turn's message arrived: whatever else
    /// it shows may be of before.
    pub(super) fn see_stopped(&mut self, reading: Reading<P::Output>) {
        match reading {
            Reading::Stopped(_) => {
                self.turn_stopped();
                self.weigh(reading);
            }
            Reading::Pending(_) => self.weigh(reading),
            Reading::Next(Look::Result, _)
            | Reading::Succeeded(..)
            | Reading::Failed(_)
            | Reading::Ready(_) => self.settle_leaving(),
            Reading::Next(..)
            | Reading::Asking(_)
            | Reading::Unclear
            | Reading::Waiting(_)
            | Reading::NotAsking
            | Reading::Paused(_)
            | Reading::Unknown(_)
            | Reading::Events(_) => self.look_again(Look::Status, None),
        }
    }

    /// A reading after our message: is it about this turn yet?
    pub(super) fn prove(
        &mut self,
        look: &Look,
        reading: Reading<P::Output>,
        reply: &Response,
        mark: &Mark,
        working: bool,
    ) {
        let unmoved = match self.lag {
            Lag::Delivered(since) => self.now.since(since),
            Lag::None | Lag::Said(_) => Duration::ZERO,
        };
        let moved = match (look, &reading) {
            (_, Reading::Pending(_)) => true,
            (Look::Questions, _) => {
                let text = self.turn.as_ref().map_or("", |turn| turn.text.as_str());
                let landed = self.provider.landed(self.known_id(), reply, mark, text);
                matches!(landed, Ok(Landed::Replied | Landed::Spoken))
            }
            // It had not ended when the message was written.
            (_, Reading::Failed(fault) | Reading::Stopped(fault)) => self
                .last_status
                .as_ref()
                .is_some_and(|last| last.raw != fault.status.raw),
            (
                _,
                Reading::Next(..)
                | Reading::Waiting(_)
                | Reading::Paused(_)
                | Reading::Succeeded(..),
            ) => working && unmoved > STANDS,
            _ => false,
        };
        if unmoved <= SHORT_TURN {
            // It must not slip through between two looks.
            self.rhythm.restart();
        }
        if moved {
            if let Some(turn) = &mut self.turn {
                turn.stage = TurnStage::Taken;
            }
            self.save.need();
            return self.apply(reading);
        }
        match (look, reading) {
            // The conversation, too: a machine may have slept since the look before.
            (Look::Questions, _) if unmoved > UNMOVED => {
                let id = self.known_id().clone();
                self.end(Outcome::ResultUnavailable {
                    id,
                    why: "the message arrived, and the task has shown nothing new since".to_owned(),
                });
            }
            (Look::Questions, _) => self.look_again(Look::Status, None),
            // It paused or ended, before or after our message: the conversation tells which.
            (
                _,
                Reading::Next(..)
                | Reading::Asking(_)
                | Reading::Waiting(_)
                | Reading::Failed(_)
                | Reading::Stopped(_)
                | Reading::Ready(_)
                | Reading::Succeeded(..),
            ) => {
                if let Phase::Following(following) = &mut self.phase {
                    following.next = Look::Questions;
                    following.due = self.now;
                }
            }
            (_, reading) => {
                if let Reading::Unknown(status) | Reading::Paused(status) = reading {
                    self.note(status);
                }
                self.look_again(Look::Status, None);
            }
        }
    }

    /// The fate of a message is known, or known to be unknown: perhaps it is the turn's.
    pub(super) fn turn_sent(
        &mut self,
        no: MessageNo,
        how: Answered,
        mark: Mark,
        detail: Option<String>,
    ) {
        let Some(turn) = &mut self.turn else { return };
        let working = match turn.stage {
            TurnStage::Sending { no: its, working } if its == no => working,
            _ => return,
        };
        match how {
            // At work a moment ago, it may have ended before the message came.
            Answered::Applied => turn.stage = TurnStage::Unproven { mark, working },
            Answered::Unknown => {
                turn.stage = TurnStage::Lost { no, mark, working };
                let intent =
                    IntentId::new(hex(&self.seed.derive("intent", turn.text.as_bytes())[..6]));
                let mut why =
                    detail.unwrap_or_else(|| "the reply to the message was lost".to_owned());
                if self.leaving.is_some() {
                    // That end would say it, and this one takes its place.
                    why = format!("{why}; {}", self.abandoned());
                }
                self.end(Outcome::Unknown {
                    intent,
                    why,
                    likely: false,
                });
            }
            Answered::Refused | Answered::Gone(_) | Answered::NotSent => {
                let why = detail.unwrap_or_else(|| "the task takes no message any more".to_owned());
                turn.stage = TurnStage::Undelivered { why };
            }
        }
    }

    /// The agent has spoken since the message: what the task shows from now on is this turn's.
    pub(super) fn turn_replied(&mut self) {
        if let Some(turn) = &mut self.turn
            && matches!(turn.stage, TurnStage::Unproven { .. })
        {
            turn.stage = TurnStage::Taken;
        }
    }

    /// The task has stopped, as it was asked to, whether the message arrived or not.
    fn turn_stopped(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.stage = TurnStage::Taken;
        }
    }

    /// Whether the turn's message is known not to have been delivered.
    pub(super) fn is_undelivered(&self) -> bool {
        let stage = self.turn.as_ref().map(|turn| &turn.stage);
        matches!(stage, Some(TurnStage::Undelivered { .. }))
    }

    /// A turn whose message is known not to have been delivered is over: what the task shows is not its result.
    pub(super) fn end_undelivered(&mut self, attempts: u32, temporary: bool) {
        if let Some(Turn {
            stage: TurnStage::Undelivered { why },
            ..
        }) = &self.turn
            && !self.phase.is_ended()
        {
            let why = why.clone();
            self.end(Outcome::NotStarted {
                why,
                attempts,
                temporary,
            });
        }
    }
}
