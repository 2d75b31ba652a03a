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
pub(in crate::task) enum StreamRegion {
    /// Nothing has happened: no event came, and no stream was opened. On a platform without events it stays so. A stream is
    /// opened at `due`.
    Unused { due: Timestamp },
    /// A stream was opened, or an event came.
    Used(Box<Stream>),
}

/// What is read while nothing has happened.
static UNUSED: Stream = Stream::new(None, Timestamp::MAX);

impl StreamRegion {
    /// Creates a region that knows the events up to `after`.
    pub(in crate::task) fn new(after: Option<EventSeq>, now: Timestamp) -> Self {
        match after {
            Some(_) => Self::from(Stream::new(after, now)),
            None => Self::Unused { due: now },
        }
    }

    /// Returns the stream, unless nothing has happened in it.
    pub(in crate::task) fn used(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Unused { .. } => None,
            Self::Used(stream) => Some(stream),
        }
    }

    /// Returns the end that an event claims and no read has confirmed.
    pub(in crate::task) fn end_mut(&mut self) -> Option<&mut EndConfirmation> {
        self.used()?.end.as_deref_mut()
    }

    /// Returns when the stream is opened, while it is closed.
    pub(in crate::task) fn closed_until(&self) -> Option<Timestamp> {
        match self {
            Self::Unused { due } => Some(*due),
            Self::Used(stream) => match stream.state {
                StreamState::Closed { due } => Some(due),
                _ => None,
            },
        }
    }

    /// Notes that the request was sent that opens the stream.
    pub(in crate::task) fn opening(&mut self, id: ExchangeId, now: Timestamp) {
        self.make().opening(id, now);
    }

    /// Notes that the driver has taken an event.
    pub(in crate::task) fn taken(&mut self, event: Arc<Event>) {
        match self {
            // An event of our own leaves no trace here.
            Self::Unused { .. } if !matches!(*event, Event::Provider(_)) => {}
            _ => self.make().taken(event),
        }
    }

    /// Adds the stream to the stored form of its task.
    pub(in crate::task) fn store(&self, saved: &mut Saved) {
        Stream::store(self, saved);
        if let Self::Unused { due } = self {
            saved.stream.due = Some(*due);
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
            return Self::Unused { due };
        }
        let mut stream = Stream::new(saved.event_seq, time.now());
        stream.restore(saved, time);
        Self::from(stream)
    }

    fn make(&mut self) -> &mut Stream {
        if let Self::Unused { due } = self {
            *self = Self::from(Stream::new(None, *due));
        }
        match self {
            Self::Used(stream) => stream,
            Self::Unused { .. } => unreachable!("it was made above"),
        }
    }
}

impl From<Stream> for StreamRegion {
    fn from(stream: Stream) -> Self {
        Self::Used(Box::new(stream))
    }
}

impl Deref for StreamRegion {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        match self {
            Self::Unused { .. } => &UNUSED,
            Self::Used(stream) => stream,
        }
    }
}

impl DerefMut for StreamRegion {
    fn deref_mut(&mut self) -> &mut Stream {
        self.make()
    }
}
