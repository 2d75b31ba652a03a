//! What once went wrong, each in its smallest scenario.

use crate::replaying;
use crate::world::{Ended, Fault, Rewrite, START, UserAction, World, outcome};
use std::time::Duration;
use taskward_core::{Answer, EventSeq, Policy, Response, Seed, Task, TaskId, Timestamp};
use taskward_providers::agent_harness::{AgentHarness, Job};
use taskward_sim::harness::DashboardAction;

fn done() -> Ended {
    outcome("succeeded succeeded")
}

const TWO: &str = r#"
[[run]]
name = "two"
steps = [
  { delta = "a" }, { delta = "b" },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { run = "1s" },
  { delta = "c" }, { delta = "d" }, { delta = "e" }, { delta = "f" }, { delta = "g" },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { run = "1s" },
  { delta = "h" },
  { succeed = true },
]
"#;

#[test]
fn a_list_that_refuses_its_own_cursor_ends() {
    let mut world =
        World::new("[agent_harness]\nstream_missing = 404\nevent_page_size = 3\n").approves();
    world.judged = false;
    // every request with a cursor is refused
    world.rewrite = Some(Box::new({
        move |endpoint, number, reply| {
            if endpoint == "events" && number % 2 == 1 {
                Response::new(
                    http::StatusCode::BAD_REQUEST,
                    r#"{"error":"unknown parameter cursor"}"#,
                )
            } else {
                reply
            }
        }
    }));
    assert_eq!(world.run("approve-email"), done());
    assert!(world.asked("events") < 200, "{}", world.asked("events"));
}

/// Answers the first question after `wait`; the dashboard answers the later ones.
fn first_only(scenario: &str, wait: u64) -> World {
    let mut world =
        World::new(scenario).action(900_000, UserAction::Dashboard(DashboardAction::Approve));
    let mut first = Some(wait);
    world.answerer = Box::new(move |_| Some((first.take().unwrap_or(10_000_000), Answer::Approve)));
    world
}

#[test]
fn a_signal_put_off_is_checked_again() {
    for fault in [Fault::Hint(429, "30"), Fault::Refuse] {
        let mut world = first_only(TWO, 0)
            .action(3000, UserAction::Dashboard(DashboardAction::Approve))
            .faults(move |endpoint, _, number| match endpoint {
                "signal" if number < 5 => fault.clone(),
                _ => Fault::None,
            });
        assert!(matches!(world.run("two"), Ended::Outcome(_)));
        let stats = world.stats();
        assert_eq!(
            stats.waits[1].received, 0,
            "the second wait got an answer written for the first"
        );
    }
}

#[test]
fn without_a_list_the_stream_tells_that_another_question_is_asked() {
    let mut world = first_only(
        &format!("[agent_harness]\nevents_missing = 405\nreplay = \"live_only\"\n{TWO}"),
        0,
    )
    .action(3000, UserAction::Dashboard(DashboardAction::Approve))
    .faults(move |endpoint, _, number| match (endpoint, number) {
        ("read_run", 1..=4) => Fault::Hint(503, "3"),
        _ => Fault::None,
    });
    assert!(matches!(world.run("two"), Ended::Outcome(_)));
    let stats = world.stats();
    assert_eq!(stats.waits[1].received, 0);
}

#[test]
fn a_check_is_not_concluded_by_a_list_that_cannot_be_read() {
    let mut world = first_only(
        &format!("[agent_harness]\nstream_ends_at_wait = true\n{TWO}"),
        2000,
    )
    .action(3200, UserAction::Dashboard(DashboardAction::Approve))
    .faults(move |endpoint, _, number| match (endpoint, number) {
        ("stream", n) if n > 0 => Fault::Status(503),
        ("events", n) if n > 1 && n < 40 => Fault::Status(503),
        _ => Fault::None,
    });
    assert!(matches!(world.run("two"), Ended::Outcome(_)));
    let stats = world.stats();
    assert_eq!(stats.waits[1].received, 0);
}

#[test]
fn an_end_is_not_unconfirmed_because_the_application_was_busy() {
    let mut world = World::new("").approves();
    world.busy = 31_000;
    let ended = world.run("approve-email");
    assert_eq!(ended, done());
    assert_eq!(world.count("Unconfirmed"), 0);
}

#[test]
fn a_read_success_is_not_made_unconfirmed_by_a_failing_list() {
    // polling; the page behind the last event fails
    let mut world = World::new("[agent_harness]\nstream_missing = 404\n").approves();
    let mut end = false;
    world.judged = false;
    world.rewrite = Some(Box::new(move |endpoint, _, reply| {
        if endpoint != "events" {
            return reply;
        }
        if end {
            return Response::new(http::StatusCode::SERVICE_UNAVAILABLE, "{}");
        }
        end = String::from_utf8_lossy(&reply.body).contains("run.worker.succeeded");
        reply
    }));
    let ended = world.run("approve-email");
    assert_eq!(ended, done());
}

