//! `taskward`: agent tasks from a shell. See `taskward --help`.

mod again;
mod agent_url;
mod answers;
mod args;
mod calls;
mod clock;
mod codes;
mod command_line;
mod commands;
mod connection;
mod cx;
mod decisions;
mod doctor;
mod error;
mod exact;
mod exit;
mod exit_report;
mod failure_text;
mod files;
mod follow;
mod hidden;
mod keys;
mod lines;
mod opening;
mod out;
mod pages;
mod platform;
mod platforms;
mod print;
mod registry;
mod report;
mod sent;
mod server;
mod shell;
mod shown;
mod signals;
mod single_read;
mod store;
#[cfg(test)]
#[path = "../tests/table/mod.rs"]
mod table;
mod task_ref;
mod text_arg;
mod wrap;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use args::Cli;
use codes::Code;
use decisions::{Decisions, TARGET};
use error::CliError;
use exit::{Ended, Exit};
use out::Out;

fn main() {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    last_words(wants_json);
    let ended = guarded(|| match parse() {
        Ok((cli, name)) => perform(cli, &name),
        Err(error) => Ended::As(refuse(&error, wants_json)),
    });
    // Not `ExitCode`, which is a byte: on Windows a command ends with 32 bits.
    std::process::exit(ended.code());
}

/// What `work` ends with; a panic has said its words.
fn guarded(work: impl FnOnce() -> Ended) -> Ended {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Ended::As(Exit::Other))
}

/// The command line, and the name of its command.
fn parse() -> Result<(Cli, String), clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let matches = matches.map_err(|mut error| {
        let adopts = std::env::args_os().any(|word| word == "--adopt");
        if adopts && error.kind() == ErrorKind::UnknownArgument {
            // A task behind it would be taken for the start.
            let tip = ContextValue::StyledStrs(vec!["a task is named by --adopt=TASK".into()]);
            error.insert(ContextKind::Suggested, tip);
        }
        error
    })?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, name))
}

fn perform(cli: Cli, name: &str) -> Ended {
    let out = Arc::new(Out::new(&cli.global));
    log(&out);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let cli_error = CliError::new(Code::Local, format!("cannot start: {error}"));
            out.error(&cli_error);
            return Ended::As(cli_error.exit());
        }
    };
    let end = runtime.block_on(commands::perform(cli, out.clone()));
    // A read of a file that hangs must not hold up the end.
    runtime.shutdown_background();
    match end {
        Ok(ended) => ended,
        Err(cli_error) => {
            let cli_error = cli_error.of_command(name);
            out.error(&cli_error);
            Ended::As(cli_error.exit())
        }
    }
}

/// Help and version, or what is wrong with the command line.
fn refuse(error: &clap::Error, wants_json: bool) -> Exit {
    if wants_json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let line = out::json_line(&lines::stamped(CliError::new(Code::Usage, text).json()));
        // Whoever reads nothing needs no reason.
        let _ = writeln!(std::io::stdout(), "{line}");
        return Exit::Usage;
    }
    if error.use_stderr() {
        // Nobody is left to tell that stderr is closed.
        let _ = error.print();
        return Exit::Usage;
    }
    match error.print().and_then(|()| std::io::stdout().flush()) {
        Ok(()) => Exit::Ok,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::ReaderGone,
        Err(error) => {
            let what = format!("cannot write to stdout: {error}");
            let cli_error = CliError::new(Code::Output, what);
            let _ = write!(std::io::stderr(), "{}", cli_error.text(str::to_owned));
            cli_error.exit()
        }
    }
}

/// A panic says one line, without what it was about: that may hold anything.
fn last_words(wants_json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        let task = report::newest();
        let error = CliError::new(Code::Internal, format!("a bug in taskward{place}"))
            .why("Any task that was started keeps running.");
        let error = match &task {
            Some(task) => error.next("reattach", format!("taskward watch {}", task.quoted()), ""),
            None => error,
        };
        let error = error.task(&task);
        // Nobody is left to tell that the streams are closed.
        if wants_json {
            let _ = writeln!(
                std::io::stdout(),
                "{}",
                out::json_line(&lines::stamped(error.json()))
            );
        } else {
            let _ = writeln!(std::io::stderr(), "{}", error.brief());
        }
    }));
}

/// `TASKWARD_DEBUG=http` tells every exchange on stderr, `-v` every decision.
fn log(out: &Arc<Out>) {
    let exchanges = std::env::var_os("TASKWARD_DEBUG").is_some_and(|value| value == "http");
    let exchanges = exchanges.then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_filter(EnvFilter::new("taskward_client=debug"))
    });
    let decisions = out.is_verbose().then(|| {
        Decisions::new(out.clone()).with_filter(filter_fn(|about| about.target() == TARGET))
    });
    if exchanges.is_some() || decisions.is_some() {
        tracing_subscriber::registry()
            .with(exchanges)
            .with(decisions)
            .init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use taskward::nanonets::Nanonets;

    /// Makes the test below a program that panics.
    const CHILD: &str = "TASKWARD_TEST_PANICS";

    /// A panic ends a process, so the test runs itself once more in one of its own.
    ///
    /// Rows: M10.
    #[test]
    fn a_panic_says_one_line_without_what_it_was_about_and_names_the_task() {
        const CANARY: &str = "canary-4f1c2b7e9d";
        if let Ok(how) = std::env::var(CHILD) {
            last_words(how == "json");
            report::remember(&task_ref::TaskRef::of::<Nanonets>("8c1e".into()));
            let exit = guarded(|| panic!("the key is {CANARY}"));
            std::process::exit(exit.code());
        }
        let run = |how: &str| {
            let output = Command::new(std::env::current_exe().expect("this test"))
                .args([
                    "--exact",
                    "--nocapture",
                    "tests::a_panic_says_one_line_without_what_it_was_about_and_names_the_task",
                ])
                .env(CHILD, how)
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let text = |bytes| String::from_utf8(bytes).expect("text");
            let (stdout, stderr) = (text(output.stdout), text(output.stderr));
            assert!(
                !stdout.contains(CANARY) && !stderr.contains(CANARY),
                "{stdout}{stderr}"
            );
            (stdout, stderr)
        };
        let (_, stderr) = run("words");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with(concat!("error: a bug in taskward at ", file!(), ":")),
            "{stderr}"
        );
        for words in [
            "keeps running",
            "taskward watch nanonets:8c1e",
            "task nanonets:8c1e",
            "exit 1",
        ] {
            assert!(stderr.contains(words), "{words:?} in {stderr}");
        }
        let (stdout, stderr) = run("json");
        assert_eq!(stderr, "");
        // The lines before it are the test runner's.
        let last: serde_json::Value =
            serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON");
        assert_eq!(
            (&last["code"], &last["exit"], &last["task"]),
            (&"internal".into(), &1.into(), &"nanonets:8c1e".into())
        );
    }
}
