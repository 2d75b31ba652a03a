//! An agent as its card describes it, and the protocol's operations in both of its bindings.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::http::{Reply, Request};

/// One of the two ways in which an operation goes over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Rest,
    Rpc,
}

pub(crate) const BINDINGS: [Binding; 2] = [Binding::Rest, Binding::Rpc];

impl Binding {
    /// Returns its name in tables and in the names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Rpc => "rpc",
        }
    }

    /// Returns its name in a card.
    fn in_card(self) -> &'static str {
        match self {
            Self::Rest => "HTTP+JSON",
            Self::Rpc => "JSONRPC",
        }
    }
}

/// Where an agent is reached in one binding.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) binding: Binding,
    pub(crate) port: u16,
    /// The path of the interface's address.
    path: String,
    pub(crate) card: Value,
}

impl Agent {
    /// Reads the card; none if it does not offer this binding.
    pub(crate) fn find(card: &str, binding: Binding) -> Result<Option<Self>> {
        let (port, path) = split(card).with_context(|| format!("not on loopback: {card}"))?;
        let card = Request::get(port, path).send()?.json()?;
        let interfaces = card["supportedInterfaces"].as_array().into_iter().flatten();
        let mut of_binding =
            interfaces.filter(|interface| interface["protocolBinding"] == binding.in_card());
        let Some(interface) = of_binding.next() else {
            return Ok(None);
        };
        let url = interface["url"].as_str().unwrap_or_default();
        let (port, path) = split(url).with_context(|| format!("not on loopback: {url:?}"))?;
        let path = path.to_owned();
        Ok(Some(Self {
            binding,
            port,
            path,
            card,
        }))
    }

    /// Returns the request of an operation, named as in JSON-RPC.
    pub(crate) fn request(&self, operation: &str, params: &Value) -> Request {
        let request = match self.binding {
            Binding::Rpc => {
                let body =
                    json!({"jsonrpc": "2.0", "id": 1, "method": operation, "params": params});
                Request::post(self.port, &self.path, &body)
            }
            Binding::Rest => self.rest(operation, params),
        };
        let request = request.header("A2A-Version", "1.0");
        request.header("Accept", "application/json, text/event-stream")
    }

    fn rest(&self, operation: &str, params: &Value) -> Request {
        let id = |name: &str| encoded(params[name].as_str().unwrap_or_default());
        let get = |path: String| Request::get(self.port, &format!("{}{path}", self.path));
        let post = |path: &str, body: &Value| {
            Request::post(self.port, &format!("{}{path}", self.path), body)
        };
        let configs = format!("/tasks/{}/pushNotificationConfigs", id("taskId"));
        match operation {
            "SendMessage" => post("/message:send", params),
            "SendStreamingMessage" => post("/message:stream", params),
            "GetTask" => get(format!("/tasks/{}{}", id("id"), query(params, &["id"]))),
            "ListTasks" => get(format!("/tasks{}", query(params, &[]))),
            "CancelTask" => post(&format!("/tasks/{}:cancel", id("id")), &json!({})),
            "SubscribeToTask" => get(format!("/tasks/{}:subscribe", id("id"))),
            "CreateTaskPushNotificationConfig" => post(&configs, params),
            "ListTaskPushNotificationConfigs" => get(configs),
            "GetTaskPushNotificationConfig" => get(format!("{configs}/{}", id("id"))),
            "DeleteTaskPushNotificationConfig" => Request {
                method: "DELETE",
                ..get(format!("{configs}/{}", id("id")))
            },
            "GetExtendedAgentCard" => get("/extendedAgentCard".to_owned()),
            other => get(format!("/{other}")),
        }
    }

    /// Sends an operation and returns what came of it, without the binding's wrapping.
    pub(crate) fn call(&self, operation: &str, params: &Value) -> Result<Outcome> {
        self.outcome(self.request(operation, params).send()?)
    }

    /// Returns what a reply says.
    pub(crate) fn outcome(&self, reply: Reply) -> Result<Outcome> {
        if reply.content_type.starts_with("text/event-stream") {
            return Ok(Outcome::Stream(reply));
        }
        let (status, kind) = (reply.status, reply.content_type.clone());
        let text = reply.text()?;
        let Ok(mut body) = serde_json::from_str::<Value>(&text) else {
            return Ok(Outcome::Refused(Refusal::Text { status, kind }));
        };
        if !body["error"].is_null() {
            let error = body["error"].take();
            return Ok(Outcome::Refused(Refusal::Error {
                status,
                kind,
                error,
            }));
        }
        if self.binding == Binding::Rpc {
            body = body["result"].take();
        }
        Ok(Outcome::Done { status, kind, body })
    }

    /// Reads the next event of a stream, without the binding's wrapping.
    pub(crate) fn event(&self, stream: &mut Reply) -> Result<Option<(String, Value)>> {
        let Some(event) = stream.event()? else {
            return Ok(None);
        };
        let mut data: Value = serde_json::from_str(&event.data)
            .with_context(|| format!("no JSON in an event: {:?}", event.data))?;
        if self.binding == Binding::Rpc && !data["result"].is_null() {
            data = data["result"].take();
        }
        Ok(Some((event.name, data)))
    }
}

/// What came of an operation.
pub(crate) enum Outcome {
    Done {
        status: u16,
        kind: String,
        body: Value,
    },
    Refused(Refusal),
    Stream(Reply),
}

/// How it was refused.
pub(crate) enum Refusal {
    Error {
        status: u16,
        kind: String,
        error: Value,
    },
    Text {
        status: u16,
        kind: String,
    },
}

/// Splits an address on the loopback interface into port and path with query.
fn split(url: &str) -> Option<(u16, &str)> {
    let rest = url.strip_prefix("http://127.0.0.1:")?;
    let (port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((port.parse().ok()?, path))
}

/// Returns the parameters as a query, with its question mark; nothing if there are none.
fn query(params: &Value, without: &[&str]) -> String {
    let params = params.as_object().into_iter().flatten();
    let params = params.filter(|(name, _)| !without.contains(&name.as_str()));
    let pairs: Vec<String> = params
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={}", encoded(text)),
            other => format!("{name}={other}"),
        })
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// Encodes what a path's segment may not hold.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_request_in_each_binding() {
        let mut agent = Agent {
            binding: Binding::Rest,
            port: 1,
            path: "/rest".to_owned(),
            card: Value::Null,
        };
        let params = json!({"id": "a:b/c", "historyLength": 0});
        let request = agent.request("GetTask", &params);
        assert_eq!(
            (request.method, request.path.as_str(), request.body),
            ("GET", "/rest/tasks/a%3Ab%2Fc?historyLength=0", None)
        );
        agent.binding = Binding::Rpc;
        let request = agent.request("GetTask", &params);
        let body = r#"{"id":1,"jsonrpc":"2.0","method":"GetTask","params":{"historyLength":0,"id":"a:b/c"}}"#;
        assert_eq!(
            (
                request.method,
                request.path.as_str(),
                request.body.as_deref()
            ),
            ("POST", "/rest", Some(body))
        );
    }
}
