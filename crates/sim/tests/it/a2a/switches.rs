//! What the switches change, each.

use serde_json::{Value, json};
use taskward_sim::a2a::{Profile, Switches};

use super::operations::{history, refused};
use super::streams::told;
use super::world::{Binding, START, World, data, outcome};

/// Returns what is asked for under a switch.
fn under<T>(switches: &str, ask: impl Fn(&mut World) -> T) -> T {
    ask(&mut World::new(switches))
}

fn words(events: &[Value]) -> Vec<String> {
    events.iter().map(told).collect()
}

#[test]
fn every_switch_is_tried() {
    let sources = [
        include_str!("switches.rs"),
        include_str!("cards.rs"),
        include_str!("profiles.rs"),
    ];
    let Value::Object(all) = serde_json::to_value(Switches::of(Profile::Spec)).unwrap() else {
        unreachable!("switches are a table")
    };
    for name in all.keys() {
        let set = format!("{name} = ");
        let is_tried = sources.iter().any(|source| source.contains(&set));
        assert!(is_tried, "no test sets {name}");
    }
}

#[test]
fn a_subscription_may_be_there_for_one_method_or_not_at_all() {
    let statuses = |world: &mut World| {
        let task = world.start("work 9");
        let mut status = |method: &str| {
            let request = world.rest(method, &format!("/tasks/{task}:subscribe"));
            world.send(request).status
        };
        let found = (status("GET"), status("POST"));
        let call = world.call(Binding::Rpc, "GetTask", &json!({ "id": task }));
        assert!(call.is_ok());
        let rpc = world.open(Binding::Rpc, "SubscribeToTask", &json!({ "id": task }));
        (found, rpc.map(drop).map_err(|(_, code)| code))
    };
    assert_eq!(under("subscribe = 'both'", statuses), ((200, 200), Ok(())));
    assert_eq!(under("subscribe = 'get'", statuses), ((200, 404), Ok(())));
    assert_eq!(under("subscribe = 'post'", statuses), ((404, 200), Ok(())));
    assert_eq!(
        under("subscribe = 'missing'", statuses),
        ((404, 404), Err(-32601))
    );
}

#[test]
fn there_may_be_no_list() {
    let mut world = World::new("list_tasks = false");
    let rest = world.call(Binding::Rest, "ListTasks", &json!({}));
    assert_eq!(rest, Err((String::new(), 404)));
    let rpc = world.call(Binding::Rpc, "ListTasks", &json!({}));
    assert_eq!(rpc, Err((String::new(), -32601)));
}

