//! Entries that cannot be read: the others are shown, these are counted, in words and as a note; and replies of another
//! task, of which nothing is shown.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::common::{Ended, bare, end};

const AGENT: &str = "00000000-0000-4000-8000-000000000001";

/// A server that answers requests by their lines, `METHOD TARGET`; what it has nothing for is hung up on.
fn server(reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let reply = std::sync::Arc::new(reply);
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let Ok(tcp) = tcp else { return };
            let reply = reply.clone();
            std::thread::spawn(move || serve(tcp, &*reply));
        }
    });
    url
}

/// Answers one request.
fn serve(mut tcp: TcpStream, reply: &impl Fn(&str) -> Option<String>) {
    let mut head = String::new();
    let mut reader = BufReader::new(tcp.try_clone().expect("the socket"));
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    let _ = reader.read_exact(&mut body);
    let line = head.lines().next().unwrap_or_default();
    let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line);
    let Some(body) = reply(line) else { return };
    // Whether the other side still listens is its own affair.
    let _ = write!(
        tcp,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
        body.len()
    );
}

fn run(url: &str, state: &std::path::Path, args: &[&str]) -> Ended {
    let mut command = bare(args);
    command
        .env("XDG_STATE_HOME", state)
        .env("NANONETS_API_KEY", "sim_key_live-canary-key")
        .env("NANONETS_BASE_URL", url)
        .env("AGENT_HARNESS_API_KEY", "id:live-canary-key")
        .env("AGENT_HARNESS_BASE_URL", url);
    end(command, "")
}

/// Rows: D23.
#[test]
fn entries_that_cannot_be_read_are_counted_beside_the_others() {
    let url = server(|line| {
        let (_, target) = line.split_once(' ')?;
        let target = target.split('?').next().unwrap_or_default();
        let body = match target {
            "/api/v1/tasks" => {
                r#"{"data":[null,{"task_id":"task-1","status":"running"},{"task_id":"task-2"},"x"]}"#
            }
            "/api/v1/agents" => r#"{"data":[{"id":"agent-1","name":"A"},{"name":"no id"},null]}"#,
            "/api/v1/tasks/t/messages" => r#"{"data":[{"role":"user","content":"said-1"},null,7]}"#,
            "/v1/runs/r/events" => r#"{"events":[{"seq":1,"type":"said-1"},null,{"seq":"?"}]}"#,
            _ => return None,
        };
        Some(body.to_owned())
    });
    let state = tempfile::tempdir().expect("a folder");
    for (args, shown, count) in [
        (&["ls"][..], "task-1", 3),
        (&["agents", "list"], "agent-1", 2),
        (&["messages", "nanonets:t"], "said-1", 2),
        (&["events", "agent-harness:r"], "said-1", 2),
    ] {
        let ended = run(&url, state.path(), args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        assert!(ended.stdout.contains(shown), "{args:?}: {ended:?}");
        ended.says(&[&format!("{count} entries of the list could not be read")]);
        let ended = run(&url, state.path(), &[args, &["--json"]].concat());
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        let lines = ended.lines();
        assert_eq!(lines.len(), 2, "{args:?}: {lines:?}");
        assert!(lines[0].to_string().contains(shown), "{args:?}: {lines:?}");
        let note = &lines[1];
        assert_eq!(
            (
                note["type"].as_str(),
                note["code"].as_str(),
                note["entries"].as_u64()
            ),
            (Some("note"), Some("entries_unreadable"), Some(count)),
            "{args:?}: {note}"
        );
        assert!(ended.stderr.is_empty(), "{args:?}: {ended:?}");
    }
}

/// Rows: D23, G14.
#[test]
fn a_start_is_not_said_to_be_missing_from_a_list_that_could_not_be_read_whole() {
    let url = server(|line| {
        let list = line.starts_with("GET /api/v1/tasks?");
        list.then(|| r#"{"data":[null]}"#.to_owned())
    });
    let state = tempfile::tempdir().expect("a folder");
    let started = [
        "run", "--agent", AGENT, "Extract.", "--detach", "--speed", "20",
    ];
    let lost = run(&url, state.path(), &started);
    assert_eq!(lost.code, 5, "{lost:?}");
    let ended = run(&url, state.path(), &["recover", "--speed", "20"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "1 entry of the list could not be read",
        "no task of this start was found, but it may be one that was not searched",
        "it may be the task",
    ]);
    let ended = run(&url, state.path(), &["recover", "--json", "--speed", "20"]);
    let lines = ended.lines();
    let note = lines
        .iter()
        .find(|line| line["code"] == "entries_unreadable");
    assert_eq!(note.expect("a note")["entries"], 1);
    let search = lines.iter().find(|line| line["type"] == "search");
    let search = search.expect("a search");
    assert_eq!(
        (&search["complete"], &search["unreadable"]),
        (&false.into(), &1.into())
    );
}

/// Rows: D22.
#[test]
fn nothing_is_shown_of_a_task_that_was_not_asked_about() {
    let url = server(|_| {
        let theirs = r#"{"task_id":"theirs","id":"theirs","run_id":"theirs","status":"completed",
            "result":"elsewhere","data":[{"role":"user","content":"elsewhere"}],"events":[]}"#;
        Some(theirs.to_owned())
    });
    let state = tempfile::tempdir().expect("a folder");
    let commands = [
        &["status", "nanonets:t"][..],
        &["result", "nanonets:t"],
        &["messages", "nanonets:t"],
        &["cancel", "nanonets:t", "--yes", "--speed", "60"],
        &["status", "agent-harness:r"],
        &["result", "agent-harness:r"],
        &["events", "agent-harness:r"],
        &["resume-run", "agent-harness:r"],
    ];
    // A read that cannot be understood is made a few times, so all of them wait together.
    std::thread::scope(|scope| {
        for args in commands {
            for json in [&[][..], &["--json"]] {
                let (url, state) = (&url, state.path());
                scope.spawn(move || {
                    let ended = run(url, state, &[args, json].concat());
                    assert!(!matches!(ended.code, 0 | 2), "{args:?}: {ended:?}");
                    let all = format!("{}{}", ended.stdout, ended.stderr);
                    let shown = all.contains("theirs") || all.contains("elsewhere");
                    assert!(!shown, "{args:?}: {all}");
                });
            }
        }
    });
}
