//! The two streams: stdout is the answer, stderr the conversation. Everything printed passes here, and the key does not.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use taskward::core::Credential;
use taskward::core::sanitise::{self, clean};
use tokio::sync::Notify;

use crate::agent_url::AgentUrl;
use crate::args::{ColorWhen, Global};
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::{LineType, line, pretty, stamped};
use crate::shown::unkept;

/// How long an open line of text waits for more of it before the spinner may have the next.
const PAUSE: Duration = Duration::from_secs(5);

/// Where everything is printed.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    quiet: bool,
    verbose: bool,
    /// Whether a person reads stdout.
    stdout_is_terminal: bool,
    /// Whether stderr takes colours.
    colours: bool,
    /// Whether lines about a task name it: several are watched at once.
    several: AtomicBool,
    /// Drawn when a person watches stderr.
    spinner: Option<ProgressBar>,
    /// Whether a prompt has the last line of the screen, so that nothing may be drawn.
    held: AtomicBool,
    /// Whether stderr has a line that nobody has ended.
    open_line: AtomicBool,
    /// When a part of a text was last written, while its line is the open one.
    flowed: Mutex<Option<Instant>>,
    /// Whether text may flow: a person reads along.
    flows: bool,
    redactors: Mutex<Vec<Credential>>,
    /// The agent whose tasks are told of, where the provider has many servers.
    agent: OnceLock<AgentUrl>,
    failure: Mutex<Option<io::Error>>,
    failed: Notify,
    /// Whether stdout took no more: whatever still has to be said goes to stderr.
    broken: AtomicBool,
    /// Whether stderr took no more.
    unheard: AtomicBool,
    /// Whether stdout and stderr lead where nobody reads.
    nowhere: [bool; 2],
}

impl Out {
    pub(crate) fn new(global: &Global) -> Self {
        let choice = match global.color {
            ColorWhen::Auto => anstream::AutoStream::choice(&io::stderr()),
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        let animated = io::stderr().is_terminal()
            && !global.json
            && !global.quiet
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            && std::env::var_os("CI").is_none();
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            stdout_is_terminal: io::stdout().is_terminal(),
            colours: choice != anstream::ColorChoice::Never,
            several: AtomicBool::new(false),
            spinner: animated.then(spinner),
            held: AtomicBool::new(false),
            open_line: AtomicBool::new(false),
            flowed: Mutex::new(None),
            flows: io::stderr().is_terminal() && !global.json && !global.quiet,
            redactors: Mutex::default(),
            agent: OnceLock::new(),
            failure: Mutex::new(None),
            failed: Notify::new(),
            broken: AtomicBool::new(false),
            unheard: AtomicBool::new(false),
            nowhere: [is_nowhere(io::stdout()), is_nowhere(io::stderr())],
        }
    }

    /// Whether stdout is JSON lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether whatever was told until now was taken by whoever reads it.
    pub(crate) fn is_heard(&self) -> bool {
        if self.json {
            return self.is_printed();
        }
        let [_, nowhere] = self.nowhere;
        !nowhere && !self.unheard.load(Ordering::Relaxed)
    }

    /// The same of what was printed on stdout.
    pub(crate) fn is_printed(&self) -> bool {
        let [nowhere, _] = self.nowhere;
        !nowhere && !self.broken.load(Ordering::Relaxed)
    }

    /// Whether only errors are told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether reasons and every retry are told.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether a person reads stdout.
    pub(crate) fn is_for_people(&self) -> bool {
        self.stdout_is_terminal
    }

    /// From now on lines about a task name it.
    pub(crate) fn tell_several(&self) {
        self.several.store(true, Ordering::Relaxed);
    }

    /// Whether lines about a task name it.
    pub(crate) fn tells_several(&self) -> bool {
        self.several.load(Ordering::Relaxed)
    }

    /// The tasks that are told of are this agent's.
    pub(crate) fn of_agent(&self, agent: AgentUrl) {
        // A command goes to one agent.
        let _ = self.agent.set(agent);
    }

    /// That agent.
    pub(crate) fn agent(&self) -> Option<AgentUrl> {
        self.agent.get().cloned()
    }

    /// From now on this key is printed nowhere.
    pub(crate) fn redact(&self, redactor: Credential) {
        // One account per process: one key, in at most a few forms.
        let redactors = self.redactors.lock();
        redactors
            .unwrap_or_else(PoisonError::into_inner)
            .push(redactor);
    }

