//! `taskward batch`: many jobs, each with a key, so many at once. Run again, it goes on.

mod jobs;
mod left;
mod outcomes;
mod results;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taskward::Run;
use taskward::client::{Batch as Runs, BatchResult};
use taskward::core::{IntentId, Journal as _};

use crate::args::{Batch, Run as RunArgs};
use crate::clock::span;
use crate::codes::Code;
use crate::command_line;
use crate::commands::run::Starts;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::follow::{Following, LAST_CHANCE};
use crate::registry::{ProviderName, on_platform};
use crate::report::Reporter;
use crate::sent::StartKind;
use crate::server::At;
use crate::store::TaskStore;
use crate::task_ref::TaskRef;
use jobs::Job;
use outcomes::{JobEnd, Outcomes};
use results::{Ended, Results};

/// How often it is told how far a batch is, where no bar is drawn.
const HEARTBEAT: Duration = Duration::from_secs(60);

pub(super) async fn batch(cx: &Cx, args: Batch) -> CliResult<Exit> {
    let jobs = jobs::read(&args)?;
    let named = cx.global.named_provider();
    let provider = named.or_else(|| jobs::provider_of(&jobs));
    let provider = provider.unwrap_or(ProviderName::DEFAULT);
    on_platform!(provider, P => all::<P>(cx, &args, jobs).await)
}

/// Runs all jobs that have no result yet.
async fn all<P: Starts>(cx: &Cx, args: &Batch, jobs: Vec<Job>) -> CliResult<Exit> {
    let setup = setup::<P>(cx, args, &jobs)?;
    let (results, ended) = match &args.output {
        Some(path) => {
            let (results, ended) = Results::open(path, &args.file, &cx.out)?;
            (Some(results), ended)
        }
        None => (None, Ended::new()),
    };
    let total = jobs.len();
    let known = jobs.iter().filter_map(|job| ended.get(&job.key).copied());
    let mut outcomes = Outcomes::new(total, known.collect());
    let todo: VecDeque<Job> = jobs
        .into_iter()
        .filter(|job| !ended.contains_key(&job.key))
        .collect();
    let Some(first) = todo.front() else {
        cx.out.say("every job has a result: nothing is started");
        return outcomes.finish(cx, results.as_ref(), None);
    };
    let store = TaskStore::for_start(cx)?;
    let at = At::Agent(first.args.agent.as_deref());
    let connection: Connection<P> = Connection::journaled(cx, args.speed, store, at).await?;
    connection.banner();
    let agents = agents(&connection, &todo).await?;
    if todo.len() < total {
        let done = total - todo.len();
        cx.out
            .say(&format!("{done} of {total} jobs have a result already"));
    }
    let connection = Arc::new(connection);
    let begun = Begun::default();
    let runs = runs(connection.clone(), setup, agents, todo, begun.clone());
    let mut driver = Driver {
        runs: connection.client.run_all(runs, args.limit),
        connection: &connection,
        begun,
        outcomes: &mut outcomes,
        results,
        halted: None,
        since: Instant::now(),
        told: Instant::now(),
    };
    driver.drive().await;
    let Driver {
        results,
        halted,
        begun,
        ..
    } = driver;
    cx.out.still();
    outcomes.detach(&connection, begun.take_all());
    left::tell(&connection, &outcomes, halted.is_some()).await;
    if let Some(store) = &connection.store {
        store.prune();
    }
    outcomes.finish(cx, results.as_ref(), halted)
}

/// Returns how each job is followed, if all of them can be.
fn setup<P: Starts>(cx: &Cx, args: &Batch, jobs: &[Job]) -> CliResult<Setup> {
    jobs::check::<P>(args, jobs)?;
    let setup = Setup {
        cx: cx.clone(),
        follow: args.follow(),
    };
    setup.following::<P>()?;
    if cx.global.no_journal {
        let what = "a batch knows by the journal what it has started";
        return Err(CliError::new(Code::Usage, what)
            .why("With --no-journal a second run of it would start everything again."));
    }
    Ok(setup)
}

