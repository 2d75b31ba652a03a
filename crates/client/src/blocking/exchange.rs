//! One exchange, from a request of the core to exactly one report.

use std::sync::Arc;

use bytes::Bytes;
use taskward_core::{ExchangeFailure, Limits, Request};

use crate::exchange::{self, AfterHead, Endpoint, ExchangeSteps, whole};
use crate::reply::{self, StreamMode};
use crate::trace::Span;
use crate::transport::{
    BlockingBody as _, BlockingTransport, BodyReading, ProgressCell, StreamCloser, Transport,
};

/// Bytes read from a body at a time. They are cleared first, which few replies are worth much of.
const CHUNK: usize = 2 * 1024;
/// Bytes read from a stream at a time.
const STREAM_CHUNK: usize = 16 * 1024;

/// An open stream of events, to be read by a thread of its own.
pub(super) type EventStream<T> = exchange::EventStream<T, <T as Transport>::Body>;

/// How one exchange ended.
pub(super) type Report<T> = reply::Report<EventStream<T>>;

/// Performs one exchange, redirects of the same origin included. One with a closer may open a stream.
pub(super) fn exchange<T: BlockingTransport>(
    endpoint: &Arc<Endpoint<T>>,
    request: Arc<Request>,
    limits: Limits,
    closer: Option<&Arc<StreamCloser>>,
    span: Span,
) -> Report<T> {
    let streams = match closer {
        Some(_) => StreamMode::Open,
        None => StreamMode::Whole,
    };
    let endpoint = endpoint.clone();
    let mut steps = ExchangeSteps::new(
        endpoint,
        request,
        limits,
        streams,
        closer.cloned(),
        span.clone(),
    );
    let result = if steps.opens_stream() {
        // Whoever closes it must not wait for a turn; and a thread for each stream is limit enough.
        span.in_scope(|| attempt(&mut steps))
    } else {
        let endpoint = steps.endpoint.clone();
        let _turn = endpoint.turns.block();
        steps.begin();
        span.in_scope(|| attempt(&mut steps))
    };
    if let Some(closer) = closer.filter(|_| !matches!(result, Ok(Report::<T>::Stream(..)))) {
        closer.release();
    }
    steps.conclude(result)
}

fn attempt<T: BlockingTransport>(
    steps: &mut ExchangeSteps<T>,
) -> Result<Report<T>, ExchangeFailure> {
    loop {
        let progress = Arc::<ProgressCell>::default();
        let reply = (steps.endpoint.transport)
            .exchange(steps.outgoing(), &progress)
            .map_err(|failure| failure.unanswered(&progress))?;
        progress.answered();
        let (parts, mut body) = reply.into_parts();
        let (head, mut collector) = match steps.head(parts, body.length())? {
            AfterHead::Again => continue,
            AfterHead::Body(head, collector, reading) => {
                body.read_as(reading);
                (head, collector)
            }
            AfterHead::Stream(head) => {
                body.read_as(BodyReading::Stream);
                return Ok(steps.stream(head, body));
            }
            AfterHead::Nothing(head) => return Ok(whole(head, Bytes::new())),
        };
        let mut chunk = [0; CHUNK];
        loop {
            let more = body.read(&mut chunk).and_then(|read| match read {
                0 => Ok(false),
                read => collector.take(&chunk[..read]),
            });
            if !more.map_err(|failure| failure.after(&head))? {
                return Ok(whole(head, collector.take_bytes()));
            }
        }
    }
}

/// Reads a stream, without the key, into a buffer of its own.
pub(super) struct StreamReader<T: BlockingTransport> {
    stream: Box<EventStream<T>>,
    chunk: Box<[u8]>,
}

impl<T: BlockingTransport> StreamReader<T> {
    pub(super) fn new(stream: Box<EventStream<T>>) -> Self {
        Self {
            stream,
            chunk: vec![0; STREAM_CHUNK].into(),
        }
    }

    /// Reads the next bytes without the key, none while a line is unfinished; `None` at the end.
    pub(super) fn read(&mut self) -> Option<Result<Bytes, ExchangeFailure>> {
        match self.stream.body.read(&mut self.chunk) {
            Ok(0) => None,
            Ok(read) => {
                let bytes = Bytes::copy_from_slice(&self.chunk[..read]);
                Some(Ok(self.stream.clean(bytes)))
            }
            Err(failure) => Some(Err(self.stream.broken(failure))),
        }
    }
}
