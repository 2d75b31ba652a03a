//! The backfill: events that the stream did not carry are read from the list and reported before anything else is
//! judged.

use crate::budget::OriginBudget;
use crate::error::{ErrorClass, ReadErrorKind};
use crate::event::Event;
use crate::id::EventSeq;
use crate::lenient::ListEntry;
use crate::outcome::Outcome;
use crate::provider::{EventKind, Page, PollResult, Provider, StreamEvent};
use crate::question::Question;
use crate::reason::{FailedAttempt, RetryReason};
use crate::retry::{self, AttemptError};
use crate::task::env::Env;
use crate::task::follow::{Cx, Follow};
use crate::task::phase::Move;
use crate::task::stream::CROSS_CHECK;
use crate::task::stream::list::{
    Backfill, Coverage, CursorOrigin, FILL_PATIENCE, FILL_PATIENCE_AT_END, LastBackfill,
    MAX_REVERSED,
};
use crate::task::stream::open::{Deferred, Open};
use crate::task::stream::sequence::{EventOrigin, Gaps, SinceLast};
use crate::task::writes::WriteKind;
use crate::time::Timestamp;

use super::access_lost;

/// Returns whether the server refuses the page, so that the same request would be refused again. A task that has just
/// started may not be visible yet.
fn is_refused(error: &AttemptError, is_fresh: bool) -> bool {
    error.class().is_some_and(|class| match class {
        ErrorClass::RateLimited | ErrorClass::Server => false,
        ErrorClass::Gone => !is_fresh || error.is_gone_for_good(),
        ErrorClass::Invalid
        | ErrorClass::Refused
        | ErrorClass::Unauthorised
        | ErrorClass::NoSuchMethod
        | ErrorClass::NotCancellable
        | ErrorClass::Conflict => true,
    })
}

impl<P: Provider> Follow<P> {
    /// Returns whether there is a list to read.
    pub(in crate::task) fn has_list(&self, env: &Env<P>) -> bool {
        let missing = |since: Timestamp| env.now < since.after(CROSS_CHECK);
        env.can().events && !self.stream.list.missing_since.is_some_and(missing)
    }

    /// Returns whether this poll result may rest on events that were not reported.
    pub(super) fn wants_list(&self, cx: &Cx<'_, P>, result: &PollResult<P::Output>) -> bool {
        if !self.has_list(cx.env) || self.stream.end.is_some() {
            return false;
        }
        let trusted = self.stream.is_trusted();
        match result {
            // The end is reported after everything before it.
            PollResult::Succeeded(..)
            | PollResult::Failed(_)
            | PollResult::Stopped(_)
            | PollResult::ReadFirst(..) => true,
            PollResult::Waiting(_) => !trusted || self.stream.asked.is_none(),
            PollResult::Pending(_) | PollResult::Paused(_) | PollResult::Unknown(_) => {
                let silent = self.stream.open().is_some_and(|open| !open.has_events());
                let opening = self.stream.opening_since().is_some();
                silent || opening || self.stream.health.fell_back()
            }
            PollResult::Ready(_)
            | PollResult::Asking(_)
            | PollResult::Unclear
            | PollResult::NotAsking
            | PollResult::Events(_) => false,
        }
    }

    /// Begins a backfill at the newest page that was read before. An answer that may be sent is checked again after it.
    pub(super) fn begin_backfill(&mut self, cx: &mut Cx<'_, P>) {
        if self.stream.backfill.is_none() {
            self.recheck(cx);
            let cursor = self.stream.list.cursor.clone();
            self.stream.backfill = Some(Box::new(Backfill::new(cursor, cx.env.now)));
        }
    }

