//! Waits for a human: told late, twice, without words, answered at the wrong moment.

use std::time::Duration;

use taskward_core::{Answer, Policy, Seed, Task, TaskId, Timestamp};
use taskward_providers::agent_harness::AgentHarness;
use taskward_sim::harness::DashboardAction;

use crate::world::{Ended, Fault, UserAction, World, data, outcome};
use crate::{REPLAYS, TWO, done, replaying};

fn questions(world: &World) -> Vec<&str> {
    let reported = world
        .reported
        .iter()
        .filter_map(|line| line.strip_prefix("question "));
    reported
        .map(|rest| rest.split(' ').next().unwrap_or_default())
        .collect()
}

/// Rows: H16.
#[test]
fn of_two_waits_that_are_seen_together_the_older_one_gets_no_signal() {
    for replay in REPLAYS {
        for missing in ["", "events_missing = 404\n", "stream_missing = 404\n"] {
            let scenario = format!("{}{missing}{TWO}", replaying(replay));
            // Somebody answered the first wait before this client saw anything of the run.
            let mut first = World::new(&scenario);
            first.judged = false;
            assert!(matches!(first.run("two"), Ended::Left(_)));
            let id = first.saved.last().and_then(|saved| saved.task()).cloned();
            let id = id.expect("a run");
            first
                .server
                .dashboard(id.as_str(), DashboardAction::Approve, first.now)
                .expect("it waits");
            first.now += 60_000;
            first.server.advance(first.now);
            first.reported.clear();
            let mut world = first.approves();
            let now = Timestamp::from_millis(world.now);
            let seed = Seed([6; 32]);
            let task = Task::attach(AgentHarness, id, None, Policy::default(), seed, now);
            let context = format!("{replay} {missing}");
            assert_eq!(
                world.drive(task),
                done(),
                "{context}: {:#?}",
                world.reported
            );
            assert_eq!(
                questions(&world).len(),
                1,
                "{context}: {:#?}",
                world.reported
            );
            let waits = world.stats().waits;
            assert_eq!(waits.len(), 2, "{context}");
            assert_eq!(waits[0].received, 0, "{context}: {waits:?}");
            assert_eq!((waits[1].received, waits[1].applied), (1, 1), "{context}");
        }
    }
}

/// Rows: H15, H16.
#[test]
fn a_wait_that_passed_while_the_stream_was_away_gets_no_signal() {
    for away in (0..3000).step_by(150) {
        let mut world = World::new(TWO)
            .approves()
            .action(900, UserAction::Race(DashboardAction::Approve));
        world.judged = false;
        world.faults = Box::new(move |endpoint, _, number| match (endpoint, number) {
            ("stream", 0) => Fault::Late(away),
            _ => Fault::None,
        });
        assert_eq!(world.run("two"), done(), "{away}: {:#?}", world.reported);
        let waits = world.stats().waits;
        for wait in &waits {
            assert_eq!(wait.applied, 1, "{away}: {waits:?}");
            assert!(wait.received <= 1, "{away}: {waits:?}");
            assert_eq!(wait.refused, 0, "{away}: {waits:?}");
        }
    }
}

/// Rows: H9, H10.
#[test]
fn a_wait_of_which_no_event_tells_is_told_after_several_reads_and_answered() {
    for missing in [
        "wait_event_delay_ms = 3600000\n",
        "events_missing = 404\nstream_missing = 404\n",
    ] {
        let scenario = format!("[agent_harness]\n{missing}");
        let mut world = World::new(&scenario);
        let Ended::Left(id) = world.run("approve-email") else {
            panic!("{missing}: somebody is asked");
        };
        let reads = world.asked("read_run");
        assert!(reads >= 2, "{missing}: {reads}");
        let mut world = World::new(&scenario).answers(0, vec![Answer::Approve]);
        assert_eq!(
            world.run("approve-email"),
            done(),
            "{missing}: {:#?}",
            world.reported
        );
        assert_eq!(questions(&world), [id.as_str()], "{missing}");
        assert_eq!(world.stats().waits[0].applied, 1, "{missing}");
    }
}

