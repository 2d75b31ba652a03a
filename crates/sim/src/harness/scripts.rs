//! The runs that are built in.

use serde_json::{Map, Value, json};

use super::scripted::{APPROVAL, DATA, MAX_DELTA_BYTES, ScriptedWait, Step};

/// The names of the built-in runs; the first is what a run is that names none.
pub(crate) const BUILT_IN: [&str; 7] = [
    "approve-email",
    "needs-input",
    "long-stream",
    "limit",
    "stall",
    "two-waits",
    "big-event",
];

/// Returns the steps of a built-in run; `None` when there is none of this name.
pub(crate) fn built_in(name: &str, input: &Value) -> Option<Result<Vec<Step>, String>> {
    Some(match name {
        "approve-email" => timeout(input).map(approve_email),
        "needs-input" => timeout(input).map(needs_input),
        "long-stream" => long_stream(input),
        "limit" => Ok(limit()),
        "stall" => Ok(stall()),
        "two-waits" => timeout(input).map(two_waits),
        "big-event" => big_event(input),
        _ => return None,
    })
}

fn approve_email(timeout: Option<u64>) -> Vec<Step> {
    let mut steps = vec![
        plan("Plan: draft the mail, ask for approval, send it."),
        Step::Work(400),
        done("succeeded"),
        Step::Tool(json!({ "tool": "contacts.search", "arguments": { "query": "team" } })),
        Step::Work(200),
    ];
    steps.extend(type_out(
        "Subject: Weekly team update\n\nHi team,\n\nthe release is out, two customers went live, and the on-call \
         rota for next week is in the calendar.\n\nBest regards",
    ));
    steps.extend([
        done("succeeded"),
        wait(APPROVAL, "AWAITING_APPROVAL", timeout),
        Step::Work(600),
        delta("\n\nSent to the team."),
        done("succeeded"),
        Step::Succeed,
    ]);
    steps
}

fn needs_input(timeout: Option<u64>) -> Vec<Step> {
    let mut steps = vec![plan("Plan: find out what is missing, then write the mail.")];
    steps.extend(type_out("I will write to everyone"));
    // The first attempt is void: whoever shows the text has to drop it.
    steps.extend([done("retry_step"), Step::Work(300)]);
    steps.extend(type_out("To whom shall I write, and about what?\n"));
    steps.extend([
        done("succeeded"),
        wait(DATA, "AWAITING_INPUT", timeout),
        Step::Work(500),
        delta("Written with {data}."),
        done("succeeded"),
        Step::Succeed,
    ]);
    steps
}

fn long_stream(input: &Value) -> Result<Vec<Step>, String> {
    let bytes = number(input, "delta_bytes", 24, MAX_DELTA_BYTES)?;
    let deltas = Step::Deltas {
        count: number(input, "events", 2_000, u64::MAX)?,
        every_ms: number(input, "interval_ms", 5, u64::MAX)?,
        bytes: usize::try_from(bytes).map_err(|why| why.to_string())?,
    };
    Ok(vec![deltas, done("succeeded"), Step::Succeed])
}

fn big_event(input: &Value) -> Result<Vec<Step>, String> {
    let bytes = number(input, "bytes", 7_000_000, MAX_DELTA_BYTES)?;
    let event = Step::Deltas {
        count: 1,
        every_ms: 0,
        bytes: usize::try_from(bytes).map_err(|why| why.to_string())?,
    };
    Ok(vec![event, done("succeeded"), Step::Succeed])
}

fn limit() -> Vec<Step> {
    let mut steps = type_out("Thinking about {goal}, and thinking again");
    steps.extend([Step::Work(500), Step::Limit("MAX_STEPS".to_owned())]);
    steps
}

fn stall() -> Vec<Step> {
    let mut steps = type_out("Working on {goal}.");
    steps.extend([Step::Work(500), Step::Stall, Step::Work(500)]);
    steps.extend(type_out(" Back at work, and done."));
    steps.extend([done("succeeded"), Step::Succeed]);
    steps
}

fn two_waits(timeout: Option<u64>) -> Vec<Step> {
    let mut steps = type_out("May I go on?");
    steps.extend([
        done("succeeded"),
        wait(APPROVAL, "AWAITING_APPROVAL", timeout),
        Step::Work(20),
        wait(DATA, "AWAITING_INPUT", timeout),
        Step::Work(300),
        delta(" Done with {data}."),
        done("succeeded"),
        Step::Succeed,
    ]);
    steps
}

fn plan(text: &str) -> Step {
    Step::Progress(json!({ "kind": "plan", "content": text }))
}

fn done(outcome: &str) -> Step {
    Step::Done(outcome.to_owned())
}

fn delta(text: &str) -> Step {
    Step::Delta(text.to_owned())
}

fn wait(kind: &str, reason: &str, timeout_ms: Option<u64>) -> Step {
    Step::Wait(ScriptedWait {
        kind: kind.to_owned(),
        reason: reason.to_owned(),
        more: Map::new(),
        timeout_ms,
    })
}

/// Returns a text in fragments of some words each, as a model writes it.
fn type_out(text: &str) -> Vec<Step> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let fragments = words.chunks(4).map(<[&str]>::concat);
    fragments
        .flat_map(|fragment| [Step::Work(80), Step::Delta(fragment)])
        .collect()
}

fn timeout(input: &Value) -> Result<Option<u64>, String> {
    match input.get("signal_timeout_ms") {
        None => Ok(None),
        Some(_) => number(input, "signal_timeout_ms", 0, u64::MAX).map(Some),
    }
}

fn number(input: &Value, key: &str, default: u64, max: u64) -> Result<u64, String> {
    let Some(value) = input.get(key) else {
        return Ok(default);
    };
    let number = value.as_u64().filter(|number| *number <= max);
    number.ok_or_else(|| format!("input.{key} must be a whole number of at most {max}"))
}
