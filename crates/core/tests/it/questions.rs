//! Questions and answers with unknown outcome, in virtual time against a toy server.

use crate::world::Act::{Ask, Complete, Fail, Show, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, hand, outcome, policy, seed};
use taskward_core::testing::past_saves;
use taskward_core::{Answer, AnswerError, QuestionId, QuestionKind, Step, Task};

/// Rows: H1.
#[test]
fn an_answer_that_three_reads_do_not_show_is_told_unknown_and_the_caller_is_asked() {
    for fault in [Fault::LostRequest, Fault::Status(500), Fault::Status(502)] {
        let mut world = World::new(&[Ask("which?"), Complete("42")])
            .answers(&["this", "again"])
            .faults(move |_, _, path| {
                if path.ends_with("/say") {
                    fault
                } else {
                    Fault::None
                }
            });
        assert_eq!(
            world.run(),
            Ended::Left("answer unknown".into()),
            "{fault:?}"
        );
        let lines = world.lines();
        let sent = lines
            .iter()
            .position(|line| line.contains("POST /t/t1/say"))
            .expect("sent");
        let after = &lines[sent + 1..];
        let reads = after.iter().filter(|line| line.contains("/log")).count();
        assert!(reads >= 3, "{fault:?}: {lines:#?}");
        assert!(
            !after.iter().any(|line| line.contains("POST")),
            "{fault:?}: {lines:#?}"
        );
        assert!(
            after.iter().any(|line| line == "event answered m1 Unknown"),
            "{fault:?}: {lines:#?}"
        );
        assert_eq!(world.count("event question m1"), 1, "{fault:?}");
    }
}

/// Rows: H1, H2.
#[test]
fn a_delivered_answer_is_recognised_by_any_of_its_traces() {
    // Our text in the log, a newer message of the agent's, or a status that has moved: whichever comes first.
    for delay in [0, 10, 500, 3000, 20_000] {
        for fault in [Fault::LostReply, Fault::TimedOut, Fault::StatusAfter(504)] {
            for script in [
                &[Ask("a?"), Work(500), Complete("42")][..],
                &[Ask("a?"), Ask("b?"), Complete("42")],
                &[Ask("a?"), Complete("42")],
            ] {
                let mut first = true;
                let mut world =
                    World::new(script)
                        .answers(&["x", "y"])
                        .faults(move |_, _, path| {
                            match path.ends_with("/say") && std::mem::take(&mut first) {
                                true => fault,
                                false => Fault::None,
                            }
                        });
                world.server.delay = delay;
                let context = format!("{fault:?}, lag {delay}, {script:?}");
                assert_eq!(world.run(), outcome("succeeded 42"), "{context}");
                assert_eq!(world.count("answered m1 Applied"), 1, "{context}");
                let asks = script.iter().filter(|act| matches!(act, Ask(_))).count();
                assert_eq!(world.server.said.len(), asks, "{context}");
            }
        }
    }
}

/// Rows: H3.
#[test]
fn a_question_that_follows_within_one_poll_is_answered_for_itself() {
    for delay in (0..4000).step_by(130) {
        for pause in [0, 200, 900] {
            let mut world = World::new(&[Ask("a?"), Work(pause), Ask("b?"), Complete("42")])
                .answers(&["x", "y", "unwanted"]);
            world.server.delay = delay;
            let context = format!("lag {delay}, pause {pause}");
            assert_eq!(world.run(), outcome("succeeded 42"), "{context}");
            assert_eq!(world.server.said, ["x", "y"], "{context}");
            assert_eq!(world.count("event question"), 2, "{context}");
        }
    }
}

/// Rows: H2.
#[test]
fn another_process_does_not_offer_a_question_that_was_just_answered() {
    for delay in [1000, 3000, 20_000] {
        let mut world = World::new(&[Ask("which?"), Work(500), Complete("42")]).answers(&["this"]);
        world.server.delay = delay;
        let mut replied = false;
        let task = world.start::<false, false>();
        // The first process goes as soon as its answer is there.
        for step in 1..200 {
            let mut again =
                World::new(&[Ask("which?"), Work(500), Complete("42")]).answers(&["this"]);
            again.server.delay = delay;
            again.kill_after = Some(step);
            let task = again.start::<false, false>();
            assert_eq!(again.drive(task), Ended::Stopped);
            if again.count("answered m1 Applied") == 1 {
                replied = true;
                world = again;
                break;
            }
        }
        drop(task);
        assert!(replied, "lag {delay}");
        world.kill_after = None;
        let task = world.attach(policy());
        let asked = world.count("event question");
        assert_eq!(world.drive(task), outcome("succeeded 42"), "lag {delay}");
        assert_eq!(world.count("event question"), asked, "lag {delay}");
        assert_eq!(world.server.said, ["this"], "lag {delay}");
    }
}

