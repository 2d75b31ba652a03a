//! A journal of which a part cannot be read.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;

use taskward_sim::{Fault, FaultRule};

use crate::common::World;
use crate::signals::{spawn, until};

const RUN: &[&str] = &["run", "--agent", "echo", "Say it once.", "--detach"];

/// The file of the journal.
fn journal(world: &World) -> PathBuf {
    world.state.path().join("taskward/journal/tasks.sqlite")
}

/// The journal, to be spoiled.
fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(journal(world)).expect("a database")
}

/// Makes a task whose start's reply is lost, and gives the name of the start.
fn lose(world: &World) -> String {
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
    world.sim.set_faults(vec![lost]);
    let ended = world.fast(RUN);
    world.sim.set_faults(Vec::new());
    assert_eq!(ended.code, 5, "{ended:?}");
    let named = database(world).query_row("SELECT id FROM tasks", [], |row| row.get(0));
    named.expect("it is kept")
}

fn spoil(world: &World, change: &str) {
    database(world)
        .execute(&format!("UPDATE tasks SET snapshot = {change}"), [])
        .expect("spoiled");
}

#[test]
fn a_wait_for_another_process_that_writes_to_the_journal_is_told_and_readers_wait_for_nobody() {
    let world = World::new();
    world.start("echo");
    let database = database(&world);
    database.execute_batch("BEGIN IMMEDIATE").expect("held");
    let mut child = spawn(world.command(RUN));
    let words = "waiting for another process that writes to ";
    let (told, _rest) = until(child.stderr.take().expect("piped"), words);
    let path = journal(&world);
    assert!(told.contains(path.to_str().expect("text")), "{told}");
    child.kill().expect("killed");
    child.wait().expect("ends");
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.stderr, "", "{listed:?}");
    database.execute_batch("ROLLBACK").expect("free");
}

#[test]
fn what_is_known_here_names_the_starts_that_cannot_be_read() {
    let world = World::new();
    let name = lose(&world);
    spoil(&world, "''");
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.stdout, format!("{name}\tunreadable\t\t\t\n"));
    assert!(!listed.stderr.contains("nothing was started"), "{listed:?}");
    assert_eq!(
        listed.stderr.matches("cannot be read").count(),
        1,
        "{listed:?}"
    );
    let json = world.run(&["ls", "--local", "--json"]);
    let lines = json.lines();
    let [line] = lines.as_slice() else {
        panic!("{json:?}");
    };
    assert_eq!(
        (&line["intent_id"], &line["state"]),
        (&name.as_str().into(), &"unreadable".into())
    );
    let recover = world.run(&["recover", "--json"]);
    assert_eq!(recover.last()["intent_id"], name, "{recover:?}");
}

/// Rows: G12.
#[test]
fn a_start_that_cannot_be_read_any_more_may_have_been_the_same() {
    let newer = "replace(snapshot, '\"v\":2', '\"v\":3')";
    for change in ["''", "'no json'", newer] {
        let world = World::new();
        let name = lose(&world);
        spoil(&world, change);
        let path = journal(&world);
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
        for args in [&["recover"][..], &["recover", &name]] {
            let recovered = world.fast(args);
            assert_eq!(recovered.code, 5, "{recovered:?}");
            recovered.says(&[file, &forget]);
            assert!(!recovered.stderr.contains("Nothing to recover"));
        }
        assert_eq!(world.sim.stats().starts, 1);
        let fresh = world.fast(&[RUN, &["--force-new"]].concat());
        assert_eq!(fresh.code, 0, "{fresh:?}");
        let forgotten = world.run(&["recover", &name, "--forget"]);
        assert_eq!(forgotten.code, 0, "{forgotten:?}");
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
    spoil(&world, "'rubbish'");
    let listed = world.run(&["ls", "--local"]);
    listed.says(&["warning: part of the journal cannot be read"]);
    for args in [&["ls", "--local"][..], &["recover"], RUN] {
        let ended = world.run(args);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let query = "SELECT count(*) FROM tasks WHERE snapshot = 'rubbish'";
    let left = database(&world).query_row(query, [], |row| row.get(0));
    assert_eq!(left, Ok(1));
}

#[test]
fn a_journal_that_cannot_be_written_can_be_read_and_starts_nothing() {
    let world = World::new();
    let task = world.start("echo");
    let full = "CREATE TRIGGER full BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'full'); END";
    database(&world).execute_batch(full).expect("in the way");
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.stdout.contains(&task), "{listed:?}");
    world.run(&["recover"]).says(&["Nothing to recover"]);
    let refused = world.run(RUN);
    assert_eq!(refused.code, 1, "{refused:?}");
    refused.says(&["it was not sent", "journal/tasks.sqlite"]);
    assert_eq!(world.sim.stats().starts, 1);
}

/// Rows: G11.
#[test]
fn a_journal_that_is_no_database_stops_a_start_and_is_left_as_it_is() {
    let world = World::new();
    world.start("echo");
    let path = journal(&world);
    for side in ["-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(side);
        let _ = fs::remove_file(name);
    }
    let rubbish = "a long text that is no database at all ".repeat(100);
    fs::write(&path, &rubbish).expect("a file");
    let refused = world.run(RUN);
    assert_eq!(refused.code, 1, "{refused:?}");
    refused.says(&[
        "it was not sent",
        "journal/tasks.sqlite",
        "not a database",
        "--no-journal",
    ]);
    let listed = world.run(&["ls", "--local"]);
    assert_eq!(listed.code, 1, "{listed:?}");
    listed.says(&["the journal cannot be used", "not a database"]);
    assert_eq!(fs::read_to_string(&path).expect("a file"), rubbish);
    assert_eq!(world.sim.stats().starts, 1);
}
