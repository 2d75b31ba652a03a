//! Whom the server on loopback lets in, and what it makes of requests it cannot model.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use serde_json::json;
use taskward_sim::{Fault, FaultRule, Sim};

use crate::http::{connect, exchange, get, head, read_head, read_reply, still};
use crate::streams::harness_head;

/// Rows: N1.
#[test]
fn a_taken_port_is_an_error_and_port_0_takes_another_that_the_ready_line_names() {
    let first = Sim::spawn().unwrap();
    let taken = Sim::builder().listen(first.address()).spawn();
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    let second = Sim::builder()
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .spawn()
        .unwrap();
    assert_ne!(second.address(), first.address());
    let line = second.ready_line();
    assert_eq!(line["listen"], format!("http://{}", second.address()));
    assert!(!line.to_string().contains('\n'), "one line");
    assert_eq!(get(&second, "/_sim").0, 200);
}

/// Rows: N3.
#[test]
fn a_drifted_client_hears_of_the_routes_over_the_wire() {
    let sim = still().spawn().unwrap();
    for (method, path, status, known) in [
        ("GET", "/api/v2/tasks", 404, "GET /api/v1/tasks"),
        ("DELETE", "/api/v1/tasks", 405, "GET /api/v1/tasks"),
        (
            "GET",
            "/v1/runs/r/signals",
            404,
            "POST /v1/runs/{id}/signal",
        ),
        ("PUT", "/v1/runs", 405, "POST /v1/runs"),
        ("GET", "/_sim/fault", 404, "GET /_sim/faults"),
    ] {
        let (seen, body) = exchange(&sim, &head(&sim, method, path, ""));
        assert_eq!(seen, status, "{method} {path}");
        let routes = body["routes"].as_array().unwrap();
        assert!(routes.contains(&json!(known)), "{method} {path}: {body}");
    }
}

/// A client that reads HEAD's reply as one without a body finds the next reply where it begins.
///
/// Rows: N3.
#[test]
fn head_gets_no_body_and_every_405_an_allow() {
    let sim = still().spawn().unwrap();
    let mut stream = connect(&sim);
    for (path, status, allow) in [
        ("/api/v1/agents", 405, Some("GET, POST")),
        ("/v1/runs", 405, Some("POST")),
        ("/v1/runs/r/events/stream", 405, Some("GET")),
        ("/api/v1/tasks/x/cancel", 405, Some("POST")),
        ("/api/v1/nothing", 404, None),
        ("/_sim", 404, None),
    ] {
        stream
            .write_all(head(&sim, "HEAD", path, "").as_bytes())
            .unwrap();
        let text = read_head(&mut stream);
        let fields: Vec<&str> = text.split("\r\n").collect();
        let allows = fields
            .iter()
            .find_map(|field| field.strip_prefix("allow: "));
        assert_eq!(
            (&text[9..12], allows),
            (status.to_string().as_str(), allow),
            "{path}: {text}"
        );
    }
    stream
        .write_all(head(&sim, "GET", "/_sim", "").as_bytes())
        .unwrap();
    assert_eq!(
        read_reply(&mut stream).0,
        200,
        "the next reply begins where the head ended"
    );
    sim.set_faults(vec![FaultRule::new(Fault::Status {
        code: 405,
        retry_after: None,
        after_bytes: None,
    })]);
    stream
        .write_all(head(&sim, "GET", "/api/v1/agents", "").as_bytes())
        .unwrap();
    let (status, text, _) = read_reply(&mut stream);
    assert_eq!(
        (status, text.contains("\r\nallow:\r\n")),
        (405, true),
        "{text}"
    );
}

