//! Faults: what goes wrong, and for which requests.
//!
//! A [`FaultRule`] names the requests it means (endpoint, method, end of the path) and which of them it strikes (after
//! the first `after`, every `every`th, at most `count`, with a `probability` that the seed decides). The first rule
//! that strikes wins. Deciding is pure; the HTTP front carries the fault out.
//!
//! | `kind` | the request | the client sees |
//! |---|---|---|
//! | `latency` (`for`) | is applied | the reply, that much simulated time later |
//! | `refuse` (`for`) | is not applied | a reset, then a closed port for that long |
//! | `reset` | is not applied | a reset |
//! | `close-before-head` | is not applied | the end of the connection, no byte |
//! | `cut-body` (`bytes`) | is applied | a whole head, that many bytes of the body, the end of the connection |
//! | `stall` | is not applied | nothing, until it goes away |
//! | `status` (`code`, `retry_after`, `after_bytes`) | is not applied | that code, once so many bytes of the body came |
//! | `html-200` | is not applied | 200 with a web page |
//! | `truncated-json` | is applied | a complete reply whose JSON stops in the middle |
//! | `lost-reply-after-apply` (`after_bytes`) | is applied | that many bytes of the reply, head included, then the end |

use serde::{Deserialize, Serialize};

use crate::ids;
use crate::time::Span;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The reply comes late.
    Latency(
        /// By how much simulated time.
        Span,
    ),
    /// The connection is reset and the port is closed.
    Refuse(
        /// For how long, in simulated time.
        Span,
    ),
    /// The connection is reset.
    Reset,
    /// The connection ends before the first byte of the reply.
    CloseBeforeHead,
    /// The connection ends inside the reply's body.
    CutBody(
        /// After this many bytes of it.
        u64,
    ),
    /// No reply ever.
    Stall,
    /// An error status.
    Status {
        /// The code.
        code: u16,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
        /// Answer as soon as this many bytes of the request's body came; without it, after all of them.
        after_bytes: Option<u64>,
    },
    /// A web page, as a captive portal sends it.
    Html200,
    /// JSON that stops in the middle.
    TruncatedJson,
    /// The request is applied and its reply lost.
    LostReplyAfterApply(
        /// This many bytes of the reply, head included, still arrive.
        u64,
    ),
}

/// A fault and the requests it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct FaultRule {
    fault: Fault,
    on: Option<String>,
    method: Option<String>,
    path: Option<String>,
    after: u64,
    every: u64,
    count: Option<u64>,
    probability: Option<f64>,
}

impl FaultRule {
    /// A rule that strikes every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            on: None,
            method: None,
            path: None,
            after: 0,
            every: 1,
            count: None,
            probability: None,
        }
    }

    /// Strikes only this endpoint, by the name that `/_sim/stats` counts it under.
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
        self.after = requests;
        self
    }

    /// Strikes every `n`th of the requests that match, the first of them included.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = n.max(1);
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

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> Vec<FaultRule> {
        self.rules.iter().map(|(rule, _)| rule.clone()).collect()
    }

    /// The fault that strikes this request. Every rule that matches counts it.
    ///
    /// The endpoint is what [`Server::endpoint`](crate::nanonets::Server::endpoint) says.
    pub fn decide(&mut self, endpoint: &str, method: &str, path: &str) -> Option<Fault> {
        let mut decided = None;
        for (number, (rule, seen)) in self.rules.iter_mut().enumerate() {
            let matches = rule.on.as_deref().is_none_or(|on| on == endpoint)
                && rule
                    .method
                    .as_deref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && rule
                    .path
                    .as_deref()
                    .is_none_or(|suffix| path.ends_with(suffix));
            if !matches {
                continue;
            }
            let index = seen.matched;
            seen.matched += 1;
            let due = index >= rule.after
                && (index - rule.after).is_multiple_of(rule.every)
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

/// A rule as files and `/_sim/faults` write it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    span: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_bytes: Option<u64>,
}

const KINDS: &str = "latency, refuse, reset, close-before-head, cut-body, stall, status, html-200, truncated-json, \
                     lost-reply-after-apply";

impl TryFrom<Raw> for FaultRule {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let kind = raw.kind.as_str();
        let needs = |field: &str| format!("fault {kind:?} needs {field:?}");
        let fault = match kind {
            "latency" => Fault::Latency(raw.span.ok_or_else(|| needs("for"))?),
            "refuse" => Fault::Refuse(raw.span.ok_or_else(|| needs("for"))?),
            "reset" => Fault::Reset,
            "close-before-head" => Fault::CloseBeforeHead,
            "cut-body" => Fault::CutBody(raw.bytes.ok_or_else(|| needs("bytes"))?),
            "stall" => Fault::Stall,
            "status" => Fault::Status {
                code: raw
                    .code
                    .filter(|code| (200..=999).contains(code))
                    .ok_or_else(|| needs("code"))?,
                retry_after: raw.retry_after.clone(),
                after_bytes: raw.after_bytes,
            },
            "html-200" => Fault::Html200,
            "truncated-json" => Fault::TruncatedJson,
            "lost-reply-after-apply" => Fault::LostReplyAfterApply(raw.after_bytes.unwrap_or(0)),
            _ => return Err(format!("unknown fault {kind:?} (known: {KINDS})")),
        };
        let uses = match fault {
            Fault::Latency(_) | Fault::Refuse(_) => ["for", ""],
            Fault::CutBody(_) => ["bytes", ""],
            Fault::Status { .. } => ["code", "after_bytes"],
            Fault::LostReplyAfterApply(_) => ["after_bytes", ""],
            Fault::Reset
            | Fault::CloseBeforeHead
            | Fault::Stall
            | Fault::Html200
            | Fault::TruncatedJson => ["", ""],
        };
        let given = [
            ("for", raw.span.is_some()),
            ("bytes", raw.bytes.is_some()),
            ("code", raw.code.is_some()),
            ("after_bytes", raw.after_bytes.is_some()),
        ];
        if let Some((field, _)) = given
            .iter()
            .find(|(field, is_given)| *is_given && !uses.contains(field))
        {
            return Err(format!("fault {kind:?} has no use for {field:?}"));
        }
        if raw
            .retry_after
            .as_deref()
            .is_some_and(|value| value.contains(['\r', '\n']))
        {
            return Err("\"retry_after\" has a line break".to_owned());
        }
        if raw
            .probability
            .is_some_and(|chance| !(0.0..=1.0).contains(&chance))
        {
            return Err("\"probability\" is not between 0 and 1".to_owned());
        }
        if raw.every == Some(0) {
            return Err("\"every\" is 0; 1 means each request".to_owned());
        }
        Ok(Self {
            fault,
            on: raw.on,
            method: raw.method,
            path: raw.path,
            after: raw.after.unwrap_or(0),
            every: raw.every.unwrap_or(1),
            count: raw.count,
            probability: raw.probability,
        })
    }
}

