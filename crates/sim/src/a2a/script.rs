//! What agents do, as a text of steps: those of the reference server in Python, so that one walk runs against both.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// One thing that an agent does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Works, and tells so each second; so many seconds of them are over.
    Work { done: u64, of: u64 },
    /// Tells that a second of work is over.
    Worked { done: u64, of: u64 },
    /// Takes time, in milliseconds.
    Quiet(u64),
    /// Writes an artifact in so many pieces; some of them are written.
    Chunks { done: u64, of: u64, every_ms: u64 },
    /// Writes an artifact.
    Artifact(String),
    /// Writes an artifact with data.
    Data(Value),
    /// Asks, and waits for a message.
    Ask(String),
    /// Asks with data; in words it is the text.
    AskData(Value, String),
    /// Asks for a credential, and goes on by itself when so many milliseconds are over.
    Auth(u64),
    /// Has got the credential.
    SignedIn,
    /// Asks for a credential, and waits for a message.
    AuthIn,
    /// Fails.
    Fail(String),
    /// Declines.
    Reject(String),
    /// Breaks.
    Crash,
    /// As the first: answers with a message, and makes no task.
    Reply(String),
    /// Among the first: is silent for so many milliseconds, and there is no task before.
    Silent(u64),
    /// Refuses to be cancelled from here on.
    NoCancel,
    /// Completes.
    Done(Option<String>),
}

/// Why a text is no step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nobody knows the word; the reference server passes over it.
    Word(String),
    /// The rest is not what the word takes; the reference server breaks there.
    Rest(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "there is no step {word:?}"),
            Self::Rest(step) => write!(f, "what follows the word of the step {step:?} is wrong"),
        }
    }
}

/// Reads a script as the reference server does, which takes any text.
pub(crate) fn lenient(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut parts = parts(text).peekable();
    if parts.peek().is_none() {
        return vec![Step::Done(Some("hello".to_owned()))];
    }
    for part in parts {
        match step(part) {
            Ok(step) => steps.push(step),
            Err(Wrong::Word(_)) => {}
            Err(Wrong::Rest(_)) => steps.push(Step::Crash),
        }
    }
    steps
}

/// Reads a script that has nothing else.
///
/// # Errors
/// With the first step that is none.
pub(crate) fn strict(text: &str) -> Result<Vec<Step>, Wrong> {
    parts(text).map(step).collect()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(['\n', '\r', ';']).map(str::trim);
    parts.filter(|part| !part.is_empty())
}

fn step(text: &str) -> Result<Step, Wrong> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let wrong = || Wrong::Rest(text.to_owned());
    let words = |default: &str| {
        let rest = if rest.is_empty() { default } else { rest };
        rest.to_owned()
    };
    let span = |text: &str| millis(text).ok_or_else(wrong);
    let or_one = if rest.is_empty() { "1" } else { rest };
    Ok(match word {
        "work" => Step::Work {
            done: 0,
            of: span(or_one)? / 1_000,
        },
        "quiet" => Step::Quiet(span(rest)?),
        "chunks" => {
            let (count, every) = rest.split_once(' ').unwrap_or((rest, "0.3"));
            Step::Chunks {
                done: 0,
                of: count.trim().parse().map_err(|_| wrong())?,
                every_ms: span(every)?,
            }
        }
        "artifact" => Step::Artifact(rest.to_owned()),
        "data" => Step::Data(serde_json::from_str(rest).map_err(|_| wrong())?),
        "ask" => Step::Ask(rest.to_owned()),
        "ask-data" => {
            let data = serde_json::from_str(rest).map_err(|_| wrong())?;
            Step::AskData(data, rest.to_owned())
        }
        "auth" => Step::Auth(span(or_one)?),
        "auth-in" => Step::AuthIn,
        "fail" => Step::Fail(words("it broke")),
        "reject" => Step::Reject(words("not mine to do")),
        "crash" => Step::Crash,
        "reply" => Step::Reply(words("hi").trim().to_owned()),
        "silent" => Step::Silent(span(rest)?),
        "nocancel" => Step::NoCancel,
        "done" => Step::Done((!rest.is_empty()).then(|| rest.to_owned())),
        _ => return Err(Wrong::Word(word.to_owned())),
    })
}

/// Returns seconds, with or without a fraction, as milliseconds.
fn millis(text: &str) -> Option<u64> {
    let seconds: f64 = text.trim().parse().ok()?;
    // No task takes longer than a year.
    (0.0..=31_536_000.0)
        .contains(&seconds)
        .then(|| (seconds * 1_000.0).round() as u64)
}

/// An agent of a scenario file. It takes the place of a built-in one of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawAgent")]
pub(crate) struct ScriptedAgent {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgent {
    name: String,
    script: String,
}

impl TryFrom<RawAgent> for ScriptedAgent {
    type Error = String;

    fn try_from(raw: RawAgent) -> Result<Self, String> {
        let steps = strict(&raw.script);
        let steps = steps.map_err(|why| format!("agent {:?}: {why}", raw.name))?;
        Ok(Self {
            name: raw.name,
            steps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_as_the_reference_server_reads_it() {
        let work = |of| Step::Work { done: 0, of };
        assert_eq!(
            lenient("work 2; quiet 0.5\nask what?;; done bye"),
            [
                work(2),
                Step::Quiet(500),
                Step::Ask("what?".to_owned()),
                Step::Done(Some("bye".to_owned())),
            ]
        );
        assert_eq!(lenient("work; auth"), [work(1), Step::Auth(1_000)]);
        assert_eq!(lenient(" ;\n"), [Step::Done(Some("hello".to_owned()))]);
        // An unknown word is passed over, a number that is none breaks it.
        assert_eq!(lenient("hello there; done"), [Step::Done(None)]);
        assert_eq!(lenient("work x"), [Step::Crash]);
        let chunks = |of, every_ms| Step::Chunks {
            done: 0,
            of,
            every_ms,
        };
        assert_eq!(lenient("chunks 3"), [chunks(3, 300)]);
        assert_eq!(lenient("chunks 2 .1"), [chunks(2, 100)]);
    }

    #[test]
    fn a_script_of_a_file_is_told_by_its_step() {
        let why = |text: &str| strict(text).unwrap_err().to_string();
        assert_eq!(why("work 1; wrok 2"), "there is no step \"wrok\"");
        assert!(why("quiet soon").contains("the step \"quiet soon\" is wrong"));
        assert!(why("work -1").contains("\"work -1\""));
        assert!(why("data {").contains("\"data {\""));
    }
}
