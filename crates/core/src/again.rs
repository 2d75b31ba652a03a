//! Starting the same again as a new task: what is kept of a start request for that, and why it may be impossible.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::credential::Credential;
use crate::error::{Error, ErrorKind};
use crate::id::IntentId;
use crate::provider::MatchCriteria;
use crate::request::Request;
use crate::source::{Segment, Source};

/// How much of a start request is kept, in bytes: its inline content, and the names and digests of its files.
pub(crate) const MAX_KEPT: u64 = 64 * 1024;

/// What the name and the digest of a file take up besides its path.
const FILE_COST: u64 = 128;

/// What is kept of a start request.
#[derive(Clone, Debug)]
pub(crate) enum KeptStart {
    /// The request without the idempotency key, which belongs to one start, and without the contents of its files.
    Request(Box<Request>),
    /// The request was larger than [`MAX_KEPT`].
    TooLarge(u64),
    /// The request sent a file from memory, whose content is not kept.
    FileFromMemory,
    /// The request sent a file whose name is not text.
    UnnamedFile,
    /// The request contained the API key.
    HoldsKey,
}

impl KeptStart {
    /// Drops a request that contains the API key: the user may have pasted a prompt together with it.
    pub(crate) fn drop_key(&mut self, credential: &Credential) {
        let Self::Request(request) = self else { return };
        let holds = |bytes: &Bytes| {
            let text = String::from_utf8_lossy(bytes);
            credential.redact(&text) != text
        };
        let is_held = request.body().segments().any(|segment| match segment {
            Segment::Bytes(bytes) => holds(bytes),
            Segment::Source(_) => false,
        });
        if is_held {
            *self = Self::HoldsKey;
        }
    }

    pub(crate) fn of(request: &Request) -> Self {
        if request.holds_a_file() {
            return Self::FileFromMemory;
        }
        let mut size = request.target().as_str().len() as u64;
        for segment in request.body().segments() {
            size += match segment {
                Segment::Bytes(bytes) => bytes.len() as u64,
                Segment::Source(source) => match source.kept_name() {
                    Some(name) => name.len() as u64 + FILE_COST,
                    None => return Self::UnnamedFile,
                },
            };
        }
        if size > MAX_KEPT {
            return Self::TooLarge(size);
        }
        Self::Request(Box::new(request.clone().without_key()))
    }
}

/// A stored start request that can start a new task; [`Snapshot::start_again`](crate::Snapshot) returns it.
///
/// Its [`sources`](Self::sources) are as they were then: the driver compares them with the files of today.
#[derive(Clone, Debug)]
pub struct StartAgain {
    pub(crate) provider: String,
    pub(crate) origin: Option<String>,
    pub(crate) request: Request,
    pub(crate) criteria: Option<MatchCriteria>,
    /// The start that this repeats, if nobody knows whether it created a task.
    pub(crate) unresolved: Option<IntentId>,
}

impl StartAgain {
    /// Returns the files that the request sends.
    pub fn sources(&mut self) -> Vec<&mut Source> {
        self.request.sources()
    }

    /// Returns the start that this repeats, if nobody knows whether it created a task: both may be billed.
    #[must_use]
    pub fn unresolved(&self) -> Option<&IntentId> {
        self.unresolved.as_ref()
    }
}

/// Why the same task cannot be started again. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartAgainError {
    /// Nothing is stored of the start: the task was only followed, or an older version started it.
    NothingKept,
    /// The start request was too large to store.
    TooLarge {
        /// Its size in bytes, without the files.
        bytes: u64,
        /// The largest size that is stored.
        limit: u64,
    },
    /// The start request sent a file from memory, and contents of files are not stored.
    FileFromMemory,
    /// The start request sent a file whose name cannot be stored.
    UnnamedFile,
    /// The start request contained the API key, which is never stored.
    HoldsKey,
    /// The stored request cannot be read.
    Broken(String),
    /// Nobody knows whether the start that would be repeated created a task.
    OutcomeUnknown(IntentId),
    /// A file has changed since the start.
    FileChanged(PathBuf),
    /// A file can no longer be read.
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong, in words that name the file.
        why: String,
    },
}

impl StartAgainError {
    /// Returns whether the caller may insist on starting the task anyway.
    #[must_use]
    pub fn can_be_forced(&self) -> bool {
        matches!(self, Self::FileChanged(_) | Self::OutcomeUnknown(_))
    }
}

impl fmt::Display for StartAgainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingKept => f.write_str("nothing is kept of how this task was started"),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "the start request had {bytes} bytes, and at most {limit} are kept"
            ),
            Self::FileFromMemory => f.write_str(
                "the start sent a file from memory, and the contents of files are not kept",
            ),
            Self::UnnamedFile => {
                f.write_str("the start sent a file whose name is not text, so it was not kept")
            }
            Self::HoldsKey => f.write_str("the start request held the API key, so it was not kept"),
            Self::Broken(what) => write!(f, "the start that was kept cannot be read: {what}"),
            Self::OutcomeUnknown(intent) => write!(
                f,
                "nobody knows whether the start {intent} made a task; recover it first"
            ),
            Self::FileChanged(path) => write!(
                f,
                "the file {} is not what it was when the task was started",
                path.display()
            ),
            Self::FileUnreadable { why, .. } => f.write_str(why),
        }
    }
}

impl std::error::Error for StartAgainError {}

impl From<StartAgainError> for Error {
    fn from(error: StartAgainError) -> Self {
        Self::new(ErrorKind::Input, "the same cannot be started again").with_source(error)
    }
}