/// Rows: H4.
#[test]
fn a_message_to_a_task_that_ended_is_sent_once_and_its_refusal_told() {
    for (script, status) in [(&[Fail("boom")][..], None), (&[Complete("42")], Some(400))] {
        let mut world = World::new(script);
        world.server = world.server.clone().begun(0);
        if let Some(status) = status {
            world.faults = Box::new(move |_, _, path| match path.ends_with("/say") {
                true => Fault::Status(status),
                false => Fault::None,
            });
        }
        let task: Task<Toy<false, false>> =
            Task::continue_with(Toy, "t1".into(), "more".into(), policy(), seed(), at(0))
                .expect("turn");
        assert_eq!(world.drive(task), outcome("refused"), "{script:?}");
        assert_eq!(world.count("POST /t/t1/say"), 1, "{script:?}");
        assert_eq!(
            world.lines()[0],
            "send GET /t/t1",
            "its state is read first"
        );
        assert!(world.server.said.is_empty(), "{script:?}");
    }
}

/// Rows: H5, H6.
#[test]
fn a_task_that_waits_for_ever_is_waited_for_as_long_as_the_human_may_take() {
    for (script, end) in [
        (&[Ask("which?")][..], "deadline Waiting waiting"),
        (&[crate::world::Act::Review], "deadline Waiting review"),
    ] {
        let mut patient = policy();
        patient.work = Some(std::time::Duration::from_secs(10));
        patient.human = Some(std::time::Duration::from_secs(86_400));
        let mut world = World::new(script);
        world.stays = true;
        let task = world.start_with::<false, false>(patient);
        assert_eq!(world.drive(task), outcome(end));
        assert!(
            (86_400_000..86_411_000).contains(&world.now),
            "{}",
            world.now
        );
        assert!(world.server.said.is_empty());
    }
    // Without anybody to answer, control is handed back with the question's words.
    let mut world = World::new(&[Ask("which?")]);
    assert_eq!(world.run(), Ended::Left("which?".into()));
}

/// Rows: H8.
#[test]
fn an_empty_answer_is_refused_and_every_other_one_arrives_as_it_was_given() {
    let mut world = World::new(&[Ask("which?"), Complete("42")]);
    assert_eq!(world.run(), Ended::Left("which?".into()));
    let saved = world.snapshots.last().expect("a step").1.clone();
    let id = QuestionId::new("m1");
    let resumed = || -> Task<Toy<false, false>> {
        Task::resume(Toy, saved.clone(), at(world.now)).expect("resume")
    };
    for empty in ["", " ", "\n\t ", "\u{a0}\u{2003}"] {
        let mut task = resumed();
        let refused = task.answer(&id, Answer::text(empty), at(world.now));
        assert!(
            matches!(refused, Err(AnswerError::WrongKind { .. })),
            "{empty:?}: {refused:?}"
        );
        assert_eq!(task.questions().count(), 1, "{empty:?}: it is still open");
    }
    let long = "long ".repeat(60_000);
    for text in [
        "\0",
        "a\0b\u{1b}[2Jc\u{7f}\u{9b}\r\n",
        "\u{202e}rtl \u{fffd}",
        &long,
    ] {
        let mut again = World::new(&[]);
        again.server = world.server.clone();
        again.now = world.now;
        again.stays = true;
        let mut task = resumed();
        task.answer(&id, Answer::text(text), at(world.now))
            .expect("it is open");
        assert_eq!(again.drive(task), outcome("succeeded 42"), "{text:.20?}");
        assert!(again.server.said == [text], "{text:.20?}");
    }
}

/// Rows: H10.
#[test]
fn a_wait_without_words_is_told_after_three_reads_and_taken_back_when_it_passes() {
    let mut world = World::new(&[Show("waiting", 60_000), Complete("42")]);
    world.stays = true;
    assert_eq!(world.run(), outcome("succeeded 42"));
    let lines = world.lines();
    let told = lines
        .iter()
        .position(|line| line.starts_with("event question"))
        .expect("told");
    let reads = lines[..told]
        .iter()
        .filter(|line| line.contains("/log"))
        .count();
    assert_eq!(reads, 3, "{lines:#?}");
    assert_eq!(world.count("event question"), 1);
    assert_eq!(world.count("event withdrawn"), 1);
    // One that soon has words is asked in them.
    let mut world =
        World::new(&[Show("waiting", 1500), Ask("which?"), Complete("42")]).answers(&["x"]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.count("event question m1 \"which?\""), 1);
    assert_eq!(world.count("event question"), 1);
}

/// Rows: H15.
#[test]
fn somebody_else_may_answer_at_any_moment_and_nothing_is_said_twice() {
    let script = [Ask("which?"), Work(30_000), Complete("42")];
    for after in (1030..9000).step_by(70) {
        let mut world = World::new(&script).action(after, UserAction::OtherClient("early"));
        world = world.answers(&["ours"]);
        assert_eq!(world.run(), outcome("succeeded 42"), "{after}");
        let said = &world.server.said;
        // An answer that arrives while ours is being sent cannot be distinguished from one that arrives first.
        assert!(
            said.iter().filter(|text| *text == "ours").count() <= 1,
            "{after}: {said:?}"
        );
        let told = world.count("event answered") + world.count("event withdrawn");
        assert_eq!(told, world.count("event question"), "{after}: {said:?}");
    }
}

