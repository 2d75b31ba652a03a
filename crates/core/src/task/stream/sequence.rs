//! The order of events: which were decoded and acknowledged, and what a gap in their numbers means.

use std::collections::VecDeque;

use crate::id::EventSeq;

/// The origin of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::task) enum EventOrigin {
    Stream,
    List,
}

/// What a gap in the sequence numbers means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::task) enum Gaps {
    /// There are events in it that were not seen.
    Hide,
    /// Nothing: the list itself has gaps.
    Normal,
}

/// Where the next event of the stream stands. A gap is reported only before the first event since a reconnect: within a
/// connection the platform chooses what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::task) enum Joint {
    /// It is the first event since a reconnect.
    Reconnect,
    /// It follows the last event.
    Same,
}

/// What came after the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::task) enum SinceLast {
    /// Nothing that could not be read.
    Readable,
    /// Something unreadable, which may have been an event.
    Unreadable,
}

/// How an event follows the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::task) enum Arrival {
    /// It is not after the last event.
    Known,
    /// Nothing is known to be missing before it.
    InOrder,
    /// The events between these two did not come.
    AfterGap { after: EventSeq, before: EventSeq },
    /// At least one of the events between these two came and could not be read.
    AfterUnreadable { after: EventSeq, before: EventSeq },
}

/// The order of the events that were seen.
#[derive(Debug)]
pub(in crate::task) struct Sequence {
    /// Digests of the newest events of the stream.
    pub(in crate::task) seen_digests: SeenDigests,
    /// The sequence of the last event that was decoded: after a reconnect, earlier events are dropped.
    pub(in crate::task) last_decoded: Option<EventSeq>,
    /// The sequence of the last event that was acknowledged: it is stored, and sent when the stream is reopened.
    pub(in crate::task) last_taken: Option<EventSeq>,
    pub(in crate::task) gaps: Gaps,
    pub(in crate::task) joint: Joint,
    /// What the stream brought after the last event.
    pub(in crate::task) since_last: SinceLast,
}

impl Sequence {
    pub(in crate::task) const fn after(last: Option<EventSeq>) -> Self {
        Self {
            seen_digests: SeenDigests(VecDeque::new()),
            last_decoded: last,
            last_taken: last,
            gaps: Gaps::Hide,
            joint: Joint::Same,
            since_last: SinceLast::Readable,
        }
    }

    /// Returns whether this event may directly follow the last one.
    pub(in crate::task) fn is_next(&self, seq: EventSeq) -> bool {
        let next = |decoded: EventSeq| decoded.0.saturating_add(1);
        seq.0 <= self.last_decoded.map_or(1, next)
    }

    /// Returns whether an event that was not seen may stand before this one.
    pub(in crate::task) fn may_hide(&self, seq: EventSeq) -> bool {
        self.gaps == Gaps::Hide && !self.is_next(seq)
    }

    /// Notes that the stream was opened.
    pub(in crate::task) fn opened(&mut self) {
        // Nothing was reported before the very first event, so no gap can precede it.
        self.joint = match self.last_decoded {
            Some(_) => Joint::Reconnect,
            None => Joint::Same,
        };
    }

    /// Notes that a backfill caught up with the connection; `unseen` says whether the list does not reach up to the next
    /// event.
    pub(in crate::task) fn caught_up(&mut self, unseen: bool) {
        self.joint = match self.gaps {
            Gaps::Hide if unseen => Joint::Reconnect,
            Gaps::Hide | Gaps::Normal => Joint::Same,
        };
    }

    /// Notes that an event comes, and returns how it follows the last one. `before` says what came between the two.
    pub(in crate::task) fn arrive(
        &mut self,
        seq: Option<EventSeq>,
        from: EventOrigin,
        before: SinceLast,
    ) -> Arrival {
        let Some(seq) = seq else {
            return Arrival::InOrder;
        };
        if Some(seq) <= self.last_decoded {
            return Arrival::Known;
        }
        let is_next = self.is_next(seq);
        if before == SinceLast::Unreadable && !is_next {
            self.joint = Joint::Same;
            let after = self.last_decoded.unwrap_or(EventSeq(0));
            return Arrival::AfterUnreadable { after, before: seq };
        }
        match (self.last_decoded, from) {
            (None, _) => self.joint = Joint::Same,
            // The list is complete, so its own gaps show what gaps are worth.
            (Some(_), EventOrigin::List) if !is_next => self.gaps = Gaps::Normal,
            (Some(_), EventOrigin::List) => {}
            (Some(after), EventOrigin::Stream) => {
                let joint = std::mem::replace(&mut self.joint, Joint::Same);
                if joint == Joint::Reconnect && !is_next {
                    return Arrival::AfterGap { after, before: seq };
                }
            }
        }
        Arrival::InOrder
    }
}

/// Digests of the newest events, to notice one that is replayed with other content.
#[derive(Debug, Default)]
pub(in crate::task) struct SeenDigests(VecDeque<(EventSeq, u64)>);

/// How many events are remembered: a replay comes soon, or with all the others after a reconnect.
const WORDED: usize = 64;

impl SeenDigests {
    /// Records an event; returns whether it came before with other content.
    pub(in crate::task) fn differs(&mut self, position: EventSeq, wording: &str) -> bool {
        let digest = digest(wording);
        let newest = self.0.back().map(|(newest, _)| *newest);
        if newest.is_none_or(|newest| newest < position) {
            self.0.push_back((position, digest));
            if self.0.len() > WORDED {
                self.0.pop_front();
            }
            return false;
        }
        let known = self.0.iter().find(|(known, _)| *known == position);
        known.is_some_and(|(_, known)| *known != digest)
    }
}

/// Digests a text eight bytes at a time, because this runs for every event. It need not resist an adversary: whoever
/// sends the events also chooses all their texts.
fn digest(text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(text.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_comes_again_in_other_words_is_noticed_while_it_is_remembered() {
        let mut worded = SeenDigests::default();
        let mut differs = |position, words: &str| worded.differs(EventSeq(position), words);
        assert!(!differs(1, "one") && !differs(2, "two") && !differs(4, "four"));
        assert!(!differs(2, "two") && !differs(4, "four"), "the same again");
        assert!(differs(2, "too") && differs(4, "for") && differs(1, ""));
        assert!(!differs(3, "three"), "it was left out before");
        assert!(
            differs(2, "too"),
            "the first wording is the one that counts"
        );
        let last = 4 + WORDED as u64 - 1;
        for position in 5..=last {
            assert!(!differs(position, "more"));
        }
        assert!(differs(4, "for"), "the oldest that is remembered");
        assert!(
            !differs(last + 1, "more") && !differs(4, "for"),
            "it is forgotten"
        );
        assert!(differs(5, "less"));
    }

    #[test]
    fn wordings_that_differ_anywhere_are_told_apart() {
        let text = "the agent reads 7 pages";
        for place in 0..text.len() {
            for other in 0x20..0x7f_u8 {
                let mut bytes = text.as_bytes().to_vec();
                if bytes[place] != other {
                    bytes[place] = other;
                    let other = String::from_utf8(bytes).expect("text");
                    assert_ne!(digest(&other), digest(text), "{other}");
                }
            }
            assert_ne!(digest(&text[..place]), digest(text), "{place}");
        }
        for padded in ["\0", "\0\0", " "] {
            assert_ne!(digest(&format!("{text}{padded}")), digest(text));
        }
    }
}
