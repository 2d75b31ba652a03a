//! Every assumption that the contract leaves open, as a switch.

use serde::{Deserialize, Serialize};

use crate::time::rfc3339;

/// How the simulated platform behaves where its contract is silent or contradicts itself.
///
/// A scenario file sets them in its `[switches]` table; what it omits has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Switches {
    /// How long a new task stays `pending` before a worker takes it (0: never seen).
    pub pending_ms: u64,
    /// For how long a new task answers 404, as on a stale replica.
    pub new_task_hidden_ms: u64,
    /// How long after a message the status has its old value; the message is in the log at once.
    pub reply_delay_ms: u64,
    /// How long after a cancel the status has its old value.
    pub cancel_delay_ms: u64,
    /// How long after the end `/summary` still reads `running`.
    pub summary_delay_ms: u64,
    /// How long after the end `/result` still reads `running`.
    pub result_delay_ms: u64,
    /// How many tasks of one agent run at once; more stay `queued`, first come, first served (0: no limit).
    pub concurrency_limit: u32,
    /// Whether a task that waits for a human counts among those that run.
    pub waiting_holds_slot: bool,
    /// The code of a run that made a task.
    pub run_status_code: u16,
    /// The code of a message that was taken.
    pub message_status_code: u16,
    /// The code of a creation that made an agent.
    pub create_agent_status_code: u16,
    /// The code of a publish that made a version.
    pub publish_status_code: u16,
    /// The code of a name that another agent has.
    pub name_clash_status_code: u16,
    /// Whether a field of a JSON request that is null counts as left out; otherwise it is of the wrong type.
    pub null_is_absent: bool,
    /// Whether the reply to a run omits `status`, as the vendor's own sample does.
    pub run_reply_omits_status: bool,
    /// Whether the replies to a message and to a cancel have no body.
    pub empty_write_replies: bool,
    /// Whether optional fields without a value are sent as null instead of left out.
    pub explicit_nulls: bool,
    /// Whether timestamps carry milliseconds.
    pub fractional_seconds: bool,
    /// Whether timestamps end in `+00:00` instead of `Z`.
    pub numeric_offsets: bool,
    /// Whether replies, and the entries of lists, have a field that no page documents.
    pub extra_fields: bool,
    /// The key under which `/messages` holds its list.
    pub message_envelope: Envelope,
    /// What a message's `content` is.
    pub content_shape: ContentShape,
    /// Whether a message of the log has nothing but `role` and `content`.
    pub bare_messages: bool,
    /// Whether a message of a role that no page documents, `system`, follows each one of the log.
    pub system_messages: bool,
    /// The name under which the reply to a message gives the message's id.
    pub message_id_field: String,
    /// Whether the query is the first user message of the log.
    pub keep_query_in_log: bool,
    /// Whether user messages lose white space at both ends on their way into the log.
    pub trim_messages: bool,
    /// Whether user messages are in the feed of `/result`, too.
    pub user_messages_in_feed: bool,
    /// The name of the answer in `/summary`.
    pub answer_field: String,
    /// The name of the feed in `/result`.
    pub feed_field: String,
    /// Whether `/summary` and `/result` have `status` alone of the task's own fields.
    pub bare_answers: bool,
    /// The code with which `/summary` and `/result` are refused before the end (absent: they are not).
    pub early_answer_code: Option<u16>,
    /// Where the summary has `extracted_data`.
    pub extracted_data: DataPlace,
    /// Whether `/summary` shows an answer before the task has ended.
    pub live_answers: bool,
    /// What a task's title is.
    pub title: Title,
    /// What a message to a `completed` task does.
    pub message_to_completed: LateMessage,
    /// What a message to a `failed` or `stopped` task does.
    pub message_to_ended: LateMessage,
    /// What the dashboard's reject makes of a task in review.
    pub reject_ends: RejectEnds,
    /// Whether a resource of another workspace answers 404 instead of 403.
    pub foreign_is_404: bool,
    /// Whether the entries of the task list have no `agent_name`.
    pub omit_agent_name: bool,
    /// Whether a cursor is refused with other filters than those it was made with.
    pub cursor_binds_filters: bool,
    /// Whether a `limit` outside 1 to 100 is moved into that range instead of refused.
    pub clamp_limit: bool,
    /// How the last page of a list says that it is the last.
    pub list_end: ListEnd,
    /// Whether the list of an agent's versions comes in pages always; otherwise it does when a `limit` or a `cursor` asks
    /// for one, and is whole without `has_more` and `next_cursor` when none does.
    pub versions_in_pages: bool,
    /// Whether an `agent_group_id` in place of an agent's id, in a path or a filter, means its newest published version
    /// or any of its versions.
    pub group_id_addresses_agent: bool,
    /// Whether a draft can be run.
    pub draft_runs: bool,
    /// Whether the part name `files.items`, which the vendor's own sample has, is taken for `files`; otherwise it is
    /// refused.
    pub accept_files_items: bool,
    /// The largest file a run takes; larger ones answer 400 (absent: any size).
    pub max_file_bytes: Option<u64>,
    /// How many more agents there are, so that the list has several pages.
    pub filler_agents: u32,
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

impl Default for Switches {
    fn default() -> Self {
        Self {
            pending_ms: 0,
            new_task_hidden_ms: 0,
            reply_delay_ms: 1_000,
            cancel_delay_ms: 0,
            summary_delay_ms: 0,
            result_delay_ms: 0,
            concurrency_limit: 2,
            waiting_holds_slot: false,
            run_status_code: 201,
            message_status_code: 200,
            create_agent_status_code: 201,
            publish_status_code: 200,
            name_clash_status_code: 409,
            null_is_absent: false,
            run_reply_omits_status: false,
            empty_write_replies: false,
            explicit_nulls: false,
            fractional_seconds: false,
            numeric_offsets: false,
            extra_fields: false,
            message_envelope: Envelope::Both,
            content_shape: ContentShape::Text,
            bare_messages: false,
            system_messages: false,
            message_id_field: "message_id".to_owned(),
            keep_query_in_log: true,
            trim_messages: false,
            user_messages_in_feed: false,
            answer_field: "result".to_owned(),
            feed_field: "feed".to_owned(),
            bare_answers: false,
            early_answer_code: None,
            extracted_data: DataPlace::Top,
            live_answers: true,
            title: Title::FirstMessage,
            message_to_completed: LateMessage::Reopen,
            message_to_ended: LateMessage::Conflict,
            reject_ends: RejectEnds::Failed,
            foreign_is_404: false,
            omit_agent_name: false,
            cursor_binds_filters: false,
            clamp_limit: false,
            list_end: ListEnd::Null,
            versions_in_pages: false,
            group_id_addresses_agent: false,
            draft_runs: false,
            accept_files_items: true,
            max_file_bytes: None,
            filler_agents: 0,
        }
    }
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
