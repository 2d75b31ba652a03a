//! Tasks, read and cancelled.

use serde_json::{Map, Value, json};

use super::refusal::{Reason, Refusal};
use super::switches::{CancelsEnded, RefusedCancel};
use super::task::State;
use super::views::Shown;
use super::{Call, Server, auth, read_integer};
use crate::message::Reply;
use crate::time::parse_rfc3339;

/// What a page has, when nothing is said.
const PAGE: usize = 50;

/// The cursor to the first page.
const FIRST: &str = "first";

impl Server {
    /// Returns the task of this id that an agent's clients can see.
    pub(super) fn find(&self, agent: &str, id: &str) -> Option<usize> {
        let number = self.numbers.get(id).copied();
        number.filter(|number| {
            let task = &self.tasks[*number];
            task.is_published && task.agent == agent
        })
    }

    /// Returns the task that a call names.
    pub(super) fn named(&self, call: &Call) -> Result<usize, Refusal> {
        let id = call.parameters.get(call.operation.id_parameter());
        let id = id.and_then(Value::as_str).unwrap_or_default();
        let number = self.find(&call.agent, id);
        number.ok_or_else(|| Refusal::not_found("Task not found"))
    }

    pub(super) fn get_task(&self, call: &Call) -> Result<Value, Refusal> {
        let length = self.history_length(&call.parameters)?;
        Ok(self.view(self.named(call)?, Shown::Read, length))
    }

    pub(super) fn list_tasks(&self, call: &Call) -> Result<Value, Refusal> {
        let given = &call.parameters;
        let size = page_size(given)?;
        let length = self.history_length(given)?;
        let text = |name: &str| {
            let text = given.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        let after = match text("statusTimestampAfter") {
            None => 0,
            Some(text) => parse_rfc3339(text)
                .and_then(|ms| u64::try_from(ms).ok())
                .ok_or_else(|| Refusal::invalid("statusTimestampAfter is no time"))?,
        };
        let is_wanted = |number: &usize| {
            let task = &self.tasks[*number];
            task.is_published
                && task.agent == call.agent
                && text("contextId").is_none_or(|context| task.context == context)
                && text("status").is_none_or(|state| task.status.state.names().0 == state)
                && task.status.at >= after
        };
        let mut all: Vec<usize> = (0..self.tasks.len()).filter(is_wanted).collect();
        // The newest status first.
        all.sort_by_key(|number| std::cmp::Reverse((self.tasks[*number].status.at, *number)));
        let total = all.len();
        let from = match text("pageToken") {
            None => 0,
            Some(token) => self.place_behind(token, &all)?,
        };
        let page: Vec<usize> = all.iter().copied().skip(from).take(size).collect();
        let next = match page.last().filter(|_| from + page.len() < total) {
            Some(last) => auth::encoded(&format!("{},{last}", self.tasks[*last].status.at)),
            None => String::new(),
        };
        let shown_size = if self.switches.page_size_counts {
            page.len()
        } else {
            size
        };
        let with_artifacts = given.get("includeArtifacts").is_some_and(is_true);
        let entry = |number| self.view(number, Shown::Entry { with_artifacts }, length);
        Ok(json!({
            "tasks": page.into_iter().map(entry).collect::<Vec<_>>(),
            "nextPageToken": next,
            "pageSize": shown_size,
            "totalSize": total,
        }))
    }

    /// Returns how many entries stand before the page that a cursor leads to.
    fn place_behind(&self, token: &str, all: &[usize]) -> Result<usize, Refusal> {
        let wrong = || Refusal::invalid("Token is not a valid base64-encoded cursor.");
        let text = auth::decoded(token).and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(wrong)?;
        if text == FIRST {
            return Ok(0);
        }
        let (at, number) = text.split_once(',').ok_or_else(wrong)?;
        let at: u64 = at.parse().map_err(|_| wrong())?;
        let number: usize = number.parse().map_err(|_| wrong())?;
        let is_before = |other: &&usize| (self.tasks[**other].status.at, **other) >= (at, number);
        Ok(all.iter().filter(is_before).count())
    }

    /// Returns a page of tasks with a cursor that leads back to the first page, as
    /// [`Fault::LoopedCursor`](crate::Fault::LoopedCursor) has it.
    #[must_use]
    pub fn looped(&self, mut reply: Reply) -> Reply {
        let mut body = reply.value();
        let page = match body.get("result") {
            Some(_) => &mut body["result"],
            None => &mut body,
        };
        if let Some(token) = page.get_mut("nextPageToken") {
            *token = json!(auth::encoded(FIRST));
            reply.body = body.to_string().into_bytes();
        }
        reply
    }

    pub(super) fn cancel_task(&mut self, call: &Call) -> Result<Value, Refusal> {
        let number = self.named(call)?;
        let task = &self.tasks[number];
        let refused = || Refusal::new(Reason::TaskNotCancelable, "Task cannot be canceled");
        if task.status.state.is_terminal() {
            let is_taken = match self.switches.cancels_ended {
                CancelsEnded::None => false,
                CancelsEnded::Cancelled => task.status.state == State::Canceled,
                CancelsEnded::All => true,
            };
            if !is_taken {
                return Err(refused());
            }
        } else if task.is_stubborn {
            return Err(match self.switches.refused_cancel {
                RefusedCancel::GoesOn => refused(),
                RefusedCancel::Unsupported => {
                    let what = "this task does not stop";
                    Refusal::new(Reason::UnsupportedOperation, what)
                }
                RefusedCancel::Fails => {
                    self.end_silently(number);
                    refused()
                }
            });
        } else {
            self.cancel(number);
        }
        Ok(self.view(number, Shown::Read, None))
    }

    /// Cancels a task that has not ended, at once or when the switch says.
    pub(super) fn cancel(&mut self, number: usize) {
        let delay = self.switches.cancel_delay_ms;
        if delay == 0 {
            return self.end(number, State::Canceled, None);
        }
        let at = self.now.saturating_add(delay);
        let task = &mut self.tasks[number];
        if task.cancels_at.is_none() {
            task.cancels_at = Some(at);
            self.agenda.insert((at, number));
        }
    }
}

fn page_size(given: &Map<String, Value>) -> Result<usize, Refusal> {
    match read_integer(given, "pageSize")? {
        None => Ok(PAGE),
        Some(size) if size < 1 => Err(Refusal::invalid("minimum page size is 1")),
        Some(size) if size > 100 => Err(Refusal::invalid("maximum page size is 100")),
        Some(size) => Ok(usize::try_from(size).unwrap_or(PAGE)),
    }
}

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value == "true"
}
