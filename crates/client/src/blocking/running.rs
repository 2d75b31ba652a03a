//! A followed task on the thread that waits for it: its next event, and its end.

use taskward_core::{DetachReason, Error, Event, NumberedEvent, Provider, Question, RunResult};

use super::BlockingHandle;
use crate::client::Blocking;
use crate::driver::Reaction;
use crate::running::{Events, Running, Started};
use crate::transport::BlockingTransport;

impl<P: Provider, T: BlockingTransport> Running<P, T, Blocking> {
    /// Returns the next event; `None` once the task is over, or a handle interrupted. The caller has to
    /// [`answer`](Self::answer) questions: the handler is called in [`wait`](Self::wait) only.
    ///
    /// # Errors
    /// When the save hook failed: the write that it was called for was not sent.
    #[expect(
        clippy::should_implement_trait,
        reason = "the iterator is `events`; this is the async client's word"
    )]
    pub fn next(&mut self) -> Result<Option<NumberedEvent>, Error> {
        let event = self.event()?;
        self.driver.note_reported(event.as_ref());
        Ok(event)
    }

    /// Returns the events of [`next`](Self::next) as an iterator.
    pub fn events(&mut self) -> Events<'_, P, T, Blocking> {
        Events(self)
    }

    /// Follows the task until it ends or control is handed back: by a question without a handler, an answer of unknown
    /// outcome, a review that is not waited for, or an interrupt.
    ///
    /// # Errors
    /// When the handler or the save hook failed; the task is untouched. When the outcome was returned before.
    pub fn wait(&mut self) -> Result<RunResult<P::Output>, Error> {
        for question in self.driver.take_reported() {
            if self.detaching.is_none() {
                self.detaching = self.ask(question)?;
            }
        }
        loop {
            if self.detaching.is_some() {
                self.detach()?;
                if let Some(why) = self.detaching.take() {
                    return Ok(self.driver.leave(why));
                }
            }
            match self.event()? {
                Some(event) => self.detaching = self.react(event.event)?,
                None => return self.driver.end(),
            }
        }
    }

    /// Returns a handle to answer, cancel or interrupt from another thread while this is driven.
    #[must_use]
    pub fn handle(&self) -> BlockingHandle {
        BlockingHandle::new(self.io.inbox.0.clone())
    }

    pub(super) fn started(mut self) -> Result<Started<P, T, Blocking>, Error> {
        while self.id().is_none() {
            if self.next()?.is_none() {
                let end = self.wait()?.into_answer();
                return Err(end.expect_err("a task without an id has no answer"));
            }
        }
        Ok(Started(self))
    }

    fn event(&mut self) -> Result<Option<NumberedEvent>, Error> {
        let event = self.drive()?;
        self.call_hook(event.as_ref());
        Ok(event)
    }

    /// Returns the reason to detach when an event hands control back.
    fn react(&mut self, event: Event) -> Result<Option<DetachReason>, Error> {
        match self.driver.judge(event) {
            // A handler answers before the next event is read: there is no question to forget.
            Reaction::None | Reaction::Forget(_) => Ok(None),
            Reaction::Ask(question) => self.ask(question),
            Reaction::Detach(why) => Ok(Some(why)),
        }
    }

    /// Asks the handler a question and does what it decides; returns the reason to detach when nobody here can answer.
    fn ask(&mut self, question: Question) -> Result<Option<DetachReason>, Error> {
        match (
            self.driver.ask(question, self.on_question.is_some()),
            &mut self.on_question,
        ) {
            (Reaction::Ask(question), Some(handler)) => {
                let reply = handler(question.clone()).map_err(|e| self.driver.unanswered(e))?;
                let now = self.client.transport().now();
                self.driver.reply(question, reply, now)
            }
            (Reaction::Detach(why), _) => Ok(Some(why)),
            (Reaction::Ask(_) | Reaction::None | Reaction::Forget(_), _) => Ok(None),
        }
    }
}

impl<P: Provider, T: BlockingTransport> Iterator for Events<'_, P, T, Blocking> {
    type Item = Result<NumberedEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().transpose()
    }
}
