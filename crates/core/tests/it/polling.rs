//! A polled task, in virtual time against a toy server.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Review, Say, Show, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, hand, outcome, policy, seed};
use taskward_core::{Outcome, Task, TaskId, Timestamp};

#[test]
fn a_task_is_followed_from_start_to_answer() {
    let mut world = World::new(&[Work(3000), Complete("42")]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(
        world.trace,
        [
            "     0 send POST /start",
            "    20 event started t1 running",
            "  1020 send GET /t/t1",
            "  2540 send GET /t/t1",
            "  4810 send GET /t/t1",
            "  4830 event status done",
            "  4830 send GET /t/t1/result",
            "  4850 done succeeded 42",
        ]
    );
}

#[test]
fn the_state_is_stored_before_the_start_leaves_and_before_the_id_is_told() {
    let mut world = World::new(&[Work(10), Complete("42")]);
    world.run();
    let steps: Vec<&str> = world
        .snapshots
        .iter()
        .map(|(name, _)| name.split(' ').next().expect("name"))
        .collect();
    assert_eq!(steps[..4], ["Save", "Send", "Save", "Event"]);
    assert!(world.saved[0].intent().is_some() && world.saved[0].task().is_none());
    assert_eq!(world.saved[1].task(), Some(&TaskId::new("t1")));
    assert!(world.saved.last().expect("saved").is_ended());
}

/// Rows: F11, G1, G3.
#[test]
fn a_start_that_may_have_been_received_is_never_repeated() {
    for fault in [
        Fault::LostRequest,
        Fault::LostReply,
        Fault::Status(500),
        Fault::StatusAfter(502),
        Fault::Status(503),
        Fault::Status(408),
        Fault::CutBody,
        Fault::Html,
    ] {
        let mut world = World::new(&[Complete("42")])
            .faults(move |_, _, path| if path == "/start" { fault } else { Fault::None });
        let likely = matches!(fault, Fault::CutBody | Fault::Html);
        assert_eq!(
            world.run(),
            outcome(&format!("unknown likely={likely}")),
            "{fault:?}"
        );
        assert_eq!(world.count("POST /start"), 1, "{fault:?}");
    }
}

#[test]
fn a_started_task_whose_id_cannot_be_used_is_of_unknown_outcome() {
    for id in ["", "..", "a\nb", "\u{fffd}", &"x".repeat(10_000)] {
        let mut world = World::new(&[]);
        world.server.id = Some(id.to_owned());
        assert_eq!(world.run(), outcome("unknown likely=true"), "{id:.20}");
        assert_eq!(world.requests, 1, "{id:.20}");
    }
}

#[test]
fn a_start_that_never_left_is_repeated_and_then_given_up() {
    let mut world = World::new(&[Complete("42")])
        .faults(|n, _, _| if n < 3 { Fault::Refused } else { Fault::None });
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!((world.count("POST /start"), world.server.starts), (3, 1));
    let mut world = World::new(&[]).faults(|_, _, _| Fault::Refused);
    assert_eq!(world.run(), outcome("not_started"));
    assert_eq!(world.count("POST /start"), 4);
}

/// Rows: F1, F13.
#[test]
fn a_rate_limited_start_is_repeated_and_a_refused_one_is_not() {
    let mut world = World::new(&[Complete("42")]).faults(|n, _, _| {
        if n == 1 {
            Fault::Status(429)
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run(), outcome("succeeded 42"));
    for status in [400, 401, 403, 404, 409, 413, 422, 501] {
        let mut world = World::new(&[]).faults(move |_, _, _| Fault::Status(status));
        assert_eq!(world.run(), outcome("refused"), "{status}");
        assert_eq!(world.requests, 1, "{status}");
    }
}

/// Rows: G2.
#[test]
fn a_keyed_start_is_repeated_with_the_same_key_and_makes_one_task() {
    let mut world = World::new(&[Complete("42")])
        .faults(|n, _, _| if n < 3 { Fault::LostReply } else { Fault::None });
    let task = world.start::<true, false>();
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.count("POST /start"), 3);
}

/// Rows: G7.
#[test]
fn a_keyed_start_that_may_have_been_received_stays_unknown_whatever_its_repetition_is_told() {
    for later in [
        Fault::Status(429),
        Fault::Status(503),
        Fault::Status(401),
        Fault::Status(409),
        Fault::Refused,
    ] {
        let mut world = World::new(&[Complete("42")])
            .faults(move |n, _, _| if n == 1 { Fault::LostReply } else { later });
        let task = world.start::<true, false>();
        assert_eq!(
            world.drive(task),
            outcome("unknown likely=false"),
            "{later:?}"
        );
        assert_eq!(world.server.starts, 1, "{later:?}");
    }
}

/// Rows: D1.
#[test]
fn no_failed_poll_ends_a_watch() {
    let faults = [
        Fault::Refused,
        Fault::LostRequest,
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(429),
        Fault::Status(501),
        Fault::Status(409),
        Fault::CutBody,
        Fault::Html,
    ];
    let mut world = World::new(&[Work(120_000), Complete("42")]).faults(move |n, _, path| {
        if path == "/start" {
            Fault::None
        } else {
            faults[n % faults.len()]
        }
    });
    world.actions.push((60_000, UserAction::Stop));
    assert_eq!(world.run(), Ended::Stopped);
    world.faults = Box::new(|_, _, _| Fault::None);
    let task = world.attach(policy());
    assert_eq!(world.drive(task), outcome("succeeded 42"));
}

#[test]
fn thirty_percent_of_faulted_polls_for_ten_minutes_change_nothing_but_the_time() {
    for seed in 0..20u64 {
        let mut random = fastrand_like(seed);
        let mut world = World::new(&[Work(600_000), Complete("42")]).faults(move |_, _, path| {
            if path == "/t/t1" && random() % 10 < 3 {
                [
                    Fault::Status(502),
                    Fault::LostReply,
                    Fault::Refused,
                    Fault::CutBody,
                ][(random() % 4) as usize]
            } else {
                Fault::None
            }
        });
        assert_eq!(world.run(), outcome("succeeded 42"), "seed {seed}");
        assert_eq!(world.count("/result"), 1);
    }
}

/// A small generator, so that a seed says everything about a run.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    }
}

#[test]
fn no_two_status_reads_are_closer_than_the_floor() {
    let mut world = World::new(&[
        Work(5000),
        Ask("a?"),
        Work(3000),
        Ask("b?"),
        Review,
        Work(1),
        Complete("42"),
    ])
    .answers(&["x", "y"])
    .action(40_000, UserAction::Dashboard("approve"))
    .faults(|n, _, path| {
        if path == "/t/t1" && n % 3 == 0 {
            Fault::Status(503)
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run(), outcome("succeeded 42"));
    for pair in world.status_sent.windows(2) {
        assert!(pair[1] - pair[0] >= 1000, "{pair:?}");
    }
}

/// Rows: H2.
#[test]
fn a_question_is_answered_once_however_long_the_server_takes_to_move() {
    for delay in [0, 1000, 3000, 20_000] {
        let mut world =
            World::new(&[Work(500), Ask("which?"), Work(500), Complete("42")]).answers(&["this"]);
        world.server.delay = delay;
        assert_eq!(world.run(), outcome("succeeded 42"), "lag {delay}");
        assert_eq!(world.server.said, ["this"], "lag {delay}");
        assert_eq!(world.count("event question"), 1, "lag {delay}");
    }
}

#[test]
fn a_question_and_its_answer_leave_this_trace() {
    let mut world =
        World::new(&[Work(500), Ask("which?"), Work(500), Complete("42")]).answers(&["this"]);
    world.run();
    let lines = world.lines();
    assert_eq!(
        lines[2..9],
        [
            "send GET /t/t1",
            "event status waiting",
            "send GET /t/t1/log",
            "event question m1 \"which?\"",
            "send GET /t/t1/log",
            "send POST /t/t1/say",
            "event answered m1 Applied",
        ]
    );
}

/// Rows: H2.
#[test]
fn the_agents_last_words_after_an_answer_are_not_taken_for_a_question() {
    // At some lag the status read is stale, and the conversation, read a moment later, already has the end in it.
    for delay in (0..3000).step_by(10) {
        let mut world = World::new(&[Ask("which?"), Say("Done."), Complete("42")])
            .answers(&["this", "unwanted"]);
        world.server.delay = delay;
        assert_eq!(world.run(), outcome("succeeded 42"), "lag {delay}");
        assert_eq!(world.server.said, ["this"], "lag {delay}");
    }
}

/// Rows: H2.
#[test]
fn words_that_differ_from_read_to_read_are_not_taken_for_a_question() {
    // Each poll finds the status stale, and in the conversation what was said in the moment after it.
    for delay in (880..960).step_by(10) {
        let script = [
            Ask("which?"),
            Say("One."),
            Show("waiting", 2570 - delay),
            Say("Two."),
            Complete("42"),
        ];
        let mut world = World::new(&script).answers(&["this", "unwanted"]);
        world.server.delay = delay;
        assert_eq!(world.run(), outcome("succeeded 42"), "lag {delay}");
        assert_eq!(world.count("event question"), 1, "lag {delay}");
        assert_eq!(world.server.said, ["this"], "lag {delay}");
    }
}

/// Rows: H3.
#[test]
fn two_questions_are_told_apart() {
    let mut world = World::new(&[Ask("a?"), Ask("b?"), Complete("42")]).answers(&["x", "y"]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["x", "y"]);
}

/// Rows: H1.
#[test]
fn a_lost_reply_to_an_answer_is_reconciled_by_reading() {
    let lost = |fault| {
        let mut world =
            World::new(&[Ask("which?"), Work(500), Complete("42")]).answers(&["this", "again"]);
        let mut done = false;
        world.faults = Box::new(move |_, _, path| {
            if path.ends_with("/say") && !std::mem::replace(&mut done, true) {
                fault
            } else {
                Fault::None
            }
        });
        let ended = world.run();
        (
            ended,
            world.server.said.len(),
            world.count("POST /t/t1/say"),
        )
    };
    assert_eq!(lost(Fault::LostReply), (outcome("succeeded 42"), 1, 1));
    assert_eq!(
        lost(Fault::StatusAfter(502)),
        (outcome("succeeded 42"), 1, 1)
    );
    // The message never arrived: that is reported, and it is not sent again by itself.
    assert_eq!(
        lost(Fault::LostRequest),
        (Ended::Left("answer unknown".into()), 0, 1)
    );
    assert_eq!(
        lost(Fault::Status(500)),
        (Ended::Left("answer unknown".into()), 0, 1)
    );
    // It provably never left: sent again.
    assert_eq!(lost(Fault::Refused), (outcome("succeeded 42"), 1, 2));
    assert_eq!(lost(Fault::Status(429)), (outcome("succeeded 42"), 1, 2));
    // The server refused it: the question stands, nobody is asked again.
    assert_eq!(
        lost(Fault::Status(400)),
        (Ended::Left("answer unknown".into()), 0, 1)
    );
}

/// Rows: H1.
#[test]
fn an_unknown_answer_is_repeated_only_by_the_caller() {
    let mut world = World::new(&[Ask("which?"), Complete("42")]);
    let mut lose = true;
    world.faults = Box::new(move |_, _, path| {
        if path.ends_with("/say") && std::mem::take(&mut lose) {
            Fault::LostRequest
        } else {
            Fault::None
        }
    });
    world = world.answers(&["this"]);
    let task = world.start::<false, false>();
    let id = taskward_core::QuestionId::new("m1");
    assert_eq!(world.drive(task), Ended::Left("answer unknown".into()));
    let saved = world.snapshots.last().expect("snapshots").1.clone();
    let mut task: Task<Toy<false, false>> =
        Task::resume(Toy, saved, at(world.now)).expect("resume");
    task.answer(&id, taskward_core::Answer::text("again"), at(world.now))
        .expect("still open");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["again"]);
}

/// Rows: H15.
#[test]
fn an_answer_that_comes_too_late_is_not_sent() {
    let mut world = World::new(&[Ask("which?"), Work(60_000), Complete("42")]);
    world.answerer = Box::new(|_| None);
    assert_eq!(world.run(), Ended::Left("which?".into()));
    // Somebody answers between the question and the read before our answer.
    world.server.other_client("early", world.now);
    let mut task: Task<Toy<false, false>> = Task::resume(
        Toy,
        world.snapshots.last().expect("snapshot").1.clone(),
        at(world.now),
    )
    .expect("resume");
    task.answer(
        &"m1".into(),
        taskward_core::Answer::text("late"),
        at(world.now),
    )
    .expect("open here");
    world.stays = true;
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["early"]);
    assert_eq!(world.count("answered m1 Gone"), 1);
}

/// Rows: H15.
#[test]
fn a_question_answered_elsewhere_is_withdrawn() {
    let mut world = World::new(&[Ask("which?"), Work(30_000), Complete("42")])
        .action(5000, UserAction::OtherClient("early"));
    // The person here thinks for long.
    world.stays = true;
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.count("event withdrawn m1 AnsweredElsewhere"), 1);
    assert_eq!(world.count("event withdrawn"), 1);
}

