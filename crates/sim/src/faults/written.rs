//! Fault rules as files and `/_sim/faults` write them.

use serde::{Deserialize, Serialize};

use super::FaultRule;
use super::kind::{Corruption, Fault};
use crate::endpoints::has_endpoint;
use crate::harness::switches::Replay;
use crate::time::Span;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
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
    pause: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_events: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<Corruption>,
}

/// A replay, in the spelling of fault rules.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    FromStart,
    LastEventId,
    LiveOnly,
}

impl From<Mode> for Replay {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::FromStart => Self::FromStart,
            Mode::LastEventId => Self::LastEventId,
            Mode::LiveOnly => Self::LiveOnly,
        }
    }
}

impl From<Replay> for Mode {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::FromStart => Self::FromStart,
            Replay::LastEventId => Self::LastEventId,
            Replay::LiveOnly => Self::LiveOnly,
        }
    }
}

impl Raw {
    /// Returns the fault, and the fields besides the selecting ones that it has a use for.
    fn fault(&self) -> Result<(Fault, &'static [&'static str]), String> {
        let kind = self.kind.as_str();
        let needs = |field: &str| format!("fault {kind:?} needs {field:?}");
        let after_events = self.after_events.unwrap_or(0);
        Ok(match kind {
            "latency" => (
                Fault::Latency(self.span.ok_or_else(|| needs("for"))?),
                &["for"],
            ),
            "refuse" => (
                Fault::Refuse(self.span.ok_or_else(|| needs("for"))?),
                &["for"],
            ),
            "reset" => (
                self.after_bytes.map_or(Fault::Reset, Fault::ResetAfter),
                &["after_bytes"],
            ),
            "close-before-head" => (Fault::CloseBeforeHead, &[]),
            "cut-head" => (
                Fault::CutHead(self.bytes.ok_or_else(|| needs("bytes"))?),
                &["bytes"],
            ),
            "cut-body" => (
                Fault::CutBody(self.bytes.ok_or_else(|| needs("bytes"))?),
                &["bytes"],
            ),
            "stall" => (
                self.after_bytes.map_or(Fault::Stall, Fault::StallAfter),
                &["after_bytes"],
            ),
            "dribble" => (
                Fault::Dribble {
                    bytes: self
                        .bytes
                        .filter(|&bytes| bytes > 0)
                        .ok_or_else(|| needs("bytes"))?,
                    pause: self.pause.ok_or_else(|| needs("pause"))?,
                },
                &["bytes", "pause"],
            ),
            "duplicate-reply" => (Fault::DuplicateReply, &[]),
            "status" => (
                Fault::Status {
                    code: self
                        .code
                        .filter(|code| (200..=999).contains(code))
                        .ok_or_else(|| needs("code"))?,
                    retry_after: self.retry_after.clone(),
                    after_bytes: self.after_bytes,
                },
                &["code", "retry_after", "after_bytes"],
            ),
            "html-200" => (Fault::Html200, &[]),
            "truncated-json" => (Fault::TruncatedJson, &[]),
            "wrong-content-type" => (
                Fault::WrongContentType(
                    self.content_type
                        .clone()
                        .unwrap_or_else(|| "text/plain".to_owned()),
                ),
                &["content_type"],
            ),
            "gzip-bomb" => (Fault::GzipBomb, &[]),
            "endless-body" => (Fault::EndlessBody(self.bytes), &["bytes"]),
            "endless-line" => (Fault::EndlessLine, &[]),
            "endless-data" => (Fault::EndlessData, &[]),
            "redirect" => {
                let code = self.code.unwrap_or(307);
                if !(300..=399).contains(&code) {
                    return Err(format!(
                        "fault {kind:?}: \"code\" is not between 300 and 399"
                    ));
                }
                let to = self.to.clone();
                (Fault::Redirect { to, code }, &["to", "code"])
            }
            "stale-read" => (Fault::StaleRead, &[]),
            "looped-cursor" => (Fault::LoopedCursor, &[]),
            "replay" => (
                Fault::Replay(self.mode.ok_or_else(|| needs("mode"))?.into()),
                &["mode"],
            ),
            "seq-gap" => (
                Fault::SeqGap {
                    after_events,
                    events: self.events.unwrap_or(1),
                },
                &["after_events", "events"],
            ),
            "reorder" => (Fault::Reorder { after_events }, &["after_events"]),
            "duplicate-event" => (Fault::DuplicateEvent { after_events }, &["after_events"]),
            "stream-eof" => (Fault::StreamEof { after_events }, &["after_events"]),
            "corrupt-event" => (
                Fault::CorruptEvent {
                    after_events,
                    events: self.events.unwrap_or(1),
                    form: self.form.unwrap_or(Corruption::NotJson),
                },
                &["after_events", "events", "form"],
            ),
            "lost-reply-after-apply" => (
                Fault::LostReplyAfterApply(self.after_bytes.unwrap_or(0)),
                &["after_bytes"],
            ),
            _ => {
                let known = Fault::KINDS.join(", ");
                return Err(format!("unknown fault {kind:?} (known: {known})"));
            }
        })
    }

    /// Returns the fields that say what a fault does, and whether they are given.
    fn given(&self) -> [(&'static str, bool); 12] {
        [
            ("for", self.span.is_some()),
            ("pause", self.pause.is_some()),
            ("bytes", self.bytes.is_some()),
            ("code", self.code.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("after_bytes", self.after_bytes.is_some()),
            ("after_events", self.after_events.is_some()),
            ("events", self.events.is_some()),
            ("content_type", self.content_type.is_some()),
            ("to", self.to.is_some()),
            ("mode", self.mode.is_some()),
            ("form", self.form.is_some()),
        ]
    }
}

impl TryFrom<Raw> for FaultRule {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let (fault, uses) = raw.fault()?;
        let useless = raw
            .given()
            .into_iter()
            .find(|(field, is_given)| *is_given && !uses.contains(field));
        if let Some((field, _)) = useless {
            return Err(format!("fault {:?} has no use for {field:?}", raw.kind));
        }
        for (field, value) in [
            ("retry_after", &raw.retry_after),
            ("content_type", &raw.content_type),
            ("to", &raw.to),
        ] {
            let Some(value) = value.as_deref() else {
                continue;
            };
            if value.contains(['\r', '\n']) {
                return Err(format!("{field:?} has a line break"));
            }
            if value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(format!("{field:?} has a control character"));
            }
        }
        if let Some(on) = raw.on.as_deref().filter(|on| !has_endpoint(on)) {
            return Err(format!("there is no endpoint {on:?}"));
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
            Fault::CutHead(bytes) | Fault::CutBody(bytes) => raw.bytes = Some(bytes),
            Fault::ResetAfter(bytes)
            | Fault::StallAfter(bytes)
            | Fault::LostReplyAfterApply(bytes) => raw.after_bytes = Some(bytes),
            Fault::Dribble { bytes, pause } => {
                raw.bytes = Some(bytes);
                raw.pause = Some(pause);
            }
            Fault::Status {
                code,
                retry_after,
                after_bytes,
            } => {
                raw.code = Some(code);
                raw.retry_after = retry_after;
                raw.after_bytes = after_bytes;
            }
            Fault::WrongContentType(value) => raw.content_type = Some(value),
            Fault::EndlessBody(claimed) => raw.bytes = claimed,
            Fault::Redirect { to, code } => {
                raw.to = to;
                raw.code = Some(code);
            }
            Fault::Replay(mode) => raw.mode = Some(mode.into()),
            Fault::SeqGap {
                after_events,
                events,
            } => {
                raw.after_events = Some(after_events);
                raw.events = Some(events);
            }
            Fault::Reorder { after_events }
            | Fault::DuplicateEvent { after_events }
            | Fault::StreamEof { after_events } => raw.after_events = Some(after_events),
            Fault::CorruptEvent {
                after_events,
                events,
                form,
            } => {
                raw.after_events = Some(after_events);
                raw.events = Some(events);
                raw.form = Some(form);
            }
            Fault::Reset
            | Fault::CloseBeforeHead
            | Fault::Stall
            | Fault::DuplicateReply
            | Fault::Html200
            | Fault::TruncatedJson
            | Fault::GzipBomb
            | Fault::EndlessLine
            | Fault::EndlessData
            | Fault::StaleRead
            | Fault::LoopedCursor => {}
        }
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_being_written_and_read() {
        let status = Fault::Status {
            code: 503,
            retry_after: Some("2".into()),
            after_bytes: Some(9),
        };
        let faults = [
            Fault::Latency(Span(5)),
            Fault::Refuse(Span(5)),
            Fault::Reset,
            Fault::ResetAfter(3),
            Fault::CloseBeforeHead,
            Fault::CutHead(3),
            Fault::CutBody(3),
            Fault::Stall,
            Fault::StallAfter(0),
            Fault::Dribble {
                bytes: 1,
                pause: Span(29_000),
            },
            Fault::DuplicateReply,
            status,
            Fault::Html200,
            Fault::TruncatedJson,
            Fault::WrongContentType("text/x-bogus".into()),
            Fault::GzipBomb,
            Fault::EndlessBody(None),
            Fault::EndlessBody(Some(10 << 30)),
            Fault::EndlessLine,
            Fault::EndlessData,
            Fault::Redirect {
                to: Some("http://other.example/".into()),
                code: 302,
            },
            Fault::Redirect {
                to: None,
                code: 307,
            },
            Fault::StaleRead,
            Fault::LoopedCursor,
            Fault::Replay(Replay::FromStart),
            Fault::Replay(Replay::LastEventId),
            Fault::Replay(Replay::LiveOnly),
            Fault::SeqGap {
                after_events: 1,
                events: 2,
            },
            Fault::Reorder { after_events: 3 },
            Fault::DuplicateEvent { after_events: 4 },
            Fault::StreamEof { after_events: 0 },
            Fault::CorruptEvent {
                after_events: 1,
                events: 10,
                form: Corruption::HugeSeq,
            },
            Fault::LostReplyAfterApply(7),
        ];
        for kind in Fault::KINDS {
            assert!(faults.iter().any(|fault| fault.name() == kind), "{kind}");
        }
        for fault in faults {
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
    fn what_a_rule_leaves_out_has_a_default() {
        let check = |text: &str, expected: Fault| {
            let rule: FaultRule = serde_json::from_str(text).unwrap();
            assert_eq!(rule, FaultRule::new(expected), "{text}");
        };
        check(
            r#"{"kind":"wrong-content-type"}"#,
            Fault::WrongContentType("text/plain".into()),
        );
        check(
            r#"{"kind":"redirect"}"#,
            Fault::Redirect {
                to: None,
                code: 307,
            },
        );
        check(
            r#"{"kind":"seq-gap"}"#,
            Fault::SeqGap {
                after_events: 0,
                events: 1,
            },
        );
        check(
            r#"{"kind":"corrupt-event","after_events":2}"#,
            Fault::CorruptEvent {
                after_events: 2,
                events: 1,
                form: Corruption::NotJson,
            },
        );
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
        check(r#"{"kind":"cut-head"}"#, "needs \"bytes\"");
        check(r#"{"kind":"dribble","bytes":1}"#, "needs \"pause\"");
        check(
            r#"{"kind":"dribble","bytes":0,"pause":"1s"}"#,
            "needs \"bytes\"",
        );
        check(r#"{"kind":"replay"}"#, "needs \"mode\"");
        check(r#"{"kind":"replay","mode":"backwards"}"#, "backwards");
        check(r#"{"kind":"redirect","code":200}"#, "between 300 and 399");
        check(
            r#"{"kind":"redirect","to":"/\r\nX: y"}"#,
            "\"to\" has a line break",
        );
        check(r#"{"kind":"reset","bytes":3}"#, "no use for \"bytes\"");
        check(r#"{"kind":"reorder","events":3}"#, "no use for \"events\"");
        check(
            r#"{"kind":"reset","retry_after":"3"}"#,
            "no use for \"retry_after\"",
        );
        check(r#"{"kind":"reset","often":3}"#, "unknown field `often`");
        check(r#"{"kind":"reset","probability":3}"#, "not between 0 and 1");
        check(r#"{"kind":"reset","every":0}"#, "\"every\" is 0");
        check(
            r#"{"kind":"reset","on":"agent-harness.status"}"#,
            "no endpoint \"agent-harness.status\"",
        );
        check(r#"{"kind":"latency","for":"soon"}"#, "no length of time");
    }
}
