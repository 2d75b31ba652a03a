//! Every assumption that the contract leaves open, as a switch.

use serde::{Deserialize, Serialize};

use crate::message::Replay;
use crate::switches::switches;

switches! {
    /// How the simulated platform behaves where its contract is silent or contradicts itself.
    ///
    /// A scenario file sets them in its `[agent_harness]` table; what it omits has its default. A delay of
    /// 9223372036854775807 ms (the largest number of such a file) never ends.
    pub struct Switches {
        /// How long a new run stays `queued`.
        queued_ms: u64 = 300,
        /// For how long a new run answers 404, as on a stale replica.
        new_run_hidden_ms: u64 = 0,
        /// How long a wait lasts without a signal before the run is cancelled.
        signal_timeout_ms: u64 = 24 * 3_600_000,
        /// How long after a signal the run still reads `awaiting_input`.
        signal_delay_ms: u64 = 0,
        /// How long after its last event the run still reads as before.
        end_delay_ms: u64 = 0,
        /// How long after the event of a wait the run still reads as before.
        wait_status_delay_ms: u64 = 0,
        /// How long after the run reads `awaiting_input` the event of the wait comes.
        wait_event_delay_ms: u64 = 0,
        /// The code of a creation that made a run.
        create_status_code: u16 = 201,
        /// The code of a creation that gives an earlier run.
        replay_status_code: u16 = 200,
        /// Whether the reply to such a creation says `replayed`.
        replayed_field: bool = true,
        /// The code of a creation without a key.
        key_missing_status_code: u16 = 400,
        /// The code of a creation whose key was used with other parameters.
        key_conflict_status_code: u16 = 409,
        /// For how long after a creation another one with its key answers 409.
        create_in_progress_ms: u64 = 0,
        /// How long a creation's key is remembered (absent: forever).
        key_lifetime_ms: Option<u64> = None,
        /// Whether a creation without `input` is refused.
        input_required: bool = false,
        /// The code of a body with a field that is missing or of the wrong type.
        validation_status_code: u16 = 400,
        /// The code of a run that there is not.
        run_not_found_status_code: u16 = 404,
        /// Whether a run shows nothing but its `id` and `status`.
        bare_runs: bool = false,
        /// Whether replies, and the entries of lists, have a field that no page documents. Streams do not.
        extra_fields: bool = false,
        /// The code of a signal that was taken, and of a resume.
        signal_status_code: u16 = 200,
        /// Whether the replies to a signal and a resume have no body.
        empty_write_replies: bool = false,
        /// Whether a signal's key that was seen before gives the first reply again; otherwise such a signal is judged
        /// like any other.
        signal_idempotency: bool = true,
        /// Which key counts when header and body of a signal disagree.
        signal_key: KeyPlace = KeyPlace::Header,
        /// The code of `run_not_awaiting_input`.
        not_awaiting_status_code: u16 = 409,
        /// The code of `invalid_signal_type`.
        invalid_signal_status_code: u16 = 400,
        /// Whether `approve` of a wait for data, and `submit_input` to a wait for approval, are refused.
        strict_signals: bool = false,
        /// Which family of reason codes a 401 has.
        auth_codes: AuthCodes = AuthCodes::ErrorReference,
        /// How long after its issue a key expires (absent: never).
        api_key_lifetime_ms: Option<u64> = None,
        /// For how long the secret that a rotation replaced still opens.
        rotated_key_grace_ms: u64 = 0,
        /// Whether keys are managed with a key; otherwise they take a credential that the simulator does not have, and a
        /// key answers 403.
        keys_manage_keys: bool = true,
        /// How many keys there can be.
        api_key_limit: u32 = 10,
        /// How much the sequence number grows from event to event; 0 counts as 1.
        seq_step: u64 = 1,
        /// Whether the four client-supplied fields are taken out of events.
        redaction: bool = true,
        /// Whether events of tool calls, which no page documents, are among the others.
        tool_events: bool = true,
        /// Whether stall, resume and signal leave events, which no page documents.
        lifecycle_events: bool = false,
        /// What a run reads after `run.limit_exceeded`.
        limit_status: LimitStatus = LimitStatus::Failed,
        /// The wrapper of a page of events.
        events_wrapper: Wrapper = Wrapper::Events,
        /// The name of the cursor in a page of events.
        cursor_name: CursorName = CursorName::NextCursor,
        /// The type of that cursor.
        cursor_type: CursorType = CursorType::String,
        /// Whether the cursor is null when nothing more is there yet; otherwise it is the one to go on from later.
        cursor_ends: bool = false,
        /// The query parameter that takes the cursor.
        cursor_parameter: String = "cursor".to_owned(),
        /// How many events a page has at most.
        event_page_size: u32 = 100,
        /// The code with which the polling endpoint is refused (absent: it works).
        events_missing: Option<u16> = None,
        /// The code with which a resume is refused (absent: it works).
        resume_missing: Option<u16> = None,
        /// The code with which the stream is refused (absent: it works).
        stream_missing: Option<u16> = None,
        /// Which events a new stream begins with.
        replay: Replay = Replay::FromStart,
        /// Whether frames have an `id`. With a replay by it they always have.
        event_ids: bool = false,
        /// After how much silence a stream sends a comment (0: never).
        heartbeat_ms: u64 = 15_000,
        /// How often a stream sends a frame named `ping` (0: never).
        ping_ms: u64 = 0,
        /// The `retry` at the beginning of a stream (absent: none).
        retry_ms: Option<u64> = None,
        /// Whether the server closes a stream after the terminal event.
        stream_ends: bool = true,
        /// Whether the server closes a stream after the event of an open wait.
        stream_ends_at_wait: bool = false,
        /// The line ending of streams.
        line_ending: LineEnding = LineEnding::Lf,
    }
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