impl From<FaultRule> for Raw {
    fn from(rule: FaultRule) -> Self {
        let mut raw = Self {
            kind: rule.fault.name().to_owned(),
            on: rule.on,
            method: rule.method,
            path: rule.path,
            after: (rule.after > 0).then_some(rule.after),
            every: (rule.every > 1).then_some(rule.every),
            count: rule.count,
            probability: rule.probability,
            ..Self::default()
        };
        match rule.fault {
            Fault::Latency(span) | Fault::Refuse(span) => raw.span = Some(span),
            Fault::CutBody(bytes) => raw.bytes = Some(bytes),
            Fault::Status {
                code,
                retry_after,
                after_bytes,
            } => {
                raw.code = Some(code);
                raw.retry_after = retry_after;
                raw.after_bytes = after_bytes;
            }
            Fault::LostReplyAfterApply(bytes) => raw.after_bytes = Some(bytes),
            Fault::Reset
            | Fault::CloseBeforeHead
            | Fault::Stall
            | Fault::Html200
            | Fault::TruncatedJson => {}
        }
        raw
    }
}

impl Fault {
    /// The name under which files write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Refuse(_) => "refuse",
            Self::Reset => "reset",
            Self::CloseBeforeHead => "close-before-head",
            Self::CutBody(_) => "cut-body",
            Self::Stall => "stall",
            Self::Status { .. } => "status",
            Self::Html200 => "html-200",
            Self::TruncatedJson => "truncated-json",
            Self::LostReplyAfterApply(_) => "lost-reply-after-apply",
        }
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
        let reset = || FaultRule::new(Fault::Reset);
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
    fn chances_are_the_seeds_and_come_true() {
        let rule = || FaultRule::new(Fault::Stall).probability(0.3);
        let first = strikes(rule(), 1_000);
        assert_eq!(first, strikes(rule(), 1_000));
        assert!((250..350).contains(&first.len()), "{} of 1000", first.len());
    }

    #[test]
    fn the_first_rule_that_strikes_wins() {
        let rules = vec![
            FaultRule::new(Fault::Reset).count(1),
            FaultRule::new(Fault::Stall),
        ];
        let mut faults = Faults::new(1, rules);
        let mut decide = || faults.decide("status", "GET", "/");
        assert_eq!(
            (decide(), decide()),
            (Some(Fault::Reset), Some(Fault::Stall))
        );
    }

    #[test]
    fn rules_survive_being_written_and_read() {
        let status = Fault::Status {
            code: 503,
            retry_after: Some("2".into()),
            after_bytes: Some(9),
        };
        for fault in [
            Fault::Latency(Span(5)),
            Fault::Refuse(Span(5)),
            Fault::Reset,
            Fault::CloseBeforeHead,
            Fault::CutBody(3),
            Fault::Stall,
            status,
            Fault::Html200,
            Fault::TruncatedJson,
            Fault::LostReplyAfterApply(7),
        ] {
            let rule = FaultRule::new(fault)
                .on("run")
                .after(1)
                .every(2)
                .count(3)
                .probability(0.5);
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(
                serde_json::from_str::<FaultRule>(&text).unwrap(),
                rule,
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_rule_is_told_by_its_field() {
        let check = |text: &str, expected: &str| {
            let error = serde_json::from_str::<FaultRule>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(r#"{"kind":"flood"}"#, "unknown fault \"flood\"");
        check(r#"{"kind":"status"}"#, "needs \"code\"");
        check(r#"{"kind":"latency"}"#, "needs \"for\"");
        check(r#"{"kind":"reset","bytes":3}"#, "no use for \"bytes\"");
        check(r#"{"kind":"reset","often":3}"#, "unknown field `often`");
        check(r#"{"kind":"reset","probability":3}"#, "not between 0 and 1");
        check(r#"{"kind":"reset","every":0}"#, "\"every\" is 0");
        check(r#"{"kind":"latency","for":"soon"}"#, "no length of time");
    }
}
