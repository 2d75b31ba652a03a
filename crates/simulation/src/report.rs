//! The report of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use taskward_core::{CancelResult, Event, Outcome};

use super::fault::FaultEvent;
use super::invariant::Invariant;
use taskward_sim::platform::Effect;

/// A run that broke no invariant.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<O, M> {
    /// How the last watch ended; `None` when time was up before it did, or the caller left.
    pub outcome: Option<Outcome<O>>,
    /// What was done about the task from which the caller detached at once.
    pub handed_over: Option<CancelResult>,
    /// How long it took, in simulated time.
    pub elapsed: Duration,
    /// The server's last state.
    pub machine: M,
    /// Everything that was reported, in order, by all processes.
    pub told: Vec<Event>,
    /// How often the task was parked.
    pub parked: u64,
    /// What was read.
    pub reads: Reads,
    /// How many steps were done.
    pub steps: u64,
    /// How many processes there were.
    pub processes: u32,
    /// What went wrong.
    pub struck: Counted<FaultEvent>,
    /// What was checked.
    pub checked: Counted<Invariant>,
    /// A digest of everything that happened: the same seed gives the same.
    pub trace: u64,
    /// What happened, line by line, when it was asked for.
    pub log: Vec<String>,
}

/// How many requests only read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Reads of the status.
    pub status: u64,
    /// Other reads.
    pub other: u64,
    /// Streams that were opened.
    pub streams: u64,
}

impl Reads {
    pub(super) fn count(&mut self, effect: Effect) {
        match effect {
            Effect::Status => self.status += 1,
            Effect::Read => self.other += 1,
            Effect::Stream => self.streams += 1,
            Effect::Start | Effect::Answer | Effect::Cancel => {}
        }
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: Self) {
        self.status += other.status;
        self.other += other.other;
        self.streams += other.streams;
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(self) -> u64 {
        self.status + self.other + self.streams
    }
}

impl<O, M> Report<O, M> {
    /// Returns the name of the end, as machine-readable output has it; `None` when there was none.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.outcome.as_ref().map(Outcome::code)
    }
}

/// How often each thing of a kind happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<K: Ord>(BTreeMap<K, u64>);

impl<K: Ord> Default for Counted<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Counted<K> {
    /// Returns how often this one did.
    #[must_use]
    pub fn of(&self, what: K) -> u64 {
        self.0.get(&what).copied().unwrap_or_default()
    }

    /// Returns how often any did.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns those that happened, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().map(|(what, count)| (*what, *count))
    }

    /// Counts one more of this.
    pub fn count(&mut self, what: K) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in other.iter() {
            *self.0.entry(what).or_default() += count;
        }
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What happened instead.
    pub why: String,
    /// At which step.
    pub step: u64,
    /// What happened before, line by line, when it was asked for.
    pub log: Vec<String>,
}

impl Violation {
    /// Returns what did not hold, before it is known where.
    pub fn new(invariant: Invariant, why: impl Into<String>) -> Self {
        Self {
            invariant,
            why: why.into(),
            step: 0,
            log: Vec::new(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at step {}: {}", self.invariant, self.step, self.why)
    }
}

impl std::error::Error for Violation {}

/// What a part of a run returns, unless it broke an invariant.
pub(super) type Done<T = ()> = Result<T, Box<Violation>>;

/// Everything that happens, as lines of which at least a digest is recorded.
pub(super) struct Trace {
    digest: u64,
    log: Option<Vec<String>>,
    line: String,
}

impl Trace {
    pub(super) fn new(is_kept: bool) -> Self {
        Self {
            // The offset of FNV-1a.
            digest: 0xcbf2_9ce4_8422_2325,
            log: is_kept.then(Vec::new),
            line: String::new(),
        }
    }

    pub(super) fn tell(&mut self, millis: u64, what: fmt::Arguments<'_>) {
        use fmt::Write as _;
        self.line.clear();
        let (seconds, rest) = (millis / 1000, millis % 1000);
        // Writing to a string does not fail.
        let _ = write!(self.line, "{seconds:>7}.{rest:03} {what}");
        for byte in self.line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(log) = &mut self.log {
            log.push(self.line.clone());
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }
}
