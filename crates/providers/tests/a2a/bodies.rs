//! Tasks, lists and web hooks as the servers sent them, in both bindings and at every cut.

use taskward_core::{List as _, Operation, Output as _, ReadErrorKind};
use taskward_providers::a2a::operations::*;
use taskward_providers::a2a::{A2a, Answer, PartContent, Sent, State, types};

use crate::{both, reply, rpc, wrapped};

const ID: &str = "757e6f3f-4543-453e-8cf7-4ca7a7f5e888";

/// From a2a-01: the Python SDK's task that is done.
const DONE: &str = r#"{"id":"757e6f3f-4543-453e-8cf7-4ca7a7f5e888","contextId":"98ab5e50-740e-4e21-bde9-cffcfc778878","status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-11-29T21:03:01.284212Z"},"artifacts":[{"artifactId":"5aec9661-fb6b-450b-892b-caef035639a0","name":"text","parts":[{"text":"hello"}]}],"history":[{"messageId":"ef373493-841b-4ad9-b957-5d8c7d8c1c98","contextId":"98ab5e50-740e-4e21-bde9-cffcfc778878","taskId":"757e6f3f-4543-453e-8cf7-4ca7a7f5e888","role":"ROLE_USER","parts":[{"text":"work 2; artifact hello"}]},{"messageId":"14fe3a7f-a12a-4f88-8dc2-38094eb65f52","contextId":"98ab5e50-740e-4e21-bde9-cffcfc778878","taskId":"757e6f3f-4543-453e-8cf7-4ca7a7f5e888","role":"ROLE_AGENT","parts":[{"text":"step 1"}]}]}"#;

/// From lg-02: LangGraph's task that is done. Its read has no artifacts.
const LG: &str = r#"{"kind":"task","id":"e6173409-d29e-45df-9eb1-26fed325837d:01a22923-c2ee-76b3-a6f1-56af9c111fb1","contextId":"e6173409-d29e-45df-9eb1-26fed325837d","status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-11-29T21:09:02.194811+00:00","message":{"kind":"message","role":"ROLE_AGENT","parts":[{"kind":"text","text":"Task completed successfully"}],"messageId":"c5a91e1f-5f03-46b3-a80d-91d4dc32b0e3","taskId":"e6173409-d29e-45df-9eb1-26fed325837d:01a22923-c2ee-76b3-a6f1-56af9c111fb1"}},"history":[{"kind":"message","role":"ROLE_USER","parts":[{"kind":"text","text":"hi"}],"messageId":"02998ac8-00db-4bb9-b33a-9a313d7773fc","taskId":"e6173409-d29e-45df-9eb1-26fed325837d:01a22923-c2ee-76b3-a6f1-56af9c111fb1","contextId":"e6173409-d29e-45df-9eb1-26fed325837d"},{"kind":"message","role":"ROLE_AGENT","parts":[{"kind":"text","text":"worked"}],"messageId":"99c89729-0029-4411-9cd2-1800f64f9cce","taskId":"e6173409-d29e-45df-9eb1-26fed325837d:01a22923-c2ee-76b3-a6f1-56af9c111fb1","contextId":"e6173409-d29e-45df-9eb1-26fed325837d"}]}"#;

fn task(json: &str) -> types::Task {
    taskward_providers::wire::decode(json.as_bytes()).expect(json)
}

fn body(agent: &A2a, json: &str) -> String {
    match agent == &rpc() {
        true => wrapped(json),
        false => json.to_owned(),
    }
}

#[test]
fn a_task_is_read_in_both_bindings_and_at_no_cut() {
    for agent in both() {
        let get = GetTask::new(&agent, ID);
        let whole = body(&agent, DONE);
        let read = get.read(&reply(200, &whole)).expect("a task");
        assert_eq!(read, task(DONE));
        for end in 0..whole.len() {
            let error = get.read(&reply(200, &whole[..end])).expect_err("a cut");
            let expected = if end == 0 {
                ReadErrorKind::Empty
            } else {
                ReadErrorKind::Truncated
            };
            assert_eq!(error.kind(), expected, "cut at {end}");
            // A cut reply is no error of the server's.
            assert_eq!(
                get.classify(&reply(200, &whole[..end])),
                Ok(()),
                "cut at {end}"
            );
        }
        let other = GetTask::new(&agent, "another").read(&reply(200, &whole));
        assert_eq!(
            other.map_err(|error| error.kind()),
            Err(ReadErrorKind::Foreign)
        );
        let cancel = CancelTask::new(&agent, ID).read(&reply(200, &whole));
        assert_eq!(cancel, Ok(task(DONE)));
    }
    let lg = GetTask::new(
        &rpc(),
        "e6173409-d29e-45df-9eb1-26fed325837d:01a22923-c2ee-76b3-a6f1-56af9c111fb1",
    );
    let read = lg.read(&reply(200, wrapped(LG))).expect("a task");
    let at = read
        .status
        .timestamp
        .as_ref()
        .and_then(|at| at.unix_millis());
    assert_eq!(at, Some(1_795_986_542_194));
}

