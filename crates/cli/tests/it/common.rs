//! A simulator and the program in front of it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Sim};

/// How fast both sides run.
pub(crate) const SPEED: u32 = 20;

/// No command may hang; far more than any takes.
const GUARD: Duration = Duration::from_secs(90);

pub(crate) struct World {
    pub(crate) sim: Sim,
    speed: u32,
    /// Where the program keeps its journal.
    pub(crate) state: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(Sim::builder(), SPEED)
    }

    pub(crate) fn of(builder: taskward_sim::Builder, speed: u32) -> Self {
        let sim = builder.speed(f64::from(speed)).spawn();
        Self {
            sim: sim.expect("a free port"),
            speed,
            state: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn with_fault(endpoint: &str, fault: Fault) -> Self {
        let world = Self::new();
        world
            .sim
            .set_faults(vec![FaultRule::new(fault).on(endpoint)]);
        world
    }

    /// The program with this simulator's accounts in its environment, and nothing else.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let nanonets = self.sim.nanonets();
        let harness = self.sim.harness();
        let mut command = bare(args);
        command
            .env("XDG_STATE_HOME", self.state.path())
            .env("NANONETS_API_KEY", nanonets.api_key)
            .env("NANONETS_BASE_URL", nanonets.base_url + "/api/v1")
            .env("AGENT_HARNESS_API_KEY", harness.api_key)
            .env("AGENT_HARNESS_BASE_URL", harness.base_url + "/v1");
        command
    }

    /// Runs it; whatever it prints holds neither a key nor an escape sequence.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        self.ended(self.command(args), stdin)
    }

    pub(crate) fn ended(&self, command: Command, stdin: &str) -> Ended {
        let ended = end(command, stdin);
        // Also where the key came from elsewhere than from the environment.
        let all = secrets(&self.command(&[]));
        assert_hidden(&all, &[&ended.stdout, &ended.stderr]);
        ended
    }

    /// The same on another machine: nothing is known there of what was started here.
    pub(crate) fn run_elsewhere(&self, args: &[&str]) -> Ended {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let mut command = self.command(args);
        command.env("XDG_STATE_HOME", elsewhere.path());
        self.ended(command, "")
    }

    /// The same with the client's clock as fast as the simulator's.
    pub(crate) fn fast(&self, args: &[&str]) -> Ended {
        let speed = self.speed.to_string();
        self.run(&[args, &["--speed", &speed]].concat())
    }

    /// Starts a task and leaves it.
    pub(crate) fn start(&self, agent: &str) -> String {
        let ended = self.run(&["run", "--agent", agent, "hello", "--detach"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout.trim_end().to_owned()
    }
}

/// Questions.
impl World {
    /// Shows here what a task asks.
    pub(crate) fn show(&self, task: &str) {
        let ended = self.fast(&["watch", task]);
        assert_eq!(ended.code, 8, "{ended:?}");
    }

    /// The id of what a task asks, which is not shown here by this.
    pub(crate) fn question(&self, task: &str) -> String {
        let speed = self.speed.to_string();
        let ended = self.run_elsewhere(&["watch", task, "--json", "--speed", &speed]);
        let last = ended.last();
        assert_eq!(ended.code, 8, "{last}");
        last["question_id"].as_str().expect("an id").to_owned()
    }
}

/// Tasks of Nanonets.
impl World {
    /// Starts a task that asks one question, and waits until it has.
    pub(crate) fn start_asker(&self) -> String {
        let task = self.start("asker");
        self.wait_to_ask(&task);
        task
    }

    /// Waits until a task asks.
    pub(crate) fn wait_to_ask(&self, task: &str) {
        let id = task.strip_prefix("nanonets:").expect("a task");
        self.wait_for(&format!("{task} to ask"), || {
            self.sim.advance(Duration::ZERO);
            self.sim.stats().per_task[id].status == "waiting_for_input"
        });
    }
}

/// Runs of Agent Harness.
impl World {
    /// Starts a run of this input and leaves it.
    pub(crate) fn start_run(&self, input: &Value) -> String {
        let input = input.to_string();
        let ended = self.run(&[
            "run",
            "--provider",
            "agent-harness",
            "--input",
            &input,
            "--detach",
        ]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout.trim_end().to_owned()
    }

    /// Starts a built-in run and waits until it has this status.
    pub(crate) fn start_until(&self, scenario: &str, status: &str) -> String {
        let run = self.start_run(&json!({ "scenario": scenario, "goal": "the report" }));
        self.wait_until(&run, status);
        run
    }

    /// Waits until a run has this status.
    pub(crate) fn wait_until(&self, run: &str, status: &str) {
        let id = run.strip_prefix("agent-harness:").expect("a run");
        self.wait_for(&format!("{run} to be {status}"), || {
            // The simulator looks at its clock when it is asked something.
            self.sim.advance(Duration::ZERO);
            self.sim.harness_stats().per_run[id].status == status
        });
    }

    /// Waits until somebody reads the stream of a run.
    pub(crate) fn wait_for_stream(&self, run: &str) {
        let id = run.strip_prefix("agent-harness:").expect("a run");
        self.wait_for(&format!("a stream of {run}"), || {
            self.sim.harness_stats().per_run[id].streams > 0
        });
    }

    /// Waits for what another process does: there is nothing to be woken by.
    fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + GUARD;
        while !is_so() {
            assert!(Instant::now() < end, "waited in vain for {what}");
            // Another process of the system does what is waited for, in real time.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `run` of this input as fast as the simulator.
    pub(crate) fn harness(&self, input: &Value, args: &[&str]) -> Ended {
        let input = input.to_string();
        let run = ["run", "--provider", "agent-harness", "--input", &input];
        self.fast(&[&run, args].concat())
    }
}

thread_local! {
    /// Where the programs of one test keep their journals; it ends with the test.
    static STATE: tempfile::TempDir = tempfile::tempdir().expect("a folder");
}

/// How many there were.
static COMMANDS: AtomicU32 = AtomicU32::new(0);

/// The program without any account, and with a journal that no other program uses.
pub(crate) fn bare(args: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_taskward"));
    let mut command = Command::new(program);
    let here = program.parent().expect("it is in a directory");
    let path = format!(
        "{}:{}",
        here.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    command.args(args).env_clear().env("PATH", path);
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed).to_string();
    STATE.with(|state| command.env("XDG_STATE_HOME", state.path().join(number)));
    command
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The keys in the environment of a command, as far as they are secret.
pub(crate) fn secrets(command: &Command) -> Vec<String> {
    command
        .get_envs()
        .filter(|(name, _)| name.to_string_lossy().ends_with("_API_KEY"))
        .filter_map(|(_, key)| Some(key?.to_str()?.to_owned()))
        .map(|key| match key.split_once(':') {
            Some((_, secret)) => secret.to_owned(),
            None => key,
        })
        // Shorter words stand in ordinary text.
        .filter(|secret| secret.len() >= 8)
        .collect()
}

pub(crate) fn assert_hidden(secrets: &[String], texts: &[&str]) {
    for secret in secrets {
        for text in texts {
            assert!(!text.contains(secret), "the key was printed: {text}");
        }
    }
}

pub(crate) fn end(command: Command, stdin: &str) -> Ended {
    let secrets = secrets(&command);
    let output = assert_cmd::Command::from_std(command)
        .write_stdin(stdin)
        .timeout(GUARD)
        .output()
        .expect("it runs");
    let ended = Ended {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    };
    assert!(
        !ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'),
        "{ended:?}"
    );
    assert_hidden(&secrets, &[&ended.stdout, &ended.stderr]);
    ended
}

impl Ended {
    /// The JSON lines of stdout; stderr is silent, and the last line names the exit code.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.stderr, "", "{self:?}");
        let lines: Vec<Value> = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect();
        for line in &lines {
            assert!(line["v"] == 2 && line["type"].is_string(), "{line}");
        }
        lines
    }

    /// The last line, which is a result or an error and tells the exit code.
    pub(crate) fn last(&self) -> Value {
        let last = self.lines().pop().expect("at least one line");
        assert!(
            ["task.result", "task.detached", "batch", "error"]
                .iter()
                .any(|kind| last["type"] == *kind),
            "{last}"
        );
        assert_eq!(last["exit"], self.code, "{last}");
        last
    }

    /// Whether stderr says all of these.
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in {self:?}");
        }
    }

    /// The command to go on with of this number in the last line, as its words behind `taskward`.
    pub(crate) fn next_command(&self, number: usize) -> Vec<String> {
        let last = self.last();
        let words = last["next"][number].as_array().expect("a command");
        let words = words.iter().map(|word| word.as_str().expect("a word"));
        let mut words = words.map(str::to_owned);
        assert_eq!(words.next().as_deref(), Some("taskward"), "{last}");
        words.collect()
    }

    /// The command printed behind a label.
    pub(crate) fn printed(&self, label: &str) -> String {
        let label = format!("{label}:");
        let line = self
            .stderr
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(&label));
        line.unwrap_or_else(|| panic!("no {label} in {self:?}"))
            .trim()
            .to_owned()
    }
}
