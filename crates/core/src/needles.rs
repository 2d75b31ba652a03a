//! What is searched for of a credential, and every way in which it may be spelt. What passes this search, and what it does
//! not find, is described in [`redact`](crate::redact).

mod base64;

use std::ops::Range;

use ::base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use http::HeaderName;
use memchr::memchr3;

use self::base64::Base64;

/// What replaces a key. No id, cursor or status may contain it.
pub const REDACTED: &str = "[key]";

/// Characters that a key must have to be searched for.
pub const SHORTEST: usize = 8;

/// Returns whether the API key was removed from this text, so that it is not what the server meant.
#[must_use]
pub fn is_redacted(text: &str) -> bool {
    text.contains(REDACTED)
}

/// The most bytes that a character of the key is expected to take where only the end of a text is searched.
const WIDEST: usize = 16;

/// The longest text of which it is first asked whether it has the characters of a secret at all: a long one has them all.
const SHORT_TEXT: usize = 2048;

/// One spelling of a secret that may come in pieces.
#[derive(Clone, Copy)]
pub(crate) struct Needle<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) is_base64: bool,
}

/// What is searched for of a credential.
pub(crate) struct Needles {
    secrets: Vec<Box<[u8]>>,
    base64: Base64,
}

impl Needles {
    /// Searches for a secret.
    pub(crate) fn of(secret: &str) -> Self {
        Self::new(&[secret], None)
    }

    /// Searches for a secret, and for the text with it whose base64 is the value of a header.
    pub(crate) fn of_encoded(secret: &str, text: &str) -> Self {
        Self::new(&[secret, &BASE64_STANDARD_NO_PAD.encode(text)], Some(text))
    }

    /// Leaves out what is too short to be distinguished from other text.
    fn new(secrets: &[&str], text: Option<&str>) -> Self {
        // A space at an end is like the space beside it.
        let secrets = secrets.iter().map(|secret| secret.trim_matches(' '));
        let secrets: Vec<Box<[u8]>> = secrets
            .filter(|secret| secret.len() >= SHORTEST)
            .map(|secret| secret.as_bytes().into())
            .collect();
        Self {
            base64: Base64::of(&secrets, text),
            secrets,
        }
    }

    /// Returns whether there is nothing to search for.
    pub(crate) fn are_none(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Returns what is followed from one text to the next, where it comes in pieces.
    pub(crate) fn followed(&self) -> impl Iterator<Item = Needle<'_>> {
        let needle = |is_base64| move |key| Needle { key, is_base64 };
        let secrets = self.secrets.iter().map(|secret| &**secret);
        let secrets = secrets.map(needle(false));
        secrets.chain(self.base64.needles().map(needle(true)))
    }

    /// Returns whether a text has the characters that a secret, or half of one, needs. Most short texts do not, and then hold
    /// none, neither in pieces nor broken into lines: without an escape, each character stands for itself.
    pub(crate) fn may_be_in(&self, text: &[u8]) -> bool {
        if text.len() > SHORT_TEXT {
            return true;
        }
        let mut has = [false; 256];
        for byte in text {
            has[usize::from(*byte)] = true;
        }
        // A space may be spelt in other ways, too.
        has[usize::from(b' ')] = true;
        let is_spelt = |part: &[u8]| part.iter().all(|byte| has[usize::from(*byte)]);
        let has_half = |Needle { key, .. }: Needle<'_>| {
            let half = key.len().div_ceil(2);
            is_spelt(&key[..half]) || is_spelt(&key[key.len() - half..])
        };
        has[usize::from(b'\\')] || has[usize::from(b'%')] || self.followed().any(has_half)
    }

    /// Returns the text with every spelling of a secret replaced; `None` if there is none.
    pub(crate) fn removed(&self, text: &[u8]) -> Option<Vec<u8>> {
        if !self.may_be_in(text) {
            return None;
        }
        let mut places = Vec::new();
        for secret in &self.secrets {
            find(secret, text, &mut places);
        }
        self.base64.find(text, &mut places);
        masked(text, places)
    }

    /// Returns how much of an unfinished text may be released: no secret and no escape begins before that and ends later.
    pub(crate) fn finished(&self, text: &[u8]) -> usize {
        let needles = self.secrets.iter().map(|secret| &**secret);
        let open = |needle| open_end(needle, text).map(|(at, _)| at);
        let first = needles.chain(self.base64.needles()).filter_map(open).min();
        first.unwrap_or(text.len())
    }

    /// Returns whether the name of a header holds a secret, in whatever case.
    pub(crate) fn are_in_name(&self, name: &HeaderName) -> bool {
        let name = name.as_str().as_bytes();
        let is_in = |needle: &[u8]| {
            let mut parts = name.windows(needle.len());
            let begins = |part: &[u8]| part[0].eq_ignore_ascii_case(&needle[0]);
            parts.any(|part| begins(part) && part.eq_ignore_ascii_case(needle))
        };
        let needles = self.secrets.iter().map(|secret| &**secret);
        needles.chain(self.base64.needles()).any(is_in)
    }
}

