//! A streamed task: open, cut, reopened from a position, answered while open, closed.

use crate::world::Act::{Ask, Complete, Work};
use crate::world::{
    Ended, Fault, Toy, UserAction, World, at, outcome, policy, run_streamed, seed, streamed,
};
use taskward_core::{EventSeq, Snapshot, Task, TaskId};

const STREAM: [(u64, u64, &str); 3] = [(500, 1, "begin"), (1500, 2, "step"), (4000, 3, "end")];

#[test]
fn a_streamed_task_is_read_once_the_stream_says_that_it_is_over() {
    let mut world = streamed(&[Work(4000), Complete("42")], &STREAM);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(
        world.lines(),
        [
            "send POST /start",
            "event started t1 running",
            "open GET /t/t1/stream",
            "event event Some(1) begin",
            "event event Some(2) step",
            "event event Some(3) end",
            "send GET /t/t1",
            "event status done",
            "send GET /t/t1/result",
            "close",
            "done succeeded 42",
        ]
    );
}

/// Rows: E15, E18.
#[test]
fn the_end_of_a_stream_ends_nothing_and_it_is_reopened_after_the_last_taken_event() {
    for replays in [false, true] {
        let mut world =
            streamed(&[Work(4000), Complete("42")], &STREAM).action(2000, UserAction::CutStream);
        world.server.replays = replays;
        assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
        assert_eq!(world.count("open GET /t/t1/stream?after=2"), 1);
        for event in ["Some(1) begin", "Some(2) step", "Some(3) end"] {
            assert_eq!(world.count(event), 1, "replays {replays}: {event}");
        }
        let cut = world
            .lines()
            .iter()
            .position(|line| line.starts_with("event retrying"))
            .expect("told");
        assert_eq!(
            world.lines()[cut + 1],
            "send GET /t/t1",
            "the task is read after a cut"
        );
    }
}

#[test]
fn a_stream_that_never_opens_is_no_reason_to_stop_watching() {
    let mut world = streamed(&[Work(60_000), Complete("42")], &[]).faults(|_, _, path| {
        if path.contains("stream") {
            Fault::Status(404)
        } else {
            Fault::None
        }
    });
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
}

/// Rows: E8.
#[test]
fn a_refused_key_on_a_reconnect_ends_the_watch() {
    let mut world = streamed(&[Work(60_000)], &STREAM[..2]).action(2000, UserAction::CutStream);
    world.faults = Box::new(|_, _, path| {
        if path.contains("after") {
            Fault::Status(401)
        } else {
            Fault::None
        }
    });
    assert_eq!(run_streamed(&mut world), outcome("access_lost"));
}

/// Rows: E4.
#[test]
fn silence_is_judged_by_a_read_and_not_taken_for_an_end() {
    let mut world = streamed(
        &[Work(900_000), Complete("42")],
        &[(500, 1, "begin"), (900_500, 2, "end")],
    );
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert!(world.count("nothing came for 300 s") >= 2);
    assert_eq!(world.count("event event"), 2);
}

/// Rows: E4.
#[test]
fn a_stream_that_brings_nothing_is_silent_from_its_first_moment_however_often_the_list_is_read() {
    let mut world = listed(&[Work(900_000), Complete("42")], &[]);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert!(world.count("/events") > 1);
    let silent = |line: &&String| line.contains("nothing came for 300 s");
    let cut = world.trace.iter().find(silent).expect("it is cut");
    let at: u64 = cut[..7].trim().parse().expect("a time");
    assert!((300_000..302_000).contains(&at), "{cut}");
}

#[test]
fn a_question_is_answered_while_the_stream_stays_open() {
    let stream = [
        (500, 1, "begin"),
        (1000, 2, "wait"),
        (9000, 3, "step"),
        (12_000, 4, "end"),
    ];
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(6000), Complete("42")],
        &stream,
    )
    .answers(&["this"]);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["this"]);
    assert_eq!(world.count("open GET"), 1);
    assert_eq!(world.count("event question q2"), 1);
    let lines = world.lines();
    let order: Vec<usize> = [
        "question q2",
        "POST /t/t1/say",
        "answered q2 Applied",
        "event Some(3)",
    ]
    .iter()
    .map(|what| {
        lines
            .iter()
            .position(|line| line.contains(what))
            .expect(what)
    })
    .collect();
    assert!(order.is_sorted(), "{lines:#?}");
}

#[test]
fn a_question_survives_the_connection_that_brought_it() {
    for cut in [1010, 1500, 2100, 3000] {
        let stream = [(500, 1, "begin"), (1000, 2, "wait"), (30_000, 3, "end")];
        let mut world = streamed(
            &[Work(900), Ask("which?"), Work(6000), Complete("42")],
            &stream,
        )
        .action(cut, UserAction::CutStream)
        .answers(&["this"]);
        world.server.page = Some(9);
        assert_eq!(
            run_streamed(&mut world),
            outcome("succeeded 42"),
            "cut at {cut}"
        );
        assert_eq!(world.server.said, ["this"], "cut at {cut}");
    }
}

