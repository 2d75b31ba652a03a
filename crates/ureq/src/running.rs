//! A followed task: its events, its questions, and the way to hand control back.

use std::fmt;
use std::ops::{Deref, DerefMut};

use taskward_client::followed::FollowedTask;
use taskward_client::run::{Hooks, OnEvent};
use taskward_core::{
    Answer, AnswerError, ApiError, DetachReason, Detached, Error, Event, Liveness, MessageNo,
    NumberedEvent, Provider, Question, QuestionId, RunResult, Snapshot, Status, Task, TaskId,
};

use crate::client::Client;
use crate::drive::Drive;
use crate::handle::Handle;
use crate::run::OnQuestion;

/// A task that is being followed. It owns the state machine and its exchanges: dropping it ends the following and does not
/// touch the task.
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
    #[expect(
        clippy::should_implement_trait,
        reason = "the iterator is `events`; this is the async adapter's word"
    )]
    pub fn next(&mut self) -> Result<Option<NumberedEvent>, Error> {
        let event = self.event()?;
        if let Some(Event::Question(question)) = event.as_deref() {
            self.handling.reported.push(question.id.clone());
        }
        Ok(event)
    }

    /// Returns the events of [`next`](Self::next) as an iterator.
    pub fn events(&mut self) -> Events<'_, P> {
        Events(self)
    }

    /// Follows the task until it ends or control is handed back: by a question without a handler, an answer of unknown
    /// outcome, a review that is not waited for, or an interrupt.
    ///
    /// # Errors
    /// When the handler or the save hook failed; the task is untouched. When the outcome was returned before.
    pub fn wait(&mut self) -> Result<RunResult<P::Output>, Error> {
        for id in std::mem::take(&mut self.handling.reported) {
            if self.detaching.is_none()
                && let Some(question) = self.task.open(&id)
            {
                self.detaching = self.ask(question)?;
            }
        }
        loop {
            if self.detaching.is_some() {
                if let FollowedTask::Live(drive) = &mut self.task {
                    drive.detach()?;
                }
                if let Some(why) = self.detaching.take() {
                    return Ok(self.task.leave(why));
                }
            }
            match self.event()? {
                Some(event) => self.detaching = self.judge(event.event)?,
                None => return self.task.end(),
            }
        }
    }

    /// Returns a handle to answer, cancel or interrupt from another thread while this is driven.
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

    pub(crate) fn started(mut self) -> Result<Started<P>, Error> {
        while self.id().is_none() {
            if self.next()?.is_none() {
                let end = self.wait()?.into_answer();
                return Err(end.expect_err("a task without an id has no answer"));
            }
        }
        Ok(Started(self))
    }

    fn event(&mut self) -> Result<Option<NumberedEvent>, Error> {
        let FollowedTask::Live(drive) = &mut self.task else {
            return Ok(None);
        };
        let event = drive.event()?;
        if let (Some(hook), Some(event)) = (&mut self.on_event, &event) {
            hook(event);
        }
        Ok(event)
    }

    /// Returns the reason to detach when an event hands control back.
    fn judge(&mut self, event: Event) -> Result<Option<DetachReason>, Error> {
        match event {
            Event::Question(question) => self.ask(question),
            Event::Paused(status) if self.handling.leave_review => {
                Ok(Some(DetachReason::Review(status)))
            }
            Event::Answered { question, how, .. } => Ok(self.task.judge_answer(&question, &how)),
            _ => Ok(None),
        }
    }

    /// Asks the handler a question and does what it decides; returns the reason to detach when nobody here can answer.
    fn ask(&mut self, question: Question) -> Result<Option<DetachReason>, Error> {
        let Some(handler) = &mut self.handling.handler else {
            return Ok(Some(DetachReason::Question(question)));
        };
        if self.handling.asked.contains(&question.id) {
            return Ok(Some(DetachReason::Question(question)));
        }
        self.handling.asked.push(question.id.clone());
        let reply = handler(question.clone()).map_err(|e| self.task.unanswered(e))?;
        self.task.reply(question, reply)
    }
}

/// The events of a [`Running`] as an iterator.
#[derive(Debug)]
pub struct Events<'a, P: Provider>(&'a mut Running<P>);

impl<P: Provider> Iterator for Events<'_, P> {
    type Item = Result<NumberedEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().transpose()
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
