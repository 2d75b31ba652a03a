//! A task while it is driven, and the requests of its handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use taskward_core::{
    Answer, DetachReason, Error, ErrorKind, Event, EventId, EventNo, ExchangeFailure, ExchangeId,
    Journal, MessageNo, NumberedEvent, Outcome, Provider, QuestionId, Request, RequestPurpose,
    Revision, Snapshot, Task, TaskId, Timestamp, WaitReason,
};
use tracing::Span;

use crate::clock::Clock;
use crate::reply::Report;
use crate::run::{BoxError, unsupported};
use crate::trace::{self, Pause};

/// Returns the result of a request to the handle that made it.
pub type Responder<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// What a handle can request of a task that is driven elsewhere.
pub enum HandleCommand {
    /// Answer a question.
    Answer(QuestionId, Answer, Responder<()>),
    /// Send a message without a question.
    Message(String, Responder<MessageNo>),
    /// Cancel the task.
    Cancel(Responder<()>),
    /// Hand control back.
    Interrupt(Responder<()>),
}

/// How long a handle waits for a task that nobody drives.
pub const NOT_DRIVEN_AFTER: Duration = Duration::from_secs(30);

/// Decides between the driver that takes a handle's request and the handle that withdraws it: the first one to claim the
/// request has it for good, so that a withdrawn request is never applied.
#[derive(Clone, Debug, Default)]
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Claims the request; returns `false` when the other side has it.
    #[must_use]
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Withdraws a request when the future or call that waits for it is dropped.
#[derive(Debug)]
pub struct Withdraw(pub Claim);

impl Drop for Withdraw {
    fn drop(&mut self) {
        // The driver may have claimed it: then it is applied, and its events report the outcome.
        let _ = self.0.take();
    }
}

/// A request of a handle to the driver of its task.
pub struct HandleRequest {
    command: HandleCommand,
    claim: Claim,
}

impl HandleRequest {
    /// Builds a request that can be withdrawn until the driver takes it.
    #[must_use]
    pub fn new(request: HandleCommand, claim: &Claim) -> Self {
        Self {
            command: request,
            claim: claim.clone(),
        }
    }
}

/// Returns the error of a request that no driver will ever take.
#[must_use]
pub fn gone() -> Error {
    let text = "nobody drives the task any more: it is over, or its `Running` was dropped";
    Error::new(ErrorKind::NotDriven, text)
}

/// Returns the error of a request that no driver took in time, and that was withdrawn.
#[must_use]
pub fn not_driven(after: Duration) -> Error {
    let text = format!(
        "nobody drove the task for {after:?}: the command was withdrawn and will not be applied; call `next` or `wait` of \
         its `Running` meanwhile"
    );
    Error::new(ErrorKind::NotDriven, text)
}

/// A task with what every driver needs: its journal, its clock and its spans.
pub struct TaskDriver<P: Provider> {
    /// The state machine.
    pub task: Task<P>,
    span: Span,
    pause: Option<Pause>,
    clock: Clock,
    journal: Option<Arc<dyn Journal>>,
    interrupted: bool,
    /// Whether the task is being cancelled before control is handed back.
    is_detaching: bool,
}

impl<P: Provider> TaskDriver<P> {
    /// Prepares a task to be driven.
    #[must_use]
    pub fn new(task: Task<P>, clock: Clock, journal: Option<Arc<dyn Journal>>) -> Self {
        Self {
            span: trace::watch(&task),
            pause: None,
            task,
            clock,
            journal,
            interrupted: false,
            is_detaching: false,
        }
    }

    /// Returns the span of everything that this driver reports.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Opens the span of a request that is about to be sent.
    #[must_use]
    pub fn requests(&mut self, request: &Request) -> Span {
        self.pause = None;
        let purpose = self
            .task
            .request_purpose()
            .map_or("", RequestPurpose::as_str);
        self.span.in_scope(|| trace::request(purpose, request))
    }

    /// Notes that there is nothing to do until then.
    pub fn waits(&mut self, until: Timestamp, why: WaitReason) {
        if !self.span.is_none() {
            let now = self.now();
            Pause::enter(&mut self.pause, &self.span, why, Some(until), now);
        }
    }

    /// Notes that only the stream is read.
    pub fn listens(&mut self) {
        if !self.span.is_none()
            && let Some((_, why)) = self.task.pause()
        {
            let now = self.now();
            Pause::enter(&mut self.pause, &self.span, why, None, now);
        }
    }

