//! What the two HTTP libraries make of odd replies, measured each alone, and what must come of it here: the same for
//! both. A comment says what a library does where that is not what we need, so that an upgrade cannot loosen it unseen.

use std::net::TcpListener;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use taskward_core::http::header::HeaderValue;
use taskward_core::{
    Cause, Credential, Error, ErrorKind, Origin, Policy, Response, TimeoutPhase, user_agent,
};

use super::exchange::{call, client, get};
use super::support::{self, Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::calls;

/// What an exchange means for its call, which is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Means {
    /// It came through.
    Fine,
    /// The wire failed: a read may be tried later, a write without a key may have been applied.
    Lost,
    /// Something other than the expected server answers; a write may have been applied anyway.
    Wrong,
    /// It was answered, and nothing was done.
    Refused,
}

impl Means {
    fn kind(self, write: bool) -> Option<ErrorKind> {
        match self {
            Self::Fine => None,
            Self::Refused => Some(ErrorKind::Protocol),
            Self::Lost | Self::Wrong if write => Some(ErrorKind::OutcomeUnknown),
            Self::Lost => Some(ErrorKind::Transport),
            Self::Wrong => Some(ErrorKind::Protocol),
        }
    }
}

fn kind(result: &Result<Response, Error>) -> Option<ErrorKind> {
    result.as_ref().err().map(Error::kind)
}

