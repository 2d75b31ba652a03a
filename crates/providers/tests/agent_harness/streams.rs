//! The stream: cut anywhere, replayed in any way, missing altogether.

use taskward_core::Policy;
use taskward_providers::agent_harness::Job;

use crate::world::{Ended, Fault, World, outcome};
use crate::{REPLAYS, replaying};

fn done() -> Ended {
    outcome("succeeded succeeded")
}

/// A run of few events, so that every one of its bytes can be cut at.
const SHORT: &str = r#"
    [[run]]
    name = "short"
    steps = [
        { delta = "Hello “team”." },
        { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
        { run = "1s" },
        { succeed = true },
    ]
"#;

/// Returns the event log of an uncut run.
fn whole(scenario: &str) -> Vec<String> {
    let mut world = World::new(SHORT).approves();
    assert_eq!(world.run(scenario), done());
    assert_eq!(world.count("retrying"), 0, "{:#?}", world.reported);
    world.log
}

#[test]
fn a_run_is_followed_by_its_stream_and_judged_by_its_own_read() {
    let mut world = World::new("").approves();
    assert_eq!(world.run("approve-email"), done());
    assert_eq!(
        world.requests,
        [
            "create_run",
            "stream",
            "read_run",
            "read_run",
            "events",
            "events",
            "signal",
            "read_run"
        ]
    );
    assert_eq!(
        world.reported,
        [
            "started replayed false",
            "status running",
            "status awaiting_input",
            "question 13 Approval",
            "answered 13 Applied",
            "status succeeded",
        ]
    );
    assert_eq!(world.log.first().map(String::as_str), Some("1 run.created"));
    assert!(
        world
            .log
            .last()
            .is_some_and(|last| last.ends_with("run.worker.succeeded"))
    );
}

/// Rows: E13, E15, E18, E21.
#[test]
fn a_stream_cut_at_any_byte_yields_the_uncut_log_and_outcome_in_every_way_of_replaying() {
    for (run, step) in [("short", 1), ("approve-email", 23)] {
        let log = whole(run);
        for replay in REPLAYS {
            let mut cut = 0;
            loop {
                let mut world = World::new(&format!("{}{SHORT}", replaying(replay)))
                    .approves()
                    .faults(move |endpoint, _, number| match (endpoint, number) {
                        ("stream", 0) => Fault::Cut(cut),
                        _ => Fault::None,
                    });
                world.judged = step > 1;
                assert_eq!(world.run(run), done(), "{replay}, cut at {cut}");
                assert_eq!(
                    world.log, log,
                    "{replay}, cut at {cut}: {:#?}",
                    world.reported
                );
                assert_eq!(world.count("Gap"), 0, "{replay}, cut at {cut}");
                let stats = world.stats();
                let once = (
                    stats.starts,
                    stats.waits[0].received,
                    stats.waits[0].applied,
                );
                assert_eq!(once, (1, 1, 1), "{replay}, cut at {cut}");
                if world.count("retrying") == 0 {
                    break;
                }
                cut += step;
            }
            assert!(cut > 600, "{replay}: the stream is longer than {cut} bytes");
        }
    }
}

#[test]
fn every_connection_of_a_stream_may_be_cut() {
    let log = whole("two-waits");
    for replay in REPLAYS {
        for step in [1, 7, 150, 400, 1000] {
            let mut world =
                World::new(&replaying(replay))
                    .approves()
                    .faults(move |endpoint, _, number| {
                        if endpoint == "stream" {
                            Fault::Cut(step * (number + 1))
                        } else {
                            Fault::None
                        }
                    });
            assert_eq!(
                world.run("two-waits"),
                done(),
                "{replay}, {step}: {:#?}",
                world.reported
            );
            assert_eq!(world.log, log, "{replay}, {step}");
            for wait in world.stats().waits {
                assert_eq!((wait.received, wait.applied), (1, 1), "{replay}, {step}");
            }
        }
    }
}

#[test]
fn the_pieces_in_which_a_stream_comes_do_not_matter() {
    let log = whole("approve-email");
    for chunk in [1, 2, 3, 64, 1000] {
        let mut world = World::new("").approves();
        world.chunk = chunk;
        assert_eq!(world.run("approve-email"), done());
        assert_eq!(world.log, log, "{chunk}");
    }
}

#[test]
fn numbers_with_holes_and_other_line_endings_are_no_loss() {
    for switches in [
        "seq_step = 7",
        "line_ending = \"crlf\"",
        "line_ending = \"cr\"",
        "event_ids = true",
        "ping_ms = 50",
        "heartbeat_ms = 20",
    ] {
        for replay in REPLAYS {
            let scenario = format!("{}{switches}\n", replaying(replay));
            let mut uncut = World::new(&scenario).approves();
            assert_eq!(
                uncut.run("approve-email"),
                done(),
                "{switches} {:#?}",
                uncut.reported
            );
            for cut in [0, 300, 901, 1500] {
                let mut world =
                    World::new(&scenario)
                        .approves()
                        .faults(move |endpoint, _, number| {
                            if endpoint == "stream" && number == 0 {
                                Fault::Cut(cut)
                            } else {
                                Fault::None
                            }
                        });
                assert_eq!(
                    world.run("approve-email"),
                    done(),
                    "{switches}, {replay}, {cut}"
                );
                assert_eq!(world.log, uncut.log, "{switches}, {replay}, {cut}");
                assert_eq!(world.count("Gap"), 0, "{switches}, {replay}, {cut}");
            }
        }
    }
}

/// Rows: D14.
#[test]
fn a_run_without_a_stream_is_followed_by_its_list_of_events() {
    let log = whole("approve-email");
    for code in [404, 405, 406] {
        for pages in [
            "events_wrapper = \"bare\"",
            "events_wrapper = \"data\"\ncursor_name = \"cursor\"\nevent_page_size = 3",
            "events_wrapper = \"items\"\ncursor_type = \"integer\"\nevent_page_size = 1",
            "cursor_ends = true\nevent_page_size = 2",
        ] {
            let scenario = format!("[agent_harness]\nstream_missing = {code}\n{pages}\n");
            let mut world = World::new(&scenario).approves();
            assert_eq!(
                world.run("approve-email"),
                done(),
                "{code} {pages}: {:#?}",
                world.reported
            );
            assert_eq!(world.log, log, "{code} {pages}");
            // A 404 soon after the start may be a run that is not visible yet.
            let most = if code == 404 { 6 } else { 1 };
            assert!(world.asked("stream") <= most, "{code} {pages}");
        }
    }
}

#[test]
fn a_page_without_a_list_of_events_is_no_empty_page() {
    let scenario = "[agent_harness]\nstream_missing = 404\nevents_wrapper = \"results\"\n";
    let mut world = World::new(scenario).approves();
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert!(world.count("the list of events") > 0);
    assert!(world.log.is_empty());
}

#[test]
fn a_run_without_stream_and_list_is_followed_by_its_status_alone() {
    let scenario = "[agent_harness]\nstream_missing = 404\nevents_missing = 405\n";
    let mut world = World::new(scenario).approves();
    assert_eq!(world.run("two-waits"), done(), "{:#?}", world.reported);
    assert_eq!(world.asked("events"), 1);
    assert_eq!(world.count("question stand-in"), 2, "{:#?}", world.reported);
    for wait in world.stats().waits {
        assert_eq!((wait.received, wait.applied), (1, 1));
    }
}

/// Rows: E22.
#[test]
fn a_stream_that_opens_well_and_dies_at_once_costs_little_for_ten_minutes() {
    let mut world = World::new("").faults(|endpoint, _, _| {
        if endpoint == "stream" {
            Fault::Cut(0)
        } else {
            Fault::None
        }
    });
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 600)
        .with_input("interval_ms", 1000);
    assert_eq!(world.run_job(&job, Policy::default()), done());
    assert_eq!(world.log.len(), 600 + 4, "{:?}", world.log.last());
    let streams = world.asked("stream");
    assert!(
        (15..=45).contains(&streams),
        "{streams} streams in ten minutes"
    );
    let reads = world.asked("read_run");
    assert!(reads <= 110, "{reads} reads in ten minutes");
    assert_eq!(
        world.count("retrying the server ended the stream") + world.count("retrying cut"),
        streams
    );
}

