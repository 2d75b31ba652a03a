//! What the program asks a platform's server in that platform's own way: what every platform has, and what some have.

use serde_json::{Map, Value};
use taskward::core::LenientList;
use taskward::event::Status;
use taskward::wire::DateTime;

use crate::args::Agents;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::platform::{Hint, Platform, unable};
use crate::registry::Feature;
use crate::server::{Search, Server};
use crate::task_ref::TaskRef;

/// What one read of a task tells.
pub(crate) struct Summary {
    pub(crate) status: Status,
    /// What it is about.
    pub(crate) title: Option<Value>,
    pub(crate) created_at: Option<Value>,
    pub(crate) updated_at: Option<Value>,
    pub(crate) platform_data: Value,
}

impl Summary {
    /// When the task was made, as the server wrote it.
    pub(crate) fn created(&self) -> Option<DateTime> {
        self.created_at.as_ref()?.as_str().map(DateTime::from)
    }

    /// When it changed last, as the server wrote it.
    pub(crate) fn changed(&self) -> Option<DateTime> {
        self.updated_at.as_ref()?.as_str().map(DateTime::from)
    }
}

/// One message of a conversation.
pub(crate) struct Said {
    pub(crate) id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) is_agent: bool,
    pub(crate) at: Option<DateTime>,
    /// Its content as the server sent it.
    pub(crate) content: Option<Value>,
}

/// Which tasks of an account are wanted.
#[derive(Default)]
pub(crate) struct TaskFilter {
    pub(crate) limit: u32,
    /// In the platform's own words; none is all.
    pub(crate) status: Vec<String>,
    /// Only those that wait for an answer.
    pub(crate) waiting: bool,
    pub(crate) agent: Option<String>,
    pub(crate) created_after: Option<String>,
    pub(crate) created_before: Option<String>,
    pub(crate) title: Option<String>,
}

/// A task in the list of an account.
pub(crate) struct ListedTask {
    /// Nothing where the list does not name it.
    pub(crate) task: Option<TaskRef>,
    pub(crate) status: String,
    pub(crate) title: Option<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) agent_name: Option<String>,
    pub(crate) created_at: Option<DateTime>,
    pub(crate) updated_at: Option<DateTime>,
}

/// Whose usage of an account is wanted, and of what time.
pub(crate) struct UsageFilter {
    pub(crate) workspace: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) granularity: Option<String>,
}

/// A platform whose server can be asked. Whatever not every platform can do has a body here: nobody calls it where
/// [`able`](crate::platform::able) refuses its command.
pub(crate) trait Calls: Platform {
    /// Finds the server that a command goes to; by default the one of the settings.
    async fn find(search: &Search<'_>) -> CliResult<Server<Self>> {
        Ok(search.settings())
    }

    /// Reads a task once.
    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary>;

    /// Reads all that is told of the steps of a task that has no list of events, with its status.
    async fn steps(_: &Connection<Self>, _task: &TaskRef) -> CliResult<(Status, Vec<Value>)> {
        unable::<Self, _>(Feature::Events)
    }

    /// The command that starts the same task again, when the server tells all of what was started.
    async fn restart_hint(_: &Connection<Self>, _task: &TaskRef) -> Option<Hint> {
        None
    }

    /// Reads the conversation of a task, oldest first.
    async fn messages(_: &Connection<Self>, _task: &TaskRef) -> CliResult<LenientList<Said>> {
        unable::<Self, _>(Feature::Messages)
    }

    /// Gives the tasks of the account, newest first; how many entries of the list could not be read.
    async fn tasks(
        _: &Connection<Self>,
        _wanted: TaskFilter,
        _take: impl FnMut(ListedTask) -> CliResult<()>,
    ) -> CliResult<usize> {
        unable::<Self, _>(Feature::Ls)
    }

    /// Brings a task back to work that is stuck.
    async fn resume(_: &Connection<Self>, _task: &TaskRef) -> CliResult<()> {
        unable::<Self, _>(Feature::ResumeRun)
    }

    /// Reads what was used.
    async fn usage(_: &Connection<Self>, _of: UsageFilter) -> CliResult<Map<String, Value>> {
        unable::<Self, _>(Feature::Usage)
    }

    /// Lists, shows and changes the agents of the account.
    async fn agents(_cx: &Cx, _args: Agents) -> CliResult<Exit> {
        unable::<Self, _>(Feature::Agents)
    }
}
