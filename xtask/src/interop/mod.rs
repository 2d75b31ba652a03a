//! `cargo xtask interop`: A2A servers that nobody here wrote, installed from the package registries and started here. The
//! same walk goes through each of them, and what it sees is kept in `interop/traces`.

mod agent;
mod bench;
mod diff;
mod differences;
mod environment;
mod http;
mod proxy;
mod rows;
mod sections;
mod server;
mod table;
mod trace;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::simulator::Simulator;
use crate::{cargo, repo};
use agent::{Agent, BINDINGS, Binding};
use bench::Bench;
use differences::Differences;
use environment::Environment;
use rows::ROWS;
use sections::SECTIONS;
use server::Server;
use table::{Cell, Column, Table};

/// Which servers.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The servers to install and run (default: all)
    #[arg(value_enum)]
    servers: Vec<Kind>,
    /// Keep the traces as they are now in interop/traces, instead of comparing them
    #[arg(long)]
    write: bool,
    /// Walk through the simulator, switched to each of them, and compare that with interop/traces: installs nothing
    #[arg(long, conflicts_with = "write")]
    simulator: bool,
    /// Only walk through the servers, without the table of what the client does with them
    #[arg(long)]
    walk: bool,
    /// Only these rows of the table, whose names begin so, and no walk
    #[arg(long, value_name = "NAME", conflicts_with_all = ["write", "simulator", "walk"])]
    row: Vec<String>,
}

/// What the server is built on; each is a folder of `interop/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The protocol's Python SDK
    Py,
    /// The protocol's JavaScript SDK
    Js,
    /// LangGraph's development server
    Langgraph,
}

const ALL: [Kind; 3] = [Kind::Py, Kind::Js, Kind::Langgraph];

impl Kind {
    /// Returns the name of its folder.
    fn name(self) -> &'static str {
        match self {
            Self::Py => "py",
            Self::Js => "js",
            Self::Langgraph => "langgraph",
        }
    }

    /// Returns the bindings that it offers.
    fn bindings(self) -> &'static [Binding] {
        match self {
            Self::Py | Self::Js => &BINDINGS,
            Self::Langgraph => &[Binding::Rpc],
        }
    }

    /// Returns why a section of the walk has no sense on this server.
    fn cannot(self, section: &str) -> Option<&'static str> {
        if self != Self::Langgraph {
            return None;
        }
        match section {
            "question as data" => Some("a graph's interrupt is its own kind of data"),
            "sign in elsewhere" | "sign in by answer" => Some("a graph cannot say auth-required"),
            "rejected" => Some("a graph cannot reject"),
            "data" => Some("the answer is the graph's last message"),
            "direct reply" => Some("every message starts a run"),
            "refused cancel" => Some("a run is always cancelled"),
            _ => None,
        }
    }
}

impl Args {
    /// Returns the arguments for a walk through these servers.
    pub(crate) fn walk(servers: &[Kind]) -> Self {
        Self {
            servers: servers.to_vec(),
            walk: true,
            ..Self::default()
        }
    }

    /// Returns the arguments for the simulator's walk in the place of all of them.
    pub(crate) fn simulator() -> Self {
        Self {
            simulator: true,
            ..Self::default()
        }
    }

    fn servers(&self) -> &[Kind] {
        if self.servers.is_empty() {
            &ALL
        } else {
            &self.servers
        }
    }
}

/// Installs and starts the servers, walks through them, tries the client with them and stops them; `INTEROP=skip` leaves all of it out.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.simulator {
        return simulated(args.servers());
    }
    match std::env::var("INTEROP") {
        Ok(will) if will == "skip" => {
            println!("interop: skipped (INTEROP=skip)");
            return Ok(());
        }
        Ok(other) => bail!("INTEROP is {other:?}: the only value that it may have is skip"),
        Err(_) => {}
    }
    let environments = args.servers().iter().map(|kind| Environment::build(*kind));
    let environments: Vec<Environment> = environments.collect::<Result<_>>()?;
    if args.row.is_empty() {
        walk_through(&environments, args.write)?;
    }
    if !args.write && !args.walk {
        try_the_client(&environments, &args.row)?;
    }
    Ok(())
}

/// Walks through the servers, and keeps the traces or compares them with those that are kept.
fn walk_through(environments: &[Environment], write: bool) -> Result<()> {
    let mut differ = Vec::new();
    for environment in environments {
        let kind = environment.kind;
        let server = Server::start(environment, &server::Options::default())?;
        for (binding, trace) in walked(kind, server.card())? {
            let name = format!("{}-{}", kind.name(), binding.name());
            if write {
                fs::create_dir_all(traces())?;
                fs::write(trace_of(&name), trace)?;
            } else if !is_as(&repo::read(&trace_of(&name))?, &name, &trace) {
                differ.push(name);
            }
        }
    }
    ensure!(
        differ.is_empty(),
        "not as interop/traces has it: {} (--write keeps what is seen now)",
        differ.join(", ")
    );
    Ok(())
}

