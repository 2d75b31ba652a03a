//! `cargo xtask interop`: A2A servers that nobody here wrote, installed from the package registries and started here. The
//! same walk goes through each of them, and what it sees is kept in `interop/traces`.

mod agent;
mod diff;
mod differences;
mod environment;
mod http;
mod sections;
mod server;
mod trace;
mod walk;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::simulator::Simulator;
use crate::{cargo, repo};
use agent::{Agent, BINDINGS, Binding};
use differences::{Differences, Verdict};
use environment::Environment;
use sections::SECTIONS;
use server::Server;

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
    /// Returns the arguments that name these servers.
    pub(crate) fn of(servers: &[Kind]) -> Self {
        Self {
            servers: servers.to_vec(),
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

/// Installs and starts the servers, walks through them and stops them; `INTEROP=skip` leaves all of it out.
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
    let mut differ = Vec::new();
    for kind in args.servers() {
        let environment = Environment::build(*kind)?;
        let server = Server::start(&environment)?;
        for (binding, trace) in walked(*kind, server.card())? {
            let name = format!("{}-{}", kind.name(), binding.name());
            if args.write {
                fs::create_dir_all(traces())?;
                fs::write(trace_of(&name), trace)?;
            } else if !is_as_kept(&name, &trace)? {
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

/// Compares a trace with the one that is kept, and prints where they differ.
fn is_as_kept(name: &str, trace: &str) -> Result<bool> {
    let kept = repo::read(&trace_of(name))?;
    let hunks = diff::hunks(&kept, trace);
    for hunk in &hunks {
        println!("interop: {name}, section {}", hunk.section);
        for (sign, lines) in [('-', &hunk.first), ('+', &hunk.second)] {
            for line in lines {
                println!("{sign}{line}");
            }
        }
    }
    if hunks.is_empty() {
        let sections = SECTIONS.len();
        println!(
            "interop: {name} is as kept, {sections} sections, {} lines",
            trace.lines().count()
        );
    }
    Ok(hunks.is_empty())
}

/// Walks through the simulator in the place of these servers.
fn simulated(servers: &[Kind]) -> Result<()> {
    let program = cargo::program()?.join("taskward");
    let mut seen = Vec::new();
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
            let hunks = diff::hunks(&repo::read(&trace_of(&name))?, &trace);
            seen.push((name, hunks));
        }
    }
    let verdict = Differences::read()?.judge(&seen)?;
    for unlisted in &verdict.unlisted {
        println!("{unlisted}");
    }
    for (name, hunks) in &seen {
        println!(
            "interop: the simulator as {name}: {} differences",
            hunks.len()
        );
    }
    for unseen in &verdict.unseen {
        println!("interop: no more seen: {unseen}");
    }
    ensure!(
        verdict == Verdict::default(),
        "{} has {} differences too few and {} too many",
        differences::FILE,
        verdict.unlisted.len(),
        verdict.unseen.len()
    );
    Ok(())
}

fn traces() -> PathBuf {
    repo::root().join("interop").join("traces")
}

fn trace_of(name: &str) -> PathBuf {
    traces().join(format!("{name}.txt"))
}
