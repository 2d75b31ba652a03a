//! Every kind of fault, switched on by file, by flag and at run time, for all platforms.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use taskward_sim::harness::Replay;
use taskward_sim::{Corruption, Fault, FaultRule, Scenario, Sim, Span};

use crate::a2a::http::{a2a_head, a2a_json, rpc};
use crate::http::{connect, exchange, get, head, json_request, raw, start, still};
use crate::streams::{create, harness_head, is_silent};

/// How an exchange ends that a fault has struck.
#[derive(Clone, Copy)]
enum End {
    /// With a whole reply of this status.
    Reply(u16),
    /// Early, as if it had ended well.
    Cut,
    /// With a reset.
    Reset,
    /// With a reset, and the port is closed.
    Refused,
    /// Never, and nothing comes.
    Silent,
    /// Never, and it goes on coming.
    Endless,
}

/// What a kind is for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Any,
    Lists,
    Streams,
}

/// A kind, as a file and a flag write it, what both mean, and what comes of it.
struct Case {
    file: &'static str,
    flag: &'static str,
    fault: Fault,
    of: For,
    end: End,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |of, file, flag, fault, end| {
        cases.push(Case {
            file,
            flag,
            fault,
            of,
            end,
        });
    };
    let whole = End::Reply(200);
    add(
        For::Any,
        "kind = 'latency'\nfor = '2s'",
        "latency:for=2s",
        Fault::Latency { span: Span(2_000) },
        whole,
    );
    add(
        For::Any,
        "kind = 'refuse'\nfor = '250ms'",
        "refuse:for=250ms",
        Fault::Refuse { span: Span(250) },
        End::Refused,
    );
    add(
        For::Any,
        "kind = 'reset'",
        "reset",
        Fault::Reset { after_bytes: None },
        End::Reset,
    );
    add(
        For::Any,
        "kind = 'reset'\nafter_bytes = 5",
        "reset:after_bytes=5",
        Fault::Reset {
            after_bytes: Some(5),
        },
        End::Reset,
    );
    add(
        For::Any,
        "kind = 'close-before-head'",
        "close-before-head",
        Fault::CloseBeforeHead,
        End::Cut,
    );
    add(
        For::Any,
        "kind = 'cut-head'\nbytes = 9",
        "cut-head:bytes=9",
        Fault::CutHead { bytes: 9 },
        End::Cut,
    );
    add(
        For::Any,
        "kind = 'cut-body'\nbytes = 9",
        "cut-body:bytes=9",
        Fault::CutBody { bytes: 9 },
        End::Cut,
    );
    add(
        For::Any,
        "kind = 'stall'",
        "stall",
        Fault::Stall { after_bytes: None },
        End::Silent,
    );
    add(
        For::Any,
        "kind = 'dribble'\nbytes = 7\npause = '1s'",
        "dribble:bytes=7,pause=1s",
        Fault::Dribble {
            bytes: 7,
            pause: Span(1_000),
        },
        whole,
    );
    add(
        For::Any,
        "kind = 'duplicate-reply'",
        "duplicate-reply",
        Fault::DuplicateReply,
        whole,
    );
    add(
        For::Any,
        "kind = 'trailers'",
        "trailers",
        Fault::Trailers,
        whole,
    );
    let status = Fault::Status {
        code: 429,
        retry_after: Some("2".to_owned()),
        after_bytes: None,
    };
    add(
        For::Any,
        "kind = 'status'\ncode = 429\nretry_after = '2'",
        "status:code=429,retry_after=2",
        status,
        End::Reply(429),
    );
    add(
        For::Any,
        "kind = 'html-200'",
        "html-200",
        Fault::Html200,
        whole,
    );
    add(
        For::Any,
        "kind = 'truncated-json'",
        "truncated-json",
        Fault::TruncatedJson,
        whole,
    );
    add(
        For::Any,
        "kind = 'wrong-content-type'\ncontent_type = 'text/x'",
        "wrong-content-type:content_type=text/x",
        Fault::WrongContentType {
            content_type: "text/x".to_owned(),
        },
        whole,
    );
    add(
        For::Any,
        "kind = 'gzip-bomb'",
        "gzip-bomb",
        Fault::GzipBomb,
        whole,
    );
    add(
        For::Any,
        "kind = 'endless-body'",
        "endless-body",
        Fault::EndlessBody { bytes: None },
        End::Endless,
    );
    add(
        For::Any,
        "kind = 'endless-line'",
        "endless-line",
        Fault::EndlessLine,
        End::Endless,
    );
    add(
        For::Any,
        "kind = 'endless-data'",
        "endless-data",
        Fault::EndlessData,
        End::Endless,
    );
    let redirect = Fault::Redirect {
        to: Some("http://127.0.0.1:1/?a=b".to_owned()),
        code: 308,
    };
    add(
        For::Any,
        "kind = 'redirect'\nto = 'http://127.0.0.1:1/?a=b'\ncode = 308",
        "redirect:to=http://127.0.0.1:1/?a=b,code=308",
        redirect,
        End::Reply(308),
    );
    add(
        For::Any,
        "kind = 'stale-read'",
        "stale-read",
        Fault::StaleRead,
        whole,
    );
    add(
        For::Lists,
        "kind = 'looped-cursor'",
        "looped-cursor",
        Fault::LoopedCursor,
        whole,
    );
    add(
        For::Streams,
        "kind = 'replay'\nmode = 'live-only'",
        "replay:mode=live-only",
        Fault::Replay {
            mode: Replay::LiveOnly,
        },
        whole,
    );
    add(
        For::Streams,
        "kind = 'seq-gap'\nafter_events = 1\nevents = 2",
        "seq-gap:after_events=1,events=2",
        Fault::SeqGap {
            after_events: 1,
            events: 2,
        },
        whole,
    );
    add(
        For::Streams,
        "kind = 'reorder'\nafter_events = 1",
        "reorder:after_events=1",
        Fault::Reorder { after_events: 1 },
        whole,
    );
    add(
        For::Streams,
        "kind = 'duplicate-event'",
        "duplicate-event",
        Fault::DuplicateEvent { after_events: 0 },
        whole,
    );
    add(
        For::Streams,
        "kind = 'stream-eof'\nafter_events = 1",
        "stream-eof:after_events=1",
        Fault::StreamEof { after_events: 1 },
        whole,
    );
    let corrupt = Fault::CorruptEvent {
        after_events: 0,
        events: 3,
        form: Corruption::NoSeq,
    };
    add(
        For::Streams,
        "kind = 'corrupt-event'\nevents = 3\nform = 'no-seq'",
        "corrupt-event:events=3,form=no-seq",
        corrupt,
        whole,
    );
    add(
        For::Any,
        "kind = 'lost-reply-after-apply'\nafter_bytes = 3",
        "lost-reply-after-apply:after_bytes=3",
        Fault::LostReplyAfterApply { after_bytes: 3 },
        End::Cut,
    );
    cases
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Platform {
    Nanonets,
    AgentHarness,
    A2aRest,
    A2aRpc,
}

impl Platform {
    const ALL: [Self; 4] = [
        Self::Nanonets,
        Self::AgentHarness,
        Self::A2aRest,
        Self::A2aRpc,
    ];

