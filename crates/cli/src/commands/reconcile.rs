//! Reconciles a message that was sent to a task before and whose outcome is unknown: nothing else is sent until then.

use std::sync::Arc;

use taskward::core::sanitise::one_line;
use taskward::question::{Answered, QuestionId};
use taskward::{Event, Policy, Snapshot};

use crate::answers::{self, is_attended};
use crate::calls::Calls;
use crate::codes::Code;
use crate::command_line;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::follow::FollowSetup;
use crate::report::Reporter;
use crate::sent::StartKind;
use crate::task_ref::TaskRef;

/// That something was said to a task before, and may have arrived.
pub(super) struct EarlierWrite<'a, P: Calls> {
    pub(super) connection: &'a Connection<P>,
    pub(super) task: &'a TaskRef,
    /// The command that is to say something now.
    pub(super) command: &'static str,
    /// Whether that command answers a question.
    pub(super) answers: bool,
    pub(super) policy: Policy,
}

/// What became of it.
pub(super) struct Found {
    /// Never unknown, unless a person has decided to send something else anyway.
    pub(super) how: Answered,
    /// What it said.
    pub(super) said: String,
    /// The question that it answered.
    pub(super) question: Option<QuestionId>,
    /// The task as it is known now.
    pub(super) snapshot: Snapshot,
}

impl<P: Calls> EarlierWrite<'_, P> {
    /// Looks for what was said before.
    pub(super) async fn read(&self, kept: Snapshot, reporter: Arc<Reporter>) -> CliResult<Found> {
        let connection = self.connection;
        let said = kept.unconfirmed_write().unwrap_or_default().to_owned();
        connection
            .out
            .say("something was sent to this task from here before, and may have arrived: looking for it");
        reporter.looking_for(&said);
        let run = connection.take_up(kept).await?;
        let start_kind = StartKind::Message(self.task.clone());
        let watched = FollowSetup::new(run, start_kind, reporter, self.policy.clone());
        let mut followed = watched.begin(connection).await?;
        let (how, question) = loop {
            match followed.event().await? {
                Some(Event::Answered { how, question, .. }) => break (how, Some(question)),
                Some(Event::Sent { how, .. }) => break (how, None),
                Some(Event::Retrying {
                    attempt, failed, ..
                }) if attempt >= Policy::default().retry.reads => {
                    connection.out.still();
                    let why = failed.to_string();
                    return Err(followed.end().unread("the conversation", &why));
                }
                Some(_) => {}
                None => {
                    followed.cut_short().await?;
                    break (Answered::Unknown, None);
                }
            }
        };
        connection.out.still();
        let snapshot = followed.running.snapshot();
        if let Some(store) = &connection.store {
            // From now on it is known here what became of it.
            store.keep(&snapshot)?;
        }
        if !matches!(
            how,
            Answered::Applied | Answered::Gone(_) | Answered::Refused | Answered::NotSent
        ) {
            self.unknown(&said, question.as_ref()).await?;
        }
        Ok(Found {
            how,
            said,
            question,
            snapshot,
        })
    }

    /// Something else has arrived.
    pub(super) fn other(&self, said: &str) -> CliError {
        let what =
            "something else that was sent from here before has arrived; nothing was sent now";
        let see = self.connection.command(&P::conversation(self.task));
        CliError::new(Code::NotSent, what)
            .why(format!("It said: {}", one_line(said)))
            .next("see", see, "what the agent makes of it")
            .next("send", command_line::as_given(), "sends this, too")
            .task(self.task)
    }

    /// Nobody knows, so a person decides.
    async fn unknown(&self, said: &str, answered: Option<&QuestionId>) -> CliResult<()> {
        let what = "something that was sent from here before may or may not have arrived";
        let said = one_line(said);
        let question = format!("{what} ({said:?}); send this anyway?");
        if is_attended(&self.connection.cx.global)?
            && answers::sure(&self.connection.out, &question).await
        {
            return Ok(());
        }
        let anyhow = match answered {
            Some(question) if self.answers => {
                command_line::naming(self.command, question, &["--force-new"])
            }
            _ => command_line::with(self.command, "--force-new"),
        };
        let error = CliError::new(Code::OutcomeUnknown, what)
            .why(format!("It said: {said}"))
            .why("Nothing was sent now.");
        let error = self.connection.see_conversation(error, self.task);
        Err(error
            .next("or", anyhow, "sends this anyway")
            .task(self.task))
    }
}
