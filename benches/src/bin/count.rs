//! Prints what each contender costs: instructions, allocations, nanoseconds, and its target.
//!
//! `count` prints the table, `count GROUP` the rows of one bench, and `count counted` our own rows without any time, which a busy
//! machine would disturb; `count run NAME N` does one contender N times, for callgrind to watch.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Instant;

use taskward_benches::figures::{self, median};
use taskward_benches::row::Row;
use taskward_benches::{Bound, Claim, Contender, alloc, claims, contenders};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Iterations of the shorter run under callgrind; the longer one has twice as many.
const ITERATIONS: u64 = 4_000;
/// Timed bursts; the median of them is shown.
const BURSTS: usize = 41;
/// Iterations of one burst.
const BURST: u64 = 10_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => table(None, true),
        ["counted"] => table(None, false),
        [group] if contenders().iter().any(|one| one.group == group) => table(Some(group), true),
        ["run", name, times] => run(name, times),
        _ => {
            eprintln!("usage: count [GROUP | counted | run NAME TIMES]");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, times: &str) -> ExitCode {
    let contender = contenders().into_iter().find(|one| one.name == name);
    let (Some(contender), Ok(times)) = (contender, times.parse::<u64>()) else {
        eprintln!("count: no contender {name:?}, or {times:?} is no number");
        return ExitCode::from(2);
    };
    let mut once = (contender.prepare)();
    (0..times).for_each(|_| once());
    ExitCode::SUCCESS
}

/// Exits 1 when a target is missed or a claim does not hold. Without times, peers are left out.
fn table(group: Option<&str>, is_timed: bool) -> ExitCode {
    let has_valgrind = figures::has_valgrind();
    if !has_valgrind {
        eprintln!("count: valgrind is not installed, so instructions are not counted");
    }
    println!("| bench | what | instructions | allocations | ns | MB/s |");
    println!("|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    let mut counted = HashMap::new();
    let wanted = |one: &&'static str| group.is_none_or(|group| group == *one);
    for contender in contenders() {
        if !wanted(&contender.group) || !is_timed && contender.target.is_none() {
            continue;
        }
        let instructions = has_valgrind.then(|| instructions(&contender));
        counted.insert(contender.name, instructions);
        let allocations = allocations(&contender);
        let nanoseconds = is_timed.then(|| nanoseconds(contender.name));
        if let Some(target) = contender.target {
            let id = if contender.group == "sse" { "P1" } else { "P3" };
            let name = contender.name;
            if let Some(count) = instructions {
                let row = Row::new(id, format!("{name}: instructions"), count, "");
                rows.push(match target.instructions {
                    Some(most) => row.at_most(most as f64),
                    None => row,
                });
            }
            let row = Row::new(id, format!("{name}: allocations"), allocations, "");
            rows.push(row.at_most(target.allocations as f64));
        }
        println!(
            "| {} | {} | {} | {allocations:.2} | {} | {} |",
            contender.group,
            contender.name,
            shown(instructions),
            shown(nanoseconds),
            shown(
                nanoseconds
                    .filter(|_| contender.bytes > 0)
                    .map(|time| megabytes_per_second(contender.bytes, time))
            ),
        );
    }
    let is_counted = |claim: &Claim| matches!(claim.bound, Bound::TimesTheInstructions(..));
    let claims = claims()
        .into_iter()
        .filter(|one| wanted(&one.group) && (is_timed || is_counted(one)));
    rows.extend(claims.filter_map(|claim| judge(&claim, &counted)));
    let missed = rows.iter().filter(|row| !row.print()).count();
    ExitCode::from(u8::from(missed > 0))
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.0}"))
}

/// Returns what was measured of a claim; `None` when instructions were not counted.
fn judge(claim: &Claim, counted: &HashMap<&'static str, Option<f64>>) -> Option<Row> {
    let what = claim.what;
    Some(match claim.bound {
        Bound::TimesAsFast(least, than) => {
            let [ours, theirs] = bursts([what, than]);
            // Neighbours only ever slow down, so the fastest burst of each tells most.
            let [ours, theirs] =
                [ours, theirs].map(|times| times.into_iter().fold(f64::MAX, f64::min));
            let row = Row::new("P1", format!("{what}: as fast as"), theirs / ours, "x");
            row.peer(than, 1.0).at_least(least)
        }
        Bound::TimesTheInstructions(most, of) => {
            let measured = counted[what]? / counted[of]?;
            let row = Row::new(
                "P2",
                format!("{what}: instructions beside {of}"),
                measured,
                "x",
            );
            row.at_most(most)
        }
        Bound::MegabytesPerSecond(least) => {
            let measured = megabytes_per_second(named(what).bytes, nanoseconds(what));
            Row::new("P2", format!("{what}: throughput"), measured, "MB/s").at_least(least)
        }
    })
}

/// Returns the contender of a name that a claim is about.
fn named(name: &str) -> Contender {
    contenders()
        .into_iter()
        .find(|one| one.name == name)
        .expect("claims are about contenders")
}

fn megabytes_per_second(bytes: u64, nanoseconds: f64) -> f64 {
    bytes as f64 * 1e3 / nanoseconds
}

/// Fewer iterations of what takes long.
fn scaled(iterations: u64, contender: &Contender) -> u64 {
    iterations / (contender.bytes / 1024).max(1)
}

/// Instructions of one iteration: the difference between two run lengths, so that start and end of the process cancel.
fn instructions(contender: &Contender) -> f64 {
    let name = contender.name;
    let iterations = scaled(ITERATIONS, contender);
    let [short, long] = [iterations, 2 * iterations]
        .map(|times| figures::instructions(&["run", name, &times.to_string()]));
    long.saturating_sub(short) as f64 / iterations as f64
}

fn allocations(contender: &Contender) -> f64 {
    let burst = scaled(BURST, contender);
    let mut once = (contender.prepare)();
    (0..burst).for_each(|_| once());
    let before = alloc::count();
    (0..burst).for_each(|_| once());
    (alloc::count() - before) as f64 / burst as f64
}

/// Returns the time of one iteration.
fn nanoseconds(name: &str) -> f64 {
    let [times] = bursts([name]);
    median(times)
}

/// Times of one iteration, burst by burst, the contenders taking turns.
fn bursts<const N: usize>(names: [&str; N]) -> [Vec<f64>; N] {
    let contenders = names.map(named);
    let mut running = contenders.each_ref().map(|one| {
        let burst = scaled(BURST, one);
        ((one.prepare)(), burst, Vec::with_capacity(BURSTS))
    });
    for _ in 0..BURSTS {
        for (once, burst, times) in &mut running {
            let start = Instant::now();
            (0..*burst).for_each(|_| once());
            times.push(start.elapsed().as_nanos() as f64 / *burst as f64);
        }
    }
    running.map(|(_, _, times)| times)
}
