//! `cargo xtask batch-test`: `kill -9` of `taskward batch` at random instants, again and again, until every job has a result;
//! on each platform, against a simulator in a process of its own. At the end each job must have one result and one task.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::kill::Chance;
use crate::{cargo, simulator::Simulator};

/// The simulator and its clients run this many times faster than the world.
const SPEED: u32 = 5;
/// How many jobs are under way at once.
const LIMIT: &str = "64";
/// How often whoever comes back runs the batch before it is done.
const TRIES: u32 = 10;
/// How often it is looked how far the batch is.
const GLANCE: Duration = Duration::from_millis(5);
/// The longest time between what a kill waits for and the kill.
const LATEST: f64 = 0.6;

/// Tasks that all run at once, and runs that end by themselves.
const SCENARIO: &str = r#"
[switches]
concurrency_limit = 0

[[run]]
name = "job"
steps = [{ run = "1s" }, { succeed = true }]
"#;

/// How much, and from which seed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// 100 jobs and 5 kills on each platform
    #[arg(long)]
    quick: bool,
    /// Number of jobs on each platform [default: 1000]
    #[arg(long)]
    jobs: Option<u32>,
    /// Number of kills on each platform [default: 20]
    #[arg(long)]
    kills: Option<u32>,
    /// Only on this platform: agent-harness, a2a or nanonets
    #[arg(long, value_name = "PLATFORM")]
    only: Option<String>,
    /// The instants follow from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is run on one platform.
struct Platform {
    name: &'static str,
    /// The job beside its key, whose number is to be told.
    job: fn(&str) -> Value,
    /// Where the simulator's count of starts stands, and the tasks.
    starts: &'static str,
    tasks: &'static str,
}

const PLATFORMS: [Platform; 3] = [
    Platform {
        name: "agent-harness",
        job: |goal| json!({ "input": { "scenario": "job", "goal": goal } }),
        starts: "/agent-harness/runs",
        tasks: "/agent-harness/per_run",
    },
    Platform {
        name: "a2a",
        job: |text| json!({ "text": text }),
        starts: "/a2a/starts",
        tasks: "/a2a/per_task",
    },
    Platform {
        name: "nanonets",
        job: |text| json!({ "text": text, "agent": "echo" }),
        starts: "/starts",
        tasks: "/per_task",
    },
];

/// Builds the program, runs and kills batches, and prints a line for each platform.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = ["build", "--quiet", "--locked", "-p", "taskward-cli"];
    cargo::run(&mut cargo::cargo(&build))?;
    let program = cargo::target().join("debug/taskward");
    let (jobs, kills) = match args.quick {
        true => (100, 5),
        false => (1000, 20),
    };
    let (jobs, kills) = (args.jobs.unwrap_or(jobs), args.kills.unwrap_or(kills));
    let mut wrong = Vec::new();
    let is_wanted =
        |platform: &&Platform| args.only.as_ref().is_none_or(|only| *only == platform.name);
    for platform in PLATFORMS.iter().filter(is_wanted) {
        let batch = Batch::new(&program, platform, jobs, args.seed)?;
        let row = batch.work(kills, args.seed).context(platform.name)?;
        println!("{row}");
        if !row.is_held() {
            wrong.push(platform.name);
        }
    }
    ensure!(wrong.is_empty(), "not held on {}", wrong.join(", "));
    Ok(())
}

/// What came of the batches on one platform.
struct Row {
    platform: &'static str,
    jobs: u32,
    kills: u32,
    /// Kills of a batch that was still under way.
    met: u32,
    /// Starts that the simulator knows.
    starts: u64,
    /// Tasks that it knows.
    tasks: usize,
    /// Jobs that have a result.
    results: usize,
    /// Jobs whose start was of unknown outcome, with whoever had to say what became of each.
    unconfirmed: BTreeSet<String>,
    adopted: u32,
    /// Starts that never reached the server, and were forgotten and made.
    forgotten: u32,
    took: Duration,
}

