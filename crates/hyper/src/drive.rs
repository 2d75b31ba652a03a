//! Does what the machines of the core ask for. Its blocking twin is read beside it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use taskward_core::{
    AnswerError, Call, CallStep, Error, ErrorKind, Event, ExchangeId, Failure, Limits, Operation,
    Outcome, Provider, Request, Step, Task, Timestamp, Why,
};
use taskward_edge::entropy::seed;
use taskward_edge::source;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::client::Client;
use crate::handle::{Handle, Wish};
use crate::run::{OnSave, off_the_reactor, unsupported};
use crate::send::{EventStream, Report, exchange};

type Exchange = Pin<Box<dyn Future<Output = Report> + Send>>;

/// A task with its exchanges: dropping a future that polls it loses nothing.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    pub(crate) task: Task<P>,
    exchange: Option<(ExchangeId, Exchange)>,
    stream: Option<(ExchangeId, Box<EventStream>)>,
    sleep: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// What is waited for at present.
    pub(crate) waiting: Option<(Timestamp, Why)>,
    save: Option<OnSave>,
    inbox: mpsc::UnboundedReceiver<Wish>,
    sender: mpsc::UnboundedSender<Wish>,
    pub(crate) interrupted: bool,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, save: Option<OnSave>) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        Self {
            client,
            task,
            exchange: None,
            stream: None,
            sleep: None,
            waiting: None,
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
    pub(crate) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        loop {
            while let Poll::Ready(Some(wish)) = self.inbox.poll_recv(cx) {
                self.hear(wish);
            }
            if self.interrupted && self.task.id().is_some() {
                return Poll::Ready(Ok(None));
            }
            self.poll_exchange(cx);
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
                    let exchange = self.client.exchange(request, limits);
                    self.task.sent(id);
                    self.waiting = None;
                    self.exchange = Some((id, exchange));
                }
                Step::InFlight { id } => match &self.exchange {
                    // Polled above, in this same turn.
                    Some((held, _)) if *held == id => return Poll::Pending,
                    _ => self.task.handle_failure(id, Failure::abandoned(), now),
                },
                Step::Receive { id, until } => match &mut self.stream {
                    Some((held, stream)) if *held == id => match stream.poll_next(cx) {
                        Poll::Ready(next) => self.received(id, next),
                        Poll::Pending => ready!(self.poll_until(until, cx)),
                    },
                    _ => self.task.handle_failure(id, Failure::abandoned(), now),
                },
                Step::Close { id } => {
                    self.stream.take_if(|(held, _)| *held == id);
                    self.task.closed(id);
                }
                Step::Wait { until, why } => {
                    self.waiting = Some((until, why));
                    ready!(self.poll_until(until, cx));
                }
                Step::Event { no, event } => {
                    let event = event.clone();
                    self.task.taken(no);
                    return Poll::Ready(Ok(Some(event)));
                }
                Step::Done(_) => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Moves the exchange under way, and reports it when it is over.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) {
        let Some((id, exchange)) = &mut self.exchange else {
            return;
        };
        let id = *id;
        let Poll::Ready(report) = exchange.as_mut().poll(cx) else {
            return;
        };
        self.exchange = None;
        let now = self.now();
        match report {
            Report::Reply(reply) => self.task.handle_response(id, reply, now),
            Report::Failed(failure) => self.task.handle_failure(id, failure, now),
            Report::Stream(head, stream) => {
                self.stream = Some((id, stream));
                self.task.handle_head(id, head, now);
            }
        }
    }

    /// Reports what a stream brought.
    fn received(&mut self, id: ExchangeId, next: Option<Result<Bytes, Failure>>) {
        let now = self.now();
        if !matches!(next, Some(Ok(_))) {
            self.stream = None;
        }
        match next {
            Some(Ok(bytes)) => self.task.handle_chunk(id, bytes, now),
            Some(Err(failure)) => self.task.handle_failure(id, failure, now),
            None => self.task.handle_end(id, now),
        }
    }

    fn poll_until(&mut self, until: Timestamp, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.as_ref().is_none_or(|(at, _)| *at != until) {
            let left = self.client.inner().clock.left(until);
            self.sleep = Some((until, Box::pin(tokio::time::sleep(left))));
        }
        if let Some((_, sleep)) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        self.sleep = None;
        Poll::Ready(())
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

    /// How the task ended, after [`poll_event`](Self::poll_event) said `None`.
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
    fn exchange(&self, request: &Request, limits: Limits) -> Exchange {
        let transport = self.inner().transport.clone();
        Box::pin(exchange(transport, request.clone(), limits))
    }
}

/// Sees one operation through.
pub(crate) async fn call<P, O>(client: &Client<P>, mut operation: O) -> Result<O::Output, Error>
where
    P: Provider,
    O: Operation + Send + 'static,
    O::Output: Send,
{
    if !operation.sources().is_empty() {
        operation = off_the_reactor(move || {
            source::resolve(operation.sources())?;
            Ok(operation)
        })
        .await?;
    }
    let inner = client.inner();
    let mut call = Call::new(operation, inner.policy.clone(), &seed()?, inner.clock.now())?;
    loop {
        enum Act {
            Exchange(ExchangeId, Exchange),
            Wait(Timestamp),
        }
        let act = {
            let mut shared = client.shared();
            match call.poll(inner.clock.now(), &mut shared) {
                CallStep::Send {
                    id,
                    request,
                    limits,
                } => Act::Exchange(id, client.exchange(request, limits)),
                CallStep::Wait { until } => Act::Wait(until),
                CallStep::InFlight { id } => {
                    call.handle_failure(id, Failure::abandoned(), inner.clock.now());
                    continue;
                }
                CallStep::Done => return call.finish(),
            }
        };
        match act {
            Act::Wait(until) => tokio::time::sleep(inner.clock.left(until)).await,
            Act::Exchange(id, exchange) => {
                call.sent(id);
                let report = exchange.await;
                let now = inner.clock.now();
                match report {
                    Report::Reply(reply) => call.handle_response(id, reply, now),
                    Report::Failed(failure) => call.handle_failure(id, failure, now),
                    // An operation asks for one document.
                    Report::Stream(..) => call.handle_failure(id, Failure::abandoned(), now),
                }
            }
        }
    }
}
