//! Uploads one file through either adapter and prints what came of it and how much memory it took at most:
//! `upload async|blocking AGENT FILE`, with the usual environment. `cargo xtask upload-test` runs it.

use std::path::PathBuf;

use taskward::nanonets::{self, Job, Nanonets};
use taskward::{Error, Outcome, Output as _, RunResult};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(adapter), Some(agent), Some(file)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: upload async|blocking AGENT FILE".into());
    };
    let job = Job::agent(agent).file(PathBuf::from(file));
    let end = match adapter.as_str() {
        "async" => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(async { taskward::Client::<Nanonets>::from_env()?.run(job).await })
        }
        "blocking" => taskward::blocking::Client::<Nanonets>::from_env()
            .and_then(|client| client.run(job).wait()),
        other => return Err(format!("there is no adapter {other:?}").into()),
    };
    println!("{}", report(end));
    Ok(())
}

fn report(end: Result<RunResult<nanonets::Answer>, Error>) -> serde_json::Value {
    let (end, status, answer) = match end {
        Ok(RunResult::Ended(Outcome::Succeeded { output, .. })) => {
            ("succeeded".to_owned(), None, Some(output.raw().clone()))
        }
        Ok(RunResult::Ended(Outcome::Refused(error))) => {
            ("refused".to_owned(), Some(error.status.as_u16()), None)
        }
        Ok(RunResult::Ended(other)) => (other.code().to_owned(), None, None),
        Ok(RunResult::Detached(left)) => (format!("left {:?}", left.reason), None, None),
        Err(error) => (
            error.to_string(),
            error.status().map(|status| status.as_u16()),
            None,
        ),
    };
    serde_json::json!({ "end": end, "status": status, "answer": answer, "peak_kib": peak_kib() })
}

/// Returns the largest resident set so far, where the system reports it (Linux).
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
