//! Following one task: events told, questions answered, signals heard, until its end or until it is left.

use std::sync::Arc;
use std::time::Duration;

use taskward::core::Journal as _;
use taskward::outcome::{CancelResult, StoppedBy};
use taskward::policy::OnDetach;
use taskward::question::Answered;
use taskward::{ErrorKind, Event, Outcome, Policy, Reply, Run, RunResult, Running};

use crate::answers::Asker;
use crate::args::{self, Follow};
use crate::calls::Calls;
use crate::codes::Code;
use crate::command_line;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report::End;
use crate::print::Destination;
use crate::registry::ProviderName;
use crate::report::Reporter;
use crate::sent::{StartKind, Undelivered};
use crate::task_ref::TaskRef;

/// How long a signal waits for the reply to what was sent.
pub(crate) const LAST_CHANCE: Duration = Duration::from_secs(2);

/// How long a task that is left may take to be seen to have stopped.
const STOPPING: Duration = Duration::from_secs(30);

/// What is known of a task that was to be stopped, and whose watch ends before that.
const UNSTOPPED: &str = "The task was not seen to stop.";

/// How a command follows tasks, checked before anything is sent.
pub(crate) struct Following {
    pub(crate) deadlines: Deadlines,
    /// Where an answer goes.
    pub(crate) to: Destination,
    asker: Arc<Asker>,
    /// Whether a task is left when it waits for a review.
    leaves_reviews: bool,
}

impl Following {
    /// As the options say; `stdin_is_taken` where the command reads something else from it.
    pub(crate) fn new(
        cx: &Cx,
        follow: &Follow,
        provider: ProviderName,
        stdin_is_taken: bool,
    ) -> CliResult<Self> {
        let taken = stdin_is_taken || cx.global.key_stdin;
        Ok(Self {
            deadlines: Deadlines::of(follow)?,
            to: Destination::new(follow.output.clone(), follow.print)?,
            asker: Arc::new(Asker::new(cx, follow, provider, taken)?),
            leaves_reviews: follow.no_wait_review,
        })
    }

    /// Follows this, and answers its questions.
    pub(crate) fn setup<P: Calls>(
        &self,
        run: Run<P>,
        start_kind: StartKind,
        reporter: Arc<Reporter>,
    ) -> FollowSetup<P> {
        self.silent(run, start_kind, reporter)
            .answered_by(self.asker.clone())
    }

    /// The same for a command that answers no questions.
    pub(crate) fn silent<P: Calls>(
        &self,
        run: Run<P>,
        start_kind: StartKind,
        reporter: Arc<Reporter>,
    ) -> FollowSetup<P> {
        let run = run.leave_review(self.leaves_reviews);
        FollowSetup::new(run, start_kind, reporter, self.deadlines.policy())
    }
}

/// A task about to be followed.
pub(crate) struct FollowSetup<P: Calls> {
    /// What is done with it.
    run: Run<P>,
    /// What was sent first.
    start_kind: StartKind,
    /// Who tells its events.
    reporter: Arc<Reporter>,
    /// How it is followed.
    policy: Policy,
}

/// How long both may take; zero means no limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    work: Duration,
    human: Duration,
    /// What is done about the task when one is over, and on Ctrl-C.
    left: [OnDetach; 2],
}

impl Deadlines {
    /// As the options say.
    pub(crate) fn of(follow: &Follow) -> CliResult<Self> {
        Ok(Self {
            work: args::timeout(follow.timeout)?,
            human: follow.answer_timeout,
            left: [follow.cancel_on_timeout, follow.cancel_on_interrupt].map(
                |cancels| match cancels {
                    true => OnDetach::CancelAndConfirm { within: STOPPING },
                    false => OnDetach::Detach,
                },
            ),
        })
    }

    /// The agent's.
    pub(crate) fn work(self) -> Option<Duration> {
        (!self.work.is_zero()).then_some(self.work)
    }

    /// What is left when `spent` of the agent's is over: never zero, which would mean no limit.
    pub(crate) fn after(mut self, spent: Duration) -> Self {
        if let Some(work) = self.work() {
            self.work = work.saturating_sub(spent).max(Duration::from_millis(1));
        }
        self
    }

