//! One account: server, key, connections, retry budget. What both flavours share; the rest is in their folders.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use taskward_core::{Credential, Error, Journal, OriginBudget, Policy, Provider, SecretString};

use crate::connection::ConnectionSettings;
use crate::exchange::Endpoint;
use crate::first_messages::FirstMessages;
use crate::settings::{Access, Settings};
use crate::transport::{Destination, Transport};
use crate::turns::Turns;

/// How a client waits: [`Async`] or [`Blocking`].
pub trait Flavour<T>: sealed::Flavour<T> {}

pub(crate) mod sealed {
    /// What only one flavour has.
    pub trait Flavour<T>: Sized + 'static {
        /// The handler of questions.
        type OnQuestion: Send;
        /// The exchanges of a followed task.
        type Io;
        /// What reads the page of a list.
        type PageCall<O: taskward_core::Operation>: Default;
    }
}

/// The flavour of futures.
#[derive(Debug)]
pub enum Async {}

/// The flavour of threads.
#[derive(Debug)]
pub enum Blocking {}

/// One account of a provider. Cheap to clone; clones share connections and retry budget.
///
/// `P` is the provider and `T` the transport; `F` is the flavour, which says whether its methods are futures or block.
pub struct Client<P: Provider, T: Transport, F> {
    inner: Arc<Inner<P, T>>,
    flavour: PhantomData<fn() -> F>,
}

pub(crate) struct Inner<P, T> {
    pub(crate) provider: P,
    pub(crate) endpoint: Arc<Endpoint<T>>,
    /// Shared by its tasks.
    pub(crate) policy: Arc<Policy>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    pub(crate) budget: Arc<OriginBudget>,
    pub(crate) first_messages: FirstMessages,
}

impl<P: Provider, T: Transport, F> Clone for Client<P, T, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            flavour: PhantomData,
        }
    }
}

impl<P: Provider, T: Transport, F> fmt::Debug for Client<P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("provider", &P::NAME)
            .field("origin", &self.inner.endpoint.origin)
            .finish_non_exhaustive()
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> Client<P, T, F> {
    /// Builds a client with key and base URL from the provider's environment variables ([`Provider::DEFAULTS`]).
    ///
    /// # Errors
    /// A configuration error that names the variable to set.
    pub fn from_env() -> Result<Self, Error> {
        Builder::new(Settings::from_env(P::DEFAULTS)?).build()
    }

    /// Returns a builder for a client with settings of your own.
    pub fn builder() -> Builder<P, T, F> {
        Builder::new(Settings::new(P::DEFAULTS))
    }

    /// Returns the server that this client talks to.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.inner.endpoint.origin.to_string()
    }

    /// Returns the provider, as it was given or discovered.
    #[must_use]
    pub fn provider(&self) -> &P {
        &self.inner.provider
    }

    /// Returns a client of the same account with another provider, which shares connections, credential and retry budget
    /// with this one: its server is the same.
    #[must_use]
    pub fn with_provider(&self, provider: P) -> Self {
        let inner = Inner {
            provider,
            endpoint: self.inner.endpoint.clone(),
            policy: self.inner.policy.clone(),
            journal: self.inner.journal.clone(),
            budget: self.inner.budget.clone(),
            first_messages: FirstMessages::default(),
        };
        Self {
            inner: Arc::new(inner),
            flavour: PhantomData,
        }
    }

    /// Returns the policy of tasks and calls that have none of their own.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    pub(crate) fn inner(&self) -> &Inner<P, T> {
        &self.inner
    }

    pub(crate) fn transport(&self) -> &T {
        &self.inner.endpoint.transport
    }
}

/// Settings of a [`Client`].
#[must_use]
pub struct Builder<P: Provider, T: Transport, F> {
    settings: Settings,
    provider: P,
    transport: T::Settings,
    flavour: PhantomData<fn() -> F>,
}

impl<P: Provider, T: Transport, F> fmt::Debug for Builder<P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("provider", &P::NAME)
            .field("base_url", &self.settings.base_url)
            .finish_non_exhaustive()
    }
}

