//! `taskward batch`: each job once under its key, however often it is run, and whatever is in the way.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule};

use crate::common::{Ended, SPEED, World, bare, end};

/// A folder with jobs and their results.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn of(jobs: &[Value]) -> Self {
        let lines: Vec<String> = jobs.iter().map(|job| format!("{job}\n")).collect();
        Self::of_text(&lines.concat())
    }

    fn of_text(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("jobs.jsonl"), text).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// The words of a batch with a file of results.
    fn words(&self, more: &[&str]) -> Vec<String> {
        let (jobs, results) = (self.name("jobs.jsonl"), self.name("results.jsonl"));
        let speed = SPEED.to_string();
        let words = ["batch", &jobs, "-o", &results, "--speed", &speed];
        words
            .iter()
            .chain(more)
            .map(|&word| word.to_owned())
            .collect()
    }

    fn run(&self, world: &World, more: &[&str]) -> Ended {
        let words = self.words(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.run(&words)
    }

    /// The results, line by line.
    fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("results.jsonl")).expect("results");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("JSON")
    }

    fn keys(&self) -> BTreeSet<String> {
        let results = self.results();
        let keys = results
            .iter()
            .map(|line| line["key"].as_str().expect("a key").to_owned());
        let keys: BTreeSet<String> = keys.collect();
        assert_eq!(keys.len(), results.len(), "a line for each: {results:?}");
        keys
    }
}

fn orders(count: usize) -> Vec<Value> {
    let order = |number| json!({ "key": format!("order-{number}"), "agent": "echo", "text": format!("number {number}") });
    (0..count).map(order).collect()
}

