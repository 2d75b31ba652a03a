//! Uploads an invoice, answers the agent's questions from the terminal, prints the line items.
//!
//! `cargo run --example quickstart AGENT_ID invoice.csv`, with `NANONETS_API_KEY` set; `taskward sim` runs a server to
//! try it on and prints what to set.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use taskward::error::BoxError;
use taskward::nanonets::{Job, Nanonets};
use taskward::{Answer, Client, Output as _};

#[derive(Debug, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) items: Vec<Item>,
    pub(crate) total: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) description: String,
    pub(crate) amount: f64,
}

const SCHEMA: &str =
    r#"{"items": [{"description": "string", "amount": "number"}], "total": "number"}"#;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1);
    let (Some(agent), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: quickstart AGENT_ID FILE".into());
    };
    let client = Client::<Nanonets>::from_env()?;
    let invoice = extract(&client, &agent, &file).await?;
    for item in &invoice.items {
        println!("{:>10.2}  {}", item.amount, item.description);
    }
    println!("{:>10.2}  total", invoice.total);
    Ok(())
}

pub(crate) async fn extract(
    client: &Client<Nanonets>,
    agent: &str,
    file: &str,
) -> Result<Invoice, BoxError> {
    let job = Job::agent(agent)
        .query("Extract the line items.")
        .file(file)
        .output_schema(SCHEMA);
    let outcome = client
        .run(job)
        .deadline(Duration::from_secs(900))
        .on_question(async |q| Ok(Answer::text(ask(q.text()).await?)))
        .await?;
    Ok(outcome.into_answer()?.data()?)
}

/// Asks on the terminal, beside the watch.
async fn ask(question: &str) -> io::Result<String> {
    eprint!("{question}\n> ");
    tokio::task::spawn_blocking(|| io::stdin().lines().next())
        .await?
        .unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}
