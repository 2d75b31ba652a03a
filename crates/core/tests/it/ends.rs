//! How tasks end while somebody cancels them, and while their records lag, vanish or come back.

use crate::world::Act::{Ask, Complete, Fail, Show, Work};
use crate::world::{Fault, UserAction, World, outcome, policy};
use http::StatusCode;
use taskward_core::Response;

/// Rows: I1.
#[test]
fn a_cancel_that_meets_the_end_tells_the_end_that_the_server_has() {
    for after in (3000..7000).step_by(17) {
        for (end, told) in [
            (Complete("42"), "succeeded 42"),
            (Fail("boom"), "failed Some(\"boom\")"),
        ] {
            let mut world = World::new(&[Work(5000), end]).action(after, UserAction::Cancel);
            let ended = world.run();
            let expected = match world.server.cancelled {
                Some(_) => "stopped by Us",
                None => told,
            };
            assert_eq!(ended, outcome(expected), "cancelled at {after}");
        }
    }
}

/// Rows: I2.
#[test]
fn a_cancel_that_is_not_answered_is_sent_again_and_told_once() {
    for fault in [
        Fault::Refused,
        Fault::LostRequest,
        Fault::LostReply,
        Fault::TimedOut,
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(429),
        Fault::StatusAfter(503),
    ] {
        let mut sent = 0;
        let mut world = World::new(&[Work(600_000)])
            .action(5000, UserAction::Cancel)
            .faults(move |_, _, path| {
                let cancel = path.ends_with("/cancel");
                sent += usize::from(cancel);
                match cancel && sent < 4 {
                    true => fault,
                    false => Fault::None,
                }
            });
        assert_eq!(world.run(), outcome("stopped by Us"), "{fault:?}");
        // The task may be seen to have ended before the acknowledgement is.
        assert!(world.count("POST /t/t1/cancel") <= 4, "{fault:?}");
        assert!(world.count("Cancelling") <= 1, "{fault:?}");
    }
    let mut world = World::new(&[Work(600_000)])
        .action(5000, UserAction::Cancel)
        .faults(|n, _, path| match (n, path.ends_with("/cancel")) {
            (..8, true) => Fault::Refused,
            _ => Fault::None,
        });
    assert_eq!(world.run(), outcome("stopped by Us"));
    assert!(world.count("POST /t/t1/cancel") > 1);
    assert_eq!(world.count("Cancelling"), 1);
}

/// Rows: I3.
#[test]
fn a_cancel_that_is_refused_is_told_once_and_not_repeated() {
    for status in [403, 404] {
        let mut world = World::new(&[Work(20_000), Complete("42")])
            .action(5000, UserAction::Cancel)
            .faults(move |_, _, path| match path.ends_with("/cancel") {
                true => Fault::Status(status),
                false => Fault::None,
            });
        assert_eq!(world.run(), outcome("succeeded 42"), "{status}");
        assert_eq!(world.count("POST /t/t1/cancel"), 1, "{status}");
        assert_eq!(world.count("CancelRefused"), 1, "{status}");
    }
}

/// Rows: I3.
#[test]
fn a_task_that_was_not_cancelled_is_followed_on_when_its_question_is_answered_elsewhere() {
    let mut world = World::new(&[Ask("which?"), Work(30_000), Complete("42")])
        .action(2000, UserAction::Cancel)
        .action(5000, UserAction::OtherClient("early"))
        .faults(|_, _, path| match path.ends_with("/cancel") {
            true => Fault::Status(404),
            false => Fault::None,
        });
    world.stays = true;
    world.server.delay = 0;
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(world.count("event withdrawn m1"), 1);
}

/// From the moment the end was seen, every read of this path shows the task at work.
fn forgetful(script: &[crate::world::Act], stale: &'static str) -> World {
    let mut world = World::new(script);
    let mut ended = false;
    world.rewrite = Box::new(move |path, _, reply: &mut Response| {
        if ended && path.ends_with(stale) {
            *reply = Response::new(StatusCode::OK, "running.");
        }
        ended |= path == "/t/t1" && [&b"done."[..], b"failed."].contains(&&*reply.body);
    });
    world
}

/// Rows: I6.
#[test]
fn what_was_seen_to_end_never_goes_on_again() {
    // Whichever replica answers next: neither the status nor the answer brings a task back to life.
    for (script, stale, end) in [
        (&[Work(2000), Complete("42")][..], "t1", "succeeded 42"),
        (&[Work(2000), Complete("42")], "", "result_unavailable"),
        (&[Work(2000), Fail("boom")], "t1", "failed Some(\"boom\")"),
        (&[Work(2000), Fail("boom")], "", "failed None"),
    ] {
        let mut world = forgetful(script, stale);
        assert_eq!(world.run(), outcome(end), "{script:?} {stale:?}");
        let lines = world.lines();
        let ended = lines
            .iter()
            .position(|line| line == "event status done" || line == "event status failed")
            .expect("told");
        assert!(
            !lines[ended + 1..]
                .iter()
                .any(|line| line.starts_with("event status") || line == "send GET /t/t1"),
            "{lines:#?}"
        );
    }
}

