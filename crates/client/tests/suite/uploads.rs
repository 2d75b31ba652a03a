//! Files on their way: whole, refused in the middle, delayed, changed.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use taskward_core::{Cause, ErrorKind, Policy, Retry, Safety, TimeoutPhase};

use super::exchange::{call, client, get};
use super::support::{Conn, Ended, Probe, Server, ended, impatient, ok};
use crate::adapter::calls;

/// Returns a file of `len` bytes that are not all alike.
fn file(len: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    file.write_all(&bytes).expect("room");
    file
}

/// Rows: K5, K16.
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
        // Nobody is asked to say "100 Continue" first, so nobody has to.
        assert_eq!(seen.header("expect"), None);
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

/// Rows: K15.
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
        Ended::MaybeSent(Cause::Timeout(TimeoutPhase::Send))
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

/// Rows: K4.
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

/// Rows: K2.
#[test]
fn a_file_that_grows_under_the_upload_is_sent_as_long_as_it_was() {
    let file = file(16 << 20);
    let was = std::fs::read(file.path()).expect("the file");
    let handle = std::sync::Mutex::new(file.reopen().expect("the file"));
    let server = Server::new(move |conn, _| {
        let head = conn.head().expect("a head");
        // Some of the file is here: it was opened and found to be the one that was described.
        let mut started = vec![0; 64 * 1024];
        conn.tcp.read_exact(&mut started).expect("a part");
        let mut handle = handle.lock().expect("whole");
        handle.seek(SeekFrom::End(0)).expect("its end");
        handle.write_all(b"more and more").expect("room");
        conn.body(head, &started);
        conn.say(ok("{}"));
    });
    let probe = Probe::upload(file.path());
    let result = &calls(&client(&server.url(), Policy::default()), &[probe])[0];
    assert_eq!(ended(result), Ended::Ok(200));
    let body = &server.seen()[0].body;
    let start = body.len() - was.len();
    let at = body[..start]
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a part")
        + 4;
    assert!(body[at..at + was.len()] == was[..]);
    assert!(body[at + was.len()..].starts_with(b"\r\n--"));
}

/// Rows: K3.
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

/// Rows: K1.
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

/// Rows: B1.
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

/// Rows: L6.
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

/// Rows: L14.
#[test]
fn what_a_server_wants_to_be_remembered_is_not() {
    let server = Server::new(|conn, _| {
        while conn.request().is_some() {
            conn.say(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                 Set-Cookie: session=1; Path=/\r\nStrict-Transport-Security: max-age=31536000\r\n\
                 Clear-Site-Data: \"*\"\r\nReferrer-Policy: unsafe-url\r\n\r\n{}",
            );
        }
    });
    let client = client(&server.url(), impatient());
    for _ in 0..3 {
        assert_eq!(ended(&calls(&client, &[Probe::get()])[0]), Ended::Ok(200));
    }
    let seen = server.seen();
    let heads: Vec<&str> = seen.iter().map(|seen| seen.head.as_str()).collect();
    assert_eq!(heads, [heads[0]; 3]);
    for name in ["cookie", "referer"] {
        assert_eq!(seen[0].header(name), None);
    }
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
    let started = Instant::now();
    assert_eq!(
        call(&server.url(), Probe::upload(file.path())),
        Ended::Api(500)
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}
