//! How a watch ended, and what to do next: the table of exit codes.

use std::io::IsTerminal as _;

use taskward::core::Clock;
use taskward::nanonets::Answer;
use taskward::{ApiError, Fault, Left, LeftWhy, Outcome, Question, Status, StoppedBy};

use crate::agents;
use crate::clock::span;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Reporter, words};
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::{TaskRef, quote};

/// What was sent first, for the words about an unknown outcome.
#[derive(Clone, Debug)]
pub(crate) enum Began {
    /// A start of this agent.
    Start { agent: String },
    /// A message to a task.
    Message(TaskRef),
    /// Nothing: the task was only watched.
    Watch,
}

/// The answer of a task that completed; every other end as the problem it is.
pub(crate) fn outcome(
    session: &Session,
    began: &Began,
    reporter: &Reporter,
    outcome: Outcome<Answer>,
) -> Result<Answer, Box<Problem>> {
    let task = outcome
        .task()
        .cloned()
        .map(TaskRef::new)
        .or_else(|| reporter.task());
    let code = outcome.code();
    let of = |command: &str| match &task {
        Some(task) => session.command(&format!("{command} {}", task.quoted())),
        None => session.command(command),
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
        Outcome::Failed { fault, .. } => bad("the task failed", code, of("result"), Some(&fault)),
        // What was said last is not why it was stopped.
        Outcome::Stopped {
            by: StoppedBy::Us, ..
        } => bad("the task was stopped, as asked", code, of("result"), None),
        Outcome::Stopped { .. } => bad(
            "the task was stopped, not by this command",
            code,
            of("result"),
            None,
        ),
        Outcome::Refused(error) => refused(session, began, code, error),
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
        } => unknown(session, began, &why, likely)
            .intent(Some(intent.to_string()))
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
        Outcome::Gone { error, .. } => exchange(
            Problem::new(Exit::Other, code, "the server does not know this task"),
            &error,
        )
        .why(error.to_string())
        .next("see", session.command("ls"), ""),
        Outcome::DeadlineExceeded { clock, last, id } => {
            let what = match clock {
                Clock::Human => "--answer-timeout is over: nobody answered",
                _ => "--timeout is over",
            };
            let elapsed = span(session.clock.elapsed());
            let problem = Problem::new(Exit::Timeout, code, what).headed("timeout");
            match id {
                Some(_) => {
                    let seen = match last.as_ref().or(reporter.seen().as_ref()) {
                        Some(status) => format!("{} after {elapsed}.", state(status)),
                        None => match reporter.trouble() {
                            Some(why) => {
                                format!("Its status could not be read; last: {}", one_line(&why))
                            }
                            None => format!("Its status was not read within {elapsed}."),
                        },
                    };
                    goes_on(session, problem.why(seen), &task)
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

/// A status in a sentence's beginning, whatever the server calls it.
fn state(status: &Status) -> String {
    match one_line(status.as_str()) {
        word if word.is_empty() => "The task had a status without a name".to_owned(),
        word if status.known => format!("The task was {word}"),
        word => format!("The task's status was {word:?}, which this version does not know,"),
    }
}

/// Whoever was to answer failed: the task goes on, and so does its question.
pub(crate) fn unanswered(
    session: &Session,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
    question: Option<&Question>,
) -> Box<Problem> {
    let problem = match (question, task) {
        (Some(question), Some(task)) => asked(problem.why("The question is still open:"), question)
            .next("answer", answer_command(session, task), ""),
        _ => problem,
    };
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// stdout takes no more while a task is watched.
pub(crate) fn unheard(
    session: &Session,
    problem: Box<Problem>,
    task: &Option<TaskRef>,
) -> Box<Problem> {
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// Control handed back: the task goes on.
pub(crate) fn left(session: &Session, left: &Left) -> Box<Problem> {
    let task = TaskRef::new(left.id.clone());
    let known = Some(task.clone());
    let problem = match &left.why {
        LeftWhy::Question(question) => {
            let problem = Problem::new(
                Exit::Pending,
                "waiting",
                "the agent asks, and nobody here can answer",
            )
            .headed("waiting");
            let problem = asked(problem, question);
            problem
                .next("answer", answer_command(session, &task), "")
                .next("cancel", cancel_command(session, &task), "")
        }
        LeftWhy::AnswerUnknown(question) => {
            let problem = Problem::new(
                Exit::Unknown,
                "outcome_unknown",
                "the answer may or may not have arrived; it was not sent again",
            );
            asked(problem, question)
                .next(
                    "see",
                    session.command(&format!("messages {}", task.quoted())),
                    "whether it is there",
                )
                .next("again", answer_command(session, &task), "if it is not")
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

/// Ctrl-C while a task is watched.
pub(crate) fn detached(
    session: &Session,
    task: &Option<TaskRef>,
    question: Option<&Question>,
    exit: Exit,
) -> Box<Problem> {
    let problem = Problem::new(exit, "interrupted", "the watch ended").headed("detached");
    let problem = match (question, task) {
        (Some(question), Some(task)) => {
            asked(problem, question).next("answer", answer_command(session, task), "")
        }
        _ => problem,
    };
    simulated(session, goes_on(session, problem, task).task(task.clone()))
}

/// A signal, or a lost reply, while a start or a message is on its way.
pub(crate) fn unknown(session: &Session, began: &Began, why: &str, likely: bool) -> Box<Problem> {
    let problem =
        |what: &str| Problem::new(Exit::Unknown, "outcome_unknown", what).why(why.to_owned());
    match began {
        Began::Message(task) => problem("the message may or may not have arrived")
            .why("It was not sent again.")
            .next(
                "see",
                session.command(&format!("messages {}", task.quoted())),
                "whether it is there",
            )
            .task(Some(task.clone())),
        Began::Start { agent } => {
            let may = if likely {
                "the task was probably started, and its id is lost"
            } else {
                "the task may have been started"
            };
            let list = format!("ls --agent {} --since 15m", quote(agent));
            problem(may)
                .why("Nothing was sent again.")
                .why("The same command again starts another task, which may be billed twice.")
                .next("see", session.command(&list), "whether it is there")
        }
        Began::Watch => problem("it is not known whether the task exists"),
    }
}

fn bad(what: &str, code: &'static str, result: String, fault: Option<&Fault>) -> Box<Problem> {
    let problem = Problem::new(Exit::TaskBad, code, what);
    let problem = match fault.and_then(|fault| fault.message.as_ref()) {
        Some(message) => problem.why(message.clone()),
        None => problem,
    };
    problem.next("see", result + " --full", "every step")
}

fn refused(session: &Session, began: &Began, code: &'static str, error: ApiError) -> Box<Problem> {
    let status = error.status.as_u16();
    let exit = match status {
        401 | 403 => Exit::Auth,
        _ => Exit::Other,
    };
    let what = match began {
        Began::Message(_) => "the server refused the message",
        Began::Start { .. } | Began::Watch => "the server refused to start the task",
    };
    let problem = exchange(Problem::new(exit, code, what), &error).why(error.to_string());
    match (status, began) {
        (401, _) => problem.why(format!("The key came from {}.", session.key_source())),
        (403 | 404, Began::Start { agent }) => problem.why(agents::unreachable(agent)).next(
            "see",
            session.command("agents list"),
            "the agents there are",
        ),
        (409, Began::Message(task)) => problem.next(
            "see",
            session.command(&format!("status {}", task.quoted())),
            "",
        ),
        _ => problem,
    }
}

fn exchange(problem: Box<Problem>, error: &ApiError) -> Box<Problem> {
    problem.exchange(error.request_id.clone(), Some(error.status.as_u16()))
}

fn asked(mut problem: Box<Problem>, question: &Question) -> Box<Problem> {
    let text = match question.text.trim() {
        "" => question.messages.last().map(words).unwrap_or_default(),
        text => text.to_owned(),
    };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        problem = problem.why(line);
    }
    if text.trim().is_empty() {
        problem = problem.why("The agent asked and sent no text.");
    }
    problem
}

/// The command that answers, as a script runs it once the answer is put in; run as it is, it sends these two words.
fn answer_command(session: &Session, task: &TaskRef) -> String {
    session.command(&format!("reply {} 'YOUR ANSWER' --watch", task.quoted()))
}

/// The command that stops the task; without a terminal there is nobody to ask whether it is meant.
fn cancel_command(session: &Session, task: &TaskRef) -> String {
    let yes = if std::io::stdin().is_terminal() {
        ""
    } else {
        " --yes"
    };
    session.command(&format!("cancel {}{yes}", task.quoted()))
}

fn goes_on(session: &Session, problem: Box<Problem>, task: &Option<TaskRef>) -> Box<Problem> {
    match task {
        // In this process the simulator's end is told instead.
        _ if session.sim().is_some() => problem,
        Some(task) => problem
            .why("The task goes on.")
            .next(
                "back",
                session.command(&format!("watch {}", task.quoted())),
                "",
            )
            .next("cancel", cancel_command(session, task), ""),
        None => problem,
    }
}

/// What is different when the server was in this process: it is gone, and no command reaches its tasks.
fn simulated(session: &Session, problem: Box<Problem>) -> Box<Problem> {
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
            "taskward run --sim --answer 'YOUR ANSWER' …",
            "answers within one command",
        )
    } else {
        problem
    }
}
