use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::error::Category;

use super::{
    numbers::{may_hold_wide_integer, quote_numbers},
    repair::{BYTE_ORDER_MARK, repair},
};

/// Why a body could not be read. No message quotes the body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Nothing, or only white space.
    Empty,
    /// JSON that ends too early.
    Truncated {
        /// How long the body is.
        len: usize,
    },
    /// No JSON.
    NotJson {
        /// Whether the body starts with a tag, as the pages of proxies do.
        resembles_html: bool,
        /// What the parser stumbled over, and where.
        message: String,
    },
    /// Text in a charset that JSON is not sent in.
    Charset {
        /// The charset's name, from its byte order mark.
        name: &'static str,
    },
    /// JSON with something behind it.
    TrailingData,
    /// More nesting than the parser follows.
    TooDeep,
    /// JSON that is not what was expected.
    Shape {
        /// Which type misses which field, or holds what instead.
        message: String,
    },
    /// JSON that names another task than the one that was asked about. Nothing of it is reported.
    Foreign,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the body is empty"),
            Self::Truncated { len } => write!(
                f,
                "the body ends in the middle of its JSON, after {len} bytes"
            ),
            Self::NotJson {
                resembles_html,
                message,
            } => {
                let what = match resembles_html {
                    true => "HTML or XML",
                    false => "something else",
                };
                write!(f, "the body is {what}, not JSON ({message})")
            }
            Self::Charset { name } => write!(f, "the body is in {name}, not in UTF-8"),
            Self::TrailingData => f.write_str("the body goes on after its JSON"),
            Self::TooDeep => f.write_str("the body's JSON is nested too deeply"),
            Self::Shape { message } => f.write_str(message),
            Self::Foreign => f.write_str("it names another task than the one that was asked about"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads a reply's body: [`repair`], then the tolerant rules of this module.
///
/// # Errors
///
/// See [`DecodeError`]; every proper beginning of a JSON object is [`Truncated`](DecodeError::Truncated) or
/// [`Empty`](DecodeError::Empty).
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    decode_with(body, PhantomData)
}

/// Decodes with a seed.
pub(super) fn decode_with<T, S>(body: &[u8], seed: S) -> Result<T, DecodeError>
where
    S: for<'de> DeserializeSeed<'de, Value = T> + Copy,
{
    if let Some(name) = foreign_charset(body) {
        return Err(DecodeError::Charset { name });
    }
    if BYTE_ORDER_MARK.starts_with(body) {
        return Err(DecodeError::Empty);
    }
    let text = repair(body);
    let text = if may_hold_wide_integer(&text) {
        Cow::Owned(quote_numbers(&text).into_owned())
    } else {
        text
    };
    parse(&text, seed).or_else(|error| match error.classify() {
        // Perhaps a number that is none, or one out of range.
        Category::Syntax => match quote_numbers(&text) {
            Cow::Borrowed(_) => Err(classify(&error, &text)),
            Cow::Owned(text) => parse(&text, seed).map_err(|error| classify(&error, &text)),
        },
        Category::Io | Category::Data | Category::Eof => Err(classify(&error, &text)),
    })
}

