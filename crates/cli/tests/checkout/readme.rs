//! The commands of the README, as they stand there.
#![cfg(unix)]

use std::process::Command;

use taskward_sim::{Scenario, Sim};

use crate::common::{SPEED, World};

const README: &str = include_str!("../../../../README.md");

const SCENARIO: &str = include_str!("../scenarios/readme.toml");

/// The lines in the fence behind a mark.
fn fenced(mark: &str) -> impl Iterator<Item = &'static str> {
    let behind = README.split_once(mark).expect("the mark").1;
    let fence = behind.split_once("```sh\n").expect("a fence").1;
    let lines = fence.split_once("```").expect("its end").0.lines();
    lines.filter(|line| !line.trim().is_empty())
}

#[test]
fn the_sequence_of_commands_runs_as_it_stands() {
    let scenario = Scenario::parse(SCENARIO).expect("a scenario");
    let world = World::of(Sim::builder().scenario(scenario), SPEED);
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.pdf", "b.pdf"] {
        std::fs::write(folder.path().join(name), "%PDF-1.7").expect("written");
    }
    let codes = [0, 0, 8, 0, 0, 0, 0, 8, 0, 0, 0];
    let lines: Vec<&str> = fenced("<!-- command: sequence -->").collect();
    assert_eq!(lines.len(), codes.len());
    // As fast as the simulator, and where there is no jq; each line is followed by its exit code.
    let mut script = format!(
        "taskward() {{ command taskward \"$@\" --speed {SPEED}; }}\n\
         jq() {{ sed -n 's/.*\"question_id\":\"\\([^\"]*\\)\".*/\\1/p'; }}\n"
    );
    for line in &lines {
        script += &format!("{line}\necho \"[$?]\"\n");
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(&folder);
    for (name, value) in world.command(&[]).get_envs() {
        shell.env(name, value.expect("set"));
    }
    let ended = world.ended(shell, "");
    let found: Vec<i32> = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .collect();
    assert_eq!(found, codes, "{ended:?}");
    let answers: Vec<u64> = world
        .sim
        .stats()
        .questions
        .iter()
        .map(|one| one.answers)
        .collect();
    let applied: Vec<u64> = world
        .sim
        .harness_stats()
        .waits
        .iter()
        .map(|one| one.applied)
        .collect();
    assert_eq!((answers, applied), (vec![1], vec![0, 1]), "{ended:?}");
}
