//! The writes region: writes to an existing task, each applied at most once. ARCHITECTURE.md draws their states.
//!
//! A keyed answer may be repeated, but only while the task still asks: a server that forgot the key would take it for
//! the answer to its next question.
//!
//! **A write without a key is never repeated.** Only a [`Sendable`] gives a request, and sending consumes it. Only
//! [`WriteState::after`] makes one: from `Checking` and `Postponed`, which no write enters of which the server may have
//! received anything, and from `Unconfirmed` for whoever shows the key.

use std::collections::VecDeque;
use std::time::Duration;

use crate::build_error::BuildError;
use crate::id::{Cursor, MessageNo, TaskId};
use crate::key::IdempotencyKey;
use crate::operation::Safety;
use crate::provider::{Capabilities, Provider, WriteRequest};
use crate::question::{Answer, Question};
use crate::reason::WaitReason;
use crate::request::Request;
use crate::snapshot::{SavedWrite, SavedWriteKind, SavedWriteState, Since, TakenUp};
use crate::time::Timestamp;

use super::env::Env;
use super::link::Purpose;
use super::outbox::Outbox;
use super::still_asked::StillAsked;

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WriteKind {
    /// The answer to a question.
    Answer {
        question: Box<Question>,
        answer: Answer,
    },
    /// A message that answers no question.
    Message { no: MessageNo, text: String },
}

impl WriteKind {
    /// Returns what makes the write safe to repeat.
    pub(super) fn safety(&self, can: Capabilities) -> Safety {
        match self {
            Self::Answer { .. } => can.answer,
            Self::Message { .. } if can.answer == Safety::Traceable => Safety::Traceable,
            Self::Message { .. } => Safety::Once,
        }
    }

    /// Returns the text that a conversation shows once the write has arrived.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Answer {
                answer: Answer::Text(text),
                ..
            }
            | Self::Message { text, .. } => text,
            Self::Answer { .. } => "",
        }
    }
}

/// The state of a pending write.
#[derive(Debug, PartialEq)]
pub(super) enum WriteState {
    /// The task must be read before the write is sent: is the question still open, and what is the conversation's
    /// cursor? The server has received nothing.
    Checking,
    /// The server has received nothing, and the write is sent later.
    Postponed,
    /// The write is stored as one that may have been sent, and may be.
    Ready(Sendable),
    /// The write was sent, and its reply is not judged.
    InFlight(Earlier),
    /// The outcome is unknown: reads have to find the write.
    Unconfirmed(Cause),
}

/// The permission to send a write once. Its field is private to this file: nobody else makes one.
#[derive(Debug, PartialEq)]
pub(super) struct Sendable(Earlier);

/// The proof that a write is the answer to a question that is still asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted(());

/// The proof that a write has an idempotency key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed(());

/// Whether the server may have received an earlier attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    Nothing,
    MaybeReceived,
}

/// Why nobody knows whether a write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server may have received an attempt whose reply is lost.
    Lost,
    /// The server refused a keyed write: perhaps because of an earlier attempt, perhaps because somebody else wrote.
    Refused,
    /// The server may have received an attempt, and refused the next one.
    LostThenRefused,
}

/// What changes the state of a write.
#[derive(Debug, Clone, Copy)]
pub(super) enum WriteChange {
    /// A read shows that the task waits for this answer.
    StillAsked(Wanted),
    /// A read shows where the conversation stands before this message.
    Placed,
    /// The time has come for which the message was postponed.
    Due,
    /// The write has a key, and a read shows that the task still waits for it.
    Repeated(Wanted, Keyed),
    /// An event has come since the check: the task may not ask the question any more.
    Overtaken,
    Sent,
    /// The attempt failed, and the server has not received this answer. Somebody else may answer meanwhile.
    AnswerNotReceived,
    /// The attempt failed, and the server has not received this message.
    MessageNotReceived,
    /// The server may have received the attempt.
    Lost,
    /// The server refused the keyed write, perhaps because of an earlier attempt or of somebody else.
    Refused,
}

