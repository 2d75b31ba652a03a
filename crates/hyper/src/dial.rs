//! How a connection comes about: name, address, proxy, handshake, all within one limit. And which are kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use taskward_core::{Cause, ConfigError, Origin, Phase};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::failure::{self, Fault};
use crate::wire::{Connection, Link};

/// Connections kept idle.
const MAX_IDLE: usize = 8;
/// How long one is kept; servers close theirs after a minute or more.
const IDLE_AGE: Duration = Duration::from_secs(50);
/// Largest head of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// Makes connections to one server, directly or through a proxy.
#[derive(Debug)]
pub(crate) struct Dialer {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

#[derive(Debug)]
struct Proxy {
    host: String,
    port: u16,
    authorization: Option<http::HeaderValue>,
}

impl Dialer {
    /// A dialer of `origin`. The proxy variables are read here, once; this machine is never reached through one.
    pub(crate) fn new(
        origin: &Origin,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, ConfigError> {
        let proxy = if origin.is_loopback() {
            None
        } else {
            let uri = origin
                .to_string()
                .parse()
                .map_err(|_| ConfigError::new("the base URL is not a URL"))?;
            Matcher::from_env()
                .intercept(&uri)
                .map(|found| Proxy::new(&found))
                .transpose()?
        };
        Ok(Self {
            host: origin.host().trim_matches(['[', ']']).to_owned(),
            port: origin.port(),
            tls,
            proxy,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Host and port, for messages.
    pub(crate) fn server(&self) -> String {
        join(&self.host, self.port)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A connection kept from an earlier exchange that is still open.
    pub(crate) async fn kept(&self) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.idle().pop()?;
            if since.elapsed() < IDLE_AGE && connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    /// A new connection, ready for a request; nothing of one has left.
    pub(crate) async fn connect(&self, until: Instant) -> Result<Connection, Fault> {
        let link = tokio::time::timeout_at(until.into(), self.link(until))
            .await
            .unwrap_or_else(|_| Err(too_late(&self.server())))?;
        Connection::new(link)
            .await
            .map_err(|e| failure::of_head(&e, None, &self.server(), self.is_tls()))
    }

    /// Keeps a connection whose exchange is complete.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        idle.retain(|(since, _)| since.elapsed() < IDLE_AGE);
        if idle.len() < MAX_IDLE {
            idle.push((Instant::now(), connection));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn link(&self, until: Instant) -> Result<Link, Fault> {
        let tcp = match &self.proxy {
            None => dial(&self.host, self.port, until).await?,
            Some(proxy) => {
                let through = |fault: Fault| Fault::new(Cause::Proxy, proxy.words(&fault.detail));
                let tcp = dial(&proxy.host, proxy.port, until)
                    .await
                    .map_err(through)?;
                tunnel(tcp, proxy, &self.server()).await?
            }
        };
        let Some(config) = &self.tls else {
            return Ok(Link::Plain(tcp));
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| {
            Fault::new(
                Cause::Tls,
                format!("{:?} is no name for a server", self.host),
            )
        })?;
        let tls = TlsConnector::from(config.clone())
            .connect(name, tcp)
            .await
            .map_err(|e| failure::of_handshake(&e, &self.server()))?;
        Ok(Link::Tls(Box::new(tls)))
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn too_late(server: &str) -> Fault {
    let why = format!("{server} did not answer in time");
    Fault::new(Cause::Timeout(Phase::Connect), why)
}

/// Connects to the first address that answers; each gets its share of the time left.
async fn dial(host: &str, port: u16, until: Instant) -> Result<TcpStream, Fault> {
    let server = join(host, port);
    let unknown = |why: String| Fault::new(Cause::Resolve, format!("{host}: {why}"));
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|e| unknown(e.to_string()))?
        .collect();
    let mut last = unknown("it has no address".to_owned());
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let rest = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match tokio::time::timeout(left / rest, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Requests are written whole: waiting for more only delays them. Without it they arrive as well.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(e)) => last = failure::of_connect(&e, &server),
            Err(_) => {
                last = too_late(&server);
            }
        }
    }
    Err(last)
}

impl Proxy {
    fn new(found: &Intercept) -> Result<Self, ConfigError> {
        let uri = found.uri();
        if uri.scheme_str() != Some("http") {
            return Err(ConfigError::new(
                "the proxy variables of the environment name a proxy that is not an http:// URL; only those are used",
            ));
        }
        Ok(Self {
            host: uri
                .host()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authorization: found.basic_auth().cloned(),
        })
    }

    fn words(&self, why: &str) -> String {
        let proxy = join(&self.host, self.port);
        format!("the proxy {proxy} (from HTTPS_PROXY or ALL_PROXY): {why}")
    }
}

/// Asks the proxy for a tunnel to `server` (RFC 9110 section 9.3.6). The key never passes in the clear.
async fn tunnel(mut tcp: TcpStream, proxy: &Proxy, server: &str) -> Result<TcpStream, Fault> {
    let fault = |why: &str| Fault::new(Cause::Proxy, proxy.words(why));
    let mut head = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    tcp.write_all(&head)
        .await
        .map_err(|e| fault(&e.to_string()))?;
    let mut reply = Vec::new();
    // Byte by byte: what follows the head belongs to the server.
    while !reply.ends_with(b"\r\n\r\n") {
        if reply.len() == MAX_PROXY_HEAD {
            return Err(fault("its answer has no end"));
        }
        reply.push(tcp.read_u8().await.map_err(|e| fault(&e.to_string()))?);
    }
    let line = String::from_utf8_lossy(&reply);
    let line = line.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if line.starts_with("HTTP/1.") && status.starts_with('2') => Ok(tcp),
        _ => Err(fault(&format!("it answered {line:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Asks a proxy that answers this for a tunnel; gives what it was asked, and what came out.
    fn ask(reply: &'static str) -> (String, Result<String, Fault>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Proxy {
            host: "127.0.0.1".to_owned(),
            port,
            authorization: Some(http::HeaderValue::from_static("Basic eDp5")),
        };
        let server = std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a connection");
            let mut asked = vec![0; 1024];
            let read = tcp.read(&mut asked).expect("a request");
            tcp.write_all(reply.as_bytes()).expect("room");
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let until = Instant::now() + Duration::from_secs(5);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let result = runtime.block_on(async {
            let tcp = dial("127.0.0.1", port, until).await?;
            let mut tcp = tunnel(tcp, &proxy, "h.example:443").await?;
            let mut rest = String::new();
            tcp.read_to_string(&mut rest).await.expect("the rest");
            Ok(rest)
        });
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
}
