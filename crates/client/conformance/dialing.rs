//! How connections come about in both adapters' `dial.rs`: addresses, lookups, and tunnels through a proxy. Included by
//! their unit tests, which say in the adapter's own way what is `reached`, how an `unanswered` lookup ends, and
//! what comes `through` a tunnel.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use taskward_client::failure::TransportFailure;
use taskward_client::route::Proxy;
use taskward_core::{Cause, Error, ErrorKind, ExchangeProgress, TimeoutPhase};

#[cfg(target_os = "linux")]
use blackhole::BlackHole;

use super::{reached, through, unanswered};

#[cfg(target_os = "linux")]
#[path = "blackhole.rs"]
mod blackhole;

/// Asks a proxy that answers this for a tunnel; returns its request, and the outcome.
fn ask(reply: &'static str) -> (String, Result<String, TransportFailure>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let authorization = http::HeaderValue::from_static("Basic eDp5");
    let proxy = Proxy::new("HTTPS_PROXY", "127.0.0.1", port, Some(authorization));
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().expect("a connection");
        let mut asked = vec![0; 1024];
        let read = tcp.read(&mut asked).expect("a request");
        tcp.write_all(reply.as_bytes()).expect("room");
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    let until = Instant::now() + Duration::from_secs(5);
    let result = through(&proxy, "h.example:443", until);
    (server.join().expect("no panic"), result)
}

#[test]
fn a_tunnel_begins_right_after_the_proxys_head() {
    let (asked, result) = ask("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nafter");
    assert_eq!(result.as_deref(), Ok("after"));
    assert!(asked.starts_with("CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n"));
    assert!(asked.contains("Proxy-Authorization: Basic eDp5\r\n"));
}

/// Rows: A11.
#[test]
fn a_proxy_that_refuses_is_told_with_its_variable() {
    for (reply, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("<html>log in</html>\r\n\r\n", "log in"),
        ("HTTP/1.1 200", ""),
    ] {
        let fault = ask(reply).1.expect_err("no tunnel");
        assert_eq!(fault.cause, Cause::Proxy, "{reply:?}");
        assert!(fault.detail.contains("(from HTTPS_PROXY)"), "{fault}");
        assert!(fault.detail.contains(words), "{fault}");
        // Nothing was sent: it may be tried again, now and later.
        let error = Error::failure(fault.at(ExchangeProgress::NotSent));
        assert_eq!(error.kind(), ErrorKind::Transport);
    }
}

/// Rows: A4, A5.
#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let blackhole = BlackHole::new();
    let dead = blackhole.address;
    let until = |millis| Instant::now() + Duration::from_millis(millis);
    let fault = reached(&[dead], until(50)).expect_err("nobody answers");
    assert_eq!(fault.cause, Cause::Timeout(TimeoutPhase::Connect));
    assert!(fault.detail.contains("h.example:443"), "{fault}");

    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let alive = listener.local_addr().expect("an address");
    assert_eq!(reached(&[dead, alive], until(400)), Ok(alive));
}

/// Rows: A5.
#[test]
fn an_address_that_refuses_is_followed_by_the_next() {
    let refused = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let dead = refused.local_addr().expect("an address");
    drop(refused);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let alive = listener.local_addr().expect("an address");
    let until = Instant::now() + Duration::from_secs(5);
    assert_eq!(reached(&[dead, alive], until), Ok(alive));
    let fault = reached(&[dead, dead], until).expect_err("nobody is there");
    assert_eq!(fault.cause, Cause::Refused);
}

/// Rows: A2.
#[test]
fn a_lookup_without_an_answer_ends_with_the_time_to_connect() {
    let fault = unanswered(Instant::now() + Duration::from_millis(20)).expect_err("no answer");
    assert_eq!(fault, TransportFailure::too_late("h.example:443"));
    assert_eq!(fault.cause, Cause::Timeout(TimeoutPhase::Connect));
}
