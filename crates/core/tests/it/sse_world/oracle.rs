//! How streams are fed, and a decoder so plain that it can be read beside the WHATWG's text.

use std::time::Duration;

use taskward_core::sse::{Decoder, OwnedEvent, TooLarge};

/// What a stream came to when its connection ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) events: Vec<OwnedEvent>,
    pub(crate) id: String,
    pub(crate) retry: Option<Duration>,
    pub(crate) error: Option<TooLarge>,
}

pub(crate) fn owned(name: &str, data: &str, id: &str) -> OwnedEvent {
    OwnedEvent {
        name: name.to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
    }
}

/// Feeds `bytes`, cut before each of the places in `cuts`, which ascend.
pub(crate) fn feed(
    decoder: &mut Decoder,
    bytes: &[u8],
    cuts: &[usize],
) -> (Vec<OwnedEvent>, Option<TooLarge>) {
    let mut events = Vec::new();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let mut start = 0;
    for end in ends {
        let mut rest = &bytes[start..end];
        start = end;
        loop {
            match decoder.next_event(&mut rest) {
                Ok(Some(event)) => events.push(event.into_owned()),
                Ok(None) => break assert!(rest.is_empty()),
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// As [`feed`], to the end of the connection.
pub(crate) fn feed_at(mut decoder: Decoder, bytes: &[u8], cuts: &[usize]) -> End {
    let (events, error) = feed(&mut decoder, bytes, cuts);
    decoder.reset();
    End {
        events,
        id: decoder.last_event_id().to_owned(),
        retry: decoder.retry(),
        error,
    }
}

/// The whole stream as text, step by step as the specification says it.
#[derive(Default)]
pub(crate) struct Oracle {
    name: String,
    data: String,
    id_buffer: String,
    end: End,
}

impl Oracle {
    pub(crate) fn read(bytes: &[u8]) -> End {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<&str> = text.split('\n').collect();
        // What no line ending follows was never a line.
        lines.pop();
        let mut oracle = Self::default();
        lines.into_iter().for_each(|line| oracle.line(line));
        oracle.end
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => self.data += &format!("{value}\n"),
            "id" if !value.contains('\0') => self.id_buffer = value.to_owned(),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                if let Ok(number) = value.parse() {
                    self.end.retry = Some(Duration::from_millis(number));
                }
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        self.end.id.clone_from(&self.id_buffer);
        let data = std::mem::take(&mut self.data);
        let name = std::mem::take(&mut self.name);
        if let Some(data) = data.strip_suffix('\n') {
            let name = if name.is_empty() { "message" } else { &name };
            self.end.events.push(owned(name, data, &self.end.id));
        }
    }
}
