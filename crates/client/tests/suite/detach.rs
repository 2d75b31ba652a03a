//! Events that were reported before an orderly stop are not reported again after a resume. With `--nocapture` each test prints its
//! numbers.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use taskward_core::{Answer, EventId, NumberedEvent, Outcome, QuestionKind, RunResult, Snapshot};
use taskward_providers::agent_harness::{AgentHarness, Job};

use super::follow::Result;
use super::harness::{LATE, job, setup};
use crate::adapter::{BoxError, Client, Recovery, block_on, follow, handler};

type Log = Arc<Mutex<Vec<NumberedEvent>>>;

/// Events reported before the stop.
const SIXTEEN: usize = 16;

/// The newest state, and the reported events.
#[derive(Clone, Default)]
struct Seen {
    saved: Arc<Mutex<Option<Snapshot>>>,
    reported: Log,
}

impl Seen {
    fn keep(&self) -> impl FnMut(&Snapshot) -> std::result::Result<(), BoxError> + Send + 'static {
        let saved = self.saved.clone();
        move |snapshot| {
            *saved.lock().expect("saved") = Some(snapshot.clone());
            Ok(())
        }
    }

    fn hear(&self) -> impl FnMut(&NumberedEvent) + Send + 'static {
        let reported = self.reported.clone();
        move |event| reported.lock().expect("reported").push(event.clone())
    }

    fn snapshot(&self) -> Snapshot {
        let saved = self.saved.lock().expect("saved").clone();
        saved.expect("something was stored")
    }

    fn ids(&self) -> Vec<EventId> {
        let reported = self.reported.lock().expect("reported");
        reported.iter().map(|reported| reported.id).collect()
    }

    fn streamed(&self) -> usize {
        let of_stream = |id: &EventId| matches!(id, EventId::Stream(_));
        self.ids().into_iter().filter(of_stream).count()
    }
}

/// Returns a run with a message each second, for a minute.
fn talker() -> Job {
    job("long-stream")
        .with_input("events", 60)
        .with_input("interval_ms", 1_000)
}

/// Resumes what was stored and follows it to the end; returns how many events were reported twice.
fn told_twice(client: &Client<AgentHarness>, before: &Seen, how: &str) -> Result<usize> {
    let after = Seen::default();
    let recovered = block_on(client.recover(before.snapshot()))?;
    let Recovery::Follow(run) = recovered else {
        panic!("its id is known");
    };
    let run = run
        .on_save(after.keep())
        .on_event(after.hear())
        .on_question(handler(|question| {
            Ok(match question.kind {
                QuestionKind::Approval => Answer::Approve,
                _ => Answer::Input(serde_json::Map::new()),
            })
        }));
    follow(run)?.into_answer()?;
    let (reported, again) = (before.ids(), after.ids());
    let twice = again.iter().filter(|id| reported.contains(id)).count();
    println!(
        "{}: {} events told, {} of the stream; then {}; told twice: {twice}",
        how,
        reported.len(),
        before.streamed(),
        again.len(),
    );
    for event in after.reported.lock().expect("reported").iter() {
        let mut reported = before.reported.lock().expect("reported");
        let same = reported.iter_mut().find(|one| one.id == event.id);
        assert!(
            same.is_none_or(|same| same.event == event.event),
            "{event:?}"
        );
    }
    Ok(twice)
}

/// Rows: M12.
#[test]
fn after_an_interrupt_behind_sixteen_events_nothing_is_told_twice() -> Result {
    let (_sim, client) = setup(Vec::new(), LATE)?;
    let seen = Seen::default();
    let (hear, count) = (Mutex::new(seen.hear()), seen.clone());
    let (enough, reached) = mpsc::channel();
    let run = client
        .run(talker())
        .on_save(seen.keep())
        .on_event(move |event| {
            hear.lock().expect("hear")(event);
            if count.streamed() == SIXTEEN {
                let _ = enough.send(());
            }
        });
    let mut running = block_on(run.start())?;
    let handle = running.handle();
    let other = std::thread::spawn(move || {
        reached.recv().expect("it says much");
        block_on(handle.interrupt())
    });
    let end = block_on(running.wait())?;
    other.join().expect("no panic")?;
    assert!(matches!(end, RunResult::Detached(_)), "{end:?}");
    drop(running);
    assert!(seen.streamed() >= SIXTEEN);
    assert_eq!(told_twice(&client, &seen, "interrupt")?, 0);
    Ok(())
}

/// Rows: M12.
#[test]
fn after_a_deadline_nothing_is_told_twice() -> Result {
    let (_sim, client) = setup(Vec::new(), LATE)?;
    let seen = Seen::default();
    let run = client.run(talker()).deadline(Duration::from_secs(20));
    let end = follow(run.on_save(seen.keep()).on_event(seen.hear()))?;
    assert!(
        matches!(end.outcome(), Some(Outcome::DeadlineExceeded { .. })),
        "{end:?}"
    );
    assert_eq!(told_twice(&client, &seen, "deadline")?, 0);
    Ok(())
}

/// Rows: M12.
#[test]
fn after_a_question_that_nobody_answers_only_the_question_is_told_twice() -> Result {
    let (_sim, client) = setup(Vec::new(), LATE)?;
    let seen = Seen::default();
    let run = client.run(job("two-waits"));
    let end = follow(run.on_save(seen.keep()).on_event(seen.hear()))?;
    assert!(matches!(end, RunResult::Detached(_)), "{end:?}");
    assert_eq!(told_twice(&client, &seen, "question")?, 1);
    Ok(())
}
