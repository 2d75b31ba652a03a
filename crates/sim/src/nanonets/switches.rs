//! Every assumption that the contract leaves open, as a switch.

use serde::{Deserialize, Serialize};

use crate::switches::switches;
use crate::time::rfc3339;

switches! {
    /// How the simulated platform behaves where its contract is silent or contradicts itself.
    ///
    /// A scenario file sets them in its `[switches]` table; what it omits has its default.
    pub struct Switches {
        /// How long a new task stays `pending` before a worker takes it (0: never seen).
        pending_ms: u64 = 0,
        /// For how long a new task answers 404, as on a stale replica.
        new_task_hidden_ms: u64 = 0,
        /// How long after a message the status has its old value; the message is in the log at once.
        reply_delay_ms: u64 = 1_000,
        /// How long after a cancel the status has its old value.
        cancel_delay_ms: u64 = 0,
        /// How long after the end `/summary` still reads `running`.
        summary_delay_ms: u64 = 0,
        /// How long after the end `/result` still reads `running`.
        result_delay_ms: u64 = 0,
        /// How many tasks of one agent run at once; more stay `queued`, first come, first served (0: no limit).
        concurrency_limit: u32 = 2,
        /// Whether a task that waits for a human counts among those that run.
        waiting_holds_slot: bool = false,
        /// The code of a run that made a task.
        run_status_code: u16 = 201,
        /// The code of a message that was taken.
        message_status_code: u16 = 200,
        /// The code of a creation that made an agent.
        create_agent_status_code: u16 = 201,
        /// The code of a publish that made a version.
        publish_status_code: u16 = 200,
        /// The code of a name that another agent has.
        name_clash_status_code: u16 = 409,
        /// Whether a field of a JSON request that is null counts as left out; otherwise it is of the wrong type.
        null_is_absent: bool = false,
        /// Whether the reply to a run omits `status`, as the vendor's own sample does.
        run_reply_omits_status: bool = false,
        /// Whether the replies to a message and to a cancel have no body.
        empty_write_replies: bool = false,
        /// Whether optional fields without a value are sent as null instead of left out.
        explicit_nulls: bool = false,
        /// Whether timestamps carry milliseconds.
        fractional_seconds: bool = false,
        /// Whether timestamps end in `+00:00` instead of `Z`.
        numeric_offsets: bool = false,
        /// Whether replies, and the entries of lists, have a field that no page documents.
        extra_fields: bool = false,
        /// The key under which `/messages` holds its list.
        message_envelope: Envelope = Envelope::Both,
        /// What a message's `content` is.
        content_shape: ContentShape = ContentShape::Text,
        /// Whether a message of the log has nothing but `role` and `content`.
        bare_messages: bool = false,
        /// Whether a message of a role that no page documents, `system`, follows each one of the log.
        system_messages: bool = false,
        /// The name under which the reply to a message gives the message's id.
        message_id_field: String = "message_id".to_owned(),
        /// Whether the query is the first user message of the log.
        keep_query_in_log: bool = true,
        /// Whether user messages lose white space at both ends on their way into the log.
        trim_messages: bool = false,
        /// Whether user messages are in the feed of `/result`, too.
        user_messages_in_feed: bool = false,
        /// The name of the answer in `/summary`.
        answer_field: String = "result".to_owned(),
        /// The name of the feed in `/result`.
        feed_field: String = "feed".to_owned(),
        /// Whether `/summary` and `/result` have `status` alone of the task's own fields.
        bare_answers: bool = false,
        /// The code with which `/summary` and `/result` are refused before the end (absent: they are not).
        early_answer_code: Option<u16> = None,
        /// Where the summary has `extracted_data`.
        extracted_data: DataPlace = DataPlace::Top,
        /// Whether `/summary` shows an answer before the task has ended.
        live_answers: bool = true,
        /// What a task's title is.
        title: Title = Title::FirstMessage,
        /// What a message to a `completed` task does.
        message_to_completed: LateMessage = LateMessage::Reopen,
        /// What a message to a `failed` or `stopped` task does.
        message_to_ended: LateMessage = LateMessage::Conflict,
        /// What the dashboard's reject makes of a task in review.
        reject_ends: RejectEnds = RejectEnds::Failed,
        /// Whether a resource of another workspace answers 404 instead of 403.
        foreign_is_404: bool = false,
        /// Whether the entries of the task list have no `agent_name`.
        omit_agent_name: bool = false,
        /// Whether a cursor is refused with other filters than those it was made with.
        cursor_binds_filters: bool = false,
        /// Whether a `limit` outside 1 to 100 is moved into that range instead of refused.
        clamp_limit: bool = false,
        /// How the last page of a list says that it is the last.
        list_end: ListEnd = ListEnd::Null,
        /// Whether the list of an agent's versions comes in pages always; otherwise it does when a `limit` or a `cursor` asks
        /// for one, and is whole without `has_more` and `next_cursor` when none does.
        versions_in_pages: bool = false,
        /// Whether an `agent_group_id` in place of an agent's id, in a path or a filter, means its newest published version
        /// or any of its versions.
        group_id_addresses_agent: bool = false,
        /// Whether a draft can be run.
        draft_runs: bool = false,
        /// Whether the part name `files.items`, which the vendor's own sample has, is taken for `files`; otherwise it is
        /// refused.
        accept_files_items: bool = true,
        /// The largest file a run takes; larger ones answer 400 (absent: any size).
        max_file_bytes: Option<u64> = None,
        /// How many more agents there are, so that the list has several pages.
        filler_agents: u32 = 0,
    }
}

/// The key of the message list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// Under `data` and under `messages`.
    Both,
    /// Under `data`, as the reference says.
    Data,
    /// Under `messages`, as the guide's code reads it.
    Messages,
}

/// The form of a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentShape {
    /// A string.
    Text,
    /// An object with a `text`.
    Object,
    /// A list of blocks, each with `type` and `text`.
    Blocks,
}

/// The place of `extracted_data` in a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataPlace {
    /// Beside `result`.
    Top,
    /// In `result`.
    Result,
    /// In `result.structuredContent`.
    StructuredContent,
}

/// The source of a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Title {
    /// The beginning of the first user message.
    FirstMessage,
    /// A made-up one that has no word of the message.
    Generated,
    /// None ever.
    Absent,
}

/// What happens to a message that comes after the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateMessage {
    /// It opens a new turn of the same task.
    Reopen,
    /// 409.
    Conflict,
    /// 400.
    BadRequest,
}

/// The end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListEnd {
    /// `has_more` is false and `next_cursor` is null.
    Null,
    /// `has_more` is false and `next_cursor` is left out.
    Absent,
    /// `has_more` is false and `next_cursor` is an empty string.
    Empty,
    /// `has_more` is false even when there is a `next_cursor`, which leads to an empty page.
    CursorWithoutMore,
    /// `has_more` is true although `next_cursor` is null.
    MoreWithoutCursor,
}

/// The end of a rejected task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectEnds {
    /// `failed`.
    Failed,
    /// `stopped`.
    Stopped,
}

impl Switches {
    /// Returns a timestamp as replies write it.
    pub(crate) fn time(&self, ms: u64) -> String {
        let text = rfc3339(ms, self.fractional_seconds);
        match text.strip_suffix('Z') {
            Some(local) if self.numeric_offsets => format!("{local}+00:00"),
            _ => text,
        }
    }
}
