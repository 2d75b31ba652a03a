//! Prints what a fleet costs in virtual time (F3): bytes for each task, nanoseconds and allocations for each poll, and how late
//! the turn of a task came at worst. `fleet [TASKS...]` follows 10,000, 100,000 and 1,000,000 tasks, or so many.

use std::error::Error;
use std::process::ExitCode;

use taskward_benches::alloc;
use taskward_benches::fleet::{Cost, follow};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let sizes: Vec<u64> = std::env::args()
        .skip(1)
        .map(|size| size.parse())
        .collect::<Result<_, _>>()?;
    let sizes = match sizes.is_empty() {
        true => vec![10_000, 100_000, 1_000_000],
        false => sizes,
    };
    println!("| tasks | bytes | ns/poll | allocations/poll | worst lateness (s) | promised (s) |");
    println!("|---|---|---|---|---|---|");
    let costs: Vec<Cost> = sizes.into_iter().map(follow).collect();
    for cost in &costs {
        println!(
            "| {} | {:.0} | {:.0} | {:.4} | {:.1} | {:.1} |",
            cost.tasks,
            cost.bytes,
            cost.nanoseconds,
            cost.allocations,
            cost.worst.as_secs_f64(),
            cost.bound.as_secs_f64()
        );
    }
    println!();
    for cost in &costs {
        let tasks = cost.tasks;
        println!("F3 bytes-{tasks} {:.0} B", cost.bytes);
        println!("F3 poll-{tasks} {:.0} ns", cost.nanoseconds);
        println!("F3 lateness-{tasks} {:.1} s", cost.worst.as_secs_f64());
    }
    let claims = [
        (
            "a poll allocates nothing",
            costs.iter().all(|cost| cost.allocations < 0.01),
        ),
        (
            "no task waits longer than is promised",
            costs.iter().all(|cost| cost.worst <= cost.bound),
        ),
        (
            "a followed task takes at most 1,200 bytes",
            costs.iter().all(|cost| cost.bytes <= 1_200.0),
        ),
    ];
    for (claim, holds) in claims {
        println!("{}: {claim}", if holds { "met" } else { "missed" });
    }
    let all_hold = claims.iter().all(|(_, holds)| *holds);
    Ok(ExitCode::from(u8::from(!all_hold)))
}
