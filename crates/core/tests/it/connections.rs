//! What a stream's connections bring, leave out, repeat and fail with.

use crate::world::Act::{Ask, Complete, Work};
use crate::world::hand::{listening, reply, send, settle};
use crate::world::{
    Ended, Fault, Toy, UserAction, at, outcome, policy, run_streamed, seed, streamed,
};
use bytes::Bytes;
use taskward_core::testing::past_saves;
use taskward_core::{EventSeq, ExchangeId, OriginBudget, Step, Task, TaskId};

type Streamed = Task<Toy<true, true>>;

/// The events and failures that this piece of a stream brings.
fn hear(
    task: &mut Streamed,
    stream: ExchangeId,
    piece: &str,
    now: u64,
    shared: &OriginBudget,
) -> Vec<String> {
    task.handle_chunk(stream, Bytes::from(piece.to_owned()), at(now));
    settle(task, now, shared)
}

#[test]
fn ten_events_in_a_row_that_cannot_be_read_are_too_many() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    let nine = "data: what\n\n".repeat(9);
    let mut hear = |piece: &str, now| hear(&mut task, stream, piece, now, &shared);
    assert_eq!(hear(&nine, 100), [""; 0]);
    assert_eq!(hear("data: 1 begin\n\n", 110), ["event Some(1) begin"]);
    assert_eq!(hear(&nine, 120), [""; 0]);
    let told = hear("data: what\n\n", 130);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("10 events in a row could not be read"),
        "{told:?}"
    );
    assert!(matches!(
        task.next_step(at(130), &shared),
        Step::Close { .. }
    ));
}

#[test]
fn an_event_that_is_too_large_once_is_tried_once_more() {
    let shared = OriginBudget::new();
    let (mut task, mut stream) = listening(&shared);
    let huge = format!("data: {}", "x".repeat(taskward_core::sse::MAX_EVENT));
    let mut now = 100;
    for attempt in [1, 4] {
        let told = hear(&mut task, stream, &huge, now, &shared);
        assert_eq!(told.len(), 1, "{told:?}");
        // The second time it is polled as well, as after three failures.
        let expected = format!("retrying {attempt} a");
        assert!(told[0].starts_with(&expected), "{told:?}");
        let Step::Close { id } = task.next_step(at(now), &shared) else {
            panic!("it is let go");
        };
        task.closed(id);
        if attempt == 4 {
            break;
        }
        let read = send(&mut task, now + 2000, &shared);
        task.handle_response(read, reply("running."), at(now + 2000));
        now += 2000;
        stream = send(&mut task, now, &shared);
        let head = taskward_core::Head::new(http::StatusCode::OK);
        task.handle_head(stream, head, at(now));
    }
}

#[test]
fn that_events_come_again_in_other_words_is_told_once_for_each_connection() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    let mut hear = |piece: &str, now| hear(&mut task, stream, piece, now, &shared);
    let told = hear("data: 1 begin\n\ndata: 2 step\n\n", 100);
    assert_eq!(told, ["event Some(1) begin", "event Some(2) step"]);
    assert_eq!(hear("data: 1 begin\n\ndata: 2 step\n\n", 110), [""; 0]);
    let told = hear("data: 2 stop\n\ndata: 1 began\n\n", 120);
    assert_eq!(told, ["Altered { position: EventSeq(2) }"]);
}

/// Rows: E30.
#[test]
fn that_a_question_comes_again_in_other_words_is_told_whatever_came_so_before() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    let mut hear = |piece: &str, now| hear(&mut task, stream, piece, now, &shared);
    let told = hear("data: 1 begin\n\ndata: 2 wait for this\n\n", 100);
    assert_eq!(told, ["event Some(1) begin", "event Some(2) wait for this"]);
    let told = hear("data: 1 began\n\ndata: 2 wait for that\n\n", 110);
    let altered = |seq| format!("Altered {{ position: EventSeq({seq}) }}");
    assert_eq!(told, [altered(1), altered(2)]);
}

