//! Numbers that no JSON or no Rust number can represent: preserved as text rather than rounded or refused.

use std::borrow::Cow;

/// Quotes every number that would overflow or lose digits, integers beyond 64 bits and floats beyond `f64`, and the
/// words that some servers write where JSON has no number: `NaN`, `Infinity`, `-Infinity`.
pub(super) fn quote_numbers(text: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let mut copied = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        if first == '"' {
            while let Some((_, inside)) = rest.next() {
                match inside {
                    '"' => break,
                    '\\' => drop(rest.next()),
                    _ => {}
                }
            }
        } else if is_of_token(first) {
            let mut end = start + 1;
            while rest.next_if(|(_, c)| is_of_token(*c)).is_some() {
                end += 1;
            }
            let token = &text[start..end];
            // JSON has no numbers for names, and does not get them by being quoted.
            let is_value = || !text[end..].trim_start().starts_with(':');
            if (WORDS.contains(&token) || is_wide(token)) && is_value() {
                quoted.push_str(&text[copied..start]);
                quoted.extend(["\"", token, "\""]);
                copied = end;
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.push_str(&text[copied..]);
    Cow::Owned(quoted)
}

/// What Python's and other libraries write for what is no number.
const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

fn is_of_token(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='z' | 'A'..='Z' | '.' | '+' | '-')
}

/// Returns whether some run of digits is so long that it may be an integer beyond 64 bits. Looks at one byte in
/// [`WIDE_DIGITS`] of a text without long runs.
pub(super) fn may_hold_wide_integer(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = WIDE_DIGITS - 1;
    while at < bytes.len() {
        if bytes[at].is_ascii_digit() {
            let before = bytes[..at]
                .iter()
                .rev()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let after = bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if before + after >= WIDE_DIGITS {
                return true;
            }
        }
        at += WIDE_DIGITS;
    }
    false
}

/// Digits of the least integer that may not fit into `i64` or `u64`.
const WIDE_DIGITS: usize = 19;

fn is_wide(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return token.parse::<u64>().is_err() && token.parse::<i64>().is_err();
    }
    token.parse::<f64>().is_ok_and(f64::is_infinite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_do_not_fit_are_quoted() {
        let wide = "1234567890123456789012345678901234567890";
        let text = format!(
            r#"{{"a":{wide},"b":[1e400,-1e400,1e300],"c":"{wide}","d\"":-{wide},"é":0.12345678901234567890123}}"#
        );
        let expected = format!(
            r#"{{"a":"{wide}","b":["1e400","-1e400",1e300],"c":"{wide}","d\"":"-{wide}","é":0.12345678901234567890123}}"#
        );
        assert_eq!(quote_numbers(&text), expected);
        assert_eq!(
            quote_numbers(
                r#"[NaN,-Infinity,{"NaN":Infinity,NaN:1,1e400 :2},"NaN",nan,NaN1,"\"NaN"]"#
            ),
            r#"["NaN","-Infinity",{"NaN":"Infinity",NaN:1,1e400 :2},"NaN",nan,NaN1,"\"NaN"]"#
        );
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "-",
            "1.5.5",
            "\"1e400",
            "\"\\",
        ] {
            assert!(matches!(quote_numbers(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_long_run_of_digits_is_found_wherever_it_stands() {
        for before in 0..60 {
            let long = "x".repeat(before) + &"1".repeat(WIDE_DIGITS) + "x";
            assert!(may_hold_wide_integer(&long));
            let short = "x".repeat(before) + &"1".repeat(WIDE_DIGITS - 1) + "x";
            assert!(!may_hold_wide_integer(&short));
        }
    }
}
