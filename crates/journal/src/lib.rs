//! Journals: where followed tasks are kept so that no crash loses them.
//!
//! [`FileJournal`] keeps each task in a file of its own, for programs and scripts. `SqliteJournal` (feature `sqlite`)
//! keeps them in a database, for services that follow many.

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
