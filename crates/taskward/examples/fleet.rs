//! Follows a hundred thousand tasks through one fleet, against the simulator, and prints what it cost:
//! `cargo run --release --example fleet -- --tasks 100000`.
//!
//! The simulator runs in a process of its own, so that the memory that is printed is the client's. Its tasks work for
//! between 30 s and 300 s of a clock that runs `--speed` times as fast; with fewer tasks it may run faster.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _, copy, sink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use taskward::client::FleetEvent;
use taskward::nanonets::{Job, Nanonets};
use taskward::{Client, Event, Outcome};
use taskward_sim::{Scenario, Sim};

/// How long the tasks work, in seconds of the simulator: an agent for each.
const WORKS_FOR: [u32; 10] = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300];

/// How many tasks wait for their start at most.
const STARTING: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut tasks, mut speed) = (1_000, 10);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || -> Result<u32, Box<dyn Error>> {
            Ok(args.next().ok_or("a number is missing")?.parse()?)
        };
        match arg.as_str() {
            "--tasks" => tasks = number()?,
            "--speed" => speed = number()?.max(1),
            "--serve" => return serve(number()?),
            _ => return Err("usage: fleet [--tasks N] [--speed TIMES]".into()),
        }
    }
    let mut server = Command::new(std::env::current_exe()?)
        .args(["--serve", &speed.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(server.stdout.take().ok_or("no output")?);
    let mut lines = said.lines();
    let mut line = || -> Result<String, Box<dyn Error>> {
        Ok(lines.next().ok_or("the simulator has ended")??)
    };
    let (url, key) = (line()?, line()?);
    let agents: Vec<String> = WORKS_FOR.iter().map(|_| line()).collect::<Result<_, _>>()?;
    let client = Client::<Nanonets>::builder()
        .base_url(&url)
        .api_key(key.into())
        .speed(speed)
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let followed = runtime.block_on(follow(&client, &agents, tasks, speed))?;
    drop(server.stdin.take());
    let requests: u64 = line()?.parse()?;
    server.wait()?;
    followed.print(requests);
    Ok(())
}

/// What came of it.
struct Followed {
    tasks: u32,
    succeeded: u32,
    took: Duration,
    /// How long after its end each task was seen to be over, in ms of the client.
    delays: Vec<u64>,
    worst_lateness: Duration,
    /// Resident memory in bytes: before the first task, while all are followed, and the most.
    memory: [u64; 3],
}

/// Starts the tasks and follows each to its end.
async fn follow(
    client: &Client<Nanonets>,
    agents: &[String],
    tasks: u32,
    speed: u32,
) -> Result<Followed, Box<dyn Error>> {
    let mut created = vec![0; tasks as usize];
    let mut delays = Vec::with_capacity(tasks as usize);
    let before = memory("VmRSS:")?;
    let begun = Instant::now();
    let mut fleet = client.fleet();
    let now = || begun.elapsed().as_millis() as u64 * u64::from(speed);
    let (mut added, mut started, mut succeeded) = (0, 0, 0);
    let mut all_followed = before;
    loop {
        // A task that waits for its start holds what is to be sent.
        while added < tasks && added - started < STARTING {
            let agent = &agents[added as usize % agents.len()];
            let run = client.run(Job::agent(agent).query("Convert 5."));
            fleet.add(added, run).await?;
            added += 1;
        }
        let Some((key, report)) = fleet.next().await else {
            break;
        };
        match report {
            FleetEvent::Event(event) if matches!(event.event, Event::Created { .. }) => {
                created[key as usize] = now();
                started += 1;
                if started == tasks {
                    all_followed = memory("VmRSS:")?;
                }
            }
            FleetEvent::Ended(outcome) => {
                let works = u64::from(WORKS_FOR[key as usize % WORKS_FOR.len()]) * 1000;
                delays.push(now().saturating_sub(created[key as usize] + works));
                succeeded += u32::from(matches!(outcome, Outcome::Succeeded { .. }));
            }
            _ => {}
        }
    }
    delays.sort_unstable();
    Ok(Followed {
        tasks,
        succeeded,
        took: begun.elapsed(),
        delays,
        worst_lateness: fleet.worst_lateness(),
        memory: [before, all_followed, memory("VmHWM:")?],
    })
}

impl Followed {
    fn print(&self, requests: u64) {
        let [before, all_followed, peak] = self.memory;
        let tasks = u64::from(self.tasks);
        let percentile = |of: usize| {
            let at = (self.delays.len() * of / 100).min(self.delays.len().saturating_sub(1));
            self.delays.get(at).copied().unwrap_or_default() as f64 / 1000.0
        };
        let Self {
            succeeded, took, ..
        } = self;
        println!(
            "tasks: {tasks}, succeeded: {succeeded}, in {:.1} s",
            took.as_secs_f64()
        );
        println!("requests per task: {:.2}", requests as f64 / tasks as f64);
        println!(
            "seen after its end: p50 {:.1} s, p95 {:.1} s (of the simulator's clock)",
            percentile(50),
            percentile(95)
        );
        println!(
            "waited longest for its turn: {:.1} s",
            self.worst_lateness.as_secs_f64()
        );
        println!("peak memory: {:.1} MiB", peak as f64 / f64::from(1 << 20));
        println!(
            "memory of a followed task: {} bytes",
            all_followed.saturating_sub(before) / tasks.max(1)
        );
    }
}

/// Returns how much memory this process has, in bytes, as Linux says it.
fn memory(what: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("it is not told")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// Runs the simulator until its input ends: prints its address, its key and its agents, and at the end how many requests it
/// was sent.
fn serve(speed: u32) -> Result<(), Box<dyn Error>> {
    let mut scenario = "[switches]\nconcurrency_limit = 0\n".to_owned();
    for seconds in WORKS_FOR {
        let agent = format!(
            "[[agent]]\nname = \"works-{seconds}\"\nsteps = [{{ run = \"{seconds}s\" }}, {{ complete = {{ summary = \"5\" }} }}]\n"
        );
        scenario.push_str(&agent);
    }
    let sim = Sim::builder()
        .speed(f64::from(speed))
        .scenario(Scenario::parse(&scenario)?)
        .spawn()?;
    let access = sim.nanonets();
    println!("{}\n{}", access.base_url, access.api_key);
    for seconds in WORKS_FOR {
        println!("{}", sim.agent(&format!("works-{seconds}")));
    }
    std::io::stdout().flush()?;
    copy(&mut std::io::stdin(), &mut sink())?;
    println!("{}", sim.stats().endpoints.values().sum::<u64>());
    Ok(())
}
