//! A person at a terminal, played by util-linux's `script`.
#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;
use taskward_sim::Fault;
use taskward_sim::harness::DashboardAction;

use crate::common::{World, assert_hidden, secrets};

/// No prompt takes so long.
const GUARD: Duration = Duration::from_secs(60);

/// The end of the prompt of an approval.
const PROMPT: &str = "kip for now> ";

/// The program at a terminal.
struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<u8>,
    /// All that was shown.
    seen: String,
    /// What must not be.
    secrets: Vec<String>,
}

impl Terminal {
    fn open(world: &World, args: &[&str]) -> Self {
        // Without a spinner, which would be drawn over the text.
        Self::with(world, args, "24x80", &[("TERM", "dumb")])
    }

    /// A terminal of this size, in rows and columns, and these variables.
    fn with(world: &World, args: &[&str], size: &str, variables: &[(&str, &str)]) -> Self {
        Self::followed_by(world, args, size, variables, ":")
    }

    /// The same, and `after` is what the shell does once the program has ended.
    fn followed_by(
        world: &World,
        args: &[&str],
        size: &str,
        variables: &[(&str, &str)],
        after: &str,
    ) -> Self {
        let taskward = world.command(args);
        let words: Vec<String> = std::iter::once(taskward.get_program())
            .chain(taskward.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("text").replace('\'', r"'\''")))
            .collect();
        // At the end the terminal is asked whether it still is in the mode that it began with; the shell stays for that
        // when it hears a Ctrl-C, too, and who asks does not hear it.
        let (rows, columns) = size.split_once('x').expect("a size");
        let line = format!(
            "trap : INT; stty rows {rows} cols {columns}; before=$(stty -g); {}; code=$?; [ \"$(trap '' INT; stty -g)\" = \"$before\" ] && echo restored; {after}; exit $code",
            words.join(" ")
        );
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear();
        for (name, value) in taskward.get_envs() {
            script.env(name, value.expect("set"));
        }
        script.envs(variables.iter().copied());
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
            secrets: secrets(&taskward),
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

    /// Types a Ctrl-C before the prompt, and again where the first was lost; returns what was shown on the way, and
    /// whether it was typed again. The terminal shows each that it makes a signal of. Before the prompt the program
    /// drops what was typed, and with it the kernel drops a Ctrl-C that has not become a signal yet.
    fn interrupts(&mut self) -> (String, bool) {
        self.presses("\u{3}");
        let mut shown = Vec::new();
        loop {
            match self.screen.recv_timeout(GUARD) {
                Ok(byte) => shown.push(byte),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no prompt: {}", self.seen),
            }
            if shown.ends_with(b"^C") || shown.ends_with(PROMPT.as_bytes()) {
                break;
            }
        }
        let is_lost = shown.ends_with(PROMPT.as_bytes());
        if is_lost {
            self.presses("\u{3}");
        }
        let shown = String::from_utf8_lossy(&shown).into_owned();
        self.seen += &shown;
        (shown, is_lost)
    }

    fn types(&mut self, line: &str) {
        self.presses(&format!("{line}\n"));
    }

    fn presses(&mut self, keys: &str) {
        let open = self.keys.as_mut().expect("open");
        open.write_all(keys.as_bytes())
            .and_then(|()| open.flush())
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
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert_hidden(&self.secrets, &[&self.seen, &shown]);
        (code, shown)
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
    let shown = terminal.until("[a]pprove  [r]eject  [s]kip for now> ");
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
    terminal.until("Type a to approve");
    terminal.until("kip for now> ");
    terminal.types("reject");
    terminal.until("the task fail");
    terminal.until("back to choose again)> ");
    terminal.types("back");
    terminal.until("kip for now> ");
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
    terminal.until("kip for now> ");
    terminal.types("r");
    terminal.until("again)> ");
    terminal.types("Wrong recipients.");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("reason: Wrong recipients."), "{shown}");
    let mut terminal = Terminal::open(&world, &run(&input, &[]));
    terminal.until("kip for now> ");
    terminal.types("skip");
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
    let shown = terminal.until("[a]pprove  [r]eject  [s]kip for now> ");
    assert!(shown.contains("was dropped"), "{shown}");
    assert_eq!(world.sim.harness_stats().waits[0].received, 0);
    // A second answer in one go is for a question that nobody has seen.
    terminal.types("approve\nto=you\n");
    let shown = terminal.until("data> ");
    assert!(shown.contains("was dropped"), "{shown}");
    terminal.types("skip");
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
    terminal.until("kip for now> ");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(3), "{shown}");
    for words in [
        "the question was withdrawn",
        "nobody answered its question in time",
        "again: taskward run --again agent-harness:",
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
    terminal.until("kip for now> ");
    let id = waiting.strip_prefix("agent-harness:").expect("a run");
    world
        .sim
        .harness_dashboard(id, DashboardAction::Approve)
        .expect("it waits");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("answered elsewhere") && shown.contains("restored"),
        "{shown}"
    );
}

