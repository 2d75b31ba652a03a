//! What a seed means.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{FaultEvent, FaultPlan, START, Shape, Simulation, Violation};
use taskward_core::{
    Answer, OnDetach, Policy, Provider, Question, QuestionId, QuestionKind, TaskId,
};
use taskward_providers::a2a::{self, A2a, Binding};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{self, Nanonets};
use taskward_sim::platform::SimPlatform;
use taskward_sim::{LateMessage, Request, Scenario, a2a as open, harness, nanonets as sim};

use super::RunRecord;

/// From this seed on, a case is that of the seed so much lower, as it was before there were others in the account, turns,
/// messages, interrupts, failing disks and forgotten keys: what such a seed once found, it still tests.
const PLAIN: u64 = 1_000_000_000_000;
/// From this seed on, a case is that of the seed so much lower, as it was before there were agents of A2A.
const TWO: u64 = 2_000_000_000_000;
/// The server is there before anything is simulated.
const BEFORE: u64 = 3 * 3_600_000;
/// What is asked of every agent.
const QUERY: &str = "Do it.";

/// What is run beside the agents and runs that every simulator has.
pub(super) const SCENARIO: &str = r#"
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
pub(super) const AGENTS: [&str; 8] = [
    "echo", "asker", "asker", "buyer", "buyer", "hasty", "checked", "failing",
];
/// The runs of Agent Harness that are started.
pub(super) const RUNS: [&str; 8] = [
    "plain",
    "approve-email",
    "approve-email",
    "needs-input",
    "two-waits",
    "three-waits",
    "long-stream",
    "limit",
];

/// What agents of A2A are told to do.
const SCRIPTS: [&str; 8] = [
    "ask Whose?; done",
    "work 3; artifact done",
    "ask Which one?; work 2; artifact done",
    "ask First?; ask Second?; artifact done",
    "work 1; ask For whom?; chunks 4 1; done",
    "auth 20; work 1; artifact done",
    "auth-in; artifact done",
    "work 2; fail it broke",
];

/// One simulation: everything about it follows from its seed.
pub struct Case {
    seed: u64,
    rng: fastrand::Rng,
    /// Of what plain cases do not have; `None` in a plain one.
    more: Option<fastrand::Rng>,
    /// Whether an agent of A2A is followed.
    is_open: bool,
    /// Whether others answer, too, as fast as we do; never in a plain one.
    is_crowded: bool,
    /// Compared with another shape: then nothing goes wrong.
    compared: Option<Shape>,
}

