//! Event streams over plain sockets: what is sent, when, and how it ends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use taskward_sim::harness::DashboardAction;
use taskward_sim::{Scenario, Sim};

use crate::http::{connect, exchange, get, head, json_request, raw, read_reply, start, still};

/// Returns a request to Agent Harness without a body.
pub(crate) fn harness_head(sim: &Sim, method: &str, path: &str, fields: &str) -> String {
    let key = sim.harness().api_key;
    format!("{method} {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key}\r\n{fields}\r\n")
}

pub(crate) fn harness_json(sim: &Sim, path: &str, fields: &str, body: &Value) -> String {
    let body = body.to_string();
    let fields = format!(
        "{fields}Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    harness_head(sim, "POST", path, &fields) + &body
}

/// Creates a run and gives its id.
pub(crate) fn create(sim: &Sim, input: &Value) -> String {
    let request = harness_json(
        sim,
        "/v1/runs",
        "Idempotency-Key: k\r\n",
        &json!({ "input": input }),
    );
    let (status, body) = exchange(sim, &request);
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// Returns a run that was approved and has succeeded.
pub(crate) fn finished(sim: &Sim) -> String {
    let run = create(sim, &json!({ "goal": "x" }));
    sim.advance(Duration::from_secs(10));
    sim.harness_dashboard(&run, DashboardAction::Approve)
        .unwrap();
    sim.advance(Duration::from_secs(10));
    run
}

pub(crate) fn stream_request(sim: &Sim, run: &str, fields: &str) -> String {
    let path = format!("/v1/runs/{run}/events/stream");
    harness_head(sim, "GET", &path, fields)
}

/// Everything that comes on a stream whose connection ends: head, text, whether the last chunk was there, the error.
pub(crate) fn streamed(
    sim: &Sim,
    run: &str,
    fields: &str,
) -> (String, String, bool, Option<ErrorKind>) {
    let fields = format!("Connection: close\r\n{fields}");
    let (bytes, error) = raw(sim, &stream_request(sim, run, &fields));
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (text, is_whole) = dechunked(&bytes[end..]);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    (head, text, is_whole, error)
}

/// Returns the text in chunks, as far as it goes, and whether the last chunk ends it.
fn dechunked(mut bytes: &[u8]) -> (String, bool) {
    let mut text = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n") else {
            return (String::from_utf8(text).unwrap(), false);
        };
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            return (String::from_utf8(text).unwrap(), bytes == b"\r\n");
        }
        let here = size.min(bytes.len());
        text.extend_from_slice(&bytes[..here]);
        bytes = bytes.get(here + 2..).unwrap_or_default();
    }
}

