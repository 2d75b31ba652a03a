//! The events of a stream.

/// One event, borrowed until the decoder is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's type: `message` if the server names none.
    pub name: &'a str,
    /// The event's lines of data, joined by LF.
    pub data: &'a str,
    /// The id in force: the event's own, or else that of the last event that had one, or else empty.
    pub id: &'a str,
}

/// One event, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedEvent {
    /// The event's type: `message` if the server names none.
    pub name: String,
    /// The event's lines of data, joined by LF.
    pub data: String,
    /// The id in force: the event's own, or else that of the last event that had one, or else empty.
    pub id: String,
}

impl Event<'_> {
    /// Copies this event into an owned one.
    #[must_use]
    pub fn into_owned(self) -> OwnedEvent {
        OwnedEvent {
            name: self.name.to_owned(),
            data: self.data.to_owned(),
            id: self.id.to_owned(),
        }
    }
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        event.into_owned()
    }
}
