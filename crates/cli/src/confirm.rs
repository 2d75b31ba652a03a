//! What cannot be taken back is asked about first; a script says `--yes`.

use std::io::{self, BufRead as _};

use crate::answers::{drop_typed, is_attended};
use crate::args::Global;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::out::Out;
use crate::task_ref::quote;

/// Refuses where nobody can be asked. `danger` says what is asked about.
pub(crate) fn attended(global: &Global, danger: &str) -> CliResult<()> {
    if is_attended(global)? {
        return Ok(());
    }
    let what = format!("{danger}, and there is no terminal to ask on");
    let given = std::env::args_os().skip(1);
    let given = given.map(|word| quote(&word.to_string_lossy()));
    let words: Vec<String> = std::iter::once("taskward".to_owned())
        .chain(given)
        .collect();
    Err(CliError::new(Code::Usage, what)
        .why("Nothing was sent.")
        .next("do it", format!("{} --yes", words.join(" ")), ""))
}

/// Whether a person at the terminal says yes to a question.
pub(crate) fn sure(out: &Out, question: &str) -> bool {
    drop_typed(out);
    let said = typed(out, &format!("{question} [y/N] "));
    matches!(said.as_deref(), Some("y" | "Y" | "yes"))
}

/// The line that a person types behind a prompt.
pub(crate) fn typed(out: &Out, prompt: &str) -> Option<String> {
    let _hold = out.hold();
    out.prompt(prompt);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if line.ends_with('\n') {
        out.typed();
    }
    read.is_ok().then(|| line.trim().to_owned())
}

/// The end of a command whose question was not answered with yes.
pub(crate) fn declined(what: &str) -> CliError {
    CliError::new(Code::Declined, what).headed("kept")
}
