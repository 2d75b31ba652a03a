//! One operation in either binding: the request, and what its reply or an event holds.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use taskward_core::{BuildError, ReadError, ReadErrorKind, Request, Target};

use super::agent::{A2a, Binding, VERSION};
use super::types::ErrorBody;
use crate::wire::{self, FromWire, Key, Taken, Token};

/// The id of every JSON-RPC request of ours: one exchange carries one request.
pub(super) const RPC_ID: u64 = 1;

/// The header of the protocol's version. Servers take a request without it for one of 0.3, and one ignores the query
/// parameter that the protocol allows instead.
const VERSION_HEADER: HeaderName = HeaderName::from_static("a2a-version");

/// One operation, typed, before it is in a binding.
pub(super) struct Call<P> {
    /// The method of JSON-RPC.
    pub(super) method: &'static str,
    /// The HTTP method of the other binding.
    pub(super) verb: Method,
    /// The path and query below the interface, in the other binding.
    pub(super) target: Target,
    /// The parameters of JSON-RPC.
    pub(super) params: P,
    /// What the other binding has as its body.
    pub(super) body: RestBody,
}

/// The body of a request over HTTP+JSON.
pub(super) enum RestBody {
    /// None: the target says everything.
    None,
    /// An empty object.
    Empty,
    /// The parameters.
    Params,
    /// Other JSON than the parameters.
    Json(Value),
}

#[derive(Serialize)]
struct RpcCall<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: WithTenant<'a, P>,
}

#[derive(Serialize)]
struct WithTenant<'a, P> {
    #[serde(flatten)]
    params: &'a P,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
}

impl A2a {
    /// Builds the request of an operation.
    pub(super) fn request<P: Serialize>(&self, call: &Call<P>) -> Result<Request, BuildError> {
        let request = match self.binding() {
            Binding::JsonRpc => {
                let body = RpcCall {
                    jsonrpc: "2.0",
                    id: RPC_ID,
                    method: call.method,
                    params: WithTenant {
                        params: &call.params,
                        tenant: self.tenant(),
                    },
                };
                Request::json(Method::POST, self.target("")?, &body)?
            }
            Binding::HttpJson => {
                let target = self.below(call.target.clone())?;
                let verb = call.verb.clone();
                match &call.body {
                    RestBody::None => Request::empty(verb, target),
                    RestBody::Empty => Request::json(verb, target, &serde_json::Map::new())?,
                    RestBody::Params => Request::json(verb, target, &call.params)?,
                    RestBody::Json(body) => Request::json(verb, target, body)?,
                }
            }
        };
        with_version(request)
    }

    /// Returns a target below the tenant's part of the interface.
    fn below(&self, target: Target) -> Result<PathAndQuery, BuildError> {
        let below = target.build()?;
        match self.tenant() {
            Some(tenant) => {
                let tenant = Target::new("").segment(tenant)?.build()?;
                self.target(&format!("{tenant}{below}"))
            }
            None => self.target(below.as_str()),
        }
    }

    /// Returns a target below the interface, with the interface's own query.
    fn target(&self, below: &str) -> Result<PathAndQuery, BuildError> {
        let base = match self.path() {
            "/" if !below.is_empty() => "",
            path => path,
        };
        let target = match self.query() {
            Some(query) if below.contains('?') => format!("{base}{below}&{query}"),
            Some(query) => format!("{base}{below}?{query}"),
            None => format!("{base}{below}"),
        };
        PathAndQuery::try_from(target)
            .map_err(|e| BuildError::new(format!("cannot build the request path: {e}")))
    }

    /// Reads what a reply that is no error holds: the body over HTTP+JSON, the result over JSON-RPC.
    pub(super) fn read_content<T: FromWire>(&self, body: &[u8]) -> Result<T, ReadError> {
        match self.binding() {
            Binding::HttpJson => Ok(wire::decode::<Bare<T>>(body)?.0),
            Binding::JsonRpc => match open(wire::decode(body)?)? {
                Opened::Result(result) => result.need_result(),
                Opened::Error(error) => Err(ReadError::new(
                    ReadErrorKind::Shape,
                    format!("it is an error: {}", error.message.unwrap_or_default()),
                )),
            },
        }
    }

    /// Checks that a reply that holds nothing of use is one.
    pub(super) fn check_content(&self, body: &[u8]) -> Result<(), ReadError> {
        let is_blank = body.iter().all(u8::is_ascii_whitespace);
        match self.binding() {
            Binding::HttpJson if is_blank => Ok(()),
            Binding::HttpJson => Ok(wire::decode::<IgnoredAny>(body).map(drop)?),
            Binding::JsonRpc => open::<Value>(wire::decode(body)?).map(drop),
        }
    }

    /// Reads what the data of an event holds; an error there is one of its contents.
    pub(super) fn read_event_content<T: FromWire>(
        &self,
        data: &str,
    ) -> Result<Result<T, Box<ErrorBody>>, ReadError> {
        match self.binding() {
            Binding::HttpJson => Ok(Ok(wire::decode::<Bare<T>>(data.as_bytes())?.0)),
            Binding::JsonRpc => match open(wire::decode(data.as_bytes())?)? {
                Opened::Result(result) => result.need_result().map(Ok),
                Opened::Error(error) => Ok(Err(error)),
            },
        }
    }

    /// Reads a part of what [`read_content`](Self::read_content) reads, without the tolerant rules where the body needs none: what
    /// polling does most. `T` copies nothing of what it does not need.
    pub(super) fn skim<T: FromWire>(&self, body: &[u8]) -> Result<T, ReadError> {
        let plain = match self.binding() {
            Binding::HttpJson => serde_json::from_slice::<Bare<T>>(body)
                .map(|bare| bare.0)
                .ok(),
            Binding::JsonRpc => match serde_json::from_slice(body).map(open) {
                Ok(Ok(Opened::Result(Taken::Is(result)))) => Some(result),
                _ => None,
            },
        };
        // What fails is read again by the tolerant rules, which also word the error.
        plain.map_or_else(|| self.read_content(body), Ok)
    }
}

