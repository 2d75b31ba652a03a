//! Runs seeds, on all cores, and says what they came to.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use taskward_simulation::seeds::{Broken, Summary, regressions, run};

/// How many failing seeds are printed.
const TOLD: usize = 20;

/// Runs simulations of Taskward's task machine, each of which follows from a seed
#[derive(Parser)]
struct Args {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this one alone and show what happens
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// End at the first that breaks something
    #[arg(long)]
    first: bool,
    /// Leave out those that once went wrong
    #[arg(long)]
    fresh: bool,
    /// How a failing seed is run again
    #[arg(long, hide = true, default_value = "taskward-simulation")]
    name: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic is printed with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match args.seed {
        Some(seed) => replay(seed),
        None => sweep(&args),
    }
}

fn replay(seed: u64) -> ExitCode {
    match run(seed, true) {
        Ok((summary, log)) => {
            println!("{}\n\n{summary}", log.join("\n"));
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{}", broken.log.join("\n"));
            println!("seed {seed}: {}", broken.what);
            ExitCode::FAILURE
        }
    }
}

fn sweep(args: &Args) -> ExitCode {
    let started = Instant::now();
    let old: Vec<u64> = regressions().filter(|_| !args.fresh).collect();
    let total = args.seeds + old.len() as u64;
    let seed_of = |nth: u64| match old.get(usize::try_from(nth).unwrap_or(usize::MAX)) {
        Some(seed) => *seed,
        None => args.from + (nth - old.len() as u64),
    };
    let next = AtomicU64::new(0);
    let sum = Mutex::new((Summary::default(), Vec::<Broken>::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = (Summary::default(), Vec::new());
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= total {
                        break;
                    }
                    match run(seed_of(nth), false) {
                        Ok((summary, _)) => mine.0.add(&summary),
                        Err(broken) => {
                            mine.1.push(broken);
                            if args.first {
                                next.store(total, Ordering::Relaxed);
                            }
                        }
                    }
                }
                let mut sum = sum.lock().expect("no thread panics while it adds");
                sum.0.add(&mine.0);
                sum.1.extend(mine.1);
            });
        }
    });
    let (summary, mut broken) = sum.into_inner().expect("no thread panics while it adds");
    print!("{summary}");
    println!(
        "{} regressions, {:.1} s",
        old.len(),
        started.elapsed().as_secs_f64()
    );
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    broken.sort_by_key(|broken| broken.seed);
    for Broken { seed, what, .. } in broken.iter().take(TOLD) {
        let what: String = what.chars().take(400).collect();
        println!(
            "BROKEN seed {seed}: {what}\n  replay: {} --seed {seed}",
            args.name
        );
    }
    println!("{} seeds broke something", broken.len());
    ExitCode::FAILURE
}
