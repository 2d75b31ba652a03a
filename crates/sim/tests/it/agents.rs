//! Agents made, changed, drafted and published, and their lists.

use serde_json::{Value, json};
use taskward_sim::{Reply, Request};

use crate::common::World;

impl World {
    fn patch(&mut self, agent: &str, body: &Value) -> Reply {
        self.send(Request::new("PATCH", &format!("/api/v1/agents/{agent}")).json(body))
    }

    fn publish(&mut self, agent: &str) -> Reply {
        let path = format!("/api/v1/agents/{agent}/versions/publish");
        self.send(Request::new("POST", &path))
    }

    fn draft(&mut self, agent: &str, changes: &Value) -> Result<String, Reply> {
        self.server.draft_agent(agent, changes, self.now)
    }

    /// Number and status of each version, as listed.
    fn versions(&mut self, agent: &str) -> Vec<(u64, String)> {
        let list = self.get(&format!("/agents/{agent}/versions")).value();
        let version = |it: &Value| {
            let status = it["status"].as_str().unwrap().to_owned();
            (it["version_number"].as_u64().unwrap(), status)
        };
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(version)
            .collect()
    }

    /// Makes an agent; gives its id.
    fn create(&mut self, body: &Value) -> String {
        let reply = self.post("/agents", body);
        assert_eq!(reply.status, 201, "{:?}", reply.value());
        reply.value()["id"].as_str().unwrap().to_owned()
    }

    /// Runs an agent by its id; gives the task's.
    fn start(&mut self, agent: &str) -> String {
        let reply = self.post(&format!("/agents/{agent}/run"), &json!({ "query": "x" }));
        assert_eq!(reply.status, 201, "{:?}", reply.value());
        reply.value()["task_id"].as_str().unwrap().to_owned()
    }
}

fn list(versions: &[(u64, &str)]) -> Vec<(u64, String)> {
    let owned = versions
        .iter()
        .map(|(number, status)| (*number, (*status).to_owned()));
    owned.collect()
}

#[test]
fn a_created_agent_is_version_1_and_runs_at_once() {
    let mut world = World::new("");
    let agent = world
        .post(
            "/agents",
            &json!({ "name": "Buyer", "system_prompt": "Buy." }),
        )
        .value();
    assert_eq!(agent["version_number"], 1);
    assert_eq!(
        (&agent["status"], &agent["is_active"]),
        (&json!("published"), &json!(true))
    );
    let id = agent["id"].as_str().unwrap();
    assert_eq!(
        agent["config"],
        json!({ "system_prompt": "Buy.", "tools": [], "model": "simulated" })
    );
    assert_eq!(world.get(&format!("/agents/{id}")).value(), agent);
    assert_eq!(world.get("/agents?limit=1").value()["data"][0]["id"], id);
    let task = world.start(id);
    assert_eq!(world.after(2_000).summary(&task)["result"]["summary"], "x");
    assert_eq!(world.server.agent("Buyer").as_deref(), Some(id));
    assert_eq!(world.server.stats().creates, 1);
}

#[test]
fn a_nameless_agent_gets_the_first_free_default_name() {
    let mut world = World::new("");
    world.create(&json!({ "name": "Untitled Agent 2" }));
    let mut name = || world.post("/agents", &json!({})).value()["name"].clone();
    assert_eq!(name(), "Untitled Agent 1");
    assert_eq!(name(), "Untitled Agent 3");
}

#[test]
fn a_prompt_of_its_own_in_the_config_wins() {
    let mut world = World::new("");
    let mut config = |body: Value| world.post("/agents", &body).value()["config"].clone();
    let prompt = |text: &str| json!({ "system_prompt": text });
    assert_eq!(
        config(json!({ "config": prompt("a"), "system_prompt": "b" })),
        prompt("a")
    );
    assert_eq!(
        config(json!({ "config": { "model": "m" }, "system_prompt": "b" })),
        json!({ "model": "m", "system_prompt": "b" })
    );
    assert_eq!(config(json!({ "config": {} })), json!({}));
}

