//! Questions in the conversation of a task, whatever shape they have and whoever answers.

use serde_json::{Value, json};
use taskward_core::{
    Cursor, Policy, Provider as _, Response, Seed, Segment, Snapshot, Task, Timestamp, WriteRequest,
};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule};

use crate::world::{Ended, UserAction, World, outcome};

const TWO: &str = r#"
    [[agent]]
    name = "two"
    steps = [
        { run = "1s" },
        { ask = "First?" },
        { ask = "Second?" },
        { complete = { summary = "Done, with {answer}." } },
    ]
"#;

fn attached(world: &World, id: taskward_core::TaskId) -> Task<Nanonets> {
    let now = Timestamp::from_millis(world.now);
    Task::attach(Nanonets, id, None, Policy::default(), Seed([8; 32]), now)
}

fn answers(world: &mut World) -> Vec<u64> {
    let questions = world.stats().questions;
    questions.iter().map(|question| question.answers).collect()
}

fn asked(world: &World) -> Vec<&str> {
    let reported = world.events.iter().map(String::as_str);
    reported
        .filter(|event| event.starts_with("question"))
        .collect()
}

/// Rows: H2, H3.
#[test]
fn a_second_question_right_after_the_first_is_another_one() {
    for delay in [0, 100, 900, 1000, 1100, 3000, 30_000] {
        let mut world = World::new(&format!("[switches]\nreply_delay_ms = {delay}\n{TWO}"))
            .answers(&["one", "two", "unwanted"]);
        assert_eq!(
            world.run("two", "x"),
            outcome("succeeded Done, with two."),
            "lag {delay}"
        );
        assert_eq!(answers(&mut world), [1, 1], "lag {delay}");
        assert_eq!(
            asked(&world),
            ["question \"First?\"", "question \"Second?\""],
            "lag {delay}"
        );
    }
}

/// Rows: H2.
#[test]
fn another_process_is_not_asked_what_was_answered_a_moment_ago() {
    for delay in [1000, 3000, 30_000] {
        let scenario = format!("[switches]\nreply_delay_ms = {delay}\n");
        let mut steps = 1..;
        let mut world = loop {
            let mut world = World::new(&scenario).answers(&["EUR"]);
            world.kill_after = steps.next();
            assert_eq!(world.run("asker", "convert"), Ended::Killed);
            if world.events.contains(&"answered Applied".to_owned()) {
                break world;
            }
        };
        world.kill_after = None;
        let id = world.saved.last().and_then(Snapshot::task).cloned();
        world.events.clear();
        let task = attached(&world, id.expect("a task"));
        let ended = world.drive(task);
        assert!(
            matches!(&ended, Ended::Outcome(text) if text.contains("EUR")),
            "lag {delay}: {ended:?}"
        );
        assert!(asked(&world).is_empty(), "lag {delay}: {:?}", world.events);
        assert_eq!(answers(&mut world), [1], "lag {delay}");
    }
}

/// Rows: H4.
#[test]
fn a_message_to_a_task_that_ended_badly_is_refused_in_the_servers_words() {
    for refusal in ["conflict", "bad_request"] {
        let mut world = World::new(&format!("[switches]\nmessage_to_ended = \"{refusal}\"\n"));
        world.run("failing", "x");
        let id = world.saved.last().and_then(Snapshot::task).cloned();
        let now = Timestamp::from_millis(world.now);
        let seed = Seed([2; 32]);
        let text = "too late".to_owned();
        let turn = Task::continue_with(
            Nanonets,
            id.expect("a task"),
            text,
            Policy::default(),
            seed,
            now,
        );
        world.requests.clear();
        assert_eq!(world.drive(turn.expect("a turn")), outcome("refused"));
        assert_eq!(world.requests[0], "GET /api/v1/tasks/ID");
        let sent = world
            .requests
            .iter()
            .filter(|line| line.starts_with("POST"));
        assert_eq!(sent.count(), 1, "{refusal}: {:?}", world.requests);
    }
}