#[test]
fn a_hasty_message_may_wait_and_the_first_event_be_late() {
    let took = |world: &mut World| {
        let given = world.hasty("work 20; done");
        let sent = world.call(Binding::Rpc, "SendMessage", &given).unwrap();
        (
            world.now - START,
            sent["task"]["status"]["state"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(under("", took), (0, "TASK_STATE_SUBMITTED".to_owned()));
    let waits = under("waits_always = true", took);
    assert_eq!(waits, (20_000, "TASK_STATE_COMPLETED".to_owned()));
    let late = under("first_event_ms = 1500", took);
    assert_eq!(late, (1_500, "TASK_STATE_SUBMITTED".to_owned()));
}

#[test]
fn a_context_of_the_clients_may_be_kept_refused_or_replaced() {
    let sent = |world: &mut World| {
        let mut given = world.hasty("done");
        given["message"]["contextId"] = json!("ours");
        let sent = world.call(Binding::Rest, "SendMessage", &given);
        sent.map(|sent| sent["task"]["contextId"] == "ours")
            .map_err(|(reason, _)| reason)
    };
    assert_eq!(under("context_ids = 'kept'", sent), Ok(true));
    assert_eq!(under("context_ids = 'replaced'", sent), Ok(false));
    let refused = under("context_ids = 'refused'", sent);
    assert_eq!(refused, Err("INVALID_PARAMS".to_owned()));
    // One that the server made is known to it.
    let mut world = World::new("context_ids = 'refused'");
    let task = world.start("done");
    let context = world.get(&task)["contextId"].clone();
    let mut given = world.hasty("done");
    given["message"]["contextId"] = context;
    assert!(world.call(Binding::Rest, "SendMessage", &given).is_ok());
}

#[test]
fn the_same_message_may_give_the_first_task_again() {
    let ids = |world: &mut World| {
        let given = world.hasty("work 9");
        let mut id = || {
            let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap();
            sent["task"]["id"].clone()
        };
        let same = id() == id();
        (same, world.server.stats().duplicates)
    };
    assert_eq!(under("deduplicates = false", ids), (false, 0));
    assert_eq!(under("deduplicates = true", ids), (true, 1));
}

#[test]
fn a_start_that_happened_may_be_answered_with_an_error() {
    let sent = |world: &mut World| {
        let given = world.hasty("work 1");
        let sent = world.call(Binding::Rest, "SendMessage", &given);
        let begun = world.server.stats().tasks;
        // What follows is not touched by it.
        let task = world.server.stats().per_task.into_keys().next().unwrap();
        world.after(9_000);
        (sent.map(drop), begun, world.state(&task))
    };
    let done = || "TASK_STATE_COMPLETED".to_owned();
    let internal = under("start_error = 'internal'", sent);
    assert_eq!(internal, (Err((String::new(), 500)), 1, done()));
    let odd = under("start_error = 'invalid_agent_response'", sent);
    assert_eq!(
        odd,
        (Err(("INVALID_AGENT_RESPONSE".to_owned(), 500)), 1, done())
    );
    assert_eq!(under("start_error = 'none'", sent), (Ok(()), 1, done()));
}

#[test]
fn ids_of_tasks_may_have_colons_slashes_and_blanks() {
    for (switch, character) in [("context_and_run", ':'), ("slashed", '/'), ("uuid", '-')] {
        let mut world = World::new(&format!("task_ids = '{switch}'"));
        let task = world.start("work 9");
        assert!(task.contains(character), "{task}");
        assert_eq!(world.get(&task)["id"], json!(task));
        let stream = world.subscribe(&task);
        world.cancel(&task).unwrap();
        assert_eq!(words(&world.drain(stream).0), ["task working", "canceled"]);
    }
    // Sent as it is, a slash is another path.
    let mut world = World::new("task_ids = 'slashed'");
    let task = world.start("work 9").replace(' ', "%20");
    let request = world.rest("GET", &format!("/tasks/{task}"));
    assert_eq!(world.send(request).status, 404);
}

#[test]
fn a_later_message_may_have_a_context_of_its_own_or_none() {
    let contexts = |world: &mut World| {
        let task = world.start("ask what?; done");
        let stream = world.subscribe(&task);
        world.say(&task, "this").unwrap();
        let (events, _) = world.drain(stream);
        let task = world.get(&task);
        let of_event = events[1]["statusUpdate"]["contextId"] == task["contextId"];
        let newest = task["history"].as_array().unwrap().last().unwrap().clone();
        let of_message = newest.get("contextId");
        (
            of_event,
            of_message.map(|context| *context == task["contextId"]),
        )
    };
    assert_eq!(
        under("later_context = 'of_task'", contexts),
        (true, Some(true))
    );
    assert_eq!(
        under("later_context = 'own'", contexts),
        (false, Some(false))
    );
    assert_eq!(under("later_context = 'none'", contexts), (true, None));
}

#[test]
fn a_direct_answer_may_name_a_task_that_there_is_not() {
    let named = |world: &mut World| {
        let given = world.hasty("reply hi");
        let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap();
        let task = sent["message"].get("taskId").cloned();
        task.map(|task| {
            world
                .call(Binding::Rest, "GetTask", &json!({ "id": task }))
                .is_err()
        })
    };
    assert_eq!(under("direct_answers_name_task = false", named), None);
    assert_eq!(under("direct_answers_name_task = true", named), Some(true));
}

#[test]
fn a_later_turn_may_be_told_by_the_whole_task() {
    let told = |world: &mut World| {
        let task = world.start("ask what?; done");
        let stream = world.subscribe(&task);
        world.pulled(stream);
        world.say(&task, "this").unwrap();
        let (events, ended) = world.drain(stream);
        assert!(ended);
        let whole = history(&events[0]["task"]).pop();
        (words(&events[..1]).remove(0), whole)
    };
    let status = under("later_turns_tell_task = false", told);
    assert_eq!(status, ("working".to_owned(), None));
    let whole = under("later_turns_tell_task = true", told);
    assert_eq!(
        whole,
        ("task working".to_owned(), Some("user: this".to_owned()))
    );
}

#[test]
fn a_message_without_role_or_parts_may_be_taken() {
    let sent = |world: &mut World| {
        let given = json!({ "message": { "messageId": "m" } });
        world.call(Binding::Rpc, "SendMessage", &given).is_ok()
    };
    assert!(!under("checks_messages = true", sent));
    assert!(under("checks_messages = false", sent));
}

/// Makes and deletes a push configuration; gives both codes, the last result, and whether the id is the task's.
fn made_and_deleted(world: &mut World, binding: Binding) -> (u16, u16, Value, bool) {
    let task = world.start("work 9");
    let path = format!("/tasks/{task}/pushNotificationConfigs");
    let mut given = json!({ "taskId": task, "url": "http://127.0.0.1:9" });
    let request = match binding {
        Binding::Rest => world.rest("POST", &path).json(&given),
        Binding::Rpc => world.rpc("CreateTaskPushNotificationConfig", &given),
    };
    let made = world.send(request);
    let config = made.value();
    let config = config.get("result").unwrap_or(&config);
    let id = config["id"].as_str().unwrap();
    given["id"] = json!(id);
    let request = match binding {
        Binding::Rest => world.rest("DELETE", &format!("{path}/{id}")),
        Binding::Rpc => world.rpc("DeleteTaskPushNotificationConfig", &given),
    };
    let gone = world.send(request);
    let result = gone.value();
    let result = result.get("result").unwrap_or(&result).clone();
    (made.status, gone.status, result, id == task)
}

#[test]
fn push_replies_may_be_codes_or_null_and_ids_be_made() {
    let rest = |world: &mut World| made_and_deleted(world, Binding::Rest);
    let rpc = |world: &mut World| made_and_deleted(world, Binding::Rpc);
    let empty = (200, 200, json!({}), true);
    assert_eq!(under("push_replies = 'objects'", rest), empty);
    assert_eq!(under("push_replies = 'objects'", rpc), empty);
    assert_eq!(under("push_replies = 'null'", rest), empty);
    assert_eq!(
        under("push_replies = 'null'", rpc),
        (200, 200, Value::Null, true)
    );
    assert_eq!(
        under("push_replies = 'codes'", rest),
        (201, 204, Value::Null, true)
    );
    assert_eq!(
        under("push_replies = 'codes'", rpc),
        (200, 200, Value::Null, true)
    );
    assert_eq!(under("push_ids = true", rest), (200, 200, json!({}), false));
}

#[test]
fn a_version_may_be_exact_or_of_no_interest() {
    let taken = |world: &mut World| {
        ["1.0", "1.7", "0.3", ""].map(|version| {
            let request = world.rest("GET", "/tasks").header("A2A-Version", version);
            world.send(request).status == 200
        })
    };
    assert_eq!(
        under("versions = 'one_x'", taken),
        [true, true, false, false]
    );
    assert_eq!(
        under("versions = 'one_zero'", taken),
        [true, false, false, false]
    );
    assert_eq!(under("versions = 'any'", taken), [true, true, true, true]);
}

#[test]
fn the_size_of_a_page_may_be_a_count() {
    let size = |world: &mut World| {
        world.start("done");
        let list = world.call(Binding::Rest, "ListTasks", &json!({}));
        list.unwrap()["pageSize"].clone()
    };
    assert_eq!(under("page_size_counts = false", size), 50);
    assert_eq!(under("page_size_counts = true", size), 1);
}

#[test]
fn more_of_a_history_than_is_allowed_is_refused_in_every_operation() {
    let mut world = World::new("history_limit = 3");
    let task = world.start("work 4; ask what?");
    world.after(9_000);
    for binding in [Binding::Rest, Binding::Rpc] {
        for (length, is_taken) in [(0, true), (3, true), (4, false)] {
            let mut send = world.hasty("done");
            send["configuration"]["historyLength"] = json!(length);
            for (method, given) in [
                ("GetTask", json!({ "id": task, "historyLength": length })),
                ("ListTasks", json!({ "historyLength": length })),
                ("SendMessage", send),
            ] {
                let taken = world.call(binding, method, &given).map(drop);
                let refused = refused(binding, "INVALID_PARAMS", 400, -32602).map(drop);
                let expected = if is_taken { Ok(()) } else { refused };
                assert_eq!(taken, expected, "{method} {length}");
            }
        }
        let all = world.call(binding, "GetTask", &json!({ "id": task }));
        assert_eq!(history(&all.unwrap()).len(), 5);
    }
}

#[test]
fn a_history_may_lack_what_others_have() {
    let seen = |world: &mut World| {
        let task = world.start("work 1; ask what?; done");
        world.after(1_000);
        let asking = history(&world.get(&task));
        world.say(&task, "this").unwrap();
        (asking, history(&world.get(&task)))
    };
    let first = "user: work 1; ask what?; done";
    let all = [first, "agent: step 1", "agent: what?", "user: this"];
    let lines = |lines: &[&str]| {
        lines
            .iter()
            .map(|&line| line.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        under("history = 'full'", seen),
        (lines(&all[..2]), lines(&all))
    );
    assert_eq!(under("history = 'absent'", seen), (lines(&[]), lines(&[])));
    let newest = under("history = 'newest'", seen);
    assert_eq!(newest, (lines(&["agent: step 1"]), lines(&["user: this"])));
    let users = under("history = 'without_agent'", seen);
    assert_eq!(users, (lines(&[first]), lines(&[first, "user: this"])));
    let without = under("answers_in_history = false", seen);
    assert_eq!(without, (lines(&all[..2]), lines(&all[..3])));
    let at_once = under("status_in_history_at_once = true", seen);
    assert_eq!(at_once, (lines(&all[..3]), lines(&all)));
}

#[test]
fn a_question_may_be_data_an_artifact_or_nothing() {
    let asked = |world: &mut World| {
        let given = json!({ "message": world.message("ask colour?") });
        let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap()["task"].clone();
        let read = world.get(sent["id"].as_str().unwrap());
        let parts = read["status"]["message"]["parts"].clone();
        (parts, sent["artifacts"][0]["parts"].clone())
    };
    let text = (json!([{ "text": "colour?" }]), Value::Null);
    assert_eq!(under("question = 'message'", asked), text);
    let data = (json!([{ "data": { "question": "colour?" } }]), Value::Null);
    assert_eq!(under("question = 'data'", asked), data);
    let (parts, artifact) = under("question = 'artifact'", asked);
    let value = &artifact[0]["data"]["value"];
    assert_eq!(
        (parts, value),
        (Value::Null, &json!({ "question": "colour?" }))
    );
    let mut world = World::new("question = 'artifact'");
    let stream = world.stream("ask colour?");
    let (events, _) = world.drain(stream);
    assert_eq!(events[2]["artifactUpdate"]["artifact"]["name"], "Interrupt");
    assert_eq!(
        under("question = 'absent'", asked),
        (Value::Null, Value::Null)
    );
    // A form is data whatever the switch says.
    let mut world = World::new("");
    let task = world.start("ask-data {\"schema\":{\"type\":\"object\"}}; done");
    let parts = world.get(&task)["status"]["message"]["parts"].clone();
    assert_eq!(
        parts,
        json!([{ "data": { "schema": { "type": "object" } } }])
    );
    world.say(&task, "{}").unwrap();
    let answered = world.get(&task)["artifacts"][0]["parts"][0]["text"].clone();
    assert_eq!(answered, "{\"schema\":{\"type\":\"object\"}} -> {}");
}

#[test]
fn the_message_of_a_status_may_have_another_id_at_each_read() {
    let stays = |world: &mut World| {
        let task = world.start("ask what?");
        let mut id = || world.get(&task)["status"]["message"]["messageId"].clone();
        id() == id()
    };
    assert!(under("message_ids_change = false", stays));
    assert!(!under("message_ids_change = true", stays));
    let mut world = World::new("completed_message = 'All well.'");
    let (said, silent) = (world.start("done bye"), world.start("done"));
    let message = |world: &mut World, task: &str| {
        let task = world.get(task);
        task["status"]["message"]["parts"][0]["text"].clone()
    };
    assert_eq!(message(&mut world, &said), "bye");
    assert_eq!(message(&mut world, &silent), "All well.");
}

#[test]
fn artifacts_may_be_missing_from_reads_told_as_messages_joined_or_huge() {
    let mut world = World::new("artifacts_in_reads = false");
    let given = json!({ "message": world.message("artifact hello") });
    let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap()["task"].clone();
    assert_eq!(sent["artifacts"][0]["parts"][0]["text"], "hello");
    let read = world.get(sent["id"].as_str().unwrap());
    assert_eq!(read.get("artifacts"), None);
    // The output may be messages, and the last of them the only artifact.
    let mut world = World::new("output = 'messages'");
    let stream = world.stream("chunks 2 0.1; artifact whole; done bye");
    let expected = [
        "task submitted",
        "working \"piece 1 \"",
        "working \"piece 2 \"",
        "working \"whole\"",
        "working \"bye\"",
        "artifact [{\"text\":\"bye\"}] lastChunk",
        "completed",
    ];
    assert_eq!(words(&world.drain(stream).0), expected);
    let mut world = World::new("output = 'artifacts'");
    let stream = world.stream("artifact whole");
    let whole = "artifact [{\"text\":\"whole\"}]";
    assert_eq!(words(&world.drain(stream).0)[2], whole);
    let parts = |world: &mut World| {
        let task = world.start("chunks 3 0.1; done");
        world.after(1_000);
        world.get(&task)["artifacts"][0]["parts"].clone()
    };
    assert_eq!(
        under("parts_joined = false", parts)
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let joined = under("parts_joined = true", parts);
    assert_eq!(joined, json!([{ "text": "piece 1 piece 2 piece 3 " }]));
    let length = |world: &mut World| {
        let task = world.start("work 9");
        world.get(&task)["artifacts"][0]["parts"][0]["text"]
            .as_str()
            .map(str::len)
    };
    assert_eq!(under("", length), None);
    assert_eq!(
        under("artifact_padding_bytes = 20000000", length),
        Some(20_000_000)
    );
}

#[test]
fn streams_may_end_or_stay_open_at_a_question_or_for_a_credential() {
    let ends = |world: &mut World| {
        let mut ends = |text: &str| {
            let stream = world.stream(text);
            let of_message = world.pulled(stream).1;
            let task = world.start(text);
            let stream = world.subscribe(&task);
            (of_message, world.pulled(stream).1)
        };
        (ends("ask what?"), ends("auth 9"))
    };
    assert_eq!(under("", ends), ((true, false), (false, false)));
    let open = under("stream_ends_at_question = false", ends);
    assert_eq!(open, ((false, false), (false, false)));
    let both = under("subscription_ends_at_question = true", ends);
    assert_eq!(both, ((true, true), (false, false)));
    let auth = under("streams_end_at_auth = true", ends);
    assert_eq!(auth, ((true, false), (true, true)));
    // One that stays open goes on behind the answer.
    let mut world = World::new("stream_ends_at_question = false");
    let stream = world.stream("ask what?; done");
    let task = world.server.stats().per_task.into_keys().next().unwrap();
    world.pulled(stream);
    world.say(&task, "this").unwrap();
    let (events, ended) = world.drain(stream);
    assert_eq!(
        (words(&events).last().unwrap().as_str(), ended),
        ("completed", true)
    );
}

#[test]
fn events_may_have_the_shape_of_the_version_before_ids_and_names() {
    let mut world = World::new("events = 'first_wrapped'");
    let stream = world.stream("chunks 1; done");
    let (events, _) = world.drain(stream);
    assert!(events[0].get("task").is_some());
    let kind = |event: &Value| (event["kind"].clone(), event["final"].clone());
    let kinds: Vec<_> = events[1..].iter().map(kind).collect();
    let expected = [
        (json!("status-update"), json!(false)),
        (json!("artifact-update"), Value::Null),
        (json!("status-update"), json!(true)),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[3]["status"]["state"], "TASK_STATE_COMPLETED");
    let first = |world: &mut World| {
        let stream = world.stream("done");
        let frames = world.pulled(stream).0;
        let text = String::from_utf8(frames[1].bytes.clone()).unwrap();
        text.split("data: ").next().unwrap().to_owned()
    };
    assert_eq!(under("events = 'wrapped'", first), "");
    assert_eq!(under("event_ids = true", first), "id: 2\n");
    assert_eq!(under("event_names = true", first), "event: message\n");
}

#[test]
fn silence_is_broken_as_often_as_the_switch_says() {
    let beats = |world: &mut World| {
        let stream = world.stream("quiet 40; done");
        world.pulled(stream);
        let mut beats = 0;
        for _ in 0..39 {
            world.after(1_000);
            beats += world.pulled(stream).0.len();
        }
        beats
    };
    assert_eq!(under("heartbeat_ms = 15000", beats), 2);
    assert_eq!(under("heartbeat_ms = 5000", beats), 7);
    assert_eq!(under("heartbeat_ms = 0", beats), 0);
}

#[test]
fn a_crash_may_be_a_failure_with_a_message() {
    let mut world = World::new("crash = 'failed'");
    let given = json!({ "message": world.message("work 1; crash") });
    let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap();
    let status = &sent["task"]["status"];
    assert_eq!(
        (&status["state"], &status["message"]["parts"][0]["text"]),
        (
            &json!("TASK_STATE_FAILED"),
            &json!("Agent execution error: the executor crashed")
        )
    );
    let stream = world.stream("crash");
    let last = words(&world.drain(stream).0).pop().unwrap();
    assert_eq!(
        last,
        "failed \"Agent execution error: the executor crashed\""
    );
    let mut world = World::new("crash = 'error'");
    let stream = world.stream("crash");
    let (frames, _) = world.pulled(stream);
    assert_eq!(data(frames.last().unwrap())["error"]["code"], 500);
}

#[test]
fn a_cancel_may_be_taken_of_what_has_ended_take_time_or_kill_when_it_is_refused() {
    let again = |world: &mut World| {
        let (ended, working) = (world.start("done"), world.start("work 9"));
        world.cancel(&working).unwrap();
        [ended, working].map(|task| world.cancel(&task).is_ok())
    };
    assert_eq!(under("cancels_ended = 'none'", again), [false, false]);
    assert_eq!(under("cancels_ended = 'cancelled'", again), [false, true]);
    assert_eq!(under("cancels_ended = 'all'", again), [true, true]);
    let refuses = |world: &mut World| {
        let task = world.start("nocancel; work 4; done");
        let refusal = world.cancel(&task).map(drop).map_err(|(reason, _)| reason);
        (refusal, world.get(&task)["status"]["state"].clone())
    };
    let refused = || Err("TASK_NOT_CANCELABLE".to_owned());
    let goes_on = under("refused_cancel = 'goes_on'", refuses);
    assert_eq!(goes_on, (refused(), json!("TASK_STATE_WORKING")));
    let unsupported = Err("UNSUPPORTED_OPERATION".to_owned());
    let told = under("refused_cancel = 'unsupported'", refuses);
    assert_eq!(told, (unsupported, json!("TASK_STATE_WORKING")));
    let fails = under("refused_cancel = 'fails'", refuses);
    assert_eq!(fails, (refused(), json!("TASK_STATE_FAILED")));
    // Only accepted: the task works on until then, and a second cancel changes nothing.
    let mut world = World::new("cancel_delay_ms = 2500");
    let task = world.start("work 9");
    let stream = world.subscribe(&task);
    for _ in 0..2 {
        let accepted = world.cancel(&task).unwrap();
        assert_eq!(accepted["status"]["state"], "TASK_STATE_WORKING");
        world.after(1_000);
    }
    let (events, ended) = world.drain(stream);
    let expected = [
        "task working",
        "working \"step 1\"",
        "working \"step 2\"",
        "canceled",
    ];
    assert_eq!(
        (words(&events), ended, world.now - START),
        (expected.map(str::to_owned).to_vec(), true, 2_500)
    );
    // Whatever ends before is not cancelled.
    let task = world.start("work 1; done");
    world.cancel(&task).unwrap();
    world.after(9_000);
    assert_eq!(world.state(&task), "TASK_STATE_COMPLETED");
}

#[test]
fn a_restart_may_forget_all_tasks() {
    let read = |world: &mut World| {
        let task = world.start("ask what?");
        world.server.restart(world.now);
        world
            .call(Binding::Rest, "GetTask", &json!({ "id": task }))
            .map(drop)
    };
    assert_eq!(under("restart_forgets = false", read), Ok(()));
    let gone = Err(("TASK_NOT_FOUND".to_owned(), 404));
    assert_eq!(under("restart_forgets = true", read), gone);
}

#[test]
fn words_may_be_those_of_the_version_before_or_of_nobody() {
    let shown = |world: &mut World| {
        let task = world.start("work 9");
        let task = world.get(&task);
        let message = &task["history"][0];
        let kind = |value: &Value| value["kind"].as_str().unwrap_or("-").to_owned();
        [
            task["status"]["state"].as_str().unwrap().to_owned(),
            message["role"].as_str().unwrap().to_owned(),
            [kind(&task), kind(message), kind(&message["parts"][0])].join(" "),
        ]
    };
    assert_eq!(
        under("spelling = 'one'", shown),
        ["TASK_STATE_WORKING", "ROLE_USER", "- - -"]
    );
    assert_eq!(
        under("spelling = 'zero_three'", shown),
        ["working", "user", "- - -"]
    );
    let kinds = under("kinds = true", shown);
    assert_eq!(
        kinds,
        ["TASK_STATE_WORKING", "ROLE_USER", "task message text"]
    );
    assert_eq!(
        under("working_word = 'TASK_STATE_MUSING'", shown)[0],
        "TASK_STATE_MUSING"
    );
}

#[test]
fn times_may_be_missing_or_written_otherwise() {
    let times = |world: &mut World| {
        let given = world.hasty("work 9");
        let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap()["task"].clone();
        let working = world.get(sent["id"].as_str().unwrap());
        let time = |task: &Value| task["status"]["timestamp"].as_str().map(str::to_owned);
        (time(&sent), time(&working))
    };
    let at = |text: &str| Some(format!("2026-05-12T10:15:00.{text}"));
    assert_eq!(
        under("timestamps = 'always'", times),
        (at("000Z"), at("000Z"))
    );
    assert_eq!(under("timestamps = 'of_work'", times), (None, at("000Z")));
    assert_eq!(under("timestamps = 'never'", times), (None, None));
    assert_eq!(under("times = 'millis'", times).1, at("000Z"));
    assert_eq!(under("times = 'micros'", times).1, at("000000Z"));
    assert_eq!(under("times = 'offset'", times).1, at("000000+00:00"));
}

#[test]
fn entries_of_lists_may_have_empty_fields() {
    let entry = |world: &mut World| {
        world.start("done");
        let given = json!({ "includeArtifacts": true });
        let list = world.call(Binding::Rest, "ListTasks", &given).unwrap();
        let task = &list["tasks"][0];
        let message = &task["history"][0];
        [
            task.get("artifacts").cloned().unwrap_or_default(),
            message.get("extensions").cloned().unwrap_or_default(),
            message["parts"][0]
                .get("filename")
                .cloned()
                .unwrap_or_default(),
        ]
    };
    assert_eq!(
        under("lists_write_empty = false", entry),
        [Value::Null, Value::Null, Value::Null]
    );
    assert_eq!(
        under("lists_write_empty = true", entry),
        [json!([]), json!([]), json!("")]
    );
}

#[test]
fn refusals_may_be_texts_of_another_type_or_without_details() {
    let gone = |world: &mut World| {
        let request = world.rest("GET", "/tasks/nope");
        let reply = world.send(request);
        let media_type = reply.headers[0].1.clone();
        (reply.status, media_type, outcome(&reply).unwrap_err().0)
    };
    let reason = "TASK_NOT_FOUND".to_owned();
    let info = under("not_found = 'error_info'", gone);
    assert_eq!(
        info,
        (404, "application/a2a+json".to_owned(), reason.clone())
    );
    let text = under("not_found = 'text'", gone);
    assert_eq!(
        text,
        (404, "text/plain; charset=utf-8".to_owned(), String::new())
    );
    let json = under("errors_are_json = true", gone);
    assert_eq!(json, (404, "application/json".to_owned(), reason.clone()));
    let called = |world: &mut World| {
        let call = world.call(Binding::Rpc, "GetTask", &json!({ "id": "nope" }));
        call.unwrap_err()
    };
    assert_eq!(under("error_data = true", called), (reason, -32001));
    assert_eq!(under("error_data = false", called), (String::new(), -32001));
    // Only the text of the other binding is one.
    assert_eq!(under("not_found = 'text'", called).1, -32001);
}

#[test]
fn replies_and_events_may_be_odd() {
    let replied = |world: &mut World| {
        let task = world.start("work 9");
        let request = world.rpc("GetTask", &json!({ "id": task }));
        world.send(request).value()
    };
    assert_eq!(under("oddity = 'none'", replied)["id"], 1);
    assert_eq!(under("oddity = 'wrong_id'", replied)["id"], "other");
    assert_eq!(
        under("oddity = 'no_result'", replied),
        json!({ "id": 1, "jsonrpc": "2.0" })
    );
    assert_eq!(under("oddity = 'batch'", replied)[0]["id"], 1);
    let sent = |world: &mut World| {
        let given = world.hasty("work 9");
        let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap();
        (sent.get("task").is_some(), sent.get("message").is_some())
    };
    assert_eq!(under("oddity = 'task_and_message'", sent), (true, true));
    let streamed = |world: &mut World| {
        let stream = world.stream("done");
        world.drain(stream).0
    };
    let foreign = under("oddity = 'foreign_event'", streamed);
    assert_eq!(
        (&foreign[1]["statusUpdate"]["taskId"], foreign.len()),
        (&json!("another"), 4)
    );
    let unknown = under("oddity = 'unknown_event'", streamed);
    assert_eq!(unknown[1], json!({ "moodUpdate": { "mood": "cheerful" } }));
}
