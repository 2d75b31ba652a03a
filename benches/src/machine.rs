//! One poll decision: a status reply is taken in, the next wait is decided, and when it is over the next request.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};
use serde::{Deserialize, Serialize};
use taskward_core::{
    BuildError, Capabilities, CreatedTask, IdempotencyKey, OriginBudget, Policy, PollResult,
    Provider, ProviderDefaults, ReadError, ReadKind, Request, Response, Seed, Started, Status,
    Step, Target, Task, TaskId, Timestamp, WriteRequest,
};
use taskward_providers::nanonets::Nanonets;

use crate::alloc;
use crate::contender::{Contender, at_most, reported};
use crate::decode::reply;
use crate::nothing::Nothing;

/// A provider that reads nothing: what is left is the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trivial;

impl Provider for Trivial {
    type Job = Nothing;
    type Output = Nothing;

    const NAME: &'static str = "trivial";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new("KEY", "URL", "http://127.0.0.1", "");
    const CAPABILITIES: Capabilities = Capabilities::LEAST;

    fn start(&self, _job: &Nothing, _key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        Err(BuildError::new("nothing is started here"))
    }

    fn read_start(&self, _reply: &Response) -> Result<Started<Nothing>, ReadError> {
        Ok(CreatedTask::new(TaskId::new("t"), None).into())
    }

    fn read_request(&self, id: &TaskId, _read: &ReadKind) -> Result<Request, BuildError> {
        Ok(Request::get(
            Target::new("/tasks").segment(id.as_str())?.build()?,
        ))
    }

    fn read(
        &self,
        _id: &TaskId,
        _read: &ReadKind,
        _reply: &Response,
    ) -> Result<PollResult<Nothing>, ReadError> {
        Ok(PollResult::Pending(Status::known("running")))
    }

    fn write_request(&self, _id: &TaskId, _act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        Err(BuildError::new("nothing is written here"))
    }
}

/// A watched task and its driver's side of one poll.
struct Watch<P: Provider> {
    task: Task<P>,
    shared: OriginBudget,
    now: Timestamp,
}

impl<P: Provider> Watch<P> {
    fn new(provider: P) -> Self {
        Self::under(provider, Arc::default())
    }

    fn under(provider: P, policy: Arc<Policy>) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let id = TaskId::new("8c1e0a4e-5c0b-4f6e-9d1a-000000000001");
        let task = Task::attach(provider, id, None, policy, Seed([7; 32]), now);
        let mut watch = Self {
            task,
            shared: OriginBudget::new(),
            now,
        };
        // The first sight of the status is told; from then on nothing changes.
        watch.poll_once();
        watch
    }

    /// Waits (by moving time), sends, and takes the reply in: two calls of `poll`, `sent` and `handle_response`.
    fn poll_once(&mut self) {
        loop {
            match self.task.next_step(self.now, &self.shared) {
                Step::Send { id, request, .. } => {
                    black_box(request);
                    self.task.sent(id);
                    self.task.handle_response(id, reply(), self.now);
                }
                Step::Wait { until, .. } => {
                    self.now = until;
                    return;
                }
                Step::Event { no, .. } => self.task.taken(no),
                Step::Save { revision } => self.task.saved(revision),
                step => unreachable!("a running task asks for nothing else: {step:?}"),
            }
        }
    }
}

/// Returns the decision alone.
fn decision() -> Box<dyn FnMut()> {
    let mut watch = Watch::new(Trivial);
    Box::new(move || watch.poll_once())
}

/// Returns a question asked too early: nothing is in, nothing is due.
fn waiting() -> Box<dyn FnMut()> {
    let mut watch = Watch::new(Trivial);
    let early = Timestamp::from_millis(watch.now.as_millis() - 1);
    Box::new(move || {
        let step = watch.task.next_step(early, &watch.shared);
        assert!(matches!(black_box(step), Step::Wait { .. }));
    })
}

/// Returns the decision and the read of a 203-byte reply.
fn decision_and_decode() -> Box<dyn FnMut()> {
    let mut watch = Watch::new(Nanonets);
    Box::new(move || watch.poll_once())
}

fn schedule() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_factor(1.5)
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
}

/// Returns a peer: the next wait, from an iterator. No deadline, no hint of the server, no state of the task.
fn backon_next_wait() -> Box<dyn FnMut()> {
    let mut waits = schedule().build();
    Box::new(move || {
        black_box(waits.next());
    })
}

/// Turns of one retry loop; what setting it up costs is spread over them.
const TURNS: u32 = 1_000;

/// Returns a peer: one turn of its retry loop around an operation that is ready at once, with a sleep that is, too.
fn backon_retry() -> Box<dyn FnMut()> {
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        if turn < TURNS {
            return;
        }
        turn = 0;
        let mut left = TURNS;
        let operation = move || {
            left -= 1;
            ready(if black_box(left) == 0 {
                Ok(())
            } else {
                Err(())
            })
        };
        let sleep = |wait: Duration| -> Ready<()> {
            black_box(wait);
            ready(())
        };
        let run = pin!(operation.retry(schedule()).sleep(sleep));
        let done = run.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(done, Poll::Ready(Ok(()))));
    })
}

/// Returns the bytes of a task that waits for its next poll, when so many wait under one policy.
#[must_use]
pub fn held(tasks: u64) -> u64 {
    let policy = Arc::<Policy>::default();
    let before = alloc::live();
    let waiting = || Watch::under(Nanonets, policy.clone()).task;
    let waiting: Vec<_> = (0..tasks).map(|_| Box::new(waiting())).collect();
    let list = size_of_val(&*waiting) as u64;
    (alloc::live() - before - list) / tasks
}

/// Returns the contenders of this bench.
pub(crate) fn contenders() -> Vec<Contender> {
    let one = |name, target, prepare| Contender::new("machine", name, target, prepare);
    vec![
        one("waiting", at_most(300, 0), waiting),
        one("decision", reported(0), decision),
        one("decision-and-decode", reported(0), decision_and_decode),
        one("backon-next-wait", None, backon_next_wait),
        one("backon-retry", None, backon_retry),
    ]
}
