//! All faults of all operations, through both adapters, and what may come of them.

use std::sync::Mutex;

use tokio::runtime::Runtime;

use crate::proxy::{Fault, Operation, Part};
use crate::run::{Adapter, Record, Run, Scenario, Simulated, run};

/// Runs at a time: few that work, many that wait for a silence to be noticed.
const WORKERS: usize = 3;
const WAITERS: usize = 20;

/// So many exchanges with each endpoint fail: one more poll is the same to an adapter.
const EXCHANGES: usize = 3;

/// The outcome of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The same end, the same events, the same on the server.
    Same,
    /// The same, but that nobody says why the task failed: the steps that say so are read twice, and not later.
    Wordless,
    /// The same, but reported by an event alone: half a minute, which is little at this speed, went by without a read.
    Unconfirmed,
    /// Nobody knows whether the start was received; so many were.
    Unknown { starts: u64 },
    /// The start was received, as its reply's head says, but no id is known.
    Likely,
    /// Nobody knows whether the answer was received, which it was not.
    Left,
}

/// Runs the scenario undisturbed, which has to end so, and then with each operation failing in each way; `least` is
/// how many operations must fail.
pub(crate) fn each<P: Simulated>(scenario: &Scenario<P>, end: &str, least: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let name = scenario.name;
    let whole = run(Adapter::Hyper, scenario, None, &runtime);
    let twin = run(Adapter::Ureq, scenario, None, &runtime);
    assert!(whole.record.end.starts_with(end), "{name}: {whole:#?}");
    assert_eq!(whole.record, twin.record, "{name}");
    assert_eq!(whole.record.tally.starts, 1, "{name}");
    let sweep = Sweep {
        scenario,
        whole,
        runtime,
        struck: Mutex::default(),
    };
    let targets = sweep.targets();
    assert!(targets.len() >= least, "{name}: {targets:?}");
    let all = targets.iter().flat_map(|operation| {
        let faults = operation.faults().iter();
        faults.map(|fault| (operation.clone(), *fault))
    });
    let (silent, loud): (Vec<_>, Vec<_>) = all.partition(|(_, fault)| *fault == Fault::Timeout);
    sweep.run(&loud, WORKERS);
    sweep.run(&silent, WAITERS);
    let runs = 2 * (loud.len() + silent.len());
    let struck = *sweep.struck.lock().expect("a count");
    let operations = targets.len();
    println!("torture: {name}: {operations} operations, {runs} runs, {struck} struck");
    // How often a run is read beside its stream depends on the moment; what has to happen does not.
    let met = if P::CAPABILITIES.stream {
        runs * 3 / 4
    } else {
        runs
    };
    assert!(struck >= met, "{name}: {struck} of {runs}");
}

struct Sweep<'a, P: Simulated> {
    scenario: &'a Scenario<P>,
    whole: Run,
    runtime: Runtime,
    /// Runs in which the operation that was to fail was met.
    struck: Mutex<usize>,
}

