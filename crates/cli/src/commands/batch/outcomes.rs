//! How the jobs of a batch ended: the line of each, what is told of it, and what came of all together.

use std::collections::HashMap;

use serde_json::{Map, Value};
use taskward::core::IntentId;
use taskward::core::sanitise::one_line;
use taskward::outcome::{DetachReason, RunResult};
use taskward::{Error, Output as _, Question};

use super::BegunJob;
use super::results::Results;
use crate::codes::Code;
use crate::command_line;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report::End;
use crate::lines::{LineType, line};
use crate::platform::Platform;
use crate::task_ref::TaskRef;

/// Cells of the bar.
const BAR: usize = 24;

/// What became of a job in this run of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum State {
    Succeeded,
    /// The task has ended, and not well.
    Bad,
    /// The task waits for an answer or a review.
    Waiting,
    /// The task goes on, or may be read later.
    Running,
    /// Whether it was started is not known.
    Unconfirmed,
    /// Nothing was started.
    NotStarted,
}

impl State {
    /// In the order in which they are told.
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Succeeded, "succeeded", "succeeded"),
        (Self::Bad, "bad", "ended badly"),
        (Self::Waiting, "waiting", "waiting"),
        (Self::Running, "running", "still running"),
        (Self::Unconfirmed, "unconfirmed", "unconfirmed"),
        (Self::NotStarted, "not_started", "not started"),
    ];

    /// Whether the job has a result for good.
    fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Bad)
    }
}

/// How one job ended.
pub(super) struct JobEnd {
    pub(super) key: String,
    pub(super) state: State,
    pub(super) task: Option<TaskRef>,
    /// The id of its start.
    pub(super) intent: String,
    /// The question that it waits with.
    pub(super) question: Option<Question>,
    /// Why it did not succeed.
    pub(super) error: Option<CliError>,
    /// What the answer is, for programs.
    answer: Map<String, Value>,
}

impl JobEnd {
    fn new<P: Platform>(connection: &Connection<P>, key: String, state: State) -> Self {
        let intent = IntentId::named(P::NAME, &connection.client.base_url(), &key);
        Self {
            key,
            state,
            task: None,
            intent: intent.to_string(),
            question: None,
            error: None,
            answer: Map::new(),
        }
    }

    /// Of a run that is over.
    pub(super) fn of<P: Platform>(
        connection: &Connection<P>,
        key: String,
        job: &BegunJob,
        result: Result<RunResult<P::Output>, Error>,
    ) -> Self {
        let mut end = Self::new(connection, key, State::Succeeded);
        let report = End::new(connection, &job.kind, &job.reporter);
        let said = job.reporter.said();
        let error = match result {
            Ok(RunResult::Ended(outcome)) => {
                end.task = outcome.task().map(|id| connection.task(id));
                match report.outcome(outcome) {
                    Ok(answer) => {
                        end.answer = P::fields(&answer, said.as_deref());
                        let damaged = answer.is_damaged();
                        end.answer.insert("damaged".to_owned(), damaged.into());
                        return end;
                    }
                    Err(error) => error,
                }
            }
            Ok(RunResult::Detached(left)) => {
                end.task = Some(connection.task(&left.id));
                if let DetachReason::Question(question) = &left.reason {
                    end.question = Some(question.clone());
                }
                report.of(Some(&left.id)).left(&left)
            }
            Err(error) => {
                end.task = error.task().map(|id| connection.task(id));
                connection.cli_error(&error)
            }
        };
        end.state = state(&error, end.task.is_some());
        end.error = Some(error);
        end
    }

    /// Of a job that could not be begun.
    pub(super) fn not_begun<P: Platform>(
        connection: &Connection<P>,
        key: String,
        error: CliError,
    ) -> Self {
        let mut end = Self::new(connection, key, State::NotStarted);
        end.error = Some(error);
        end
    }

    /// Of a job that nobody waits for any longer.
    fn detached<P: Platform>(connection: &Connection<P>, key: String, job: &BegunJob) -> Self {
        let task = job.reporter.task();
        let state = match task {
            Some(_) => State::Running,
            None => State::Unconfirmed,
        };
        let what = match task {
            Some(_) => "Detached. The task keeps running.",
            None => "interrupted before the server had answered",
        };
        let code = match task {
            Some(_) => Code::Interrupted,
            None => Code::OutcomeUnknown,
        };
        let mut end = Self::new(connection, key, state);
        end.error = Some(CliError::new(code, what).task(&task));
        end.task = task;
        end
    }

