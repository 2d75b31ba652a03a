//! Both adapters see the same scenarios of the simulator, advanced by requests received and not by time, and must leave
//! the same requests, events and outcome. Every exchange on the way is checked against the specification; the faults are
//! the only deviations, each named in its case.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward::core::{DetachReason, Output as _, SecretString};
use taskward::event::NumberedEvent;
use taskward::nanonets::{self, File, Job, Nanonets};
use taskward::{Answer, Error, Event, Outcome, Reply, RunResult};
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::spec::Spec;

/// One scenario.
struct Case {
    name: &'static str,
    switches: &'static str,
    faults: Vec<FaultRule>,
    what: fn(&Sim) -> What,
    answers: &'static [&'static str],
    key: Option<&'static str>,
    /// What happens when an event of this name is reported.
    on: Option<(&'static str, Then)>,
}

enum What {
    Run(Job),
    Attach(String),
    /// A run of this job, then a turn with this text.
    Continue(Job, &'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Approve,
    Stop,
}

/// What a run left behind.
#[derive(Debug, PartialEq)]
struct Record {
    requests: Vec<String>,
    events: Vec<String>,
    end: String,
}

fn case(name: &'static str, what: fn(&Sim) -> What) -> Case {
    Case {
        name,
        switches: "",
        faults: Vec::new(),
        what,
        answers: &[],
        key: None,
        on: None,
    }
}

fn run(agent: &'static str) -> impl Fn(&Sim) -> What {
    move |sim| What::Run(Job::agent(sim.agent(agent)).query("convert 5"))
}

impl Case {
    fn switches(mut self, switches: &'static str) -> Self {
        self.switches = switches;
        self
    }

    fn fault(mut self, fault: Fault, on: &str, count: u64) -> Self {
        self.faults.push(FaultRule::new(fault).on(on).count(count));
        self
    }

    fn answers(mut self, answers: &'static [&'static str]) -> Self {
        self.answers = answers;
        self
    }

    fn on(mut self, event: &'static str, then: Then) -> Self {
        self.on = Some((event, then));
        self
    }

    fn sim(&self) -> Arc<Sim> {
        let scenario =
            Scenario::parse(&format!("[switches]\n{}", self.switches)).expect("a scenario");
        let mut builder = Sim::builder()
            .seed(7)
            .scenario(scenario)
            .manual_clock(Duration::from_secs(1))
            .record_bodies();
        for rule in &self.faults {
            builder = builder.fault(rule.clone());
        }
        Arc::new(builder.spawn().expect("a simulator"))
    }
}

fn echo(sim: &Sim) -> What {
    run("echo")(sim)
}
fn asker(sim: &Sim) -> What {
    run("asker")(sim)
}
fn chat(sim: &Sim) -> What {
    run("chat")(sim)
}
fn failing(sim: &Sim) -> What {
    run("failing")(sim)
}
fn reviewer(sim: &Sim) -> What {
    run("reviewer")(sim)
}
fn slow(sim: &Sim) -> What {
    run("slow")(sim)
}
fn inactive(sim: &Sim) -> What {
    run("inactive")(sim)
}
fn files(sim: &Sim) -> What {
    let job = Job::agent(sim.agent("invoice"))
        .query("Extract \"all\"\r\nitems.")
        .attach(
            File::bytes("a.csv", "description,quantity,unit_price\nBolt,10,0.25\n")
                .name("a\"b\r\n.csv"),
        )
        .attach(File::bytes("b.txt", "2 x Nut @ 1.50\n"))
        .file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output_schema("{\"total\":\"number\"}");
    What::Run(job)
}

fn status(code: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        code,
        retry_after: retry_after.map(str::to_owned),
        after_bytes: None,
    }
}

