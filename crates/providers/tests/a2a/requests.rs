//! Every operation in both bindings, byte for byte.

use taskward_core::{
    IdempotencyKey, Operation, Provider as _, ReadKind, Safety, TaskId, Timestamp,
};
use taskward_providers::a2a::operations::*;
use taskward_providers::a2a::types::{
    OutgoingMessage, OutgoingPart, OutgoingRole, SendMessageConfiguration, SendMessageRequest,
    TaskState, operations,
};
use taskward_providers::a2a::{A2a, Binding, CardUrl, Job};

use crate::{both, rest, rpc, shown};

pub(crate) fn message() -> SendMessageRequest {
    SendMessageRequest {
        message: OutgoingMessage {
            message_id: "m1".to_owned(),
            context_id: Some("c1".to_owned()),
            task_id: None,
            role: OutgoingRole::RoleUser,
            parts: vec![OutgoingPart {
                text: Some("hi".to_owned()),
                ..OutgoingPart::default()
            }],
            metadata: None,
            extensions: None,
            reference_task_ids: None,
        },
        configuration: Some(SendMessageConfiguration {
            return_immediately: Some(true),
            ..SendMessageConfiguration::default()
        }),
        metadata: None,
    }
}

fn hook() -> PushConfig {
    PushConfig::new("https://h/hook")
        .token("tok123".to_owned().into())
        .authentication("Bearer", Some("abc".to_owned().into()))
}

/// Holds that an operation builds this over HTTP+JSON, and these parameters over JSON-RPC.
fn builds<O: Operation>(
    of: impl Fn(&A2a) -> O,
    streams: bool,
    line: &str,
    body: &str,
    params: &str,
) {
    let accept = match streams {
        true => "accept: text/event-stream\n",
        false => "accept: application/json\n",
    };
    let cache = if streams {
        "cache-control: no-cache\n"
    } else {
        ""
    };
    let json = |body: &str| match body {
        "" => "",
        _ => "content-type: application/json\n",
    };
    // Insertion order: what a body adds stands before what a stream or the version adds.
    let sort = |text: String| {
        let (head, body) = text.split_at(text.rfind('\n').expect("lines") + 1);
        let mut lines: Vec<&str> = head.lines().collect();
        lines[1..].sort_unstable();
        format!("{}\n{body}", lines.join("\n"))
    };
    let built = |agent: &A2a| sort(shown(&of(agent).request().expect("a request")));
    let head = format!("a2a-version: 1.0\n{accept}{cache}");
    assert_eq!(
        built(&rest()),
        format!("{line}\n{head}{}{body}", json(body)),
        "{}",
        O::NAME
    );
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{params}}}"#,
        O::NAME
    );
    assert_eq!(
        built(&rpc()),
        format!("POST /rpc\n{head}{}{call}", json(&call)),
        "{}",
        O::NAME
    );
}

#[test]
fn every_operation_is_built_in_both_bindings_byte_for_byte() {
    let sent = r#"{"message":{"messageId":"m1","contextId":"c1","role":"ROLE_USER","parts":[{"text":"hi"}]},"configuration":{"returnImmediately":true}}"#;
    builds(
        |a| SendMessage::new(a, message()),
        false,
        "POST /rest/message:send",
        sent,
        sent,
    );
    builds(
        |a| SendStreamingMessage::new(a, message()),
        true,
        "POST /rest/message:stream",
        sent,
        sent,
    );
    builds(
        |a| GetTask::new(a, "t"),
        false,
        "GET /rest/tasks/t",
        "",
        r#"{"id":"t"}"#,
    );
    builds(
        |a| GetTask::new(a, "t").history(0),
        false,
        "GET /rest/tasks/t?historyLength=0",
        "",
        r#"{"id":"t","historyLength":0}"#,
    );
    builds(ListTasks::new, false, "GET /rest/tasks", "", "{}");
    builds(
        |a| ListTasks {
            status: Some(TaskState::TaskStateCompleted),
            page_size: Some(1),
            page_token: Some("p/1".to_owned()),
            status_after: Some("2020-01-01T00:00:00Z".to_owned()),
            include_artifacts: true,
            ..ListTasks::new(a).context("c 1").history(1)
        },
        false,
        "GET /rest/tasks?contextId=c%201&status=TASK_STATE_COMPLETED&pageSize=1&pageToken=p%2F1&historyLength=1&statusTimestampAfter=2020-01-01T00%3A00%3A00Z&includeArtifacts=true",
        "",
        r#"{"contextId":"c 1","status":"TASK_STATE_COMPLETED","pageSize":1,"pageToken":"p/1","historyLength":1,"statusTimestampAfter":"2020-01-01T00:00:00Z","includeArtifacts":true}"#,
    );
    builds(
        |a| CancelTask::new(a, "t"),
        false,
        "POST /rest/tasks/t:cancel",
        "{}",
        r#"{"id":"t"}"#,
    );
    builds(
        |a| SubscribeToTask::new(a, "t"),
        true,
        "GET /rest/tasks/t:subscribe",
        "",
        r#"{"id":"t"}"#,
    );
    builds(
        |a| SubscribeToTask::new(a, "t").method(SubscribeMethod::Post),
        true,
        "POST /rest/tasks/t:subscribe",
        "{}",
        r#"{"id":"t"}"#,
    );
    builds(
        |a| GetExtendedAgentCard { agent: a.clone() },
        false,
        "GET /rest/extendedAgentCard",
        "",
        "{}",
    );
}

