//! The settings of connections as a server sees them: extra headers, a proxy, and the client's own certificate.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use taskward_core::{ErrorKind, Response};
use taskward_providers::nanonets::Nanonets;

use super::secure::cert;
use super::support::{Conn, Ended, KEY, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Builder, Client, calls};

fn builder(url: &str) -> Builder<Nanonets> {
    Client::builder()
        .api_key(key())
        .base_url(url)
        .policy(impatient())
}

fn call(
    builder: Builder<Nanonets>,
    probe: Probe,
) -> std::result::Result<Response, taskward_core::Error> {
    let client = builder.build().expect("settings");
    calls(&client, &[probe]).remove(0)
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(cert(name)).expect("a certificate")
}

fn identity() -> (Vec<u8>, String) {
    let key = std::fs::read_to_string(cert("server.key")).expect("a key");
    (pem("self.pem"), key)
}

/// Answers one request over TLS, with this certificate; a client needs one of ours too, where that is asked for.
fn answer_over_tls(conn: &mut Conn, certificate: &str, asks_for_one: bool) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    // The client's certificate is signed by its own key: that is the authority here.
    let client = CertificateDer::from_pem_file(cert("self.pem")).expect("a certificate");
    roots.add(client).expect("an authority");
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = if asks_for_one {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        config.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        config.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(cert(certificate)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(cert("server.key")).expect("a key");
    let config = config.with_single_cert(chain, key).expect("settings");
    let session = ServerConnection::new(Arc::new(config)).expect("a session");
    let mut tls = StreamOwned::new(session, conn.tcp.try_clone().expect("the socket"));
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut byte), Ok(1)) {
        request.push(byte[0]);
    }
    if !request.is_empty() {
        conn.note(&request);
        let _ = tls.write_all(ok("{}").as_bytes());
    }
}

/// Rows: L19.
#[test]
fn an_extra_header_goes_along_and_replaces_none_of_the_requests_own() {
    let server = Server::says(ok("{}"));
    let builder = builder(&server.url())
        .header("X-Team", "blue")
        .header("x-workspace", "another");
    assert_eq!(ended(&call(builder, Probe::keyed("x"))), Ended::Ok(200));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-team"), Some("blue"));
    assert_eq!(seen.header("x-workspace"), Some("secret-workspace"));
    assert!(!seen.head.contains("another"));
    let bearer = format!("Bearer {KEY}");
    assert_eq!(seen.header("authorization"), Some(bearer.as_str()));
    assert_eq!(seen.header("content-length"), Some("3"));
}

/// Rows: L19.
#[test]
fn an_extra_header_that_decides_who_asks_for_what_is_refused_by_name() {
    for name in [
        "Authorization",
        "host",
        "Idempotency-Key",
        "Content-Length",
        "transfer-encoding",
    ] {
        let refused = builder("http://127.0.0.1:1")
            .header(name, "canary-value")
            .build()
            .expect_err(name);
        assert_eq!(refused.kind(), ErrorKind::Config);
        let words = refused.to_string();
        assert!(words.contains(&name.to_lowercase()), "{words}");
        assert!(!format!("{refused:?}{words}").contains("canary-value"));
    }
}

/// Rows: A14.
#[test]
fn a_proxy_of_the_caller_sees_its_own_credentials_and_never_the_key() {
    let proxy = Server::new(|conn, _| {
        if let Some(head) = conn.head() {
            conn.note(head.as_bytes());
            conn.say("HTTP/1.1 200 Connection established\r\n\r\n");
            answer_over_tls(conn, "other.pem", false);
        }
    });
    let builder = builder("https://other.example")
        .proxy(format!(
            "http://user:canary-proxy@127.0.0.1:{}",
            proxy.port()
        ))
        .ca_pem(pem("ca.pem"));
    assert_eq!(ended(&call(builder, Probe::get())), Ended::Ok(200));
    let seen = proxy.seen();
    assert_eq!(seen[0].line(), "CONNECT other.example:443 HTTP/1.1");
    // user:canary-proxy
    let basic = "Basic dXNlcjpjYW5hcnktcHJveHk=";
    assert_eq!(seen[0].header("proxy-authorization"), Some(basic));
    assert!(!seen[0].head.contains(KEY));
    assert_eq!(seen[1].line(), "GET /probe?x=1 HTTP/1.1");
    assert_eq!(seen[1].header("proxy-authorization"), None);
}

/// Rows: A15.
#[test]
fn a_server_that_asks_for_a_certificate_gets_the_clients() {
    let server = Server::new(|conn, _| answer_over_tls(conn, "good.pem", true));
    let url = format!("https://localhost:{}", server.port());
    let without = call(builder(&url).ca_pem(pem("ca.pem")), Probe::get());
    assert!(without.is_err());
    assert_eq!(server.seen().len(), 0);
    let (chain, key) = identity();
    let builder = builder(&url).ca_pem(pem("ca.pem")).identity(chain, key);
    assert_eq!(ended(&call(builder, Probe::get())), Ended::Ok(200));
    assert_eq!(server.seen().len(), 1);
}
