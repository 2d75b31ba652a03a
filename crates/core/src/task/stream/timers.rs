//! What the stream region does by itself, and when: a single value says both when to wake and what fires then.

use crate::provider::Provider;
use crate::reason::WaitReason;
use crate::task::env::Env;
use crate::task::follow::Follow;
use crate::task::stream::asked::AskedState;
use crate::task::stream::open::Continuity;
use crate::task::stream::{CONFIRM, QUIET};
use crate::time::Timestamp;

/// Something that the stream region does by itself at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::task) struct Timer {
    pub(in crate::task) at: Timestamp,
    pub(in crate::task) why: WaitReason,
    pub(in crate::task) act: StreamTimer,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum StreamTimer {
    /// Reads the task, because nothing has followed an event that asks.
    ConfirmQuestion,
    /// Gives up a stream that has been silent for too long.
    DropSilent,
    /// Compares the list with a stream that has brought nothing since it was opened: it may continue where the last
    /// connection ended and have nothing to report; or it may not.
    CompareWithList,
    /// Takes an event at its word that says that the task is over, because no read has confirmed it for long enough.
    AcceptEnd,
}

impl StreamTimer {
    /// Returns whether the reply to an exchange that is under way is judged first, because it may settle the matter.
    pub(in crate::task) fn waits_for_reply(self) -> bool {
        match self {
            Self::ConfirmQuestion | Self::AcceptEnd => true,
            Self::DropSilent | Self::CompareWithList => false,
        }
    }
}

impl<P: Provider> Follow<P> {
    /// Returns the timers that run now, in the order in which they fire if several are due. The plan wakes for the
    /// earliest, and what is due fires: nothing else knows these times.
    pub(in crate::task) fn stream_timers(
        &self,
        env: &Env<P>,
    ) -> impl Iterator<Item = Timer> + use<P> {
        let mut timers = [None; 3];
        // During a backfill, what is older is still to come.
        if env.can().stream && self.stream.backfill.is_none() {
            if let Some(unconfirmed) = &self.stream.end {
                // A poll result that was deferred is judged first.
                let since = unconfirmed.contradicted_at;
                timers[0] = since
                    .filter(|_| self.deferred.is_none())
                    .map(|since| Timer {
                        at: since.after(CONFIRM),
                        why: WaitReason::Confirm,
                        act: StreamTimer::AcceptEnd,
                    });
            } else {
                timers = [
                    self.question_timer(env.now),
                    self.silence_timer(env),
                    self.comparison_timer(env),
                ];
            }
        }
        timers.into_iter().flatten()
    }

    fn question_timer(&self, now: Timestamp) -> Option<Timer> {
        let asked = self.stream.asked.as_ref()?;
        (asked.state() == AskedState::Quiet).then(|| Timer {
            at: self.stream.quiet_from(asked.since(), now).after(QUIET),
            why: WaitReason::Quiet,
            act: StreamTimer::ConfirmQuestion,
        })
    }

    fn silence_timer(&self, env: &Env<P>) -> Option<Timer> {
        let open = self.stream.open()?;
        Some(Timer {
            at: open
                .silent_since(env.now)
                .after(env.policy.limits.stream_idle),
            why: WaitReason::Silence,
            act: StreamTimer::DropSilent,
        })
    }

    fn comparison_timer(&self, env: &Env<P>) -> Option<Timer> {
        let open = self.stream.open()?;
        (open.continuity == Continuity::Unproven && self.has_list(env)).then(|| Timer {
            at: open.opened.after(QUIET),
            why: WaitReason::Quiet,
            act: StreamTimer::CompareWithList,
        })
    }
}
