//! A streamed task that waits while no event tells for what: asked under a stand-in, and known by its event later.

use crate::world::Act::{self, Ask, Complete, Work};
use crate::world::{
    Ended, Fault, Toy, UserAction, World, at, hand, outcome, run_streamed, streamed,
};
use taskward_core::{
    Answer, AnswerError, Answered, QuestionKind, RequestPurpose, Step, Task, TaskId, WithdrawReason,
};

/// When this was said first.
fn time(world: &World, what: &str) -> u64 {
    let line = world.trace.iter().find(|line| line.contains(what));
    let line = line.unwrap_or_else(|| panic!("{what}:\n{}", world.trace.join("\n")));
    line[..7].trim().parse().expect("a time")
}

type Streamed = Task<Toy<true, true>>;

/// Goes on until this time.
fn until(world: &mut World, task: &mut Streamed, time: u64) {
    world.actions.push((time, UserAction::Stop));
    world.actions.sort_by_key(|(at, _)| *at);
    assert_eq!(world.drive_on(task), Ended::Stopped);
}

#[test]
fn each_wait_without_an_event_is_asked_under_a_stand_in_of_its_own_after_three_reads() {
    let mut world = streamed(
        &[
            Work(900),
            Ask("a?"),
            Work(3000),
            Ask("b?"),
            Work(3000),
            Complete("42"),
        ],
        &[(500, 1, "begin")],
    )
    .answers(&["x", "y"]);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["x", "y"]);
    for id in ["stand-in-1", "stand-in-2"] {
        assert_eq!(world.count(&format!("event question {id} ")), 1, "{id}");
        assert_eq!(world.count(&format!("answered {id} Applied")), 1, "{id}");
    }
    // Where there is a list, its word is waited for twice as long.
    let reads = |page: Option<usize>| {
        let mut world = streamed(&[Ask("a?")], &[(10, 1, "begin")]);
        world.server.page = page;
        assert_eq!(run_streamed(&mut world), Ended::Left(String::new()));
        let told = world.now;
        world.status_sent.iter().filter(|at| **at < told).count()
    };
    assert_eq!((reads(None), reads(Some(9))), (3, 6));
}

#[test]
fn the_event_of_a_question_that_was_told_under_a_stand_in_tells_its_words_and_asks_nothing_again() {
    for (event, kind) in [
        ("wait", QuestionKind::Text),
        ("approve", QuestionKind::Approval),
    ] {
        let mut world = streamed(
            &[Work(900), Ask("which?"), Work(9000), Complete("42")],
            &[(500, 1, "begin"), (50_000, 2, event), (400_000, 3, "step")],
        );
        world.stays = true;
        world.server.delay = 0;
        let mut task = world.start();
        // However long a person thinks, it stays the same question.
        until(&mut world, &mut task, 300_000);
        assert_eq!(world.count("event question stand-in-1"), 1);
        assert_eq!(world.count("Identified"), 1);
        let open: Vec<_> = task.questions().cloned().collect();
        assert_eq!(open.len(), 1);
        let id = open[0].id.clone();
        assert!(id.is_stand_in(), "{id}");
        assert_eq!((&*open[0].text, &open[0].kind), (event, &kind));
        let here = at(world.now);
        let under =
            |id: &str, task: &mut Streamed| task.answer(&id.into(), Answer::text("x"), here);
        if kind == QuestionKind::Approval {
            assert!(
                under(id.as_str(), &mut task).is_err(),
                "no words are wanted"
            );
            continue;
        }
        under(id.as_str(), &mut task).expect("it is open");
        assert!(under("q2", &mut task).is_err(), "it is the same");
        assert_eq!(world.drive(task), outcome("succeeded 42"));
        assert_eq!(world.server.said, ["x"]);
        assert_eq!(world.count("answered stand-in-1 Applied"), 1);
        assert_eq!(world.count("event question"), 1);
    }
}

