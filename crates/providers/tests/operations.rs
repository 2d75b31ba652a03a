//! Every call of both platforms by itself: the request that it makes, whether it may be repeated, and what it reads.
#![allow(missing_docs)]

use serde_json::{Map, Value, json};
use taskward_core::{
    Answer, Body, IdempotencyKey, Operation, ReadErrorKind, Response, Safety, Segment, Source,
    http::StatusCode,
};
use taskward_providers::agent_harness::{self as harness, operations as h};
use taskward_providers::nanonets::{
    File, Job, Nanonets,
    operations::{self as n, ListAgentVersions},
    types::{AgentStatus, CreateAgentRequest, TaskStatus, UpdateAgentRequest},
};

/// Holds that a call makes this request; a body that is no JSON is told by its text.
fn sends<O: Operation>(call: &O, safety: Safety, line: &str, body: Value) {
    let request = call.request().expect(line);
    assert_eq!(
        format!("{} {}", request.method(), request.target()),
        line,
        "{}",
        O::NAME
    );
    assert_eq!(call.safety(), safety, "{line}");
    let sent = match request.body() {
        Body::Empty => Value::Null,
        Body::Bytes(bytes) => serde_json::from_slice(bytes).expect(line),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(sent, body, "{line}");
}

fn read<O: Operation>(call: &O, body: &str) -> Result<O::Output, ReadErrorKind> {
    let reply = Response::new(StatusCode::OK, body.to_owned());
    call.read(&reply).map_err(|error| error.kind())
}

/// Holds that a call reads this reply, which is an object, and nothing that is none: `check` looks at what was read.
fn reads<O: Operation>(call: &O, body: &str, check: impl FnOnce(O::Output) -> bool) {
    let output = read(call, body).unwrap_or_else(|kind| panic!("{}: {kind:?}", O::NAME));
    assert!(check(output), "{}: {body}", O::NAME);
    let cut = &body[..body.len() - 1];
    assert_eq!(
        read(call, cut).err(),
        Some(ReadErrorKind::Truncated),
        "{cut}"
    );
    let page = "<html>log in</html>";
    assert_eq!(
        read(call, page).err(),
        Some(ReadErrorKind::Html),
        "{}",
        O::NAME
    );
    let text = read(call, "\"text\"").err();
    assert_eq!(text, Some(ReadErrorKind::Shape), "{}", O::NAME);
}

fn id() -> String {
    "a/b".to_owned()
}

#[test]
fn every_call_of_nanonets_on_agents_makes_its_request() {
    use Safety::{Once, Repeatable};
    let named = || CreateAgentRequest {
        name: Some("A".into()),
        ..CreateAgentRequest::default()
    };
    let change = UpdateAgentRequest {
        is_active: Some(false),
        ..UpdateAgentRequest::default()
    };
    let all = n::ListAgents {
        cursor: Some("c=1".into()),
        limit: Some(100),
        name: Some("x y".into()),
        status: vec![AgentStatus::Published, AgentStatus::from("new")],
    };
    sends(
        &n::ListAgents::default(),
        Repeatable,
        "GET /api/v1/agents",
        Value::Null,
    );
    sends(
        &all,
        Repeatable,
        "GET /api/v1/agents?cursor=c%3D1&limit=100&q=x%20y&status=published%2Cnew",
        Value::Null,
    );
    sends(
        &n::CreateAgent(named()),
        Once,
        "POST /api/v1/agents",
        json!({"name": "A"}),
    );
    sends(
        &n::GetAgent(id()),
        Repeatable,
        "GET /api/v1/agents/a%2Fb",
        Value::Null,
    );
    sends(
        &n::UpdateAgent::new(id(), change),
        Repeatable,
        "PATCH /api/v1/agents/a%2Fb",
        json!({"is_active": false}),
    );
    sends(
        &ListAgentVersions::new(id()),
        Repeatable,
        "GET /api/v1/agents/a%2Fb/versions",
        Value::Null,
    );
    sends(
        &n::PublishAgentVersion(id()),
        Once,
        "POST /api/v1/agents/a%2Fb/versions/publish",
        Value::Null,
    );
}

#[test]
fn every_call_of_nanonets_on_tasks_makes_its_request() {
    use Safety::{Once, Repeatable};
    let job = Job::agent("a/b").query("hi").instructions("in EUR");
    sends(
        &n::RunAgent(job),
        Once,
        "POST /api/v1/agents/a%2Fb/run",
        json!({"query": "hi", "output_config": {"instructions": "in EUR"}}),
    );
    let list = n::ListTasks {
        cursor: Some("c".into()),
        limit: Some(1),
        agent: Some("a/b".into()),
        status: vec![TaskStatus::Failed, TaskStatus::Stopped],
        created_after: Some("2026-01-01T00:00:00+01:00".into()),
        created_before: Some("2026-02-01T00:00:00Z".into()),
        title: Some("é".into()),
    };
    sends(
        &list,
        Repeatable,
        "GET /api/v1/tasks?cursor=c&limit=1&agent_id=a%2Fb&status=failed%2Cstopped\
            &created_after=2026-01-01T00%3A00%3A00%2B01%3A00&created_before=2026-02-01T00%3A00%3A00Z&q=%C3%A9",
        Value::Null,
    );
    let get = |rest: &str| format!("GET /api/v1/tasks/a%2Fb{rest}");
    sends(
        &n::GetTaskStatus::new(id()),
        Repeatable,
        &get(""),
        Value::Null,
    );
    sends(
        &n::GetTaskSummary::new(id()),
        Repeatable,
        &get("/summary"),
        Value::Null,
    );
    sends(
        &n::GetTaskResult::new(id()),
        Repeatable,
        &get("/result"),
        Value::Null,
    );
    sends(
        &n::ListTaskMessages(id()),
        Repeatable,
        &get("/messages"),
        Value::Null,
    );
    let message = n::SendTaskMessage {
        task: id(),
        message: "line\n\"two\"".into(),
    };
    sends(
        &message,
        Once,
        "POST /api/v1/tasks/a%2Fb/message",
        json!({"message": "line\n\"two\""}),
    );
    sends(
        &n::CancelTask(id()),
        Repeatable,
        "POST /api/v1/tasks/a%2Fb/cancel",
        Value::Null,
    );
}

#[test]
fn every_call_of_nanonets_reads_its_reply_and_tells_what_is_none() {
    let agent = r#"{"id":"a1","name":"N","version_number":3,"config":{"m":1}}"#;
    let change = UpdateAgentRequest::default();
    reads(&n::CreateAgent::default(), agent, |agent| {
        agent.id.as_str() == "a1"
    });
    reads(&n::GetAgent(id()), agent, |agent| agent.config.is_some());
    reads(&n::UpdateAgent::new(id(), change), agent, |agent| {
        agent.name.as_deref() == Some("N")
    });
    reads(&n::PublishAgentVersion(id()), agent, |version| {
        version.version_number == Some(3)
    });
    let list = r#"{"data":[{"id":"a1","task_id":"t1","status":"draft"}],"has_more":true,"next_cursor":"c"}"#;
    reads(&n::ListAgents::default(), list, |page| {
        page.data.len() == 1 && page.next_cursor.as_ref().is_some_and(|c| c.as_str() == "c")
    });
    reads(&ListAgentVersions::new(id()), list, |page| {
        page.has_more == Some(true)
    });
    reads(&n::ListTasks::default(), list, |page| page.data.len() == 1);
    let task = r#"{"task_id":"a/b","status":"completed","result":"42","feed":[1]}"#;
    reads(&n::RunAgent(Job::agent("a")), task, |run| {
        run.task_id.as_str() == "a/b"
    });
    reads(&n::GetTaskStatus(id()), task, |task| {
        task.status == TaskStatus::Completed
    });
    reads(&n::GetTaskSummary(id()), task, |task| {
        task.result == Some(json!("42"))
    });
    reads(&n::GetTaskResult(id()), task, |task| {
        task.feed == Some(vec![json!(1)])
    });
    reads(&n::CancelTask(id()), task, |task| {
        task.is_some_and(|task| task.status == TaskStatus::Completed)
    });
    let message = n::SendTaskMessage {
        task: id(),
        message: "x".into(),
    };
    reads(&message, r#"{"message_id":"m1"}"#, |sent| {
        sent.message_id.is_some_and(|id| id.as_str() == "m1")
    });
    reads(
        &n::ListTaskMessages(id()),
        r#"{"data":[{"id":"m1"}]}"#,
        |messages| messages.len() == 1,
    );
}

