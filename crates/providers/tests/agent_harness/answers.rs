//! Starts and answers: nothing twice, whatever is lost.

use std::time::Duration;

use taskward_core::{
    Answer, EventKind, EventSeq, IdempotencyKey, Policy, Provider as _, Seed, Task, TaskId,
    Timestamp, sse,
};
use taskward_providers::agent_harness::{AgentHarness, Job};
use taskward_sim::harness::DashboardAction;

use crate::world::{Ended, Fault, UserAction, World, data, outcome};
use crate::{REPLAYS, replaying};

fn done() -> Ended {
    outcome("succeeded succeeded")
}

fn lost(what: &'static str, cut: usize) -> impl FnMut(&str, &str, usize) -> Fault {
    move |endpoint, _, number| {
        if endpoint == what && number == 0 {
            Fault::Lost(cut)
        } else {
            Fault::None
        }
    }
}

/// Rows: G2, G3.
#[test]
fn a_create_whose_reply_is_lost_at_any_byte_makes_one_run() {
    let mut cut = 0;
    loop {
        let mut world = World::new("").approves().faults(lost("create_run", cut));
        assert_eq!(world.run("approve-email"), done(), "cut at {cut}");
        assert_eq!(world.stats().starts, 1, "cut at {cut}");
        if cut >= world.start_reply_len {
            assert_eq!(world.asked("create_run"), 1);
            break;
        }
        assert_eq!(world.asked("create_run"), 2, "cut at {cut}");
        assert_eq!(world.reported[1], "started replayed true", "cut at {cut}");
        cut += 1;
    }
}

/// Rows: H12.
#[test]
fn a_signal_whose_reply_is_lost_at_any_byte_is_one_signal() {
    for idempotency in [true, false] {
        for empty in [true, false] {
            let scenario = format!(
                "[agent_harness]\nsignal_idempotency = {idempotency}\nempty_write_replies = {empty}\n"
            );
            for cut in (0..200).step_by(3) {
                let mut world = World::new(&scenario)
                    .answers(0, vec![Answer::Approve, data()])
                    .faults(lost("signal", cut));
                assert_eq!(
                    world.run("two-waits"),
                    done(),
                    "cut at {cut}: {:#?}",
                    world.reported
                );
                let waits = world.stats().waits;
                assert_eq!(waits.len(), 2);
                for wait in waits {
                    assert_eq!((wait.received, wait.applied), (1, 1), "cut at {cut}");
                }
                assert_eq!(
                    world.count("Applied"),
                    2,
                    "cut at {cut}: {:#?}",
                    world.reported
                );
            }
        }
    }
}

#[test]
fn a_signal_that_never_arrived_is_sent_again_under_the_same_key() {
    for fault in [Fault::Reset, Fault::Status(503), Fault::Refuse] {
        let mut world = World::new("")
            .approves()
            .faults(move |endpoint, _, number| {
                if endpoint == "signal" && number < 2 {
                    fault.clone()
                } else {
                    Fault::None
                }
            });
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        assert_eq!(world.asked("signal"), 3);
        assert_eq!(world.stats().waits[0].received, 1);
    }
}

#[test]
fn a_signal_that_stays_unanswered_is_unknown_in_the_end() {
    let mut world = World::new("").approves().faults(|endpoint, _, _| {
        if endpoint == "signal" {
            Fault::Reset
        } else {
            Fault::None
        }
    });
    assert_eq!(
        world.run("approve-email"),
        Ended::Left("Unknown".into()),
        "{:#?}",
        world.reported
    );
    assert_eq!(world.asked("signal"), 4);
}

/// Rows: H15, H28.
#[test]
fn somebody_elses_answer_withdraws_the_question_and_ours_is_not_sent() {
    let mut world = World::new("")
        .answers(60_000, vec![Answer::Approve])
        .action(20_000, UserAction::Dashboard(DashboardAction::Approve));
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.count("Withdrawn"), 1, "{:#?}", world.reported);
    assert_eq!(world.count("reason: AnsweredElsewhere"), 1);
    assert_eq!(
        (world.count("late: "), world.asked("signal")),
        (0, 0),
        "{:#?}",
        world.reported
    );
}

/// Rows: H11, H15.
#[test]
fn an_answer_that_meets_somebody_elses_is_gone_and_no_error() {
    // The run is answered between our last look and our signal, which the server therefore refuses.
    let mut world =
        World::new("")
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("signal", 0) => Fault::Overtaken,
                _ => Fault::None,
            });
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert_eq!(world.count("answered 13 Gone"), 1, "{:#?}", world.reported);
    assert_eq!(
        world.count("run_not_awaiting_input"),
        1,
        "{:#?}",
        world.reported
    );
    // One that comes too early is refused, and the question stays.
    let mut world = World::new("")
        .approves()
        .faults(|endpoint, _, _| match endpoint {
            "signal" => Fault::Status(409),
            _ => Fault::None,
        });
    assert_eq!(
        world.run("approve-email"),
        Ended::Left("Refused".into()),
        "{:#?}",
        world.reported
    );
}