/// Rows: P11.
#[test]
fn a_message_is_answered_by_a_task_or_by_a_message() {
    // From a2a-01, a2a-07, a2a-09 and js-01.
    let submitted = r#"{"task":{"id":"757e6f3f-4543-453e-8cf7-4ca7a7f5e888","contextId":"98ab5e50","status":{"state":"TASK_STATE_SUBMITTED"},"history":[]}}"#;
    let direct = r#"{"message":{"messageId":"efffcf8b-33a5-439e-be82-53db9b19d115","contextId":"f967552f-0a5d-4343-850a-c27c765d1092","taskId":"642f4a59-035d-45f5-b73e-77b6e6378a94","role":"ROLE_AGENT","parts":[{"text":"hi"}]}}"#;
    let old = r#"{"contextId":"4645d67a-df9f-4287-895f-6506ba848bb1","history":[],"id":"31139b25-add1-446c-9ddf-7d5c2b14c3f7","kind":"task","status":{"state":"submitted"}}"#;
    let old_direct = r#"{"kind":"message","messageId":"m","role":"agent","parts":[{"kind":"text","text":"hi"}]}"#;
    let both_at_once = r#"{"message":{"parts":[{"text":"hi"}]},"task":{"id":"t"}}"#;
    for agent in both() {
        let send = SendMessage::new(&agent, crate::requests::message());
        let read = |json: &str| send.read(&reply(200, body(&agent, json)));
        let id = |json: &str| match read(json).expect(json) {
            Sent::Task(task) => task.id.expect("an id").as_str().to_owned(),
            sent => panic!("{sent:?}"),
        };
        assert_eq!(id(submitted), ID);
        assert_eq!(id(old), "31139b25-add1-446c-9ddf-7d5c2b14c3f7");
        assert_eq!(id(both_at_once), "t");
        for json in [direct, old_direct] {
            let Ok(Sent::Message(message)) = read(json) else {
                panic!("{json}");
            };
            let answer = Answer::of_message(&message, serde_json::Value::Null);
            assert_eq!(answer.text().as_deref(), Some("hi"));
        }
        for (json, why) in [
            ("{}", "neither a task nor a message"),
            (
                r#"{"task":null,"message":null}"#,
                "neither a task nor a message",
            ),
            (r#"{"task":{}}"#, "has no id"),
            (r#"{"task":{"id":""}}"#, "has no id"),
            (r#"{"task":{"id":"a\ud83d"}}"#, "has no id"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.to_string().contains(why), "{json}: {error}");
        }
    }
}

/// Rows: D21, D23.
#[test]
fn tasks_are_listed_page_after_page() {
    // From a2a-03: the Python SDK writes empty lists and names out; others leave an empty list out.
    let first = r#"{"tasks":[{"id":"c4582ad2","contextId":"9d16","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-29T21:03:04.392086Z"},"history":[{"messageId":"b1ca9d5e","role":"ROLE_USER","parts":[{"text":"work 1","filename":"","mediaType":""}],"extensions":[],"referenceTaskIds":[]}],"artifacts":[]},7],"nextPageToken":"eyJ0cyI6","pageSize":1,"totalSize":"2"}"#;
    for agent in both() {
        let list = ListTasks::new(&agent).context("9d16").history(1);
        let read = |json: &str| list.read(&reply(200, body(&agent, json)));
        let page = read(first).expect("a page");
        assert_eq!(page.total_size, Some(2));
        let mut list = list.clone();
        let page = list.take(page);
        assert_eq!((page.items.len(), page.items.unreadable()), (2, 1));
        assert_eq!(page.next.as_deref(), Some("eyJ0cyI6"));
        list.turn("eyJ0cyI6".to_owned());
        assert_eq!(list.cursor(), Some("eyJ0cyI6"));
        // A cursor that comes again is the end, as an empty one is.
        let again = read(first).expect("a page");
        assert_eq!(list.take(again).next, None);
        for empty in [
            r#"{"pageSize":50,"tasks":[],"nextPageToken":"","totalSize":0}"#,
            r#"{"nextPageToken":"","pageSize":50,"totalSize":0}"#,
            r#"{"pageSize":50}"#,
        ] {
            let page = list.take(read(empty).expect(empty));
            assert!(page.items.is_empty() && page.next.is_none());
        }
        for none in [
            "{}",
            r#"{"tasks":null}"#,
            r#"{"tasks":{},"pageSize":1}"#,
            r#"{"detail":"x"}"#,
        ] {
            assert!(read(none).is_err(), "{none}");
        }
    }
}

/// Rows: P13.
#[test]
fn the_answer_is_in_the_artifacts_else_in_what_the_agent_said() {
    let answer =
        |json: &str| Answer::of_task(&task(json), serde_json::from_str(json).expect("JSON"));
    let hello = answer(DONE);
    assert_eq!(
        (hello.text().as_deref(), hello.json()),
        (Some("hello"), None)
    );
    assert_eq!(hello.raw()["id"], ID);
    assert_eq!(hello.artifacts().iter().count(), 1);
    // Its status says the same of every task that is done.
    assert_eq!(answer(LG).text().as_deref(), Some("worked"));
    for (json, text, data) in [
        // From a2a-05: pieces of one text.
        (
            r#"{"artifacts":[{"artifactId":"chunked","parts":[{"text":"piece 1 "},{"text":"piece 2 "}]}],"status":{"message":{"parts":[{"text":"bye"}]}}}"#,
            Some("piece 1 piece 2 "),
            None,
        ),
        (
            r#"{"artifacts":[{"artifactId":"a","parts":[{"text":"x"}]},{"artifactId":"b","parts":[{"text":"y"}]},{"artifactId":"a","parts":[{"text":"z"}]}]}"#,
            Some("xz\ny"),
            None,
        ),
        (
            r#"{"artifacts":[{"artifactId":"a","parts":[{"data":{"total":7}}]}]}"#,
            None,
            Some(7),
        ),
        (
            r#"{"artifacts":[{"parts":[{"kind":"text","text":"x"},{"kind":"data","data":{"total":7}}]}]}"#,
            Some("x"),
            Some(7),
        ),
        (
            r#"{"artifacts":[{"parts":[{"data":{"total":7}},{"data":1}]}]}"#,
            None,
            None,
        ),
        (
            r#"{"artifacts":[{"artifactId":"a","parts":[]}],"status":{"message":{"parts":[{"text":"bye"}]}}}"#,
            Some("bye"),
            None,
        ),
        (
            r#"{"status":{"message":{"parts":[]}},"history":[{"role":"ROLE_AGENT","parts":[{"text":"a"}]},{"role":"agent","parts":[{"text":"b"}]},{"role":"ROLE_USER","parts":[{"text":"c"}]}]}"#,
            Some("b"),
            None,
        ),
        (r#"{"status":{}}"#, None, None),
    ] {
        let answer = answer(json);
        assert_eq!(answer.text().as_deref(), text, "{json}");
        assert_eq!(
            answer.json().map(|data| data["total"].as_i64()),
            data.map(Some),
            "{json}"
        );
    }
}

#[test]
fn a_part_is_text_data_or_a_file_in_the_words_of_either_version() {
    let part = |json: &str| -> types::Part {
        taskward_providers::wire::decode(json.as_bytes()).expect(json)
    };
    for (json, content) in [
        (
            r#"{"text":"a","filename":"","mediaType":""}"#,
            PartContent::Text("a"),
        ),
        (r#"{"text":""}"#, PartContent::Text("")),
        (r#"{"kind":"text","text":"a"}"#, PartContent::Text("a")),
        (r#"{"raw":"YQ==","text":""}"#, PartContent::Raw("YQ==")),
        (r#"{"raw":""}"#, PartContent::Raw("")),
        (r#"{"url":"https://a/b"}"#, PartContent::Url("https://a/b")),
        (
            r#"{"kind":"file","file":{"bytes":"YQ==","name":"a.txt","mimeType":"text/plain"}}"#,
            PartContent::Raw("YQ=="),
        ),
        (
            r#"{"kind":"file","file":{"uri":"https://a/b"}}"#,
            PartContent::Url("https://a/b"),
        ),
        (r#"{"future":1}"#, PartContent::Unknown),
        ("{}", PartContent::Unknown),
    ] {
        assert_eq!(part(json).content(), content, "{json}");
    }
    let data = part(r#"{"data":{"a":1},"text":""}"#);
    assert_eq!(
        data.content(),
        PartContent::Data(&serde_json::json!({"a": 1}))
    );
    let file =
        part(r#"{"kind":"file","file":{"bytes":"YQ==","name":"a.txt","mimeType":"text/plain"}}"#);
    assert_eq!(
        (file.file_name(), file.content_type()),
        (Some("a.txt"), Some("text/plain"))
    );
    let file = part(r#"{"raw":"YQ==","filename":"","mediaType":""}"#);
    assert_eq!((file.file_name(), file.content_type()), (None, None));
    for (raw, bytes) in [
        ("YQ==", Some("a")),
        ("YQ", Some("a")),
        ("-_8", None),
        ("", Some("")),
        ("not base64!", None),
    ] {
        let read = part(&format!(r#"{{"raw":"{raw}"}}"#)).bytes();
        if raw == "-_8" {
            assert_eq!(read.as_deref(), Some(&[0xfb, 0xff][..]));
        } else {
            assert_eq!(read.as_deref(), bytes.map(str::as_bytes), "{raw}");
        }
    }
    assert_eq!(data.bytes(), None);
}

/// Rows: P12.
#[test]
fn web_hooks_come_with_their_secrets_and_show_none() {
    // From a2a-10: they come back in clear. The nested form is that of version 0.3.
    let config = r#"{"id":"mine","taskId":"t","url":"http://127.0.0.1:8799/hook","token":"tok123","authentication":{"scheme":"Bearer","credentials":"abcdef"}}"#;
    let old = r#"{"taskId":"t","pushNotificationConfig":{"url":"http://h","token":"tok123","authentication":{"credentials":"abcdef"}}}"#;
    let odd =
        r#"{"taskId":"t","token":{"is":"tok123"},"authentication":{"credentials":["abcdef"]}}"#;
    for agent in both() {
        let get = GetTaskPushNotificationConfig {
            agent: agent.clone(),
            task: "t".to_owned(),
            config: "mine".to_owned(),
        };
        for json in [config, old, odd] {
            let read = get.read(&reply(200, body(&agent, json))).expect(json);
            let shown = format!("{read:?}");
            assert!(
                !shown.contains("tok123") && !shown.contains("abcdef"),
                "{shown}"
            );
        }
        let read = get
            .read(&reply(200, body(&agent, config)))
            .expect("a web hook");
        assert_eq!(
            read.token.map(|token| token.expose().to_owned()).as_deref(),
            Some("tok123")
        );
        let list = ListTaskPushNotificationConfigs::new(&agent, "t");
        let page = list.read(&reply(
            200,
            body(&agent, &format!(r#"{{"configs":[{config}]}}"#)),
        ));
        let page = page.expect("a page");
        assert_eq!(page.configs.len(), 1);
        assert!(!format!("{page:?}").contains("tok123"));
        assert!(
            list.read(&reply(200, body(&agent, "{}")))
                .expect("none")
                .configs
                .is_empty()
        );
        let foreign = config.replace("\"t\"", "\"other\"");
        let error = get
            .read(&reply(200, body(&agent, &foreign)))
            .expect_err("foreign");
        assert_eq!(error.kind(), ReadErrorKind::Foreign);
        let all = format!(r#"{{"configs":[{foreign}]}}"#);
        assert!(list.read(&reply(200, body(&agent, &all))).is_err());
    }
}

/// Rows: P8.
#[test]
fn a_task_with_an_artifact_of_20_mb_is_read() {
    let text = "x".repeat(20 << 20);
    let json = format!(
        r#"{{"id":"t","status":{{"state":"TASK_STATE_WORKING"}},"artifacts":[{{"artifactId":"a","parts":[{{"text":"{text}"}}]}}]}}"#
    );
    for agent in both() {
        let get = GetTask::new(&agent, "t").history(0);
        let answer = reply(200, body(&agent, &json));
        assert_eq!(get.classify(&answer), Ok(()));
        let read = get.read(&answer).expect("a task");
        assert_eq!(
            read.status.state.as_ref().map(State::of),
            Some(State::Working)
        );
        let part = read
            .artifacts
            .readable()
            .flat_map(|one| one.parts.readable())
            .next();
        assert_eq!(
            part.and_then(|part| part.text.as_ref()).map(String::len),
            Some(20 << 20)
        );
    }
}
