//! A followed task: its events, its questions, and the way to hand control back.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use taskward_client::followed::{Driver as _, FollowedTask};
use taskward_client::run::{BoxError, Hooks, OnEvent};
use taskward_core::{
    Answer, AnswerError, ApiError, DetachReason, Detached, Error, Event, Liveness, MessageNo,
    NumberedEvent, Provider, Question, QuestionId, Reply, RunResult, Snapshot, Status, Task,
    TaskId, WaitReason,
};

use crate::client::Client;
use crate::drive::Drive;
use crate::handle::Handle;
use crate::run::{Asking, OnQuestion};

/// A task that is being followed. It owns the state machine and its exchanges: dropping the future of [`next`](Self::next)
/// or [`wait`](Self::wait) loses nothing; dropping the `Running` itself ends the following and does not touch the task.
pub struct Running<P: Provider> {
    task: FollowedTask<Drive<P>>,
    on_event: Option<OnEvent>,
    handling: QuestionHandling,
    handle: Handle,
    /// Why control is about to be handed back, once the position among the events is stored.
    detaching: Option<DetachReason>,
}

/// Questions on their way to the handler.
struct QuestionHandling {
    handler: Option<OnQuestion>,
    leave_review: bool,
    /// Already returned by `next`, whose caller may still call `wait` to have them answered.
    reported: Vec<QuestionId>,
    /// Passed to the handler once, and never again.
    asked: Vec<QuestionId>,
    queue: VecDeque<Question>,
    asking: Option<(Question, Asking)>,
}

impl<P: Provider> fmt::Debug for Running<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Running<P> {
    pub(crate) fn new(client: Client<P>, task: Task<P>, hooks: Hooks<OnQuestion>) -> Self {
        let journal = hooks.journal.or_else(|| client.inner().journal.clone());
        let drive = Drive::new(client, task, journal);
        Self {
            handle: drive.handle(),
            detaching: None,
            task: FollowedTask::Live(Box::new(drive)),
            on_event: hooks.event,
            handling: QuestionHandling {
                handler: hooks.question,
                leave_review: hooks.leave_review,
                reported: Vec::new(),
                asked: Vec::new(),
                queue: VecDeque::new(),
                asking: None,
            },
        }
    }

