//! What the events of a task have told so far: its status, what failed last, and what came of what was said to it. A fold
//! over events, which decides nothing and prints nothing.

use taskward::Event;
use taskward::core::{EventSeq, RawEvent};
use taskward::event::Status;
use taskward::question::{Answered, QuestionId};

use crate::platform::Words;
use crate::sent::{StartKind, Undelivered};

/// The answer of this command to a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AnswerState {
    /// None was given.
    #[default]
    None,
    /// It was given, and it is not known yet what comes of it; this came of the one before.
    Given { before: Option<Answered> },
    /// This came of it.
    Known(Answered),
}

/// What is known of a task.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The last status that the server told.
    pub(crate) status: Option<Status>,
    /// What failed last, until something works.
    pub(crate) failure: Option<String>,
    /// Requests made in a row for one thing, the failed ones included.
    pub(crate) attempts: u32,
    answer: AnswerState,
    /// What came of the last message.
    message: Option<Answered>,
    /// The question whose answer the server refused last, and in which words.
    refused: Option<(QuestionId, String)>,
    /// The event that asked last.
    pub(super) asked_at: Option<EventSeq>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            status: None,
            failure: None,
            attempts: 1,
            answer: AnswerState::None,
            message: None,
            refused: None,
            asked_at: None,
        }
    }
}

impl Known {
    /// Takes an event in.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Created { status, .. } => {
                self.status = status.clone().or(self.status.take());
                self.attempts = 1;
                self.failure = None;
            }
            Event::Status(status) => {
                self.status = Some(status.clone());
                self.failure = None;
            }
            Event::Retrying {
                attempt, failed, ..
            } => {
                self.attempts = attempt + 1;
                self.failure = Some(failed.to_string());
            }
            Event::Question(question) => {
                if let AnswerState::Given { before } = self.answer {
                    self.answer = before.map_or(AnswerState::None, AnswerState::Known);
                }
                self.asked_at = question.seq.or(self.asked_at);
            }
            Event::Answered {
                question,
                how,
                detail,
            } => {
                self.answer = AnswerState::Known(*how);
                let refused = *how == Answered::Refused;
                self.refused =
                    refused.then(|| (question.clone(), detail.clone().unwrap_or_default()));
            }
            Event::Sent { how, .. } => self.message = Some(*how),
            _ => {}
        }
    }

    /// Takes a status from an event of the provider's own, which comes before any read. A stream that is replayed from the
    /// start has old ones; a status that `is_over` is never taken from it.
    pub(super) fn apply_raw(&mut self, event: &RawEvent, words: &Words) {
        let Some((from, to)) = (words.change)(event) else {
            return;
        };
        let mut told = Status::unknown(to);
        if let Some(status) = &mut self.status
            && (status.as_str() == from || (words.is_over)(&told))
        {
            told.known = status.known;
            *status = told;
        }
    }

    /// Notes that an answer is about to leave.
    pub(super) fn answering(&mut self) {
        let before = match self.answer {
            AnswerState::None => None,
            AnswerState::Given { before } => before,
            AnswerState::Known(how) => Some(how),
        };
        self.answer = AnswerState::Given { before };
    }

    /// What the server said when it refused the answer to this question.
    pub(crate) fn refusal(&self, question: &QuestionId) -> Option<String> {
        let (_, why) = self.refused.as_ref().filter(|(id, _)| id == question)?;
        Some(why.clone())
    }

    /// What was last said to the task and what became of it, when that is over and done with. A message that nothing is
    /// known of never left; neither did an answer that nobody took any further.
    pub(crate) fn last_said(&self, start_kind: &StartKind) -> Option<(Undelivered, Answered)> {
        let sent = match start_kind {
            StartKind::Message(_) => self.message.or(Some(Answered::NotSent)),
            _ => self.message,
        };
        let answered = match self.answer {
            AnswerState::None => None,
            AnswerState::Given { .. } => Some(Answered::NotSent),
            AnswerState::Known(how) => Some(how),
        };
        let message = sent.map(|how| (Undelivered::Message, how));
        let answer = answered.map(|how| (Undelivered::Answer, how));
        match message {
            // Whoever wanted to send one wants to know first.
            Some((_, how)) if how != Answered::Applied => message,
            _ => answer.or(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::core::{FailedAttempt, MessageNo};
    use taskward::event::RetryReason;
    use taskward::question::QuestionKind;
    use taskward::{Question, TaskId};

    #[test]
    fn what_was_said_last_is_what_somebody_waits_to_hear_of() {
        let mut known = Known::default();
        let question = Question::new(QuestionId::new("q"), QuestionKind::Text, "Which?");
        let answered = |how| Event::Answered {
            question: QuestionId::new("q"),
            how,
            detail: Some("too late".to_owned()),
        };
        let said = |known: &Known| known.last_said(&StartKind::Watch);
        assert_eq!(said(&known), None);
        known.answering();
        assert_eq!(said(&known), Some((Undelivered::Answer, Answered::NotSent)));
        known.apply(&answered(Answered::Refused));
        assert_eq!(said(&known), Some((Undelivered::Answer, Answered::Refused)));
        let refused = known.refusal(&QuestionId::new("q"));
        assert_eq!(refused.as_deref(), Some("too late"));
        // The same question again takes back that an answer was on its way, and not what came of the one before.
        known.answering();
        known.apply(&Event::Question(question));
        assert_eq!(said(&known), Some((Undelivered::Answer, Answered::Refused)));
        known.apply(&answered(Answered::Applied));
        assert_eq!(known.refusal(&QuestionId::new("q")), None);
        known.apply(&Event::Sent {
            message: MessageNo(1),
            how: Answered::Unknown,
            detail: None,
        });
        assert_eq!(
            said(&known),
            Some((Undelivered::Message, Answered::Unknown))
        );
    }

    #[test]
    fn a_failure_is_known_until_something_works() {
        let mut known = Known::default();
        known.apply(&Event::Retrying {
            attempt: 3,
            failed: FailedAttempt::new(RetryReason::Status(503), "503"),
            until: taskward::core::Timestamp::from_millis(0),
        });
        assert_eq!((known.attempts, known.failure.as_deref()), (4, Some("503")));
        known.apply(&Event::Status(Status::known("running")));
        assert_eq!((known.attempts, known.failure.as_deref()), (4, None));
        known.apply(&Event::Created {
            id: TaskId::new("t"),
            status: None,
            replayed: false,
        });
        assert_eq!(known.attempts, 1);
        assert_eq!(known.status, Some(Status::known("running")));
    }
}
