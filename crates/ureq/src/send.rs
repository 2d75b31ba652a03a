//! One exchange, from a request of the core to exactly one report.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Version};
use taskward_client::failure::SocketFailure;
use taskward_client::reply::{self, BodyPlan, MAX_HEAD, StreamMode};
use taskward_client::route::{IDLE_AGE, MAX_IDLE};
use taskward_client::trace;
use taskward_core::{
    ConnectionUse, Credential, ExchangeFailure, ExchangeProgress, Head, Limits, Origin, Request,
    Response, StreamRedactor,
};
use tracing::Span;
use ureq::config::AutoHeaderValue;
use ureq::{Agent, BodyReader, SendBody};

use crate::body::{self, Upload};
use crate::dial::{Dialer, NoResolver};
use crate::failure;
use crate::wire::{ExchangeWatch, Reading, SharedSocket};

/// Bytes read from a body at a time. They are cleared first, which few replies are worth much of.
const CHUNK: usize = 2 * 1024;
/// Bytes read from a stream at a time.
const STREAM_CHUNK: usize = 16 * 1024;

/// What all exchanges of one client share.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) origin: Origin,
    pub(crate) credential: Credential,
    agent: HeaderValue,
    /// With idle connections.
    pooled: Agent,
    /// Without a pool: ureq has no other way to send a request on a connection of its own.
    dedicated: Agent,
    server: String,
}

impl Transport {
    pub(crate) fn new(
        origin: Origin,
        credential: Credential,
        agent: HeaderValue,
        dialer: Dialer,
    ) -> Self {
        let server = dialer.server();
        let with_idle = |idle: usize| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(None)
                .user_agent(AutoHeaderValue::None)
                .accept(AutoHeaderValue::None)
                .accept_encoding(AutoHeaderValue::None)
                .max_response_header_size(MAX_HEAD)
                .max_idle_connections(idle)
                .max_idle_connections_per_host(idle)
                .max_idle_age(IDLE_AGE)
                .build();
            Agent::with_parts(config, dialer.clone(), NoResolver)
        };
        Self {
            origin,
            credential,
            agent,
            pooled: with_idle(MAX_IDLE),
            dedicated: with_idle(0),
            server,
        }
    }
}

/// How one exchange ended.
pub(crate) type Report = reply::Report<EventStream>;

/// Performs one exchange, redirects of the same origin included. One that goes along a line may open a stream.
pub(crate) fn exchange(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    line: Option<&Arc<SharedSocket>>,
    span: &Span,
) -> Report {
    let started = Instant::now();
    let mut report = span
        .in_scope(|| attempt(transport, request, limits, line, started))
        .unwrap_or_else(Report::Failed);
    if let Some(line) = line.filter(|_| !matches!(report, Report::Stream(..))) {
        line.release();
    }
    report.clean(&transport.credential);
    let (status, detail) = report.summary();
    trace::replied(span, status, started.elapsed());
    tracing::debug!(
        parent: span,
        method = %request.method(),
        target = %request.target(),
        status,
        detail,
        ms = started.elapsed().as_millis(),
        "exchange"
    );
    report
}

fn attempt(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    line: Option<&Arc<SharedSocket>>,
    started: Instant,
) -> Result<Report, ExchangeFailure> {
    let streams = match line {
        Some(_) => StreamMode::Open,
        None => StreamMode::Whole,
    };
    let mut moved: Option<Request> = None;
    for hops in 0.. {
        let request = moved.as_ref().unwrap_or(request);
        let (head, reply) = head(transport, request, limits, line, started)?;
        match transport.origin.follow(request, &head, hops) {
            Some(next) => moved = Some(next?),
            None => return receive(request, head, reply, limits, streams),
        }
    }
    unreachable!("the core refuses the redirect after the last")
}

