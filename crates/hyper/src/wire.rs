//! Connections: how one comes about, what passes over it, and which are kept for the next exchange.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use taskward_core::{Cause, ConfigError, Limits, Origin, Phase};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::body::Upload;
use crate::failure::{self, Fault};

/// Largest head of a reply, all of its fields together.
const MAX_HEAD: usize = 64 * 1024;
/// Most fields in it.
const MAX_FIELDS: usize = 100;
/// Connections kept idle.
const MAX_IDLE: usize = 8;
/// How long one is kept; servers close theirs after a minute or more.
const IDLE_AGE: Duration = Duration::from_secs(50);
/// Largest head of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// How far one exchange has come. Written by the connection and the body, read by whoever judges a failure.
#[derive(Debug)]
pub(crate) struct Marks(Mutex<Progress>);

#[derive(Debug)]
pub(crate) struct Progress {
    /// Whether a byte of the request may have left.
    pub(crate) sent: bool,
    /// Whether the whole body was handed to the connection.
    pub(crate) whole: bool,
    /// When a byte last moved.
    pub(crate) moved: Instant,
    /// What a write ran into. The reply may still be there to be read.
    pub(crate) broken: Option<String>,
    /// Why our side gave up.
    pub(crate) fault: Option<Fault>,
}

impl Marks {
    fn new() -> Self {
        Self(Mutex::new(Progress::new()))
    }

    /// Begins another exchange on the same connection.
    pub(crate) fn restart(&self) {
        *self.lock() = Progress::new();
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Progress> {
        // Plain data: nothing is left half-written by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the exchange is given up, and for which reason, while the reply's head is awaited.
    pub(crate) fn head_deadline(&self, limits: &Limits) -> (Instant, Phase) {
        let progress = self.lock();
        if progress.whole {
            (progress.moved + limits.head, Phase::Head)
        } else {
            (progress.moved + limits.idle, Phase::Send)
        }
    }
}

impl Progress {
    fn new() -> Self {
        Self {
            sent: false,
            whole: false,
            moved: Instant::now(),
            broken: None,
            fault: None,
        }
    }
}

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
            .unwrap_or_else(|_| {
                let why = format!("{} did not answer in time", self.server());
                Err(Fault::new(Cause::Timeout(Phase::Connect), why))
            })?;
        let marks = Arc::new(Marks::new());
        let watched = Watched {
            link,
            marks: marks.clone(),
        };
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(watched))
            .await
            .map_err(|e| failure::of_head(&e, None, &self.server(), self.is_tls()))?;
        Ok(Connection {
            sender,
            driver: Box::pin(driver),
            over: false,
            marks,
        })
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
                let why = format!("{server} did not answer in time");
                last = Fault::new(Cause::Timeout(Phase::Connect), why);
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

/// One HTTP connection. It moves only while an exchange polls it: a dropped exchange leaves nothing running.
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<Upload>,
    pub(crate) marks: Arc<Marks>,
    driver: Pin<Box<http1::Connection<TokioIo<Watched>, Upload>>>,
    over: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Moves bytes. Its errors reach the sender and the body, where they are judged.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>) {
        if !self.over && self.driver.as_mut().poll(cx).is_ready() {
            self.over = true;
        }
    }

    /// Whether another request can be sent on it.
    pub(crate) fn is_ready(&self) -> bool {
        !self.over && self.sender.is_ready()
    }

    /// Looks whether the server has closed it meanwhile, or sent what nobody asked for.
    async fn is_usable(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            self.poll_drive(cx);
            Poll::Ready(())
        })
        .await;
        self.is_ready()
    }
}

/// A socket, encrypted or not.
#[derive(Debug)]
enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A link that writes down how far it has come.
///
/// A write that fails is not the end: a server that refuses an upload answers and closes, and its reply may be waiting.
/// So the failure is noted and reading goes on; it ends with the reply or with the failure.
#[derive(Debug)]
struct Watched {
    link: Link,
    marks: Arc<Marks>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl Watched {
    fn poll_watched(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Link, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        {
            let mut progress = self.marks.lock();
            if progress.broken.is_some() {
                return Poll::Pending;
            }
            progress.sent = true;
        }
        let result = std::task::ready!(write(&mut self.link, cx));
        let mut progress = self.marks.lock();
        match result {
            Ok(written) => {
                progress.moved = Instant::now();
                Poll::Ready(Ok(written))
            }
            Err(error) => {
                progress.broken = Some(format!("the connection was lost while sending: {error}"));
                // The reading side wakes the task: a broken connection is always readable.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_watched(cx, |link, cx| match link {
            Link::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_watched(cx, |link, cx| match link {
            Link::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Link::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        })
    }

    fn is_write_vectored(&self) -> bool {
        match &self.link {
            Link::Plain(tcp) => tcp.is_write_vectored(),
            Link::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.marks.lock().broken.is_some() {
            return Poll::Pending;
        }
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Link::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Link::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
