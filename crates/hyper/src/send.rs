//! One exchange, from a request of the core to exactly one report.

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
use taskward_client::failure::SocketFailure;
use taskward_client::reply::{self, BodyPlan, StreamMode};
use taskward_client::trace;
use taskward_core::{
    ConnectionUse, Credential, ExchangeFailure, ExchangeProgress, Head, Limits, Origin, Request,
    Response, StreamRedactor, TimeoutPhase,
};
use tokio::time::{Sleep, sleep_until};
use tracing::{Instrument as _, Span};

use crate::body::{self, Upload};
use crate::dial::Dialer;
use crate::failure;
use crate::wire::{Connection, ExchangeWatch};

/// What all exchanges of one client share.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) origin: Origin,
    pub(crate) credential: Credential,
    agent: HeaderValue,
    pub(crate) dialer: Dialer,
}

impl Transport {
    pub(crate) fn new(
        origin: Origin,
        credential: Credential,
        agent: HeaderValue,
        dialer: Dialer,
    ) -> Self {
        Self {
            origin,
            credential,
            agent,
            dialer,
        }
    }
}

/// How one exchange ended.
pub(crate) type Report = reply::Report<EventStream>;

/// Performs one exchange, redirects of the same origin included.
pub(crate) async fn exchange(
    transport: Arc<Transport>,
    request: Arc<Request>,
    limits: Limits,
    streams: StreamMode,
    span: Span,
) -> Report {
    let started = Instant::now();
    let mut report = attempt(&transport, &request, &limits, streams, started)
        .instrument(span.clone())
        .await
        .unwrap_or_else(Report::Failed);
    report.clean(&transport.credential);
    let (status, detail) = report.summary();
    trace::replied(&span, status, started.elapsed());
    tracing::debug!(
        parent: &span,
        method = %request.method(),
        target = %request.target(),
        status,
        detail,
        ms = started.elapsed().as_millis(),
        "exchange"
    );
    report
}

async fn attempt(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    streams: StreamMode,
    started: Instant,
) -> Result<Report, ExchangeFailure> {
    let mut moved: Option<Request> = None;
    for hops in 0.. {
        let request = moved.as_ref().unwrap_or(request);
        let (head, reply) = head(transport, request, limits, started).await?;
        match transport.origin.follow(request, &head, hops) {
            Some(next) => moved = Some(next?),
            None => return receive(request, head, reply, streams).await,
        }
    }
    unreachable!("the core refuses the redirect after the last")
}

/// Sends a request and waits for the head of its reply.
async fn head(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    started: Instant,
) -> Result<(Head, Reply), ExchangeFailure> {
    let not_sent = |fault: SocketFailure| fault.at(ExchangeProgress::NotSent);
    body::check(request.body()).await.map_err(not_sent)?;
    let dialer = &transport.dialer;
    let end = limits.total.map(|total| later(started, total));
    let pooled = limits.connection == ConnectionUse::Pooled;
    let take_idle = if pooled {
        dialer.take_idle().await
    } else {
        None
    };
    let mut connection = match take_idle {
        Some(connection) => connection,
        None => {
            let until = later(Instant::now(), limits.connect);
            let until = end.map_or(until, |end| end.min(until));
            dialer.connect(until).await.map_err(not_sent)?
        }
    };
    connection.marks.restart();
    let marks = connection.marks.clone();
    let upload = Upload::new(request.body(), marks.clone());
    let sealed = origin_form(transport.origin.seal(
        request,
        &transport.credential,
        &transport.agent,
    ));
    let outcome = {
        let sending = connection.sender.send_request(sealed.map(|()| upload));
        let mut sending = pin!(sending);
        let mut alarm = pin!(sleep_until(marks.head_deadline(limits).0.into()));
        poll_fn(|cx| {
            connection.poll_drive(cx);
            if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            poll_due(alarm.as_mut(), cx, end, || marks.head_deadline(limits)).map(Err)
        })
        .await
    };
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            return Err(judge(&marks, |broken| {
                failure::of_head(&error, broken, &dialer.server(), dialer.is_tls())
            }));
        }
        Err(phase) => return Err(judge(&marks, |_| SocketFailure::timeout(phase))),
    };
    marks.lock().moved = Instant::now();
    let (parts, incoming) = response.into_parts();
    let head = reply::head(&transport.credential, parts.status, parts.headers);
    let reply = Reply {
        transport: transport.clone(),
        connection: Some(connection),
        keep: pooled && !reply::is_framed_twice(&head),
        incoming,
        limits: *limits,
        end,
    };
    Ok((head, reply))
}

