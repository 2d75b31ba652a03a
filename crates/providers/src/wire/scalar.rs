//! How JSON scalars become Rust ones.

use serde_json::{Map, Value};

use super::lenient::FromWire;

impl FromWire for String {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn from_owned(text: String) -> Result<Self, String> {
        Ok(text)
    }
}

impl FromWire for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_json(value: Value) -> Result<Self, Value> {
        value.as_bool().ok_or(value)
    }
}

impl FromWire for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_json(value: Value) -> Result<Self, Value> {
        value.as_f64().ok_or(value)
    }
}

impl FromWire for i64 {
    const EXPECTED: &'static str = "an integer";

    fn from_text(text: &str) -> Option<Self> {
        // `from_str` takes a leading plus, which is no JSON number.
        if text.starts_with('+') {
            None
        } else {
            text.parse().ok()
        }
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        value
            .as_i64()
            .or_else(|| value.as_f64().and_then(whole))
            .ok_or(value)
    }
}

impl FromWire for u64 {
    const EXPECTED: &'static str = "an integer that is not negative";

    fn from_text(text: &str) -> Option<Self> {
        if text.starts_with('+') {
            None
        } else {
            text.parse().ok()
        }
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        let whole = || value.as_f64().and_then(whole)?.try_into().ok();
        value.as_u64().or_else(whole).ok_or(value)
    }
}

impl FromWire for i32 {
    const EXPECTED: &'static str = "an integer of 32 bits";

    fn from_text(text: &str) -> Option<Self> {
        i64::from_text(text).and_then(|wide| wide.try_into().ok())
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        let wide = i64::from_json(value)?;
        wide.try_into().map_err(|_| Value::from(wide))
    }
}

impl FromWire for Map<String, Value> {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(map) => Ok(map),
            other => Err(other),
        }
    }
}

impl FromWire for Value {
    const EXPECTED: &'static str = "a JSON value";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }

    fn from_owned(text: String) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        Ok(value)
    }
}

/// Reads a float that is an integer, such as `12.0`, within the range in which floats represent every integer.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use serde::Deserializer;

    use super::{super::lenient::read, *};

    fn integer(json: &str) -> Option<i64> {
        read(&mut serde_json::Deserializer::from_str(json)).ok()
    }

    #[test]
    fn an_integer_may_come_as_a_whole_float_or_as_text() {
        let cases = [
            ("12", Some(12)),
            ("-12", Some(-12)),
            ("12.0", Some(12)),
            ("1.2e1", Some(12)),
            ("\"12\"", Some(12)),
            ("12.5", None),
            ("1e30", None),
            ("\"+12\"", None),
            ("\"\"", None),
            ("true", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
        ];
        for (json, expected) in cases {
            assert_eq!(integer(json), expected, "{json}");
        }
    }

    #[test]
    fn an_integer_without_a_sign_has_64_bits() {
        let unsigned = |json: &str| read(&mut serde_json::Deserializer::from_str(json)).ok();
        let cases = [
            ("0", Some(0)),
            ("12.0", Some(12)),
            ("\"12\"", Some(12)),
            ("18446744073709551615", Some(u64::MAX)),
            ("\"18446744073709551615\"", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("-1.0", None),
            ("\"-1\"", None),
            ("\"+1\"", None),
            ("1.5", None),
            ("[]", None),
        ];
        for (json, expected) in cases {
            assert_eq!(unsigned(json), expected, "{json}");
        }
    }

    #[test]
    fn an_integer_of_32_bits_has_bounds() {
        fn read_i32<'de, D: Deserializer<'de>>(deserializer: D) -> Option<i32> {
            read(deserializer).ok()
        }
        assert_eq!(read_i32(Value::from(i32::MAX)), Some(i32::MAX));
        assert_eq!(read_i32(Value::from(i64::from(i32::MAX) + 1)), None);
        assert_eq!(read_i32(Value::from("2147483648")), None);
    }

    fn taken<T: FromWire>(json: &str) -> Result<T, String> {
        let mut json = serde_json::Deserializer::from_str(json);
        read(&mut json).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_comes_from_its_own_kind_of_json_and_says_what_it_found_instead() {
        assert_eq!(taken::<f64>("1.5"), Ok(1.5));
        assert_eq!(taken::<f64>("2"), Ok(2.0));
        assert_eq!(taken::<bool>("true"), Ok(true));
        assert_eq!(taken::<Value>("\"a\""), Ok(Value::from("a")));
        let object = taken::<Map<String, Value>>(r#"{"a":{}}"#).expect("an object");
        assert_eq!(object["a"], Value::Object(Map::new()));
        for (error, words) in [
            (
                taken::<f64>("\"x\"").err(),
                "expected a number, found a string",
            ),
            (
                taken::<bool>("1").err(),
                "expected a boolean, found a number",
            ),
            (
                taken::<String>("true").err(),
                "expected a string, found a boolean",
            ),
            (
                taken::<Map<String, Value>>("[]").err(),
                "expected an object, found an array",
            ),
            (
                taken::<u64>("{}").err(),
                "expected an integer that is not negative, found an object",
            ),
            (
                taken::<i32>("null").err(),
                "expected an integer of 32 bits, found null",
            ),
        ] {
            assert_eq!(error.as_deref(), Some(words));
        }
    }
}
