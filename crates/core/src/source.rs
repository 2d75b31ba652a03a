//! Where the bytes of a body come from: memory, and files that the core never opens.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use hmac_sha256::Hash as Sha256;
use serde::{Deserialize, Serialize};

/// A segment of a body, in sending order.
#[derive(Clone, Debug)]
pub enum Segment<'a> {
    /// Bytes in memory.
    Bytes(&'a Bytes),
    /// A file's content: exactly [`Source::len`] bytes of it.
    Source(&'a Source),
}

impl Segment<'_> {
    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.len,
        }
    }

    /// Returns whether the segment is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file to send, as plain data: the core never opens it.
///
/// A job names the file by path; the adapter measures it once (length and stamp) when the task starts, opens it for
/// each attempt and compares the stamp, so that two attempts never send different bytes unnoticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where the file is.
    pub key: SourceKey,
    /// The file's length in bytes.
    pub len: u64,
    /// What tells a changed file from an unchanged one.
    pub stamp: Stamp,
    /// What identifies the file's content if it is sent again later; present only where the task is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// A file's path and content, as they were when the file was described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The file's absolute path.
    pub path: PathBuf,
    /// SHA-256 of the file's content, in hexadecimal.
    pub sha256: String,
}

impl Source {
    /// Creates a source for the file at `path`, not yet measured.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            key: SourceKey::Path(path.into()),
            len: 0,
            stamp: Stamp::default(),
            fingerprint: None,
        }
    }

    /// Creates a source for content that the caller's own driver knows under `key`.
    pub fn key(key: impl Into<String>, len: u64) -> Self {
        Self {
            key: SourceKey::Key(key.into()),
            len,
            stamp: Stamp::default(),
            fingerprint: None,
        }
    }

    /// Returns the name under which the source is stored; `None` if it is not text.
    pub(crate) fn kept_name(&self) -> Option<&str> {
        match (&self.fingerprint, &self.key) {
            (Some(fingerprint), SourceKey::Path(_)) => fingerprint.path.to_str(),
            (None, SourceKey::Path(path)) => path.to_str(),
            (_, SourceKey::Key(key)) => Some(key),
        }
    }

    pub(crate) fn digest(&self, hash: &mut Sha256) {
        hash.update(format!("{:?}", self.key));
        for number in [
            self.len,
            self.stamp.modified,
            self.stamp.device,
            self.stamp.inode,
        ] {
            hash.update(number.to_le_bytes());
        }
    }

    /// Returns the path, if the source is a file.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match &self.key {
            SourceKey::Path(path) => Some(path),
            SourceKey::Key(_) => None,
        }
    }
}

/// Where the bytes of a source come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKey {
    /// A file.
    Path(PathBuf),
    /// Content that the caller's own driver knows under this name.
    Key(String),
}

/// The metadata of a file when it was described; zeros where the platform has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamp {
    /// Modification time in nanoseconds since the Unix epoch.
    pub modified: u64,
    /// The file system's device number.
    pub device: u64,
    /// The file's inode number.
    pub inode: u64,
}
