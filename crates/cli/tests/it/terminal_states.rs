//! Every way in which a task ends, however it is asked for.

use serde_json::{Value, json};
use taskward_sim::{Scenario, Sim, harness, nanonets};

use crate::common::{Ended, World};

const SPEED: u32 = 50;

/// One end of a task.
struct End {
    /// The arguments of `run` that lead to it.
    run: Vec<String>,
    /// What the server calls it.
    status: &'static str,
    code: i32,
    name: &'static str,
    /// What somebody does in the dashboard once the task is there.
    dashboard: Option<fn(&World, &str)>,
}

fn ends() -> Vec<End> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let agent = |name| words(&["run", "--agent", name, "hi"]);
    let input = |input: Value, more: &[&str]| {
        let input = input.to_string();
        let run = ["run", "--provider", "agent-harness", "--input", &input];
        words(&[&run[..], more].concat())
    };
    let end = |run, status, code, name| End {
        run,
        status,
        code,
        name,
        dashboard: None,
    };
    let stopped = |run, status, dashboard| End {
        dashboard: Some(dashboard),
        ..end(run, status, 3, "task_stopped")
    };
    let goal = || json!({ "goal": "x" });
    let slow = json!({ "scenario": "long-stream", "interval_ms": 60_000 });
    vec![
        end(agent("echo"), "completed", 0, "task.result"),
        end(agent("failing"), "failed", 3, "task_failed"),
        stopped(agent("slow"), "stopped", |world, id| {
            let stop = nanonets::DashboardAction::Stop;
            world.sim.dashboard(id, stop).expect("it runs");
        }),
        end(
            input(goal(), &["--on-approval", "approve"]),
            "succeeded",
            0,
            "task.result",
        ),
        end(
            input(goal(), &["--on-approval", "reject"]),
            "failed",
            3,
            "task_failed",
        ),
        end(
            input(json!({ "scenario": "limit" }), &[]),
            "failed",
            3,
            "task_failed",
        ),
        end(
            input(json!({ "scenario": "broken" }), &[]),
            "failed",
            3,
            "task_failed",
        ),
        stopped(input(slow, &[]), "cancelled", |world, id| {
            let stop = harness::DashboardAction::Stop;
            world.sim.harness_dashboard(id, stop).expect("it runs");
        }),
    ]
}

/// Runs it, and does in the dashboard what is to be done once the task is there.
fn played(world: &World, end: &End, args: &[&str], task: Option<&str>) -> Ended {
    let Some(dashboard) = end.dashboard else {
        return world.run(args);
    };
    let before = ids(world);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run(args));
        let id = match task {
            Some(task) => task.split_once(':').expect("a task").1.to_owned(),
            None => loop {
                if let Some(id) = ids(world).into_iter().find(|id| !before.contains(id)) {
                    break id;
                }
                assert!(!run.is_finished(), "it ended before the task was there");
                std::thread::yield_now();
            },
        };
        dashboard(world, &id);
        run.join().expect("no panic")
    })
}

fn ids(world: &World) -> Vec<String> {
    let runs = world.sim.harness_stats().per_run;
    world
        .sim
        .stats()
        .per_task
        .into_keys()
        .chain(runs.into_keys())
        .collect()
}

/// Acceptance test W2: each terminal state, through `run`, `watch`, `watch` of what is over, `status` and `result`, in
/// words and as JSON, for both platforms.
#[test]
fn w2_every_terminal_state_has_its_code_however_it_is_asked_for() {
    let broken =
        "[[run]]\nname = \"broken\"\nsteps = [{ delta = \"Trying.\" }, { fail = \"TOOL_BROKE\" }]";
    let speed = SPEED.to_string();
    let fast = ["--speed", speed.as_str(), "--timeout", "0"];
    let cell = &|end: &End, json: bool| {
        let scenario = Scenario::parse(broken).expect("a scenario");
        let world = World::of(Sim::builder().scenario(scenario), SPEED);
        let json: &[&str] = if json { &["--json"] } else { &[] };
        let check = |what: &str, ended: &Ended, watched: bool| {
            let context = format!("{} by {what}: {ended:?}", end.status);
            assert_eq!(ended.code, end.code, "{context}");
            if json.is_empty() {
                assert!(
                    ended.code == 0 || ended.stderr.contains("exit 3") || !watched,
                    "{context}"
                );
                return;
            }
            let last = ended.lines().pop().expect("a line");
            assert_eq!(last["exit"], end.code, "{context}");
            if watched {
                assert_eq!(
                    last["code"].as_str().unwrap_or("task.result"),
                    end.name,
                    "{context}"
                );
            } else {
                assert_eq!(last["status"], end.status, "{context}");
            }
        };
        let run: Vec<&str> = end.run.iter().map(String::as_str).collect();
        let ended = played(&world, end, &[&run, &fast[..], json].concat(), None);
        check("run", &ended, true);

        // The same once more, left at once and watched from outside.
        let answered = run.iter().position(|word| *word == "--on-approval");
        let start = [&run[..answered.unwrap_or(run.len())], &["--detach"]].concat();
        let task = world.run(&start).stdout.trim_end().to_owned();
        let follow = &run[answered.unwrap_or(run.len())..];
        let watch = [&["watch", &task], &fast[..], follow, json].concat();
        check("watch", &played(&world, end, &watch, Some(&task)), true);
        let again = [&["watch", &task], &fast[..], json].concat();
        check("watch of what is over", &world.run(&again), true);
        check(
            "result",
            &world.run(&[&["result", &task], json].concat()),
            true,
        );
        check(
            "status",
            &world.run(&[&["status", &task], json].concat()),
            false,
        );
    };
    std::thread::scope(|scope| {
        for end in ends() {
            scope.spawn(move || {
                cell(&end, false);
                cell(&end, true);
            });
        }
    });
}
