//! A client of the pure machine: keeps the time, the key and what it was answered.

use serde_json::{Value, json};
use taskward_sim::harness::{DashboardAction, Server};
use taskward_sim::{Answer, Frame, Pulled, Reply, Request, Scenario, StreamId};

pub(crate) const START: u64 = 1_778_580_900_000;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: u64,
    /// Method, path and reply (of a stream the head) of everything that was asked.
    pub(crate) trace: Vec<(String, String, Reply)>,
    keys: u64,
}

impl World {
    pub(crate) fn new(switches: &str) -> Self {
        Self::with(&format!("[agent_harness]\n{switches}"))
    }

    pub(crate) fn with(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).unwrap();
        Self {
            server: Server::new(7, &scenario, START),
            now: START,
            trace: Vec::new(),
            keys: 0,
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        let (method, path) = (request.head.method.clone(), request.head.path.clone());
        let request = match request.head.header("authorization") {
            Some(_) => request,
            None => {
                let key = format!("Bearer {}", self.server.api_key());
                request.header("Authorization", &key)
            }
        };
        let answer = self.server.handle(request, self.now);
        self.trace.push((method, path, answer.clone().into_reply()));
        answer
    }

    pub(crate) fn send(&mut self, request: Request) -> Reply {
        self.ask(request).into_reply()
    }

    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.send(Request::new("GET", target))
    }

    pub(crate) fn post(&mut self, target: &str, body: &Value) -> Reply {
        self.send(Request::new("POST", target).json(body))
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    pub(crate) fn create_with(&mut self, key: &str, body: &Value) -> Reply {
        let request = Request::new("POST", "/v1/runs").header("Idempotency-Key", key);
        self.send(request.json(body))
    }

    /// Creates a run under a key of its own; gives its id.
    pub(crate) fn create(&mut self, input: &Value) -> String {
        self.keys += 1;
        let reply = self.create_with(&format!("key {}", self.keys), &json!({ "input": input }));
        assert_eq!(reply.status, 201, "{:?}", reply.value());
        reply.value()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn scenario(&mut self, name: &str) -> String {
        self.create(&json!({ "scenario": name, "goal": "the report" }))
    }

    pub(crate) fn status(&mut self, run: &str) -> String {
        let reply = self.get(&format!("/v1/runs/{run}")).value();
        reply["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn signal(&mut self, run: &str, body: &Value) -> Reply {
        self.post(&format!("/v1/runs/{run}/signal"), body)
    }

    pub(crate) fn keyed_signal(&mut self, run: &str, key: &str, body: &Value) -> Reply {
        let request = Request::new("POST", &format!("/v1/runs/{run}/signal"));
        self.send(request.header("Idempotency-Key", key).json(body))
    }

    pub(crate) fn resume(&mut self, run: &str) -> Reply {
        self.send(Request::new("POST", &format!("/v1/runs/{run}/resume")))
    }

    pub(crate) fn dashboard(&mut self, run: &str, action: DashboardAction) -> Result<(), String> {
        self.server.dashboard(run, action, self.now)
    }

    /// Lets time pass until nothing happens by itself any more, or something waits for a human.
    pub(crate) fn settle(&mut self, run: &str) -> String {
        loop {
            let stats = self.server.stats();
            let status = stats.per_run[run].status.clone();
            if !["queued", "running"].contains(&status.as_str()) {
                return status;
            }
            self.now = self.server.next_change().unwrap();
            self.server.advance(self.now);
        }
    }

    /// Returns every event by now, through pages with the default wrapper.
    pub(crate) fn events(&mut self, run: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut target = format!("/v1/runs/{run}/events");
        loop {
            let page = self.get(&target).value();
            let items = page["events"].as_array().unwrap();
            if items.is_empty() {
                return events;
            }
            events.extend(items.iter().cloned());
            let cursor = page["next_cursor"].as_str().unwrap();
            target = format!("/v1/runs/{run}/events?cursor={cursor}");
        }
    }

    pub(crate) fn open(&mut self, run: &str) -> StreamId {
        self.open_behind(run, None)
    }

    pub(crate) fn open_behind(&mut self, run: &str, last_event_id: Option<&str>) -> StreamId {
        let request = Request::new("GET", &format!("/v1/runs/{run}/events/stream"));
        let request = match last_event_id {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        match self.ask(request) {
            Answer::Stream { id, .. } => id,
            other => panic!("no stream: {other:?}"),
        }
    }

    /// Returns the frames that a stream has now, and whether the server closes it behind them.
    pub(crate) fn drain(&mut self, stream: StreamId) -> (Vec<Frame>, bool) {
        let mut all = Vec::new();
        loop {
            match self.server.pull(stream, self.now) {
                Pulled::Frames(frames) => all.extend(frames),
                Pulled::Pending => return (all, false),
                Pulled::End => return (all, true),
            }
        }
    }

    /// Returns the sequence numbers that a stream has now.
    pub(crate) fn seqs(&mut self, stream: StreamId) -> Vec<u64> {
        let frames = self.drain(stream).0;
        frames.iter().filter_map(|frame| frame.seq).collect()
    }
}

/// Returns an event in a line: seconds since the start, number, type, and what matters of the payload.
pub(crate) fn line(event: &Value) -> String {
    let time: jiff::Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
    let ms = time.as_millisecond() as u64 - START;
    let value = &event["payload"]["value"];
    let seq = &event["seq"];
    let mut line = format!("{ms:>5} {seq} {}", event["type"].as_str().unwrap());
    for key in [
        "kind",
        "content",
        "content_delta",
        "outcome",
        "tool",
        "from_status",
        "to_status",
        "reason_code",
        "input_kind",
        "reason",
    ] {
        if let Some(text) = value[key].as_str() {
            line.push_str(&format!(" {text:?}"));
        }
    }
    line
}

/// Returns the text of a run: its fragments joined.
pub(crate) fn text(events: &[Value]) -> String {
    let fragments = events
        .iter()
        .filter_map(|event| event["payload"]["value"]["content_delta"].as_str());
    fragments.collect()
}

/// Returns the types of events, in order.
pub(crate) fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

/// Returns the event of a frame.
pub(crate) fn event(frame: &Frame) -> Value {
    let text = std::str::from_utf8(&frame.bytes).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap()).unwrap()
}
