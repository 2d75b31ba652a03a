//! A client of the pure machine: keeps the time and the key, and speaks both bindings.

use serde_json::{Value, json};
use taskward_sim::a2a::Server;
use taskward_sim::{Answer, Frame, Pulled, Reply, Request, Scenario, StreamId};

pub(crate) const START: u64 = 1_778_580_900_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Rest,
    Rpc,
}

/// What an operation gives: its result, or the reason of its refusal with status and number.
pub(crate) type Outcome = Result<Value, (String, i64)>;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: u64,
    /// In front of the paths: empty, or `/agents/NAME`.
    pub(crate) agent: String,
    messages: u64,
}

impl World {
    /// Sets up the platform with these switches, for the agent `script`.
    pub(crate) fn new(switches: &str) -> Self {
        Self::with(&format!("[a2a]\n{switches}"))
    }

    pub(crate) fn with(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).unwrap();
        Self {
            server: Server::new(7, &scenario, START),
            now: START,
            agent: "/agents/script".to_owned(),
            messages: 0,
        }
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    /// Adds the credential and the version, unless they are there.
    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        let mut request = request;
        if request.head.header("authorization").is_none() {
            let key = format!("Bearer {}", self.server.api_key());
            request = request.header("Authorization", &key);
        }
        if request.head.header("a2a-version").is_none() {
            request = request.header("A2A-Version", "1.0");
        }
        self.server.handle(request, self.now)
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn send(&mut self, request: Request) -> Reply {
        match self.ask(request) {
            Answer::Later { id } => self.wait(id),
            answer => answer.into_reply(),
        }
    }

    /// Waits for a reply that is yet to come.
    pub(crate) fn wait(&mut self, id: StreamId) -> Reply {
        loop {
            if let Some(reply) = self.server.late_reply(id, self.now) {
                return reply;
            }
            self.now = self.server.next_change().expect("the reply never comes");
        }
    }

    pub(crate) fn rest(&self, method: &str, path: &str) -> Request {
        Request::new(method, &format!("{}/rest{path}", self.agent))
    }

    pub(crate) fn rpc(&self, method: &str, parameters: &Value) -> Request {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        Request::new("POST", &format!("{}/rpc", self.agent)).json(&body)
    }

    /// Returns a message of the user with an id of its own.
    pub(crate) fn message(&mut self, text: &str) -> Value {
        self.messages += 1;
        let id = format!("m{}", self.messages);
        json!({ "messageId": id, "role": "ROLE_USER", "parts": [{ "text": text }] })
    }

    /// Returns the parameters of a message that wants the first event.
    pub(crate) fn hasty(&mut self, text: &str) -> Value {
        let message = self.message(text);
        json!({ "message": message, "configuration": { "returnImmediately": true } })
    }

    /// Calls an operation by its method of JSON-RPC, in either binding.
    pub(crate) fn call(&mut self, binding: Binding, method: &str, given: &Value) -> Outcome {
        let request = match binding {
            Binding::Rpc => self.rpc(method, given),
            Binding::Rest => self.as_rest(method, given),
        };
        outcome(&self.send(request))
    }

    /// Opens a stream in either binding.
    pub(crate) fn open(
        &mut self,
        binding: Binding,
        method: &str,
        given: &Value,
    ) -> Result<StreamId, (String, i64)> {
        let request = match binding {
            Binding::Rpc => self.rpc(method, given),
            Binding::Rest => self.as_rest(method, given),
        };
        match self.ask(request) {
            Answer::Stream { id, .. } => Ok(id),
            answer => Err(outcome(&answer.into_reply()).unwrap_err()),
        }
    }

