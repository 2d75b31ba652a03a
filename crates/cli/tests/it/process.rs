//! The program among other processes: its streams, its environment, and who else watches.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::common::{Ended, World, assert_hidden, secrets};

/// No command may hang; far more than any takes.
const GUARD: Duration = Duration::from_secs(60);

/// Where stdin comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Input {
    Null,
    Closed,
    /// A pipe that nobody writes to and nobody closes.
    Silent,
    /// A pipe that never runs dry.
    Endless,
}

/// The same command through a shell that does this to its streams first.
fn through_shell(command: &Command, redirections: &str) -> Command {
    let mut shell = Command::new("sh");
    let line = format!("exec \"$0\" \"$@\" {redirections}");
    shell
        .args(["-c", &line])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("set"));
    }
    shell
}

/// Runs it with this on stdin; it must end by itself.
fn fed(command: Command, input: Input) -> Ended {
    let secrets = secrets(&command);
    let mut feeder = None;
    let mut command = match input {
        Input::Closed => through_shell(&command, "<&-"),
        _ => command,
    };
    match input {
        Input::Null | Input::Closed => command.stdin(Stdio::null()),
        Input::Silent => command.stdin(Stdio::piped()),
        Input::Endless => {
            let mut yes = Command::new("yes")
                .stdout(Stdio::piped())
                .spawn()
                .expect("yes runs");
            command.stdin(yes.stdout.take().expect("piped"));
            feeder = Some(yes);
            &mut command
        }
    };
    let out = tempfile::NamedTempFile::new().expect("a file");
    let err = tempfile::NamedTempFile::new().expect("a file");
    let mut child = command
        .stdout(out.reopen().expect("the file"))
        .stderr(err.reopen().expect("the file"))
        .spawn()
        .expect("it runs");
    let code = wait(&mut child);
    if let Some(mut yes) = feeder {
        yes.kill().expect("killed");
        yes.wait().expect("ends");
    }
    let text = |file: tempfile::NamedTempFile| std::fs::read_to_string(file.path()).expect("text");
    let (stdout, stderr) = (text(out), text(err));
    assert_hidden(&secrets, &[&stdout, &stderr]);
    Ended {
        code,
        stdout,
        stderr,
    }
}

/// The exit code of a child whose stdin stays as it is.
fn wait(child: &mut Child) -> i32 {
    // `Child::wait` would close it.
    let _stdin = child.stdin.take();
    let pid = child.id().to_string();
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || told.send(child.wait()));
        let Ok(status) = ended.recv_timeout(GUARD) else {
            let killed = Command::new("kill").args(["-KILL", &pid]).status();
            panic!("it hangs; killed: {killed:?}");
        };
        let status = status.expect("waited for");
        status.code().expect("it ends by itself")
    })
}

