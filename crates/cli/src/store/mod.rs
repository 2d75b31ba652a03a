//! What is remembered here of tasks, so that no crash loses one: each start before it leaves, each id before it is told.

mod place;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward::core::{IntentId, Journal};
use taskward::error::BoxError;
use taskward::journal::{Claim, Damage, Entry, EntryId, JournalError, Listing, SqliteJournal};
use taskward::question::QuestionId;
use taskward::{Error, Snapshot, TaskId};

use self::place::temporary_folder;
pub(crate) use self::place::{DEFAULT_STATE, FILE, HOME, state_folder};
use crate::codes::Code;
use crate::command_line;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::out::Out;
use crate::platform::Platform as _;
use crate::registry::{ProviderName, on_platform};
use crate::shown::{self, Log};
use crate::task_ref::TaskRef;

/// What nobody needs any more is forgotten after this time, beyond so many of the newest.
const KEEP: (Duration, usize) = (Duration::from_secs(30 * 86_400), 500);

/// It is looked for so often.
const PRUNE_PAUSE: Duration = Duration::from_secs(86_400);

/// How long nobody else answers a task after something was said to it: whoever saw its question still open before that
/// would answer it once more.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Whether this process has told that it waits for another one.
static WAITED: AtomicBool = AtomicBool::new(false);

/// Whether this process has told that a part of the journal cannot be read.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// A start that was made before, and may have been of the same work: its outcome is unknown.
pub(crate) enum Twin {
    /// It was.
    Open(Box<Entry>),
    /// Nobody knows what it was of: nothing of it can be read.
    Unreadable(EntryId, Damage),
}

/// A start of which nothing can be read, and why.
pub(crate) type Hidden = (EntryId, Damage);

/// The starts whose outcome is unknown.
pub(crate) struct OpenStarts {
    /// The one kept last first.
    pub(crate) entries: Vec<Entry>,
    /// Those that may be.
    pub(crate) hidden: Vec<Hidden>,
}

/// The journal of this user on this machine.
#[derive(Clone)]
pub(crate) struct TaskStore(Arc<Inner>);

struct Inner {
    journal: SqliteJournal,
    /// Its folder, which has the records of what was shown, too.
    folder: PathBuf,
    out: Arc<Out>,
    warned: AtomicBool,
    /// The tasks that this process says something to.
    speaking: Mutex<HashMap<EntryId, Speaking>>,
}

/// That nobody else says something to a task.
struct Speaking {
    _claim: Claim,
    /// Whether it is kept until the command says that it need not be.
    is_kept: bool,
    /// Whether what left is known to have arrived, or not to.
    is_over: bool,
}

impl Speaking {
    fn new(claim: Claim, is_kept: bool) -> Self {
        Self {
            _claim: claim,
            is_kept,
            is_over: false,
        }
    }
}

impl std::fmt::Debug for TaskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskStore")
            .field("folder", &self.0.folder)
            .finish_non_exhaustive()
    }
}

impl TaskStore {
    /// For a command that starts something: what cannot be kept is not started.
    pub(crate) fn for_start(cx: &Cx) -> CliResult<Option<Self>> {
        if cx.global.no_journal {
            cx.out.say("--no-journal: if the reply to the start is lost, recover knows nothing of it, and the same command again may start a second task");
            return Ok(None);
        }
        let store = Self::open_or_temporary(&cx.out).map_err(|why| unwritten(&why))?;
        Ok(Some(store))
    }

    /// Forgets what nobody needs any more, at most once a day: for a command that is done, so that nobody waits for it.
    pub(crate) fn prune(&self) {
        let pruned = self
            .0
            .journal
            .prune_at_most_every(PRUNE_PAUSE, KEEP.0, KEEP.1);
        // What cannot be pruned is there for longer.
        if pruned.is_ok_and(|removed| removed > 0) {
            shown::prune(&self.0.folder, KEEP.0);
        }
    }

    /// For a command that only follows: it goes on without.
    pub(crate) fn for_watch(cx: &Cx) -> Option<Self> {
        Self::or_without(cx, "watch --last will not know this task")
    }

