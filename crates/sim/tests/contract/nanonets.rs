//! Every reply of a long session against the contract's schemas.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use taskward_sim::Request;

use crate::common::{World, file, text};
use crate::contract::{Contract, fits};

/// The operations that the simulator models, with the schema of their success reply.
const MODELLED: [(&str, &str, &str); 14] = [
    ("GET", "/api/v1/agents", "AgentList"),
    ("POST", "/api/v1/agents", "Agent"),
    ("GET", "/api/v1/agents/{agent_id}", "Agent"),
    ("PATCH", "/api/v1/agents/{agent_id}", "Agent"),
    (
        "GET",
        "/api/v1/agents/{agent_id}/versions",
        "AgentVersionList",
    ),
    (
        "POST",
        "/api/v1/agents/{agent_id}/versions/publish",
        "AgentVersion",
    ),
    ("POST", "/api/v1/agents/{agent_id}/run", "RunAgentResponse"),
    ("GET", "/api/v1/tasks", "TaskList"),
    ("GET", "/api/v1/tasks/{task_id}", "Task"),
    ("GET", "/api/v1/tasks/{task_id}/summary", "TaskSummary"),
    ("GET", "/api/v1/tasks/{task_id}/result", "TaskResult"),
    ("GET", "/api/v1/tasks/{task_id}/messages", "MessageList"),
    (
        "POST",
        "/api/v1/tasks/{task_id}/message",
        "SendMessageResponse",
    ),
    ("POST", "/api/v1/tasks/{task_id}/cancel", "Task"),
];

/// Returns the operation that a request is for.
fn operation(method: &str, path: &str) -> &'static (&'static str, &'static str, &'static str) {
    MODELLED
        .iter()
        .find(|(m, pattern, _)| *m == method && fits(pattern, path))
        .unwrap()
}

