//! Stored forms: every end, every stage of a write and every part of a request is read back as what it was.

use http::Method;
use serde_json::{Value, json};
use taskward_core::testing::past_saves;
use taskward_core::{
    Answered, Event, Limits, OriginBudget, Outcome, QuestionId, Request, RequestPurpose, Segment,
    Snapshot, Step, Task, WithdrawReason,
};

use crate::world::Act::{Complete, Fail, Work};
use crate::world::toy::Output;
use crate::world::{Ended, Fault, Toy, ToyJob, UserAction, World, at, policy, seed};

type Polled = Task<Toy<false, false>>;
type Keyed = Task<Toy<true, false>>;

fn read(value: Value) -> Snapshot {
    serde_json::from_value(value).expect("a snapshot")
}

fn written(saved: &Snapshot) -> Value {
    serde_json::to_value(saved).expect("json")
}

fn resumed(saved: Snapshot) -> Polled {
    Task::resume(Toy, saved, at(0)).expect("it is whole")
}

/// Rows: H28.
#[test]
fn what_was_stored_before_there_were_reasons_is_read_and_claims_nobody_elses_answer() {
    let events = |text: &str| serde_json::from_str::<Event>(text).expect(text);
    let question = QuestionId::new("m1");
    let withdrawn = |reason| Event::Withdrawn {
        question: question.clone(),
        reason,
    };
    let answered = |how| Event::Answered {
        question: question.clone(),
        how,
        detail: None,
    };
    let unknown = WithdrawReason::TaskMovedOn;
    assert_eq!(events(r#"{"withdrawn":"m1"}"#), withdrawn(unknown));
    let old = r#"{"answered":{"question":"m1","how":"gone","detail":null}}"#;
    assert_eq!(events(old), answered(Answered::Gone(unknown)));
    let all = [
        WithdrawReason::AnsweredElsewhere,
        WithdrawReason::Superseded,
        unknown,
    ];
    let how = [
        Answered::Applied,
        Answered::Refused,
        Answered::Unknown,
        Answered::NotSent,
    ];
    let gone = all.map(Answered::Gone);
    let answers = how.into_iter().chain(gone).map(answered);
    for event in all.map(withdrawn).into_iter().chain(answers) {
        let text = serde_json::to_string(&event).expect("text");
        assert_eq!(events(&text), event, "{text}");
    }
}

/// A stored task, with these fields besides.
fn with(fields: Value) -> Snapshot {
    let mut value = json!({"v": 2, "provider": "toy", "task": "t1", "saved_at": 0});
    let object = value.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("an object").clone());
    read(value)
}

/// What a start without a task came to, with the task that was driven there.
fn start(fault: Fault, work: Option<u64>) -> Polled {
    let mut world = World::new(&[Complete("42")]).faults(move |_, _, _| fault);
    let mut policy = policy();
    policy.work = work.map(std::time::Duration::from_millis);
    let mut task = world.start_with(policy);
    assert!(matches!(world.drive_on(&mut task), Ended::Outcome(_)));
    task
}

fn end(task: Polled) -> Outcome<Output> {
    task.into_outcome().expect("it is over")
}

#[test]
fn how_a_start_ended_is_the_same_in_every_process() {
    for (task, code) in [
        (start(Fault::Status(422), None), "refused"),
        (start(Fault::Refused, None), "not_started"),
        (start(Fault::LostReply, None), "outcome_unknown"),
        (start(Fault::None, Some(0)), "deadline"),
    ] {
        let saved = task.snapshot();
        assert!(saved.is_ended(), "{code}");
        assert_eq!(saved.provider(), "toy");
        let again = resumed(read(written(&saved)));
        assert_eq!(again.snapshot().intent(), saved.intent(), "{code}");
        assert_eq!(again.snapshot().is_unknown(), code == "outcome_unknown");
        let (first, second) = (end(task), end(again));
        assert_eq!((first.code(), second.code()), (code, code));
        assert_eq!(second.to_string(), first.to_string());
        let (first, second) = (first.into_answer(), second.into_answer());
        let (first, second) = (first.expect_err(code), second.expect_err(code));
        assert_eq!(second.kind(), first.kind(), "{code}");
        assert_eq!(second.attempts(), first.attempts(), "{code}");
        assert_eq!(second.intent(), first.intent(), "{code}");
        assert_eq!(second.api_error(), first.api_error(), "{code}");
    }
}

#[test]
fn a_stored_refusal_with_a_status_that_none_can_be_is_refused() {
    for status in [0, 42, 1000] {
        let refused = json!({"status": status, "message": "", "code": null, "request_id": null});
        let ended = json!({"ended": {"refused": refused}});
        for fields in [ended, json!({"last_refusal": refused})] {
            let error = Polled::resume(Toy, with(fields), at(0)).map(|_| ());
            let error = error.expect_err("no status").to_string();
            assert!(
                error.contains(&format!("{status} is no status code")),
                "{error}"
            );
        }
    }
}

/// The server shows the end of a task; what a process once concluded from it is not trusted later.
#[test]
fn a_task_that_was_seen_to_end_is_read_again_by_the_next_process() {
    for script in [[Work(500), Complete("42")], [Work(500), Fail("boom")]] {
        let mut world = World::new(&script);
        let mut task = world.start::<false, false>();
        let ended = world.drive_on(&mut task);
        let saved = task.snapshot();
        assert!(saved.is_ended() && !saved.is_unknown());
        let again = Polled::resume(Toy, saved, at(world.now)).expect("resume");
        world.sent.clear();
        assert_eq!(world.drive(again), ended);
        let first = world.sent.first().map(|sent| sent.purpose);
        assert_eq!(first, Some(RequestPurpose::Status));
    }
}

#[test]
fn what_became_of_a_request_to_cancel_is_kept() {
    let requested = json!({"requested": {"tries": 2, "due": 0, "last": "no_reply"}});
    for (stored, sent) in [
        (json!("idle"), 0),
        (requested, 1),
        (json!("accepted"), 0),
        (json!({"refused": {"unbuildable": "no"}}), 0),
    ] {
        let saved = with(json!({"cancel": stored}));
        let again = &written(&resumed(saved.clone()).snapshot())["cancel"];
        if stored == "idle" {
            assert!(again.is_null(), "the default is left out: {again}");
        } else {
            assert_eq!(*again, stored);
        }
        let mut world = World::new(&[Work(5000), Complete("42")]);
        world.server = world.server.clone().begun(0);
        // A stop is reported according to who had requested it.
        world.wanted_cancel = stored != "idle";
        world.drive(resumed(saved));
        let cancels = world
            .sent
            .iter()
            .filter(|sent| sent.purpose == RequestPurpose::Cancel);
        assert_eq!(cancels.count(), sent, "{stored}");
    }
}

/// Returns a task whose writes to this path the server refuses with this status, once it has refused one.
fn refused<const KEYED: bool>(
    path: &'static str,
    status: u16,
    action: UserAction,
) -> Task<Toy<KEYED, false>> {
    let mut world = World::new(&[Work(600_000)])
        .action(5000, action)
        .action(20_000, UserAction::Stop)
        .faults(move |_, _, at| match at.ends_with(path) {
            true => Fault::Status(status),
            false => Fault::None,
        });
    let mut task = world.start::<KEYED, false>();
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    assert!(world.parked > 0, "it was parked");
    task
}

/// The event that reported it may have been delivered long before; whoever has to explain it asks the task.
#[test]
fn the_last_refusal_is_the_same_after_a_resume_and_after_a_park() {
    fn check<const KEYED: bool>(task: &Task<Toy<KEYED, false>>, status: u16) {
        let refusal = task.refusal().expect("the server refused it").clone();
        assert_eq!(refusal.status.as_u16(), status);
        assert!(refusal.message.contains("injected"), "{refusal:?}");
        let saved = read(written(&task.snapshot()));
        let again = Task::<Toy<KEYED, false>>::resume(Toy, saved, at(30_000)).expect("whole");
        assert_eq!(again.refusal(), Some(&refusal));
    }
    check(&refused::<false>("/cancel", 403, UserAction::Cancel), 403);
    let message = || UserAction::Message("more");
    check(&refused::<false>("/say", 400, message()), 400);
    // Refused under its key, it may have arrived with an earlier attempt; the error is the server's last one anyway.
    check(&refused::<true>("/say", 409, message()), 409);
}

#[test]
fn how_far_a_turn_had_come_is_kept() {
    for stage in [
        json!("baseline"),
        json!({"sending": {"no": 1, "working": true}}),
        json!({"sending": {"no": 1, "working": false}}),
        json!({"unproven": {"cursor": "2"}}),
        json!("proven"),
    ] {
        let turn = json!({"text": "more", "state": stage});
        let saved = with(json!({"turn": turn}));
        let task = resumed(saved);
        assert_eq!(written(&task.snapshot())["turn"], turn);
        assert_eq!(task.into_outcome().map(|end| end.code()), None, "{stage}");
    }
    // One that was not delivered is over: the next process has nothing to take up.
    let stage = json!({"undelivered": {"detail": "the task is over"}});
    let task = resumed(with(json!({"turn": {"text": "more", "state": stage}})));
    let end = task.into_outcome().expect("it is over");
    assert_eq!(end.code(), "not_started");
    assert!(end.to_string().ends_with("the task is over"), "{end}");
}

#[test]
fn only_a_write_that_may_have_left_is_one_whose_outcome_is_unknown() {
    let kind = json!({"message": {"no": 1, "text": "more"}});
    for (stage, unknown) in [("check", false), ("write", true), ("reconcile", true)] {
        let delivery = json!({"kind": kind, "state": stage, "cursor": "2"});
        let saved = with(json!({"writes": [delivery], "messages": 1}));
        assert_eq!(saved.is_writing(), unknown, "{stage}");
        // What had been about to leave when the process ended may have: it is read before anything is done.
        let kept = written(&resumed(saved).snapshot());
        let expected = if unknown { "reconcile" } else { "check" };
        assert_eq!(kept["writes"][0]["state"], expected);
        assert_eq!(kept["writes"][0]["kind"], kind);
    }
    assert!(!with(json!({})).is_writing());
}

#[test]
fn what_may_have_arrived_is_told_by_its_words() {
    let delivered = |stage: &str, kind: Value| {
        let delivery = json!({"kind": kind, "state": stage, "cursor": "2"});
        with(json!({ "writes": [delivery] }))
    };
    let question = json!({"id": "m1", "kind": "text", "text": "which?", "messages": []});
    let answer = |answer: Value| json!({"answer": {"question": question, "answer": answer}});
    let turn = |stage: Value| with(json!({"turn": {"text": "more", "state": stage}}));
    let message = json!({"message": {"no": 1, "text": "hello"}});
    for (saved, words) in [
        (delivered("write", message.clone()), Some("hello")),
        (delivered("check", message), None),
        (
            delivered("reconcile", answer(json!({"text": "this"}))),
            Some("this"),
        ),
        // An approval has no words.
        (delivered("write", answer(json!("approve"))), Some("")),
        (
            turn(json!({"lost": {"no": 1, "cursor": "2", "working": false}})),
            Some("more"),
        ),
        (turn(json!("proven")), None),
        (with(json!({})), None),
    ] {
        assert_eq!(saved.unconfirmed_write(), words, "{saved:?}");
    }
}

/// Drives a task to its first request.
fn first_request(task: &mut Keyed) -> (Request, Limits) {
    match past_saves(task, at(0), &OriginBudget::new()) {
        Step::Send {
            request, limits, ..
        } => (request.as_ref().clone(), limits),
        other => panic!("{other:?}"),
    }
}

/// Bytes and files in the order in which the first process sent them.
#[test]
fn a_stored_start_sends_the_same_bytes_and_files_again() {
    let world = World::new(&[]);
    let mut value = written(&world.start::<true, false>().snapshot());
    let stamp = json!({"modified": 1, "device": 2, "inode": 3});
    let path = json!({"key": {"path": "in/a.pdf"}, "len": 7, "stamp": stamp});
    let key = json!({"key": {"key": "blob-9"}, "len": 5, "stamp": stamp});
    let body = json!([{"base64": "aGVhZA=="}, {"source": path}, {"source": key}]);
    value["start"]["request"]["body"] = body.clone();
    let mut task = Keyed::resume(Toy, read(value), at(0)).expect("resume");
    assert_eq!(written(&task.snapshot())["start"]["request"]["body"], body);
    let (request, _) = first_request(&mut task);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.body().len(), 4 + 7 + 5);
    let segments: Vec<String> = request.body().segments().map(shown).collect();
    assert_eq!(segments, ["head", "in/a.pdf", "?"]);
}

