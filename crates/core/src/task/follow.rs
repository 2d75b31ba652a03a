//! A task whose id is known: the regions that exist only then.

use crate::error::ApiError;
use crate::event::Status;
use crate::id::{EventSeq, QuestionId, TaskId};
use crate::key::IdempotencyKey;
use crate::operation::Safety;
use crate::outcome::TimeLimit;
use crate::policy::Policy;
use crate::provider::{PollResult, Provider, ReadKind};
use crate::question::{Answer, AnswerError};
use crate::time::Timestamp;

use super::cancel::Cancel;
use super::clocks::Deadlines;
use super::env::Env;
use super::link::{Link, Read};
use super::outbox::Outbox;
use super::poller::Poller;
use super::questions::{QuestionChange, Questions, answerable, fits};
use super::stream::StreamRegion;
use super::turn::Turn;
use super::writes::{WriteKind, Writes};

/// What is known of a task with an id.
#[derive(Debug)]
pub(super) struct Follow<P: Provider> {
    pub(super) id: TaskId,
    /// When this process saw the task start: soon after, a 404 means that its record is not visible yet.
    pub(super) created_at: Option<Timestamp>,
    /// The last status seen.
    pub(super) status: Option<Status>,
    pub(super) freshness: StatusFreshness,
    pub(super) poller: Poller,
    pub(super) stream: StreamRegion,
    /// A poll result that is deferred until the list of events has been read.
    pub(super) deferred: Option<Box<PollResult<P::Output>>>,
    pub(super) questions: Questions,
    pub(super) writes: Writes,
    pub(super) turn: Option<Box<Turn>>,
    /// The last time of which it was reported that nothing has changed since, by the server's clock.
    pub(super) no_progress_since: Option<Timestamp>,
    /// The server's error for the last answer, message or cancel that was refused; `None` if the client refused it.
    pub(super) refused: Option<Box<ApiError>>,
}

/// Whether the status may predate a write of ours.
///
/// A status read after a write may still say "waiting" while the conversation, read a moment later, already shows what
/// the agent has said since: perhaps its last words, and not a question. So what the agent says counts as a question
/// only once a status that was read *after* it still says that the task waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StatusFreshness {
    /// The status has changed since the last write, or nothing was written.
    Current,
    /// A write arrived at this time and the status has not changed since.
    StaleSince(Timestamp),
    /// The agent said this after our write; the next status shows whether it is a question.
    AwaitingConfirmation(QuestionId),
}

/// What the regions of a task share with the task as a whole.
pub(super) struct Cx<'a, P> {
    pub(super) env: &'a mut Env<P>,
    pub(super) link: &'a mut Link,
    pub(super) out: &'a mut Outbox,
    pub(super) clocks: &'a mut Deadlines,
    pub(super) cancel: &'a mut Cancel,
}

impl<P: Provider> Follow<P> {
    /// Creates a task of which nothing but the id is known; events up to `after` are.
    pub(super) fn new(
        id: TaskId,
        after: Option<EventSeq>,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            created_at: None,
            status: None,
            freshness: StatusFreshness::Current,
            poller: Poller::new(policy, now),
            stream: StreamRegion::new(after, now),
            deferred: None,
            questions: Questions::default(),
            writes: Writes::default(),
            turn: None,
            no_progress_since: None,
            refused: None,
        }
    }

    /// Returns what the provider is asked to read.
    pub(super) fn kind_of(&self, read: Read) -> ReadKind {
        match read {
            Read::Status => ReadKind::Status,
            Read::Questions => ReadKind::Questions,
            Read::Events => ReadKind::Events {
                cursor: self
                    .stream
                    .backfill
                    .as_ref()
                    .and_then(|fill| fill.cursor.clone()),
            },
            Read::Steps => ReadKind::Steps,
            Read::Result => ReadKind::Result,
        }
    }

    /// Runs the human's clock while a question or a review is open, and the agent's clock otherwise.
    #[inline]
    pub(super) fn update_clock(&self, cx: &mut Cx<'_, P>) {
        let limit = if self.questions.wait_for_a_human() {
            TimeLimit::Waiting
        } else {
            TimeLimit::Working
        };
        cx.clocks.run(limit, cx.env.now);
    }

    /// Queues the answer to an open question.
    pub(super) fn answer(
        &mut self,
        question: &QuestionId,
        answer: Answer,
        safety: Safety,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        let entry = answerable(self.questions.all(), Some(&self.id), question)?;
        fits(&entry.question, &answer)?;
        let question = entry.question.clone();
        let key = (safety == Safety::Keyed).then(|| {
            // The key is made of the bare event sequence or the server's id, as in every version, so that the same
            // answer given by another version has the same key.
            let place = match question.seq {
                Some(seq) => seq.to_string(),
                None => entry.server_id().to_string(),
            };
            IdempotencyKey::of_answer(self.id.as_str(), &place, &answer)
        });
        self.questions
            .change(&question.id, QuestionChange::Answered);
        let kind = WriteKind::Answer {
            question: Box::new(question),
            answer,
        };
        self.writes.push(kind, key, now);
        Ok(())
    }

    /// Returns whether a read has shown that the task is over, while its list of events is still being read.
    pub(super) fn has_deferred_end(&self) -> bool {
        self.deferred.as_deref().is_some_and(PollResult::is_over)
    }
}
