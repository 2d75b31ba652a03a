//! Every endpoint by itself, for calls without a run to follow.

mod keys;

use http::Method;
use serde_json::{Map, Value};
use taskward_core::{
    BuildError, IdempotencyKey, LenientList, List, ListEntry, ListPage, Operation, ReadError,
    ReadErrorKind, Request, Response, Safety, Target, sse,
};

use crate::agent_harness::events::RUN_EVENT;
use crate::agent_harness::job::Job;
use crate::agent_harness::provider::{
    events_request, read_events, read_run, run_of_events, run_target,
};
use crate::agent_harness::signal::{signal_of, signal_request};
use crate::agent_harness::types::{
    CreateRunResponse, OpenObject, Run, RunEvent, RunEventPage, SignalAction, SignalRequest, Usage,
    UsageEventType, UsageGranularity,
};
use crate::wire;

pub use keys::{CreateApiKey, IssuedKey, RevokeApiKey, RotateApiKey};

/// Reads a reply whose body may be missing: the acceptance is the status code.
fn accepted(run: &str, reply: &Response) -> Result<OpenObject, ReadError> {
    run_of_events(run).check(&reply.body)?;
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match wire::decode(&reply.body)? {
        Value::Object(object) => Ok(object),
        other => Ok(Map::from_iter([("body".to_owned(), other)])),
    }
}

/// Creates a run and returns at once. To follow it to its end, pass the [`Job`] to a client's `run` instead.
///
/// The same key with the same job returns the run that was created first, and says so in `replayed`; with another job it
/// is refused with 409.
#[derive(Clone, Debug)]
pub struct CreateRun {
    /// What to run.
    pub job: Job,
    /// Makes the call safe to repeat.
    pub key: IdempotencyKey,
}

impl Operation for CreateRun {
    type Output = CreateRunResponse;
    const NAME: &'static str = "createRun";

    fn safety(&self) -> Safety {
        Safety::Keyed
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.job.request(Some(&self.key))
    }

    fn read(&self, reply: &Response) -> Result<CreateRunResponse, ReadError> {
        Ok(wire::decode(&reply.body)?)
    }
}

/// Reads a run.
#[derive(Clone, Debug)]
pub struct GetRun(pub String);

impl GetRun {
    /// Reads this run.
    pub fn new(run: impl Into<String>) -> Self {
        Self(run.into())
    }
}

impl Operation for GetRun {
    type Output = Run;
    const NAME: &'static str = "getRun";

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(run_target(&self.0, "")?.build()?))
    }

    fn is_status_read(&self) -> bool {
        true
    }

    fn read(&self, reply: &Response) -> Result<Run, ReadError> {
        read_run(&self.0, reply)
    }
}

/// Reads a page of a run's events, oldest first.
///
/// As a list it yields each event once, even where a page begins with events of the one before, and ends where a page has
/// nothing new: the cursor of a live run may be the place to read from later.
#[derive(Clone, Debug)]
pub struct ListRunEvents {
    /// The run.
    pub run: String,
    /// Where the page begins: the cursor of the page before.
    pub cursor: Option<String>,
    /// The query parameter that carries the cursor. The platform's documentation does not name it; `cursor` is a guess.
    pub cursor_parameter: String,
    /// The last event of the pages before.
    last: Option<u64>,
}

