//! Files as a shell hands them over: odd names, many of them, and what changes while it is sent.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::common::{Ended, World, bare, end};

const AGENT: &str = "00000000-0000-4000-8000-000000000001";

/// A server for starts only, which does something in the middle of each, or at its end.
struct Server {
    url: String,
    /// The bodies that came whole.
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// `middle` is done once a file is on its way, `end` once its body has; that one says what is answered.
    fn new(
        middle: impl Fn() + Send + 'static,
        end: impl Fn() -> &'static str + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let log = bodies.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                serve(tcp, &log, &middle, &end);
            }
        });
        Self { url, bodies }
    }

    fn send(&self, file: &Path) -> Ended {
        let file = file.to_str().expect("utf-8");
        let mut command = bare(&["run", "--agent", AGENT, "-f", file, "--detach"]);
        command
            .env("NANONETS_API_KEY", "sim_key_canary-4f1c2b7e9d")
            .env("NANONETS_BASE_URL", &self.url);
        end(command, "")
    }
}

fn serve(
    tcp: TcpStream,
    log: &Mutex<Vec<Vec<u8>>>,
    middle: impl Fn(),
    end: impl Fn() -> &'static str,
) {
    let mut reader = BufReader::new(tcp.try_clone().expect("the socket"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    // The file is opened once the head of the form has left: by then its own bytes come.
    let mut body = vec![0; length];
    let (start, rest) = body.split_at_mut(length.min(64 << 10));
    let began = reader.read_exact(start);
    middle();
    if began.and_then(|()| reader.read_exact(rest)).is_ok() {
        log.lock().expect("whole").push(body);
    }
    let reply = end();
    // Whether the other side still listens is its own affair.
    let _ = reader.into_inner().write_all(reply.as_bytes());
}

const STARTED: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\
                       Connection: close\r\n\r\n{\"task_id\":\"task-1\",\"status\":\"running\" }";

/// A file of 16 MiB: more than sockets take by themselves.
fn large() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&vec![b'x'; 16 << 20]).expect("room");
    file
}

/// Rows: K2.
#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_as_it_was_with_a_warning() {
    let file = large();
    let path = file.path().to_owned();
    let grow = move || {
        let file = std::fs::File::options().append(true).open(&path);
        let mut file = file.expect("open");
        file.write_all(&[b'y'; 1000]).expect("room");
    };
    let server = Server::new(grow, || STARTED);
    let ended = server.send(file.path());
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "nanonets:task-1\n"),
        "{ended:?}"
    );
    ended.says(&[
        "warning: ",
        "grew while it was sent: its first 16.8 MB were sent",
    ]);
    let bodies = server.bodies.lock().expect("whole");
    let count = |byte| bodies[0].iter().filter(|b| **b == byte).count();
    assert!(count(b'x') >= 16 << 20 && count(b'y') < 100);
}

/// Rows: K3.
#[test]
fn a_file_that_shrinks_while_it_is_sent_leaves_a_start_of_unknown_outcome() {
    let file = large();
    let path = file.path().to_owned();
    let shrink = move || {
        let file = std::fs::File::options().write(true).open(&path);
        file.expect("open").set_len(1000).expect("shrunk");
    };
    let server = Server::new(shrink, || STARTED);
    let ended = server.send(file.path());
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "shrank while it was sent",
        "may have been started",
        "intent ",
    ]);
    assert!(
        server.bodies.lock().expect("whole").is_empty(),
        "it was padded"
    );
}

/// Rows: K4.
#[test]
fn a_file_that_changed_between_two_attempts_is_not_sent_again() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "a,b\n").expect("write");
    let changed = path.clone();
    let change = move || {
        std::fs::write(&changed, "c,d and more\n").expect("write");
        "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    };
    let server = Server::new(|| (), change);
    let ended = server.send(&path);
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&["was not started", "a.csv is no longer the file it was"]);
    assert_eq!(server.bodies.lock().expect("whole").len(), 1);
}

