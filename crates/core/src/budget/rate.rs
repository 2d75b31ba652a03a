//! How fast one server is asked, once it has refused a request for being too many.
//!
//! Until a server answers 429 or 503 there is no rate, and nothing waits. Then each request takes a numbered [`Permit`], and the
//! numbers are called at the rate: who asked first is called first, and a permit waits for at most those before it, divided
//! by the rate. The rate follows the server:
//!
//! | what comes | what happens |
//! |---|---|
//! | the first refusal | the rate is what it accepted in the last second, less a tenth; at least one a second |
//! | another one | the rate falls by a tenth and by the share that was refused |
//! | a refusal while next to nothing is accepted | the rate is one a second, and is probed from there: it doubles in about a second, until the next refusal halves it |
//! | what the server accepts | the rate grows by a fiftieth in a second of use |
//! | a refusal of a request that was sent before the rate last fell, or within a second of that | nothing: it says nothing of the new rate |
//!
//! What a human waits for takes a permit too, and does not wait for its number: whoever comes later waits a little longer.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// Thousandths of a request, or of a request a second.
type Milli = u64;

const ONE: Milli = 1_000;
/// A second, in milliseconds.
const SECOND: u64 = 1_000;
/// What a rate that is probed grows by with each success: it doubles in about a second.
const PROBING_STEP: Milli = 700;
/// So few accepted requests say little of what the server accepts.
const FEW: u64 = 20;
/// A process that slept has not saved up what it could have sent meanwhile.
const LONGEST_CREDIT: u64 = SECOND;
/// What was not used is kept for a tenth of a second.
const KEPT: u64 = SECOND / 10;
/// So many requests are kept in any case: a few tasks do not wait because a server stumbled once.
const SPARE: Milli = 10 * ONE;
/// Whoever is about to be called asks again when that is due.
const SOON: u64 = 100;
/// Whoever has longer to wait asks at half the time, since the rate may change, and at least once a second for each so many
/// before it: then a rate that doubles finds requests to send, and a long queue does not ask all the time.
const ASKING: u64 = 5_000;

/// The rate of one server, shared by all who send to it.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Whether there is a rate: read without a lock, as long as there is none.
    is_limited: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// Requests a second; 0 as long as there is no limit.
    per_second: Milli,
    /// What the rate grows by in a second; `None` while it is probed.
    growth: Option<Milli>,
    /// When the rate last fell.
    reduced_at: Timestamp,
    /// Numbers given out.
    issued: u64,
    /// Numbers called.
    called: Milli,
    called_at: Timestamp,
    /// Numbers that were given back before they were called: whoever comes after them moves up, and nobody before.
    returned: BTreeSet<u64>,
    window: Window,
}

/// What the server did in this second and in the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    begun: Timestamp,
    now: Replies,
    before: Replies,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Replies {
    accepted: u64,
    refused: u64,
}

/// What the server did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// It took the request, whatever it thought of it.
    Accepted,
    /// It refused the request for being one too many.
    Refused,
}

/// The right to send one request: it is spent when that is sent, and given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    rate: Arc<Rate>,
    /// 0 once it is spent.
    number: u64,
}

