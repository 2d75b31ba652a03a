//! Scenarios that come over HTTP while the simulator runs.

use serde_json::{Value, json};
use taskward_sim::{Scenario, Sim};

use crate::http::{exchange, head, json_request, still};

/// Sends a body to the simulator itself.
fn send(sim: &Sim, method: &str, path: &str, body: &str) -> (u16, Value) {
    let length = format!("Content-Length: {}\r\n", body.len());
    exchange(sim, &(head(sim, method, path, &length) + body))
}

fn add(sim: &Sim, scenario: &str) -> Value {
    let (status, reply) = send(sim, "POST", "/_sim/scenario", scenario);
    assert_eq!(status, 200, "{reply}");
    reply
}

fn advance(sim: &Sim, by: &str) {
    let body = json!({ "by": by }).to_string();
    assert_eq!(send(sim, "POST", "/_sim/advance", &body).0, 200);
}

/// Returns the summary of a new task of an agent, a minute later.
fn summary(sim: &Sim, agent: &str) -> (u16, Value) {
    let id = sim.agent(agent);
    let run = json_request(
        sim,
        "POST",
        &format!("/api/v1/agents/{id}/run"),
        &json!({ "query": "q" }),
    );
    let (status, task) = exchange(sim, &run);
    let Some(task) = task["task_id"].as_str() else {
        return (status, task);
    };
    advance(sim, "1m");
    let path = format!("/api/v1/tasks/{task}/summary");
    let (_, summary) = exchange(sim, &head(sim, "GET", &path, ""));
    (status, summary["result"]["summary"].clone())
}

/// Sends a request to Agent Harness.
fn harness(sim: &Sim, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (key, body) = (sim.harness().api_key, body.to_string());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {body}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(sim, &request)
}

