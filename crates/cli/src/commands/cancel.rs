//! `taskward cancel`: asks the server to stop a task and tells how it really ended.

use std::io::{self, BufRead as _};
use std::sync::Arc;

use serde_json::Map;
use taskward::nanonets::Nanonets;
use taskward::{End, Event, Outcome};

use crate::answers::is_attended;
use crate::args::{self, Cancel, Global, ProviderName};
use crate::ends::{self, Began};
use crate::exit::Exit;
use crate::follow::{Deadlines, Watched};
use crate::out::Out;
use crate::problem::Problem;
use crate::report::{Reporter, result_line};
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn cancel(
    out: Arc<Out>,
    global: &Global,
    args: Cancel,
) -> Result<Exit, Box<Problem>> {
    let (provider, task) = global.task(&args.task)?;
    if provider != ProviderName::Nanonets {
        let what = format!("cancelling is not part of the API of {}", provider.title());
        return Err(Problem::new(Exit::Usage, "unsupported", what)
            .why("Its documentation names no such call. Nothing was sent.")
            .next(
                "if you know one",
                format!("taskward api METHOD PATH --provider {provider}"),
                "makes any call",
            )
            .task(Some(task)));
    }
    let deadlines = Deadlines::both(args::timeout(args.timeout)?);
    if !args.yes {
        confirm(&out, global, &task)?;
    }
    let session: Session<Nanonets> = Session::open(out.clone(), global, args.speed)?;
    session.banner();
    let reporter = Arc::new(Reporter::new(&session, Some(task.clone()), false));
    reporter.watching();
    // Only the end counts: neither the steps of a stopped task nor the answer of a completed one are waited for.
    let mut policy = deadlines.policy();
    policy.trail = false;
    policy.result_patience = std::time::Duration::ZERO;
    let run = session.client.attach(task.id().clone());
    let watched = Watched::new(run, Began::Watch, reporter, policy);
    let mut followed = watched.begin(&session).await?;
    followed
        .running
        .cancel()
        .map_err(|error| session.problem(&error))?;
    while let Some(event) = followed.event().await? {
        if let Event::CancelRefused(why) = event {
            return Err(
                Problem::new(Exit::Other, "refused", "the server did not cancel the task")
                    .why(why)
                    .task(Some(task)),
            );
        }
    }
    out.still();
    let end = followed
        .running
        .wait()
        .await
        .map_err(|error| session.problem(&error))?;
    let outcome = match end {
        End::Done(outcome) => outcome,
        End::Left(left) => return Err(ends::left(&session, &followed.reporter, &left)),
    };
    let (status, exit) = match &outcome {
        Outcome::Succeeded { .. } | Outcome::ResultUnavailable { .. } => ("completed", Exit::Ok),
        Outcome::Failed { .. } => ("failed", Exit::TaskBad),
        Outcome::Stopped { .. } => ("stopped", Exit::Ok),
        _ => {
            let problem = ends::outcome(&session, &Began::Watch, &followed.reporter, outcome)
                .expect_err("every success is named above");
            return Err(problem.task(Some(task)));
        }
    };
    if out.is_json() {
        let mut line = result_line(&task, status, Map::new());
        line["exit"] = exit.code().into();
        out.line(&line);
    } else {
        if status != "stopped" {
            out.say("the task had ended before it could be stopped");
        }
        out.print(&format!("{status}\n"))?;
    }
    Ok(exit)
}

/// Asks a person; a script says `--yes`.
fn confirm(out: &Out, global: &Global, task: &TaskRef) -> Result<(), Box<Problem>> {
    if !is_attended(global)? {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "cancelling cannot be undone, and there is no terminal to ask on",
        )
        .why("Nothing was sent.")
        .next(
            "do it",
            format!("taskward cancel {} --yes", task.quoted()),
            "",
        )
        .task(Some(task.clone())));
    }
    let _hold = out.hold();
    out.prompt(&format!(
        "stop {task}? What it has done so far is lost [y/N] "
    ));
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if line.ends_with('\n') {
        out.typed();
    }
    match (read, line.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(
            Problem::new(Exit::Usage, "declined", "not cancelled; the task goes on")
                .headed("kept")
                .task(Some(task.clone())),
        ),
    }
}
