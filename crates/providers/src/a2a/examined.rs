//! What `taskward doctor` may ask an agent.
//!
//! The card comes first: it says where the agent is, and every other request goes there. It is sent to the server that the
//! card is on; an interface on another server is not examined.

use http::uri::PathAndQuery;
use serde_json::Value;
use taskward_core::{BuildError, IdempotencyKey, Operation as _, Request, Safety};

use super::assumptions::{ASSUMPTIONS, content, state};
use super::binding::with_version;
use super::job::StartHow;
use super::operations::{GetTask, ListTasks, SubscribeToTask};
use super::provider::NEWEST;
use super::status::State;
use super::types::AgentCard;
use super::{A2a, CardUrl, Job};
use crate::doctor::{Assumption, Evidence, Examined, Known, Probe, Stage, Vocabulary};

/// An id that no task has.
const NO_TASK: &str = "00000000-0000-4000-8000-ffffffffffff";

/// Where the card is if nobody says.
const CARD: &str = "/.well-known/agent-card.json";

impl Examined for A2a {
    const ASSUMPTIONS: &'static [Assumption] = ASSUMPTIONS;
    const STARTS: &'static str = "a task by the message";
    const PROOF: fn(&Evidence<'_>) -> bool = |evidence| {
        let mut cards = evidence.read("GetAgentCard");
        cards.any(|card| {
            let names_interfaces = card["supportedInterfaces"].is_array();
            names_interfaces || (card["name"].is_string() && card["url"].is_string())
        })
    };
    const PROBES: &'static [Probe] = PROBES;
    const VOCABULARY: Vocabulary = Vocabulary {
        fields: FIELDS,
        words: &[
            "code",
            "domain",
            "kind",
            "preferredTransport",
            "protocolBinding",
            "reason",
            "role",
            "state",
            "status",
            "transport",
        ],
        free: &[
            "data",
            "metadata",
            "params",
            // The names of schemes are the agent's own.
            "schemes",
            "securitySchemes",
        ],
        paths: &[
            ".well-known",
            "agent-card.json",
            "agents",
            "a2a",
            "message:send",
            "rest",
            "rpc",
            "tasks",
        ],
    };
}

const FIELDS: &[&str] = &[
    "@type",
    "acceptedOutputModes",
    "additionalInterfaces",
    "apiKeySecurityScheme",
    "append",
    "artifact",
    "artifactId",
    "artifactUpdate",
    "artifacts",
    "authentication",
    "bearerFormat",
    "bytes",
    "capabilities",
    "code",
    "configs",
    "configuration",
    "contextId",
    "credentials",
    "data",
    "defaultInputModes",
    "defaultOutputModes",
    "description",
    "details",
    "documentationUrl",
    "domain",
    "error",
    "examples",
    "extendedAgentCard",
    "extensions",
    "file",
    "filename",
    "final",
    "history",
    "historyLength",
    "httpAuthSecurityScheme",
    "iconUrl",
    "id",
    "in",
    "inputModes",
    "jsonrpc",
    "kind",
    "lastChunk",
    "location",
    "mediaType",
    "message",
    "messageId",
    "metadata",
    "method",
    "mimeType",
    "mtlsSecurityScheme",
    "name",
    "nextPageToken",
    "oauth2SecurityScheme",
    "openIdConnectSecurityScheme",
    "organization",
    "outputModes",
    "pageSize",
    "params",
    "parts",
    "preferredTransport",
    "protocolBinding",
    "protocolVersion",
    "provider",
    "pushNotificationConfig",
    "pushNotifications",
    "raw",
    "reason",
    "referenceTaskIds",
    "required",
    "result",
    "returnImmediately",
    "role",
    "scheme",
    "schemes",
    "security",
    "securityRequirements",
    "securitySchemes",
    "signatures",
    "skills",
    "state",
    "stateTransitionHistory",
    "status",
    "statusUpdate",
    "streaming",
    "supportedInterfaces",
    "tags",
    "task",
    "taskId",
    "taskPushNotificationConfig",
    "tasks",
    "tenant",
    "text",
    "timestamp",
    "token",
    "totalSize",
    "transport",
    "type",
    "uri",
    "url",
    "version",
];

