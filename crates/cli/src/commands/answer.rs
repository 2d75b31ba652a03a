//! `taskward approve`, `reject` and `input`: the answers to a run that waits.

use std::sync::Arc;

use serde_json::{Map, Value};
use taskward::agent_harness::AgentHarness;
use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::types::RunStatus;
use taskward::core::AnswerError;
use taskward::{Answer, Answered, Event, Question};

use crate::answers::{self, Asker, checked, form, is_attended};
use crate::args::{Approve, Follow, Global, Input, ProviderName, Reject};
use crate::confirm;
use crate::ends::{self, Began};
use crate::exit::Exit;
use crate::follow::{Deadlines, Followed, Watched};
use crate::memory::Memory;
use crate::out::Out;
use crate::platform::Platform as _;
use crate::print::Destination;
use crate::problem::Problem;
use crate::report::{Reporter, result_line};
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::{TaskArg, TaskRef};
use crate::text_arg::{json_object, stdin_text, text_or_file};

/// What a task of Nanonets has instead.
const INSTEAD: &str = "A question of its agents is answered in words: taskward reply TASK TEXT.";

/// What tells the question of a run that waits.
const WAIT: &str = "the run waits, and its events";

pub(super) async fn approve(
    out: Arc<Out>,
    global: &Global,
    args: Approve,
) -> Result<Exit, Box<Problem>> {
    let task = run_of(global, &args.task, "approve")?;
    let given = Given::Ready(Answer::Approve);
    answer(out, global, task, given, args.watch, &args.follow, false).await
}

pub(super) async fn reject(
    out: Arc<Out>,
    global: &Global,
    args: Reject,
) -> Result<Exit, Box<Problem>> {
    let task = run_of(global, &args.task, "reject")?;
    let mut reason = match &args.reason {
        Some(reason) => Some(checked("--reason", text_or_file("--reason", reason)?)?),
        None => None,
    };
    if !args.yes {
        confirm(&out, global, &task, &mut reason)?;
    }
    let given = Given::Ready(Answer::Reject { reason });
    answer(out, global, task, given, args.watch, &args.follow, false).await
}

pub(super) async fn input(
    out: Arc<Out>,
    global: &Global,
    args: Input,
) -> Result<Exit, Box<Problem>> {
    let task = run_of(global, &args.task, "input")?;
    let from_stdin = args.data == ["-"];
    if from_stdin && global.key_stdin {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "--key-stdin and the data - both read stdin, and it can be read once",
        ));
    }
    let given = match data(&args.data)? {
        Some(data) => Given::Ready(Answer::Input(data)),
        None if is_attended(global)? => Given::Typed,
        None => {
            return Err(Problem::new(
                Exit::Usage,
                "usage",
                "there is nothing to send: give KEY=VALUE, a JSON object, @FILE or -",
            )
            .why("Nothing was sent.")
            .task(Some(task)));
        }
    };
    answer(
        out,
        global,
        task,
        given,
        args.watch,
        &args.follow,
        from_stdin,
    )
    .await
}

fn run_of(global: &Global, task: &TaskArg, command: &str) -> Result<TaskRef, Box<Problem>> {
    let harness = ProviderName::AgentHarness;
    let (provider, task) = global.task_or(task, harness)?;
    global.only(harness, provider, command, INSTEAD)?;
    Ok(task)
}

/// The data of the command line: fields, or one object.
fn data(args: &[String]) -> Result<Option<Map<String, Value>>, Box<Problem>> {
    let wrong = |why: String| Problem::input(why).why("Nothing was sent.");
    match args {
        [] => Ok(None),
        [one] if one == "-" => {
            let text = stdin_text("data")?;
            let data = form::object(&text)
                .map_err(|why| wrong(format!("stdin has to be a JSON object: {why}")))?;
            Ok(Some(data))
        }
        [one] if one.starts_with(['{', '[', '"', '@']) => json_object("input", one).map(Some),
        fields => {
            let mut data = Map::new();
            for text in fields {
                form::field(&mut data, text).map_err(wrong)?;
            }
            Ok(Some(data))
        }
    }
}

