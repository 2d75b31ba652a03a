//! The agents, and what each does with a message.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Server;
use super::script::{Step, lenient, strict};
use crate::ids::hex;

/// The agent whose script is the message.
pub(super) const SCRIPT: &str = "script";

/// Each built-in agent: its name, what its card says, and its script.
pub(super) const BUILT_IN: [(&str, &str, &str); 9] = [
    (
        "echo",
        "Returns the message, and the digests of its files.",
        "work 1; artifact {text}",
    ),
    (
        "work",
        "Works for ten seconds, and tells so each second.",
        "work 10; artifact Worked on: {text}",
    ),
    (
        "asker",
        "Asks in which currency, and uses the answer.",
        "work 1; ask In which currency?; work 1; artifact Done, in {answer}.",
    ),
    (
        "auth",
        "Asks for a credential, which arrives elsewhere after half a minute.",
        "work 1; auth 30; work 1; artifact Signed in, and done.",
    ),
    (
        "artifacts",
        "Writes an artifact in pieces, a whole one, and one with data.",
        "chunks 5 0.3; artifact A whole one.; data {\"rows\":[1,2,3]}; done There you are.",
    ),
    ("failing", "Fails.", "work 1; fail It cannot be done."),
    ("crash", "Breaks.", "work 1; crash"),
    ("rejects", "Declines.", "reject This is not mine to do."),
    (SCRIPT, "Does what the message says, step by step.", ""),
];

impl Server {
    /// Returns the names of the agents, the built-in ones first.
    #[must_use]
    pub fn agents(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.map(|(name, _, _)| name.to_owned()).to_vec();
        for agent in &self.scripted {
            if !names.contains(&agent.name) {
                names.push(agent.name.clone());
            }
        }
        names
    }

    /// Returns what an agent does with a message that says this.
    pub(super) fn steps(&self, agent: &str, said: &str) -> Vec<Step> {
        if let Some(own) = self.scripted.iter().find(|own| own.name == agent) {
            return own.steps.clone();
        }
        let known = BUILT_IN.iter().find(|(name, _, _)| *name == agent);
        match known {
            Some((_, _, script)) if !script.is_empty() => {
                strict(script).expect("built-in scripts are right")
            }
            _ => lenient(said),
        }
    }

    /// Returns whether the messages of an agent are its script.
    pub(super) fn is_script(&self, agent: &str) -> bool {
        agent == SCRIPT && !self.scripted.iter().any(|own| own.name == agent)
    }
}

/// Returns the words of a message: those of its parts of text, a line each.
pub(super) fn words(message: &Value) -> String {
    let texts = parts(message).filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Returns the words of a message, and a line for each of its files.
pub(super) fn words_and_files(message: &Value) -> String {
    let mut lines: Vec<String> = words(message).lines().map(str::to_owned).collect();
    for part in parts(message) {
        let name = part["filename"].as_str().unwrap_or("a file");
        if let Some(raw) = part["raw"].as_str() {
            let bytes = super::auth::decoded(raw).unwrap_or_default();
            let digest = hex(&Sha256::digest(&bytes));
            lines.push(format!("{name} ({} bytes, sha256 {digest})", bytes.len()));
        } else if let Some(url) = part["url"].as_str() {
            lines.push(format!("{name} at {url}"));
        } else if let Some(data) = part.get("data") {
            lines.push(data.to_string());
        }
    }
    lines.join("\n")
}

fn parts(message: &Value) -> impl Iterator<Item = &Value> {
    message["parts"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn built_in_scripts_are_right() {
        for (name, _, script) in BUILT_IN {
            assert!(strict(script).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_message_is_its_words_and_its_files() {
        let message = json!({ "parts": [
            { "text": "one" }, { "raw": "aGk=", "filename": "a.txt" }, { "text": "two" },
            { "url": "http://x/y" }, { "data": { "n": 1 } },
        ]});
        assert_eq!(words(&message), "one\ntwo");
        let digest = hex(&Sha256::digest(b"hi"));
        let expected = format!(
            "one\ntwo\na.txt (2 bytes, sha256 {digest})\na file at http://x/y\n{{\"n\":1}}"
        );
        assert_eq!(words_and_files(&message), expected);
    }
}