/// How each job is followed.
struct Setup {
    cx: Cx,
    follow: crate::args::Follow,
}

impl Setup {
    /// Each job has answers of its own, and nobody is asked on the terminal.
    fn following<P: Starts>(&self) -> CliResult<Following> {
        Following::new(&self.cx, &self.follow, P::ID, true)
    }
}

/// The agents that jobs name, each as the server knows it.
type Agents = HashMap<Option<String>, Option<String>>;

/// Looks each agent up once.
async fn agents<P: Starts>(connection: &Connection<P>, todo: &VecDeque<Job>) -> CliResult<Agents> {
    let mut agents = Agents::new();
    for job in todo {
        if !agents.contains_key(&job.args.agent) {
            let work = P::work(&job.args)?;
            let found = P::agent(connection, &job.args, &work).await?;
            agents.insert(job.args.agent.clone(), found);
        }
    }
    Ok(agents)
}

/// What is known of a job that was begun.
pub(super) struct BegunJob {
    reporter: Arc<Reporter>,
    kind: StartKind,
}

/// The jobs that were begun and have not ended, by their keys, and those that could not be.
#[derive(Clone, Default)]
struct Begun(Arc<Mutex<BegunJobs>>);

#[derive(Default)]
struct BegunJobs {
    running: HashMap<String, BegunJob>,
    failed: Vec<(String, CliError)>,
}

impl Begun {
    fn lock(&self) -> MutexGuard<'_, BegunJobs> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self) -> HashMap<String, BegunJob> {
        std::mem::take(&mut self.lock().running)
    }
}

/// The runs of the jobs, each made when there is room for it. A job that cannot be read any more is passed over.
fn runs<P: Starts>(
    connection: Arc<Connection<P>>,
    setup: Setup,
    agents: Agents,
    todo: VecDeque<Job>,
    begun: Begun,
) -> impl Iterator<Item = (String, Run<P>)> + Send + 'static {
    todo.into_iter().filter_map(move |Job { key, args, .. }| {
        match one(&connection, &setup, &agents, &key, &args) {
            Ok((run, job)) => {
                begun.lock().running.insert(key.clone(), job);
                Some((key, run))
            }
            Err(error) => {
                begun.lock().failed.push((key, error));
                None
            }
        }
    })
}

/// The run of one job.
fn one<P: Starts>(
    connection: &Connection<P>,
    setup: &Setup,
    agents: &Agents,
    key: &str,
    args: &RunArgs,
) -> CliResult<(Run<P>, BegunJob)> {
    let how = setup.following::<P>()?;
    if let Some(task) = started(connection, key)? {
        let id = task.id().clone();
        let reporter = Arc::new(
            Reporter::new(connection, Some(task), true)
                .showing()
                .silent(),
        );
        let run = connection.client.attach(id);
        let run = how
            .setup(run, StartKind::Watch, reporter.clone())
            .into_run();
        let kind = StartKind::Watch;
        return Ok((run, BegunJob { reporter, kind }));
    }
    // A file may have gone since it was checked.
    let work = P::work(args)?;
    let agent = agents.get(&args.agent).cloned().flatten();
    let start = P::ready(args, &work, agent);
    let reporter = Reporter::new(connection, None, true).showing().silent();
    let reporter = Arc::new(reporter.with_files(start.files));
    let run = connection.client.run(start.job).named(key);
    let run = how
        .setup(run, start.kind.clone(), reporter.clone())
        .into_run();
    let kind = start.kind;
    Ok((run, BegunJob { reporter, kind }))
}

/// The task that was started under a key, where it is known and nothing is on its way to it: its server says how it stands,
/// whatever was known here of its questions. Any other start is taken up by its name.
fn started<P: Starts>(connection: &Connection<P>, key: &str) -> CliResult<Option<TaskRef>> {
    let intent = IntentId::named(P::NAME, &connection.client.base_url(), key);
    let Some(store) = &connection.store else {
        return Ok(None);
    };
    let stored = store.stored(&intent).map_err(|error| {
        let what = "the journal cannot be used, and nothing was sent for this job";
        CliError::new(Code::Journal, what).why(error.to_string())
    })?;
    let task = stored.and_then(|stored| stored.task().map(|id| connection.task(id)));
    Ok(task.filter(|task| connection.unconfirmed(task).is_none()))
}