    /// Returns the endpoint that a case strikes: a list, a stream where there is one, or the read of a task.
    fn endpoint(self, of: For) -> &'static str {
        match (self, of) {
            (Self::Nanonets, For::Any | For::Streams) => "nanonets.status",
            (Self::Nanonets, For::Lists) => "nanonets.tasks",
            (Self::AgentHarness, For::Any) => "agent-harness.read_run",
            (Self::AgentHarness, For::Lists) => "agent-harness.events",
            (Self::AgentHarness, For::Streams) => "agent-harness.stream",
            // Of both bindings.
            (Self::A2aRest | Self::A2aRpc, For::Any) => "a2a.get_task",
            (Self::A2aRest | Self::A2aRpc, For::Lists) => "a2a.list_tasks",
            (Self::A2aRest | Self::A2aRpc, For::Streams) => "a2a.send_streaming_message",
        }
    }

    /// Makes a task that has ended.
    fn task(self, sim: &Sim) -> String {
        let id = match self {
            Self::Nanonets => start(sim, "echo", "x"),
            Self::AgentHarness => create(sim, &json!({ "scenario": "long-stream", "events": 5 })),
            Self::A2aRest | Self::A2aRpc => {
                let body = json!({ "message": message() });
                let send = a2a_json(sim, "/agents/rejects/rest/message:send", &body);
                let sent = exchange(sim, &send).1;
                sent["task"]["id"].as_str().unwrap().to_owned()
            }
        };
        sim.advance(std::time::Duration::from_secs(3_600));
        id
    }