/// Classifies an exchange without a reply: its progress gives the stage, and our own reason comes first.
fn judge(
    marks: &ExchangeWatch,
    of: impl FnOnce(Option<String>) -> SocketFailure,
) -> ExchangeFailure {
    let (sent, fault, broken) = {
        let mut progress = marks.lock();
        (progress.sent, progress.fault.take(), progress.broken.take())
    };
    let fault = fault.unwrap_or_else(|| of(broken));
    fault.unanswered(sent)
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

/// Takes in what follows a head: a whole body, or the beginning of a stream.
async fn receive(
    request: &Request,
    head: Head,
    mut reply: Reply,
    streams: StreamMode,
) -> Result<Report, ExchangeFailure> {
    let length = reply.incoming.size_hint().exact();
    let mut body = match BodyPlan::of(request, &head, length, &reply.limits, streams)? {
        BodyPlan::Body(body) => body,
        BodyPlan::Stream => {
            let stream = EventStream {
                redactor: reply.transport.credential.redact_stream(),
                head: head.clone(),
                reply,
            };
            return Ok(Report::Stream(head, Box::new(stream)));
        }
        BodyPlan::Other => {
            let body = Bytes::new();
            return Ok(Report::Reply(Response { head, body }));
        }
    };
    reply.end = body.until(&reply.limits, reply.end);
    let mut alarm = pin!(sleep_until(later(reply.moved(), reply.limits.idle).into()));
    loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(next) = reply.poll_bytes(cx) {
                return Poll::Ready(next.transpose());
            }
            let due = later(reply.moved(), reply.limits.idle);
            poll_due(alarm.as_mut(), cx, reply.end, || (due, TimeoutPhase::Body))
                .map(|phase| Err(SocketFailure::timeout(phase)))
        })
        .await;
        let more = next.and_then(|bytes| bytes.map(|bytes| body.take(&bytes)).transpose());
        match more.map_err(|fault| fault.after(&head))? {
            Some(true) => {}
            Some(false) => break,
            None => {
                reply.done();
                break;
            }
        }
    }
    let body = body.into_bytes();
    Ok(Report::Reply(Response { head, body }))
}

/// A reply whose body is still to come. The connection moves only while this is polled.
#[derive(Debug)]
struct Reply {
    transport: Arc<Transport>,
    connection: Option<Connection>,
    /// Whether the connection may be used again.
    keep: bool,
    incoming: Incoming,
    limits: Limits,
    end: Option<Instant>,
}

impl Reply {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SocketFailure>>> {
        loop {
            if let Some(connection) = &mut self.connection {
                connection.poll_drive(cx);
            }
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => {
                    // Once more, so that the connection learns that this exchange is over.
                    if let Some(connection) = &mut self.connection {
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
                    let server = self.transport.dialer.server();
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
            self.transport.dialer.keep(connection);
        }
    }
}

/// An open stream of events. Its silence is judged by the core; dropping it closes it.
#[derive(Debug)]
pub(crate) struct EventStream {
    head: Head,
    reply: Reply,
    redactor: StreamRedactor,
}

impl EventStream {
    /// Reads the next bytes without the key, none while a line is unfinished; `None` at the end.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ExchangeFailure>>> {
        let next = ready!(self.reply.poll_bytes(cx));
        Poll::Ready(next.map(|next| match next {
            Ok(bytes) => Ok(self.redactor.push(bytes)),
            Err(fault) => {
                let mut failure = fault.after(&self.head);
                reply::clean_failure(&self.reply.transport.credential, &mut failure);
                Err(failure)
            }
        }))
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
