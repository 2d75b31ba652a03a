//! What happens to a task, told as it happens: to people on stderr, to programs as JSON lines on stdout.

mod json;
mod text;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taskward::{Event, Question, Status, Why};

use crate::clock::{Clock, span};
use crate::out::Out;
use crate::task_ref::{TaskRef, quote};

/// Silence after which a line says that the watch goes on, where no spinner turns.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Tells the events of one task.
#[derive(Debug)]
pub(crate) struct Reporter {
    out: Arc<Out>,
    clock: Clock,
    /// Whether lines name their task: several are watched at once.
    named: bool,
    /// Where reviews are decided, when that is a simulator's URL.
    dashboard: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    task: Option<TaskRef>,
    /// The last status that the server told.
    status: Option<Status>,
    /// What failed last, until something works.
    trouble: Option<String>,
    spoke: Instant,
    /// Requests made in a row for one thing, the failed ones included.
    attempts: u32,
}

impl Reporter {
    pub(crate) fn new(out: Arc<Out>, clock: Clock, task: Option<TaskRef>, named: bool) -> Self {
        let state = State {
            task,
            status: None,
            trouble: None,
            spoke: Instant::now(),
            attempts: 1,
        };
        Self {
            out,
            clock,
            named,
            dashboard: None,
            state: Mutex::new(state),
        }
    }

    /// Reviews are decided at the simulator of this URL.
    pub(crate) fn with_dashboard(mut self, url: Option<String>) -> Self {
        self.dashboard = url;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task, once it is known.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        self.state().task.clone()
    }

    /// The last status seen, as a word.
    pub(crate) fn status(&self) -> String {
        match &self.state().status {
            Some(status) => status.to_string(),
            None => "starting".to_owned(),
        }
    }

    /// The last status seen.
    pub(crate) fn seen(&self) -> Option<Status> {
        self.state().status.clone()
    }

    /// What failed last, when nothing has worked since.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// Requests made for the write that was under way last.
    pub(crate) fn attempts(&self) -> u32 {
        self.state().attempts
    }

    /// Tells that a task that exists is followed.
    pub(crate) fn watching(&self) {
        let Some(task) = self.task() else { return };
        if self.out.is_json() {
            self.out.line(&json::watching(&task));
        }
        self.say(&format!("task {task}"));
    }

    /// Tells an event.
    pub(crate) fn event(&self, event: &Event) {
        {
            let mut state = self.state();
            match event {
                Event::Started { id, status, .. } => {
                    let task = TaskRef::new(id.clone());
                    remember(&task);
                    state.task = Some(task);
                    if status.is_some() {
                        state.status.clone_from(status);
                    }
                    state.attempts = 1;
                    state.trouble = None;
                }
                Event::Status(status) => {
                    state.status = Some(status.clone());
                    state.trouble = None;
                }
                Event::Retrying { attempt, why, .. } => {
                    state.attempts = attempt + 1;
                    state.trouble = Some(why.clone());
                }
                _ => {}
            }
        }
        let task = self.task();
        if self.out.is_json() {
            self.out
                .line(&json::event(event, task.as_ref(), &self.clock));
        }
        let Some(line) = text::event(event, &self.clock, self.out.is_verbose()) else {
            return;
        };
        match event {
            // The id is the product: it is told whatever else is not.
            Event::Started { .. } => self.out.tell(&line),
            Event::Paused(_) => {
                self.say(&line);
                self.review();
            }
            _ => self.say(&line),
        }
    }

    /// Tells how a review is decided where a simulator plays the dashboard.
    fn review(&self) {
        if let (Some(url), Some(task)) = (&self.dashboard, self.task()) {
            let path = format!("{url}/_sim/dashboard/tasks/{}/approve", task.id());
            self.say(&format!("approve: curl -X POST {}", quote(&path)));
        }
    }

    /// Tells a line about the task.
    pub(crate) fn say(&self, line: &str) {
        self.state().spoke = Instant::now();
        match self.task() {
            Some(task) if self.named => self.out.say(&format!("{task}  {line}")),
            _ => self.out.say(line),
        }
    }

    /// Tells a question that is about to be answered here.
    pub(crate) fn question(&self, question: &Question) {
        self.say(&text::question(question));
    }

    /// The question as a program reads it.
    pub(crate) fn question_json(&self, question: &Question) -> serde_json::Value {
        json::question(question, self.task().as_ref())
    }

    /// Called now and then: turns the spinner, or says after a long silence that the watch goes on.
    pub(crate) fn tick(&self, waiting: Option<(Duration, Why)>) {
        let elapsed = span(self.clock.elapsed());
        let status: String = self.status().chars().take(40).collect();
        let next = waiting.map(|(left, _)| format!("  next look in {}", span(left)));
        if self
            .out
            .spin(&format!("{status}  {elapsed}{}", next.unwrap_or_default()))
        {
            return;
        }
        if self.state().spoke.elapsed() >= HEARTBEAT {
            self.say(&format!("still {status} ({elapsed})"));
        }
    }
}

/// The newest task of this process, for the last words of a panic.
static NEWEST: Mutex<Option<String>> = Mutex::new(None);

fn remember(task: &TaskRef) {
    *NEWEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.to_string());
}

/// The newest task that this process started.
pub(crate) fn newest() -> Option<String> {
    NEWEST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

pub(crate) use json::result as result_line;
pub(crate) use text::words;
