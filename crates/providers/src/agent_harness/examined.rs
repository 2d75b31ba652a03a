//! What `taskward doctor` may ask this platform.

use serde_json::Value;
use taskward_core::{IdempotencyKey, Operation as _, Safety};

use super::assumptions::ASSUMPTIONS;
use super::operations::{
    CreateRun, GetHealthDeps, GetHealthLive, GetHealthReady, GetOpenApiDocument, GetRun, GetUsage,
    ListRunEvents, StreamRunEvents,
};
use super::{AgentHarness, Job};
use crate::doctor::{Assumption, Evidence, Examined, Known, Probe, Stage, Vocabulary};

/// An id that no run has.
const NO_RUN: &str = "run_doctor_none";

impl Examined for AgentHarness {
    const ASSUMPTIONS: &'static [Assumption] = ASSUMPTIONS;
    const STARTS: &'static str = "a run with the goal";
    const PROOF: fn(&Evidence<'_>) -> bool = |evidence| {
        let is_run = |run: &Value| !run["id"].is_null() && run["status"].is_string();
        let mut refusals = evidence.own().filter(|(_, reply)| !reply.is_success());
        // No other API is known to refuse in this way.
        evidence.read("getRun").any(is_run)
            || refusals.any(|(_, reply)| {
                reply
                    .json()
                    .is_some_and(|body| body["reason_code"].is_string())
            })
    };
    const PROBES: &'static [Probe] = PROBES;
    const SERVED: Option<(&'static str, &'static str)> = Some((
        "getOpenApiDocument",
        include_str!("../generated/agent_harness.openapi.json"),
    ));
    const VOCABULARY: Vocabulary = Vocabulary {
        fields: &[
            "action",
            "attachment_refs",
            "content",
            "content_delta",
            "cursor",
            "data",
            "error",
            "events",
            "from_status",
            "id",
            "idempotency_key",
            "input",
            "input_kind",
            "items",
            "kind",
            "metadata",
            "next_cursor",
            "outcome",
            "payload",
            "reason",
            "reason_code",
            "redacted",
            "replayed",
            "request_id",
            "routing",
            "routing_decision_reason",
            "routing_hint",
            "sensitivity_tags",
            "seq",
            "status",
            "streaming",
            "subject_id",
            "timestamp",
            "to_status",
            "type",
            "value",
            "workspace_id",
        ],
        words: &[
            "status",
            "type",
            "reason_code",
            "from_status",
            "to_status",
            "input_kind",
            "kind",
            "outcome",
        ],
        free: &[
            "attachment_refs",
            "content",
            "input",
            "metadata",
            "routing",
            "sensitivity_tags",
        ],
        paths: &[
            "v1",
            "runs",
            "events",
            "stream",
            "usage",
            "health",
            "live",
            "ready",
            "deps",
            "openapi.json",
        ],
    };
}

const PROBES: &[Probe] = &[
    Probe::read("getHealthLive", "live", |_| Some(GetHealthLive.request())),
    Probe::read("getHealthReady", "ready", |_| {
        Some(GetHealthReady.request())
    }),
    Probe::read("getHealthDeps", "deps", |_| Some(GetHealthDeps.request())),
    Probe::read("getOpenApiDocument", "description", |_| {
        Some(GetOpenApiDocument.request())
    }),
    Probe::read("getUsage", "usage", |_| Some(GetUsage::default().request())),
    Probe::read("getRun", "no run", |_| Some(GetRun::new(NO_RUN).request())),
    Probe::read("getUsage", "wrong key", |_| {
        Some(GetUsage::default().request())
    })
    .with_wrong_key(),
    Probe::read("createRun", "start", |known| {
        let create = CreateRun {
            job: Job::goal(known.get("start")?),
            key: IdempotencyKey::new(known.get("key")?),
        };
        Some(create.request())
    })
    .at(Stage::Start)
    .changing(Safety::Keyed)
    .learning(|run, known| {
        if let Some(id) = text(&run["id"]) {
            known.insert("started", id.clone());
            known.insert("task", id);
        }
    }),
    Probe::read("getRun", "run at once", |known| {
        Some(GetRun::new(known.get("started")?).request())
    })
    .at(Stage::Started),
    Probe::read("getRun", "poll", |known| {
        Some(GetRun::new(known.get("started")?).request())
    })
    .at(Stage::Follow)
    .learning(learn_status),
    Probe::read("getRun", "run", |known| {
        Some(GetRun::new(known.get("task")?).request())
    }),
    Probe::read("listRunEvents", "events", |known| {
        Some(ListRunEvents::new(known.get("task")?).request())
    })
    .learning(|page, known| {
        known.extend(text(&page["next_cursor"]).map(|cursor| ("cursor", cursor)));
    }),
    Probe::read("listRunEvents", "next events", |known| {
        let list = ListRunEvents::new(known.get("task")?);
        Some(list.from(known.get("cursor")?).request())
    }),
    Probe::read("streamRunEvents", "stream", |known| {
        Some(StreamRunEvents(known.get("task")?.clone()).request())
    }),
];

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn learn_status(run: &Value, known: &mut Known) {
    let status = run["status"].as_str().unwrap_or_default();
    let ended = matches!(status, "succeeded" | "failed" | "cancelled");
    if ended {
        known.insert("ended", status.to_owned());
    }
    if ended || matches!(status, "awaiting_input" | "stalled") {
        known.insert("over", status.to_owned());
    }
}
