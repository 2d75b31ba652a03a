//! A followed task as futures: its next event, and its end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use taskward_core::{
    BoxError, DetachReason, Error, Event, NumberedEvent, Provider, Question, QuestionId, Reply,
    RunResult, WaitReason,
};

use super::{Asking, AsyncHandle};
use crate::client::{Async, sealed};
use crate::driver::Reaction;
use crate::running::{Events, Running, Started};
use crate::transport::AsyncTransport;

type OnQuestion<T> = <Async as sealed::Flavour<T>>::OnQuestion;

/// Questions on their way to the handler, which answers one at a time.
#[derive(Default)]
pub(super) struct Questions {
    queue: VecDeque<Question>,
    asking: Option<Box<(Question, Asking)>>,
}

impl Questions {
    fn has(&self, id: &QuestionId) -> bool {
        let is = |question: &Question| question.id == *id;
        self.queue.iter().any(is) || self.asking.as_ref().is_some_and(|asked| is(&asked.0))
    }

    fn forget(&mut self, id: &QuestionId) {
        self.queue.retain(|question| question.id != *id);
        self.asking.take_if(|asked| asked.0.id == *id);
    }

    /// Returns whether a question waits that was not passed to the handler yet.
    fn is_new(&self) -> bool {
        self.asking.is_none() && !self.queue.is_empty()
    }

    /// Returns what the handler decided, once it has; asks it the next question when it is free.
    fn poll_reply<H: FnMut(Question) -> Asking>(
        &mut self,
        handler: Option<&mut H>,
        cx: &mut Context<'_>,
    ) -> Option<Result<(Question, Reply), BoxError>> {
        if self.is_new()
            && let (Some(handler), Some(question)) = (handler, self.queue.pop_front())
        {
            let asking = handler(question.clone());
            self.asking = Some(Box::new((question, asking)));
        }
        let Poll::Ready(reply) = self.asking.as_mut()?.1.as_mut().poll(cx) else {
            return None;
        };
        let (question, _) = *self.asking.take()?;
        Some(reply.map(|reply| (question, reply)))
    }
}

impl<P: Provider, T: AsyncTransport> Running<P, T, Async> {
    /// Returns the next event; `None` once the task is over, or a handle interrupted. The caller has to
    /// [`answer`](Self::answer) questions: the handler is called in [`wait`](Self::wait) only.
    ///
    /// # Errors
    /// When the save hook failed: the write that it was called for was not sent.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was.
    pub async fn next(&mut self) -> Result<Option<NumberedEvent>, Error> {
        poll_fn(|cx| self.poll_reported(cx)).await
    }

    /// Returns the events of [`next`](Self::next) as a stream.
    pub fn events(&mut self) -> Events<'_, P, T, Async> {
        Events(self)
    }

    /// Follows the task until it ends or control is handed back: by a question without a handler, an answer of unknown
    /// outcome, a review that is not waited for, or an interrupt.
    ///
    /// # Errors
    /// When the handler or the save hook failed; the task is untouched. When the outcome was returned before.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was, and so does a handler that was asked.
    pub async fn wait(&mut self) -> Result<RunResult<P::Output>, Error> {
        poll_fn(|cx| self.poll_end(cx)).await
    }

    /// Returns a handle to answer, cancel or interrupt from elsewhere while this is driven.
    #[must_use]
    pub fn handle(&self) -> AsyncHandle<T> {
        AsyncHandle::new(self.io.inbox.0.clone(), self.client.transport().clone())
    }

    /// Returns how long the present wait still lasts and its reason; `None` while an exchange is in flight.
    #[must_use]
    pub fn waiting(&self) -> Option<(Duration, WaitReason)> {
        let (until, why) = self.io.waiting.filter(|_| !self.driver.is_ended())?;
        Some((until.since(self.client.transport().now()), why))
    }

    pub(super) async fn started(mut self) -> Result<Started<P, T, Async>, Error> {
        while self.id().is_none() {
            if self.next().await?.is_none() {
                let end = self.wait().await?.into_answer();
                return Err(end.expect_err("a task without an id has no answer"));
            }
        }
        Ok(Started(self))
    }

    fn poll_reported(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<NumberedEvent>, Error>> {
        let event = ready!(self.poll_event(cx))?;
        self.driver.note_reported(event.as_ref());
        Poll::Ready(Ok(event))
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<NumberedEvent>, Error>> {
        let event = ready!(self.poll_driven(cx))?;
        self.call_hook(event.as_ref());
        Poll::Ready(Ok(event))
    }

    pub(super) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RunResult<P::Output>, Error>> {
        for question in self.driver.take_reported() {
            if self.detaching.is_none() {
                self.detaching = self.receive(question);
            }
        }
        loop {
            if self.detaching.is_some() {
                ready!(self.poll_detach(cx))?;
                if let Some(why) = self.detaching.take() {
                    return Poll::Ready(Ok(self.driver.leave(why)));
                }
            }
            let handler: Option<&mut OnQuestion<T>> = self.on_question.as_mut();
            if let Some(reply) = self.io.questions.poll_reply(handler, cx) {
                let (question, reply) = reply.map_err(|e| self.driver.unanswered(e))?;
                let now = self.client.transport().now();
                self.detaching = self.driver.reply(question, reply, now)?;
                if self.detaching.is_some() {
                    continue;
                }
            }
            match self.poll_event(cx)? {
                Poll::Ready(Some(event)) => self.detaching = self.react(event.event),
                Poll::Ready(None) => return Poll::Ready(self.end()),
                Poll::Pending if self.io.questions.is_new() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Returns the reason to detach when an event hands control back.
    fn react(&mut self, event: Event) -> Option<DetachReason> {
        match self.driver.judge(event) {
            Reaction::None => None,
            Reaction::Ask(question) => self.receive(question),
            Reaction::Forget(question) => {
                self.io.questions.forget(&question);
                None
            }
            Reaction::Detach(why) => Some(why),
        }
    }

    /// Takes a question; returns the reason to detach when nobody here can answer it.
    fn receive(&mut self, question: Question) -> Option<DetachReason> {
        if self.io.questions.has(&question.id) {
            return None;
        }
        match self.driver.ask(question, self.on_question.is_some()) {
            Reaction::Ask(question) => self.io.questions.queue.push_back(question),
            Reaction::Detach(why) => return Some(why),
            Reaction::None | Reaction::Forget(_) => {}
        }
        None
    }

    fn end(&mut self) -> Result<RunResult<P::Output>, Error> {
        let end = self.driver.end();
        if self.driver.is_ended() {
            // A handler that still thinks thinks about nothing.
            self.io.questions.asking = None;
        }
        end
    }
}

impl<P: Provider, T: AsyncTransport> futures_core::Stream for Events<'_, P, T, Async> {
    type Item = Result<NumberedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_reported(cx).map(Result::transpose)
    }
}
