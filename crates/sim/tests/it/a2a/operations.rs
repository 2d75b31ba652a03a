//! The operations of the contract, in both bindings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{Binding, Outcome, START, World, outcome};
use taskward_sim::a2a::Server;
use taskward_sim::platform::{Effect, Interference, SimPlatform, TaskStanding};
use taskward_sim::{Answer, Request};

const BOTH: [Binding; 2] = [Binding::Rest, Binding::Rpc];

pub(super) fn refused(binding: Binding, reason: &str, status: i64, number: i64) -> Outcome {
    let code = match binding {
        Binding::Rest => status,
        Binding::Rpc => number,
    };
    Err((reason.to_owned(), code))
}

/// Returns the texts of the messages of a task's history, with the roles in front.
pub(super) fn history(task: &Value) -> Vec<String> {
    let messages = task["history"].as_array().into_iter().flatten();
    messages
        .map(|message| {
            let text = message["parts"][0]["text"].as_str().unwrap_or("data");
            let role = message["role"].as_str().unwrap_or_default();
            format!(
                "{}: {text}",
                role.trim_start_matches("ROLE_").to_lowercase()
            )
        })
        .collect()
}

#[test]
fn a_task_is_started_read_and_completed() {
    for binding in BOTH {
        let mut world = World::new("");
        let given = world.hasty("work 2; artifact hello");
        let sent = world.call(binding, "SendMessage", &given).unwrap();
        assert_eq!(sent["task"]["status"]["state"], "TASK_STATE_SUBMITTED");
        let id = sent["task"]["id"].clone();
        assert_eq!(history(&sent["task"]), ["user: work 2; artifact hello"]);
        let read = |world: &mut World, length: Value| {
            let mut given = json!({ "id": id });
            if !length.is_null() {
                given["historyLength"] = length;
            }
            world.call(binding, "GetTask", &given)
        };
        let working = read(&mut world, Value::Null).unwrap();
        assert_eq!(working["status"]["state"], "TASK_STATE_WORKING");
        world.after(3_000);
        let done = read(&mut world, Value::Null).unwrap();
        assert_eq!(done["status"]["state"], "TASK_STATE_COMPLETED");
        assert_eq!(done["artifacts"][0]["parts"], json!([{ "text": "hello" }]));
        let all = [
            "user: work 2; artifact hello",
            "agent: step 1",
            "agent: step 2",
        ];
        assert_eq!(history(&done), all);
        assert_eq!(
            history(&read(&mut world, json!(1)).unwrap()),
            ["agent: step 2"]
        );
        assert_eq!(read(&mut world, json!(0)).unwrap().get("history"), None);
        let negative = read(&mut world, json!(-1));
        assert_eq!(negative, refused(binding, "INVALID_PARAMS", 400, -32602));
    }
}

#[test]
fn a_message_waits_for_the_end_or_a_question_unless_it_says_otherwise() {
    for binding in BOTH {
        for (text, took, state) in [
            ("work 2; done", 2_000, "TASK_STATE_COMPLETED"),
            (
                "work 1; ask what?; done",
                1_000,
                "TASK_STATE_INPUT_REQUIRED",
            ),
            ("auth 5", 0, "TASK_STATE_AUTH_REQUIRED"),
            ("fail boom", 0, "TASK_STATE_FAILED"),
            ("reject no", 0, "TASK_STATE_REJECTED"),
        ] {
            let mut world = World::new("");
            let begun = world.now;
            let given = json!({ "message": world.message(text) });
            let sent = world.call(binding, "SendMessage", &given).unwrap();
            assert_eq!(sent["task"]["status"]["state"], state, "{text}");
            assert_eq!(world.now - begun, took, "{text}");
        }
        // The first event, which may be late; the task is not to be seen before.
        let mut world = World::new("");
        let given = world.hasty("silent 3; work 9");
        let request = match binding {
            Binding::Rest => world.rest("POST", "/message:send").json(&given),
            Binding::Rpc => world.rpc("SendMessage", &given),
        };
        let Answer::Later { id } = world.ask(request) else {
            unreachable!("it is silent")
        };
        assert_eq!(world.server.stats().tasks, 0);
        let sent = outcome(&world.wait(id)).unwrap();
        assert_eq!(sent["task"]["status"]["state"], "TASK_STATE_SUBMITTED");
        assert_eq!(world.now, super::world::START + 3_000);
    }
}