    /// Returns the task's id, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<&TaskId> {
        self.task.id()
    }

    /// Returns the next event; `None` once the task is over, or a [`Handle`] interrupted. The caller has to
    /// [`answer`](Self::answer) questions: the handler is called in [`wait`](Self::wait) only.
    ///
    /// # Errors
    /// When the save hook failed: the write that it was called for was not sent.
    pub async fn next(&mut self) -> Result<Option<NumberedEvent>, Error> {
        poll_fn(|cx| self.poll_told(cx)).await
    }

    /// Returns the events of [`next`](Self::next) as a stream.
    pub fn events(&mut self) -> Events<'_, P> {
        Events(self)
    }

    /// Follows the task until it ends or control is handed back: by a question without a handler, an answer of unknown
    /// outcome, a review that is not waited for, or an interrupt.
    ///
    /// # Errors
    /// When the handler or the save hook failed; the task is untouched. When the outcome was returned before.
    pub async fn wait(&mut self) -> Result<RunResult<P::Output>, Error> {
        poll_fn(|cx| self.poll_end(cx)).await
    }

    /// Returns a handle to answer, cancel or interrupt from elsewhere while this is driven.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Returns when the last byte, the last reply and the last change of the task were seen. A task of which only bytes still
    /// arrive may be stuck.
    pub fn liveness(&self) -> Liveness {
        self.task.liveness().unwrap_or_default()
    }

    /// Returns the error with which the server last refused an answer, a message or a cancel; events carry it as text.
    /// `None` once following has ended.
    pub fn refusal(&self) -> Option<&ApiError> {
        self.task.refusal()
    }

    /// Returns the task's last status, as reported in its events; `None` before one was seen.
    pub fn status(&self) -> Option<&Status> {
        self.task.status()
    }

    /// Returns the questions that can be answered now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.task.questions()
    }

    /// Returns the question that this id names, in whatever state it is, while the task is followed: by its own id, or by one
    /// that stood in for it, in this process or in another one.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        self.task.question(id)
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
        self.task.answer(question, answer.into())
    }

    /// Sends a message without a question; it is sent while the task is driven.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn send_message(&mut self, text: impl Into<String>) -> Result<MessageNo, Error> {
        self.task.send_message(text.into())
    }

    /// Requests the task's cancellation, which is sent while the task is driven; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn cancel(&mut self) -> Result<(), Error> {
        self.task.cancel()
    }

    /// Returns how long the present wait still lasts and its reason; `None` while an exchange is in flight.
    #[must_use]
    pub fn waiting(&self) -> Option<(Duration, WaitReason)> {
        let FollowedTask::Live(drive) = &self.task else {
            return None;
        };
        let (until, why) = drive.waiting?;
        Some((until.since(drive.watch().now()), why))
    }

    /// Returns what to store to resume the task, in this process or in another one.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.task.snapshot()
    }

    /// Returns what is needed to detach from the task; `None` while it has no id.
    #[must_use]
    pub fn detached(&self) -> Option<Detached> {
        self.task.detached(DetachReason::Interrupted)
    }

    pub(crate) async fn started(mut self) -> Result<Started<P>, Error> {
        while self.id().is_none() {
            if self.next().await?.is_none() {
                let end = self.wait().await?.into_answer();
                return Err(end.expect_err("a task without an id has no answer"));
            }
        }
        Ok(Started(self))
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<NumberedEvent>, Error>> {
        let event = ready!(self.poll_event(cx))?;
        if let Some(Event::Question(question)) = event.as_deref() {
            self.handling.reported.push(question.id.clone());
        }
        Poll::Ready(Ok(event))
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<NumberedEvent>, Error>> {
        let FollowedTask::Live(drive) = &mut self.task else {
            return Poll::Ready(Ok(None));
        };
        let event = ready!(drive.poll_event(cx))?;
        if let (Some(hook), Some(event)) = (&mut self.on_event, &event) {
            hook(event);
        }
        Poll::Ready(Ok(event))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<RunResult<P::Output>, Error>> {
        for id in std::mem::take(&mut self.handling.reported) {
            if self.detaching.is_none()
                && let Some(question) = self.task.open(&id)
            {
                self.detaching = self.handling.receive(question);
            }
        }
        loop {
            if self.detaching.is_some() {
                if let FollowedTask::Live(drive) = &mut self.task {
                    ready!(drive.poll_detach(cx))?;
                }
                if let Some(why) = self.detaching.take() {
                    return Poll::Ready(Ok(self.task.leave(why)));
                }
            }
            if let Some(reply) = self.handling.poll_reply(cx) {
                let (question, reply) = reply.map_err(|e| self.task.unanswered(e))?;
                self.detaching = self.task.reply(question, reply)?;
                if self.detaching.is_some() {
                    continue;
                }
            }
            match self.poll_event(cx)? {
                Poll::Ready(Some(event)) => self.detaching = self.judge(event.event),
                Poll::Ready(None) => return Poll::Ready(self.end()),
                Poll::Pending if self.handling.is_new() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Returns the reason to detach when an event hands control back.
    fn judge(&mut self, event: Event) -> Option<DetachReason> {
        match event {
            Event::Question(question) => self.handling.receive(question),
            Event::Withdrawn { question, .. } => {
                self.handling.withdraw(&question);
                None
            }
            Event::Paused(status) if self.handling.leave_review => {
                Some(DetachReason::Review(status))
            }
            Event::Answered { question, how, .. } => self.task.judge_answer(&question, &how),
            _ => None,
        }
    }

    fn end(&mut self) -> Result<RunResult<P::Output>, Error> {
        let end = self.task.end();
        if matches!(self.task, FollowedTask::Ended(_)) {
            // A handler that still thinks thinks about nothing.
            self.handling.asking = None;
        }
        end
    }
}

impl QuestionHandling {
    /// Takes a question; returns the reason to detach when nobody here can answer it.
    fn receive(&mut self, question: Question) -> Option<DetachReason> {
        if self.asked.contains(&question.id) {
            let waits = |held: &Question| held.id == question.id;
            let pending = self.queue.iter().any(waits)
                || self.asking.as_ref().is_some_and(|(held, _)| waits(held));
            return (!pending).then_some(DetachReason::Question(question));
        }
        if self.handler.is_none() {
            return Some(DetachReason::Question(question));
        }
        self.asked.push(question.id.clone());
        self.queue.push_back(question);
        None
    }

    fn withdraw(&mut self, id: &QuestionId) {
        self.queue.retain(|question| question.id != *id);
        self.asking.take_if(|(question, _)| question.id == *id);
    }

    /// Returns whether a question waits that was not passed to the handler yet.
    fn is_new(&self) -> bool {
        self.asking.is_none() && !self.queue.is_empty()
    }

    /// Returns what the handler decided, once it has; asks it the next question when it is free.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Option<Result<(Question, Reply), BoxError>> {
        if self.is_new()
            && let (Some(handler), Some(question)) = (&mut self.handler, self.queue.pop_front())
        {
            let asking = handler(question.clone());
            self.asking = Some((question, asking));
        }
        let (_, asking) = self.asking.as_mut()?;
        let Poll::Ready(reply) = asking.as_mut().poll(cx) else {
            return None;
        };
        let (question, _) = self.asking.take()?;
        Some(reply.map(|reply| (question, reply)))
    }
}

/// The events of a [`Running`] as a stream.
#[derive(Debug)]
pub struct Events<'a, P: Provider>(&'a mut Running<P>);

impl<P: Provider> futures_core::Stream for Events<'_, P> {
    type Item = Result<NumberedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_told(cx).map(Result::transpose)
    }
}

/// A [`Running`] whose task is known to exist.
#[derive(Debug)]
pub struct Started<P: Provider>(Running<P>);

impl<P: Provider> Started<P> {
    /// Returns the task's id: all that another process needs to [`attach`](Client::attach).
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.id().expect("a started task has an id").clone()
    }

    /// Returns the followed task.
    #[must_use]
    pub fn into_running(self) -> Running<P> {
        self.0
    }
}

impl<P: Provider> Deref for Started<P> {
    type Target = Running<P>;

    fn deref(&self) -> &Running<P> {
        &self.0
    }
}

impl<P: Provider> DerefMut for Started<P> {
    fn deref_mut(&mut self) -> &mut Running<P> {
        &mut self.0
    }
}