/// Rows: H28.
#[test]
fn where_the_conversation_cannot_be_read_nobody_elses_answer_is_claimed() {
    let script = [Ask("which?"), Work(30_000), Complete("42")];
    for fault in [
        Fault::Status(500),
        Fault::Html,
        Fault::LostReply,
        Fault::None,
    ] {
        // Two reads show the question; the third has to show whose answer it has.
        let mut reads = 0;
        let mut world = World::new(&script)
            .action(3000, UserAction::OtherClient("early"))
            .faults(move |_, _, path| {
                let is_poll = path.ends_with("/log");
                reads += usize::from(is_poll);
                match is_poll && reads > 2 {
                    true => fault,
                    false => Fault::None,
                }
            });
        world.stays = true;
        world.server.delay = 0;
        assert_eq!(world.run(), outcome("succeeded 42"), "{fault:?}");
        let reason = match fault {
            Fault::None => "AnsweredElsewhere",
            _ => "TaskMovedOn",
        };
        let told = format!("event withdrawn m1 {reason}");
        assert_eq!(world.count(&told), 1, "{fault:?}: {:#?}", world.trace);
        assert_eq!(world.count("event withdrawn"), 1, "{fault:?}");
    }
}

/// Rows: H10.
#[test]
fn a_silent_wait_is_told_only_after_several_polls() {
    let mut world = World::new(&[Show("waiting", 600_000)]);
    assert_eq!(world.run(), Ended::Left(String::new()));
    assert_eq!(world.count("GET /t/t1/log"), 3);
}