/// Sends a read and a write to a server that says this; both end so, and are sent once.
fn check(reply: impl Into<Vec<u8>>, ends: Ended, means: Means) {
    let reply = reply.into();
    let shown = String::from_utf8_lossy(&reply[..reply.len().min(120)]).into_owned();
    let server = Server::says(reply);
    for (write, probe) in [(false, Probe::get()), (true, Probe::post("x"))] {
        let result = &calls(&client(&server.url(), impatient()), &[probe])[0];
        assert_eq!(ended(result), ends, "write: {write}, {shown:?}");
        assert_eq!(kind(result), means.kind(write), "write: {write}, {shown:?}");
        if let Err(error) = result {
            let text = error.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
    assert_eq!(server.seen().len(), 2, "{shown:?}");
}

/// Rows: B1, B2, B4, B5, B6.
#[test]
fn a_reply_cut_anywhere_is_told_by_what_was_there() {
    // Both alone: an error of I/O; hyper's does not call a short body an incomplete message.
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (reply, ends) in [
        (String::new(), Ended::MaybeSent(Cause::Reset)),
        ("HTTP/1.1 200".into(), Ended::MaybeSent(Cause::Reset)),
        (
            "HTTP/1.1 200 OK\r\nContent-Le".into(),
            Ended::MaybeSent(Cause::Reset),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234".into(),
            Ended::Answered(200, Cause::Truncated),
        ),
        (
            format!("{chunked}8\r\n1234"),
            Ended::Answered(200, Cause::Truncated),
        ),
        // The JSON is whole, and still the reply is not.
        (
            format!("{chunked}2\r\n{{}}\r\n"),
            Ended::Answered(200, Cause::Truncated),
        ),
        (chunked.into(), Ended::Answered(200, Cause::Truncated)),
    ] {
        check(reply, ends, Means::Lost);
    }
}

#[test]
fn a_body_whose_end_nothing_marks_is_whole_for_the_wire() {
    // Both alone: 200 without an error. The core judges the text.
    let cut = "HTTP/1.1 200 OK\r\n\r\n{\"cut\":";
    check(cut, Ended::Ok(200), Means::Fine);
}

/// Rows: A9, B3, B7, B8.
#[test]
fn what_is_not_http_is_told_as_such() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for reply in [
        "<html>no status line</html>\r\n\r\n",
        // What a TLS server says to a request in the clear.
        "\x15\x03\x01\x00\x02\x02\x28\r\n\r\n",
        "\x00\x01\x02 rubbish \x7f\r\n\r\n",
    ] {
        check(reply, Ended::MaybeSent(Cause::Protocol), Means::Wrong);
        let server = Server::says(reply);
        let result = &calls(&client(&server.url(), impatient()), &[Probe::get()])[0];
        let text = result.as_ref().expect_err("no HTTP").to_string();
        assert!(text.contains("is this an HTTPS port"), "{text}");
    }
    for lengths in [
        "-2",
        "two",
        "2\r\nContent-Length: 3",
        "18446744073709551616",
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\nab");
        check(reply, Ended::MaybeSent(Cause::Protocol), Means::Wrong);
    }
    for size in ["fffffffffffffffff", "10000000000000000", "xyz", "-1"] {
        let reply = format!("{chunked}{size}\r\nab");
        check(reply, Ended::Answered(200, Cause::Protocol), Means::Wrong);
    }
}

/// Rows: B22.
#[test]
fn a_status_beyond_http_is_no_panic_and_no_success() {
    check(
        "HTTP/1.1 099 Odd\r\n\r\n",
        Ended::MaybeSent(Cause::Protocol),
        Means::Wrong,
    );
    // Both alone accept these.
    for status in [600, 999] {
        let reply = format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n");
        check(reply, Ended::Api(status), Means::Wrong);
    }
    for phrase in ["\x1b[31mred", "\u{7}bell", "na\u{efbf}ive"] {
        let reply = format!("HTTP/1.1 600 {phrase}\r\nContent-Length: 0\r\n\r\n");
        let server = Server::says(reply);
        let result = &calls(&client(&server.url(), impatient()), &[Probe::get()])[0];
        let text = result.as_ref().expect_err("no success").to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
        assert_eq!(kind(result), Some(ErrorKind::Protocol));
    }
}

/// Rows: B20.
#[test]
fn a_head_without_measure_is_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let big = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2 << 20));
    for reply in [many, big] {
        check(reply, Ended::MaybeSent(Cause::Protocol), Means::Wrong);
    }
    let (endless, taken) = Server::floods("HTTP/1.1 200 OK\r\n", "X-Drip: drop\r\n".repeat(1000));
    assert_eq!(get(&endless), Ended::MaybeSent(Cause::Protocol));
    bounded(&taken);
    let drip = Server::new(|conn, _| {
        conn.request();
        conn.say("HTTP/1.1 200 OK\r\n");
        while conn.say("X: y\r\n") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(
        get(&drip),
        Ended::MaybeSent(Cause::Timeout(TimeoutPhase::Head))
    );
}

/// The connection was dropped long before the server was done: what was taken fits into the buffers of sockets.
fn bounded(taken: &Receiver<u64>) {
    let taken = taken
        .recv_timeout(Duration::from_secs(20))
        .expect("the connection was dropped");
    assert!(taken < 32 << 20, "{taken} bytes were taken");
}

/// Rows: B21.
#[test]
fn informational_replies_come_before_the_reply_and_do_not_put_the_limit_off() {
    for count in [1, 200, 1000] {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(count);
        check(format!("{hints}{}", ok("{}")), Ended::Ok(200), Means::Fine);
    }
    let endless = Server::new(|conn, _| {
        conn.request();
        while conn.say("HTTP/1.1 103 Early Hints\r\n\r\n") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(
        get(&endless),
        Ended::MaybeSent(Cause::Timeout(TimeoutPhase::Head))
    );
}

/// Rows: B9.
#[test]
fn chunks_win_over_a_length_and_their_connection_is_not_used_again() {
    let server = Server::new(|conn, number| {
        while conn.request().is_some() {
            conn.say(format!(
                "HTTP/1.1 200 OK\r\nConn: {number}\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\n{{}}\r\n0\r\n\r\n"
            ));
        }
    });
    let client = client(&server.url(), impatient());
    for (number, result) in calls(&client, &[Probe::get(), Probe::post("x")])
        .into_iter()
        .enumerate()
    {
        let reply = result.expect("a reply");
        assert_eq!(reply.body, "{}");
        assert_eq!(reply.head.headers["conn"], number.to_string().as_str());
    }
}

#[test]
fn every_reply_with_a_status_is_a_reply() {
    for (reply, ends) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", Ended::Ok(204)),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
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
    ] {
        assert_eq!(get(&Server::says(reply)), ends, "{reply:?}");
    }
}

/// Rows: B18, B19.
#[test]
fn an_encoded_reply_is_refused_and_nothing_is_inflated() {
    // ureq alone, with its gzip feature: a megabyte becomes a gigabyte. Stacked encodings: both alone hand them over.
    for value in [
        "gzip",
        "GZIP",
        "gzip, gzip",
        "br",
        "zstd",
        "identity, gzip",
        "x",
    ] {
        let reply =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {value}\r\nContent-Length: 2\r\n\r\nab");
        check(reply, Ended::Answered(200, Cause::Encoding), Means::Wrong);
    }
    let twice = "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\
                 Content-Length: 2\r\n\r\nab";
    check(twice, Ended::Answered(200, Cause::Encoding), Means::Wrong);

    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    let (bomb, taken) = Server::floods(head, gzip());
    assert_eq!(get(&bomb), Ended::Answered(200, Cause::Encoding));
    bounded(&taken);
    assert_eq!(bomb.seen()[0].header("accept-encoding"), None);

    // Without a word about it they are bytes like any other.
    let mut bare = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n".to_vec();
    bare.extend_from_slice(&gzip());
    let server = Server::says(bare);
    let reply = calls(&client(&server.url(), impatient()), &[Probe::get()]).remove(0);
    assert_eq!(reply.expect("a reply").body, gzip());
}

/// Nothing, in gzip.
fn gzip() -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[..4].copy_from_slice(&[0x1f, 0x8b, 8, 0]);
    bytes[9] = 3;
    bytes[10] = 3;
    bytes
}

/// Rows: B16, B17.
#[test]
fn a_body_beyond_its_cap_is_refused_and_not_kept() {
    let cap = impatient().limits.max_body;
    let too_large = Ended::Answered(200, Cause::TooLarge { cap });
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
    check(announced, too_large.clone(), Means::Wrong);
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for (head, more) in [
        (announced, vec![b'x'; 0x4000]),
        (chunks, chunk.into_bytes()),
        ("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 0x4000]),
    ] {
        let (server, taken) = Server::floods(head, more);
        assert_eq!(get(&server), too_large, "{head:?}");
        bounded(&taken);
    }
    let exact = Server::says(ok(&"x".repeat(usize::try_from(cap).expect("small"))));
    assert_eq!(get(&exact), Ended::Ok(200));
    let beyond = Server::says(ok(&"x".repeat(usize::try_from(cap + 1).expect("small"))));
    assert_eq!(get(&beyond), too_large);
}

#[test]
fn a_body_of_eleven_mebibytes_is_a_matter_of_our_cap_alone() {
    // ureq alone: refused beyond 10 MiB. hyper alone: accepted, whatever its length.
    let server = Server::says(ok(&"x".repeat(11 << 20)));
    let mut policy = impatient();
    policy.limits.max_body = Policy::default().limits.max_body;
    policy.limits.head = Duration::from_secs(10);
    policy.limits.idle = Duration::from_secs(10);
    let reply = calls(&client(&server.url(), policy.clone()), &[Probe::get()]).remove(0);
    assert_eq!(reply.expect("a reply").body.len(), 11 << 20);
    policy.limits.max_body = 10 << 20;
    let result = &calls(&client(&server.url(), policy), &[Probe::get()])[0];
    let cap = 10 << 20;
    assert_eq!(ended(result), Ended::Answered(200, Cause::TooLarge { cap }));
}

/// Rows: C4, C6, C8, C10.
#[test]
fn a_redirect_is_never_followed_by_the_library() {
    // ureq alone: ten of them, a POST turned into a GET, `Authorization` dropped and every other header kept; an empty
    // `Location` makes it ask eleven times. hyper alone: none.
    for (status, location) in [
        (302, "Location: http://127.0.0.1:1/\r\n"),
        (307, "Location: http://127.0.0.1:1/\r\n"),
        (308, "Location: file:///etc/passwd\r\n"),
        (302, "Location: ftp://127.0.0.1/probe\r\n"),
        (302, "Location: javascript:alert(1)\r\n"),
        (307, "Location: //127.0.0.1:1/\r\n"),
        (307, "Location: \r\n"),
        (307, "Location:\r\n"),
        (303, ""),
        (300, "Location: /probe\r\n"),
        (304, ""),
        (305, "Location: /probe\r\n"),
    ] {
        let reply = format!("HTTP/1.1 {status} Moved\r\n{location}Content-Length: 0\r\n\r\n");
        check(
            reply,
            Ended::Answered(status, Cause::Redirect),
            Means::Refused,
        );
    }
    for status in [301, 302, 303] {
        let reply =
            format!("HTTP/1.1 {status} Moved\r\nLocation: /probe\r\nContent-Length: 0\r\n\r\n");
        let server = Server::says(reply);
        let result = &calls(&client(&server.url(), impatient()), &[Probe::post("x")])[0];
        assert_eq!(ended(result), Ended::Answered(status, Cause::Redirect));
        assert_eq!(kind(result), Some(ErrorKind::Protocol));
        let seen: Vec<_> = server.seen().iter().map(|s| s.line().to_owned()).collect();
        assert_eq!(seen, ["POST /probe?x=1 HTTP/1.1"]);
    }
}

/// Returns a server that answers every request with these chunks, in one piece or byte by byte.
pub(super) fn chunked(chunks: &str, at_once: bool) -> Server {
    let chunks = chunks.to_owned();
    Server::new(move |conn, _| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        while conn.request().is_some() {
            if at_once {
                conn.say(format!("{head}{chunks}"));
                continue;
            }
            conn.say(head);
            for byte in chunks.bytes() {
                conn.say([byte]);
            }
        }
    })
}

/// Returns chunks of the text `body` that say more than their sizes, or say those at length.
pub(super) fn wordy_chunks() -> [String; 3] {
    let zeros = "0".repeat(40);
    let long = "x".repeat(1000);
    [
        "4;eighteen-characters\r\nbody\r\n0;and=as-many-at-the-end\r\n\r\n".to_owned(),
        format!("{zeros}4\r\nbody\r\n{zeros}\r\n\r\n"),
        format!("2;{long}\r\nbo\r\n2 ;{long};{long}\r\ndy\r\n0\r\nTrailer: {long}\r\n\r\n"),
    ]
}

/// Rows: B30.
#[test]
fn a_chunk_may_say_more_than_its_size_and_its_size_at_length() {
    // ureq alone: an error for a size line of more than 20 bytes.
    for chunks in wordy_chunks() {
        for at_once in [true, false] {
            let server = chunked(&chunks, at_once);
            let client = client(&server.url(), impatient());
            for result in calls(&client, &[Probe::get(), Probe::post("x")]) {
                assert_eq!(result.expect("a reply").body, "body", "{chunks:?}");
            }
        }
    }
    let endless = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;{}\r\nbody\r\n0\r\n\r\n",
        "x".repeat(20_000)
    );
    check(endless, Ended::Answered(200, Cause::Protocol), Means::Wrong);
}

