//! How a connection comes about: name, address, proxy, handshake, all within one limit.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use rustls::{ClientConnection, StreamOwned};
use taskward_client::failure::{TransportFailure, of_connect, of_handshake};
use taskward_client::route::{Proxy, Route, join, proxy_variable, unusable_proxy};
use taskward_core::{ConfigError, Origin};
use ureq::ProxyProtocol;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use crate::wire::{ExchangeWatch, Link, Socket, Wire, is_timeout};

/// Makes connections to one server, directly or through a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Dialer(Arc<Route>);

impl Dialer {
    /// Builds a dialer along this route.
    pub(crate) fn new(route: Route) -> Self {
        Self(Arc::new(route))
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.tls.is_some()
    }

    /// Returns host and port, for messages.
    pub(crate) fn server(&self) -> String {
        self.0.server()
    }

    /// Opens a new connection, ready for a request; nothing of one was sent.
    fn link(&self, until: Instant) -> Result<Link, TransportFailure> {
        let route = &self.0;
        let tcp = match &route.proxy {
            None => dial(&route.host, route.port, until)?,
            Some(proxy) => {
                let tcp = dial(&proxy.host, proxy.port, until)
                    .map_err(|fault| proxy.fault(&fault.detail))?;
                tunnel(Socket::new(tcp, until), proxy, &self.server())?
            }
        };
        let mut socket = Socket::new(tcp, until);
        let Some(config) = &route.tls else {
            return Ok(Link::Plain(socket));
        };
        let fault = |e: &io::Error| match is_timeout(e) {
            true => TransportFailure::too_late(&self.server()),
            false => of_handshake(e, &self.server()),
        };
        let name = route.server_name()?;
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
        let marks = ExchangeWatch::current().ok_or(ureq::Error::ConnectionFailed)?;
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

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn dial(host: &str, port: u16, until: Instant) -> Result<Arc<TcpStream>, TransportFailure> {
    let server = join(host, port);
    let addresses = resolve(host, port, until)
        .ok_or_else(|| TransportFailure::too_late(&server))?
        .map_err(|e| TransportFailure::unresolved(host, &e.to_string()))?;
    if addresses.is_empty() {
        return Err(TransportFailure::unresolved(host, "it has no address"));
    }
    reach(&addresses, &server, until)
}

/// Connects to the first address that answers; each gets its share of the time left.
fn reach(
    addresses: &[SocketAddr],
    server: &str,
    until: Instant,
) -> Result<Arc<TcpStream>, TransportFailure> {
    let mut last = TransportFailure::too_late(server);
    for (at, address) in addresses.iter().enumerate() {
        let rest = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = (left(until) / rest).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(tcp) => {
                // Requests are written whole: waiting for more only delays them. Without it they arrive as well.
                let _ = tcp.set_nodelay(true);
                return Ok(Arc::new(tcp));
            }
            Err(e) if is_timeout(&e) => last = TransportFailure::too_late(server),
            Err(e) => last = of_connect(&e, server),
        }
    }
    Err(last)
}

fn resolve(host: &str, port: u16, until: Instant) -> Option<io::Result<Vec<SocketAddr>>> {
    if let Ok(address) = host.parse() {
        return Some(Ok(vec![SocketAddr::new(address, port)]));
    }
    let host = host.to_owned();
    in_time(until, move || {
        let found = (host.as_str(), port).to_socket_addrs()?;
        Ok(found.collect())
    })
}

/// Resolves a host in a thread of its own, since nothing else can end a lookup that never answers.
fn in_time<T: Send + 'static>(
    until: Instant,
    lookup: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<io::Result<T>> {
    let (answer, answers) = mpsc::channel();
    let lookup = move || {
        // Nobody waits any more when it took too long.
        let _ = answer.send(lookup());
    };
    if let Err(e) = std::thread::Builder::new().spawn(lookup) {
        return Some(Err(e));
    }
    answers.recv_timeout(left(until)).ok()
}

/// Returns the proxy that the environment names for `origin`.
pub(crate) fn proxy_from_env(origin: &Origin) -> Result<Option<Proxy>, ConfigError> {
    let Some((variable, value)) = proxy_variable() else {
        return Ok(None);
    };
    let found = ureq::Proxy::new(&value).map_err(|_| unusable_proxy())?;
    let uri = origin.to_string().parse().map_err(|_| unusable_proxy())?;
    if ureq::Proxy::try_from_env().is_some_and(|env| env.is_no_proxy(&uri)) {
        return Ok(None);
    }
    if found.protocol() != ProxyProtocol::Http {
        return Err(unusable_proxy());
    }
    let authorization = found
        .username()
        .map(|user| {
            let password = found.password().unwrap_or_default();
            let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
            HeaderValue::from_str(&format!("Basic {pair}"))
        })
        .transpose()
        .map_err(|_| unusable_proxy())?;
    Ok(Some(Proxy::new(
        variable,
        found.host(),
        found.port(),
        authorization,
    )))
}

/// Asks the proxy for a tunnel to `server`.
fn tunnel(
    mut socket: Socket,
    proxy: &Proxy,
    server: &str,
) -> Result<Arc<TcpStream>, TransportFailure> {
    let lost = |e: io::Error| proxy.fault(&e.to_string());
    socket.write_all(&proxy.request(server)).map_err(lost)?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !proxy.is_whole(&answer)? {
        socket.read_exact(&mut byte).map_err(lost)?;
        answer.push(byte[0]);
    }
    proxy.judge(&answer)?;
    Ok(socket.tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: A2, A4, A5, A11.
    #[test]
    fn connections_are_opened_in_time_to_the_first_address_that_answers_or_through_a_proxy() {
        taskward_client::testing::check_dialing(reached, unanswered, through);
    }

    /// Returns the address of the connection that is opened.
    fn reached(addresses: &[SocketAddr], until: Instant) -> Result<SocketAddr, TransportFailure> {
        let tcp = reach(addresses, "h.example:443", until)?;
        Ok(tcp.peer_addr().expect("it is connected"))
    }

    /// Returns how a lookup that never answers ends.
    fn unanswered(until: Instant) -> Result<(), TransportFailure> {
        let (_open, never) = mpsc::channel::<()>();
        let lookup = move || never.recv().map_err(io::Error::other);
        match in_time(until, lookup) {
            None => Err(TransportFailure::too_late("h.example:443")),
            Some(answer) => panic!("{answer:?}"),
        }
    }

    /// Returns the outcome of asking for a tunnel.
    fn through(proxy: &Proxy, server: &str, until: Instant) -> Result<String, TransportFailure> {
        let tcp = dial(&proxy.host, proxy.port, until)?;
        let tcp = tunnel(Socket::new(tcp, until), proxy, server)?;
        let mut rest = String::new();
        (&*tcp).read_to_string(&mut rest).expect("the rest");
        Ok(rest)
    }
}
