//! Requests from elsewhere: answers, messages and cancels for a task that another thread drives.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use taskward_core::{Answer, Error, MessageNo, QuestionId};

use super::inbox::{Idle, Inbox};
use crate::requests::{
    Claim, HandleCommand, HandleRequest, NOT_DRIVEN_AFTER, Responder, Withdraw, gone, not_driven,
};

/// A handle to a task that another thread drives. Cheap to clone.
///
/// A command is taken when the [`Running`](crate::running::Running) is driven and its present exchange is over, and its method
/// returns as soon as it was accepted or refused; an event reports its outcome on the server. It never hangs: it
/// fails with [`ErrorKind::NotDriven`](taskward_core::ErrorKind::NotDriven) at once when the task is over or its `Running`
/// was dropped, and after a [timeout](Self::with_timeout) while nobody is in [`next`](crate::running::Running::next) or
/// [`wait`](crate::running::Running::wait), or while a handler of questions runs. A command that timed out is withdrawn: it is never
/// applied later.
#[derive(Clone, Debug)]
pub struct BlockingHandle {
    inbox: Arc<Inbox>,
    timeout: Duration,
}

impl BlockingHandle {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            timeout: NOT_DRIVEN_AFTER,
        }
    }

    /// Sets how long a command waits for a task that nobody drives, in place of 30 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When no such question is open, an answer is being sent, it takes another kind of answer, or nobody drives the task.
    pub fn answer(
        &self,
        question: impl Into<QuestionId>,
        answer: impl Into<Answer>,
    ) -> Result<(), Error> {
        let (question, answer) = (question.into(), answer.into());
        self.request(|taken| HandleCommand::Answer(question, answer, taken))
    }

    /// Sends a message without a question.
    ///
    /// # Errors
    /// When the provider does not support it, or nobody drives the task any more.
    pub fn send_message(&self, text: impl Into<String>) -> Result<MessageNo, Error> {
        let text = text.into();
        self.request(|taken| HandleCommand::Message(text, taken))
    }

    /// Requests the task's cancellation; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the provider does not support it, or nobody drives the task any more.
    pub fn cancel(&self) -> Result<(), Error> {
        self.request(HandleCommand::Cancel)
    }

    /// Interrupts the following: `wait` returns [`DetachReason::Interrupted`](taskward_core::DetachReason) as soon as the task's
    /// id is known. The task keeps running, unless [`Run::on_interrupt`](crate::run::Run::on_interrupt) says that it is stopped
    /// first; a second interrupt does not wait for that.
    ///
    /// # Errors
    /// When nobody drives the task any more.
    pub fn interrupt(&self) -> Result<(), Error> {
        self.request(HandleCommand::Interrupt)
    }

    /// Interrupts the following of a task that this handle alone has requests for, whoever drives it and whenever: nobody waits
    /// until it is taken.
    pub(super) fn interrupt_unheard(&self) {
        let command = HandleCommand::Interrupt(Box::new(|_| ()));
        let request = HandleRequest::new(command, &Claim::default());
        // A task that is over needs no interrupt.
        let _ = self.inbox.ask(request, &Idle::new(Duration::ZERO));
    }

    fn request<T: Send + 'static>(
        &self,
        request: impl FnOnce(Responder<T>) -> HandleCommand,
    ) -> Result<T, Error> {
        let (reported, reply) = sync_channel(1);
        // Whoever asked may have gone away meanwhile.
        let taken = Box::new(move |result| drop(reported.send(result)));
        let claim = Claim::default();
        let _withdraw = Withdraw(claim.clone());
        let idle = Idle::new(self.timeout);
        self.inbox
            .ask(HandleRequest::new(request(taken), &claim), &idle)?;
        loop {
            match reply.recv_timeout(self.inbox.patience(&idle)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.inbox.is_idle(&idle) && claim.take() {
                return Err(not_driven(self.timeout));
            }
        }
    }
}
