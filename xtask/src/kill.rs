//! `cargo xtask kill-test`: `kill -9` of `taskward run` at random instants, against a simulator with faults in a process
//! of its own, on both platforms; each time somebody comes back with `recover` and `watch`. At the end the simulator must
//! have made as many tasks as were wanted: none lost, none started twice, no question answered twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{cargo, simulator::Simulator};

/// The simulator and its clients run this many times faster than the world.
const SPEED: u32 = 20;
/// How often whoever comes back tries again: the faults hit every command.
const TRIES: u32 = 30;
/// What is said of a kill that came before the journal knew of the start.
const EARLY: &str = "killed before it was written down";
/// Longer than any command takes, faults and all.
const GUARD: &str = "10m";

/// How often, and from which seed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of kills, half of them on each platform
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// The instants and the faults follow from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is killed on one platform.
struct Platform {
    name: &'static str,
    /// How a task is started that asks something; the last word tells it from the others.
    run: &'static [&'static str],
    /// How its question is answered.
    answer: &'static [&'static str],
    stats: Stats,
}

/// Where the simulator's counts of a platform stand, and what they are called.
struct Stats {
    /// How many tasks were made.
    made: &'static str,
    tasks: &'static str,
    /// The status of a task that is over.
    done: &'static str,
    questions: &'static str,
    /// How often a question was answered.
    answers: &'static str,
}

const PLATFORMS: [Platform; 2] = [
    Platform {
        name: "nanonets",
        run: &["run", "--agent", "asker"],
        answer: &["--answer", "EUR"],
        stats: Stats {
            made: "/starts",
            tasks: "/per_task",
            done: "completed",
            questions: "/questions",
            answers: "answers",
        },
    },
    Platform {
        name: "agent-harness",
        run: &["run", "--provider", "agent-harness"],
        answer: &["--on-approval", "approve"],
        stats: Stats {
            made: "/agent-harness/runs",
            tasks: "/agent-harness/per_run",
            done: "succeeded",
            questions: "/agent-harness/waits",
            answers: "applied",
        },
    },
];

/// Builds the program, kills it, and prints what came of it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = ["build", "--quiet", "--locked", "-p", "taskward-cli"];
    cargo::run(&mut cargo::cargo(&build))?;
    let program = cargo::target().join("debug/taskward");
    let simulator = Simulator::of(&program, SPEED, args.seed)?;
    let begun = Instant::now();
    let each = args.kills / 2;
    let counts: Vec<Result<Counts>> = std::thread::scope(|scope| {
        let workers: Vec<_> = PLATFORMS
            .iter()
            .map(|platform| {
                let worker = Worker::new(&simulator, &program, platform);
                scope.spawn(move || worker?.work(each, args.seed))
            })
            .collect();
        let ends = workers.into_iter();
        ends.map(|one| one.join().expect("a worker does not panic"))
            .collect()
    });
    let stats = simulator.stats()?;
    let mut wrong = Vec::new();
    for (platform, counts) in PLATFORMS.iter().zip(counts) {
        let counts = counts.with_context(|| platform.name)?;
        let verdict = judge(&platform.stats, &counts, &stats)?;
        println!("{:14} {counts}", platform.name);
        println!("{:14} {verdict}", "");
        if verdict != Verdict::default() {
            wrong.push(platform.name);
        }
    }
    println!("seed {}, {} s", args.seed, begun.elapsed().as_secs());
    ensure!(wrong.is_empty(), "not held on {}", wrong.join(", "));
    Ok(())
}

/// What happened on one platform.
#[derive(Default)]
struct Counts {
    /// Tasks that were wanted, each once.
    wanted: u64,
    /// How far the killed command was, and how its task was found again.
    ends: BTreeMap<&'static str, u64>,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "wanted {}", self.wanted)?;
        for (end, count) in &self.ends {
            write!(f, ", {end} {count}")?;
        }
        Ok(())
    }
}