impl Rate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers: a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many requests a second are sent at most; `None` as long as the server has refused none.
    pub(super) fn per_second(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let per_second = self.state().per_second as f64 / ONE as f64;
        self.is_limited().then_some(per_second)
    }

    pub(super) fn is_limited(&self) -> bool {
        // What a rate is made of is read under the lock.
        self.is_limited.load(Ordering::Relaxed)
    }

    /// Gives out the next number; `None` as long as there is no rate.
    #[inline]
    pub(super) fn reserve(self: &Arc<Self>, now: Timestamp) -> Option<Permit> {
        self.is_limited().then(|| self.next_permit(now))
    }

    fn next_permit(self: &Arc<Self>, now: Timestamp) -> Permit {
        let mut state = self.state();
        state.call(now);
        state.issued += 1;
        Permit {
            number: state.issued,
            rate: self.clone(),
        }
    }

    /// Notes what the server did with a request that was sent at `sent`.
    pub(super) fn observe(&self, reception: Reception, sent: Timestamp, now: Timestamp) {
        let mut state = self.state();
        state.window.note(reception, now);
        match reception {
            Reception::Accepted => state.grow(),
            Reception::Refused => {
                state.reduce(sent, now);
                self.is_limited.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Clone for Rate {
    fn clone(&self) -> Self {
        Self {
            is_limited: AtomicBool::new(self.is_limited()),
            state: Mutex::new(self.state().clone()),
        }
    }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        // A copy: two rates that are compared the other way round at once must not wait for each other.
        let ours = self.state().clone();
        ours == *other.state()
    }
}

impl State {
    /// Calls the numbers that are due by now.
    fn call(&mut self, now: Timestamp) {
        let elapsed = now.millis_since(self.called_at).min(LONGEST_CREDIT);
        self.called_at = self.called_at.max(now);
        self.called += self.per_second * elapsed / SECOND;
        while let Some(number) = self.returned.first()
            && number * ONE <= self.called
        {
            self.called += ONE;
            self.returned.pop_first();
        }
        let kept = (self.per_second * KEPT / SECOND).max(SPARE);
        self.called = self.called.min(self.issued * ONE + kept);
    }

    /// Takes a number back that is not used.
    fn take_back(&mut self, number: u64) {
        if number * ONE <= self.called {
            self.called += ONE;
        } else {
            self.returned.insert(number);
        }
    }

    fn grow(&mut self) {
        if self.per_second > 0 {
            let step = self
                .growth
                .map_or(PROBING_STEP, |growth| growth * ONE / self.per_second);
            self.per_second += step;
        }
    }

    fn reduce(&mut self, sent: Timestamp, now: Timestamp) {
        let is_first = self.per_second == 0;
        let is_new = sent > self.reduced_at && now.millis_since(self.reduced_at) >= SECOND;
        if !is_first && !is_new {
            return;
        }
        let Replies { accepted, refused } = self.window.lately();
        let fallen = if is_first || accepted == 0 {
            accepted * ONE * 9 / 10
        } else {
            // A rate that was being doubled is halved, too: that much was fine a second ago.
            let doubled = if self.growth.is_none() { 2 } else { 1 };
            self.per_second / doubled * 9 / 10 * accepted / (accepted + refused)
        };
        self.per_second = fallen.max(ONE);
        let says_little = accepted == 0 || is_first && accepted < FEW;
        self.growth = (!says_little).then_some((self.per_second / 50).max(ONE / 10));
        if is_first {
            (self.called, self.called_at) = (SPARE, now);
        }
        self.reduced_at = now;
    }
}

impl Window {
    fn note(&mut self, reception: Reception, now: Timestamp) {
        let age = now.millis_since(self.begun);
        if age >= SECOND {
            self.before = match age < 2 * SECOND {
                true => self.now,
                false => Replies::default(),
            };
            self.now = Replies::default();
            self.begun = now;
        }
        match reception {
            Reception::Accepted => self.now.accepted += 1,
            Reception::Refused => self.now.refused += 1,
        }
    }

    /// Returns the replies of the last whole second, or of this one if it brought more.
    fn lately(&self) -> Replies {
        match self.before.accepted > self.now.accepted {
            true => self.before,
            false => self.now,
        }
    }
}

impl Permit {
    /// Returns when to ask again, if the number was not called yet.
    pub(crate) fn due(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut state = self.rate.state();
        state.call(now);
        let before = (self.number * ONE).saturating_sub(state.called);
        if before == 0 {
            return Ok(());
        }
        let left = (before * SECOND).div_ceil(state.per_second.max(ONE));
        let wait = match left <= SOON {
            true => left,
            false => (left / 2).min(SECOND * (before / ONE).div_ceil(ASKING).max(1)),
        };
        Err(now.after(Duration::from_millis(wait.max(1))))
    }

    /// Uses the permit up: its request is sent.
    pub(crate) fn spend(mut self) {
        self.number = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.number > 0 {
            self.rate.state().take_back(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn limited_to(accepted: u64) -> Arc<Rate> {
        let rate = Arc::new(Rate::default());
        for _ in 0..accepted {
            rate.observe(Reception::Accepted, at(0), at(10));
        }
        rate.observe(Reception::Refused, at(0), at(10));
        rate
    }

    fn per_second(rate: &Rate) -> u64 {
        rate.state().per_second / ONE
    }

    #[test]
    fn a_number_that_is_given_back_lets_those_behind_it_move_up_and_nobody_before() {
        let rate = limited_to(10);
        let mut permits: Vec<Permit> = (0..40).filter_map(|_| rate.reserve(at(10))).collect();
        let called = |permits: &[Permit], now| {
            let is_called = |permit: &&Permit| permit.due(at(now)).is_ok();
            permits.iter().filter(is_called).count()
        };
        let before = called(&permits, 10);
        let last = permits.pop();
        permits.drain(20..);
        assert_eq!(called(&permits, 10), before, "nobody is called for that");
        let in_a_second = called(&permits, 1_010);
        assert!((before..=before + 10).contains(&in_a_second));
        // The nineteen that were given back are passed over.
        let all = permits.len() as u64;
        let until = 10 + all * SECOND * ONE / rate.state().per_second + SECOND;
        assert!(last.expect("the last one").due(at(until)).is_ok());
    }

    #[test]
    fn nobody_takes_a_number_before_the_server_refuses() {
        let rate = Arc::new(Rate::default());
        rate.observe(Reception::Accepted, at(0), at(5));
        assert!(rate.reserve(at(5)).is_none() && rate.per_second().is_none());
        rate.observe(Reception::Refused, at(1), at(6));
        assert!(rate.reserve(at(6)).is_some());
    }

    #[test]
    fn numbers_are_called_in_order_and_at_the_rate() {
        let rate = limited_to(100);
        assert_eq!(per_second(&rate), 90);
        let permits: Vec<Permit> = (0..90)
            .map(|_| rate.reserve(at(10)).expect("a number"))
            .collect();
        let called = |now| {
            let is_due: Vec<bool> = permits.iter().map(|p| p.due(now).is_ok()).collect();
            let called = is_due.iter().filter(|due| **due).count();
            assert!(is_due[..called].iter().all(|due| *due), "in order");
            called
        };
        let counts: Vec<usize> = [10, 110, 510, 1_010]
            .into_iter()
            .map(|ms| called(at(ms)))
            .collect();
        assert_eq!(counts, [10, 19, 55, 90]);
    }

    #[test]
    fn whoever_waits_is_told_a_time_at_which_its_number_is_nearer_and_at_last_called() {
        let rate = limited_to(10);
        let reserve = |_| rate.reserve(at(10)).expect("a number");
        let permits: Vec<Permit> = (0..100).map(reserve).collect();
        let mut now = at(10);
        let mut asked = 0;
        while let Err(later) = permits[99].due(now) {
            assert!(later > now);
            (now, asked) = (later, asked + 1);
        }
        assert_eq!(now, at(10_010), "ten at once, and 90 at 9 a second");
        assert!(asked < 20, "{asked}");
    }

    #[test]
    fn a_number_that_is_dropped_is_given_back_and_a_spent_one_is_not() {
        let rate = limited_to(100);
        let spare: Vec<Permit> = (0..10).filter_map(|_| rate.reserve(at(10))).collect();
        assert!(spare.iter().all(|permit| permit.due(at(10)).is_ok()));
        let (first, second) = (rate.reserve(at(10)), rate.reserve(at(10)));
        let third = rate.reserve(at(10)).expect("a number");
        assert_eq!(third.due(at(10)), Err(at(44)));
        drop(first);
        second.expect("a number").spend();
        assert!(third.due(at(32)).is_err(), "the second one was used");
        assert!(third.due(at(33)).is_ok(), "the first one was not");
    }

    #[test]
    fn a_process_that_slept_has_saved_up_a_tenth_of_a_second() {
        let rate = limited_to(1_000);
        let permits: Vec<Permit> = (0..900)
            .map(|_| rate.reserve(at(600_000)).expect("a number"))
            .collect();
        let called = permits
            .iter()
            .filter(|permit| permit.due(at(600_000)).is_ok());
        assert_eq!(called.count(), 90);
    }

    #[test]
    fn the_rate_falls_once_for_all_that_were_sent_before_it_fell() {
        let rate = limited_to(100);
        for ms in [11, 500, 2_000] {
            rate.observe(Reception::Refused, at(9), at(ms));
        }
        assert_eq!(per_second(&rate), 90);
        rate.observe(Reception::Refused, at(500), at(900));
        assert_eq!(per_second(&rate), 90, "within a second of the last time");
        for _ in 0..90 {
            rate.observe(Reception::Accepted, at(2_000), at(2_100));
        }
        assert_eq!(
            per_second(&rate),
            91,
            "a fiftieth more after a second of use"
        );
        for _ in 0..10 {
            rate.observe(Reception::Refused, at(2_050), at(2_110));
        }
        // The first of them is the second refusal beside 90 accepted requests; the others come too soon after it.
        assert_eq!(per_second(&rate), 80);
    }

    #[test]
    fn a_server_that_accepts_nothing_is_asked_once_a_second_and_probed_when_it_is_back() {
        let rate = limited_to(1_000);
        rate.observe(Reception::Refused, at(4_000), at(4_005));
        assert_eq!(per_second(&rate), 1);
        for _ in 0..10 {
            rate.observe(Reception::Accepted, at(5_000), at(5_010));
        }
        assert_eq!(per_second(&rate), 8);
    }

    #[test]
    fn a_clock_that_goes_back_calls_nobody_twice() {
        let rate = limited_to(100);
        let permits: Vec<Permit> = (0..90).filter_map(|_| rate.reserve(at(10))).collect();
        let called = |now| permits.iter().filter(|p| p.due(now).is_ok()).count();
        assert_eq!(called(at(210)), 28);
        assert_eq!(called(at(10)), 28);
        assert_eq!(called(at(210)), 28);
    }

    /// How a server counts what it accepts in a second.
    #[derive(Clone, Copy, Debug)]
    enum Counting {
        /// So many in each second of the clock.
        Windows,
        /// A bucket that holds what a second adds.
        Bucket,
    }

    /// A server that accepts 500 requests a second.
    struct Server {
        counting: Counting,
        left: Milli,
        asked_at: Timestamp,
    }

    const LIMIT: u64 = 500;

    impl Server {
        fn accepts(&mut self, now: Timestamp) -> bool {
            let second = |at: Timestamp| at.as_millis() / SECOND;
            match self.counting {
                Counting::Windows if second(now) > second(self.asked_at) => {
                    self.left = LIMIT * ONE;
                }
                Counting::Windows => {}
                Counting::Bucket => {
                    let added = now.millis_since(self.asked_at) * LIMIT;
                    self.left = (self.left + added).min(LIMIT * ONE);
                }
            }
            self.asked_at = now;
            let accepts = self.left >= ONE;
            self.left -= if accepts { ONE } else { 0 };
            accepts
        }
    }

    /// What becomes of a task's request at a time.
    enum Sent {
        /// It is not sent before then.
        NotBefore(Timestamp),
        /// It is answered after 20 ms.
        Replied(bool),
    }

    /// A driver with 64 connections, which send 3,200 requests a second at most.
    struct Driver {
        rate: Arc<Rate>,
        permits: Vec<Option<Permit>>,
        free_at: BinaryHeap<Reverse<Timestamp>>,
        /// When they come, when their requests were sent, and whether these were accepted.
        replies: BinaryHeap<Reverse<(Timestamp, Timestamp, bool)>>,
        server: Server,
    }

    impl Driver {
        fn send(&mut self, task: usize, now: Timestamp) -> Sent {
            while let Some(Reverse((replied, sent, accepted))) = self.replies.peek().copied()
                && replied <= now
            {
                self.replies.pop();
                let reception = match accepted {
                    true => Reception::Accepted,
                    false => Reception::Refused,
                };
                self.rate.observe(reception, sent, replied);
            }
            let permit = &mut self.permits[task];
            if permit.is_none() {
                *permit = self.rate.reserve(now);
            }
            if let Some(Err(later)) = permit.as_ref().map(|permit| permit.due(now)) {
                return Sent::NotBefore(later);
            }
            let Reverse(free) = *self.free_at.peek().expect("64");
            if free > now {
                return Sent::NotBefore(free);
            }
            if let Some(permit) = permit.take() {
                permit.spend();
            }
            let accepted = self.server.accepts(now);
            let replied = now.after(Duration::from_millis(20));
            self.free_at.pop();
            self.free_at.push(Reverse(replied));
            self.replies.push(Reverse((replied, now, accepted)));
            Sent::Replied(accepted)
        }
    }

    /// How many requests of 10,000 tasks were accepted, and how many refused, from the eleventh second to the end of a minute.
    fn crowd(counting: Counting, is_exhausted: bool) -> (u64, u64) {
        const TASKS: usize = 10_000;
        let mut driver = Driver {
            rate: Arc::default(),
            permits: (0..TASKS).map(|_| None).collect(),
            free_at: (0..64).map(|_| Reverse(at(0))).collect(),
            replies: BinaryHeap::new(),
            server: Server {
                counting,
                left: if is_exhausted { 0 } else { LIMIT * ONE },
                asked_at: at(0),
            },
        };
        // In the order in which they came to be due.
        let mut due: BinaryHeap<Reverse<(Timestamp, usize, usize)>> = (0..TASKS)
            .map(|task| Reverse((at(0), task, task)))
            .collect();
        let mut order = TASKS;
        let (mut accepted, mut refused) = (0, 0);
        while let Some(Reverse((now, _, task))) = due.pop()
            && now < at(60_000)
        {
            let later = match driver.send(task, now) {
                Sent::NotBefore(later) => later,
                Sent::Replied(is_accepted) => {
                    if now >= at(10_000) {
                        accepted += u64::from(is_accepted);
                        refused += u64::from(!is_accepted);
                    }
                    now.after(Duration::from_millis(if is_accepted {
                        10_020
                    } else {
                        1_070
                    }))
                }
            };
            order += 1;
            due.push(Reverse((later, order, task)));
        }
        (accepted, refused)
    }

    /// Rows: F17.
    #[test]
    fn ten_thousand_tasks_use_what_a_server_accepts_and_are_seldom_refused() {
        for counting in [Counting::Windows, Counting::Bucket] {
            for exhausted in [false, true] {
                let (accepted, refused) = crowd(counting, exhausted);
                let case = format!("{counting:?} {exhausted}: {accepted} {refused}");
                assert!(accepted * 10 >= 500 * 50 * 9, "{case}");
                assert!(refused * 20 <= accepted + refused, "{case}");
            }
        }
    }
}
