//! One account: server, key, connections, retry budget.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use taskward_core::{
    Error, Journal, List, Operation, OriginBudget, Policy, Provider, Retrying, SecretString,
    Snapshot, TaskId,
};
use taskward_edge::clock::Clock;
use taskward_edge::recover::Recovery;
use taskward_edge::run::RunSource;
use taskward_edge::settings::Settings;

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
    /// A client with key and base URL from the provider's environment variables ([`Provider::ACCOUNT`]).
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

    /// A client with settings of your own.
    pub fn builder() -> Builder<P> {
        Builder {
            provider: P::default(),
            settings: Settings::new(P::DEFAULTS),
        }
    }

    /// Starts a task and follows it to its end.
    ///
    /// Not cancel-safe before the task's id is known: a future dropped then leaves a start of unknown fate.
    pub fn run(&self, job: P::Job) -> Run<P> {
        Run::new(self.clone(), RunSource::Start(Box::new(job)))
    }

    /// Starts the same as a task of the journal was started by, as a new task under a new key: it has nothing to do with
    /// that one, and may be billed as it was. Give it an entry of the journal, or a [`Snapshot`].
    ///
    /// The start fails before anything is sent when its request was not kept, or a file has changed since
    /// ([`StartAgainError`](taskward_core::StartAgainError) is the error's source); see [`Run::force_new`].
    pub fn run_again(&self, entry: impl AsRef<Snapshot>) -> Run<P> {
        let again = entry.as_ref().start_again().map(Box::new);
        Run::new(self.clone(), RunSource::Again(again))
    }

    /// Follows a task that exists.
    pub fn attach(&self, id: impl Into<TaskId>) -> Run<P> {
        Run::new(self.clone(), RunSource::Attach(id.into()))
    }

    /// Follows a task from where it was stored.
    pub fn resume(&self, snapshot: Snapshot) -> Run<P> {
        Run::new(self.clone(), RunSource::Resume(Box::new(snapshot)))
    }

    /// Finds out what became of a stored task whose end nobody saw. One whose id is known, or whose start can be repeated
    /// under its key, is there to be followed. For the task of any other start it looks on the server, twice where
    /// nothing is found, and then at another time than the clock said; it adopts nothing.
    ///
    /// # Errors
    /// When the snapshot is of a start that made no task, or left nothing to know its task by; or the search fails.
    pub async fn recover(&self, snapshot: Snapshot) -> Result<Recovery<Run<P>>, Error> {
        recover::recover(self, snapshot, Vec::new()).await
    }

    /// As [`recover`](Self::recover); these tasks are known to be those of other starts, and none of them is found.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub async fn recover_except(
        &self,
        snapshot: Snapshot,
        others: impl IntoIterator<Item = TaskId>,
    ) -> Result<Recovery<Run<P>>, Error> {
        recover::recover(self, snapshot, others.into_iter().collect()).await
    }

    /// Sends a message to a task that exists, whatever its state, and follows it to the next pause or end.
    pub fn continue_with(&self, id: impl Into<TaskId>, text: impl Into<String>) -> Run<P> {
        Run::new(self.clone(), RunSource::Continue(id.into(), text.into()))
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
        drive::call(self, self.policy().clone(), operation, |_| ()).await
    }

    /// Performs one operation like [`call`](Self::call), and tells each failure that is retried, before the wait.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_telling<O>(
        &self,
        operation: O,
        told: impl FnMut(&Retrying) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        drive::call(self, self.policy().clone(), operation, told).await
    }

    /// Performs one operation like [`call_telling`](Self::call_telling), within this time instead of the policy's.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within<O>(
        &self,
        within: Duration,
        operation: O,
        told: impl FnMut(&Retrying) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        let mut policy = self.policy().clone();
        policy.work = Some(within);
        drive::call(self, policy, operation, told).await
    }

    /// Reads a list to its end, page by page, each like a [`call`](Self::call): its entries as a stream.
    ///
    /// ```no_run
    /// # use taskward_core::{List, Provider};
    /// # use taskward_hyper::Client;
    /// # async fn count<P: Provider, O>(client: Client<P>, agents: O) -> Result<(), taskward_core::Error>
    /// # where O: List + Clone + Send + 'static, O::Output: Send {
    /// let mut list = client.list(agents);
    /// while let Some(page) = list.next_page().await? {
    ///     println!("{} more", page.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<O>(&self, operation: O) -> Entries<P, O>
    where
        O: List + Clone + Send + 'static,
        O::Output: Send,
    {
        Entries::new(self.clone(), operation)
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
    /// The API key. Required.
    pub fn key(mut self, key: SecretString) -> Self {
        self.settings.key = Some(key);
        self
    }

    /// The server; the provider's own by default.
    pub fn base_url(mut self, base_url: &str) -> Self {
        base_url.clone_into(&mut self.settings.base_url);
        self
    }

    /// Longest time to resolve, connect and shake hands.
    pub fn connect(mut self, connect: Duration) -> Self {
        self.settings.connect = Some(connect);
        self
    }

    /// Longest silence in the middle of a reply, and longest standstill of an upload.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.settings.idle = Some(idle);
        self
    }

    /// How tasks and calls are followed unless a [`Run`] says otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// A PEM file of certificate authorities to trust besides the platform's. May be given several times.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.ca_files.push(path.into());
        self
    }

    /// Appends the name of the program built on top to `User-Agent`.
    pub fn user_agent(mut self, extra: impl Into<String>) -> Self {
        self.settings.agent = Some(extra.into());
        self
    }

    /// Keeps every task that is followed, so that no crash loses it: an intent before its start leaves, the id before
    /// anybody is told. A [`Run`] may keep its own elsewhere.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.settings.journal = Some(Arc::new(journal));
        self
    }

    /// For simulators: the clock runs `factor` times as fast, and waits are that much shorter. Limits of single
    /// exchanges stay as they are.
    pub fn speed(mut self, factor: u32) -> Self {
        self.settings.speed = factor;
        self
    }

    /// The client.
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
