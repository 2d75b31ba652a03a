//! One exchange over a connection, up to the head of its reply, and the body behind it.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use http::Version;
use http::header::AUTHORIZATION;
use taskward_client::reply::{self, MAX_HEAD};
use taskward_client::route::{IDLE_AGE, MAX_IDLE};
use taskward_client::source;
use taskward_client::transport::{
    BlockingBody, BodyReading, ProgressCell, TransportFailure, TransportRequest,
};
use taskward_core::ConnectionUse;
use ureq::config::AutoHeaderValue;
use ureq::{Agent, BodyReader, SendBody};

use crate::body::Upload;
use crate::dial::{Dialer, NoResolver};
use crate::failure;
use crate::wire::{ExchangeWatch, Reading};

/// ureq's agents of one server.
#[derive(Debug)]
pub(crate) struct Agents {
    /// With idle connections.
    pooled: Agent,
    /// Without a pool: ureq has no other way to send a request on a connection of its own.
    dedicated: Agent,
    server: String,
    is_tls: bool,
}

impl Agents {
    pub(crate) fn new(dialer: &Dialer) -> Self {
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
            pooled: with_idle(MAX_IDLE),
            dedicated: with_idle(0),
            server,
            is_tls: dialer.is_tls(),
        }
    }
}

/// Sends a request and waits for the head of its reply.
pub(crate) fn exchange(
    agents: &Arc<Agents>,
    request: TransportRequest,
    progress: &Arc<ProgressCell>,
) -> Result<http::Response<ReplyBody>, TransportFailure> {
    let TransportRequest {
        mut head,
        body,
        limits,
        until,
        closer,
    } = request;
    source::check(&body)?;
    let marks = Arc::new(ExchangeWatch::new(&limits, until, closer, progress.clone()));
    let body = if body.is_empty() {
        SendBody::none()
    } else {
        SendBody::from_owned_reader(Upload::new(&body, marks.clone()))
    };
    // ureq logs the bytes that it writes, at the finest level: the key joins them on the wire.
    marks.lock().authorization = head.headers_mut().remove(AUTHORIZATION);
    let http = match limits.connection {
        ConnectionUse::Pooled => &agents.pooled,
        ConnectionUse::Dedicated => &agents.dedicated,
    };
    let outcome = marks.during(|| http.run(head.map(|()| body)));
    let response = outcome.map_err(|error| {
        let mut progress = marks.lock();
        // Our own reason comes first.
        let broken = progress.broken.take();
        progress
            .fault
            .take()
            .unwrap_or_else(|| failure::of_head(&error, broken, &agents.server, agents.is_tls))
    })?;
    {
        let headers = response.headers();
        let mut progress = marks.lock();
        progress.moved = Instant::now();
        progress.reading = Reading::Body;
        progress.chunked = response.version() != Version::HTTP_10 && reply::is_chunked(headers);
        progress.keep = !reply::is_framed_twice(headers);
    }
    Ok(response.map(|body| ReplyBody {
        agents: agents.clone(),
        marks,
        length: body.content_length(),
        body: body.into_reader(),
    }))
}

/// The body of a reply that is still to come.
pub struct ReplyBody {
    agents: Arc<Agents>,
    marks: Arc<ExchangeWatch>,
    length: Option<u64>,
    body: BodyReader<'static>,
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyBody")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl BlockingBody for ReplyBody {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn read_as(&mut self, reading: BodyReading) {
        let mut progress = self.marks.lock();
        match reading {
            BodyReading::Whole { until } => progress.end = until,
            BodyReading::Stream => progress.reading = Reading::Stream,
        }
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, TransportFailure> {
        self.body.read(out).map_err(|error| {
            let ours = self.marks.lock().fault.take();
            ours.unwrap_or_else(|| failure::of_body(&error, &self.agents.server))
        })
    }
}
