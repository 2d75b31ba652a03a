//! An event stream as a fault lets it out: which bytes of which frames, and how it ends.

use std::ops::Range;

use crate::faults::{Corruption, Fault};
use crate::message::{Frame, Replay};
use crate::time::Span;

/// Frames in, bytes out. At most one frame is buffered.
#[derive(Debug)]
pub(super) struct Shaper {
    fault: Option<Fault>,
    /// The body ends behind so many bytes, in this way.
    limit: Option<(u64, StreamEnd)>,
    /// The event that the client says to have seen last.
    last_seen: Option<u64>,
    /// Bytes that went out.
    bytes: u64,
    /// Events that came in.
    events: u64,
    /// The event that lets its neighbour go first.
    held: Option<Vec<u8>>,
    /// Whether everything has come that the log held as the stream was opened.
    is_live: bool,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// As a complete body does.
    Finish,
    /// With the connection, in the middle of the body.
    Cut,
    Reset,
    /// It does not: it falls silent.
    Hold,
}

impl Shaper {
    /// Returns the shaper of a stream behind so many bytes of head that a client opened with this `Last-Event-ID`.
    pub(super) fn new(fault: Option<&Fault>, head: u64, last_event_id: Option<&str>) -> Self {
        Self {
            fault: fault.cloned(),
            limit: fault.and_then(|fault| limit(fault, head)),
            last_seen: last_event_id.and_then(|id| id.trim().parse().ok()),
            bytes: 0,
            events: 0,
            held: None,
            is_live: false,
        }
    }

    /// So many bytes at a time, after such a pause each.
    pub(super) fn pace(&self) -> Option<(usize, Span)> {
        match self.fault {
            Some(Fault::Dribble { bytes, pause }) => {
                Some((usize::try_from(bytes).unwrap_or(usize::MAX), pause))
            }
            _ => None,
        }
    }

    /// Returns the end, when it has come already.
    pub(super) fn due(&self) -> Option<StreamEnd> {
        match self.fault {
            Some(Fault::StreamEof { after_events }) if self.events >= after_events => {
                Some(StreamEnd::Finish)
            }
            _ => self
                .limit
                .filter(|(limit, _)| self.bytes >= *limit)
                .map(|(_, end)| end),
        }
    }

    /// Lets frames out, up to the end if that comes within them.
    pub(super) fn push(&mut self, frames: Vec<Frame>, out: &mut Vec<u8>) -> Option<StreamEnd> {
        for frame in frames {
            if let Some(end) = self.due() {
                return Some(end);
            }
            match frame.seq {
                Some(seq) => self.event(seq, frame.bytes, out),
                None => self.emit(&frame.bytes, out),
            }
        }
        self.due()
    }

    /// Notes that there is nothing more for now.
    pub(super) fn pending(&mut self) -> Option<StreamEnd> {
        self.is_live = true;
        (self.fault == Some(Fault::StaleRead)).then_some(StreamEnd::Finish)
    }

    /// Notes that there is nothing more at all.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> StreamEnd {
        if let Some(held) = self.held.take() {
            self.emit(&held, out);
        }
        self.due().unwrap_or(StreamEnd::Finish)
    }

    fn event(&mut self, seq: u64, mut frame: Vec<u8>, out: &mut Vec<u8>) {
        let index = self.events;
        self.events += 1;
        match self.fault {
            Some(Fault::SeqGap {
                after_events,
                events,
            }) if in_range(index, after_events, events) => return,
            Some(Fault::Replay {
                mode: Replay::LiveOnly,
            }) if !self.is_live => return,
            Some(Fault::Replay {
                mode: Replay::LastEventId,
            }) if self.last_seen.is_some_and(|seen| seq <= seen) => return,
            Some(Fault::Reorder { after_events }) if index == after_events => {
                self.held = Some(frame);
                return;
            }
            Some(Fault::DuplicateEvent { after_events }) if index == after_events => {
                self.emit(&frame, out);
            }
            Some(Fault::CorruptEvent {
                after_events,
                events,
                form,
            }) if in_range(index, after_events, events) => frame = corrupt(&frame, seq, form),
            Some(Fault::TruncatedJson) => {
                frame = with_data(&frame, |data| data[..data.len() / 2].to_vec());
            }
            // It ends the stream, is done before the first frame, or not to the body.
            _ => {}
        }
        self.emit(&frame, out);
        if let Some(held) = self.held.take() {
            self.emit(&held, out);
        }
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let room = self
            .limit
            .map_or(u64::MAX, |(limit, _)| limit.saturating_sub(self.bytes));
        let take = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        out.extend_from_slice(&bytes[..take]);
        self.bytes += take as u64;
    }
}

