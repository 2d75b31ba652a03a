//! Signals: what a human answers, through the API or in the dashboard.

use serde_json::{Map, Value, json};

use super::create::{idempotency_key, read_object};
use super::refusal::Refusal;
use super::run::Phase;
use super::scripted::{APPROVAL, DATA};
use super::switches::KeyPlace;
use super::{DashboardAction, Server};
use crate::message::{Head, Reply, SimBody};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Approve,
    Reject,
    SubmitInput,
}

impl Action {
    fn read(value: Option<&Value>) -> Option<Self> {
        match value?.as_str()? {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            "submit_input" => Some(Self::SubmitInput),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::SubmitInput => "submit_input",
        }
    }

    fn fits(self, kind: &str) -> bool {
        match self {
            Self::Approve => kind != DATA,
            Self::SubmitInput => kind != APPROVAL,
            Self::Reject => true,
        }
    }
}

impl Server {
    pub(super) fn signal(
        &mut self,
        number: usize,
        head: &Head,
        body: &SimBody,
    ) -> Result<Reply, Refusal> {
        let body = read_object(body)?;
        let action = Action::read(body.get("action")).ok_or_else(|| {
            self.invalid_signal("action must be one of approve, reject, submit_input")
        })?;
        let wrong = |error| {
            Refusal::new(
                self.switches.validation_status_code,
                "invalid_request",
                error,
            )
        };
        let payload = match body.get("payload") {
            None => Map::new(),
            Some(Value::Object(payload)) => payload.clone(),
            Some(_) => return Err(wrong("payload must be an object")),
        };
        let body_key = match body.get("idempotency_key") {
            None => None,
            Some(Value::String(key)) if !key.is_empty() => Some(key.clone()),
            Some(_) => return Err(wrong("idempotency_key must be a string that is not empty")),
        };
        if head.header("idempotency-key") == Some("") {
            return Err(wrong("the header field idempotency-key must not be empty"));
        }
        let header_key = idempotency_key(head).map(str::to_owned);
        let key = match self.switches.signal_key {
            KeyPlace::Header => header_key.or(body_key),
            KeyPlace::Body => body_key.or(header_key),
        };
        let wait = self.runs[number].newest_wait;
        if let Some(wait) = wait {
            self.counted.waits[wait].received += 1;
        }
        let judged = self.judge_signal(number, action, key.as_deref(), &body);
        if let Some(wait) = wait {
            match &judged {
                Ok(Some(_)) => self.counted.waits[wait].replayed += 1,
                Ok(None) => {}
                Err(_) => self.counted.waits[wait].refused += 1,
            }
        }
        if let Some(reply) = judged? {
            return Ok(reply);
        }
        self.apply(number, action, payload);
        let reply = self.write_reply(number);
        if let Some(key) = key {
            let taken = (Value::Object(body), reply.clone());
            self.runs[number].signals.insert(key, taken);
        }
        Ok(reply)
    }

    /// Returns the earlier reply to a signal that is a repetition, `None` for one to be applied.
    fn judge_signal(
        &self,
        number: usize,
        action: Action,
        key: Option<&str>,
        body: &Map<String, Value>,
    ) -> Result<Option<Reply>, Refusal> {
        let run = &self.runs[number];
        let earlier = key.and_then(|key| run.signals.get(key));
        if let Some((first, reply)) = earlier.filter(|_| self.switches.signal_idempotency) {
            if first.as_object() == Some(body) {
                return Ok(Some(reply.clone()));
            }
            let error = "the idempotency key was used with another signal";
            return Err(Refusal::new(409, "idempotency_conflict", error));
        }
        let Some(wait) = &run.wait else {
            let error = format!("the run is {}", run.phase.name());
            let code = self.switches.not_awaiting_status_code;
            return Err(Refusal::new(code, "run_not_awaiting_input", error));
        };
        if self.switches.strict_signals && !action.fits(&wait.kind) {
            let error = format!("{} does not answer {:?}", action.name(), wait.kind);
            return Err(self.invalid_signal(&error));
        }
        Ok(None)
    }

    fn invalid_signal(&self, error: &str) -> Refusal {
        let code = self.switches.invalid_signal_status_code;
        Refusal::new(code, "invalid_signal_type", error)
    }

    /// Ends the open wait.
    fn apply(&mut self, number: usize, action: Action, payload: Map<String, Value>) {
        if let Some(wait) = self.runs[number].newest_wait {
            self.counted.waits[wait].applied += 1;
            self.counted.waits[wait].action = Some(action.name().to_owned());
        }
        match action {
            Action::Approve => self.go_on(number, action.name(), Map::new()),
            Action::SubmitInput => self.go_on(number, action.name(), payload),
            Action::Reject => {
                let reason = payload.get("reason").cloned();
                let more = reason.map(|reason| ("reason".to_owned(), reason));
                self.fail(number, "REJECTED", more.into_iter().collect());
            }
        }
    }

    pub(super) fn resume(&mut self, number: usize) -> Result<Reply, Refusal> {
        let phase = self.runs[number].phase;
        if phase != Phase::Stalled {
            let error = format!("the run is {}", phase.name());
            return Err(Refusal::new(409, "run_not_stalled", error));
        }
        self.counted.resumes += 1;
        self.bring_back(number);
        Ok(self.write_reply(number))
    }

    /// Returns the reply to a signal or a resume that was taken.
    fn write_reply(&self, number: usize) -> Reply {
        let code = self.switches.signal_status_code;
        if self.switches.empty_write_replies {
            return Reply {
                status: code,
                headers: Vec::new(),
                body: Vec::new(),
            };
        }
        let run = &self.runs[number];
        let body = json!({
            "id": run.id,
            "status": run.shown(self.now).name(),
            "request_id": self.request_id(),
        });
        Reply::json(code, &body)
    }

    /// Does what a human does in the dashboard.
    ///
    /// # Errors
    /// With the reason when there is no such run or it is not in the state for it.
    pub fn dashboard(
        &mut self,
        run: &str,
        action: DashboardAction,
        now: u64,
    ) -> Result<(), String> {
        self.advance(now);
        let number = self
            .numbers
            .get(run)
            .copied()
            .ok_or_else(|| format!("no run {run:?}"))?;
        let state = &self.runs[number];
        let (waits, has_ended) = (state.wait.is_some(), state.ended_at.is_some());
        let runs = state.phase == Phase::Running && !has_ended;
        match action {
            DashboardAction::Approve if waits => self.apply(number, Action::Approve, Map::new()),
            DashboardAction::Reject(reason) if waits => {
                let payload = Map::from_iter([("reason".to_owned(), Value::String(reason))]);
                self.apply(number, Action::Reject, payload);
            }
            DashboardAction::Input(data) if waits => self.apply(number, Action::SubmitInput, data),
            DashboardAction::Stop if !has_ended => self.stop(number),
            DashboardAction::Stall if runs => self.lose_worker(number),
            DashboardAction::Approve
            | DashboardAction::Reject(_)
            | DashboardAction::Input(_)
            | DashboardAction::Stop
            | DashboardAction::Stall => {
                return Err(format!("run {run} is {}", state.phase.name()));
            }
        }
        self.advance(now);
        Ok(())
    }
}