impl WriteState {
    /// Returns the next state: the one place that says so, and the only one that lets a write be sent.
    fn after(self, change: WriteChange) -> Self {
        match (self, change) {
            (Self::Checking, WriteChange::StillAsked(_) | WriteChange::Placed)
            | (Self::Postponed, WriteChange::Due) => Self::Ready(Sendable(Earlier::Nothing)),
            (Self::Unconfirmed(Cause::Lost), WriteChange::Repeated(_, _)) => {
                Self::Ready(Sendable(Earlier::MaybeReceived))
            }
            (Self::Ready(Sendable(Earlier::Nothing)), WriteChange::Overtaken)
            | (Self::InFlight(Earlier::Nothing), WriteChange::AnswerNotReceived) => Self::Checking,
            (Self::InFlight(Earlier::Nothing), WriteChange::MessageNotReceived) => Self::Postponed,
            (Self::Ready(Sendable(earlier)), WriteChange::Sent) => Self::InFlight(earlier),
            // The last attempt did not arrive; an earlier one may have.
            (Self::Ready(Sendable(Earlier::MaybeReceived)), WriteChange::Overtaken)
            | (
                Self::InFlight(Earlier::MaybeReceived),
                WriteChange::AnswerNotReceived | WriteChange::MessageNotReceived,
            )
            | (Self::InFlight(_), WriteChange::Lost) => Self::Unconfirmed(Cause::Lost),
            (Self::InFlight(Earlier::Nothing), WriteChange::Refused) => {
                Self::Unconfirmed(Cause::Refused)
            }
            (Self::InFlight(Earlier::MaybeReceived), WriteChange::Refused) => {
                Self::Unconfirmed(Cause::LostThenRefused)
            }
            (state, _) => state,
        }
    }
}

/// Returns the arrows of the diagram.
#[cfg(test)]
pub(super) fn arrows() -> Vec<super::diagrams::Arrow> {
    let states: [fn() -> WriteState; 9] = [
        || WriteState::Checking,
        || WriteState::Postponed,
        || WriteState::Ready(Sendable(Earlier::Nothing)),
        || WriteState::Ready(Sendable(Earlier::MaybeReceived)),
        || WriteState::InFlight(Earlier::Nothing),
        || WriteState::InFlight(Earlier::MaybeReceived),
        || WriteState::Unconfirmed(Cause::Lost),
        || WriteState::Unconfirmed(Cause::Refused),
        || WriteState::Unconfirmed(Cause::LostThenRefused),
    ];
    let changes = [
        (
            WriteChange::StillAsked(Wanted(())),
            "an answer, still asked for",
        ),
        (WriteChange::Placed, "a message, its place known"),
        (WriteChange::Due, "due"),
        (
            WriteChange::Repeated(Wanted(()), Keyed(())),
            "keyed, and still asked for",
        ),
        (WriteChange::Overtaken, "an event comes first"),
        (WriteChange::Sent, "sent"),
        (WriteChange::AnswerNotReceived, "an answer, not received"),
        (WriteChange::MessageNotReceived, "a message, not received"),
        (WriteChange::Lost, "may have been received"),
        (WriteChange::Refused, "keyed, and refused"),
    ];
    super::diagrams::arrows(&states, &changes, WriteState::after)
}

/// What a read that precedes or confirms a write rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The reply itself.
    Reply,
    /// The list of events, which is being read.
    Events,
}

#[derive(Debug, PartialEq)]
pub(super) struct PendingWrite {
    pub(super) kind: WriteKind,
    state: WriteState,
    /// How often the write was sent.
    pub(super) attempts: u32,
    /// How many reads have not found the write.
    pub(super) reads: u32,
    pub(super) due: Timestamp,
    /// Why the write is not sent earlier.
    pub(super) why: WaitReason,
    /// The place in the conversation before the write.
    pub(super) cursor: Cursor,
    key: Option<IdempotencyKey>,
    pub(super) evidence: Evidence,
    /// The last error of the write, for the report.
    pub(super) last_error: Option<String>,
}

