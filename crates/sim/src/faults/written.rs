//! Fault rules as files and `/_sim/faults` write them: what is derived, and what is refused besides.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::FaultRule;
use super::kind::Fault;
use crate::platforms::has_endpoint;

/// A rule's fields, those of its fault among them.
type Fields = Map<String, Value>;

impl Serialize for FaultRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = self.fields().map_err(serde::ser::Error::custom)?;
        fields.retain(|_, value| !value.is_null());
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FaultRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Fields::deserialize(deserializer)?;
        let kind = given.get("kind").cloned().unwrap_or_default();
        let told = |why: String| D::Error::custom(format!("fault {kind}: {why}"));
        let rule = FaultRule::deserialize(Value::Object(given.clone()))
            .map_err(|why| told(why.to_string()))?;
        rule.check(&given).map_err(told)?;
        Ok(rule)
    }
}

impl FaultRule {
    /// Returns every field that a rule of this fault can have, null where it is not given.
    fn fields(&self) -> serde_json::Result<Fields> {
        match FaultRule::serialize(self, serde_json::value::Serializer)? {
            Value::Object(fields) => Ok(fields),
            other => Err(serde_json::Error::custom(format!("no object: {other}"))),
        }
    }

    /// Refuses what has the right fields' types and still makes no sense.
    fn check(&self, given: &Fields) -> Result<(), String> {
        let known = self.fields().map_err(|why| why.to_string())?;
        for (field, value) in given {
            if !known.contains_key(field) {
                return Err(format!("no use for {field:?}"));
            }
            let text = value.as_str().unwrap_or_default();
            if text.contains(['\r', '\n']) {
                return Err(format!("{field:?} has a line break"));
            }
            if text.contains(|c: char| c.is_control() && c != '\t') {
                return Err(format!("{field:?} has a control character"));
            }
        }
        match self.fault {
            Fault::Dribble { bytes: 0, .. } => return Err("\"bytes\" is 0".to_owned()),
            Fault::Status { code, .. } if !(200..=999).contains(&code) => {
                return Err("\"code\" is not between 200 and 999".to_owned());
            }
            Fault::Redirect { code, .. } if !(300..=399).contains(&code) => {
                return Err("\"code\" is not between 300 and 399".to_owned());
            }
            _ => {}
        }
        if let Some(on) = self.on.as_deref().filter(|on| !has_endpoint(on)) {
            return Err(format!("there is no endpoint {on:?}"));
        }
        let is_chance = |chance| (0.0..=1.0).contains(&chance);
        if !self.probability.is_none_or(is_chance) {
            return Err("\"probability\" is not between 0 and 1".to_owned());
        }
        if self.every == Some(0) {
            return Err("\"every\" is 0; 1 means each request".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Corruption;
    use crate::message::Replay;
    use crate::time::Span;

    #[test]
    fn rules_survive_being_written_and_read() {
        let status = Fault::Status {
            code: 503,
            retry_after: Some("2".into()),
            after_bytes: Some(9),
        };
        let faults = [
            Fault::Latency { span: Span(5) },
            Fault::Refuse { span: Span(5) },
            Fault::Reset { after_bytes: None },
            Fault::Reset {
                after_bytes: Some(3),
            },
            Fault::CloseBeforeHead,
            Fault::CutHead { bytes: 3 },
            Fault::CutBody { bytes: 3 },
            Fault::Stall { after_bytes: None },
            Fault::Stall {
                after_bytes: Some(0),
            },
            Fault::Dribble {
                bytes: 1,
                pause: Span(29_000),
            },
            Fault::DuplicateReply,
            Fault::Trailers,
            status,
            Fault::Html200,
            Fault::TruncatedJson,
            Fault::WrongContentType {
                content_type: "text/x-bogus".into(),
            },
            Fault::GzipBomb,
            Fault::EndlessBody { bytes: None },
            Fault::EndlessBody {
                bytes: Some(10 << 30),
            },
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
            Fault::Replay {
                mode: Replay::FromStart,
            },
            Fault::Replay {
                mode: Replay::LastEventId,
            },
            Fault::Replay {
                mode: Replay::LiveOnly,
            },
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
            Fault::LostReplyAfterApply { after_bytes: 7 },
        ];
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
            Fault::WrongContentType {
                content_type: "text/plain".into(),
            },
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
        check(
            r#"{"kind":"flood"}"#,
            "fault \"flood\": unknown variant `flood`, expected one of `latency`, `refuse`",
        );
        check(r#"{"bytes":3}"#, "fault null: missing field `kind`");
        check(
            r#"{"kind":"status"}"#,
            "fault \"status\": missing field `code`",
        );
        check(r#"{"kind":"latency"}"#, "missing field `for`");
        check(r#"{"kind":"cut-head"}"#, "missing field `bytes`");
        check(r#"{"kind":"dribble","bytes":1}"#, "missing field `pause`");
        check(
            r#"{"kind":"dribble","bytes":0,"pause":"1s"}"#,
            "\"bytes\" is 0",
        );
        check(r#"{"kind":"replay"}"#, "missing field `mode`");
        check(r#"{"kind":"replay","mode":"backwards"}"#, "backwards");
        check(r#"{"kind":"redirect","code":200}"#, "between 300 and 399");
        check(r#"{"kind":"status","code":99}"#, "between 200 and 999");
        check(
            r#"{"kind":"status","code":"many"}"#,
            "fault \"status\": invalid type: string \"many\", expected u16",
        );
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
        check(r#"{"kind":"reset","often":3}"#, "no use for \"often\"");
        check(r#"{"kind":"reset","probability":3}"#, "not between 0 and 1");
        check(r#"{"kind":"reset","every":0}"#, "\"every\" is 0");
        check(
            r#"{"kind":"reset","on":"agent-harness.status"}"#,
            "no endpoint \"agent-harness.status\"",
        );
        check(r#"{"kind":"latency","for":"soon"}"#, "no length of time");
    }
}
