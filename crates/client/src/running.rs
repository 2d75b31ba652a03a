//! A followed task: its events, its questions, and the way to hand control back. How it is driven is in the folder of each
//! flavour.

use std::fmt;
use std::ops::{Deref, DerefMut};

use taskward_core::{
    Answer, AnswerError, ApiError, DetachReason, Detached, Error, Liveness, MessageNo,
    NumberedEvent, Provider, Question, QuestionId, Snapshot, Status, TaskId, Timestamp,
};

use crate::client::{Client, Flavour};
use crate::driver::TaskDriver;
use crate::requests::{Claim, HandleCommand, HandleRequest};
use crate::transport::Transport;

/// The hook for every event.
pub(crate) type OnEvent = Box<dyn FnMut(&NumberedEvent) + Send>;

/// A task that is being followed. It owns the state machine and its exchanges: dropping it ends the following and does not
/// touch the task.
///
/// # Cancel safety
/// In the async client, dropping the future of `next` or `wait` loses nothing: exchanges, the stream and the handler go on
/// when the next one is polled.
pub struct Running<P: Provider, T: Transport, F: Flavour<T>> {
    pub(crate) client: Client<P, T, F>,
    pub(crate) driver: TaskDriver<P>,
    pub(crate) io: F::Io,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_question: Option<F::OnQuestion>,
    /// Why control is about to be handed back, once the position among the events is stored.
    pub(crate) detaching: Option<DetachReason>,
}

impl<P: Provider, T: Transport, F: Flavour<T>> fmt::Debug for Running<P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> Running<P, T, F> {
    /// Returns the task's id, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<&TaskId> {
        self.driver.id()
    }

    /// Returns when the last byte, the last reply and the last change of the task were seen. A task of which only bytes still
    /// arrive may be stuck.
    pub fn liveness(&self) -> Liveness {
        self.driver.liveness().unwrap_or_default()
    }

    /// Returns the error with which the server last refused an answer, a message or a cancel; events carry it as text.
    /// `None` once following has ended.
    pub fn refusal(&self) -> Option<&ApiError> {
        self.driver.refusal()
    }

    /// Returns the task's last status, as reported in its events; `None` before one was seen.
    pub fn status(&self) -> Option<&Status> {
        self.driver.status()
    }

    /// Returns the questions that can be answered now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.driver.questions()
    }

    /// Returns the question that this id names, in whatever state it is, while the task is followed: by its own id, or by one
    /// that stood in for it, in this process or in another one.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        self.driver.question(id)
    }

    /// Answers an open question; the answer is sent while the task is driven.
    ///
    /// # Errors
    /// When no such question is open, it was answered, an answer is being sent, or it takes another kind of answer.
    pub fn answer(
        &mut self,
        question: &QuestionId,
        answer: impl Into<Answer>,
    ) -> Result<(), AnswerError> {
        let now = self.client.transport().now();
        self.driver.answer(question, answer.into(), now)
    }

    /// Sends a message without a question; it is sent while the task is driven.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn send_message(&mut self, text: impl Into<String>) -> Result<MessageNo, Error> {
        let now = self.client.transport().now();
        self.driver.send_message(text.into(), now)
    }

    /// Requests the task's cancellation, which is sent while the task is driven; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn cancel(&mut self) -> Result<(), Error> {
        let now = self.client.transport().now();
        self.driver.cancel(now)
    }

    /// Returns what to store to resume the task, in this process or in another one.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.driver.snapshot()
    }

    /// Returns what is needed to detach from the task; `None` while it has no id.
    #[must_use]
    pub fn detached(&self) -> Option<Detached> {
        self.driver.detached(DetachReason::Interrupted)
    }

    /// Interrupts the following, as a handle does.
    pub(crate) fn interrupt(&mut self, now: Timestamp) {
        let command = HandleCommand::Interrupt(Box::new(|_| ()));
        let request = HandleRequest::new(command, &Claim::default());
        self.driver.handle_request(request, now);
    }

    /// Calls the hook with an event that is about to be handed out.
    pub(crate) fn call_hook(&mut self, event: Option<&NumberedEvent>) {
        if let (Some(hook), Some(event)) = (&mut self.on_event, event) {
            hook(event);
        }
    }
}

/// The events of a [`Running`]: a stream in the async client, an iterator in the blocking one.
pub struct Events<'a, P: Provider, T: Transport, F: Flavour<T>>(
    pub(crate) &'a mut Running<P, T, F>,
);

/// A [`Running`] whose task is known to exist.
pub struct Started<P: Provider, T: Transport, F: Flavour<T>>(pub(crate) Running<P, T, F>);

impl<P: Provider, T: Transport, F: Flavour<T>> Started<P, T, F> {
    /// Returns the task's id: all that another process needs to [`attach`](Client::attach).
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.id().expect("a started task has an id").clone()
    }

    /// Returns the followed task.
    #[must_use]
    pub fn into_running(self) -> Running<P, T, F> {
        self.0
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> Deref for Started<P, T, F> {
    type Target = Running<P, T, F>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> DerefMut for Started<P, T, F> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> fmt::Debug for Started<P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Started").field(&self.0).finish()
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> fmt::Debug for Events<'_, P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.0).finish()
    }
}
