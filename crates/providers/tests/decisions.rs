//! Decision logs: what a run does and why, line by line, in virtual time against the simulated platforms. They are for
//! people to read, and a change of any decision shows in them. `TASKWARD_REWRITE_GOLDEN=1 cargo test` rewrites them.
#![allow(missing_docs)]

#[path = "torture/platform.rs"]
#[allow(dead_code, reason = "nothing is counted here")]
mod platform;
#[path = "decisions/world.rs"]
mod world;

use std::time::Duration;

use taskward_core::{Answer, OnDetach, Policy, RequestPurpose};
use taskward_providers::{a2a, agent_harness, nanonets};
use taskward_sim::a2a::Server as Agents;
use taskward_sim::harness::Server as Harness;
use taskward_sim::nanonets::Server as Nanonets;
use world::{Fault, World};

fn policy() -> Policy {
    Policy::default()
}

fn agent(server: &Nanonets, name: &str) -> nanonets::Job {
    let agent = server.agent(name).expect("an agent");
    nanonets::Job::agent(agent).query("Convert 10 dollars.")
}

fn run(scenario: &str) -> agent_harness::Job {
    agent_harness::Job::goal("Write to the team.").with_input("scenario", scenario)
}

/// Returns a run of so many events, one each second.
fn stream(events: u32) -> agent_harness::Job {
    run("long-stream")
        .with_input("events", events)
        .with_input("interval_ms", 1000)
}

fn without_a_stream(endpoint: &str) -> Fault {
    match endpoint {
        "stream" => Fault::Status(501, None),
        _ => Fault::None,
    }
}

fn approve(_: &taskward_core::Question) -> Answer {
    Answer::Approve
}

#[test]
fn a_plain_task_is_read_until_it_is_over() {
    let mut world = World::<Nanonets>::new("");
    world.run(|server| agent(server, "echo"), policy());
    let mut other = World::<Harness>::new("").faults(|endpoint, _| without_a_stream(endpoint));
    other.run(|_| stream(3), policy());
    check(
        "plain",
        &[
            ("nanonets", &world.log),
            ("agent harness, without a stream", &other.log),
        ],
    );
}

#[test]
fn a_question_is_checked_before_it_is_answered() {
    let mut world = World::<Nanonets>::new("").answers(5_000, |_| Answer::text("EUR"));
    world.run(|server| agent(server, "asker"), policy());
    let mut other = World::<Harness>::new("").answers(5_000, approve);
    other.run(|_| run("approve-email"), policy());
    let mut third = World::<Agents>::new("").answers(5_000, |_| Answer::text("EUR"));
    third.run(
        |_| a2a::Job::text("work 1; ask Which?; artifact {answer}"),
        policy(),
    );
    check(
        "question",
        &[
            ("nanonets", &world.log),
            ("agent harness", &other.log),
            ("a2a", &third.log),
        ],
    );
}

#[test]
fn a_storm_of_refusals_is_sat_out_as_long_as_the_server_asks() {
    let storm = |endpoint: &str, number: usize| match (endpoint, number) {
        ("status" | "read_run", 1..=3) => Fault::Status(503, Some("20")),
        _ => without_a_stream(endpoint),
    };
    let mut world = World::<Nanonets>::new("").faults(storm);
    world.run(|server| agent(server, "echo"), policy());
    let mut other = World::<Harness>::new("").faults(storm);
    other.run(|_| stream(3), policy());
    check(
        "storm",
        &[("nanonets", &world.log), ("agent harness", &other.log)],
    );
}

#[test]
fn a_start_whose_reply_is_lost_is_unknown_or_repeated_under_its_key() {
    let lost = |endpoint: &str, number: usize| match (endpoint, number) {
        ("run" | "create_run" | "send_streaming_message", 0) => Fault::LostReply,
        _ => Fault::None,
    };
    let mut world = World::<Nanonets>::new("").faults(lost);
    world.run(|server| agent(server, "echo"), policy());
    let mut other = World::<Harness>::new("").faults(lost);
    other.run(|_| stream(2), policy());
    let mut third = World::<Agents>::new("").faults(lost);
    third.run(|_| a2a::Job::text("work 2; artifact done"), policy());
    check(
        "lost-start",
        &[
            ("nanonets, no key", &world.log),
            ("agent harness, a key", &other.log),
            ("a2a, an id of ours", &third.log),
        ],
    );
}

