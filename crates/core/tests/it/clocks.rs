//! Clocks that jump, sleep, lie or never end, in virtual time against a toy server.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Review, Work};
use crate::world::{Act, Ended, Fault, Toy, UserAction, World, at, outcome, policy};
use http::HeaderValue;
use taskward_core::testing::settle;
use taskward_core::{
    Cause, ExchangeFailure, ExchangeProgress, Outcome, RequestPurpose, Response, RetryReason, Step,
    Task, TimeoutPhase, UnavailableReason, UnknownReason,
};

const YEAR: u64 = 365 * 86_400_000;
const TWO_HOURS: u64 = 7_200_000;

/// Some of everything: work, a question, a review, failed polls.
const SCRIPT: [Act; 6] = [
    Work(12_000),
    Ask("which?"),
    Work(3000),
    Review,
    Work(2000),
    Complete("42"),
];

fn world(from: u64) -> World {
    slept(from, 0)
}

/// The same, with the review approved so much later.
fn slept(from: u64, long: u64) -> World {
    let mut world = World::new(&SCRIPT)
        .answers(&["this"])
        .action(from + long + 60_000, UserAction::Dashboard("approve"))
        .faults(
            |n, _, path| match n % 5 == 0 && path != "/start" && !path.ends_with("/say") {
                true => Fault::Status(503),
                false => Fault::None,
            },
        );
    world.now = from;
    world
}

/// What happened, each with the time since the beginning.
fn since(from: u64, world: &World) -> Vec<(u64, String)> {
    let lines = world.trace.iter().map(|line| {
        let (at, what) = line.trim_start().split_once(' ').expect("a time");
        (at.parse::<u64>().expect("a time") - from, what.to_owned())
    });
    lines.collect()
}

/// Rows: J1.
#[test]
fn what_year_it_is_makes_no_difference() {
    let year = 56 * YEAR;
    let mut now = world(year);
    assert_eq!(now.run(), outcome("succeeded 42"));
    for from in [0, year - YEAR, year + YEAR, year + 1000 * YEAR] {
        let mut then = world(from);
        assert_eq!(then.run(), outcome("succeeded 42"), "{from}");
        assert_eq!(since(from, &then), since(year, &now), "{from}");
    }
}

/// Rows: J1.
#[test]
fn a_clock_that_steps_back_a_year_stands_still_for_a_task() {
    let mut world = World::new(&[]);
    world.now = 56 * YEAR;
    let mut task = world.attach(policy());
    let now = at(world.now);
    let Step::Send { id, .. } = task.next_step(now, &world.shared) else {
        panic!("a first look");
    };
    task.sent(id);
    let back = at(55 * YEAR);
    let running = taskward_core::Response::new(http::StatusCode::OK, "running.");
    task.handle_response(id, running, back);
    let until = match settle(&mut task, back, &world.shared) {
        (_, Step::Wait { until, .. }) => until,
        other => panic!("{other:?}"),
    };
    assert_eq!(until, now.after(Duration::from_secs(1)));
}

/// What a run with one long sleep did: status reads within a second of waking, and all of them.
fn awake(world: &World, woke: u64) -> (usize, usize) {
    let reads = &world.status_sent;
    let soon = reads
        .iter()
        .filter(|at| (woke..woke + 1000).contains(*at))
        .count();
    (soon, reads.len())
}

/// Rows: J2, J7.
#[test]
fn a_machine_that_slept_at_any_moment_polls_once_and_goes_on() {
    for long in [600_000, TWO_HOURS] {
        let mut whole = slept(0, long);
        assert_eq!(whole.run(), outcome("succeeded 42"));
        let steps = whole.snapshots.len().min(150);
        assert!(steps > 50, "{steps}");
        for step in 1..=steps {
            let mut world = slept(0, long);
            world.asleep = Some((step, long));
            let context = || format!("{long} ms at step {step}");
            assert_eq!(world.run(), outcome("succeeded 42"), "{}", context());
            assert_eq!(world.server.starts, 1, "{}", context());
            assert_eq!(world.server.said, ["this"], "{}", context());
            // From one read to the next there is always the floor: no burst makes up for what was missed.
            for pair in world.status_sent.windows(2) {
                assert!(pair[1] - pair[0] >= 1000, "{}: {pair:?}", context());
            }
            let woke = world
                .snapshots
                .get(step)
                .map(|(name, _)| name.rsplit(' ').next().expect("a time"))
                .map(|at| at.parse().expect("a time"));
            if let Some(woke) = woke {
                let (soon, all) = awake(&world, woke);
                assert!(soon <= 1, "{}: {soon} reads", context());
                assert!(
                    all <= whole.status_sent.len() + 1,
                    "{}: {all} reads",
                    context()
                );
            }
        }
    }
}

