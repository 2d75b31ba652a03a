//! A provider with an event stream, driven over a real connection: reported, answered while open, cut, reopened, closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use taskward_core::http::Method;
use taskward_core::{
    Answer, BuildError, Capabilities, Confirmation, CreatedTask, Cursor, ErrorKind, Event,
    EventKind, EventSeq, IdempotencyKey, Job, NumberedEvent, Output as _, Policy, PollResult,
    Provider, ProviderDefaults, Question, QuestionKind, RawEvent, ReadError, ReadErrorKind,
    ReadKind, Request, Response, RunResult, Safety, Started, Status, StreamEvent, Target, TaskId,
    UnconfirmedEnd, WriteRequest, sse,
};

use super::support::{self, Conn, Server, key};
use crate::adapter::{Client, follow, handler};

/// Plain text, one word of status, `SEQ WORD` as the data of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Toy;

#[derive(Clone, Debug)]
pub(crate) struct Work;

impl Job for Work {}

#[derive(Clone, Debug)]
pub(crate) struct Text(String);

impl taskward_core::Output for Text {
    fn text(&self) -> Option<String> {
        Some(self.0.clone())
    }
    fn json(&self) -> Option<&serde_json::Value> {
        None
    }
    fn raw(&self) -> &serde_json::Value {
        &serde_json::Value::Null
    }
}

impl Provider for Toy {
    type Job = Work;
    type Output = Text;
    const NAME: &'static str = "toy";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new(
        "TASKWARD_TEST_KEY_THAT_NOBODY_SETS",
        "TASKWARD_TEST_URL_THAT_NOBODY_SETS",
        "https://toy.invalid",
        "",
    );
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = Safety::Keyed;
        can.answer = Safety::Keyed;
        can.stream = true;
        can
    };

    fn start(&self, _job: &Work, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        let request = Request::json(Method::POST, Target::new("/start").build()?, &"go")?;
        key.map_or(Ok(request.clone()), |key| request.keyed(key))
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Text>, ReadError> {
        Ok(CreatedTask::new(TaskId::new(text(reply)), None).into())
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?;
        let target = match read {
            ReadKind::Stream { after, .. } => target
                .path("/stream")
                .query_opt("after", after.map(|p| p.to_string()).as_deref()),
            ReadKind::Result => target.path("/result"),
            _ => target,
        };
        Ok(Request::get(target.build()?))
    }

    fn read(
        &self,
        _id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Text>, ReadError> {
        Ok(match (read, text(reply).as_str()) {
            (ReadKind::Result, answer) => PollResult::Ready(Text(answer.to_owned())),
            (_, "waiting") => PollResult::Waiting(Status::known("waiting")),
            (_, "done") => PollResult::ReadFirst(ReadKind::Result, Status::known("done")),
            _ => PollResult::Pending(Status::known("running")),
        })
    }

    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        let target = Target::new("/t").segment(id.as_str())?.path("/say");
        match act {
            WriteRequest::Answer {
                answer: Answer::Text(text),
                key: Some(key),
                ..
            } => Request::json(Method::POST, target.build()?, text)?.keyed(key),
            _ => Err(BuildError::new("only keyed answers in words")),
        }
    }

    fn cursor(&self, _id: &TaskId, _reply: &Response) -> Result<Cursor, ReadError> {
        Ok(Cursor::new(""))
    }

    fn find_write(
        &self,
        _id: &TaskId,
        _reply: &Response,
        _mark: &Cursor,
        _text: &str,
        _: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        Ok(Confirmation::Absent)
    }

    fn read_event(
        &self,
        _id: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        let (seq, word) = event.data.split_once(' ').unwrap_or((event.data, ""));
        let seq = seq.parse();
        let seq = seq.map_err(|_| ReadError::new(ReadErrorKind::Shape, "no number"))?;
        let event = RawEvent::new(Some(EventSeq(seq)), word, serde_json::Value::Null);
        let kind = match word {
            "wait" => EventKind::Asking(Question::new("q2", QuestionKind::Text, "Which?")),
            "end" => EventKind::Ended(UnconfirmedEnd::Succeeded),
            _ => EventKind::Working,
        };
        Ok(Some(StreamEvent::new(event, kind)))
    }
}