impl Row {
    fn is_held(&self) -> bool {
        let jobs = u64::from(self.jobs);
        (self.starts, self.tasks as u64, self.results as u64) == (jobs, jobs, jobs)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let alone = f64::from(self.jobs) - self.unconfirmed.len() as f64;
        let share = 100.0 * alone / f64::from(self.jobs.max(1));
        write!(
            f,
            "F6 {:13} jobs {}, limit {LIMIT}, kills {} ({} in the middle): starts {}, tasks {}, results {}; unconfirmed {} \
             (adopted {}, never made {}), resolved without a human {share:.1} %, {} s",
            self.platform,
            self.jobs,
            self.kills,
            self.met,
            self.starts,
            self.tasks,
            self.results,
            self.unconfirmed.len(),
            self.adopted,
            self.forgotten,
            self.took.as_secs()
        )
    }
}

/// A batch on one platform.
struct Batch<'a> {
    program: &'a Path,
    platform: &'a Platform,
    simulator: Simulator,
    folder: tempfile::TempDir,
    jobs: u32,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    lines: Vec<Value>,
    stderr: String,
}

impl<'a> Batch<'a> {
    fn new(program: &'a Path, platform: &'a Platform, jobs: u32, seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let scenario = folder.path().join("scenario.toml");
        fs::write(&scenario, SCENARIO)?;
        let simulator = Simulator::of_scenario(program, SPEED, seed, &scenario)?;
        // A start takes its time, so that kills meet some of them on their way.
        simulator.faults(&json!([
            { "kind": "latency", "for": "1s", "probability": 0.2, "on": "run" },
            { "kind": "latency", "for": "1s", "probability": 0.2, "on": "create_run" },
            { "kind": "latency", "for": "1s", "probability": 0.2, "on": "send_message" },
            { "kind": "latency", "for": "1s", "probability": 0.2, "on": "send_streaming_message" },
        ]))?;
        let lines = (0..jobs).map(|number| {
            let mut job = (platform.job)(&format!("number {number}"));
            job["key"] = format!("job-{number}").into();
            format!("{job}\n")
        });
        fs::write(folder.path().join("jobs.jsonl"), lines.collect::<String>())?;
        Ok(Self {
            program,
            platform,
            simulator,
            folder,
            jobs,
        })
    }

    fn work(&self, kills: u32, seed: u64) -> Result<Row> {
        let begun = Instant::now();
        let mut chance = Chance::new(seed ^ (self.platform.name.len() as u64) << 32);
        let mut met = 0;
        for number in 0..kills {
            let is_met = self.killed(&mut chance, kills);
            met += u32::from(is_met.with_context(|| format!("kill {number}"))?);
        }
        let mut row = Row {
            platform: self.platform.name,
            jobs: self.jobs,
            kills,
            met,
            starts: 0,
            tasks: 0,
            results: 0,
            unconfirmed: BTreeSet::new(),
            adopted: 0,
            forgotten: 0,
            took: Duration::ZERO,
        };
        self.finish(&mut row)?;
        let stats = self.simulator.stats()?;
        let at = |pointer| {
            stats
                .pointer(pointer)
                .with_context(|| format!("no {pointer}"))
        };
        row.starts = at(self.platform.starts)?.as_u64().context("no count")?;
        row.tasks = at(self.platform.tasks)?
            .as_object()
            .context("no tasks")?
            .len();
        row.results = self.results()?;
        row.took = begun.elapsed();
        Ok(row)
    }

    /// Runs the batch and kills it: at once, or after a while in which some jobs end. Returns whether it was still going on.
    fn killed(&self, chance: &mut Chance, kills: u32) -> Result<bool> {
        let mut child = self
            .batch()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // All kills together come about as far as half of the jobs, and what ends in the pauses.
        let share = f64::from(self.jobs) / f64::from(kills.max(1));
        let wanted = self.lines() + (share * chance.next()) as usize;
        let pause = Duration::from_secs_f64(LATEST * chance.next());
        while self.lines() < wanted && child.try_wait()?.is_none() {
            std::thread::sleep(GLANCE);
        }
        std::thread::sleep(pause);
        let is_met = child.try_wait()?.is_none();
        child.kill()?;
        child.wait()?;
        Ok(is_met)
    }

