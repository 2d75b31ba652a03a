//! The list of a task's events, page by page, on a platform whose stream is not to be had.

use crate::world::Act::{Complete, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, policy, seed};
use taskward_core::{Task, TaskId};

/// Pages by their cursors, the first under none.
type Pages = &'static [(&'static str, &'static str)];

/// A task that works for three seconds, and whose list has these pages from beginning to end.
fn paged(pages: Pages) -> World {
    let mut world = World::new(&[Work(3000), Complete("42")]).faults(|_, _, path| match path {
        "/t/t1/stream" => Fault::Status(405),
        _ => Fault::None,
    });
    world.server.page = Some(1);
    world.rewrite = Box::new(move |path, _, reply| {
        if let Some((_, cursor)) = path.split_once("/events") {
            let cursor = cursor.split_once('=').map_or("", |(_, cursor)| cursor);
            let page = pages.iter().find(|(at, _)| *at == cursor);
            let (_, body) = page.expect("a page of this cursor");
            reply.body = body.as_bytes().to_vec().into();
        }
    });
    world
}

fn run(world: &mut World) {
    let task = world.start::<true, true>();
    let ended = world.drive(task);
    assert_eq!(ended, Ended::Outcome("succeeded 42".into()));
}

/// The cursors that the list was read with after each poll of the task.
fn readings(world: &World) -> Vec<Vec<String>> {
    let mut readings = Vec::new();
    for line in world.lines() {
        if line == "send GET /t/t1" {
            readings.push(Vec::new());
        } else if let Some((_, cursor)) = line.split_once("GET /t/t1/events") {
            let cursor = cursor.split(' ').next().unwrap_or_default();
            let cursor = cursor.split_once('=').map_or("", |(_, cursor)| cursor);
            let reading = readings.last_mut().expect("a look comes first");
            reading.push(cursor.to_owned());
        }
    }
    readings
}

/// The numbers of the events that were delivered.
fn told(world: &World) -> Vec<String> {
    let events = world.trace.iter().filter_map(|line| {
        let (_, event) = line.split_once(" event event Some(")?;
        Some(event.split_once(')')?.0.to_owned())
    });
    events.collect()
}

/// What is special about some pages, the pages, the cursors of three backfills, and the delivered events.
type Case = (
    &'static str,
    Pages,
    [&'static [&'static str]; 3],
    &'static [&'static str],
);

#[test]
fn a_list_is_read_to_its_end_whatever_its_pages_are_like_and_then_from_its_newest_page() {
    let cases: [Case; 8] = [
        (
            "the last page leads to itself",
            &[("", "1 begin\n2 step\nnext a."), ("a", "3 step\nnext a.")],
            [&["", "a"], &["a"], &["a"]],
            &["1", "2", "3"],
        ),
        (
            "one event to a page",
            &[("", "1 begin\nnext a."), ("a", "2 step.")],
            [&["", "a"], &["a"], &["a"]],
            &["1", "2"],
        ),
        (
            "a shorter page is the last, whatever it says",
            &[
                ("", "1 begin\n2 step\nnext a."),
                ("a", "3 step\nnext b."),
                ("b", "."),
            ],
            [&["", "a"], &["a", "b"], &["b"]],
            &["1", "2", "3"],
        ),
        (
            "after events an empty page is the last, whatever it says",
            &[("", "1 begin\nnext a."), ("a", "next b."), ("b", ".")],
            [&["", "a"], &["a", "b"], &["b"]],
            &["1"],
        ),
        (
            "two empty pages come first",
            &[
                ("", "next a."),
                ("a", "next b."),
                ("b", "1 begin\nnext c."),
                ("c", "."),
            ],
            [&["", "a", "b", "c"], &["c"], &["c"]],
            &["1"],
        ),
        (
            "no more than three empty pages are passed over at once",
            &[
                ("", "next a."),
                ("a", "next b."),
                ("b", "next c."),
                ("c", "1 begin."),
            ],
            [&["", "a", "b"], &["b", "c"], &["c"]],
            &["1"],
        ),
        (
            "the newest come first",
            &[
                ("", "4 step\n3 step\nnext a."),
                ("a", "2 step\n1 begin\nnext b."),
                ("b", "."),
            ],
            [&["", "a", "b"], &[""], &[""]],
            &["1", "2", "3", "4"],
        ),
        (
            "the newest come first, and an empty page ends them",
            &[
                ("", "3 step\n2 step\nnext a."),
                ("a", "1 begin\nnext b."),
                ("b", "next c."),
            ],
            [&["", "a", "b"], &[""], &[""]],
            &["1", "2", "3"],
        ),
    ];
    for (what, pages, expected, events) in cases {
        let mut world = paged(pages);
        run(&mut world);
        assert_eq!(readings(&world), expected, "{what}");
        assert_eq!(told(&world), events, "{what}");
    }
}

