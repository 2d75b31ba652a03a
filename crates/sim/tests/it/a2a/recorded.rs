//! What the Python SDK sent, exchange by exchange, against what the profile `py` makes of the same requests.
//!
//! The recording is ours (a2a-sdk 1.3.0, its agent a script): ids stand as `<1>`, `<2>` and so on, times as `<time>`,
//! cursors as `<token>`, and what only Python says as `<any>`; `at` is when a request was sent, in milliseconds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use taskward_sim::{Answer, Reply, Request, SimBody};

use super::world::{START, World, data};
use crate::common::header;

const RECORDED: &str = include_str!("recorded-py.json");

/// The ids of the simulator by those of the recording.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Puts the ids of the simulator into what the recording says; unknown ones are the client's own.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (ours, theirs) in &self.0 {
            text = text.replace(ours, theirs);
        }
        text
    }

    /// Compares what was found with the recording, and learns ids.
    fn compare(&mut self, recorded: &Value, found: &Value, place: &str) {
        match (recorded, found) {
            (Value::Object(recorded), Value::Object(found)) => {
                let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(recorded), names(found), "{place}");
                for (name, value) in recorded {
                    self.compare(value, &found[name], &format!("{place}.{name}"));
                }
            }
            (Value::Array(recorded), Value::Array(found)) => {
                assert_eq!(recorded.len(), found.len(), "{place}: {found:?}");
                for (at, value) in recorded.iter().enumerate() {
                    self.compare(value, &found[at], &format!("{place}[{at}]"));
                }
            }
            (Value::String(recorded), Value::String(found)) => self.text(recorded, found, place),
            (recorded, found) => assert_eq!(recorded, found, "{place}"),
        }
    }

    fn text(&mut self, recorded: &str, found: &str, place: &str) {
        match recorded {
            "<any>" | "<token>" => assert!(!found.is_empty(), "{place}"),
            "<time>" => {
                let form = "2026-11-29T21:02:59.281585Z";
                assert!(
                    found.len() == form.len() && found.ends_with('Z'),
                    "{place}: {found}"
                );
            }
            id if id.starts_with('<') && !self.0.contains_key(id) => {
                let is_new = !self.0.values().any(|known| known == found);
                assert!(is_new, "{place}: {found} is known by another name");
                self.0.insert(id.to_owned(), found.to_owned());
            }
            text => assert_eq!(self.fill(text), found, "{place}"),
        }
    }
}

fn request(exchange: &Value, ids: &mut Ids) -> Request {
    let text = |name: &str| exchange[name].as_str().unwrap_or_default();
    let mut request = Request::new(text("method"), &ids.fill(text("path")));
    request = request.header("A2A-Version", exchange["version"].as_str().unwrap_or("1.0"));
    let body = match exchange.get("body") {
        Some(body) => {
            // What the client made up is known from here on.
            let own = body.to_string();
            for id in own.split('"').filter(|word| word.starts_with('<')) {
                let client = format!("client {}", id.trim_matches(['<', '>']));
                ids.0.entry(id.to_owned()).or_insert(client);
            }
            ids.fill(&own)
        }
        None => text("text").to_owned(),
    };
    request.body = SimBody::Bytes(body.into_bytes());
    request
}

fn compare_reply(exchange: &Value, reply: &Reply, ids: &mut Ids, place: &str) {
    assert_eq!(exchange["status"], reply.status, "{place}");
    let media_type = header(reply, "content-type").map(|kind| kind.split(';').next());
    let expected = exchange["type"].as_str().map(Some);
    assert_eq!(media_type, expected, "{place}");
    match &exchange["reply"] {
        Value::String(text) => assert_eq!(text.as_bytes(), reply.body, "{place}"),
        value => ids.compare(value, &reply.value(), place),
    }
}

fn replay(name: &str) {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let mut world = World::new("profile = 'py'");
    let mut ids = Ids::default();
    for exchange in recorded[name].as_array().unwrap() {
        let place = format!("{name}: {}", exchange["title"].as_str().unwrap());
        world.now = world.now.max(START + exchange["at"].as_u64().unwrap());
        if exchange["restart"] == true {
            world.server.restart(world.now);
            continue;
        }
        let request = request(exchange, &mut ids);
        match world.ask(request) {
            Answer::Stream { head, id } => {
                let kind = header(&head, "content-type").unwrap();
                assert_eq!(exchange["type"], kind, "{place}");
                // The client of the recording waited no longer.
                let until = world.now + 20_000;
                let mut frames = Vec::new();
                let ended = loop {
                    let (more, ended) = world.pulled(id);
                    frames.extend(more);
                    match world.server.next_change().filter(|at| *at <= until) {
                        Some(at) if !ended => world.now = at,
                        _ => break ended,
                    }
                };
                assert_eq!(exchange["ended"], ended, "{place}");
                let events = frames.iter().filter(|frame| frame.seq.is_some());
                let events = Value::Array(events.map(data).collect());
                ids.compare(&exchange["events"], &events, &place);
            }
            Answer::Later { id } => {
                let reply = world.wait(id);
                compare_reply(exchange, &reply, &mut ids, &place);
            }
            Answer::Whole(reply) => compare_reply(exchange, &reply, &mut ids, &place),
        }
    }
}

#[test]
fn starts_reads_and_what_a_finished_task_refuses() {
    replay("rest-basic");
}

#[test]
fn what_is_refused_over_http_json() {
    replay("rest-errors");
}

#[test]
fn repeated_messages_contexts_and_lists() {
    replay("duplicate-message-id");
}

#[test]
fn streams_to_each_kind_of_end() {
    replay("rest-stream");
}

#[test]
fn cancels_taken_and_refused() {
    replay("rest-cancel");
}

#[test]
fn questions_answers_and_unasked_messages() {
    replay("rest-messages");
}

#[test]
fn the_same_over_json_rpc() {
    replay("jsonrpc");
}

#[test]
fn push_configurations() {
    replay("push");
}

#[test]
fn a_restart_over_a_store() {
    replay("restart");
}
