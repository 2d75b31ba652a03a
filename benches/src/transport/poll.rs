//! Whole polls: build the request, send it, read and decode the reply, decide.

#![expect(
    clippy::async_yields_async,
    reason = "what is set up is awaited later, when it is measured"
)]

use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetTaskStatus;
use taskward::nanonets::types::TaskStatus;
use taskward_core::bytes::Bytes;
use taskward_core::{Outcome, RunResult, SecretString};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::{Taken, measured};
use crate::decode::Plain;

/// Polls under way at once, in the asynchronous clients.
pub const IN_FLIGHT: u64 = 256;

/// The clock of a followed task runs so much faster than the world that its waits cost no time, only their work.
const SPEED: u32 = 1_000_000;
/// The longest of these waits. A contender beside a followed task sleeps as long between two polls: a thread that the system
/// wakes for each reply costs other processor time than one that never rests.
const SLEEP: Duration = Duration::from_micros(10);
/// As random as a real one: a reply is searched for it.
const KEY: &str = "q7RzK2mXv9TbL4wYc8NfJ3hP";

/// A client that polls.
pub struct Poller {
    /// Its name in tables.
    pub name: &'static str,
    /// Polls so often in all; the first argument is the server's address.
    pub run: fn(&str, u64) -> Taken,
}

/// All of them: asynchronous ones with [`IN_FLIGHT`] polls under way, and blocking ones with one.
pub const POLLERS: [Poller; 11] = [
    Poller {
        name: "hyper-conn",
        run: |server, polls| at_once(server, polls, by_hand::<false, false>),
    },
    Poller {
        name: "hyper-conn+sleep",
        run: |server, polls| at_once(server, polls, by_hand::<false, true>),
    },
    Poller {
        name: "hyper-conn+serde",
        run: |server, polls| at_once(server, polls, by_hand::<true, false>),
    },
    Poller {
        name: "reqwest+serde",
        run: reqwest,
    },
    Poller {
        name: "async-call",
        run: call,
    },
    Poller {
        name: "async-follow",
        run: follow,
    },
    Poller {
        name: "ureq",
        run: ureq::<false, false>,
    },
    Poller {
        name: "ureq+sleep",
        run: ureq::<false, true>,
    },
    Poller {
        name: "ureq+serde",
        run: ureq::<true, false>,
    },
    Poller {
        name: "blocking-call",
        run: blocking_call,
    },
    Poller {
        name: "blocking-follow",
        run: blocking_follow,
    },
];

type Polling = Pin<Box<dyn Future<Output = u64>>>;

/// Runs as many pollers at once as are to be under way, each with its share, on this thread; what they set up is not
/// measured.
fn at_once<S: Future<Output = Polling>>(
    server: &str,
    polls: u64,
    set_up: impl Fn(String, u64, u64) -> S,
) -> Taken {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = LocalSet::new();
    let mut ready = Vec::new();
    for number in 0..IN_FLIGHT {
        let set_up = set_up(server.to_owned(), polls / IN_FLIGHT, number);
        ready.push(local.block_on(&runtime, set_up));
    }
    measured(|| {
        local.block_on(&runtime, async {
            let running: Vec<_> = ready.into_iter().map(tokio::task::spawn_local).collect();
            let mut requests = 0;
            for poller in running {
                requests += poller.await.expect("it does not panic");
            }
            requests
        })
    })
}

/// Returns a connection of hyper's, and nothing else.
async fn by_hand<const DECODE: bool, const SLEEPS: bool>(
    server: String,
    polls: u64,
    _number: u64,
) -> Polling {
    let stream = TcpStream::connect(&server).await.expect("the server");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::task::spawn_local(connection);
    Box::pin(async move {
        for _ in 0..polls {
            let request = hyper::Request::get("/api/v1/tasks/some")
                .header(HOST, &server)
                .header(ACCEPT, "application/json")
                .header(AUTHORIZATION, format!("Bearer {KEY}"))
                .body(Empty::<Bytes>::new())
                .expect("a request");
            sender.ready().await.expect("a connection");
            let reply = sender.send_request(request).await.expect("a reply");
            assert!(reply.status().is_success());
            let body = reply
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            check::<DECODE>(&body);
            if SLEEPS {
                tokio::time::sleep(SLEEP).await;
            }
        }
        polls
    })
}

