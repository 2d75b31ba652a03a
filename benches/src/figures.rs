//! Figures: medians, and instructions by callgrind.

use std::process::Command;

/// Returns the middle one.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Returns whether instructions can be counted here.
#[must_use]
pub fn has_valgrind() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Instructions in user space, of all threads, of this program run with `args`.
///
/// # Panics
/// When the run fails.
#[must_use]
pub fn instructions(args: &[&str]) -> u64 {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        .output()
        .expect("valgrind answered before");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{args:?} failed under callgrind: {report}"
    );
    collected(&report).unwrap_or_else(|| panic!("callgrind said nothing of {args:?}"))
}

/// Returns the figure of callgrind's last line, `==1== Collected : 123`.
fn collected(report: &str) -> Option<u64> {
    let (_, figure) = report.rsplit_once("Collected : ")?;
    figure.split_whitespace().next()?.parse().ok()
}