/// Rows: H15, H27.
#[test]
fn what_was_half_typed_when_a_question_is_withdrawn_reaches_nobody() {
    let world = World::new();
    let waiting = world.start_until("approve-email", "awaiting_input");
    let watch = ["watch", &waiting, "--speed", "20"];
    let plain = [("TERM", "dumb")];
    let after = "read rest; echo \"the shell got <$rest>\"";
    let mut terminal = Terminal::followed_by(&world, &watch, "24x80", &plain, after);
    terminal.until("kip for now> ");
    terminal.presses("rm -r");
    // It is echoed once the terminal has it.
    terminal.until("rm -r");
    let id = waiting.strip_prefix("agent-harness:").expect("a run");
    world
        .sim
        .harness_dashboard(id, DashboardAction::Approve)
        .expect("it waits");
    let shown = terminal.until("restored");
    let told = "the question was answered elsewhere; nothing that was typed was sent";
    assert!(shown.contains(told), "{shown}");
    terminal.types("mine");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("the shell got <mine>"), "{shown}");
}

/// Rows: H21.
#[test]
fn a_question_that_was_not_shown_is_confirmed_by_whoever_sees_it_now() {
    let world = World::new();
    let waiting = world.start_until("approve-email", "awaiting_input");
    let task = world.start_asker();
    let answered = |world: &World| {
        let answers = world.sim.stats().questions[0].answers;
        (world.sim.harness_stats().waits[0].applied, answers)
    };
    let approve = ["approve", &waiting, "--speed", "20"];
    let reply = ["reply", &task, "EUR", "--speed", "20"];
    for (command, asks, words) in [
        (
            &approve[..],
            "answer it with \"approve\"?",
            "Subject: Weekly team update",
        ),
        (&reply[..], "answer it with \"EUR\"?", "Which currency"),
    ] {
        let before = answered(&world);
        for (said, code) in [("n", 2), ("", 2), ("y", 0)] {
            let mut terminal = Terminal::open(&world, command);
            let shown = terminal.until("[y/N] ");
            for words in [words, asks, ", asked "] {
                assert!(shown.contains(words), "{words:?} in {shown}");
            }
            assert_eq!(answered(&world), before);
            terminal.types(said);
            let (ended, shown) = terminal.end();
            assert_eq!(ended, Some(code), "{shown}");
        }
        assert_ne!(answered(&world), before);
    }
    assert_eq!(answered(&world), (1, 1));
    // Nobody is asked about a question that nobody knows.
    let named = world.run(&["approve", &waiting, "--question", "q_0123456789abcdef"]);
    assert_eq!(named.code, 2, "{named:?}");
}

/// Rows: H22.
#[test]
fn whoever_decides_to_send_beside_an_answer_of_unknown_outcome_has_decided() {
    let world = World::new();
    for is_named in [true, false] {
        let task = world.start_asker();
        world.show(&task);
        let question = world.question(&task);
        world.killed_reply(&task, "EUR", Fault::Stall { after_bytes: None });
        let reply = ["reply", &task, "USD", "--speed", "20"];
        let named = [&reply[..], &["--question", &question]].concat();
        let command = if is_named { &named[..] } else { &reply[..] };
        let mut terminal = Terminal::open(&world, command);
        terminal.until("(\"EUR\"); send this anyway? [y/N] ");
        terminal.types("y");
        if !is_named {
            // It was not shown since.
            terminal.until("answer it with \"USD\"? [y/N] ");
            terminal.types("y");
        }
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(0), "{shown}");
        let asked = &world.sim.stats().questions;
        assert_eq!(asked.last().expect("a question").answers, 1, "{shown}");
    }
}

