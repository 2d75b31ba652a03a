//! The toy platform: plain text where the real ones speak JSON. With keys or without, with a stream or without.

use std::path::PathBuf;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use taskward_core::{
    Answer, BuildError, Capabilities, Confirmation, Content, CreatedTask, Cursor, EventKind,
    EventSeq, Fingerprint, IdempotencyKey, Job, LenientList, ListEntry, ListPage, MatchCriteria,
    Page, Part, PollResult, Provider, ProviderDefaults, Question, QuestionKind, RawEvent,
    ReadError, ReadErrorKind, ReadKind, Request, Response, Safety, Source, Stamp, Started, Status,
    StreamEvent, Target, TaskFailure, TaskId, UnconfirmedEnd, WriteRequest, sse,
};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Toy<const KEYED: bool, const STREAM: bool>;

/// What was learned of the toy server: a word that has to survive.
const SERVER: &str = "toy server";

impl<const KEYED: bool, const STREAM: bool> Serialize for Toy<KEYED, STREAM> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SERVER)
    }
}

impl<'de, const KEYED: bool, const STREAM: bool> Deserialize<'de> for Toy<KEYED, STREAM> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            SERVER => Ok(Self),
            other => Err(serde::de::Error::custom(format!(
                "{other} is no toy server"
            ))),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ToyJob(pub String);

impl Job for ToyJob {}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output(pub String);

impl taskward_core::Output for Output {
    fn text(&self) -> Option<String> {
        Some(self.0.clone())
    }
    fn json(&self) -> Option<&Value> {
        None
    }
    fn raw(&self) -> &Value {
        &Value::Null
    }
}

/// `file PATH` as an adapter has measured it, `file memory TEXT` as bytes.
fn with_file(job: &str) -> Vec<Part> {
    let file = job.trim_start_matches("file ");
    let content = match file.strip_prefix("memory ") {
        Some(bytes) => Content::Bytes(bytes.as_bytes().to_vec().into()),
        None => Content::Source(Source {
            len: 4,
            stamp: Stamp {
                modified: 9,
                ..Stamp::default()
            },
            fingerprint: Some(Fingerprint {
                path: PathBuf::from("/home/ann").join(file),
                sha256: "88d4".repeat(16),
            }),
            ..Source::path(file)
        }),
    };
    vec![
        Part::text("job", "sum it up"),
        Part::file("files", "a.csv", "text/csv", content),
    ]
}

fn text(reply: &Response) -> Result<&str, ReadError> {
    let bad = |kind| ReadError::new(kind, "");
    let text = std::str::from_utf8(&reply.body).map_err(|_| bad(ReadErrorKind::NotJson))?;
    if text.starts_with('<') {
        return Err(bad(ReadErrorKind::Html));
    }
    // Every reply of the toy server ends in a full stop, so that a cut one is seen.
    text.strip_suffix('.')
        .ok_or_else(|| bad(ReadErrorKind::Truncated))
}

fn status(word: &str) -> Status {
    match word {
        "running" => Status::known("running"),
        "waiting" => Status::known("waiting"),
        "review" => Status::known("review"),
        "done" => Status::known("done"),
        "failed" => Status::known("failed"),
        "stopped" => Status::known("stopped"),
        other => Status::unknown(other),
    }
}

/// Role, id and text of each message.
fn log(reply: &Response) -> Result<Vec<(String, String, String)>, ReadError> {
    let lines = text(reply)?.lines();
    Ok(lines
        .map(|line| {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            )
        })
        .collect())
}

