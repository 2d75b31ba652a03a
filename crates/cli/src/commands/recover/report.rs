//! What a search for the task of a start brought, without what is known better here, and in words.

use serde_json::{Map, Value, json};
use taskward::TaskId;
use taskward::core::sanitise::one_line;
use taskward::core::{Candidate, SearchResult, Similarity};
use taskward::journal::{Entry, EntryId};

use crate::clock::written;
use crate::error::{CliError, CliResult};
use crate::lines::{self, LineType};
use crate::platform::object;
use crate::store::TaskStore;
use crate::task_ref::TaskRef;

/// Rows that are shown to people: of more, the rest is no likelier.
const MAX_ROWS: usize = 20;

/// What was found, and what is known here of it.
pub(super) struct SearchReport {
    found: SearchResult,
    /// Tasks that are known here as those of other starts: the search leaves them out.
    others: Vec<TaskId>,
    /// A start that another process makes now, of the same words.
    rival: Option<EntryId>,
}

impl SearchReport {
    /// The findings of a search that is over, by what is known now; nothing when one of them is the task of a start that
    /// was made while it went on, and the search has to be repeated.
    pub(super) fn of(
        found: SearchResult,
        store: &TaskStore,
        start: &Entry,
    ) -> CliResult<Option<Self>> {
        let others = store.others(start)?;
        if found.candidates.iter().any(|one| others.contains(&one.id)) {
            return Ok(None);
        }
        Ok(Some(Self {
            rival: store.rival(start)?,
            found,
            others,
        }))
    }

    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.found.candidates
    }

    /// The only task that it can be.
    pub(super) fn only(&self) -> Option<&Candidate> {
        match self.candidates() {
            [one] if self.is_whole() && !one.outside_expected_time => Some(one),
            _ => None,
        }
    }

    /// Whether nothing was left out, and nothing is about to come.
    pub(super) fn is_whole(&self) -> bool {
        self.found.complete && self.rival.is_none()
    }

    /// The candidate that was named.
    pub(super) fn named(&self, task: &TaskRef) -> CliResult<&Candidate> {
        let mut candidates = self.candidates().iter();
        if let Some(one) = candidates.find(|one| one.id == *task.id()) {
            return Ok(one);
        }
        let what = if self.others.contains(task.id()) {
            format!("{task} is already known as the task of another start")
        } else {
            format!("{task} is none of the tasks that this start may have created")
        };
        Err(CliError::input(what).why("Nothing was adopted."))
    }

    /// How many may be it, in words.
    pub(super) fn how_many(&self) -> String {
        let all = self.candidates();
        let likely = all
            .iter()
            .filter(|one| one.similarity != Similarity::Unread);
        match (likely.count(), all.len()) {
            (0, 1) => "one task may be the one of this start, and was not compared".to_owned(),
            (0, all) => {
                format!("{all} tasks may be the one of this start, and none of them was compared")
            }
            (1, _) => "one task may be the one of this start; it was not adopted".to_owned(),
            (likely, _) => {
                format!("{likely} tasks may be the one of this start; none was adopted")
            }
        }
    }

    /// What was searched and what was not, as sentences.
    pub(super) fn extent(&self) -> Vec<String> {
        let found = &self.found;
        let mut lines = vec![self.place()];
        lines.extend(self.known());
        if found.uncompared > 0 {
            lines.push(format!(
                "What was said in {} of them was not compared.",
                found.uncompared
            ));
        }
        match found.unreadable {
            0 => {}
            1 => lines.push("1 entry of the list could not be read, or is of another agent: it may be the task.".to_owned()),
            more => lines.push(format!(
                "{more} entries of the list could not be read, or are of another agent: one may be the task."
            )),
        }
        if found.ran_back {
            let line = "The clock of this machine shows an earlier time than when the start began: it was set since, and the task may have been made before those.";
            lines.push(line.to_owned());
        } else if self
            .candidates()
            .iter()
            .any(|one| one.outside_expected_time)
        {
            let line = "At the time when the start began by the clock of this machine, nothing fits; that clock may have been set since.";
            lines.push(line.to_owned());
        }
        if let Some(rival) = &self.rival {
            lines.push(format!(
                "Another process makes the same start now ({rival}), and its task may be among them."
            ));
        }
        lines
    }

    /// Whose tasks, and of what time.
    fn place(&self) -> String {
        let found = &self.found;
        let tasks = match found.seen - found.excepted {
            0 => "no task".to_owned(),
            1 => "one task".to_owned(),
            seen => format!("{seen} tasks"),
        };
        let from = written(found.from);
        let time = match found.until {
            Some(until) => format!("from {from} to {}", written(until)),
            None => format!("since {from}"),
        };
        let has_reason = found.uncompared > 0 || found.unreadable > 0 || found.ran_back;
        let more = if found.complete || has_reason {
            ""
        } else {
            "; there may be more"
        };
        format!("The list had {tasks} of its agent made {time}, by the server's clock{more}.")
    }

    /// Since when the tasks were created that were searched.
    pub(super) fn since(&self) -> String {
        written(self.found.from)
    }

    /// How many entries of the list could not be read.
    pub(super) fn unreadable(&self) -> usize {
        self.found.unreadable
    }

    /// How many tasks were listed.
    pub(super) fn seen(&self) -> usize {
        self.found.seen
    }

    /// What is left out because it is known here.
    pub(super) fn known(&self) -> Option<String> {
        match self.found.excepted {
            0 => None,
            1 => Some("1 more is already known as the task of another start.".to_owned()),
            more => Some(format!(
                "{more} more are already known as the tasks of other starts."
            )),
        }
    }

    /// The rows of a table, and how many are left out.
    pub(super) fn rows(&self, name: impl Fn(&Candidate) -> TaskRef) -> (Vec<Vec<String>>, usize) {
        let all = self.candidates();
        let rows = all.iter().take(MAX_ROWS).map(|found| {
            let status = found.status.as_ref();
            vec![
                name(found).to_string(),
                status.map_or_else(String::new, |status| status.as_str().to_owned()),
                found.created_at.clone().unwrap_or_default(),
                sure(found).to_owned(),
                found.title.clone().unwrap_or_default(),
            ]
        });
        (rows.collect(), all.len().saturating_sub(MAX_ROWS))
    }

    /// How far it searched, for programs.
    pub(super) fn line(&self) -> Value {
        let found = &self.found;
        let fields = json!({
            "from": written(found.from),
            "until": found.until.map(written),
            "seen": found.seen,
            "uncompared": found.uncompared,
            "unreadable": found.unreadable,
            "complete": self.is_whole(),
            "local": found.excepted,
        });
        lines::line(LineType::Search, None, fields)
    }
}

