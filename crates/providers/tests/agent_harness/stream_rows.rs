//! What a stream may do wrong, one thing at a time, and what is told all the same.

use taskward_core::{Answer, EventSeq, Policy, Seed, Snapshot, Task, Timestamp};
use taskward_providers::agent_harness::{AgentHarness, Job};

use crate::world::{Ended, Fault, World, outcome};

fn done() -> Ended {
    outcome("succeeded succeeded")
}

/// Returns the event log of an undisturbed run.
fn whole() -> Vec<String> {
    let mut world = World::new("").approves();
    assert_eq!(world.run("approve-email"), done());
    world.log
}

/// Returns whether `frame` is the event of this number.
fn is(frame: &str, seq: u64) -> bool {
    frame.contains(&format!("\"seq\":{seq},"))
}

/// Returns the requests from the first of this kind on.
fn since(world: &World, request: &str) -> Vec<String> {
    let from = world.requests.iter().position(|line| line == request);
    world.requests[from.expect("it was made")..].to_vec()
}

/// Waits between the openings of the stream.
fn between_streams(world: &World) -> Vec<u64> {
    let opened = world.requests.iter().zip(&world.times);
    let opened: Vec<u64> = opened
        .filter(|(request, _)| request.starts_with("stream"))
        .map(|(_, at)| *at)
        .collect();
    opened.windows(2).map(|two| two[1] - two[0]).collect()
}

/// Rows: E1, E2.
#[test]
fn what_never_ends_is_tried_twice_and_the_run_is_followed_by_its_list() {
    let log = whole();
    let line = format!("data: {}", "x".repeat(17 << 20));
    let lines = "data:\n".repeat(1_100_000);
    for (endless, why) in [
        (line, "an event of the stream is over"),
        (lines, "an event of the stream has over"),
    ] {
        let mut world = World::new("").approves();
        world.chunk = 1 << 20;
        world.frames = Some(Box::new(move |_| endless.clone()));
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        assert_eq!(world.log, log);
        assert!(world.count(why) >= 2, "{:#?}", world.reported);
        let streams = world.requests.iter().enumerate();
        let streams: Vec<usize> = streams
            .filter(|(_, request)| request.starts_with("stream"))
            .map(|(at, _)| at)
            .collect();
        let second = streams[1];
        let third = streams.get(2).copied().unwrap_or(world.requests.len());
        let between = &world.requests[second..third];
        assert!(between.iter().any(|one| one == "events"), "{between:?}");
    }
}

/// Rows: E3.
#[test]
fn comments_alone_keep_a_stream_alive_for_an_hour_and_the_run_is_read_now_and_then() {
    let mut world = World::new("").answers(3_600_000, vec![Answer::Approve]);
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.asked("stream"), 1);
    assert_eq!(world.count("retrying"), 0, "{:#?}", world.reported);
    let reads = world.requests.iter().zip(&world.times);
    let reads: Vec<u64> = reads
        .filter(|(request, _)| *request == "read_run")
        .map(|(_, at)| *at)
        .collect();
    let apart: Vec<u64> = reads.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(apart.iter().all(|wait| *wait <= 601_000), "{apart:?}");
    assert!((6..=20).contains(&reads.len()), "{apart:?}");
}

/// Rows: E4.
#[test]
fn after_silence_the_run_is_read_and_the_stream_reopened_where_it_was() {
    let mut world =
        World::new("[agent_harness]\nheartbeat_ms = 0\n").answers(1_200_000, vec![Answer::Approve]);
    assert_eq!(world.run("approve-email"), done());
    assert!(world.count("nothing came for 300 s") >= 3);
    assert_eq!(world.log, whole());
    let reopened = world.requests.iter().enumerate();
    let reopened: Vec<usize> = reopened
        .filter(|(_, request)| request.starts_with("stream after "))
        .map(|(at, _)| at)
        .collect();
    assert!(reopened.len() >= 3, "{:?}", world.requests);
    for at in reopened {
        let before = world.requests[..at].iter().rev();
        let mut before = before.take_while(|one| !one.starts_with("stream"));
        assert!(before.any(|one| one == "read_run"), "{:?}", world.requests);
        assert_eq!(world.requests[at], "stream after 13");
    }
}

/// Rows: E5.
#[test]
fn a_page_in_place_of_a_stream_is_asked_for_twice_and_then_left_alone() {
    let mut world = World::new("").approves().faults(|endpoint, _, _| {
        if endpoint == "stream" {
            Fault::Html
        } else {
            Fault::None
        }
    });
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.log, whole());
    assert_eq!(world.asked("stream"), 2);
    assert_eq!(world.count("expected an event stream, got text/html"), 2);
}

