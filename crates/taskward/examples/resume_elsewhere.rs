//! Starts a task here and continues it there: one process stores it in a file, another resumes it from that file.
//!
//! `cargo run --example resume_elsewhere start AGENT_ID task.json`, then, as often as it takes,
//! `cargo run --example resume_elsewhere finish task.json "the answer"`.

use std::fs;
use std::path::{Path, PathBuf};

use taskward::error::BoxError;
use taskward::nanonets::{self, Job, Nanonets};
use taskward::{Answer, Client, Snapshot, TaskId};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let client = Client::<Nanonets>::from_env()?;
    match args[..] {
        ["start", agent, file] => println!("{}", start(&client, agent, file.into()).await?),
        ["finish", file, answer] => {
            let answer = finish(&client, file.into(), answer.to_owned()).await?;
            println!("{:#}", taskward::Output::raw(&answer));
        }
        _ => return Err("usage: resume_elsewhere start AGENT_ID FILE | finish FILE ANSWER".into()),
    }
    Ok(())
}

/// Starts a task and detaches as soon as its id is known.
pub(crate) async fn start(
    client: &Client<Nanonets>,
    agent: &str,
    file: PathBuf,
) -> Result<TaskId, BoxError> {
    let mut running = client
        .run(Job::agent(agent).query("What does a table cost?"))
        .on_save(move |snapshot| store(&file, snapshot))
        .start()
        .await?;
    while running.id().is_none() {
        if running.next().await?.is_none() {
            // Refused, never sent, or of unknown outcome: the error says which.
            running.wait().await?.into_answer()?;
        }
    }
    Ok(running.id().ok_or("it has no id")?.clone())
}

/// Resumes the task in the file, until it has an answer.
pub(crate) async fn finish(
    client: &Client<Nanonets>,
    file: PathBuf,
    answer: String,
) -> Result<nanonets::Answer, BoxError> {
    let snapshot: Snapshot = serde_json::from_slice(&fs::read(&file)?)?;
    let end = client
        .resume(snapshot)
        .on_save(move |snapshot| store(&file, snapshot))
        .on_question(move |_| std::future::ready(Ok(Answer::text(answer.clone()))))
        .await?;
    Ok(end.into_answer()?)
}

/// Stores a snapshot so that after a crash the old one or the new one is there, never half of it.
fn store(file: &Path, snapshot: &Snapshot) -> Result<(), BoxError> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(snapshot)?)?;
    Ok(fs::rename(new, file)?)
}
