//! `taskward result`: the answer of a task that is over, or its whole feed.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::core::{BuildError, Look, Operation, ReadError, Reading, Request, Response};
use taskward::nanonets::operations::GetTaskResult;
use taskward::nanonets::{Answer, Nanonets};
use taskward::{Fault, Provider as _, TaskId};

use super::status::exit_of;
use crate::args::{Global, ResultOf};
use crate::exit::Exit;
use crate::out::Out;
use crate::print::Destination;
use crate::problem::Problem;
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn result(
    out: Arc<Out>,
    global: &Global,
    args: ResultOf,
) -> Result<Exit, Box<Problem>> {
    let to = Destination::new(args.output, args.print)?;
    let session = Session::open(out, global, None)?;
    let done = if args.full {
        full(&session, &args.task).await
    } else {
        answer(&session, &args.task, &to).await
    };
    done.map_err(|problem| problem.task(Some(args.task)))
}

async fn answer(session: &Session, task: &TaskRef, to: &Destination) -> Result<Exit, Box<Problem>> {
    let look = |look| Read {
        id: task.id().clone(),
        look,
    };
    let status = match session.call(look(Look::Result)).await? {
        Reading::Ready(answer) => return to.deliver(session, task, &answer),
        Reading::Pending(status) => status,
        _ => {
            return Err(Problem::new(
                Exit::Other,
                "decode",
                "the summary reads like no summary",
            ));
        }
    };
    let trail = session.command(&format!("result {} --full", task.quoted()));
    let bad = |what: &str, code| {
        Problem::new(Exit::TaskBad, code, what).next("see", trail.clone(), "every step")
    };
    match status.as_str() {
        "failed" => {
            let problem = bad("the task failed", "task_failed");
            return Err(match session.call(look(Look::Trail)).await {
                Ok(Reading::Failed(Fault {
                    message: Some(message),
                    ..
                })) => problem.why(message),
                _ => problem,
            });
        }
        // What was said last is not why it was stopped.
        "stopped" => return Err(bad("the task was stopped", "task_stopped")),
        _ => {}
    }
    Err(Problem::new(
        Exit::Pending,
        "waiting",
        format!("the task is not over: it is {status}"),
    )
    .headed("pending")
    .next(
        "follow",
        session.command(&format!("watch {}", task.quoted())),
        "",
    ))
}

async fn full(session: &Session, task: &TaskRef) -> Result<Exit, Box<Problem>> {
    let result = session.call(GetTaskResult::new(task.id().as_str())).await?;
    let exit = exit_of(&result.status);
    let feed = Value::Array(result.feed.unwrap_or_default());
    if session.out.is_json() {
        session.out.line(&json!({
            "v": 1,
            "type": "feed",
            "exit": exit.code(),
            "task": task.to_string(),
            "task_id": task.id().as_str(),
            "status": result.status.as_str(),
            "feed": feed,
        }));
    } else {
        session.out.print_json(&feed)?;
    }
    Ok(exit)
}

/// One look at a task, as the provider reads it.
#[derive(Clone)]
struct Read {
    id: TaskId,
    look: Look,
}

impl Operation for Read {
    type Output = Reading<Answer>;
    const NAME: &'static str = "look";

    fn request(&self) -> Result<Request, BuildError> {
        Nanonets.look(&self.id, &self.look)
    }

    fn read(&self, reply: &Response) -> Result<Reading<Answer>, ReadError> {
        Nanonets.read(&self.look, reply)
    }
}
