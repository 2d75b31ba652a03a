//! A task while it is driven, and what is wished of it from elsewhere.

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

/// Tells whoever wished something what became of it.
pub type Responder<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// What a handle wishes of a task that is driven elsewhere.
pub enum HandleCommand {
    /// To answer a question.
    Answer(QuestionId, Answer, Responder<()>),
    /// To send a message that nobody asked for.
    Message(String, Responder<MessageNo>),
    /// To stop the task.
    Cancel(Responder<()>),
    /// To end the watch.
    Interrupt(Responder<()>),
}

/// How long a handle waits for a task that nobody drives.
pub const NOT_DRIVEN_AFTER: Duration = Duration::from_secs(30);

/// Decides whose a request of a handle is: the driver's once it took it, its author's until then. Whoever claims it first
/// has it for good, so that what was withdrawn is never applied.
#[derive(Clone, Debug, Default)]
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Claims the request; `false` when the other side has it.
    #[must_use]
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Withdraws a request when whoever waits for it goes away.
#[derive(Debug)]
pub struct Withdraw(pub Claim);

impl Drop for Withdraw {
    fn drop(&mut self) {
        // The driver may have it: then it is applied, and its events tell.
        let _ = self.0.take();
    }
}

/// What a handle asks of the driver of a task.
pub struct HandleRequest {
    command: HandleCommand,
    claim: Claim,
}

impl HandleRequest {
    /// A request that is its author's until the driver takes it.
    #[must_use]
    pub fn new(request: HandleCommand, claim: &Claim) -> Self {
        Self {
            command: request,
            claim: claim.clone(),
        }
    }
}

/// The answer to a request that no driver will ever take.
#[must_use]
pub fn gone() -> Error {
    let text = "nobody drives the task any more: it is over, or its `Running` was dropped";
    Error::new(ErrorKind::NotDriven, text)
}

/// The answer to a request that no driver took in time, and that was withdrawn.
#[must_use]
pub fn not_driven(after: Duration) -> Error {
    let text = format!(
        "nobody drove the task for {after:?}: the command was withdrawn and will not be applied; call `next` or `wait` of \
         its `Running` meanwhile"
    );
    Error::new(ErrorKind::NotDriven, text)
}

/// A task with what every driver needs beside it.
pub struct TaskDriver<P: Provider> {
    /// The machine.
    pub task: Task<P>,
    span: Span,
    pause: Option<Pause>,
    clock: Clock,
    journal: Option<Arc<dyn Journal>>,
    interrupted: bool,
    /// Whether something is done about the task before the watch ends.
    is_detaching: bool,
}

impl<P: Provider> TaskDriver<P> {
    /// A task that is about to be driven.
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

    /// What this watch tells of itself stands in this span.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The span of a request that is about to be sent.
    #[must_use]
    pub fn requests(&mut self, request: &Request) -> Span {
        self.pause = None;
        let purpose = self
            .task
            .request_purpose()
            .map_or("", RequestPurpose::as_str);
        self.span.in_scope(|| trace::request(purpose, request))
    }

    /// Tells that there is nothing to do until then.
    pub fn waits(&mut self, until: Timestamp, why: WaitReason) {
        if !self.span.is_none() {
            let now = self.now();
            Pause::enter(&mut self.pause, &self.span, why, Some(until), now);
        }
    }

    /// Tells that a stream is listened to.
    pub fn listens(&mut self) {
        if !self.span.is_none()
            && let Some((_, why)) = self.task.pause()
        {
            let now = self.now();
            Pause::enter(&mut self.pause, &self.span, why, None, now);
        }
    }

    /// Acknowledges an event that is about to be told, and gives it with its number.
    pub fn takes(&mut self, no: EventNo, id: EventId, event: Arc<Event>) -> NumberedEvent {
        // Taken first: then the machine keeps at most its own copy, and this is the last of the others.
        self.task.taken(no);
        let event = Arc::unwrap_or_clone(event);
        if !self.span.is_none() {
            trace::told(&self.span, &event);
        }
        NumberedEvent::new(id, event)
    }

    pub(crate) fn is_detach_reported(&self, why: &DetachReason) {
        trace::detached(&self.span, why);
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the watch is to end here: it was interrupted, the task's id is known, and nothing is to be done about the
    /// task first, or whoever interrupts does not wait for it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted && self.task.id().is_some()
    }

    /// Whether it was interrupted; told once.
    pub fn take_interrupt(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }

    /// How the task ended, when it has.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome<P::Output>> {
        let outcome = self.task.into_outcome()?;
        trace::ended(&self.span, &outcome);
        Some(outcome)
    }

    /// What is to be kept, and where; `None` when nobody wants it kept, or there is nothing but an id that may be a
    /// mistake. How it went is told to [`kept`](Self::kept).
    #[must_use]
    pub fn to_save(&self) -> Option<(Arc<dyn Journal>, Snapshot)> {
        let journal = self.journal.clone()?;
        let snapshot = self.task.snapshot();
        (!snapshot.has_unconfirmed_end()).then_some((journal, snapshot))
    }

    /// Takes in how it went.
    ///
    /// # Errors
    /// When it could not be kept: the task asks for it again.
    pub fn saved(&mut self, revision: Revision, how: Result<(), BoxError>) -> Result<(), Error> {
        how.map_err(|e| {
            let text = "the task could not be stored, so nothing more was sent";
            let error = Error::new(ErrorKind::Local, text).with_source(e);
            about(error, self.task.id())
        })?;
        self.task.saved(revision);
        Ok(())
    }

    /// Reports how an exchange ended; gives the stream that it opened.
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

    /// Reports an exchange or a stream that the driver does not hold.
    pub fn abandoned(&mut self, id: ExchangeId) {
        let now = self.now();
        self.task
            .handle_failure(id, ExchangeFailure::abandoned(), now);
    }

    /// Reports that more of a stream is there than was asked for. Silence is what the server does: time in which the
    /// driver did not read is none.
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
            HandleCommand::Answer(question, answer, taken) => {
                let result = self.task.answer(&question, answer, now);
                taken(result.map_err(Error::from));
            }
            HandleCommand::Message(text, taken) => {
                let result = self.task.send_message(text, now);
                taken(result.map_err(|e| unsupported(&e)));
            }
            HandleCommand::Cancel(taken) => {
                taken(self.task.cancel(now).map_err(|e| unsupported(&e)))
            }
            HandleCommand::Interrupt(taken) => {
                let again = self.is_detaching;
                self.is_detaching = self.task.interrupt(now);
                self.interrupted = again || !self.is_detaching;
                taken(Ok(()));
            }
        }
    }
}

/// An error with the task it is about, when that is known.
pub(crate) fn about(error: Error, task: Option<&TaskId>) -> Error {
    match task {
        Some(id) => error.with_task(id.clone()),
        None => error,
    }
}
