//! Every wait says what it is for: each reason at the place that it was made for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Review, Show, Work};
use crate::world::{Act, Ended, Fault, Toy, UserAction, World, at, policy, seed};
use taskward_core::{ConnectionUse, OnDetach, Policy, Task};

/// Holds the reasons of a run against those that it must give; others it may.
fn gives(mut world: World, keyed: bool, streams: bool, policy: Policy, expected: &[&str]) {
    // Why the next poll is made when it is, a parked task does not keep.
    world.parks = false;
    let ended = match (keyed, streams) {
        (true, true) => {
            let task = world.start_with::<true, true>(policy);
            world.drive(task)
        }
        (true, false) => {
            let task = world.start_with::<true, false>(policy);
            world.drive(task)
        }
        (false, true) => {
            let task = world.start_with::<false, true>(policy);
            world.drive(task)
        }
        (false, false) => {
            let task = world.start_with::<false, false>(policy);
            world.drive(task)
        }
    };
    let expected: BTreeSet<String> = expected.iter().map(|why| (*why).to_owned()).collect();
    let trace = || world.trace.join("\n");
    assert!(
        expected.is_subset(&world.whys),
        "{expected:?} of {:?}, {ended:?}\n{}",
        world.whys,
        trace()
    );
}

fn polled(script: &[Act], expected: &[&str]) {
    gives(World::new(script), false, false, policy(), expected);
}

#[test]
fn a_poll_says_whether_the_schedule_or_trouble_or_the_server_sets_its_pace() {
    polled(&[Work(3000), Complete("42")], &["PollInterval"]);
    let troubled = World::new(&[Work(3000), Complete("42")]).faults(|n, _, _| match n {
        2 => Fault::Status(503),
        _ => Fault::None,
    });
    gives(troubled, false, false, policy(), &["Backoff"]);
    let mut asked = World::new(&[Work(3000), Complete("42")]);
    let mut left = 1;
    asked.rewrite = Box::new(move |path, _, reply| {
        if path == "/t/t1" && left > 0 {
            left -= 1;
            reply.head.status = http::StatusCode::SERVICE_UNAVAILABLE;
            let wait = "20".parse().expect("a value");
            reply.head.headers.insert("retry-after", wait);
        }
    });
    gives(asked, false, false, policy(), &["ServerDelay"]);
    // A poll follows a cancel request at once, apart from the shortest interval.
    let cancelled = World::new(&[Work(60_000)]).action(1200, UserAction::Cancel);
    gives(cancelled, false, false, policy(), &["Floor"]);
}

#[test]
fn a_list_of_events_that_fails_is_waited_for_as_a_failure() {
    let mut world = World::new(&[Work(3000), Complete("42")]).faults(|_, _, path| match path {
        "/t/t1/events" => Fault::Status(503),
        _ => Fault::None,
    });
    world.server.stream = vec![(3000, 2, "end")];
    let task = world.start::<false, true>();
    world.drive(task);
    assert!(world.whys.contains("Backoff"), "{:?}", world.whys);
}

#[test]
fn a_wait_for_people_says_so() {
    let mut asking = World::new(&[Ask("which?")]).action(9000, UserAction::Dashboard("stop"));
    asking.stays = true;
    gives(asking, false, false, policy(), &["Question"]);
    let reviewed =
        World::new(&[Review, Complete("42")]).action(9000, UserAction::Dashboard("approve"));
    gives(reviewed, false, false, policy(), &["Review"]);
}

#[test]
fn the_end_of_a_watch_is_waited_for_as_that() {
    let mut late = policy();
    late.work = Some(Duration::from_millis(5100));
    let world = World::new(&[Work(60_000)]);
    gives(world, false, false, late.clone(), &["Deadline"]);
    late.on_deadline = OnDetach::CancelAndConfirm {
        within: Duration::from_millis(2500),
    };
    let deaf = World::new(&[Work(60_000)]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(200),
        _ => Fault::None,
    });
    gives(deaf, false, false, late, &["Cancelling"]);
}

#[test]
fn a_task_that_is_not_found_is_new_or_gone() {
    let mut world = World::new(&[Work(3000), Complete("42")]);
    world.server.invisible = 3000;
    gives(world, false, false, policy(), &["NotVisibleYet"]);
    let gone = World::new(&[Work(600_000)]).faults(|n, _, path| match path {
        "/t/t1" if n > 10 => Fault::Status(404),
        _ => Fault::None,
    });
    gives(gone, false, false, policy(), &["ConfirmingGone"]);
}

#[test]
fn a_write_of_unknown_outcome_and_an_answer_that_is_not_there_are_waited_for() {
    let lost = World::new(&[Ask("which?"), Complete("42")])
        .answers(&["this"])
        .faults(|_, _, path| match path {
            "/t/t1/say" => Fault::LostRequest,
            _ => Fault::None,
        });
    gives(lost, false, false, policy(), &["Reconcile"]);
    let mut stale = World::new(&[Complete("42")]);
    stale.server.result_delay = 5000;
    gives(stale, false, false, policy(), &["Result"]);
    let conflict = World::new(&[Complete("42")]).faults(|n, _, _| match n {
        1 => Fault::LostReply,
        2 => Fault::Status(409),
        _ => Fault::None,
    });
    gives(conflict, true, false, policy(), &["Conflict"]);
}