/// Returns behind how many bytes of its body the fault ends a stream, and how; the head has so many bytes.
fn limit(fault: &Fault, head: u64) -> Option<(u64, StreamEnd)> {
    match *fault {
        Fault::CutBody { bytes } => Some((bytes, StreamEnd::Cut)),
        Fault::LostReplyAfterApply { after_bytes } => {
            Some((after_bytes.saturating_sub(head), StreamEnd::Cut))
        }
        Fault::Reset { after_bytes } => Some((after_bytes?, StreamEnd::Reset)),
        Fault::Stall { after_bytes } => Some((after_bytes?, StreamEnd::Hold)),
        _ => None,
    }
}

fn in_range(index: u64, after: u64, events: u64) -> bool {
    index >= after && index - after < events
}

/// Returns the frame with something wrong with its data.
fn corrupt(frame: &[u8], seq: u64, form: Corruption) -> Vec<u8> {
    let number = format!("\"seq\":{seq}");
    with_data(frame, |data| match form {
        Corruption::NotJson => b"not json".to_vec(),
        Corruption::NoSeq => replaced(data, &number, "\"number\":0"),
        Corruption::NegativeSeq => replaced(data, &number, &format!("\"seq\":-{seq}")),
        Corruption::HugeSeq => replaced(data, &number, "\"seq\":18446744073709551616"),
    })
}

/// Returns the frame with other data in the place of its first line of data.
fn with_data(frame: &[u8], edit: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let Some(range) = data_range(frame) else {
        return frame.to_vec();
    };
    let data = edit(&frame[range.clone()]);
    [&frame[..range.start], &data, &frame[range.end..]].concat()
}

/// Returns where the value of the first line of data stands.
fn data_range(frame: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    loop {
        let line = &frame[start..];
        let length = memchr::memchr2(b'\n', b'\r', line)?;
        if let Some(value) = line[..length].strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            return Some(start + length - value.len()..start + length);
        }
        start += length + 1;
    }
}