fn cases() -> Vec<Case> {
    let mut all = vec![
        case("plain", echo),
        case("files", files),
        case("files, refused", |sim| {
            What::Run(
                Job::agent(sim.agent("inactive")).attach(File::bytes("a.bin", vec![7; 300_000])),
            )
        }),
        case("asked and answered", asker).answers(&["EUR"]),
        case("asked, nobody answers", asker),
        case("asked, lag of 3 s", asker)
            .switches("reply_delay_ms = 3000")
            .answers(&["EUR"]),
        case("a conversation", chat).answers(&["more", "bye"]),
        case("failing", failing),
        case("reviewed", reviewer).on("Paused", Then::Approve),
        case("stopped in the dashboard", slow).on("Created", Then::Stop),
        case("inactive agent", inactive),
        case("unknown task", |_| {
            What::Attach("00000000-0000-4000-8000-000000000000".into())
        }),
        case("odd id", |_| What::Attach("a/../b?c".into())),
        case("a second turn", |sim| {
            What::Continue(Job::agent(sim.agent("echo")).query("first"), "second")
        }),
        case("start: reply lost", echo).fault(
            Fault::LostReplyAfterApply { after_bytes: 0 },
            "run",
            1,
        ),
        case("start: reply cut in its head", echo).fault(
            Fault::LostReplyAfterApply { after_bytes: 30 },
            "run",
            1,
        ),
        case("start: reply cut in its body", echo).fault(Fault::CutBody { bytes: 20 }, "run", 1),
        case("start: closed before the head", echo).fault(Fault::CloseBeforeHead, "run", 1),
        case("start: reset", echo).fault(Fault::Reset { after_bytes: None }, "run", 1),
        case("start: 502", echo).fault(status(502, None), "run", 1),
        case("start: 429 twice", echo).fault(status(429, Some("1")), "run", 2),
        case("start: 503 with a hint", echo).fault(status(503, Some("1")), "run", 1),
        case("start: a page", echo).fault(Fault::Html200, "run", 1),
        case("answer: reply lost", asker).answers(&["EUR"]).fault(
            Fault::LostReplyAfterApply { after_bytes: 0 },
            "message",
            1,
        ),
        case("answer: never arrived", asker)
            .answers(&["EUR"])
            .fault(Fault::CloseBeforeHead, "message", 1),
        case("answer: refused", asker)
            .answers(&["EUR"])
            .fault(status(409, None), "message", 1),
        case("summary: 500 twice", echo).fault(status(500, None), "summary", 2),
        case("trail: unreadable", failing).fault(status(500, None), "result", 9),
        case("messages: cut", asker)
            .answers(&["EUR"])
            .fault(Fault::TruncatedJson, "messages", 2),
    ];
    let mut wrong_key = case("wrong key", echo);
    wrong_key.key = Some("another_key");
    all.push(wrong_key);
    for (name, fault) in [
        ("status: 500", status(500, None)),
        ("status: 429 with a hint", status(429, Some("2"))),
        ("status: reset", Fault::Reset { after_bytes: None }),
        ("status: closed before the head", Fault::CloseBeforeHead),
        (
            "status: cut head",
            Fault::LostReplyAfterApply { after_bytes: 25 },
        ),
        ("status: cut body", Fault::CutBody { bytes: 10 }),
        ("status: a page", Fault::Html200),
        ("status: truncated", Fault::TruncatedJson),
        ("status: key revoked", status(401, None)),
    ] {
        all.push(
            case(name, slow)
                .fault(fault, "status", 3)
                .on("Retrying", Then::Stop),
        );
    }
    all
}

fn name_of(event: &Event) -> String {
    format!("{event:?}")
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect()
}

/// Returns an event without what differs by library and by clock: the words of a failure behind its cause, and times.
fn show(event: &Event) -> String {
    match event {
        Event::Retrying {
            attempt, failed, ..
        } => {
            format!("Retrying {attempt} {:?}", failed.reason)
        }
        Event::Answered { question, how, .. } => format!("Answered {question} {how:?}"),
        other => format!("{other:?}"),
    }
}

fn describe(end: Result<RunResult<nanonets::Answer>, Error>) -> String {
    match end {
        Ok(RunResult::Ended(Outcome::Succeeded { output, .. })) => {
            format!("succeeded {}", output.raw())
        }
        Ok(RunResult::Ended(Outcome::Unknown { likely, .. })) => format!("unknown likely={likely}"),
        Ok(RunResult::Ended(Outcome::Failed { failure: fault, .. })) => format!("failed {fault:?}"),
        Ok(RunResult::Ended(Outcome::Stopped { by, .. })) => format!("stopped {by:?}"),
        Ok(RunResult::Ended(other)) => format!(
            "{} {:?}",
            other.code(),
            other.task().map(ToString::to_string)
        ),
        Ok(RunResult::Detached(left)) => match &left.reason {
            DetachReason::Question(question) => format!("left question {:?}", question.text),
            other => format!("left {other:?}"),
        },
        Err(error) => format!("error {:?}", error.kind()),
    }
}

/// Returns what the simulator saw, equal repeated polls collapsed; each exchange judged by the specification.
fn seen(sim: &Sim) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut polled = BTreeSet::new();
    for request in sim.requests() {
        let target = match request.query.as_str() {
            "" => request.path.clone(),
            query => format!("{}?{query}", request.path),
        };
        if !request.path.contains('%') {
            let reply = request
                .reply_body
                .as_ref()
                .zip(request.status)
                .filter(|_| request.fault.is_none());
            let reply = reply.map(|(body, status)| (status, body));
            Spec::judge("nanonets").check(
                (&request.method, &target),
                request.request_body.as_ref(),
                reply,
            );
        }
        let fault = request.fault.as_deref().unwrap_or("-");
        let line = format!(
            "{} {target} {} {:?} {fault}",
            request.method, request.body_sha256, request.status
        );
        // How often the same is polled in between depends on time; what is seen, and in which order, does not.
        if !matches!(request.endpoint, "status" | "messages") {
            polled.clear();
            lines.push(line);
        } else if polled.insert(line.clone()) {
            lines.push(line);
        }
    }
    lines
}

type Hook = Box<dyn FnMut(&NumberedEvent) + Send>;

