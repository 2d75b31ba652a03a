//! Agent Harness: starts and signals have keys.

use taskward_core::{Answer, Question, QuestionKind};
use taskward_providers::agent_harness::Job;
use taskward_sim::harness::Server;

use crate::sweep::Torture;
use crate::world::Scenario;

/// No questions, and few events.
const SIMPLE: &str = r#"
    [[run]]
    name = "simple"
    steps = [{ delta = "a" }, { run = "300ms" }, { step_done = "succeeded" }, { succeed = true }]
"#;

fn torture(
    name: &'static str,
    file: &'static str,
    job: fn(&Server) -> Job,
    answer: fn(&Question) -> Answer,
    end: &str,
) -> Torture<Server> {
    let scenario = Scenario {
        name,
        file,
        job,
        answer,
        cancel: None,
    };
    Torture::new(scenario, end)
}

fn job(scenario: &str) -> Job {
    Job::goal("Write to the team.").with_input("scenario", scenario)
}

fn simple() -> Torture<Server> {
    torture(
        "harness, simple",
        SIMPLE,
        |_| job("simple"),
        approve,
        "succeeded",
    )
}

/// Approves, or gives what is asked for.
fn approve(question: &Question) -> Answer {
    if question.kind != QuestionKind::Data {
        return Answer::Approve;
    }
    let recipient = serde_json::Value::from("ops@example.com");
    Answer::Input([("recipient".to_owned(), recipient)].into_iter().collect())
}

fn reject(_: &Question) -> Answer {
    Answer::Reject {
        reason: Some("not now".to_owned()),
    }
}

/// Rows: G2, G3.
#[test]
fn a_plain_run_survives_each_fault_of_each_operation() {
    simple().each(18);
}

#[test]
fn an_approved_run_survives_each_fault_of_each_operation() {
    torture(
        "harness, approved",
        "",
        |_| job("approve-email"),
        approve,
        "succeeded",
    )
    .each(58);
}

#[test]
fn a_rejected_run_survives_each_fault_of_each_operation() {
    torture(
        "harness, rejected",
        "",
        |_| job("approve-email"),
        reject,
        "failed",
    )
    .each(56);
}

#[test]
fn a_run_that_is_given_data_survives_each_fault_of_each_operation() {
    torture(
        "harness, given data",
        "",
        |_| job("needs-input"),
        approve,
        "succeeded",
    )
    .each(50);
}

/// Rows: E4, E15, E18.
#[test]
fn a_stream_survives_each_fault_of_each_operation_in_every_way_of_replaying() {
    for (name, file) in [
        (
            "harness, stream from its start",
            "[agent_harness]\nreplay = \"from_start\"\n",
        ),
        (
            "harness, stream from the last id",
            "[agent_harness]\nreplay = \"last_event_id\"\n",
        ),
        (
            "harness, stream of what is new",
            "[agent_harness]\nreplay = \"live_only\"\n",
        ),
    ] {
        let job: fn(&Server) -> Job = |_| {
            job("long-stream")
                .with_input("events", 20)
                .with_input("interval_ms", 100)
        };
        torture(name, file, job, approve, "succeeded").each(52);
    }
}

#[test]
fn a_run_without_a_stream_survives_each_fault_of_each_operation() {
    let file = "[agent_harness]\nstream_missing = 404\nevent_page_size = 3\n";
    torture(
        "harness, polled",
        file,
        |_| job("approve-email"),
        approve,
        "succeeded",
    )
    .each(95);
}

#[test]
fn a_plain_run_survives_two_faults() {
    simple().pairs(3_500);
}
