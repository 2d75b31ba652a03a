//! What happens to a task, told as it happens: to people on stderr, to programs as JSON lines on stdout.

mod json;
mod known;
mod progress;
mod steps;
mod text;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use taskward::core::Journal as _;
use taskward::core::{Liveness, OutputPiece, RawEvent};
use taskward::event::{Status, WaitReason};
use taskward::question::QuestionId;
use taskward::{Answer, Event, Question, Snapshot};
use tokio::sync::watch;

use crate::agent_url::AgentUrl;
use crate::answers::form;
use crate::clock::{ProgramClock, long_ago, span};
use crate::codes::Code;
use crate::connection::Connection;
use crate::files::Seen;
use crate::out::Out;
use crate::platform::{Platform, Words};
use crate::registry::ProviderName;
use crate::shell::quote;
use crate::shown::{Happened, Showing, unkept};
use crate::store::TaskStore;
use crate::task_ref::TaskRef;
use known::Known;
use progress::{Progress, ProgressLine};

/// Silence after which a line says that the watch goes on, where no spinner turns.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A task without any progress for so long may be stuck: how long is told, and when the server was last heard.
const NO_PROGRESS: Duration = Duration::from_secs(120);

/// Tells the events of one task.
#[derive(Debug)]
pub(crate) struct Reporter {
    out: Arc<Out>,
    clock: ProgramClock,
    words: Words,
    provider: ProviderName,
    /// The agent whose tasks are followed, where the provider has many servers.
    agent: Option<AgentUrl>,
    /// Whether lines name their task: several are watched at once.
    named: bool,
    /// Whether the provider's own events are what was asked for: they go to stdout, each on a line.
    listing: bool,
    /// Whether nothing is told, only heard: somebody else tells how far each of many tasks is.
    silent: bool,
    /// Whether the provider's own events are not told, only heard.
    hushed: AtomicBool,
    /// What printed commands need to find the same key.
    flags: String,
    /// Where it is kept what was shown and answered, of the tasks of which server.
    records: Option<(TaskStore, String)>,
    /// Whether a question that is told counts as shown.
    shows: bool,
    /// Where reviews are decided, when that is a simulator's URL.
    dashboard: Option<String>,
    /// The files of the start, as they were when they were read.
    files: Vec<Seen>,
    state: Mutex<State>,
    /// The question that was identified last, after it had been told.
    identified: watch::Sender<Option<Question>>,
}

#[derive(Debug)]
struct State {
    task: Option<TaskRef>,
    known: Known,
    spoke: Instant,
    /// What was said before this command began, until it is known what became of it.
    earlier: Option<String>,
    /// The questions that were shown since the last answer.
    shown: Vec<QuestionId>,
    /// The names of the question that this command was given the answer to: no option answers it.
    named: Vec<QuestionId>,
    /// Whether it was told that what was shown cannot be kept.
    is_unkept: bool,
    /// Why nobody answered a question, when whoever was to failed.
    failed: Option<(QuestionId, String)>,
    /// What is kept of a task that was only named, once it was seen to exist.
    unseen: Option<Box<Snapshot>>,
    voice: ProgressLine,
}

impl State {
    fn new(task: Option<TaskRef>) -> Self {
        Self {
            task,
            known: Known::default(),
            spoke: Instant::now(),
            earlier: None,
            shown: Vec::new(),
            named: Vec::new(),
            is_unkept: false,
            failed: None,
            unseen: None,
            voice: ProgressLine::default(),
        }
    }

    /// The last status seen, as a word; `unread` of a task that exists and was not read yet.
    fn status_or(&self, unread: &str) -> String {
        match (&self.known.status, &self.task) {
            (Some(status), _) => status.to_string(),
            (None, Some(_)) => unread.to_owned(),
            (None, None) => "starting".to_owned(),
        }
    }
}

impl Reporter {
    /// Of a task that is named or about to be started; `named` when it is one of several.
    pub(crate) fn new<P: Platform>(
        connection: &Connection<P>,
        task: Option<TaskRef>,
        named: bool,
    ) -> Self {
        Self {
            out: connection.out.clone(),
            clock: connection.clock,
            words: Words::of::<P>(),
            provider: P::ID,
            agent: connection.agent().cloned(),
            named,
            listing: false,
            silent: false,
            hushed: AtomicBool::new(false),
            flags: connection.flags().to_owned(),
            records: connection.store.clone().zip(connection.origin()),
            shows: false,
            dashboard: None,
            files: Vec::new(),
            state: Mutex::new(State::new(task)),
            identified: watch::Sender::new(None),
        }
    }