fn text(reply: &Response) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// The head of a stream whose end is the connection's.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";

/// What the toy's server knows.
#[derive(Debug, Default)]
pub(crate) struct Platform {
    answers: Mutex<Vec<String>>,
    streams_over: Mutex<usize>,
    /// Whether the task reads as being at work.
    pub(crate) works: AtomicBool,
}

impl Platform {
    pub(super) fn answered(&self) -> bool {
        !self.answers.lock().expect("answers").is_empty()
    }

    /// Answers the requests of one connection; `stream` says what a stream does.
    fn serve(&self, conn: &mut Conn, stream: impl Fn(&Self, &mut Conn, &str)) {
        while let Some(seen) = conn.request() {
            let line = seen.line().to_owned();
            let target = line.split(' ').nth(1).unwrap_or_default();
            match target {
                "/start" => conn.json("7"),
                "/t/7" if self.works.load(Ordering::SeqCst) => conn.json("running"),
                "/t/7" if self.answered() => conn.json("done"),
                "/t/7" => conn.json("waiting"),
                "/t/7/result" => conn.json("EUR"),
                "/t/7/say" => {
                    let said = String::from_utf8_lossy(&seen.body).into_owned();
                    self.answers.lock().expect("answers").push(said);
                    conn.json("")
                }
                target => {
                    assert_eq!(seen.header("accept"), Some("text/event-stream"));
                    stream(self, conn, target);
                    return;
                }
            };
        }
    }

    /// A stream that asks; it is cut in its second event when `cuts` says so.
    fn stream(&self, conn: &mut Conn, target: &str, cuts: bool) {
        conn.say(STREAM_HEAD);
        if target == "/t/7/stream" {
            conn.say("data: 1 work\n\n");
            if cuts {
                // In the middle of an event, which has to come again.
                conn.say("data: 2 wa");
                return;
            }
        }
        if !self.answered() {
            conn.say("data: 2 wa");
            std::thread::sleep(Duration::from_millis(30));
            conn.say("it\n\n");
        }
        while !self.answered() {
            std::thread::sleep(Duration::from_millis(5));
        }
        conn.say("data: 3 work\n\ndata: 4 end\n\n");
        // Stays open: the client has to close it.
        conn.hold();
        *self.streams_over.lock().expect("streams") += 1;
    }
}

fn setup(cuts: bool) -> (Server, Arc<Platform>, Client<Toy>) {
    let stream = move |platform: &Platform, conn: &mut Conn, target: &str| {
        platform.stream(conn, target, cuts);
    };
    setup_with(Policy::default(), stream)
}

/// Returns a server whose streams do this, and a client twenty times as fast as the world.
pub(crate) fn setup_with(
    policy: Policy,
    stream: impl Fn(&Platform, &mut Conn, &str) + Send + Sync + 'static,
) -> (Server, Arc<Platform>, Client<Toy>) {
    let platform = Arc::new(Platform::default());
    let serving = platform.clone();
    let server = Server::new(move |conn, _| serving.serve(conn, &stream));
    let client = Client::builder()
        .api_key(key())
        .base_url(&server.url())
        .policy(policy)
        .speed(20)
        .build()
        .expect("settings");
    (server, platform, client)
}

/// Returns the words of the stream, in the order in which they were reported.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Vec<String>>>);

impl Reported {
    fn hook(&self) -> impl FnMut(&NumberedEvent) + Send + 'static {
        let reported = self.0.clone();
        move |event| {
            if let Event::Provider(event) = &event.event {
                let place = event.seq.map_or(0, |p| p.0);
                let line = format!("{place} {}", event.name);
                reported.lock().expect("reported").push(line);
            }
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("reported").clone()
    }
}

fn check(server: &Server, platform: &Platform, reported: &Reported, end: RunResult<Text>) {
    let answer = end.into_answer().expect("an answer");
    assert_eq!(answer.text().as_deref(), Some("EUR"));
    let all = reported.all();
    assert_eq!(all[..2], ["1 work", "2 wait"]);
    assert_eq!(*platform.answers.lock().expect("answers"), ["\"EUR\""]);
    let started = Instant::now();
    while *platform.streams_over.lock().expect("streams") == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "a stream is left open"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        server
            .seen()
            .iter()
            .any(|seen| seen.line().contains("/stream"))
    );
}