    /// Processes a page of the list.
    pub(super) fn take_page(&mut self, cx: &mut Cx<'_, P>, page: Page) -> Move<P::Output> {
        let Some(mut fill) = self.stream.backfill.take() else {
            return Move::Stay;
        };
        let deferred = self.stream.open().and_then(Open::deferred);
        let deferred = deferred.and_then(|event| event.event.seq);
        let known = self.stream.sequence.last_decoded;
        let more = fill.receive(&page, known, deferred, cx.env.now);
        let Page { events, next } = page;
        match &mut fill.reversed {
            Some(collected) => {
                self.stream.list.cursor = None;
                collected.extend(events);
                let all = !more || collected.len() > MAX_REVERSED;
                let collected = if all {
                    std::mem::take(collected)
                } else {
                    Vec::new()
                };
                let oldest_first = collected.into_iter().rev().collect();
                self.take_listed(cx, oldest_first, &mut fill);
                if all {
                    self.stream.backfill = Some(fill);
                    return self.end_backfill(cx, true);
                }
            }
            None => {
                if fill.skipped == 0 {
                    self.stream.list.cursor.clone_from(&fill.cursor);
                }
                self.take_listed(cx, events.into_iter().collect(), &mut fill);
            }
        }
        fill.cursor = next;
        fill.due = cx.env.now;
        self.stream.backfill = Some(fill);
        if !more {
            return self.end_backfill(cx, true);
        }
        Move::Stay
    }

    /// Reports the new events among these, oldest first; the last of the known ones shows whether the task waits. An
    /// unreadable entry may have been anything: no event before it shows what the task waits for.
    fn take_listed(
        &mut self,
        cx: &mut Cx<'_, P>,
        mut entries: Vec<ListEntry<StreamEvent>>,
        fill: &mut Backfill,
    ) {
        let position = |entry: &ListEntry<StreamEvent>| {
            let event = entry.as_ref().readable();
            event.map(|event| event.event.seq)
        };
        if !entries.iter().filter_map(position).is_sorted() {
            // Nobody knows between which events those without a sequence belong, so they go to the end.
            entries.sort_by_key(|entry| (position(entry).is_none(), position(entry)));
        }
        let mut last = None;
        for entry in entries {
            let ListEntry::Readable(event) = entry else {
                fill.skipped += 1;
                fill.past = None;
                continue;
            };
            match &event.kind {
                EventKind::Asking(question) => fill.past = Some(question.clone()),
                EventKind::Working | EventKind::Ended(_) => fill.past = None,
                EventKind::Neutral | EventKind::Status { .. } => {}
            }
            let before = match std::mem::take(&mut fill.skipped) {
                0 => SinceLast::Readable,
                _ => SinceLast::Unreadable,
            };
            last = event.event.seq;
            self.take_event(cx, event, EventOrigin::List, before);
        }
        // Some of the unreadable entries may be events that are known already.
        if let (Some(last), Some(decoded)) = (last, self.stream.sequence.last_decoded) {
            let known = match self.stream.sequence.gaps {
                Gaps::Normal => u64::from(last < decoded),
                Gaps::Hide => decoded.0.saturating_sub(last.0),
            };
            fill.skipped = fill.skipped.saturating_sub(known);
        }
    }

    /// Handles unreadable entries after the last event of the list: what the task waits for is no longer known. If the
    /// task is over, no later event would reveal the gap.
    fn take_skipped(&mut self, cx: &mut Cx<'_, P>, skipped: u64) {
        self.lose_wait(cx);
        let over = self.deferred.as_deref().is_some_and(PollResult::is_over);
        if over && self.stream.end.is_none() {
            let after = self.stream.sequence.last_decoded.unwrap_or(EventSeq(0));
            let before = EventSeq(after.0.saturating_add(skipped).saturating_add(1));
            cx.out.events.push(Event::Gap { after, before });
        }
    }

    /// Gives up the list for now, because it cannot be read on; it is requested again later.
    pub(in crate::task) fn list_unusable(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        self.stream.list.missing_since = Some(cx.env.now);
        self.end_backfill(cx, false)
    }

