//! What happened, as the reference model takes it.

use taskward_core::Event;

use super::machine::{Effect, Standing};

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    /// A process begins.
    Born(Birth),
    /// This is durable now.
    Stored(Durable),
    /// The task was asked what to do.
    Asked(Asked),
    /// The machine slept: the deadlines pass then at the latest.
    Slept(u64),
    /// A request leaves: at least its sender says so.
    Left(Leaving),
    /// A request arrived at the server, and this is what it did there.
    Arrived {
        no: u64,
        /// A task that it made.
        made: Option<String>,
        /// A question that it answered.
        answered: Option<String>,
    },
    /// What became of a request is told to the task.
    Reported { no: u64, effect: Effect, fate: Fate },
    /// A whole reply to a read is handed over: what was true then, as far as reads show it.
    Read { no: u64, as_of: u64 },
    /// The task took an answer on.
    Wished { question: String },
    /// This was told, and acknowledged.
    Told(Box<Event>),
    /// A watch is over.
    Done(End),
    /// Somebody looked for the task of a start of unknown outcome.
    Searched {
        found: Vec<String>,
        /// Whether every look was answered as things are.
        is_reliable: bool,
    },
    /// Something was said where the key might be seen.
    Said(String),
    /// So many bytes show all that a task holds.
    Holds(usize),
}

/// How a process begins.
#[derive(Clone, Debug)]
pub(super) struct Birth {
    /// The task's id, as the task says.
    pub(super) id: Option<String>,
    /// What it goes on from; `None` for a new start, or a task that is known by its id alone.
    pub(super) from: Option<Durable>,
    /// When its deadlines pass at the latest, by its own clock.
    pub(super) deadline: u64,
}

/// What a stored state says.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    pub(super) id: Option<String>,
    /// Whether it names the start.
    pub(super) has_intent: bool,
    /// The last place in the stream that was taken by then.
    pub(super) position: Option<u64>,
    pub(super) text: String,
}

/// What a task wants.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) step: &'static str,
    pub(super) now: u64,
    /// Until when it waits.
    pub(super) until: Option<u64>,
    pub(super) id: Option<String>,
}

/// A request that leaves.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) no: u64,
    pub(super) effect: Effect,
    pub(super) key: Option<String>,
    pub(super) digest: String,
    /// The question that it answers, as far as that can be told.
    pub(super) meant: Option<String>,
    pub(super) now: u64,
}

/// What a task is told of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// None of it left.
    NotSent,
    /// It may have arrived.
    MaybeSent,
    /// A head came, and of the body perhaps a part.
    Torn(u16),
    /// A whole reply came; whether it proves that nothing was done.
    Whole {
        status: u16,
        proves_nothing_done: bool,
    },
}

impl Fate {
    /// Whether the server may have done what was asked.
    pub(super) fn may_have_happened(self) -> bool {
        match self {
            Self::NotSent => false,
            Self::MaybeSent => true,
            Self::Torn(status) => (200..300).contains(&status) || status >= 500 || status == 408,
            Self::Whole {
                status,
                proves_nothing_done,
            } => {
                let is_refusal = (400..500).contains(&status) && status != 408;
                !proves_nothing_done && !is_refusal
            }
        }
    }
}

/// How a watch ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) code: &'static str,
    /// How much time has passed, by whichever clock it was the most.
    pub(super) passed: u64,
    /// The answer that is told, in words.
    pub(super) told: Option<String>,
    /// The answer that its task gave.
    pub(super) answer: Option<String>,
    /// Where its task has stood, ever.
    pub(super) stood: Vec<Standing>,
}
