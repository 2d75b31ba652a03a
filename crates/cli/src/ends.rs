//! How a watch ended, and what to do next: the table of exit codes.

use std::io::IsTerminal as _;

use taskward::core::Clock;
use taskward::{
    Abandoned, Answered, ApiError, Fault, Left, LeftWhy, Outcome, Question, QuestionKind, Status,
    StoppedBy,
};

use crate::agents;
use crate::clock::span;
use crate::exit::Exit;
use crate::platform::{Hint, Platform};
use crate::problem::Problem;
use crate::report::{Reporter, asked_in_words};
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::{TaskRef, quote};

/// What was sent first, for the words about an unknown outcome.
#[derive(Clone, Debug)]
pub(crate) enum Began {
    /// A start of an agent.
    Agent {
        /// The agent.
        agent: String,
        /// The command line that starts another one.
        anew: String,
    },
    /// A start under a key.
    Keyed(Keyed),
    /// A message to a task.
    Message(TaskRef),
    /// A start that was made before, repeated under its key.
    Again,
    /// Nothing: the task was only watched.
    Watch,
}

/// A start that can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    /// Its idempotency key.
    pub(crate) key: String,
    /// Whether this command made the key itself: nobody else can have used it.
    pub(crate) minted: bool,
    /// The same command line without a key: a new run.
    pub(crate) anew: String,
}

/// The answer of a task that completed; every other end as the problem it is.
pub(crate) fn outcome<P: Platform>(
    session: &Session<P>,
    began: &Began,
    reporter: &Reporter,
    outcome: Outcome<P::Output>,
) -> Result<P::Output, Box<Problem>> {
    let task = outcome
        .task()
        .map(|id| session.task(id))
        .or_else(|| reporter.task());
    let code = outcome.code();
    let of = |command: &str| match &task {
        Some(task) => session.command(&format!("{command} {}", task.quoted())),
        None => session.command(command),
    };
    let bad = |what: &str, fault: Option<&Fault>| {
        let problem = Problem::new(Exit::TaskBad, code, what)
            .reason(fault.and_then(|fault| fault.reason.clone()));
        let problem = match fault.and_then(|fault| fault.message.as_ref()) {
            Some(message) => problem.why(message.clone()),
            None => problem.why("The platform says no more about it."),
        };
        match &task {
            Some(task) => hint(session, problem, P::history(task)),
            None => problem,
        }
    };
    let problem = match outcome {
        Outcome::Succeeded { output, .. } => return Ok(output),
        Outcome::ResultUnavailable { why, .. } => Problem::new(
            Exit::TryLater,
            code,
            "the task completed, but its answer cannot be read yet",
        )
        .why(why)
        .next("later", of("result"), ""),
        Outcome::Failed { fault, .. } => bad("the task failed", Some(&fault)),
        Outcome::Stopped {
            by: StoppedBy::Unanswered,
            fault,
            ..
        } => bad(
            "the task was cancelled: nobody answered its question in time",
            Some(&fault),
        ),
        // What was said last is not why it was stopped.
        Outcome::Stopped {
            by: StoppedBy::Us, ..
        } => bad("the task was stopped, as asked", None),
        Outcome::Stopped { mut fault, .. } => {
            fault.message = None;
            bad("the task was stopped, not by this command", Some(&fault))
        }
        Outcome::Refused(error) => refused(session, began, code, error, reporter.attempts()),
        Outcome::NotStarted {
            why,
            attempts,
            temporary,
        } => {
            let (exit, advice) = if temporary {
                (
                    Exit::TryLater,
                    "Nothing was started; trying again later is safe.",
                )
            } else {
                (
                    Exit::Other,
                    "Nothing was started; trying again would not help.",
                )
            };
            Problem::new(exit, code, "the task was not started")
                .why(why)
                .why(advice)
                .attempts(attempts)
        }
        Outcome::Unknown {
            intent,
            why,
            likely,
        } => unknown(session, began, Some(intent.to_string()), &why, likely)
            .attempts(reporter.attempts()),
        Outcome::AccessLost { error, .. } => {
            let what = match error.status.as_u16() {
                403 => "the key is not allowed to see this task",
                _ => "the key was refused; the task goes on",
            };
            exchange(Problem::new(Exit::Auth, code, what), &error)
                .why(error.to_string())
                .why(format!("The key came from {}.", session.key_source()))
                .next("back", of("watch"), "with a key that works")
        }
        Outcome::Gone { error, .. } => {
            let what = "the server does not know this task";
            let problem = exchange(Problem::new(Exit::Other, code, what), &error);
            let problem = problem.why(error.to_string());
            if P::LISTS {
                problem.next("see", session.command("ls"), "")
            } else {
                problem
            }
        }
        Outcome::DeadlineExceeded {
            clock,
            last,
            id,
            abandoned,
        } => {
            let unsent = unsent(began, reporter);
            let what = match clock {
                Clock::Human if unsent.is_some() => "--answer-timeout is over",
                Clock::Human => "--answer-timeout is over: nobody answered",
                _ => "--timeout is over",
            };
            let elapsed = span(session.clock.elapsed());
            let problem = Problem::new(Exit::Timeout, code, what).headed("timeout");
            match id {
                Some(_) => {
                    // Events tell a status before any read does.
                    let last = reporter.seen().or(last);
                    let seen = match &last {
                        Some(status) => format!("{} after {elapsed}.", state(status)),
                        None => match reporter.trouble() {
                            Some(why) => {
                                format!("Its status could not be read; last: {}", one_line(&why))
                            }
                            None => format!("Its status was not read within {elapsed}."),
                        },
                    };
                    let problem = match unsent {
                        Some(unsent) => problem.why(unsent),
                        None => problem,
                    };
                    let stuck = last.zip(task.as_ref());
                    let problem = match stuck.and_then(|(s, task)| P::stuck(task, &s)) {
                        Some(way_out) => hint(session, problem, way_out),
                        None => problem,
                    };
                    fate(session, problem.why(seen), &task, &abandoned)
                }
                None => match reporter.trouble() {
                    Some(why) => problem.why(format!("Last: {}", one_line(&why))),
                    None => problem,
                }
                .why("The task was not started."),
            }
        }
        _ => Problem::new(
            Exit::Other,
            code,
            "the watch ended in a way this version does not know",
        ),
    };
    Err(simulated(session, problem.task(task)))
}

