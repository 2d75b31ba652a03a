//! A2A: neither a start nor an answer has a key, and both have an id of ours by which a read finds them.

use taskward_core::Answer;
use taskward_providers::a2a::Job;
use taskward_sim::a2a::Server;

use crate::sweep::Torture;
use crate::world::Scenario;

/// Runs the agent that does what its message says.
fn script(name: &'static str, job: fn(&Server) -> Job, end: &str) -> Torture<Server> {
    let scenario = Scenario {
        name,
        file: "",
        job,
        answer: |_| Answer::text("red"),
        cancel: None,
    };
    Torture::new(scenario, end)
}

fn plain() -> Torture<Server> {
    let job = |_: &Server| Job::text("chunks 2 0.1; work 2; artifact done");
    script("a2a, plain", job, "succeeded")
}

/// Rows: P15, P18.
#[test]
fn a_plain_task_survives_each_fault_of_each_operation() {
    plain().each(20);
}

/// Rows: P15, P16, P17, P18.
#[test]
fn an_answered_task_survives_each_fault_of_each_operation() {
    let job = |_: &Server| Job::text("work 1; ask which?; work 1; artifact done");
    script("a2a, asked and answered", job, "succeeded").each(45);
}

/// Rows: P16.
#[test]
fn a_task_that_waits_for_a_credential_survives_each_fault_of_each_operation() {
    let job = |_: &Server| Job::text("auth-in; artifact done");
    script("a2a, a credential", job, "succeeded").each(38);
}

#[test]
fn a_failing_task_survives_each_fault_of_each_operation() {
    let job = |_: &Server| Job::text("work 1; fail it broke");
    script("a2a, failing", job, "failed").each(16);
}

/// Rows: P19.
#[test]
fn a_cancelled_task_survives_each_fault_of_each_operation() {
    let scenario = Scenario {
        name: "a2a, cancelled",
        file: "",
        job: |_: &Server| Job::text("quiet 3600"),
        answer: |_| Answer::text("red"),
        cancel: Some(5_000),
    };
    Torture::new(scenario, "stopped by Us").each(18);
}

#[test]
fn a_plain_task_survives_two_faults() {
    plain().pairs(5_000);
}