/// Rows: E6.
#[test]
fn a_stream_without_content_is_not_asked_for_again_and_the_run_is_read() {
    for number in [0, 1] {
        let mut world = World::new("")
            .approves()
            .faults(move |endpoint, _, n| match endpoint {
                "stream" if n >= number => Fault::Status(204),
                "stream" => Fault::Cut(900),
                _ => Fault::None,
            });
        assert_eq!(world.run("approve-email"), done());
        assert_eq!(world.log, whole());
        assert_eq!(world.asked("stream"), number + 1);
        let last = world.requests.iter().rposition(|r| r.starts_with("stream"));
        assert_eq!(world.requests[last.expect("one") + 1], "read_run");
    }
}

/// Rows: E7.
#[test]
fn a_stream_that_is_put_off_is_opened_when_the_server_said() {
    let mut world =
        World::new("")
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("stream", 0) => Fault::Hint(503, "7"),
                _ => Fault::None,
            });
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.log, whole());
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 60)
        .with_input("interval_ms", 1000);
    let mut world = World::new("").faults(|endpoint, _, number| match (endpoint, number) {
        ("stream", 0) => Fault::Hint(503, "7"),
        _ => Fault::None,
    });
    assert_eq!(world.run_job(&job, Policy::default()), done());
    let waits = between_streams(&world);
    assert_eq!(waits.len(), 1, "{:?}", world.requests);
    assert!((7_000..=7_800).contains(&waits[0]), "{waits:?}");
}

/// Rows: E8.
#[test]
fn a_key_that_a_reopened_stream_refuses_ends_the_watch_and_not_the_run() {
    for status in [401, 403] {
        let mut world = World::new("")
            .approves()
            .faults(move |endpoint, _, number| match (endpoint, number) {
                ("stream", 0) => Fault::Cut(700),
                ("stream", _) => Fault::Status(status),
                _ => Fault::None,
            });
        assert_eq!(
            world.run("approve-email"),
            outcome("access_lost"),
            "{status}"
        );
        assert_eq!(world.asked("stream"), 2);
        assert!(
            world
                .requests
                .last()
                .is_some_and(|last| last.starts_with("stream"))
        );
    }
}

/// Rows: E9.
#[test]
fn a_reopened_stream_that_is_not_there_leaves_the_judgement_to_the_run() {
    let mut world =
        World::new("")
            .approves()
            .faults(|endpoint, _, number| match (endpoint, number) {
                ("stream", 0) => Fault::Cut(700),
                ("stream", _) => Fault::Status(404),
                _ => Fault::None,
            });
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.log, whole());
    let last = world
        .requests
        .iter()
        .position(|r| r.starts_with("stream after"));
    assert_eq!(world.requests[last.expect("one") + 1], "read_run");
}

/// Rows: E10.
#[test]
fn a_reconnection_time_that_is_none_is_not_waited_for() {
    for (field, within) in [
        ("retry: 99999999999999999999", 0..=4_000),
        ("retry: -1", 0..=4_000),
        ("retry: 5s", 0..=4_000),
        ("retry: 0", 0..=4_000),
        // One that is, to compare.
        ("retry: 7000", 7_000..=11_000),
    ] {
        let mut world = World::new("").faults(|endpoint, _, number| match (endpoint, number) {
            // Cut within two or three seconds.
            ("stream", 0) => Fault::Cut(900),
            _ => Fault::None,
        });
        world.frames = Some(Box::new(move |frame| format!("{field}\n\n{frame}")));
        let job = Job::goal("g")
            .with_input("scenario", "long-stream")
            .with_input("events", 30)
            .with_input("interval_ms", 1000);
        assert_eq!(world.run_job(&job, Policy::default()), done());
        let waits = between_streams(&world);
        assert!(within.contains(&waits[0]), "{field}: {waits:?}");
    }
}

/// Rows: E12.
#[test]
fn an_event_that_comes_again_is_told_once_and_another_content_is_noted() {
    let log = whole();
    let mut same = World::new("").approves();
    same.frames = Some(Box::new(|frame| frame.repeat(2)));
    assert_eq!(same.run("approve-email"), done());
    assert_eq!((same.log.clone(), same.count("Altered")), (log.clone(), 0));
    let mut other = World::new("").approves();
    other.frames = Some(Box::new(|frame| {
        let again = frame.replace("\"type\":\"step.", "\"type\":\"other.");
        format!("{frame}{again}")
    }));
    assert_eq!(other.run("approve-email"), done());
    assert_eq!(other.log, log);
    assert_eq!(other.count("Altered"), 1, "{:#?}", other.reported);
    // Whatever it says: the end of the run is not among its second thoughts.
    let mut ends = World::new("").approves();
    ends.frames = Some(Box::new(|frame| {
        let end = frame.replace("\"type\":\"step.progress\"", "\"type\":\"run.cancelled\"");
        format!("{frame}{end}")
    }));
    assert_eq!(ends.run("approve-email"), done());
    assert_eq!(ends.log, log);
}