/// Rows: J2.
#[test]
fn a_stream_that_slept_is_dead_and_opened_again_after_the_last_event() {
    let stream = [
        (500, 1, "begin"),
        (1500, 2, "step"),
        (TWO_HOURS * 2, 3, "step"),
        (TWO_HOURS * 2 + 2000, 4, "end"),
    ];
    let script = [Work(TWO_HOURS * 2 + 2000), Complete("42")];
    let make = |asleep| {
        let mut world = World::new(&script);
        world.server.stream = stream.to_vec();
        world.asleep = asleep;
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), outcome("succeeded 42"), "{asleep:?}");
        world
    };
    let whole = make(None);
    let second = "event event Some(2) step";
    let told = whole.lines().iter().position(|line| line == second);
    assert!(told.is_some());
    let waits: Vec<usize> = whole
        .snapshots
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| name.starts_with("Receive at 1") && name.len() == 15)
        .map(|(at, _)| at + 1)
        .collect();
    let asleep_at = *waits.last().expect("it listens after the second event");
    let world = make(Some((asleep_at, TWO_HOURS)));
    let lines = since(0, &world);
    let woke = lines
        .iter()
        .position(|(at, _)| *at >= TWO_HOURS)
        .expect("it wakes");
    let after: Vec<&str> = lines[woke..]
        .iter()
        .map(|(_, what)| what.as_str())
        .collect();
    assert!(
        after[0].contains("retrying") && after[0].contains("nothing came"),
        "{after:#?}"
    );
    let soon = lines[woke..]
        .iter()
        .filter(|(at, what)| *at < lines[woke].0 + 1000 && what == "send GET /t/t1");
    assert_eq!(soon.count(), 1, "{after:#?}");
    assert!(
        after.contains(&"open GET /t/t1/stream?after=2"),
        "{after:#?}"
    );
    for (_, seq, _) in stream {
        assert_eq!(world.count(&format!("event event Some({seq})")), 1, "{seq}");
    }
}

/// Rows: J2.
#[test]
fn a_deadline_counts_the_time_that_was_slept() {
    let hurried = || {
        let mut hurried = policy();
        hurried.work = Some(Duration::from_secs(3600));
        hurried
    };
    let run = |asleep| {
        let mut world = World::new(&[Work(90_000), Complete("42")]);
        world.asleep = asleep;
        let task = world.start_with::<false, false>(hurried());
        let ended = world.drive(task);
        (ended, world)
    };
    let (ended, whole) = run(None);
    assert_eq!(ended, outcome("succeeded 42"));
    let waits = whole.snapshots.iter().enumerate();
    let mut slept = 0;
    for (at, _) in waits.filter(|(_, (name, _))| name.starts_with("Wait")) {
        let (ended, world) = run(Some((at + 1, TWO_HOURS)));
        assert_eq!(ended, outcome("deadline Working running"), "step {at}");
        let before = whole.snapshots[..=at]
            .iter()
            .filter(|(name, _)| name.starts_with("Send"));
        assert_eq!(
            world.requests,
            before.count(),
            "step {at}: not even one more look"
        );
        slept += 1;
    }
    assert!(slept > 5, "{slept}");
}

