//! Does what the machines of the core ask for. Its blocking twin is read beside it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use taskward_core::{
    Call, CallStep, Error, Event, ExchangeId, Failure, Limits, Operation, Provider, Request,
    Retrying, Step, Task, Timestamp, Why,
};
use taskward_edge::course::Driver;
use taskward_edge::entropy::seed;
use taskward_edge::run::OnSave;
use taskward_edge::source;
use taskward_edge::watch::{Watch, Wish};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::client::Client;
use crate::handle::Handle;
use crate::run::off_the_reactor;
use crate::send::{EventStream, Report, exchange};

type Exchange = Pin<Box<dyn Future<Output = Report> + Send>>;

/// A task with its exchanges: dropping a future that polls it loses nothing.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    watch: Watch<P>,
    exchange: Option<(ExchangeId, Exchange)>,
    stream: Option<(ExchangeId, Box<EventStream>)>,
    sleep: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// What is waited for at present.
    pub(crate) waiting: Option<(Timestamp, Why)>,
    inbox: mpsc::UnboundedReceiver<Wish>,
    sender: mpsc::UnboundedSender<Wish>,
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, save: Option<OnSave>) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        Self {
            watch: Watch::new(task, client.inner().clock, save),
            client,
            exchange: None,
            stream: None,
            sleep: None,
            waiting: None,
            inbox,
            sender,
        }
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
                self.watch.hear(wish);
            }
            if self.watch.is_interrupted() {
                return Poll::Ready(Ok(None));
            }
            self.poll_exchange(cx);
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
                    let exchange = self.client.exchange(request, limits);
                    self.watch.task.sent(id);
                    self.waiting = None;
                    self.exchange = Some((id, exchange));
                }
                Step::InFlight { id, stream } => {
                    if self.exchange.as_ref().is_none_or(|(held, _)| *held != id) {
                        self.watch.abandoned(id);
                        continue;
                    }
                    // The exchange was polled above, in this same turn; the stream goes on beside it.
                    match (&mut self.stream, stream) {
                        (Some((held, reading)), Some(stream)) if *held == stream => {
                            let next = ready!(reading.poll_next(cx));
                            self.received(stream, next);
                        }
                        _ => return Poll::Pending,
                    }
                }
                Step::Receive { id, until } => match &mut self.stream {
                    Some((held, stream)) if *held == id => match stream.poll_next(cx) {
                        Poll::Ready(next) => self.received(id, next),
                        Poll::Pending => ready!(self.poll_until(until, cx)),
                    },
                    _ => self.watch.abandoned(id),
                },
                Step::Close { id } => {
                    self.stream.take_if(|(held, _)| *held == id);
                    self.watch.task.closed(id);
                }
                Step::Wait { until, why } => {
                    self.waiting = Some((until, why));
                    ready!(self.poll_until(until, cx));
                }
                Step::Event { no, event } => {
                    let event = event.clone();
                    self.watch.task.taken(no);
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
        if let Some(stream) = self.watch.report(id, report) {
            self.stream = Some((id, stream));
        }
    }

    /// Reports what a stream brought.
    fn received(&mut self, id: ExchangeId, next: Option<Result<Bytes, Failure>>) {
        if !matches!(next, Some(Ok(_))) {
            self.stream = None;
        }
        self.watch.received(id, next);
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
    fn exchange(&self, request: &Request, limits: Limits) -> Exchange {
        let transport = self.inner().transport.clone();
        Box::pin(exchange(transport, request.clone(), limits))
    }
}

/// Sees one operation through.
pub(crate) async fn call<P, O>(
    client: &Client<P>,
    mut operation: O,
    mut told: impl FnMut(&Retrying) + Send,
) -> Result<O::Output, Error>
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
            Wait(Timestamp, Retrying),
        }
        let act = {
            let mut shared = client.shared();
            match call.poll(inner.clock.now(), &mut shared) {
                CallStep::Send {
                    id,
                    request,
                    limits,
                } => Act::Exchange(id, client.exchange(request, limits)),
                CallStep::Wait { until, retrying } => Act::Wait(until, retrying.clone()),
                CallStep::InFlight { id } => {
                    call.handle_failure(id, Failure::abandoned(), inner.clock.now());
                    continue;
                }
                CallStep::Done => return call.finish(),
            }
        };
        match act {
            Act::Wait(until, retrying) => {
                told(&retrying);
                tokio::time::sleep(inner.clock.left(until)).await;
            }
            Act::Exchange(id, exchange) => {
                call.sent(id);
                let report = exchange.await;
                report.conclude(&mut call, id, inner.clock.now());
            }
        }
    }
}
