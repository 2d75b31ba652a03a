//! A fleet in virtual time: what a followed task takes and a poll costs, and how late its turn comes, with ten thousand tasks and
//! with a million.
//!
//! Every exchange takes 20 ms and 64 are under way at once, so that the server answers 3,200 a second: ten thousand tasks
//! keep their schedule, a million wait for their turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskward_core::bytes::Bytes;
use taskward_core::http::StatusCode;
use taskward_core::{
    ExchangeFailure, ExchangeId, Fleet, FleetStep, MemberId, OriginBudget, Policy, Response, Seed,
    Task, TaskId, Timestamp,
};
use taskward_providers::nanonets::Nanonets;

use crate::alloc;
use crate::decode::TASK_JSON;

/// How long an exchange takes, and how many are under way at once.
const LATENCY: Duration = Duration::from_millis(20);
const AT_ONCE: usize = 64;
/// Polls of each task before anything is measured, and while it is.
const WARM_UP: u64 = 4;
const MEASURED: u64 = 3;

/// Returns a status reply that names no task, and so may be of any; it allocates nothing.
fn reply(body: &Bytes) -> Response {
    Response::new(StatusCode::OK, body.clone())
}

/// What a fleet of so many tasks costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// How many tasks.
    pub tasks: u64,
    /// Bytes of the heap for each task, all that the fleet has for it included.
    pub bytes: f64,
    /// Nanoseconds for a poll: its decision, its reply, and the next wait.
    pub nanoseconds: f64,
    /// Allocations for a poll.
    pub allocations: f64,
    /// The longest time that a task was due before its turn came, and what is promised.
    pub worst: Duration,
    /// What that time is promised not to exceed.
    pub bound: Duration,
}

/// Follows so many tasks. The bytes are right only in a process whose allocator is [`Counting`](alloc::Counting).
#[must_use]
pub fn follow(tasks: u64) -> Cost {
    let mut world = World::new();
    let policy = Arc::new(Policy::default());
    let before = alloc::live();
    for key in 0..tasks {
        let id = TaskId::new(
            format!("8c1e0a4e-5c0b-4f6e-9d1a-{key:012}")
                .into_boxed_str()
                .into_string(),
        );
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&key.to_le_bytes());
        let task = Task::attach(Nanonets, id, None, policy.clone(), Seed(seed), world.now);
        world.fleet.add(key, task, world.now).expect("a new task");
    }
    world.poll(WARM_UP * tasks);
    let bytes = (alloc::live() - before) as f64 / tasks as f64;
    let (allocated, begun) = (alloc::count(), Instant::now());
    world.poll(MEASURED * tasks);
    let polls = (MEASURED * tasks) as f64;
    let bound = LATENCY.mul_f64(2.0 * tasks as f64 / AT_ONCE as f64);
    Cost {
        tasks,
        bytes,
        nanoseconds: begun.elapsed().as_nanos() as f64 / polls,
        allocations: (alloc::count() - allocated) as f64 / polls,
        worst: world.fleet.worst_lateness(),
        bound: bound + LATENCY,
    }
}

struct World {
    fleet: Fleet<u64, Nanonets>,
    budget: OriginBudget,
    now: Timestamp,
    body: Bytes,
    underway: VecDeque<(Timestamp, MemberId, ExchangeId)>,
}

impl World {
    fn new() -> Self {
        Self {
            fleet: Fleet::new(AT_ONCE),
            budget: OriginBudget::new(),
            now: Timestamp::from_millis(1_700_000_000_000),
            body: TASK_JSON
                .replacen(
                    r#""task_id":"8c1e0a4e-5c0b-4f6e-9d1a-000000000001","#,
                    "",
                    1,
                )
                .into(),
            underway: VecDeque::with_capacity(AT_ONCE),
        }
    }

    /// Makes so many polls.
    fn poll(&mut self, polls: u64) {
        let mut left = polls;
        while left > 0 {
            match self.fleet.next_step(self.now, &self.budget) {
                FleetStep::Send { member, id, .. } => {
                    self.fleet.sent(member, id);
                    let over = self.now.after(LATENCY);
                    self.underway.push_back((over, member, id));
                    left -= 1;
                }
                FleetStep::Wait { until } => {
                    let first = self.underway.front().map_or(until, |(over, ..)| *over);
                    self.now = until.min(first);
                    while let Some((over, member, id)) = self.underway.front().copied()
                        && over <= self.now
                    {
                        self.underway.pop_front();
                        let reply = reply(&self.body);
                        self.fleet.handle_response(member, id, reply, self.now);
                    }
                }
                // Every poll is made and measured.
                FleetStep::List { id, .. } => {
                    let failure = ExchangeFailure::abandoned();
                    self.fleet.handle_list(id, Err(failure), self.now);
                }
                FleetStep::Event { member, no, .. } => self.fleet.taken(member, no),
                FleetStep::Save { member, revision } => self.fleet.saved(member, revision),
                FleetStep::Done { member } => unreachable!("{member:?} works for ever"),
            }
        }
    }
}