/// Rows: H9.
#[test]
fn what_a_wait_says_of_itself_is_told_whatever_shape_it_has() {
    for payload in [
        "",
        "payload = {}",
        "payload = { total = 520, items = [1, [2]], note = \"\" }",
        "payload = { text = \"Order 520 chairs?\" }",
    ] {
        let payload = match payload {
            "" => String::new(),
            some => format!(", {some}"),
        };
        let scenario = format!(
            "[[run]]\nname = \"order\"\nsteps = [\n{{ wait = {{ kind = \"approval\"{payload} }} }},\n{{ succeed = true }},\n]\n"
        );
        let mut world = World::new(&scenario).approves();
        world.judged = false;
        assert_eq!(world.run("order"), done(), "{payload}");
        assert_eq!(
            questions(&world).len(),
            1,
            "{payload}: {:#?}",
            world.reported
        );
    }
}

/// Rows: H11.
#[test]
fn a_refusal_at_the_first_attempt_is_worded_by_what_the_run_shows() {
    // Somebody else was faster: it goes on.
    let mut world =
        World::new("")
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("signal", 0) => Fault::Overtaken,
                _ => Fault::None,
            });
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.count(" Gone"), 1, "{:#?}", world.reported);
    assert_eq!(world.asked("signal"), 1);
    // It waits all the same: refused, in the server's words, and asked once.
    let mut world = World::new("")
        .approves()
        .faults(|endpoint, _, _| match endpoint {
            "signal" => Fault::Status(409),
            _ => Fault::None,
        });
    assert_eq!(world.run("approve-email"), Ended::Left("Refused".into()));
    assert_eq!(
        world.count(" Refused the server answered 409"),
        1,
        "{:#?}",
        world.reported
    );
    assert_eq!((world.asked("signal"), questions(&world).len()), (1, 1));
    // It was cancelled because nobody answered in time.
    let job =
        taskward_providers::agent_harness::Job::goal("g").with_input("signal_timeout_ms", 5_000);
    let mut world = World::new("").answers(4_990, vec![Answer::Approve]);
    let ended = world.run_job(&job, Policy::default());
    assert!(
        ended == outcome("stopped by Unanswered signal_timeout") || ended == done(),
        "{ended:?}"
    );
}

/// Rows: H12.
#[test]
fn a_refusal_after_an_attempt_of_ours_is_no_success_before_the_run_says_so() {
    // The first reply is lost; the run still reads as waiting for a while, so the signal is sent again and refused.
    for (delay, applied) in [(0, 1), (2_000, 1), (60_000, 0)] {
        let scenario = format!(
            "[agent_harness]\nsignal_idempotency = false\nsignal_delay_ms = {delay}\nevents_missing = 404\nstream_missing = 404\n"
        );
        let mut world = World::new(&scenario)
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("signal", 0) => Fault::Lost(0),
                _ => Fault::None,
            });
        let ended = world.run("approve-email");
        // As long as the run is read to wait, nobody knows.
        let expected = match applied {
            1 => done(),
            _ => Ended::Left("Unknown".into()),
        };
        assert_eq!(ended, expected, "lag {delay}: {:#?}", world.reported);
        assert_eq!(
            world.count(" Applied"),
            applied,
            "lag {delay}: {:#?}",
            world.reported
        );
        assert_eq!(world.stats().waits[0].applied, 1, "lag {delay}");
    }
    // It never arrived, and the server refuses the repetition: nobody says that it was delivered.
    let mut world =
        World::new("")
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("signal", 0) => Fault::Reset,
                ("signal", _) => Fault::Status(409),
                _ => Fault::None,
            });
    assert_eq!(world.run("approve-email"), Ended::Left("Unknown".into()));
    assert_eq!(world.count(" Applied"), 0, "{:#?}", world.reported);
}

