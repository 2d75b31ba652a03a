//! What the program says at every kind of error and every end of a task, for people and for programs, compared with
//! `tests/golden`. `TASKWARD_REWRITE_GOLDEN=1 cargo test` rewrites the files.

mod endings;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use taskward::agent_harness::AgentHarness;
use taskward::core::http::{HeaderValue, StatusCode};
use taskward::core::{
    Cause, ExchangeFailure, ExchangeProgress, Head, IntentId, Policy, ReadError, ReadErrorKind,
    Response, Seed, Task, TimeoutPhase, Timestamp,
};
use taskward::error::ApiError;
use taskward::event::Status;
use taskward::nanonets::Nanonets;
use taskward::outcome::{DetachReason, Detached};
use taskward::question::QuestionKind;
use taskward::{Error, ErrorKind, Event, Outcome, Question, TaskId};

use crate::args::Cli;
use crate::calls::Calls;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliError;
use crate::exit_report::End;
use crate::out::{Out, json_line};
use crate::report::Reporter;
use crate::sent::{Keyed, StartKind};

/// An id that tells nothing.
const TASK: &str = "t-1";

/// What the table is made from.
struct Table<P: Calls> {
    connection: Connection<P>,
    start_kind: StartKind,
    rows: Vec<(String, CliError)>,
}

/// A refusal with all that a server can say of it.
fn refusal(status: u16, message: &str) -> ApiError {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = serde_json::json!({ "error": message, "code": "some_code" }).to_string();
    let mut reply = Response::new(status, body);
    let headers = &mut reply.head.headers;
    headers.insert("x-request-id", HeaderValue::from_static("req-7"));
    ApiError::read(&reply)
}

fn question(kind: QuestionKind) -> Question {
    Question::new("q-1", kind, "Which currency?\nEuros, or dollars?")
}

