//! Sweeps: the same run with a disturbance at every moment, in every request, of every kind. Each step is asked for
//! twice, and reports of exchanges that nobody made come in between.

use std::time::Duration;

use taskward_core::{Answer, EventSeq, Policy, Response, Seed, Task, TaskId, Timestamp};
use taskward_providers::agent_harness::{AgentHarness, Job};
use taskward_sim::harness::DashboardAction;

use crate::world::{Ended, Fault, START, UserAction, World, outcome};
use crate::{REPLAYS, TWO, done, replaying};

fn world(scenario: &str) -> World {
    let mut world = World::new(scenario);
    world.strict = true;
    world.judged = false;
    world
}

/// Returns the event log of an undisturbed run.
fn whole(scenario: &str, run: &str) -> Vec<String> {
    let mut world = world(scenario).approves();
    assert_eq!(world.run(run), done());
    world.log
}

/// No question is told twice unless it was withdrawn in between.
fn asked_once(world: &World) {
    let mut open: Vec<&str> = Vec::new();
    for line in &world.reported {
        if let Some(question) = line.strip_prefix("question ") {
            let id = question.split(' ').next().unwrap_or_default();
            assert!(!open.contains(&id), "{id} twice: {:#?}", world.reported);
            open.push(id);
        } else if line.starts_with("Withdrawn") {
            open.clear();
        }
    }
}

/// Rows: H15.
#[test]
fn somebody_else_may_answer_at_any_moment() {
    for replay in REPLAYS {
        let scenario = format!("{}{TWO}", replaying(replay));
        let log = whole(&scenario, "two");
        for after in (0..3_400).step_by(41) {
            let mut world = world(&scenario)
                .answers(100, vec![Answer::Approve; 2])
                .action(after, UserAction::Race(DashboardAction::Approve));
            assert_eq!(world.run("two"), done(), "{after}: {:#?}", world.reported);
            assert_eq!(world.log, log, "{after}");
            asked_once(&world);
            for wait in world.stats().waits {
                assert_eq!(wait.applied, 1, "{after}: {:#?}", world.reported);
                assert!(wait.received <= 1, "{after}: {:#?}", world.reported);
            }
        }
    }
}

#[test]
fn an_answer_goes_to_no_later_question_whenever_somebody_else_answers_the_first() {
    for after in (600..3_000).step_by(19) {
        let mut first = true;
        let mut world = world(TWO)
            .action(after, UserAction::Race(DashboardAction::Approve))
            .action(60_000, UserAction::Race(DashboardAction::Approve))
            .action(90_000, UserAction::Race(DashboardAction::Approve));
        world.answerer = Box::new(move |_| {
            let wait = if std::mem::take(&mut first) {
                0
            } else {
                10_000_000
            };
            Some((wait, Answer::Approve))
        });
        assert_eq!(world.run("two"), done(), "{after}: {:#?}", world.reported);
        let waits = world.stats().waits;
        let ours = world
            .reported
            .iter()
            .filter(|line| line.starts_with("question 4 "))
            .count();
        assert!(
            waits[1].received == 0 || ours == 0,
            "{after}: {:#?}",
            world.reported
        );
        asked_once(&world);
    }
}

#[test]
fn a_run_may_be_stopped_at_any_moment() {
    for after in (0..3_000).step_by(53) {
        let mut world = world(TWO)
            .approves()
            .action(after, UserAction::Race(DashboardAction::Stop));
        let ended = world.run("two");
        let stopped = outcome("stopped by Other cancelled_in_dashboard");
        assert!(ended == stopped || ended == done(), "{after}: {ended:?}");
        assert!(
            world
                .log
                .last()
                .is_some_and(|last| last.ends_with("run.cancelled") || last.ends_with("succeeded")),
            "{after}: {:?}",
            world.log
        );
        asked_once(&world);
    }
}

