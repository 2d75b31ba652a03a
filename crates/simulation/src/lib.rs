//! A task of the client's machine beside a simulated server, in virtual time, with faults: two hours take ten
//! milliseconds.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! A [`Simulation`] does for a [`Task`](taskward_core::Task) what an adapter does, and plays everything around it: the
//! wire, the clock, the human who is asked, the disk, and whoever else has a hand in the task. Everything random follows
//! from one seed, so that the same seed gives the same run. At each step what happened is checked against a reference
//! model, which knows both what was reported to the client and what is true on the server.
//!
//! ```
//! use std::time::Duration;
//! use taskward_core::Answer;
//! use taskward_providers::agent_harness::{AgentHarness, Job};
//! use taskward_simulation::{FaultEvent, FaultPlan, START, Simulation};
//! use taskward_sim::{Scenario, harness::Server};
//!
//! // An order that waits for an approval, which takes its human two hours.
//! let scenario = Scenario::parse(r#"
//!     [[run]]
//!     name = "order"
//!     steps = [
//!         { run = "2s" },
//!         { wait = { kind = "approval", timeout = "8h" } },
//!         { run = "1s" },
//!         { succeed = true },
//!     ]
//! "#)?;
//! let job = Job::goal("Order chairs.").with_input("scenario", "order");
//! let report = Simulation::new(AgentHarness, Server::new(7, &scenario, START), job)
//!     .human(|_question| Some((Duration::from_secs(2 * 3600), Answer::Approve)))
//!     .faults(FaultPlan::none().with(FaultEvent::DropReply, 3).with(FaultEvent::Kill, 40))
//!     .seed(42)
//!     .run()?;
//! assert_eq!(report.code(), Some("succeeded"));
//! assert!(report.elapsed >= Duration::from_secs(2 * 3600));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! | | |
//! |---|---|
//! | I-1 | one run makes at most one task |
//! | I-2 | an answer is applied at most once, to the question that it was written for, and what is reported of it is true |
//! | I-3 | what is sent is durable before, and the id before it is reported; no restart loses either, and no search takes a foreign task for ours |
//! | I-4 | events come in rising order, once, and every gap is reported |
//! | I-5 | a watch has one end, and nothing after it |
//! | I-6 | the reported outcome is the one that is true on the server |
//! | I-7 | the key is in nothing that is stored or reported |
//! | I-8 | the limits of attempts, poll intervals and deadlines hold |
//! | I-9 | what a task holds does not grow with what has happened |
//! | I-10 | once nothing goes wrong any more, the watch ends |
//! | I-11 | the same seed gives the same run: [`Report::trace`] |
//! | I-13 | no task of a fleet waits for its turn longer than is promised |
//! | I-14 | a server that limits the rate is not asked faster than the rate that is known |
//!
//! I-12, that both adapters do alike, is for tests of the adapters: here there is none.
//!
//! # Two modes
//! Without [`heal_after`](Simulation::heal_after) things go wrong until the run ends or its time is up: nothing wrong
//! may happen, but nothing good has to. With it nothing goes wrong from then on, and the watch has to reach its end.
//!
//! [`seeds`] are the cases that Taskward itself has to pass, and [`fuzzed`] drives the machine as a fuzzer's bytes say.
//!
//! It does *not* open a socket or read a clock, and it is no part of the program.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod drive;
mod fault;
mod fleet;
pub mod fuzzed;
mod human;
mod invariant;
mod model;
mod observation;
mod other_clients;
mod recovery;
mod replies;
mod report;
pub mod seeds;
mod spoil;
mod wire;
mod world;

use std::time::Duration;

use taskward_core::{Answer, Policy, Provider, Question, TaskId};
use taskward_sim::platform::SimPlatform;

pub use fault::{FaultEvent, FaultPlan};
pub use invariant::Invariant;
pub use report::{Counted, Reads, Report, Violation};

use world::World;

/// When the simulated time begins: 2026-05-12T10:15:00Z.
pub const START: u64 = 1_778_580_900_000;

/// What a human does who is asked: answers after some time, or never.
pub type Human = Box<dyn FnMut(&Question) -> Option<(Duration, Answer)>>;

/// What a simulation begins with.
enum Beginning<J> {
    /// A start.
    Start(J),
    /// A message to a task that is there.
    Turn { task: TaskId, text: String },
}

