//! What comes of words that were delivered: of an answer, or of a message.

use std::time::Duration;

use serde_json::{Map, Value};
use taskward::Event;

use crate::calls::Calls;
use crate::clock::span;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::follow::Followed;
use crate::out::Out;
use crate::report::words;

/// How long an effect is waited for.
const LANDING: Duration = Duration::from_secs(10);

/// What was seen after words were delivered.
pub(super) enum Seen {
    /// The agent spoke again, and waits.
    Spoke(String),
    /// The task is at work, over, or waits for a review.
    Moved,
    /// Nothing yet.
    Nothing,
}

/// Waits for what was delivered to show an effect.
pub(super) async fn effect<P: Calls>(
    connection: &Connection<P>,
    followed: &mut Followed<'_, P>,
) -> CliResult<Seen> {
    let patience = tokio::time::sleep(connection.clock.real(LANDING));
    tokio::pin!(patience);
    loop {
        let event = tokio::select! {
            event = followed.event() => event?,
            () = &mut patience => return Ok(Seen::Nothing),
        };
        match event {
            Some(Event::Question(question)) => {
                let text = match question.text.is_empty() {
                    true => question.messages.last().map(words).unwrap_or_default(),
                    false => question.text,
                };
                return Ok(Seen::Spoke(text));
            }
            Some(Event::Status(_) | Event::Paused(_)) | None => return Ok(Seen::Moved),
            Some(_) => {}
        }
    }
}

/// What was seen, for programs: whether there was an effect, and what the agent said. Nothing is waited for where the task
/// was at work all along.
pub(super) fn fields(seen: Option<&Seen>) -> Map<String, Value> {
    let text = match seen {
        Some(Seen::Spoke(text)) => Value::from(text.as_str()),
        _ => Value::Null,
    };
    let mut fields = Map::new();
    let is_seen = !matches!(seen, Some(Seen::Nothing));
    fields.insert("effect_seen".to_owned(), is_seen.into());
    fields.insert("text".to_owned(), text);
    fields
}

/// Tells people what was seen of a task of this status.
pub(super) fn tell(out: &Out, seen: &Seen, status: &str) -> CliResult<()> {
    match seen {
        Seen::Moved => out.say(&format!("the task moved on: it is {status}")),
        Seen::Spoke(text) => {
            out.say("the agent replied:");
            out.print(&format!("{text}\n"))?;
        }
        Seen::Nothing => out.say(&format!(
            "the server took it; the task still shows {status} after {}",
            span(LANDING)
        )),
    }
    Ok(())
}