/// Rows: J3.
#[test]
fn a_deadline_may_pass_at_any_moment_and_is_kept() {
    for work in (0..2_500).step_by(37) {
        let mut policy = Policy::default();
        policy.work = Some(Duration::from_millis(work));
        let mut world = world(TWO).approves();
        let ended = world.run_with("two", policy);
        let late = world.now.saturating_sub(START + work);
        match ended {
            // What is under way when it passes is heard out: here that takes two trips and a millisecond.
            Ended::Outcome(text) if text == "deadline" || text == "outcome_unknown" => {
                assert!(late <= 21, "{work}: {late} ms late");
            }
            ended => assert_eq!(ended, done(), "{work}"),
        }
    }
}

/// Rows: H5.
#[test]
fn only_the_humans_clock_runs_while_a_question_is_open() {
    for replay in REPLAYS {
        for cut in [usize::MAX, 700] {
            let mut policy = Policy::default();
            policy.work = Some(Duration::from_secs(10));
            policy.human = Some(Duration::from_secs(7_200));
            let mut world = world(&format!("{}{TWO}", replaying(replay)))
                .answers(10_000_000, vec![Answer::Approve])
                .faults(move |endpoint, _, _| match endpoint {
                    "stream" => Fault::Cut(cut),
                    _ => Fault::None,
                });
            assert_eq!(world.run_with("two", policy), outcome("deadline"));
            let took = world.now - START;
            assert!((7_200_000..7_211_000).contains(&took), "{took}");
            assert_eq!(world.count("question 4"), 1, "{:#?}", world.reported);
        }
    }
}

#[test]
fn a_key_may_be_revoked_at_any_moment() {
    for after in (0..3_000).step_by(47) {
        let mut world = world(TWO).approves().action(after, UserAction::RevokeKey);
        let ended = world.run("two");
        assert!(
            ended == outcome("access_lost")
                || ended == done()
                || ended == outcome("succeeded unconfirmed ?"),
            "{after}: {ended:?} {:#?}",
            world.reported
        );
        assert!(world.now < START + 700_000, "{after}: noticed too late");
    }
}

