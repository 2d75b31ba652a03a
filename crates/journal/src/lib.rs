//! Journals: where followed tasks are stored so that no crash loses them.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! [`FileJournal`] stores each task in a file of its own, for programs and scripts. `SqliteJournal` (feature `sqlite`)
//! stores them in a database, for services that follow many.
//!
//! A late state never replaces a newer one. What cannot be read is reported as [`Damage`], stays as it is, and is never
//! taken for nothing: it may belong to a start of unknown outcome.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod entry;
mod error;
mod file;
#[cfg(feature = "sqlite")]
mod sqlite;
mod time;

pub use entry::{Damage, Entry, EntryId, Listing};
pub use error::JournalError;
pub use file::{Claim, FileJournal};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteJournal;
