//! Prints what whole polls and uploads cost over loopback, ours beside peers, and which targets hold.
//!
//! `transport poll` and `transport upload [MIB]` print a table each; every client runs in a process of its own, pinned
//! to another processor than the server where `taskset` is there, and the clients take turns.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use taskward_benches::alloc;
use taskward_benches::figures::{has_valgrind, instructions, median};
use taskward_benches::row::Row;
use taskward_benches::transport::Taken;
use taskward_benches::transport::poll::{IN_FLIGHT, POLLERS};
use taskward_benches::transport::server::{self, Process};
use taskward_benches::transport::upload::UPLOADERS;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Each client runs so often; the medians are shown.
const ROUNDS: usize = 7;
/// Polls of one run.
const POLLS: u64 = 32 * IN_FLIGHT;
/// Polls of the shorter run under callgrind; the longer one has three times as many.
const COUNTED: u64 = 4 * IN_FLIGHT;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["poll"] => polls(),
        ["upload"] => uploads(1024),
        ["upload", mib] => uploads(mib.parse()?),
        ["serve"] => {
            server::serve()?;
            Ok(ExitCode::SUCCESS)
        }
        ["client", name, server, what] => {
            let taken = match POLLERS.iter().find(|one| one.name == name) {
                Some(poller) => (poller.run)(server, what.parse()?),
                None => {
                    let uploader = UPLOADERS.iter().find(|one| one.name == name);
                    (uploader.ok_or("no such client")?.run)(server, Path::new(what))
                }
            };
            println!("{}", serde_json::to_string(&taken)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("usage: transport poll | upload [MIB]");
            Ok(ExitCode::from(2))
        }
    }
}

/// This program again, pinned to a processor where that can be done.
fn myself(processor: &str) -> Result<Command, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let has_taskset = Command::new("taskset")
        .args(["-c", processor, "true"])
        .status()
        .is_ok_and(|status| status.success());
    Ok(if has_taskset {
        let mut command = Command::new("taskset");
        command.args(["-c", processor]).arg(program);
        command
    } else {
        Command::new(program)
    })
}

/// Starts the server on a processor of its own.
fn serving() -> Result<Process, Box<dyn Error>> {
    Ok(Process::start(myself("0")?.arg("serve"))?)
}

