//! Which platforms are simulated.

use crate::platform::Registered;
use crate::{a2a, harness, nanonets};

/// Every platform. What none owns is refused by the first.
pub static PLATFORMS: [Registered; 3] =
    [nanonets::REGISTERED, harness::REGISTERED, a2a::REGISTERED];

/// Returns the place of the platform that answers for a path.
#[must_use]
pub fn place_of(path: &str) -> usize {
    let owner = PLATFORMS.iter().position(|platform| (platform.owns)(path));
    owner.unwrap_or(0)
}

/// Returns whether an endpoint has this name, alone or behind its platform's; `unknown` is what no route is for.
pub(crate) fn has_endpoint(name: &str) -> bool {
    let has = |of: &Registered, name: &str| name == "unknown" || (of.has)(name);
    PLATFORMS.iter().any(|of| {
        let behind = name.strip_prefix(of.name);
        let behind = behind.and_then(|rest| rest.strip_prefix('.'));
        has(of, name) || behind.is_some_and(|name| has(of, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_platform() {
        let name_of = |path: &str| PLATFORMS[place_of(path)].name;
        for path in ["/v1", "/v1/runs", "/health/live", "/openapi.json"] {
            assert_eq!(name_of(path), "agent-harness", "{path}");
        }
        for path in [
            "/.well-known/agent-card.json",
            "/rpc",
            "/rest/tasks",
            "/agents/a/rpc",
        ] {
            assert_eq!(name_of(path), "a2a", "{path}");
        }
        for path in ["/api/v1/tasks", "/v10", "/", "/openapi.json5", "/healthy"] {
            assert_eq!(name_of(path), "nanonets", "{path}");
        }
    }

    #[test]
    fn an_endpoint_is_known_alone_and_behind_its_own_platform() {
        for name in [
            "status",
            "nanonets.status",
            "stream",
            "agent-harness.stream",
            "a2a.subscribe_to_task",
            "unknown",
        ] {
            assert!(has_endpoint(name), "{name}");
        }
        for name in [
            "agent-harness.status",
            "nanonets.stream",
            "other.status",
            "nanonets",
            "",
        ] {
            assert!(!has_endpoint(name), "{name}");
        }
    }
}