#[test]
fn a_stored_upload_has_as_much_time_as_the_first_had() {
    for (job, head) in [("form of much", 300), ("words", 60)] {
        let task = Keyed::start(Toy, &ToyJob(job.into()), policy(), seed(), at(0));
        let mut task = task.expect("a task");
        let (request, limits) = first_request(&mut task);
        assert_eq!(limits.head.as_secs(), head, "{job}");
        let mut again = Keyed::resume(Toy, task.snapshot(), at(0)).expect("resume");
        let (repeated, same) = first_request(&mut again);
        assert_eq!(same, limits, "{job}");
        assert_eq!(repeated.headers(), request.headers(), "{job}");
        assert_eq!(repeated.body().len(), request.body().len(), "{job}");
    }
}

fn shown(segment: Segment<'_>) -> String {
    match segment {
        Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Segment::Source(source) => match source.as_path() {
            Some(path) => path.display().to_string(),
            None => "?".to_owned(),
        },
    }
}

/// Nobody requested anything: the task is followed as before.
#[test]
fn a_snapshot_of_the_first_program_is_followed_to_its_end() {
    let mut world = World::new(&[Work(500), Complete("42")]).action(90_000, UserAction::Stop);
    world.server = world.server.clone().begun(0);
    let ended = world.drive(resumed(with(json!({}))));
    assert_eq!(ended, Ended::Outcome("succeeded 42".into()));
}
