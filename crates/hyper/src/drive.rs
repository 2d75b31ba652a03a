//! Performs the steps of the core's state machines. Keep it in step with its blocking twin.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use taskward_client::driver::{HandleRequest, TaskDriver};
use taskward_client::entropy::seed;
use taskward_client::followed::Driver;
use taskward_client::reply::StreamMode;
use taskward_client::source::{self, Fingerprints};
use taskward_client::trace;
use taskward_core::{
    BoxError, Call, CallStep, Error, ExchangeFailure, ExchangeId, Journal, Limits, NumberedEvent,
    Operation, Policy, Provider, Request, Retrying, Revision, Step, Task, Timestamp, WaitReason,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tracing::Span;

use crate::client::Client;
use crate::handle::Handle;
use crate::run::off_the_reactor;
use crate::send::{EventStream, Report, exchange};

/// How many requests of handles are queued before their senders wait.
const MAX_REQUESTS: usize = 16;
/// After this long without being polled, what came meanwhile may not have been noticed yet.
const AWAY: Duration = Duration::from_millis(100);
/// Bytes read of a stream before others of the same runtime have their turn, the exchange under way among them.
const SHARE: usize = 64 * 1024;

type Exchange = Pin<Box<dyn Future<Output = Report> + Send>>;

/// A task with its exchanges: dropping a future that polls it loses nothing.
pub(crate) struct Drive<P: Provider> {
    client: Client<P>,
    watch: TaskDriver<P>,
    exchange: Option<(ExchangeId, Exchange)>,
    /// The state that is being stored.
    saving: Option<(Revision, JoinHandle<Result<(), BoxError>>)>,
    stream: Option<StreamReader>,
    /// Bytes read of it since others had their turn.
    share: usize,
    /// The others' turn.
    turn: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// When it was last polled.
    polled: Instant,
    sleep: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// What is waited for at present.
    pub(crate) waiting: Option<(Timestamp, WaitReason)>,
    inbox: mpsc::Receiver<HandleRequest>,
    sender: mpsc::Sender<HandleRequest>,
}

/// The stream: being opened, or open.
struct StreamReader {
    id: ExchangeId,
    line: StreamLine,
}

enum StreamLine {
    Opening(Exchange),
    Open(Open),
}

/// An open stream, read at most one chunk ahead of what the machine asks for.
struct Open {
    stream: Box<EventStream>,
    ahead: Option<Chunk>,
}

/// What a stream brought; `None` is its end.
type Chunk = Option<Result<Bytes, ExchangeFailure>>;

impl StreamReader {
    fn parts(&mut self) -> (ExchangeId, &mut StreamLine) {
        (self.id, &mut self.line)
    }
}

impl Open {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Chunk> {
        match self.ahead.take() {
            Some(next) => Poll::Ready(next),
            None => self.stream.poll_next(cx),
        }
    }

    /// Resolves once there is something to read.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ahead.is_none() {
            self.ahead = Some(ready!(self.stream.poll_next(cx)));
        }
        Poll::Ready(())
    }
}

