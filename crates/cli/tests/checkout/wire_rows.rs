//! What the wire may do to a command, byte for byte: the exit codes of a read that is made once, and of a start.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use taskward_sim::{Fault, FaultRule};

use crate::common::{Ended, World, bare, end};

/// In every key here; nothing may show it.
const CANARY: &str = "canary-of-the-wire";
/// An agent by its id: nothing is read before the start.
const AGENT: &str = "00000000-0000-4000-8000-000000000001";

/// A server on loopback that says the same to every request, and counts them.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn says(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::with(move |tcp, count| {
            request(tcp, count);
            let _ = tcp.write_all(&reply);
        })
    }

    /// A server that does this with each connection; it counts a request before it replies.
    fn with(serve: impl Fn(&mut TcpStream, &AtomicUsize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests: Arc<AtomicUsize> = Arc::default();
        let (count, serve) = (requests.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(mut tcp) = tcp else { return };
                let (count, serve) = (count.clone(), serve.clone());
                std::thread::spawn(move || serve(&mut tcp, &count));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads a request, its body included, and counts it.
fn request(stream: &mut impl Read, count: &AtomicUsize) {
    let Some(head) = head(stream) else {
        return;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_ok() {
        count.fetch_add(1, Ordering::SeqCst);
    }
}

fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Runs a task of this agent; the account is of this server.
fn run(url: &str, agent: &str, env: &[(&str, &str)]) -> Ended {
    let mut args = vec!["run", "--agent", agent, "hi", "--json"];
    // No retry is waited for long. Only a server on this machine can be as fast; still, a minute of the program's has to be
    // enough for a reply on a machine that is busy.
    let port = ["http://127.0.0.1:", "https://localhost:"]
        .iter()
        .find_map(|here| url.strip_prefix(here));
    let here = port.is_some_and(|port| port.parse::<u16>().is_ok());
    let mut key = CANARY.to_owned();
    if here {
        args.extend(["--speed", "200"]);
        key.insert_str(0, "sim_key_");
    }
    let mut command = bare(&args);
    command
        .env("NANONETS_API_KEY", key)
        .env("NANONETS_BASE_URL", url)
        .envs(env.iter().copied());
    let ended = end(command, "");
    assert!(!ended.stdout.contains(CANARY), "{ended:?}");
    ended
}

/// Looks for an agent by its name, which is a read.
fn read(url: &str) -> Ended {
    run(url, "echo", &[])
}

/// Starts a task.
fn start(url: &str) -> Ended {
    run(url, AGENT, &[])
}

/// The error of a command that ended with this code.
fn error(ended: &Ended, code: i32) -> Value {
    let last = ended.last();
    assert_eq!(ended.code, code, "{last}");
    assert_eq!(last["type"], "error", "{last}");
    assert_eq!(last["task_id"], Value::Null, "{last}");
    last
}

fn message(error: &Value) -> &str {
    error["message"].as_str().expect("a message")
}

/// A server that says this: codes of a read and of a start, which is sent once.
fn check(reply: impl Into<Vec<u8>>, of_read: i32, of_start: i32) {
    let reply = reply.into();
    error(&read(&Server::says(reply.clone()).url()), of_read);
    let server = Server::says(reply);
    let ended = error(&start(&server.url()), of_start);
    assert_eq!(server.requests(), 1, "{ended}");
    if of_start == 5 {
        assert!(ended["intent_id"].is_string(), "{ended}");
        assert_eq!(ended["retry"], "no", "{ended}");
    }
}

fn ok(rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{rest}")
}

/// Rows: B1, B2, B4, B5, B6, B10.
#[test]
fn a_reply_that_is_lost_is_later_for_a_read_and_unknown_for_a_start() {
    for reply in [
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
        ok("Content-Length: 100\r\n\r\n{\"data\":"),
        ok("Transfer-Encoding: chunked\r\n\r\n8\r\n{\"da"),
        ok("Transfer-Encoding: chunked\r\n\r\nb\r\n{\"data\":[]}\r\n"),
        ok("\r\n{\"data\":[{\"id\":"),
    ] {
        check(reply, 75, 5);
    }
}

/// Rows: B1, B2, B4, B10, B11, B25.
#[test]
fn a_reply_that_is_lost_once_costs_a_read_nothing() {
    for fault in [
        Fault::CloseBeforeHead,
        Fault::CutHead { bytes: 20 },
        Fault::CutBody { bytes: 20 },
        Fault::Reset {
            after_bytes: Some(20),
        },
        Fault::TruncatedJson,
        Fault::Html200,
    ] {
        let world = World::new();
        let rule = FaultRule::new(fault).on("agents").count(1);
        world.sim.set_faults(vec![rule]);
        let ended = world.run(&[
            "run", "--agent", "echo", "hi", "--speed", "1000", "--detach",
        ]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

/// Rows: B3, B7, B8, B20, B22.
#[test]
fn what_is_not_http_is_a_protocol_error_for_a_read_and_unknown_for_a_start() {
    for reply in [
        "\x00\x01\x02 rubbish\r\n\r\n".to_owned(),
        "HTTP/1.1 099 Odd\r\n\r\n".to_owned(),
        "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ok("Content-Length: -2\r\n\r\nab"),
        ok("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nab"),
        ok(&format!("{}\r\n", "X: y\r\n".repeat(10_000))),
    ] {
        check(reply, 1, 5);
    }
}

/// Rows: B12, B15, B16, B17, B18, B19.
#[test]
fn a_body_that_nobody_can_use_is_an_error_for_a_read_and_unknown_for_a_start() {
    let mut utf16 = ok("Content-Length: 6\r\n\r\n").into_bytes();
    utf16.extend_from_slice(b"\xff\xfe{\0}\0");
    for reply in [
        utf16,
        ok("Content-Length: 0\r\n\r\n").into(),
        ok("Content-Length: 10737418240\r\n\r\n").into(),
        ok("Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab").into(),
        ok("Content-Encoding: gzip, br\r\nContent-Length: 2\r\n\r\nab").into(),
    ] {
        check(reply, 1, 5);
    }
    let endless = Server::with(|tcp, count| {
        request(tcp, count);
        let _ = tcp.write_all(ok("Transfer-Encoding: chunked\r\n\r\n").as_bytes());
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        while tcp.write_all(chunk.as_bytes()).is_ok() {}
    });
    let error = error(&read(&endless.url()), 1);
    assert!(message(&error).contains("larger than"), "{error}");
    assert_eq!(error["attempts"], 1, "{error}");
}

/// Rows: A12, B11.
#[test]
fn a_login_page_is_later_for_a_read_and_unknown_for_a_start() {
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\x1b[2JLog in";
    check(html, 75, 5);
    let error = error(&read(&Server::says(html).url()), 75);
    assert!(message(&error).contains("network login page?"), "{error}");
    assert!(!message(&error).contains("Log in"), "{error}");
}

/// Rows: C1, C2, C4, C6, C7, C8, C9, C10.
#[test]
fn a_redirect_that_is_not_followed_is_a_refusal() {
    let other = Server::says(ok("Content-Length: 2\r\n\r\n{}"));
    let elsewhere = format!("Location: {}/\r\n", other.url());
    for (status, location) in [
        (302, elsewhere.as_str()),
        (307, elsewhere.as_str()),
        (302, "Location: http://h.example/\r\n"),
        (302, "Location: https://h.example/\r\n"),
        (302, ""),
        (302, "Location:\r\n"),
        (302, "Location: file:///etc/passwd\r\n"),
        (302, "Location: /a\r\nLocation: /b\r\n"),
        (304, ""),
    ] {
        let reply = format!("HTTP/1.1 {status} Moved\r\n{location}Content-Length: 0\r\n\r\n");
        check(reply, 1, 1);
    }
    assert_eq!(other.requests(), 0);
    // A start is never turned into a read; a loop ends.
    let moved =
        |status| format!("HTTP/1.1 {status} Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    let server = Server::says(moved(302));
    error(&start(&server.url()), 1);
    assert_eq!(server.requests(), 1);
    let server = Server::says(moved(307));
    error(&start(&server.url()), 1);
    assert_eq!(server.requests(), 4);
}

/// Rows: A3.
#[test]
fn a_server_that_is_not_there_is_later_and_named() {
    // The near end of a connection: nobody listens at its port, and nobody else gets it as long as it is open. A port
    // that was given back may be the next server's of another test.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let held = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let address = held.local_addr().expect("an address").to_string();
    for ended in [
        read(&format!("http://{address}")),
        start(&format!("http://{address}")),
    ] {
        let error = error(&ended, 75);
        assert!(message(&error).contains(&address), "{error}");
        assert!(error["attempts"].as_u64() > Some(1), "{error}");
    }
}

pub(crate) fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../client/tests/suite/certs")
        .join(name)
}

/// A TLS server with this certificate; it would answer, if anybody asked.
pub(crate) fn secure(name: &str) -> Server {
    let chain = vec![CertificateDer::from_pem_file(certificate(name)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("settings");
    let config = Arc::new(config);
    Server::with(move |tcp, count| {
        let session = ServerConnection::new(config.clone()).expect("a session");
        let mut tls = StreamOwned::new(session, tcp);
        request(&mut tls, count);
        let _ = tls.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    })
}

/// Rows: A6, A7, A8.
#[cfg(target_os = "linux")]
#[test]
fn a_certificate_that_proves_nothing_is_told_and_nothing_is_sent() {
    let ca = certificate("ca.pem");
    let ca = ca.to_str().expect("text");
    for (name, words) in [
        ("other.pem", &["another name"][..]),
        ("expired.pem", &["expired", "this machine's clock says"]),
        (
            "notyet.pem",
            &["not valid yet", "this machine's clock says"],
        ),
        ("self.pem", &["self-signed", "a CA file", "SSL_CERT_FILE"]),
    ] {
        let server = secure(name);
        let url = format!("https://localhost:{}", server.address.port());
        for agent in ["echo", AGENT] {
            let error = error(&run(&url, agent, &[("SSL_CERT_FILE", ca)]), 1);
            assert_eq!(error["attempts"], 1, "{error}");
            assert_eq!(error["retry"], "no", "{error}");
            for word in words {
                assert!(message(&error).contains(word), "{error}");
            }
        }
        assert_eq!(server.requests(), 0);
    }
    let unknown = secure("good.pem");
    let url = format!("https://localhost:{}", unknown.address.port());
    let other = certificate("self.pem");
    let env = [("SSL_CERT_FILE", other.to_str().expect("text"))];
    let refused = error(&run(&url, AGENT, &env), 1);
    assert!(
        message(&refused).contains("authority unknown here"),
        "{refused}"
    );
    assert!(message(&refused).contains("SSL_CERT_FILE"), "{refused}");
    // What the message advises works.
    let trusted = error(&run(&url, AGENT, &[("SSL_CERT_FILE", ca)]), 4);
    assert_eq!(trusted["http_status"], 401, "{trusted}");
    assert_eq!(unknown.requests(), 1);
}

/// Rows: A9.
#[test]
fn a_port_of_the_other_kind_is_told() {
    let plain = Server::with(|tcp, _| {
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad\r\n\r\n");
    });
    let ca = certificate("ca.pem");
    let env = [("SSL_CERT_FILE", ca.to_str().expect("text"))];
    let url = format!("https://localhost:{}", plain.address.port());
    let error_of_tls = error(&run(&url, AGENT, &env), 1);
    assert!(
        message(&error_of_tls).contains("plain HTTP port?"),
        "{error_of_tls}"
    );
    // The alert of a TLS server.
    let alert = "\x15\x03\x01\x00\x02\x02\x28\r\n\r\n";
    check(alert, 1, 5);
    let error = error(&read(&Server::says(alert).url()), 1);
    assert!(message(&error).contains("is this an HTTPS port"), "{error}");
}

/// Rows: A10, A13.
#[test]
fn a_base_url_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let server = Server::says(ok("Content-Length: 2\r\n\r\n{}"));
    let port = server.address.port();
    for (url, word) in [
        ("http://h.example".to_owned(), "unencrypted"),
        (format!("http://localhost.h.example:{port}"), "unencrypted"),
        (
            format!("http://user:secret@127.0.0.1:{port}"),
            "user or password",
        ),
        (format!("http://127.0.0.1:{port}/?x=1"), "query"),
        (format!("http://127.0.0.1:{port}/#x"), "fragment"),
    ] {
        let mut fast = bare(&["run", "--agent", "echo", "hi", "--json", "--speed", "20"]);
        fast.env("NANONETS_API_KEY", CANARY)
            .env("NANONETS_BASE_URL", &url);
        for ended in [read(&url), start(&url), end(fast, "")] {
            let error = error(&ended, 2);
            assert!(message(&error).contains(word), "{error}");
            assert!(!message(&error).contains("secret"), "{error}");
        }
    }
    assert_eq!(server.requests(), 0);
}

/// Rows: A13.
#[test]
fn slashes_of_a_base_url_are_as_they_should_be() {
    let world = World::new();
    for tail in ["", "/", "//", "/api/v1", "/api/v1/", "//api//v1//"] {
        let mut command = bare(&["agents", "list"]);
        command
            .env("NANONETS_API_KEY", world.sim.nanonets().api_key)
            .env("NANONETS_BASE_URL", world.sim.nanonets().base_url + tail);
        let ended = world.ended(command, "");
        assert_eq!(ended.code, 0, "{tail:?}: {ended:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_proxy_of_the_environment_makes_tunnels_and_sees_no_key() {
    let ca = certificate("ca.pem");
    let ca = ca.to_str().expect("text");
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let secure = secure("other.pem");
        let target = secure.address;
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        let proxy = Server::with(move |near, _| {
            let head = head(near).unwrap_or_default();
            log.lock().expect("log").push(head);
            let mut far = TcpStream::connect(target).expect("the server");
            let _ = near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            let mut back = (
                far.try_clone().expect("a socket"),
                near.try_clone().expect("a socket"),
            );
            std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
            let _ = std::io::copy(near, &mut far);
        });
        let env = [(variable, proxy.url()), ("SSL_CERT_FILE", ca.to_owned())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        let error = error(&run("https://other.example", AGENT, &env), 4);
        assert_eq!(error["http_status"], 401, "{error}");
        let asked = asked.lock().expect("log").clone();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].starts_with("CONNECT other.example:443 HTTP/1.1\r\n"));
        assert!(
            !asked[0].contains(CANARY) && !asked[0].to_lowercase().contains("\r\nauthorization")
        );
    }
}

#[test]
fn a_proxy_that_is_no_http_proxy_is_refused_before_anything_is_sent() {
    let env = [("HTTPS_PROXY", "socks5://127.0.0.1:1")];
    let error = error(&run("https://other.example", AGENT, &env), 2);
    assert!(message(&error).contains("proxy"), "{error}");
}
