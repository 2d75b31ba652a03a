//! `taskward doctor`: this machine, the way to a server, and what is assumed of the platforms.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};
use taskward_sim::{Scenario, Sim};

use crate::common::{Ended, World, bare, end, secrets};

/// A reply with this head and body.
fn reply(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A server on loopback that says the same to every request; its URL.
fn says(reply: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let reply = reply.into();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let Ok(mut tcp) = tcp else { return };
            let mut head = [0; 4096];
            // Every request here is one head.
            if tcp.read(&mut head).is_ok_and(|read| read > 0) {
                let _ = tcp.write_all(&reply);
            }
        }
    });
    format!("http://{address}")
}

/// Runs `doctor` with an account of this server.
fn doctor(url: &str, args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = bare(&[&["doctor", "--json"], args].concat());
    command
        .env("NANONETS_API_KEY", "canary-of-the-doctor")
        .env("NANONETS_BASE_URL", url)
        .envs(env.iter().copied());
    end(command, "")
}

/// The checks of this result, `ABOUT: MESSAGE`, with their hints.
fn checks(ended: &Ended, result: &str) -> Vec<String> {
    let lines = ended.lines().into_iter();
    let checks = lines.filter(|line| line["type"] == "check" && line["result"] == result);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shown = checks.map(|line| {
        format!(
            "{}: {} ({})",
            text(&line["about"]),
            text(&line["message"]),
            text(&line["hint"])
        )
    });
    shown.collect()
}

/// Asserts that one problem is found, which says this.
fn problem(ended: &Ended, words: &[&str]) {
    let found = checks(ended, "problem");
    let says = |line: &&String| words.iter().all(|word| line.contains(word));
    assert!(
        found.iter().any(|line| says(&line)),
        "{words:?} in {found:#?}"
    );
    assert_eq!(ended.code, 6, "{ended:?}");
    let last = ended.last();
    assert_eq!(
        (&last["code"], &last["exit"]),
        (&json!("findings"), &json!(6))
    );
    // All checks of this machine are shown, whatever is wrong elsewhere.
    for about in ["setting", "journal", "clock"] {
        assert!(
            ended.lines().iter().any(|line| line["about"] == about),
            "{about} in {ended:?}"
        );
    }
}

/// The assumptions with this result: `PROVIDER ID`.
fn assumptions(ended: &Ended, result: &str) -> Vec<String> {
    let lines = ended.lines().into_iter();
    let judged = lines.filter(|line| line["type"] == "assumption" && line["result"] == result);
    let name = |line: Value| {
        format!(
            "{} {}",
            line["provider"].as_str().expect("a name"),
            line["id"].as_str().expect("an id")
        )
    };
    judged.map(name).collect()
}

fn switched(switches: &str) -> World {
    let scenario = Scenario::parse(switches).expect("a scenario");
    World::of(Sim::builder().scenario(scenario), 200)
}

/// Ten plausible differences of the real platforms.
const TEN: &str = r#"
[switches]
message_envelope = "messages"
content_shape = "blocks"
feed_field = "steps"
answer_field = "answer"
fractional_seconds = true
list_end = "absent"
clamp_limit = true

[agent_harness]
auth_codes = "quickstart"
events_wrapper = "data"
run_not_found_status_code = 403
"#;