impl PendingWrite {
    pub(super) fn new(kind: WriteKind, key: Option<IdempotencyKey>, now: Timestamp) -> Self {
        Self {
            kind,
            state: WriteState::Checking,
            attempts: 0,
            reads: 0,
            due: now,
            why: WaitReason::Backoff,
            cursor: Cursor::new(""),
            key,
            evidence: Evidence::Reply,
            last_error: None,
        }
    }

    /// Creates a write that may have been sent: reads have to find it.
    pub(super) fn unconfirmed(
        kind: WriteKind,
        key: Option<IdempotencyKey>,
        cause: Cause,
        now: Timestamp,
    ) -> Self {
        Self {
            state: WriteState::Unconfirmed(cause),
            ..Self::new(kind, key, now)
        }
    }

    pub(super) fn state(&self) -> &WriteState {
        &self.state
    }

    /// Returns whether the server may have received an attempt.
    pub(super) fn maybe_applied(&self) -> bool {
        match &self.state {
            WriteState::Checking | WriteState::Postponed => false,
            WriteState::Ready(Sendable(earlier)) | WriteState::InFlight(earlier) => {
                *earlier == Earlier::MaybeReceived
            }
            WriteState::Unconfirmed(Cause::Lost | Cause::LostThenRefused) => true,
            WriteState::Unconfirmed(Cause::Refused) => false,
        }
    }

    /// Returns whether the server refused the write in a way that leaves open what became of it.
    pub(super) fn was_refused(&self) -> bool {
        matches!(
            self.state,
            WriteState::Unconfirmed(Cause::Refused | Cause::LostThenRefused)
        )
    }

    /// Returns what the driver is asked to do next for this write.
    pub(super) fn purpose(&self) -> Purpose {
        match self.state {
            WriteState::Checking => Purpose::Check,
            WriteState::Postponed | WriteState::Ready(_) | WriteState::InFlight(_) => {
                Purpose::Write
            }
            WriteState::Unconfirmed(_) => Purpose::Reconcile,
        }
    }

    /// Builds the request, if the write may be sent.
    pub(super) fn request<P: Provider>(
        &self,
        env: &Env<P>,
        task: &TaskId,
    ) -> Result<Request, BuildError> {
        let WriteState::Ready(_) = self.state else {
            return Err(BuildError::new("the write must not be sent now"));
        };
        let reference = self.reference(env, task);
        let write = match &self.kind {
            WriteKind::Answer { question, answer } => WriteRequest::Answer {
                question,
                answer,
                key: self.key.as_ref().or(reference.as_ref()),
            },
            WriteKind::Message { text, .. } => WriteRequest::Message {
                text,
                key: reference.as_ref(),
                cursor: &self.cursor,
            },
        };
        let request = env.provider.write_request(task, &write)?;
        Ok(request.freeze(&env.seed))
    }

    /// Returns the id of ours by which a read finds this write, where writes have one. It follows from what is written, so
    /// it is the same in each process; it permits no repetition.
    pub(super) fn reference<P: Provider>(
        &self,
        env: &Env<P>,
        task: &TaskId,
    ) -> Option<IdempotencyKey> {
        if self.kind.safety(env.can()) != Safety::Traceable {
            return None;
        }
        Some(match &self.kind {
            WriteKind::Answer { question, answer } => {
                IdempotencyKey::of_answer(task.as_str(), question.id.as_str(), answer)
            }
            WriteKind::Message { no, text } => {
                let bound_to = format!("{}\n{}\n{text}", task.as_str(), no.0);
                IdempotencyKey::mint(&env.seed, "message", bound_to.as_bytes())
            }
        })
    }

