//! `cargo xtask ci`: everything that a change must pass, in order of speed.

use std::{process::Command, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::{bench, cargo, codegen, faults, interop, pages, repo, tidy};

/// Runs all steps and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let readme = repo::read(&repo::root().join("README.md"))?;
    let test = test_command(&readme)?;
    let cargo = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        cargo::run(&mut cargo::cargo(&words))
    };
    timed("format", || cargo("fmt --all --check"))?;
    timed("tidy", || tidy::run(&tidy::Args::default()))?;
    timed("codegen", || codegen::run(codegen::Args { check: true }))?;
    timed("faults", || faults::run(&faults::Args { check: true }))?;
    timed("deny", || {
        ensure_tool("deny", DENY)?;
        cargo("deny --log-level error --locked check licenses bans sources")
    })?;
    timed("clippy", || {
        cargo("clippy --workspace --all-targets --all-features --locked -- --deny warnings")
    })?;
    timed("docs", docs)?;
    for apart in ["benches", "fuzz"] {
        timed(apart, || {
            cargo(&format!(
                "check --manifest-path {apart}/Cargo.toml --all-targets --locked"
            ))
        })?;
    }
    timed("features", || {
        ensure_tool("hack", HACK)?;
        cargo(HACK_CHECK)
    })?;
    for line in TLS_TESTS {
        timed("tls", || cargo(line))?;
    }
    // What no default feature has.
    timed("sqlite", || {
        cargo("test -p taskward-journal --all-features --locked --quiet")
    })?;
    // With the program that the tests need; `cargo xtask docs` alone installs it as the README says.
    timed("pages", || {
        pages::run(&pages::Args::with(cargo::program()?.join("taskward")))
    })?;
    timed(&format!("tests ({test})"), || {
        let root = repo::root();
        cargo::run(Command::new("bash").args(["-c", test]).current_dir(root))
    })?;
    timed("counts", || bench::run(&bench::Args::check()))?;
    timed("simulator", || interop::run(&interop::Args::simulator()))?;
    // Last, for it needs the package registries; LangGraph's server is too large to be installed for every change, and
    // the table of what the client does with each takes minutes.
    timed("interop", || {
        interop::run(&interop::Args::walk(&[
            interop::Kind::Py,
            interop::Kind::Js,
        ]))
    })
}

/// Checks that the documentation has no warnings.
fn docs() -> Result<()> {
    let args = [
        "doc",
        "--workspace",
        "--no-deps",
        "--all-features",
        "--locked",
    ];
    cargo::run(cargo::cargo(&args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Fails without the right version of a program that cargo runs.
fn ensure_tool(name: &str, version: &str) -> Result<()> {
    let output = cargo::cargo(&[name, "--version"]).output();
    let found = output.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(version));
    ensure!(
        found,
        "cargo-{name} {version} is missing: cargo install cargo-{name} --version {version} --locked"
    );
    Ok(())
}

/// Each pair of the façade's features: what encrypts and who is trusted go together, for each combination of these is the
/// same code in the client, which [`TLS_TESTS`] compile.
const HACK_CHECK: &str = "hack check -p taskward --feature-powerset --depth 2 --group-features ring,platform-roots \
                          --group-features aws-lc-rs,webpki-roots --lib --examples --locked --quiet";

/// The client without anything that encrypts, without roots, with the features that are not the default, and with all.
const TLS_TESTS: [&str; 4] = [
    "test -p taskward-client --no-default-features --lib --locked --quiet tls::",
    "test -p taskward-client --no-default-features --features ring --lib --locked --quiet tls::",
    "test -p taskward-client --no-default-features --features aws-lc-rs,webpki-roots --lib --test hyper --test ureq \
     --locked --quiet -- tls:: secure:: settings::",
    "test -p taskward-client --all-features --lib --locked --quiet tls::",
];

/// What compiles every combination of the façade's features, in the version that .ci/run installs.
const HACK: &str = "0.6.46";

/// What judges the licences and sources of all dependencies, in the version that .ci/run installs.
const DENY: &str = "0.20.2";

/// Returns the command that the README gives for running the tests.
fn test_command(readme: &str) -> Result<&str> {
    let mut lines = readme
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != TEST_MARKER)
        .skip(1);
    let fence = lines.find(|line| !line.is_empty());
    ensure!(
        fence.is_some_and(|line| line.starts_with("```")),
        "README.md has no \"{TEST_MARKER}\" with a fenced command behind it"
    );
    let command = lines
        .next()
        .filter(|line| !line.is_empty() && !line.starts_with("```"));
    let command = command.with_context(|| {
        format!("README.md has no command in the fence behind \"{TEST_MARKER}\"")
    })?;
    Ok(command.strip_prefix("$ ").unwrap_or(command))
}

const TEST_MARKER: &str = "<!-- command: test -->";

fn timed(name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("ci: {name}");
    let start = Instant::now();
    step().with_context(|| format!("step {name} failed"))?;
    let time = start.elapsed();
    let tenths = time.subsec_millis() / 100;
    println!("ci: {name} passed in {}.{tenths} s", time.as_secs());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_command_is_the_one_behind_the_marker() {
        let readme = "```sh\nother\n```\n\n<!-- command: test -->\n\n```sh\n$ cargo test --workspace\nsecond\n```\n";
        assert_eq!(test_command(readme).unwrap(), "cargo test --workspace");
        assert_eq!(
            test_command(&readme.replace("$ ", "  ")).unwrap(),
            "cargo test --workspace"
        );
    }

    #[test]
    fn a_readme_without_the_command_is_an_error() {
        for readme in [
            "",
            "```sh\ncargo test\n```\n",
            "<!-- command: test -->\n",
            "<!-- command: test -->\ncargo test\n",
            "<!-- command: test -->\n```sh\n```\n",
        ] {
            assert!(
                test_command(readme)
                    .unwrap_err()
                    .to_string()
                    .contains("<!-- command: test -->"),
                "{readme}"
            );
        }
    }

    #[test]
    fn a_failing_step_is_named_with_its_command() {
        let error = timed("sad", || cargo::run(&mut Command::new("false"))).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "step sad failed: \"false\" ended with exit status: 1"
        );
    }
}
