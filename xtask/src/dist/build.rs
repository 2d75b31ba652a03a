//! A build of the program that keeps nothing of where it was made.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// The compiler, as far as a binary would show it.
pub(super) struct Toolchain {
    /// The target that it builds for when nothing is said.
    pub(super) host: String,
    commit: String,
    sysroot: String,
}

impl Toolchain {
    /// Asks the compiler that cargo runs.
    pub(super) fn found() -> Result<Self> {
        let version = output(&["-vV"])?;
        let line = |name: &str| {
            let mut lines = version.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(str::to_owned)
        };
        Ok(Self {
            host: line("host").context("rustc -vV names no host")?,
            commit: line("commit-hash").context("rustc -vV names no commit-hash")?,
            sysroot: output(&["--print", "sysroot"])?.trim().to_owned(),
        })
    }
}

fn output(args: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(args).output();
    let output = output.context("cannot run rustc")?;
    ensure!(output.status.success(), "rustc {args:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// What is built where.
pub(super) struct Build<'a> {
    /// The folder of the workspace.
    pub(super) root: PathBuf,
    /// Cargo's target folder.
    pub(super) output: PathBuf,
    pub(super) target: &'a str,
}

impl Build<'_> {
    /// Builds the program and returns where it is.
    pub(super) fn program(&self, toolchain: &Toolchain) -> Result<PathBuf> {
        let mut build = self.cargo(&["build", "--release", "--locked"]);
        build
            .args(["--package", "taskward-cli", "--target", self.target])
            .args(["--config", "profile.release.strip=\"symbols\""])
            .env("CARGO_INCREMENTAL", "0")
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                self.flags(toolchain)?.join("\u{1f}"),
            );
        cargo::run(&mut build)?;
        let windows = self.target.contains("windows");
        let file = if windows { "taskward.exe" } else { "taskward" };
        Ok(self.output.join(self.target).join("release").join(file))
    }

    /// Builds the program for this machine, quickly, and returns where it is.
    pub(super) fn helper(&self) -> Result<PathBuf> {
        cargo::run(&mut self.cargo(&["build", "--locked", "--package", "taskward-cli"]))?;
        let file = format!("taskward{}", env::consts::EXE_SUFFIX);
        Ok(self.output.join("debug").join(file))
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = cargo::cargo(args);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.output);
        command
    }

    /// Returns the paths that may not be in the binary.
    pub(super) fn places(&self, toolchain: &Toolchain) -> Result<Vec<String>> {
        Ok(vec![
            text(&self.root)?,
            text(&self.output)?,
            text(&cargo_home()?)?,
            toolchain.sysroot.clone(),
        ])
    }

    /// Returns the compiler's flags: each place of this machine gets a name that is the same everywhere.
    ///
    /// `trim-paths` would say the same in the profile; it is not stable.
    fn flags(&self, toolchain: &Toolchain) -> Result<Vec<String>> {
        let source = Path::new(&toolchain.sysroot).join("lib/rustlib/src/rust");
        // Of several that fit, the compiler takes the last.
        let names = [
            (toolchain.sysroot.clone(), "/rust".to_owned()),
            // What the compiler calls the standard library where its source is not installed.
            (text(&source)?, format!("/rustc/{}", toolchain.commit)),
            (text(&cargo_home()?)?, "/cargo".to_owned()),
            (text(&self.root)?, "/taskward".to_owned()),
            (text(&self.output)?, "/build".to_owned()),
        ];
        let flag = |(from, to): (String, String)| format!("--remap-path-prefix={from}={to}");
        let mut flags: Vec<_> = names.into_iter().map(flag).collect();
        if self.target.ends_with("msvc") {
            // Its linker writes the time of the build, unless it is told to write a digest.
            flags.push("-Clink-arg=/Brepro".to_owned());
        }
        Ok(flags)
    }
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("{} is no readable path", path.display()))
}

/// Returns where cargo keeps the source of what we depend on.
fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = env::home_dir().context("there is no home folder")?;
    Ok(home.join(".cargo"))
}
