//! The provider: which request does what, and what a reply says.

use chrono::{Datelike as _, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taskward_core::{
    BuildError, Candidate, Capabilities, Confirmation, CreatedTask, Cursor, IdempotencyKey,
    ListPage, MatchCriteria, Operation as _, PollResult, Provider, ProviderDefaults, ReadError,
    ReadKind, Request, Response, Safety, Started, Status, TaskFailure, TaskId, Timestamp,
    WriteRequest,
};

use super::answer::Answer;
use super::conversation;
use super::job::Job;
use super::operations::ListTasks;
use super::requests::{cancel_request, message_request, read_about, subject, task_target};
use super::status::status_of;
use super::text::text_of;
use super::types::{RunAgentResponse, TaskList, TaskListItem, TaskResult, TaskStatus};
use crate::wire;

/// The statuses that `read` calls pending.
const AT_WORK: [TaskStatus; 3] = [TaskStatus::Pending, TaskStatus::Queued, TaskStatus::Running];

/// The Nanonets Agents platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nanonets;

impl Provider for Nanonets {
    type Job = Job;
    type Output = Answer;

    const NAME: &'static str = "nanonets";

    const DEFAULTS: ProviderDefaults = ProviderDefaults::new(
        "NANONETS_API_KEY",
        "NANONETS_BASE_URL",
        "https://agents.nanonets.com",
        "/api/v1",
    )
    .with_simulated_key("sim_key_");

    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = Safety::Once;
        can.answer = Safety::Once;
        can.cancel = true;
        can.message = true;
        can.list = true;
        can.steps = true;
        can.words = true;
        can.review = true;
        can.agents = true;
        can
    };

    fn start(&self, job: &Job, _key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        job.request()
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Answer>, ReadError> {
        let started: RunAgentResponse = wire::decode(&reply.body)?;
        let id = TaskId::new(started.task_id.as_str());
        let status = started.status.as_ref().map(status_of);
        Ok(CreatedTask::new(id, status).into())
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let rest = match read {
            ReadKind::Status => "",
            ReadKind::Questions => "/messages",
            ReadKind::Result => "/summary",
            ReadKind::Steps => "/result",
            _ => return Err(BuildError::new("this platform has no event stream")),
        };
        Ok(Request::get(task_target(id.as_str(), rest)?))
    }

    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Answer>, ReadError> {
        match read {
            ReadKind::Questions => Ok(conversation::asked(
                id,
                &conversation::read(id.as_str(), reply)?,
            )),
            ReadKind::Result => {
                let raw: Value = read_about(id.as_str(), reply)?;
                let status = raw
                    .get("status")
                    .and_then(Value::as_str)
                    .map(TaskStatus::from);
                match status {
                    Some(TaskStatus::Completed) => Ok(PollResult::Ready(Answer::new(raw))),
                    // An answer is final only once the task has completed: before, it is the newest message.
                    Some(other) => Ok(PollResult::Pending(status_of(&other))),
                    None => Err(ReadError::new(
                        taskward_core::ReadErrorKind::Shape,
                        "the summary has no \"status\"",
                    )),
                }
            }
            ReadKind::Steps => {
                let result: TaskResult = read_about(id.as_str(), reply)?;
                let feed = result.feed.unwrap_or_default();
                let fault = TaskFailure::new(status_of(&result.status))
                    .with_steps(feed.iter().rev().find_map(message_of), Value::Array(feed));
                Ok(match result.status {
                    TaskStatus::Failed => PollResult::Failed(fault),
                    TaskStatus::Stopped => PollResult::Stopped(fault),
                    other => PollResult::Pending(status_of(&other)),
                })
            }
            _ => {
                let found: TaskStatus = wire::peek(&reply.body, subject(id.as_str()))?;
                let status = status_of(&found);
                Ok(match found {
                    // These are `AT_WORK`.
                    TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Running => {
                        PollResult::Pending(status)
                    }
                    TaskStatus::WaitingForInput => {
                        PollResult::ReadFirst(ReadKind::Questions, status)
                    }
                    TaskStatus::AwaitingReview => PollResult::Paused(status),
                    TaskStatus::Completed => PollResult::ReadFirst(ReadKind::Result, status),
                    TaskStatus::Failed => PollResult::Failed(TaskFailure::new(status)),
                    TaskStatus::Stopped => PollResult::Stopped(TaskFailure::new(status)),
                    TaskStatus::Unknown(_) => PollResult::Unknown(status),
                })
            }
        }
    }

    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        match act {
            WriteRequest::Answer {
                answer: taskward_core::Answer::Text(text),
                ..
            } => message_request(id.as_str(), text),
            WriteRequest::Message { text, .. } => message_request(id.as_str(), text),
            WriteRequest::Cancel => cancel_request(id.as_str()),
            _ => Err(BuildError::new("an answer on this platform is a text")),
        }
    }

    fn check_accepted(&self, id: &TaskId, reply: &Response) -> Result<(), ReadError> {
        Ok(subject(id.as_str()).check(&reply.body)?)
    }

    fn match_criteria(&self, job: &Job, _: Option<&IdempotencyKey>) -> Option<MatchCriteria> {
        let (agent, query) = job.first_words();
        let criteria = MatchCriteria::agent(agent);
        Some(match query {
            Some(query) => criteria.with_first_message(query),
            None => criteria,
        })
    }

    fn search(
        &self,
        criteria: &MatchCriteria,
        from: Timestamp,
        until: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Request, BuildError> {
        ListTasks {
            cursor: cursor.map(str::to_owned),
            limit: Some(100),
            agent: criteria.agent.clone(),
            created_after: Some(written(from)?),
            created_before: until.map(written).transpose()?,
            ..ListTasks::default()
        }
        .request()
    }

    fn read_search(
        &self,
        criteria: &MatchCriteria,
        reply: &Response,
    ) -> Result<ListPage<Candidate>, ReadError> {
        let list: TaskList = wire::decode(&reply.body)?;
        let candidate = |task: TaskListItem| {
            // The search asked for one agent. A list that has others is not known to have all of that one, and an agent
            // may be named by the id of a version or of their group.
            if !is_of_agent(&task, criteria) {
                return None;
            }
            let mut candidate = Candidate::new(TaskId::new(task.task_id?.as_str()));
            candidate.status = Some(status_of(&task.status));
            candidate.created_at_millis = task.created_at.as_ref().and_then(made_at);
            candidate.created_at = task.created_at.map(|at| at.as_str().to_owned());
            candidate.title = task.title;
            Some(candidate)
        };
        let items = list.data.map(candidate);
        let next = list.next_cursor.map(|cursor| cursor.as_str().to_owned());
        Ok(ListPage::new(items, list.has_more, next))
    }

    fn list_at_work(&self, cursor: Option<&str>) -> Result<Option<Request>, BuildError> {
        let list = ListTasks {
            cursor: cursor.map(str::to_owned),
            limit: Some(100),
            status: AT_WORK.to_vec(),
            ..ListTasks::default()
        };
        list.request().map(Some)
    }

    fn read_at_work(&self, reply: &Response) -> Result<ListPage<(TaskId, Status)>, ReadError> {
        let list: TaskList = wire::decode(&reply.body)?;
        let at_work = |task: TaskListItem| {
            let id = TaskId::new(task.task_id?.as_str());
            // The list is that of a server which may know no filter.
            let is_at_work = AT_WORK.contains(&task.status);
            is_at_work.then(|| (id, status_of(&task.status)))
        };
        let items = list.data.map(at_work);
        let next = list.next_cursor.map(|cursor| cursor.as_str().to_owned());
        Ok(ListPage::new(items, list.has_more, next))
    }

    fn first_message(&self, id: &TaskId) -> Result<Request, BuildError> {
        Ok(Request::get(task_target(id.as_str(), "/messages")?))
    }

    fn read_first_message(
        &self,
        id: &TaskId,
        reply: &Response,
    ) -> Result<Option<String>, ReadError> {
        Ok(conversation::opening(&conversation::read(
            id.as_str(),
            reply,
        )?))
    }

    fn cursor(&self, id: &TaskId, reply: &Response) -> Result<Cursor, ReadError> {
        Ok(conversation::mark(&conversation::read(id.as_str(), reply)?))
    }

    fn find_write(
        &self,
        id: &TaskId,
        reply: &Response,
        mark: &Cursor,
        text: &str,
        _: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        Ok(conversation::find_write(
            &conversation::read(id.as_str(), reply)?,
            mark,
            text,
        ))
    }
}

/// Returns whether this task may be one of the agent that is searched for: it names none, or that one, as version or as
/// group.
fn is_of_agent(task: &TaskListItem, criteria: &MatchCriteria) -> bool {
    let Some(wanted) = &criteria.agent else {
        return true;
    };
    let group = task.extra.get("agent_group_id").and_then(Value::as_str);
    let agent = task.agent_id.as_ref().map(wire::Uuid::as_str);
    match (agent, group) {
        (None, None) => true,
        (agent, group) => [agent, group]
            .into_iter()
            .flatten()
            .any(|named| named.eq_ignore_ascii_case(wanted)),
    }
}

/// Reads a moment as the API writes it.
fn made_at(at: &wire::DateTime) -> Option<Timestamp> {
    let millis = u64::try_from(at.unix_millis()?).ok()?;
    Some(Timestamp::from_millis(millis))
}

/// Writes a moment as the API reads it.
fn written(at: Timestamp) -> Result<String, BuildError> {
    i64::try_from(at.as_millis())
        .ok()
        .and_then(chrono::DateTime::from_timestamp_millis)
        .filter(|at| at.year() <= 9999)
        .map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        .ok_or_else(|| BuildError::new("the clock of this machine is beyond the year 9999"))
}

/// Returns a line about a failure: the newest feed item with text.
fn message_of(item: &Value) -> Option<String> {
    ["error", "content", "result", "message"]
        .iter()
        .find_map(|name| text_of(item.get(*name)?))
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn reply(body: &str) -> Response {
        Response::new(StatusCode::OK, body.to_owned())
    }

    fn read(read: ReadKind, body: &str) -> String {
        match Nanonets.read(&TaskId::new("t"), &read, &reply(body)) {
            Ok(PollResult::Pending(status)) => format!("pending {status}"),
            Ok(PollResult::ReadFirst(read, status)) => format!("next {read:?} {status}"),
            Ok(PollResult::Paused(status)) => format!("paused {status}"),
            Ok(PollResult::Failed(fault)) => format!("failed {:?}", fault.message),
            Ok(PollResult::Stopped(fault)) => format!("stopped {:?}", fault.message),
            Ok(PollResult::Unknown(status)) => format!("unknown {status}"),
            Ok(PollResult::Ready(_)) => "ready".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error {:?}", error.kind()),
        }
    }

    #[test]
    fn every_status_is_read_as_the_contract_says() {
        for (status, reading) in [
            ("pending", "pending pending"),
            ("queued", "pending queued"),
            ("running", "pending running"),
            ("waiting_for_input", "next Questions waiting_for_input"),
            ("awaiting_review", "paused awaiting_review"),
            ("completed", "next Result completed"),
            ("failed", "failed None"),
            ("stopped", "stopped None"),
            ("paused", "unknown paused"),
        ] {
            assert_eq!(
                read(ReadKind::Status, &format!(r#"{{"status":"{status}"}}"#)),
                reading
            );
        }
    }

    #[test]
    fn a_list_shows_the_tasks_at_work_and_leaves_out_every_other() {
        let page = |body: &str| Nanonets.read_at_work(&reply(body)).expect("a page");
        let listed = page(
            r#"{"data":[{"task_id":"a","status":"running"},{"task_id":"b","status":"completed"},{"status":"running"},
               {"task_id":"c","status":"queued"},{"task_id":"d","status":"dreaming"},7],"has_more":true,"next_cursor":"x"}"#,
        );
        assert_eq!(
            (listed.has_more, listed.next.as_deref()),
            (Some(true), Some("x"))
        );
        let tasks: Vec<String> = listed
            .items
            .into_readable()
            .map(|(id, status)| format!("{id} {status}"))
            .collect();
        assert_eq!(tasks, ["a running", "c queued"]);
        let request = Nanonets.list_at_work(Some("x y")).expect("it can be sent");
        assert_eq!(
            request.expect("there is a list").target().as_str(),
            "/api/v1/tasks?cursor=x%20y&limit=100&status=pending%2Cqueued%2Crunning"
        );
        assert!(Nanonets.read_at_work(&reply("<html>")).is_err());
    }

    #[test]
    fn a_summary_is_an_answer_only_when_the_task_is_completed() {
        assert_eq!(read(ReadKind::Result, r#"{"status":"completed"}"#), "ready");
        assert_eq!(
            read(
                ReadKind::Result,
                r#"{"status":"running","result":"so far"}"#
            ),
            "pending running"
        );
        assert_eq!(read(ReadKind::Result, r#"{"result":"x"}"#), "error Shape");
        assert_eq!(
            read(ReadKind::Result, r#"{"status":"completed","result":"#),
            "error Truncated"
        );
        assert_eq!(read(ReadKind::Result, "<html>"), "error Html");
        assert_eq!(read(ReadKind::Result, ""), "error Empty");
    }

    #[test]
    fn a_trail_tells_the_newest_thing_said() {
        let feed = r#"{"status":"failed","feed":[{"content":"first"},{"error":{"text":"boom"}},{"type":"end"}]}"#;
        assert_eq!(read(ReadKind::Steps, feed), "failed Some(\"boom\")");
        assert_eq!(
            read(ReadKind::Steps, r#"{"status":"stopped"}"#),
            "stopped None"
        );
    }

    #[test]
    fn a_start_reply_with_a_task_id_is_a_started_task_whatever_else_is_wrong() {
        for body in [
            r#"{"task_id":"t"}"#,
            r#"{"task_id":"t","status":null,"agent_id":7,"created_at":{},"message":[1]}"#,
            "\u{feff}{\"task_id\":\"t\",\"message\":\"\\ud83d\"}",
        ] {
            let started = Nanonets.read_start(&reply(body)).expect(body);
            assert_eq!(started.task().map(TaskId::as_str), Some("t"));
        }
        for body in [
            "{}",
            r#"{"task_id":null}"#,
            r#"{"task_id":"t""#,
            "",
            "<html>",
        ] {
            assert!(Nanonets.read_start(&reply(body)).is_err(), "{body}");
        }
    }
}