/// Tries the client with each server, all columns at once, and prints the table.
fn try_the_client(environments: &[Environment], wanted: &[String]) -> Result<()> {
    let client = cargo::example("interop")?;
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.starts_with(word.as_str()));
    let rows: Vec<&rows::Row> = ROWS.iter().filter(|row| is_wanted(row.name)).collect();
    ensure!(
        !rows.is_empty(),
        "no row's name begins with {}",
        wanted.join(" or ")
    );
    let kinds: Vec<Kind> = environments
        .iter()
        .map(|environment| environment.kind)
        .collect();
    let columns = table::columns(&kinds);
    let tried: Vec<Vec<Cell>> = std::thread::scope(|scope| {
        let (rows, client) = (&rows, &client);
        let columns = columns.iter().map(|column| {
            let environment = environments.iter().find(|one| one.kind == column.kind);
            let environment = environment.expect("a column is of one of them");
            scope.spawn(move || column_of(*column, environment, client, rows))
        });
        let columns: Vec<_> = columns.collect();
        let cells = columns
            .into_iter()
            .map(|column| column.join().expect("a column does not panic"));
        cells.collect()
    });
    let cells_of = |at: usize| tried.iter().map(|column| column[at].clone()).collect();
    let rows = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (row.name, cells_of(at)))
        .collect();
    let table = Table { columns, rows };
    println!("{table}");
    ensure!(table.failures() == 0, "{} cells failed", table.failures());
    Ok(())
}

/// Returns the cells of a column.
fn column_of(
    column: Column,
    environment: &Environment,
    client: &Path,
    rows: &[&rows::Row],
) -> Vec<Cell> {
    let mut bench = match Bench::new(column, environment, client) {
        Ok(bench) => bench,
        Err(error) => {
            let failed = Cell::Failed(format!("{column}: {error:#}"));
            return vec![failed; rows.len()];
        }
    };
    let cell = |row: &&rows::Row| {
        bench.proxy.reset();
        Cell::of((row.run)(&mut bench).with_context(|| column.to_string()))
    };
    rows.iter().map(cell).collect()
}

/// Walks through a server, in all its bindings at once.
fn walked(kind: Kind, card: &str) -> Result<Vec<(Binding, String)>> {
    let mut agents = Vec::new();
    for binding in BINDINGS {
        agents.extend(Agent::find(card, binding)?);
    }
    std::thread::scope(|scope| {
        let walk = |agent| move || walk::run(agent, SECTIONS, &|section| kind.cannot(section));
        let walks: Vec<_> = agents
            .iter()
            .map(|agent| (agent.binding, scope.spawn(walk(agent))))
            .collect();
        let join =
            |(binding, walk): (Binding, std::thread::ScopedJoinHandle<'_, Result<String>>)| {
                Ok((binding, walk.join().expect("a walk does not panic")?))
            };
        walks.into_iter().map(join).collect()
    })
}

/// Compares a trace with the one that there should be, and prints where they differ.
fn is_as(expected: &str, name: &str, trace: &str) -> bool {
    let hunks = diff::hunks(expected, trace);
    for hunk in &hunks {
        println!("interop: {name}, section {}", hunk.section);
        for (sign, lines) in [('-', &hunk.first), ('+', &hunk.second)] {
            for line in lines {
                println!("{sign}{line}");
            }
        }
    }
    if hunks.is_empty() {
        let (sections, lines) = (SECTIONS.len(), trace.lines().count());
        println!("interop: {name} is as kept, {sections} sections, {lines} lines");
    }
    hunks.is_empty()
}

/// Walks through the simulator in the place of these servers.
fn simulated(servers: &[Kind]) -> Result<()> {
    let program = cargo::program()?.join("taskward");
    let differences = Differences::read()?;
    let (mut differ, mut unseen) = (Vec::new(), Vec::new());
    for kind in servers {
        let scenario = tempfile::NamedTempFile::new()?;
        fs::write(&scenario, format!("[a2a]\nprofile = \"{}\"\n", kind.name()))?;
        let simulator = Simulator::in_scenario(&program, scenario.path())?;
        let base = simulator.account("a2a")["base_url"]
            .as_str()
            .unwrap_or_default();
        // The query is LangGraph's; nobody else heeds it.
        let card = format!("{base}/.well-known/agent-card.json?assistant_id=script");
        for (binding, trace) in walked(*kind, &card)? {
            let name = format!("{}-{}", kind.name(), binding.name());
            let real = repo::read(&trace_of(&name))?;
            let expected = differences.expected(&name, &real, &mut unseen);
            if !is_as(&expected, &format!("the simulator as {name}"), &trace) {
                differ.push(name);
            }
        }
    }
    for unseen in &unseen {
        println!("interop: no more seen: {unseen}");
    }
    let as_listed = differ.is_empty() && unseen.is_empty();
    ensure!(
        as_listed,
        "the simulator differs otherwise than {} has it: {} (and {} listed differences are not seen)",
        differences::FILE,
        differ.join(", "),
        unseen.len()
    );
    Ok(())
}

fn traces() -> PathBuf {
    repo::root().join("interop").join("traces")
}

fn trace_of(name: &str) -> PathBuf {
    traces().join(format!("{name}.txt"))
}