#[test]
fn a_direct_answer_makes_no_task() {
    for binding in BOTH {
        let mut world = World::new("");
        let given = world.hasty("reply hello there");
        let sent = world.call(binding, "SendMessage", &given).unwrap();
        assert_eq!(sent["message"]["parts"], json!([{ "text": "hello there" }]));
        assert_eq!(sent.get("task"), None);
        let list = world.call(binding, "ListTasks", &json!({})).unwrap();
        assert_eq!(
            (&list["totalSize"], world.server.stats().direct_answers),
            (&json!(0), 1)
        );
    }
}

#[test]
fn a_question_is_answered_by_a_message_that_names_the_task() {
    for binding in BOTH {
        let mut world = World::new("");
        let task = world.start("ask colour?; ask size?; done");
        let asking = world.get(&task);
        assert_eq!(
            asking["status"]["message"]["parts"],
            json!([{ "text": "colour?" }])
        );
        // The question is not in the history yet.
        assert_eq!(history(&asking), ["user: ask colour?; ask size?; done"]);
        let answer = |world: &mut World, text: &str| {
            let mut given = world.hasty(text);
            given["message"]["taskId"] = json!(task);
            world.call(binding, "SendMessage", &given)
        };
        let sent = answer(&mut world, "red").unwrap();
        assert_eq!(sent["task"]["status"]["state"], "TASK_STATE_WORKING");
        let all = [
            "user: ask colour?; ask size?; done",
            "agent: colour?",
            "user: red",
        ];
        assert_eq!(history(&sent["task"]), all);
        let asking = world.get(&task);
        assert_eq!(
            asking["status"]["message"]["parts"],
            json!([{ "text": "size?" }])
        );
        assert_eq!(
            asking["artifacts"][0]["parts"],
            json!([{ "text": "colour? -> red" }])
        );
        answer(&mut world, "large").unwrap();
        assert_eq!(world.state(&task), "TASK_STATE_COMPLETED");
        let late = answer(&mut world, "large");
        assert_eq!(late, refused(binding, "UNSUPPORTED_OPERATION", 400, -32004));
        let questions = world.server.stats().questions;
        let told: Vec<_> = questions
            .iter()
            .map(|one| (one.text.as_deref(), one.answers, one.is_open))
            .collect();
        assert_eq!(
            told,
            [(Some("colour?"), 1, false), (Some("size?"), 1, false)]
        );
    }
}

#[test]
fn a_message_to_a_task_that_works_waits_for_its_turn() {
    let mut world = World::new("");
    let task = world.start("work 5; done");
    world.after(1_500);
    // The reply comes with the next event of the turn, and the message is not in the history yet.
    let sent = world.say(&task, "also do this").unwrap();
    assert_eq!(world.now, super::world::START + 2_000);
    assert_eq!(
        history(&sent["task"]),
        ["user: work 5; done", "agent: step 1"]
    );
    world.after(10_000);
    let done = world.get(&task);
    assert_eq!(history(&done).last().unwrap(), "user: also do this");
    assert_eq!(done["status"]["state"], "TASK_STATE_COMPLETED");
    // Where the turn ends in a question, the message is the answer.
    let task = world.start("work 2; ask colour?; done");
    let given = json!({ "message": world.message("red") });
    let mut given = given;
    given["message"]["taskId"] = json!(task);
    let sent = world.call(Binding::Rest, "SendMessage", &given).unwrap();
    assert_eq!(sent["task"]["status"]["state"], "TASK_STATE_COMPLETED");
    assert_eq!(
        sent["task"]["artifacts"][0]["parts"][0]["text"],
        "colour? -> red"
    );
}

#[test]
fn the_same_message_id_makes_two_tasks_and_a_context_finds_both() {
    for binding in BOTH {
        let mut world = World::new("");
        let message = json!({
            "messageId": "same", "contextId": "ours", "role": "ROLE_USER", "parts": [{ "text": "work 1" }],
        });
        for _ in 0..2 {
            world
                .call(binding, "SendMessage", &json!({ "message": message }))
                .unwrap();
        }
        world.start("work 1");
        let given = json!({ "contextId": "ours", "historyLength": 1 });
        let list = world.call(binding, "ListTasks", &given).unwrap();
        let tasks = list["tasks"].as_array().unwrap();
        assert_eq!((tasks.len(), &list["totalSize"]), (2, &json!(2)));
        for task in tasks {
            assert_eq!(task["contextId"], "ours");
            assert_eq!(task.get("artifacts"), None);
        }
        let whole = world
            .call(binding, "ListTasks", &json!({ "contextId": "ours" }))
            .unwrap();
        assert_eq!(whole["tasks"][0]["history"][0]["messageId"], "same");
    }
}

