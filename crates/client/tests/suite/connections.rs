//! Which exchanges share a connection, and which have one of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use taskward_core::{ErrorKind, Policy, Retry};
use taskward_providers::nanonets::Job;

use super::exchange::client;
use super::probes::{chunked, wordy_chunks};
use super::stream::{STREAM_HEAD, Toy};
use super::support::{self, Ended, Gate, Probe, Server, ended, impatient};
use crate::adapter::{Client, block_on, calls};

/// Answers every request with the number of its connection, and keeps that open.
fn numbering() -> Server {
    Server::new(|conn, number| {
        while conn.request().is_some() {
            conn.json(&number.to_string());
        }
    })
}

#[test]
fn connections_are_kept_while_they_are_clean() {
    let server = Server::new(|conn, number| {
        while conn.request().is_some() {
            conn.say(format!(
                "HTTP/1.1 200 OK\r\nConn: {number}\r\nContent-Length: 2\r\n\r\n{{}}"
            ));
        }
    });
    let client = client(&server.url(), impatient());
    for result in calls(&client, &[Probe::get(), Probe::keyed("x"), Probe::get()]) {
        let reply = result.expect("a reply");
        assert_eq!(
            reply.head.headers.get("conn").map(|v| v.as_bytes()),
            Some(&b"0"[..])
        );
    }
    assert_eq!(server.seen().len(), 3);
}

/// Rows: B30.
#[test]
fn of_a_chunk_that_says_more_than_its_size_nothing_is_left_over() {
    for chunks in wordy_chunks() {
        for at_once in [true, false] {
            let server = chunked(&chunks, at_once);
            let client = client(&server.url(), impatient());
            for result in calls(&client, &[Probe::get(), Probe::post("x"), Probe::get()]) {
                assert_eq!(result.expect("a reply").body, "body", "{chunks:?}");
            }
            // The reads shared theirs.
            assert_eq!(server.connections(), 2, "{chunks:?}");
        }
    }
}

/// Rows: B32.
#[test]
fn fields_behind_a_chunked_body_change_nothing_and_its_connection_is_used_again() {
    let trailer = "Content-Length: 0\r\nContent-Encoding: gzip\r\nLocation: /elsewhere\r\nRetry-After: 3600\r\n";
    let many = "X-Trace: some of what a proxy has measured\r\n".repeat(40);
    for fields in [trailer, &many] {
        for at_once in [true, false] {
            let server = chunked(&format!("4\r\nbody\r\n0\r\n{fields}\r\n"), at_once);
            let client = client(&server.url(), impatient());
            for result in calls(&client, &[Probe::get(), Probe::get(), Probe::keyed("x")]) {
                let reply = result.expect("a reply");
                assert_eq!(reply.body, "body", "{fields:?}");
                assert!(
                    !reply.head.headers.contains_key("retry-after"),
                    "{fields:?}"
                );
            }
            assert_eq!(
                (server.seen().len(), server.connections()),
                (3, 1),
                "{fields:?}"
            );
        }
    }
}

/// Rows: B27.
#[test]
fn a_write_without_a_key_leaves_on_a_connection_of_its_own_and_all_else_shares_one() {
    let server = numbering();
    let client = client(&server.url(), impatient());
    let probes = [
        Probe::get(),
        Probe::keyed("x"),
        Probe::post("x"),
        Probe::get(),
        Probe::post("x"),
        Probe::keyed("x"),
    ];
    let on: Vec<_> = calls(&client, &probes)
        .into_iter()
        .map(|result| String::from_utf8_lossy(&result.expect("a reply").body).into_owned())
        .collect();
    assert_eq!(on, ["0", "0", "1", "0", "2", "0"]);
    assert_eq!(server.connections(), 3);
}

