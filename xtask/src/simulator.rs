//! A simulator in a process of its own, and clients in theirs: what one takes is not mistaken for the other's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::repo;

/// Builds the simulator and the client that an example of the façade is, in release mode.
pub(crate) fn build(example: &str) -> Result<()> {
    for what in [
        &["-p", "taskward-cli"][..],
        &["-p", "taskward", "--example", example],
    ] {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--locked"])
            .args(what)
            .status()?;
        ensure!(status.success(), "cannot build {what:?}");
    }
    Ok(())
}

fn binary(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repo::root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

/// A running simulator; it ends with this value.
pub(crate) struct Simulator {
    process: Child,
    ready: Value,
}

impl Simulator {
    /// One that is this many times faster than the world.
    pub(crate) fn start(speed: u32) -> Result<Self> {
        let mut process = Command::new(binary("taskward"))
            .args(["sim", "--json", "--speed", &speed.to_string()])
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

    /// How to reach a platform.
    pub(crate) fn account(&self, provider: &str) -> &Value {
        &self.ready["providers"][provider]
    }

    /// Runs an example as a client of a platform; gives what it printed.
    pub(crate) fn client(&self, example: &str, provider: &str, args: &[&str]) -> Result<Value> {
        let account = self.account(provider);
        let variable = provider.to_uppercase().replace('-', "_");
        let output = Command::new(binary("examples").join(example))
            .args(args)
            .env(
                format!("{variable}_API_KEY"),
                account["api_key"].as_str().unwrap_or_default(),
            )
            .env(
                format!("{variable}_BASE_URL"),
                account["base_url"].as_str().unwrap_or_default(),
            )
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{example} {args:?}: {errors}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Puts these faults in force.
    pub(crate) fn faults(&self, faults: &Value) -> Result<()> {
        let address = self.ready["listen"]
            .as_str()
            .context("no address")?
            .trim_start_matches("http://")
            .to_owned();
        let body = json!({ "faults": faults }).to_string();
        let mut stream = TcpStream::connect(&address)?;
        write!(
            stream,
            "PUT /_sim/faults HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        ensure!(
            reply.starts_with("HTTP/1.1 2"),
            "the simulator refused the faults: {reply}"
        );
        Ok(())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