    /// The provider's own events go to stdout.
    pub(crate) fn listing(mut self) -> Self {
        self.listing = true;
        self
    }

    /// Nothing of the task is told.
    pub(crate) fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Reviews are decided at the simulator of this URL.
    pub(crate) fn with_dashboard(mut self, url: Option<String>) -> Self {
        self.dashboard = url;
        self
    }

    /// The start sends these files.
    pub(crate) fn with_files(mut self, files: Vec<Seen>) -> Self {
        self.files = files;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task, once it is known.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        self.state().task.clone()
    }

    /// What its events have told so far.
    pub(crate) fn known(&self) -> Known {
        self.state().known.clone()
    }

    /// The last status seen, as a word.
    pub(crate) fn status(&self) -> String {
        self.state().status_or("unknown")
    }

    /// What is told of questions counts as shown.
    pub(crate) fn showing(mut self) -> Self {
        self.shows = true;
        self
    }

    /// An answer is about to leave; what becomes of it is told by an event.
    pub(crate) fn answering(&self, question: &QuestionId, answer: &Answer) {
        {
            let mut state = self.state();
            state.known.answering();
            state.shown.clear();
        }
        self.keep(&Happened::Answering(
            question.clone(),
            form::as_json(answer),
        ));
    }

    /// This command was given the answer to this question: no option answers it.
    pub(crate) fn name(&self, question: &QuestionId) {
        self.state().named.push(question.clone());
    }

    /// Whether this command was given the answer to this question.
    pub(crate) fn is_named(&self, question: &QuestionId) -> bool {
        self.state().named.contains(question)
    }

    /// Whoever was to answer this question failed.
    pub(crate) fn failed(&self, question: &QuestionId, why: String) {
        self.state().failed = Some((question.clone(), why));
    }

    /// What the command that is to answer a question says beside its answer, for programs.
    pub(crate) fn note_of_command(&self, question: &QuestionId, line: &str) {
        let fields = json!({ "question_id": question, "text": line });
        let note = json::note(self.task().as_ref(), Code::OnQuestion, fields);
        self.out.line(note);
    }

    /// Why whoever was to answer this question did not.
    pub(crate) fn failure(&self, question: &QuestionId) -> Option<String> {
        let state = self.state();
        let (_, why) = state.failed.as_ref().filter(|(id, _)| id == question)?;
        Some(why.clone())
    }

    /// A question was shown to whoever reads the output, as far as that is there.
    pub(crate) fn shown(&self, question: &Question) {
        if self.out.is_heard() {
            self.keep_shown(question);
        }
    }

    /// The same of one that was shown for certain.
    pub(crate) fn keep_shown(&self, question: &Question) {
        let Some(showing) = self.showing_of(question) else {
            return;
        };
        self.state().shown.push(question.id.clone());
        self.kept(&showing.keep());
    }

    /// A question that is about to be shown, where that counts and is not known yet.
    pub(crate) fn showing_of(&self, question: &Question) -> Option<Showing> {
        if !self.shows || self.state().shown.contains(&question.id) {
            return None;
        }
        let ((store, origin), task) = self.records.as_ref().zip(self.task())?;
        let log = store.log(&task, origin);
        Some(Showing::new(log, question.id.clone()))
    }

    /// A person confirmed a question that was shown just now, whatever else counts as shown here.
    pub(crate) fn confirmed(&self, question: &Question) {
        self.keep(&Happened::Shown(question.id.clone()));
    }

    /// Whether what happens to this question, which was shown before, can still be kept.
    pub(crate) fn is_kept(&self, question: &QuestionId) -> bool {
        self.keep(&Happened::Shown(question.clone()))
    }

    /// The question of the first id has turned out to be the one of the second.
    pub(crate) fn identified_as(&self, stand_in: &QuestionId, question: &QuestionId) {
        let identified = Happened::Identified(stand_in.clone(), question.clone());
        self.keep(&identified);
    }

    /// Keeps what happened to a question, and tells whether it is kept. Where that is not possible it counts as not shown.
    fn keep(&self, happened: &Happened) -> bool {
        let Some(((store, origin), task)) = self.records.as_ref().zip(self.task()) else {
            return false;
        };
        self.kept(&store.log(&task, origin).write(happened))
    }

