//! `taskward run --again`: starts the same as a task that was started here, as a new one.

use taskward::journal::Entry;

use crate::again;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::registry::ProviderName;
use crate::store::TaskStore;
use crate::task_ref::{TaskArg, TaskRef};

/// A start that is kept here, and the task it made.
pub(crate) struct Kept {
    pub(crate) entry: Entry,
    task: TaskRef,
}

impl Kept {
    pub(super) fn provider(&self) -> ProviderName {
        self.task.provider()
    }

    pub(super) fn task(&self) -> TaskRef {
        self.task.clone()
    }
}

/// The start of this task, and that enough of it is kept.
pub(super) fn find(cx: &Cx, task: &TaskArg) -> CliResult<Kept> {
    // An id alone is whosever it is here.
    let wanted = task.provider().or(cx.global.named_provider());
    if task.provider().is_some() {
        // Refuses a provider that is named twice, and differently.
        cx.global.task(task)?;
    }
    let mut started = TaskStore::open(cx)?.started(task.id())?;
    started.retain(|(found, _)| wanted.is_none_or(|wanted| wanted == found.provider()));
    let Some((task, entry)) = started.into_iter().next() else {
        let what = format!("nothing is kept here of how {} was started", task.id());
        return Err(CliError::input(what)
            .why("A start is kept on the machine that made it, unless --no-journal was given. Nothing was sent.")
            .next("see", "taskward ls --local", "every task known on this machine"));
    };
    match entry.snapshot.start_again() {
        Ok(_) => Ok(Kept { entry, task }),
        Err(error) => Err(again::cli_error(&error).task(&task)),
    }
}