    /// For a command that shows a question: without, it counts as not shown.
    pub(crate) fn for_showing(cx: &Cx) -> Option<Self> {
        let loss = "that the question was shown is not kept, and its answer needs --question";
        Self::or_without(cx, loss)
    }

    /// For a command that needs none; what is lost without is told.
    fn or_without(cx: &Cx, loss: &str) -> Option<Self> {
        let why = match cx.global.no_journal {
            true => "--no-journal".to_owned(),
            false => match Self::open_or_temporary(&cx.out) {
                Ok(store) => return Some(store),
                Err(why) => format!("warning: {why}"),
            },
        };
        cx.out.say(&format!("{why}: {loss}"));
        None
    }

    /// Whether anything is known here of this task of this server.
    pub(crate) fn knows(&self, task: &TaskRef, origin: &str) -> bool {
        self.of_task(task, Some(origin))
            .is_ok_and(|found| !found.is_empty())
    }

    /// What is kept of a task, the one kept last first; `origin` names its server where that matters.
    fn of_task(&self, task: &TaskRef, origin: Option<&str>) -> Result<Vec<Entry>, JournalError> {
        let mut entries = self.told(self.0.journal.of_task(task.id())?).entries;
        entries.retain(|entry| {
            origin.is_none_or(|origin| entry.snapshot.origin() == Some(origin))
                && task_of(entry).as_ref() == Some(task)
        });
        Ok(entries)
    }

    /// For a command about what is remembered.
    pub(crate) fn open(cx: &Cx) -> CliResult<Self> {
        if cx.global.no_journal {
            let what = "nothing can be found with --no-journal";
            return Err(CliError::new(Code::Usage, what).why("Nothing was sent."));
        }
        Self::open_or_temporary(&cx.out).map_err(|why| unread(&why))
    }

    /// For a command that needs none: what there is.
    pub(crate) fn existing(cx: &Cx) -> Option<Self> {
        let folder = state_folder()?;
        if cx.global.no_journal || !folder.is_dir() {
            return None;
        }
        match Self::in_folder(&folder, &cx.out) {
            Ok(store) => Some(store),
            Err(error) => {
                cx.out.say(&format!(
                    "warning: {error}: what was started here may be missing"
                ));
                None
            }
        }
    }

    /// The journal in this folder.
    #[cfg(test)]
    pub(crate) fn at(folder: &Path, out: &Arc<Out>) -> Self {
        Self::in_folder(folder, out).expect("a folder")
    }

