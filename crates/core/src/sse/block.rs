//! The block in progress: what its lines add to the event, and how much they count.

use std::time::Duration;

use super::caps::{Caps, LINE_OVERHEAD, RETAINED, TooLarge};
use super::event::Event;

pub(super) struct Block {
    caps: Caps,
    /// How much of [`Caps::event`] the block may still use.
    left: usize,
    lines: usize,
    /// The type that was named last, perhaps by an earlier block: most streams repeat the same name.
    name: String,
    has_name: bool,
    data: Vec<u8>,
    has_data: bool,
    /// The data as valid UTF-8, if `data` is not.
    repaired: String,
    /// The id that the block sets when it ends.
    next_id: String,
    has_id: bool,
    /// The id in force.
    pub(super) id: String,
    pub(super) retry: Option<Duration>,
    pub(super) comments: u64,
}

impl Block {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            caps,
            left: caps.event,
            lines: 0,
            name: String::new(),
            has_name: false,
            data: Vec::new(),
            has_data: false,
            repaired: String::new(),
            next_id: String::new(),
            has_id: false,
            id: String::new(),
            retry: None,
            comments: 0,
        }
    }

    /// Reads a complete line that is not empty and for which there is room.
    #[inline(always)]
    pub(super) fn read_line(&mut self, line: &[u8]) -> Result<(), TooLarge> {
        match line.first() {
            Some(b':') => {
                self.comments += 1;
                return Ok(());
            }
            Some(b'd') => {
                if let Some(value) = line.strip_prefix(b"data").and_then(value) {
                    self.add_data(value);
                }
            }
            Some(b'e') => {
                if let Some(value) = line.strip_prefix(b"event").and_then(value) {
                    self.has_name = !value.is_empty();
                    if value != self.name.as_bytes() {
                        write_text(&mut self.name, value);
                    }
                }
            }
            Some(b'i') => {
                let value = line.strip_prefix(b"id").and_then(value);
                if let Some(value) = value.filter(|value| value.iter().all(|byte| *byte != 0)) {
                    self.has_id = true;
                    write_text(&mut self.next_id, value);
                }
            }
            Some(b'r') => {
                let value = line.strip_prefix(b"retry").and_then(value);
                self.retry = value.and_then(milliseconds).or(self.retry);
            }
            _ => {}
        }
        self.count(line.len())
    }

    /// Adds a line of data, or the beginning of one.
    #[inline]
    pub(super) fn add_data(&mut self, value: &[u8]) {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    /// Continues the line of data that was begun.
    #[inline]
    pub(super) fn more_data(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
    }

    /// Ends the block at a blank line; returns true if the block is an event. A block without data still sets the id.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        if std::mem::take(&mut self.has_id) {
            std::mem::swap(&mut self.id, &mut self.next_id);
            // The previous id may have been a large one.
            self.next_id.clear();
            trim_text(&mut self.next_id);
        }
        if !self.has_data {
            self.clear();
            return false;
        }
        true
    }

    /// Returns the event that the block has become.
    #[inline]
    pub(super) fn event(&mut self) -> Event<'_> {
        let data = match std::str::from_utf8(&self.data) {
            Ok(data) => data,
            Err(_) => {
                write_repaired(&mut self.repaired, &self.data);
                &self.repaired
            }
        };
        let name = if self.has_name { &self.name } else { "message" };
        let id = &self.id;
        Event { name, data, id }
    }

    /// Begins the next block.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.left = self.caps.event;
        self.lines = 0;
        self.has_name = false;
        self.has_data = false;
        self.data.clear();
        if self.capacity() > RETAINED {
            self.trim();
        }
    }

    /// Begins the first block of another connection; only the id in force survives.
    pub(super) fn discard(&mut self) {
        self.has_id = false;
        self.clear();
    }

    /// Frees what a large event took.
    #[cold]
    fn trim(&mut self) {
        trim(&mut self.data);
        self.repaired.clear();
        trim_text(&mut self.repaired);
        if !self.has_id {
            self.next_id.clear();
            trim_text(&mut self.next_id);
        }
        if self.name.len() > RETAINED {
            self.name.clear();
        }
        trim_text(&mut self.name);
    }

    pub(super) fn capacity(&self) -> usize {
        let texts = [&self.name, &self.repaired, &self.next_id, &self.id];
        let texts: usize = texts.into_iter().map(String::capacity).sum();
        texts + self.data.capacity()
    }

    /// Returns how long a line that begins like this may become. Comments are not part of an event.
    #[inline]
    pub(super) fn room_for(&self, first: u8) -> usize {
        match first {
            b':' => self.caps.line,
            _ => self.caps.line.min(self.left.saturating_sub(LINE_OVERHEAD)),
        }
    }

    /// Returns the cap that left this much room.
    #[cold]
    pub(super) fn too_long(&self, room: usize) -> TooLarge {
        if room == self.caps.line {
            TooLarge::Line { cap: room }
        } else {
            let cap = self.caps.event;
            TooLarge::Event { cap }
        }
    }

    /// Counts a line that has ended, and for which there was room.
    #[inline]
    pub(super) fn count(&mut self, length: usize) -> Result<(), TooLarge> {
        self.left -= length + LINE_OVERHEAD;
        self.lines += 1;
        if self.lines > self.caps.lines {
            let cap = self.caps.lines;
            return Err(TooLarge::Lines { cap });
        }
        Ok(())
    }
}

/// Returns the value after a field's name; `None` if the name continues.
#[inline]
fn value(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(rest),
        _ => None,
    }
}

/// Parses decimal digits and nothing else; returns `None` if there are none, or if the number is too large.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() {
        return None;
    }
    let number = value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(Duration::from_millis(number))
}

#[inline]
fn write_text(into: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            into.clear();
            into.push_str(text);
        }
        Err(_) => write_repaired(into, bytes),
    }
}

/// Replaces everything that is not UTF-8 with U+FFFD.
#[cold]
fn write_repaired(into: &mut String, bytes: &[u8]) {
    into.clear();
    for chunk in bytes.utf8_chunks() {
        into.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            into.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Frees what a large line or event took.
pub(super) fn trim(buffer: &mut Vec<u8>) {
    if buffer.capacity() > RETAINED {
        buffer.shrink_to(RETAINED);
    }
}

fn trim_text(buffer: &mut String) {
    if buffer.capacity() > RETAINED {
        buffer.shrink_to(RETAINED);
    }
}
