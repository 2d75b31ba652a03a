//! Finds a key that the values of one name form together, as the deltas of a text do.
//!
//! A piece of a key looks like any other text until the rest of it comes. In a whole body the rest is present. In
//! events it is not, so an event whose text ends as the key begins is not delivered until it is known how the text
//! continues ([`HoldBack`]):
//!
//! - It continues as the key does, to its end: all pieces are masked.
//! - It continues otherwise: what only began like the key is delivered unchanged and in order.
//! - It does not continue: an event of another type follows, or another report about the task ends or interrupts a
//!   text,
//!   the task is over, or [`MAX_BEHIND`] events wait behind it. Then half of a key or more is masked, and less is
//!   delivered.
//!
//! The rest of a key is masked whenever it comes, and by itself if it is at least half of the key. A held-back event
//! was not delivered: a process that ends before stores nothing of it, and the next one reads it again.
//!
//! # How much of a key is ever delivered
//! While a text continues, fewer than [`FEWEST`] characters in a row: texts often end with the character with which the
//! key begins, which is no reason to delay them, and so little of a key is of no use to anybody. If something else,
//! another process, or the end of a separately read page comes between the pieces of a key, less than half of it.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr3};
use serde_json::Value;

use crate::credential::Credential;
use crate::needles::{
    Needle, Needles, REDACTED, Reach, Unit, after_break, masked, open_end, spell, unit,
};

/// How many characters of the key a text must end with for its event to be held back.
pub(crate) const FEWEST: usize = 4;

/// Events that may wait behind one that is held back.
pub(crate) const MAX_BEHIND: usize = 256;

/// How many names are followed at once.
const NAMES: usize = 16;

/// How the last value of a name ended.
#[derive(Debug)]
struct Tail<P> {
    /// A digest of the name, only used to compare it.
    name: u64,
    /// How many characters of the key it ends with.
    spelt: usize,
    /// Where these characters are, as far as they may still be masked.
    parts: Vec<P>,
}

impl<P> Tail<P> {
    fn is_half_of(&self, key: &[u8]) -> bool {
        self.spelt >= half(key)
    }
}

/// How the values of each name ended, if they ended as the key begins.
#[derive(Debug)]
struct Tails<P>(Vec<Tail<P>>);

impl<P> Default for Tails<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P> Tails<P> {
    fn take(&mut self, name: u64) -> Option<Tail<P>> {
        let at = self.0.iter().position(|tail| tail.name == name)?;
        Some(self.0.remove(at))
    }

    fn keep(&mut self, tail: Tail<P>) {
        self.0.push(tail);
    }

    /// Forgets the names that were not followed for the longest time, if there are too many.
    fn forget(&mut self) -> Option<Tail<P>> {
        (self.0.len() > NAMES).then(|| self.0.remove(0))
    }
}

/// What a value adds to a key.
#[derive(Debug, PartialEq, Eq)]
struct Added {
    /// A key ends within the value, here.
    ends: Option<usize>,
    /// From here on it may be the beginning or the middle of a key: so many characters of it by now.
    open: Option<(usize, usize)>,
    /// The open piece began in an earlier value.
    goes_on: bool,
}

/// Judges a value after one that ended with `before` characters of the key.
fn added(key: &[u8], value: &[u8], before: usize) -> Added {
    let (mut ends, mut begun) = (None, 0);
    let start = after_break(value, 0);
    let first = unit(value, start);
    for done in 1..key.len() {
        if !may_begin(&first, key[done]) {
            continue;
        }
        // A text that ends with so many characters of the key also ends with fewer, if the key repeats itself.
        let known = done <= before && key[..before].ends_with(&key[..done]);
        // A large part of a key is recognised by itself, whoever delivered the other part.
        if !known && key.len() - done < half(key) {
            continue;
        }
        match spell(&key[done..], value, start) {
            Reach::Whole(end) => ends = ends.max(Some(end)),
            Reach::Open(more) if known => begun = begun.max(done + more),
            Reach::Open(_) | Reach::No => {}
        }
    }
    // The other part was already masked where it was recognised by itself.
    if before > 0 && value.starts_with(REDACTED.as_bytes()) {
        ends = ends.max(Some(0));
    }
    let own = open_end(key, value).filter(|(_, spelt)| *spelt > 0);
    let open = if begun > 0 {
        let spelt = own.map_or(0, |(_, spelt)| spelt);
        Some((0, begun.max(spelt)))
    } else {
        own
    };
    Added {
        ends,
        open,
        goes_on: begun > 0,
    }
}

