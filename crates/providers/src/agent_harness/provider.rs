//! The provider: which request does what, and what a reply says.

use http::HeaderName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taskward_core::{
    BuildError, Capabilities, CreatedTask, IdempotencyKey, MatchCriteria, Page, PollResult,
    Provider, ProviderDefaults, Question, RawEvent, ReadError, ReadKind, Request, Response, Safety,
    Started, StreamEvent, Target, TaskFailure, TaskId, WriteRequest, sse,
};

use super::answer::Answer;
use super::events::{RUN_EVENT, item_of, status_of};
use super::job::Job;
use super::signal::{signal_of, signal_request};
use super::transcript::{Transcript, prompt_of};
use super::types::{CreateRunResponse, RunEvent, RunEventPage, RunStatus};
use crate::wire::{self, Naming, Subject};

/// The Agent Harness platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHarness;

/// Where a reply about a run names it: as its id, in a run; as `run_id` in whatever else the platform writes.
const RUN: Naming = Naming {
    ids: &["id", "run_id"],
    inside: &[],
};
/// The same for an event, a page of them, and what a write is answered with.
const EVENTS: Naming = Naming {
    ids: &["run_id"],
    inside: &[
        ("events", &EVENT),
        ("data", &EVENT),
        ("items", &EVENT),
        ("payload", &PAYLOAD),
    ],
};
const EVENT: Naming = Naming {
    ids: &["run_id"],
    inside: &[("payload", &PAYLOAD)],
};
const PAYLOAD: Naming = Naming {
    ids: &["run_id"],
    inside: &[(
        "value",
        &Naming {
            ids: &["run_id"],
            inside: &[],
        },
    )],
};

/// Returns how reads of this run name it.
fn run(id: &str) -> Subject<'_> {
    Subject::new(id, &RUN)
}

/// Returns how the run's events, and the replies to writes, name it.
pub(super) fn run_of_events(id: &str) -> Subject<'_> {
    Subject::new(id, &EVENTS)
}

/// Reads a run.
pub(super) fn read_run<T: DeserializeOwned>(id: &str, reply: &Response) -> Result<T, ReadError> {
    run(id).check(&reply.body)?;
    Ok(wire::decode(&reply.body)?)
}

/// Reads an event of a run, or a page of them.
pub(super) fn read_events<T: DeserializeOwned>(id: &str, body: &[u8]) -> Result<T, ReadError> {
    run_of_events(id).check(body)?;
    Ok(wire::decode(body)?)
}

/// Returns the path of a run, or of something under it.
pub(super) fn run_target(id: &str, rest: &'static str) -> Result<Target, BuildError> {
    Ok(Target::new("/v1/runs").segment(id)?.path(rest))
}

/// Builds the request of one page of a run's events. `parameter` names the cursor in the query.
pub(super) fn events_request(
    id: &str,
    parameter: &str,
    cursor: Option<&str>,
) -> Result<Request, BuildError> {
    let target = run_target(id, "/events")?.query_opt(parameter, cursor);
    Ok(Request::get(target.build()?))
}

impl Provider for AgentHarness {
    type Job = Job;
    type Output = Answer;

