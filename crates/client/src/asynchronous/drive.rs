//! Performs the effects of a followed task: dropping a future that polls it loses nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use taskward_core::{
    BoxError, Error, ExchangeFailure, ExchangeId, NumberedEvent, Provider, Revision, Timestamp,
    WaitReason,
};

use super::exchange::{EventStream, Exchange, Report, TurnWait};
use super::inbox::DriversInbox;
use super::running::Questions;
use super::work::Work;
use crate::client::Async;
use crate::driver::{Effect, NewExchange};
use crate::exchange::Endpoint;
use crate::reply::StreamMode;
use crate::running::Running;
use crate::transport::AsyncTransport;
use crate::turns::Turn;

/// After this long without being polled, what came meanwhile may not have been noticed yet.
const AWAY: Duration = Duration::from_millis(100);
/// Bytes read of a stream before others of the same runtime have their turn, the exchange under way among them.
const SHARE: usize = 64 * 1024;

/// The exchanges of a followed task, and what it waits for.
pub struct AsyncIo<T: AsyncTransport> {
    /// Boxed, as all that is rare: a task waits for most of its life.
    exchange: Option<(ExchangeId, Box<Exchange<T>>)>,
    /// The turn of the next one.
    next_turn: NextTurn<T>,
    /// The state that is being stored.
    saving: Option<(Revision, Work<Result<(), BoxError>>)>,
    stream: Option<Box<StreamReader<T>>>,
    /// Bytes read of it since others had their turn.
    share: usize,
    /// The others' turn.
    turn: Option<T::Wait>,
    /// When the task was last polled.
    polled: Instant,
    sleep: Option<(Timestamp, T::Wait)>,
    /// What is waited for at present.
    pub(super) waiting: Option<(Timestamp, WaitReason)>,
    pub(super) inbox: DriversInbox,
    pub(super) questions: Questions,
}

/// Whether the next request of a task may leave, or open a stream.
enum NextTurn<T: AsyncTransport> {
    None,
    Awaited(bool, Box<TurnWait<T>>),
    Come(bool, Turn),
}

/// The stream: being opened, or open.
struct StreamReader<T: AsyncTransport> {
    id: ExchangeId,
    line: StreamLine<T>,
}

enum StreamLine<T: AsyncTransport> {
    Opening(Box<Exchange<T>>),
    Open(OpenStream<T>),
}

/// An open stream, read at most one chunk ahead of what the machine asks for.
struct OpenStream<T: AsyncTransport> {
    stream: Box<EventStream<T>>,
    ahead: Option<Chunk>,
}

/// What a stream brought; `None` is its end.
type Chunk = Option<Result<Bytes, ExchangeFailure>>;

impl<T: AsyncTransport> StreamReader<T> {
    fn parts(&mut self) -> (ExchangeId, &mut StreamLine<T>) {
        (self.id, &mut self.line)
    }
}

impl<T: AsyncTransport> OpenStream<T> {
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

impl<T: AsyncTransport> AsyncIo<T> {
    pub(super) fn new() -> Self {
        Self {
            exchange: None,
            next_turn: NextTurn::None,
            saving: None,
            stream: None,
            share: 0,
            turn: None,
            polled: Instant::now(),
            sleep: None,
            waiting: None,
            inbox: DriversInbox::new(),
            questions: Questions::default(),
        }
    }

    /// Takes no more requests: senders learn at once that nobody drives the task any more.
    fn shut_down(&mut self) {
        (self.exchange, self.stream) = (None, None);
        self.next_turn = NextTurn::None;
        self.inbox.end();
    }

    /// Returns whether a request may be sent now. One that takes the place of another takes its turn; and whoever reads a
    /// stream goes on reading it: then the exchange waits for its turn itself.
    fn has_turn(&mut self, endpoint: &Endpoint<T>, opens_stream: bool) -> bool {
        if self.exchange.is_some() || self.stream.is_some() {
            return true;
        }
        let is_for_it = match &self.next_turn {
            NextTurn::Awaited(opens, _) | NextTurn::Come(opens, _) => *opens == opens_stream,
            NextTurn::None => false,
        };
        if !is_for_it {
            self.next_turn = match endpoint.turns.of(opens_stream).take() {
                Some(turn) => NextTurn::Come(opens_stream, turn),
                None => {
                    let waiting = TurnWait::new(endpoint, opens_stream);
                    NextTurn::Awaited(opens_stream, Box::new(waiting))
                }
            };
        }
        matches!(self.next_turn, NextTurn::Come(..))
    }

