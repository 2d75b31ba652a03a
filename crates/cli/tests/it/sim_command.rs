//! A command beside the simulator: `taskward sim -- CMD`.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use crate::common::{Ended, bare, end};
use crate::signals::{signal, spawn, until};

/// Runs a script of the shell beside a simulator.
fn beside(options: &[&str], script: &str) -> Ended {
    let words = [&["sim"], options, &["--", "sh", "-c", script]].concat();
    end(bare(&words), "")
}

#[test]
fn a_command_finds_both_platforms_and_its_exit_code_is_the_programs() {
    let script = "taskward run --agent echo hi --print summary --speed 50 --quiet
        taskward run --provider agent-harness hi --on-approval approve --speed 50 --quiet > /dev/null; echo $?
        echo $TASKWARD_SIM_SEED $TASKWARD_SIM_URL
        exit 7";
    let ended = beside(&["--speed", "50", "--seed", "3"], script);
    assert_eq!(ended.code, 7, "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let [summary, code, last] = lines[..] else {
        panic!("{ended:?}");
    };
    assert_eq!((summary, code), ("hi", "0"), "{ended:?}");
    let (seed, url) = last.split_once(' ').expect("two words");
    assert_eq!(seed, "3");
    ended.says(&[&format!(
        "simulator at {url}, 50x, until the command ends\n"
    )]);
    let address = url.strip_prefix("http://").expect("a URL");
    assert!(TcpStream::connect(address).is_err(), "it outlived {url}");
    // With nothing but the command's own words on either stream.
    for option in ["--quiet", "--json"] {
        let ended = beside(&[option], "echo out; echo err >&2");
        let said = (ended.code, ended.stdout.as_str(), ended.stderr.as_str());
        assert_eq!(said, (0, "out\n", "err\n"), "{option}");
    }
}

#[test]
fn the_seed_is_another_each_time_and_brings_the_same_ids_when_it_is_given() {
    let ids = "echo $TASKWARD_SIM_SEED; echo $NANONETS_API_KEY $AGENT_HARNESS_API_KEY
        taskward run --agent slow hi --detach; taskward run --provider agent-harness hi --detach";
    let first = beside(&[], ids);
    let seed = first.stdout.lines().next().expect("a seed").to_owned();
    first.says(&[&format!("the same ids and keys again: --seed {seed}\n")]);
    let again = beside(&["--seed", &seed], ids);
    assert_eq!(again.stdout, first.stdout);
    assert!(!again.stderr.contains("--seed"), "{again:?}");
    let other = beside(&[], ids);
    let pairs = first.stdout.lines().zip(other.stdout.lines());
    for (line, other) in pairs {
        assert_ne!(line, other);
    }
    assert_eq!(
        (first.stdout.lines().count(), other.stdout.lines().count()),
        (4, 4)
    );
}

/// Rows: N8.
#[test]
fn a_command_that_cannot_run_is_named_with_the_exit_code_of_a_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "echo hi").expect("written");
    let (plain, folder) = (plain.display(), folder.path().display());
    for (name, code, word, why) in [
        (
            "no-such-command".to_owned(),
            127,
            "command_not_found",
            "there is no command no-such-command",
        ),
        (
            format!("{plain}-not"),
            127,
            "command_not_found",
            "there is no command",
        ),
        (
            plain.to_string(),
            126,
            "command_not_run",
            "permission denied",
        ),
        (
            folder.to_string(),
            126,
            "command_not_run",
            "permission denied",
        ),
    ] {
        let ended = end(bare(&["sim", "--", &name, "word"]), "");
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{ended:?}");
        ended.says(&["error: ", &name, "see: taskward help sim\n"]);
        assert!(ended.stderr.to_lowercase().contains(why), "{ended:?}");
        let ended = end(bare(&["sim", "--json", "--", &name]), "");
        assert_eq!(ended.last()["code"], word, "{ended:?}");
    }
    let nothing = end(bare(&["sim", "--"]), "");
    assert_eq!(nothing.code, 2, "{nothing:?}");
    nothing.says(&["there is no command behind --"]);
}

/// Rows: N9.
#[test]
fn a_command_that_a_signal_kills_is_told_as_a_shell_tells_it() {
    for (name, code) in [("KILL", 137), ("TERM", 143), ("INT", 130), ("SEGV", 139)] {
        let ended = beside(&["--quiet"], &format!("kill -{name} $$"));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (code, ""),
            "{name}: {ended:?}"
        );
    }
}