/// Rows: N4.
#[test]
fn what_cannot_be_modelled_is_refused_aloud() {
    let sim = still().spawn().unwrap();
    let run = format!("/api/v1/agents/{}/run", sim.agent("echo"));
    let body = "Content-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n";
    for (coding, name) in [
        ("Content-Encoding: gzip\r\n", "content encoding"),
        ("Content-Encoding: identity, br\r\n", "content encoding"),
    ] {
        for request in [
            head(&sim, "POST", &run, &format!("{coding}{body}")),
            harness_head(&sim, "POST", "/v1/runs", &format!("{coding}{body}")),
        ] {
            let (status, reply) = exchange(&sim, &(request + "{}"));
            assert_eq!(status, 501, "{reply}");
            assert!(reply.to_string().contains(name), "{reply}");
        }
    }
    let squeezed = head(&sim, "POST", &run, "Transfer-Encoding: gzip, chunked\r\n");
    let (status, reply) = exchange(&sim, &squeezed);
    assert!(
        status == 501 && reply.to_string().contains("transfer encoding"),
        "{reply}"
    );
    assert_eq!((sim.stats().starts, sim.harness_stats().runs), (0, 0));
    let plain = format!("Content-Encoding: identity\r\n{body}");
    let request = harness_head(&sim, "POST", "/v1/runs", &plain) + "{}";
    assert_eq!(exchange(&sim, &request).0, 201);
}

/// Rows: N5.
#[test]
fn a_key_that_may_be_real_is_refused_with_a_warning_and_kept_nowhere() {
    let sim = still().record_bodies().spawn().unwrap();
    for secret in [
        "nnk_live_canary",
        "sk-canary",
        "ahk_canary:canary-secret",
        "a2V5OmNhbmFyeQ==canary",
        // Not even one that begins as a fake key does, only somewhere else.
        "canary_sim_key_",
    ] {
        for path in [
            "/api/v1/tasks",
            "/v1/usage",
            "/api/v1/nowhere",
            "/v1/nowhere",
        ] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {secret}\r\n\r\n"
            );
            let (status, reply) = exchange(&sim, &request);
            if !path.ends_with("nowhere") {
                let warning = reply.to_string();
                assert_eq!(status, 401, "{path}");
                assert!(
                    warning.contains("neither kept nor logged"),
                    "{path}: {warning}"
                );
                assert!(
                    warning.contains("takes only its own fake key"),
                    "{path}: {warning}"
                );
            }
            assert!(!reply.to_string().contains("canary"), "{path}: {reply}");
        }
    }
    assert_eq!(sim.requests().len(), 20);
    for told in [
        get(&sim, "/_sim/requests").1.to_string(),
        get(&sim, "/_sim/stats").1.to_string(),
        format!("{sim:?}"),
        format!("{:?}", sim.requests()),
    ] {
        assert!(!told.contains("canary"), "{told}");
    }
    // A wrong fake key is no reason to be alarmed.
    for (path, key) in [
        ("/api/v1/tasks", "sim_key_0"),
        ("/v1/usage", "key_sim_0:secret_0"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n");
        let (status, reply) = exchange(&sim, &request);
        assert!(
            status == 401 && !reply.to_string().contains("real"),
            "{reply}"
        );
    }
}

/// Rows: N5.
#[test]
fn a_request_shows_its_credential_to_no_log() {
    let request = taskward_sim::Request::new("GET", "/api/v1/tasks")
        .header("Authorization", "Bearer canary")
        .header("Accept", "application/json");
    let shown = format!("{request:?}");
    assert!(
        !shown.contains("canary") && shown.contains("application/json"),
        "{shown}"
    );
}

/// Rows: N6.
#[test]
fn only_loopback_is_served_unless_another_address_is_asked_for() {
    // Asking for a route sends nothing; a machine without a network has no such address, and nobody to refuse.
    let outside = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| {
            socket
                .connect("192.0.2.1:9")
                .and_then(|()| socket.local_addr())
        })
        .map(|address| address.ip())
        .ok();
    let sim = still().spawn().unwrap();
    assert_eq!(sim.address().ip(), Ipv4Addr::LOCALHOST);
    if let Some(ip) = outside {
        let refused = TcpStream::connect((ip, sim.address().port())).map(drop);
        assert_eq!(
            refused.unwrap_err().kind(),
            ErrorKind::ConnectionRefused,
            "{ip}"
        );
    }
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let sim = still().listen(everywhere).spawn().unwrap();
    assert_eq!(sim.address().ip(), everywhere.ip());
    for ip in outside.into_iter().chain([Ipv4Addr::LOCALHOST.into()]) {
        assert!(
            TcpStream::connect((ip, sim.address().port())).is_ok(),
            "{ip}"
        );
    }
}
