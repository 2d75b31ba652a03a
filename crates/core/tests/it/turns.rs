//! A message that goes on with a task that was there before, when it is lost, refused or never leaves, in virtual time
//! against a toy server.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Say, Work};
use crate::world::hand::{reply, send, settle, step};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, outcome, outcome_text, policy, seed};
use http::StatusCode;
use taskward_core::{
    CancelFailure, CancelResult, ExchangeId, FailedAttempt, OnDetach, OriginBudget, Outcome,
    Policy, RequestPurpose, Response, RetryReason, Snapshot, Step, Task, TaskId, UnknownReason,
};

type ToyTask = Task<Toy<false, false>>;

/// A task that is over, with the answer of the turn before.
fn over() -> World {
    let script = [Complete("old"), Work(500), Say("done"), Complete("new")];
    let mut world = World::new(&script);
    world.server = world.server.clone().begun(0);
    world
}

fn turn(policy: Policy) -> ToyTask {
    let id = TaskId::new("t1");
    Task::continue_with(Toy, id, "more".into(), policy, seed(), at(0)).expect("a turn")
}

fn minute() -> Policy {
    let mut policy = policy();
    policy.work = Some(Duration::from_secs(60));
    policy
}

/// What was stored last, taken up again by another process.
fn recovered(world: &mut World) -> Ended {
    let saved = world.saved.last().expect("a state").clone();
    world.now += 60_000;
    let task: ToyTask = Task::recover(Toy, saved, policy(), at(world.now)).expect("a snapshot");
    world.drive(task)
}

/// Meets every message with `fault` while `hit` says so.
fn struck(fault: Fault, hit: fn(u32) -> bool) -> World {
    let mut said = 0;
    over().faults(move |_, _, path| {
        if path.ends_with("/say") {
            said += 1;
            return if hit(said) { fault } else { Fault::None };
        }
        Fault::None
    })
}

#[test]
fn a_turn_of_unknown_outcome_is_recovered_by_searching_for_its_message() {
    // No read was possible when the reply was lost; a recovery can make it.
    let mut lost = false;
    let mut blind = over().faults(move |_, _, path| {
        if path.ends_with("/say") {
            lost = true;
            return Fault::LostReply;
        }
        if lost { Fault::Refused } else { Fault::None }
    });
    assert_eq!(
        blind.drive(turn(minute())),
        outcome("unknown likely=false"),
        "{:?}",
        blind.trace
    );
    let mut seeing = over();
    seeing.server = blind.server.clone();
    seeing.saved = blind.saved.clone();
    seeing.now = blind.now;
    assert_eq!(recovered(&mut seeing), outcome("succeeded new"));
    assert_eq!(seeing.server.said, ["more"], "it was not sent again");
}

#[test]
fn a_task_that_shows_nothing_new_after_a_message_arrived_is_given_up_and_its_old_answer_is_not_told()
 {
    let mut world = World::new(&[Complete("old")]);
    world.server = world.server.clone().begun(0);
    assert_eq!(world.drive(turn(policy())), outcome("result_unavailable"));
    assert_eq!(world.server.said, ["more"]);
    assert!((600_000..700_000).contains(&world.now), "{}", world.now);
    let reads = world.count("send GET");
    assert!(reads < 300, "{reads}");
}

#[test]
fn a_turn_whose_message_never_arrived_stays_unknown_when_it_is_recovered() {
    let mut world = struck(Fault::LostRequest, |_| true);
    assert_eq!(world.drive(turn(policy())), outcome("unknown likely=false"));
    let sent = world.count("POST /t/t1/say");
    assert_eq!(recovered(&mut world), outcome("unknown likely=false"));
    assert_eq!(world.count("POST /t/t1/say"), sent, "it was not sent again");
}

/// The task was at work when it was read, and its end came before the message: that end is not the turn's.
///
/// Rows: H30.
#[test]
fn a_task_that_ends_between_the_poll_and_the_message_gives_no_old_answer_for_a_new_one() {
    for delay in [1000, 5000, 20_000] {
        let script = [
            Work(30),
            Complete("old"),
            Work(500),
            Say("done"),
            Complete("new"),
        ];
        let mut world = World::new(&script);
        world.server = world.server.clone().begun(0);
        world.server.delay = delay;
        let end = world.drive(turn(policy()));
        assert_eq!(end, outcome("succeeded new"), "{:#?}", world.trace);
        assert_eq!(world.server.said, ["more"]);
    }
}

