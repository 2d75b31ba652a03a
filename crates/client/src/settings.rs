//! The settings of a client: from the caller or the environment, checked before anything is sent.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;
use taskward_core::{
    ConfigError, Credential, Error, ErrorKind, Journal, Origin, Policy, ProviderDefaults,
    SecretString, user_agent,
};

use crate::clock::Clock;
use crate::tls;

/// What a caller may say about a client.
pub struct Settings {
    account: ProviderDefaults,
    /// The API key. Required.
    pub key: Option<SecretString>,
    /// The server; the provider's own by default.
    pub base_url: String,
    /// How tasks and calls are followed.
    pub policy: Policy,
    /// Longest time to resolve, connect and shake hands, when it is not the policy's.
    pub connect: Option<Duration>,
    /// Longest silence in the middle of a reply, when it is not the policy's.
    pub idle: Option<Duration>,
    /// PEM files of authorities to trust besides the platform's.
    pub ca_files: Vec<PathBuf>,
    /// The program built on top, for `User-Agent`.
    pub agent: Option<String>,
    /// How many times as fast as the world the clock runs.
    pub speed: u32,
    /// Where followed tasks are stored.
    pub journal: Option<Arc<dyn Journal>>,
}

/// Settings that can be used.
pub struct Checked {
    /// The server.
    pub origin: Origin,
    /// The key.
    pub credential: Credential,
    /// The settings of handshakes, when the server is spoken to over TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// What `User-Agent` says.
    pub agent: HeaderValue,
    /// The policy, with the limits that were given besides it.
    pub policy: Policy,
    /// The clock.
    pub clock: Clock,
    /// Where followed tasks are stored.
    pub journal: Option<Arc<dyn Journal>>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Returns settings without key and server.
    #[must_use]
    pub fn new(account: ProviderDefaults) -> Self {
        Self {
            key: None,
            base_url: account.base_url.to_owned(),
            account,
            policy: Policy::default(),
            connect: None,
            idle: None,
            ca_files: Vec::new(),
            agent: None,
            speed: 1,
            journal: None,
        }
    }

    /// Reads key and base URL from the provider's environment variables.
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub fn from_env(account: ProviderDefaults) -> Result<Self, Error> {
        let Some(key) = variable(account.key_variable)? else {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "no API key: set the environment variable {}",
                    account.key_variable
                ),
            ));
        };
        let base_url = variable(account.base_url_variable)?;
        let mut settings = Self::new(account);
        settings.key = Some(SecretString::from(key));
        settings.base_url = base_url.unwrap_or(settings.base_url);
        Ok(settings)
    }

    /// Reads what has to be read and refuses what cannot be used.
    ///
    /// # Errors
    /// When key, base URL, a CA file or the user agent cannot be used.
    pub fn check(self) -> Result<Checked, ConfigError> {
        let Some(key) = &self.key else {
            return Err(ConfigError::new(format!(
                "no API key: pass one, or set the environment variable {}",
                self.account.key_variable
            )));
        };
        let credential = Credential::bearer(key)?;
        let origin = Origin::parse(&self.base_url, self.account.api_prefix)?;
        self.check_place(&credential, &origin)?;
        let tls = (origin.is_tls() || !self.ca_files.is_empty())
            .then(|| tls::config(&self.ca_files))
            .transpose()?
            .filter(|_| origin.is_tls());
        let mut policy = self.policy;
        policy.limits.connect = self.connect.unwrap_or(policy.limits.connect);
        policy.limits.idle = self.idle.unwrap_or(policy.limits.idle);
        Ok(Checked {
            origin,
            credential,
            tls,
            agent: user_agent(self.agent.as_deref())?,
            policy,
            clock: Clock::new(self.speed),
            journal: self.journal,
        })
    }
}

impl Settings {
    /// Refuses a simulator's key with a real server, which is half of two settings: what was meant for the simulator would
    /// be sent to the platform, and billed.
    fn check_place(&self, key: &Credential, origin: &Origin) -> Result<(), ConfigError> {
        match self.account.simulated_key {
            Some(prefix) if !origin.is_loopback() && key.starts_with(prefix) => {
                Err(ConfigError::new(format!(
                    "the API key is a simulator's ({prefix}...), and {origin} is none on this machine: set {} to the simulator's URL, or give this server's key",
                    self.account.base_url_variable
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the value of an environment variable; an empty one counts as none.
fn variable(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(
            ErrorKind::Config,
            format!("the environment variable {name} is not valid UTF-8"),
        )),
    }
}