/// Rows: J3.
#[test]
fn a_deadline_that_passes_while_a_poll_is_under_way_cuts_it_and_tells_the_last_status() {
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(30));
    let world = World::new(&[]);
    let mut task: Task<Toy<false, false>> = world.start_with(hurried);
    let mut now = 0;
    let mut reads = 0;
    loop {
        match settle(&mut task, at(now), &world.shared).1 {
            Step::Wait { until, .. } => now = until.as_millis(),
            Step::Send {
                id,
                request,
                limits,
            } => {
                let target = request.target().to_string();
                let left = Duration::from_millis(30_000 - now);
                assert!(
                    limits.total.is_some_and(|total| total <= left),
                    "{target} at {now}"
                );
                task.sent(id);
                reads += 1;
                if reads > 4 {
                    // It hangs; the driver wakes when its limit is over and asks what to do.
                    now +=
                        u64::try_from(limits.total.expect("checked").as_millis()).expect("small");
                    assert_eq!(now, 30_000);
                    continue;
                }
                let body = if target == "/start" {
                    "t1 running."
                } else {
                    "running."
                };
                let reply = taskward_core::Response::new(http::StatusCode::OK, body);
                task.handle_response(id, reply, at(now));
            }
            Step::Done => {
                let outcome = task.outcome().expect("it is over");
                assert_eq!(
                    crate::world::outcome_text(outcome),
                    "deadline Working running"
                );
                assert_eq!(outcome.task().map(|id| id.as_str()), Some("t1"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((now, reads), (30_000, 5));
}

/// Rows: J9.
#[test]
fn a_stream_that_does_not_open_is_waited_for_no_longer_than_the_deadline() {
    for (work, opens) in [(Some(3), vec![(10, 2_990)]), (None, vec![(10, 100_000)])] {
        let mut hurried = policy();
        hurried.work = work.map(Duration::from_secs);
        let world = World::new(&[]);
        let mut task: Task<Toy<true, true>> = world.start_with(hurried);
        let (mut now, mut asked) = (0, Vec::new());
        let end = loop {
            match settle(&mut task, at(now), &world.shared).1 {
                Step::Wait { until, .. } => now = until.as_millis(),
                Step::Send { id, request, .. } => {
                    assert_eq!(request.target().as_str(), "/start");
                    task.sent(id);
                    now += 10;
                    let reply = Response::new(http::StatusCode::OK, "t1 running.");
                    task.handle_response(id, reply, at(now));
                }
                Step::Open {
                    id,
                    request,
                    limits,
                } => {
                    assert_eq!(request.target().as_str(), "/t/t1/stream");
                    task.sent(id);
                    let total = limits.total.expect("it is bounded").as_millis();
                    let total = u64::try_from(total).expect("small");
                    asked.push((now, total));
                    now += total;
                    let cause = Cause::Timeout(TimeoutPhase::Total);
                    let failure = ExchangeFailure::new(ExchangeProgress::MaybeSent, cause, "");
                    task.handle_failure(id, failure, at(now));
                    if work.is_none() {
                        break None;
                    }
                }
                Step::Done => break task.outcome().map(crate::world::outcome_text),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(asked, opens);
        assert_eq!(end, work.map(|_| "deadline Working running".to_owned()));
    }
}

/// Rows: J4.
#[test]
fn a_deadline_that_passes_during_a_start_leaves_it_unknown() {
    for keyed in [false, true] {
        let mut hurried = policy();
        hurried.work = Some(Duration::from_secs(30));
        let mut world = World::new(&[]).faults(|_, _, _| Fault::LostRequest);
        // The sleep stands for an upload that takes longer than there is time.
        world.asleep = Some((2, 31_000));
        let (ended, end) = if keyed {
            let mut task: Task<Toy<true, false>> = world.start_with(hurried);
            (world.drive_on(&mut task), task.into_outcome())
        } else {
            let mut task: Task<Toy<false, false>> = world.start_with(hurried);
            (world.drive_on(&mut task), task.into_outcome())
        };
        assert_eq!(ended, outcome("unknown likely=false"), "keyed {keyed}");
        assert_eq!(world.requests, 1, "keyed {keyed}");
        let Some(Outcome::Unknown { reason, .. }) = end else {
            panic!("keyed {keyed}: it is unknown");
        };
        // The exchange failed when the deadline had passed: that is why it is not repeated, and is kept as it was.
        let UnknownReason::Deadline { last: Some(last) } = &reason else {
            panic!("keyed {keyed}: {reason:?}");
        };
        assert!(matches!(last.reason, RetryReason::Wire(_)), "{last:?}");
        assert_eq!(reason.to_string(), last.detail, "keyed {keyed}");
    }
    // One that provably never left was not made.
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(30));
    let mut world = World::new(&[]).faults(|_, _, _| Fault::Refused);
    world.asleep = Some((2, 31_000));
    let task = world.start_with::<false, false>(hurried);
    assert_eq!(world.drive(task), outcome("not_started"));
}

/// Rows: J4.
#[test]
fn a_start_that_hangs_at_the_deadline_is_unknown_and_not_merely_late() {
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(30));
    let world = World::new(&[]);
    let mut task: Task<Toy<false, false>> = world.start_with(hurried);
    loop {
        match task.next_step(at(0), &world.shared) {
            Step::Save { revision } => task.saved(revision),
            Step::Send { id, limits, .. } => {
                assert_eq!(limits.total, Some(Duration::from_secs(30)));
                task.sent(id);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        task.next_step(at(29_999), &world.shared),
        Step::InFlight { .. }
    ));
    let Step::Save { revision } = task.next_step(at(30_000), &world.shared) else {
        panic!("the end is stored");
    };
    task.saved(revision);
    let over = task.next_step(at(30_000), &world.shared);
    assert!(matches!(over, Step::Done), "{over:?}");
    let outcome = task.outcome().expect("it is over");
    assert_eq!(crate::world::outcome_text(outcome), "unknown likely=false");
}

/// Rows: J5.
#[test]
fn a_deadline_that_has_passed_ends_a_watch_before_anything_is_sent() {
    let none = || {
        let mut none = policy();
        none.work = Some(Duration::ZERO);
        none
    };
    let mut world = World::new(&[Complete("42")]);
    let task = world.start_with::<false, false>(none());
    assert_eq!(world.drive(task), outcome("deadline Working -"));
    assert_eq!(world.requests, 0);
    let mut world = World::new(&[Complete("42")]);
    let task = world.start_with::<true, true>(none());
    assert_eq!(world.drive(task), outcome("deadline Working -"));
    assert_eq!(world.requests, 0);
    let task = world.attach(none());
    assert_eq!(world.drive(task), outcome("deadline Working -"));
    assert_eq!(world.requests, 0);
}

#[test]
fn a_deadline_that_passes_between_a_plan_and_its_request_leaves_nothing_unknown() {
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(30));
    let mut world = World::new(&[]);
    let mut task: Task<Toy<true, false>> = world.start_with(hurried);
    let Step::Save { revision } = task.next_step(at(0), &world.shared) else {
        panic!("it is stored first");
    };
    task.saved(revision);
    assert!(matches!(
        task.next_step(at(0), &world.shared),
        Step::Send { .. }
    ));
    world.now = 30_000;
    assert_eq!(world.drive(task), outcome("deadline Working -"));
}

#[test]
fn a_deadline_that_passes_while_the_end_is_read_tells_the_end() {
    let hurried = || {
        let mut hurried = policy();
        hurried.work = Some(Duration::from_secs(10));
        hurried
    };
    let mut world = World::new(&[Work(4000), Complete("42")]);
    world.server.result_delay = 600_000;
    let mut task: Task<Toy<false, false>> = world.start_with(hurried());
    assert_eq!(world.drive_on(&mut task), outcome("result_unavailable"));
    assert_eq!(world.now, 10_000);
    let Some(Outcome::ResultUnavailable { reason, .. }) = task.into_outcome() else {
        panic!("it cannot be read");
    };
    assert_eq!(reason, UnavailableReason::Deadline);
    let mut world = World::new(&[Work(7000), Fail("boom")]);
    world.hangs = Some(RequestPurpose::Steps);
    let mut task: Task<Toy<false, false>> = world.start_with(hurried());
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    world.now = 10_000;
    assert_eq!(world.drive(task), outcome("failed None"));
}

/// Rows: J6.
#[test]
fn a_deadline_beyond_all_measure_is_none() {
    for longest in [
        Duration::from_secs(u64::MAX),
        Duration::MAX,
        Duration::from_millis(u64::MAX),
    ] {
        let unhurried = || {
            let mut unhurried = policy();
            unhurried.work = Some(longest);
            unhurried.human = Some(longest);
            unhurried
        };
        for from in [0, 56 * YEAR] {
            let mut patient = world(from);
            let task = patient.start_with::<false, false>(unhurried());
            assert_eq!(patient.drive(task), outcome("succeeded 42"), "{longest:?}");
            let mut endless = world(from);
            let task = endless.start_with::<false, false>(policy());
            assert_eq!(endless.drive(task), outcome("succeeded 42"));
            assert_eq!(since(from, &patient), since(from, &endless), "{longest:?}");
        }
    }
}

/// Rows: J8.
#[test]
fn what_the_server_takes_for_the_time_makes_no_difference() {
    let mut unsaid = world(56 * YEAR);
    assert_eq!(unsaid.run(), outcome("succeeded 42"));
    for skew in [-10_800_i64, -7, 0, 7, 10_800] {
        let mut wrong = world(56 * YEAR);
        wrong.rewrite = Box::new(move |_, now, reply| {
            let seconds = (now / 1000).checked_add_signed(skew).expect("after 1970");
            let date = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
            let date = HeaderValue::try_from(httpdate::fmt_http_date(date)).expect("a date");
            reply.head.headers.insert("date", date);
        });
        assert_eq!(wrong.run(), outcome("succeeded 42"), "{skew} s");
        assert_eq!(wrong.trace, unsaid.trace, "{skew} s");
    }
}
