//! What a seed stands for.

use std::time::Duration;

use taskward_core::{Answer, Policy, Provider, Question, QuestionKind};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{self, Nanonets};
use taskward_sim::simulation::{Machine, Mishaps, START, Simulation, Violation};
use taskward_sim::{LateMessage, Scenario, harness, nanonets as sim};

use crate::{Summary, summary_of};

/// What is run beside the agents and runs that every simulator has.
const SCENARIO: &str = r#"
    [[agent]]
    name = "buyer"
    steps = [
        { run = "3s" },
        { ask = "Which supplier?" },
        { run = "1s" },
        { say = "Ordering." },
        { ask = "How many?" },
        { run = "2s" },
        { complete = { summary = "Ordered {answer}.", data = { ordered = true } } },
    ]

    [[agent]]
    name = "hasty"
    steps = [
        { run = "1s" },
        { ask = "First?" },
        { ask = "Second?" },
        { ask = "Third?" },
        { complete = { summary = "Done." } },
    ]

    [[agent]]
    name = "checked"
    steps = [{ run = "2s" }, { ask = "For whom?" }, { review = "Look at it" }, { complete = { summary = "Done." } }]

    [[run]]
    name = "plain"
    steps = [{ delta = "a" }, { run = "300ms" }, { step_done = "succeeded" }, { succeed = true }]

    [[run]]
    name = "three-waits"
    steps = [
        { delta = "a" },
        { wait = { kind = "approval" } },
        { delta = "b" },
        { wait = { kind = "approval" } },
        { run = "50ms" },
        { wait = { kind = "data" } },
        { delta = "c" },
        { step_done = "succeeded" },
        { succeed = true },
    ]
"#;

/// The agents of Nanonets that are started.
const AGENTS: [&str; 8] = [
    "echo", "asker", "asker", "buyer", "buyer", "hasty", "checked", "failing",
];
/// The runs of Agent Harness that are started.
const RUNS: [&str; 8] = [
    "plain",
    "approve-email",
    "approve-email",
    "needs-input",
    "two-waits",
    "three-waits",
    "long-stream",
    "limit",
];

/// One simulation: everything about it follows from its seed.
pub struct Case {
    seed: u64,
    rng: fastrand::Rng,
}

impl Case {
    /// What this seed stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// When an invariant does not hold.
    pub fn run(mut self, with_log: bool) -> Result<(Summary, Vec<String>), Box<Violation>> {
        let mut scenario = Scenario::parse(SCENARIO).expect("the scenario is right");
        if self.rng.bool() {
            self.nanonets(&mut scenario);
            let server = sim::Server::new(7, &scenario, START);
            let name = self.pick(&AGENTS);
            let agent = server.agent(name).expect("an agent");
            let job = nanonets::Job::agent(agent).query("Do it.");
            let mut simulation = Simulation::new(Nanonets, server, job);
            if self.rng.u8(..6) == 0 {
                let after = Duration::from_millis(self.rng.u64(..20_000));
                simulation = simulation.cancel_after(after);
            }
            self.finish(simulation, with_log)
        } else {
            self.harness(&mut scenario);
            let server = harness::Server::new(7, &scenario, START);
            let name = self.pick(&RUNS);
            let mut job = agent_harness::Job::goal("Do it.").with_input("scenario", name);
            if name == "long-stream" {
                job = job.with_input("events", 60).with_input("interval_ms", 100);
            }
            let simulation = Simulation::new(AgentHarness, server, job);
            self.finish(simulation, with_log)
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    fn nanonets(&mut self, scenario: &mut Scenario) {
        let switches = &mut scenario.switches;
        switches.reply_lag_ms = self.pick(&[0, 1_000, 5_000]);
        switches.pending_ms = self.pick(&[0, 0, 3_000]);
        switches.new_task_hidden_ms = self.pick(&[0, 0, 4_000]);
        switches.summary_lag_ms = self.pick(&[0, 0, 4_000]);
        switches.cancel_lag_ms = self.pick(&[0, 2_000]);
        switches.run_reply_omits_status = self.rng.u8(..3) == 0;
        switches.explicit_nulls = self.rng.bool();
        // What comes late opens no new turn: of a task that is over the end stays the end.
        switches.message_to_completed = LateMessage::Conflict;
    }

    fn harness(&mut self, scenario: &mut Scenario) {
        let switches = &mut scenario.agent_harness;
        switches.replay = self.pick(&[
            harness::Replay::FromStart,
            harness::Replay::LastEventId,
            harness::Replay::LiveOnly,
        ]);
        switches.event_page_size = self.pick(&[3, 50]);
        switches.event_ids = self.rng.bool();
        switches.queued_ms = self.pick(&[0, 2_000]);
        switches.heartbeat_ms = self.pick(&[0, 15_000]);
        switches.stream_ends = self.rng.bool();
        switches.stream_ends_at_wait = self.rng.u8(..4) == 0;
        switches.end_lag_ms = self.pick(&[0, 0, 1_500]);
        if self.rng.u8(..6) == 0 {
            switches.stream_missing = Some(404);
        }
    }

    fn finish<P: Provider, M: Machine>(
        mut self,
        mut simulation: Simulation<P, M>,
        with_log: bool,
    ) -> Result<(Summary, Vec<String>), Box<Violation>> {
        let mut policy = Policy::default();
        let must_finish = self.rng.bool();
        let mut delay = self.pick(&[1_000, 20_000, 300_000]);
        let mut deaf = false;
        if must_finish {
            let heal_after = Duration::from_millis(self.rng.u64(10_000..600_000));
            let longest = Duration::from_millis(20 * 60_000 + 8 * delay);
            simulation = simulation.heal_after(heal_after).longest(longest);
        } else {
            delay = self.pick(&[1_000, 60_000, 7_200_000]);
            policy.work = Some(Duration::from_secs(self.pick(&[60, 600, 7_200])));
            policy.human = Some(Duration::from_secs(self.pick(&[300, 10_800])));
            deaf = self.rng.u8(..8) == 0;
            simulation = simulation.longest(Duration::from_secs(2 * 86_400));
        }
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 1);
        let mut said = 0;
        let human = move |question: &Question| {
            if deaf {
                return None;
            }
            said += 1;
            let after = Duration::from_millis(rng.u64(..=delay));
            Some((after, answer(question, said, &mut rng)))
        };
        let mishaps = Mishaps::seeded(self.seed);
        let simulation = simulation
            .policy(policy)
            .human(human)
            .mishaps(mishaps)
            .seed(self.seed);
        let simulation = if with_log {
            simulation.with_log()
        } else {
            simulation
        };
        simulation.run().map(summary_of)
    }
}

/// No two answers are the same, so that one can be told from another.
fn answer(question: &Question, said: u32, rng: &mut fastrand::Rng) -> Answer {
    match question.kind {
        QuestionKind::Approval if rng.u8(..5) == 0 => Answer::Reject {
            reason: Some(format!("answer {said}")),
        },
        QuestionKind::Approval => Answer::Approve,
        QuestionKind::Data => {
            let value = serde_json::Value::from(format!("answer {said}"));
            Answer::Input([("value".to_owned(), value)].into_iter().collect())
        }
        _ => Answer::text(format!("answer {said}.")),
    }
}