/// Rows: K15.
#[test]
fn a_refusal_in_the_middle_of_an_upload_has_the_code_of_that_refusal() {
    for (reply, code) in [
        (
            "HTTP/1.1 413 Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much",
            1,
        ),
        (
            "HTTP/1.1 401 No\r\nContent-Length: 8\r\nConnection: close\r\n\r\nwho? you",
            4,
        ),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a client");
            tcp.read_exact(&mut [0; 100_000]).expect("a beginning");
            tcp.write_all(reply.as_bytes()).expect("said");
            // What is left unread resets the connection.
        });
        let bodies = Arc::default();
        let ended = Server { url, bodies }.send(large().path());
        assert_eq!(ended.code, code, "{ended:?}");
        ended.says(&[&reply[reply.len() - 8..]]);
    }
}

/// What the agent `echo` saw of the files.
fn echoed(world: &World, files: &[&str]) -> (Ended, Vec<Value>) {
    let mut args = vec!["run", "--agent", "echo", "--print", "data"];
    for file in files {
        args.extend(["-f", file]);
    }
    let ended = world.fast(&args);
    assert_eq!(ended.code, 0, "{ended:?}");
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    (ended, data["files"].as_array().expect("files").clone())
}

/// Rows: K5, K8, K9, K10, K12.
#[test]
fn whatever_a_file_is_called_its_last_component_arrives() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "1,2\n").expect("write");
    let path = path.to_str().expect("utf-8");
    for (name, arrives) in [
        ("a\"b.csv", "a\"b.csv"),
        ("a\r\nX-Evil: 1.csv", "a\r\nX-Evil: 1.csv"),
        ("e\u{301}-\u{1f600}.csv", "e\u{301}-\u{1f600}.csv"),
        ("gpj.\u{202e}fdp.csv", "gpj.\u{202e}fdp.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.pdf", "y.pdf"),
        ("~/a.csv", "a.csv"),
    ] {
        let (_, files) = echoed(&world, &[&format!("{path};name={name}")]);
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(
            (&files[0]["name"], &files[0]["size"]),
            (&arrives.into(), &4.into())
        );
    }
    let empty = dir.path().join("empty.csv");
    std::fs::write(&empty, "").expect("write");
    let (ended, files) = echoed(&world, &[empty.to_str().expect("utf-8")]);
    ended.says(&["warning: ", "empty.csv is empty"]);
    assert_eq!(files[0]["size"], 0);
}

/// Rows: K10, K11.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_sent_as_far_as_it_can_be_and_shown_without_steering_the_terminal() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let name = std::ffi::OsStr::from_bytes(b"re\xffport\x1b[31m.csv");
    std::fs::write(dir.path().join(name), "1\n").expect("write");
    let mut command = world.command(&["run", "--agent", "echo", "--speed", "20", "-f"]);
    command.arg(dir.path().join(name));
    let ended = world.ended(command, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["warning: the name of ", "is not UTF-8", ";name="]);
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(data["files"][0]["name"], "re\u{fffd}port\u{1b}[31m.csv");
}

/// Rows: K7.
#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let pipe = dir.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("runs")
            .success()
    );
    let socket = dir.path().join("socket");
    let _bound = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    for path in [&pipe, &socket] {
        let ended = world.run(&[
            "run",
            "--agent",
            "echo",
            "-f",
            path.to_str().expect("utf-8"),
        ]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&["no regular file", "Nothing was sent", "-f - from a pipe"]);
    }
    assert_eq!(world.sim.requests(), []);
}

/// Rows: K17.
#[test]
fn a_thousand_files_are_sent_with_one_of_them_open_at_a_time() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    for n in 0..999 {
        std::fs::write(dir.path().join(format!("{n}.csv")), "1,2\n").expect("write");
    }
    let mut shell = Command::new("sh");
    // The shell names them all, and the first of them once more; the program may open few files at once.
    shell.args([
        "-c",
        "ulimit -n 40; set -- 0.csv *.csv; for f; do set -- \"$@\" -f \"$f\"; shift; done; \
         exec taskward run --agent echo --print data --speed 20 \"$@\"",
    ]);
    shell.current_dir(&dir).env_clear();
    for (name, value) in world.command(&[]).get_envs() {
        shell.env(name, value.expect("set"));
    }
    let ended = world.ended(shell, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["sending 1000 files, 4.0 kB"]);
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let files = data["files"].as_array().expect("files");
    let first = files.iter().filter(|file| file["name"] == "0.csv").count();
    assert_eq!((files.len(), first), (1000, 2));
}