    /// Changes the state; returns whether that made a difference.
    fn change(&mut self, change: WriteChange) -> bool {
        let before = std::mem::discriminant(&self.state);
        let state = std::mem::replace(&mut self.state, WriteState::Checking);
        self.state = state.after(change);
        before != std::mem::discriminant(&self.state)
    }

    /// Lets an answer be sent whose question a check has shown to be open. A write whose outcome is unknown stays as it
    /// is, and so does a message.
    pub(super) fn allow_answer(&mut self, still: StillAsked, now: Timestamp, out: &mut Outbox) {
        if let Some(wanted) = self.wanted(&still) {
            self.release(WriteChange::StillAsked(wanted), now, out);
        }
    }

    /// Lets a message be sent once a check has shown where the conversation stands.
    pub(super) fn allow_message(&mut self, now: Timestamp, out: &mut Outbox) {
        if let WriteKind::Message { .. } = self.kind {
            self.release(WriteChange::Placed, now, out);
        }
    }

    /// Lets a postponed message be sent once it is due.
    pub(super) fn due_again(&mut self, now: Timestamp, out: &mut Outbox) {
        if matches!(self.kind, WriteKind::Message { .. }) && self.due <= now {
            self.release(WriteChange::Due, self.due, out);
        }
    }

    /// Returns whether an answer may be sent, and has not been for so long that its check says nothing any more.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        matches!(self.state, WriteState::Ready(_)) && now > self.due.after(CHECK_LIFETIME)
    }

    /// Lets a write with unknown outcome be sent again under its key; returns false if it has none, or was refused.
    pub(super) fn repeat(&mut self, still: StillAsked, now: Timestamp, out: &mut Outbox) -> bool {
        match (self.wanted(&still), self.key.as_ref().map(|_| Keyed(()))) {
            (Some(wanted), Some(keyed)) => {
                self.release(WriteChange::Repeated(wanted, keyed), now, out)
            }
            _ => false,
        }
    }

    fn wanted(&self, still: &StillAsked) -> Option<Wanted> {
        match &self.kind {
            WriteKind::Answer { question, .. } if still.is_about(question) => Some(Wanted(())),
            WriteKind::Answer { .. } | WriteKind::Message { .. } => None,
        }
    }

    /// Lets the write be sent, if this change does; it is stored first as one that may have been sent.
    fn release(&mut self, change: WriteChange, due: Timestamp, out: &mut Outbox) -> bool {
        let is_released = self.change(change);
        if is_released {
            self.due = due;
            out.save.need();
        }
        is_released
    }

    /// Takes back the permission to send an answer, because an event has shown since the check that the task may not ask
    /// its question any more: it is checked again. Returns whether there was one.
    pub(super) fn recheck(&mut self, now: Timestamp) -> bool {
        let is_answer = matches!(self.kind, WriteKind::Answer { .. });
        let is_taken_back = is_answer && self.change(WriteChange::Overtaken);
        if is_taken_back {
            self.due = now;
        }
        is_taken_back
    }

    /// Notes that the write was sent. Its permission is used up.
    pub(super) fn sent(&mut self) {
        if self.change(WriteChange::Sent) {
            self.attempts = self.attempts.saturating_add(1);
        }
    }

    /// Notes that the attempt failed and the server has not received it.
    pub(super) fn not_received(&mut self, due: Timestamp, why: WaitReason) {
        self.change(match self.kind {
            WriteKind::Answer { .. } => WriteChange::AnswerNotReceived,
            WriteKind::Message { .. } => WriteChange::MessageNotReceived,
        });
        self.due = due;
        self.why = why;
    }

    /// Notes that the server may have received the attempt: reads have to find the write.
    pub(super) fn lost(&mut self, due: Timestamp, why: WaitReason) {
        self.change(WriteChange::Lost);
        self.due = due;
        self.why = why;
    }

    /// Notes that the server refused the keyed write, perhaps because of an earlier attempt or of somebody else.
    pub(super) fn refused(&mut self, now: Timestamp) {
        self.change(WriteChange::Refused);
        self.due = now;
    }

    /// Postpones the next read that has to find the write.
    pub(super) fn read_later(&mut self, now: Timestamp) {
        self.due = now.after(reconcile_wait(self.reads));
        self.why = WaitReason::Reconcile;
    }

    /// Returns what was written, and where the conversation stood before.
    pub(super) fn into_parts(self) -> (WriteKind, Cursor, Option<String>) {
        (self.kind, self.cursor, self.last_error)
    }
}