/// Asks a person; a script says `--yes`.
fn confirm(
    out: &Out,
    global: &Global,
    task: &TaskRef,
    reason: &mut Option<String>,
) -> Result<(), Box<Problem>> {
    confirm::attended(global, "rejecting makes the run fail")
        .map_err(|problem| problem.task(Some(task.clone())))?;
    let question = format!("reject {task}? The run fails; it does not go on without the step");
    if !confirm::sure(out, &question) {
        let declined = confirm::declined("not rejected; the run still waits");
        return Err(declined.task(Some(task.clone())));
    }
    if reason.is_none() {
        *reason =
            confirm::typed(out, "reason (empty for none)> ").filter(|reason| !reason.is_empty());
    }
    Ok(())
}

/// Where an answer comes from.
enum Given {
    /// It is there.
    Ready(Answer),
    /// A person types the data once the question is on the screen.
    Typed,
}

async fn answer(
    out: Arc<Out>,
    global: &Global,
    task: TaskRef,
    given: Given,
    watch: bool,
    follow: &Follow,
    stdin_is_taken: bool,
) -> Result<Exit, Box<Problem>> {
    let deadlines = Deadlines::of(follow)?;
    let to = Destination::new(follow.output.clone(), follow.print)?;
    let taken = stdin_is_taken || global.key_stdin;
    let harness = ProviderName::AgentHarness;
    let asker = Asker::new(out.clone(), global, follow, harness, taken)?;
    let memory = Memory::for_watch(&out, global);
    let session: Session<AgentHarness> = Session::journaled(out, global, follow.speed, memory)?;
    session.banner();
    session.speak(&task)?;
    // A question that comes up only now is not the one that is being answered.
    let run = session.call(GetRun::new(task.id().as_str())).await;
    let run = run.map_err(|problem| problem.task(Some(task.clone())))?;
    if run.status != RunStatus::AwaitingInput {
        return Err(not_waiting(&session, &task, run.status.as_str(), None));
    }
    let reporter = Arc::new(Reporter::new(&session, Some(task.clone()), false));
    reporter.watching();
    // What led to the question is known to whoever answers it.
    reporter.hush(true);
    let run = session.client.attach(task.id().clone());
    let watched = Watched::new(run, Began::Watch, reporter, deadlines.policy());
    let watched = watched.answered_by(Arc::new(asker));
    let mut followed = watched.begin(&session).await?;
    let said = sent(&session, &mut followed, &task, given).await?;
    session.spoken(&task);
    followed.reporter.hush(false);
    if watch {
        return followed.finish(&to).await;
    }
    session.out.still();
    if session.out.is_json() {
        let status = followed.reporter.status();
        let mut fields = Map::new();
        fields.insert("answer".to_owned(), said);
        session.out.line(&result_line(&task, &status, fields));
    } else {
        let watch = session.command(&format!("watch {}", task.quoted()));
        session.out.say(&format!("follow: {watch}"));
    }
    Ok(Exit::Ok)
}

/// Finds the question, answers it and sees the answer land; gives the answer for programs.
async fn sent(
    session: &Session<AgentHarness>,
    followed: &mut Followed<'_, AgentHarness>,
    task: &TaskRef,
    given: Given,
) -> Result<Value, Box<Problem>> {
    let Some(question) = asked(session, followed).await? else {
        return Err(moved(session, task, None).await);
    };
    let answer = match given {
        Given::Ready(answer) => answer,
        Given::Typed => match typed(session, followed, &question).await? {
            Typed::Data(data) => Answer::Input(data),
            Typed::Nothing => {
                let what = "nothing was sent; the run still waits";
                return Err(Problem::new(Exit::Usage, "declined", what)
                    .headed("kept")
                    .task(Some(task.clone())));
            }
            Typed::Withdrawn => return Err(moved(session, task, None).await),
        },
    };
    let said = form::as_json(&answer);
    match followed.running.answer(&question.id, answer) {
        Ok(()) => followed.reporter.answer_given(),
        Err(AnswerError::WrongKind { why, .. }) => {
            let what = format!("the answer does not fit what the run waits for: {why}");
            let problem = Problem::input(what).why("Nothing was sent.");
            let problem = ends::answers(session, problem, task, &question);
            return Err(problem.task(Some(task.clone())));
        }
        Err(_) => return Err(moved(session, task, None).await),
    }
    while let Some(event) = followed.event().await? {
        let Event::Answered { how, detail, .. } = event else {
            continue;
        };
        return Err(match how {
            // Why is told by the end of the watch.
            Answered::NotSent => continue,
            Answered::Applied => return Ok(said),
            Answered::Gone => moved(session, task, detail).await,
            Answered::Refused => {
                let what = "the server refused the answer; the run still waits";
                let problem = Problem::new(Exit::Other, "refused", what);
                let problem = problem.why(detail.unwrap_or_default());
                ends::answers(session, problem, task, &question).task(Some(task.clone()))
            }
            _ => {
                let what = "the answer may or may not have arrived; it was not sent again";
                Problem::new(Exit::Unknown, "outcome_unknown", what)
                    .why(detail.unwrap_or_default())
                    .next(
                        "see",
                        session.command(&AgentHarness::conversation(task)),
                        "what the run made of it",
                    )
                    .task(Some(task.clone()))
            }
        });
    }
    followed.cut_short().await?;
    Err(moved(session, task, None).await)
}