/// Whoever looks at a conversation is not told that nobody spoke because its entries cannot be read.
///
/// Rows: D23.
#[test]
fn a_message_that_cannot_be_read_spoils_no_other_and_is_counted() {
    let list = n::ListTaskMessages(id());
    for (body, readable, unreadable) in [
        ("[]", 0, 0),
        (r#"{"data":[]}"#, 0, 0),
        (r#"{"messages":[]}"#, 0, 0),
        (r#"{"data":[7,"x"]}"#, 0, 2),
        (r#"{"messages":[null,{"role":"user"},1]}"#, 1, 2),
        (r#"{"data":[],"messages":["x"]}"#, 0, 1),
        (r#"[{"role":"user"},null]"#, 1, 1),
    ] {
        let found = read(&list, body).expect(body);
        let counted = (found.readable().count(), found.unreadable());
        assert_eq!(counted, (readable, unreadable), "{body}");
    }
    let odd = r#"{"conversation":[]}"#;
    assert_eq!(read(&list, odd), Err(ReadErrorKind::Shape), "{odd}");
}

/// Rows: D23.
#[test]
fn a_bad_entry_spoils_no_list_no_page_and_no_search() {
    use taskward_core::{List, MatchCriteria, Pages, Provider as _};
    fn counted<O: List + Clone>(operation: O, body: &str) -> (usize, usize) {
        let reply = Response::new(StatusCode::OK, body.to_owned());
        let page = operation.read(&reply).expect(body);
        let mut pages = Pages::new(operation);
        (pages.take(page).len(), pages.unreadable())
    }
    let tasks = r#"{"data":[null,{"task_id":"t","status":"queued"},{"task_id":"u"},7]}"#;
    assert_eq!(counted(n::ListTasks::default(), tasks), (1, 3));
    let agents = r#"{"data":[{"id":"a"},{"id":null},[]]}"#;
    assert_eq!(counted(n::ListAgents::default(), agents), (1, 2));
    assert_eq!(counted(n::ListAgentVersions::new("a"), agents), (1, 2));
    for list in [
        r#"[{"seq":1,"type":"x"},null,{"seq":-1,"type":"x"}]"#,
        r#"{"items":[{"seq":1,"type":"x"},{"type":"x"},"x"]}"#,
    ] {
        assert_eq!(counted(h::ListRunEvents::new("r"), list), (1, 2));
    }
    let search = |agent: &str, body: &str| {
        let reply = Response::new(StatusCode::OK, body.to_owned());
        let page = Nanonets
            .read_search(&MatchCriteria::agent(agent), &reply)
            .expect(body);
        let found: Vec<_> = page
            .items
            .readable()
            .map(|one| one.id.to_string())
            .collect();
        (found.join(" "), page.items.unreadable())
    };
    let body = r#"{"data":[{"task_id":"t","status":"queued","agent_id":"A"},{"status":"queued"},null,
        {"task_id":"u","status":"queued"},{"task_id":"v","status":"queued","agent_id":"b"},
        {"task_id":"w","status":"queued","agent_id":"b","agent_group_id":"a"}]}"#;
    assert_eq!(search("a", body), ("t u w".to_owned(), 3));
}

#[test]
fn the_files_of_a_run_are_named_and_typed_as_the_caller_says() {
    let job = || {
        Job::agent("a")
            .attach(File::source("report", Source::key("blob-1", 3)).content_type("text/x-report"))
            .attach(File::bytes("a.csv", "1,2"))
            .attach(File::path("in/scan.pdf"))
            .attach(File::path("/"))
    };
    let request = n::RunAgent(job()).request().expect("a form");
    let text: String = request
        .body()
        .segments()
        .map(|segment| match segment {
            Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Segment::Source(source) => format!("<{:?}>", source.key),
        })
        .collect();
    for part in [
        "filename=\"report\"\r\nContent-Type: text/x-report\r\n\r\n<Key(\"blob-1\")>",
        "filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n1,2",
        "filename=\"scan.pdf\"\r\nContent-Type: application/pdf\r\n\r\n<Path(\"in/scan.pdf\")>",
        // A path without a name has one all the same.
        "filename=\"file\"\r\n",
    ] {
        assert!(text.contains(part), "{part}\n in \n{text}");
    }
    // The adapter looks at the files; bytes in memory are none.
    let mut call = n::RunAgent(job());
    assert_eq!(call.sources().len(), 3);
    assert_eq!(call.sources()[0].key, Source::key("blob-1", 3).key);
}

#[test]
fn every_call_of_the_agent_harness_makes_its_request() {
    use Safety::{Keyed, Once, Repeatable};
    let key = || IdempotencyKey::new("k-1");
    let Value::Object(input) = json!({"goal": "g", "n": 2}) else {
        panic!("an object");
    };
    let run = h::CreateRun {
        job: harness::Job::input(input),
        key: key(),
    };
    sends(
        &run,
        Keyed,
        "POST /v1/runs",
        json!({"input": {"goal": "g", "n": 2}}),
    );
    let headers = run.request().expect("a request").headers().clone();
    assert_eq!(headers["idempotency-key"], "k-1");
    sends(
        &h::GetRun::new(id()),
        Repeatable,
        "GET /v1/runs/a%2Fb",
        Value::Null,
    );
    sends(
        &h::ListRunEvents::new(id()).from("c 1"),
        Repeatable,
        "GET /v1/runs/a%2Fb/events?cursor=c%201",
        Value::Null,
    );
    let mut events = h::ListRunEvents::new(id()).from("7");
    events.cursor_parameter = "after".into();
    sends(
        &events,
        Repeatable,
        "GET /v1/runs/a%2Fb/events?after=7",
        Value::Null,
    );
    let stream = h::StreamRunEvents(id());
    sends(
        &stream,
        Repeatable,
        "GET /v1/runs/a%2Fb/events/stream",
        Value::Null,
    );
    let accept = stream.request().expect("a request").headers()["accept"].clone();
    assert_eq!(accept, "text/event-stream");
    let data = Map::from_iter([("copies".to_owned(), json!(2))]);
    let signal = h::SignalRun::answer(id(), "7", &Answer::Input(data)).expect("a signal");
    assert_eq!(signal.action().as_str(), "submit_input");
    let body = json!({"action": "submit_input", "payload": {"copies": 2}, "idempotency_key": signal.key.as_str()});
    sends(&signal, Keyed, "POST /v1/runs/a%2Fb/signal", body);
    let resume = h::ResumeRun(id());
    sends(
        &resume,
        resume.safety(),
        "POST /v1/runs/a%2Fb/resume",
        Value::Null,
    );
    let usage = h::GetUsage {
        workspace: Some("w".into()),
        subject: Some("s&t".into()),
        event_type: Some("tool.invoked".into()),
        end: Some("2026-03-01T00:00:00Z".into()),
        ..h::GetUsage::default()
    };
    sends(
        &h::GetUsage::default(),
        Repeatable,
        "GET /v1/usage",
        Value::Null,
    );
    sends(
        &usage,
        Repeatable,
        "GET /v1/usage?workspace_id=w&subject_id=s%26t&event_type=tool.invoked&end=2026-03-01T00%3A00%3A00Z",
        Value::Null,
    );
    sends(
        &h::CreateApiKey::default(),
        Once,
        "POST /v1/api-keys",
        json!({}),
    );
    let revoke = h::RevokeApiKey(id());
    sends(
        &revoke,
        Repeatable,
        "DELETE /v1/api-keys/a%2Fb",
        Value::Null,
    );
    sends(
        &h::RotateApiKey(id()),
        Once,
        "POST /v1/api-keys/a%2Fb/rotate",
        Value::Null,
    );
    sends(
        &h::GetHealthLive,
        Repeatable,
        "GET /health/live",
        Value::Null,
    );
    sends(
        &h::GetHealthReady,
        Repeatable,
        "GET /health/ready",
        Value::Null,
    );
    sends(
        &h::GetHealthDeps,
        Repeatable,
        "GET /health/deps",
        Value::Null,
    );
    sends(
        &h::GetOpenApiDocument,
        Repeatable,
        "GET /openapi.json",
        Value::Null,
    );
}

#[test]
fn every_call_of_the_agent_harness_reads_its_reply_and_tells_what_is_none() {
    let run = r#"{"id":"r1","status":"queued","replayed":true}"#;
    let create = h::CreateRun {
        job: harness::Job::goal("g"),
        key: IdempotencyKey::new("k"),
    };
    reads(&create, run, |made| {
        made.replayed == Some(true) && made.id.as_str() == "r1"
    });
    let run = r#"{"id":"a/b","status":"queued"}"#;
    reads(&h::GetRun(id()), run, |run| run.status.as_str() == "queued");
    let page = r#"{"events":[{"seq":1,"type":"step.done","payload":{}}],"next_cursor":2}"#;
    reads(&h::ListRunEvents::new(id()), page, |page| {
        page.events.len() == 1 && page.next_cursor.is_some_and(|at| at.as_str() == "2")
    });
    reads(&h::GetUsage::default(), r#"{"runs":3}"#, |usage| {
        usage["runs"] == 3
    });
    reads(&h::GetOpenApiDocument, r#"{"openapi":"3.1.0"}"#, |api| {
        api["openapi"] == "3.1.0"
    });
    let key = r#"{"id":"key_a:hush"}"#;
    // Whatever part of it is called the id, the secret is not shown.
    reads(&h::CreateApiKey::default(), key, |key| {
        key.key_id() == Some("key_a")
    });
    reads(&h::RotateApiKey(id()), key, |key| {
        !format!("{key:?}").contains("hush")
    });
}

#[test]
fn an_acceptance_is_told_by_its_status_and_a_probe_by_its_text() {
    let signal = h::SignalRun::answer("r", "7", &Answer::Approve).expect("a signal");
    for (body, expected) in [
        ("", json!({})),
        (" \n", json!({})),
        (r#"{"ok":true}"#, json!({"ok": true})),
        ("\"taken\"", json!({"body": "taken"})),
    ] {
        let accepted = read(&signal, body).expect(body);
        assert_eq!(Value::Object(accepted), expected, "{body}");
        assert!(read(&h::ResumeRun(id()), body).is_ok(), "{body}");
        assert_eq!(read(&h::RevokeApiKey(id()), body), Ok(()), "{body}");
        assert_eq!(read(&h::GetHealthLive, body).as_deref(), Ok(body));
        assert_eq!(read(&h::GetHealthReady, body).as_deref(), Ok(body));
        assert_eq!(read(&h::GetHealthDeps, body).as_deref(), Ok(body));
    }
    let page = "<html>log in</html>";
    assert_eq!(read(&signal, page), Err(ReadErrorKind::Html));
}

#[test]
fn a_stream_that_cannot_be_read_is_no_list_of_events() {
    let stream = h::StreamRunEvents(id());
    let good = "event: run_event\ndata: {\"seq\":1,\"type\":\"step.done\",\"payload\":{}}\n\n";
    assert_eq!(read(&stream, good).expect("events").len(), 1);
    let odd = format!("{good}event: run_event\ndata: {{\"type\":\"step.done\"}}\n\n");
    assert_eq!(read(&stream, &odd).expect("events").unreadable(), 1);
    let endless = format!("event: run_event\ndata: {}\n\n", "x".repeat(64 << 20));
    assert_eq!(read(&stream, &endless).err(), Some(ReadErrorKind::Shape));
}

#[test]
fn an_id_that_names_nothing_is_refused_before_anything_is_sent() {
    for bad in ["", ".", ".."] {
        let id = || bad.to_owned();
        let change = UpdateAgentRequest {
            is_active: Some(true),
            ..UpdateAgentRequest::default()
        };
        let message = n::SendTaskMessage {
            task: id(),
            message: "x".into(),
        };
        let signal = h::SignalRun::answer(id(), "7", &Answer::Approve).expect("a signal");
        for refused in [
            n::GetAgent(id()).request().err(),
            n::UpdateAgent::new(id(), change).request().err(),
            ListAgentVersions::new(id()).request().err(),
            n::PublishAgentVersion(id()).request().err(),
            n::RunAgent(Job::agent(id()).query("x")).request().err(),
            n::GetTaskStatus(id()).request().err(),
            n::GetTaskSummary(id()).request().err(),
            n::GetTaskResult(id()).request().err(),
            n::ListTaskMessages(id()).request().err(),
            message.request().err(),
            n::CancelTask(id()).request().err(),
            h::GetRun(id()).request().err(),
            h::ListRunEvents::new(id()).request().err(),
            h::StreamRunEvents(id()).request().err(),
            signal.request().err(),
            h::ResumeRun(id()).request().err(),
            h::RevokeApiKey(id()).request().err(),
            h::RotateApiKey(id()).request().err(),
        ] {
            assert!(refused.is_some(), "{bad:?}");
        }
    }
}