/// Rows: H6.
#[test]
fn a_review_is_waited_out_on_the_humans_clock() {
    let mut patient = policy();
    patient.work = Some(Duration::from_secs(60));
    let mut world = World::new(&[Work(1000), Review, Work(1000), Complete("42")])
        .action(3_600_000, UserAction::Dashboard("approve"));
    let task = world.start_with::<false, false>(patient.clone());
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.count("event paused review"), 1);
    patient.human = Some(Duration::from_secs(600));
    let mut world = World::new(&[Work(1000), Review]);
    let task = world.start_with::<false, false>(patient);
    assert_eq!(world.drive(task), outcome("deadline Waiting review"));
    assert!((601_000..640_000).contains(&world.now), "{}", world.now);
}

/// Rows: J5.
#[test]
fn a_deadline_ends_the_watch_on_time_and_not_the_task() {
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(30));
    let mut world = World::new(&[Work(600_000)]);
    let task = world.start_with::<false, false>(hurried.clone());
    assert_eq!(world.drive(task), outcome("deadline Working running"));
    assert_eq!((world.now, world.server.cancelled), (30_000, None));
    hurried.work = Some(Duration::ZERO);
    let mut world = World::new(&[]);
    let task = world.start_with::<false, false>(hurried);
    assert_eq!(world.drive(task), outcome("deadline Working -"));
    assert_eq!(world.requests, 0);
}