/// Rows: H13.
#[test]
fn a_rejection_fails_the_run() {
    let reject = Answer::Reject {
        reason: Some("wrong recipients".into()),
    };
    let mut world = World::new("").answers(0, vec![reject]);
    assert_eq!(world.run("approve-email"), outcome("failed REJECTED"));
}

#[test]
fn data_is_answered_with_data_and_an_approval_does_not_fit() {
    let mut world = World::new("").answers(0, vec![data()]);
    assert_eq!(world.run("needs-input"), done());
    let mut world = World::new("")
        .answers(0, vec![Answer::Approve])
        .action(60_000, UserAction::Dashboard(DashboardAction::Stop));
    assert!(matches!(world.run("needs-input"), Ended::Outcome(_)));
    assert_eq!(
        world.count("late: the answer does not fit"),
        1,
        "{:#?}",
        world.reported
    );
    assert_eq!(world.asked("signal"), 0);
}

#[test]
fn a_human_may_take_two_hours_whatever_the_agents_deadline() {
    let mut policy = Policy::default();
    policy.work = Some(Duration::from_secs(30));
    let mut world = World::new("").answers(7_200_000, vec![Answer::Approve]);
    assert_eq!(world.run_with("approve-email", policy.clone()), done());
    // The agent's own clock still runs while it works.
    let mut world = World::new("");
    assert_eq!(world.run_with("stall", policy), outcome("deadline"));
}

/// Rows: H20.
#[test]
fn a_wait_is_known_by_its_run_and_its_place_and_answered_under_the_key_of_the_place() {
    // The id is written out: whoever computes it by the documentation gets the same.
    let data = r#"{"seq":7,"type":"run.awaiting_input","payload":{"redacted":false,"value":{}}}"#;
    let asked = |run: &str, data: &str| {
        let body = format!("id: 7\nevent: run_event\ndata: {data}\n\n");
        let mut bytes = body.as_bytes();
        let mut decoder = sse::Decoder::new();
        let event = decoder.next_event(&mut bytes);
        let event = event.expect("an event").expect("an event");
        let item = AgentHarness.read_event(&TaskId::new(run), &event);
        match item.expect("an item").expect("an item").kind {
            EventKind::Asking(question) => (question.id.to_string(), question.seq),
            other => panic!("{other:?}"),
        }
    };
    let known = asked("r1", data);
    assert_eq!(known, ("q_1a5153b85218f16c".to_owned(), Some(EventSeq(7))));
    assert_ne!(asked("r2", data).0, known.0);
    assert_ne!(asked("r1", &data.replace(":7", ":8")).0, known.0);
    let mut world = World::new("").approves();
    assert_eq!(world.run("approve-email"), done());
    let run = world.stats().waits[0].run.clone();
    let key = IdempotencyKey::of_answer(&run, "13", &Answer::Approve);
    let keys: Vec<&str> = world
        .writes
        .iter()
        .filter(|(endpoint, ..)| endpoint == "signal")
        .map(|(_, key, _)| key.as_str())
        .collect();
    assert_eq!(keys, [key.as_str()]);
}

#[test]
fn a_question_is_told_with_what_led_to_it() {
    let mut world = World::new("");
    let seen = std::rc::Rc::new(std::cell::RefCell::new(None));
    let keep = seen.clone();
    world.answerer = Box::new(move |question| {
        *keep.borrow_mut() = Some(question.clone());
        None
    });
    assert_eq!(world.run("approve-email"), Ended::Left("13".into()));
    let question = seen.borrow().clone().expect("a question");
    assert!(
        question.text.starts_with("Subject: Weekly team update"),
        "{}",
        question.text
    );
    assert_eq!(
        question.payload.expect("a payload")["input_kind"],
        "approval"
    );
    assert_eq!(
        question.messages.last().expect("its own event")["type"],
        "run.awaiting_input"
    );
    // Whoever comes later is asked the same, once.
    let id = TaskId::new(world.stats().per_run.keys().next().expect("a run").as_str());
    for replay in REPLAYS {
        let mut again = World::new(&replaying(replay));
        assert_eq!(again.run("approve-email"), Ended::Left("13".into()));
        let now = Timestamp::from_millis(again.now);
        let task = Task::attach(
            AgentHarness,
            id.clone(),
            None,
            Policy::default(),
            Seed([6; 32]),
            now,
        );
        again.reported.clear();
        let mut again = again.approves();
        assert_eq!(again.drive(task), done(), "{replay}");
        assert_eq!(
            again.count("question 13"),
            1,
            "{replay}: {:#?}",
            again.reported
        );
    }
}