/// Rows: H26.
#[test]
fn a_process_that_sees_the_event_takes_the_stand_in_of_one_that_did_not_and_for_no_other_wait() {
    let script = [Work(900), Ask("which?"), Work(9000), Complete("42")];
    let mut world = streamed(&script, &[(500, 1, "begin")]);
    world.stays = true;
    let mut first: Streamed = world.start();
    until(&mut world, &mut first, 50_000);
    let stand_in = first.questions().next().expect("a question").id.clone();
    let answered = |events: &[(u64, u64, &'static str)]| {
        let mut world = streamed(&script, events);
        world.server.page = Some(9);
        world.stays = true;
        let seed = crate::world::seed();
        let policy = crate::world::policy();
        let mut task: Streamed = world.start();
        until(&mut world, &mut task, 60_000);
        drop(task);
        let id = TaskId::new("t1");
        let mut task: Streamed = Task::attach(Toy, id, None, policy, seed, at(60_000));
        until(&mut world, &mut task, 100_000);
        let named = task
            .question(&stand_in)
            .map(|question| question.id.to_string());
        let taken = task.answer(&stand_in, Answer::text("x"), at(100_000));
        (named, taken.is_ok())
    };
    let yes = |id: &str| (Some(id.to_owned()), true);
    assert_eq!(answered(&[(500, 1, "begin"), (900, 2, "wait")]), yes("q2"));
    let between = [(500, 1, "begin"), (600, 2, "note"), (900, 3, "wait")];
    assert_eq!(answered(&between), yes("q3"));
    // It may have stood for the wait before.
    let later = [
        (500, 1, "begin"),
        (600, 2, "wait"),
        (700, 3, "step"),
        (900, 4, "wait"),
    ];
    assert_eq!(answered(&later), (None, false));
    // The task has worked since: whoever saw the stand-in saw nothing of this wait.
    let worked = [(300, 1, "wait"), (500, 2, "begin"), (900, 3, "wait")];
    assert_eq!(answered(&worked), (None, false));
}

#[test]
fn an_event_that_comes_after_its_answer_asks_again_only_when_nothing_has_come_of_that_for_a_minute()
{
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(3000), Complete("42")],
        &[(500, 1, "begin"), (40_000, 2, "wait")],
    );
    world.server.delay = 300_000;
    world.stays = true;
    let mut answers = ["this"].into_iter();
    world.answerer = Box::new(move |_| answers.next().map(Answer::text));
    let mut task: Streamed = world.start();
    until(&mut world, &mut task, 99_000);
    assert_eq!(world.count("event question"), 1, "{:#?}", world.trace);
    assert_eq!(world.count("Identified"), 0);
    let saved = task.snapshot();
    until(&mut world, &mut task, 200_000);
    assert_eq!(world.count("event question q2"), 1, "{:#?}", world.trace);
    assert!((100_000..170_000).contains(&time(&world, "question q2")));
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    // Another process knows that much.
    let mut world = streamed(&[Ask("which?")], &[(500, 1, "begin"), (40_000, 2, "wait")]);
    world.server = world.server.clone().begun(0);
    world.now = 100_000;
    world.stays = true;
    let mut task = Streamed::resume(Toy, saved, at(100_000)).expect("resume");
    // It was only asked whether nothing has come of the answer when the minute was over.
    until(&mut world, &mut task, 101_000);
    assert_eq!(world.count("event question"), 0, "{:#?}", world.trace);
    until(&mut world, &mut task, 170_000);
    assert_eq!(world.count("event question q2"), 1, "{:#?}", world.trace);
}

#[test]
fn once_the_task_has_worked_an_event_is_about_the_next_question() {
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(3000), Complete("42")],
        &[
            (500, 1, "begin"),
            (40_000, 2, "step"),
            (45_000, 3, "wait"),
            (320_000, 4, "step"),
        ],
    );
    world.server.delay = 300_000;
    world.stays = true;
    let mut answers = ["this"].into_iter();
    world.answerer = Box::new(move |_| answers.next().map(Answer::text));
    let task: Streamed = world.start();
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    let asked = time(&world, "question q3");
    assert!((46_000..50_000).contains(&asked), "{:#?}", world.trace);
}