/// Rows: H8.
#[test]
fn an_answer_reaches_the_agent_as_it_was_given_and_its_controls_as_escapes() {
    for text in ["a\0b", "\u{1b}[2J\u{7}\r\n\t", "\u{202e}\u{85}\u{2028}"] {
        let answers_of: &'static [&'static str] = Vec::leak(vec![text]);
        let mut world = World::new("").answers(answers_of);
        let ended = world.run("asker", "convert");
        assert!(
            matches!(&ended, Ended::Outcome(said) if said.contains(text)),
            "{text:?}: {ended:?}"
        );
        let (_, _, body) = world.writes.last().expect("an answer");
        assert!(
            body.iter().all(|byte| *byte >= b' '),
            "{text:?}: a control character went out as it is"
        );
        let sent: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(sent, json!({ "message": text }));
    }
    let long = "\u{1b}\0\n long\u{202e}".repeat(1_000_000);
    let act = WriteRequest::Message {
        text: &long,
        key: None,
        cursor: &Cursor::new(""),
    };
    let request = Nanonets
        .write_request(&"t".into(), &act)
        .expect("a request");
    let body: Vec<u8> = match request.body().segments().next() {
        Some(Segment::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("{other:?}"),
    };
    assert!(body.len() > 10_000_000 && body.iter().all(|byte| *byte >= b' '));
    let sent: Value = serde_json::from_slice(&body).expect("JSON");
    assert!(sent["message"] == *long);
}

/// Returns the question that a message with this content makes.
fn asked_with(content: &Option<Value>) -> Ended {
    let content = content.clone();
    let mut world = World::new("");
    world.rewrite = Box::new(move |endpoint, _, reply| {
        if endpoint != "messages" {
            return reply;
        }
        let mut list: Value = serde_json::from_slice(&reply.body).expect("JSON");
        for name in ["data", "messages"] {
            let newest = list[name].as_array_mut().and_then(|log| log.last_mut());
            let newest = newest.and_then(Value::as_object_mut).expect("a message");
            assert_eq!(newest["role"], "assistant");
            match &content {
                Some(content) => newest.insert("content".to_owned(), content.clone()),
                None => newest.remove("content"),
            };
        }
        Response {
            head: reply.head,
            body: list.to_string().into(),
        }
    });
    world.run("asker", "convert")
}

/// Rows: H9.
#[test]
fn a_question_has_words_whatever_its_content_is() {
    for (content, words) in [
        (json!("Which?"), "Which?"),
        (json!({ "text": "Which?", "options": [1, 2] }), "Which?"),
        (
            json!({ "type": "text", "content": { "summary": "Which?" } }),
            "Which?",
        ),
        (
            json!([{ "type": "text", "text": "Which" }, { "text": "one?" }]),
            "Which\none?",
        ),
        (
            json!({ "form": ["a"] }),
            "{\n  \"form\": [\n    \"a\"\n  ]\n}",
        ),
        (
            json!([1, { "x": null }]),
            "[\n  1,\n  {\n    \"x\": null\n  }\n]",
        ),
        (json!([]), "[]"),
        (json!(7), "7"),
        (json!(null), ""),
        (json!(""), ""),
    ] {
        assert_eq!(
            asked_with(&Some(content.clone())),
            Ended::Left(words.to_owned()),
            "{content}"
        );
    }
    assert_eq!(asked_with(&None), Ended::Left(String::new()), "missing");
}

/// Rows: H10.
#[test]
fn a_task_that_waits_without_a_word_is_told_after_three_reads_its_messages() {
    let silent = r#"
        [[agent]]
        name = "silent"
        steps = [
            { status = "waiting_for_input", for = "600s" },
            { complete = { summary = "Done." } },
        ]
    "#;
    let mut world = World::new(silent);
    assert_eq!(world.run("silent", "x"), Ended::Left(String::new()));
    assert_eq!(world.stats().endpoints["messages"], 3);
}

/// Rows: H15, H16.
#[test]
fn of_two_questions_before_the_first_poll_only_the_newest_is_asked() {
    let first = || UserAction::Dashboard(DashboardAction::Answer("by hand".to_owned()));
    // The dashboard answers the first one while nobody here looks: the reads fail meanwhile.
    let blind = FaultRule::new(Fault::Reset { after_bytes: None })
        .on("status")
        .count(4);
    let mut world = World::new(TWO)
        .faults(1, vec![blind])
        .action(1100, first())
        .answers(&["two", "unwanted"]);
    assert_eq!(world.run("two", "x"), outcome("succeeded Done, with two."));
    assert_eq!(asked(&world), ["question \"Second?\""]);
    assert_eq!(answers(&mut world), [1, 1]);
    // Or a moment after it was told here, while a person still thinks.
    for after in (1200..6000).step_by(170) {
        let mut world = World::new(TWO)
            .action(after, first())
            .answers(&["ours", "two", "unwanted"]);
        let ended = world.run("two", "x");
        assert!(
            matches!(&ended, Ended::Outcome(text) if text.starts_with("succeeded")),
            "{after}: {ended:?}"
        );
        let sent = |text: &str| {
            let body = json!({ "message": text }).to_string().into_bytes();
            world.writes.iter().filter(|write| write.2 == body).count()
        };
        assert!(
            sent("ours") == 1 && sent("two") <= 1 && sent("unwanted") == 0,
            "{after}: {:?}",
            world.events
        );
    }
}

