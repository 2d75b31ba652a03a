//! What went wrong, or why the program leaves a task alone: what, why, what next, ids last.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use taskward::core::sanitise::{clean, one_line};
use taskward::outcome::CancelResult;
use taskward::question::QuestionId;

use crate::codes::Code;
use crate::exit::Exit;
use crate::failure_text::without_os_error;
use crate::lines::{LineType, line};
use crate::shell::words_of;
use crate::shown::Showing;
use crate::task_ref::TaskRef;

/// What a step of the program gives, or how the program ends instead.
pub(crate) type CliResult<T> = Result<T, CliError>;

/// An end of the program that is not a plain success.
#[derive(Clone, Debug)]
pub(crate) struct CliError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    /// The first word; none where the sentence needs none.
    head: Option<&'static str>,
    code: Code,
    exit: Exit,
    what: String,
    why: Vec<String>,
    next: Vec<NextStep>,
    ids: Ids,
    /// The questions that wait for an answer, as a program reads them.
    questions: Vec<Value>,
    /// What counts as shown once this was read.
    shows: Option<Showing>,
}

/// One thing to do next.
#[derive(Clone, Debug)]
struct NextStep {
    label: &'static str,
    command: String,
    note: &'static str,
}

/// What to quote when asking for help.
#[derive(Clone, Debug, Default)]
struct Ids {
    task: Option<TaskRef>,
    question: Option<QuestionId>,
    intent: Option<String>,
    request: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
    attempts: Option<u32>,
    retry_after: Option<Duration>,
    cancel: Option<&'static str>,
}