#[test]
fn a_wait_in_replayed_events_is_history() {
    let stream = [(10, 1, "wait"), (20, 2, "step"), (5000, 3, "end")];
    let mut world = streamed(&[Work(5000), Complete("42")], &stream).answers(&["no"]);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(world.count("event question"), 0);
}

/// Rows: E13.
#[test]
fn a_gap_is_told_once_and_only_across_a_reconnect() {
    let stream = [
        (500, 1, "begin"),
        (1500, 3, "step"),
        (3000, 6, "step"),
        (5000, 7, "end"),
    ];
    let mut world =
        streamed(&[Work(5000), Complete("42")], &stream).action(2000, UserAction::CutStream);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(world.count("Gap"), 1);
    assert_eq!(
        world.count("Gap { after: EventSeq(3), before: EventSeq(6) }"),
        1
    );
}

#[test]
fn the_stored_position_is_the_last_taken_one() {
    let mut world = streamed(&[Work(4000), Complete("42")], &STREAM);
    run_streamed(&mut world);
    for (name, snapshot) in world.snapshots.clone() {
        // Resumed from any step, every event that was not taken comes, and no other.
        let taken = position(&snapshot);
        if snapshot.task().is_none() {
            continue;
        }
        let mut again = streamed(&[Work(4000), Complete("42")], &STREAM);
        again.server = again.server.clone().begun(20);
        again.now = 10_000;
        let task: Task<Toy<true, true>> = Task::resume(Toy, snapshot, at(10_000)).expect("resume");
        assert_eq!(again.drive(task), outcome("succeeded 42"), "{name}");
        for (_, seq, _) in STREAM {
            let times = again.count(&format!("event Some({seq})"));
            assert!(
                times <= usize::from(seq > taken),
                "{name}: {seq} {times} times, taken {taken}"
            );
        }
    }
}

fn position(snapshot: &Snapshot) -> u64 {
    let value = serde_json::to_value(snapshot).expect("json");
    value["event_seq"].as_u64().unwrap_or(0)
}

#[test]
fn a_task_is_attached_after_a_position() {
    let mut world = streamed(&[Work(4000), Complete("42")], &STREAM);
    world.server = world.server.clone().begun(0);
    let task: Task<Toy<true, true>> = Task::attach(
        Toy,
        TaskId::new("t1"),
        Some(EventSeq(1)),
        policy(),
        seed(),
        at(0),
    );
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(
        (world.count("Some(1) begin"), world.count("Some(2) step")),
        (0, 1)
    );
}

