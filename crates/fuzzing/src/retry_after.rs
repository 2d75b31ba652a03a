//! `Retry-After` and the dates of HTTP, beside dates written from the calendar.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use taskward_core::http::header::{DATE, RETRY_AFTER};
use taskward_core::http::{HeaderValue, StatusCode};
use taskward_core::{Head, Timestamp};

const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// The last second of the year 9999, the last that HTTP can write.
const LAST_SECOND: u64 = 253_402_300_799;
/// The last second whose year of two digits means a year before 2070.
const LAST_OF_TWO_DIGITS: u64 = 3_155_759_999;

#[derive(Arbitrary, Debug)]
struct Input {
    /// The client's clock, in milliseconds.
    now: u64,
    hints: Vec<Hint>,
}

#[derive(Arbitrary, Debug)]
enum Hint {
    /// A number of seconds, with zeros before it.
    Seconds { zeros: u8, number: u64 },
    /// A date, in one of the three forms of RFC 9110, section 5.6.7.
    Date { second: u64, form: Form },
    /// A date as it stands, some seconds from now.
    Soon { seconds: u16, form: Form },
    /// Anything else; it says no more than that it is no reason to panic.
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Form {
    Fixed,
    Rfc850,
    Asctime,
}

/// A clock and some values of the header.
///
/// A number and a date are read as written, the largest counts, and no wait is zero because of a date in the past. What
/// is neither is no hint, unless a date can be read from it.
pub fn target(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let now = Timestamp::from_millis(input.now);
    let mut head = Head::new(StatusCode::SERVICE_UNAVAILABLE);
    let mut expected: Option<Duration> = None;
    let mut is_exact = true;
    for hint in input.hints.iter().take(8) {
        let (bytes, wait) = hint.write(input.now);
        let Ok(value) = HeaderValue::from_bytes(&bytes) else {
            continue;
        };
        match wait {
            Meaning::Wait(wait) => expected = expected.max(wait),
            Meaning::Open => is_exact = false,
        }
        head.headers.append(RETRY_AFTER, value);
    }

    let found = head.retry_after(now);
    if is_exact {
        assert_eq!(found, expected, "{:?}", head.headers);
    } else {
        assert!(
            found >= expected,
            "a valid hint is lost: {:?}",
            head.headers
        );
    }

    for hint in &input.hints {
        let (bytes, _) = hint.write(input.now);
        let Ok(value) = HeaderValue::from_bytes(&bytes) else {
            continue;
        };
        head.headers.insert(DATE, value);
        let date = head.date();
        if let Some(second) = hint.second(input.now) {
            assert_eq!(date, Some(Timestamp::from_millis(second * 1000)));
        }
        assert!(date.is_none_or(|date| date.as_millis() / 1000 <= LAST_SECOND));
    }
}

/// What a value asks for.
enum Meaning {
    /// This wait, or none.
    Wait(Option<Duration>),
    /// It may be a date in some form, or nothing.
    Open,
}

impl Hint {
    fn write(&self, now: u64) -> (Vec<u8>, Meaning) {
        match self {
            Self::Seconds { zeros, number } => {
                let text = format!("{}{number}", "0".repeat(usize::from(*zeros)));
                let wait = Duration::from_secs(*number);
                (text.into_bytes(), Meaning::Wait(Some(wait)))
            }
            Self::Date { form, .. } | Self::Soon { form, .. } => {
                let second = self.second(now).expect("a date has a second");
                let wait = (second * 1000).checked_sub(now).filter(|wait| *wait > 0);
                let meaning = Meaning::Wait(wait.map(Duration::from_millis));
                (form.write(second).into_bytes(), meaning)
            }
            Self::Raw(bytes) => {
                let resembles_one = bytes.iter().any(u8::is_ascii_digit);
                let meaning = if resembles_one {
                    Meaning::Open
                } else {
                    Meaning::Wait(None)
                };
                (bytes.clone(), meaning)
            }
        }
    }

    /// Returns the moment that a date names, in seconds since the Unix epoch.
    fn second(&self, now: u64) -> Option<u64> {
        let (second, form) = match self {
            Self::Date { second, form } => (*second, form),
            Self::Soon { seconds, form } => (now / 1000 + u64::from(*seconds), form),
            Self::Seconds { .. } | Self::Raw(_) => return None,
        };
        let last = match form {
            Form::Rfc850 => LAST_OF_TWO_DIGITS,
            Form::Fixed | Form::Asctime => LAST_SECOND,
        };
        Some(second % (last + 1))
    }
}

impl Form {
    fn write(self, second: u64) -> String {
        let (days, clock) = (second / 86_400, second % 86_400);
        let (year, month, day) = calendar(days);
        let weekday = DAYS[(days % 7) as usize];
        let time = format!(
            "{:02}:{:02}:{:02}",
            clock / 3600,
            clock / 60 % 60,
            clock % 60
        );
        let short = &weekday[..3];
        match self {
            Self::Fixed => format!("{short}, {day:02} {month} {year:04} {time} GMT"),
            Self::Rfc850 => format!("{weekday}, {day:02}-{month}-{:02} {time} GMT", year % 100),
            Self::Asctime => format!("{short} {month} {day:2} {time} {year:04}"),
        }
    }
}

/// Year, month and day so many days after the first of 1970, counted out.
fn calendar(mut days: u64) -> (u64, &'static str, u64) {
    // 400 years always have the same number of days.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    for (number, month) in (1..).zip(MONTHS) {
        let length = match number {
            2 => 28 + u64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    unreachable!("a year has twelve months")
}