/// By how much the simulator's counts differ from what was wanted.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    lost: u64,
    twice: u64,
    answered_twice: u64,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            lost,
            twice,
            answered_twice,
        } = self;
        write!(
            f,
            "tasks lost {lost}, started twice {twice}, answered twice {answered_twice}"
        )
    }
}

fn judge(names: &Stats, counts: &Counts, stats: &Value) -> Result<Verdict> {
    let at = |pointer| {
        stats
            .pointer(pointer)
            .with_context(|| format!("no {pointer}"))
    };
    let made = at(names.made)?.as_u64().context("no count of starts")?;
    let tasks = at(names.tasks)?.as_object().context("no tasks")?;
    let over = tasks.values().filter(|task| task["status"] == names.done);
    let questions = at(names.questions)?.as_array().context("no questions")?;
    let twice = questions.iter().filter(|question| {
        question[names.answers]
            .as_u64()
            .is_none_or(|count| count > 1)
    });
    Ok(Verdict {
        lost: counts.wanted.saturating_sub(over.count() as u64),
        twice: made.saturating_sub(counts.wanted),
        answered_twice: twice.count() as u64,
    })
}

/// Whoever starts tasks on one platform, is killed, and comes back.
struct Worker<'a> {
    simulator: &'a Simulator,
    program: &'a Path,
    platform: &'a Platform,
    state: tempfile::TempDir,
    counts: Counts,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl<'a> Worker<'a> {
    fn new(simulator: &'a Simulator, program: &'a Path, platform: &'a Platform) -> Result<Self> {
        Ok(Self {
            simulator,
            program,
            platform,
            state: tempfile::tempdir()?,
            counts: Counts::default(),
        })
    }

    fn work(mut self, kills: u32, seed: u64) -> Result<Counts> {
        let mut chance = Chance::new(seed ^ (self.platform.name.len() as u64) << 32);
        // How long a command takes that sends nothing, and one that nobody kills: the instants are spread over both, more
        // of them early, where a task can be lost.
        let begun = Instant::now();
        self.newest()?;
        let mut least = begun.elapsed();
        let begun = Instant::now();
        let first = self.perform(&self.start("the first"))?;
        ensure!(first.code == Some(0), "{}", first.stderr);
        self.counts.wanted += 1;
        let span = begun.elapsed();
        self.simulator.faults(&faults())?;
        let mut early = 0;
        for number in 0..kills {
            let goal = format!("number {number}");
            let after = least + span.mul_f64(chance.next() * chance.next());
            self.once(&goal, after)
                .with_context(|| format!("kill {number}, after {} ms", after.as_millis()))?;
            // A kill before anything was written down shows little, and a busy machine takes longer to come so far.
            let now = self.early();
            least = least.mul_f64(if now > early { 1.25 } else { 0.92 });
            early = now;
        }
        Ok(self.counts)
    }

    /// One task that is wanted: started, killed, and followed to its end.
    fn once(&mut self, goal: &str, after: Duration) -> Result<()> {
        let before = self.newest()?;
        let mut child = self.command(&self.start(goal)).spawn()?;
        std::thread::sleep(after);
        child.kill()?;
        child.wait()?;
        self.counts.wanted += 1;
        let known = self
            .newest()?
            .filter(|newest| Some(newest) != before.as_ref());
        let task = match &known {
            None => {
                self.count(EARLY);
                None
            }
            Some(entry) if entry["state"] == "known" => {
                self.count("killed when its task was known");
                entry["task"].as_str().map(str::to_owned)
            }
            Some(_) => {
                self.count("killed while it was started");
                self.recover()?
            }
        };
        let task = match task {
            Some(task) => task,
            None => self.start_anew(goal)?,
        };
        self.watch(&task)
    }

    /// Returns the task of the open start; `None` when it was never made.
    fn recover(&mut self) -> Result<Option<String>> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let ended = self.perform(&words(&["recover"]))?;
            match ended.code {
                Some(0) => {
                    let task = ended.stdout.trim().to_owned();
                    ensure!(!task.is_empty(), "recovered nothing: {}", ended.stderr);
                    let found = ended.stderr.contains("1 likely match: ");
                    if found {
                        self.settle("--adopt")?;
                    }
                    self.count(if found { "found" } else { "repeated by key" });
                    return Ok(Some(task));
                }
                Some(5) if ended.stderr.contains("probably never made") => {
                    self.settle("--forget")?;
                    self.count("never made");
                    return Ok(None);
                }
                // What a fault hit is tried again.
                Some(1 | 5 | 75 | 124) => last = ended.stderr,
                code => bail!("recover ended with {code:?}: {}", ended.stderr),
            }
        }
        bail!("recover did not get through: {last}")
    }

    /// Adopts or forgets the open start.
    fn settle(&self, how: &str) -> Result<()> {
        let open = self.newest()?.context("no entry")?;
        let intent = open["intent_id"].as_str().context("no intent")?;
        self.until_done(&words(&["recover", intent, how]))
    }

    /// Starts a task that was never made.
    fn start_anew(&mut self, goal: &str) -> Result<String> {
        let mut words = self.start(goal);
        words.truncate(words.len() - self.platform.answer.len());
        words.push("--detach".to_owned());
        for _ in 0..TRIES {
            let ended = self.perform(&words)?;
            match ended.code {
                Some(0) => return Ok(ended.stdout.trim().to_owned()),
                Some(5) => {
                    if let Some(task) = self.recover()? {
                        return Ok(task);
                    }
                }
                Some(75 | 124) => {}
                code => bail!("run ended with {code:?}: {}", ended.stderr),
            }
        }
        bail!("it cannot be started")
    }

    fn watch(&self, task: &str) -> Result<()> {
        let mut all = words(&["watch", task]);
        all.extend(words(self.platform.answer));
        self.until_done(&all)
    }

    /// Returns a command that does no harm when it is given again.
    fn until_done(&self, words: &[String]) -> Result<()> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let ended = self.perform(words)?;
            match ended.code {
                Some(0) => return Ok(()),
                Some(1 | 5 | 8 | 75 | 124) => last = ended.stderr,
                code => bail!("{words:?} ended with {code:?}: {}", ended.stderr),
            }
        }
        bail!("{words:?} did not get through: {last}")
    }

    /// Returns what was written down last.
    fn newest(&self) -> Result<Option<Value>> {
        let list = ["ls", "--local", "--limit", "1", "--json"];
        let output = self.bare(&words(&list)).output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{text}");
        let mut newest = None;
        for line in text.lines() {
            let mut entry: Value = serde_json::from_str(line)?;
            // When the line was printed says nothing of the entry.
            entry.as_object_mut().context("no object")?.remove("at");
            newest = Some(entry);
        }
        Ok(newest)
    }

    fn start(&self, goal: &str) -> Vec<String> {
        let mut all = words(self.platform.run);
        all.push(goal.to_owned());
        all.extend(words(self.platform.answer));
        all
    }

    /// Kills that came too early.
    fn early(&self) -> u64 {
        self.counts.ends.get(EARLY).copied().unwrap_or_default()
    }

    fn count(&mut self, end: &'static str) {
        *self.counts.ends.entry(end).or_default() += 1;
    }

    fn bare(&self, words: &[String]) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(words)
            .env("XDG_STATE_HOME", self.state.path())
            .stdin(Stdio::null());
        self.simulator.accounts(&mut command);
        command
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = self.bare(words);
        command
            .args(["--speed", &SPEED.to_string(), "--timeout", GUARD])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn perform(&self, words: &[String]) -> Result<Ended> {
        let mut command = self.command(words);
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()?;
        Ok(Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Returns what every command meets.
fn faults() -> Value {
    json!([
        { "kind": "lost-reply-after-apply", "probability": 0.04 },
        { "kind": "close-before-head", "probability": 0.04 },
        { "kind": "status", "code": 503, "probability": 0.04 },
        { "kind": "latency", "for": "2s", "probability": 0.1 },
        { "kind": "latency", "for": "6s", "probability": 0.5, "on": "run" },
        { "kind": "latency", "for": "6s", "probability": 0.5, "on": "create_run" },
    ])
}

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// Those of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One from 0 up to 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