    fn as_rest(&self, method: &str, given: &Value) -> Request {
        let text = |name: &str| given[name].as_str().unwrap_or_default().replace('%', "%25");
        let escaped = |name: &str| text(name).replace('/', "%2F").replace(' ', "%20");
        let of = |name: &str| format!("/tasks/{}", escaped(name));
        let query = |left_out: &[&str]| {
            let given = given.as_object().cloned().unwrap_or_default();
            let pairs = given
                .iter()
                .filter(|(name, _)| !left_out.contains(&name.as_str()));
            let pair = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}={}", text.replace('=', "%3D")),
                value => format!("{name}={value}"),
            };
            pairs.map(pair).collect::<Vec<_>>().join("&")
        };
        let configs = format!("{}/pushNotificationConfigs", of("taskId"));
        let config = format!("{configs}/{}", text("id"));
        match method {
            "SendMessage" => self.rest("POST", "/message:send").json(given),
            "SendStreamingMessage" => self.rest("POST", "/message:stream").json(given),
            "GetTask" => self.rest("GET", &format!("{}?{}", of("id"), query(&["id"]))),
            "ListTasks" => self.rest("GET", &format!("/tasks?{}", query(&[]))),
            "CancelTask" => self.rest("POST", &format!("{}:cancel", of("id"))),
            "SubscribeToTask" => self.rest("GET", &format!("{}:subscribe", of("id"))),
            "CreateTaskPushNotificationConfig" => self.rest("POST", &configs).json(given),
            "ListTaskPushNotificationConfigs" => self.rest("GET", &configs),
            "GetTaskPushNotificationConfig" => self.rest("GET", &config),
            "DeleteTaskPushNotificationConfig" => self.rest("DELETE", &config),
            "GetExtendedAgentCard" => self.rest("GET", "/extendedAgentCard"),
            _ => unreachable!("{method}"),
        }
    }

    /// Starts a task over HTTP+JSON without waiting for it; gives its id.
    pub(crate) fn start(&mut self, text: &str) -> String {
        let given = self.hasty(text);
        let sent = self.call(Binding::Rest, "SendMessage", &given).unwrap();
        sent["task"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn say(&mut self, task: &str, text: &str) -> Outcome {
        let mut given = self.hasty(text);
        given["message"]["taskId"] = json!(task);
        self.call(Binding::Rest, "SendMessage", &given)
    }

    pub(crate) fn get(&mut self, task: &str) -> Value {
        self.call(Binding::Rest, "GetTask", &json!({ "id": task }))
            .unwrap()
    }

    pub(crate) fn state(&mut self, task: &str) -> String {
        self.get(task)["status"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn cancel(&mut self, task: &str) -> Outcome {
        self.call(Binding::Rest, "CancelTask", &json!({ "id": task }))
    }

    pub(crate) fn subscribe(&mut self, task: &str) -> StreamId {
        let given = json!({ "id": task });
        self.open(Binding::Rest, "SubscribeToTask", &given).unwrap()
    }

    pub(crate) fn stream(&mut self, text: &str) -> StreamId {
        let given = json!({ "message": self.message(text) });
        self.open(Binding::Rest, "SendStreamingMessage", &given)
            .unwrap()
    }

    /// Returns what a stream has to send by now, and whether it has ended.
    pub(crate) fn pulled(&mut self, stream: StreamId) -> (Vec<Frame>, bool) {
        let mut all = Vec::new();
        loop {
            match self.server.pull(stream, self.now) {
                Pulled::Frames(frames) => all.extend(frames),
                Pulled::Pending => return (all, false),
                Pulled::End => return (all, true),
            }
        }
    }

    /// Lets time pass until a stream ends, or nothing happens by itself; gives the data of its events, and whether it has
    /// ended.
    pub(crate) fn drain(&mut self, stream: StreamId) -> (Vec<Value>, bool) {
        let mut events = Vec::new();
        let until = self.now + 60_000;
        loop {
            let (frames, ended) = self.pulled(stream);
            events.extend(frames.iter().filter(|frame| frame.seq.is_some()).map(data));
            let next = self.server.next_change().filter(|at| *at < until);
            match next {
                Some(at) if !ended => self.now = at,
                _ => return (events, ended),
            }
        }
    }
}

/// Returns what a reply says, in whichever binding.
pub(crate) fn outcome(reply: &Reply) -> Outcome {
    let body = reply.value();
    let error = &body["error"];
    if !error.is_null() {
        let details = error.get("details").or(error.get("data"));
        let reason = details.and_then(|details| details[0]["reason"].as_str());
        let reason = reason.unwrap_or_default().to_owned();
        let code = error["code"].as_i64().unwrap_or(i64::from(reply.status));
        return Err((reason, code));
    }
    match body.get("result") {
        Some(result) => Ok(result.clone()),
        None if reply.status == 200 => Ok(body),
        None => Err((String::new(), i64::from(reply.status))),
    }
}

/// Returns the data of a frame.
pub(crate) fn data(frame: &Frame) -> Value {
    let text = std::str::from_utf8(&frame.bytes).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap()).unwrap()
}
