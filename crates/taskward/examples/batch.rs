//! Sends the files of a folder to an A2A agent, each as a task of its own and so many at once, and appends a row to a CSV
//! file for each that ends. Killed and run again, it goes on: no file is sent twice.
//!
//! - `cargo run --example batch -- CARD_URL FOLDER RESULTS.csv`, with `A2A_API_KEY` where the agent wants a key.
//! - `cargo run --example batch` shows it: 200 files, an agent in a simulator, and the process that sends them killed twice.

use std::collections::HashSet;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use taskward::a2a::operations::{CardReply, GetAgentCard};
use taskward::a2a::{A2a, Answer, CardUrl, File, Job};
use taskward::core::IntentId;
use taskward::journal::FileJournal;
use taskward::{Client, Outcome, Output as _, Provider as _, RunResult};
use taskward_sim::Sim;

/// How many tasks are under way at once.
const LIMIT: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// How many files the demonstration has.
const FILES: usize = 200;
/// How much faster than the world its clocks run.
const SPEED: u32 = 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demonstrate(),
        [card, folder, results, ref more @ ..] => {
            let batch = Batch {
                card: card.to_owned(),
                key: std::env::var("A2A_API_KEY").ok(),
                speed: 1,
                folder: folder.into(),
                results: results.into(),
                begin_again: false,
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let left = match more {
                // How the demonstration runs it.
                ["fast", flags @ ..] => runtime.block_on(
                    Batch {
                        speed: SPEED,
                        begin_again: flags.contains(&"begin-again"),
                        ..batch
                    }
                    .run(),
                ),
                _ => runtime.block_on(batch.run()),
            }?;
            match left {
                0 => Ok(()),
                left => Err(format!("{left} files have no result yet; run it again").into()),
            }
        }
        _ => Err("usage: batch [CARD_URL FOLDER RESULTS.csv]".into()),
    }
}

/// A folder of files, each to be a task.
pub(crate) struct Batch {
    pub(crate) card: String,
    pub(crate) key: Option<String>,
    pub(crate) speed: u32,
    pub(crate) folder: PathBuf,
    pub(crate) results: PathBuf,
    /// Whether a file is sent again whose start is of unknown outcome, and of which the agent knows no task.
    pub(crate) begin_again: bool,
}

impl Batch {
    /// Sends every file that has no result, and returns how many are without one afterwards.
    pub(crate) async fn run(&self) -> Result<usize> {
        let done = mend(&self.results)?;
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        let total = files.len();
        files.retain(|file| !done.contains(&name(file)));
        let journal = FileJournal::open(self.results.with_extension("journal"))?;
        let client = self.client(journal.clone()).await?;
        let mut rows = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.results)?;
        let runner = client.clone();
        // A file is read when its turn comes; its name is the name of its start.
        let runs = files.into_iter().filter_map(move |file| {
            let job = Job::text("Summarise the file.")
                .attach(File::bytes(name(&file), fs::read(&file).ok()?));
            Some((name(&file), runner.run(job).named(name(&file))))
        });
        let mut batch = client.run_all(runs, LIMIT);
        let (mut ended, mut unknown) = (done.len(), Vec::new());
        progress(ended, total);
        while let Some((file, result)) = batch.next().await {
            match result {
                Ok(RunResult::Ended(Outcome::Unknown { .. })) => unknown.push(file),
                Ok(RunResult::Ended(outcome)) => {
                    if let Some(row) = row(&file, &outcome) {
                        rows.write_all(row.as_bytes())?;
                        rows.sync_data()?;
                        ended += 1;
                    }
                }
                // A question, say: the task goes on, and the next run follows it.
                Ok(RunResult::Detached(left)) => eprintln!("{file}: left, {:?}", left.reason),
                Err(error) => eprintln!("{file}: {error}"),
            }
            progress(ended, total);
        }
        for file in unknown {
            eprintln!("{file}: it is unknown whether it was sent, and no task of it was found");
            if self.begin_again {
                let start = IntentId::named(A2a::NAME, &client.base_url(), &file);
                journal.remove(&journal.find(start.as_str())?.id)?;
            }
        }
        Ok(total - ended)
    }

    /// Reads the card, and returns a client of its agent.
    async fn client(&self, journal: FileJournal) -> Result<Client<A2a>> {
        let url = CardUrl::parse(&self.card)?;
        let root = url.origin().to_string();
        let at = Client::<A2a>::builder().base_url(&root).build()?;
        let CardReply::Card(card, _) = at.call(GetAgentCard::new(url.clone())).await? else {
            return Err("the card was not sent".into());
        };
        let found = A2a::from_card(&card, &url, None)?;
        let mut builder = Client::<A2a>::builder()
            .base_url(&found.root)
            .provider(found.agent)
            .speed(self.speed)
            .journal(journal);
        if let Some(key) = &self.key {
            builder = builder.api_key(key.as_str().into());
        }
        Ok(builder.build()?)
    }
}

