//! `cargo xtask interop`: A2A servers that nobody here wrote, installed from the package registries and started here. The
//! same walk goes through each of them, and what it sees is kept in `interop/traces`.

mod agent;
mod diff;
mod environment;
mod http;
mod sections;
mod server;
mod trace;
mod walk;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::repo;
use agent::{Agent, BINDINGS, Binding};
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
            write: false,
        }
    }
}

/// Installs and starts the servers, walks through them and stops them; `INTEROP=skip` leaves all of it out.
pub(crate) fn run(args: &Args) -> Result<()> {
    match std::env::var("INTEROP") {
        Ok(will) if will == "skip" => {
            println!("interop: skipped (INTEROP=skip)");
            return Ok(());
        }
        Ok(other) => bail!("INTEROP is {other:?}: the only value that it may have is skip"),
        Err(_) => {}
    }
    let servers = if args.servers.is_empty() {
        &ALL[..]
    } else {
        &args.servers
    };
    let mut differ = Vec::new();
    for kind in servers {
        let environment = Environment::build(*kind)?;
        let server = Server::start(&environment)?;
        for (binding, trace) in walked(*kind, &server)? {
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
fn walked(kind: Kind, server: &Server) -> Result<Vec<(Binding, String)>> {
    let mut agents = Vec::new();
    for binding in BINDINGS {
        agents.extend(Agent::find(server.card(), binding)?);
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

fn traces() -> PathBuf {
    repo::root().join("interop").join("traces")
}

fn trace_of(name: &str) -> PathBuf {
    traces().join(format!("{name}.txt"))
}
