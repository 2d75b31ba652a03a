//! What a run reports of its decisions through `tracing`.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use taskward_core::Answer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use super::follow::{Result, answers, job, setup};
use crate::adapter::{follow, handler};

/// Writes every span and every event into one log.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
    /// Takes nothing below info level, and so no span.
    brief: bool,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string");
    }
}

impl Log {
    fn write(&self, what: &str, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(what.to_owned());
        record(&mut fields);
        self.lines.lock().expect("log").push(fields.0);
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("taskward")
            && (!self.brief || *metadata.level() <= Level::INFO)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{id} {}", span.metadata().name());
        self.write(&name, |fields| span.record(fields));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let name = format!("{} +", span.into_u64());
        self.write(&name, |fields| values.record(fields));
    }

    fn event(&self, event: &Event<'_>) {
        self.write(&format!("event {}", event.metadata().level()), |fields| {
            event.record(fields)
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_run_tells_its_decisions_with_their_reasons_and_nothing_that_was_said() -> Result {
    let (sim, client) = setup()?;
    let log = Log::default();
    // While there is but one, a callsite that another test's thread comes upon first is switched off for all.
    let _second = Dispatch::new(Log::default());
    let end = tracing::subscriber::with_default(log.clone(), || {
        follow(
            client
                .run(job(&sim, "asker"))
                .on_question(handler(|_| Ok(Answer::text("EUR-canary")))),
        )
    })?;
    let id = end.outcome().and_then(taskward_core::Outcome::task);
    let id = id.ok_or("no task")?.to_string();
    assert_eq!(answers(&sim), [1]);
    let lines = log.lines.lock().expect("log").clone();
    let has = |words: &[&str]| {
        let found = lines
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "nothing of {words:?} in {lines:#?}");
    };
    has(&[" watch ", "provider=\"nanonets\""]);
    has(&[" + intent="]);
    has(&[" + task=", &id]);
    for purpose in [
        "\"start the task\"",
        "poll the status",
        "read the questions",
        "check that the question is still open",
        "send the answer",
        "read the result",
    ] {
        has(&[" request ", purpose]);
    }
    has(&[" pause ", "next poll", "ms="]);
    has(&["event", "started"]);
    has(&["event", "ended", "succeeded"]);
    // Every request logs how it was answered, and no log has the words of anybody.
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count(" request "), count(" + status="));
    assert_eq!(count(" request "), count("exchange"));
    let key = sim.nanonets().api_key;
    for secret in [key.as_str(), "EUR-canary", "Convert 10 dollars", "currency"] {
        assert_eq!(count(secret), 0, "{secret} is in {lines:#?}");
    }
    Ok(())
}

/// Returns what is logged at info level and above of one task of this agent, with `ID` for its id and without its intent.
fn logged(agent: &str) -> Result<Vec<String>> {
    let (sim, client) = setup()?;
    let log = Log {
        brief: true,
        ..Log::default()
    };
    // As above: no callsite is switched off by another test's thread.
    let _second = Dispatch::new(Log::default());
    let end = tracing::subscriber::with_default(log.clone(), || {
        follow(
            client
                .run(job(&sim, agent))
                .on_question(handler(|_| Ok(Answer::text("EUR-canary")))),
        )
    })?;
    let id = end.outcome().and_then(taskward_core::Outcome::task);
    let id = id.ok_or("no task")?.to_string();
    let lines = log.lines.lock().expect("log").clone();
    let short = |line: &String| {
        let line = line.replace(&id, "ID");
        line.split_once(" intent=")
            .map_or_else(|| line.clone(), |(line, _)| line.to_owned())
    };
    Ok(lines.iter().map(short).collect())
}

#[test]
fn an_end_is_logged_without_spans_as_information_or_as_a_warning() -> Result {
    assert_eq!(
        logged("asker")?,
        ["event INFO message=ended end=\"succeeded\" task=ID"]
    );
    assert_eq!(
        logged("failing")?,
        ["event WARN message=ended end=\"task_failed\" task=ID"]
    );
    Ok(())
}
