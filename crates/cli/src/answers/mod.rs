//! Who answers the agent's questions: `--on-approval` and `--answer`s in order, then `--on-question`, then a person at
//! the terminal.

mod command;
pub(crate) mod form;
mod terminal;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use taskward::error::BoxError;
use taskward::question::QuestionKind;
use taskward::{Answer, Question, Reply};

use crate::args::{Follow, Global, OnApproval};
use crate::codes::Code;
use crate::command_line;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::out::Out;
use crate::registry::ProviderName;
use crate::report::Reporter;
use crate::text_arg::text_or_file;
use terminal::{Terminal, drop_typed};

/// The longest answer; more than a person writes, and than a conversation is made for.
const MAX_ANSWER: usize = 256 * 1024;

/// How long a question whose kind is not known yet waits for it, before it goes to whoever takes any kind.
const UNNAMED: Duration = Duration::from_secs(60);

/// Answers questions.
pub(crate) struct Asker {
    out: Arc<Out>,
    answers: Mutex<VecDeque<Answer>>,
    /// Whether questions take data.
    takes_data: bool,
    on_approval: OnApproval,
    command: Option<String>,
    /// One question at a time, also when several tasks ask.
    terminal: Option<tokio::sync::Mutex<Terminal>>,
}

impl Asker {
    pub(crate) fn new(
        cx: &Cx,
        follow: &Follow,
        provider: ProviderName,
        stdin_is_taken: bool,
    ) -> CliResult<Self> {
        fits(follow, provider)?;
        let answers = follow
            .answers
            .iter()
            .map(|answer| {
                let text = checked("--answer", text_or_file("--answer", answer)?)?;
                if provider.capabilities().words {
                    return Ok(Answer::text(text));
                }
                form::object(&text).map(Answer::Input).map_err(|why| {
                    let title = provider.title();
                    CliError::input(format!("--answer is data on {title}: {why}"))
                        .why("An approval is given with --on-approval approve. Nothing was sent.")
                })
            })
            .collect::<Result<_, _>>()?;
        let person = is_attended(&cx.global)? && !stdin_is_taken;
        Ok(Self {
            out: cx.out.clone(),
            answers: Mutex::new(answers),
            takes_data: provider.capabilities().data,
            on_approval: follow.on_approval.unwrap_or(OnApproval::Ask),
            command: follow.on_question.clone(),
            terminal: person.then(|| tokio::sync::Mutex::new(Terminal::default())),
        })
    }

    /// The answer to a question, or `Leave` when nobody here has one. Dropped when the question is withdrawn.
    pub(crate) async fn ask(
        &self,
        mut question: Question,
        reporter: &Reporter,
    ) -> Result<Reply, BoxError> {
        loop {
            // What it is about may be told while somebody already thinks about it.
            tokio::select! {
                reply = self.answer(&question, reporter) => return reply,
                identified = reporter.identified(&question) => question = identified,
            }
        }
    }

    async fn answer(&self, question: &Question, reporter: &Reporter) -> Result<Reply, BoxError> {
        let unnamed = question.stand_in && matches!(question.kind, QuestionKind::Other(_));
        if unnamed && self.is_automatic() {
            tokio::time::sleep(reporter.real(UNNAMED)).await;
        }
        if let Some(answer) = self.given(&question.kind) {
            reporter.question(question);
            return Ok(self.told(answer, reporter));
        }
        if let Some(command) = &self.command {
            reporter.question(question);
            let json = reporter.question_json(question).to_string();
            let hear = |line: &str| reporter.note_of_command(&question.id, line);
            let hear = self.out.is_json().then_some(hear);
            let printed = command::run(command, json, hear).await;
            let answer = printed.and_then(|text| {
                let answer = text.map(|text| form::printed(&question.kind, text));
                answer.transpose().map_err(|why| {
                    format!("what the command of --on-question, {command:?}, printed cannot be sent: {why}")
                })
            });
            return Ok(match answer {
                Ok(Some(answer)) => self.told(answer, reporter),
                Ok(None) => Reply::Leave,
                // The question is as open as before.
                Err(why) => {
                    reporter.failed(&question.id, why);
                    Reply::Leave
                }
            });
        }
        if let Some(terminal) = &self.terminal {
            let mut terminal = terminal.lock().await;
            let _hold = self.out.hold();
            reporter.ask(question);
            return Ok(match terminal.ask(&self.out, &question.kind).await {
                Some(answer) => answer.into(),
                None => Reply::Leave,
            });
        }
        Ok(Reply::Leave)
    }

