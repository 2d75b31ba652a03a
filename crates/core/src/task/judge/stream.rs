//! What an event stream means for the task, and what the loss of the stream does not mean.

use std::time::Duration;

use bytes::Buf as _;

use crate::budget::OriginBudget;
use crate::error::{ErrorClass, ReadError, ReadErrorKind};
use crate::event::{Event, RawEvent, Status};
use crate::id::{EventSeq, TaskId};
use crate::outcome::{Outcome, UnavailableReason};
use crate::provider::{
    EventKind, PollResult, Provider, StreamEvent, StreamSnapshot, UnconfirmedEnd,
};
use crate::question::{Question, WithdrawReason};
use crate::reason::{FailedAttempt, RetryReason, WaitReason};
use crate::retry::{self, AttemptError};
use crate::sse;
use crate::task::TurnState;
use crate::task::follow::{Cx, Follow, StatusFreshness};
use crate::task::link::Read;
use crate::task::phase::{Move, Terminal};
use crate::task::questions::KnownAs;
use crate::task::stream::asked::{AskedChange, AskedInStream, AskedState, LastWait};
use crate::task::stream::health::{Availability, MAX_UNREADABLE, UPTIME};
use crate::task::stream::list::{Coverage, LastBackfill};
use crate::task::stream::open::{Continuity, Open};
use crate::task::stream::sequence::{Arrival, EventOrigin, Gaps, Joint, SinceLast};
use crate::task::stream::timers::{StreamTimer, Timer};
use crate::task::stream::{
    Aftermath, CONFIRM, CROSS_CHECK, EndConfirmation, Interruption, LULL, RETRY_RANGE, STALE,
    StreamState,
};
use crate::time::{Timestamp, millis};

use super::{Report, access_lost};

/// What the open stream brings next.
enum NextEvent<O> {
    Event(Box<StreamEvent>),
    /// The whole task.
    Snapshot(Box<StreamSnapshot<O>>),
    /// Something that says nothing about the task.
    Skipped,
    /// An event that cannot be read, of this task or of another.
    Unreadable(ReadErrorKind),
    TooLarge(String),
    Ended(FailedAttempt),
    Nothing,
}

/// Reads an event as the whole task, if it may be that.
fn snapshot_of<P: Provider>(
    cx: &Cx<'_, P>,
    id: &TaskId,
    event: &sse::Event<'_>,
    may_be_whole: bool,
) -> Option<NextEvent<P::Output>> {
    if !may_be_whole {
        return None;
    }
    match cx.env.provider.read_snapshot(id, event) {
        Ok(snapshot) => Some(NextEvent::Snapshot(Box::new(snapshot?))),
        Err(error) => Some(NextEvent::Unreadable(error.kind())),
    }
}

/// Returns the reason if nothing shows whether anybody answered.
pub(super) fn moved_on(_: &Question) -> WithdrawReason {
    WithdrawReason::TaskMovedOn
}

/// Returns the reason if the events show the task at work after the one that asks, which only an answer makes possible.
fn by_event(question: &Question) -> WithdrawReason {
    match question.seq {
        Some(_) => WithdrawReason::AnsweredElsewhere,
        None => WithdrawReason::TaskMovedOn,
    }
}

