//! One exchange, from a request of the core to exactly one report.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use taskward_core::{ExchangeFailure, Head, Limits, Request};

use crate::exchange::{self, AfterHead, Endpoint, ExchangeSteps, whole};
use crate::reply::{self, BodyCollector, StreamMode};
use crate::trace::Span;
use crate::transport::{AsyncBody as _, AsyncTransport, BodyReading, ProgressCell, Transport};
use crate::turns::{STUCK, Turn, Waiting};

/// An open stream of events.
pub(super) type EventStream<T> = exchange::EventStream<T, <T as Transport>::Body>;

/// How one exchange ended.
pub(super) type Report<T> = reply::Report<EventStream<T>>;

/// An exchange under way. It moves only while it is polled.
pub(super) struct Exchange<T: AsyncTransport> {
    steps: ExchangeSteps<T>,
    /// How far the request has come that is being sent.
    progress: Arc<ProgressCell>,
    /// While it is under way.
    turn: Option<Turn>,
    state: State<T>,
}

enum State<T: AsyncTransport> {
    /// Nothing was sent yet.
    New,
    /// Others are under way; nothing was sent yet.
    Queued(TurnWait<T>),
    Sending(T::Exchange),
    Receiving(Head, T::Body, BodyCollector),
}

/// The wait for a turn. At the end of the second it is looked whether any exchange moves.
pub(super) struct TurnWait<T: AsyncTransport> {
    opens_stream: bool,
    waiting: Waiting,
    alarm: T::Wait,
}

impl<T: AsyncTransport> TurnWait<T> {
    pub(super) fn new(endpoint: &Endpoint<T>, opens_stream: bool) -> Self {
        Self {
            opens_stream,
            waiting: endpoint.turns.of(opens_stream).wait(),
            alarm: endpoint.transport.sleep(STUCK),
        }
    }

    pub(super) fn poll(&mut self, endpoint: &Endpoint<T>, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if let Poll::Ready(turn) = self.waiting.as_mut().poll(cx) {
                return Poll::Ready(turn);
            }
            ready!(Pin::new(&mut self.alarm).poll(cx));
            self.alarm = endpoint.transport.sleep(STUCK);
            if let Some(turn) = endpoint.turns.of(self.opens_stream).take_if_stuck() {
                return Poll::Ready(turn);
            }
        }
    }
}

impl<T: AsyncTransport> Exchange<T> {
    /// Begins an exchange, with the turn that whoever sends it has waited for, if any.
    pub(super) fn new(
        endpoint: Arc<Endpoint<T>>,
        request: Arc<Request>,
        limits: Limits,
        streams: StreamMode,
        turn: Option<Turn>,
        span: Span,
    ) -> Self {
        Self {
            steps: ExchangeSteps::new(endpoint, request, limits, streams, None, span),
            progress: Arc::default(),
            turn,
            state: State::New,
        }
    }

    /// Returns what is known of this exchange when it is dropped now: its progress says whether it may have been received.
    pub(super) fn dropped(&self) -> ExchangeFailure {
        let mut failure = ExchangeFailure::abandoned();
        failure.progress = self.progress.unanswered();
        failure
    }

    /// Moves the exchange; ready once, with its report.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report<T>> {
        let span = self.steps.span.clone();
        let result = ready!(span.in_scope(|| self.poll_result(cx)));
        self.turn = None;
        Poll::Ready(self.steps.conclude(result))
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<Report<T>, ExchangeFailure>> {
        loop {
            match &mut self.state {
                State::New => {
                    if self.turn.is_none() {
                        let (endpoint, opens_stream) =
                            (&self.steps.endpoint, self.steps.opens_stream());
                        self.turn = endpoint.turns.of(opens_stream).take();
                        if self.turn.is_none() {
                            self.state = State::Queued(TurnWait::new(endpoint, opens_stream));
                            continue;
                        }
                    }
                    let transport = &self.steps.endpoint.transport;
                    let outgoing = self.steps.outgoing();
                    self.state =
                        State::Sending(transport.exchange(outgoing, self.progress.clone()));
                }
                State::Queued(waiting) => {
                    self.turn = Some(ready!(waiting.poll(&self.steps.endpoint, cx)));
                    self.steps.begin();
                    self.state = State::New;
                }
                State::Sending(sending) => {
                    let reply = ready!(Pin::new(sending).poll(cx));
                    match self.handle_head(reply)? {
                        Some(report) => return Poll::Ready(Ok(report)),
                        None => continue,
                    }
                }
                State::Receiving(head, body, collector) => {
                    let next = ready!(body.poll_chunk(cx)).transpose();
                    let more = next.and_then(|next| next.map(|b| collector.take(&b)).transpose());
                    match more.map_err(|failure| failure.after(head))? {
                        Some(true) => {}
                        Some(false) | None => {
                            let body = collector.take_bytes();
                            return Poll::Ready(Ok(whole(head.clone(), body)));
                        }
                    }
                }
            }
        }
    }

    /// Takes in the head of a reply; returns the report when nothing more is read.
    fn handle_head(
        &mut self,
        reply: Result<http::Response<T::Body>, crate::transport::TransportFailure>,
    ) -> Result<Option<Report<T>>, ExchangeFailure> {
        let reply = reply.map_err(|failure| failure.unanswered(&self.progress))?;
        self.progress.answered();
        let (parts, mut body) = reply.into_parts();
        match self.steps.head(parts, body.length())? {
            AfterHead::Again => {
                self.progress = Arc::default();
                self.state = State::New;
            }
            AfterHead::Body(head, collector, reading) => {
                body.read_as(reading);
                self.state = State::Receiving(head, body, collector);
            }
            AfterHead::Stream(head) => {
                body.read_as(BodyReading::Stream);
                return Ok(Some(self.steps.stream(head, body)));
            }
            AfterHead::Nothing(head) => return Ok(Some(whole(head, Bytes::new()))),
        }
        Ok(None)
    }
}

impl<T: AsyncTransport> EventStream<T> {
    /// Reads the next bytes without the key, none while a line is unfinished; `None` at the end.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ExchangeFailure>>> {
        let next = ready!(self.body.poll_chunk(cx));
        Poll::Ready(next.map(|next| match next {
            Ok(bytes) => Ok(self.clean(bytes)),
            Err(failure) => Err(self.broken(failure)),
        }))
    }
}