/// How far the first message of a task was compared: for programs, and for people.
fn compared(similarity: Similarity) -> (&'static str, &'static str) {
    match similarity {
        Similarity::Same => ("same", "the same"),
        Similarity::Unreadable => ("unreadable", "cannot be read"),
        Similarity::Unread => ("unread", "not compared"),
        _ => ("incomparable", "cannot be compared"),
    }
}

/// How sure it is that a task is the one.
fn sure(found: &Candidate) -> &'static str {
    match compared(found.similarity) {
        (_, "the same") if found.outside_expected_time => "the same, at another time",
        (_, words) => words,
    }
}

/// A task that was found, in words.
pub(super) fn told(found: &Candidate) -> String {
    let status = found.status.as_ref();
    let status = status.map_or_else(|| "status unknown".to_owned(), |s| one_line(s.as_str()));
    let created = match &found.created_at {
        Some(at) => format!(", created {}", one_line(at)),
        None => String::new(),
    };
    let sure = match found.similarity {
        Similarity::Same => "same first message".to_owned(),
        other => format!("first message {}", compared(other).1),
    };
    format!("{status}{created}, {sure}")
}

/// What is known of a candidate, for programs.
pub(super) fn about(found: &Candidate) -> Map<String, Value> {
    object(json!({
        "created_at": found.created_at,
        "title": found.title,
        "compared": compared(found.similarity).0,
        "outside_expected_time": found.outside_expected_time,
    }))
}

/// A candidate as a line for programs.
pub(super) fn candidate(task: &TaskRef, found: &Candidate) -> Value {
    let mut fields = about(found);
    fields.insert(
        "status".to_owned(),
        found.status.as_ref().map(|status| status.as_str()).into(),
    );
    lines::line(LineType::Candidate, Some(task), Value::Object(fields))
}
