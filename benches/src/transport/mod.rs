//! Whole exchanges over loopback, ours beside peers, each client in a process of its own and the server in another.

pub mod poll;
pub mod server;
pub mod upload;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use crate::alloc;

/// What a client process took for what it did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Requests.
    pub requests: u64,
    /// Processor time of the process in microseconds, user space and kernel.
    pub cpu_us: f64,
    /// Allocations.
    pub allocations: u64,
    /// By how much the largest resident set exceeds the one before, in KiB.
    pub growth_kib: u64,
}

/// Measures what is done; `work` gives the number of requests.
///
/// # Panics
/// Where the system does not tell.
pub fn measured(work: impl FnOnce() -> u64) -> Taken {
    let resident = memory_kib("VmRSS:");
    let (cpu, allocations) = (cpu_us(), alloc::count());
    let requests = work();
    Taken {
        requests,
        cpu_us: cpu_us() - cpu,
        allocations: alloc::count() - allocations,
        growth_kib: memory_kib("VmHWM:").saturating_sub(resident),
    }
}

fn cpu_us() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64
}

/// Returns a line of the process's status; 0 where the system has none.
fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