/// A batch under way.
struct Driver<'a, P: Starts> {
    runs: Runs<String, P>,
    connection: &'a Connection<P>,
    begun: Begun,
    outcomes: &'a mut Outcomes,
    results: Option<Results>,
    /// Why nothing more is begun.
    halted: Option<CliError>,
    since: Instant,
    told: Instant,
}

impl<P: Starts> Driver<'_, P> {
    /// Goes on until all jobs have ended, or nothing more is to be waited for.
    async fn drive(&mut self) {
        let connection = self.connection;
        let mut signals = connection.signals.clone();
        let mut ticks = tokio::time::interval(connection.out.tick_interval());
        let limit = tokio::time::sleep(LAST_CHANCE);
        tokio::pin!(limit);
        let mut is_halted = false;
        loop {
            if self.halted.is_some() && !is_halted {
                is_halted = true;
                limit
                    .as_mut()
                    .reset(tokio::time::Instant::now() + LAST_CHANCE);
            }
            tokio::select! {
                result = self.runs.next() => match result {
                    Some(result) => self.ended(result),
                    None => break,
                },
                exit = signals.recv(), if !is_halted => self.interrupted(exit),
                () = connection.out.failed(), if !is_halted => {
                    if let Err(error) = connection.out.check() {
                        self.halt(error);
                    }
                }
                () = &mut limit, if is_halted => break,
                _ = ticks.tick() => self.tick(),
            }
        }
        self.failed();
    }

    /// Takes in how a job ended.
    fn ended(&mut self, (key, result): BatchResult<String, P>) {
        self.failed();
        let Some(job) = self.begun.lock().running.remove(&key) else {
            return;
        };
        let end = JobEnd::of(self.connection, key, &job, result);
        if let Err(error) = self
            .outcomes
            .take(self.connection, end, self.results.as_mut())
        {
            self.halt(error);
        }
    }

    /// Takes in the jobs that could not be begun.
    fn failed(&mut self) {
        let failed = std::mem::take(&mut self.begun.lock().failed);
        for (key, error) in failed {
            let end = JobEnd::not_begun(self.connection, key, error);
            if let Err(error) = self
                .outcomes
                .take(self.connection, end, self.results.as_mut())
            {
                self.halt(error);
            }
        }
    }

    /// Begins nothing more.
    fn halt(&mut self, why: CliError) {
        self.runs.handle().stop();
        self.halted.get_or_insert(why);
    }

    fn interrupted(&mut self, exit: Exit) {
        let out = self.connection.out.clone();
        out.still();
        let error = interrupted(exit);
        let second = error.clone();
        self.connection
            .signals
            .at_second(move |exit| out.last_words(&second.ending(exit)));
        self.halt(error);
        self.connection.out.say(
            "stopping: nothing more is started, and what runs keeps running; press Ctrl-C again to exit now",
        );
    }

    /// Tells how far it is.
    fn tick(&mut self) {
        let running = self.begun.lock().running.len();
        let elapsed = span(self.connection.clock.elapsed());
        let line = format!(
            "{} · {running} running · {elapsed}",
            self.outcomes.progress()
        );
        let out = &self.connection.out;
        if !out.spin(&line) && self.told.elapsed() >= HEARTBEAT && self.since.elapsed() >= HEARTBEAT
        {
            self.told = Instant::now();
            out.say(&line);
        }
    }
}

/// The end that Ctrl-C makes.
fn interrupted(exit: Exit) -> CliError {
    CliError::new(Code::Interrupted, "Interrupted. The tasks keep running.")
        .plain()
        .ending(exit)
        .next("go on", command_line::as_given(), "starts nothing twice")
}
