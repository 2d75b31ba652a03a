//! Where an agent is and what it can do, as its card said: the value that is stored with each of its tasks.

use std::sync::Arc;

use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

/// The version of the protocol that every request names.
pub const VERSION: &str = "1.0";

/// How an agent is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Binding {
    /// Each operation has a method and a path of its own.
    #[serde(rename = "HTTP+JSON")]
    HttpJson,
    /// Every operation is posted to one URL. Errors come with the status 200.
    #[serde(rename = "JSONRPC")]
    JsonRpc,
}

impl Binding {
    /// Every binding that this client speaks.
    pub const ALL: &[Self] = &[Self::HttpJson, Self::JsonRpc];

    /// Returns the word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpJson => "HTTP+JSON",
            Self::JsonRpc => "JSONRPC",
        }
    }

    /// Returns the binding of this word, in any case.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let same = |binding: &Self| binding.as_str().eq_ignore_ascii_case(word.trim());
        Self::ALL.iter().copied().find(same)
    }
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One agent: where its interface is on its server, how it is spoken to and what it can do.
///
/// It holds no secret, so it can be stored and printed. The default is what is assumed of an agent
/// whose card nobody has read: JSON-RPC at `/`, without streaming.
///
/// ```
/// # use taskward_providers::a2a::{A2a, Binding};
/// let agent = A2a::at(Binding::HttpJson, "/rest")?.with_tenant("acme");
/// assert_eq!(agent.path(), "/rest");
/// assert_eq!(A2a::default().binding(), Binding::JsonRpc);
/// # Ok::<(), taskward_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Stored")]
pub struct A2a(Arc<Agent>);

/// What an [`A2a`] says of its agent. Its tasks share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Agent {
    binding: Binding,
    /// Begins with a slash and ends in none, but for the root.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    version: String,
    streaming: bool,
    push_notifications: bool,
    extended_card: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<String>,
}

impl Serialize for A2a {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// An agent as it is stored, not yet checked.
#[derive(Deserialize)]
#[serde(default)]
struct Stored {
    binding: Binding,
    path: String,
    query: Option<String>,
    tenant: Option<String>,
    version: String,
    streaming: bool,
    push_notifications: bool,
    extended_card: bool,
    card: Option<String>,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            binding: Binding::JsonRpc,
            path: "/".to_owned(),
            query: None,
            tenant: None,
            version: VERSION.to_owned(),
            streaming: false,
            push_notifications: false,
            extended_card: false,
            card: None,
        }
    }
}

impl TryFrom<Stored> for A2a {
    type Error = taskward_core::ConfigError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let query = stored.query.map(|query| format!("?{query}"));
        let target = stored.path + query.as_deref().unwrap_or_default();
        let mut agent = Self::at(stored.binding, &target)?;
        let it = agent.agent_mut();
        it.tenant = stored.tenant;
        it.version = stored.version;
        it.streaming = stored.streaming;
        it.push_notifications = stored.push_notifications;
        it.extended_card = stored.extended_card;
        it.card = stored.card;
        Ok(agent)
    }
}

impl Default for A2a {
    fn default() -> Self {
        Self::with_target(Binding::JsonRpc, "/", None)
    }
}

impl A2a {
    /// Describes an agent whose interface is at this path of its server, a query included.
    ///
    /// # Errors
    /// Returns an error if the path does not begin with a slash or has characters that no path has.
    pub fn at(binding: Binding, path: &str) -> Result<Self, taskward_core::ConfigError> {
        let wrong =
            |why: &str| taskward_core::ConfigError::new(format!("the agent's path {path:?} {why}"));
        if !path.starts_with('/') {
            return Err(wrong("does not begin with a slash"));
        }
        if path.contains('#') {
            return Err(wrong("has a fragment"));
        }
        let target: PathAndQuery = path.parse().map_err(|_| wrong("is no path of a URL"))?;
        Ok(Self::with_target(binding, target.path(), target.query()))
    }

    fn with_target(binding: Binding, path: &str, query: Option<&str>) -> Self {
        let path = path.trim_end_matches('/');
        Self(Arc::new(Agent {
            binding,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query: query.map(str::to_owned),
            tenant: None,
            version: VERSION.to_owned(),
            streaming: false,
            push_notifications: false,
            extended_card: false,
            card: None,
        }))
    }

