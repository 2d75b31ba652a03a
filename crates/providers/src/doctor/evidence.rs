//! What a check may look at, and what it says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::exchange::{Exchange, RecordedBody, RecordedReply};
use super::recording::Recording;
use super::{Vocabulary, openapi};

/// What was found of an assumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The platform does so; what was seen.
    Confirmed(String),
    /// It does otherwise; what was seen.
    Different(String),
    /// Nothing showed it; what would.
    NotSeen(&'static str),
}

impl Finding {
    /// Returns its word for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed(_) => "confirmed",
            Self::Different(_) => "different",
            Self::NotSeen(_) => "not_seen",
        }
    }

    /// Returns what was seen, or what would show it.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Confirmed(seen) | Self::Different(seen) => seen,
            Self::NotSeen(needs) => needs,
        }
    }
}

/// What one value says of an assumption: `Ok` that it holds, `Err` that it does not.
pub(crate) type Sign = Result<String, String>;

/// Adds up what was seen: one difference counts, whatever else agrees.
pub(crate) fn found(signs: impl IntoIterator<Item = Sign>, needs: &'static str) -> Finding {
    let mut agreed = None;
    for sign in signs {
        match sign {
            Err(seen) => return Finding::Different(seen),
            Ok(seen) => agreed = agreed.or(Some(seen)),
        }
    }
    agreed.map_or(Finding::NotSeen(needs), Finding::Confirmed)
}

/// The recorded replies of one platform.
#[derive(Debug)]
pub struct Evidence<'a> {
    exchanges: Vec<&'a Exchange>,
    words: &'a Vocabulary,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(recording: &'a Recording, provider: &str, words: &'a Vocabulary) -> Self {
        let exchanges = recording.exchanges.iter();
        Self {
            exchanges: exchanges.filter(|one| one.provider == provider).collect(),
            words,
        }
    }

    /// Returns whether the specification has a field of this name.
    pub(crate) fn knows(&self, field: &str) -> bool {
        self.words.fields.contains(&field)
    }

    /// Judges the names of fields outside the customer's data.
    pub(crate) fn unknown_fields(&self, needs: &'static str) -> Finding {
        let replies = self.own().filter(|(_, reply)| reply.is_success());
        let bodies = replies.filter_map(|(exchange, reply)| Some((exchange, reply.json()?)));
        let mut unknown = BTreeSet::new();
        let mut seen = false;
        for (exchange, body) in bodies {
            seen = true;
            let mut names = BTreeSet::new();
            self.unknown(body, &mut names);
            let operation = &exchange.operation;
            unknown.extend(
                names
                    .into_iter()
                    .map(|name| format!("{name} ({operation})")),
            );
        }
        match unknown.into_iter().collect::<Vec<_>>() {
            names if !names.is_empty() => Finding::Different(names.join(", ")),
            _ if seen => Finding::Confirmed("none".to_owned()),
            _ => Finding::NotSeen(needs),
        }
    }

    fn unknown<'v>(&self, value: &'v Value, names: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if !self.knows(name) {
                        names.insert(name);
                    } else if !self.words.free.contains(&name.as_str()) {
                        self.unknown(value, names);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.unknown(item, names)),
            _ => {}
        }
    }

    /// Returns the replies of a probe.
    pub(crate) fn replies(&self, probe: &str) -> impl Iterator<Item = &'a RecordedReply> {
        let of_probe = self.exchanges.iter().filter(move |one| one.probe == probe);
        of_probe.filter_map(|one| one.reply())
    }

    /// Returns the JSON of every successful reply of an operation.
    pub(crate) fn read(&self, operation: &str) -> impl Iterator<Item = &'a Value> {
        let of_operation = move |one: &&&Exchange| one.operation == operation;
        let exchanges = self.exchanges.iter().filter(of_operation);
        let replies = exchanges.filter_map(|one| one.reply());
        replies
            .filter(|reply| reply.is_success())
            .filter_map(RecordedReply::json)
    }

    /// Returns the replies that came, each with its exchange.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'a Exchange, &'a RecordedReply)> {
        let exchanges = self.exchanges.iter();
        exchanges.filter_map(|one| Some((*one, one.reply()?)))
    }

    /// Returns the replies of the platform itself: those that are no page of something in between.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&'a Exchange, &'a RecordedReply)> {
        self.all().filter(|(_, reply)| reply.json().is_some())
    }

    /// Returns the event streams that came.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &'a str> {
        self.all().filter_map(|(_, reply)| match &reply.body {
            RecordedBody::Events(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns what the description that the platform serves says otherwise than ours.
    pub(super) fn differences(&self, ours: &str) -> Option<Vec<openapi::Difference>> {
        let theirs = self.all().find_map(|(_, reply)| match &reply.body {
            RecordedBody::Outline(outline) => Some(outline),
            _ => None,
        })?;
        let ours = serde_json::from_str(ours).expect("our own specification is JSON");
        Some(openapi::compare(&openapi::outline(&ours), theirs))
    }
}

/// Judges the status code of the replies of a probe.
pub(crate) fn status(
    evidence: &Evidence<'_>,
    probe: &str,
    expected: &[u16],
    needs: &'static str,
) -> Finding {
    let signs = evidence
        .replies(probe)
        .filter(|reply| !is_passing(reply.status));
    let signs = signs.map(|reply| {
        let seen = format!("{}", reply.status);
        match expected.contains(&reply.status) {
            true => Ok(seen),
            false => Err(seen),
        }
    });
    found(signs, needs)
}

/// Judges the status code of a write that was accepted; a refusal has a reason of its own.
pub(crate) fn accepted(
    evidence: &Evidence<'_>,
    probe: &str,
    expected: &[u16],
    needs: &'static str,
) -> Finding {
    let taken = evidence.replies(probe).filter(|reply| reply.is_success());
    let signs = taken.map(|reply| match expected.contains(&reply.status) {
        true => Ok(reply.status.to_string()),
        false => Err(reply.status.to_string()),
    });
    found(signs, needs)
}

/// Returns whether a status says something of the moment and nothing of the interface.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

/// Says of an object whether it has all of these fields.
pub(crate) fn has_all(object: &Value, fields: &[&str]) -> Sign {
    let missing: Vec<&str> = fields
        .iter()
        .filter(|field| object.get(**field).is_none())
        .copied()
        .collect();
    match missing.as_slice() {
        [] => Ok("all are there".to_owned()),
        missing => {
            let mut names: Vec<&str> = object
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.keys().map(String::as_str))
                .collect();
            names.truncate(20);
            Err(format!(
                "no {}; there are {}",
                missing.join(", "),
                names.join(", ")
            ))
        }
    }
}

/// Returns what kind of JSON value it is.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Collects the texts in the fields of these names, however deep.
pub(crate) fn texts<'a>(value: &'a Value, of: &dyn Fn(&str) -> bool, take: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if of(name) => take.push(text),
                    value => texts(value, of, take),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, of, take)),
        _ => {}
    }
}