/// That what was to be said to the task never left.
fn unsent(began: &Began, reporter: &Reporter) -> Option<&'static str> {
    match (began, reporter.fate()) {
        (Began::Message(_), None) => Some("The message was not sent."),
        (Began::Message(_), Some(Answered::NotSent)) => Some("The message was not sent."),
        (_, Some(Answered::NotSent)) => Some("The answer was not sent."),
        _ => None,
    }
}

/// A status in a sentence's beginning, whatever the server calls it.
fn state(status: &Status) -> String {
    match one_line(status.as_str()) {
        word if word.is_empty() => "The task had a status without a name".to_owned(),
        word if status.known => format!("The task was {word}"),
        word => format!("The task's status was {word:?}, which this version does not know,"),
    }
}

/// Whoever was to answer failed: the task goes on, and so does its question.
pub(crate) fn unanswered<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
    question: Option<&Question>,
) -> Box<Problem> {
    let problem = match (question, task) {
        (Some(question), Some(task)) => {
            let problem = asked(problem.why("The question is still open:"), question);
            answers(session, problem, task, question)
        }
        _ => problem,
    };
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// stdout takes no more while a task is watched.
pub(crate) fn unheard<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
) -> Box<Problem> {
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// Control handed back: the task goes on.
pub(crate) fn left<P: Platform>(
    session: &Session<P>,
    reporter: &Reporter,
    left: &Left,
) -> Box<Problem> {
    let task = session.task(&left.id);
    let known = Some(task.clone());
    let problem = match &left.why {
        LeftWhy::Question(question) => {
            let refusal = reporter.refusal(&question.id);
            let what = match question.kind {
                _ if refusal.is_some() => {
                    "the server refused the answer, and the run still waits for one"
                }
                QuestionKind::Approval => "the run waits for an approval, and nobody here gives it",
                _ => "the agent asks, and nobody here can answer",
            };
            let problem = Problem::new(Exit::Pending, "waiting", what).headed("waiting");
            let problem = match refusal {
                Some(why) => problem.why(why),
                None => problem,
            };
            let problem = answers(session, asked(problem, question), &task, question);
            cancel(session, problem, &task)
        }
        LeftWhy::AnswerUnknown(question) => {
            let problem = Problem::new(
                Exit::Unknown,
                "outcome_unknown",
                "the answer may or may not have arrived; it was not sent again",
            );
            let problem = asked(problem, question).next(
                "see",
                session.command(&P::conversation(&task)),
                "whether it is there",
            );
            P::answers(&task, question).into_iter().take(1).fold(
                problem,
                |problem, (_, command, _)| {
                    problem.next("again", session.command(&command), "if it is not")
                },
            )
        }
        LeftWhy::Review(_) => goes_on(
            session,
            Problem::new(
                Exit::Pending,
                "waiting",
                "the task waits for a human's review in the platform's dashboard",
            )
            .headed("waiting"),
            &known,
        ),
        _ => detached(session, &known, None, Exit::Interrupted),
    };
    simulated(session, problem.task(known))
}

/// What something was to be sent to could not be read.
pub(crate) fn unread<P: Platform>(
    session: &Session<P>,
    task: &Option<TaskRef>,
    what: &str,
    why: &str,
) -> Box<Problem> {
    let what = format!("{what} could not be read; nothing was sent");
    let problem = Problem::new(Exit::TryLater, "not_sent", what)
        .why(format!("Last: {}", one_line(why)))
        .why("Trying again later is safe.");
    let problem = match task {
        Some(task) => {
            let status = format!("status {}", task.quoted());
            problem.next("see", session.command(&status), "")
        }
        None => problem,
    };
    problem.task(task.clone())
}

/// A signal while an answer is on its way.
pub(crate) fn answering<P: Platform>(session: &Session<P>, task: &TaskRef) -> Box<Problem> {
    let what = "the answer may or may not have arrived";
    let problem = Problem::new(Exit::Unknown, "outcome_unknown", what)
        .why("Interrupted before the server had answered. The task goes on.")
        .next(
            "see",
            session.command(&format!("watch {}", task.quoted())),
            "whether it is there",
        );
    simulated(session, problem.task(Some(task.clone())))
}

/// Ctrl-C while a task is watched.
pub(crate) fn detached<P: Platform>(
    session: &Session<P>,
    task: &Option<TaskRef>,
    question: Option<&Question>,
    exit: Exit,
) -> Box<Problem> {
    let problem = Problem::new(exit, "interrupted", "the watch ended").headed("detached");
    let problem = match (question, task) {
        (Some(question), Some(task)) => answers(session, asked(problem, question), task, question),
        _ => problem,
    };
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// Ctrl-C where the task was to be stopped.
pub(crate) fn abandoned<P: Platform>(
    session: &Session<P>,
    task: &Option<TaskRef>,
    abandoned: &Abandoned,
    exit: Exit,
) -> Box<Problem> {
    let problem = Problem::new(exit, "interrupted", "the watch ended").headed("detached");
    let problem = fate(session, problem, task, abandoned);
    simulated(session, problem.task(task.clone()))
}

/// What is known of a task that is left.
fn fate<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
    abandoned: &Abandoned,
) -> Box<Problem> {
    let problem = problem.abandoned(abandoned.code());
    match (abandoned, task) {
        (Abandoned::Confirmed(_), Some(task)) => {
            let problem = problem.why("The task was stopped, as asked.");
            hint(session, problem, P::history(task))
        }
        (Abandoned::CancelAccepted, Some(task)) => problem
            .why("The task was asked to stop, and was not seen to have.")
            .next(
                "see",
                session.command(&format!("status {}", task.quoted())),
                "",
            ),
        (Abandoned::CancelFailed(why), _) => goes_on(
            session,
            problem.why(format!("The task was not stopped: {}", one_line(why))),
            task,
        ),
        _ => goes_on(session, problem, task),
    }
}

/// A signal, or a lost reply, while a start or a message is on its way.
pub(crate) fn unknown<P: Platform>(
    session: &Session<P>,
    began: &Began,
    intent: Option<String>,
    why: &str,
    likely: bool,
) -> Box<Problem> {
    let recover = intent
        .as_ref()
        .filter(|_| session.memory.is_some())
        .map(|intent| session.command(&format!("recover {intent}")));
    let problem = |what: &str| {
        Problem::new(Exit::Unknown, "outcome_unknown", what)
            .why(why.to_owned())
            .intent(intent.clone())
    };
    let may = if likely {
        "the task was probably started, and its id is lost"
    } else {
        "the task may have been started"
    };
    match began {
        Began::Message(task) => problem("the message may or may not have arrived")
            .why("It was not sent again.")
            .next(
                "see",
                session.command(&P::conversation(task)),
                "whether it is there",
            )
            .task(Some(task.clone())),
        Began::Agent { agent, anew } => {
            let problem = problem(may).why("Nothing was sent again.");
            match recover {
                Some(recover) => problem.next("see", recover, "looks for it on the server"),
                None => {
                    let list = format!("ls --agent {} --since 15m", quote(agent));
                    problem.next("see", session.command(&list), "whether it is there")
                }
            }
            .next(
                "or",
                anew.clone(),
                "starts another one, which may be billed twice",
            )
        }
        Began::Keyed(start) => {
            let problem = problem(may).why("The same command with the same key follows the run if it is there, and starts it if it is not.");
            match recover {
                Some(recover) => problem.next("see", recover, "never makes two"),
                None => problem,
            }
            .next("again", again(start), "never makes two")
        }
        Began::Again => {
            let problem = problem(may).why("It was sent again under its key, which makes no second run, and nobody knows more than before.");
            match recover {
                Some(recover) => problem.next("later", recover, "never makes two"),
                None => problem,
            }
        }
        Began::Watch => problem("it is not known whether the task exists"),
    }
}

fn refused<P: Platform>(
    session: &Session<P>,
    began: &Began,
    code: &'static str,
    error: ApiError,
    attempts: u32,
) -> Box<Problem> {
    let status = error.status.as_u16();
    let exit = match status {
        401 | 403 => Exit::Auth,
        _ => Exit::Other,
    };
    let what = match began {
        Began::Message(_) => "the server refused the message",
        Began::Agent { .. } | Began::Keyed(_) | Began::Again | Began::Watch => {
            "the server refused to start the task"
        }
    };
    let problem = exchange(Problem::new(exit, code, what), &error)
        .why(one_line(&error.to_string()))
        .attempts(attempts);
    let problem = match began {
        Began::Message(task) => problem.task(Some(task.clone())),
        Began::Agent { .. } | Began::Keyed(_) | Began::Again | Began::Watch => problem,
    };
    match (status, began) {
        (401, _) => problem.why(format!("The key came from {}.", session.key_source())),
        (403 | 404, Began::Agent { agent, .. }) => problem.why(agents::unreachable(agent)).next(
            "see",
            session.command("agents list"),
            "the agents there are",
        ),
        (409, Began::Keyed(start)) => conflict(problem, start, attempts > 1),
        (409, Began::Message(task)) => problem.next(
            "see",
            session.command(&format!("status {}", task.quoted())),
            "",
        ),
        _ => problem,
    }
}

/// A key that the server refused: it does not say which of the two reasons it had.
fn conflict(problem: Box<Problem>, start: &Keyed, repeated: bool) -> Box<Problem> {
    // An earlier attempt of this very command may be what is still being worked on.
    let fate = if start.minted || repeated {
        "An earlier attempt of this command may have started a run."
    } else {
        "This command started nothing."
    };
    problem
        .why(format!(
            "The server refused the idempotency key {:?}: it was used with another job, or its first use is still being worked on. {fate}",
            one_line(&start.key)
        ))
        .next("again", again(start), "follows the run of this key, if it is the same job")
        .next("anew", start.anew.clone(), "another run, under a new key")
}

/// The same command line under the same key.
fn again(start: &Keyed) -> String {
    format!("{} --idempotency-key {}", start.anew, quote(&start.key))
}

fn exchange(problem: Box<Problem>, error: &ApiError) -> Box<Problem> {
    problem
        .exchange(error.request_id.clone(), Some(error.status.as_u16()))
        .reason(error.code.clone())
}

fn asked(problem: Box<Problem>, question: &Question) -> Box<Problem> {
    asked_in_words(question)
        .into_iter()
        .fold(problem, |problem, line| problem.why(line))
}

fn hint<P: Platform>(session: &Session<P>, problem: Box<Problem>, hint: Hint) -> Box<Problem> {
    let (label, command, note) = hint;
    problem.next(label, session.command(&command), note)
}

/// The commands that answer a question.
pub(crate) fn answers<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &TaskRef,
    question: &Question,
) -> Box<Problem> {
    P::answers(task, question)
        .into_iter()
        .fold(problem, |problem, it| hint(session, problem, it))
}

