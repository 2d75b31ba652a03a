//! Exact decimals, and the ways in which invoices write them.

use std::fmt;

use serde_json::Value;

/// An exact decimal: `units / 10^scale`, without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    units: i128,
    scale: u32,
}

/// More digits than this are no amount of money.
const MAX_DIGITS: usize = 18;

impl Decimal {
    pub(super) const ZERO: Self = Self { units: 0, scale: 0 };
    pub(super) const ONE: Self = Self { units: 1, scale: 0 };

    /// Reads `1,234.56`, `1.234,56`, `12,50`, `$ 3.50`, `EUR 7`, `(2.00)`, `-2.00`; `None` for anything else.
    ///
    /// Where both marks stand the last is the decimal one. A single comma before exactly three digits groups
    /// thousands; a single point never does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, bracketed) = match text
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            Some(inner) => (inner, true),
            None => (text, false),
        };
        let text = strip_currency(text);
        let (text, signed) = match text.strip_prefix(['-', '−']) {
            Some(rest) => (strip_currency(rest), true),
            None => (text.strip_prefix('+').unwrap_or(text), false),
        };
        let compact: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '\'' | '\u{a0}' | '\u{202f}'))
            .collect();
        let mark = decimal_mark(&compact);
        let (whole, fraction) = match mark {
            Some(at) => (&compact[..at], &compact[at + 1..]),
            None => (compact.as_str(), ""),
        };
        let digits: String = whole
            .chars()
            .filter(|c| !matches!(c, ',' | '.'))
            .chain(fraction.chars())
            .collect();
        let starts_with_digit =
            whole.starts_with(|c: char| c.is_ascii_digit()) || (whole.is_empty() && mark.is_some());
        // Thousands stand in groups of three; anything else is a date, a version or a phone number.
        let is_grouped = whole
            .split([',', '.'])
            .skip(1)
            .all(|group| group.len() == 3);
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !starts_with_digit || !is_grouped || !all_digits || digits.len() > MAX_DIGITS {
            return None;
        }
        let units: i128 = digits.parse().ok()?;
        let units = if bracketed != signed { -units } else { units };
        Some(
            Self {
                units,
                scale: u32::try_from(fraction.len()).ok()?,
            }
            .normal(),
        )
    }

    /// Reads a number or a text.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            // The shortest text that reads back to the same number: what the sender wrote, for all sane amounts.
            // It may be in scientific form, which is no amount that an invoice writes.
            Value::Number(number) => {
                let text = number.to_string();
                Self::parse(text.strip_suffix(".0").unwrap_or(&text))
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        let units = self.units.checked_mul(other.units)?;
        Some(
            Self {
                units,
                scale: self.scale + other.scale,
            }
            .normal(),
        )
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let lift = |one: Self| {
            one.units
                .checked_mul(10i128.checked_pow(scale - one.scale)?)
        };
        Some(
            Self {
                units: lift(self)?.checked_add(lift(other)?)?,
                scale,
            }
            .normal(),
        )
    }

    /// Returns a JSON number; the nearest one there is when the decimal has more digits than numbers hold.
    pub(super) fn to_json(self) -> Value {
        match i64::try_from(self.units) {
            Ok(whole) if self.scale == 0 => Value::from(whole),
            _ => Value::from(self.to_string().parse::<f64>().unwrap_or(f64::MAX)),
        }
    }

    fn normal(mut self) -> Self {
        while self.scale > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.scale -= 1;
        }
        self
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.scale as usize + 1;
        let digits = format!("{:0>width$}", self.units.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        let sign = if self.units < 0 { "-" } else { "" };
        if fraction.is_empty() {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

/// Returns where the decimal mark stands.
fn decimal_mark(text: &str) -> Option<usize> {
    let (comma, point) = (text.rfind(','), text.rfind('.'));
    match (comma, point) {
        (Some(comma), Some(point)) => Some(comma.max(point)),
        (None, Some(point)) => (text.find('.') == Some(point)).then_some(point),
        (Some(comma), None) => {
            (text.find(',') == Some(comma) && text.len() - comma != 4).then_some(comma)
        }
        (None, None) => None,
    }
}

/// Takes away a currency sign or a three-letter code at either end.
fn strip_currency(text: &str) -> &str {
    let text = text.trim().trim_matches(['$', '€', '£', '¥', '₹']).trim();
    let is_code =
        |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_uppercase());
    let text = text
        .get(..3)
        .filter(|code| is_code(code))
        .map_or(text, |_| &text[3..]);
    let split = text.len().saturating_sub(3);
    text.get(split..)
        .filter(|code| is_code(code))
        .map_or(text, |_| &text[..split])
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_the_ways_invoices_write_them() {
        for (text, expected) in [
            ("3.50", "3.5"),
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1'234.50", "1234.5"),
            ("12,50", "12.5"),
            ("1,250", "1250"),
            ("1.250", "1.25"),
            ("1.234.567", "1234567"),
            ("$ 3.50", "3.5"),
            ("EUR 7", "7"),
            ("7.10 USD", "7.1"),
            ("€-2", "-2"),
            ("-$2", "-2"),
            ("(2.00)", "-2"),
            (".5", "0.5"),
            ("0", "0"),
        ] {
            assert_eq!(
                Decimal::parse(text).map(|it| it.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in [
            "",
            "abc",
            "-",
            ".",
            ",",
            "3.5.",
            "12.05.2026",
            "1e5",
            "12 x",
            "9999999999999999999",
            "EUR",
            "é€",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_and_products_are_exact() {
        let parse = |text| Decimal::parse(text).unwrap();
        assert_eq!(parse("0.1").plus(parse("0.2")), Some(parse("0.3")));
        assert_eq!(parse("1.25").times(parse("4")), Some(parse("5")));
        assert_eq!(parse("0.005").to_string(), "0.005");
        assert_eq!(parse("2514.39").to_json().to_string(), "2514.39");
    }

    #[test]
    fn json_numbers_and_texts_are_the_same_amount() {
        for value in [serde_json::json!(12.5), serde_json::json!("12.50")] {
            assert_eq!(Decimal::from_json(&value), Decimal::parse("12.5"));
        }
        assert_eq!(
            Decimal::from_json(&serde_json::json!(3)),
            Decimal::parse("3")
        );
        assert_eq!(Decimal::from_json(&serde_json::json!(true)), None);
    }
}
