//! What failed, for people: without numbers of the operating system, and with the time when it is tried again.

use std::time::Duration;

use taskward::core::FailedAttempt;
use taskward::core::sanitise::one_line;

use crate::clock::span;

/// Says what failed, and when it is tried again: never "in 0s".
pub(crate) fn retrying(failed: &FailedAttempt, wait: Duration) -> String {
    let why = without_os_error(&one_line(&failed.to_string()));
    match wait.as_secs() {
        0 => format!("{why}; retrying"),
        _ => format!("{why}; retrying in {}", span(wait)),
    }
}

/// Drops the numbers of the operating system's errors, which say nothing to people: ` (os error 111)`.
pub(crate) fn without_os_error(text: &str) -> String {
    const BEFORE: &str = " (os error ";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEFORE) {
        out += before;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after[digits..].strip_prefix(')') {
            Some(after) if digits > 0 => rest = after,
            _ => {
                out += BEFORE;
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::core::Cause;
    use taskward::event::RetryReason;

    #[test]
    fn numbers_of_the_operating_system_are_dropped() {
        let text = "a: refused (os error 111): b (os error x) (os error 2)";
        assert_eq!(without_os_error(text), "a: refused: b (os error x)");
        assert_eq!(without_os_error("nothing"), "nothing");
    }

    #[test]
    fn a_retry_says_what_failed_and_when_it_is_tried_again() {
        let detail = "cannot connect to 127.0.0.1:1 (connection refused)";
        let failed = FailedAttempt::new(RetryReason::Wire(Cause::Refused), detail);
        for (wait, text) in [(400, "; retrying"), (2_000, "; retrying in 2s")] {
            let told = retrying(&failed, Duration::from_millis(wait));
            assert_eq!(told, format!("{detail}{text}"));
        }
    }
}