/// The command that stops the task, where there is one; without a terminal nobody is there to ask whether it is meant.
fn cancel<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &TaskRef,
) -> Box<Problem> {
    if !P::CAPABILITIES.cancel {
        return problem;
    }
    let yes = if std::io::stdin().is_terminal() {
        ""
    } else {
        " --yes"
    };
    let command = session.command(&format!("cancel {}{yes}", task.quoted()));
    problem.next("cancel", command, "")
}

fn goes_on<P: Platform>(
    session: &Session<P>,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
) -> Box<Problem> {
    match task {
        // In this process the simulator's end is told instead.
        _ if session.sim().is_some() => problem,
        Some(task) => {
            let watch = session.command(&format!("watch {}", task.quoted()));
            let problem = problem.why("The task goes on.").next("back", watch, "");
            cancel(session, problem, task)
        }
        None => problem,
    }
}

/// What is different when the server was in this process: it is gone, and no command reaches its tasks.
fn simulated<P: Platform>(session: &Session<P>, problem: Box<Problem>) -> Box<Problem> {
    if session.sim().is_none() {
        return problem;
    }
    let waits = problem.exit() == Exit::Pending;
    let problem = problem
        .without_next()
        .why("The simulator ended with this command, and its task with it.")
        .next(
            "keep",
            "taskward sim",
            "a simulator that stays, for another shell",
        );
    if waits {
        problem.next(
            "or",
            format!("taskward {}", P::UNATTENDED),
            "answers within one command",
        )
    } else {
        problem
    }
}