/// The open question; `None` when the run went on or ended before it was found.
async fn asked(
    session: &Session<AgentHarness>,
    followed: &mut Followed<'_, AgentHarness>,
) -> Result<Option<Question>, Box<Problem>> {
    while let Some(event) = followed.event_before_sending(WAIT).await? {
        match event {
            Event::Question(question) => return Ok(Some(question)),
            Event::Status(status) if status.as_str() != RunStatus::AwaitingInput.as_str() => {
                return Ok(None);
            }
            _ => {}
        }
    }
    followed.cut_short().await.map_err(|problem| {
        let trouble = followed.reporter.trouble();
        match trouble.filter(|_| problem.exit() == Exit::Timeout) {
            Some(why) => ends::unread(session, &followed.reporter.task(), WAIT, &why),
            None => problem,
        }
    })?;
    Ok(None)
}

/// What came of asking a person.
enum Typed {
    Data(Map<String, Value>),
    Nothing,
    Withdrawn,
}

/// Asks for data while the run is watched.
async fn typed(
    session: &Session<AgentHarness>,
    followed: &mut Followed<'_, AgentHarness>,
    question: &Question,
) -> Result<Typed, Box<Problem>> {
    followed.reporter.question(question);
    let typing = answers::typed_data(&session.out);
    tokio::pin!(typing);
    loop {
        let event = tokio::select! {
            data = &mut typing => return Ok(data.map_or(Typed::Nothing, Typed::Data)),
            event = followed.event() => event?,
        };
        match event {
            Some(Event::Withdrawn(_)) | None => return Ok(Typed::Withdrawn),
            Some(_) => {}
        }
    }
}

/// The run no longer waits: what it does instead.
async fn moved(
    session: &Session<AgentHarness>,
    task: &TaskRef,
    detail: Option<String>,
) -> Box<Problem> {
    session.out.still();
    let run = session.call(GetRun::new(task.id().as_str())).await;
    match run {
        Ok(run) => not_waiting(session, task, run.status.as_str(), detail),
        Err(problem) => problem
            .why("The answer was not taken.")
            .task(Some(task.clone())),
    }
}

fn not_waiting(
    session: &Session<AgentHarness>,
    task: &TaskRef,
    status: &str,
    detail: Option<String>,
) -> Box<Problem> {
    let what = format!(
        "the run does not wait for an answer: it is {}",
        one_line(status)
    );
    // The platform's own word for it, which a signal sent now would be answered with.
    const REASON: &str = "run_not_awaiting_input";
    let problem = Problem::new(Exit::Other, REASON, what).reason(Some(REASON.to_owned()));
    let problem = match detail {
        Some(detail) => problem.why(detail),
        None => problem,
    };
    let problem = match status {
        "queued" | "running" => problem
            .why("It was answered already, or has yet to ask. Nothing was sent for a question that nobody has seen."),
        "stalled" => problem.why("It lost its worker before it could ask."),
        "awaiting_input" => problem.why("It waits again, for something else: look before answering."),
        _ => problem.why("It is over: it was answered already, or not in time."),
    };
    problem
        .next(
            "see",
            session.command(&format!("watch {}", task.quoted())),
            "",
        )
        .task(Some(task.clone()))
}
