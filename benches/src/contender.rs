//! The contenders: what is measured, under which name, against which target.

use crate::{decode, machine, sse, stream};

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
    /// Instructions in user space.
    pub instructions: u64,
    /// Allocations.
    pub allocations: u64,
}

pub(crate) const fn at_most(instructions: u64, allocations: u64) -> Option<Target> {
    Some(Target {
        instructions,
        allocations,
    })
}

/// Returns all of them, peers beside ours.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let mut contenders = vec![
        Contender {
            group: "machine",
            name: "waiting",
            target: at_most(300, 0),
            bytes: 0,
            prepare: machine::waiting,
        },
        Contender {
            group: "machine",
            name: "decision",
            target: at_most(300, 0),
            bytes: 0,
            prepare: machine::decision,
        },
        Contender {
            group: "machine",
            name: "decision-and-decode",
            target: at_most(4_300, 0),
            bytes: 0,
            prepare: machine::decision_and_decode,
        },
        Contender {
            group: "machine",
            name: "backon-next-wait",
            target: None,
            bytes: 0,
            prepare: machine::backon_next_wait,
        },
        Contender {
            group: "machine",
            name: "backon-retry",
            target: None,
            bytes: 0,
            prepare: machine::backon_retry,
        },
        Contender {
            group: "decode",
            name: "status",
            target: at_most(4_000, 0),
            bytes: 0,
            prepare: decode::status,
        },
        Contender {
            group: "decode",
            name: "task",
            target: at_most(6_500, 3),
            bytes: 0,
            prepare: decode::task,
        },
        Contender {
            group: "decode",
            name: "serde-derive",
            target: None,
            bytes: 0,
            prepare: decode::serde_derive,
        },
        Contender {
            group: "decode",
            name: "serde-value",
            target: None,
            bytes: 0,
            prepare: decode::serde_value,
        },
        Contender {
            group: "stream",
            name: "event-told",
            target: None,
            bytes: 0,
            prepare: stream::told,
        },
        Contender {
            group: "stream",
            name: "sse-core-and-value",
            target: None,
            bytes: 0,
            prepare: stream::by_hand,
        },
    ];
    contenders.extend(sse::contenders());
    contenders
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

/// Returns all of them.
#[must_use]
pub fn claims() -> Vec<Claim> {
    sse::claims()
}