#[test]
fn a_name_is_taken_once() {
    for code in [409, 400] {
        let mut world = World::new(&format!("name_clash_status_code = {code}"));
        let id = world.create(&json!({ "name": "Buyer" }));
        let taken = json!({ "name": "echo" });
        assert_eq!(world.post("/agents", &taken).status, code);
        assert_eq!(world.patch(&id, &taken).status, code);
        assert_eq!(world.draft(&id, &taken).unwrap_err().status, code);
        assert_eq!(
            world.patch(&id, &json!({ "name": "Buyer" })).status,
            200,
            "its own"
        );
        // What an archived agent was called is free.
        assert_eq!(world.patch(&id, &json!({ "name": "archived" })).status, 200);
        world.create(&json!({ "name": "Buyer" }));
        let stats = world.server.stats();
        assert_eq!((stats.creates, stats.updates), (2, 2));
        assert_eq!(
            world.versions(&id),
            list(&[(1, "published")]),
            "no draft was left"
        );
    }
}

#[test]
fn a_creation_or_update_of_the_wrong_form_is_400() {
    let mut world = World::new("");
    let id = world.create(&json!({}));
    for body in [
        json!([]),
        json!({ "name": "" }),
        json!({ "name": 7 }),
        json!({ "name": null }),
        json!({ "system_prompt": {} }),
        json!({ "system_prompt": null }),
        json!({ "config": "x" }),
        json!({ "config": null }),
        json!({ "config": { "acts_like": "nobody" } }),
        json!({ "config": { "acts_like": 1 } }),
        json!({ "is_active": "yes" }),
    ] {
        assert_eq!(world.post("/agents", &body).status, 400, "{body}");
        assert_eq!(world.patch(&id, &body).status, 400, "{body}");
    }
    for (method, path) in [
        ("POST", "/api/v1/agents"),
        ("PATCH", &format!("/api/v1/agents/{id}")),
    ] {
        assert_eq!(
            world.send(Request::new(method, path)).status,
            400,
            "no body"
        );
    }
    assert_eq!(
        world.post("/agents", &json!({ "colour": "red" })).status,
        201,
        "unknown fields pass"
    );
    let mut world = World::new("null_is_absent = true");
    world.create(&json!({ "name": null, "system_prompt": null, "config": null }));
}

#[test]
fn an_update_changes_what_it_names_in_the_same_version() {
    let mut world = World::new("");
    let config = json!({ "system_prompt": "a", "tools": ["t"], "unknown": 1 });
    let id = world.create(&json!({ "name": "Buyer", "config": config }));
    let before = world.get(&format!("/agents/{id}")).value();
    let same = world.after(5_000).patch(&id, &json!({})).value();
    assert_eq!(same, before, "nothing said, nothing changed");
    let mut patch = |body: Value| world.after(1_000).patch(&id, &body).value();
    let prompted = patch(json!({ "system_prompt": "b" }));
    assert_eq!(
        prompted["config"],
        json!({ "system_prompt": "b", "tools": ["t"], "unknown": 1 })
    );
    assert_ne!(prompted["updated_at"], before["updated_at"]);
    assert_eq!(prompted["created_at"], before["created_at"]);
    assert_eq!(
        patch(json!({ "config": { "model": "m" } }))["config"],
        json!({ "model": "m" })
    );
    let renamed = patch(json!({ "name": "Seller", "is_active": false }));
    assert_eq!(
        (&renamed["name"], &renamed["is_active"]),
        (&json!("Seller"), &json!(false))
    );
    assert_eq!(
        (&renamed["id"], &renamed["version_number"]),
        (&json!(id), &json!(1))
    );
    let run =
        |world: &mut World| world.post(&format!("/agents/{id}/run"), &json!({ "query": "x" }));
    assert_eq!(run(&mut world).status, 403);
    world.patch(&id, &json!({ "is_active": true }));
    assert_eq!(run(&mut world).status, 201);
    assert_eq!(world.server.stats().updates, 5);
}

