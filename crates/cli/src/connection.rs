//! One run of the program against one account.

use std::sync::Arc;
use std::time::Duration;

use taskward::core::{AnswerError, Cause, Credential, Operation, Origin, Policy, Retrying};
use taskward::question::Answered;
use taskward::{Client, Error, ErrorKind, Recovery, Run, Snapshot, TaskId};
use taskward_sim::Sim;

use crate::again;
use crate::agent_url::AgentUrl;
use crate::answers::form;
use crate::clock::ProgramClock;
use crate::codes::Code;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::failure_text::retrying;
use crate::keys::{ApiAccess, KeySource};
use crate::out::Out;
use crate::platform::{Hint, Platform};
use crate::server::{self, Search, Server};
use crate::shell::quote;
use crate::shown::{Happened, Log};
use crate::signals::Signals;
use crate::store::{self, TaskStore};
use crate::task_ref::TaskRef;

/// How long a single call may take with all its retries; a wait that would be longer fails at once and is named.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything a command needs.
pub(crate) struct Connection<P: Platform> {
    /// Where to print.
    pub(crate) out: Arc<Out>,
    /// What its command was given.
    pub(crate) cx: Cx,
    /// The account.
    pub(crate) client: Client<P>,
    /// The clock that the client runs by.
    pub(crate) clock: ProgramClock,
    /// Ctrl-C.
    pub(crate) signals: Signals,
    /// Where tasks are kept.
    pub(crate) store: Option<TaskStore>,
    /// How long a single call may take at most, when that is less than its patience.
    pub(crate) limit: Option<Duration>,
    /// Where the key came from.
    source: KeySource,
    /// What a printed command needs.
    flags: String,
    /// The agent, where the provider has many servers.
    agent: Option<AgentUrl>,
    /// The simulator in this process; it ends with the connection.
    pub(crate) sim: Option<Sim>,
}

impl<P: Platform> Connection<P> {
    /// A connection with this server; nothing is sent yet.
    pub(crate) fn build(
        cx: &Cx,
        access: &ApiAccess,
        server: Server<P>,
        credential: Option<Credential>,
        speed: u32,
        store: Option<TaskStore>,
    ) -> CliResult<Self> {
        let mut flags = access.flag();
        if credential.is_some() {
            flags += &server::allowing::<P>(&access.base_url, &server.url);
        }
        let mut builder = Client::<P>::builder()
            .user_agent(concat!("taskward-cli/", env!("CARGO_PKG_VERSION")))
            .provider(server.provider)
            .speed(speed)
            .policy(single(speed));
        builder = match server.is_named {
            true => builder.base_url(&server.url),
            false => builder.base_url("").discovered_url(&server.url),
        };
        if let Some(credential) = credential {
            builder = builder.credential(credential);
            if !access.base_url.is_empty() {
                builder = builder.allow_origin(&access.base_url);
            }
            for url in &cx.global.allow_origin {
                builder = builder.allow_origin(url);
            }
        }
        if let Some(store) = &store {
            builder = builder.journal(store.clone());
        }
        let client = builder.build().map_err(|error| {
            let error = CliError::new(Code::Config, error.to_string());
            match &server.agent {
                Some(agent) => error.why(format!("The agent is {agent}. Nothing was sent.")),
                None => error.why(format!(
                    "The server comes from {} (default {}). Nothing was sent.",
                    P::DEFAULTS.base_url_variable,
                    P::DEFAULTS.base_url
                )),
            }
        })?;
        Ok(Self {
            out: cx.out.clone(),
            cx: cx.clone(),
            client,
            clock: ProgramClock::new(speed),
            signals: Signals::listen(),
            store,
            limit: None,
            source: access.source.clone(),
            flags,
            agent: server.agent,
            sim: None,
        })
    }
    /// A connection for the lookup of a server itself, with the credential or without.
    pub(crate) fn for_search(
        search: &Search<'_>,
        server: Server<P>,
        with_credential: bool,
    ) -> CliResult<Self> {
        let credential = match with_credential {
            true => search.access.credential(&server.form)?,
            false => None,
        };
        if let Some(credential) = &credential {
            search.cx.out.redact(credential.clone());
        }
        Self::build(
            search.cx,
            search.access,
            server,
            credential,
            search.speed,
            None,
        )
    }

    /// The agent that it goes to, where the provider has many servers.
    pub(crate) fn agent(&self) -> Option<&AgentUrl> {
        self.agent.as_ref()
    }

