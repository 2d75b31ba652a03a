//! What is said at an end is so: commands are exact, and nothing is told of a task that is not known.
#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use taskward_sim::{Fault, FaultRule};

use crate::common::{Ended, World};

impl World {
    fn set_faults(&self, rules: &[&str]) {
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule"));
        self.sim.set_faults(rules.collect());
    }

    /// Loses the reply to a start.
    fn lose(&self, args: &[&str]) -> Ended {
        let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
        self.sim.set_faults(vec![lost]);
        let ended = self.fast(&[&["run", "--agent", "echo"], args].concat());
        self.sim.set_faults(Vec::new());
        assert_eq!(ended.code, 5, "{ended:?}");
        ended
    }

    /// Runs a printed command, by a shell that knows `$'...'`.
    fn run_printed(&self, printed: &str) -> Ended {
        let program = self.command(&[]);
        let mut shell = Command::new("bash");
        shell.args(["-c", printed]).env_clear();
        for (name, value) in program.get_envs() {
            shell.env(name, value.expect("set"));
        }
        self.ended(shell, "")
    }
}

#[test]
fn a_printed_command_is_the_command_whatever_the_prompt_holds() {
    let world = World::new();
    for prompt in [
        "two\nlines,  two blanks and a\ttab",
        "it's \\ \u{1b}[31mred\u{1b}[0m 7",
        "abc\u{202e}txt.exe\u{2028}end",
    ] {
        let lost = world.lose(&[prompt]);
        assert_eq!(lost.stderr.lines().count(), 7, "{lost:?}");
        let again = lost.printed("or");
        let again = again.split("  (").next().expect("a command").trim_end();
        let ended = world.run_printed(again);
        assert_eq!(ended.code, 0, "{again}: {ended:?}");
        let answer: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(answer["query"], prompt, "{again}");
        // The same for programs.
        let lost = world.lose(&[prompt, "--json", "--force-new"]);
        let again = lost.next_command(1);
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        let ended = world.run(&again);
        let data = &ended.last()["data"];
        assert_eq!(data["query"], prompt, "{again:?}: {ended:?}");
    }
    // The name of a file is any bytes.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(OsStr::from_bytes(b"\xff'"));
    world.set_faults(&["lost-reply-after-apply:on=run,count=1"]);
    let mut run = world.command(&["run", "--agent", "echo", "file", "--speed", "20", "-o"]);
    run.arg(&file);
    let lost = world.ended(run, "");
    assert_eq!(lost.code, 5, "{lost:?}");
    let again = lost.printed("or");
    let again = again.split("  (").next().expect("a command").trim_end();
    assert_eq!(world.run_printed(again).code, 0, "{again}");
    assert!(file.exists(), "{again}");
}

#[test]
fn a_list_of_what_is_known_here_shows_every_open_start_and_says_what_it_leaves_out() {
    let world = World::new();
    let lost = world.lose(&["lost"]);
    let intent = lost.stderr.split("intent ").nth(1).expect("an intent");
    let intent = intent.split(' ').next().expect("a word");
    let tasks: Vec<String> = (0..3).map(|_| world.start("echo")).collect();
    let all = world.run(&["ls", "--local"]);
    assert_eq!(all.stdout.lines().count(), 4, "{all:?}");
    assert_eq!(all.stderr, "");
    let some = world.run(&["ls", "--local", "--limit", "2"]);
    let names: Vec<&str> = some
        .stdout
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    // The newest first.
    assert_eq!(names, [tasks[2].as_str(), &tasks[1], intent], "{some:?}");
    some.says(&["3 of 4 shown; all: taskward ls --local --limit 4\n"]);
    let all = world.run(&["ls", "--local", "--limit", "4"]);
    assert_eq!((all.stdout.lines().count(), all.stderr.as_str()), (4, ""));
}

#[test]
fn a_timeout_before_the_reply_names_itself_and_what_could_not_be_done() {
    let world = World::with_fault("run", Fault::Stall { after_bytes: None });
    let run = ["run", "--agent", "echo", "hi", "--timeout", "10s"];
    let ended = world.fast(&run);
    assert_eq!(ended.code, 5, "{ended:?}");
    let late = "  --timeout was reached before the server answered.\n";
    ended.says(&["error: the task may have been started\n", late, "intent "]);
    assert!(!ended.stderr.contains("--cancel-on-timeout"), "{ended:?}");
    let stopping = ["--cancel-on-timeout", "--force-new"];
    let ended = world.fast(&[&run[..], &stopping].concat());
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        late,
        "--cancel-on-timeout could stop nothing: the id of the task is not known.",
    ]);
    // Nothing looks up the name of a start that was not written down.
    let ended = world.fast(&[&run[..], &["--no-journal"]].concat());
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(!ended.stderr.contains("intent "), "{ended:?}");
    let ended = world.fast(&[&run[..], &["--no-journal", "--json"]].concat());
    assert!(ended.last()["intent_id"].is_null(), "{ended:?}");
}

#[test]
fn what_was_done_about_a_task_that_was_left_is_in_the_first_line() {
    let world = World::new();
    let args = ["--timeout", "10s", "--cancel-on-timeout"];
    let left = |world: &World| {
        let task = world.start("slow");
        let ended = world.fast(&[&["watch", &task], &args[..]].concat());
        assert_eq!(ended.code, 124, "{ended:?}");
        ended
    };
    let ended = left(&world);
    ended.says(&[" (--timeout); the task was stopped\n"]);
    world.set_faults(&["status:code=503,on=cancel"]);
    let ended = left(&world);
    ended.says(&[
        " (--timeout); the task was not stopped\n",
        "  The task was running when it was last read.\n",
        "  Nothing was done to the task.\n",
    ]);
}

#[test]
fn a_message_that_a_timeout_overtakes_may_have_arrived_and_its_task_is_said_to_be_stopped() {
    let world = World::new();
    for watch in [&["--watch"][..], &[]] {
        let task = world.start_asker();
        world.show(&task);
        world.set_faults(&["stall:on=message"]);
        let reply = [
            "reply",
            &task,
            "EUR",
            "--timeout",
            "10s",
            "--cancel-on-timeout",
        ];
        let ended = world.fast(&[&reply[..], watch].concat());
        assert_eq!(ended.code, 124, "{ended:?}");
        ended.says(&[
            " (--timeout); the task was stopped\n",
            "  The answer may or may not have arrived.\n",
        ]);
        assert!(!ended.stderr.contains("intent "), "{ended:?}");
    }
    assert_eq!(world.sim.stats().endpoints.get("cancel"), Some(&2));
}