/// Rows: H14.
#[test]
fn a_question_is_withdrawn_when_its_time_is_over_at_any_moment_of_an_answer() {
    let job =
        taskward_providers::agent_harness::Job::goal("g").with_input("signal_timeout_ms", 20_000);
    let mut ends = std::collections::BTreeSet::new();
    for thought in (18_000..20_100).step_by(70) {
        let mut world = World::new("").answers(thought, vec![Answer::Approve]);
        let Ended::Outcome(end) = world.run_job(&job, Policy::default()) else {
            panic!("{thought}: {:#?}", world.reported);
        };
        let wait = &world.stats().waits[0];
        let expected = match wait.applied {
            1 => "succeeded succeeded",
            _ => "stopped by Unanswered signal_timeout",
        };
        assert_eq!(end, expected, "{thought}: {:#?}", world.reported);
        ends.insert(end);
    }
    assert_eq!(ends.len(), 2, "{ends:?}");
}

/// Rows: H5.
#[test]
fn a_run_that_waits_for_ever_is_left_with_its_question_or_waited_for() {
    let mut world = World::new("");
    assert_eq!(world.run("approve-email"), Ended::Left("13".into()));
    let mut policy = Policy::default();
    policy.human = Some(Duration::from_secs(3600));
    let mut world = World::new("").answers(u64::MAX / 4, vec![Answer::Approve]);
    assert_eq!(world.run_with("approve-email", policy), outcome("deadline"));
    assert_eq!(world.asked("signal"), 0);
}

/// Rows: H8.
#[test]
fn a_reason_and_data_reach_the_run_as_they_were_given() {
    let odd = "a\0b\u{1b}[2J\r\n\u{202e}";
    let reason = Answer::Reject {
        reason: Some(odd.to_owned()),
    };
    let mut world = World::new("").answers(0, vec![reason]);
    assert_eq!(world.run("approve-email"), outcome("failed REJECTED"));
    let text = serde_json::Value::from(odd);
    let input = Answer::Input([("note".to_owned(), text)].into_iter().collect());
    let mut world = World::new("").answers(0, vec![input]);
    assert_eq!(world.run("needs-input"), done());
    assert_eq!(world.stats().waits[0].applied, 1);
    // No words at all are no answer to a wait for data.
    let mut world = World::new("")
        .answers(0, vec![Answer::text("")])
        .action(60_000, UserAction::Dashboard(DashboardAction::Stop));
    assert!(matches!(world.run("needs-input"), Ended::Outcome(_)));
    assert_eq!(world.asked("signal"), 0, "{:#?}", world.reported);
}

/// Rows: H13.
#[test]
fn a_rejection_is_told_delivered_and_the_run_has_failed() {
    for answer in [
        Answer::Reject { reason: None },
        Answer::Reject {
            reason: Some("no".into()),
        },
    ] {
        let mut world = World::new("").answers(0, vec![answer.clone(), answer]);
        assert_eq!(world.run("two-waits"), outcome("failed REJECTED"));
        assert_eq!(world.count(" Applied"), 1, "{:#?}", world.reported);
        assert_eq!(questions(&world).len(), 1, "{:#?}", world.reported);
    }
}

/// Rows: I12.
#[test]
fn a_run_cannot_be_cancelled_and_says_so_before_anything_is_sent() {
    let world = World::new("");
    let now = Timestamp::from_millis(world.now);
    let seed = Seed([6; 32]);
    let id = TaskId::new("run_1");
    let mut task = Task::attach(AgentHarness, id, None, Policy::default(), seed, now);
    let why = task.cancel(now).expect_err("there is no such call");
    assert_eq!(
        why.to_string(),
        "cancelling a task is not possible on agent-harness"
    );
    let error = taskward_core::Error::from(why);
    assert_eq!(error.kind(), taskward_core::ErrorKind::Input);
    assert!(task.send_message("hello".to_owned(), now).is_err());
}

/// Rows: H15.
#[test]
fn data_that_somebody_else_gave_first_is_not_given_twice() {
    for after in (200..3000).step_by(110) {
        let Answer::Input(theirs) = data() else {
            unreachable!("it is data")
        };
        let mut world = World::new("")
            .approves()
            .action(after, UserAction::Race(DashboardAction::Input(theirs)));
        world.judged = false;
        assert_eq!(
            world.run("two-waits"),
            done(),
            "{after}: {:#?}",
            world.reported
        );
        for wait in world.stats().waits {
            assert_eq!(wait.applied, 1, "{after}: {wait:?}");
        }
    }
}