    /// What a printed command needs so that the same key goes to the same server, with a space in front.
    pub(crate) fn flags(&self) -> &str {
        &self.flags
    }

    /// The simulator in this process.
    pub(crate) fn sim(&self) -> Option<&Sim> {
        self.sim.as_ref()
    }

    /// The task of this id.
    pub(crate) fn task(&self, id: &TaskId) -> TaskRef {
        TaskRef::new(P::ID, self.agent.clone(), id.clone())
    }

    /// A command line that works as it is printed, with the same key.
    pub(crate) fn command(&self, rest: &str) -> String {
        format!("taskward {rest}{}", self.flags)
    }

    /// A command about a task, as it is printed.
    pub(crate) fn about(&self, command: &str, task: &TaskRef) -> String {
        self.command(&format!("{command} {}", task.quoted()))
    }

    /// The command that lists the tasks that there are.
    pub(crate) fn list(&self) -> String {
        match &self.agent {
            Some(agent) => self.command(&format!("ls --agent {}", quote(agent.as_str()))),
            None => self.command("ls"),
        }
    }

    /// Adds commands to go on with.
    pub(crate) fn hints(&self, error: CliError, hints: impl IntoIterator<Item = Hint>) -> CliError {
        let add = |error: CliError, (label, command, note): Hint| {
            error.next(label, self.command(&command), note)
        };
        hints.into_iter().fold(error, add)
    }

    /// Adds the command that shows whether what was said to a task is there.
    pub(crate) fn see_conversation(&self, error: CliError, task: &TaskRef) -> CliError {
        let note = "whether it is there";
        self.hints(error, [("see", P::conversation(task), note)])
    }

    /// Where the key came from, as a sentence.
    pub(crate) fn key_came_from(&self) -> String {
        match self.source {
            KeySource::None => format!(
                "No key was given: set {}, or give --key-file PATH.",
                P::DEFAULTS.key_variable
            ),
            _ => format!("The key came from {}.", self.source),
        }
    }

    /// Tells how a task is followed.
    pub(crate) fn tell_watch(&self, task: &TaskRef) {
        let watch = self.about("watch", task);
        self.out.say(&format!("follow: {watch}"));
    }

    /// Says which server on this machine is used; any other that is not the vendor's was named before anything was sent.
    pub(crate) fn banner(&self) {
        if self.sim.is_some() {
            self.out.say(&format!(
                "simulator at {}, {}x; nothing is sent beyond this machine",
                self.client.base_url(),
                self.speed()
            ));
        } else if self.is_local() {
            self.name_server();
        }
    }

    fn is_local(&self) -> bool {
        let prefix = P::DEFAULTS.api_prefix;
        Origin::parse(&self.client.base_url(), prefix).is_ok_and(|origin| origin.is_loopback())
    }

    pub(crate) fn name_server(&self) {
        let url = self.client.base_url();
        if let Some(agent) = &self.agent {
            // Whoever named the agent knows its server, unless the card says that it is another one.
            if !agent.as_str().starts_with(&url) {
                self.out.say(&format!("agent {agent}, at {url}"));
            }
            return;
        }
        if url != P::DEFAULTS.base_url {
            self.out
                .say(&format!("server {url} ({})", P::DEFAULTS.base_url_variable));
        }
    }

    /// Refuses a task that was kept and is of another server.
    pub(crate) fn owns(&self, kept: &Snapshot) -> CliResult<()> {
        match kept.origin() {
            Some(there) if self.origin().as_deref() != Some(there) => {
                let what = format!("this task is on another server, {there}");
                Err(CliError::new(Code::Config, what)
                    .why(format!(
                        "The server is {} now; {} names another one. Nothing was sent.",
                        self.client.base_url(),
                        P::DEFAULTS.base_url_variable
                    ))
                    .next("see", "taskward help environment", ""))
            }
            _ => Ok(()),
        }
    }

    /// The record of which questions of a task were shown and answered here, where tasks are kept.
    pub(crate) fn log(&self, task: &TaskRef) -> Option<Log> {
        let (store, origin) = self.store.as_ref().zip(self.origin())?;
        Some(store.log(task, &origin))
    }

    /// The server, as it is written down.
    pub(crate) fn origin(&self) -> Option<String> {
        let origin = Origin::parse(&self.client.base_url(), P::DEFAULTS.api_prefix);
        origin.ok().map(|origin| origin.canonical().to_owned())
    }