impl CliError {
    /// An error: its name for programs, and what happened. Its exit code is the first that the table of codes has for it.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            head: Some("error"),
            code,
            exit: code.exits().first().copied().unwrap_or(Exit::Other),
            what: without_os_error(&what.into()),
            why: Vec::new(),
            next: Vec::new(),
            ids: Ids::default(),
            questions: Vec::new(),
            shows: None,
        }))
    }

    /// Something wrong with what was asked for; nothing was sent.
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::new(Code::Input, what)
    }

    /// Sets another first word: not every end is an error.
    pub(crate) fn headed(mut self, head: &'static str) -> Self {
        self.0.head = Some(head);
        self
    }

    /// Drops the first word: the sentence stands by itself.
    pub(crate) fn plain(mut self) -> Self {
        self.0.head = None;
        self
    }

    /// The same under another name for programs.
    pub(crate) fn named(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// The same with another exit code.
    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// The same in words that say what it means; what was said of it before explains.
    pub(crate) fn meaning(mut self, what: impl Into<String>) -> Self {
        let said = std::mem::replace(&mut self.0.what, what.into());
        self.0.why.insert(0, one_line(&said));
        self
    }

    /// A refusal by the server, whatever its status, in words that say what it means; its own words explain.
    pub(crate) fn refusal(mut self, what: impl Into<String>) -> Self {
        self.0.why.clear();
        self.0.code = Code::Refused;
        self.meaning(what).ending(Exit::Other)
    }

    /// Adds a line that explains.
    pub(crate) fn why(mut self, line: impl Into<String>) -> Self {
        self.0.why.push(without_os_error(&line.into()));
        self
    }

    /// Adds lines that explain, if there are any.
    pub(crate) fn whys(self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        lines.into_iter().fold(self, Self::why)
    }

    /// Adds a command to go on with.
    pub(crate) fn next(
        mut self,
        label: &'static str,
        command: impl Into<String>,
        note: &'static str,
    ) -> Self {
        self.0.next.push(NextStep {
            label,
            command: command.into(),
            note,
        });
        self
    }

    /// Names the help page of the command, when the command line is at fault and nothing else is named to go on with.
    pub(crate) fn of_command(self, name: &str) -> Self {
        if self.0.exit != Exit::Usage || !self.0.next.is_empty() {
            return self;
        }
        self.next("see", format!("taskward help {name}"), "")
    }

    /// The commands to go on with; there always is one.
    fn next_steps(&self) -> Vec<NextStep> {
        if !self.0.next.is_empty() {
            return self.0.next.clone();
        }
        let topic = match self.0.exit {
            Exit::Usage => "--help",
            Exit::Auth => "help environment",
            _ => "help recovery",
        };
        vec![NextStep {
            label: "see",
            command: format!("taskward {topic}"),
            note: "",
        }]
    }

    /// Takes back every command to go on with.
    pub(crate) fn without_next(mut self) -> Self {
        self.0.next.clear();
        self
    }

    /// Names the task, where it is known.
    pub(crate) fn task<'a>(mut self, task: impl Into<Option<&'a TaskRef>>) -> Self {
        if let Some(task) = task.into() {
            self.0.ids.task = Some(task.clone());
        }
        self
    }

    /// Names the question.
    pub(crate) fn question(mut self, question: &QuestionId) -> Self {
        self.0.ids.question = Some(question.clone());
        self
    }

    /// Adds a question that waits for an answer, as a program reads it.
    pub(crate) fn waits_for(mut self, question: Value) -> Self {
        self.0.questions.push(question);
        self
    }

    /// Shows a question, which counts as shown once this was told.
    pub(crate) fn showing(mut self, question: Option<Showing>) -> Self {
        self.0.shows = question;
        self
    }

    /// What this has shown, now that it was told.
    pub(crate) fn shown(&self) -> Option<&Showing> {
        self.0.shows.as_ref()
    }

    /// Names the start or message of unknown outcome.
    pub(crate) fn intent(mut self, intent: Option<String>) -> Self {
        self.0.ids.intent = intent;
        self
    }

    /// Names the exchange: the server's id for it and its status code.
    pub(crate) fn exchange(mut self, request: Option<String>, status: Option<u16>) -> Self {
        self.0.ids.request = request;
        self.0.ids.status = status;
        self
    }

    /// Tells the provider's own code of the reason.
    pub(crate) fn reason(mut self, code: Option<String>) -> Self {
        self.0.ids.reason = code.or(self.0.ids.reason.take());
        self
    }

    /// Tells the requests made.
    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.0.ids.attempts = (attempts > 0).then_some(attempts);
        self
    }

    /// Tells how long the server asked to wait.
    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.ids.retry_after = wait;
        self
    }

    /// Tells what became of the request to stop the task; `unknown` where it is not known.
    pub(crate) fn cancel(mut self, result: Option<&CancelResult>) -> Self {
        self.0.ids.cancel = Some(match result {
            Some(CancelResult::NotRequested) => "not_requested",
            Some(CancelResult::Accepted) => "accepted",
            Some(CancelResult::Confirmed(_)) => "confirmed",
            Some(CancelResult::Failed(_)) => "failed",
            Some(CancelResult::Unsupported) => "unsupported",
            _ => "unknown",
        });
        self
    }

    /// Whether it names a task.
    pub(crate) fn has_task(&self) -> bool {
        self.0.ids.task.is_some()
    }

    /// Its name in machine-readable output.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// Whether this is its name in machine-readable output.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.0.code == code
    }

    /// The status code of the server's reply.
    pub(crate) fn http_status(&self) -> Option<u16> {
        self.0.ids.status
    }

    /// What happened, in a line.
    pub(crate) fn what(&self) -> &str {
        &self.0.what
    }

    /// Why, in a line.
    pub(crate) fn reasons(&self) -> String {
        one_line(&self.0.why.join("; "))
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }

    /// For people: a few lines, the ids on the last. `head` is the first word as it is to be shown.
    pub(crate) fn text(&self, paint: impl Fn(&str) -> String) -> String {
        let mut out = match self.0.head {
            Some(head) => format!("{} ", paint(&format!("{head}:"))),
            None => String::new(),
        };
        let _ = writeln!(out, "{}", one_line(&self.0.what));
        for why in &self.0.why {
            // Whatever a server says, it cannot say it as this program does.
            for (at, line) in clean(why).lines().enumerate() {
                let quoted = if at == 0 { "" } else { "| " };
                let _ = writeln!(out, "  {quoted}{line}");
            }
        }
        let steps = self.next_steps();
        let labels = steps
            .iter()
            .map(|next| next.label.len() + 1)
            .max()
            .unwrap_or(0);
        let commands = steps
            .iter()
            .filter(|next| !next.note.is_empty())
            .map(|next| next.command.chars().count())
            .max()
            .unwrap_or(0);
        for next in &steps {
            let label = format!("{}:", next.label);
            let command = clean(&next.command);
            let line = match next.note {
                "" => format!("  {label:labels$} {command}"),
                note => format!("  {label:labels$} {command:commands$}  ({note})"),
            };
            let _ = writeln!(out, "{line}");
        }
        let ids = &self.0.ids;
        let named = [
            ("task", ids.task.as_ref().map(ToString::to_string)),
            ("question", ids.question.as_ref().map(ToString::to_string)),
            ("intent", ids.intent.clone()),
            // A success contradicts the error that its body holds.
            (
                "http",
                ids.status
                    .filter(|status| !(200..300).contains(status))
                    .map(|status| status.to_string()),
            ),
            ("reason", ids.reason.clone()),
            ("request", ids.request.clone()),
            ("attempts", ids.attempts.map(|made| made.to_string())),
        ];
        let named = named.into_iter();
        let named = named.filter_map(|(name, id)| Some(format!("{name} {}", one_line(&id?))));
        let mut ids: Vec<String> = named.collect();
        ids.push(format!("exit {}", self.0.exit.code()));
        let _ = writeln!(out, "  {}", ids.join("  "));
        out
    }

    /// All of it on one line, for whoever waits for nothing any more.
    pub(crate) fn brief(&self) -> String {
        one_line(&self.text(str::to_owned))
    }

    /// Whether the task keeps running without this command, which only detaches from it.
    fn detaches(&self) -> bool {
        let goes_on = matches!(
            self.0.exit,
            Exit::Pending | Exit::Timeout | Exit::Interrupted | Exit::Terminated
        );
        goes_on && self.0.ids.task.is_some()
    }

    /// Makes the last line of the JSON modes.
    pub(crate) fn json(&self) -> Value {
        debug_assert!(
            self.0.code.exits().contains(&self.0.exit),
            "{:?} does not come with {:?} in the table of codes",
            self.0.code,
            self.0.exit
        );
        let why = self.0.why.join("\n");
        let message = if why.is_empty() {
            self.0.what.clone()
        } else {
            format!("{}\n{why}", self.0.what)
        };
        let retry = if self.0.exit == Exit::TryLater {
            "later"
        } else {
            "no"
        };
        let next = self.next_steps().into_iter();
        let mut fields = json!({
            "code": self.0.code.as_str(),
            "exit": self.0.exit.code(),
            "message": message,
            "retry": retry,
            "retry_after": self.0.ids.retry_after.map(|wait| wait.as_secs()),
            "question_id": self.0.ids.question,
            "intent_id": self.0.ids.intent,
            "request_id": self.0.ids.request,
            "http_status": self.0.ids.status,
            "reason": self.0.ids.reason,
            "attempts": self.0.ids.attempts,
            "cancel": self.0.ids.cancel,
            "next": next.map(|next| words_of(&next.command)).collect::<Vec<_>>(),
        });
        let kind = if self.detaches() {
            fields["questions"] = self.0.questions.clone().into();
            LineType::TaskDetached
        } else {
            LineType::Error
        };
        line(kind, self.0.ids.task.as_ref(), fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::nanonets::Nanonets;

    fn sample() -> CliError {
        CliError::new(Code::OutcomeUnknown, "the reply\nwas \u{1b}[31mlost")
            .why("The task may exist.")
            .next("see", "taskward ls", "searches for it")
            .next("or", "taskward run 'two words'", "")
            .intent(Some("7f3a".into()))
            .attempts(1)
    }

    #[test]
    fn people_read_what_why_what_next_and_ids_last() {
        let expected = "\
error: the reply was lost
  The task may exist.
  see: taskward ls  (searches for it)
  or:  taskward run 'two words'
  intent 7f3a  attempts 1  exit 5
";
        assert_eq!(sample().text(str::to_owned), expected);
    }

    #[test]
    fn there_always_is_something_to_go_on_with() {
        let steps = |code| CliError::new(code, "x").json()["next"][0].clone();
        let words = |text: &str| json!(text.split(' ').collect::<Vec<_>>());
        let other = steps(Code::Local);
        assert_eq!(other, words("taskward help recovery"));
        let auth = steps(Code::Auth);
        assert_eq!(auth, words("taskward help environment"));
        let usage = steps(Code::Usage);
        assert_eq!(usage, words("taskward --help"));
        let usage = CliError::input("x").of_command("run").json();
        assert_eq!(usage["next"], json!([["taskward", "help", "run"]]));
        let named = sample().of_command("run").json();
        assert_eq!(named["next"][0], json!(["taskward", "ls"]));
    }

    #[test]
    fn programs_read_the_same_with_every_key_present() {
        let task = TaskRef::of::<Nanonets>("a".into());
        let value = sample().task(&task).json();
        assert_eq!(
            value,
            json!({
                "v": 2, "type": "error", "code": "outcome_unknown", "exit": 5,
                "message": "the reply\nwas \u{1b}[31mlost\nThe task may exist.",
                "retry": "no", "retry_after": null, "task": "nanonets:a", "task_id": "a",
                "question_id": null,
                "intent_id": "7f3a", "request_id": null, "http_status": null, "reason": null, "attempts": 1,
                "cancel": null,
                "next": [["taskward", "ls"], ["taskward", "run", "two words"]],
            })
        );
    }

    #[test]
    fn a_task_that_keeps_running_is_detached_from_with_its_questions() {
        let task = || TaskRef::of::<Nanonets>("a".into());
        let waiting = || CliError::new(Code::Waiting, "it waits");
        let asked = json!({ "id": "q", "text": "Which?" });
        let line = waiting().task(&task()).waits_for(asked.clone()).json();
        assert_eq!(line["type"], "task.detached");
        assert_eq!(line["questions"], json!([asked]));
        let bare = waiting().json();
        assert_eq!(
            (&bare["type"], &bare["questions"]),
            (&json!("error"), &Value::Null)
        );
        let lost = sample().task(&task()).json();
        assert_eq!(lost["type"], "error");
    }
}
