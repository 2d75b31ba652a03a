//! When a stream is opened again, and how a task is read beside one or without.

use crate::world::Act::{Complete, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, policy, seed, streamed};
use taskward_core::{Seed, Task, TaskId};

type Streamed = Task<Toy<true, true>>;

#[test]
fn failures_in_a_row_are_counted_until_an_event_comes_or_half_a_minute_passes() {
    let attempts = |world: &World| -> Vec<String> {
        let lines = world.lines().into_iter();
        let told = lines.filter_map(|line| {
            let told = line.strip_prefix("event retrying ")?.to_owned();
            Some(told.split_once(' ')?.0.to_owned())
        });
        told.collect()
    };
    let quiet = streamed(&[Work(600_000), Complete("42")], &[(500, 1, "begin")]);
    // Each connection is cut soon after it was opened, and none brings anything new.
    let mut world = quiet;
    for cut in [2000, 6000, 12_000] {
        world = world.action(cut, UserAction::CutStream);
    }
    // The last one lives.
    for cut in [100_000, 104_000] {
        world = world.action(cut, UserAction::CutStream);
    }
    world = world.action(110_000, UserAction::Stop);
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    assert_eq!(
        attempts(&world),
        ["1", "2", "3", "1", "2"],
        "{:#?}",
        world.trace
    );
    let mut world = streamed(
        &[Work(600_000), Complete("42")],
        &[(500, 1, "begin"), (5000, 2, "step"), (9000, 3, "step")],
    );
    for cut in [2000, 6000, 12_000] {
        world = world.action(cut, UserAction::CutStream);
    }
    world = world.action(15_000, UserAction::Stop);
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Stopped);
    assert_eq!(attempts(&world), ["1"; 3], "{:#?}", world.trace);
}

#[test]
fn after_three_failures_a_task_is_polled_while_its_stream_is_tried() {
    let reads = |failures: usize| {
        let mut opened = 0;
        let mut world = streamed(&[Work(90_000), Complete("42")], &[]).faults(move |_, _, path| {
            opened += usize::from(path.contains("/stream"));
            match path.contains("/stream") && opened <= failures {
                true => Fault::Status(503),
                false => Fault::None,
            }
        });
        world.server.page = Some(9);
        world = world.action(60_000, UserAction::Stop);
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        world.count("/events")
    };
    // Without a failure the list is read once, and with each poll that the silent stream allows.
    let (none, many) = (reads(0), reads(99));
    assert!(none >= 3 && many >= none, "{none} {many}");
}

