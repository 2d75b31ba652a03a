//! Who answers the agent's questions: `--answer`s in order, then `--on-question`, then a person at the terminal.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use taskward::{Answer, BoxError, Question, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::args::{Follow, Global};
use crate::out::Out;
use crate::problem::Problem;
use crate::report::Reporter;
use crate::text_arg::text_or_file;

/// The longest answer; more than a person writes, and than a conversation is made for.
const MAX_ANSWER: usize = 256 * 1024;

/// Answers questions.
pub(crate) struct Asker {
    out: Arc<Out>,
    answers: Mutex<VecDeque<String>>,
    command: Option<String>,
    /// One question at a time, also when several tasks ask.
    terminal: Option<tokio::sync::Mutex<Terminal>>,
}

impl Asker {
    pub(crate) fn new(
        out: Arc<Out>,
        global: &Global,
        follow: &Follow,
        stdin_is_taken: bool,
    ) -> Result<Self, Box<Problem>> {
        let answers = follow
            .answers
            .iter()
            .map(|answer| checked("--answer", text_or_file("--answer", answer)?))
            .collect::<Result<_, _>>()?;
        let person = !global.json
            && !global.no_input()?
            && !stdin_is_taken
            && io::stdin().is_terminal()
            && io::stderr().is_terminal();
        Ok(Self {
            out,
            answers: Mutex::new(answers),
            command: follow.on_question.clone(),
            terminal: person.then(|| tokio::sync::Mutex::new(Terminal::default())),
        })
    }

    /// The answer to a question, or `Leave` when nobody here has one. Dropped when the question is withdrawn.
    pub(crate) async fn ask(
        &self,
        question: Question,
        reporter: &Reporter,
    ) -> Result<Reply, BoxError> {
        let next = self
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        if let Some(answer) = next {
            reporter.question(&question);
            reporter.say(&format!("answer: {answer}"));
            return Ok(Answer::text(answer).into());
        }
        if let Some(command) = &self.command {
            reporter.question(&question);
            let json = reporter.question_json(&question).to_string();
            return Ok(match self.run(command, json).await? {
                Some(answer) => {
                    reporter.say(&format!("answer: {answer}"));
                    Answer::text(answer).into()
                }
                None => Reply::Leave,
            });
        }
        if let Some(terminal) = &self.terminal {
            let mut terminal = terminal.lock().await;
            let _hold = self.out.hold();
            reporter.question(&question);
            return Ok(match terminal.ask(&self.out).await {
                Some(answer) => Answer::text(answer).into(),
                None => Reply::Leave,
            });
        }
        Ok(Reply::Leave)
    }

    /// What the command of `--on-question` prints; `None` when it prints nothing.
    async fn run(&self, command: &str, question: String) -> Result<Option<String>, BoxError> {
        let (shell, flag) = if cfg!(windows) {
            ("cmd", "/C")
        } else {
            ("sh", "-c")
        };
        let stderr = if self.out.is_json() && !self.out.is_verbose() {
            Stdio::null()
        } else {
            Stdio::inherit()
        };
        let failed = |why: String| -> BoxError {
            format!("the command of --on-question, {command:?}, {why}").into()
        };
        let mut process = Command::new(shell);
        process
            .args([flag, command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true);
        // At a terminal it stays in our group: a group of its own could not ask the person there, and Ctrl-C reaches
        // all of ours.
        let alone = cfg!(unix) && !io::stdin().is_terminal();
        #[cfg(unix)]
        if alone {
            process.process_group(0);
        }
        let mut child = process
            .spawn()
            .map_err(|e| failed(format!("cannot be run: {e}")))?;
        let mut group = Group(child.id().filter(|_| alone));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A command that does not read its stdin need not.
                let _ = stdin.write_all(question.as_bytes()).await;
                let _ = stdin.write_all(b"\n").await;
            }
        };
        let read = async {
            let mut bytes = Vec::new();
            if let Some(stdout) = stdout {
                let mut stdout = stdout.take(MAX_ANSWER as u64 + 1);
                stdout.read_to_end(&mut bytes).await?;
            }
            if bytes.len() <= MAX_ANSWER {
                let status = child.wait().await?;
                return Ok((bytes, Some(status)));
            }
            Ok((bytes, None))
        };
        let fed_and_read = async {
            tokio::pin!(read, feed);
            // A command that has said enough need not hear the rest.
            tokio::select! {
                read = &mut read => read,
                () = &mut feed => read.await,
            }
        };
        let (bytes, status) = fed_and_read
            .await
            .map_err(|e: io::Error| failed(format!("was lost: {e}")))?;
        let Some(status) = status else {
            return Err(failed(format!("printed more than {MAX_ANSWER} bytes")));
        };
        group.0 = None;
        if !status.success() {
            return Err(failed(format!("ended with {status}")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| failed("printed something that is not UTF-8 text".to_owned()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok((!text.trim().is_empty()).then(|| text.to_owned()))
    }
}

/// A command in a group of its own, with everything that it started: all of it ends with this value.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
        // The shell's own kill: no library of ours sends a signal. Nobody is left to tell that it failed.
        let _ = std::process::Command::new("sh")
            .args(["-c", "kill -s KILL -- \"-$0\"", &leader.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// An answer or message that can be sent.
pub(crate) fn checked(name: &str, text: String) -> Result<String, Box<Problem>> {
    if text.trim().is_empty() {
        return Err(Problem::input(format!(
            "{name} is empty: an agent takes words"
        )));
    }
    if text.len() > MAX_ANSWER {
        return Err(Problem::input(format!(
            "{name} has {} bytes, and an answer has at most {MAX_ANSWER}",
            text.len()
        )));
    }
    Ok(text)
}

/// Lines that a person types. The terminal stays in its own line mode: Ctrl-C is a signal as ever, nothing has to be
/// restored, and a prompt can be left at any time.
#[derive(Debug, Default)]
struct Terminal {
    reader: Option<Reader>,
    /// Whether a prompt was left while its line was being typed: that line was begun for another question.
    abandoned: bool,
}

#[derive(Debug)]
struct Reader {
    wanted: std::sync::mpsc::Sender<()>,
    lines: mpsc::UnboundedReceiver<Option<String>>,
}

impl Reader {
    /// Reads in a thread of its own, a line each time one is wanted. The thread ends with the process.
    fn spawn() -> Self {
        let (wanted, wishes) = std::sync::mpsc::channel();
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            while let Ok(()) = wishes.recv() {
                let mut line = String::new();
                let read = io::stdin().lock().read_line(&mut line);
                let line = matches!(read, Ok(1..)).then_some(line);
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { wanted, lines }
    }
}

impl Terminal {
    /// The next line that is not blank; `None` at the end of input (Ctrl-D).
    async fn ask(&mut self, out: &Out) -> Option<String> {
        let reader = self.reader.get_or_insert_with(Reader::spawn);
        loop {
            out.prompt("answer> ");
            let stale = std::mem::replace(&mut self.abandoned, true);
            if !stale {
                reader.wanted.send(()).ok()?;
            }
            let line = reader.lines.recv().await?;
            self.abandoned = false;
            let line = line?;
            out.typed();
            let line = line.trim_end_matches(['\n', '\r']);
            if stale {
                out.tell(
                    "that line was begun for the question before; please type the answer again",
                );
            } else if line.trim().is_empty() {
                out.tell("an answer takes words; Ctrl-D leaves the question open");
            } else {
                return Some(line.to_owned());
            }
        }
    }
}
