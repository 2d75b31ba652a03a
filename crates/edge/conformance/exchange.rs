//! Every kind of exchange against a server scripted byte by byte: what is reported, and what reached the server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use taskward_core::{Cause, ErrorKind, Phase, Policy, Retry, Safety};
use taskward_providers::nanonets::Nanonets;

use super::support::{self, Conn, Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Client, calls};

fn client(base_url: &str, policy: Policy) -> Client<Nanonets> {
    Client::builder()
        .key(key())
        .base_url(base_url)
        .policy(policy)
        .build()
        .expect("settings")
}

fn call(base_url: &str, probe: Probe) -> Ended {
    ended(&calls(&client(base_url, impatient()), &[probe])[0])
}

fn get(server: &Server) -> Ended {
    call(&server.url(), Probe::get())
}

#[test]
fn a_plain_reply_comes_through_and_the_key_goes_into_one_header() {
    let server = Server::says(ok("{}"));
    assert_eq!(get(&server), Ended::Ok(200));
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "GET /probe?x=1 HTTP/1.1");
    let bearer = format!("Bearer {}", support::KEY);
    assert_eq!(seen.header("authorization"), Some(bearer.as_str()));
    assert_eq!(
        seen.header("host"),
        Some(format!("127.0.0.1:{}", server.port()).as_str())
    );
    assert_eq!(seen.header("accept-encoding"), None);
    assert_eq!(seen.header("content-length"), None);
    assert!(
        seen.header("user-agent")
            .is_some_and(|v| v.starts_with("taskward/"))
    );
    assert_eq!(seen.head.matches(support::KEY).count(), 1);
}

#[test]
fn a_reply_cut_anywhere_is_told_by_what_was_there() {
    for (reply, expected) in [
        ("", Ended::MaybeSent(Cause::Reset)),
        (
            "HTTP/1.1 200 OK\r\nContent-Le",
            Ended::MaybeSent(Cause::Reset),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234",
            Ended::Answered(200, Cause::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n1234",
            Ended::Answered(200, Cause::Truncated),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
            Ended::Answered(200, Cause::Truncated),
        ),
        // Nothing marks the end of this one: the core judges the text.
        ("HTTP/1.1 200 OK\r\n\r\n{\"cut\":", Ended::Ok(200)),
    ] {
        assert_eq!(get(&Server::says(reply)), expected, "{reply:?}");
    }
}

#[test]
fn what_is_not_http_is_told_as_such() {
    for reply in [
        "<html>no status line</html>\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\x28\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
    ] {
        assert_eq!(
            get(&Server::says(reply)),
            Ended::MaybeSent(Cause::Protocol),
            "{reply:?}"
        );
    }
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab";
    assert_eq!(
        get(&Server::says(chunk)),
        Ended::Answered(200, Cause::Protocol)
    );
}

#[test]
fn a_head_without_measure_is_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let big = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2 << 20));
    for reply in [many, big] {
        assert_eq!(get(&Server::says(reply)), Ended::MaybeSent(Cause::Protocol));
    }
}

#[test]
fn every_reply_with_a_status_is_a_reply() {
    for (reply, expected) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", Ended::Ok(204)),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            Ended::Ok(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            Ended::Ok(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
            Ended::Ok(200),
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            Ended::Api(404),
        ),
        (
            "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
            Ended::Api(600),
        ),
    ] {
        assert_eq!(get(&Server::says(reply)), expected, "{reply:?}");
    }
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(200);
    assert_eq!(
        get(&Server::says(format!("{hints}{}", ok("{}")))),
        Ended::Ok(200)
    );
}

#[test]
fn an_encoded_reply_is_refused_unread() {
    for value in ["gzip", "gzip, gzip", "br"] {
        let reply =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {value}\r\nContent-Length: 2\r\n\r\nab");
        assert_eq!(
            get(&Server::says(reply)),
            Ended::Answered(200, Cause::Encoding),
            "{value}"
        );
    }
}

#[test]
fn a_body_beyond_its_cap_is_refused_and_not_kept() {
    let cap = impatient().limits.max_body;
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
    assert_eq!(
        get(&Server::says(announced)),
        Ended::Answered(200, Cause::TooLarge { cap })
    );
    let endless = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        while conn.say(&chunk) {}
    });
    assert_eq!(get(&endless), Ended::Answered(200, Cause::TooLarge { cap }));
    let exact = Server::says(ok(&"x".repeat(usize::try_from(cap).expect("small"))));
    assert_eq!(get(&exact), Ended::Ok(200));
}

#[test]
fn of_a_refusal_without_end_enough_is_read() {
    let server = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 500 Oops\r\nContent-Length: 10737418240\r\n\r\n");
        while conn.say([b'x'; 0x4000]) {}
    });
    assert_eq!(get(&server), Ended::Api(500));
}