    /// Resolves once the turn that is awaited has come.
    fn poll_next_turn(&mut self, endpoint: &Endpoint<T>, cx: &mut Context<'_>) -> Poll<()> {
        if let NextTurn::Awaited(opens_stream, waiting) = &mut self.next_turn {
            let (opens_stream, turn) = (*opens_stream, ready!(waiting.poll(endpoint, cx)));
            self.next_turn = NextTurn::Come(opens_stream, turn);
        }
        Poll::Ready(())
    }

    /// Takes the turn that has come.
    fn take_turn(&mut self) -> Option<Turn> {
        match std::mem::replace(&mut self.next_turn, NextTurn::None) {
            NextTurn::Come(_, turn) => Some(turn),
            NextTurn::None | NextTurn::Awaited(..) => None,
        }
    }

    /// Lets the runtime turn once.
    fn poll_turn(&mut self, transport: &T, cx: &mut Context<'_>) -> Poll<()> {
        let turn = self.turn.get_or_insert_with(|| transport.yield_now());
        ready!(Pin::new(turn).poll(cx));
        self.turn = None;
        Poll::Ready(())
    }

    fn poll_until(&mut self, transport: &T, until: Timestamp, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.as_ref().is_none_or(|(at, _)| *at != until) {
            self.sleep = Some((until, transport.sleep(transport.time_until(until))));
        }
        if let Some((_, sleep)) = &mut self.sleep {
            ready!(Pin::new(sleep).poll(cx));
        }
        self.sleep = None;
        Poll::Ready(())
    }
}

impl<P: Provider, T: AsyncTransport> Running<P, T, Async> {
    /// Drives the task to its next event; `None` once the task is over or was interrupted.
    pub(super) fn poll_driven(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<NumberedEvent>, Error>> {
        if self.driver.is_ended() {
            return Poll::Ready(Ok(None));
        }
        if self.io.turn.is_some() {
            ready!(self.io.poll_turn(self.client.transport(), cx));
        }
        ready!(self.poll_back(cx));
        let event = self.driver.span().in_scope(|| self.poll_effects(cx));
        self.io.polled = Instant::now();
        event
    }

    /// Notes activity: the driver may not have been polled for hours, and the stream was not silent in that time.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The limits of an opening are its own.
        let reader = self.io.stream.as_deref_mut().map(StreamReader::parts);
        let Some((id, StreamLine::Open(open))) = reader else {
            return Poll::Ready(());
        };
        if open.poll_ahead(cx).is_ready() {
            self.driver.note_activity(id, self.client.transport().now());
        } else if self.io.polled.elapsed() > AWAY {
            // A runtime that was blocked, too, has to poll its sockets first.
            self.io.polled = Instant::now();
            return self.io.poll_turn(self.client.transport(), cx);
        }
        Poll::Ready(())
    }