fn names(scenario: &Value, table: &str, built_in: bool) -> Vec<String> {
    let entries = scenario[table].as_array().unwrap().iter();
    let entries = entries.filter(|entry| entry["built_in"] == built_in);
    entries
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

const BUYER: &str = r#"
    [[agent]]
    name = "buyer"
    steps = [{ run = "5s" }, { complete = { summary = "Bought {query}." } }]
"#;

#[test]
fn an_agent_and_a_run_are_added_listed_and_removed_on_both_platforms() {
    let sim = still().seed(3).spawn().unwrap();
    let (_, before) = send(&sim, "GET", "/_sim/scenario", "");
    assert_eq!(names(&before, "agent", false), [""; 0]);
    assert_eq!(
        names(&before, "agent", true),
        [
            "invoice", "asker", "chat", "reviewer", "slow", "failing", "echo"
        ]
    );
    assert_eq!(names(&before, "run", true)[0], "approve-email");
    let added = add(&sim, BUYER);
    assert_eq!(names(&added, "agent", false), ["buyer"]);
    // As if the file had named it from the beginning.
    let from_file = still()
        .seed(3)
        .scenario(Scenario::parse(BUYER).unwrap())
        .spawn()
        .unwrap();
    assert_eq!(sim.agent("buyer"), from_file.agent("buyer"));
    assert_eq!(summary(&sim, "buyer"), (201, json!("Bought q.")));

    // In JSON, and with names that a path cannot have.
    let run = json!({ "run": [{ "name": "order/é", "steps": [
        { "delta": "Ordering {goal}." }, { "step_done": "succeeded" }, { "fail": "SOLD_OUT" },
    ]}]});
    let added = add(&sim, &run.to_string());
    assert_eq!(names(&added, "run", false), ["order/é"]);
    assert_eq!(names(&added, "agent", false), ["buyer"]);
    let start = json!({ "input": { "scenario": "order/é", "goal": "x" } });
    let (status, run) = harness(&sim, "POST", "/v1/runs", &start);
    assert_eq!(status, 201, "{run}");
    advance(&sim, "1m");
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(
        harness(&sim, "GET", &path, &json!({})).1["status"],
        "failed"
    );

    let remove = |path: &str| send(&sim, "DELETE", path, "");
    assert_eq!(remove("/_sim/scenario/agent/buyer").0, 200);
    assert_eq!(remove("/_sim/scenario/run/order%2F%C3%A9").0, 200);
    assert_eq!(send(&sim, "GET", "/_sim/scenario", "").1, before);
    assert_eq!(summary(&sim, "buyer").0, 403);
    let again = json!({ "input": { "scenario": "order/é" } });
    let (status, refusal) = harness(&sim, "POST", "/v1/runs", &again);
    assert!(
        status == 400 && refusal.to_string().contains("no scenario"),
        "{refusal}"
    );
    for path in [
        "/_sim/scenario/agent/buyer",
        "/_sim/scenario/agent/echo",
        "/_sim/scenario/run/limit",
    ] {
        let (status, refusal) = remove(path);
        let why = refusal["error"].as_str().unwrap();
        assert!(
            status == 404 && why.starts_with("no scenario added a"),
            "{why}"
        );
    }
    let (status, refusal) = remove("/_sim/scenario/switches/x");
    assert!(status == 404 && refusal["routes"].is_array(), "{refusal}");
    // It can come back.
    add(&sim, BUYER);
    assert_eq!(summary(&sim, "buyer").0, 201);
}

#[test]
fn what_is_built_in_can_be_replaced_and_does_its_own_again() {
    let sim = still().spawn().unwrap();
    let script = r#"
        [[agent]]
        name = "echo"
        steps = [{ complete = { summary = "scripted" } }]

        [[run]]
        name = "limit"
        steps = [{ succeed = true }]
    "#;
    let own = summary(&sim, "echo");
    assert_eq!(own, (201, json!("q")));
    let added = add(&sim, script);
    assert_eq!(
        (names(&added, "agent", false), names(&added, "run", false)),
        (vec!["echo".to_owned()], vec!["limit".to_owned()])
    );
    assert_eq!(summary(&sim, "echo"), (201, json!("scripted")));
    add(&sim, &script.replace("scripted", "again"));
    assert_eq!(summary(&sim, "echo"), (201, json!("again")));
    for path in ["/_sim/scenario/agent/echo", "/_sim/scenario/run/limit"] {
        assert_eq!(send(&sim, "DELETE", path, "").0, 200);
    }
    assert_eq!(summary(&sim, "echo"), own);
    let run = harness(
        &sim,
        "POST",
        "/v1/runs",
        &json!({ "input": { "scenario": "limit" } }),
    );
    advance(&sim, "1m");
    let path = format!("/v1/runs/{}", run.1["id"].as_str().unwrap());
    assert_eq!(
        harness(&sim, "GET", &path, &json!({})).1["status"],
        "failed"
    );
}

#[test]
fn switches_and_faults_are_laid_over_those_in_force_until_a_reset() {
    let file =
        "[switches]\nmessage_status_code = 202\n[[fault]]\nkind = \"reset\"\non = \"cancel\"";
    let scenario = Scenario::parse(file).unwrap();
    let sim = still().scenario(scenario).spawn().unwrap();
    let (_, before) = send(&sim, "GET", "/_sim/scenario", "");
    let added = add(
        &sim,
        "[switches]\nrun_status_code = 200\n[agent_harness]\ncreate_status_code = 202\n\
         [[fault]]\nkind = \"status\"\ncode = 503\non = \"tasks\"\ncount = 1",
    );
    assert_eq!(
        (
            &added["switches"]["run_status_code"],
            &added["switches"]["message_status_code"],
            &added["agent_harness"]["create_status_code"],
            added["fault"].as_array().unwrap().len(),
        ),
        (&json!(200), &json!(202), &json!(202), 2)
    );
    assert_eq!(summary(&sim, "echo").0, 200);
    let run = harness(&sim, "POST", "/v1/runs", &json!({ "input": {} }));
    assert_eq!(run.0, 202);
    let list = head(&sim, "GET", "/api/v1/tasks", "");
    let codes = [exchange(&sim, &list).0, exchange(&sim, &list).0];
    assert_eq!(codes, [503, 200]);
    add(&sim, BUYER);
    assert_eq!(send(&sim, "POST", "/_sim/reset", "").0, 200);
    assert_eq!(send(&sim, "GET", "/_sim/scenario", "").1, before);
}

/// Rows: N12.
#[test]
fn a_scenario_that_is_none_is_refused_by_its_place_and_changes_nothing() {
    let sim = still().spawn().unwrap();
    let (_, before) = send(&sim, "GET", "/_sim/scenario", "");
    let good = r#"{"agent": [{"name": "a", "steps": []}], "#;
    for (body, why) in [
        ("".to_owned(), "must be a scenario"),
        ("  \n".to_owned(), "must be a scenario"),
        ("steps".to_owned(), "line 1"),
        (
            "[agents]".to_owned(),
            "no table \"agents\" (known: fault, switches, agent,",
        ),
        (BUYER.replace("5s", "5"), "no length of time"),
        (BUYER.replace("run =", "ran ="), "agent \"buyer\", step 1"),
        (
            format!("{BUYER}\n[[fault]]\nkind = \"flood\""),
            "unknown variant `flood`",
        ),
        (
            format!("{BUYER}\n[switches]\nrun_status_code = 99"),
            "200 to 999",
        ),
        (
            format!("{good}\"run\": [{{\"name\": \"r\"}}]}}"),
            "missing field `steps`",
        ),
        (
            format!("{good}\"switches\": {{\"reply_lag\": 1}}}}"),
            "reply_lag",
        ),
        (
            format!("{good}\"switches\": null}}"),
            "null is no value here",
        ),
        ("{\"agent\": [".to_owned(), "JSON: EOF"),
    ] {
        let (status, refusal) = send(&sim, "POST", "/_sim/scenario", &body);
        let error = refusal["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(why), "{why:?} in {refusal}");
    }
    assert_eq!(send(&sim, "GET", "/_sim/scenario", "").1, before);
}

/// A task that is under way is not another's because its agent changes.
#[test]
fn a_task_continues_as_it_began_when_its_agent_is_replaced_or_removed() {
    let sim = still().spawn().unwrap();
    let asks = |word: &str| {
        format!(
            "[[agent]]\nname = \"buyer\"\nsteps = [{{ ask = \"Which?\" }}, {{ complete = {{ summary = \"{word} {{answer}}\" }} }}]"
        )
    };
    for change in ["replaced", "removed"] {
        add(&sim, &asks("first"));
        let id = sim.agent("buyer");
        let path = format!("/api/v1/agents/{id}/run");
        let run = json_request(&sim, "POST", &path, &json!({ "query": "q" }));
        let task = exchange(&sim, &run).1["task_id"]
            .as_str()
            .unwrap()
            .to_owned();
        if change == "replaced" {
            add(&sim, &asks("second"));
        } else {
            assert_eq!(
                send(&sim, "DELETE", "/_sim/scenario/agent/buyer", "").0,
                200
            );
        }
        let path = format!("/api/v1/tasks/{task}/message");
        let message = json_request(&sim, "POST", &path, &json!({ "message": "A" }));
        assert_eq!(exchange(&sim, &message).0, 200);
        advance(&sim, "1m");
        let path = format!("/api/v1/tasks/{task}/summary");
        let (_, summary) = exchange(&sim, &head(&sim, "GET", &path, ""));
        assert_eq!(summary["result"]["summary"], "first A", "{change}");
    }
}

#[test]
fn everything_that_has_an_id_has_another_under_another_seed() {
    let ids = |seed| {
        let sim = still().seed(seed).spawn().unwrap();
        let path = format!("/api/v1/agents/{}/run", sim.agent("slow"));
        let run = json_request(&sim, "POST", &path, &json!({ "query": "q" }));
        let task = exchange(&sim, &run).1["task_id"].clone();
        let path = format!("/api/v1/tasks/{}/messages", task.as_str().unwrap());
        let messages = exchange(&sim, &head(&sim, "GET", &path, "")).1;
        let run = harness(&sim, "POST", "/v1/runs", &json!({ "input": {} })).1;
        let (nanonets, harness) = (sim.nanonets(), sim.harness());
        vec![
            nanonets.api_key,
            harness.api_key,
            sim.agent("echo"),
            task.to_string(),
            messages["data"][0]["id"].to_string(),
            run["id"].to_string(),
            run["request_id"].to_string(),
        ]
    };
    let (first, again, other) = (ids(1), ids(1), ids(2));
    assert_eq!(first, again);
    for (one, other) in first.iter().zip(&other) {
        assert!(one.len() > 8 && one != other, "{one} {other}");
    }
}
