//! Every reply of a long session against the contract's schemas.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};
use taskward_sim::Request;

use crate::common::{World, file, text};

const SPEC: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../spec/nanonets/openapi.yaml"
);

/// The operations that the simulator models, with the schema of their success reply.
const MODELLED: [(&str, &str, &str); 10] = [
    ("GET", "/api/v1/agents", "AgentList"),
    ("GET", "/api/v1/agents/{agent_id}", "Agent"),
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

struct Contract {
    spec: Value,
    validators: BTreeMap<String, Validator>,
}

impl Contract {
    fn read() -> Self {
        let spec: Value = yaml_serde::from_str(&std::fs::read_to_string(SPEC).unwrap()).unwrap();
        Self {
            spec,
            validators: BTreeMap::new(),
        }
    }

    fn check(&mut self, schema: &str, value: &Value) {
        let components = &self.spec["components"];
        let validator = self.validators.entry(schema.to_owned()).or_insert_with(|| {
            let schema = json!({ "$ref": format!("#/components/schemas/{schema}"), "components": components });
            jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
        });
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{schema}: {value}");
    }

    /// The operation that a request is for.
    fn operation(method: &str, path: &str) -> &'static (&'static str, &'static str, &'static str) {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &str| {
            let parts: Vec<&str> = pattern.split('/').collect();
            parts.len() == segments.len()
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(a, b)| a.starts_with('{') || a == b)
        };
        MODELLED
            .iter()
            .find(|(m, pattern, _)| *m == method && fits(pattern))
            .unwrap()
    }
}

/// A session that visits every endpoint in every state.
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
    let mut contract = Contract::read();
    let mut seen = BTreeMap::<&str, u32>::new();
    let mut statuses = BTreeMap::<u16, u32>::new();
    for switches in [
        "",
        "explicit_nulls = true\nfractional_seconds = true\ncontent_shape = \"object\"\nextracted_data = \"result\"",
        "message_envelope = \"data\"\nextracted_data = \"structured_content\"\ncontent_shape = \"blocks\"",
        "message_envelope = \"messages\"\nconcurrency_limit = 1\npending_ms = 300\nreply_lag_ms = 3000",
    ] {
        for (method, path, reply) in session(switches).trace {
            let (_, pattern, schema) = Contract::operation(&method, &path);
            let schema = if reply.status < 300 { schema } else { "Error" };
            contract.check(schema, &reply.value());
            *seen.entry(pattern).or_default() += 1;
            *statuses.entry(reply.status).or_default() += 1;
            let documented = &contract.spec["paths"][pattern][method.to_lowercase()]["responses"];
            let code = reply.status.to_string();
            let is_documented = documented.get(&code).is_some()
                || (reply.status < 300 && documented.get("2XX").is_some());
            assert!(is_documented, "{method} {pattern} answered {code}");
        }
    }
    assert_eq!(seen.len(), 10, "paths visited: {seen:?}");
    assert_eq!(
        statuses.keys().copied().collect::<Vec<_>>(),
        [200, 201, 400, 401, 403, 404, 409]
    );
}

#[test]
fn every_documented_route_is_modelled_or_refused_aloud() {
    let contract = Contract::read();
    let mut world = World::new("");
    for (path, methods) in contract.spec["paths"].as_object().unwrap() {
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
        {
            let method = method.to_uppercase();
            let modelled = MODELLED
                .iter()
                .any(|(m, pattern, _)| *m == method && pattern == path);
            let status = world
                .send(Request::new(&method, &path.replace(['{', '}'], "")))
                .status;
            assert_eq!(
                status == 501,
                !modelled,
                "{method} {path} answered {status}"
            );
            assert!(
                ![404, 405].contains(&status),
                "{method} {path} answered {status}"
            );
        }
    }
}
