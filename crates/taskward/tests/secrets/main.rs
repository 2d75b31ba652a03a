//! A key goes where it belongs and is found nowhere else: not in what is shown, reported, stored, logged or traced, by
//! either adapter, whatever goes wrong.
#![cfg(all(feature = "async", feature = "blocking"))]
#![allow(missing_docs)]

mod follow;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{OnceLock, PoisonError};

use serde_json::json;
use taskward::agent_harness::{self, AgentHarness};
use taskward::core::http::{HeaderValue, Method, uri::PathAndQuery};
use taskward::core::{Credential, KeyHeader, SecretString};
use taskward::core::{Origin, Request};
use taskward::nanonets::{self, Nanonets};
use taskward::{Error, ErrorKind, Provider, Snapshot};
use taskward_sim::{Fault, FaultRule, Sim};

use follow::{Access, Goal, SPEED, Said};

/// A key that is nobody's.
const CANARY: &str = "canary-4f1c2b7e9d";

/// Another, for servers that say it back: what they send is logged as it comes by a library below the adapter.
const ECHOED: &str = "echoed-4f1c2b7e9d";

/// Follows a task with both adapters, under a bearer key.
fn both<P: Provider>(said: &Said, (url, key): (&str, &str), goal: impl Fn() -> Goal<P>) {
    let access = Access::Key(SecretString::from(key));
    follow::both(said, (url, &access), goal);
}

/// Everything of these channels was collected, and there is no secret in any.
fn hides(said: &Said, secrets: &[&str], channels: &[&str]) {
    let said = said.0.lock().unwrap_or_else(PoisonError::into_inner);
    for channel in channels {
        assert!(said.contains_key(channel), "nothing was heard of {channel}");
    }
    for (channel, text) in said.iter() {
        for secret in secrets {
            if let Some(at) = text.find(secret) {
                let around = text[..at]
                    .char_indices()
                    .rev()
                    .nth(300)
                    .map_or(0, |(at, _)| at);
                panic!("{channel} holds the key, after {}", &text[around..at]);
            }
        }
    }
}

/// Everything that libraries and adapters log, at the finest level, from the first test of this process on.
fn logged() -> &'static Said {
    static LOGGED: OnceLock<Said> = OnceLock::new();
    struct Log(Said);
    impl log::Log for Log {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            let text = record.args().to_string();
            self.0.say("log", &format!("{} {text}", record.target()));
            // ureq dumps what it sends and receives, 16 bytes to a line, in hexadecimal and as text: a key is on two.
            if record.target() == "ureq_proto::util" {
                let text: Vec<char> = text.chars().collect();
                let row: String = text[text.len().saturating_sub(16)..].iter().collect();
                self.0.append("dump", &row);
            }
        }
        fn flush(&self) {}
    }
    struct Traced(Said);
    impl std::io::Write for Traced {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.say("trace", &String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    LOGGED.get_or_init(|| {
        let said = Said::default();
        log::set_boxed_logger(Box::new(Log(said.clone()))).expect("the only logger");
        log::set_max_level(log::LevelFilter::Trace);
        let traced = said.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || Traced(traced.clone()))
            .init();
        said
    })
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
        after_bytes: None,
    }
}

