//! Agents: created, changed, published, listed; and the lists' filters.

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{Ended, SPEED, World};
use crate::exit_codes::check;

/// A simulator with these switches.
fn world_with(switches: &str) -> World {
    let scenario = Scenario::parse(&format!("[switches]\n{switches}")).expect("valid");
    World::of(Sim::builder().scenario(scenario), SPEED)
}

/// Runs it well; what it printed.
fn printed(world: &World, args: &[&str]) -> String {
    let ended = world.run(args);
    assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
    ended.stdout.trim_end().to_owned()
}

fn shown(world: &World, agent: &str) -> Value {
    serde_json::from_str(&printed(world, &["agents", "show", agent])).expect("JSON")
}

/// The cells of a table, row by row.
fn cells(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| line.split('\t').collect())
        .collect()
}

fn refused(world: &World, args: &[&str], words: &[&str]) -> Ended {
    let ended = check(world, args, 1, "refused");
    ended.says(words);
    ended
}

#[test]
fn an_agent_is_created_run_changed_and_switched_off() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let prompt = dir.path().join("prompt.txt");
    std::fs::write(&prompt, "Read the ledger.").expect("written");
    let prompt = format!("@{}", prompt.display());
    let create = [
        "agents",
        "create",
        "--name",
        "ledger",
        "--system-prompt",
        &prompt,
    ];
    let created = world.run(&create);
    assert_eq!(created.code, 0, "{created:?}");
    created.says(&["created: ledger, version 1, published"]);
    let id = created.stdout.trim_end();
    let agent = shown(&world, "ledger");
    assert_eq!(
        (&agent["id"], &agent["is_active"]),
        (&json!(id), &json!(true))
    );
    assert_eq!(agent["config"]["system_prompt"], "Read the ledger.");
    let run = world.fast(&["run", "--agent", "ledger", "hello"]);
    assert_eq!(run.code, 0, "{run:?}");

    // What is not named stays as it is.
    let update = ["agents", "update", "ledger", "--system-prompt", "Shorter."];
    assert_eq!(printed(&world, &update), id);
    let changed = shown(&world, "ledger");
    assert_eq!(changed["config"]["system_prompt"], "Shorter.");
    assert_eq!(changed["config"]["model"], agent["config"]["model"]);
    let config = r#"{"tools": ["search"]}"#;
    let replace = ["agents", "update", "ledger", "--config", config, "--yes"];
    assert_eq!(printed(&world, &replace), id);
    assert_eq!(
        shown(&world, "ledger")["config"],
        json!({ "tools": ["search"] })
    );

    let off = [
        "agents",
        "update",
        "ledger",
        "--deactivate",
        "--name",
        "old ledger",
    ];
    let off = world.run(&off);
    assert_eq!((off.code, off.stdout.trim_end()), (0, id), "{off:?}");
    off.says(&["changed: old ledger, version 1, published, inactive"]);
    let run = world.run(&["run", "--agent", "old ledger", "hello"]);
    assert_eq!(run.code, 2, "{run:?}");
    run.says(&["inactive", "Nothing was started."]);
    // It can still be named to switch it on again.
    let on = ["agents", "update", "old ledger", "--activate", "--json"];
    let lines = world.run(&on).lines();
    assert_eq!(lines.len(), 1);
    let told = ["type", "id", "name", "is_active"].map(|name| &lines[0][name]);
    assert_eq!(
        told,
        [
            &json!("agent"),
            &json!(id),
            &json!("old ledger"),
            &json!(true)
        ]
    );
    assert_eq!(lines[0]["config"], json!({ "tools": ["search"] }));
    let stats = world.sim.stats();
    assert_eq!((stats.creates, stats.updates), (1, 4));
}

#[test]
fn a_draft_of_the_dashboard_is_published_once() {
    let world = World::new();
    let first = world.sim.agent("invoice");
    refused(
        &world,
        &["agents", "publish", "invoice"],
        &[
            "\"invoice\" has nothing to publish",
            "409",
            "dashboard",
            "taskward agents versions",
        ],
    );
    let draft = json!({ "system_prompt": "Newer." });
    let draft = world.sim.draft_agent(&first, &draft).expect("a draft");
    // A change is made in what is live, and not in the draft.
    let update = ["agents", "update", "invoice", "--activate"];
    assert_eq!(printed(&world, &update), first);
    let published = world.run(&["agents", "publish", "invoice"]);
    assert_eq!(
        (published.code, published.stdout.trim_end()),
        (0, draft.as_str()),
        "{published:?}"
    );
    published.says(&["published: invoice, version 2, published"]);
    refused(
        &world,
        &["agents", "publish", &draft],
        &["nothing to publish"],
    );
    assert_eq!(world.sim.stats().publishes, 1);

    let versions = printed(&world, &["agents", "versions", "invoice"]);
    let versions: Vec<_> = cells(&versions)
        .into_iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned(), row[2].to_owned()))
        .collect();
    let version =
        |id: &str, number: &str, state: &str| (id.to_owned(), number.to_owned(), state.to_owned());
    assert_eq!(
        versions,
        [
            version(&draft, "2", "published"),
            version(&first, "1", "archived")
        ]
    );
    let lines = world.run(&["agents", "versions", &first, "--limit", "1", "--json"]);
    let lines = lines.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["version_number"]),
        (&json!("agent"), &json!(2))
    );
}

