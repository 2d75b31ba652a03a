//! `taskward reply`, `approve`, `reject` and `input`: the answer to a question, which is named or was shown before.

mod give;
mod refusals;

use serde_json::{Map, Value};
use taskward::Answer;
use taskward::question::QuestionId;

use crate::answers::{checked, form, is_attended};
use crate::args::{Afterwards, Approve, Global, Input, QuestionOfTask, Reject, Reply};
use crate::calls::Calls;
use crate::codes::Code;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::shown::AnsweringCommand;
use crate::task_ref::TaskRef;
use crate::text_arg::{json_object, stdin_text, text_or_file};

/// An answer, and where it is to go.
struct AnswerRequest {
    command: AnsweringCommand,
    task: TaskRef,
    /// The question; `None` is the one that was shown.
    question: Option<QuestionId>,
    given: Given,
    after: Afterwards,
    stdin_is_taken: bool,
    /// Whether it is sent although an earlier one may have arrived.
    force_new: bool,
}

impl AnswerRequest {
    fn new(
        command: AnsweringCommand,
        task: TaskRef,
        to: QuestionOfTask,
        given: Given,
        after: Afterwards,
    ) -> Self {
        Self {
            command,
            task,
            question: to.question.map(QuestionId::new),
            given,
            after,
            stdin_is_taken: false,
            force_new: false,
        }
    }
}

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    /// It is there.
    Ready(Answer),
    /// A person types the data once the question is on the screen.
    TypedData,
    /// A person confirms the rejection, and may give the reason.
    Rejection { reason: Option<String> },
}

impl Given {
    /// The answer, where it is there.
    fn answer(&self) -> Option<Value> {
        match self {
            Self::Ready(answer) => Some(form::as_json(answer)),
            Self::TypedData | Self::Rejection { .. } => None,
        }
    }
}

pub(super) async fn approve<P: Calls>(cx: &Cx, task: TaskRef, args: Approve) -> CliResult<Exit> {
    let request = AnswerRequest::new(
        AnsweringCommand::Approve,
        task,
        args.to,
        Given::Ready(Answer::Approve),
        args.after,
    );
    give::answer::<P>(cx, request).await
}

pub(super) async fn reject<P: Calls>(cx: &Cx, task: TaskRef, args: Reject) -> CliResult<Exit> {
    let reason = match &args.reason {
        Some(reason) => Some(checked("--reason", text_or_file("--reason", reason)?)?),
        None => None,
    };
    // Whoever names the question means it.
    let given = if args.yes || args.to.question.is_some() {
        Given::Ready(Answer::Reject { reason })
    } else {
        Given::Rejection { reason }
    };
    let request = AnswerRequest::new(AnsweringCommand::Reject, task, args.to, given, args.after);
    give::answer::<P>(cx, request).await
}

pub(super) async fn input<P: Calls>(cx: &Cx, task: TaskRef, args: Input) -> CliResult<Exit> {
    let from_stdin = args.data == ["-"];
    if from_stdin {
        stdin_is_free(&cx.global, "data")?;
    }
    let given = match data(&args.data)? {
        Some(data) => Given::Ready(Answer::Input(data)),
        None if is_attended(&cx.global)? => Given::TypedData,
        None => {
            return Err(CliError::new(
                Code::Usage,
                "there is nothing to send: give KEY=VALUE, a JSON object, @FILE or -",
            )
            .why("Nothing was sent.")
            .task(&task));
        }
    };
    let mut request = AnswerRequest::new(AnsweringCommand::Input, task, args.to, given, args.after);
    request.stdin_is_taken = from_stdin;
    give::answer::<P>(cx, request).await
}

pub(super) async fn reply<P: Calls>(cx: &Cx, task: TaskRef, args: Reply) -> CliResult<Exit> {
    let from_stdin = args.text == "-";
    let text = words(&cx.global, args.text)?;
    let mut request = AnswerRequest::new(
        AnsweringCommand::Reply,
        task,
        args.to,
        Given::Ready(Answer::Text(text)),
        args.after,
    );
    request.stdin_is_taken = from_stdin;
    request.force_new = args.force_new;
    give::answer::<P>(cx, request).await
}

/// The words of the command line, or of stdin.
pub(super) fn words(global: &Global, text: String) -> CliResult<String> {
    if text != "-" {
        return checked("the text", text);
    }
    stdin_is_free(global, "text")?;
    let text = stdin_text("text")?;
    // The line break that echo and editors leave.
    checked(
        "the text",
        text.strip_suffix('\n').unwrap_or(&text).to_owned(),
    )
}

fn stdin_is_free(global: &Global, what: &str) -> CliResult<()> {
    if !global.key_stdin {
        return Ok(());
    }
    let what = format!("--key-stdin and the {what} - both read stdin, and it can be read once");
    Err(CliError::new(Code::Usage, what))
}

/// A question that is known to be one of another task.
fn of_another(task: &TaskRef, question: &QuestionId, other: &str) -> CliError {
    let what = format!("this is no question of {task}: it is one of {other}");
    CliError::input(what)
        .why("Nothing was sent.")
        .question(question)
        .task(task)
}

/// The data of the command line: fields, or one object.
fn data(args: &[String]) -> CliResult<Option<Map<String, Value>>> {
    let wrong = |why: String| CliError::input(why).why("Nothing was sent.");
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
