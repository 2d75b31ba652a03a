//! The server on loopback, spoken to over plain sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Builder, Sim};

/// Returns a simulator whose time only moves when told to.
pub(crate) fn still() -> Builder {
    Sim::builder().manual_clock(Duration::ZERO)
}

pub(crate) fn connect(sim: &Sim) -> TcpStream {
    let stream = TcpStream::connect(sim.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

pub(crate) fn head(sim: &Sim, method: &str, path: &str, fields: &str) -> String {
    let key = sim.nanonets().api_key;
    format!("{method} {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key}\r\n{fields}\r\n")
}

pub(crate) fn json_request(sim: &Sim, method: &str, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    head(sim, method, path, &fields) + &body
}

pub(crate) fn run_request(sim: &Sim, agent: &str, query: &str) -> String {
    json_request(
        sim,
        "POST",
        &format!("/api/v1/agents/{}/run", sim.agent(agent)),
        &json!({ "query": query }),
    )
}

/// Reads the head of a reply and nothing behind it.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads one whole reply: status, head, body.
pub(crate) fn read_reply(stream: &mut TcpStream) -> (u16, String, Vec<u8>) {
    let head = read_head(stream);
    let length = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), head, body)
}

/// Sends a request on a connection of its own and reads its reply.
pub(crate) fn exchange(sim: &Sim, request: &str) -> (u16, Value) {
    let mut stream = connect(sim);
    stream.write_all(request.as_bytes()).unwrap();
    let (status, _, body) = read_reply(&mut stream);
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Sends a request and reads whatever comes until the connection ends.
pub(crate) fn raw(sim: &Sim, request: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = connect(sim);
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let end = stream
        .read_to_end(&mut bytes)
        .err()
        .map(|error| error.kind());
    (bytes, end)
}

pub(crate) fn start(sim: &Sim, agent: &str, query: &str) -> String {
    let (status, body) = exchange(sim, &run_request(sim, agent, query));
    assert_eq!(status, 201, "{body}");
    body["task_id"].as_str().unwrap().to_owned()
}

pub(crate) fn get(sim: &Sim, path: &str) -> (u16, Value) {
    exchange(sim, &head(sim, "GET", path, ""))
}

#[test]
fn one_connection_carries_a_whole_task() {
    let sim = still().spawn().unwrap();
    let mut stream = connect(&sim);
    let mut ask = |request: String| {
        stream.write_all(request.as_bytes()).unwrap();
        let (status, head, body) = read_reply(&mut stream);
        assert!(
            head.contains("content-type: application/json\r\n") && head.contains("date: "),
            "{head}"
        );
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (status, run) = ask(run_request(&sim, "echo", "hello"));
    assert_eq!(status, 201);
    let path = format!("/api/v1/tasks/{}", run["task_id"].as_str().unwrap());
    assert_eq!(ask(head(&sim, "GET", &path, "")).1["status"], "running");
    sim.advance(Duration::from_secs(2));
    assert_eq!(ask(head(&sim, "GET", &path, "")).1["status"], "completed");
    assert_eq!(
        ask(head(&sim, "GET", &format!("{path}/summary"), "")).1["result"]["summary"],
        "hello"
    );
    assert_eq!(ask(head(&sim, "GET", "/nowhere", "")).0, 404);
    assert_eq!(ask(head(&sim, "GET", "/api/v1/tasks/x", "")).0, 400);
}

#[test]
fn a_manual_clock_moves_with_each_status_request() {
    let sim = Sim::builder()
        .manual_clock(Duration::from_secs(1))
        .spawn()
        .unwrap();
    let id = start(&sim, "echo", "x");
    let path = format!("/api/v1/tasks/{id}");
    let before = sim.now();
    assert_eq!(get(&sim, &path).1["status"], "running");
    get(&sim, &format!("{path}/summary"));
    assert_eq!(sim.now(), before + 1_000);
    assert_eq!(get(&sim, &path).1["status"], "completed");
}

#[test]
fn speed_compresses_time() {
    let sim = Sim::builder().speed(1e6).spawn().unwrap();
    let id = start(&sim, "slow", "x");
    // Ten minutes are less than a millisecond: some poll of a few sees the end.
    let ended =
        (0..1_000).any(|_| get(&sim, &format!("/api/v1/tasks/{id}")).1["status"] == "completed");
    assert!(ended);
    assert!(Sim::builder().speed(0.0).spawn().is_err());
}

#[test]
fn the_service_endpoints_tell_what_happened() {
    let sim = still().spawn().unwrap();
    let id = start(&sim, "asker", "x");
    let service = |method: &str, path: &str, body: Value| {
        exchange(&sim, &json_request(&sim, method, path, &body))
    };
    assert_eq!(
        service("POST", "/_sim/advance", json!({ "by": "2s" })).0,
        200
    );
    let dashboard = format!("/_sim/dashboard/tasks/{id}");
    assert_eq!(
        service("POST", &format!("{dashboard}/approve"), Value::Null).0,
        409
    );
    assert_eq!(
        service(
            "POST",
            &format!("{dashboard}/answer"),
            json!({ "message": "EUR" })
        )
        .0,
        200
    );
    let stats = get(&sim, "/_sim/stats").1;
    assert_eq!(
        (
            &stats["tasks"],
            &stats["starts"],
            &stats["endpoints"]["run"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(stats["questions"][0]["answers"], 1);
    assert_eq!(stats["per_task"][&id]["agent"], "asker");
    let log = get(&sim, "/_sim/requests").1;
    let first = &log["requests"][0];
    assert_eq!(
        (&first["method"], &first["status"], &first["task"]),
        (&json!("POST"), &json!(201), &json!(id))
    );
    assert_eq!(first["time"], "2026-01-01T00:00:00.000Z");
    assert_eq!(
        first["body_sha256"],
        "3b7b5a17b6341261ae9f7ba2054b1c2aebc1937087a423f16f88bc40ec2ec0c1"
    );
    assert!(!log.to_string().contains(&sim.nanonets().api_key));
    assert_eq!(service("POST", "/_sim/reset", Value::Null).0, 200);
    assert_eq!(get(&sim, "/_sim/stats").1["tasks"], 0);
    assert_eq!(get(&sim, "/_sim/nothing").0, 404);
    assert_eq!(get(&sim, "/_sim").1["routes"].as_array().unwrap().len(), 28);
    assert_eq!(service("POST", "/_sim/advance", json!({ "by": 2 })).0, 400);
}

#[test]
fn a_draft_is_saved_in_the_dashboard_and_published_through_the_api() {
    let sim = still().spawn().unwrap();
    let echo = sim.agent("echo");
    let path = format!("/_sim/dashboard/agents/{echo}/draft");
    let save = |body: Value| exchange(&sim, &json_request(&sim, "POST", &path, &body));
    assert_eq!(save(json!({ "name": 1 })).0, 400);
    let (status, saved) = save(json!({ "system_prompt": "Answer briefly." }));
    assert_eq!(status, 200);
    assert_eq!(
        sim.draft_agent(&echo, &json!({})).as_ref().ok(),
        saved["id"].as_str().map(str::to_owned).as_ref()
    );
    let refused = sim.draft_agent("x", &json!({})).unwrap_err();
    assert_eq!(refused, "Invalid agent_id format");
    let publish = format!("/api/v1/agents/{echo}/versions/publish");
    let (status, version) = exchange(&sim, &head(&sim, "POST", &publish, ""));
    assert_eq!((status, &version["id"]), (200, &saved["id"]));
    assert_eq!(sim.stats().publishes, 1);
}

#[test]
fn what_is_no_http_is_told_so() {
    let sim = still().spawn().unwrap();
    for request in [
        "\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        assert!(
            raw(&sim, request).0.starts_with(b"HTTP/1.1 400 "),
            "{request:?}"
        );
    }
}

/// Returns the log as another language gets it.
fn logged(sim: &Sim) -> Vec<Value> {
    let (status, log) = exchange(sim, &head(sim, "GET", "/_sim/requests", ""));
    assert_eq!(status, 200, "{log}");
    log["requests"].as_array().unwrap().clone()
}

#[test]
fn the_log_shows_request_bodies_and_replies_when_asked_for() {
    for (builder, with_replies) in [(still(), false), (still().record_bodies(), true)] {
        let sim = builder.spawn().unwrap();
        start(&sim, "echo", "x");
        let record = &logged(&sim)[0];
        assert_eq!(record["request_body"], json!({ "query": "x" }));
        assert_eq!(record.get("reply_body").is_some(), with_replies, "{record}");
    }
}

/// Rows: L20.
#[test]
fn no_secret_of_a_request_is_in_the_log() {
    let sim = still().spawn().unwrap();
    let key = sim.nanonets().api_key;
    let harness = sim.harness().api_key;
    let secret = harness.split_once(':').unwrap().1;
    let query = format!("curl -H 'Authorization: Bearer {key}'");
    let body = json!({ "query": query, "output_config": { "api_key": "canary-1" } });
    let path = format!("/api/v1/agents/{}/run", sim.agent("echo"));
    exchange(&sim, &json_request(&sim, "POST", &path, &body));
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nmail {key}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\ncanary-2\r\n\
         --b\r\nContent-Disposition: form-data; name=\"output_config\"\r\n\r\n{{\"password\":\"canary-3\"}}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\ncanary-4\r\n--b--\r\n"
    );
    let fields = format!(
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n",
        form.len()
    );
    exchange(&sim, &(head(&sim, "POST", &path, &fields) + &form));
    let input =
        json!({ "input": { "goal": format!("use {secret}") }, "metadata": { "Secret": 5 } });
    let input = input.to_string();
    let run = format!(
        "POST /v1/runs?api_key=canary-5 HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {harness}\r\n\
         Idempotency-Key: k1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{input}",
        input.len()
    );
    exchange(&sim, &run);
    let broken = "{\"password\":\"canary-6";
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        broken.len()
    );
    exchange(&sim, &(head(&sim, "POST", &path, &fields) + broken));
    let log = logged(&sim);
    let text = json!(log).to_string();
    for hidden in [&key, secret, "canary"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!(
        log[0]["request_body"],
        json!({
            "query": "curl -H 'Authorization: Bearer [redacted]'",
            "output_config": { "api_key": "[redacted]" },
        })
    );
    let digest = &log[1]["request_form"][3]["sha256"];
    assert_eq!(
        log[1]["request_form"],
        json!([
            { "name": "query", "value": "mail [redacted]" },
            { "name": "access_token", "value": "[redacted]" },
            { "name": "output_config", "value": "{\"password\":\"[redacted]\"}" },
            { "name": "files", "filename": "a.txt", "content_type": "text/plain", "size": 8, "sha256": digest },
        ])
    );
    assert_eq!(
        (&log[2]["query"], &log[2]["request_body"]),
        (
            &json!("api_key=[redacted]"),
            &json!({ "input": { "goal": "use [redacted]" }, "metadata": { "Secret": "[redacted]" } })
        )
    );
    assert_eq!(log[3]["request_body"], "[21 bytes that are no JSON]");
}

#[test]
fn a_long_body_is_cut_and_marked() {
    let sim = still().spawn().unwrap();
    start(&sim, "echo", &"x".repeat(20_000));
    let record = &logged(&sim)[0];
    let shown = record["request_body"].as_str().unwrap();
    assert_eq!(
        (shown.len(), &record["request_cut"]),
        (16 << 10, &json!(20_012))
    );
}

#[test]
fn the_ready_line_says_how_to_reach_it() {
    let sim = still().seed(3).spawn().unwrap();
    let line = sim.ready_line();
    assert_eq!(
        (&line["v"], &line["type"], &line["listen"]),
        (&json!(2), &json!("ready"), &json!(sim.url()))
    );
    assert_eq!((&line["seed"], sim.seed()), (&json!(3), 3));
    let nanonets = &line["providers"]["nanonets"];
    assert!(
        nanonets["agents"]
            .as_array()
            .unwrap()
            .contains(&json!({ "id": sim.agent("invoice"), "name": "invoice" }))
    );
    let harness = &line["providers"]["agent-harness"];
    assert_eq!(harness["scenarios"][0], "approve-email");
    let a2a = &line["providers"]["a2a"];
    assert_eq!(
        a2a["agents"][0],
        json!({
            "name": "echo",
            "card_url": format!("{}/agents/echo/.well-known/agent-card.json", sim.url()),
        })
    );
    let expected = format!(
        "export NANONETS_API_KEY={}\nexport NANONETS_BASE_URL={url}\n\
         export AGENT_HARNESS_API_KEY={}\nexport AGENT_HARNESS_BASE_URL={url}\n\
         export A2A_API_KEY={}\nexport A2A_BASE_URL={url}\n\
         export TASKWARD_SIM_URL={url}\nexport TASKWARD_SIM_SEED=3\n",
        nanonets["api_key"].as_str().unwrap(),
        harness["api_key"].as_str().unwrap(),
        a2a["api_key"].as_str().unwrap(),
        url = harness["base_url"].as_str().unwrap(),
    );
    assert_eq!(sim.export_lines(), expected);
}

#[test]
fn a_dropped_simulator_has_closed_its_port() {
    let sim = still().spawn().unwrap();
    let address = sim.address();
    let mut open = connect(&sim);
    drop(sim);
    assert_eq!(
        TcpStream::connect(address)
            .map(drop)
            .map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionRefused)
    );
    assert_ne!(open.read(&mut [0]).ok(), Some(1));
}

#[test]
fn it_can_be_spawned_and_dropped_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let sim = Sim::spawn().unwrap();
        assert!(tokio::net::TcpStream::connect(sim.address()).await.is_ok());
    });
}

#[test]
fn the_dashboard_is_at_hand_in_the_process() {
    let sim = still().spawn().unwrap();
    let id = start(&sim, "reviewer", "Pay 500");
    sim.advance(Duration::from_secs(2));
    assert_eq!(
        get(&sim, &format!("/api/v1/tasks/{id}")).1["status"],
        "awaiting_review"
    );
    sim.dashboard(&id, DashboardAction::Approve).unwrap();
    sim.advance(Duration::from_secs(1));
    assert_eq!(
        get(&sim, &format!("/api/v1/tasks/{id}")).1["status"],
        "completed"
    );
    let (agent, task) = sim.foreign_ids();
    assert_eq!(get(&sim, &format!("/api/v1/tasks/{task}")).0, 403);
    assert_eq!(get(&sim, &format!("/api/v1/agents/{agent}")).0, 403);
}
