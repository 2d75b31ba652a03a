//! Events in words: one line each.

use serde_json::Value;
use taskward::{Answered, Event, Question};

use crate::clock::{Clock, span};
use crate::sanitise::one_line;
use crate::task_ref::TaskRef;

/// The line for an event; none for those that are told elsewhere, or with `-v` only.
pub(super) fn event(event: &Event, clock: &Clock, verbose: bool) -> Option<String> {
    let elapsed = span(clock.elapsed());
    Some(match event {
        Event::Started { id, status, .. } => {
            let task = TaskRef::new(id.clone());
            match status {
                Some(status) => format!("task {task}  {} ({elapsed})", one_line(status.as_str())),
                None => format!("task {task}  ({elapsed})"),
            }
        }
        Event::Status(status) if status.known => format!("{} ({elapsed})", status.as_str()),
        Event::Status(status) => format!(
            "{:?} ({elapsed}): a status this version does not know; the watch goes on",
            one_line(status.as_str())
        ),
        // Told by whoever answers it, or in the last words.
        Event::Question(_) => return None,
        Event::Withdrawn(_) => {
            "the question was withdrawn: it was answered elsewhere, or the task went on".to_owned()
        }
        Event::Paused(_) => {
            "waiting for a human's review in the platform's dashboard; nothing from here can resolve it"
                .to_owned()
        }
        Event::Answered { how, detail, .. } => delivered("answer", *how, detail.as_deref()),
        Event::Sent { how, detail, .. } => delivered("message", *how, detail.as_deref()),
        Event::Cancelling => "stopping; the current step finishes first".to_owned(),
        Event::CancelRefused(why) => format!("the server refused to cancel: {}", one_line(why)),
        // One line per incident; the later ones are the same one.
        Event::Retrying { attempt, .. } if *attempt > 1 && !verbose => return None,
        Event::Retrying { why, until, .. } => {
            format!("retrying in {}: {}", span(clock.left(*until)), one_line(why))
        }
        Event::Gap { after, before } => {
            format!("events between {after} and {before} were missed")
        }
        Event::Provider(raw) if verbose => format!("event {}", one_line(&raw.name)),
        _ => return None,
    })
}

fn delivered(what: &str, how: Answered, detail: Option<&str>) -> String {
    let detail = detail
        .map(|why| format!(": {}", one_line(why)))
        .unwrap_or_default();
    match how {
        Answered::Applied => format!("{what} delivered"),
        Answered::Gone => {
            format!("the question was no longer open, so the {what} was not sent{detail}")
        }
        Answered::Refused => format!("the server refused the {what}{detail}"),
        _ => format!("the {what} may or may not have arrived{detail}"),
    }
}

/// The question as a person reads it: everything said since the agent was last spoken to.
pub(super) fn question(question: &Question) -> String {
    let mut said: Vec<String> = question.messages.iter().map(words).collect();
    if said.last().is_none_or(|last| *last != question.text) {
        said.push(question.text.clone());
    }
    said.retain(|text| !text.trim().is_empty());
    if said.is_empty() {
        return "question: the agent asks without words".to_owned();
    }
    let indented: Vec<String> = said.iter().map(|text| text.replace('\n', "\n  ")).collect();
    format!("question: {}", indented.join("\n  "))
}

/// The words of a message's content, whatever its shape.
pub(crate) fn words(content: &Value) -> String {
    fn text(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Object(object) => ["summary", "text", "content"]
                .iter()
                .find_map(|name| text(object.get(*name)?)),
            Value::Array(items) if !items.is_empty() => {
                let texts: Option<Vec<String>> = items.iter().map(text).collect();
                texts.map(|texts| texts.join("\n"))
            }
            _ => None,
        }
    }
    match content {
        Value::Null => String::new(),
        content => text(content).unwrap_or_else(|| content.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use taskward::{QuestionKind, Status};

    #[test]
    fn an_event_is_one_line_and_an_incident_is_told_once() {
        let clock = Clock::new(1);
        let retrying = |attempt| Event::Retrying {
            attempt,
            why: "reset\nby peer".into(),
            until: taskward::core::Timestamp::from_millis(0),
        };
        let line = |event: &Event, verbose| super::event(event, &clock, verbose);
        assert_eq!(
            line(&retrying(1), false).as_deref(),
            Some("retrying in 0s: reset by peer")
        );
        assert_eq!(line(&retrying(2), false), None);
        assert!(line(&retrying(2), true).is_some());
        let odd = Event::Status(Status::unknown("pau\u{1b}[2Jsed"));
        assert!(line(&odd, false).expect("told").contains("\"paused\""));
        assert_eq!(
            line(&Event::Status(Status::known("queued")), false).as_deref(),
            Some("queued (0s)")
        );
    }

    #[test]
    fn a_question_brings_everything_said_before_it() {
        let asked = |text: &str, messages: Vec<Value>| {
            question(&Question::new("q", QuestionKind::Text, text).with_messages(messages))
        };
        assert_eq!(asked("Which?", vec![json!("Which?")]), "question: Which?");
        assert_eq!(
            asked(
                "Which?",
                vec![
                    json!([{"text": "Two found.\nA, B"}]),
                    json!({"text": "Which?"})
                ]
            ),
            "question: Two found.\n  A, B\n  Which?"
        );
        assert_eq!(
            asked("", vec![json!(null)]),
            "question: the agent asks without words"
        );
    }
}
