//! A task of the platform: plain data, and what follows from that data alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::agents::{Agent, Step, Talk};

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Pending,
    Queued,
    Running,
    Waiting,
    Review,
    Completed,
    Failed,
    Stopped,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting_for_input",
            Self::Review => "awaiting_review",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Stopped => true,
            Self::Pending | Self::Queued | Self::Running | Self::Waiting | Self::Review => false,
        }
    }

    pub(crate) fn is_human(self) -> bool {
        matches!(self, Self::Waiting | Self::Review)
    }
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) agent: usize,
    /// What its agent did when it was started; an update of the agent is for later ones.
    pub(crate) behaviour: Arc<dyn Agent>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) phase: Phase,
    /// A status of a script's own choice, shown in place of `running`.
    pub(crate) shown: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) talk: Talk,
    /// What remains of the turn.
    pub(crate) steps: VecDeque<Step>,
    /// When the step under way (or the `pending` time) is over.
    pub(crate) step_ends_at: Option<u64>,
    /// When the messages that came are taken up.
    pub(crate) wakes_at: Option<u64>,
    /// When a cancel takes effect.
    pub(crate) stops_at: Option<u64>,
    /// User messages that no turn has taken up.
    pub(crate) unread: Vec<String>,
    /// The open question: its number in the statistics.
    pub(crate) question: Option<usize>,
    pub(crate) feed: Vec<FeedItem>,
    pub(crate) messages: Vec<Message>,
    pub(crate) data: Option<Value>,
    /// When it ended, and how long the feed was just before.
    pub(crate) ended: Option<(u64, usize)>,
    pub(crate) requests: BTreeMap<String, u64>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) text: String,
    pub(crate) at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
}

#[derive(Debug)]
pub(crate) struct FeedItem {
    pub(crate) at: u64,
    pub(crate) entry: Entry,
}

#[derive(Debug)]
pub(crate) enum Entry {
    /// Removed before anyone reads it.
    Transient(String),
    Message(Role, String),
    ToolCall(String, Value),
    Error(String),
    /// The step's `result`.
    TaskComplete(Value),
}

impl Task {
    pub(crate) fn status(&self) -> &str {
        self.shown.as_deref().unwrap_or_else(|| self.phase.name())
    }

    pub(crate) fn last_assistant_message(&self) -> Option<&Message> {
        self.messages
            .iter()
            .rev()
            .find(|message| message.role == Role::Assistant)
    }
}
