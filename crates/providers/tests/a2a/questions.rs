//! Questions and answers, driven to their ends.

use std::collections::BTreeSet;

use taskward_providers::a2a::Binding;
use taskward_sim::a2a::DashboardAction;

use crate::world::{Act, Ended, Fault, HEAD_LEN, Traces, World, alike, changed, langgraph};

const TWO: &str = "work 1; ask Colour?; work 1; ask Size?; artifact {answer}";

type Set<'a> = &'a dyn Fn(World) -> World;

fn red(world: World) -> World {
    world.answers(&[(1_000, "red"), (1_000, "big")])
}

/// Rows: P16.
#[test]
fn questions_are_told_once_and_answered_whatever_server_it_is() {
    let mut traces = Traces::default();
    for script in [
        "ask At once?; artifact {answer}",
        TWO,
        "ask-data {\"type\":\"object\"}; artifact {answer}",
        "work 1; auth-in; artifact done",
        "work 1; auth 30; work 2; artifact done",
    ] {
        for (how, streams) in [("by stream", true), ("by reply", false)] {
            let set = |world: World| {
                let world = match script.contains("auth 30") {
                    // Nobody answers, and the credential arrives elsewhere.
                    true => world.act(4_000_000, Act::Restart),
                    false if script.starts_with("ask-data") => {
                        world.answers(&[(1_000, "{\"colour\":\"red\"}")])
                    }
                    false => red(world),
                };
                if streams { world } else { world.unstreamed() }
            };
            let py = alike("profile = \"py\"", set, script);
            let js = alike("profile = \"js\"", set, script);
            assert_eq!(py.text(), js.text());
            traces.add(&format!("py and js, {how}: {script}"), &py);
            // Nobody learns there that an object is wanted.
            let in_words = |world: World| match script.starts_with("ask-data") {
                true => red(set(world)),
                false => set(world),
            };
            let lg = langgraph(in_words, script);
            traces.add(&format!("langgraph, {how}: {script}"), &lg);
        }
    }
    traces.check("questions");
}

