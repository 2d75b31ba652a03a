//! `taskward watch`: follows tasks that exist, all at once.

use std::sync::Arc;

use crate::answers::Asker;
use crate::args::{Global, Watch};
use crate::ends::Began;
use crate::exit::Exit;
use crate::follow::{Deadlines, Watched};
use crate::out::Out;
use crate::print::Destination;
use crate::problem::Problem;
use crate::report::Reporter;
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn watch(
    out: Arc<Out>,
    global: &Global,
    args: Watch,
) -> Result<Exit, Box<Problem>> {
    if args.follow.output.is_some() && args.tasks.len() > 1 {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "-o takes the answer of one task, and several are watched",
        ));
    }
    let deadlines = Deadlines::of(&args.follow)?;
    let to = Destination::new(args.follow.output.clone(), args.follow.print)?;
    let asker = Arc::new(Asker::new(
        out.clone(),
        global,
        &args.follow,
        global.key_stdin,
    )?);
    let session = Session::open(out.clone(), global, args.follow.speed)?;
    session.banner();
    let one = async |task: &TaskRef| {
        let several = args.tasks.len() > 1;
        let reporter = Arc::new(Reporter::new(
            out.clone(),
            session.clock,
            Some(task.clone()),
            several,
        ));
        reporter.watching();
        let run = session.client.attach(task.id().clone());
        let watched = Watched::new(run, Began::Watch, reporter, deadlines.policy())
            .answered_by(asker.clone())
            .leaving_reviews(args.follow.no_wait_review);
        watched.begin(&session).await?.finish(&to).await
    };
    if let [task] = args.tasks.as_slice() {
        return one(task).await;
    }
    let ends = futures_util::future::join_all(args.tasks.iter().map(|task| async {
        let end = one(task).await;
        if let Err(problem) = &end {
            out.problem(problem);
        }
        end.unwrap_or_else(|problem| problem.exit())
    }))
    .await;
    // Each end was told by itself; the first that is not a success names the whole.
    Ok(ends
        .into_iter()
        .find(|exit| *exit != Exit::Ok)
        .unwrap_or(Exit::Ok))
}