/// Returns a short run without a stream, whose list puts everybody off.
fn over_soon_and_never_listed() -> (World, Job) {
    let world =
        World::new("[agent_harness]\nstream_missing = 404\n").faults(
            |endpoint, _, _| match endpoint {
                "events" => Fault::Hint(429, "300"),
                _ => Fault::None,
            },
        );
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 10)
        .with_input("interval_ms", 10);
    (world, job)
}

#[test]
fn a_success_that_was_read_is_told_at_the_deadline() {
    let mut policy = Policy::default();
    policy.work = Some(Duration::from_secs(60));
    let (mut world, job) = over_soon_and_never_listed();
    let ended = world.run_job(&job, policy);
    assert_eq!(ended, done());
}

#[test]
fn a_success_that_was_read_is_told_soon() {
    let (mut world, job) = over_soon_and_never_listed();
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert!(world.now - START < 300_000, "{}", world.now - START);
}

#[test]
fn a_second_wait_without_an_event_is_told() {
    let mut world = World::new(TWO).approves();
    fn garble(text: String) -> String {
        // every awaiting event but the first is of an unknown name
        let mut out = String::new();
        for part in text.split_inclusive('\n') {
            if part.contains("run.awaiting_input")
                && !part.contains("\"seq\":5")
                && !part.contains("\"seq\": 5")
            {
                out.push_str(&part.replace("run.awaiting_input", "run.input_wanted"));
            } else {
                out.push_str(part);
            }
        }
        out
    }
    world.mangle = |frame| Some(garble(frame));
    world.judged = false;
    world.rewrite = Some(Box::new(move |endpoint, _, reply| {
        if endpoint != "events" {
            return reply;
        }
        let text = String::from_utf8(reply.body.to_vec())
            .expect("there is one")
            .replace("},{\"", "},\n{\"");
        Response {
            head: reply.head,
            body: garble(text).into_bytes().into(),
        }
    }));
    let job = Job::goal("g")
        .with_input("scenario", "two")
        .with_input("signal_timeout_ms", 90 * 3_600_000u64);
    world.actions.push((
        START + 20 * 3_600_000,
        UserAction::Dashboard(DashboardAction::Approve),
    ));
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert_eq!(world.count("question"), 2);
}

#[test]
fn a_stale_read_in_the_check_does_not_silence_the_question_for_ever() {
    let mut world = World::new("").approves();
    world.judged = false;
    let mut stale = false;
    world.rewrite = Some(Box::new(move |endpoint, number, reply| {
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        if endpoint == "read_run" && number >= 1 && text.contains("awaiting_input") && !stale {
            stale = true;
            return Response {
                head: reply.head,
                body: text
                    .replace("awaiting_input", "running")
                    .into_bytes()
                    .into(),
            };
        }
        reply
    }));
    let job = Job::goal("g").with_input("signal_timeout_ms", 90 * 3_600_000u64);
    world.actions.push((
        START + 20 * 3_600_000,
        UserAction::Dashboard(DashboardAction::Approve),
    ));
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert!(world.now - START < 3_600_000);
}

#[test]
fn a_refused_answer_is_not_told_applied() {
    let mut overtaken = false;
    let mut world = World::new("")
        .approves()
        .faults(move |endpoint, _, number| {
            if endpoint == "signal" && number == 0 {
                overtaken = true;
                return Fault::Overtaken;
            }
            if endpoint == "read_run" && overtaken {
                overtaken = false;
                return Fault::Hint(503, "20");
            }
            Fault::None
        });
    assert!(matches!(world.run("approve-email"), Ended::Outcome(_)));
    assert_eq!(world.count("Applied"), 0);
}

#[test]
fn a_slow_reader_is_told_no_question_that_is_history() {
    for busy in [1100, 1500] {
        let mut world = World::new(TWO)
            .action(1000, UserAction::Dashboard(DashboardAction::Approve))
            .action(600_000, UserAction::Dashboard(DashboardAction::Approve));
        world.answerer = Box::new(|_| Some((10_000_000, Answer::Approve)));
        world.chunk = 64;
        world.busy = busy;
        assert!(matches!(world.run("two"), Ended::Outcome(_)));
        assert_eq!(world.count("question 5 "), 0, "{busy}");
    }
}