/// Rows: I7.
#[test]
fn a_task_that_is_not_visible_yet_is_waited_for_half_a_minute() {
    for invisible in (1000..29_000).step_by(700) {
        let mut world = World::new(&[Work(60_000), Complete("42")]);
        world.server.invisible = invisible;
        assert_eq!(world.run(), outcome("succeeded 42"), "{invisible}");
        // No error has to be reported: the task was created just now.
        assert_eq!(world.count("retrying"), 0, "{invisible}");
    }
    // For ever is too long: then the confirmations begin.
    let mut world = World::new(&[Work(600_000)]);
    world.server.invisible = u64::MAX / 2;
    assert_eq!(world.run(), outcome("gone"));
    // Three of them, five seconds apart: what was read before counts for nothing.
    assert!((40_000..60_000).contains(&world.now), "{}", world.now);
    // Whoever has no reply to a start does not wait that long.
    let mut world = World::new(&[]);
    world.server.gone = true;
    let task = world.attach(policy());
    assert_eq!(world.drive(task), outcome("gone"));
    assert!(world.now < 15_000, "{}", world.now);
}

/// Of an id that was never seen to be one, a refusal says that it is none.
#[test]
fn a_refused_id_is_gone_unless_it_was_seen_before() {
    for status in [400, 422] {
        for seen in [0, 1] {
            let mut world = World::new(&[Work(60_000), Complete("42")]);
            world.server = world.server.clone().begun(0);
            world.faults = Box::new(move |n, _, _| match n > seen && n < 9 {
                true => Fault::Status(status),
                false => Fault::None,
            });
            let task = world.attach(policy());
            let end = ["gone", "succeeded 42"][seen];
            assert_eq!(world.drive(task), outcome(end), "{status}, {seen} seen");
        }
        // A start that was answered has seen it, too.
        let mut world = World::new(&[Work(60_000), Complete("42")]);
        world.faults = Box::new(move |n, _, path| match n < 9 && path == "/t/t1" {
            true => Fault::Status(status),
            false => Fault::None,
        });
        assert_eq!(world.run(), outcome("succeeded 42"), "{status}");
    }
}

/// Rows: I8.
#[test]
fn a_task_that_vanishes_is_gone_once_two_more_reads_five_seconds_apart_say_so() {
    for status in [404, 410] {
        let mut world = World::new(&[Work(600_000)]);
        let mut reads = 0;
        world.faults = Box::new(move |_, _, path| {
            reads += usize::from(path == "/t/t1");
            match reads {
                ..=20 => Fault::None,
                _ => Fault::Status(status),
            }
        });
        assert_eq!(world.run(), outcome("gone"), "{status}");
        let sent = &world.status_sent;
        assert_eq!(sent.len(), 23, "{status}: the first, and two confirmations");
        let apart: Vec<u64> = sent[20..]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert!(
            apart.iter().all(|apart| (5000..7000).contains(apart)),
            "{status}: {apart:?}"
        );
        // Two of them are not enough, however often they come.
        let mut world = World::new(&[Work(300_000), Complete("42")]);
        let mut reads = 0;
        world.faults = Box::new(move |_, _, path| {
            reads += usize::from(path == "/t/t1");
            match reads > 10 && reads % 3 != 0 {
                true => Fault::Status(status),
                false => Fault::None,
            }
        });
        assert_eq!(world.run(), outcome("succeeded 42"), "{status}");
    }
}

/// Rows: I9.
#[test]
fn an_answer_that_cannot_be_read_is_read_again_and_never_a_failure() {
    for fault in [
        Fault::Status(404),
        Fault::Status(409),
        Fault::Status(410),
        Fault::Status(500),
        Fault::LostReply,
        Fault::CutBody,
        Fault::Html,
    ] {
        let mut reads = 0;
        let mut world = World::new(&[Complete("42")]).faults(move |_, _, path| {
            reads += usize::from(path.ends_with("/result"));
            match path.ends_with("/result") && reads < 5 {
                true => fault,
                false => Fault::None,
            }
        });
        assert_eq!(world.run(), outcome("succeeded 42"), "{fault:?}");
        let mut world = World::new(&[Complete("42")]).faults(move |_, _, path| {
            match path.ends_with("/result") {
                true => fault,
                false => Fault::None,
            }
        });
        assert_eq!(world.run(), outcome("result_unavailable"), "{fault:?}");
        assert!(world.count("/result") > 4, "{fault:?}");
        assert!((50_000..90_000).contains(&world.now), "{fault:?}");
    }
}

/// Rows: I10.
#[test]
fn a_task_may_be_put_back_into_the_queue() {
    let mut world = World::new(&[
        Work(5000),
        Show("queued", 20_000),
        Work(5000),
        Complete("42"),
    ]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    let told: Vec<String> = world
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("event"))
        .collect();
    assert_eq!(
        told,
        [
            "event started t1 running",
            "event status queued",
            "event status running",
            "event status done",
        ]
    );
}