/// The stored form.
impl PendingWrite {
    /// Converts the write to its stored form.
    pub(super) fn stored(&self, now: Timestamp) -> SavedWrite {
        let Self {
            kind,
            state,
            attempts,
            reads,
            due,
            // It is told again when the write is next put off.
            why: _,
            cursor,
            key,
            // The list of events is read again.
            evidence: _,
            last_error,
        } = self;
        SavedWrite {
            kind: match kind.clone() {
                WriteKind::Answer { question, answer } => {
                    SavedWriteKind::Answer { question, answer }
                }
                WriteKind::Message { no, text } => SavedWriteKind::Message { no, text },
            },
            state: match state {
                WriteState::Checking => SavedWriteState::Check,
                WriteState::Postponed => SavedWriteState::Postponed,
                WriteState::Ready(_) | WriteState::InFlight(_) => SavedWriteState::Write,
                WriteState::Unconfirmed(Cause::Lost) => SavedWriteState::Reconcile,
                WriteState::Unconfirmed(Cause::Refused) => SavedWriteState::Refused,
                WriteState::Unconfirmed(Cause::LostThenRefused) => SavedWriteState::LostThenRefused,
            },
            cursor: cursor.clone(),
            key: key.clone(),
            attempts: *attempts,
            reads: *reads,
            due: Some(*due).filter(|due| *due > now),
            last_error: last_error.clone(),
        }
    }

    /// Restores a stored write. One that may have been sent since it was stored must be found before anything else is
    /// sent.
    pub(super) fn restore(saved: SavedWrite, how: TakenUp, time: &Since) -> Self {
        let SavedWrite {
            kind,
            state,
            cursor,
            key,
            attempts,
            reads,
            due,
            last_error,
        } = saved;
        let unsent = || "the process ended before the reply came".to_owned();
        let (state, last_error) = match state {
            SavedWriteState::Check => (WriteState::Checking, last_error),
            SavedWriteState::Postponed
                if how == TakenUp::Unparked && matches!(kind, SavedWriteKind::Message { .. }) =>
            {
                (WriteState::Postponed, last_error)
            }
            // Another process reads the conversation first: it may have gone on since.
            SavedWriteState::Postponed => (WriteState::Checking, last_error),
            SavedWriteState::Write => (WriteState::Unconfirmed(Cause::Lost), Some(unsent())),
            SavedWriteState::Reconcile => {
                let ended = || (how == TakenUp::Resumed).then(unsent);
                let last_error = last_error.or_else(ended);
                (WriteState::Unconfirmed(Cause::Lost), last_error)
            }
            SavedWriteState::Refused => (WriteState::Unconfirmed(Cause::Refused), last_error),
            SavedWriteState::LostThenRefused => {
                (WriteState::Unconfirmed(Cause::LostThenRefused), last_error)
            }
        };
        Self {
            kind: match kind {
                SavedWriteKind::Answer { question, answer } => {
                    WriteKind::Answer { question, answer }
                }
                SavedWriteKind::Message { no, text } => WriteKind::Message { no, text },
            },
            state,
            attempts,
            reads,
            due: due.map_or(time.now(), |due| time.due(due)),
            why: WaitReason::Backoff,
            cursor,
            key,
            evidence: Evidence::Reply,
            last_error,
        }
    }
}

/// How long an answer that was checked may wait to be sent: meanwhile somebody else may answer.
const CHECK_LIFETIME: Duration = Duration::from_secs(30);

/// How many reads try to find a write with unknown outcome before it is reported as unknown.
pub(super) const RECONCILE_READS: u32 = 3;

