//! How an answer leaves: what is known of its question, whether it may go there, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use taskward::core::{AnswerError, Safety};
use taskward::question::{Answered, QuestionId, WithdrawReason};
use taskward::{Answer, Event, Policy, Question, Snapshot};

use super::{AnswerRequest, Given, of_another};
use crate::answers::{self, in_words, is_attended};
use crate::calls::{Calls, Summary};
use crate::codes::Code;
use crate::command_line;
use crate::commands::effect::{self, effect};
use crate::commands::reconcile::EarlierWrite;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report;
use crate::follow::{Followed, Following};
use crate::report::{Reporter, result_line};
use crate::sent::StartKind;
use crate::server::At;
use crate::shown::{AnsweringCommand, Known, Record, Unnamed};
use crate::store::TaskStore;

/// What tells the question of a task that waits.
const WAIT: &str = "the question that the task waits for";

/// How long the question of a waiting task is searched for.
const READ_WITHIN: Duration = Duration::from_secs(180);

pub(super) async fn answer<P: Calls>(cx: &Cx, request: AnswerRequest) -> CliResult<Exit> {
    let how = Following::new(cx, &request.after.follow, P::ID, request.stdin_is_taken)?;
    let attended = is_attended(&cx.global)? && !request.stdin_is_taken;
    let store = TaskStore::for_watch(cx);
    let connection: Connection<P> = Connection::journaled(
        cx,
        request.after.follow.speed,
        store,
        At::Task(&request.task),
    )
    .await?;
    connection.banner();
    let task = &request.task;
    let log = connection.log(task);
    let read = || log.as_ref().map_or_else(Record::default, |log| log.read());
    let before = read();
    if let (Some(store), Some(question)) = (&connection.store, &request.question)
        && let Some(other) = store.other_task(task, question)
    {
        return Err(of_another(task, question, &other));
    }
    let reporter = Arc::new(Reporter::new(&connection, Some(task.clone()), false));
    reporter.watching();
    // What led to the question is shown with it.
    reporter.hush(true);
    // Held until the command ends, or the answer was delivered and the task is watched.
    connection.speak(task)?;
    connection.catch_up(task);
    let mut answering = Answering {
        connection: &connection,
        record: before.followed_by(read()),
        request: &request,
        attended,
        all_the_same: request.force_new,
    };
    let kept = match request.force_new || P::CAPABILITIES.answer != Safety::Once {
        true => None,
        false => connection.unconfirmed(task),
    };
    let recorded = answering
        .recorded(kept, how.deadlines.policy(), &reporter)
        .await?;
    let unconfirmed = match recorded {
        Recorded::Arrived(id, said) => {
            return answering.already(&id, &said, &how, reporter).await;
        }
        Recorded::Unconfirmed(said) => Some(said),
        Recorded::Nothing => None,
    };
    let state = answering.waits(unconfirmed.as_ref()).await?;
    answering
        .follow(state, unconfirmed.as_ref(), &how, reporter)
        .await
}

/// An answer on its way to a question of a task.
pub(super) struct Answering<'a, P: Calls> {
    pub(super) connection: &'a Connection<P>,
    pub(super) request: &'a AnswerRequest,
    /// What was shown and answered here.
    pub(super) record: Record,
    /// Whether somebody at a terminal may be asked.
    attended: bool,
    /// Whether it is sent although an earlier one may have arrived.
    all_the_same: bool,
}

/// What the record of questions says of the answer that is given now.
enum Recorded {
    Nothing,
    /// It may have arrived before, and may be sent again.
    Unconfirmed(Value),
    /// It has arrived before.
    Arrived(QuestionId, Value),
}

