//! Agent Harness: runs of a free-form input, told by events.

mod run;

use serde_json::{Map, Value, json};
use taskward::agent_harness::operations::{GetRun, GetUsage, ResumeRun};
use taskward::agent_harness::types::{RunStatus, UsageEventType, UsageGranularity};
use taskward::agent_harness::{self, AgentHarness};
use taskward::core::RawEvent;
use taskward::event::Status;
use taskward::question::QuestionKind;
use taskward::{Output as _, Provider as _, Question};
use taskward_sim::Sim;

use crate::agent_url::AgentNaming;
use crate::calls::{Calls, Summary, UsageFilter};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::lines::pretty;
use crate::platform::{Hint, Piece, Platform, Print, ended, object};
use crate::registry::Feature;
use crate::report::cells;
use crate::shell::quote;
use crate::task_ref::TaskRef;

impl AgentNaming for AgentHarness {}

impl Platform for AgentHarness {
    const KEYS: &'static str =
        "A key is KEY_ID:SECRET, as the platform issued it; both parts and the colon are needed.";
    const SIMULATED: &'static str = "run --sim --provider agent-harness 'Write to the team.'";
    const DONE: &'static str = "succeeded";
    const NOT_WAITING: Option<&'static str> = Some("run_not_awaiting_input");

    const BESIDE: &'static [&'static str] = &["health/", "openapi.json"];

    fn instead(feature: Feature) -> &'static str {
        match feature {
            Feature::Agents => "Its tasks are started without naming an agent.",
            Feature::Cancel => {
                "Its documentation names no such call; if you know one: taskward api METHOD PATH --provider agent-harness."
            }
            Feature::Ls => "Its documentation names no call that lists tasks: keep their names.",
            Feature::Messages => {
                "A task of Agent Harness has no conversation; taskward events lists what happened to it."
            }
            Feature::Reply => {
                "A task of Agent Harness that waits is answered by approve, reject or input."
            }
            Feature::Send => {
                "A task of Agent Harness is told only what it waits for, by approve, reject or input."
            }
            _ => "Its documentation names no such call.",
        }
    }

    fn simulated(sim: &Sim) -> (String, String) {
        let access = sim.harness();
        (access.base_url, access.api_key)
    }

    fn scenarios(sim: &Sim) -> String {
        let runs = sim.harness().scenarios.join(", ");
        format!("agent-harness runs, by input.scenario: {runs}")
    }

    fn history(task: &TaskRef) -> Hint {
        let command = format!("events {}", task.quoted());
        ("see", command, "every event")
    }

    fn conversation(task: &TaskRef) -> String {
        format!("events {}", task.quoted())
    }

    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint> {
        let task = task.quoted();
        let of = format!("--question {} --watch", quote(question.id.as_str()));
        let approve: Hint = ("approve", format!("approve {task} {of}"), "");
        let input: Hint = ("input", format!("input {task} KEY=VALUE {of}"), "");
        let reject: Hint = (
            "reject",
            format!("reject {task} --reason 'WHY' {of}"),
            "the task fails",
        );
        match question.kind {
            QuestionKind::Approval => vec![approve, reject],
            QuestionKind::Data => vec![input, reject],
            _ => vec![approve, input, reject],
        }
    }

    fn unattended(question: &Question) -> Option<[&'static str; 2]> {
        match question.kind {
            QuestionKind::Approval => Some(["--on-approval", "approve"]),
            QuestionKind::Data => Some(["--answer", "{\"KEY\": \"VALUE\"}"]),
            _ => None,
        }
    }

    fn is_over(status: &Status) -> bool {
        matches!(status.as_str(), "succeeded" | "failed" | "cancelled")
    }

    fn waits(status: &Status) -> bool {
        status.as_str() == RunStatus::AwaitingInput.as_str()
    }

    /// A stalled run has lost its worker.
    fn stuck(task: &TaskRef, status: &Status) -> Option<Hint> {
        (status.as_str() == "stalled").then(|| {
            (
                "resume",
                format!("resume-run {} --watch", task.quoted()),
                "brings it back to work",
            )
        })
    }

    fn cells(event: &RawEvent) -> [String; 4] {
        cells(&event.data)
    }

    fn piece(event: &RawEvent) -> Option<Piece> {
        Some(match agent_harness::Piece::of(event)? {
            agent_harness::Piece::Said(text) => Piece::Said(text),
            agent_harness::Piece::Void => Piece::Void,
            _ => Piece::Kept,
        })
    }

    fn change(event: &RawEvent) -> Option<(&str, &str)> {
        let word = |name: &str| event.data["payload"]["value"][name].as_str();
        Some((word("from_status")?, word("to_status")?))
    }

    /// The platform documents no result: what the agent said stands in for it.
    fn part(
        answer: &agent_harness::Answer,
        said: Option<&str>,
        part: Option<Print>,
    ) -> Result<String, &'static str> {
        let words = || answer.text().or_else(|| said.map(str::to_owned)).map(ended);
        let data = || answer.json().map(pretty);
        match part {
            None => Ok(answer
                .text()
                .map(ended)
                .or_else(data)
                .or_else(words)
                .unwrap_or_default()),
            Some(Print::Data) => data().ok_or("structured data"),
            Some(Print::Summary) => words().ok_or("an answer in words"),
            Some(Print::Result) => Ok(pretty(answer.raw())),
        }
    }

    fn fields(answer: &agent_harness::Answer, said: Option<&str>) -> Map<String, Value> {
        object(json!({
            "data": answer.json(),
            "text": answer.text().or_else(|| said.map(str::to_owned)),
            "confirmed": answer.is_confirmed(),
            "platform_data": answer.raw(),
        }))
    }
}

