//! Tasks of A2A agents: found by a URL, named by it, and with the key only where it may go.

use crate::common::{Ended, SPEED, World, bare, end};
use serde_json::Value;

impl World {
    /// The URL of a simulated agent.
    pub(crate) fn agent(&self, name: &str) -> String {
        format!("{}/agents/{name}", self.sim.url())
    }

    /// Runs the program with the key of the simulated A2A platform.
    pub(crate) fn a2a(&self, args: &[&str]) -> Ended {
        self.a2a_in(self.state.path(), args)
    }

    /// The same on a machine of its own.
    pub(crate) fn a2a_elsewhere(&self, args: &[&str]) -> Ended {
        let elsewhere = tempfile::tempdir().expect("a folder");
        self.a2a_in(elsewhere.path(), args)
    }

    fn a2a_in(&self, state: &std::path::Path, args: &[&str]) -> Ended {
        let mut command = bare(args);
        command
            .env("XDG_STATE_HOME", state)
            .env("A2A_API_KEY", self.sim.a2a().api_key);
        end(command, "")
    }

    /// Starts a task of an agent, follows it to its question or its end, and returns its name.
    pub(crate) fn a2a_task(&self, agent: &str) -> String {
        let speed = SPEED.to_string();
        let agent = self.agent(agent);
        let ended = self.a2a(&[
            "run",
            "--agent",
            &agent,
            "Convert 5.",
            "--json",
            "--speed",
            &speed,
        ]);
        let task = ended.last()["task"].as_str().expect("a task").to_owned();
        assert!(task.starts_with(&format!("a2a:{agent}#")), "{task}");
        task
    }
}

#[test]
fn each_simulated_agent_ends_as_it_says() {
    for (agent, code, said) in [
        ("echo", 0, "Convert 5.\n"),
        ("work", 0, "Worked on: Convert 5.\n"),
        ("artifacts", 0, "{\n  \"rows\": [\n"),
        ("asker", 8, ""),
        ("auth", 8, ""),
        ("failing", 3, ""),
        ("crash", 3, ""),
        ("rejects", 3, ""),
    ] {
        let run = [
            "run",
            "--sim",
            "--provider",
            "a2a",
            "--agent",
            agent,
            "Convert 5.",
        ];
        let ended = end(bare(&run), "");
        assert_eq!(ended.code, code, "{agent}: {ended:?}");
        assert!(ended.stdout.starts_with(said), "{agent}: {ended:?}");
        ended.says(&["simulator at", &format!("/agents/{agent}#")]);
        // Events of the protocol are not for people.
        assert!(!ended.stderr.contains("{\""), "{agent}: {ended:?}");
    }
    let ended = end(
        bare(&[
            "run",
            "--sim",
            "--provider",
            "a2a",
            "--agent",
            "nobody",
            "x",
        ]),
        "",
    );
    assert_eq!(ended.code, 2);
    ended.says(&["the simulator has no agent \"nobody\"", "echo"]);
}