    /// The journal in this folder, made when it is not there. One that cannot be written is opened to be read.
    fn in_folder(folder: &Path, out: &Arc<Out>) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let journal = SqliteJournal::open_reporting_waits(&path, waiting(out));
        let journal = match journal {
            Ok(journal) => {
                // Earlier versions stored tasks in files.
                journal.take_over(folder)?;
                journal
            }
            Err(error) => SqliteJournal::open_to_read(&path).map_err(|_| error)?,
        };
        Ok(Self(Arc::new(Inner {
            journal,
            folder: folder.to_owned(),
            out: out.clone(),
            warned: AtomicBool::new(false),
            speaking: Mutex::default(),
        })))
    }

    /// Where the system keeps such things, or else in a temporary folder.
    fn open_or_temporary(out: &Arc<Out>) -> Result<Self, String> {
        let why = match state_folder() {
            None => "there is no home folder".to_owned(),
            Some(folder) => match Self::in_folder(&folder, out) {
                Ok(store) => return Ok(store),
                // It may hold starts that must not be made again.
                Err(error) if fs::symlink_metadata(&folder).is_ok() => {
                    return Err(error.to_string());
                }
                Err(error) => error.to_string(),
            },
        };
        let folder = temporary_folder()?;
        out.say(&format!(
            "warning: {why}: tasks are kept in {} for now; XDG_STATE_HOME names a better place",
            folder.display()
        ));
        Self::in_folder(&folder, out).map_err(|error| error.to_string())
    }

    /// Those that were kept last, at most so many, the last one first. What cannot be read is told.
    pub(crate) fn recent(&self, most: usize) -> CliResult<Vec<Entry>> {
        let listing = self.0.journal.newest(most);
        let listing = listing.map_err(|e| unread(&e.to_string()))?;
        Ok(self.told(listing).entries)
    }

    /// The one kept last that is wanted.
    pub(crate) fn last(&self, wanted: impl Fn(&Entry) -> bool) -> CliResult<Option<Entry>> {
        let all = self.count()?;
        let mut most = 16;
        loop {
            // Mostly it is the first one.
            let found = self.recent(most)?.into_iter().find(&wanted);
            if found.is_some() || most >= all {
                return Ok(found);
            }
            most *= 16;
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> CliResult<usize> {
        self.0.journal.count().map_err(|e| unread(&e.to_string()))
    }

    /// The starts whose outcome is unknown.
    pub(crate) fn open_starts(&self) -> CliResult<OpenStarts> {
        let listing = self.0.journal.open_starts();
        let listing = listing.map_err(|e| unread(&e.to_string()))?;
        let Listing { entries, damage } = self.told(listing);
        Ok(OpenStarts {
            entries,
            hidden: starts(damage),
        })
    }

    /// Tells once that a part cannot be read.
    fn told(&self, listing: Listing) -> Listing {
        if let [first, rest @ ..] = listing.damage.as_slice()
            && !IS_TOLD.swap(true, Ordering::Relaxed)
        {
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let out = &self.0.out;
            out.say(&format!(
                "warning: part of the journal cannot be read and is kept unchanged: {first}{more}"
            ));
        }
        listing
    }

    /// The entry of this name, or of the one name that begins so.
    pub(crate) fn find(&self, name: &str) -> CliResult<Entry> {
        self.0.journal.find(name).map_err(|error| {
            let what = match &error {
                JournalError::NoEntry(_) => {
                    format!("no start named {name:?} is known on this machine")
                }
                JournalError::Ambiguous(_) => {
                    format!("several starts have names that begin with {name:?}")
                }
                JournalError::Damaged(
                    damage @ Damage {
                        entry: Some(id), ..
                    },
                ) => {
                    let what = format!("the journal entry of {id} cannot be read");
                    return CliError::new(Code::OutcomeUnknown, what)
                        .why(format!("{damage}."))
                        .why("It may have created a task. Nothing was sent.")
                        .next("forget", forget(id), NO_LONGER_OPEN)
                        .intent(Some(id.to_string()));
                }
                _ => return unread(&error.to_string()),
            };
            CliError::input(what)
                .why(format!(
                    "The journal is {}.",
                    self.0.journal.path().display()
                ))
                .next(
                    "see",
                    "taskward ls --local",
                    "every task known on this machine",
                )
        })
    }

    /// The entry of this name, when nothing of it can be read.
    pub(crate) fn damaged(&self, name: &str) -> Option<EntryId> {
        match self.0.journal.find(name) {
            Err(JournalError::Damaged(damage)) => damage.entry,
            _ => None,
        }
    }

    /// The tasks of this id that were started here, each with its start, the one kept last first.
    pub(crate) fn started(&self, id: &TaskId) -> CliResult<Vec<(TaskRef, Entry)>> {
        let found = self.0.journal.of_task(id);
        let found = self.told(found.map_err(|e| unread(&e.to_string()))?);
        let of_task = found.entries.into_iter().filter_map(|entry| {
            let task = task_of(&entry)?;
            entry.id.is_start().then_some((task, entry))
        });
        Ok(of_task.collect())
    }

    /// Lets nobody else recover this start at the same time.
    pub(crate) fn claim(&self, id: &EntryId) -> CliResult<Claim> {
        let claim = self.0.journal.claim(id);
        claim.map_err(|error| claimed_or(&error, unread))
    }

    /// Keeps a task.
    pub(crate) fn keep(&self, snapshot: &Snapshot) -> CliResult<()> {
        let kept = self.0.journal.record(snapshot);
        kept.map_err(|error| unread(&error.to_string()))
    }

    /// Keeps a start with the task that it is said to have created, unless another start has that task.
    pub(crate) fn adopt(&self, adopted: &Snapshot) -> CliResult<()> {
        self.0.journal.adopt(adopted).map_err(|error| match &error {
            JournalError::TaskOfAnother(other) => {
                let what = format!("the task is already known as that of another start, {other}");
                CliError::input(what).why("Nothing was adopted.")
            }
            _ => unread(&error.to_string()),
        })
    }

    /// Forgets a start.
    pub(crate) fn forget(&self, id: &EntryId) -> CliResult<()> {
        let removed = self.0.journal.remove(id);
        removed.map_err(|error| claimed_or(&error, unread))
    }

    /// A start that may have been of the same work, whose outcome is unknown, and that no process is making
    /// now for the first time.
    pub(crate) fn twin(&self, start: &Snapshot) -> CliResult<Option<Twin>> {
        let listing = self.0.journal.open_starts();
        let listing = self.told(listing.map_err(|e| unwritten(&e.to_string()))?);
        for entry in listing.entries {
            if is_same_work(&entry.snapshot, start) && self.is_left(&entry)? {
                return Ok(Some(Twin::Open(Box::new(entry))));
            }
        }
        for (id, damage) in starts(listing.damage) {
            match self.0.journal.claim(&id) {
                // It was written by another version, which is at work on it.
                Err(JournalError::Claimed(id)) if self.0.journal.is_being_made(&id) => {}
                _ => return Ok(Some(Twin::Unreadable(id, damage))),
            }
        }
        Ok(None)
    }

    /// The tasks of the other starts on the server of this one, as they are known now.
    pub(crate) fn others(&self, start: &Entry) -> CliResult<Vec<TaskId>> {
        let snapshot = &start.snapshot;
        let origin = snapshot.origin().unwrap_or_default();
        let tasks = self.0.journal.started_on(snapshot.provider(), origin);
        let mut tasks = tasks.map_err(|e| unread(&e.to_string()))?;
        tasks.retain(|task| snapshot.task() != Some(task));
        Ok(tasks)
    }

    /// A start on the server of this one that another process is making right now, and whose task nobody could tell from
    /// its own.
    pub(crate) fn rival(&self, start: &Entry) -> CliResult<Option<EntryId>> {
        let journal = &self.0.journal;
        let open = self.open_starts()?.entries;
        let rival = open
            .into_iter()
            .map(|entry| (entry.id, entry.snapshot))
            .find(|(id, other)| {
                *id != start.id
                    && (other.provider(), other.origin())
                        == (start.snapshot.provider(), start.snapshot.origin())
                    && other.match_criteria() == start.snapshot.match_criteria()
                    && matches!(journal.claim(id), Err(JournalError::Claimed(_)))
                    && journal.is_being_made(id)
            });
        Ok(rival.map(|(id, _)| id))
    }

    /// A task of this server that was sent something from here whose outcome is unknown: nothing else may be sent before
    /// that was reconciled.
    pub(crate) fn unconfirmed(&self, task: &TaskRef, origin: &str) -> Option<Snapshot> {
        let newest = self.newest(task, origin)?;
        newest.unconfirmed_write().is_some().then_some(newest)
    }

    /// What was kept last of a task of this server.
    pub(crate) fn newest(&self, task: &TaskRef, origin: &str) -> Option<Snapshot> {
        let found = self.of_task(task, Some(origin)).unwrap_or_else(|error| {
            self.0.out.say(&format!(
                "warning: {error}: something that was sent from here may be under way"
            ));
            Vec::new()
        });
        found.into_iter().next().map(|newest| newest.snapshot)
    }

    /// What was kept last of this task, on whatever server.
    pub(crate) fn kept(&self, task: &TaskRef) -> Option<Snapshot> {
        let found = self.of_task(task, None).unwrap_or_default();
        found.into_iter().next().map(|newest| newest.snapshot)
    }

    /// The record of which questions of a task of this server were shown and answered here.
    pub(crate) fn log(&self, task: &TaskRef, origin: &str) -> Log {
        Log::of(&self.0.folder, task, origin)
    }

    /// The other task of which a question has this id, as far as it is known here.
    pub(crate) fn other_task(&self, task: &TaskRef, question: &QuestionId) -> Option<String> {
        shown::other_task(&self.0.folder, task, question)
    }

    /// Lets nobody else say something to this task of this server until [`spoken`](Self::spoken). Where that cannot be
    /// had, it is told, and is no reason to say nothing.
    pub(crate) fn speak(&self, task: &TaskRef, origin: &str) -> CliResult<()> {
        let id = EntryId::of_task(task.provider().as_str(), origin, task.id());
        match self.0.journal.claim(&id) {
            Ok(claim) => {
                self.speaking().insert(id, Speaking::new(claim, true));
                Ok(())
            }
            Err(error @ JournalError::Claimed(_)) => Err(broken(&error).task(task)),
            Err(error) => {
                self.0.out.say(&format!(
                    "warning: {error}: another process may be answering this task"
                ));
                Ok(())
            }
        }
    }

    /// What was to be said to this task was said.
    pub(crate) fn spoken(&self, task: &TaskRef, origin: &str) {
        let id = EntryId::of_task(task.provider().as_str(), origin, task.id());
        self.speaking().remove(&id);
    }

    /// Lets nobody else say something to a task while something leaves to it, nor right afterwards.
    fn speak_by(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let Some((origin, task)) = snapshot.origin().zip(snapshot.task()) else {
            return Ok(());
        };
        let id = EntryId::of_task(snapshot.provider(), origin, task);
        let mut speaking = self.speaking();
        match (snapshot.leaves_unkeyed(), speaking.get_mut(&id)) {
            (true, Some(one)) => one.is_over = false,
            (true, None) => match self.0.journal.claim(&id) {
                Ok(claim) => drop(speaking.insert(id, Speaking::new(claim, false))),
                Err(error @ JournalError::Claimed(_)) => return Err(error),
                // What else is wrong with the journal is told when the task is kept.
                Err(_) => {}
            },
            (false, Some(one)) if !one.is_kept && !one.is_over => {
                one.is_over = true;
                self.release_later(id);
            }
            (false, _) => {}
        }
        Ok(())
    }

    fn release_later(&self, id: EntryId) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let store = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(SETTLE_TIME).await;
            let mut speaking = store.speaking();
            if speaking.get(&id).is_some_and(|one| one.is_over) {
                speaking.remove(&id);
            }
        });
    }

    fn speaking(&self) -> MutexGuard<'_, HashMap<EntryId, Speaking>> {
        // Plain data: nothing is left half-written by a panic.
        let speaking = self.0.speaking.lock();
        speaking.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a start that was open still is, and no process makes it for the first time.
    fn is_left(&self, entry: &Entry) -> CliResult<bool> {
        let journal = &self.0.journal;
        // Once it is claimed, nothing changes any more.
        let _claim = match journal.claim(&entry.id) {
            Ok(claim) => claim,
            // The search for its task has not found it.
            Err(JournalError::Claimed(id)) => return Ok(!journal.is_being_made(&id)),
            Err(error) => return Err(unwritten(&error.to_string())),
        };
        match journal.find(entry.id.as_str()) {
            Ok(entry) => Ok(entry.is_open()),
            Err(JournalError::NoEntry(_)) => Ok(false),
            Err(error) => Err(unwritten(&error.to_string())),
        }
    }
}

