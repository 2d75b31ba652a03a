//! `taskward`: agent tasks from a shell. See `taskward --help`.

mod agents;
mod answers;
mod args;
mod clock;
mod commands;
mod confirm;
mod ends;
mod exit;
mod files;
mod follow;
mod keys;
mod out;
mod pages;
mod platform;
mod print;
mod problem;
mod report;
mod sanitise;
mod session;
mod signals;
mod task_ref;
mod text_arg;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use args::Cli;
use exit::Exit;
use out::Out;
use problem::Problem;

fn main() -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    last_words(wants_json);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| match Cli::try_parse() {
        Ok(cli) => perform(cli),
        Err(error) => refuse(&error, wants_json),
    }));
    // A panic has said its words.
    ExitCode::from(ended.unwrap_or(Exit::Other).code())
}

fn perform(cli: Cli) -> Exit {
    log_requests();
    let out = Arc::new(Out::new(&cli.global));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let problem = Problem::new(Exit::Other, "local", format!("cannot start: {error}"));
            out.problem(&problem);
            return problem.exit();
        }
    };
    let end = runtime.block_on(commands::perform(cli, out.clone()));
    // A read of a file that hangs must not hold up the end.
    runtime.shutdown_background();
    match end {
        Ok(exit) => exit,
        Err(problem) => {
            out.problem(&problem);
            problem.exit()
        }
    }
}

/// Help and version, or what is wrong with the command line.
fn refuse(error: &clap::Error, wants_json: bool) -> Exit {
    if wants_json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let line = out::json_line(&Problem::new(Exit::Usage, "usage", text).json());
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
            let problem = Problem::new(Exit::Other, "output", what);
            let _ = write!(std::io::stderr(), "{}", problem.text(str::to_owned));
            problem.exit()
        }
    }
}

/// A panic says one line, without what it was about: that may hold anything.
fn last_words(wants_json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        let problem = Problem::new(Exit::Other, "internal", format!("a bug in taskward{place}"))
            .why("Whatever was started goes on.");
        let problem = problem.task(report::newest());
        // Nobody is left to tell that the streams are closed.
        if wants_json {
            let _ = writeln!(std::io::stdout(), "{}", out::json_line(&problem.json()));
        } else {
            let _ = write!(std::io::stderr(), "{}", problem.text(str::to_owned));
        }
    }));
}

/// `TASKWARD_DEBUG=http` tells every exchange on stderr.
fn log_requests() {
    if std::env::var_os("TASKWARD_DEBUG").is_some_and(|value| value == "http") {
        tracing_subscriber::fmt()
            .with_env_filter("taskward_hyper=debug")
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
    }
}
