//! TLS: what is trusted, what is refused, and that nothing of a request leaves before that is settled.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use taskward_core::{Cause, Error, Response};
use taskward_providers::nanonets::Nanonets;

use super::support::{self, Ended, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Client, calls};

fn cert(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../edge/conformance/certs")
        .join(name)
}

/// A TLS server with this certificate that answers every request on one connection.
fn server(certificate: &str) -> Server {
    let chain = vec![CertificateDer::from_pem_file(cert(certificate)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(cert("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("settings");
    let config = Arc::new(config);
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
                let _ = tls.write_all(ok(&number.to_string()).as_bytes());
            }
        }
    })
}

fn call(url: &str, ca: Option<&str>, probes: &[Probe]) -> Vec<Result<Response, Error>> {
    let mut builder = Client::<Nanonets>::builder()
        .key(key())
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
    let probes = [Probe::get(), Probe::post("x"), Probe::get()];
    for result in call(&url, Some("ca.pem"), &probes) {
        assert_eq!(result.expect("a reply").body, "0");
    }
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_certificate_that_proves_nothing_is_refused_before_anything_is_sent() {
    for (certificate, ca, words) in [
        ("good.pem", None, "CA file"),
        ("other.pem", Some("ca.pem"), "another name"),
        (
            "expired.pem",
            Some("ca.pem"),
            "expired (this machine's clock says",
        ),
    ] {
        let server = server(certificate);
        let (ended, text) = one(&format!("https://localhost:{}", server.port()), ca);
        assert_eq!(ended, Ended::NotSent(Cause::Certificate), "{certificate}");
        assert!(text.contains(words), "{text}");
        assert!(server.seen().is_empty());
    }
}

#[test]
fn https_and_http_ports_are_told_apart() {
    let plain = Server::says(ok("{}"));
    let url = format!("https://127.0.0.1:{}", plain.port());
    // Nothing of the request has left: a handshake is not a request.
    let (end, text) = one(&url, Some("ca.pem"));
    assert!(
        matches!(end, Ended::NotSent(Cause::Tls | Cause::Timeout(_))),
        "{end:?}"
    );
    assert!(!text.contains(support::KEY));
    let chatty = Server::new(|conn, _| {
        conn.say("HTTP/1.1 400 Bad Request\r\n\r\n");
        conn.hold();
    });
    let (end, text) = one(
        &format!("https://127.0.0.1:{}", chatty.port()),
        Some("ca.pem"),
    );
    assert_eq!(end, Ended::NotSent(Cause::Protocol));
    assert!(text.contains("plain HTTP port"), "{text}");

    let secure = server("good.pem");
    let (end, _) = one(&format!("http://127.0.0.1:{}", secure.port()), None);
    assert!(
        matches!(end, Ended::MaybeSent(Cause::Protocol | Cause::Reset)),
        "{end:?}"
    );
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
