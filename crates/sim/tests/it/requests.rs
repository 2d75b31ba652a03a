//! What the platform takes and what it refuses: keys, ids, bodies, lists, routes.

use serde_json::{Value, json};
use taskward_sim::{Request, SimBody};

use crate::common::{World, file, header, text};

#[test]
fn what_the_key_does_not_open_is_401() {
    let mut world = World::new("");
    let mut status = |value: &str, expected: &str| {
        let reply = world.send(Request::new("GET", "/api/v1/tasks").header("Authorization", value));
        assert_eq!(reply.status, 401);
        assert!(
            reply.value()["error"].as_str().unwrap().contains(expected),
            "{reply:?}"
        );
        assert!(!String::from_utf8_lossy(&reply.body).contains("canary"));
    };
    status("", "Missing or malformed");
    status("Basic abc", "Missing or malformed");
    status("Bearer sim_key_canary", "Invalid API key");
    status("Bearer canary", "takes only its own fake key");
}

#[test]
fn ids_are_judged_by_format_existence_and_workspace() {
    let mut world = World::new("");
    let (agent, task) = (world.server.foreign_agent(), world.server.foreign_task());
    let nobody = "00000000-0000-4000-8000-000000000000";
    let mut check = |target: &str, status: u16, error: &str| {
        let reply = world.get(target);
        assert_eq!(
            (reply.status, reply.value()),
            (status, json!({ "error": error })),
            "{target}"
        );
    };
    check("/tasks/abc", 400, "Invalid task_id format");
    check("/tasks/a%2Fb/summary", 400, "Invalid task_id format");
    check(&format!("/tasks/{nobody}/messages"), 404, "Task not found");
    check(
        &format!("/tasks/{task}"),
        403,
        "Task belongs to another workspace",
    );
    check("/agents/abc", 400, "Invalid agent_id format");
    check(&format!("/agents/{nobody}"), 404, "Agent not found");
    check(
        &format!("/agents/{agent}"),
        403,
        "Agent belongs to another workspace",
    );
    let mut world = World::new("foreign_is_404 = true");
    assert_eq!(world.get(&format!("/tasks/{task}")).status, 404);
}

#[test]
fn agents_that_cannot_be_run_are_refused() {
    let mut world = World::new("");
    for (agent, status) in [("inactive", 403), ("draft", 403), ("archived", 201)] {
        let agent = world.server.agent(agent).unwrap();
        assert_eq!(
            world
                .post(&format!("/agents/{agent}/run"), &json!({ "query": "x" }))
                .status,
            status
        );
    }
    let mut world = World::new("draft_runs = true");
    let draft = world.server.agent("draft").unwrap();
    assert_eq!(
        world
            .post(&format!("/agents/{draft}/run"), &json!({ "query": "x" }))
            .status,
        201
    );
}

#[test]
fn a_run_that_carries_nothing_or_the_wrong_thing_is_400() {
    let mut world = World::new("");
    let agent = world.server.agent("echo").unwrap();
    for body in [
        json!({}),
        json!({ "query": "" }),
        json!({ "query": null }),
        json!({ "query": 7 }),
        json!([]),
        json!({ "query": "x", "output_config": null }),
        json!({ "query": "x", "output_config": { "output_schema": {} } }),
        json!({ "query": "x", "output_config": { "instructions": 1 } }),
    ] {
        assert_eq!(
            world.post(&format!("/agents/{agent}/run"), &body).status,
            400,
            "{body}"
        );
    }
    for parts in [
        vec![],
        vec![text("query", "")],
        vec![text("query", "x"), text("output_config", "{")],
        vec![text("query", "x"), text("output_config", "\"{}\"")],
        vec![text("query", "x"), text("query", "y")],
        vec![text("files", "not a file")],
        vec![text("files.items", "not a file")],
        vec![file("attachments", "a.csv", "x")],
        vec![file("file", "a.csv", "x"), file("file", "b.csv", "x")],
    ] {
        assert_eq!(
            world.run_form("echo", parts.clone()).status,
            400,
            "{parts:?}"
        );
    }
    let mut odd = Request::new("POST", &format!("/api/v1/agents/{agent}/run"))
        .header("content-type", "text/plain");
    odd.body = SimBody::Bytes(b"{\"query\":\"x\"}".to_vec());
    assert_eq!(world.send(odd).status, 400);
    assert_eq!(world.server.stats().starts, 0);
}