#[test]
fn a_snapshot_of_any_moment_loses_no_event() {
    for (replay, extra) in [
        ("from_start", ""),
        ("last_event_id", ""),
        ("live_only", ""),
        ("from_start", "stream_missing = 404"),
        ("live_only", "end_delay_ms = 4000"),
    ] {
        let scenario = format!("{}{extra}\n{TWO}", replaying(replay));
        let make = || {
            let mut w = World::new(&scenario).answers(500, vec![Answer::Approve, Answer::Approve]);
            w.keeps_last = true;
            w
        };
        let mut whole = make();
        assert_eq!(whole.run("two"), done());
        let mut bad = Vec::new();
        for kill in 1..=whole.steps {
            let mut world = make();
            world.kill_after = Some(kill);
            if world.run("two") != Ended::Killed {
                continue;
            }
            world.kill_after = None;
            world.judged = false;
            let saved = world.saved.last().cloned().expect("there is one");
            let over = world
                .reported
                .iter()
                .any(|l| l.starts_with("status succeeded"));
            world.now += 5_000;
            let mut world = world.approves();
            world.forget();
            let now = Timestamp::from_millis(world.now);
            let task = Task::resume(AgentHarness, saved, now).expect("resume");
            let ended = world.drive(task);
            if ended != done() {
                bad.push((kill, format!("{ended:?}")));
            }
            let mut seqs: Vec<u64> = world
                .log
                .iter()
                .map(|l| {
                    l.split(' ')
                        .next()
                        .expect("there is one")
                        .parse()
                        .expect("there is one")
                })
                .collect();
            seqs.sort_unstable();
            seqs.dedup();
            if seqs.len() != whole.log.len() {
                bad.push((
                    kill,
                    format!("{} of {} over {over}", seqs.len(), whole.log.len()),
                ));
            }
            for wait in world.stats().waits {
                if (wait.applied, wait.received - wait.replayed) != (1, 1) {
                    bad.push((kill, format!("{wait:?}")));
                }
            }
        }
        assert!(bad.is_empty(), "{replay} {extra}: {bad:?}");
    }
}

#[test]
fn a_resumed_answer_goes_to_its_own_question() {
    let scenario = r#"
[[run]]
name = "two"
steps = [
  { delta = "a" }, { delta = "b" }, { delta = "b" }, { delta = "b" }, { delta = "b" }, { delta = "b" },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { run = "1s" },
  { delta = "c" }, { delta = "d" }, { delta = "e" }, { delta = "f" }, { delta = "g" },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { run = "1s" },
  { succeed = true },
]
"#;
    for kill in 1..400 {
        let make = || {
            let mut first = true;
            let mut world =
                World::new(scenario).faults(move |endpoint, _, number| match (endpoint, number) {
                    ("read_run", 1) => Fault::Hint(503, "120"),
                    _ => Fault::None,
                });
            world.answerer = Box::new(move |_| {
                if std::mem::take(&mut first) {
                    Some((0, Answer::Approve))
                } else {
                    Some((100_000_000, Answer::Approve))
                }
            });
            world.actions.push((
                START + 4000,
                UserAction::Dashboard(DashboardAction::Approve),
            ));
            world.actions.push((
                START + 500_000,
                UserAction::Dashboard(DashboardAction::Approve),
            ));
            world.keeps_last = true;
            world
        };
        let mut world = make();
        world.kill_after = Some(kill);
        if world.run("two") != Ended::Killed {
            return;
        }
        world.kill_after = None;
        world.judged = false;
        world.forget();
        world.answerer = Box::new(|_| Some((100_000_000, Answer::Approve)));
        let saved = world.saved.last().cloned().expect("there is one");
        let now = Timestamp::from_millis(world.now);
        let task = Task::resume(AgentHarness, saved, now).expect("resume");
        let ended = world.drive(task);
        assert!(matches!(ended, Ended::Outcome(_)), "{ended:?}");
        let second = world.stats().waits.get(1).map_or(0, |wait| wait.received);
        assert_eq!(second, 0, "killed at step {kill}: {:#?}", world.reported);
    }
}

fn pages(edit: impl Fn(&mut serde_json::Value) + 'static) -> Rewrite {
    Box::new(move |endpoint, _, reply| {
        if endpoint != "events" {
            return reply;
        }
        let mut value: serde_json::Value =
            serde_json::from_slice(&reply.body).expect("there is one");
        edit(&mut value);
        Response {
            head: reply.head,
            body: value.to_string().into_bytes().into(),
        }
    })
}

#[test]
fn one_bad_event_in_a_page_is_skipped() {
    let mut world = World::new("[agent_harness]\nstream_missing = 404\n").approves();
    world.judged = false;
    world.rewrite = Some(pages(|page| {
        for event in page["events"].as_array_mut().expect("there is one") {
            if event["seq"] == 4 {
                event["seq"] = serde_json::json!("x");
            }
        }
    }));
    let ended = world.run("approve-email");
    assert_eq!(ended, done());
    assert!(world.log.len() > 10);
}

