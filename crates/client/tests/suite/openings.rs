//! The request that opens a stream: head, redirects and the body of a refusal within the deadline, and an interrupt
//! that ends the wait for them.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use taskward_core::{Error, Outcome, Policy, RunResult, TaskId};

use super::stream::{Text, Toy};
use super::support::{self, Conn, Seen, Server};
use crate::adapter::{Client, follow};

/// What a server does with the request for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It says nothing.
    Withheld,
    /// It sends the client elsewhere, and says nothing there.
    Redirected,
    /// It refuses, byte by byte.
    Dripping,
}

pub(crate) const OPENINGS: [Opening; 3] =
    [Opening::Withheld, Opening::Redirected, Opening::Dripping];

impl Opening {
    /// Answers the request for a stream; the other end is gone when it returns.
    fn answer(self, conn: &mut Conn, target: &str) {
        match self {
            Self::Withheld => hold(conn),
            Self::Redirected if target == "/t/7/stream" => {
                conn.say("HTTP/1.1 307 Moved\r\nLocation: /t/7/moved\r\nContent-Length: 0\r\n\r\n");
            }
            Self::Redirected => hold(conn),
            Self::Dripping => {
                conn.say("HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n");
                while conn.say("x") {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// Returns the requests that this takes.
    fn targets(self) -> &'static [&'static str] {
        match self {
            Self::Withheld | Self::Dripping => &["/t/7/stream"],
            Self::Redirected => &["/t/7/stream", "/t/7/moved"],
        }
    }
}

/// Holds the connection open for as long as the other side does.
fn hold(conn: &mut Conn) {
    while conn.head().is_some() {}
}

/// Returns a task at work whose stream does not open, and a client that would wait for hours.
pub(crate) fn unopened(opening: Opening) -> (Server, Client<Toy>) {
    let server = Server::new(move |conn, _| {
        while let Some(seen) = conn.request() {
            match seen.line().split(' ').nth(1).unwrap_or_default() {
                "/t/7" => {
                    conn.json("running");
                }
                target => opening.answer(conn, target),
            }
        }
    });
    let hours = Duration::from_secs(10_000);
    let mut policy = Policy::default();
    policy.limits.head = hours;
    policy.limits.idle = hours;
    let client = Client::builder()
        .api_key(support::key())
        .base_url(&server.url())
        .policy(policy)
        .build()
        .expect("settings");
    (server, client)
}

/// Returns whether the first request for a stream came, and those that it was redirected to.
fn was_asked(seen: &[Seen], opening: Opening) -> bool {
    let targets = seen
        .iter()
        .filter_map(|seen| seen.line().split(' ').nth(1))
        .filter(|target| *target != "/t/7");
    targets
        .take(opening.targets().len())
        .eq(opening.targets().iter().copied())
}

/// Blocks until the stream was asked for.
pub(crate) fn wait_until_asked(server: &Server, opening: Opening) {
    server.wait_until(|seen| was_asked(seen, opening));
}

/// Longer than anything here takes, unless it takes hours.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// Follows the task with this deadline; returns its outcome and how long it took.
fn timed(opening: Opening, deadline: Duration) -> (Result<RunResult<Text>, Error>, Duration) {
    let (server, client) = unopened(opening);
    let (reported, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let started = Instant::now();
        let run = client.attach(TaskId::new("7")).deadline(deadline);
        // Nobody listens once it took too long.
        let _ = reported.send((follow(run), started.elapsed()));
    });
    let ended = ended.recv_timeout(GUARD);
    let ended = ended.unwrap_or_else(|_| panic!("{opening:?}: the deadline was not kept"));
    let seen = server.seen();
    assert!(was_asked(&seen, opening), "{opening:?}: {seen:?}");
    ended
}

fn check(end: Result<RunResult<Text>, Error>) {
    match end.expect("an end") {
        RunResult::Ended(Outcome::DeadlineExceeded { id, .. }) => {
            assert_eq!(id, Some(TaskId::new("7")));
        }
        other => panic!("{other:?}"),
    }
}

/// Rows: J9.
#[test]
fn a_stream_that_does_not_open_is_given_up_at_the_deadline() {
    for opening in OPENINGS {
        check(timed(opening, Duration::from_millis(300)).0);
    }
}

#[test]
#[ignore = "three seconds for each opening: cargo xtask wire-test"]
fn deadlines_of_openings_in_large() {
    const DEADLINE: Duration = Duration::from_secs(3);
    println!("stream        deadline  over after");
    for opening in OPENINGS {
        let (end, took) = timed(opening, DEADLINE);
        let opening = format!("{opening:?}");
        println!("{opening:<12}  {DEADLINE:>8.1?}  {took:>10.2?}");
        check(end);
        assert!(took >= DEADLINE && took < DEADLINE + Duration::from_secs(1));
    }
}
