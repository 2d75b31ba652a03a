//! What an event stream means for the task, and what its loss does not.

use std::time::Duration;

use bytes::Buf as _;

use crate::error::{ReadError, ReadErrorKind};
use crate::event::Event;
use crate::id::Position;
use crate::outcome::Outcome;
use crate::provider::{Beat, Finish, Item, Look, Provider, Reading};
use crate::question::{Question, WithdrawReason};
use crate::retry::{self, Trouble};
use crate::shared::Shared;
use crate::task::asks::Identity;
use crate::task::phase::Phase;
use crate::task::stream::{
    CONFIRM, CROSS_CHECK, Ending, FALLBACK, LULL, Loss, MAX_UNREADABLE, Open, QUIET, RETRY_RANGE,
    STALE, Sequel, StreamState, UPTIME, Wait,
};
use crate::task::{Lag, Task};
use crate::time::{Timestamp, millis};
use crate::why::{RetryReason, Why};

use super::{Report, access_lost};

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Stream,
    List,
}

/// What the open stream has next.
enum Next {
    Item(Box<Item>),
    /// Something that says nothing.
    Skipped,
    /// An event of this task, or of another.
    Unreadable {
        ours: bool,
    },
    TooLarge(String),
    Ended(Loss),
    Nothing,
}

/// Nothing shows whether anybody answered.
pub(super) fn moved_on(_: &Question) -> WithdrawReason {
    WithdrawReason::TaskMovedOn
}

/// The events show the task at work behind the one that asks, which it does not do without an answer.
fn by_event(question: &Question) -> WithdrawReason {
    match question.seq {
        Some(_) => WithdrawReason::AnsweredElsewhere,
        None => WithdrawReason::TaskMovedOn,
    }
}

impl<P: Provider> Task<P> {
    /// Takes the next thing out of the stream; true when it changed anything.
    pub(in crate::task) fn read_stream(&mut self, shared: &mut Shared) -> bool {
        if !P::CAPABILITIES.stream || !matches!(self.phase, Phase::Following(_)) {
            return false;
        }
        if self.settle_ending() {
            return true;
        }
        if self.stream.ending.is_some() {
            return false;
        }
        if self.stream.fill.is_some() {
            return self.peek_stream();
        }
        let now = self.now;
        let idle = self.policy.limits.stream_idle;
        let Some(open) = self.stream.open() else {
            return self.check_wait();
        };
        if now >= open.opened.after(UPTIME) {
            self.stream.failures = 0;
        }
        match self.next_of_stream() {
            Next::Item(item) => self.take_streamed(*item),
            Next::Skipped => {}
            Next::Unreadable { ours } => {
                self.stream.unreadable += 1;
                if ours {
                    self.skip_streamed();
                }
                if self.stream.unreadable >= MAX_UNREADABLE {
                    self.stream.failures = self.stream.failures.max(FALLBACK);
                    let why = format!("{MAX_UNREADABLE} events in a row could not be read");
                    self.cut(RetryReason::StreamUnusable, why, shared);
                }
            }
            Next::TooLarge(why) => {
                // One more try: then what is too large once is taken to be so for good.
                if self.stream.failures > 0 {
                    self.stream.failures = self.stream.failures.max(FALLBACK);
                }
                self.cut(RetryReason::StreamUnusable, why, shared);
            }
            Next::Ended(loss) => self.ended(loss, shared),
            Next::Nothing => return self.check_wait() || self.mind_silence(idle, shared),
        }
        true
    }

    /// The stream brought what cannot be read: the list may have it. Where there is none, nothing tells what followed.
    fn skip_streamed(&mut self) {
        self.stream.skipped = true;
        if let Some(open) = self.stream.open_mut() {
            open.covered = false;
        }
        if !self.has_list() {
            self.lose_wait();
        }
    }

    /// While the list is read: the stream's next event, which tells how far the list has to be.
    fn peek_stream(&mut self) -> bool {
        let idle = |open: &Open| open.held.is_none() && open.has_unread();
        if !self.stream.open().is_some_and(idle) {
            return false;
        }
        if let Next::Item(item) = self.next_of_stream()
            && let Some(open) = self.stream.open_mut()
        {
            open.carried = true;
            open.held = Some(*item);
        }
        true
    }

