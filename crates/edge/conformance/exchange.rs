//! Every kind of exchange against a server scripted byte by byte: what is reported, and what reached the server.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use taskward_core::{Cause, ErrorKind, Phase, Policy};
use taskward_providers::nanonets::Nanonets;

use super::support::{self, Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Client, calls};

pub(super) fn client(base_url: &str, policy: Policy) -> Client<Nanonets> {
    Client::builder()
        .key(key())
        .base_url(base_url)
        .policy(policy)
        .build()
        .expect("settings")
}

pub(super) fn call(base_url: &str, probe: Probe) -> Ended {
    ended(&calls(&client(base_url, impatient()), &[probe])[0])
}

pub(super) fn get(server: &Server) -> Ended {
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