/// What the newest-first list of a long task has gained is read without the rest.
#[test]
fn a_list_that_begins_with_the_newest_is_read_back_to_what_is_known() {
    let mut world = paged(&[]);
    world.rewrite = Box::new(|path, now, reply| {
        let Some((_, cursor)) = path.split_once("/events") else {
            return;
        };
        let newest: usize = if now < 3000 { 4 } else { 7 };
        let from = cursor
            .split_once('=')
            .map_or(newest, |(_, cursor)| cursor.parse().expect("a place"));
        let mut lines: Vec<String> = (1..=from)
            .rev()
            .take(2)
            .map(|n| format!("{n} step"))
            .collect();
        if from > 2 {
            lines.push(format!("next {}", from - 2));
        }
        reply.body = format!("{}.", lines.join("\n")).into_bytes().into();
    });
    run(&mut world);
    assert_eq!(
        readings(&world),
        [vec!["", "2"], vec![""], vec!["", "5"]],
        "5 and 4: the latter was told"
    );
    assert_eq!(told(&world), ["1", "2", "3", "4", "5", "6", "7"]);
}

/// A stream that is open and brings nothing is no witness: the list is read whenever the task is.
#[test]
fn what_a_silent_stream_keeps_back_is_told_by_the_list() {
    let mut world = World::new(&[Work(100_000), Complete("42")]);
    world.server.page = Some(1);
    world.rewrite = Box::new(|path, now, reply| {
        if path.contains("/events") {
            let events = if now < 40_000 {
                "1 begin."
            } else {
                "1 begin\n2 step."
            };
            reply.body = events.as_bytes().to_vec().into();
        }
    });
    run(&mut world);
    assert_eq!(told(&world), ["1", "2"]);
    let second = world.trace.iter().find(|line| line.contains("Some(2)"));
    let second: u64 = second.expect("told")[..7].trim().parse().expect("a time");
    assert!(second < 90_000, "{second}: not first at the end");
    assert_eq!(world.count("open GET"), 1);
    let reads = world.count("GET /t/t1/events");
    // The read after the first second is made without a poll.
    assert_eq!(reads, world.status_sent.len() + 1);
}

/// When the list was asked for, with its first two readings refused so.
fn asked(status: u16, attached: bool) -> (Ended, Vec<u64>, Vec<String>) {
    let mut world = paged(&[("", "1 begin.")]);
    world.server = World::new(&[Work(1_500_000), Complete("42")]).server;
    world.server.page = Some(1);
    let mut asked = 0;
    world.faults = Box::new(move |_, _, path| {
        asked += usize::from(path.contains("/events"));
        match path {
            "/t/t1/stream" => Fault::Status(405),
            "/t/t1/events" if asked < 3 => Fault::Status(status),
            _ => Fault::None,
        }
    });
    let ended = if attached {
        world.server = world.server.clone().begun(0);
        let id = TaskId::new("t1");
        let task: Task<Toy<true, true>> = Task::attach(Toy, id, None, policy(), seed(), at(0));
        world.drive(task)
    } else {
        let task = world.start::<true, true>();
        world.drive(task)
    };
    let lists = world.trace.iter().filter(|line| line.contains("/events"));
    let lists = lists.map(|line| line[..7].trim().parse().expect("a time"));
    (ended, lists.collect(), told(&world))
}