#[test]
fn rejecting_by_command_asks_first() {
    let world = World::new();
    let waiting = world.start_until("approve-email", "awaiting_input");
    let mut terminal = Terminal::open(&world, &["reject", &waiting]);
    terminal.until("The task fails");
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

/// Rows: G12.
#[test]
fn a_start_that_nobody_knows_the_end_of_is_made_again_by_whoever_means_it() {
    let world = World::with_fault("run", Fault::LostReplyAfterApply { after_bytes: 0 });
    let run = ["run", "--agent", "echo", "hi", "--speed", "20"];
    assert_eq!(world.run(&run).code, 5);
    world.sim.set_faults(Vec::new());
    for (said, code, starts) in [("n", 5, 1), ("y", 0, 2)] {
        let mut terminal = Terminal::open(&world, &run);
        terminal.until("start another one?");
        terminal.until("[y/N] ");
        terminal.types(said);
        let (ended, shown) = terminal.end();
        assert_eq!(ended, Some(code), "{shown}");
        assert_eq!(world.sim.stats().starts, starts, "{shown}");
    }
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

/// Acceptance test W7, on a terminal: one that is said to be plain gets no escape sequence, and NO_COLOR no colour,
/// however narrow it is.
///
/// Rows: M11.
#[test]
fn w7_a_plain_terminal_gets_no_escape_sequence_and_no_color_gets_no_colour() {
    let world = World::new();
    let run = ["run", "--agent", "failing", "hi", "--speed", "20"];
    for size in ["24x20", "24x80", "0x0"] {
        for variables in [
            &[("TERM", "dumb")][..],
            &[("TERM", "dumb"), ("LC_ALL", "C")],
            &[("TERM", "dumb"), ("CI", "1"), ("NO_COLOR", "1")],
        ] {
            let (code, shown) = Terminal::with(&world, &run, size, variables).end();
            assert_eq!(code, Some(3), "{shown}");
            assert!(
                !shown.contains('\u{1b}') && shown.is_ascii(),
                "{size} {variables:?}: {shown:?}"
            );
        }
        let variables = [("TERM", "xterm-256color"), ("NO_COLOR", "1")];
        let (code, shown) = Terminal::with(&world, &run, size, &variables).end();
        assert_eq!(code, Some(3), "{shown}");
        // A colour is a control sequence that ends with m.
        let sequences = shown.split("\u{1b}[").skip(1);
        for sequence in sequences {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic());
            assert_ne!(
                end.map(|end| &sequence[end..=end]),
                Some("m"),
                "{size}: {shown:?}"
            );
        }
    }
}

/// Acceptance test W5, on a terminal: wherever Ctrl-C is typed, the terminal is as it was.
///
/// Rows: M2.
#[test]
fn w5_ctrl_c_restores_the_terminal() {
    let world = World::new();
    let input = json!({ "goal": "x" }).to_string();
    let animated = [("TERM", "xterm-256color")];
    for (until, again) in [
        ("task agent-harness:", false),
        ("Subject", false),
        ("waits for an approval", false),
        (PROMPT, false),
        (PROMPT, true),
    ] {
        let mut terminal = Terminal::with(&world, &run(&input, &[]), "24x80", &animated);
        terminal.until(until);
        // What a terminal makes a signal of.
        let (before, again) = match until {
            PROMPT => {
                terminal.presses("\u{3}");
                if again {
                    terminal.presses("\u{3}");
                }
                (String::new(), again)
            }
            _ => terminal.interrupts(),
        };
        let (code, shown) = terminal.end();
        let shown = before + &shown;
        assert_eq!(code, Some(130), "{until}: {shown}");
        assert!(shown.contains("restored"), "{until}: {shown}");
        assert!(
            again || shown.contains("agent-harness:"),
            "{until}: {shown}"
        );
    }
}

/// The terminal sends its Ctrl-C to the command, too; what the program added would be its second.
///
/// Rows: N10.
#[test]
fn one_ctrl_c_at_the_terminal_reaches_the_command_behind_sim_once() {
    let world = World::new();
    let script = "trap 'echo heard' INT; echo ready; read a; read b; echo got $a$b; exit 5";
    let mut terminal = Terminal::open(&world, &["sim", "--", "sh", "-c", script]);
    terminal.until("ready");
    terminal.presses("\u{3}");
    terminal.until("heard");
    // Had a second one come, it had come by now, and this would not be read to its end.
    terminal.types("one");
    terminal.types("two");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(5), "{shown}");
    assert!(!shown.contains("heard"), "{shown}");
}