/// Adds the version that this client speaks.
pub(super) fn with_version(request: Request) -> Result<Request, BuildError> {
    request.header(VERSION_HEADER, HeaderValue::from_static(VERSION))
}

/// A body without anything around it.
struct Bare<T>(T);

impl<'de, T: FromWire> Deserialize<'de> for Bare<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::read(deserializer).map(Self)
    }
}

/// A reply in the JSON-RPC binding, in one pass.
struct Envelope<T> {
    id: Option<Token>,
    has_result: bool,
    result: Taken<T>,
    error: Option<ErrorBody>,
}

/// What an envelope holds.
enum Opened<T> {
    Result(Taken<T>),
    Error(Box<ErrorBody>),
}

trait NeedResult<T> {
    fn need_result(self) -> Result<T, ReadError>;
}

impl<T: FromWire> NeedResult<T> for Taken<T> {
    fn need_result(self) -> Result<T, ReadError> {
        match self {
            Taken::Is(value) => Ok(value),
            Taken::Null | Taken::Not(_) => Err(ReadError::new(
                ReadErrorKind::Shape,
                format!("the result is something else than {}", T::EXPECTED),
            )),
        }
    }
}

/// Checks an envelope: it answers our request, with a result or with an error. A reply without an id is taken for ours,
/// since a lost start costs more than a server's mistake; one with another id is somebody else's.
fn open<T>(envelope: Envelope<T>) -> Result<Opened<T>, ReadError> {
    let shape = |detail: &str| Err(ReadError::new(ReadErrorKind::Shape, detail));
    if let Some(id) = &envelope.id
        && id.as_str() != "1"
    {
        return shape("it answers another request: its JSON-RPC id is not ours");
    }
    match envelope.error {
        Some(error) => Ok(Opened::Error(Box::new(error))),
        None if envelope.has_result => Ok(Opened::Result(envelope.result)),
        None => shape("it has neither a result nor an error, so it is no JSON-RPC reply"),
    }
}

impl<T: FromWire> FromWire for Envelope<T> {
    const EXPECTED: &'static str = "a JSON-RPC reply";
    const FALLIBLE: bool = true;

    fn from_seq<'de, A: SeqAccess<'de>>(_: A) -> Result<Taken<Self>, A::Error> {
        Err(A::Error::custom(
            "it is a batch of replies, and one was expected",
        ))
    }

    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Taken<Self>, A::Error> {
        let mut envelope = Self {
            id: None,
            has_result: false,
            result: Taken::Null,
            error: None,
        };
        let mut others = serde_json::Map::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.as_str() {
                "id" => wire::optional(&mut map, "id", &mut envelope.id, &mut others)?,
                "result" => {
                    envelope.has_result = true;
                    envelope.result = wire::value(&mut map)?;
                }
                "error" => wire::optional(&mut map, "error", &mut envelope.error, &mut others)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // An error that is no object is one without words.
        if envelope.error.is_none() && others.contains_key("error") {
            envelope.error = Some(ErrorBody::default());
        }
        Ok(Taken::Is(envelope))
    }
}

impl<'de, T: FromWire> Deserialize<'de> for Envelope<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::read(deserializer)
    }
}

/// Whether an envelope holds an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A result comes before any error.
    Result,
    /// There is an error.
    Error,
}

/// Looks whether a body is an envelope with a result, no further than to where the result begins: a reply with a large
/// task is judged by its first bytes. `None` if it is none, or has neither; reading it says why.
pub(super) fn verdict(body: &[u8]) -> Option<Verdict> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // It stops with an error on purpose.
    let _ = Glance(&mut found).deserialize(&mut deserializer);
    found
}

struct Glance<'a>(&'a mut Option<Verdict>);

impl<'de> DeserializeSeed<'de> for Glance<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Glance<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON-RPC reply")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let verdict = match key.as_str() {
                "result" => Verdict::Result,
                "error" => Verdict::Error,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Some servers write both, one of them null.
            if map.next_value_seed(IsSomething)? {
                *self.0 = Some(verdict);
                return Err(A::Error::custom("enough is known"));
            }
        }
        Ok(())
    }
}

/// Whether a value is something else than null; of an object or an array it reads nothing.
struct IsSomething;

impl<'de> DeserializeSeed<'de> for IsSomething {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> serde::de::Visitor<'de> for IsSomething {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<bool, D::Error> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_judged_no_further_than_to_where_its_result_begins() {
        use Verdict::{Error, Result};
        for (body, found) in [
            (r#"{"result":{"id":"#, Some(Result)),
            (r#"{"jsonrpc":"2.0","id":1,"result":["#, Some(Result)),
            (r#" { "result" : "x" , broken"#, Some(Result)),
            (r#"{"result":7"#, Some(Result)),
            (r#"{"error":{"code":"#, Some(Error)),
            (r#"{"error":null,"result":null,"id":1}"#, None),
            (r#"{"result":null,"error":{"code":-1}}"#, Some(Error)),
            (r#"{"id":{"result":{}},"params":[{"error":{}}]}"#, None),
            (r#"{"re\u0073ult":{}}"#, Some(Result)),
            ("{}", None),
            ("[{\"result\":{}}]", None),
            ("", None),
            ("data: {\"result\":{}}", None),
            ("<html>", None),
        ] {
            assert_eq!(verdict(body.as_bytes()), found, "{body}");
        }
    }
}
