//! Request bodies: whole, chunked, cut, refused half-way.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Scenario};

use crate::http::{connect, exchange, get, head, read_reply, still};

const BOUNDARY: &str = "Content-Type: multipart/form-data; boundary=b\r\n";

fn form(content: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n\
         {content}\r\n--b--\r\n"
    )
}

#[test]
fn an_upload_is_told_by_length_and_digest() {
    let sim = still().spawn().unwrap();
    let agent = sim.agent("echo");
    let (before, after) = form("CUT")
        .split_once("CUT")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let content = vec![b'x'; 8 << 20];
    let length = before.len() + content.len() + after.len();
    let fields = format!("{BOUNDARY}Expect: 100-continue\r\nContent-Length: {length}\r\n");
    let mut stream = connect(&sim);
    stream
        .write_all(
            head(
                &sim,
                "POST",
                &format!("/api/v1/agents/{agent}/run"),
                &fields,
            )
            .as_bytes(),
        )
        .unwrap();
    let mut go = [0; 25];
    stream.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    for piece in [before.as_bytes(), &content, after.as_bytes()] {
        stream.write_all(piece).unwrap();
    }
    let (status, _, body) = read_reply(&mut stream);
    assert_eq!(status, 201);
    let body: Value = serde_json::from_slice(&body).unwrap();
    sim.advance(Duration::from_secs(2));
    let summary = get(
        &sim,
        &format!(
            "/api/v1/tasks/{}/summary",
            body["task_id"].as_str().unwrap()
        ),
    )
    .1;
    let file = &summary["extracted_data"]["files"][0];
    assert_eq!(
        (&file["name"], &file["type"], &file["size"]),
        (&json!("a.csv"), &json!("text/csv"), &json!(8 << 20))
    );
    // `head -c 8388608 /dev/zero | tr '\0' x | sha256sum`
    assert_eq!(
        file["sha256"],
        "0c77bc0a0795a93612d45256897456d0fcb24f151c44c150d07ecd03f4ef5168"
    );
}

#[test]
fn a_chunked_upload_is_the_same_upload() {
    let sim = still().spawn().unwrap();
    let path = format!("/api/v1/agents/{}/run", sim.agent("invoice"));
    let body = form("Bolt,2,1.25");
    let plain = head(
        &sim,
        "POST",
        &path,
        &format!("{BOUNDARY}Content-Length: {}\r\n", body.len()),
    ) + &body;
    let mut chunked = head(
        &sim,
        "POST",
        &path,
        &format!("{BOUNDARY}Transfer-Encoding: chunked\r\n"),
    );
    for chunk in body.as_bytes().chunks(7) {
        chunked += &format!(
            "{:x}\r\n{}\r\n",
            chunk.len(),
            std::str::from_utf8(chunk).unwrap()
        );
    }
    chunked += "0\r\n\r\n";
    assert_eq!(
        (exchange(&sim, &plain).0, exchange(&sim, &chunked).0),
        (201, 201)
    );
    let digests: Vec<String> = sim
        .requests()
        .into_iter()
        .map(|record| record.body_sha256)
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_body_that_ends_early_is_not_applied() {
    let sim = still().spawn().unwrap();
    let path = format!("/api/v1/agents/{}/run", sim.agent("echo"));
    let body = form("x");
    let cut = &body[..body.len() - 4];
    for request in [
        head(
            &sim,
            "POST",
            &path,
            &format!("{BOUNDARY}Content-Length: {}\r\n", body.len()),
        ) + cut,
        head(
            &sim,
            "POST",
            &path,
            &format!("{BOUNDARY}Content-Length: {}\r\n", cut.len()),
        ) + cut,
        head(
            &sim,
            "POST",
            &path,
            &format!("{BOUNDARY}Transfer-Encoding: chunked\r\n"),
        ) + "5\r\n--b\r",
        head(
            &sim,
            "POST",
            &path,
            &format!("{BOUNDARY}Transfer-Encoding: chunked\r\n"),
        ) + "zz\r\n",
        head(
            &sim,
            "POST",
            &path,
            "Content-Type: multipart/form-data\r\nContent-Length: 0\r\n",
        ),
    ] {
        let mut stream = connect(&sim);
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_reply(&mut stream).0, 400, "{request}");
    }
    assert_eq!(sim.stats().tasks, 0);
}

#[test]
fn what_the_head_condemns_is_answered_in_mid_upload() {
    let scenario = Scenario::parse("[switches]\nmax_file_bytes = 1000000").unwrap();
    let sim = still().scenario(scenario).spawn().unwrap();
    let path = |agent: &str| format!("/api/v1/agents/{}/run", sim.agent(agent));
    let huge = format!("{BOUNDARY}Content-Length: {}\r\n", 1u64 << 40);
    let begin = form("CUT").split_once("CUT").unwrap().0.to_owned();
    let good = head(&sim, "POST", &path("echo"), &huge) + &begin;
    let check = |request: String, expected: u16| {
        let mut stream = connect(&sim);
        stream.write_all(request.as_bytes()).unwrap();
        // The client is still sending when the reply comes, and goes on sending.
        for _ in 0..32 {
            stream.write_all(&[b'x'; 1 << 16]).unwrap();
        }
        assert_eq!(read_reply(&mut stream).0, expected);
        stream.write_all(&[b'x'; 1 << 16]).unwrap();
    };
    check(good.replace("Bearer sim_key_", "Bearer sim_key_x"), 401);
    check(good.replace("/agents/", "/agents/x"), 400);
    check(head(&sim, "POST", &path("inactive"), &huge), 403);
    check(good.replace("multipart/form-data", "text/plain"), 400);
    check(good.clone(), 400);
    sim.set_faults(vec![FaultRule::new(Fault::Status {
        code: 503,
        retry_after: None,
        after_bytes: Some(500_000),
    })]);
    check(good, 503);
    assert_eq!(sim.stats().tasks, 0);
}
