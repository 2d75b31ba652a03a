//! The record of which questions of a task were shown here, and answered: whether an answer may go to a question that
//! nobody named.
//!
//! A file in the journal's folder for each task, a line for each thing that happened. Lines are only ever added, under
//! the file's lock; their order is what counts, not the clocks that they were written by.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use taskward::Question;
use taskward::core::Safety;
use taskward::journal::EntryId;
use taskward::question::{Answered, QuestionId};

use crate::task_ref::TaskRef;

/// The version of a line that is written.
const VERSION: u64 = 1;

/// What the names of the files end in.
const KIND: &str = "shown";

/// How long the lock of a file is waited for: whoever holds it writes one line.
const WAIT: Duration = Duration::from_secs(2);

/// How often the lock is tried meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

/// One thing that happened to a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happened {
    /// It was shown to whoever reads the output.
    Shown(QuestionId),
    /// An answer to it is about to leave.
    Answering(QuestionId, Value),
    /// What became of the answer that left last.
    Answered(QuestionId, Answered),
    /// The question of the first id, which stood in for it, has turned out to be the one of the second.
    Identified(QuestionId, QuestionId),
    /// A line that this version cannot read. It may have been any of these.
    Unreadable,
}

/// The command that answers a question which nobody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnsweringCommand {
    Approve,
    Reject,
    Input,
    Reply,
}

impl AnsweringCommand {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Input => "input",
            Self::Reply => "reply",
        }
    }

    /// Whether it answers only the first question of a task that this machine answers. Approvals resemble each other: the same
    /// words given to the next one would approve what nobody meant.
    fn is_for_the_first(self) -> bool {
        match self {
            Self::Approve | Self::Reject | Self::Input => true,
            Self::Reply => false,
        }
    }
}

/// Whether a question may be answered by a command that does not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// It was shown, and nothing was answered since.
    Allowed,
    /// It is known by a stand-in only: what it asks is unknown.
    StandIn,
    /// Another question of the task was answered from here before.
    Later,
    /// It was not shown here before this process began, or not since the last answer from here.
    NotShown,
}

/// What is known of the last answer that was given here to a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// None was.
    Nothing,
    /// It was applied.
    Applied(Value),
    /// It may or may not have been.
    Unconfirmed(Value),
}

/// What happened to the questions of a task, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    happened: Vec<Happened>,
    /// How much of it there was when this process began: what was shown later does not count.
    began: usize,
    /// The stand-ins, each with the question that it stood in for.
    identified: Vec<(QuestionId, QuestionId)>,
}

impl Record {
    /// Of what happened, the first so many before this process began.
    fn of(happened: Vec<Happened>, began: usize) -> Self {
        let mut identified: Vec<(QuestionId, QuestionId)> = Vec::new();
        for one in &happened {
            if let Happened::Identified(stand_in, real) = one
                && identified.iter().all(|(known, _)| known != stand_in)
            {
                identified.push((stand_in.clone(), real.clone()));
            }
        }
        Self {
            happened,
            began,
            identified,
        }
    }

    /// Whether this command may answer this question without its name.
    pub(crate) fn unnamed(&self, question: &Question, command: AnsweringCommand) -> Unnamed {
        if question.stand_in {
            return Unnamed::StandIn;
        }
        let answered = self.answered();
        let is_other = |id: &Option<&QuestionId>| id.is_none_or(|id| *id != question.id);
        if command.is_for_the_first() && answered.iter().any(|(_, id)| is_other(id)) {
            return Unnamed::Later;
        }
        let since = answered.last().map_or(0, |(at, _)| at + 1);
        let before = self.happened.get(since..self.began).unwrap_or_default();
        let is_shown =
            |one: &Happened| matches!(one, Happened::Shown(id) if self.is(id, &question.id));
        match before.iter().any(is_shown) {
            true => Unnamed::Allowed,
            false => Unnamed::NotShown,
        }
    }