#[test]
fn an_agent_acts_like_the_one_it_names_from_its_next_run_on() {
    let mut world = World::new("concurrency_limit = 0");
    let id = world.create(&json!({ "system_prompt": "asker" }));
    let asking = world.start(&id);
    world.patch(
        &id,
        &json!({ "config": { "acts_like": "failing", "system_prompt": "asker" } }),
    );
    let failing = world.start(&id);
    world.patch(&id, &json!({ "config": {} }));
    let echoing = world.start(&id);
    world.after(3_000);
    assert_eq!(world.status(&asking), "waiting_for_input");
    assert_eq!(world.status(&failing), "failed");
    assert_eq!(world.status(&echoing), "completed");
    let slow = world.server.agent("slow").unwrap();
    world.patch(&slow, &json!({ "system_prompt": "Hurry." }));
    let task = world.start(&slow);
    assert_eq!(
        world.after(3_000).status(&task),
        "running",
        "a built-in agent keeps its ways"
    );
}

#[test]
fn a_draft_is_published_once_and_supersedes_what_was_live() {
    let mut world = World::new("");
    let id = world.create(&json!({ "name": "Buyer" }));
    assert_eq!(world.publish(&id).status, 409, "there is no draft");
    let draft = world.after(1_000).draft(&id, &json!({})).unwrap();
    assert_eq!(world.publish(&id).status, 409, "the draft has no changes");
    let again = world
        .draft(&id, &json!({ "config": { "acts_like": "asker" } }))
        .unwrap();
    assert_eq!(again, draft, "there is one draft");
    assert_eq!(world.versions(&id), list(&[(2, "draft"), (1, "published")]));
    assert_eq!(
        world.get(&format!("/agents/{id}")).value()["config"]["acts_like"],
        Value::Null
    );
    assert_eq!(
        world
            .post(&format!("/agents/{draft}/run"), &json!({ "query": "x" }))
            .status,
        403
    );
    let reply = world.after(1_000).publish(&id);
    let version = reply.value();
    assert_eq!(
        (
            reply.status,
            &version["id"],
            &version["version_number"],
            &version["status"]
        ),
        (200, &json!(draft), &json!(2), &json!("published"))
    );
    assert_eq!(version.get("config"), None);
    assert_eq!(
        world.versions(&draft),
        list(&[(2, "published"), (1, "archived")])
    );
    assert_eq!(world.publish(&draft).status, 409, "it is live already");
    let task = world.start(&draft);
    assert_eq!(world.after(3_000).status(&task), "waiting_for_input");
    let listed = world.get("/agents?q=buyer").value();
    assert_eq!(
        listed["data"].as_array().unwrap().len(),
        1,
        "the archived one is not listed"
    );
    assert_eq!(world.server.stats().publishes, 1);
    let first = world.server.agent("draft").unwrap();
    assert_eq!(world.publish(&first).value()["version_number"], 1);
    world.start(&first);
}

#[test]
fn codes_of_success_are_switches() {
    let mut world = World::new(
        "create_agent_status_code = 200\npublish_status_code = 201\nmessage_status_code = 202",
    );
    assert_eq!(world.post("/agents", &json!({})).status, 200);
    let draft = world.server.agent("draft").unwrap();
    assert_eq!(world.publish(&draft).status, 201);
    let task = world.run("asker", "x");
    assert_eq!(world.say(&task, "EUR").status, 202);
}

#[test]
fn agents_of_others_and_of_nobody_are_neither_changed_nor_published() {
    let mut world = World::new("");
    let foreign = world.server.foreign_agent();
    for (id, status) in [
        (foreign.as_str(), 403),
        ("00000000-0000-4000-8000-000000000000", 404),
        ("x", 400),
    ] {
        assert_eq!(world.patch(id, &json!({})).status, status);
        assert_eq!(world.publish(id).status, status);
        assert_eq!(world.get(&format!("/agents/{id}/versions")).status, status);
        assert_eq!(world.draft(id, &json!({})).unwrap_err().status, status);
    }
}

