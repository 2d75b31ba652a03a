//! Files to send: inspected once when a job is built, opened for each attempt and compared.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use taskward_core::{
    Body, Cause, Error, ErrorKind, Fingerprint, Segment, Source, SourceKey, Stamp, StartAgainError,
};

use crate::digest::Sha256;
use crate::failure::TransportFailure;
use crate::trace;

/// How much of a file is read at once for its fingerprint.
const HASHED_PIECE: usize = 128 * 1024;

/// Whether the content of a file is read before it is sent, so that a later start can check that it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingerprints {
    /// It is.
    Taken,
    /// It is not: the task is not stored.
    Left,
}

impl Fingerprints {
    /// It is, for a task that is stored.
    #[must_use]
    pub(crate) fn if_kept(kept: bool) -> Self {
        if kept { Self::Taken } else { Self::Left }
    }
}

/// Inspects every file: fills in its length and what distinguishes it from a changed one.
///
/// # Errors
/// When one is no readable regular file.
pub fn resolve(sources: Vec<&mut Source>, fingerprints: Fingerprints) -> Result<(), Error> {
    for source in sources {
        let SourceKey::Path(path) = &source.key else {
            return Err(Error::new(
                ErrorKind::Input,
                "this adapter sends files by path only",
            ));
        };
        let (mut file, meta) = inspect(path).map_err(|why| Error::new(ErrorKind::Input, why))?;
        source.fingerprint = match fingerprints {
            Fingerprints::Taken => Some(fingerprint(path, &mut file).map_err(|e| {
                let why = format!("cannot read the file {}: {e}", path.display());
                Error::new(ErrorKind::Input, why)
            })?),
            Fingerprints::Left => None,
        };
        (source.len, source.stamp) = (meta.len(), stamp(&meta));
    }
    Ok(())
}

/// Inspects every file of a start that is repeated: none may have changed, unless `changed` files may be sent.
///
/// # Errors
/// When one is gone or has changed.
pub(crate) fn compare(
    sources: Vec<&mut Source>,
    fingerprints: Fingerprints,
    changed: bool,
) -> Result<(), Error> {
    for source in sources {
        let then = source.clone();
        let path = then.as_path().map(Path::to_owned);
        // Content is compared even where the new task is not stored: a file that was only touched is the same.
        let taken = match then.fingerprint {
            Some(_) => Fingerprints::Taken,
            None => fingerprints,
        };
        if let Err(error) = resolve(vec![source], taken) {
            let why = error.to_string();
            return Err(match path {
                Some(path) => StartAgainError::FileUnreadable { path, why }.into(),
                None => error,
            });
        }
        let is_same = match (&then.fingerprint, &source.fingerprint) {
            (Some(then), Some(now)) => then.sha256 == now.sha256,
            _ => then.len == source.len && then.stamp == source.stamp,
        };
        if !is_same && !changed {
            let path = path.unwrap_or_default();
            return Err(StartAgainError::FileChanged(path).into());
        }
    }
    Ok(())
}

/// Returns a file's absolute path and its content.
fn fingerprint(path: &Path, file: &mut File) -> io::Result<Fingerprint> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; HASHED_PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => hash.update(&piece[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Fingerprint {
        path: std::path::absolute(path)?,
        sha256: hash.hex(),
    })
}

/// Opens a readable regular file with its metadata, or returns a line that names it and says what is wrong.
fn inspect(path: &Path) -> Result<(File, Metadata), String> {
    let unreadable = |e: io::Error| format!("cannot read the file {}: {e}", path.display());
    // Before it is opened: opening a FIFO waits for its writer.
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(format!("{} is a directory, not a file", path.display()));
    }
    if !meta.is_file() {
        return Err(format!(
            "{} is no regular file: save it as one first",
            path.display()
        ));
    }
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    Ok((file, meta))
}

fn stamp(meta: &Metadata) -> Stamp {
    let modified = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    #[cfg(unix)]
    let (device, inode) = {
        use std::os::unix::fs::MetadataExt as _;
        (meta.dev(), meta.ino())
    };
    #[cfg(not(unix))]
    let (device, inode) = (0, 0);
    Stamp {
        modified,
        device,
        inode,
    }
}

/// A part of a body on its way out.
#[derive(Debug)]
pub enum Piece {
    /// Bytes as they are.
    Bytes(Bytes),
    /// A file, to be [opened](Opened) when its turn comes.
    File(Source),
}

/// Returns the parts of a body in the order in which they are sent.
#[must_use]
pub fn pieces(body: &Body) -> VecDeque<Piece> {
    body.segments()
        .filter(|segment| !segment.is_empty())
        .map(|segment| match segment {
            Segment::Bytes(bytes) => Piece::Bytes(bytes.clone()),
            Segment::Source(source) => Piece::File(source.clone()),
        })
        .collect()
}

