//! The queues of a fleet and the times at which its tasks wake. An entry may be of a task that has moved on since: the fleet
//! knows where each task is, and skips such an entry.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::time::Timestamp;

/// A queue: first come, first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Something came, or the application requested something.
    News,
    /// What came makes a request necessary, or a state to be stored.
    GoingOn,
    /// The time has come.
    Due,
}

/// Tasks by what they wait for.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    news: VecDeque<u32>,
    going_on: VecDeque<u32>,
    due: VecDeque<u32>,
    /// Time, number and task of each wait: the earliest comes first, and of several the oldest.
    wakes: BinaryHeap<Reverse<(Timestamp, u32, u32)>>,
    /// It begins again at 0 one day, when no wait is left that had the number before.
    waits: u32,
    /// Whether the last turn was that of a task that goes on.
    went_on: bool,
}

impl Lanes {
    pub(super) fn push(&mut self, lane: Lane, slot: u32) {
        match lane {
            Lane::News => self.news.push_back(slot),
            Lane::GoingOn => self.going_on.push_back(slot),
            Lane::Due => self.due.push_back(slot),
        }
    }

    /// Puts a task back that was taken out of the queue of those that are due, and had no turn.
    pub(super) fn put_back(&mut self, slot: u32) {
        self.due.push_front(slot);
    }

    /// Takes the next entry. Those that may have to be sent only come if something can begin, and the two queues of them
    /// take turns: tasks that go on for ever would starve the others, and these those.
    pub(super) fn next(&mut self, can_begin: bool) -> Option<(u32, Lane)> {
        if let Some(slot) = self.news.pop_front() {
            return Some((slot, Lane::News));
        }
        if !can_begin {
            return None;
        }
        let goes_on = if self.due.is_empty() {
            true
        } else {
            !self.went_on && !self.going_on.is_empty()
        };
        self.went_on = goes_on;
        match goes_on {
            true => Some((self.going_on.pop_front()?, Lane::GoingOn)),
            false => Some((self.due.pop_front()?, Lane::Due)),
        }
    }

    /// Returns the entries of a queue.
    pub(super) fn queued(&self, lane: Lane) -> impl Iterator<Item = u32> {
        let queue = match lane {
            Lane::News => &self.news,
            Lane::GoingOn => &self.going_on,
            Lane::Due => &self.due,
        };
        queue.iter().copied()
    }

    /// Notes that a task wakes then; returns the number of this wait.
    pub(super) fn wake_at(&mut self, at: Timestamp, slot: u32) -> u32 {
        self.waits = self.waits.wrapping_add(1);
        if self.wakes.len() == self.wakes.capacity() {
            // Doubling would leave room for as many waits as there are.
            self.wakes.reserve_exact(self.wakes.len() / 8 + 16);
        }
        self.wakes.push(Reverse((at, self.waits, slot)));
        self.waits
    }

    /// Takes the earliest wait that is over.
    pub(super) fn due_wake(&mut self, now: Timestamp) -> Option<(Timestamp, u32, u32)> {
        let Reverse((at, ..)) = *self.wakes.peek()?;
        if at > now {
            return None;
        }
        self.wakes.pop().map(|Reverse(wake)| wake)
    }

    /// Returns when the first wait is over that still counts; the end of all time if there is none.
    pub(super) fn first_wake(&mut self, is_current: impl Fn(u32, u32) -> bool) -> Timestamp {
        while let Some(Reverse((at, number, slot))) = self.wakes.peek() {
            if is_current(*number, *slot) {
                return *at;
            }
            self.wakes.pop();
        }
        Timestamp::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: Q1.
    #[test]
    fn neither_those_that_go_on_for_ever_nor_those_that_are_due_for_ever_starve_the_others() {
        let mut lanes = Lanes::default();
        let mut served = Vec::new();
        for round in 0..4 {
            lanes.push(Lane::GoingOn, round);
            lanes.push(Lane::GoingOn, 10 + round);
            lanes.push(Lane::Due, 20 + round);
            lanes.push(Lane::Due, 30 + round);
            served.extend([lanes.next(true), lanes.next(true)]);
        }
        let served: Vec<u32> = served.into_iter().flatten().map(|(slot, _)| slot).collect();
        assert_eq!(served, [0, 20, 10, 30, 1, 21, 11, 31]);
    }

    #[test]
    fn news_comes_first_and_nothing_else_comes_while_nothing_can_begin() {
        let mut lanes = Lanes::default();
        lanes.push(Lane::Due, 1);
        lanes.push(Lane::GoingOn, 2);
        lanes.push(Lane::News, 3);
        assert_eq!(lanes.next(false), Some((3, Lane::News)));
        assert_eq!(lanes.next(false), None);
        assert_eq!(lanes.next(true), Some((2, Lane::GoingOn)));
        assert_eq!(lanes.next(true), Some((1, Lane::Due)));
        assert_eq!(lanes.next(true), None);
    }

    #[test]
    fn of_several_that_wake_at_once_the_one_that_waits_longest_comes_first() {
        let at = Timestamp::from_millis;
        let mut lanes = Lanes::default();
        for (time, slot) in [(9, 1), (5, 7), (5, 2)] {
            lanes.wake_at(at(time), slot);
        }
        assert_eq!(lanes.first_wake(|_, slot| slot != 7), at(5));
        assert_eq!(lanes.due_wake(at(4)), None);
        assert_eq!(lanes.due_wake(at(5)).map(|(_, _, slot)| slot), Some(2));
        assert_eq!(lanes.due_wake(at(5)), None);
        assert_eq!(lanes.first_wake(|_, _| false), Timestamp::MAX);
    }
}
