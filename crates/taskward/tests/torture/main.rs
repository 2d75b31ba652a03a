//! Torture of the adapters: each scenario is run once through a proxy that counts what passes; then it is run again for
//! each of these operations and for each fault, with that operation failing in that way. What may come of it is the
//! table of retries, and both adapters come to the same.
#![cfg(all(feature = "async", feature = "blocking"))]
#![allow(missing_docs)]

mod proxy;
mod run;
mod sweep;

use run::Scenario;
use sweep::each;
use taskward::Answer;
use taskward::a2a::{self, A2a, Binding};
use taskward::agent_harness::{self, AgentHarness};
use taskward::core::{Question, QuestionKind};
use taskward::nanonets::{File, Job, Nanonets};
use taskward_sim::Sim;

fn nanonets(name: &'static str, job: fn(&Sim) -> Job) -> Scenario<Nanonets> {
    Scenario {
        name,
        provider: Nanonets,
        file: "",
        job,
        answer: |_| Answer::text("EUR"),
        from: "run",
        cancels: false,
    }
}

fn agent(sim: &Sim, name: &str) -> Job {
    Job::agent(sim.agent(name)).query("convert 5")
}

/// Rows: B1, B2, B4, B24, B25, F1, F11, G1, G3.
#[test]
fn a_plain_task_survives_each_fault_of_each_operation() {
    let scenario = nanonets("nanonets, echo", |sim| agent(sim, "echo"));
    each(&scenario, "succeeded", 18);
}

/// Rows: G13.
#[test]
fn a_task_with_an_upload_survives_each_fault_of_each_operation() {
    let scenario = nanonets("nanonets, an upload", |sim| {
        let csv = "description,quantity,unit_price\nBolt,10,0.25\n";
        agent(sim, "invoice").attach(File::bytes("invoice.csv", csv))
    });
    each(&scenario, "succeeded", 18);
}

/// Rows: H1.
#[test]
fn an_answered_task_survives_each_fault_of_each_operation() {
    let scenario = nanonets("nanonets, asked and answered", |sim| agent(sim, "asker"));
    each(&scenario, "succeeded", 36);
}

/// Rows: I2.
#[test]
fn a_cancelled_task_survives_each_fault_of_each_operation() {
    let mut scenario = nanonets("nanonets, cancelled", |sim| agent(sim, "slow"));
    scenario.cancels = true;
    each(&scenario, "stopped by Us", 18);
}

#[test]
fn a_failing_task_survives_each_fault_of_each_operation() {
    let scenario = nanonets("nanonets, failing", |sim| agent(sim, "failing"));
    each(&scenario, "failed", 18);
}

/// Short runs: each operation more is seven runs more.
const RUNS: &str = r#"
    [[run]]
    name = "approval"
    steps = [
        { delta = "a" },
        { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
        { run = "100ms" },
        { delta = "b" },
        { succeed = true },
    ]
    [[run]]
    name = "data"
    steps = [
        { wait = { kind = "data", reason = "AWAITING_INPUT" } },
        { run = "100ms" },
        { delta = "{data}" },
        { succeed = true },
    ]
"#;

/// The same where there is no stream.
const POLLED: &str = r#"
    [agent_harness]
    stream_missing = 404
    [[run]]
    name = "approval"
    steps = [
        { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
        { run = "100ms" },
        { succeed = true },
    ]
"#;

fn harness(
    name: &'static str,
    job: fn(&Sim) -> agent_harness::Job,
    answer: fn(&Question) -> Answer,
) -> Scenario<AgentHarness> {
    Scenario {
        name,
        provider: AgentHarness,
        file: RUNS,
        job,
        answer,
        from: "create_run",
        cancels: false,
    }
}

fn scripted(scenario: &str) -> agent_harness::Job {
    agent_harness::Job::goal("Write to the team.").with_input("scenario", scenario)
}

/// Approves, or gives what is asked for.
fn approve(question: &Question) -> Answer {
    if question.kind != QuestionKind::Data {
        return Answer::Approve;
    }
    let recipient = ("recipient".to_owned(), "the team".into());
    Answer::Input([recipient].into_iter().collect())
}

fn reject(_: &Question) -> Answer {
    Answer::Reject {
        reason: Some("not now".to_owned()),
    }
}

/// Rows: G2, G3.
#[test]
fn an_approved_run_survives_each_fault_of_each_operation() {
    let scenario = harness("harness, approved", |_| scripted("approval"), approve);
    each(&scenario, "succeeded", 38);
}

#[test]
fn a_rejected_run_survives_each_fault_of_each_operation() {
    let mut scenario = harness("harness, rejected", |_| scripted("approval"), reject);
    scenario.from = "signal";
    each(&scenario, "failed", 11);
}

#[test]
fn a_run_that_is_given_data_survives_each_fault_of_each_operation() {
    let mut scenario = harness("harness, given data", |_| scripted("data"), approve);
    scenario.from = "signal";
    each(&scenario, "succeeded", 11);
}

/// Rows: E18.
#[test]
fn a_stream_survives_each_fault_of_each_operation() {
    let job = |_: &Sim| {
        scripted("long-stream")
            .with_input("events", 6)
            .with_input("interval_ms", 100)
    };
    each(&harness("harness, stream", job, approve), "succeeded", 22);
}

#[test]
fn a_run_without_a_stream_survives_each_fault_of_each_operation() {
    let mut scenario = harness("harness, polled", |_| scripted("approval"), approve);
    scenario.file = POLLED;
    each(&scenario, "succeeded", 45);
}

/// An agent whose message is what it does.
fn script(name: &'static str, provider: A2a, job: fn(&Sim) -> a2a::Job) -> Scenario<A2a> {
    Scenario {
        name,
        provider,
        file: "",
        job,
        answer: |_| Answer::text("red"),
        from: "start",
        cancels: false,
    }
}

fn over(binding: Binding) -> A2a {
    let path = match binding {
        Binding::JsonRpc => "/agents/script/rpc",
        _ => "/agents/script/rest",
    };
    A2a::at(binding, path).expect("a path")
}

fn asks(_: &Sim) -> a2a::Job {
    a2a::Job::text("chunks 2 0.1; ask which?; artifact done")
}

/// Rows: P15, P17, P18.
#[test]
fn an_answered_task_of_an_agent_that_streams_survives_each_fault_of_each_operation() {
    let agent = over(Binding::HttpJson).with_streaming(true);
    each(&script("a2a, streamed", agent, asks), "succeeded", 20);
}

/// Rows: P15, P17.
#[test]
fn an_answered_task_over_json_rpc_survives_each_fault_of_each_operation() {
    let agent = over(Binding::JsonRpc);
    each(&script("a2a, polled", agent, asks), "succeeded", 20);
}

/// Rows: P15, P19.
#[test]
fn a_cancelled_task_of_an_agent_survives_each_fault_of_each_operation() {
    let job = |_: &Sim| a2a::Job::text("work 60");
    let mut scenario = script(
        "a2a, cancelled",
        over(Binding::JsonRpc).with_streaming(true),
        job,
    );
    scenario.cancels = true;
    each(&scenario, "stopped by Us", 10);
}