/// Returns the wait before the next of these reads: the conversation may show a write with a delay.
fn reconcile_wait(reads: u32) -> Duration {
    Duration::from_secs(u64::from(reads.min(RECONCILE_READS)) * 2)
}

/// The writes that are pending, in order; only the first one is under way.
#[derive(Debug, Default)]
pub(super) struct Writes {
    queue: VecDeque<PendingWrite>,
    /// How many messages were queued.
    pub(super) messages: u64,
}

impl Writes {
    pub(super) fn push(&mut self, kind: WriteKind, key: Option<IdempotencyKey>, now: Timestamp) {
        self.queue.push_back(PendingWrite::new(kind, key, now));
    }

    /// Queues a message.
    pub(super) fn push_message(&mut self, text: String, now: Timestamp) -> MessageNo {
        self.messages += 1;
        let no = MessageNo(self.messages);
        self.push(WriteKind::Message { no, text }, None, now);
        no
    }

    /// Lets the first write be sent that was postponed until now.
    pub(super) fn due_again(&mut self, now: Timestamp, out: &mut Outbox) {
        if let Some(write) = self.queue.front_mut() {
            write.due_again(now, out);
        }
    }

    /// Has the first write checked now, if it waits for that: what its check rests on is known.
    pub(super) fn check_now(&mut self, now: Timestamp) {
        if let Some(write) = self
            .queue
            .front_mut()
            .filter(|write| write.purpose() != Purpose::Write)
        {
            write.due = write.due.min(now);
        }
    }