/// Ever more seldom while nothing happens, and soon again once something did.
#[test]
fn beside_a_stream_that_tells_a_task_is_read_now_and_then() {
    let mut calm = policy();
    calm.limits.stream_idle = std::time::Duration::from_secs(86_400);
    let mut world = streamed(
        &[Work(90_000_000)],
        &[(500, 1, "begin"), (1_000_000, 2, "step")],
    );
    world = world.action(1_200_000, UserAction::Stop);
    let task = world.start_with::<true, true>(calm.clone());
    assert_eq!(world.drive(task), Ended::Stopped);
    // Each time twice as long after the last event, and ten minutes at most.
    let expected = [
        30_500, 60_500, 120_500, 240_500, 480_500, 960_500, 1_030_000, 1_060_000, 1_120_000,
    ];
    assert_eq!(world.status_sent.len(), expected.len());
    for (read, expected) in world.status_sent.iter().zip(expected) {
        assert!(
            (expected..expected + 2000).contains(read),
            "{:?}",
            world.status_sent
        );
    }
    // While events come it is read every ten minutes.
    let busy: Vec<(u64, u64, &'static str)> =
        (1..=1500).map(|seq| (seq * 1000, seq, "step")).collect();
    let mut world = streamed(&[Work(90_000_000)], &busy).action(1_500_000, UserAction::Stop);
    let task = world.start_with::<true, true>(calm.clone());
    assert_eq!(world.drive(task), Ended::Stopped);
    let reads = &world.status_sent;
    assert!((2..=3).contains(&reads.len()), "{reads:?}");
    // One that has brought nothing yet has not earned as much trust.
    let mut world = streamed(&[Work(90_000_000)], &[]).action(100_000, UserAction::Stop);
    world.server.page = Some(9);
    let task = world.start_with::<true, true>(calm);
    assert_eq!(world.drive(task), Ended::Stopped);
    let reads = &world.status_sent;
    assert!((1000..3000).contains(&reads[0]), "{reads:?}");
    for pair in reads.windows(2) {
        assert!(
            (2 * pair[0]..2 * pair[0] + 200).contains(&pair[1]),
            "{reads:?}"
        );
    }
}

/// When the stream was asked for, with the first openings refused so.
fn openings(faults: &'static [Fault], attached: bool) -> Vec<u64> {
    let mut world = streamed(&[Work(1_500_000), Complete("42")], &[]);
    let mut faults = faults.iter().copied();
    world.faults = Box::new(move |_, _, path| match path {
        "/t/t1/stream" => faults.next().unwrap_or(Fault::None),
        "/t/t1/events" => Fault::Status(405),
        _ => Fault::None,
    });
    world = world.action(1_300_000, UserAction::Stop);
    let task = if attached {
        world.server = world.server.clone().begun(0);
        Task::attach(Toy, TaskId::new("t1"), None, policy(), seed(), at(0))
    } else {
        world.start::<true, true>()
    };
    assert_eq!(world.drive(task), Ended::Stopped);
    let opened = world.sent.iter().filter(|sent| sent.path == "/t/t1/stream");
    opened.map(|sent| sent.at).collect()
}

#[test]
fn a_stream_that_the_platform_does_not_have_is_asked_for_again_after_ten_minutes() {
    let absent: [(&'static [Fault], bool, usize); 7] = [
        (&[Fault::Status(405)], false, 0),
        (&[Fault::Status(406)], false, 0),
        (&[Fault::Status(410)], false, 0),
        (&[Fault::Status(501)], false, 0),
        // An empty reply is how a server says that it wants no more of this.
        (&[Fault::Status(204)], false, 0),
        (&[Fault::Status(404)], true, 0),
        // Something else than a stream may be a mistake once.
        (&[Fault::Status(200), Fault::Status(200)], false, 1),
    ];
    for (faults, attached, after) in absent {
        let opened = openings(faults, attached);
        let wait = opened[after + 1] - opened[after];
        assert_eq!(wait, 600_020, "{faults:?}: {opened:?}");
        if after > 0 {
            assert!(opened[1] - opened[0] < 1000, "{opened:?}");
        }
    }
    for status in [404, 408, 429, 500, 503] {
        let faults: &'static [Fault] = match status {
            404 => &[Fault::Status(404); 2],
            408 => &[Fault::Status(408); 2],
            429 => &[Fault::Status(429); 2],
            500 => &[Fault::Status(500); 2],
            _ => &[Fault::Status(503); 2],
        };
        let opened = openings(faults, false);
        assert!(opened[2] - opened[0] < 3000, "{status}: {opened:?}");
    }
}

/// Half of it is sure, so that nobody hammers; half is drawn, so that not all come at once.
#[test]
fn a_stream_is_opened_again_after_a_wait_that_doubles_and_differs_from_task_to_task() {
    let mut first = std::collections::BTreeSet::new();
    for task in 0..24 {
        let mut world = streamed(&[Work(300_000)], &[]).faults(|_, _, path| match path {
            "/t/t1/stream" => Fault::Status(503),
            "/t/t1/events" => Fault::Status(405),
            _ => Fault::None,
        });
        world = world.action(60_000, UserAction::Stop);
        let job = crate::world::ToyJob("go".into());
        let task: Streamed =
            Task::start(Toy, &job, policy(), Seed([task; 32]), at(0)).expect("a task");
        assert_eq!(world.drive(task), Ended::Stopped);
        let opened = world.sent.iter().filter(|sent| sent.path == "/t/t1/stream");
        let opened: Vec<u64> = opened.map(|sent| sent.at).collect();
        first.insert(opened[1] - opened[0]);
        for (failures, pair) in opened.windows(2).enumerate().take(5) {
            let ceiling = 500 << failures;
            // Another request may be under way when it is due.
            let wait = pair[1] - pair[0] - 20;
            assert!((ceiling / 2..=ceiling + 20).contains(&wait), "{opened:?}");
        }
    }
    assert!(first.len() > 12, "{first:?}");
}

/// While the driver waits for something else it cannot hear the stream.
#[test]
fn a_long_read_beside_a_stream_is_no_silence_of_it() {
    let cut = |asleep| {
        let mut world = streamed(&[Work(900_000)], &[(500, 1, "begin")]);
        world.asleep = asleep;
        world = world.action(899_000, UserAction::Stop);
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        let cut = world
            .trace
            .iter()
            .find(|line| line.contains("nothing came"));
        let cut: u64 = cut.expect("it is cut")[..7].trim().parse().expect("a time");
        let read = world
            .snapshots
            .iter()
            .position(|(name, _)| name == "Send at 30500");
        (cut, read.expect("it is looked at") + 1)
    };
    let (whole, read) = cut(None);
    assert!((300_500..302_000).contains(&whole), "{whole}");
    let (late, _) = cut(Some((read, 200_000)));
    assert!((500_500..502_000).contains(&late), "{late}");
}