#[test]
fn a_stream_that_opens_well_and_stays_empty_hides_nothing() {
    // Alive by its heartbeats, and without events.
    let mut world = World::new("[agent_harness]\nreplay = \"live_only\"\n").approves();
    world.faults = Box::new(|_, _, _| Fault::None);
    world.chunk = 0;
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert_eq!(world.log, whole("approve-email"));
}

/// Rows: I7.
#[test]
fn a_run_that_is_not_visible_yet_is_waited_for() {
    let log = whole("approve-email");
    for replay in REPLAYS {
        let scenario = format!("{}new_run_hidden_ms = 6000\n", replaying(replay));
        let mut world = World::new(&scenario).approves();
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        assert_eq!(world.log, log, "{replay}: {:#?}", world.reported);
    }
}

#[test]
fn a_stream_that_recovers_is_followed_again() {
    let mut world = World::new("").faults(|endpoint, _, number| match endpoint {
        "stream" if number < 8 => Fault::Status(503),
        _ => Fault::None,
    });
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 7200)
        .with_input("interval_ms", 1000);
    assert_eq!(world.run_job(&job, Policy::default()), done());
    assert_eq!(world.log.len(), 7200 + 4);
    assert_eq!(world.asked("stream"), 9, "{:#?}", world.reported);
    // Two hours: reads while the stream was away, and a cross-check now and then.
    assert!(world.asked("read_run") < 45, "{}", world.asked("read_run"));
}

