//! What the program asks a platform's server in that platform's own way.

use taskward::event::Status;
use taskward::wire::DateTime;

use crate::connection::Connection;
use crate::error::CliResult;
use crate::platform::{Hint, Platform};
use crate::task_ref::TaskRef;

/// What one read of a task's status tells.
pub(crate) struct State {
    /// The status.
    pub(crate) status: Status,
    /// When the task changed last, as the server wrote it.
    pub(crate) changed: Option<DateTime>,
}

/// A platform whose server can be asked.
pub(crate) trait Calls: Platform {
    /// Reads the status of a task once.
    async fn state(connection: &Connection<Self>, task: &TaskRef) -> CliResult<State>;

    /// Reads the tasks that wait for an answer, the newest ones, where they are listed.
    async fn waiting(_session: &Connection<Self>, _limit: u16) -> CliResult<Vec<TaskRef>> {
        Ok(Vec::new())
    }

    /// The command that starts the same task again, when the server tells all of what was started.
    async fn restart_hint(_session: &Connection<Self>, _task: &TaskRef) -> Option<Hint> {
        None
    }
}
