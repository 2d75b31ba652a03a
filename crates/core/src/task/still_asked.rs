//! Whether the task still asks the question that is being answered. No answer is sent without a [`StillAsked`], and only
//! this file makes one.

use crate::id::QuestionId;
use crate::provider::PollResult;
use crate::question::Question;
use crate::time::Timestamp;

use super::questions::{QuestionState, Questions};
use super::stream::Stream;
use super::stream::health::Availability;

/// The proof that a read of the task, with the events that it rests on, shows it waiting for an answer to this question.
#[derive(Debug, Clone)]
pub(super) struct StillAsked(QuestionId);

impl StillAsked {
    pub(super) fn is_about(&self, question: &Question) -> bool {
        self.0 == question.id
    }

    #[cfg(test)]
    pub(super) fn in_a_test(question: &str) -> Self {
        Self(QuestionId::new(question))
    }
}

/// What is known of a question that is being answered.
#[derive(Debug)]
pub(super) enum Asked {
    Still(StillAsked),
    NoLonger,
    /// The task waits, and its list of events says what for.
    SeeList,
    /// The task waits, and nothing says what for.
    Unknown,
}

impl Asked {
    fn when(is_asked: bool, question: &Question) -> Self {
        match is_asked {
            true => Self::Still(StillAsked(question.id.clone())),
            false => Self::NoLonger,
        }
    }

    /// Judges a read of the task.
    pub(super) fn by_read<O>(
        question: &Question,
        result: &PollResult<O>,
        events: &KnownEvents<'_>,
    ) -> Self {
        match result {
            PollResult::Waiting(_) if events.has_list => Self::SeeList,
            PollResult::Waiting(_) => Self::by_events(question, events, false),
            PollResult::Asking(questions) => {
                let is_asked = questions.iter().any(|shown| shown.id == question.id);
                Self::when(is_asked, question)
            }
            _ => Self::NoLonger,
        }
    }

    /// Judges the events of a task that waits; `is_list_read` says whether the list was just read to its end.
    pub(super) fn by_events(
        question: &Question,
        events: &KnownEvents<'_>,
        is_list_read: bool,
    ) -> Self {
        let entry = events.questions.get(&question.id);
        let server_id = entry.map_or(&question.id, |entry| entry.server_id());
        let is_overtaken = entry.is_some_and(|entry| entry.state == QuestionState::Overtaken);
        match &events.stream.asked {
            _ if events.stream.end.is_some() || is_overtaken => Self::NoLonger,
            Some(asked) if asked.question.id != *server_id => Self::NoLonger,
            // The events say nothing about a stand-in.
            None if entry.is_some_and(|entry| entry.is_unnamed()) => Self::when(true, question),
            asked if is_list_read || events.stream.was_trusted(events.now) => {
                Self::when(asked.is_some(), question)
            }
            _ => Self::Unknown,
        }
    }
}

/// The events that a task has shown, and what could show more.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownEvents<'a> {
    pub(super) questions: &'a Questions,
    pub(super) stream: &'a Stream,
    pub(super) has_list: bool,
    pub(super) now: Timestamp,
}

impl KnownEvents<'_> {
    /// Returns whether the list, or a stream that is opened again, may yet say what the task waits for.
    pub(super) fn may_come(&self) -> bool {
        let is_expected = self.stream.health.availability == Availability::Expected;
        self.has_list || (is_expected && self.stream.open().is_none())
    }
}
