use std::borrow::Cow;

use taskward_core::is_redacted;

/// Makes text that a JSON parser accepts out of a body that is almost JSON text.
///
/// A byte order mark at the start is dropped, bytes that are not UTF-8 become U+FFFD, and so does the escape of a
/// surrogate without its other half (`\ud83d`), which some servers produce by cutting a string between the two halves.
/// A body that needs none of it is borrowed.
///
/// ```
/// # use taskward_providers::wire::repair;
/// assert_eq!(repair(br#"{"text":"cut \ud83d"}"#), r#"{"text":"cut \ufffd"}"#);
/// ```
pub fn repair(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // The plain check is several times as fast as the lossy one, and nearly always enough.
    let text =
        std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    let Some(first) = next_lone(&text, 0) else {
        return text;
    };
    // The replacement is as long as what it replaces, so positions stay.
    let mut text = text.into_owned();
    let mut lone = Some(first);
    while let Some(at) = lone {
        text.replace_range(at..at + ESCAPE, "\\ufffd");
        lone = next_lone(&text, at + ESCAPE);
    }
    Cow::Owned(text)
}

/// Returns whether something in this text was lost on its way, here or before: U+FFFD replaces it, or the mask of the API
/// key.
pub fn is_damaged(text: &str) -> bool {
    text.contains(char::REPLACEMENT_CHARACTER) || is_redacted(text)
}

/// What some servers put before UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

/// Returns the position of the next escaped surrogate without its other half. A backslash occurs only inside JSON strings.
fn next_lone(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += text[at..].find('\\')?;
        match escaped_unit(text, at) {
            Some(0xd800..=0xdbff)
                if matches!(escaped_unit(text, at + ESCAPE), Some(0xdc00..=0xdfff)) =>
            {
                at += 2 * ESCAPE;
            }
            Some(0xd800..=0xdfff) => return Some(at),
            Some(_) => at += ESCAPE,
            // A backslash and the character that it escapes, which may be a backslash.
            None => at += 1 + text[at + 1..].chars().next()?.len_utf8(),
        }
    }
}

/// Returns the UTF-16 unit of the escape at this position.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    if digits.starts_with('+') {
        None
    } else {
        u16::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let repaired = repair(body.as_bytes());
        assert_eq!(repaired, expected);
        assert_eq!(
            matches!(repaired, Cow::Borrowed(_)),
            body == expected,
            "{body}"
        );
    }

    #[test]
    fn only_lone_surrogates_are_replaced() {
        check(r#""\ud83d""#, r#""\ufffd""#);
        check(r#""\ude00""#, r#""\ufffd""#);
        check(r#""\uD83D\uDE00""#, r#""\uD83D\uDE00""#);
        check(r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#);
        check(r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#);
        check(r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#);
        check(r#""\ud83dx""#, r#""\ufffdx""#);
        check(r#""\\ud83d""#, r#""\\ud83d""#);
        check(r#""\\\ud83d""#, r#""\\\ufffd""#);
        check(r#""\u00e9\"\\""#, r#""\u00e9\"\\""#);
        check("plain é", "plain é");
        check("\\é\\ud83d", "\\é\\ufffd");
    }

    #[test]
    fn a_broken_escape_is_left_to_the_parser() {
        for body in [
            r"\", r"\u", r"\ud8", r"\ud83", r"\u+123", r"\uzzzz", r"\ud83é",
        ] {
            check(body, body);
        }
    }

    #[test]
    fn a_byte_order_mark_is_dropped_once() {
        assert_eq!(repair("\u{feff}{}".as_bytes()), "{}");
        assert_eq!(repair("\u{feff}\u{feff}{}".as_bytes()), "\u{feff}{}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(repair(b"\"a\xffb\""), "\"a\u{fffd}b\"");
        assert_eq!(repair(b"\"\xe2\x82"), "\"\u{fffd}");
        assert_eq!(repair(b"\"\xff\\ud83d\""), "\"\u{fffd}\\ufffd\"");
    }
}