impl Calls for AgentHarness {
    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary> {
        let read = GetRun::new(task.id().as_str());
        let run = connection.read(task, read).await?;
        let input = run.extra.get("input");
        Ok(Summary {
            status: Status::unknown(run.status.as_str()),
            title: input.and_then(|input| input.get("goal")).cloned(),
            created_at: run.extra.get("created_at").cloned(),
            updated_at: run.extra.get("updated_at").cloned(),
            platform_data: run.extra.into(),
        })
    }

    async fn resume(connection: &Connection<Self>, task: &TaskRef) -> CliResult<()> {
        let resume = ResumeRun(task.id().to_string());
        connection.call(resume).await.map(drop)
    }

    async fn usage(
        connection: &Connection<Self>,
        of: UsageFilter,
    ) -> CliResult<Map<String, Value>> {
        let granularity = of.granularity.as_deref().map(|size| match size {
            "hour" => UsageGranularity::Hour,
            "month" => UsageGranularity::Month,
            _ => UsageGranularity::Day,
        });
        let usage = GetUsage {
            workspace: of.workspace,
            subject: of.subject,
            event_type: of.event_type.as_deref().map(UsageEventType::from),
            start: of.start,
            end: of.end,
            granularity,
        };
        connection.call(usage).await
    }

    async fn restart_hint(connection: &Connection<Self>, task: &TaskRef) -> Option<Hint> {
        let run = connection
            .call(GetRun::new(task.id().as_str()))
            .await
            .ok()?;
        let input = run.extra.get("input").filter(|input| input.is_object())?;
        let mut command = format!("run --provider {}", Self::NAME);
        command += &format!(" --input {}", quote(&input.to_string()));
        if let Some(metadata @ Value::Object(_)) = run.extra.get("metadata") {
            command += &format!(" --metadata {}", quote(&metadata.to_string()));
        }
        for (name, option) in [("workspace_id", "workspace"), ("subject_id", "subject")] {
            if let Some(Value::String(label)) = run.extra.get(name) {
                command += &format!(" --{option} {}", quote(label));
            }
        }
        Some(("again", command, "the same, as a new task"))
    }
}
