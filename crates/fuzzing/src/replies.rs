//! Replies of all platforms, through everything that reads one.

use serde_json::{Map, Value};
use taskward_core::http::StatusCode;
use taskward_core::{
    Answer, Cursor, EventKind, IdempotencyKey, Operation, Output, Provider, ReadErrorKind,
    ReadKind, Response, Started, TaskId, sse,
};
use taskward_providers::a2a::{self, A2a, Binding};
use taskward_providers::agent_harness::{AgentHarness, Transcript, operations as harness};
use taskward_providers::nanonets::types::{CreateAgentRequest, UpdateAgentRequest};
use taskward_providers::nanonets::{Nanonets, operations as nanonets};
use taskward_providers::wire::{DateTime, DecodeError, Naming, Subject, Token, Uuid, decode, peek};
use taskward_providers::{agent_harness, generated, nanonets as nano};

/// The longest a message about a reply may be: none quotes the whole of it.
const LONGEST_MESSAGE: usize = 4096;

/// The first byte says where the rest, a reply's body, is cut.
///
/// Whatever comes is read or refused in words. What is read as JSON reads the same when it is written again, and no
/// beginning of it is read as a smaller reply.
pub fn target(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else {
        return;
    };
    let reply = Response::new(StatusCode::OK, body.to_vec());
    nanonets_operations(&reply);
    harness_operations(&reply);
    provider(&Nanonets, &reply);
    provider(&AgentHarness, &reply);
    event(body);
    for agent in agents() {
        if agent.classify(&reply).is_ok() {
            a2a_operations(&agent, &reply);
            provider(&agent, &reply);
        }
        a2a_event(&agent, body);
    }
    json(body, *cut);
}

fn read<O: Operation>(operation: &O, reply: &Response) {
    if let Err(error) = operation.read(reply) {
        let text = error.to_string();
        assert!(text.len() < LONGEST_MESSAGE, "{}: {text}", O::NAME);
        let is_blank = reply.body.iter().all(u8::is_ascii_whitespace);
        assert!(
            !is_blank || error.kind() == ReadErrorKind::Empty,
            "{}: {text}",
            O::NAME
        );
    }
}

fn nanonets_operations(reply: &Response) {
    use nanonets::{
        CancelTask, CreateAgent, GetAgent, GetTaskResult, GetTaskStatus, GetTaskSummary,
        ListAgentVersions, ListAgents, ListTaskMessages, ListTasks, PublishAgentVersion, RunAgent,
        SendTaskMessage, UpdateAgent,
    };
    let task = || "task".to_owned();
    read(&RunAgent(nano::Job::agent("agent").query("go")), reply);
    read(&GetTaskStatus::new("task"), reply);
    read(&GetTaskSummary::new("task"), reply);
    read(&GetTaskResult::new("task"), reply);
    read(&ListTaskMessages(task()), reply);
    let message = SendTaskMessage {
        task: task(),
        message: "hello".to_owned(),
    };
    read(&message, reply);
    read(&CancelTask(task()), reply);
    read(&ListAgents::default(), reply);
    let agent = || "agent".to_owned();
    read(&GetAgent(agent()), reply);
    read(&CreateAgent(CreateAgentRequest::default()), reply);
    let change = UpdateAgentRequest::default();
    let update = UpdateAgent {
        agent: agent(),
        change,
    };
    read(&update, reply);
    let versions = ListAgentVersions {
        agent: agent(),
        cursor: None,
        limit: None,
    };
    read(&versions, reply);
    read(&PublishAgentVersion(agent()), reply);
    read(&ListTasks::default(), reply);
}

fn harness_operations(reply: &Response) {
    use harness::{
        CreateApiKey, CreateRun, GetHealthDeps, GetHealthLive, GetHealthReady, GetOpenApiDocument,
        GetRun, GetUsage, ListRunEvents, ResumeRun, RevokeApiKey, RotateApiKey, SignalRun,
        StreamRunEvents,
    };
    let run = || "run".to_owned();
    let create = CreateRun {
        job: agent_harness::Job::goal("go"),
        key: IdempotencyKey::new("key"),
    };
    read(&create, reply);
    read(&GetRun::new("run"), reply);
    read(&ListRunEvents::new("run"), reply);
    read(&StreamRunEvents(run()), reply);
    let signal = SignalRun::answer("run", "7", &Answer::Approve).expect("an approval is a signal");
    read(&signal, reply);
    read(&ResumeRun(run()), reply);
    read(&GetUsage::default(), reply);
    read(&CreateApiKey::default(), reply);
    read(&RevokeApiKey(run()), reply);
    read(&RotateApiKey(run()), reply);
    read(&GetHealthLive, reply);
    read(&GetHealthReady, reply);
    read(&GetHealthDeps, reply);
    read(&GetOpenApiDocument, reply);
}

/// Returns an agent of each binding.
fn agents() -> [A2a; 2] {
    let at = |binding| A2a::at(binding, "/a").expect("a path");
    [at(Binding::HttpJson), at(Binding::JsonRpc)]
}

fn a2a_operations(agent: &A2a, reply: &Response) {
    use a2a::operations::{CancelTask, GetExtendedAgentCard, GetTask, ListTasks, SubscribeToTask};
    read(&GetTask::new(agent, "task"), reply);
    read(&CancelTask::new(agent, "task"), reply);
    read(&ListTasks::new(agent), reply);
    read(&SubscribeToTask::new(agent, "task"), reply);
    let agent = agent.clone();
    read(&GetExtendedAgentCard { agent }, reply);
}

