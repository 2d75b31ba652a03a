//! The canary matrix of the program: a server that says the key back, and everything that the program prints and keeps.

use std::path::Path;

use crate::common::{Ended, bare, end};
use crate::echo::{
    AGENT, Echo, Form, KEY_ID, Place, RUN, SECRET, TASK, fields_of, holds_key, holds_piece, places,
};

/// The ways in which the program is run, and the channels that are heard of each, beside the journal.
const WAYS: [(&[&str], bool, &[&str]); 3] = [
    (&[], false, &["text"]),
    (&["-v"], true, &["-v", "debug"]),
    (&["--json"], false, &["--json"]),
];

/// Runs the program in each way against this server; returns how many places were searched.
fn search(echo: &Echo, places: &[Place], form: Form, args: &[&str]) -> usize {
    let mut searched = 0;
    for (more, debug, channels) in WAYS {
        echo.say(places, form);
        let state = tempfile::tempdir().expect("a folder");
        let mut command = bare(&[args, more].concat());
        command
            .env("XDG_STATE_HOME", state.path())
            .env("NANONETS_API_KEY", SECRET)
            .env("NANONETS_BASE_URL", &echo.url)
            .env("AGENT_HARNESS_API_KEY", format!("{KEY_ID}:{SECRET}"))
            .env("AGENT_HARNESS_BASE_URL", &echo.url);
        if debug {
            command.env("TASKWARD_DEBUG", "http");
        }
        let Ended {
            stdout,
            stderr,
            code,
        } = end(command, "");
        assert!(
            echo.said() > 0,
            "the key was never said: {args:?} {places:?} {form:?}: {stdout} {stderr}"
        );
        let kept = kept(state.path());
        for text in [&stdout, &stderr, &kept] {
            assert!(
                !holds_key(text),
                "{args:?} {more:?} {places:?} {form:?} (exit {code}): the key is in {text}"
            );
            assert!(
                !matches!(places, [Place::Pieces(_)]) || !holds_piece(text),
                "{args:?} {more:?} {places:?}: a piece of the key is in {text}"
            );
        }
        searched += (channels.len() + 1) * places.len();
    }
    searched
}

/// Every place that changes nothing: no id, cursor, status or time is touched, nothing refused.
fn harmless() -> Vec<Place> {
    let lists = ["tasks", "agents", "usage"].into_iter().flat_map(fields_of);
    places()
        .into_iter()
        .chain(lists)
        .filter(is_harmless)
        .collect()
}

fn is_harmless(place: &Place) -> bool {
    match place {
        Place::Field(_, pointer) => {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let read = [
                "id", "status", "cursor", "type", "kind", "role", "code", "at",
            ];
            let is_read = |word: &&str| name == *word || name.ends_with(&format!("_{word}"));
            !read.iter().any(is_read) && !pointer.contains("feed")
        }
        Place::Header(_, name) => *name == "X-Request-Id",
        Place::HeaderName(_) | Place::Reason(_) => true,
        Place::Refusal(..) | Place::Page(..) | Place::Stream(_) | Place::Pieces(_) => false,
    }
}

/// Everything that the program keeps.
fn kept(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        all.push_str(&path.to_string_lossy());
        if path.is_dir() {
            all.push_str(&kept(&path));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    all
}

/// Rows: L5, L6, L17, L18.
#[test]
fn the_program_prints_and_keeps_no_key_wherever_a_server_puts_it() {
    let cells: usize = std::thread::scope(|scope| {
        let searched = Form::ALL.map(|form| scope.spawn(move || search_all(form)));
        searched
            .into_iter()
            .map(|cells| cells.join().expect("no panic"))
            .sum()
    });
    println!("canary: {cells} cells of the program, 0 hits");
}

fn search_all(form: Form) -> usize {
    let echo = Echo::new();
    let nanonets = format!("nanonets:{TASK}");
    let run = format!("agent-harness:{RUN}");
    let speed = ["--speed", "200", "--timeout", "2h"];
    let start = [
        &["run", "--agent", AGENT, "hi", "--answer", "EUR"],
        &speed[..],
    ]
    .concat();
    let goal = [
        "run",
        "--provider",
        "agent-harness",
        "Write.",
        "--on-approval",
        "approve",
    ];
    let goal = [&goal, &speed[..]].concat();
    // Where nothing changes by it, in all places of a command at once.
    let commands: [(&[&str], &[&str]); 9] = [
        (
            &start,
            &["start", "status", "messages", "message", "summary"],
        ),
        (&goal, &["create", "read", "events", "stream", "signal"]),
        (&["status", &nanonets], &["status"]),
        (&["messages", &nanonets], &["messages"]),
        (&["ls"], &["tasks"]),
        (&["agents", "list"], &["agents"]),
        (&["status", &run], &["read"]),
        (&["events", &run], &["events"]),
        (&["usage", "--provider", "agent-harness"], &["usage"]),
    ];
    let mut cells = 0;
    for (args, replies) in commands {
        let mut places = harmless();
        places.retain(|place| replies.contains(&place.reply()) && place.takes(form));
        cells += search(&echo, &places, form, args);
    }
    // Where it changes what becomes of the task, each by itself.
    for place in places() {
        let counts = match &place {
            Place::Field("start" | "create", pointer) => pointer.ends_with("id"),
            Place::Refusal("start" | "create", 400, pointer) => pointer.ends_with("message"),
            Place::Page("start" | "create", _, kind) => *kind == "text/plain" || *kind == "here",
            Place::Pieces(size) => [3, 11].contains(size),
            Place::Stream("event") => true,
            _ => false,
        };
        if counts && place.takes(form) {
            let args: &[&str] = if place.is_of_nanonets() {
                &start
            } else {
                &goal
            };
            cells += search(&echo, &[place], form, args);
        }
    }
    cells
}

/// Rows: G3, L17.
#[test]
fn a_start_whose_id_holds_the_key_is_of_unknown_outcome() {
    let echo = Echo::new();
    for (pointer, reply) in [("/task_id", "start"), ("/id", "create")] {
        let args: &[&str] = match reply {
            "start" => &["run", "--agent", AGENT, "hi"],
            _ => &["run", "--provider", "agent-harness", "Write."],
        };
        echo.say(&[Place::Field(reply, pointer.to_owned())], Form::Unicode);
        let mut command = bare(args);
        command
            .env("NANONETS_API_KEY", SECRET)
            .env("NANONETS_BASE_URL", &echo.url)
            .env("AGENT_HARNESS_API_KEY", format!("{KEY_ID}:{SECRET}"))
            .env("AGENT_HARNESS_BASE_URL", &echo.url);
        let ended = end(command, "");
        assert_eq!(ended.code, 5, "{ended:?}");
    }
}
