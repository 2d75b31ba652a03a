//! What every fault makes of an event stream.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use taskward_sim::harness::Replay;
use taskward_sim::{Corruption, Fault, FaultRule, Scenario, Sim, Span};

use crate::http::{connect, get, raw, still};
use crate::streams::{
    create, finished, is_silent, open, read_until, seqs, stream_request, streamed,
};

/// Returns a simulator with a run that has ended, and the text of its stream.
fn world() -> (Sim, String, String) {
    let sim = still().spawn().unwrap();
    let run = finished(&sim);
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(is_whole && seqs(&text).len() > 9);
    (sim, run, text)
}

/// Has a fault strike every stream from here on.
fn strike(sim: &Sim, fault: Fault) {
    sim.set_faults(vec![FaultRule::new(fault).on("agent-harness.stream")]);
}

/// Returns an open connection that has asked for the stream.
fn ask(sim: &Sim, run: &str) -> TcpStream {
    let mut stream = connect(sim);
    stream
        .write_all(stream_request(sim, run, "").as_bytes())
        .unwrap();
    stream
}

#[test]
fn a_stream_is_cut_after_any_number_of_bytes() {
    let (sim, run, whole) = world();
    let opened = sim.harness_stats().streams;
    let lengths: Vec<usize> = (0..whole.len()).step_by(41).collect();
    for length in lengths.iter().copied().chain([whole.len()]) {
        strike(
            &sim,
            Fault::CutBody {
                bytes: length as u64,
            },
        );
        let (head, text, is_whole, error) = streamed(&sim, &run, "");
        assert!(head.starts_with("HTTP/1.1 200 "));
        assert_eq!(
            (text.as_str(), is_whole, error),
            (&whole[..length], false, None)
        );
    }
    assert_eq!(
        sim.harness_stats().streams,
        opened + lengths.len() as u64 + 1
    );
    strike(
        &sim,
        Fault::CutBody {
            bytes: whole.len() as u64 + 1,
        },
    );
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(is_whole && text == whole, "what is longer than it is whole");
}

#[test]
fn a_lost_reply_is_counted_from_the_first_byte_of_the_head() {
    let (sim, run, whole) = world();
    let head = streamed(&sim, &run, "").0;
    for length in [0, 20, head.len() - 1, head.len(), head.len() + 30] {
        strike(
            &sim,
            Fault::LostReplyAfterApply {
                after_bytes: length as u64,
            },
        );
        let (seen, text, is_whole, error) = streamed(&sim, &run, "");
        let expected = &whole[..length.saturating_sub(head.len())];
        assert_eq!(seen, head[..length.min(head.len())]);
        assert_eq!((text.as_str(), is_whole, error), (expected, false, None));
        assert_eq!(sim.requests().last().unwrap().status.is_some(), length > 12);
    }
}

#[test]
fn a_head_is_cut() {
    let (sim, run, _) = world();
    let head = streamed(&sim, &run, "").0;
    for length in [0, 13, head.len() - 1, head.len()] {
        strike(
            &sim,
            Fault::CutHead {
                bytes: length as u64,
            },
        );
        let (seen, text, is_whole, _) = streamed(&sim, &run, "");
        assert_eq!(seen, head[..length]);
        assert!(text.is_empty() && !is_whole);
    }
}

#[test]
fn a_stream_is_reset_after_any_number_of_bytes() {
    let (sim, run, whole) = world();
    for length in [0, 1, 100, whole.len() - 1] {
        strike(
            &sim,
            Fault::Reset {
                after_bytes: Some(length as u64),
            },
        );
        let (_, text, is_whole, error) = streamed(&sim, &run, "");
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
        assert!(whole.starts_with(&text) && text.len() <= length && !is_whole);
    }
    strike(&sim, Fault::Reset { after_bytes: None });
    let (head, _, _, error) = streamed(&sim, &run, "");
    assert_eq!(
        (head.as_str(), error),
        ("", Some(ErrorKind::ConnectionReset))
    );
    strike(&sim, Fault::CloseBeforeHead);
    let (head, _, _, error) = streamed(&sim, &run, "");
    assert_eq!((head.as_str(), error), ("", None));
}

#[test]
fn a_stalled_stream_sends_not_even_heartbeats() {
    let (sim, run, whole) = world();
    for length in [0, 100] {
        strike(
            &sim,
            Fault::Stall {
                after_bytes: Some(length as u64),
            },
        );
        let mut stream = open(&sim, &run);
        if length > 0 {
            read_until(&mut stream, &format!("{}\r\n", &whole[..length]));
        }
        sim.advance(Duration::from_secs(3_600));
        assert!(is_silent(&sim, &mut stream));
    }
    strike(&sim, Fault::Stall { after_bytes: None });
    let opened = sim.harness_stats().streams;
    let mut stream = ask(&sim, &run);
    assert!(is_silent(&sim, &mut stream));
    assert_eq!(sim.harness_stats().streams, opened, "it was not opened");
}