/// Returns whether a text that begins with `first` may begin with this character of a key. Most do not, and this shows it
/// at little cost.
fn may_begin(first: &Unit, expected: u8) -> bool {
    match first {
        Unit::Is(code, _) => {
            // These three may be spelt in more than one way.
            *code == u32::from(expected) || matches!(expected, b'\\' | b'%' | b' ')
        }
        Unit::Cut => true,
    }
}

fn half(key: &[u8]) -> usize {
    key.len().div_ceil(2)
}

/// Returns whether a text ends with characters, as they are, that a key begins with.
fn ends_as_begins(key: &[u8], text: &[u8]) -> bool {
    text.last().is_some_and(|last| {
        let mut ends = memchr_iter(*last, key);
        ends.any(|at| text.ends_with(&key[..=at]))
    })
}

/// Processes a value. Returns what has to be masked in earlier values, and how much of this one, from its beginning.
///
/// A key in base64 is followed only from its beginning on, where that is as it is: each key has several of those spellings,
/// and most texts have nothing to do with any.
fn follow<P>(
    tails: &mut Tails<P>,
    Needle { key, is_base64 }: Needle<'_>,
    name: u64,
    value: &[u8],
    place: impl FnOnce(usize) -> P,
) -> (Vec<P>, Option<usize>) {
    let before = tails.take(name);
    if value.is_empty() {
        before.into_iter().for_each(|tail| tails.keep(tail));
        return (Vec::new(), None);
    }
    if is_base64 && before.is_none() && !ends_as_begins(key, value) {
        return (Vec::new(), None);
    }
    let added = added(key, value, before.as_ref().map_or(0, |tail| tail.spelt));
    let mut parts = before.map(|tail| tail.parts).unwrap_or_default();
    let mask = match added.ends {
        Some(_) => std::mem::take(&mut parts),
        None => Vec::new(),
    };
    if let Some((at, spelt)) = added.open {
        if !added.goes_on {
            parts.clear();
        }
        parts.push(place(at));
        tails.keep(Tail { name, spelt, parts });
    }
    (mask, added.ends.filter(|end| *end > 0))
}

// --- a whole body ------------------------------------------------------------------------------------------------------

/// Returns the text with those pieces of a secret replaced that its JSON strings form when they are joined; `None` if
/// there are none. What the text ends with may continue elsewhere, and is masked from half of the key on.
pub(super) fn without_pieces(needles: &Needles, text: &[u8]) -> Option<Vec<u8>> {
    let followed = needles.followed().map(|needle| (needle, Tails::default()));
    let mut followed: Vec<(Needle<'_>, Tails<Range<usize>>)> = followed.collect();
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut name = 0;
    let mut from = 0;
    while let Some(string) = next_string(text, from) {
        from = string.end + 1;
        let value = &text[string.clone()];
        if is_name(text, from) {
            name = digest(value);
            continue;
        }
        for (needle, tails) in &mut followed {
            let place = |at| string.start + at..string.end;
            let (before, head) = follow(tails, *needle, name, value, place);
            places.extend(before);
            places.extend(head.map(|end| string.start..string.start + end));
            places.extend(open_places(needle.key, tails.forget()));
        }
    }
    for (needle, tails) in followed {
        places.extend(open_places(needle.key, tails.0));
    }
    masked(text, places)
}

/// Returns all places of what is too much of a key, where nothing shows how the text continues.
fn open_places<P>(key: &[u8], tails: impl IntoIterator<Item = Tail<P>>) -> Vec<P> {
    let tails = tails.into_iter().filter(|tail| tail.is_half_of(key));
    tails.flat_map(|tail| tail.parts).collect()
}

/// Returns what the next JSON string of a text contains between its quotes. A string ends on its line.
fn next_string(text: &[u8], mut from: usize) -> Option<Range<usize>> {
    loop {
        let start = from + memchr(b'"', text.get(from..)?)? + 1;
        let mut at = start;
        loop {
            at += memchr3(b'"', b'\\', b'\n', text.get(at..)?)?;
            match text[at] {
                b'"' => return Some(start..at),
                b'\\' => at += 2,
                _ => break,
            }
        }
        from = at;
    }
}

/// Returns whether the string that ends here names what follows.
fn is_name(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    rest.trim_ascii_start().first() == Some(&b':')
}

/// Digests bytes with FNV-1a.
fn digest(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

// --- events ------------------------------------------------------------------------------------------------------------

/// A possible piece of a key: in which event, in which of its texts, and from where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    no: u64,
    text: usize,
    at: usize,
}

/// Holds back events whose text ends as a secret of the credential begins. What it returns has to be masked in the waiting
/// events.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    credential: Option<Credential>,
    /// Of each needle that is followed.
    tails: Vec<Tails<Piece>>,
    /// The type of the event that the last piece came in.
    of: String,
}

