//! `cargo xtask upload-test`: a large file through both adapters, each in a process of its own, against a simulator in
//! another: the digest must be the file's, the memory must stay small, and a refusal in the middle must be seen.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::simulator::{Simulator, build};

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
    build("upload")?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (file, digest) = write_file(folder.path(), args.mib)?;
    println!("{} MiB, sha256 {digest}", args.mib);
    let simulator = Simulator::start(100)?;
    for adapter in ["async", "blocking"] {
        simulator.faults(&json!([]))?;
        let report = upload(&simulator, adapter, &file)?;
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
        let report = upload(&simulator, adapter, &file)?;
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

fn upload(simulator: &Simulator, adapter: &str, file: &Path) -> Result<Value> {
    let agents = simulator.account("nanonets")["agents"].as_array();
    let agent = agents
        .context("no agents")?
        .iter()
        .find(|agent| agent["name"] == "echo")
        .context("no agent named echo")?;
    let agent = agent["id"].as_str().unwrap_or_default();
    let file = file.to_str().context("an odd path")?;
    simulator.client("upload", "nanonets", &[adapter, agent, file])
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

/// Returns the first value of this name anywhere inside.
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