#[test]
fn a_form_carries_query_config_and_files() {
    let mut world = World::new("");
    let config = r#"{"output_schema":"{\"total\":\"number\"}"}"#;
    let parts = vec![
        text("query", "sum"),
        text("output_config", config),
        file("files", "a.csv", "x"),
        file("file", "b.csv", "yz"),
        file("files.items", "c.csv", ""),
        text("source", "test"),
    ];
    let id = world.run_form("echo", parts).value()["task_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let data = &world.after(2_000).summary(&id)["extracted_data"];
    assert_eq!(
        data["output_config"]["output_schema"],
        "{\"total\":\"number\"}"
    );
    let sizes: Vec<u64> = data["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["size"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes, [1, 2, 0]);
}

#[test]
fn a_file_alone_makes_a_task_without_title_or_message() {
    let mut world = World::new("");
    let id = world
        .run_form("echo", vec![file("files", "a.csv", "x")])
        .value()["task_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        world.get(&format!("/tasks/{id}")).value().get("title"),
        None
    );
    assert_eq!(world.log(&id), []);
}

#[test]
fn messages_that_say_nothing_are_400() {
    let mut world = World::new("");
    let id = world.run("asker", "x");
    for body in [
        json!({}),
        json!({ "message": "" }),
        json!({ "message": null }),
        json!({ "message": ["x"] }),
    ] {
        assert_eq!(
            world.post(&format!("/tasks/{id}/message"), &body).status,
            400,
            "{body}"
        );
    }
    let bare = Request::new("POST", &format!("/api/v1/tasks/{id}/message"));
    assert_eq!(world.send(bare).status, 400, "no content type");
}

#[test]
fn tasks_are_listed_newest_first_in_pages() {
    let mut world = World::new("concurrency_limit = 0");
    let mut ids: Vec<String> = Vec::new();
    for n in 0..5 {
        ids.push(
            world
                .after(1_000)
                .run(if n == 0 { "slow" } else { "echo" }, &format!("Job {n}")),
        );
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut target = "/tasks?limit=2".to_owned();
    loop {
        let page = world.get(&target).value();
        let items = page["data"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["task_id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(
            page["has_more"].as_bool().unwrap(),
            page["next_cursor"].is_string()
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        target = format!("/tasks?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let slow = world.server.agent("slow").unwrap();
    let mut count = |query: &str| {
        world.get(&format!("/tasks?{query}")).value()["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(&format!("agent_id={slow}")), 1);
    assert_eq!(count("status=completed,failed"), 2);
    assert_eq!(count("q=jOB+3"), 1);
    assert_eq!(count("created_after=2026-05-12T10:15:04Z"), 2);
    assert_eq!(
        count("created_before=2026-05-12T12:15:04%2B02:00&created_after=2026-05-12T10:15:03Z"),
        2
    );
}

#[test]
fn agents_are_listed_with_versions_and_without_archived_ones() {
    let mut world = World::new("filler_agents = 25");
    let page = world.get("/agents").value();
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (20, &json!(true))
    );
    let named = |value: Value| -> Vec<(String, u64)> {
        let items = value["data"].as_array().unwrap();
        items
            .iter()
            .map(|it| {
                (
                    it["name"].as_str().unwrap().to_owned(),
                    it["version_number"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    assert_eq!(
        named(world.get("/agents?q=ECHO").value()),
        [("echo".to_owned(), 2), ("echo".to_owned(), 1)]
    );
    assert_eq!(
        named(world.get("/agents?status=archived,draft").value()).len(),
        2
    );
    assert!(
        !named(world.get("/agents?limit=100").value())
            .iter()
            .any(|(name, _)| name == "archived")
    );
    let refs = world.server.agents();
    assert_eq!(refs.iter().filter(|agent| agent.name == "echo").count(), 1);
    assert!(
        !refs
            .iter()
            .any(|agent| ["draft", "inactive", "archived"].contains(&agent.name.as_str()))
    );
    let echo = world.server.agent("echo").unwrap();
    let agent = world.get(&format!("/agents/{echo}")).value();
    assert_eq!(
        (&agent["version_number"], agent["config"].is_object()),
        (&json!(2), true)
    );
}

#[test]
fn wrong_list_parameters_are_400() {
    let mut world = World::new("");
    for target in [
        "/tasks?limit=0",
        "/tasks?limit=101",
        "/tasks?limit=ten",
        "/tasks?cursor=nonsense",
        "/tasks?status=running,odd",
        "/tasks?agent_id=7",
        "/tasks?created_after=yesterday",
        "/tasks?page=2",
        "/tasks?limit=",
        "/tasks?agent_id=",
        "/tasks?created_after=",
        "/agents?agent_id=00000000-0000-4000-8000-000000000000",
        "/agents?status=running",
    ] {
        assert_eq!(world.get(target).status, 400, "{target}");
    }
    let mut world = World::new("clamp_limit = true");
    assert_eq!(world.get("/tasks?limit=0").status, 200);
}

/// Rows: N7.
#[test]
fn an_empty_text_counts_where_the_specification_has_no_minimum() {
    let mut world = World::new("concurrency_limit = 0");
    let task = world.run("asker", " ");
    assert_eq!(world.log(&task)[0], ("user".to_owned(), json!(" ")));
    world.run("echo", "x");
    for list in ["agents", "tasks"] {
        let whole = world.get(&format!("/{list}")).value();
        for query in ["cursor=", "status=", "q=", "cursor=&status=&q="] {
            let listed = world.get(&format!("/{list}?{query}"));
            assert_eq!(
                (listed.status, listed.value()),
                (200, whole.clone()),
                "{list}?{query}"
            );
        }
    }
    let agent = world.server.agent("asker").unwrap();
    let versions = world.get(&format!("/agents/{agent}/versions?cursor="));
    assert_eq!(versions.status, 200, "{:?}", versions.value());
    let wait = world.after(5_000).status(&task);
    assert_eq!(
        (wait.as_str(), world.say(&task, " ").status),
        ("waiting_for_input", 200)
    );
    let created = world.post(
        "/agents",
        &json!({ "name": " ", "system_prompt": "", "config": {} }),
    );
    assert_eq!(created.status, 201, "{:?}", created.value());
    let config = json!({ "output_schema": "", "instructions": "" });
    let body = json!({ "query": "x", "output_config": config });
    assert_eq!(
        world.post(&format!("/agents/{agent}/run"), &body).status,
        201
    );
}

#[test]
fn a_group_id_addresses_an_agent_only_by_the_switch() {
    for (switch, status) in [(false, 404), (true, 201)] {
        let mut world = World::new(&format!("group_id_addresses_agent = {switch}"));
        let echo = world.server.agent("echo").unwrap();
        let group = world.get(&format!("/agents/{echo}")).value()["agent_group_id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            world
                .post(&format!("/agents/{group}/run"), &json!({ "query": "x" }))
                .status,
            status
        );
    }
}

/// Rows: N3.
#[test]
fn unknown_routes_and_methods_name_the_known_ones() {
    let mut world = World::new("");
    let mut send = |method: &str, path: &str| world.send(Request::new(method, path));
    for (method, path, status) in [
        ("GET", "/v1/tasks", 404),
        ("GET", "/", 404),
        ("GET", "/api/v1/tasks/", 404),
        ("DELETE", "/api/v1/tasks", 405),
        ("PUT", "/api/v1/agents/x", 405),
        ("DELETE", "/api/v1/agents/x/versions/publish", 405),
    ] {
        let reply = send(method, path);
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.value()["routes"].as_array().unwrap().len(), 14);
    }
}

/// Rows: N3.
#[test]
fn a_405_names_the_methods_that_the_path_takes() {
    let mut world = World::new("");
    for (method, path, allow) in [
        ("DELETE", "/api/v1/tasks", "GET"),
        ("HEAD", "/api/v1/tasks", "GET"),
        ("PUT", "/api/v1/agents", "GET, POST"),
        ("HEAD", "/api/v1/agents", "GET, POST"),
        ("PUT", "/api/v1/agents/x", "GET, PATCH"),
        ("GET", "/api/v1/agents/x/run", "POST"),
        ("HEAD", "/api/v1/agents/x/run", "POST"),
    ] {
        let reply = world.send(Request::new(method, path));
        let allows = header(&reply, "allow");
        assert_eq!(
            (reply.status, allows),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
    let other = world.send(Request::new("HEAD", "/api/v2/tasks"));
    assert_eq!((other.status, header(&other, "allow")), (404, None));
}

/// A program whose types are written from the vendor's page reads what the agent found.
///
/// Rows: N7.
#[test]
fn the_invoice_agent_gives_back_the_keys_that_the_schema_names() {
    let mut world = World::new("");
    let schema = r#"{"line_items":[{"sku":"string","qty":"number"}],"total":"number"}"#;
    let config = json!({ "output_schema": schema }).to_string();
    let csv = "SKU,Description,Quantity,Unit price\nW-1,Widget,2,3.50\nG-1,Gear,1,0.25\n";
    let parts = vec![
        text("query", "Extract the line items."),
        text("output_config", &config),
        file("files.items", "a.csv", csv),
    ];
    let id = world.run_form("invoice", parts).value()["task_id"].clone();
    let summary = world.after(5_000).summary(id.as_str().unwrap());
    let expected = json!({
        "line_items": [{ "sku": "W-1", "qty": 2 }, { "sku": "G-1", "qty": 1 }],
        "total": 7.25,
    });
    assert_eq!(summary["extracted_data"], expected, "{summary}");
}
