//! One account: server, key, connections, retry budget.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use taskward_client::clock::Clock;
use taskward_client::recover::Recovery;
use taskward_client::run::RunSource;
use taskward_client::settings::Settings;
use taskward_core::{
    Error, Journal, List, Operation, OriginBudget, Policy, Provider, Retrying, SecretString,
    Snapshot, TaskId,
};

use crate::dial::Dialer;
use crate::drive;
use crate::list::Entries;
use crate::recover;
use crate::run::Run;
use crate::running::Started;
use crate::send::Transport;

/// One account of a provider. Cheap to clone; clones share connections and retry budget.
pub struct Client<P: Provider>(Arc<Inner<P>>);

pub(crate) struct Inner<P> {
    pub(crate) provider: P,
    pub(crate) transport: Arc<Transport>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    budget: OriginBudget,
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
    /// Builds a client with key and base URL from the provider's environment variables ([`Provider::DEFAULTS`]).
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub fn from_env() -> Result<Self, Error> {
        Builder {
            provider: P::default(),
            settings: Settings::from_env(P::DEFAULTS)?,
        }
        .build()
    }

    /// Returns a builder for a client with settings of your own.
    pub fn builder() -> Builder<P> {
        Builder {
            provider: P::default(),
            settings: Settings::new(P::DEFAULTS),
        }
    }

    /// Starts a task and follows it to its end.
    ///
    /// If the process ends before the task's id is known, the outcome of its start is unknown.
    pub fn run(&self, job: P::Job) -> Run<P> {
        Run::new(self.clone(), RunSource::Start(Box::new(job)))
    }

    /// Repeats the start request of a stored task, as a new task under a new key: the new task is independent of the first
    /// and may be billed like it. Pass an entry of the journal, or a [`Snapshot`].
    ///
    /// The start fails before anything is sent if its request was not stored, or a file has changed since
    /// ([`StartAgainError`](taskward_core::StartAgainError) is the error's source); see [`Run::force_new`].
    pub fn run_again(&self, entry: impl AsRef<Snapshot>) -> Run<P> {
        let again = entry.as_ref().start_again().map(Box::new);
        Run::new(self.clone(), RunSource::Again(again))
    }

    /// Follows an existing task.
    pub fn attach(&self, id: impl Into<TaskId>) -> Run<P> {
        Run::new(self.clone(), RunSource::Attach(id.into()))
    }

    /// Follows a stored task from the position at which it was stored.
    pub fn resume(&self, snapshot: Snapshot) -> Run<P> {
        Run::new(self.clone(), RunSource::Resume(Box::new(snapshot)))
    }

    /// Recovers a stored task whose end nobody saw. If its id is known, or its start can be repeated under its idempotency
    /// key, the task is ready to be followed. For any other start this searches the server for the task, and once more with
    /// a wider time window if the first search finds nothing; it never adopts a task by itself.
    ///
    /// # Errors
    /// When the snapshot is of a start that created no task, or has no criteria to find its task by; or the search fails.
    pub fn recover(&self, snapshot: Snapshot) -> Result<Recovery<Run<P>>, Error> {
        recover::recover(self, snapshot, Vec::new())
    }

