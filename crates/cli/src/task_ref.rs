//! Names of tasks on the command line: `PROVIDER:ID`, or an id alone. Where a provider has many servers, the name says
//! which: `PROVIDER:URL#ID`.

use std::fmt;
use std::str::FromStr;

use taskward::TaskId;

use crate::agent_url::{AgentNaming as _, AgentUrl};
use crate::hidden::is_hidden;
use crate::registry::{ProviderName, on_platform};
use crate::shell::quote;

/// The longest id that is taken: more than a URL's path has room for makes no sense.
const MAX_ID: usize = 2048;

/// A task as it was named: an id alone leaves its provider to the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskArg {
    provider: Option<ProviderName>,
    agent: Option<AgentUrl>,
    id: TaskId,
}

impl TaskArg {
    /// The provider that was named.
    pub(crate) fn provider(&self) -> Option<ProviderName> {
        self.provider
    }

    /// Its id, without the provider.
    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    /// The agent that was named.
    pub(crate) fn agent(&self) -> Option<&AgentUrl> {
        self.agent.as_ref()
    }

    /// The task, of this provider, and of this agent where its name does not say which.
    pub(crate) fn of(&self, provider: ProviderName, agent: Option<AgentUrl>) -> TaskRef {
        TaskRef {
            provider,
            agent: self.agent.clone().or(agent),
            id: self.id.clone(),
        }
    }
}

/// A task of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRef {
    provider: ProviderName,
    agent: Option<AgentUrl>,
    id: TaskId,
}

impl TaskRef {
    /// The task of this id, of this agent where the provider has many servers.
    pub(crate) fn new(provider: ProviderName, agent: Option<AgentUrl>, id: TaskId) -> Self {
        Self {
            provider,
            agent,
            id,
        }
    }

    /// The task of this id, of a provider with one server.
    #[cfg(test)]
    pub(crate) fn of<P: crate::registry::Registered>(id: TaskId) -> Self {
        Self::new(P::ID, None, id)
    }

    /// The agent that it is of, where the provider has many servers.
    pub(crate) fn agent(&self) -> Option<&AgentUrl> {
        self.agent.as_ref()
    }

    /// Whose it is.
    pub(crate) fn provider(&self) -> ProviderName {
        self.provider
    }

    /// Its id, without the provider.
    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    /// Its name as one word of a shell command.
    pub(crate) fn quoted(&self) -> String {
        quote(&self.to_string())
    }
}

impl FromStr for TaskArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, id) = match text.split_once(':') {
            // An id may hold a colon; a word in front of it is a provider.
            Some((name, id)) if is_word(name) => match ProviderName::named(name) {
                Some(provider) => (Some(provider), id),
                None => {
                    return Err(format!(
                        "there is no provider {name:?}: a task is PROVIDER:ID, or its id alone, and the providers are {}",
                        ProviderName::ALL.map(ProviderName::as_str).join(", ")
                    ));
                }
            },
            _ => (None, text),
        };
        let (agent, id) = match provider {
            Some(provider) => split(provider, id)?,
            None => (None, id),
        };
        if id.len() > MAX_ID {
            return Err(format!(
                "the id has {} bytes, and an id has at most {MAX_ID}",
                id.len()
            ));
        }
        let decoded = match agent {
            Some(_) => percent_decoded(id)?,
            None => decode(id),
        };
        match decoded.as_str() {
            "" => Err("the id is empty".to_owned()),
            "." | ".." => Err(format!("{id:?} is not an id")),
            decoded if decoded.chars().any(char::is_control) => {
                Err(format!("{id:?} has control characters, and no id has"))
            }
            id => Ok(Self {
                provider,
                agent,
                id: TaskId::new(id),
            }),
        }
    }
}

/// The agent and the id in what stands behind a provider's name.
fn split(provider: ProviderName, text: &str) -> Result<(Option<AgentUrl>, &str), String> {
    // An id of a provider with one server may hold anything.
    match (
        on_platform!(provider, P => P::AGENTS_HAVE_URLS),
        text.rsplit_once('#'),
    ) {
        (true, Some((url, id))) => {
            let agent = on_platform!(provider, P => P::agent_url(url))?;
            Ok((Some(agent), id))
        }
        _ => Ok((None, text)),
    }
}

fn is_word(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
    !name.is_empty() && name.bytes().all(is_plain) || ProviderName::named(name).is_some()
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            Some(agent) => {
                let id = percent_encoded(self.id.as_str());
                write!(f, "{}:{agent}#{id}", self.provider)
            }
            None => write!(f, "{}:{}", self.provider, encode(self.id.as_str())),
        }
    }
}

