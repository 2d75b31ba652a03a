//! Entries that cannot be read, through the machine: passed over, and no evidence.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;
use taskward_core::Answer;
use taskward_sim::{Fault, FaultRule};

use crate::world::{World, outcome};

/// Returns some replies of the list of messages have an entry more, last, that cannot be read; how many had.
fn spoiled(
    world: &mut World,
    entry: Value,
    which: impl Fn(u32, u64) -> bool + 'static,
) -> Rc<Cell<u32>> {
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let mut number = 0;
    world.rewrite = Box::new(move |endpoint, now, mut reply| {
        if endpoint == "messages" {
            number += 1;
            if which(number, now) {
                counted.set(counted.get() + 1);
                let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
                body["data"]
                    .as_array_mut()
                    .expect("data")
                    .push(entry.clone());
                reply.body = body.to_string().into();
            }
        }
        reply
    });
    count
}

fn answering(world: &mut World) {
    world.answerer = Box::new(|_| Some(Answer::text("EUR")));
}

/// Rows: D23.
#[test]
fn a_question_is_asked_and_answered_once_the_entry_behind_it_can_be_read() {
    let mut plain = World::new("");
    answering(&mut plain);
    let ended = plain.run("asker", "Which?");
    for entry in [
        Value::Null,
        Value::from(7),
        serde_json::json!({"content": "x"}),
    ] {
        for reads in [1..=1, 1..=3, 2..=2, 2..=3] {
            let mut world = World::new("");
            answering(&mut world);
            let spoiled = {
                let reads = reads.clone();
                spoiled(&mut world, entry.clone(), move |number, _| {
                    reads.contains(&number)
                })
            };
            assert_eq!(world.run("asker", "Which?"), ended, "{entry} {reads:?}");
            assert_eq!(world.events, plain.events, "{entry} {reads:?}");
            assert_eq!(spoiled.get() as usize, reads.count(), "{entry}");
            assert_eq!(world.stats().endpoints["message"], 1, "{entry}");
        }
    }
}

/// The check before an answer cannot tell whether the question is still asked: nothing leaves, and it is said.
///
/// Rows: D23.
#[test]
fn an_answer_does_not_leave_while_it_cannot_be_told_what_is_asked() {
    let mut world = World::new("");
    let mut first = true;
    world.answerer = Box::new(move |_| std::mem::take(&mut first).then(|| Answer::text("EUR")));
    spoiled(&mut world, Value::Null, |number, _| number > 1);
    world.actions.push((
        crate::world::START + 120_000,
        crate::world::UserAction::Cancel,
    ));
    assert_eq!(world.run("asker", "Which?"), outcome("stopped by Us"));
    assert!(
        !world.stats().endpoints.contains_key("message"),
        "{:?}",
        world.requests
    );
    let answered: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.starts_with("answered"))
        .collect();
    assert_eq!(answered, ["answered NotSent"]);
}

/// Rows: D23.
#[test]
fn an_entry_that_cannot_be_read_proves_no_delivery() {
    let fault = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 })
        .on("message")
        .count(1);
    for entry in [Value::Null, serde_json::json!({"content": "EUR"})] {
        let mut world = World::new("")
            .faults(3, vec![fault.clone()])
            .answers(&["EUR"]);
        let sent = Rc::new(Cell::new(false));
        spoiled(&mut world, entry, |number, _| number > 2);
        let _ = sent;
        world.run("asker", "Which?");
        assert!(
            world.events.contains(&"answered Unknown".to_owned()),
            "{:?}",
            world.events
        );
        assert_eq!(world.stats().endpoints["message"], 1, "sent once");
    }
}