    /// Recovers like [`recover`](Self::recover), but leaves out these tasks, which are known to belong to other starts.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn recover_except(
        &self,
        snapshot: Snapshot,
        others: impl IntoIterator<Item = TaskId>,
    ) -> Result<Recovery<Run<P>>, Error> {
        recover::recover(self, snapshot, others.into_iter().collect())
    }

    /// Sends a message to a task that exists, whatever its state, and follows it to the next pause or end.
    pub fn continue_with(&self, id: impl Into<TaskId>, text: impl Into<String>) -> Run<P> {
        Run::new(self.clone(), RunSource::Continue(id.into(), text.into()))
    }

    /// Starts a task and returns once its id is known.
    ///
    /// If the process ends before this returns, the outcome of its start is unknown.
    ///
    /// # Errors
    /// When no task is known to exist: the start was refused, was not sent, or its outcome is unknown.
    pub fn start(&self, job: P::Job) -> Result<Started<P>, Error> {
        self.run(job).start()?.started()
    }

    /// Performs one operation, with retries.
    ///
    /// # Errors
    /// When the operation is refused, fails until its budget is spent, or its outcome is unknown.
    pub fn call<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        drive::call(self, self.policy().clone(), operation, |_| ())
    }

    /// Performs one operation like [`call`](Self::call), and reports each failure that is retried, before the wait.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_telling<O: Operation>(
        &self,
        operation: O,
        reported: impl FnMut(&Retrying),
    ) -> Result<O::Output, Error> {
        drive::call(self, self.policy().clone(), operation, reported)
    }

    /// Performs one operation like [`call_telling`](Self::call_telling), within this time instead of the policy's.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_within<O: Operation>(
        &self,
        within: Duration,
        operation: O,
        reported: impl FnMut(&Retrying),
    ) -> Result<O::Output, Error> {
        let mut policy = self.policy().clone();
        policy.work = Some(within);
        drive::call(self, policy, operation, reported)
    }

    /// Reads a list to its end, page by page, each like a [`call`](Self::call): its entries as an iterator.
    ///
    /// ```no_run
    /// # use taskward_core::{List, Provider};
    /// # use taskward_ureq::Client;
    /// # fn count<P: Provider, O: List + Clone>(client: Client<P>, agents: O) -> Result<(), taskward_core::Error> {
    /// for agent in client.list(agents) {
    ///     let agent = agent?;
    /// #   drop(agent);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<O: List + Clone>(&self, operation: O) -> Entries<P, O> {
        Entries::new(self.clone(), operation)
    }

    /// Returns the server that this client talks to.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.0.transport.origin.to_string()
    }

    /// Returns the policy of tasks and calls that have none of their own.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn inner(&self) -> &Inner<P> {
        &self.0
    }

    /// Returns the retry budget that the tasks and calls of this client share.
    pub(crate) fn budget(&self) -> &OriginBudget {
        &self.0.budget
    }
}

/// Settings of a [`Client`].
#[must_use]
pub struct Builder<P: Provider> {
    provider: P,
    settings: Settings,
}

impl<P: Provider> fmt::Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("provider", &P::NAME)
            .field("base_url", &self.settings.base_url)
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Builder<P> {
    /// Sets the API key, which is required.
    pub fn key(mut self, key: SecretString) -> Self {
        self.settings.key = Some(key);
        self
    }

    /// Sets the server; the provider's own by default.
    pub fn base_url(mut self, base_url: &str) -> Self {
        base_url.clone_into(&mut self.settings.base_url);
        self
    }

    /// Sets the longest time to resolve the name, connect and complete the TLS handshake.
    pub fn connect(mut self, connect: Duration) -> Self {
        self.settings.connect = Some(connect);
        self
    }

    /// Sets the longest silence in the middle of a reply, and the longest standstill of an upload.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.settings.idle = Some(idle);
        self
    }

    /// Sets the policy by which tasks and calls are followed unless a [`Run`] has its own.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Trusts the certificate authorities of a PEM file besides the platform's. May be called several times.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.ca_files.push(path.into());
        self
    }

    /// Appends the name of the program built on top to `User-Agent`.
    pub fn user_agent(mut self, extra: impl Into<String>) -> Self {
        self.settings.agent = Some(extra.into());
        self
    }

    /// Stores every followed task in `journal`, so that no crash loses it: the intent before the start request is sent, the
    /// id before it is reported. A [`Run`] may store its task elsewhere.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.settings.journal = Some(Arc::new(journal));
        self
    }

    /// Runs the clock `factor` times as fast, for simulators: waits are that much shorter. The limits of single exchanges
    /// do not change.
    pub fn speed(mut self, factor: u32) -> Self {
        self.settings.speed = factor;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// A configuration error when key, base URL, a CA file or the user agent cannot be used.
    pub fn build(self) -> Result<Client<P>, Error> {
        let settings = self.settings.check()?;
        let dialer = Dialer::new(&settings.origin, settings.tls)?;
        Ok(Client(Arc::new(Inner {
            provider: self.provider,
            transport: Arc::new(Transport::new(
                settings.origin,
                settings.credential,
                settings.agent,
                dialer,
            )),
            policy: settings.policy,
            clock: settings.clock,
            journal: settings.journal,
            budget: OriginBudget::new(),
        })))
    }
}