#[test]
fn a_task_is_started_asked_answered_and_read_by_its_name_from_any_machine() {
    let world = World::new();
    let speed = SPEED.to_string();
    let allow = ["--allow-origin", &world.sim.url()];
    let task = world.a2a_task("asker");
    let watch = ["watch", &task, "--json", "--speed", &speed];
    let question = world.a2a_elsewhere(&[&watch[..], &allow].concat()).last();
    assert_eq!(question["exit"], 8, "{question}");
    let id = question["question_id"].as_str().expect("a question");
    let reply = [
        "reply",
        &task,
        "EUR",
        "--question",
        id,
        "--watch",
        "--speed",
        &speed,
    ];
    let ended = world.a2a_elsewhere(&[&reply[..], &allow].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    for command in ["result", "status", "messages"] {
        let ended = world.a2a_elsewhere(&[&[command, &task], &allow[..]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let said = world.a2a(&[&["messages", &task, "--json"], &allow[..]].concat());
    let texts: Vec<Value> = said
        .lines()
        .iter()
        .map(|line| line["text"].clone())
        .collect();
    assert!(
        texts.contains(&"EUR".into()) && texts.contains(&"In which currency?".into()),
        "{texts:?}"
    );
    let list = world.a2a(&["ls", "--agent", &world.agent("asker"), "--json"]);
    let list = list.lines();
    assert_eq!(
        (list.len(), list[0]["task"].as_str()),
        (1, Some(task.as_str()))
    );
    assert_eq!(
        (&list[0]["status"], &list[0]["local"]),
        (&"completed".into(), &true.into())
    );
    let ended = world.a2a(&["events", &task]);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["events is for Agent Harness, not for A2A"]);
}

#[test]
fn a_task_is_cancelled_by_its_name() {
    let world = World::new();
    let speed = SPEED.to_string();
    let agent = world.agent("script");
    let ended = world.a2a(&[
        "run",
        "--agent",
        &agent,
        "work 1000",
        "--detach",
        "--speed",
        &speed,
    ]);
    let task = ended.stdout.trim_end().to_owned();
    assert!(ended.code == 0 && task.starts_with("a2a:"), "{ended:?}");
    let url = world.sim.url();
    let ended = world.a2a(&["cancel", &task, "--yes", "--allow-origin", &url]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "stopped\n"),
        "{ended:?}"
    );
}

/// Rows: P2.
#[test]
fn the_key_goes_only_where_this_command_or_the_environment_allows_it() {
    let world = World::new();
    let task = world.a2a_task("asker");
    for ended in [
        world.a2a(&["status", &task]),
        world.a2a_elsewhere(&["watch", &task]),
    ] {
        assert_eq!(ended.code, 2, "{ended:?}");
        let allow = format!("--allow-origin {}", world.sim.url());
        ended.says(&[
            "nothing in this command says that the API key is for",
            &allow,
        ]);
    }
    // What is printed works as it is.
    let ended = world.a2a(&["watch", &task, "--allow-origin", &world.sim.url()]);
    assert_eq!(ended.code, 8, "{ended:?}");
    let allowed = format!("--watch --allow-origin {}", world.sim.url());
    assert!(ended.printed("reply").ends_with(&allowed), "{ended:?}");
    // Another origin is another one, and none is none.
    for (origin, says) in [
        ("http://127.0.0.1:1", "for http://127.0.0.1:"),
        ("x", "names no origin"),
    ] {
        let ended = world.a2a(&["status", &task, "--allow-origin", origin]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[says]);
    }
}

/// Rows: P1.
#[test]
fn a_card_that_cannot_be_used_is_refused_in_words_before_anything_is_started() {
    let world = World::new();
    for (url, says) in [
        (world.agent("nobody"), "no agent card at"),
        ("http://agents.example".to_owned(), "is no agent's URL"),
        ("https://u:p@agents.example".to_owned(), "is no agent's URL"),
    ] {
        let ended = world.a2a(&["run", "--agent", &url, "x"]);
        assert_eq!(ended.code, 2, "{url}: {ended:?}");
        ended.says(&[says]);
    }
    assert!(world.sim.a2a_stats().starts == 0);
    let ended = world.a2a(&["run", "--provider", "a2a", "x"]);
    assert_eq!(ended.code, 2);
    ended.says(&["which agent?", "A2A_BASE_URL"]);
    let ended = world.a2a(&["status", "a2a:t-1"]);
    assert_eq!(ended.code, 2);
    ended.says(&["which agent is the task \"t-1\" of?"]);
}

#[test]
fn a_card_is_shown_in_words_and_as_json_and_read_again_by_its_etag() {
    let world = World::new();
    let agent = world.agent("asker");
    for _ in 0..2 {
        let shown = world.a2a(&["agents", "show", &agent]);
        assert_eq!(shown.code, 0, "{shown:?}");
        for line in [
            "agent       asker 1\n",
            "(used)\n",
            "credential  a bearer key\n",
            "skill       asker: ",
        ] {
            assert!(shown.stdout.contains(line), "{line:?} in {shown:?}");
        }
    }
    let shown = world.a2a(&["agents", "show", &agent, "--json"]).lines();
    assert_eq!(shown[0]["id"], agent);
    assert_eq!(shown[0]["config"]["used"]["binding"], "JSONRPC");
    let ended = world.a2a(&["agents", "list", "--provider", "a2a"]);
    assert_eq!(ended.code, 2);
    ended.says(&["agents show URL"]);
}

#[test]
fn a_stored_task_is_followed_without_its_card() {
    let world = World::new();
    let task = world.a2a_task("asker");
    let cards = |world: &World| {
        let log = world.sim.requests();
        log.iter()
            .filter(|one| one.path.contains("agent-card"))
            .count()
    };
    let before = cards(&world);
    let ended = world.a2a(&["watch", "--last", "--allow-origin", &world.sim.url()]);
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&[&format!("task {task}")]);
    assert_eq!(cards(&world), before);
}

#[test]
fn pieces_of_the_answer_are_lines_and_a_direct_answer_needs_no_task() {
    let world = World::new();
    let speed = SPEED.to_string();
    let agent = world.agent("artifacts");
    let lines = world
        .a2a(&["run", "--agent", &agent, "x", "--json", "--speed", &speed])
        .lines();
    let pieces = lines.iter().filter(|line| line["type"] == "output");
    let texts: Vec<&str> = pieces.filter_map(|piece| piece["text"].as_str()).collect();
    assert_eq!(
        texts[..5].concat(),
        "piece 1 piece 2 piece 3 piece 4 piece 5 "
    );
    let run = [
        "run",
        "--agent",
        &world.agent("script"),
        "reply There you are.",
    ];
    for more in [&[][..], &["--detach"]] {
        let ended = world.a2a(&[&run[..], more].concat());
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, "There you are.\n"),
            "{ended:?}"
        );
    }
    let last = world.a2a(&[&run[..], &["--json"]].concat()).last();
    assert_eq!(
        (&last["task"], &last["text"]),
        (&Value::Null, &"There you are.".into())
    );
}

