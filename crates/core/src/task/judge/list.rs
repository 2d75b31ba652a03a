//! Reading the list of events: what the stream did not carry is told before anything else is judged.

use crate::event::{Event, Why};
use crate::outcome::Outcome;
use crate::provider::{Page, Provider, Reading};
use crate::retry::{self, Trouble};
use crate::shared::Shared;
use crate::task::Task;
use crate::task::stream::{FILL_TRIES, Fill};

use super::access_lost;
use super::stream::From;

impl<P: Provider> Task<P> {
    /// Whether there is a list to read.
    pub(super) fn has_list(&self) -> bool {
        P::CAPABILITIES.events && !self.stream.unlisted
    }

    /// Whether events may have happened that this reading rests on and that were not told.
    pub(super) fn wants_list(&self, reading: &Reading<P::Output>) -> bool {
        if !self.has_list() || self.stream.ending.is_some() {
            return false;
        }
        let trusted = self.stream.is_trusted();
        match reading {
            // The end is told after everything before it.
            Reading::Succeeded(..)
            | Reading::Failed(_)
            | Reading::Stopped(_)
            | Reading::Next(..) => true,
            Reading::Waiting(_) => !trusted || self.stream.wait.is_none(),
            Reading::Pending(_) | Reading::Paused(_) | Reading::Unknown(_) => {
                let silent = self.stream.open().is_some_and(|open| !open.carried);
                silent || self.stream.fell_back()
            }
            Reading::Ready(_) | Reading::Asking(_) | Reading::NotAsking | Reading::Events(_) => {
                false
            }
        }
    }

    /// Reads the list from the newest page that was read before.
    pub(super) fn begin_fill(&mut self) {
        if self.stream.fill.is_none() {
            self.stream.fill = Some(Fill {
                cursor: self.stream.cursor.clone(),
                due: self.now,
                tries: 0,
                reached: None,
            });
        }
    }

    /// Takes a page of the list.
    pub(super) fn take_page(&mut self, page: Page) {
        let Page { mut items, next } = page;
        items.sort_by_key(|item| item.event.position);
        let newest = items.iter().filter_map(|item| item.event.position).max();
        for item in items {
            self.take_item(item, From::List);
        }
        let Some(fill) = &mut self.stream.fill else {
            return;
        };
        let advanced = newest > fill.reached;
        fill.reached = fill.reached.max(newest);
        fill.tries = 0;
        self.stream.cursor.clone_from(&fill.cursor);
        match next {
            // A page that brings nothing newer is the last, whatever its cursor is.
            Some(next) if advanced && fill.cursor.as_ref() != Some(&next) => {
                fill.cursor = Some(next);
                fill.due = self.now;
            }
            _ => self.end_fill(true),
        }
    }

    /// A page of the list could not be read.
    pub(super) fn page_failed(&mut self, trouble: &Trouble, shared: &mut Shared) {
        if let Some(error) = access_lost(trouble) {
            let id = self.known_id();
            return self.end(Outcome::AccessLost { id, error });
        }
        let now = self.now;
        let fresh = self.is_fresh();
        let draw = self.rng.u16(..);
        let Some(fill) = &mut self.stream.fill else {
            return;
        };
        let refused = trouble
            .status()
            .filter(|status| status.is_client_error())
            .is_some_and(|status| match status.as_u16() {
                408 | 425 | 429 => false,
                404 => !fresh,
                _ => true,
            });
        if refused && fill.cursor.is_some() {
            // The cursor is of no more use.
            *fill = Fill {
                cursor: None,
                due: now,
                tries: 0,
                reached: None,
            };
            self.stream.cursor = None;
            return;
        }
        if refused
            || trouble
                .status()
                .is_some_and(|status| status.as_u16() == 501)
        {
            self.stream.unlisted = true;
            return self.end_fill(false);
        }
        fill.tries += 1;
        if fill.tries >= FILL_TRIES {
            return self.end_fill(false);
        }
        let due = now.after(retry::wait(
            trouble,
            fill.tries,
            &self.policy.retry,
            draw,
            now,
        ));
        fill.due = due;
        let attempt = fill.tries;
        shared.take(false);
        self.events.push(Event::Retrying {
            attempt,
            why: format!("the list of events: {trouble}"),
            until: due,
        });
    }

    /// The list was read to its end, or given up: what waited for it goes on.
    fn end_fill(&mut self, complete: bool) {
        self.stream.fill = None;
        self.stream.listed = complete;
        let mut held = None;
        if let Some(open) = self.stream.open_mut() {
            open.covered = true;
            held = open.held.take();
        }
        if complete {
            self.stream.reopened = false;
        }
        if let Some(item) = held {
            self.take_item(item, From::Stream);
        }
        self.conclude_check();
        match self.held.take() {
            Some(reading) => self.apply(reading),
            None if self.stream.ending.is_some() => {}
            None => self.look_again(crate::Look::Status, None),
        }
    }

    /// Why the list is read now.
    pub(in crate::task) fn fill_why(&self) -> Why {
        match &self.stream.fill {
            Some(fill) if fill.tries > 0 => Why::Backoff,
            _ => Why::Pace,
        }
    }
}
