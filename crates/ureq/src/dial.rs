//! How a connection comes about: name, address, proxy, handshake, all within one limit.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use taskward_core::{Cause, ConfigError, Origin, Phase};
use ureq::ProxyProtocol;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use crate::failure::{self, Fault};
use crate::wire::{Link, Marks, Socket, Wire, is_timeout};

/// Largest head of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// Makes connections to one server, directly or through a proxy.
#[derive(Debug)]
pub(crate) struct Dialer {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
}

#[derive(Debug)]
struct Proxy {
    host: String,
    port: u16,
    authorization: Option<String>,
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
            Proxy::from_env(origin)?
        };
        Ok(Self {
            host: origin.host().trim_matches(['[', ']']).to_owned(),
            port: origin.port(),
            tls,
            proxy,
        })
    }

    /// Host and port, for messages.
    pub(crate) fn server(&self) -> String {
        join(&self.host, self.port)
    }

    /// A new connection, ready for a request; nothing of one has left.
    fn link(&self, until: Instant) -> Result<Link, Fault> {
        let tcp = match &self.proxy {
            None => dial(&self.host, self.port, until)?,
            Some(proxy) => {
                let through = |fault: Fault| Fault::new(Cause::Proxy, proxy.words(&fault.detail));
                let tcp = dial(&proxy.host, proxy.port, until).map_err(through)?;
                tunnel(Socket::new(tcp, until), proxy, &self.server())?
            }
        };
        let mut socket = Socket::new(tcp, until);
        let Some(config) = &self.tls else {
            return Ok(Link::Plain(socket));
        };
        let fault = |e: &io::Error| match is_timeout(e) {
            true => too_late(&self.server()),
            false => failure::of_handshake(e, &self.server()),
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| {
            Fault::new(
                Cause::Tls,
                format!("{:?} is no name for a server", self.host),
            )
        })?;
        let mut session =
            ClientConnection::new(config.clone(), name).map_err(|e| fault(&io::Error::other(e)))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|e| fault(&e))?;
        }
        Ok(Link::Tls(Box::new(StreamOwned::new(session, socket))))
    }
}

impl Connector for Dialer {
    type Out = Wire;

    fn connect(
        &self,
        _details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let marks = Marks::current().ok_or(ureq::Error::ConnectionFailed)?;
        let until = marks.lock().connect_deadline();
        match self.link(until) {
            Ok(link) => Ok(Some(Wire::new(link, marks))),
            Err(fault) => {
                marks.lock().fault = Some(fault);
                Err(ureq::Error::ConnectionFailed)
            }
        }
    }
}

/// Resolves nothing: the [`Dialer`] does, as part of connecting.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _uri: &http::Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
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

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Connects to the first address that answers; each gets its share of the time left.
fn dial(host: &str, port: u16, until: Instant) -> Result<Arc<TcpStream>, Fault> {
    let server = join(host, port);
    let unknown = |why: String| Fault::new(Cause::Resolve, format!("{host}: {why}"));
    let addresses = resolve(host, port, until)
        .ok_or_else(|| too_late(&server))?
        .map_err(|e| unknown(e.to_string()))?;
    let mut last = unknown("it has no address".to_owned());
    for (at, address) in addresses.iter().enumerate() {
        let rest = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = (left(until) / rest).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(tcp) => {
                // Requests are written whole: waiting for more only delays them. Without it they arrive as well.
                let _ = tcp.set_nodelay(true);
                return Ok(Arc::new(tcp));
            }
            Err(e) if is_timeout(&e) => last = too_late(&server),
            Err(e) => last = failure::of_connect(&e, &server),
        }
    }
    Err(last)
}

/// Looks a host up in a thread of its own, since nothing else can end a lookup that never answers.
fn resolve(host: &str, port: u16, until: Instant) -> Option<io::Result<Vec<SocketAddr>>> {
    if let Ok(address) = host.parse() {
        return Some(Ok(vec![SocketAddr::new(address, port)]));
    }
    let (answer, answers) = mpsc::channel();
    let host = host.to_owned();
    let lookup = move || {
        let found = (host.as_str(), port)
            .to_socket_addrs()
            .map(Iterator::collect);
        // Nobody waits any more when it took too long.
        let _ = answer.send(found);
    };
    if let Err(e) = std::thread::Builder::new().spawn(lookup) {
        return Some(Err(e));
    }
    answers.recv_timeout(left(until)).ok()
}

impl Proxy {
    fn from_env(origin: &Origin) -> Result<Option<Self>, ConfigError> {
        let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let value = variables
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        let Some(value) = value else {
            return Ok(None);
        };
        let unusable = || {
            ConfigError::new(
                "the proxy variables of the environment name a proxy that is not an http:// URL; only those are used",
            )
        };
        let found = ureq::Proxy::new(&value).map_err(|_| unusable())?;
        let uri = origin.to_string().parse().map_err(|_| unusable())?;
        if ureq::Proxy::try_from_env().is_some_and(|env| env.is_no_proxy(&uri)) {
            return Ok(None);
        }
        if found.protocol() != ProxyProtocol::Http {
            return Err(unusable());
        }
        let authorization = found.username().map(|user| {
            let password = found.password().unwrap_or_default();
            format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{user}:{password}"))
            )
        });
        Ok(Some(Self {
            host: found.host().trim_matches(['[', ']']).to_owned(),
            port: found.port(),
            authorization,
        }))
    }

    fn words(&self, why: &str) -> String {
        let proxy = join(&self.host, self.port);
        format!("the proxy {proxy} (from HTTPS_PROXY or ALL_PROXY): {why}")
    }
}

/// Asks the proxy for a tunnel to `server` (RFC 9110 section 9.3.6). The key never passes in the clear.
fn tunnel(mut socket: Socket, proxy: &Proxy, server: &str) -> Result<Arc<TcpStream>, Fault> {
    let fault = |why: &str| Fault::new(Cause::Proxy, proxy.words(why));
    let mut head = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n");
    if let Some(authorization) = &proxy.authorization {
        head.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    head.push_str("\r\n");
    socket
        .write_all(head.as_bytes())
        .map_err(|e| fault(&e.to_string()))?;
    let mut reply = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows the head belongs to the server.
    while !reply.ends_with(b"\r\n\r\n") {
        if reply.len() == MAX_PROXY_HEAD {
            return Err(fault("its answer has no end"));
        }
        socket
            .read_exact(&mut byte)
            .map_err(|e| fault(&e.to_string()))?;
        reply.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&reply);
    let line = line.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if line.starts_with("HTTP/1.") && status.starts_with('2') => Ok(socket.tcp),
        _ => Err(fault(&format!("it answered {line:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Asks a proxy that answers this for a tunnel; gives what it was asked, and what came out.
    fn ask(reply: &'static str) -> (String, Result<String, Fault>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Proxy {
            host: "127.0.0.1".to_owned(),
            port,
            authorization: Some("Basic eDp5".to_owned()),
        };
        let server = std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a connection");
            let mut asked = vec![0; 1024];
            let read = tcp.read(&mut asked).expect("a request");
            tcp.write_all(reply.as_bytes()).expect("room");
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let until = Instant::now() + Duration::from_secs(5);
        let result = dial("127.0.0.1", port, until)
            .and_then(|tcp| tunnel(Socket::new(tcp, until), &proxy, "h.example:443"))
            .map(|tcp| {
                let mut rest = String::new();
                (&*tcp).read_to_string(&mut rest).expect("the rest");
                rest
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