    /// The answers that were applied, or may have been: where they stand, and to which question. Of a line that cannot be
    /// read nobody knows.
    fn answered(&self) -> Vec<(usize, Option<&QuestionId>)> {
        let mut answered: Vec<(usize, Option<&QuestionId>)> = Vec::new();
        for (at, one) in self.happened.iter().enumerate() {
            match one {
                Happened::Answering(id, _) => answered.push((at, Some(id))),
                Happened::Unreadable => answered.push((at, None)),
                // That one was not taken: it is as if it had not been given.
                Happened::Answered(id, how) if !counts(*how) => {
                    if let Some(last) = answered.iter().rposition(|(_, of)| *of == Some(id)) {
                        answered.remove(last);
                    }
                }
                Happened::Answered(..) | Happened::Shown(_) | Happened::Identified(..) => {}
            }
        }
        answered
    }

    /// What is known of the answers from here to this question. One that was not taken leaves in doubt whichever was
    /// before it; but where the same answer leaves under the same key, a server that refuses it has not taken it before
    /// either.
    pub(crate) fn known(&self, question: &QuestionId, safety: Safety) -> Known {
        let mut unconfirmed = Vec::new();
        for one in &self.happened {
            match one {
                Happened::Answering(id, answer) if self.is(id, question) => {
                    unconfirmed.push(answer)
                }
                Happened::Answered(id, how) if self.is(id, question) => match how {
                    // Where one was applied no later one can be.
                    Answered::Applied => {
                        if let Some(answer) = unconfirmed.pop() {
                            return Known::Applied(answer.clone());
                        }
                    }
                    Answered::Refused if safety == Safety::Keyed => {
                        let refused = unconfirmed.pop();
                        unconfirmed.retain(|answer| Some(*answer) != refused);
                    }
                    how if !counts(*how) => drop(unconfirmed.pop()),
                    _ => {}
                },
                _ => {}
            }
        }
        match unconfirmed.pop() {
            Some(answer) => Known::Unconfirmed(answer.clone()),
            None => Known::Nothing,
        }
    }

    /// The questions of whose last answer from here it is not known whether it was applied, each with that answer.
    pub(crate) fn unconfirmed(&self, safety: Safety) -> impl Iterator<Item = (&QuestionId, Value)> {
        let mut questions: Vec<&QuestionId> = Vec::new();
        for one in &self.happened {
            if let Happened::Answering(id, _) = one
                && !questions.contains(&id)
            {
                questions.push(id);
            }
        }
        questions
            .into_iter()
            .filter_map(move |id| match self.known(id, safety) {
                Known::Unconfirmed(said) => Some((id, said)),
                Known::Nothing | Known::Applied(_) => None,
            })
    }

    /// Whether another question was shown since this one was last answered.
    pub(crate) fn has_shown_another_since(&self, question: &QuestionId) -> bool {
        let answering =
            |one: &Happened| matches!(one, Happened::Answering(id, _) if id == question);
        let since = self.happened.iter().rposition(answering).unwrap_or(0);
        let later = self.happened.get(since..self.began).unwrap_or_default();
        let is_other = |one: &Happened| matches!(one, Happened::Shown(id) if id != question);
        later.iter().any(is_other)
    }

    /// Whether this question was shown since the last answer from here: showing it again adds nothing.
    pub(crate) fn has_shown(&self, question: &QuestionId) -> bool {
        let since = self.answered().last().map_or(0, |(at, _)| at + 1);
        let later = self.happened.get(since..).unwrap_or_default();
        let is_it = |one: &Happened| matches!(one, Happened::Shown(id) if id == question);
        later.iter().any(is_it)
    }

    /// Whether anything happened here to this question.
    pub(crate) fn mentions(&self, question: &QuestionId) -> bool {
        self.happened.iter().any(|one| match one {
            Happened::Shown(id) | Happened::Answering(id, _) | Happened::Answered(id, _) => {
                self.is(id, question)
            }
            Happened::Identified(stand_in, id) => stand_in == question || id == question,
            Happened::Unreadable => false,
        })
    }

