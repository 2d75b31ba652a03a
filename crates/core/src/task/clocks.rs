//! The two deadlines: the agent's and the human's. One of them runs at a time.

use std::time::Duration;

use crate::outcome::TimeLimit;
use crate::time::Timestamp;

/// When the running clock expires, and how much the paused one has left.
#[derive(Debug, Clone)]
pub(super) struct Deadlines {
    running: TimeLimit,
    deadline: Timestamp,
    paused_remaining: Option<Duration>,
    /// When the running clock would have expired, once detaching has begun: from then on neither clock counts.
    closed: Option<Timestamp>,
}

impl Deadlines {
    /// Creates both clocks, with the agent's running from `now`.
    pub(super) fn new(work: Option<Duration>, human: Option<Duration>, now: Timestamp) -> Self {
        Self {
            running: TimeLimit::Working,
            deadline: from(work, now),
            paused_remaining: human,
            closed: None,
        }
    }

    /// Ends the task's following at `until`, whatever the clocks have left.
    pub(super) fn close(&mut self, until: Timestamp) {
        self.closed.get_or_insert(self.deadline);
        self.deadline = until;
    }

    /// Keeps the other clock from starting after the running one has expired: what is done about the task at its
    /// deadline gives nobody new time.
    pub(super) fn stop(&mut self) {
        self.close(self.deadline);
    }

    /// Returns whether the running clock, or the time for cancelling, has expired.
    pub(super) fn has_run_out(&self, now: Timestamp) -> bool {
        now >= self.deadline
    }

    pub(super) fn running(&self) -> TimeLimit {
        self.running
    }

    /// Runs this clock from `now` on, and pauses the other one.
    pub(super) fn run(&mut self, clock: TimeLimit, now: Timestamp) {
        if clock != self.running && self.closed.is_none() {
            let left = self.left(now);
            self.deadline = from(self.paused_remaining, now);
            self.paused_remaining = left;
            self.running = clock;
        }
    }

    /// Returns the time left on the work clock and on the human clock.
    pub(super) fn left_at(&self, now: Timestamp) -> (Option<Duration>, Option<Duration>) {
        let left = until(self.closed.unwrap_or(self.deadline), now);
        match self.running {
            TimeLimit::Working => (left, self.paused_remaining),
            TimeLimit::Waiting => (self.paused_remaining, left),
        }
    }

    /// Returns when the running clock, or the time for cancelling, expires.
    pub(super) fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Returns the time left until the deadline.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        until(self.deadline, now)
    }
}

fn until(deadline: Timestamp, now: Timestamp) -> Option<Duration> {
    (deadline != Timestamp::MAX).then(|| deadline.since(now))
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
        let mut clocks = Deadlines::new(seconds(60), seconds(100), at(0));
        clocks.run(TimeLimit::Waiting, at(10));
        assert_eq!(clocks.left_at(at(40)), (seconds(50), seconds(70)));
        assert_eq!(clocks.deadline(), at(110));
        clocks.run(TimeLimit::Working, at(40));
        assert_eq!(clocks.deadline(), at(90));
        assert_eq!(clocks.left_at(at(1000)), (seconds(0), seconds(70)));
    }

    #[test]
    fn the_time_for_cancelling_is_neither_clocks() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let seconds = |n| Some(Duration::from_secs(n));
        let mut clocks = Deadlines::new(seconds(60), seconds(100), at(0));
        clocks.close(at(50));
        clocks.run(TimeLimit::Waiting, at(20));
        assert_eq!(
            (clocks.deadline(), clocks.left(at(20))),
            (at(50), seconds(30))
        );
        assert_eq!(clocks.left_at(at(20)), (seconds(40), seconds(100)));
    }

    #[test]
    fn of_clocks_that_were_stopped_neither_begins() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let seconds = |n| Some(Duration::from_secs(n));
        let mut clocks = Deadlines::new(seconds(60), seconds(100), at(0));
        assert!(!clocks.has_run_out(at(59)));
        assert!(clocks.has_run_out(at(60)));
        clocks.stop();
        clocks.run(TimeLimit::Waiting, at(70));
        assert_eq!(
            (clocks.running(), clocks.deadline()),
            (TimeLimit::Working, at(60))
        );
        assert_eq!(clocks.left_at(at(70)), (seconds(0), seconds(100)));
    }

    #[test]
    fn a_clock_without_an_end_never_runs_out() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let mut clocks = Deadlines::new(None, Some(Duration::from_secs(5)), at(0));
        assert_eq!(
            (clocks.deadline(), clocks.left(at(1 << 40))),
            (Timestamp::MAX, None)
        );
        clocks.run(TimeLimit::Waiting, at(10));
        clocks.run(TimeLimit::Working, at(12));
        assert_eq!(clocks.left_at(at(99)), (None, Some(Duration::from_secs(3))));
    }
}
