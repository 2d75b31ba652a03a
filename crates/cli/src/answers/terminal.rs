//! A person at the terminal, who types lines. The terminal stays in its own line mode: Ctrl-C is a signal as ever,
//! nothing has to be restored, and a prompt can be left at any time.

use std::io::{self, BufRead as _};

use serde_json::{Map, Value};
use taskward::Answer;
use taskward::question::QuestionKind;
use tokio::sync::mpsc;

use super::form;
use crate::out::Out;

/// Whoever sits at the terminal.
#[derive(Debug, Default)]
pub(super) struct Terminal {
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
        let (wanted, requests) = std::sync::mpsc::channel();
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            while let Ok(()) = requests.recv() {
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

/// What is said of lines that were typed too early.
const DROPPED: &str = "what was typed before this question is no answer to it, and was dropped";

/// Drops what was typed and not read yet: a question is answered by whoever has seen it.
#[cfg(unix)]
pub(super) fn drop_typed(out: &Out) {
    use rustix::termios::{QueueSelector, tcflush};
    let stdin = io::stdin();
    let waiting = rustix::io::ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0);
    // Where this fails there is no terminal, and nobody was asked anything.
    if tcflush(&stdin, QueueSelector::IFlush).is_ok() && waiting {
        out.tell(DROPPED);
    }
}

/// Elsewhere a terminal hands out its lines unasked, and none can be told from a later one.
#[cfg(not(unix))]
pub(super) fn drop_typed(_: &Out) {}

/// A line that is being typed. Where nobody waits for it any longer, what was typed of it goes with it: it would be the
/// beginning of whatever is typed next, in this program or in the shell.
struct Begun(bool);

impl Drop for Begun {
    fn drop(&mut self) {
        #[cfg(unix)]
        if self.0 {
            use rustix::termios::{QueueSelector, tcflush};
            // Where this fails there is no terminal, and nothing was typed.
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        }
    }
}

/// What a person at an approval typed.
enum Choice {
    Approve,
    Reject,
    Skip,
    Nothing,
}

impl Choice {
    fn read(line: &str) -> Self {
        match line.trim().to_lowercase().as_str() {
            "approve" | "a" => Self::Approve,
            "reject" | "r" => Self::Reject,
            "skip" | "s" | "leave" | "l" => Self::Skip,
            _ => Self::Nothing,
        }
    }
}

impl Terminal {
    /// The answer to a question of this kind; `None` when it is left.
    pub(super) async fn ask(&mut self, out: &Out, kind: &QuestionKind) -> Option<Answer> {
        self.catch_up(out);
        match kind {
            QuestionKind::Approval => self.approval(out).await,
            QuestionKind::Data => {
                out.tell("Type KEY=VALUE lines and an empty one, or one JSON object; type s or press Ctrl-D to answer later.");
                self.data(out, "data> ").await.map(Answer::Input)
            }
            QuestionKind::Other(_) => self.anything(out).await,
            _ => self.words(out).await.map(Answer::text),
        }
    }

    /// Drops every line that was typed before the question was on the screen: it was meant for something else.
    fn catch_up(&mut self, out: &Out) {
        if let Some(reader) = &mut self.reader
            && reader.lines.try_recv().is_ok()
        {
            self.abandoned = false;
            out.typed();
            out.tell(DROPPED);
        }
        drop_typed(out);
    }

    async fn words(&mut self, out: &Out) -> Option<String> {
        loop {
            let line = self.line(out, "answer> ").await?;
            if !line.trim().is_empty() {
                return Some(line);
            }
            out.tell("Type an answer, or press Ctrl-D to answer later.");
        }
    }

    async fn approval(&mut self, out: &Out) -> Option<Answer> {
        loop {
            let line = self
                .line(out, "[a]pprove  [r]eject  [s]kip for now> ")
                .await?;
            match Choice::read(&line) {
                Choice::Approve => return Some(Answer::Approve),
                Choice::Reject => match self.rejection(out).await? {
                    Some(answer) => return Some(answer),
                    None => continue,
                },
                Choice::Skip => return None,
                Choice::Nothing => {
                    out.tell("Type a to approve, r to reject (the task then fails) or s to skip (the question stays open).");
                }
            }
        }
    }

    /// A rejection with its reason; `Some(None)` when it was thought better of.
    async fn rejection(&mut self, out: &Out) -> Option<Option<Answer>> {
        out.tell("Rejecting makes the task fail; it does not continue without the step.");
        let prompt = "reason (empty for none, back to choose again)> ";
        let reason = self.line(out, prompt).await?;
        let reason = reason.trim();
        if reason.eq_ignore_ascii_case("back") {
            return Some(None);
        }
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        Some(Some(Answer::Reject { reason }))
    }

    async fn anything(&mut self, out: &Out) -> Option<Answer> {
        out.tell("Type a to approve, r to reject (the task then fails) or s to skip; or data, as KEY=VALUE lines or one JSON object.");
        loop {
            let line = self.line(out, "answer> ").await?;
            match Choice::read(&line) {
                Choice::Approve => return Some(Answer::Approve),
                Choice::Reject => {
                    if let Some(answer) = self.rejection(out).await? {
                        return Some(answer);
                    }
                }
                Choice::Skip => return None,
                Choice::Nothing if line.trim().is_empty() => {}
                Choice::Nothing => match self.rest_of(out, line, "answer> ").await? {
                    Some(data) => return Some(Answer::Input(data)),
                    None => continue,
                },
            }
        }
    }

    /// Data, line by line; `None` when it is left.
    pub(super) async fn data(&mut self, out: &Out, prompt: &str) -> Option<Map<String, Value>> {
        loop {
            let line = self.line(out, prompt).await?;
            if let Choice::Skip = Choice::read(&line) {
                return None;
            }
            if line.trim().is_empty() {
                out.tell("There is nothing to send yet; type s or press Ctrl-D to answer later.");
            } else if let Some(data) = self.rest_of(out, line, prompt).await? {
                return Some(data);
            }
        }
    }

    /// The data that begins with this line: an object at once, or fields until an empty line. `Some(None)` when the
    /// line makes no sense.
    async fn rest_of(
        &mut self,
        out: &Out,
        mut line: String,
        prompt: &str,
    ) -> Option<Option<Map<String, Value>>> {
        if line.trim_start().starts_with('{') {
            return Some(match form::object(&line) {
                Ok(data) => Some(data),
                Err(why) => {
                    out.tell(&why);
                    None
                }
            });
        }
        let mut data = Map::new();
        while !line.trim().is_empty() {
            if let Err(why) = form::field(&mut data, &line) {
                out.tell(&why);
                // Nothing of use was typed yet: it may still be an object.
                if data.is_empty() {
                    return Some(None);
                }
            }
            line = self.line(out, prompt).await?;
            if let Choice::Skip = Choice::read(&line) {
                return None;
            }
        }
        Some((!data.is_empty()).then_some(data))
    }

    /// The next line; `None` at the end of input (Ctrl-D).
    pub(super) async fn line(&mut self, out: &Out, prompt: &str) -> Option<String> {
        let reader = self.reader.get_or_insert_with(Reader::spawn);
        loop {
            out.prompt(prompt);
            let stale = std::mem::replace(&mut self.abandoned, true);
            if !stale {
                reader.wanted.send(()).ok()?;
            }
            let mut begun = Begun(true);
            let line = reader.lines.recv().await?;
            begun.0 = false;
            self.abandoned = false;
            let line = line?;
            out.typed();
            if !stale {
                return Some(line.trim_end_matches(['\n', '\r']).to_owned());
            }
            out.tell("that line was begun for the question before; please type the answer again");
        }
    }
}