    fn agent_mut(&mut self) -> &mut Agent {
        Arc::make_mut(&mut self.0)
    }

    /// Sets the tenant, which is sent with every request; an empty one is none.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.agent_mut().tenant = Some(tenant.into()).filter(|tenant| !tenant.is_empty());
        self
    }

    /// Sets whether the agent streams.
    #[must_use]
    pub fn with_streaming(mut self, streaming: bool) -> Self {
        self.agent_mut().streaming = streaming;
        self
    }

    /// Sets whether the agent calls web hooks.
    #[must_use]
    pub fn with_push_notifications(mut self, push_notifications: bool) -> Self {
        self.agent_mut().push_notifications = push_notifications;
        self
    }

    /// Sets whether the agent has a card for those it knows.
    #[must_use]
    pub fn with_extended_card(mut self, extended_card: bool) -> Self {
        self.agent_mut().extended_card = extended_card;
        self
    }

    /// Sets the URL of the card that describes the agent: by it a person names the agent.
    #[must_use]
    pub fn with_card(mut self, url: impl Into<String>) -> Self {
        self.agent_mut().card = Some(url.into());
        self
    }

    /// Returns the URL of the card that the agent was found by.
    #[must_use]
    pub fn card(&self) -> Option<&str> {
        self.0.card.as_deref()
    }

    /// Sets the version of the protocol that the card names.
    #[must_use]
    pub(super) fn with_version(mut self, version: &str) -> Self {
        self.agent_mut().version = version.to_owned();
        self
    }

    /// Returns how the agent is spoken to.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.0.binding
    }

    /// Returns the path of its interface, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the query that is sent with every request.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// Returns the tenant that is sent with every request.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// Returns the version of the protocol that the card names; every request names 1.0.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Returns whether the agent says that it streams. That a message's stream works does not mean that a task can be
    /// subscribed to.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.0.streaming
    }

    /// Returns whether the agent says that it calls web hooks.
    #[must_use]
    pub fn calls_web_hooks(&self) -> bool {
        self.0.push_notifications
    }

    /// Returns whether the agent says that it has a card for those it knows.
    #[must_use]
    pub fn has_extended_card(&self) -> bool {
        self.0.extended_card
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_stored_whole_and_what_is_missing_is_the_least() {
        let agent = A2a::at(Binding::HttpJson, "/a/b/?x=1")
            .expect("a path")
            .with_tenant("acme")
            .with_streaming(true)
            .with_push_notifications(true)
            .with_extended_card(true)
            .with_version("1.7");
        let json = serde_json::to_string(&agent).expect("JSON");
        assert_eq!(
            json,
            r#"{"binding":"HTTP+JSON","path":"/a/b","query":"x=1","tenant":"acme","version":"1.7","streaming":true,"push_notifications":true,"extended_card":true}"#
        );
        assert_eq!(serde_json::from_str::<A2a>(&json).expect("stored"), agent);
        let least: A2a = serde_json::from_str("{}").expect("stored");
        assert_eq!(least, A2a::default());
        assert_eq!((least.binding(), least.path()), (Binding::JsonRpc, "/"));
        assert!(!least.streams() && !least.calls_web_hooks() && !least.has_extended_card());
        assert_eq!(
            (least.query(), least.tenant(), least.version()),
            (None, None, "1.0")
        );
    }

    #[test]
    fn a_path_that_is_none_is_refused_wherever_it_comes_from() {
        for path in ["", "rpc", "https://a/b", "/a b", "/a#b", "/\r\nX: y"] {
            let error = A2a::at(Binding::JsonRpc, path).expect_err(path).to_string();
            assert!(error.starts_with("the agent's path"), "{error}");
            let stored = serde_json::json!({ "path": path });
            assert!(serde_json::from_value::<A2a>(stored).is_err(), "{path}");
        }
        assert_eq!(Binding::of(" http+json "), Some(Binding::HttpJson));
        assert_eq!(Binding::of("GRPC"), None);
        assert_eq!(format!("{:>8}", Binding::JsonRpc), " JSONRPC");
    }
}
