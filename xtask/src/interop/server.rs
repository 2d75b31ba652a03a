//! A running server, in a process of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::Kind;
use super::environment::{Environment, source};
use super::http;
use crate::repo;

/// How long a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// How a server differs from the usual one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The port that its card names, where that is another's: of a proxy. LangGraph names whatever it is asked through.
    pub(crate) public: Option<u16>,
    /// Where it keeps its tasks, so that they outlive it (Python only).
    pub(crate) database: Option<PathBuf>,
}

/// A running server; it ends with this value, and with this process, however that ends.
pub(crate) struct Server {
    process: Child,
    port: u16,
    card: String,
}

impl Server {
    /// Starts one, and waits until it answers.
    pub(crate) fn start(environment: &Environment, options: &Options) -> Result<Self> {
        let name = environment.kind.name();
        let port = free_port()?;
        let log = environment.folder.join(format!("server-{port}.log"));
        let process = command(environment, port, options, &log)?
            .spawn()
            .with_context(|| format!("cannot start the server of interop/{name}"))?;
        let mut server = Self {
            process,
            port,
            card: format!("http://127.0.0.1:{port}/.well-known/agent-card.json"),
        };
        server.wait_until_ready(environment.kind, &log)?;
        if environment.kind == Kind::Langgraph {
            server.card = server.card_of_assistant()?;
        }
        Ok(server)
    }

    /// Returns the address of its agent card.
    pub(crate) fn card(&self) -> &str {
        &self.card
    }

    /// Returns the port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, without a chance to save anything.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn wait_until_ready(&mut self, kind: Kind, log: &Path) -> Result<()> {
        let path = match kind {
            Kind::Py | Kind::Js => "/.well-known/agent-card.json",
            Kind::Langgraph => "/ok",
        };
        let begun = Instant::now();
        let name = kind.name();
        let said = || format!("see {}", repo::shown(log));
        while begun.elapsed() < READY_WITHIN {
            if let Some(status) = self.process.try_wait()? {
                bail!(
                    "the server of interop/{name} ended with {status} ({})",
                    said()
                );
            }
            let request = http::Request::get(self.port, path);
            if request.send().is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!(
            "the server of interop/{name} did not answer within {} s ({})",
            READY_WITHIN.as_secs(),
            said()
        )
    }

    /// Returns the address of the card of LangGraph's assistant, which is named in its query.
    fn card_of_assistant(&self) -> Result<String> {
        let request = http::Request::post(self.port, "/assistants/search", &json!({}));
        let found = request.send()?.json()?;
        let id = found[0]["assistant_id"].as_str();
        let id = id.with_context(|| format!("no assistant: {found}"))?;
        Ok(format!("{}?assistant_id={id}", self.card))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its input does; whatever hangs is killed, and it may have ended by itself already.
        drop(self.process.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the command that starts a server on a port. Its standard input is a pipe that this process holds the other end
/// of: it closes however this process ends, and the servers' scripts end with it.
fn command(environment: &Environment, port: u16, options: &Options, log: &Path) -> Result<Command> {
    let mut command = Command::new(&environment.runtime);
    let from = source(environment.kind);
    match environment.kind {
        Kind::Py => {
            command.arg(from.join("server.py")).arg("--with-parent");
            command.args(["--port", &port.to_string()]);
        }
        Kind::Js => {
            // Packages are looked for beside the script.
            let script = environment.folder.join("server.mjs");
            fs::copy(from.join("server.mjs"), &script)?;
            command.arg(script).arg("--with-parent");
            command.args(["--port", &port.to_string()]);
        }
        Kind::Langgraph => {
            // It keeps its state where it runs: each time a new folder, so that it begins without any.
            let folder = environment.folder.join(format!("run-{port}"));
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            for file in ["langgraph.json", "agent.py", "serve.py"] {
                fs::copy(from.join(file), folder.join(file))?;
            }
            command
                .args(["serve.py", &port.to_string()])
                .current_dir(folder);
        }
    }
    if let Some(public) = options
        .public
        .filter(|_| environment.kind != Kind::Langgraph)
    {
        command.args(["--public", &public.to_string()]);
    }
    if let Some(file) = &options.database {
        command.arg("--db").arg(file);
    }
    // Nothing is told to anybody.
    command.env("LANGSMITH_TRACING", "false");
    command.env("LANGGRAPH_CLI_NO_ANALYTICS", "1");
    command.env("OTEL_SDK_DISABLED", "true");
    command.env("DO_NOT_TRACK", "1");
    for name in [
        "LANGSMITH_API_KEY",
        "LANGCHAIN_API_KEY",
        "LANGCHAIN_TRACING_V2",
    ] {
        command.env_remove(name);
    }
    // A signal to this task's group is not for the server: it would end before what is tested with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let log = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}

/// Returns a port that nothing listens on now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