    /// Returns a request to that endpoint.
    fn request(self, sim: &Sim, of: For, task: &str) -> String {
        let fields = "Connection: close\r\n";
        let of_rest = "/agents/rejects/rest";
        let call = |method: &str, parameters: Value| {
            let body = rpc(method, &parameters);
            a2a_json(sim, "/agents/rejects/rpc", &body).replacen(
                "\r\n",
                &format!("\r\n{fields}"),
                1,
            )
        };
        match (self, of) {
            (Self::A2aRest, For::Any) => {
                a2a_head(sim, "GET", &format!("{of_rest}/tasks/{task}"), fields)
            }
            (Self::A2aRest, For::Lists) => {
                a2a_head(sim, "GET", &format!("{of_rest}/tasks"), fields)
            }
            (Self::A2aRest, For::Streams) => {
                let path = format!("{of_rest}/message:stream");
                let request = a2a_json(sim, &path, &json!({ "message": message() }));
                request.replacen("\r\n", &format!("\r\n{fields}"), 1)
            }
            (Self::A2aRpc, For::Any) => call("GetTask", json!({ "id": task })),
            (Self::A2aRpc, For::Lists) => call("ListTasks", json!({})),
            (Self::A2aRpc, For::Streams) => {
                call("SendStreamingMessage", json!({ "message": message() }))
            }
            (Self::Nanonets, For::Any | For::Streams) => {
                head(sim, "GET", &format!("/api/v1/tasks/{task}"), fields)
            }
            (Self::Nanonets, For::Lists) => head(sim, "GET", "/api/v1/tasks", fields),
            (Self::AgentHarness, For::Any) => {
                harness_head(sim, "GET", &format!("/v1/runs/{task}"), fields)
            }
            (Self::AgentHarness, For::Lists) => {
                harness_head(sim, "GET", &format!("/v1/runs/{task}/events"), fields)
            }
            (Self::AgentHarness, For::Streams) => harness_head(
                sim,
                "GET",
                &format!("/v1/runs/{task}/events/stream"),
                fields,
            ),
        }
    }
}

