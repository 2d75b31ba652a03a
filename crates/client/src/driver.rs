//! A followed task with all that drives it, without I/O: the state machine, its journal, the questions on their way to the
//! handler, the requests of its handles, and when control is handed back. A drive only performs its effects.

use std::sync::Arc;

use bytes::Bytes;
use taskward_core::{
    Answer, AnswerError, Answered, ApiError, BoxError, DetachReason, Detached, Error, ErrorKind,
    Event, ExchangeFailure, ExchangeId, Journal, Limits, Liveness, MessageNo, NumberedEvent,
    OriginBudget, Outcome, Provider, Question, QuestionId, Reply, Request, RequestPurpose,
    Revision, RunResult, Snapshot, Status, Step, Task, TaskId, Timestamp, WaitReason,
};

use crate::reply::Report;
use crate::requests::{HandleCommand, HandleRequest};
use crate::trace::{self, Pause, Span};

/// A followed task.
pub(crate) struct TaskDriver<P: Provider> {
    state: State<P>,
    span: Span,
    pause: Option<Pause>,
    journal: Option<Arc<dyn Journal>>,
    interrupted: bool,
    /// Whether the task is being cancelled before control is handed back.
    is_detaching: bool,
    /// Whether to detach when the task pauses for a review.
    leave_review: bool,
    /// Questions returned as events, whose caller may still have them answered by the handler.
    reported: Vec<QuestionId>,
    /// Questions passed to the handler once, and never again.
    asked: Vec<QuestionId>,
}

enum State<P: Provider> {
    Live(Box<Task<P>>),
    /// The task is over and its outcome was returned.
    Ended(Box<Snapshot>),
}

/// What to do next about a followed task.
pub(crate) enum Effect {
    /// Store the state, before anything else happens.
    Save(Revision),
    /// Send this request.
    Send(NewExchange),
    /// Wait until the next request may be sent: others have their turn first.
    AwaitTurn,
    /// Wait for this exchange, and for the stream beside it; for a cancel that is due no longer than until then.
    AwaitExchange {
        id: ExchangeId,
        stream: Option<ExchangeId>,
        until: Option<Timestamp>,
    },
    /// Wait for the stream.
    Receive { id: ExchangeId, until: Timestamp },
    /// Drop the stream.
    Close(ExchangeId),
    /// Wait until then.
    Wait(Timestamp, WaitReason),
    /// Hand out this event.
    Event(NumberedEvent),
    /// Hand control back: a handle interrupted.
    Interrupted,
    /// Stop: the task is over.
    Done,
}

impl Effect {
    /// Returns whether the next request may still leave in the turn that it has or waits for: nothing else comes first that
    /// may take its time.
    #[cfg(feature = "async")]
    pub(crate) fn keeps_turn(&self) -> bool {
        match self {
            Self::Send(_) | Self::AwaitTurn | Self::Save(_) | Self::Close(_) => true,
            Self::AwaitExchange { .. }
            | Self::Receive { .. }
            | Self::Wait(..)
            | Self::Event(_)
            | Self::Interrupted
            | Self::Done => false,
        }
    }
}

/// A request to send, as an exchange that is waited for, or as one that opens the stream.
pub(crate) struct NewExchange {
    pub(crate) id: ExchangeId,
    pub(crate) request: Arc<Request>,
    pub(crate) limits: Limits,
    pub(crate) span: Span,
    pub(crate) opens_stream: bool,
}

/// What an event asks of whoever waits for the end.
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// A handler answers this question.
    Ask(Question),
    /// A handler need not answer this question any more.
    Forget(QuestionId),
    /// Control is handed back.
    Detach(DetachReason),
}

