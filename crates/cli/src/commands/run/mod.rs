//! `taskward run`: starts a task, follows it, prints its answer.

mod again;

use std::sync::Arc;

use taskward::Snapshot;

use crate::answers;
use crate::answers::{is_attended, not_here};
use crate::args::{Global, Run};
use crate::calls::Calls;
use crate::clock::{ago, span};
use crate::codes::Code;
use crate::command_line;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::files::{Files, Seen};
use crate::follow::{Followed, Following};
use crate::print::Destination;
use crate::registry::{ProviderName, on_platform};
use crate::report::{Reporter, result_line};
use crate::sent::StartKind;
use crate::server::At;
use crate::store::{self, TaskStore, Twin};
use crate::task_ref::TaskRef;
pub(crate) use again::Kept;

pub(super) async fn run(cx: &Cx, args: Run) -> CliResult<Exit> {
    // What is to be started again says whose it is.
    let kept = match &args.again {
        Some(task) => Some(again::find(cx, task)?),
        None => None,
    };
    let of_agent = || args.agent.as_deref().and_then(ProviderName::of_agent);
    let named = cx.global.named_provider().or_else(of_agent);
    let provider = kept.as_ref().map(Kept::provider).or(named);
    let provider = provider.unwrap_or(ProviderName::DEFAULT);
    if let Some(option) = alien(&args, provider) {
        return Err(not_here(option, provider));
    }
    let plan = Plan {
        how: Following::new(cx, &args.follow, provider, takes_stdin(&cx.global, &args)?)?,
        like: kept.as_ref().map(Kept::task),
    };
    if args.sim && args.detach {
        return Err(
            CliError::new(Code::Usage, "--sim and --detach do not go together")
                .why("The simulator ends with this command, and the task with it.")
                .next(
                    "instead",
                    "taskward sim",
                    "a simulator that stays, for another shell",
                ),
        );
    }
    on_platform!(provider, P => match kept {
        None => first::<P>(cx, &args, plan).await,
        Some(kept) => repeated::<P>(cx, &args, plan, &kept).await,
    })
}

/// A platform on which tasks are started.
pub(crate) trait Starts: Calls {
    /// Which of the options that not every platform has it takes.
    const OPTIONS: &[&str];

    /// What is to be done.
    type Work;

    /// Reads what is to be done; whatever is wrong with it is said before anything is sent.
    fn work(args: &Run) -> CliResult<Self::Work>;

    /// The files that it sends.
    fn files(_work: &Self::Work) -> Option<&Files> {
        None
    }

    /// Asks the server for the agent that is named, where it has to be asked.
    async fn agent(
        _connection: &Connection<Self>,
        _args: &Run,
        _work: &Self::Work,
    ) -> CliResult<Option<String>> {
        Ok(None)
    }

    /// The job, for the agent that the server knows, with what is told of it.
    fn ready(args: &Run, work: &Self::Work, agent: Option<String>) -> Start<Self::Job>;

    /// How the start of a task is spoken of that is started once more.
    fn again(args: &Run, kept: &Kept) -> CliResult<StartKind>;
}

/// What is about to be started.
pub(crate) struct Start<J> {
    pub(crate) job: J,
    pub(crate) kind: StartKind,
    /// The files that it sends.
    pub(crate) files: Vec<Seen>,
}

/// Starts a task, and follows it.
async fn first<P: Starts>(cx: &Cx, args: &Run, plan: Plan) -> CliResult<Exit> {
    let work = P::work(args)?;
    let mut connection: Connection<P> = open(cx, args, At::Agent(args.agent.as_deref())).await?;
    // A wait that the deadline would cut short is not begun.
    connection.limit = plan.how.deadlines.work();
    connection.banner();
    let agent = within(&connection, P::agent(&connection, args, &work)).await?;
    if let Some(files) = P::files(&work) {
        files.announce(&connection.out);
    }
    let start = P::ready(args, &work, agent);
    let run = connection.client.run(start.job);
    launch(&connection, run, start.kind, start.files, args, plan).await
}

/// Starts the same as a task that was started here, and follows it.
async fn repeated<P: Starts>(cx: &Cx, args: &Run, plan: Plan, kept: &Kept) -> CliResult<Exit> {
    let kind = P::again(args, kept)?;
    let connection: Connection<P> = open(cx, args, At::Kept(&kept.entry.snapshot)).await?;
    connection.owns(&kept.entry.snapshot)?;
    connection.banner();
    let run = connection.client.run_again(&kept.entry);
    let run = run.force_new(args.force_new);
    launch(&connection, run, kind, Vec::new(), args, plan).await
}

/// What is looked up before a start, as long as the agent may work.
async fn within<P: Calls, T>(
    connection: &Connection<P>,
    lookup: impl Future<Output = CliResult<T>>,
) -> CliResult<T> {
    let Some(work) = connection.limit else {
        return lookup.await;
    };
    let found = tokio::time::timeout(connection.clock.real(work), lookup).await;
    found.unwrap_or_else(|_| {
        let work = span(work);
        let what = format!("timed out after {work} (--timeout); nothing was started");
        Err(CliError::new(Code::Deadline, what)
            .plain()
            .why("The agent was still being searched for."))
    })
}

