//! What an agent made: artifacts, the pieces of one joined, and the answer of a task that is done.

use serde_json::Value;
use taskward_core::{LenientList, Output, OutputPiece};

use super::parts::{data_of, text_of, text_of_message};
use super::types::{Artifact, Message, Part, Role, Task, TaskArtifactUpdateEvent};
use crate::wire::ListEntry;

/// The artifacts of a task while it streams, each with the parts that came so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Artifacts(Vec<Joined>);

/// One artifact.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Joined {
    /// Its id, unique within the task; empty if the agent gave none.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// Whether the agent said that nothing follows.
    pub is_complete: bool,
}

impl Joined {
    /// Returns its text parts joined, without anything between.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        text_of(&self.parts)
    }

    /// Returns its one data part; `None` if there is none or several.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        data_of(&self.parts)
    }
}

impl Artifacts {
    /// Reads the artifacts of a whole task: what a read shows replaces what was put together before.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let mut all = Self::default();
        for artifact in task.artifacts.readable() {
            // Entries of one id are pieces of one artifact.
            all.add(artifact, true);
        }
        all
    }

    /// Adds what an event brings: a piece of an artifact, or a whole one that replaces its earlier form.
    pub fn apply(&mut self, update: &TaskArtifactUpdateEvent) {
        if let Some(artifact) = &update.artifact {
            let joined = self.add(artifact, update.append);
            joined.is_complete = update.last_chunk;
        }
    }

    fn add(&mut self, artifact: &Artifact, append: bool) -> &mut Joined {
        let id = id_of(artifact);
        let at = self.0.iter().position(|joined| joined.id == id);
        let at = at.unwrap_or_else(|| {
            self.0.push(Joined {
                id: id.to_owned(),
                name: None,
                parts: Vec::new(),
                is_complete: false,
            });
            self.0.len() - 1
        });
        let joined = &mut self.0[at];
        if !append {
            joined.parts.clear();
        }
        joined.parts.extend(artifact.parts.readable().cloned());
        if artifact.name.is_some() {
            joined.name.clone_from(&artifact.name);
        }
        joined
    }

    /// Returns every artifact, in the order in which they first came.
    pub fn iter(&self) -> std::slice::Iter<'_, Joined> {
        self.0.iter()
    }

    /// Returns the text of all of them, each on lines of its own.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let texts: Vec<String> = self.iter().filter_map(Joined::text).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}

impl<'a> IntoIterator for &'a Artifacts {
    type Item = &'a Joined;
    type IntoIter = std::slice::Iter<'a, Joined>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Returns the id of an artifact; empty if it has none.
pub(super) fn id_of(artifact: &Artifact) -> &str {
    artifact.artifact_id.as_ref().map_or("", |id| id.as_str())
}

/// Returns the piece of output that an event brings, to be told as it comes.
pub(super) fn piece_of(update: &TaskArtifactUpdateEvent) -> Option<OutputPiece> {
    let artifact = update.artifact.as_ref()?;
    let mut piece = OutputPiece::new(
        id_of(artifact),
        text_of(artifact.parts.readable()).unwrap_or_default(),
        artifact.parts.readable().map(Part::to_json).collect(),
    );
    piece.name.clone_from(&artifact.name);
    piece.append = update.append;
    piece.last = update.last_chunk;
    Some(piece)
}

/// Returns what a task has made so far, whole, to be told where a stream begins with it.
pub(super) fn pieces_of(task: &Task) -> Vec<OutputPiece> {
    let artifacts = Artifacts::of(task);
    let pieces = artifacts.iter().map(|joined| {
        let parts = joined.parts.iter().map(Part::to_json).collect();
        let mut piece =
            OutputPiece::new(joined.id.as_str(), joined.text().unwrap_or_default(), parts);
        piece.name.clone_from(&joined.name);
        piece
    });
    pieces.collect()
}

/// What one server puts into the status of every task that is done (LangGraph; `interop/traces/langgraph-rpc.txt`): it is no
/// answer.
const BOILERPLATE: &str = "Task completed successfully";

/// The answer of a task that is done, or the agent's direct answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    text: Option<String>,
    data: Option<Value>,
    artifacts: Artifacts,
    raw: Value,
}

