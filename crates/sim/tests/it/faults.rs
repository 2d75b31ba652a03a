//! Faults as a client on a plain socket meets them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Span};

use crate::http::{
    connect, exchange, get, head, json_request, raw, read_reply, run_request, still,
};

#[test]
fn faults_are_set_read_and_cleared_at_run_time() {
    let sim = still().spawn().unwrap();
    let rule =
        json!({ "kind": "status", "on": "tasks", "code": 429, "retry_after": "2", "count": 1 });
    let put = |body: &Value| exchange(&sim, &json_request(&sim, "PUT", "/_sim/faults", body));
    assert_eq!(put(&json!({ "faults": [rule] })).0, 200);
    assert_eq!(get(&sim, "/_sim/faults").1, json!({ "faults": [rule] }));
    let mut stream = connect(&sim);
    stream
        .write_all(head(&sim, "GET", "/api/v1/tasks", "").as_bytes())
        .unwrap();
    let (status, fields, _) = read_reply(&mut stream);
    assert_eq!(status, 429);
    assert!(fields.contains("retry-after: 2\r\n"));
    assert_eq!(get(&sim, "/api/v1/tasks").0, 200);
    assert_eq!(get(&sim, "/_sim/stats").1["faulted"], json!({ "tasks": 1 }));
    let (status, error) = put(&json!({ "faults": [{ "kind": "flood" }] }));
    assert!(
        status == 400
            && error["error"]
                .as_str()
                .unwrap()
                .contains("expected one of `latency`"),
        "{error}"
    );
    exchange(&sim, &head(&sim, "DELETE", "/_sim/faults", ""));
    assert_eq!(get(&sim, "/_sim/faults").1, json!({ "faults": [] }));
}

#[test]
fn a_lost_reply_is_applied_once_at_every_byte() {
    let sim = still().spawn().unwrap();
    let mut stream = connect(&sim);
    stream
        .write_all(run_request(&sim, "echo", "x").as_bytes())
        .unwrap();
    let (_, head, body) = read_reply(&mut stream);
    let whole = head.len() + body.len();
    for length in 0..=whole + 1 {
        sim.reset();
        sim.set_faults(vec![
            FaultRule::new(Fault::LostReplyAfterApply {
                after_bytes: length as u64,
            })
            .on("run"),
        ]);
        let (bytes, error) = raw(&sim, &run_request(&sim, "echo", "x"));
        assert_eq!((bytes.len(), error), (length.min(whole), None));
        assert_eq!(sim.stats().starts, 1, "{length} bytes");
        let record = &sim.requests()[0];
        assert!(
            record.applied
                && record.task.is_some()
                && record.fault.as_deref() == Some("lost-reply-after-apply")
        );
        assert_eq!(record.status.is_some(), length >= 13, "{length} bytes");
    }
}

#[test]
fn each_fault_ends_the_exchange_in_its_way() {
    let sim = still().spawn().unwrap();
    let request = || run_request(&sim, "echo", "x");
    let strike = |fault: Fault| {
        sim.reset();
        sim.set_faults(vec![FaultRule::new(fault).on("run")]);
        let (bytes, error) = raw(
            &sim,
            &request().replace("Host:", "Connection: close\r\nHost:"),
        );
        (String::from_utf8(bytes).unwrap(), error, sim.stats().starts)
    };
    let (text, error, starts) = strike(Fault::Reset { after_bytes: None });
    assert_eq!(
        (text.as_str(), error, starts),
        ("", Some(ErrorKind::ConnectionReset), 0)
    );
    let (text, error, starts) = strike(Fault::CloseBeforeHead);
    assert_eq!((text.as_str(), error, starts), ("", None, 0));
    let (text, _, starts) = strike(Fault::CutBody { bytes: 5 });
    assert!(
        text.starts_with("HTTP/1.1 201")
            && text.split("\r\n\r\n").nth(1).unwrap().len() == 5
            && starts == 1
    );
    let (text, _, starts) = strike(Fault::Html200);
    assert!(text.contains("text/html") && text.contains("<!doctype html>") && starts == 0);
    let (text, _, starts) = strike(Fault::TruncatedJson);
    let body = text.split("\r\n\r\n").nth(1).unwrap();
    assert!(
        text.contains(&format!("content-length: {}\r\n", body.len())),
        "{text}"
    );
    assert!(serde_json::from_str::<Value>(body).is_err() && starts == 1);
    let (text, _, starts) = strike(Fault::Status {
        code: 503,
        retry_after: None,
        after_bytes: None,
    });
    assert!(text.starts_with("HTTP/1.1 503 ") && starts == 0);
    let before = sim.now();
    let (text, _, starts) = strike(Fault::Latency { span: Span(9_000) });
    assert!(text.starts_with("HTTP/1.1 201 ") && starts == 1);
    assert_eq!(
        sim.now(),
        before + 9_000,
        "a manual clock moves instead of waiting"
    );
}