#[test]
fn a_list_is_read_no_further_than_to_what_the_stream_has_brought_meanwhile() {
    for first in [7, 8] {
        read_up_to(first);
    }
}

/// The list has two events to a page; the stream begins with this one.
fn read_up_to(first: u64) {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    // It has brought nothing for a second.
    settle(&mut task, 1040, &shared);
    let mut pages = 0;
    let mut told = Vec::new();
    while let Step::Send { id, request, .. } = task.next_step(at(1040), &shared) {
        let target = request.target().as_str();
        let from = match target.split_once("/events?cursor=") {
            Some((_, cursor)) => cursor.parse().expect("a place"),
            None => 0,
        };
        task.sent(id);
        if pages == 0 {
            assert!(matches!(
                task.next_step(at(1040), &shared),
                Step::InFlight { stream: Some(open), .. } if open == stream
            ));
            let piece: String = (first..10)
                .map(|seq| format!("data: {seq} step\n\n"))
                .collect();
            assert_eq!(hear(&mut task, stream, &piece, 1040, &shared), [""; 0]);
            assert!(matches!(
                task.next_step(at(1040), &shared),
                Step::InFlight { stream: None, .. }
            ));
        }
        pages += 1;
        let (one, two) = (from + 1, from + 2);
        let page = format!("{one} step\n{two} step\nnext {two}.");
        task.handle_response(id, reply(&page), at(1040));
        told.extend(settle(&mut task, 1040, &shared));
    }
    assert_eq!(pages, 4, "1 to 8; the stream has the rest");
    let all: Vec<String> = (1..=9)
        .map(|seq| format!("event Some({seq}) step"))
        .collect();
    assert_eq!(told, all);
}

/// A platform whose numbers have holes that mean nothing: once its list has shown one, none is asked about.
#[test]
fn holes_that_the_list_has_too_are_none() {
    let stream = [
        (10, 2, "step"),
        (500, 4, "step"),
        (2500, 8, "step"),
        (3000, 16, "step"),
        (4000, 32, "end"),
    ];
    for page in [Some(9), None] {
        let mut world =
            streamed(&[Work(4000), Complete("42")], &stream).action(2000, UserAction::CutStream);
        world.server.page = page;
        assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
        for (_, seq, _) in stream {
            let event = format!("event event Some({seq})");
            assert_eq!(world.count(&event), 1, "{event}");
        }
        // Without a list nobody knows; only across a cut it is told.
        let gaps = world.count("Gap { after: EventSeq(4), before: EventSeq(8) }");
        assert_eq!(
            (gaps, world.count("Gap")),
            match page {
                Some(_) => (0, 0),
                None => (1, 1),
            }
        );
        if page.is_some() {
            // At the first hole, at the one after the list has shown a hole, and after the cut.
            assert!(world.count("/events") <= 3, "{:#?}", world.trace);
        }
    }
}

#[test]
fn once_a_task_was_read_to_be_over_its_stream_tells_nothing_more() {
    let mut world = streamed(
        &[Work(20_000), Complete("42")],
        &[(500, 1, "begin"), (41_000, 2, "step")],
    );
    world.server.result_delay = 30_000;
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert!(world.now > 41_000, "{}", world.now);
    assert_eq!(world.count("Some(2)"), 0);
}

/// An end is kept once it was heard of: before, the event comes again.
#[test]
fn an_end_that_was_told_is_not_forgotten_by_the_next_process() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    let ending = |task: &Streamed| {
        let saved = serde_json::to_value(task.snapshot()).expect("json");
        (
            saved["event_seq"].as_u64(),
            saved["stream"]["end"].is_object(),
        )
    };
    let piece = Bytes::from_static(b"data: 1 begin\n\ndata: 2 end\n\n");
    task.handle_chunk(stream, piece, at(100));
    let mut seen = Vec::new();
    while let Step::Event { no, .. } = past_saves(&mut task, at(100), &shared) {
        seen.push(ending(&task));
        task.taken(no);
    }
    seen.push(ending(&task));
    assert_eq!(seen, [(None, false), (Some(1), false), (Some(2), true)]);
    // The next process has the task read, and nothing comes again; what no read confirms stands.
    let saved = task.snapshot();
    let mut world = streamed(&[Work(900_000)], &[(50, 1, "begin"), (60, 2, "end")]);
    world.server = world.server.clone().begun(0);
    world.now = 200;
    let task = Streamed::resume(Toy, saved, at(200)).expect("resume");
    assert_eq!(world.drive(task), outcome("result_unavailable"));
    assert_eq!((world.count("Some(1)"), world.count("Some(2)")), (0, 0));
    assert!((30_000..33_000).contains(&world.now), "{}", world.now);
}

