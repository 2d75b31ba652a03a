//! `taskward recover`: finds out what became of a start whose reply was lost.

mod report;

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::core::Candidate;
use taskward::journal::{Claim, Entry, EntryId};
use taskward::{Recovery, Run, Snapshot};

use self::report::{SearchReport, about, candidate, told};
use super::{local, run, table};
use crate::args::{Global, Recover};
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::follow::Following;
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::platform::Hint;
use crate::registry::ProviderName;
use crate::registry::on_platform;
use crate::report::{Reporter, result_line};
use crate::sent::StartKind;
use crate::server::{self, At};
use crate::shell::quote;
use crate::store::{self, Hidden, OpenStarts, TaskStore};

pub(super) async fn recover(cx: &Cx, args: Recover) -> CliResult<Exit> {
    let store = TaskStore::open(cx)?;
    if args.forget
        && let Some(id) = args.intent.as_ref().and_then(|name| store.damaged(name))
    {
        return forget(&cx.out, &store, &id);
    }
    let entry = match &args.intent {
        Some(intent) => store.find(intent)?,
        None => {
            let OpenStarts { entries, hidden } = store.open_starts()?;
            let mut open = local::of_provider(entries, &cx.global);
            if open.len() > 1 {
                local::print(&cx.out, &open, &[], "")?;
                return Err(several(&open, &cx.global));
            }
            let Some(entry) = open.pop() else {
                unreadable(&hidden)?;
                cx.out.say(
                    "Nothing to recover: every task started from this machine is accounted for.",
                );
                return Ok(Exit::Ok);
            };
            entry
        }
    };
    let Some(provider) = ProviderName::named(entry.snapshot.provider()) else {
        let what = format!(
            "this version knows no provider {:?}",
            entry.snapshot.provider()
        );
        return Err(CliError::input(what).why("Nothing was sent."));
    };
    if let Some(named) = cx
        .global
        .named_provider()
        .filter(|named| *named != provider)
    {
        let what = format!("--provider {named} and a start of {provider} do not go together");
        return Err(CliError::new(Code::Usage, what).why("Nothing was sent."));
    }
    takes(&args, provider, &entry.snapshot)?;
    if args.forget {
        return forget(&cx.out, &store, &entry.id);
    }
    on_platform!(provider, P => one::<P>(cx, args, store, entry).await)
}

/// Several starts: whoever asks says which.
fn several(open: &[Entry], global: &Global) -> CliError {
    let what = format!("the outcome of {} starts is unknown", open.len());
    let error = CliError::new(Code::OutcomeUnknown, what)
        .why("They are recovered one by one. Nothing was sent.");
    open.iter().take(3).fold(error, |error, entry| {
        // As the connection would write them: the starts may be of several providers.
        let flags = server::flags_of_kept(global, &entry.snapshot);
        let command = format!("taskward recover {}{flags}", entry.id);
        error.next("recover", command, "")
    })
}

/// Whether a task that is named to be adopted can be the one of this start.
fn takes(args: &Recover, provider: ProviderName, start: &Snapshot) -> CliResult<()> {
    let Some(Some(task)) = &args.adopt else {
        return Ok(());
    };
    if task.provider().is_some_and(|named| named != provider) {
        let task = task.of(provider, None);
        let what = format!("the start is one of {provider}, and so is its task: {task}");
        return Err(CliError::input(what).why("Nothing was sent."));
    }
    if start.task().is_some() || start.is_repeatable() {
        let what = "no task can be named for this start";
        return Err(CliError::input(what)
            .why("Its task is known, or is told when the start is repeated under its key. Nothing was sent."));
    }
    Ok(())
}

/// Nobody knows what became of starts of which nothing can be read.
fn unreadable(starts: &[Hidden]) -> CliResult<()> {
    let what = match starts.len() {
        0 => return Ok(()),
        1 => "the outcome of a start is unknown: its journal entry cannot be read".to_owned(),
        some => {
            format!("the outcome of {some} starts is unknown: their journal entries cannot be read")
        }
    };
    let error = CliError::new(Code::OutcomeUnknown, what)
        .why("Every other task started from this machine is accounted for. Nothing was sent.")
        .intent(match starts {
            [(id, _)] => Some(id.to_string()),
            _ => None,
        });
    let told = starts.iter().take(3).fold(error, |error, (id, damage)| {
        let forget = store::forget(id);
        let error = error.why(format!("{damage}."));
        error.next("forget", forget, store::NO_LONGER_OPEN)
    });
    Err(told)
}

fn forget(out: &Out, store: &TaskStore, id: &EntryId) -> CliResult<Exit> {
    store.forget(id)?;
    if out.is_json() {
        let fields = json!({ "exit": 0, "status": "forgotten", "intent_id": id.as_str() });
        out.line(line(LineType::TaskResult, None, fields));
    } else {
        out.say(&format!("forgotten: {id}"));
    }
    Ok(Exit::Ok)
}

/// How what is recovered is gone on with.
struct Plan {
    how: Following,
    args: Recover,
    store: TaskStore,
    entry: Entry,
}

