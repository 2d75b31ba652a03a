//! `cargo xtask upload-test`: a large file through both adapters, each in a process of its own, against a simulator in
//! another: the digest must be the file's, the memory must stay small, and a refusal in the middle must be seen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::repo;

/// The most memory that a client may take, whatever the file's size.
const PEAK_KIB: u64 = 32 * 1024;

/// How large the file is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Size of the file in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
}

/// Runs the test and prints a line for each adapter.
pub(crate) fn run(args: &Args) -> Result<()> {
    build()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (file, digest) = write_file(folder.path(), args.mib)?;
    println!("{} MiB, sha256 {digest}", args.mib);
    let simulator = Simulator::start()?;
    for adapter in ["async", "blocking"] {
        simulator.faults(&json!([]))?;
        let report = simulator.upload(adapter, &file)?;
        let found = find(&report["answer"], "sha256").unwrap_or_default();
        let peak = report["peak_kib"].as_u64().context("no memory reading")?;
        println!(
            "{adapter:9} end={} digest={} peak={peak} KiB",
            report["end"],
            found == digest
        );
        ensure!(
            found == digest,
            "{adapter}: the simulator saw another file: {report}"
        );
        ensure!(
            peak < PEAK_KIB,
            "{adapter}: took {peak} KiB, more than {PEAK_KIB}"
        );

        let half = args.mib * 1024 * 1024 / 2;
        simulator.faults(
            &json!([{ "kind": "status", "on": "run", "code": 400, "after_bytes": half }]),
        )?;
        let report = simulator.upload(adapter, &file)?;
        println!(
            "{adapter:9} end={} status={} (refused after {} MiB)",
            report["end"],
            report["status"],
            args.mib / 2
        );
        ensure!(
            report["status"] == 400,
            "{adapter}: a 400 in the middle was not seen: {report}"
        );
    }
    Ok(())
}

fn build() -> Result<()> {
    for what in [
        &["-p", "taskward-cli"][..],
        &["-p", "taskward", "--example", "upload"],
    ] {
        let status = cargo()
            .args(["build", "--release", "--quiet", "--locked"])
            .args(what)
            .status()?;
        ensure!(status.success(), "cannot build {what:?}");
    }
    Ok(())
}

fn cargo() -> Command {
    Command::new(env!("CARGO"))
}

fn binary(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repo::root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

/// Writes a file whose every MiB differs, and gives its digest.
fn write_file(folder: &Path, mib: u64) -> Result<(PathBuf, String)> {
    let path = folder.join("upload.bin");
    let mut file = std::fs::File::create(&path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1024 * 1024];
    for n in 0..mib {
        for (i, byte) in block.iter_mut().enumerate() {
            *byte = (i as u64 ^ (i as u64 >> 8) ^ n) as u8;
        }
        hash.update(&block);
        file.write_all(&block)?;
    }
    let digest = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((path, digest))
}

/// The first value of this name anywhere inside.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    match value {
        Value::Object(object) => {
            let here = object.get(name).and_then(Value::as_str);
            here.or_else(|| object.values().find_map(|inner| find(inner, name)))
        }
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

/// A simulator in a process of its own; ends with this value.
struct Simulator {
    process: Child,
    ready: Value,
}

impl Simulator {
    fn start() -> Result<Self> {
        let mut process = Command::new(binary("taskward"))
            .args(["sim", "--json", "--speed", "100"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the simulator")?;
        let mut line = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let ready =
            serde_json::from_str(&line).with_context(|| format!("no ready line: {line:?}"))?;
        Ok(Self { process, ready })
    }

    fn account(&self) -> &Value {
        &self.ready["providers"]["nanonets"]
    }

    fn upload(&self, adapter: &str, file: &Path) -> Result<Value> {
        let agents = self.account()["agents"].as_array().context("no agents")?;
        let agent = agents
            .iter()
            .find(|agent| agent["name"] == "echo")
            .context("no agent named echo")?;
        let output = Command::new(binary("examples/upload"))
            .arg(adapter)
            .arg(agent["id"].as_str().unwrap_or_default())
            .arg(file)
            .env(
                "NANONETS_API_KEY",
                self.account()["api_key"].as_str().unwrap_or_default(),
            )
            .env(
                "NANONETS_BASE_URL",
                self.account()["base_url"].as_str().unwrap_or_default(),
            )
            .output()?;
        if !output.status.success() {
            bail!("{adapter}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn faults(&self, faults: &Value) -> Result<()> {
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
