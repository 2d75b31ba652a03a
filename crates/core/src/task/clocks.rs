//! The two deadlines: the agent's and the human's. One of them runs at a time.

use std::time::Duration;

use crate::outcome::Clock;
use crate::time::Timestamp;

/// Time left on both clocks, and which one runs since when.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    work: Option<Duration>,
    human: Option<Duration>,
    running: Clock,
    since: Timestamp,
}

impl Clocks {
    pub(super) fn new(work: Option<Duration>, human: Option<Duration>, now: Timestamp) -> Self {
        Self {
            work,
            human,
            running: Clock::Work,
            since: now,
        }
    }

    pub(super) fn running(&self) -> Clock {
        self.running
    }

    /// Lets the other clock run from `now` on.
    pub(super) fn run(&mut self, clock: Clock, now: Timestamp) {
        if clock != self.running {
            (self.work, self.human) = self.left_at(now);
            self.running = clock;
            self.since = now;
        }
    }

    /// Time left on the work and the human clock.
    pub(super) fn left_at(&self, now: Timestamp) -> (Option<Duration>, Option<Duration>) {
        let spent = now.since(self.since);
        match self.running {
            Clock::Work => (self.work.map(|left| left.saturating_sub(spent)), self.human),
            Clock::Human => (self.work, self.human.map(|left| left.saturating_sub(spent))),
        }
    }

    /// When the running clock runs out.
    pub(super) fn deadline(&self) -> Timestamp {
        let left = match self.running {
            Clock::Work => self.work,
            Clock::Human => self.human,
        };
        left.map_or(Timestamp::MAX, |left| self.since.after(left))
    }

    /// Time left on the running clock.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        let deadline = self.deadline();
        (deadline != Timestamp::MAX).then(|| deadline.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_running_clock_runs() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let seconds = |n| Some(Duration::from_secs(n));
        let mut clocks = Clocks::new(seconds(60), seconds(100), at(0));
        clocks.run(Clock::Human, at(10));
        assert_eq!(clocks.left_at(at(40)), (seconds(50), seconds(70)));
        assert_eq!(clocks.deadline(), at(110));
        clocks.run(Clock::Work, at(40));
        assert_eq!(clocks.deadline(), at(90));
        assert_eq!(clocks.left_at(at(1000)), (seconds(0), seconds(70)));
    }
}
