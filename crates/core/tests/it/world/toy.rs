//! The toy platform: plain text where the real ones speak JSON. With keys or without, with a stream or without.

use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};
use taskward_core::{
    Account, Act, Answer, Beat, BuildError, Capabilities, Clue, Content, Fault, Fingerprint,
    Finish, IdempotencyKey, Item, Job, Landed, LenientList, ListEntry, Look, Mark, Page, Part,
    Position, Provider, Question, QuestionKind, RawEvent, ReadError, ReadErrorKind, Reading,
    Request, Response, Safety, Source, Stamp, Started, Status, Target, TaskId, sse,
};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Toy<const KEYED: bool, const STREAM: bool>;

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

/// `file PATH` as an adapter has looked at it, `file memory TEXT` as bytes.
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
    const ACCOUNT: Account = Account::new("TOY_KEY", "TOY_URL", "https://toy.example", "");
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = if KEYED { Safety::Keyed } else { Safety::Once };
        can.answer = if KEYED { Safety::Keyed } else { Safety::Once };
        can.stream = STREAM;
        can.events = STREAM;
        can.cancel = true;
        can.message = true;
        can.trail = true;
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

    fn clue(&self, job: &ToyJob) -> Option<Clue> {
        Some(Clue::agent("toy").said(&job.0))
    }

    fn read_start(&self, reply: &Response) -> Result<Started, ReadError> {
        let mut words = text(reply)?.split(' ');
        let id = words.next().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| ReadError::new(ReadErrorKind::Shape, "no id"))?;
        Ok(Started::new(TaskId::new(id), words.next().map(status)))
    }

    fn look(&self, id: &TaskId, look: &Look) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?;
        let target = match look {
            Look::Status => target,
            Look::Questions => target.path("/log"),
            Look::Result => target.path("/result"),
            Look::Trail => target.path("/trail"),
            Look::Stream { after } => target
                .path("/stream")
                .query_opt("after", after.map(|p| p.to_string()).as_deref()),
            Look::Events { cursor } => target
                .path("/events")
                .query_opt("cursor", cursor.as_deref()),
            _ => return Err(BuildError::new("no such look")),
        };
        Ok(Request::get(target.build()?))
    }

    fn read(
        &self,
        _id: &TaskId,
        look: &Look,
        reply: &Response,
    ) -> Result<Reading<Output>, ReadError> {
        let body = text(reply)?;
        Ok(match look {
            Look::Questions => {
                let log = log(reply)?;
                match log.last() {
                    // With a stream, the questions stand in it.
                    Some((role, ..)) if STREAM && role == "assistant" => {
                        Reading::Waiting(status("waiting"))
                    }
                    Some((role, id, text)) if role == "assistant" => {
                        let users = log.iter().filter(|(role, ..)| role == "user");
                        let asked = Question::new(id.as_str(), QuestionKind::Text, text.as_str());
                        Reading::Asking(vec![asked.asked_behind(users.count() as u64)])
                    }
                    Some(_) if log.iter().any(|(role, ..)| role == "assistant") => {
                        Reading::NotAsking
                    }
                    _ => Reading::Asking(vec![
                        Question::new(format!("silent{}", log.len()), QuestionKind::Text, "")
                            .as_stand_in(),
                    ]),
                }
            }
            Look::Events { .. } => {
                // `SEQ TEXT` in lines, `null` for what cannot be read, `next CURSOR` the last of them.
                let (mut entries, mut next) = (Vec::new(), None);
                for line in body.lines() {
                    match line.split_once(' ').unwrap_or((line, "")) {
                        ("next", cursor) => next = Some(cursor.to_owned()),
                        ("null", _) => entries.push(ListEntry::Unreadable),
                        (seq, text) => entries.push(ListEntry::Readable(item(seq, text)?)),
                    }
                }
                Reading::Events(Page::new(
                    entries.into_iter().collect::<LenientList<_>>(),
                    next,
                ))
            }
            Look::Result => match body.strip_prefix("done ") {
                Some(answer) => Reading::Ready(Output(answer.to_owned())),
                None => Reading::Pending(status(body)),
            },
            Look::Trail => {
                let (word, trail) = body.split_once(' ').unwrap_or((body, ""));
                let fault =
                    Fault::new(status(word)).with_trail(Some(trail.to_owned()), json!([trail]));
                if word == "failed" {
                    Reading::Failed(fault)
                } else {
                    Reading::Stopped(fault)
                }
            }
            _ => match body {
                "running" => Reading::Pending(status(body)),
                "waiting" if STREAM => Reading::Waiting(status(body)),
                "waiting" => Reading::Next(Look::Questions, status(body)),
                "review" => Reading::Paused(status(body)),
                "done" => Reading::Next(Look::Result, status(body)),
                "failed" => Reading::Failed(Fault::new(status(body))),
                "stopped" => Reading::Stopped(Fault::new(status(body))),
                other => Reading::Unknown(status(other)),
            },
        })
    }

    fn act(&self, id: &TaskId, act: &Act<'_>) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?;
        match act {
            Act::Answer {
                answer: Answer::Text(text),
                key,
                ..
            } => {
                let request = Request::json(Method::POST, target.path("/say").build()?, text)?;
                key.map_or(Ok(request.clone()), |key| request.keyed(key))
            }
            Act::Answer {
                answer: answer @ (Answer::Approve | Answer::Reject { .. }),
                ..
            } => {
                let word = match answer {
                    Answer::Approve => "approved",
                    _ => "rejected",
                };
                Request::json(Method::POST, target.path("/say").build()?, &word)
            }
            Act::Message(text) => Request::json(Method::POST, target.path("/say").build()?, text),
            Act::Cancel => Ok(Request::empty(
                Method::POST,
                target.path("/cancel").build()?,
            )),
            _ => Err(BuildError::new("not a text")),
        }
    }

    fn mark(&self, _id: &TaskId, reply: &Response) -> Result<Mark, ReadError> {
        Ok(Mark::new(log(reply)?.len().to_string()))
    }

    fn landed(
        &self,
        _id: &TaskId,
        reply: &Response,
        mark: &Mark,
        text: &str,
    ) -> Result<Landed, ReadError> {
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
            (true, true) => Landed::Replied,
            (true, false) => Landed::Yes,
            (false, true) => Landed::Spoken,
            (false, false) => Landed::No,
        })
    }

    fn read_event(&self, _id: &TaskId, event: &sse::Event<'_>) -> Result<Option<Item>, ReadError> {
        let (seq, text) = event.data.split_once(' ').unwrap_or((event.data, ""));
        item(seq, text).map(Some)
    }
}