#[test]
fn a_single_fault_anywhere_changes_neither_log_nor_outcome() {
    let faults = [
        Fault::Refuse,
        Fault::Reset,
        Fault::Abandoned,
        Fault::Html,
        Fault::Redirect,
        Fault::Status(204),
        Fault::Status(500),
        Fault::Status(599),
        Fault::Hint(429, "7"),
        Fault::Hint(503, "99999999"),
        Fault::Hint(429, "rubbish"),
        Fault::Late(20_000),
    ];
    for replay in REPLAYS {
        let scenario = format!("{}{TWO}", replaying(replay));
        let log = whole(&scenario, "two");
        for fault in &faults {
            for endpoint in ["create_run", "stream", "read_run", "events", "signal"] {
                let start = endpoint == "create_run";
                // A start is refused by a redirect, and a signal is taken to be accepted by an empty reply.
                if start && *fault == Fault::Redirect
                    || endpoint == "signal" && matches!(fault, Fault::Redirect | Fault::Status(204))
                {
                    continue;
                }
                for number in 0..if start { 1 } else { 4 } {
                    let fault = fault.clone();
                    let name = format!("{replay}, {endpoint} {number}, {fault:?}");
                    let mut world =
                        world(&scenario)
                            .approves()
                            .faults(move |at, _, n| match (at, n) {
                                (at, n) if at == endpoint && n == number => fault.clone(),
                                _ => Fault::None,
                            });
                    assert_eq!(world.run("two"), done(), "{name}: {:#?}", world.reported);
                    assert_eq!(world.log, log, "{name}: {:#?}", world.reported);
                    asked_once(&world);
                    let stats = world.stats();
                    assert_eq!(stats.starts, 1, "{name}");
                    for wait in stats.waits {
                        assert_eq!(
                            (wait.received - wait.replayed, wait.applied),
                            (1, 1),
                            "{name}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_stream_that_is_there_every_other_time_and_a_list_likewise_lose_nothing() {
    for replay in REPLAYS {
        let scenario = format!("{}{TWO}", replaying(replay));
        let log = whole(&scenario, "two");
        for (stream, list) in [(404, 503), (503, 500), (200, 503), (405, 502)] {
            for phase in 0..2 {
                let mut world = world(&scenario)
                    .approves()
                    .faults(move |endpoint, _, number| {
                        let bad = number % 2 == phase;
                        match endpoint {
                            "stream" if bad && stream == 200 => Fault::Html,
                            "stream" if bad => Fault::Status(stream),
                            "stream" => Fault::Cut(400 * (number + 1)),
                            "events" if bad => Fault::Status(list),
                            _ => Fault::None,
                        }
                    });
                let name = format!("{replay} {stream} {list} {phase}");
                assert_eq!(world.run("two"), done(), "{name}: {:#?}", world.reported);
                assert_eq!(world.log, log, "{name}: {:#?}", world.reported);
                asked_once(&world);
            }
        }
    }
}

/// Rows: E10.
#[test]
fn the_wait_that_a_stream_asks_for_is_kept_within_its_bounds() {
    for (field, least, most) in [
        ("retry_ms = 0", 500, 1_100),
        ("retry_ms = 5000", 5_000, 5_600),
        ("retry_ms = 9223372036854775807", 60_000, 61_000),
    ] {
        let mut world =
            world(&format!("[agent_harness]\n{field}\n")).faults(|endpoint, _, number| {
                match (endpoint, number) {
                    ("stream", 0) => Fault::Cut(600),
                    _ => Fault::None,
                }
            });
        let job = Job::goal("g")
            .with_input("scenario", "long-stream")
            .with_input("events", 100)
            .with_input("interval_ms", 1000);
        assert_eq!(world.run_job(&job, Policy::default()), done());
        let opened: Vec<u64> = world
            .requests
            .iter()
            .zip(&world.times)
            .filter(|(request, _)| request.starts_with("stream"))
            .map(|(_, at)| *at)
            .collect();
        assert_eq!(opened.len(), 2, "{field}: {:#?}", world.reported);
        let wait = opened[1] - opened[0];
        assert!((least..=most).contains(&wait), "{field}: {wait}");
    }
}

/// Returns the events of a page or a frame with other numbers.
fn renumber(text: &str, by: impl Fn(u64) -> u64) -> String {
    text.split_inclusive("\"seq\":")
        .enumerate()
        .map(|(place, part)| {
            if place == 0 {
                return part.to_owned();
            }
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            format!("{}{rest}", by(number.parse().expect("a number")))
        })
        .collect()
}

#[test]
fn events_may_be_numbered_from_nought_or_from_far_up() {
    let log = whole(TWO, "two");
    type Shift = fn(u64) -> u64;
    type Mangle = fn(String) -> Option<String>;
    let shifts: [(Shift, Mangle); 3] = [
        (|seq| seq - 1, |frame| Some(renumber(&frame, |seq| seq - 1))),
        (
            |seq| seq + (1 << 63),
            |frame| Some(renumber(&frame, |seq| seq + (1 << 63))),
        ),
        (
            |seq| u64::MAX - 100 + seq,
            |frame| Some(renumber(&frame, |seq| u64::MAX - 100 + seq)),
        ),
    ];
    for (shift, mangle) in shifts {
        for cut in [usize::MAX, 0, 500] {
            for missing in ["", "stream_missing = 405\n"] {
                let mut world = world(&format!("[agent_harness]\n{missing}{TWO}"))
                    .approves()
                    .faults(move |endpoint, _, number| match (endpoint, number) {
                        ("stream", 0) => Fault::Cut(cut),
                        _ => Fault::None,
                    });
                world.mangle = mangle;
                world.rewrite = Some(Box::new(move |endpoint, _, reply| {
                    if endpoint != "events" {
                        return reply;
                    }
                    let text = String::from_utf8(reply.body.to_vec()).expect("text");
                    Response {
                        head: reply.head,
                        body: renumber(&text, shift).into_bytes().into(),
                    }
                }));
                assert_eq!(world.run("two"), done(), "{cut}: {:#?}", world.reported);
                let expected: Vec<String> = log
                    .iter()
                    .map(|line| {
                        let (seq, name) = line.split_once(' ').expect("a number and a name");
                        format!("{} {name}", shift(seq.parse().expect("a number")))
                    })
                    .collect();
                assert_eq!(world.log, expected, "{cut}");
                assert_eq!(world.count("question"), 2, "{:#?}", world.reported);
            }
        }
    }
}

#[test]
fn a_run_may_be_attached_to_after_any_event_before_its_wait() {
    let log = whole(TWO, "two");
    for replay in REPLAYS {
        for after in 0..4 {
            let mut world = world(&format!("{}{TWO}", replaying(replay)));
            assert_eq!(world.run("two"), Ended::Left("4".into()));
            let run = world.stats().per_run.keys().next().expect("a run").clone();
            world.log.clear();
            world.reported.clear();
            let mut world = world.approves();
            let task = Task::attach(
                AgentHarness,
                TaskId::new(run.as_str()),
                Some(EventSeq(after)),
                Policy::default(),
                Seed([6; 32]),
                Timestamp::from_millis(world.now),
            );
            assert_eq!(
                world.drive(task),
                done(),
                "{replay}, {after}: {:#?}",
                world.reported
            );
            let skipped = usize::try_from(after).expect("small");
            assert_eq!(world.log, log[skipped..], "{replay}, {after}");
            for wait in world.stats().waits {
                assert_eq!((wait.received, wait.applied), (1, 1), "{replay}, {after}");
            }
        }
    }
}

#[test]
fn whatever_is_lost_and_however_often_the_process_dies_each_wait_is_answered_once() {
    for seed in 0..60_u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let replay = REPLAYS[usize::try_from(seed % 3).expect("small")];
        let scenario = format!(
            "{}signal_delay_ms = {}\nend_delay_ms = {}\nevent_page_size = {}\n{TWO}",
            replaying(replay),
            rng.u64(..2000),
            rng.u64(..8000),
            rng.u64(1..5),
        );
        let mut chance = fastrand::Rng::with_seed(seed + 1000);
        let mut world = world(&scenario)
            .approves()
            .faults(move |endpoint, _, number| {
                if number > 25 || endpoint == "create_run" && number > 1 || chance.u8(..100) >= 25 {
                    return Fault::None;
                }
                match (endpoint, chance.u8(..6)) {
                    ("stream", 0..=2) => Fault::Cut(chance.usize(..1500)),
                    (_, 0) => Fault::Reset,
                    (_, 1) => Fault::Abandoned,
                    (_, 2) => Fault::Hint(429, "3"),
                    (_, 3) => Fault::Late(chance.u64(..9000)),
                    _ => Fault::Lost(chance.usize(..400)),
                }
            });
        world.kill_after = Some(rng.usize(2..60));
        let mut ended = world.run("two");
        for _ in 0..4 {
            if ended != Ended::Killed {
                break;
            }
            world.now += rng.u64(..20_000);
            world.steps = 0;
            world.kill_after = Some(rng.usize(2..60));
            world.forget();
            let saved = world
                .saved
                .last()
                .cloned()
                .expect("it is stored before it starts");
            let now = Timestamp::from_millis(world.now);
            let task = Task::resume(AgentHarness, saved, now).expect("resume");
            ended = world.drive(task);
        }
        if ended == Ended::Killed {
            world.kill_after = None;
            world.forget();
            let saved = world
                .saved
                .last()
                .cloned()
                .expect("it is stored before it starts");
            let task = Task::resume(AgentHarness, saved, Timestamp::from_millis(world.now));
            ended = world.drive(task.expect("resume"));
        }
        let fine = matches!(&ended, Ended::Outcome(text) if text.starts_with("succeeded"));
        assert!(fine, "seed {seed}: {ended:?} {:#?}", world.reported);
        let stats = world.stats();
        assert_eq!(stats.starts, 1, "seed {seed}");
        for wait in stats.waits {
            assert_eq!(wait.applied, 1, "seed {seed}");
            let ours = wait.received - wait.replayed - wait.refused;
            assert_eq!(ours, 1, "seed {seed}: {:#?}", world.reported);
        }
    }
}
