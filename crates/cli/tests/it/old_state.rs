//! A journal that the last program of version 1 wrote: entries of another form, which this one refuses in words and keeps.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::common::{Ended, World};

/// Two entries as that program wrote them, of tasks in a simulator.
const ENTRIES: [(&str, &[u8]); 2] = [
    (
        "416fb04734e2",
        include_bytes!("old_state/416fb04734e2.jsonl"),
    ),
    (
        "c073589b164c",
        include_bytes!("old_state/c073589b164c.jsonl"),
    ),
];

/// What is said of each: that it is older, and which program finishes it.
const OLDER: [&str; 2] = [
    "it was written by an earlier Taskward (version 1; this one reads 2)",
    "a program built from commit 81b1c04 finishes such tasks",
];

fn path(world: &World, name: &str) -> PathBuf {
    let journal = world.state.path().join("taskward/journal");
    journal.join(format!("{name}.jsonl"))
}

fn world() -> World {
    let world = World::new();
    let journal = path(&world, "a name");
    fs::create_dir_all(journal.parent().expect("a folder")).expect("a folder");
    let mut written = SystemTime::now();
    for (name, bytes) in ENTRIES {
        fs::write(path(&world, name), bytes).expect("written");
        let file = fs::File::options().append(true).open(path(&world, name));
        let file = file.expect("it was written");
        file.set_modified(written).expect("a time");
        // They are listed with the newest first.
        written -= Duration::from_secs(1);
    }
    world
}

/// Nothing of an entry is lost or overwritten.
fn kept(world: &World) {
    for (name, bytes) in ENTRIES {
        let now = fs::read(path(world, name)).expect("it is still there");
        assert_eq!(now, bytes, "{name}");
    }
}

fn check(world: &World, args: &[&str], code: i32) -> Ended {
    let ended = world.run(args);
    assert_eq!(ended.code, code, "{args:?}: {ended:?}");
    ended.says(&OLDER);
    let json = world.run(&[args, &["--json"]].concat());
    assert_eq!(json.code, code, "{args:?}: {json:?}");
    for words in OLDER {
        assert!(json.stdout.contains(words), "{words:?} in {json:?}");
    }
    kept(world);
    ended
}

/// Rows: G11.
#[test]
fn entries_of_an_earlier_taskward_are_refused_in_words_that_name_the_program_and_are_kept() {
    let world = world();
    let listed = check(&world, &["ls", "--local"], 0);
    let rows: Vec<&str> = listed.stdout.lines().map(str::trim_end).collect();
    assert_eq!(
        rows,
        ["416fb04734e2\tunreadable", "c073589b164c\tunreadable"]
    );
    check(&world, &["recover"], 5);
    check(&world, &["recover", "416fb"], 5);
    check(&world, &["watch", "--last"], 1);
    // A start may be the same as one of those: it is not sent until somebody says so.
    let run = ["run", "--agent", "echo", "hello", "--detach"];
    check(&world, &run, 5).says(&["Nothing was sent now.", "--force-new"]);
    assert_eq!(world.sim.stats().endpoints.get("run"), None);
    let forced = world.run(&[&run[..], &["--force-new"]].concat());
    assert_eq!(forced.code, 0, "{forced:?}");
    kept(&world);
    // A task of this version beside them is followed.
    let watched = world.fast(&["watch", "--last"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    kept(&world);
}
