//! A service that follows a hundred runs at once: every stream stays open, every question goes to one queue for the
//! people who answer, and each answer finds its way back to its run.
//!
//! `cargo run --example follow_many`, with `AGENT_HARNESS_API_KEY` set; `taskward sim` runs a server to try it on and
//! prints what to set.

use taskward::agent_harness::{AgentHarness, Job};
use taskward::error::BoxError;
use taskward::{Answer, Client, Outcome, Question, RunResult};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A question that waits for a person.
pub(crate) struct Open {
    pub(crate) goal: String,
    pub(crate) question: Question,
    /// Where the answer goes. It is closed when the run no longer waits: answered elsewhere, or over.
    pub(crate) answer: oneshot::Sender<Answer>,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = Client::<AgentHarness>::from_env()?;
    let (handling, mut questions) = mpsc::channel::<Open>(10);
    let people = async move {
        while let Some(open) = questions.recv().await {
            println!("{}: {}", open.goal, open.question.text());
            // The people of this example approve of everything.
            let _ = open.answer.send(Answer::Approve);
        }
    };
    tokio::spawn(people);
    let goals = (1..=100).map(|n| format!("Write to customer {n}."));
    for (goal, end) in follow(&client, goals, handling).await? {
        println!("{goal} {end}");
    }
    Ok(())
}

/// Starts a run for each goal, follows them all, and prints how each ended.
pub(crate) async fn follow(
    client: &Client<AgentHarness>,
    goals: impl Iterator<Item = String>,
    handling: mpsc::Sender<Open>,
) -> Result<Vec<(String, String)>, BoxError> {
    let mut runs = JoinSet::new();
    for goal in goals {
        let (client, handling) = (client.clone(), handling.clone());
        runs.spawn(async move {
            let end = see_through(&client, &goal, handling).await;
            (goal, end.unwrap_or_else(|error| error.to_string()))
        });
    }
    let mut ends = Vec::new();
    while let Some(end) = runs.join_next().await {
        ends.push(end?);
    }
    Ok(ends)
}

async fn see_through(
    client: &Client<AgentHarness>,
    goal: &str,
    handling: mpsc::Sender<Open>,
) -> Result<String, BoxError> {
    let about = goal.to_owned();
    let ask = move |question| {
        let (handling, goal) = (handling.clone(), about.clone());
        async move {
            let (answer, answered) = oneshot::channel();
            handling
                .send(Open {
                    goal,
                    question,
                    answer,
                })
                .await?;
            Ok(answered.await?)
        }
    };
    Ok(match client.run(Job::goal(goal)).on_question(ask).await? {
        RunResult::Ended(Outcome::Succeeded { id, .. }) => format!("succeeded ({id})"),
        RunResult::Ended(other) => format!("ended: {}", other.code()),
        RunResult::Detached(left) => format!("goes on without us ({})", left.id),
    })
}