/// Returns the text with the first occurrence of `old` replaced.
fn replaced(text: &[u8], old: &str, new: &str) -> Vec<u8> {
    match memchr::memmem::find(text, old.as_bytes()) {
        Some(at) => [&text[..at], new.as_bytes(), &text[at + old.len()..]].concat(),
        None => text.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Frame {
        Frame {
            seq: Some(seq),
            bytes: format!("data: {{\"seq\":{seq},\"x\":1}}\n\n").into_bytes(),
        }
    }

    fn heartbeat() -> Frame {
        Frame {
            seq: None,
            bytes: b": here\n\n".to_vec(),
        }
    }

    /// Returns what comes out of three events with a heartbeat in between, and how it ends.
    fn shaped(fault: Option<Fault>, last_event_id: Option<&str>) -> (String, StreamEnd) {
        let mut shaper = Shaper::new(fault.as_ref(), 100, last_event_id);
        let mut out = Vec::new();
        let end = shaper
            .due()
            .or_else(|| shaper.push(vec![frame(1), heartbeat()], &mut out))
            .or_else(|| shaper.pending())
            .or_else(|| shaper.push(vec![frame(2), frame(3)], &mut out))
            .unwrap_or_else(|| shaper.finish(&mut out));
        (String::from_utf8(out).unwrap(), end)
    }

    /// Returns the numbers of the events in a text, in order; `h` for a heartbeat.
    fn numbers(text: &str) -> String {
        let digits = text.split("\n\n").filter(|frame| !frame.is_empty());
        digits
            .map(|frame| match frame.strip_prefix("data: {\"seq\":") {
                Some(rest) => &rest[..1],
                None => "h",
            })
            .collect()
    }

    #[test]
    fn a_stream_is_cut_at_every_byte() {
        let (whole, end) = shaped(None, None);
        assert_eq!((numbers(&whole).as_str(), end), ("1h23", StreamEnd::Finish));
        for length in 0..=whole.len() {
            for (fault, expected) in [
                (
                    Fault::CutBody {
                        bytes: length as u64,
                    },
                    StreamEnd::Cut,
                ),
                (
                    Fault::LostReplyAfterApply {
                        after_bytes: 100 + length as u64,
                    },
                    StreamEnd::Cut,
                ),
                (
                    Fault::Reset {
                        after_bytes: Some(length as u64),
                    },
                    StreamEnd::Reset,
                ),
                (
                    Fault::Stall {
                        after_bytes: Some(length as u64),
                    },
                    StreamEnd::Hold,
                ),
            ] {
                let (text, end) = shaped(Some(fault), None);
                assert_eq!((text.as_str(), end), (&whole[..length], expected));
            }
        }
        let beyond = Fault::CutBody {
            bytes: whole.len() as u64 + 1,
        };
        assert_eq!(shaped(Some(beyond), None), (whole, StreamEnd::Finish));
    }

    #[test]
    fn events_are_left_out_swapped_and_doubled() {
        let check = |fault: Fault, expected: &str| {
            let (text, end) = shaped(Some(fault.clone()), None);
            assert_eq!(
                (numbers(&text).as_str(), end),
                (expected, StreamEnd::Finish),
                "{fault:?}"
            );
        };
        let gap = |after_events, events| Fault::SeqGap {
            after_events,
            events,
        };
        check(gap(0, 1), "h23");
        check(gap(1, 1), "1h3");
        check(gap(1, 9), "1h");
        check(Fault::Reorder { after_events: 0 }, "h213");
        check(Fault::Reorder { after_events: 1 }, "1h32");
        check(Fault::Reorder { after_events: 2 }, "1h23");
        check(Fault::DuplicateEvent { after_events: 1 }, "1h223");
        check(Fault::StreamEof { after_events: 0 }, "");
        check(Fault::StreamEof { after_events: 2 }, "1h2");
        check(Fault::StaleRead, "1h");
        check(
            Fault::Replay {
                mode: Replay::LiveOnly,
            },
            "h23",
        );
        check(
            Fault::Replay {
                mode: Replay::LastEventId,
            },
            "1h23",
        );
        check(
            Fault::Replay {
                mode: Replay::FromStart,
            },
            "1h23",
        );
        let (text, _) = shaped(
            Some(Fault::Replay {
                mode: Replay::LastEventId,
            }),
            Some("2"),
        );
        assert_eq!(numbers(&text), "h3");
    }

    #[test]
    fn bad_events_are_bad_in_the_way_that_was_asked_for() {
        let check = |form: Corruption, expected: &str| {
            let fault = Fault::CorruptEvent {
                after_events: 1,
                events: 1,
                form,
            };
            let (text, _) = shaped(Some(fault), None);
            let frames: Vec<&str> = text.split("\n\n").collect();
            assert_eq!(frames[2], expected);
            assert_eq!(frames[3], "data: {\"seq\":3,\"x\":1}");
        };
        check(Corruption::NotJson, "data: not json");
        check(Corruption::NoSeq, "data: {\"number\":0,\"x\":1}");
        check(Corruption::NegativeSeq, "data: {\"seq\":-2,\"x\":1}");
        check(
            Corruption::HugeSeq,
            "data: {\"seq\":18446744073709551616,\"x\":1}",
        );
        let (text, _) = shaped(Some(Fault::TruncatedJson), None);
        assert!(text.starts_with("data: {\"seq\":\n\n: here\n\n"), "{text}");
    }

    #[test]
    fn data_is_found_whatever_ends_a_line() {
        for ending in ["\n", "\r", "\r\n"] {
            let frame = format!("event: run_event{ending}data: {{}}{ending}{ending}");
            let changed = with_data(frame.as_bytes(), |data| [data, b"!"].concat());
            assert_eq!(
                String::from_utf8(changed).unwrap(),
                frame.replace("{}", "{}!")
            );
        }
        assert_eq!(with_data(b": x\n\n", |_| Vec::new()), b": x\n\n");
    }
}
