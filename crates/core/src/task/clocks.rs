//! The two deadlines: the agent's and the human's. One of them runs at a time.

use std::time::Duration;

use crate::outcome::Clock;
use crate::time::Timestamp;

/// When the running clock runs out, and what is left on the one that stands.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    running: Clock,
    deadline: Timestamp,
    standing: Option<Duration>,
}

impl Clocks {
    /// Both clocks, the agent's running from `now`.
    pub(super) fn new(work: Option<Duration>, human: Option<Duration>, now: Timestamp) -> Self {
        Self {
            running: Clock::Work,
            deadline: from(work, now),
            standing: human,
        }
    }

    pub(super) fn running(&self) -> Clock {
        self.running
    }

    /// Lets this clock run from `now` on, and the other one stand.
    pub(super) fn run(&mut self, clock: Clock, now: Timestamp) {
        if clock != self.running {
            let left = self.left(now);
            self.deadline = from(self.standing, now);
            self.standing = left;
            self.running = clock;
        }
    }

    /// Time left on the work and the human clock.
    pub(super) fn left_at(&self, now: Timestamp) -> (Option<Duration>, Option<Duration>) {
        match self.running {
            Clock::Work => (self.left(now), self.standing),
            Clock::Human => (self.standing, self.left(now)),
        }
    }

    /// When the running clock runs out.
    pub(super) fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Time left on the running clock.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        (self.deadline != Timestamp::MAX).then(|| self.deadline.since(now))
    }
}

fn from(left: Option<Duration>, now: Timestamp) -> Timestamp {
    left.map_or(Timestamp::MAX, |left| now.after(left))
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

    #[test]
    fn a_clock_without_an_end_never_runs_out() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let mut clocks = Clocks::new(None, Some(Duration::from_secs(5)), at(0));
        assert_eq!(
            (clocks.deadline(), clocks.left(at(1 << 40))),
            (Timestamp::MAX, None)
        );
        clocks.run(Clock::Human, at(10));
        clocks.run(Clock::Work, at(12));
        assert_eq!(clocks.left_at(at(99)), (None, Some(Duration::from_secs(3))));
    }
}
