//! `cargo xtask tidy`: rules of the repository that no compiler checks.

mod budgets;
mod cycles;
mod documents;
mod workflows;

use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::{
    cargo, codegen, package, repo,
    source::{Kind, Workspace},
    words,
};

/// Which of our crates each may depend on (normal dependencies). The arrows run strictly downward.
const ARROWS: &[(&str, &[&str])] = &[
    ("taskward-core", &[]),
    ("taskward-providers", &["taskward-core"]),
    ("taskward-client", &["taskward-core"]),
    ("taskward-hyper", &["taskward-core", "taskward-client"]),
    ("taskward-ureq", &["taskward-core", "taskward-client"]),
    ("taskward-sim", &[]),
    ("taskward-journal", &["taskward-core"]),
    (
        "taskward-simulation",
        &["taskward-core", "taskward-providers", "taskward-sim"],
    ),
    (
        "taskward",
        &[
            "taskward-core",
            "taskward-hyper",
            "taskward-ureq",
            "taskward-providers",
            "taskward-journal",
        ],
    ),
    ("taskward-cli", &["taskward", "taskward-sim"]),
    (
        "taskward-fuzzing",
        &[
            "taskward-core",
            "taskward-providers",
            "taskward-sim",
            "taskward-simulation",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that a pure crate may not even reach: executors, transports, sockets, entropy and other clocks.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "hyper",
    "hyper-util",
    "ureq",
    "reqwest",
    "rustls",
    "mio",
    "socket2",
    "rand",
    "rand_core",
    "getrandom",
    "jiff",
    "time",
    "tempfile",
    "log",
    "tracing",
];

/// The crates without I/O, clock and chance, and what each may not reach beside [`IMPURE`].
const PURE: &[(&str, &[&str])] = &[
    ("taskward-core", &["chrono"]),
    // Its chrono is built without a clock.
    ("taskward-providers", &[]),
];

/// A longer file holds more than one idea.
const MAX_LINES: usize = 900;

#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Only print every name that has a word of xtask/words.toml
    #[arg(long)]
    words: bool,
    /// Only print the import cycles, as xtask/cycles.toml lists them
    #[arg(long)]
    cycles: bool,
    /// Set budgets.toml to what there is
    #[arg(long, conflicts_with_all = ["words", "cycles"])]
    write: bool,
}

/// Checks everything and reports all that is wrong.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::read(repo::root())?;
    if args.words || args.cycles {
        return show(args, &workspace);
    }
    let mut faults = layering()?;
    for (name, banned) in PURE {
        faults.extend(impurities(name, &reached(name)?, banned));
    }
    faults.extend(sources(&workspace)?);
    faults.extend(lists(args, &workspace)?);
    faults.extend(documents::faults(&workspace)?);
    faults.extend(package::faults()?);
    faults.extend(workflows::faults()?);
    if faults.is_empty() {
        return Ok(());
    }
    bail!("the repository is untidy:\n  {}", faults.join("\n  "));
}

fn show(args: &Args, workspace: &Workspace) -> Result<()> {
    if args.words {
        let list = words::list()?;
        print!("{}", words::shown(&words::declared(workspace), &list));
    }
    if args.cycles {
        print!("{}", cycles::shown(workspace));
    }
    Ok(())
}

/// Returns the rules whose exceptions and limits are committed files.
fn lists(args: &Args, workspace: &Workspace) -> Result<Vec<String>> {
    let root = repo::root();
    let present = budgets::present(workspace)?;
    if args.write {
        fs::write(root.join(budgets::FILE), budgets::written(&present))?;
    }
    let budgets = budgets::read(&repo::read(&root.join(budgets::FILE))?)?;
    let slack = budgets::slack(&present, &budgets);
    if !slack.is_empty() {
        // No fault: what others make smaller at the same time would fail otherwise.
        eprintln!(
            "less than allowed (cargo xtask tidy --write):\n  {}",
            slack.join("\n  ")
        );
    }
    let mut faults = cycles::faults(workspace, &cycles::list()?);
    faults.extend(words::faults(&words::declared(workspace), &words::list()?));
    faults.extend(budgets::faults(&present, &budgets));
    Ok(faults)
}

/// Returns the arrows between our crates, from `cargo metadata`.
fn layering() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(repo::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace's metadata")?;
    Ok(metadata.packages.iter().flat_map(wrong_arrows).collect())
}

fn wrong_arrows(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "crate {name} has no place in the layering (xtask/src/tidy/mod.rs)"
        )];
    };
    let mut faults = Vec::new();
    for dependency in package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
    {
        let sibling = dependency.name.as_str();
        match dependency.kind {
            // Itself with the feature `testing` is the same one.
            DependencyKind::Development if name == "taskward-core" && sibling != name => {
                faults.push(format!(
                    "{name} may not dev-depend on {sibling}: its tests would see a second core"
                ));
            }
            DependencyKind::Development => {}
            _ if !allowed.contains(&sibling) => {
                faults.push(format!("{name} may not depend on {sibling}"))
            }
            _ => {}
        }
    }
    faults
}

/// Returns the crates that a crate of ours reaches by normal dependencies with all its features.
///
/// `cargo metadata` would add the features that other members ask for, so this is `cargo tree`.
fn reached(name: &str) -> Result<Vec<String>> {
    let tree = cargo::tree(
        repo::root(),
        name,
        "normal,no-proc-macro",
        &["--all-features"],
    )?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    Ok(names.map(str::to_owned).collect())
}