/// Rows: P12.
#[test]
fn the_operations_of_web_hooks_send_their_secrets_and_show_none() {
    let task = || "t".to_owned();
    builds(
        |a| CreateTaskPushNotificationConfig {
            agent: a.clone(),
            task: task(),
            config: hook().id("mine"),
        },
        false,
        "POST /rest/tasks/t/pushNotificationConfigs",
        r#"{"authentication":{"credentials":"abc","scheme":"Bearer"},"id":"mine","token":"tok123","url":"https://h/hook"}"#,
        r#"{"id":"mine","taskId":"t","url":"https://h/hook","token":"tok123","authentication":{"scheme":"Bearer","credentials":"abc"}}"#,
    );
    builds(
        |a| GetTaskPushNotificationConfig {
            agent: a.clone(),
            task: task(),
            config: "c/1".to_owned(),
        },
        false,
        "GET /rest/tasks/t/pushNotificationConfigs/c%2F1",
        "",
        r#"{"taskId":"t","id":"c/1"}"#,
    );
    builds(
        |a| ListTaskPushNotificationConfigs {
            page_size: Some(2),
            page_token: Some("p".to_owned()),
            ..ListTaskPushNotificationConfigs::new(a, "t")
        },
        false,
        "GET /rest/tasks/t/pushNotificationConfigs?pageSize=2&pageToken=p",
        "",
        r#"{"taskId":"t","pageSize":2,"pageToken":"p"}"#,
    );
    builds(
        |a| DeleteTaskPushNotificationConfig {
            agent: a.clone(),
            task: task(),
            config: "c".to_owned(),
        },
        false,
        "DELETE /rest/tasks/t/pushNotificationConfigs/c",
        "",
        r#"{"taskId":"t","id":"c"}"#,
    );
    let create = |config| CreateTaskPushNotificationConfig {
        agent: rest(),
        task: task(),
        config,
    };
    let shown = format!("{:?}", create(hook()));
    assert!(
        !shown.contains("tok123") && !shown.contains("abc"),
        "{shown}"
    );
    assert_eq!(create(hook()).safety(), Safety::Once);
    assert_eq!(create(hook().id("mine")).safety(), Safety::Repeatable);
    let wire = hook().into_wire();
    assert_eq!(
        wire.token.map(|token| token.expose().to_owned()),
        Some("tok123".to_owned())
    );
}

