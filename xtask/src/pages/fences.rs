//! The fenced blocks of a page, and the commands in them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A page of the documentation.
#[derive(Debug)]
pub(super) struct Page {
    /// Its path in the repository.
    pub(super) name: String,
    pub(super) fences: Vec<Fence>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fence {
    /// The line of its first line in the page.
    line: usize,
    language: String,
    pub(super) text: String,
    mark: Option<Mark>,
    /// What the last command in it prints, if the page shows that.
    output: Option<String>,
}

/// What a comment above a fence says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// It is not run, for the reason that the comment gives.
    NotRun,
    /// It is what the command above printed.
    Output,
}

/// A command as the shell reads it: one line, or as many as belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShellCommand {
    pub(super) line: usize,
    pub(super) text: String,
    /// The exit code that the page announces.
    pub(super) code: i32,
    /// What it prints, if the page shows that.
    pub(super) output: Option<String>,
}

impl Page {
    /// Reads the fences of a page.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut fences: Vec<Fence> = Vec::new();
        let mut mark = None;
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            if let Some(language) = line.strip_prefix("```") {
                let mut body = String::new();
                let mut closed = false;
                for (_, line) in lines.by_ref() {
                    closed = line.trim() == "```";
                    if closed {
                        break;
                    }
                    body.push_str(line);
                    body.push('\n');
                }
                ensure!(closed, "{name}:{number}: the fence does not end");
                if mark.take_if(|mark| *mark == Mark::Output).is_some() {
                    let above = fences.last_mut();
                    let above =
                        above.with_context(|| format!("{name}:{number}: output of what?"))?;
                    above.output = Some(body);
                } else {
                    fences.push(Fence {
                        line: number + 1,
                        language: language.to_owned(),
                        text: body,
                        mark: mark.take(),
                        output: None,
                    });
                }
            } else if let Some(comment) = line.strip_prefix("<!-- ") {
                mark = match comment.trim_end_matches(" -->") {
                    "output" => Some(Mark::Output),
                    reason if reason.starts_with("not run: ") => Some(Mark::NotRun),
                    // The gate runs it as its last step.
                    "command: test" => Some(Mark::NotRun),
                    _ => mark,
                };
            } else if !line.is_empty() {
                mark = None;
            }
        }
        Ok(Self {
            name: name.to_owned(),
            fences,
        })
    }
}

impl Fence {
    /// Returns whether this fence has commands that are not run.
    pub(super) fn is_left_out(&self) -> bool {
        self.language == "sh" && self.mark == Some(Mark::NotRun)
    }

    /// Returns whether this fence is a program in Rust to compile.
    pub(super) fn is_rust(&self) -> bool {
        self.language.split(',').next() == Some("rust") && self.mark.is_none()
    }

    /// Returns the commands to run, in order.
    pub(super) fn commands(&self) -> Vec<Result<ShellCommand>> {
        match self.language == "sh" && self.mark.is_none() {
            true => self.split(),
            false => Vec::new(),
        }
    }

    fn split(&self) -> Vec<Result<ShellCommand>> {
        let mut commands = Vec::new();
        let mut open: Option<ShellCommand> = None;
        for (number, line) in (self.line..).zip(self.text.lines()) {
            let command = open.get_or_insert_with(|| ShellCommand {
                line: number,
                text: String::new(),
                code: announced(line),
                output: None,
            });
            command.text.push_str(line);
            command.text.push('\n');
            match is_complete(&command.text) {
                Ok(true) => {
                    commands.extend(open.take().filter(ShellCommand::does_something).map(Ok))
                }
                Ok(false) => {}
                Err(error) => return vec![Err(error)],
            }
        }
        if let Some(open) = open {
            commands.push(Err(anyhow::anyhow!(
                "line {}: the command does not end",
                open.line
            )));
        }
        if let Some(Ok(last)) = commands.last_mut() {
            last.output.clone_from(&self.output);
        }
        commands
    }
}

impl ShellCommand {
    /// Returns whether this is more than comments and empty lines.
    fn does_something(&self) -> bool {
        let mut lines = self.text.lines().map(str::trim);
        lines.any(|line| !line.is_empty() && !line.starts_with('#'))
    }
}

/// Returns the exit code that the comment behind a command announces, as in `# ... (exit 8)`.
fn announced(line: &str) -> i32 {
    let comment = line.split_once(" # ").map_or("", |(_, comment)| comment);
    let code = comment.split_once("exit ").map_or("", |(_, code)| code);
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Returns whether the shell can run this text: no quote, loop or here-document is open.
fn is_complete(text: &str) -> Result<bool> {
    if text.trim_end().ends_with('\\') {
        return Ok(false);
    }
    let mut check = Command::new("bash");
    let output = check
        .args(["-n", "-c", text])
        .stdin(Stdio::null())
        .output()
        .context("cannot run bash")?;
    Ok(output.status.success() && output.stderr.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(page: &str) -> Vec<ShellCommand> {
        let page = Page::parse("page.md", page).unwrap();
        let all = page.fences.iter().flat_map(Fence::commands);
        all.collect::<Result<_>>().unwrap()
    }

    fn command(line: usize, text: &str, code: i32, output: Option<&str>) -> ShellCommand {
        ShellCommand {
            line,
            text: text.to_owned(),
            code,
            output: output.map(str::to_owned),
        }
    }

    #[test]
    fn a_command_is_a_line_or_as_many_lines_as_belong_together() {
        let page = "```sh\n# first\na 1   # so (exit 8)\n\nfor x in 1 2; do\n  b\ndone\nc <<X\nd\nX\ne \\\n  f\n```\n";
        assert_eq!(
            commands(page),
            [
                command(3, "a 1   # so (exit 8)\n", 8, None),
                command(5, "for x in 1 2; do\n  b\ndone\n", 0, None),
                command(8, "c <<X\nd\nX\n", 0, None),
                command(11, "e \\\n  f\n", 0, None),
            ]
        );
    }

    #[test]
    fn what_is_not_to_be_run_is_left_out_and_an_output_belongs_to_the_command_above() {
        let page = "<!-- not run: no clock -->\n```sh\na\n```\ntext\n```sh\nb\nc\n```\n\n<!-- output -->\n```text\nd\n```\n\
                    <!-- command: test -->\n\n```sh\ne\n```\n```json\nf\n```\n";
        assert_eq!(
            commands(page),
            [
                command(7, "b\n", 0, None),
                command(8, "c\n", 0, Some("d\n")),
            ]
        );
        let page = Page::parse("page.md", page).unwrap();
        assert_eq!(
            page.fences.iter().filter(|one| one.is_left_out()).count(),
            2
        );
    }

    #[test]
    fn a_fence_or_a_command_that_does_not_end_is_an_error() {
        let error = Page::parse("page.md", "text\n```sh\na\n").unwrap_err();
        assert_eq!(error.to_string(), "page.md:2: the fence does not end");
        let page = Page::parse("page.md", "```sh\nb 'c\n```\n").unwrap();
        let ends: Vec<bool> = page.fences[0]
            .commands()
            .iter()
            .map(Result::is_ok)
            .collect();
        assert_eq!(ends, [false]);
    }
}
