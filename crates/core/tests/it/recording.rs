//! Delivered events are recorded: an orderly stop repeats none of them, and a number never changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use taskward_core::{EventId, EventSeq, Task};

use crate::world::Act::{Ask, Complete, Work};
use crate::world::{Ended, Toy, UserAction, World, at, outcome, policy, streamed};

/// What a process delivered.
type Told = Vec<(EventId, String)>;

/// Sixteen events in the first two seconds, and the end long after.
const SIXTEEN: [(u64, u64, &str); 17] = {
    let mut stream = [(0, 0, "step"); 17];
    let mut n = 0;
    while n < 16 {
        stream[n] = (100 * n as u64, n as u64 + 1, "step");
        n += 1;
    }
    stream[16] = (60_000, 17, "end");
    stream
};

fn sixteen() -> World {
    streamed(&[Work(60_000), Complete("42")], &SIXTEEN)
}

/// Resumes from what is stored, and returns what both processes delivered.
fn goes_on(world: &mut World) -> (Told, Told) {
    let before = std::mem::take(&mut world.ids);
    world.hang_up();
    world.now += 300;
    let saved = world.saved.last().expect("it was stored").clone();
    let task: Task<Toy<true, true>> = Task::resume(Toy, saved, at(world.now)).expect("resume");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    (before, std::mem::take(&mut world.ids))
}

fn told_twice(before: &[(EventId, String)], after: &[(EventId, String)]) -> usize {
    after.iter().filter(|told| before.contains(told)).count()
}

fn streamed_ids(told: &[(EventId, String)]) -> Vec<u64> {
    let place = |(id, _): &(EventId, String)| match id {
        EventId::Stream(EventSeq(place)) => Some(*place),
        EventId::Own(_) => None,
    };
    told.iter().filter_map(place).collect()
}

/// Rows: M12.
#[test]
fn after_an_interrupt_or_a_deadline_nothing_is_told_twice() {
    let mut interrupted = sixteen().action(3_000, UserAction::Interrupt);
    let task = interrupted.start::<true, true>();
    assert_eq!(interrupted.drive(task), Ended::Left("NotRequested".into()));
    let mut late = sixteen();
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(3));
    let task = late.start_with::<true, true>(hurried);
    assert_eq!(late.drive(task), outcome("deadline Working running"));
    for mut world in [interrupted, late] {
        let before = std::mem::take(&mut world.ids);
        world.hang_up();
        let saved = world.saved.last().expect("it was stored").clone();
        let mut patient = policy();
        patient.work = None;
        let task: Task<Toy<true, true>> =
            Task::recover(Toy, saved, patient, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), outcome("succeeded 42"));
        assert_eq!(streamed_ids(&before), (1..=16).collect::<Vec<_>>());
        assert_eq!(streamed_ids(&world.ids), [17]);
        assert_eq!(told_twice(&before, &world.ids), 0);
    }
}

/// Rows: M12.
#[test]
fn what_a_question_hands_back_was_stored_before_the_question_was_told() {
    let stream = [
        (5, 1, "begin"),
        (500, 2, "step"),
        (1000, 3, "wait"),
        (9000, 4, "end"),
    ];
    let mut world = streamed(&[Work(900), Ask("which?"), Complete("42")], &stream);
    world.server.page = Some(9);
    let task = world.start::<true, true>();
    assert_eq!(world.drive(task), Ended::Left("wait".into()));
    let mut again = world;
    let before = again.ids.clone();
    again = again.answers(&["this"]);
    let (_, after) = goes_on(&mut again);
    assert_eq!(streamed_ids(&before), [1, 2, 3]);
    assert!(streamed_ids(&after).iter().all(|place| *place > 3));
    let twice: Vec<_> = after.iter().filter(|told| before.contains(told)).collect();
    assert_eq!(
        twice.len(),
        1,
        "the question, which is still open: {twice:?}"
    );
}

/// Killed at any step, whoever goes on from the journal gives no number to another event, no event another number, and
/// tells few a second time.
///
/// Rows: M12.
#[test]
fn a_number_is_for_good_whenever_the_process_is_killed() {
    let whole = {
        let mut world = sixteen();
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), outcome("succeeded 42"));
        world
    };
    let mut most = 0;
    for number in 1..whole.snapshots.len() {
        let mut world = sixteen();
        world.kill_after = Some(number);
        let task = world.start::<true, true>();
        assert_eq!(world.drive(task), Ended::Stopped);
        world.kill_after = None;
        if world.saved.is_empty() {
            continue;
        }
        let (before, after) = goes_on(&mut world);
        most = most.max(told_twice(&before, &after));
        let mut texts: BTreeMap<EventId, BTreeSet<&String>> = BTreeMap::new();
        for (id, text) in before.iter().chain(&after) {
            texts.entry(*id).or_default().insert(text);
        }
        assert!(
            texts.values().all(|texts| texts.len() == 1),
            "killed at {number}: {texts:#?}"
        );
        let own = |told: &[(EventId, String)]| {
            let own = |(id, _): &(EventId, String)| matches!(id, EventId::Own(_)).then_some(*id);
            told.iter().filter_map(own).collect::<Vec<_>>()
        };
        assert!(own(&before).is_sorted() && own(&after).is_sorted());
    }
    assert!(most <= 32, "{most}");
}
