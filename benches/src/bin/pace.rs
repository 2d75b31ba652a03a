//! Prints how many polls a task costs and how late its end is seen, beside the loop of the platform's SDK, and whether the
//! targets are met.

use std::process::ExitCode;

use taskward_benches::pace::{self, Pace};
use taskward_benches::row::Row;

fn main() -> ExitCode {
    println!("| tasks | who | R | D (s) | p95 (s) | R x D |");
    println!("|---|---|---|---|---|---|");
    for kind in ['A', 'B', 'C', 'P'] {
        row(kind, "loop of the SDK", pace::vendor(kind));
        row(kind, "ours", pace::ours(kind, None));
        row(
            kind,
            "ours, time left known to 30 %",
            pace::ours(kind, Some(0.3)),
        );
    }
    let (vendor, plain) = (pace::vendor('P'), pace::ours('P', None));
    let told = pace::ours('P', Some(0.3));
    let product = |pace: &Pace| pace.requests * pace.delay;
    println!();
    let rows = [
        Row::new("P9", "R x D on the mix", product(&plain), "s")
            .peer("loop of the SDK", product(&vendor))
            .at_most(80.0),
        Row::new("P9", "p95 of the delay on the mix", plain.p95, "s")
            .peer("loop of the SDK", vendor.p95)
            .at_most(10.0),
        Row::new("P9", "D with a time left that is 30 % off", told.delay, "s")
            .peer("loop of the SDK", vendor.delay)
            .at_most(vendor.delay / 4.0),
        Row::new(
            "P9",
            "R with a time left that is 30 % off",
            told.requests,
            "requests",
        )
        .peer("loop of the SDK", vendor.requests)
        .at_most(vendor.requests / 2.0),
    ];
    let met = rows.map(|row| row.print());
    match met.iter().all(|met| *met) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn row(kind: char, who: &str, pace: Pace) {
    let Pace {
        requests,
        delay,
        p95,
    } = pace;
    let product = requests * delay;
    println!("| {kind} | {who} | {requests:.1} | {delay:.2} | {p95:.1} | {product:.1} |");
}