/// Nothing is reported of a list that the platform does not have, and nothing waits for it.
#[test]
fn a_list_that_is_refused_is_asked_for_again_only_after_ten_minutes() {
    let whole = Ended::Outcome("succeeded 42".into());
    for (status, attached) in [(404, true), (405, false), (410, false), (501, false)] {
        let (ended, lists, told) = asked(status, attached);
        assert_eq!(ended, whole, "{status}");
        for pair in lists[..3].windows(2) {
            let wait = pair[1] - pair[0];
            assert!((600_000..615_000).contains(&wait), "{status}: {pair:?}");
        }
        assert!(lists[3] - lists[2] < 60_000, "{status}");
        assert_eq!(told, ["1"], "{status}");
    }
    for (status, attached) in [
        (404, false),
        (408, false),
        (425, false),
        (429, true),
        (503, true),
    ] {
        let (ended, lists, told) = asked(status, attached);
        assert_eq!(ended, whole, "{status}");
        assert!(lists[2] - lists[0] < 10_000, "{status}: {lists:?}");
        assert_eq!(told, ["1"], "{status}");
    }
    for status in [401, 403] {
        let (ended, lists, _) = asked(status, true);
        assert_eq!(ended, Ended::Outcome("access_lost".into()), "{status}");
        assert_eq!(lists.len(), 1, "{status}");
    }
}

/// The platform may forget a cursor of an earlier backfill; the events of the list are still delivered once.
#[test]
fn a_cursor_that_is_refused_later_is_dropped_and_the_list_read_from_its_beginning() {
    let mut world = paged(&[("", "1 begin\n2 step\nnext a."), ("a", "3 step.")]);
    let mut asked = 0;
    world.faults = Box::new(move |_, _, path| {
        asked += usize::from(path.contains("/events"));
        match path {
            "/t/t1/stream" => Fault::Status(405),
            "/t/t1/events?cursor=a" if asked == 3 => Fault::Status(410),
            _ => Fault::None,
        }
    });
    run(&mut world);
    let expected = [vec!["", "a"], vec!["a", "", "a"], vec!["a"]];
    assert_eq!(readings(&world), expected);
    assert_eq!(told(&world), ["1", "2", "3"]);
}

/// What of the list fails, and asks for what wait: the reading's number from 1 gives the seconds to ask for.
fn failing(work: u64, asks: impl Fn(usize) -> Option<u64> + 'static) -> World {
    let mut world = paged(&[("", "1 begin.")]);
    world.server = World::new(&[Work(work), Complete("42")]).server;
    world.server.page = Some(1);
    let mut readings = 0;
    world.rewrite = Box::new(move |path, _, reply| {
        if path.contains("/events") {
            readings += 1;
            reply.head.status = http::StatusCode::SERVICE_UNAVAILABLE;
            if let Some(seconds) = asks(readings) {
                reply.head.headers.insert("retry-after", seconds.into());
            }
        }
    });
    world
}

/// The times of these requests.
fn times(world: &World, what: &str) -> Vec<u64> {
    let lines = world.trace.iter().filter(|line| line.ends_with(what));
    let times = lines.map(|line| line[..7].trim().parse().expect("a time"));
    times.collect()
}

#[test]
fn a_list_that_fails_keeps_a_poll_waiting_for_a_minute_at_most() {
    let mut world = failing(3_600_000, |_| None).action(200_000, UserAction::Stop);
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    let (reads, lists) = (times(&world, "send GET /t/t1"), times(&world, "/events"));
    let held: Vec<u64> = lists.iter().copied().filter(|at| *at < reads[1]).collect();
    let (first, last) = (held[0], held[held.len() - 1]);
    assert!((10_000..=60_000).contains(&(last - first)), "{held:?}");
    // Ever more seldom.
    assert!((5..=15).contains(&held.len()), "{held:?}");
    for attempt in 1..held.len() {
        let told = format!("event retrying {attempt} the list of events");
        assert!(world.count(&told) > 0, "{told}");
    }
    // Then the poll counts, and the next one is made in its time.
    assert!(
        (1000..=2000).contains(&(reads[1] - last)),
        "{reads:?} {held:?}"
    );
}