/// Rows: P16.
#[test]
fn what_servers_do_otherwise_makes_no_second_question_and_no_lost_one() {
    let mut traces = Traces::default();
    let plain = |world: World| red(world).unstreamed();
    let cases: [(&str, &str, Set<'_>); 16] = [
        (
            "message ids that change at each read",
            "message_ids_change = true",
            &red,
        ),
        (
            "message ids that change at each read, by reply",
            "message_ids_change = true",
            &plain,
        ),
        (
            "the question is in the history at once",
            "status_in_history_at_once = true",
            &plain,
        ),
        ("no history", "history = \"absent\"", &plain),
        ("the newest message only", "history = \"newest\"", &plain),
        (
            "answers are not in the history",
            "answers_in_history = false",
            &plain,
        ),
        ("no times", "timestamps = \"never\"", &red),
        ("no times, by reply", "timestamps = \"never\"", &plain),
        ("not told", "question = \"absent\"", &red),
        ("not told, by reply", "question = \"absent\"", &plain),
        (
            "the stream stays at a question",
            "stream_ends_at_question = false",
            &red,
        ),
        (
            "a subscription ends at a question",
            "subscription_ends_at_question = true",
            &red,
        ),
        (
            "words of 0.3",
            "spelling = \"zero_three\"\nkinds = true",
            &red,
        ),
        ("events of 0.3", "events = \"first_wrapped\"", &red),
        (
            "answers get a context of their own",
            "later_context = \"own\"",
            &plain,
        ),
        ("ids with a slash", "task_ids = \"slashed\"", &red),
    ];
    for (name, switches, set) in cases {
        let mut world = alike(switches, set, TWO);
        let text = world.text();
        let answers: Vec<u64> = world
            .stats()
            .questions
            .iter()
            .map(|one| one.answers)
            .collect();
        assert_eq!(answers, [1, 1], "{name}: {text}");
        assert_eq!(world.questions.len(), 2, "{name}: {text}");
        traces.add(name, &world);
    }
    // Over HTTP+JSON there are two methods to try.
    for binding in Binding::ALL {
        let mut world = red(World::new("subscribe = \"missing\"", *binding));
        world.run(TWO);
        assert_eq!(world.questions.len(), 2, "{}", world.text());
        traces.add(&format!("no subscription, {binding}"), &world);
    }
    // Equal questions, one after the other.
    for (name, switches) in [("", ""), (", without times", "timestamps = \"never\"")] {
        for (how, set) in [("by stream", &red as Set<'_>), ("by reply", &plain)] {
            let world = alike(
                switches,
                set,
                "ask Sure?; work 1; ask Sure?; artifact {answer}",
            );
            assert_eq!(world.questions.len(), 2, "{name}, {how}: {}", world.text());
            traces.add(&format!("the same question again{name}, {how}"), &world);
        }
    }
    traces.check("question-switches");
}

/// LangGraph's task has another time in the reply to a message than in reads, by a millisecond or so.
///
/// Rows: P16.
#[test]
fn a_question_whose_time_differs_between_replies_is_told_once_and_answered() {
    for streams in [true, false] {
        let set = |world: World| {
            let world = world.rewrite(|operation, _, reply| match operation {
                "send_message" => changed(reply, |body| {
                    let at = &mut body["result"]["task"]["status"]["timestamp"];
                    if let Some(text) = at.as_str() {
                        *at = text.replace("000+", "731+").into();
                    }
                }),
                _ => reply,
            });
            let world = red(world);
            if streams { world } else { world.unstreamed() }
        };
        let mut world = langgraph(set, TWO);
        let text = world.text();
        assert_eq!(world.questions.len(), 2, "{text}");
        let answers: Vec<u64> = world
            .stats()
            .questions
            .iter()
            .map(|one| one.answers)
            .collect();
        assert_eq!(answers, [1, 1], "{text}");
        assert!(text.ends_with("succeeded: {answer}"), "{text}");
    }
}

/// Rows: P17.
#[test]
fn an_answer_whose_reply_is_lost_at_any_byte_is_in_the_history_once() {
    for profile in ["py", "js", "langgraph"] {
        let bindings = match profile {
            "langgraph" => &Binding::ALL[1..],
            _ => Binding::ALL,
        };
        for binding in bindings {
            let mut kinds = BTreeSet::new();
            for cut in (0..HEAD_LEN + 900).step_by(11) {
                let switches = format!("profile = \"{profile}\"");
                let world = World::new(&switches, *binding).unstreamed();
                let mut world = world
                    .answers(&[(500, "red")])
                    .faults(move |operation, number| match (operation, number) {
                        ("send_message", 1) => Fault::Lost(cut),
                        _ => Fault::None,
                    });
                let ended = world.run("ask Colour?; work 2; artifact done");
                let text = world.text();
                let over = Ended::Over("succeeded: done".to_owned());
                let over_with = Ended::Over("succeeded: Colour? -> red\ndone".to_owned());
                assert!(ended == over || ended == over_with, "{cut}: {text}");
                let answers = world.stats().questions[0].answers;
                assert_eq!(answers, 1, "{cut}: {text}");
                kinds.insert(text);
            }
            assert!(kinds.len() <= 6, "{profile} {binding}: {kinds:#?}");
        }
    }
}

/// Rows: P17.
#[test]
fn what_becomes_of_answers_that_are_lost_refused_or_overtaken() {
    let mut traces = Traces::default();
    let script = "ask Colour?; work 2; artifact done";
    let with = |fault: Fault| {
        move |world: World| {
            world
                .unstreamed()
                .answers(&[(500, "red")])
                .faults(move |operation, number| match (operation, number) {
                    ("send_message", 1) => fault,
                    _ => Fault::None,
                })
        }
    };
    let lost = with(Fault::Lost(1));
    let never = with(Fault::Reset);
    let refused = with(Fault::Refuse);
    let away = with(Fault::Status(503));
    let elsewhere = |world: World| {
        let world = world.unstreamed().answers(&[(9_000, "red")]);
        world.act(
            5_000,
            Act::Elsewhere(DashboardAction::Answer("blue".to_owned())),
        )
    };
    let cases: [(&str, &str, Set<'_>); 9] = [
        ("lost", "", &lost),
        (
            "lost, and answers are not in the history",
            "answers_in_history = false",
            &lost,
        ),
        ("lost, and no history", "history = \"absent\"", &lost),
        (
            "lost, and no times",
            "timestamps = \"never\"\nanswers_in_history = false",
            &lost,
        ),
        ("never received", "", &never),
        (
            "never received, and answers are not in the history",
            "answers_in_history = false",
            &never,
        ),
        ("never sent", "", &refused),
        ("answered by a gateway", "", &away),
        ("answered elsewhere", "", &elsewhere),
    ];
    for (name, switches, set) in cases {
        let world = alike(switches, set, script);
        traces.add(name, &world);
    }
    traces.add("langgraph, lost", &langgraph(lost, script));
    traces.check("answers");
}

/// LangGraph says what it asks in the stream and in the reply to a message, and in no read.
///
/// Rows: P24.
#[test]
fn words_that_no_read_has_are_those_of_the_same_wait_and_never_of_another() {
    let mut traces = Traces::default();
    let told = |world: &World| -> Vec<(String, String)> {
        let asked = world.questions.iter();
        asked
            .map(|one| (one.id.to_string(), one.text().to_owned()))
            .collect()
    };
    let script = "ask Colour?; ask Size?; artifact {answer}";
    let whole = langgraph(red, script);
    let words = |asked: &[(String, String)]| -> Vec<String> {
        asked.iter().map(|(_, text)| text.clone()).collect()
    };
    assert_eq!(words(&told(&whole)), ["Colour?", "Size?"]);
    traces.add("by stream, then by reply", &whole);
    // The stream is lost before it asks: nothing else says for what the task waits, and the id is the same.
    let cut = |world: World| {
        red(world).faults(|operation, _| match operation {
            "send_streaming_message" => Fault::Lost(HEAD_LEN + 750),
            _ => Fault::None,
        })
    };
    let lost = langgraph(cut, script);
    assert_eq!(words(&told(&lost)), ["", "Size?"], "{}", lost.text());
    assert_eq!(told(&lost)[0].0, told(&whole)[0].0);
    assert!(lost.questions[0].stand_in);
    traces.add("the stream is lost before it asks", &lost);
    // Somebody else answers before the first question is told: what it said is not what the second one asks.
    let elsewhere = |world: World| {
        let answer = DashboardAction::Answer("blue".to_owned());
        red(world).act(500, Act::Elsewhere(answer))
    };
    let other = langgraph(elsewhere, script);
    assert_eq!(words(&told(&other)), [""], "{}", other.text());
    traces.add("answered elsewhere before it is told", &other);
    // Another process goes on where the stream has told the words and no read has shown the question.
    let mut seen = BTreeSet::new();
    for step in 1.. {
        let mut world = red(World::new("profile = \"langgraph\"", Binding::JsonRpc));
        world.kill_after = Some(step);
        if world.run(script) != Ended::Killed {
            break;
        }
        if world.saved.is_empty() {
            continue;
        }
        world.resume();
        let all = words(&told(&world));
        let is_known = |text: &String| ["", "Colour?", "Size?"].contains(&text.as_str());
        assert!(all.iter().all(is_known), "{step}: {}", world.text());
        seen.insert(all);
    }
    assert!(seen.contains(&vec!["Colour?".to_owned(), "Size?".to_owned()]));
    traces.check("words");
}