impl Answer {
    /// Reads the answer of a task that is done: its artifacts; without any, what its last status says; without that, the
    /// agent's last message. `raw` is the whole task as it came.
    #[must_use]
    pub fn of_task(task: &Task, raw: Value) -> Self {
        let artifacts = Artifacts::of(task);
        let parts = artifacts.iter().flat_map(|joined| &joined.parts);
        if parts.clone().next().is_some() {
            return Self {
                text: artifacts.text(),
                data: data_of(parts).cloned(),
                artifacts,
                raw,
            };
        }
        let is_said = |said: &&Message| {
            has_content(said) && text_of_message(said).as_deref() != Some(BOILERPLATE)
        };
        let said = task.status.message.as_ref().filter(is_said);
        let last = || {
            let mut said = task.history.iter().flat_map(LenientList::readable);
            said.rfind(|said| is_agents(said) && has_content(said))
        };
        let said = said.or_else(last).or(task.status.message.as_ref());
        Self::of_message_or_nothing(said, raw)
    }

    /// Reads the agent's direct answer, which comes without a task.
    #[must_use]
    pub fn of_message(message: &Message, raw: Value) -> Self {
        Self::of_message_or_nothing(Some(message), raw)
    }

    fn of_message_or_nothing(message: Option<&Message>, raw: Value) -> Self {
        Self {
            text: message.and_then(text_of_message),
            data: message.and_then(|said| data_of(said.parts.readable()).cloned()),
            artifacts: Artifacts::default(),
            raw,
        }
    }

    /// Returns the artifacts, with files among their parts; none if the agent answered in a message.
    #[must_use]
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }
}

impl Output for Answer {
    fn text(&self) -> Option<String> {
        self.text.clone()
    }

    fn json(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    fn raw(&self) -> &Value {
        &self.raw
    }
}

/// Returns whether the agent said it, in the words of either version.
pub(super) fn is_agents(message: &Message) -> bool {
    match &message.role {
        Some(Role::RoleAgent) => true,
        Some(role) => role.as_str() == "agent",
        None => false,
    }
}

/// Returns whether a user said it, in the words of either version.
pub(super) fn is_users(message: &Message) -> bool {
    match &message.role {
        Some(Role::RoleUser) => true,
        Some(role) => role.as_str() == "user",
        None => false,
    }
}

fn has_content(message: &Message) -> bool {
    let entries = message.parts.entries();
    entries
        .iter()
        .any(|entry| matches!(entry, ListEntry::Readable(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Rows: P13.
    #[test]
    fn a_piece_is_told_as_it_comes_and_without_the_bytes_of_a_file() {
        // From a2a-05, with a file.
        let update: TaskArtifactUpdateEvent = crate::wire::decode(
            br#"{"taskId":"t","artifact":{"artifactId":"chunked","name":"n","parts":[{"text":"piece 8 "},{"raw":"YWFh"}]},"append":true,"lastChunk":true}"#,
        )
        .expect("an update");
        let piece = piece_of(&update).expect("a piece");
        assert_eq!(
            (piece.artifact.as_str(), piece.name.as_deref()),
            ("chunked", Some("n"))
        );
        assert_eq!(
            (piece.append, piece.last, piece.text.as_str()),
            (true, true, "piece 8 ")
        );
        assert_eq!(piece.parts, json!([{"text": "piece 8 "}, {"rawLength": 3}]));
        assert_eq!(piece_of(&TaskArtifactUpdateEvent::default()), None);
        let task: Task = crate::wire::decode(
            br#"{"artifacts":[{"artifactId":"chunked","parts":[{"text":"piece 1 "},{"text":"piece 2 "}]},{"parts":[]}]}"#,
        )
        .expect("a task");
        let pieces = pieces_of(&task);
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(texts, ["piece 1 piece 2 ", ""]);
        assert!(pieces.iter().all(|piece| !piece.append && !piece.last));
        assert_eq!(pieces_of(&Task::default()), []);
    }
}
