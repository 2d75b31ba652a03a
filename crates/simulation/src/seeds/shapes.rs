//! A run in one shape held against the same run in another: what a task forgets when it is stored.

use std::collections::BTreeMap;
use std::fmt;

use taskward_core::{Event, Question};

use super::{Broken, Case, RunRecord, attempt};
use crate::{Reads, Shape};

/// Where two runs of a seed differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// An event is told more rarely, or not at all.
    Missing(String),
    /// An event is told more often, or only there.
    Extra(String),
    /// A question is told with other words before it.
    Words(String),
    /// The same events come in another order.
    Order,
    /// The task ends otherwise.
    Outcome(String),
    /// An invariant does not hold.
    Broken(String),
}

impl Difference {
    /// Returns what it is, without what it is about.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "events that are missing",
            Self::Extra(_) => "events that are told again",
            Self::Words(_) => "questions with other words before them",
            Self::Order => "the same events in another order",
            Self::Outcome(_) => "another outcome",
            Self::Broken(_) => "a broken invariant",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Order => f.write_str(kind),
            Self::Missing(what)
            | Self::Extra(what)
            | Self::Words(what)
            | Self::Outcome(what)
            | Self::Broken(what) => write!(f, "{kind}: {what}"),
        }
    }
}

/// Two runs of a seed, without faults: in one process, and in the other shape.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// How they differ.
    pub differences: Vec<Difference>,
    /// How many events were told in one process, and in the other shape.
    pub events: (u64, u64),
    /// What was read in one process.
    pub reads: Reads,
    /// What was read in the other shape.
    pub shaped_reads: Reads,
}

/// Runs a seed in one process and in this shape.
///
/// # Errors
/// When an invariant does not hold although the process stays.
pub fn compare(seed: u64, shape: Shape) -> Result<Comparison, Broken> {
    let stays = attempt(seed, Case::new(seed).compared(Shape::Stays), false)?;
    let shaped = match attempt(seed, Case::new(seed).compared(shape), false) {
        Ok(shaped) => shaped,
        Err(broken) => {
            return Ok(Comparison {
                differences: vec![Difference::Broken(broken.what)],
                ..Comparison::default()
            });
        }
    };
    Ok(Comparison {
        differences: differences(&stays, &shaped),
        events: (stays.events.len() as u64, shaped.events.len() as u64),
        reads: stays.reads,
        shaped_reads: shaped.reads,
    })
}

fn differences(stays: &RunRecord, shaped: &RunRecord) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for event in &stays.events {
        *counts.entry(wordless(event)).or_default() += 1;
    }
    for event in &shaped.events {
        *counts.entry(wordless(event)).or_default() -= 1;
    }
    for (event, count) in counts {
        for _ in 0..count.unsigned_abs() {
            differences.push(match count > 0 {
                true => Difference::Missing(event.clone()),
                false => Difference::Extra(event.clone()),
            });
        }
    }
    for question in questions(shaped) {
        let before = questions(stays).find(|known| known.id == question.id);
        let words = |question: &Question| timeless(&format!("{:?}", question.messages));
        if let Some(before) = before.filter(|before| words(before) != words(question)) {
            let (with, without) = (before.messages.len(), question.messages.len());
            differences.push(Difference::Words(format!(
                "{}: {without} messages, {with} in one process",
                question.id
            )));
        }
    }
    let order = |record: &RunRecord| record.events.iter().map(wordless).collect::<Vec<_>>();
    if differences.is_empty() && order(stays) != order(shaped) {
        differences.push(Difference::Order);
    }
    let (before, after) = (timeless(&stays.outcome), timeless(&shaped.outcome));
    if before != after {
        differences.push(Difference::Outcome(format!("{after}, not {before}")));
    }
    differences
}

fn questions(record: &RunRecord) -> impl Iterator<Item = &Question> {
    record.events.iter().filter_map(|event| match event {
        Event::Question(question) => Some(question),
        _ => None,
    })
}

/// Returns an event but for the words before a question and what every run has of its own.
fn wordless(event: &Event) -> String {
    match event {
        Event::Question(question) => {
            let mut question = question.clone();
            question.messages.clear();
            timeless(&format!("{:?}", Event::Question(question)))
        }
        // When it is tried again, and under which request the server refused, is of no interest.
        Event::Retrying {
            attempt, failed, ..
        } => format!("Retrying {attempt} {:?}", failed.reason),
        event => timeless(&format!("{event:?}")),
    }
}

/// Returns a text without its times and ids of requests: a poll more or less changes both.
fn timeless(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.-".contains(c);
    let is_own = |word: &str| {
        let begins = word.starts_with(|c: char| c.is_ascii_digit());
        let is_time = word.len() >= 17 && word.contains('T') && word.ends_with('Z');
        let is_number = word.len() >= 13 && word.bytes().all(|byte| byte.is_ascii_digit());
        word.starts_with("req_") || (begins && (is_time || is_number))
    };
    let (mut told, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(is_word) {
        let end = rest[at..]
            .find(|c| !is_word(c))
            .map_or(rest.len(), |n| at + n);
        told.push_str(&rest[..at]);
        let word = &rest[at..end];
        told.push_str(if is_own(word) { "~" } else { word });
        rest = &rest[end..];
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids_of_requests_are_left_out_and_nothing_else() {
        let text =
            r#"(request req_0f1e) at 2026-05-12T10:15:02Z, 1778580900000 run_5942, answer 3."#;
        let told = "(request ~) at ~, ~ run_5942, answer 3.";
        assert_eq!(timeless(text), told);
        assert_eq!(timeless("Timestamp(1778580900000)"), "Timestamp(~)");
    }
}
