//! Streams that are cut, refused, absent or odd, and what cancels do: driven to their ends.

use taskward_core::{OnDetach, Policy};
use taskward_providers::a2a::{Binding, Job};
use taskward_sim::a2a::DashboardAction;

use crate::world::{Act, Ended, Fault, START, Traces, World, alike, langgraph};

type Set<'a> = &'a dyn Fn(World) -> World;

const LONG: &str = "work 3; chunks 4 2; work 3; artifact end";

/// Rows: P18.
#[test]
fn what_becomes_of_streams_that_end_early_or_are_not_there() {
    let mut traces = Traces::default();
    let plain = |world: World| world;
    let cut = |world: World| {
        world.faults(|operation, number| match (operation, number) {
            ("send_streaming_message", 0) => Fault::Lost(1_600),
            ("subscribe_to_task", 0) => Fault::Lost(900),
            ("subscribe_to_task", 1) => Fault::Reset,
            _ => Fault::None,
        })
    };
    let cases: [(&str, &str, Set<'_>); 9] = [
        ("whole", "", &plain),
        ("cut twice", "", &cut),
        ("cut, and no subscription", "subscribe = \"missing\"", &cut),
        ("cut, events of 0.3", "events = \"first_wrapped\"", &cut),
        ("cut, ids with a slash", "task_ids = \"slashed\"", &cut),
        (
            "cut, ids with a colon",
            "task_ids = \"context_and_run\"",
            &cut,
        ),
        (
            "an event of another task",
            "oddity = \"foreign_event\"",
            &plain,
        ),
        (
            "an event of no known kind",
            "oddity = \"unknown_event\"",
            &plain,
        ),
        (
            "an unknown word for work",
            "working_word = \"TASK_STATE_PAUSED\"",
            &plain,
        ),
    ];
    for (name, switches, set) in cases {
        // A cut comes at another event in each binding.
        for binding in Binding::ALL {
            let mut world = set(World::new(switches, *binding));
            world.run(LONG);
            let text = world.text();
            assert!(text.contains("succeeded: "), "{name}: {text}");
            traces.add(&format!("{name}, {binding}"), &world);
        }
    }
    for method in ["get", "post"] {
        let mut world = cut(World::new(
            &format!("subscribe = \"{method}\""),
            Binding::HttpJson,
        ));
        world.run(LONG);
        traces.add(&format!("cut, and subscribed to by {method} only"), &world);
    }
    traces.add("langgraph, cut", &langgraph(cut, LONG));
    traces.check("streams");
}

/// Rows: P19.
#[test]
fn what_becomes_of_cancels() {
    let mut traces = Traces::default();
    let at = |after: u64| move |world: World| world.act(after, Act::Cancel);
    let working = at(2_500);
    let by_reply = |world: World| working(world).unstreamed();
    let late = |world: World| {
        world
            .unstreamed()
            .act(4_000, Act::Cancel)
            .act(3_990, Act::Elsewhere(DashboardAction::Cancel))
    };
    let lost = |world: World| {
        by_reply(world).faults(|operation, number| match (operation, number) {
            ("cancel_task", 0) => Fault::Lost(1),
            _ => Fault::None,
        })
    };
    let cases: [(&str, &str, &str, Set<'_>); 12] = [
        ("while it works", "", "work 9; artifact done", &working),
        (
            "while it works, by reply",
            "",
            "work 9; artifact done",
            &by_reply,
        ),
        (
            "while it asks",
            "",
            "work 1; ask Sure?; artifact done",
            &working,
        ),
        (
            "of one that was cancelled elsewhere",
            "",
            "work 9; artifact done",
            &late,
        ),
        (
            "of one that was cancelled elsewhere, at js",
            "profile = \"js\"",
            "work 9; artifact done",
            &late,
        ),
        (
            "of one that ends meanwhile",
            "",
            "work 2; quiet 0.49; artifact done",
            &by_reply,
        ),
        (
            "refused, and it goes on",
            "",
            "nocancel; work 9; artifact done",
            &by_reply,
        ),
        (
            "refused, and it goes on, by stream",
            "",
            "nocancel; work 9; artifact done",
            &working,
        ),
        (
            "refused, and it fails",
            "refused_cancel = \"fails\"",
            "nocancel; work 9; artifact done",
            &by_reply,
        ),
        (
            "refused, and it fails, by stream",
            "profile = \"py\"",
            "nocancel; work 9; artifact done",
            &working,
        ),
        (
            "only accepted",
            "cancel_delay_ms = 3000",
            "work 9; artifact done",
            &by_reply,
        ),
        ("its reply is lost", "", "work 9; artifact done", &lost),
    ];
    for (name, switches, script, set) in cases {
        let world = alike(switches, set, script);
        traces.add(name, &world);
    }
    traces.check("cancels");
}

/// Rows: P20.
#[test]
fn a_task_that_works_forever_after_a_restart_is_told_and_ended_by_the_deadline() {
    let mut traces = Traces::default();
    for (how, streams) in [("by stream", true), ("by reply", false)] {
        for (what, cancels) in [("left alone", false), ("cancelled", true)] {
            let world = World::new("profile = \"py\"", Binding::JsonRpc);
            let mut world = world.act(4_000, Act::Restart);
            if !streams {
                world = world.unstreamed();
            }
            let mut policy = Policy::default();
            policy.work = Some(std::time::Duration::from_secs(3_600));
            if cancels {
                policy.on_deadline = OnDetach::CancelAndConfirm {
                    within: std::time::Duration::from_secs(30),
                };
            }
            world.until = START + 5 * 3_600_000;
            let ended = world.run_with(&Job::text("work 60; artifact done"), policy);
            assert_ne!(ended, Ended::Late, "{}", world.text());
            let progress = world
                .trace
                .iter()
                .filter(|line| line.starts_with("no progress"));
            assert!(progress.count() >= 1, "{}", world.text());
            traces.add(&format!("{how}, {what}"), &world);
        }
    }
    traces.check("restarts");
}

/// Rows: P20.
#[test]
fn a_message_while_it_works_is_sent_once_and_confirmed() {
    let mut traces = Traces::default();
    let say = |world: World| world.act(1_500, Act::Say("hurry"));
    let by_reply = |world: World| say(world).unstreamed();
    let lost = |world: World| {
        by_reply(world).faults(|operation, number| match (operation, number) {
            ("send_message", 1) => Fault::Lost(1),
            _ => Fault::None,
        })
    };
    let cases: [(&str, Set<'_>); 3] = [
        ("by stream", &say),
        ("by reply", &by_reply),
        ("lost", &lost),
    ];
    for (name, set) in cases {
        let world = alike("", set, "work 5; artifact done");
        traces.add(name, &world);
    }
    traces.check("messages");
}
