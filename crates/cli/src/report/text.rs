//! Events in words: one line each.

use serde_json::Value;
use taskward::core::sanitise::one_line;
use taskward::event::Status;
use taskward::question::{Answered, QuestionKind, WithdrawReason};
use taskward::{Event, Question};

use crate::clock::{ProgramClock, span};
use crate::failure_text::retrying;
use crate::lines::pretty;
use crate::task_ref::TaskRef;

use super::steps;

/// How many of the events that led to a question are shown with it.
const STEPS: usize = 8;

/// How many lines of what the agent said before it.
const LINES: usize = 20;

/// The line for an event; none for those that are told elsewhere, or with `-v` only.
pub(super) fn event(
    event: &Event,
    task: Option<&TaskRef>,
    clock: &ProgramClock,
    verbose: bool,
) -> Option<String> {
    let elapsed = span(clock.elapsed());
    Some(match event {
        Event::Created { status, .. } => {
            let task = task.map(ToString::to_string).unwrap_or_default();
            match status {
                Some(status) => format!("task {task}  {} ({elapsed})", one_line(status.as_str())),
                None => format!("task {task}  ({elapsed})"),
            }
        }
        Event::Status(status) if status.known => format!("{} ({elapsed})", status.as_str()),
        Event::Status(status) => format!(
            "{:?} ({elapsed}): a status this version does not know; still following",
            one_line(status.as_str())
        ),
        // Told by whoever answers it, or in the last words.
        Event::Question(_) => return None,
        Event::Withdrawn { reason, .. } => withdrawn(*reason).to_owned(),
        Event::Paused(_) => {
            "waiting for a review in the platform's dashboard; no command can resolve it".to_owned()
        }
        Event::Answered { how, detail, .. } => delivered("answer", *how, detail.as_deref()),
        Event::Sent { how, detail, .. } => delivered("message", *how, detail.as_deref()),
        Event::Cancelling => "stopping; the current step finishes first".to_owned(),
        Event::CancelRefused(why) => {
            format!(
                "the server rejected the request to stop: {}",
                one_line(&why.to_string())
            )
        }
        // One line per incident; the later ones are the same one.
        Event::Retrying { attempt, .. } if *attempt > 1 && !verbose => return None,
        Event::Retrying { failed, until, .. } => retrying(failed, clock.left(*until)),
        Event::Gap { after, before } => {
            format!("events between {after} and {before} were missed")
        }
        Event::PossibleGap => {
            "the stream was reopened; what the agent said in between may be missing".to_owned()
        }
        Event::NoProgress { since, seconds } => no_progress(since, *seconds),
        Event::Altered { .. } if !verbose => return None,
        Event::Altered { position } => {
            format!("event {position} came again with other content; the first stands")
        }
        Event::Identified(question) => format!("the question is {}", wanted(question)),
        Event::Unconfirmed { event, status } => unconfirmed(event, status.as_ref()),
        _ => return None,
    })
}

/// Says that an event tells of an end that no read shows.
fn unconfirmed(event: &str, status: Option<&Status>) -> String {
    let read = match status {
        Some(status) => format!("still reads {:?}", one_line(status.as_str())),
        None => "could not be read".to_owned(),
    };
    let event = one_line(event);
    format!(
        "unconfirmed: {event} says that the task has ended, and its status {read}; the event counts"
    )
}

/// Says that nothing moves: whether that means anything, nobody knows.
fn no_progress(since: &str, seconds: u64) -> String {
    let idle = span(std::time::Duration::from_secs(seconds));
    let since = one_line(since);
    format!(
        "no progress for {idle}: the status is of {since} by the server's clock; the agent may be at work, or the server may have forgotten the task"
    )
}

