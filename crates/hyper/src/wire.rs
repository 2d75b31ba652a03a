//! What passes over a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use taskward_client::reply::MAX_HEAD;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::body::Upload;
use crate::progress::ExchangeWatch;

/// Most fields in it.
const MAX_FIELDS: usize = 100;

type Driver = http1::Connection<TokioIo<ProgressIo>, Upload>;

/// One HTTP connection. It moves only while an exchange polls it: a dropped exchange leaves nothing running.
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<Upload>,
    pub(crate) marks: Arc<ExchangeWatch>,
    /// What moves bytes; dropped once the connection is over, so that a request that it did not take fails at once.
    driver: Option<Pin<Box<Driver>>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("over", &self.driver.is_none())
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) async fn new(link: Link) -> Result<Self, hyper::Error> {
        let marks = Arc::new(ExchangeWatch::new());
        let watched = ProgressIo {
            link,
            marks: marks.clone(),
        };
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(watched))
            .await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(driver)),
            marks,
        })
    }

    /// Moves bytes. Its errors reach the sender and the body, where they are judged: poll those with [`passive`], afterwards.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Returns whether another request can be sent on it.
    pub(crate) fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Checks whether the server has closed the connection meanwhile, or sent bytes without a request.
    pub(crate) async fn is_usable(&mut self) -> bool {
        // A close that came while the runtime did not turn is seen only once it has.
        tokio::task::yield_now().await;
        // Whoever sends a request drives it again, and is woken for it then.
        self.poll_drive(&mut passive());
        self.is_ready()
    }
}

/// Returns the context of what changes only while its connection is driven, and is polled right after that. A waker would
/// wake the task that is running.
pub(crate) fn passive() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A socket, encrypted or not.
#[derive(Debug)]
pub(crate) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that records how far its exchange has come.
///
/// A write that fails is not the end: a server that refuses an upload answers and closes, and its reply may be waiting.
/// So the failure is noted and reading goes on; it ends with the reply or with the failure.
#[derive(Debug)]
struct ProgressIo {
    link: Link,
    marks: Arc<ExchangeWatch>,
}

impl AsyncRead for ProgressIo {
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

impl ProgressIo {
    fn poll_watched(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Link, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        {
            let progress = self.marks.lock();
            if progress.broken.is_some() {
                return Poll::Pending;
            }
            progress.progress.maybe_sent();
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

impl AsyncWrite for ProgressIo {
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
