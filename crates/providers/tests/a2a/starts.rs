//! Starts, driven to their ends: by stream and by reply, over at once, and with a reply that is lost.

use taskward_core::Policy;
use taskward_providers::a2a::{Binding, Context, Job};

use crate::world::{Ended, Fault, HEAD_LEN, Traces, World, alike, changed, langgraph};

const SCRIPTS: [&str; 7] = [
    "work 2; chunks 3 0.3; artifact whole",
    "reply hello",
    "done at once",
    "work 1; fail no",
    "work 1; crash",
    "reject no",
    "data {\"n\":1}",
];

/// Rows: P14.
#[test]
fn a_start_is_followed_to_its_end_whatever_server_it_is_and_however_it_is_started() {
    let mut traces = Traces::default();
    for script in SCRIPTS {
        for (how, streams) in [("by stream", true), ("by reply", false)] {
            let set = |world: World| if streams { world } else { world.unstreamed() };
            for profile in ["py", "js"] {
                let world = alike(&format!("profile = \"{profile}\""), set, script);
                traces.add(&format!("{profile}, {how}: {script}"), &world);
            }
            traces.add(
                &format!("langgraph, {how}: {script}"),
                &langgraph(set, script),
            );
        }
    }
    traces.check("starts");
}

/// Every byte of the start's reply may be the last that comes: one task, found by its conversation, never started again.
///
/// Rows: P15.
#[test]
fn a_start_whose_reply_is_lost_at_any_byte_is_found_and_adopted() {
    for profile in ["py", "js", "langgraph"] {
        let bindings = match profile {
            "langgraph" => &Binding::ALL[1..],
            _ => Binding::ALL,
        };
        for binding in bindings {
            let switches = format!("profile = \"{profile}\"");
            let new = || World::new(&switches, *binding).unstreamed();
            let mut whole = new();
            whole.run("work 5; artifact done");
            let mut kinds = std::collections::BTreeSet::new();
            for cut in (0..HEAD_LEN).step_by(40).chain(HEAD_LEN..whole.start_len) {
                let mut world = new().faults(move |operation, number| match (operation, number) {
                    ("send_message", 0) => Fault::Lost(cut),
                    _ => Fault::None,
                });
                let ended = world.run("work 5; artifact done");
                let text = world.text();
                assert_eq!(
                    ended,
                    Ended::Over("succeeded: done".to_owned()),
                    "{cut}: {text}"
                );
                assert_eq!(world.stats().starts, 1, "{cut}: {text}");
                assert_eq!(world.count("send_message"), 1, "{cut}: {text}");
                kinds.insert(text);
            }
            assert!(kinds.len() <= 4, "{profile} {binding}: {kinds:#?}");
        }
    }
}

/// Rows: P15.
#[test]
fn a_stream_start_that_is_cut_at_any_byte_is_found_and_followed() {
    for profile in ["py", "langgraph"] {
        let bindings = match profile {
            "langgraph" => &Binding::ALL[1..],
            _ => Binding::ALL,
        };
        for binding in bindings {
            let switches = format!("profile = \"{profile}\"");
            for cut in (0..2_500).step_by(31) {
                let mut world = World::new(&switches, *binding).faults(move |operation, number| {
                    match (operation, number) {
                        ("send_streaming_message", 0) => Fault::Lost(cut),
                        _ => Fault::None,
                    }
                });
                let ended = world.run("work 5; chunks 3 0.3; artifact done");
                let text = world.text();
                let Ended::Over(how) = ended else {
                    panic!("{cut}: {text}");
                };
                assert!(how.starts_with("succeeded: "), "{cut}: {text}");
                assert!(how.ends_with("done"), "{cut}: {text}");
                assert_eq!(world.stats().starts, 1, "{cut}: {text}");
                assert_eq!(
                    world.count("created submitted")
                        + world.count("created working")
                        + world.count("created"),
                    1,
                    "{cut}: {text}"
                );
            }
        }
    }
}