#[test]
fn a_question_brings_the_steps_since_the_last_one() {
    let mut world = streamed(
        &[Work(900), Ask("a?"), Work(5000), Ask("b?"), Complete("42")],
        &[
            (300, 1, "begin"),
            (600, 2, "note"),
            (900, 3, "wait"),
            (6000, 4, "step"),
            (9000, 5, "wait"),
        ],
    );
    world.server.delay = 100;
    let shown = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = shown.clone();
    world.answerer = Box::new(move |question| {
        let steps: Vec<_> = question.messages.iter().map(ToString::to_string).collect();
        seen.borrow_mut().push(steps.join(" "));
        Some(Answer::text("x"))
    });
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(*shown.borrow(), ["1 2 3", "4 5"]);
}

/// A task that asks by an event, up to the moment when the question was reported and nobody has answered.
fn asked(page: Option<usize>) -> (World, Streamed) {
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(9000), Complete("42")],
        // The first event is not the task's first: the list is read before it is delivered.
        &[(500, 2, "begin"), (1000, 3, "wait"), (60_000, 4, "end")],
    );
    world.stays = true;
    world.server.page = page;
    world.server.delay = 0;
    let mut task = world.start();
    until(&mut world, &mut task, 5000);
    assert_eq!(world.count("event question q3"), 1);
    (world, task)
}

/// Both come at once: the answer, and an event that shows the task at work.
#[test]
fn an_answer_to_what_the_events_show_to_be_over_is_not_sent_whatever_a_read_says() {
    for page in [None, Some(9)] {
        let (mut world, mut task) = asked(page);
        let Step::Receive { id, .. } = task.next_step(at(5000), &world.shared) else {
            panic!("it listens");
        };
        world.server.stream.insert(2, (5000, 4, "step"));
        world.server.stream[3].1 = 5;
        let lists = world.count("/events");
        assert_eq!(lists, 1);
        let (_, chunk) = world.server.next_chunk(5000, 5000).expect("an event");
        task.handle_chunk(id, chunk, at(5000));
        task.answer(&"q3".into(), Answer::text("x"), at(5000))
            .expect("it is open");
        // Its status still says that it waits.
        until(&mut world, &mut task, 20_000);
        assert_eq!(world.count("answered q3 Gone"), 1, "{:#?}", world.trace);
        assert_eq!(world.count("/say"), 0, "{page:?}");
        let lists = world.count("/events") - lists;
        assert_eq!(lists, usize::from(page.is_some()), "{page:?}");
    }
}

/// A read that shows the question answered, while no event does, may be of before the question.
#[test]
fn a_question_that_a_stale_read_shows_to_be_over_is_asked_again() {
    let (mut world, mut task) = asked(None);
    let mut stale = true;
    world.rewrite = Box::new(move |path, _, reply| {
        if path.ends_with("/log") && std::mem::take(&mut stale) {
            reply.body = "assistant m1 which?\nuser m2 this.".into();
        }
    });
    world.answerer = Box::new(|_| Some(Answer::text("again")));
    task.answer(&"q3".into(), Answer::text("x"), at(5000))
        .expect("it is open");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.count("answered q3 Gone"), 1, "{:#?}", world.trace);
    assert_eq!(world.count("event question q3"), 2, "{:#?}", world.trace);
    assert_eq!(world.server.said, ["again"]);
}

/// Where there is a list it is read before an answer leaves: it may know what the open stream does not tell.
#[test]
fn an_answer_leaves_once_the_list_shows_that_it_is_still_wanted() {
    let (mut world, mut task) = asked(Some(9));
    let before = world.requests;
    task.answer(&"q3".into(), Answer::text("x"), at(5000))
        .expect("it is open");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["x"]);
    let sent = world.sent[before..].iter().take(3);
    let sent: Vec<&str> = sent.map(|sent| &*sent.path).collect();
    assert_eq!(sent, ["/t/t1/log", "/t/t1/events", "/t/t1/say"]);
    // Without a list there is none to ask.
    let (mut world, mut task) = asked(None);
    let before = world.requests;
    task.answer(&"q3".into(), Answer::text("x"), at(5000))
        .expect("it is open");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    let sent = world.sent[before..].iter().take(2);
    let sent: Vec<&str> = sent.map(|sent| &*sent.path).collect();
    assert_eq!(sent, ["/t/t1/log", "/t/t1/say"]);
    // One that cannot be read puts the answer off; it is not sent into the unknown.
    let (mut world, mut task) = asked(Some(9));
    world.server.stream.pop();
    world = world
        .action(5000, UserAction::CutStream)
        .faults(
            |_, _, path| match path.contains("/events") || path.contains("/stream") {
                true => Fault::Status(503),
                false => Fault::None,
            },
        );
    task.answer(&"q3".into(), Answer::text("x"), at(5000))
        .expect("it is open");
    until(&mut world, &mut task, 80_000);
    assert_eq!(world.count("/say"), 0, "{:#?}", world.trace);
    assert_eq!(world.count("event answered"), 0);
    world.faults = Box::new(|_, _, _| Fault::None);
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["x"]);
}