#[test]
fn a_stream_that_is_cut_is_opened_again_after_the_last_event() {
    let mut world = World::<Harness>::new("").faults(|endpoint, number| match (endpoint, number) {
        ("stream", 0) => Fault::Cut(900),
        _ => Fault::None,
    });
    world.run(|_| stream(6), policy());
    check("cut-stream", &[("agent harness", &world.log)]);
}

#[test]
fn without_a_stream_the_task_is_polled() {
    // It breaks, and is not to be had again.
    let mut world = World::<Harness>::new("").faults(|endpoint, number| match (endpoint, number) {
        ("stream", 0) => Fault::Cut(900),
        _ => without_a_stream(endpoint),
    });
    world.run(|_| stream(6), policy());
    check("polling-fallback", &[("agent harness", &world.log)]);
}

#[test]
fn silence_is_judged_by_a_read() {
    let mut world = World::<Harness>::new("").faults(|endpoint, number| match (endpoint, number) {
        ("stream", 0) => Fault::Silent(900),
        _ => Fault::None,
    });
    let mut impatient = policy();
    impatient.limits.stream_idle = Duration::from_secs(10);
    world.run(|_| stream(25), impatient);
    check("silence", &[("agent harness", &world.log)]);
}

#[test]
fn a_deadline_ends_the_watch_and_says_what_was_done_about_the_task() {
    let late = |how| {
        let mut policy = policy();
        policy.work = Some(Duration::from_secs(5));
        policy.on_deadline = how;
        policy
    };
    let within = Duration::from_secs(30);
    let mut left = World::<Nanonets>::new("");
    left.run(|server| agent(server, "slow"), late(OnDetach::Detach));
    let mut stopped = World::<Nanonets>::new("");
    let confirm = OnDetach::CancelAndConfirm { within };
    stopped.run(|server| agent(server, "slow"), late(confirm));
    let mut other = World::<Harness>::new("");
    other.run(|_| stream(100), late(OnDetach::Cancel { within }));
    check(
        "deadline",
        &[
            ("nanonets, left alone", &left.log),
            ("nanonets, cancelled", &stopped.log),
            ("agent harness, which cannot cancel", &other.log),
        ],
    );
}

/// Rows: I1.
#[test]
fn a_cancel_that_meets_the_completion_changes_nothing() {
    let mut world = World::<Nanonets>::new("").cancels(2_500);
    world.run(|server| agent(server, "echo"), policy());
    check("cancel-meets-completion", &[("nanonets", &world.log)]);
}

#[test]
fn a_process_that_was_killed_goes_on_where_it_was() {
    let mut world = World::<Nanonets>::new("").dies(RequestPurpose::Answer);
    world = world.answers(5_000, |_| Answer::text("EUR"));
    world.run(|server| agent(server, "asker"), policy());
    let mut other = World::<Harness>::new("").dies(RequestPurpose::Start);
    other.run(|_| stream(2), policy());
    check(
        "kill-and-resume",
        &[
            ("nanonets, while an answer is on its way", &world.log),
            ("agent harness, while the start is on its way", &other.log),
        ],
    );
}

/// Compares logs with their golden file.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever wants the files written again says so in the environment"
)]
fn check(name: &str, logs: &[(&str, &Vec<String>)]) {
    let mut text = String::new();
    for (title, lines) in logs {
        text.push_str(&format!("# {title}\n"));
        for line in *lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
    }
    let text = format!("{}\n", text.trim_end());
    let path = format!("{}/tests/decisions/{name}.log", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("a file");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, golden,
        "{name}: TASKWARD_REWRITE_GOLDEN=1 writes it again"
    );
}