    /// The line of the job, for programs.
    fn line<P: Platform>(&self, connection: &Connection<P>) -> Value {
        let mut fields = self.answer.clone();
        fields.insert("key".to_owned(), self.key.as_str().into());
        fields.insert("intent_id".to_owned(), self.intent.as_str().into());
        fields.insert("outcome".to_owned(), "succeeded".into());
        fields.insert("exit".to_owned(), Exit::Ok.code().into());
        if let Some(error) = &self.error {
            let mut error = error.clone();
            if self.state == State::Unconfirmed {
                let recover = connection.command(&format!("recover {}", self.intent));
                error = error.without_next().next("recover", recover, "");
            }
            let said = error.json();
            for name in ["exit", "message", "reason", "question_id", "next"] {
                fields.insert(name.to_owned(), said[name].clone());
            }
            fields.insert("outcome".to_owned(), said["code"].clone());
        }
        line(
            LineType::BatchJob,
            self.task.as_ref(),
            Value::Object(fields),
        )
    }

    /// The job and why it did not succeed, in a line.
    fn told(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let why = error.reasons();
        let why = match why.is_empty() {
            true => String::new(),
            false => format!(": {why}"),
        };
        let task = self.task.as_ref();
        let task = task.map(|task| format!("  ({task})")).unwrap_or_default();
        let why = one_line(&format!("{}{why}", error.what()));
        Some(format!("{}  {why}{task}", self.key))
    }
}

/// What an error says of a job; whether its task `exists` where that is known.
fn state(error: &CliError, exists: bool) -> State {
    match error.exit() {
        Exit::TaskBad => State::Bad,
        _ if error.is(Code::Gone) => State::Bad,
        Exit::Pending => State::Waiting,
        Exit::Unknown if !exists => State::Unconfirmed,
        _ if exists => State::Running,
        _ => State::NotStarted,
    }
}

/// How all jobs ended until now.
pub(super) struct Outcomes {
    total: usize,
    counts: HashMap<State, usize>,
    /// Those without a result.
    pub(super) open: Vec<JobEnd>,
}

impl Outcomes {
    /// Of so many jobs, of which these have ended before; whether each ended well.
    pub(super) fn new(total: usize, known: Vec<bool>) -> Self {
        let mut outcomes = Self {
            total,
            counts: HashMap::new(),
            open: Vec::new(),
        };
        for is_well in known {
            outcomes.count(match is_well {
                true => State::Succeeded,
                false => State::Bad,
            });
        }
        outcomes
    }

    fn count(&mut self, state: State) {
        *self.counts.entry(state).or_default() += 1;
    }

    fn of(&self, state: State) -> usize {
        self.counts.get(&state).copied().unwrap_or_default()
    }

    /// Takes in how a job ended, and writes its line. An error ends the batch: nothing more is begun.
    pub(super) fn take<P: Platform>(
        &mut self,
        connection: &Connection<P>,
        end: JobEnd,
        results: Option<&mut Results>,
    ) -> CliResult<()> {
        let out = &connection.out;
        let line = end.line(connection);
        let is_final = end.state.is_final();
        let is_told = results.is_none() && is_final || out.is_json();
        let written = match results {
            Some(results) if is_final => results.add(&line),
            _ => Ok(()),
        };
        if is_told {
            out.line(line);
        }
        if end.state == State::Bad
            && let Some(told) = end.told()
        {
            out.say(&told);
        }
        self.count(end.state);
        let refused = end.error.clone().filter(|error| error.exit() == Exit::Auth);
        if !is_final {
            self.open.push(end);
        }
        written?;
        // A key that is refused once is refused for all.
        refused.map_or(Ok(()), Err)
    }

    /// Takes in the jobs that nobody waits for any longer.
    pub(super) fn detach<P: Platform>(
        &mut self,
        connection: &Connection<P>,
        begun: HashMap<String, BegunJob>,
    ) {
        for (key, job) in begun {
            let end = JobEnd::detached(connection, key, &job);
            if connection.out.is_json() {
                connection.out.line(end.line(connection));
            }
            self.count(end.state);
            self.open.push(end);
        }
    }

