//! What a recording holds, and what it does not.

use http::StatusCode;
use serde_json::json;
use taskward_core::{Operation as _, Provider as _, Response};
use taskward_providers::a2a::{self, A2a};
use taskward_providers::agent_harness::operations::CreateRun;
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::doctor::{Identity, Scope, identify};
use taskward_providers::nanonets::operations::RunAgent;
use taskward_providers::nanonets::{self, Nanonets};

use crate::world::{CANARY, World, all, different, findings, start};

/// Starts a task whose every text is a canary, and reads it.
fn canaries(scenario: &str) -> String {
    let mut nanonets = World::of::<Nanonets>(scenario);
    let listed = nanonets.examine::<Nanonets>(start("chat"));
    let id = listed.started().expect("a task").to_owned();
    drop(listed);
    let agents = nanonets.send(
        &nanonets::operations::ListAgents::default()
            .request()
            .expect("a request"),
        None,
    );
    let agents: serde_json::Value = serde_json::from_slice(&agents.body).expect("JSON");
    let agent = agents["data"][0]["id"].as_str().expect("an id").to_owned();
    let job = nanonets::Job::agent(&agent).query(CANARY);
    let schema = format!(r#"{{"{CANARY}":"number"}}"#);
    let request = RunAgent(job.output_schema(schema))
        .request()
        .expect("a request");
    nanonets.send(&request, None);
    nanonets.now += 600_000;
    let mut text = nanonets
        .examine::<Nanonets>(Scope::default())
        .recording()
        .text();
    let mut harness = World::of::<AgentHarness>(scenario);
    let mut input = serde_json::Map::new();
    input.insert("goal".to_owned(), CANARY.into());
    input.insert(CANARY.to_owned(), json!({ "status": CANARY, "n": 4711 }));
    let metadata = input.clone();
    let create = CreateRun {
        job: agent_harness::Job::input(input).metadata(metadata),
        key: taskward_core::IdempotencyKey::new("k"),
    };
    let run = harness.send(&create.request().expect("a request"), None);
    let run: serde_json::Value = serde_json::from_slice(&run.body).expect("JSON");
    let run = run["id"].as_str().expect("an id").to_owned();
    harness.now += 600_000;
    let scope = Scope {
        task: Some(run.clone()),
        ..Scope::default()
    };
    text += &harness.examine::<AgentHarness>(scope).recording().text();
    let mut agent_world = World::of::<A2a>(scenario);
    let job = a2a::Job::text(CANARY).data(json!({ CANARY: "4711", "state": CANARY }));
    let key = taskward_core::IdempotencyKey::new("of-the-canary");
    let start = A2a::at(a2a::Binding::JsonRpc, "/rpc").expect("a path");
    let start = start.start(&job, Some(&key)).expect("a request");
    let sent = agent_world.send(&start, None);
    let sent: serde_json::Value = serde_json::from_slice(&sent.body).expect("JSON");
    let task = sent["result"]["task"]["id"].as_str().expect("an id");
    agent_world.now += 600_000;
    let scope = Scope {
        task: Some(task.to_owned()),
        ..Scope::default()
    };
    text += &agent_world.examine::<A2a>(scope).recording().text();
    for id in [&id, &run, &agent, task] {
        assert!(!text.contains(id), "{id} in {text}");
    }
    text
}

/// Rows: O9.
#[test]
fn a_recording_holds_nothing_of_the_customer_whatever_the_platform_does() {
    for scenario in [
        "",
        "[agent_harness]\nredaction = false",
        "[switches]\ncontent_shape = \"blocks\"\nextracted_data = \"structured_content\"\nuser_messages_in_feed = true",
        "[switches]\nanswer_field = \"answer\"\nfeed_field = \"steps\"\nextra_fields = true",
    ] {
        let text = canaries(scenario);
        assert!(!text.contains(CANARY) && !text.contains("4711"), "{text}");
        // Neither names nor texts: what is left are words of the platform and stand-ins.
        for said in ["echo", "invoice", "hello", "Reply with"] {
            let quoted = format!("\"{said}");
            assert!(!text.contains(&quoted), "{said} in {text}");
        }
    }
}

fn page(reply: Response) -> Response {
    let status = reply.status();
    let mut page = Response::new(status, format!("<html>Log in, {CANARY}</html>"));
    page.head
        .headers
        .insert("content-type", "text/html".parse().expect("a value"));
    page.head
        .headers
        .insert("set-cookie", CANARY.parse().expect("a value"));
    page
}

/// Rows: O3.
#[test]
fn a_page_in_the_place_of_every_reply_breaks_nothing_and_proves_nothing() {
    let login: fn(Response) -> Response = |reply| page(Response::new(StatusCode::OK, reply.body));
    let proxy: fn(Response) -> Response =
        |reply| page(Response::new(StatusCode::BAD_GATEWAY, reply.body));
    let nothing: fn(Response) -> Response = |reply| Response::new(reply.status(), "");
    let list: fn(Response) -> Response =
        |_| Response::new(StatusCode::OK, "[[null, 1e999, \"x\"]]");
    for replies in [login, proxy, nothing, list] {
        let mut world = World::of::<Nanonets>("");
        world.replies = replies;
        let recording = world.examine::<Nanonets>(start("echo")).recording();
        assert!(!recording.text().contains(CANARY));
        assert!(matches!(
            identify::<Nanonets>(&recording),
            Identity::Other(_)
        ));
        assert_eq!(different(&recording), [""; 0]);
        let mut world = World::of::<AgentHarness>("");
        world.replies = replies;
        let recording = world.examine::<AgentHarness>(start("x")).recording();
        assert!(!recording.text().contains(CANARY));
        assert!(matches!(
            identify::<AgentHarness>(&recording),
            Identity::Other(_)
        ));
        assert_eq!(different(&recording), [""; 0]);
        let mut world = World::of::<A2a>("");
        world.replies = replies;
        let recording = world.examine::<A2a>(start("x")).recording();
        assert!(!recording.text().contains(CANARY));
        assert!(matches!(identify::<A2a>(&recording), Identity::Other(_)));
        assert_eq!(different(&recording), [""; 0]);
    }
}

#[test]
fn the_simulated_platforms_are_as_they_are_assumed_to_be() {
    let recording = all("");
    assert_eq!(different(&recording), [""; 0]);
    // All was seen but what only other writes, other moments or another end of a run would show.
    let unseen: Vec<String> = findings(&recording)
        .into_iter()
        .filter(|line| line.contains(": not_seen: ") && !line.contains("no such request"))
        .collect();
    let name = |line: &String| line.split(':').next().expect("a name").to_owned();
    assert_eq!(
        unseen.iter().map(name).collect::<Vec<_>>(),
        [
            "nanonets feed-messages",
            "nanonets answer-early",
            "agent-harness limit-payload",
            "agent-harness status-and-events",
            "agent-harness stream-end",
            "agent-harness stream-heartbeat",
            "agent-harness limit-status",
            "a2a file-parts",
            "a2a question-said",
        ],
        "{unseen:#?}"
    );
}