/// The line for what became of something that was said before this command began.
pub(super) fn of_earlier(event: &Event, said: &str) -> Option<String> {
    let (what, how) = match event {
        Event::Answered { how, .. } => ("answer", *how),
        Event::Sent { how, .. } => ("message", *how),
        _ => return None,
    };
    let what = match one_line(said) {
        text if text.is_empty() => format!("the {what} that was sent from here before"),
        text => format!("the {what} that was sent from here before ({text:?})"),
    };
    Some(match how {
        Answered::Applied => format!("{what} was delivered"),
        Answered::Gone(_) | Answered::Refused | Answered::NotSent => {
            format!("{what} was not delivered")
        }
        _ => format!("{what} may or may not have arrived"),
    })
}

/// Says why a question is open no more, as far as that is known.
fn withdrawn(reason: WithdrawReason) -> &'static str {
    match reason {
        WithdrawReason::AnsweredElsewhere => "the question was answered elsewhere",
        WithdrawReason::Superseded => "the agent changed its question",
        _ => "the question was withdrawn",
    }
}

fn delivered(what: &str, how: Answered, detail: Option<&str>) -> String {
    let detail = detail
        .map(|why| format!(": {}", one_line(why)))
        .unwrap_or_default();
    match how {
        Answered::Applied => format!("{what} delivered"),
        Answered::Gone(WithdrawReason::TaskMovedOn) => {
            format!("the question was no longer open, so the {what} was not sent{detail}")
        }
        Answered::Gone(reason) => {
            format!("{}, so the {what} was not sent{detail}", withdrawn(reason))
        }
        Answered::Refused => format!("the server rejected the {what}{detail}"),
        Answered::NotSent => format!("the {what} was not sent{detail}"),
        _ => format!("the {what} may or may not have arrived{detail}"),
    }
}

/// The question as a person reads it: everything said since the agent was last spoken to.
pub(super) fn question(question: &Question, age: Option<&str>) -> String {
    let age = age.map(|age| format!(", {age}")).unwrap_or_default();
    let said = said(question);
    if said.is_empty() {
        return format!("question{age}: the agent did not say what it asks");
    }
    let indented: Vec<String> = said.iter().map(|text| text.replace('\n', "\n  ")).collect();
    format!("question{age}: {}", indented.join("\n  "))
}

/// The same below its name and its age.
pub(crate) fn block(question: &Question, age: &str) -> String {
    let mut said = said(question);
    if said.is_empty() {
        said.push("The agent did not say what it asks.".to_owned());
    }
    let indented: Vec<String> = said.iter().map(|text| text.replace('\n', "\n  ")).collect();
    format!("{}\n  {}", head(question, age), indented.join("\n  "))
}

/// A question's name and age.
pub(crate) fn head(question: &Question, age: &str) -> String {
    let id = one_line(question.id.as_str());
    match age {
        "" => format!("question {id}:"),
        age => format!("question {id}, {age}:"),
    }
}

fn said(question: &Question) -> Vec<String> {
    if !is_in_words(question) {
        return asked(question);
    }
    let mut said: Vec<String> = question.messages.iter().map(words).collect();
    if said.last().is_none_or(|last| *last != question.text) {
        said.push(question.text.clone());
    }
    said.retain(|text| !text.trim().is_empty());
    said
}

/// What is asked, line by line: the words of the agent, or what the events tell of a wait that has none.
pub(crate) fn asked(question: &Question) -> Vec<String> {
    if !is_in_words(question) {
        return waits(question);
    }
    let text = match question.text.trim() {
        "" => question.messages.last().map(words).unwrap_or_default(),
        text => text.to_owned(),
    };
    let said = text.lines().filter(|line| !line.trim().is_empty());
    let said: Vec<String> = said.map(str::to_owned).collect();
    if said.is_empty() {
        return vec!["The agent asked and sent no text.".to_owned()];
    }
    said
}

/// Whether the agent itself says what it wants, and no event does.
fn is_in_words(question: &Question) -> bool {
    match question.kind {
        QuestionKind::Text => true,
        QuestionKind::Authentication => !question.text.trim().is_empty(),
        _ => false,
    }
}

