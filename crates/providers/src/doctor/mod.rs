//! What `taskward doctor` asks a platform, and what its replies say about what we assume of it. Pure.
//!
//! Parts of the specifications are our inference. Each such part is an [`Assumption`], with a check that reads recorded
//! replies and finds it confirmed, different, or not seen. The assumptions and the requests that may show them are data of
//! the platform ([`Examined`]); nothing here knows which platform that is.
//!
//! - [`Examination`]: the machine that says what to ask next and takes in the replies. It ends in a [`Recording`].
//! - [`Recording`]: the replies without anything that belongs to the customer, as lines of text to attach to an issue.
//! - [`examine`]: judges a recording. It needs nothing else, so a recording gives the same findings everywhere.
//! - [`openapi`]: compares the description that a platform serves with ours.
//!
//! # What this module does not do
//! It sends nothing. It judges no reply for a task: the providers do, and read more tolerantly than the checks here.

pub(crate) mod evidence;
mod examination;
mod exchange;
mod identity;
mod mask;
pub mod openapi;
mod recording;

use taskward_core::{BuildError, Provider, Request, Safety};

pub use evidence::{Evidence, Finding};
pub use examination::{Ask, Examination, Scope};
pub use exchange::{Exchange, RecordedBody, RecordedReply};
pub use identity::{Identity, identify, refused_start};
pub use recording::{Recording, RecordingError};

pub(crate) use examination::Known;

/// One thing that we assume of a platform and that its documentation does not say, or says in two ways.
#[derive(Clone, Copy, Debug)]
pub struct Assumption {
    /// Its name; it stays the same from version to version.
    pub id: &'static str,
    /// What is assumed, as a sentence without a full stop.
    pub says: &'static str,
    /// The places of our specification that are marked as inferred, unverified or in conflict, as JSON pointers; none for
    /// what the specification does not say at all.
    pub marks: &'static [&'static str],
    /// Looks for it in what was recorded.
    pub check: fn(&Evidence<'_>) -> Finding,
}

/// A row of the table: name, places in the specification, what is assumed, how it is checked.
pub(crate) const fn row(
    id: &'static str,
    marks: &'static [&'static str],
    says: &'static str,
    check: fn(&Evidence<'_>) -> Finding,
) -> Assumption {
    Assumption {
        id,
        says,
        marks,
        check,
    }
}

/// A platform that can be examined.
pub trait Examined: Provider {
    /// Everything that is assumed of it.
    const ASSUMPTIONS: &'static [Assumption];
    /// What may be asked of it, in order.
    const PROBES: &'static [Probe];
    /// The words of its interface.
    const VOCABULARY: Vocabulary;
    /// Our specification as JSON, where the platform serves its own; the operation that reads that one.
    const SERVED: Option<(&'static str, &'static str)> = None;
    /// Whether a reply can only be the platform's own.
    const PROOF: fn(&Evidence<'_>) -> bool;
    /// What `--start` starts on this platform, for people.
    const STARTS: &'static str;
}

/// When a probe is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Always: it only reads.
    Read,
    /// It starts the task of `--start`.
    Start,
    /// It reads that task once, at once.
    Started,
    /// It reads that task until it ends or waits.
    Follow,
}

/// One request to make.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The operation of the specification.
    pub operation: &'static str,
    /// What it is for, as the name of its exchange in a recording.
    pub name: &'static str,
    /// When it is made.
    pub stage: Stage,
    /// Whether it is made with a key that is none.
    pub wrong_key: bool,
    /// What makes it safe to repeat.
    pub safety: Safety,
    /// Builds it from what is known; `None` when that does not suffice.
    pub(crate) request: fn(&Known) -> Option<Result<Request, BuildError>>,
    /// Takes from its reply what later probes need.
    pub(crate) learn: fn(&serde_json::Value, &mut Known),
}

impl Probe {
    /// Describes a read.
    pub(crate) const fn read(
        operation: &'static str,
        name: &'static str,
        request: fn(&Known) -> Option<Result<Request, BuildError>>,
    ) -> Self {
        Self {
            operation,
            name,
            stage: Stage::Read,
            wrong_key: false,
            safety: Safety::Repeatable,
            request,
            learn: |_, _| {},
        }
    }

    /// Makes it at this stage.
    pub(crate) const fn at(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// Makes it with a key that is none.
    pub(crate) const fn with_wrong_key(mut self) -> Self {
        self.wrong_key = true;
        self
    }

    /// Says that it changes something, and what makes that safe to repeat.
    pub(crate) const fn changing(mut self, safety: Safety) -> Self {
        self.safety = safety;
        self
    }

    /// Takes something from its reply.
    pub(crate) const fn learning(mut self, learn: fn(&serde_json::Value, &mut Known)) -> Self {
        self.learn = learn;
        self
    }
}

/// Which words of a platform's replies are its own, so that a recording may show them.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// Names of fields that the specification knows.
    pub fields: &'static [&'static str],
    /// Fields whose values are words of the platform: statuses, types, codes.
    pub words: &'static [&'static str],
    /// Fields whose content is the customer's, of any shape.
    pub free: &'static [&'static str],
    /// Segments of paths that are no ids.
    pub paths: &'static [&'static str],
}

/// An assumption and what was found of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedAssumption {
    /// The name of the assumption.
    pub id: &'static str,
    /// What is assumed.
    pub says: &'static str,
    /// What was found.
    pub finding: Finding,
}

/// Compares the description that a platform serves with ours; `None` where it serves none, or it was not seen.
#[must_use]
pub fn differences<P: Examined>(recording: &Recording) -> Option<Vec<openapi::Difference>> {
    let (_, ours) = P::SERVED?;
    Evidence::new(recording, P::NAME, &P::VOCABULARY).differences(ours)
}

/// Judges what was recorded of a platform. Where something else replied, nothing is seen of the platform.
#[must_use]
pub fn examine<P: Examined>(recording: &Recording) -> Vec<JudgedAssumption> {
    let nothing = Recording::default();
    let seen = match identify::<P>(recording) {
        Identity::Platform => recording,
        Identity::KeyRejected | Identity::Other(_) | Identity::Nobody(_) => &nothing,
    };
    let evidence = Evidence::new(seen, P::NAME, &P::VOCABULARY);
    let judged = P::ASSUMPTIONS.iter().map(|assumption| JudgedAssumption {
        id: assumption.id,
        says: assumption.says,
        finding: (assumption.check)(&evidence),
    });
    judged.collect()
}
