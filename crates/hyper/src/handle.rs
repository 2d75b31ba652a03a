//! Requests from elsewhere: answers, messages and cancels for a task that another future drives.

use std::time::Duration;

use taskward_client::driver::{
    Claim, HandleCommand, HandleRequest, NOT_DRIVEN_AFTER, Responder, Withdraw, gone, not_driven,
};
use taskward_core::{Answer, Error, MessageNo, QuestionId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A handle to a task that is driven elsewhere. Cheap to clone.
///
/// A command is taken when the [`Running`](crate::Running) is next polled, and its future resolves as soon as it was
/// accepted or refused; an event reports its outcome on the server. The future never hangs: it fails with
/// [`ErrorKind::NotDriven`](taskward_core::ErrorKind::NotDriven) at once when the task is over or its `Running` was dropped,
/// and after a [timeout](Self::with_timeout) while nobody polls it.
///
/// # Cancel safety
/// A command whose future is dropped before it was taken is withdrawn, as is one that timed out: it is never applied later.
#[derive(Clone, Debug)]
pub struct Handle {
    sender: mpsc::Sender<HandleRequest>,
    timeout: Duration,
}

impl Handle {
    pub(crate) fn new(sender: mpsc::Sender<HandleRequest>) -> Self {
        Self {
            sender,
            timeout: NOT_DRIVEN_AFTER,
        }
    }

    /// Sets how long a command waits for a task that nobody polls, in place of 30 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When no such question is open, an answer is being sent, it takes another kind of answer, or nobody drives the task.
    pub async fn answer(
        &self,
        question: impl Into<QuestionId>,
        answer: impl Into<Answer>,
    ) -> Result<(), Error> {
        let (question, answer) = (question.into(), answer.into());
        self.request(|taken| HandleCommand::Answer(question, answer, taken))
            .await
    }

    /// Sends a message without a question.
    ///
    /// # Errors
    /// When the provider does not support it, or nobody drives the task any more.
    pub async fn send_message(&self, text: impl Into<String>) -> Result<MessageNo, Error> {
        let text = text.into();
        self.request(|taken| HandleCommand::Message(text, taken))
            .await
    }

    /// Requests the task's cancellation; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the provider does not support it, or nobody drives the task any more.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.request(HandleCommand::Cancel).await
    }

    /// Interrupts the following: `wait` returns [`DetachReason::Interrupted`](taskward_core::DetachReason) as soon as the task's
    /// id is known. The task keeps running, unless [`Run::on_interrupt`](crate::Run::on_interrupt) says that it is stopped
    /// first; a second interrupt does not wait for that.
    ///
    /// # Errors
    /// When nobody drives the task any more.
    pub async fn interrupt(&self) -> Result<(), Error> {
        self.request(HandleCommand::Interrupt).await
    }

    async fn request<T: Send + 'static>(
        &self,
        request: impl FnOnce(Responder<T>) -> HandleCommand,
    ) -> Result<T, Error> {
        let (reported, mut reply) = oneshot::channel();
        // Whoever asked may have gone away meanwhile.
        let taken = Box::new(move |result| drop(reported.send(result)));
        let claim = Claim::default();
        let _withdraw = Withdraw(claim.clone());
        let request = HandleRequest::new(request(taken), &claim);
        let asked = async {
            self.sender.send(request).await.map_err(|_| gone())?;
            (&mut reply).await.map_err(|_| gone())?
        };
        match timeout(self.timeout, asked).await {
            Ok(result) => result,
            Err(_) if claim.take() => Err(not_driven(self.timeout)),
            // The driver took it at this very moment, and replies at once.
            Err(_) => reply.await.map_err(|_| gone())?,
        }
    }
}