/// What a client by hand does with a reply.
fn check<const DECODE: bool>(body: &[u8]) {
    if DECODE {
        let task: Plain = serde_json::from_slice(body).expect("a task");
        assert!(task.status == "running");
    } else {
        assert!(!body.is_empty());
    }
}

fn reqwest(server: &str, polls: u64) -> Taken {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    at_once(server, polls, |server, polls, _| {
        let client = client.clone();
        let url = format!("http://{server}/api/v1/tasks/some");
        async move {
            let poll = async move |client: &reqwest::Client| {
                let request = client
                    .get(&url)
                    .header(ACCEPT, "application/json")
                    .bearer_auth(KEY);
                let reply = request.send().await.expect("a reply");
                assert!(reply.status().is_success());
                check::<true>(&reply.bytes().await.expect("a body"));
            };
            poll(&client).await;
            Box::pin(async move {
                for _ in 0..polls {
                    poll(&client).await;
                }
                polls
            }) as Polling
        }
    })
}

pub(super) fn client(server: &str) -> taskward::Client<Nanonets> {
    taskward::Client::builder()
        .api_key(SecretString::from(KEY))
        .base_url(&format!("http://{server}"))
        .speed(SPEED)
        .build()
        .expect("a client")
}

/// Our operation, by itself.
fn call(server: &str, polls: u64) -> Taken {
    let client = client(server);
    at_once(server, polls, |_, polls, _| {
        let client = client.clone();
        async move {
            let poll = async move |client: &taskward::Client<Nanonets>| {
                let task = client
                    .call(GetTaskStatus::new("some"))
                    .await
                    .expect("a task");
                assert!(task.status == TaskStatus::Running);
            };
            poll(&client).await;
            Box::pin(async move {
                for _ in 0..polls {
                    poll(&client).await;
                }
                polls
            }) as Polling
        }
    })
}

/// Tasks of ours that are followed to their ends; the read of the answer counts as a request.
fn follow(server: &str, polls: u64) -> Taken {
    let client = client(server);
    at_once(server, polls, |_, polls, number| {
        let client = client.clone();
        async move {
            client
                .call(GetTaskStatus::new("some"))
                .await
                .expect("a task");
            Box::pin(async move {
                let end = client.attach(format!("{polls}-{number}")).await;
                assert!(matches!(
                    end,
                    Ok(RunResult::Ended(Outcome::Succeeded { .. }))
                ));
                polls + 1
            }) as Polling
        }
    })
}

fn ureq<const DECODE: bool, const SLEEPS: bool>(server: &str, polls: u64) -> Taken {
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().proxy(None).build());
    let url = format!("http://{server}/api/v1/tasks/some");
    let poll = || {
        let request = agent
            .get(&url)
            .header("accept", "application/json")
            .header("authorization", format!("Bearer {KEY}"));
        let mut reply = request.call().expect("a reply");
        check::<DECODE>(&reply.body_mut().read_to_vec().expect("a body"));
        if SLEEPS {
            std::thread::sleep(SLEEP);
        }
    };
    poll();
    measured(|| {
        (0..polls).for_each(|_| poll());
        polls
    })
}

pub(super) fn blocking(server: &str) -> taskward::blocking::Client<Nanonets> {
    taskward::blocking::Client::builder()
        .api_key(SecretString::from(KEY))
        .base_url(&format!("http://{server}"))
        .speed(SPEED)
        .build()
        .expect("a client")
}

fn blocking_call(server: &str, polls: u64) -> Taken {
    let client = blocking(server);
    let poll = || {
        let task = client.call(GetTaskStatus::new("some")).expect("a task");
        assert!(task.status == TaskStatus::Running);
    };
    poll();
    measured(|| {
        (0..polls).for_each(|_| poll());
        polls
    })
}

fn blocking_follow(server: &str, polls: u64) -> Taken {
    let client = blocking(server);
    client.call(GetTaskStatus::new("some")).expect("a task");
    measured(|| {
        let end = client.attach(format!("{polls}-0")).wait();
        assert!(matches!(
            end,
            Ok(RunResult::Ended(Outcome::Succeeded { .. }))
        ));
        polls + 1
    })
}
