//! `taskward run`: starts a task, follows it, prints its answer.

mod harness;
mod nanonets;

use std::sync::Arc;

use taskward::Run as Start;

use crate::answers::{Asker, not_here};
use crate::args::{Global, ProviderName, Run};
use crate::ends::{self, Began};
use crate::exit::Exit;
use crate::files::Seen;
use crate::follow::{Deadlines, Watched};
use crate::out::Out;
use crate::platform::Platform;
use crate::print::Destination;
use crate::problem::Problem;
use crate::report::{Reporter, result_line};
use crate::session::Session;

pub(super) async fn run(out: Arc<Out>, global: &Global, args: Run) -> Result<Exit, Box<Problem>> {
    let provider = global.provider();
    if let Some(option) = alien(&args, provider) {
        return Err(not_here(option, provider));
    }
    let plan = Plan {
        deadlines: Deadlines::of(&args.follow)?,
        to: Destination::new(args.follow.output.clone(), args.follow.print)?,
        asker: Asker::new(
            out.clone(),
            global,
            &args.follow,
            provider,
            takes_stdin(global, &args)?,
        )?,
        files: Vec::new(),
    };
    if args.sim && args.detach {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "--sim and --detach do not go together",
        )
        .why("The simulator ends with this command, and the task with it.")
        .next(
            "instead",
            "taskward sim",
            "a simulator that stays, for another shell",
        ));
    }
    match provider {
        ProviderName::Nanonets => nanonets::run(out, global, &args, plan).await,
        ProviderName::AgentHarness => harness::run(out, global, &args, plan).await,
    }
}

/// The first option that this provider does not have.
fn alien(args: &Run, provider: ProviderName) -> Option<&'static str> {
    let nanonets = [
        (args.agent.is_some(), "--agent"),
        (!args.files.is_empty(), "-f"),
        (args.output_schema.is_some(), "--output-schema"),
        (args.instructions.is_some(), "--instructions"),
    ];
    let harness = [
        (args.input.is_some(), "--input"),
        (args.metadata.is_some(), "--metadata"),
        (args.workspace.is_some(), "--workspace"),
        (args.subject.is_some(), "--subject"),
        (args.idempotency_key.is_some(), "--idempotency-key"),
    ];
    let alien = match provider {
        ProviderName::Nanonets => harness.as_slice(),
        ProviderName::AgentHarness => nanonets.as_slice(),
    };
    alien
        .iter()
        .find(|(given, _)| *given)
        .map(|(_, option)| *option)
}

/// Whether something reads stdin, and no two things do.
fn takes_stdin(global: &Global, args: &Run) -> Result<bool, Box<Problem>> {
    let readers = [
        (global.key_stdin, "--key-stdin"),
        (args.prompt.as_deref() == Some("-"), "the prompt -"),
        (
            args.files
                .iter()
                .any(|file| file == "-" || file.to_string_lossy().starts_with("-;")),
            "-f -",
        ),
    ];
    let taken: Vec<&str> = readers
        .iter()
        .filter(|(taken, _)| *taken)
        .map(|(_, name)| *name)
        .collect();
    match taken.as_slice() {
        [] => Ok(false),
        [_] => Ok(true),
        _ => Err(Problem::new(
            Exit::Usage,
            "usage",
            format!(
                "{} all read stdin, and it can be read once",
                taken.join(" and ")
            ),
        )),
    }
}

/// How the task is followed, checked before anything is sent.
struct Plan {
    deadlines: Deadlines,
    to: Destination,
    asker: Asker,
    files: Vec<Seen>,
}

fn open<P: Platform>(
    out: Arc<Out>,
    global: &Global,
    args: &Run,
) -> Result<Session<P>, Box<Problem>> {
    if args.sim {
        Session::simulated(out, args.follow.speed)
    } else {
        Session::open(out, global, args.follow.speed)
    }
}

/// Starts it, and follows it unless it is to be left.
async fn launch<P: Platform>(
    session: &Session<P>,
    start: Start<P>,
    began: Began,
    args: &Run,
    plan: Plan,
) -> Result<Exit, Box<Problem>> {
    let out = &session.out;
    let reporter = Reporter::new(session, None, false)
        .with_dashboard(session.sim().map(|sim| sim.url()))
        .with_files(plan.files);
    let deadlines = plan.deadlines.after(session.clock.elapsed());
    let watched = Watched::new(start, began, Arc::new(reporter), deadlines.policy())
        .answered_by(Arc::new(plan.asker))
        .leaving_reviews(args.follow.no_wait_review);
    let mut followed = watched.begin(session).await?;
    if !args.detach {
        return followed.finish(&plan.to).await;
    }
    let task = followed.until_known().await?;
    let told = if out.is_json() {
        let status = followed.reporter.status();
        out.line(&result_line(&task, &status, serde_json::Map::new()));
        out.check()
    } else {
        out.print(&format!("{task}\n"))
    };
    told.map_err(|problem| ends::unheard(session, problem, &Some(task)))?;
    Ok(Exit::Ok)
}
