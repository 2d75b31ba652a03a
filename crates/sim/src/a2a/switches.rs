//! Every way in which A2A servers differ, as a switch.

use serde::{Deserialize, Serialize};

use crate::switches::switches;

switches! {
    /// How the simulated platform behaves where its protocol leaves a choice, or where real servers do something else.
    ///
    /// A scenario file sets them in its `[a2a]` table. What it omits is as the `profile` has it.
    pub struct Switches {
        /// Which server the switches that are not given behave like.
        profile: Profile = Profile::Spec,
        /// The agent whose card is at the root.
        root_agent: String = "echo".to_owned(),
        /// The credential that requests must have, but for those of the card.
        auth: Auth = Auth::Bearer,
        /// The header field of the credential `api_key`.
        auth_header: String = "X-API-Key".to_owned(),
        /// The bindings that the card names, in this order. There is nothing at the path of another.
        bindings: Vec<BindingName> = vec![BindingName::JsonRpc, BindingName::HttpJson],
        /// The version of the protocol in the card.
        protocol_version: String = "1.0".to_owned(),
        /// Which versions of the protocol requests may name.
        versions: Versions = Versions::OneX,
        /// The origin of the URLs in the card (absent: that of its request).
        card_origin: Option<String> = None,
        /// How many bytes longer the card is.
        card_padding_bytes: u64 = 0,
        /// Whether the card at the root needs the query `assistant_id`, which names the agent.
        card_needs_query: bool = false,
        /// The tenant in the card, without which no request is taken (absent: none).
        tenant: Option<String> = None,
        /// Whether the card has streaming; otherwise its operations are unsupported.
        streaming: bool = true,
        /// Whether there are push notifications.
        push: Push = Push::Served,
        /// What the reply is to a push configuration that is made or deleted.
        push_replies: PushReplies = PushReplies::Objects,
        /// Whether a push configuration that has no id gets one of its own; otherwise it gets the task's.
        push_ids: bool = false,
        /// Whether there is an extended card.
        extended_card: ExtendedCard = ExtendedCard::Served,
        /// The URI of an extension that requests must name in `A2A-Extensions` (absent: none).
        required_extension: Option<String> = None,
        /// Whether a message without a role or parts is refused.
        checks_messages: bool = true,
        /// The media types that parts may have (none: any).
        input_modes: Vec<String> = Vec::new(),
        /// How `SubscribeToTask` can be asked for over HTTP+JSON; where it is `missing`, it is so in both bindings.
        subscribe: Subscribe = Subscribe::Both,
        /// Whether there is `ListTasks`.
        list_tasks: bool = true,
        /// Whether `returnImmediately` is ignored: the reply comes when the task ends or asks.
        waits_always: bool = false,
        /// How long after its start a task begins, and has its first event.
        first_event_ms: u64 = 0,
        /// What becomes of a context id that a client made.
        context_ids: ContextIds = ContextIds::Kept,
        /// Whether a message with an id that was seen gives the first one's task again.
        deduplicates: bool = false,
        /// The error with which a start is answered that made a task.
        start_error: StartError = StartError::None,
        /// How ids of tasks look.
        task_ids: TaskIds = TaskIds::Uuid,
        /// The context of a later message that names none; it is that of the events behind it, too.
        later_context: LaterContext = LaterContext::OfTask,
        /// What the history of a task is.
        history: History = History::Full,
        /// How many messages of a history may be asked for; more are refused (absent: any number).
        history_limit: Option<usize> = None,
        /// Whether answers and later messages are in the history.
        answers_in_history: bool = true,
        /// Whether the message of a status is in the history at once; otherwise when the next status replaces it.
        status_in_history_at_once: bool = false,
        /// How a question is told.
        question: QuestionForm = QuestionForm::Message,
        /// Whether the message of a status has another id at each read.
        message_ids_change: bool = false,
        /// Whether reads of a task have its artifacts; replies to messages and streams have them always.
        artifacts_in_reads: bool = true,
        /// How the agent's output is told.
        output: Output = Output::Artifacts,
        /// Whether a direct answer names a context and a task, although there is no such task.
        direct_answers_name_task: bool = false,
        /// The message that reads of a completed task have, if it has none itself (absent: none).
        completed_message: Option<String> = None,
        /// Whether text that came in pieces is one part in reads.
        parts_joined: bool = false,
        /// How many bytes of text a further artifact of every task has, in each reply that has artifacts (0: there is none).
        artifact_padding_bytes: u64 = 0,
        /// Whether streams have the whole task at the beginning of a later turn, in place of its status.
        later_turns_tell_task: bool = false,
        /// Whether the stream of a message ends at a question.
        stream_ends_at_question: bool = true,
        /// Whether the stream of a subscription ends at a question.
        subscription_ends_at_question: bool = false,
        /// Whether streams end when a credential is asked for.
        streams_end_at_auth: bool = false,
        /// The shape of events.
        events: EventShape = EventShape::Wrapped,
        /// Whether events have an `id`.
        event_ids: bool = false,
        /// Whether events have the name `message`.
        event_names: bool = false,
        /// After how much silence a stream sends a comment (0: never).
        heartbeat_ms: u64 = 15_000,
        /// What a crash of the agent is.
        crash: Crash = Crash::Error,
        /// Which tasks can be cancelled that have ended: the reply is the task.
        cancels_ended: CancelsEnded = CancelsEnded::None,
        /// What becomes of a task whose agent refuses to be cancelled.
        refused_cancel: RefusedCancel = RefusedCancel::GoesOn,
        /// How long after a cancel that was taken the task is cancelled.
        cancel_delay_ms: u64 = 0,
        /// Whether a restart of the server forgets all tasks; otherwise those that work do so for ever.
        restart_forgets: bool = false,
        /// How states, roles and kinds are spelled.
        spelling: Spelling = Spelling::One,
        /// Whether tasks, messages and parts have the `kind` of version 0.3.
        kinds: bool = false,
        /// The word for the state of a task that works (absent: the protocol's).
        working_word: Option<String> = None,
        /// Which statuses have a time.
        timestamps: Timestamps = Timestamps::Always,
        /// How times are written.
        times: TimeForm = TimeForm::Millis,
        /// Whether the size of a page is how many entries it has, whatever was asked for.
        page_size_counts: bool = false,
        /// Whether entries of lists have the empty fields that they could leave out.
        lists_write_empty: bool = false,
        /// What an unknown task is answered with over HTTP+JSON.
        not_found: NotFound = NotFound::ErrorInfo,
        /// Whether errors of JSON-RPC have `data`.
        error_data: bool = true,
        /// Whether errors of HTTP+JSON are `application/json`.
        errors_are_json: bool = false,
        /// What is wrong with replies and events.
        oddity: Oddity = Oddity::None,
    }
}

