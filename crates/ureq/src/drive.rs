//! Does what the machines of the core ask for. Its async twin is read beside it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use bytes::Bytes;
use taskward_core::{
    Call, CallStep, Error, Event, ExchangeId, Failure, Limits, Operation, Provider, Request,
    Retrying, Step, Task, Timestamp,
};
use taskward_edge::course::Driver;
use taskward_edge::entropy::seed;
use taskward_edge::run::OnSave;
use taskward_edge::source;
use taskward_edge::watch::{Watch, Wish};

use crate::client::Client;
use crate::handle::Handle;
use crate::send::{EventStream, Line, Report, exchange};

/// Inputs kept before whoever sends them waits: a stream's reader stays this far ahead at most.
const MAX_INPUTS: usize = 64;

/// What comes in while the driver waits.
pub(crate) enum Input {
    Wish(Wish),
    Stream(ExchangeId, Option<Result<Bytes, Failure>>),
}

/// A task with its exchanges.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    watch: Watch<P>,
    stream: Option<(ExchangeId, Line)>,
    inbox: Receiver<Input>,
    sender: SyncSender<Input>,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, save: Option<OnSave>) -> Self {
        let (sender, inbox) = sync_channel(MAX_INPUTS);
        Self {
            watch: Watch::new(task, client.inner().clock, save),
            client,
            stream: None,
            inbox,
            sender,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(self.sender.clone())
    }

    /// Goes on to the next event; `None` when the task is over, or its watch interrupted.
    pub(crate) fn event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Ok(input) = self.inbox.try_recv() {
                self.take(input);
            }
            if self.watch.is_interrupted() {
                return Ok(None);
            }
            let now = self.watch.now();
            let step = {
                let mut shared = self.client.shared();
                self.watch.task.poll(now, &mut shared)
            };
            match step {
                Step::Save { revision } => self.watch.save(revision)?,
                Step::Send {
                    id,
                    request,
                    limits,
                } => {
                    let request = request.clone();
                    self.watch.task.sent(id);
                    let report = self.client.exchange(&request, limits);
                    self.report(id, report);
                }
                // An exchange is over before the next poll: this one was somebody else's.
                Step::InFlight { id, .. } => self.watch.abandoned(id),
                Step::Receive { id, until } => match &self.stream {
                    Some((held, _)) if *held == id => self.wait_until(until),
                    _ => self.watch.abandoned(id),
                },
                Step::Close { id } => {
                    self.stream.take_if(|(held, _)| *held == id);
                    self.watch.task.closed(id);
                }
                Step::Wait { until, .. } => self.wait_until(until),
                Step::Event { no, event } => {
                    let event = event.clone();
                    self.watch.task.taken(no);
                    return Ok(Some(event));
                }
                Step::Done(_) => return Ok(None),
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
        let inbox = self.sender.clone();
        let reader = move || {
            loop {
                let next = stream.read();
                let more = matches!(next, Some(Ok(_)));
                if inbox.send(Input::Stream(id, next)).is_err() || !more {
                    return;
                }
            }
        };
        if std::thread::Builder::new().spawn(reader).is_err() {
            self.received(id, Some(Err(Failure::abandoned())));
        }
    }

    /// Reports what a stream brought; one that was closed meanwhile brings nothing.
    fn received(&mut self, id: ExchangeId, next: Option<Result<Bytes, Failure>>) {
        if !matches!(next, Some(Ok(_))) {
            self.stream.take_if(|(held, _)| *held == id);
        }
        self.watch.received(id, next);
    }

    fn wait_until(&mut self, until: Timestamp) {
        let left = self.client.inner().clock.left(until);
        match self.inbox.recv_timeout(left) {
            Ok(input) => self.take(input),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("the driver holds a sender"),
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Wish(wish) => self.watch.hear(wish),
            Input::Stream(id, next) => self.received(id, next),
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
    fn exchange(&self, request: &Request, limits: Limits) -> Report {
        exchange(&self.inner().transport, request, &limits)
    }
}

/// Sees one operation through.
pub(crate) fn call<P, O>(
    client: &Client<P>,
    mut operation: O,
    mut told: impl FnMut(&Retrying),
) -> Result<O::Output, Error>
where
    P: Provider,
    O: Operation,
{
    source::resolve(operation.sources())?;
    let inner = client.inner();
    let mut call = Call::new(operation, inner.policy.clone(), &seed()?, inner.clock.now())?;
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
                let report = client.exchange(&request, limits);
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