    /// A task that was sent something from here whose outcome is unknown.
    pub(crate) fn unconfirmed(&self, task: &TaskRef) -> Option<Snapshot> {
        let (store, origin) = self.store.as_ref().zip(self.origin())?;
        store.unconfirmed(task, &origin)
    }

    /// Writes down of the answers from here what the journal tells of them: a process that was killed once the task had
    /// kept that its answer was applied had no time to say so in the record of questions.
    pub(crate) fn catch_up(&self, task: &TaskRef) {
        let Some((store, origin)) = self.store.as_ref().zip(self.origin()) else {
            return;
        };
        let log = store.log(task, &origin);
        let record = log.read();
        let mut unconfirmed = record.unconfirmed(P::CAPABILITIES.answer).peekable();
        if unconfirmed.peek().is_none() {
            return;
        }
        let Some(kept) = store.newest(task, &origin) else {
            return;
        };
        for (question, said) in unconfirmed {
            if let AnswerError::AlreadyAnswered {
                with: Some(with), ..
            } = kept.answer_error(question)
                && form::as_json(&with) == said
            {
                // What cannot be saved stays unconfirmed.
                let _ = log.write(&Happened::Answered(question.clone(), Answered::Applied));
            }
        }
    }

    /// Lets nobody else say something to a task until [`spoken`](Self::spoken), where tasks are kept.
    pub(crate) fn speak(&self, task: &TaskRef) -> CliResult<()> {
        match self.store.as_ref().zip(self.origin()) {
            Some((store, origin)) => store.speak(task, &origin),
            None => Ok(()),
        }
    }

    /// What was to be said to a task was said.
    pub(crate) fn spoken(&self, task: &TaskRef) {
        if let Some((store, origin)) = self.store.as_ref().zip(self.origin()) {
            store.spoken(task, &origin);
        }
    }

    /// Takes up a task that was kept, whose id is known.
    pub(crate) async fn take_up(&self, kept: Snapshot) -> CliResult<Run<P>> {
        let id = kept.task().cloned();
        let found = self.client.recover(kept).await;
        match (found.map_err(|error| self.cli_error(&error))?, id) {
            (Recovery::Follow(run), _) => Ok(run),
            (_, Some(id)) => Ok(self.client.attach(id)),
            (_, None) => {
                let what = "this version does not know how to follow it";
                Err(CliError::new(Code::Internal, what))
            }
        }
    }

    fn speed(&self) -> u32 {
        self.clock.speed()
    }

    /// Performs one operation; every wait before another try is told.
    pub(crate) async fn call<O>(&self, operation: O) -> CliResult<O::Output>
    where
        O: Operation + Clone + Send + 'static,
        O::Output: Send,
    {
        self.perform(operation)
            .await?
            .map_err(|error| self.cli_error(&error))
    }

    pub(crate) async fn perform<O>(&self, operation: O) -> CliResult<Result<O::Output, Error>>
    where
        O: Operation + Clone + Send + 'static,
        O::Output: Send,
    {
        // Not as a JSON line: what a single call prints is its data alone.
        let told = |failed: &Retrying| {
            self.out.say(&retrying(&failed.failed, failed.wait));
        };
        let patience = PATIENCE.saturating_mul(self.speed());
        let within = self.limit.map_or(patience, |limit| limit.min(patience));
        let reply = self.unless_interrupted(self.client.call_within(within, operation, told));
        reply.await
    }

    /// `work`, unless a signal comes first.
    pub(crate) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> CliResult<T> {
        let mut signals = self.signals.clone();
        tokio::select! {
            done = work => Ok(done),
            exit = signals.recv() => {
                Err(CliError::new(Code::Interrupted, "interrupted").headed("stopped").ending(exit))
            }
        }
    }

    /// The end that an error of the client means.
    pub(crate) fn cli_error(&self, error: &Error) -> CliError {
        if let Some(cli_error) = store::cli_error(error).or_else(|| again::refusal(error)) {
            return cli_error;
        }
        let mut cli_error = CliError::new(classify(error), error.to_string())
            .task(&error.task().map(|id| self.task(id)))
            // Nothing can recover what was not saved.
            .intent(
                error
                    .intent()
                    .filter(|_| self.store.is_some())
                    .map(ToString::to_string),
            )
            .exchange(
                error.request_id().map(str::to_owned),
                error.status().map(|status| status.as_u16()),
            )
            .attempts(error.attempts())
            .reason(error.api_error().and_then(|api| api.code.clone()))
            .retry_after(error.retry_after());
        if let Some(wait) = error.retry_after() {
            cli_error = cli_error.why(format!("The server asks to wait {} s.", wait.as_secs()));
        }
        for line in self.advice(error) {
            cli_error = cli_error.why(line);
        }
        self.way_on(cli_error, error)
    }

