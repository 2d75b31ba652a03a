//! Prints what each contender costs: instructions, allocations, nanoseconds, and its target.
//!
//! `count` prints the table; `count run NAME N` does one contender N times, for callgrind to watch.

use std::process::{Command, ExitCode};
use std::time::Instant;

use taskward_benches::{Contender, alloc, contenders};

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
        [] => table(),
        ["run", name, times] => run(name, times),
        _ => {
            eprintln!("usage: count [run NAME TIMES]");
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

/// Exits 1 when a target is missed.
fn table() -> ExitCode {
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_valgrind {
        eprintln!("count: valgrind is not installed, so instructions are not counted");
    }
    println!("| bench | what | instructions | allocations | ns | target |");
    println!("|---|---|---|---|---|---|");
    let mut missed = false;
    for contender in contenders() {
        let instructions = has_valgrind.then(|| instructions(contender.name));
        let allocations = allocations(&contender);
        let verdict = contender.target.map_or_else(String::new, |target| {
            let held = instructions.is_none_or(|count| count <= target.instructions as f64)
                && allocations <= target.allocations as f64;
            missed |= !held;
            let word = if held { "held" } else { "MISSED" };
            format!(
                "<= {} instructions, <= {} allocations: {word}",
                target.instructions, target.allocations
            )
        });
        println!(
            "| {} | {} | {} | {allocations:.2} | {} | {verdict} |",
            contender.group,
            contender.name,
            instructions.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}")),
            nanoseconds(&contender),
        );
    }
    ExitCode::from(u8::from(missed))
}

/// Instructions of one iteration: the difference between two run lengths, so that start and end of the process cancel.
fn instructions(name: &str) -> f64 {
    let [short, long] = [ITERATIONS, 2 * ITERATIONS].map(|times| {
        let program = std::env::current_exe().expect("a running program has a path");
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(["run", name, &times.to_string()])
            .output()
            .expect("valgrind answered before");
        collected(&String::from_utf8_lossy(&output.stderr))
            .unwrap_or_else(|| panic!("callgrind said nothing of {name}"))
    });
    long.saturating_sub(short) as f64 / ITERATIONS as f64
}

/// The figure of callgrind's last line, `==1== Collected : 123`.
fn collected(report: &str) -> Option<u64> {
    let (_, figure) = report.rsplit_once("Collected : ")?;
    figure.split_whitespace().next()?.parse().ok()
}

fn allocations(contender: &Contender) -> f64 {
    let mut once = (contender.prepare)();
    (0..BURST).for_each(|_| once());
    let before = alloc::count();
    (0..BURST).for_each(|_| once());
    (alloc::count() - before) as f64 / BURST as f64
}

fn nanoseconds(contender: &Contender) -> u64 {
    let mut once = (contender.prepare)();
    let mut bursts: Vec<u128> = (0..BURSTS)
        .map(|_| {
            let start = Instant::now();
            (0..BURST).for_each(|_| once());
            start.elapsed().as_nanos() / u128::from(BURST)
        })
        .collect();
    bursts.sort_unstable();
    bursts[BURSTS / 2] as u64
}
