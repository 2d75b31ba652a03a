//! Files to send: `-f PATH[;name=N][;type=T]`, and `-f -` for stdin, which is kept on disk so that it can be sent again.

use std::ffi::OsStr;
use std::fs::File as Handle;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{CliError, CliResult};
use crate::out::Out;

/// The files of one run, inspected.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What the job sends.
    pub(crate) files: Vec<Spec>,
    /// Their sizes together.
    pub(crate) bytes: u64,
    /// What a person should know about them.
    pub(crate) warnings: Vec<String>,
    /// What was seen of those that somebody else may still write to.
    pub(crate) seen: Vec<Seen>,
    /// Holds what came from stdin until the run is over.
    _spooled: Vec<TempPath>,
}

impl Files {
    /// Tells what is wrong with them, how many they are, and how large.
    pub(crate) fn announce(&self, out: &Out) {
        for warning in &self.warnings {
            out.say(&format!("warning: {warning}"));
        }
        let count = self.files.len();
        if count > 0 {
            let files = if count == 1 { "file" } else { "files" };
            out.say(&format!("sending {count} {files}, {}", size(self.bytes)));
        }
    }
}

/// A file as it was when it was inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    path: PathBuf,
    len: u64,
}

impl Seen {
    /// What to tell when it has become longer since: that part was not sent.
    pub(crate) fn warning(&self) -> Option<String> {
        let len = std::fs::metadata(&self.path).ok()?.len();
        (len > self.len).then(|| {
            format!(
                "{} grew while it was sent: its first {} were sent",
                self.path.display(),
                size(self.len)
            )
        })
    }
}

/// One `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) path: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) content_type: Option<String>,
}

impl Spec {
    /// Options stand at the end, each once: whatever else follows a semicolon belongs to the path or to the last value,
    /// as in `type=text/csv;charset=utf-8`.
    fn parse(text: &OsStr) -> Self {
        let mut spec = Self {
            path: PathBuf::from(text),
            name: None,
            content_type: None,
        };
        // A path that is not UTF-8 is taken as it is.
        let Some(mut rest) = text.to_str() else {
            return spec;
        };
        loop {
            let name = rest.rfind(";name=").filter(|_| spec.name.is_none());
            let kind = rest.rfind(";type=").filter(|_| spec.content_type.is_none());
            match (name, kind) {
                (Some(at), kind) if kind.is_none_or(|kind| kind < at) => {
                    spec.name = Some(rest[at + ";name=".len()..].to_owned());
                    rest = &rest[..at];
                }
                (_, Some(at)) => {
                    spec.content_type = Some(rest[at + ";type=".len()..].to_owned());
                    rest = &rest[..at];
                }
                _ => break,
            }
        }
        spec.path = PathBuf::from(rest);
        spec
    }
}

/// Looks at the files of `-f`; what cannot be sent is refused here, before anything leaves.
pub(crate) fn inspect(args: &[impl AsRef<OsStr>]) -> CliResult<Files> {
    let mut out = Files::default();
    let mut stdin_used = false;
    for arg in args {
        let spec = Spec::parse(arg.as_ref());
        let name = spec.path.display().to_string();
        let (path, len) = if spec.path == Path::new("-") {
            if std::mem::replace(&mut stdin_used, true) {
                return Err(CliError::input(
                    "-f - is given twice, and stdin can be read once",
                ));
            }
            let (path, len) = spool().map_err(|e| {
                CliError::input(format!("cannot keep stdin in a file to send it: {e}"))
            })?;
            let kept = path.to_path_buf();
            out._spooled.push(path);
            (kept, len)
        } else {
            let (path, len) = (spec.path.clone(), readable(&spec.path)?);
            out.seen.push(Seen {
                path: path.clone(),
                len,
            });
            (path, len)
        };
        if len == 0 {
            out.warnings.push(format!("{name} is empty"));
        }
        if spec
            .path
            .file_name()
            .is_some_and(|name| name.to_str().is_none())
            && spec.name.is_none()
        {
            out.warnings.push(format!(
                "the name of {name} is not UTF-8 and is sent as far as it can be; ;name=... gives another"
            ));
        }
        let stdin = || (name == "-").then(|| "stdin".to_owned());
        out.files.push(Spec {
            path,
            name: spec.name.or_else(stdin),
            content_type: spec.content_type,
        });
        out.bytes += len;
    }
    Ok(out)
}

/// The size of a regular file that can be opened.
fn readable(path: &Path) -> CliResult<u64> {
    let name = path.display();
    let unreadable = |e: io::Error| {
        CliError::input(format!("cannot read the file {name}: {e}")).why("Nothing was sent.")
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(
            CliError::input(format!("{name} is a directory, not a file"))
                .why("Nothing was sent. Several files are given as several -f."),
        );
    }
    if !meta.is_file() {
        return Err(CliError::input(format!("{name} is no regular file"))
            .why("Nothing was sent. What a program writes is sent with -f - from a pipe."));
    }
    Handle::open(path).map_err(unreadable)?;
    Ok(meta.len())
}

fn spool() -> io::Result<(TempPath, u64)> {
    let mut file = tempfile::Builder::new().prefix("taskward-").tempfile()?;
    let len = io::copy(&mut io::stdin().lock(), file.as_file_mut())?;
    Ok((file.into_temp_path(), len))
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_from_the_end_and_the_rest_is_the_path() {
        for (text, path, name, kind) in [
            ("a.pdf", "a.pdf", None, None),
            ("a.pdf;name=b.pdf", "a.pdf", Some("b.pdf"), None),
            ("a;type=text/csv", "a", None, Some("text/csv")),
            ("a;type=x/y;name=n", "a", Some("n"), Some("x/y")),
            (
                "a;name=n;type=text/csv;charset=utf-8",
                "a",
                Some("n"),
                Some("text/csv;charset=utf-8"),
            ),
            ("odd;file.pdf", "odd;file.pdf", None, None),
            ("-;name=x.csv", "-", Some("x.csv"), None),
        ] {
            let spec = Spec {
                path: path.into(),
                name: name.map(str::to_owned),
                content_type: kind.map(str::to_owned),
            };
            assert_eq!(Spec::parse(OsStr::new(text)), spec, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("dir");
        let missing = dir.path().join("missing.csv");
        for (path, word) in [
            (missing.as_path(), "missing.csv"),
            (dir.path(), "directory"),
            (Path::new("/dev/null"), "regular"),
        ] {
            let error = inspect(&[path]).expect_err("refused");
            assert_eq!(error.exit().code(), 2);
            assert!(error.text(str::to_owned).contains(word), "{path:?}");
        }
        let empty = dir.path().join("empty.csv");
        std::fs::write(&empty, "").expect("write");
        assert_eq!(inspect(&[&empty]).expect("sent").warnings.len(), 1);
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_240_000, "1.2 MB"),
            (999_960, "1.0 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
