//! Questions: who answers, in which order, and what is printed when nobody does.

use serde_json::{Value, json};

use crate::common::{World, bare, end};

fn answers(world: &World) -> Vec<u64> {
    world
        .sim
        .stats()
        .questions
        .iter()
        .map(|question| question.answers)
        .collect()
}

#[test]
fn answers_are_used_in_order_one_for_each_question() {
    let world = World::new();
    let ended = world.fast(&[
        "run", "--agent", "chat", "one", "--answer", "two", "--answer", "three",
    ]);
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&[
        "you said \"one\"",
        "answer: two",
        "you said \"two\"",
        "answer: three",
        "you said \"three\"",
    ]);
    assert_eq!(answers(&world), [1, 1, 0]);
}

#[test]
fn an_answer_finishes_the_task_and_is_used_by_it() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("answer.txt");
    std::fs::write(&path, "in euros").expect("write");
    let at = format!("@{}", path.display());
    let ended = world.fast(&["run", "--agent", "asker", "5", "--answer", &at]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(data["answer"], "in euros");
    assert_eq!(answers(&world), [1]);
}

/// Rows: H24.
#[cfg(unix)]
#[test]
fn a_command_answers_from_the_question_it_is_given() {
    let world = World::new();
    let command = r#"sed -n 's/.*"text":"Which \([a-z]*\).*/the \1/p'"#;
    let ended = world.fast(&["run", "--agent", "asker", "5", "--on-question", command]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&ended.stdout).expect("JSON")["answer"],
        "the currency"
    );
    let silent = world.fast(&["run", "--agent", "asker", "5", "--on-question", "true"]);
    assert_eq!(silent.code, 8, "{silent:?}");
    let broken = world.fast(&[
        "run",
        "--agent",
        "asker",
        "5",
        "--on-question",
        "echo lost >&2; exit 7",
    ]);
    assert_eq!(broken.code, 8, "{broken:?}");
    broken.says(&[
        "The --on-question command failed; the question is still open.",
        "\"echo lost >&2; exit 7\", ended with exit status: 7",
        "Which currency",
        "taskward cancel nanonets:",
    ]);
    assert!(
        broken.stderr.lines().any(|line| line == "lost"),
        "{broken:?}"
    );
    assert!(broken.printed("answer").contains("reply nanonets:"));
    let run = ["run", "--agent", "asker", "5", "--json", "--on-question"];
    let lines = world.fast(&[&run[..], &["echo one >&2; echo two >&2; false"]].concat());
    let last = lines.last();
    assert_eq!(
        (
            lines.code,
            &last["code"],
            last["next"].as_array().expect("hints").len()
        ),
        (8, &json!("waiting"), 2),
        "{lines:?}"
    );
    let lines = lines.lines();
    let notes = lines.iter().filter(|line| line["code"] == "on_question");
    let notes: Vec<_> = notes
        .map(|note| (&note["text"], &note["question_id"]))
        .collect();
    let asked = lines.iter().find(|line| line["type"] == "question.opened");
    let id = &asked.expect("asked")["id"];
    assert_eq!(notes, [(&json!("one"), id), (&json!("two"), id)]);
    assert_eq!(answers(&world), [1, 0, 0, 0]);
}

#[cfg(unix)]
#[test]
fn a_command_that_never_stops_talking_is_ended_with_all_that_it_started() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let pid = dir.path().join("pid");
    let command = format!("sleep 1000 & echo $! >'{}'; yes", pid.display());
    let ended = world.fast(&["run", "--agent", "asker", "5", "--on-question", &command]);
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&["printed more than 262144 bytes", "is still open"]);
    let child = std::fs::read_to_string(&pid).expect("written");
    // Whoever inherits it may take a moment to bury it.
    let state = |pid: &str| {
        let output = std::process::Command::new("ps")
            .args(["-o", "stat=", "-p", pid])
            .output();
        String::from_utf8(output.expect("ps runs").stdout).expect("text")
    };
    let state = state(child.trim());
    assert!(state.is_empty() || state.starts_with('Z'), "{state}");
}