impl<P: Calls> Answering<'_, P> {
    /// The question and the answer, if an earlier write turned out to be this answer and has arrived; an error if it was
    /// another one.
    async fn earlier(
        &mut self,
        kept: Snapshot,
        policy: Policy,
        reporter: &Arc<Reporter>,
    ) -> CliResult<Option<(QuestionId, Value)>> {
        let earlier = EarlierWrite {
            connection: self.connection,
            task: &self.request.task,
            command: self.request.command.as_str(),
            answers: true,
            policy,
        };
        let found = earlier.read(kept, reporter.clone()).await?;
        if let Some(log) = self.connection.log(&self.request.task) {
            self.record = std::mem::take(&mut self.record).followed_by(log.read());
        }
        // Where the outcome is unknown, the person at the terminal has decided.
        self.all_the_same = found.how == Answered::Unknown;
        if found.how != Answered::Applied || !self.is_meant(found.question.as_ref()) {
            return Ok(None);
        }
        let said = json!(found.said);
        let Some(id) = found.question else {
            return Err(earlier.other(&found.said));
        };
        if self.request.given.answer().as_ref() != Some(&said) {
            return Err(self.answered(&id, Some(&said)));
        }
        Ok(Some((id, said)))
    }

    /// The task's state, if it waits for an answer: a question that comes up only now is not the one that is being
    /// answered.
    async fn waits(&self, unconfirmed: Option<&Value>) -> CliResult<Summary> {
        let state = P::summary(self.connection, &self.request.task)
            .await
            .map_err(|error| error.why("Nothing was sent."))?;
        if P::waits(&state.status) {
            return Ok(state);
        }
        Err(match self.foreign().await {
            Some(foreign) => foreign,
            None => self.not_asked(state.status.as_str(), None, unconfirmed),
        })
    }

    /// What is kept here of answers to the question that was named, or of an unconfirmed write that was `kept`; an error if
    /// this answer must not be sent.
    async fn recorded(
        &mut self,
        kept: Option<Snapshot>,
        policy: Policy,
        reporter: &Arc<Reporter>,
    ) -> CliResult<Recorded> {
        if let Some(kept) = kept
            && let Some((id, said)) = self.earlier(kept, policy, reporter).await?
        {
            return Ok(Recorded::Arrived(id, said));
        }
        let Some(id) = &self.request.question else {
            return Ok(Recorded::Nothing);
        };
        for name in self.record.names(id) {
            reporter.name(name);
        }
        match self.record.known(id, P::CAPABILITIES.answer) {
            Known::Applied(said) if self.request.given.answer().as_ref() == Some(&said) => {
                Ok(Recorded::Arrived(id.clone(), said))
            }
            Known::Applied(said) => Err(self.answered(id, Some(&said))),
            Known::Unconfirmed(said) if self.is_repeatable(&said) => {
                Ok(Recorded::Unconfirmed(said))
            }
            Known::Unconfirmed(said) => Err(self.unconfirmed(id, &said)),
            Known::Nothing => Ok(Recorded::Nothing),
        }
    }
}

