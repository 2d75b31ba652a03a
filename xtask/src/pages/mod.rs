//! `cargo xtask docs`: every command that the README, the pages in `docs/` and the program's help show is run against
//! the simulator, and every program in Rust is compiled.
//!
//! A page runs from top to bottom in one shell, in a folder, a home and a simulator of its own, with the program as the
//! README installs it. A command must exit with 0, or with the code that the comment behind it names ("exit 8"). A fence
//! behind `<!-- not run: REASON -->` is left out and counted; one behind `<!-- output -->` is what the command above it
//! printed.

mod fences;
mod help;
mod rust;
mod shell;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::{cargo, repo, simulator::Simulator};
use fences::{Fence, Page};
use shell::Shell;

/// The simulator runs this many times faster than the world.
const SPEED: u32 = 20;

/// How the command begins that installs the program.
const INSTALL: &str = "cargo install ";

/// What is run, and with which program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only the pages whose path contains this text
    #[arg(long)]
    page: Option<String>,
    /// Use this program instead of the one that the README's command installs
    #[arg(long)]
    program: Option<PathBuf>,
}

impl Args {
    /// Runs all pages with this program.
    pub(crate) fn with(program: PathBuf) -> Self {
        Self {
            page: None,
            program: Some(program),
        }
    }
}

/// Runs everything and prints a line for each page; fails if any command did.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = cargo::target().join("docs-check");
    let installed = root.join("bin").join("taskward");
    let program = match &args.program {
        Some(program) => repo::root().join(program),
        None => {
            install(&root)?;
            installed
        }
    };
    let is_wanted = |name: &str| args.page.as_ref().is_none_or(|part| name.contains(part));
    let mut total = Count::default();
    let mut failures = Vec::new();
    let pages = pages()?;
    for page in pages.iter().filter(|page| is_wanted(&page.name)) {
        let (count, failed) = run_page(page, &program, &root)?;
        total.add(&page.name, count);
        failures.extend(failed);
    }
    if is_wanted("help") {
        let (count, failed) = help::run(&program, &root)?;
        total.add("taskward help", count);
        failures.extend(failed);
    }
    total.programs = rust::check(pages.iter().filter(|page| is_wanted(&page.name)), &root)?;
    println!("{total}, failures {}", failures.len());
    for failure in &failures {
        println!("\n{failure}");
    }
    ensure!(failures.is_empty(), "{} commands failed", failures.len());
    Ok(())
}

/// Installs the program with the README's own command, into a folder of ours.
fn install(root: &Path) -> Result<()> {
    let readme = repo::read(&repo::root().join("README.md"))?;
    let mut lines = readme.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with(INSTALL));
    let Some(line) = line else {
        anyhow::bail!("README.md does not say how to install the program");
    };
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    cargo::run(cargo::cargo(&words).arg("--root").arg(root))
}

/// Returns the README and the pages of `docs/`, in the order of their names.
fn pages() -> Result<Vec<Page>> {
    let mut paths = vec![repo::root().join("README.md")];
    let docs = repo::entries(&repo::root().join("docs"))?;
    paths.extend(
        docs.into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "md")),
    );
    let read = |path: &PathBuf| Page::parse(&repo::shown(path), &repo::read(path)?);
    paths.iter().map(read).collect()
}

/// What was run of a page, or of all.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    pages: usize,
    commands: usize,
    programs: usize,
    left_out: usize,
}

impl Count {
    fn add(&mut self, name: &str, page: Self) {
        let left_out = match page.left_out {
            0 => String::new(),
            count => format!(", {count} fences not run"),
        };
        println!("{name}: {} commands{left_out}", page.commands);
        self.pages += 1;
        self.commands += page.commands;
        self.left_out += page.left_out;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            pages,
            commands,
            programs,
            left_out,
        } = self;
        write!(
            f,
            "docs: pages {pages}, commands run {commands}, programs compiled {programs}, fences not run {left_out}"
        )
    }
}

/// Runs the commands of a page; returns how many, and what failed.
fn run_page(page: &Page, program: &Path, scratch: &Path) -> Result<(Count, Vec<String>)> {
    let mut count = Count::default();
    count.left_out = page
        .fences
        .iter()
        .filter(|fence| fence.is_left_out())
        .count();
    let mut commands: Vec<_> = page
        .fences
        .iter()
        .flat_map(Fence::commands)
        .collect::<Result<Vec<_>>>()?;
    count.commands = commands.len();
    // It was run before all others, or the reader named a program.
    commands.retain(|command| !command.text.starts_with(INSTALL));
    if commands.is_empty() {
        return Ok((count, Vec::new()));
    }
    let simulator = Simulator::of(program, SPEED, 0)?;
    // The README is read in a checkout, the pages anywhere.
    let folder = (page.name == "README.md").then(|| repo::root().to_owned());
    let shell = Shell::new(program, scratch, folder, &simulator)?;
    let failed = shell.run(&page.name, &commands)?;
    Ok((count, failed))
}