impl<const KEYED: bool, const STREAM: bool> Provider for Toy<KEYED, STREAM> {
    type Job = ToyJob;
    type Output = Output;
    const NAME: &'static str = "toy";
    const DEFAULTS: ProviderDefaults =
        ProviderDefaults::new("TOY_KEY", "TOY_URL", "https://toy.example", "");
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = if KEYED { Safety::Keyed } else { Safety::Once };
        can.answer = if KEYED { Safety::Keyed } else { Safety::Once };
        can.stream = STREAM;
        can.events = STREAM;
        can.cancel = true;
        can.message = true;
        can.steps = true;
        can
    };

    fn start(&self, job: &ToyJob, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        let target = Target::new("/start").build()?;
        let request = match job.0.strip_prefix("form ") {
            Some(text) => Request::form(Method::POST, target, vec![Part::text("job", text)])?,
            None if job.0.starts_with("file ") => {
                Request::form(Method::POST, target, with_file(&job.0))?
            }
            None => Request::json(Method::POST, target, &job.0)?,
        };
        key.map_or(Ok(request.clone()), |key| request.keyed(key))
    }

    fn match_criteria(&self, job: &ToyJob, _: Option<&IdempotencyKey>) -> Option<MatchCriteria> {
        Some(MatchCriteria::agent("toy").with_first_message(&job.0))
    }

    /// Only the toy with keys and without streams lists its tasks at work: a line for each, and the cursor last.
    fn list_at_work(&self, cursor: Option<&str>) -> Result<Option<Request>, BuildError> {
        if !KEYED || STREAM {
            return Ok(None);
        }
        let target = Target::new("/list").query_opt("cursor", cursor);
        Ok(Some(Request::get(target.build()?)))
    }

    fn read_at_work(&self, reply: &Response) -> Result<ListPage<(TaskId, Status)>, ReadError> {
        let (tasks, next) = text(reply)?.split_once("next ").unwrap_or_default();
        let task = |line: &str| {
            let (id, word) = line.split_once(' ')?;
            Some((TaskId::new(id), status(word)))
        };
        let tasks: Vec<(TaskId, Status)> = tasks.lines().filter_map(task).collect();
        Ok(ListPage::new(tasks, None, Some(next.to_owned())))
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Output>, ReadError> {
        let mut words = text(reply)?.split(' ');
        let id = words.next().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| ReadError::new(ReadErrorKind::Shape, "no id"))?;
        Ok(CreatedTask::new(TaskId::new(id), words.next().map(status)).into())
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?;
        let target = match read {
            ReadKind::Status => target,
            ReadKind::Questions => target.path("/log"),
            ReadKind::Result => target.path("/result"),
            ReadKind::Steps => target.path("/trail"),
            ReadKind::Stream { after, .. } => target
                .path("/stream")
                .query_opt("after", after.map(|p| p.to_string()).as_deref()),
            ReadKind::Events { cursor } => target
                .path("/events")
                .query_opt("cursor", cursor.as_deref()),
            _ => return Err(BuildError::new("no such look")),
        };
        Ok(Request::get(target.build()?))
    }

    fn read(
        &self,
        _id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Output>, ReadError> {
        let body = text(reply)?;
        Ok(match read {
            ReadKind::Questions => {
                let log = log(reply)?;
                match log.last() {
                    // With a stream, the questions stand in it.
                    Some((role, ..)) if STREAM && role == "assistant" => {
                        PollResult::Waiting(status("waiting"))
                    }
                    Some((role, id, text)) if role == "assistant" => {
                        let users = log.iter().filter(|(role, ..)| role == "user");
                        let asked = Question::new(id.as_str(), QuestionKind::Text, text.as_str());
                        PollResult::Asking(vec![asked.asked_behind(users.count() as u64)])
                    }
                    Some(_) if log.iter().any(|(role, ..)| role == "assistant") => {
                        PollResult::NotAsking
                    }
                    _ => PollResult::Asking(vec![
                        Question::new(format!("silent{}", log.len()), QuestionKind::Text, "")
                            .as_stand_in(),
                    ]),
                }
            }
            ReadKind::Events { .. } => {
                // `SEQ TEXT` in lines, `null` for what cannot be read, `next CURSOR` the last of them.
                let (mut entries, mut next) = (Vec::new(), None);
                for line in body.lines() {
                    match line.split_once(' ').unwrap_or((line, "")) {
                        ("next", cursor) => next = Some(cursor.to_owned()),
                        ("null", _) => entries.push(ListEntry::Unreadable),
                        (seq, text) => entries.push(ListEntry::Readable(item(seq, text)?)),
                    }
                }
                PollResult::Events(Page::new(
                    entries.into_iter().collect::<LenientList<_>>(),
                    next,
                ))
            }
            ReadKind::Result => match body.strip_prefix("done ") {
                Some(answer) => PollResult::Ready(Output(answer.to_owned())),
                None => PollResult::Pending(status(body)),
            },
            ReadKind::Steps => {
                let (word, trail) = body.split_once(' ').unwrap_or((body, ""));
                let fault = TaskFailure::new(status(word))
                    .with_steps(Some(trail.to_owned()), json!([trail]));
                if word == "failed" {
                    PollResult::Failed(fault)
                } else {
                    PollResult::Stopped(fault)
                }
            }
            _ => match body {
                "running" => PollResult::Pending(status(body)),
                "waiting" if STREAM => PollResult::Waiting(status(body)),
                "waiting" => PollResult::ReadFirst(ReadKind::Questions, status(body)),
                "review" => PollResult::Paused(status(body)),
                "done" => PollResult::ReadFirst(ReadKind::Result, status(body)),
                "failed" => PollResult::Failed(TaskFailure::new(status(body))),
                "stopped" => PollResult::Stopped(TaskFailure::new(status(body))),
                other => PollResult::Unknown(status(other)),
            },
        })
    }

    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?;
        match act {
            WriteRequest::Answer {
                answer: Answer::Text(text),
                key,
                ..
            } => {
                let request = Request::json(Method::POST, target.path("/say").build()?, text)?;
                key.map_or(Ok(request.clone()), |key| request.keyed(key))
            }
            WriteRequest::Answer {
                answer: answer @ (Answer::Approve | Answer::Reject { .. }),
                ..
            } => {
                let word = match answer {
                    Answer::Approve => "approved",
                    _ => "rejected",
                };
                Request::json(Method::POST, target.path("/say").build()?, &word)
            }
            WriteRequest::Message { text, .. } => {
                Request::json(Method::POST, target.path("/say").build()?, text)
            }
            WriteRequest::Cancel => Ok(Request::empty(
                Method::POST,
                target.path("/cancel").build()?,
            )),
            _ => Err(BuildError::new("not a text")),
        }
    }

    fn cursor(&self, _id: &TaskId, reply: &Response) -> Result<Cursor, ReadError> {
        Ok(Cursor::new(log(reply)?.len().to_string()))
    }

    fn find_write(
        &self,
        _id: &TaskId,
        reply: &Response,
        mark: &Cursor,
        text: &str,
        _: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        let log = log(reply)?;
        let new = &log[mark.as_str().parse::<usize>().unwrap_or(0).min(log.len())..];
        let user = new
            .iter()
            .rposition(|(role, ..)| role == "user")
            .map_or(0, |i| i + 1);
        let replied = new[user..].iter().any(|(role, ..)| role == "assistant");
        let ours = new
            .iter()
            .any(|(role, _, said)| role == "user" && said == text);
        Ok(match (ours, replied) {
            (true, true) => Confirmation::PresentAndReplied,
            (true, false) => Confirmation::Present,
            (false, true) => Confirmation::AbsentAndReplied,
            (false, false) => Confirmation::Absent,
        })
    }

    fn read_event(
        &self,
        _id: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        let (seq, text) = event.data.split_once(' ').unwrap_or((event.data, ""));
        item(seq, text).map(Some)
    }
}