#[test]
fn what_the_server_refuses_of_an_agent_is_said_in_words() {
    let world = World::new();
    refused(
        &world,
        &["agents", "create", "--name", "invoice"],
        &[
            "the name \"invoice\" is taken",
            "Nothing was created.",
            "taskward agents list --name invoice",
            "http 409",
        ],
    );
    refused(
        &world,
        &["agents", "update", "echo", "--name", "invoice"],
        &["the name \"invoice\" is taken", "The agent is as it was."],
    );
    world.sim.set_faults(
        ["create_agent", "update_agent", "publish"]
            .map(|on| FaultRule::new(status(400)).on(on))
            .into(),
    );
    for (args, words) in [
        (&["agents", "create"][..], "refused to create the agent"),
        (
            &["agents", "update", "echo", "--activate"],
            "refused to change the agent",
        ),
        (
            &["agents", "publish", "echo"],
            "refused to publish the draft",
        ),
    ] {
        refused(&world, args, &[words, "http 400"]);
    }
    let stats = world.sim.stats();
    assert_eq!((stats.creates, stats.updates, stats.publishes), (0, 0, 0));
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
        after_bytes: None,
    }
}

/// Rows: I3.
#[test]
fn an_agent_of_nobody_and_one_of_another_workspace_are_told_alike() {
    let nobody = "00000000-0000-4000-8000-000000000000";
    for (world, codes) in [
        (World::new(), ["http 403", "http 404"]),
        (
            world_with("foreign_is_404 = true"),
            ["http 404", "http 404"],
        ),
    ] {
        let (foreign, _) = world.sim.foreign_ids();
        for (id, http) in [foreign.as_str(), nobody].into_iter().zip(codes) {
            let what = format!("the workspace of this key has no agent \"{id}\"");
            for args in [
                &["agents", "show", id][..],
                &["agents", "versions", id],
                &["agents", "publish", id],
                &["agents", "update", id, "--activate"],
            ] {
                let (exit, code) = match http {
                    "http 403" => (4, "auth"),
                    _ => (1, "refused"),
                };
                check(&world, args, exit, code).says(&[&what, "taskward agents list", http]);
            }
        }
    }
    let world = World::new();
    let ended = world.run(&["agents", "update", "invoise", "--activate"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["Did you mean \"invoice\"?", "Nothing was changed."]);
}

#[test]
fn what_may_have_been_done_to_an_agent_is_read_and_not_done_again() {
    let world = World::new();
    world.sim.set_faults(
        ["create_agent", "publish"]
            .map(|on| FaultRule::new(lost()).on(on))
            .into(),
    );
    let create = ["agents", "create", "--name", "ledger"];
    let ended = world.run(&create);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "it is not known whether the agent was created",
        "Nothing was sent again.",
        "a name is used once",
    ]);
    let read = ended.printed("see");
    assert!(
        read.starts_with("taskward agents list --name ledger"),
        "{read}"
    );
    let found = printed(&world, &["agents", "list", "--name", "ledger"]);
    assert_eq!(found.lines().count(), 1);
    let last = world.run(&["agents", "create", "--json"]).last();
    assert_eq!(
        (&last["code"], &last["exit"]),
        (&json!("outcome_unknown"), &json!(5))
    );
    let message = last["message"].as_str().expect("text");
    assert!(message.contains("may create a second one"), "{message}");
    assert_eq!(world.sim.stats().creates, 2);

    let first = world.sim.agent("invoice");
    let draft = json!({ "system_prompt": "Newer." });
    world.sim.draft_agent(&first, &draft).expect("a draft");
    let ended = world.run(&["agents", "publish", "invoice"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&["it is not known whether the draft was published"]);
    let read = ended.printed("see");
    assert!(read.contains(&format!("agents versions {first}")), "{read}");
    assert_eq!(world.sim.stats().publishes, 1);
}

fn lost() -> Fault {
    Fault::LostReplyAfterApply { after_bytes: 0 }
}