    fn next_of_stream(&mut self) -> Next {
        let id = self.id.as_ref();
        let id = id.expect("a stream is opened once the id is known");
        let worded = &mut self.stream.worded;
        let StreamState::Open(open) = &mut self.stream.state else {
            return Next::Nothing;
        };
        let Some(chunk) = open.chunks.front_mut() else {
            return match open.end.take() {
                Some(loss) => Next::Ended(loss),
                None => Next::Nothing,
            };
        };
        let mut rest: &[u8] = chunk;
        let before = rest.len();
        let mut altered = None;
        let next = match open.decoder.next_event(&mut rest) {
            Ok(Some(event)) => match self.provider.read_event(id, &event) {
                Ok(Some(item)) => {
                    let place = item.event.position;
                    let asks = matches!(item.beat, Beat::Asking(_));
                    let place = place.filter(|at| worded.differs(*at, event.data));
                    altered = place.map(|place| (place, asks));
                    Next::Item(Box::new(item))
                }
                Ok(None) => Next::Skipped,
                Err(error) => Next::Unreadable {
                    ours: error.kind() != ReadErrorKind::Foreign,
                },
            },
            Ok(None) => Next::Skipped,
            Err(too_large) => Next::TooLarge(too_large.to_string()),
        };
        let used = before - rest.len();
        chunk.advance(used);
        if chunk.is_empty() {
            open.chunks.pop_front();
        }
        // Once for each connection, but for what somebody is asked.
        if let Some((position, asks)) = altered
            && (asks || !std::mem::replace(&mut open.altered, true))
        {
            self.events.push(Event::Altered { position });
        }
        next
    }

    /// Nothing is there to read: for how long now?
    fn mind_silence(&mut self, idle: Duration, shared: &mut Shared) -> bool {
        let now = self.now;
        let Some(open) = self.stream.open() else {
            return false;
        };
        if open.silence(now) >= idle {
            let why = format!("nothing came for {} s", idle.as_secs());
            self.cut(RetryReason::StreamSilent, why, shared);
            return true;
        }
        if !open.covered && now >= open.opened.after(QUIET) && self.has_list() {
            // It may go on where the last one ended, and have nothing to tell; or it may not.
            self.begin_fill();
            return true;
        }
        false
    }

    /// An event of the open stream. The first of a connection tells whether the connection goes on where the last one
    /// ended; if it does not, the list is read before it is told. So it is where later numbers have a hole, unless holes
    /// are known to mean nothing.
    fn take_streamed(&mut self, item: Item) {
        self.stream.unreadable = 0;
        let position = item.event.position;
        let next = position.is_none_or(|position| self.stream.is_next(position));
        let has_list = self.has_list();
        let sparse = self.stream.sparse;
        let Some(open) = self.stream.open_mut() else {
            return;
        };
        let first = !std::mem::replace(&mut open.carried, true);
        if !next && has_list && !(open.covered && sparse) {
            open.held = Some(item);
            return self.begin_fill();
        }
        if first && next {
            self.stream.reopened = false;
        }
        if let Some(open) = self.stream.open_mut() {
            open.covered = true;
            open.told = true;
        }
        if first {
            // From now on reads are a cross-check.
            self.look_again(Look::Status, None);
        }
        self.take_streamed_item(item);
        self.put_off_check();
    }

    /// An event of the stream, when all that is known to have happened before was told.
    pub(super) fn take_streamed_item(&mut self, item: Item) {
        let skipped = std::mem::take(&mut self.stream.skipped);
        self.take_item(item, From::Stream, skipped);
    }

    /// What may have been the task's next step could not be read: what it waits for is not known any more. That proves
    /// nothing about an answer.
    pub(super) fn lose_wait(&mut self) {
        if self.stream.wait.take().is_some() {
            self.asks.withdraw(moved_on, &mut self.events);
            self.mode();
        }
    }

    /// While events come the task need not be read, but for the cross-check.
    fn put_off_check(&mut self) {
        let lull = self.now.after(LULL);
        let read = self.looked.or(self.started);
        let check = read.map_or(lull, |read| read.after(CROSS_CHECK));
        if let Phase::Following(following) = &mut self.phase
            && following.due > self.now
        {
            following.due = lull.min(check).max(self.now);
            following.why = Why::CrossCheck;
        }
    }