/// Rows: O1.
#[test]
fn ten_turned_switches_are_each_reported_as_different_and_none_breaks_anything() {
    let world = switched(TEN);
    let start = |provider: &str, what: &str| {
        let args = [
            "doctor",
            "--live",
            "--json",
            "--yes",
            "--provider",
            provider,
            "--start",
            what,
        ];
        world.run(&args)
    };
    let (nanonets, harness) = (
        start("nanonets", "echo"),
        start("agent-harness", "Say hello."),
    );
    let mut different = assumptions(&nanonets, "different");
    different.extend(assumptions(&harness, "different"));
    let expected = [
        // answer_field, fractional_seconds, feed_field
        "nanonets summary-result",
        "nanonets result-feed",
        "nanonets message-content",
        "nanonets message-list",
        "nanonets times",
        // The two fields of other names are fields that nobody knows.
        "nanonets known-fields",
        "nanonets list-end",
        "nanonets limit-refused",
        "agent-harness events-wrapper",
        "agent-harness no-run",
        "agent-harness wrong-key-code",
    ];
    assert_eq!(different, expected);
    for (ended, count) in [(&nanonets, 8), (&harness, 3)] {
        assert_eq!(ended.code, 6, "{ended:?}");
        assert_eq!(checks(ended, "problem"), [""; 0]);
        let lines = ended.lines();
        let sum = lines
            .iter()
            .find(|line| line["type"] == "doctor")
            .expect("a sum");
        assert_eq!(
            (&sum["different"], &sum["exit"]),
            (&json!(count), &json!(6))
        );
        let seen = |line: &Value| !line["seen"].as_str().expect("words").is_empty();
        let mut judged = lines.iter().filter(|line| line["type"] == "assumption");
        assert!(judged.all(seen));
    }
    // In words, from the recording alone.
    let lines = nanonets.lines();
    let sum = lines
        .iter()
        .find(|line| line["type"] == "doctor")
        .expect("a sum");
    let recording = sum["recording"].as_str().expect("a path");
    let words = end(bare(&["doctor", "--replay", recording]), "");
    assert_eq!(words.code, 6, "{words:?}");
    for line in [
        "different  message-list: the messages of a task stand in data\n             seen: no data; there are messages\n",
        "different  times: times are RFC 3339 in UTC, with Z and whole seconds\n",
        "it takes: doctor makes no such request\n",
    ] {
        assert!(words.stdout.contains(line), "{line} in {}", words.stdout);
    }
    words.says(&["found: 8 assumptions that do not hold", "exit 6"]);
}

/// Rows: O1, O9.
#[test]
fn the_simulator_is_as_assumed_and_its_recording_holds_no_key_no_id_and_no_prompt() {
    let world = switched("");
    world.run(&["run", "--agent", "echo", "canary of a prompt", "--detach"]);
    let file = world.state.path().join("found.jsonl");
    let path = file.to_str().expect("text");
    let args = [
        "doctor", "--live", "--yes", "--start", "echo", "--record", path,
    ];
    let ended = world.run(&args);
    assert_eq!(ended.code, 0, "{ended:?}");
    for words in [
        "it is Nanonets, and takes the key",
        " 0 different",
        "All is well",
        path,
    ] {
        assert!(ended.stdout.contains(words), "{words} in {ended:?}");
    }
    ended.says(&["started nanonets:", "it is read until it ends or waits"]);
    let text = fs::read_to_string(&file).expect("a recording");
    for secret in secrets(&world.command(&[])) {
        assert!(!text.contains(&secret), "{text}");
    }
    assert!(!text.contains("canary") && !text.contains("echo"), "{text}");
    for task in world.sim.stats().per_task.keys() {
        assert!(!text.contains(task), "{text}");
    }
    let both = world.run(&["doctor", "--live", "--json"]);
    assert_eq!(both.code, 0, "{both:?}");
    let lines = both.lines();
    let sum = lines.last().expect("a line");
    assert_eq!(
        (&sum["type"], &sum["exit"], &sum["differences"]),
        (&json!("doctor"), &json!(0), &json!(0))
    );
    let sent = world.sim.requests();
    assert!(
        sent.iter().filter(|sent| sent.method == "POST").count() == 2,
        "{sent:?}"
    );
}