#[test]
fn a_stream_in_small_pieces_is_the_same_stream() {
    let (sim, run, whole) = world();
    let dribble = |bytes| Fault::Dribble {
        bytes,
        pause: Span(29),
    };
    strike(&sim, dribble(7));
    let before = sim.now();
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(is_whole && text == whole);
    let pieces = whole.len().div_ceil(7) as u64;
    assert_eq!(sim.now() - before, 29 * pieces);
}

#[test]
fn a_stream_opens_late() {
    let (sim, run, whole) = world();
    strike(&sim, Fault::Latency { span: Span(7_000) });
    let before = sim.now();
    assert_eq!(streamed(&sim, &run, "").1, whole);
    assert_eq!(sim.now() - before, 7_000);
}

#[test]
fn a_stream_that_does_not_open_says_why() {
    let (sim, run, _) = world();
    let opened = sim.harness_stats().streams;
    let check = |fault: Fault, expected: &[&str]| {
        strike(&sim, fault);
        let fields = "Connection: close\r\n";
        let (bytes, error) = raw(&sim, &stream_request(&sim, &run, fields));
        let reply = String::from_utf8_lossy(&bytes).into_owned();
        for part in expected {
            assert!(reply.contains(part), "no {part:?} in {reply}");
        }
        assert_eq!(error, None);
        bytes.len()
    };
    let status = Fault::Status {
        code: 503,
        retry_after: Some("7".into()),
        after_bytes: None,
    };
    check(status, &["HTTP/1.1 503 ", "retry-after: 7\r\n"]);
    let html = ["HTTP/1.1 200 ", "text/html", "<!doctype html>"];
    check(Fault::Html200, &html);
    let away = Fault::Redirect {
        to: Some("http://other.example/".into()),
        code: 302,
    };
    check(
        away,
        &["HTTP/1.1 302 ", "location: http://other.example/\r\n"],
    );
    let typed = "content-type: text/event-stream\r\n";
    let bomb = check(Fault::GzipBomb, &[typed, "content-encoding: gzip\r\n"]);
    assert!((1 << 20..2 << 20).contains(&bomb), "{bomb} bytes");
    assert_eq!(sim.harness_stats().streams, opened);
    let faulted = get(&sim, "/_sim/stats").1["faulted"].clone();
    assert_eq!(faulted, json!({ "stream": 4 }));
}