impl<P: Calls> Answering<'_, P> {
    /// Follows the task to give the answer, and to its end if that was asked for.
    async fn follow(
        self,
        state: Summary,
        unconfirmed: Option<&Value>,
        how: &Following,
        reporter: Arc<Reporter>,
    ) -> CliResult<Exit> {
        let request = self.request;
        let run = self.connection.client.attach(request.task.id().clone());
        let watched = how.setup(run, StartKind::Watch, reporter);
        let mut followed = watched.begin(self.connection).await?;
        let (question, said) = self.give(&mut followed, &state, unconfirmed).await?;
        self.connection.spoken(&request.task);
        followed.reporter.hush(false);
        if request.after.watch {
            return followed.finish(&how.to).await;
        }
        self.taken(followed, &question, said).await
    }

    /// Whether an earlier answer was to the question that is meant now.
    fn is_meant(&self, earlier: Option<&QuestionId>) -> bool {
        match (&self.request.question, earlier) {
            (Some(named), Some(earlier)) => self.record.is(earlier, named),
            (None, Some(earlier)) => !self.record.has_shown_another_since(earlier),
            // A message that nobody asked for.
            (_, None) => false,
        }
    }

    /// Whether it may be sent although one before may have arrived: the same under the same key counts once.
    fn is_repeatable(&self, said: &Value) -> bool {
        let same = self.request.given.answer().as_ref() == Some(said);
        self.all_the_same || (same && P::CAPABILITIES.answer == Safety::Keyed)
    }

    /// Finds the question, answers it and sees the answer land; gives both for programs.
    async fn give(
        &self,
        followed: &mut Followed<'_, P>,
        state: &Summary,
        unconfirmed: Option<&Value>,
    ) -> CliResult<(QuestionId, Value)> {
        let task = &self.request.task;
        let Some(question) = self.open(followed).await? else {
            return Err(self.moved(None, unconfirmed).await);
        };
        followed.reporter.name(&question.id);
        self.check_named(followed, &question, state, unconfirmed)
            .await?;
        let Some(answer) = self.decide(followed, &question, state).await? else {
            return Err(self.moved(Some(&question), unconfirmed).await);
        };
        let said = answers::form::as_json(&answer);
        followed
            .reporter
            .say(&format!("answer: {}", in_words(&answer)));
        // Before it leaves, so that whoever comes after a crash knows of it.
        match followed.running.answer(&question.id, answer.clone()) {
            Ok(()) => followed.reporter.answering(&question.id, &answer),
            Err(AnswerError::WrongKind { why, .. }) => {
                let what = format!("the answer does not fit what the task waits for: {why}");
                let error = CliError::input(what).why("Nothing was sent.");
                let error = self.connection.hints(error, P::answers(task, &question));
                return Err(error.question(&question.id).task(task));
            }
            Err(_) => return Err(self.moved(Some(&question), unconfirmed).await),
        }
        let mut is_lost = false;
        while let Some(event) = followed.event_before_sending(WAIT).await? {
            let Event::Answered { how, detail, .. } = event else {
                continue;
            };
            match how {
                Answered::Applied => return Ok((question.id, said)),
                // More is told by the end of the watch.
                Answered::NotSent | Answered::Unknown if followed.running.snapshot().is_ended() => {
                    is_lost = how == Answered::Unknown;
                }
                how => {
                    let failed = self.failed(followed, &question, how, detail, unconfirmed);
                    return Err(failed.await);
                }
            }
        }
        followed.cut_short().await?;
        Err(match is_lost {
            true => self.lost(&question.id, None),
            false => self.moved(Some(&question), unconfirmed).await,
        })
    }

    /// Refuses to answer another question than the one that was named, unless that one stood in for this one.
    async fn check_named(
        &self,
        followed: &Followed<'_, P>,
        question: &Question,
        state: &Summary,
        unconfirmed: Option<&Value>,
    ) -> CliResult<()> {
        let Some(named) = &self.request.question else {
            return Ok(());
        };
        if self.record.is(named, &question.id) {
            return Ok(());
        }
        let found = followed.running.question(named);
        if found.is_none_or(|found| found.id != question.id) {
            self.connection.out.still();
            if let Some(foreign) = self.foreign().await {
                return Err(foreign);
            }
            return Err(self.asks_another(named, question, state, unconfirmed));
        }
        followed.reporter.identified_as(named, &question.id);
        Ok(())
    }

    /// The error of an answer that was not applied, as far as is known.
    async fn failed(
        &self,
        followed: &Followed<'_, P>,
        question: &Question,
        how: Answered,
        detail: Option<String>,
        unconfirmed: Option<&Value>,
    ) -> CliError {
        let task = Some(self.request.task.clone());
        match how {
            Answered::NotSent => {
                let why = detail.unwrap_or_default();
                followed
                    .end()
                    .unread("the reply to the answer", &why)
                    .question(&question.id)
            }
            Answered::Gone(reason) => {
                let known = match reason {
                    WithdrawReason::AnsweredElsewhere => Some("Somebody else answered it."),
                    WithdrawReason::Superseded => Some("The agent changed its question."),
                    _ => None,
                };
                let detail = known.map(str::to_owned).or(detail);
                self.gone(&question.id, detail, unconfirmed).await
            }
            Answered::Refused => {
                let what = "the server rejected the answer; the question is still open";
                let exit = exit_report::exit_of_refusal(followed.running.refusal());
                let error = CliError::new(Code::Refused, what).ending(exit);
                let error = error.why(detail.unwrap_or_default());
                self.connection
                    .hints(error, P::answers(&self.request.task, question))
                    .question(&question.id)
                    .task(&task)
            }
            _ => self.lost(&question.id, detail),
        }
    }

    /// The open question; `None` when the task went on or ended before it was found.
    async fn open(&self, followed: &mut Followed<'_, P>) -> CliResult<Option<Question>> {
        let connection = self.connection;
        let read = async {
            while let Some(event) = followed.event_before_sending(WAIT).await? {
                match event {
                    Event::Question(question) => return Ok(Some(question)),
                    Event::Status(status) if !P::waits(&status) => return Ok(None),
                    Event::Paused(_) => return Ok(None),
                    _ => {}
                }
            }
            followed.cut_short().await.map_err(|error| {
                let trouble = followed.reporter.known().failure;
                match trouble.filter(|_| error.exit() == Exit::Timeout) {
                    Some(why) => followed.end().unread(WAIT, &why),
                    None => error,
                }
            })?;
            Ok(None)
        };
        match tokio::time::timeout(connection.clock.real(READ_WITHIN), read).await {
            Ok(found) => found,
            Err(_) => {
                let why = "the task waits, and shows no open question";
                Err(followed.end().unread(WAIT, why))
            }
        }
    }

    /// The answer, once it is known that it may go to this question; `None` when the question was withdrawn meanwhile.
    async fn decide(
        &self,
        followed: &mut Followed<'_, P>,
        question: &Question,
        state: &Summary,
    ) -> CliResult<Option<Answer>> {
        let out = &self.connection.out;
        let reporter = followed.reporter.clone();
        let verdict = match self.request.question {
            Some(_) => Unnamed::Allowed,
            None => self.record.unnamed(question, self.request.command),
        };
        // The next command knows only from what is kept that this question was answered.
        let verdict = match (&self.request.question, verdict) {
            (None, Unnamed::Allowed) if !reporter.is_kept(&question.id) => Unnamed::NotShown,
            (_, verdict) => verdict,
        };
        // A flag of the command line is about a question that was named.
        let is_decided = self.all_the_same && !self.request.force_new;
        if self.request.question.is_none()
            && !is_decided
            && P::CAPABILITIES.answer == Safety::Once
            && let Known::Unconfirmed(said) = self.record.known(&question.id, Safety::Once)
        {
            return Err(self.unconfirmed(&question.id, &said));
        }
        let age = self.age(question, state);
        let asks = match (&self.request.given, verdict) {
            (_, Unnamed::StandIn) => return Err(self.unshown(question, &age, verdict)),
            (Given::Ready(answer), Unnamed::Allowed) => {
                reporter.block(question, &age);
                return Ok(Some(answer.clone()));
            }
            (_, Unnamed::Later | Unnamed::NotShown) if !self.attended => {
                return Err(self.unshown(question, &age, verdict));
            }
            (Given::Rejection { .. }, Unnamed::Allowed) if !self.attended => {
                return Err(self.unmeant(question, &age));
            }
            (given, _) => given,
        };
        out.still();
        reporter.ask_block(question, &age);
        match self.ask_person(followed, asks).await? {
            // The question was withdrawn.
            None => Ok(None),
            Some(None) => {
                let declined = answers::declined("nothing was sent; the question is still open");
                Err(declined.question(&question.id).task(&self.request.task))
            }
            Some(Some(answer)) => {
                reporter.confirmed(question);
                Ok(Some(answer))
            }
        }
    }

    /// The answer of the person at the terminal, and `None` in it if that person declines; `None` when the question was
    /// withdrawn meanwhile.
    async fn ask_person(
        &self,
        followed: &mut Followed<'_, P>,
        given: &Given,
    ) -> CliResult<Option<Option<Answer>>> {
        let out = &self.connection.out;
        match given {
            Given::Ready(answer) => {
                let sure = format!("answer it with {:?}?", in_words(answer));
                let is_sure = meanwhile(followed, answers::sure(out, &sure)).await?;
                Ok(is_sure.map(|is_sure| is_sure.then(|| answer.clone())))
            }
            Given::TypedData => {
                let data = meanwhile(followed, answers::typed_data(out)).await?;
                Ok(data.map(|data| data.map(Answer::Input)))
            }
            Given::Rejection { reason } => {
                let asked = async {
                    let sure = "reject it? The task fails; it does not go on without the step";
                    if !answers::sure(out, sure).await {
                        return None;
                    }
                    let reason = match reason {
                        Some(reason) => Some(reason.clone()),
                        None => answers::typed(out, "reason (empty for none)> ").await,
                    };
                    let reason = reason.map(|reason| reason.trim().to_owned());
                    let reason = reason.filter(|reason| !reason.is_empty());
                    Some(Answer::Reject { reason })
                };
                meanwhile(followed, asked).await
            }
        }
    }

    /// How old a question is, in words; nothing where the server does not tell.
    pub(super) fn age(&self, question: &Question, state: &Summary) -> String {
        crate::clock::age(&self.connection.clock, question, state.changed().as_ref())
    }

    /// A question that may not be answered without its name: it is shown now, and that does not count as showing.
    fn unshown(&self, question: &Question, age: &str, why: Unnamed) -> CliError {
        let request = self.request;
        let what = match why {
            Unnamed::StandIn => {
                "the server does not tell yet what is asked, and so the question has to be named"
            }
            Unnamed::Later => {
                "another question of this task was answered from here; this one has to be named"
            }
            Unnamed::NotShown | Unnamed::Allowed => {
                "run, watch, status and messages have not shown this question here since the last answer, and so it has to be named"
            }
        };
        let command = command_line::naming(request.command.as_str(), &question.id, &[]);
        let error = CliError::new(Code::QuestionNotShown, what).headed("waiting");
        let error = exit_report::quoted(error, question, age);
        error
            .why("Nothing was sent.")
            .next("answer", command, "")
            .task(&request.task)
    }

    /// A rejection that nobody here can be asked about.
    fn unmeant(&self, question: &Question, age: &str) -> CliError {
        let what = "rejecting makes the task fail, and there is no terminal to ask on";
        let error = CliError::new(Code::Usage, what);
        exit_report::quoted(error, question, age)
            .why("Nothing was sent.")
            .next(
                "do it",
                command_line::naming("reject", &question.id, &[]),
                "",
            )
            .task(&self.request.task)
    }

    /// The answer was taken: what came of it, as far as that is to be seen.
    async fn taken(
        &self,
        mut followed: Followed<'_, P>,
        question: &QuestionId,
        said: Value,
    ) -> CliResult<Exit> {
        let out = &self.connection.out;
        let task = &self.request.task;
        let seen = match self.request.command {
            AnsweringCommand::Reply => Some(effect(self.connection, &mut followed).await?),
            AnsweringCommand::Approve | AnsweringCommand::Reject | AnsweringCommand::Input => None,
        };
        out.still();
        let status = followed.reporter.status();
        if out.is_json() {
            let mut fields = answered(question, &said, false);
            if seen.is_some() {
                fields.extend(effect::fields(seen.as_ref()));
            }
            out.line(result_line(task, &status, fields));
            return Ok(Exit::Ok);
        }
        if let Some(seen) = &seen {
            effect::tell(out, seen, &status)?;
        }
        self.connection.tell_watch(task);
        Ok(Exit::Ok)
    }

    /// The same answer was given before, and was applied: nothing is sent again.
    async fn already(
        &self,
        question: &QuestionId,
        said: &Value,
        how: &Following,
        reporter: Arc<Reporter>,
    ) -> CliResult<Exit> {
        let (connection, task) = (self.connection, &self.request.task);
        let words = answers::form::in_words(said);
        reporter.say(&format!(
            "already answered: {words}; nothing was sent again"
        ));
        connection.spoken(task);
        if self.request.after.watch {
            reporter.hush(false);
            let run = connection.client.attach(task.id().clone());
            let watched = how.setup(run, StartKind::Watch, reporter);
            return watched.begin(connection).await?.finish(&how.to).await;
        }
        if connection.out.is_json() {
            let fields = answered(question, said, true);
            let line = result_line(task, &reporter.status(), fields);
            connection.out.line(line);
        } else {
            self.connection.tell_watch(&self.request.task);
        }
        Ok(Exit::Ok)
    }
}

/// An answer that was applied, for programs; now, or `already` before.
fn answered(question: &QuestionId, said: &Value, already: bool) -> Map<String, Value> {
    let fields = [
        ("question_id", json!(question)),
        ("answer", said.clone()),
        ("already", json!(already)),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// What a person decides while the task is followed; `None` when the question was withdrawn meanwhile.
async fn meanwhile<P: Calls, T>(
    followed: &mut Followed<'_, P>,
    deciding: impl Future<Output = T>,
) -> CliResult<Option<T>> {
    tokio::pin!(deciding);
    loop {
        let event = tokio::select! {
            decided = &mut deciding => return Ok(Some(decided)),
            event = followed.event() => event?,
        };
        match event {
            Some(Event::Withdrawn { .. }) | None => return Ok(None),
            Some(_) => {}
        }
    }
}
