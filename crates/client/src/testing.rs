//! How connections come about in the transports of both adapters, checked by their unit tests, which pass in the adapter's
//! own way to reach an address, to wait for a lookup, and to ask a proxy for a tunnel; and an address where nothing answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use taskward_core::{Cause, Error, ErrorKind, ExchangeProgress, TimeoutPhase};

use crate::failure::TransportFailure;
use crate::route::Proxy;

/// Connects to the first of these addresses that answers, and returns it.
pub type Reach = fn(&[SocketAddr], Instant) -> Result<SocketAddr, TransportFailure>;
/// Asks a proxy for a tunnel to a server, and returns what comes through it.
pub type Tunnel = fn(&Proxy, &str, Instant) -> Result<String, TransportFailure>;

/// Waits until then for a lookup that never answers, and returns how that ended.
pub type Lookup = fn(Instant) -> Result<(), TransportFailure>;

/// Checks how a transport opens connections: each address gets its share of the time and is followed by the next, a lookup
/// without an answer ends with the time to connect, and a tunnel through a proxy begins right after the proxy's head or
/// fails by the name of the proxy and its setting.
///
/// # Panics
/// When it is not so.
pub fn check_dialing(reached: Reach, unanswered: Lookup, through: Tunnel) {
    an_address_that_refuses_is_followed_by_the_next(reached);
    if cfg!(target_os = "linux") {
        an_address_that_does_not_answer_leaves_time_for_the_next(reached);
    }
    a_lookup_without_an_answer_ends_with_the_time_to_connect(unanswered);
    a_tunnel_begins_right_after_the_proxys_head(through);
    a_proxy_that_refuses_is_told_with_its_variable(through);
}

/// A listener that takes no more connections: a further one waits for an answer that never comes.
#[derive(Debug)]
pub struct BlackHole {
    /// Where it is.
    pub address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// Fills the queue of a new listener.
    #[expect(clippy::new_without_default, reason = "it opens thousands of sockets")]
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let wait = Duration::from_millis(30);
        let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok());
        Self {
            address,
            _waiting: waiting.take(10_000).collect(),
            _listener: listener,
        }
    }
}

/// Asks a proxy that answers this for a tunnel; returns its request, and the outcome.
fn ask(through: Tunnel, reply: &'static str) -> (String, Result<String, TransportFailure>) {
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

/// Checks that nothing of what follows the proxy's head is lost.
fn a_tunnel_begins_right_after_the_proxys_head(through: Tunnel) {
    let (asked, result) = ask(
        through,
        "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nafter",
    );
    assert_eq!(result.as_deref(), Ok("after"));
    assert!(asked.starts_with("CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n"));
    assert!(asked.contains("Proxy-Authorization: Basic eDp5\r\n"));
}

/// Checks that the failure of a proxy names it and its setting.
fn a_proxy_that_refuses_is_told_with_its_variable(through: Tunnel) {
    for (reply, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("<html>log in</html>\r\n\r\n", "log in"),
        ("HTTP/1.1 200", ""),
    ] {
        let fault = ask(through, reply).1.expect_err("no tunnel");
        assert_eq!(fault.cause, Cause::Proxy, "{reply:?}");
        assert!(fault.detail.contains("(from HTTPS_PROXY)"), "{fault}");
        assert!(fault.detail.contains(words), "{fault}");
        // Nothing was sent: it may be tried again, now and later.
        let error = Error::failure(fault.at(ExchangeProgress::NotSent));
        assert_eq!(error.kind(), ErrorKind::Transport);
    }
}

/// Checks that each address gets its share of the time.
fn an_address_that_does_not_answer_leaves_time_for_the_next(reached: Reach) {
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

/// Checks that all addresses are tried.
fn an_address_that_refuses_is_followed_by_the_next(reached: Reach) {
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

fn a_lookup_without_an_answer_ends_with_the_time_to_connect(unanswered: Lookup) {
    let fault = unanswered(Instant::now() + Duration::from_millis(20)).expect_err("no answer");
    assert_eq!(fault, TransportFailure::too_late("h.example:443"));
    assert_eq!(fault.cause, Cause::Timeout(TimeoutPhase::Connect));
}