/// Hands the event of this number on behind the next.
fn late(seq: u64) -> crate::world::Frames {
    let mut kept = None;
    Box::new(move |frame| {
        if is(&frame, seq) && kept.is_none() {
            kept = Some(frame);
            return String::new();
        }
        match &mut kept {
            Some(late) if is(&frame, seq + 1) => format!("{frame}{}", std::mem::take(late)),
            _ => frame,
        }
    })
}

/// Rows: E13, E14.
#[test]
fn an_event_out_of_order_is_read_from_the_list_or_dropped() {
    let log = whole();
    let mut world = World::new("").approves();
    world.frames = Some(late(4));
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.log, log, "with a list nothing is missed");
    let mut world = World::new("[agent_harness]\nevents_missing = 405\n").approves();
    world.frames = Some(late(4));
    assert_eq!(world.run("approve-email"), done());
    let without: Vec<String> = log
        .into_iter()
        .filter(|line| !line.starts_with("4 "))
        .collect();
    assert_eq!(
        world.log, without,
        "without one it is dropped, and no error"
    );
    assert_eq!(
        world.count("retrying the server"),
        0,
        "{:#?}",
        world.reported
    );
}

/// Rows: E15, E16.
#[test]
fn a_stored_position_outlives_streams_that_bring_nothing() {
    let mut first = World::new("").approves();
    assert_eq!(first.run("approve-email"), done());
    let id = first
        .saved
        .last()
        .and_then(Snapshot::task)
        .cloned()
        .expect("a run");
    let mut world = first;
    world.requests.clear();
    world.log.clear();
    let mut streams = 0;
    world.faults = Box::new(move |endpoint, _, _| {
        if endpoint != "stream" {
            return Fault::None;
        }
        streams += 1;
        if streams <= 3 {
            Fault::Cut(0)
        } else {
            Fault::None
        }
    });
    // The end must not be seen before the stream was lost three times.
    world.rewrite = Some(Box::new(move |endpoint, _, mut reply| {
        if endpoint == "read_run" {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            reply.body = text.replace("\"succeeded\"", "\"running\"").into();
        }
        if endpoint == "events" {
            reply.body = r#"{"events":[]}"#.into();
        }
        reply
    }));
    world.judged = false;
    let now = Timestamp::from_millis(world.now);
    let after = Some(EventSeq(5));
    let task = Task::attach(
        AgentHarness,
        id,
        after,
        Policy::default(),
        Seed([8; 32]),
        now,
    );
    let end = world.drive(task);
    assert_eq!(end, outcome("succeeded unconfirmed running"));
    let opened: Vec<&String> = world
        .requests
        .iter()
        .filter(|r| r.starts_with("stream"))
        .collect();
    assert!(opened.len() >= 4, "{:?}", world.requests);
    assert!(
        opened.iter().all(|one| *one == "stream after 5"),
        "{opened:?}"
    );
    assert_eq!(
        world
            .log
            .first()
            .map(String::as_str)
            .map(|l| l.starts_with("6 ")),
        Some(true)
    );
}

/// Rows: E18, E27.
#[test]
fn a_lost_terminal_event_is_found_by_reading_the_run() {
    for listed in ["", "[agent_harness]\nevents_missing = 405\n"] {
        let mut world = World::new(listed).approves();
        world.frames = Some(Box::new(|frame| {
            if frame.contains("run.worker.succeeded") {
                String::new()
            } else {
                frame
            }
        }));
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        let ended = world
            .requests
            .iter()
            .rposition(|request| request == "read_run");
        assert!(ended.is_some(), "{:?}", world.requests);
        assert!(world.log.iter().any(|line| line.starts_with("13 ")));
    }
}