    const NAME: &'static str = "agent-harness";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new(
        "AGENT_HARNESS_API_KEY",
        "AGENT_HARNESS_BASE_URL",
        "https://api.agentharness.com",
        "/v1",
    )
    .with_simulated_key("key_sim_");
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = Safety::Keyed;
        can.answer = Safety::Keyed;
        can.stream = true;
        can.events = true;
        can.approval = true;
        can.data = true;
        can.resume = true;
        can.usage = true;
        can
    };

    fn start(&self, job: &Job, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        job.request(key)
    }

    /// Runs cannot be searched; the same job is known again by it.
    fn match_criteria(&self, job: &Job, _: Option<&IdempotencyKey>) -> Option<MatchCriteria> {
        job.match_criteria()
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Answer>, ReadError> {
        let run: CreateRunResponse = wire::decode(&reply.body)?;
        let mut started = CreatedTask::new(
            TaskId::new(run.id.as_str()),
            run.status.as_ref().map(status_of),
        );
        started.replayed = run.replayed.unwrap_or(false);
        Ok(started.into())
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let id = id.as_str();
        match read {
            ReadKind::Status | ReadKind::Questions | ReadKind::Result => {
                Ok(Request::get(run_target(id, "")?.build()?))
            }
            ReadKind::Events { cursor } => events_request(id, "cursor", cursor.as_deref()),
            ReadKind::Stream { after, .. } => {
                let request = Request::get(run_target(id, "/events/stream")?.build()?);
                match after {
                    // Undocumented, and harmless where it is not understood.
                    Some(seq) => request.header(
                        HeaderName::from_static("last-event-id"),
                        http::HeaderValue::from(seq.0),
                    ),
                    None => Ok(request),
                }
            }
            _ => Err(BuildError::new("this platform has no trail")),
        }
    }

    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Answer>, ReadError> {
        if let ReadKind::Events { .. } = read {
            let page: RunEventPage = read_events(id.as_str(), &reply.body)?;
            let next = page.next_cursor.or(page.cursor);
            return Ok(PollResult::Events(Page::new(
                page.events.map(|event| Some(item_of(id, event))),
                next.map(|cursor| cursor.as_str().to_owned())
                    .filter(|cursor| !cursor.is_empty()),
            )));
        }
        let found: RunStatus = wire::peek(&reply.body, run(id.as_str()))?;
        let status = status_of(&found);
        Ok(match found {
            RunStatus::Queued | RunStatus::Running | RunStatus::Stalled => {
                PollResult::Pending(status)
            }
            RunStatus::AwaitingInput => PollResult::Waiting(status),
            RunStatus::Succeeded => {
                PollResult::Succeeded(status, Answer::new(wire::decode(&reply.body)?))
            }
            RunStatus::Failed => PollResult::Failed(TaskFailure::new(status)),
            RunStatus::Cancelled => PollResult::Stopped(TaskFailure::new(status)),
            RunStatus::Unknown(_) => PollResult::Unknown(status),
        })
    }

    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        match act {
            WriteRequest::Answer {
                answer,
                key: Some(key),
                ..
            } => signal_request(id.as_str(), signal_of(answer)?, key),
            WriteRequest::Answer { .. } => {
                Err(BuildError::new("an answer on this platform needs a key"))
            }
            _ => Err(BuildError::new(
                "this platform's interface has no such call",
            )),
        }
    }

    fn check_accepted(&self, id: &TaskId, reply: &Response) -> Result<(), ReadError> {
        Ok(run_of_events(id.as_str()).check(&reply.body)?)
    }

    fn read_event(
        &self,
        id: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        if event.name != RUN_EVENT || event.data.trim().is_empty() {
            return Ok(None);
        }
        let event: RunEvent = read_events(id.as_str(), event.data.as_bytes())?;
        Ok(Some(item_of(id, event)))
    }

    /// Adds the agent's messages before the event, which carries no text itself.
    fn add_context(&self, mut question: Question, steps: &[RawEvent]) -> Question {
        let prompt = question.payload.as_ref().and_then(prompt_of);
        question.text = match prompt {
            Some(prompt) => prompt.to_owned(),
            None => Transcript::of_steps(steps).text().to_owned(),
        };
        question.with_messages(steps.iter().map(|step| step.data.clone()).collect())
    }

    fn unconfirmed_output(
        &self,
        id: &TaskId,
        reply: Option<&Response>,
        event: &RawEvent,
    ) -> Option<Answer> {
        let raw: Option<Value> = reply.and_then(|reply| wire::decode(&reply.body).ok());
        Some(Answer::unconfirmed(id, raw, event))
    }
}