/// The first option that this provider does not have.
pub(super) fn alien(args: &Run, provider: ProviderName) -> Option<&'static str> {
    let options = on_platform!(provider, P => P::OPTIONS);
    let given = [
        (args.agent.is_some(), "--agent"),
        (!args.files.is_empty(), "-f"),
        (args.output_schema.is_some(), "--output-schema"),
        (args.instructions.is_some(), "--instructions"),
        (args.data.is_some(), "--data"),
        (args.input.is_some(), "--input"),
        (args.metadata.is_some(), "--metadata"),
        (args.workspace.is_some(), "--workspace"),
        (args.subject.is_some(), "--subject"),
        (args.idempotency_key.is_some(), "--idempotency-key"),
    ];
    let given = given.into_iter().filter(|(given, _)| *given);
    given
        .map(|(_, option)| option)
        .find(|option| !options.contains(option))
}

/// Whether something reads stdin, and no two things do.
fn takes_stdin(global: &Global, args: &Run) -> CliResult<bool> {
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
        _ => Err(CliError::new(
            Code::Usage,
            format!(
                "{} all read stdin, and it can be read once",
                taken.join(" and ")
            ),
        )),
    }
}

/// How the task is followed, checked before anything is sent.
struct Plan {
    how: Following,
    /// The task that was started like this before, when there is one.
    like: Option<TaskRef>,
}

/// Opens a connection that a task can be started over.
async fn open<P: Calls>(cx: &Cx, args: &Run, at: At<'_>) -> CliResult<Connection<P>> {
    if args.sim {
        return Connection::simulated(cx, args.follow.speed, args.agent.as_deref()).await;
    }
    let store = TaskStore::for_start(cx)?;
    Connection::journaled(cx, args.follow.speed, store, at).await
}

/// Starts it, and follows it unless it is to be left.
async fn launch<P: Calls>(
    connection: &Connection<P>,
    run: taskward::Run<P>,
    start_kind: StartKind,
    files: Vec<Seen>,
    args: &Run,
    plan: Plan,
) -> CliResult<Exit> {
    let reporter = Reporter::new(connection, None, false)
        .showing()
        .with_dashboard(connection.sim().map(|sim| sim.url()))
        .with_files(files);
    let run = match &start_kind {
        StartKind::Keyed(start) => run.idempotency_key(start.key.as_str()),
        _ => run,
    };
    let mut how = plan.how;
    how.deadlines = how.deadlines.after(connection.clock.elapsed());
    let watched = how.setup(run, start_kind, Arc::new(reporter));
    let followed = watched.begin(connection).await?;
    // Under a key of the caller's own a start is made once, however often it is sent.
    if !args.force_new && args.idempotency_key.is_none() {
        once(connection, &followed.running.snapshot()).await?;
    }
    if let Some(like) = &plan.like {
        followed.reporter.starting_like(like);
    }
    let ended = if args.detach {
        name(connection, followed, "starting").await
    } else {
        followed.finish(&how.to).await
    };
    if let Some(store) = &connection.store {
        store.prune();
    }
    ended
}

/// Waits until the task exists, and prints its name.
pub(super) async fn name<P: Calls>(
    connection: &Connection<P>,
    mut followed: Followed<'_, P>,
    unseen: &str,
) -> CliResult<Exit> {
    let out = &connection.out;
    let Some(task) = followed.until_known().await? else {
        // Nobody can read a direct answer again: it is printed.
        return followed.finish(&Destination::default()).await;
    };
    let told = if out.is_json() {
        let status = followed.reporter.known().status;
        let status = status.map_or_else(|| unseen.to_owned(), |status| status.to_string());
        out.line(result_line(&task, &status, serde_json::Map::new()));
        out.check()
    } else {
        out.print(&format!("{task}\n"))
    };
    told.map_err(|error| followed.end().unheard(error))?;
    Ok(Exit::Ok)
}

/// Asks for confirmation where the same was started before and its outcome is unknown.
async fn once<P: Calls>(connection: &Connection<P>, start: &Snapshot) -> CliResult<()> {
    let Some(store) = &connection.store else {
        return Ok(());
    };
    let Some(twin) = store.twin(start)? else {
        return Ok(());
    };
    let (intent, question, what, why) = match twin {
        Twin::Open(open) => {
            let (intent, ago) = (open.id, ago(open.at));
            let question = format!(
                "the same was started {ago} (intent {intent}), and it is unknown whether that created a task; start another one?"
            );
            let what = format!(
                "the same was started {ago}, and it is unknown whether that created a task"
            );
            (intent, question, what, None)
        }
        Twin::Unreadable(intent, damage) => {
            let what =
                "a journal entry of this machine cannot be read, and it may be of the same start"
                    .to_owned();
            let question = format!("{what} ({damage}); start it anyway?");
            (intent, question, what, Some(format!("{damage}.")))
        }
    };
    if is_attended(&connection.cx.global)? && answers::sure(&connection.out, &question).await {
        return Ok(());
    }
    let error = CliError::new(Code::OutcomeUnknown, what);
    let error = match why {
        Some(why) => error
            .why(why)
            .next("forget", store::forget(&intent), store::NO_LONGER_OPEN),
        None => error.next(
            "see",
            connection.command(&format!("recover {intent}")),
            "finds out",
        ),
    };
    Err(error
        .why("Nothing was sent now.")
        .next(
            "or",
            command_line::with("run", "--force-new"),
            "starts another one, which may be billed twice",
        )
        .intent(Some(intent.to_string())))
}
