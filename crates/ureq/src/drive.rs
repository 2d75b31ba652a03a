//! Does what the machines of the core ask for. Its async twin is read beside it.

use std::sync::Arc;

use taskward_core::{
    Call, CallStep, Error, Event, ExchangeId, Failure, Journal, Limits, Operation, Policy,
    Provider, Request, Retrying, Step, Task, Timestamp,
};
use taskward_edge::course::Driver;
use taskward_edge::entropy::seed;
use taskward_edge::reply::Streams;
use taskward_edge::source;
use taskward_edge::trace;
use taskward_edge::watch::Watch;
use tracing::Span;

use crate::client::Client;
use crate::handle::Handle;
use crate::inbox::{Chunk, DriversInbox, Input};
use crate::send::{EventStream, Line, Report, exchange};

/// A task with its exchanges.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    watch: Watch<P>,
    stream: Option<(ExchangeId, Line)>,
    inbox: DriversInbox,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, journal: Option<Arc<dyn Journal>>) -> Self {
        Self {
            watch: Watch::new(task, client.inner().clock, journal),
            client,
            stream: None,
            inbox: DriversInbox::default(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.inbox.0.clone())
    }

    /// Goes on to the next event; `None` when the task is over, or its watch interrupted.
    pub(crate) fn event(&mut self) -> Result<Option<Event>, Error> {
        let _driving = self.inbox.0.driving();
        loop {
            while let Some(request) = self.inbox.take_request() {
                self.watch.hear(request);
            }
            if self.watch.is_interrupted() {
                return Ok(None);
            }
            // Whoever drives a task may have been elsewhere for hours: what the stream brought meanwhile was no silence.
            if let Some((id, _)) = &self.stream
                && self.inbox.has_chunk()
            {
                self.watch.stirred(*id);
            }
            let now = self.watch.now();
            let step = {
                let mut shared = self.client.shared();
                self.watch.task.poll(now, &mut shared)
            };
            match step {
                Step::Save { revision } => {
                    let kept = match self.watch.to_keep() {
                        Some((journal, snapshot)) => journal.record(&snapshot),
                        None => Ok(()),
                    };
                    self.watch.kept(revision, kept)?;
                }
                Step::Send {
                    id,
                    request,
                    limits,
                } => {
                    let request = request.clone();
                    self.watch.task.sent(id);
                    let span = self.watch.requests(&request);
                    let report = self.client.exchange(&request, limits, Streams::Open, &span);
                    self.report(id, report);
                }
                // An exchange is over before the next poll: this one was somebody else's.
                Step::InFlight { id, .. } => self.watch.abandoned(id),
                Step::Receive { id, until } => match &self.stream {
                    Some((held, _)) if *held == id => {
                        self.watch.listens();
                        self.wait(until, true);
                    }
                    _ => self.watch.abandoned(id),
                },
                Step::Close { id } => {
                    self.drop_stream(id);
                    self.watch.task.closed(id);
                }
                Step::Wait { until, why } => {
                    self.watch.waits(until, why);
                    self.wait(until, false);
                }
                Step::Event { no, event } => {
                    let event = event.clone();
                    self.watch.takes(no, &event);
                    return Ok(Some(event));
                }
                Step::Done(_) => {
                    self.inbox.end();
                    return Ok(None);
                }
            }
        }
    }

    /// Reports the exchange that is over.
    fn report(&mut self, id: ExchangeId, report: Report) {
        if let Some(stream) = self.watch.report(id, report) {
            self.stream = Some((id, stream.line()));
            self.read_aside(id, stream);
        }
    }

    /// Reads a stream in a thread of its own, which ends with the stream, or with the driver.
    fn read_aside(&mut self, id: ExchangeId, mut stream: Box<EventStream>) {
        self.inbox.open(id);
        let inbox = self.inbox.0.clone();
        let reader = move || {
            loop {
                let next = stream.read();
                let more = matches!(next, Some(Ok(_)));
                if !inbox.bring(id, next) || !more {
                    return;
                }
            }
        };
        if std::thread::Builder::new().spawn(reader).is_err() {
            self.received(id, Some(Err(Failure::abandoned())));
        }
    }

    /// Reports what a stream brought.
    fn received(&mut self, id: ExchangeId, next: Chunk) {
        if !matches!(next, Some(Ok(_))) {
            self.drop_stream(id);
        }
        self.watch.received(id, next);
    }

    fn drop_stream(&mut self, id: ExchangeId) {
        if self.stream.take_if(|(held, _)| *held == id).is_some() {
            self.inbox.close(id);
        }
    }

    /// Waits for a request or, when the stream is to be read, for what it brings.
    fn wait(&mut self, until: Timestamp, reads: bool) {
        let left = self.client.inner().clock.left(until);
        match self.inbox.wait(left, reads) {
            Some(Input::Request(request)) => self.watch.hear(request),
            Some(Input::Chunk(id, next)) => self.received(id, next),
            None => {}
        }
    }
}

impl<P: Provider> Driver for Drive<P> {
    type Provider = P;

    fn watch(&self) -> &Watch<P> {
        &self.watch
    }

    fn watch_mut(&mut self) -> &mut Watch<P> {
        &mut self.watch
    }

    fn into_watch(self) -> Watch<P> {
        self.watch
    }
}

impl<P: Provider> Client<P> {
    fn exchange(&self, request: &Request, limits: Limits, streams: Streams, span: &Span) -> Report {
        exchange(&self.inner().transport, request, &limits, streams, span)
    }
}

/// Sees one operation through.
pub(crate) fn call<P, O>(
    client: &Client<P>,
    policy: Policy,
    mut operation: O,
    mut told: impl FnMut(&Retrying),
) -> Result<O::Output, Error>
where
    P: Provider,
    O: Operation,
{
    source::resolve(operation.sources())?;
    let inner = client.inner();
    let mut call = Call::new(operation, policy, &seed()?, inner.clock.now())?;
    loop {
        let step = {
            let mut shared = client.shared();
            call.poll(inner.clock.now(), &mut shared)
        };
        match step {
            CallStep::Send {
                id,
                request,
                limits,
            } => {
                let request = request.clone();
                call.sent(id);
                let span = trace::request(O::NAME, &request);
                let report = client.exchange(&request, limits, Streams::Whole, &span);
                report.conclude(&mut call, id, inner.clock.now());
            }
            CallStep::InFlight { id } => {
                call.handle_failure(id, Failure::abandoned(), inner.clock.now());
            }
            CallStep::Wait { until, retrying } => {
                told(retrying);
                std::thread::sleep(inner.clock.left(until));
            }
            CallStep::Done => return call.finish(),
        }
    }
}
