//! Idempotency keys.

use serde::{Deserialize, Serialize};

use crate::question::Answer;
use crate::seed::Seed;

/// A key by which a server recognises a repeated write. It is created once, before the first attempt, and frozen with
/// the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Creates a key from the caller's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Derives the key for one use: a version-4 UUID from `seed`, bound to what it protects.
    #[must_use]
    pub fn mint(seed: &Seed, label: &str, bound_to: &[u8]) -> Self {
        let bytes = seed.derive(label, bound_to);
        Self(
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string(),
        )
    }

    /// Derives the key of an answer to a question: whoever gives the same answer has the same key, so that the server
    /// recognises the second as a repetition of the first.
    #[must_use]
    pub fn of_answer(task: &str, question: &str, answer: &Answer) -> Self {
        let answer = serde_json::to_string(answer).unwrap_or_default();
        let bound_to = format!("{task}\n{question}\n{answer}");
        Self::mint(&Seed([0; 32]), "answer", bound_to.as_bytes())
    }

    /// Returns the text of the key, as it is sent in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
