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

use crate::endpoints::{ENDPOINTS, place_of};
use crate::ids;

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
}

/// The rules in force, with what each has seen.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    rules: Vec<(FaultRule, Seen)>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    matched: u64,
    struck: u64,
}

impl Faults {
    /// Rules that have seen nothing yet; the seed decides their chances.
    #[must_use]
    pub fn new(seed: u64, rules: Vec<FaultRule>) -> Self {
        let rules = rules
            .into_iter()
            .map(|rule| (rule, Seen::default()))
            .collect();
        Self { seed, rules }
    }

    /// Returns the rules, in order.
    #[must_use]
    pub fn rules(&self) -> Vec<FaultRule> {
        self.rules.iter().map(|(rule, _)| rule.clone()).collect()
    }

    /// Returns the fault that strikes this request. Every rule that matches counts it.
    ///
    /// The endpoint is what [`nanonets`](crate::nanonets::Server::endpoint) or
    /// [`harness`](crate::harness::Server::endpoint) says.
    pub fn decide(&mut self, endpoint: &str, method: &str, path: &str) -> Option<Fault> {
        let platform = ENDPOINTS[place_of(path)].platform;
        let is_meant = |on: &str| {
            on == endpoint
                || on
                    .split_once('.')
                    .is_some_and(|(of, name)| of == platform && name == endpoint)
        };
        let mut decided = None;
        for (number, (rule, seen)) in self.rules.iter_mut().enumerate() {
            let is_method = |wanted: &str| wanted.eq_ignore_ascii_case(method);
            let matches = rule.on.as_deref().is_none_or(is_meant)
                && rule.fault.acts_on().is_at(endpoint)
                && rule.method.as_deref().is_none_or(is_method)
                && rule.path.as_deref().is_none_or(|end| path.ends_with(end));
            if !matches {
                continue;
            }
            let index = seen.matched;
            seen.matched += 1;
            let after = rule.after.unwrap_or(0);
            let due = index >= after
                && (index - after).is_multiple_of(rule.every.unwrap_or(1))
                && rule.count.is_none_or(|count| seen.struck < count)
                && rule.probability.is_none_or(|chance| {
                    ids::chance(self.seed, &format!("fault {number}"), index) < chance
                });
            if due && decided.is_none() {
                seen.struck += 1;
                decided = Some(rule.fault.clone());
            }
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(rule: FaultRule, requests: usize) -> Vec<usize> {
        let mut faults = Faults::new(1, vec![rule]);
        (0..requests)
            .filter(|_| faults.decide("status", "GET", "/api/v1/tasks/1").is_some())
            .collect()
    }

    #[test]
    fn a_rule_counts_only_the_requests_it_means() {
        let reset = || FaultRule::new(Fault::Reset { after_bytes: None });
        assert_eq!(strikes(reset(), 3), [0, 1, 2]);
        assert_eq!(strikes(reset().after(1).every(2).count(2), 9), [1, 3]);
        assert_eq!(strikes(reset().on("run"), 3), [0; 0]);
        assert_eq!(
            strikes(reset().on("status").method("get").path_ends_with("/1"), 1),
            [0]
        );
        assert_eq!(strikes(reset().path_ends_with("/2"), 1), [0; 0]);
    }

    #[test]
    fn an_endpoint_may_be_named_with_its_platform() {
        let decide = |on: &str, endpoint: &str, path: &str| {
            let mut faults = Faults::new(
                1,
                vec![FaultRule::new(Fault::Reset { after_bytes: None }).on(on)],
            );
            faults.decide(endpoint, "GET", path).is_some()
        };
        assert!(decide(
            "agent-harness.events",
            "events",
            "/v1/runs/1/events"
        ));
        assert!(decide("nanonets.status", "status", "/api/v1/tasks/1"));
        assert!(!decide("nanonets.events", "events", "/v1/runs/1/events"));
        assert!(!decide(
            "agent-harness.stream",
            "events",
            "/v1/runs/1/events"
        ));
    }

    #[test]
    fn a_fault_of_streams_passes_over_everything_else() {
        let rule = FaultRule::new(Fault::StreamEof { after_events: 0 }).count(1);
        let mut faults = Faults::new(1, vec![rule]);
        assert_eq!(faults.decide("read_run", "GET", "/v1/runs/1"), None);
        assert_eq!(
            faults.decide("stream", "GET", "/v1/runs/1/events/stream"),
            Some(Fault::StreamEof { after_events: 0 })
        );
    }

    #[test]
    fn a_fault_of_lists_passes_over_everything_else() {
        let rule = FaultRule::new(Fault::LoopedCursor);
        let mut faults = Faults::new(1, vec![rule]);
        let mut strikes = |endpoint, path| faults.decide(endpoint, "GET", path).is_some();
        assert!(!strikes("status", "/api/v1/tasks/1"));
        assert!(!strikes("stream", "/v1/runs/1/events/stream"));
        assert!(strikes("tasks", "/api/v1/tasks"));
        assert!(strikes("events", "/v1/runs/1/events"));
    }

    #[test]
    fn chances_are_the_seeds_and_come_true() {
        let rule = || FaultRule::new(Fault::Stall { after_bytes: None }).probability(0.3);
        let first = strikes(rule(), 1_000);
        assert_eq!(first, strikes(rule(), 1_000));
        assert!((250..350).contains(&first.len()), "{} of 1000", first.len());
    }

    #[test]
    fn the_first_rule_that_strikes_wins() {
        let rules = vec![
            FaultRule::new(Fault::Reset { after_bytes: None }).count(1),
            FaultRule::new(Fault::Stall { after_bytes: None }),
        ];
        let mut faults = Faults::new(1, rules);
        let mut decide = || faults.decide("status", "GET", "/");
        assert_eq!(
            (decide(), decide()),
            (
                Some(Fault::Reset { after_bytes: None }),
                Some(Fault::Stall { after_bytes: None })
            )
        );
    }
}