/// A platform that continues with the next event when a stream is reopened, and lists the rest.
fn listed(script: &[crate::world::Act], stream: &[(u64, u64, &'static str)]) -> World {
    let mut world = streamed(script, stream);
    world.server.live = true;
    world.server.page = Some(2);
    world
}

/// Rows: E13.
#[test]
fn what_a_stream_leaves_out_is_read_from_the_list_before_anything_else_is_told() {
    let stream = [
        (5, 1, "begin"),
        (300, 2, "step"),
        (600, 3, "step"),
        (2600, 4, "step"),
        (4000, 5, "end"),
    ];
    let mut world =
        listed(&[Work(4000), Complete("42")], &stream).action(500, UserAction::CutStream);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(
        world.lines(),
        [
            "send POST /start",
            "event started t1 running",
            "open GET /t/t1/stream",
            // The first event of the connection is not the task's first.
            "send GET /t/t1/events",
            "event event Some(1) begin",
            "event event Some(2) step",
            "event retrying 1 the server ended the stream",
            "send GET /t/t1",
            "open GET /t/t1/stream?after=2",
            // Nothing has come for a second: what was missed?
            "send GET /t/t1/events",
            "send GET /t/t1/events?cursor=2",
            "event event Some(3) step",
            "event event Some(4) step",
            "event event Some(5) end",
            "send GET /t/t1",
            "event status done",
            "send GET /t/t1/result",
            "close",
            "done succeeded 42",
        ]
    );
}

/// Rows: E17.
#[test]
fn an_end_that_no_read_confirms_stands_after_half_a_minute() {
    for (end, result) in [
        ("end", "result_unavailable"),
        ("broke", "failed"),
        ("late", "stopped"),
    ] {
        let stream = [(500, 1, "begin"), (1500, 2, end), (2000, 3, "step")];
        let mut world = streamed(&[Work(900_000)], &stream);
        let Ended::Outcome(text) = run_streamed(&mut world) else {
            panic!("it ends");
        };
        assert!(text.starts_with(result), "{text}");
        assert!((31_000..33_000).contains(&world.now), "{}", world.now);
        assert_eq!(world.count("Unconfirmed"), 1);
        // The task is read again, ever more seldom; what follows the end is not delivered.
        assert_eq!(world.count("send GET /t/t1"), 6);
        assert_eq!(world.count("Some(3)"), 0);
    }
}

/// Rows: E17.
#[test]
fn one_read_that_stalls_does_not_spend_the_patience_for_an_end_to_be_confirmed() {
    let stream = [(500, 1, "begin"), (1500, 2, "end")];
    let ends = || streamed(&[Work(1400), Complete("42")], &stream);
    let mut whole = ends();
    assert_eq!(run_streamed(&mut whole), outcome("succeeded 42"));
    let is_read = |(name, _): &(String, Snapshot)| {
        let at = name.strip_prefix("Send at ");
        at.is_some_and(|at| at.parse::<u64>().is_ok_and(|at| at >= 1500))
    };
    let read = whole.snapshots.iter().position(is_read).expect("read");
    let mut reads = 0;
    let mut world = ends().faults(move |_, _, path| {
        reads += usize::from(path == "/t/t1");
        match (path, reads) {
            ("/t/t1", 1) => Fault::TimedOut,
            _ => Fault::None,
        }
    });
    world.asleep = Some((read + 1, 40_000));
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert_eq!(
        (world.count("Unconfirmed"), world.count("TimedOut")),
        (0, 1)
    );
    assert!(world.now > 40_000, "{}", world.now);
}

/// Rows: E17.
#[test]
fn an_end_stands_with_the_words_that_no_read_could_be_made_when_none_could() {
    let stream = [(500, 1, "begin"), (1500, 2, "broke")];
    let mut world = streamed(&[Work(900_000)], &stream).faults(|_, _, path| match path {
        "/t/t1" => Fault::Status(503),
        _ => Fault::None,
    });
    let words = "its own read failed for 30 s after the event broke";
    assert_eq!(
        run_streamed(&mut world),
        outcome(&format!("failed Some({words:?})"))
    );
    assert_eq!(
        world.count("Unconfirmed { event: \"broke\", status: None }"),
        1
    );
}

/// Rows: E18.
#[test]
fn a_tail_that_only_the_list_has_is_told_before_the_end() {
    let stream = [(5, 1, "begin"), (1500, 2, "step"), (3900, 3, "broke")];
    let mut world = listed(
        &[Work(4000), crate::world::Act::Fail("out of paper")],
        &stream,
    )
    .action(1000, UserAction::CutStream)
    .faults(|_, _, path| match path {
        "/t/t1/stream?after=1" => Fault::Status(503),
        _ => Fault::None,
    });
    let Ended::Outcome(text) = run_streamed(&mut world) else {
        panic!("it ends");
    };
    assert!(text.starts_with("failed"), "{text}");
    for event in ["Some(1) begin", "Some(2) step", "Some(3) broke"] {
        assert_eq!(world.count(event), 1, "{event}");
    }
    assert!(
        world
            .lines()
            .last()
            .is_some_and(|last| last.starts_with("done"))
    );
}

#[test]
fn a_task_with_a_list_is_resumed_at_any_step_and_misses_nothing() {
    let stream = [
        (5, 1, "begin"),
        (1000, 2, "wait"),
        (4500, 3, "step"),
        (8000, 4, "end"),
    ];
    let make = || {
        listed(
            &[Work(900), Ask("which?"), Work(6000), Complete("42")],
            &stream,
        )
        .action(4000, UserAction::CutStream)
        // Killed before its answer is stored, the task asks once more.
        .answers(&["this", "this"])
    };
    let mut whole = make();
    assert_eq!(run_streamed(&mut whole), outcome("succeeded 42"));
    for (number, (name, _)) in whole.snapshots.clone().into_iter().enumerate() {
        let mut world = make();
        world.kill_after = Some(number + 1);
        run_streamed(&mut world);
        let (Some(saved), told) = (world.saved.last().cloned(), world.trace.clone()) else {
            continue;
        };
        world.kill_after = None;
        world.hang_up();
        let later = world.now + 300;
        world.now = later;
        let task: Task<Toy<true, true>> = Task::resume(Toy, saved, at(later)).expect("resume");
        assert_eq!(world.drive(task), outcome("succeeded 42"), "{name}");
        assert_eq!(world.server.said, ["this"], "{name}");
        assert!(told.len() <= world.trace.len());
        for (_, seq, _) in stream {
            let event = format!("event Some({seq})");
            assert!(world.count(&event) >= 1, "{name}: {seq} is missing");
        }
    }
}

#[test]
fn a_list_that_begins_with_the_newest_is_told_in_order_all_the_same() {
    let stream = [
        (5, 1, "begin"),
        (300, 2, "step"),
        (600, 3, "step"),
        (900, 4, "step"),
        (6000, 5, "step"),
        (6100, 6, "step"),
        (6200, 7, "step"),
        (7900, 8, "end"),
    ];
    let mut world = listed(&[Work(8000), Complete("42")], &stream).faults(|_, _, path| {
        if path.contains("stream") {
            Fault::Status(405)
        } else {
            Fault::None
        }
    });
    world.server.newest_first = true;
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    let told: Vec<String> = world
        .lines()
        .into_iter()
        .filter_map(|line| line.strip_prefix("event event Some(").map(str::to_owned))
        .collect();
    assert_eq!(
        told,
        [
            "1) begin", "2) step", "3) step", "4) step", "5) step", "6) step", "7) step", "8) end"
        ]
    );
}
