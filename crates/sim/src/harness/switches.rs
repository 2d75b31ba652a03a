//! Every assumption that the contract leaves open, as a switch.

use serde::{Deserialize, Serialize};

/// How the simulated platform behaves where its contract is silent or contradicts itself.
///
/// A scenario file sets them in its `[agent_harness]` table; what it omits has its default. A delay of
/// 9223372036854775807 ms (the largest number of such a file) never ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Switches {
    /// How long a new run stays `queued`.
    pub queued_ms: u64,
    /// For how long a new run answers 404, as on a stale replica.
    pub new_run_hidden_ms: u64,
    /// How long a wait lasts without a signal before the run is cancelled.
    pub signal_timeout_ms: u64,
    /// How long after a signal the run still reads `awaiting_input`.
    pub signal_delay_ms: u64,
    /// How long after its last event the run still reads as before.
    pub end_delay_ms: u64,
    /// How long after the event of a wait the run still reads as before.
    pub wait_status_delay_ms: u64,
    /// How long after the run reads `awaiting_input` the event of the wait comes.
    pub wait_event_delay_ms: u64,
    /// The code of a creation that made a run.
    pub create_status_code: u16,
    /// The code of a creation that gives an earlier run.
    pub replay_status_code: u16,
    /// Whether the reply to such a creation says `replayed`.
    pub replayed_field: bool,
    /// The code of a creation without a key.
    pub key_missing_status_code: u16,
    /// The code of a creation whose key was used with other parameters.
    pub key_conflict_status_code: u16,
    /// For how long after a creation another one with its key answers 409.
    pub create_in_progress_ms: u64,
    /// How long a creation's key is remembered (absent: forever).
    pub key_lifetime_ms: Option<u64>,
    /// Whether a creation without `input` is refused.
    pub input_required: bool,
    /// The code of a body with a field that is missing or of the wrong type.
    pub validation_status_code: u16,
    /// The code of a run that there is not.
    pub run_not_found_status_code: u16,
    /// Whether a run shows nothing but its `id` and `status`.
    pub bare_runs: bool,
    /// Whether replies, and the entries of lists, have a field that no page documents. Streams do not.
    pub extra_fields: bool,
    /// The code of a signal that was taken, and of a resume.
    pub signal_status_code: u16,
    /// Whether the replies to a signal and a resume have no body.
    pub empty_write_replies: bool,
    /// Whether a signal's key that was seen before gives the first reply again; otherwise such a signal is judged
    /// like any other.
    pub signal_idempotency: bool,
    /// Which key counts when header and body of a signal disagree.
    pub signal_key: KeyPlace,
    /// The code of `run_not_awaiting_input`.
    pub not_awaiting_status_code: u16,
    /// The code of `invalid_signal_type`.
    pub invalid_signal_status_code: u16,
    /// Whether `approve` of a wait for data, and `submit_input` to a wait for approval, are refused.
    pub strict_signals: bool,
    /// Which family of reason codes a 401 has.
    pub auth_codes: AuthCodes,
    /// How long after its issue a key expires (absent: never).
    pub api_key_lifetime_ms: Option<u64>,
    /// For how long the secret that a rotation replaced still opens.
    pub rotated_key_grace_ms: u64,
    /// Whether keys are managed with a key; otherwise they take a credential that the simulator does not have, and a
    /// key answers 403.
    pub keys_manage_keys: bool,
    /// How many keys there can be.
    pub api_key_limit: u32,
    /// How much the sequence number grows from event to event; 0 counts as 1.
    pub seq_step: u64,
    /// Whether the four client-supplied fields are taken out of events.
    pub redaction: bool,
    /// Whether events of tool calls, which no page documents, are among the others.
    pub tool_events: bool,
    /// Whether stall, resume and signal leave events, which no page documents.
    pub lifecycle_events: bool,
    /// What a run reads after `run.limit_exceeded`.
    pub limit_status: LimitStatus,
    /// The wrapper of a page of events.
    pub events_wrapper: Wrapper,
    /// The name of the cursor in a page of events.
    pub cursor_name: CursorName,
    /// The type of that cursor.
    pub cursor_type: CursorType,
    /// Whether the cursor is null when nothing more is there yet; otherwise it is the one to go on from later.
    pub cursor_ends: bool,
    /// The query parameter that takes the cursor.
    pub cursor_parameter: String,
    /// How many events a page has at most.
    pub event_page_size: u32,
    /// The code with which the polling endpoint is refused (absent: it works).
    pub events_missing: Option<u16>,
    /// The code with which a resume is refused (absent: it works).
    pub resume_missing: Option<u16>,
    /// The code with which the stream is refused (absent: it works).
    pub stream_missing: Option<u16>,
    /// Which events a new stream begins with.
    pub replay: Replay,
    /// Whether frames have an `id`. With a replay by it they always have.
    pub event_ids: bool,
    /// After how much silence a stream sends a comment (0: never).
    pub heartbeat_ms: u64,
    /// How often a stream sends a frame named `ping` (0: never).
    pub ping_ms: u64,
    /// The `retry` at the beginning of a stream (absent: none).
    pub retry_ms: Option<u64>,
    /// Whether the server closes a stream after the terminal event.
    pub stream_ends: bool,
    /// Whether the server closes a stream after the event of an open wait.
    pub stream_ends_at_wait: bool,
    /// The line ending of streams.
    pub line_ending: LineEnding,
}

