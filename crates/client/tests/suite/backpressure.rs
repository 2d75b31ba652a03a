//! A caller that follows a stream may be slow: the server waits for it, and that time does not count as silence.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use taskward_core::{Answer, Event, Output as _, Policy};

use super::stream::{STREAM_HEAD, Work, setup_with};
use super::support::Conn;
use crate::adapter::{follow, handler};

/// A second of the world, for a client that is twenty times as fast.
const IDLE: Duration = Duration::from_secs(20);
/// More than twice as long.
const AWAY: Duration = Duration::from_millis(2200);

/// Gives up on silent streams after [`IDLE`].
fn impatient() -> Policy {
    let mut policy = Policy::default();
    policy.limits.stream_idle = IDLE;
    policy
}

/// Says something without a meaning until `done`.
fn heartbeat(conn: &mut Conn, done: impl Fn() -> bool) {
    while !done() && conn.say(":\n\n") {
        sleep(Duration::from_millis(50));
    }
}

fn requests(server: &super::support::Server, target: &str) -> usize {
    let asks = |seen: &&super::support::Seen| seen.line().contains(target);
    server.seen().iter().filter(asks).count()
}

/// Follows a stream whose caller is away in the hook of its first event for so long, and in the handler of its question.
fn follow_slowly(in_hook: Duration, in_handler: Duration) {
    let back = Arc::new(AtomicBool::new(false));
    let came_back = back.clone();
    let (server, _platform, client) = setup_with(impatient(), move |platform, conn, _| {
        conn.say(STREAM_HEAD);
        conn.say("data: 1 work\n\n");
        heartbeat(conn, || came_back.load(Ordering::SeqCst));
        conn.say("data: 2 wait\n\n");
        heartbeat(conn, || platform.answered());
        conn.say("data: 3 work\n\ndata: 4 end\n\n");
        conn.hold();
    });
    let reported = Arc::new(Mutex::new(Vec::new()));
    let log = reported.clone();
    let end = follow(
        client
            .run(Work)
            .on_event(move |reported| match &reported.event {
                Event::Provider(event) => {
                    log.lock().expect("log").push(event.name.clone());
                    if event.name == "work" && !back.swap(true, Ordering::SeqCst) {
                        sleep(in_hook);
                    }
                }
                Event::Retrying { failed, .. } => panic!("the stream was given up: {failed}"),
                _ => {}
            })
            .on_question(handler(move |_| {
                sleep(in_handler);
                Ok(Answer::text("EUR"))
            })),
    );
    let answer = end.expect("an end").into_answer().expect("an answer");
    assert_eq!(answer.text().as_deref(), Some("EUR"));
    let reported = reported.lock().expect("log").clone();
    assert_eq!(reported, ["work", "wait", "work", "end"]);
    assert_eq!(requests(&server, "/stream"), 1);
    assert_eq!(requests(&server, "/say"), 1);
}

#[test]
fn time_that_a_hook_takes_is_no_silence() {
    follow_slowly(AWAY, Duration::ZERO);
}

#[test]
fn time_that_a_handler_takes_is_no_silence() {
    follow_slowly(Duration::ZERO, AWAY);
}

#[test]
fn a_server_that_is_silent_is_asked_for_another_stream() {
    let streams = AtomicUsize::new(0);
    let (server, _platform, client) = setup_with(impatient(), move |platform, conn, _| {
        conn.say(STREAM_HEAD);
        let is_first = streams.fetch_add(1, Ordering::SeqCst) == 0;
        platform.works.store(is_first, Ordering::SeqCst);
        if is_first {
            conn.say("data: 1 work\n\n");
            return conn.hold();
        }
        conn.say("data: 2 wait\n\n");
        heartbeat(conn, || platform.answered());
        conn.say("data: 3 end\n\n");
        conn.hold();
    });
    let started = Instant::now();
    let run = client
        .run(Work)
        .on_question(handler(|_| Ok(Answer::text("EUR"))));
    follow(run)
        .expect("an end")
        .into_answer()
        .expect("an answer");
    assert!(started.elapsed() >= IDLE / 20);
    assert_eq!(requests(&server, "/stream"), 2);
}

/// Rows: E23.
#[test]
fn a_server_that_is_faster_than_its_reader_waits_for_it() {
    const EVENTS: usize = 20_000;
    /// What the buffers of two sockets may hold, and a reader's own.
    const AHEAD: usize = 16 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let (server, _platform, client) = setup_with(Policy::default(), move |platform, conn, _| {
        conn.say(STREAM_HEAD);
        let word = "x".repeat(2000);
        for number in 1..=EVENTS {
            let event = format!("data: {number} {word}\n\n");
            if !conn.say(&event) {
                return;
            }
            counted.fetch_add(event.len(), Ordering::SeqCst);
        }
        conn.say(format!("data: {} wait\n\n", EVENTS + 1));
        heartbeat(conn, || platform.answered());
        conn.say(format!("data: {} end\n\n", EVENTS + 2));
        conn.hold();
    });
    let next = Arc::new(AtomicUsize::new(1));
    let expected = next.clone();
    let run = client
        .run(Work)
        .on_event(move |event| {
            if let Event::Provider(event) = &event.event {
                let number = expected.fetch_add(1, Ordering::SeqCst);
                assert_eq!(event.seq.map(|p| p.0), Some(number as u64));
                if number == 100 {
                    let before = sent.load(Ordering::SeqCst);
                    sleep(Duration::from_millis(700));
                    let more = sent.load(Ordering::SeqCst) - before;
                    assert!(more < AHEAD, "{more} bytes came while nobody read");
                }
            }
        })
        .on_question(handler(|_| Ok(Answer::text("EUR"))));
    follow(run)
        .expect("an end")
        .into_answer()
        .expect("an answer");
    assert_eq!(next.load(Ordering::SeqCst), EVENTS + 3);
    assert_eq!(requests(&server, "/stream"), 1);
}