/// Makes enums that a switch has as its value.
macro_rules! choices {
    ($( $(#[$about:meta])* $name:ident { $( $(#[$meaning:meta])* $choice:ident, )* } )*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            #[non_exhaustive]
            pub enum $name { $( $(#[$meaning])* $choice, )* }
        )*
    };
}

choices! {
    /// A server that was watched on the wire.
    Profile {
        /// None: what the protocol says, where it says something.
        Spec,
        /// The official Python SDK, `a2a-sdk` 1.3.0.
        Py,
        /// The official JavaScript SDK, `@a2a-js/sdk` 1.3.0.
        Js,
        /// LangGraph's development server, `langgraph-api` 0.16.7.
        Langgraph,
    }

    /// A credential.
    Auth {
        /// None; whatever comes is passed over.
        None,
        /// `Authorization: Bearer KEY`.
        Bearer,
        /// `Authorization: Basic ...`, whose password is the key.
        Basic,
        /// The key in a field of its own.
        ApiKey,
    }

    /// Whether there is an extended card.
    ExtendedCard {
        /// It has a skill more.
        Served,
        /// The same, but the card says that there is none.
        Unlisted,
        /// The card says that there is one, but there is not.
        NotConfigured,
        /// There is none, and the card says so.
        Unsupported,
    }

    /// Whether there are push notifications.
    Push {
        /// Configurations are kept and listed; nothing is pushed.
        Served,
        /// There are none, and the card says so.
        Unsupported,
        /// The card says that there are none, and there are no such operations.
        Missing,
    }

    /// What the reply is to a push configuration that is made or deleted.
    PushReplies {
        /// 200 with it, and 200 with an empty object.
        Objects,
        /// The same, but null in the place of the empty object over JSON-RPC.
        Null,
        /// 201 with it, and 204; null over JSON-RPC.
        Codes,
    }

    /// Which versions of the protocol requests may name.
    Versions {
        /// 1.0 and whatever begins with `1.`.
        OneX,
        /// 1.0 only.
        OneZero,
        /// Any, or none.
        Any,
    }

    /// The context of a later message that names none.
    LaterContext {
        /// The task's.
        OfTask,
        /// A new one.
        Own,
        /// None; that of the events is the task's.
        None,
    }

    /// How the agent's output is told.
    Output {
        /// As artifacts.
        Artifacts,
        /// Texts as messages of the agent, the last of which is the artifact that the task ends with.
        Messages,
    }

    /// Which tasks can be cancelled that have ended.
    CancelsEnded {
        /// None.
        None,
        /// Those that were cancelled.
        Cancelled,
        /// All.
        All,
    }

    /// Methods of `SubscribeToTask`.
    Subscribe {
        /// GET and POST.
        Both,
        /// GET only.
        Get,
        /// POST only.
        Post,
        /// There is no such operation.
        Missing,
    }

    /// What becomes of a context id that a client made.
    ContextIds {
        /// The task has it.
        Kept,
        /// The message is refused.
        Refused,
        /// The task gets another.
        Replaced,
    }

    /// The error with which a start is answered that made a task.
    StartError {
        /// None.
        None,
        /// 500, -32603.
        Internal,
        /// `INVALID_AGENT_RESPONSE`.
        InvalidAgentResponse,
    }

    /// How ids of tasks look.
    TaskIds {
        /// A UUID.
        Uuid,
        /// The context's id, a colon, a UUID.
        ContextAndRun,
        /// Two words with a slash and a blank.
        Slashed,
    }

    /// What the history of a task is.
    History {
        /// Every message.
        Full,
        /// There is none.
        Absent,
        /// The newest message only.
        Newest,
        /// Those of the user.
        WithoutAgent,
    }

    /// How a question is told.
    QuestionForm {
        /// As the message of the status, in the parts that the agent gave.
        Message,
        /// As a data part, whatever the agent gave.
        Data,
        /// Not by the status; the reply to the message has it as an artifact.
        Artifact,
        /// Not at all.
        Absent,
    }

    /// The shape of events.
    EventShape {
        /// As version 1.0 has it: `{"statusUpdate": ...}`.
        Wrapped,
        /// The first as version 1.0, the others as version 0.3: bare, with `kind` and `final`.
        FirstWrapped,
    }

    /// What a crash of the agent is.
    Crash {
        /// An error, in streams, too; the task fails without a message.
        Error,
        /// A failure of the task, with a message.
        Failed,
    }

    /// What becomes of a task whose agent refuses to be cancelled.
    RefusedCancel {
        /// It goes on.
        GoesOn,
        /// It goes on; the refusal is that of an unsupported operation.
        Unsupported,
        /// It fails.
        Fails,
    }

    /// How states, roles and kinds are spelled.
    Spelling {
        /// As version 1.0: `TASK_STATE_WORKING`.
        One,
        /// As version 0.3: `working`.
        ZeroThree,
    }

    /// Which statuses have a time.
    Timestamps {
        /// All.
        Always,
        /// Not that of a task that is submitted, or failed by a refused cancel.
        OfWork,
        /// None.
        Never,
    }

    /// How times are written.
    TimeForm {
        /// With three digits of fraction and `Z`.
        Millis,
        /// With six digits and `Z`.
        Micros,
        /// With six digits and `+00:00`.
        Offset,
    }

    /// What an unknown task is answered with over HTTP+JSON.
    NotFound {
        /// 404 with an `ErrorInfo`.
        ErrorInfo,
        /// 404 with a text, as for a path that there is not.
        Text,
    }

    /// What is wrong with replies and events.
    Oddity {
        /// Nothing.
        None,
        /// Replies over JSON-RPC have another id.
        WrongId,
        /// Replies over JSON-RPC have neither result nor error.
        NoResult,
        /// Replies over JSON-RPC are a batch of one.
        Batch,
        /// The reply to a message has a `message` beside the `task`.
        TaskAndMessage,
        /// Behind the first event of each stream there is one of another task.
        ForeignEvent,
        /// Behind the first event of each stream there is one of a kind that nobody knows.
        UnknownEvent,
    }
}

/// A binding, as the card names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum BindingName {
    /// `JSONRPC`, at `/rpc`.
    JsonRpc,
    /// `HTTP+JSON`, below `/rest`.
    HttpJson,
    /// Any other, such as `GRPC`, at a port where nobody listens.
    Other(
        /// Its name.
        String,
    ),
}

impl From<String> for BindingName {
    fn from(name: String) -> Self {
        match name.as_str() {
            "JSONRPC" => Self::JsonRpc,
            "HTTP+JSON" => Self::HttpJson,
            _ => Self::Other(name),
        }
    }
}

impl From<BindingName> for String {
    fn from(binding: BindingName) -> Self {
        match binding {
            BindingName::JsonRpc => "JSONRPC".to_owned(),
            BindingName::HttpJson => "HTTP+JSON".to_owned(),
            BindingName::Other(name) => name,
        }
    }
}