/// The place of a key that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// The header field `idempotency-key`.
    Header,
    /// The body's `idempotency_key`.
    Body,
}

/// A family of reason codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthCodes {
    /// `invalid_api_key`, `api_key_revoked`, `api_key_expired`, as the error reference has them.
    ErrorReference,
    /// `AUTH_MISSING_HEADER` and `AUTH_KEY_INVALID`, as the quickstart has them.
    Quickstart,
}

/// The status of a run over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitStatus {
    /// `failed`.
    Failed,
    /// `cancelled`.
    Cancelled,
    /// `running`, forever: only the event says so.
    Running,
}

/// The wrapper around the events of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapper {
    /// An object with `events`.
    Events,
    /// An object with `data`.
    Data,
    /// An object with `items`.
    Items,
    /// An object with `results`, which no client expects.
    Results,
    /// The array alone: no cursor, every event each time.
    Bare,
}

/// The name of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorName {
    /// `next_cursor`.
    NextCursor,
    /// `cursor`.
    Cursor,
}

/// The type of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorType {
    /// An opaque text.
    String,
    /// A number: the last sequence number of the page.
    Integer,
}

/// The first event of a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The run's first, whatever the client has seen.
    FromStart,
    /// The one behind the request's `Last-Event-ID`; the run's first without one.
    LastEventId,
    /// The first that happens after the stream was opened.
    LiveOnly,
}

/// What ends a line of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnding {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    Crlf,
    /// A carriage return.
    Cr,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            queued_ms: 300,
            new_run_hidden_ms: 0,
            signal_timeout_ms: 24 * 3_600_000,
            signal_delay_ms: 0,
            end_delay_ms: 0,
            wait_status_delay_ms: 0,
            wait_event_delay_ms: 0,
            create_status_code: 201,
            replay_status_code: 200,
            replayed_field: true,
            key_missing_status_code: 400,
            key_conflict_status_code: 409,
            create_in_progress_ms: 0,
            key_lifetime_ms: None,
            input_required: false,
            validation_status_code: 400,
            run_not_found_status_code: 404,
            bare_runs: false,
            extra_fields: false,
            signal_status_code: 200,
            empty_write_replies: false,
            signal_idempotency: true,
            signal_key: KeyPlace::Header,
            not_awaiting_status_code: 409,
            invalid_signal_status_code: 400,
            strict_signals: false,
            auth_codes: AuthCodes::ErrorReference,
            api_key_lifetime_ms: None,
            rotated_key_grace_ms: 0,
            keys_manage_keys: true,
            api_key_limit: 10,
            seq_step: 1,
            redaction: true,
            tool_events: true,
            lifecycle_events: false,
            limit_status: LimitStatus::Failed,
            events_wrapper: Wrapper::Events,
            cursor_name: CursorName::NextCursor,
            cursor_type: CursorType::String,
            cursor_ends: false,
            cursor_parameter: "cursor".to_owned(),
            event_page_size: 100,
            events_missing: None,
            resume_missing: None,
            stream_missing: None,
            replay: Replay::FromStart,
            event_ids: false,
            heartbeat_ms: 15_000,
            ping_ms: 0,
            retry_ms: None,
            stream_ends: true,
            stream_ends_at_wait: false,
            line_ending: LineEnding::Lf,
        }
    }
}

impl Switches {
    /// Returns the sequence number of a run's event, whose own number begins at 0.
    pub(crate) fn seq_of(&self, number: u64) -> u64 {
        number
            .saturating_mul(self.seq_step.max(1))
            .saturating_add(1)
    }

    /// Returns the number of the first event behind a sequence number.
    pub(crate) fn first_behind(&self, seq: u64) -> u64 {
        match seq.checked_sub(1) {
            Some(before) => before / self.seq_step.max(1) + 1,
            None => 0,
        }
    }
}

impl LineEnding {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Crlf => "\r\n",
            Self::Cr => "\r",
        }
    }
}
