//! What an event stream means for the task, and what its loss does not.

use std::time::Duration;

use crate::error::{ReadError, ReadErrorKind};
use crate::event::{Event, Why};
use crate::provider::{Beat, Frames as _, Item, Look, Provider};
use crate::retry::Trouble;
use crate::shared::Shared;
use crate::time::{Timestamp, millis};

use super::{Report, access_lost};
use crate::outcome::Outcome;
use crate::task::Task;
use crate::task::phase::Phase;
use crate::task::stream::{QUIET, StreamState, UPTIME};

impl<P: Provider> Task<P> {
    /// Takes the next thing out of the stream; true when it changed anything.
    pub(in crate::task) fn read_stream(&mut self, shared: &mut Shared) -> bool {
        if !matches!(self.phase, Phase::Following(_)) {
            return false;
        }
        let now = self.now;
        let idle = self.policy.limits.stream_idle;
        let Some(open) = self.stream.open_mut() else {
            return false;
        };
        if now >= open.opened.after(UPTIME) {
            self.stream.failures = 0;
        }
        let Some(open) = self.stream.open_mut() else {
            return false;
        };
        match open.frames.next_frame() {
            Ok(Some(frame)) => match self.provider.read_frame(&frame) {
                Ok(Some(item)) => {
                    self.take_item(item);
                    return true;
                }
                // One bad frame is skipped; the position does not move.
                Ok(None) | Err(_) => return true,
            },
            Ok(None) => {}
            Err(error) => {
                self.cut(error.to_string(), shared);
                return true;
            }
        }
        if let Some(bytes) = open.chunks.pop_front() {
            open.frames.push(bytes);
            return true;
        }
        if let Some(end) = open.end.take() {
            self.cut(end, shared);
            return true;
        }
        if now >= open.heard.after(idle) {
            self.cut(format!("nothing came for {} s", idle.as_secs()), shared);
            return true;
        }
        let quiet = self
            .stream
            .asking
            .as_ref()
            .is_some_and(|(_, since)| now >= since.after(QUIET));
        if quiet && !std::mem::replace(&mut self.stream.checked, true) {
            self.look_now();
            return true;
        }
        false
    }

    fn take_item(&mut self, item: Item) {
        let position = item.event.position;
        if let (Some(position), Some(decoded)) = (position, self.stream.decoded) {
            if position <= decoded {
                return;
            }
            let reopened = std::mem::take(&mut self.stream.reopened);
            if reopened && position.0 > decoded.0 + 1 {
                self.events.push(Event::Gap {
                    after: decoded,
                    before: position,
                });
            }
        }
        self.stream.decoded = self.stream.decoded.max(position);
        self.stream.failures = 0;
        self.stream.asking = None;
        self.stream.checked = false;
        match item.beat {
            Beat::Passing => self.asks.withdraw(&mut self.events),
            Beat::Asking(question) => self.stream.asking = Some((question, self.now)),
            Beat::Ending => {
                self.asks.withdraw(&mut self.events);
                self.look_now();
            }
        }
        self.events.push(Event::Provider(item.event));
        self.mode();
    }

    pub(in crate::task) fn look_now(&mut self) {
        if let Phase::Following(following) = &mut self.phase {
            following.next = Look::Status;
            following.due = self.now;
            following.why = Why::Pace;
        }
    }

    /// The stream ended, whatever way: the task is read, which judges, and the stream is reopened after a backoff.
    fn cut(&mut self, why: String, shared: &mut Shared) {
        self.stream.failures = self.stream.failures.saturating_add(1);
        let due = self.stream_backoff(shared);
        self.events.push(Event::Retrying {
            attempt: self.stream.failures,
            why,
            until: due,
        });
        self.stream.enter(StreamState::Closed { due });
        self.look_now();
    }

    pub(in crate::task) fn judge_unopened(&mut self, report: Report, shared: &mut Shared) {
        let trouble = match report {
            Ok(reply) if reply.status().is_success() => Trouble::Unreadable(ReadError::new(
                ReadErrorKind::Shape,
                format!(
                    "expected an event stream, got {}",
                    reply.head.media_type().unwrap_or_default()
                ),
            )),
            Ok(reply) => Trouble::Refused(Box::new(reply)),
            Err(failure) => Trouble::Wire(failure),
        };
        if let Some(error) = access_lost(&trouble) {
            let id = self.known_id();
            return self.end(Outcome::AccessLost { id, error });
        }
        self.stream.failures = self.stream.failures.saturating_add(1);
        let due = self.stream_backoff(shared);
        self.stream.enter(StreamState::Closed { due });
        self.events.push(Event::Retrying {
            attempt: self.stream.failures,
            why: trouble.to_string(),
            until: due,
        });
        self.look_now();
    }

    fn stream_backoff(&mut self, shared: &mut Shared) -> Timestamp {
        let draw = u64::from(self.rng.u16(..));
        let ceiling = self.policy.retry.ceiling(self.stream.failures);
        let own = ceiling / 2 + ceiling / 2 * draw / u64::from(u16::MAX);
        let wait = if shared.take(false) {
            own
        } else {
            millis(self.policy.retry.cap)
        };
        self.now.after(Duration::from_millis(wait))
    }
}