/// Rows: P15.
#[test]
fn what_becomes_of_a_start_whose_reply_does_not_name_the_task() {
    let mut traces = Traces::default();
    let lost = |world: World| {
        world
            .unstreamed()
            .faults(|operation, number| match (operation, number) {
                ("send_message", 0) => Fault::Lost(1),
                _ => Fault::None,
            })
    };
    let never = |world: World| {
        world.unstreamed().faults(|operation, _| match operation {
            "send_message" => Fault::Reset,
            _ => Fault::None,
        })
    };
    let refused = |world: World| {
        world
            .unstreamed()
            .faults(|operation, number| match (operation, number) {
                ("send_message", 0) => Fault::Refuse,
                _ => Fault::None,
            })
    };
    let away = |world: World| {
        world
            .unstreamed()
            .faults(|operation, number| match (operation, number) {
                ("send_message", 0) => Fault::Status(502),
                _ => Fault::None,
            })
    };
    let plain = |world: World| world.unstreamed();
    let streams = |world: World| world;
    let script = "work 5; artifact done";
    type Set<'a> = &'a dyn Fn(World) -> World;
    let cases: [(&str, &str, Set<'_>); 16] = [
        ("lost", "", &lost),
        ("lost, and it was asking", "", &|world| {
            lost(world).answers(&[(500, "yes")])
        }),
        ("lost, and there is no list", "list_tasks = false", &lost),
        (
            "lost, and the history is absent",
            "history = \"absent\"",
            &lost,
        ),
        (
            "lost, and the context is another",
            "context_ids = \"replaced\"",
            &lost,
        ),
        ("never received", "", &never),
        ("never sent at first", "", &refused),
        ("answered by a gateway", "", &away),
        (
            "started and answered 500",
            "start_error = \"internal\"",
            &plain,
        ),
        (
            "started and answered that the agent is broken",
            "start_error = \"invalid_agent_response\"",
            &plain,
        ),
        (
            "the context is refused",
            "context_ids = \"refused\"",
            &plain,
        ),
        (
            "the context is refused, by stream",
            "context_ids = \"refused\"",
            &streams,
        ),
        (
            "a message beside the task",
            "oddity = \"task_and_message\"",
            &plain,
        ),
        (
            "only the stream is not there",
            "streaming = false",
            &|mut world| {
                world.agent = world.agent.with_streaming(true);
                world
            },
        ),
        ("no credential is taken", "", &|world| {
            world.unstreamed().faults(|_, _| Fault::Status(401))
        }),
        ("another path", "", &|world| {
            world.unstreamed().faults(|_, _| Fault::Status(404))
        }),
    ];
    for (name, switches, set) in cases {
        let script = match name.contains("asking") {
            true => "work 1; ask Sure?; artifact {answer}",
            false => script,
        };
        let world = alike(switches, set, script);
        traces.add(name, &world);
    }
    for oddity in ["wrong_id", "no_result", "batch"] {
        let mut world =
            World::new(&format!("oddity = \"{oddity}\""), Binding::JsonRpc).unstreamed();
        world.run(script);
        traces.add(&format!("every reply is odd: {oddity}"), &world);
        let mut world = World::new("", Binding::JsonRpc).unstreamed();
        world = world.rewrite(move |operation, _, reply| match operation {
            "send_message" => changed(reply, |body| match oddity {
                "wrong_id" => body["id"] = 9.into(),
                "no_result" => drop(body.as_object_mut().map(|body| body.remove("result"))),
                _ => *body = serde_json::json!([body]),
            }),
            _ => reply,
        });
        world.run(script);
        traces.add(&format!("the start's reply is odd: {oddity}"), &world);
    }
    traces.check("lost-starts");
}

/// Rows: P15.
#[test]
fn a_killed_start_is_found_by_the_next_process_and_not_started_again() {
    for binding in Binding::ALL {
        for streams in [true, false] {
            let script = "work 3; ask Sure?; work 1; artifact {answer}";
            let new = || {
                let world = World::new("profile = \"py\"", *binding);
                let world = world.answers(&[(500, "yes"), (500, "yes"), (500, "yes")]);
                if streams { world } else { world.unstreamed() }
            };
            let mut whole = new();
            whole.run(script);
            for step in 1..=whole.steps {
                let mut world = new();
                world.kill_after = Some(step);
                let ended = world.run(script);
                if ended != Ended::Killed || world.saved.is_empty() {
                    continue;
                }
                let ended = world.resume();
                let text = world.text();
                if world.stats().starts == 0 {
                    // Killed between the intent and the request: nobody can know, and nothing is started.
                    assert!(text.contains("outcome_unknown"), "{step}: {text}");
                    continue;
                }
                assert_eq!(world.stats().starts, 1, "{step}: {text}");
                let answers = world
                    .stats()
                    .questions
                    .iter()
                    .map(|one| one.answers)
                    .sum::<u64>();
                assert!(answers <= 1, "{step}: {text}");
                if answers == 0 {
                    // Killed between the decision to send the answer and its sending: it is told, and not sent again.
                    assert!(text.ends_with("answered Unknown"), "{step}: {text}");
                    continue;
                }
                assert_eq!(
                    ended,
                    Ended::Over("succeeded: Sure? -> yes\n{answer}".to_owned()),
                    "{step}: {text}"
                );
            }
        }
    }
}

#[test]
fn a_conversation_that_the_caller_named_is_the_tasks() {
    let mut world = World::new("", Binding::HttpJson).unstreamed();
    let job = Job::text("work 1; artifact done").context(Context::Given("mine".to_owned()));
    let ended = world.run_with(&job, Policy::default());
    assert_eq!(ended, Ended::Over("succeeded: done".to_owned()));
}
