//! One exchange over a connection, up to the head of its reply, and the body behind it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Body as _;
use hyper::body::Incoming;
use taskward_client::clock::later;
use taskward_client::reply;
use taskward_client::transport::{
    AsyncBody, BodyReading, ProgressCell, TransportFailure, TransportRequest,
};
use taskward_core::{ConnectionUse, Limits, TimeoutPhase};
use tokio::time::{Sleep, sleep_until};

use crate::body::{self, Upload};
use crate::dial::Dialer;
use crate::failure;
use crate::progress::ExchangeWatch;
use crate::wire::{Connection, passive};

/// Sends a request and waits for the head of its reply.
pub(crate) async fn exchange(
    dialer: Arc<Dialer>,
    request: TransportRequest,
    progress: Arc<ProgressCell>,
) -> Result<http::Response<ReplyBody>, TransportFailure> {
    let TransportRequest {
        head,
        body,
        limits,
        until,
        ..
    } = request;
    body::check(&body).await?;
    let mut connection = connect(&dialer, &limits, until).await?;
    connection.marks.restart(progress);
    let request = origin_form(head).map(|()| Upload::new(&body, connection.marks.clone()));
    let response = send(&dialer, &mut connection, request, &limits, until).await?;
    connection.marks.lock().moved = Instant::now();
    let pooled = limits.connection == ConnectionUse::Pooled;
    let keep = pooled && !reply::is_framed_twice(response.headers());
    Ok(response.map(|incoming| ReplyBody {
        dialer,
        connection: Some(connection),
        keep,
        incoming,
        limits,
        reading: BodyReading::Whole { until },
        alarm: None,
    }))
}

/// Returns the connection for one exchange: an idle one of the pool, where it may be, or a new one.
async fn connect(
    dialer: &Dialer,
    limits: &Limits,
    until: Option<Instant>,
) -> Result<Connection, TransportFailure> {
    if limits.connection == ConnectionUse::Pooled
        && let Some(idle) = dialer.take_idle().await
    {
        return Ok(idle);
    }
    let connected = later(Instant::now(), limits.connect);
    let connected = until.map_or(connected, |until| until.min(connected));
    // Boxed: it is large, and most exchanges find an idle one.
    Box::pin(dialer.connect(connected)).await
}

/// Sends the request over this connection and waits for the head of its reply, as long as bytes move within the limits.
async fn send(
    dialer: &Dialer,
    connection: &mut Connection,
    request: http::Request<Upload>,
    limits: &Limits,
    until: Option<Instant>,
) -> Result<http::Response<Incoming>, TransportFailure> {
    let marks = connection.marks.clone();
    let mut sending = pin!(connection.sender.send_request(request));
    let mut alarm = pin!(sleep_until(marks.head_deadline(limits).0.into()));
    let outcome = poll_fn(|cx| {
        connection.poll_drive(cx);
        if let Poll::Ready(result) = sending.as_mut().poll(&mut passive()) {
            return Poll::Ready(Ok(result));
        }
        poll_due(alarm.as_mut(), cx, until, || marks.head_deadline(limits)).map(Err)
    })
    .await;
    match outcome {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(judge(&marks, |broken| {
            failure::of_head(&error, broken, &dialer.server(), dialer.is_tls())
        })),
        Err(phase) => Err(judge(&marks, |_| TransportFailure::timeout(phase))),
    }
}

/// Classifies an exchange without a reply: our own reason comes first.
fn judge(
    marks: &ExchangeWatch,
    of: impl FnOnce(Option<String>) -> TransportFailure,
) -> TransportFailure {
    let (fault, broken) = {
        let mut progress = marks.lock();
        (progress.fault.take(), progress.broken.take())
    };
    fault.unwrap_or_else(|| of(broken))
}

/// Writes a request as HTTP/1.1 to an origin server has it: the path alone, and the authority in `Host` (RFC 9112
/// section 3.2.1).
fn origin_form(mut sealed: http::Request<()>) -> http::Request<()> {
    let uri = std::mem::take(sealed.uri_mut()).into_parts();
    if let Some(authority) = uri.authority
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        sealed.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = uri.path_and_query {
        *sealed.uri_mut() = path.into();
    }
    sealed
}

/// The body of a reply that is still to come. The connection moves only while this is polled.
#[derive(Debug)]
pub struct ReplyBody {
    dialer: Arc<Dialer>,
    connection: Option<Connection>,
    /// Whether the connection may be used again.
    keep: bool,
    incoming: Incoming,
    limits: Limits,
    reading: BodyReading,
    /// When its silence was last too long.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl AsyncBody for ReplyBody {
    fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    fn read_as(&mut self, reading: BodyReading) {
        self.reading = reading;
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        if let Poll::Ready(next) = self.poll_bytes(cx) {
            if next.is_none() && self.reading != BodyReading::Stream {
                self.done();
            }
            return Poll::Ready(next);
        }
        let BodyReading::Whole { until } = self.reading else {
            return Poll::Pending;
        };
        let due = later(self.moved(), self.limits.idle);
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(sleep_until(due.into())));
        let phase = ready!(poll_due(alarm.as_mut(), cx, until, || (
            due,
            TimeoutPhase::Body
        )));
        Poll::Ready(Some(Err(TransportFailure::timeout(phase))))
    }
}

impl ReplyBody {
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        loop {
            let mut next = Pin::new(&mut self.incoming).poll_frame(&mut passive());
            if next.is_pending()
                && let Some(connection) = &mut self.connection
            {
                connection.poll_drive(cx);
                next = Pin::new(&mut self.incoming).poll_frame(&mut passive());
            }
            let frame = ready!(next);
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => {
                    // Once more, so that the connection learns that this exchange is over.
                    if let Some(connection) = &mut self.connection
                        && !connection.is_ready()
                    {
                        connection.poll_drive(cx);
                    }
                    return Poll::Ready(None);
                }
                Some(Ok(Ok(bytes))) => {
                    if let Some(connection) = &self.connection {
                        connection.marks.lock().moved = Instant::now();
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
                // Trailers say nothing to us.
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => {
                    let server = self.dialer.server();
                    return Poll::Ready(Some(Err(failure::of_body(&error, &server))));
                }
            }
        }
    }

    fn moved(&self) -> Instant {
        match &self.connection {
            Some(connection) => connection.marks.lock().moved,
            None => Instant::now(),
        }
    }

    /// Returns the connection to the pool, when it can be reused.
    fn done(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.keep
            && connection.is_ready()
        {
            self.dialer.keep(connection);
        }
    }
}

/// Resolves to the phase that took too long. The deadline moves while bytes move, so each poll asks for it.
fn poll_due(
    mut alarm: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
    end: Option<Instant>,
    deadline: impl Fn() -> (Instant, TimeoutPhase),
) -> Poll<TimeoutPhase> {
    loop {
        let (at, phase) = match (deadline(), end) {
            ((at, _), Some(end)) if end <= at => (end, TimeoutPhase::Total),
            (due, _) => due,
        };
        if at <= Instant::now() {
            return Poll::Ready(phase);
        }
        // A later deadline does not touch the timer until it fires.
        if alarm.is_elapsed() || at < alarm.deadline().into_std() {
            alarm.as_mut().reset(at.into());
        }
        ready!(alarm.as_mut().poll(cx));
    }
}