    /// How a task is followed within these.
    pub(crate) fn policy(self) -> Policy {
        let mut policy = Policy::default();
        policy.work = self.work();
        policy.human = (!self.human.is_zero()).then_some(self.human);
        [policy.on_deadline, policy.on_interrupt] = self.left;
        policy
    }

    /// The same for agent and human.
    pub(crate) fn both(limit: Duration) -> Self {
        Self {
            work: limit,
            human: limit,
            left: [OnDetach::Detach; 2],
        }
    }
}

impl<P: Calls> FollowSetup<P> {
    /// With its events told, and this policy alone: the client's own is for single calls.
    pub(crate) fn new(
        run: Run<P>,
        start_kind: StartKind,
        reporter: Arc<Reporter>,
        policy: Policy,
    ) -> Self {
        let teller = reporter.clone();
        Self {
            run: run
                .policy(policy.clone())
                .on_event(move |event| teller.event(event)),
            start_kind,
            reporter,
            policy,
        }
    }

    /// With somebody who answers its questions.
    fn answered_by(mut self, asker: Arc<Asker>) -> Self {
        let reporter = self.reporter.clone();
        self.run = self.run.on_question(move |question| {
            let (asker, reporter) = (asker.clone(), reporter.clone());
            async move {
                let id = question.id.clone();
                // Options are for what is asked afterwards.
                if reporter.is_named(&id) {
                    return Ok(Reply::Leave);
                }
                let reply = asker.ask(question, &reporter).await?;
                if let Reply::Answer(answer) = &reply {
                    reporter.answering(&id, answer);
                }
                Ok(reply)
            }
        });
        self
    }

    /// The run itself, for a command that follows many at once.
    pub(crate) fn into_run(self) -> Run<P> {
        self.run
    }

    /// Sets the task up; nothing is sent yet.
    pub(crate) async fn begin(self, connection: &Connection<P>) -> CliResult<Followed<'_, P>> {
        if let Some(task) = self.reporter.task() {
            // Before anything else is kept of it.
            connection.catch_up(&task);
        }
        let running = connection
            .unless_interrupted(self.run.start())
            .await?
            .map_err(|error| connection.cli_error(&error))?;
        if let (Some(store), Some(_)) = (&connection.store, running.id()) {
            let snapshot = running.snapshot();
            if snapshot.has_unconfirmed_end() {
                self.reporter.keep_once_seen(snapshot);
            } else {
                // A task that exists is not lost when it cannot be kept; that is told.
                let _ = store.record(&snapshot);
            }
        }
        Ok(Followed {
            connection,
            running,
            start_kind: self.start_kind,
            reporter: self.reporter,
            policy: self.policy,
        })
    }
}

/// A task that is being followed.
pub(crate) struct Followed<'a, P: Calls> {
    pub(crate) connection: &'a Connection<P>,
    /// The task.
    pub(crate) running: Running<P>,
    start_kind: StartKind,
    /// Who tells its events.
    pub(crate) reporter: Arc<Reporter>,
    policy: Policy,
}

/// What ended a wait.
enum Woken<T> {
    By(T),
    Signal(Exit),
    Output,
    Tick,
}

