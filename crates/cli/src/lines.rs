//! The lines of the JSON modes: their version, their types and what all of them have.

use std::time::SystemTime;

use serde_json::{Map, Value};
use taskward::core::sanitise;

use crate::task_ref::TaskRef;

/// The version of the lines; a line that loses or renames a field gets the next one.
const VERSION: u8 = 2;

macro_rules! line_types {
    ($($name:ident = $word:literal, $fields:literal;)*) => {
        /// The type of a line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum LineType {
            $(#[doc = $word] $name,)*
        }

        impl LineType {
            /// Every type, in the order of the help page.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns its name in `type`.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Describes its own fields, for `taskward help json`.
            pub(crate) fn fields(self) -> &'static str {
                match self {
                    $(Self::$name => $fields,)*
                }
            }
        }
    };
}

// The only list of types: help, and so the documentation, is made of it.
line_types! {
    TaskCreated = "task.created",
        "the task exists; the first line of run: status, replayed (its idempotency key was used before)";
    TaskStatus = "task.status",
        "its status: status, known, elapsed_ms; from taskward status: status, exit, title, created_at, updated_at, question, platform_data";
    TaskEvent = "task.event",
        "an event of the platform: seq, platform_data (the event as the server sent it)";
    Output = "output",
        "a piece of the answer as it comes, on platforms whose answers come in pieces: artifact, name, append (it follows what came before; otherwise it takes its place), last, text, parts; the whole answer stands in task.result";
    QuestionOpened = "question.opened",
        "the agent asks: id, kind (text, approval, data, authentication, or the platform's word), text, messages, payload, asked_at";
    QuestionAnswered = "question.answered",
        "what became of an answer from here: question_id, outcome (applied, refused, gone, not_sent, unknown), reason, detail";
    QuestionWithdrawn = "question.withdrawn",
        "a question is no longer open, and not because of an answer from here: question_id, reason";
    MessageSent = "message.sent",
        "what became of a message from here: outcome, detail";
    TaskGap = "task.gap",
        "events were missed: after, before";
    Note = "note",
        "anything else: code, and what the code says below";
    TaskDetached = "task.detached",
        "the last line when the task keeps running without this command: the fields of error, and questions (those that wait for an answer, as in question.opened)";
    TaskResult = "task.result",
        "the last line of a success, without a task where the agent answered at once and made none: exit 0 (3 when cancel finds the task failed), status, data, text, damaged (some text was lost on its way: U+FFFD stands where it was), confirmed, platform_data (the result or the run as the server sent it)";
    Error = "error",
        "the last line otherwise: code, exit, message, retry (no, later), retry_after (seconds), question_id, intent_id, request_id, http_status, reason (the platform's code), attempts, cancel (what became of the request to stop the task), next (commands to go on with, each an array of words)";
    Task = "task",
        "one entry of ls: status, title, agent_id, agent_name, created_at, updated_at, local";
    Message = "message",
        "one message of messages: id, role, text, created_at, platform_data (its content as the server sent it)";
    Agent = "agent",
        "one agent: id, name, status, is_active, agent_group_id, version_number, created_at, updated_at, config";
    Feed = "feed",
        "all of result --full: exit, status, platform_data (the steps or events as the server sent them)";
    Usage = "usage",
        "the reply of usage: platform_data";
    Local = "local",
        "one entry of the journal, from recover and ls --local: state (known, unknown, not started or unreadable), intent_id, provider, server, saved_at, agent_id, title, why";
    Candidate = "candidate",
        "a task that an unconfirmed start may have created: status, created_at, title, compared (same, unreadable, unread or incomparable), outside_expected_time";
    Search = "search",
        "how far recover searched: from, until, seen, uncompared, unreadable, complete, local";
    Check = "check",
        "one check of doctor: about, result (ok, warning, problem or unknown), message, hint, provider";
    Assumption = "assumption",
        "one assumption about a platform, from doctor: provider, id, says, result (confirmed, different or not_seen), seen";
    Difference = "difference",
        "one difference between the description that a platform serves and ours: provider, kind (new, gone or different), operation, what";
    Doctor = "doctor",
        "what doctor found, added up: exit, problems, warnings, confirmed, different, not_seen, differences, recording (a path), task (the one that was started)";
    BatchJob = "batch.job",
        "one job of batch, on stdout or in the file of -o: key, intent_id (of its start), outcome (succeeded, or a code), exit, and of a success the fields of task.result, otherwise message, reason, question_id, next";
    Batch = "batch",
        "what came of a batch: exit, jobs, succeeded, bad, waiting, running, unconfirmed, not_started, not_begun; the last line of a success";
    Ready = "ready",
        "the simulator of taskward sim listens: listen, seed, and the servers and keys in it";
}

/// Makes a line: its version, its type, the task wherever it is known, and its own fields.
pub(crate) fn line(kind: LineType, task: Option<&TaskRef>, fields: Value) -> Value {
    let mut line = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    line.insert("v".into(), VERSION.into());
    line.insert("type".into(), kind.as_str().into());
    line.insert("task".into(), task.map(ToString::to_string).into());
    line.insert("task_id".into(), task.map(|task| task.id().as_str()).into());
    Value::Object(line)
}

/// Adds the time at which a line is printed, by the clock of this machine.
pub(crate) fn stamped(mut line: Value) -> Value {
    if let Value::Object(fields) = &mut line {
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        fields.insert("at".into(), now.into());
    }
    line
}

/// JSON as it is printed: indented, its strings free of control characters.
pub(crate) fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("a JSON value serialises");
    format!("{}\n", sanitise::json(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use taskward::nanonets::Nanonets;

    #[test]
    fn a_line_has_its_version_its_type_its_task_and_the_time() {
        let task = TaskRef::of::<Nanonets>("a".into());
        let made = stamped(line(LineType::Note, Some(&task), json!({ "code": "x" })));
        let at = made["at"].as_str().expect("a time").to_owned();
        assert!(humantime::parse_rfc3339(&at).is_ok(), "{at}");
        assert_eq!((at.len(), &at[23..]), (24, "Z"), "{at}");
        assert_eq!(
            made,
            json!({
                "v": 2, "type": "note", "at": at, "task": "nanonets:a", "task_id": "a", "code": "x",
            })
        );
        assert_eq!(line(LineType::Note, None, json!({}))["task"], Value::Null);
    }

    #[test]
    fn every_type_has_a_name_of_its_own() {
        let mut names: Vec<&str> = LineType::ALL.iter().map(|kind| kind.as_str()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