impl<P: Provider, T: Transport, F> Builder<P, T, F> {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            provider: P::default(),
            transport: T::Settings::default(),
            flavour: PhantomData,
        }
    }

    /// Sets the API key, sent as a bearer key, unless the provider's servers ask for none it is required. It takes the place
    /// of a [`credential`](Self::credential).
    ///
    /// A credential goes to the origin that [`base_url`](Self::base_url) names, to those of
    /// [`allow_origin`](Self::allow_origin), and to no other.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.settings.access = Some(Access::Key(key));
        self
    }

    /// Sets what requests show to be allowed, where that is another than a bearer key: user and password, or a key in a
    /// header of its own. It takes the place of an [`api_key`](Self::api_key).
    pub fn credential(mut self, credential: Credential) -> Self {
        self.settings.access = Some(Access::Credential(credential));
        self
    }

    /// Sets the server, the provider's own by default, and names its origin: the credential may go there.
    pub fn base_url(mut self, base_url: &str) -> Self {
        base_url.clone_into(&mut self.settings.base_url);
        self
    }

    /// Sets the server where somebody else names it, as an agent card says where its agent is. It takes the place of the
    /// base URL, but names no origin: [`build`](Self::build) refuses it with a credential, an extra header or a certificate
    /// of the client unless its origin is that of the base URL or [allowed](Self::allow_origin).
    pub fn discovered_url(mut self, url: &str) -> Self {
        self.settings.discovered_url = Some(url.to_owned());
        self
    }

    /// Names the origin of this URL as one that the credential may go to, too. May be called several times.
    pub fn allow_origin(mut self, url: &str) -> Self {
        self.settings.allowed.push(url.to_owned());
        self
    }

    /// Sets the provider, where it is not the same for every server.
    pub fn provider(mut self, provider: P) -> Self {
        self.provider = provider;
        self
    }

    /// Sets the longest time to resolve the name, connect and complete the TLS handshake.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect = Some(timeout);
        self
    }

    /// Sets the longest silence in the middle of a reply, and the longest standstill of an upload.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle = Some(timeout);
        self
    }

    /// Sets how many connections to the server are in use at once: 64 by default. A request beyond them waits for its turn,
    /// in the order in which they came; that wait counts to no limit of the request. An open event stream is not counted.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.settings.most_connections = most;
        self
    }

    /// Sets the policy by which tasks and calls are followed unless a [`Run`](crate::Run) has its own.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Appends the name of the program built on top to `User-Agent`.
    pub fn user_agent(mut self, extra: impl Into<String>) -> Self {
        self.settings.agent = Some(extra.into());
        self
    }

    /// Stores every followed task in `journal`, so that no crash loses it: the intent before the start request is sent, the
    /// id before it is reported. A [`Run`](crate::Run) may store its task elsewhere.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.settings.journal = Some(Arc::new(journal));
        self
    }

    /// Sets what the transport is opened with, all at once.
    pub fn transport(mut self, settings: T::Settings) -> Self {
        self.transport = settings;
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// A configuration error when the credential, the base URL, the user agent or a setting of the transport cannot be used,
    /// or the credential may not go to the server.
    pub fn build(self) -> Result<Client<P, T, F>, Error> {
        let settings = self.settings.check()?;
        let server = Destination {
            origin: &settings.origin,
            key_header: settings.credential.as_ref().map(Credential::header_name),
            named: &settings.named,
        };
        let endpoint = Endpoint {
            transport: T::open(self.transport, server)?,
            origin: settings.origin,
            credential: settings.credential,
            agent: settings.agent,
            turns: Turns::new(settings.most_connections),
        };
        let inner = Inner {
            provider: self.provider,
            endpoint: Arc::new(endpoint),
            policy: Arc::new(settings.policy),
            journal: settings.journal,
            budget: Arc::default(),
            first_messages: FirstMessages::default(),
        };
        Ok(Client {
            inner: Arc::new(inner),
            flavour: PhantomData,
        })
    }
}

/// The settings of connections, for every transport that has them.
impl<P: Provider, T: Transport<Settings = ConnectionSettings>, F> Builder<P, T, F> {
    /// Trusts the certificate authorities of a PEM file besides the platform's. May be called several times.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.transport = self.transport.ca_file(path);
        self
    }

    /// Trusts the certificate authorities in this PEM text besides the platform's. May be called several times.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.transport = self.transport.ca_pem(pem);
        self
    }

    /// Presents this certificate to a server that asks for one: a PEM text with the chain, the own certificate first, and a
    /// PEM text with its private key.
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<SecretString>) -> Self {
        self.transport = self.transport.identity(chain, key);
        self
    }

    /// Connects through this proxy, an `http://` URL that may hold user and password; the environment's variables are not
    /// read then. This machine is never reached through a proxy.
    pub fn proxy(mut self, url: impl Into<SecretString>) -> Self {
        self.transport = self.transport.proxy(url);
        self
    }

    /// Adds a header to every request, where the request has none of this name. May be called several times.
    ///
    /// [`build`](Self::build) refuses the headers that Taskward sets itself: credentials, host, idempotency key and framing.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.transport = self.transport.header(name, value);
        self
    }

    /// Runs the clock `factor` times as fast, for a simulator that does the same: waits are that much shorter. The limits
    /// of single exchanges do not change.
    #[cfg(feature = "simulator")]
    pub fn speed(mut self, factor: u32) -> Self {
        self.transport = self.transport.speed(factor);
        self
    }
}
