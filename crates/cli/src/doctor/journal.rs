//! The journal of this machine: where it is, whether it can be used, what is in it.

use std::fs;
use std::path::Path;

use taskward::journal::{Listing, SqliteJournal};

use super::check::Check;
use super::settings::value;
use crate::args::Global;
use crate::store::{FILE, HOME, state_folder};

const ABOUT: &str = "journal";

/// Checks the journal.
pub(super) fn check(global: &Global) -> Vec<Check> {
    if global.no_journal {
        return vec![Check::warning(ABOUT, "nothing is kept, by --no-journal")];
    }
    let Some(folder) = state_folder() else {
        let what = "there is no home folder: tasks are kept in a temporary folder, which the system may empty";
        return vec![Check::warning(ABOUT, what).hint("set XDG_STATE_HOME to a folder")];
    };
    let mut checks = vec![place(&folder)];
    checks.extend(writable(&folder));
    if folder.is_dir() {
        checks.extend(content(&folder));
    }
    checks
}

fn place(folder: &Path) -> Check {
    let from = match value("XDG_STATE_HOME") {
        Some(state) if Path::new(&state).is_absolute() => "XDG_STATE_HOME".to_owned(),
        Some(_) => format!("{HOME}: XDG_STATE_HOME is no absolute path and not used"),
        None => format!("{HOME}, the default"),
    };
    Check::ok(ABOUT, format!("{}, from {from}", folder.display()))
}

/// Checks whether an entry could be written: in the folder, or in the nearest one above it that exists.
fn writable(folder: &Path) -> Option<Check> {
    let there = folder
        .ancestors()
        .find(|folder| fs::symlink_metadata(folder).is_ok())?;
    // It has no name, so that nobody takes it for an entry.
    match tempfile::tempfile_in(there) {
        Ok(_) if there == folder => Some(Check::ok(ABOUT, "it can be written")),
        Ok(_) => Some(Check::ok(ABOUT, "it does not exist yet, and can be made")),
        Err(error) => {
            let what = format!("nothing can be written to {}: {error}", there.display());
            Some(Check::problem(ABOUT, what).hint(
                "a start that cannot be kept is not sent; free the disk, change the permissions, or set XDG_STATE_HOME",
            ))
        }
    }
}

fn content(folder: &Path) -> Vec<Check> {
    let path = folder.join(FILE);
    if !path.exists() {
        return vec![Check::ok(ABOUT, "nothing was stored yet")];
    }
    // All of it is read: whoever asks what is wrong has the time.
    let listing = SqliteJournal::open_to_read(&path).and_then(|journal| journal.list());
    match listing {
        Ok(listing) => entries(folder, &listing),
        Err(error) => vec![Check::problem(ABOUT, format!("it cannot be read: {error}"))],
    }
}

fn entries(folder: &Path, listing: &Listing) -> Vec<Check> {
    let entries = listing.entries.len();
    let noun = if entries == 1 { "entry" } else { "entries" };
    let what = format!("{entries} {noun}, {}", size(folder));
    let mut checks = vec![Check::ok(ABOUT, what)];
    let open = listing
        .entries
        .iter()
        .filter(|entry| entry.is_open())
        .count();
    if open > 0 {
        let what = format!("starts with an unknown outcome: {open}");
        checks.push(Check::warning(ABOUT, what).hint("taskward recover"));
    }
    if let Some(first) = listing.damage.first() {
        let what = format!(
            "parts that cannot be read and are kept unchanged: {}; {first}",
            listing.damage.len()
        );
        checks.push(Check::warning(ABOUT, what).hint("taskward help recovery"));
    }
    checks
}

/// How large the files of a folder are together, for people.
fn size(folder: &Path) -> String {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = files
        .filter_map(|file| file.metadata().ok())
        .filter(fs::Metadata::is_file);
    let bytes: u64 = sizes.map(|meta| meta.len()).sum();
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1024 / 1024),
    }
}
