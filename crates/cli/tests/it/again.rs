//! `run --again`: the same as a task that was started here, as a new one.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use taskward_sim::Sim;

use crate::common::{Ended, SPEED, World};

/// Runs a command as it was printed, in a shell with the environment of the first one and in another folder.
fn verbatim(world: &World, printed: &str) -> Ended {
    let command = printed.split("  (").next().expect("a command").trim_end();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(elsewhere.path());
    for (name, value) in world.command(&[]).get_envs() {
        shell.env(name, value.expect("set"));
    }
    world.ended(shell, "")
}

/// All that is written down.
fn journal(world: &World) -> String {
    let folder = world.state.path().join("taskward/journal");
    let files = fs::read_dir(folder).expect("a journal");
    let texts = files.map(|file| fs::read(file.expect("a file").path()).expect("readable"));
    texts
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .collect()
}

/// What a start sent, as the simulator shows it.
fn inputs(world: &World) -> Vec<(String, Value)> {
    let stats = world.sim.harness_stats();
    let runs = stats.per_run.iter();
    runs.map(|(id, run)| (id.clone(), json!([run.scenario, run.status])))
        .collect()
}

/// Nobody answers in the platform's time; the prompt came from a pipe, which is long closed.
///
/// Rows: H14, G17.
#[test]
fn the_command_printed_after_a_timeout_starts_the_same_when_it_is_run_as_it_stands() {
    let world = World::of(Sim::builder().record_bodies(), SPEED);
    let input = json!({ "scenario": "approve_email", "signal_timeout_ms": 60_000 }).to_string();
    let args = [
        "run",
        "--provider",
        "agent-harness",
        "--input",
        &input,
        "--workspace",
        "it's",
        "-",
        "--speed",
        "20",
        "--on-question",
        "sleep 60",
    ];
    let ended = world.run_with(&args, "Write to the team.");
    assert_eq!(ended.code, 3, "{ended:?}");
    let [(first, run)] = inputs(&world).try_into().expect("one run");
    assert_eq!(run, json!(["approve-email", "cancelled"]));
    let printed = ended.printed("again");
    let command = format!("taskward run --again agent-harness:{first}");
    assert!(printed.starts_with(&command), "{printed}");

    let started = verbatim(&world, &format!("{command} --detach"));
    assert_eq!(started.code, 0, "{started:?}");
    started.says(&[&format!(
        "starting a new task, the same as agent-harness:{first}; it is billed like any other"
    )]);
    let second = started
        .stdout
        .trim()
        .strip_prefix("agent-harness:")
        .expect("a run");
    let stats = world.sim.harness_stats();
    // Another key: the first one would have given the run that is over.
    assert_eq!((stats.runs, stats.starts, stats.replays), (2, 2, 0));
    assert_eq!(stats.per_run[second].scenario, "approve-email");
    let requests = world.sim.requests();
    let starts = requests.iter().filter(|it| it.endpoint == "create_run");
    let bodies: Vec<_> = starts
        .map(|it| it.request_body.clone().expect("recorded"))
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0]["input"]["goal"], "Write to the team.");
    assert_eq!(bodies[0]["workspace_id"], "it's");
    // The command as it stands follows the run; here it is answered.
    let ended = verbatim(
        &world,
        &format!("{command} --on-approval approve --speed 20"),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    // And it can be started again from the one that was started again.
    let third = format!("taskward run --again agent-harness:{second} --detach");
    assert_eq!(verbatim(&world, &third).code, 0);
    assert_eq!(world.sim.harness_stats().runs, 4);
    let lines = verbatim(&world, &format!("{command} --detach --json")).lines();
    let notes = lines.iter().filter(|line| line["type"] == "note").count();
    assert!(notes > 0, "{lines:?}");
}

