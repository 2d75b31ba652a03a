//! What a journal of many tasks costs (F5): `journal PROGRAM [ENTRIES]` runs `taskward`, which stands at that path, with an
//! empty journal and with one of 100,000 entries, in turns, against a simulator of its own for each command.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use taskward_benches::figures::median;
use taskward_benches::row::Row;
use taskward_core::Journal as _;
use taskward_core::Snapshot;
use taskward_journal::SqliteJournal;

const ENTRIES: u64 = 100_000;
/// Each command runs so often with each journal; the medians are shown.
const ROUNDS: usize = 15;
/// Runs that begin at once.
const AT_ONCE: usize = 50;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [program] => measure(Path::new(program), ENTRIES),
        [program, entries] => measure(Path::new(program), entries.parse()?),
        _ => {
            eprintln!("usage: journal PROGRAM [ENTRIES]");
            Ok(ExitCode::from(2))
        }
    }
}

/// The program with a journal of its own.
struct User<'a> {
    program: &'a Path,
    state: PathBuf,
}

impl User<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(args).env("XDG_STATE_HOME", &self.state);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Result<Output, Box<dyn Error>> {
        let output = self.command(args).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{args:?} ended with {}: {errors}", output.status).into());
        }
        Ok(output)
    }

    fn journal(&self) -> PathBuf {
        self.state.join("taskward/journal/tasks.sqlite")
    }
}

fn measure(program: &Path, entries: u64) -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let user = |name: &str| User {
        program,
        state: folder.path().join(name),
    };
    let (empty, full) = (user("empty"), user("full"));
    for user in [&empty, &full] {
        user.run(&start("first"))?;
    }
    fill(&full.journal(), entries)?;
    let [first, then] = turns([&empty, &full], &start("again"))?;
    let ratios = then.iter().zip(&first).map(|(then, first)| then / first);
    let [alone, listed] = turns([&empty, &full], &["ls", "--local", "--limit", "20"])?;
    let succeeded = at_once(&full)?;
    let rows = [
        Row::new(
            "F5",
            "run --detach, beside an empty journal",
            median(ratios.collect()),
            "x",
        )
        .floor(1.0)
        .at_most(1.5),
        Row::new("F5", "run --detach", median(then), "ms").floor(median(first)),
        Row::new("F5", "ls --local --limit 20", median(listed), "ms")
            .floor(median(alone))
            .at_most(50.0),
        Row::new("F5", "of 50 runs at once succeed", succeeded as f64, "runs")
            .at_least(AT_ONCE as f64),
    ];
    let missed = rows.iter().filter(|row| !row.print()).count();
    Ok(ExitCode::from(u8::from(missed > 0)))
}

/// How a task is started on a simulator that ends with the command.
fn start(text: &str) -> [&str; 7] {
    [
        "run", "--agent", "echo", text, "--detach", "--speed", "1000",
    ]
}

/// Stores so many tasks more, each like the one that is there.
fn fill(journal: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let journal = SqliteJournal::open(journal)?;
    let mut found = journal.newest(1)?.entries;
    let model = found.pop().ok_or("nothing was stored")?.snapshot;
    let model = serde_json::to_value(&model)?;
    let text = model.to_string();
    let named = |name: &str| {
        let name = model.get(name).and_then(|name| name.as_str());
        name.map(str::to_owned).ok_or("the snapshot has no ids")
    };
    let (intent, task) = (named("intent")?, named("task")?);
    for number in 0..entries {
        let other = text
            .replace(&intent, &format!("{number:012x}"))
            .replace(&task, &format!("{number:032x}"));
        let snapshot: Snapshot = serde_json::from_str(&other)?;
        journal
            .record(&snapshot)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Milliseconds that a command takes of each of them, in turns.
fn turns(users: [&User<'_>; 2], args: &[&str]) -> Result<[Vec<f64>; 2], Box<dyn Error>> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (user, times) in users.iter().zip(&mut times) {
            let begun = Instant::now();
            user.run(args)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// Returns how many of the runs succeed that begin at once.
fn at_once(user: &User<'_>) -> Result<usize, Box<dyn Error>> {
    let begun = Instant::now();
    let runs: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut command = user.command(&start("many"));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        })
        .collect::<Result<_, _>>()?;
    let mut succeeded = 0;
    for mut run in runs {
        succeeded += usize::from(run.wait()?.success());
    }
    let took: Duration = begun.elapsed();
    println!("{AT_ONCE} runs at once took {:.1} s", took.as_secs_f64());
    Ok(succeeded)
}
