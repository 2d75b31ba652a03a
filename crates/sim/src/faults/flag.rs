//! Fault rules as a command line writes them: `KIND` or `KIND:FIELD=VALUE,FIELD=VALUE`.

use std::str::FromStr;

use serde_json::{Map, Number, Value};

use super::FaultRule;

/// Why a text is no fault rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

/// The fields that hold whole numbers; a probability holds any number, and all others hold text.
const WHOLE: [&str; 8] = [
    "after",
    "every",
    "count",
    "bytes",
    "code",
    "after_bytes",
    "after_events",
    "events",
];

/// Reads a rule off a flag. The fields are those of a file; a value with a comma stands in double quotes.
///
/// ```
/// use taskward_sim::{Fault, FaultRule, Span};
///
/// let rule: FaultRule = "latency:for=2s,on=status,probability=0.3".parse()?;
/// assert_eq!(rule, FaultRule::new(Fault::Latency { span: Span(2_000) }).on("status").probability(0.3));
/// # Ok::<(), taskward_sim::FaultError>(())
/// ```
impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, mut rest) = text.split_once(':').unwrap_or((text, ""));
        let mut rule = Map::new();
        rule.insert("kind".to_owned(), Value::from(kind));
        while !rest.is_empty() {
            let (field, value, behind) = next_field(rest).map_err(FaultError)?;
            let value = read_value(field, value).map_err(FaultError)?;
            if rule.insert(field.to_owned(), value).is_some() {
                return Err(FaultError(format!("{field:?} is there twice")));
            }
            rest = behind;
        }
        serde_json::from_value(Value::Object(rule)).map_err(|why| FaultError(why.to_string()))
    }
}

/// Returns the first field, its value, and what follows the comma behind it.
fn next_field(text: &str) -> Result<(&str, &str, &str), String> {
    let (field, rest) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is no FIELD=VALUE"))?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, behind) = rest.split_once(',').unwrap_or((rest, ""));
        return Ok((field, value, behind));
    };
    let (value, behind) = quoted
        .split_once('"')
        .ok_or_else(|| format!("the value of {field:?} lacks its closing quote"))?;
    match behind.strip_prefix(',') {
        Some(behind) => Ok((field, value, behind)),
        None if behind.is_empty() => Ok((field, value, "")),
        None => Err(format!("{behind:?} follows the quoted value of {field:?}")),
    }
}

fn read_value(field: &str, text: &str) -> Result<Value, String> {
    let number = if WHOLE.contains(&field) {
        text.parse::<u64>().ok().map(Number::from)
    } else if field == "probability" {
        text.parse::<f64>().ok().and_then(Number::from_f64)
    } else {
        return Ok(Value::from(text));
    };
    number
        .map(Value::Number)
        .ok_or_else(|| format!("{field:?} cannot be {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;
    use crate::time::Span;

    fn read(text: &str) -> Result<FaultRule, String> {
        text.parse().map_err(|why: FaultError| why.to_string())
    }

    #[test]
    fn a_flag_is_a_kind_and_its_fields() {
        let check = |text: &str, rule: FaultRule| assert_eq!(read(text), Ok(rule), "{text}");
        check("reset", FaultRule::new(Fault::Reset { after_bytes: None }));
        check("reset:", FaultRule::new(Fault::Reset { after_bytes: None }));
        check(
            "reset:after_bytes=3,on=nanonets.run,method=POST,path=/run,after=1,every=2,count=3,probability=1",
            FaultRule::new(Fault::Reset {
                after_bytes: Some(3),
            })
            .on("nanonets.run")
            .method("POST")
            .path_ends_with("/run")
            .after(1)
            .every(2)
            .count(3)
            .probability(1.0),
        );
        let status = |retry_after: &str, after_bytes| {
            FaultRule::new(Fault::Status {
                code: 429,
                retry_after: Some(retry_after.to_owned()),
                after_bytes,
            })
        };
        check("status:code=429,retry_after=2", status("2", None));
        check(
            r#"status:code=429,retry_after="Wed, 21 Oct 2026 07:28:00 GMT",after_bytes=0"#,
            status("Wed, 21 Oct 2026 07:28:00 GMT", Some(0)),
        );
        check(
            "redirect:to=http://other.example:81/a?b=c",
            FaultRule::new(Fault::Redirect {
                to: Some("http://other.example:81/a?b=c".to_owned()),
                code: 307,
            }),
        );
        let dribble = Fault::Dribble {
            bytes: 1,
            pause: Span(1_500),
        };
        check("dribble:bytes=1,pause=1.5s", FaultRule::new(dribble));
    }

    #[test]
    fn a_wrong_flag_is_told_by_its_field() {
        let check = |text: &str, expected: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "fault \"\": unknown variant");
        check(
            "flood",
            "fault \"flood\": unknown variant `flood`, expected one of",
        );
        check("reset:often", "\"often\" is no FIELD=VALUE");
        check("reset:often=3", "no use for \"often\"");
        check("reset:kind=stall", "\"kind\" is there twice");
        check("status:code=503,code=500", "\"code\" is there twice");
        check("status:code=many", "\"code\" cannot be \"many\"");
        check("status:code=1.5", "\"code\" cannot be");
        check("status:code=-1", "\"code\" cannot be");
        check("status:code=70000", "invalid value");
        check("status:code=503,,", "no FIELD=VALUE");
        check("reset:probability=NaN", "\"probability\" cannot be");
        check("reset:probability=2", "not between 0 and 1");
        check("redirect:to=\"/x", "lacks its closing quote");
        check("redirect:to=\"/x\"y", "\"y\" follows the quoted value");
        check("reset:on=statsu", "no endpoint \"statsu\"");
    }
}