fn asked(seq: u64, kind: QuestionKind, text: &str) -> Question {
    Question::new(format!("q{seq}"), kind, text).asked_at(EventSeq(seq))
}

/// The event number `seq`, which says `text`.
pub(crate) fn item(seq: &str, text: &str) -> Result<StreamEvent, ReadError> {
    let seq: u64 = seq
        .parse()
        .map_err(|_| ReadError::new(ReadErrorKind::Shape, "seq"))?;
    let event = match text.split_once(' ') {
        // A piece of what the agent says.
        Some(("say", piece)) => {
            let data = json!({"seq": seq, "value": {"kind": "piece", "piece": piece}});
            RawEvent::new(Some(EventSeq(seq)), "say", data)
        }
        _ => RawEvent::new(Some(EventSeq(seq)), text, json!(seq)),
    };
    let kind = match text.split(' ').next().unwrap_or_default() {
        "wait" => EventKind::Asking(asked(seq, QuestionKind::Text, text)),
        "approve" => EventKind::Asking(asked(seq, QuestionKind::Approval, text)),
        "end" => EventKind::Ended(UnconfirmedEnd::Succeeded),
        "broke" => EventKind::Ended(UnconfirmedEnd::Failed(
            TaskFailure::new(Status::known("failed")).with_reason(Some("broke".into()), None),
        )),
        "late" => EventKind::Ended(UnconfirmedEnd::Stopped(
            TaskFailure::new(Status::known("stopped")).as_unanswered(),
        )),
        "note" => EventKind::Neutral,
        _ => EventKind::Working,
    };
    Ok(StreamEvent::new(event, kind))
}

/// The same platform with a start and reads alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bare;

const WHOLE: Toy<false, false> = Toy;

impl Provider for Bare {
    type Job = ToyJob;
    type Output = Output;
    const NAME: &'static str = "bare";
    const DEFAULTS: ProviderDefaults = Toy::<false, false>::DEFAULTS;
    const CAPABILITIES: Capabilities = Capabilities::LEAST;

    fn start(&self, job: &ToyJob, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        WHOLE.start(job, key)
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Output>, ReadError> {
        WHOLE.read_start(reply)
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        match read {
            ReadKind::Status | ReadKind::Questions | ReadKind::Result => {
                WHOLE.read_request(id, read)
            }
            _ => Err(BuildError::new("no such look")),
        }
    }

    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Output>, ReadError> {
        WHOLE.read(id, read, reply)
    }

    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        match act {
            WriteRequest::Answer { .. } => WHOLE.write_request(id, act),
            _ => Err(BuildError::new("no such act")),
        }
    }
}
