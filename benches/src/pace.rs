//! How many polls a task costs, and how late its end is seen, beside the loop that the platform's own SDK has.
//!
//! Tasks of three kinds run in virtual time, each ended by a real [`Task`]'s polls: durations lognormal around 20 s and around
//! 240 s, and a mix of short (5 s) and long (300 s) ones. The durations are quantiles, so that no luck is in the table. `R` is the
//! polls until the one that sees the end (the start is not counted, a round trip takes no time), `D` the mean time from
//! the end to that poll.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use taskward_core::http::{Method, StatusCode};
use taskward_core::{
    BuildError, Capabilities, CreatedTask, IdempotencyKey, OriginBudget, Policy, PollResult,
    Provider, ProviderDefaults, ReadError, ReadKind, Request, Response, Seed, Started, Status,
    Step, Target, Task, TaskId, Timestamp, WriteRequest,
};

use crate::nothing::Nothing;

/// Tasks of each kind.
const TASKS: u32 = 20_000;

/// Reads the time left from the reply: none, or milliseconds; `0` is the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Timed;

impl Provider for Timed {
    type Job = Nothing;
    type Output = Nothing;

    const NAME: &'static str = "timed";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new("KEY", "URL", "http://127.0.0.1", "");
    const CAPABILITIES: Capabilities = Capabilities::LEAST;

    fn start(&self, _job: &Nothing, _key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        Ok(Request::empty(Method::POST, Target::new("/start").build()?))
    }

    fn read_start(&self, _reply: &Response) -> Result<Started<Nothing>, ReadError> {
        Ok(CreatedTask::new(TaskId::new("t"), None).into())
    }

    fn read_request(&self, _id: &TaskId, _read: &ReadKind) -> Result<Request, BuildError> {
        Ok(Request::get(Target::new("/tasks/t").build()?))
    }

    fn read(
        &self,
        _id: &TaskId,
        _read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Nothing>, ReadError> {
        let left = std::str::from_utf8(&reply.body).unwrap_or_default();
        let left = left.parse().ok().map(Duration::from_millis);
        if left == Some(Duration::ZERO) {
            return Ok(PollResult::Succeeded(Status::known("done"), Nothing));
        }
        let mut status = Status::known("running");
        status.time_left = left;
        Ok(PollResult::Pending(status))
    }

    fn write_request(&self, _id: &TaskId, _act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        Err(BuildError::new("nothing is written here"))
    }
}

/// What one way of polling costs on one kind of tasks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Polls of a task.
    pub requests: f64,
    /// The mean time from a task's end to the poll that sees it, in seconds.
    pub delay: f64,
    /// The time that nineteen of twenty ends are seen within, in seconds.
    pub p95: f64,
}

impl Pace {
    fn of(mut seen: Vec<(u32, f64)>) -> Self {
        let count = seen.len() as f64;
        let requests = seen
            .iter()
            .map(|(requests, _)| f64::from(*requests))
            .sum::<f64>()
            / count;
        let delay = seen.iter().map(|(_, delay)| delay).sum::<f64>() / count;
        seen.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let p95 = seen[seen.len() * 95 / 100].1;
        Self {
            requests,
            delay,
            p95,
        }
    }
}

/// Returns the durations of a kind of tasks in seconds: `A`, `B`, `C`, or all of them, `P`.
fn durations(kind: char) -> Vec<f64> {
    let lognormal = |count: u32, median: f64, sigma: f64| {
        (0..count).map(move |one| {
            let quantile = (f64::from(one) + 0.5) / f64::from(count);
            median * (sigma * probit(quantile)).exp()
        })
    };
    match kind {
        'A' => lognormal(TASKS, 20.0, 1.0).collect(),
        'B' => lognormal(TASKS, 240.0, 0.8).collect(),
        'C' => lognormal(TASKS * 6 / 10, 5.0, 0.5)
            .chain(lognormal(TASKS * 4 / 10, 300.0, 0.5))
            .collect(),
        _ => "ABC".chars().flat_map(durations).collect(),
    }
}

/// Returns the quantile of the standard normal distribution, by bisection of its distribution function.
fn probit(quantile: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal(middle) < quantile {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The standard normal distribution function (Abramowitz and Stegun, 26.2.17: seven digits).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Returns what the loop of the platform's SDK costs: 1 s, half as long again each time, up to 10 s.
#[must_use]
pub fn vendor(kind: char) -> Pace {
    let seen = durations(kind).into_iter().map(|over| {
        let (mut at, mut wait, mut requests) = (0.0, 1.0, 0);
        while at < over {
            at += wait;
            wait = f64::min(wait * 1.5, 10.0);
            requests += 1;
        }
        (requests, at - over)
    });
    Pace::of(seen.collect())
}

/// Returns what our tasks cost; with `eta` the server says how long a task will work still, and errs by so much.
#[must_use]
pub fn ours(kind: char, eta: Option<f64>) -> Pace {
    let seen = durations(kind).into_iter().zip(0_u64..);
    Pace::of(
        seen.map(|(over, number)| follow(over, number, eta))
            .collect(),
    )
}

fn follow(over: f64, number: u64, eta: Option<f64>) -> (u32, f64) {
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let over = now.after(Duration::from_secs_f64(over));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let mut task = Task::start(Timed, &Nothing, Policy::default(), Seed(seed), now)
        .expect("the request is built");
    let budget = OriginBudget::new();
    let (mut requests, mut draw) = (0, number);
    loop {
        match task.next_step(now, &budget) {
            Step::Send { id, request, .. } => {
                let is_poll = request.method() == "GET";
                let left = over.since(now);
                let body = match eta {
                    _ if !is_poll => String::new(),
                    _ if left.is_zero() => "0".to_owned(),
                    Some(sigma) => {
                        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let quantile = ((draw >> 33) as f64 + 0.5) / f64::from(1_u32 << 31);
                        let told = left.mul_f64((sigma * probit(quantile)).exp());
                        told.as_millis().max(1).to_string()
                    }
                    None => String::new(),
                };
                requests += u32::from(is_poll);
                task.sent(id);
                let reply = Response::new(StatusCode::OK, body);
                task.handle_response(id, reply, now);
            }
            Step::Wait { until, .. } => now = until,
            Step::Event { no, .. } => task.taken(no),
            Step::Save { revision } => task.saved(revision),
            Step::Done => return (requests, now.since(over).as_secs_f64()),
            step => unreachable!("a task that only works asks for nothing else: {step:?}"),
        }
    }
}