#[test]
fn a_stream_under_another_type_is_otherwise_right() {
    let (sim, run, whole) = world();
    strike(
        &sim,
        Fault::WrongContentType {
            content_type: "text/x-bogus".into(),
        },
    );
    let (head, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(head.contains("content-type: text/x-bogus\r\n"), "{head}");
    assert!(!head.contains("event-stream") && is_whole && text == whole);
}

#[test]
fn what_has_no_end_goes_on_until_the_client_leaves() {
    let (sim, run, _) = world();
    for (fault, first, filling) in [
        (Fault::EndlessBody { bytes: None }, ":\n:\n", ":\n"),
        (Fault::EndlessLine, "data: ", "x"),
        (Fault::EndlessData, "data:\ndata:\n", "data:\n"),
    ] {
        strike(&sim, fault);
        let mut stream = ask(&sim, &run);
        let mut bytes = vec![0; 20 << 20];
        stream.read_exact(&mut bytes).unwrap();
        let reply = String::from_utf8(bytes).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(body[..40].contains(first), "{}", &body[..40]);
        let text = &body[body.len() / 2..][..1_000];
        assert!(text.contains(&filling.repeat(100)), "{text}");
    }
    // All of them let go of their connections: the simulator still serves.
    assert_eq!(get(&sim, "/_sim").0, 200);
}

#[test]
fn behind_a_stream_that_was_answered_twice_comes_a_second_head() {
    let (sim, run, whole) = world();
    strike(&sim, Fault::DuplicateReply);
    let (bytes, _) = raw(&sim, &stream_request(&sim, &run, "Connection: close\r\n"));
    let reply = String::from_utf8(bytes).unwrap();
    let (first, second) = reply.split_once("\r\n0\r\n\r\n").unwrap();
    assert!(first.contains(&whole[..20]));
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n"), "{second}");
    assert!(second.ends_with("content-length: 0\r\nconnection: close\r\n\r\n"));
}

#[test]
fn events_go_missing_or_come_in_disorder() {
    let (sim, run, whole) = world();
    let all = seqs(&whole);
    let check = |fault: Fault, expected: &[u64]| {
        strike(&sim, fault.clone());
        let (_, text, is_whole, error) = streamed(&sim, &run, "");
        assert_eq!(seqs(&text), expected, "{fault:?}");
        assert!(is_whole && error.is_none(), "{fault:?}");
    };
    let gap = Fault::SeqGap {
        after_events: 2,
        events: 3,
    };
    check(gap, &[&all[..2], &all[5..]].concat());
    let mut swapped = all.clone();
    swapped.swap(3, 4);
    check(Fault::Reorder { after_events: 3 }, &swapped);
    let doubled = [&all[..3], &all[2..]].concat();
    check(Fault::DuplicateEvent { after_events: 2 }, &doubled);
    check(Fault::StreamEof { after_events: 4 }, &all[..4]);
    check(Fault::StreamEof { after_events: 0 }, &[]);
}

#[test]
fn a_stale_stream_ends_where_the_log_ends_as_yet() {
    let sim = still().spawn().unwrap();
    let run = create(&sim, &json!({}));
    sim.advance(Duration::from_secs(10));
    strike(&sim, Fault::StaleRead);
    let (_, text, is_whole, _) = streamed(&sim, &run, "");
    assert!(
        is_whole
            && text
                .trim_end()
                .lines()
                .last()
                .unwrap()
                .contains("run.awaiting_input")
    );
}

#[test]
fn bad_events_are_bad_and_the_next_one_is_good() {
    let (sim, run, whole) = world();
    let data = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.map(str::to_owned).collect()
    };
    let good = data(&whole);
    let seq = seqs(&whole)[1];
    let number = format!("\"seq\":{seq}");
    for (form, expected) in [
        (Corruption::NotJson, "not json".to_owned()),
        (Corruption::NoSeq, good[1].replace(&number, "\"number\":0")),
        (
            Corruption::NegativeSeq,
            good[1].replace(&number, &format!("\"seq\":-{seq}")),
        ),
        (
            Corruption::HugeSeq,
            good[1].replace(&number, "\"seq\":18446744073709551616"),
        ),
    ] {
        strike(
            &sim,
            Fault::CorruptEvent {
                after_events: 1,
                events: 1,
                form,
            },
        );
        let bad = data(&streamed(&sim, &run, "").1);
        assert_eq!(bad[1], expected);
        assert_ne!(bad[1], good[1]);
        assert_eq!((&bad[0], &bad[2..]), (&good[0], &good[2..]));
    }
    strike(&sim, Fault::TruncatedJson);
    let bad = data(&streamed(&sim, &run, "").1);
    assert_eq!(bad.len(), good.len());
    for (bad, good) in bad.iter().zip(&good) {
        assert!(good.starts_with(bad) && serde_json::from_str::<Value>(bad).is_err());
    }
}

#[test]
fn a_connection_replays_as_its_fault_says() {
    for switch in ["from_start", "last_event_id"] {
        let file = format!("[agent_harness]\nreplay = \"{switch}\"");
        let sim = still()
            .scenario(Scenario::parse(&file).unwrap())
            .spawn()
            .unwrap();
        let run = finished(&sim);
        let all = seqs(&streamed(&sim, &run, "").1);
        let seen = format!("Last-Event-ID: {}\r\n", all[2]);
        for (replay, expected) in [
            (Replay::FromStart, &all[..]),
            (Replay::LastEventId, &all[3..]),
            (Replay::LiveOnly, &[]),
        ] {
            strike(&sim, Fault::Replay { mode: replay });
            let (_, text, is_whole, _) = streamed(&sim, &run, &seen);
            assert_eq!(seqs(&text), expected, "{replay:?} over {switch}");
            assert!(is_whole);
        }
    }
}

#[test]
fn a_refusing_simulator_resets_the_streams_it_has() {
    let sim = still().spawn().unwrap();
    let run = create(&sim, &json!({}));
    let mut stream = open(&sim, &run);
    let rule = FaultRule::new(Fault::Refuse { span: Span(300) }).on("stream");
    sim.set_faults(vec![rule.count(1)]);
    let (head, _, _, error) = streamed(&sim, &run, "");
    assert_eq!(
        (head.as_str(), error),
        ("", Some(ErrorKind::ConnectionReset))
    );
    let end = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    while TcpStream::connect(sim.address()).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(get(&sim, "/_sim").0, 200);
}