impl Case {
    /// Returns what this seed stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let is_open = seed < PLAIN && seed % 3 == 2;
        let is_plain = (PLAIN..TWO).contains(&seed);
        let seed = seed % PLAIN;
        Self {
            seed,
            is_open,
            rng: fastrand::Rng::with_seed(seed),
            more: (!is_plain).then(|| fastrand::Rng::with_seed(seed ^ 0x6d6f_7265)),
            is_crowded: false,
            compared: None,
        }
    }

    /// Lets nothing go wrong, so that the run can be compared with one of another shape.
    #[must_use]
    pub fn compared(mut self, shape: Shape) -> Self {
        self.compared = Some(shape);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// When an invariant does not hold.
    pub fn run(mut self, with_log: bool) -> Result<RunRecord, Box<Violation>> {
        let scenario = Scenario::parse(SCENARIO).expect("the scenario is right");
        let faults = self.faults();
        if self.is_open {
            self.run_a2a(scenario, faults, with_log)
        } else if self.rng.bool() {
            self.run_nanonets(scenario, faults, with_log)
        } else {
            self.run_harness(scenario, faults, with_log)
        }
    }

    fn faults(&mut self) -> FaultPlan {
        let mut faults = FaultPlan::seeded(self.seed).with(FaultEvent::FailedSave, 0);
        if self.chance(4) {
            faults = faults.with(FaultEvent::FailedSave, self.one_of(&[2, 6]));
        }
        // By dice of their own: what a seed was before there were edits, it is but for them.
        let mut edits = fastrand::Rng::with_seed(self.seed ^ 0x6564_6974);
        let edits = self.more.is_some() && edits.u8(..4) == 0;
        faults = faults.with(FaultEvent::Reword, if edits { 8 } else { 0 });
        let mut spoils = fastrand::Rng::with_seed(self.seed ^ 0x7370_6f69);
        for fault in [FaultEvent::Foreign, FaultEvent::BadEntry] {
            // Not beside edits: a conversation that never ends holds more than is allowed for.
            let spoils = spoils.u8(..4) == 0 && self.more.is_some() && !edits;
            faults = faults.with(fault, if spoils { 4 } else { 0 });
        }
        if self.chance(8) {
            // A server that cannot be reached.
            faults = faults.with(FaultEvent::DropBeforeSend, self.one_of(&[1, 2]));
        }
        faults
    }

    fn run_nanonets(
        mut self,
        mut scenario: Scenario,
        mut faults: FaultPlan,
        with_log: bool,
    ) -> Result<RunRecord, Box<Violation>> {
        let mut settings: sim::Settings = scenario.of();
        self.switch_nanonets(&mut settings.switches);
        let is_turn = self.chance(6);
        if is_turn {
            settings.switches.message_to_completed = LateMessage::Reopen;
        }
        if self.chance(4) {
            // A lost start is what leads to a search.
            faults = faults.with(FaultEvent::DropReply, 2);
        }
        let name = self.pick(&AGENTS);
        self.is_crowded = self.more.is_some() && name == "hasty";
        if self.is_crowded {
            // The next question is there before the answer to the one before was sent.
            faults = faults.with(FaultEvent::SecondClient, 3);
            settings.switches.reply_delay_ms = 0;
        }
        scenario.set(settings);
        let mut server = sim::Server::new(7, &scenario, START - BEFORE);
        let simulation = if is_turn {
            let task = self.earlier_task(&mut server);
            Simulation::turn(Nanonets, server, task, "And then?")
        } else {
            self.starts(server, name)
        };
        let (simulation, policy, faults) = self.stops(simulation, faults);
        self.finish(simulation, policy, faults, with_log)
    }

    /// Returns what runs this agent, among what others start in the same account.
    fn starts(&mut self, server: sim::Server, name: &str) -> Simulation<Nanonets, sim::Server> {
        let agent = server.agent(name).expect("an agent");
        let job = |agent: &str, query: &str| nanonets::Job::agent(agent).query(query);
        let others = self.others(&server, &agent);
        let simulation = Simulation::new(Nanonets, server, job(&agent, QUERY));
        others
            .into_iter()
            .fold(simulation, |all, (at, agent, query)| {
                all.another(at, job(&agent, query))
            })
    }

    /// Adds what our own side does to its task besides answering: it cancels, sends messages, and stops following.
    fn stops(
        &mut self,
        mut simulation: Simulation<Nanonets, sim::Server>,
        mut faults: FaultPlan,
    ) -> (Simulation<Nanonets, sim::Server>, Policy, FaultPlan) {
        if self.rng.u8(..6) == 0 {
            let after = Duration::from_millis(self.rng.u64(..20_000));
            simulation = simulation.cancel_after(after);
        }
        if self.chance(5) {
            for nth in 0..=self.more_below(2) {
                let after = Duration::from_millis(self.more_below(30_000));
                simulation = simulation.message_after(after, format!("message {nth}."));
            }
        }
        let ways = [
            OnDetach::Detach,
            OnDetach::Cancel {
                within: Duration::from_secs(20),
            },
            OnDetach::CancelAndConfirm {
                within: Duration::from_secs(60),
            },
        ];
        let mut policy = Policy::default();
        policy.on_interrupt = self.one_of(&ways);
        policy.on_deadline = self.one_of(&ways);
        if self.chance(6) {
            let after = Duration::from_millis(self.more_below(30_000));
            simulation = simulation.interrupt_after(after);
            faults = faults.with(FaultEvent::DropAfterSend, 3);
        }
        (simulation, policy, faults)
    }

    fn run_harness(
        mut self,
        mut scenario: Scenario,
        mut faults: FaultPlan,
        with_log: bool,
    ) -> Result<RunRecord, Box<Violation>> {
        let mut settings: harness::Settings = scenario.of();
        self.switch_harness(&mut settings.switches);
        if self.chance(8) {
            // Keys that are forgotten, and a machine that sleeps over the reply.
            settings.switches.key_lifetime_ms = Some(24 * 3_600_000);
            faults = faults
                .with(FaultEvent::DropReply, 2)
                .with(FaultEvent::ClockJump, 3)
                .with(FaultEvent::Kill, 12);
        }
        scenario.set(settings);
        let server = harness::Server::new(7, &scenario, START - BEFORE);
        let name = self.pick(&RUNS);
        let mut job = agent_harness::Job::goal(QUERY).with_input("scenario", name);
        if name == "long-stream" {
            job = job.with_input("events", 60).with_input("interval_ms", 100);
        }
        let mut simulation = Simulation::new(AgentHarness, server, job.clone());
        if self.chance(2) {
            simulation = simulation.another(START - 1_000, job);
        }
        if self.chance(12) {
            let after = Duration::from_millis(self.more_below(30_000));
            simulation = simulation.interrupt_after(after);
        }
        self.finish(simulation, Policy::default(), faults, with_log)
    }

    fn run_a2a(
        mut self,
        mut scenario: Scenario,
        mut faults: FaultPlan,
        with_log: bool,
    ) -> Result<RunRecord, Box<Violation>> {
        let profile = self.pick(&[
            open::Profile::Spec,
            open::Profile::Py,
            open::Profile::Js,
            open::Profile::Langgraph,
        ]);
        let mut switches = open::Switches::of(profile);
        self.switch_a2a(&mut switches);
        let binding = match profile {
            open::Profile::Langgraph => Binding::JsonRpc,
            _ => self.pick(Binding::ALL),
        };
        let streams = self.rng.u8(..4) != 0;
        self.is_crowded = self.chance(2);
        if self.is_crowded {
            // Somebody else answers between the last read before an answer and the answer.
            faults = faults.with(FaultEvent::SecondClient, 8);
        }
        let mut settings: open::Settings = scenario.of();
        settings.switches = switches;
        scenario.set(settings);
        let server = open::Server::new(7, &scenario, START - BEFORE);
        let path = match binding {
            Binding::JsonRpc => "/agents/script/rpc",
            _ => "/agents/script/rest",
        };
        let agent = A2a::at(binding, path)
            .expect("a path")
            .with_streaming(streams);
        let job = a2a::Job::text(self.pick(&SCRIPTS));
        let mut simulation = Simulation::new(agent, server, job);
        if self.rng.u8(..6) == 0 {
            let after = Duration::from_millis(self.rng.u64(..20_000));
            simulation = simulation.cancel_after(after);
        }
        if self.chance(12) {
            let after = Duration::from_millis(self.more_below(30_000));
            simulation = simulation.interrupt_after(after);
        }
        self.finish(simulation, Policy::default(), faults, with_log)
    }

    fn switch_a2a(&mut self, switches: &mut open::Switches) {
        switches.first_event_ms = self.pick(&[0, 0, 3_000]);
        switches.stream_ends_at_question = self.rng.bool();
        switches.subscription_ends_at_question = self.rng.u8(..4) == 0;
        switches.cancel_delay_ms = self.pick(&[0, 2_000]);
        switches.list_tasks = self.rng.u8(..6) != 0;
        if self.rng.u8(..8) == 0 {
            switches.context_ids = open::ContextIds::Refused;
        }
    }

    // --- what plain cases do not have --------------------------------------------------------------------------

    /// Once in so many cases; never in a plain one.
    fn chance(&mut self, one_in: u64) -> bool {
        self.more.is_some() && self.more_below(one_in) == 0
    }

    /// Returns a number below this; 0 in a plain case.
    fn more_below(&mut self, end: u64) -> u64 {
        self.more.as_mut().map_or(0, |rng| rng.u64(..end))
    }

    /// One of these; the first in a plain case.
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.more_below(of.len() as u64) as usize]
    }

    /// Returns what others start in the same account: when, which agent, and what they say.
    fn others(&mut self, server: &sim::Server, ours: &str) -> Vec<(u64, String, &'static str)> {
        let mut others = Vec::new();
        if !self.chance(2) {
            return others;
        }
        let echo = server.agent("echo").expect("an agent");
        let ours = ours.to_owned();
        // The same, long before; another thing to the same agent, and the same to another one, about now.
        others.push((START - 2 * 3_600_000, ours.clone(), QUERY));
        others.push((START - 30_000, ours.clone(), "Do another."));
        if echo != ours {
            others.push((START - 20_000, echo, QUERY));
        }
        if self.chance(3) {
            others.push((START + 100, ours.clone(), "Do a third."));
        }
        if self.chance(8) {
            others.push((START + 200, ours, QUERY));
        }
        others
    }

    /// Returns a task that has had its first turn.
    fn earlier_task(&mut self, server: &mut sim::Server) -> TaskId {
        let name = self.one_of(&["echo", "asker"]);
        let agent = server.agent(name).expect("an agent");
        let key = format!("Bearer {}", server.api_key());
        let request = Request::new("POST", &format!("/api/v1/agents/{agent}/run"))
            .header("authorization", &key)
            .json(&serde_json::json!({ "query": "Begin." }));
        let at = START - BEFORE;
        let reply = server.handle(request, at);
        let reply: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        TaskId::new(reply["task_id"].as_str().expect("a task"))
    }

    // --- what all have -----------------------------------------------------------------------------------------

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    fn switch_nanonets(&mut self, switches: &mut sim::Switches) {
        switches.reply_delay_ms = self.pick(&[0, 1_000, 5_000]);
        switches.pending_ms = self.pick(&[0, 0, 3_000]);
        switches.new_task_hidden_ms = self.pick(&[0, 0, 4_000]);
        switches.summary_delay_ms = self.pick(&[0, 0, 4_000]);
        switches.cancel_delay_ms = self.pick(&[0, 2_000]);
        switches.run_reply_omits_status = self.rng.u8(..3) == 0;
        switches.explicit_nulls = self.rng.bool();
        // What comes late opens no new turn: of a task that is over the end stays the end.
        switches.message_to_completed = LateMessage::Conflict;
    }

    fn switch_harness(&mut self, switches: &mut harness::Switches) {
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
        switches.end_delay_ms = self.pick(&[0, 0, 1_500]);
        if self.rng.u8(..6) == 0 {
            switches.stream_missing = Some(404);
        }
    }

    fn finish<P: Provider, M: SimPlatform>(
        mut self,
        mut simulation: Simulation<P, M>,
        mut policy: Policy,
        faults: FaultPlan,
        with_log: bool,
    ) -> Result<RunRecord, Box<Violation>> {
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
        if self.is_crowded {
            delay = 1_000;
        }
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 1);
        let mut said = 0;
        // Held against another run, a human who is asked the same again thinks and answers the same.
        let is_compared = self.compared.is_some();
        let mut thought: BTreeMap<QuestionId, (Duration, Answer)> = BTreeMap::new();
        let human = move |question: &Question| {
            if deaf {
                return None;
            }
            if let Some(known) = thought.get(&question.id).filter(|_| is_compared) {
                return Some(known.clone());
            }
            said += 1;
            let after = Duration::from_millis(rng.u64(..=delay));
            let given = (after, answer(question, said, &mut rng));
            thought.insert(question.id.clone(), given.clone());
            Some(given)
        };
        let simulation = simulation
            .policy(policy)
            .human(human)
            .faults(self.compared.map_or(faults, |_| FaultPlan::none()))
            .shape(self.compared.unwrap_or_default())
            .seed(self.seed);
        let simulation = if with_log {
            simulation.with_log()
        } else {
            simulation
        };
        simulation.run().map(RunRecord::of)
    }
}

/// No two answers are the same, so that one can be told from another.
pub(super) fn answer(question: &Question, said: u32, rng: &mut fastrand::Rng) -> Answer {
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