/// Rows: P9.
#[test]
fn an_id_stays_in_its_segment_and_a_tenant_goes_before_everything() {
    for agent in both() {
        let agent = agent.with_tenant("a/b");
        // LangGraph joins two ids with a colon; the verb's colon is not encoded.
        let request = CancelTask::new(&agent, "th:run/1")
            .request()
            .expect("a request");
        match agent.binding() {
            Binding::HttpJson => {
                assert_eq!(request.target(), "/rest/a%2Fb/tasks/th%3Arun%2F1:cancel");
                assert_eq!(crate::body(&request), "{}");
            }
            _ => {
                assert_eq!(request.target(), "/rpc");
                assert!(
                    crate::body(&request)
                        .ends_with(r#""params":{"id":"th:run/1","tenant":"a/b"}}"#)
                );
            }
        }
        for id in ["", ".", ".."] {
            assert!(GetTask::new(&agent, id).request().is_err(), "{id}");
        }
    }
    let request = |agent: A2a| {
        GetTask::new(&agent, "t")
            .history(0)
            .request()
            .expect("a request")
    };
    let at = |binding, path| A2a::at(binding, path).expect("a path");
    for (path, rest, rpc) in [
        ("/", "/tasks/t?historyLength=0", "/"),
        ("/a/", "/a/tasks/t?historyLength=0", "/a"),
        ("/a?x=1", "/a/tasks/t?historyLength=0&x=1", "/a?x=1"),
        ("/?x=1", "/tasks/t?historyLength=0&x=1", "/?x=1"),
    ] {
        assert_eq!(request(at(Binding::HttpJson, path)).target(), rest);
        assert_eq!(request(at(Binding::JsonRpc, path)).target(), rpc);
    }
    assert_eq!(request(A2a::default()).target(), "/");
}

#[test]
fn a_card_is_asked_for_with_the_etag_of_the_copy_at_hand() {
    let url = CardUrl::parse("http://127.0.0.1:8770?assistant_id=fe09").expect("a URL");
    let mut get = GetAgentCard::new(url);
    assert_eq!(
        shown(&get.request().expect("a request")),
        "GET /.well-known/agent-card.json?assistant_id=fe09\naccept: application/json\na2a-version: 1.0\n"
    );
    get.etag = Some("W/\"c08e\"".to_owned());
    assert!(shown(&get.request().expect("a request")).contains("if-none-match: W/\"c08e\"\n"));
    get.etag = Some("a\r\nb".to_owned());
    assert!(get.request().is_err());
}

/// Rows: N7.
#[test]
fn every_documented_operation_is_there_and_is_the_specifications() {
    let agent = A2a::at(Binding::HttpJson, "/").expect("a path");
    fn check<O: Operation>(name: &str, operation: &O) -> String {
        let spec = operations::ALL
            .iter()
            .find(|spec| spec.id == name)
            .expect(name);
        assert!(name.starts_with(O::NAME), "{name}");
        let request = operation.request().expect("a request");
        let path = spec.path.replace("{id}", "ID").replace("{taskId}", "ID");
        assert_eq!(
            (request.method().as_str(), request.target().path()),
            (spec.method, path.as_str())
        );
        let has_body = !matches!(request.body(), taskward_core::Body::Empty);
        assert_eq!(spec.takes_body, has_body, "{name}");
        name.to_owned()
    }
    let (a, id) = (|| agent.clone(), || "ID".to_owned());
    let get = SubscribeToTask::new(&agent, "ID");
    let post = get.clone().method(SubscribeMethod::Post);
    let url = CardUrl::parse("https://a.example").expect("a URL");
    let mut built = vec![
        // The binding itself.
        "JsonRpc".to_owned(),
        check("GetAgentCard", &GetAgentCard::new(url)),
        check("SendMessage", &SendMessage::new(&agent, message())),
        check(
            "SendStreamingMessage",
            &SendStreamingMessage::new(&agent, message()),
        ),
        check("ListTasks", &ListTasks::new(&agent)),
        check("GetTask", &GetTask::new(&agent, "ID")),
        check("CancelTask", &CancelTask::new(&agent, "ID")),
        check("SubscribeToTask", &get),
        check("SubscribeToTaskByPost", &post),
        check(
            "CreateTaskPushNotificationConfig",
            &CreateTaskPushNotificationConfig {
                agent: a(),
                task: id(),
                config: hook(),
            },
        ),
        check(
            "ListTaskPushNotificationConfigs",
            &ListTaskPushNotificationConfigs::new(&agent, "ID"),
        ),
        check(
            "GetTaskPushNotificationConfig",
            &GetTaskPushNotificationConfig {
                agent: a(),
                task: id(),
                config: id(),
            },
        ),
        check(
            "DeleteTaskPushNotificationConfig",
            &DeleteTaskPushNotificationConfig {
                agent: a(),
                task: id(),
                config: id(),
            },
        ),
        check("GetExtendedAgentCard", &GetExtendedAgentCard { agent: a() }),
    ];
    let mut all: Vec<String> = operations::ALL
        .iter()
        .map(|spec| spec.id.to_owned())
        .collect();
    built.sort_unstable();
    all.sort_unstable();
    assert_eq!(built, all);
}

/// Rows: P22.
#[test]
fn no_more_of_a_history_is_asked_for_than_every_server_shows() {
    let agent = A2a::at(Binding::HttpJson, "/rest").expect("a path");
    let read = agent.read_request(&TaskId::new("t"), &ReadKind::Questions);
    let read = shown(&read.expect("a request"));
    assert!(read.contains("/rest/tasks/t?historyLength=10"), "{read}");
    let key = IdempotencyKey::new("c");
    let criteria = agent.match_criteria(&Job::text("hi"), Some(&key));
    let criteria = criteria.expect("criteria");
    let search = agent.search(&criteria, Timestamp::from_millis(0), None, None);
    let search = shown(&search.expect("a request"));
    assert!(search.contains("&historyLength=10"), "{search}");
}