#[test]
fn a_question_in_a_stream_is_answered_while_the_stream_is_open() {
    let (server, platform, client) = setup(false);
    let reported = Reported::default();
    let end = follow(
        client
            .run(Work)
            .on_event(reported.hook())
            .on_question(handler(|_| Ok(Answer::text("EUR")))),
    )
    .expect("an end");
    check(&server, &platform, &reported, end);
    let streams = server
        .seen()
        .iter()
        .filter(|seen| seen.line().contains("/stream"))
        .count();
    assert_eq!(streams, 1);
}

#[test]
fn a_stream_that_is_cut_is_reopened_where_it_was() {
    let (server, platform, client) = setup(true);
    let reported = Reported::default();
    let end = follow(
        client
            .run(Work)
            .on_event(reported.hook())
            .on_question(handler(|_| Ok(Answer::text("EUR")))),
    )
    .expect("an end");
    check(&server, &platform, &reported, end);
    assert!(
        server
            .seen()
            .iter()
            .any(|seen| seen.line().contains("/stream?after=1")),
        "{:?}",
        server.seen()
    );
}

#[test]
fn detaching_closes_the_stream() {
    let (_server, platform, client) = setup(false);
    let end = follow(client.run(Work)).expect("an end");
    let RunResult::Detached(left) = end else {
        panic!("nobody could answer");
    };
    let end = follow(
        client
            .resume(left.snapshot)
            .on_question(handler(|_| Ok(Answer::text("EUR")))),
    )
    .expect("an end");
    assert_eq!(end.into_answer().expect("an answer").0, "EUR");
    let started = Instant::now();
    while *platform.streams_over.lock().expect("streams") < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "a stream is left open"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Rows: E31.
#[test]
fn a_stream_whose_head_never_comes_stops_neither_a_poll_nor_an_answer_and_is_let_go() {
    let closed = Arc::new(AtomicBool::new(false));
    let closing = closed.clone();
    let stream = move |_: &Platform, conn: &mut Conn, _: &str| {
        conn.hold();
        closing.store(true, Ordering::SeqCst);
    };
    let (server, platform, client) = setup_with(Policy::default(), stream);
    let was_open = Arc::new(AtomicBool::new(false));
    let (noted, known) = (was_open.clone(), closed.clone());
    let asked = handler(move |_| {
        noted.store(!known.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(Answer::text("EUR"))
    });
    let end = follow(client.run(Work).on_question(asked)).expect("an end");
    assert_eq!(end.into_answer().expect("an answer").0, "EUR");
    assert!(was_open.load(Ordering::SeqCst), "it was waited for");
    assert_eq!(*platform.answers.lock().expect("answers"), ["\"EUR\""]);
    let streams = server.seen();
    let streams = streams
        .iter()
        .filter(|seen| seen.line().contains("/stream"));
    assert_eq!(streams.count(), 1);
    let started = Instant::now();
    while !closed.load(Ordering::SeqCst) {
        let left_open = started.elapsed() > Duration::from_secs(5);
        assert!(!left_open, "a stream is left open");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_missing_key_names_the_variable_to_set() {
    for error in [
        Client::<Toy>::from_env().expect_err("no key"),
        Client::<Toy>::builder().build().expect_err("no key"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error
                .to_string()
                .contains("TASKWARD_TEST_KEY_THAT_NOBODY_SETS"),
            "{error}"
        );
    }
    let insecure = Client::<Toy>::builder()
        .api_key(key())
        .base_url("http://toy.invalid");
    assert_eq!(
        insecure.build().expect_err("refused").kind(),
        ErrorKind::Config
    );
    let shown = format!(
        "{:?}",
        Client::<Toy>::builder()
            .api_key(key())
            .base_url("http://[::1]:1")
            .build()
    );
    assert!(
        shown.contains("toy") && !shown.contains(support::KEY),
        "{shown}"
    );
}
