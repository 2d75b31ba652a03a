//! What a platform may say, value by value: what is printed, and with which code the program ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::{Ended, SPEED, bare, end};

/// An agent by its id: nothing is read before the start.
const AGENT: &str = "00000000-0000-4000-8000-000000000001";
const TASK: &str = "nanonets:t1";

/// A status code, a `Retry-After` if there is one, and a body.
struct Reply(u16, Option<&'static str>, Vec<u8>);

fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply(200, None, body.into())
}

/// The path below `/api/v1` and the body of a request.
type Seen = (String, Vec<u8>);

/// A platform on loopback that is made up as it is asked.
struct Platform {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Platform {
    /// `reply` is given the path below `/api/v1` and how often it was asked for before.
    fn new(reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = seen.clone();
        let reply = Arc::new(reply);
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                let (kept, reply) = (kept.clone(), reply.clone());
                std::thread::spawn(move || {
                    let Some((path, body)) = request(&tcp) else {
                        return;
                    };
                    let number = {
                        let mut kept = kept.lock().expect("requests");
                        let before = kept.iter().filter(|(seen, _)| *seen == path).count();
                        kept.push((path.clone(), body));
                        before
                    };
                    answer(&tcp, &reply(&path, number));
                });
            }
        });
        Self { url, seen }
    }

    /// A task that is started, completed at the second look, and summarised so.
    fn summing(summary: impl Into<Vec<u8>>) -> Self {
        let summary = summary.into();
        Self::new(move |path, _| match path {
            "/tasks/t1" => ok(r#"{"task_id":"t1","status":"completed"}"#),
            "/tasks/t1/summary" => ok(summary.clone()),
            _ => ok(r#"{"task_id":"t1","status":"running"}"#),
        })
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        let mut command = bare(args);
        command
            .env("NANONETS_API_KEY", "sim_key_unused")
            .env("NANONETS_BASE_URL", &self.url);
        end(command, stdin)
    }

    /// Runs a task to its end.
    fn task(&self, args: &[&str]) -> Ended {
        let speed = SPEED.to_string();
        let run = ["run", "--agent", AGENT, "hi", "--speed", &speed];
        self.run(&[&run, args].concat())
    }

    /// Looks for an agent by its name, which is a read like that of any single command, and can be sped up.
    fn read(&self) -> Ended {
        self.run(&["run", "--agent", "echo", "hi", "--json", "--speed", "1000"])
    }

    fn requests(&self) -> usize {
        self.seen.lock().expect("requests").len()
    }
}

fn request(tcp: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(tcp);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?;
    let path = target.split('?').next()?;
    let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        if field.trim_end().is_empty() {
            break;
        }
        let field = field.to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

fn answer(mut tcp: &TcpStream, Reply(code, hint, body): &Reply) {
    let hint = hint.map_or(String::new(), |hint| format!("Retry-After: {hint}\r\n"));
    let head = format!(
        "HTTP/1.1 {code} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{hint}Connection: close\r\n\r\n",
        body.len()
    );
    // A client that has enough of a long refusal goes away.
    let _ = tcp.write_all(head.as_bytes());
    let _ = tcp.write_all(body);
}

/// Rows: D3, D5, D6, D7, D9, D11, D14, D15, D19.
#[test]
fn an_answer_with_odd_values_in_it_is_an_answer() {
    let digits = "1234567890123456789012345678901234567890";
    let odd = [
        (
            r#""result":"cut \ud83d here""#.to_owned(),
            "cut \u{fffd} here",
        ),
        (r#""result":"first","result":"last""#.to_owned(), "last"),
        (format!(r#""result":"x","score":[NaN,1e400,{digits}]"#), "x"),
        (
            r#""result":"x","title":null,"agent_id":null"#.to_owned(),
            "x",
        ),
        (
            r#""result":"x","zz":{"status":"failed"},"error":"no""#.to_owned(),
            "x",
        ),
        (
            r#""result":"x","created_at":"2026-05-12 at noon","updated_at":7"#.to_owned(),
            "x",
        ),
    ];
    // Each has a platform of its own, so they need not wait for one another.
    std::thread::scope(|scope| {
        for (fields, text) in odd {
            scope.spawn(move || {
                let platform = Platform::summing(format!(r#"{{"status":"completed",{fields}}}"#));
                let ended = platform.task(&[]);
                assert_eq!(ended.code, 0, "{fields}: {ended:?}");
                assert_eq!(ended.stdout.trim_end(), text, "{fields}");
                let is_damaged = text.contains('\u{fffd}');
                let told = "some text was damaged on its way: U+FFFD stands where it was\n";
                assert_eq!(ended.stderr.contains(told), is_damaged, "{ended:?}");
                let last = platform.run(&["result", TASK, "--json"]).last();
                assert_eq!(last["text"], json!(text), "{fields}: {last}");
                assert_eq!(last["damaged"], is_damaged, "{fields}: {last}");
            });
        }
    });
    let broken = [
        &br#"{"status":"completed","result":"cut "#[..],
        b"\xff",
        br#""}"#,
    ]
    .concat();
    let ended = Platform::summing(broken).task(&[]);
    assert_eq!((ended.code, ended.stdout.trim_end()), (0, "cut \u{fffd}"));
    for nothing in ["", r#","result":null"#] {
        let platform = Platform::summing(format!(r#"{{"status":"completed"{nothing}}}"#));
        let ended = platform.task(&[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
        ended.says(&["the task completed without an answer"]);
    }
    let messages = |body: &'static str| {
        let platform = Platform::new(move |_, _| ok(body));
        let ended = platform.run(&["messages", TASK]);
        assert_eq!(ended.code, 0, "{body}: {ended:?}");
        ended.stdout
    };
    let bare_list = messages(r#"[{"id":"m","role":"assistant","content":"Which?"}]"#);
    assert!(bare_list.contains("Which?"), "{bare_list}");
    let named = messages(r#"{"messages":[{"id":"m","role":"assistant","content":"Which?"}]}"#);
    assert_eq!(named, bare_list);
}

/// Rows: D1, D2, D4, D6, D9.
#[test]
fn a_reply_to_a_single_read_that_cannot_be_read_has_its_code() {
    let deep = "[".repeat(100_000);
    let damaged = [
        &br#"{"data":[{"id":"a"#[..],
        b"\xff",
        br#""}],"has_more":false}"#,
    ]
    .concat();
    for (body, code, name) in [
        (br#"{"data":[],"has_m"#.to_vec(), 75, "transport"),
        (
            br#"{"data":[],"has_more":false} and more"#.to_vec(),
            1,
            "decode",
        ),
        (deep.into_bytes(), 1, "decode"),
        (br#"{"data":null}"#.to_vec(), 1, "decode"),
        (br#"{"data":[{"id":null}]}"#.to_vec(), 1, "decode"),
        (damaged, 1, "decode"),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let platform = Platform::new(move |_, _| ok(body.clone()));
        let ended = platform.read();
        let last = ended.last();
        assert_eq!(
            (ended.code, &last["code"]),
            (code, &json!(name)),
            "{shown}: {last}"
        );
    }
}

/// Rows: D10.
#[test]
fn a_start_whose_reply_names_no_task_is_of_unknown_outcome() {
    for body in [
        r#"{"status":"running"}"#,
        r#"{"task_id":null}"#,
        r#"{"task_id":"\ud83d"}"#,
    ] {
        let platform = Platform::new(move |_, _| ok(body));
        let ended = platform.task(&["--json"]);
        let last = ended.last();
        assert_eq!(
            (ended.code, &last["code"]),
            (5, &json!("outcome_unknown")),
            "{last}"
        );
        assert_eq!(platform.requests(), 1, "{body}");
    }
}

/// Rows: D12, D13.
#[test]
fn a_status_that_nobody_knows_is_told_once_and_waited_out() {
    for odd in ["paused", "Completed", " completed "] {
        let platform = Platform::new(move |path, number| match path {
            "/tasks/t1" if number < 4 => ok(json!({ "status": odd }).to_string()),
            "/tasks/t1" => ok(r#"{"status":"completed"}"#),
            "/tasks/t1/summary" => ok(r#"{"status":"completed","result":"x"}"#),
            _ => ok(r#"{"task_id":"t1","status":"running"}"#),
        });
        let ended = platform.task(&[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "x\n"), "{ended:?}");
        let told = ended
            .stderr
            .matches("a status this version does not know")
            .count();
        assert_eq!(told, 1, "{ended:?}");
        let search = Platform::new(move |_, _| ok(json!({ "status": odd }).to_string()));
        assert_eq!(search.run(&["status", TASK]).code, 8, "{odd}");
        assert_eq!(search.run(&["result", TASK]).code, 8, "{odd}");
    }
}

/// Rows: D17, F13.
#[test]
fn a_refusal_tells_its_status_whatever_its_body_is() {
    let long = format!(r#"{{"error":"{}"}}"#, "no ".repeat(20_000));
    let bodies: [(Vec<u8>, &str); 8] = [
        (br#""no such thing""#.to_vec(), "no such thing"),
        (br#"{"error":"no such thing"}"#.to_vec(), "no such thing"),
        (
            br#"{"error":{"message":"no such thing"}}"#.to_vec(),
            "no such thing",
        ),
        (br#"{"detail":"no such thing"}"#.to_vec(), "no such thing"),
        (b"no such thing".to_vec(), "no such thing"),
        (b"".to_vec(), ""),
        (long.into_bytes(), "no no no"),
        (vec![b'x'; 5 << 20], "xxxx"),
    ];
    for (body, text) in bodies {
        for code in [400, 404, 409, 413, 415, 422] {
            let body = body.clone();
            let platform = Platform::new(move |_, _| Reply(code, Some("7"), body.clone()));
            let last = platform.task(&["--json"]).last();
            assert_eq!(
                (&last["exit"], &last["http_status"]),
                (&json!(1), &json!(code)),
                "{last}"
            );
            let message = last["message"].as_str().expect("a message");
            assert!(message.contains(text) && message.len() < 3_000, "{message}");
            assert_eq!(platform.requests(), 1, "{code}");
        }
    }
}

/// Rows: D18.
#[test]
fn a_failure_that_speaks_of_completion_is_a_failure() {
    let completed = r#"{"status":"completed","result":"x"}"#;
    let platform = Platform::new(move |_, _| Reply(501, None, completed.into()));
    for command in ["status", "result"] {
        let ended = platform.run(&[command, TASK]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
    }
    let platform = Platform::new(|path, number| match path {
        "/tasks/t1" if number < 4 => Reply(500, None, br#"{"status":"completed"}"#.to_vec()),
        "/tasks/t1" => ok(r#"{"status":"failed"}"#),
        _ => ok(r#"{"task_id":"t1","status":"running"}"#),
    });
    assert_eq!(platform.task(&[]).code, 3);
}

/// Rows: F2, F3.
#[test]
fn a_rate_limit_is_waited_out_or_told_with_its_wait() {
    let listed = json!({ "data": [{ "id": AGENT, "name": "echo", "status": "published", "is_active": true }] });
    let short = Platform::new(move |path, number| match path {
        "/agents" if number == 0 => Reply(429, Some("7"), Vec::new()),
        "/agents" => ok(listed.to_string()),
        "/tasks/t1" => ok(r#"{"status":"completed"}"#),
        "/tasks/t1/summary" => ok(r#"{"status":"completed","result":"x"}"#),
        _ => ok(r#"{"task_id":"t1"}"#),
    });
    let speed = SPEED.to_string();
    let ended = short.run(&["run", "--agent", "echo", "hi", "--speed", &speed]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "x\n"), "{ended:?}");
    ended.says(&["the server answered 429"]);
    assert_eq!(ended.stderr.matches("retrying").count(), 1, "{ended:?}");
    let years = || Platform::new(|_, _| Reply(429, Some("99999999"), Vec::new()));
    let read = years();
    let last = read.run(&["agents", "list", "--json"]).last();
    assert_eq!(
        (&last["exit"], &last["code"]),
        (&json!(75), &json!("rate_limited")),
        "{last}"
    );
    assert_eq!(last["retry_after"], json!(99_999_999), "{last}");
    assert_eq!(read.requests(), 1);
    let start = years();
    let ended = start.task(&["--timeout", "60s"]);
    assert_eq!((ended.code, start.requests()), (75, 1), "{ended:?}");
    ended.says(&["asks to wait 99999999 s", "Nothing was started"]);
}

/// Rows: F11, F12.
#[test]
fn a_gateways_error_leaves_a_start_unknown_and_what_no_server_can_do_is_a_refusal() {
    for (code, of_start, of_read) in [
        (502, 5, 75),
        (504, 5, 75),
        (501, 1, 1),
        (505, 1, 1),
        (511, 1, 1),
    ] {
        let platform = || Platform::new(move |_, _| Reply(code, None, Vec::new()));
        let start = platform();
        let last = start.task(&["--json"]).last();
        assert_eq!(last["exit"], json!(of_start), "{code}: {last}");
        assert_eq!(start.requests(), 1, "{code}");
        let read = platform();
        let last = read.read().last();
        assert_eq!(last["exit"], json!(of_read), "{code}: {last}");
        assert_eq!(read.requests(), if of_read == 1 { 1 } else { 5 }, "{code}");
    }
}

/// Rows: F15.
#[test]
fn what_came_from_stdin_is_kept_and_can_be_sent_again() {
    let platform = Platform::new(|path, number| match path {
        "/tasks/t1" => ok(r#"{"status":"completed"}"#),
        "/tasks/t1/summary" => ok(r#"{"status":"completed","result":"x"}"#),
        _ if number < 2 => Reply(429, None, Vec::new()),
        _ => ok(r#"{"task_id":"t1"}"#),
    });
    let speed = SPEED.to_string();
    let run = ["run", "--agent", AGENT, "hi", "-f", "-", "--speed", &speed];
    let ended = platform.run_with(&run, "a,b\n1,2\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "x\n"), "{ended:?}");
    let seen: Vec<Seen> = platform.seen.lock().expect("requests").clone();
    let starts: Vec<_> = seen
        .iter()
        .filter(|(path, _)| path.ends_with("/run"))
        .collect();
    assert_eq!(starts.len(), 3);
    assert!(
        starts.iter().all(|one| *one == starts[0]),
        "the same bytes each time"
    );
    assert!(String::from_utf8_lossy(&starts[0].1).contains("a,b\n1,2\n"));
}

/// Rows: F10.
#[test]
fn a_status_that_fails_for_ever_is_told_with_its_request_when_the_time_is_up() {
    let platform = Platform::new(|path, _| match path {
        "/tasks/t1" => Reply(
            500,
            None,
            br#"{"error":"boom","request_id":"req-7"}"#.to_vec(),
        ),
        _ => ok(r#"{"task_id":"t1","status":"running"}"#),
    });
    let ended = platform.task(&["--timeout", "30s"]);
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&["500", "boom", "req-7", "taskward watch nanonets:t1"]);
    let lines = platform.task(&["--timeout", "30s", "--json"]).lines();
    let retries: Vec<&Value> = lines
        .iter()
        .filter(|line| line["code"] == "retrying")
        .collect();
    assert!(retries.len() > 3, "{lines:?}");
    for (number, line) in retries.into_iter().enumerate() {
        assert_eq!(line["attempt"], json!(number + 1), "{line}");
        assert!(
            line["why"]
                .as_str()
                .is_some_and(|why| why.ends_with("(request req-7)")),
            "{line}"
        );
    }
}
