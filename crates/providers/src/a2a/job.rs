//! What to start: a message to an agent, and how it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use taskward_core::{
    Answer, BuildError, IdempotencyKey, Request, Seed, clean_filename, content_type_of,
};

use super::agent::A2a;
use super::operations::{SendMessage, SendStreamingMessage};
use super::types::{
    OutgoingMessage, OutgoingPart, OutgoingRole, SendMessageConfiguration, SendMessageRequest,
};

/// The most bytes of files that one message carries. The protocol has no upload: a file is base64 in the JSON, which an
/// agent reads into memory and often sends back. Larger ones belong behind a URL ([`Job::link`]).
pub const MAX_INLINE: usize = 16 * 1024 * 1024;

/// A message that starts a task: words, data and files, in the order in which they are added.
///
/// ```
/// # use serde_json::json;
/// # use taskward_providers::a2a::{File, Job};
/// let job = Job::text("Book the cheapest of these.")
///     .data(json!({"from": "ZRH", "to": "LIS"}))
///     .attach(File::bytes("offers.csv", "a;1\nb;2\n"));
/// # let _ = job;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    parts: Vec<JobPart>,
    context: Context,
    metadata: Option<Map<String, Value>>,
    accepted_output_modes: Vec<String>,
    extensions: Vec<String>,
    references: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum JobPart {
    Text(String),
    Data(Value),
    File(File),
    Link {
        url: String,
        content_type: Option<String>,
    },
}

/// The conversation that a new task belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Context {
    /// A new one, whose id this client makes: by it, the task of a start whose reply was lost is found again. An agent
    /// may refuse an id that it did not make.
    #[default]
    Ours,
    /// A new one, whose id the agent makes. A start whose reply is lost cannot be found again.
    Theirs,
    /// One that exists.
    Given(String),
}

/// One file of a message.
#[derive(Clone, PartialEq)]
pub struct File {
    name: String,
    content_type: Option<String>,
    bytes: Bytes,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("name", &self.name)
            .field("content_type", &self.content_type)
            .field("len", &self.bytes.len())
            .finish()
    }
}

impl File {
    /// Bytes in memory under a file name, with the content type of its extension.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            content_type: None,
            bytes: bytes.into(),
        }
    }

    /// Sends it as this content type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    fn part(&self) -> Result<OutgoingPart, BuildError> {
        let name = clean_filename(&self.name)?;
        let content_type = self.content_type.clone();
        let content_type = content_type.unwrap_or_else(|| content_type_of(&name).to_owned());
        Ok(OutgoingPart {
            raw: Some(STANDARD.encode(&self.bytes)),
            media_type: Some(content_type),
            filename: Some(name),
            ..OutgoingPart::default()
        })
    }
}

