//! All faults of all operations, alone and in pairs, and what may come of them.

use taskward_core::{Provider as _, Safety};

use crate::fault::{Fault, Kind, Operation, Plan};
use crate::platform::Platform;
use crate::world::{Run, Scenario, run};

/// How an agent of A2A that streams is asked for a task, and answered.
const START_STREAM: &str = "send_streaming_message";
const ANSWER: &str = "send_message";

/// What comes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The same end, the same events, the same on the server.
    Same,
    /// Nothing was stored and nothing left.
    NeverBegun,
    /// Nobody knows whether the start was received; so many were. It was sent once.
    Unknown { starts: u64 },
    /// The start was received, as its reply's head says, but no id is known. It was sent once.
    Likely,
    /// Nobody knows whether the answer was received, which it was not. It was sent once at most.
    Left,
    /// As the same, but that the end was told by an event alone: half a minute went by without a read of it.
    Unconfirmed,
}

/// The scenario and its undisturbed run.
pub(crate) struct Torture<S: Platform> {
    scenario: Scenario<S>,
    whole: Run,
    /// What makes a write safe to repeat.
    safety: Safety,
}

impl<S: Platform> Torture<S> {
    /// Runs the scenario undisturbed: it has to end so.
    pub(crate) fn new(scenario: Scenario<S>, end: &str) -> Self {
        let safety = S::provider().capabilities().start;
        let whole = run(&scenario, &Plan::default());
        assert!(whole.end.starts_with(end), "{}: {whole:#?}", scenario.name);
        assert_eq!(whole.tally.starts, 1, "{}", scenario.name);
        assert!(whole.tally.answers.iter().all(|answers| *answers == 1));
        Self {
            scenario,
            whole,
            safety,
        }
    }

    /// Each operation fails in each way; `least` is how many operations there must be.
    pub(crate) fn each(&self, least: usize) {
        let operations = &self.whole.operations;
        assert!(operations.len() >= least, "{operations:#?}");
        for (number, operation) in operations.iter().enumerate() {
            for fault in Fault::ALL {
                let run = run(&self.scenario, &Plan(vec![(number, fault)]));
                let verdict = self.verdict(number, fault);
                let name = || {
                    let name = self.scenario.name;
                    format!("{name}: {number} {operation:?} {fault:?}: {verdict:?}: {run:#?}")
                };
                self.check(verdict, &run, &name);
                // One fault costs one repetition, or a reading of everything that there is.
                let limit = 3 * operations.len() + 40;
                assert!(run.operations.len() < limit, "{}", name());
            }
        }
        let runs = Fault::ALL.len() * operations.len();
        let (name, operations) = (self.scenario.name, operations.len());
        println!("torture: {name}: {operations} operations, {runs} runs");
    }

    /// Each operation fails in each way, and then each one behind it, too; `least` is how many runs there must be.
    pub(crate) fn pairs(&self, least: usize) {
        let mut runs = 0;
        for first in 0..self.whole.operations.len() {
            for fault in Fault::ALL {
                let once = run(&self.scenario, &Plan(vec![(first, fault)]));
                for second in first + 1..once.operations.len() {
                    for other in Fault::ALL {
                        let plan = Plan(vec![(first, fault), (second, other)]);
                        self.check_pair(&plan, &run(&self.scenario, &plan));
                        runs += 1;
                    }
                }
            }
        }
        assert!(runs >= least, "{runs}");
        println!("torture: {}: {runs} runs of two faults", self.scenario.name);
    }

    fn verdict(&self, number: usize, fault: Fault) -> Verdict {
        let Operation { kind, endpoint } = self.whole.operations[number];
        let received = match kind {
            Kind::Save => return self.verdict_of_save(number, fault),
            Kind::Write if fault == Fault::Timeout && endpoint == "read_run" => {
                return Verdict::Unconfirmed;
            }
            Kind::Body if fault == Fault::Timeout && endpoint == "read_run" => {
                return Verdict::Unconfirmed;
            }
            Kind::Write if fault != Fault::Refused => 0,
            Kind::Head | Kind::Body => 1,
            _ => return Verdict::Same,
        };
        match (endpoint, received, self.safety) {
            ("run", 1, Safety::Once) if kind == Kind::Body => Verdict::Likely,
            ("run", starts, Safety::Once) => Verdict::Unknown { starts },
            (START_STREAM, 0, Safety::Traceable) => Verdict::Unknown { starts: 0 },
            ("message", 0, Safety::Once) | (ANSWER, 0, Safety::Traceable) => Verdict::Left,
            _ => Verdict::Same,
        }
    }