fn parse<T, S>(text: &str, seed: S) -> Result<T, serde_json::Error>
where
    S: for<'de> DeserializeSeed<'de, Value = T>,
{
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

// Messages of `serde_json`, which has no public kind for them; the tests below would notice a change.
const TRAILING: &str = "trailing characters";
const TOO_DEEP: &str = "recursion limit exceeded";

fn classify(error: &serde_json::Error, text: &str) -> DecodeError {
    let start = text.trim_start();
    if start.is_empty() {
        return DecodeError::Empty;
    }
    let message = error.to_string();
    match error.classify() {
        Category::Eof => DecodeError::Truncated { len: text.len() },
        Category::Data => DecodeError::Shape {
            message: without_position(message),
        },
        Category::Syntax | Category::Io if message.starts_with(TRAILING) => {
            DecodeError::TrailingData
        }
        Category::Syntax | Category::Io if message.starts_with(TOO_DEEP) => DecodeError::TooDeep,
        Category::Syntax | Category::Io => DecodeError::NotJson {
            resembles_html: start.starts_with('<'),
            message,
        },
    }
}

/// Drops the position of an object's end, which does not help to find a missing field.
fn without_position(mut message: String) -> String {
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    message
}

fn foreign_charset(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::Uuid;

    fn error(body: &[u8]) -> DecodeError {
        decode::<Value>(body).unwrap_err()
    }

    #[test]
    fn every_cut_of_an_object_is_truncated_or_empty() {
        let json = r#"{"a":[1,-2.5e-3,true,false,null,"é\u00e9\ud83d\ude00\ud83d"],"b":{"c":{}},"d":12345678901234567890123}"#;
        let body = format!("\u{feff}{json}");
        assert!(decode::<Value>(body.as_bytes()).is_ok());
        for end in 0..body.len() {
            match error(&body.as_bytes()[..end]) {
                DecodeError::Empty => assert!(end <= 3, "{end}"),
                DecodeError::Truncated { .. } => assert!(end > 3, "{end}"),
                other => panic!("cut at {end}: {other}"),
            }
        }
    }

    #[test]
    fn each_kind_of_bad_body_has_its_name() {
        for empty in ["", " \r\n\t", "\u{feff}"] {
            assert_eq!(error(empty.as_bytes()), DecodeError::Empty);
        }
        for html in ["<html>", "\n <!DOCTYPE html><title>502</title>", "<?xml"] {
            assert!(matches!(
                error(html.as_bytes()),
                DecodeError::NotJson {
                    resembles_html: true,
                    ..
                }
            ));
        }
        for text in [
            "Bad Gateway",
            "{'a':1}",
            "{\"a\":nan}",
            "[NaNa]",
            "\"a\u{0}\"",
            "{\"a\":01}",
        ] {
            assert!(
                matches!(
                    error(text.as_bytes()),
                    DecodeError::NotJson {
                        resembles_html: false,
                        ..
                    }
                ),
                "{text}"
            );
        }
        assert_eq!(error(b"{} {}"), DecodeError::TrailingData);
        assert_eq!(error(b"{}<html>"), DecodeError::TrailingData);
        assert_eq!(error(&b"[".repeat(100_000)), DecodeError::TooDeep);
        assert_eq!(
            error(b"\xff\xfe{\0}\0"),
            DecodeError::Charset { name: "UTF-16" }
        );
        assert_eq!(
            error(b"\xfe\xff\0{\0}"),
            DecodeError::Charset { name: "UTF-16" }
        );
    }

    #[test]
    fn nesting_is_followed_to_127_levels_also_in_free_form_values() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(decode::<Value>(nested(127).as_bytes()).is_ok());
        assert_eq!(error(nested(128).as_bytes()), DecodeError::TooDeep);
    }

    #[test]
    fn a_number_that_fits_nowhere_is_kept_as_text() {
        let wide = "1234567890123456789012345678901234567890";
        assert_eq!(decode::<Value>(wide.as_bytes()), Ok(json!(wide)));
        assert_eq!(decode::<Value>(b"[1e400,1]"), Ok(json!(["1e400", 1])));
        assert_eq!(
            decode::<Value>(b"[NaN, -Infinity,Infinity,1]"),
            Ok(json!(["NaN", "-Infinity", "Infinity", 1]))
        );
    }

    #[test]
    fn a_lone_surrogate_and_a_wrong_byte_spoil_nothing_else() {
        let value: Value =
            decode(b"\xef\xbb\xbf{\"a\":\"x\\ud83d\",\"b\":\"\xff\",\"c\":1}").unwrap();
        assert_eq!(value, json!({"a": "x\u{fffd}", "b": "\u{fffd}", "c": 1}));
    }

    #[test]
    fn a_wrong_shape_is_told_without_the_body() {
        let error = decode::<Uuid>(b"[\"secret\"]").unwrap_err();
        assert_eq!(
            error,
            DecodeError::Shape {
                message: "expected an undamaged id, found an array".to_owned()
            }
        );
    }
}
