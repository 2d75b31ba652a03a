//! Wishes from elsewhere: answers, messages and cancels for a task that another future drives.

use taskward_core::{Answer, Error, MessageNo, QuestionId};
use taskward_edge::watch::{Taken, Wish, gone};
use tokio::sync::{mpsc, oneshot};

/// Speaks to a task that is driven elsewhere. Cheap to clone.
///
/// A wish is taken when the [`Running`](crate::Running) is next polled; what became of it is told as an event.
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) mpsc::Sender<Wish>);

impl Handle {
    /// Answers a question.
    ///
    /// # Errors
    /// When no such question is open, an answer to it is under way, it does not fit, or nobody drives the task any more.
    pub async fn answer(
        &self,
        question: impl Into<QuestionId>,
        answer: impl Into<Answer>,
    ) -> Result<(), Error> {
        let (question, answer) = (question.into(), answer.into());
        self.wish(|taken| Wish::Answer(question, answer, taken))
            .await
    }

    /// Sends a message that nobody asked for.
    ///
    /// # Errors
    /// When the provider has no such thing, or nobody drives the task any more.
    pub async fn send_message(&self, text: impl Into<String>) -> Result<MessageNo, Error> {
        let text = text.into();
        self.wish(|taken| Wish::Message(text, taken)).await
    }

    /// Asks for the task to be stopped; its own end tells whether it was.
    ///
    /// # Errors
    /// When the provider has no such thing, or nobody drives the task any more.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.wish(Wish::Cancel).await
    }

    /// Ends the watch: `wait` returns [`LeftWhy::Interrupted`](taskward_core::LeftWhy) as soon as the task's id is known.
    /// The task goes on, unless [`Run::on_interrupt`](crate::Run::on_interrupt) says that it is stopped first; then a
    /// second interrupt does not wait for that.
    ///
    /// # Errors
    /// When nobody drives the task any more.
    pub async fn interrupt(&self) -> Result<(), Error> {
        self.wish(Wish::Interrupt).await
    }

    async fn wish<T: Send + 'static>(
        &self,
        wish: impl FnOnce(Taken<T>) -> Wish,
    ) -> Result<T, Error> {
        let (told, reply) = oneshot::channel();
        // Whoever asked may have gone away meanwhile.
        let taken = Box::new(move |result| drop(told.send(result)));
        self.0.send(wish(taken)).await.map_err(|_| gone())?;
        reply.await.map_err(|_| gone())?
    }
}