fn asked(seq: u64, kind: QuestionKind, text: &str) -> Question {
    Question::new(format!("q{seq}"), kind, text).asked_at(Position(seq))
}

/// The event number `seq`, which says `text`.
pub(crate) fn item(seq: &str, text: &str) -> Result<Item, ReadError> {
    let seq: u64 = seq
        .parse()
        .map_err(|_| ReadError::new(ReadErrorKind::Shape, "seq"))?;
    let event = match text.split_once(' ') {
        // A piece of what the agent says.
        Some(("say", piece)) => {
            let data = json!({"seq": seq, "value": {"kind": "piece", "piece": piece}});
            RawEvent::new(Some(Position(seq)), "say", data)
        }
        _ => RawEvent::new(Some(Position(seq)), text, json!(seq)),
    };
    let beat = match text.split(' ').next().unwrap_or_default() {
        "wait" => Beat::Asking(asked(seq, QuestionKind::Text, text)),
        "approve" => Beat::Asking(asked(seq, QuestionKind::Approval, text)),
        "end" => Beat::Ending(Finish::Succeeded),
        "broke" => Beat::Ending(Finish::Failed(
            Fault::new(Status::known("failed")).with_reason(Some("broke".into()), None),
        )),
        "late" => Beat::Ending(Finish::Stopped(
            Fault::new(Status::known("stopped")).as_unanswered(),
        )),
        "note" => Beat::Neutral,
        _ => Beat::Working,
    };
    Ok(Item::new(event, beat))
}

/// The same platform with a start and reads alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bare;

const WHOLE: Toy<false, false> = Toy;

impl Provider for Bare {
    type Job = ToyJob;
    type Output = Output;
    const NAME: &'static str = "bare";
    const ACCOUNT: Account = Toy::<false, false>::ACCOUNT;
    const CAPABILITIES: Capabilities = Capabilities::LEAST;

    fn start(&self, job: &ToyJob, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        WHOLE.start(job, key)
    }

    fn read_start(&self, reply: &Response) -> Result<Started, ReadError> {
        WHOLE.read_start(reply)
    }

    fn look(&self, id: &TaskId, look: &Look) -> Result<Request, BuildError> {
        match look {
            Look::Status | Look::Questions | Look::Result => WHOLE.look(id, look),
            _ => Err(BuildError::new("no such look")),
        }
    }

    fn read(
        &self,
        id: &TaskId,
        look: &Look,
        reply: &Response,
    ) -> Result<Reading<Output>, ReadError> {
        WHOLE.read(id, look, reply)
    }

    fn act(&self, id: &TaskId, act: &Act<'_>) -> Result<Request, BuildError> {
        match act {
            Act::Answer { .. } => WHOLE.act(id, act),
            _ => Err(BuildError::new("no such act")),
        }
    }
}