/// Rows: B27, C5.
#[test]
fn a_redirected_write_without_a_key_has_a_connection_of_its_own_each_time() {
    let server = Server::new(|conn, number| {
        while let Some(seen) = conn.request() {
            let moves = seen.line().starts_with("POST /probe?x=1 ");
            conn.say(match moves {
                true => "HTTP/1.1 307 Moved\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n".into(),
                false => support::ok(&number.to_string()),
            });
        }
    });
    let client = client(&server.url(), impatient());
    let results = calls(&client, &[Probe::get(), Probe::post("x"), Probe::get()]);
    let on: Vec<_> = results
        .into_iter()
        .map(|result| String::from_utf8_lossy(&result.expect("a reply").body).into_owned())
        .collect();
    assert_eq!(on, ["0", "2", "0"]);
}

/// Rows: B27.
#[test]
fn a_kept_connection_that_dies_under_a_request_makes_a_keyed_write_come_again_and_no_other_unknown()
{
    // Answers one request on each connection, and closes it once the next is there.
    let server = Server::new(|conn, number| {
        conn.request();
        conn.json(&number.to_string());
        conn.request();
    });
    let mut policy = impatient();
    policy.retry.writes = 2;
    policy.retry.base = Duration::from_millis(1);
    let client = client(&server.url(), policy);
    let probes = [Probe::get(), Probe::post("x"), Probe::keyed("x")];
    let results = calls(&client, &probes);
    assert!(results.iter().all(|result| ended(result) == Ended::Ok(200)));
    let seen: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| {
            (
                seen.line().to_owned(),
                seen.header("idempotency-key").is_some(),
            )
        })
        .collect();
    let line = |method: &str, keyed| (format!("{method} /probe?x=1 HTTP/1.1"), keyed);
    assert_eq!(
        seen,
        [
            line("GET", false),
            line("POST", false),
            line("POST", true),
            line("POST", true)
        ]
    );
}

/// The outcomes of starts whose server closed the connection of the lookup before them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Starts {
    /// Requests to start that reached the server.
    received: usize,
    started: usize,
    unknown: usize,
    failed: usize,
}

