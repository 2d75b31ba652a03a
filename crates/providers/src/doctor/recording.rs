//! A recording as text: a line for the whole, a line for each exchange, and a line that ends it.
//!
//! Each line ends with a checksum of itself and of the lines before it. It is there against mistakes, not against malice: a
//! line that was edited, lost or moved is named instead of being believed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exchange::Exchange;

/// The version of the format.
const VERSION: u64 = 1;

/// What several platforms replied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The version of Taskward that made it.
    pub made_by: String,
    /// The exchanges, in order.
    pub exchanges: Vec<Exchange>,
}

/// Why a recording cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingError {
    /// It is no recording, or one of a later version.
    Head(String),
    /// A line is not what was written.
    Changed {
        /// Its number, from 1.
        line: usize,
        /// The checksum in the line.
        has: String,
        /// The checksum of what the line says.
        expected: String,
    },
    /// A line cannot be read.
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// The end is missing.
    Cut(usize),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(why) => write!(
                f,
                "line 1 is no head of a recording of version {VERSION}: {why}"
            ),
            Self::Changed {
                line,
                has,
                expected,
            } => write!(
                f,
                "line {line} was changed, or a line before it is missing: its checksum is {has}, and should be {expected}"
            ),
            Self::Line { line, why } => write!(f, "line {line} cannot be read: {why}"),
            Self::Cut(line) => write!(
                f,
                "the end is missing: the recording was cut after line {line}"
            ),
        }
    }
}

impl std::error::Error for RecordingError {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    recording: u64,
    made_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    exchanges: usize,
}

impl Recording {
    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.push(json!({ "recording": VERSION, "made_by": self.made_by }));
        for exchange in &self.exchanges {
            lines.push(json!(exchange));
        }
        lines.push(json!({ "exchanges": self.exchanges.len() }));
        lines.text
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is not what was written, with the number of the line.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut sum = Sum::default();
        let mut lines = (1..).zip(text.lines());
        let (_, first) = lines.next().unwrap_or((1, ""));
        let head: Value =
            serde_json::from_str(first).map_err(|e| RecordingError::Head(e.to_string()))?;
        if head["recording"] != VERSION {
            let why = format!("it says {}", head["recording"]);
            return Err(RecordingError::Head(why));
        }
        let head: Head = checked(1, first, &mut sum)?;
        let mut recording = Self {
            made_by: head.made_by,
            exchanges: Vec::new(),
        };
        let mut last = 1;
        while let Some((line, text)) = lines.next() {
            last = line;
            let value: Value = parsed(line, text)?;
            if value["exchanges"].is_null() {
                recording.exchanges.push(checked(line, text, &mut sum)?);
                continue;
            }
            let end: End = checked(line, text, &mut sum)?;
            if let Some((line, _)) = lines.find(|(_, text)| !text.trim().is_empty()) {
                let why = "it stands behind the end".to_owned();
                return Err(RecordingError::Line { line, why });
            }
            debug_assert_eq!(end.exchanges, recording.exchanges.len());
            return Ok(recording);
        }
        Err(RecordingError::Cut(last))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(line: usize, text: &str) -> Result<T, RecordingError> {
    serde_json::from_str(text).map_err(|error| RecordingError::Line {
        line,
        why: error.to_string(),
    })
}

/// Reads a line after its checksum.
fn checked<T: serde::de::DeserializeOwned>(
    line: usize,
    text: &str,
    sum: &mut Sum,
) -> Result<T, RecordingError> {
    let mut value: Value = parsed(line, text)?;
    let has = value
        .as_object_mut()
        .and_then(|fields| fields.remove("sum"));
    let has = has
        .as_ref()
        .and_then(Value::as_str)
        .unwrap_or("none")
        .to_owned();
    let expected = sum.of(&value.to_string());
    if has != expected {
        return Err(RecordingError::Changed {
            line,
            has,
            expected,
        });
    }
    serde_json::from_value(value).map_err(|error| RecordingError::Line {
        line,
        why: error.to_string(),
    })
}

#[derive(Default)]
struct Lines {
    text: String,
    sum: Sum,
}

impl Lines {
    fn push(&mut self, mut value: Value) {
        value["sum"] = self.sum.of(&value.to_string()).into();
        self.text += &format!("{value}\n");
    }
}

/// The checksum of all lines so far: FNV-1a of 64 bits.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    fn of(&mut self, text: &str) -> String {
        for byte in text.bytes().chain([b'\n']) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{:016x}", self.0)
    }
}
