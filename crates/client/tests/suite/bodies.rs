//! Bodies that are not what was asked for: what a read and a write of the platform make of them, through the adapters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use taskward_core::{Answer, Error, ErrorKind, Operation, Output as _, Policy};
use taskward_providers::agent_harness::operations::SignalRun;
use taskward_providers::nanonets::operations::{
    CancelTask, GetTaskStatus, RunAgent, SendTaskMessage,
};
use taskward_providers::nanonets::{Job, Nanonets};

use super::exchange::client;
use super::follow::Result;
use super::support::{Server, impatient, key, ok};
use crate::adapter::{Client, calls, follow};

const TASK: &str = r#"{"id":"t","task_id":"t","status":"completed"}"#;

/// Builds a reply of this type, with whatever bytes.
fn typed(content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    reply.extend_from_slice(body);
    reply
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// Replies to a status read that cannot be read, each with the kind of its error and a word of it.
fn unreadable() -> Vec<(Vec<u8>, ErrorKind, &'static str)> {
    let html = "<!doctype html><title>Log in</title>";
    vec![
        (
            typed("text/html", html.as_bytes()),
            ErrorKind::Transport,
            "network login page?",
        ),
        (
            typed("application/json", html.as_bytes()),
            ErrorKind::Transport,
            "network login page?",
        ),
        (ok("").into(), ErrorKind::Decode, "empty"),
        (
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            ErrorKind::Decode,
            "empty",
        ),
        (
            typed("application/json", &utf16(TASK)),
            ErrorKind::Decode,
            "UTF-16",
        ),
        // Whole for the libraries, since the connection's end is the body's.
        (
            format!("HTTP/1.1 200 OK\r\n\r\n{}", &TASK[..20]).into(),
            ErrorKind::Transport,
            "cut short",
        ),
        (ok(&TASK[..20]).into(), ErrorKind::Transport, "cut short"),
    ]
}

fn one<O: Operation + Clone + Send + 'static>(
    server: &Server,
    operation: O,
) -> std::result::Result<O::Output, Error>
where
    O::Output: Send,
{
    calls(&client(&server.url(), impatient()), &[operation]).remove(0)
}

/// Rows: A12, B10, B11, B12, B13, B15.
#[test]
fn a_read_says_what_it_got_in_place_of_json() {
    for (reply, kind, words) in unreadable() {
        let server = Server::says(reply.clone());
        let error = one(&server, GetTaskStatus::new("t")).expect_err(words);
        let shown = String::from_utf8_lossy(&reply).into_owned();
        assert_eq!(error.kind(), kind, "{shown:?}: {error}");
        assert!(error.to_string().contains(words), "{shown:?}: {error}");
        assert!(!error.to_string().contains("<title>"), "{error}");
    }
}

/// Rows: B10, B11, B12.
#[test]
fn a_start_whose_reply_cannot_be_read_may_have_been_made() {
    for (reply, _, words) in unreadable() {
        let server = Server::says(reply);
        let job = Job::agent("a").query("hello");
        let error = one(&server, RunAgent(job)).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(server.seen().len(), 1, "{words}");
    }
}

/// Rows: B12.
#[test]
fn an_accepted_write_may_say_nothing() {
    for reply in [
        ok(""),
        ok(" \r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
    ] {
        let server = Server::says(reply);
        let message = SendTaskMessage {
            task: "t".into(),
            message: "hello".into(),
        };
        one(&server, message).expect("it was accepted");
        one(&server, CancelTask("t".into())).expect("it was accepted");
        let signal = SignalRun::answer("r", "7", &Answer::Approve).expect("a signal");
        one(&server, signal).expect("it was accepted");
        assert_eq!(server.seen().len(), 3);
    }
}

/// Rows: B14.
#[test]
fn one_byte_order_mark_before_the_json_is_no_matter() {
    let server = Server::says(ok(&format!("\u{feff}{TASK}")));
    let task = one(&server, GetTaskStatus::new("t")).expect("a task");
    assert_eq!(task.status.as_str(), "completed");
    let twice = Server::says(ok(&format!("\u{feff}\u{feff}{TASK}")));
    let error = one(&twice, GetTaskStatus::new("t")).expect_err("only one");
    assert_eq!(error.kind(), ErrorKind::Decode);
}

/// Rows: B10, B11, B12, B13, B15.
#[test]
fn a_poll_that_cannot_be_read_is_a_failed_one() -> Result {
    let bad: Vec<Vec<u8>> = unreadable().into_iter().map(|(reply, ..)| reply).collect();
    let reads = AtomicUsize::new(0);
    let missed = bad.len();
    let server = Server::new(move |conn, _| {
        let Some(seen) = conn.request() else { return };
        if seen.line().contains("/summary") {
            conn.json(r#"{"status":"completed","result":"done"}"#);
            return;
        }
        match bad.get(reads.fetch_add(1, Ordering::SeqCst)) {
            Some(reply) => conn.say(reply),
            None => conn.json(TASK),
        };
    });
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&server.url())
        .policy(Policy::default())
        .speed(1000)
        .build()?;
    let run = client.attach("t").deadline(Duration::from_secs(3600));
    let answer = follow(run)?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("done"));
    assert_eq!(server.seen().len(), missed + 2);
    Ok(())
}
