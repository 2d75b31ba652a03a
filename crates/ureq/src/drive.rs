//! Performs the steps of the core's state machines. Keep it in step with its async twin.

use std::sync::Arc;

use taskward_client::driver::TaskDriver;
use taskward_client::entropy::seed;
use taskward_client::followed::Driver;
use taskward_client::source::{self, Fingerprints};
use taskward_client::trace;
use taskward_core::{
    Call, CallStep, Error, ExchangeFailure, ExchangeId, Journal, Limits, NumberedEvent, Operation,
    Policy, Provider, Request, Retrying, Revision, Step, Task, Timestamp,
};
use tracing::Span;

use crate::client::Client;
use crate::handle::Handle;
use crate::inbox::{Brought, Chunk, DriversInbox, Input};
use crate::send::{Report, exchange};
use crate::wire::SharedSocket;

/// A stream, open or being opened by its reader: dropped, it is cut off.
struct StreamReader {
    id: ExchangeId,
    line: Arc<SharedSocket>,
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.line.cut();
    }
}

/// A task with its exchanges.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    watch: TaskDriver<P>,
    stream: Option<StreamReader>,
    inbox: DriversInbox,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, journal: Option<Arc<dyn Journal>>) -> Self {
        Self {
            watch: TaskDriver::new(task, client.inner().clock, journal),
            client,
            stream: None,
            inbox: DriversInbox::default(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.inbox.0.clone())
    }

    /// Drives the task to its next event; `None` once the task is over or was interrupted.
    pub(crate) fn event(&mut self) -> Result<Option<NumberedEvent>, Error> {
        let _driving = self.inbox.0.driving();
        loop {
            while let Some(request) = self.inbox.take_request() {
                self.watch.handle_request(request);
            }
            // Notes activity: the driver may not have been polled for hours, and the stream was not silent in that time.
            if let Some(reading) = &self.stream
                && self.inbox.has_chunk()
            {
                self.watch.note_activity(reading.id);
            }
            let now = self.watch.now();
            let leaves = self.watch.is_interrupted();
            let step = self.watch.task.next_step(now, self.client.budget());
            match step {
                // First of all: the state that an interrupt hands back has to be stored.
                Step::Save { revision } => self.save(revision)?,
                _ if leaves => return Ok(None),
                Step::Send {
                    id,
                    request,
                    limits,
                } => {
                    self.watch.task.sent(id);
                    let span = self.watch.requests(&request);
                    let report = self.client.exchange(&request, limits, &span);
                    self.watch.report(id, report.split().0);
                }
                Step::Open {
                    id,
                    request,
                    limits,
                } => {
                    let span = self.watch.requests(&request);
                    self.watch.task.sent(id);
                    self.open_aside(id, request, limits, span);
                }
                // An exchange is over before the next poll: this one was somebody else's.
                Step::InFlight { id, .. } => self.watch.abandoned(id),
                Step::Receive { id, until } => match &self.stream {
                    Some(reading) if reading.id == id => {
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
                Step::Event { no, id, event } => {
                    return Ok(Some(self.watch.takes(no, id, event)));
                }
                Step::Done => {
                    self.inbox.end();
                    return Ok(None);
                }
            }
        }
    }

    /// Stores which events were taken, before control is handed back.
    pub(crate) fn detach(&mut self) -> Result<(), Error> {
        self.watch.task.detach();
        loop {
            let now = self.watch.now();
            let step = self.watch.task.next_step(now, self.client.budget());
            match step {
                Step::Save { revision } => self.save(revision)?,
                _ => return Ok(()),
            }
        }
    }

    fn save(&mut self, revision: Revision) -> Result<(), Error> {
        let kept = match self.watch.to_save() {
            Some((journal, snapshot)) => journal.record(&snapshot),
            None => Ok(()),
        };
        self.watch.saved(revision, kept)
    }

    /// Opens and reads a stream in a thread of its own, which ends with the stream, or with the driver.
    fn open_aside(&mut self, id: ExchangeId, request: Arc<Request>, limits: Limits, span: Span) {
        self.inbox.open(id);
        let line = Arc::new(SharedSocket::default());
        let inbox = self.inbox.0.clone();
        let transport = self.client.inner().transport.clone();
        let reading = line.clone();
        let reader = move || {
            let report = exchange(&transport, &request, &limits, Some(&reading), &span);
            let (opened, stream) = report.split();
            if !inbox.bring(id, Brought::Opened(opened)) {
                return;
            }
            let Some(mut stream) = stream else { return };
            loop {
                let next = stream.read();
                let more = matches!(next, Some(Ok(_)));
                if !inbox.bring(id, Brought::Chunk(next)) || !more {
                    return;
                }
            }
        };
        self.stream = Some(StreamReader { id, line });
        if std::thread::Builder::new().spawn(reader).is_err() {
            self.drop_stream(id);
            self.watch.abandoned(id);
        }
    }

    /// Reports the outcome of the exchange that was to open the stream.
    fn opened(&mut self, id: ExchangeId, report: taskward_client::reply::Report<()>) {
        if self.watch.report(id, report).is_none() {
            self.drop_stream(id);
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
        if self.stream.take_if(|reading| reading.id == id).is_some() {
            self.inbox.close(id);
        }
    }

    /// Waits for a request or, when the stream is to be read, for what it brings.
    fn wait(&mut self, until: Timestamp, reads: bool) {
        let left = self.client.inner().clock.left(until);
        match self.inbox.wait(left, reads) {
            Some(Input::Request(request)) => self.watch.handle_request(request),
            Some(Input::Stream(id, Brought::Opened(report))) => self.opened(id, report),
            Some(Input::Stream(id, Brought::Chunk(next))) => self.received(id, next),
            None => {}
        }
    }
}

impl<P: Provider> Driver for Drive<P> {
    type Provider = P;

    fn watch(&self) -> &TaskDriver<P> {
        &self.watch
    }

    fn watch_mut(&mut self) -> &mut TaskDriver<P> {
        &mut self.watch
    }

    fn into_watch(self) -> TaskDriver<P> {
        self.watch
    }
}

impl<P: Provider> Client<P> {
    fn exchange(&self, request: &Request, limits: Limits, span: &Span) -> Report {
        exchange(&self.inner().transport, request, &limits, None, span)
    }
}

/// Performs one operation to its end, with its retries.
pub(crate) fn call<P, O>(
    client: &Client<P>,
    policy: Policy,
    mut operation: O,
    mut reported: impl FnMut(&Retrying),
) -> Result<O::Output, Error>
where
    P: Provider,
    O: Operation,
{
    source::resolve(operation.sources(), Fingerprints::Left)?;
    let inner = client.inner();
    let mut call = Call::new(operation, policy, &seed()?, inner.clock.now())?;
    loop {
        let step = call.next_step(inner.clock.now(), client.budget());
        match step {
            CallStep::Send {
                id,
                request,
                limits,
            } => {
                let request = request.clone();
                call.sent(id);
                let span = trace::request(O::NAME, &request);
                let report = client.exchange(&request, limits, &span);
                report.conclude(&mut call, id, inner.clock.now());
            }
            CallStep::InFlight { id } => {
                call.handle_failure(id, ExchangeFailure::abandoned(), inner.clock.now());
            }
            CallStep::Wait { until, retrying } => {
                reported(retrying);
                std::thread::sleep(inner.clock.left(until));
            }
            CallStep::Done => return call.finish(),
        }
    }
}