/// Rows: N7.
#[test]
fn versions_come_whole_or_in_pages() {
    let mut world = World::new("");
    let echo = world.server.agent("echo").unwrap();
    let path = format!("/agents/{echo}/versions");
    let whole = world.get(&path).value();
    assert_eq!(
        whole.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["data"]
    );
    assert_eq!(
        world.versions(&echo),
        list(&[(2, "published"), (1, "published")])
    );
    for switch in [false, true] {
        let mut world = World::new(&format!("versions_in_pages = {switch}"));
        let first = world.get(&format!("{path}?limit=1")).value();
        assert_eq!(
            (&first["data"][0]["version_number"], &first["has_more"]),
            (&json!(2), &json!(true))
        );
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = world.get(&format!("{path}?cursor={cursor}")).value();
        assert_eq!(
            (&second["data"][0]["version_number"], &second["has_more"]),
            (&json!(1), &json!(false))
        );
        for wrong in ["q=x", "limit=0", "limit=101", "limit=x", "cursor=x"] {
            assert_eq!(world.get(&format!("{path}?{wrong}")).status, 400, "{wrong}");
        }
    }
}

#[test]
fn a_list_ends_in_each_of_its_ways() {
    let check = |end: &str, has_more: bool, cursor: Option<Value>| {
        let mut world = World::new(&format!("list_end = \"{end}\"\nversions_in_pages = true"));
        world.run("echo", "x");
        let echo = world.server.agent("echo").unwrap();
        for target in ["/agents", "/tasks", &format!("/agents/{echo}/versions")] {
            let page = world.get(target).value();
            assert_eq!(page["has_more"], has_more, "{end}: {target}");
            assert_eq!(page.get("next_cursor").cloned(), cursor, "{end}: {target}");
        }
    };
    check("null", false, Some(Value::Null));
    check("absent", false, None);
    check("empty", false, Some(json!("")));
    check("more_without_cursor", true, Some(Value::Null));
    let mut world = World::new("list_end = \"cursor_without_more\"");
    world.run("echo", "x");
    let page = world.get("/tasks").value();
    assert_eq!(page["has_more"], false);
    let behind = format!("/tasks?cursor={}", page["next_cursor"].as_str().unwrap());
    let empty = world.get(&behind).value();
    assert_eq!(
        (&empty["data"], &empty["has_more"]),
        (&json!([]), &json!(false))
    );
}

#[test]
fn tasks_are_filtered_by_the_group_of_their_agent_only_by_the_switch() {
    for (switch, count) in [(false, 0), (true, 1)] {
        let mut world = World::new(&format!("group_id_addresses_agent = {switch}"));
        world.run("echo", "x");
        let echo = world.server.agent("echo").unwrap();
        let agent = world.get(&format!("/agents/{echo}")).value();
        let group = agent["agent_group_id"].as_str().unwrap();
        let tasks = world.get(&format!("/tasks?agent_id={group}")).value();
        assert_eq!(tasks["data"].as_array().unwrap().len(), count);
    }
}

#[test]
fn bounds_of_time_include_what_a_task_shows() {
    for switch in [false, true] {
        let mut world = World::new(&format!("fractional_seconds = {switch}"));
        let task = world.after(700).run("echo", "x");
        let status = world.get(&format!("/tasks/{task}")).value();
        let shown = status["created_at"].as_str().unwrap().to_owned();
        for bound in ["created_after", "created_before"] {
            let tasks = world.get(&format!("/tasks?{bound}={shown}")).value();
            assert_eq!(tasks["data"][0]["task_id"], task, "{bound}={shown}");
        }
    }
}