#[test]
fn an_open_stream_says_what_it_is_listened_to_for() {
    let streamed = |script: &[Act], events: &[(u64, u64, &'static str)]| {
        let mut world = World::new(script);
        world.server.stream = events.to_vec();
        world
    };
    let mut impatient = policy();
    impatient.limits.stream_idle = Duration::from_secs(10);
    let silent = streamed(
        &[Work(90_000), Complete("42")],
        &[(500, 1, "begin"), (89_000, 2, "step"), (90_000, 3, "end")],
    );
    let expected = ["CrossCheck", "Silence", "Reopen"];
    gives(silent, false, true, impatient, &expected);
    let asking = streamed(&[Work(500), Ask("which?")], &[(500, 1, "wait")]);
    gives(asking, false, true, policy(), &["Quiet"]);
    let early = streamed(
        &[Work(9000), Complete("42")],
        &[(500, 1, "begin"), (1000, 2, "end")],
    );
    gives(early, false, true, policy(), &["Confirm"]);
}

#[test]
fn a_floor_that_delays_nothing_is_no_reason() {
    // A status that is new is followed by the shortest wait, which is the floor itself.
    let mut prompt = World::new(&[Show("queued", 1500), Work(3000), Complete("42")]);
    prompt.latency = 0;
    let task = prompt.start::<false, false>();
    prompt.drive(task);
    assert_eq!(
        prompt.whys.into_iter().collect::<Vec<_>>(),
        ["PollInterval"]
    );
}

/// What each request was for, in the order in which they left.
fn purposes(world: &World) -> Vec<String> {
    let sent = world.sent.iter();
    sent.map(|sent| format!("{:?}", sent.purpose)).collect()
}

#[test]
fn every_request_says_what_it_is_for() {
    let mut plain = World::new(&[Ask("which?"), Work(500), Complete("42")])
        .answers(&["this"])
        .action(20_000, UserAction::Cancel);
    plain.run();
    let expected = [
        "Start",
        "Status",
        "Questions",
        "Check",
        "Answer",
        "Status",
        "Status",
        "Result",
    ];
    assert_eq!(purposes(&plain), expected);
    let mut lost = World::new(&[Work(1500), Fail("boom")])
        .action(1100, UserAction::Message("more"))
        .faults(|n, _, path| match (n, path) {
            (1 | 2, _) | (_, "/t/t1/say") => Fault::LostReply,
            _ => Fault::None,
        });
    let task = lost.start::<true, false>();
    lost.drive(task);
    let expected = [
        "Start",
        "StartAgain",
        "StartAgain",
        "Check",
        "Message",
        "Reconcile",
        "Status",
        "Steps",
    ];
    assert_eq!(purposes(&lost), expected);
    // One that provably never left is still the next attempt.
    let mut refused = World::new(&[Complete("42")]).faults(|n, _, _| match n {
        1 => Fault::Refused,
        _ => Fault::None,
    });
    refused.run();
    let expected = ["Start", "StartAgain", "Status", "Result"];
    assert_eq!(purposes(&refused), expected);
    let stopped = World::new(&[Work(60_000)]).action(500, UserAction::Cancel);
    let mut stopped = stopped;
    stopped.run();
    let expected = ["Start", "Cancel", "Status", "Steps"];
    assert_eq!(purposes(&stopped), expected);
    let mut streamed =
        World::new(&[Work(3000), Complete("42")]).action(1000, UserAction::CutStream);
    streamed.server.stream = vec![(500, 1, "begin"), (1010, 2, "step"), (3000, 3, "end")];
    streamed.server.live = true;
    streamed.server.page = Some(9);
    let task = streamed.start::<true, true>();
    streamed.drive(task);
    let expected = [
        "Start",
        "Stream",
        "Status",
        "StreamAfter",
        "Events",
        "Status",
        "Result",
    ];
    assert_eq!(purposes(&streamed), expected);
}

/// Rows: B27, E28.
#[test]
fn every_request_has_the_limits_of_its_kind() {
    let mut limited = policy();
    limited.limits.status_head = Duration::from_secs(1);
    limited.limits.head = Duration::from_secs(2);
    limited.limits.upload_head = Duration::from_secs(3);
    limited.limits.stream_idle = Duration::from_secs(4);
    let of = |world: &World, path: &str| {
        let sent = world.sent.iter().find(|sent| sent.path == path);
        let limits = sent.expect("it was sent").limits;
        (
            limits.head.as_secs(),
            limits.total.is_some(),
            limits.connection,
        )
    };
    let (pooled, dedicated) = (ConnectionUse::Pooled, ConnectionUse::Dedicated);
    for (job, start) in [
        ("go", (2, true, dedicated)),
        ("form go", (3, false, dedicated)),
    ] {
        let mut world = World::new(&[Work(1000), Ask("which?"), Complete("42")]).answers(&["this"]);
        let job = crate::world::ToyJob(job.into());
        let task: Task<Toy<false, false>> =
            Task::start(Toy, &job, limited.clone(), seed(), at(0)).expect("a task");
        assert_eq!(world.drive(task), Ended::Outcome("succeeded 42".into()));
        assert_eq!(of(&world, "/start"), start, "{job:?}");
        assert_eq!(of(&world, "/t/t1"), (1, true, pooled));
        assert_eq!(of(&world, "/t/t1/say"), (2, true, dedicated));
        assert_eq!(of(&world, "/t/t1/result"), (2, true, pooled));
    }
    let mut keyed = World::new(&[Work(1000), Ask("which?"), Complete("42")]).answers(&["this"]);
    let task = keyed.start_with::<true, false>(limited.clone());
    keyed.drive(task);
    assert_eq!(of(&keyed, "/start"), (2, true, pooled));
    assert_eq!(of(&keyed, "/t/t1/say"), (2, true, pooled));
    let mut streamed = World::new(&[Complete("42")]);
    streamed.server.stream = vec![(500, 1, "end")];
    let task = streamed.start_with::<false, true>(limited);
    streamed.drive(task);
    assert_eq!(of(&streamed, "/t/t1/stream"), (2, true, dedicated));
}