    /// Acknowledges an event that is about to be reported, and returns it with its number.
    pub fn takes(&mut self, no: EventNo, id: EventId, event: Arc<Event>) -> NumberedEvent {
        // Taken first: then the machine keeps at most its own copy, and this is the last of the others.
        self.task.taken(no);
        let event = Arc::unwrap_or_clone(event);
        if !self.span.is_none() {
            trace::reported(&self.span, &event);
        }
        NumberedEvent::new(id, event)
    }

    pub(crate) fn report_detach(&self, why: &DetachReason) {
        trace::detached(&self.span, why);
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns whether to hand control back now: a handle interrupted, the task's id is known, and the task need not be
    /// cancelled first, or a second interrupt does not wait for that.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted && self.task.id().is_some()
    }

    /// Takes the interrupt: returns whether there was one since the last call.
    pub fn take_interrupt(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }

    /// Returns the outcome, when the task is over.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome<P::Output>> {
        let outcome = self.task.into_outcome()?;
        trace::ended(&self.span, &outcome);
        Some(outcome)
    }

    /// Returns what to store, and where; `None` without a journal, or when there is nothing but an id that may be mistyped.
    /// Report the result to [`saved`](Self::saved).
    #[must_use]
    pub fn to_save(&self) -> Option<(Arc<dyn Journal>, Snapshot)> {
        let journal = self.journal.clone()?;
        let snapshot = self.task.snapshot();
        (!snapshot.has_unconfirmed_end()).then_some((journal, snapshot))
    }

    /// Takes in whether the state was stored.
    ///
    /// # Errors
    /// When it could not be stored: the task asks for it again.
    pub fn saved(&mut self, revision: Revision, how: Result<(), BoxError>) -> Result<(), Error> {
        how.map_err(|e| {
            let text = "the task could not be stored, so nothing more was sent";
            let error = Error::new(ErrorKind::Local, text).with_source(e);
            about(error, self.task.id())
        })?;
        self.task.saved(revision);
        Ok(())
    }

    /// Reports how an exchange ended; returns the stream that it opened.
    pub fn report<S>(&mut self, id: ExchangeId, report: Report<S>) -> Option<Box<S>> {
        let now = self.now();
        match report {
            Report::Reply(reply) => self.task.handle_response(id, reply, now),
            Report::Failed(failure) => self.task.handle_failure(id, failure, now),
            Report::Stream(head, stream) => {
                self.task.handle_head(id, head, now);
                return Some(stream);
            }
        }
        None
    }

    /// Reports an exchange or a stream that the driver does not have.
    pub fn abandoned(&mut self, id: ExchangeId) {
        let now = self.now();
        self.task
            .handle_failure(id, ExchangeFailure::abandoned(), now);
    }

    /// Reports that more of a stream has arrived than the task asked for. Silence is the server's: the time in which the
    /// driver did not read does not count.
    pub fn note_activity(&mut self, id: ExchangeId) {
        self.received(id, Some(Ok(Bytes::new())));
    }

    /// Reports what a stream brought; `None` is its end.
    pub fn received(&mut self, id: ExchangeId, next: Option<Result<Bytes, ExchangeFailure>>) {
        let now = self.now();
        match next {
            Some(Ok(bytes)) => self.task.handle_chunk(id, bytes, now),
            Some(Err(failure)) => self.task.handle_failure(id, failure, now),
            None => self.task.handle_end(id, now),
        }
    }

    /// Takes a request, unless it was withdrawn.
    pub fn handle_request(&mut self, request: HandleRequest) {
        if !request.claim.take() {
            return;
        }
        let now = self.now();
        match request.command {
            HandleCommand::Answer(question, answer, respond) => {
                let result = self.task.answer(&question, answer, now);
                respond(result.map_err(Error::from));
            }
            HandleCommand::Message(text, respond) => {
                let result = self.task.send_message(text, now);
                respond(result.map_err(|e| unsupported(&e)));
            }
            HandleCommand::Cancel(respond) => {
                respond(self.task.cancel(now).map_err(|e| unsupported(&e)))
            }
            HandleCommand::Interrupt(respond) => {
                let again = self.is_detaching;
                self.is_detaching = self.task.interrupt(now);
                self.interrupted = again || !self.is_detaching;
                respond(Ok(()));
            }
        }
    }
}

/// Adds the task that an error is about, when it is known.
pub(crate) fn about(error: Error, task: Option<&TaskId>) -> Error {
    match task {
        Some(id) => error.with_task(id.clone()),
        None => error,
    }
}
