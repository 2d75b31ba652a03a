//! Keeps each task beside the business it is for: a shop's table of orders has a column for the task's snapshot. A worker
//! that dies at any moment is followed by another one, and no order is worked on twice.
//!
//! `cargo run --example own_database shop.db AGENT_ID 17 "Find the supplier."` works on order 17, the first time and every
//! time after.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use taskward::blocking::{Client, Recovery, Run};
use taskward::core::Journal;
use taskward::error::BoxError;
use taskward::nanonets::{Answer, Job, Nanonets};
use taskward::{Output as _, Snapshot};

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, agent, order, prompt] = &args[..] else {
        return Err("usage: own_database FILE AGENT_ID ORDER PROMPT".into());
    };
    let shop = Shop::open(Path::new(file))?;
    let client = Client::<Nanonets>::from_env()?;
    let answer = work(&client, &shop, order.parse()?, agent, prompt)?;
    println!("{}", answer.text().unwrap_or_default());
    Ok(())
}

/// The shop's own database.
#[derive(Clone)]
pub(crate) struct Shop(Arc<Mutex<Connection>>);

impl Shop {
    pub(crate) fn open(file: &Path) -> Result<Self, BoxError> {
        let connection = Connection::open(file)?;
        // A state that `record` has taken in survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, task TEXT, answer TEXT)",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of the task of an order.
    pub(crate) fn task(&self, order: i64) -> Result<Option<Snapshot>, BoxError> {
        let query = "SELECT task FROM orders WHERE id = ?1 AND task IS NOT NULL";
        let text: Option<String> = self
            .database()
            .query_row(query, params![order], |row| row.get(0))
            .optional()?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    fn finish(&self, order: i64, answer: &str) -> Result<(), BoxError> {
        let update = "UPDATE orders SET answer = ?2 WHERE id = ?1";
        self.database().execute(update, params![order, answer])?;
        Ok(())
    }
}

/// One order's place in it.
struct Order {
    shop: Shop,
    id: i64,
}

impl Journal for Order {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        let text = serde_json::to_string(snapshot)?;
        let upsert = "INSERT INTO orders (id, task) VALUES (?1, ?2)
                      ON CONFLICT (id) DO UPDATE SET task = ?2";
        self.shop
            .database()
            .execute(upsert, params![self.id, text])?;
        Ok(())
    }
}

/// Works on an order, from its present state.
pub(crate) fn work(
    client: &Client<Nanonets>,
    shop: &Shop,
    order: i64,
    agent: &str,
    prompt: &str,
) -> Result<Answer, BoxError> {
    let known = shop.task(order)?;
    // A start that is known to have created no task, as in an outage, is repeated.
    let known = known.filter(|known| known.task().is_some() || known.is_unknown());
    let run: Run<Nanonets> = match known {
        None => client.run(Job::agent(agent).query(prompt)),
        Some(known) => match client.recover(known)? {
            Recovery::Follow(run) => run,
            // The start's outcome is unknown. If it created a task, that is the one of this agent, from about then, with this message.
            Recovery::Found(found) => match &found.candidates[..] {
                [task] if found.complete && !task.outside_expected_time => {
                    client.attach(task.id.clone())
                }
                [] if found.complete => {
                    return Err("no task was found: clear the order's task to start one".into());
                }
                _ => return Err(format!("somebody has to look: {found:?}").into()),
            },
            _ => return Err("this version does not know how to recover it".into()),
        },
    };
    let place = Order {
        shop: shop.clone(),
        id: order,
    };
    let answer = run.journal(place).wait()?.into_answer()?;
    shop.finish(order, &answer.text().unwrap_or_default())?;
    Ok(answer)
}