    /// Runs the batch to its end, and says what became of each start of unknown outcome.
    fn finish(&self, row: &mut Row) -> Result<()> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let ended = self.perform(self.batch().arg("--json"))?;
            match ended.code {
                Some(0) => return Ok(()),
                Some(5) => self.resolve(&ended.lines, row)?,
                // What another process still held, or could not be read in time.
                Some(1 | 75 | 124) => {}
                code => bail!(
                    "the batch ended with {code:?}: {:?} {}",
                    ended.lines.last(),
                    ended.stderr
                ),
            }
            last = ended
                .lines
                .last()
                .map(ToString::to_string)
                .unwrap_or_default();
        }
        bail!("the batch did not get done: {last}")
    }

    /// Adopts the task of each start of unknown outcome, as a human would.
    fn resolve(&self, lines: &[Value], row: &mut Row) -> Result<()> {
        let mut candidates: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["type"] == "candidate") {
            let key = line["key"].as_str().context("a candidate of no job")?;
            let same = line["compared"] == "same";
            let task = line["task"].as_str().filter(|_| same);
            candidates.entry(key).or_default().extend(task);
        }
        let unknown = lines
            .iter()
            .filter(|line| line["type"] == "batch.job" && line["outcome"] == "outcome_unknown");
        for line in unknown {
            let key = line["key"].as_str().context("no key")?;
            let intent = line["intent_id"].as_str().context("no intent")?;
            row.unconfirmed.insert(key.to_owned());
            let how = match candidates.get(key).map(Vec::as_slice) {
                None | Some([]) => {
                    row.forgotten += 1;
                    "--forget".to_owned()
                }
                Some([task]) => {
                    row.adopted += 1;
                    format!("--adopt={task}")
                }
                Some(several) => bail!("{key} has {} tasks that say the same", several.len()),
            };
            let mut command = self.command();
            command.args(["recover", intent, &how, "--speed", &SPEED.to_string()]);
            let ended = self.perform(&mut command)?;
            ensure!(ended.code == Some(0), "{intent} {how}: {}", ended.stderr);
        }
        Ok(())
    }

    fn perform(&self, command: &mut Command) -> Result<Ended> {
        let output = command.output()?;
        let stdout = String::from_utf8(output.stdout)?;
        let lines = stdout.lines().filter(|line| line.starts_with('{'));
        let lines = lines.map(serde_json::from_str);
        Ok(Ended {
            code: output.status.code(),
            lines: lines.collect::<Result<_, _>>()?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env("XDG_STATE_HOME", self.folder.path())
            .stdin(Stdio::null());
        self.simulator.accounts(&mut command);
        command
    }

    fn batch(&self) -> Command {
        let mut command = self.command();
        command
            .args(["batch", "--provider", self.platform.name, "--limit", LIMIT])
            .args(["--speed", &SPEED.to_string(), "--timeout", "1h", "-o"])
            .arg(self.path("results.jsonl"))
            .arg(self.path("jobs.jsonl"));
        if self.platform.name == "a2a" {
            let server = self.simulator.account("a2a")["base_url"].as_str();
            let agent = format!("{}/agents/echo", server.unwrap_or_default());
            command.args(["--agent", &agent]);
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many results there are until now.
    fn lines(&self) -> usize {
        let results = fs::read(self.path("results.jsonl")).unwrap_or_default();
        results.iter().filter(|byte| **byte == b'\n').count()
    }

    /// How many jobs have a result that says they succeeded, each in one line.
    fn results(&self) -> Result<usize> {
        let text = fs::read_to_string(self.path("results.jsonl"))?;
        let mut keys = BTreeSet::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let key = line["key"].as_str().context("no key")?.to_owned();
            ensure!(line["outcome"] == "succeeded", "{line}");
            ensure!(keys.insert(key), "two lines of one job: {line}");
        }
        Ok(keys.len())
    }
}