/// Rows: O3.
#[test]
fn what_is_not_the_platform_is_called_so_and_proves_nothing() {
    for (body, words) in [
        (
            reply("200 OK\r\nContent-Type: text/html", "<html>Log in</html>"),
            "a web page",
        ),
        (
            reply("200 OK\r\nContent-Type: application/json", "{}"),
            "other JSON with status 200",
        ),
        (
            reply(
                "404 Not Found\r\nContent-Type: application/json",
                r#"{"error":"no route"}"#,
            ),
            "other JSON with status 404",
        ),
        (reply("200 OK", ""), "nothing with status 200"),
        (
            reply("502 Bad Gateway", "upstream"),
            "something that is not JSON",
        ),
    ] {
        let server = says(body);
        let ended = doctor(&server, &["--live"], &[]);
        problem(&ended, &["is not Nanonets as it is known", words]);
        assert_eq!(assumptions(&ended, "different"), [""; 0]);
        assert_eq!(assumptions(&ended, "confirmed"), [""; 0]);
        assert!(!assumptions(&ended, "not_seen").is_empty());
    }
    let elsewhere = reply("302 Found\r\nLocation: https://login.example/", "");
    let ended = doctor(&says(elsewhere), &["--live"], &[]);
    problem(&ended, &["connection: ", "login.example", "a login page"]);
    // Without a key, too.
    let page = says(reply("200 OK", "<!doctype html><title>Log in</title>"));
    problem(&doctor(&page, &[], &[]), &["what answers is a web page"]);
    // Something that speaks no HTTP.
    problem(
        &doctor(&says("SSH-2.0-x\r\n"), &["--live"], &[]),
        &["connection: "],
    );
}

/// Rows: O9.
#[test]
fn a_key_that_a_server_says_back_is_in_no_recording() {
    let key = "canary-of-the-doctor";
    let listed = json!({
        "data": [{ "task_id": key, "id": key, "status": key, key: key, "title": [key, { key: 1 }] }],
        "has_more": false, "next_cursor": key, "error": key, "reason_code": key,
    });
    let stream = format!("event: {key}\nid: {key}\ndata: {listed}\n\n: {key}\n\n");
    for (media, body) in [
        ("application/json", listed.to_string()),
        ("text/event-stream", stream),
        ("text/html", format!("<html>{key}</html>")),
    ] {
        for status in ["200 OK", "401 No", "404 No"] {
            let head = format!(
                "{status}\r\nContent-Type: {media}\r\nX-Key: {key}\r\nX-{key}: x\r\nRetry-After: {key}"
            );
            let server = says(reply(&head, &body));
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("found.jsonl");
            let path = file.to_str().expect("text");
            doctor(&server, &["--live", "--record", path], &[]);
            let recorded = fs::read_to_string(&file).expect("a recording");
            assert!(!recorded.contains(key), "{status} {media}: {recorded}");
        }
    }
}

/// Rows: O4.
#[test]
fn a_wrong_key_and_a_missing_one_are_told_beside_all_else() {
    let world = World::new();
    let mut command = world.command(&["doctor", "--live", "--json"]);
    command
        .env("NANONETS_API_KEY", "sim_key_of_nobody")
        .env_remove("AGENT_HARNESS_API_KEY");
    let ended = end(command, "");
    problem(&ended, &["key: the server rejects the API key"]);
    assert_eq!(assumptions(&ended, "different"), [""; 0]);
    let without = |args: &[&str]| {
        let mut command = world.command(args);
        command
            .env_remove("NANONETS_API_KEY")
            .env_remove("AGENT_HARNESS_API_KEY");
        end(command, "")
    };
    problem(
        &without(&["doctor", "--live", "--json"]),
        &["--live needs a key"],
    );
    // Nothing is missing where none is needed.
    let ended = without(&["doctor", "--json"]);
    assert_eq!(
        (ended.code, checks(&ended, "problem").len()),
        (0, 0),
        "{ended:?}"
    );
    let unknown = checks(&ended, "unknown");
    let keys = unknown
        .iter()
        .filter(|line| line.starts_with("key: there is no API key"));
    assert_eq!(keys.count(), 2, "{unknown:?}");
    assert!(world.sim.requests().iter().all(|sent| sent.method == "GET"));
}

