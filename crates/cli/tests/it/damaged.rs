//! A journal of which a part cannot be read.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use taskward_sim::{Fault, FaultRule};

use crate::common::World;
use crate::signals::{spawn, until};

const RUN: &[&str] = &["run", "--agent", "echo", "Say it once.", "--detach"];

/// The folder of the journal.
fn journal(world: &World) -> PathBuf {
    world.state.path().join("taskward/journal")
}

/// The files of the entries.
fn entries(world: &World) -> Vec<PathBuf> {
    let files = fs::read_dir(journal(world)).expect("a journal");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    paths
}

/// Makes a task whose start's reply is lost, and gives the file that knows of it.
fn lose(world: &World) -> PathBuf {
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
    world.sim.set_faults(vec![lost]);
    let ended = world.fast(RUN);
    world.sim.set_faults(Vec::new());
    assert_eq!(ended.code, 5, "{ended:?}");
    entries(world).pop().expect("it is kept")
}

#[test]
fn a_wait_for_another_process_that_holds_the_journal_is_told() {
    let world = World::new();
    world.start("echo");
    let path = journal(&world).join("lock");
    let lock = fs::File::options().write(true).open(&path);
    let lock = lock.expect("a file");
    lock.lock().expect("locked");
    for args in [&["ls", "--local"][..], RUN] {
        let mut child = spawn(world.command(args));
        let words = "waiting for another process that holds ";
        let (told, _rest) = until(child.stderr.take().expect("piped"), words);
        assert!(told.contains(path.to_str().expect("text")), "{told}");
        child.kill().expect("killed");
        child.wait().expect("ends");
    }
    drop(lock);
    let listed = world.run(&["ls", "--local"]);
    assert!(!listed.stderr.contains("waiting"), "{listed:?}");
}

#[test]
fn what_is_known_here_names_the_starts_that_cannot_be_read() {
    let world = World::new();
    let path = lose(&world);
    fs::write(&path, "").expect("a file");
    let name = path.file_stem().and_then(|name| name.to_str());
    let name = name.expect("a name");
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.stdout, format!("{name}\tunreadable\t\t\t\n"));
    assert!(!listed.stderr.contains("nothing was started"), "{listed:?}");
    let json = world.run(&["ls", "--local", "--json"]);
    let lines = json.lines();
    let [line] = lines.as_slice() else {
        panic!("{json:?}");
    };
    assert_eq!(
        (&line["intent_id"], &line["state"]),
        (&name.into(), &"unreadable".into())
    );
    let recover = world.run(&["recover", "--json"]);
    assert_eq!(recover.last()["intent_id"], name, "{recover:?}");
}

/// Rows: G12.
#[test]
fn a_start_that_cannot_be_read_any_more_may_have_been_the_same() {
    let empty = |path: &Path| fs::write(path, "").expect("a file");
    let folder = |path: &Path| {
        fs::remove_file(path).expect("a file");
        fs::create_dir(path).expect("a folder");
    };
    let flipped = |path: &Path| {
        let text = fs::read_to_string(path).expect("a file");
        fs::write(path, text.replace("\"v\":2", "\"v\":3")).expect("a file");
    };
    for spoil in [&empty as &dyn Fn(&Path), &folder, &flipped] {
        let world = World::new();
        let path = lose(&world);
        spoil(&path);
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("a name");
        let (file, forget) = (path.to_str().expect("text"), format!("{name} --forget"));
        let again = world.fast(RUN);
        assert_eq!(again.code, 5, "{again:?}");
        again.says(&[
            "it may be of the same start",
            file,
            &forget,
            "--force-new",
            "Nothing was sent now.",
        ]);
        for args in [&["recover"][..], &["recover", name]] {
            let recovered = world.fast(args);
            assert_eq!(recovered.code, 5, "{recovered:?}");
            recovered.says(&[file, &forget]);
            assert!(!recovered.stderr.contains("Nothing to recover"));
        }
        assert_eq!(world.sim.stats().starts, 1);
        let fresh = world.fast(&[RUN, &["--force-new"]].concat());
        assert_eq!(fresh.code, 0, "{fresh:?}");
        let forgotten = world.run(&["recover", name, "--forget"]);
        assert_eq!(forgotten.code, 0, "{forgotten:?}");
        assert!(!path.exists());
        world.run(&["recover"]).says(&["Nothing to recover"]);
        let more = world.fast(RUN);
        assert_eq!(more.code, 0, "{more:?}");
        assert_eq!(world.sim.stats().starts, 3);
    }
}

/// Rows: G11.
#[test]
fn what_cannot_be_read_of_a_task_that_is_known_is_told_and_stops_nothing() {
    let world = World::new();
    world.start("echo");
    let path = entries(&world).pop().expect("it is kept");
    let text = fs::read_to_string(&path).expect("a file") + "rubbish\n";
    fs::write(&path, &text).expect("a file");
    // Of a task that was only watched nothing can have been lost.
    fs::write(path.with_file_name("task-0123456789abcdef.jsonl"), "").expect("a file");
    for args in [&["ls", "--local"][..], &["recover"], RUN] {
        let ended = world.run(args);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.says(&["warning: part of the journal cannot be read"]);
    }
    assert_eq!(fs::read_to_string(&path).expect("a file"), text);
}

#[test]
fn a_journal_that_cannot_be_written_can_be_read_and_starts_nothing() {
    let world = World::new();
    let task = world.start("echo");
    let lock = journal(&world).join("lock");
    fs::remove_file(&lock).expect("it is there");
    fs::create_dir(&lock).expect("in its place");
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.stdout.contains(&task), "{listed:?}");
    world.run(&["recover"]).says(&["Nothing to recover"]);
    let refused = world.run(RUN);
    assert_eq!(refused.code, 1, "{refused:?}");
    refused.says(&["it was not sent", "journal/lock"]);
    assert_eq!(world.sim.stats().starts, 1);
}