#[test]
fn a_busy_application_is_no_silence_of_the_stream() {
    let mut world = World::new("").approves();
    world.busy = 301_000;
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 10)
        .with_input("interval_ms", 1000);
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert_eq!(world.count("nothing came for"), 0);
}

#[test]
fn an_identified_question_is_known_by_its_name_after_a_resume() {
    let scenario = "[agent_harness]\nwait_event_delay_ms = 1800000\n";
    let mut killed = 0;
    for kill in (1..500).rev() {
        let mut world = World::new(scenario).answers(1_800_000, vec![Answer::Approve]);
        world.keeps_last = true;
        world.kill_after = Some(kill);
        if world.run("approve-email") != Ended::Killed {
            continue;
        }
        if !world
            .reported
            .last()
            .is_some_and(|last| last.starts_with("Identified"))
        {
            continue;
        }
        let now = Timestamp::from_millis(world.now);
        let saved =
            serde_json::to_string(world.saved.last().expect("there is one")).expect("there is one");
        if !saved.contains("\"state\":\"open\"") {
            continue;
        }
        let mut task = Task::resume(
            AgentHarness,
            world.saved.last().cloned().expect("there is one"),
            now,
        )
        .expect("resume");
        let mut open = task.questions();
        let asked = open.find(|open| open.seq == Some(EventSeq(13)));
        let asked = asked.expect("it is open").id.clone();
        drop(open);
        assert_eq!(
            task.answer(&asked, Answer::Approve, now),
            Ok(()),
            "kill {kill}"
        );
        killed += 1;
    }
    assert!(killed > 0);
}

#[test]
fn a_list_that_is_missing_once_is_asked_again() {
    let mut world = World::new("[agent_harness]\nstream_missing = 404\n").approves();
    world.judged = false;
    world.rewrite = Some(Box::new(|endpoint, number, reply| {
        if endpoint == "events" && number == 0 {
            Response::new(http::StatusCode::BAD_REQUEST, "{}")
        } else {
            reply
        }
    }));
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 3600)
        .with_input("interval_ms", 1000);
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert!(world.log.len() > 3000, "{}", world.log.len());
}

#[test]
fn the_wait_after_an_answered_stand_in_is_told() {
    let scenario = r#"
[[run]]
name = "two"
steps = [
  { delta = "a" },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
  { run = "1s" },
  { succeed = true },
]
"#;
    let mut world = World::new(scenario).approves();
    fn garble(text: String) -> String {
        text.split_inclusive('\n')
            .map(|line| {
                if line.contains("run.awaiting_input") && line.contains("\"seq\":4") {
                    line.replace("\"seq\":4", "\"sequel\":4")
                } else {
                    line.to_owned()
                }
            })
            .collect::<String>()
    }
    world.mangle = |frame| Some(garble(frame));
    world.judged = false;
    world.rewrite = Some(Box::new(move |endpoint, _, reply| {
        if endpoint != "events" {
            return reply;
        }
        let text = String::from_utf8(reply.body.to_vec())
            .expect("there is one")
            .replace("},{\"", "},\n{\"");
        Response {
            head: reply.head,
            body: garble(text).into_bytes().into(),
        }
    }));
    world.actions.push((
        START + 80_000_000,
        UserAction::Dashboard(DashboardAction::Approve),
    ));
    let ended = world.run("two");
    assert_eq!(ended, done());
    assert!(world.now < START + 4_000_000);
}

#[test]
fn whoever_attaches_after_the_wait_is_asked_it_and_the_next() {
    let mut world = World::new(crate::TWO);
    assert_eq!(world.run("two"), Ended::Left("4".into()));
    let run = world
        .stats()
        .per_run
        .keys()
        .next()
        .expect("there is one")
        .to_string();
    world.reported.clear();
    let mut world = world.approves();
    let now = Timestamp::from_millis(world.now);
    let task = Task::attach(
        AgentHarness,
        TaskId::new(run),
        Some(EventSeq(4)),
        Policy::default(),
        Seed([6; 32]),
        now,
    );
    let ended = world.drive(task);
    assert_eq!(ended, done());
}

/// A run that tells an event in every round trip: the list is read for as long as it goes on.
#[test]
fn a_list_that_grows_while_it_is_read_is_not_read_for_ever() {
    let mut world = World::new("[agent_harness]\nreplay = \"live_only\"\n");
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 12_000)
        .with_input("interval_ms", 10);
    assert!(matches!(
        world.run_job(&job, Policy::default()),
        Ended::Outcome(_)
    ));
    assert!(world.asked("events") < 50, "{}", world.asked("events"));
}