#[test]
fn a_question_that_follows_another_without_work_between_them_takes_its_place() {
    let (mut world, mut task) = asked(None);
    world.server.stream.insert(2, (6000, 4, "wait"));
    world.server.stream[3].1 = 5;
    until(&mut world, &mut task, 9000);
    assert_eq!(world.count("event question q4"), 1, "{:#?}", world.trace);
    let open = task.questions().map(|question| question.id.as_str());
    assert_eq!(open.collect::<Vec<_>>(), ["q4"]);
}

#[test]
fn while_an_answer_is_on_its_way_there_is_no_second_one_even_if_the_task_is_seen_to_work() {
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(9000), Complete("42")],
        &[(500, 1, "begin")],
    );
    world.stays = true;
    let mut task: Streamed = world.start();
    until(&mut world, &mut task, 50_000);
    let open = task.questions().next().expect("a question");
    let id = open.id.clone();
    let answer = |task: &mut Streamed, now| task.answer(&id, Answer::text("x"), at(now));
    let Step::Receive { id: stream, .. } = task.next_step(at(50_000), &world.shared) else {
        panic!("it listens");
    };
    answer(&mut task, 50_000).expect("it is open");
    let Step::Send { id, .. } = task.next_step(at(50_000), &world.shared) else {
        panic!("it is looked at first");
    };
    task.sent(id);
    let piece = bytes::Bytes::from_static(b"data: 2 step\n\n");
    task.handle_chunk(stream, piece, at(50_010));
    hand::settle(&mut task, 50_010, &world.shared);
    let again = answer(&mut task, 50_010);
    assert!(
        matches!(again, Err(AnswerError::BeingAnswered(_))),
        "{again:?}"
    );
}

/// A person may think for long; nothing is asked of the server meanwhile but what any open stream needs.
#[test]
fn while_a_told_question_is_open_the_task_is_read_as_seldom_as_at_work() {
    let (mut world, mut task) = asked(None);
    let before = world.status_sent.len();
    until(&mut world, &mut task, 28_000);
    assert_eq!(world.status_sent.len(), before);
    until(&mut world, &mut task, 55_000);
    assert_eq!(world.status_sent.len(), before + 1);
    // A question without an event is polled for by the schedule.
    let mut world = streamed(&[Work(900), Ask("which?")], &[(500, 1, "begin")]);
    world.stays = true;
    let mut task: Streamed = world.start();
    until(&mut world, &mut task, 34_000);
    assert_eq!(
        world.count("event question stand-in-1"),
        1,
        "{:#?}",
        world.trace
    );
}

/// With no stream to be had, the list of events tells what a status that always says "waiting" is about.
#[test]
fn what_is_asked_next_while_the_stream_is_gone_is_told_by_the_list() {
    let (mut world, mut task) = asked(Some(9));
    world = world
        .action(5000, UserAction::CutStream)
        .faults(|_, _, path| match path.contains("/stream") {
            true => Fault::Status(503),
            false => Fault::None,
        });
    world.server.stream.truncate(2);
    world
        .server
        .stream
        .extend([(6000, 4, "step"), (6100, 5, "wait")]);
    until(&mut world, &mut task, 30_000);
    assert_eq!(world.count("event question q5"), 1, "{:#?}", world.trace);
    let open = task.questions().map(|question| question.id.as_str());
    assert_eq!(open.collect::<Vec<_>>(), ["q5"]);
    assert_eq!(world.count("event withdrawn q3"), 1);
}

