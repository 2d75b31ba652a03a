//! Which of the simulated platforms a path belongs to.

use crate::{harness, nanonets};

/// Returns whether an endpoint has this name, alone or behind its platform's; `unknown` is what no route is for.
pub(crate) fn has_endpoint(name: &str) -> bool {
    let has = |platform: Platform, name: &str| {
        name == "unknown"
            || match platform {
                Platform::Nanonets => nanonets::has_endpoint(name),
                Platform::AgentHarness => harness::has_endpoint(name),
            }
    };
    let of_some = |name: &str| has(Platform::Nanonets, name) || has(Platform::AgentHarness, name);
    of_some(name)
        || name.split_once('.').is_some_and(|(of, name)| {
            [Platform::Nanonets, Platform::AgentHarness]
                .into_iter()
                .any(|platform| of == platform.name() && has(platform, name))
        })
}

/// A platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Nanonets,
    AgentHarness,
}

impl Platform {
    /// Returns the platform that answers for a path. What no platform knows is refused by Nanonets.
    pub(crate) fn of(path: &str) -> Self {
        let is_harness = path == "/openapi.json"
            || ["/v1", "/health"].into_iter().any(|root| {
                path.strip_prefix(root)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        if is_harness {
            Self::AgentHarness
        } else {
            Self::Nanonets
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nanonets => "nanonets",
            Self::AgentHarness => "agent-harness",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_platform() {
        for path in ["/v1", "/v1/runs", "/health/live", "/openapi.json"] {
            assert_eq!(Platform::of(path), Platform::AgentHarness, "{path}");
        }
        for path in ["/api/v1/tasks", "/v10", "/", "/openapi.json5", "/healthy"] {
            assert_eq!(Platform::of(path), Platform::Nanonets, "{path}");
        }
    }
}
