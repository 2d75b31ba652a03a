//! Which replies are errors, and of which class: what the servers answered, and what others may.

use taskward_core::{ApiError, ErrorClass, Operation, ReadErrorKind};
use taskward_providers::a2a::A2a;
use taskward_providers::a2a::operations::{DeleteTaskPushNotificationConfig, GetTask, SendMessage};

use crate::{both, reply, rest, rpc, wrapped};

fn classify(agent: &A2a, status: u16, body: &str) -> Result<(), ApiError> {
    GetTask::new(agent, "t").classify(&reply(status, body))
}

fn error(agent: &A2a, status: u16, body: &str) -> ApiError {
    classify(agent, status, body).expect_err(body)
}

/// What an agent answers with this reason, number and status in either binding.
fn with_reason(reason: &str, status: u16, number: i64) -> [(A2a, u16, String); 2] {
    let info = format!(
        r#"[{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{reason}","domain":"a2a-protocol.org","metadata":{{}}}}]"#
    );
    [
        (
            rest(),
            status,
            format!(
                r#"{{"error":{{"code":{status},"status":"X","message":"no","details":{info}}}}}"#
            ),
        ),
        (
            rpc(),
            200,
            format!(
                r#"{{"error":{{"code":{number},"message":"no","data":{info}}},"id":1,"jsonrpc":"2.0"}}"#
            ),
        ),
    ]
}

/// Rows: P4.
#[test]
fn a_reason_has_one_class_in_both_bindings() {
    use ErrorClass as C;
    for (reason, status, number, class) in [
        ("TASK_NOT_FOUND", 404, -32001, C::Gone),
        ("TASK_NOT_CANCELABLE", 400, -32002, C::NotCancellable),
        ("PUSH_NOTIFICATION_NOT_SUPPORTED", 400, -32003, C::Refused),
        ("UNSUPPORTED_OPERATION", 400, -32004, C::Refused),
        ("CONTENT_TYPE_NOT_SUPPORTED", 400, -32005, C::Refused),
        ("INVALID_AGENT_RESPONSE", 500, -32006, C::Server),
        (
            "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
            400,
            -32007,
            C::Refused,
        ),
        ("EXTENSION_SUPPORT_REQUIRED", 400, -32008, C::Refused),
        ("VERSION_NOT_SUPPORTED", 400, -32009, C::Refused),
        ("INVALID_PARAMS", 400, -32602, C::Invalid),
        ("INVALID_REQUEST", 400, -32600, C::Invalid),
        ("METHOD_NOT_FOUND", 404, -32601, C::NoSuchMethod),
        ("INTERNAL_ERROR", 500, -32603, C::Server),
    ] {
        for (agent, status, body) in with_reason(reason, status, number) {
            let error = error(&agent, status, &body);
            assert_eq!(
                (error.class, error.status.as_u16()),
                (class, status),
                "{body}"
            );
            assert_eq!(
                (error.message.as_str(), error.code.as_deref()),
                ("no", Some(reason))
            );
        }
        // LangGraph sends the number alone.
        let bare =
            format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{number},"message":"no"}}}}"#);
        let error = error(&rpc(), 200, &bare);
        assert_eq!(error.class, class, "{bare}");
        assert_eq!(error.code, Some(number.to_string()));
    }
}

/// Bodies of the recorded exchanges a2a-01, a2a-02, a2a-06, a2a-08, js-01 and lg-02.
/// Rows: P4.
#[test]
fn what_the_servers_answered_is_taken_for_what_it_was() {
    use ErrorClass as C;
    for (status, body, class) in [
        (
            400,
            r#"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"Task 757e6f3f-4543-453e-8cf7-4ca7a7f5e888 is in terminal state: TASK_STATE_COMPLETED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_OPERATION","domain":"a2a-protocol.org","metadata":{}}]}}"#,
            C::Refused,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"Validation failed","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_PARAMS","domain":"a2a-protocol.org","metadata":{"errors":[{"field":"message.role","message":"Field is required."}]}},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.role","description":"Field is required."}]}]}}"#,
            C::Invalid,
        ),
        (
            404,
            r#"{"error":{"code":404,"status":"NOT_FOUND","message":"Task not found: nope","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org"}]}}"#,
            C::Gone,
        ),
        (404, "Not Found", C::NoSuchMethod),
        (
            500,
            r#"{"error":{"code":500,"status":"INTERNAL","message":"unknown exception"}}"#,
            C::Server,
        ),
    ] {
        assert_eq!(error(&rest(), status, body).class, class, "{body}");
    }
    for (body, class) in [
        (
            r#"{"error":{"code":-32004,"message":"Task 7f1f564a-bd22-490d-9b08-540ef05f706a is in terminal state: TASK_STATE_COMPLETED","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_OPERATION","domain":"a2a-protocol.org","metadata":{}}]},"id":1,"jsonrpc":"2.0"}"#,
            C::Refused,
        ),
        (
            r#"{"error":{"code":-32601,"message":"Method not found"},"id":1,"jsonrpc":"2.0"}"#,
            C::NoSuchMethod,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: SubscribeToTask"}}"#,
            C::NoSuchMethod,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Task is not cancelable in its current state"}}"#,
            C::NotCancellable,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"data":null,"message":"Task cannot be canceled"}}"#,
            C::NotCancellable,
        ),
        (
            r#"{"error":{"code":-32700,"message":"Expecting property name"},"id":null,"jsonrpc":"2.0"}"#,
            C::Invalid,
        ),
        (
            r#"{"error":{"code":-32603,"message":"the executor crashed"},"id":1,"jsonrpc":"2.0"}"#,
            C::Server,
        ),
    ] {
        let error = error(&rpc(), 200, body);
        assert_eq!(error.class, class, "{body}");
        assert!(!error.message.is_empty());
    }
}

