//! Faults: what goes wrong, and for which requests.
//!
//! A [`FaultRule`] names the requests it means (endpoint, method, end of the path) and which of them it strikes (after
//! the first `after`, every `every`th, at most `count`, with a `probability` that the seed decides). The first rule
//! that strikes wins. Deciding is pure; the HTTP front carries the fault out.
//!
//! An endpoint is named as the statistics count it, alone (`stream`) or with its platform (`agent-harness.stream`).
//!
//! A rule is written as a table of a file (`[[fault]]`), as an entry of `PUT /_sim/faults`, or as the text of a flag.

mod flag;
mod kind;
mod written;

pub use flag::FaultError;
pub use kind::{Corruption, Fault};

use serde::{Deserialize, Serialize};

/// A fault and the requests it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct FaultRule {
    #[serde(flatten)]
    fault: Fault,
    on: Option<String>,
    method: Option<String>,
    path: Option<String>,
    after: Option<u64>,
    every: Option<u64>,
    count: Option<u64>,
    probability: Option<f64>,
}

impl FaultRule {
    /// Returns a rule that strikes every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            on: None,
            method: None,
            path: None,
            after: None,
            every: None,
            count: None,
            probability: None,
        }
    }

    /// Strikes only this endpoint, by the name that `/_sim/stats` counts it under, alone or behind its platform's:
    /// `agent-harness.events`.
    #[must_use]
    pub fn on(mut self, endpoint: &str) -> Self {
        self.on = Some(endpoint.to_owned());
        self
    }

    /// Strikes only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Strikes only paths that end so.
    #[must_use]
    pub fn path_ends_with(mut self, suffix: &str) -> Self {
        self.path = Some(suffix.to_owned());
        self
    }

    /// Spares the first so many of the requests that match.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = Some(requests);
        self
    }

    /// Strikes every `n`th of the requests that match, the first of them included.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = Some(n.max(1));
        self
    }

    /// Strikes at most so many times.
    #[must_use]
    pub fn count(mut self, times: u64) -> Self {
        self.count = Some(times);
        self
    }

    /// Strikes with this chance, 0 to 1.
    #[must_use]
    pub fn probability(mut self, chance: f64) -> Self {
        self.probability = Some(chance);
        self
    }

    /// Returns what goes wrong.
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns whether it means this endpoint of this platform.
    pub(crate) fn is_on(&self, platform: &str, endpoint: &str) -> bool {
        self.on
            .as_deref()
            .is_none_or(|on| match on.split_once('.') {
                Some((of, name)) => of == platform && name == endpoint,
                None => on == endpoint,
            })
    }

    /// Returns whether it means requests of this method to this path.
    pub(crate) fn is_to(&self, method: &str, path: &str) -> bool {
        let is_method = |wanted: &str| wanted.eq_ignore_ascii_case(method);
        self.method.as_deref().is_none_or(is_method)
            && self.path.as_deref().is_none_or(|end| path.ends_with(end))
    }

    /// Returns whether it strikes a request that it means, before which there were so many, some of them struck; a die
    /// gives a number from 0 to 1.
    pub(crate) fn is_due(&self, before: u64, struck: u64, die: impl FnOnce() -> f64) -> bool {
        let after = self.after.unwrap_or(0);
        before >= after
            && (before - after).is_multiple_of(self.every.unwrap_or(1))
            && self.count.is_none_or(|count| struck < count)
            && self.probability.is_none_or(|chance| die() < chance)
    }
}