/// Rows: E13, E20.
#[test]
fn what_a_stream_drops_in_the_middle_is_read_from_the_list() {
    let log = whole("approve-email");
    let drops: [fn(String) -> Option<String>; 3] = [
        |frame| (!frame.contains("\"seq\":4,")).then_some(frame),
        |frame| (!frame.contains("run.awaiting_input")).then_some(frame),
        |frame| Some(frame.replace("{\"seq\":7,", "{\"seq\":7")),
    ];
    for drop in drops {
        let mut world = World::new("").approves();
        world.mangle = drop;
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        assert_eq!(world.log, log);
    }
    // Where numbers have holes anyway, the list is read for the first of them and not again.
    let mut world = World::new("[agent_harness]\nseq_step = 5\n");
    let job = Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 500);
    assert_eq!(world.run_job(&job, Policy::default()), done());
    assert!(world.asked("events") <= 9, "{}", world.asked("events"));
}

/// Rows: E20.
#[test]
fn events_that_cannot_be_read_are_skipped_and_ten_of_them_send_us_to_the_list() {
    // Over the stream every event comes broken; the list tells them whole.
    let mut world = World::new("").approves();
    world.mangle = |frame| Some(frame.replace("\"seq\":", "\"sequence\":"));
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert_eq!(world.log, whole("approve-email"));
    assert!(world.count("10 events in a row could not be read") >= 1);
}

#[test]
fn a_question_that_only_the_run_shows_is_the_one_that_its_event_tells_later() {
    let scenario = "[agent_harness]\nwait_event_delay_ms = 1800000\n";
    let mut world = World::new(scenario).answers(1_800_000, vec![taskward_core::Answer::Approve]);
    assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
    assert_eq!(world.count("question"), 1, "{:#?}", world.reported);
    assert_eq!(world.count("Identified"), 1, "{:#?}", world.reported);
    assert_eq!(world.stats().waits[0].received, 1);
}

/// Rows: E3, E4.
#[test]
fn eight_hours_of_silence_cost_a_read_now_and_then() {
    let mut world = World::new("").answers(8 * 3_600_000, vec![taskward_core::Answer::Approve]);
    assert_eq!(world.run("approve-email"), done());
    assert!(world.asked("read_run") <= 55, "{}", world.asked("read_run"));
    assert_eq!(world.asked("stream"), 1);
    // Without heartbeats the silence is judged, and nothing is lost by it.
    let mut world = World::new("[agent_harness]\nheartbeat_ms = 0\n")
        .answers(3_600_000, vec![taskward_core::Answer::Approve]);
    assert_eq!(world.run("approve-email"), done());
    assert!(world.count("nothing came for 300 s") >= 10);
    assert_eq!(world.count("question"), 1);
    assert_eq!(world.log, whole("approve-email"));
}

#[test]
fn random_faults_on_everything_change_neither_log_nor_outcome() {
    let log = whole("two-waits");
    for seed in 0..100_u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let replay = REPLAYS[usize::try_from(seed % 3).expect("small")];
        let scenario = format!(
            "{}signal_delay_ms = {}\nend_delay_ms = {}\nwait_status_delay_ms = {}\nsignal_idempotency = {}\n",
            replaying(replay),
            rng.u64(..3000),
            rng.u64(..20_000),
            rng.u64(..3000),
            rng.bool()
        );
        let mut world = World::new(&scenario)
            .approves()
            .faults(move |endpoint, _, number| {
                // In the end the network heals.
                if number > 40 || endpoint == "create_run" && number > 1 || rng.u8(..100) >= 30 {
                    return Fault::None;
                }
                match (endpoint, rng.u8(..7)) {
                    ("stream", 0..=3) => Fault::Cut(rng.usize(..3000)),
                    (_, 0) => Fault::Refuse,
                    (_, 1) => Fault::Reset,
                    (_, 2) => Fault::Status([500, 502, 503, 504, 429][rng.usize(..5)]),
                    (_, 3) => Fault::Html,
                    _ => Fault::Lost(rng.usize(..400)),
                }
            });
        let ended = world.run("two-waits");
        // A run that reads as before for long, and is read with difficulty, may not be confirmed in time.
        let succeeded = matches!(&ended, Ended::Outcome(text) if text.starts_with("succeeded"));
        assert!(succeeded, "seed {seed}: {ended:?} {:#?}", world.reported);
        let stats = world.stats();
        assert_eq!(stats.starts, 1, "seed {seed}");
        for wait in &stats.waits {
            assert_eq!(wait.applied, 1, "seed {seed}");
            assert_eq!(
                wait.received - wait.replayed - wait.refused,
                1,
                "seed {seed}"
            );
        }
        assert_eq!(world.log, log, "seed {seed}: {:#?}", world.reported);
    }
}
