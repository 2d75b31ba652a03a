//! An open protocol in plain text: starts by stream, an id of ours in the request, errors in a 200, streams that begin
//! with the whole task. A line is a word and what belongs to it.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taskward_core::{
    ApiError, BuildError, Candidate, Capabilities, Confirmation, CreatedTask, Cursor, ErrorClass,
    EventKind, IdempotencyKey, ListPage, MatchCriteria, OutputPiece, PollResult, Provider,
    ProviderDefaults, Question, QuestionKind, RawEvent, ReadError, ReadErrorKind, ReadKind,
    Request, Response, Safety, Started, Status, StreamEvent, StreamSnapshot, Target, TaskFailure,
    TaskId, Timestamp, WriteRequest, sse,
};

use super::toy::{Output, ToyJob};

/// The provider; `streams` is what was learned of the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) streams: bool,
}

fn error(class: &str) -> ApiError {
    let class = match class {
        "invalid" => ErrorClass::Invalid,
        "refused" => ErrorClass::Refused,
        "gone" => ErrorClass::Gone,
        "no-such-method" => ErrorClass::NoSuchMethod,
        "not-cancellable" => ErrorClass::NotCancellable,
        "unauthorised" => ErrorClass::Unauthorised,
        _ => ErrorClass::Server,
    };
    let reply = Response::new(http::StatusCode::OK, "");
    ApiError::read(&reply).with_class(class).with_message("no")
}

fn text(reply: &Response) -> &str {
    std::str::from_utf8(&reply.body).unwrap_or_default()
}

