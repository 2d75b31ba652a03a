//! What a run has to hold.

use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// One run makes at most one task.
    I1 = 1,
    /// An answer is applied at most once, and to the question that it was written for; what is reported of it is true.
    I2,
    /// What is sent is durable before, and the id before it is reported; no restart loses either, and no search takes a
    /// foreign task for ours.
    I3,
    /// Events come in rising order, once, and every gap is reported.
    I4,
    /// A watch has one end, and nothing after it.
    I5,
    /// The reported outcome is the one that is true on the server.
    I6,
    /// The key is in nothing that is stored or reported.
    I7,
    /// The limits of attempts, poll intervals and deadlines hold.
    I8,
    /// What a task holds does not grow with what has happened.
    I9,
    /// Once nothing goes wrong any more, the watch ends.
    I10,
    /// The same seed gives the same run.
    I11,
    /// No task of a fleet waits for its turn longer than is promised.
    I13 = 13,
    /// A server that limits the rate is not asked faster than the rate that is known.
    I14,
}

impl Invariant {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
        Self::I13,
        Self::I14,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I-{}", *self as usize)
    }
}