impl Journal for TaskStore {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        self.speak_by(snapshot)?;
        match self.0.journal.record(snapshot) {
            // Nobody would know that it was sent.
            Err(error) if snapshot.is_unknown() && !snapshot.is_ended() => Err(error),
            Err(error) => {
                if !self.0.warned.swap(true, Ordering::Relaxed) {
                    self.0.out.say(&format!(
                        "warning: {error}: what happens to the task is not kept"
                    ));
                }
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn stored(&self, start: &IntentId) -> Result<Option<Snapshot>, BoxError> {
        self.0.journal.stored(start)
    }
}

/// Whether two starts send the same to the same server. Under keys no two requests are the same, and their jobs are
/// compared.
fn is_same_work(one: &Snapshot, other: &Snapshot) -> bool {
    let is_same_request = one.digest().is_some() && one.digest() == other.digest();
    let is_same_job = one.is_repeatable()
        && one.match_criteria().is_some()
        && one.match_criteria() == other.match_criteria();
    (one.provider(), one.origin()) == (other.provider(), other.origin())
        && (is_same_request || is_same_job || says_the_same(one, other))
}

/// Whether two starts that have ids of their own say the same to the same agent: their requests differ in these ids.
fn says_the_same(one: &Snapshot, other: &Snapshot) -> bool {
    let words = |start: &Snapshot| {
        let criteria = start.match_criteria()?;
        let has_id = criteria.reference.is_some();
        has_id.then(|| (criteria.agent.clone(), criteria.digest.clone()))
    };
    let agent = |start: &Snapshot| {
        let provider = ProviderName::named(start.provider())?;
        on_platform!(provider, P => P::agent_of(start))
    };
    words(one).is_some() && words(one) == words(other) && agent(one) == agent(other)
}

/// The task of an entry, once it is known.
pub(crate) fn task_of(entry: &Entry) -> Option<TaskRef> {
    let provider = ProviderName::named(entry.snapshot.provider())?;
    let id: TaskId = entry.snapshot.task()?.clone();
    let agent = on_platform!(provider, P => P::agent_of(&entry.snapshot));
    Some(TaskRef::new(provider, agent, id))
}

/// Tells once that another process is waited for.
fn waiting(out: &Arc<Out>) -> impl Fn(&Path) + Send + Sync + 'static {
    let out = out.clone();
    move |path| {
        if !WAITED.swap(true, Ordering::Relaxed) {
            out.say(&format!(
                "waiting for another process that writes to {}",
                path.display()
            ));
        }
    }
}

/// The end that an error of the journal means, when it is one.
pub(crate) fn cli_error(error: &Error) -> Option<CliError> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<JournalError>().map(broken)
}