/// Makes a lookup and starts a task, so many times, against a server that closes the connection so long after the
/// reply to the lookup.
fn starts(runs: usize, delay: Duration) -> Starts {
    let received = Arc::new(AtomicUsize::new(0));
    let counter = received.clone();
    let server = Server::new(move |conn, _| {
        let Some(seen) = conn.request() else { return };
        if seen.line().starts_with("POST") {
            counter.fetch_add(1, Ordering::SeqCst);
            conn.json(r#"{"task_id":"6b1f6f1e-54a3-4d1c-9d6e-0d3e2c0a1b2c","status":"queued"}"#);
            return;
        }
        conn.json("{}");
        // The connection is closed this long after its reply, on a real socket: that moment is what is tried.
        std::thread::sleep(delay);
    });
    let mut starts = Starts::default();
    for _ in 0..runs {
        let client = client(&server.url(), impatient());
        let lookup = &calls(&client, &[Probe::get()])[0];
        assert_eq!(ended(lookup), Ended::Ok(200));
        let job = Job::agent("2f6d1c80-7a2f-4c0e-8a53-3f6b1d9a7e10").query("Extract.");
        match block_on(client.start(job)) {
            Ok(_) => starts.started += 1,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => starts.unknown += 1,
            Err(_) => starts.failed += 1,
        }
    }
    starts.received = received.load(Ordering::SeqCst);
    starts
}

/// The delays, in milliseconds, after which the server closes.
const DELAYS: [u64; 5] = [0, 1, 2, 3, 5];

fn check_starts(runs: usize, mut reported: impl FnMut(u64, &Starts)) {
    for delay in DELAYS {
        let starts = starts(runs, Duration::from_millis(delay));
        reported(delay, &starts);
        let expected = Starts {
            received: runs,
            started: runs,
            ..Starts::default()
        };
        assert_eq!(starts, expected, "after {delay} ms");
    }
}

/// Rows: B27.
#[test]
fn a_start_after_a_lookup_whose_connection_is_closed_meanwhile_is_never_unknown() {
    check_starts(8, |_, _| {});
}

#[test]
#[ignore = "two hundred starts for each delay: cargo xtask wire-test"]
fn starts_after_lookups_in_large() {
    const RUNS: usize = 200;
    println!("closed after  runs  received  started  unknown  failed");
    check_starts(RUNS, |delay, starts| {
        println!(
            "{delay:>9} ms  {RUNS:>4}  {:>8}  {:>7}  {:>7}  {:>6}",
            starts.received, starts.started, starts.unknown, starts.failed
        );
    });
}

/// Requests that somebody makes while a handler of the stream's task is busy.
pub(crate) const BESIDE: usize = 200;

/// A server whose streams end cleanly on connections that could be reused, and a client of it that retries nothing.
pub(crate) struct CleanEnds {
    server: Server,
    /// Requests of others received.
    beside: AtomicUsize,
    answered: AtomicBool,
    /// Opens once somebody else's request is under way.
    pub(crate) held: Gate,
    /// Opens once nobody follows the task any more.
    pub(crate) over: Gate,
}

impl CleanEnds {
    pub(crate) fn new() -> (Arc<Self>, Client<Toy>) {
        let ends = Arc::new_cyclic(|ends: &std::sync::Weak<Self>| {
            let ends = ends.clone();
            let server = Server::new(move |conn, _| {
                while let Some(seen) = conn.request() {
                    let Some(ends) = ends.upgrade() else { return };
                    let target = seen.line().split(' ').nth(1).unwrap_or_default();
                    // Only a stream that stays open and begins with the question proves that it is still asked.
                    if target.contains("/stream?after") {
                        drop(ends);
                        conn.say(STREAM_HEAD);
                        conn.say("data: 2 wait\n\n");
                        return conn.hold();
                    }
                    conn.say(ends.answer(target));
                }
            });
            Self {
                server,
                beside: AtomicUsize::new(0),
                answered: AtomicBool::new(false),
                held: Gate::default(),
                over: Gate::default(),
            }
        });
        let mut policy = Policy::default();
        policy.retry = Retry::none();
        let client = Client::builder()
            .api_key(support::key())
            .base_url(&ends.server.url())
            .policy(policy)
            .speed(20)
            .build()
            .expect("settings");
        (ends, client)
    }

    fn answer(&self, target: &str) -> String {
        let answered = self.answered.load(Ordering::SeqCst);
        match target.split('?').next().unwrap_or_default() {
            "/start" => support::ok("7"),
            "/t/7/say" => {
                self.answered.store(true, Ordering::SeqCst);
                support::ok("")
            }
            "/t/7/result" => support::ok("EUR"),
            "/t/7" if answered => support::ok("done"),
            "/t/7" => support::ok("waiting"),
            "/t/7/stream" => {
                let events = "data: 1 work\n\ndata: 2 wait\n\n";
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n0\r\n\r\n",
                    events.len()
                )
            }
            _ => {
                // One in the middle is not answered before the stream was dropped.
                if self.beside.fetch_add(1, Ordering::SeqCst) + 1 == BESIDE / 2 {
                    self.held.open();
                    self.over.wait();
                }
                support::ok("{}")
            }
        }
    }

    /// Returns how many requests for streams came, and how many of others.
    pub(crate) fn seen(&self) -> (bool, usize) {
        let seen = self.server.seen();
        let streams = seen.iter().filter(|seen| seen.line().contains("/stream"));
        (streams.count() > 0, self.beside.load(Ordering::SeqCst))
    }
}

/// Answers each request once `most` are there at the same time, or were; the other end counts how many there are.
pub(crate) fn crowded(most: usize) -> (Server, Arc<AtomicUsize>) {
    let (inside, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, highest) = (Arc::new(Gate::default()), peak.clone());
    let server = Server::new(move |conn, _| {
        while conn.request().is_some() {
            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(now, Ordering::SeqCst);
            if now == most {
                gate.open();
            }
            gate.wait();
            inside.fetch_sub(1, Ordering::SeqCst);
            conn.json("{}");
        }
    });
    (server, highest)
}

#[test]
fn a_client_without_a_connection_is_refused() {
    let built = Client::<taskward_providers::nanonets::Nanonets>::builder()
        .api_key(support::key())
        .base_url("http://127.0.0.1:1")
        .max_connections(0)
        .build();
    let error = built.expect_err("nothing could be sent");
    assert!(error.to_string().contains("max_connections"), "{error}");
}
