//! Prints what was found, in words or as JSON lines, and adds it up.

use serde_json::{Value, json};
use taskward::core::sanitise::one_line;
use taskward::error::doctor::openapi::Difference;
use taskward::error::doctor::{Finding, JudgedAssumption};

use super::check::{Check, CheckResult};
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::registry::ProviderName;
use crate::task_ref::TaskRef;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: usize,
    warnings: usize,
    confirmed: usize,
    different: usize,
    not_seen: usize,
    differences: usize,
    /// Where the recording is.
    pub(super) recording: Option<String>,
    /// The task that was started.
    pub(super) task: Option<TaskRef>,
}

impl Report {
    /// Prints checks below a title.
    pub(super) fn checks(&mut self, out: &Out, title: &str, checks: &[Check]) -> CliResult<()> {
        if checks.is_empty() {
            return Ok(());
        }
        title_line(out, title)?;
        for check in checks {
            match check.result {
                CheckResult::Problem => self.problems += 1,
                CheckResult::Warning => self.warnings += 1,
                CheckResult::Ok | CheckResult::Unknown => {}
            }
            if out.is_json() {
                out.line(check.line());
                continue;
            }
            let (word, about) = (check.result.as_str(), check.about);
            out.print(&format!(
                "  {word:<8} {about:<10} {}\n",
                one_line(&check.message)
            ))?;
            if let Some(hint) = check
                .hint
                .as_ref()
                .filter(|_| check.result != CheckResult::Ok)
            {
                out.print(&format!("  {:<19} {}\n", "", one_line(hint)))?;
            }
        }
        Ok(())
    }

    /// Prints what was found of a platform.
    pub(super) fn assumptions(
        &mut self,
        out: &Out,
        provider: ProviderName,
        judged: &[JudgedAssumption],
    ) -> CliResult<()> {
        let count = |word: &str| {
            judged
                .iter()
                .filter(|one| one.finding.as_str() == word)
                .count()
        };
        let (confirmed, different, not_seen) =
            (count("confirmed"), count("different"), count("not_seen"));
        self.confirmed += confirmed;
        self.different += different;
        self.not_seen += not_seen;
        let title = format!(
            "{} as it is assumed to be: {confirmed} confirmed, {different} different, {not_seen} not seen",
            provider.title()
        );
        title_line(out, &title)?;
        for one in judged {
            let (word, detail) = (one.finding.as_str(), one_line(one.finding.detail()));
            if out.is_json() {
                out.line(assumption(provider, one));
                continue;
            }
            let word = word.replace('_', " ");
            out.print(&format!("  {word:<10} {}: {}\n", one.id, one.says))?;
            match one.finding {
                Finding::Confirmed(_) => {}
                Finding::Different(_) => out.print(&format!("  {:<10} seen: {detail}\n", ""))?,
                Finding::NotSeen(_) => out.print(&format!("  {:<10} it takes: {detail}\n", ""))?,
            }
        }
        Ok(())
    }

    /// Prints how the description that a platform serves differs from ours.
    pub(super) fn differences(
        &mut self,
        out: &Out,
        provider: ProviderName,
        found: &[Difference],
    ) -> CliResult<()> {
        self.differences += found.len();
        let title = provider.title();
        let words = match found.len() {
            0 => format!("The OpenAPI document that {title} serves says what ours says"),
            n => format!("The OpenAPI document that {title} serves: {n} differences from ours"),
        };
        title_line(out, &words)?;
        for one in found {
            let (kind, operation) = (one.kind.as_str(), &one.operation);
            if out.is_json() {
                let fields = json!({
                    "provider": provider.as_str(), "kind": kind, "operation": operation, "what": one.what,
                });
                out.line(line(LineType::Difference, None, fields));
                continue;
            }
            out.print(&format!(
                "  {kind:<10} {}: {}\n",
                one_line(operation),
                one_line(&one.what)
            ))?;
        }
        Ok(())
    }

    /// Prints the sum, and ends with what was found.
    pub(super) fn end(&self, out: &Out) -> CliResult<Exit> {
        let found = [
            (self.problems, "problem", "problems"),
            (
                self.different,
                "assumption that does not hold",
                "assumptions that do not hold",
            ),
            (
                self.differences,
                "difference of the description",
                "differences of the description",
            ),
        ];
        let words = found.iter().filter(|(count, _, _)| *count > 0);
        let words: Vec<String> = words
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        let exit = match words.is_empty() {
            true => Exit::Ok,
            false => Exit::Findings,
        };
        if out.is_json() {
            out.line(self.line(exit));
        } else {
            if let Some(recording) = &self.recording {
                out.print(&format!("Recording: {recording}\n"))?;
            }
            if exit == Exit::Ok {
                let warnings = match self.warnings {
                    0 => String::new(),
                    1 => " but for 1 warning".to_owned(),
                    more => format!(" but for {more} warnings"),
                };
                out.print(&format!("All is well{warnings}.\n"))?;
            }
        }
        if exit == Exit::Ok {
            return Ok(exit);
        }
        let error = CliError::new(Code::Findings, words.join(", ")).headed("found");
        let error = error.next("see", "taskward help doctor", "");
        Err(match &self.recording {
            Some(path) => error.why(format!(
                "The recording {path} is safe to attach to an issue."
            )),
            None => error,
        })
    }

    fn line(&self, exit: Exit) -> Value {
        let fields = json!({
            "exit": exit.code(),
            "problems": self.problems,
            "warnings": self.warnings,
            "confirmed": self.confirmed,
            "different": self.different,
            "not_seen": self.not_seen,
            "differences": self.differences,
            "recording": self.recording,
        });
        line(LineType::Doctor, self.task.as_ref(), fields)
    }
}

fn title_line(out: &Out, title: &str) -> CliResult<()> {
    match out.is_json() {
        true => Ok(()),
        false => out.print(&format!("{title}\n")),
    }
}

fn assumption(provider: ProviderName, one: &JudgedAssumption) -> Value {
    let fields = json!({
        "provider": provider.as_str(),
        "id": one.id,
        "says": one.says,
        "result": one.finding.as_str(),
        "seen": one.finding.detail(),
    });
    line(LineType::Assumption, None, fields)
}