/// Records events, and does what the case wants when it sees one.
fn recorder(sim: &Arc<Sim>, case: &Case, events: &Arc<Mutex<Vec<String>>>) -> Hook {
    let (sim, events, mut on) = (Arc::clone(sim), Arc::clone(events), case.on);
    let task = Mutex::new(String::new());
    Box::new(move |event| {
        events.lock().expect("events").push(show(event));
        let mut task = task.lock().expect("task");
        if let Event::Created { id, .. } = &event.event {
            *task = id.to_string();
        }
        match on {
            Some((name, then)) if name == name_of(event) => {
                let action = if then == Then::Approve {
                    DashboardAction::Approve
                } else {
                    DashboardAction::Stop
                };
                sim.dashboard(&task, action).expect("the dashboard");
                on = None;
            }
            _ => {}
        }
    })
}

/// What both clients are given.
struct Stage {
    sim: Arc<Sim>,
    key: SecretString,
    base_url: String,
    events: Arc<Mutex<Vec<String>>>,
    hook: Hook,
    answers: Arc<Mutex<std::vec::IntoIter<&'static str>>>,
}

impl Stage {
    fn of(case: &Case) -> Self {
        let sim = case.sim();
        let access = sim.nanonets();
        let events = Arc::new(Mutex::new(Vec::new()));
        let hook = recorder(&sim, case, &events);
        let answers = Arc::new(Mutex::new(Vec::from(case.answers).into_iter()));
        let key = case.key.map_or(access.api_key, str::to_owned).into();
        Self {
            sim,
            key,
            base_url: access.base_url,
            events,
            hook,
            answers,
        }
    }
}

/// The client's clock runs faster than the world, so that its schedule costs milliseconds.
const SPEED: u32 = 400;

fn record(
    sim: &Sim,
    events: &Mutex<Vec<String>>,
    end: Result<RunResult<nanonets::Answer>, Error>,
) -> Record {
    let events = events.lock().expect("events").clone();
    Record {
        requests: seen(sim),
        events,
        end: describe(end),
    }
}

fn next(answers: &Mutex<std::vec::IntoIter<&'static str>>) -> Reply {
    let text = answers.lock().expect("answers").next();
    text.map_or(Reply::Leave, |text| Answer::text(text).into())
}

async fn through_hyper(case: &Case) -> Record {
    let Stage {
        sim,
        key,
        base_url,
        events,
        hook,
        answers,
    } = Stage::of(case);
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(key)
        .base_url(&base_url)
        .speed(SPEED);
    let client = client.build().expect("a client");
    let run = match (case.what)(&sim) {
        What::Run(job) => client.run(job),
        What::Attach(id) => client.attach(id),
        What::Continue(job, text) => {
            let started = client.start(job).await.expect("started");
            let id = started.id();
            assert!(describe(started.into_running().wait().await).starts_with("succeeded"));
            client.continue_with(id, text)
        }
    };
    let mut run = run.on_event(hook);
    if !case.answers.is_empty() {
        run = run.on_question(move |_| std::future::ready(Ok(next(&answers))));
    }
    record(&sim, &events, run.await)
}

fn through_ureq(case: &Case) -> Record {
    let Stage {
        sim,
        key,
        base_url,
        events,
        hook,
        answers,
    } = Stage::of(case);
    let client = taskward::blocking::Client::<Nanonets>::builder()
        .api_key(key)
        .base_url(&base_url)
        .speed(SPEED);
    let client = client.build().expect("a client");
    let run = match (case.what)(&sim) {
        What::Run(job) => client.run(job),
        What::Attach(id) => client.attach(id),
        What::Continue(job, text) => {
            let started = client.start(job).expect("started");
            let id = started.id();
            assert!(describe(started.into_running().wait()).starts_with("succeeded"));
            client.continue_with(id, text)
        }
    };
    let mut run = run.on_event(hook);
    if !case.answers.is_empty() {
        run = run.on_question(move |_| Ok(next(&answers)));
    }
    record(&sim, &events, run.wait())
}

#[test]
fn both_adapters_leave_the_same_trace_of_every_scenario() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cases = cases();
    for case in &cases {
        let hyper = runtime.block_on(through_hyper(case));
        let ureq = through_ureq(case);
        assert_eq!(hyper, ureq, "{}", case.name);
        assert!(!hyper.requests.is_empty(), "{}", case.name);
    }
    assert!(cases.len() > 35, "{}", cases.len());
}

/// Rows: G1, H1, H5.
#[test]
fn each_scenario_ends_as_its_name_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for (name, end) in [
        ("plain", "succeeded"),
        ("files", "succeeded"),
        ("asked, nobody answers", "left question"),
        ("failing", "failed"),
        ("reviewed", "succeeded"),
        ("stopped in the dashboard", "stopped Other"),
        ("inactive agent", "refused"),
        ("unknown task", "gone"),
        ("wrong key", "refused"),
        ("start: reply lost", "unknown"),
        ("start: 429 twice", "succeeded"),
        ("answer: reply lost", "succeeded"),
        ("answer: never arrived", "left AnswerUnconfirmed"),
        ("status: key revoked", "access_lost"),
        ("status: cut body", "stopped Other"),
    ] {
        let case = cases()
            .into_iter()
            .find(|case| case.name == name)
            .expect("a case");
        let record = runtime.block_on(through_hyper(&case));
        assert!(record.end.starts_with(end), "{name}: {}", record.end);
    }
}