fn name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The row of a task that is over; nothing where that is not known.
fn row(file: &str, outcome: &Outcome<Answer>) -> Option<String> {
    let (word, text) = match outcome {
        Outcome::Succeeded { output, .. } | Outcome::Answered { output } => {
            ("succeeded", output.text().unwrap_or_default())
        }
        Outcome::Failed { .. } => ("failed", String::new()),
        Outcome::Stopped { .. } => ("stopped", String::new()),
        _ => return None,
    };
    let task = outcome.task().map(ToString::to_string).unwrap_or_default();
    let quoted = |cell: &str| {
        format!(
            "\"{}\"",
            cell.replace('"', "\"\"").replace(['\r', '\n'], " ")
        )
    };
    let cells = [file, &task, word, &text].map(quoted);
    Some(cells.join(",") + "\n")
}

/// Returns the files that have a row. A last row that a kill cut short is cut off.
fn mend(results: &Path) -> Result<HashSet<String>> {
    let text = fs::read_to_string(results).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        OpenOptions::new()
            .write(true)
            .open(results)?
            .set_len(whole as u64)?;
    }
    let first = |row: &str| {
        Some(
            row.strip_prefix('"')?
                .split_once("\",\"")?
                .0
                .replace("\"\"", "\""),
        )
    };
    Ok(text[..whole].lines().filter_map(first).collect())
}

/// Draws how far it is.
fn progress(ended: usize, total: usize) {
    if std::io::stderr().is_terminal() {
        let filled = ended * 30 / total.max(1);
        eprint!("\r[{:-<30}] {ended}/{total} ", "#".repeat(filled));
        if ended == total {
            eprintln!();
        }
    }
}

/// Runs the batch in processes of its own against a simulator in this one, and kills the first two.
fn demonstrate() -> Result<()> {
    let place = std::env::temp_dir().join(format!("taskward-batch-{}", std::process::id()));
    let folder = place.join("files");
    fs::create_dir_all(&folder)?;
    for number in 0..FILES {
        fs::write(
            folder.join(format!("file-{number:03}.txt")),
            format!("File number {number}."),
        )?;
    }
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn()?;
    let agents = sim.a2a().agents;
    let agent = agents.iter().find(|agent| agent.name == "work");
    let results = place.join("results.csv");
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(&agent.ok_or("no such agent")?.card_url)
        .args([&folder, &results])
        .args(["fast", "begin-again"])
        .env("A2A_API_KEY", sim.a2a().api_key)
        .stdin(Stdio::null());
    let rows = || {
        fs::read_to_string(&results)
            .unwrap_or_default()
            .lines()
            .count()
    };
    for kill in 1..=2 {
        let mut child = command.spawn()?;
        while rows() < kill * FILES / 3 && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        println!(
            "killed: {} results, {} starts",
            rows(),
            sim.a2a_stats().starts
        );
    }
    // What the kills left unknown may need a run to be found missing, and one to be sent.
    for _ in 0..3 {
        if command.status()?.success() {
            break;
        }
    }
    println!(
        "done: {} results, {} starts",
        rows(),
        sim.a2a_stats().starts
    );
    println!(
        "{}",
        fs::read_to_string(&results)?
            .lines()
            .next()
            .unwrap_or_default()
    );
    fs::remove_dir_all(place)?;
    Ok(())
}