/// What becomes of the process whenever its task waits for nothing but time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// It waits.
    #[default]
    #[value(skip)]
    Stays,
    /// It stores the task and ends, and another resumes it when the wait is over: a program that a timer starts.
    ResumeAtWaits,
    /// It parks the task whenever that is quiet, keeps nothing else of it, and unparks it when the wait is over.
    ParkAtWaits,
}

/// A task to be simulated, and all that may happen to it.
pub struct Simulation<P: Provider, M: SimPlatform> {
    provider: P,
    machine: M,
    beginning: Beginning<P::Job>,
    policy: Policy,
    human: Human,
    cancel_after: Option<Duration>,
    interrupt_after: Option<Duration>,
    /// What the caller says, and when.
    messages: Vec<(u64, String)>,
    /// What others start, and when.
    others: Vec<(u64, P::Job)>,
    faults: FaultPlan,
    shape: Shape,
    heal_after: Option<Duration>,
    longest: Duration,
    seed: u64,
    is_told: bool,
}

impl<P: Provider, M: SimPlatform> Simulation<P, M> {
    /// Returns a job on a server whose time begins at [`START`]. Nothing goes wrong, nobody answers, and no deadline passes.
    pub fn new(provider: P, machine: M, job: P::Job) -> Self {
        Self::beginning(provider, machine, Beginning::Start(job))
    }

    /// Returns a turn of a task that is there: the message, and what the task makes of it. An agent that takes no time at all
    /// over it cannot be distinguished from one that has not started.
    pub fn turn(provider: P, machine: M, task: TaskId, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::beginning(provider, machine, Beginning::Turn { task, text })
    }

    fn beginning(provider: P, machine: M, beginning: Beginning<P::Job>) -> Self {
        Self {
            provider,
            machine,
            beginning,
            policy: Policy::default(),
            human: Box::new(|_| None),
            cancel_after: None,
            interrupt_after: None,
            messages: Vec::new(),
            others: Vec::new(),
            faults: FaultPlan::none(),
            shape: Shape::Stays,
            heal_after: None,
            longest: Duration::from_secs(7 * 86_400),
            seed: 0,
            is_told: false,
        }
    }

    /// Sets how the task is followed.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Whoever is asked. A question that is asked again, since an answer did not arrive or the process died, is put to
    /// them again.
    #[must_use]
    pub fn human(
        mut self,
        human: impl FnMut(&Question) -> Option<(Duration, Answer)> + 'static,
    ) -> Self {
        self.human = Box::new(human);
        self
    }

    /// Makes the caller cancel the task after this time.
    #[must_use]
    pub fn cancel_after(mut self, after: Duration) -> Self {
        self.cancel_after = Some(after);
        self
    }

    /// Makes the caller interrupt after this time; the policy says what happens to the task.
    #[must_use]
    pub fn interrupt_after(mut self, after: Duration) -> Self {
        self.interrupt_after = Some(after);
        self
    }

    /// Makes the caller send this message after this time, without a question.
    #[must_use]
    pub fn message_after(mut self, after: Duration, text: impl Into<String>) -> Self {
        let at = START.saturating_add(world::millis(after));
        self.messages.push((at, text.into()));
        self
    }

    /// Somebody else starts this in the same account, at this Unix time in milliseconds. It may be before [`START`] where
    /// the server's time begins before it, too.
    #[must_use]
    pub fn another(mut self, at: u64, job: P::Job) -> Self {
        self.others.push((at, job));
        self
    }

    /// Sets the injected faults.
    #[must_use]
    pub fn faults(mut self, faults: FaultPlan) -> Self {
        self.faults = faults;
        self
    }

    /// Sets what becomes of the process at each wait.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Nothing goes wrong any more after this time, and the watch must end; a server that keeps an answer back for longer
    /// than the policy has patience goes wrong.
    #[must_use]
    pub fn heal_after(mut self, after: Duration) -> Self {
        self.heal_after = Some(after);
        self
    }

    /// Returns how long the whole may take: when things heal, from then on, else in all. A week by default.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets the seed of everything random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Records the log of what happened, for [`Report::log`] and [`Violation::log`].
    #[must_use]
    pub fn with_log(mut self) -> Self {
        self.is_told = true;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When an invariant does not hold.
    pub fn run(self) -> Result<Report<P::Output, M>, Box<Violation>> {
        World::new(self).run()
    }
}
