//! A task of the platform: plain data, and what follows from that data alone.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::script::Step;

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Submitted,
    Working,
    InputRequired,
    AuthRequired,
    Completed,
    Failed,
    Canceled,
    Rejected,
}

impl State {
    /// Returns its name in version 1.0, and in version 0.3.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Submitted => ("TASK_STATE_SUBMITTED", "submitted"),
            Self::Working => ("TASK_STATE_WORKING", "working"),
            Self::InputRequired => ("TASK_STATE_INPUT_REQUIRED", "input-required"),
            Self::AuthRequired => ("TASK_STATE_AUTH_REQUIRED", "auth-required"),
            Self::Completed => ("TASK_STATE_COMPLETED", "completed"),
            Self::Failed => ("TASK_STATE_FAILED", "failed"),
            Self::Canceled => ("TASK_STATE_CANCELED", "canceled"),
            Self::Rejected => ("TASK_STATE_REJECTED", "rejected"),
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Canceled | Self::Rejected => true,
            Self::Submitted | Self::Working | Self::InputRequired | Self::AuthRequired => false,
        }
    }

    /// Returns whether a client that waits for the task is to do something.
    pub(crate) fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }
}

/// The status of a task.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) message: Option<Value>,
    pub(crate) at: u64,
    /// Whether the server itself set it, behind the agent's back.
    pub(crate) is_of_server: bool,
}

/// An artifact.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<&'static str>,
    pub(crate) parts: Vec<Value>,
}

/// What happened to a task, as streams tell it.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// There is a task.
    Created {
        status: Status,
        /// The message that it was made for.
        message: Value,
    },
    /// The whole task, as it is shown.
    Whole(Value),
    Status {
        status: Status,
        context: String,
    },
    Artifact {
        artifact: Artifact,
        append: bool,
        last: bool,
        context: String,
    },
    /// A message, and no task.
    Message(Value),
    /// The agent broke.
    Crashed,
}

/// The question that waits for a message.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// In words.
    pub(crate) text: String,
    /// Its number among all questions.
    pub(crate) number: usize,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) context: String,
    /// The context of the turn.
    pub(crate) turn_context: String,
    pub(crate) agent: String,
    /// Whether the agent is a script that the first message spells out.
    pub(crate) is_script: bool,
    /// Whether it can be seen; before its first event it cannot, and a message in its place never can.
    pub(crate) is_published: bool,
    pub(crate) status: Status,
    pub(crate) history: Vec<Value>,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) events: Vec<Event>,
    /// What remains to be done.
    pub(crate) steps: VecDeque<Step>,
    /// What the user said first, and last.
    pub(crate) first_said: String,
    pub(crate) last_said: String,
    /// When the step under way is over.
    pub(crate) step_ends_at: Option<u64>,
    /// When a cancel that was taken has its effect.
    pub(crate) cancels_at: Option<u64>,
    /// How many messages were taken up.
    pub(crate) turn: u64,
    /// Whether a turn is under way.
    pub(crate) is_running: bool,
    pub(crate) asked: Option<Asked>,
    /// Messages that wait for the end of the turn.
    pub(crate) queued: VecDeque<Value>,
    /// Whether it refuses to be cancelled.
    pub(crate) is_stubborn: bool,
    /// Whether the server has restarted, and knows no more what was to be done.
    pub(crate) is_orphan: bool,
    /// Where it is to tell what happens, by id.
    pub(crate) push_configs: BTreeMap<String, Value>,
    pub(crate) streams: u64,
    pub(crate) requests: BTreeMap<String, u64>,
}

impl Task {
    /// Puts what the user said in the place of `{text}` and `{answer}`, but in the steps that the user wrote.
    pub(crate) fn filled(&self, text: &str) -> String {
        if self.is_script {
            return text.to_owned();
        }
        let text = text.replace("{text}", &self.first_said);
        text.replace("{answer}", &self.last_said)
    }
}
