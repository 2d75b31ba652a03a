//! Each plausible difference of a real platform is reported.

use http::StatusCode;
use serde_json::{Value, json};
use taskward_core::Response;
use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::doctor::{Recording, Scope, differences};

use crate::world::{World, agent, both, different, findings};

/// Rows: O1.
#[test]
fn each_turned_switch_is_reported_as_different() {
    let nanonets = [
        ("run_status_code = 207", "start-code"),
        ("run_reply_omits_status = true", "start-status"),
        ("versions_in_pages = true", "versions-whole"),
        ("omit_agent_name = true", "list-agent-name"),
        ("answer_field = \"answer\"", "summary-result"),
        ("feed_field = \"steps\"", "result-feed"),
        ("bare_answers = true", "summary-task-fields"),
        ("fractional_seconds = true", "times"),
        ("numeric_offsets = true", "times"),
        ("extra_fields = true", "known-fields"),
        ("message_envelope = \"messages\"", "message-list"),
        ("content_shape = \"blocks\"", "message-content"),
        ("content_shape = \"object\"", "message-content"),
        ("bare_messages = true", "message-fields"),
        ("system_messages = true", "message-roles"),
        ("list_end = \"absent\"", "list-end"),
        ("list_end = \"empty\"", "list-end"),
        ("list_end = \"more_without_cursor\"", "list-end"),
        ("clamp_limit = true", "limit-refused"),
        ("new_task_hidden_ms = 1000", "new-task-visible"),
        ("early_answer_code = 409", "summary-early"),
        ("summary_delay_ms = 60000", "answers-in-time"),
        ("result_delay_ms = 60000", "answers-in-time"),
        ("explicit_nulls = true", "absent-values"),
        ("keep_query_in_log = false", "log-query"),
        ("title = \"absent\"", "title"),
        ("extracted_data = \"result\"", "summary-extracted-data"),
        ("group_id_addresses_agent = true", "group-id"),
    ];
    let harness = [
        ("create_status_code = 207", "start-code"),
        ("new_run_hidden_ms = 1000", "new-run-visible"),
        ("run_not_found_status_code = 403", "no-run"),
        ("bare_runs = true", "run-more"),
        ("auth_codes = \"quickstart\"", "wrong-key-code"),
        ("events_wrapper = \"data\"", "events-wrapper"),
        ("events_wrapper = \"bare\"", "events-wrapper"),
        ("events_wrapper = \"results\"", "events-wrapper"),
        ("cursor_name = \"cursor\"", "events-next-cursor"),
        ("cursor_parameter = \"after\"", "events-cursor"),
        ("event_ids = true", "stream-ids"),
        ("seq_step = 3", "seq-steps"),
        ("replay = \"live_only\"", "stream-replay"),
        ("extra_fields = true", "known-fields"),
        ("redaction = false", "redaction"),
        ("cursor_type = \"integer\"", "cursor-type"),
        ("cursor_ends = true", "cursor-goes-on"),
        ("events_missing = 404", "events-there"),
        ("stream_missing = 404", "stream-there"),
        ("ping_ms = 100", "stream-name"),
        ("retry_ms = 100", "stream-retry"),
    ];
    let tables = [("switches", &nanonets[..]), ("agent_harness", &harness[..])];
    for (table, cases) in tables {
        for (switch, assumption) in cases {
            let recording = both(&format!("[{table}]\n{switch}"));
            let different = different(&recording);
            let all = findings(&recording).join("\n");
            assert!(
                different.iter().any(|id| id == assumption),
                "{switch}:\n{all}"
            );
        }
    }
}

/// Rows: O1.
#[test]
fn each_server_of_a2a_is_reported_as_it_differs() {
    let rest = "bindings = [\"HTTP+JSON\"]";
    for (switches, expected) in [
        ("", &[][..]),
        (rest, &[]),
        ("profile = \"py\"", &["wrong-key"]),
        ("profile = \"js\"", &["wrong-key"]),
        (
            "profile = \"langgraph\"\ncard_needs_query = false",
            &[
                "start-returns",
                "subscribe-get",
                "wrong-key",
                "answer-in-artifacts",
            ],
        ),
        ("waits_always = true", &["start-returns"]),
        ("subscribe = \"missing\"", &["subscribe-get"]),
        (&format!("subscribe = \"post\"\n{rest}"), &["subscribe-get"]),
        (&format!("not_found = \"text\"\n{rest}"), &["no-task"]),
        ("auth = \"none\"", &["wrong-key"]),
        ("context_ids = \"replaced\"", &["start-listed"]),
        ("history = \"absent\"", &["start-listed"]),
        ("working_word = \"TASK_STATE_PAUSED\"", &["known-states"]),
        ("timestamps = \"never\"", &["status-times"]),
        ("artifacts_in_reads = false", &["answer-in-artifacts"]),
    ] {
        let recording = agent(&format!("[a2a]\n{switches}"));
        let all = findings(&recording).join("\n");
        assert_eq!(different(&recording), expected, "{switches}:\n{all}");
    }
}

/// Changes the description that is served.
fn changed(reply: Response) -> Response {
    let Ok(mut document) = serde_json::from_slice::<Value>(&reply.body) else {
        return reply;
    };
    let Some(paths) = document["paths"].as_object_mut() else {
        return reply;
    };
    paths.remove("/v1/usage").expect("a path");
    let cancel = json!({ "post": { "responses": { "200": { "description": "Stopped." } } } });
    paths.insert("/v1/runs/{run_id}/cancel".to_owned(), cancel);
    let run = &mut document["components"]["schemas"]["Run"]["properties"];
    run["result"] = json!({ "type": "string" });
    run["id"] = json!({ "type": "integer" });
    let status = &mut document["components"]["schemas"]["RunStatus"]["anyOf"][0]["enum"];
    status.as_array_mut().expect("values").push(json!("paused"));
    Response::new(StatusCode::OK, document.to_string())
}

/// Rows: O1.
#[test]
fn a_served_description_is_compared_with_ours() {
    let mut world = World::of::<AgentHarness>("");
    world.replies = changed;
    let recording = world.examine::<AgentHarness>(Scope::default()).recording();
    let text = recording.text();
    let recording = Recording::parse(&text).expect("a recording");
    let found = differences::<AgentHarness>(&recording).expect("a description");
    let of_read = found.iter().filter(|one| {
        matches!(
            one.operation.as_str(),
            "GET /v1/runs/{}" | "GET /v1/usage" | "POST /v1/runs/{}/cancel"
        )
    });
    let told: Vec<String> = of_read
        .map(|one| format!("{} {}: {}", one.kind.as_str(), one.operation, one.what))
        .collect();
    assert_eq!(
        told,
        [
            "gone GET /v1/usage: the operation",
            "new GET /v1/runs/{}: reply field result",
            "different GET /v1/runs/{}: reply field id: ours string, theirs integer",
            "new GET /v1/runs/{}: reply field status, value paused",
            "new POST /v1/runs/{}/cancel: the operation",
        ]
    );
    // What is served there may be anything.
    let mut world = World::of::<AgentHarness>("");
    world.replies = |reply| {
        let is_description = serde_json::from_slice::<Value>(&reply.body)
            .is_ok_and(|document| document["paths"].is_object());
        match is_description {
            true => Response::new(StatusCode::OK, r#"{"paths": 3}"#),
            false => reply,
        }
    };
    let recording = world.examine::<AgentHarness>(Scope::default()).recording();
    assert_eq!(differences::<AgentHarness>(&recording), None);
}
