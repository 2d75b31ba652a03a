//! One account: server, key, connections, retry budget.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_core::{
    ConfigError, Credential, Error, ErrorKind, Operation, Origin, Policy, Provider, SecretString,
    Seed, Shared, Snapshot, TaskId, user_agent,
};

use crate::clock::Clock;
use crate::dial::Dialer;
use crate::drive;
use crate::run::{Goal, Run};
use crate::running::Started;
use crate::send::Transport;
use crate::tls;

/// One account of a provider. Cheap to clone; clones share connections and retry budget.
pub struct Client<P: Provider>(Arc<Inner<P>>);

pub(crate) struct Inner<P> {
    pub(crate) provider: P,
    pub(crate) transport: Arc<Transport>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    shared: Mutex<Shared>,
}

impl<P: Provider> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Provider> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("provider", &P::NAME)
            .field("origin", &self.0.transport.origin)
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Client<P> {
    /// A client with key and base URL from the provider's environment variables ([`Provider::ACCOUNT`]).
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub fn from_env() -> Result<Self, Error> {
        let account = P::ACCOUNT;
        let key = match variable(account.key_variable)? {
            Some(key) => SecretString::from(key),
            None => {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "no API key: set the environment variable {}",
                        account.key_variable
                    ),
                ));
            }
        };
        let mut builder = Self::builder().key(key);
        if let Some(base_url) = variable(account.base_url_variable)? {
            builder = builder.base_url(&base_url);
        }
        builder.build()
    }

    /// A client with settings of your own.
    pub fn builder() -> Builder<P> {
        Builder {
            provider: P::default(),
            key: None,
            base_url: P::ACCOUNT.base_url.to_owned(),
            policy: Policy::default(),
            connect: None,
            idle: None,
            ca_files: Vec::new(),
            agent: None,
            speed: 1,
        }
    }

    /// Starts a task and follows it to its end.
    ///
    /// Not cancel-safe before the task's id is known: a future dropped then leaves a start of unknown fate.
    pub fn run(&self, job: P::Job) -> Run<P> {
        Run::new(self.clone(), Goal::Start(Box::new(job)))
    }

    /// Follows a task that exists.
    pub fn attach(&self, id: impl Into<TaskId>) -> Run<P> {
        Run::new(self.clone(), Goal::Attach(id.into()))
    }

    /// Follows a task from where it was stored.
    pub fn resume(&self, snapshot: Snapshot) -> Run<P> {
        Run::new(self.clone(), Goal::Resume(Box::new(snapshot)))
    }

    /// Sends a message to a task that exists, whatever its state, and follows it to the next pause or end.
    pub fn continue_with(&self, id: impl Into<TaskId>, text: impl Into<String>) -> Run<P> {
        Run::new(self.clone(), Goal::Continue(id.into(), text.into()))
    }

    /// Starts a task and returns once its id is known.
    ///
    /// Not cancel-safe: a future dropped before it is ready leaves a start of unknown fate.
    ///
    /// # Errors
    /// When there is no task, or none is known: refused, not started, or of unknown outcome.
    pub async fn start(&self, job: P::Job) -> Result<Started<P>, Error> {
        self.run(job).start().await?.started().await
    }

    /// Performs one operation, with retries.
    ///
    /// # Errors
    /// When it is refused, fails until its budget is spent, or may or may not have been done.
    pub async fn call<O>(&self, operation: O) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        drive::call(self, operation).await
    }

    /// The server this client talks to.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.0.transport.origin.to_string()
    }

    /// The policy of tasks and calls that bring none of their own.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn inner(&self) -> &Inner<P> {
        &self.0
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        // Plain data: nothing is left half-written by a panic.
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of an environment variable; an empty one is none.
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

/// Fresh entropy for one task or call.
pub(crate) fn seed() -> Result<Seed, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(
            ErrorKind::Local,
            format!("the system gives no randomness: {e}"),
        )
    })?;
    Ok(Seed(bytes))
}

/// Settings of a [`Client`].
#[must_use]
pub struct Builder<P: Provider> {
    provider: P,
    key: Option<SecretString>,
    base_url: String,
    policy: Policy,
    connect: Option<Duration>,
    idle: Option<Duration>,
    ca_files: Vec<PathBuf>,
    agent: Option<String>,
    speed: u32,
}

impl<P: Provider> fmt::Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("provider", &P::NAME)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Builder<P> {
    /// The API key. Required.
    pub fn key(mut self, key: SecretString) -> Self {
        self.key = Some(key);
        self
    }

    /// The server; the provider's own by default.
    pub fn base_url(mut self, base_url: &str) -> Self {
        base_url.clone_into(&mut self.base_url);
        self
    }

    /// Longest time to resolve, connect and shake hands.
    pub fn connect(mut self, connect: Duration) -> Self {
        self.connect = Some(connect);
        self
    }

    /// Longest silence in the middle of a reply, and longest standstill of an upload.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How tasks and calls are followed unless a [`Run`] says otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// A PEM file of certificate authorities to trust besides the platform's. May be given several times.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Appends the name of the program built on top to `User-Agent`.
    pub fn user_agent(mut self, extra: impl Into<String>) -> Self {
        self.agent = Some(extra.into());
        self
    }

    /// For simulators: the clock runs `factor` times as fast, and waits are that much shorter. Limits of single
    /// exchanges stay as they are.
    pub fn speed(mut self, factor: u32) -> Self {
        self.speed = factor;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// A configuration error when key, base URL, a CA file or the user agent cannot be used.
    pub fn build(self) -> Result<Client<P>, Error> {
        let account = P::ACCOUNT;
        let Some(key) = &self.key else {
            return Err(ConfigError::new(format!(
                "no API key: pass one, or set the environment variable {}",
                account.key_variable
            ))
            .into());
        };
        let credential = Credential::bearer(key)?;
        let origin = Origin::parse(&self.base_url, account.api_prefix)?;
        let tls = (origin.is_tls() || !self.ca_files.is_empty())
            .then(|| tls::config(&self.ca_files))
            .transpose()?
            .filter(|_| origin.is_tls());
        let dialer = Dialer::new(&origin, tls)?;
        let mut policy = self.policy;
        policy.limits.connect = self.connect.unwrap_or(policy.limits.connect);
        policy.limits.idle = self.idle.unwrap_or(policy.limits.idle);
        Ok(Client(Arc::new(Inner {
            provider: self.provider,
            transport: Arc::new(Transport {
                origin,
                credential,
                agent: user_agent(self.agent.as_deref())?,
                dialer,
            }),
            policy,
            clock: Clock::new(self.speed),
            shared: Mutex::new(Shared::new()),
        })))
    }
}