    /// Whether both ids name one question: the same, or one that once stood in for it.
    pub(crate) fn is(&self, one: &QuestionId, other: &QuestionId) -> bool {
        self.real(one) == self.real(other)
    }

    /// All that the question of this id is known by.
    pub(crate) fn names<'a>(&'a self, id: &'a QuestionId) -> impl Iterator<Item = &'a QuestionId> {
        let real = self.real(id);
        let stand_ins = self.identified.iter().filter(move |(_, of)| of == real);
        [id, real]
            .into_iter()
            .chain(stand_ins.map(|(name, _)| name))
    }

    /// The question that this id stood in for, where that is known.
    fn real<'a>(&'a self, id: &'a QuestionId) -> &'a QuestionId {
        // They are few, and what happened may be much: each line is compared by this.
        let mut identified = self.identified.iter();
        let found = identified.find(|(stand_in, _)| stand_in == id);
        found.map_or(id, |(_, real)| real)
    }

    /// The same with what has happened since, which does not count as shown before this process began.
    pub(crate) fn followed_by(self, now: Self) -> Self {
        Self {
            began: self.began,
            ..now
        }
    }
}

/// Whether an answer with this outcome may have been taken.
fn counts(how: Answered) -> bool {
    !matches!(
        how,
        Answered::Gone(_) | Answered::Refused | Answered::NotSent
    )
}

/// The file of a task's record.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    path: PathBuf,
    task: String,
}

impl Log {
    /// Of this task of this server, in the journal's folder.
    pub(crate) fn of(folder: &Path, task: &TaskRef, origin: &str) -> Self {
        let id = EntryId::of_task(task.provider().as_str(), origin, task.id());
        Self {
            path: folder.join(format!("{id}.{KIND}")),
            task: task.to_string(),
        }
    }

    /// What happened until now. What cannot be read counts as nothing that was shown.
    pub(crate) fn read(&self) -> Record {
        let text = match bytes(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            // Nobody knows what it holds.
            Err(_) => b"?\n".to_vec(),
        };
        let happened: Vec<Happened> = lines(&text).map(read_line).collect();
        let began = happened.len();
        Record::of(happened, began)
    }

    /// Writes down that something happened; it is on disk when this returns.
    pub(crate) fn write(&self, happened: &Happened) -> io::Result<()> {
        let Some(mut line) = line(happened) else {
            return Ok(());
        };
        line["v"] = VERSION.into();
        line["task"] = self.task.as_str().into();
        line["at"] = now().into();
        let mut file = open(&self.path, options().read(true).append(true).create(true))?;
        lock(&file)?;
        let mut text = format!("{line}\n");
        if file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [b'\n'];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                // The line before was cut: it ends here.
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }
}

/// A question of a task that is about to be shown: until it was, nothing is written down.
#[derive(Clone, Debug)]
pub(crate) struct Showing {
    log: Log,
    question: QuestionId,
}

impl Showing {
    /// Of the task of this record.
    pub(crate) fn new(log: Log, question: QuestionId) -> Self {
        Self { log, question }
    }

    /// Saves that it was shown. Showing it again and again does not make the record grow.
    pub(crate) fn keep(&self) -> io::Result<()> {
        match self.log.read().has_shown(&self.question) {
            true => Ok(()),
            false => self.log.write(&Happened::Shown(self.question.clone())),
        }
    }
}

/// That a record cannot be written, in words.
pub(crate) fn unkept(error: &io::Error) -> String {
    format!(
        "warning: {error}: what was shown and answered here is not kept, and an answer needs --question"
    )
}

