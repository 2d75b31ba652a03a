//! What a program takes that embeds the façade (P10): crates, and the size of a small program over TLS.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::row::Row;
use crate::{cargo, repo};

/// A flavour: its features, its targets, and its program.
struct Flavour {
    name: &'static str,
    features: &'static str,
    crates: f64,
    mebibytes: f64,
    /// What its program needs besides.
    needs: &'static str,
    program: &'static str,
}

const FLAVOURS: [Flavour; 2] = [
    Flavour {
        name: "blocking",
        features: "blocking,ring,webpki-roots",
        crates: 50.0,
        mebibytes: 2.9,
        needs: "",
        program: "fn main() {\n    let client = taskward::blocking::Client::<taskward::nanonets::Nanonets>::builder()\n        \
                  .api_key(std::env::args().nth(1).unwrap_or_default().into())\n        .build().expect(\"a client\");\n    \
                  println!(\"{:?}\", client.attach(\"task\").wait());\n}\n",
    },
    Flavour {
        name: "async",
        features: "async,ring,webpki-roots",
        crates: 64.0,
        mebibytes: 3.1,
        needs: "tokio = { version = \"1\", features = [\"rt\", \"net\", \"time\"] }\n",
        program: "fn main() {\n    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect(\"a runtime\");\n    \
                  runtime.block_on(async {\n        let client = taskward::Client::<taskward::nanonets::Nanonets>::builder()\n            \
                  .api_key(std::env::args().nth(1).unwrap_or_default().into())\n            .build().expect(\"a client\");\n        \
                  println!(\"{:?}\", client.attach(\"task\").await);\n    });\n}\n",
    },
];

/// Counts the crates of each flavour, and builds its program.
pub(super) fn measure() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for flavour in &FLAVOURS {
        let name = flavour.name;
        let args = ["--no-default-features", "--features", flavour.features];
        let tree = cargo::tree(repo::root(), "taskward", "normal", &args)?;
        let mut crates: Vec<&str> = tree
            .lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .collect();
        crates.sort_unstable();
        crates.dedup();
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let crates = crates.len() as f64;
        let row = Row::new("P10", &format!("{name}: crates"), crates, "crates");
        let bare = if name == "async" {
            ("hyper stack", 48.0, 2.4)
        } else {
            ("ureq", 33.0, 2.4)
        };
        rows.push(row.peer(bare.0, bare.1).at_most(flavour.crates));
        let folder = tempfile::tempdir()?;
        let bytes = build(flavour, folder.path())?;
        let row = Row::new(
            "P10",
            &format!("{name}: program over TLS"),
            bytes / f64::from(1 << 20),
            "MiB",
        );
        rows.push(row.peer(bare.0, bare.2).at_most(flavour.mebibytes));
    }
    Ok(rows)
}

/// Builds the program of a flavour, stripped; returns its size in bytes.
fn build(flavour: &Flavour, folder: &Path) -> Result<f64> {
    let facade = repo::root().join("crates/taskward");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"small\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\ntaskward = {{ path = {facade:?}, default-features = false, features = [{}] }}\n\
         {}[profile.release]\nlto = \"thin\"\ncodegen-units = 1\nstrip = true\n",
        flavour
            .features
            .split(',')
            .map(|feature| format!("{feature:?}"))
            .collect::<Vec<_>>()
            .join(", "),
        flavour.needs,
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::create_dir(folder.join("src"))?;
    fs::write(folder.join("src/main.rs"), flavour.program)?;
    fs::copy(repo::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let target = folder.join("target");
    cargo::run(
        cargo::cargo(&["build", "--release", "--quiet"])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", &target),
    )?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let bytes = fs::metadata(target.join("release/small"))?.len() as f64;
    Ok(bytes)
}
