//! The answer: which part of it is printed, and where.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use taskward::Output as _;

use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::platform::Platform;
use crate::platform::Print;
use crate::report::result_line;
use crate::task_ref::TaskRef;

/// Where an answer goes besides stdout, checked before anything is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destination {
    file: Option<PathBuf>,
    part: Option<Print>,
}

impl Destination {
    /// `-o` and `--print`.
    pub(crate) fn new(file: Option<PathBuf>, part: Option<Print>) -> CliResult<Self> {
        if let Some(path) = &file {
            writable(path).map_err(|why| {
                CliError::input(format!(
                    "cannot write the answer to {}: {why}",
                    path.display()
                ))
                .why("Nothing was sent.")
            })?;
        }
        Ok(Self { file, part })
    }

    /// Whether the answer in words was asked for, and nothing else will do.
    pub(crate) fn wants_words(&self) -> bool {
        matches!(self.part, Some(Print::Summary))
    }

    /// Prints the answer of a task that ended well, or of an agent that answered without one; `said` is what the agent was seen to say.
    pub(crate) fn deliver<P: Platform>(
        &self,
        connection: &Connection<P>,
        task: Option<&TaskRef>,
        answer: &P::Output,
        said: Option<&str>,
    ) -> CliResult<Exit> {
        let out = &connection.out;
        out.still();
        let again = |error: CliError, note| {
            let Some(task) = task else { return error };
            let command = connection.about("result", task);
            match connection.sim() {
                None => error.next("see", command, note),
                Some(_) => error,
            }
            .task(task)
        };
        let text = P::part(answer, said, self.part).map_err(|what| {
            let what = format!("the task completed without {what}");
            again(CliError::new(Code::NoAnswer, what), "what there is")
        })?;
        // An answer that cannot be written to its file is still printed.
        let kept = match &self.file {
            Some(path) => write(path, text.as_bytes())
                .map_err(|e| {
                    CliError::new(
                        Code::Output,
                        format!("cannot write the answer to {}: {e}", path.display()),
                    )
                })
                .map_err(|error| again(error, "the answer again")),
            None => Ok(()),
        };
        let lost = |said: &str| said.contains(char::REPLACEMENT_CHARACTER);
        let is_damaged = answer.is_damaged() || said.is_some_and(lost);
        if is_damaged {
            out.say("some text was damaged on its way: U+FFFD stands where it was");
        }
        if out.is_json() {
            let mut fields = P::fields(answer, said);
            fields.insert("damaged".to_owned(), is_damaged.into());
            out.line(result_line(task, P::DONE, fields));
            out.check()
                .map_err(|error| again(error, "the answer again"))?;
        } else if text.is_empty() {
            out.say("the task completed without an answer");
        } else {
            out.print(&text)
                .map_err(|error| again(error, "the answer again"))?;
        }
        kept.map(|()| Exit::Ok)
    }
}

/// Why a file cannot be written, as far as can be told without writing it: one beside it is made and dropped.
fn writable(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Err("it is a directory".to_owned()),
        Ok(meta) if meta.permissions().readonly() => return Err("it is read-only".to_owned()),
        Ok(meta) if is_device(&meta) => return Ok(()),
        Ok(meta) if !meta.is_file() => {
            return Err(
                "it is a pipe or a socket; the answer is on stdout, too: pipe that".to_owned(),
            );
        }
        Ok(_) => {
            let target = std::fs::canonicalize(path).map_err(|e| e.to_string())?;
            return beside(&target).map(drop).map_err(|e| e.to_string());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.to_string()),
    }
    if path.file_name().is_none() {
        return Err("it has no file name".to_owned());
    }
    match std::fs::metadata(parent(path)) {
        Ok(meta) if meta.is_dir() => beside(path).map(drop).map_err(|e| e.to_string()),
        Ok(_) => Err(format!("{} is not a directory", parent(path).display())),
        Err(error) => Err(format!("{}: {error}", parent(path).display())),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A device that takes bytes one after the other, as /dev/null does.
#[cfg(unix)]
fn is_device(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    meta.file_type().is_char_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

/// A new file in the directory of `target`; it is gone when it is dropped.
fn beside(target: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".taskward-");
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::Permissions::from_mode(0o666)
    };
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(parent(target))
}

/// Writes a file whole or not at all: beside it first, then in its place.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A device is written to, never replaced; through a symbolic link its target is replaced.
    let target = match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return std::fs::write(path, bytes),
        Ok(_) => std::fs::canonicalize(path)?,
        Err(_) => path.to_owned(),
    };
    let mut file = beside(&target)?;
    if let Ok(meta) = std::fs::metadata(&target) {
        file.as_file().set_permissions(meta.permissions())?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_what_is_no_file_is_refused_beforehand() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.json");
        for text in ["first", "second, longer"] {
            write(&path, text.as_bytes()).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("dir").count(), 1);
        assert!(
            writable(dir.path())
                .expect_err("refused")
                .contains("directory")
        );
        assert!(writable(&dir.path().join("no/such")).is_err());
        assert!(writable(&path.join("below")).is_err());
        assert_eq!(writable(&path), Ok(()));
        assert_eq!(writable(Path::new("new.json")), Ok(()));
        #[cfg(unix)]
        {
            assert_eq!(writable(Path::new("/dev/null")), Ok(()));
            let socket = dir.path().join("socket");
            let _bound = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
            assert!(writable(&socket).expect_err("refused").contains("socket"));
        }
        #[cfg(target_os = "linux")]
        assert!(writable(Path::new("/proc/self/new.json")).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("dir").count(), 2);
    }
}