/// Acceptance test W6: no command waits for an input that nobody asked it to read.
#[test]
fn w6_no_command_hangs_whatever_stdin_is() {
    let world = World::of(taskward_sim::Sim::builder(), 200);
    let done = world.start("echo");
    assert_eq!(world.fast(&["watch", &done]).code, 0);
    let asks = world.start("asker");
    assert_eq!(world.fast(&["watch", &asks]).code, 8);
    let waits = world.start_until("approve-email", "awaiting_input");
    let input = json!({ "goal": "x" }).to_string();
    let quick = ["--speed", "200"];
    let commands: Vec<(Vec<&str>, i32)> = vec![
        ([&["run", "--agent", "echo", "hi"], &quick[..]].concat(), 0),
        ([&["run", "--agent", "asker", "5"], &quick[..]].concat(), 8),
        (
            [
                &["run", "--provider", "agent-harness", "--input", &input],
                &quick[..],
            ]
            .concat(),
            8,
        ),
        (vec!["run", "--agent", "echo", "hi", "--detach"], 0),
        (vec!["run", "--sim", "hi"], 0),
        ([&["watch", &asks], &quick[..]].concat(), 8),
        ([&["watch", &waits], &quick[..]].concat(), 8),
        (vec!["status", &done], 0),
        (vec!["result", &done], 0),
        (vec!["messages", &done], 0),
        (vec!["reply", &asks, ""], 2),
        (vec!["cancel", &asks], 2),
        (vec!["reject", &waits, "--reason", " "], 2),
        (vec!["input", &waits], 2),
        (vec!["events", &waits], 0),
        (vec!["resume-run", &waits], 1),
        (vec!["batch", "/dev/null"], 2),
        (vec!["ls"], 0),
        (vec!["agents", "list"], 0),
        (vec!["agents", "show", "echo"], 0),
        (vec!["usage", "--provider", "agent-harness"], 0),
        (vec!["api", "GET", "/agents"], 0),
        (vec!["completion", "bash"], 0),
        (vec!["man", "/dev/null/man1"], 2),
        (vec!["doctor"], 0),
        (vec!["doctor", "--live", "--start", "echo"], 2),
        (vec!["help", "questions"], 0),
        (vec!["--help"], 0),
        (vec!["nonsense"], 2),
    ];
    let check = |args: &[&str], code: i32, input: Input| {
        let ended = fed(world.command(args), input);
        assert_eq!(ended.code, code, "{args:?} with {input:?}: {ended:?}");
    };
    std::thread::scope(|scope| {
        for input in [Input::Null, Input::Closed, Input::Silent, Input::Endless] {
            let (commands, check) = (&commands, &check);
            scope.spawn(move || {
                for (args, code) in commands {
                    check(args, *code, input);
                }
            });
        }
    });
    // Where it is asked to read stdin, what never ends is too long, and nothing is nothing.
    for (args, input, code) in [
        (&["run", "--agent", "echo", "-"][..], Input::Endless, 2),
        (&["ls", "--key-stdin"], Input::Endless, 2),
        (&["reply", &asks, "-"], Input::Endless, 2),
        (&["run", "--agent", "echo", "-"], Input::Null, 2),
        (&["ls", "--key-stdin"], Input::Null, 2),
        (&["reply", &asks, "-"], Input::Closed, 2),
    ] {
        check(args, code, input);
    }
}

/// Acceptance test W7: none of the settings of a plain terminal, nor a pipe, gets an escape sequence.
///
/// Rows: M11.
#[test]
fn w7_no_escape_sequence_leaves_for_a_pipe_or_a_plain_terminal() {
    let world = World::of(taskward_sim::Sim::builder(), 200);
    let settings: [&[(&str, &str)]; 8] = [
        &[],
        &[("NO_COLOR", "1"), ("TERM", "xterm-256color")],
        &[("TERM", "dumb")],
        &[("CI", "1"), ("TERM", "xterm-256color")],
        &[("COLUMNS", "20"), ("TERM", "xterm-256color")],
        &[("COLUMNS", "0"), ("LINES", "0"), ("TERM", "xterm-256color")],
        &[("LC_ALL", "C"), ("LANG", "C"), ("TERM", "xterm-256color")],
        &[
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
            ("CI", "1"),
            ("COLUMNS", "20"),
            ("LC_ALL", "C"),
        ],
    ];
    let commands: [(&[&str], i32); 8] = [
        (&["run", "--agent", "echo", "hi", "--speed", "200"], 0),
        (&["run", "--agent", "failing", "hi", "--speed", "200"], 3),
        (&["run", "--agent", "asker", "5", "--speed", "200"], 8),
        (&["ls"], 0),
        (&["run", "--bogus"], 2),
        (&["status", "nanonets:a/b"], 1),
        (&["help", "run"], 0),
        (&["help", "json"], 0),
    ];
    for variables in settings {
        for (args, code) in commands {
            let mut command = world.command(args);
            command.envs(variables.iter().copied());
            // `ended` looks for the escape byte.
            let ended = world.ended(command, "");
            assert_eq!(ended.code, code, "{variables:?} {args:?}: {ended:?}");
            let all = format!("{}{}", ended.stdout, ended.stderr);
            assert!(all.is_ascii(), "{variables:?} {args:?}: {ended:?}");
            assert!(!all.contains('\r'), "{variables:?} {args:?}: {ended:?}");
        }
    }
}