/// The other task of which a question has this id, as far as the records in this folder tell.
pub(crate) fn other_task(folder: &Path, task: &TaskRef, question: &QuestionId) -> Option<String> {
    let ours = task.to_string();
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let records = files.map(|file| file.path()).filter(|path| is_record(path));
    for path in records {
        let Ok(text) = bytes(&path) else { continue };
        let mut owner = None;
        for line in lines(&text) {
            let names = match read_line(line) {
                Happened::Shown(id)
                | Happened::Answering(id, _)
                | Happened::Answered(id, _)
                | Happened::Identified(_, id) => id == *question,
                Happened::Unreadable => false,
            };
            let named = names
                .then(|| serde_json::from_slice::<Value>(line).ok())
                .flatten();
            let task = named.and_then(|line| Some(line["task"].as_str()?.to_owned()));
            owner = owner.or(task);
        }
        match owner {
            // Ids of two servers may be the same.
            Some(owner) if owner == ours => return None,
            Some(owner) => return Some(owner),
            None => {}
        }
    }
    None
}

/// Forgets the records to which nothing was added for so long.
pub(crate) fn prune(folder: &Path, age: Duration) {
    let Ok(files) = fs::read_dir(folder) else {
        return;
    };
    for path in files.filter_map(|file| Some(file.ok()?.path())) {
        let changed = fs::metadata(&path).and_then(|found| found.modified());
        let is_old = changed.is_ok_and(|at| at.elapsed().is_ok_and(|for_long| for_long > age));
        if is_record(&path) && is_old {
            // One that stays is pruned another time.
            let _ = fs::remove_file(path);
        }
    }
}

fn is_record(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == KIND)
}

/// The lines of a file, without the empty ones that a cut leaves.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty())
}

fn line(happened: &Happened) -> Option<Value> {
    Some(match happened {
        Happened::Shown(id) => json!({ "shown": id }),
        Happened::Answering(id, answer) => json!({ "answering": id, "answer": answer }),
        Happened::Answered(id, how) => json!({ "answered": id, "how": how }),
        Happened::Identified(stand_in, id) => json!({ "identified": stand_in, "as": id }),
        Happened::Unreadable => return None,
    })
}

fn read_line(line: &[u8]) -> Happened {
    let read = || -> Option<Happened> {
        let line: Value = serde_json::from_slice(line).ok()?;
        if line["v"] != VERSION {
            return None;
        }
        let id = |name: &str| Some(QuestionId::new(line.get(name)?.as_str()?));
        if let Some(id) = id("shown") {
            return Some(Happened::Shown(id));
        }
        if let Some(id) = id("answering") {
            return Some(Happened::Answering(id, line.get("answer")?.clone()));
        }
        if let Some(answered) = id("answered") {
            let how = serde_json::from_value(line["how"].clone()).ok()?;
            return Some(Happened::Answered(answered, how));
        }
        Some(Happened::Identified(id("identified")?, id("as")?))
    };
    read().unwrap_or(Happened::Unreadable)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open(path, OpenOptions::new().read(true))?.read_to_end(&mut text)?;
    Ok(text)
}

/// Opens what is a file or nothing: a pipe would be waited for.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => options.open(path),
    }
}

