//! The platform behind the server on loopback.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use taskward_sim::a2a::DashboardAction;
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::http::{connect, exchange, get, json_request, read_head, read_reply, still};
use crate::streams::read_until;

/// Returns a request to an agent.
pub(crate) fn a2a_head(sim: &Sim, method: &str, path: &str, fields: &str) -> String {
    let key = sim.a2a().api_key;
    format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key}\r\nA2A-Version: 1.0\r\n{fields}\r\n"
    )
}

pub(crate) fn a2a_json(sim: &Sim, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    a2a_head(sim, "POST", path, &fields) + &body
}

/// Returns the body of a call over JSON-RPC.
pub(crate) fn rpc(method: &str, parameters: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": parameters })
}

fn message(text: &str) -> Value {
    json!({ "messageId": "m1", "role": "ROLE_USER", "parts": [{ "text": text }] })
}

fn hasty(text: &str) -> Value {
    json!({ "message": message(text), "configuration": { "returnImmediately": true } })
}

const SEND: &str = "/agents/script/rest/message:send";

fn start(sim: &Sim, text: &str) -> String {
    let (status, sent) = exchange(sim, &a2a_json(sim, SEND, &hasty(text)));
    assert_eq!(status, 200, "{sent}");
    sent["task"]["id"].as_str().unwrap().to_owned()
}

fn read(sim: &Sim, task: &str) -> Value {
    let path = format!("/agents/script/rest/tasks/{task}");
    exchange(sim, &a2a_head(sim, "GET", &path, "")).1
}

/// Sends a request, and moves time on once the simulator has it.
fn begin(sim: &Sim, request: &str) -> TcpStream {
    let mut stream = connect(sim);
    let before = sim.a2a_stats().endpoints;
    stream.write_all(request.as_bytes()).unwrap();
    while sim.a2a_stats().endpoints == before {
        std::thread::yield_now();
    }
    stream
}

#[test]
fn a_reply_that_takes_time_comes_when_its_time_has_come() {
    let sim = still().spawn().unwrap();
    let body = json!({ "message": message("work 2; artifact hello") });
    let mut stream = begin(&sim, &a2a_json(&sim, SEND, &body));
    sim.advance(Duration::from_secs(1));
    let other = start(&sim, "work 9");
    sim.advance(Duration::from_secs(1));
    let (status, _, body) = read_reply(&mut stream);
    let sent: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &sent["task"]["status"]["state"]),
        (200, &json!("TASK_STATE_COMPLETED"))
    );
    // It is written down when it is answered.
    let log = sim.requests();
    let tasks: Vec<_> = log.iter().map(|one| one.task.clone().unwrap()).collect();
    assert_eq!(
        tasks,
        [other, sent["task"]["id"].as_str().unwrap().to_owned()]
    );
    // On a running clock, too.
    let sim = Sim::builder().speed(200.0).spawn().unwrap();
    let body = rpc(
        "SendMessage",
        &json!({ "message": message("work 3; crash") }),
    );
    let (status, reply) = exchange(&sim, &a2a_json(&sim, "/agents/script/rpc", &body));
    assert_eq!(
        (status, &reply["error"]["code"], &reply["id"]),
        (200, &json!(-32603), &json!(7))
    );
}

#[test]
fn a_reply_that_is_to_come_is_struck_by_faults_and_ended_by_a_reset() {
    let rule = FaultRule::new(Fault::CutBody { bytes: 9 }).on("a2a.send_message");
    let sim = still().fault(rule).spawn().unwrap();
    let body = json!({ "message": message("work 2") });
    let mut stream = begin(&sim, &a2a_json(&sim, SEND, &body));
    sim.advance(Duration::from_secs(2));
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 "));
    assert_eq!(sim.requests()[0].fault.as_deref(), Some("cut-body"));
    sim.set_faults(Vec::new());
    let mut stream = begin(&sim, &a2a_json(&sim, SEND, &body));
    sim.reset();
    assert_eq!(read_reply(&mut stream).0, 503);
    sim.set_faults(Vec::new());
    let mut stream = begin(&sim, &a2a_json(&sim, SEND, &body));
    sim.a2a_restart();
    assert_eq!(read_reply(&mut stream).0, 503);
}

