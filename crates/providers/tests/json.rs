//! What JSON is taken for: the classes of RFC 8259 parser tests, and the values that a field may have.
#![allow(missing_docs)]

use serde_json::{Value, json};
use taskward_core::sse::{Caps, Decoder};
use taskward_core::{
    ApiError, Error, ErrorKind, Provider, ReadError, ReadKind, Response, TaskId, http::StatusCode,
};
use taskward_providers::{
    agent_harness::AgentHarness,
    generated::{agent_harness, nanonets},
    nanonets::Nanonets,
    wire::{DecodeError, decode, is_damaged},
};

/// Reads a body in every way there is; none may panic.
fn read_everywhere(body: &[u8]) {
    let reply = Response::new(StatusCode::OK, body.to_vec());
    for read in [
        ReadKind::Status,
        ReadKind::Questions,
        ReadKind::Result,
        ReadKind::Steps,
    ] {
        let _ = Nanonets.read(&TaskId::new("t"), &read, &reply);
    }
    for read in [ReadKind::Status, ReadKind::Events { cursor: None }] {
        let _ = AgentHarness.read(&TaskId::new("t"), &read, &reply);
    }
    let _ = Nanonets.read_start(&reply);
    let _ = AgentHarness.read_start(&reply);
    let _ = ApiError::read(&reply);
}