/// Rows: L5.
#[test]
fn no_channel_holds_the_key_whatever_goes_wrong() {
    let said = logged();
    let sim = Sim::builder()
        .speed(f64::from(SPEED))
        .record_bodies()
        .spawn()
        .expect("a simulator");
    let (of_nanonets, of_harness) = (sim.nanonets(), sim.harness());
    let (_, secret) = of_harness
        .api_key
        .split_once(':')
        .expect("an id and a secret");
    let agent = |name: &str| {
        let id = sim.agent(name);
        move || Goal::<Nanonets>::Start(nanonets::Job::agent(&id).query("hi"))
    };
    let run = |scenario: &'static str| {
        move || {
            let input = json!({ "scenario": scenario }).as_object().cloned();
            Goal::<AgentHarness>::Start(agent_harness::Job::input(input.expect("an object")))
        }
    };
    let first = (of_nanonets.base_url.as_str(), of_nanonets.api_key.as_str());
    let second = (of_harness.base_url.as_str(), of_harness.api_key.as_str());
    let faults = |rules: Vec<FaultRule>| sim.set_faults(rules);

    for name in ["echo", "asker", "failing"] {
        both(said, first, agent(name));
    }
    for name in ["approve-email", "needs-input", "limit"] {
        both(said, second, run(name));
    }
    // Refused keys are keys, too.
    let (wrong, wrong_pair) = ("sim_key_canary-4f1c2b7e9d", "key_sim_x:canary-4f1c2b7e9d");
    both(said, (first.0, wrong), agent("echo"));
    both(said, (second.0, wrong_pair), run("limit"));
    both(said, first, || {
        Goal::<Nanonets>::Attach("00000000-0000-4000-8000-000000000000")
    });

    for fault in [
        Fault::Reset { after_bytes: None },
        Fault::CloseBeforeHead,
        Fault::CutHead { bytes: 20 },
        Fault::CutBody { bytes: 20 },
        Fault::TruncatedJson,
        Fault::Html200,
        Fault::Redirect {
            to: Some("https://elsewhere.example/x".into()),
            code: 307,
        },
        Fault::LostReplyAfterApply { after_bytes: 30 },
        status(500),
        status(403),
        status(429),
    ] {
        for endpoint in [
            "run",
            "create_run",
            "status",
            "read_run",
            "stream",
            "summary",
            "message",
            "signal",
        ] {
            faults(vec![FaultRule::new(fault.clone()).on(endpoint).count(3)]);
            match endpoint {
                "run" | "status" => both(said, first, agent("echo")),
                "summary" | "message" => both(said, first, agent("asker")),
                _ => both(said, second, run("approve-email")),
            }
        }
    }
    faults(Vec::new());

    // A panic that shows all there is to show.
    let hook = std::panic::take_hook();
    let panics = said.clone();
    std::panic::set_hook(Box::new(move |panic| {
        panics.say("panic", &panic.to_string())
    }));
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(first.1.into())
        .base_url(first.0);
    let client = client.build().expect("settings");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("{client:?}")));
    std::panic::set_hook(hook);
    assert!(caught.is_err());

    said.show("simulator", &sim.requests());
    said.say("simulator", &service(&sim.url(), "/_sim/requests"));
    hides(
        said,
        &[first.1, secret, wrong, CANARY],
        &[
            "builder",
            "client",
            "run",
            "event",
            "snapshot",
            "end",
            "error",
            "log",
            "dump",
            "trace",
            "panic",
            "simulator",
        ],
    );
}