/// Starts a script beside a simulator, in a group of processes of its own, and waits until it has said where that is.
fn start(script: &str) -> (Child, String, impl std::io::Read + use<>) {
    let script = format!("echo at $TASKWARD_SIM_URL; {script}");
    let mut command = bare(&["sim", "--", "sh", "-c", &script]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A terminal in front of which this test runs would be thought to send its Ctrl-C to the command, too.
        .process_group(0);
    let mut child = command.spawn().expect("it runs");
    let (line, rest) = until(child.stdout.take().expect("piped"), "at http://");
    let address = line.trim_end().strip_prefix("at http://");
    (child, address.expect("a URL").to_owned(), rest)
}

/// Returns how it ended, what the command still said, and what the program did.
fn ended(mut child: Child, address: &str, mut rest: impl std::io::Read) -> (i32, String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let code = child.wait().expect("ends").code().expect("by itself");
    rest.read_to_string(&mut stdout).expect("text");
    let mut errors = child.stderr.take().expect("piped");
    errors.read_to_string(&mut stderr).expect("text");
    assert!(TcpStream::connect(address).is_err(), "it outlived");
    (code, stdout, stderr)
}

/// Waits for a line that never comes, as often as a signal ends the waiting.
const WAITS: &str = "while :; do read line; done";

/// Rows: N10.
#[test]
fn a_signal_is_the_commands_to_heed_and_is_waited_for() {
    for (name, code) in [("INT", 3), ("TERM", 4), ("HUP", 5)] {
        let script = format!("trap 'echo heard; exit {code}' {name}; echo ready; {WAITS}");
        let (child, address, rest) = start(&script);
        let (_, rest) = until(rest, "ready");
        signal(&child, &format!("-{name}"));
        let (found, stdout, stderr) = ended(child, &address, rest);
        assert_eq!(
            (found, stdout.as_str()),
            (code, "heard\n"),
            "{name}: {stderr}"
        );
        assert!(!stderr.contains("killing"), "{name}: {stderr}");
    }
    // One that does not listen dies of it.
    let (child, address, rest) = start(&format!("echo ready; {WAITS}"));
    let (_, rest) = until(rest, "ready");
    signal(&child, "-INT");
    assert_eq!(ended(child, &address, rest).0, 130);
}

/// Rows: N11.
#[test]
fn a_command_that_outlives_a_ctrl_c_is_killed_by_the_second() {
    let script = format!("trap 'echo heard' INT; echo ready; {WAITS}");
    let (child, address, rest) = start(&script);
    let (_, rest) = until(rest, "ready");
    signal(&child, "-INT");
    let (_, rest) = until(rest, "heard");
    // It still runs, and so does the simulator.
    let mut stream = TcpStream::connect(&address).expect("the simulator is there");
    stream
        .write_all(b"GET /_sim HTTP/1.1\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let (line, _) = until(stream, "HTTP/1.1");
    assert!(line.contains("200"), "{line}");
    signal(&child, "-INT");
    let (code, stdout, stderr) = ended(child, &address, rest);
    assert_eq!((code, stdout.as_str()), (137, ""), "{stderr}");
    assert!(stderr.contains("killing it"), "{stderr}");
}

#[test]
fn a_simulator_without_a_command_prints_all_variables_and_its_seed() {
    let mut child = spawn(bare(&["sim"]));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let lines: Vec<String> = (0..8)
        .map(|_| lines.next().expect("a line").expect("text"))
        .collect();
    let names = lines
        .iter()
        .map(|line| line.split_once('=').expect("set").0);
    let expected = [
        "export NANONETS_API_KEY",
        "export NANONETS_BASE_URL",
        "export AGENT_HARNESS_API_KEY",
        "export AGENT_HARNESS_BASE_URL",
        "export A2A_API_KEY",
        "export A2A_BASE_URL",
        "export TASKWARD_SIM_URL",
        "export TASKWARD_SIM_SEED",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let seed = lines[7].split_once('=').expect("set").1;
    let (line, _rest) = until(child.stderr.take().expect("piped"), "--seed");
    assert_eq!(
        line,
        format!("the same ids and keys again: --seed {seed}\n")
    );
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