impl Job {
    /// Begins with words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// Adds words, as a part of their own.
    #[must_use]
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(JobPart::Text(text.into()));
        self
    }

    /// Adds data: any JSON.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.parts.push(JobPart::Data(data));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn attach(mut self, file: File) -> Self {
        self.parts.push(JobPart::File(file));
        self
    }

    /// Adds a file that the agent fetches itself.
    #[must_use]
    pub fn link(mut self, url: impl Into<String>, content_type: Option<String>) -> Self {
        self.parts.push(JobPart::Link {
            url: url.into(),
            content_type,
        });
        self
    }

    /// Sets the conversation that the task belongs to.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Sets data about the request, for the agent's server or an extension.
    #[must_use]
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Adds a media type that the answer may have.
    #[must_use]
    pub fn accept(mut self, media_type: impl Into<String>) -> Self {
        self.accepted_output_modes.push(media_type.into());
        self
    }

    /// Adds the URI of an extension that the message uses.
    #[must_use]
    pub fn extension(mut self, uri: impl Into<String>) -> Self {
        self.extensions.push(uri.into());
        self
    }

    /// Adds a task that the message refers to.
    #[must_use]
    pub fn reference(mut self, task: impl Into<String>) -> Self {
        self.references.push(task.into());
        self
    }

    /// Returns the words of the message, as the agent sees them first.
    pub(super) fn first_message(&self) -> Option<String> {
        let texts: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                JobPart::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        (!texts.is_empty()).then(|| texts.concat())
    }

    /// Returns whether this client makes the id of the conversation.
    pub(super) fn is_context_ours(&self) -> bool {
        self.context == Context::Ours
    }

    /// Returns the conversation of the start with this key: its id as we make it, or the given one.
    #[must_use]
    pub(super) fn context_of(&self, key: &IdempotencyKey) -> Option<String> {
        match &self.context {
            Context::Ours => Some(key.as_str().to_owned()),
            Context::Theirs => None,
            Context::Given(id) => Some(id.clone()),
        }
    }

    /// Builds the request that starts a task, with ids derived from `key`: the conversation is the key itself, so that
    /// the task can be found by it.
    ///
    /// # Errors
    /// Returns an error if there is nothing to send, if the files are too large, or if a name cannot be sent.
    pub(super) fn request(
        &self,
        agent: &A2a,
        key: &IdempotencyKey,
        how: StartHow,
    ) -> Result<Request, BuildError> {
        let body = self.body(key, how)?;
        match how {
            StartHow::Reply => SendMessage::new(agent, body).build(),
            StartHow::Stream => SendStreamingMessage::new(agent, body).build(),
        }
    }

    fn body(&self, key: &IdempotencyKey, how: StartHow) -> Result<SendMessageRequest, BuildError> {
        let files: usize = self.files().map(|file| file.bytes.len()).sum();
        if files > MAX_INLINE {
            return Err(BuildError::new(format!(
                "the files have {files} bytes together, and a message carries at most {MAX_INLINE}: give the agent a URL instead"
            )));
        }
        let parts: Result<Vec<_>, _> = self.parts.iter().map(part).collect();
        let parts = parts?;
        if parts.is_empty() {
            return Err(BuildError::new(
                "there is nothing to send: give a text, data or a file",
            ));
        }
        let list = |items: &[String]| Some(items.to_vec()).filter(|items| !items.is_empty());
        let has_files = self.files().next().is_some();
        Ok(SendMessageRequest {
            message: OutgoingMessage {
                context_id: self.context_of(key),
                extensions: list(&self.extensions),
                reference_task_ids: list(&self.references),
                ..message(message_id(key), parts)
            },
            configuration: Some(SendMessageConfiguration {
                accepted_output_modes: list(&self.accepted_output_modes),
                // The message, with its files, is part of the history.
                history_length: has_files.then_some(0),
                return_immediately: (how == StartHow::Reply).then_some(true),
                ..SendMessageConfiguration::default()
            })
            .filter(|configuration| *configuration != SendMessageConfiguration::default()),
            metadata: self.metadata.clone(),
        })
    }

    fn files(&self) -> impl Iterator<Item = &File> {
        self.parts.iter().filter_map(|part| match part {
            JobPart::File(file) => Some(file),
            _ => None,
        })
    }
}

impl taskward_core::Job for Job {}

/// How a start is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartHow {
    /// By the task, at once.
    Reply,
    /// By a stream that begins with the task.
    Stream,
}

fn part(part: &JobPart) -> Result<OutgoingPart, BuildError> {
    Ok(match part {
        JobPart::Text(text) => text_part(text),
        JobPart::Data(data) => OutgoingPart {
            data: Some(data.clone()),
            media_type: Some("application/json".to_owned()),
            ..OutgoingPart::default()
        },
        JobPart::File(file) => file.part()?,
        JobPart::Link { url, content_type } => OutgoingPart {
            url: Some(url.clone()),
            media_type: content_type.clone(),
            ..OutgoingPart::default()
        },
    })
}

fn text_part(text: &str) -> OutgoingPart {
    OutgoingPart {
        text: Some(text.to_owned()),
        ..OutgoingPart::default()
    }
}

