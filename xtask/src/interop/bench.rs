//! What a row of the table is tried with: a server, a proxy before it, and the client in a process of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Kind;
use super::agent::{Agent, Outcome};
use super::environment::Environment;
use super::proxy::Proxy;
use super::server::{Options, Server};
use super::table::Column;

/// The longest that a client may take: it gives up earlier by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// One column's server, proxy and client.
pub(crate) struct Bench<'a> {
    pub(crate) column: Column,
    pub(crate) proxy: Proxy,
    environment: &'a Environment,
    /// The example of the façade that is the client.
    client: PathBuf,
    options: Options,
    server: Option<Server>,
    /// The card, by the way through the proxy.
    card: String,
    /// The agent, by the way past it.
    agent: Agent,
    folder: tempfile::TempDir,
    journals: u32,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(column: Column, environment: &'a Environment, client: &Path) -> Result<Self> {
        let proxy = Proxy::start()?;
        let folder = tempfile::tempdir()?;
        let options = Options {
            public: Some(proxy.port()),
            database: (column.kind == Kind::Py).then(|| folder.path().join("tasks.db")),
        };
        let server = Server::start(environment, &options)?;
        proxy.lead_to(server.port());
        let card = server
            .card()
            .replace(&server.port().to_string(), &proxy.port().to_string());
        let agent = Agent::find(&card, column.binding)?;
        let mut agent = agent.with_context(|| format!("no such interface: {column}"))?;
        agent.port = server.port();
        proxy.reset();
        Ok(Self {
            column,
            proxy,
            environment,
            client: client.to_owned(),
            options,
            server: Some(server),
            card,
            agent,
            folder,
            journals: 0,
        })
    }

    /// Runs the client to its end.
    pub(crate) fn run(&mut self, text: &str, options: &[&str]) -> Result<Report> {
        let journal = self.fresh();
        self.client("run", &journal, &[&["--text", text], options].concat())
    }

    /// Returns a name for a journal that nobody has written.
    pub(crate) fn fresh(&mut self) -> PathBuf {
        self.journals += 1;
        self.folder
            .path()
            .join(format!("journal-{}", self.journals))
    }

    /// Starts the client, for it to be killed.
    pub(crate) fn spawn(&self, journal: &Path, text: &str, options: &[&str]) -> Result<Victim> {
        let mut command = self.command("run", journal);
        command.args(["--text", text]).args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Victim(Some(command.spawn()?)))
    }

    /// Has the client do something with what a journal holds, and returns what it printed last.
    pub(crate) fn client(&self, what: &str, journal: &Path, options: &[&str]) -> Result<Report> {
        let mut command = self.command(what, journal);
        command
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Victim(Some(command.spawn()?)).report()
    }

    fn command(&self, what: &str, journal: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.client);
        command.args([self.column.adapter.name(), what, &self.card]);
        command
            .args(["--binding", self.column.binding.name(), "--journal"])
            .arg(journal);
        command.stdin(Stdio::null());
        command
    }

    /// Kills the server and starts it again, with the tasks that it kept.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.kill()?;
        }
        let server = Server::start(self.environment, &self.options)?;
        self.proxy.lead_to(server.port());
        self.agent.port = server.port();
        self.server = Some(server);
        Ok(())
    }

    /// Returns a task as the server has it.
    pub(crate) fn task(&self, id: &str) -> Result<Value> {
        self.ask("GetTask", &json!({"id": id}))
    }

    /// Returns the tasks of a context as the server has them.
    pub(crate) fn tasks_of(&self, context: &Value) -> Result<Vec<Value>> {
        let listed = self.ask("ListTasks", &json!({"contextId": context}))?;
        Ok(listed["tasks"].as_array().cloned().unwrap_or_default())
    }

    fn ask(&self, operation: &str, params: &Value) -> Result<Value> {
        match self.agent.call(operation, params)? {
            Outcome::Done { body, .. } => Ok(body),
            _ => anyhow::bail!("{operation} is refused"),
        }
    }
}

/// What the client says came of a task.
#[derive(Debug)]
pub(crate) struct Report(Value);

impl Report {
    /// Reads the last line that the client printed.
    fn read(output: &Output) -> Result<Self> {
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let report = serde_json::from_str(last)
            .ok()
            .filter(|_| output.status.success());
        Ok(Self(report.with_context(|| {
            format!("the client: {}", errors.trim())
        })?))
    }

    /// Returns a field of it as text.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// Fails unless the task ended so.
    pub(crate) fn ended(&self, how: &str) -> Result<()> {
        ensure!(
            self.text("end") == how,
            "ended otherwise than {how}: {}",
            self.0
        );
        Ok(())
    }

    /// Fails unless the task succeeded with an answer that holds this.
    pub(crate) fn answered(&self, with: &str) -> Result<()> {
        self.ended("succeeded")?;
        ensure!(
            self.text("output").contains(with),
            "no {with:?} in the answer: {}",
            self.0
        );
        Ok(())
    }

    /// Fails unless these questions were asked, in these words.
    pub(crate) fn asked(&self, wanted: &[&str]) -> Result<()> {
        let asked = &self.0["asked"];
        ensure!(*asked == json!(wanted), "asked {asked}, not {wanted:?}");
        Ok(())
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

/// A client that is about to be killed, at the latest with this value.
pub(crate) struct Victim(Option<Child>);

impl Victim {
    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) -> Result<()> {
        let mut child = self.0.take().context("it is gone already")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Lets it come to its end.
    pub(crate) fn report(mut self) -> Result<Report> {
        let begun = Instant::now();
        let child = self.0.as_mut().context("it is gone already")?;
        while child.try_wait()?.is_none() {
            // The rest is killed with this value.
            ensure!(begun.elapsed() < PATIENCE, "the client hangs");
            std::thread::sleep(Duration::from_millis(30));
        }
        let child = self.0.take().context("it is gone already")?;
        Report::read(&child.wait_with_output()?)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
