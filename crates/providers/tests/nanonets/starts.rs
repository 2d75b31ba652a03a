//! Was the task created? Runs whose reply is lost, and what every attempt of them sends.

use taskward_core::{Policy, Seed, Snapshot, Task, Timestamp};
use taskward_providers::nanonets::{File, Job, Nanonets};
use taskward_sim::{Fault, FaultRule, Span};

use crate::status;
use crate::world::{Ended, World, outcome};

fn upload(world: &World) -> Job {
    Job::agent(world.agent("invoice"))
        .query("Extract.")
        .attach(File::bytes(
            "a.csv",
            "description,quantity,unit_price\nNut,4,1.50\n",
        ))
}

/// Rows: G6.
#[test]
fn every_attempt_of_a_run_sends_the_same_bytes() {
    let refused = || Fault::Refuse { span: Span(0) };
    for fault in [status(429), refused()] {
        let rule = FaultRule::new(fault).on("run").count(3);
        let mut world = World::new("").faults(1, vec![rule]);
        let job = upload(&world);
        let ended = world.run_job(&job, Policy::default());
        assert!(
            matches!(&ended, Ended::Outcome(text) if text.starts_with("succeeded")),
            "{ended:?}"
        );
        assert_eq!(world.stats().starts, 1);
        let (target, media, body) = &world.writes[0];
        assert!(
            media.starts_with("multipart/form-data; boundary="),
            "{media}"
        );
        assert_eq!(target, "/api/v1/agents/ID/run");
        assert_eq!(world.writes.len(), 4);
        assert!(
            world
                .writes
                .iter()
                .all(|write| (&write.1, &write.2) == (media, body)),
            "the boundary is chosen once"
        );
    }
}

/// Rows: G1, G13.
#[test]
fn an_upload_whose_reply_does_not_come_is_unknown_and_sent_once() {
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
    let mut world = World::new("").faults(1, vec![lost]);
    let job = upload(&world);
    assert_eq!(
        world.run_job(&job, Policy::default()),
        outcome("outcome_unknown")
    );
    assert_eq!((world.writes.len(), world.stats().starts), (1, 1));
}

/// Rows: G16.
#[test]
fn a_run_whose_driver_is_gone_is_left_alone_and_its_intent_kept() {
    for kill in 1..6 {
        let mut world = World::new("");
        world.kill_after = Some(kill);
        assert_eq!(world.run("echo", "x"), Ended::Killed);
        world.kill_after = None;
        let stored = world.saved.last().cloned();
        let Some(saved) = stored.filter(Snapshot::is_unknown) else {
            continue;
        };
        let intent = saved.intent().cloned();
        let (sent, now) = (world.requests.len(), Timestamp::from_millis(world.now));
        let task = Task::resume(Nanonets, saved, now).expect("resume");
        assert_eq!(world.drive(task), outcome("outcome_unknown"), "step {kill}");
        assert_eq!(world.requests.len(), sent, "step {kill}: nothing is sent");
        let (_, ended) = world.snapshots.last().expect("a step");
        assert_eq!(ended.intent().cloned(), intent, "step {kill}");
        assert!(!world.stats().endpoints.contains_key("cancel"));
    }
    // The same job in a task of its own is another intent.
    let world = World::new("");
    let job = Job::agent(world.agent("echo")).query("x");
    let intent_of = |seed: u8| {
        let now = Timestamp::from_millis(world.now);
        let task = Task::start(Nanonets, &job, Policy::default(), Seed([seed; 32]), now);
        let snapshot: Snapshot = task.expect("a task").snapshot();
        snapshot.intent().cloned()
    };
    assert_ne!(intent_of(1), intent_of(2));
}
