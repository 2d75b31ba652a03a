//! One connection of the stream: what it has brought, and whether it is proven to continue the last one.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::id::ExchangeId;
use crate::provider::StreamEvent;
use crate::reason::FailedAttempt;
use crate::sse::Decoder;
use crate::time::Timestamp;

/// Whether a connection is proven to continue where the last one ended: by its first event, or by the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Continuity {
    /// Events may be missing between the last one that is known and what this connection brings next.
    Unproven,
    /// Nothing is missing, or nobody can say what is.
    Proven,
}

/// What a connection has brought.
#[derive(Debug)]
enum Brought {
    /// No event, old or new: it may be a connection that never will.
    Nothing,
    /// Its first event, which arrived early and is deferred until the backfill has caught up.
    FirstDeferred(Box<StreamEvent>),
    /// Events, all of which were reported.
    Reported,
    /// Events that were reported, and another that arrived early and is deferred.
    LaterDeferred(Box<StreamEvent>),
}

/// Whether a connection was reported to replay an event with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AlteredReplays {
    Unreported,
    Reported,
}

/// An event that was deferred, once the backfill has caught up with it.
pub(in crate::task) enum Deferred {
    /// The first event of the connection.
    First(Box<StreamEvent>),
    Later(Box<StreamEvent>),
}

/// An open stream.
#[derive(Debug)]
pub(in crate::task) struct Open {
    pub(in crate::task) id: ExchangeId,
    pub(in crate::task) decoder: Decoder,
    pub(in crate::task) chunks: VecDeque<Bytes>,
    pub(in crate::task) opened: Timestamp,
    pub(in crate::task) last_byte_at: Timestamp,
    /// Since when the driver has been reading the stream without receiving anything. Time in which it did something
    /// else is no silence.
    pub(in crate::task) listening: Option<Timestamp>,
    /// How the stream ended, once it has.
    pub(in crate::task) end: Option<FailedAttempt>,
    pub(in crate::task) continuity: Continuity,
    brought: Brought,
    altered: AlteredReplays,
}

impl Open {
    pub(in crate::task) fn new(id: ExchangeId, now: Timestamp) -> Self {
        Self {
            id,
            decoder: Decoder::new(),
            chunks: VecDeque::new(),
            opened: now,
            last_byte_at: now,
            listening: None,
            end: None,
            continuity: Continuity::Unproven,
            brought: Brought::Nothing,
            altered: AlteredReplays::Unreported,
        }
    }

    /// Returns whether this connection has brought an event, old or new.
    pub(in crate::task) fn has_events(&self) -> bool {
        !matches!(self.brought, Brought::Nothing)
    }

    /// Returns whether this connection alone shows what happens.
    pub(in crate::task) fn is_trusted(&self) -> bool {
        self.has_events() && self.continuity == Continuity::Proven
    }

    /// Returns the event that waits for the backfill.
    pub(in crate::task) fn deferred(&self) -> Option<&StreamEvent> {
        match &self.brought {
            Brought::FirstDeferred(event) | Brought::LaterDeferred(event) => Some(event),
            Brought::Nothing | Brought::Reported => None,
        }
    }

    /// Defers an event until the backfill has caught up with it. Only one is: nothing is decoded beyond it.
    pub(in crate::task) fn defer(&mut self, event: Box<StreamEvent>) {
        self.brought = match self.brought {
            Brought::Nothing | Brought::FirstDeferred(_) => Brought::FirstDeferred(event),
            Brought::Reported | Brought::LaterDeferred(_) => Brought::LaterDeferred(event),
        };
    }

    /// Notes that an event is reported, and with it everything before it.
    pub(in crate::task) fn report(&mut self) {
        self.continuity = Continuity::Proven;
        self.brought = Brought::Reported;
    }

    /// Notes that the backfill has caught up, or was given up; returns the event that waited for it.
    ///
    /// Only the list could say what came before the first event of a connection, and a list that lacks this event, too,
    /// does not say it. So the connection counts as proven either way.
    pub(in crate::task) fn caught_up(&mut self) -> Option<Deferred> {
        self.continuity = Continuity::Proven;
        let deferred = match std::mem::replace(&mut self.brought, Brought::Reported) {
            Brought::Nothing => {
                self.brought = Brought::Nothing;
                return None;
            }
            Brought::Reported => return None,
            Brought::FirstDeferred(event) => Deferred::First(event),
            Brought::LaterDeferred(event) => Deferred::Later(event),
        };
        // The driver did not read the stream during the backfill.
        self.listening = None;
        Some(deferred)
    }

    /// Notes that the connection replays an event with other content; returns whether that is to be reported, which is
    /// done once.
    pub(in crate::task) fn replays_altered(&mut self) -> bool {
        std::mem::replace(&mut self.altered, AlteredReplays::Reported) == AlteredReplays::Unreported
    }

    /// Excludes a time in which the driver was busy with something else from the silence.
    pub(in crate::task) fn not_listening_for(&mut self, busy: Duration) {
        self.listening = self.listening.map(|since| since.after(busy));
    }

    /// Returns since when nothing has come although the driver was reading: not before `now` while it does something
    /// else.
    pub(in crate::task) fn silent_since(&self, now: Timestamp) -> Timestamp {
        self.listening.unwrap_or(now).max(self.last_byte_at)
    }

    /// Returns whether there are bytes that are not decoded yet.
    pub(in crate::task) fn has_unread(&self) -> bool {
        !self.chunks.is_empty()
    }
}