/// An end that no read of the status confirms stands with what a read last showed, and with nothing where none worked.
#[test]
fn an_unconfirmed_end_tells_what_the_task_was_last_read_to_be() {
    let told = |pages: bool| {
        let mut world = streamed(
            &[Work(900_000)],
            &[
                (10, 1, "begin"),
                (1500, 2, "broke"),
                (1600, 3, "step"),
                (1600, 4, "step"),
            ],
        );
        let mut listed = false;
        world.faults = Box::new(move |_, _, path| {
            listed |= path.contains("/events");
            match path {
                "/t/t1/stream" => Fault::Status(405),
                "/t/t1" if pages && listed => Fault::Status(503),
                _ => Fault::None,
            }
        });
        world.server.page = pages.then_some(2);
        if !pages {
            world.faults = Box::new(|_, _, _| Fault::None);
        }
        // The first reading of the list comes late enough to have the end in its first page.
        world.server.invisible = if pages { 1800 } else { 0 };
        let Ended::Outcome(text) = run_streamed(&mut world) else {
            panic!("it ends");
        };
        assert_eq!(world.count("Unconfirmed"), 1);
        text
    };
    let running = "its own read still says running 30 s after the event broke";
    assert_eq!(told(false), format!("failed Some({running:?})"));
    let failed = "its own read failed for 30 s after the event broke";
    assert_eq!(told(true), format!("failed Some({failed:?})"));
}

#[test]
fn beside_an_exchange_a_stream_is_read_unless_there_is_enough_of_it_or_no_more() {
    let shared = OriginBudget::new();
    let beside =
        |task: &mut Streamed, now, shared: &OriginBudget| match task.next_step(at(now), shared) {
            Step::InFlight { stream, .. } => stream,
            other => panic!("{other:?}"),
        };
    let looking = |shared: &OriginBudget| {
        let (mut task, stream) = listening(shared);
        hear(&mut task, stream, "data: 1 begin\n\n", 50, shared);
        send(&mut task, 40_000, shared);
        (task, stream)
    };
    let (mut task, stream) = looking(&shared);
    assert_eq!(beside(&mut task, 40_000, &shared), Some(stream));
    // What is not this stream's changes nothing.
    let other = ExchangeId(stream.0 + 9);
    task.handle_chunk(other, Bytes::from_static(b"data: 2 step\n\n"), at(40_010));
    task.handle_end(other, at(40_010));
    assert_eq!(beside(&mut task, 40_010, &shared), Some(stream));
    // It ends; then nothing of it counts any more.
    task.handle_end(stream, at(40_020));
    task.handle_chunk(stream, Bytes::from_static(b"data: 2 step\n\n"), at(40_030));
    let told = settle(&mut task, 40_030, &shared);
    assert_eq!(told, ["retrying 1 the server ended the stream"]);
    let (mut task, stream) = looking(&shared);
    let told = hear(&mut task, stream, "data: 2 end\n\n", 40_010, &shared);
    assert_eq!(told, ["event Some(2) end"]);
    assert_eq!(beside(&mut task, 40_010, &shared), None, "it is over");
}

