//! `cargo xtask dist`: what a user downloads, the same to the byte wherever it is built from the same commit.
//!
//! It holds for builds by the same compiler for the same target. A linker of the system's has a part in it, too.

mod archive;
mod build;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use sha2::{Digest as _, Sha256};

use crate::{cargo, repo};
use archive::Entry;
use build::{Build, Toolchain};

/// The shells, and how each names the file that it looks for.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "taskward.bash"),
    ("elvish", "taskward.elv"),
    ("fish", "taskward.fish"),
    ("powershell", "_taskward.ps1"),
    ("zsh", "_taskward"),
];

/// What of the repository goes along.
const DOCUMENTS: &[&str] = &["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target, when it is not this machine's
    #[arg(long)]
    target: Option<String>,
    /// Build a copy of the repository in another place, too, and compare to the byte
    #[arg(long)]
    check: bool,
}

/// Writes the archive and the checksums of all archives beside it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::found()?;
    let target = args.target.as_deref().unwrap_or(&toolchain.host);
    let folder = cargo::target().join("dist");
    fs::create_dir_all(&folder)?;
    let here = Build {
        root: repo::root().to_owned(),
        output: folder.join("build"),
        target,
    };
    let name = format!("taskward-{}-{target}", version()?);
    let time = commit_time()?;
    let first = dist(&here, &toolchain, &name, time)?;
    if args.check {
        check(&here, &toolchain, (&name, time), &first)?;
    }
    fs::write(folder.join(format!("{name}.tar.gz")), &first.archive)?;
    fs::write(folder.join("SHA256SUMS"), checksums(&folder)?)?;
    let shown = repo::shown(&folder);
    println!("{}", listed(&first));
    println!("{shown}/{name}.tar.gz and {shown}/SHA256SUMS");
    Ok(())
}

/// What one build brings.
struct Dist {
    entries: Vec<Entry>,
    archive: Vec<u8>,
}

/// Builds the program and puts the archive together.
fn dist(build: &Build<'_>, toolchain: &Toolchain, name: &str, time: u64) -> Result<Dist> {
    let program = build.program(toolchain)?;
    let binary = fs::read(&program).with_context(|| format!("no {}", program.display()))?;
    let places = build.places(toolchain)?;
    if let Some(place) = places.iter().find(|place| holds(&binary, place)) {
        bail!("the binary holds a path of this machine: {place}");
    }
    let file = program.file_name().context("a program without a name")?;
    let mut entries = vec![Entry::program(file.to_string_lossy().into_owned(), binary)];
    for document in DOCUMENTS {
        let content = fs::read(build.root.join(document)).context(*document)?;
        entries.push(Entry::file((*document).to_owned(), content));
    }
    // A program for another kind of machine does not run here; its pages are those of ours.
    let runnable = if build.target == toolchain.host {
        program
    } else {
        build.helper()?
    };
    entries.extend(completions(&runnable)?);
    entries.extend(manual(&runnable)?);
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let archive = archive::packed(name, &entries, time)?;
    Ok(Dist { entries, archive })
}

/// Builds a copy in a folder of another length and depth; fails when anything differs.
fn check(
    here: &Build<'_>,
    toolchain: &Toolchain,
    (name, time): (&str, u64),
    first: &Dist,
) -> Result<()> {
    let elsewhere = tempfile::tempdir().context("cannot make a folder")?;
    let root = elsewhere.path().join("another/place/for/taskward");
    copy(&here.root, &root)?;
    let there = Build {
        root,
        output: elsewhere.path().join("output"),
        target: here.target,
    };
    let second = dist(&there, toolchain, name, time)?;
    let differences = differences(&first.entries, &second.entries);
    ensure!(
        differences.is_empty(),
        "two builds differ:\n  {}",
        differences.join("\n  ")
    );
    ensure!(first.archive == second.archive, "two archives differ");
    println!(
        "the same to the byte: {} and {}",
        here.root.display(),
        there.root.display()
    );
    Ok(())
}