/// Returns the sequence numbers of a text's events, in order.
pub(crate) fn seqs(text: &str) -> Vec<u64> {
    events(text)
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Returns an open stream whose head has been read.
pub(crate) fn open(sim: &Sim, run: &str) -> TcpStream {
    let mut stream = connect(sim);
    stream
        .write_all(stream_request(sim, run, "").as_bytes())
        .unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    stream
}

/// Reads, byte by byte so as to take nothing of what follows, until the text has come.
pub(crate) fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(text.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

/// Returns whether nothing has come on a connection, once the simulator has answered somebody else.
pub(crate) fn is_silent(sim: &Sim, stream: &mut TcpStream) -> bool {
    assert_eq!(get(sim, "/_sim").0, 200);
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_run_is_streamed_from_its_creation_to_its_end() {
    let sim = still().spawn().unwrap();
    let run = finished(&sim);
    let (head, text, is_whole, error) = streamed(&sim, &run, "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for field in [
        "content-type: text/event-stream",
        "transfer-encoding: chunked",
    ] {
        assert!(head.contains(field), "{head}");
    }
    assert!(is_whole && error.is_none());
    let events = events(&text);
    assert_eq!(events[0]["type"], "run.created");
    assert_eq!(events.last().unwrap()["type"], "run.worker.succeeded");
    assert!(seqs(&text).is_sorted());
    let page = exchange(
        &sim,
        &harness_head(&sim, "GET", &format!("/v1/runs/{run}/events"), ""),
    );
    assert_eq!(page.1["events"], json!(events));
}

#[test]
fn a_connection_carries_another_request_behind_a_stream() {
    let sim = still().spawn().unwrap();
    let run = finished(&sim);
    let mut stream = open(&sim, &run);
    let next = harness_head(&sim, "GET", &format!("/v1/runs/{run}"), "");
    stream.write_all(next.as_bytes()).unwrap();
    read_until(&mut stream, "\r\n0\r\n\r\n");
    let (status, _, body) = read_reply(&mut stream);
    let read: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &read["status"]), (200, &json!("succeeded")));
}

#[test]
fn a_client_without_chunks_gets_a_stream_that_ends_with_its_connection() {
    let sim = still().spawn().unwrap();
    let run = finished(&sim);
    let request = stream_request(&sim, &run, "").replace("HTTP/1.1", "HTTP/1.0");
    let (bytes, error) = raw(&sim, &request);
    let reply = String::from_utf8(bytes).unwrap();
    let (head, text) = reply.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked") && head.contains("connection: close"));
    assert_eq!((text, error), (streamed(&sim, &run, "").1.as_str(), None));
}

#[test]
fn time_that_is_moved_wakes_a_stream() {
    let sim = still().spawn().unwrap();
    let run = create(&sim, &json!({}));
    let mut stream = open(&sim, &run);
    read_until(&mut stream, "\"run.created\"");
    read_until(&mut stream, "\n\n\r\n");
    assert!(is_silent(&sim, &mut stream));
    sim.advance(Duration::from_secs(10));
    read_until(&mut stream, "run.awaiting_input");
    read_until(&mut stream, "\n\n\r\n");
    assert!(is_silent(&sim, &mut stream));
    sim.advance(Duration::from_secs(15));
    read_until(&mut stream, ": heartbeat");
    sim.harness_dashboard(&run, DashboardAction::Approve)
        .unwrap();
    sim.advance(Duration::from_secs(10));
    read_until(&mut stream, "run.worker.succeeded");
    read_until(&mut stream, "\r\n0\r\n\r\n");
}

#[test]
fn time_that_runs_brings_events_as_they_come_due() {
    let sim = Sim::builder().speed(50.0).spawn().unwrap();
    let input = json!({ "scenario": "long-stream", "events": 40, "interval_ms": 250 });
    let run = create(&sim, &input);
    let before = sim.now();
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(is_whole);
    assert!(sim.now() - before >= 9_000, "no event is early");
    assert_eq!(
        events(&text).last().unwrap()["type"],
        "run.worker.succeeded"
    );
}

#[test]
fn a_signal_wakes_the_stream_of_its_run_at_once() {
    let scenario = Scenario::parse("[agent_harness]\nlifecycle_events = true").unwrap();
    let sim = still().scenario(scenario).spawn().unwrap();
    let run = create(&sim, &json!({}));
    sim.advance(Duration::from_secs(10));
    let mut stream = open(&sim, &run);
    read_until(&mut stream, "run.awaiting_input");
    read_until(&mut stream, "\n\n\r\n");
    let path = format!("/v1/runs/{run}/signal");
    let signal = harness_json(&sim, &path, "", &json!({ "action": "approve" }));
    assert_eq!(exchange(&sim, &signal).0, 200);
    // No time has passed: the signal itself is the news.
    read_until(&mut stream, "approve");
}

#[test]
fn a_client_that_reads_nothing_holds_back_the_platform() {
    let sim = still().spawn().unwrap();
    let events = 400_000;
    let input = json!({ "scenario": "long-stream", "events": events, "interval_ms": 0, "delta_bytes": 100 });
    let run = create(&sim, &input);
    sim.advance(Duration::from_secs(10));
    let mut stream = open(&sim, &run);
    // An unhindered stream would send some 64 KiB between any two of these, forty times what buffers hold.
    for _ in 0..1_500 {
        assert_eq!(get(&sim, "/_sim").0, 200);
    }
    sim.reset();
    let mut sent = 0;
    let mut piece = vec![0; 1 << 16];
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => sent += count,
        }
    }
    assert!(sent > 64 << 10, "only {sent} bytes came at all");
    assert!(sent < 16 << 20, "{sent} bytes went out to nobody");
}

#[test]
fn a_long_stream_comes_whole() {
    let sim = still().spawn().unwrap();
    let events = 30_000;
    let input = json!({ "scenario": "long-stream", "events": events, "interval_ms": 0 });
    let run = create(&sim, &input);
    sim.advance(Duration::from_secs(10));
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(is_whole && text.matches("content_delta").count() >= events);
}

#[test]
fn a_reset_cuts_open_streams_and_forgets_their_runs() {
    let sim = still().spawn().unwrap();
    let run = create(&sim, &json!({}));
    let mut stream = open(&sim, &run);
    read_until(&mut stream, "\r\n");
    sim.reset();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a cut is no end");
    assert_eq!(sim.harness_stats().runs, 0);
}