impl HoldBack {
    /// Searches for this credential from now on.
    pub(crate) fn search_for(&mut self, credential: &Credential) {
        self.credential = Some(credential.clone());
    }

    /// Returns the first event that must not be delivered yet.
    pub(crate) fn first(&self) -> Option<u64> {
        let all = self.tails.iter().flat_map(|tails| &tails.0);
        let held = all.filter(|tail| tail.spelt >= FEWEST);
        held.flat_map(|tail| &tail.parts).map(|part| part.no).min()
    }

    /// Processes an event of this type that will be delivered as number `no`.
    #[must_use]
    pub(crate) fn take(&mut self, no: u64, kind: &str, data: &mut Value) -> Vec<Piece> {
        let mut masks = Vec::new();
        if self.of != kind {
            masks.extend(self.release());
        }
        let Some(credential) = &self.credential else {
            return masks;
        };
        let needles = credential.needles();
        // Only now: most tasks never have an event with a text of the server's.
        self.tails
            .resize_with(needles.followed().count(), Tails::default);
        let (tails, mut begins, mut text) = (&mut self.tails, false, 0);
        each_text(data, "", &mut |name, value| {
            let name = digest(name.as_bytes());
            for (which, needle) in needles.followed().enumerate() {
                let place = |at| Piece { no, text, at };
                let (before, head) =
                    follow(&mut tails[which], needle, name, value.as_bytes(), place);
                masks.extend(before);
                begins |= tails[which].0.last().is_some_and(|tail| tail.name == name);
                if let Some(end) = head {
                    value.replace_range(..end, REDACTED);
                    // The text behind a found key moves when the key is masked.
                    let all = tails.iter_mut().flat_map(|tails| &mut tails.0);
                    for part in all.flat_map(|tail| &mut tail.parts) {
                        if (part.no, part.text) == (no, text) {
                            part.at = part.at.checked_sub(end).map_or(0, |at| at + REDACTED.len());
                        }
                    }
                }
                masks.extend(open_places(needle.key, tails[which].forget()));
            }
            text += 1;
        });
        if begins {
            kind.clone_into(&mut self.of);
        }
        masks
    }

    /// Releases what was held back, except for what is too much of a key, because nothing shows how the texts continue.
    #[must_use]
    pub(crate) fn release(&mut self) -> Vec<Piece> {
        let Some(credential) = &self.credential else {
            return Vec::new();
        };
        let mut masks = Vec::new();
        for (needle, tails) in credential.needles().followed().zip(&mut self.tails) {
            for tail in &mut tails.0 {
                let parts = std::mem::take(&mut tail.parts);
                if tail.is_half_of(needle.key) {
                    masks.extend(parts);
                }
            }
        }
        masks
    }

    /// Notes that this event was delivered: nothing of it can be held back any more.
    pub(crate) fn told(&mut self, no: u64) {
        for tail in self.tails.iter_mut().flat_map(|tails| &mut tails.0) {
            tail.parts.retain(|part| part.no > no);
        }
    }
}

impl Piece {
    /// Returns the event that contains the piece.
    pub(crate) fn event(&self) -> u64 {
        self.no
    }

    /// Masks the piece in its event. Of several pieces in one text the last one goes first, so that the others do not
    /// move.
    pub(crate) fn mask(&self, data: &mut Value) {
        let mut text = 0;
        each_text(data, "", &mut |_, value| {
            if text == self.text && value.is_char_boundary(self.at) {
                value.replace_range(self.at.., REDACTED);
            }
            text += 1;
        });
    }
}

/// Visits every text of a value with the name it belongs to.
fn each_text(value: &mut Value, name: &str, visit: &mut impl FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => visit(name, text),
        Value::Array(items) => {
            for item in items {
                each_text(item, name, visit);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                each_text(value, name, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