#[test]
fn a_list_comes_in_pages_with_the_newest_status_first() {
    for binding in BOTH {
        let mut world = World::new("");
        let tasks: Vec<String> = (0..5)
            .map(|n| {
                let task = world.start(&format!("artifact {n}"));
                world.after(1_000);
                task
            })
            .collect();
        let mut seen = Vec::new();
        let mut token = json!("");
        loop {
            let given = json!({ "pageSize": 2, "pageToken": token, "includeArtifacts": true });
            let page = world.call(binding, "ListTasks", &given).unwrap();
            assert_eq!(
                (&page["pageSize"], &page["totalSize"]),
                (&json!(2), &json!(5))
            );
            for task in page["tasks"].as_array().unwrap() {
                assert!(task["artifacts"][0]["parts"][0]["text"].is_string());
                seen.push(task["id"].as_str().unwrap().to_owned());
            }
            token = page["nextPageToken"].clone();
            if token == "" {
                break;
            }
        }
        let newest_first: Vec<String> = tasks.into_iter().rev().collect();
        assert_eq!(seen, newest_first);
        let count = |world: &mut World, given: Value| {
            let page = world.call(binding, "ListTasks", &given);
            page.map(|page| page["tasks"].as_array().unwrap().len())
        };
        let completed = json!({ "status": "TASK_STATE_COMPLETED" });
        assert_eq!(count(&mut world, completed), Ok(5));
        assert_eq!(
            count(&mut world, json!({ "status": "TASK_STATE_FAILED" })),
            Ok(0)
        );
        let after = json!({ "statusTimestampAfter": "2026-05-12T10:15:03Z" });
        assert_eq!(count(&mut world, after), Ok(2));
        for wrong in [
            json!({ "pageSize": 0 }),
            json!({ "pageSize": 101 }),
            json!({ "pageToken": "garbage" }),
            json!({ "statusTimestampAfter": "yesterday" }),
        ] {
            let code = refused(binding, "INVALID_PARAMS", 400, -32602).unwrap_err();
            assert_eq!(count(&mut world, wrong), Err(code));
        }
    }
}

#[test]
fn a_task_is_cancelled_once() {
    for binding in BOTH {
        let mut world = World::new("");
        for text in ["work 30", "ask colour?", "auth 30"] {
            let task = world.start(text);
            let given = json!({ "id": task });
            let cancelled = world.call(binding, "CancelTask", &given).unwrap();
            assert_eq!(
                cancelled["status"]["state"], "TASK_STATE_CANCELED",
                "{text}"
            );
            let again = world.call(binding, "CancelTask", &given);
            assert_eq!(again, refused(binding, "TASK_NOT_CANCELABLE", 400, -32002));
            world.after(60_000);
            assert_eq!(world.state(&task), "TASK_STATE_CANCELED", "{text}");
        }
        let stubborn = world.start("nocancel; work 4; done");
        let refusal = world.call(binding, "CancelTask", &json!({ "id": stubborn }));
        assert_eq!(
            refusal,
            refused(binding, "TASK_NOT_CANCELABLE", 400, -32002)
        );
        world.after(5_000);
        assert_eq!(world.state(&stubborn), "TASK_STATE_COMPLETED");
    }
}

