//! What the simulated agents do, as pure functions from a conversation to steps.

mod asker;
mod chat;
mod echo;
mod failing;
mod invoice;
mod reviewer;
mod script;
mod slow;

use std::fmt::Debug;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

pub(crate) use script::Script;

use crate::message::Upload;
use crate::written;

/// One thing an agent does. A scenario file writes it as a table of one field, named after it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Runs for so many milliseconds.
    #[serde(rename = "run")]
    Work(#[serde(deserialize_with = "written::millis")] u64),
    /// Shows a status of the script's own choice for so many milliseconds.
    #[serde(skip)]
    Show(String, u64),
    /// Add a passing entry that no reply ever shows.
    Think(String),
    /// Calls a tool: an entry of the feed.
    #[serde(deserialize_with = "scripted_tool")]
    Tool { name: String, content: Value },
    /// Writes a message and continues.
    Say(String),
    /// Asks something and waits for a message. Nothing follows it in a turn.
    Ask(String),
    /// Ends the turn and waits for a message. Nothing follows it in a turn.
    #[serde(deserialize_with = "written::only_true")]
    Pause,
    /// Waits for a human at the dashboard.
    Review(String),
    /// Ends well.
    Complete(Answer),
    /// Ends badly.
    Fail(String),
}

/// Reads the call of the only tool that scripts have.
fn scripted_tool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(String, Value), D::Error> {
    Ok(("scripted".to_owned(), Value::deserialize(deserializer)?))
}

/// What a completed task has as its result.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawAnswer")]
pub(crate) struct Answer {
    pub(crate) shape: Shape,
    pub(crate) data: Option<Value>,
}

/// What a task completes with, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    summary: Option<String>,
    object: Option<Value>,
    data: Option<Value>,
}

impl TryFrom<RawAnswer> for Answer {
    type Error = String;

    fn try_from(raw: RawAnswer) -> Result<Self, String> {
        let shape = match (raw.summary, raw.object) {
            (Some(summary), None) => Shape::Summary(summary),
            (None, Some(object)) => Shape::Object(object),
            (None, None) => Shape::LastContent,
            (Some(_), Some(_)) => {
                return Err("\"complete\" takes \"summary\" or \"object\", not both".to_owned());
            }
        };
        Ok(Self {
            shape,
            data: raw.data,
        })
    }
}

/// How the end stands in the feed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A `task_complete` step with `structuredContent.summary`.
    Summary(String),
    /// A `task_complete` step with a free-form result.
    Object(Value),
    /// No `task_complete` step: the last message is the answer.
    LastContent,
}

/// The conversation so far, as an agent sees it when its turn comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk {
    pub(crate) query: Option<String>,
    pub(crate) files: Vec<Upload>,
    pub(crate) output_config: Option<Value>,
    /// The user's messages after the query that were taken up.
    pub(crate) replies: Vec<String>,
    /// 0 for the turn that the run began.
    pub(crate) turn: usize,
}

impl Talk {
    fn query(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }

    fn last_reply(&self) -> &str {
        self.replies.last().map_or("", String::as_str)
    }
}

/// An agent: what it does in the turn that now begins.
pub(crate) trait Agent: Debug + Send + Sync {
    fn turn(&self, talk: &Talk) -> Vec<Step>;
}

/// One entry of the built-in registry.
#[derive(Clone)]
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) version: u32,
    pub(crate) status: &'static str,
    pub(crate) is_active: bool,
    turn: fn(&Talk) -> Vec<Step>,
}

impl BuiltIn {
    const fn new(name: &'static str, about: &'static str, turn: fn(&Talk) -> Vec<Step>) -> Self {
        Self {
            name,
            about,
            version: 1,
            status: "published",
            is_active: true,
            turn,
        }
    }
}

impl Debug for BuiltIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Agent for BuiltIn {
    fn turn(&self, talk: &Talk) -> Vec<Step> {
        (self.turn)(talk)
    }
}

/// The agents that every simulator has, oldest first.
pub(crate) static BUILT_IN: [BuiltIn; 11] = [
    BuiltIn {
        status: "archived",
        ..BuiltIn::new("archived", "An agent that was put away.", echo::old_turn)
    },
    ECHO,
    BuiltIn::new(
        "invoice",
        "Reads the line items of CSV, JSON and text invoices.",
        invoice::turn,
    ),
    BuiltIn::new(
        "asker",
        "Asks one question and uses the answer.",
        asker::turn,
    ),
    BuiltIn::new(
        "chat",
        "Pauses after each turn; the message bye ends it.",
        chat::turn,
    ),
    BuiltIn::new(
        "reviewer",
        "Waits for an approval in the dashboard.",
        reviewer::turn,
    ),
    BuiltIn::new("slow", "Takes ten minutes.", slow::turn),
    BuiltIn::new("failing", "Fails.", failing::turn),
    BuiltIn {
        is_active: false,
        ..BuiltIn::new("inactive", "An agent that is switched off.", echo::old_turn)
    },
    BuiltIn {
        status: "draft",
        ..BuiltIn::new("draft", "A draft that is not runnable yet.", echo::old_turn)
    },
    NEW_ECHO,
];

const ECHO: BuiltIn = BuiltIn::new("echo", "Returns the query.", echo::old_turn);

/// The newest version of `echo`.
pub(crate) const NEW_ECHO: BuiltIn = BuiltIn {
    version: 2,
    ..BuiltIn::new(
        "echo",
        "Returns the query and the files' digests.",
        echo::turn,
    )
};

/// Describes a file: all that is known except its bytes.
fn describe(file: &Upload) -> Value {
    json!({ "name": file.name, "type": file.content_type, "size": file.size, "sha256": file.sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_no_turn_anything_follows_what_ends_it() {
        let upload = Upload {
            field: "files".into(),
            name: "a.txt".into(),
            content_type: "text/plain".into(),
            size: 16,
            sha256: "0".repeat(64),
            head: b"2 x Widget @ 3.5".to_vec(),
        };
        for agent in &BUILT_IN {
            let mut talk = Talk {
                query: Some("hello".into()),
                files: vec![upload.clone()],
                ..Talk::default()
            };
            for turn in 0..3 {
                talk.turn = turn;
                let steps = agent.turn(&talk);
                let ends = |step: &Step| {
                    matches!(
                        step,
                        Step::Ask(_) | Step::Pause | Step::Complete(_) | Step::Fail(_)
                    )
                };
                let end = steps.iter().position(ends);
                assert_eq!(
                    end,
                    Some(steps.len() - 1),
                    "{} in turn {turn}: {steps:?}",
                    agent.name
                );
                talk.replies.push("bye".into());
            }
        }
    }
}