/// One character of a text, however it is spelt there.
pub(crate) enum Unit {
    /// This code point; its spelling ends here.
    Is(u32, usize),
    /// The text ends before the character is complete.
    Cut,
}

/// Reads the character at a position. Any number of backslashes counts as one: their number doubles each time JSON is
/// put into a JSON string.
pub(crate) fn unit(text: &[u8], at: usize) -> Unit {
    let rest = text.get(at..).unwrap_or_default();
    match rest {
        [] => Unit::Cut,
        [b'\\', ..] => {
            let at = at + backslashes(rest);
            let code = match text.get(at) {
                None => return Unit::Cut,
                Some(b'u') => match hex(text, at + 1, 4) {
                    Ok(Some(code)) => return Unit::Is(code, at + 5),
                    Ok(None) => b'u',
                    Err(()) => return Unit::Cut,
                },
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(byte) => *byte,
            };
            Unit::Is(code.into(), at + 1)
        }
        [b'%', ..] => {
            let at = at + 1 + digits(&rest[1..]);
            match hex(text, at, 2) {
                Ok(Some(code)) => Unit::Is(code, at + 2),
                Ok(None) => Unit::Is(b'%'.into(), at),
                Err(()) => Unit::Cut,
            }
        }
        [0xc2, 0x85, ..] => Unit::Is(0x85, at + 2),
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => Unit::Is(0x2000 + u32::from(last - 0x80), at + 3),
        [byte, ..] => Unit::Is((*byte).into(), at + 1),
    }
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'\\').count()
}

/// Reads so many hexadecimal digits; returns `Ok(None)` if they are no digits, an error if the text ends within them.
fn hex(text: &[u8], at: usize, count: usize) -> Result<Option<u32>, ()> {
    let mut code = 0;
    for place in at..at + count {
        let digit = char::from(*text.get(place).ok_or(())?).to_digit(16);
        match digit {
            Some(digit) => code = code * 16 + digit,
            None => return Ok(None),
        }
    }
    Ok(Some(code))
}

/// Returns where a text continues after line breaks and other control characters, and after the indentation of the next
/// line.
pub(crate) fn after_break(text: &[u8], mut at: usize) -> usize {
    let start = at;
    loop {
        match unit(text, at) {
            Unit::Is(0..=0x1f | 0x7f | 0x85 | 0x2028 | 0x2029, next) => {
                at = next;
                if text[at..].starts_with(b"data:") {
                    at += b"data:".len();
                }
            }
            Unit::Is(0x20, next) if at > start => at = next,
            Unit::Is(..) | Unit::Cut => return at,
        }
    }
}

/// How far a text spells a key.
pub(crate) enum Reach {
    /// The text spells the whole key, which ends here.
    Whole(usize),
    /// The text ends after so many characters of the key.
    Open(usize),
    /// The text does not spell the key.
    No,
}

/// Compares `text` from `at` on with `key`.
pub(crate) fn spell(key: &[u8], text: &[u8], mut at: usize) -> Reach {
    for (done, expected) in key.iter().enumerate() {
        if done > 0 {
            let after = after_break(text, at);
            // A text that is wrapped has its line break in place of a space.
            if *expected == b' ' && after > at {
                at = after;
                continue;
            }
            at = after;
        }
        let itself = literal(&key[done..], text, at);
        let read = match unit(text, at) {
            Unit::Is(code, next) if code == u32::from(*expected) => Some(next),
            // As in the query of a URL.
            Unit::Is(0x2b, next) if *expected == b' ' => Some(next),
            Unit::Is(..) => None,
            Unit::Cut if itself.is_some() => None,
            Unit::Cut => return Reach::Open(done),
        };
        at = match (read, itself) {
            (Some(next), None) | (None, Some(next)) => next,
            (None, None) => return Reach::No,
            // The key itself looks encoded here: try both readings, with this same function for the rest.
            (Some(next), Some(other)) => {
                let rest = &key[done + 1..];
                if next != other && !rest.is_empty() {
                    match spell(rest, text, after_break(text, other)) {
                        Reach::Whole(end) => return Reach::Whole(end),
                        Reach::Open(more) => return Reach::Open(done + 1 + more),
                        Reach::No => {}
                    }
                }
                next
            }
        };
    }
    Reach::Whole(at)
}

