//! Event streams: what they begin with, send and end with.

use serde_json::json;
use taskward_sim::{Answer, Pulled, Reply, Request, StreamId};

use super::world::{START, World, event, types};

fn all(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

/// Returns the bytes of everything that a stream has now.
fn bytes(world: &mut World, stream: StreamId) -> String {
    let frames = world.drain(stream).0;
    let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.bytes).collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_stream_carries_every_event_at_its_time_and_ends() {
    let mut world = World::new("");
    let run = world.scenario("limit");
    let request = Request::new("GET", &format!("/v1/runs/{run}/events/stream"));
    let Answer::Stream { head, id } = world.ask(request) else {
        panic!("no stream")
    };
    let expected = Reply {
        status: 200,
        headers: vec![
            ("content-type", "text/event-stream".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("date", "Tue, 12 May 2026 10:15:00 GMT".to_owned()),
        ],
        body: Vec::new(),
    };
    assert_eq!(head, expected);
    let first = bytes(&mut world, id);
    assert!(first.starts_with("event: run_event\ndata: {\"seq\":1,\"type\":\"run.created\",\"timestamp\":\"2026-05-12T10:15:00.000Z\",\"payload\":{\"redacted\":true,"), "{first}");
    assert!(first.ends_with("}}}\n\n"), "{first}");
    let mut seen = Vec::new();
    loop {
        let (frames, is_over) = world.drain(id);
        seen.extend(frames.iter().map(event));
        if is_over {
            break;
        }
        world.now = world.server.next_change().unwrap();
    }
    assert_eq!(world.now, START + 960);
    assert_eq!(seen, world.events(&run)[1..]);
    assert_eq!(
        world.server.pull(id, world.now),
        Pulled::End,
        "it stays ended"
    );
}

#[test]
fn a_stream_begins_as_the_switch_says() {
    for (replay, behind_three, without) in [
        ("from_start", all(1, 12), all(1, 12)),
        ("last_event_id", all(4, 12), all(1, 12)),
        ("live_only", vec![], vec![]),
    ] {
        let mut world = World::new(&format!("replay = {replay:?}\nwait_event_delay_ms = 3000"));
        let run = world.scenario("approve-email");
        world.settle(&run);
        let again = world.open_behind(&run, Some("3"));
        let fresh = world.open(&run);
        let odd = world.open_behind(&run, Some("x"));
        assert_eq!(world.seqs(again), behind_three, "{replay}");
        assert_eq!(world.seqs(fresh), without, "{replay}");
        assert_eq!(world.seqs(odd), without, "{replay}");
        world.after(3_000);
        assert_eq!(
            [again, fresh, odd].map(|stream| world.seqs(stream)),
            [[13], [13], [13]]
        );
        world.signal(&run, &json!({ "action": "approve" }));
        world.settle(&run);
        assert_eq!(world.seqs(again), [14, 15, 16]);
        assert!(world.drain(again).1);
        let late = world.open_behind(&run, Some("16"));
        assert_eq!(
            world.drain(late).0.len(),
            if replay == "from_start" { 16 } else { 0 }
        );
        assert!(world.drain(late).1, "nothing can follow");
    }
}

#[test]
fn ids_stand_where_a_client_can_use_them() {
    for (switches, has_ids) in [
        ("", false),
        ("event_ids = true", true),
        ("replay = \"last_event_id\"", true),
    ] {
        let mut world = World::new(&format!("seq_step = 5\n{switches}"));
        let run = world.scenario("limit");
        world.after(300);
        let stream = world.open(&run);
        let text = bytes(&mut world, stream);
        assert_eq!(
            text.contains("id: 1\nevent: run_event\n"),
            has_ids,
            "{text}"
        );
        assert_eq!(
            text.contains("\n\nid: 6\nevent: run_event\n"),
            has_ids,
            "{text}"
        );
        let behind = world.open_behind(&run, Some("3"));
        let expected = if switches.contains("replay") {
            vec![6]
        } else {
            vec![1, 6]
        };
        assert_eq!(world.seqs(behind), expected);
    }
}

#[test]
fn silence_is_broken_by_comments_and_pings() {
    let mut world = World::new("ping_ms = 20000");
    let run = world.scenario("stall");
    world.settle(&run);
    let stream = world.open(&run);
    world.drain(stream);
    let opened = world.now;
    let mut heard = Vec::new();
    while world.now < opened + 60_000 {
        world.now = world.server.next_change().unwrap();
        heard.push((world.now - opened, bytes(&mut world, stream)));
    }
    let heartbeat = ": heartbeat\n\n";
    let ping = "event: ping\ndata: {}\n\n";
    let expected = [
        (15_000, heartbeat),
        (20_000, ping),
        (35_000, heartbeat),
        (40_000, ping),
        (55_000, heartbeat),
        (60_000, ping),
    ];
    assert_eq!(heard, expected.map(|(at, text)| (at, text.to_owned())));
    // A client that was away gets it once.
    assert_eq!(world.after(3_600_000).drain(stream).0.len(), 1);
    assert_eq!(world.after(15_000).drain(stream).0.len(), 1);

    let mut world = World::new("heartbeat_ms = 0");
    let run = world.scenario("stall");
    world.settle(&run);
    let stream = world.open(&run);
    world.drain(stream);
    assert_eq!(world.server.next_change(), None);
    assert_eq!(world.after(3_600_000).drain(stream), (vec![], false));
}

#[test]
fn lines_end_as_the_switch_says_and_retry_comes_first() {
    for (name, end) in [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")] {
        let mut world = World::new(&format!("line_ending = {name:?}\nretry_ms = 2500"));
        let run = world.scenario("limit");
        let stream = world.open(&run);
        let text = bytes(&mut world, stream);
        let begin = format!("retry: 2500{end}{end}event: run_event{end}data: {{");
        assert!(text.starts_with(&begin), "{text:?}");
        assert!(text.ends_with(&format!("}}{end}{end}")), "{text:?}");
        assert_eq!(text.matches(end).count(), 5);
        world.after(300);
        assert!(
            bytes(&mut world, stream).starts_with("event: run_event"),
            "retry is said once"
        );
    }
}

#[test]
fn a_stream_may_stay_open_after_the_end_and_close_at_a_wait() {
    let mut world = World::new("stream_ends = false");
    let run = world.scenario("limit");
    let stream = world.open(&run);
    world.settle(&run);
    let (frames, is_over) = world.drain(stream);
    assert_eq!((frames.len(), is_over), (5, false));
    assert!(!world.after(14_999).drain(stream).1);
    assert_eq!(world.after(1).drain(stream).0.len(), 1, "it still beats");

    let mut world = World::new("stream_ends_at_wait = true\nreplay = \"last_event_id\"");
    let run = world.scenario("approve-email");
    let stream = world.open(&run);
    world.settle(&run);
    assert_eq!(
        (world.seqs(stream).last(), world.drain(stream).1),
        (Some(&13), true)
    );
    let again = world.open_behind(&run, Some("13"));
    assert!(!world.drain(again).1, "it has sent no wait");
    world.signal(&run, &json!({ "action": "approve" }));
    world.settle(&run);
    assert_eq!(
        (world.seqs(again), world.drain(again).1),
        (all(14, 16), true)
    );
}

#[test]
fn a_stream_may_be_missing() {
    for code in [404, 405, 406] {
        let mut world = World::new(&format!("stream_missing = {code}"));
        let run = world.scenario("limit");
        let reply = world.get(&format!("/v1/runs/{run}/events/stream"));
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (code, &json!("route_not_found"))
        );
        assert_eq!(world.server.stats().streams, 0);
    }
}

#[test]
fn a_closed_stream_is_forgotten() {
    let mut world = World::new("");
    let run = world.scenario("stall");
    let (one, two) = (world.open(&run), world.open(&run));
    world.server.close(one);
    assert_eq!(world.server.pull(one, world.now), Pulled::End);
    assert_eq!(world.seqs(two), [1]);
    let stats = world.server.stats();
    assert_eq!((stats.streams, stats.per_run[&run].streams), (2, 2));
    assert_eq!(stats.endpoints["stream"], 2);
    world.server.close(two);
    world.settle(&run);
    assert_eq!(world.server.next_change(), None);
}

#[test]
fn millions_of_events_come_in_pieces_and_take_no_memory() {
    let mut world = World::new("");
    let input = json!({ "scenario": "long-stream", "events": 2_000_000, "interval_ms": 14, "delta_bytes": 5 });
    let run = world.create(&input);
    world.after(8 * 3_600_000);
    assert_eq!(world.status(&run), "succeeded");
    let stream = world.open(&run);
    for _ in 0..3 {
        let Pulled::Frames(frames) = world.server.pull(stream, world.now) else {
            panic!("no frames")
        };
        let size: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        assert!((65_536..66_000).contains(&size), "{size}");
    }
    world.server.close(stream);
    let page = world
        .get(&format!("/v1/runs/{run}/events?cursor=cur_1999999"))
        .value();
    let events = page["events"].as_array().unwrap();
    let expected = [
        "step.progress",
        "step.progress",
        "step.progress",
        "step.done",
        "run.worker.succeeded",
    ];
    assert_eq!(types(events), expected);
    let text = &events[0]["payload"]["value"]["content_delta"];
    assert_eq!(text, "19999");
    assert_eq!(events[4]["timestamp"], "2026-05-12T18:01:40.300Z");
}

#[test]
fn one_event_may_be_large() {
    for bytes in [7_000_000, 14_000_000] {
        let mut world = World::new("");
        let run = world.create(&json!({ "scenario": "big-event", "bytes": bytes }));
        world.after(1_000);
        let stream = world.open(&run);
        let frames = world.drain(stream).0;
        assert_eq!(frames.len(), 5);
        let text = event(&frames[2])["payload"]["value"]["content_delta"].take();
        assert_eq!(text.as_str().unwrap().len(), bytes);
    }
}
