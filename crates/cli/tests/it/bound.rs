//! An answer reaches only the question that its author saw. Each test prints what a shell would show of it:
//! `cargo test -p taskward-cli --test it bound:: -- --nocapture --test-threads 1`.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use taskward_sim::{Scenario, Sim};

use crate::common::{Ended, SPEED, World};

const SCENARIO: &str = include_str!("../scenarios/two-of-each.toml");

fn world() -> World {
    let scenario = Scenario::parse(SCENARIO).expect("a scenario");
    World::of(Sim::builder().scenario(scenario), SPEED)
}

impl World {
    /// Runs a line of a shell, and shows it with all that it prints.
    fn shell(&self, line: &str) -> Ended {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        for (name, value) in self.command(&[]).get_envs() {
            shell.env(name, value.expect("set"));
        }
        let ended = self.ended(shell, "");
        println!(
            "$ {line}\n{}{}[exit {}]\n",
            ended.stdout, ended.stderr, ended.code
        );
        ended
    }

    /// What the simulator has counted, from its own endpoint.
    fn counted(&self) -> Value {
        let url = self.sim.url();
        let address = url.trim_start_matches("http://");
        let mut server = TcpStream::connect(address).expect("it listens");
        let request =
            format!("GET /_sim/stats HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        server.write_all(request.as_bytes()).expect("sent");
        let mut reply = String::new();
        server.read_to_string(&mut reply).expect("a reply");
        let body = reply.split_once("\r\n\r\n").expect("a body").1;
        let start = body.find('{').expect("JSON");
        let end = body.rfind('}').expect("JSON");
        serde_json::from_str(&body[start..=end]).expect("JSON")
    }

    /// How many signals ended each wait, and how many answers each question got, by that endpoint.
    fn answers(&self) -> (Vec<u64>, Vec<u64>) {
        let counted = self.counted();
        let list = |list: &Value, name: &str| -> Vec<u64> {
            let list = list.as_array().expect("a list").iter();
            list.map(|one| one[name].as_u64().expect("a number"))
                .collect()
        };
        let answers = (
            list(&counted["agent-harness"]["waits"], "applied"),
            list(&counted["questions"], "answers"),
        );
        println!(
            "$ curl {}/_sim/stats  # answers to each\n{answers:?}\n",
            self.sim.url()
        );
        answers
    }
}

/// Rows: H21.
#[test]
fn of_two_approvals_only_the_one_that_was_seen_is_given() {
    let world = world();
    let run = world.start_run(&json!({ "scenario": "two-approvals" }));
    let id = run.strip_prefix("agent-harness:").expect("a run");
    assert_eq!(
        world
            .shell(&format!("taskward watch {run} --speed 20"))
            .code,
        8
    );
    let first = world.shell(&format!("taskward approve {run} --speed 20"));
    assert_eq!(first.code, 0, "{first:?}");
    first.says(&[
        "Draft: the weekly update",
        "answer: approve\nanswer delivered",
    ]);
    world.wait_until(&run, "awaiting_input");
    assert_eq!(world.sim.harness_stats().waits.len(), 2, "{id}");
    let second = world.shell(&format!("taskward approve {run} --speed 20"));
    assert_eq!(second.code, 8, "{second:?}");
    second.says(&[
        "another question of this task was answered",
        "delete the old drafts, all 214",
    ]);
    // Whoever tries until it works has seen nothing of it, however often.
    let tried = world.shell(&format!(
        "n=0; until taskward approve {run} --speed 20 2>/dev/null; do n=$((n + 1)); [ $n -lt 20 ] || break; done; echo $n rounds"
    ));
    assert_eq!(tried.stdout, "20 rounds\n");
    assert_eq!(world.answers().0, [1, 0]);
    let named = world.shell(&second.printed("answer"));
    assert_eq!(named.code, 0, "{named:?}");
    assert_eq!(
        world
            .shell(&format!("taskward watch {run} --speed 20"))
            .code,
        0
    );
    let again = world.shell(&second.printed("answer"));
    assert_eq!(again.code, 0, "{again:?}");
    again.says(&["already answered: approve"]);
    assert_eq!(world.answers().0, [1, 1]);
}

/// Rows: H21, H22, H23.
#[test]
fn a_reply_goes_to_the_question_that_it_names_and_to_no_later_one() {
    let world = world();
    let task = world.start("two-questions");
    let asked = world.shell(&format!("taskward watch {task} --speed 20 --json"));
    let question = asked.last()["question_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let reply = |text: &str| {
        world.shell(&format!(
            "taskward reply {task} {text} --question {question} --speed 20"
        ))
    };
    let first = reply("EUR");
    assert_eq!(first.code, 0, "{first:?}");
    let same = reply("EUR");
    assert_eq!(same.code, 0, "{same:?}");
    same.says(&["already answered: EUR"]);
    let other = reply("USD");
    assert_eq!(other.code, 1, "{other:?}");
    other.says(&[
        "already answered from here, with another answer",
        "It was: EUR",
    ]);
    world.wait_to_ask(&task);
    // The next question was not shown since: neither is it answered, nor is a message taken for its answer.
    let unnamed = world.shell(&format!("taskward reply {task} YEN --speed 20"));
    assert_eq!(unnamed.code, 8, "{unnamed:?}");
    unnamed.says(&["Rounded to how many places?"]);
    let sent = world.shell(&format!("taskward send {task} YEN --speed 20"));
    assert_eq!(sent.code, 8, "{sent:?}");
    sent.says(&["Rounded to how many places?"]);
    assert_eq!(world.answers().1, [1, 0]);
    let printed = sent.printed("answer").replace("'YOUR ANSWER'", "2");
    assert_eq!(world.shell(&format!("{printed} --speed 20")).code, 0);
    let over = world.shell(&format!("taskward send {task} 'And now?' --speed 20"));
    assert_eq!(over.code, 2, "{over:?}");
    over.says(&["the task is completed", "taskward send --continue"]);
    let late = world.shell(&format!("taskward reply {task} late --speed 20"));
    assert_eq!(late.code, 1, "{late:?}");
    assert_eq!(world.answers().1, [1, 1]);
    let goes_on = over.printed("do it");
    let goes_on = goes_on.split("  (").next().expect("a command");
    let turn = world.shell(&format!("{goes_on} --watch"));
    assert_eq!(turn.code, 0, "{turn:?}");
    turn.says(&["starts another turn"]);
}

/// Starts a task on another machine, which asks.
fn foreign(world: &World) -> String {
    let ended = world.run_elsewhere(&["run", "--agent", "two-questions", "hi", "--detach"]);
    let task = ended.stdout.trim_end().to_owned();
    world.wait_to_ask(&task);
    task
}

/// Rows: H21.
#[test]
fn what_status_and_messages_show_may_be_answered_and_is_known_from_then_on() {
    let world = world();
    for show in ["status", "messages"] {
        let task = foreign(&world);
        assert!(!world.run(&["ls", "--local"]).stdout.contains(&task));
        let unseen = world.fast(&["reply", &task, "EUR"]);
        assert_eq!(unseen.code, 8, "{unseen:?}");
        // The refusal has shown it, and that does not count.
        assert_eq!(world.fast(&["reply", &task, "EUR"]).code, 8);
        let shown = world.run(&[show, &task]);
        let printed = shown.printed("answer");
        assert_eq!(printed, unseen_command(&task, &world.question(&task)));
        let all = shown.stdout + &shown.stderr;
        assert!(all.contains("Which currency"), "{show}: {all}");
        assert!(world.run(&["ls", "--local"]).stdout.contains(&task));
        let answered = world.fast(&["reply", &task, "EUR"]);
        assert_eq!(answered.code, 0, "{answered:?}");
        answered.says(&["Which currency", "answer: EUR\nanswer delivered\n"]);
    }
    // Whoever reads JSON gets the question in it, with its id.
    let task = foreign(&world);
    let status = world.run(&["status", &task, "--json"]).lines();
    assert_eq!(status.len(), 1, "{status:?}");
    let id = &status[0]["question"]["id"];
    let messages = world.run(&["messages", &task, "--json"]).lines();
    let asked = messages.last().expect("lines");
    assert_eq!(
        (&asked["type"], &asked["id"]),
        (&json!("question.opened"), id)
    );
    assert_eq!(world.fast(&["reply", &task, "EUR"]).code, 0);
    let run = world.start_until("approve-email", "awaiting_input");
    let status = world.run(&["status", &run]);
    assert_eq!(status.code, 8, "{status:?}");
    status.says(&["Subject: Weekly team update", "approve: taskward approve"]);
    assert_eq!(world.fast(&["approve", &run]).code, 0);
}

/// Rows: H21.
#[test]
fn whoever_reads_a_question_again_and_again_makes_no_record_that_grows() {
    let world = world();
    let task = world.start_asker();
    let size = || {
        let folder = world.state.path().join("taskward/journal");
        let files = std::fs::read_dir(&folder).expect("a journal");
        let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
        let record = paths.find(|path| path.extension().is_some_and(|kind| kind == "shown"));
        std::fs::metadata(record.expect("a record"))
            .expect("a file")
            .len()
    };
    world.show(&task);
    let once = size();
    world.show(&task);
    world.run(&["status", &task]);
    world.run(&["messages", &task, "--json"]);
    assert_eq!(size(), once);
    assert_eq!(world.fast(&["reply", &task, "EUR"]).code, 0);
}

fn unseen_command(task: &str, question: &str) -> String {
    format!("taskward reply {task} 'YOUR ANSWER' --question {question} --watch")
}

/// Rows: H21.
#[test]
fn what_is_not_kept_counts_as_not_shown() {
    let world = world();
    let run = world.start_until("approve-email", "awaiting_input");
    for show in ["watch", "status"] {
        let shown = world.run(&[show, &run, "--no-journal"]);
        assert_eq!(shown.code, 8, "{shown:?}");
        shown.says(&["--no-journal"]);
        assert_eq!(world.fast(&["approve", &run]).code, 8);
    }
    world.show(&run);
    let ended = world.fast(&["approve", &run, "--no-journal"]);
    assert_eq!(ended.code, 8, "{ended:?}");
    // Where the record cannot be written, which is told, and says that it is not kept.
    let folder = world.state.path().join("taskward/journal");
    let files = std::fs::read_dir(&folder).expect("a journal");
    let records = files.filter_map(|file| Some(file.ok()?.path()));
    let record = records.filter(|path| path.extension().is_some_and(|kind| kind == "shown"));
    for path in record.collect::<Vec<_>>() {
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("made");
    }
    let shown = world.fast(&["watch", &run]);
    shown.says(&["what was shown and answered here is not kept"]);
    assert_eq!(world.fast(&["approve", &run]).code, 8);
    assert_eq!(world.answers().0, [0]);
    let question = world.question(&run);
    let named = world.fast(&["approve", &run, "--question", &question]);
    assert_eq!(named.code, 0, "{named:?}");
}

/// Rows: H21.
#[test]
fn what_was_written_where_nobody_reads_counts_as_not_shown() {
    let world = world();
    let run = world.start_until("approve-email", "awaiting_input");
    let unread = [
        "watch RUN --speed 20 -q 2>/dev/full",
        "watch RUN --speed 20 2>/dev/full",
        "watch RUN --speed 20 -q 2>&-",
        "watch RUN --speed 20 -q 2>/dev/null",
        "watch RUN --speed 20 --json >/dev/full",
        "watch RUN --speed 20 --json >/dev/null",
        "status RUN 2>/dev/full",
        "status RUN 2>/dev/null",
        "status RUN --json >/dev/null",
    ];
    for line in unread {
        world.shell(&format!("taskward {}", line.replace("RUN", &run)));
        let ended = world.fast(&["approve", &run]);
        assert_eq!(ended.code, 8, "{line}: {ended:?}");
        ended.says(&["have not shown this question here since the last answer"]);
    }
    assert_eq!(world.answers().0, [0]);
    // What is asked for in the last words is read there.
    assert_eq!(world.shell(&format!("taskward watch {run} -q")).code, 8);
    assert_eq!(world.fast(&["approve", &run]).code, 0);
    let task = world.start_asker();
    for to in [">/dev/null", ">/dev/full"] {
        world.shell(&format!("taskward messages {task} {to}"));
        assert_eq!(world.fast(&["reply", &task, "EUR"]).code, 8, "{to}");
    }
    world.shell(&format!("taskward messages {task} 2>/dev/null"));
    assert_eq!(world.fast(&["reply", &task, "EUR"]).code, 0);
}

/// Rows: H21.
#[test]
fn an_answer_that_cannot_be_written_down_goes_to_no_question_that_is_not_named() {
    let world = world();
    let run = world.start_run(&json!({ "scenario": "two-approvals" }));
    world.wait_until(&run, "awaiting_input");
    world.show(&run);
    // A full disk, as a program sees it: no file grows any further.
    let full = |command: &str| {
        let line = format!("trap '' XFSZ; (ulimit -f 0; {command} --speed 20) 2>&1 | cat >&2; :");
        world.shell(&line)
    };
    let unnamed = full(&format!("taskward approve {run}"));
    unnamed.says(&["not kept", "so it has to be named", "exit 8"]);
    assert_eq!(world.answers().0, [0]);
    let named = full(unnamed.printed("answer").trim_end_matches(" --speed 20"));
    named.says(&["not kept", "answer delivered"]);
    world.wait_until(&run, "awaiting_input");
    assert_eq!(world.answers().0, [1, 0]);
}

#[test]
fn options_answer_what_is_asked_afterwards_and_never_the_question_that_is_named() {
    let world = world();
    let run = world.start_run(&json!({ "scenario": "two-approvals" }));
    world.wait_until(&run, "awaiting_input");
    let first = world.question(&run);
    let approve = ["approve", &run, "--watch", "--on-approval", "approve"];
    // What is open was neither shown nor named.
    let unnamed = world.fast(&approve);
    assert_eq!(unnamed.code, 8, "{unnamed:?}");
    let wrong = world.fast(&[&approve[..], &["--question", "q_0123456789abcdef"]].concat());
    assert_eq!(wrong.code, 2, "{wrong:?}");
    wrong.says(&["the agent never asked it"]);
    assert_eq!(world.answers().0, [0]);
    // The rejection that the server refuses is not made good by an approval.
    let refuse = taskward_sim::Fault::Status {
        code: 400,
        retry_after: None,
        after_bytes: None,
    };
    world.sim.set_faults(vec![
        taskward_sim::FaultRule::new(refuse).on("signal").count(1),
    ]);
    let reject = ["reject", &run, "--watch", "--on-approval", "approve"];
    let refused = world.fast(&[&reject[..], &["--question", &first]].concat());
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(world.answers().0, [0]);
    // The next is told by the very process that has the option.
    let named = world.fast(&[&approve[..], &["--question", &first]].concat());
    assert_eq!(named.code, 0, "{named:?}");
    assert_eq!(world.answers().0, [1, 1]);
    let task = world.start_asker();
    let reply = ["reply", &task, "EUR", "--watch", "--answer", "USD"];
    let unnamed = world.fast(&reply);
    assert_eq!(
        (unnamed.code, world.answers().1),
        (8, vec![0]),
        "{unnamed:?}"
    );
}

/// A server may show a question for a while that has its answer.
#[test]
fn the_question_that_is_named_is_left_to_no_option_even_where_it_still_shows() {
    let world = world();
    let run = world.start_until("approve-email", "awaiting_input");
    let question = world.question(&run);
    world.show(&run);
    let folder = world.state.path().join("taskward/journal");
    let files = std::fs::read_dir(&folder).expect("a journal");
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    let record = paths.find(|path| path.extension().is_some_and(|kind| kind == "shown"));
    let mut record = std::fs::OpenOptions::new()
        .append(true)
        .open(record.expect("a record"))
        .expect("open");
    let stand_in = "s_0123456789abcdef";
    for line in [
        json!({ "v": 1, "identified": stand_in, "as": question }),
        json!({ "v": 1, "answering": question, "answer": { "approve": true } }),
        json!({ "v": 1, "answered": question, "how": "applied" }),
    ] {
        writeln!(record, "{line}").expect("written");
    }
    for name in [stand_in, &question] {
        let approve = ["approve", &run, "--question", name, "--watch"];
        let ended = world.fast(&[&approve[..], &["--on-approval", "approve"]].concat());
        ended.says(&["already answered: approve"]);
        assert_eq!((ended.code, world.answers().0), (8, vec![0]), "{ended:?}");
    }
}

/// Rows: H22.
#[test]
fn an_answer_from_elsewhere_is_told_as_that_and_one_that_may_have_arrived_is_repeated_only_as_it_was()
 {
    let world = world();
    let run = world.start_until("approve-email", "awaiting_input");
    let question = world.question(&run);
    let approve = ["approve", &run, "--question", &question];
    let elsewhere = world.run_elsewhere(&[&approve[..], &["--speed", "20"]].concat());
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
    let late = world.fast(&approve);
    assert_eq!(late.code, 1, "{late:?}");
    late.says(&["answered elsewhere", "Nothing was sent"]);
    assert_eq!(
        world.fast(&[&approve[..], &["--json"]].concat()).last()["code"],
        "answered_elsewhere"
    );
    let run = world.start_until("approve-email", "awaiting_input");
    let question = world.question(&run);
    let lost = taskward_sim::FaultRule::new(taskward_sim::Fault::CloseBeforeHead);
    world.sim.set_faults(vec![lost.on("signal")]);
    let approve = ["approve", &run, "--question", &question];
    assert_eq!(world.fast(&approve).code, 5);
    world.sim.set_faults(Vec::new());
    let other = world.fast(&["reject", &run, "--question", &question]);
    assert_eq!(other.code, 5, "{other:?}");
    other.says(&[
        "an earlier answer to this question may or may not have arrived",
        "It was: approve",
    ]);
    assert_eq!(world.answers().0, [1, 0]);
    let same = world.fast(&approve);
    assert_eq!((same.code, world.answers().0), (0, vec![1, 1]), "{same:?}");
    world.fast(&approve).says(&["already answered: approve"]);
}

/// Rows: H22.
#[test]
fn an_answer_that_may_have_arrived_stays_in_doubt_when_another_is_refused() {
    let world = world();
    let task = world.start_asker();
    let question = world.question(&task);
    let fault = |fault| {
        let rule = taskward_sim::FaultRule::new(fault);
        world.sim.set_faults(vec![rule.on("message")]);
    };
    let reply = |text: &str, more: &[&str]| {
        let reply = ["reply", &task, text, "--question", &question];
        world.fast(&[&reply[..], more].concat())
    };
    fault(taskward_sim::Fault::CloseBeforeHead);
    assert_eq!(reply("EUR", &[]).code, 5);
    fault(taskward_sim::Fault::Status {
        code: 400,
        retry_after: None,
        after_bytes: None,
    });
    let refused = reply("USD", &["--force-new"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    world.sim.set_faults(Vec::new());
    let other = reply("YEN", &[]);
    assert_eq!(other.code, 5, "{other:?}");
    other.says(&["It was: EUR", "Nothing was sent now"]);
    assert_eq!(world.answers().1, [0]);
}

impl World {
    /// Takes the last line of a task's record back, as if its process had been killed before it was written.
    fn unwrite(&self) {
        let folder = self.state.path().join("taskward/journal");
        let files = std::fs::read_dir(folder).expect("a journal");
        let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
        let record = paths.find(|path| path.extension().is_some_and(|kind| kind == "shown"));
        let record = record.expect("a record");
        let text = std::fs::read_to_string(&record).expect("text");
        let (rest, last) = text.trim_end().rsplit_once('\n').expect("lines");
        assert!(last.contains(r#""answered":"#), "{last}");
        std::fs::write(record, format!("{rest}\n")).expect("written");
    }
}

/// Rows: H23.
#[test]
fn an_answer_that_the_journal_knows_is_already_given_whatever_the_record_had_no_time_to_say() {
    for watches_between in [false, true] {
        let world = world();
        let run = world.start_until("approve-email", "awaiting_input");
        let question = world.question(&run);
        let approve = ["approve", &run, "--question", &question];
        assert_eq!(world.fast(&approve).code, 0);
        world.unwrite();
        if watches_between {
            assert_eq!(world.fast(&["watch", &run]).code, 0);
        }
        let again = world.fast(&approve);
        assert_eq!(again.code, 0, "{again:?}");
        again.says(&["already answered: approve; nothing was sent again"]);
        assert_eq!(world.answers().0, [1]);
    }
    let world = world();
    let task = world.start_asker();
    let question = world.question(&task);
    let reply = |text| world.fast(&["reply", &task, text, "--question", &question]);
    assert_eq!(reply("EUR").code, 0);
    world.unwrite();
    let other = reply("USD");
    assert_eq!(other.code, 1, "{other:?}");
    other.says(&["It was: EUR"]);
    let again = reply("EUR");
    assert_eq!(again.code, 0, "{again:?}");
    again.says(&["already answered: EUR; nothing was sent again"]);
    assert_eq!(world.answers().1, [1]);
}

/// Rows: H22.
#[test]
fn the_question_of_another_task_is_answered_by_nobody() {
    let world = world();
    let [one, other] = [(); 2].map(|()| world.start_asker());
    let question = world.question(&other);
    world.show(&other);
    let wrong = world.fast(&["reply", &one, "EUR", "--question", &question]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    wrong.says(&[&format!("it is one of {other}"), "Nothing was sent"]);
    let json = world.fast(&["reply", &one, "EUR", "--question", &question, "--json"]);
    assert_eq!(json.last()["question_id"], question);
    // The task tells it where nothing is known of either.
    let speed = SPEED.to_string();
    let named = ["--question", &question, "--speed", &speed];
    let reply = [&["reply", &one, "EUR"][..], &named].concat();
    let elsewhere = world.run_elsewhere(&reply);
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    elsewhere.says(&[&format!("it is one of {other}")]);
    let mistyped = ["reply", &one, "EUR", "--question", "q_1", "--speed", &speed];
    let mistyped = world.run_elsewhere(&mistyped);
    assert_eq!(mistyped.code, 2, "{mistyped:?}");
    mistyped.says(&["the agent never asked it"]);
    let [one, other] = [(); 2].map(|()| world.start_until("approve-email", "awaiting_input"));
    let question = world.question(&other);
    let approve = ["approve", &one, "--question", &question, "--speed", &speed];
    assert_eq!(world.run_elsewhere(&approve).code, 2);
    assert_eq!(world.answers().0, [0, 0]);
    assert_eq!(world.answers().1, [0, 0]);
}

/// Rows: H22.
#[test]
fn a_question_that_was_changed_where_nobody_here_saw_it_is_open_no_more() {
    let world = world();
    let task = world.start_asker();
    let question = world.question(&task);
    let id = task.strip_prefix("nanonets:").expect("a task");
    let reword = taskward_sim::nanonets::DashboardAction::Reword("Which bank?".into());
    world.sim.dashboard(id, reword).expect("it asks");
    let speed = SPEED.to_string();
    let reply = [
        "reply",
        &task,
        "EUR",
        "--question",
        &question,
        "--speed",
        &speed,
    ];
    let gone = world.run_elsewhere(&reply);
    assert_eq!(gone.code, 1, "{gone:?}");
    gone.says(&[
        "this question is not open",
        "the agent may have changed it since",
        "Which bank?",
        "Nothing was sent",
    ]);
    assert_eq!(world.answers().1, [0, 0]);
}

/// Rows: H26.
#[test]
fn a_stand_in_that_was_printed_names_the_question_once_it_is_known() {
    let scenario = Scenario::parse("[agent_harness]\nwait_event_delay_ms = 600000").expect("valid");
    let world = World::of(Sim::builder().scenario(scenario), SPEED);
    let run = world.start_until("approve-email", "awaiting_input");
    let stand_in = world.question(&run);
    assert!(stand_in.starts_with("s_"), "{stand_in}");
    // Until its event is there.
    world.sim.advance(std::time::Duration::from_secs(600));
    let question = world.question(&run);
    assert!(question.starts_with("q_"), "{question}");
    let approve = ["approve", &run, "--question", &stand_in];
    let ended = world.fast(&approve);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&[
        &format!("question {question}"),
        "Subject: Weekly team update",
    ]);
    assert_eq!(world.answers().0, [1]);
    for id in [&stand_in, &question] {
        let again = world.fast(&["approve", &run, "--question", id]);
        assert_eq!(again.code, 0, "{again:?}");
        again.says(&["already answered"]);
    }
}
