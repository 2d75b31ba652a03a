//! JSON as people write it, whose numbers arrive as they were written or not at all.

use serde_json::{Number, Value};

/// Reads JSON; an error says what the text is or has.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
    match numbers(text).find_map(altered) {
        None => Ok(value),
        Some((number, held)) => Err(format!(
            "has the number {number}, which would arrive as {held}: write that, or a text"
        )),
    }
}

/// The numbers in a text that is JSON, as they are written.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9'))?;
            rest = &rest[at..];
            if let Some(string) = rest.strip_prefix('"') {
                rest = behind(string);
                continue;
            }
            let is_part = |c: char| matches!(c, '+' | '-' | '.' | 'e' | 'E' | '0'..='9');
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            rest = behind;
            return Some(number);
        }
    })
}

/// What follows the closing quote of a string.
fn behind(string: &str) -> &str {
    let mut chars = string.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return &string[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The number with what is held in its place, when that is another one.
fn altered(number: &str) -> Option<(&str, String)> {
    let held: Number = serde_json::from_str(number).ok()?;
    let held = held.to_string();
    (decimal(number) != decimal(&held)).then_some((number, held))
}

/// A number as its sign, its digits without zeros at either end, and the power of ten of the last of them.
fn decimal(number: &str) -> (bool, String, i64) {
    let (mantissa, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_negative = whole.starts_with('-');
    let digits = whole.trim_start_matches('-').to_owned() + fraction;
    let kept = digits.trim_end_matches('0');
    let dropped = digits.len() - kept.len();
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return (false, String::new(), 0);
    }
    // One beyond all bounds is that of no number that is held.
    let power = power.parse::<i64>().unwrap_or(i64::MAX);
    let places = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let power = power
        .saturating_sub(places(fraction.len()))
        .saturating_add(places(dropped));
    (is_negative, kept.to_owned(), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_arrives_as_it_is_written() {
        for text in [
            "[0,-0,0.0,-0.0,0e99999999999999999999,1,10,1e2,1E+2,1.50,100e-2,-7]",
            "[0.1,0.30000000000000004,3.141592653589793,5e-324,1.7976931348623157e308]",
            "[18446744073709551615,-9223372036854775808,100000000000000000000]",
            r#"{"7.00000000000000000001":"\"1e-999","é\\":[]}"#,
            "\"\\\\\"",
            "12",
        ] {
            assert_eq!(
                json(text),
                serde_json::from_str(text).map_err(|_| text.into())
            );
        }
    }

    #[test]
    fn a_number_that_would_arrive_as_another_one_is_refused_by_its_name() {
        for (text, number, held) in [
            (
                "18446744073709551616",
                "18446744073709551616",
                "1.8446744073709552e+19",
            ),
            (
                r#"{"a":[1,"2",-9223372036854775809]}"#,
                "-9223372036854775809",
                "-9.223372036854776e+18",
            ),
            ("0.1000000000000000055", "0.1000000000000000055", "0.1"),
            (
                "9007199254740993.0",
                "9007199254740993.0",
                "9007199254740992.0",
            ),
            ("1e-400", "1e-400", "0.0"),
            ("1e-99999999999999999999", "1e-99999999999999999999", "0.0"),
        ] {
            let why = json(text).expect_err(text);
            assert!(
                why.starts_with(&format!(
                    "has the number {number}, which would arrive as {held}:"
                )),
                "{why}"
            );
        }
        for text in ["", "{", "1e400", "01", "1.", "[1 2]"] {
            let why = json(text).expect_err(text);
            assert!(why.starts_with("is not JSON: "), "{text}: {why}");
        }
    }
}