/// Returns a message of ours.
fn message(id: String, parts: Vec<OutgoingPart>) -> OutgoingMessage {
    OutgoingMessage {
        message_id: id,
        context_id: None,
        task_id: None,
        role: OutgoingRole::RoleUser,
        parts,
        metadata: None,
        extensions: None,
        reference_task_ids: None,
    }
}

/// Returns the id of the message that is sent under a key: the same at every attempt and in every process.
pub(super) fn message_id(key: &IdempotencyKey) -> String {
    let seed = Seed([0; 32]);
    let id = IdempotencyKey::mint(&seed, "message", key.as_str().as_bytes());
    id.as_str().to_owned()
}

/// Returns the message that carries an answer to a task, or words that answer nothing.
///
/// # Errors
/// Returns an error for an approval or a rejection: no agent of this protocol asks for one.
pub(super) fn message_to(
    task: &str,
    conversation: Option<&str>,
    id: String,
    answer: &Answer,
) -> Result<SendMessageRequest, BuildError> {
    let part = match answer {
        Answer::Text(text) => text_part(text),
        Answer::Input(data) => OutgoingPart {
            data: Some(Value::Object(data.clone())),
            media_type: Some("application/json".to_owned()),
            ..OutgoingPart::default()
        },
        _ => {
            return Err(BuildError::new(
                "an agent of this protocol is answered in words or with data",
            ));
        }
    };
    Ok(SendMessageRequest {
        message: OutgoingMessage {
            // The server knows the conversation of its task, but the Python SDK takes a message without one for another
            // conversation's, and refuses the next.
            context_id: conversation.map(str::to_owned),
            task_id: Some(task.to_owned()),
            ..message(id, vec![part])
        },
        configuration: Some(SendMessageConfiguration {
            return_immediately: Some(true),
            ..SendMessageConfiguration::default()
        }),
        metadata: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::a2a::agent::Binding;
    use serde_json::json;

    fn key() -> IdempotencyKey {
        IdempotencyKey::new("9d16da65-13eb-4edc-bbfd-dfdb54ef135c")
    }

    fn body(job: &Job, how: StartHow) -> Value {
        let body = job.body(&key(), how).expect("a message");
        serde_json::to_value(body).expect("JSON")
    }

    #[test]
    fn a_start_is_found_again_by_ids_that_follow_from_its_key() {
        let start = body(&Job::text("hi"), StartHow::Reply);
        let id = message_id(&key());
        assert_eq!(
            start,
            json!({
                "message": {"messageId": id, "contextId": key().as_str(), "role": "ROLE_USER", "parts": [{"text": "hi"}]},
                "configuration": {"returnImmediately": true},
            })
        );
        assert_eq!(body(&Job::text("hi"), StartHow::Reply), start);
        assert_eq!(id.len(), 36);
        assert!(id != key().as_str() && id != message_id(&IdempotencyKey::new("x")));
        let stream = body(&Job::text("hi"), StartHow::Stream);
        assert_eq!(stream.get("configuration"), None);
        assert_eq!(stream["message"], start["message"]);
        let context = |context| body(&Job::text("hi").context(context), StartHow::Stream);
        assert_eq!(context(Context::Theirs)["message"].get("contextId"), None);
        let given = context(Context::Given("c".to_owned()));
        assert_eq!(given["message"]["contextId"], "c");
    }

    #[test]
    fn everything_that_a_job_says_is_sent_in_its_order() {
        let Value::Object(metadata) = json!({"a": 1}) else {
            panic!("an object");
        };
        let job = Job::text("Book the cheapest of these.")
            .data(json!({"from": "ZRH"}))
            .attach(File::bytes("../offers.csv", "a;1\n"))
            .attach(File::bytes("blob", "x").content_type("application/x-odd"))
            .link("https://a/b.pdf", Some("application/pdf".to_owned()))
            .and_text("Today.")
            .metadata(metadata)
            .accept("text/plain")
            .accept("application/json")
            .extension("https://x/ext")
            .reference("task-7");
        assert_eq!(
            body(&job, StartHow::Stream),
            json!({
                "message": {
                    "messageId": message_id(&key()), "contextId": key().as_str(), "role": "ROLE_USER",
                    "parts": [
                        {"text": "Book the cheapest of these."},
                        {"data": {"from": "ZRH"}, "mediaType": "application/json"},
                        {"raw": "YTsxCg==", "filename": "offers.csv", "mediaType": "text/csv"},
                        {"raw": "eA==", "filename": "blob", "mediaType": "application/x-odd"},
                        {"url": "https://a/b.pdf", "mediaType": "application/pdf"},
                        {"text": "Today."},
                    ],
                    "extensions": ["https://x/ext"], "referenceTaskIds": ["task-7"],
                },
                "configuration": {"acceptedOutputModes": ["text/plain", "application/json"], "historyLength": 0},
                "metadata": {"a": 1},
            })
        );
        assert_eq!(
            job.first_message().as_deref(),
            Some("Book the cheapest of these.Today.")
        );
        assert_eq!(Job::default().data(json!(1)).first_message(), None);
        let shown = format!("{job:?}");
        assert!(
            !shown.contains("a;1") && shown.contains("offers.csv"),
            "{shown}"
        );
    }

    #[test]
    fn both_ways_to_start_are_requests_of_either_binding() {
        for (binding, reply, stream) in [
            (Binding::HttpJson, "/message:send", "/message:stream"),
            (Binding::JsonRpc, "/", "/"),
        ] {
            let agent = A2a::at(binding, "/").expect("a path");
            let request = |how| {
                Job::text("hi")
                    .request(&agent, &key(), how)
                    .expect("a request")
            };
            assert_eq!(request(StartHow::Reply).target(), reply);
            let request = request(StartHow::Stream);
            assert_eq!(request.target(), stream);
            assert_eq!(request.headers()["accept"], "text/event-stream");
            assert_eq!(request.headers()["a2a-version"], "1.0");
        }
    }

    #[test]
    fn a_job_without_content_or_with_too_much_of_it_is_refused() {
        let refused = |job: Job| {
            let agent = A2a::default();
            let error = job
                .request(&agent, &key(), StartHow::Reply)
                .expect_err("refused");
            error.to_string()
        };
        assert!(refused(Job::default()).contains("nothing to send"));
        let half = vec![b'x'; MAX_INLINE / 2];
        let job = Job::default().attach(File::bytes("a", half.clone()));
        assert!(
            job.clone()
                .attach(File::bytes("b", half.clone()))
                .body(&key(), StartHow::Reply)
                .is_ok()
        );
        let error = refused(
            job.attach(File::bytes("b", half))
                .attach(File::bytes("c", "x")),
        );
        assert!(error.contains("give the agent a URL"), "{error}");
    }

    /// Rows: P21.
    #[test]
    fn an_answer_is_a_message_to_the_task_in_words_or_with_data() {
        let sent = |answer| {
            let body = message_to("t", Some("c"), "m".to_owned(), &answer)?;
            Ok::<_, BuildError>(serde_json::to_value(body).expect("JSON"))
        };
        assert_eq!(
            sent(Answer::text("red")).expect("words"),
            json!({
                "message": {"messageId": "m", "contextId": "c", "taskId": "t", "role": "ROLE_USER", "parts": [{"text": "red"}]},
                "configuration": {"returnImmediately": true},
            })
        );
        let Value::Object(data) = json!({"colour": "red"}) else {
            panic!("an object");
        };
        assert_eq!(
            sent(Answer::Input(data)).expect("data")["message"]["parts"],
            json!([{"data": {"colour": "red"}, "mediaType": "application/json"}])
        );
        for other in [Answer::Approve, Answer::Reject { reason: None }] {
            assert!(sent(other).is_err());
        }
    }
}