    /// An event. Whether something before it was `skipped`, because it could not be read.
    pub(super) fn take_item(&mut self, item: Item, from: From, skipped: bool) {
        let position = item.event.position;
        match (position, self.stream.decoded) {
            (Some(position), Some(decoded)) if position <= decoded => return,
            (Some(before), decoded) if skipped && !self.stream.is_next(before) => {
                self.stream.reopened = false;
                let after = decoded.unwrap_or(Position(0));
                self.lose_wait();
                self.events.push(Event::Gap { after, before });
            }
            (Some(position), Some(_)) if from == From::List => {
                self.stream.sparse |= !self.stream.is_next(position);
            }
            (Some(position), Some(after)) => {
                let reopened = std::mem::take(&mut self.stream.reopened);
                if reopened && !self.stream.is_next(position) {
                    let before = position;
                    self.events.push(Event::Gap { after, before });
                }
            }
            // Before the very first nothing was told that it could leave a gap to.
            (Some(_), None) => self.stream.reopened = false,
            (None, _) => {}
        }
        if self.stream.ending.is_some() {
            // The first end stands; what follows it is not told.
            return;
        }
        if let Some(position) = position
            && from == From::Stream
            && !self.stream.sparse
            && !self.stream.is_next(position)
        {
            // What it left out may have asked.
            self.stream.no_wait_since = position;
        }
        self.stream.decoded = self.stream.decoded.max(position);
        if from == From::Stream {
            self.stream.failures = 0;
        }
        self.signs.observed = Some(self.now);
        self.signs.progressed = Some(self.now);
        if let Some((from, to)) = item.moved
            && self
                .last_status
                .as_ref()
                .is_some_and(|last| last.raw == from.raw)
        {
            self.note(to);
        }
        match item.beat {
            Beat::Neutral => {}
            Beat::Working => {
                self.stream.close_wait(Sequel::Worked);
                self.asks.withdraw(by_event, &mut self.events);
                self.asks.pass();
            }
            Beat::Asking(mut question) => {
                question.unseen_after = Some(self.stream.no_wait_since);
                self.stream.no_wait_since = question.seq.unwrap_or_default();
                self.take_wait(question);
            }
            Beat::Ending(finish) => {
                self.stream.close_wait(match finish {
                    Finish::Succeeded => Sequel::Worked,
                    Finish::Failed(_) => Sequel::Failed,
                    Finish::Stopped(_) => Sequel::Stopped,
                });
                self.stream.ending = Some(Ending {
                    finish,
                    event: item.event.clone(),
                    doubted: None,
                    tries: 0,
                    reply: None,
                });
                self.asks.withdraw(moved_on, &mut self.events);
                self.look_now();
            }
        }
        self.events.push(Event::Provider(item.event));
        self.mode();
    }

    // --- a question in the stream --------------------------------------------------------------------------------

    /// The newest event asks. It may be history, so it is told later; unless it is what a read has already shown.
    pub(super) fn take_wait(&mut self, question: Question) {
        if self
            .stream
            .wait
            .as_ref()
            .is_some_and(|wait| wait.question.id != question.id)
        {
            self.stream.close_wait(Sequel::AskedAgain);
        }
        let mut wait = Wait::new(question, self.now);
        let known = self
            .asks
            .identify(&wait.question, self.lag != Lag::None, &mut self.events);
        wait.told = known != Identity::New;
        wait.doubtful = known == Identity::Settled;
        if !wait.told {
            self.asks
                .withdraw(|_| WithdrawReason::Superseded, &mut self.events);
        }
        self.stream.wait = Some(wait);
    }

    /// After a while without events the task is read, which judges whether the question is one.
    fn check_wait(&mut self) -> bool {
        let Some(wait) = self.stream.wait.as_ref() else {
            return false;
        };
        let quiet = self.quiet_from(wait.since).after(QUIET);
        if wait.told || wait.checked || self.now < quiet || self.exchange_is_underway() {
            return false;
        }
        if let Some(wait) = self.stream.wait.as_mut() {
            wait.checked = true;
        }
        self.look_now();
        true
    }

    /// Since when nothing has followed an event of this time: while the driver did not read, something may have.
    pub(in crate::task) fn quiet_from(&self, since: Timestamp) -> Timestamp {
        match self.stream.open() {
            Some(open) => since.max(open.listening.unwrap_or(self.now)),
            None => since,
        }
    }

