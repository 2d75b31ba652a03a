//! What a log may show of a request: no credential, whatever field it stands in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::message::Head;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Words in the names of header fields whose values are secret: a platform may name its own field.
const SECRET_FIELDS: [&str; 6] = ["auth", "cookie", "credential", "key", "secret", "token"];

/// A header field that has such a word, and no secret.
const NO_SECRET: &str = "idempotency-key";

/// The endings of names whose values are secret, without dashes, underscores and capitals.
const SECRET_NAMES: [&str; 11] = [
    "apikey",
    "accesskey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "passwd",
    "password",
    "secret",
    "secretkey",
    "token",
];

/// A shorter word stands in ordinary text.
const MIN_CREDENTIAL: usize = 8;

/// Takes secrets out of what one request says: values under a secret name, what follows `Bearer` or `Basic`, and the
/// credentials of its own header wherever they stand, as they are or behind base64.
#[derive(Debug)]
pub(super) struct Redactor {
    credentials: Vec<String>,
}

impl Redactor {
    /// Returns the redactor of a request with this head.
    pub(super) fn of(head: &Head) -> Self {
        let secret = head
            .headers
            .iter()
            .filter(|(name, _)| is_secret_field(name));
        let words = secret.flat_map(|(_, value)| value.split([' ', ';', ',']));
        let words = words.flat_map(|word| [Some(word.to_owned()), pair_behind(word)]);
        // Of an id and a secret, the secret alone is one, too.
        let words = words.flatten().flat_map(|word| {
            let behind = word.split_once([':', '=']);
            let behind = behind.map(|(_, behind)| behind.to_owned());
            [Some(word), behind].into_iter().flatten()
        });
        let long = words.filter(|word| word.len() >= MIN_CREDENTIAL);
        let mut credentials: Vec<String> = long.collect();
        // The longest first: a part of it must not be taken out of it.
        credentials.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self { credentials }
    }

    /// Returns a text without credentials; one that is JSON also without secret fields.
    pub(super) fn text(&self, text: &str) -> String {
        if text.trim_start().starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str::<Value>(text)
        {
            let redacted = self.value(value.clone());
            // What has no secret keeps its blanks.
            if redacted == value {
                return text.to_owned();
            }
            return redacted.to_string();
        }
        let mut text = text.to_owned();
        for credential in &self.credentials {
            text = text.replace(credential.as_str(), REDACTED);
        }
        let text = without_words_behind(&text, "bearer ", |_| true);
        without_words_behind(&text, "basic ", |word| pair_behind(word).is_some())
    }

