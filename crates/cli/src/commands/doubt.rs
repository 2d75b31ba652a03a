//! What became of something that was said to a task before, whose fate nobody saw: nothing else is said until then.

use std::sync::Arc;

use taskward::nanonets::Nanonets;
use taskward::{Answered, Event, Policy, Snapshot};

use crate::answers::is_attended;
use crate::args::Global;
use crate::command_line;
use crate::confirm;
use crate::ends::{self, Began};
use crate::exit::Exit;
use crate::follow::Watched;
use crate::platform::Platform as _;
use crate::problem::Problem;
use crate::report::Reporter;
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// What is to be said to a task.
pub(super) struct Errand<'a> {
    pub(super) session: &'a Session<Nanonets>,
    pub(super) task: &'a TaskRef,
    pub(super) text: &'a str,
    pub(super) policy: Policy,
}

impl Errand<'_> {
    /// Looks for what was said before. Gives the task as it is known then when that has arrived and was the same, and
    /// nothing when the new message is to be sent.
    pub(super) async fn look(
        self,
        kept: Snapshot,
        global: &Global,
        reporter: Arc<Reporter>,
    ) -> Result<Option<Snapshot>, Box<Problem>> {
        let session = self.session;
        let said = kept.in_doubt().unwrap_or_default().to_owned();
        session
            .out
            .say("something was sent to this task from here before, and may have arrived: looking for it");
        reporter.looking_for(&said);
        let run = session.take_up(kept).await?;
        let began = Began::Message(self.task.clone());
        let watched = Watched::new(run, began, reporter, self.policy.clone());
        let mut followed = watched.begin(session).await?;
        let how = loop {
            match followed.event().await? {
                Some(Event::Sent { how, .. } | Event::Answered { how, .. }) => break how,
                Some(Event::Retrying { attempt, why, .. })
                    if attempt >= Policy::default().retry.reads =>
                {
                    session.out.still();
                    let task = Some(self.task.clone());
                    return Err(ends::unread(session, &task, "the conversation", &why));
                }
                Some(_) => {}
                None => {
                    followed.cut_short().await?;
                    break Answered::Unknown;
                }
            }
        };
        session.out.still();
        let found = followed.running.snapshot();
        if let Some(memory) = &session.memory {
            // From now on it is known here what became of it.
            memory.keep(&found)?;
        }
        match how {
            Answered::Applied if said == self.text => {
                session
                    .out
                    .say("the same was to be sent now: nothing was sent again");
                Ok(Some(found))
            }
            Answered::Applied => Err(self.other(&said)),
            Answered::Gone | Answered::Refused | Answered::NotSent => Ok(None),
            _ => self.unknown(&said, global),
        }
    }

    /// Something else has arrived.
    fn other(&self, said: &str) -> Box<Problem> {
        let what =
            "something else that was sent from here before has arrived; nothing was sent now";
        let see = self.session.command(&Nanonets::conversation(self.task));
        Problem::new(Exit::Other, "not_sent", what)
            .why(format!("It said: {}", one_line(said)))
            .next("see", see, "what the agent makes of it")
            .next("send", command_line::as_given(), "sends this, too")
            .task(Some(self.task.clone()))
    }

    /// Nobody knows, so a person decides.
    fn unknown(&self, said: &str, global: &Global) -> Result<Option<Snapshot>, Box<Problem>> {
        let what = "something that was sent from here before may or may not have arrived";
        let said = one_line(said);
        let question = format!("{what} ({said:?}); send this all the same?");
        if is_attended(global)? && confirm::sure(&self.session.out, &question) {
            return Ok(None);
        }
        let see = self.session.command(&Nanonets::conversation(self.task));
        Err(Problem::new(Exit::Unknown, "outcome_unknown", what)
            .why(format!("It said: {said}"))
            .why("Nothing was sent now.")
            .next("see", see, "whether it is there")
            .next(
                "or",
                command_line::with("reply", "--force-new"),
                "sends this all the same",
            )
            .task(Some(self.task.clone())))
    }
}