impl<P: Provider> TaskDriver<P> {
    pub(crate) fn new(
        task: Task<P>,
        journal: Option<Arc<dyn Journal>>,
        leave_review: bool,
    ) -> Self {
        Self {
            span: trace::watch(&task),
            pause: None,
            state: State::Live(Box::new(task)),
            journal,
            interrupted: false,
            is_detaching: false,
            leave_review,
            reported: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn live(&self) -> Option<&Task<P>> {
        match &self.state {
            State::Live(task) => Some(task),
            State::Ended(_) => None,
        }
    }

    fn live_mut(&mut self) -> Option<&mut Task<P>> {
        match &mut self.state {
            State::Live(task) => Some(task),
            State::Ended(_) => None,
        }
    }

    // What a followed task is.

    pub(crate) fn id(&self) -> Option<&TaskId> {
        match &self.state {
            State::Live(task) => task.id(),
            State::Ended(snapshot) => snapshot.task(),
        }
    }

    pub(crate) fn status(&self) -> Option<&Status> {
        match &self.state {
            State::Live(task) => task.status(),
            State::Ended(snapshot) => snapshot.status(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        match &self.state {
            State::Live(task) => task.snapshot(),
            State::Ended(snapshot) => Snapshot::clone(snapshot),
        }
    }

    pub(crate) fn liveness(&self) -> Option<Liveness> {
        self.live().map(Task::liveness)
    }

    pub(crate) fn refusal(&self) -> Option<&ApiError> {
        self.live()?.refusal()
    }

    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.live().into_iter().flat_map(Task::questions)
    }

    pub(crate) fn question(&self, id: &QuestionId) -> Option<&Question> {
        self.live()?.question(id)
    }

    fn open_question(&self, id: &QuestionId) -> Option<Question> {
        self.questions()
            .find(|question| question.id == *id)
            .cloned()
    }

    pub(crate) fn detached(&self, why: DetachReason) -> Option<Detached> {
        let id = self.id()?.clone();
        Some(Detached::new(id, why, self.snapshot()))
    }

    // What is requested of it.

    pub(crate) fn answer(
        &mut self,
        question: &QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        match &mut self.state {
            State::Live(task) => task.answer(question, answer, now),
            State::Ended(snapshot) => Err(snapshot.answer_error(question)),
        }
    }

    pub(crate) fn send_message(
        &mut self,
        text: String,
        now: Timestamp,
    ) -> Result<MessageNo, Error> {
        let task = self.live_mut().ok_or_else(over)?;
        task.send_message(text, now).map_err(|e| unsupported(&e))
    }

    pub(crate) fn cancel(&mut self, now: Timestamp) -> Result<(), Error> {
        let task = self.live_mut().ok_or_else(over)?;
        task.cancel(now).map_err(|e| unsupported(&e))
    }

    /// Takes the request of a handle, unless it was withdrawn. Each is answered at once; its outcome is told by events.
    pub(crate) fn handle_request(&mut self, request: HandleRequest, now: Timestamp) {
        match request.take() {
            None => {}
            Some(HandleCommand::Answer(question, answer, respond)) => {
                respond(self.answer(&question, answer, now).map_err(Error::from));
            }
            Some(HandleCommand::Message(text, respond)) => respond(self.send_message(text, now)),
            Some(HandleCommand::Cancel(respond)) => respond(self.cancel(now)),
            Some(HandleCommand::Interrupt(respond)) => {
                let again = self.is_detaching;
                self.is_detaching = self.live_mut().is_some_and(|task| task.interrupt(now));
                self.interrupted = again || !self.is_detaching;
                respond(Ok(()));
            }
        }
    }

    // What it does next.

    /// Decides what to do next. A task that is over stays so. `has_turn` says whether a request may leave now, or one that
    /// opens a stream: what is still waited for is not counted as sent, so that the task may think better of it meanwhile.
    pub(crate) fn next_effect(
        &mut self,
        now: Timestamp,
        budget: &OriginBudget,
        has_turn: impl FnOnce(bool) -> bool,
    ) -> Effect {
        let State::Live(task) = &mut self.state else {
            return Effect::Done;
        };
        // Only with an id: nobody could find the task of a start that was handed back without one.
        let is_interrupted = self.interrupted && task.id().is_some();
        match task.next_step(now, budget) {
            // First of all: the state that an interrupt hands back has to be stored.
            Step::Save { revision } => Effect::Save(revision),
            _ if is_interrupted => Effect::Interrupted,
            Step::Send {
                id,
                request,
                limits,
            } => self.send(id, request, limits, false, has_turn),
            Step::Open {
                id,
                request,
                limits,
            } => self.send(id, request, limits, true, has_turn),
            Step::InFlight { id, stream } => Effect::AwaitExchange {
                id,
                stream,
                until: task.cancel_deadline(),
            },
            Step::Receive { id, until } => {
                if let Some((_, why)) = task.pause() {
                    self.enter_pause(why, None, now);
                }
                Effect::Receive { id, until }
            }
            Step::Close { id } => {
                task.closed(id);
                Effect::Close(id)
            }
            Step::Wait { until, why } => {
                self.enter_pause(why, Some(until), now);
                Effect::Wait(until, why)
            }
            Step::Event { no, id, event } => {
                // Taken first: then the machine keeps at most its own copy, and this is the last of the others.
                task.taken(no);
                let event = Arc::unwrap_or_clone(event);
                trace::reported(&self.span, task.id(), &event);
                Effect::Event(NumberedEvent::new(id, event))
            }
            Step::Done => Effect::Done,
        }
    }

    fn send(
        &mut self,
        id: ExchangeId,
        request: Arc<Request>,
        limits: Limits,
        opens_stream: bool,
        has_turn: impl FnOnce(bool) -> bool,
    ) -> Effect {
        if !has_turn(opens_stream) {
            return Effect::AwaitTurn;
        }
        self.pause = None;
        let purpose = self
            .live()
            .and_then(Task::request_purpose)
            .map_or("", RequestPurpose::as_str);
        let span = self.span.in_scope(|| trace::request(purpose, &request));
        if let Some(task) = self.live_mut() {
            task.sent(id);
        }
        Effect::Send(NewExchange {
            id,
            request,
            limits,
            span,
            opens_stream,
        })
    }

    /// Notes that there is nothing to do until then; a stream is listened to without an end.
    fn enter_pause(&mut self, why: WaitReason, until: Option<Timestamp>, now: Timestamp) {
        if !self.span.is_none() {
            Pause::enter(&mut self.pause, &self.span, why, until, now);
        }
    }

    /// Stores the events that were taken, before control is handed back: returns the state to store, as long as there is one.
    pub(crate) fn next_save(&mut self, now: Timestamp, budget: &OriginBudget) -> Option<Revision> {
        let task = self.live_mut()?;
        task.detach();
        match task.next_step(now, budget) {
            Step::Save { revision } => Some(revision),
            _ => None,
        }
    }

    /// Returns what to store, and where; `None` without a journal, or when there is nothing but an id that may be mistyped.
    /// Report the result to [`saved`](Self::saved).
    pub(crate) fn to_save(&self) -> Option<(Arc<dyn Journal>, Snapshot)> {
        let journal = self.journal.clone()?;
        let snapshot = self.snapshot();
        (!snapshot.has_unconfirmed_end()).then_some((journal, snapshot))
    }

    /// Takes in whether the state was stored.
    ///
    /// # Errors
    /// When it could not be stored: the task asks for it again.
    pub(crate) fn saved(
        &mut self,
        revision: Revision,
        how: Result<(), BoxError>,
    ) -> Result<(), Error> {
        if let Err(error) = how {
            let text = "the task could not be stored, so nothing more was sent";
            return Err(self.about(Error::new(ErrorKind::Local, text).with_source(error)));
        }
        if let Some(task) = self.live_mut() {
            task.saved(revision);
        }
        Ok(())
    }

    /// Returns the span of everything that this driver reports.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    // What happened.

    /// Reports how an exchange ended; returns the stream that it opened.
    pub(crate) fn report<S>(
        &mut self,
        id: ExchangeId,
        report: Report<S>,
        now: Timestamp,
    ) -> Option<Box<S>> {
        let task = self.live_mut()?;
        match report {
            Report::Reply(reply) => task.handle_response(id, reply, now),
            Report::Failed(failure) => task.handle_failure(id, failure, now),
            Report::Stream(head, stream) => {
                task.handle_head(id, head, now);
                return Some(stream);
            }
        }
        None
    }

    /// Reports an exchange or a stream that the driver does not have.
    pub(crate) fn abandoned(&mut self, id: ExchangeId, now: Timestamp) {
        self.report(id, Report::<()>::Failed(ExchangeFailure::abandoned()), now);
    }

    /// Reports that more of a stream has arrived than the task asked for. Silence is the server's: the time in which the
    /// driver did not read does not count.
    pub(crate) fn note_activity(&mut self, id: ExchangeId, now: Timestamp) {
        self.received(id, Some(Ok(Bytes::new())), now);
    }

    /// Reports what a stream brought; `None` is its end.
    pub(crate) fn received(
        &mut self,
        id: ExchangeId,
        next: Option<Result<Bytes, ExchangeFailure>>,
        now: Timestamp,
    ) {
        let Some(task) = self.live_mut() else { return };
        match next {
            Some(Ok(bytes)) => task.handle_chunk(id, bytes, now),
            Some(Err(failure)) => task.handle_failure(id, failure, now),
            None => task.handle_end(id, now),
        }
    }

    // Who answers, and when control is handed back.

    /// Notes an event that was returned to the caller, who may still have its question answered by the handler.
    pub(crate) fn note_reported(&mut self, event: Option<&NumberedEvent>) {
        if let Some(Event::Question(question)) = event.map(|event| &event.event) {
            self.reported.push(question.id.clone());
        }
    }

    /// Returns the questions that were returned as events, and are open.
    pub(crate) fn take_reported(&mut self) -> Vec<Question> {
        let reported = std::mem::take(&mut self.reported);
        reported
            .iter()
            .filter_map(|id| self.open_question(id))
            .collect()
    }

    /// Judges an event for whoever waits for the end.
    pub(crate) fn judge(&self, event: Event) -> Reaction {
        match event {
            Event::Question(question) => Reaction::Ask(question),
            Event::Withdrawn { question, .. } => Reaction::Forget(question),
            Event::Paused(status) if self.leave_review => {
                Reaction::Detach(DetachReason::Review(status))
            }
            Event::Answered { question, how, .. } => self.judge_answer(&question, &how),
            _ => Reaction::None,
        }
    }

    fn judge_answer(&self, question: &QuestionId, how: &Answered) -> Reaction {
        match (how, self.open_question(question)) {
            (Answered::Unknown, Some(question)) => {
                Reaction::Detach(DetachReason::AnswerUnconfirmed(question))
            }
            (Answered::Refused, Some(question)) => {
                Reaction::Detach(DetachReason::Question(question))
            }
            _ => Reaction::None,
        }
    }

    /// Decides whether the handler is asked this question, which it is once. Without one, nobody here can answer.
    pub(crate) fn ask(&mut self, question: Question, has_handler: bool) -> Reaction {
        if !has_handler || self.asked.contains(&question.id) {
            return Reaction::Detach(DetachReason::Question(question));
        }
        self.asked.push(question.id.clone());
        Reaction::Ask(question)
    }

    /// Does what a handler decided; returns the reason to detach when it hands control back.
    ///
    /// # Errors
    /// When its answer is of the wrong kind, or the task cannot be cancelled.
    pub(crate) fn reply(
        &mut self,
        question: Question,
        reply: Reply,
        now: Timestamp,
    ) -> Result<Option<DetachReason>, Error> {
        match reply {
            Reply::Answer(answer) => match self.answer(&question.id, answer, now) {
                Ok(()) => Ok(None),
                Err(unfit @ AnswerError::WrongKind { .. }) => Err(self.unanswered(Box::new(unfit))),
                // Withdrawn, or answered elsewhere, while the handler ran: the next event says so.
                Err(_) => Ok(None),
            },
            Reply::Cancel => self.cancel(now).map(|()| None),
            _ => Ok(Some(DetachReason::Question(question))),
        }
    }

    /// Wraps the error of a handler.
    pub(crate) fn unanswered(&self, error: BoxError) -> Error {
        let text = "the question was not answered";
        self.about(Error::new(ErrorKind::Local, text).with_source(error))
    }

    /// Hands control back for this reason.
    pub(crate) fn leave<R>(&self, why: DetachReason) -> RunResult<R> {
        trace::detached(&self.span, &why);
        let detached = self.detached(why);
        RunResult::Detached(Box::new(
            detached.expect("a task with a question or a reason to detach has an id"),
        ))
    }

    /// Returns whether the outcome was returned.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Returns how following ended when there is no next event: an interrupt, or the outcome, which is returned once.
    ///
    /// # Errors
    /// When it was returned before.
    pub(crate) fn end(&mut self) -> Result<RunResult<P::Output>, Error> {
        if std::mem::take(&mut self.interrupted)
            && let State::Live(task) = &self.state
        {
            let cancel = task.cancel_result();
            trace::detached(&self.span, &DetachReason::Interrupted);
            let detached = self.detached(DetachReason::Interrupted);
            let detached = detached.expect("an interrupt waits for the id");
            return Ok(RunResult::Detached(Box::new(detached.with_cancel(cancel))));
        }
        let ended = State::Ended(Box::new(self.snapshot()));
        let outcome = match std::mem::replace(&mut self.state, ended) {
            State::Live(task) => task.into_outcome(),
            State::Ended(_) => None,
        };
        if let Some(outcome) = &outcome {
            trace::ended(&self.span, self.snapshot().intent(), outcome);
        }
        let result = outcome.map(|outcome| match outcome {
            Outcome::Interrupted { id, cancel, .. } => {
                let detached = Detached::new(id, DetachReason::Interrupted, self.snapshot());
                RunResult::Detached(Box::new(detached.with_cancel(cancel)))
            }
            outcome => RunResult::Ended(outcome),
        });
        result.ok_or_else(|| {
            Error::new(
                ErrorKind::Local,
                "the task is over and its outcome was given before",
            )
        })
    }

    /// Adds the task that an error is about, when it is known.
    fn about(&self, error: Error) -> Error {
        match self.id() {
            Some(id) => error.with_task(id.clone()),
            None => error,
        }
    }
}

fn over() -> Error {
    Error::new(ErrorKind::Input, "the task is over")
}

/// Converts the error of a request that the provider does not support.
pub(crate) fn unsupported(error: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Input, error.to_string())
}
