//! A transport over smol, as anybody could write one: sockets and timers of smol, HTTP by hyper without tokio, one connection
//! for each exchange. It speaks in the clear only and knows no pool; it proves that the trait asks for no runtime.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::rt::ReadBufCursor;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use taskward_client::clock::later;
use taskward_client::connection::{ConnectionSettings, Connections};
use taskward_client::reply::MAX_HEAD;
use taskward_client::source::{self, Opened, Piece};
use taskward_client::transport::{
    AsyncBody, AsyncTransport, BodyReading, Destination, ProgressCell, Transport, TransportFailure,
    TransportRequest,
};
use taskward_core::{Body, Cause, ConfigError, Limits, TimeoutPhase, Timestamp};

/// Sends requests over smol. Clones share nothing but the address.
#[derive(Clone)]
pub(crate) struct Smol(Arc<Shared>);

struct Shared {
    connections: Connections,
    host: String,
    port: u16,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Transport for Smol {
    type Settings = ConnectionSettings;
    type Body = SmolBody;

    fn open(settings: ConnectionSettings, server: Destination<'_>) -> Result<Self, ConfigError> {
        let (connections, route) = settings.check(server, |_| Ok(None))?;
        if route.tls.is_some() || route.proxy.is_some() {
            let text = "this transport knows neither TLS nor a proxy";
            return Err(ConfigError::new(text));
        }
        Ok(Self(Arc::new(Shared {
            connections,
            host: route.host,
            port: route.port,
        })))
    }

    fn now(&self) -> Timestamp {
        self.0.connections.clock.now()
    }

    fn time_until(&self, moment: Timestamp) -> Duration {
        self.0.connections.clock.left(moment)
    }
}

impl AsyncTransport for Smol {
    type Exchange = Boxed<Result<http::Response<SmolBody>, TransportFailure>>;
    type Wait = Boxed<()>;

    fn exchange(
        &self,
        mut request: TransportRequest,
        progress: Arc<ProgressCell>,
    ) -> Self::Exchange {
        self.0.connections.add_headers(request.head.headers_mut());
        let shared = self.0.clone();
        Box::pin(async move { shared.exchange(request, progress).await })
    }

    fn sleep(&self, time: Duration) -> Self::Wait {
        Box::pin(async move {
            smol::Timer::after(time).await;
        })
    }