#[test]
fn a_change_whose_reply_is_lost_is_made_again_and_unknown_when_it_cannot_be() {
    let world = World::new();
    let lost = || FaultRule::new(lost()).on("update_agent").count(1);
    world.sim.set_faults(vec![lost()]);
    let update = ["agents", "update", "echo", "--system-prompt", "Newer."];
    assert_eq!(world.run(&update).code, 0);
    assert_eq!(world.sim.stats().updates, 2);
    let refusal = FaultRule::new(status(404)).on("update_agent");
    world.sim.set_faults(vec![lost(), refusal]);
    let ended = world.run(&update);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "it is not known whether the agent was changed",
        "does no harm",
        "taskward agents show",
    ]);
}

#[test]
fn nothing_is_sent_of_a_change_that_cannot_be_meant() {
    let world = World::new();
    for (args, words) in [
        (&["agents", "update", "echo"][..], "nothing to change"),
        (
            &["agents", "update", "echo", "--config", "{}"],
            "--config replaces the agent's whole configuration",
        ),
        (
            &["agents", "update", "echo", "--config", "[]", "--yes"],
            "--config takes a JSON object: it is a list",
        ),
        (
            &["agents", "update", "echo", "--name", " "],
            "the name is empty",
        ),
        (&["agents", "create", "--name", ""], "the name is empty"),
        (
            &["agents", "create", "--config", "@/no/such.json"],
            "/no/such.json",
        ),
        (
            &["agents", "update", "echo", "--activate", "--deactivate"],
            "cannot be used with",
        ),
        (&["agents", "list", "--status", "live"], "possible values"),
        (
            &["ls", "--since", "1h", "--until", "2h"],
            "is not before --until",
        ),
        (&["ls", "--until", "tomorrow"], "--until \"tomorrow\""),
    ] {
        let ended = world.run(args);
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
        ended.says(&[words]);
        assert_eq!(world.sim.requests(), [], "{args:?}");
    }
    let ended = world.run(&["agents", "update", "echo", "--config", "{}"]);
    assert_eq!(
        ended.printed("do it"),
        "taskward agents update echo --config '{}' --yes"
    );
}

#[test]
fn agents_and_tasks_are_filtered_over_all_pages() {
    let world = world_with("filler_agents = 150");
    let count = |args: &[&str]| printed(&world, args).lines().count();
    assert_eq!(count(&["agents", "list", "--name", "FILLER"]), 150);
    assert_eq!(
        count(&["agents", "list", "--name", "filler", "--limit", "120"]),
        120
    );
    let of_state =
        |status: &str| count(&["agents", "list", "--name", "filler", "--status", status]);
    assert_eq!(of_state("draft,archived"), 0);
    assert_eq!(of_state("draft,published"), 150);
    let off = world.run(&["agents", "list", "--name", "inactive", "--json"]);
    assert_eq!(off.lines()[0]["is_active"], false);

    let start = |title: &str| {
        printed(&world, &["run", "--agent", "slow", title, "--detach"]);
    };
    start("the march ledger");
    start("something else");
    assert_eq!(count(&["ls", "--title", "MARCH"]), 1);
    assert_eq!(count(&["ls", "--title", "nothing of it"]), 0);
    assert_eq!(count(&["ls", "--until", "2000-01-01T00:00:00Z"]), 0);
    assert_eq!(
        count(&[
            "ls",
            "--since",
            "2000-01-01T00:00:00Z",
            "--until",
            "9999-01-01T00:00:00Z"
        ]),
        2
    );
}

/// Rows: D21.
#[test]
fn a_list_ends_well_in_every_form_and_a_looped_one_with_an_error_after_its_entries() {
    for end in [
        "null",
        "absent",
        "empty",
        "cursor_without_more",
        "more_without_cursor",
    ] {
        let world = world_with(&format!("list_end = {end:?}\nversions_in_pages = true"));
        let agents = printed(&world, &["agents", "list"]);
        assert!(agents.lines().count() > 3, "{end}: {agents}");
        let versions = printed(&world, &["agents", "versions", "echo"]);
        assert_eq!(versions.lines().count(), 2, "{end}");
        assert_eq!(printed(&world, &["ls"]), "", "{end}");
    }
    let world = World::new();
    let all = printed(&world, &["agents", "list"]);
    world
        .sim
        .set_faults(vec![FaultRule::new(Fault::LoopedCursor).on("agents")]);
    let ended = check(&world, &["agents", "list"], 1, "protocol");
    ended.says(&["goes in circles", "repeats the cursor"]);
    assert!(ended.stdout.starts_with(&all), "{ended:?}");
    assert!(world.sim.requests().len() < 10);
}