/// Returns what is asked, and what became of the answers.
fn reported(world: &World) -> Vec<&str> {
    let reported = world.events.iter().map(String::as_str);
    reported
        .filter(|event| event.starts_with("question") || event.starts_with("answered"))
        .collect()
}

/// Returns the words of the messages that were sent.
fn sent(world: &World) -> Vec<String> {
    let messages = world.writes.iter();
    let messages = messages.filter(|(target, ..)| target.ends_with("/message"));
    messages
        .map(|(.., body)| String::from_utf8_lossy(body).into_owned())
        .collect()
}

const ONE: &str = r#"
    [[agent]]
    name = "one"
    steps = [{ run = "1s" }, { ask = "Delete one?" }, { complete = { summary = "Done, with {answer}." } }]
"#;

/// Rows: H25, H28.
#[test]
fn an_answer_reaches_no_words_that_its_author_did_not_see() {
    let edits: [(DashboardAction, &str, Vec<u64>); 3] = [
        (
            DashboardAction::Reword("Delete all?".to_owned()),
            "Superseded",
            vec![0, 1],
        ),
        (
            DashboardAction::AskMore("Delete all?".to_owned()),
            "Superseded",
            vec![0, 1],
        ),
        (
            DashboardAction::Answer("theirs".to_owned()),
            "AnsweredElsewhere",
            vec![1],
        ),
    ];
    for (edit, reason, counts) in edits {
        let mut world = World::new(ONE);
        assert_eq!(world.run("one", "x"), Ended::Left("Delete one?".into()));
        let seen = world.snapshots.last().expect("a state").1.clone();
        let task = seen.task().expect("an id").to_string();
        let is_answered = matches!(edit, DashboardAction::Answer(_));
        world
            .server
            .dashboard(&task, edit, world.now)
            .expect("done");
        let mut world = world.answers(&["ours", "again"]);
        world.events.clear();
        let now = Timestamp::from_millis(world.now);
        let task = Task::resume(Nanonets, seen, now).expect("a task");
        let ended = world.drive(task);
        let gone = format!("answered Gone({reason})");
        let mut expected = vec!["question \"Delete one?\"", &gone];
        if is_answered {
            assert_eq!(ended, outcome("succeeded Done, with theirs."));
            assert_eq!(sent(&world), [""; 0]);
        } else {
            expected.extend(["question \"Delete all?\"", "answered Applied"]);
            assert_eq!(ended, outcome("succeeded Done, with again."));
            assert_eq!(sent(&world), [r#"{"message":"again"}"#]);
        }
        assert_eq!(reported(&world), expected);
        assert_eq!(answers(&mut world), counts);
    }
}

/// Rows: H25.
#[test]
fn an_answer_that_was_put_off_is_compared_again_before_it_leaves() {
    let mut gone = 0;
    for after in (1_000..6_000).step_by(50) {
        let busy = Fault::Status {
            code: 503,
            retry_after: Some("2".to_owned()),
            after_bytes: None,
        };
        let busy = FaultRule::new(busy).on("message").count(1);
        let reword = DashboardAction::Reword("Delete all?".to_owned());
        let mut world = World::new(ONE)
            .faults(1, vec![busy])
            .action(after, UserAction::Race(reword))
            .answers(&["ours", "again"]);
        let ended = world.run("one", "x");
        let answers = answers(&mut world);
        let (sent, second) = (sent(&world), reported(&world));
        let was_put_off = sent.first().is_some_and(|body| body.contains("ours"))
            && second.contains(&"answered Gone(Superseded)");
        if was_put_off {
            gone += 1;
            assert_eq!(ended, outcome("succeeded Done, with again."));
            assert_eq!(answers, [0, 1]);
            let (asked, others) = (second[0], &second[1..]);
            assert_eq!(asked, "question \"Delete one?\"");
            let (gone, all) = ("answered Gone(Superseded)", "question \"Delete all?\"");
            // A poll may show the new question before the answer to the old one is due again.
            let orders = [
                [gone, all, "answered Applied"],
                [all, gone, "answered Applied"],
            ];
            assert!(orders.iter().any(|order| order == others), "{second:#?}");
        }
    }
    assert!(gone > 0, "the edit never came between");
}