#[test]
fn one_port_serves_both_platforms() {
    let sim = still().spawn().unwrap();
    let task = start(&sim, "echo", "x");
    let run = create(&sim, &json!({}));
    assert_eq!(get(&sim, &format!("/api/v1/tasks/{task}")).0, 200);
    let read = |key: &str| {
        let path = format!("/v1/runs/{run}");
        let request = harness_head(&sim, "GET", &path, "");
        exchange(&sim, &request.replace(&sim.harness().api_key, key)).0
    };
    assert_eq!(read(&sim.harness().api_key), 200);
    assert_eq!(read(&sim.nanonets().api_key), 401, "keys are not shared");
    let health = "GET /health/live HTTP/1.1\r\nHost: sim\r\n\r\n";
    assert_eq!(exchange(&sim, health).0, 200);
    let spec = "GET /openapi.json HTTP/1.1\r\nHost: sim\r\n\r\n";
    assert!(exchange(&sim, spec).1["paths"]["/v1/runs"].is_object());
    let stats = get(&sim, "/_sim/stats").1;
    assert_eq!((&stats["tasks"], &stats["starts"]), (&json!(1), &json!(1)));
    let harness = &stats["agent-harness"];
    assert_eq!(
        (&harness["runs"], &harness["starts"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(harness["per_run"][&run]["requests"]["read_run"], 1);
}

#[test]
fn the_log_names_the_run_of_each_request() {
    let sim = still().spawn().unwrap();
    let run = finished(&sim);
    streamed(&sim, &run, "");
    let log = sim.requests();
    let told: Vec<_> = log
        .iter()
        .map(|record| (record.endpoint, record.status, record.task.as_deref()))
        .collect();
    let expected = [
        ("create_run", Some(201), Some(run.as_str())),
        ("stream", Some(200), Some(run.as_str())),
    ];
    assert_eq!(told, expected);
    assert!(log.iter().all(|record| record.applied));
}

#[test]
fn the_dashboard_of_runs_is_among_the_service_endpoints() {
    let sim = still().spawn().unwrap();
    let act = |action: &str, body: Value| {
        sim.reset();
        let run = create(&sim, &json!({}));
        sim.advance(Duration::from_secs(10));
        let path = format!("/_sim/dashboard/runs/{run}/{action}");
        let (status, _) = exchange(&sim, &json_request(&sim, "POST", &path, &body));
        sim.advance(Duration::from_secs(10));
        let stats = get(&sim, "/_sim/stats").1;
        let stats = &stats["agent-harness"];
        let run = stats["per_run"][&run]["status"].clone();
        (status, run, stats["waits"][0]["applied"].clone())
    };
    let (yes, no) = (json!(1), json!(0));
    let check = |action: &str, body: Value, expected: (u16, &str, &Value)| {
        let (status, run, applied) = act(action, body);
        assert_eq!((status, run.as_str().unwrap(), &applied), expected);
    };
    check("approve", Value::Null, (200, "succeeded", &yes));
    check("reject", Value::Null, (200, "failed", &yes));
    check("reject", json!({ "reason": "no" }), (200, "failed", &yes));
    check("input", json!({ "to": "all" }), (200, "succeeded", &yes));
    check("cancel", Value::Null, (200, "cancelled", &no));
    check("stall", Value::Null, (409, "awaiting_input", &no));
    check("input", json!(["all"]), (400, "awaiting_input", &no));
    check("dance", Value::Null, (404, "awaiting_input", &no));
}

#[test]
fn a_manual_clock_moves_with_each_poll_at_a_run() {
    let sim = Sim::builder()
        .manual_clock(Duration::from_secs(1))
        .spawn()
        .unwrap();
    let run = create(&sim, &json!({}));
    let moved = |request: String| {
        let before = sim.now();
        exchange(&sim, &request);
        sim.now() - before
    };
    let path = format!("/v1/runs/{run}");
    assert_eq!(moved(harness_head(&sim, "GET", &path, "")), 1_000);
    let events = format!("{path}/events");
    assert_eq!(moved(harness_head(&sim, "GET", &events, "")), 1_000);
    assert_eq!(moved(harness_head(&sim, "GET", "/v1/usage", "")), 0);
    assert_eq!(moved(head(&sim, "GET", "/_sim/stats", "")), 0);
    let before = sim.now();
    open(&sim, &run);
    assert_eq!(sim.now(), before + 1_000);
}
