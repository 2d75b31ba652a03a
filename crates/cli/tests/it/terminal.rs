//! A person at a terminal, played by util-linux's `script`.
#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;
use taskward_sim::harness::DashboardAction;

use crate::common::World;

/// No prompt takes so long.
const GUARD: Duration = Duration::from_secs(60);

/// The program at a terminal.
struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<u8>,
    /// All that was shown.
    seen: String,
}

impl Terminal {
    fn open(world: &World, args: &[&str]) -> Self {
        let taskward = world.command(args);
        let words: Vec<String> = std::iter::once(taskward.get_program())
            .chain(taskward.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("text").replace('\'', r"'\''")))
            .collect();
        // At the end the terminal is asked whether it still is in the mode that it began with.
        let line = format!(
            "before=$(stty -g); {}; code=$?; [ \"$(stty -g)\" = \"$before\" ] && echo restored; exit $code",
            words.join(" ")
        );
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear();
        for (name, value) in taskward.get_envs() {
            script.env(name, value.expect("set"));
        }
        // Without a spinner, which would be drawn over the text.
        script.env("TERM", "dumb");
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is installed");
        let mut output = child.stdout.take().expect("piped");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while let Ok(1) = output.read(&mut byte) {
                if sender.send(byte[0]).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: child.stdin.take(),
            child,
            screen,
            seen: String::new(),
        }
    }

    /// Waits until this is shown, after all that was waited for before; gives what was shown on the way.
    fn until(&mut self, words: &str) -> String {
        let mut shown = Vec::new();
        loop {
            match self.screen.recv_timeout(GUARD) {
                Ok(byte) => shown.push(byte),
                Err(why) => {
                    let shown = String::from_utf8_lossy(&shown);
                    panic!("no {words:?} ({why}) in {shown}, after {}", self.seen)
                }
            }
            if shown.ends_with(words.as_bytes()) {
                let shown = String::from_utf8_lossy(&shown).into_owned();
                self.seen += &shown;
                return shown;
            }
        }
    }

    fn types(&mut self, line: &str) {
        let keys = self.keys.as_mut().expect("open");
        keys.write_all(format!("{line}\n").as_bytes())
            .and_then(|()| keys.flush())
            .expect("typed");
    }

    /// The exit code, and what was shown last.
    fn end(mut self) -> (Option<i32>, String) {
        let mut shown = Vec::new();
        loop {
            match self.screen.recv_timeout(GUARD) {
                Ok(byte) => shown.push(byte),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.seen),
            }
        }
        drop(self.keys.take());
        let code = self.child.wait().expect("ends").code();
        (code, String::from_utf8_lossy(&shown).into_owned())
    }
}

fn run<'a>(input: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--provider", "agent-harness", "--speed", "20"];
    [&run[..], &["--input", input], more].concat()
}

#[test]
fn a_person_is_shown_what_is_known_and_approves() {
    let world = World::new();
    let input = json!({ "goal": "x" }).to_string();
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    let shown = terminal.until("approve, reject or leave> ");
    for words in [
        // The text flows, as it was written.
        "Subject: Weekly team update\r\n\r\nHi team,",
        "waits for an approval (AWAITING_APPROVAL)",
        "tool: contacts.search",
        "no description",
    ] {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
    terminal.types("yes");
    terminal.until("type approve, reject");
    terminal.until("leave> ");
    terminal.types("reject");
    terminal.until("the run fail");
    terminal.until("back to think again)> ");
    terminal.types("back");
    terminal.until("leave> ");
    terminal.types("approve");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("answer delivered") && shown.contains("restored"),
        "{shown}"
    );
    assert_eq!(world.sim.harness_stats().waits[0].applied, 1);
}

#[test]
fn a_person_rejects_with_a_reason_or_leaves() {
    let world = World::new();
    let input = json!({ "goal": "x" }).to_string();
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("leave> ");
    terminal.types("r");
    terminal.until("again)> ");
    terminal.types("Wrong recipients.");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("reason: Wrong recipients."), "{shown}");
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("leave> ");
    terminal.types("leave");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(8), "{shown}");
    assert!(shown.contains("taskward approve agent-harness:"), "{shown}");
}

