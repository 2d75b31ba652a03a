//! Agents that have a URL of their own.

use std::fmt;

/// The agent that a task is of, as a URL, where the provider does not say that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentUrl(String);

impl AgentUrl {
    /// The agent at this URL, which is written as the provider writes it.
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the card of an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardPlace {
    /// The root of its server.
    pub(crate) root: String,
    /// The path there, with its query.
    pub(crate) path: String,
}

/// How a provider's agents are named.
pub(crate) trait AgentNaming {
    /// Whether each agent has a URL of its own, which is part of the names of its tasks.
    const AGENTS_HAVE_URLS: bool = false;

    /// Reads the URL of an agent, and writes it as the names of its tasks have it.
    fn agent_url(url: &str) -> Result<AgentUrl, String> {
        Err(format!("{url:?} names no agent"))
    }

    /// Reads the URL of an agent as its server's root and the path of its card there, where each agent has one.
    fn card_of(_url: &str) -> Result<Option<CardPlace>, String> {
        Ok(None)
    }
}
