//! The simulations that Taskward has to pass: each seed is a platform, a job, people, and injected faults.

mod cases;
mod fleets;
mod shapes;
mod summary;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Counted, Invariant, Reads, Report, Violation};
pub use cases::Case;
pub use shapes::{Comparison, Difference, compare};
pub use summary::Summary;
use taskward_core::{Event, Output};

/// Once in so many seeds, a run is done twice: it must be the same.
const TWICE: u64 = 16;

/// Once in so many seeds, a fleet is followed, too.
const FLEET: u64 = 16;

/// The seeds that once went wrong: a number at the beginning of each line, and what it was.
const REGRESSIONS: &str = include_str!("../../regressions.txt");

/// A seed that broke something.
#[derive(Debug)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub what: String,
    /// What happened, line by line, when it was asked for.
    pub log: Vec<String>,
}

/// Runs the case of a seed.
///
/// # Errors
/// When an invariant does not hold, or something panics.
pub fn run(seed: u64, with_log: bool) -> Result<(Summary, Vec<String>), Broken> {
    let RunRecord {
        mut summary,
        mut log,
        ..
    } = attempt(seed, Case::new(seed), with_log)?;
    if seed.is_multiple_of(TWICE) {
        let again = attempt(seed, Case::new(seed), false)?.summary;
        if again.trace != summary.trace {
            return Err(Broken {
                seed,
                what: format!("{}: two runs differ", Invariant::I11),
                log,
            });
        }
        summary.checked.count(Invariant::I11);
    }
    if seed % FLEET == FLEET - 1 {
        let fleet = fleets::run(seed, with_log)?;
        summary.add(&fleet.0);
        log.extend(fleet.1);
    }
    Ok((summary, log))
}

/// Runs a case; a panic is a broken seed, too.
fn attempt(seed: u64, case: Case, with_log: bool) -> Result<RunRecord, Broken> {
    let run = AssertUnwindSafe(|| case.run(with_log));
    match catch_unwind(run) {
        Ok(Ok(record)) => Ok(record),
        Ok(Err(violation)) => Err(Broken::by(seed, &violation)),
        Err(panic) => Err(Broken {
            seed,
            what: format!("a panic: {}", words_of(&*panic)),
            log: Vec::new(),
        }),
    }
}

/// Returns the seeds that once went wrong.
pub fn regressions() -> impl Iterator<Item = u64> {
    REGRESSIONS.lines().filter_map(|line| {
        let number = line.split_whitespace().next()?;
        (!number.starts_with('#')).then(|| number.parse().expect("a line begins with a seed"))
    })
}

impl Broken {
    fn by(seed: u64, violation: &Violation) -> Self {
        Self {
            seed,
            what: violation.to_string(),
            log: violation.log.clone(),
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct RunRecord {
    /// What is summed up of it.
    pub summary: Summary,
    /// What happened, line by line, when it was asked for.
    pub log: Vec<String>,
    /// Everything that was told, in order.
    pub events: Vec<Event>,
    /// The outcome in full.
    pub outcome: String,
    /// What was read.
    pub reads: Reads,
}

impl RunRecord {
    fn of<O: Output + std::fmt::Debug, M>(report: Report<O, M>) -> Self {
        let mut ends = Counted::default();
        ends.count(end_of(&report));
        Self {
            outcome: format!("{:?} {:?}", report.outcome, report.handed_over),
            reads: report.reads,
            events: report.told,
            log: report.log,
            summary: Summary {
                seeds: 1,
                fleets: 0,
                steps: report.steps,
                processes: u64::from(report.processes),
                simulated: report.elapsed,
                trace: report.trace,
                ends,
                struck: report.struck,
                checked: report.checked,
            },
        }
    }
}

fn end_of<O, M>(report: &Report<O, M>) -> &'static str {
    let unfinished = if report.handed_over.is_some() {
        "left"
    } else {
        "unfinished"
    };
    report.code().unwrap_or(unfinished)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