#[test]
fn a_turn_that_fails_between_two_polls_has_failed() {
    let mut world = World::new(&[Complete("old"), Work(500), Fail("boom")]);
    world.server = world.server.clone().begun(0);
    let Ended::Outcome(end) = world.drive(turn(policy())) else {
        panic!("it has an end");
    };
    assert!(end.starts_with("failed"), "{end}");
    assert!(world.now < 10_000, "{}", world.now);
    assert_eq!(world.server.said, ["more"]);
}

#[test]
fn what_becomes_of_another_message_of_the_caller_is_not_taken_for_the_turns() {
    for (fault, told) in [
        (Fault::LostRequest, "sent 1 Unknown"),
        (Fault::Status(400), "sent 1 Refused"),
        (Fault::None, "sent 1 Applied"),
    ] {
        let mut first = true;
        let mut world = World::new(&[
            Complete("old"),
            Work(500),
            Say("done"),
            Complete("new"),
            Work(500),
            Say("done again"),
            Complete("newer"),
        ]);
        world.server = world.server.clone().begun(0);
        let mut world = world.faults(move |_, _, path| {
            if path.ends_with("/say") && std::mem::take(&mut first) {
                return fault;
            }
            Fault::None
        });
        let mut task = turn(policy());
        task.send_message("before that".into(), at(0))
            .expect("a message");
        let Ended::Outcome(end) = world.drive(task) else {
            panic!("it has an end");
        };
        assert!(end.starts_with("succeeded new"), "{fault:?}: {end}");
        assert_eq!(world.count(told), 1, "{fault:?}: {:?}", world.trace);
        assert_eq!(world.count("sent 2 Applied"), 1, "{fault:?}");
        assert_eq!(world.server.said.last().map(String::as_str), Some("more"));
    }
}

#[test]
fn the_states_of_a_turn_are_of_one_task_and_no_start() {
    let mut world = struck(Fault::LostReply, |_| true);
    world.drive(turn(policy()));
    assert!(world.saved.iter().all(|saved| saved.intent().is_none()));
}

#[test]
fn a_turn_that_was_refused_stays_refused_when_it_is_recovered() {
    let mut world = World::new(&[Fail("boom")]);
    world.server = world.server.clone().begun(0);
    assert_eq!(world.drive(turn(policy())), outcome("refused"));
    assert_eq!(recovered(&mut world), outcome("refused"));
}

#[test]
fn a_turn_whose_message_was_not_sent_before_the_deadline_has_no_answer_later() {
    // The conversation cannot be read, so nothing may leave.
    let mut world = over().faults(|_, _, path| match path.ends_with("/log") {
        true => Fault::Refused,
        false => Fault::None,
    });
    let ended = world.drive(turn(minute()));
    assert_eq!(ended, outcome("deadline Working done"));
    assert_eq!(world.count("say"), 0, "{:?}", world.trace);
    let mut later = over();
    later.saved = world.saved.clone();
    later.now = world.now;
    let Ended::Outcome(text) = recovered(&mut later) else {
        panic!("it has an end");
    };
    assert!(text.starts_with("not_started"), "{text}");
    assert_eq!(later.count("say"), 0);
}

#[test]
fn a_message_that_cannot_leave_is_tried_as_often_as_any_write_and_ends_its_turn() {
    let mut world = struck(Fault::Refused, |_| true);
    let Ended::Outcome(text) = world.drive(turn(policy())) else {
        panic!("it has an end");
    };
    assert!(text.starts_with("not_started"), "{text}");
    assert_eq!(world.count("POST /t/t1/say"), 4);
    assert_eq!(world.count("event sent 1 NotSent"), 1);
    let mut world = struck(Fault::Refused, |said| said < 4);
    assert_eq!(world.drive(turn(policy())), outcome("succeeded new"));
}

