//! Where the key and the server come from. No option takes a key: it would show in `ps` and in the shell's history.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use taskward::core::{Credential, SecretString};

use crate::args::Global;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::platform::Platform;

/// More than any key has; whatever is longer is another file.
const MAX_KEY: u64 = 16 * 1024;

/// A key and a server that go together.
pub(crate) struct ApiAccess {
    /// The key.
    pub(crate) key: SecretString,
    /// Takes the key out of whatever is printed.
    pub(crate) redactor: Credential,
    /// The server's URL.
    pub(crate) base_url: String,
    /// Where the key came from, for advice when it is refused.
    pub(crate) source: KeySource,
    /// Whether it is the key of a simulator.
    pub(crate) is_simulated: bool,
    /// Whether a line break at its end was dropped.
    pub(crate) was_trimmed: bool,
}

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The environment.
    Variable(&'static str),
    /// `--key-file`.
    File(PathBuf),
    /// `--key-stdin`.
    Stdin,
    /// The simulator in this process.
    Simulator,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Stdin => f.write_str("stdin"),
            Self::Simulator => f.write_str("the simulator"),
        }
    }
}

impl KeySource {
    /// What a printed command needs to find the same key, with a space in front.
    pub(crate) fn flag(&self) -> String {
        match self {
            Self::File(path) => {
                let path = path.to_string_lossy();
                format!(" --key-file {}", crate::shell::quote(&path))
            }
            Self::Stdin => " --key-stdin".to_owned(),
            Self::Variable(_) | Self::Simulator => String::new(),
        }
    }
}

/// The account that options and environment name; the key's shape is checked before anything is sent.
pub(crate) fn api_access<P: Platform>(global: &Global) -> CliResult<ApiAccess> {
    let names = P::DEFAULTS;
    let (text, source) = if global.key_stdin {
        (
            read_key(std::io::stdin().lock(), "stdin")?,
            KeySource::Stdin,
        )
    } else if let Some(path) = &global.key_file {
        (key_file(path)?, KeySource::File(path.clone()))
    } else {
        match variable(names.key_variable)?.filter(|key| !key.is_empty()) {
            Some(key) => (key, KeySource::Variable(names.key_variable)),
            None => return Err(no_key::<P>()),
        }
    };
    let was_trimmed = text.ends_with('\n');
    let key = SecretString::from(text);
    let credential = Credential::bearer(&key).map_err(|error| {
        CliError::new(Code::Config, error.to_string())
            .why(format!("The key came from {source}. Nothing was sent."))
            .why(P::KEYS)
            .next("see", "taskward help environment", "where keys come from")
    })?;
    let is_simulated = names
        .simulated_key
        .is_some_and(|prefix| credential.starts_with(prefix));
    let base_url = match variable(names.base_url_variable)? {
        Some(url) if !url.trim().is_empty() => url,
        _ => names.base_url.to_owned(),
    };
    Ok(ApiAccess {
        key,
        redactor: credential,
        base_url,
        source,
        is_simulated,
        was_trimmed,
    })
}

/// What is said where a key is missing.
pub(crate) fn no_key<P: Platform>() -> CliError {
    CliError::new(Code::NoKey, "there is no API key")
        .why(format!(
            "Set the environment variable {}, or give --key-file PATH or --key-stdin. Nothing was sent.",
            P::DEFAULTS.key_variable
        ))
        .why(P::KEYS)
        .next(
            "or",
            format!("taskward {}", P::SIMULATED),
            "the simulator needs no key",
        )
}

fn variable(name: &str) -> CliResult<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(CliError::new(
            Code::Config,
            format!("the environment variable {name} is not UTF-8 text"),
        )),
    }
}

impl KeySource {
    /// What a person should know about it.
    pub(crate) fn warning(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let mode = open_to_others(path)?;
        Some(format!(
            "others on this machine can read the key file {} (mode {mode:o}); chmod 600 keeps it yours",
            path.display()
        ))
    }
}

/// The permissions of a file that others than its owner can read or write.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).ok()?;
    let mode = meta.permissions().mode() & 0o777;
    (meta.is_file() && mode & 0o066 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

fn key_file(path: &Path) -> CliResult<String> {
    let name = path.display().to_string();
    let unreadable = |e: std::io::Error| {
        CliError::new(
            Code::Config,
            format!("cannot read the key file {name}: {e}"),
        )
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(CliError::new(
            Code::Config,
            format!("the key file {name} is a directory"),
        ));
    }
    read_key(std::fs::File::open(path).map_err(unreadable)?, &name)
}

fn read_key(source: impl std::io::Read, name: &str) -> CliResult<String> {
    let wrong = |why: &str| {
        CliError::new(
            Code::Config,
            format!("cannot read a key from {name}: {why}"),
        )
    };
    let mut bytes = Vec::new();
    source
        .take(MAX_KEY + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| wrong(&e.to_string()))?;
    if bytes.len() as u64 > MAX_KEY {
        return Err(wrong("it is too long for a key"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is not text"))
}
