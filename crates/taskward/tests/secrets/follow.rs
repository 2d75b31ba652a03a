//! Follows a task with both adapters and collects everything that is reported on the way.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskward::agent_harness::Piece;
use taskward::core::{Credential, SecretString};
use taskward::question::QuestionKind;
use taskward::{Answer, Error, Provider};

pub(crate) const SPEED: u32 = 1000;

/// What was said, by where it was said.
#[derive(Clone, Default)]
pub(crate) struct Said(pub(crate) Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Said {
    pub(crate) fn append(&self, channel: &'static str, text: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(channel).or_default().push_str(text);
    }

    pub(crate) fn say(&self, channel: &'static str, text: &str) {
        self.append(channel, &format!("{text}\n"));
    }

    pub(crate) fn show(&self, channel: &'static str, value: &impl Debug) {
        self.say(channel, &format!("{value:?} {value:#?}"));
    }

    /// An error in every way in which one can be printed.
    pub(crate) fn error(&self, error: &Error) {
        self.show("error", error);
        self.say("error", &error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            self.say("error", &format!("{error} {error:?}"));
            source = error.source();
        }
        self.show(
            "error",
            &(error.api_error(), error.wire_failure(), error.request_id()),
        );
    }
}

/// What a client shows to be allowed.
pub(crate) enum Access {
    Key(SecretString),
    Other(Credential),
}

/// What is done with a task.
pub(crate) enum Goal<P: Provider> {
    Start(P::Job),
    Attach(&'static str),
}

/// Shows everything on the way from the settings of a client to the end of a task.
macro_rules! watched {
    ($said:ident, $builder:expr, $account:expr, $goal:expr, $handler:expr, |$run:ident| $wait:expr) => {{
        let (url, access): (&str, &Access) = $account;
        let builder = $builder.base_url(url).speed(SPEED);
        let builder = match access {
            Access::Key(key) => builder.api_key(key.clone()),
            Access::Other(credential) => builder.credential(credential.clone()),
        };
        $said.show("builder", &builder);
        let client = builder.build().expect("settings");
        $said.show("client", &client);
        let run = match $goal {
            Goal::Start(job) => client.run(job),
            Goal::Attach(id) => client.attach(id),
        };
        let (events, snapshots) = ($said.clone(), $said.clone());
        let $run = run
            .deadline(Duration::from_secs(3600))
            .on_question($handler)
            .on_event(move |event| {
                events.show("event", event);
                if let taskward::Event::Provider(raw) = &event.event
                    && let Some(Piece::Said(text)) = Piece::of(raw)
                {
                    events.append("said", &text);
                }
            })
            .on_save(move |snapshot| {
                snapshots.say("snapshot", &serde_json::to_string(snapshot)?);
                snapshots.show("snapshot", snapshot);
                Ok(())
            });
        $said.show("run", &$run);
        match $wait {
            Ok(end) => {
                $said.show("end", &end);
                if let Err(error) = end.into_answer() {
                    $said.error(&error);
                }
            }
            Err(error) => $said.error(&error),
        }
    }};
}

/// Returns what each question is answered with.
fn reply(kind: &QuestionKind) -> Answer {
    match kind {
        QuestionKind::Approval => Answer::Approve,
        QuestionKind::Data => Answer::Input(serde_json::Map::new()),
        _ => Answer::text("EUR"),
    }
}

/// Follows it with both adapters.
pub(crate) fn both<P: Provider>(said: &Said, account: (&str, &Access), goal: impl Fn() -> Goal<P>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let answer = |question: taskward::Question| async move { Ok(reply(&question.kind)) };
        watched!(
            said,
            taskward::Client::<P>::builder(),
            account,
            goal(),
            answer,
            |run| run.await
        );
    });
    let answer = |question: taskward::Question| Ok(reply(&question.kind));
    watched!(
        said,
        taskward::blocking::Client::<P>::builder(),
        account,
        goal(),
        answer,
        |run| run.wait()
    );
}
