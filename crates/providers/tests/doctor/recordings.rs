//! Every recording in `tests/recordings`, through the decoders, the checks and the simulator.
//!
//! Beside `NAME.jsonl` stands `NAME.txt` with what was found. Rewritten by
//! `TASKWARD_REWRITE_GOLDEN=1 cargo test -p taskward-providers --test doctor`, which also writes `simulator.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};

use http::StatusCode;
use taskward_core::{Operation, Provider as _, ReadError, Response};
use taskward_providers::a2a::{A2a, CardUrl, operations as a2a};
use taskward_providers::agent_harness::operations as harness;
use taskward_providers::doctor::{Exchange, RecordedBody, Recording};
use taskward_providers::nanonets::operations as nanonets;

use crate::world::{all, findings};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever wants the files written again says so in the environment"
)]
fn rewrites() -> bool {
    std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some()
}

/// Compares a text with a file, or writes it.
fn golden(path: &Path, text: &str) {
    if rewrites() {
        fs::write(path, text).expect("a file");
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "{} is not:\n{text}", path.display());
}

/// The agent of the recordings.
fn agent() -> A2a {
    A2a::default()
}

fn card() -> a2a::GetAgentCard {
    a2a::GetAgentCard::new(CardUrl::parse("https://agent.example").expect("a URL"))
}

/// Returns the id of the task in a reply: the requests of JSON-RPC name it in their bodies.
fn task_of(reply: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let id = body["result"]["id"].as_str();
    id.unwrap_or_default().to_owned()
}

/// Reads a recorded reply as the client does.
fn decode(exchange: &Exchange, reply: &Response) -> Result<(), ReadError> {
    let path = exchange.target.split('?').next().unwrap_or_default();
    let id = path
        .split('/')
        .rev()
        .nth(usize::from(!path.ends_with(|c: char| c.is_ascii_digit())));
    let id = id.unwrap_or_default().to_owned();
    fn read<O: Operation>(operation: &O, reply: &Response) -> Result<(), ReadError> {
        match operation.classify(reply) {
            Ok(()) => operation.read(reply).map(|_| ()),
            // Over JSON-RPC, an error has the status of a success.
            Err(_) => Ok(()),
        }
    }
    match exchange.operation.as_str() {
        "listAgents" => read(&nanonets::ListAgents::default(), reply),
        "getAgent" => read(&nanonets::GetAgent(id), reply),
        "listAgentVersions" => read(&nanonets::ListAgentVersions::new(id), reply),
        "listTasks" => read(&nanonets::ListTasks::default(), reply),
        "runAgent" => read(
            &nanonets::RunAgent(taskward_providers::nanonets::Job::agent(id)),
            reply,
        ),
        "getTaskStatus" => read(&nanonets::GetTaskStatus(id), reply),
        "getTaskSummary" => read(&nanonets::GetTaskSummary(id), reply),
        "getTaskResult" => read(&nanonets::GetTaskResult(id), reply),
        "listTaskMessages" => read(&nanonets::ListTaskMessages(id), reply),
        "createRun" => {
            let create = harness::CreateRun {
                job: taskward_providers::agent_harness::Job::goal("x"),
                key: taskward_core::IdempotencyKey::new("k"),
            };
            read(&create, reply)
        }
        "getRun" => read(&harness::GetRun(id), reply),
        "listRunEvents" => read(&harness::ListRunEvents::new(id), reply),
        "streamRunEvents" => {
            // The id stands two segments before the end.
            let id = path.split('/').rev().nth(2).unwrap_or_default();
            read(&harness::StreamRunEvents(id.to_owned()), reply)
        }
        "getUsage" => read(&harness::GetUsage::default(), reply),
        "getHealthLive" | "getHealthReady" | "getHealthDeps" => {
            read(&harness::GetHealthLive, reply)
        }
        "GetAgentCard" => read(&card(), reply),
        "ListTasks" => read(&a2a::ListTasks::new(&agent()), reply),
        "SendMessage" => agent().read_start(reply).map(drop),
        "GetTask" => read(&a2a::GetTask::new(&agent(), task_of(reply)), reply),
        "SubscribeToTask" => read(&a2a::SubscribeToTask::new(&agent(), ""), reply),
        // A description is reduced to its outline.
        "getOpenApiDocument" => Ok(()),
        other => panic!("no decoder for {other}"),
    }
}

/// Rows: O1.
#[test]
fn every_recording_is_read_by_the_decoders_and_judged_as_before() {
    golden(&folder().join("simulator.jsonl"), &all("").text());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).expect("recordings") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a recording");
        let recording =
            Recording::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut unreadable = Vec::new();
        for exchange in &recording.exchanges {
            let Some(recorded) = exchange.reply().filter(|reply| reply.is_success()) else {
                continue;
            };
            let body = match &recorded.body {
                RecordedBody::Json(value) => value.to_string(),
                RecordedBody::Events(text) => text.clone(),
                RecordedBody::Empty | RecordedBody::Outline(_) | RecordedBody::Other { .. } => {
                    continue;
                }
            };
            let status = StatusCode::from_u16(recorded.status).expect("a status");
            let read = decode(exchange, &Response::new(status, body.clone()));
            if let Err(error) = read {
                // A reply about another task is unreadable, and rightly so.
                let (provider, probe) = (&exchange.provider, &exchange.probe);
                unreadable.push(format!(
                    "{provider} {probe}: unreadable: {:?}",
                    error.kind()
                ));
            }
        }
        if path.file_stem().is_some_and(|name| name == "simulator") {
            assert_eq!(unreadable, [""; 0]);
        }
        let lines = [findings(&recording), unreadable].concat();
        golden(&path.with_extension("txt"), &(lines.join("\n") + "\n"));
        names.push(
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
    }
    assert!(names.iter().any(|name| name == "simulator"));
}

/// Asks the simulator what a recording's platform was asked, and says where the two differ.
///
/// Rows: O1.
#[test]
fn the_simulator_replies_as_recorded_wherever_the_assumptions_hold() {
    let recorded = fs::read_to_string(folder().join("simulator.jsonl")).expect("a recording");
    let recorded = Recording::parse(&recorded).expect("a recording");
    let simulated = all("");
    let replies = |recording: &Recording| -> Vec<(String, Option<u16>)> {
        let exchanges = recording.exchanges.iter();
        let status = |one: &Exchange| one.reply().map(|reply| reply.status);
        exchanges
            .map(|one| (format!("{} {}", one.provider, one.probe), status(one)))
            .collect()
    };
    assert_eq!(replies(&recorded), replies(&simulated));
    assert_eq!(findings(&recorded), findings(&simulated));
}
