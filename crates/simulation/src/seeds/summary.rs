//! What many runs come to.

use std::fmt;
use std::time::Duration;

use crate::{Counted, FaultEvent, Invariant};

/// The sum of some runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many.
    pub seeds: u64,
    /// How many fleets were followed beside.
    pub fleets: u64,
    /// Steps that were done.
    pub steps: u64,
    /// Processes that lived.
    pub processes: u64,
    /// Time that went by in them.
    pub simulated: Duration,
    /// The digest of all that happened, whatever the order of the runs.
    pub trace: u64,
    /// How they ended.
    pub ends: Counted<&'static str>,
    /// What went wrong.
    pub struck: Counted<FaultEvent>,
    /// What was checked.
    pub checked: Counted<Invariant>,
}

impl Summary {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.fleets += other.fleets;
        self.steps += other.steps;
        self.processes += other.processes;
        self.simulated += other.simulated;
        self.trace ^= other.trace;
        self.ends.add(&other.ends);
        self.struck.add(&other.struck);
        self.checked.add(&other.checked);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.simulated.as_secs() / 86_400;
        writeln!(
            f,
            "{} seeds, {} fleets, {} steps, {} processes, {days} simulated days, trace {:016x}",
            self.seeds, self.fleets, self.steps, self.processes, self.trace
        )?;
        writeln!(f, "ends:")?;
        for (end, count) in self.ends.iter() {
            writeln!(f, "  {count:>9} {end}")?;
        }
        writeln!(f, "faults:")?;
        for fault in FaultEvent::ALL {
            writeln!(f, "  {:>9} {fault}", self.struck.of(fault))?;
        }
        writeln!(f, "checks: {}", self.checked.total())?;
        for invariant in Invariant::ALL {
            writeln!(f, "  {:>9} {invariant}", self.checked.of(invariant))?;
        }
        Ok(())
    }
}
