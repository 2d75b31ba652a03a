//! Requests from elsewhere: answers, messages and cancels for a task that another future drives.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use taskward_core::{Answer, Error, MessageNo, QuestionId};
use tokio::sync::oneshot;

use super::inbox::Inbox;
use crate::requests::{
    Claim, HandleCommand, HandleRequest, NOT_DRIVEN_AFTER, Responder, Withdraw, gone, not_driven,
};
use crate::transport::AsyncTransport;

/// A handle to a task that is driven elsewhere. Cheap to clone.
///
/// A command is taken when the [`Running`](crate::running::Running) is next polled, and its future resolves as soon as it was
/// accepted or refused; an event reports its outcome on the server. The future never hangs: it fails with
/// [`ErrorKind::NotDriven`](taskward_core::ErrorKind::NotDriven) at once when the task is over or its `Running` was dropped,
/// and after a [timeout](Self::with_timeout) while nobody polls it.
///
/// # Cancel safety
/// A command whose future is dropped before it was taken is withdrawn, as is one that timed out: it is never applied later.
#[derive(Clone)]
pub struct AsyncHandle<T> {
    inbox: Arc<Inbox>,
    transport: T,
    timeout: Duration,
}

impl<T> std::fmt::Debug for AsyncHandle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncHandle")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<T: AsyncTransport> AsyncHandle<T> {
    pub(super) fn new(inbox: Arc<Inbox>, transport: T) -> Self {
        Self {
            inbox,
            transport,
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
    /// id is known. The task keeps running, unless [`Run::on_interrupt`](crate::run::Run::on_interrupt) says that it is stopped
    /// first; a second interrupt does not wait for that.
    ///
    /// # Errors
    /// When nobody drives the task any more.
    pub async fn interrupt(&self) -> Result<(), Error> {
        self.request(HandleCommand::Interrupt).await
    }

    async fn request<R: Send + 'static>(
        &self,
        request: impl FnOnce(Responder<R>) -> HandleCommand,
    ) -> Result<R, Error> {
        let (reported, mut reply) = oneshot::channel();
        // Whoever asked may have gone away meanwhile.
        let taken = Box::new(move |result| drop(reported.send(result)));
        let claim = Claim::default();
        let _withdraw = Withdraw(claim.clone());
        let request = HandleRequest::new(request(taken), &claim);
        let result = {
            let mut asked = pin!(async {
                self.inbox.send(request).await?;
                (&mut reply).await.map_err(|_| gone())?
            });
            let mut alarm = self.transport.sleep(self.timeout);
            poll_fn(|cx| match asked.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => Pin::new(&mut alarm).poll(cx).map(|()| None),
            })
            .await
        };
        match result {
            Some(result) => result,
            None if claim.take() => Err(not_driven(self.timeout)),
            // The driver took it at this very moment, and replies at once.
            None => reply.await.map_err(|_| gone())?,
        }
    }
}
