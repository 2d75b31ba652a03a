//! Does what the machines of the core ask for. Its async twin is read beside it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use bytes::Bytes;
use taskward_core::{
    AnswerError, Call, CallStep, Error, ErrorKind, Event, ExchangeId, Failure, Limits, Operation,
    Outcome, Provider, Request, Step, Task, Timestamp,
};
use taskward_edge::entropy::seed;
use taskward_edge::source;

use crate::client::Client;
use crate::handle::{Handle, Wish};
use crate::run::{OnSave, unsupported};
use crate::send::{EventStream, Line, Report, exchange};

/// Inputs kept before whoever sends them waits: a stream's reader stays this far ahead at most.
const MAX_INPUTS: usize = 64;

/// What comes in while the driver waits.
#[derive(Debug)]
pub(crate) enum Input {
    Wish(Wish),
    Stream(ExchangeId, Option<Result<Bytes, Failure>>),
}

/// A task with its exchanges.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    pub(crate) task: Task<P>,
    stream: Option<(ExchangeId, Line)>,
    save: Option<OnSave>,
    inbox: Receiver<Input>,
    sender: SyncSender<Input>,
    pub(crate) interrupted: bool,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, save: Option<OnSave>) -> Self {
        let (sender, inbox) = sync_channel(MAX_INPUTS);
        Self {
            client,
            task,
            stream: None,
            save,
            inbox,
            sender,
            interrupted: false,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.client.inner().clock.now()
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
            if self.interrupted && self.task.id().is_some() {
                return Ok(None);
            }
            let now = self.now();
            let step = {
                let mut shared = self.client.shared();
                self.task.poll(now, &mut shared)
            };
            match step {
                Step::Save { revision } => {
                    if let Some(save) = &mut self.save {
                        save(&self.task.snapshot()).map_err(|e| unsaved(e, &self.task))?;
                    }
                    self.task.saved(revision);
                }
                Step::Send {
                    id,
                    request,
                    limits,
                } => {
                    let request = request.clone();
                    self.task.sent(id);
                    let report = self.client.exchange(&request, limits);
                    self.report(id, report);
                }
                // An exchange is over before the next poll: this one was somebody else's.
                Step::InFlight { id } => self.task.handle_failure(id, Failure::abandoned(), now),
                Step::Receive { id, until } => match &self.stream {
                    Some((held, _)) if *held == id => self.wait_until(until),
                    _ => self.task.handle_failure(id, Failure::abandoned(), now),
                },
                Step::Close { id } => {
                    self.stream.take_if(|(held, _)| *held == id);
                    self.task.closed(id);
                }
                Step::Wait { until, .. } => self.wait_until(until),
                Step::Event { no, event } => {
                    let event = event.clone();
                    self.task.taken(no);
                    return Ok(Some(event));
                }
                Step::Done(_) => return Ok(None),
            }
        }
    }

    /// Reports the exchange that is over.
    fn report(&mut self, id: ExchangeId, report: Report) {
        let now = self.now();
        match report {
            Report::Reply(reply) => self.task.handle_response(id, reply, now),
            Report::Failed(failure) => self.task.handle_failure(id, failure, now),
            Report::Stream(head, stream) => {
                self.stream = Some((id, stream.line()));
                self.task.handle_head(id, head, now);
                self.read_aside(id, stream);
            }
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
        let now = self.now();
        if !matches!(next, Some(Ok(_))) {
            self.stream.take_if(|(held, _)| *held == id);
        }
        match next {
            Some(Ok(bytes)) => self.task.handle_chunk(id, bytes, now),
            Some(Err(failure)) => self.task.handle_failure(id, failure, now),
            None => self.task.handle_end(id, now),
        }
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
            Input::Wish(wish) => self.hear(wish),
            Input::Stream(id, next) => self.received(id, next),
        }
    }

    /// Takes a wish of a handle. Whoever asked may have gone away meanwhile.
    fn hear(&mut self, wish: Wish) {
        let now = self.now();
        match wish {
            Wish::Answer(question, answer, taken) => {
                let refused = |e: AnswerError| Error::new(ErrorKind::Input, e.to_string());
                let result = self.task.answer(&question, answer, now);
                let _ = taken.send(result.map_err(refused));
            }
            Wish::Message(text, taken) => {
                let result = self.task.send_message(text, now);
                let _ = taken.send(result.map_err(|e| unsupported(&e)));
            }
            Wish::Cancel(taken) => {
                let _ = taken.send(self.task.cancel(now).map_err(|e| unsupported(&e)));
            }
            Wish::Interrupt(taken) => {
                self.interrupted = true;
                let _ = taken.send(Ok(()));
            }
        }
    }

    /// How the task ended, after [`event`](Self::event) said `None`.
    pub(crate) fn into_outcome(self) -> Option<Outcome<P::Output>> {
        self.task.into_outcome()
    }
}

fn unsaved<P: Provider>(error: crate::BoxError, task: &Task<P>) -> Error {
    let text = "the task could not be stored, so nothing more was sent";
    let error = Error::new(ErrorKind::Local, text).with_source(error);
    match task.id() {
        Some(id) => error.with_task(id.clone()),
        None => error,
    }
}

impl<P: Provider> Client<P> {
    fn exchange(&self, request: &Request, limits: Limits) -> Report {
        exchange(&self.inner().transport, request, &limits)
    }
}

/// Sees one operation through.
pub(crate) fn call<P, O>(client: &Client<P>, mut operation: O) -> Result<O::Output, Error>
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
                let now = inner.clock.now();
                match report {
                    Report::Reply(reply) => call.handle_response(id, reply, now),
                    Report::Failed(failure) => call.handle_failure(id, failure, now),
                    // An operation asks for one document.
                    Report::Stream(..) => call.handle_failure(id, Failure::abandoned(), now),
                }
            }
            CallStep::InFlight { id } => {
                call.handle_failure(id, Failure::abandoned(), inner.clock.now());
            }
            CallStep::Wait { until } => std::thread::sleep(inner.clock.left(until)),
            CallStep::Done => return call.finish(),
        }
    }
}