/// Sends a request and waits for the head of its reply.
fn head(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    line: Option<&Arc<SharedSocket>>,
    started: Instant,
) -> Result<(Head, Reply), ExchangeFailure> {
    body::check(request.body()).map_err(|fault| fault.at(ExchangeProgress::NotSent))?;
    let end = limits.total.and_then(|total| started.checked_add(total));
    let marks = Arc::new(ExchangeWatch::new(limits, end, line.cloned()));
    let body = if request.body().is_empty() {
        SendBody::none()
    } else {
        SendBody::from_owned_reader(Upload::new(request.body(), marks.clone()))
    };
    let mut sealed = transport
        .origin
        .seal(request, &transport.credential, &transport.agent);
    // ureq logs the bytes that it writes, at the finest level: the key joins them on the wire.
    marks.lock().authorization = sealed.headers_mut().remove(AUTHORIZATION);
    let http = match limits.connection {
        ConnectionUse::Pooled => &transport.pooled,
        ConnectionUse::Dedicated => &transport.dedicated,
    };
    let outcome = marks.during(|| http.run(sealed.map(|()| body)));
    let response = outcome.map_err(|error| {
        judge(&marks, |broken| {
            failure::of_head(&error, broken, &transport.server, transport.origin.is_tls())
        })
    })?;
    let (parts, body) = response.into_parts();
    let head = reply::head(&transport.credential, parts.status, parts.headers);
    {
        let mut progress = marks.lock();
        progress.moved = Instant::now();
        progress.reading = Reading::Body;
        progress.chunked = parts.version != Version::HTTP_10 && reply::is_chunked(&head);
        progress.keep = !reply::is_framed_twice(&head);
    }
    let reply = Reply {
        transport: transport.clone(),
        marks,
        expected: body.content_length(),
        body: body.into_reader(),
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

/// Takes in what follows a head: a whole body, or the beginning of a stream.
fn receive(
    request: &Request,
    head: Head,
    mut reply: Reply,
    limits: &Limits,
    streams: StreamMode,
) -> Result<Report, ExchangeFailure> {
    let mut body = match BodyPlan::of(request, &head, reply.expected, limits, streams)? {
        BodyPlan::Body(body) => body,
        BodyPlan::Stream => {
            let stream = Box::new(reply.into_stream(head.clone()));
            return Ok(Report::Stream(head, stream));
        }
        BodyPlan::Other => {
            let body = Bytes::new();
            return Ok(Report::Reply(Response { head, body }));
        }
    };
    {
        let mut progress = reply.marks.lock();
        progress.end = body.until(limits, progress.end);
    }
    let mut chunk = [0; CHUNK];
    loop {
        let more = reply.read(&mut chunk).and_then(|bytes| match bytes {
            [] => Ok(false),
            bytes => body.take(bytes),
        });
        if !more.map_err(|fault| fault.after(&head))? {
            break;
        }
    }
    let body = body.into_bytes();
    Ok(Report::Reply(Response { head, body }))
}

/// A reply whose body is still to come.
struct Reply {
    transport: Arc<Transport>,
    marks: Arc<ExchangeWatch>,
    expected: Option<u64>,
    body: BodyReader<'static>,
}

impl Reply {
    /// Reads the next bytes; none at the end.
    fn read<'a>(&mut self, chunk: &'a mut [u8]) -> Result<&'a [u8], SocketFailure> {
        match self.body.read(chunk) {
            Ok(read) => Ok(&chunk[..read]),
            Err(error) => {
                let ours = self.marks.lock().fault.take();
                Err(ours.unwrap_or_else(|| failure::of_body(&error, &self.transport.server)))
            }
        }
    }

    fn into_stream(self, head: Head) -> EventStream {
        self.marks.lock().reading = Reading::Stream;
        EventStream {
            redactor: self.transport.credential.redact_stream(),
            head,
            reply: self,
            chunk: vec![0; STREAM_CHUNK].into(),
        }
    }
}

/// An open stream of events, to be read by a thread of its own. Its silence is judged by the core.
pub(crate) struct EventStream {
    head: Head,
    reply: Reply,
    redactor: StreamRedactor,
    chunk: Box<[u8]>,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}

impl EventStream {
    /// Reads the next bytes without the key, none while a line is unfinished; `None` at the end.
    pub(crate) fn read(&mut self) -> Option<Result<Bytes, ExchangeFailure>> {
        match self.reply.read(&mut self.chunk) {
            Ok([]) => None,
            Ok(bytes) => Some(Ok(self.redactor.push(Bytes::copy_from_slice(bytes)))),
            Err(fault) => {
                let mut failure = fault.after(&self.head);
                reply::clean_failure(&self.reply.transport.credential, &mut failure);
                Some(Err(failure))
            }
        }
    }
}