/// The paths that were asked for at an agent, but for those of its card.
fn asked_at(world: &World) -> Vec<String> {
    let log = world.sim.requests().into_iter().map(|one| one.path);
    log.filter(|path| !path.contains("agent-card")).collect()
}

#[test]
fn the_binding_is_the_first_of_the_card_unless_another_one_is_chosen() {
    for (chosen, place) in [
        (&[][..], "/agents/echo/rpc"),
        (&["--binding", "http+json"][..], "/agents/echo/rest/"),
        (&["--binding", "JSONRPC"][..], "/agents/echo/rpc"),
    ] {
        let world = World::new();
        let run = [
            "run",
            "--agent",
            &world.agent("echo"),
            "Hi",
            "--speed",
            "20",
        ];
        let ended = world.a2a(&[&run[..], chosen].concat());
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, "Hi\n"),
            "{ended:?}"
        );
        let paths = asked_at(&world);
        assert!(
            !paths.is_empty() && paths.iter().all(|path| path.starts_with(place)),
            "{paths:?}"
        );
        let shown = world.a2a(&[&["agents", "show", &world.agent("echo")], chosen].concat());
        let used = place.trim_end_matches('/').to_owned() + " (used)\n";
        assert!(shown.stdout.contains(&used), "{shown:?}");
    }
    let world = World::new();
    let agent = world.agent("echo");
    let unknown = world.a2a(&["run", "--agent", &agent, "Hi", "--binding", "GRPC"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    unknown.says(&[
        "--binding \"GRPC\" is none: it is HTTP+JSON or JSONRPC",
        "Nothing was sent.",
    ]);
    let elsewhere = world.run(&["run", "--agent", "echo", "Hi", "--binding", "JSONRPC"]);
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    elsewhere.says(&["--binding is not for Nanonets"]);
    assert_eq!(world.sim.requests().len(), 0);
}

/// Rows: P1.
#[test]
fn a_binding_that_the_card_does_not_offer_is_refused_with_those_it_does() {
    let scenario = taskward_sim::Scenario::parse("[a2a]\nbindings = [\"JSONRPC\"]\n");
    let builder = taskward_sim::Sim::builder().scenario(scenario.expect("a scenario"));
    let world = World::of(builder, SPEED);
    let run = [
        "run",
        "--agent",
        &world.agent("echo"),
        "Hi",
        "--binding",
        "HTTP+JSON",
    ];
    let ended = world.a2a(&run);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&[
        "it speaks HTTP+JSON only, as it was told to",
        "the agent offers JSONRPC 1.0",
    ]);
    assert_eq!(asked_at(&world), [""; 0]);
}

#[test]
fn doctor_examines_the_agent_whose_url_is_given_by_its_own_card() {
    let world = World::new();
    let card = format!("{}/.well-known/agent-card.json", world.agent("asker"));
    let at = "the agent's card is at /agents/asker/.well-known/agent-card.json";
    let seen = |ended: &Ended, from: &str| {
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended
                .stdout
                .contains(&format!("{}, from {from}; {at}", world.sim.url())),
            "{ended:?}"
        );
        let paths = world.sim.requests().into_iter().map(|one| one.path);
        let paths: Vec<String> = paths.filter(|path| path.contains("agent")).collect();
        assert!(
            !paths.is_empty() && paths.iter().all(|path| path.starts_with("/agents/asker/")),
            "{paths:?}"
        );
    };
    seen(
        &world.a2a(&["doctor", "--live", "--agent", &card]),
        "--agent",
    );
    let mut command = bare(&["doctor", "--live", "--provider", "a2a"]);
    command
        .env("A2A_API_KEY", world.sim.a2a().api_key)
        .env("A2A_BASE_URL", world.agent("asker"));
    seen(&end(command, ""), "A2A_BASE_URL");
    let wrong = world.a2a(&["doctor", "--agent", "x", "--provider", "nanonets"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    wrong.says(&["--agent is not for Nanonets"]);
}

#[test]
fn tasks_of_one_agent_are_watched_together_and_those_of_several_by_several_commands() {
    let world = World::new();
    let origin = world.sim.url();
    let (one, two, other) = (
        world.a2a_task("echo"),
        world.a2a_task("echo"),
        world.a2a_task("work"),
    );
    let together = world.a2a(&["watch", &one, &two, "--allow-origin", &origin]);
    assert_eq!(together.code, 0, "{together:?}");
    let before = world.sim.requests().len();
    let apart = world.a2a(&["watch", &one, &other, "--allow-origin", &origin]);
    assert_eq!(apart.code, 2, "{apart:?}");
    apart.says(&[
        "tasks of several agents are watched by several commands",
        "They are on different servers.",
    ]);
    assert_eq!(world.sim.requests().len(), before);
}
