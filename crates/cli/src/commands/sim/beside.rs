//! A command beside the simulator: it has the simulator's accounts in its environment, and its end is the program's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::ExitStatus;

use taskward_sim::Sim;
use tokio::process::{Child, Command};

use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::Ended;
use crate::out::Out;
use crate::signals::{Signal, Source};

/// Runs a command until it ends, and gives its exit code.
///
/// The first signal is left to the command, which may take its time; the second kills it.
pub(super) async fn run(
    out: &Out,
    sim: &Sim,
    program: &OsStr,
    rest: &[OsString],
) -> CliResult<Ended> {
    // Before the command is there: a signal in between must not end the simulator alone.
    let mut signals = Source::new()
        .map_err(|e| CliError::new(Code::Local, format!("cannot listen to signals: {e}")))?;
    let mut child = Command::new(program)
        .args(rest)
        .envs(sim.variables())
        // Also when this program panics.
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| unrunnable(program, &e))?;
    let mut was_asked = false;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let ended = ended.map_err(|e| {
                    CliError::new(Code::Local, format!("cannot wait for the command: {e}"))
                })?;
                return Ok(Ended::AsCommand(code_of(ended)));
            }
            signal = signals.recv() => {
                if was_asked {
                    out.say("the command goes on after the first signal; killing it");
                    // It may have ended by itself meanwhile.
                    let _ = child.start_kill();
                } else {
                    pass_on(signal, &child);
                }
                was_asked = true;
            }
        }
    }
}

/// Says why a command cannot be run, with the exit code that a shell has for it.
fn unrunnable(program: &OsStr, error: &io::Error) -> CliError {
    let name = program.display();
    let error = match error.kind() {
        io::ErrorKind::NotFound => {
            let what = format!("there is no command {name}");
            CliError::new(Code::CommandNotFound, what)
                .why("Neither a program in PATH nor a file has this name; nothing was run.")
        }
        _ => CliError::new(Code::CommandNotRun, format!("cannot run {name}: {error}")),
    };
    let error = error.next("see", "taskward help sim", "");
    if cfg!(windows) {
        // Scripts such as npx.cmd are the shell's to find.
        return error.why("A script is run by its shell: taskward sim -- cmd /c SCRIPT");
    }
    error
}

/// Returns the exit code of a command; of one that a signal killed, the one that a shell has for it.
fn code_of(ended: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&ended) {
        return 128 + signal;
    }
    // On Windows there always is one.
    ended.code().unwrap_or(1)
}

/// Sends a signal to the command too, unless it has it already.
#[cfg(unix)]
fn pass_on(signal: Signal, child: &Child) {
    use rustix::process::{Pid, Signal as Number, kill_process};
    let number = match signal {
        // Test runners clean up at the first Ctrl-C and drop everything at the second: one must not become two.
        Signal::Interrupt if terminal_tells_all() => return,
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
        Signal::HangUp => Number::HUP,
    };
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, number);
    }
}

/// Returns whether a Ctrl-C comes from the terminal, which sends it to each process of its foreground group: this one and
/// the command.
#[cfg(unix)]
fn terminal_tells_all() -> bool {
    let terminal = std::fs::File::open("/dev/tty").ok();
    let foreground = terminal.and_then(|terminal| rustix::termios::tcgetpgrp(&terminal).ok());
    foreground == Some(rustix::process::getpgrp())
}

/// Sends nothing: the events of a console reach all its processes, and there is no other signal.
#[cfg(not(unix))]
fn pass_on(_signal: Signal, _child: &Child) {}
