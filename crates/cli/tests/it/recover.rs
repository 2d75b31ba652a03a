//! What becomes of starts that nobody saw the end of: the journal, `recover`, `watch --last`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use taskward::journal::SqliteJournal;
use taskward_sim::{Fault, FaultRule, Scenario, Sim, Span};

use crate::common::{Ended, World, bare};

pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// One way to start a task.
pub(crate) struct Start {
    pub(crate) args: &'static [&'static str],
    endpoint: &'static str,
    provider: &'static str,
}

pub(crate) const NANONETS: Start = Start {
    args: &["run", "--agent", "echo", "Say it once."],
    endpoint: "run",
    provider: "nanonets",
};

pub(crate) const HARNESS: Start = Start {
    args: &[
        "run",
        "--provider",
        "agent-harness",
        "Say it once.",
        "--on-approval",
        "approve",
    ],
    endpoint: "create_run",
    provider: "agent-harness",
};

impl Start {
    /// How many tasks the simulator has made.
    pub(crate) fn made(&self, world: &World) -> u64 {
        match self.provider {
            "nanonets" => world.sim.stats().starts,
            _ => world.sim.harness_stats().runs,
        }
    }

    /// Starts it, and loses the reply after the task was made.
    pub(crate) fn lose(&self, world: &World) -> Ended {
        let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on(self.endpoint);
        world.sim.set_faults(vec![lost]);
        let ended = world.fast(self.args);
        world.sim.set_faults(Vec::new());
        assert_eq!(ended.code, 5, "{ended:?}");
        ended
    }

    /// Starts it, and kills the program while it waits for a reply that never comes.
    pub(crate) fn kill(&self, world: &World, fault: Fault) {
        world
            .sim
            .set_faults(vec![FaultRule::new(fault).on(self.endpoint)]);
        let mut child = spawn(world.command(self.args));
        seen(world, self.endpoint);
        child.kill().expect("killed");
        child.wait().expect("ends");
        world.sim.set_faults(Vec::new());
    }
}

/// Waits until the simulator has seen such a request.
fn seen(world: &World, endpoint: &str) {
    until_seen(world, endpoint, 0);
}

/// Waits until the simulator has seen more than so many of such requests.
pub(crate) fn until_seen(world: &World, endpoint: &str, before: usize) {
    let end = Instant::now() + GUARD;
    let arrived = || {
        let requests = world.sim.requests();
        let seen = requests.iter().filter(|one| one.endpoint == endpoint);
        seen.count() > before
    };
    while !arrived() {
        assert!(Instant::now() < end, "no {endpoint} was seen");
        std::thread::yield_now();
    }
}

/// How often each question was answered.
fn answers(world: &World) -> Vec<u64> {
    let questions = world.sim.stats().questions;
    questions.iter().map(|question| question.answers).collect()
}

pub(crate) fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("it runs")
}

/// The folder of the journal.
pub(crate) fn journal(world: &World) -> PathBuf {
    world.state.path().join("taskward/journal")
}

/// The journal, as another process opens it.
pub(crate) fn kept(world: &World) -> SqliteJournal {
    SqliteJournal::open(journal(world).join("tasks.sqlite")).expect("a journal")
}

/// The name of the only start that the journal knows.
pub(crate) fn intent(world: &World) -> String {
    let kept = kept(world).list().expect("a listing").entries;
    let names: Vec<String> = kept.iter().map(|entry| entry.id.to_string()).collect();
    let [name] = &names[..] else {
        panic!("not one: {names:?}");
    };
    name.clone()
}

pub(crate) fn task(ended: &Ended) -> String {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout.trim_end().to_owned()
}

/// Rows: G4, G5.
#[test]
fn a_killed_start_is_recovered_and_watched_to_its_end() {
    for (start, how) in [(NANONETS, &["--adopt"][..]), (HARNESS, &[])] {
        let world = World::new();
        // The task is made, and the reply takes its time.
        start.kill(
            &world,
            Fault::Latency {
                span: Span(3_600_000),
            },
        );
        assert_eq!(start.made(&world), 1);
        let found = task(&world.fast(&[&["recover"], how].concat()));
        assert!(found.starts_with(start.provider), "{found}");
        let mut last = vec!["watch", "--last"];
        if start.provider != "nanonets" {
            last.extend(["--on-approval", "approve"]);
        }
        let ended = world.fast(&last);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.says(&[&format!("task {found}")]);
        assert_eq!(start.made(&world), 1, "it was started once");
        let nothing = world.run(&["recover"]);
        assert_eq!(nothing.code, 0, "{nothing:?}");
        nothing.says(&["Nothing to recover"]);
    }
}