impl<P: Simulated> Sweep<'_, P> {
    /// Returns the operations that fail.
    fn targets(&self) -> Vec<Operation> {
        let begins = |operation: &&Operation| match operation {
            Operation::Connect(_) => self.carried(operation) == Some((self.scenario.from, 0)),
            Operation::Exchange(..) => false,
        };
        let operations = &self.whole.operations;
        let first = operations.iter().position(|operation| begins(&operation));
        let first = first.expect("the scenario has such an exchange");
        let is_new = |operation: &&Operation| match operation {
            Operation::Connect(_) => self
                .carried(operation)
                .is_some_and(|(_, nth)| nth < EXCHANGES),
            Operation::Exchange(_, nth, _) => *nth < EXCHANGES,
        };
        operations[first..].iter().filter(is_new).cloned().collect()
    }

    fn run(&self, targets: &[(Operation, Fault)], workers: usize) {
        let next = Mutex::new(targets.iter());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let target = next.lock().expect("the rest").next();
                        let Some((operation, fault)) = target else {
                            return;
                        };
                        self.check(operation, *fault);
                    }
                });
            }
        });
    }

    fn check(&self, operation: &Operation, fault: Fault) {
        let verdicts = self.verdicts(operation, fault);
        let [hyper, ureq] = [Adapter::Hyper, Adapter::Ureq].map(|adapter| {
            let target = Some((operation.clone(), fault));
            let run = run(adapter, self.scenario, target, &self.runtime);
            *self.struck.lock().expect("a count") += usize::from(run.struck);
            let fits = |verdict: &Verdict| self.fits(*verdict, &run.record);
            assert!(
                verdicts.iter().any(fits) || !run.struck && fits(&Verdict::Same),
                "{}: {operation:?} {fault:?} by {adapter:?}: {verdicts:?}: {:?} {:?}",
                self.scenario.name,
                run.record,
                run.operations
            );
            run
        });
        if verdicts.len() == 1 && hyper.struck && ureq.struck {
            assert_eq!(
                hyper.record, ureq.record,
                "{}: {operation:?} {fault:?}",
                self.scenario.name
            );
        }
    }

    /// Returns what may come of it; more than one where it depends on which side was faster.
    fn verdicts(&self, operation: &Operation, fault: Fault) -> Vec<Verdict> {
        use Fault::Refused;
        let once = !P::CAPABILITIES.start.is_repeatable();
        use Verdict::{Left, Likely, Same, Unconfirmed, Unknown, Wordless};
        match (operation, fault) {
            (Operation::Connect(_), _) => match (
                self.carried(operation).map_or("", |(endpoint, _)| endpoint),
                fault,
            ) {
                ("run" | "start", Fault::Reset | Fault::Short) if once => {
                    vec![Unknown { starts: 0 }, Same]
                }
                ("message" | "answer", Fault::Reset | Fault::Short) if once => vec![Left, Same],
                ("result", Refused) => vec![Same, Wordless],
                _ => vec![Same],
            },
            (Operation::Exchange(endpoint, _, part), _) if once => {
                vec![match (*endpoint, part, fault) {
                    ("run" | "start", Part::Request, Refused) => Same,
                    ("run" | "start", Part::Request, _) => Unknown { starts: 0 },
                    ("run", Part::Head, _) => Unknown { starts: 1 },
                    ("run", Part::Body(_), _) => Likely,
                    ("message" | "answer", Part::Request, fault) if fault != Refused => Left,
                    _ => Same,
                }]
            }
            (Operation::Exchange("read_run", ..), _) => vec![Same, Unconfirmed],
            (Operation::Exchange(..), _) => vec![Same],
        }
    }

    /// Returns the exchange that this connection carried when nothing failed: endpoint and number.
    fn carried(&self, connection: &Operation) -> Option<(&'static str, usize)> {
        let mut operations = self.whole.operations.iter();
        operations.find(|operation| *operation == connection)?;
        operations.find_map(|operation| match operation {
            Operation::Exchange(endpoint, nth, Part::Request) => Some((*endpoint, *nth)),
            Operation::Exchange(..) | Operation::Connect(_) => None,
        })
    }

    fn fits(&self, verdict: Verdict, record: &Record) -> bool {
        let whole = &self.whole.record;
        let starts = match verdict {
            Verdict::Same => return record == whole,
            Verdict::Wordless => {
                return record.tally == whole.tally
                    && record.reported == whole.reported
                    && record.end == "failed None None";
            }
            Verdict::Unconfirmed => {
                let reported = |line: &String| line.starts_with("Unconfirmed");
                let end = whole.end.replace("confirmed true", "confirmed false");
                return record.tally == whole.tally
                    && record.log == whole.log
                    && record.reported.last().is_some_and(reported)
                    && record.end.starts_with(end.trim_end_matches(" None"));
            }
            Verdict::Unknown { starts } if record.end == "outcome_unknown" => starts,
            Verdict::Likely if record.end == "likely started" => 1,
            Verdict::Left => {
                return record.end == "left answer unknown"
                    && record.tally.starts == 1
                    && record.tally.answers == [0];
            }
            Verdict::Unknown { .. } | Verdict::Likely => return false,
        };
        record.tally.starts == starts && record.reported.is_empty()
    }
}