    fn yield_now(&self) -> Self::Wait {
        // A timer of no time would be over at once, and nothing would turn.
        Box::pin(smol::future::yield_now())
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        smol::unblock(work).detach();
    }
}

impl Shared {
    async fn exchange(
        &self,
        request: TransportRequest,
        progress: Arc<ProgressCell>,
    ) -> Result<http::Response<SmolBody>, TransportFailure> {
        let (limits, until) = (request.limits, request.until);
        let body = request.body.clone();
        smol::unblock(move || source::check(&body)).await?;
        let server = taskward_client::route::join(&self.host, self.port);
        let tcp = {
            let due = capped(later(Instant::now(), limits.connect), until);
            let connecting = async {
                let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
                connected.map_err(|e| taskward_client::failure::of_connect(&e, &server))
            };
            smol::future::or(connecting, async {
                smol::Timer::at(due).await;
                Err(TransportFailure::too_late(&server))
            })
            .await?
        };
        let watch = Arc::new(Watch::new(&request.body));
        let body = Upload::new(&request.body, watch.clone());
        let io = Socket {
            tcp,
            progress,
            broken: false,
            watch: watch.clone(),
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            .max_headers(100)
            .handshake(io)
            .await
            .map_err(|e| lost(&e, &server))?;
        let mut connection = Connection(Some(Box::pin(async move { drop(connection.await) })));
        let mut sending = Box::pin(sender.send_request(origin_form(request.head).map(|()| body)));
        let mut timer = smol::Timer::after(limits.head);
        let response = std::future::poll_fn(|cx| {
            connection.poll(cx);
            if let Poll::Ready(response) = sending.as_mut().poll(cx) {
                return Poll::Ready(response.map_err(|e| lost(&e, &server)));
            }
            let (due, phase) = watch.head_deadline(&limits);
            poll_due(&mut timer, cx, due, until, phase).map(Err)
        })
        .await?;
        drop(sending);
        watch.moved();
        Ok(response.map(|incoming| SmolBody {
            connection,
            _sender: sender,
            incoming,
            server,
            watch,
            limits,
            reading: BodyReading::Whole { until },
            timer,
        }))
    }
}

/// What the deadlines of an exchange depend on.
struct Watch(Mutex<Seen>);

#[derive(Clone, Copy)]
struct Seen {
    /// When a byte last moved.
    moved: Instant,
    /// How much of the body was not handed to the connection yet.
    left: u64,
}

impl Watch {
    fn new(body: &Body) -> Self {
        Self(Mutex::new(Seen {
            moved: Instant::now(),
            left: body.len(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) {
        self.lock().moved = Instant::now();
    }

    /// Returns when an exchange without a head is given up: as an upload until all of it was sent.
    fn head_deadline(&self, limits: &Limits) -> (Instant, TimeoutPhase) {
        let seen = *self.lock();
        match seen.left {
            0 => (later(seen.moved, limits.head), TimeoutPhase::Head),
            _ => (later(seen.moved, limits.idle), TimeoutPhase::Send),
        }
    }
}

fn capped(due: Instant, until: Option<Instant>) -> Instant {
    until.map_or(due, |until| until.min(due))
}

/// Resolves to the failure of a limit that is over.
fn poll_due(
    timer: &mut smol::Timer,
    cx: &mut Context<'_>,
    due: Instant,
    until: Option<Instant>,
    phase: TimeoutPhase,
) -> Poll<TransportFailure> {
    let at = capped(due, until);
    timer.set_at(at);
    ready!(Pin::new(timer).poll(cx));
    let phase = if at < due { TimeoutPhase::Total } else { phase };
    Poll::Ready(TransportFailure::timeout(phase))
}

/// Writes the path alone, and the authority in `Host`.
fn origin_form(mut head: http::Request<()>) -> http::Request<()> {
    let uri = std::mem::take(head.uri_mut()).into_parts();
    let host = uri
        .authority
        .and_then(|authority| authority.as_str().parse().ok());
    if let Some(host) = host {
        head.headers_mut().insert(http::header::HOST, host);
    }
    if let Some(path) = uri.path_and_query {
        *head.uri_mut() = path.into();
    }
    head
}

/// Classifies an exchange without a head.
fn lost(error: &hyper::Error, server: &str) -> TransportFailure {
    if let Some(ours) = taskward_client::failure::find::<TransportFailure>(error) {
        return ours.clone();
    }
    match error.is_parse() {
        true => TransportFailure::not_http(server, &error.to_string(), false),
        false => TransportFailure::new(Cause::Reset, format!("{server}: {error}")),
    }
}

/// Classifies a body that broke off: hyper says what is wrong with its chunks in an error of I/O.
fn broken_off(error: &hyper::Error, server: &str) -> TransportFailure {
    let kind = taskward_client::failure::find::<io::Error>(error).map(io::Error::kind);
    let cause = match kind {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Cause::Protocol,
        _ => Cause::Truncated,
    };
    TransportFailure::new(cause, format!("{server}: {error}"))
}

/// A request's body, pulled by the connection: one chunk of one file is read ahead, where reading may block.
struct Upload {
    pieces: VecDeque<Piece>,
    reading: Option<smol::Task<Result<(Opened, Bytes), TransportFailure>>>,
    watch: Arc<Watch>,
}

impl Upload {
    fn new(body: &Body, watch: Arc<Watch>) -> Self {
        Self {
            pieces: source::pieces(body),
            reading: None,
            watch,
        }
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, TransportFailure>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                let (opened, chunk) = read?;
                if opened.left() > 0 {
                    self.read(move || Ok(opened));
                }
                return Poll::Ready(Ok(Some(chunk)));
            }
            match self.pieces.pop_front() {
                None => return Poll::Ready(Ok(None)),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Piece::File(source)) => self.read(move || Opened::new(&source)),
            }
        }
    }

    /// Begins to read the next chunk of a file.
    fn read(&mut self, open: impl FnOnce() -> Result<Opened, TransportFailure> + Send + 'static) {
        self.reading = Some(smol::unblock(move || {
            let mut opened = open()?;
            let mut chunk = vec![0; 64 * 1024];
            let read = opened.read(&mut chunk)?;
            chunk.truncate(read);
            Ok((opened, Bytes::from(chunk)))
        }));
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = TransportFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportFailure>>> {
        let chunk = ready!(self.poll_chunk(cx)).transpose();
        Poll::Ready(chunk.map(|chunk| {
            let chunk = chunk?;
            self.watch.lock().left -= chunk.len() as u64;
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.watch.lock().left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.watch.lock().left)
    }
}

/// What moves the bytes of an exchange, while that is polled; its errors reach the sender and the body.
struct Connection(Option<Boxed<()>>);

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) {
        self.0.take_if(|moving| moving.as_mut().poll(cx).is_ready());
    }
}

/// The body of a reply, with the connection that it comes over.
pub(crate) struct SmolBody {
    connection: Connection,
    _sender: http1::SendRequest<Upload>,
    incoming: Incoming,
    server: String,
    watch: Arc<Watch>,
    limits: Limits,
    reading: BodyReading,
    timer: smol::Timer,
}

impl AsyncBody for SmolBody {
    fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(&self.incoming).exact()
    }

    fn read_as(&mut self, reading: BodyReading) {
        self.reading = reading;
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        loop {
            self.connection.poll(cx);
            let frame = http_body::Body::poll_frame(Pin::new(&mut self.incoming), cx);
            match frame {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    self.watch.moved();
                    // Trailers say nothing to us.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(broken_off(&error, &self.server))));
                }
                Poll::Pending => {
                    let BodyReading::Whole { until } = self.reading else {
                        return Poll::Pending;
                    };
                    let due = later(self.watch.lock().moved, self.limits.idle);
                    return poll_due(&mut self.timer, cx, due, until, TimeoutPhase::Body)
                        .map(|failure| Some(Err(failure)));
                }
            }
        }
    }
}

/// A socket that moves the progress of its exchange before it writes. What cannot be written is not the end: a server that
/// refuses an upload answers and closes, so reading goes on and ends with its answer or with the failure.
struct Socket {
    tcp: TcpStream,
    progress: Arc<ProgressCell>,
    broken: bool,
    watch: Arc<Watch>,
}

impl hyper::rt::Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; 8 * 1024];
        let room = buf.remaining().min(piece.len());
        let read = ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut piece[..room]))?;
        buf.put_slice(&piece[..read]);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Pending;
        }
        self.progress.maybe_sent();
        match ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes)) {
            Ok(written) => {
                self.watch.moved();
                Poll::Ready(Ok(written))
            }
            Err(_) => {
                self.broken = true;
                // The reading side wakes the task: a broken connection is always readable.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_close(cx)
    }
}