    /// Whether options answer, each only certain kinds of questions.
    fn is_automatic(&self) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.on_approval != OnApproval::Ask || self.command.is_some() || !answers.is_empty()
    }

    /// What the options say to a question of this kind. Data never approves, and an approval never sends data.
    fn given(&self, kind: &QuestionKind) -> Option<Answer> {
        match (kind, self.on_approval) {
            (QuestionKind::Approval, OnApproval::Approve) => Some(Answer::Approve),
            (QuestionKind::Approval, OnApproval::Reject) => Some(Answer::Reject {
                reason: Some("rejected by --on-approval reject".to_owned()),
            }),
            (QuestionKind::Text, _) => self.next_answer(),
            (QuestionKind::Data, _) => self.next_answer().map(|answer| self.as_data(answer)),
            _ => None,
        }
    }

    fn next_answer(&self) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.pop_front()
    }

    /// Words that are a JSON object, as data. Other words stay what they are, and the question refuses them.
    fn as_data(&self, answer: Answer) -> Answer {
        match &answer {
            Answer::Text(text) if self.takes_data => {
                form::object(text).map_or(answer, Answer::Input)
            }
            _ => answer,
        }
    }

    fn told(&self, answer: Answer, reporter: &Reporter) -> Reply {
        reporter.say(&format!("answer: {}", in_words(&answer)));
        answer.into()
    }
}

/// Whether a person sits at the terminal and may be asked.
pub(crate) fn is_attended(global: &Global) -> CliResult<bool> {
    Ok(!global.json
        && !global.no_input()?
        && !global.key_stdin
        && io::stdin().is_terminal()
        && io::stderr().is_terminal())
}

/// Refuses where nobody can be asked about what cannot be taken back; `danger` says what that is. A script says `--yes`.
pub(crate) fn attended(global: &Global, danger: &str) -> CliResult<()> {
    if is_attended(global)? {
        return Ok(());
    }
    let what = format!("{danger}, and there is no terminal to ask on");
    let meant = format!("{} --yes", command_line::as_given());
    let error = CliError::new(Code::Usage, what).why("Nothing was sent.");
    Err(error.next("do it", meant, ""))
}

/// The end of a command whose question was not answered with yes.
pub(crate) fn declined(what: &str) -> CliError {
    CliError::new(Code::Declined, what).headed("kept")
}

/// Data that a person at the terminal gives, `None` when nothing was given.
pub(crate) async fn typed_data(out: &Out) -> Option<Map<String, Value>> {
    let _hold = out.hold();
    out.tell("KEY=VALUE lines and then an empty one, or one JSON object; Ctrl-D gives up");
    drop_typed(out);
    Terminal::default().data(out, "data> ").await
}

/// Whether a person at the terminal says yes to a question that was shown. What was typed before is not taken for it.
pub(crate) async fn sure(out: &Out, question: &str) -> bool {
    let _hold = out.hold();
    drop_typed(out);
    let said = Terminal::default()
        .line(out, &format!("{question} [y/N] "))
        .await;
    matches!(said.as_deref().map(str::trim), Some("y" | "Y" | "yes"))
}

/// The line that a person types behind a prompt.
pub(crate) async fn typed(out: &Out, prompt: &str) -> Option<String> {
    let _hold = out.hold();
    Terminal::default().line(out, prompt).await
}

/// An answer in a few words.
pub(crate) fn in_words(answer: &Answer) -> String {
    form::in_words(&form::as_json(answer))
}

/// Whether the options are for this provider.
fn fits(follow: &Follow, provider: ProviderName) -> CliResult<()> {
    let can = provider.capabilities();
    let options = [
        (follow.on_approval.is_some(), can.approval, "--on-approval"),
        (follow.no_wait_review, can.review, "--no-wait-review"),
        (
            follow.cancel_on_interrupt,
            can.cancel,
            "--cancel-on-interrupt",
        ),
        (follow.cancel_on_timeout, can.cancel, "--cancel-on-timeout"),
    ];
    let alien = options
        .iter()
        .find(|(given, is_here, _)| *given && !is_here);
    match alien {
        Some((_, _, option)) => Err(not_here(option, provider)),
        None => Ok(()),
    }
}

/// An option that another provider has.
pub(crate) fn not_here(option: &str, provider: ProviderName) -> CliError {
    let what = format!("{option} is not for {}", provider.title());
    CliError::new(Code::Usage, what).why("Nothing was sent.")
}

/// An answer or message that can be sent.
pub(crate) fn checked(name: &str, text: String) -> CliResult<String> {
    if text.trim().is_empty() {
        return Err(CliError::input(format!(
            "{name} is empty: an agent takes words"
        )));
    }
    if text.len() > MAX_ANSWER {
        return Err(CliError::input(format!(
            "{name} has {} bytes, and an answer has at most {MAX_ANSWER}",
            text.len()
        )));
    }
    Ok(text)
}