/// Rows: G5.
#[test]
fn a_start_that_was_killed_before_it_arrived_is_treated_as_one_that_may_have() {
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        start.kill(&world, Fault::Stall { after_bytes: None });
        assert_eq!(start.made(&world), 0);
        let ended = world.fast(&["recover"]);
        if start.provider == "nanonets" {
            assert_eq!(ended.code, 5, "{ended:?}");
            ended.says(&["probably never made", "--forget", "--force-new"]);
            assert_eq!(start.made(&world), 0, "nothing was adopted or started");
        } else {
            assert!(task(&ended).starts_with("agent-harness:"), "{ended:?}");
            assert_eq!(start.made(&world), 1, "its key makes it now");
        }
    }
}

/// Rows: G1, G14.
#[test]
fn what_is_found_is_adopted_only_when_that_is_asked_for() {
    let world = World::new();
    let lost = NANONETS.lose(&world);
    let name = intent(&world);
    lost.says(&[
        &format!("taskward recover {name}"),
        &format!("intent {name}"),
    ]);
    for _ in 0..2 {
        let found = world.fast(&["recover", &name[..4]]);
        let task = task(&found);
        found.says(&[
            "1 likely match: ",
            "same first message",
            &format!("follow: taskward watch {task}\n"),
            &format!("recover {name} --adopt"),
        ]);
    }
    let lines = world.fast(&["recover", &name, "--json"]);
    let last = lines.last();
    assert_eq!(
        (&last["adopted"], &last["compared"], &last["intent_id"]),
        (&false.into(), &"same".into(), &name.as_str().into())
    );
    // Another one of the same words, by somebody else: nobody can tell which it is.
    elsewhere(&world);
    let several = world.fast(&["recover", &name, "--adopt"]);
    assert_eq!(several.code, 5, "{several:?}");
    several.says(&["2 tasks may be", "none was adopted"]);
    assert_eq!(several.stdout.lines().count(), 2, "{several:?}");
    let forgotten = world.run(&["recover", &name, "--forget"]);
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    assert_eq!(world.run(&["recover", &name]).code, 2);
    assert_eq!(world.sim.stats().starts, 2);
}

/// Somebody else starts the same.
pub(crate) fn elsewhere(world: &World) -> String {
    task(&world.run_elsewhere(&[NANONETS.args, &["--speed", "20", "--detach"]].concat()))
}

#[test]
fn recover_follows_what_it_found() {
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        start.lose(&world);
        let made = start.made(&world);
        let mut args = vec!["recover", "--watch"];
        if start.provider != "nanonets" {
            args.extend(["--on-approval", "approve"]);
        }
        let ended = world.fast(&args);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(start.made(&world), made);
        world.run(&["recover"]).says(&["Nothing to recover"]);
    }
}

/// Rows: G12.
#[test]
fn the_same_command_again_is_refused_while_nobody_knows() {
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        start.lose(&world);
        let (name, made) = (intent(&world), start.made(&world));
        let again = world.fast(start.args);
        assert_eq!(again.code, 5, "{again:?}");
        again.says(&[
            "it is unknown whether that created a task",
            "Nothing was sent now.",
            &format!("taskward recover {name}"),
            "taskward run --force-new ",
        ]);
        let lines = world.fast(&[start.args, &["--json"]].concat());
        let last = lines.last();
        assert_eq!(
            (&last["code"], &last["intent_id"], lines.next_command(0)),
            (
                &"outcome_unknown".into(),
                &name.as_str().into(),
                vec!["recover".to_owned(), name.clone()]
            )
        );
        assert_eq!(start.made(&world), made);
        // Another job is no repetition, and neither is one that is meant.
        let mut other = start.args.to_vec();
        let prompt = other.iter().position(|word| *word == "Say it once.");
        other[prompt.expect("a prompt")] = "Say it twice.";
        assert_eq!(world.fast(&other).code, 0);
        assert_eq!(world.fast(&[start.args, &["--force-new"]].concat()).code, 0);
        assert_eq!(start.made(&world), made + 2);
    }
}

