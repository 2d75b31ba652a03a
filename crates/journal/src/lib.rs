//! Journals: where followed tasks are stored so that no crash loses them.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! `SqliteJournal` (feature `sqlite`) stores tasks in a database: the `taskward` program does, and a service that follows
//! many. [`FileJournal`] stores each task in a file of its own, for scripts that want no database.
//!
//! A late state never replaces a newer one. What cannot be read is reported as [`Damage`], stays as it is, and is never
//! taken for nothing: it may belong to a start of unknown outcome.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod claim;
mod entry;
mod error;
mod file;
mod open;
mod own_file;
#[cfg(feature = "sqlite")]
mod sqlite;
mod time;
mod waiting;

pub use claim::Claim;
pub use entry::{Damage, Entry, EntryId, Listing};
pub use error::JournalError;
pub use file::FileJournal;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteJournal;
