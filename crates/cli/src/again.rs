//! Why the same cannot be started again, and what can be done instead.

use std::error::Error as _;

use taskward::Error;
use taskward::error::StartAgainError;

use crate::command_line;
use crate::error::CliError;

/// The end that an error of the client means, when it is of a start that was to be made again.
pub(crate) fn refusal(error: &Error) -> Option<Box<CliError>> {
    let source = error.source()?;
    source.downcast_ref::<StartAgainError>().map(problem)
}

/// That the same cannot be started again, and what can be done instead.
pub(crate) fn problem(error: &StartAgainError) -> Box<CliError> {
    let problem = CliError::input(error.to_string());
    let problem = match error {
        StartAgainError::FileChanged(_) => {
            problem.why("It would be another job under the same name. Nothing was sent.")
        }
        StartAgainError::FileUnreadable { .. } => {
            problem.why("What came from a pipe (-f -) is never kept. Nothing was sent.")
        }
        _ => problem.why("Nothing was sent."),
    };
    let note = match error {
        StartAgainError::FileChanged(_) => "sends the file as it is now",
        _ => "starts another one, which may be billed twice",
    };
    if error.can_be_forced() {
        return problem.next("or", command_line::with("run", "--force-new"), note);
    }
    problem.why("Start it with the command that it was first started with.")
}