/// Returns what a service request of the simulator answers.
fn service(url: &str, path: &str) -> String {
    let host = url.strip_prefix("http://").expect("a URL");
    let mut tcp = TcpStream::connect(host).expect("it listens");
    write!(
        tcp,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("asked");
    let mut text = String::new();
    tcp.read_to_string(&mut text).expect("text");
    assert!(text.contains("/api/v1/tasks"), "{text}");
    text
}

/// Rows: L5.
#[test]
fn nothing_that_can_hold_the_key_shows_it() {
    let said = Said::default();
    for key in [CANARY, "key_id:canary-4f1c2b7e9d"] {
        let secret = SecretString::from(key);
        said.show("secret", &secret);
        let credential = Credential::bearer(&secret).expect("a key");
        said.show("credential", &credential);
        let origin = Origin::parse("https://h.example", "").expect("an origin");
        let request =
            Request::json(Method::POST, PathAndQuery::from_static("/x"), &"x").expect("a request");
        said.show("request", &request);
        let sealed = origin.seal(&request, &credential, &HeaderValue::from_static("x"));
        said.show("sealed", &sealed);
        // A library shows the headers of what it could not send.
        said.show("sealed", &sealed.headers());
    }
    let canary = SecretString::from(CANARY);
    let key_header = KeyHeader::new("X-Api-Key").expect("a name");
    let pair = Credential::basic("ann", &canary).expect("a pair");
    let key = Credential::api_key(key_header, &canary).expect("a key");
    for credential in [pair, key] {
        said.show("credential", &credential);
        let client = taskward::Client::<Nanonets>::builder().credential(credential);
        said.show("credential", &client);
        let elsewhere = client.discovered_url("https://h.example").build();
        said.error(&elsewhere.expect_err("refused"));
    }
    let refused = Credential::basic("an:n", &canary).expect_err("refused");
    said.show("refusal", &refused);
    for wrong in [
        "canary-4f1c2b7e9d\nX: y",
        "“canary-4f1c2b7e9d”",
        "Bearer canary-4f1c2b7e9d",
    ] {
        let error = Credential::bearer(&wrong.into()).expect_err("refused");
        said.show("refusal", &error);
        said.say("refusal", &error.to_string());
        let client = taskward::Client::<Nanonets>::builder().api_key(wrong.into());
        said.error(&client.build().expect_err("refused"));
        let client = taskward::blocking::Client::<AgentHarness>::builder().api_key(wrong.into());
        said.error(&client.build().expect_err("refused"));
    }
    hides(
        &said,
        &[CANARY, "Y2FuYX", "NhbmFy"],
        &[
            "secret",
            "credential",
            "request",
            "sealed",
            "refusal",
            "error",
        ],
    );
}

/// Returns a server that refuses everything and sends the key back, in every place that it has.
fn echoing() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for (number, tcp) in listener.incoming().enumerate() {
            let Ok(mut tcp) = tcp else { return };
            let mut reader = BufReader::new(tcp.try_clone().expect("the socket"));
            let (mut key, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "authorization" | "x-api-key" => value.clone_into(&mut key),
                    "content-length" => length = value.parse().expect("a length"),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            // Whether the other side still listens is its own affair.
            let _ = reader.read_exact(&mut body);
            let code = [400, 401, 404, 500, 302][number % 5];
            let body =
                json!({ "error": format!("you said {key}"), "code": key, "request_id": key })
                    .to_string();
            let _ = write!(
                tcp,
                "HTTP/1.1 {code} {key}\r\nX-Request-Id: {key}\r\nLocation: https://elsewhere.example/?k={}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                key.trim_start_matches("Bearer "),
                body.len()
            );
        }
    });
    url
}

/// Rows: L6, L21.
#[test]
fn a_key_that_the_server_says_back_is_neither_told_nor_stored() {
    let said = Said::default();
    let url = echoing();
    for _ in 0..5 {
        both(&said, (&url, ECHOED), || {
            Goal::<Nanonets>::Start(nanonets::Job::agent("a").query("hi"))
        });
        both(&said, (&url, "key_id:echoed-4f1c2b7e9d"), || {
            Goal::<AgentHarness>::Attach("run_1")
        });
    }
    let secret = SecretString::from(ECHOED);
    let header = KeyHeader::new("X-Api-Key").expect("a name");
    for credential in [
        Credential::basic("ann", &secret).expect("a pair"),
        Credential::api_key(header, &secret).expect("a key"),
    ] {
        let access = Access::Other(credential);
        for _ in 0..5 {
            follow::both(&said, (&url, &access), || {
                Goal::<Nanonets>::Start(nanonets::Job::agent("a").query("hi"))
            });
            follow::both(&said, (&url, &access), || {
                Goal::<AgentHarness>::Attach("run_1")
            });
        }
    }
    // The middle of it in base64, behind `ann:`.
    let secrets = [ECHOED, "VjaG9lZC00ZjFjMmI3ZTl"];
    hides(&said, &secrets, &["event", "snapshot", "end", "error"]);
    let said = said.0.lock().expect("whole");
    for echoed in [
        "you said Bearer [key]",
        "you said Basic [key]",
        "you said [key]",
    ] {
        assert!(said["error"].contains(echoed), "{}", said["error"]);
    }
}