/// Rows: O5.
#[test]
fn offline_the_step_that_fails_is_named() {
    let ended = doctor("https://nothing.invalid", &["--live"], &[]);
    problem(&ended, &["name: nothing.invalid has no address"]);
    let problems = checks(&ended, "problem");
    assert_eq!(problems.len(), 1, "said once: {problems:?}");
    let ended = doctor("http://127.0.0.1:1", &["--live"], &[]);
    problem(
        &ended,
        &[
            "connection: ",
            "127.0.0.1:1",
            "refused",
            "check the network",
        ],
    );
    assert_eq!(assumptions(&ended, "different"), [""; 0]);
    let proxy = [("HTTPS_PROXY", "http://127.0.0.1:1")];
    let ended = doctor("https://nothing.invalid", &[], &proxy);
    problem(&ended, &["proxy: ", "127.0.0.1:1"]);
    let told = checks(&ended, "ok");
    assert!(
        told.iter()
            .any(|line| line.contains("proxy: 127.0.0.1:1, from HTTPS_PROXY")),
        "{told:?}"
    );
    // Why none applies.
    let exempt = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("NO_PROXY", "nothing.invalid"),
    ];
    let told = checks(&doctor("https://nothing.invalid", &[], &exempt), "ok");
    assert!(
        told.iter()
            .any(|line| line.contains("NO_PROXY exempts the server")),
        "{told:?}"
    );
    let told = checks(&doctor("http://127.0.0.1:1", &[], &proxy), "ok");
    assert!(
        told.iter()
            .any(|line| line.contains("never reached through a proxy")),
        "{told:?}"
    );
    problem(
        &doctor("ftp://x", &[], &[]),
        &["server: ", "neither https nor http"],
    );
}

