//! How runs move by themselves: steps, waits, timeouts.

use serde_json::{Map, Value, json};

use super::Server;
use super::log::delta;
use super::run::{OpenWait, Phase};
use super::scripted::{ScriptedWait, Step};
use super::stats::WaitStats;
use super::switches::LimitStatus;

impl Server {
    /// Lets everything happen that is due by `now`, in the order of its time.
    pub fn advance(&mut self, now: u64) {
        while let Some((at, number)) = self.agenda.first().copied().filter(|(at, _)| *at <= now) {
            self.agenda.pop_first();
            self.now = self.now.max(at);
            self.wake(number);
        }
        self.now = self.now.max(now);
    }

    /// Fires the timers of a run that are due.
    fn wake(&mut self, number: usize) {
        let now = self.now;
        let run = &mut self.runs[number];
        if run.wait.take_if(|wait| wait.times_out_at <= now).is_some() {
            self.end(
                number,
                "run.cancelled",
                Phase::Cancelled,
                "signal_timeout",
                Map::new(),
            );
        }
        let run = &mut self.runs[number];
        if run.step_ends_at.take_if(|at| *at <= now).is_some() {
            if run.phase == Phase::Queued {
                self.change(
                    number,
                    "run.worker.started",
                    Phase::Running,
                    None,
                    Map::new(),
                );
            }
            self.run_steps(number);
        }
    }

    /// Puts a new run in the queue.
    pub(super) fn start(&mut self, number: usize) {
        self.work_for(number, self.switches.queued_ms);
    }

    pub(super) fn run_steps(&mut self, number: usize) {
        loop {
            let run = &mut self.runs[number];
            match run.steps.pop_front().unwrap_or(Step::Succeed) {
                Step::Work(ms) => return self.work_for(number, ms),
                Step::Progress(value) => self.emit(number, "step.progress", value),
                Step::Delta(text) => {
                    let value = delta(&run.fill_in(&text));
                    self.emit(number, "step.progress", value);
                }
                Step::Deltas {
                    count,
                    every_ms,
                    bytes,
                } => {
                    run.log.push_deltas(self.now, count, every_ms, bytes);
                    return self.work_for(number, every_ms.saturating_mul(count));
                }
                Step::Done(outcome) => {
                    self.emit(number, "step.done", json!({ "outcome": outcome }))
                }
                Step::Emit { kind, value } => {
                    run.log.push(self.now, kind, value);
                }
                Step::Tool(call) if self.switches.tool_events => {
                    self.emit(number, "tool.invoked", call);
                }
                Step::Tool(_) => {}
                Step::Wait(wait) => return self.wait_for_human(number, wait),
                Step::Stall => return self.stall(number),
                Step::Limit(reason) => return self.exceed_limit(number, &reason),
                Step::Fail(reason) => return self.fail(number, &reason, Map::new()),
                Step::Succeed => {
                    let (kind, reason) = ("run.worker.succeeded", "COMPLETED");
                    return self.end(number, kind, Phase::Succeeded, reason, Map::new());
                }
            }
        }
    }

    fn work_for(&mut self, number: usize, ms: u64) {
        let until = self.now.saturating_add(ms);
        self.runs[number].step_ends_at = Some(until);
        self.agenda.insert((until, number));
    }

    /// Ends step and wait without a successor; gives the time when the step was to end.
    fn clear_timers(&mut self, number: usize) -> Option<u64> {
        let run = &mut self.runs[number];
        let step_ends_at = run.step_ends_at.take();
        let times_out_at = run.wait.take().map(|wait| wait.times_out_at);
        for at in step_ends_at.into_iter().chain(times_out_at) {
            self.agenda.remove(&(at, number));
        }
        step_ends_at
    }

    fn wait_for_human(&mut self, number: usize, wait: ScriptedWait) {
        let now = self.now;
        let timeout = wait.timeout_ms.unwrap_or(self.switches.signal_timeout_ms);
        let times_out_at = now.saturating_add(timeout);
        let run = &mut self.runs[number];
        run.hold_status(now, self.switches.wait_status_delay_ms);
        run.phase = Phase::AwaitingInput;
        run.updated_at = now;
        let mut value = wait.more;
        value.insert("request_id".to_owned(), json!(run.request_id));
        value.insert("reason_code".to_owned(), json!(wait.reason));
        value.insert("input_kind".to_owned(), json!(wait.kind));
        let at = now.saturating_add(self.switches.wait_event_delay_ms);
        let event = run.log.push(at, "run.awaiting_input", Value::Object(value));
        run.wait = Some(OpenWait {
            kind: wait.kind,
            times_out_at,
        });
        run.newest_wait = Some(self.counted.waits.len());
        self.counted.waits.push(WaitStats {
            run: run.id.clone(),
            seq: self.switches.seq_of(event),
            ..WaitStats::default()
        });
        self.agenda.insert((times_out_at, number));
    }

