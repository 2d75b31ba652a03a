//! One exchange, from a request of the core to exactly one report.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, header};
use taskward_core::{Cause, Credential, Failure, Head, Limits, Origin, Request, Response, Stage};
use ureq::config::AutoHeaderValue;
use ureq::{Agent, BodyReader, SendBody};

use crate::body::{self, Upload};
use crate::dial::{Dialer, NoResolver};
use crate::failure::{self, Fault};
use crate::wire::{MAX_HEAD, Marks, Reading, hang_up};

/// Bytes read of a refusal's body.
const MAX_ERROR_BODY: u64 = 64 * 1024;
/// Bytes read from a body at a time.
const CHUNK: usize = 16 * 1024;
/// Connections kept idle.
const MAX_IDLE: usize = 8;
/// How long one is kept; servers close theirs after a minute or more.
const IDLE_AGE: Duration = Duration::from_secs(50);

/// What all exchanges of one client share.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) origin: Origin,
    pub(crate) credential: Credential,
    agent: HeaderValue,
    http: Agent,
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
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .max_response_header_size(MAX_HEAD)
            .max_idle_connections(MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            .max_idle_age(IDLE_AGE)
            .build();
        Self {
            origin,
            credential,
            agent,
            http: Agent::with_parts(config, dialer, NoResolver),
            server,
        }
    }

    /// Takes the key out of what a failure tells: servers and libraries echo it.
    fn clean_failure(&self, failure: &mut Failure) {
        failure.detail = self.credential.redact(&failure.detail);
        if let Stage::Answered(head) = &mut failure.stage {
            self.clean_head(head);
        }
    }

    /// Takes the key out of a refusal, which is shown to people. An answer is left as it is.
    fn clean_reply(&self, reply: &mut Response) {
        if reply.status().is_success() {
            return;
        }
        self.clean_head(&mut reply.head);
        let text = String::from_utf8_lossy(&reply.body);
        let clean = self.credential.redact(&text);
        if clean != text {
            reply.body = clean.into();
        }
    }

    fn clean_head(&self, head: &mut Head) {
        for value in head.headers.values_mut() {
            let text = String::from_utf8_lossy(value.as_bytes());
            let clean = self.credential.redact(&text);
            if clean != text {
                *value = HeaderValue::from_str(&clean)
                    .unwrap_or_else(|_| HeaderValue::from_static("[key]"));
            }
        }
    }
}

/// How one exchange ended.
#[derive(Debug)]
pub(crate) enum Report {
    /// With a whole reply.
    Reply(Response),
    /// With the head of a stream that is now open.
    Stream(Head, Box<EventStream>),
    /// Without either.
    Failed(Failure),
}

/// Performs one exchange, redirects of the same origin included.
pub(crate) fn exchange(transport: &Arc<Transport>, request: &Request, limits: &Limits) -> Report {
    let begun = Instant::now();
    let mut report = attempt(transport, request, limits, begun).unwrap_or_else(Report::Failed);
    match &mut report {
        Report::Reply(reply) => transport.clean_reply(reply),
        Report::Failed(failure) => transport.clean_failure(failure),
        Report::Stream(..) => {}
    }
    let (status, detail) = match &report {
        Report::Reply(reply) => (reply.status().as_u16(), String::new()),
        Report::Stream(head, _) => (head.status.as_u16(), "stream".to_owned()),
        Report::Failed(failure) => (
            failure.head().map_or(0, |head| head.status.as_u16()),
            failure.to_string(),
        ),
    };
    tracing::debug!(
        method = %request.method(),
        target = %request.target(),
        status,
        detail,
        ms = begun.elapsed().as_millis(),
        "exchange"
    );
    report
}

fn attempt(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    begun: Instant,
) -> Result<Report, Failure> {
    let mut moved: Option<Request> = None;
    for hops in 0.. {
        let request = moved.as_ref().unwrap_or(request);
        let (head, reply) = head(transport, request, limits, begun)?;
        match transport.origin.follow(request, &head, hops) {
            Some(next) => moved = Some(next?),
            None => return receive(request, head, reply, limits),
        }
    }
    unreachable!("the core refuses the redirect after the last")
}

/// Sends a request and waits for the head of its reply.
fn head(
    transport: &Arc<Transport>,
    request: &Request,
    limits: &Limits,
    begun: Instant,
) -> Result<(Head, Reply), Failure> {
    body::check(request.body()).map_err(|fault| fault.at(Stage::NotSent))?;
    let end = limits.total.and_then(|total| begun.checked_add(total));
    let marks = Arc::new(Marks::new(limits, end));
    let body = if request.body().is_empty() {
        SendBody::none()
    } else {
        SendBody::from_owned_reader(Upload::new(request.body(), marks.clone()))
    };
    let sealed = transport
        .origin
        .seal(request, &transport.credential, &transport.agent);
    let outcome = marks.during(|| transport.http.run(sealed.map(|()| body)));
    let response = outcome.map_err(|error| {
        judge(&marks, |broken| {
            failure::of_head(&error, broken, &transport.server, transport.origin.is_tls())
        })
    })?;
    {
        let mut progress = marks.lock();
        progress.moved = Instant::now();
        progress.reading = Reading::Body;
    }
    let (parts, body) = response.into_parts();
    let head = Head {
        status: parts.status,
        headers: parts.headers,
    };
    let reply = Reply {
        transport: transport.clone(),
        marks,
        expected: body.content_length(),
        body: body.into_reader(),
    };
    Ok((head, reply))
}