/// Returns a run that is stored before it starts, and a task that is stored while it works.
fn stored(sim: &Sim) -> (Snapshot, Snapshot) {
    let (first, second) = (sim.nanonets(), sim.harness());
    let client = taskward::blocking::Client::<AgentHarness>::builder()
        .api_key(second.api_key.into())
        .base_url(&second.base_url)
        .speed(SPEED);
    let run = client
        .build()
        .expect("settings")
        .run(agent_harness::Job::goal("Write."));
    let unsent = run.start().expect("a run").snapshot();
    let client = taskward::blocking::Client::<Nanonets>::builder()
        .api_key(first.api_key.into())
        .base_url(&first.base_url)
        .speed(SPEED);
    let job = nanonets::Job::agent(sim.agent("slow")).query("hi");
    let task = client
        .build()
        .expect("settings")
        .start(job)
        .expect("a task");
    (unsent, task.snapshot())
}

/// Rows: L11.
#[test]
fn a_task_of_one_server_is_not_resumed_at_another() {
    let (one, other) = (
        Sim::spawn().expect("a simulator"),
        Sim::spawn().expect("a simulator"),
    );
    let (unsent, working) = stored(&one);
    assert_eq!(working.origin(), Some(one.url().as_str()));
    // As it comes back from a file.
    let text = serde_json::to_string(&unsent).expect("JSON");
    let unsent: Snapshot = serde_json::from_str(&text).expect("a snapshot");
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&one.url()) && text.contains(&other.url()),
            "{text}"
        );
    };
    macro_rules! clients {
        ($provider:ty, $access:expr) => {{
            let access = $access;
            let builder = taskward::Client::<$provider>::builder();
            let client = builder
                .api_key(access.api_key.as_str().into())
                .base_url(&access.base_url);
            let builder = taskward::blocking::Client::<$provider>::builder();
            let blocking = builder
                .api_key(access.api_key.as_str().into())
                .base_url(&access.base_url);
            (
                client.build().expect("settings"),
                blocking.build().expect("settings"),
            )
        }};
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let (client, blocking) = clients!(AgentHarness, other.harness());
    refused(
        runtime
            .block_on(client.resume(unsent.clone()).start())
            .expect_err("refused"),
    );
    refused(
        blocking
            .resume(unsent.clone())
            .start()
            .expect_err("refused"),
    );
    let (client, blocking) = clients!(Nanonets, other.nanonets());
    refused(
        runtime
            .block_on(client.resume(working.clone()).start())
            .expect_err("refused"),
    );
    refused(
        blocking
            .resume(working.clone())
            .start()
            .expect_err("refused"),
    );
    assert_eq!(other.requests(), []);

    // At its own server it continues, however that is written, and its snapshots still say where.
    let (client, blocking) = clients!(Nanonets, one.nanonets());
    let resumed = blocking.resume(working.clone()).start().expect("resumed");
    assert_eq!(resumed.snapshot().origin(), working.origin());
    runtime
        .block_on(client.resume(working.clone()).start())
        .expect("resumed");
    let access = one.nanonets();
    let builder = taskward::blocking::Client::<Nanonets>::builder();
    let client = builder
        .api_key(access.api_key.into())
        .base_url(&(access.base_url + "//api/v1/"));
    client
        .build()
        .expect("settings")
        .resume(working)
        .start()
        .expect("resumed");
}

/// Rows: L11.
#[test]
fn a_simulators_key_is_not_sent_to_the_platform() {
    let sim = Sim::spawn().expect("a simulator");
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("a simulator's"), "{error}");
    };
    macro_rules! at_home {
        ($provider:ty, $access:expr) => {{
            let key = $access.api_key;
            let prefix = <$provider>::DEFAULTS
                .simulated_key
                .expect("keys can be told apart");
            assert!(key.starts_with(prefix), "{prefix}");
            // The server is the platform's own unless something else is said.
            let client = taskward::Client::<$provider>::builder().api_key(key.as_str().into());
            refused(client.build().expect_err("refused"));
            let client =
                taskward::blocking::Client::<$provider>::builder().api_key(key.as_str().into());
            refused(client.build().expect_err("refused"));
            let real =
                taskward::Client::<$provider>::builder().api_key("id:live-4f1c2b7e9d".into());
            real.build().expect("a platform's key at the platform");
        }};
    }
    at_home!(Nanonets, sim.nanonets());
    at_home!(AgentHarness, sim.harness());
}