async fn one<P: Calls>(cx: &Cx, args: Recover, store: TaskStore, entry: Entry) -> CliResult<Exit> {
    let mut plan = Plan {
        how: Following::new(cx, &args.follow, P::ID, false)?,
        store: store.clone(),
        entry,
        args,
    };
    let speed = plan.args.follow.speed;
    let connection: Connection<P> =
        Connection::journaled(cx, speed, Some(store), At::Kept(&plan.entry.snapshot)).await?;
    connection.owns(&plan.entry.snapshot)?;
    connection.banner();
    // Held during the search; whoever repeats a start claims it as any start is.
    let claim = plan.claim(&connection)?;
    // Another process may have found out in the meantime.
    plan.entry = plan.store.find(plan.entry.id.as_str())?;
    let start = &plan.entry.snapshot;
    if start.task().is_none() && !start.is_repeatable() {
        let line = "looking for the task of this start among those of its agent";
        connection.out.say(line);
    }
    let search = Search {
        store: &plan.store,
        entry: &plan.entry,
    };
    let search = match search.search(&connection).await? {
        Searched::Follow(run) => {
            drop(claim);
            return plan.go_on(&connection, *run, StartKind::Again).await;
        }
        Searched::Report(search) => search,
    };
    connection.out.passed_over(search.unreadable());
    let task = match &plan.args.adopt {
        Some(Some(named)) => Some(search.named(&named.of(P::ID, connection.agent().cloned()))?),
        _ => search.only(),
    };
    match task {
        Some(task) => plan.found(&connection, &search, task, claim).await,
        None if search.candidates().is_empty() => Err(plan.none(&connection, &search)),
        None => Err(plan.tell_several(&connection, &search)?),
    }
}

/// What was found of a start whose outcome is unknown, where somebody else decides.
pub(super) struct Found {
    /// Each task that it may have created: its line for programs, and in words.
    pub(super) candidates: Vec<(Value, String)>,
    /// Whether one was found that is adopted when that is asked for.
    pub(super) only: bool,
}

/// Searches for the task of a start; nothing is adopted, and one that can be repeated is not repeated.
pub(super) async fn candidates<P: Calls>(
    connection: &Connection<P>,
    store: &TaskStore,
    intent: &str,
) -> CliResult<Found> {
    let entry = store.find(intent)?;
    let plan = Search {
        store,
        entry: &entry,
    };
    let Searched::Report(search) = plan.search(connection).await? else {
        return Ok(Found {
            candidates: Vec::new(),
            only: false,
        });
    };
    let candidates = search.candidates().iter().map(|found| {
        let task = connection.task(&found.id);
        let words = format!("{task} ({})", told(found));
        (candidate(&task, found), words)
    });
    Ok(Found {
        candidates: candidates.collect(),
        only: search.only().is_some(),
    })
}

/// What is searched for.
struct Search<'a> {
    store: &'a TaskStore,
    entry: &'a Entry,
}

/// What came of recovering a start.
enum Searched<P: Calls> {
    /// Its task is followed.
    Follow(Box<Run<P>>),
    /// It was searched for.
    Report(SearchReport),
}

impl Search<'_> {
    /// Finds out what became of the start.
    async fn search<P: Calls>(&self, connection: &Connection<P>) -> CliResult<Searched<P>> {
        let intent = || Some(self.entry.id.to_string());
        loop {
            let others = self.store.others(self.entry)?;
            let found = connection
                .client
                .recover_except(self.entry.snapshot.clone(), others);
            let found = connection.unless_interrupted(found).await?;
            match found.map_err(|error| connection.cli_error(&error).intent(intent()))? {
                Recovery::Follow(run) => return Ok(Searched::Follow(Box::new(run))),
                Recovery::Found(found) => {
                    if let Some(search) = SearchReport::of(found, self.store, self.entry)? {
                        return Ok(Searched::Report(search));
                    }
                }
                _ => {
                    let what = "this version does not know how to recover it";
                    let cli_error = CliError::new(Code::Internal, what);
                    return Err(cli_error.intent(intent()));
                }
            }
        }
    }
}

impl Plan {
    /// Claims the start, so that no other process recovers it meanwhile.
    fn claim<P: Calls>(&self, connection: &Connection<P>) -> CliResult<Claim> {
        let id = &self.entry.id;
        self.store.claim(id).map_err(|error| {
            if !error.is(Code::Claimed) {
                return error;
            }
            let again = connection.command(&format!("recover {id}"));
            error
                .without_next()
                .next("later", again, "once that one has ended")
        })
    }

    /// Follows a task, or waits until its name is known and prints it.
    async fn go_on<P: Calls>(
        self,
        connection: &Connection<P>,
        run: Run<P>,
        start_kind: StartKind,
    ) -> CliResult<Exit> {
        let known = self.entry.snapshot.task().map(|id| connection.task(id));
        let reporter = Arc::new(Reporter::new(connection, known, false).showing());
        if self.args.watch {
            reporter.watching();
        }
        let watched = self.how.setup(run, start_kind, reporter);
        let mut followed = watched.begin(connection).await?;
        if self.args.watch {
            return followed.finish(&self.how.to).await;
        }
        if let Some(task) = followed.until_known().await? {
            connection.tell_watch(&task);
        }
        run::name(connection, followed, "unknown").await
    }

