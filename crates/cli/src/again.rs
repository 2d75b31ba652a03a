//! Why the same cannot be started again, and what can be done instead.

use std::error::Error as _;

use taskward::Error;
use taskward::error::StartAgainError;

use crate::command_line;
use crate::error::CliError;

/// The end that an error of the client means, when it is of a start that was to be made again.
pub(crate) fn refusal(error: &Error) -> Option<CliError> {
    let source = error.source()?;
    source.downcast_ref::<StartAgainError>().map(cli_error)
}

/// That the same cannot be started again, and what can be done instead.
pub(crate) fn cli_error(error: &StartAgainError) -> CliError {
    let cli_error = CliError::input(error.to_string());
    let cli_error = match error {
        StartAgainError::FileChanged(_) => {
            cli_error.why("It would be another job under the same name. Nothing was sent.")
        }
        StartAgainError::FileUnreadable { .. } => {
            cli_error.why("What came from a pipe (-f -) is never kept. Nothing was sent.")
        }
        _ => cli_error.why("Nothing was sent."),
    };
    let note = match error {
        StartAgainError::FileChanged(_) => "sends the file as it is now",
        _ => "starts another one, which may be billed twice",
    };
    if error.can_be_forced() {
        return cli_error.next("or", command_line::with("run", "--force-new"), note);
    }
    cli_error.why("Start it with the command that it was first started with.")
}