/// Copies the files that the repository has, as they are now.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = list.current_dir(from).output().context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files failed");
    for name in String::from_utf8(output.stdout)?.split_terminator('\0') {
        let (from, to) = (from.join(name), to.join(name));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        // One that is gone and not yet committed as such is no part of what is there now.
        if from.exists() {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

/// Returns the names of what is not the same in both, with the first place.
fn differences(first: &[Entry], second: &[Entry]) -> Vec<String> {
    let names = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|entry| entry.name.clone()).collect()
    };
    if names(first) != names(second) {
        return vec![format!("{:?}\n  {:?}", names(first), names(second))];
    }
    let mut found = Vec::new();
    for (one, other) in first.iter().zip(second) {
        let (one, name, other) = (&one.content, &one.name, &other.content);
        if one != other {
            let place = one.iter().zip(other).position(|(one, other)| one != other);
            let place = place.unwrap_or(one.len().min(other.len()));
            let (one, other) = (one.len(), other.len());
            found.push(format!("{name}: {one} and {other} bytes, from {place} on"));
        }
    }
    found
}

fn completions(program: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (shell, file) in COMPLETIONS {
        let output = Command::new(program).args(["completion", shell]).output()?;
        ensure!(output.status.success(), "no completion for {shell}");
        entries.push(Entry::file(format!("completions/{file}"), output.stdout));
    }
    Ok(entries)
}

fn manual(program: &Path) -> Result<Vec<Entry>> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let status = Command::new(program)
        .args(["--quiet", "man"])
        .arg(folder.path())
        .status()?;
    ensure!(status.success(), "no manual pages");
    let mut entries = Vec::new();
    for page in repo::entries(folder.path())? {
        let name = format!("man/{}", repo::name(&page)?);
        entries.push(Entry::file(name, fs::read(&page)?));
    }
    ensure!(!entries.is_empty(), "no manual page was written");
    Ok(entries)
}

fn version() -> Result<String> {
    let manifest = repo::root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()?;
    let mut packages = metadata.packages.into_iter();
    let program = packages.find(|package| package.name.as_str() == "taskward-cli");
    Ok(program.context("no taskward-cli")?.version.to_string())
}

/// Returns the time that every file of the archive gets: `SOURCE_DATE_EPOCH`, or that of the commit.
fn commit_time() -> Result<u64> {
    if let Ok(time) = std::env::var("SOURCE_DATE_EPOCH") {
        return time.parse().context("SOURCE_DATE_EPOCH");
    }
    let mut log = Command::new("git");
    log.args(["log", "-1", "--format=%ct"])
        .current_dir(repo::root());
    let output = log
        .output()
        .context("cannot run git; set SOURCE_DATE_EPOCH")?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().context("the time of the last commit")
}

/// Returns a line for each archive in the folder, as `sha256sum --check` reads it.
fn checksums(folder: &Path) -> Result<String> {
    let mut lines = String::new();
    let archives = repo::entries(folder)?.into_iter();
    let archives =
        archives.filter(|path: &PathBuf| path.extension().is_some_and(|end| end == "gz"));
    for archive in archives {
        let digest = hex(&fs::read(&archive)?);
        writeln!(lines, "{digest}  {}", repo::name(&archive)?)?;
    }
    Ok(lines)
}

fn hex(content: &[u8]) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn listed(dist: &Dist) -> String {
    let mut lines = String::new();
    for entry in &dist.entries {
        let _ = writeln!(lines, "{:>10}  {}", entry.content.len(), entry.name);
    }
    lines + &format!("{:>10}  in all, packed", dist.archive.len())
}

/// Whether a text stands anywhere in these bytes.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_with_its_place() {
        let entries = |content: &str| {
            let file = |name: &str, content: &str| Entry::file(name.to_owned(), content.into());
            [file("a", "same"), file("b", content)]
        };
        assert_eq!(differences(&entries("xyz"), &entries("xyz")), [""; 0]);
        assert_eq!(
            differences(&entries("xyz"), &entries("xzz")),
            ["b: 3 and 3 bytes, from 1 on"]
        );
        assert_eq!(
            differences(&entries("xyz"), &entries("xyz.")),
            ["b: 3 and 4 bytes, from 3 on"]
        );
        assert_eq!(
            differences(&entries("x"), &entries("x")[..1]),
            ["[\"a\", \"b\"]\n  [\"a\"]"]
        );
    }

    #[test]
    fn checksums_are_those_of_the_archives_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("b.tar.gz", "abc"), ("a.tar.gz", ""), ("SHA256SUMS", "old")] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(
            checksums(folder.path()).unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.tar.gz\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.tar.gz\n"
        );
    }

    #[test]
    fn a_path_is_found_in_a_binary() {
        assert!(holds(b"\0/home/me/x\0", "/home/me"));
        assert!(!holds(b"\0/home", "/home/me"));
    }
}
