//! The clock of this machine against the server's.

use std::time::{Duration, SystemTime};

use taskward::core::Timestamp;

use super::check::Check;

const ABOUT: &str = "clock";

/// When this version was made, at the earliest: 2026-11-01. A clock before that is wrong.
const MADE: Duration = Duration::from_secs(1_793_491_200);

/// The difference between two clocks that travel and rounding explain.
const SMALL: Duration = Duration::from_secs(60);

/// The difference that makes deadlines, searches by time and certificates fail.
const LARGE: Duration = Duration::from_secs(600);

/// This machine's time.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Judges the clock by itself.
pub(super) fn alone(now: Timestamp) -> Check {
    let made = Timestamp::from_millis(MADE.as_millis() as u64);
    let says = crate::clock::written(now);
    if now < made {
        let what =
            format!("this machine's clock says {says}, and this version of Taskward is younger");
        return Check::problem(ABOUT, what)
            .hint("set the clock; certificates seem not yet valid until then");
    }
    Check::ok(ABOUT, format!("this machine's clock says {says}"))
}

/// Judges it by a server's.
pub(super) fn compared(now: Timestamp, server: Timestamp, name: &str) -> Check {
    let (difference, side) = match now >= server {
        true => (now.since(server), "ahead of"),
        false => (server.since(now), "behind"),
    };
    let what = format!(
        "this machine's clock is {} {side} that of {name}",
        rough(difference)
    );
    let hint = "set it, by NTP at best: while it is wrong, certificates seem expired or not yet valid, and recover \
                searches at the wrong time";
    if difference > LARGE {
        Check::problem(ABOUT, what).hint(hint)
    } else if difference > SMALL {
        Check::warning(ABOUT, what).hint(hint)
    } else {
        Check::ok(ABOUT, format!("it agrees with that of {name}"))
    }
}

/// Says that there was nothing to compare it with.
pub(super) fn incomparable(why: &str) -> Check {
    Check::unknown(
        ABOUT,
        format!("it cannot be compared with a server's: {why}"),
    )
}

/// A difference for people: `2 years`, `3 days`, `1h 02m`.
fn rough(difference: Duration) -> String {
    let days = difference.as_secs() / 86_400;
    match days {
        0 | 1 => crate::clock::span(difference),
        2..=729 => format!("{days} days"),
        _ => format!("{} years", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckResult;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_796_000_000_000);

    fn off(seconds: i64) -> Check {
        let server = NOW.as_millis().saturating_add_signed(seconds * 1000);
        compared(NOW, Timestamp::from_millis(server), "the server")
    }

    /// Rows: O6.
    #[test]
    fn a_clock_is_judged_by_how_far_it_is_from_the_servers() {
        for (seconds, result, words) in [
            (0, CheckResult::Ok, "agrees"),
            (-60, CheckResult::Ok, "agrees"),
            (61, CheckResult::Warning, "1m 01s behind"),
            (-3_700, CheckResult::Problem, "1h 01m ahead of"),
            (3 * 86_400, CheckResult::Problem, "3 days behind"),
            (2 * 366 * 86_400, CheckResult::Problem, "2 years behind"),
            (-2 * 366 * 86_400, CheckResult::Problem, "2 years ahead of"),
        ] {
            let check = off(seconds);
            assert_eq!(check.result, result, "{check:?}");
            assert!(check.message.contains(words), "{check:?}");
        }
    }

    /// Rows: O6.
    #[test]
    fn a_clock_before_this_version_is_wrong_without_a_server() {
        assert_eq!(alone(NOW).result, CheckResult::Ok);
        let before = Timestamp::from_millis(NOW.as_millis() - 2 * 366 * 86_400_000);
        let check = alone(before);
        assert_eq!(check.result, CheckResult::Problem);
        assert!(check.message.contains("2024-11-2"), "{check:?}");
    }
}