#[test]
fn a_stalled_request_hears_nothing() {
    let stall = FaultRule::new(Fault::Stall { after_bytes: None }).on("tasks");
    let sim = still().fault(stall).spawn().unwrap();
    let mut stream = connect(&sim);
    stream
        .write_all(head(&sim, "GET", "/api/v1/tasks", "").as_bytes())
        .unwrap();
    // Answered requests on other connections show that the server has moved on.
    assert_eq!(get(&sim, "/api/v1/agents").0, 200);
    stream.set_nonblocking(true).unwrap();
    assert_eq!(
        stream.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn a_refusing_simulator_closes_its_port_for_a_while() {
    let sim = still().spawn().unwrap();
    let mut idle = connect(&sim);
    // The reply shows that this connection is being served, not still waiting to be accepted.
    idle.write_all(head(&sim, "GET", "/api/v1/agents", "").as_bytes())
        .unwrap();
    assert_eq!(read_reply(&mut idle).0, 200);
    sim.set_faults(vec![
        FaultRule::new(Fault::Refuse { span: Span(400) })
            .on("tasks")
            .count(1),
    ]);
    let (bytes, error) = raw(&sim, &head(&sim, "GET", "/api/v1/tasks", ""));
    assert_eq!((bytes.len(), error), (0, Some(ErrorKind::ConnectionReset)));
    let refused = TcpStream::connect(sim.address())
        .map(drop)
        .map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    assert_eq!(
        idle.read(&mut [0]).map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset)
    );
    while TcpStream::connect(sim.address()).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(get(&sim, "/api/v1/tasks").0, 200);
}

#[test]
fn a_reply_may_be_right_but_for_its_type_or_come_twice_or_in_pieces() {
    let sim = still().spawn().unwrap();
    let ask = || {
        let request = head(&sim, "GET", "/api/v1/agents", "Connection: close\r\n");
        let (bytes, error) = raw(&sim, &request);
        assert_eq!(error, None);
        String::from_utf8(bytes).unwrap()
    };
    let whole = ask();
    let strike = |fault: Fault| {
        sim.set_faults(vec![FaultRule::new(fault).on("nanonets.agents")]);
        ask()
    };
    assert_eq!(strike(Fault::DuplicateReply), whole.repeat(2));
    let typed = strike(Fault::WrongContentType {
        content_type: "text/plain".into(),
    });
    assert!(typed.contains("content-type: text/plain\r\n") && !typed.contains("application/json"));
    assert_eq!(
        typed.split("\r\n\r\n").nth(1),
        whole.split("\r\n\r\n").nth(1)
    );
    let head = whole.find("\r\n\r\n").unwrap() + 4;
    assert_eq!(strike(Fault::CutHead { bytes: 30 }), whole[..30]);
    assert_eq!(strike(Fault::CutHead { bytes: u64::MAX }), whole[..head]);
    let before = sim.now();
    let dribbled = strike(Fault::Dribble {
        bytes: 100,
        pause: Span(1_000),
    });
    assert_eq!(
        dribbled.split("\r\n\r\n").nth(1),
        whole.split("\r\n\r\n").nth(1)
    );
    assert!(sim.now() - before >= 2_000, "a pause before each piece");
}

#[test]
fn a_body_without_end_goes_on_until_the_client_leaves() {
    let sim = still().spawn().unwrap();
    for (fault, field, first, filling) in [
        (Fault::EndlessBody { bytes: None }, "chunked", "{", " "),
        (
            Fault::EndlessBody {
                bytes: Some(10 << 30),
            },
            "content-length: 10737418240",
            "{",
            " ",
        ),
        (Fault::EndlessLine, "chunked", "\"", "x"),
        (Fault::EndlessData, "chunked", "data:", "data:\n"),
    ] {
        sim.set_faults(vec![FaultRule::new(fault).on("agents")]);
        let mut stream = connect(&sim);
        stream
            .write_all(head(&sim, "GET", "/api/v1/agents", "").as_bytes())
            .unwrap();
        let mut bytes = vec![0; 20 << 20];
        stream.read_exact(&mut bytes).unwrap();
        let reply = String::from_utf8(bytes).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(field), "{head}");
        assert!(body[..20].contains(first), "{}", &body[..20]);
        let text = &body[body.len() / 2..][..1_000];
        assert!(text.contains(&filling.repeat(100)), "{text}");
    }
}

#[test]
fn a_redirect_points_where_it_was_told_to() {
    let sim = still().spawn().unwrap();
    let strike = |to: Option<&str>| {
        let to = to.map(str::to_owned);
        let fault = Fault::Redirect { to, code: 307 };
        sim.set_faults(vec![FaultRule::new(fault).on("run")]);
        let request = run_request(&sim, "echo", "x").replace("Host:", "Connection: close\r\nHost:");
        String::from_utf8(raw(&sim, &request).0).unwrap()
    };
    let reply = strike(Some("/elsewhere"));
    assert!(reply.starts_with("HTTP/1.1 307 ") && reply.contains("location: /elsewhere\r\n"));
    assert!(strike(Some("")).contains("location: \r\n"));
    assert!(!strike(None).contains("location"));
    assert_eq!(sim.stats().starts, 0);
}

#[test]
fn a_stale_read_tells_what_the_same_read_told_before() {
    let sim = still().spawn().unwrap();
    let (_, run) = exchange(&sim, &run_request(&sim, "echo", "x"));
    let path = format!("/api/v1/tasks/{}", run["task_id"].as_str().unwrap());
    let status = || get(&sim, &path).1["status"].clone();
    let stale = || sim.set_faults(vec![FaultRule::new(Fault::StaleRead).on("status")]);
    stale();
    assert_eq!(status(), "running", "nothing older to tell");
    sim.advance(std::time::Duration::from_secs(2));
    assert_eq!(status(), "running", "it has been completed since");
    sim.set_faults(Vec::new());
    assert_eq!(status(), "completed");
    stale();
    assert_eq!(status(), "completed");
    assert!(sim.requests().iter().all(|record| record.applied));
}