fn broken(error: &JournalError) -> CliError {
    claimed_or(error, unwritten)
}

fn claimed_or(error: &JournalError, or: fn(&str) -> CliError) -> CliError {
    match error {
        JournalError::Claimed(id) if !id.is_start() => {
            let what = "another process is answering this task";
            let note = "once that one has ended, if it is still meant";
            CliError::new(Code::Claimed, what)
                .why("Nothing was sent.")
                .next("later", command_line::as_given(), note)
        }
        JournalError::Claimed(id) => {
            let what = format!("another process is at work on {id}");
            CliError::new(Code::Claimed, what)
                .why("It starts the task, or finds out what became of it. Nothing was sent.")
                .next(
                    "later",
                    format!("taskward recover {id}"),
                    "once that one has ended",
                )
        }
        _ => or(&error.to_string()),
    }
}

/// The starts that damage hides, each with the first of it.
fn starts(damage: Vec<Damage>) -> Vec<Hidden> {
    let mut hidden: Vec<Hidden> = Vec::new();
    for damage in damage {
        let Some(id) = damage.entry.clone().filter(EntryId::is_start) else {
            continue;
        };
        if hidden.iter().all(|(known, _)| *known != id) {
            hidden.push((id, damage));
        }
    }
    hidden
}

/// The command that removes what is kept of a start, readable or not.
pub(crate) fn forget(id: &EntryId) -> String {
    format!("taskward recover {id} --forget")
}

/// When that may be done to what cannot be read.
pub(crate) const NO_LONGER_OPEN: &str = "once its outcome is known";

fn unwritten(why: &str) -> CliError {
    let what = "the start cannot be saved in the journal, so it was not sent";
    CliError::new(Code::Journal, what)
        .why(why)
        .why("If its reply were lost, the task could not be recovered.")
        .next(
            "or",
            command_line::with("run", "--no-journal"),
            "starts it anyway",
        )
}

fn unread(why: &str) -> CliError {
    CliError::new(Code::Journal, "the journal cannot be used").why(why)
}