/// Rows: G17.
#[test]
fn a_run_whose_start_is_not_kept_here_is_started_by_what_the_server_tells_or_by_no_command() {
    let world = World::new();
    let input = json!({ "goal": "x y", "signal_timeout_ms": 2000 }).to_string();
    let run = ["run", "--provider", "agent-harness", "--input", &input];
    let leave = ["--speed", "20", "--on-question", "sleep 60", "--no-journal"];
    let ended = world.run(&[&run[..], &leave].concat());
    assert_eq!(ended.code, 3, "{ended:?}");
    // This simulator does not show what a run was started with.
    ended.says(&["How it was started is not kept here"]);
    assert!(!ended.stderr.contains("again:"), "{ended:?}");
    let id = world
        .sim
        .harness_stats()
        .per_run
        .keys()
        .next()
        .expect("a run")
        .clone();
    let unknown = world.run(&["run", "--again", &id]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    unknown.says(&[
        "nothing is kept here of how",
        &id,
        "--no-journal",
        "taskward ls --local",
    ]);
    let nothing = world.run(&["run", "--no-journal", "--again", &id]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert_eq!(world.sim.harness_stats().starts, 1);
}

/// Rows: G17.
#[test]
fn files_are_compared_by_their_content_and_a_changed_one_is_sent_only_when_asked_for() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("invoice.csv");
    let content = "description,quantity,unit_price\nBolt,2,1.50\n";
    fs::write(&file, content).expect("written");
    let mut command = world.command(&[
        "run",
        "--agent",
        "invoice",
        "-f",
        "invoice.csv",
        "Extract.",
        "--detach",
    ]);
    command.current_dir(folder.path());
    let first = world.ended(command, "");
    assert_eq!(first.code, 0, "{first:?}");
    let again = format!("taskward run --again {} --speed 20", first.stdout.trim());
    let total = |ended: &Ended| {
        assert_eq!(ended.code, 0, "{ended:?}");
        let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        answer["total"].clone()
    };
    assert_eq!(total(&verbatim(&world, &again)), json!(3));
    // Neither what was in the file nor the key is written down; where it was and what it was are.
    let kept = journal(&world);
    assert!(!kept.contains("Bolt") && !kept.contains("Qm9sd"), "{kept}");
    assert!(kept.contains("sha256") && kept.contains(file.to_str().expect("text")));
    for secret in crate::common::secrets(&world.command(&[])) {
        assert!(!kept.contains(&secret));
    }
    // Written once more, it is the same.
    fs::remove_file(&file).expect("removed");
    fs::write(&file, content).expect("written");
    assert_eq!(total(&verbatim(&world, &again)), json!(3));

    fs::write(&file, content.replace('2', "4")).expect("written");
    let starts = world.sim.stats().starts;
    let changed = verbatim(&world, &again);
    assert_eq!(changed.code, 2, "{changed:?}");
    changed.says(&["invoice.csv is not what it was", "Nothing was sent."]);
    assert!(
        !changed.stderr.contains("starting a new task"),
        "{changed:?}"
    );
    assert_eq!(world.sim.stats().starts, starts);
    let forced = changed.printed("or");
    assert!(
        forced.starts_with("taskward run --force-new --again"),
        "{forced}"
    );
    assert_eq!(total(&verbatim(&world, &forced)), json!(6));

    fs::remove_file(&file).expect("removed");
    for command in [&again, &forced] {
        let gone = verbatim(&world, command);
        assert_eq!(gone.code, 2, "{gone:?}");
        gone.says(&["cannot read the file", "invoice.csv", "Nothing was sent."]);
    }
}

/// Rows: G17.
#[test]
fn a_start_that_was_too_large_to_keep_says_so() {
    let world = World::new();
    let prompt = "x".repeat(64 * 1024);
    let args = ["run", "--agent", "echo", "-", "--detach"];
    let first = world.run_with(&args, &prompt);
    assert_eq!(first.code, 0, "{first:?}");
    let again = world.run(&["run", "--again", first.stdout.trim()]);
    assert_eq!(again.code, 2, "{again:?}");
    again.says(&[
        "at most 65536 are kept",
        "the command that it was first started with",
    ]);
    let both = world.run(&["run", "--again", first.stdout.trim(), "hello"]);
    assert_eq!(both.code, 2, "{both:?}");
    assert_eq!(world.sim.stats().starts, 1);
}

/// Rows: G17, L5.
#[test]
fn a_prompt_in_which_the_key_stands_is_not_kept() {
    let world = World::new();
    let key = world.sim.nanonets().api_key;
    let args = ["run", "--agent", "slow", "-", "--detach"];
    let first = world.run_with(&args, &format!("Use it:\n{key}"));
    assert_eq!(first.code, 0, "{first:?}");
    assert!(!journal(&world).contains(&key));
    let again = world.run(&["run", "--again", first.stdout.trim()]);
    assert_eq!(again.code, 2, "{again:?}");
    again.says(&["held the API key"]);
}