/// Rows: E19.
#[test]
fn frames_that_say_nothing_of_the_run_are_passed_over() {
    let log = whole();
    for other in [
        "event: ping\ndata: {}\n\n",
        "event: heartbeat\ndata:\n\n",
        "event: run_event\ndata:\n\n",
        "event: run_event\ndata\n\n",
        "event: run_event\ndata:   \n\n",
        "event: run_event\n\n",
        ": keep-alive\n\n",
        "data: {\"seq\":999,\"type\":\"run.cancelled\"}\n\n",
        "event: Run_Event\ndata: {\"seq\":999,\"type\":\"run.cancelled\"}\n\n",
        "id: 999\n\n",
        "retry: 1000\n\n",
        "event: end\ndata: [DONE]\n\n",
    ] {
        let mut world = World::new("").approves();
        world.frames = Some(Box::new(move |frame| format!("{other}{frame}{other}")));
        assert_eq!(world.run("approve-email"), done(), "{other:?}");
        assert_eq!(world.log, log, "{other:?}");
        assert_eq!(
            world.count("retrying"),
            0,
            "{other:?}: {:#?}",
            world.reported
        );
    }
}

/// Rows: E20.
#[test]
fn one_event_that_cannot_be_read_is_skipped_and_its_position_is_not_taken() {
    let log = whole();
    for bad in [
        "{oops",
        "\"seq\":-7,",
        "\"seq\":18446744073709551616,",
        "\"no\":7,",
        "\"seq\":7.5,",
    ] {
        for listed in [true, false] {
            let missing = "[agent_harness]\nevents_missing = 405\n";
            let mut world = World::new(if listed { "" } else { missing }).approves();
            world.frames = Some(Box::new(move |frame| {
                if !is(&frame, 7) {
                    frame
                } else if bad == "{oops" {
                    frame.replace("data: {", "data: {oops")
                } else {
                    frame.replace("\"seq\":7,", bad)
                }
            }));
            assert_eq!(world.run("approve-email"), done(), "{bad}");
            let expected: Vec<&String> = log
                .iter()
                .filter(|line| listed || !line.starts_with("7 "))
                .collect();
            assert_eq!(world.log.iter().collect::<Vec<_>>(), expected, "{bad}");
            assert_eq!(world.asked("stream"), 1, "{bad}: no reason to reconnect");
            assert_eq!(world.count("could not be read"), 0, "{bad}");
        }
    }
    // Ten in a row: the connection is of no use, and the run is followed by its list.
    let mut world = World::new("").approves();
    world.frames = Some(Box::new(|frame| frame.replace("\"seq\":", "\"seq\":-")));
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(world.log, log);
    assert!(world.count("10 events in a row could not be read") >= 1);
    assert!(since(&world, "stream").iter().any(|one| one == "events"));
}

/// Rows: E22.
#[test]
fn a_stream_that_always_ends_at_once_is_opened_ever_more_seldom_until_it_brings_something() {
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 600)
        .with_input("interval_ms", 1000);
    let mut world = World::new("").faults(|endpoint, _, number| match (endpoint, number) {
        // The eleventh brings something new, and the next ones are empty again.
        ("stream", 10) => Fault::Cut(60_000),
        ("stream", _) => Fault::Cut(0),
        _ => Fault::None,
    });
    assert_eq!(world.run_job(&job, Policy::default()), done());
    assert_eq!(world.log.len(), 600 + 4);
    let waits = between_streams(&world);
    // Each backoff lies in the upper half of its ceiling: 0.5 s, doubled to 30 s.
    for (number, wait) in waits[..9].iter().enumerate() {
        let ceiling = (500 << number).min(30_000);
        let within = ceiling / 2..=ceiling + 1_000;
        assert!(within.contains(wait), "{number}: {waits:?}");
    }
    let fresh = &waits[11..14];
    assert!(fresh.iter().all(|wait| *wait < 10_000), "{waits:?}");
}

/// Rows: E24.
#[test]
fn a_proxy_that_hands_everything_over_at_the_end_costs_time_and_nothing_else() {
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 100)
        .with_input("interval_ms", 10_000);
    let mut plain = World::new("");
    assert_eq!(plain.run_job(&job, Policy::default()), done());
    for listed in ["", "[agent_harness]\nevents_missing = 405\n"] {
        let mut world = World::new(listed);
        let mut kept = String::new();
        world.frames = Some(Box::new(move |frame| {
            kept.push_str(&frame);
            if frame.contains("run.worker.succeeded") {
                std::mem::take(&mut kept)
            } else {
                String::new()
            }
        }));
        assert_eq!(world.run_job(&job, Policy::default()), done());
        assert_eq!(world.log, plain.log, "{:#?}", world.reported);
        assert!(
            world.count("nothing came for 300 s") >= 1,
            "{:#?}",
            world.reported
        );
        assert!(world.asked("read_run") > 3);
    }
}