impl<P: Provider> Drive<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, journal: Option<Arc<dyn Journal>>) -> Self {
        let (sender, inbox) = mpsc::channel(MAX_REQUESTS);
        Self {
            watch: TaskDriver::new(task, client.inner().clock, journal),
            client,
            exchange: None,
            saving: None,
            stream: None,
            share: 0,
            turn: None,
            polled: Instant::now(),
            sleep: None,
            waiting: None,
            inbox,
            sender,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.sender.clone())
    }

    /// Drives the task to its next event; `None` once the task is over or was interrupted.
    pub(crate) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<NumberedEvent>, Error>> {
        if self.turn.is_some() {
            ready!(self.poll_turn(cx));
        }
        ready!(self.poll_back(cx));
        let event = self.watch.span().in_scope(|| self.poll_steps(cx));
        self.polled = Instant::now();
        event
    }

    /// Notes activity: the driver may not have been polled for hours, and the stream was not silent in that time.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The limits of an opening are its own.
        let Some((id, StreamLine::Open(open))) = self.stream.as_mut().map(StreamReader::parts)
        else {
            return Poll::Ready(());
        };
        if open.poll_ahead(cx).is_ready() {
            self.watch.note_activity(id);
        } else if self.polled.elapsed() > AWAY {
            // A runtime that was blocked, too, has to poll its sockets first.
            self.polled = Instant::now();
            return self.poll_turn(cx);
        }
        Poll::Ready(())
    }

    /// Lets the runtime turn once.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let turn = self
            .turn
            .get_or_insert_with(|| Box::pin(tokio::task::yield_now()));
        ready!(turn.as_mut().poll(cx));
        self.turn = None;
        Poll::Ready(())
    }

    /// Polls the head of the stream that is being opened, or the next chunk of the open one.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.share > SHARE {
            self.share = 0;
            ready!(self.poll_turn(cx));
        }
        match self.stream.as_mut().map(StreamReader::parts) {
            None => {}
            Some((id, StreamLine::Opening(exchange))) => {
                let report = ready!(exchange.as_mut().poll(cx));
                self.stream = None;
                self.report(id, report);
            }
            Some((id, StreamLine::Open(open))) => {
                let next = ready!(open.poll_next(cx));
                match &next {
                    Some(Ok(bytes)) => self.share += bytes.len(),
                    Some(Err(_)) | None => self.stream = None,
                }
                self.watch.received(id, next);
            }
        }
        Poll::Ready(())
    }

    /// Stores which events were taken, before control is handed back.
    pub(crate) fn poll_detach(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.watch.task.detach();
        loop {
            let now = self.watch.now();
            let step = self.watch.task.next_step(now, self.client.budget());
            match step {
                Step::Save { revision } => ready!(self.poll_save(revision, cx))?,
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<NumberedEvent>, Error>> {
        loop {
            while let Poll::Ready(Some(request)) = self.inbox.poll_recv(cx) {
                self.watch.handle_request(request);
            }
            self.poll_exchange(cx);
            let now = self.watch.now();
            let leaves = self.watch.is_interrupted();
            let step = self.watch.task.next_step(now, self.client.budget());
            match step {
                // First of all: the state that an interrupt hands back has to be stored.
                Step::Save { revision } => ready!(self.poll_save(revision, cx))?,
                _ if leaves => return Poll::Ready(Ok(None)),
                Step::Send {
                    id,
                    request,
                    limits,
                } => {
                    let span = self.watch.requests(&request);
                    let exchange = self
                        .client
                        .exchange(request, limits, StreamMode::Whole, span);
                    self.watch.task.sent(id);
                    self.waiting = None;
                    self.exchange = Some((id, exchange));
                }
                Step::Open {
                    id,
                    request,
                    limits,
                } => {
                    let span = self.watch.requests(&request);
                    let exchange = self
                        .client
                        .exchange(request, limits, StreamMode::Open, span);
                    self.watch.task.sent(id);
                    self.waiting = None;
                    let line = StreamLine::Opening(exchange);
                    self.stream = Some(StreamReader { id, line });
                }
                Step::InFlight { id, stream } => {
                    if self.exchange.as_ref().is_none_or(|(held, _)| *held != id) {
                        self.watch.abandoned(id);
                        continue;
                    }
                    if let Some(until) = self.watch.task.cancel_deadline()
                        && self.poll_until(until, cx).is_ready()
                    {
                        continue;
                    }
                    // The exchange was polled above, in this same turn; the stream moves beside it.
                    match &mut self.stream {
                        Some(reading) if stream == Some(reading.id) => ready!(self.poll_stream(cx)),
                        _ => return Poll::Pending,
                    }
                }
                Step::Receive { id, until } => match &mut self.stream {
                    Some(reading) if reading.id == id => {
                        self.watch.listens();
                        if self.poll_stream(cx).is_pending() {
                            ready!(self.poll_until(until, cx));
                        }
                    }
                    _ => self.watch.abandoned(id),
                },
                Step::Close { id } => {
                    self.stream.take_if(|reading| reading.id == id);
                    self.watch.task.closed(id);
                }
                Step::Wait { until, why } => {
                    self.watch.waits(until, why);
                    self.waiting = Some((until, why));
                    ready!(self.poll_until(until, cx));
                }
                Step::Event { no, id, event } => {
                    return Poll::Ready(Ok(Some(self.watch.takes(no, id, event))));
                }
                Step::Done => {
                    self.shut_down();
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// Takes no more requests: senders learn at once that nobody drives the task any more.
    fn shut_down(&mut self) {
        self.inbox.close();
        while self.inbox.try_recv().is_ok() {}
    }

    /// Stores the task on a blocking thread: a durable write may take its time.
    fn poll_save(&mut self, revision: Revision, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.saving.is_none() {
            let Some((journal, snapshot)) = self.watch.to_save() else {
                return Poll::Ready(self.watch.saved(revision, Ok(())));
            };
            let keep = move || journal.record(&snapshot);
            self.saving = Some((revision, tokio::task::spawn_blocking(keep)));
        }
        let Some((revision, saving)) = &mut self.saving else {
            return Poll::Ready(Ok(()));
        };
        let revision = *revision;
        let how = ready!(Pin::new(saving).poll(cx));
        self.saving = None;
        let how = how.unwrap_or_else(|lost| match lost.try_into_panic() {
            // The journal is the caller's, and so is its panic.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(lost) => Err(lost.into()),
        });
        Poll::Ready(self.watch.saved(revision, how))
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
        self.report(id, report);
    }

    /// Reports an exchange that is over, and takes the stream that it opened.
    fn report(&mut self, id: ExchangeId, report: Report) {
        if let Some(stream) = self.watch.report(id, report) {
            let ahead = None;
            let line = StreamLine::Open(Open { stream, ahead });
            self.stream = Some(StreamReader { id, line });
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
    fn exchange(
        &self,
        request: Arc<Request>,
        limits: Limits,
        streams: StreamMode,
        span: Span,
    ) -> Exchange {
        let transport = self.inner().transport.clone();
        Box::pin(exchange(transport, request, limits, streams, span))
    }
}

/// Performs one operation to its end, with its retries.
pub(crate) async fn call<P, O>(
    client: &Client<P>,
    policy: Policy,
    mut operation: O,
    mut reported: impl FnMut(&Retrying) + Send,
) -> Result<O::Output, Error>
where
    P: Provider,
    O: Operation + Send + 'static,
    O::Output: Send,
{
    if !operation.sources().is_empty() {
        operation = off_the_reactor(move || {
            source::resolve(operation.sources(), Fingerprints::Left)?;
            Ok(operation)
        })
        .await?;
    }
    let inner = client.inner();
    let mut call = Call::new(operation, policy, &seed()?, inner.clock.now())?;
    loop {
        enum Doing {
            Exchange(ExchangeId, Exchange),
            Wait(Timestamp, Retrying),
        }
        let act = {
            match call.next_step(inner.clock.now(), client.budget()) {
                CallStep::Send {
                    id,
                    request,
                    limits,
                } => {
                    let span = trace::request(O::NAME, request);
                    let exchange =
                        client.exchange(request.clone(), limits, StreamMode::Whole, span);
                    Doing::Exchange(id, exchange)
                }
                CallStep::Wait { until, retrying } => Doing::Wait(until, retrying.clone()),
                CallStep::InFlight { id } => {
                    call.handle_failure(id, ExchangeFailure::abandoned(), inner.clock.now());
                    continue;
                }
                CallStep::Done => return call.finish(),
            }
        };
        match act {
            Doing::Wait(until, retrying) => {
                reported(&retrying);
                tokio::time::sleep(inner.clock.left(until)).await;
            }
            Doing::Exchange(id, exchange) => {
                call.sent(id);
                let report = exchange.await;
                report.conclude(&mut call, id, inner.clock.now());
            }
        }
    }
}