#[test]
fn an_answer_that_cannot_leave_is_tried_as_often_as_any_write_and_told_as_not_sent() {
    let mut world = World::new(&[Ask("which?"), Work(500), Complete("42")])
        .answers(&["this"])
        .faults(|_, _, path| match path.ends_with("/say") {
            true => Fault::Refused,
            false => Fault::None,
        })
        .action(600_000, UserAction::Stop);
    world.run();
    assert_eq!(world.count("POST /t/t1/say"), 4, "{:?}", world.trace);
    assert_eq!(world.count("answered m1 NotSent"), 1);
}

#[test]
fn a_turn_whose_message_may_have_left_is_stopped_and_one_whose_message_has_not_is_not() {
    let mut policy = policy();
    policy.on_interrupt = OnDetach::Cancel {
        within: Duration::from_secs(10),
    };
    // The message is taken, and its reply is slow: once it has come the task is stopped.
    let mut world = World::new(&[Complete("old"), Work(60_000), Complete("new")]);
    world.server = world.server.clone().begun(0);
    world.latency = 2000;
    let mut world = world.action(9000, UserAction::Interrupt);
    let ended = world.drive(turn(policy.clone()));
    assert_eq!(world.server.said, ["more"], "{:?}", world.trace);
    assert!(
        world.server.cancelled.is_some(),
        "{ended:?} {:?}",
        world.trace
    );
    // Nothing has left yet.
    let mut world = over().action(10, UserAction::Interrupt);
    world.latency = 2000;
    let ended = world.drive(turn(policy));
    assert_eq!(ended, Ended::Left("NotRequested".into()));
    assert_eq!(world.server.cancelled, None);
}

#[test]
fn a_keyed_start_is_not_repeated_by_a_process_that_slept_beyond_the_life_of_its_key() {
    for (hours, starts, end) in [(11, 2, "succeeded 42"), (13, 1, "unknown likely=false")] {
        let mut first = true;
        let make = || World::new(&[Complete("42")]);
        let mut world = make().faults(move |_, _, path| {
            if path == "/start" && std::mem::take(&mut first) {
                return Fault::LostReply;
            }
            Fault::None
        });
        // Asleep from the wait before the repetition on.
        let wait = {
            let mut awake = make().faults({
                let mut first = true;
                move |_, _, path| {
                    if path == "/start" && std::mem::take(&mut first) {
                        return Fault::LostReply;
                    }
                    Fault::None
                }
            });
            let task = awake.start::<true, false>();
            awake.drive(task);
            let steps = awake.snapshots.iter();
            let mut waits = steps
                .enumerate()
                .filter(|(_, (step, _))| step.starts_with("Wait"));
            waits.next().expect("a backoff").0 + 1
        };
        world.asleep = Some((wait, hours * 3_600_000));
        let task = world.start::<true, false>();
        assert_eq!(world.drive(task), outcome(end), "{hours} hours");
        assert_eq!(world.count("POST /start"), starts, "{hours} hours");
    }
}

#[test]
fn stored_turns_of_every_stage_are_read_back() {
    let mut world = struck(Fault::LostRequest, |_| true);
    world.drive(turn(policy()));
    for saved in &world.saved {
        let text = serde_json::to_string(saved).expect("json");
        let read: Snapshot = serde_json::from_str(&text).expect("json");
        assert_eq!(&read, saved);
    }
}

/// A turn whose message is under way when the watch is interrupted at 1100 ms; and the message's exchange.
fn interrupted(how: OnDetach, shared: &OriginBudget) -> (ToyTask, ExchangeId) {
    let mut policy = policy();
    policy.on_interrupt = how;
    let mut task = turn(policy);
    let read = send(&mut task, 0, shared);
    task.handle_response(read, reply("waiting."), at(20));
    let check = send(&mut task, 20, shared);
    task.handle_response(check, reply("assistant m1 which?."), at(40));
    let message = send(&mut task, 40, shared);
    assert!(task.interrupt(at(1100)), "it may have left");
    (task, message)
}

