//! What the journal of this machine has: tasks by name, and starts whose outcome is unknown.

use std::collections::HashSet;

use serde_json::{Value, json};
use taskward::journal::Entry;

use super::table;
use crate::args::Global;
use crate::clock::{ago, written};
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::store::{Hidden, OpenStarts, TaskStore, task_of};
use crate::task_ref::TaskRef;

/// What is known here, beside a list of the server's.
pub(super) struct Here {
    store: Option<TaskStore>,
    open: usize,
}

impl Here {
    /// Looks; that the journal cannot be read is told, and ends nothing.
    pub(super) fn read(cx: &Cx) -> Self {
        let store = TaskStore::existing(cx);
        let open = store.as_ref().map(TaskStore::open_starts).transpose();
        let open = open.unwrap_or_else(|error| {
            cx.out.say(&format!(
                "warning: {}: starts made here may be missing: {}",
                error.what(),
                error.reasons()
            ));
            None
        });
        Self {
            store,
            open: open.map_or(0, |open| open.entries.len()),
        }
    }

    /// Whether this one was started or watched here.
    pub(super) fn knows(&self, task: &TaskRef) -> bool {
        self.store
            .as_ref()
            .is_some_and(|store| store.kept(task).is_some())
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
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let OpenStarts {
        entries: open,
        hidden,
    } = store.open_starts()?;
    let (mut entries, known) = newest(&store, &cx.global, most)?;
    let mut older_starts = of_provider(open, &cx.global);
    older_starts.retain(|start| entries.iter().all(|entry| entry.id != start.id));
    entries.extend(older_starts);
    // Whose the hidden ones are nobody can read.
    print(
        &cx.out,
        &entries,
        &hidden,
        "no task was started or followed on this machine",
    )?;
    let (shown, all, about) = match known {
        Known::All(all) => (entries.len(), all, ""),
        Known::About(all) => (entries.len(), all, "about "),
    };
    if shown < all {
        cx.out.say(&format!(
            "{shown} of {about}{all} shown; all: taskward ls --local --limit {all}"
        ));
    }
    Ok(Exit::Ok)
}

/// How many tasks are known.
enum Known {
    All(usize),
    /// Without reading them all, those that are stored twice are not told apart.
    About(usize),
}

/// Returns the tasks that were kept last, each once, of the provider that was named, and how many there are.
fn newest(store: &TaskStore, global: &Global, most: usize) -> CliResult<(Vec<Entry>, Known)> {
    let all = store.count()?;
    let mut read = most.saturating_add(1).saturating_mul(2);
    loop {
        let mut entries = of_provider(store.recent(read)?, global);
        // One that was started and then watched is there twice.
        let mut seen = HashSet::new();
        entries.retain(|entry| {
            task_of(entry).is_none_or(|task| {
                seen.insert((task.to_string(), entry.snapshot.origin().map(str::to_owned)))
            })
        });
        if read >= all || entries.len() >= most {
            let known = match read >= all {
                true => Known::All(entries.len()),
                false => Known::About(all),
            };
            entries.truncate(most);
            return Ok((entries, known));
        }
        read = read.saturating_mul(4);
    }
}

/// Those of the provider that was named.
pub(super) fn of_provider(mut entries: Vec<Entry>, global: &Global) -> Vec<Entry> {
    if let Some(provider) = global.named_provider() {
        entries.retain(|entry| entry.snapshot.provider() == provider.as_str());
    }
    entries
}

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
