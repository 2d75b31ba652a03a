//! Opens connections: name, address, proxy, handshake, all within one limit; and pools the idle ones.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper_util::client::proxy::matcher::Matcher;
use taskward_client::failure::{TransportFailure, of_connect, of_handshake};
use taskward_client::route::{
    IDLE_AGE, MAX_IDLE, Proxy, Route, join, proxy_variable, unusable_proxy,
};
use taskward_core::{ConfigError, Origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::failure;
use crate::wire::{Connection, Link};

type Idle = VecDeque<(Instant, Connection)>;

/// Makes connections to one server, directly or through a proxy.
#[derive(Debug)]
pub(crate) struct Dialer {
    route: Route,
    /// In the order in which they fell idle; the last one is used first.
    idle: Mutex<Idle>,
}

impl Dialer {
    /// Builds a dialer along this route.
    pub(crate) fn new(route: Route) -> Self {
        Self {
            route,
            idle: Mutex::default(),
        }
    }

    /// Returns host and port, for messages.
    pub(crate) fn server(&self) -> String {
        self.route.server()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.route.tls.is_some()
    }

    /// Takes a pooled connection that is still open.
    pub(crate) async fn take_idle(&self) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.idle().pop_back()?;
            if since.elapsed() < IDLE_AGE && connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    /// Opens a new connection, ready for a request; nothing of one was sent.
    pub(crate) async fn connect(&self, until: Instant) -> Result<Connection, TransportFailure> {
        let link = in_time(until, &self.server(), self.link(until)).await?;
        Connection::new(link)
            .await
            .map_err(|e| failure::of_head(&e, None, &self.server(), self.is_tls()))
    }

    /// Puts a connection whose exchange is complete into the pool.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_old = |(since, _): &(Instant, _)| now.duration_since(*since) >= IDLE_AGE;
        while idle.front().is_some_and(is_old) {
            idle.pop_front();
        }
        if idle.len() < MAX_IDLE {
            idle.push_back((now, connection));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn link(&self, until: Instant) -> Result<Link, TransportFailure> {
        let route = &self.route;
        let tcp = match &route.proxy {
            None => dial(&route.host, route.port, until).await?,
            Some(proxy) => {
                let tcp = dial(&proxy.host, proxy.port, until)
                    .await
                    .map_err(|fault| proxy.fault(&fault.detail))?;
                tunnel(tcp, proxy, &self.server()).await?
            }
        };
        let Some(config) = &route.tls else {
            return Ok(Link::Plain(tcp));
        };
        let tls = TlsConnector::from(config.clone())
            .connect(route.server_name()?, tcp)
            .await
            .map_err(|e| of_handshake(&e, &self.server()))?;
        Ok(Link::Tls(Box::new(tls)))
    }
}

/// Returns the proxy that the environment names for `origin`, whether or not a client would use it: this machine is
/// reached without one.
///
/// # Errors
/// When the variables name a proxy that cannot be used.
pub fn proxy_from_env(origin: &Origin) -> Result<Option<Proxy>, ConfigError> {
    let uri = origin
        .to_string()
        .parse()
        .map_err(|_| ConfigError::new("the base URL is not a URL"))?;
    let (Some((variable, _)), Some(found)) =
        (proxy_variable(), Matcher::from_env().intercept(&uri))
    else {
        return Ok(None);
    };
    let uri = found.uri();
    if uri.scheme_str() != Some("http") {
        return Err(unusable_proxy());
    }
    Ok(Some(Proxy::new(
        variable,
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(80),
        found.basic_auth().cloned(),
    )))
}

/// Waits for a connection to `server`, the lookup of its name included: nothing else ends one that never answers.
async fn in_time<T>(
    until: Instant,
    server: &str,
    connecting: impl Future<Output = Result<T, TransportFailure>>,
) -> Result<T, TransportFailure> {
    tokio::time::timeout_at(until.into(), connecting)
        .await
        .unwrap_or_else(|_| Err(TransportFailure::too_late(server)))
}

async fn dial(host: &str, port: u16, until: Instant) -> Result<TcpStream, TransportFailure> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|e| TransportFailure::unresolved(host, &e.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(TransportFailure::unresolved(host, "it has no address"));
    }
    reach(&addresses, &join(host, port), until).await
}

/// Connects to the first address that answers; each gets its share of the time left.
async fn reach(
    addresses: &[SocketAddr],
    server: &str,
    until: Instant,
) -> Result<TcpStream, TransportFailure> {
    let mut last = TransportFailure::too_late(server);
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let rest = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match tokio::time::timeout(left / rest, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Requests are written whole: waiting for more only delays them. Without it they arrive as well.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(e)) => last = of_connect(&e, server),
            Err(_) => last = TransportFailure::too_late(server),
        }
    }
    Err(last)
}

/// Asks the proxy for a tunnel to `server`.
async fn tunnel(
    mut tcp: TcpStream,
    proxy: &Proxy,
    server: &str,
) -> Result<TcpStream, TransportFailure> {
    let lost = |e: std::io::Error| proxy.fault(&e.to_string());
    tcp.write_all(&proxy.request(server)).await.map_err(lost)?;
    let mut answer = Vec::new();
    while !proxy.is_whole(&answer)? {
        answer.push(tcp.read_u8().await.map_err(lost)?);
    }
    proxy.judge(&answer)?;
    Ok(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: A2, A4, A5, A11.
    #[test]
    fn connections_are_opened_in_time_to_the_first_address_that_answers_or_through_a_proxy() {
        taskward_client::testing::check_dialing(reached, unanswered, through);
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(work)
    }

    /// Returns the address of the connection that is opened.
    fn reached(addresses: &[SocketAddr], until: Instant) -> Result<SocketAddr, TransportFailure> {
        let tcp = block_on(reach(addresses, "h.example:443", until))?;
        Ok(tcp.peer_addr().expect("it is connected"))
    }

    /// Returns how a lookup that never answers ends.
    fn unanswered(until: Instant) -> Result<(), TransportFailure> {
        block_on(async { in_time(until, "h.example:443", std::future::pending()).await })
    }

    /// Returns the outcome of asking for a tunnel.
    fn through(proxy: &Proxy, server: &str, until: Instant) -> Result<String, TransportFailure> {
        block_on(async {
            let tcp = dial(&proxy.host, proxy.port, until).await?;
            let mut tcp = tunnel(tcp, proxy, server).await?;
            let mut rest = String::new();
            tcp.read_to_string(&mut rest).await.expect("the rest");
            Ok(rest)
        })
    }
}