/// Compares every file of a body with its description, before anything is sent. One file is open at a time.
///
/// # Errors
/// When one cannot be read or is another one now.
pub fn check(body: &Body) -> Result<(), TransportFailure> {
    for segment in body.segments() {
        if let Segment::Source(source) = segment {
            Opened::new(source)?;
        }
    }
    Ok(())
}

/// A file opened for one attempt, the same one that was described.
#[derive(Debug)]
pub struct Opened {
    file: File,
    name: String,
    len: u64,
    left: u64,
    /// What its content has to be, and what was read of it.
    content: Option<(String, Sha256)>,
}

impl Opened {
    /// Opens `source` and compares it with its description.
    ///
    /// # Errors
    /// When it cannot be read or is another one now.
    pub fn new(source: &Source) -> Result<Self, TransportFailure> {
        let path = source.as_path().ok_or_else(|| {
            TransportFailure::new(Cause::Source, "this adapter sends files by path only")
        })?;
        let name = path.display().to_string();
        let unreadable =
            |e: io::Error| TransportFailure::new(Cause::Source, format!("cannot read {name}: {e}"));
        let file = File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        if meta.len() != source.len || stamp(&meta) != source.stamp {
            return Err(TransportFailure::new(
                Cause::SourceChanged,
                format!("{name} is no longer the file it was"),
            ));
        }
        Ok(Self {
            file,
            name,
            len: source.len,
            left: source.len,
            content: source
                .fingerprint
                .as_ref()
                .map(|then| (then.sha256.clone(), Sha256::new())),
        })
    }