/// Rows: G18.
#[test]
fn each_job_has_a_line_with_its_answer_and_a_second_run_starts_nothing() {
    let (world, place) = (World::new(), Place::of(&orders(10)));
    let ended = place.run(&world, &["--limit", "4"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    ended.says(&["10 jobs: 10 succeeded; results in "]);
    assert_eq!(place.keys().len(), 10);
    for line in place.results() {
        let number = line["key"]
            .as_str()
            .expect("a key")
            .replace("order-", "number ");
        assert_eq!(
            (
                &line["type"],
                &line["outcome"],
                &line["exit"],
                &line["text"]
            ),
            (
                &json!("batch.job"),
                &json!("succeeded"),
                &json!(0),
                &json!(number)
            )
        );
        let task = line["task"].as_str().expect("a task");
        assert_eq!(world.run(&["status", task]).code, 0);
        let intent = line["intent_id"].as_str().expect("an id");
        assert!(intent.starts_with("n-"), "{line}");
    }
    let again = place.run(&world, &[]);
    assert_eq!(again.code, 0, "{again:?}");
    again.says(&["every job has a result: nothing is started"]);
    // Without the results the journal knows what was started.
    std::fs::remove_file(place.path("results.jsonl")).expect("removed");
    assert_eq!(place.run(&world, &[]).code, 0);
    assert_eq!(place.keys().len(), 10);
    assert_eq!(world.sim.stats().starts, 10);
}

#[test]
fn without_a_file_the_lines_go_to_stdout_and_with_json_everything_is_a_line() {
    let (world, place) = (World::new(), Place::of(&orders(3)));
    let jobs = place.name("jobs.jsonl");
    let ended = world.fast(&["batch", &jobs, "--quiet"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let keys: BTreeSet<String> = ended
        .lines()
        .iter()
        .map(|line| line["key"].to_string())
        .collect();
    assert_eq!(keys.len(), 3, "{ended:?}");
    let ended = world.fast(&["batch", &jobs, "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let last = ended.last();
    assert_eq!(
        (
            &last["type"],
            &last["jobs"],
            &last["succeeded"],
            &last["exit"]
        ),
        (&json!("batch"), &json!(3), &json!(3), &json!(0))
    );
    assert_eq!(ended.lines().len(), 4);
    assert_eq!(world.sim.stats().starts, 3);
}

/// Rows: G21.
#[test]
fn a_last_line_that_was_cut_short_is_written_again() {
    let (world, place) = (World::new(), Place::of(&orders(3)));
    assert_eq!(place.run(&world, &[]).code, 0);
    let path = place.path("results.jsonl");
    let whole = std::fs::read(&path).expect("results");
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .expect("lines")
        + 1;
    for cut in [last + 1, last + 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).expect("cut");
        let ended = place.run(&world, &[]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.says(&["was cut short, and is written again"]);
        assert_eq!(place.keys().len(), 3);
    }
    assert_eq!(world.sim.stats().starts, 3);
}

#[test]
fn a_task_that_asks_is_left_and_told_with_the_command_that_answers_it() {
    let mut jobs = orders(2);
    jobs.push(json!({ "key": "asks", "agent": "asker", "text": "Convert 5." }));
    let (world, place) = (World::new(), Place::of(&jobs));
    let ended = place.run(&world, &[]);
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&[
        "waiting for an answer:\n  asks  nanonets:",
        "Which currency should the answer be in?",
        "3 jobs: 2 succeeded, 1 waiting",
        "go on: taskward batch ",
    ]);
    assert_eq!(place.keys().len(), 2);
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains("taskward reply "));
    let command = line
        .expect("a command")
        .split_once("taskward ")
        .expect("a command")
        .1;
    let words: Vec<&str> = command
        .split_whitespace()
        .filter(|word| *word != "--watch")
        .collect();
    let words = words.join(" ").replace("'YOUR ANSWER'", "EUR");
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(world.run(&words).code, 0, "{command}");
    let ended = place.run(&world, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((place.keys().len(), world.sim.stats().starts), (3, 3));
}

#[test]
fn options_answer_the_questions_of_each_job() {
    let asks = |key: &str| json!({ "key": key, "agent": "asker", "text": key });
    let (world, place) = (World::new(), Place::of(&["a", "b", "c"].map(asks)));
    let ended = place.run(&world, &["--answer", "EUR"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let answered = |line: &Value| line["data"]["answer"] == "EUR";
    assert!(
        place.results().iter().all(answered),
        "{:?}",
        place.results()
    );
    let goals = ["d", "e"].map(|key| json!({ "key": key, "text": "Write to the team." }));
    let place = Place::of(&goals);
    let harness = ["--provider", "agent-harness"];
    let waiting = place.run(&world, &harness);
    assert_eq!(waiting.code, 8, "{waiting:?}");
    waiting.says(&["taskward approve agent-harness:"]);
    let ended = place.run(
        &world,
        &[&harness[..], &["--on-approval", "approve"]].concat(),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.sim.harness_stats().starts, 2);
}

#[test]
fn a_job_that_ends_badly_has_a_line_that_says_why() {
    let mut jobs = orders(1);
    jobs.push(json!({ "key": "bad", "agent": "failing", "text": "x" }));
    let (world, place) = (World::new(), Place::of(&jobs));
    for again in [false, true] {
        let ended = place.run(&world, &[]);
        assert_eq!(ended.code, 3, "{ended:?}");
        ended.says(&["2 jobs: 1 succeeded, 1 ended badly", "1 job ended badly"]);
        assert_eq!(
            ended.stderr.contains("bad  the task failed: "),
            !again,
            "{ended:?}"
        );
    }
    let results = place.results();
    let bad = results
        .iter()
        .find(|line| line["key"] == "bad")
        .expect("a line");
    assert_eq!(
        (&bad["outcome"], &bad["exit"]),
        (&json!("task_failed"), &json!(3))
    );
    assert!(
        bad["message"]
            .as_str()
            .expect("words")
            .contains("account 4711 is closed"),
        "{bad}"
    );
    assert_eq!(world.sim.stats().starts, 2);
}

/// Rows: G18.
#[test]
fn a_start_of_unknown_outcome_is_told_with_its_candidates_and_never_made_again() {
    let (world, place) = (World::new(), Place::of(&orders(3)));
    let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
    world
        .sim
        .set_faults(vec![FaultRule::new(lost).on("run").count(1)]);
    let mut command = String::new();
    for _ in 0..2 {
        let ended = place.run(&world, &["--limit", "1"]);
        assert_eq!(ended.code, 5, "{ended:?}");
        ended.says(&[
            "unconfirmed, and not sent again:\n  order-0  intent n-",
            "may be nanonets:",
            "same first message",
            "3 jobs: 2 succeeded, 1 unconfirmed",
        ]);
        let adopt = ended
            .stderr
            .lines()
            .find_map(|line| line.split_once("adopt: taskward "));
        command = adopt.expect("a command").1.to_owned();
        assert_eq!((place.keys().len(), world.sim.stats().starts), (2, 3));
    }
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(world.run(&words).code, 0, "{command}");
    assert_eq!(place.run(&world, &[]).code, 0);
    assert_eq!((place.keys().len(), world.sim.stats().starts), (3, 3));
}

/// Rows: G18.
#[test]
fn a_start_of_unknown_outcome_is_sent_again_under_its_key() {
    let goals =
        ["a", "b"].map(|key| json!({ "key": key, "input": { "scenario": "limit", "goal": key } }));
    let (world, place) = (World::new(), Place::of(&goals));
    let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
    world
        .sim
        .set_faults(vec![FaultRule::new(lost).on("create_run")]);
    let harness = ["--provider", "agent-harness"];
    let ended = place.run(&world, &harness);
    assert_eq!(ended.code, 5, "{ended:?}");
    world.sim.set_faults(Vec::new());
    // Such a run ends at a limit of its own.
    assert_eq!(place.run(&world, &harness).code, 3);
    assert_eq!(
        (place.keys().len(), world.sim.harness_stats().starts),
        (2, 2)
    );
}

/// Rows: G20.
#[test]
#[cfg(unix)]
fn ctrl_c_stops_the_batch_with_everything_recorded_and_it_goes_on_when_it_is_run_again() {
    use crate::signals::{signal, spawn};
    let slow =
        |number| json!({ "key": format!("slow-{number}"), "agent": "echo", "text": "Wait." });
    let jobs: Vec<Value> = (0..6).map(slow).collect();
    let (world, place) = (World::new(), Place::of(&jobs));
    // By a clock that is not as fast as the simulator's: no end is seen before the signal.
    let (file, results) = (place.name("jobs.jsonl"), place.name("results.jsonl"));
    let words = ["batch", &file, "-o", &results, "--limit", "3"];
    let child = spawn(world.command(&words));
    while world.sim.stats().starts < 3 {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(130), "{said}");
    for words in [
        "6 jobs: 3 still running, 3 not begun",
        "Interrupted. The tasks keep running.",
        "go on: taskward batch ",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert_eq!(world.sim.stats().starts, 3);
    let ended = place.run(&world, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((place.keys().len(), world.sim.stats().starts), (6, 6));
}

/// Rows: G18.
#[test]
#[cfg(unix)]
fn a_batch_that_is_killed_goes_on_when_it_is_run_again() {
    use crate::signals::{signal, spawn};
    let world = World::new();
    let agent = world.agent("work");
    let job = |number| json!({ "key": format!("a-{number}"), "text": format!("number {number}") });
    let jobs: Vec<Value> = (0..12).map(job).collect();
    let place = Place::of(&jobs);
    let words = place.words(&["--agent", &agent, "--limit", "4"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = || {
        let mut command = world.command(&words);
        command.env("A2A_API_KEY", world.sim.a2a().api_key);
        command
    };
    for kill in 1..=2 {
        let mut child = spawn(command());
        while world.sim.a2a_stats().tasks < 4 * kill {
            std::thread::yield_now();
        }
        signal(&child, "-KILL");
        child.wait().expect("it ends");
    }
    let ended = world.ended(command(), "");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((place.keys().len(), world.sim.a2a_stats().tasks), (12, 12));
}

#[test]
fn a_key_that_is_refused_ends_the_batch_at_once() {
    let (world, place) = (World::new(), Place::of(&orders(40)));
    let jobs = place.name("jobs.jsonl");
    let mut command = world.command(&["batch", &jobs, "--limit", "2"]);
    command.env("NANONETS_API_KEY", "sim:none-of-ours");
    let ended = end(command, "");
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(world.sim.stats().starts, 0);
    assert!(
        world.sim.requests().len() < 10,
        "{:?}",
        world.sim.requests().len()
    );
}

/// Rows: G19, G21.
#[test]
fn what_makes_no_sense_is_refused_with_its_line_before_anything_is_started() {
    let good = json!({ "key": "a", "agent": "echo", "text": "x" }).to_string();
    let with = |line: &str| format!("{good}\n{line}\n");
    for (text, words) in [
        (
            with(&good),
            &["line 2 of ", "line 1 has the same key, \"a\""][..],
        ),
        (
            with("{"),
            &["line 2 of ", "it is not JSON: ", "at column 1"],
        ),
        (with("[]"), &["it is no JSON object"]),
        (with(r#"{"text":"x"}"#), &["it has no \"key\""]),
        (with(r#"{"key":"","text":"x"}"#), &["its key is empty"]),
        (with(r#"{"key":7,"text":"x"}"#), &["\"key\" is no text"]),
        (
            with(r#"{"key":"a\u0007","text":"x"}"#),
            &["control characters"],
        ),
        (with(r#"{"key":"b"}"#), &["there is nothing to run"]),
        (with(r#"{"key":"b","text":"-"}"#), &["reads no stdin"]),
        (with(r#"{"key":"b","files":["-"]}"#), &["reads no stdin"]),
        (
            with(r#"{"key":"b","files":"a.pdf"}"#),
            &["\"files\" is no array"],
        ),
        (
            with(r#"{"key":"b","files":["/no/such.pdf"]}"#),
            &["line 2 of ", "/no/such.pdf"],
        ),
        (
            with(r#"{"key":"b","text":"x","metadata":{}}"#),
            &["\"metadata\" is not for Nanonets"],
        ),
        (
            with(r#"{"key":"b","text":"x","promt":"y"}"#),
            &["no job has a field \"promt\""],
        ),
        (
            with(r#"{"key":"b","data":1e-999}"#),
            &["which would arrive as 0.0"],
        ),
        (
            with("1\n2\n3\n4\n5\n6"),
            &["6 lines of ", "line 6 of ", "and 1 more"],
        ),
        (String::new(), &["there are no jobs in "]),
        ("\n \n".to_owned(), &["there are no jobs in "]),
    ] {
        let place = Place::of_text(&text);
        let ended = end(bare(&["batch", &place.name("jobs.jsonl")]), "");
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (2, ""),
            "{text}: {ended:?}"
        );
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} in {ended:?}");
        }
    }
    let agents = ["https://a.example/x", "https://a.example/y"];
    let agents = agents.map(|agent| json!({ "key": agent, "agent": agent, "text": "x" }));
    let place = Place::of(&agents);
    let ended = end(bare(&["batch", &place.name("jobs.jsonl")]), "");
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["line 2 of ", "a batch goes to one agent of A2A"]);
}

#[test]
fn files_that_cannot_be_used_are_refused_before_anything_is_started() {
    let world = World::new();
    let place = Place::of(&orders(1));
    let jobs = place.name("jobs.jsonl");
    std::fs::hard_link(&jobs, place.path("same.jsonl")).expect("a link");
    let text = |name: &str, text: &str| {
        std::fs::write(place.path(name), text).expect("written");
        place.name(name)
    };
    let (notes, cut) = (text("notes.txt", "notes\n"), text("cut.txt", "no line"));
    let here = place.folder.path().to_str().expect("UTF-8");
    let same = place.name("same.jsonl");
    for (words, said) in [
        (
            &["batch", "/no/such.jsonl"][..],
            "cannot read the jobs in /no/such.jsonl: ",
        ),
        (&["batch", here], "cannot read the jobs in "),
        (
            &["batch", &jobs, "--limit", "0"],
            "a number of jobs, 1 or more",
        ),
        (
            &["batch", &jobs, "--on-approval", "ask"],
            "a batch asks nobody",
        ),
        (
            &["batch", &jobs, "--on-approval", "approve"],
            "is not for Nanonets",
        ),
        (&["batch", &jobs, "--no-journal"], "--no-journal"),
        (&["batch", &jobs, "-o", &jobs], "it is the file of the jobs"),
        (&["batch", &jobs, "-o", &same], "it is the file of the jobs"),
        (&["batch", &jobs, "-o", here], "it is no file"),
        (
            &["batch", &jobs, "-o", "/no/such/results"],
            "cannot write the results to /no/such/results: ",
        ),
        (
            &["batch", &jobs, "-o", &notes],
            "its line 1 is no result of a batch",
        ),
        (
            &["batch", &jobs, "-o", &cut],
            "its last line is no result of a batch",
        ),
    ] {
        let ended = world.run(words);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (2, ""),
            "{words:?}: {ended:?}"
        );
        ended.says(&[said]);
    }
    assert_eq!(world.sim.stats().starts, 0);
    assert_eq!(std::fs::read_to_string(notes).expect("notes"), "notes\n");
    assert_eq!(std::fs::read_to_string(cut).expect("text"), "no line");
    // Whoever writes results holds their file.
    let results = place.name("results.jsonl");
    let mut held = std::fs::File::create(&results).expect("a file");
    held.lock().expect("a lock");
    held.flush().expect("flushed");
    let ended = world.run(&["batch", &jobs, "-o", &results]);
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&["another batch is writing to "]);
}
