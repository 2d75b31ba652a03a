//! A task driven by hand, one report at a time.

use super::{Toy, World, at, show};
use http::StatusCode;
use taskward_core::{ExchangeId, Head, OriginBudget, Response, Step, Task, testing};

pub(crate) fn reply(text: &str) -> Response {
    Response::new(StatusCode::OK, text.to_owned())
}

/// Takes events and saves until something else has to be done, and returns the events.
pub(crate) fn settle<const KEYED: bool, const STREAM: bool>(
    task: &mut Task<Toy<KEYED, STREAM>>,
    now: u64,
    shared: &OriginBudget,
) -> Vec<String> {
    let (events, _) = testing::settle(task, at(now), shared);
    events.iter().map(|event| show(event)).collect()
}

/// What is to be done now.
pub(crate) fn step<const KEYED: bool, const STREAM: bool>(
    task: &mut Task<Toy<KEYED, STREAM>>,
    now: u64,
    shared: &OriginBudget,
) -> String {
    format!("{:?}", task.next_step(at(now), shared))
}

/// Sends the request that is planned now.
pub(crate) fn send<const KEYED: bool, const STREAM: bool>(
    task: &mut Task<Toy<KEYED, STREAM>>,
    now: u64,
    shared: &OriginBudget,
) -> ExchangeId {
    settle(task, now, shared);
    let (Step::Send { id, .. } | Step::Open { id, .. }) = task.next_step(at(now), shared) else {
        panic!("{}", step(task, now, shared));
    };
    task.sent(id);
    id
}

/// A task with an open stream, at 40 ms.
pub(crate) fn listening(shared: &OriginBudget) -> (Task<Toy<true, true>>, ExchangeId) {
    let mut task: Task<Toy<true, true>> = World::new(&[]).start();
    let start = send(&mut task, 0, shared);
    task.handle_response(start, reply("t1 running."), at(20));
    let stream = send(&mut task, 20, shared);
    task.handle_head(stream, Head::new(StatusCode::OK), at(40));
    settle(&mut task, 40, shared);
    (task, stream)
}