/// Runs a client beside the server; returns what it took.
fn client(server: &Process, name: &str, what: &str) -> Result<Taken, Box<dyn Error>> {
    let output = myself("1")?
        .args(["client", name, server.address(), what])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{name} failed").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One figure of each run of each client.
type Figures = HashMap<&'static str, Vec<f64>>;

/// Returns the medians of a client's runs, each divided by what `than` took in the same round.
fn ratio(figures: &Figures, name: &str, than: &str) -> f64 {
    let pairs = figures[name].iter().zip(&figures[than]);
    median(pairs.map(|(ours, theirs)| ours / theirs).collect())
}

/// What the polls of each client cost.
#[derive(Default)]
struct Polls {
    cpu: Figures,
    allocations: Figures,
    /// Instructions, where they can be counted.
    counted: HashMap<&'static str, f64>,
}

fn polls() -> Result<ExitCode, Box<dyn Error>> {
    let server = serving()?;
    let polls = Polls::measured(&server)?;
    polls.print();
    Ok(told(&polls.rows()))
}

impl Polls {
    fn measured(server: &Process) -> Result<Self, Box<dyn Error>> {
        let mut polls = Self::default();
        for _ in 0..ROUNDS {
            for poller in &POLLERS {
                let taken = client(server, poller.name, &POLLS.to_string())?;
                let each = taken.requests as f64;
                let cpu = polls.cpu.entry(poller.name).or_default();
                cpu.push(taken.cpu_us / each);
                let allocations = polls.allocations.entry(poller.name).or_default();
                allocations.push(taken.allocations as f64 / each);
            }
        }
        if !has_valgrind() {
            eprintln!("transport: valgrind is not installed, so instructions are not counted");
            return Ok(polls);
        }
        for poller in &POLLERS {
            let [short, long] = [COUNTED, 3 * COUNTED].map(|polls| {
                instructions(&["client", poller.name, server.address(), &polls.to_string()])
            });
            let each = (long - short) as f64 / (2 * COUNTED) as f64;
            polls.counted.insert(poller.name, each);
        }
        Ok(polls)
    }

    fn print(&self) {
        println!(
            "| client | instructions | allocations | CPU us | CPU ratio to hyper-conn | to ureq |"
        );
        println!("|---|---|---|---|---|---|");
        for name in POLLERS.iter().map(|poller| poller.name) {
            let counted = self.counted.get(name);
            println!(
                "| {name} | {} | {:.1} | {:.1} | {:.2} | {:.2} |",
                counted.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}")),
                median(self.allocations[name].clone()),
                median(self.cpu[name].clone()),
                ratio(&self.cpu, name, "hyper-conn"),
                ratio(&self.cpu, name, "ureq"),
            );
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (row, name, than, by_hand, most) in [
            // A followed task sleeps between its polls, and a call does not.
            (
                "P4",
                "async-follow",
                "hyper-conn+sleep",
                "hyper-conn+serde",
                1.20,
            ),
            ("P4", "async-call", "hyper-conn", "hyper-conn+serde", 1.20),
            ("P5", "blocking-follow", "ureq+sleep", "ureq+serde", 1.05),
            ("P5", "blocking-call", "ureq", "ureq+serde", 1.05),
        ] {
            let cpu = Row::new(
                row,
                format!("{name}: CPU of a poll"),
                ratio(&self.cpu, name, than),
                "x",
            )
            .peer(than, 1.0)
            .at_most(most);
            rows.push(cpu);
            if let (Some(ours), Some(theirs)) = (self.counted.get(name), self.counted.get(by_hand))
            {
                let what = format!("{name}: instructions of a poll");
                rows.push(Row::new(row, what, *ours, "").peer(by_hand, *theirs));
            }
        }
        for (name, by_hand, most) in [
            ("async-call", "hyper-conn+serde", 6_000.0),
            ("blocking-call", "ureq+serde", 6_000.0),
        ] {
            let counted = |name| self.counted.get(name);
            if let (Some(ours), Some(theirs)) = (counted(name), counted(by_hand)) {
                let what = format!("{name}: instructions on top of {by_hand}");
                rows.push(Row::new("P6", what, ours - theirs, "").at_most(most));
            }
            let allocations = |name| median(self.allocations[name].clone());
            let what = format!("{name}: allocations on top of {by_hand}");
            let more = allocations(name) - allocations(by_hand);
            rows.push(Row::new("P6", what, more, "").at_most(5.0));
        }
        rows
    }
}

fn uploads(mib: u64) -> Result<ExitCode, Box<dyn Error>> {
    // In memory where that can be: a disk would be measured otherwise.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)?
    } else {
        tempfile::tempdir()?
    };
    let path = folder.path().join("upload.bin");
    let mut file = std::fs::File::create(&path)?;
    let piece: Vec<u8> = (0..1024 * 1024_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    for _ in 0..mib {
        file.write_all(&piece)?;
    }
    drop(file);
    let path = path.to_str().ok_or("an odd path")?;
    let server = serving()?;
    let (mut cpu, mut growth) = (Figures::new(), Figures::new());
    for _ in 0..ROUNDS {
        for uploader in &UPLOADERS {
            let taken = client(&server, uploader.name, path)?;
            let seconds = taken.cpu_us / 1e6 * 1024.0 / mib as f64;
            cpu.entry(uploader.name).or_default().push(seconds);
            growth
                .entry(uploader.name)
                .or_default()
                .push(taken.growth_kib as f64);
        }
    }
    println!("| client, {mib} MiB | CPU s/GiB | CPU ratio to read+write | memory growth KiB |");
    println!("|---|---|---|---|");
    for uploader in &UPLOADERS {
        let name = uploader.name;
        println!(
            "| {name} | {:.2} | {:.2} | {:.0} |",
            median(cpu[name].clone()),
            ratio(&cpu, name, "read+write"),
            median(growth[name].clone())
        );
    }
    let rows = ["async", "blocking"].map(|name| {
        let best = UPLOADERS
            .iter()
            .map(|one| (one.name, ratio(&cpu, one.name, "read+write")))
            .filter(|(peer, _)| !["async", "blocking", "read+write"].contains(peer))
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let row = Row::new(
            "P8",
            format!("{name}: CPU of an upload"),
            ratio(&cpu, name, "read+write"),
            "x",
        );
        let row = match best {
            Some((peer, figure)) => row.peer(peer, figure),
            None => row,
        };
        let growth = median(growth[name].clone());
        let memory = Row::new("P8", format!("{name}: memory of an upload"), growth, "KiB");
        [row.floor(1.0).at_most(1.3), memory.at_most(4_096.0)]
    });
    Ok(told(rows.as_flattened()))
}

/// Prints the rows; the exit code tells whether all are met.
fn told(rows: &[Row]) -> ExitCode {
    let missed = rows.iter().filter(|row| !row.print()).count();
    ExitCode::from(u8::from(missed > 0))
}
