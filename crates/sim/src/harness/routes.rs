//! The platform's routes.

use crate::message::Head;
use crate::routes::{self, NoRoute, Route};

/// An endpoint, by what it is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    CreateRun,
    ReadRun,
    Events,
    Stream,
    Signal,
    Resume,
    Usage,
    CreateKey,
    RevokeKey,
    RotateKey,
    Health,
    OpenApi,
}

/// Method, path and endpoint of every operation that the contract knows.
static ROUTES: [Route<Endpoint>; 14] = [
    ("POST", "/v1/runs", Endpoint::CreateRun),
    ("GET", "/v1/runs/{id}", Endpoint::ReadRun),
    ("GET", "/v1/runs/{id}/events", Endpoint::Events),
    ("GET", "/v1/runs/{id}/events/stream", Endpoint::Stream),
    ("POST", "/v1/runs/{id}/signal", Endpoint::Signal),
    ("POST", "/v1/runs/{id}/resume", Endpoint::Resume),
    ("GET", "/v1/usage", Endpoint::Usage),
    ("POST", "/v1/api-keys", Endpoint::CreateKey),
    ("DELETE", "/v1/api-keys/{key_id}", Endpoint::RevokeKey),
    ("POST", "/v1/api-keys/{key_id}/rotate", Endpoint::RotateKey),
    ("GET", "/health/live", Endpoint::Health),
    ("GET", "/health/ready", Endpoint::Health),
    ("GET", "/health/deps", Endpoint::Health),
    ("GET", "/openapi.json", Endpoint::OpenApi),
];

impl Endpoint {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateRun => "create_run",
            Self::ReadRun => "read_run",
            Self::Events => "events",
            Self::Stream => "stream",
            Self::Signal => "signal",
            Self::Resume => "resume",
            Self::Usage => "usage",
            Self::CreateKey => "create_key",
            Self::RevokeKey => "revoke_key",
            Self::RotateKey => "rotate_key",
            Self::Health => "health",
            Self::OpenApi => "openapi",
        }
    }

    /// Returns whether the id in its path is a run's.
    pub(crate) fn is_of_a_run(self) -> bool {
        match self {
            Self::ReadRun | Self::Events | Self::Stream | Self::Signal | Self::Resume => true,
            Self::CreateRun
            | Self::Usage
            | Self::CreateKey
            | Self::RevokeKey
            | Self::RotateKey
            | Self::Health
            | Self::OpenApi => false,
        }
    }

    /// Returns whether it answers without a key.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Health | Self::OpenApi)
    }

    /// Returns whether it manages keys.
    pub(crate) fn is_of_keys(self) -> bool {
        matches!(self, Self::CreateKey | Self::RevokeKey | Self::RotateKey)
    }

    /// Returns whether it takes nothing but a JSON body.
    pub(crate) fn takes_json(self) -> bool {
        matches!(self, Self::CreateRun | Self::Signal)
    }
}

/// Returns whether this platform answers for a path.
pub(super) fn owns(path: &str) -> bool {
    let is_below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path == "/openapi.json" || is_below("/v1") || is_below("/health")
}

/// Returns whether this platform has an endpoint of this name.
pub(super) fn has(name: &str) -> bool {
    ROUTES
        .iter()
        .any(|(_, _, endpoint)| endpoint.name() == name)
}

/// Returns the endpoint of a request and the id in its path (empty when the path has none).
pub(crate) fn resolve(head: &Head) -> Result<(Endpoint, String), NoRoute> {
    routes::resolve(&ROUTES, head).map(|((_, _, endpoint), id)| (*endpoint, id))
}