/// Rows: D12.
#[test]
fn an_unknown_status_is_told_once_and_ends_nothing() {
    let mut world = World::new(&[Show("paused", 60_000), Show("", 5000), Complete("42")]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.count("event status paused"), 1);
}

/// Rows: I7, I8.
#[test]
fn a_record_that_is_not_visible_yet_is_waited_for_and_a_vanished_one_is_confirmed() {
    let mut world = World::new(&[Work(20_000), Complete("42")]);
    world.server.invisible = 10_000;
    assert_eq!(world.run(), outcome("succeeded 42"));
    let mut world = World::new(&[Work(600_000)]).faults(|n, _, _| {
        if n > 20 {
            Fault::Status(404)
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run(), outcome("gone"));
    let gone: Vec<u64> = world.status_sent[world.status_sent.len() - 3..].to_vec();
    assert!(
        gone[1] - gone[0] >= 5000 && gone[2] - gone[1] >= 5000,
        "{gone:?}"
    );
    let mut world = World::new(&[]);
    world.server.gone = true;
    let task = world.attach(policy());
    assert_eq!(world.drive(task), outcome("gone"));
}

#[test]
fn a_refused_key_ends_the_watch_at_once() {
    for status in [401, 403] {
        let mut world = World::new(&[Work(600_000)]).faults(move |n, _, _| {
            if n == 4 {
                Fault::Status(status)
            } else {
                Fault::None
            }
        });
        assert_eq!(world.run(), outcome("access_lost"));
        assert_eq!(world.requests, 4);
    }
}

#[test]
fn a_failed_task_brings_its_trail_if_it_can_be_read() {
    let mut world = World::new(&[Work(1000), Fail("boom")]);
    assert_eq!(world.run(), outcome("failed Some(\"boom\")"));
    assert_eq!(world.count("/trail"), 1);
    let mut world = World::new(&[Fail("boom")]).faults(|_, _, path| {
        if path.ends_with("/trail") {
            Fault::Status(500)
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run(), outcome("failed None"));
    assert_eq!(world.count("/trail"), 2);
    let mut without = policy();
    without.read_steps = false;
    let mut world = World::new(&[Fail("boom")]);
    let task = world.start_with::<false, false>(without);
    assert_eq!(world.drive(task), outcome("failed None"));
    assert_eq!(world.count("/trail"), 0);
}

/// Rows: I6, I9.
#[test]
fn a_stale_answer_is_read_again_and_a_missing_one_is_not_a_failure() {
    let mut world = World::new(&[Complete("42")]);
    world.server.result_delay = 5000;
    assert_eq!(world.run(), outcome("succeeded 42"));
    let mut world = World::new(&[Complete("42")]).faults(|_, _, path| {
        if path.ends_with("/result") {
            Fault::Status(404)
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run(), outcome("result_unavailable"));
    assert!(world.count("/result") > 3);
    for attempt in 1..4 {
        assert_eq!(world.count(&format!("retrying {attempt} ")), 1, "{attempt}");
    }
}

#[test]
fn a_task_that_was_stopped_brings_its_trail_too() {
    let mut world = World::new(&[Work(600_000)]).action(5000, UserAction::Dashboard("stop"));
    let mut task: Task<Toy<false, false>> = world.start();
    assert_eq!(world.drive_on(&mut task), outcome("stopped by Other"));
    let Some(Outcome::Stopped { failure: fault, .. }) = task.into_outcome() else {
        panic!("it was stopped");
    };
    assert_eq!(fault.message.as_deref(), Some("cancelled"));
    assert_eq!(fault.steps, Some(serde_json::json!(["cancelled"])));
}

/// Rows: I1.
#[test]
fn a_cancel_is_judged_by_what_the_task_says() {
    let run = |script: &[crate::world::Act], when| {
        let mut world = World::new(script).action(when, UserAction::Cancel);
        world.stays = true;
        match world.run() {
            Ended::Outcome(text) => text,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run(&[Work(600_000)], 5000), "stopped by Us");
    assert_eq!(run(&[Ask("which?")], 5000), "stopped by Us");
    assert_eq!(run(&[Work(4990), Complete("42")], 5000), "succeeded 42");
}

#[test]
fn a_cancel_while_the_start_is_under_way_is_kept_until_the_id_is_known() {
    let mut world = World::new(&[Work(600_000)]);
    let mut task = world.start::<false, false>();
    let id = hand::send(&mut task, 0, &world.shared);
    task.cancel(at(5)).expect("cancel");
    let (_, body) = world.server.handle("POST", "/start", "", None, 10);
    task.handle_response(
        id,
        taskward_core::Response::new(http::StatusCode::CREATED, body),
        at(10),
    );
    world.now = 10;
    assert_eq!(world.drive(task), outcome("stopped by Us"));
}

#[test]
fn a_keyed_start_whose_reply_is_lost_is_repeated_to_be_cancelled() {
    let mut world = World::new(&[Work(600_000)]);
    let mut task = world.start::<true, false>();
    let id = hand::send(&mut task, 0, &world.shared);
    task.cancel(at(5)).expect("cancel");
    let lost = taskward_core::ExchangeFailure::new(
        taskward_core::ExchangeProgress::MaybeSent,
        taskward_core::Cause::Reset,
        "test",
    );
    task.handle_failure(id, lost, at(10));
    world.now = 10;
    assert_eq!(world.drive(task), outcome("stopped by Us"));
}

#[test]
fn a_start_cancelled_before_it_left_is_not_made() {
    let mut world = World::new(&[Work(600_000)]).action(0, UserAction::Cancel);
    assert_eq!((world.run(), world.requests), (outcome("not_started"), 0));
}

#[test]
fn a_cancel_before_the_start_left_ends_it() {
    let mut world = World::new(&[])
        .faults(|_, _, _| Fault::Refused)
        .action(10, UserAction::Cancel);
    assert_eq!(world.run(), outcome("not_started"));
    assert!(world.requests < 3);
}

/// Rows: I5.
#[test]
fn a_task_stopped_by_someone_else_says_so() {
    let mut world = World::new(&[Work(600_000)]).action(5000, UserAction::Dashboard("stop"));
    assert_eq!(world.run(), outcome("stopped by Other"));
}

#[test]
fn a_turn_never_reports_what_was_there_before_its_message() {
    let turn = |script: &[crate::world::Act], delay: u64, start_at: u64| {
        let mut world = World::new(script);
        world.server = world.server.clone().begun(0);
        world.server.delay = delay;
        world.now = start_at;
        let task: Task<Toy<false, false>> = Task::continue_with(
            Toy,
            TaskId::new("t1"),
            "more".into(),
            policy(),
            seed(),
            at(start_at),
        )
        .expect("turn");
        let ended = world.drive(task);
        assert_eq!(world.server.said, ["more"]);
        ended
    };
    for delay in [0, 1000, 3000, 15_000] {
        // It had ended.
        assert_eq!(
            turn(&[Complete("old"), Work(2000), Complete("new")], delay, 100),
            outcome("succeeded new"),
            "{delay}"
        );
        // It waited: the old question is not this turn's.
        assert_eq!(
            turn(&[Ask("old?"), Work(2000), Ask("new?")], delay, 100),
            Ended::Left("new?".into()),
            "{delay}"
        );
        // It answered at once, without being seen at work.
        assert_eq!(
            turn(&[Ask("old?"), Ask("new?")], delay, 100),
            Ended::Left("new?".into()),
            "{delay}"
        );
    }
    // It was at work.
    assert_eq!(
        turn(&[Work(9000), Complete("new")], 0, 100),
        outcome("succeeded new")
    );
}

/// Rows: H4.
#[test]
fn a_turn_that_is_refused_says_so() {
    let mut world = World::new(&[Fail("boom")]);
    world.server = world.server.clone().begun(0);
    let task: Task<Toy<false, false>> = Task::continue_with(
        Toy,
        TaskId::new("t1"),
        "more".into(),
        policy(),
        seed(),
        at(0),
    )
    .expect("turn");
    assert_eq!(world.drive(task), outcome("refused"));
}

#[test]
fn a_message_to_a_running_task_is_told_delivered() {
    let mut world =
        World::new(&[Work(20_000), Complete("42")]).action(3000, UserAction::Message("hurry"));
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.count("event sent 1 Applied"), 1);
    assert_eq!(world.server.said, ["hurry"]);
}

#[test]
fn a_message_to_a_task_that_is_over_is_refused() {
    let mut world = World::new(&[Complete("42")]);
    let mut task = world.attach(policy());
    world.server = world.server.clone().begun(0);
    assert_eq!(world.drive_on(&mut task), outcome("succeeded 42"));
    assert!(task.send_message("more".into(), at(world.now)).is_err());
    assert!(
        task.answer(
            &"m1".into(),
            taskward_core::Answer::text("x"),
            at(world.now)
        )
        .is_err()
    );
}

#[test]
fn the_same_inputs_give_the_same_steps() {
    let run = || {
        let mut world = World::new(&[Work(9000), Ask("a?"), Work(4000), Complete("42")])
            .answers(&["x"])
            .faults(|n, _, _| {
                if n % 4 == 2 {
                    Fault::Status(503)
                } else {
                    Fault::None
                }
            });
        let mut jittery = policy();
        jittery.poll_backoff.jitter_percent = 20;
        let task = world.start_with::<false, false>(jittery);
        world.drive(task);
        (
            world.trace,
            world
                .snapshots
                .iter()
                .map(|(n, s)| format!("{n} {s:?}"))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn a_foreign_report_changes_nothing_and_an_abandoned_one_is_a_failed_poll() {
    let mut world = World::new(&[Work(5000), Complete("42")]);
    let mut task = world.attach(policy());
    world.server = world.server.clone().begun(0);
    let id = match task.next_step(Timestamp::from_millis(0), &world.shared) {
        taskward_core::Step::Send { id, .. } => id,
        other => panic!("{other:?}"),
    };
    task.handle_response(
        taskward_core::ExchangeId(id.0 + 7),
        taskward_core::Response::new(http::StatusCode::OK, "done."),
        at(0),
    );
    task.sent(id);
    assert!(matches!(
        task.next_step(at(0), &world.shared),
        taskward_core::Step::InFlight { .. }
    ));
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.count("retrying 1"), 1);
}

/// Sets the header of each status reply.
fn asking_to_wait(world: &mut World, wait: &'static str) {
    world.rewrite = Box::new(move |path, _, reply| {
        if path == "/t/t1" {
            let wait = wait.parse().expect("a header value");
            reply.head.headers.insert("retry-after", wait);
        }
    });
}

#[test]
fn the_wait_that_a_good_reply_asks_for_is_honoured_in_both_directions() {
    let gaps = |wait| {
        let mut world = World::new(&[Work(60_000), Complete("42")]);
        asking_to_wait(&mut world, wait);
        assert_eq!(world.run(), outcome("succeeded 42"), "{wait}");
        let sent = world.status_sent.windows(2).map(|pair| pair[1] - pair[0]);
        sent.collect::<Vec<_>>()
    };
    let waits = gaps("3");
    assert_eq!(
        waits.iter().max(),
        Some(&3020),
        "not ten seconds: {waits:?}"
    );
    assert_eq!(gaps("20"), [20_020, 20_020, 20_020]);
    // Nobody is polled more often than once a second, whatever the server says; and the past is no wait.
    assert!(gaps("0").iter().all(|gap| *gap == 1020), "{:?}", gaps("0"));
    assert_eq!(gaps("-5"), gaps("tomorrow"));
    // Ten years in each reply: the task is over in a minute, and is seen after five.
    assert_eq!(gaps("315360000"), [300_020]);
}

#[test]
fn the_first_status_does_not_restart_the_schedule_and_a_changed_one_does() {
    let mut world = World::new(&[Work(20_000), Show("reviewing", 20_000), Complete("42")]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    let gaps: Vec<u64> = world
        .status_sent
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    let slower = [1520, 2270, 3395, 5082, 7613];
    assert_eq!(gaps, [&slower[..], &[1020], &slower].concat());
}