    /// With the command that tells more.
    fn way_on(&self, cli_error: CliError, error: &Error) -> CliError {
        let task = error.task().map(|id| self.task(id));
        let (label, command, note) = match (error.kind(), &task) {
            (ErrorKind::OutcomeUnknown, Some(task)) => {
                ("see", P::conversation(task), "whether it is there")
            }
            (ErrorKind::Task, Some(task)) => P::history(task),
            (ErrorKind::Pending, Some(task)) => {
                ("reattach", format!("watch {}", task.quoted()), "")
            }
            (ErrorKind::ResultUnavailable, Some(task)) => {
                ("later", format!("result {}", task.quoted()), "")
            }
            // Whoever knows the question says how it is answered.
            (ErrorKind::Local, _) => return cli_error,
            (_, Some(task)) => ("see", format!("status {}", task.quoted()), ""),
            (ErrorKind::Config, None) => {
                return cli_error.next("see", "taskward help environment", "");
            }
            _ => return cli_error,
        };
        cli_error.next(label, self.command(&command), note)
    }

    fn advice(&self, error: &Error) -> Vec<String> {
        let mut advice = Vec::new();
        match error.kind() {
            ErrorKind::Auth if error.status().is_some_and(|s| s.as_u16() == 403) => {
                advice.push("The key is valid and is not allowed to do this.".to_owned());
            }
            ErrorKind::Auth => advice.push(self.key_came_from()),
            ErrorKind::RateLimited if error.retry_after().is_none() => {
                advice.push("Try again in a minute.".to_owned());
            }
            ErrorKind::Transport => {
                if error
                    .wire_failure()
                    .is_some_and(|f| f.cause == Cause::Resolve)
                {
                    advice.push(format!(
                        "Check the name of the server, {}, and the network.",
                        self.client.base_url()
                    ));
                }
                if error.is_retryable() {
                    advice.push("Nothing was changed; try again later.".to_owned());
                }
            }
            ErrorKind::OutcomeUnknown => advice.push("Nothing was sent again.".to_owned()),
            ErrorKind::Input if error.wire_failure().is_some() => {
                advice.push("Nothing was sent again.".to_owned());
            }
            ErrorKind::Config | ErrorKind::Input => advice.push("Nothing was sent.".to_owned()),
            ErrorKind::Api => {
                advice.push("The server rejected this request; retrying will not help.".to_owned())
            }
            ErrorKind::Protocol => advice.push(format!(
                "What answered is not {} as it is known. The server is {}.",
                P::TITLE,
                self.client.base_url()
            )),
            ErrorKind::Decode => advice
                .push("Nothing was changed. TASKWARD_DEBUG=http tells every exchange.".to_owned()),
            ErrorKind::Task => advice.push("It has ended.".to_owned()),
            ErrorKind::Pending => advice.push("The task keeps running.".to_owned()),
            ErrorKind::ResultUnavailable => {
                advice.push("It is kept by the platform; try again later.".to_owned());
            }
            ErrorKind::Local => {
                advice.push("It failed here, not on the server.".to_owned());
            }
            _ => {}
        }
        advice
    }
}

/// How the client makes one call: within its patience, which is in the world's time.
fn single(speed: u32) -> Policy {
    let mut policy = Policy::default();
    policy.work = Some(PATIENCE.saturating_mul(speed));
    policy
}

/// The name of an error.
fn classify(error: &Error) -> Code {
    match error.kind() {
        ErrorKind::Config => Code::Config,
        ErrorKind::Input => Code::Input,
        ErrorKind::Auth => Code::Auth,
        ErrorKind::Api => Code::Api,
        ErrorKind::RateLimited => Code::RateLimited,
        ErrorKind::Transport => Code::Transport,
        ErrorKind::Protocol => Code::Protocol,
        ErrorKind::Decode => Code::Decode,
        ErrorKind::OutcomeUnknown => Code::OutcomeUnknown,
        ErrorKind::Task => Code::TaskFailed,
        ErrorKind::Pending => Code::Pending,
        ErrorKind::ResultUnavailable => Code::ResultUnavailable,
        _ => Code::Local,
    }
}
