//! What the journal of this machine has: tasks by name, and starts whose outcome is unknown.

use std::collections::HashSet;

use serde_json::{Value, json};
use taskward::journal::{Damage, Entry, EntryId};

use super::table;
use crate::args::Global;
use crate::clock::{ago, written};
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::store::{TaskStore, task_of};
use crate::task_ref::TaskRef;

/// The tasks known here, beside a list of the server's.
#[derive(Default)]
pub(super) struct Here {
    tasks: HashSet<String>,
    open: usize,
}

impl Here {
    /// Looks; that the journal cannot be read is told, and ends nothing.
    pub(super) fn read(cx: &Cx) -> Self {
        let store = TaskStore::existing(cx);
        let entries = store.map(|store| store.list()).transpose();
        let entries = entries.unwrap_or_else(|error| {
            cx.out.say(&format!(
                "warning: {}: starts made here may be missing: {}",
                error.what(),
                error.reasons()
            ));
            None
        });
        let entries = entries.unwrap_or_default();
        Self {
            tasks: entries
                .iter()
                .filter_map(|entry| Some(task_of(entry)?.to_string()))
                .collect(),
            open: entries.iter().filter(|entry| entry.is_open()).count(),
        }
    }

    /// Whether this one was started or watched here.
    pub(super) fn knows(&self, task: &TaskRef) -> bool {
        self.tasks.contains(&task.to_string())
    }

    /// Tells of the starts that no list shows.
    pub(super) fn tell_open(&self, out: &Out) {
        match self.open {
            0 => {}
            1 => out
                .say("the outcome of 1 start from this machine is unknown; run: taskward recover"),
            open => out.say(&format!(
                "the outcome of {open} starts from this machine is unknown; run: taskward recover"
            )),
        }
    }
}

/// Prints what is known, the one kept last first: at most so many tasks, and every start whose outcome is unknown.
pub(super) fn all(cx: &Cx, most: u32) -> CliResult<Exit> {
    let store = TaskStore::open(cx)?;
    let mut entries = of_provider(store.list()?, &cx.global);
    // Whose they are nobody can read.
    let hidden = store.unreadable()?;
    // One that was started and then watched is there twice.
    let mut seen = HashSet::new();
    entries.retain(|entry| {
        task_of(entry).is_none_or(|task| {
            seen.insert((task.to_string(), entry.snapshot.origin().map(str::to_owned)))
        })
    });
    let all = entries.len();
    let mut left = most;
    entries.retain(|entry| {
        let is_shown = entry.is_open() || left > 0;
        left = left.saturating_sub(1);
        is_shown
    });
    print(
        &cx.out,
        &entries,
        &hidden,
        "no task was started or followed on this machine",
    )?;
    if entries.len() < all {
        let shown = entries.len();
        cx.out.say(&format!(
            "{shown} of {all} shown; all: taskward ls --local --limit {all}"
        ));
    }
    Ok(Exit::Ok)
}

/// Those of the provider that was named.
pub(super) fn of_provider(mut entries: Vec<Entry>, global: &Global) -> Vec<Entry> {
    if let Some(provider) = global.named_provider() {
        entries.retain(|entry| entry.snapshot.provider() == provider.as_str());
    }
    entries
}

/// A start of which nothing can be read, and why.
type Hidden = (EntryId, Damage);

/// Prints entries as a table, or as JSON lines, and starts that cannot be read.
pub(super) fn print(out: &Out, entries: &[Entry], hidden: &[Hidden], none: &str) -> CliResult<()> {
    if out.is_json() {
        let hidden = hidden.iter().map(hidden_line);
        let lines = entries.iter().map(line).chain(hidden);
        lines.for_each(|line| out.line(line));
        return out.check();
    }
    if entries.is_empty() && hidden.is_empty() {
        out.say(none);
        return Ok(());
    }
    let people = out.is_for_people();
    let rows = entries.iter().map(|entry| row(entry, people));
    let rows: Vec<Vec<String>> = rows.chain(hidden.iter().map(hidden_row)).collect();
    let head = ["task", "state", "saved", "server", "title"];
    out.print(&table::render(&head, &rows, people))
}

/// What is known of a start that cannot be read.
const UNREADABLE: &str = "unreadable";

/// What is known of the task.
fn state(entry: &Entry) -> &'static str {
    if entry.is_open() {
        "unknown"
    } else if entry.snapshot.task().is_some() {
        "known"
    } else {
        "not started"
    }
}

fn row(entry: &Entry, people: bool) -> Vec<String> {
    let criteria = entry.snapshot.match_criteria();
    vec![
        task_of(entry).map_or_else(|| entry.id.to_string(), |task| task.to_string()),
        state(entry).to_owned(),
        if people {
            ago(entry.at)
        } else {
            written(entry.at)
        },
        entry.snapshot.origin().unwrap_or_default().to_owned(),
        criteria
            .and_then(|criteria| criteria.title.clone())
            .unwrap_or_default(),
    ]
}

fn hidden_row((id, _): &Hidden) -> Vec<String> {
    let unknown = String::new;
    vec![
        id.to_string(),
        UNREADABLE.to_owned(),
        unknown(),
        unknown(),
        unknown(),
    ]
}

fn hidden_line((id, damage): &Hidden) -> Value {
    let fields = json!({
        "intent_id": id.as_str(),
        "state": UNREADABLE,
        "provider": null,
        "server": null,
        "saved_at": null,
        "agent_id": null,
        "title": null,
        "why": damage.to_string(),
    });
    lines::line(LineType::Local, None, fields)
}

fn line(entry: &Entry) -> Value {
    let (task, kept) = (task_of(entry), &entry.snapshot);
    let criteria = kept.match_criteria();
    let fields = json!({
        "intent_id": kept.intent().map(|intent| intent.as_str()),
        "state": state(entry),
        "provider": kept.provider(),
        "server": kept.origin(),
        "saved_at": written(entry.at),
        "agent_id": criteria.and_then(|criteria| criteria.agent.as_ref()),
        "title": criteria.and_then(|criteria| criteria.title.as_ref()),
        "why": null,
    });
    lines::line(LineType::Local, task.as_ref(), fields)
}
