//! A start, until its task is known: the request, whose reply or stream names the task, and the search for the task of a
//! reply that was lost.

use std::sync::Arc;

use crate::again::KeptStart;
use crate::build_error::BuildError;
use crate::id::TaskId;
use crate::key::IdempotencyKey;
use crate::operation::Safety;
use crate::provider::{MatchCriteria, Provider};
use crate::reason::{FailedAttempt, WaitReason};
use crate::request::Request;
use crate::seed::Seed;
use crate::time::Timestamp;

use super::intent::{Intent, UnresolvedStart};
use super::stream::Stream;
use super::writes::Writes;

/// A start whose task is not known.
#[derive(Debug)]
pub(super) struct Starting<P: Provider> {
    pub(super) state: StartState,
    /// The digest of the request.
    pub(super) digest: String,
    pub(super) safety: Safety,
    pub(super) attempts: u32,
    pub(super) due: Timestamp,
    /// Why the next request is not sent earlier.
    pub(super) why: WaitReason,
    /// Whether the server may have received any attempt.
    pub(super) maybe_received: bool,
    /// How often the server has answered with a conflict since then.
    pub(super) conflicts: u32,
    /// Messages that are to be sent once the id is known.
    pub(super) writes: Writes,
    /// The stream that the start request opens. It goes on as the task's.
    pub(super) stream: Stream,
    /// What another form of the request is built from, in case the server does not take this one; `None` where there is
    /// no other.
    pub(super) job: Option<Box<P::Job>>,
    /// The key in the request.
    pub(super) key: Option<IdempotencyKey>,
}

/// How far the start has come.
#[derive(Debug)]
pub(super) enum StartState {
    /// The request is sent, or will be.
    Sending(StartRequest),
    /// Its reply was lost, and the tasks that may be its own are listed.
    Locating(Box<Locating>),
}

/// The start request.
#[derive(Debug)]
pub(super) struct StartRequest {
    pub(super) request: Arc<Request>,
    pub(super) form: StartForm,
}

/// What names the task of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartForm {
    /// The reply.
    Reply,
    /// The first event of the stream that the request opens.
    Stream,
}

/// The search for the task of a start whose reply was lost, by the reference in its request.
#[derive(Debug)]
pub(super) struct Locating {
    /// When the search began.
    pub(super) since: Timestamp,
    /// How often the whole list was read.
    pub(super) reads: u32,
    /// The next page of the list.
    pub(super) cursor: Option<String>,
    /// How many pages of this list were read.
    pub(super) pages: usize,
    /// The tasks in the pages that were read.
    pub(super) found: Vec<TaskId>,
    /// Whether these pages hold an entry that cannot be read: it may be a task of this start.
    pub(super) is_unreadable: bool,
    /// What happened to the start request; `None` if its process ended.
    pub(super) lost: Option<FailedAttempt>,
    /// Whether a reply suggests that a task was created.
    pub(super) likely: bool,
}

impl Locating {
    /// Creates a search that begins now.
    pub(super) fn new(lost: Option<FailedAttempt>, likely: bool, now: Timestamp) -> Self {
        Self {
            since: now,
            reads: 0,
            cursor: None,
            pages: 0,
            found: Vec::new(),
            is_unreadable: false,
            lost,
            likely,
        }
    }
}

/// A start request with what is stored of it.
pub(super) struct BuiltStart {
    pub(super) request: StartRequest,
    pub(super) digest: String,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) intent: Intent,
}

/// Builds the start request in this form. A key that the platform needs is made from the seed, unless the caller has one.
pub(super) fn build<P: Provider>(
    provider: &P,
    job: &P::Job,
    form: StartForm,
    key: KeyChoice,
    seed: &Seed,
    now: Timestamp,
) -> Result<BuiltStart, BuildError> {
    let request_with = |key: Option<&IdempotencyKey>| match form {
        StartForm::Reply => provider.start(job, key),
        StartForm::Stream => provider.start_stream(job, key),
    };
    let key = match key {
        KeyChoice::None => None,
        KeyChoice::Own(key) => Some(key),
        KeyChoice::Minted => {
            let bare = request_with(None)?.freeze(seed).digest();
            Some(IdempotencyKey::mint(seed, "start", bare.as_bytes()))
        }
    };
    let request = request_with(key.as_ref())?.freeze(seed);
    let kept = match form {
        StartForm::Reply => KeptStart::of(&request),
        StartForm::Stream => KeptStart::of(&provider.start(job, key.as_ref())?.freeze(seed)),
    };
    let digest = request.digest();
    let criteria = provider.match_criteria(job, key.as_ref());
    let intent = Intent::new(&digest, criteria, kept, seed, now);
    let request = Arc::new(request);
    Ok(BuiltStart {
        request: StartRequest { request, form },
        digest,
        key,
        intent,
    })
}

impl BuiltStart {
    /// Takes a request whose reply names the task, with this key.
    pub(super) fn of_reply(
        request: Request,
        key: Option<IdempotencyKey>,
        criteria: Option<MatchCriteria>,
        seed: &Seed,
        now: Timestamp,
    ) -> Self {
        let digest = request.digest();
        let intent = Intent::new(&digest, criteria, KeptStart::of(&request), seed, now);
        let (request, form) = (Arc::new(request), StartForm::Reply);
        Self {
            request: StartRequest { request, form },
            digest,
            key,
            intent,
        }
    }
}

/// Which key a start request contains.
#[derive(Clone, Debug)]
pub(super) enum KeyChoice {
    None,
    /// The caller's own.
    Own(IdempotencyKey),
    /// One that is made from the seed.
    Minted,
}

impl KeyChoice {
    /// Returns the choice for a start of this safety, if the caller has this key.
    pub(super) fn of(safety: Safety, own: Option<IdempotencyKey>) -> Self {
        match own {
            Some(key) => Self::Own(key),
            None if safety.has_key() => Self::Minted,
            None => Self::None,
        }
    }
}

impl<P: Provider> Starting<P> {
    /// Creates a start that is in this state now.
    pub(super) fn new(state: StartState, digest: String, safety: Safety, now: Timestamp) -> Self {
        Self {
            state,
            digest,
            safety,
            attempts: 0,
            due: now,
            why: WaitReason::Backoff,
            maybe_received: false,
            conflicts: 0,
            writes: Writes::default(),
            stream: Stream::unopened(),
            job: None,
            key: None,
        }
    }

    /// Returns the request, unless its task is being searched for.
    pub(super) fn request(&self) -> Option<&StartRequest> {
        match &self.state {
            StartState::Sending(start) => Some(start),
            StartState::Locating(_) => None,
        }
    }

    /// Returns whether the request sends files, which takes longer.
    pub(super) fn sends_a_form(&self) -> bool {
        self.request().is_some_and(|start| start.request.is_form())
    }

    /// Returns what is kept of this start once nobody waits for its reply any more, since `ended_at`.
    pub(super) fn unresolved(&self, ended_at: Option<Timestamp>) -> UnresolvedStart {
        let repeatable = self.request().filter(|_| self.safety.is_repeatable());
        UnresolvedStart {
            digest: self.digest.clone(),
            request: repeatable.map(|start| start.request.as_ref().clone()),
            ended_at,
        }
    }

    /// Returns whether an earlier attempt was sent; `underway` says whether the present one has been.
    pub(super) fn has_left_before(&self, underway: bool) -> bool {
        self.maybe_received || self.attempts > u32::from(underway)
    }
}
