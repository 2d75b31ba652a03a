//! `taskward reply`: answers a question or sends a message, once, and sees it land.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};
use taskward::core::Look;
use taskward::nanonets::Nanonets;
use taskward::{Answered, Event};

use super::doubt::Errand;
use super::look::Read;
use crate::answers::{Asker, checked};
use crate::args::{Global, ProviderName, Reply};
use crate::clock::span;
use crate::ends::Began;
use crate::exit::Exit;
use crate::follow::{Deadlines, Followed, Watched};
use crate::memory::Memory;
use crate::out::Out;
use crate::print::Destination;
use crate::problem::Problem;
use crate::report::{Reporter, result_line, words};
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::text_arg::stdin_text;

/// How long a message may take to show an effect before the command says that it has not.
const LANDING: Duration = Duration::from_secs(10);

pub(super) async fn reply(
    out: Arc<Out>,
    global: &Global,
    args: Reply,
) -> Result<Exit, Box<Problem>> {
    let (provider, task) = global.task(&args.task)?;
    let instead = "A run that waits is answered by approve, reject or input.";
    global.only(ProviderName::Nanonets, provider, "reply", instead)?;
    let from_stdin = args.text == "-";
    if from_stdin && global.key_stdin {
        return Err(Problem::new(
            Exit::Usage,
            "usage",
            "--key-stdin and the text - both read stdin, and it can be read once",
        ));
    }
    let text = if from_stdin {
        let text = stdin_text("text")?;
        // The line break that echo and editors leave.
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    } else {
        args.text
    };
    let text = checked("the text", text)?;
    let deadlines = Deadlines::of(&args.follow)?;
    let to = Destination::new(args.follow.output.clone(), args.follow.print)?;
    let stdin_is_taken = from_stdin || global.key_stdin;
    let asker = Arc::new(Asker::new(
        out.clone(),
        global,
        &args.follow,
        provider,
        stdin_is_taken,
    )?);
    let memory = Memory::for_watch(&out, global);
    let session: Session<Nanonets> =
        Session::journaled(out.clone(), global, args.follow.speed, memory)?;
    session.banner();
    let reporter = Arc::new(Reporter::new(&session, Some(task.clone()), false));
    reporter.watching();
    // Held until the command ends, or the message was delivered and the task is watched.
    session.speak(&task)?;
    let doubtful = match args.force_new {
        true => None,
        false => session.in_doubt(&task),
    };
    let errand = Errand {
        session: &session,
        task: &task,
        text: &text,
        policy: deadlines.policy(),
    };
    let earlier = match doubtful {
        Some(kept) => errand.look(kept, global, reporter.clone()).await?,
        None => None,
    };
    let is_earlier = earlier.is_some();
    if !is_earlier && !args.watch {
        readable(&session, &task).await?;
    }
    let run = match earlier {
        Some(kept) => session.take_up(kept).await?,
        None => session
            .client
            .continue_with(task.id().clone(), text.clone()),
    };
    let began = Began::Message(task.clone());
    let watched = Watched::new(run, began, reporter, deadlines.policy())
        .leaving_reviews(args.follow.no_wait_review);
    if !args.watch {
        let followed = watched.begin(&session).await?;
        return landed(&session, followed, &task, is_earlier).await;
    }
    let mut followed = watched.answered_by(asker).begin(&session).await?;
    // Why a message was not sent is told by the end of the watch.
    let mut is_said = is_earlier;
    while !is_said {
        is_said = matches!(followed.event().await?, Some(Event::Sent { .. }) | None);
    }
    session.spoken(&task);
    followed.finish(&to).await
}

/// Looks whether the task can be read, as a single call does: whoever sends one message does not wait for a server that
/// is down. A task that is gone, or not ours, is told by the watch.
async fn readable(session: &Session<Nanonets>, task: &TaskRef) -> Result<(), Box<Problem>> {
    let look = Read::<Nanonets>::new(task, Look::Status);
    match session.call(look).await {
        Err(problem) => match problem.http_status() {
            Some(401 | 403 | 404 | 410) => Ok(()),
            _ => Err(problem.why("Nothing was sent.").task(Some(task.clone()))),
        },
        Ok(_) => Ok(()),
    }
}

