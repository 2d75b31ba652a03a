//! The manual pages.

use crate::common::{bare, end};

#[test]
fn there_is_a_page_for_each_command_and_it_says_what_help_says() {
    let folder = tempfile::tempdir().expect("a folder");
    // The folder is made, and the pages of an earlier version are written over.
    let to = folder.path().join("man/man1");
    for _ in 0..2 {
        let ended = end(bare(&["man", to.to_str().expect("text")]), "");
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    }
    let page = |name: &str| std::fs::read_to_string(to.join(name)).expect(name);
    let whole = page("taskward.1");
    let help = end(bare(&["--help"]), "").stdout;
    let commands = help.split_once("Commands:\n").expect("commands").1;
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = names
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // A hyphen is written with a backslash, so that it can be searched for.
        let written = format!("taskward\\-{}(1)", name.replace('-', "\\-"));
        assert!(whole.contains(&written), "{name}");
        assert!(
            page(&format!("taskward-{name}.1")).contains(".SH SYNOPSIS"),
            "{name}"
        );
    }
    assert!(page("taskward-run.1").contains("idempotency\\-key"));
    assert!(page("taskward-agents-list.1").contains(".TH"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let ended = end(bare(&["man", "/dev/null/man1"]), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
    ended.says(&["cannot write the manual pages into /dev/null/man1"]);
}