#[test]
fn an_operation_is_struck_by_its_name_whatever_the_binding() {
    let unavailable = || Fault::Status {
        code: 503,
        retry_after: None,
        after_bytes: None,
    };
    let rule = FaultRule::new(unavailable()).on("get_task").count(2);
    let sim = still().fault(rule).spawn().unwrap();
    let task = start(&sim, "work 9");
    let call = |method: &str, parameters: &Value| {
        exchange(
            &sim,
            &a2a_json(&sim, "/agents/script/rpc", &rpc(method, parameters)),
        )
    };
    let by_id = json!({ "id": task });
    assert_eq!(call("ListTasks", &json!({})).0, 200);
    assert_eq!(call("GetTask", &by_id).0, 503);
    assert_eq!(call("CancelTask", &by_id).0, 200);
    assert_eq!(read(&sim, &task)["error"], "simulated fault: status 503");
    assert_eq!(call("GetTask", &by_id).0, 200);
    let named: Vec<&str> = sim.requests().iter().map(|one| one.endpoint).collect();
    let expected = [
        "send_message",
        "list_tasks",
        "get_task",
        "cancel_task",
        "get_task",
        "get_task",
    ];
    assert_eq!(named, expected);
    assert!(
        sim.requests()[2..]
            .iter()
            .all(|one| one.task.as_deref() == Some(task.as_str()))
    );
    let faulted = get(&sim, "/_sim/stats").1;
    assert_eq!(faulted["faulted"]["get_task"], 2);
    assert_eq!(faulted["a2a"]["endpoints"]["get_task"], 1);
    // A body that names nothing is unknown.
    let odd = FaultRule::new(unavailable()).on("unknown");
    sim.set_faults(vec![odd]);
    assert_eq!(call("Nope", &json!({})).0, 503);
}

#[test]
fn a_stale_read_over_json_rpc_is_a_reply_to_this_call() {
    let sim = still().spawn().unwrap();
    let task = start(&sim, "work 9");
    let call = |id: u64, task: &str| {
        let mut body = rpc("GetTask", &json!({ "id": task, "historyLength": 0 }));
        body["id"] = json!(id);
        exchange(&sim, &a2a_json(&sim, "/agents/script/rpc", &body)).1
    };
    let state = |reply: &Value| reply["result"]["status"]["state"].clone();
    assert_eq!(state(&call(1, &task)), "TASK_STATE_WORKING");
    sim.advance(Duration::from_secs(60));
    sim.set_faults(vec![FaultRule::new(Fault::StaleRead).on("get_task")]);
    let stale = call(2, &task);
    assert_eq!(
        (state(&stale), &stale["id"]),
        (json!("TASK_STATE_WORKING"), &json!(2))
    );
    // Of another task it is not.
    let other = start(&sim, "done");
    assert_eq!(state(&call(3, &other)), "TASK_STATE_COMPLETED");
    sim.set_faults(Vec::new());
    assert_eq!(state(&call(4, &task)), "TASK_STATE_COMPLETED");
}

#[test]
fn a_list_with_a_looped_cursor_leads_to_its_first_page_in_both_bindings() {
    let rule = FaultRule::new(Fault::LoopedCursor).on("list_tasks");
    let sim = still().fault(rule).spawn().unwrap();
    for _ in 0..3 {
        start(&sim, "done");
    }
    let page = |token: &Value| {
        let given = json!({ "pageSize": 2, "pageToken": token });
        let body = rpc("ListTasks", &given);
        exchange(&sim, &a2a_json(&sim, "/agents/script/rpc", &body)).1["result"].clone()
    };
    let first = page(&json!(""));
    assert_eq!(page(&first["nextPageToken"]), first);
    let path = format!(
        "/agents/script/rest/tasks?pageSize=2&pageToken={}",
        first["nextPageToken"].as_str().unwrap().replace('=', "%3D")
    );
    assert_eq!(exchange(&sim, &a2a_head(&sim, "GET", &path, "")).1, first);
}

#[test]
fn a_stream_comes_piece_by_piece_and_a_cut_one_is_subscribed_to_again() {
    let sim = still().spawn().unwrap();
    let body = rpc(
        "SendStreamingMessage",
        &json!({ "message": message("chunks 3 1; done") }),
    );
    let mut stream = connect(&sim);
    let request = a2a_json(&sim, "/agents/script/rpc", &body);
    stream.write_all(request.as_bytes()).unwrap();
    assert!(read_head(&mut stream).contains("content-type: text/event-stream\r\n"));
    read_until(&mut stream, "piece 1 ");
    sim.advance(Duration::from_secs(1));
    read_until(&mut stream, "piece 2 ");
    drop(stream);
    let task = sim.a2a_stats().per_task.into_keys().next().unwrap();
    let path = format!("/agents/script/rest/tasks/{task}:subscribe");
    for method in ["GET", "POST"] {
        let mut stream = connect(&sim);
        stream
            .write_all(a2a_head(&sim, method, &path, "").as_bytes())
            .unwrap();
        read_until(&mut stream, "piece 2 ");
    }
    let mut stream = connect(&sim);
    stream
        .write_all(a2a_head(&sim, "GET", &path, "").as_bytes())
        .unwrap();
    sim.advance(Duration::from_secs(9));
    read_until(&mut stream, "TASK_STATE_COMPLETED");
}

