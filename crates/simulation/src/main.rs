//! Runs seeds, on all cores, and says what they came to.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use taskward_simulation::seeds::{Broken, Comparison, Summary, compare, regressions, run};
use taskward_simulation::{Reads, Shape};

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
    /// Hold each run, without faults, against one in which the process ends at each wait
    #[arg(long, conflicts_with_all = ["first", "fresh"])]
    shape: Option<Shape>,
    /// How a failing seed is run again
    #[arg(long, hide = true, default_value = "taskward-simulation")]
    name: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic is printed with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match (args.seed, args.shape) {
        (None, None) => sweep(&args),
        (Some(seed), None) => replay(seed),
        (Some(seed), Some(shape)) => compare_all(seed, 1, shape),
        (None, Some(shape)) => compare_all(args.from, args.seeds, shape),
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
    let sum = Mutex::new((Summary::default(), Vec::<Broken>::new()));
    on_all_cores(total, |nth| {
        let ran = run(seed_of(nth), false);
        let mut sum = sum.lock().expect("no thread panics while it adds");
        match ran {
            Ok((summary, _)) => sum.0.add(&summary),
            Err(broken) => sum.1.push(broken),
        }
        sum.1.is_empty() || !args.first
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

/// Does this with each number below `total`, on all cores, until it returns false.
fn on_all_cores(total: u64, each: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= total {
                        break;
                    }
                    if !each(nth) {
                        next.store(total, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Holds the runs of these seeds against the same in another shape.
fn compare_all(from: u64, seeds: u64, shape: Shape) -> ExitCode {
    let compared = Mutex::new(Vec::<(u64, Result<Comparison, Broken>)>::new());
    on_all_cores(seeds, |nth| {
        let seed = from + nth;
        let comparison = compare(seed, shape);
        let mut compared = compared.lock().expect("no thread panics while it adds");
        compared.push((seed, comparison));
        true
    });
    let mut compared = compared.into_inner().expect("no thread panics");
    compared.sort_by_key(|(seed, _)| *seed);
    let mut tally = Tally::default();
    for (seed, comparison) in &compared {
        match comparison {
            Ok(comparison) => {
                tally.add(comparison);
                if !comparison.differences.is_empty() && (tally.differing <= TOLD || seeds == 1) {
                    let most = if seeds == 1 { usize::MAX } else { 4 };
                    print_differences(*seed, comparison, most);
                }
            }
            Err(what) => {
                tally.broken += 1;
                println!("BROKEN seed {seed} in one process: {}", what.what);
            }
        }
    }
    tally.print(compared.len());
    if tally.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print_differences(seed: u64, comparison: &Comparison, most: usize) {
    println!("seed {seed}:");
    for difference in comparison.differences.iter().take(most) {
        let what: String = difference.to_string().chars().take(300).collect();
        println!("  {what}");
    }
}

/// What the comparisons come to.
#[derive(Default)]
struct Tally {
    differing: usize,
    broken: usize,
    /// How many differences there are of a kind, and in how many seeds.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    events: (u64, u64),
    stays: Reads,
    shaped: Reads,
}

impl Tally {
    fn add(&mut self, comparison: &Comparison) {
        self.stays.add(comparison.reads);
        self.shaped.add(comparison.shaped_reads);
        self.events.0 += comparison.events.0;
        self.events.1 += comparison.events.1;
        self.differing += usize::from(!comparison.differences.is_empty());
        let mut seen = BTreeSet::new();
        for difference in &comparison.differences {
            let (count, seeds) = self.kinds.entry(difference.kind()).or_default();
            *count += 1;
            *seeds += u64::from(seen.insert(difference.kind()));
        }
    }

    fn print(&self, seeds: usize) {
        println!("{seeds} seeds, {} differ", self.differing);
        for (kind, (count, seeds)) in &self.kinds {
            println!("  {count:>9} {kind}, in {seeds} seeds");
        }
        println!(
            "events: {} in one process, {} in the other shape",
            self.events.0, self.events.1
        );
        for (name, stays, shaped) in [
            ("status reads", self.stays.status, self.shaped.status),
            ("other reads", self.stays.other, self.shaped.other),
            ("streams", self.stays.streams, self.shaped.streams),
            ("all", self.stays.total(), self.shaped.total()),
        ] {
            let more = 100.0 * (shaped as f64 / stays.max(1) as f64 - 1.0);
            println!("{name}: {stays} in one process, {shaped} in the other shape ({more:+.1} %)");
        }
    }

    /// Returns whether the other shape does the same, with at most a tenth more reads.
    fn is_good(&self) -> bool {
        self.differing + self.broken == 0 && 10 * self.shaped.total() <= 11 * self.stays.total()
    }
}
