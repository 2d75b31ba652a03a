//! The scripts with which shells complete the command line.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::{bare, end};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// Returns the script of this shell, printed where nothing is set and nothing can be stored.
fn script(shell: &str) -> String {
    let ended = end(bare(&["completion", shell]), "");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    ended.stdout
}

/// Returns the words that this command of the program offers, as its help page lists them.
fn listed(page: &[&str], section: &str) -> BTreeSet<String> {
    let help = end(bare(&[&["help"], page].concat()), "").stdout;
    let section = help.split_once(section).expect("a section").1;
    let lines = section.lines().skip(1).take_while(|line| !line.is_empty());
    let first = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let words = first.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn the_script_of_each_shell_names_every_command() {
    let commands = listed(&[], "Commands:");
    assert!(commands.len() > 20, "{commands:?}");
    for shell in SHELLS {
        let script = script(shell);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(script.contains("cancel-on-timeout"), "{shell}");
    }
}

/// The golden file has a line for each command and option, without its description: as in the script of fish, which has
/// one, too.
#[test]
fn what_is_completed_stands_in_a_golden_file() {
    let script = script("fish");
    let lines = script.lines();
    let lines =
        lines.filter_map(|line| line.strip_prefix("complete -c taskward -n \"__fish_taskward_"));
    let offered = lines.map(|line| line.split(" -d '").next().unwrap_or(line));
    let text: String = offered
        .map(|line| format!("{}\n", line.replace("using_subcommand ", "")))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/completion.txt");
    if std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden file");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    for (now, then) in text.lines().zip(golden.lines()) {
        assert_eq!(now, then, "TASKWARD_REWRITE_GOLDEN=1 rewrites the file");
    }
    assert_eq!(text.len(), golden.len(), "a line more or less");
}

#[test]
fn a_shell_reads_its_script() {
    let folder = tempfile::tempdir().expect("a folder");
    for (shell, reads) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let file = folder.path().join(shell);
        std::fs::write(&file, script(shell)).expect("written");
        // Not every shell is everywhere.
        if let Ok(output) = Command::new(shell).arg(reads).arg(&file).output() {
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[test]
fn a_shell_that_is_not_known_is_refused_with_those_that_are() {
    let ended = end(bare(&["completion", "tcsh"]), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
    ended.says(&SHELLS);
}
