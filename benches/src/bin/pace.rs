//! Prints how many polls a task costs and how late its end is seen, beside the loop of the platform's SDK, and whether the
//! targets are met.

use std::process::ExitCode;

use taskward_benches::pace::{self, Pace};

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
    let claims = [
        (
            "R x D on the mix is at most 80",
            plain.requests * plain.delay <= 80.0,
        ),
        ("p95 on the mix is at most 10 s", plain.p95 <= 10.0),
        (
            "with the time left D is at most a quarter",
            told.delay <= vendor.delay / 4.0,
        ),
        (
            "with the time left R is at most half",
            told.requests <= vendor.requests / 2.0,
        ),
    ];
    println!();
    for (claim, holds) in claims {
        println!("{}: {claim}", if holds { "met" } else { "missed" });
    }
    match claims.iter().all(|(_, holds)| *holds) {
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
