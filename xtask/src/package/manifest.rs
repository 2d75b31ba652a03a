//! What a registry shows of a crate, and what it must already have.

use cargo_metadata::{Dependency, DependencyKind, Package};

use super::{ORDER, PUBLIC};

/// A registry takes no more.
const MOST_KEYWORDS: usize = 5;

/// What users are told of a crate that is not for them.
const INTERNAL: &str = "Internal to Taskward: ";

/// Crates for users, a part of which is for our adapters alone and changes with them.
const PINNED: &[&str] = &["taskward-client"];

/// Returns what a package's manifest lacks or says wrong.
pub(super) fn faults(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let description = package.description.as_deref().unwrap_or_default();
    let keywords = 1..=MOST_KEYWORDS;
    let documented = format!("https://docs.rs/{name}");
    let all_features = package.metadata["docs"]["rs"]["all-features"] == true;
    let internal = !PUBLIC.contains(&name);
    let rules = [
        (!description.is_empty(), "has no description"),
        (package.license.is_some(), "has no license"),
        (package.repository.is_some(), "has no repository"),
        (package.rust_version.is_some(), "has no rust-version"),
        (
            package.documentation.as_ref() == Some(&documented),
            "has no documentation at docs.rs",
        ),
        (
            package.readme.as_ref().is_some_and(|it| it == "README.md"),
            "has no README.md of its own",
        ),
        (
            keywords.contains(&package.keywords.len()),
            "has not one to five keywords",
        ),
        (!package.categories.is_empty(), "has no categories"),
        (
            all_features,
            "is not documented with all features ([package.metadata.docs.rs])",
        ),
        (
            description.starts_with(INTERNAL) == internal,
            "says in its description whether it is internal, and is wrong",
        ),
    ];
    let broken = rules.iter().filter(|(holds, _)| !holds);
    let broken = broken.map(|(_, what)| format!("{name} {what}"));
    let siblings = package.dependencies.iter().filter(|it| it.path.is_some());
    broken
        .chain(siblings.filter_map(|it| unpinned(name, it)))
        .collect()
}

/// Returns a dependency on a crate that may change in every release, unless it is on exactly one version.
fn unpinned(name: &str, dependency: &Dependency) -> Option<String> {
    let other = dependency.name.as_str();
    let changes = !PUBLIC.contains(&other) || PINNED.contains(&other);
    let req = dependency.req.to_string();
    // Without a version it is no dependency of the package.
    (changes && req != "*" && !req.starts_with('='))
        .then(|| format!("{name}: its dependency on {other} is to be pinned with ="))
}

/// Returns each dependency that a registry would not have yet, and each that is left out without need.
pub(super) fn order_faults(packages: &[Package]) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut faults = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(own) = place(name) else {
            faults.push(format!("{name} has no place in the order of publication"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|it| it.path.is_some()) {
            let other = dependency.name.as_str();
            let earlier = place(other).is_some_and(|other| other < own);
            let versioned = dependency.req.to_string() != "*";
            let fault = match (dependency.kind, versioned, earlier) {
                (DependencyKind::Development, false, true) => {
                    "is left out of the package, since it has no version"
                }
                (DependencyKind::Development, true, false) => {
                    "is published later: it may have no version"
                }
                (DependencyKind::Normal | DependencyKind::Build, _, false) => "is published later",
                _ => continue,
            };
            faults.push(format!("{name}: its dependency {other} {fault}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, changes: Value) -> Package {
        let mut package = json!({
            "name": name, "version": "0.1.0", "id": "id", "dependencies": [], "targets": [], "features": {},
            "manifest_path": "/Cargo.toml", "authors": [], "edition": "2024", "description": "Does it.",
            "license": "MIT", "repository": "https://x", "rust_version": "1.89.0", "readme": "README.md",
            "documentation": format!("https://docs.rs/{name}"), "keywords": ["a"], "categories": ["b"],
            "metadata": { "docs": { "rs": { "all-features": true } } },
        });
        for (key, value) in changes.as_object().unwrap() {
            package[key] = value.clone();
        }
        serde_json::from_value(package).unwrap()
    }

    fn dependency(name: &str, req: &str, kind: Option<&str>) -> Value {
        json!({
            "name": name, "req": req, "kind": kind, "optional": false, "uses_default_features": true,
            "features": [], "path": format!("/{name}"),
        })
    }

    #[test]
    fn whatever_a_registry_would_show_empty_is_told() {
        assert_eq!(faults(&package("taskward", json!({}))), [""; 0]);
        for (change, told) in [
            (json!({ "description": null }), "description"),
            (json!({ "license": null }), "license"),
            (json!({ "repository": null }), "repository"),
            (json!({ "rust_version": null }), "rust-version"),
            (json!({ "documentation": null }), "documentation"),
            (json!({ "readme": "../README.md" }), "README"),
            (json!({ "keywords": [] }), "keywords"),
            (
                json!({ "keywords": ["a", "b", "c", "d", "e", "f"] }),
                "keywords",
            ),
            (json!({ "categories": [] }), "categories"),
            (json!({ "metadata": null }), "all features"),
            (
                json!({ "description": "Internal to Taskward: x" }),
                "internal",
            ),
        ] {
            let faults = faults(&package("taskward", change));
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(told), "{faults:?}");
        }
        let faults = faults(&package("taskward-hyper", json!({})));
        assert!(faults[0].contains("internal"), "{faults:?}");
    }

    #[test]
    fn what_may_change_is_pinned() {
        let of = |name, req| {
            let dependencies = json!([dependency(name, req, None)]);
            faults(&package(
                "taskward",
                json!({ "dependencies": dependencies }),
            ))
        };
        assert_eq!(of("taskward-hyper", "=0.1.0"), [""; 0]);
        assert_eq!(of("taskward-core", "^0.1.0"), [""; 0]);
        for name in ["taskward-hyper", "taskward-client"] {
            let told = format!("taskward: its dependency on {name} is to be pinned with =");
            assert_eq!(of(name, "^0.1.0"), [told]);
        }
    }

    #[test]
    fn a_dependency_is_published_earlier_or_left_out() {
        let of = |name: &str, other, req, kind| {
            let dependencies = json!([dependency(other, req, kind)]);
            order_faults(&[package(name, json!({ "dependencies": dependencies }))])
        };
        let dev = Some("dev");
        assert_eq!(
            of("taskward-client", "taskward-sim", "^0.1.0", dev),
            [""; 0]
        );
        assert_eq!(of("taskward-client", "taskward-hyper", "*", dev), [""; 0]);
        assert_eq!(of("taskward-core", "taskward-core", "*", dev), [""; 0]);
        assert_eq!(
            of("taskward-client", "taskward-sim", "*", dev),
            [
                "taskward-client: its dependency taskward-sim is left out of the package, since it has no version"
            ]
        );
        assert_eq!(
            of("taskward-client", "taskward-hyper", "=0.1.0", dev),
            [
                "taskward-client: its dependency taskward-hyper is published later: it may have no version"
            ]
        );
        assert_eq!(
            of("taskward-client", "taskward-hyper", "=0.1.0", None),
            ["taskward-client: its dependency taskward-hyper is published later"]
        );
        assert_eq!(
            order_faults(&[package("taskward-more", json!({}))]),
            ["taskward-more has no place in the order of publication"]
        );
    }
}