/// An id as it is shown, on one line whatever it holds: what a terminal acts on is percent-encoded, and so is a percent
/// sign that would be taken for such a code.
fn encode(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (at, c) in id.char_indices() {
        if is_hidden(c) || code(&id.as_bytes()[at..]).is_some() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The id that was shown as `text`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match code(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// An id behind a URL: every byte that is not plain in a URL is percent-encoded.
fn percent_encoded(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The id that was percent-encoded as `text`.
fn percent_decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no id: it is not percent-encoded as it should be");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [high, low, rest @ ..]) => {
                bytes.push(byte_of(*high, *low).ok_or_else(wrong)?);
                rest
            }
            (b'%', _) => return Err(wrong()),
            (byte, rest) => {
                bytes.push(*byte);
                rest
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// The byte of two hexadecimal digits.
fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The byte that `text` begins with the code of, when it is one that is ever encoded: `%41` stays what it is.
fn code(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let byte = byte_of(*high, *low)?;
    (byte == b'%' || !(0x20..0x7f).contains(&byte)).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::nanonets::Nanonets;

    fn named(text: &str) -> Result<TaskRef, String> {
        let task: TaskArg = text.parse()?;
        Ok(task.of(task.provider().unwrap_or(ProviderName::DEFAULT), None))
    }

    #[test]
    fn a_task_is_named_with_and_without_its_provider() {
        for (text, id, shown) in [
            ("nanonets:a-1", "a-1", "nanonets:a-1"),
            ("a-1", "a-1", "nanonets:a-1"),
            ("agent-harness:run_1", "run_1", "agent-harness:run_1"),
            ("nanonets:x:y", "x:y", "nanonets:x:y"),
            ("X1:y", "X1:y", "nanonets:X1:y"),
        ] {
            let task = named(text).expect(text);
            assert_eq!((task.id().as_str(), task.to_string().as_str()), (id, shown));
        }
        for text in ["", "nanonets:", "agent-harness:..", "..", "other:1"] {
            assert!(named(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_an_id_holds_it_is_shown_on_one_line_and_read_back_unless_it_holds_control_characters()
     {
        for (id, shown) in [
            ("a\nb\tc", "nanonets:a%0Ab%09c"),
            ("50%", "nanonets:50%"),
            ("%41%0A", "nanonets:%41%250A"),
            ("%%0A", "nanonets:%%250A"),
            ("\u{202e}x", "nanonets:%E2%80%AEx"),
            ("x\u{9b}", "nanonets:x%C2%9B"),
            ("schön", "nanonets:schön"),
        ] {
            let task = TaskRef::of::<Nanonets>(id.into());
            assert_eq!(task.to_string(), shown);
            match id.contains(char::is_control) {
                true => assert!(named(shown).is_err() && named(id).is_err(), "{shown}"),
                false => assert_eq!(named(shown), Ok(task)),
            }
        }
    }

    #[test]
    fn a_task_of_an_agent_is_named_by_its_url_and_its_id_in_a_way_that_any_machine_reads() {
        for (url, id, shown) in [
            ("https://a.example", "t-1", "a2a:https://a.example#t-1"),
            (
                "https://a.example/travel/.well-known/agent-card.json",
                "thread:run/1",
                "a2a:https://a.example/travel#thread%3Arun%2F1",
            ),
            (
                "http://127.0.0.1:8/.well-known/agent-card.json?assistant_id=x",
                "a#b%20 é",
                "a2a:http://127.0.0.1:8/.well-known/agent-card.json?assistant_id=x#a%23b%2520%20%C3%A9",
            ),
        ] {
            let agent = <taskward::a2a::A2a as crate::agent_url::AgentNaming>::agent_url(url);
            let task = TaskRef::new(
                ProviderName::named("a2a").expect("a provider"),
                Some(agent.expect(url)),
                id.into(),
            );
            assert_eq!(task.to_string(), shown);
            assert_eq!(named(shown), Ok(task));
        }
        for text in [
            "a2a:https://a.example#",
            "a2a:https://a.example#..",
            "a2a:https://a.example#%0A",
            "a2a:https://a.example#%zz",
            "a2a:https://a.example#a%2",
            "a2a:http://a.example#t",
            "a2a:https://user:secret@a.example#t",
            "a2a:#t",
        ] {
            let error = named(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_id_is_no_longer_than_any_id() {
        assert!("a".repeat(MAX_ID).parse::<TaskArg>().is_ok());
        assert!("a".repeat(MAX_ID + 1).parse::<TaskArg>().is_err());
    }
}
