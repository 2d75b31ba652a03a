//! One recorded exchange.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::openapi::Outline;

/// One request and what came of it, without anything that belongs to the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The platform.
    pub provider: String,
    /// The name of the probe.
    pub probe: String,
    /// The operation of our specification.
    pub operation: String,
    /// The method.
    pub method: String,
    /// Path and query, with stand-ins for ids.
    pub target: String,
    /// What came.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A reply, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server replied.
    Reply(RecordedReply),
    /// It did not: what the client says of it, in its own words.
    Failure(String),
}

/// A recorded reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedReply {
    /// The status code.
    pub status: u16,
    /// The headers whose values say nothing of the customer; of the others the names, with an empty value.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: RecordedBody,
}

/// A recorded body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedBody {
    /// Nothing.
    Empty,
    /// JSON, with stand-ins for texts, ids and times.
    Json(Value),
    /// An event stream, with stand-ins in its data.
    Events(String),
    /// What an OpenAPI document says of each operation.
    Outline(Outline),
    /// Anything else: what it begins like, and its length in bytes.
    Other {
        /// `html` or `other`.
        kind: String,
        /// The length.
        bytes: usize,
    },
}

impl Exchange {
    /// Returns the reply, when there is one.
    #[must_use]
    pub fn reply(&self) -> Option<&RecordedReply> {
        match &self.outcome {
            Outcome::Reply(reply) => Some(reply),
            Outcome::Failure(_) => None,
        }
    }

    /// Returns why there is no reply.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Reply(_) => None,
            Outcome::Failure(why) => Some(why),
        }
    }
}

impl RecordedReply {
    /// Returns whether the status code is one of success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the JSON of the body.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        match &self.body {
            RecordedBody::Json(value) => Some(value),
            RecordedBody::Empty
            | RecordedBody::Events(_)
            | RecordedBody::Outline(_)
            | RecordedBody::Other { .. } => None,
        }
    }
}
