//! Every file of the corpora, every input that once crashed, and some thousand mutations of them, through the bodies of
//! the fuzz targets.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use taskward_fuzzing::{TARGETS, Target, task};

/// Mutations tried of each target.
const MUTATIONS: usize = 1000;
/// No mutation is longer.
const LONGEST: usize = 4096;
/// What all the formats are made of.
const WORDS: [&[u8]; 24] = [
    b"\n\n",
    b"\r\n",
    b"data: ",
    b"id: ",
    b"event: ",
    b"retry: ",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"\"",
    b"\\u",
    b"\\",
    b"{",
    b"}",
    b"null",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"\x1b[",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"%2F",
    b"..",
    b"@",
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Returns the files of a folder with their names, in order; none when there is no such folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    paths.sort();
    let named = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file can be read");
        (path.display().to_string(), bytes)
    };
    paths.into_iter().map(named).collect()
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = files(&fuzz().join("corpus").join(target));
    assert!(!files.is_empty(), "{target} has no corpus");
    files
}

/// Runs a body; a panic names the input.
fn run(target: &Target, name: &str, input: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.body)(input)));
    let shown = input.escape_ascii();
    assert!(ran.is_ok(), "{} fails on {name}: b\"{shown}\"", target.name);
}

#[test]
fn every_input_of_the_corpora_and_every_one_that_failed_before_passes() {
    for target in TARGETS {
        let before = files(&fuzz().join("regressions").join(target.name));
        for (name, input) in corpus(target.name).into_iter().chain(before) {
            run(target, &name, &input);
        }
    }
}

#[test]
fn mutations_of_the_corpora_pass() {
    for target in TARGETS {
        let corpus = corpus(target.name);
        let mut random = fastrand::Rng::with_seed(0x5eed);
        for _ in 0..MUTATIONS {
            let (name, input) = &corpus[random.usize(..corpus.len())];
            let (_, other) = &corpus[random.usize(..corpus.len())];
            let mut input = input.clone();
            for _ in 0..random.usize(1..5) {
                mutate(&mut input, other, &mut random);
            }
            input.truncate(LONGEST);
            run(target, &format!("a mutation of {name}"), &input);
        }
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    match random.u8(..6) {
        0 if at < input.len() => input[at] = random.u8(..),
        1 => input.insert(at, random.u8(..)),
        2 => input.truncate(at),
        3 => drop(input.drain(at..(at + random.usize(1..9)).min(input.len()))),
        4 => {
            let word = WORDS[random.usize(..WORDS.len())];
            input.splice(at..at, word.iter().copied());
        }
        _ => {
            let from = random.usize(..=other.len());
            input.splice(at.., other[from..].iter().copied());
        }
    }
}

#[test]
fn the_corpora_of_the_machine_reach_every_end_of_a_task() {
    let anywhere = [
        "access_lost",
        "deadline",
        "gone",
        "not_started",
        "outcome_unknown",
        "refused",
        "succeeded",
        "task_failed",
        "task_stopped",
    ];
    // Where the read that says that a task completed brings its answer, that cannot be missing.
    for (provider, also) in [
        ("a2a", &["answered", "result_unavailable"][..]),
        ("nanonets", &["result_unavailable"]),
        ("agent-harness", &[]),
    ] {
        let corpus = corpus(&format!("task_{}", provider.replace('-', "_")));
        let ends = |(_, input): &(String, Vec<u8>)| task::ends_of(provider, input);
        let ends: BTreeSet<_> = corpus.iter().flat_map(ends).collect();
        let expected = anywhere.iter().chain(also).copied().collect();
        assert_eq!(ends, expected, "{provider}");
    }
}

#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let programs = files(&fuzz().join("fuzz_targets"))
        .into_iter()
        .map(|(path, text)| {
            let name = Path::new(&path)
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let text = String::from_utf8(text).unwrap();
            let body = match name.split_once('_') {
                Some(("task", provider)) => format!("task::{provider}(data)"),
                _ => format!("{name}::target(data)"),
            };
            assert!(
                text.contains(&format!("taskward_fuzzing::{body}")),
                "{path}: {text}"
            );
            name
        });
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(programs.collect::<BTreeSet<_>>(), names);
}