#[test]
fn an_operation_reads_an_event_stream_to_its_end_within_the_limits_of_a_body() {
    let cap = impatient().limits.max_body;
    let stream =
        |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{rest}");
    let endless = "data: x\n\n".repeat(usize::try_from(cap).expect("small") / 9 + 1);
    for (reply, expected) in [
        (stream("\r\ndata: 1\n\ndata: 2\n\n"), Ended::Ok(200)),
        (
            stream("Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"),
            Ended::Ok(200),
        ),
        (
            stream("Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"),
            Ended::Answered(200, Cause::Truncated),
        ),
        (
            stream("Content-Encoding: gzip\r\n\r\n"),
            Ended::Answered(200, Cause::Encoding),
        ),
        (
            stream(&format!("\r\n{endless}")),
            Ended::Answered(200, Cause::TooLarge { cap }),
        ),
    ] {
        assert_eq!(
            call(&Server::says(reply.clone()).url(), Probe::stream()),
            expected,
            "{:?}",
            &reply[..80]
        );
    }
    let silent = Server::new(move |conn, _| {
        conn.request();
        conn.say(stream("\r\ndata: 1\n\n"));
        conn.hold();
    });
    assert_eq!(
        call(&silent.url(), Probe::stream()),
        Ended::Answered(200, Cause::Timeout(Phase::Body))
    );
    let seen = &silent.seen()[0];
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
}

