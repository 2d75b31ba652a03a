//! A simulator in a process of its own, and clients in theirs: what one takes is not mistaken for the other's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cargo;

/// Builds the simulator and the client that an example of the façade is, in release mode.
pub(crate) fn build(example: &str) -> Result<()> {
    let build = ["build", "--release", "--quiet", "--locked", "-p"];
    cargo::run(cargo::cargo(&build).arg("taskward-cli"))?;
    cargo::run(cargo::cargo(&build).args(["taskward", "--example", example]))
}

fn binary(name: &str) -> PathBuf {
    cargo::target().join("release").join(name)
}

/// A running simulator; it ends with this value.
pub(crate) struct Simulator {
    process: Child,
    ready: Value,
}

impl Simulator {
    /// One that is this many times faster than the world.
    pub(crate) fn start(speed: u32) -> Result<Self> {
        Self::of(&binary("taskward"), speed, 0)
    }

    /// Returns the one in this program; its chances follow from a seed.
    pub(crate) fn of(program: &Path, speed: u32, seed: u64) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["sim", "--json", "--speed", &speed.to_string()]);
        Self::started(command.args(["--seed", &seed.to_string()]))
    }

    /// Returns the one in this program, with the switches of a file; its chances follow from a seed.
    pub(crate) fn of_scenario(program: &Path, speed: u32, seed: u64, file: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["sim", "--json", "--speed", &speed.to_string()]);
        command.args(["--seed", &seed.to_string(), "--scenario"]);
        Self::started(command.arg(file))
    }

    /// Returns the one in this program, at the world's pace, with the switches of a file.
    pub(crate) fn in_scenario(program: &Path, file: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        Self::started(command.args(["sim", "--json", "--scenario"]).arg(file))
    }

    fn started(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the simulator")?;
        let mut line = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let ready: Value =
            serde_json::from_str(&line).with_context(|| format!("no ready line: {line:?}"))?;
        ensure!(
            ready["type"] == "ready",
            "the simulator did not start: {ready}"
        );
        Ok(Self { process, ready })
    }

    /// Returns how to reach a platform.
    pub(crate) fn account(&self, provider: &str) -> &Value {
        &self.ready["providers"][provider]
    }

    /// Runs an example as a client of a platform; gives what it printed.
    pub(crate) fn client(&self, example: &str, provider: &str, args: &[&str]) -> Result<Value> {
        let mut command = Command::new(binary("examples").join(example));
        self.name_account(&mut command, provider);
        let output = command.args(args).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{example} {args:?}: {errors}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Names the accounts of every platform in a command's environment.
    pub(crate) fn accounts(&self, command: &mut Command) {
        for provider in ["nanonets", "agent-harness", "a2a"] {
            self.name_account(command, provider);
        }
    }

    fn name_account(&self, command: &mut Command, provider: &str) {
        let account = self.account(provider);
        let variable = provider.to_uppercase().replace('-', "_");
        for (suffix, field) in [("API_KEY", "api_key"), ("BASE_URL", "base_url")] {
            let value = account[field].as_str().unwrap_or_default();
            command.env(format!("{variable}_{suffix}"), value);
        }
    }

    /// Puts these faults in force.
    pub(crate) fn faults(&self, faults: &Value) -> Result<()> {
        let body = json!({ "faults": faults }).to_string();
        self.ask("PUT", "/_sim/faults", &body)?;
        Ok(())
    }

    /// Returns what it has counted.
    pub(crate) fn stats(&self) -> Result<Value> {
        let reply = self.ask("GET", "/_sim/stats", "")?;
        serde_json::from_str(&reply).with_context(|| format!("no statistics: {reply:?}"))
    }

    /// Returns the body of its reply to a request about itself.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let address = self.ready["listen"]
            .as_str()
            .context("no address")?
            .trim_start_matches("http://")
            .to_owned();
        let mut stream = TcpStream::connect(&address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").context("no reply")?;
        ensure!(
            head.starts_with("HTTP/1.1 2"),
            "the simulator refused {method} {path}: {reply}"
        );
        Ok(body.to_owned())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
