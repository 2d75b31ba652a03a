//! `taskward recover`: finds out what became of a start whose reply was lost.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use taskward::agent_harness::AgentHarness;
use taskward::journal::Entry;
use taskward::nanonets::Nanonets;
use taskward::{Candidate, Recovery, Run};

use super::{local, run, table};
use crate::answers::Asker;
use crate::args::{Global, ProviderName, Recover};
use crate::ends::Began;
use crate::exit::Exit;
use crate::follow::{Deadlines, Watched};
use crate::memory::Memory;
use crate::out::Out;
use crate::platform::Platform;
use crate::print::Destination;
use crate::problem::Problem;
use crate::report::{Reporter, result_line};
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn recover(
    out: Arc<Out>,
    global: &Global,
    args: Recover,
) -> Result<Exit, Box<Problem>> {
    let memory = Memory::open(&out, global)?;
    let entry = match &args.intent {
        Some(intent) => memory.find(intent)?,
        None => {
            let mut open = local::of_provider(memory.list()?, global);
            open.retain(Entry::is_open);
            if open.len() > 1 {
                local::print(&out, &open, "")?;
                return Err(several(&open));
            }
            let Some(entry) = open.pop() else {
                out.say("nothing to recover: what became of every start made here is known");
                return Ok(Exit::Ok);
            };
            entry
        }
    };
    let Some(provider) = ProviderName::named(entry.snapshot.provider()) else {
        let what = format!(
            "this version knows no provider {:?}",
            entry.snapshot.provider()
        );
        return Err(Problem::input(what).why("Nothing was sent."));
    };
    if let Some(named) = global.named_provider().filter(|named| *named != provider) {
        let what = format!("--provider {named} and a start of {provider} do not go together");
        return Err(Problem::new(Exit::Usage, "usage", what).why("Nothing was sent."));
    }
    if args.forget {
        return forget(&out, &memory, &entry);
    }
    match provider {
        ProviderName::Nanonets => one::<Nanonets>(out, global, args, memory, entry).await,
        ProviderName::AgentHarness => one::<AgentHarness>(out, global, args, memory, entry).await,
    }
}

/// Several starts: whoever asks says which.
fn several(open: &[Entry]) -> Box<Problem> {
    let what = format!("nobody knows what became of {} starts", open.len());
    let problem = Problem::new(Exit::Unknown, "outcome_unknown", what)
        .why("They are recovered one by one. Nothing was sent.");
    open.iter().take(3).fold(problem, |problem, entry| {
        problem.next("recover", format!("taskward recover {}", entry.id), "")
    })
}

fn forget(out: &Out, memory: &Memory, entry: &Entry) -> Result<Exit, Box<Problem>> {
    memory.forget(&entry.id)?;
    if out.is_json() {
        out.line(&json!({
            "v": 1, "type": "result", "exit": 0, "status": "forgotten",
            "intent_id": entry.id.as_str(), "task": null, "task_id": null,
        }));
    } else {
        out.say(&format!("forgotten: {}", entry.id));
    }
    Ok(Exit::Ok)
}

/// How what is recovered is gone on with.
struct Plan {
    deadlines: Deadlines,
    to: Destination,
    asker: Arc<Asker>,
    args: Recover,
    memory: Memory,
    entry: Entry,
}

async fn one<P: Platform>(
    out: Arc<Out>,
    global: &Global,
    args: Recover,
    memory: Memory,
    entry: Entry,
) -> Result<Exit, Box<Problem>> {
    let follow = &args.follow;
    let asker = Asker::new(out.clone(), global, follow, P::ID, global.key_stdin)?;
    let plan = Plan {
        deadlines: Deadlines::of(follow)?,
        to: Destination::new(follow.output.clone(), follow.print)?,
        asker: Arc::new(asker),
        memory: memory.clone(),
        entry,
        args,
    };
    let speed = plan.args.follow.speed;
    let session: Session<P> = Session::journaled(out, global, speed, Some(memory))?;
    session.owns(&plan.entry.snapshot)?;
    session.banner();
    // Held while it is looked for; whoever repeats a start claims it as any start is.
    let claim = plan.memory.claim(&plan.entry.id)?;
    let found = session.client.recover(plan.entry.snapshot.clone());
    let found = session.unless_interrupted(found).await?;
    let intent = plan.entry.id.to_string();
    let found = found.map_err(|error| session.problem(&error).intent(Some(intent.clone())))?;
    match found {
        Recovery::Follow(run) => {
            drop(claim);
            plan.go_on(&session, run, Began::Again).await
        }
        Recovery::Found(tasks) => match tasks.as_slice() {
            [task] => {
                drop(claim);
                plan.found(&session, task).await
            }
            [] => Err(plan.none(&session)),
            tasks => Err(plan.tell_several(&session, tasks)?),
        },
        _ => {
            let what = "this version does not know how to recover it";
            Err(Problem::new(Exit::Other, "internal", what).intent(Some(intent)))
        }
    }
}

impl Plan {
    /// Follows a task, or waits until its name is known and prints it.
    async fn go_on<P: Platform>(
        self,
        session: &Session<P>,
        run: Run<P>,
        began: Began,
    ) -> Result<Exit, Box<Problem>> {
        let known = self.entry.snapshot.task().map(|id| session.task(id));
        let reporter = Arc::new(Reporter::new(session, known.clone(), false));
        reporter.watching();
        let watched = Watched::new(run, began, reporter, self.deadlines.policy())
            .answered_by(self.asker)
            .leaving_reviews(self.args.follow.no_wait_review);
        let followed = watched.begin(session).await?;
        if self.args.watch {
            return followed.finish(&self.to).await;
        }
        run::name(session, followed).await
    }

