//! One read of one task, which the server may not know.

use taskward::Error;
use taskward::core::{ErrorClass, Operation};
use taskward::error::ApiError;

use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::platform::Platform;
use crate::task_ref::TaskRef;

impl<P: Platform> Connection<P> {
    /// Makes one call that reads this task, which the server may not know.
    pub(crate) async fn read<O>(&self, task: &TaskRef, operation: O) -> CliResult<O::Output>
    where
        O: Operation + Clone + Send + 'static,
        O::Output: Send,
    {
        self.perform(operation)
            .await?
            .map_err(|error| unreadable(self, task, &error))
    }
}

/// A task that the server does not know, whether that is found out by a watch or by a single read.
pub(crate) fn gone<P: Platform>(connection: &Connection<P>, error: &ApiError) -> CliError {
    let what = "the server does not know this task";
    let cli_error = exchange(CliError::new(Code::Gone, what), error);
    let cli_error = cli_error.why(error.to_string());
    if P::CAPABILITIES.list {
        cli_error.next("see", connection.list(), "")
    } else {
        cli_error
    }
}

/// The end of a single read of a task that went wrong.
fn unreadable<P: Platform>(connection: &Connection<P>, task: &TaskRef, error: &Error) -> CliError {
    // As in a watch that has seen nothing of it: a refusal of the very id is one, too.
    let is_unknown = |api: &&ApiError| {
        matches!(api.class, ErrorClass::Invalid | ErrorClass::Gone) || api.status.as_u16() == 422
    };
    let cli_error = match error.api_error().filter(is_unknown) {
        Some(api) => gone(connection, api).attempts(error.attempts()),
        None => connection.cli_error(error),
    };
    cli_error.task(task)
}

/// Adds the reply's status, its id and the server's own code.
pub(crate) fn exchange(cli_error: CliError, error: &ApiError) -> CliError {
    cli_error
        .exchange(error.request_id.clone(), Some(error.status.as_u16()))
        .reason(error.code.clone())
}
