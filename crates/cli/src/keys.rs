//! Where the key and the server come from. No option takes a key: it would show in `ps` and in the shell's history.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use taskward::core::{Credential, KeyHeader, SecretString};

use crate::args::Global;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::platform::Platform;

/// More than any key has; whatever is longer is another file.
const MAX_KEY: u64 = 16 * 1024;

/// A key and a server that go together.
pub(crate) struct ApiAccess {
    /// The key, where there is one.
    key: Option<SecretString>,
    /// The same where it is USER:PASSWORD.
    pair: Option<(String, SecretString)>,
    /// The header that `--auth-header` puts it into.
    header: Option<KeyHeader>,
    /// The server's URL.
    pub(crate) base_url: String,
    /// Where the key came from, for advice when it is refused.
    pub(crate) source: KeySource,
    /// Whether it is the key of a simulator.
    pub(crate) is_simulated: bool,
    /// Whether a line break at its end was dropped.
    pub(crate) was_trimmed: bool,
}

/// How a server wants the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CredentialForm {
    /// As a bearer key.
    Bearer,
    /// As USER:PASSWORD.
    Basic,
    /// In a header of its own.
    Header(String),
}

impl ApiAccess {
    /// The access to a simulator.
    pub(crate) fn simulated(key: String, base_url: String) -> Self {
        Self {
            pair: pair(&key),
            key: Some(key.into()),
            header: None,
            base_url,
            source: KeySource::Simulator,
            is_simulated: true,
            was_trimmed: false,
        }
    }

    /// The key, where there is one.
    pub(crate) fn key(&self) -> Option<&SecretString> {
        self.key.as_ref()
    }

    /// What requests show to be allowed, in the form of `--auth-header`, or else in this one.
    pub(crate) fn credential(&self, form: &CredentialForm) -> CliResult<Option<Credential>> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let credential = match (&self.header, form) {
            (Some(header), _) => Credential::api_key(header.clone(), key),
            (None, CredentialForm::Bearer) => Credential::bearer(key),
            (None, CredentialForm::Header(name)) => {
                KeyHeader::new(name).and_then(|header| Credential::api_key(header, key))
            }
            (None, CredentialForm::Basic) => {
                let Some((user, password)) = &self.pair else {
                    let what =
                        "the server wants a user and a password, and the key is not USER:PASSWORD";
                    return Err(CliError::new(Code::Config, what).why(self.came_from()));
                };
                Credential::basic(user, password)
            }
        };
        let credential = credential.map_err(|error| {
            CliError::new(Code::Config, error.to_string()).why(self.came_from())
        })?;
        Ok(Some(credential))
    }

    fn came_from(&self) -> String {
        format!("The key came from {}. Nothing was sent.", self.source)
    }

    /// What a printed command needs to find the same key and to send it in the same form, with a space in front.
    pub(crate) fn flag(&self) -> String {
        self.source.flag() + &header_flag(self.header.as_ref().map(|header| header.name().as_str()))
    }
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
    /// Nowhere: there is none, and none is needed.
    None,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Stdin => f.write_str("stdin"),
            Self::Simulator => f.write_str("the simulator"),
            Self::None => f.write_str("nowhere: none was given"),
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
            Self::Variable(_) | Self::Simulator | Self::None => String::new(),
        }
    }
}

/// The account that options and environment name; the key's shape is checked before anything is sent.
pub(crate) fn api_access<P: Platform>(global: &Global) -> CliResult<ApiAccess> {
    let names = P::DEFAULTS;
    let (text, source) = match given_key(global, names.key_variable)? {
        Some((text, source)) => (Some(text), source),
        None if names.key_is_optional => (None, KeySource::None),
        None => return Err(no_key::<P>()),
    };
    let header = global.auth_header.as_deref().map(|name| {
        KeyHeader::new(name).map_err(|error| {
            let what = format!("--auth-header {name}: {error}");
            CliError::input(what).why("Nothing was sent.")
        })
    });
    let mut access = ApiAccess {
        was_trimmed: text.as_ref().is_some_and(|text| text.ends_with('\n')),
        pair: text.as_deref().and_then(pair),
        key: text.map(SecretString::from),
        header: header.transpose()?,
        base_url: base_url::<P>()?,
        source,
        is_simulated: false,
    };
    // Whatever form the server wants, a key that cannot be sent at all is refused here.
    let credential = access
        .credential(&CredentialForm::Bearer)
        .map_err(|error| {
            error
                .why(P::KEYS)
                .next("see", "taskward help environment", "where keys come from")
        })?;
    access.is_simulated = names
        .simulated_key
        .is_some_and(|prefix| credential.is_some_and(|credential| credential.starts_with(prefix)));
    Ok(access)
}

/// The server of the settings.
pub(crate) fn base_url<P: Platform>() -> CliResult<String> {
    Ok(match variable(P::DEFAULTS.base_url_variable)? {
        Some(url) if !url.trim().is_empty() => url,
        _ => P::DEFAULTS.base_url.to_owned(),
    })
}

/// What a printed command needs to find the key that these options name, with a space in front.
pub(crate) fn flags(global: &Global) -> String {
    let source = match &global.key_file {
        Some(path) => KeySource::File(path.clone()),
        None if global.key_stdin => KeySource::Stdin,
        None => KeySource::None,
    };
    source.flag() + &header_flag(global.auth_header.as_deref())
}

fn header_flag(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| {
        format!(" --auth-header {}", crate::shell::quote(name))
    })
}

/// A user and a password, where a key is both.
fn pair(key: &str) -> Option<(String, SecretString)> {
    let (user, password) = key.trim_end_matches(['\r', '\n']).split_once(':')?;
    Some((user.to_owned(), password.into()))
}

/// The key that an option names, or else the environment, and where it came from.
fn given_key(global: &Global, name: &'static str) -> CliResult<Option<(String, KeySource)>> {
    if global.key_stdin {
        let key = read_key(std::io::stdin().lock(), "stdin")?;
        return Ok(Some((key, KeySource::Stdin)));
    }
    if let Some(path) = &global.key_file {
        return Ok(Some((key_file(path)?, KeySource::File(path.clone()))));
    }
    let key = variable(name)?.filter(|key| !key.is_empty());
    Ok(key.map(|key| (key, KeySource::Variable(name))))
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