/// Returns where a text continues after the key's next character, if that is one of the two with which encodings begin
/// and it stands for itself, however often it was encoded.
fn literal(key: &[u8], text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    match (key, rest) {
        ([b'\\', ..], [b'\\', ..]) => Some(at + backslashes(rest)),
        ([b'%', b'2', b'5', ..], [b'%', ..]) => Some(at + 1),
        ([b'%', ..], [b'%', ..]) => Some(at + 1 + digits(&rest[1..])),
        _ => None,
    }
}

/// Returns how many bytes each encoding of a percent sign has added after it.
fn digits(text: &[u8]) -> usize {
    2 * text.chunks(2).take_while(|two| two == b"25").count()
}

/// Returns the next position where a spelling of the key may begin.
fn next_start(key: &[u8], text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    memchr3(*key.first()?, b'\\', b'%', rest).map(|at| from + at)
}

/// Returns where to continue after a position at which no spelling begins.
fn after_start(text: &[u8], at: usize) -> usize {
    at + backslashes(&text[at..]).max(1)
}

/// Collects the places of all spellings of a key.
fn find(key: &[u8], text: &[u8], places: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = next_start(key, text, from) {
        if is_ruled_out(key, text, at) {
            from = after_start(text, at);
            continue;
        }
        from = match spell(key, text, at) {
            Reach::Whole(end) => {
                places.push(at..end);
                end
            }
            Reach::Open(_) | Reach::No => after_start(text, at),
        };
    }
}

/// Returns whether the first two characters here are others than the key's. Most are, and this shows it at little cost.
fn is_ruled_out(key: &[u8], text: &[u8], at: usize) -> bool {
    let is_escape = |byte| matches!(byte, b'\\' | b'%');
    let [first, next] = *text.get(at..at + 2).unwrap_or_default() else {
        return false;
    };
    if is_escape(first) {
        let is_other = |code| code != u32::from(key[0]);
        return !is_escape(key[0]) && matches!(unit(text, at), Unit::Is(code, _) if is_other(code));
    }
    let is_second = next == key[1] || (key[1] == b' ' && next == b'+');
    matches!(next, b' '..=b'~') && !is_escape(next) && !is_second
}

/// Returns where the last characters of a text begin to spell the key, and how many characters of it they spell.
pub(crate) fn open_end(key: &[u8], text: &[u8]) -> Option<(usize, usize)> {
    let mut from = text.len().saturating_sub(key.len() * WIDEST);
    while let Some(at) = next_start(key, text, from) {
        if let Reach::Open(spelt) = spell(key, text, at) {
            return Some((at, spelt));
        }
        from = after_start(text, at);
    }
    None
}

/// Returns the text with these places replaced, each once, and those together that overlap; `None` if there are none.
pub(crate) fn masked(text: &[u8], mut places: Vec<Range<usize>>) -> Option<Vec<u8>> {
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|place| place.start);
    let mut out = Vec::new();
    let mut taken = 0;
    for place in places {
        if place.start >= taken {
            out.extend_from_slice(&text[taken..place.start]);
            out.extend_from_slice(REDACTED.as_bytes());
        }
        taken = taken.max(place.end);
    }
    out.extend_from_slice(&text[taken..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_key_or_with_half_of_one_is_never_ruled_out_by_its_characters() {
        let needles = Needles::of("q7RzK2mX v9TbL4%wYc8");
        for Needle { key, .. } in needles.followed() {
            let half = key.len().div_ceil(2);
            for part in [key, &key[..half], &key[key.len() - half..]] {
                let wrapped: Vec<u8> = part.iter().flat_map(|byte| [*byte, b'\n']).collect();
                assert!(needles.may_be_in(part) && needles.may_be_in(&wrapped));
            }
        }
        for spelt in [r"\u0071", "%71", &"a".repeat(SHORT_TEXT + 1)] {
            assert!(needles.may_be_in(spelt.as_bytes()), "{spelt}");
        }
        for other in ["", "203", r#"{"task_id":"8c1e0a4e","status":"running"}"#] {
            assert!(!needles.may_be_in(other.as_bytes()), "{other}");
        }
    }
}
