//! TLS: what is trusted, what is refused, and that nothing of a request is sent before that is decided.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use taskward_core::{Cause, Error, ErrorKind, Response, TimeoutPhase};
use taskward_providers::nanonets::Nanonets;

use super::probes::never_left;
use super::support::{Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Client, calls};

pub(super) fn cert(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/suite/certs")
        .join(name)
}

fn config(certificate: &str) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(cert(certificate)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(cert("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("settings");
    Arc::new(config)
}

/// Returns a TLS server with this certificate that answers every request on one connection.
fn server(certificate: &str) -> Server {
    replying(certificate, |number| ok(&number.to_string()))
}

/// Starts a TLS server with these replies; each connection has its number.
fn replying(certificate: &str, reply: impl Fn(usize) -> String + Send + Sync + 'static) -> Server {
    let config = config(certificate);
    Server::new(move |conn, number| {
        let session = ServerConnection::new(config.clone()).expect("a session");
        let mut tls = StreamOwned::new(session, conn.tcp.try_clone().expect("the socket"));
        let mut request = Vec::new();
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = tls.read(&mut some) {
            request.extend_from_slice(&some[..read]);
            if request.starts_with(b"POST") && request.len() > 100_000 {
                // An upload: enough of it was read to refuse it.
                let _ = tls.write_all(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno");
                return;
            }
            // Every request of these tests ends in a blank line or in its short JSON.
            if request.ends_with(b"\r\n\r\n") && request.starts_with(b"GET")
                || request.ends_with(b"\"x\"")
            {
                conn.note(&request);
                request.clear();
                let _ = tls.write_all(reply(number).as_bytes());
            }
        }
    })
}

fn call(url: &str, ca: Option<&str>, probes: &[Probe]) -> Vec<Result<Response, Error>> {
    let mut builder = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(url)
        .policy(impatient());
    if let Some(ca) = ca {
        builder = builder.ca_file(cert(ca));
    }
    calls(&builder.build().expect("settings"), probes)
}

fn one(url: &str, ca: Option<&str>) -> (Ended, String) {
    let result = &call(url, ca, &[Probe::post("x")])[0];
    let words = result
        .as_ref()
        .map_or_else(ToString::to_string, |_| String::new());
    (ended(result), words)
}

#[test]
fn a_server_that_an_added_authority_vouches_for_is_trusted() {
    let server = server("good.pem");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", server.port());
        assert_eq!(one(&url, Some("ca.pem")), (Ended::Ok(200), String::new()));
    }
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn encrypted_connections_are_kept_too() {
    let server = server("good.pem");
    let url = format!("https://localhost:{}", server.port());
    let probes = [Probe::get(), Probe::keyed("x"), Probe::get()];
    for result in call(&url, Some("ca.pem"), &probes) {
        assert_eq!(result.expect("a reply").body, "0");
    }
    assert_eq!(server.seen().len(), 3);
}

/// Rows: A1.
#[test]
fn a_host_that_does_not_exist_is_told_by_its_name() {
    let name = "no-such-host.invalid";
    never_left(&format!("https://{name}"), &Cause::Resolve, name);
}

/// Rows: A6, A7, A8.
#[test]
fn a_certificate_that_proves_nothing_is_refused_before_anything_is_sent() {
    for (certificate, ca, words) in [
        ("other.pem", Some("ca.pem"), &["for another name"][..]),
        (
            "good.pem",
            None,
            &["issued by an authority unknown here", "a CA file"],
        ),
        ("self.pem", None, &["is self-signed", "a CA file"]),
        ("self.pem", Some("ca.pem"), &["is self-signed", "a CA file"]),
        (
            "self-authority.pem",
            None,
            &["an authority's own, self-signed", "a CA file"],
        ),
        (
            "expired.pem",
            Some("ca.pem"),
            &["has expired", "this machine's clock says", " GMT"],
        ),
        (
            "notyet.pem",
            Some("ca.pem"),
            &["is not valid yet", "this machine's clock says", " GMT"],
        ),
    ] {
        let server = server(certificate);
        let url = format!("https://localhost:{}", server.port());
        // As often as the policy allows: once, since nothing would change.
        let mut builder = Client::<Nanonets>::builder().api_key(key()).base_url(&url);
        if let Some(ca) = ca {
            builder = builder.ca_file(cert(ca));
        }
        let client = builder.build().expect("settings");
        let probes = [Probe::get(), Probe::keyed("x"), Probe::post("x")];
        for result in calls(&client, &probes) {
            assert_eq!(ended(&result), Ended::NotSent(Cause::Certificate));
            let error = result.as_ref().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Protocol, "{certificate}");
            assert_eq!(error.attempts(), 1, "{certificate}");
            assert!(!error.is_retryable());
            let text = error.to_string();
            assert!(text.contains(&format!("localhost:{}", server.port())));
            for word in words {
                assert!(text.contains(word), "{certificate}: {text}");
            }
            for way_around in ["insecure", "skip", "disable", "verify"] {
                assert!(!text.contains(way_around), "{text}");
            }
        }
        assert_eq!(server.connections(), 3, "{certificate}");
        assert!(server.seen().is_empty(), "{certificate}");
    }
}

/// Rows: A7.
#[test]
fn a_self_signed_certificate_is_trusted_as_a_ca_file_and_only_for_its_names() {
    let server = server("self.pem");
    for (host, ends) in [
        ("localhost", Ended::Ok(200)),
        ("127.0.0.1", Ended::Ok(200)),
        ("[::ffff:127.0.0.1]", Ended::NotSent(Cause::Certificate)),
    ] {
        let url = format!("https://{host}:{}", server.port());
        assert_eq!(one(&url, Some("self.pem")).0, ends, "{host}");
    }
}

/// An attacker who cuts a connection cannot say so in the name of the server: the end of a reply that nothing else marks is one
/// only when the server's key says it.
///
/// Rows: B25.
#[test]
fn an_encrypted_reply_ends_only_when_its_server_says_so() {
    for (farewell, ends) in [
        (true, Ended::Ok(200)),
        (false, Ended::Answered(200, Cause::Truncated)),
    ] {
        let config = config("good.pem");
        let server = Server::new(move |conn, _| {
            let session = ServerConnection::new(config.clone()).expect("a session");
            let mut tls = StreamOwned::new(session, conn.tcp.try_clone().expect("the socket"));
            let _ = tls.read(&mut [0; 4096]);
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}");
            if farewell {
                tls.conn.send_close_notify();
            }
            let _ = tls.flush();
        });
        let url = format!("https://localhost:{}", server.port());
        let result = &call(&url, Some("ca.pem"), &[Probe::get()])[0];
        assert_eq!(ended(result), ends, "{farewell}");
    }
}

/// Rows: C3.
#[test]
fn a_redirect_out_of_tls_is_refused_and_nothing_goes_there_in_the_clear() {
    let plain = Server::says(ok("{}"));
    for host in ["localhost", "127.0.0.1"] {
        for status in [302, 307] {
            let location = format!("http://{host}:{}/probe", plain.port());
            let secure = replying("good.pem", move |_| {
                format!(
                    "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                )
            });
            let url = format!("https://{host}:{}", secure.port());
            for result in call(&url, Some("ca.pem"), &[Probe::get(), Probe::keyed("x")]) {
                assert_eq!(ended(&result), Ended::Answered(status, Cause::Redirect));
                let error = result.expect_err("refused");
                assert_eq!(error.kind(), ErrorKind::Protocol);
            }
            assert_eq!(secure.seen().len(), 2);
        }
    }
    assert_eq!(plain.connections(), 0, "the plain server was asked");
}

/// Rows: C3.
#[test]
fn the_same_port_without_tls_is_another_server() {
    let secure = Arc::new(std::sync::OnceLock::new());
    let port = secure.clone();
    let server = replying("good.pem", move |_| {
        let port: u16 = *port.get().expect("it is known");
        format!(
            "HTTP/1.1 307 Moved\r\nLocation: http://localhost:{port}/probe\r\nContent-Length: 0\r\n\r\n"
        )
    });
    secure.set(server.port()).expect("once");
    let url = format!("https://localhost:{}", server.port());
    let (end, text) = one(&url, Some("ca.pem"));
    assert_eq!(end, Ended::Answered(307, Cause::Redirect));
    assert!(text.contains("another origin"), "{text}");
    assert_eq!((server.seen().len(), server.connections()), (1, 1));
}

/// Rows: A9.
#[test]
fn https_and_http_ports_are_told_apart() {
    let plain = Server::says(ok("{}"));
    let url = format!("https://127.0.0.1:{}", plain.port());
    // Nothing of the request was sent: a handshake is not a request.
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&url)
        .policy(impatient())
        .connect_timeout(Duration::from_millis(200))
        .ca_file(cert("ca.pem"))
        .build()
        .expect("settings");
    let silent = &calls(&client, &[Probe::post("x")])[0];
    assert_eq!(
        ended(silent),
        Ended::NotSent(Cause::Timeout(TimeoutPhase::Connect))
    );
    let chatty = Server::new(|conn, _| {
        conn.say("HTTP/1.1 400 Bad Request\r\n\r\n");
        conn.hold();
    });
    let url = format!("https://127.0.0.1:{}", chatty.port());
    let result = call(&url, Some("ca.pem"), &[Probe::post("x")]).remove(0);
    assert_eq!(ended(&result), Ended::NotSent(Cause::Protocol));
    let error = result.expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("plain HTTP port"), "{error}");

    // What a TLS server says to a request in the clear is in the probes; this one may have no time to say it.
    let secure = server("good.pem");
    let (end, _) = one(&format!("http://127.0.0.1:{}", secure.port()), None);
    assert!(
        matches!(end, Ended::MaybeSent(Cause::Protocol | Cause::Reset)),
        "{end:?}"
    );
    assert!(secure.seen().is_empty());
}

#[test]
fn a_refusal_in_the_middle_of_an_encrypted_upload_is_told_as_that_refusal() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(32 << 20).expect("room");
    let server = server("good.pem");
    let url = format!("https://localhost:{}", server.port());
    let result = &call(&url, Some("ca.pem"), &[Probe::upload(file.path())])[0];
    assert_eq!(ended(result), Ended::Api(413));
}
