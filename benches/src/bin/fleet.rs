//! Prints what a fleet costs in virtual time (F3): bytes for each task, nanoseconds and allocations for each poll, and how late
//! the turn of a task came at worst. `fleet [TASKS...]` follows 10,000, 100,000 and 1,000,000 tasks, or so many.

use std::error::Error;
use std::process::ExitCode;

use taskward_benches::alloc;
use taskward_benches::fleet::{Cost, follow};
use taskward_benches::row::Row;

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
    let smallest = costs.first();
    let rows = costs.iter().flat_map(|cost| {
        let of = |what: &str| format!("{what}, {} tasks", cost.tasks);
        let (worst, bound) = (cost.worst.as_secs_f64(), cost.bound.as_secs_f64());
        let poll = Row::new("F3", of("a poll"), cost.nanoseconds, "ns");
        // The heap of wake times, and a cache that holds less and less of the tasks.
        let growth =
            smallest.map(|least| least.nanoseconds * cost.tasks as f64 / least.tasks as f64);
        [
            Row::new("F3", of("a followed task"), cost.bytes, "B").at_most(1_200.0),
            growth.map_or(poll.clone(), |most| poll.at_most(most)),
            Row::new("F3", of("allocations of a poll"), cost.allocations, "").at_most(0.01),
            Row::new("F3", of("worst wait for its turn"), worst, "s").at_most(bound),
        ]
    });
    let missed = rows.filter(|row| !row.print()).count();
    Ok(ExitCode::from(u8::from(missed > 0)))
}