    /// Returns a process that dies leaves what was stored last.
    fn verdict_of_save(&self, number: usize, fault: Fault) -> Verdict {
        let before = &self.whole.operations[..number];
        let stored = match fault {
            Fault::Refused | Fault::Timeout => return Verdict::Same,
            Fault::Reset => 0,
            Fault::Short => 1,
        };
        let saves = before.iter().filter(|done| done.kind == Kind::Save).count();
        let sent = before.iter().any(|done| done.kind == Kind::Write);
        match saves + stored {
            0 => Verdict::NeverBegun,
            // The task of a start with an id of ours is found, where there is one.
            1 if sent && self.safety == Safety::Traceable => Verdict::Same,
            1 if !self.safety.is_repeatable() => Verdict::Unknown {
                starts: u64::from(sent),
            },
            _ if stored == 1 && !self.safety.is_repeatable() && self.answers_next(number) => {
                Verdict::Left
            }
            _ => Verdict::Same,
        }
    }

    /// Returns whether the operation behind this one sends an answer.
    fn answers_next(&self, number: usize) -> bool {
        let next = self.whole.operations.get(number + 1);
        next.is_some_and(|next| ["message", ANSWER].contains(&next.endpoint))
    }

    fn check(&self, verdict: Verdict, run: &Run, name: &dyn Fn() -> String) {
        let starts = match verdict {
            Verdict::Same => return self.check_same(run, name),
            Verdict::Unconfirmed => return self.check_confirmed(run, name),
            Verdict::NeverBegun => {
                assert_eq!(run.end, "never begun", "{}", name());
                0
            }
            Verdict::Unknown { starts } => {
                assert_eq!(run.end, "outcome_unknown", "{}", name());
                assert!(run.reported.is_empty(), "{}", name());
                starts
            }
            Verdict::Likely => {
                assert_eq!(run.end, "likely started", "{}", name());
                1
            }
            Verdict::Left => {
                assert_eq!(run.end, "left answer unknown", "{}", name());
                assert_eq!(run.sent("message") + run.sent(ANSWER), 0, "{}", name());
                assert_eq!(run.tally.answers, [0], "{}", name());
                1
            }
        };
        assert_eq!(run.tally.starts, starts, "{}", name());
        assert!(run.sent("run") + run.sent(START_STREAM) <= 1, "{}", name());
    }

    /// The same, but that it may not be confirmed by a read.
    fn check_confirmed(&self, run: &Run, name: &dyn Fn() -> String) {
        let reported = |line: &String| line.starts_with("Unconfirmed");
        if !run.reported.iter().any(reported) {
            return self.check_same(run, name);
        }
        let end = run.end.replace("confirmed false", "confirmed true");
        let end = end.split(" Some(\"its own read still says").next();
        assert!(
            end.is_some_and(|end| self.whole.end.starts_with(end)),
            "{}",
            name()
        );
        assert_eq!(run.log, self.whole.log, "{}", name());
        assert_eq!(run.tally, self.whole.tally, "{}", name());
    }

    fn check_same(&self, run: &Run, name: &dyn Fn() -> String) {
        let whole = &self.whole;
        // A watch of a run that has failed reads it, and the reason stands in an event that was taken before.
        let forgotten = run.deaths > 0 && run.end == "failed None None";
        if !forgotten || !whole.end.starts_with("failed") {
            assert_eq!(run.end, whole.end, "{}", name());
        }
        assert_eq!(run.tally, whole.tally, "{}", name());
        if run.deaths == 0 {
            assert_eq!(run.log, whole.log, "{}", name());
            assert_eq!(run.reported, whole.reported, "{}", name());
        } else {
            // What was told and not stored is told again. That it started and was answered is what the next process
            // begins with, and is not told.
            let reported = |run: &Run| {
                let mut reported = unique(&run.reported);
                reported
                    .retain(|line| !line.starts_with("started") && !line.starts_with("answered"));
                reported
            };
            assert_eq!(unique(&run.log), whole.log, "{}", name());
            assert_eq!(reported(run), reported(whole), "{}", name());
        }
    }

    /// Two faults may meet, so that there is more than one fair end; what must never be is the same.
    fn check_pair(&self, plan: &Plan, run: &Run) {
        let name = || format!("{}: {plan:?}: {run:#?}", self.scenario.name);
        assert!(run.tally.starts <= 1, "{}", name());
        assert!(run.tally.answers.iter().all(|answers| *answers <= 1));
        match run.end.as_str() {
            "never begun" | "outcome_unknown" | "likely started" | "left answer unknown" => {}
            // The answer's patience begins with the first failure, and one timeout may take all of it.
            "result_unavailable" => assert!(plan.ends_in_a_timeout(), "{}", name()),
            _ => self.check_confirmed(run, &name),
        }
    }
}

impl Run {
    /// Returns how many requests of this endpoint left whole.
    fn sent(&self, endpoint: &str) -> usize {
        let of = |done: &&Operation| done.endpoint == endpoint && done.kind == Kind::Head;
        self.operations.iter().filter(of).count()
    }
}

fn unique(lines: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for line in lines {
        if !seen.contains(line) {
            seen.push(line.clone());
        }
    }
    seen
}
