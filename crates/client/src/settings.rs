//! The settings of a client: from the caller or the environment, checked before anything is sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use taskward_core::{
    ConfigError, Credential, Error, ErrorKind, Journal, Origin, Policy, ProviderDefaults,
    SecretString, user_agent,
};

/// What a caller may say about a client.
pub(crate) struct Settings {
    account: ProviderDefaults,
    /// The API key. Required.
    pub(crate) key: Option<SecretString>,
    /// The server; the provider's own by default.
    pub(crate) base_url: String,
    /// How tasks and calls are followed.
    pub(crate) policy: Policy,
    /// Longest time to resolve, connect and shake hands, when it is not the policy's.
    pub(crate) connect: Option<Duration>,
    /// Longest silence in the middle of a reply, when it is not the policy's.
    pub(crate) idle: Option<Duration>,
    /// The program built on top, for `User-Agent`.
    pub(crate) agent: Option<String>,
    /// Where followed tasks are stored.
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

/// Settings that can be used.
pub(crate) struct Checked {
    /// The server.
    pub(crate) origin: Origin,
    /// The key.
    pub(crate) credential: Credential,
    /// What `User-Agent` says.
    pub(crate) agent: HeaderValue,
    /// The policy, with the limits that were given besides it.
    pub(crate) policy: Policy,
    /// Where followed tasks are stored.
    pub(crate) journal: Option<Arc<dyn Journal>>,
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
    pub(crate) fn new(account: ProviderDefaults) -> Self {
        Self {
            key: None,
            base_url: account.base_url.to_owned(),
            account,
            policy: Policy::default(),
            connect: None,
            idle: None,
            agent: None,
            journal: None,
        }
    }

    /// Reads key and base URL from the provider's environment variables.
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub(crate) fn from_env(account: ProviderDefaults) -> Result<Self, Error> {
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
    /// When key, base URL or the user agent cannot be used.
    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let Some(key) = &self.key else {
            return Err(ConfigError::new(format!(
                "no API key: pass one, or set the environment variable {}",
                self.account.key_variable
            )));
        };
        let credential = Credential::bearer(key)?;
        let origin = Origin::parse(&self.base_url, self.account.api_prefix)?;
        self.check_place(&credential, &origin)?;
        let mut policy = self.policy;
        policy.limits.connect = self.connect.unwrap_or(policy.limits.connect);
        policy.limits.idle = self.idle.unwrap_or(policy.limits.idle);
        Ok(Checked {
            origin,
            credential,
            agent: user_agent(self.agent.as_deref())?,
            policy,
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