    /// The task says that it waits, and that its events tell for what.
    pub(super) fn ask_as_events_tell(&mut self) {
        let now = self.now;
        self.stream.unexplained = false;
        let believed = self.lag == Lag::None || self.has_lagged_too_long();
        match &mut self.stream.wait {
            Some(wait) if wait.told && wait.doubtful && now >= wait.since.after(STALE) => {
                // Nothing has come of the answer that it was taken to have: it is a question of its own.
                self.asks.part(&wait.question.id);
                wait.doubtful = false;
                wait.told = false;
                self.ask_as_events_tell();
            }
            Some(wait) if wait.told => {}
            // Nothing had followed it for a while when this read was made.
            Some(wait) if wait.checked => {
                wait.told = true;
                let question = wait.question.clone();
                let question = self
                    .provider
                    .explain(question, self.stream.steps.as_slice());
                self.stream.steps.clear();
                self.asks.offer(
                    vec![question],
                    |_| WithdrawReason::Superseded,
                    &mut self.events,
                );
            }
            // Told once nothing has followed it for a while.
            Some(_) => {}
            // After an answer of ours a status may be stale for any time; before one, it means what it says.
            None if believed => {
                self.stream.unexplained = true;
                let open = self.asks.open().any(|question| question.stand_in);
                if !open {
                    let looks = if self.has_list() && self.stream.listed {
                        6
                    } else {
                        3
                    };
                    let task = self.id.as_ref().expect("a task that is read has an id");
                    let after = self.stream.decoded;
                    self.asks
                        .offer_stand_in(task, after, looks, &mut self.events);
                }
            }
            None => {}
        }
    }

    /// Whether a status that has not moved since our answer can no longer be stale: the task waits again, for something
    /// that no event told. Where there are events, one has to show that the answer was taken.
    fn has_lagged_too_long(&self) -> bool {
        let since = match self.lag {
            Lag::Delivered(since) => since,
            Lag::None | Lag::Said(_) => return false,
        };
        let has_events = self.has_list() || self.stream.open().is_some();
        let progressed = self.signs.progressed.unwrap_or(since).max(since);
        (!has_events || progressed > since) && self.now >= progressed.after(STALE)
    }

    /// A read says that the task works: what it asked is asked no more, or its events are ahead of its status.
    pub(super) fn unask(&mut self) {
        self.asks.withdraw(moved_on, &mut self.events);
        if let Some(wait) = &mut self.stream.wait
            && !self.asks.is_settled(&wait.question.id)
        {
            wait.told = false;
        }
    }

    // --- an end in the stream ------------------------------------------------------------------------------------

    /// Whether this reading contradicts the event that ended the task; then the task is read again.
    pub(super) fn contradicts_ending(&mut self, reading: &Reading<P::Output>) -> bool {
        if !P::CAPABILITIES.stream || self.stream.ending.is_none() {
            return false;
        }
        match reading {
            Reading::Pending(status)
            | Reading::Unknown(status)
            | Reading::Paused(status)
            | Reading::Waiting(status) => self.note(status.clone()),
            Reading::Asking(_) | Reading::Unclear | Reading::NotAsking => {}
            Reading::Ready(_)
            | Reading::Succeeded(..)
            | Reading::Failed(_)
            | Reading::Stopped(_)
            | Reading::Next(..)
            | Reading::Events(_) => return false,
        }
        self.read_again_after_ending();
        true
    }

    pub(super) fn read_again_after_ending(&mut self) {
        let Some(ending) = &mut self.stream.ending else {
            return;
        };
        let wait = Duration::from_secs(1 << ending.tries.min(3));
        ending.tries += 1;
        ending.doubted.get_or_insert(self.now);
        let due = self.now.after(wait);
        if let Phase::Following(following) = &mut self.phase {
            following.next = Look::Status;
            following.due = due;
            following.why = Why::Confirm;
        }
    }

    /// The event stands when no read has agreed for long enough.
    fn settle_ending(&mut self) -> bool {
        let overdue = |doubted: Timestamp| self.now >= doubted.after(CONFIRM);
        let doubted = self.stream.ending.as_ref();
        let doubted = doubted.and_then(|ending| ending.doubted);
        // What was read while the list was read is judged first.
        let busy = self.exchange_is_underway() || self.stream.fill.is_some() || self.held.is_some();
        if busy || !doubted.is_some_and(overdue) {
            return false;
        }
        let Some(ending) = self.stream.ending.take() else {
            return false;
        };
        // A status of before the event contradicts nothing.
        let read = ending.reply.as_ref();
        let status = read.and_then(|_| self.last_status.clone());
        let reads = match &status {
            Some(status) => format!("still says {status}"),
            None => "failed for".to_owned(),
        };
        let (patience, name) = (CONFIRM.as_secs(), ending.event.name.clone());
        let why = format!("its own read {reads} {patience} s after the event {name}");
        let event = name;
        self.events.push(Event::Unconfirmed { event, status });
        let id = self.known_id().clone();
        match ending.finish {
            Finish::Succeeded => {
                let output = self
                    .provider
                    .unconfirmed(&id, ending.reply.as_ref(), &ending.event);
                self.leave(Sequel::Worked);
                self.end(match output {
                    Some(output) => Outcome::Succeeded { id, output },
                    None => Outcome::ResultUnavailable { id, why },
                });
            }
            Finish::Failed(fault) => self.stand(crate::task::phase::Ending::Failed(fault), why),
            Finish::Stopped(fault) => self.stand(crate::task::phase::Ending::Stopped(fault), why),
        }
        true
    }

