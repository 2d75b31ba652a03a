//! What failed, in words, and when it is tried again.

use std::time::Duration;

use crate::clock::span;
use crate::sanitise::one_line;

/// Says what failed, and when it is tried again: never "in 0s".
pub(crate) fn retrying(why: &str, wait: Duration) -> String {
    let why = failure_in_words(&one_line(why));
    match wait.as_secs() {
        0 => format!("{why}; retrying"),
        _ => format!("{why}; retrying in {}", span(wait)),
    }
}

/// Returns what failed without the numbers of the operating system.
pub(crate) fn failure_in_words(why: &str) -> String {
    let why = without_os_error(why);
    let refused = why.strip_prefix("could not connect: ");
    match refused.and_then(|detail| detail.rsplit_once(": ")) {
        Some((server, cause)) => {
            format!("cannot connect to {server} ({})", cause.to_lowercase())
        }
        None => why,
    }
}

/// Drops the numbers of the operating system's errors, which say nothing to people: ` (os error 111)`.
fn without_os_error(text: &str) -> String {
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

    #[test]
    fn numbers_of_the_operating_system_are_dropped() {
        let text = "a: refused (os error 111): b (os error x) (os error 2)";
        assert_eq!(without_os_error(text), "a: refused: b (os error x)");
        assert_eq!(without_os_error("nothing"), "nothing");
    }

    #[test]
    fn a_retry_says_what_failed_and_when_it_is_tried_again_without_numbers_of_the_system() {
        let refused = "could not connect: 127.0.0.1:1: Connection refused (os error 111)";
        for (why, wait, text) in [
            (
                refused,
                400,
                "cannot connect to 127.0.0.1:1 (connection refused); retrying",
            ),
            (
                refused,
                2_000,
                "cannot connect to 127.0.0.1:1 (connection refused); retrying in 2s",
            ),
            (
                "the server answered 503",
                0,
                "the server answered 503; retrying",
            ),
        ] {
            assert_eq!(retrying(why, Duration::from_millis(wait)), text);
        }
    }
}
