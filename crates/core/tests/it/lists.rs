//! The list of a task's events, page by page, on a platform whose stream is not to be had.

use crate::world::Act::{Complete, Work};
use crate::world::{Ended, Fault, Toy, World, at, policy, seed};
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

/// The cursors that the list was read with after each look at the task.
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

/// The numbers of the events that were told.
fn told(world: &World) -> Vec<String> {
    let events = world.trace.iter().filter_map(|line| {
        let (_, event) = line.split_once(" event event Some(")?;
        Some(event.split_once(')')?.0.to_owned())
    });
    events.collect()
}

#[test]
fn a_list_is_read_to_its_end_whatever_its_pages_are_like_and_then_from_its_newest_page() {
    let cases: [(&str, Pages, [&[&str]; 3], &[&str]); 8] = [
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
    // The one after the first second is made without a look.
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

/// Nothing is told of a list that the platform does not have, and nothing waits for it.
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

/// A cursor of an earlier reading may be forgotten; what the list has is told once all the same.
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