    fn kept(&self, kept: &std::io::Result<()>) -> bool {
        if let Err(error) = kept
            && !std::mem::replace(&mut self.state().is_unkept, true)
        {
            self.out.say(&unkept(error));
        }
        kept.is_ok()
    }

    /// The next that becomes known of something said is of this, which was said before this command began.
    pub(crate) fn looking_for(&self, said: &str) {
        self.state().earlier = Some(said.to_owned());
    }

    /// From now on the provider's own events are not told, or told again.
    pub(crate) fn hush(&self, hushed: bool) {
        self.hushed.store(hushed, Ordering::Relaxed);
    }

    /// What the agent has said so far, as far as it stands.
    pub(crate) fn said(&self) -> Option<String> {
        self.state().voice.text().map(str::to_owned)
    }

    /// A span of the client's clock in the world's time.
    pub(crate) fn real(&self, span: Duration) -> Duration {
        self.clock.real(span)
    }

    /// What this question turns out to be about, when that is told later than the question.
    pub(crate) async fn identified(&self, question: &Question) -> Question {
        let mut news = self.identified.subscribe();
        let is_news = |told: &Option<Question>| {
            told.as_ref()
                .is_some_and(|told| told.id == question.id && told.kind != question.kind)
        };
        let told = news
            .wait_for(is_news)
            .await
            .ok()
            .and_then(|told| told.clone());
        match told {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }

    /// Tells that a task that exists is followed.
    pub(crate) fn watching(&self) {
        let Some(task) = self.task() else { return };
        remember(&task);
        if self.out.is_json() {
            self.out
                .line(json::note(Some(&task), Code::Watching, json!({})));
        }
        self.say(&format!("task {task}"));
    }

    /// Tells that a new task is about to be started, the same as this one.
    pub(crate) fn starting_like(&self, task: &TaskRef) {
        if self.out.is_json() {
            self.out.line(json::note(
                None,
                Code::StartingAgain,
                json!({ "like": task.to_string() }),
            ));
        }
        self.say(&format!(
            "starting a new task, the same as {task}; it is billed like any other"
        ));
    }

    /// Keeps a task as known here once it was seen to exist: its id may be mistyped.
    pub(crate) fn keep_once_seen(&self, snapshot: Snapshot) {
        self.state().unseen = Some(Box::new(snapshot));
    }

    fn seen_to_exist(&self) {
        let unseen = self.state().unseen.take();
        if let (Some(snapshot), Some((store, _))) = (unseen, &self.records) {
            // A task that exists is not lost when it cannot be kept; that is told.
            let _ = store.record(&snapshot);
        }
    }

    /// Tells an event.
    pub(crate) fn event(&self, event: &Event) {
        self.record(event);
        let task = self.task();
        let hushed = self.silent || self.hushed.load(Ordering::Relaxed);
        if let (Event::Provider(raw), true) = (event, hushed) {
            // As if it flowed: nothing is held back for later.
            self.state().voice.take(raw, &self.words, true);
            return;
        }
        if let (Event::Output(piece), true) = (event, hushed) {
            self.state().voice.piece(piece, true);
            return;
        }
        if self.silent {
            return;
        }
        if self.out.is_json() {
            self.out
                .line(json::event(event, task.as_ref(), &self.clock));
            if let Event::Question(question) = event {
                self.shown(question);
            }
        }
        match event {
            Event::Provider(raw) => self.step(raw),
            Event::Output(piece) => self.output(piece),
            event => {
                if let Some(line) = self.words(event, task.as_ref()) {
                    self.tell(event, &line);
                }
            }
        }
    }

    /// Takes in what an event makes known, and keeps what outlasts this process.
    fn record(&self, event: &Event) {
        if matches!(
            event,
            Event::Status(_) | Event::Paused(_) | Event::Question(_) | Event::Provider(_)
        ) {
            self.seen_to_exist();
        }
        self.state().known.apply(event);
        match event {
            Event::Created { id, .. } => {
                let task = TaskRef::new(self.provider, self.agent.clone(), id.clone());
                remember(&task);
                self.state().task = Some(task);
            }
            Event::Answered { question, how, .. } => {
                self.keep(&Happened::Answered(question.clone(), *how));
            }
            Event::Identified(question) => {
                self.identified.send_replace(Some(question.clone()));
            }
            _ => {}
        }
    }

    /// The line that an event is for people.
    fn words(&self, event: &Event, task: Option<&TaskRef>) -> Option<String> {
        let earlier = match event {
            Event::Answered { .. } | Event::Sent { .. } => self.state().earlier.take(),
            _ => None,
        };
        if let Some(said) = earlier {
            return text::of_earlier(event, &said);
        }
        // What somebody was asked is not changed without a word.
        let asked = self.state().known.asked_at;
        let is_asked = matches!(event, Event::Altered { position } if asked == Some(*position));
        let verbose = self.out.is_verbose() || is_asked;
        text::event(event, task, &self.clock, verbose)
    }

    /// Tells the line of an event, and what belongs to it.
    fn tell(&self, event: &Event, line: &str) {
        match event {
            Event::Withdrawn { .. } if self.out.is_held() => {
                self.say(&format!("{line}; nothing that was typed was sent"));
            }
            // The id is the product: it is told whatever else is not.
            Event::Created { replayed, .. } => {
                self.out.tell(line);
                for warning in self.files.iter().filter_map(Seen::warning) {
                    self.say(&format!("warning: {warning}"));
                }
                if *replayed {
                    self.say("this key was used before: following the task it started");
                }
            }
            Event::Paused(_) => {
                self.say(line);
                self.review();
            }
            Event::Status(status) => {
                self.say(line);
                self.way_out(status);
            }
            _ => self.say(line),
        }
    }

    /// Tells an event of the provider's own.
    fn step(&self, event: &RawEvent) {
        self.state().known.apply_raw(event, &self.words);
        if self.listing {
            if !self.out.is_json() {
                // That stdout takes no more is noticed by whoever waits.
                let _ = self
                    .out
                    .print(&format!("{}\n", (self.words.cells)(event).join("\t")));
            }
            return;
        }
        let told = self.state().voice.take(event, &self.words, self.flows());
        self.progress(told);
    }

    /// Tells a piece of the answer.
    fn output(&self, piece: &OutputPiece) {
        let told = self.state().voice.piece(piece, self.flows());
        self.progress(told);
    }

    /// Whether text is told as it comes.
    fn flows(&self) -> bool {
        !self.named && self.out.flows()
    }

    fn progress(&self, told: Progress) {
        match told {
            Progress::Flow(text) => {
                self.state().spoke = Instant::now();
                self.out.flow(&text);
            }
            Progress::Lines(lines) => lines.iter().for_each(|line| self.say(line)),
        }
    }

    /// Tells what helps a task on that is stuck.
    fn way_out(&self, status: &Status) {
        let Some(task) = self.task() else { return };
        if let Some((label, command, note)) = (self.words.stuck)(&task, status) {
            let flags = &self.flags;
            self.say(&format!("{label}: taskward {command}{flags}  ({note})"));
        }
    }

    /// Tells how a review is decided where a simulator plays the dashboard.
    fn review(&self) {
        if let (Some(url), Some(task)) = (&self.dashboard, self.task()) {
            let path = format!("{url}/_sim/dashboard/tasks/{}/approve", task.id());
            self.say(&format!("approve: curl -X POST {}", quote(&path)));
        }
    }

    /// Tells a line about the task.
    pub(crate) fn say(&self, line: &str) {
        if self.silent {
            return;
        }
        let held_back = {
            let mut state = self.state();
            state.spoke = Instant::now();
            state.voice.rest()
        };
        let name = self.task().filter(|_| self.named);
        for line in held_back.iter().map(String::as_str).chain([line]) {
            match &name {
                Some(task) => self.out.say(&format!("{task}  {line}")),
                None => self.out.say(line),
            }
        }
    }

    /// Tells what was held back for the end of its step.
    pub(crate) fn finish(&self) {
        let held_back = self.state().voice.rest();
        for line in &held_back {
            self.say(line);
        }
    }

    /// A question as it comes, with its age where it has waited.
    fn asks(&self, question: &Question) -> String {
        text::question(question, long_ago(&self.clock, question).as_deref())
    }

    /// Tells a question that is about to be answered here.
    pub(crate) fn question(&self, question: &Question) {
        self.say(&self.asks(question));
        if !self.out.is_json() && !self.out.is_quiet() && !self.silent {
            self.shown(question);
        }
    }

    /// Tells a question at a prompt, also where only errors are told: nobody answers what was not shown.
    pub(crate) fn ask(&self, question: &Question) {
        match self.out.is_quiet() {
            true => self.out.tell(&self.asks(question)),
            false => self.say(&self.asks(question)),
        }
        self.shown(question);
    }

    /// Tells the question that an answer is about to go to, in one block.
    pub(crate) fn block(&self, question: &Question, age: &str) {
        self.say(&text::block(question, age));
    }

    /// The same where a person is asked, who has to see it.
    pub(crate) fn ask_block(&self, question: &Question, age: &str) {
        self.out.tell(&text::block(question, age));
    }

    /// The question as a program reads it.
    pub(crate) fn question_json(&self, question: &Question) -> serde_json::Value {
        json::question(question, self.task().as_ref())
    }

    /// Called now and then: turns the spinner, or says after a long silence that the watch goes on. `asked` tells
    /// whether it is a human who is waited for.
    pub(crate) fn tick(
        &self,
        waiting: Option<(Duration, WaitReason)>,
        signs: &Liveness,
        asked: bool,
    ) {
        let elapsed = span(self.clock.elapsed());
        let status = self.state().status_or("no status yet");
        let status: String = status.chars().take(40).collect();
        let stuck = if asked {
            None
        } else {
            no_progress(&self.clock, signs)
        };
        let next = match (&stuck, waiting) {
            (Some(stuck), _) => format!(" · {stuck}"),
            (None, Some((left, _))) => format!(" · {}", checking(left)),
            (None, None) => String::new(),
        };
        if self
            .out
            .spin(&format!("{} · {elapsed}{next}", capital(&status)))
        {
            return;
        }
        if self.state().spoke.elapsed() >= HEARTBEAT {
            let stuck = stuck.map(|stuck| format!(": {stuck}")).unwrap_or_default();
            self.say(&format!("still {status} ({elapsed}){stuck}"));
        }
    }
}

/// When the status is read next: never "in 0s".
fn checking(left: Duration) -> String {
    match left.as_secs() {
        0 => "checking again now".to_owned(),
        _ => format!("checking again in {}", span(left)),
    }
}

fn capital(word: &str) -> String {
    let mut rest = word.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).collect())
        .unwrap_or_default()
}

