//! Journals: where followed tasks are kept so that no crash loses them.
//!
//! [`FileJournal`] keeps each task in a file of its own, for programs and scripts.

mod entry;
mod error;
mod file;

pub use entry::{Damage, Entry, EntryId, Listing};
pub use error::JournalError;
pub use file::{Claim, FileJournal};