/// Returns a session that visits every endpoint in every state.
fn session(switches: &str) -> World {
    let mut world = World::new(switches);
    let mut tasks = Vec::new();
    for agent in world.server.agents() {
        tasks.push(world.run(&agent.name, "2 x Widget @ 3.50"));
    }
    tasks.push(
        world
            .run_form("invoice", vec![file("files", "a.csv", "Bolt,1,2")])
            .value()["task_id"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    world.run_form(
        "echo",
        vec![text("query", "x"), text("output_config", "{}")],
    );
    world.run_form("echo", vec![]);
    for round in 0..6 {
        for task in &tasks {
            for read in ["", "/summary", "/result", "/messages"] {
                world.get(&format!("/tasks/{task}{read}"));
            }
            if round == 3 {
                world.say(task, "EUR");
            }
            if round == 5 {
                world.cancel(task);
            }
        }
        world.get("/tasks?limit=3");
        world.after(700 * (round + 1));
    }
    let foreign = world.server.foreign_task();
    let nobody = "00000000-0000-4000-8000-000000000000";
    for task in [foreign.as_str(), nobody, "x"] {
        world.get(&format!("/tasks/{task}"));
        world.say(task, "x");
        world.cancel(task);
    }
    let inactive = world.server.agent("inactive").unwrap();
    world.post(&format!("/agents/{inactive}/run"), &json!({ "query": "x" }));
    world.get(&format!("/agents/{inactive}"));
    let created = world.post("/agents", &json!({ "system_prompt": "Buy." }));
    let created = created.value()["id"].as_str().unwrap().to_owned();
    for body in [
        json!({ "name": "echo" }),
        json!({ "name": 1 }),
        json!({ "name": "Buyer" }),
    ] {
        world.post("/agents", &body);
    }
    for agent in [created.as_str(), &world.server.foreign_agent(), nobody, "x"] {
        let path = format!("/api/v1/agents/{agent}");
        for body in [
            json!({ "is_active": false }),
            json!({ "name": "echo" }),
            json!({ "name": 1 }),
        ] {
            world.send(Request::new("PATCH", &path).json(&body));
        }
        for _ in 0..2 {
            world.send(Request::new("POST", &format!("{path}/versions/publish")));
            let drafted = json!({ "system_prompt": "Sell." });
            let refused = world
                .server
                .draft_agent(agent, &drafted, world.now)
                .is_err();
            assert_eq!(refused, agent != created);
        }
        for query in ["", "?limit=1", "?limit=0"] {
            world.get(&format!("/agents/{agent}/versions{query}"));
        }
    }
    for target in [
        "/agents",
        "/agents?limit=2&status=draft,archived",
        "/agents?limit=0",
        "/tasks?status=odd",
    ] {
        world.get(target);
    }
    world.send(Request::new("GET", "/api/v1/tasks").header("Authorization", "Bearer wrong"));
    world
}

#[test]
fn every_reply_of_a_session_validates_against_the_contract() {
    let mut contract = Contract::read("nanonets");
    let mut seen = BTreeMap::<(String, &str), u32>::new();
    let mut statuses = BTreeMap::<u16, u32>::new();
    for switches in [
        "",
        "explicit_nulls = true\nfractional_seconds = true\ncontent_shape = \"object\"\nextracted_data = \"result\"",
        "message_envelope = \"data\"\nextracted_data = \"structured_content\"\ncontent_shape = \"blocks\"",
        "message_envelope = \"messages\"\nconcurrency_limit = 1\npending_ms = 300\nreply_delay_ms = 3000",
        "versions_in_pages = true\nlist_end = \"absent\"\ncreate_agent_status_code = 200\npublish_status_code = 201",
        "versions_in_pages = true\nlist_end = \"empty\"\nmessage_status_code = 202",
        "list_end = \"cursor_without_more\"\nextra_fields = true\nnumeric_offsets = true\nsystem_messages = true",
        "list_end = \"more_without_cursor\"\nversions_in_pages = true",
    ] {
        for (method, path, reply) in session(switches).trace {
            let (_, pattern, schema) = operation(&method, &path);
            let schema = if reply.status < 300 { schema } else { "Error" };
            contract.check(schema, &reply.value());
            *seen.entry((method.clone(), *pattern)).or_default() += 1;
            *statuses.entry(reply.status).or_default() += 1;
            assert!(
                contract.documents(&method, pattern, reply.status),
                "{method} {pattern} answered {}",
                reply.status
            );
        }
    }
    assert_eq!(seen.len(), 14, "operations visited: {seen:?}");
    assert_eq!(
        statuses.keys().copied().collect::<Vec<_>>(),
        [200, 201, 202, 400, 401, 403, 404, 409]
    );
}

#[test]
fn every_documented_operation_is_modelled() {
    let contract = Contract::read("nanonets");
    let operations = contract.operations();
    assert_eq!(operations.len(), MODELLED.len());
    let mut world = World::new("");
    for (method, path) in operations {
        let is_checked = MODELLED
            .iter()
            .any(|(m, pattern, _)| *m == method && *pattern == path);
        assert!(is_checked, "{method} {path}");
        let target = path.replace(['{', '}'], "");
        let status = world.send(Request::new(&method, &target)).status;
        // An id that is none, or a body that is missing, is the only thing wrong.
        assert!([200, 400].contains(&status), "{method} {path}: {status}");
    }
}

/// The simulator takes the bodies that the specification with its overlay admits, and no others.
///
/// Rows: N7.
#[test]
fn a_body_is_taken_if_and_only_if_the_corrected_specification_admits_it() {
    let contract = Contract::corrected("nanonets");
    let mut world = World::new("concurrency_limit = 0");
    let echo = world.server.agent("echo").unwrap();
    let agent = world.post("/agents", &json!({})).value()["id"].clone();
    let task = world.run("asker", "x");
    let (run, message) = (
        format!("/agents/{echo}/run"),
        format!("/tasks/{task}/message"),
    );
    let update = format!("/agents/{}", agent.as_str().unwrap());
    let values = [
        json!(""),
        json!(" "),
        json!("\u{e9}"),
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "output_schema": "" }),
        json!({ "instructions": 1 }),
    ];
    let targets: [(&str, &str, &str, &[&str], Value); 4] = [
        (
            "POST",
            "/agents",
            "CreateAgentRequest",
            &["name", "system_prompt", "config"],
            json!({}),
        ),
        (
            "PATCH",
            &update,
            "UpdateAgentRequest",
            &["name", "system_prompt", "config", "is_active"],
            json!({}),
        ),
        (
            "POST",
            &run,
            "RunAgentRequest",
            &["query", "output_config"],
            json!({ "query": "x" }),
        ),
        (
            "POST",
            &message,
            "SendMessageRequest",
            &["message"],
            json!({ "message": "x" }),
        ),
    ];
    let mut taken = 0;
    for (method, path, schema, fields, base) in targets {
        let with = |field: &str, value: &Value| {
            let mut body = base.clone();
            body[field] = value.clone();
            body
        };
        let mut bodies = vec![json!({}), json!([]), json!(null), json!("x"), base.clone()];
        for field in fields.iter().copied().chain(["unheard_of"]) {
            bodies.extend(values.iter().map(|value| with(field, value)));
        }
        for body in bodies {
            // A name that another agent has is of the right form, too.
            let request = Request::new(method, &format!("/api/v1{path}")).json(&body);
            let status = world.send(request).status;
            let admitted = contract.admits(schema, &body);
            assert_eq!(status != 400, admitted, "{method} {path} {body}: {status}");
            taken += usize::from(admitted);
        }
    }
    assert!(taken > 40, "{taken}");
}

/// Rows: N7.
#[test]
fn the_vendors_own_field_is_one_more_file_unless_a_switch_says_no() {
    let contract = Contract::corrected("nanonets");
    let form = json!({ "files.items": "x" });
    assert!(contract.admits("RunAgentMultipartRequest", &form));
    for (switch, status) in [(true, 201), (false, 400)] {
        let mut world = World::new(&format!("accept_files_items = {switch}"));
        let reply = world.run_form("echo", vec![file("files.items", "a.csv", "x")]);
        assert_eq!(reply.status, status, "{:?}", reply.value());
    }
}
