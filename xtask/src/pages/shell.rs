//! The shell that runs a page: one process, in which each command is followed by a line with its exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::fences::ShellCommand;
use crate::simulator::Simulator;

/// A shell with a home of its own and the program in its path.
pub(super) struct Shell {
    command: Command,
    /// What each command prints, its code behind it.
    log: PathBuf,
    /// Its home and its working folder.
    _home: TempDir,
}

impl Shell {
    /// Creates a shell whose accounts are those of `simulator`; it works in `folder`, or else in one of its own.
    pub(super) fn new(
        program: &Path,
        scratch: &Path,
        folder: Option<PathBuf>,
        simulator: &Simulator,
    ) -> Result<Self> {
        fs::create_dir_all(scratch)?;
        let home = tempfile::tempdir_in(scratch)?;
        let work = home.path().join("work");
        fs::create_dir(&work)?;
        let bin = program.parent().context("the program is in no folder")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command
            .current_dir(folder.unwrap_or(work))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", home.path())
            // With another home cargo would fetch everything again, and rustup would have no toolchain.
            .env("CARGO_HOME", home_of("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", home_of("RUSTUP_HOME", ".rustup"))
            .env("XDG_STATE_HOME", home.path().join("state"))
            .env("TASKWARD_NO_INPUT", "1")
            .stdin(Stdio::null());
        // Of the reader's own settings none may show.
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "TASKWARD_TIMEOUT",
            "TASKWARD_DEBUG",
        ] {
            command.env_remove(name);
        }
        simulator.accounts(&mut command);
        Ok(Self {
            command,
            log: home.path().join("log"),
            _home: home,
        })
    }

    /// Runs the commands in order; returns a text for each that did not end as it should.
    pub(super) fn run(mut self, page: &str, commands: &[ShellCommand]) -> Result<Vec<String>> {
        let folder = self.log.with_extension("d");
        fs::create_dir(&folder)?;
        let script = self.log.with_extension("sh");
        fs::write(&script, script_of(commands, &folder))?;
        let status = self
            .command
            .arg(&script)
            .output()
            .context("cannot run bash")?;
        let ended = String::from_utf8_lossy(&status.stdout).into_owned();
        let codes: Vec<i32> = ended.lines().filter_map(|line| line.parse().ok()).collect();
        ensure!(
            codes.len() == commands.len(),
            "{page}: the shell ended at line {}: {}",
            commands.get(codes.len()).map_or(0, |at| at.line),
            String::from_utf8_lossy(&status.stderr)
        );
        let mut failed = Vec::new();
        for (number, (command, code)) in commands.iter().zip(codes).enumerate() {
            let read = |end: &str| fs::read(folder.join(format!("{number}.{end}")));
            let [out, err] = ["out", "err"].map(|end| read(end).unwrap_or_default());
            let out = String::from_utf8_lossy(&out);
            let fault = match &command.output {
                _ if code != command.code => format!("exit {code} instead of {}", command.code),
                Some(shown) if *shown != *out => format!("it printed this instead of\n{shown}"),
                _ => continue,
            };
            let err = String::from_utf8_lossy(&err);
            failed.push(format!(
                "{page}:{}: {fault}\n$ {}{out}{err}",
                command.line, command.text
            ));
        }
        Ok(failed)
    }
}

/// Returns a script that runs each command in the same shell, with its output in files, and prints its exit code.
fn script_of(commands: &[ShellCommand], folder: &Path) -> String {
    let mut script = String::from("exec 3>&1\n");
    for (number, command) in commands.iter().enumerate() {
        let file = folder.join(number.to_string());
        let (text, file) = (&command.text, file.display());
        script += &format!("{{\n{text}}} >'{file}.out' 2>'{file}.err' 3>&-\necho $? >&3\n");
    }
    // What a page left running ends with it.
    script + "kill $(jobs -p) 2>/dev/null\nwait 2>/dev/null\ntrue\n"
}

/// Returns where a tool keeps its files: what the variable says, or a folder in the home.
fn home_of(variable: &str, folder: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os(variable).map_or_else(|| home().join(folder), PathBuf::from)
}