#[test]
fn a_read_under_way_is_waited_for_before_an_end_that_no_other_confirmed_stands() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    hear(
        &mut task,
        stream,
        "data: 1 begin\n\ndata: 2 end\n\n",
        100,
        &shared,
    );
    let read = send(&mut task, 100, &shared);
    task.handle_response(read, reply("running."), at(100));
    settle(&mut task, 100, &shared);
    let read = send(&mut task, 30_000, &shared);
    assert!(matches!(
        task.next_step(at(31_000), &shared),
        Step::InFlight { id, .. } if id == read
    ));
    task.handle_response(read, reply("done."), at(31_000));
    assert_eq!(settle(&mut task, 31_000, &shared), ["status done"]);
    assert!(matches!(
        task.next_step(at(31_000), &shared),
        Step::Send { request, .. } if request.target().as_str().ends_with("/result")
    ));
}

/// A driver that does not stop when it is not asked to read.
#[test]
fn more_than_32_mib_that_nobody_has_read_yet_are_the_end_of_a_stream() {
    let piece = Bytes::from(format!(":{}\n", "x".repeat((1 << 20) - 2)));
    for (beyond, told) in [(0, 0), (1, 1)] {
        let shared = OriginBudget::new();
        let (mut task, stream) = listening(&shared);
        for _ in 0..32 {
            task.handle_chunk(stream, piece.clone(), at(50));
        }
        task.handle_chunk(stream, piece.slice(..beyond), at(50));
        let lines = settle(&mut task, 50, &shared);
        assert_eq!(lines.len(), told, "{lines:?}");
    }
}

/// What the first events of a second connection tell, when this is what the list has.
fn reconnected(list: &'static str, listed: bool) -> Vec<String> {
    reconnected_for(list, listed, usize::MAX)
}

/// The same, when it is there for so many readings.
fn reconnected_for(list: &'static str, listed: bool, readings: usize) -> Vec<String> {
    let mut read = 0;
    let mut world = streamed(
        &[Work(20_000), Complete("42")],
        &[
            (500, 1, "begin"),
            (1500, 2, "step"),
            (2600, 5, "step"),
            (2700, 8, "step"),
        ],
    )
    .action(2000, UserAction::CutStream)
    .action(4000, UserAction::Stop);
    world.server.page = Some(9);
    world.rewrite = Box::new(move |path, _, reply| {
        if path.contains("/events") {
            reply.body = list.into();
            read += 1;
            if !listed || read > readings {
                reply.head.status = http::StatusCode::NOT_IMPLEMENTED;
            }
        }
    });
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    let lines = world.lines();
    let cut = lines
        .iter()
        .position(|line| line.contains("ended the stream"));
    let told = lines[cut.expect("it was cut") + 1..].iter();
    let told = told.filter_map(|line| line.strip_prefix("event "));
    told.map(str::to_owned).collect()
}

/// Rows: E13.
#[test]
fn a_gap_is_told_when_the_list_does_not_show_that_there_is_none() {
    let (five, eight) = ("event Some(5) step", "event Some(8) step");
    let gap = "Gap { after: EventSeq(2), before: EventSeq(5) }";
    let all = "1 begin\n2 step\n3 step\n4 step\n5 step.";
    let expected = ["event Some(3) step", "event Some(4) step", five, eight];
    assert_eq!(reconnected(all, true), expected);
    // It lags behind the stream, or is not to be had.
    assert_eq!(reconnected("1 begin\n2 step.", true), [gap, five, eight]);
    assert_eq!(reconnected("", false), [gap, five, eight]);
    // It shows that there is none, and then it is gone.
    assert_eq!(reconnected_for(all, true, 1), expected);
    // It has the event, and none between.
    assert_eq!(reconnected("1 begin\n2 step\n5 step.", true), [five, eight]);
}

#[test]
fn an_end_that_only_the_list_tells_is_confirmed_at_once() {
    let mut world = streamed(&[Work(900), Complete("42")], &[]);
    world.server.page = Some(9);
    world.rewrite = Box::new(|path, _, reply| {
        if path.contains("/events") {
            reply.body = "1 begin\n2 end.".into();
        }
    });
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    let end = world.trace.iter().find(|line| line.contains("Some(2) end"));
    let end: u64 = end.expect("told")[..7].trim().parse().expect("a time");
    assert_eq!(world.status_sent, [end]);
}