/// How long nothing has moved, once that is long, and when the server was last heard.
fn no_progress(clock: &ProgramClock, signs: &Liveness) -> Option<String> {
    let idle = clock.ago(signs.last_change_at?);
    if idle < NO_PROGRESS {
        return None;
    }
    let idle = span(idle);
    Some(match signs.last_byte_at {
        Some(at) => {
            let heard = span(clock.ago(at));
            format!("no progress for {idle}, last heard {heard} ago")
        }
        None => format!("no progress for {idle}"),
    })
}

/// The newest task of this process, for the last words of a panic.
static NEWEST: Mutex<Option<TaskRef>> = Mutex::new(None);

/// Keeps the task for the last words.
pub(crate) fn remember(task: &TaskRef) {
    *NEWEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
}

/// The newest task that this process started or watches.
pub(crate) fn newest() -> Option<TaskRef> {
    NEWEST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

pub(crate) use json::{
    provider_event as event_line, question as question_line, question_fields, result as result_line,
};
pub(crate) use steps::{cells, joined};
pub(crate) use text::{asked as asked_in_words, block, head as question_head, words};

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::TaskId;
    use taskward::core::Timestamp;
    use taskward::nanonets::Nanonets;

    /// Rows: B29.
    #[test]
    fn a_task_that_exists_is_never_said_to_be_starting() {
        let task = || Some(TaskRef::of::<Nanonets>(TaskId::new("7")));
        let read = || Some(Status::known("running"));
        for (task, status, word) in [
            (None, None, "starting"),
            (task(), None, "no status yet"),
            (task(), read(), "running"),
            (None, read(), "running"),
        ] {
            let mut state = State::new(task);
            state.known.status = status;
            assert_eq!(state.status_or("no status yet"), word);
        }
    }

    #[test]
    fn a_task_that_only_the_wire_gives_signs_of_is_told_with_both_times() {
        let clock = ProgramClock::new(1);
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let ago = |seconds| {
            let at = wall - Duration::from_secs(seconds);
            Some(Timestamp::from_millis(at.as_millis() as u64))
        };
        let told = |heard, progressed| {
            let mut signs = Liveness::default();
            (signs.last_byte_at, signs.last_change_at) = (heard, progressed);
            no_progress(&clock, &signs)
        };
        let told_long = told(ago(5), ago(725)).expect("told");
        assert_eq!(told_long, "no progress for 12m 05s, last heard 5s ago");
        assert_eq!(told(ago(5), ago(60)), None);
        assert_eq!(told(ago(5), None), None);
        assert_eq!(told(None, ago(125)), Some("no progress for 2m 05s".into()));
    }
}