/// Rows: G10.
#[test]
fn a_start_that_cannot_be_written_down_is_not_sent() {
    for start in [NANONETS, HARNESS] {
        // The place of the journal is taken.
        let world = World::new();
        std::fs::create_dir(world.state.path().join("taskward")).expect("a folder");
        std::fs::write(journal(&world), "").expect("a file");
        let ended = world.fast(start.args);
        refused(&world, &start, &ended);
        // Nothing fits on the disk any more.
        let world = World::new();
        let full = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
        let command = world.command(start.args);
        let mut shell = Command::new("bash");
        shell
            .args(["-c", full])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        for (name, value) in command.get_envs() {
            shell.env(name, value.expect("set"));
        }
        let ended = world.ended(shell, "");
        refused(&world, &start, &ended);
        // It is the caller's to do without.
        let ended = world.fast(&[start.args, &["--no-journal"]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.says(&["--no-journal: if the reply to the start is lost"]);
        assert_eq!(start.made(&world), 1);
    }
}

fn refused(world: &World, start: &Start, ended: &Ended) {
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&[
        "cannot be saved in the journal",
        "journal",
        "taskward run --no-journal",
    ]);
    let sent = world.sim.requests();
    let sent = sent.iter().filter(|one| one.endpoint == start.endpoint);
    assert_eq!(sent.count(), 0, "{ended:?}");
}

#[test]
fn a_watch_goes_on_where_nothing_can_be_kept() {
    let world = World::new();
    let task = world.start("echo");
    std::fs::remove_dir_all(journal(&world)).expect("removed");
    std::fs::write(journal(&world), "").expect("a file");
    let ended = world.fast(&["watch", &task]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["warning: ", "watch --last will not know this task"]);
    let last = world.fast(&["watch", "--last"]);
    assert_eq!(last.code, 1, "{last:?}");
}

/// Rows: G9, G12.
#[test]
fn a_start_that_another_process_works_on_is_not_recovered() {
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        world.sim.set_faults(vec![
            FaultRule::new(Fault::Stall { after_bytes: None }).on(start.endpoint),
        ]);
        let mut child = spawn(world.command(start.args));
        seen(&world, start.endpoint);
        let name = intent(&world);
        for args in [&["recover"][..], &["recover", &name, "--forget"]] {
            let ended = world.fast(args);
            assert_eq!(ended.code, 1, "{ended:?}");
            ended.says(&[&format!("another process is at work on {name}")]);
        }
        // It is no start of unknown outcome: the same command is another one beside it.
        world.sim.set_faults(Vec::new());
        assert_eq!(world.fast(start.args).code, 0);
        child.kill().expect("killed");
        child.wait().expect("ends");
        assert_eq!(world.fast(start.args).code, 5, "now it is one");
        // It still is while somebody finds out what became of it.
        let journal = kept(&world);
        let entry = journal.find(&name).expect("it is kept");
        let _claim = journal.claim(&entry.id).expect("nobody works on it");
        assert_eq!(world.fast(start.args).code, 5, "nobody knows yet");
    }
}

#[test]
fn lists_tell_what_is_known_here() {
    let world = World::new();
    let task = world.start("echo");
    HARNESS.lose(&world);
    let local = world.run(&["ls", "--local"]);
    assert_eq!(local.code, 0, "{local:?}");
    let rows: Vec<Vec<&str>> = local
        .stdout
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 2, "{local:?}");
    assert_eq!((rows[0][1], rows[0][4]), ("unknown", "Say it once."));
    assert_eq!((rows[1][0], rows[1][1]), (task.as_str(), "known"));
    let lines = world.run(&["ls", "--local", "--json", "--provider", "agent-harness"]);
    let lines = lines.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["state"], &lines[0]["task"]),
        (&"unknown".into(), &serde_json::Value::Null)
    );
    let remote = world.run(&["ls"]);
    assert!(remote.stdout.trim_end().ends_with("\tlocal"), "{remote:?}");
    remote.says(&["the outcome of 1 start from this machine is unknown; run: taskward recover"]);
    let elsewhere = world.run_elsewhere(&["ls", "--json"]);
    assert_eq!(elsewhere.lines()[0]["local"], false);
}

