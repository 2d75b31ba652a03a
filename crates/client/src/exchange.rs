//! One exchange of the core over a transport: seals its request, follows its redirects, bounds and cleans its reply, and
//! ends in exactly one report. What waits between these steps is written once per flavour.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use taskward_core::{
    Credential, ExchangeFailure, Head, Limits, Origin, Request, Response, StreamRedactor,
};

use crate::clock::later;
use crate::reply::{self, BodyCollector, BodyPlan, Report, StreamMode};
use crate::trace::{self, Span};
use crate::transport::{BodyReading, StreamCloser, TransportFailure, TransportRequest};
use crate::turns::Turns;

/// A server, the credential that goes there and nowhere else, if there is one, and the way there.
#[derive(Debug)]
pub(crate) struct Endpoint<T> {
    pub(crate) transport: T,
    pub(crate) origin: Origin,
    pub(crate) credential: Option<Credential>,
    pub(crate) agent: HeaderValue,
    /// How many exchanges are under way at once.
    pub(crate) turns: Turns,
}

/// One exchange, redirects of the same origin included, without its waits.
pub(crate) struct ExchangeSteps<T> {
    pub(crate) endpoint: Arc<Endpoint<T>>,
    asked: Arc<Request>,
    /// That request, or the one that its last redirect asked for.
    request: Arc<Request>,
    hops: u32,
    limits: Limits,
    streams: StreamMode,
    closer: Option<Arc<StreamCloser>>,
    started: Instant,
    pub(crate) span: Span,
}

/// What to do after a head.
pub(crate) enum AfterHead {
    /// Send another request: a redirect within the origin.
    Again,
    /// Read the body whole.
    Body(Head, BodyCollector, BodyReading),
    /// Hand over the stream.
    Stream(Head),
    /// Read nothing more.
    Nothing(Head),
}

impl<T> ExchangeSteps<T> {
    pub(crate) fn new(
        endpoint: Arc<Endpoint<T>>,
        request: Arc<Request>,
        limits: Limits,
        streams: StreamMode,
        closer: Option<Arc<StreamCloser>>,
        span: Span,
    ) -> Self {
        Self {
            endpoint,
            asked: request.clone(),
            request,
            hops: 0,
            limits,
            streams,
            closer,
            started: Instant::now(),
            span,
        }
    }

    /// Returns whether an event stream is opened, and not read to its end.
    pub(crate) fn opens_stream(&self) -> bool {
        self.streams == StreamMode::Open
    }

    /// Begins once its turn has come: the wait for it counts to no limit.
    pub(crate) fn begin(&mut self) {
        self.started = Instant::now();
    }

    fn until(&self) -> Option<Instant> {
        self.limits.total.map(|total| later(self.started, total))
    }

    /// Returns the request to send now. Its credential goes to the one origin that it is sealed for.
    pub(crate) fn outgoing(&self) -> TransportRequest {
        let endpoint = &self.endpoint;
        TransportRequest {
            head: endpoint.origin.seal(
                &self.request,
                endpoint.credential.as_ref(),
                &endpoint.agent,
            ),
            body: self.request.body().clone(),
            limits: self.limits,
            until: self.until(),
            closer: self.closer.clone(),
        }
    }

    /// Judges the head of a reply whose body has this length.
    pub(crate) fn head(
        &mut self,
        parts: http::response::Parts,
        length: Option<u64>,
    ) -> Result<AfterHead, ExchangeFailure> {
        let head = reply::head(
            self.endpoint.credential.as_ref(),
            parts.status,
            parts.headers,
        );
        if let Some(next) = self.endpoint.origin.follow(&self.request, &head, self.hops) {
            self.request = Arc::new(next?);
            self.hops += 1;
            return Ok(AfterHead::Again);
        }
        let plan = BodyPlan::of(&self.request, &head, length, &self.limits, self.streams)?;
        Ok(match plan {
            BodyPlan::Body(body) => {
                let until = body.until(&self.limits, self.until());
                AfterHead::Body(head, body, BodyReading::Whole { until })
            }
            BodyPlan::Stream => AfterHead::Stream(head),
            BodyPlan::Other => AfterHead::Nothing(head),
        })
    }

    /// Ends the exchange: removes the key from its report, and logs it.
    pub(crate) fn conclude<S>(&self, result: Result<Report<S>, ExchangeFailure>) -> Report<S> {
        let mut report = result.unwrap_or_else(Report::Failed);
        report.clean(self.endpoint.credential.as_ref());
        trace::replied(&self.span, &self.asked, &report, self.started.elapsed());
        report
    }

    pub(crate) fn stream<B>(&self, head: Head, body: B) -> Report<EventStream<T, B>> {
        let stream = EventStream {
            redactor: (self.endpoint.credential.as_ref()).map(Credential::redact_stream),
            head: head.clone(),
            body,
            endpoint: self.endpoint.clone(),
        };
        Report::Stream(head, Box::new(stream))
    }
}

/// Returns the report of a whole reply.
pub(crate) fn whole<S>(head: Head, body: Bytes) -> Report<S> {
    Report::Reply(Response { head, body })
}

/// An open stream of events. Its silence is judged by the core; dropping it closes it.
pub(crate) struct EventStream<T, B> {
    head: Head,
    pub(crate) body: B,
    redactor: Option<StreamRedactor>,
    endpoint: Arc<Endpoint<T>>,
}

impl<T, B> EventStream<T, B> {
    /// Returns bytes that arrived without the key; none while a line is unfinished.
    pub(crate) fn clean(&mut self, bytes: Bytes) -> Bytes {
        match &mut self.redactor {
            Some(redactor) => redactor.push(bytes),
            None => bytes,
        }
    }

    /// Returns the failure with which the stream broke off.
    pub(crate) fn broken(&self, failure: TransportFailure) -> ExchangeFailure {
        let mut failure = failure.after(&self.head);
        reply::clean_failure(self.endpoint.credential.as_ref(), &mut failure);
        failure
    }
}