impl<P: Calls> Followed<'_, P> {
    /// Follows the task to its end, or until it is left, and prints its answer.
    pub(crate) async fn finish(mut self, to: &Destination) -> CliResult<Exit> {
        let end = self.until(async |running| running.wait().await).await?;
        self.connection.out.still();
        self.reporter.finish();
        let end = end.map_err(|error| {
            let cli_error = self.connection.cli_error(&error);
            match error.kind() {
                // Whoever was to answer failed.
                ErrorKind::Local => {
                    let question = self.running.questions().next();
                    self.end().unanswered(cli_error, question)
                }
                _ => cli_error,
            }
        })?;
        let (task, answer) = self.answer(end).await?;
        let said = self.reporter.said();
        to.deliver(self.connection, task.as_ref(), &answer, said.as_deref())
    }

    /// The answer of a watch that is over, or why there is none.
    pub(crate) async fn answer(
        &self,
        end: RunResult<P::Output>,
    ) -> CliResult<(Option<TaskRef>, P::Output)> {
        let outcome = match end {
            RunResult::Ended(outcome) => outcome,
            RunResult::Detached(left) => {
                return Err(self.end().of(Some(&left.id)).left(&left));
            }
        };
        let task = outcome.task().map(|id| self.connection.task(id));
        let unanswered = matches!(
            outcome,
            Outcome::Stopped {
                by: StoppedBy::Unanswered,
                ..
            }
        );
        let unstopped = self.unstopped(&outcome);
        let end = self.end().outcome(outcome);
        match end {
            Ok(answer) => Ok((task, answer)),
            Err(error) if unanswered => Err(self.with_restart_hint(error, task).await),
            Err(error) => Err(error.whys(unstopped)),
        }
    }

    /// That a task which was to be stopped when its time is over was not even asked to.
    fn unstopped(&self, outcome: &Outcome<P::Output>) -> Option<&'static str> {
        if self.policy.on_deadline == OnDetach::Detach {
            return None;
        }
        match (outcome, &self.start_kind) {
            (Outcome::Unknown { reason, .. }, _) if !reason.is_deadline() => None,
            // What was done about the task is told with why.
            (Outcome::Unknown { .. }, StartKind::Message(_)) => None,
            (Outcome::Unknown { .. }, _) => {
                Some("--cancel-on-timeout could stop nothing: the id of the task is not known.")
            }
            (
                Outcome::DeadlineExceeded {
                    id: Some(_),
                    cancel: CancelResult::NotRequested,
                    ..
                },
                _,
            ) => Some(
                "--cancel-on-timeout did not stop the task: nothing of this command was at work.",
            ),
            _ => None,
        }
    }

    /// With the command that starts the same task once more: nobody can answer this one any longer. It is one that can be
    /// run as it stands, or none.
    async fn with_restart_hint(&self, error: CliError, task: Option<TaskRef>) -> CliError {
        let Some(task) = task else { return error };
        let note = "the same, as a new task";
        if self.is_kept(&task) {
            let command = format!("run --again {}", task.quoted());
            return error.next("again", self.connection.command(&command), note);
        }
        if self.connection.sim().is_some() {
            // The same command has a simulator of its own.
            return error.next("again", command_line::as_given(), note);
        }
        match P::restart_hint(self.connection, &task).await {
            Some((label, command, note)) => {
                error.next(label, self.connection.command(&command), note)
            }
            None => error.why(
                "How it was started is not kept here: start it with the command that it was first started with.",
            ),
        }
    }

    /// Whether enough is kept here of how this task was started.
    fn is_kept(&self, task: &TaskRef) -> bool {
        let Some(store) = &self.connection.store else {
            return false;
        };
        let started = store.started(task.id()).unwrap_or_default();
        started.iter().any(|(found, entry)| {
            found == task
                && self.connection.owns(&entry.snapshot).is_ok()
                && entry.snapshot.start_again().is_ok()
        })
    }

    fn tick(&self) {
        let asked = self.running.questions().next().is_some();
        self.reporter
            .tick(self.running.waiting(), &self.running.liveness(), asked);
    }

    /// Waits until the task exists; `None` if it is over without one.
    pub(crate) async fn until_known(&mut self) -> CliResult<Option<TaskRef>> {
        loop {
            if let Some(id) = self.running.id() {
                return Ok(Some(self.connection.task(id)));
            }
            if self.event().await?.is_none() {
                return Ok(None);
            }
        }
    }

    /// The next event, told; `None` once the task is no longer followed.
    pub(crate) async fn event(&mut self) -> CliResult<Option<Event>> {
        let event = self.until(async |running| running.next().await).await?;
        let event = event.map_err(|error| self.connection.cli_error(&error))?;
        Ok(event.map(|told| told.event))
    }

    /// What the task gives next; meanwhile signals are heard, and it is told now and then that the watch goes on.
    async fn until<T>(&mut self, mut next: impl AsyncFnMut(&mut Running<P>) -> T) -> CliResult<T> {
        let mut signals = self.connection.signals.clone();
        let mut ticks = tokio::time::interval(self.connection.out.tick_interval());
        loop {
            let woken = tokio::select! {
                given = next(&mut self.running) => Woken::By(given),
                exit = signals.recv() => Woken::Signal(exit),
                () = self.connection.out.failed() => Woken::Output,
                _ = ticks.tick() => Woken::Tick,
            };
            match woken {
                Woken::By(given) => return Ok(given),
                Woken::Signal(exit) => return Err(self.interrupted(exit).await),
                Woken::Output => self.check()?,
                Woken::Tick => self.tick(),
            }
        }
    }

    /// The next event of a watch that is there to send something: once the task could not be read so often that a single
    /// read is given up, the watch is, unless something has left.
    /// `what` is the part of it that is needed.
    pub(crate) async fn event_before_sending(&mut self, what: &str) -> CliResult<Option<Event>> {
        let event = self.event().await?;
        if let Some(Event::Retrying {
            attempt, failed, ..
        }) = &event
            && *attempt >= Policy::default().retry.reads
            && !self.running.snapshot().is_writing()
        {
            self.connection.out.still();
            return Err(self.end().unread(what, &failed.to_string()));
        }
        Ok(event)
    }

    /// The end of a watch that was there to send something, when it says more than that the task is over.
    pub(crate) async fn cut_short(&mut self) -> CliResult<()> {
        let end = self.running.wait().await;
        let end = end.map_err(|error| self.connection.cli_error(&error))?;
        match self.answer(end).await {
            Err(cli_error) => match cli_error.exit() {
                Exit::Auth | Exit::Timeout | Exit::Unknown => Err(cli_error),
                _ => Ok(()),
            },
            Ok(_) => Ok(()),
        }
    }

    /// How a watch ended that was to go on.
    async fn ended(&mut self, exit: Exit) -> CliError {
        match self.running.wait().await {
            Err(error) => self.connection.cli_error(&error),
            Ok(end) => {
                let what = "the task completed before its watch ended";
                self.completed(end, exit, what).await
            }
        }
    }

    /// The end that a signal makes: at once, unless a start, a message or an answer is on its way, whose reply is waited
    /// for a little.
    async fn interrupted(&mut self, exit: Exit) -> CliError {
        self.connection.out.still();
        if self.policy.on_interrupt != OnDetach::Detach {
            return self.stopped(exit).await;
        }
        let waits = self.on_its_way();
        if let Some((what, unknown)) = &waits {
            let wait = LAST_CHANCE.as_secs();
            let out = self.connection.out.clone();
            out.tell(&format!(
                "waiting up to {wait} s for the reply to the {what}; press Ctrl-C again to detach now"
            ));
            let detach_error = unknown.clone().named(Code::Interrupted);
            self.connection
                .signals
                .at_second(move |exit| out.last_words(&detach_error.ending(exit)));
        }
        let limit = tokio::time::sleep(LAST_CHANCE);
        tokio::pin!(limit);
        while let Some((_, unknown)) = self.on_its_way() {
            let event = tokio::select! {
                event = self.running.next() => event,
                () = &mut limit => return unknown,
            };
            match event {
                Ok(Some(_)) => {}
                Ok(None) => return self.ended(exit).await,
                Err(error) => return self.connection.cli_error(&error),
            }
        }
        self.detached(exit, waits.is_some())
    }

    /// The end of a watch that nothing is on its way in; whether something was `waited` for until now.
    fn detached(&self, exit: Exit, waited: bool) -> CliError {
        let task = self.task();
        let said = self.reporter.known().last_said(&self.start_kind);
        let said = said.filter(|(kind, how)| {
            // What was delivered long ago is no news, unless it is what the command is for.
            let has_purpose =
                *kind == Undelivered::Message && matches!(self.start_kind, StartKind::Message(_));
            waited || has_purpose || *how == Answered::NotSent
        });
        if let (Some((kind, Answered::Unknown)), Some(task)) = (said, &task) {
            return self.end().undelivered(task, kind);
        }
        let question = self.running.questions().next();
        self.end().detached(question, said, exit)
    }

    /// How the task ended whose watch was about to be left.
    async fn completed(&self, end: RunResult<P::Output>, exit: Exit, what: &str) -> CliError {
        match self.answer(end).await {
            Err(error) => error,
            Ok((task, _)) => {
                let error = CliError::new(Code::Interrupted, what);
                let error = error.ending(exit).headed("completed").task(&task);
                match &task {
                    Some(task) => {
                        let result = self.connection.about("result", task);
                        error.next("see", result, "its answer")
                    }
                    None => error,
                }
            }
        }
    }

    /// The end that a signal makes where the task is to be stopped: it is, within a bound.
    async fn stopped(&mut self, exit: Exit) -> CliError {
        let out = self.connection.out.clone();
        out.tell("stopping the task; press Ctrl-C again to detach without stopping it");
        let left = match self.on_its_way() {
            Some((_, unknown)) => unknown,
            None => self.detached(exit, false),
        };
        let detach_error = left.clone().why(UNSTOPPED).named(Code::Interrupted);
        self.connection
            .signals
            .at_second(move |exit| out.last_words(&detach_error.ending(exit)));
        let handle = self.running.handle();
        let over = async {
            while let Some(_event) = self.running.next().await? {}
            Ok(())
        };
        // A start whose reply does not come has no task that could be stopped.
        let limit = self.connection.clock.real(STOPPING) + LAST_CHANCE;
        let ended = tokio::time::timeout(limit, async { tokio::join!(handle.interrupt(), over).1 });
        match ended.await {
            Err(_) => {
                return left.why(match self.running.id() {
                    None => "Nothing was stopped: the id of the task is not known.",
                    Some(_) => UNSTOPPED,
                });
            }
            Ok(Err(error)) => return self.connection.cli_error(&error),
            Ok(Ok(())) => {}
        }
        match self.running.wait().await {
            Ok(RunResult::Detached(left)) => {
                let end = self.end().of(Some(&left.id));
                end.detached_by_signal(&left.cancel, exit)
            }
            Ok(end) => {
                self.completed(end, exit, "the task completed before it could be stopped")
                    .await
            }
            Err(error) => self.connection.cli_error(&error),
        }
    }

    /// What is said where the command ends.
    pub(crate) fn end(&self) -> End<'_, P> {
        End::new(self.connection, &self.start_kind, &self.reporter).of(self.running.id())
    }

    /// The task, as soon as its id is known: before anybody is told, it is kept.
    fn task(&self) -> Option<TaskRef> {
        let id = self.running.id().map(|id| self.connection.task(id));
        id.or_else(|| self.reporter.task())
    }

    /// What was sent and whose outcome is unknown, and the error that it would make.
    fn on_its_way(&self) -> Option<(&'static str, CliError)> {
        let Some(id) = self.running.id() else {
            return Some(("start", self.unknown()));
        };
        if !self.running.snapshot().is_writing() {
            return None;
        }
        // A message that the command is for comes before every answer.
        let kind = match (
            &self.start_kind,
            self.reporter.known().last_said(&self.start_kind),
        ) {
            (StartKind::Message(_), Some((Undelivered::Message, Answered::NotSent))) => {
                Undelivered::Message
            }
            _ => Undelivered::Answer,
        };
        let task = self.connection.task(id);
        let unknown = self.end().undelivered(&task, kind);
        Some((kind.as_str(), unknown))
    }

    /// The end of a start that nobody waits for any longer.
    fn unknown(&self) -> CliError {
        let why = "interrupted before the server had answered";
        let snapshot = self.running.snapshot();
        let intent = snapshot.intent().map(ToString::to_string);
        self.end().unknown(intent, why, false)
    }

    /// Whether stdout still takes what is printed; the task goes on when it does not.
    fn check(&self) -> CliResult<()> {
        let checked = self.connection.out.check();
        checked.map_err(|error| self.end().unheard(error))
    }
}
