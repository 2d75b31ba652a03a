//! Repository tasks. `cargo xtask --help` lists them; each is a file of its own.

mod batch;
mod bench;
mod cargo;
mod ci;
mod codegen;
mod dist;
mod doubles;
mod faults;
mod figures;
mod fuzz;
mod interop;
mod kill;
mod package;
mod pages;
mod picture;
mod repo;
mod simulate;
mod simulator;
mod source;
mod stream;
mod tidy;
mod upload;
mod wire;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository tasks of Taskward.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the wire types from the specifications in `spec/`
    Codegen(codegen::Args),
    /// Write the table of faults and of the tests that hold their outcomes
    Faults(faults::Args),
    /// Count fields, methods, cycles, lines and public names, here or in another checkout
    Figures(figures::Args),
    /// Check the layering of the crates and other rules of the repository
    Tidy(tidy::Args),
    /// Run the fuzz targets for some time each (needs a nightly toolchain and a C++ compiler)
    Fuzz(fuzz::Args),
    /// Run thousands of simulations of the task machine, or break it on purpose and see that they find it
    Simulate(simulate::Args),
    /// Kill `taskward run` at random instants, recover each task, and count what the simulator made
    KillTest(kill::Args),
    /// Kill `taskward batch` at random instants and run it again, and count what the simulator made
    BatchTest(batch::Args),
    /// Measure everything that has a target, beside peers, and print one table (builds in release mode)
    Bench(bench::Args),
    /// Send a large file through both adapters and measure them (builds in release mode)
    UploadTest(upload::Args),
    /// Follow a stream of millions of events through both adapters and measure them (builds in release mode)
    StreamTest(stream::Args),
    /// Try many delays of a bad server on connections and deadlines through both adapters, and print what came of each
    WireTest,
    /// Run every command that the README, the pages in `docs/` and the help show (installs the program)
    Docs(pages::Args),
    /// Record the session that the README shows, in a terminal, and draw it (needs `script` of util-linux)
    Picture,
    /// Package every crate and print a table; with --test, build and test each package alone, outside the repository
    Package(package::Args),
    /// Build the archive that users download: program, completions, manual pages; --check builds it twice and compares
    Dist(dist::Args),
    /// Install the examples in Python and TypeScript, and run them beside the simulator (needs python3 and npm)
    Doubles,
    /// Install A2A servers of others from pip and npm, and start them (needs python3 and a package index)
    Interop(interop::Args),
    /// Run everything that a change must pass, fastest first
    Ci,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Codegen(args) => codegen::run(args),
        Task::Faults(args) => faults::run(&args),
        Task::Figures(args) => figures::run(&args),
        Task::Tidy(args) => tidy::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::KillTest(args) => kill::run(&args),
        Task::BatchTest(args) => batch::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Simulate(args) => simulate::run(&args),
        Task::UploadTest(args) => upload::run(&args),
        Task::StreamTest(args) => stream::run(&args),
        Task::WireTest => wire::run(),
        Task::Docs(args) => pages::run(&args),
        Task::Picture => picture::run(),
        Task::Package(args) => package::run(&args),
        Task::Dist(args) => dist::run(&args),
        Task::Doubles => doubles::run(),
        Task::Interop(args) => interop::run(&args),
        Task::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
