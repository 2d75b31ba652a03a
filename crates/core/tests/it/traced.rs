//! Starts by stream, starts that a read finds again, errors in a 200, and streams that begin with the whole task: whole
//! traces over a scripted server.

use std::collections::VecDeque;
use std::fmt::Write as _;

use taskward_core::{
    Answer, Cause, Event, ExchangeFailure, ExchangeProgress, Head, OriginBudget, Outcome, Policy,
    Response, Snapshot, Step, StoppedBy, Task, http::StatusCode,
};

use crate::world::open::Open;
use crate::world::toy::ToyJob;
use crate::world::{at, policy, seed};

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Does {
    /// Answers with this text.
    Says(&'static str),
    /// Takes the request, and the reply is lost.
    Loses,
    /// Opens a stream with these events; what follows them is the last word: `cut`, `end` or `stay`.
    Streams(&'static [&'static str], &'static str),
}

use Does::{Loses, Says, Streams};

/// A scripted server: the next thing it does with a request to each path, and the last one from then on.
struct Script(Vec<(&'static str, VecDeque<Does>)>);

impl Script {
    fn new(script: &[(&'static str, &[Does])]) -> Self {
        let script = script.iter();
        Self(
            script
                .map(|(path, does)| (*path, does.iter().cloned().collect()))
                .collect(),
        )
    }

    fn next(&mut self, path: &str) -> Does {
        let found = self.0.iter_mut().find(|(known, _)| *known == path);
        let (_, does) = found.unwrap_or_else(|| panic!("no script for {path}"));
        match does.len() {
            1 => does[0],
            _ => does.pop_front().expect("a script"),
        }
    }
}

/// What a driver saw.
#[derive(Default)]
struct Trace {
    text: String,
    now: u64,
    /// The last state stored.
    stored: Option<Snapshot>,
    /// Whether the first state was stored before anything was sent.
    is_stored_first: bool,
}

fn told(event: &Event) -> String {
    match event {
        Event::Created { id, .. } => format!("created {id}"),
        Event::Status(status) => format!("status {status}"),
        Event::Question(question) => format!("question {}", question.text),
        Event::Withdrawn { .. } => "withdrawn".to_owned(),
        Event::Answered { how, .. } => format!("answered {how:?}"),
        Event::Sent { how, .. } => format!("sent {how:?}"),
        Event::Output(piece) => format!("piece {}", piece.text),
        Event::Provider(event) => format!("event {}", event.name),
        Event::Retrying { failed, .. } => format!("retrying {}", failed.reason.code()),
        Event::NoProgress { seconds, .. } => format!("no progress for {seconds} s"),
        other => format!("{other:?}"),
    }
}

impl Trace {
    fn line(&mut self, line: impl AsRef<str>) {
        writeln!(self.text, "{}", line.as_ref()).expect("a line");
    }

    /// Drives the task until it is over, or until `until` says so of a told event.
    fn drive(
        &mut self,
        task: &mut Task<Open>,
        script: &mut Script,
        until: impl Fn(&Event) -> bool,
    ) -> bool {
        let budget = OriginBudget::new();
        let mut stream: VecDeque<Option<Vec<u8>>> = VecDeque::new();
        let mut end = "stay";
        for _ in 0..2_000 {
            let again = format!("{:?}", task.next_step(at(self.now), &budget));
            let step = task.next_step(at(self.now), &budget);
            assert_eq!(format!("{step:?}"), again, "asking changes nothing");
            match step {
                Step::Save { revision } => {
                    let stored = task.snapshot();
                    let json = serde_json::to_string(&stored).expect("JSON");
                    assert_eq!(
                        serde_json::from_str::<Snapshot>(&json).expect("stored"),
                        stored
                    );
                    self.is_stored_first |= self.text.is_empty();
                    self.stored = Some(stored);
                    task.saved(revision);
                }
                Step::Event { no, event, .. } => {
                    self.line(told(&event));
                    task.taken(no);
                    if until(&event) {
                        return false;
                    }
                }
                Step::Send { id, request, .. } => {
                    let path = request.target().as_str().to_owned();
                    self.line(format!("{} {path}", request.method()));
                    task.sent(id);
                    match script.next(&path) {
                        Says(text) => {
                            let reply = Response::new(StatusCode::OK, text);
                            task.handle_response(id, reply, at(self.now));
                        }
                        _ => task.handle_failure(id, lost(), at(self.now)),
                    }
                }
                Step::Open { id, request, .. } => {
                    let path = request.target().as_str().to_owned();
                    self.line(format!("open {path}"));
                    task.sent(id);
                    match script.next(&path) {
                        Says(text) => {
                            let reply = Response::new(StatusCode::OK, text);
                            task.handle_response(id, reply, at(self.now));
                        }
                        Loses => task.handle_failure(id, lost(), at(self.now)),
                        Streams(events, last) => {
                            task.handle_head(id, Head::new(StatusCode::OK), at(self.now));
                            let frames = events.iter().map(|event| format!("data: {event}\n\n"));
                            stream = frames.map(|frame| Some(frame.into_bytes())).collect();
                            (end, _) = (last, stream.push_back(None));
                        }
                    }
                }
                Step::Receive { id, until } => match stream.pop_front() {
                    Some(Some(frame)) => task.handle_chunk(id, frame.into(), at(self.now)),
                    Some(None) if end == "cut" => task.handle_failure(id, cut(), at(self.now)),
                    Some(None) if end == "end" => task.handle_end(id, at(self.now)),
                    Some(None) | None => self.now = self.now.max(until.as_millis()),
                },
                Step::Close { id } => {
                    self.line("close");
                    task.closed(id);
                }
                Step::InFlight { .. } => panic!("every exchange is reported at once"),
                Step::Wait { until, .. } => self.now = self.now.max(until.as_millis()),
                Step::Done => {
                    let outcome = task.outcome().expect("an outcome");
                    let words = outcome.to_string();
                    self.line(format!("{}: {words}", outcome.code()));
                    return true;
                }
            }
        }
        panic!("it never ends:\n{}", self.text);
    }
}

fn lost() -> ExchangeFailure {
    ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, "reset")
}

fn cut() -> ExchangeFailure {
    let head = Head::new(StatusCode::OK);
    let answered = ExchangeProgress::Answered(Box::new(head));
    ExchangeFailure::new(answered, Cause::Truncated, "cut")
}

fn start(streams: bool, policy: Policy) -> Task<Open> {
    let job = ToyJob("go".to_owned());
    Task::start(Open { streams }, &job, policy, seed(), at(0)).expect("a task")
}

/// Runs a start to its end.
fn run(streams: bool, script: &[(&'static str, &[Does])]) -> Trace {
    let mut trace = Trace::default();
    let mut task = start(streams, policy());
    trace.drive(&mut task, &mut Script::new(script), |_| false);
    assert!(
        trace.is_stored_first,
        "the intent is stored before anything is sent"
    );
    trace
}

fn lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim()))
        .skip(1)
        .collect()
}

#[test]
fn a_start_may_be_over_at_once_with_or_without_a_task() {
    let answered = run(false, &[("/start?ref=ours", &[Says("answer 42")])]);
    assert_eq!(
        answered.text,
        "POST /start?ref=ours\nanswered: the agent answered at once, without a task\n"
    );
    let stored = answered.stored.expect("a state");
    assert!(
        !stored.is_unknown(),
        "an answer is no start of unknown outcome"
    );
    let task = Task::resume(Open::default(), stored, at(9)).expect("a task");
    assert_eq!(
        task.outcome().map(taskward_core::Outcome::code),
        Some("answered")
    );
    for streams in [false, true] {
        let done = run(
            streams,
            &[
                ("/start?ref=ours", &[Says("task t done 42")]),
                ("/start-stream", &[Streams(&["task t done 42"], "end")]),
            ],
        );
        assert!(
            done.text.ends_with("succeeded: the task completed\n"),
            "{}",
            done.text
        );
        assert_eq!(done.now, 0, "nothing is read again");
    }
}

#[test]
fn a_start_by_stream_goes_on_as_the_stream_of_its_task() {
    let trace = run(
        true,
        &[
            (
                "/start-stream",
                &[Streams(
                    &["task t working", "piece one", "piece two", "status done"],
                    "end",
                )],
            ),
            ("/tasks/t", &[Says("done 42")]),
        ],
    );
    let expected = lines(
        "
        open /start-stream
        created t
        piece one
        event piece
        piece two
        event piece
        status done
        event status
        GET /tasks/t
        close
        succeeded: the task completed",
    );
    assert_eq!(trace.text, expected);
}

#[test]
fn a_start_that_asks_at_once_asks_before_any_read() {
    let mut trace = Trace::default();
    let mut task = start(true, policy());
    let mut script = Script::new(&[("/start-stream", &[Streams(&["task t asking who"], "end")])]);
    trace.drive(&mut task, &mut script, |event| {
        matches!(event, Event::Question(_))
    });
    assert_eq!(trace.text, "open /start-stream\ncreated t\nquestion who\n");
}

#[test]
fn a_stream_cut_before_it_names_the_task_is_found_by_reading_and_never_repeated() {
    for (streams, first) in [
        (true, Streams(&[], "cut")),
        (true, Streams(&[""], "end")),
        (true, Streams(&["nonsense"], "stay")),
        (true, Streams(&["error server"], "stay")),
        (true, Loses),
        (false, Loses),
        (false, Says("error server")),
        (false, Says("")),
    ] {
        let path = if streams {
            "/start-stream"
        } else {
            "/start?ref=ours"
        };
        let trace = run(
            streams,
            &[
                (path, &[first]),
                ("/list", &[Says(""), Says("?"), Says("t")]),
                ("/tasks/t/stream", &[Streams(&["whole done 42"], "end")]),
                ("/tasks/t", &[Says("done 42")]),
            ],
        );
        assert_eq!(trace.text.matches(path).count(), 1, "{}", trace.text);
        assert_eq!(trace.text.matches("GET /list").count(), 3, "{}", trace.text);
        assert!(trace.text.contains("created t\n"), "{}", trace.text);
        assert!(
            trace.text.ends_with("succeeded: the task completed\n"),
            "{}",
            trace.text
        );
    }
}

#[test]
fn of_a_lost_start_that_is_never_listed_the_outcome_is_unknown_after_a_minute() {
    let trace = run(
        false,
        &[("/start?ref=ours", &[Loses]), ("/list", &[Says("")])],
    );
    assert!(
        trace.text.ends_with(
            "outcome_unknown: the task may have started: the connection was lost: reset; no task of it was listed within 60 s\n"
        ),
        "{}",
        trace.text
    );
    assert!(trace.now <= 60_000);
    let stored = trace.stored.expect("a state");
    assert!(stored.is_unknown() && stored.is_traceable() && !stored.is_repeatable());
    // Whoever recovers it looks again, and adopts what is found.
    let mut task = Task::recover(Open::default(), stored, policy(), at(99_000)).expect("a task");
    let mut again = Trace {
        now: 99_000,
        ..Trace::default()
    };
    let mut script = Script::new(&[("/list", &[Says("t")]), ("/tasks/t", &[Says("done 42")])]);
    again.drive(&mut task, &mut script, |_| false);
    assert!(
        again.text.starts_with("GET /list\ncreated t\n"),
        "{}",
        again.text
    );
}

#[test]
fn of_two_tasks_of_one_start_none_is_adopted_and_both_are_named() {
    let trace = run(
        false,
        &[
            ("/start?ref=ours", &[Loses]),
            ("/list", &[Says("t1 +2")]),
            ("/list?page=2", &[Says("t1 t2")]),
        ],
    );
    let end = "outcome_unknown: the task may have started: the server made several tasks of this one start: t1, t2\n";
    assert!(trace.text.ends_with(end), "{}", trace.text);
    assert!(!trace.text.contains("created"), "{}", trace.text);
}

#[test]
fn where_nobody_lists_tasks_a_lost_start_is_unknown_at_once() {
    for refusal in ["error no-such-method", "error unauthorised"] {
        let trace = run(
            false,
            &[("/start?ref=ours", &[Loses]), ("/list", &[Says(refusal)])],
        );
        assert_eq!(trace.text.matches("GET /list").count(), 1, "{}", trace.text);
        assert!(trace.text.contains("outcome_unknown"), "{}", trace.text);
    }
}

#[test]
fn a_process_that_died_before_the_reply_finds_its_task_by_reading() {
    let mut task = start(true, policy());
    let budget = OriginBudget::new();
    let Step::Save { revision } = task.next_step(at(0), &budget) else {
        panic!("the intent is stored first");
    };
    let stored = task.snapshot();
    task.saved(revision);
    assert!(matches!(task.next_step(at(0), &budget), Step::Open { .. }));
    for recovered in [
        Task::resume(Open::default(), stored.clone(), at(5)),
        Task::recover(Open::default(), stored, policy(), at(5)),
    ] {
        let mut trace = Trace {
            now: 5,
            ..Trace::default()
        };
        let mut script = Script::new(&[("/list", &[Says("t")]), ("/tasks/t", &[Says("done 1")])]);
        trace.drive(&mut recovered.expect("a task"), &mut script, |_| false);
        assert!(
            trace.text.starts_with("GET /list\ncreated t\n"),
            "{}",
            trace.text
        );
        assert!(!trace.text.contains("start"), "{}", trace.text);
    }
}

#[test]
fn a_server_that_rejects_our_reference_gets_one_start_without_it() {
    let trace = run(
        false,
        &[
            ("/start?ref=ours", &[Says("error invalid")]),
            ("/start", &[Says("error invalid")]),
        ],
    );
    let expected = lines(
        "
        POST /start?ref=ours
        retrying refused
        POST /start
        refused: the start was refused: the server answered with an error: no",
    );
    assert_eq!(trace.text, expected);
    let lost = run(
        false,
        &[
            ("/start?ref=ours", &[Says("error invalid")]),
            ("/start", &[Loses]),
        ],
    );
    assert!(
        lost.text.ends_with(
            "outcome_unknown: the task may have started: the connection was lost: reset\n"
        ),
        "{}",
        lost.text
    );
    let stored = lost.stored.expect("a state");
    assert!(stored.is_unknown() && !stored.is_traceable());
}

#[test]
fn a_start_that_is_refused_as_a_stream_is_sent_plainly() {
    for refusal in ["error no-such-method", "error refused"] {
        let trace = run(
            true,
            &[
                ("/start-stream", &[Says(refusal)]),
                ("/start?ref=ours", &[Says("task t done 1")]),
            ],
        );
        assert!(
            trace.text.contains("POST /start?ref=ours\ncreated t\n"),
            "{}",
            trace.text
        );
    }
    let mut plain = policy();
    plain.start_by_stream = false;
    let mut trace = Trace::default();
    let mut script = Script::new(&[("/start?ref=ours", &[Says("task t done 1")])]);
    trace.drive(&mut start(true, plain), &mut script, |_| false);
    assert!(
        trace.text.starts_with("POST /start?ref=ours\n"),
        "{}",
        trace.text
    );
}

#[test]
fn a_refusal_in_a_200_is_no_acceptance() {
    let mut task = start(false, policy());
    let mut trace = Trace::default();
    let mut script = Script::new(&[
        ("/start?ref=ours", &[Says("task t asking who")]),
        (
            "/tasks/t",
            &[Says("asking who"), Says("asking who"), Says("done 1")],
        ),
        ("/tasks/t/log", &[Says("asking who")]),
        ("/tasks/t/say", &[Says("error refused")]),
        ("/tasks/t/cancel", &[Says("error not-cancellable")]),
    ]);
    let asked = |event: &Event| matches!(event, Event::Question(_));
    trace.drive(&mut task, &mut script, asked);
    task.answer(&"who".into(), Answer::text("me"), at(trace.now))
        .expect("an answer");
    let answered = |event: &Event| matches!(event, Event::Answered { .. });
    trace.drive(&mut task, &mut script, answered);
    assert!(trace.text.ends_with("answered Refused\n"), "{}", trace.text);
    task.cancel(at(trace.now)).expect("a cancel");
    trace.drive(&mut task, &mut script, |_| false);
    assert!(!trace.text.contains("Cancelling"), "{}", trace.text);
}

#[test]
fn that_a_task_cannot_be_cancelled_is_told_only_if_it_is_not_over() {
    for (shown, is_told) in [("done 1", false), ("failed", false), ("working", true)] {
        let mut task = start(false, policy());
        let mut trace = Trace::default();
        let mut script = Script::new(&[
            ("/start?ref=ours", &[Says("task t working")]),
            ("/tasks/t", &[Says(shown), Says("done 1")]),
            ("/tasks/t/cancel", &[Says("error not-cancellable")]),
        ]);
        trace.drive(&mut task, &mut script, |event| {
            matches!(event, Event::Created { .. })
        });
        task.cancel(at(trace.now)).expect("a cancel");
        trace.drive(&mut task, &mut script, |_| false);
        let asked = "POST /tasks/t/cancel\nGET /tasks/t\n";
        assert!(trace.text.contains(asked), "{}", trace.text);
        assert_eq!(
            trace.text.contains("CancelRefused"),
            is_told,
            "{}",
            trace.text
        );
    }
}

/// Rows: P19.
#[test]
fn a_cancel_whose_process_died_may_be_what_stopped_the_task() {
    let mut task = start(false, policy());
    let mut trace = Trace::default();
    let mut script = Script::new(&[("/start?ref=ours", &[Says("task t working")])]);
    trace.drive(&mut task, &mut script, |event| {
        matches!(event, Event::Created { .. })
    });
    task.cancel(at(trace.now)).expect("a cancel");
    // What is stored before the request leaves. Its reply, which accepted it, is lost with the process.
    let stored = task.snapshot();
    let mut task = Task::resume(Open::default(), stored, at(trace.now)).expect("a task");
    let mut script = Script::new(&[
        ("/tasks/t/cancel", &[Says("error not-cancellable")]),
        ("/tasks/t", &[Says("cancelled")]),
    ]);
    trace.drive(&mut task, &mut script, |_| false);
    let by = match task.outcome() {
        Some(Outcome::Stopped { by, .. }) => *by,
        other => panic!("{other:?}: {}", trace.text),
    };
    assert_eq!(by, StoppedBy::Us, "{}", trace.text);
}

#[test]
fn the_end_of_a_stream_at_a_question_is_no_failure_and_another_client_may_answer() {
    let mut task = start(true, policy());
    let mut trace = Trace::default();
    let mut script = Script::new(&[
        (
            "/start-stream",
            &[Streams(&["task t working", "status asking"], "end")],
        ),
        ("/tasks/t", &[Says("asking who"), Says("done 1")]),
        (
            "/tasks/t/stream",
            &[
                Streams(&["whole asking who"], "end"),
                Streams(
                    &["whole asking who", "status working", "status done"],
                    "end",
                ),
            ],
        ),
    ]);
    trace.drive(&mut task, &mut script, |_| false);
    assert!(!trace.text.contains("retrying"), "{}", trace.text);
    assert!(!trace.text.contains("PossibleGap"), "{}", trace.text);
    assert!(trace.text.contains("withdrawn\n"), "{}", trace.text);
    assert_eq!(
        trace.text.matches("question who").count(),
        1,
        "{}",
        trace.text
    );
}

#[test]
fn a_lost_stream_without_positions_begins_again_with_the_whole_task_and_a_possible_gap() {
    let trace = run(
        true,
        &[
            (
                "/start-stream",
                &[Streams(&["task t working", "piece one"], "cut")],
            ),
            (
                "/tasks/t/stream",
                &[
                    Streams(&["whole working", "status done"], "end"),
                    Streams(&["whole done 1"], "end"),
                ],
            ),
            ("/tasks/t", &[Says("working"), Says("done 1")]),
        ],
    );
    assert!(trace.text.contains("retrying wire\n"), "{}", trace.text);
    assert_eq!(
        trace.text.matches("PossibleGap").count(),
        1,
        "{}",
        trace.text
    );
    assert!(
        trace.text.ends_with("succeeded: the task completed\n"),
        "{}",
        trace.text
    );
}

#[test]
fn the_other_form_of_a_stream_is_tried_where_the_first_is_no_method() {
    let trace = run(
        true,
        &[
            ("/start-stream", &[Streams(&["task t working"], "cut")]),
            ("/tasks/t/stream", &[Says("error no-such-method")]),
            (
                "/tasks/t/other-stream",
                &[Streams(&["whole done 1"], "end")],
            ),
            ("/tasks/t", &[Says("working")]),
        ],
    );
    assert!(
        trace
            .text
            .contains("open /tasks/t/stream\nopen /tasks/t/other-stream\n"),
        "{}",
        trace.text
    );
}

#[test]
fn a_lost_answer_is_found_by_our_id_however_late_and_is_sent_once() {
    let mut task = start(false, policy());
    let mut trace = Trace::default();
    let late = [
        &[Says("asking who")][..],
        &[Says("working"); 30],
        &[Says("working\nours")],
    ];
    let mut script = Script::new(&[
        ("/start?ref=ours", &[Says("task t asking who")]),
        ("/tasks/t", &[Says("working")]),
        ("/tasks/t/log", &late.concat()),
        ("/tasks/t/say", &[Loses]),
    ]);
    trace.drive(&mut task, &mut script, |event| {
        matches!(event, Event::Question(_))
    });
    task.answer(&"who".into(), Answer::text("me"), at(0))
        .expect("an answer");
    trace.drive(&mut task, &mut script, |event| {
        matches!(event, Event::Answered { .. })
    });
    assert!(trace.text.ends_with("answered Applied\n"), "{}", trace.text);
    assert_eq!(
        trace.text.matches("POST /tasks/t/say").count(),
        1,
        "{}",
        trace.text
    );
}

#[test]
fn no_progress_is_told_once_by_the_servers_own_time_and_ends_nothing() {
    let mut task = start(false, policy());
    let mut trace = Trace::default();
    let working = [Says("working"); 100];
    let polls = [&working[..], &[Says("done 1")]].concat();
    let mut script = Script::new(&[
        ("/start?ref=ours", &[Says("task t working")]),
        ("/tasks/t", &polls),
    ]);
    trace.drive(&mut task, &mut script, |_| false);
    assert_eq!(
        trace.text.matches("no progress for 60").count(),
        1,
        "{}",
        trace.text
    );
    assert!(
        trace.text.ends_with("succeeded: the task completed\n"),
        "{}",
        trace.text
    );
}
