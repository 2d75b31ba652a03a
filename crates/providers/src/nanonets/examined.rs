//! What `taskward doctor` may ask this platform.

use serde_json::Value;
use taskward_core::{Operation as _, Safety};

use super::assumptions::ASSUMPTIONS;
use super::operations::{
    GetAgent, GetTaskResult, GetTaskStatus, GetTaskSummary, ListAgentVersions, ListAgents,
    ListTaskMessages, ListTasks, RunAgent,
};
use super::{Job, Nanonets};
use crate::doctor::{Assumption, Evidence, Examined, Known, Probe, Stage, Vocabulary};

/// What the task of `--start` is asked.
const QUERY: &str = "Reply with the single word: ready.";

/// A valid id that no task has.
const NO_TASK: &str = "00000000-0000-4000-8000-ffffffffffff";

impl Examined for Nanonets {
    const ASSUMPTIONS: &'static [Assumption] = ASSUMPTIONS;
    const STARTS: &'static str = "a task of the agent";
    const PROOF: fn(&Evidence<'_>) -> bool = |evidence| {
        let lists = evidence
            .read("listAgents")
            .chain(evidence.read("listTasks"));
        let mut lists = lists.filter_map(|list| list["data"].as_array());
        lists.any(|entries| entries.iter().all(serde_json::Value::is_object))
    };
    const PROBES: &'static [Probe] = PROBES;
    const VOCABULARY: Vocabulary = Vocabulary {
        fields: &[
            "agent_group_id",
            "agent_id",
            "agent_name",
            "completed_at",
            "config",
            "content",
            "created_at",
            "data",
            "error",
            "extracted_data",
            "feed",
            "file",
            "files",
            "has_more",
            "id",
            "instructions",
            "is_active",
            "message",
            "message_id",
            "messages",
            "name",
            "next_cursor",
            "output_config",
            "output_schema",
            "parent_id",
            "query",
            "result",
            "role",
            "status",
            "structuredContent",
            "summary",
            "system_prompt",
            "task_id",
            "title",
            "updated_at",
            "user_id",
            "version_number",
        ],
        words: &["status", "role"],
        free: &[
            "config",
            "content",
            "extracted_data",
            "feed",
            "output_config",
            "result",
        ],
        paths: &[
            "api", "v1", "agents", "run", "versions", "tasks", "summary", "result", "messages",
        ],
    };
}

const PROBES: &[Probe] = &[
    Probe::read("listAgents", "agents", |_| {
        let list = ListAgents {
            limit: Some(100),
            ..ListAgents::default()
        };
        Some(list.request())
    })
    .learning(learn_agent),
    Probe::read("getAgent", "agent", |known| {
        Some(GetAgent(known.get("agent")?.clone()).request())
    }),
    Probe::read("getAgent", "agent by group", |known| {
        let group = known.get("group")?;
        (known.get("agent") != Some(group)).then(|| GetAgent(group.clone()).request())
    }),
    Probe::read("listAgentVersions", "versions", |known| {
        Some(ListAgentVersions::new(known.get("agent")?).request())
    }),
    Probe::read("listTasks", "tasks", |_| Some(tasks(20, None))).learning(learn_tasks),
    Probe::read("listTasks", "next tasks", |known| {
        Some(tasks(20, Some(known.get("cursor")?)))
    }),
    Probe::read("listTasks", "too many tasks", |_| Some(tasks(101, None))),
    Probe::read("getTaskStatus", "no id", |_| {
        Some(GetTaskStatus::new("no-id").request())
    }),
    Probe::read("getTaskStatus", "no task", |_| {
        Some(GetTaskStatus::new(NO_TASK).request())
    }),
    Probe::read("listAgents", "wrong key", |_| {
        Some(ListAgents::default().request())
    })
    .with_wrong_key(),
    Probe::read("runAgent", "start", |known| {
        let agent = known.get("agent").or_else(|| known.get("start"))?;
        Some(RunAgent(Job::agent(agent).query(QUERY)).request())
    })
    .at(Stage::Start)
    .changing(Safety::Once)
    .learning(|value, known| {
        if let Some(id) = text(&value["task_id"]) {
            known.insert("started", id.clone());
            known.insert("task", id);
        }
    }),
    Probe::read("getTaskStatus", "status at once", |known| {
        Some(GetTaskStatus::new(known.get("started")?).request())
    })
    .at(Stage::Started),
    Probe::read("getTaskSummary", "summary at once", |known| {
        Some(GetTaskSummary::new(known.get("started")?).request())
    })
    .at(Stage::Started),
    Probe::read("getTaskStatus", "poll", |known| {
        Some(GetTaskStatus::new(known.get("started")?).request())
    })
    .at(Stage::Follow)
    .learning(learn_status),
    Probe::read("listTasks", "tasks afterwards", |_| Some(tasks(20, None))).at(Stage::Started),
    Probe::read("getTaskStatus", "status", |known| {
        Some(GetTaskStatus::new(known.get("task")?).request())
    }),
    Probe::read("getTaskSummary", "summary", |known| {
        Some(GetTaskSummary::new(known.get("task")?).request())
    }),
    Probe::read("getTaskResult", "result", |known| {
        Some(GetTaskResult::new(known.get("task")?).request())
    }),
    Probe::read("listTaskMessages", "messages", |known| {
        Some(ListTaskMessages(known.get("task")?.clone()).request())
    }),
];

fn tasks(
    limit: u32,
    cursor: Option<&String>,
) -> Result<taskward_core::Request, taskward_core::BuildError> {
    let list = ListTasks {
        limit: Some(limit),
        cursor: cursor.cloned(),
        ..ListTasks::default()
    };
    list.request()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Takes the agent that is to be started, or the first of the list.
fn learn_agent(page: &Value, known: &mut Known) {
    let agents = page["data"].as_array().map_or(&[][..], Vec::as_slice);
    let wanted = known.get("start").map(String::as_str);
    let is_wanted = |agent: &&Value| {
        let is = |field: &str| agent[field].as_str() == wanted;
        is("id") || is("name")
    };
    let agent = match wanted {
        Some(_) => agents.iter().find(is_wanted),
        None => agents.first(),
    };
    if let Some(agent) = agent {
        known.extend(text(&agent["id"]).map(|id| ("agent", id)));
        known.extend(text(&agent["agent_group_id"]).map(|id| ("group", id)));
    }
}

/// Takes a task to read, best one that completed, and the way to the next page.
fn learn_tasks(page: &Value, known: &mut Known) {
    known.extend(text(&page["next_cursor"]).map(|cursor| ("cursor", cursor)));
    let tasks = page["data"].as_array().map_or(&[][..], Vec::as_slice);
    let completed = tasks.iter().find(|task| task["status"] == "completed");
    let task = completed.or(tasks.first());
    if let Some(id) = task.and_then(|task| text(&task["task_id"])) {
        known.entry("task").or_insert(id);
    }
}

fn learn_status(task: &Value, known: &mut Known) {
    let status = task["status"].as_str().unwrap_or_default();
    let ended = matches!(status, "completed" | "failed" | "stopped");
    let waits = matches!(status, "waiting_for_input" | "awaiting_review");
    if ended {
        known.insert("ended", status.to_owned());
    }
    if ended || waits {
        known.insert("over", status.to_owned());
    }
}