fn words(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

fn unreadable() -> ReadError {
    ReadError::new(ReadErrorKind::Shape, "not a line of this protocol")
}

fn status(word: &str) -> Status {
    Status::unknown(word).changed_at(Some("long ago".to_owned()), Some(Timestamp::from_millis(0)))
}

fn result(line: &str) -> Result<PollResult<Output>, ReadError> {
    Ok(match words(line) {
        ("working", _) => PollResult::Pending(status("working")),
        ("asking", what) => PollResult::Asking(vec![Question::new(
            what,
            QuestionKind::Authentication,
            what,
        )]),
        ("done", answer) => PollResult::Succeeded(status("done"), Output(answer.to_owned())),
        ("failed", _) => PollResult::Failed(TaskFailure::new(status("failed"))),
        ("cancelled", _) => PollResult::Stopped(TaskFailure::new(status("cancelled"))),
        _ => return Err(unreadable()),
    })
}

fn started(line: &str) -> Result<Option<Started<Output>>, ReadError> {
    Ok(Some(match words(line) {
        ("answer", answer) => Started::Answer(Output(answer.to_owned())),
        ("task", rest) => {
            let (id, now) = words(rest);
            let created = CreatedTask::new(TaskId::new(id), Some(status(words(now).0)));
            let first = result(now).ok().map(Box::new);
            Started::Task(created, first)
        }
        ("", _) => return Ok(None),
        _ => return Err(unreadable()),
    }))
}

impl Provider for Open {
    type Job = ToyJob;
    type Output = Output;
    const NAME: &'static str = "open";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new("KEY", "BASE", "http://open/", "");
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = Safety::Traceable;
        can.answer = Safety::Traceable;
        can.start_by_stream = true;
        can.stream = true;
        can.stream_forms = 2;
        can.snapshots = true;
        can.cancel = true;
        can.message = true;
        can
    };

    fn capabilities(&self) -> Capabilities {
        let mut can = Self::CAPABILITIES;
        (can.start_by_stream, can.stream) = (self.streams, self.streams);
        can
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        ApiError::of(reply)?;
        match words(text(reply)) {
            ("error", class) => Err(error(class)),
            _ => Ok(()),
        }
    }

    fn classify_event(&self, event: &sse::Event<'_>) -> Result<(), ApiError> {
        match words(event.data) {
            ("error", class) => Err(error(class)),
            _ => Ok(()),
        }
    }

    fn start(&self, job: &ToyJob, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        let reference = key.filter(|_| !job.0.starts_with("unreferenced")).is_some();
        let target = if reference {
            "/start?ref=ours"
        } else {
            "/start"
        };
        Request::json(
            Method::POST,
            target.parse().expect("a target"),
            &(&job.0, key),
        )
    }

    fn start_stream(
        &self,
        job: &ToyJob,
        key: Option<&IdempotencyKey>,
    ) -> Result<Request, BuildError> {
        let target = "/start-stream".parse().expect("a target");
        let request = Request::json(Method::POST, target, &(&job.0, key))?;
        Ok(request.streaming())
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Output>, ReadError> {
        started(text(reply))?.ok_or_else(unreadable)
    }

    fn read_started(&self, event: &sse::Event<'_>) -> Result<Option<Started<Output>>, ReadError> {
        started(event.data)
    }

    fn stored_answer(&self, raw: Value) -> Option<Output> {
        raw.is_null().then(|| Output("stored".to_owned()))
    }

    fn without_reference(&self, job: &ToyJob) -> Option<ToyJob> {
        let is_referenced = !job.0.starts_with("unreferenced");
        is_referenced.then(|| ToyJob(format!("unreferenced {}", job.0)))
    }

    fn match_criteria(&self, job: &ToyJob, key: Option<&IdempotencyKey>) -> Option<MatchCriteria> {
        let key = key.filter(|_| !job.0.starts_with("unreferenced"))?;
        Some(MatchCriteria::reference(key.as_str()))
    }

    fn search(
        &self,
        _: &MatchCriteria,
        _: Timestamp,
        _: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Request, BuildError> {
        let list = Target::new("/list").query_opt("page", cursor);
        Ok(Request::get(list.build()?))
    }

    /// A list is ids, a `?` for one that cannot be read, and `+PAGE` if another page follows.
    fn read_search(
        &self,
        _: &MatchCriteria,
        reply: &Response,
    ) -> Result<ListPage<Candidate>, ReadError> {
        use taskward_core::ListEntry::{Readable, Unreadable};
        let words: Vec<&str> = text(reply).split_whitespace().collect();
        let next = words.iter().find_map(|word| word.strip_prefix('+'));
        let tasks = words.iter().filter(|word| !word.starts_with('+'));
        let tasks = tasks.map(|word| match *word {
            "?" => Unreadable,
            id => Readable(Candidate::new(TaskId::new(id))),
        });
        let tasks: taskward_core::LenientList<_> = tasks.collect();
        Ok(ListPage::new(tasks, None, next.map(str::to_owned)))
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let target = Target::new("/tasks").segment(id.as_str())?;
        let target = match read {
            ReadKind::Stream { form: 0, .. } => target.path("/stream"),
            ReadKind::Stream { .. } => target.path("/other-stream"),
            ReadKind::Questions => target.path("/log"),
            _ => target,
        };
        Ok(Request::get(target.build()?))
    }

    fn read(
        &self,
        _: &TaskId,
        _: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Output>, ReadError> {
        result(text(reply).lines().next().unwrap_or_default())
    }

    fn status_beside_questions(&self, _: &Response) -> Option<Status> {
        Some(status("asking"))
    }

    fn write_request(&self, id: &TaskId, write: &WriteRequest<'_>) -> Result<Request, BuildError> {
        let task = Target::new("/tasks").segment(id.as_str())?;
        let (task, key) = match write {
            WriteRequest::Cancel => (task.path("/cancel"), None),
            WriteRequest::Answer { key, .. } | WriteRequest::Message { key, .. } => {
                (task.path("/say"), *key)
            }
            _ => return Err(BuildError::new("no such write")),
        };
        Request::json(Method::POST, task.build()?, &key)
    }

    /// The log's second line is the ids of what was said.
    fn find_write(
        &self,
        _: &TaskId,
        reply: &Response,
        _: &Cursor,
        _: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        let said = text(reply).lines().nth(1).unwrap_or_default();
        let key = key.map_or("", IdempotencyKey::as_str);
        Ok(match said == "ours" && !key.is_empty() {
            true => Confirmation::Present,
            false => Confirmation::Absent,
        })
    }

    fn read_event(
        &self,
        _: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        let raw = RawEvent::new(None, words(event.data).0, event.data.into());
        Ok(Some(match words(event.data) {
            ("piece", piece) => StreamEvent::new(raw, EventKind::Neutral)
                .with_output(OutputPiece::new("a", piece, Value::Null).placed(true, false)),
            ("status", now) => {
                let kind = EventKind::Status {
                    status: status(words(now).0),
                    rests: now != "working",
                };
                StreamEvent::new(raw, kind)
            }
            _ => StreamEvent::new(raw, EventKind::Neutral),
        }))
    }

    fn read_snapshot(
        &self,
        _: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamSnapshot<Output>>, ReadError> {
        match words(event.data) {
            ("whole", now) => {
                let status = status(words(now).0);
                Ok(Some(StreamSnapshot::new(result(now)?, Some(status))))
            }
            _ => Ok(None),
        }
    }
}