/// Rows: M5.
#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    let world = World::of(taskward_sim::Sim::builder(), 200);
    let run = world.start_until("long-stream", "succeeded");
    let mut shell = Command::new("bash");
    let line = format!("taskward events {run} | head -1; echo \"${{PIPESTATUS[0]}}\"");
    shell.args(["-c", &line]).env_clear();
    for (name, value) in world.command(&[]).get_envs() {
        shell.env(name, value.expect("set"));
    }
    let ended = world.ended(shell, "");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines.len() == 2 && ["141", "0"].contains(&lines[1]),
        "{ended:?}"
    );
    assert_eq!(ended.stderr, "", "{ended:?}");
}

/// Rows: M7.
#[test]
fn streams_that_are_closed_at_the_start_make_no_panic() {
    let world = World::of(taskward_sim::Sim::builder(), 200);
    let run = ["run", "--agent", "echo", "hi", "--speed", "200"];
    let asks = ["run", "--agent", "asker", "5", "--speed", "200"];
    for closed in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        for (args, code) in [
            (&run[..], 0),
            (&[&run[..], &["--json"]].concat(), 0),
            (&asks, 8),
            (&["ls"], 0),
            (&["--help"], 0),
            (&["nonsense"], 2),
        ] {
            let ended = world.ended(through_shell(&world.command(args), closed), "");
            assert_eq!(ended.code, code, "{closed} {args:?}: {ended:?}");
            assert!(
                !ended.stderr.contains("panic") && !ended.stderr.contains("a bug"),
                "{ended:?}"
            );
        }
    }
}

/// Rows: M8.
#[test]
fn nothing_is_needed_but_the_environment() {
    let world = World::of(taskward_sim::Sim::builder(), 200);
    // None at all, none that is there, and one that nobody can write to.
    let empty = tempfile::tempdir().expect("a folder");
    let nowhere = empty.path().join("no/home");
    for home in [None, nowhere.to_str(), Some("/proc")] {
        let mut command = world.command(&["run", "--agent", "echo", "hi", "--speed", "200"]);
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            match home {
                Some(home) => command.env(name, home),
                None => command.env_remove(name),
            };
        }
        // Whatever there is to keep goes where anything may be written.
        let temporary = tempfile::tempdir().expect("a folder");
        command.env_remove("XDG_STATE_HOME");
        command.env("TMPDIR", temporary.path());
        command.current_dir("/proc");
        let ended = world.ended(command, "");
        assert_eq!(ended.code, 0, "{home:?}: {ended:?}");
        assert_eq!(ended.stderr.matches("warning").count(), 1, "{ended:?}");
        ended.says(&[temporary.path().to_str().expect("text")]);
    }
    // A place of its own needs no home.
    let mut command = world.command(&["run", "--agent", "echo", "hi", "--speed", "200"]);
    command.env_remove("HOME");
    let ended = world.ended(command, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
}

#[cfg(unix)]
#[test]
fn a_temporary_folder_that_others_can_enter_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let temporary = tempfile::tempdir().expect("a folder");
    let user = std::os::unix::fs::MetadataExt::uid(&temporary.path().metadata().expect("it is"));
    let folder = temporary.path().join(format!("taskward-{user}"));
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("set");
    let mut command = world.command(&["run", "--agent", "echo", "hi"]);
    command
        .env_remove("XDG_STATE_HOME")
        .env("TMPDIR", temporary.path());
    let ended = world.ended(command, "");
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&["is not this user's alone", "--no-journal"]);
    assert_eq!(world.sim.stats().starts, 0);
}

/// Rows: M9.
#[test]
fn two_watchers_of_one_task_see_the_same_end() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let task = world.start("echo");
    for (name, args) in [(&run, &["--on-approval", "approve"][..]), (&task, &[])] {
        let command = [&["watch", name, "--speed", "20"], args].concat();
        let ends: Vec<Ended> = std::thread::scope(|scope| {
            let watchers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| world.run(&command)))
                .collect();
            watchers
                .into_iter()
                .map(|watcher| watcher.join().expect("no panic"))
                .collect()
        });
        assert_eq!((ends[0].code, ends[1].code), (0, 0), "{ends:?}");
        assert_eq!(ends[0].stdout, ends[1].stdout);
    }
    let waits = world.sim.harness_stats().waits;
    assert_eq!(waits[0].applied, 1, "{waits:?}");
}