    /// Returns how many bytes are still to be read.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Returns whether the file is longer by now than it was described.
    fn has_grown(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.len() > self.len)
    }

    /// Fills `out` with the next bytes; 0 after exactly the described length, even when the file has grown. The last bytes
    /// of a file whose digest is known are returned only where all of it has that digest: time and length may be the same
    /// although it was written to since.
    ///
    /// # Errors
    /// When it cannot be read, has shrunk, or has changed.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, TransportFailure> {
        let want = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        let mut done = 0;
        while done < want {
            match self.file.read(&mut out[done..want]) {
                Ok(0) => {
                    return Err(TransportFailure::new(
                        Cause::SourceChanged,
                        format!("{} shrank while it was sent", self.name),
                    ));
                }
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let why = format!("cannot read {}: {e}", self.name);
                    return Err(TransportFailure::new(Cause::Source, why));
                }
            }
        }
        self.left -= done as u64;
        if let Some((_, hash)) = &mut self.content {
            hash.update(&out[..done]);
        }
        if self.left == 0
            && let Some((then, hash)) = self.content.take()
            && self.len > 0
            && hash.hex() != then
        {
            return Err(TransportFailure::new(
                Cause::SourceChanged,
                format!("{} was written to while it was sent", self.name),
            ));
        }
        if done > 0 && self.left == 0 && self.has_grown() {
            trace::grown(&self.name, self.len);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn described(path: &Path) -> Source {
        let mut source = Source::path(path);
        resolve(vec![&mut source], Fingerprints::Left).expect("a readable file");
        source
    }

    /// Rows: K1, K7, K19.
    #[cfg(unix)]
    #[test]
    fn a_file_that_cannot_be_sent_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        // Opening the pipe would wait forever for a writer.
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.expect("mkfifo runs").success());
        let _bound = std::os::unix::net::UnixListener::bind(at("socket")).expect("bound");
        std::os::unix::fs::symlink(at("loop"), at("loop")).expect("a link");
        for (path, word) in [
            (at("missing.csv").as_path(), "missing.csv"),
            (dir.path(), "directory"),
            (Path::new("/dev/null"), "regular"),
            (Path::new("/dev/zero"), "regular"),
            (at("pipe").as_path(), "pipe is no regular file"),
            (at("socket").as_path(), "socket is no regular file"),
            (at("loop").as_path(), "symbolic links"),
        ] {
            let error = resolve(vec![&mut Source::path(path)], Fingerprints::Taken);
            let error = error.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains(word), "{error}");
        }
        let error = resolve(vec![&mut Source::key("k", 3)], Fingerprints::Left);
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Input);
    }

    /// Rows: K19.
    #[test]
    fn a_file_that_cannot_be_read_on_is_told_by_name() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut opened = Opened {
            // Reading fails as it does on a network share that is gone.
            file: File::options().write(true).open(file.path()).expect("open"),
            name: "share/a.csv".to_owned(),
            len: 5,
            left: 5,
            content: None,
        };
        let fault = opened.read(&mut [0; 64]).expect_err("it cannot be read");
        assert_eq!(fault.cause, Cause::Source);
        assert!(
            fault.detail.contains("cannot read share/a.csv"),
            "{fault:?}"
        );
    }

    /// Rows: K2, K4.
    #[test]
    fn a_changed_file_is_not_sent_and_a_grown_one_is_sent_as_it_was() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "hello").expect("write");
        let source = described(&path);
        let mut opened = Opened::new(&source).expect("same file");
        let mut longer = File::options().append(true).open(&path).expect("open");
        longer.write_all(b" world").expect("append");
        let mut out = [0; 64];
        assert_eq!(opened.read(&mut out), Ok(5));
        assert_eq!(&out[..5], b"hello");
        assert_eq!(opened.read(&mut out), Ok(0));
        assert!(opened.has_grown());
        let fault = Opened::new(&source).expect_err("it changed");
        assert_eq!(fault.cause, Cause::SourceChanged);
    }

    /// Rows: K4.
    #[test]
    fn a_file_that_was_replaced_or_touched_is_another_one() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.txt");
        let changes: [&dyn Fn(); 3] = [
            // Of the same length each.
            &|| std::fs::write(&path, "HELLO").expect("written again"),
            &|| {
                let touched = std::time::SystemTime::now() + std::time::Duration::from_secs(3);
                let file = File::options().write(true).open(&path).expect("open");
                file.set_modified(touched).expect("touched");
            },
            &|| {
                let other = dir.path().join("b.txt");
                std::fs::write(&other, "hello").expect("write");
                let kept = std::fs::metadata(&path).and_then(|meta| meta.modified());
                let file = File::options().write(true).open(&other).expect("open");
                file.set_modified(kept.expect("a time")).expect("touched");
                std::fs::rename(&other, &path).expect("replaced");
            },
        ];
        for change in changes {
            std::fs::write(&path, "hello").expect("write");
            let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            let file = File::options().write(true).open(&path).expect("open");
            file.set_modified(long_ago).expect("dated");
            let source = described(&path);
            Opened::new(&source).expect("the same file");
            change();
            let fault = Opened::new(&source).expect_err("it changed");
            assert_eq!(fault.cause, Cause::SourceChanged);
        }
    }

    /// Rows: K4.
    #[test]
    fn of_a_file_that_is_written_to_while_nobody_can_tell_the_last_bytes_are_not_sent() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.bin");
        let dated = |content: &[u8]| {
            // Written to in place: its length, its time and its place stay.
            let mut file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .expect("open");
            file.write_all(content).expect("written");
            let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            file.set_modified(long_ago).expect("dated");
        };
        dated(&[7; 10]);
        let mut source = Source::path(&path);
        resolve(vec![&mut source], Fingerprints::Taken).expect("a readable file");
        let mut out = [0; 6];
        let mut same = Opened::new(&source).expect("the same file");
        let read = [
            same.read(&mut out),
            same.read(&mut out),
            same.read(&mut out),
        ];
        assert_eq!(read, [Ok(6), Ok(4), Ok(0)]);
        dated(&[8; 10]);
        let mut other = Opened::new(&source).expect("nobody can tell yet");
        assert_eq!(other.read(&mut out), Ok(6));
        let fault = other.read(&mut out).expect_err("it changed");
        assert_eq!(fault.cause, Cause::SourceChanged);
        assert!(fault.detail.contains("a.bin was written to"), "{fault:?}");
        // The same between the comparison and the upload of a start that is made again.
        dated(&[7; 10]);
        let mut again = source.clone();
        compare(vec![&mut again], Fingerprints::Left, false).expect("unchanged");
        dated(&[8; 10]);
        let mut opened = Opened::new(&again).expect("nobody can tell yet");
        assert_eq!(opened.read(&mut out), Ok(6));
        let fault = opened.read(&mut out).expect_err("it changed");
        assert_eq!(fault.cause, Cause::SourceChanged);
    }

    /// Rows: K3.
    #[test]
    fn a_file_that_shrinks_while_it_is_sent_is_never_padded() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.bin");
        std::fs::write(&path, vec![7; 300 * 1024]).expect("write");
        let mut opened = Opened::new(&described(&path)).expect("same file");
        let mut out = vec![0; 256 * 1024];
        assert_eq!(opened.read(&mut out), Ok(256 * 1024));
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(260 * 1024))
            .expect("shrink");
        let fault = opened.read(&mut out).expect_err("it shrank");
        assert_eq!(fault.cause, Cause::SourceChanged);
    }
}