const ACCEPTED: &[&[u8]] = &[
    // Values that stand alone, with and without blanks.
    b"42",
    b"-0.1",
    b"null",
    b"true",
    b"false",
    b"\"asd\"",
    b"\"\"",
    b" [] ",
    b"[1\n]",
    b" [1] ",
    b"[\"a\"]\n",
    b"\t\r\n{}\r\n",
    // Arrays.
    b"[]",
    b"[[]   ]",
    b"[false]",
    b"[1,null,null,null,2]",
    b"[null, 1, \"1\", {}]",
    b"[[[[[[]]]]]]",
    // Numbers.
    b"[123e65]",
    b"[0e+1]",
    b"[0e1]",
    b"[ 4]",
    b"[-0]",
    b"[-0.0]",
    b"[-123]",
    b"[-1]",
    b"[1E22]",
    b"[1E-2]",
    b"[1E+2]",
    b"[123e45]",
    b"[123.456e78]",
    b"[1e-2]",
    b"[1e+2]",
    b"[123.456789]",
    b"[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
    // Objects.
    b"{}",
    b"{\"\":0}",
    b"{\"a\":[]}",
    b"{\"asd\":\"sdf\", \"dfg\":\"fgh\"}",
    b"{\"a\":\"b\",\"a\":\"c\"}",
    b"{\"a\":\"b\",\"a\":\"b\"}",
    b"{\"foo\\u0000bar\": 42}",
    b"{ \"min\": -1.0e+28, \"max\": 1.0e+28 }",
    b"{\n\"a\": \"b\"\n}",
    "{\"title\":\"Полтора Землекопа\"}".as_bytes(),
    // Strings.
    b"[\"\\u0060\\u012a\\u12AB\"]",
    b"[\"\\uD801\\udc37\"]",
    b"[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
    b"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    b"[\"\\\\u0000\"]",
    b"[\"\\\\n\"]",
    b"[\"\\u0012\"]",
    b"[\"\\uFFFF\"]",
    b"[\"\\u0000\"]",
    b"[\"a/*b*/c/*d//e\"]",
    b"[\"\\uDBFF\\uDFFF\"]",
    b"[\"\\u200B\\u2064\\uFDD0\\uFFFE\"]",
    b"[\"\\u0022\\u005C\"]",
    b"[\"asd \"]",
    b"[\" \"]",
    b"[\"\x7f\"]",
    "[\"\u{2028}\u{2029}\u{ffff}\u{10ffff}\u{1bfff}\"]".as_bytes(),
    "[\"€𝄞⍂㈴⍂\"]".as_bytes(),
];

const REFUSED: &[&[u8]] = &[
    // Nothing.
    b"",
    b" ",
    b"\xef\xbb\xbf",
    // Arrays.
    b"[1 true]",
    b"[a\xe5]",
    b"[\"\": 1]",
    b"[\"\"],",
    b"[,1]",
    b"[1,,2]",
    b"[\"x\",,]",
    b"[\"x\"]]",
    b"[\"\",]",
    b"[\"x\"",
    b"[x",
    b"[3[4]]",
    b"[\xff]",
    b"[1:2]",
    b"[,]",
    b"[-]",
    b"[   , \"\"]",
    b"[\"a\",\n4\n,1,",
    b"[1,]",
    b"[\"\x0ba\"\\f]",
    b"[*]",
    b"[\"\"",
    b"[1,",
    b"[{}",
    b"[1\x0c]",
    // Words.
    b"[fals]",
    b"[nul]",
    b"[tru]",
    b"[True]",
    b"[ false, nul",
    // Numbers.
    b"[++1234]",
    b"[+1]",
    b"[+Inf]",
    b"[-01]",
    b"[-1.0.]",
    b"[-2.]",
    b"[-NaN]",
    b"[.-1]",
    b"[.2e-3]",
    b"[0.1.2]",
    b"[0.3e+]",
    b"[0.3e]",
    b"[0.e1]",
    b"[0E]",
    b"[0E+]",
    b"[1.0e+]",
    b"[1.0e-]",
    b"[1.0e]",
    b"[1 000.0]",
    b"[1eE2]",
    b"[2.e+3]",
    b"[2.e3]",
    b"[9.e+]",
    b"[Inf]",
    b"[nan]",
    b"[Infinity1]",
    b"[1+2]",
    b"[0x1]",
    b"[0x42]",
    b"[-foo]",
    b"[- 1]",
    b"[-012]",
    b"[-.123]",
    b"[-1x]",
    b"[1ea]",
    b"[1e1\xe5]",
    b"[1.]",
    b"[.123]",
    b"[1.2a-3]",
    b"[1.8011670033376514H-308]",
    b"[012]",
    "[\u{ff11}]".as_bytes(),
    // Objects.
    b"[\"x\", truth]",
    b"{[: \"x\"}",
    b"{\"x\", null}",
    b"{\"x\"::\"b\"}",
    b"{\"a\":\"a\" 123}",
    b"{key: 'value'}",
    b"{\"a\" b}",
    b"{:\"b\"}",
    b"{\"a\" \"b\"}",
    b"{\"a\":",
    b"{\"a\"",
    b"{1:1}",
    b"{9999E9999:1}",
    b"{null:null,null:null}",
    b"{NaN:1}X",
    b"{\"id\":0,,,,,}",
    b"{'a':0}",
    b"{\"id\":0,}",
    b"{\"a\":\"b\"}/**/",
    b"{\"a\":\"b\"}//",
    b"{\"a\":\"b\"}#",
    b"{\"a\":/*comment*/\"b\"}",
    b"{\"a\":\"b\",,\"c\":\"d\"}",
    b"{a: \"b\"}",
    b"{\"a\":\"a",
    b"{ \"foo\" : \"bar\", \"a\" }",
    "{🇨🇭}".as_bytes(),
    // Strings.
    b"[\"\\uD800\\\"]",
    b"[\"\\uD800\\u\"]",
    b"[\"\\uD800\\u1\"]",
    b"[\"\\uD800\\u1x\"]",
    b"[\"\\uD800\\uD800\\x\"]",
    b"[\"\\x00\"]",
    b"[\"\\\\\\\"]",
    b"[\"\\\t\"]",
    "[\"\\🌀\"]".as_bytes(),
    b"[\"\\\"]",
    b"[\"\\u00A\"]",
    b"[\"\\uD834\\uDd\"]",
    b"[\"\\u\xe5\"]",
    b"[\"\\a\"]",
    b"[\"\\uqqqq\"]",
    b"[\\u0020\"asd\"]",
    b"[\\n]",
    b"\"",
    b"['single quote']",
    b"abc",
    b"[\"\\",
    b"[\"a\0a\"]",
    b"[\"new\nline\"]",
    b"[\"\t\"]",
    b"\"\\UA66D\"",
    b"\"\"x",
    // Structure.
    b"<.>",
    b"<html>",
    b"[<null>]",
    b"[1]x",
    b"[1]]",
    b"[\"asd]",
    b"a\xc3\xa5",
    b"1]",
    b"{\"x\": true,",
    b"[][]",
    b"]",
    b"\xef\xbb{}",
    b"\xe5",
    b"[\0]",
    b"2@",
    b"{}}",
    b"{\"\":",
    b"{\"a\": true} \"x\"",
    b"['",
    b"[,",
    b"[{",
    b"{",
    b"{]",
    b"{,",
    b"{[",
    b"{'a'",
    b"[\"\\{[\"\\{[\"\\{[\"\\{",
    b"*",
    b"{\"a\":\"b\"}#{}",
    b"[\\u000A\"\"]",
    b"\xe2\x81\xa0{}",
    b"[\x0b]",
];

#[test]
fn what_is_json_is_read_and_what_is_none_is_refused() {
    for body in ACCEPTED {
        let shown = String::from_utf8_lossy(body);
        assert!(decode::<Value>(body).is_ok(), "{shown}");
        read_everywhere(body);
    }
    for body in REFUSED {
        let shown = String::from_utf8_lossy(body);
        assert!(decode::<Value>(body).is_err(), "{shown}");
        read_everywhere(body);
        for cut in 0..body.len() {
            read_everywhere(&body[..cut]);
        }
    }
    // Deep ones, open and closed.
    let deep: [Vec<u8>; 4] = [
        b"[".repeat(100_000),
        b"[{\"\":".repeat(50_000),
        [b"[".repeat(500), b"]".repeat(500)].concat(),
        [b"{\"a\":".repeat(500), b"1".to_vec(), b"}".repeat(500)].concat(),
    ];
    for body in &deep {
        assert_eq!(decode::<Value>(body), Err(DecodeError::TooDeep));
        read_everywhere(body);
    }
}

/// Where RFC 8259 leaves the choice, and where we leave the RFC: a change of the parser is seen here.
///
/// Rows: D7.
#[test]
fn what_a_parser_may_choose_is_chosen_so() {
    let text = |text: &str| Ok(json!([text]));
    let lost = |before: &str, count: usize, after: &str| {
        Ok(json!([format!(
            "{before}{}{after}",
            "\u{fffd}".repeat(count)
        )]))
    };
    let digits = "1234567890123456789012345678901234567890";
    let wide = format!("[{digits}]");
    let many_zeros = format!("[0.4e{}1]", "0".repeat(100));
    let exponent = format!("[0.4e{}]", "9".repeat(100));
    let rows: Vec<(&[u8], Result<Value, DecodeError>)> = vec![
        // Numbers that no number of ours holds stay as they are written.
        (b"[123e-10000000]", Ok(json!([0.0]))),
        (b"[-123e-10000000]", Ok(json!([-0.0]))),
        (many_zeros.as_bytes(), Ok(json!([4.0]))),
        (exponent.as_bytes(), text(&exponent[1..exponent.len() - 1])),
        (b"[-1e+9999]", text("-1e+9999")),
        (b"[1.5e+9999]", text("1.5e+9999")),
        (b"[123123e100000]", text("123123e100000")),
        (b"[1e400]", text("1e400")),
        (wide.as_bytes(), text(digits)),
        (b"[100000000000000000000]", text("100000000000000000000")),
        (
            b"[-123123123123123123123123123123]",
            text("-123123123123123123123123123123"),
        ),
        (b"[18446744073709551615]", Ok(json!([u64::MAX]))),
        (b"[-9223372036854775808]", Ok(json!([i64::MIN]))),
        // No JSON, and written by common libraries all the same.
        (b"[NaN]", text("NaN")),
        (b"[Infinity]", text("Infinity")),
        (b"[-Infinity]", text("-Infinity")),
        (b"NaN", Ok(json!("NaN"))),
        (
            b"{\"a\":NaN,\"b\":\"NaN\"}",
            Ok(json!({"a": "NaN", "b": "NaN"})),
        ),
        // Halves of surrogate pairs.
        (b"[\"\\uDADA\"]", lost("", 1, "")),
        (b"[\"\\uD888\\u1234\"]", Ok(json!(["\u{fffd}\u{1234}"]))),
        (b"[\"\\uD800\\n\"]", lost("", 1, "\n")),
        (b"[\"\\uDd1ea\"]", lost("", 1, "a")),
        (b"[\"\\uD800\\uD800\\n\"]", lost("", 2, "\n")),
        (b"[\"\\ud800abc\"]", lost("", 1, "abc")),
        (b"[\"\\uDd1e\\uD834\"]", lost("", 2, "")),
        (b"[\"\\uDFAA\"]", lost("", 1, "")),
        // Bytes that are no UTF-8: cut, overlong, beyond the range, of another charset.
        (b"[\"\xe9\"]", lost("", 1, "")),
        (b"[\"a\xff\"]", lost("a", 1, "")),
        (b"[\"\xe6\x97\xa5\xd1\x88\xfa\"]", lost("日ш", 1, "")),
        (b"[\"\x81\"]", lost("", 1, "")),
        (b"[\"\xf4\xbf\xbf\xbf\"]", lost("", 4, "")),
        (b"[\"\xed\xa0\x80\"]", lost("", 3, "")),
        (b"[\"\xe0\xff\"]", lost("", 2, "")),
        (b"[\"\xc0\xaf\"]", lost("", 2, "")),
        (b"[\"\xfc\x83\xbf\xbf\xbf\xbf\"]", lost("", 6, "")),
        // A mark of the byte order.
        (b"\xef\xbb\xbf{}", Ok(json!({}))),
        (
            b"\xff\xfe[\0\"\0\xe9\0\"\0]\0",
            Err(DecodeError::Charset { name: "UTF-16" }),
        ),
    ];
    for (body, expected) in rows {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(decode::<Value>(body), expected, "{shown}");
        read_everywhere(body);
    }
    for without_mark in [&b"[\0\"\0\xe9\0\"\0]\0"[..], b"\0[\0\"\0\xe9\0\"\0]"] {
        let error = decode::<Value>(without_mark).expect_err("UTF-16");
        assert!(matches!(error, DecodeError::NotJson { .. }), "{error}");
    }
}

/// Returns the kind of error that a caller of a single operation gets.
fn kind(error: DecodeError) -> ErrorKind {
    Error::read(ReadError::from(error)).kind()
}

/// Rows: D1, D2, D4.
#[test]
fn json_with_something_behind_it_and_json_without_end_have_their_names() {
    use nanonets::Task;
    let task = r#"{"task_id":"t","status":"running"}"#;
    for behind in ["x", "{}", "<html>", "\u{feff}", ",", "]"] {
        let error = decode::<Task>(format!("{task} {behind}").as_bytes()).expect_err(behind);
        assert_eq!(error, DecodeError::TrailingData, "{behind}");
        assert_eq!(kind(error), ErrorKind::Decode);
    }
    for cut in 1..task.len() {
        let error = decode::<Task>(&task.as_bytes()[..cut]).expect_err("cut");
        assert_eq!(kind(error), ErrorKind::Transport, "cut at {cut}");
    }
    // Also in a value that is free-form, of which nothing is needed.
    for nested in ["[", "{\"a\":"] {
        let deep = nested.repeat(100_000);
        for body in [
            format!("{{\"status\":\"running\",\"result\":{deep}"),
            format!("{{\"new\":{deep}"),
            deep.clone(),
        ] {
            let error = decode::<Task>(body.as_bytes()).expect_err("deep");
            assert_eq!(error, DecodeError::TooDeep);
            assert_eq!(kind(error), ErrorKind::Decode);
            let refusal = Response::new(StatusCode::CONFLICT, body);
            assert_eq!(ApiError::read(&refusal).status, StatusCode::CONFLICT);
        }
        let frame = format!("event: run_event\ndata: {{\"seq\":1,\"payload\":{deep}\n\n");
        assert!(event(frame.as_bytes()).is_err());
    }
}

/// Reads the one event of a stream as the platform's provider does: its number, name and whole content.
fn event(stream: &[u8]) -> Result<(u64, String, Value), ReadError> {
    let mut decoder = Decoder::with_caps(Caps::default());
    let mut rest = stream;
    let event = decoder.next_event(&mut rest).expect("small");
    let item = AgentHarness.read_event(&TaskId::new("t"), &event.expect("an event"))?;
    let event = item.expect("an event of the run").event;
    let position = event.seq.expect("a number").0;
    Ok((position, event.name, event.data))
}

/// Rows: D3.
#[test]
fn the_last_of_equal_keys_counts_and_an_odd_one_spoils_nothing() {
    use nanonets::{Task, TaskStatus};
    let task: Task = decode(
        br#"{"status":"running","title":7,"title":"a","task_id":{},"task_id":"t","status":"queued"}"#,
    )
    .expect("a task");
    assert_eq!(task.status, TaskStatus::Queued);
    assert_eq!(task.title.as_deref(), Some("a"));
    assert_eq!(task.task_id.expect("an id").as_str(), "t");
    assert!(task.extra.is_empty());
    let free: Value = decode(br#"{"a":1,"b":{"c":1,"c":2},"a":[3]}"#).expect("a value");
    assert_eq!(free, json!({"a": [3], "b": {"c": 2}}));
    let doubled = b"event: run_event\ndata: {\"seq\":1,\"seq\":2,\"type\":\"a\",\"type\":\"b\",\"payload\":{\"value\":{},\"redacted\":false}}\n\n";
    let (seq, name, _) = event(doubled).expect("an event");
    assert_eq!((seq, name.as_str()), (2, "b"));
}

/// Rows: D5, D6.
#[test]
fn damaged_text_says_so_and_a_damaged_id_or_status_is_none() {
    use nanonets::{AgentList, Message, RunAgentResponse, Task};
    for lost in [&b"\\ud83d"[..], b"\xff"] {
        let body = |before: &str, after: &str| [before.as_bytes(), lost, after.as_bytes()].concat();
        let task: Task = decode(&body(
            r#"{"task_id":"t","status":"running","title":"cut "#,
            r#"","new":{"a":1}}"#,
        ))
        .expect("a task");
        assert_eq!(task.title.as_deref(), Some("cut \u{fffd}"));
        assert!(is_damaged(task.title.as_deref().expect("a title")));
        assert_eq!(task.task_id.expect("an id").as_str(), "t");
        assert_eq!(task.extra["new"], json!({"a": 1}));
        // Needed: an error that names it.
        let error = decode::<RunAgentResponse>(&body(r#"{"task_id":"t"#, r#""}"#));
        let error = error.expect_err("a damaged id").to_string();
        assert!(
            error.contains("\"task_id\"") && error.contains("undamaged"),
            "{error}"
        );
        // Not needed: kept as an unknown field.
        let message: Message =
            decode(&body(r#"{"id":"m"#, r#"","content":"a"}"#)).expect("a message");
        assert_eq!(message.id, None);
        assert_eq!(message.extra["id"], json!("m\u{fffd}"));
        // Of an entry: that entry cannot be read.
        let list: AgentList =
            decode(&body(r#"{"data":[{"id":"b"},{"id":"a"#, r#""}]}"#)).expect("a list");
        let ids: Vec<_> = list
            .data
            .readable()
            .map(|agent| agent.id.as_str())
            .collect();
        assert_eq!((ids, list.data.unreadable()), (vec!["b"], 1));
        let status = Response::new(StatusCode::OK, body(r#"{"status":"comp"#, r#"leted"}"#));
        for error in [
            Nanonets
                .read(&TaskId::new("t"), &ReadKind::Status, &status)
                .map(drop),
            AgentHarness
                .read(&TaskId::new("t"), &ReadKind::Status, &status)
                .map(drop),
        ] {
            let error = error.expect_err("a damaged status").to_string();
            assert!(error.contains("an undamaged status"), "{error}");
        }
    }
}

/// Rows: D7.
#[test]
fn a_number_that_is_none_is_told_by_its_field_where_a_number_is_needed() {
    let digits = "1234567890123456789012345678901234567890";
    for odd in ["NaN", "1e400", "-Infinity", digits, "1.5", "-1"] {
        let run = format!(
            "event: run_event\ndata: {{\"seq\":{odd},\"type\":\"a\",\"payload\":{{\"value\":{{}},\"redacted\":false}}}}\n\n"
        );
        let error = event(run.as_bytes()).expect_err(odd).to_string();
        assert!(error.contains("\"seq\" of RunEvent"), "{error}");
    }
    for odd in ["NaN", "1e400", "-Infinity", digits] {
        let run = format!(
            "event: run_event\ndata: {{\"seq\":3,\"type\":\"a\",\"payload\":{{\"value\":{{\"n\":{odd}}},\"redacted\":false}}}}\n\n"
        );
        let (seq, _, data) = event(run.as_bytes()).expect(odd);
        assert_eq!((seq, &data["payload"]["value"]["n"]), (3, &json!(odd)));
        let agent: nanonets::Agent =
            decode(format!(r#"{{"id":"a","version_number":{odd}}}"#).as_bytes()).expect(odd);
        assert_eq!(agent.version_number, None);
        assert_eq!(agent.extra["version_number"], json!(odd));
    }
}

/// Rows: D8.
#[test]
fn a_number_may_be_written_as_a_whole_float_or_as_text() {
    for seq in ["12", "12.0", "1.2e1", "\"12\""] {
        let run = format!(
            "event: run_event\ndata: {{\"seq\":{seq},\"type\":\"a\",\"payload\":{{\"value\":{{}},\"redacted\":false}}}}\n\n"
        );
        let (position, _, data) = event(run.as_bytes()).expect(seq);
        assert_eq!((position, &data["seq"]), (12, &json!(12)), "{seq}");
    }
}

/// Rows: D9.
#[test]
fn null_is_absent_where_it_may_be_and_names_the_field_where_it_may_not() {
    use agent_harness::{CreateRunResponse, Run, RunEvent};
    use nanonets::{RunAgentResponse, Task, TaskList, TaskSummary};
    let task: Task = decode(
        br#"{"status":"running","task_id":null,"agent_id":null,"title":null,"created_at":null}"#,
    )
    .expect("a task");
    assert!(task.task_id.is_none() && task.title.is_none() && task.created_at.is_none());
    assert!(task.extra.is_empty());
    let summary: TaskSummary =
        decode(br#"{"status":"completed","result":null,"extracted_data":null}"#).expect("one");
    assert!(summary.result.is_none() && summary.extracted_data.is_none());
    let list: TaskList =
        decode(br#"{"data":[],"has_more":null,"next_cursor":null}"#).expect("a list");
    assert!(list.has_more.is_none() && list.next_cursor.is_none());
    let created: CreateRunResponse =
        decode(br#"{"id":"r","status":"queued","request_id":null,"replayed":null}"#).expect("one");
    assert!(created.request_id.is_none() && created.replayed.is_none());
    let of = |error: Result<(), DecodeError>| error.expect_err("null").to_string();
    for (error, field) in [
        (
            of(decode::<RunAgentResponse>(br#"{"task_id":null}"#).map(drop)),
            "task_id",
        ),
        (
            of(decode::<Task>(br#"{"status":null}"#).map(drop)),
            "status",
        ),
        (
            of(decode::<TaskSummary>(br#"{"status":null}"#).map(drop)),
            "status",
        ),
        (
            of(decode::<Run>(br#"{"id":null,"status":"queued"}"#).map(drop)),
            "id",
        ),
        (
            of(decode::<RunEvent>(br#"{"seq":null,"type":"a","payload":{}}"#).map(drop)),
            "seq",
        ),
    ] {
        assert!(error.contains(&format!("has no \"{field}\"")), "{error}");
    }
}

/// Rows: D11.
#[test]
fn an_unknown_field_is_kept_wherever_it_stands() {
    macro_rules! keeps {
        ($kind:ty, $body:expr $(,)?) => {
            let mut whole: Value = serde_json::from_str($body).expect("JSON");
            whole["zz"] = json!({"deep": [1, {"a": null}]});
            let typed: $kind = decode(whole.to_string().as_bytes()).expect($body);
            assert_eq!(typed.extra["zz"], whole["zz"], "{}", $body);
        };
    }
    use agent_harness as h;
    use nanonets as n;
    keeps!(n::RunAgentResponse, r#"{"task_id":"t"}"#);
    keeps!(n::Task, r#"{"status":"running"}"#);
    keeps!(
        n::TaskSummary,
        r#"{"status":"completed","result":{"new":1}}"#
    );
    keeps!(
        n::TaskResult,
        r#"{"status":"completed","feed":[{"new":1}]}"#
    );
    keeps!(n::Message, r#"{"role":"assistant","content":{"new":1}}"#);
    keeps!(n::MessageList, r#"{"data":[{"role":"narrator","new":1}]}"#);
    keeps!(n::TaskList, r#"{"data":[],"has_more":false}"#);
    keeps!(n::AgentList, r#"{"data":[],"has_more":false}"#);
    keeps!(n::Agent, r#"{"id":"a"}"#);
    keeps!(n::Error, r#"{"error":"no"}"#);
    keeps!(h::CreateRunResponse, r#"{"id":"r","status":"queued"}"#);
    keeps!(h::Run, r#"{"id":"r","status":"queued"}"#);
    keeps!(
        h::RunEvent,
        r#"{"seq":1,"type":"new.kind","timestamp":"t","payload":{"redacted":false,"value":[1],"new":1}}"#,
    );
    keeps!(h::Error, r#"{"error":"no"}"#);
}

/// Rows: D14.
#[test]
fn a_list_is_read_bare_and_under_every_name() {
    let question = |body: &str| {
        let reply = Response::new(StatusCode::OK, body.to_owned());
        match Nanonets
            .read(&TaskId::new("t"), &ReadKind::Questions, &reply)
            .expect(body)
        {
            taskward_core::PollResult::Asking(asked) => asked[0].text.clone(),
            other => panic!("{other:?}"),
        }
    };
    let message = r#"[{"id":"m1","role":"assistant","content":"?"}]"#;
    for body in [
        message.to_owned(),
        format!(r#"{{"data":{message}}}"#),
        format!(r#"{{"messages":{message}}}"#),
        format!(r#"{{"data":[],"messages":{message}}}"#),
        format!(r#"{{"data":{message},"messages":[]}}"#),
    ] {
        assert_eq!(question(&body), "?", "{body}");
    }
    let event = r#"[{"seq":4,"type":"a","payload":{"redacted":false,"value":{}}}]"#;
    for body in [
        event.to_owned(),
        format!(r#"{{"events":{event}}}"#),
        format!(r#"{{"data":{event}}}"#),
        format!(r#"{{"items":{event}}}"#),
    ] {
        let page: agent_harness::RunEventPage = decode(body.as_bytes()).expect(&body);
        assert_eq!(
            page.events.readable().next().map(|e| e.seq),
            Some(4),
            "{body}"
        );
    }
}

/// Rows: D15.
#[test]
fn an_odd_timestamp_is_kept_as_it_came() {
    for (at, millis) in [
        ("2026-05-12T10:15:00Z", Some(1_778_580_900_000)),
        ("2026-05-12T10:15:00.123456789Z", Some(1_778_580_900_123)),
        ("2026-05-12T12:15:00+02:00", Some(1_778_580_900_000)),
        ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
        ("2026-05-12T10:15:00", None),
        ("2026-05-12 at noon", None),
        ("10000-01-01T00:00:00Z", None),
        ("", None),
    ] {
        let task: nanonets::Task = decode(
            json!({"status": "running", "created_at": at})
                .to_string()
                .as_bytes(),
        )
        .expect(at);
        let created = task.created_at.expect("it was told");
        assert_eq!(
            (created.as_str(), created.unix_millis()),
            (at, millis),
            "{at}"
        );
        let run = format!(
            "event: run_event\ndata: {{\"seq\":1,\"type\":\"a\",\"timestamp\":\"{at}\",\"payload\":{{\"value\":{{}},\"redacted\":false}}}}\n\n"
        );
        let (_, _, data) = event(run.as_bytes()).expect(at);
        assert_eq!(data["timestamp"], json!(at));
    }
    // No text at all: kept as an unknown field.
    let task: nanonets::Task =
        decode(br#"{"status":"running","created_at":1778580900}"#).expect("a task");
    assert!(task.created_at.is_none());
    assert_eq!(task.extra["created_at"], json!(1_778_580_900));
}

/// Rows: D16.
#[test]
fn an_id_stays_one_segment_of_its_path_or_is_refused() {
    let path = |id: &str| {
        let id = TaskId::new(id);
        let task = Nanonets.read_request(&id, &ReadKind::Status);
        let run = AgentHarness.read_request(&id, &ReadKind::Status);
        match (task, run) {
            (Ok(task), Ok(run)) => {
                let (task, run) = (task.target().as_str(), run.target().as_str());
                let segment = task.strip_prefix("/api/v1/tasks/").expect("a task");
                assert_eq!(Some(segment), run.strip_prefix("/v1/runs/"));
                Some(segment.to_owned())
            }
            (Err(_), Err(_)) => None,
            other => panic!("{other:?}"),
        }
    };
    for (id, segment) in [
        ("67e55044-10b1", "67e55044-10b1"),
        ("a/b", "a%2Fb"),
        ("../tasks", "..%2Ftasks"),
        ("a?b#c", "a%3Fb%23c"),
        ("a\r\nHost: b", "a%0D%0AHost%3A%20b"),
        ("a%2Fb", "a%252Fb"),
        ("a\\b", "a%5Cb"),
        ("é", "%C3%A9"),
        ("a b", "a%20b"),
        ("...", "..."),
        (";a", "%3Ba"),
    ] {
        assert_eq!(path(id).as_deref(), Some(segment), "{id:?}");
    }
    for id in ["", ".", "..", &"x".repeat(10_000)] {
        assert_eq!(path(id), None, "{id:.9}");
    }
}

/// Rows: L17.
#[test]
fn an_id_or_a_cursor_that_the_key_was_removed_from_makes_its_reply_unreadable() {
    use agent_harness::{CreateRunResponse, Run, RunEventPage};
    use nanonets::{RunAgentResponse, Task, TaskList};
    fn unreadable<T: serde::de::DeserializeOwned + std::fmt::Debug>(body: &str) {
        let error = decode::<T>(body.as_bytes()).expect_err(body);
        assert!(matches!(error, DecodeError::Shape { .. }), "{error}");
        // The same with anything else there can be read.
        decode::<T>(body.replace("[key]", "x").as_bytes()).expect(body);
    }
    unreadable::<RunAgentResponse>(r#"{"task_id":"[key]","status":"queued"}"#);
    unreadable::<RunAgentResponse>(r#"{"task_id":"a","agent_id":"a-[key]","status":"queued"}"#);
    unreadable::<Task>(r#"{"task_id":"a","status":"running","agent_id":"[key]"}"#);
    unreadable::<TaskList>(r#"{"data":[],"has_more":true,"next_cursor":"c[key]"}"#);
    unreadable::<CreateRunResponse>(r#"{"id":"run_[key]","status":"queued"}"#);
    unreadable::<Run>(r#"{"id":"[key]","status":"queued"}"#);
    unreadable::<RunEventPage>(r#"{"events":[],"cursor":"[key]"}"#);
    unreadable::<RunEventPage>(r#"{"events":[],"next_cursor":"7[key]"}"#);
    for status in ["[key]", "runn[key]ing"] {
        let body = format!(r#"{{"status":"{status}"}}"#);
        let reply = Response::new(StatusCode::OK, body);
        let read = Nanonets.read(&TaskId::new("t"), &ReadKind::Status, &reply);
        assert!(read.is_err(), "{status}");
    }
}