    /// Handles a page of the list that could not be read.
    pub(super) fn page_failed(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        if let Some(error) = access_lost(error) {
            let id = self.id.clone();
            return Move::End(Outcome::AccessLost { id, error });
        }
        let now = cx.env.now;
        let fresh = self.is_fresh(cx);
        let draw = cx.env.rng.u16(..);
        let over = self.deferred.as_deref().is_some_and(PollResult::is_over);
        let Some(fill) = &mut self.stream.backfill else {
            return Move::Stay;
        };
        let refused = is_refused(error, fresh);
        if refused && fill.cursor_of == CursorOrigin::EarlierBackfill {
            // The cursor is of no more use, but the list may be.
            **fill = Backfill::new(None, fill.since);
            self.stream.list.cursor = None;
            return Move::Stay;
        }
        let shapeless = matches!(error, AttemptError::Unreadable(error) if error.kind() == ReadErrorKind::Shape);
        if refused || (shapeless && fill.tries > 0) {
            // A server that refuses its own cursor does not let the list be read to its end either.
            return self.list_unusable(cx);
        }
        fill.tries += 1;
        if fill.tries == 1 {
            // Patience begins at the first failure: the first read alone may have taken as long.
            fill.since = now;
        }
        let wait = retry::wait(error, fill.tries, &cx.env.policy.retry, draw, now);
        let patience = if over {
            FILL_PATIENCE_AT_END
        } else {
            FILL_PATIENCE
        };
        let due = now.after(wait);
        // One wait that the server asked for is granted, however long it is.
        let asked = !over && fill.tries == 1 && error.retry_after(now).is_some();
        if due > fill.since.after(patience) && !asked {
            return self.end_backfill(cx, false);
        }
        fill.due = due;
        let attempt = fill.tries;
        if !error.is_local() {
            budget.take(false);
        }
        cx.out.events.push(Event::Retrying {
            attempt,
            failed: FailedAttempt::new(
                RetryReason::of(error),
                format!("the list of events: {error}"),
            ),
            until: due,
        });
        Move::Stay
    }

    /// Ends the backfill, complete or given up, and lets what waited for it continue.
    fn end_backfill(&mut self, cx: &mut Cx<'_, P>, complete: bool) -> Move<P::Output> {
        if let Some(fill) = self
            .stream
            .backfill
            .take_if(|fill| complete && fill.coverage == Coverage::Overtaken)
        {
            // Read once more from the newest page: now the list reaches up to where the connection begins.
            let past = fill.past;
            let fill = Backfill::new(self.stream.list.cursor.clone(), cx.env.now);
            self.stream.backfill = Some(Box::new(Backfill { past, ..fill }));
            return Move::Stay;
        }
        let (past, reached, skipped) = match self.stream.backfill.take() {
            Some(fill) => (fill.past, fill.reached, fill.skipped),
            None => (None, None, 0),
        };
        if skipped > 0 {
            self.stream.sequence.since_last = SinceLast::Unreadable;
        } else if complete {
            // The list has it, so the stream need not have brought it.
            self.stream.sequence.since_last = SinceLast::Readable;
        } else if self.stream.sequence.since_last == SinceLast::Unreadable {
            // Neither the stream nor the list says what it was.
            self.lose_wait(cx);
        }
        self.stream.list.last_backfill = match complete {
            true => LastBackfill::Complete,
            false => LastBackfill::Incomplete,
        };
        // Whether the list does not reach up to the first event of the connection: there may be a gap before it.
        let (deferred, unseen) = match self.stream.open_mut().and_then(Open::caught_up) {
            Some(Deferred::First(event)) => {
                let unseen = !complete || event.event.seq > reached;
                (Some(event), unseen)
            }
            Some(Deferred::Later(event)) => (Some(event), false),
            None => (None, false),
        };
        if complete || unseen {
            self.stream.sequence.caught_up(unseen);
        }
        if complete {
            self.recall(cx, past);
        }
        match deferred {
            Some(event) => self.take_contiguous(cx, *event),
            None if complete && skipped > 0 => self.take_skipped(cx, skipped),
            None => {}
        }
        let concluded = self.conclude_check(cx, complete);
        concluded.or_else(|| {
            match self.deferred.take() {
                Some(result) => return self.apply(cx, *result),
                None if self.stream.end.is_some() => {}
                None => self.poll_again(cx),
            }
            Move::Stay
        })
    }

    /// Restores the newest question if it was known before this process: another process reported it, or none did.
    fn recall(&mut self, cx: &mut Cx<'_, P>, past: Option<Question>) {
        let Some(question) = past.filter(|_| self.stream.asked.is_none()) else {
            return;
        };
        let delivered = self.writes.front().map(|write| &write.kind);
        // An answer to it may have been under way since before its events could not be read.
        let answered = matches!(delivered, Some(WriteKind::Answer { question: of, .. })
            if self.questions.get(&of.id).map_or(&of.id, |entry| entry.server_id()) == &question.id);
        let resolved = self.questions.is_resolved(&question.id) && !answered;
        if self.stream.end.is_none() && !resolved {
            self.take_wait(cx, question);
        }
    }
}
