//! Nanonets: neither a start nor an answer has a key.

use taskward_core::Answer;
use taskward_providers::nanonets::{File, Job};
use taskward_sim::nanonets::Server;

use crate::sweep::Torture;
use crate::world::Scenario;

fn scenario(name: &'static str, job: fn(&Server) -> Job) -> Scenario<Server> {
    Scenario {
        name,
        file: "",
        job,
        answer: |_| Answer::text("EUR"),
        cancel: None,
    }
}

fn agent(server: &Server, name: &str) -> Job {
    let agent = server.agent(name).expect("an agent");
    Job::agent(agent).query("convert 5")
}

fn echo() -> Torture<Server> {
    let scenario = scenario("nanonets, echo", |server| agent(server, "echo"));
    Torture::new(scenario, "succeeded")
}

fn asker() -> Torture<Server> {
    let scenario = scenario("nanonets, asked and answered", |server| {
        agent(server, "asker")
    });
    Torture::new(scenario, "succeeded")
}

/// Rows: G1, G3.
#[test]
fn a_plain_task_survives_each_fault_of_each_operation() {
    echo().each(18);
}

/// Rows: G13.
#[test]
fn a_task_with_an_upload_survives_each_fault_of_each_operation() {
    let scenario = scenario("nanonets, an upload", |server| {
        let csv = "description,quantity,unit_price\nBolt,10,0.25\n";
        agent(server, "invoice").attach(File::bytes("invoice.csv", csv))
    });
    Torture::new(scenario, "succeeded").each(22);
}

/// Rows: H1.
#[test]
fn an_answered_task_survives_each_fault_of_each_operation() {
    asker().each(45);
}

/// Rows: I2.
#[test]
fn a_cancelled_task_survives_each_fault_of_each_operation() {
    let scenario = Scenario {
        cancel: Some(5_000),
        ..scenario("nanonets, cancelled", |server| agent(server, "slow"))
    };
    Torture::new(scenario, "stopped by Us").each(26);
}

#[test]
fn a_failing_task_survives_each_fault_of_each_operation() {
    let scenario = scenario("nanonets, failing", |server| agent(server, "failing"));
    Torture::new(scenario, "failed").each(18);
}

#[test]
fn a_plain_task_survives_two_faults() {
    echo().pairs(2_000);
}