impl<P: Provider> Follow<P> {
    /// Reads the next thing from the stream; returns how it moves the task, and `None` if nothing changed.
    pub(in crate::task) fn read_stream(
        &mut self,
        cx: &mut Cx<'_, P>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        if self.stream.end.is_none() {
            if self.stream.backfill.is_some() {
                return self.peek_stream(cx, budget);
            }
            if let Some(next) = self.take_from_stream(cx, budget) {
                return Some(next);
            }
        }
        self.fire(cx, budget)
    }

    /// Does what the stream region does by itself now; returns how it moves the task, and `None` if nothing is due.
    fn fire(&mut self, cx: &mut Cx<'_, P>, budget: &OriginBudget) -> Option<Move<P::Output>> {
        let now = cx.env.now;
        let is_busy = cx.link.is_busy();
        let is_due = |timer: &Timer| timer.at <= now && !(is_busy && timer.act.waits_for_reply());
        let timer = self.stream_timers(cx.env).find(is_due)?;
        match timer.act {
            StreamTimer::ConfirmQuestion => {
                if let Some(asked) = &mut self.stream.asked {
                    asked.change(AskedChange::NothingFollowed);
                }
                self.poller.poll_now(now);
            }
            StreamTimer::DropSilent => {
                let idle = cx.env.policy.limits.stream_idle;
                let why = format!("nothing came for {} s", idle.as_secs());
                self.cut(cx, RetryReason::StreamSilent, why, budget);
            }
            StreamTimer::CompareWithList => self.begin_backfill(cx),
            StreamTimer::AcceptEnd => return Some(self.accept_end(cx)),
        }
        Some(Move::Stay)
    }

    /// Reads the next thing from the open stream; returns how it moves the task, and `None` if there was nothing.
    fn take_from_stream(
        &mut self,
        cx: &mut Cx<'_, P>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        let open = self.stream.open()?;
        if cx.env.now >= open.opened.after(UPTIME) {
            self.stream.health.failures = 0;
        }
        let next = self.next_of_stream(cx);
        self.take_next(cx, next, budget)
    }

    /// Takes what the open stream brings next; returns how it moves the task, and `None` if there was nothing.
    fn take_next(
        &mut self,
        cx: &mut Cx<'_, P>,
        next: NextEvent<P::Output>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        match next {
            NextEvent::Snapshot(snapshot) => {
                budget.succeeded();
                return Some(self.take_snapshot(cx, *snapshot));
            }
            NextEvent::Event(event) => self.take_streamed(cx, event),
            NextEvent::Skipped => {}
            NextEvent::Unreadable(kind) => {
                self.stream.health.unreadable += 1;
                if kind != ReadErrorKind::Foreign {
                    self.skip_streamed(cx);
                }
                if self.stream.health.unreadable >= MAX_UNREADABLE {
                    self.stream.health.fall_back();
                    let why = format!("{MAX_UNREADABLE} events in a row could not be read");
                    self.cut(cx, RetryReason::StreamUnusable, why, budget);
                }
            }
            NextEvent::TooLarge(why) => {
                // Try once more: what is too large twice will always be.
                if self.stream.health.failures > 0 {
                    self.stream.health.fall_back();
                }
                self.cut(cx, RetryReason::StreamUnusable, why, budget);
            }
            NextEvent::Ended(loss) => self.ended(cx, loss, budget),
            NextEvent::Nothing => return None,
        }
        Some(Move::Stay)
    }

    /// Notes an unreadable event: the list may contain it. Without a list, nothing says what followed.
    fn skip_streamed(&mut self, cx: &mut Cx<'_, P>) {
        self.recheck(cx);
        self.stream.sequence.since_last = SinceLast::Unreadable;
        if let Some(fill) = &mut self.stream.backfill {
            // The pages that were read may be older than this event.
            fill.coverage = Coverage::Overtaken;
        }
        if let Some(open) = self.stream.open_mut() {
            open.continuity = Continuity::Unproven;
        }
        if !self.has_list(cx.env) {
            self.lose_wait(cx);
        }
    }

    /// During a backfill, reads the stream's next event: it shows how far the list has to be read.
    fn peek_stream(
        &mut self,
        cx: &mut Cx<'_, P>,
        budget: &OriginBudget,
    ) -> Option<Move<P::Output>> {
        let idle = |open: &Open| open.deferred().is_none() && open.has_unread();
        if !self.stream.open().is_some_and(idle) {
            return None;
        }
        match (self.next_of_stream(cx), self.stream.open_mut()) {
            (NextEvent::Event(event), Some(open)) => {
                open.defer(event);
                Some(Move::Stay)
            }
            (next, _) => self.take_next(cx, next, budget),
        }
    }

    fn next_of_stream(&mut self, cx: &mut Cx<'_, P>) -> NextEvent<P::Output> {
        let id = &self.id;
        let stream = &mut *self.stream;
        let seen_digests = &mut stream.sequence.seen_digests;
        let StreamState::Open(open) = &mut stream.state else {
            return NextEvent::Nothing;
        };
        let may_be_whole = cx.env.can().snapshots && !open.has_events();
        let Some(chunk) = open.chunks.front_mut() else {
            return match open.end.take() {
                Some(failed) => NextEvent::Ended(failed),
                None => NextEvent::Nothing,
            };
        };
        let mut rest: &[u8] = chunk;
        let before = rest.len();
        let mut altered = None;
        let next = match open.decoder.next_event(&mut rest) {
            Ok(Some(sse)) if let Some(next) = snapshot_of(cx, id, &sse, may_be_whole) => {
                let said = cx.env.provider.words_beside_status(sse.data.as_bytes());
                said.into_iter().for_each(|event| stream.recent.push(event));
                next
            }
            Ok(Some(sse)) => match cx.env.provider.read_event(id, &sse) {
                Ok(Some(event)) => {
                    let place = event.event.seq;
                    let is_asking = matches!(event.kind, EventKind::Asking(_));
                    let place = place.filter(|at| seen_digests.differs(*at, sse.data));
                    altered = place.map(|place| (place, is_asking));
                    NextEvent::Event(Box::new(event))
                }
                Ok(None) => NextEvent::Skipped,
                Err(error) => NextEvent::Unreadable(error.kind()),
            },
            Ok(None) => NextEvent::Skipped,
            Err(too_large) => NextEvent::TooLarge(too_large.to_string()),
        };
        let used = before - rest.len();
        chunk.advance(used);
        if chunk.is_empty() {
            open.chunks.pop_front();
        }
        // Reported once per connection, except for an event that asks somebody a question.
        if let Some((position, is_asking)) = altered
            && (is_asking || open.replays_altered())
        {
            cx.out.events.push(Event::Altered { position });
        }
        next
    }

    /// Handles the whole task as the first event of a connection: it counts as a read, and nothing is missing before it
    /// but what happened while no connection was open.
    fn take_snapshot(
        &mut self,
        cx: &mut Cx<'_, P>,
        snapshot: StreamSnapshot<P::Output>,
    ) -> Move<P::Output> {
        let StreamSnapshot {
            result,
            status,
            output,
        } = snapshot;
        self.stream.health.unreadable = 0;
        if let Some(open) = self.stream.open_mut() {
            open.report();
        }
        let known = self.status.as_ref().map(|last| &last.raw);
        let has_moved = status.as_ref().map(|now| &now.raw) != known;
        let may_miss = match std::mem::replace(&mut self.stream.interruption, Interruption::Joined)
        {
            Interruption::Lost => true,
            Interruption::AtRest => has_moved,
            Interruption::None | Interruption::Joined => false,
        };
        if may_miss {
            cx.out.events.push(Event::PossibleGap);
        }
        cx.env.liveness.last_reply_at = Some(cx.env.now);
        self.poller.succeeded();
        for piece in output {
            cx.out.events.push(Event::Output(piece));
        }
        match self.turn.as_ref().map(|turn| &turn.state) {
            // What is shown may be from before the message; a read with its proof decides.
            Some(TurnState::Baseline | TurnState::Unproven { .. } | TurnState::Sending { .. }) => {
                self.poll_again(cx);
                Move::Stay
            }
            Some(TurnState::Proven | TurnState::Lost { .. } | TurnState::Undelivered { .. })
            | None => {
                if let Some(status) = &status {
                    self.record_status(cx, status);
                }
                self.stream.rests = result.rests();
                cx.cancel.see(result.is_over(), cx.out);
                let next = self.defer_or_apply(cx, result);
                self.update_clock(cx);
                next
            }
        }
    }

    /// Handles an event of the open stream. The first event of a connection shows whether the stream is contiguous with
    /// the last connection; if not, the list is read before the event is reported. The same holds for a later gap in
    /// the sequence, unless gaps are known to mean nothing.
    fn take_streamed(&mut self, cx: &mut Cx<'_, P>, event: Box<StreamEvent>) {
        self.stream.health.unreadable = 0;
        let sequence = &self.stream.sequence;
        let next = event.event.seq.is_none_or(|seq| sequence.is_next(seq));
        let sparse = sequence.gaps == Gaps::Normal;
        let has_list = self.has_list(cx.env);
        let Some(open) = self.stream.open_mut() else {
            return;
        };
        let first = !open.has_events();
        let proven = open.continuity == Continuity::Proven;
        if !next && has_list && !(proven && sparse) {
            open.defer(event);
            return self.begin_backfill(cx);
        }
        open.report();
        if first && next {
            self.stream.sequence.joint = Joint::Same;
        }
        if first {
            // From now on status polls only cross-check the stream.
            self.poll_again(cx);
        }
        self.take_contiguous(cx, *event);
        self.postpone_check(cx);
    }

    /// Handles an event of the stream once everything known to have happened before it was reported.
    pub(super) fn take_contiguous(&mut self, cx: &mut Cx<'_, P>, event: StreamEvent) {
        let sequence = &mut self.stream.sequence;
        let is_known = event.event.seq.is_some() && event.event.seq <= sequence.last_decoded;
        let before = match is_known {
            // It says nothing about what came after the last event.
            true => sequence.since_last,
            false => std::mem::replace(&mut sequence.since_last, SinceLast::Readable),
        };
        self.take_event(cx, event, EventOrigin::Stream, before);
    }

    /// Has an answer checked again that may be sent: something has come since its check.
    pub(in crate::task) fn recheck(&mut self, cx: &mut Cx<'_, P>) {
        if self.writes.recheck(cx.env.now) {
            cx.link.take_back();
        }
    }

    /// Forgets what the task waits for, because what followed could not be read. That proves nothing about an answer.
    pub(super) fn lose_wait(&mut self, cx: &mut Cx<'_, P>) {
        self.recheck(cx);
        if self.stream.asked.take().is_some() {
            self.questions.withdraw(moved_on, &mut cx.out.events);
            self.update_clock(cx);
        }
    }

    /// Postpones the cross-check: while events arrive, the task need not be polled otherwise.
    fn postpone_check(&mut self, cx: &mut Cx<'_, P>) {
        let lull = cx.env.now.after(LULL);
        let read = self.poller.last_polled_at.or(self.created_at);
        let check = read.map_or(lull, |read| read.after(CROSS_CHECK));
        if self.poller.planned().due > cx.env.now {
            let due = lull.min(check).max(cx.env.now);
            self.poller.postpone(due, WaitReason::CrossCheck);
        }
    }

    /// Handles an event. `before` says what came between it and the last one.
    pub(super) fn take_event(
        &mut self,
        cx: &mut Cx<'_, P>,
        event: StreamEvent,
        from: EventOrigin,
        before: SinceLast,
    ) {
        let seq = event.event.seq;
        match self.stream.sequence.arrive(seq, from, before) {
            Arrival::Known => return,
            Arrival::InOrder => {}
            Arrival::AfterGap { after, before } => {
                cx.out.events.push(Event::Gap { after, before });
            }
            Arrival::AfterUnreadable { after, before } => {
                self.lose_wait(cx);
                cx.out.events.push(Event::Gap { after, before });
            }
        }
        if self.stream.end.is_some() {
            // The first end counts; later events are not reported.
            return;
        }
        if let Some(seq) = seq
            && from == EventOrigin::Stream
            && self.stream.sequence.may_hide(seq)
        {
            // An event in the gap may have shown the task at work, or asked something else.
            self.lose_wait(cx);
            self.stream.no_wait_since = seq;
        }
        let sequence = &mut self.stream.sequence;
        sequence.last_decoded = sequence.last_decoded.max(seq);
        if from == EventOrigin::Stream {
            self.stream.health.failures = 0;
        }
        cx.env.liveness.last_reply_at = Some(cx.env.now);
        cx.env.liveness.last_change_at = Some(cx.env.now);
        if let Some((from, to)) = &event.status_change
            && self
                .status
                .as_ref()
                .is_some_and(|last| last.raw == from.raw)
        {
            self.record_status(cx, to);
        }
        self.judge_event(cx, event.kind, &event.event);
        if let Some(piece) = event.output {
            cx.out.events.push(Event::Output(piece));
        }
        cx.out.events.push(Event::Provider(event.event));
        self.update_clock(cx);
    }

    /// Judges what an event says about the task.
    fn judge_event(&mut self, cx: &mut Cx<'_, P>, kind: EventKind, event: &RawEvent) {
        // An answer may have been checked a moment ago and not have left: whatever the task does now, it is checked again.
        if !matches!(kind, EventKind::Neutral) {
            self.recheck(cx);
        }
        match kind {
            EventKind::Neutral => {}
            EventKind::Status { status, rests } => self.take_status(cx, &status, rests),
            EventKind::Working => {
                self.stream.close_asked(Aftermath::Worked);
                if let Some(seq) = event.seq {
                    // A stand-in from before it is no question from after it.
                    self.stream.no_wait_since = self.stream.no_wait_since.max(seq);
                }
                self.questions.withdraw(by_event, &mut cx.out.events);
                self.questions.worked();
            }
            EventKind::Asking(mut question) => {
                question.unseen_after = Some(self.stream.no_wait_since);
                self.stream.no_wait_since = question.seq.unwrap_or_default();
                self.take_wait(cx, question);
            }
            EventKind::Ended(end) => {
                self.stream.close_asked(Aftermath::of_end(&end));
                self.stream.end = Some(Box::new(EndConfirmation {
                    end,
                    event: event.clone(),
                    contradicted_at: None,
                    tries: 0,
                    reply: None,
                }));
                self.questions.withdraw(moved_on, &mut cx.out.events);
                self.poller.poll_now(cx.env.now);
            }
        }
    }

    /// Handles a status that an event tells: a read says what it means, if it is news and the task rests or rested.
    fn take_status(&mut self, cx: &mut Cx<'_, P>, status: &Status, rests: bool) {
        let rested = std::mem::replace(&mut self.stream.rests, rests);
        let known = self.status.as_ref().map(|last| &last.raw);
        let is_news = known != Some(&status.raw);
        self.record_status(cx, status);
        if is_news && (rests || rested || !self.questions.is_empty()) {
            self.poller.poll_now(cx.env.now);
        }
    }

    // --- a question in the stream --------------------------------------------------------------------------------

    /// Handles an event that asks. It may be history, so the question is reported later, unless a read has shown it
    /// already.
    pub(super) fn take_wait(&mut self, cx: &mut Cx<'_, P>, question: Question) {
        if self
            .stream
            .asked
            .as_ref()
            .is_some_and(|wait| wait.question.id != question.id)
        {
            self.stream.close_asked(Aftermath::AskedAgain);
        }
        let known = self.questions.identify(
            &question,
            self.freshness != StatusFreshness::Current,
            &mut cx.out.events,
        );
        if known == KnownAs::New {
            self.questions
                .withdraw(|_| WithdrawReason::Superseded, &mut cx.out.events);
        }
        let asked = AskedInStream::new(question, known, cx.env.now);
        self.stream.asked = Some(Box::new(asked));
    }

    /// Handles a read that says that the task waits for what its events name.
    pub(super) fn ask_as_events_tell(&mut self, cx: &mut Cx<'_, P>) {
        let now = cx.env.now;
        self.stream.last_wait = LastWait::Named;
        let Some(wait) = &mut self.stream.asked else {
            return self.ask_without_event(cx);
        };
        match wait.state() {
            // The answer that it was taken to have has had no effect, so it is a question of its own.
            AskedState::ToldAsStandIn if now >= wait.since().after(STALE) => {
                wait.change(AskedChange::AnswerWithoutEffect);
                self.questions.unlink(&wait.question.id);
            }
            // Nothing had followed it for a while when this read was made.
            AskedState::Confirming => {
                wait.change(AskedChange::SeenWaiting);
                let question = wait.question.clone();
                let question = cx
                    .env
                    .provider
                    .add_context(question, self.stream.recent.as_slice());
                self.stream.recent.clear();
                self.questions.offer(
                    vec![question],
                    |_| WithdrawReason::Superseded,
                    &mut cx.out.events,
                );
            }
            // It is reported once nothing has followed it for a while, or was.
            AskedState::Quiet
            | AskedState::Told
            | AskedState::ToldBefore
            | AskedState::ToldAsStandIn => {}
        }
    }

    /// Handles a read that says that the task waits although no event names what for: a stand-in is asked.
    fn ask_without_event(&mut self, cx: &mut Cx<'_, P>) {
        // After an answer of ours the status may stay stale for any time; before one, it is reliable.
        if self.freshness != StatusFreshness::Current && !self.is_stale_too_long(cx) {
            return;
        }
        self.stream.last_wait = LastWait::Unnamed;
        if self.questions.open().any(|question| question.stand_in) {
            return;
        }
        let is_complete =
            self.has_list(cx.env) && self.stream.list.last_backfill == LastBackfill::Complete;
        let reads = if is_complete { 6 } else { 3 };
        let after = self.stream.sequence.last_decoded;
        self.questions
            .offer_stand_in(&self.id, after, reads, &mut cx.out.events);
    }

    /// Returns whether a status that has not changed since our answer is too old to be stale: then the task waits
    /// again, for something that no event named. On a platform with events, one of them has to show that the answer was
    /// applied.
    fn is_stale_too_long(&self, cx: &Cx<'_, P>) -> bool {
        let since = match self.freshness {
            StatusFreshness::StaleSince(since) => since,
            StatusFreshness::Current | StatusFreshness::AwaitingConfirmation(_) => return false,
        };
        let has_events = self.has_list(cx.env) || self.stream.open().is_some();
        let progressed = cx.env.liveness.last_change_at.unwrap_or(since).max(since);
        (!has_events || progressed > since) && cx.env.now >= progressed.after(STALE)
    }

    /// Handles a read that says that the task works: its question is no longer open, or its events are ahead of its
    /// status.
    pub(super) fn withdraw_asked(&mut self, cx: &mut Cx<'_, P>) {
        if !self.questions.is_empty() && self.questions.open().any(|question| question.stand_in) {
            // It stands for no question that an event asks from here on.
            let last = self.stream.sequence.last_decoded.unwrap_or_default();
            let next = EventSeq(last.0.saturating_add(1));
            self.stream.no_wait_since = self.stream.no_wait_since.max(next);
        }
        self.questions.withdraw(moved_on, &mut cx.out.events);
        // A task that is only polled has no stream to note anything in, and needs none.
        if self.stream.last_wait != LastWait::Named {
            self.stream.last_wait = LastWait::Named;
        }
        if self.stream.asked.is_some()
            && let Some(wait) = &mut self.stream.asked
            && !self.questions.is_resolved(&wait.question.id)
        {
            wait.change(AskedChange::SeenWorking);
        }
    }

    // --- an end in the stream ------------------------------------------------------------------------------------

    /// Returns whether this poll result contradicts the event that ended the task; if so, plans another read.
    pub(super) fn contradicts_end(
        &mut self,
        cx: &mut Cx<'_, P>,
        result: &PollResult<P::Output>,
    ) -> bool {
        if !cx.env.can().stream || self.stream.end.is_none() {
            return false;
        }
        match result {
            PollResult::Pending(status)
            | PollResult::Unknown(status)
            | PollResult::Paused(status)
            | PollResult::Waiting(status) => self.record_status(cx, status),
            PollResult::Asking(_) | PollResult::Unclear | PollResult::NotAsking => {}
            PollResult::Ready(_)
            | PollResult::Succeeded(..)
            | PollResult::Failed(_)
            | PollResult::Stopped(_)
            | PollResult::ReadFirst(..)
            | PollResult::Events(_) => return false,
        }
        self.read_again_after_end(cx);
        true
    }

    pub(super) fn read_again_after_end(&mut self, cx: &mut Cx<'_, P>) {
        let Some(unconfirmed) = &mut self.stream.end else {
            return;
        };
        let wait = Duration::from_secs(1 << unconfirmed.tries.min(3));
        unconfirmed.tries += 1;
        unconfirmed.contradicted_at.get_or_insert(cx.env.now);
        let due = cx.env.now.after(wait);
        self.poller.plan(Read::Status, due, WaitReason::Confirm);
    }

    /// Ends the task by the event that no read has confirmed for long enough.
    fn accept_end(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        let Some(unconfirmed) = self.stream.end.take() else {
            return Move::Stay;
        };
        // A status from before the event contradicts nothing.
        let read = unconfirmed.reply.as_ref();
        let status = read.and_then(|_| self.status.clone());
        let event = unconfirmed.event.name.clone();
        let reason = UnavailableReason::Unconfirmed {
            event: event.clone(),
            status: status.clone(),
            patience: CONFIRM,
        };
        cx.out.events.push(Event::Unconfirmed { event, status });
        let id = self.id.clone();
        match unconfirmed.end {
            UnconfirmedEnd::Succeeded => {
                let output = cx.env.provider.unconfirmed_output(
                    &id,
                    unconfirmed.reply.as_ref(),
                    &unconfirmed.event,
                );
                let detached = self.detach_for(cx, Aftermath::Worked);
                detached.or_else(|| {
                    Move::End(match output {
                        Some(output) => Outcome::Succeeded { id, output },
                        None => Outcome::ResultUnavailable { id, reason },
                    })
                })
            }
            UnconfirmedEnd::Failed(failure) => {
                self.accept_unconfirmed(cx, Terminal::Failed(failure), reason.to_string())
            }
            UnconfirmedEnd::Stopped(failure) => {
                self.accept_unconfirmed(cx, Terminal::Stopped(failure), reason.to_string())
            }
        }
    }

    // --- the connection ------------------------------------------------------------------------------------------

    /// Handles a stream that ended by itself.
    fn ended(&mut self, cx: &mut Cx<'_, P>, failed: FailedAttempt, budget: &OriginBudget) {
        if failed.reason == RetryReason::StreamEnded && self.stream.is_trusted() {
            self.stream.whole_at = Some(cx.env.now);
            self.writes.check_now(cx.env.now);
        }
        let is_normal = failed.reason == RetryReason::StreamEnded && self.stream.rests;
        let due = match is_normal {
            true => self.ended_at_rest(cx, budget),
            false => self.lost(cx, failed, budget),
        };
        self.stream.enter(StreamState::Closed { due });
    }

    /// Handles the end of a stream whose task rests: the server may end it there, and nothing was lost. It is opened
    /// again, since somebody else may answer; ever more seldom, if the server ends it each time.
    fn ended_at_rest(&mut self, cx: &mut Cx<'_, P>, budget: &OriginBudget) -> Timestamp {
        self.stream.interruption = Interruption::AtRest;
        self.stream.health.fail();
        if self.poller.planned().due > cx.env.now {
            let (due, why) = self.poller.schedule(cx.env);
            self.poller.plan(Read::Status, due, why);
        }
        self.stream_backoff(cx, None, budget)
    }

    /// Gives up a stream that is of no more use: the driver has to drop it.
    fn cut(&mut self, cx: &mut Cx<'_, P>, reason: RetryReason, why: String, budget: &OriginBudget) {
        let Some(id) = self.stream.open().map(|open| open.id) else {
            return;
        };
        let due = self.lost(cx, FailedAttempt::new(reason, why), budget);
        self.stream.enter(StreamState::Closing { id, due });
    }

    /// Handles the loss of the stream, whatever its cause: the task is polled, which decides, and the stream is
    /// reopened after a backoff.
    fn lost(
        &mut self,
        cx: &mut Cx<'_, P>,
        failed: FailedAttempt,
        budget: &OriginBudget,
    ) -> Timestamp {
        let attempt = self.stream.health.fail();
        if self.stream.interruption == Interruption::Joined {
            self.stream.interruption = Interruption::Lost;
        }
        let asked = self.stream.open().and_then(|open| open.decoder.retry());
        let asked = asked.map(|asked| asked.clamp(RETRY_RANGE.0, RETRY_RANGE.1));
        let due = self.stream_backoff(cx, asked, budget);
        cx.out.events.push(Event::Retrying {
            attempt,
            failed,
            until: due,
        });
        self.poller.poll_now(cx.env.now);
        due
    }

    pub(in crate::task) fn judge_unopened(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let mut absent = false;
        let error = match cx.sort(report) {
            Ok(reply) => {
                // An empty reply is how a server says that the client should stop reconnecting (WHATWG HTML, 9.2).
                absent = reply.status().as_u16() == 204 || self.stream.health.failures > 0;
                AttemptError::Unreadable(ReadError::new(
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
            Err(error) => error,
        };
        if let Some(error) = access_lost(&error) {
            let id = self.id.clone();
            self.stream.enter(StreamState::Closed {
                due: Timestamp::MAX,
            });
            return Move::End(Outcome::AccessLost { id, error });
        }
        absent |= match error.class() {
            Some(ErrorClass::Gone) => !self.is_fresh(cx) || error.is_gone_for_good(),
            Some(ErrorClass::NoSuchMethod | ErrorClass::Refused) => true,
            _ => false,
        };
        if error.class() == Some(ErrorClass::NoSuchMethod)
            && self.stream.health.form + 1 < cx.env.can().stream_forms
        {
            self.stream.health.form += 1;
            self.stream.enter(StreamState::Closed { due: cx.env.now });
            return Move::Stay;
        }
        let attempt = self.stream.health.fail();
        let due = if absent {
            self.stream.health.availability = Availability::Missing;
            cx.env.now.after(CROSS_CHECK)
        } else {
            let draw = cx.env.rng.u16(..);
            let asked = retry::server_delay(&error, &cx.env.policy.retry, draw, cx.env.now);
            self.stream_backoff(cx, asked, budget)
        };
        self.stream.enter(StreamState::Closed { due });
        // Where each stream begins with the whole task, one that is over has none, nor has one that is not there: the read says
        // which it is.
        let by_the_task = matches!(error.class(), Some(ErrorClass::Refused | ErrorClass::Gone));
        if !(cx.env.can().snapshots && by_the_task) {
            cx.out.events.push(Event::Retrying {
                attempt,
                failed: error.record(),
                until: due,
            });
        }
        self.poller.poll_now(cx.env.now);
        Move::Stay
    }

    /// Returns when to reconnect: after our own backoff, or after the wait that the server asked for if that is longer.
    fn stream_backoff(
        &mut self,
        cx: &mut Cx<'_, P>,
        asked: Option<Duration>,
        budget: &OriginBudget,
    ) -> Timestamp {
        let draw = cx.env.rng.u16(..);
        let ceiling = cx.env.policy.retry.ceiling(self.stream.health.failures);
        let own = if budget.take(false) {
            ceiling / 2 + ceiling / 2 * u64::from(draw) / u64::from(u16::MAX)
        } else {
            millis(retry::exhausted_budget_delay(&cx.env.policy.retry, draw))
        };
        let wait = own.max(asked.map_or(0, millis));
        cx.env.now.after(Duration::from_millis(wait))
    }
}