    /// Returns whether the first write was checked too long ago to be sent.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.queue.front().is_some_and(|write| write.is_stale(now))
    }

    /// Has the first write checked again if it is an answer that may be sent; returns whether it is.
    pub(super) fn recheck(&mut self, now: Timestamp) -> bool {
        let write = self.queue.front_mut();
        write.is_some_and(|write| write.recheck(now))
    }

    /// Notes that the first write was sent.
    pub(super) fn sent(&mut self) {
        if let Some(write) = self.queue.front_mut() {
            write.sent();
        }
    }

    /// Restores the pending writes of a stored task.
    pub(super) fn restore(queue: VecDeque<PendingWrite>, messages: u64) -> Self {
        Self { queue, messages }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PendingWrite> {
        self.queue.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn front(&self) -> Option<&PendingWrite> {
        self.queue.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut PendingWrite> {
        self.queue.front_mut()
    }

    pub(super) fn push_front(&mut self, write: PendingWrite) {
        self.queue.push_front(write);
    }

    pub(super) fn pop_front(&mut self) -> Option<PendingWrite> {
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(7);

    fn message() -> WriteKind {
        let text = "hello".to_owned();
        WriteKind::Message {
            no: MessageNo(1),
            text,
        }
    }

    fn answer() -> WriteKind {
        let kind = crate::question::QuestionKind::Approval;
        let question = Question::new(crate::id::QuestionId::new("q"), kind, "");
        WriteKind::Answer {
            question: Box::new(question),
            answer: Answer::Approve,
        }
    }

    fn still() -> StillAsked {
        StillAsked::in_a_test("q")
    }

    fn allow(write: &mut PendingWrite, out: &mut Outbox) {
        write.allow_answer(still(), NOW, out);
        write.allow_message(NOW, out);
    }

    fn sent(kind: WriteKind, key: Option<IdempotencyKey>, out: &mut Outbox) -> PendingWrite {
        let mut write = PendingWrite::new(kind, key, NOW);
        allow(&mut write, out);
        write.sent();
        write
    }

    #[test]
    fn a_write_without_a_key_is_not_sent_again_once_it_may_have_arrived() {
        let mut out = Outbox::default();
        for kind in [message(), answer()] {
            let mut write = sent(kind, None, &mut out);
            write.lost(NOW, WaitReason::Reconcile);
            assert!(!write.repeat(still(), NOW, &mut out));
            // Nothing that allows a first attempt allows this one.
            allow(&mut write, &mut out);
            write.due_again(NOW, &mut out);
            write.sent();
            assert_eq!(write.state(), &WriteState::Unconfirmed(Cause::Lost));
            assert_eq!(write.attempts, 1);
        }
    }

    #[test]
    fn a_keyed_write_is_repeated_until_it_is_refused_and_stays_unconfirmed() {
        let mut out = Outbox::default();
        let key = IdempotencyKey::of_answer("t", "1", &Answer::Approve);
        let mut write = sent(answer(), Some(key), &mut out);
        write.lost(NOW, WaitReason::Reconcile);
        assert!(write.repeat(still(), NOW, &mut out) && write.maybe_applied());
        write.sent();
        // The second attempt did not arrive, and the first one may still have.
        write.not_received(NOW, WaitReason::Backoff);
        assert_eq!(write.state(), &WriteState::Unconfirmed(Cause::Lost));
        assert!(write.repeat(still(), NOW, &mut out));
        write.sent();
        write.refused(NOW);
        assert_eq!(
            write.state(),
            &WriteState::Unconfirmed(Cause::LostThenRefused)
        );
        assert!(!write.repeat(still(), NOW, &mut out));
    }

    #[test]
    fn a_write_that_did_not_arrive_is_checked_again_or_waits_and_each_sending_is_stored() {
        let mut out = Outbox::default();
        let mut write = sent(answer(), None, &mut out);
        assert_eq!(out.save.revision.0, 1);
        write.not_received(NOW, WaitReason::Backoff);
        assert_eq!(write.state(), &WriteState::Checking);
        let mut write = sent(message(), None, &mut out);
        let later = NOW.after(Duration::from_secs(2));
        write.not_received(later, WaitReason::ServerDelay);
        write.due_again(NOW, &mut out);
        assert_eq!(
            (write.state(), out.save.revision.0),
            (&WriteState::Postponed, 2)
        );
        write.due_again(later, &mut out);
        assert_eq!((write.maybe_applied(), out.save.revision.0), (false, 3));
        assert!(matches!(write.state(), WriteState::Ready(_)));
    }

    fn restored(write: &PendingWrite, how: TakenUp) -> PendingWrite {
        PendingWrite::restore(write.stored(NOW), how, &Since::new(NOW, NOW))
    }

    #[test]
    fn an_answer_that_may_be_sent_is_checked_again_and_one_that_was_sent_is_not() {
        let mut out = Outbox::default();
        let mut ready = PendingWrite::new(answer(), None, NOW);
        allow(&mut ready, &mut out);
        assert!(ready.recheck(NOW));
        assert_eq!(ready.state(), &WriteState::Checking);
        assert!(!ready.recheck(NOW));
        assert!(!sent(answer(), None, &mut out).recheck(NOW));
        let mut message = PendingWrite::new(message(), None, NOW);
        allow(&mut message, &mut out);
        assert!(!message.recheck(NOW), "it answers nothing");
    }

    #[test]
    fn a_stored_write_that_may_have_left_must_be_found_first() {
        let mut out = Outbox::default();
        let mut ready = PendingWrite::new(message(), None, NOW);
        allow(&mut ready, &mut out);
        for write in [ready, sent(message(), None, &mut out)] {
            let restored = restored(&write, TakenUp::Unparked);
            assert_eq!(restored.state(), &WriteState::Unconfirmed(Cause::Lost));
        }
        let mut postponed = sent(message(), None, &mut out);
        let later = NOW.after(Duration::from_secs(2));
        postponed.not_received(later, WaitReason::Backoff);
        postponed.last_error = Some("503".to_owned());
        let restored = restored(&postponed, TakenUp::Unparked);
        assert_eq!(restored, postponed, "it has not left");
        let restored = self::restored(&postponed, TakenUp::Resumed);
        assert_eq!(restored.state(), &WriteState::Checking);
    }
}
