//! What comes of words that were delivered: of an answer, or of a message.

use std::time::Duration;

use taskward::Event;

use crate::calls::Calls;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::follow::Followed;
use crate::report::words;

/// How long an effect is waited for.
pub(super) const LANDING: Duration = Duration::from_secs(10);

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
