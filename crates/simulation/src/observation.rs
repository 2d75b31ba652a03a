//! What happened, as the reference model takes it.

use std::fmt;

use serde_json::Value;
use taskward_core::{Answer, Event};

use taskward_sim::platform::{Effect, TaskStanding};

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) enum Observation {
    /// A process begins.
    Born(Birth),
    /// This is durable now.
    Stored(Durable),
    /// The disk refused what was to be stored.
    Unsaved,
    /// The task was asked what to do.
    Asked(Asked),
    /// The deadlines pass then at the latest: the machine slept, or the watch is to end sooner.
    Bounded(u64),
    /// A request is sent: at least its sender says so.
    Left(Sent),
    /// A request arrived at the server, and this is what it did there.
    Arrived {
        no: u64,
        /// A task that it made.
        made: Option<String>,
        /// A question that it answered.
        answered: Option<String>,
        /// Whether it was taken: not refused, and not for the repetition of another.
        is_taken: bool,
    },
    /// Somebody else started a task.
    Another(Another),
    /// Somebody else answered a question.
    AnsweredByOther { question: String },
    /// The outcome of a request is reported to the task.
    Reported {
        no: u64,
        effect: Effect,
        delivery: DeliveryFact,
        /// For how many milliseconds the server asked to wait.
        hint: u64,
    },
    /// A whole reply to a read is handed over: what was true then, as far as reads show it.
    Read { no: u64, as_of: u64 },
    /// The task took an answer or a message on.
    Requested { aim: Aim, answer: Option<Answer> },
    /// The caller interrupts the watch.
    Interrupted,
    /// This was reported, and acknowledged.
    Told(Box<Event>),
    /// A watch is over.
    Done(End),
    /// The caller detached from the task, with this report of its cancel.
    HandedOver(&'static str),
    /// Somebody searched for the task of a start of unknown outcome.
    Searched {
        found: Vec<Found>,
        /// Whether the search claims to be complete.
        is_complete: bool,
        /// Whether the clock is the one that the start was made by.
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
    /// What it resumes from; `None` for a new start, or a task that is known by its id alone.
    pub(super) from: Option<Durable>,
    /// When its deadlines pass at the latest, by its own clock.
    pub(super) deadline: u64,
}

/// What a stored state says.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    pub(super) id: Option<String>,
    /// The start that it is of.
    pub(super) intent: Option<String>,
    /// The last place in the stream that was taken by then.
    pub(super) position: Option<u64>,
    pub(super) text: String,
    pub(super) revision: taskward_core::Revision,
}

impl Durable {
    /// Returns whether this message is to be sent, or its outcome is to be reported.
    pub(super) fn knows(&self, message: u64) -> bool {
        let saved: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let pending = saved["pending_events"].as_array().into_iter().flatten();
        let mut told_of = pending.filter_map(|event| event["sent"]["message"].as_u64());
        let mut kept = Kept::all(&self.text).into_iter();
        // The message of a turn is searched for again, even once its outcome was reported as unknown.
        let is_turns = saved["turn"]["state"]["lost"]["no"].as_u64() == Some(message);
        is_turns
            || kept.any(|kept| kept.aim == Aim::Message(message))
            || told_of.any(|no| no == message)
    }

    /// Returns the answers and messages that may have been sent by then.
    pub(super) fn sent(&self) -> Vec<Aim> {
        let all = Kept::all(&self.text).into_iter();
        let outgoing = all.filter(|kept| !["check", "postponed"].contains(&kept.stage.as_str()));
        outgoing.map(|kept| kept.aim).collect()
    }

    /// Returns whether this one was put off by then: it was checked, and the server has received nothing.
    pub(super) fn put_off(&self, aim: &Aim) -> bool {
        let mut kept = Kept::all(&self.text).into_iter();
        kept.any(|kept| kept.aim == *aim && kept.stage == "postponed")
    }

    /// Returns whether the task is to be stopped.
    pub(super) fn wants_stop(&self) -> bool {
        let saved: Value = serde_json::from_str(&self.text).unwrap_or_default();
        // The default, that nobody asked for it, is left out.
        !saved["cancel"].is_null()
    }
}

/// What an answer or a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// An answer, for the question of this id.
    Question(String),
    /// The message of this number, for nobody's question.
    Message(u64),
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(id) => write!(f, "the answer to {id}"),
            Self::Message(no) => write!(f, "message {no}"),
        }
    }
}

/// An answer or a message in a stored state. The text is read, and not the type that it was written from: a state that
/// cannot be read from outside leads nowhere.
pub(super) struct Kept {
    pub(super) aim: Aim,
    stage: String,
}

impl Kept {
    /// Returns all of them, in the order in which they are sent.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let saved: Value = serde_json::from_str(text).unwrap_or_default();
        let list = saved["writes"].as_array().cloned();
        let kept = list.unwrap_or_default().into_iter().filter_map(|kept| {
            let question = kept["kind"]["answer"]["question"]["id"].as_str();
            let message = kept["kind"]["message"]["no"].as_u64();
            let aim = match (question, message) {
                (Some(id), _) => Aim::Question(id.to_owned()),
                (None, no) => Aim::Message(no?),
            };
            let stage = kept["state"].as_str().unwrap_or_default().to_owned();
            Some(Self { aim, stage })
        });
        kept.collect()
    }
}

/// A task that somebody else started in the same account.
#[derive(Clone, Debug)]
pub(super) struct Another {
    pub(super) id: String,
    /// When it was made.
    pub(super) at: u64,
    /// Whether what was sent for it is what our start sends.
    pub(super) is_alike: bool,
}

/// A task that may be the one of a lost start.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: String,
    /// Whether it is said to be of another time.
    pub(super) is_off_time: bool,
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

/// A request that is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) no: u64,
    pub(super) effect: Effect,
    pub(super) key: Option<String>,
    /// All that it says but its key, of a write.
    pub(super) content: String,
    /// What it is for, of an answer or a message.
    pub(super) aim: Option<Aim>,
    /// By the client's clock.
    pub(super) now: u64,
    /// As it is.
    pub(super) at: u64,
}

/// What is reported to a task of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryFact {
    /// None of it was sent.
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

impl DeliveryFact {
    /// Returns whether the server may have done what was asked.
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
    /// The start that is said to be of unknown outcome.
    pub(super) intent: Option<String>,
    /// What is said to have been done about the task.
    pub(super) cancel: Option<&'static str>,
    /// Whether the last request was sent after the faults had ended.
    pub(super) is_healed: bool,
    /// The reported answer, as text.
    pub(super) told: Option<String>,
    /// The answer that its task gave.
    pub(super) answer: Option<String>,
    /// Where its task has stood, and how much time had passed then: ever, or in a turn, since its message came.
    pub(super) stood: Vec<(TaskStanding, u64)>,
}