    fn poll_effects(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<NumberedEvent>, Error>> {
        loop {
            while let Poll::Ready(request) = self.io.inbox.poll_next(cx) {
                let now = self.client.transport().now();
                self.driver.handle_request(request, now);
            }
            self.poll_exchange(cx);
            let now = self.client.transport().now();
            let (inner, io) = (self.client.inner(), &mut self.io);
            let has_turn = |opens_stream| io.has_turn(&inner.endpoint, opens_stream);
            let effect = self.driver.next_effect(now, &inner.budget, has_turn);
            if !effect.keeps_turn() {
                self.io.next_turn = NextTurn::None;
            }
            match effect {
                Effect::Save(revision) => ready!(self.poll_save(revision, cx))?,
                Effect::Interrupted => return Poll::Ready(Ok(None)),
                Effect::Send(new) => self.begin(new),
                Effect::AwaitTurn => {
                    let endpoint = &self.client.inner().endpoint;
                    ready!(self.io.poll_next_turn(endpoint, cx));
                }
                Effect::AwaitExchange { id, stream, until } => {
                    ready!(self.poll_await(id, stream, until, cx));
                }
                Effect::Receive { id, until } => match &self.io.stream {
                    Some(reading) if reading.id == id => {
                        if self.poll_stream(cx).is_pending() {
                            ready!(self.io.poll_until(self.client.transport(), until, cx));
                        }
                    }
                    _ => self.driver.abandoned(id, now),
                },
                Effect::Close(id) => {
                    self.io.stream.take_if(|reading| reading.id == id);
                }
                Effect::Wait(until, why) => {
                    self.io.waiting = Some((until, why));
                    ready!(self.io.poll_until(self.client.transport(), until, cx));
                }
                Effect::Event(event) => return Poll::Ready(Ok(Some(event))),
                Effect::Done => {
                    self.io.shut_down();
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// Begins an exchange: beside the one under way when it opens a stream, else in place of it. One that the task gave up
    /// is dropped, and judged by how far it came.
    fn begin(&mut self, new: NewExchange) {
        self.io.waiting = None;
        let id = new.id;
        let endpoint = self.client.inner().endpoint.clone();
        let mode = match new.opens_stream {
            true => StreamMode::Open,
            false => StreamMode::Whole,
        };
        let turn = self.io.take_turn();
        let exchange = Exchange::new(endpoint, new.request, new.limits, mode, turn, new.span);
        if new.opens_stream {
            let line = StreamLine::Opening(Box::new(exchange));
            self.io.stream = Some(Box::new(StreamReader { id, line }));
            return;
        }
        if let Some((given_up, dropped)) = self.io.exchange.replace((id, Box::new(exchange))) {
            let now = self.client.transport().now();
            let report = Report::<T>::Failed(dropped.dropped());
            self.driver.report(given_up, report, now);
        }
    }

    /// Resolves once there is something to decide while this exchange is under way: it has moved already in this turn, and
    /// the stream moves beside it.
    fn poll_await(
        &mut self,
        id: ExchangeId,
        stream: Option<ExchangeId>,
        until: Option<Timestamp>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let transport = self.client.transport();
        if (self.io.exchange.as_ref()).is_none_or(|(held, _)| *held != id) {
            self.driver.abandoned(id, transport.now());
            return Poll::Ready(());
        }
        if let Some(until) = until
            && self.io.poll_until(transport, until, cx).is_ready()
        {
            return Poll::Ready(());
        }
        match &self.io.stream {
            Some(reading) if stream == Some(reading.id) => self.poll_stream(cx),
            _ => Poll::Pending,
        }
    }

    /// Moves the exchange under way, and reports it when it is over.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) {
        let Some((id, exchange)) = &mut self.io.exchange else {
            return;
        };
        let id = *id;
        let Poll::Ready(report) = exchange.poll(cx) else {
            return;
        };
        self.io.exchange = None;
        self.report(id, report);
    }

    /// Reports an exchange that is over, and takes the stream that it opened.
    fn report(&mut self, id: ExchangeId, report: Report<T>) {
        let now = self.client.transport().now();
        if let Some(stream) = self.driver.report(id, report, now) {
            let ahead = None;
            let line = StreamLine::Open(OpenStream { stream, ahead });
            self.io.stream = Some(Box::new(StreamReader { id, line }));
        }
    }

    /// Polls the head of the stream that is being opened, or the next chunk of the open one.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.io.share > SHARE {
            self.io.share = 0;
            ready!(self.io.poll_turn(self.client.transport(), cx));
        }
        match self.io.stream.as_deref_mut().map(StreamReader::parts) {
            None => {}
            Some((id, StreamLine::Opening(exchange))) => {
                let report = ready!(exchange.poll(cx));
                self.io.stream = None;
                self.report(id, report);
            }
            Some((id, StreamLine::Open(open))) => {
                let next = ready!(open.poll_next(cx));
                match &next {
                    Some(Ok(bytes)) => self.io.share += bytes.len(),
                    Some(Err(_)) | None => self.io.stream = None,
                }
                let now = self.client.transport().now();
                self.driver.received(id, next, now);
            }
        }
        Poll::Ready(())
    }

    /// Stores which events were taken, before control is handed back.
    pub(super) fn poll_detach(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let now = self.client.transport().now();
            let Some(revision) = self.driver.next_save(now, &self.client.inner().budget) else {
                return Poll::Ready(Ok(()));
            };
            ready!(self.poll_save(revision, cx))?;
        }
    }

    /// Stores the task where blocking is allowed: a durable write may take its time.
    fn poll_save(&mut self, revision: Revision, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.io.saving.is_none() {
            let Some((journal, snapshot)) = self.driver.to_save() else {
                return Poll::Ready(self.driver.saved(revision, Ok(())));
            };
            let save = move || journal.record(&snapshot);
            let work = Work::new(self.client.transport(), save);
            self.io.saving = Some((revision, work));
        }
        let Some((revision, saving)) = &mut self.io.saving else {
            return Poll::Ready(Ok(()));
        };
        let revision = *revision;
        let how = ready!(saving.poll(cx));
        self.io.saving = None;
        // The journal is the caller's, and so is its panic.
        let how = how.unwrap_or_else(|lost| Err(lost.resume()));
        Poll::Ready(self.driver.saved(revision, how))
    }
}