#[test]
fn several_open_starts_are_listed_and_none_is_touched() {
    let world = World::new();
    NANONETS.lose(&world);
    HARNESS.lose(&world);
    let before = world.sim.requests().len();
    let listed = world.run(&["recover"]);
    assert_eq!(listed.code, 5, "{listed:?}");
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    assert_eq!(world.sim.requests().len(), before);
    // One of each provider: the provider says which.
    let one = world.fast(&["recover", "--provider", "agent-harness"]);
    assert!(task(&one).starts_with("agent-harness:"), "{one:?}");
}

/// A refusal at the repetition says nothing of the first attempt.
#[test]
fn a_refused_recovery_leaves_the_start_open() {
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        start.lose(&world);
        let made = start.made(&world);
        for code in [401, 403, 503] {
            let status = Fault::Status {
                code,
                retry_after: None,
                after_bytes: None,
            };
            world.sim.set_faults(vec![FaultRule::new(status)]);
            let ended = world.fast(&["recover", "--timeout", "30s"]);
            assert_ne!(ended.code, 0, "{code}: {ended:?}");
        }
        world.sim.set_faults(Vec::new());
        let found = task(&world.fast(&["recover"]));
        assert!(found.starts_with(start.provider), "{found}");
        assert_eq!(start.made(&world), made);
    }
}

#[test]
fn a_start_is_recovered_on_its_own_server_only() {
    let world = World::new();
    HARNESS.lose(&world);
    let other = World::new();
    let mut command = other.command(&["recover"]);
    command.env("XDG_STATE_HOME", world.state.path());
    let ended = other.ended(command, "");
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["on another server", "AGENT_HARNESS_BASE_URL"]);
    assert_eq!(other.sim.requests().len(), 0);
}

#[test]
fn an_answer_that_was_under_way_when_its_process_was_killed_is_searched_for_and_not_sent_again() {
    let scenario = Scenario::parse("[switches]\nreply_delay_ms = 3600000\n").expect("a scenario");
    let world = World::of(Sim::builder().scenario(scenario), 100);
    let slow = FaultRule::new(Fault::Latency {
        span: Span(3_600_000),
    })
    .on("message");
    world.sim.set_faults(vec![slow]);
    let args = ["run", "--agent", "asker", "hi", "--answer", "EUR"];
    let mut child = spawn(world.command(&[&args[..], &["--speed", "100"]].concat()));
    seen(&world, "message");
    child.kill().expect("killed");
    child.wait().expect("ends");
    assert_eq!(answers(&world), [1]);
    // Whoever asks now is told what was so before.
    let behind = FaultRule::new(Fault::StaleRead);
    world.sim.set_faults(vec![behind]);
    let ended = world.fast(&["watch", "--last", "--answer", "EUR", "--timeout", "60s"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert_eq!(answers(&world), [1], "{ended:?}");
}

#[test]
fn nothing_is_written_down_of_a_simulator_that_ends_with_the_command() {
    let state = tempfile::tempdir().expect("a folder");
    let mut command = bare(&["run", "--sim", "hi"]);
    command.env("XDG_STATE_HOME", state.path());
    let ended = crate::common::end(command, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let files = std::fs::read_dir(state.path()).expect("the folder");
    assert_eq!(files.count(), 0);
}

/// Everything that was written down, as text.
fn written(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("a journal");
    let texts = files.map(|file| std::fs::read(file.expect("a file").path()).expect("bytes"));
    texts
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

#[test]
fn no_key_is_written_down_and_what_repeats_a_start_only_until_its_task_is_known() {
    let world = World::new();
    HARNESS.lose(&world);
    let secrets = crate::common::secrets(&world.command(&[]));
    let text = written(&journal(&world));
    crate::common::assert_hidden(&secrets, &[&text]);
    assert!(
        text.contains("\"start\"") && text.contains("idempotency-key"),
        "{text}"
    );
    task(&world.fast(&["recover"]));
    let text = written(&journal(&world));
    crate::common::assert_hidden(&secrets, &[&text]);
    // Pages that were freed may say more until they are written over.
    let entry = kept(&world).find(&intent(&world)).expect("it is kept");
    let text = serde_json::to_string(&entry.snapshot).expect("text");
    // What is left starts another one, and not this one again.
    assert!(text.contains("\"again\""), "{text}");
    assert!(
        !text.contains("\"start\"") && !text.contains("idempotency-key"),
        "{text}"
    );
}