#[test]
fn no_credential_of_any_form_and_none_of_a_webhook_is_in_the_log() {
    let secrets = [
        "canary-bearer-1",
        "canary-basic-22",
        "canary-header-3",
        "canary-token-44",
        "canary-hook-555",
    ];
    let sim = still().record_bodies().spawn().unwrap();
    let basic = "dXNlcjpjYW5hcnktYmFzaWMtMjI="; // user:canary-basic-22
    for field in [
        "Authorization: Bearer canary-bearer-1",
        &format!("Authorization: Basic {basic}"),
        "X-Agent-Key: canary-header-3",
    ] {
        let mut body = hasty("mail canary-bearer-1, canary-basic-22 and canary-header-3 to them");
        let word = field.rsplit(' ').next().unwrap();
        body["message"]["parts"][0]["text"] = match word == basic {
            true => json!(format!("mail {basic} and canary-basic-22")),
            false => json!(format!("mail {word}")),
        };
        let body = body.to_string();
        let request = format!(
            "POST {SEND} HTTP/1.1\r\nHost: sim\r\n{field}\r\nA2A-Version: 1.0\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // Any credential is passed over here, and none is shown for that.
        let none = Scenario::parse("[a2a]\nauth = 'none'").unwrap();
        let sim = still().scenario(none).record_bodies().spawn().unwrap();
        assert_eq!(exchange(&sim, &request).0, 200);
        let log = get(&sim, "/_sim/requests").1.to_string();
        assert!(log.contains("mail [redacted]"), "{log}");
        assert!(
            !log.contains("canary") && !log.contains(basic),
            "{field}: {log}"
        );
    }
    let task = start(&sim, "work 9");
    let config = json!({
        "url": "http://127.0.0.1:9/hook", "token": "canary-token-44",
        "authentication": { "scheme": "Bearer", "credentials": "canary-hook-555" },
    });
    let path = format!("/agents/script/rest/tasks/{task}/pushNotificationConfigs");
    assert_eq!(exchange(&sim, &a2a_json(&sim, &path, &config)).0, 200);
    let mut parameters = config;
    parameters["taskId"] = json!(task);
    let body = rpc("CreateTaskPushNotificationConfig", &parameters);
    let made = exchange(&sim, &a2a_json(&sim, "/agents/script/rpc", &body)).1;
    // The reply has them in the clear, as those of the real servers.
    assert_eq!(made["result"]["token"], "canary-token-44");
    let log = get(&sim, "/_sim/requests").1.to_string();
    for secret in secrets {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(log.contains("127.0.0.1:9/hook"), "{log}");
}

#[test]
fn what_others_do_and_a_restart_are_asked_for_under_sim() {
    let sim = still().spawn().unwrap();
    let act = |path: &str, body: &Value| {
        let path = format!("/_sim/dashboard/a2a/{path}");
        exchange(&sim, &json_request(&sim, "POST", &path, body)).0
    };
    let asking = start(&sim, "ask what?");
    assert_eq!(act(&format!("tasks/{asking}/sign-in"), &Value::Null), 409);
    let otherwise = json!({ "message": "which?" });
    assert_eq!(act(&format!("tasks/{asking}/reword"), &otherwise), 200);
    let question = read(&sim, &asking)["status"]["message"]["parts"][0].clone();
    assert_eq!(question["text"], "which?");
    let open: Vec<bool> = sim
        .a2a_stats()
        .questions
        .iter()
        .map(|one| one.is_open)
        .collect();
    assert_eq!(open, [false, true]);
    assert_eq!(
        act(
            &format!("tasks/{asking}/answer"),
            &json!({ "message": "this" })
        ),
        200
    );
    assert_eq!(
        read(&sim, &asking)["artifacts"][0]["parts"][0]["text"],
        "which? -> this"
    );
    assert_eq!(
        act(
            &format!("tasks/{asking}/answer"),
            &json!({ "message": "this" })
        ),
        409
    );
    let waiting = start(&sim, "auth 900; done");
    assert_eq!(act(&format!("tasks/{waiting}/sign-in"), &Value::Null), 200);
    assert_eq!(
        read(&sim, &waiting)["status"]["state"],
        "TASK_STATE_COMPLETED"
    );
    let working = start(&sim, "work 9");
    assert_eq!(act(&format!("tasks/{working}/cancel"), &Value::Null), 200);
    assert_eq!(act(&format!("tasks/{working}/cancel"), &Value::Null), 409);
    assert_eq!(act("tasks/nope/cancel", &Value::Null), 409);
    let working = start(&sim, "work 9");
    assert_eq!(act("restart", &Value::Null), 200);
    sim.advance(Duration::from_secs(3_600));
    assert_eq!(
        read(&sim, &working)["status"]["state"],
        "TASK_STATE_WORKING"
    );
    // In Rust, too.
    assert!(sim.a2a_dashboard(&working, DashboardAction::Cancel).is_ok());
    assert_eq!(
        sim.a2a_stats().per_task[&working].state,
        "TASK_STATE_CANCELED"
    );
}

#[test]
fn agents_and_switches_are_added_while_it_runs() {
    let sim = still().spawn().unwrap();
    let add = |scenario: &Value| {
        exchange(
            &sim,
            &json_request(&sim, "POST", "/_sim/scenario", scenario),
        )
    };
    let added = add(&json!({
        "a2a": { "profile": "js", "auth": "bearer" },
        "a2a_agent": [{ "name": "buyer", "script": "ask Which?; artifact Ordered {text} from {answer}." }],
    }));
    assert_eq!(added.0, 200, "{}", added.1);
    let switches = &added.1["a2a"];
    assert_eq!(
        (&switches["cancels_ended"], &switches["auth"]),
        (&json!("cancelled"), &json!("bearer"))
    );
    let agents = added.1["a2a_agent"].as_array().unwrap();
    assert_eq!(
        agents.last(),
        Some(&json!({ "name": "buyer", "built_in": false }))
    );
    let send = |text: &str, task: &str| {
        let mut body = hasty(text);
        body["message"]["taskId"] = json!(task);
        let request = a2a_json(&sim, "/agents/buyer/rest/message:send", &body);
        exchange(&sim, &request).1["task"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let task = send("chairs", "");
    send("ACME", &task);
    let path = format!("/agents/buyer/rest/tasks/{task}");
    let done = exchange(&sim, &a2a_head(&sim, "GET", &path, "")).1;
    assert_eq!(
        done["artifacts"][0]["parts"][0]["text"],
        "Ordered chairs from ACME."
    );
    // One switch more leaves the others as they are.
    let more = add(&json!({ "a2a": { "parts_joined": true } })).1;
    assert_eq!(
        (&more["a2a"]["parts_joined"], &more["a2a"]["cancels_ended"]),
        (&json!(true), &json!("cancelled"))
    );
    for (wrong, why) in [
        (json!({ "a2a": { "reply_lag": 3 } }), "reply_lag"),
        (
            json!({ "a2a": { "profile": "go" } }),
            "unknown variant `go`",
        ),
        (
            json!({ "a2a": { "crash": "loud" } }),
            "unknown variant `loud`",
        ),
        (
            json!({ "a2a_agent": [{ "name": "x", "script": "wrok 2" }] }),
            "there is no step",
        ),
    ] {
        let (status, reply) = add(&wrong);
        assert!(status == 400 && reply.to_string().contains(why), "{reply}");
    }
    let remove = |name: &str| {
        let path = format!("/_sim/scenario/a2a_agent/{name}");
        exchange(&sim, &json_request(&sim, "DELETE", &path, &Value::Null)).0
    };
    assert_eq!(
        (remove("buyer"), remove("buyer"), remove("echo")),
        (200, 404, 404)
    );
}

#[test]
fn a_key_that_may_be_real_is_refused_with_a_warning() {
    let sim = still().spawn().unwrap();
    let request = a2a_json(&sim, SEND, &hasty("done"));
    let real = request.replace(&sim.a2a().api_key, "sk-live-4f1c2b7e9d");
    let (status, reply) = exchange(&sim, &real);
    assert_eq!(status, 401);
    assert!(
        reply["error"].as_str().unwrap().contains("right base URL"),
        "{reply}"
    );
    assert!(
        !get(&sim, "/_sim/requests")
            .1
            .to_string()
            .contains("sk-live")
    );
    let other = request.replace(&sim.a2a().api_key, "sim_key_other");
    assert_eq!(
        exchange(&sim, &other).1["error"],
        "unauthorized: unknown key"
    );
    // Both bindings refuse in the same way, and the card needs no key.
    let body = rpc("ListTasks", &json!({}));
    let call = a2a_json(&sim, "/rpc", &body).replace("Authorization", "X-Nothing");
    assert_eq!(exchange(&sim, &call).0, 401);
    let card = "GET /.well-known/agent-card.json HTTP/1.1\r\nHost: here:1\r\n\r\n";
    let (status, card) = exchange(&sim, card);
    assert_eq!(
        (status, &card["supportedInterfaces"][0]["url"]),
        (200, &json!("http://here:1/rpc"))
    );
}