impl ListRunEvents {
    /// Reads the first page of this run's events.
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            cursor: None,
            cursor_parameter: "cursor".to_owned(),
            last: None,
        }
    }

    /// Reads the page that begins there.
    #[must_use]
    pub fn from(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

impl Operation for ListRunEvents {
    type Output = RunEventPage;
    const NAME: &'static str = "listRunEvents";

    fn request(&self) -> Result<Request, BuildError> {
        events_request(&self.run, &self.cursor_parameter, self.cursor.as_deref())
    }

    fn read(&self, reply: &Response) -> Result<RunEventPage, ReadError> {
        read_events(&self.run, &reply.body)
    }
}

impl List for ListRunEvents {
    type Item = RunEvent;

    fn take(&mut self, page: RunEventPage) -> ListPage<RunEvent> {
        let before = self.last;
        let mut events = page.events;
        events.retain(|event| Some(event.seq) > before);
        self.last = events.readable().map(|event| event.seq).max().max(before);
        let next = page.next_cursor.or(page.cursor);
        let next = next
            .map(|cursor| cursor.as_str().to_owned())
            .filter(|cursor| !events.is_empty() && self.cursor.as_ref() != Some(cursor));
        ListPage::new(events, None, next)
    }

    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    fn turn(&mut self, cursor: String) {
        self.cursor = Some(cursor);
    }
}

/// Reads the event stream of a run to the end that the server gives it, and returns its events together.
///
/// For a run that is over, or nearly so. To read a live run as it goes, follow it: `attach` holds the connection open,
/// reopens it and reports each event when it arrives.
#[derive(Clone, Debug)]
pub struct StreamRunEvents(pub String);

impl Operation for StreamRunEvents {
    type Output = LenientList<RunEvent>;
    const NAME: &'static str = "streamRunEvents";

    fn request(&self) -> Result<Request, BuildError> {
        let target = run_target(&self.0, "/events/stream")?.build()?;
        Ok(Request::get(target).streaming())
    }

    fn read(&self, reply: &Response) -> Result<LenientList<RunEvent>, ReadError> {
        let mut decoder = sse::Decoder::new();
        let mut rest: &[u8] = &reply.body;
        let mut events = Vec::new();
        let too_large =
            |error: sse::TooLarge| ReadError::new(ReadErrorKind::Shape, error.to_string());
        while let Some(event) = decoder.next_event(&mut rest).map_err(too_large)? {
            if event.name == RUN_EVENT && !event.data.trim().is_empty() {
                events.push(match read_events(&self.0, event.data.as_bytes()) {
                    Ok(event) => ListEntry::Readable(event),
                    Err(error) if error.kind() == ReadErrorKind::Foreign => return Err(error),
                    Err(_) => ListEntry::Unreadable,
                });
            }
        }
        Ok(events.into_iter().collect())
    }
}

/// Answers a run that waits. Any 2xx means that it was taken.
#[derive(Clone, Debug)]
pub struct SignalRun {
    /// The run.
    pub run: String,
    /// The signal; its key is set from `key`.
    pub signal: SignalRequest,
    /// Makes the call safe to repeat; it is sent in the header and in the body.
    pub key: IdempotencyKey,
}

impl SignalRun {
    /// Builds the signal that carries this answer, under a key that is the same for the same answer to the same wait: `wait`
    /// is the `seq` of the event that asked.
    ///
    /// # Errors
    /// When no signal carries such an answer.
    pub fn answer(
        run: impl Into<String>,
        wait: &str,
        answer: &taskward_core::Answer,
    ) -> Result<Self, BuildError> {
        let run = run.into();
        let key = IdempotencyKey::of_answer(&run, wait, answer);
        Ok(Self {
            signal: signal_of(answer)?,
            run,
            key,
        })
    }

    /// Returns what it does.
    #[must_use]
    pub fn action(&self) -> SignalAction {
        self.signal.action
    }
}

impl Operation for SignalRun {
    type Output = OpenObject;
    const NAME: &'static str = "signalRun";

    fn safety(&self) -> Safety {
        Safety::Keyed
    }

    fn request(&self) -> Result<Request, BuildError> {
        signal_request(&self.run, self.signal.clone(), &self.key)
    }

    fn read(&self, reply: &Response) -> Result<OpenObject, ReadError> {
        accepted(&self.run, reply)
    }
}

/// Brings a stalled run back to work. The platform's documentation names only the end of its path.
#[derive(Clone, Debug)]
pub struct ResumeRun(pub String);

impl Operation for ResumeRun {
    type Output = OpenObject;
    const NAME: &'static str = "resumeRun";

    fn request(&self) -> Result<Request, BuildError> {
        // The specification gives this call no body.
        let target = run_target(&self.0, "/resume")?.build()?;
        Ok(Request::empty(Method::POST, target))
    }

    fn read(&self, reply: &Response) -> Result<OpenObject, ReadError> {
        accepted(&self.0, reply)
    }
}

/// Reads what was used, added up. Without a range: this month so far, in UTC.
#[derive(Clone, Debug, Default)]
pub struct GetUsage {
    /// Only of this workspace.
    pub workspace: Option<String>,
    /// Only of this person or system.
    pub subject: Option<String>,
    /// Only of this kind; these are not the types of a run's events.
    pub event_type: Option<UsageEventType>,
    /// From this time on, RFC 3339 with an offset.
    pub start: Option<String>,
    /// Up to this time, RFC 3339 with an offset.
    pub end: Option<String>,
    /// The size of a bucket; a day when left out.
    pub granularity: Option<UsageGranularity>,
}

impl Operation for GetUsage {
    type Output = Usage;
    const NAME: &'static str = "getUsage";

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/v1/usage")
            .query_opt("workspace_id", self.workspace.as_deref())
            .query_opt("subject_id", self.subject.as_deref())
            .query_opt(
                "event_type",
                self.event_type.as_ref().map(UsageEventType::as_str),
            )
            .query_opt("start", self.start.as_deref())
            .query_opt("end", self.end.as_deref())
            .query_opt(
                "granularity",
                self.granularity.map(UsageGranularity::as_str),
            );
        Ok(Request::get(target.build()?))
    }

    fn read(&self, reply: &Response) -> Result<Usage, ReadError> {
        Ok(wire::decode(&reply.body)?)
    }
}