    /// Returns JSON without secret fields and credentials.
    pub(super) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (String, Value)| {
                    let value = self.field(&name, value);
                    (name, value)
                };
                Value::Object(fields.into_iter().map(field).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// Returns the value of a field of this name.
    pub(super) fn field(&self, name: &str, value: Value) -> Value {
        if is_secret(name) && !value.is_null() {
            return Value::String(REDACTED.to_owned());
        }
        self.value(value)
    }

    /// Returns a query, or a body that is written like one.
    pub(super) fn query(&self, query: &str) -> String {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(&percent_decode_str(name).decode_utf8_lossy()) => {
                format!("{name}={REDACTED}")
            }
            _ => self.text(pair),
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Returns whether what has this name is secret.
fn is_secret(name: &str) -> bool {
    let plain = name.chars().filter(|one| one.is_alphanumeric());
    let plain: String = plain.flat_map(char::to_lowercase).collect();
    SECRET_NAMES.iter().any(|end| plain.ends_with(end))
}

/// Returns whether the value of a header field of this name is secret.
fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let has_word = SECRET_FIELDS.iter().any(|word| name.contains(word));
    is_secret(&name) || has_word && name != NO_SECRET
}

/// Returns the name and the password that a word in base64 stands for.
fn pair_behind(word: &str) -> Option<String> {
    let pair = STANDARD.decode(word).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.contains(':').then_some(pair)
}

/// Takes out the word behind each mention of a scheme, if it can be a credential.
fn without_words_behind(text: &str, scheme: &str, is_one: impl Fn(&str) -> bool) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut from = 0;
    while let Some(at) = lower[from..].find(scheme) {
        let word = from + at + scheme.len();
        let rest = &text[word..];
        let end = rest.find(|one: char| one.is_whitespace() || "\"',".contains(one));
        out += &text[from..word];
        from = word + end.unwrap_or(rest.len());
        // A sentence about bearers names no credential.
        let given = &text[word..from];
        out += if given.len() >= MIN_CREDENTIAL && is_one(given) {
            REDACTED
        } else {
            given
        };
    }
    out + &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;
    use serde_json::json;

    fn redactor() -> Redactor {
        let request = Request::new("GET", "/")
            .header("Authorization", "Bearer key_id_canary:canary-4f1c2b7e9d")
            .header("Cookie", "session=canary-cookie; short=x");
        Redactor::of(&request.head)
    }

    #[test]
    fn what_has_a_secret_name_is_left_out_at_any_depth() {
        let body = json!({
            "goal": "x", "idempotency_key": "k1", "max_tokens": 5, "token": null,
            "metadata": [{ "API-Key": "a", "clientSecret": { "deep": "b" }, "Authorization": ["c"] }],
            "input": "{\"db_password\": \"d\", \"n\": 1}",
        });
        assert_eq!(
            redactor().value(body),
            json!({
                "goal": "x", "idempotency_key": "k1", "max_tokens": 5, "token": null,
                "metadata": [{ "API-Key": REDACTED, "clientSecret": REDACTED, "Authorization": REDACTED }],
                "input": format!("{{\"db_password\":\"{REDACTED}\",\"n\":1}}"),
            })
        );
    }

    #[test]
    fn the_credential_of_the_request_is_left_out_wherever_it_stands() {
        let check = |text: &str, expected: &str| {
            let expected = expected.replace('*', REDACTED);
            assert_eq!(redactor().text(text), expected);
        };
        check("mail canary-4f1c2b7e9d to them", "mail * to them");
        check("key_id_canary:canary-4f1c2b7e9d", "*");
        check("canary-cookie", "*");
        check(
            "curl -H 'Authorization: bearer other-key-1'",
            "curl -H 'Authorization: bearer *'",
        );
        check(
            "the bearer of news, Bearer abcdefgh",
            "the bearer of news, Bearer *",
        );
        // "user:canary-basic", and a sentence about basics.
        check("try Basic dXNlcjpjYW5hcnktYmFzaWM=", "try Basic *");
        check("the basic principle", "the basic principle");
        check("{ \"blanks\" : 1 }", "{ \"blanks\" : 1 }");
        check("[not json", "[not json");
    }

    #[test]
    fn a_credential_in_base64_or_in_a_field_of_its_own_is_one_too() {
        let request = Request::new("GET", "/")
            .header("Authorization", "Basic dXNlcjpjYW5hcnktYmFzaWM=")
            .header("X-Agent-Key", "canary-header")
            .header("Idempotency-Key", "order-4711");
        let redactor = Redactor::of(&request.head);
        for canary in [
            "dXNlcjpjYW5hcnktYmFzaWM=",
            "canary-basic",
            "user:canary-basic",
            "canary-header",
        ] {
            assert_eq!(redactor.text(canary), REDACTED);
        }
        assert_eq!(redactor.text("order-4711"), "order-4711");
    }

    #[test]
    fn a_query_loses_its_secret_values() {
        let found = redactor().query("limit=5&api%5Fkey=abc&q=a=b&access_token=&x");
        let expected = format!("limit=5&api%5Fkey={REDACTED}&q=a=b&access_token={REDACTED}&x");
        assert_eq!(found, expected);
    }
}
