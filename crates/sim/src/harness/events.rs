//! Events in pages.

use serde_json::Value;

use super::Server;
use super::refusal::Refusal;
use super::switches::{CursorName, CursorType, Wrapper};
use crate::message::{Head, Reply};

/// What an opaque cursor begins with.
const CURSOR: &str = "cur_";

impl Server {
    pub(super) fn events(&self, number: usize, head: &Head) -> Result<Reply, Refusal> {
        let switches = &self.switches;
        let name = match switches.events_wrapper {
            Wrapper::Bare => return Ok(self.all_events(number)),
            Wrapper::Events => "events",
            Wrapper::Data => "data",
            Wrapper::Items => "items",
            Wrapper::Results => "results",
        };
        let pairs = head.pairs();
        let given = pairs
            .iter()
            .find(|(key, value)| *key == switches.cursor_parameter && !value.is_empty());
        let from = match given {
            Some((_, cursor)) => switches.first_behind(self.read_cursor(cursor)?),
            None => 0,
        };
        let visible = self.runs[number].log.visible(self.now);
        let until = visible.min(from.saturating_add(u64::from(switches.event_page_size)));
        let last = if until > from {
            Some(switches.seq_of(until - 1))
        } else {
            from.checked_sub(1).map(|number| switches.seq_of(number))
        };
        let last = last.filter(|_| until < visible || !switches.cursor_ends);
        let cursor = last.map_or(Value::Null, |seq| self.write_cursor(seq));
        let cursor_name = self.cursor_name();
        let mut body = format!("{{\"{name}\":").into_bytes();
        self.write_events(&mut body, number, from..until);
        body.extend_from_slice(format!(",\"{cursor_name}\":{cursor}}}").as_bytes());
        Ok(Reply::of_json(200, body))
    }

    fn all_events(&self, number: usize) -> Reply {
        let mut body = Vec::new();
        let visible = self.runs[number].log.visible(self.now);
        self.write_events(&mut body, number, 0..visible);
        Reply::of_json(200, body)
    }

    fn write_events(&self, body: &mut Vec<u8>, number: usize, events: std::ops::Range<u64>) {
        body.push(b'[');
        for event in events.clone() {
            if event > events.start {
                body.push(b',');
            }
            body.extend(self.envelope(number, event));
        }
        body.push(b']');
    }

    /// Returns a page of events with a cursor that leads back to the first page, as
    /// [`Fault::LoopedCursor`](crate::Fault::LoopedCursor) has it; one without a cursor stays as it is.
    #[must_use]
    pub fn looped(&self, mut reply: Reply) -> Reply {
        if let Value::Object(mut page) = reply.value()
            && let Some(cursor) = page.get_mut(self.cursor_name())
        {
            *cursor = self.write_cursor(0);
            reply.body = Value::Object(page).to_string().into_bytes();
        }
        reply
    }

    fn cursor_name(&self) -> &'static str {
        match self.switches.cursor_name {
            CursorName::NextCursor => "next_cursor",
            CursorName::Cursor => "cursor",
        }
    }

    /// Returns the cursor behind the event with this sequence number.
    fn write_cursor(&self, seq: u64) -> Value {
        match self.switches.cursor_type {
            CursorType::Integer => Value::from(seq),
            CursorType::String => Value::String(format!("{CURSOR}{seq}")),
        }
    }

    fn read_cursor(&self, cursor: &str) -> Result<u64, Refusal> {
        let digits = match self.switches.cursor_type {
            CursorType::String => cursor.strip_prefix(CURSOR),
            CursorType::Integer => Some(cursor),
        };
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Refusal::new(400, "invalid_cursor", "the cursor is none of ours"))
    }

    /// Returns an event that there is, as JSON on one line.
    pub(super) fn envelope(&self, number: usize, event: u64) -> Vec<u8> {
        let seq = self.switches.seq_of(event);
        let log = &self.runs[number].log;
        log.envelope(event, seq, self.switches.redaction)
            .expect("only numbers of visible events are asked for")
    }
}