#[test]
fn data_is_typed_line_by_line_or_as_one_object() {
    let world = World::new();
    let input = json!({ "scenario": "needs-input" }).to_string();
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("data> ");
    for line in ["nonsense", "to=you", "n:=1", ""] {
        terminal.types(line);
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("is no field"), "{shown}");
    let waiting = world.start_until("needs-input", "awaiting_input");
    let mut terminal = Terminal::open(&world, &["input", &waiting, "--watch", "--speed", "20"]);
    let shown = terminal.until("data> ");
    assert!(shown.contains("To whom shall I write"), "{shown}");
    terminal.types("nonsense");
    terminal.until("is no field");
    terminal.types("{\"to\": \"everyone\"}");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("everyone"), "{shown}");
    let actions: Vec<_> = world
        .sim
        .harness_stats()
        .waits
        .into_iter()
        .map(|wait| wait.action)
        .collect();
    assert_eq!(actions, vec![Some("submit_input".to_owned()); 2]);
}

#[test]
fn what_was_typed_before_a_question_was_shown_never_answers_it() {
    let world = World::new();
    let input = json!({ "scenario": "two-waits" }).to_string();
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("agent-harness:");
    terminal.types("approve");
    let shown = terminal.until("approve, reject or leave> ");
    assert!(shown.contains("was dropped"), "{shown}");
    assert_eq!(world.sim.harness_stats().waits[0].received, 0);
    // A second answer in one go is for a question that nobody has seen.
    terminal.types("approve\nto=you\n");
    let shown = terminal.until("data> ");
    assert!(shown.contains("was dropped"), "{shown}");
    terminal.types("leave");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(8), "{shown}");
    let received: Vec<_> = world
        .sim
        .harness_stats()
        .waits
        .iter()
        .map(|wait| wait.received)
        .collect();
    assert_eq!(received, [1, 0]);
}

#[test]
fn a_prompt_is_withdrawn_when_nobody_answers_in_time_and_the_terminal_is_as_before() {
    let world = World::new();
    let input = json!({ "goal": "x", "signal_timeout_ms": 20_000 }).to_string();
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("leave> ");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(3), "{shown}");
    for words in [
        "the question was withdrawn",
        "nobody answered its question in time",
        "again: taskward run --provider agent-harness",
        "reason signal_timeout",
        "restored",
    ] {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
    assert_eq!(world.sim.harness_stats().waits[0].received, 0);
}

#[test]
fn a_prompt_is_withdrawn_when_somebody_else_answers() {
    let world = World::new();
    let waiting = world.start_until("approve-email", "awaiting_input");
    let mut terminal = Terminal::open(&world, &["watch", &waiting, "--speed", "20"]);
    terminal.until("leave> ");
    let id = waiting.strip_prefix("agent-harness:").expect("a run");
    world
        .sim
        .harness_dashboard(id, DashboardAction::Approve)
        .expect("it waits");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("withdrawn") && shown.contains("restored"),
        "{shown}"
    );
}

#[test]
fn rejecting_by_command_asks_first() {
    let world = World::new();
    let waiting = world.start_until("approve-email", "awaiting_input");
    let mut terminal = Terminal::open(&world, &["reject", &waiting]);
    terminal.until("The run fails");
    terminal.until("[y/N] ");
    terminal.types("n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(2), "{shown}");
    assert_eq!(world.sim.harness_stats().waits[0].received, 0);
    let mut terminal = Terminal::open(&world, &["reject", &waiting]);
    terminal.until("[y/N] ");
    terminal.types("y");
    terminal.until("reason (empty for none)> ");
    terminal.types("no");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(world.sim.harness_stats().waits[0].applied, 1);
}

#[test]
fn a_person_is_told_what_a_new_configuration_leaves_out_before_it_replaces_the_old_one() {
    let world = World::new();
    let update = ["agents", "update", "echo", "--config", r#"{"tools": []}"#];
    for (said, code, updates) in [("n", 2, 0), ("y", 0, 1)] {
        let mut terminal = Terminal::open(&world, &update);
        let shown = terminal.until("[y/N] ");
        for words in [
            "replace the whole configuration of \"echo\"?",
            "system_prompt",
        ] {
            assert!(shown.contains(words), "{shown}");
        }
        assert!(!shown.contains("tools"), "{shown}");
        terminal.types(said);
        let (ended, shown) = terminal.end();
        assert_eq!(ended, Some(code), "{shown}");
        assert_eq!(world.sim.stats().updates, updates);
    }
}
