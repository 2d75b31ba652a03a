//! What a seed means for a fleet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use taskward_core::Provider;
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{self, Nanonets};
use taskward_sim::platform::SimPlatform;
use taskward_sim::{Scenario, harness, nanonets as sim};

use super::cases::{AGENTS, RUNS, SCENARIO, answer};
use super::{Broken, Summary, words_of};
use crate::START;
use crate::fleet::{FleetReport, FleetWorld, Plan, TASKS};
use crate::report::Done;

/// An agent that works for long: its tasks are polled often, and a list may stand for that.
const SLOW_AGENT: &str = r#"
    [[agent]]
    name = "slow"
    steps = [{ run = "90s" }, { ask = "Which one?" }, { run = "45s" }, { complete = { summary = "Done." } }]
"#;

/// Follows the fleet of a seed; returns what it came to, and what happened.
pub(super) fn run(seed: u64, with_log: bool) -> Result<(Summary, Vec<String>), Broken> {
    let follow = || match seed / super::FLEET % 2 {
        0 => nanonets(seed, with_log),
        _ => harness(seed, with_log),
    };
    let report = match catch_unwind(AssertUnwindSafe(follow)) {
        Ok(Ok(report)) => report,
        Ok(Err(violation)) => return Err(Broken::by(seed, &violation)),
        Err(panic) => {
            return Err(Broken {
                seed,
                what: format!("a panic: {}", words_of(&*panic)),
                log: Vec::new(),
            });
        }
    };
    let summary = Summary {
        seeds: 0,
        fleets: 1,
        steps: report.steps,
        processes: report.processes,
        simulated: report.elapsed,
        trace: report.trace,
        ends: report.ends,
        checked: report.checked,
        ..Summary::default()
    };
    Ok((summary, report.log))
}

fn nanonets(seed: u64, is_told: bool) -> Done<FleetReport> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let text = format!("{SCENARIO}{SLOW_AGENT}");
    let mut scenario = Scenario::parse(&text).expect("the scenario is right");
    let slow = rng.u8(..4);
    let mut settings: sim::Settings = scenario.of();
    settings.switches.concurrency_limit = [0, 8][rng.usize(..2)];
    scenario.set(settings);
    let machine = sim::Server::new(7, &scenario, START);
    let jobs = (0..TASKS).map(|nth| {
        // Nobody is there for reviews.
        let agent = match AGENTS[rng.usize(..AGENTS.len())] {
            _ if rng.u8(..4) < slow => "slow",
            "checked" => "echo",
            name => name,
        };
        let agent = machine.agent(agent).expect("an agent");
        nanonets::Job::agent(agent).query(format!("Do {nth}."))
    });
    let jobs = jobs.collect();
    follow(Nanonets, machine, jobs, seed, is_told)
}

fn harness(seed: u64, is_told: bool) -> Done<FleetReport> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let scenario = Scenario::parse(SCENARIO).expect("the scenario is right");
    let machine = harness::Server::new(7, &scenario, START);
    let jobs = (0..TASKS).map(|nth| {
        let name = match RUNS[rng.usize(..RUNS.len())] {
            // It is all events, of which a fleet reads the list at the end.
            "long-stream" => "plain",
            name => name,
        };
        agent_harness::Job::goal(format!("Do {nth}.")).with_input("scenario", name)
    });
    follow(AgentHarness, machine, jobs.collect(), seed, is_told)
}

fn follow<P: Provider, M: SimPlatform>(
    provider: P,
    machine: M,
    jobs: Vec<P::Job>,
    seed: u64,
    is_told: bool,
) -> Done<FleetReport> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 1);
    let mut said = 0;
    let plan = Plan {
        provider,
        machine,
        jobs,
        answer: Box::new(move |question| {
            said += 1;
            answer(question, said, &mut rng)
        }),
        seed,
        is_told,
    };
    FleetWorld::new(plan).run()
}