    /// Tells the task that was found; it is adopted only when that was asked for.
    async fn found<P: Calls>(
        self,
        connection: &Connection<P>,
        search: &SearchReport,
        found: &Candidate,
        claim: Claim,
    ) -> CliResult<Exit> {
        let out = &connection.out;
        let task = connection.task(&found.id);
        let adopts = self.args.adopt.is_some() || self.args.watch;
        out.say(&format!("1 likely match: {task} ({})", told(found)));
        if let Some(known) = search.known() {
            out.say(&known);
        }
        let adopted = self.entry.snapshot.clone().adopting(found.id.clone());
        if adopts {
            // In the place of the start: from now on it is known here whose task this is.
            self.store.adopt(&adopted)?;
            out.say(&format!("adopted: {} is {task}", self.entry.id));
        }
        drop(claim);
        if self.args.watch {
            let run = connection.client.recover(adopted).await;
            let Recovery::Follow(run) = run.map_err(|error| connection.cli_error(&error))? else {
                let what = "this version does not know how to follow it";
                return Err(CliError::new(Code::Internal, what).task(&task));
            };
            let reporter = Arc::new(Reporter::new(connection, Some(task), false).showing());
            reporter.watching();
            let watched = self.how.setup(run, StartKind::Watch, reporter);
            return watched.begin(connection).await?.finish(&self.how.to).await;
        }
        if out.is_json() {
            let status = found
                .status
                .as_ref()
                .map_or("unknown", |status| status.as_str());
            let mut fields = about(found);
            fields.insert("intent_id".to_owned(), self.entry.id.as_str().into());
            fields.insert("adopted".to_owned(), adopts.into());
            out.line(search.line());
            out.line(result_line(&task, status, fields));
            return Ok(Exit::Ok);
        }
        connection.tell_watch(&task);
        if !adopts {
            let adopt = connection.command(&format!("recover {} --adopt", self.entry.id));
            out.say(&format!(
                "adopt:  {adopt}  (so that it is not asked about again)"
            ));
        }
        out.print(&format!("{task}\n"))?;
        Ok(Exit::Ok)
    }

    /// What is said when it is still not known which task it is, if any.
    fn unresolved(&self, search: &SearchReport, what: String) -> CliError {
        let error = CliError::new(Code::OutcomeUnknown, what);
        error
            .whys(search.extent())
            .intent(Some(self.entry.id.to_string()))
    }

    fn forget(&self) -> Hint {
        let forget = format!("recover {} --forget", self.entry.id);
        ("forget", forget, "once its outcome is known")
    }

    /// Nothing was found.
    fn none<P: Calls>(&self, connection: &Connection<P>, search: &SearchReport) -> CliError {
        if connection.out.is_json() {
            connection.out.line(search.line());
        }
        let error = if search.is_whole() {
            let what = "no task of this start was found: it was probably never made";
            self.unresolved(search, what.to_owned())
                .why("A start that is still under way may yet create one. To start it again, run its command with --force-new.")
        } else {
            let what = "no task of this start was found, but it may be one that was not searched";
            let error = self.unresolved(search, what.to_owned());
            connection.hints(error, self.list(search))
        };
        let again = format!("recover {}", self.entry.id);
        let again = ("again", again, "searches once more");
        connection.hints(error, [again, self.forget()])
    }

    /// The list of what was not searched.
    fn list(&self, search: &SearchReport) -> Option<Hint> {
        let criteria = self.entry.snapshot.match_criteria()?;
        let (agent, since) = (quote(criteria.agent.as_deref()?), search.since());
        let most = search.seen().max(1);
        let list = format!("ls --agent {agent} --since {since} --limit {most}");
        Some(("see", list, ""))
    }

    /// Several may be it, or it is not sure that it is this one: a human decides.
    fn tell_several<P: Calls>(
        &self,
        connection: &Connection<P>,
        search: &SearchReport,
    ) -> CliResult<CliError> {
        let out = &connection.out;
        let name = |found: &Candidate| connection.task(&found.id);
        let mut more = 0;
        if out.is_json() {
            for found in search.candidates() {
                out.line(candidate(&name(found), found));
            }
            out.line(search.line());
            out.check()?;
        } else {
            let (rows, left) = search.rows(name);
            more = left;
            let head = ["task", "status", "created", "said", "title"];
            out.print(&table::render(&head, &rows, out.is_for_people()))?;
        }
        let mut error = self.unresolved(search, search.how_many());
        if more > 0 {
            error = error.why(format!("{more} more are not shown; --json has them all."));
        }
        let first = name(&search.candidates()[0]);
        let adopt = format!("recover {} --adopt={}", self.entry.id, first.quoted());
        let hints = [
            ("see", P::conversation(&first), ""),
            ("adopt", adopt, "if it is that one"),
            self.forget(),
        ];
        let what = "Look at what was said in each of them, and adopt the one that it is.";
        Ok(connection.hints(error.why(what), hints))
    }
}
