//! The programs in Rust that the pages show: each is compiled as a program of a package of its own.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::fences::Page;
use crate::{cargo, repo};

/// What the programs of the pages use.
const MANIFEST: &str = r#"[package]
name = "docs-check"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
futures-util = "*"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
taskward = { path = "ROOT/crates/taskward", features = ["sqlite"] }
taskward-sim = { path = "ROOT/crates/sim", features = ["http"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
"#;

/// Compiles all programs, those without a `main` as libraries; returns how many there are.
pub(super) fn check<'a>(pages: impl Iterator<Item = &'a Page>, scratch: &Path) -> Result<usize> {
    let package = scratch.join("programs");
    let folder = package.join("examples");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let root = repo::root();
    let mut count = 0;
    for page in pages {
        let name = page.name.replace(['/', '.', '-'], "_").to_lowercase();
        for fence in page.fences.iter().filter(|fence| fence.is_rust()) {
            count += 1;
            let main = match fence.text.contains("fn main(") {
                true => "",
                false => "\nfn main() {}\n",
            };
            // An example shows a part of a program.
            let text = format!("#![allow(dead_code)]\n{}{main}", fence.text);
            fs::write(folder.join(format!("{name}_{count}.rs")), text)?;
        }
    }
    if count == 0 {
        return Ok(0);
    }
    fs::create_dir_all(package.join("src"))?;
    fs::write(package.join("src/lib.rs"), "")?;
    let manifest = MANIFEST.replace("ROOT", &root.display().to_string());
    fs::write(package.join("Cargo.toml"), manifest)?;
    // The versions are those of the workspace.
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"))?;
    let check = ["check", "--quiet", "--examples", "--offline"];
    cargo::run(
        cargo::cargo(&check)
            .current_dir(&package)
            .env("CARGO_TARGET_DIR", cargo::target()),
    )?;
    Ok(count)
}