    /// Tells the one task that was found; it is adopted only when that was asked for.
    async fn found<P: Platform>(
        self,
        session: &Session<P>,
        found: &Candidate,
    ) -> Result<Exit, Box<Problem>> {
        let out = &session.out;
        let task = session.task(&found.id);
        let adopts = self.args.adopt || self.args.watch;
        out.say(&format!(
            "found one task that this start may have made: {}",
            told(found)
        ));
        if adopts {
            let run = session.client.attach(found.id.clone()).start().await;
            let run = run.map_err(|error| session.problem(&error))?;
            self.memory.keep(&run.snapshot())?;
            self.memory.forget(&self.entry.id)?;
            out.say(&format!("adopted: {} is {task}", self.entry.id));
        }
        if self.args.watch {
            let reporter = Arc::new(Reporter::new(session, Some(task), false));
            reporter.watching();
            let run = session.client.attach(found.id.clone());
            let watched = Watched::new(run, Began::Watch, reporter, self.deadlines.policy())
                .answered_by(self.asker)
                .leaving_reviews(self.args.follow.no_wait_review);
            return watched.begin(session).await?.finish(&self.to).await;
        }
        if out.is_json() {
            let status = found
                .status
                .as_ref()
                .map_or("unknown", |status| status.as_str());
            let mut fields = about(found);
            fields.insert("intent_id".to_owned(), self.entry.id.as_str().into());
            fields.insert("adopted".to_owned(), adopts.into());
            out.line(&result_line(&task, status, fields));
            return Ok(Exit::Ok);
        }
        let watch = session.command(&format!("watch {}", task.quoted()));
        out.say(&format!("follow: {watch}"));
        if !adopts {
            let adopt = session.command(&format!("recover {} --adopt", self.entry.id));
            out.say(&format!(
                "adopt:  {adopt}  (so that it is not asked about again)"
            ));
        }
        out.print(&format!("{task}\n"))?;
        Ok(Exit::Ok)
    }

    fn unresolved<P: Platform>(&self, session: &Session<P>, what: String) -> Box<Problem> {
        let forget = session.command(&format!("recover {} --forget", self.entry.id));
        Problem::new(Exit::Unknown, "outcome_unknown", what)
            .intent(Some(self.entry.id.to_string()))
            .next("forget", forget, "when it is settled")
    }

    /// Nothing was found.
    fn none<P: Platform>(&self, session: &Session<P>) -> Box<Problem> {
        let what = "no task of this start was found: it was probably never made".to_owned();
        self.unresolved(session, what)
            .why("Looked twice, among the agent's tasks of that time. A start that is still on its way may yet make one.")
            .next(
                "again",
                session.command(&format!("recover {}", self.entry.id)),
                "looks once more",
            )
            .next("or", "taskward run --force-new ...", "starts it anew")
    }

    /// Several may be it: a human decides.
    fn tell_several<P: Platform>(
        &self,
        session: &Session<P>,
        tasks: &[Candidate],
    ) -> Result<Box<Problem>, Box<Problem>> {
        let out = &session.out;
        let name = |found: &Candidate| session.task(&found.id);
        if out.is_json() {
            for found in tasks {
                out.line(&candidate(&name(found), found));
            }
            out.check()?;
        } else {
            let rows: Vec<Vec<String>> = tasks
                .iter()
                .map(|found| {
                    let status = found
                        .status
                        .as_ref()
                        .map(|status| status.as_str().to_owned());
                    vec![
                        name(found).to_string(),
                        status.unwrap_or_default(),
                        found.created_at.clone().unwrap_or_default(),
                        sure(found).to_owned(),
                        found.title.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            let head = ["task", "status", "created", "said", "title"];
            out.print(&table::render(&head, &rows, out.is_for_people()))?;
        }
        let what = format!(
            "{} tasks may be the one of this start; none was adopted",
            tasks.len()
        );
        let first = name(&tasks[0]);
        Ok(self
            .unresolved(session, what)
            .why("Look at what was said in each of them.")
            .next("see", session.command(&P::conversation(&first)), ""))
    }
}

/// How sure it is that a task is the one.
fn sure(found: &Candidate) -> &'static str {
    match found.is_said {
        Some(true) => "the same",
        Some(false) => "something else",
        None => "cannot be compared",
    }
}

/// A task that was found, in words.
fn told(found: &Candidate) -> String {
    let status = found.status.as_ref();
    let status = status.map_or_else(|| "of unknown status".to_owned(), |s| one_line(s.as_str()));
    let created = match &found.created_at {
        Some(at) => format!(", created {}", one_line(at)),
        None => String::new(),
    };
    let sure = match found.is_said {
        Some(true) => "it was told the same first",
        _ => "what it was told first cannot be compared",
    };
    format!("it is {status}{created}; {sure}")
}

fn about(found: &Candidate) -> Map<String, Value> {
    let fields = json!({
        "created_at": found.created_at,
        "title": found.title,
        "is_said": found.is_said,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn candidate(task: &TaskRef, found: &Candidate) -> Value {
    let mut line = json!({
        "v": 1,
        "type": "candidate",
        "task": task.to_string(),
        "task_id": task.id().as_str(),
        "status": found.status.as_ref().map(|status| status.as_str()),
    });
    for (name, value) in about(found) {
        line[name] = value;
    }
    line
}