/// Defines a probe: a read whose answer is its status code.
macro_rules! probe {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $path:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Operation for $name {
            type Output = String;
            const NAME: &'static str = $operation;

            fn request(&self) -> Result<Request, BuildError> {
                Ok(Request::get(Target::new($path).build()?))
            }

            fn read(&self, reply: &Response) -> Result<String, ReadError> {
                Ok(String::from_utf8_lossy(&reply.body).into_owned())
            }
        }
    };
}

probe! {
    /// Asks whether the service is alive. Returns the body as it came; the platform does not document it.
    GetHealthLive, "getHealthLive", "/health/live"
}
probe! {
    /// Asks whether the service is ready for work. Returns the body as it came.
    GetHealthReady, "getHealthReady", "/health/ready"
}
probe! {
    /// Asks whether the service can reach what it depends on. Returns the body as it came.
    GetHealthDeps, "getHealthDeps", "/health/deps"
}

/// Reads the platform's own description of its interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetOpenApiDocument;

impl Operation for GetOpenApiDocument {
    type Output = OpenObject;
    const NAME: &'static str = "getOpenApiDocument";

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(Target::new("/openapi.json").build()?))
    }

    fn read(&self, reply: &Response) -> Result<OpenObject, ReadError> {
        Ok(wire::decode(&reply.body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::agent_harness::operations;
    use http::StatusCode;
    use serde_json::json;
    use taskward_core::{Answer, Pages};

    /// Compares an operation's request with the specification's method and path; no body goes where it has none.
    fn check<O: Operation>(operation: &O) -> &'static str {
        let spec = operations::ALL
            .iter()
            .find(|spec| spec.id == O::NAME)
            .expect("a documented operation");
        let request = operation.request().expect("request");
        let path = spec.path.replace("{id}", "ID").replace("{key_id}", "ID");
        assert_eq!(
            (request.method().as_str(), request.target().path()),
            (spec.method, path.as_str())
        );
        let has_body = !matches!(request.body(), taskward_core::Body::Empty);
        assert!(spec.takes_body || !has_body, "{} takes no body", O::NAME);
        O::NAME
    }

    /// Rows: N7.
    #[test]
    fn every_documented_operation_is_there_and_is_the_specifications() {
        let id = || "ID".to_owned();
        let key = IdempotencyKey::new("k");
        let built = [
            check(&CreateRun {
                job: Job::goal("g"),
                key,
            }),
            check(&GetRun(id())),
            check(&ListRunEvents::new("ID")),
            check(&StreamRunEvents(id())),
            check(&SignalRun::answer("ID", "7", &Answer::Approve).expect("a signal")),
            check(&ResumeRun(id())),
            check(&GetUsage::default()),
            check(&CreateApiKey::default()),
            check(&RevokeApiKey(id())),
            check(&RotateApiKey(id())),
            check(&GetHealthLive),
            check(&GetHealthReady),
            check(&GetHealthDeps),
            check(&GetOpenApiDocument),
        ];
        let all: Vec<&str> = operations::ALL.iter().map(|spec| spec.id).collect();
        assert_eq!(built.as_slice(), all);
    }

    /// Rows: D21.
    #[test]
    fn a_run_s_events_are_listed_once_each_however_the_list_goes_on() {
        let page = |text: &str| -> RunEventPage { wire::decode(text.as_bytes()).expect(text) };
        let event = |seq: u64| format!(r#"{{"seq":{seq},"type":"step.progress","payload":{{}}}}"#);
        let events = |range: std::ops::RangeInclusive<u64>| -> String {
            range.map(event).collect::<Vec<_>>().join(",")
        };
        let (one, two) = (events(1..=2), events(1..=4));
        let first = format!(r#"{{"events":[{one}],"next_cursor":2}}"#);
        for second in [
            // The list begins again with every page, and its cursor is repeated, is a later place, or is none.
            format!(r#"{{"data":[{two}],"cursor":"2"}}"#),
            format!(r#"{{"data":[{two}],"cursor":""}}"#),
            format!("[{two}]"),
        ] {
            let mut pages = Pages::new(ListRunEvents::new("r"));
            let mut seen = pages.take(page(&first));
            assert_eq!(pages.cursor(), Some("2"));
            seen.extend(pages.take(page(&second)));
            let numbers: Vec<u64> = seen.iter().map(|event| event.seq).collect();
            assert_eq!(numbers, [1, 2, 3, 4], "{second}");
            assert!(pages.next().expect("no loop").is_none(), "{second}");
        }
        let mut pages = Pages::new(ListRunEvents::new("r"));
        pages.take(page(&first));
        // A cursor that is new each time proves nothing: there was nothing new on the page.
        assert_eq!(
            pages.take(page(&format!(r#"{{"events":[{one}],"cursor":"later"}}"#))),
            []
        );
        assert!(pages.next().expect("no loop").is_none());
    }

    #[test]
    fn an_offset_is_percent_encoded() {
        let usage = GetUsage {
            start: Some("2026-03-01T00:00:00+00:00".into()),
            granularity: Some(UsageGranularity::Hour),
            ..GetUsage::default()
        };
        assert_eq!(
            usage.request().expect("request").target(),
            "/v1/usage?start=2026-03-01T00%3A00%3A00%2B00%3A00&granularity=hour"
        );
    }

    #[test]
    fn a_signal_has_its_key_in_header_and_body_and_the_same_one_for_the_same_answer() {
        let reject = Answer::Reject {
            reason: Some("wrong recipients".into()),
        };
        let signal = SignalRun::answer("run_1", "7", &reject).expect("a signal");
        let request = signal.request().expect("request");
        let taskward_core::Body::Bytes(body) = request.body() else {
            panic!("no JSON");
        };
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let key = request.headers()["idempotency-key"].to_str().expect("text");
        assert_eq!(
            body,
            json!({"action": "reject", "payload": {"reason": "wrong recipients"}, "idempotency_key": key})
        );
        let again = SignalRun::answer("run_1", "7", &reject).expect("a signal");
        assert_eq!(again.key, signal.key);
        for other in [
            SignalRun::answer("run_1", "9", &reject),
            SignalRun::answer("run_2", "7", &reject),
            SignalRun::answer("run_1", "7", &Answer::Approve),
        ] {
            assert_ne!(other.expect("a signal").key, signal.key);
        }
        assert!(SignalRun::answer("run_1", "7", &Answer::text("yes")).is_err());
    }

    #[test]
    fn an_acceptance_may_be_empty_or_of_any_shape() {
        for (body, read) in [
            ("", json!({})),
            ("{\"a\":1}", json!({"a": 1})),
            ("[1]", json!({"body": [1]})),
        ] {
            let reply = Response::new(StatusCode::ACCEPTED, body);
            assert_eq!(
                Value::Object(ResumeRun("r".into()).read(&reply).expect(body)),
                read
            );
        }
    }

    #[test]
    fn a_stream_is_read_to_its_end() {
        let body = "event: run_event\ndata: {\"seq\":1,\"type\":\"run.created\"}\n\n: beat\n\nevent: ping\ndata: 1\n\n";
        let events = StreamRunEvents("r".into())
            .read(&Response::new(StatusCode::OK, body))
            .expect("events");
        assert_eq!(events.len(), 1);
    }
}