/// Rows: H5, H7.
#[cfg(unix)]
#[test]
fn the_printed_command_answers_as_it_stands() {
    let world = World::new();
    let task = world.start("asker");
    let waiting = world.fast(&["watch", &task]);
    assert_eq!(waiting.code, 8, "{waiting:?}");
    waiting.says(&["Which currency", &task]);
    assert_eq!(waiting.stdout, "");
    let printed = waiting.printed("answer");
    assert_eq!(
        printed,
        format!(
            "taskward reply {task} 'YOUR ANSWER' --question {} --watch",
            world.question(&task)
        )
    );
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(&printed);
    let envs = world.command(&[]);
    for (name, value) in envs.get_envs() {
        shell.env(name, value.expect("set"));
    }
    let replied = world.ended(shell, "");
    assert_eq!(replied.code, 0, "{replied:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&replied.stdout).expect("JSON")["answer"],
        "YOUR ANSWER"
    );
    assert_eq!(world.fast(&["watch", &task]).code, 0);
    assert_eq!(answers(&world), [1]);
}

/// Rows: H5, H7.
#[test]
fn nobody_to_answer_is_told_to_programs_with_the_command_that_does() {
    let world = World::new();
    let ended = world.fast(&["run", "--agent", "asker", "5", "--json"]);
    let last = ended.last();
    let task = last["task"].as_str().expect("a task");
    assert_eq!((ended.code, &last["code"]), (8, &json!("waiting")));
    let question = last["question_id"].as_str().expect("an id");
    let reply = [
        "reply",
        task,
        "YOUR ANSWER",
        "--question",
        question,
        "--watch",
    ];
    assert_eq!(ended.next_command(0), reply);
    assert_eq!(last["type"], "task.detached");
    assert_eq!(last["questions"][0]["id"], question);
    let lines = ended.lines();
    let question = lines
        .iter()
        .find(|line| line["type"] == "question.opened")
        .expect("asked");
    assert!(
        question["text"]
            .as_str()
            .expect("text")
            .starts_with("Which currency"),
        "{question}"
    );
    assert!(
        question["id"] == last["question_id"] && question["messages"].is_array(),
        "{question}"
    );
}

#[test]
fn a_reply_says_what_it_saw() {
    let world = World::new();
    let task = world.start("chat");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    // At the world's own pace: the simulator is ahead, however late a busy machine asks.
    let ended = world.run(&["reply", &task, "-v", "more"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["answer delivered", "taskward watch nanonets:"]);
    // By the first read after it the agent works, or has replied already.
    let effects = ["the task moved on", "the agent replied:"];
    assert!(
        effects.iter().any(|words| ended.stderr.contains(words)),
        "{ended:?}"
    );
    world.show(&task);
    let lines = world.run_with(&["reply", &task, "-", "--json"], "from a pipe\n");
    assert_eq!(lines.code, 0, "{lines:?}");
    assert_eq!(lines.last()["effect_seen"], true);
    let said = world.run(&["messages", &task, "--json"]);
    let users: Vec<Value> = said
        .lines()
        .into_iter()
        .filter(|line| line["role"] == "user")
        .map(|line| line["text"].clone())
        .collect();
    assert_eq!(users, [json!("hello"), json!("more"), json!("from a pipe")]);
}

#[test]
fn in_one_process_with_its_simulator_a_question_ends_both() {
    let ended = end(
        bare(&["run", "--sim", "--agent", "asker", "5", "--speed", "100"]),
        "",
    );
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&[
        "Which currency",
        "The simulator ended with this command",
        "taskward sim",
    ]);
    assert!(!ended.stderr.contains("taskward reply"), "{ended:?}");
    let ended = end(
        bare(&["run", "--sim", "--agent", "asker", "5", "--answer", "EUR"]),
        "",
    );
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// Rows: H6.
#[test]
fn a_review_in_the_dashboard_lets_the_same_run_finish() {
    let world = World::new();
    let task = world.start("reviewer");
    let id = task.trim_start_matches("nanonets:");
    assert_eq!(world.fast(&["watch", &task, "--no-wait-review"]).code, 8);
    world
        .sim
        .dashboard(id, taskward_sim::nanonets::DashboardAction::Approve)
        .expect("in review");
    let ended = world.fast(&["watch", &task]);
    assert_eq!(
        (ended.code, ended.stdout.contains("approved")),
        (0, true),
        "{ended:?}"
    );
}
