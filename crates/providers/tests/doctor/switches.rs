//! The simulator has a switch for whatever the platforms leave open: each is an assumption here.

use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::doctor::Examined;
use taskward_providers::nanonets::Nanonets;
use taskward_sim::{harness, nanonets};

/// The assumption that each switch turns; none where it is a matter of time or size, which nothing is assumed of.
const NANONETS: &[(&str, Option<&str>)] = &[
    ("pending_ms", None),
    ("new_task_hidden_ms", Some("new-task-visible")),
    ("reply_delay_ms", Some("message-delay")),
    ("cancel_delay_ms", Some("cancel-at-once")),
    ("summary_delay_ms", Some("answers-in-time")),
    ("result_delay_ms", Some("answers-in-time")),
    ("concurrency_limit", Some("queue")),
    ("waiting_holds_slot", Some("queue")),
    ("run_status_code", Some("start-code")),
    ("message_status_code", Some("message-codes")),
    ("create_agent_status_code", Some("agent-create-codes")),
    ("publish_status_code", Some("publish-code")),
    ("name_clash_status_code", Some("agent-create-codes")),
    ("null_is_absent", Some("request-null")),
    ("run_reply_omits_status", Some("start-status")),
    ("empty_write_replies", Some("write-bodies")),
    ("explicit_nulls", Some("absent-values")),
    ("fractional_seconds", Some("times")),
    ("numeric_offsets", Some("times")),
    ("extra_fields", Some("known-fields")),
    ("message_envelope", Some("message-list")),
    ("content_shape", Some("message-content")),
    ("bare_messages", Some("message-fields")),
    ("system_messages", Some("message-roles")),
    ("message_id_field", Some("message-reply")),
    ("keep_query_in_log", Some("log-query")),
    ("trim_messages", Some("message-trimmed")),
    ("user_messages_in_feed", Some("feed-messages")),
    ("answer_field", Some("summary-result")),
    ("feed_field", Some("result-feed")),
    ("bare_answers", Some("summary-task-fields")),
    ("early_answer_code", Some("summary-early")),
    ("extracted_data", Some("summary-extracted-data")),
    ("live_answers", Some("answer-early")),
    ("title", Some("title")),
    ("message_to_completed", Some("message-late")),
    ("message_to_ended", Some("message-late")),
    ("reject_ends", Some("review-rejected")),
    ("foreign_is_404", Some("foreign")),
    ("omit_agent_name", Some("list-agent-name")),
    ("cursor_binds_filters", Some("cursor-filters")),
    ("clamp_limit", Some("limit-refused")),
    ("list_end", Some("list-end")),
    ("versions_in_pages", Some("versions-whole")),
    ("group_id_addresses_agent", Some("group-id")),
    ("draft_runs", Some("draft-run")),
    ("accept_files_items", Some("file-parts")),
    ("max_file_bytes", Some("file-size")),
    ("filler_agents", None),
];

/// The same of the other platform.
const HARNESS: &[(&str, Option<&str>)] = &[
    ("queued_ms", None),
    ("new_run_hidden_ms", Some("new-run-visible")),
    ("signal_timeout_ms", Some("wait-timeout")),
    ("signal_delay_ms", Some("signal-at-once")),
    ("end_delay_ms", Some("status-and-events")),
    ("wait_status_delay_ms", Some("status-and-events")),
    ("wait_event_delay_ms", Some("status-and-events")),
    ("create_status_code", Some("start-code")),
    ("replay_status_code", Some("start-replay")),
    ("replayed_field", Some("start-replay")),
    ("key_missing_status_code", Some("start-keys")),
    ("key_conflict_status_code", Some("start-keys")),
    ("create_in_progress_ms", Some("start-keys")),
    ("key_lifetime_ms", Some("start-keys")),
    ("input_required", Some("start-input")),
    ("validation_status_code", Some("start-input")),
    ("run_not_found_status_code", Some("no-run")),
    ("bare_runs", Some("run-more")),
    ("extra_fields", Some("known-fields")),
    ("signal_status_code", Some("signal-reply")),
    ("empty_write_replies", Some("signal-reply")),
    ("signal_idempotency", Some("signal-keys")),
    ("signal_key", Some("signal-keys")),
    ("not_awaiting_status_code", Some("signal-codes")),
    ("invalid_signal_status_code", Some("signal-codes")),
    ("strict_signals", Some("signal-kinds")),
    ("auth_codes", Some("wrong-key-code")),
    ("api_key_lifetime_ms", Some("key-calls")),
    ("rotated_key_grace_ms", Some("key-calls")),
    ("keys_manage_keys", Some("key-calls")),
    ("api_key_limit", Some("key-calls")),
    ("seq_step", Some("seq-steps")),
    ("redaction", Some("redaction")),
    ("tool_events", Some("known-events")),
    ("lifecycle_events", Some("known-events")),
    ("limit_status", Some("limit-status")),
    ("events_wrapper", Some("events-wrapper")),
    ("cursor_name", Some("events-next-cursor")),
    ("cursor_type", Some("cursor-type")),
    ("cursor_ends", Some("cursor-goes-on")),
    ("cursor_parameter", Some("events-cursor")),
    ("event_page_size", None),
    ("events_missing", Some("events-there")),
    ("resume_missing", Some("resume-path")),
    ("stream_missing", Some("stream-there")),
    ("replay", Some("stream-replay")),
    ("event_ids", Some("stream-ids")),
    ("heartbeat_ms", Some("stream-heartbeat")),
    ("ping_ms", Some("stream-name")),
    ("retry_ms", Some("stream-retry")),
    ("stream_ends", Some("stream-end")),
    ("stream_ends_at_wait", Some("stream-end")),
    // A stream may end its lines in any of the three ways.
    ("line_ending", None),
];

fn check<P: Examined>(switches: &serde_json::Value, table: &[(&str, Option<&str>)]) {
    let switches = switches.as_object().expect("switches");
    let mut there: Vec<&str> = switches.keys().map(String::as_str).collect();
    let mut named: Vec<&str> = table.iter().map(|(switch, _)| *switch).collect();
    there.sort_unstable();
    named.sort_unstable();
    assert_eq!(
        named,
        there,
        "{}: left: the table here, right: the simulator",
        P::NAME
    );
    for (switch, assumption) in table {
        let is_there = |id: &str| P::ASSUMPTIONS.iter().any(|one| one.id == id);
        assert!(assumption.is_none_or(is_there), "{switch}: {assumption:?}");
    }
}

/// Rows: O2.
#[test]
fn whatever_the_simulator_can_do_otherwise_is_an_assumption() {
    check::<Nanonets>(&serde_json::json!(nanonets::Switches::default()), NANONETS);
    check::<AgentHarness>(&serde_json::json!(harness::Switches::default()), HARNESS);
}
