//! The settings of a client: from the caller or the environment, checked before anything is sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::turns::MOST_CONNECTIONS;
use http::HeaderValue;
use taskward_core::{
    ConfigError, Credential, Error, ErrorKind, Journal, NamedOrigins, Origin, Policy,
    ProviderDefaults, SecretString, user_agent,
};

/// What a caller may say about a client.
pub(crate) struct Settings {
    account: ProviderDefaults,
    /// What requests show to be allowed.
    pub(crate) access: Option<Access>,
    /// The server, named by the caller; the provider's own by default.
    pub(crate) base_url: String,
    /// The server, where somebody else named it.
    pub(crate) discovered_url: Option<String>,
    /// Further origins that the credential may go to.
    pub(crate) allowed: Vec<String>,
    /// How tasks and calls are followed.
    pub(crate) policy: Policy,
    /// Longest time to resolve, connect and shake hands, when it is not the policy's.
    pub(crate) connect: Option<Duration>,
    /// Longest silence in the middle of a reply, when it is not the policy's.
    pub(crate) idle: Option<Duration>,
    /// How many connections are in use at once.
    pub(crate) most_connections: usize,
    /// The program built on top, for `User-Agent`.
    pub(crate) agent: Option<String>,
    /// Where followed tasks are stored.
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

/// What requests show to be allowed, as the caller gave it.
pub(crate) enum Access {
    /// A bearer key that is not checked yet.
    Key(SecretString),
    /// A credential.
    Credential(Credential),
}

/// Settings that can be used.
pub(crate) struct Checked {
    /// The server.
    pub(crate) origin: Origin,
    /// The credential, which may go to that server, and to the origins that were named.
    pub(crate) credential: Option<Credential>,
    pub(crate) named: NamedOrigins,
    pub(crate) most_connections: usize,
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
            access: None,
            base_url: account.base_url.to_owned(),
            discovered_url: None,
            allowed: Vec::new(),
            account,
            policy: Policy::default(),
            connect: None,
            idle: None,
            most_connections: MOST_CONNECTIONS,
            agent: None,
            journal: None,
        }
    }

    /// Reads key and base URL from the provider's environment variables.
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub(crate) fn from_env(account: ProviderDefaults) -> Result<Self, Error> {
        let key = variable(account.key_variable)?;
        if key.is_none() && !account.key_is_optional {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "no API key: set the environment variable {}",
                    account.key_variable
                ),
            ));
        }
        let base_url = variable(account.base_url_variable)?;
        let mut settings = Self::new(account);
        settings.access = key.map(|key| Access::Key(SecretString::from(key)));
        settings.base_url = base_url.unwrap_or(settings.base_url);
        Ok(settings)
    }

    /// Reads what has to be read and refuses what cannot be used.
    ///
    /// # Errors
    /// When the credential, the base URL or the user agent cannot be used, or the credential may not go to that server.
    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let credential = self.credential()?;
        let (origin, named) = self.server()?;
        if let Some(credential) = &credential {
            named.check(&origin)?;
            self.check_place(credential, &origin)?;
        }
        if self.most_connections == 0 {
            let why = "with max_connections(0) nothing could be sent: give 1 or more";
            return Err(ConfigError::new(why));
        }
        let mut policy = self.policy;
        policy.limits.connect = self.connect.unwrap_or(policy.limits.connect);
        policy.limits.idle = self.idle.unwrap_or(policy.limits.idle);
        Ok(Checked {
            origin,
            credential,
            named,
            most_connections: self.most_connections,
            agent: user_agent(self.agent.as_deref())?,
            policy,
            journal: self.journal,
        })
    }

    fn credential(&self) -> Result<Option<Credential>, ConfigError> {
        match &self.access {
            Some(Access::Key(key)) => Credential::bearer(key).map(Some),
            Some(Access::Credential(credential)) => Ok(Some(credential.clone())),
            None if self.account.key_is_optional => Ok(None),
            None => Err(ConfigError::new(format!(
                "no API key: pass one, or set the environment variable {}",
                self.account.key_variable
            ))),
        }
    }

    /// Returns the server, and the origins that the caller named.
    fn server(&self) -> Result<(Origin, NamedOrigins), ConfigError> {
        let parse = |url: &str| Origin::parse(url, self.account.api_prefix);
        let base = match self.base_url.as_str() {
            "" => None,
            url => Some(parse(url)?),
        };
        let mut named = NamedOrigins::none();
        base.iter().for_each(|base| named.add(base));
        for url in &self.allowed {
            named.allow(url)?;
        }
        let origin = match &self.discovered_url {
            Some(url) => parse(url)?,
            None => base.ok_or_else(|| {
                ConfigError::new(format!(
                    "no base URL: pass one, or set the environment variable {}",
                    self.account.base_url_variable
                ))
            })?,
        };
        Ok((origin, named))
    }
}

impl Settings {
    /// Refuses a simulator's key with a real server, which is half of two settings: what was meant for the simulator would
    /// be sent to the platform, and billed.
    fn check_place(&self, credential: &Credential, origin: &Origin) -> Result<(), ConfigError> {
        match self.account.simulated_key {
            Some(prefix) if !origin.is_loopback() && credential.starts_with(prefix) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: ProviderDefaults =
        ProviderDefaults::new("X_KEY", "X_URL", "https://x.example", "/v1");
    const OPTIONAL: ProviderDefaults =
        ProviderDefaults::new("X_KEY", "X_URL", "", "").with_optional_key();

    fn refusal(settings: Settings) -> String {
        settings.check().expect_err("refused").to_string()
    }

    /// Rows: L24.
    #[test]
    fn a_client_needs_a_key_unless_its_provider_says_otherwise_and_always_a_server() {
        assert!(
            refusal(Settings::new(NEEDED))
                .contains("no API key: pass one, or set the environment variable X_KEY")
        );
        assert!(
            refusal(Settings::new(OPTIONAL))
                .contains("no base URL: pass one, or set the environment variable X_URL")
        );
        let mut open = Settings::new(OPTIONAL);
        "https://h.example/agent".clone_into(&mut open.base_url);
        let checked = open.check().expect("no key is needed");
        assert!(checked.credential.is_none());
        assert_eq!(checked.named.check(&checked.origin), Ok(()));
    }

    /// Rows: L23.
    #[test]
    fn without_a_credential_the_server_may_be_any() {
        let mut settings = Settings::new(OPTIONAL);
        settings.discovered_url = Some("https://other.example".to_owned());
        "https://h.example".clone_into(&mut settings.base_url);
        let checked = settings.check().expect("nothing secret goes there");
        assert_eq!(checked.origin.host(), "other.example");
        // What else is secret asks again.
        assert!(checked.named.check(&checked.origin).is_err());
    }
}
