//! What a stream is made of.

/// One event, lent until the decoder is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type: `message` when the server names none.
    pub name: &'a str,
    /// Its lines of data, joined by LF.
    pub data: &'a str,
    /// The id in force: its own, else that of the last event that had one, else empty.
    pub id: &'a str,
}

/// One event, to keep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedEvent {
    /// Its type: `message` when the server names none.
    pub name: String,
    /// Its lines of data, joined by LF.
    pub data: String,
    /// The id in force: its own, else that of the last event that had one, else empty.
    pub id: String,
}

impl Event<'_> {
    /// The same event, to keep.
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