/// Rows: G7.
#[test]
fn a_key_of_the_callers_gives_the_same_run_twice_and_another_job_is_refused() {
    let mut world = World::new("").approves();
    let key = || Some(IdempotencyKey::new("nightly"));
    let start = |world: &World, goal: &str| {
        let now = Timestamp::from_millis(world.now);
        Task::start_keyed(
            AgentHarness,
            &Job::goal(goal),
            key(),
            Policy::default(),
            Seed([9; 32]),
            now,
        )
        .expect("a task")
    };
    let task = start(&world, "g");
    assert_eq!(world.drive(task), done());
    let log = std::mem::take(&mut world.log);
    let task = start(&world, "g");
    assert_eq!(world.drive(task), done());
    assert_eq!(world.count("replayed true"), 1);
    assert_eq!(world.log, log, "the whole run is told again");
    let task = start(&world, "another");
    assert_eq!(world.drive(task), outcome("refused"));
    assert_eq!(world.stats().starts, 1);
}

/// Rows: G7.
#[test]
fn a_conflict_after_an_attempt_of_our_own_is_waited_out() {
    let scenario = |ms: u64| format!("[agent_harness]\ncreate_in_progress_ms = {ms}\n");
    let mut world = World::new(&scenario(3000))
        .approves()
        .faults(lost("create_run", 0));
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert_eq!(world.stats().starts, 1);
    let mut world = World::new(&scenario(600_000))
        .approves()
        .faults(lost("create_run", 0));
    assert_eq!(world.run("approve-email"), outcome("outcome_unknown"));
    assert_eq!((world.asked("create_run"), world.stats().starts), (4, 1));
}

#[test]
fn a_run_resumed_at_any_step_reaches_the_same_end() {
    for (replay, extra) in [
        ("from_start", ""),
        ("last_event_id", "signal_idempotency = false"),
        ("live_only", "end_delay_ms = 4000"),
    ] {
        let scenario = format!("{}{extra}\n", replaying(replay));
        let make = || World::new(&scenario).answers(500, vec![Answer::Approve, data()]);
        let mut whole = make();
        assert_eq!(whole.run("two-waits"), done());
        let steps = whole.steps;
        for kill in 1..=steps {
            let mut world = make();
            world.kill_after = Some(kill);
            if world.run("two-waits") != Ended::Killed {
                continue;
            }
            world.kill_after = None;
            world.judged = false;
            let Some(saved) = world.saved.last().cloned() else {
                continue;
            };
            world.now += 5_000;
            let mut world = world.approves();
            let now = Timestamp::from_millis(world.now);
            let task = Task::resume(AgentHarness, saved, now).expect("resume");
            assert_eq!(
                world.drive(task),
                done(),
                "{replay}, killed at step {kill}: {:#?}",
                world.reported
            );
            let stats = world.stats();
            assert_eq!(stats.starts, 1, "{replay}, killed at step {kill}");
            for wait in stats.waits {
                assert_eq!(
                    (wait.applied, wait.refused),
                    (1, 0),
                    "{replay}, killed at step {kill}"
                );
            }
            let mut log = world.log.clone();
            log.dedup();
            let mut sorted: Vec<u64> = log
                .iter()
                .map(|line| {
                    line.split(' ')
                        .next()
                        .and_then(|seq| seq.parse().ok())
                        .expect("seq")
                })
                .collect();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(
                sorted.len(),
                whole.log.len(),
                "{replay}, killed at step {kill}: an event is missing"
            );
        }
    }
}

/// Rows: H12.
#[test]
fn an_answer_that_was_lost_is_not_taken_for_somebody_elses() {
    let reject = || Answer::Reject { reason: None };
    let rejected = || DashboardAction::Reject("no".to_owned());
    for missing in [
        "",
        "[agent_harness]\nevents_missing = 404\n",
        "[agent_harness]\nevents_missing = 404\nstream_missing = 404\n",
    ] {
        for (answer, action, how) in [
            (reject(), DashboardAction::Approve, "Gone"),
            (Answer::Approve, rejected(), "Gone"),
            (reject(), rejected(), "Applied"),
            (Answer::Approve, DashboardAction::Approve, "Applied"),
        ] {
            let mut world = World::new(missing).answers(0, vec![answer.clone()]).faults(
                move |endpoint, _, number| match (endpoint, number) {
                    ("signal", 0) => Fault::Preempted(action.clone()),
                    _ => Fault::None,
                },
            );
            let ended = world.run("approve-email");
            // With nothing but the run's status, what followed an approval cannot be told from a later failure.
            let blind = missing.contains("stream") && how == "Gone" && answer == Answer::Approve;
            let how = if blind { "Unknown" } else { how };
            assert_eq!(
                world.count(how),
                1,
                "{missing} {answer:?} {ended:?}: {:#?}",
                world.reported
            );
            assert_eq!(world.asked("signal"), 1);
        }
    }
}