fn end_of(task: &mut ToyTask, now: u64, shared: &OriginBudget) -> String {
    settle(task, now, shared);
    match task.next_step(at(now), shared) {
        Step::Done => outcome_text(task.outcome().expect("it is over")),
        step => panic!("{step:?}"),
    }
}

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_message_without_a_reply_does_not_stand_in_the_way_of_stopping_its_task() {
    let shared = OriginBudget::new();
    let confirm = OnDetach::CancelAndConfirm { within: WITHIN };
    let (mut task, message) = interrupted(confirm, &shared);
    // Its reply is waited for a little.
    assert_eq!(task.cancel_deadline(), Some(at(3100)));
    settle(&mut task, 3099, &shared);
    assert!(step(&mut task, 3099, &shared).starts_with("InFlight"));
    let cancel = send(&mut task, 3100, &shared);
    assert_ne!(cancel, message);
    assert_eq!(task.request_purpose(), Some(RequestPurpose::Cancel));
    // What comes of it now is of an exchange that was let go of.
    task.handle_response(message, reply("ok."), at(3110));
    task.handle_response(cancel, reply("ok."), at(3120));
    let read = send(&mut task, 3120, &shared);
    // A state of before, and then the truth.
    task.handle_response(read, reply("waiting."), at(3140));
    settle(&mut task, 3140, &shared);
    let again = task.pause().expect("it looks again").0.as_millis();
    let read = send(&mut task, again, &shared);
    task.handle_response(read, reply("stopped."), at(again + 20));
    assert_eq!(
        end_of(&mut task, again + 20, &shared),
        "interrupted, the task was stopped (stopped)"
    );
}

#[test]
fn a_message_whose_reply_comes_after_the_interrupt_is_told_delivered_before_its_task_is_stopped() {
    let shared = OriginBudget::new();
    let (mut task, message) = interrupted(OnDetach::Cancel { within: WITHIN }, &shared);
    task.handle_response(message, reply("ok."), at(2500));
    let told = settle(&mut task, 2500, &shared);
    assert_eq!(told, ["sent 1 Applied"]);
    let cancel = send(&mut task, 2500, &shared);
    assert_eq!(task.request_purpose(), Some(RequestPurpose::Cancel));
    task.handle_response(cancel, reply("ok."), at(2520));
    let end = end_of(&mut task, 2520, &shared);
    assert!(
        end.starts_with("interrupted, the task was asked to stop"),
        "{end}"
    );
}

#[test]
fn an_old_end_is_not_told_of_a_turn_that_was_to_be_stopped_and_whose_outcome_nobody_knows() {
    let shared = OriginBudget::new();
    let confirm = OnDetach::CancelAndConfirm { within: WITHIN };
    let (mut task, _) = interrupted(confirm, &shared);
    let cancel = send(&mut task, 3100, &shared);
    task.handle_response(
        cancel,
        Response::new(StatusCode::CONFLICT, "it is over"),
        at(3120),
    );
    let read = send(&mut task, 3120, &shared);
    task.handle_response(read, reply("done."), at(3140));
    settle(&mut task, 3140, &shared);
    assert!(matches!(task.next_step(at(3140), &shared), Step::Done));
    let Some(Outcome::Unknown { reason, .. }) = task.outcome() else {
        panic!("nobody knows whether the message arrived");
    };
    let UnknownReason::Message(lost) = reason else {
        panic!("{reason:?}");
    };
    let refused = FailedAttempt::new(
        RetryReason::Status(409),
        "the server answered 409 Conflict: it is over",
    );
    let refused = CancelResult::Failed(CancelFailure::Attempt(refused));
    assert_eq!((lost.is_deadline, &lost.cancel), (false, &Some(refused)));
    assert!(reason.to_string().ends_with("it is over"), "{reason}");
}

#[test]
fn a_poll_without_a_reply_does_not_stand_in_the_way_of_stopping_its_task() {
    let shared = OriginBudget::new();
    let mut policy = policy();
    policy.on_interrupt = OnDetach::Cancel { within: WITHIN };
    let mut task = ToyTask::attach(Toy, TaskId::new("t1"), None, policy, seed(), at(0));
    send(&mut task, 0, &shared);
    assert!(task.interrupt(at(500)));
    assert_eq!(task.cancel_deadline(), Some(at(2500)));
    send(&mut task, 2500, &shared);
    assert_eq!(task.request_purpose(), Some(RequestPurpose::Cancel));
    // The cancel itself is waited for as long as there is time.
    assert_eq!(task.cancel_deadline(), Some(at(30_500)));
}