/// Returns a message to an A2A agent.
fn message() -> Value {
    json!({ "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "x" }] })
}

/// Returns a simulator with the rule in force, switched on in each of the three ways.
fn switched_on(case: &Case, on: &str) -> [(&'static str, Sim); 3] {
    let file = format!("[[fault]]\n{}\non = '{on}'\nprobability = 1.0", case.file);
    let scenario = Scenario::parse(&file).unwrap();
    let comma = if case.flag.contains(':') { ',' } else { ':' };
    let flag = format!("{}{comma}on={on},probability=1.0", case.flag);
    let rule: FaultRule = flag.parse().unwrap();
    let expected = FaultRule::new(case.fault.clone()).on(on).probability(1.0);
    assert_eq!(
        (&scenario.faults[0], &rule),
        (&expected, &expected),
        "{flag}"
    );
    let by_file = still().scenario(scenario).spawn().unwrap();
    let by_flag = still().fault(rule.clone()).spawn().unwrap();
    let at_run_time = still().spawn().unwrap();
    let body = json!({ "faults": [rule] });
    let put = json_request(&at_run_time, "PUT", "/_sim/faults", &body);
    assert_eq!(exchange(&at_run_time, &put), (200, body));
    [
        ("file", by_file),
        ("flag", by_flag),
        ("run time", at_run_time),
    ]
}

/// Sends the request and checks how the exchange ends.
fn check(sim: &Sim, request: &str, whole: usize, end: End, name: &str) {
    match end {
        End::Reply(status) => {
            let (bytes, error) = raw(sim, request);
            assert_eq!(error, None, "{name}");
            let line = format!("HTTP/1.1 {status} ");
            assert!(bytes.starts_with(line.as_bytes()), "{name}");
        }
        End::Cut => {
            let (bytes, error) = raw(sim, request);
            assert!(error.is_none() && bytes.len() < whole, "{name}");
        }
        End::Reset => {
            let (bytes, error) = raw(sim, request);
            assert_eq!(error, Some(ErrorKind::ConnectionReset), "{name}");
            assert!(bytes.len() < whole, "{name}");
        }
        End::Refused => {
            let (bytes, error) = raw(sim, request);
            assert_eq!(
                (bytes.len(), error),
                (0, Some(ErrorKind::ConnectionReset)),
                "{name}"
            );
            let refused = TcpStream::connect(sim.address()).map(drop);
            assert_eq!(
                refused.unwrap_err().kind(),
                ErrorKind::ConnectionRefused,
                "{name}"
            );
            while TcpStream::connect(sim.address()).is_err() {
                std::thread::yield_now();
            }
        }
        End::Silent => {
            let mut stream = connect(sim);
            stream.write_all(request.as_bytes()).unwrap();
            assert!(is_silent(sim, &mut stream), "{name}");
        }
        End::Endless => {
            let mut stream = connect(sim);
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        }
    }
}

/// Returns all kinds, as the error about an unknown one lists them.
fn kinds() -> Vec<String> {
    let unknown = "flood".parse::<FaultRule>().unwrap_err().to_string();
    let listed = unknown.split_once("expected one of").unwrap().1;
    let kinds: Vec<String> = listed
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert!(kinds.len() > 1, "{unknown}");
    kinds
}

#[test]
fn every_kind_strikes_all_platforms_by_file_by_flag_and_at_run_time() {
    let cases = cases();
    for kind in kinds() {
        assert!(cases.iter().any(|case| case.fault.name() == kind), "{kind}");
    }
    for case in &cases {
        for platform in Platform::ALL {
            let on = platform.endpoint(case.of);
            let other = match platform {
                Platform::Nanonets => Platform::AgentHarness,
                Platform::AgentHarness | Platform::A2aRest | Platform::A2aRpc => Platform::Nanonets,
            };
            for (way, sim) in switched_on(case, on) {
                let name = format!("{} by {way} on {on}", case.flag);
                // What has no stream has nothing that a fault of streams could strike.
                let strikes = platform != Platform::Nanonets || case.of != For::Streams;
                let (task, untouched) = (platform.task(&sim), other.task(&sim));
                let request = platform.request(&sim, case.of, &task);
                let whole = {
                    let clean = still().spawn().unwrap();
                    let task = platform.task(&clean);
                    raw(&clean, &platform.request(&clean, case.of, &task))
                        .0
                        .len()
                };
                let end = if strikes { case.end } else { End::Reply(200) };
                check(&sim, &request, whole, end, &name);
                let struck = |sim: &Sim| {
                    let log = sim.requests();
                    log.iter()
                        .filter_map(|record| record.fault.clone())
                        .collect::<Vec<_>>()
                };
                let expected = if strikes {
                    vec![case.fault.name()]
                } else {
                    vec![]
                };
                assert_eq!(struck(&sim), expected, "{name}");
                check(
                    &sim,
                    &other.request(&sim, case.of, &untouched),
                    0,
                    End::Reply(200),
                    &name,
                );
                assert_eq!(
                    struck(&sim),
                    expected,
                    "{name}: the other platform is left alone"
                );
            }
        }
    }
}

#[test]
fn the_same_seed_strikes_the_same_requests_in_each_way_of_switching_on() {
    let file = "[[fault]]\nkind = 'status'\ncode = 503\nprobability = 0.4";
    let flag: FaultRule = "status:code=503,probability=0.4".parse().unwrap();
    let walk = |sim: &Sim| -> Vec<u16> { (0..40).map(|_| get(sim, "/api/v1/tasks").0).collect() };
    let walks = |seed: u64| {
        let by_file = still().seed(seed).scenario(Scenario::parse(file).unwrap());
        let by_flag = still().seed(seed).fault(flag.clone());
        let at_run_time = still().seed(seed).spawn().unwrap();
        at_run_time.set_faults(vec![flag.clone()]);
        let seen = walk(&at_run_time);
        assert_eq!(walk(&by_file.spawn().unwrap()), seen);
        assert_eq!(walk(&by_flag.spawn().unwrap()), seen);
        seen
    };
    let first = walks(1);
    assert!(first.contains(&200) && first.contains(&503), "{first:?}");
    assert_ne!(first, walks(2));
}

#[test]
fn a_looped_cursor_leads_back_to_the_first_page() {
    let sim = still().spawn().unwrap();
    let agents = |sim: &Sim, query: &str| get(sim, &format!("/api/v1/agents{query}")).1;
    let whole = agents(&sim, "?limit=100");
    let loops = FaultRule::new(Fault::LoopedCursor).on("agents");
    sim.set_faults(vec![loops.clone()]);
    let mut page = agents(&sim, "?limit=100");
    for _ in 0..3 {
        assert_eq!(
            (&page["data"], &page["has_more"]),
            (&whole["data"], &json!(true))
        );
        let cursor = page["next_cursor"].as_str().unwrap().to_owned();
        page = agents(&sim, &format!("?limit=100&cursor={cursor}"));
    }
    // Only every third page leads back: a loop of three.
    sim.set_faults(vec![loops.after(2).every(3)]);
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    for _ in 0..6 {
        let page = agents(&sim, &query);
        seen.push(page["data"].clone());
        query = format!("?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    }
    assert_eq!(seen[..3], seen[3..]);
    assert_ne!(seen[0], seen[1]);

    for switches in [
        "",
        "cursor_type = 'integer'\ncursor_name = 'cursor'",
        "cursor_ends = true",
    ] {
        let file = format!("[agent_harness]\nevent_page_size = 2\n{switches}");
        let scenario = Scenario::parse(&file).unwrap();
        let rule = FaultRule::new(Fault::LoopedCursor).on("events");
        let sim = still().scenario(scenario).fault(rule).spawn().unwrap();
        let run = Platform::AgentHarness.task(&sim);
        let events = |query: &str| -> Value {
            let path = format!("/v1/runs/{run}/events{query}");
            exchange(&sim, &harness_head(&sim, "GET", &path, "")).1
        };
        let first = events("");
        let cursor = first.get("next_cursor").or(first.get("cursor")).unwrap();
        let cursor = cursor
            .as_str()
            .map_or_else(|| cursor.to_string(), str::to_owned);
        assert_eq!(events(&format!("?cursor={cursor}")), first, "{switches}");
    }
}