/// What a question wants, in a few words.
fn wanted(question: &Question) -> String {
    let what = match &question.kind {
        QuestionKind::Text => "an answer in words".to_owned(),
        QuestionKind::Approval => "an approval".to_owned(),
        QuestionKind::Data => "data, a JSON object".to_owned(),
        QuestionKind::Authentication => "a credential".to_owned(),
        QuestionKind::Other(kind) if kind == "unknown" => {
            "an answer; its events do not tell of which kind".to_owned()
        }
        QuestionKind::Other(kind) => {
            format!("{:?}, a kind this version does not know", one_line(kind))
        }
        _ => "an answer".to_owned(),
    };
    let reason = question.payload.as_ref().and_then(|payload| {
        let code = payload.get("reason_code")?.as_str()?;
        Some(format!(" ({})", one_line(code)))
    });
    what + &reason.unwrap_or_default()
}

fn is_of_the_run(kind: &str) -> bool {
    kind.starts_with("run.")
}

fn waits(question: &Question) -> Vec<String> {
    let mut lines = vec![format!("The task waits for {}.", wanted(question))];
    // Fragments of text are shown together, and the run's own events tell nothing of the work.
    let steps: Vec<String> = question
        .messages
        .iter()
        .filter(|event| event["payload"]["value"]["kind"] != "content_delta")
        .filter(|event| !event["type"].as_str().is_some_and(is_of_the_run))
        .map(steps::line)
        .collect();
    if !steps.is_empty() {
        lines.push("Steps before it:".to_owned());
        lines.extend(steps[steps.len().saturating_sub(STEPS)..].iter().cloned());
    }
    let asks = question.payload.as_ref().and_then(Value::as_object);
    let asks = asks.is_some_and(|payload| payload.values().any(|value| *value == question.text));
    let said: Vec<&str> = question.text.trim().lines().collect();
    if !said.is_empty() {
        let head = if asks { "It asks:" } else { "It said:" };
        lines.push(head.to_owned());
        let shown = said.len().saturating_sub(LINES);
        let indented = |line: &&str| format!("  {line}").trim_end().to_owned();
        lines.extend(said[shown..].iter().map(indented));
    }
    if question.messages.is_empty()
        && let Some(form) = &question.payload
    {
        lines.push("With it came:".to_owned());
        lines.extend(pretty(form).lines().map(|line| format!("  {line}")));
    } else if !asks {
        lines.push("The API sends no description of what it waits for.".to_owned());
    }
    lines
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
    use taskward::core::{Cause, FailedAttempt};
    use taskward::event::RetryReason;
    use taskward::question::QuestionKind;

    #[test]
    fn an_event_is_one_line_and_an_incident_is_told_once() {
        let clock = ProgramClock::new(1);
        let retrying = |attempt| Event::Retrying {
            attempt,
            failed: FailedAttempt::new(RetryReason::Wire(Cause::Reset), "reset\nby peer"),
            until: taskward::core::Timestamp::from_millis(0),
        };
        let line = |event: &Event, verbose| super::event(event, None, &clock, verbose);
        assert_eq!(
            line(&retrying(1), false).as_deref(),
            Some("reset by peer; retrying")
        );
        assert_eq!(line(&retrying(2), false), None);
        assert!(line(&retrying(2), true).is_some());
        let altered = Event::Altered {
            position: taskward::core::EventSeq(7),
        };
        assert_eq!(line(&altered, false), None);
        assert_eq!(
            line(&altered, true).as_deref(),
            Some("event 7 came again with other content; the first stands")
        );
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
            let asked = Question::new("q", QuestionKind::Text, text);
            question(&asked.with_messages(messages), None)
        };
        assert_eq!(asked("Which?", vec![json!("Which?")]), "question: Which?");
        let old = Question::new("q", QuestionKind::Text, "Which?");
        assert_eq!(
            question(&old, Some("asked 2h 05m ago")),
            "question, asked 2h 05m ago: Which?"
        );
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
            "question: the agent did not say what it asks"
        );
    }
}