fn impurities(name: &str, reached: &[String], banned: &[&str]) -> Vec<String> {
    let banned = IMPURE
        .iter()
        .chain(banned)
        .filter(|banned| reached.iter().any(|reached| reached == *banned));
    banned
        .map(|banned| {
            format!("{name} reaches {banned}, but it is to stay without I/O, clock and chance")
        })
        .collect()
}

/// Rules for single files.
fn sources(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in repo::entries(&repo::root().join("spec"))? {
        names.push(repo::name(&folder)?.to_owned());
    }
    let mut faults = Vec::new();
    for file in workspace.crates.iter().flat_map(|known| &known.files) {
        let (shown, text) = (&file.path, &file.text);
        let fault = match file.kind {
            Kind::Generated => header_fault(text),
            Kind::Source | Kind::Test => length_fault(text),
        };
        faults.extend(fault.map(|fault| format!("{shown}: {fault}")));
        if shown.starts_with("crates/core/") {
            let named = named_providers(text, &names);
            faults.extend(named.into_iter().map(|fault| format!("{shown}:{fault}")));
        }
    }
    Ok(faults)
}

fn header_fault(text: &str) -> Option<String> {
    (text.lines().next() != Some(codegen::HEADER))
        .then(|| format!("the first line must be \"{}\"", codegen::HEADER))
}

fn length_fault(text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{lines} lines are more than {MAX_LINES}"))
}

/// Returns where a text names a provider, in any of the ways in which words are joined.
fn named_providers(text: &str, names: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.to_lowercase();
        for name in names {
            if ["-", "_", " ", ""]
                .iter()
                .any(|joint| line.contains(&name.to_lowercase().replace('-', joint)))
            {
                faults.push(format!("{number}: core may not name the provider {name}"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependencies: serde_json::Value) -> Package {
        let package = json!({
            "name": name, "version": "0.1.0", "id": "id", "dependencies": dependencies, "targets": [],
            "features": {}, "manifest_path": "/Cargo.toml", "authors": [], "categories": [], "keywords": [],
            "edition": "2024",
        });
        serde_json::from_value(package).unwrap()
    }

    fn dependency(name: &str, req: &str, kind: Option<&str>) -> serde_json::Value {
        json!({
            "name": name, "req": req, "kind": kind, "optional": false, "uses_default_features": true,
            "features": [], "path": format!("/{name}"),
        })
    }

    #[test]
    fn an_arrow_that_does_not_run_down_is_told() {
        let check = |name, dependencies| wrong_arrows(&package(name, dependencies));
        assert_eq!(
            check(
                "taskward-hyper",
                json!([dependency("taskward-core", "^0.1.0", None)])
            ),
            [""; 0]
        );
        assert_eq!(
            check(
                "taskward-hyper",
                json!([dependency("taskward-providers", "^0.1.0", None)])
            ),
            ["taskward-hyper may not depend on taskward-providers"]
        );
        assert_eq!(
            check(
                "taskward-core",
                json!([dependency("taskward-providers", "^0.1.0", Some("build"))])
            ),
            ["taskward-core may not depend on taskward-providers"]
        );
        assert_eq!(
            check("taskward-extra", json!([])),
            ["crate taskward-extra has no place in the layering (xtask/src/tidy/mod.rs)"]
        );
    }

    #[test]
    fn the_tests_of_core_see_one_core() {
        let check = |name, req| {
            wrong_arrows(&package(
                name,
                json!([dependency("taskward-sim", req, Some("dev"))]),
            ))
        };
        assert_eq!(check("taskward-providers", "^0.1.0"), [""; 0]);
        assert_eq!(
            check("taskward-core", "*"),
            ["taskward-core may not dev-depend on taskward-sim: its tests would see a second core"]
        );
    }

    #[test]
    fn a_pure_crate_that_reaches_io_is_told() {
        let reached = ["http", "tokio", "chrono"].map(str::to_owned);
        assert_eq!(impurities("taskward-providers", &reached, &[]).len(), 1);
        let faults = impurities("taskward-core", &reached, &["chrono"]);
        assert_eq!(
            faults[0],
            "taskward-core reaches tokio, but it is to stay without I/O, clock and chance"
        );
        assert!(faults[1].contains("reaches chrono"));
    }

    #[test]
    fn a_provider_is_found_however_it_is_written() {
        let names = ["agent-harness".to_owned(), "nanonets".to_owned()];
        let text = "fine\nsee AgentHarness\nagent_harness and NANONETS\nan agent, harnessed\n";
        let expected = [
            "2: core may not name the provider agent-harness",
            "3: core may not name the provider agent-harness",
            "3: core may not name the provider nanonets",
        ];
        assert_eq!(named_providers(text, &names), expected);
    }

    #[test]
    fn a_long_file_and_a_wrong_header_are_told() {
        assert_eq!(length_fault(&"x\n".repeat(MAX_LINES)), None);
        assert!(length_fault(&"x\n".repeat(MAX_LINES + 1)).is_some());
        assert_eq!(
            header_fault(&format!("{}\nmod a;\n", codegen::HEADER)),
            None
        );
        assert!(header_fault("// Written by hand.\n").is_some());
        assert!(header_fault("").is_some());
    }
}
