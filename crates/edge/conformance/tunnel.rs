//! Tunnels through a proxy, as both adapters' `dial.rs` ask for them. Included by their unit tests, whose `through` is
//! the adapter's own way to connect, ask, and read what comes out.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use taskward_core::Cause;
use taskward_edge::failure::Fault;
use taskward_edge::route::Proxy;

use super::through;

/// Asks a proxy that answers this for a tunnel; gives what it was asked, and what came out.
fn ask(reply: &'static str) -> (String, Result<String, Fault>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let authorization = http::HeaderValue::from_static("Basic eDp5");
    let proxy = Proxy::new("127.0.0.1", port, Some(authorization));
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

#[test]
fn a_proxy_that_refuses_is_told_with_its_variable() {
    for (reply, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("<html>log in</html>\r\n\r\n", "log in"),
        ("HTTP/1.1 200", ""),
    ] {
        let fault = ask(reply).1.expect_err("no tunnel");
        assert_eq!(fault.cause, Cause::Proxy, "{reply:?}");
        assert!(fault.detail.contains("HTTPS_PROXY"), "{fault}");
        assert!(fault.detail.contains(words), "{fault}");
    }
}