/// Reads an event as every event of a stream may be read; each reading is a function of the event.
fn a2a_event(agent: &A2a, body: &[u8]) {
    let data = String::from_utf8_lossy(body);
    let event = sse::Event {
        name: "message",
        data: &data,
        id: "",
    };
    let id = TaskId::new("t");
    let read = || {
        let started = agent.read_started(&event);
        let snapshot = agent.read_snapshot(&id, &event);
        let refused = agent.classify_event(&event);
        format!(
            "{started:?} {:?} {snapshot:?} {refused:?}",
            agent.read_event(&id, &event)
        )
    };
    assert_eq!(read(), read());
    if let Ok(Some(Started::Answer(output))) = agent.read_started(&event) {
        answer(&output);
    }
}

fn provider<P: Provider>(provider: &P, reply: &Response) {
    if let Ok(Started::Task(created, _)) = provider.read_start(reply) {
        // An id that names nothing is not asked for.
        let id = created.id;
        let asked = id
            .check()
            .and_then(|()| provider.read_request(&id, &ReadKind::Status));
        assert_eq!(asked.is_ok(), id.check().is_ok(), "{id:?}");
    }
    let reads = [
        ReadKind::Status,
        ReadKind::Questions,
        ReadKind::Events { cursor: None },
        ReadKind::Stream {
            after: None,
            form: 0,
        },
        ReadKind::Steps,
        ReadKind::Result,
    ];
    let id = TaskId::new("t");
    for read in &reads {
        // Reading is a function of the reply.
        let [once, twice] = [(); 2].map(|()| format!("{:?}", provider.read(&id, read, reply)));
        assert_eq!(once, twice);
        if let Ok(reading) = provider.read(&id, read, reply) {
            use taskward_core::PollResult::{Ready, Succeeded};
            if let Ready(output) | Succeeded(_, output) = reading {
                answer(&output);
            }
        }
    }
    if let Ok(mark) = provider.cursor(&id, reply) {
        for mark in [&mark, &Cursor::new(""), &Cursor::new("7:x")] {
            let confirmation = provider.find_write(&id, reply, mark, "hello", None);
            // Where a cursor needs a part of the reply only, the rest may be unreadable.
            let is_whole = provider.read(&id, &ReadKind::Questions, reply).is_ok();
            assert!(
                confirmation.is_ok() || !is_whole,
                "the same reply was read before"
            );
        }
    }
}

fn answer(output: &impl Output) {
    let value = output.data::<Value>();
    if let Some(json) = output.json() {
        assert_eq!(value.as_ref(), Ok(json));
    }
    assert!(value.is_err() || output.json().is_some() || output.text().is_some());
    assert!(output.raw().is_object() || output.text().is_none());
}

fn event(body: &[u8]) {
    let data = String::from_utf8_lossy(body);
    let event = sse::Event {
        name: "run_event",
        data: &data,
        id: "",
    };
    let Ok(Some(item)) = AgentHarness.read_event(&TaskId::new("run"), &event) else {
        return;
    };
    let mut transcript = Transcript::default();
    transcript.push(&item.event);
    assert!(transcript.text().len() <= data.len());
    if let EventKind::Asking(question) = item.kind {
        let reported =
            AgentHarness.add_context(question.clone(), std::slice::from_ref(&item.event));
        assert_eq!((reported.id, reported.kind), (question.id, question.kind));
    }
}

fn json(body: &[u8], cut: u8) {
    let value = match decode::<Value>(body) {
        Ok(value) => value,
        Err(error) => {
            assert!(error.to_string().len() < LONGEST_MESSAGE);
            return;
        }
    };
    let text = value.to_string();
    let again: Value = decode(text.as_bytes()).expect("what was read can be written and read");
    assert_eq!(again, value, "{text}");

    let end = body.trim_ascii_end().len();
    let cut = end * usize::from(cut) / 256;
    if value.is_object() && cut < end {
        match decode::<Map<String, Value>>(&body[..cut]) {
            Err(DecodeError::Truncated { .. } | DecodeError::Empty) => {}
            other => panic!("a reply cut at {cut} is {other:?}"),
        }
    }

    fn keeps<T>(value: &Value, text: impl Fn(&T) -> String)
    where
        T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
    {
        if let Ok(read) = serde_json::from_value::<T>(value.clone()) {
            let written = serde_json::to_string(&read).expect("it is text");
            let again: T = decode(written.as_bytes()).expect("what was written can be read");
            assert_eq!((text(&again), &again), (text(&read), &read));
        }
    }
    keeps::<Token>(&value, |token| token.as_str().to_owned());
    keeps::<Uuid>(&value, |uuid| uuid.as_str().to_owned());
    keeps::<DateTime>(&value, |time| {
        let _ = time.unix_millis();
        time.as_str().to_owned()
    });

    // The short way to a status is the long one, but that it takes no damaged one.
    use generated::{agent_harness::Run, nanonets::Task};
    const NAMELESS: Naming = Naming {
        ids: &[],
        inside: &[],
    };
    let any = Subject::new("t", &NAMELESS);
    let is_damaged = taskward_providers::wire::is_damaged;
    match decode::<Task>(body) {
        Ok(task) if is_damaged(task.status.as_str()) => {}
        Ok(task) => assert_eq!(peek(body, any).as_ref(), Ok(&task.status)),
        Err(_) => {}
    }
    match decode::<Run>(body) {
        Ok(run) if is_damaged(run.status.as_str()) => {}
        Ok(run) => assert_eq!(peek(body, any).as_ref(), Ok(&run.status)),
        Err(_) => {}
    }
}