/// Files that only their owner may read.
#[cfg(unix)]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Files as the folder has them, which is the user's own.
#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Lets nobody else write to the file until it is closed.
fn lock(file: &File) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < WAIT => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process keeps it locked"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// For whoever reads the file; nothing is decided by it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use taskward::nanonets::Nanonets;
    use taskward::question::{QuestionKind, WithdrawReason};

    use super::*;

    fn id(name: &str) -> QuestionId {
        QuestionId::new(name)
    }

    fn shown(name: &str) -> Happened {
        Happened::Shown(id(name))
    }

    fn answering(name: &str) -> Happened {
        Happened::Answering(id(name), json!("EUR"))
    }

    fn answered(name: &str, how: Answered) -> Happened {
        Happened::Answered(id(name), how)
    }

    fn question(name: &str) -> Question {
        Question::new(name, QuestionKind::Text, "Which?")
    }

    fn record(happened: &[Happened], began: usize) -> Record {
        Record::of(happened.to_vec(), began)
    }

    /// Rows: H21.
    #[test]
    fn a_question_is_answered_without_its_name_only_where_it_was_shown_since_the_last_answer() {
        use Answered::{Applied, NotSent, Refused, Unknown};
        let gone = Answered::Gone(WithdrawReason::TaskMovedOn);
        use Unnamed::{Allowed, Later, NotShown};
        let all = [
            // What happened, in order; then the verdict for a reply and for an approval of the question "b".
            (vec![], NotShown, NotShown),
            (vec![shown("b")], Allowed, Allowed),
            (vec![shown("a")], NotShown, NotShown),
            (vec![shown("a"), shown("b")], Allowed, Allowed),
            // Another one was answered since, or before.
            (vec![shown("b"), answering("a")], NotShown, Later),
            (
                vec![
                    shown("a"),
                    answering("a"),
                    answered("a", Applied),
                    shown("b"),
                ],
                Allowed,
                Later,
            ),
            (
                vec![
                    shown("a"),
                    answering("a"),
                    answered("a", Unknown),
                    shown("b"),
                ],
                Allowed,
                Later,
            ),
            // Its own answer may have arrived, and a killed process left no word of it.
            (vec![shown("b"), answering("b")], NotShown, NotShown),
            (
                vec![shown("b"), answering("b"), answered("b", Unknown)],
                NotShown,
                NotShown,
            ),
            // An answer that was not taken is none.
            (
                vec![shown("b"), answering("b"), answered("b", NotSent)],
                Allowed,
                Allowed,
            ),
            (
                vec![shown("b"), answering("b"), answered("b", Refused)],
                Allowed,
                Allowed,
            ),
            (
                vec![shown("a"), shown("b"), answering("a"), answered("a", gone)],
                Allowed,
                Allowed,
            ),
            (
                vec![
                    answering("b"),
                    answering("b"),
                    answered("b", NotSent),
                    shown("b"),
                ],
                Allowed,
                Allowed,
            ),
            // Whatever cannot be read may have been an answer.
            (vec![shown("b"), Happened::Unreadable], NotShown, Later),
            (vec![Happened::Unreadable, shown("b")], Allowed, Later),
        ];
        for (happened, reply, approve) in all {
            let record = record(&happened, happened.len());
            for (command, verdict) in [
                (AnsweringCommand::Reply, reply),
                (AnsweringCommand::Approve, approve),
                (AnsweringCommand::Reject, approve),
                (AnsweringCommand::Input, approve),
            ] {
                assert_eq!(
                    record.unnamed(&question("b"), command),
                    verdict,
                    "{command:?}: {happened:?}"
                );
            }
            let stand_in = question("b").as_stand_in();
            assert_eq!(
                record.unnamed(&stand_in, AnsweringCommand::Reply),
                Unnamed::StandIn
            );
        }
    }

    #[test]
    fn what_is_shown_while_this_process_runs_does_not_count() {
        let before = record(&[shown("a")], 1);
        let now = record(&[shown("a"), shown("b")], 2);
        let record = before.followed_by(now);
        assert_eq!(
            record.unnamed(&question("b"), AnsweringCommand::Reply),
            Unnamed::NotShown
        );
        assert_eq!(
            record.unnamed(&question("a"), AnsweringCommand::Reply),
            Unnamed::Allowed
        );
    }

    #[test]
    fn what_was_shown_under_a_stand_in_was_shown() {
        let identified = Happened::Identified(id("s"), id("b"));
        let record = record(&[shown("s"), identified, answering("s")], 2);
        assert!(record.is(&id("s"), &id("b")) && record.is(&id("b"), &id("s")));
        assert!(!record.is(&id("s"), &id("a")));
        let known = record.known(&id("b"), Safety::Once);
        assert_eq!(known, Known::Unconfirmed(json!("EUR")));
    }

    #[test]
    fn an_answer_is_known_to_be_applied_only_once_that_was_seen() {
        let (a, eur) = (id("a"), json!("EUR"));
        let unconfirmed = Known::Unconfirmed(eur.clone());
        for (happened, known) in [
            (vec![], Known::Nothing),
            (vec![shown("a")], Known::Nothing),
            (vec![answering("b")], Known::Nothing),
            (vec![answering("a")], unconfirmed.clone()),
            (
                vec![answering("a"), answered("a", Answered::Unknown)],
                unconfirmed,
            ),
            (
                vec![answering("a"), answered("a", Answered::Applied)],
                Known::Applied(eur.clone()),
            ),
            (
                vec![
                    answering("a"),
                    answered("a", Answered::Gone(WithdrawReason::TaskMovedOn)),
                ],
                Known::Nothing,
            ),
            // It was searched for, and found.
            (
                vec![
                    answering("a"),
                    answered("a", Answered::Unknown),
                    answered("a", Answered::Applied),
                ],
                Known::Applied(eur.clone()),
            ),
            (
                vec![
                    answering("a"),
                    answered("a", Answered::Applied),
                    Happened::Answering(id("a"), json!("USD")),
                    answered("a", Answered::Gone(WithdrawReason::TaskMovedOn)),
                ],
                Known::Applied(eur.clone()),
            ),
            // The one before may still have arrived.
            (
                vec![
                    answering("a"),
                    answered("a", Answered::Unknown),
                    Happened::Answering(id("a"), json!("USD")),
                    answered("a", Answered::Refused),
                ],
                Known::Unconfirmed(eur.clone()),
            ),
        ] {
            assert_eq!(
                record(&happened, 0).known(&a, Safety::Once),
                known,
                "{happened:?}"
            );
        }
        // The same, refused under the same key, was not taken the first time either.
        let twice = |how| {
            let unknown = answered("a", Answered::Unknown);
            let happened = [answering("a"), unknown, answering("a"), answered("a", how)];
            record(&happened, 0).known(&a, Safety::Keyed)
        };
        assert_eq!(twice(Answered::Refused), Known::Nothing);
        assert_eq!(twice(Answered::NotSent), Known::Unconfirmed(eur));
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_cut_line_is_no_sign_of_anything() {
        let folder = tempfile::tempdir().expect("a folder");
        let task = TaskRef::of::<Nanonets>("t".into());
        let log = Log::of(folder.path(), &task, "https://a");
        assert!(log.read().happened.is_empty());
        let all = [
            shown("a"),
            answering("a"),
            answered("a", Answered::Applied),
            Happened::Identified(id("s"), id("b")),
        ];
        for one in &all {
            log.write(one).expect("written");
        }
        assert_eq!(log.read().happened, all);
        assert_eq!(log.read().began, 4);
        let text = fs::read(&log.path).expect("a file");
        for cut in 1..text.len() {
            fs::write(&log.path, &text[..cut]).expect("written");
            log.write(&shown("z")).expect("written");
            let read = log.read().happened;
            assert_eq!(read.last(), Some(&shown("z")), "{cut}");
            let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(read[..whole], all[..whole], "{cut}");
        }
    }

    #[test]
    fn processes_that_write_at_once_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let task = TaskRef::of::<Nanonets>("t".into());
        let log = Log::of(folder.path(), &task, "https://a");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let log = log.clone();
                scope.spawn(move || {
                    for at in 0..20 {
                        let one = shown(&format!("{writer}-{at}"));
                        log.write(&one).expect("written");
                    }
                });
            }
        });
        let read = log.read().happened;
        assert_eq!(read.len(), 160);
        assert!(!read.contains(&Happened::Unreadable), "{read:?}");
    }

    #[test]
    fn the_task_of_a_question_is_known_where_it_was_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = ["t", "u"].map(|id| TaskRef::of::<Nanonets>(id.into()));
        let log = Log::of(folder.path(), &one, "https://a");
        log.write(&shown("q_1")).expect("written");
        let of = |task: &TaskRef, question: &str| other_task(folder.path(), task, &id(question));
        assert_eq!(of(&other, "q_1").as_deref(), Some("nanonets:t"));
        assert_eq!(of(&one, "q_1"), None);
        assert_eq!(of(&other, "q_2"), None);
    }
}
