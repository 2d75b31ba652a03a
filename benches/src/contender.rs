//! What a contender is: what is measured, under which name, against which target.

/// Something that is done over and over.
pub struct Contender {
    /// Which bench it belongs to.
    pub group: &'static str,
    /// Its name in tables and on the command line.
    pub name: &'static str,
    /// What it must not exceed; `None` for peers.
    pub target: Option<Target>,
    /// Bytes of input of one iteration; 0 where they say nothing.
    pub bytes: u64,
    /// Sets it up; each call of what comes back is one iteration.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// Upper bounds of one iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Instructions in user space; `None` where they are only reported.
    pub instructions: Option<u64>,
    /// Allocations.
    pub allocations: u64,
}

pub(crate) const fn at_most(instructions: u64, allocations: u64) -> Option<Target> {
    Some(Target {
        instructions: Some(instructions),
        allocations,
    })
}

/// Reports the instructions, and bounds the allocations.
pub(crate) const fn reported(allocations: u64) -> Option<Target> {
    Some(Target {
        instructions: None,
        allocations,
    })
}

impl Contender {
    /// Returns one of which the length of its input says nothing.
    pub(crate) fn new(
        group: &'static str,
        name: &'static str,
        target: Option<Target>,
        prepare: fn() -> Box<dyn FnMut()>,
    ) -> Self {
        Self {
            group,
            name,
            target,
            bytes: 0,
            prepare,
        }
    }
}

/// What holds between two contenders, or of the throughput of one.
pub struct Claim {
    /// Which bench it belongs to.
    pub group: &'static str,
    /// The contender it is about.
    pub what: &'static str,
    /// What it must keep to.
    pub bound: Bound,
}

/// A bound that more than one figure decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At least so many times as fast as that contender.
    TimesAsFast(f64, &'static str),
    /// At most so many times the instructions of that contender.
    TimesTheInstructions(f64, &'static str),
    /// At least so many megabytes of input a second.
    MegabytesPerSecond(f64),
}
