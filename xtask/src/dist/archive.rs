//! The archive: what it holds decides every byte of it.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

/// A file in the archive.
pub(super) struct Entry {
    /// Its path below the archive's folder.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    mode: u32,
}

impl Entry {
    /// A file to read.
    pub(super) fn file(name: String, content: Vec<u8>) -> Self {
        let mode = 0o644;
        Self {
            name,
            content,
            mode,
        }
    }

    /// A file to run.
    pub(super) fn program(name: String, content: Vec<u8>) -> Self {
        let mode = 0o755;
        Self {
            name,
            content,
            mode,
        }
    }
}

/// Packs entries in their order, all of one time and of no user, into a folder of this name.
///
/// With crates and not with the system's `tar`: only GNU's can be told an order, a time and an owner, and macOS and
/// Windows have another.
pub(super) fn packed(folder: &str, entries: &[Entry], time: u64) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(entry.mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(entry.content.len().try_into()?);
        let path = format!("{folder}/{}", entry.name);
        tar.append_data(&mut header, path, entry.content.as_slice())?;
    }
    // Its header would have a time and a system of its own.
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    gzip.write_all(&tar.into_inner()?)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_is_decided_by_what_it_holds() {
        let entries = || {
            [
                Entry::file("README.md".to_owned(), b"Read.".to_vec()),
                Entry::program("taskward".to_owned(), vec![7; 1000]),
            ]
        };
        let first = packed("taskward-1", &entries(), 1_700_000_000).unwrap();
        assert_eq!(
            first,
            packed("taskward-1", &entries(), 1_700_000_000).unwrap()
        );
        assert_ne!(
            first,
            packed("taskward-1", &entries(), 1_700_000_001).unwrap()
        );
        let mut read = tar::Archive::new(flate2::read::GzDecoder::new(first.as_slice()));
        let mut found = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            let path = header.path().unwrap().to_string_lossy().into_owned();
            let numbers = (
                header.mode().unwrap(),
                header.mtime().unwrap(),
                header.uid().unwrap(),
            );
            found.push((path, numbers, content.len()));
        }
        let time = 1_700_000_000;
        assert_eq!(
            found,
            [
                ("taskward-1/README.md".to_owned(), (0o644, time, 0), 5),
                ("taskward-1/taskward".to_owned(), (0o755, time, 0), 1000),
            ]
        );
    }
}