    /// A text without the key; one for a terminal is cleaned before, which may join what stood apart.
    fn safe(&self, text: &str) -> String {
        let redactors = self.redactors.lock();
        let redactors = redactors.unwrap_or_else(PoisonError::into_inner);
        let remove = |text: String, redactor: &Credential| redactor.redact(&text);
        redactors.iter().fold(text.to_owned(), remove)
    }

    // --- stdout --------------------------------------------------------------------------------------------------

    /// Prints a part of the answer.
    pub(crate) fn print(&self, text: &str) -> CliResult<()> {
        let text = if self.stdout_is_terminal {
            clean(text)
        } else {
            text.into()
        };
        self.write(self.safe(&text).as_bytes());
        self.check()
    }

    /// Prints JSON for people and programs alike.
    pub(crate) fn print_json(&self, value: &Value) -> CliResult<()> {
        self.print(&pretty(value))
    }

    /// Prints one line of the JSON modes, with the time.
    pub(crate) fn line(&self, line: Value) {
        self.data(&stamped(line));
    }

    /// Prints a reply of the server as it is, on one line.
    pub(crate) fn data(&self, value: &Value) {
        self.write(format!("{}\n", self.safe(&json_line(value))).as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        if self.flowed().is_some() {
            self.talk("");
        }
        let write = || -> io::Result<()> {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        };
        let result = match self.drawn() {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        };
        if let Err(error) = result {
            self.broken.store(true, Ordering::Relaxed);
            *self.failure() = Some(error);
            self.failed.notify_one();
        }
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once stdout takes no more.
    pub(crate) async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Whether everything printed so far has arrived.
    pub(crate) fn check(&self) -> CliResult<()> {
        match self.failure().take() {
            None => Ok(()),
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(CliError::new(Code::OutputClosed, "output pipe closed"))
            }
            Some(error) => Err(CliError::new(
                Code::Output,
                format!("cannot write to stdout: {error}"),
            )),
        }
    }

    // --- stderr --------------------------------------------------------------------------------------------------

    /// Tells something that a script does not miss.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            self.tell(line);
        }
    }

    /// Tells something that must not get lost, also with `--quiet`.
    pub(crate) fn tell(&self, line: &str) {
        if !self.json || self.verbose {
            self.talk(&format!("{}\n", self.safe(&clean(line))));
        }
    }

    /// Tells how many entries of a list were passed over because they cannot be read; with `--json` as a note.
    pub(crate) fn passed_over(&self, entries: usize) {
        let what = match entries {
            0 => return,
            1 => "1 entry of the list could not be read and is not shown".to_owned(),
            more => format!("{more} entries of the list could not be read and are not shown"),
        };
        if self.json {
            let fields = json!({
                "code": Code::EntriesUnreadable.as_str(), "entries": entries, "message": what,
            });
            self.line(line(LineType::Note, None, fields));
        }
        self.tell(&what);
    }

    /// Shows what a person is to answer to; the line stays open for the answer.
    pub(crate) fn prompt(&self, text: &str) {
        self.talk(&self.safe(&clean(text)));
        self.open_line.store(true, Ordering::Relaxed);
    }

    /// Whether a prompt has the last line of the screen.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// The person ended the line.
    pub(crate) fn typed(&self) {
        self.open_line.store(false, Ordering::Relaxed);
    }

    /// Prints the end of the program: on stdout as JSON, or on stderr.
    pub(crate) fn error(&self, cli_error: &CliError) {
        // A reader that went away misses nothing, unless a task goes on without anybody who knows its name.
        if cli_error.exit() == Exit::ReaderGone && !cli_error.has_task() {
            return;
        }
        self.still();
        if self.json {
            self.line(cli_error.json());
        }
        if !self.json || self.verbose || self.broken.load(Ordering::Relaxed) {
            self.talk(&self.safe(&cli_error.text(|head| self.paint(head))));
        }
        // Only what was really written was shown.
        if let Some(showing) = cli_error.shown().filter(|_| self.is_heard())
            && let Err(error) = showing.keep()
        {
            self.say(&unkept(&error));
        }
    }

    /// Prints an end that nobody waits for.
    pub(crate) fn last_words(&self, error: &CliError) {
        self.still();
        if self.json {
            self.line(error.json());
        } else {
            self.talk(&self.safe(&error.text(str::to_owned)));
        }
    }

    /// Whether a text may be shown part by part.
    pub(crate) fn flows(&self) -> bool {
        self.flows
    }

    /// Shows the next part of a text; its line stays open for the one after it.
    pub(crate) fn flow(&self, text: &str) {
        self.still();
        let text = self.safe(&clean(text));
        if self.flowed().is_some() {
            self.open_line.store(false, Ordering::Relaxed);
        }
        self.talk(&text);
        if !text.ends_with('\n') {
            self.open_line.store(true, Ordering::Relaxed);
            *self.flowed() = Some(Instant::now());
        }
    }

    fn flowed(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.flowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, text: &str) {
        *self.flowed() = None;
        let end = if self.open_line.swap(false, Ordering::Relaxed) {
            "\n"
        } else {
            ""
        };
        let write = || {
            let written = io::stderr()
                .lock()
                .write_all(format!("{end}{text}").as_bytes());
            if written.is_err() {
                // Nobody is left to tell that stderr is closed; what was to be shown was not.
                self.unheard.store(true, Ordering::Relaxed);
            }
        };
        match self.drawn() {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    fn paint(&self, head: &str) -> String {
        if !self.colours {
            return head.to_owned();
        }
        let colour = if head == "error:" {
            AnsiColor::Red
        } else {
            AnsiColor::Yellow
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        format!("{style}{head}{style:#}")
    }

    // --- the spinner ---------------------------------------------------------------------------------------------

    /// How often the spinner turns, or a heartbeat is considered.
    pub(crate) fn tick_interval(&self) -> Duration {
        match self.spinner {
            Some(_) => Duration::from_millis(100),
            None => Duration::from_secs(1),
        }
    }

    /// Turns the spinner; `false` when there is none.
    pub(crate) fn spin(&self, message: &str) -> bool {
        let Some(spinner) = &self.spinner else {
            return false;
        };
        if self.held.load(Ordering::Relaxed) {
            return true;
        }
        let flowed = *self.flowed();
        match flowed {
            Some(at) if at.elapsed() < PAUSE => return true,
            Some(_) => self.talk(""),
            None => {}
        }
        if spinner.is_finished() {
            spinner.reset();
        }
        spinner.set_message(self.safe(&clean(message)));
        spinner.tick();
        true
    }

    /// The spinner, while it is on the screen.
    fn drawn(&self) -> Option<&ProgressBar> {
        self.spinner
            .as_ref()
            .filter(|spinner| !spinner.is_finished())
    }

    /// Takes the spinner off the screen for as long as somebody types.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.still();
        self.held.store(true, Ordering::Relaxed);
        Hold(self)
    }

    /// Takes the spinner off the screen until it turns again.
    pub(crate) fn still(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// A prompt on the screen; the spinner turns again when it is dropped.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Out);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Relaxed);
    }
}

/// A JSON line as it is printed: its version, its type, its time and its task first, its strings free of control characters.
pub(crate) fn json_line(value: &Value) -> String {
    let text = match value {
        Value::Object(fields) if fields.contains_key("v") && fields.contains_key("type") => {
            let first = ["v", "type", "at", "task"];
            let rest = fields.keys().map(String::as_str);
            let names = first
                .into_iter()
                .filter(|name| fields.contains_key(*name))
                .chain(rest.filter(|name| !first.contains(name)));
            let fields: Vec<String> = names
                .map(|name| format!("{}:{}", Value::from(name), value[name]))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        value => value.to_string(),
    };
    sanitise::json(text)
}

/// Whether a stream takes everything and shows it to nobody. One that was closed at the start is such a stream, too.
#[cfg(unix)]
fn is_nowhere(stream: impl std::os::fd::AsFd) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(stream) = stream.as_fd().try_clone_to_owned() else {
        return true;
    };
    let device = |found: std::fs::Metadata| found.rdev();
    let stream = std::fs::File::from(stream).metadata().map(device);
    let null = std::fs::metadata("/dev/null").map(device);
    matches!((stream, null), (Ok(stream), Ok(null)) if stream == null)
}

#[cfg(not(unix))]
fn is_nowhere<T>(_: T) -> bool {
    false
}

/// A line no longer than its words: the terminal writes ^C behind them, and a full line would break there.
fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("a valid template");
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_style(style.tick_chars("|/-\\ "));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_version_and_its_type_and_loses_nothing() {
        let value = json!({"task": "a", "type": "x", "a\"b": {"v": 2}, "v": 1});
        let line = json_line(&value);
        assert!(
            line.starts_with(r#"{"v":1,"type":"x","task":"a","#),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), value);
        assert_eq!(json_line(&json!({"v": 1})), r#"{"v":1}"#);
    }
}