#[test]
fn push_configurations_are_kept_and_listed() {
    for binding in BOTH {
        let mut world = World::new("");
        let mut given = world.hasty("work 9");
        let config = json!({
            "url": "http://127.0.0.1:9/hook", "token": "t",
            "authentication": { "scheme": "Bearer", "credentials": "c" },
        });
        given["configuration"]["taskPushNotificationConfig"] = config.clone();
        let sent = world.call(binding, "SendMessage", &given).unwrap();
        let task = sent["task"]["id"].clone();
        let mut with = |method: &str, more: Value| {
            let mut given = json!({ "taskId": task });
            for (name, value) in more.as_object().unwrap() {
                given[name] = value.clone();
            }
            world.call(
                binding,
                &format!("{method}TaskPushNotificationConfig"),
                &given,
            )
        };
        // One without an id has the task's.
        let kept = with("Get", json!({ "id": task })).unwrap();
        assert_eq!((&kept["id"], &kept["token"]), (&task, &json!("t")));
        let mut mine = config;
        mine["id"] = json!("mine");
        let kept = with("Create", mine).unwrap();
        assert_eq!((&kept["id"], &kept["taskId"]), (&json!("mine"), &task));
        assert_eq!(
            with("Create", json!({})),
            refused(binding, "INVALID_PARAMS", 400, -32602)
        );
        for _ in 0..2 {
            assert_eq!(with("Delete", json!({ "id": "mine" })), Ok(json!({})));
        }
        let gone = refused(binding, "TASK_NOT_FOUND", 404, -32001);
        assert_eq!(with("Get", json!({ "id": "mine" })), gone);
        let given = json!({ "taskId": task });
        let list = world
            .call(binding, "ListTaskPushNotificationConfigs", &given)
            .unwrap();
        assert_eq!(list["configs"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn what_there_is_not_is_refused_by_reason() {
    for binding in BOTH {
        let mut world = World::new("");
        let gone = refused(binding, "TASK_NOT_FOUND", 404, -32001);
        for method in ["GetTask", "CancelTask", "SubscribeToTask"] {
            let given = json!({ "id": "nope" });
            assert_eq!(world.call(binding, method, &given), gone, "{method}");
        }
        let mut given = world.hasty("x");
        given["message"]["taskId"] = json!("nope");
        assert_eq!(world.call(binding, "SendMessage", &given), gone);
        // A task is its agent's.
        let task = world.start("done");
        world.agent = "/agents/echo".to_owned();
        assert_eq!(world.call(binding, "GetTask", &json!({ "id": task })), gone);
        world.agent = "/agents/script".to_owned();
        let task = world.start("ask what?");
        let mut given = world.hasty("x");
        given["message"]["taskId"] = json!(task);
        given["message"]["contextId"] = json!("other");
        let wrong = refused(binding, "INVALID_PARAMS", 400, -32602);
        assert_eq!(world.call(binding, "SendMessage", &given), wrong);
    }
}

#[test]
fn a_message_that_lacks_something_is_refused_with_its_fields() {
    for binding in BOTH {
        let mut world = World::new("");
        let good = world.message("done");
        let without = |field: &str| {
            let mut message = good.clone();
            message.as_object_mut().unwrap().remove(field);
            message
        };
        let boss = {
            let mut message = good.clone();
            message["role"] = json!("ROLE_BOSS");
            message
        };
        let part = |part: Value| {
            let mut message = good.clone();
            message["parts"] = json!([part]);
            message
        };
        for message in [
            without("messageId"),
            without("role"),
            without("parts"),
            boss,
            part(json!({})),
            part(json!({ "text": "a", "url": "b" })),
            part(json!({ "raw": "no base64!" })),
            json!({}),
        ] {
            let given = json!({ "message": message });
            let refusal = world.call(binding, "SendMessage", &given);
            let expected = refused(binding, "INVALID_PARAMS", 400, -32602);
            assert_eq!(refusal, expected, "{message}");
        }
        let given = json!({ "message": {} });
        let reply = match binding {
            Binding::Rest => world.rest("POST", "/message:send").json(&given),
            Binding::Rpc => world.rpc("SendMessage", &given),
        };
        let reply = world.send(reply).value();
        let error = &reply["error"];
        let details = error.get("details").or(error.get("data")).unwrap();
        let fields = details[1]["fieldViolations"].as_array().unwrap().iter();
        let fields: Vec<&str> = fields.map(|one| one["field"].as_str().unwrap()).collect();
        assert_eq!(
            fields,
            ["message.message_id", "message.role", "message.parts"]
        );
        assert_eq!(world.server.stats().tasks, 0);
    }
}

#[test]
fn the_version_is_asked_for_in_the_header_alone() {
    for binding in BOTH {
        let mut world = World::new("");
        let mut with = |version: &str, query: &str| {
            let given = world.hasty("done");
            let request = match binding {
                Binding::Rest => world
                    .rest("POST", &format!("/message:send{query}"))
                    .json(&given),
                Binding::Rpc => world.rpc("SendMessage", &given),
            };
            outcome(&world.send(request.header("A2A-Version", version))).map(drop)
        };
        let wrong = refused(binding, "VERSION_NOT_SUPPORTED", 400, -32009).map(drop);
        for (version, expected) in [
            ("1.0", Ok(())),
            ("1.7", Ok(())),
            ("", wrong.clone()),
            ("0.3", wrong.clone()),
            ("2.0", wrong.clone()),
        ] {
            assert_eq!(with(version, ""), expected, "{version}");
        }
        assert_eq!(with("", "?A2A-Version=1.0"), wrong);
    }
}

#[test]
fn a_wrong_path_is_no_missing_task_and_a_wrong_call_is_told_as_json_rpc_has_it() {
    let mut world = World::new("");
    for (method, path) in [
        ("GET", "/nowhere"),
        ("DELETE", "/message:send"),
        ("GET", "/tasks/a/b"),
    ] {
        let request = world.rest(method, path);
        let reply = world.send(request);
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (404, &b"Not Found"[..])
        );
    }
    let mut call = |body: &[u8]| {
        let mut request = Request::new("POST", "/rpc").header("content-type", "application/json");
        request.body = taskward_sim::SimBody::Bytes(body.to_vec());
        let reply = world.send(request);
        assert_eq!(reply.status, 200);
        reply.value()
    };
    let code = |reply: Value| (reply["error"]["code"].clone(), reply["id"].clone());
    assert_eq!(code(call(b"{nonsense")), (json!(-32700), Value::Null));
    for body in [&b"[]"[..], b"{}", b"3", br#"{"method":"GetTask","id":4}"#] {
        assert_eq!(call(body)["error"]["code"], -32600);
    }
    let unknown = br#"{"jsonrpc":"2.0","id":"a","method":"Nope","params":{}}"#;
    assert_eq!(code(call(unknown)), (json!(-32601), json!("a")));
    let rest = world
        .rest("POST", "/message:send")
        .header("content-type", "text/plain");
    assert_eq!(
        outcome(&world.send(rest)),
        Err(("INVALID_REQUEST".to_owned(), 400))
    );
}

#[test]
fn a_request_is_judged_by_what_it_would_do() {
    let mut world = World::new("");
    let effect = |request: &Request| <Server as SimPlatform>::effect(request);
    let (start, mut answer) = (world.hasty("x"), world.hasty("x"));
    answer["message"]["taskId"] = json!("t");
    let by_id = json!({ "id": "t", "historyLength": 0 });
    for (method, path, given, rpc, expected) in [
        (
            "POST",
            "/message:send",
            &start,
            "SendMessage",
            Effect::Start,
        ),
        (
            "POST",
            "/message:send",
            &answer,
            "SendMessage",
            Effect::Answer,
        ),
        (
            "POST",
            "/message:stream",
            &start,
            "SendStreamingMessage",
            Effect::Start,
        ),
        (
            "GET",
            "/tasks/t?historyLength=0",
            &by_id,
            "GetTask",
            Effect::Status,
        ),
        ("GET", "/tasks", &by_id, "ListTasks", Effect::Read),
        (
            "POST",
            "/tasks/t:cancel",
            &by_id,
            "CancelTask",
            Effect::Cancel,
        ),
        (
            "GET",
            "/tasks/t:subscribe",
            &by_id,
            "SubscribeToTask",
            Effect::Stream,
        ),
    ] {
        assert_eq!(
            effect(&world.rest(method, path).json(given)),
            expected,
            "{path}"
        );
        assert_eq!(effect(&world.rpc(rpc, given)), expected, "{rpc}");
    }
}

#[test]
fn the_account_tells_what_is_true_whatever_reads_show() {
    let mut world = World::new("working_word = 'TASK_STATE_MUSING'\nhistory = 'absent'");
    let (asking, working) = (world.start("ask what?; done"), world.start("work 9"));
    let hidden = world.hasty("silent 9; done");
    let request = world.rest("POST", "/message:send").json(&hidden);
    world.ask(request);
    let account = SimPlatform::account(&mut world.server, world.now);
    let tasks: Vec<_> = account
        .tasks
        .iter()
        .map(|task| (task.id.as_str(), task.standing))
        .collect();
    let expected = [
        (asking.as_str(), TaskStanding::Waiting),
        (working.as_str(), TaskStanding::Going),
    ];
    assert_eq!(tasks, expected, "what is silent is not there yet");
    let meddle = |world: &mut World, meddling: Interference| {
        SimPlatform::interfere(&mut world.server, &asking, &meddling, world.now)
    };
    assert!(!meddle(&mut world, Interference::Approve));
    assert!(meddle(&mut world, Interference::Reword));
    world.after(1_000);
    assert!(meddle(&mut world, Interference::AskMore));
    assert!(meddle(&mut world, Interference::AnswerByClient));
    for after in [
        Interference::AnswerByClient,
        Interference::Reword,
        Interference::AskMore,
    ] {
        assert!(!meddle(&mut world, after));
    }
    let account = SimPlatform::account(&mut world.server, world.now);
    let questions: Vec<_> = account
        .questions
        .iter()
        .map(|one| (one.answers, one.is_open))
        .collect();
    assert_eq!(questions, [(0, false), (0, false), (1, false)]);
    let asked: Vec<&str> = account
        .questions
        .iter()
        .map(|one| one.text.as_deref().unwrap_or_default())
        .collect();
    let otherwise = format!("Asked otherwise at {START}?");
    let more = format!("{otherwise} And asked at {}?", START + 1_000);
    assert_eq!(asked, ["what?", &otherwise, &more]);
    let ids: BTreeSet<&str> = account
        .questions
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(account.tasks[0].standing, TaskStanding::Completed);
}