#[test]
fn a_refusal_that_dribbles_ends_even_where_an_exchange_has_no_end() {
    let server = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n");
        while conn.say("x") {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let file = file(10);
    let begun = Instant::now();
    assert_eq!(
        call(&server.url(), Probe::upload(file.path())),
        Ended::Api(500)
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn silence_is_told_by_the_phase_it_falls_into() {
    let cases: [(&str, Ended); 3] = [
        ("", Ended::MaybeSent(Cause::Timeout(Phase::Head))),
        (
            "HTTP/1.1 200 OK\r\nContent-",
            Ended::MaybeSent(Cause::Timeout(Phase::Head)),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12",
            Ended::Answered(200, Cause::Timeout(Phase::Body)),
        ),
    ];
    for (reply, expected) in cases {
        let server = Server::new(move |conn, _| {
            conn.request();
            conn.say(reply);
            conn.hold();
        });
        let begun = Instant::now();
        assert_eq!(get(&server), expected, "{reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn informational_replies_without_end_do_not_put_the_limit_off() {
    let server = Server::new(|conn, _| {
        conn.request();
        while conn.say("HTTP/1.1 103 Early Hints\r\n\r\n") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(get(&server), Ended::MaybeSent(Cause::Timeout(Phase::Head)));
}

#[test]
fn a_body_that_dribbles_ends_with_the_whole_exchange() {
    let server = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while conn.say("x") {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut policy = impatient();
    policy.work = Some(Duration::from_millis(700));
    let result = calls(&client(&server.url(), policy), &[Probe::get()]);
    assert_eq!(
        ended(&result[0]),
        Ended::Answered(200, Cause::Timeout(Phase::Total))
    );
}

#[test]
fn what_never_left_is_told_as_not_sent() {
    let refused = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", refused.local_addr().expect("an address"));
    drop(refused);
    let result = &calls(&client(&url, impatient()), &[Probe::post("x")])[0];
    assert_eq!(ended(result), Ended::NotSent(Cause::Refused));
    let text = result.as_ref().expect_err("refused").to_string();
    assert!(text.contains("127.0.0.1:"), "{text}");
    assert_eq!(
        call("https://no-such-host.invalid", Probe::post("x")),
        Ended::NotSent(Cause::Resolve)
    );
}

#[test]
fn a_write_whose_reply_is_lost_may_have_been_received() {
    let server = Server::says("");
    let result = &calls(
        &client(&server.url(), Policy::default()),
        &[Probe::post("x")],
    )[0];
    assert_eq!(
        result.as_ref().expect_err("unknown").kind(),
        ErrorKind::OutcomeUnknown
    );
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.seen()[0].body, b"\"x\"");
}

#[test]
fn a_redirect_leads_nowhere_but_to_its_own_server() {
    let other = Server::says(ok("{}"));
    for status in [301, 302, 307, 308] {
        for location in [
            format!("{}/probe", other.url()),
            format!("http://localhost:{}/probe", other.port()),
            "ftp://127.0.0.1/probe".to_owned(),
            String::new(),
        ] {
            let reply = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            );
            let server = Server::says(reply);
            assert_eq!(
                get(&server),
                Ended::Answered(status, Cause::Redirect),
                "{status} {location}"
            );
            assert_eq!(server.seen().len(), 1);
        }
    }
    assert!(other.seen().is_empty(), "another port was asked");
}

#[test]
fn a_redirect_of_the_same_server_is_followed_with_the_key_and_the_body() {
    let server = Server::new(|conn, _| {
        while let Some(seen) = conn.request() {
            if seen.line().contains("/probe") {
                conn.say("HTTP/1.1 307 Moved\r\nLocation: /there?y=2\r\nContent-Length: 0\r\n\r\n");
            } else {
                conn.json("{}");
            }
        }
    });
    assert_eq!(call(&server.url(), Probe::post("x")), Ended::Ok(200));
    let seen = server.seen();
    assert_eq!(seen[1].line(), "POST /there?y=2 HTTP/1.1");
    assert_eq!(seen[1].body, b"\"x\"");
    assert_eq!(
        seen[1].header("authorization"),
        seen[0].header("authorization")
    );
    let looping = Server::new(|conn, _| {
        while conn.request().is_some() {
            conn.say("HTTP/1.1 307 Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
        }
    });
    assert_eq!(get(&looping), Ended::Answered(307, Cause::Redirect));
    assert_eq!(looping.seen().len(), 4);
    let rewritten = Server::says("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        call(&rewritten.url(), Probe::post("x")),
        Ended::Answered(302, Cause::Redirect)
    );
}

#[test]
fn connections_are_kept_while_they_are_clean() {
    let server = Server::new(|conn, number| {
        while conn.request().is_some() {
            conn.say(format!(
                "HTTP/1.1 200 OK\r\nConn: {number}\r\nContent-Length: 2\r\n\r\n{{}}"
            ));
        }
    });
    let client = client(&server.url(), impatient());
    for result in calls(&client, &[Probe::get(), Probe::post("x"), Probe::get()]) {
        let reply = result.expect("a reply");
        assert_eq!(
            reply.head.headers.get("conn").map(|v| v.as_bytes()),
            Some(&b"0"[..])
        );
    }
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_kept_connection_that_has_died_costs_nothing() {
    // Closes after each reply without saying so beforehand.
    let server = Server::says(ok("{}"));
    let client = client(&server.url(), impatient());
    for _ in 0..3 {
        assert_eq!(
            ended(&calls(&client, &[Probe::post("x")])[0]),
            Ended::Ok(200)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_kept_connection_with_unasked_bytes_is_not_used_again() {
    let server = Server::new(|conn, _| {
        conn.request();
        conn.say(format!(
            "{}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            ok("good")
        ));
        conn.hold();
    });
    let client = client(&server.url(), impatient());
    for result in calls(&client, &[Probe::get(), Probe::get()]) {
        assert_eq!(result.expect("a reply").body, "good");
    }
}

#[test]
fn a_kept_connection_that_dies_under_a_write_is_not_used_to_write_again() {
    let server = Server::new(|conn, number| {
        conn.request();
        if number == 0 {
            conn.json("{}");
            conn.request();
        }
    });
    let client = client(&server.url(), Policy::default());
    let results = calls(&client, &[Probe::get(), Probe::post("x")]);
    assert_eq!(ended(&results[0]), Ended::Ok(200));
    let error = results[1].as_ref().expect_err("it may have been received");
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(server.seen().len(), 2);
}

/// A file of `len` bytes that are not all alike.
fn file(len: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    file.write_all(&bytes).expect("room");
    file
}

#[test]
fn a_file_arrives_whole_with_its_length_beforehand() {
    for len in [0, 1, 256 * 1024, 3_000_000] {
        let file = file(len);
        let server = Server::says(ok("{}"));
        assert_eq!(
            call(&server.url(), Probe::upload(file.path())),
            Ended::Ok(200)
        );
        let seen = &server.seen()[0];
        assert_eq!(
            seen.header("content-length"),
            Some(seen.body.len().to_string().as_str())
        );
        assert_eq!(seen.header("transfer-encoding"), None);
        let content = std::fs::read(file.path()).expect("the file");
        let start = seen
            .body
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a part")
            + 4;
        assert!(seen.body[start..start + len] == content[..], "{len}");
        assert!(seen.body[start + len..].starts_with(b"\r\n--"), "{len}");
    }
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_is_told_as_that_refusal() {
    let file = file(32 << 20);
    /// Reads the head and a little, refuses, and does this with the rest.
    fn refuse(conn: &mut Conn, status: u16) {
        conn.head();
        let mut some = vec![0; 100_000];
        let _ = conn.tcp.read_exact(&mut some);
        conn.say(format!(
            "HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"error\":\"no\"}}"
        ));
    }
    // Closing with unread bytes resets the connection.
    let closes = Server::new(|conn, _| refuse(conn, 400));
    let waits = Server::new(|conn, _| {
        refuse(conn, 413);
        std::thread::sleep(Duration::from_secs(3));
    });
    let drains = Server::new(|conn, _| {
        refuse(conn, 401);
        conn.hold();
    });
    for (server, status) in [(closes, 400), (waits, 413), (drains, 401)] {
        let result = &calls(
            &client(&server.url(), impatient()),
            &[Probe::upload(file.path())],
        )[0];
        assert_eq!(ended(result), Ended::Api(status));
        let text = result.as_ref().expect_err("refused").to_string();
        assert!(text.contains("no"), "{text}");
    }
}

#[test]
fn an_upload_that_stands_still_is_given_up() {
    let file = file(32 << 20);
    let server = Server::new(|conn, _| {
        conn.head();
        std::thread::sleep(Duration::from_secs(5));
    });
    assert_eq!(
        call(&server.url(), Probe::upload(file.path())),
        Ended::MaybeSent(Cause::Timeout(Phase::Send))
    );
}

#[test]
fn an_upload_that_is_cut_off_may_have_been_received() {
    let file = file(32 << 20);
    let server = Server::new(|conn, _| {
        conn.head();
    });
    assert_eq!(
        call(&server.url(), Probe::upload(file.path())),
        Ended::MaybeSent(Cause::Reset)
    );
}

#[test]
fn a_file_that_changed_between_two_attempts_is_not_sent_again() {
    let file = file(1000);
    let path = file.path().to_owned();
    let server = Server::new(move |conn, _| {
        conn.request();
        std::fs::write(&path, "something else").expect("write");
        conn.say("HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n");
    });
    let mut policy = impatient();
    policy.retry = Retry::default();
    policy.retry.base = Duration::from_millis(10);
    let result = calls(
        &client(&server.url(), policy),
        &[Probe::upload(file.path())],
    );
    assert_eq!(ended(&result[0]), Ended::NotSent(Cause::SourceChanged));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_file_that_shrinks_under_the_upload_ends_it() {
    let file = file(16 << 20);
    let handle = file.reopen().expect("the file");
    let server = Server::new(move |conn, _| {
        conn.head();
        handle.set_len(1000).expect("shrink");
        conn.hold();
    });
    assert_eq!(
        call(&server.url(), Probe::upload(file.path())),
        Ended::MaybeSent(Cause::SourceChanged)
    );
}

#[test]
fn a_file_that_is_not_there_is_an_input_error_before_any_request() {
    let server = Server::says(ok("{}"));
    let dir = tempfile::tempdir().expect("dir");
    for path in [dir.path().join("none.pdf"), dir.path().to_owned()] {
        let result = &calls(&client(&server.url(), impatient()), &[Probe::upload(&path)])[0];
        assert_eq!(ended(result), Ended::Other(ErrorKind::Input));
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_read_is_repeated_until_it_works() {
    let server = Server::new(|conn, number| {
        conn.request();
        match number {
            0 => {}
            1 => {
                conn.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
            }
            _ => {
                conn.json("{}");
            }
        }
    });
    let mut policy = Policy::default();
    policy.retry.base = Duration::from_millis(10);
    let result = calls(&client(&server.url(), policy), &[Probe::get()]);
    assert_eq!(ended(&result[0]), Ended::Ok(200));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn the_key_is_taken_out_of_what_is_told() {
    let server = Server::new(|conn, _| {
        let seen = conn.request().expect("a request");
        let key = seen.header("authorization").expect("a key").to_owned();
        conn.say(format!(
            "HTTP/1.1 302 Found\r\nLocation: https://{}.example/\r\nContent-Length: 0\r\n\r\n",
            &key[7..]
        ));
    });
    assert_eq!(get(&server), Ended::Answered(302, Cause::Redirect));
    let server = Server::new(|conn, _| {
        let seen = conn.request().expect("a request");
        let head = "HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n";
        let key = seen.header("authorization").expect("a key");
        conn.say(format!(
            "{head}X-Request-Id: {key}\r\nContent-Length: {}\r\n\r\n{key}",
            key.len()
        ));
    });
    let result = &calls(&client(&server.url(), impatient()), &[Probe::get()])[0];
    assert_eq!(ended(result), Ended::Api(400));
    let error = result.as_ref().expect_err("refused");
    assert_eq!(error.request_id(), Some("Bearer [key]"));
}

#[test]
fn an_empty_post_says_that_it_is_empty() {
    let server = Server::says(ok("{}"));
    let mut probe = Probe::get();
    probe.method = taskward_core::http::Method::POST;
    probe.safety = Safety::Once;
    assert_eq!(call(&server.url(), probe), Ended::Ok(200));
    assert_eq!(server.seen()[0].header("content-length"), Some("0"));
}