/// Rows: O6.
#[test]
fn a_clock_two_years_off_is_noticed() {
    for (date, words) in [
        ("Sat, 01 Jan 2000 00:00:00 GMT", "ahead of that of Nanonets"),
        ("Thu, 01 Jan 2099 00:00:00 GMT", "behind that of Nanonets"),
    ] {
        let head = format!("401 No\r\nContent-Type: application/json\r\nDate: {date}");
        let server = says(reply(&head, r#"{"error":"no"}"#));
        for args in [&[][..], &["--live"]] {
            problem(
                &doctor(&server, args, &[]),
                &["clock: this machine's clock is ", "years", words, "NTP"],
            );
        }
    }
    let silent = says(reply("401 No", "{}"));
    let unknown = checks(&doctor(&silent, &[], &[]), "unknown");
    assert!(unknown[0].contains("cannot be compared"), "{unknown:?}");
}

/// Rows: O7.
#[cfg(target_os = "linux")]
#[test]
fn with_a_full_disk_all_findings_are_shown_and_the_recording_is_missed() {
    let world = switched(TEN);
    let ended = world.run(&["doctor", "--live", "--record", "/dev/full"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("different  limit-refused"),
        "{ended:?}"
    );
    assert!(!ended.stdout.contains("Recording:"), "{ended:?}");
    ended.says(&[
        "the recording cannot be written to /dev/full",
        "No space left",
        "stands above",
    ]);
    let lines = world
        .run(&["doctor", "--live", "--json", "--record", "/nowhere/x"])
        .lines();
    assert_eq!(lines.last().expect("a line")["code"], "output");
    let sum = lines
        .iter()
        .find(|line| line["type"] == "doctor")
        .expect("a sum");
    assert_eq!(sum["recording"], Value::Null);
}

/// Rows: O10.
#[test]
fn nothing_is_started_without_a_confirmation_and_a_lost_start_is_not_repeated() {
    let world = World::new();
    let refused = world.run(&["doctor", "--live", "--start", "echo"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    refused.says(&["may be paid for", "--yes", "Nothing was sent"]);
    assert!(world.sim.requests().is_empty());
    for args in [&["doctor", "--start", "echo"][..], &["doctor", "--yes"]] {
        assert_eq!(world.run(args).code, 2);
    }
    world
        .sim
        .set_faults(vec!["reset:on=run".parse().expect("a fault")]);
    let lost = world.run(&["doctor", "--live", "--start", "echo", "--yes", "--json"]);
    assert_eq!(
        (lost.code, &lost.last()["code"]),
        (5, &json!("outcome_unknown")),
        "{lost:?}"
    );
    let starts = world
        .sim
        .requests()
        .into_iter()
        .filter(|sent| sent.method == "POST");
    assert_eq!(starts.count(), 1);
    assert!(!assumptions(&lost, "confirmed").is_empty());
    // A refusal says nothing of how a start is answered.
    let refused = World::new().run(&["doctor", "--live", "--start", "nobody", "--yes", "--json"]);
    problem(
        &refused,
        &["task: the server refused the start with status 400"],
    );
    assert_eq!(assumptions(&refused, "different"), [""; 0]);
}

/// Rows: O8.
#[test]
fn a_recording_that_was_edited_is_refused_by_its_line() {
    let world = World::new();
    let file = world.state.path().join("found.jsonl");
    let path = file.to_str().expect("text");
    assert_eq!(world.run(&["doctor", "--live", "--record", path]).code, 0);
    let replay = |path: &str| end(bare(&["doctor", "--replay", path]), "");
    assert_eq!(replay(path).code, 0);
    let text = fs::read_to_string(&file).expect("a recording");
    let edited = text.replacen("\"status\":200", "\"status\":204", 1);
    fs::write(&file, edited).expect("a file");
    let refused = replay(path);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (2, ""),
        "{refused:?}"
    );
    refused.says(&["no recording that can be replayed", "line 2 was changed"]);
    let other = world.state.path().join("other");
    fs::write(&other, "hello\n").expect("a file");
    for path in ["/nowhere", "/", other.to_str().expect("text")] {
        assert_eq!(replay(path).code, 2, "{path}");
    }
}

/// The checks of settings and journal, in words, with these variables.
fn settings(change: impl FnOnce(&mut Command), args: &[&str]) -> String {
    let mut command = bare(&[&["doctor"], args].concat());
    command
        .env("NANONETS_BASE_URL", "http://127.0.0.1:1")
        .env("AGENT_HARNESS_BASE_URL", "http://127.0.0.1:1");
    change(&mut command);
    end(command, "").stdout
}

/// Rows: O4.
#[test]
fn each_setting_says_where_it_comes_from_and_what_it_shadows() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "canary-of-the-doctor").expect("a file");
    let path = key.to_str().expect("text");
    let told = settings(
        |command| {
            command
                .env("NANONETS_API_KEY", "canary-of-the-variable")
                .env("NANONETS_KEY", "x")
                .env("TASKWARD_TIMEOUTS", "5m")
                .env("TASKWARD_TIMEOUT", "5m");
        },
        &["--key-file", path],
    );
    for words in [
        &format!("API key from the file {path}; NANONETS_API_KEY is set, too, and not used"),
        "http://127.0.0.1:1, from NANONETS_BASE_URL",
        "NANONETS_KEY is set, and nothing reads it",
        "TASKWARD_TIMEOUTS is set, and nothing reads it",
        "timeout 5m, from TASKWARD_TIMEOUT",
        "provider nanonets, the default",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("canary"), "{told}");
    let told = settings(
        |command| {
            command
                .env("NANONETS_API_KEY", "")
                .env("TASKWARD_TIMEOUT", "soon")
                .env("TASKWARD_DEBUG", "body");
        },
        &["--provider", "nanonets"],
    );
    for words in [
        "NANONETS_API_KEY is set and empty, which counts as unset",
        "problem  setting    the environment variable TASKWARD_TIMEOUT is \"soon\"",
        "TASKWARD_DEBUG has no effect",
        "provider nanonets, from --provider",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
}

/// Rows: O4.
#[test]
fn the_journal_says_where_it_is_how_large_it_is_and_what_cannot_be_read() {
    let world = World::new();
    world.start("echo");
    let told = world.run(&["doctor"]).stdout;
    let place = world.state.path().join("taskward/journal");
    for words in [
        &format!("{}, from XDG_STATE_HOME", place.display()),
        "it can be written",
        "1 entry, ",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let database = rusqlite::Connection::open(place.join("tasks.sqlite")).expect("a database");
    database
        .execute("UPDATE tasks SET snapshot = 'damage'", [])
        .expect("spoiled");
    let told = world.run(&["doctor"]).stdout;
    assert!(
        told.contains("parts that cannot be read and are kept unchanged: 1"),
        "{told}"
    );
    // No folder can be made there.
    let told = settings(
        |command| _ = command.env("XDG_STATE_HOME", "/dev/null"),
        &[],
    );
    assert!(told.contains("problem  journal"), "{told}");
    let told = settings(|command| _ = command.env_remove("XDG_STATE_HOME"), &[]);
    assert!(told.contains("there is no home folder"), "{told}");
    let told = settings(|_| {}, &["--no-journal"]);
    assert!(told.contains("nothing is kept, by --no-journal"), "{told}");
}