    /// Continues after a wait.
    pub(super) fn go_on(&mut self, number: usize, action: &str, data: Map<String, Value>) {
        let now = self.now;
        self.clear_timers(number);
        let run = &mut self.runs[number];
        run.hold_status(now, self.switches.signal_delay_ms);
        run.data = data;
        run.phase = Phase::Running;
        run.updated_at = now;
        if self.switches.lifecycle_events {
            let value = json!({ "request_id": run.request_id, "action": action });
            self.emit(number, "run.signal_received", value);
        }
        self.run_steps(number);
    }

    /// Ends a run badly.
    pub(super) fn fail(&mut self, number: usize, reason: &str, more: Map<String, Value>) {
        self.end(number, "run.worker.failed", Phase::Failed, reason, more);
    }

    /// Ends a run from outside; fragments that were to come do not.
    pub(super) fn stop(&mut self, number: usize) {
        self.runs[number].log.cut(self.now);
        let reason = "cancelled_in_dashboard";
        self.end(
            number,
            "run.cancelled",
            Phase::Cancelled,
            reason,
            Map::new(),
        );
    }

    fn exceed_limit(&mut self, number: usize, reason: &str) {
        let phase = match self.switches.limit_status {
            LimitStatus::Failed => Phase::Failed,
            LimitStatus::Cancelled => Phase::Cancelled,
            LimitStatus::Running => Phase::Running,
        };
        self.end(number, "run.limit_exceeded", phase, reason, Map::new());
    }

    fn stall(&mut self, number: usize) {
        if self.switches.lifecycle_events {
            let (kind, reason) = ("run.stalled", Some("heartbeat_lost"));
            return self.change(number, kind, Phase::Stalled, reason, Map::new());
        }
        let run = &mut self.runs[number];
        run.phase = Phase::Stalled;
        run.updated_at = self.now;
    }

    /// Takes the worker from a running run; what it was at is done when it comes back.
    pub(super) fn lose_worker(&mut self, number: usize) {
        if let Some(until) = self.clear_timers(number) {
            let run = &mut self.runs[number];
            let rest = run.log.cut(self.now);
            run.steps.push_front(match rest {
                Some((count, every_ms, bytes)) => Step::Deltas {
                    count,
                    every_ms,
                    bytes,
                },
                None => Step::Work(until.saturating_sub(self.now)),
            });
        }
        self.stall(number);
    }

    /// Gives a stalled run a worker again.
    pub(super) fn bring_back(&mut self, number: usize) {
        if self.switches.lifecycle_events {
            self.change(number, "run.resumed", Phase::Running, None, Map::new());
        }
        let run = &mut self.runs[number];
        run.phase = Phase::Running;
        run.updated_at = self.now;
        self.run_steps(number);
    }

    fn end(
        &mut self,
        number: usize,
        kind: &'static str,
        to: Phase,
        reason: &str,
        more: Map<String, Value>,
    ) {
        let now = self.now;
        self.clear_timers(number);
        let run = &mut self.runs[number];
        run.hold_status(now, self.switches.end_delay_ms);
        run.ended_at = Some(now);
        run.steps.clear();
        self.change(number, kind, to, Some(reason), more);
    }

    /// Changes the phase and reports it by an event of the transition shape.
    fn change(
        &mut self,
        number: usize,
        kind: &'static str,
        to: Phase,
        reason: Option<&str>,
        mut value: Map<String, Value>,
    ) {
        let run = &mut self.runs[number];
        value.insert("request_id".to_owned(), json!(run.request_id));
        value.insert("from_status".to_owned(), json!(run.phase.name()));
        value.insert("to_status".to_owned(), json!(to.name()));
        if let Some(reason) = reason {
            value.insert("reason_code".to_owned(), json!(reason));
        }
        run.phase = to;
        self.emit(number, kind, Value::Object(value));
    }

    pub(super) fn emit(&mut self, number: usize, kind: &'static str, value: Value) {
        let run = &mut self.runs[number];
        run.log.push(self.now, kind, value);
        run.updated_at = self.now;
    }
}
