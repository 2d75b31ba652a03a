//! The key: where it is taken from, where it goes, and where it never shows.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::common::{Ended, World, bare, end};

/// A key as a platform would make it, that is none of a simulator's.
const REAL: &str = "live-canary-4f1c2b7e9d";

/// An agent by its id: nothing is read before the start.
const AGENT: &str = "00000000-0000-4000-8000-000000000001";

/// A server that remembers the heads it was sent and answers what it is told to.
struct Server {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `reply` makes the body of a 400 out of the head of its request.
    fn refusing(reply: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = heads.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(mut tcp) = tcp else { return };
                let mut head = String::new();
                let mut reader = BufReader::new(tcp.try_clone().expect("the socket"));
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let body = reply(&head);
                log.lock().expect("whole").push(head);
                // Whether the other side still listens is its own affair.
                let _ = write!(
                    tcp,
                    "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url, heads }
    }

    fn new() -> Self {
        Self::refusing(|_| r#"{"error":"no"}"#.to_owned())
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("whole").clone()
    }
}

fn with(args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = bare(args);
    command.envs(variables.iter().copied());
    end(command, "")
}

/// Rows: L5, L6.
#[test]
fn a_key_that_the_server_echoes_is_printed_nowhere() {
    let server = Server::refusing(|head| {
        let line = head
            .lines()
            .find(|line| line.starts_with("authorization"))
            .expect("a key");
        format!(r#"{{"error":"you said {line}","code":"{line}","request_id":"{line}"}}"#)
    });
    for (args, key) in [
        (&["agents", "list"][..], REAL),
        (&["status", "agent-harness:run_1"], "id:live-canary-secret"),
    ] {
        for more in [&[][..], &["--json"], &["-v"], &["--json", "-v"]] {
            let ended = with(
                &[args, more].concat(),
                &[
                    ("NANONETS_API_KEY", key),
                    ("NANONETS_BASE_URL", &server.url),
                    ("AGENT_HARNESS_API_KEY", key),
                    ("AGENT_HARNESS_BASE_URL", &server.url),
                    ("TASKWARD_DEBUG", "http"),
                ],
            );
            assert_eq!(ended.code, 1, "{ended:?}");
            // What `end` looks for is the whole; no part of it is there either.
            let all = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!all.contains("canary") && all.contains("[key]"), "{all}");
        }
    }
    assert_eq!(server.heads().len(), 8);
}

/// Rows: L11.
#[test]
fn a_key_goes_to_the_server_it_was_given_for_and_to_no_other() {
    let (nanonets, harness) = (Server::new(), Server::new());
    let accounts = [
        ("NANONETS_API_KEY", "live-canary-nanonets"),
        ("NANONETS_BASE_URL", &nanonets.url),
        ("AGENT_HARNESS_API_KEY", "id:live-canary-harness"),
        ("AGENT_HARNESS_BASE_URL", &harness.url),
    ];
    for args in [
        &["status", "nanonets:1"][..],
        &["status", "agent-harness:1"],
        &["agents", "list"],
        &["usage", "--provider", "agent-harness"],
        &["api", "GET", "/x"],
        &["api", "GET", "/x", "--provider", "agent-harness"],
        &["run", "--agent", AGENT, "x"],
        &["approve", "agent-harness:1"],
    ] {
        let ended = with(args, &accounts);
        assert_eq!(ended.code, 1, "{args:?}: {ended:?}");
    }
    for (server, own) in [
        (&nanonets, "Bearer live-canary-nanonets"),
        (&harness, "Bearer id:live-canary-harness"),
    ] {
        let heads = server.heads();
        assert!(heads.len() >= 4, "{heads:?}");
        for head in heads {
            assert_eq!(head.matches("canary").count(), 1, "{head}");
            assert!(head.contains(own), "{head}");
        }
    }
}

/// Rows: L11.
#[test]
fn keys_of_simulators_and_of_platforms_are_not_mixed_up() {
    let world = World::new();
    // A simulator's key with the platform's own URL: a half of what `taskward sim` printed.
    for (name, key, args) in [
        (
            "NANONETS_API_KEY",
            world.sim.nanonets().api_key,
            &["ls"][..],
        ),
        (
            "AGENT_HARNESS_API_KEY",
            world.sim.harness().api_key,
            &["status", "agent-harness:1"],
        ),
    ] {
        let ended = with(args, &[(name, &key)]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[
            "the API key is a simulator's",
            "_BASE_URL",
            "Nothing was sent",
        ]);
    }
    // A platform's key never goes to a simulator that was started here, whatever the environment says.
    let other = Server::new();
    let accounts = [
        ("NANONETS_API_KEY", REAL),
        ("NANONETS_BASE_URL", &other.url),
    ];
    let ended = with(&["run", "--sim", "hello"], &accounts);
    assert_eq!(ended.code, 0, "{ended:?}");
    // What only simulators have is not done with a platform's key.
    let ended = with(&["watch", "nanonets:1", "--speed", "20"], &accounts);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["the key is none of a simulator's", "Nothing was sent"]);
    assert_eq!(other.heads(), [] as [String; 0]);
    // One that is sent to a simulator all the same is refused and not kept.
    let url = world.sim.url();
    let ended = with(
        &["ls"],
        &[("NANONETS_API_KEY", REAL), ("NANONETS_BASE_URL", &url)],
    );
    assert_eq!(ended.code, 4, "{ended:?}");
    ended.says(&["This is a simulator", "neither kept nor logged"]);
    let log = trace(&url);
    assert!(
        log.contains("/api/v1/tasks") && !log.contains("canary"),
        "{log}"
    );
}

/// The simulator's own log, as another program reads it.
fn trace(url: &str) -> String {
    let host = url.strip_prefix("http://").expect("a URL");
    let mut tcp = std::net::TcpStream::connect(host).expect("it listens");
    write!(
        tcp,
        "GET /_sim/requests HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("asked");
    let mut log = String::new();
    tcp.read_to_string(&mut log).expect("text");
    log
}

/// Rows: L7.
#[test]
fn no_text_of_the_users_becomes_a_header() {
    let server = Server::new();
    for key in ["a\r\nAuthorization: b", "a\nX-Foo: b", "a\rb"] {
        for args in [
            &[
                "run",
                "--provider",
                "agent-harness",
                "x",
                "--idempotency-key",
                key,
            ][..],
            &[
                "api",
                "POST",
                "/runs",
                "--provider",
                "agent-harness",
                "-d",
                "{}",
                "--idempotency-key",
                key,
            ],
        ] {
            let ended = with(
                args,
                &[
                    ("AGENT_HARNESS_API_KEY", "id:live-canary-secret"),
                    ("AGENT_HARNESS_BASE_URL", &server.url),
                ],
            );
            assert_eq!(ended.code, 2, "{ended:?}");
            ended.says(&["idempotency key", "Nothing was sent"]);
        }
    }
    assert_eq!(server.heads(), [] as [String; 0]);
}

/// Rows: L9.
#[test]
fn no_option_takes_a_key() {
    let pages = [
        "run",
        "batch",
        "watch",
        "status",
        "result",
        "messages",
        "reply",
        "approve",
        "reject",
        "input",
        "events",
        "cancel",
        "ls",
        "usage",
        "api",
        "sim",
        "completion",
        "man",
        "doctor",
    ];
    for page in pages {
        let help = end(bare(&["help", page]), "");
        let options = help
            .stdout
            .split_whitespace()
            .filter(|word| word.starts_with("--"));
        let keys: Vec<&str> = options
            .map(|word| word.trim_end_matches([',', '.', ';', ':', ')']))
            .filter(|word| {
                word.contains("key") || word.contains("token") || word.contains("header")
            })
            .collect();
        for key in keys {
            // A path, stdin, the name of a start, and the name of a header.
            assert!(
                [
                    "--key-file",
                    "--key-stdin",
                    "--idempotency-key",
                    "--auth-header"
                ]
                .contains(&key),
                "{page}: {key}"
            );
        }
    }
    for option in ["--api-key", "--key", "--token", "-k", "--header", "-H"] {
        for args in [
            vec!["ls", option, REAL],
            vec!["ls", &format!("{option}={REAL}")],
        ] {
            let ended = end(bare(&args), "");
            assert_eq!(ended.code, 2, "{ended:?}");
            assert!(!ended.stderr.contains(REAL), "{ended:?}");
        }
    }
}

/// Rows: L10.
#[test]
fn nothing_in_the_project_directory_sets_server_or_key() {
    let server = Server::new();
    let dir = tempfile::tempdir().expect("dir");
    let lines = format!(
        "NANONETS_API_KEY={REAL}\nNANONETS_BASE_URL={}\n",
        server.url
    );
    for name in [
        ".env",
        ".env.local",
        "taskward.toml",
        ".taskward",
        ".taskward.toml",
        ".taskwardrc",
    ] {
        std::fs::write(dir.path().join(name), &lines).expect("write");
    }
    let mut command = bare(&["ls"]);
    command.current_dir(&dir);
    let ended = end(command, "");
    assert_eq!(ended.code, 4, "{ended:?}");
    ended.says(&["there is no API key"]);
    let mut command = bare(&["run", "--sim", "hello"]);
    command.current_dir(&dir);
    assert_eq!(end(command, "").code, 0);
    assert_eq!(server.heads(), [] as [String; 0]);
}

/// Rows: L12.
#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_used_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("key");
    std::fs::write(&path, world.sim.nanonets().api_key).expect("write");
    for (mode, warned) in [(0o644, true), (0o660, true), (0o600, false), (0o400, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        let mut command = bare(&["ls", "--key-file", path.to_str().expect("utf-8")]);
        command.env("NANONETS_BASE_URL", world.sim.url());
        let ended = world.ended(command, "");
        assert_eq!(ended.code, 0, "{ended:?}");
        let warnings = ended
            .stderr
            .matches("others on this machine can read")
            .count();
        assert_eq!(warnings, usize::from(warned), "{mode:o}: {ended:?}");
    }
}

/// Rows: L15.
#[test]
fn a_name_in_an_answer_is_no_place_to_write_to() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let here = dir.path().join("a/b");
    std::fs::create_dir_all(&here).expect("made");
    std::fs::write(here.join("x.csv"), "1\n").expect("write");
    let mut command = world.command(&[
        "run",
        "--agent",
        "echo",
        "-f",
        "x.csv;name=../../.ssh/authorized_keys",
        "../../.ssh/authorized_keys",
        "--speed",
        "20",
    ]);
    command.current_dir(&here);
    let ended = world.ended(command, "");
    assert!(
        ended.code == 0 && ended.stdout.contains("../../.ssh/authorized_keys"),
        "{ended:?}"
    );
    let all: Vec<_> = walk(dir.path());
    assert_eq!(all, [here.join("x.csv")]);
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .expect("dir")
        .map(|entry| entry.expect("entry").path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Rows: L16.
#[test]
fn a_server_that_is_not_the_vendors_is_named_before_anything_is_sent() {
    for args in [
        &["ls"][..],
        &["status", "nanonets:1"],
        &["run", "--agent", "x", "hi"],
    ] {
        let mut child = bare(args)
            .env("NANONETS_API_KEY", REAL)
            .env("NANONETS_BASE_URL", "https://nanonets.example.invalid")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        stderr.read_line(&mut line).expect("a line");
        child.kill().expect("killed");
        child.wait().expect("ends");
        assert_eq!(
            line,
            "server https://nanonets.example.invalid (NANONETS_BASE_URL)\n"
        );
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).expect("text");
        assert!(!rest.contains("server https"), "{rest}");
    }
    let local = Server::new();
    let ended = with(
        &["approve", "agent-harness:1"],
        &[
            ("AGENT_HARNESS_API_KEY", "id:live-canary-secret"),
            ("AGENT_HARNESS_BASE_URL", &local.url),
        ],
    );
    assert!(
        ended.stderr.starts_with(&format!("server {}", local.url)),
        "{ended:?}"
    );
}