/// Checks that a read and a write to this URL end so, before anything was sent, and that the error says the name.
pub(super) fn never_left(url: &str, cause: &Cause, name: &str) {
    let mut policy = Policy::default();
    policy.retry.base = Duration::from_millis(1);
    for (probe, attempts) in [(Probe::get(), 5), (Probe::post("x"), 4)] {
        let result = &calls(&client(url, policy.clone()), &[probe])[0];
        assert_eq!(ended(result), Ended::NotSent(cause.clone()));
        assert_eq!(kind(result), Some(ErrorKind::Transport));
        let error = result.as_ref().expect_err("nobody is there");
        assert_eq!(error.attempts(), attempts);
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// Rows: A3.
#[test]
fn what_never_left_is_told_as_not_sent() {
    // ureq alone: a message without host or port. hyper alone: the cause in a chain that its message does not show.
    let refused = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = refused.local_addr().expect("an address").to_string();
    drop(refused);
    never_left(&format!("http://{address}"), &Cause::Refused, &address);
}

/// Rows: A4.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_never_answers_is_given_up_within_the_time_to_connect() {
    // Both alone: no limit at all.
    let blackhole = taskward_client::testing::BlackHole::new();
    let mut policy = impatient();
    policy.limits.connect = Duration::from_millis(50);
    let client = client(&format!("http://{}", blackhole.address), policy);
    for result in calls(&client, &[Probe::get(), Probe::post("x")]) {
        let timeout = Cause::Timeout(TimeoutPhase::Connect);
        assert_eq!(ended(&result), Ended::NotSent(timeout));
        assert_eq!(kind(&result), Some(ErrorKind::Transport));
        let error = result.expect_err("nobody answers").to_string();
        assert!(error.contains(&blackhole.address.to_string()), "{error}");
    }
}

#[test]
fn nothing_that_is_sent_shows_its_key() {
    // ureq alone: method and address. hyper alone: the `Debug` of a request prints the key.
    let origin = Origin::parse("https://h.example", "").expect("an origin");
    let credential = Credential::bearer(&key()).expect("a key");
    let agent: HeaderValue = user_agent(None).expect("an agent");
    let request = taskward_core::Operation::request(&Probe::keyed("x")).expect("a request");
    let sealed = origin.seal(&request, &credential, &agent);
    let shown = format!("{origin:?} {credential:?} {request:?} {sealed:?}");
    assert!(!shown.contains(support::KEY), "{shown}");
    assert!(shown.contains("Sensitive"), "{shown}");
    let server = Server::says(ok("{}"));
    let client = client(&server.url(), impatient());
    assert!(!format!("{client:?}").contains(support::KEY));
    assert_eq!(call(&server.url(), Probe::keyed("x")), Ended::Ok(200));
}
