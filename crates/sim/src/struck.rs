//! The fault rules in force, and which of them strikes a request.

use crate::faults::{Fault, FaultRule};
use crate::ids;
use crate::platforms::{PLATFORMS, place_of};

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

    /// Adds rules behind the others, which have seen what they have.
    #[cfg(feature = "http")]
    pub(crate) fn extend(&mut self, rules: Vec<FaultRule>) {
        let rules = rules.into_iter().map(|rule| (rule, Seen::default()));
        self.rules.extend(rules);
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
        let platform = &PLATFORMS[place_of(path)];
        let serves = (platform.serves)(endpoint);
        let mut decided = None;
        for (number, (rule, seen)) in self.rules.iter_mut().enumerate() {
            let is_meant = rule.is_on(platform.name, endpoint)
                && rule.fault().acts_on().is_at(serves)
                && rule.is_to(method, path);
            if !is_meant {
                continue;
            }
            let index = seen.matched;
            seen.matched += 1;
            let die = || ids::chance(self.seed, &format!("fault {number}"), index);
            let due = rule.is_due(index, seen.struck, die);
            if due && decided.is_none() {
                seen.struck += 1;
                decided = Some(rule.fault().clone());
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