    /// How many have ended, as a bar and in numbers.
    pub(super) fn progress(&self) -> String {
        let ended: usize = self.counts.values().sum();
        let filled = ended * BAR / self.total.max(1);
        let bar: String = (0..BAR)
            .map(|cell| if cell < filled { '#' } else { '-' })
            .collect();
        let mut line = format!("[{bar}] {ended}/{}", self.total);
        for (state, _, words) in &State::ALL[1..] {
            match self.of(*state) {
                0 => {}
                count => line += &format!(" · {count} {words}"),
            }
        }
        line
    }

    /// What came of all jobs, in a line.
    fn summary(&self) -> String {
        let told = State::ALL.iter().filter_map(|(state, _, words)| {
            let count = self.of(*state);
            (count > 0).then(|| format!("{count} {words}"))
        });
        let mut told: Vec<String> = told.collect();
        let ended: usize = self.counts.values().sum();
        if ended < self.total {
            told.push(format!("{} not begun", self.total - ended));
        }
        let jobs = match self.total {
            1 => "job".to_owned(),
            _ => "jobs".to_owned(),
        };
        format!("{} {jobs}: {}", self.total, told.join(", "))
    }

    /// The end of the command: the gravest end of a job names it.
    pub(super) fn finish(
        &self,
        cx: &Cx,
        results: Option<&Results>,
        halted: Option<CliError>,
    ) -> CliResult<Exit> {
        let ended: usize = self.counts.values().sum();
        let error = halted.or_else(|| self.gravest());
        if cx.out.is_json() {
            let mut fields = Map::new();
            let exit = error.as_ref().map_or(Exit::Ok, CliError::exit);
            fields.insert("exit".to_owned(), exit.code().into());
            fields.insert("jobs".to_owned(), self.total.into());
            for (state, name, _) in State::ALL {
                fields.insert(name.to_owned(), self.of(state).into());
            }
            fields.insert("not_begun".to_owned(), (self.total - ended).into());
            cx.out
                .line(line(LineType::Batch, None, Value::Object(fields)));
        }
        let summary = self.summary();
        let place = results.map(|results| format!("; results in {}", results.path().display()));
        let place = place.unwrap_or_default();
        match error {
            None => {
                cx.out.say(&format!("{summary}{place}"));
                Ok(Exit::Ok)
            }
            Some(error) => {
                cx.out.tell(&format!("{summary}{place}"));
                Err(error)
            }
        }
    }

    /// The end of the command where no job's end is worse.
    fn gravest(&self) -> Option<CliError> {
        let again = |error: CliError| {
            let note = "goes on; starts nothing twice";
            error.next("go on", command_line::as_given(), note)
        };
        let of = |state| self.of(state) > 0;
        let error = |code, what: &str| CliError::new(code, what);
        if of(State::Unconfirmed) {
            let what = "jobs may have been started, and their tasks are not known";
            let error = error(Code::OutcomeUnknown, what);
            return Some(again(error.why("Nothing was sent again.")));
        }
        if of(State::Waiting) {
            let what = "jobs are waiting for an answer";
            return Some(again(error(Code::Waiting, what).plain()));
        }
        if let Some(open) = self.open.iter().find_map(|end| end.error.clone()) {
            // The first of those that are left names the rest.
            let what = match (of(State::Running), of(State::NotStarted)) {
                (true, _) => "jobs are still running, or cannot be read",
                _ => "jobs were not started",
            };
            let why = one_line(open.what());
            let told = error(open.code(), what).ending(open.exit());
            return Some(again(told.why(format!("The first: {why}"))));
        }
        let bad = self.of(State::Bad);
        (bad > 0).then(|| {
            let what = match bad {
                1 => "1 job ended badly".to_owned(),
                bad => format!("{bad} jobs ended badly"),
            };
            CliError::new(Code::TaskFailed, what).why("Their lines say why.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_as_jobs_end_and_says_what_is_not_well() {
        let mut outcomes = Outcomes::new(4, vec![true, false]);
        assert_eq!(
            outcomes.progress(),
            "[############------------] 2/4 · 1 ended badly"
        );
        outcomes.count(State::Waiting);
        outcomes.count(State::Succeeded);
        assert_eq!(
            outcomes.progress(),
            "[########################] 4/4 · 1 ended badly · 1 waiting"
        );
        assert_eq!(
            outcomes.summary(),
            "4 jobs: 2 succeeded, 1 ended badly, 1 waiting"
        );
        assert_eq!(Outcomes::new(1, Vec::new()).summary(), "1 job: 1 not begun");
    }
}
