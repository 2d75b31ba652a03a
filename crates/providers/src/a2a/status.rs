//! The words of a task's state, in the spelling of 1.0 and in that of 0.3.

use taskward_core::Status;

use super::types::{TaskState, TaskStatus};

/// What a state means for who follows the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The agent has the task and has not begun.
    Submitted,
    /// The agent works.
    Working,
    /// The agent waits for an answer.
    InputRequired,
    /// The agent waits for a credential, which may arrive elsewhere: it may go on by itself.
    AuthRequired,
    /// The task is done.
    Completed,
    /// The agent failed.
    Failed,
    /// The task was cancelled.
    Canceled,
    /// The agent declined the task; nothing was done.
    Rejected,
    /// No state, or one that this version does not know. It is never an end.
    Unknown,
}

impl State {
    /// Returns whether the task is over.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Canceled | Self::Rejected
        )
    }

    /// Returns whether the task waits for somebody.
    #[must_use]
    pub fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }

    /// Returns what a word of the protocol means.
    #[must_use]
    pub fn of(state: &TaskState) -> Self {
        use TaskState as T;
        match state {
            T::TaskStateSubmitted => Self::Submitted,
            T::TaskStateWorking => Self::Working,
            T::TaskStateInputRequired => Self::InputRequired,
            T::TaskStateAuthRequired => Self::AuthRequired,
            T::TaskStateCompleted => Self::Completed,
            T::TaskStateFailed => Self::Failed,
            T::TaskStateCanceled => Self::Canceled,
            T::TaskStateRejected => Self::Rejected,
            T::Unknown(word) => Self::of_version_0_3(word),
            T::TaskStateUnspecified => Self::Unknown,
        }
    }

    fn of_version_0_3(word: &str) -> Self {
        match word {
            "submitted" => Self::Submitted,
            "working" => Self::Working,
            "input-required" => Self::InputRequired,
            "auth-required" => Self::AuthRequired,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "rejected" => Self::Rejected,
            _ => Self::Unknown,
        }
    }
}

/// Returns what a status means; one without a state means nothing.
pub(super) fn state_of(status: &TaskStatus) -> State {
    status.state.as_ref().map_or(State::Unknown, State::of)
}

/// Returns the status for the machine. One state has one word, however the server spells it: a stream and a read of one
/// server may spell it in two ways, which is no change.
pub(super) fn status_of(state: Option<&TaskState>) -> Status {
    let Some(state) = state else {
        return Status::unknown("no state");
    };
    match State::of(state) {
        State::Submitted => Status::known("submitted"),
        State::Working => Status::known("working"),
        State::InputRequired => Status::known("input-required"),
        State::AuthRequired => Status::known("auth-required"),
        State::Completed => Status::known("completed"),
        State::Failed => Status::known("failed"),
        State::Canceled => Status::known("canceled"),
        State::Rejected => Status::known("rejected"),
        State::Unknown => Status::unknown(state.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: P7.
    #[test]
    fn both_spellings_of_a_state_are_one_and_only_four_are_an_end() {
        for (new, old, terminal, interrupted) in [
            ("TASK_STATE_SUBMITTED", "submitted", false, false),
            ("TASK_STATE_WORKING", "working", false, false),
            ("TASK_STATE_INPUT_REQUIRED", "input-required", false, true),
            ("TASK_STATE_AUTH_REQUIRED", "auth-required", false, true),
            ("TASK_STATE_COMPLETED", "completed", true, false),
            ("TASK_STATE_FAILED", "failed", true, false),
            ("TASK_STATE_CANCELED", "canceled", true, false),
            ("TASK_STATE_REJECTED", "rejected", true, false),
        ] {
            let (new, old) = (TaskState::from(new), TaskState::from(old));
            let state = State::of(&new);
            assert_eq!(state, State::of(&old));
            assert_eq!(status_of(Some(&new)), status_of(Some(&old)));
            assert_eq!(status_of(Some(&new)).as_str(), old.as_str());
            assert!(status_of(Some(&new)).known);
            assert_eq!(
                (state.is_terminal(), state.is_interrupted()),
                (terminal, interrupted)
            );
        }
    }

    /// Rows: P7.
    #[test]
    fn any_other_word_is_told_as_it_came_and_is_no_end() {
        for word in [
            "TASK_STATE_UNSPECIFIED",
            "unknown",
            "",
            "COMPLETED",
            "TASK_STATE_PAUSED",
            "7",
        ] {
            let state = TaskState::from(word);
            assert_eq!(State::of(&state), State::Unknown, "{word}");
            assert_eq!(status_of(Some(&state)), Status::unknown(word));
        }
        assert!(!State::Unknown.is_terminal() && !State::Unknown.is_interrupted());
        assert!(!status_of(None).known);
        assert_eq!(state_of(&TaskStatus::default()), State::Unknown);
    }
}