const PROBES: &[Probe] = &[
    Probe::read("GetAgentCard", "card", |known| {
        let card = known.get("card").map_or(CARD, String::as_str);
        let target = PathAndQuery::try_from(card);
        let target = target.map_err(|_| BuildError::new("the path of the card is none"));
        Some(target.and_then(|target| with_version(Request::get(target))))
    })
    .learning(learn_agent),
    Probe::read("ListTasks", "tasks", |known| {
        Some(tasks(&agent(known)?, None))
    })
    .learning(learn_tasks),
    Probe::read("ListTasks", "next tasks", |known| {
        Some(tasks(&agent(known)?, Some(known.get("cursor")?)))
    }),
    Probe::read("GetTask", "no task", |known| {
        Some(GetTask::new(&agent(known)?, NO_TASK).request())
    }),
    Probe::read("ListTasks", "wrong key", |known| {
        Some(tasks(&agent(known)?, None))
    })
    .with_wrong_key(),
    Probe::read("SendMessage", "start", |known| {
        let (agent, key) = (agent(known)?, IdempotencyKey::new(known.get("key")?));
        let job = Job::text(known.get("start")?);
        Some(job.request(&agent, &key, StartHow::Reply))
    })
    .at(Stage::Start)
    .changing(Safety::Once)
    .learning(|reply, known| {
        let task = &content(reply)["task"];
        if let Some(id) = text(&task["id"]) {
            known.insert("started", id.clone());
            known.insert("task", id);
        }
    }),
    Probe::read("GetTask", "task at once", |known| {
        Some(GetTask::new(&agent(known)?, known.get("started")?).request())
    })
    .at(Stage::Started),
    Probe::read("ListTasks", "tasks of the conversation", |known| {
        // The conversation of a start has the start's key as its id.
        let list = ListTasks::new(&agent(known)?).context(known.get("key")?);
        Some(list.history(NEWEST).request())
    })
    .at(Stage::Started),
    Probe::read("GetTask", "poll", |known| {
        let task = GetTask::new(&agent(known)?, known.get("started")?);
        Some(task.history(0).request())
    })
    .at(Stage::Follow)
    .learning(learn_state),
    Probe::read("GetTask", "task", |known| {
        Some(GetTask::new(&agent(known)?, known.get("task")?).request())
    }),
    Probe::read("SubscribeToTask", "subscription", |known| {
        let agent = agent(known)?;
        let subscribe = SubscribeToTask::new(&agent, known.get("task")?);
        agent.streams().then(|| subscribe.request())
    }),
];

fn tasks(agent: &A2a, cursor: Option<&String>) -> Result<Request, BuildError> {
    let mut list = ListTasks::new(agent).history(0);
    list.page_size = Some(20);
    list.page_token = cursor.cloned();
    list.request()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Returns the agent of the card.
fn agent(known: &Known) -> Option<A2a> {
    serde_json::from_str(known.get("agent")?).ok()
}

fn learn_agent(card: &Value, known: &mut Known) {
    let card: Option<AgentCard> = crate::wire::decode(card.to_string().as_bytes()).ok();
    // Only the path counts: the requests go to the server of the card.
    let url = CardUrl::parse("https://agent.invalid").ok();
    let found = card.zip(url);
    let found = found.and_then(|(card, url)| A2a::from_card(&card, &url, None).ok());
    let agent = found.and_then(|found| serde_json::to_string(&found.agent).ok());
    known.extend(agent.map(|agent| ("agent", agent)));
}

/// Takes a task to read, best one that completed, and the way to the next page.
fn learn_tasks(reply: &Value, known: &mut Known) {
    let page = content(reply);
    let next = text(&page["nextPageToken"]).filter(|next| !next.is_empty());
    known.extend(next.map(|next| ("cursor", next)));
    let tasks = page["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let completed = tasks
        .iter()
        .find(|task| state(task) == Some(State::Completed));
    let task = completed.or(tasks.first());
    if let Some(id) = task.and_then(|task| text(&task["id"])) {
        known.entry("task").or_insert(id);
    }
}

fn learn_state(reply: &Value, known: &mut Known) {
    let task = content(reply);
    let Some(state) = state(task) else {
        return;
    };
    let word = task["status"]["state"].to_string();
    if state.is_terminal() {
        known.insert("ended", word.clone());
    }
    if state.is_terminal() || state.is_interrupted() {
        known.insert("over", word);
    }
}