    // --- the connection ------------------------------------------------------------------------------------------

    pub(in crate::task) fn look_now(&mut self) {
        if let Phase::Following(following) = &mut self.phase {
            following.next = Look::Status;
            following.due = self.now;
            following.why = Why::Pace;
        }
    }

    /// The stream ended by itself.
    fn ended(&mut self, loss: Loss, shared: &mut Shared) {
        let due = self.lost(loss, shared);
        self.stream.enter(StreamState::Closed { due });
    }

    /// The stream is of no more use: the driver has to let go of it.
    fn cut(&mut self, reason: RetryReason, why: String, shared: &mut Shared) {
        let Some(id) = self.stream.open().map(|open| open.id) else {
            return;
        };
        let due = self.lost(Loss { reason, why }, shared);
        self.stream.enter(StreamState::Closing { id, due });
    }

    /// The stream is gone, whatever way: the task is read, which judges, and the stream is reopened after a backoff.
    fn lost(&mut self, loss: Loss, shared: &mut Shared) -> Timestamp {
        self.stream.failures = self.stream.failures.saturating_add(1);
        let asked = self.stream.open().and_then(|open| open.decoder.retry());
        let asked = asked.map(|asked| asked.clamp(RETRY_RANGE.0, RETRY_RANGE.1));
        let due = self.stream_backoff(asked, shared);
        self.events.push(Event::Retrying {
            attempt: self.stream.failures,
            reason: loss.reason,
            why: loss.why,
            until: due,
        });
        self.look_now();
        due
    }

    pub(in crate::task) fn judge_unopened(&mut self, report: Report, shared: &mut Shared) {
        let mut absent = false;
        let trouble = match report {
            Ok(reply) if reply.status().is_success() => {
                // An empty reply is how a server says that it wants no more of this.
                absent = reply.status().as_u16() == 204 || self.stream.failures > 0;
                Trouble::Unreadable(ReadError::new(
                    ReadErrorKind::Shape,
                    format!(
                        "expected an event stream, got {}",
                        reply
                            .head
                            .media_type()
                            .unwrap_or_else(|| "a reply without a type".to_owned())
                    ),
                ))
            }
            Ok(reply) => Trouble::Refused(Box::new(reply)),
            Err(failure) => Trouble::Wire(failure),
        };
        if let Some(error) = access_lost(&trouble) {
            let id = self.known_id().clone();
            self.stream.enter(StreamState::Closed {
                due: Timestamp::MAX,
            });
            return self.end(Outcome::AccessLost { id, error });
        }
        absent |= trouble
            .status()
            .is_some_and(|status| match status.as_u16() {
                404 => !self.is_fresh(),
                405 | 406 | 410 | 501 => true,
                _ => false,
            });
        self.stream.failures = self.stream.failures.saturating_add(1);
        let due = if absent {
            self.stream.missing = true;
            self.now.after(CROSS_CHECK)
        } else {
            let draw = self.rng.u16(..);
            let asked = retry::asked(&trouble, &self.policy.retry, draw, self.now);
            self.stream_backoff(asked, shared)
        };
        self.stream.enter(StreamState::Closed { due });
        self.events.push(Event::Retrying {
            attempt: self.stream.failures,
            reason: RetryReason::of(&trouble),
            why: trouble.to_string(),
            until: due,
        });
        self.look_now();
    }

    /// When to reconnect: after our own backoff, or what was asked for when that is longer.
    fn stream_backoff(&mut self, asked: Option<Duration>, shared: &mut Shared) -> Timestamp {
        let draw = self.rng.u16(..);
        let ceiling = self.policy.retry.ceiling(self.stream.failures);
        let own = if shared.take(false) {
            ceiling / 2 + ceiling / 2 * u64::from(draw) / u64::from(u16::MAX)
        } else {
            millis(retry::put_off(&self.policy.retry, draw))
        };
        let wait = own.max(asked.map_or(0, millis));
        self.now.after(Duration::from_millis(wait))
    }
}
