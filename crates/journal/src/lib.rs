//! Journals: where followed tasks are kept so that no crash loses them.
//!
//! [`FileJournal`] keeps each task in a file of its own, for programs and scripts. `SqliteJournal` (feature `sqlite`)
//! keeps them in a database, for services that follow many.
//!
//! A state that comes late takes the place of no newer one. What cannot be read is told as [`Damage`], is left as it is,
//! and is never taken for nothing: it may be of a start whose outcome nobody knows.

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