/// A stream that was opened again and has brought nothing is no witness of what is asked now.
#[test]
fn what_is_asked_next_while_the_new_connection_is_silent_is_told_by_the_list() {
    let (mut world, mut task) = asked(Some(9));
    world = world.action(5000, UserAction::CutStream);
    world.server.stream.truncate(2);
    world.rewrite = Box::new(|path, now, reply| {
        if path.contains("/events") && now > 20_000 {
            reply.body = "2 begin\n3 wait\n4 step\n5 wait.".into();
        }
    });
    until(&mut world, &mut task, 100_000);
    assert_eq!(world.count("open GET"), 2, "{:#?}", world.trace);
    assert_eq!(world.count("event question q5"), 1, "{:#?}", world.trace);
}

/// The task is read to have moved, and its events come late: they are waited for, for a while.
#[test]
fn what_became_of_an_answer_is_not_told_before_its_events_could_come() {
    let lost = |events: &[(u64, u64, &'static str)]| {
        let (mut world, mut task) = asked(Some(9));
        let mut first = true;
        world.server.stream.truncate(2);
        world.server.stream.extend_from_slice(events);
        world.faults = Box::new(move |_, _, path| match path.ends_with("/say") {
            true if std::mem::take(&mut first) => Fault::LostReply,
            _ => Fault::None,
        });
        task.answer(&"q3".into(), Answer::text("x"), at(5000))
            .expect("it is open");
        world.drive_on(&mut task);
        assert_eq!(world.server.said, ["x"]);
        assert_eq!(world.outcomes, [(Answered::Applied, None)]);
        let reads = world.sent.iter();
        let reads = reads.filter(|sent| sent.purpose == RequestPurpose::Reconcile);
        reads.map(|sent| sent.at).collect::<Vec<_>>()
    };
    let never = lost(&[]);
    assert_eq!(never.len(), 4, "{never:?}");
    let soon = lost(&[(6000, 4, "step")]);
    assert!(soon.len() < 4, "{soon:?}");
}

/// Whose answer was taken, by what followed; a rejection ends this task, and an approval lets it go on.
#[test]
fn an_answer_of_unknown_outcome_is_told_by_what_the_events_show_to_have_followed() {
    let reject = || Answer::Reject { reason: None };
    let theirs = Answered::Gone(WithdrawReason::AnsweredElsewhere);
    for (answer, followed, expected) in [
        (reject(), "step", theirs),
        (reject(), "broke", Answered::Applied),
        (Answer::Approve, "step", Answered::Applied),
        (Answer::Approve, "broke", theirs),
    ] {
        let mut world = streamed(
            &[Work(900), Ask("which?"), Work(9000), Complete("42")],
            &[(500, 1, "begin"), (1000, 2, "approve"), (5500, 3, followed)],
        );
        world.stays = true;
        world = world.action(5500, UserAction::OtherClient("theirs"));
        world.faults = Box::new(|_, _, path| match path.ends_with("/say") {
            true => Fault::LostRequest,
            false => Fault::None,
        });
        let mut task: Streamed = world.start();
        until(&mut world, &mut task, 5000);
        task.answer(&"q2".into(), answer.clone(), at(5000))
            .expect("it is open");
        world.drive_on(&mut task);
        let (how, detail) = &world.outcomes[0];
        assert_eq!(*how, expected, "{answer:?} {followed}: {:#?}", world.trace);
        let others = detail
            .as_ref()
            .is_some_and(|why| why.contains("somebody else"));
        assert_eq!(others, expected == theirs, "{detail:?}");
    }
}

#[test]
fn a_question_of_an_event_that_a_read_took_back_is_told_again_when_the_task_waits_on() {
    let (mut world, mut task) = asked(None);
    world.server.stream.truncate(2);
    world.rewrite = Box::new(|path, now, reply| {
        if path == "/t/t1" && (20_000..50_000).contains(&now) {
            reply.body = "running.".into();
        }
    });
    until(&mut world, &mut task, 50_000);
    assert_eq!(world.count("event withdrawn q3"), 1, "{:#?}", world.trace);
    assert_eq!(task.questions().count(), 0);
    until(&mut world, &mut task, 120_000);
    assert_eq!(world.count("event question q3"), 2, "{:#?}", world.trace);
    assert_eq!(task.questions().count(), 1);
}

/// The status lags behind an answer for as long as it likes; that it waits for something new only time can tell.
#[test]
fn a_status_that_has_not_moved_for_a_minute_since_an_answer_asks_anew() {
    let told = |page: Option<usize>, open: bool, note: bool| {
        let mut stream = vec![(500, 1, "begin")];
        if note {
            stream.push((50_000, 2, "note"));
        }
        let mut world = streamed(&[Work(900), Ask("which?")], &stream).faults(move |_, _, path| {
            match path.contains("/stream") && !open {
                true => Fault::Status(405),
                false => Fault::None,
            }
        });
        world.server.delay = 10_000_000;
        world.server.page = page;
        world.stays = true;
        let mut answers = ["this"].into_iter();
        world.answerer = Box::new(move |_| answers.next().map(Answer::text));
        let mut task: Streamed = world.start();
        until(&mut world, &mut task, 400_000);
        assert_eq!(world.count("answered stand-in-1 Applied"), 1);
        let answered = time(&world, "answered stand-in-1");
        let asked = world
            .trace
            .iter()
            .find(|line| line.contains("question stand-in-2"));
        let asked = asked.map(|line| line[..7].trim().parse::<u64>().expect("a time"));
        (answered, asked)
    };
    // Without events the minute counts from the answer.
    let (answered, asked) = told(None, false, false);
    let asked = asked.expect("it is asked");
    assert!(
        (60_000..100_000).contains(&(asked - answered)),
        "{answered} {asked}"
    );
    // Where there are some, one has to show that the answer was taken.
    for (page, open) in [(Some(9), false), (None, true), (Some(9), true)] {
        let (_, asked) = told(page, open, false);
        assert_eq!(asked, None, "{page:?} {open}");
        let (_, asked) = told(page, open, true);
        let asked = asked.expect("it is asked");
        assert!(asked >= 110_000, "{page:?} {open}: {asked}");
    }
}

/// What asks may be followed at once by what shows the task at work.
#[test]
fn a_read_that_was_under_way_when_an_event_asked_does_not_tell_the_question() {
    let shared = taskward_core::OriginBudget::new();
    let (mut task, stream) = hand::listening(&shared);
    let piece = |text: &'static str| bytes::Bytes::from_static(text.as_bytes());
    task.handle_chunk(stream, piece("data: 1 begin\n\n"), at(100));
    hand::settle(&mut task, 100, &shared);
    let read = hand::send(&mut task, 31_000, &shared);
    task.handle_chunk(stream, piece("data: 2 wait\n\n"), at(31_010));
    hand::settle(&mut task, 31_010, &shared);
    task.handle_response(read, hand::reply("waiting."), at(31_020));
    assert_eq!(hand::settle(&mut task, 31_020, &shared), ["status waiting"]);
    let read = hand::send(&mut task, 32_100, &shared);
    task.handle_response(read, hand::reply("waiting."), at(32_110));
    assert_eq!(
        hand::settle(&mut task, 32_110, &shared),
        ["question q2 \"wait\""]
    );
}

#[test]
fn once_a_task_that_waited_without_an_event_works_again_its_stream_is_only_cross_checked() {
    let reads = |before: &[Act]| {
        let mut script = before.to_vec();
        script.extend([Work(900_000), Complete("42")]);
        let events = [(500, 1, "begin"), (100_000, 2, "step")];
        let mut world = streamed(&script, &events).answers(&["x"]);
        assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
        let beside = |at: &&u64| (200_000..900_000).contains(*at);
        world.status_sent.iter().filter(beside).count()
    };
    assert_eq!(reads(&[Work(900), Ask("which?")]), reads(&[]));
}