/// A poll that stalls before the list fails uses up nothing of the list's patience.
#[test]
fn the_patience_with_a_list_begins_with_its_first_failure() {
    let reads = |asleep| {
        let mut world = failing(3_600_000, |_| None).action(400_000, UserAction::Stop);
        world.asleep = asleep;
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        let second = times(&world, "send GET /t/t1")[1];
        let lists = times(&world, "/events");
        let held = lists.iter().filter(|at| **at < second).count();
        let sends = world.snapshots.iter();
        let sends = sends
            .enumerate()
            .filter(|(_, (name, _))| name.starts_with("Send"));
        let first_page = sends.map(|(at, _)| at + 1).nth(2);
        (held, first_page)
    };
    let (whole, first_page) = reads(None);
    let (late, _) = reads(first_page.map(|step| (step, 90_000)));
    assert_eq!(late, whole);
}

#[test]
fn at_the_end_of_a_task_a_list_that_fails_is_tried_for_twenty_seconds() {
    let mut world = failing(0, |_| None);
    run(&mut world);
    let lists = times(&world, "/events");
    let tried = lists[lists.len() - 1] - lists[0];
    assert!((5000..=20_000).contains(&tried), "{lists:?}");
    assert!(world.now <= 25_000, "{}", world.now);
    // Nor does it help to ask for more.
    let mut world = failing(0, |_| Some(100));
    run(&mut world);
    assert!(world.now <= 5000, "{}", world.now);
}

#[test]
fn one_wait_that_the_list_asks_for_is_granted_and_no_second() {
    // From the first on it asks, or the second alone does.
    for (asks, granted) in [(1, true), (2, false)] {
        let wait = move |reading| (reading == asks || granted).then_some(100);
        let mut world = failing(3_600_000, wait).action(250_000, UserAction::Stop);
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        let (reads, lists) = (times(&world, "send GET /t/t1"), times(&world, "/events"));
        let held: Vec<u64> = lists.iter().copied().filter(|at| *at < reads[1]).collect();
        assert_eq!(held.len(), 2, "{asks}: {held:?}");
        let waited = (100_000..110_000).contains(&(held[1] - held[0]));
        assert_eq!(waited, granted, "{asks}: {held:?}");
        assert!(reads[1] - held[1] < 5000, "{asks}: {reads:?} {held:?}");
    }
}

#[test]
fn a_list_of_another_shape_is_read_once_more_and_then_taken_for_none() {
    let mut world = failing(400_000, |_| None);
    world.rewrite = Box::new(move |path, now, reply| {
        if path.contains("/events") && now < 300_000 {
            reply.body = "what step.".into();
        } else if path.contains("/events") {
            reply.body = "1 begin.".into();
        }
    });
    run(&mut world);
    let lists = times(&world, "/events");
    assert_eq!(lists.len(), 2, "{lists:?}");
    assert!(lists[1] - lists[0] < 2000, "{lists:?}");
}

/// The cursor is the server's, and so is its fault: the task is followed as one without a list.
///
/// Rows: D24.
#[test]
fn a_cursor_that_no_request_can_carry_ends_the_list_and_not_the_watch() {
    let mut world = paged(&[]);
    world.rewrite = Box::new(move |path, _, reply| {
        if path.contains("/events") {
            let cursor = "c".repeat(1 << 20);
            reply.body = format!("1 begin\nnext {cursor}.").into();
        }
    });
    run(&mut world);
    assert_eq!(told(&world), ["1"]);
    assert_eq!(world.count("/events"), 1, "{:#?}", world.trace);
}