/// What was seen after the message left.
enum Seen {
    /// The task was at work, or is now.
    Working,
    /// The agent spoke again, and waits.
    Spoke(String),
    /// The task is over, or waits for a review.
    Moved,
    /// Nothing yet.
    Nothing,
}

async fn landed(
    session: &Session<Nanonets>,
    mut followed: Followed<'_, Nanonets>,
    task: &TaskRef,
    is_earlier: bool,
) -> Result<Exit, Box<Problem>> {
    let out = &session.out;
    let is_sent = is_earlier
        || sent(&mut followed)
            .await
            .map_err(|problem| problem.task(Some(task.clone())))?;
    if !is_sent {
        return Err(over(session, &mut followed, task).await);
    }
    let status = followed.reporter.status();
    let seen = match status.as_str() {
        // It was at work all along: nothing has to move for the message to count.
        "pending" | "queued" | "running" => Seen::Working,
        _ => effect(session, &mut followed).await?,
    };
    out.still();
    let status = followed.reporter.status();
    if out.is_json() {
        let mut line = result_line(task, &status, Map::new());
        line["landed"] = json!(!matches!(seen, Seen::Nothing));
        line["earlier"] = json!(is_earlier);
        line["text"] = match &seen {
            Seen::Spoke(text) => json!(text),
            _ => json!(null),
        };
        out.line(&line);
        return Ok(Exit::Ok);
    }
    match seen {
        Seen::Working => out.say(&format!("the task goes on: it is {status}")),
        Seen::Moved => out.say(&format!("the task moved on: it is {status}")),
        Seen::Spoke(text) => {
            out.say("the agent replied:");
            out.print(&format!("{text}\n"))?;
        }
        Seen::Nothing => out.say(&format!(
            "the server took it; the task still shows {status} after {}",
            span(LANDING)
        )),
    }
    let watch = session.command(&format!("watch {}", task.quoted()));
    out.say(&format!("follow: {watch}"));
    Ok(Exit::Ok)
}

/// Sends the message; `false` when the watch ended over it.
async fn sent(followed: &mut Followed<'_, Nanonets>) -> Result<bool, Box<Problem>> {
    while let Some(event) = followed.event_before_sending("the task").await? {
        match event {
            Event::Sent {
                how: Answered::Applied,
                ..
            } => return Ok(true),
            Event::Sent {
                how: Answered::Refused,
                detail,
                ..
            } => {
                // A refusal by the server ends the watch and says more.
                if followed.event().await?.is_none() {
                    return Ok(false);
                }
                let why = detail.unwrap_or_default();
                return Err(
                    Problem::new(Exit::Other, "refused", "the message was not delivered").why(why),
                );
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Waits for the message to show an effect.
async fn effect(
    session: &Session<Nanonets>,
    followed: &mut Followed<'_, Nanonets>,
) -> Result<Seen, Box<Problem>> {
    let patience = tokio::time::sleep(session.clock.real(LANDING));
    tokio::pin!(patience);
    loop {
        let event = tokio::select! {
            event = followed.event() => event?,
            () = &mut patience => return Ok(Seen::Nothing),
        };
        match event {
            Some(Event::Question(question)) => {
                let text = match question.text.is_empty() {
                    true => question.messages.last().map(words).unwrap_or_default(),
                    false => question.text,
                };
                return Ok(Seen::Spoke(text));
            }
            Some(Event::Status(_) | Event::Paused(_)) | None => return Ok(Seen::Moved),
            Some(_) => {}
        }
    }
}

/// The end of a task whose watch ended before the message was known to be sent.
async fn over(
    session: &Session<Nanonets>,
    followed: &mut Followed<'_, Nanonets>,
    task: &TaskRef,
) -> Box<Problem> {
    let end = match followed.running.wait().await {
        Ok(end) => end,
        Err(error) => return session.problem(&error),
    };
    match followed.answer(end).await {
        Err(problem) => problem.task(Some(task.clone())),
        Ok(_) => Problem::new(
            Exit::Other,
            "refused",
            "the task ended before the message was sent",
        )
        .next(
            "see",
            session.command(&format!("result {}", task.quoted())),
            "",
        )
        .task(Some(task.clone())),
    }
}