/// Whoever asked before knows it, and it is asked all the same: nobody here has heard of it.
#[test]
fn a_task_that_is_attached_after_its_question_is_asked_by_the_lists_word() {
    let mut world = streamed(&[Ask("which?")], &[(10, 1, "begin"), (20, 2, "wait")]);
    world.server = world.server.clone().begun(0);
    world.server.page = Some(9);
    world.now = 5000;
    let (id, after) = (TaskId::new("t1"), Some(EventSeq(2)));
    let task: Streamed = Task::attach(Toy, id, after, policy(), seed(), at(5000));
    assert_eq!(world.drive(task), Ended::Left("wait".into()));
    assert_eq!(world.count("event question q2"), 1);
    assert_eq!(world.count("event event"), 0);
}

#[test]
fn a_second_connection_that_goes_on_where_the_first_ended_has_no_gap_whatever_comes_later() {
    for (listed, replays) in [(false, false), (true, false), (false, true)] {
        // Where it starts over, its first event is an old one.
        let second = if replays { 4 } else { 2 };
        let stream = [(500, 1, "begin"), (2600, second, "step"), (2700, 8, "step")];
        let mut world = streamed(&[Work(20_000)], &stream)
            .action(2000, UserAction::CutStream)
            .action(4000, UserAction::Stop);
        world.server.page = listed.then_some(9);
        world.server.replays = replays;
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        for (_, seq, _) in stream {
            assert_eq!(world.count(&format!("event event Some({seq})")), 1, "{seq}");
        }
        assert_eq!(world.count("Gap"), 0, "{listed}: {:#?}", world.trace);
    }
}

/// Rows: E13.
#[test]
fn what_a_connection_leaves_out_in_its_middle_is_told_by_the_list_in_order() {
    let mut world = streamed(
        &[Work(20_000)],
        &[(500, 1, "begin"), (1500, 2, "step"), (2500, 5, "step")],
    )
    .action(4000, UserAction::Stop);
    world.server.page = Some(9);
    world.rewrite = Box::new(|path, _, reply| {
        if path.contains("/events") {
            reply.body = "1 begin\n2 step\n3 step\n4 step\n5 step.".into();
        }
    });
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    let lines = world.lines();
    let told = lines.iter().filter(|line| line.starts_with("event event"));
    let all: Vec<String> = ["1) begin", "2) step", "3) step", "4) step", "5) step"]
        .map(|event| format!("event event Some({event}"))
        .to_vec();
    assert_eq!(told.cloned().collect::<Vec<_>>(), all);
}

/// The status of a task that is over may lag behind; what it says meanwhile is no question.
#[test]
fn after_an_end_no_wait_is_believed() {
    let mut world = streamed(&[Ask("which?")], &[(500, 1, "begin"), (1500, 2, "end")]);
    world.stays = true;
    assert_eq!(run_streamed(&mut world), outcome("result_unavailable"));
    assert_eq!(world.count("event question"), 0, "{:#?}", world.trace);
}

#[test]
fn what_was_said_last_before_a_cut_is_asked_only_if_the_list_does_not_show_it_to_be_over() {
    // The answer of somebody else and what followed it came while the stream was gone.
    let mut world = streamed(
        &[Work(900), Ask("a?"), Ask("b?"), Complete("42")],
        &[(500, 1, "begin"), (1000, 2, "wait"), (1100, 3, "step")],
    )
    .action(1030, UserAction::CutStream)
    .action(1050, UserAction::OtherClient("early"))
    .action(20_000, UserAction::Stop)
    .faults(|_, _, path| match path.contains("after") {
        true => Fault::Status(503),
        false => Fault::None,
    });
    world.server.delay = 0;
    world.server.page = Some(9);
    world.stays = true;
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    assert_eq!(world.count("event question q2"), 0, "{:#?}", world.trace);
    assert_eq!(world.count("event question stand-in-1"), 1);
}