/// The failure of an exchange without a reply: the marks know the stage, and our own reason comes first.
fn judge(marks: &Marks, of: impl FnOnce(Option<String>) -> Fault) -> Failure {
    let (sent, fault, broken) = {
        let mut progress = marks.lock();
        (progress.sent, progress.fault.take(), progress.broken.take())
    };
    let fault = fault.unwrap_or_else(|| of(broken));
    fault.at(if sent {
        Stage::MaybeSent
    } else {
        Stage::NotSent
    })
}

/// Takes in what follows a head: a whole body, or the beginning of a stream.
fn receive(
    request: &Request,
    head: Head,
    mut reply: Reply,
    limits: &Limits,
) -> Result<Report, Failure> {
    let answered = |head: &Head, fault: Fault| fault.at(Stage::Answered(Box::new(head.clone())));
    if let Some(encoding) = foreign_encoding(&head) {
        return Err(answered(&head, Fault::new(Cause::Encoding, encoding)));
    }
    let success = head.status.is_success();
    let wants_stream = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "text/event-stream");
    if success && wants_stream && head.media_type().as_deref() == Some("text/event-stream") {
        let stream = Box::new(reply.into_stream(head.clone()));
        return Ok(Report::Stream(head, stream));
    }
    let cap = if success {
        limits.max_body
    } else {
        MAX_ERROR_BODY
    };
    if success && reply.expected.is_some_and(|length| length > cap) {
        return Err(answered(
            &head,
            Fault::new(Cause::TooLarge { cap }, "by its Content-Length"),
        ));
    }
    let room = usize::try_from(reply.expected.unwrap_or(0).min(cap)).unwrap_or(0);
    let mut whole = Vec::with_capacity(room);
    let mut chunk = [0; CHUNK];
    loop {
        match reply.read(&mut chunk) {
            Ok([]) => break,
            Ok(bytes) if whole.len() as u64 + bytes.len() as u64 <= cap => {
                whole.extend_from_slice(bytes);
            }
            Ok(_) if success => {
                return Err(answered(&head, Fault::new(Cause::TooLarge { cap }, "")));
            }
            // Enough of a refusal to tell what it says.
            Ok(bytes) => {
                let room = usize::try_from(cap).unwrap_or(usize::MAX) - whole.len();
                whole.extend_from_slice(&bytes[..room]);
                break;
            }
            Err(fault) => return Err(answered(&head, fault)),
        }
    }
    let body = Bytes::from(whole);
    Ok(Report::Reply(Response { head, body }))
}

/// The content encoding, when it is one: nobody asked for any, and nothing is inflated here.
fn foreign_encoding(head: &Head) -> Option<String> {
    let mut values = head.headers.get_all(header::CONTENT_ENCODING).iter();
    let foreign = values.find(|value| {
        let value = value.as_bytes().trim_ascii();
        !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
    })?;
    Some(String::from_utf8_lossy(foreign.as_bytes()).into_owned())
}

/// A reply whose body is still to come.
struct Reply {
    transport: Arc<Transport>,
    marks: Arc<Marks>,
    expected: Option<u64>,
    body: BodyReader<'static>,
}

impl Reply {
    /// The next bytes; none at its end.
    fn read<'a>(&mut self, chunk: &'a mut [u8]) -> Result<&'a [u8], Fault> {
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
        EventStream { head, reply: self }
    }
}

/// An open stream of events, to be read by a thread of its own. Its silence is judged by the core.
pub(crate) struct EventStream {
    head: Head,
    reply: Reply,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}

impl EventStream {
    /// The next bytes; `None` at its end.
    pub(crate) fn read(&mut self) -> Option<Result<Bytes, Failure>> {
        let mut chunk = [0; CHUNK];
        match self.reply.read(&mut chunk) {
            Ok([]) => None,
            Ok(bytes) => Some(Ok(Bytes::copy_from_slice(bytes))),
            Err(fault) => {
                let mut failure = fault.at(Stage::Answered(Box::new(self.head.clone())));
                self.reply.transport.clean_failure(&mut failure);
                Some(Err(failure))
            }
        }
    }

    /// What ends a read of it from another thread.
    pub(crate) fn line(&self) -> Line {
        Line(self.reply.marks.lock().socket.clone())
    }
}

/// Cuts its stream off when it is dropped.
#[derive(Debug)]
pub(crate) struct Line(Option<Arc<TcpStream>>);

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            hang_up(socket);
        }
    }
}
