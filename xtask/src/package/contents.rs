//! What is in a package: both licences, a README, no key, and everything that its sources name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::Package;

use crate::{cargo, repo};

const LICENSES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// What cargo itself puts into every package.
const MADE: &[&str] = &[".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];

/// How a file ends that holds a key or a certificate.
const SECRET_ENDINGS: &[&str] = &["pem", "key", "crt", "cer", "der", "p12", "pfx", "jks"];

/// How a source names a file that is compiled into it, up to the path.
const NAMES: &[&str] = &[
    "include_str!(\"",
    "include_bytes!(\"",
    "include!(\"",
    "#[path = \"",
];

/// Returns the files of a package, as paths in its folder.
pub(super) fn listed(package: &Package) -> Result<Vec<String>> {
    let name = package.name.as_str();
    let args = ["package", "--list", "--allow-dirty", "--package", name];
    let output = cargo::cargo(&args).output();
    let output = output.context("cannot run cargo package")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo package --list of {name} failed: {errors}"
    );
    let text = String::from_utf8(output.stdout)?;
    // Where a path has backslashes, the names below have none.
    Ok(text.lines().map(|line| line.replace('\\', "/")).collect())
}

/// Returns what is wrong with the files of a package.
pub(super) fn faults(package: &Package) -> Result<Vec<String>> {
    let name = package.name.as_str();
    let folder = package.manifest_path.parent().context("a folder")?;
    let folder = folder.as_std_path();
    let files = listed(package)?;
    let mut faults = Vec::new();
    for license in LICENSES {
        let own = repo::read_if_there(&folder.join(license))?;
        if !files.iter().any(|file| file == license) {
            faults.push(format!("{name}: its package has no {license}"));
        } else if own != Some(repo::read(&repo::root().join(license))?) {
            faults.push(format!("{name}: its {license} is not the repository's"));
        }
    }
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    if !known.contains("README.md") {
        faults.push(format!("{name}: its package has no README.md"));
    }
    for file in files.iter().filter(|file| !MADE.contains(&file.as_str())) {
        let path = folder.join(file);
        let is_link = fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink());
        if is_link && !LICENSES.contains(&file.as_str()) {
            faults.push(format!("{name}: {file} is a link, to what is elsewhere"));
        }
        let bytes =
            fs::read(&path).with_context(|| format!("cannot read {}", repo::shown(&path)))?;
        let text = String::from_utf8_lossy(&bytes);
        if holds_secret(file, &text) {
            faults.push(format!("{name}: {file} holds a key or a certificate"));
        }
        if file.ends_with(".rs") {
            let wrong = foreign(file, &text, &known);
            faults.extend(
                wrong.map(|it| format!("{name}: {file} names {it}, which its package lacks")),
            );
        }
    }
    Ok(faults)
}

/// Returns whether a file is of a kind that is not given away. A source may have such a text in a string.
fn holds_secret(file: &str, text: &str) -> bool {
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    SECRET_ENDINGS.contains(&ending) || text.lines().any(|line| line.starts_with("-----BEGIN "))
}

/// Returns the files that a source is compiled with and that are not in its package.
fn foreign<'a>(
    file: &'a str,
    text: &'a str,
    files: &'a BTreeSet<&str>,
) -> impl Iterator<Item = String> + 'a {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let named = NAMES.iter().flat_map(|start| text.split(start).skip(1));
    let named = named.filter_map(|rest| rest.split_once('"')).map(|it| it.0);
    named.filter_map(move |path| {
        let inside = resolved(&folder.join(path));
        let is_there = inside.is_some_and(|inside| files.contains(inside.as_str()));
        (!is_there).then(|| path.to_owned())
    })
}

/// Returns a path without its steps back; none if it leaves the package.
fn resolved(path: &Path) -> Option<String> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !inside.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(inside.to_string_lossy().replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_name_and_by_its_text() {
        assert!(holds_secret("tests/server.key", ""));
        assert!(holds_secret(
            "tests/notes",
            "see\n-----BEGIN PRIVATE KEY-----\n"
        ));
        assert!(!holds_secret(
            "src/a.rs",
            "let pem = \"-----BEGIN CERTIFICATE-----\";\n"
        ));
        assert!(!holds_secret("src/key.rs", "struct Key;\n"));
    }

    #[test]
    fn a_file_beyond_the_package_is_told() {
        let files = BTreeSet::from(["src/a.json", "tests/b.rs"]);
        let of = |text| foreign("src/x.rs", text, &files).collect::<Vec<_>>();
        assert_eq!(
            of("include_str!(\"a.json\") #[path = \"../tests/b.rs\"]"),
            [""; 0]
        );
        assert_eq!(of("include_str!(\"b.json\")"), ["b.json"]);
        assert_eq!(of("#[path = \"../../core/c.rs\"]"), ["../../core/c.rs"]);
        assert_eq!(of("include_bytes!(\"/etc/passwd\")"), ["/etc/passwd"]);
    }
}
