//! The place of a stream in its task: it takes memory only once something happens in it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{EndConfirmation, Stream, StreamState};
use crate::event::Event;
use crate::id::{EventSeq, ExchangeId};
use crate::snapshot::{Saved, SavedStream, Since};
use crate::time::Timestamp;

/// The stream region of a task.
///
/// It can always be read. Whoever changes it makes the stream, so what only looks for something to change asks
/// [`used`](Self::used) first.
#[derive(Debug)]
pub(in crate::task) struct StreamRegion {
    /// When the first stream is opened, as long as there is none.
    due: Timestamp,
    /// None as long as nothing has happened: no event came, and no stream was opened. On a platform without events it stays
    /// so.
    stream: Option<Box<Stream>>,
}

/// What is read while nothing has happened.
static UNUSED: Stream = Stream::new(None, Timestamp::MAX);

impl StreamRegion {
    /// Creates a region that knows the events up to `after`.
    pub(in crate::task) fn new(after: Option<EventSeq>, now: Timestamp) -> Self {
        match after {
            Some(_) => Self::from(Stream::new(after, now)),
            None => Self {
                due: now,
                stream: None,
            },
        }
    }

    /// Returns whether nothing has happened.
    pub(in crate::task) fn is_unused(&self) -> bool {
        self.stream.is_none()
    }

    /// Returns the stream, unless nothing has happened in it.
    pub(in crate::task) fn used(&mut self) -> Option<&mut Stream> {
        self.stream.as_deref_mut()
    }

    /// Returns the end that an event claims and no read has confirmed.
    pub(in crate::task) fn end_mut(&mut self) -> Option<&mut EndConfirmation> {
        self.used()?.end.as_deref_mut()
    }

    /// Returns when the stream is opened, while it is closed.
    pub(in crate::task) fn closed_until(&self) -> Option<Timestamp> {
        let Some(stream) = &self.stream else {
            return Some(self.due);
        };
        match stream.state {
            StreamState::Closed { due } => Some(due),
            _ => None,
        }
    }

    /// Notes that the request was sent that opens the stream.
    pub(in crate::task) fn opening(&mut self, id: ExchangeId, now: Timestamp) {
        self.make().opening(id, now);
    }

    /// Notes that the driver has taken an event.
    pub(in crate::task) fn taken(&mut self, event: Arc<Event>) {
        // An event of our own leaves no trace where nothing has happened.
        if self.stream.is_some() || matches!(*event, Event::Provider(_)) {
            self.make().taken(event);
        }
    }

    /// Adds the stream to the stored form of its task.
    pub(in crate::task) fn store(&self, saved: &mut Saved) {
        Stream::store(self, saved);
        if self.stream.is_none() {
            saved.stream.due = Some(self.due);
        }
    }

    /// Takes up the stored form.
    pub(in crate::task) fn restore(saved: &Saved, time: &Since) -> Self {
        let nothing = SavedStream {
            due: saved.stream.due,
            ..SavedStream::default()
        };
        if saved.event_seq.is_none() && saved.stream == nothing {
            let due = saved.stream.due.map_or(time.now(), |due| time.due(due));
            return Self { due, stream: None };
        }
        let mut stream = Stream::new(saved.event_seq, time.now());
        stream.restore(saved, time);
        Self::from(stream)
    }

    fn make(&mut self) -> &mut Stream {
        let first = || Box::new(Stream::new(None, self.due));
        self.stream.get_or_insert_with(first)
    }
}

impl From<Stream> for StreamRegion {
    /// Takes the stream by which a task was started: it is open, or it is opened when it says so.
    fn from(stream: Stream) -> Self {
        Self {
            due: Timestamp::MAX,
            stream: Some(Box::new(stream)),
        }
    }
}

impl Deref for StreamRegion {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        self.stream.as_deref().unwrap_or(&UNUSED)
    }
}

impl DerefMut for StreamRegion {
    fn deref_mut(&mut self) -> &mut Stream {
        self.make()
    }
}
