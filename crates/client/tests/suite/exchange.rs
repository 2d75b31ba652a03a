//! Every kind of exchange against a server scripted byte by byte: what is reported, and what reached the server.

use std::time::{Duration, Instant};

use taskward_core::{Cause, ErrorKind, Policy, TimeoutPhase};
use taskward_providers::nanonets::Nanonets;

use super::support::{self, Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Client, block_on, calls};

pub(super) fn client(base_url: &str, policy: Policy) -> Client<Nanonets> {
    Client::builder()
        .api_key(key())
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

/// Rows: F3.
#[test]
fn a_call_within_a_time_does_not_begin_a_wait_that_ends_after_it() {
    let server = Server::says(b"HTTP/1.1 429 Slow\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n");
    let client = client(&server.url(), Policy::default());
    let mut reported = 0;
    let call = client.call_within(Duration::from_secs(60), Probe::get(), |_| reported += 1);
    let error = block_on(call).expect_err("it is put off beyond its time");
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    assert_eq!((reported, server.seen().len()), (0, 1));
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
        Ended::Answered(200, Cause::Timeout(TimeoutPhase::Body))
    );
    let seen = &silent.seen()[0];
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
}

/// Rows: B24.
#[test]
fn silence_is_told_by_the_phase_it_falls_into() {
    let cases: [(&str, Ended); 3] = [
        ("", Ended::MaybeSent(Cause::Timeout(TimeoutPhase::Head))),
        (
            "HTTP/1.1 200 OK\r\nContent-",
            Ended::MaybeSent(Cause::Timeout(TimeoutPhase::Head)),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12",
            Ended::Answered(200, Cause::Timeout(TimeoutPhase::Body)),
        ),
    ];
    for (reply, expected) in cases {
        let server = Server::new(move |conn, _| {
            conn.request();
            conn.say(reply);
            conn.hold();
        });
        let started = Instant::now();
        assert_eq!(get(&server), expected, "{reply:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

/// Rows: B23.
#[test]
fn a_body_that_dribbles_ends_with_the_whole_exchange() {
    let server = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while conn.say("x") {
            // Far shorter than the limit for silence: only the limit of the whole exchange can end it.
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut policy = impatient();
    policy.work = Some(Duration::from_millis(700));
    let result = calls(&client(&server.url(), policy), &[Probe::get()]);
    assert_eq!(
        ended(&result[0]),
        Ended::Answered(200, Cause::Timeout(TimeoutPhase::Total))
    );
}

/// Rows: B1.
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
fn a_kept_connection_that_has_died_costs_nothing() {
    // Closes after each reply without saying so beforehand.
    let server = Server::says(ok("{}"));
    let client = client(&server.url(), impatient());
    for _ in 0..3 {
        assert_eq!(
            ended(&calls(&client, &[Probe::keyed("x")])[0]),
            Ended::Ok(200)
        );
        // The close has to arrive on a real socket before the next exchange looks at the connection.
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.seen().len(), 3);
}

/// Rows: B28.
#[test]
fn a_kept_connection_with_unasked_bytes_is_not_used_again() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for unasked in [evil, "x", "\r\n\r\nevil"] {
        let server = Server::new(move |conn, number| {
            conn.request();
            conn.say(ok(&number.to_string()) + unasked);
            conn.hold();
        });
        let client = client(&server.url(), impatient());
        let results = calls(&client, &[Probe::get(), Probe::keyed("x")]);
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.expect("a reply").body, number.to_string());
        }
        assert_eq!(server.connections(), 2);
    }
}

/// Rows: B25.
#[test]
fn a_reset_in_the_middle_of_a_body_is_a_reply_cut_short() {
    for started in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n1234",
        // A reset is an error even where a close would be the end.
        "HTTP/1.1 200 OK\r\n\r\n1234",
    ] {
        let server = Server::new(move |conn, _| {
            conn.head();
            // The request's body is there and is not read, so that closing resets the connection.
            let _ = conn.tcp.peek(&mut [0]);
            conn.say(started);
        });
        let result = &calls(&client(&server.url(), impatient()), &[Probe::post("x")])[0];
        assert_eq!(
            ended(result),
            Ended::Answered(200, Cause::Truncated),
            "{started:?}"
        );
        let kind = result.as_ref().expect_err("cut short").kind();
        assert_eq!(kind, ErrorKind::OutcomeUnknown);
    }
}
