//! Redirects: followed on the same server only, and nothing of ours ever reaches another one.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use taskward_core::{Cause, ErrorKind};

use super::exchange::{call, client, get};
use super::support::{self, Ended, Probe, Server, ended, impatient, ok};
use crate::adapter::calls;

/// Everything that a request can carry: key, idempotency key, a header of its own, a body, a file, a request for events.
fn probes(file: &std::path::Path) -> [Probe; 5] {
    [
        Probe::get(),
        Probe::post("secret body"),
        Probe::keyed("secret body"),
        Probe::upload(file),
        Probe::stream(),
    ]
}

fn moved(status: u16, locations: &[&str]) -> String {
    let lines: String = locations
        .iter()
        .map(|to| format!("Location: {to}\r\n"))
        .collect();
    format!("HTTP/1.1 {status} Moved\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// Rows: C1, C2.
#[test]
fn nothing_of_ours_reaches_another_server() {
    let other = Server::says(ok("{}"));
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"secret file").expect("room");
    for status in [301, 302, 303, 307, 308] {
        for location in [
            // Another port, another name, another server altogether.
            format!("http://127.0.0.1:{}/probe", other.port()),
            format!("http://localhost:{}/probe", other.port()),
            format!("//127.0.0.1:{}/probe", other.port()),
            format!("http://user:pass@127.0.0.1:{}/", other.port()),
            format!("HTTP://127.0.0.1:{}\\@{}", other.port(), "h.example"),
        ] {
            let server = Server::says(moved(status, &[&location]));
            for probe in probes(file.path()) {
                let method = probe.method.clone();
                let result = &calls(&client(&server.url(), impatient()), &[probe])[0];
                let why = format!("{status} {method} {location}");
                assert_eq!(
                    ended(result),
                    Ended::Answered(status, Cause::Redirect),
                    "{why}"
                );
                let error = result.as_ref().expect_err("refused");
                assert_eq!(error.kind(), ErrorKind::Protocol, "{why}");
                assert!(!error.to_string().contains("pass"), "{error}");
            }
            assert_eq!(server.seen().len(), 5, "each was asked once");
        }
    }
    assert_eq!(other.connections(), 0, "another server was asked");
    assert!(other.seen().is_empty());
}

/// Rows: A12, C1.
#[test]
fn a_redirect_to_another_server_names_it() {
    let location = "http://portal.example/login?from=you";
    let server = Server::says(moved(302, &[location]));
    let result = &calls(&client(&server.url(), impatient()), &[Probe::get()])[0];
    let text = result.as_ref().expect_err("refused").to_string();
    assert!(text.contains("http://portal.example"), "{text}");
    assert!(text.contains("network login page?"), "{text}");
    assert!(!text.contains(support::KEY));
}

/// Rows: C5.
#[test]
fn a_redirect_of_the_same_server_is_followed_with_the_key_and_the_body() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"content").expect("room");
    for status in [307, 308] {
        let server = Server::new(move |conn, _| {
            while let Some(seen) = conn.request() {
                if seen.line().contains("/probe") {
                    conn.say(moved(status, &["/there?y=2"]));
                } else {
                    conn.json("{}");
                }
            }
        });
        for probe in [Probe::keyed("x"), Probe::upload(file.path())] {
            assert_eq!(call(&server.url(), probe), Ended::Ok(200));
        }
        let seen = server.seen();
        for pair in seen.chunks(2) {
            assert_eq!(pair[1].line(), "POST /there?y=2 HTTP/1.1");
            assert_eq!(pair[1].body, pair[0].body);
            assert!(!pair[1].body.is_empty());
            for name in [
                "authorization",
                "idempotency-key",
                "x-workspace",
                "content-type",
            ] {
                assert_eq!(pair[1].header(name), pair[0].header(name), "{name}");
            }
        }
        let bearer = format!("Bearer {}", support::KEY);
        assert_eq!(seen[1].header("authorization"), Some(bearer.as_str()));
        assert!(seen[1].header("idempotency-key").is_some());
    }
}

/// Rows: C5.
#[test]
fn a_read_follows_every_kind_of_redirect_of_its_server() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::new(move |conn, _| {
            while let Some(seen) = conn.request() {
                if seen.line().contains("/probe") {
                    conn.say(moved(status, &["/there"]));
                } else {
                    conn.json("{}");
                }
            }
        });
        assert_eq!(get(&server), Ended::Ok(200), "{status}");
        assert_eq!(server.seen()[1].line(), "GET /there HTTP/1.1");
    }
}

/// Rows: C5, C7.
#[test]
fn three_redirects_are_followed_and_the_fourth_is_one_too_many() {
    for (redirects, ends) in [
        (3, Ended::Ok(200)),
        (4, Ended::Answered(307, Cause::Redirect)),
        (usize::MAX, Ended::Answered(307, Cause::Redirect)),
    ] {
        let asked = AtomicUsize::new(0);
        let server = Server::new(move |conn, _| {
            while conn.request().is_some() {
                if asked.fetch_add(1, Ordering::SeqCst) < redirects {
                    conn.say(moved(307, &["/again"]));
                } else {
                    conn.json("{}");
                }
            }
        });
        assert_eq!(call(&server.url(), Probe::post("x")), ends, "{redirects}");
        assert_eq!(server.seen().len(), 4);
    }
}

/// Rows: C4.
#[test]
fn a_write_is_never_turned_into_a_read() {
    for status in [301, 302, 303] {
        for probe in [Probe::post("x"), Probe::keyed("x")] {
            let server = Server::says(moved(status, &["/x"]));
            let result = &calls(&client(&server.url(), impatient()), &[probe])[0];
            assert_eq!(ended(result), Ended::Answered(status, Cause::Redirect));
            let error = result.as_ref().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Protocol, "it was answered");
            assert!(error.to_string().contains("into a GET"), "{error}");
            assert_eq!(server.seen().len(), 1);
            assert!(server.seen()[0].line().starts_with("POST "));
        }
    }
}

/// Rows: C6, C8, C9, C10.
#[test]
fn a_redirect_that_leads_nowhere_is_refused_at_once() {
    for (status, locations, words) in [
        (302, &[][..], "without a Location"),
        (302, &[""], "neither a path nor a URL"),
        (302, &["elsewhere"], "neither a path nor a URL"),
        (302, &["file:///etc/passwd"], "neither a path nor a URL"),
        (302, &["ftp://127.0.0.1/x"], "another origin"),
        (302, &["javascript:alert(1)"], "neither a path nor a URL"),
        (302, &["data:text/html,x"], "neither a path nor a URL"),
        (302, &["/a", "/b"], "several different Locations"),
        (304, &[], "no redirect that can be followed"),
        (300, &["/a"], "no redirect that can be followed"),
    ] {
        let server = Server::says(moved(status, locations));
        let result = &calls(&client(&server.url(), impatient()), &[Probe::get()])[0];
        assert_eq!(
            ended(result),
            Ended::Answered(status, Cause::Redirect),
            "{locations:?}"
        );
        let error = result.as_ref().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(words), "{locations:?}: {error}");
        assert_eq!(server.seen().len(), 1, "{locations:?}");
    }
}

/// Rows: C9.
#[test]
fn the_same_location_twice_is_one() {
    let server = Server::new(|conn, _| {
        while let Some(seen) = conn.request() {
            if seen.line().contains("/probe") {
                conn.say(moved(307, &["/there", "/there"]));
            } else {
                conn.json("{}");
            }
        }
    });
    assert_eq!(get(&server), Ended::Ok(200));
}