/// Rows: P6.
#[test]
fn a_404_without_the_protocol_s_words_is_no_word_about_a_task() {
    for body in [
        "",
        "Not Found",
        "<html><title>404</title></html>",
        r#"{"detail":"Not Found"}"#,
        r#"{"error":"no such page"}"#,
        "{}",
        "[]",
    ] {
        for agent in both() {
            let error = error(&agent, 404, body);
            assert_eq!(error.class, ErrorClass::NoSuchMethod, "{body}");
        }
    }
    let spoken = r#"{"error":{"code":404,"status":"NOT_FOUND","message":"no task"}}"#;
    assert_eq!(error(&rest(), 404, spoken).class, ErrorClass::Gone);
    assert_eq!(error(&rest(), 410, "").class, ErrorClass::Gone);
}

#[test]
fn what_stands_before_the_agent_has_the_last_word_about_credentials_and_rates() {
    for (agent, _, body) in with_reason("TASK_NOT_FOUND", 404, -32001) {
        for (status, class) in [
            (401, ErrorClass::Unauthorised),
            (403, ErrorClass::Unauthorised),
            (429, ErrorClass::RateLimited),
        ] {
            assert_eq!(error(&agent, status, &body).class, class);
            assert_eq!(error(&agent, status, "no").class, class);
        }
    }
    for (status, class) in [
        (400, ErrorClass::Invalid),
        (405, ErrorClass::NoSuchMethod),
        (409, ErrorClass::Conflict),
        (422, ErrorClass::Invalid),
        (501, ErrorClass::NoSuchMethod),
        (503, ErrorClass::Server),
    ] {
        for agent in both() {
            assert_eq!(error(&agent, status, "no").class, class, "{status}");
        }
    }
    // JSON-RPC with the number of a status, and with one that nobody knows: what was asked may have been done.
    for (number, class) in [
        (429, ErrorClass::RateLimited),
        (401, ErrorClass::Unauthorised),
        (200, ErrorClass::Server),
        (7, ErrorClass::Server),
        (-32050, ErrorClass::Server),
    ] {
        let body = format!(r#"{{"id":1,"error":{{"code":{number}}}}}"#);
        assert_eq!(error(&rpc(), 200, &body).class, class, "{number}");
    }
}

/// Rows: P4.
#[test]
fn an_odd_reason_falls_back_to_the_number_and_an_odd_number_to_the_status() {
    for details in [
        r#"null"#,
        r#""x""#,
        r#"{"reason":7}"#,
        r#"[{"reason":""},1]"#,
        r#"[{"reason":"NEW"}]"#,
    ] {
        let body = format!(r#"{{"error":{{"code":-32001,"data":{details}}},"id":1}}"#);
        assert_eq!(
            error(&rpc(), 200, &body).class,
            ErrorClass::Gone,
            "{details}"
        );
    }
    let lone = r#"{"error":{"code":-32002,"data":{"reason":"TASK_NOT_FOUND"}},"id":"1"}"#;
    assert_eq!(error(&rpc(), 200, lone).class, ErrorClass::Gone);
    for odd in [
        r#"{"error":"no","id":1}"#,
        r#"{"error":true}"#,
        r#"{"error":{"code":"x"},"id":1}"#,
    ] {
        assert_eq!(error(&rpc(), 200, odd).class, ErrorClass::Server, "{odd}");
    }
    // A number in text, an integer as a float, damage in the words, a mark before the body.
    for body in [
        r#"{"error":{"code":"-32001"},"id":1}"#.as_bytes(),
        r#"{"error":{"code":-32001.0},"id":1}"#.as_bytes(),
        b"{\"error\":{\"code\":-32001,\"message\":\"\xff\"},\"id\":1}",
        r#"{"error":{"code":-32001,"message":"\ud83d"},"id":1}"#.as_bytes(),
        "\u{feff}{\"error\":{\"code\":-32001},\"id\":1}".as_bytes(),
        "\u{feff}{\"id\":1,\"result\":null,\"error\":{\"code\":-32001}}".as_bytes(),
    ] {
        let error = GetTask::new(&rpc(), "t").classify(&reply(200, body));
        assert_eq!(error.map_err(|error| error.class), Err(ErrorClass::Gone));
    }
}

#[test]
fn a_result_is_no_error_wherever_it_stands_and_whatever_is_in_it() {
    for body in [
        r#"{"result":{"id":"t","error":{"code":-32001}},"id":1,"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":null,"result":{}}"#,
        r#"{"result":null,"id":1,"jsonrpc":"2.0"}"#,
        r#"{"result":"error","id":1}"#,
        // Judged by its beginning: the rest is for the reading.
        r#"{"result":{"id":"#,
    ] {
        assert_eq!(classify(&rpc(), 200, body), Ok(()), "{body}");
    }
    assert_eq!(classify(&rest(), 200, r#"{"error":{"code":500}}"#), Ok(()));
    let delete = DeleteTaskPushNotificationConfig {
        agent: rpc(),
        task: "t".to_owned(),
        config: "c".to_owned(),
    };
    for nothing in [r#"{"result":null,"id":1}"#, r#"{"result":{},"id":1}"#] {
        assert_eq!(delete.read(&reply(200, nothing)), Ok(()));
    }
    assert!(delete.read(&reply(200, "{}")).is_err());
    let delete = DeleteTaskPushNotificationConfig {
        agent: rest(),
        ..delete
    };
    for nothing in ["{}", "", " \n"] {
        assert_eq!(delete.read(&reply(200, nothing)), Ok(()));
    }
    assert!(delete.read(&reply(200, "<html>")).is_err());
}

/// Rows: P5.
#[test]
fn a_reply_that_is_none_in_json_rpc_is_unreadable_and_says_why() {
    let task = r#"{"id":"t","status":{"state":"TASK_STATE_COMPLETED"}}"#;
    for (body, kind, why) in [
        (
            format!(r#"{{"result":{task},"id":2}}"#),
            ReadErrorKind::Shape,
            "its JSON-RPC id is not ours",
        ),
        (
            format!(r#"{{"result":{task},"id":"x"}}"#),
            ReadErrorKind::Shape,
            "its JSON-RPC id is not ours",
        ),
        (
            r#"{"error":{"code":-32001},"id":2}"#.to_owned(),
            ReadErrorKind::Shape,
            "its JSON-RPC id is not ours",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1}"#.to_owned(),
            ReadErrorKind::Shape,
            "neither a result nor an error",
        ),
        (
            "{}".to_owned(),
            ReadErrorKind::Shape,
            "neither a result nor an error",
        ),
        (
            task.to_owned(),
            ReadErrorKind::Shape,
            "its JSON-RPC id is not ours",
        ),
        (
            format!("[{}]", wrapped(task)),
            ReadErrorKind::Shape,
            "a batch of replies",
        ),
        (
            r#"[{"error":{"code":-32001},"id":1}]"#.to_owned(),
            ReadErrorKind::Shape,
            "a batch of replies",
        ),
        (
            wrapped("[]"),
            ReadErrorKind::Shape,
            "the result is something else than a Task object",
        ),
        (
            wrapped("null"),
            ReadErrorKind::Shape,
            "the result is something else than a Task object",
        ),
        ("<html>".to_owned(), ReadErrorKind::Html, ""),
        ("Bad Gateway".to_owned(), ReadErrorKind::NotJson, ""),
        (String::new(), ReadErrorKind::Empty, ""),
        (
            r#"{"result":{"id":"#.to_owned(),
            ReadErrorKind::Truncated,
            "",
        ),
    ] {
        let get = GetTask::new(&rpc(), "t");
        let answer = reply(200, &body);
        assert_eq!(get.classify(&answer), Ok(()), "{body}");
        let error = get.read(&answer).expect_err(&body);
        assert_eq!(error.kind(), kind, "{body}: {error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    // No id is taken for ours, as is one in text: a start must not be lost over it.
    for id in ["", r#","id":null"#, r#","id":1"#, r#","id":"1""#] {
        let body = format!(r#"{{"result":{{"task":{task}}}{id}}}"#);
        let send = SendMessage::new(&rpc(), crate::requests::message());
        assert!(send.read(&reply(200, body)).is_ok(), "{id}");
    }
}
