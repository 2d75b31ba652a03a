//! A stream that lasts for a working day.

use std::time::Duration;

use crate::world::toy::ToyJob;
use crate::world::{Toy, at, policy, seed};
use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::settle;
use taskward_core::{Event, ExchangeId, Head, OriginBudget, Outcome, Response, Step, Task};

/// Eight hours.
const DAY: u64 = 8 * 3_600_000;
const EVENTS: u64 = 2_000_000;
/// Events of one piece.
const PIECE: u64 = 1000;

/// Rows: E25.
#[test]
fn two_million_events_in_eight_hours_are_told_by_one_connection_and_nothing_piles_up() {
    let mut task: Task<Toy<true, true>> =
        Task::start(Toy, &ToyJob("go".into()), policy(), seed(), at(0)).expect("a task");
    let shared = OriginBudget::new();
    let (mut now, mut told, mut streams, mut reads) = (0, 0, 0, 0);
    let mut open: Option<ExchangeId> = None;
    let mut sizes: Vec<usize> = Vec::new();
    loop {
        let (events, next) = settle(&mut task, at(now), &shared);
        for event in events {
            if let Event::Provider(event) = &*event {
                told += 1;
                assert_eq!(event.seq.map(|p| p.0), Some(told));
            }
        }
        match next {
            Step::Send { id, request, .. } => {
                let path = request.target().as_str().to_owned();
                task.sent(id);
                let say = |text: &str| Response::new(StatusCode::OK, text.to_owned());
                match path.as_str() {
                    "/start" => task.handle_response(id, say("t1 running."), at(now)),
                    "/t/t1" if told < EVENTS => {
                        reads += 1;
                        task.handle_response(id, say("running."), at(now));
                    }
                    "/t/t1" => task.handle_response(id, say("done."), at(now)),
                    "/t/t1/result" => task.handle_response(id, say("done 42."), at(now)),
                    other => panic!("{other}"),
                }
            }
            Step::Open { id, limits, .. } => {
                task.sent(id);
                // To be opened it may take so long; open, it may last.
                assert_eq!(limits.total, Some(Duration::from_secs(100)));
                streams += 1;
                open = Some(id);
                task.handle_head(id, Head::new(StatusCode::OK), at(now));
            }
            Step::Receive { id, .. } => {
                assert_eq!(open, Some(id));
                now += DAY / (EVENTS / PIECE);
                let piece: String = (told + 1..=told + PIECE)
                    .map(|seq| match seq {
                        EVENTS => format!("data: {seq} end\n\n"),
                        _ => format!("data: {seq} step\n\n"),
                    })
                    .collect();
                task.handle_chunk(id, Bytes::from(piece), at(now));
                if (told / PIECE).is_multiple_of(500) {
                    let saved = serde_json::to_string(&task.snapshot()).expect("JSON");
                    sizes.push(saved.len());
                }
            }
            Step::Close { id } => task.closed(id),
            Step::Wait { until, .. } => now = until.as_millis(),
            Step::Done => {
                let outcome = task.outcome().expect("it is over");
                assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((told, streams), (EVENTS, 1));
    assert!(now >= DAY, "{now}");
    assert!(reads <= 60, "{reads} reads beside the stream");
    // What is kept of a task does not grow with the events delivered, except for the digits of its numbers,
    // and those of the newest events.
    // The first one lacks what the first event showed.
    let sizes = &sizes[1..];
    let (least, most) = (sizes.iter().min(), sizes.iter().max());
    assert!(
        sizes.len() >= 3 && most <= least.map(|least| least + 256).as_ref(),
        "{sizes:?}"
    );
}