/// Rows: H17.
#[test]
fn a_question_whose_handler_died_is_told_again_and_was_not_answered() {
    let mut world = World::new(&[Ask("which?"), Complete("42")]);
    assert_eq!(world.run(), Ended::Left("which?".into()));
    let saved = world.snapshots.last().expect("a step").1.clone();
    assert_eq!(world.count("POST /t/t1/say"), 0);
    assert!(world.server.said.is_empty());
    let mut task: Task<Toy<false, false>> =
        Task::resume(Toy, saved, at(world.now)).expect("resume");
    match past_saves(&mut task, at(world.now), &world.shared) {
        Step::Event { event, .. } => assert!(
            matches!(&*event, taskward_core::Event::Question(question) if question.text == "which?"),
            "{event:?}"
        ),
        other => panic!("{other:?}"),
    }
}

/// A task that waits all the time, and whose status says otherwise for two seconds.
fn blinking(fault: Fault) -> World {
    let mut world = World::new(&[Ask("which?")])
        .answers(&["this"])
        .faults(move |_, _, path| match path.ends_with("/say") {
            true => fault,
            false => Fault::None,
        });
    world.rewrite = Box::new(|path, now, reply| {
        if path == "/t/t1" && (20_000..32_000).contains(&now) {
            reply.body = "running.".into();
        }
    });
    world
}

#[test]
fn a_question_that_vanishes_and_comes_back_is_asked_again_unless_its_answer_may_have_arrived() {
    let mut world = blinking(Fault::None).action(60_000, UserAction::Stop);
    world.answerer = Box::new(|_| None);
    world.stays = true;
    assert_eq!(world.run(), Ended::Stopped);
    assert_eq!(world.count("event withdrawn m1"), 1);
    assert_eq!(world.count("event question m1"), 2, "{:#?}", world.trace);
    let mut world = blinking(Fault::LostRequest).action(60_000, UserAction::Stop);
    let mut task: Task<Toy<false, false>> = world.start();
    let unknown = Ended::Left("answer unknown".into());
    assert_eq!(world.drive_on(&mut task), unknown);
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    assert_eq!(world.count("event withdrawn m1"), 1);
    assert_eq!(world.count("event question m1"), 1, "{:#?}", world.trace);
}

/// Rows: H10.
#[test]
fn a_wait_without_words_that_changes_meanwhile_is_counted_anew() {
    let reads = |said: Option<u64>| {
        let mut world = World::new(&[Show("waiting", 600_000)]);
        if let Some(at) = said {
            world = world.action(at, UserAction::OtherClient("more"));
        }
        assert_eq!(world.run(), Ended::Left(String::new()));
        world.count("/log")
    };
    // The third read decides; something is said before it.
    assert_eq!((reads(None), reads(Some(2600))), (3, 5));
}

/// Rows: H18.
#[test]
fn an_answer_that_cannot_be_taken_says_which_of_four_reasons_it_is() {
    let mut world = World::new(&[Ask("which?"), Work(500), Ask("more?"), Complete("42")]);
    assert_eq!(world.run(), Ended::Left("which?".into()));
    let saved = world.snapshots.last().expect("a step").1.clone();
    let mut task: Task<Toy<false, false>> =
        Task::resume(Toy, saved, at(world.now)).expect("resume");
    hand::settle(&mut task, world.now, &world.shared);
    let (first, text) = (QuestionId::new("m1"), Answer::text("this"));
    let answer = |task: &mut Task<_>, id: &str, answer: Answer| {
        task.answer(&id.into(), answer, at(0)).map_err(Box::new)
    };
    let unknown = answer(&mut task, "m9", text.clone()).expect_err("never asked");
    assert_eq!(*unknown, AnswerError::NoSuchQuestion("m9".into()));
    let unfit = answer(&mut task, "m1", Answer::Approve).expect_err("it wants words");
    let wants = QuestionKind::Text;
    assert!(
        matches!(*unfit, AnswerError::WrongKind { id, wants: w, .. } if id == first && w == wants)
    );
    answer(&mut task, "m1", text.clone()).expect("it is open");
    let again = answer(&mut task, "m1", Answer::text("that")).expect_err("one is under way");
    assert_eq!(*again, AnswerError::BeingAnswered(first.clone()));
    assert_eq!(world.drive(task), Ended::Left("more?".into()));
    let saved = world.snapshots.last().expect("a step").1.clone();
    let mut task: Task<Toy<false, false>> =
        Task::resume(Toy, saved, at(world.now)).expect("resume");
    let with = Some(text);
    let late = answer(&mut task, "m1", Answer::text("that")).expect_err("it has its answer");
    assert_eq!(*late, AnswerError::AlreadyAnswered { id: first, with });
    assert_eq!(world.server.said, ["this"]);
}