impl<P: Calls> Table<P> {
    fn new(start_kind: StartKind) -> Self {
        let cli = Cli::try_parse_from(["taskward", "ls", "--quiet", "--color", "never"]);
        let global = Arc::new(cli.expect("a command line").global);
        let out = Arc::new(Out::new(&global));
        let connection = Connection::offline(&Cx { out, global }).expect("settings");
        Self {
            connection,
            start_kind,
            rows: Vec::new(),
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter::new(&self.connection, None, false)
    }

    fn end<'a>(&'a self, reporter: &'a Reporter) -> End<'a, P> {
        let end = End::new(&self.connection, &self.start_kind, reporter);
        end.of(Some(&TASK.into()))
    }

    /// Of a task that was seen at work.
    fn at_work(&self) -> Reporter {
        let reporter = self.reporter();
        reporter.event(&Event::Status(Status::known("running")));
        reporter
    }

    fn row(&mut self, name: impl Into<String>, error: CliError) {
        self.rows.push((name.into(), error));
    }

    fn error(&mut self, name: &str, error: Error) {
        let cli_error = self.connection.cli_error(&error);
        self.row(format!("error {:?}: {name}", error.kind()), cli_error);
    }

    fn outcome(&mut self, name: &str, outcome: Outcome<P::Output>) {
        let start_kind = self.start_kind.clone();
        let reporter = self.reporter();
        if let Outcome::DeadlineExceeded {
            last: Some(last), ..
        } = &outcome
        {
            reporter.event(&Event::Status(last.clone()));
        }
        self.outcome_of(name, &start_kind, reporter, outcome);
    }

    fn outcome_of(
        &mut self,
        name: &str,
        start_kind: &StartKind,
        reporter: Reporter,
        outcome: Outcome<P::Output>,
    ) {
        let name = format!("outcome {}: {name}", outcome.code());
        match End::new(&self.connection, start_kind, &reporter).outcome(outcome) {
            Ok(_) => panic!("{name} is a success"),
            Err(error) => self.row(name, error),
        }
    }

    fn left(&mut self, name: &str, why: DetachReason) {
        let now = Timestamp::from_millis(0);
        let (policy, seed) = (Policy::default(), Seed([0; 32]));
        let task = Task::attach(P::default(), TASK.into(), None, policy, seed, now);
        let left = Detached::new(TASK.into(), why, task.snapshot());
        let reporter = self.reporter();
        let error = self.end(&reporter).left(&left);
        self.row(format!("left: {name}"), error);
    }

    fn errors(&mut self) {
        let task = || TaskId::new(TASK);
        let failed =
            |stage, cause, detail: &str| Error::failure(ExchangeFailure::new(stage, cause, detail));
        let answered = || {
            let mut head = Head::new(StatusCode::FOUND);
            head.headers
                .insert("x-request-id", HeaderValue::from_static("req-7"));
            ExchangeProgress::Answered(Box::new(head))
        };
        self.error(
            "a setting",
            Error::new(ErrorKind::Config, "the base URL \"x\" is not a URL"),
        );
        self.error(
            "a parameter",
            Error::new(
                ErrorKind::Input,
                "cannot read the file a.csv: permission denied",
            ),
        );
        self.error(
            "a changed file",
            failed(
                ExchangeProgress::NotSent,
                Cause::SourceChanged,
                "a.csv is no longer the file it was",
            ),
        );
        self.error("401", Error::api(refusal(401, "who are you?")));
        self.error(
            "403",
            Error::api(refusal(403, "not yours")).with_task(task()),
        );
        self.error("422", Error::api(refusal(422, "the field x is missing")));
        self.error(
            "404 of a task",
            Error::api(refusal(404, "no such task")).with_task(task()),
        );
        self.error(
            "429",
            Error::api(refusal(429, "slow down")).with_attempts(5),
        );
        let wait = Some(Duration::from_secs(9999));
        self.error(
            "429, and when to come back",
            Error::api(refusal(429, "slow down")).with_retry_after(wait),
        );
        for (name, cause) in [
            ("no such host", Cause::Resolve),
            ("nothing listens", Cause::Refused),
            ("a handshake", Cause::Tls),
            ("a proxy", Cause::Proxy),
            (
                "connecting took too long",
                Cause::Timeout(TimeoutPhase::Connect),
            ),
        ] {
            let error = failed(
                ExchangeProgress::NotSent,
                cause,
                "h.example:443: the system's own words",
            );
            self.error(name, error.with_attempts(5));
        }
        for (name, cause) in [
            ("no reply in time", Cause::Timeout(TimeoutPhase::Head)),
            ("a reset", Cause::Reset),
            ("a reply cut short", Cause::Truncated),
        ] {
            self.error(
                name,
                failed(ExchangeProgress::MaybeSent, cause, "h.example:443").with_attempts(5),
            );
        }
        self.error(
            "503",
            Error::api(refusal(503, "down for a while")).with_attempts(5),
        );
        self.error(
            "a certificate",
            failed(
                ExchangeProgress::NotSent,
                Cause::Certificate,
                "h.example:443: it is for another name",
            ),
        );
        self.error(
            "a redirect elsewhere",
            failed(
                answered(),
                Cause::Redirect,
                "302 to another origin, https://e.example",
            ),
        );
        self.error(
            "not HTTP",
            failed(
                ExchangeProgress::MaybeSent,
                Cause::Protocol,
                "h.example:443: not a status line",
            ),
        );
        self.error(
            "too large",
            failed(answered(), Cause::TooLarge { cap: 16 << 20 }, ""),
        );
        self.error("encoded", failed(answered(), Cause::Encoding, "gzip"));
        for (name, kind) in [
            ("empty", ReadErrorKind::Empty),
            ("not JSON", ReadErrorKind::NotJson),
            ("another shape", ReadErrorKind::Shape),
            ("another task", ReadErrorKind::Foreign),
            ("a page for people", ReadErrorKind::Html),
        ] {
            self.error(
                name,
                Error::read(ReadError::new(kind, "status reply has no \"status\" field")),
            );
        }
        let lost = || failed(ExchangeProgress::MaybeSent, Cause::Reset, "h.example:443");
        self.error("a write", lost().into_unknown(Some(IntentId::new("7f3a"))));
        self.error(
            "a write to a task",
            lost().into_unknown(None).with_task(task()),
        );
        self.error(
            "a task",
            Error::new(ErrorKind::Task, "the task failed: it broke").with_task(task()),
        );
        self.error(
            "it goes on",
            Error::new(ErrorKind::Pending, "the deadline passed").with_task(task()),
        );
        let unread = "the task completed, but its answer cannot be read yet";
        self.error(
            "an answer",
            Error::new(ErrorKind::ResultUnavailable, unread).with_task(task()),
        );
        self.error(
            "a hook",
            Error::new(ErrorKind::Local, "the task could not be stored").with_task(task()),
        );
    }

    /// What is in the golden file; every row is held against what each must have.
    fn text(mut self) -> String {
        self.errors();
        self.outcomes();
        self.handed_back();
        let mut all = String::new();
        for (name, error) in &self.rows {
            let (text, json) = (error.text(str::to_owned), json_line(&error.json()));
            check(name, &text, &error.json());
            // Who sits at a terminal is asked whether it is meant.
            let [text, json] = [text, json]
                .map(|text| text.replace("cancel nanonets:t-1 --yes", "cancel nanonets:t-1"));
            let _ = write!(all, "=== {name}\n{text}{json}\n\n");
        }
        all
    }
}

/// What, why, what next, ids; and nothing that a terminal acts on.
fn check(name: &str, text: &str, json: &serde_json::Value) {
    let lines: Vec<&str> = text.lines().collect();
    let what = lines[0].strip_prefix("error: ").unwrap_or(lines[0]);
    assert!(!what.is_empty(), "{name}: {text}");
    // The last line has the ids; a hint begins with its label.
    let hints = lines
        .iter()
        .filter(|line| line.contains(": ") && line.contains("taskward "));
    assert!(hints.count() >= 1, "{name}: nothing to do next in {text}");
    let hints = json["next"].as_array().expect("hints");
    assert!(!hints.is_empty(), "{name}: {json}");
    for hint in hints {
        assert_eq!(hint[0], "taskward", "{name}: {hint}");
    }
    let message = json["message"].as_str().expect("a message");
    let explained = message.lines().count() > 1
        || [": ", "; ", ". "]
            .iter()
            .any(|between| what.contains(between));
    assert!(explained, "{name}: no reason in {text}");
    let last = lines.last().expect("lines");
    assert!(
        last.ends_with(&format!("exit {}", json["exit"])),
        "{name}: {text}"
    );
    for (key, word) in [
        ("task", "task "),
        ("intent_id", "intent "),
        ("request_id", "request "),
        ("http_status", "http "),
    ] {
        assert_eq!(
            json[key].is_null(),
            !last.contains(word),
            "{name}: {key} in {text}"
        );
    }
    for no in ["unknown error", "unexpected error", "something went wrong"] {
        assert!(!text.to_lowercase().contains(no), "{name}: {text}");
    }
    assert!(
        text.is_ascii() && !text.contains(['\u{1b}', '\u{7}', '\r']),
        "{name}: {text:?}"
    );
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("written");
        return;
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    for (now, then) in text.split("=== ").zip(golden.split("=== ")) {
        assert_eq!(
            now, then,
            "{name} has changed; TASKWARD_REWRITE_GOLDEN=1 rewrites it"
        );
    }
    assert_eq!(
        text.len(),
        golden.len(),
        "{name} has more or fewer rows than it had"
    );
}

/// Acceptance test W11: every kind of error and every end has what, why, what next and its ids.
#[test]
fn w11_every_error_says_what_why_what_next_and_its_ids() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let agent = StartKind::Agent {
            agent: "invoices".into(),
            command: "taskward run --force-new --agent invoices 'Read it.'".into(),
        };
        compare("nanonets.txt", &Table::<Nanonets>::new(agent).text());
        let keyed = StartKind::Keyed(Keyed {
            key: "nightly-7".into(),
            minted: true,
            command: "taskward run --provider agent-harness 'Report.'".into(),
        });
        compare(
            "agent-harness.txt",
            &Table::<AgentHarness>::new(keyed).text(),
        );
    });
}
