//! Finds a key inside base64: of the key itself, or of a longer text that it is part of, as a header or a file.
//!
//! Each three bytes become four characters, so what a key looks like depends on how many bytes stand before it: there are
//! three spellings, each without the characters at its ends that hold bits of other bytes too. Both alphabets are searched
//! for, with or without padding. A spelling may itself be escaped or broken into lines like any other text, so each is
//! compared by [`spell`].
//!
//! A reply is searched for the first [`HEAD`] characters of each spelling. Only where something is escaped or a line ends
//! could one begin in another way, so these places are tried, too.

use std::ops::Range;

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::NO_PAD;
use base64::engine::{Engine as _, GeneralPurpose};
use memchr::memchr2;
use memchr::memmem::Finder;

use super::{Reach, SHORTEST, Unit, after_break, after_start, spell, unit};

/// How many characters of a spelling are searched for.
const HEAD: usize = 3;

/// The spellings of a credential's secrets in base64.
pub(super) struct Base64 {
    spellings: Vec<Spellings>,
    /// The characters that a spelling begins with.
    first: [bool; 256],
    /// The characters of a head that another one follows.
    followed: [bool; 256],
}

/// Spellings that begin alike.
struct Spellings {
    head: Finder<'static>,
    all: Vec<Spelling>,
}

struct Spelling {
    text: Box<[u8]>,
    /// The next character holds the last bits of the key.
    goes_on: bool,
}

impl Base64 {
    /// Searches for these secrets in base64, and for the whole of `text` in base64.
    pub(super) fn of(secrets: &[Box<[u8]>], text: Option<&str>) -> Self {
        let mut all = Self {
            spellings: Vec::new(),
            first: [false; 256],
            followed: [false; 256],
        };
        // First, so that nothing of it stays before or behind a part of it.
        for alphabet in [&STANDARD, &URL_SAFE] {
            let encoded = text.map(|text| GeneralPurpose::new(alphabet, NO_PAD).encode(text));
            let encoded = encoded.filter(|encoded| encoded.len() >= SHORTEST);
            if let Some(encoded) = encoded {
                all.add(encoded.as_bytes(), false);
            }
        }
        for secret in secrets {
            for before in 0..3 {
                for alphabet in [&STANDARD, &URL_SAFE] {
                    let padded = [&[0; 2][..before], secret].concat();
                    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&padded);
                    let bits = padded.len() * 8;
                    // What holds bits of other bytes is left out.
                    let text = &encoded.as_bytes()[(before * 8).div_ceil(6)..bits / 6];
                    all.add(text, bits % 6 > 0);
                }
            }
        }
        all
    }

    fn add(&mut self, text: &[u8], goes_on: bool) {
        let head = &text[..HEAD];
        let spelling = Spelling {
            text: text.into(),
            goes_on,
        };
        self.first[usize::from(head[0])] = true;
        for byte in &head[..HEAD - 1] {
            self.followed[usize::from(*byte)] = true;
        }
        match self
            .spellings
            .iter_mut()
            .find(|all| all.head.needle() == head)
        {
            Some(same) if same.all.iter().any(|other| *other.text == *text) => {}
            Some(same) => same.all.push(spelling),
            None => self.spellings.push(Spellings {
                head: Finder::new(head).into_owned(),
                all: vec![spelling],
            }),
        }
    }

    /// Returns every spelling.
    pub(super) fn needles(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.spellings.iter().flat_map(|spellings| &spellings.all);
        all.map(|spelling| &*spelling.text)
    }

    /// Collects the places of all spellings.
    pub(super) fn find(&self, text: &[u8], places: &mut Vec<Range<usize>>) {
        for spellings in &self.spellings {
            for at in spellings.head.find_iter(text) {
                places.extend(spellings.at(text, at));
            }
        }
        self.find_at(text, (b'\\', b'%'), places);
        self.find_at(text, (b'\n', b'\r'), places);
    }

    /// Tries the places where one of these characters stands among the first ones of a spelling.
    fn find_at(&self, text: &[u8], at: (u8, u8), places: &mut Vec<Range<usize>>) {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| memchr2(at.0, at.1, rest)) {
            let odd = from + found;
            from = after_start(text, odd);
            let last = text[..odd].last().copied();
            let follows = last.is_some_and(|last| self.followed[usize::from(last)]);
            let first = match unit(text, odd) {
                Unit::Is(code, _) => u8::try_from(code).ok(),
                Unit::Cut => None,
            };
            let begins = first.is_some_and(|first| self.first[usize::from(first)]);
            if begins || follows {
                let all = self.spellings.iter();
                places.extend(all.filter_map(|spellings| spellings.around(text, odd)));
            }
        }
    }
}

impl Spellings {
    /// Returns the place of the spelling that has the character here among its first ones.
    fn around(&self, text: &[u8], odd: usize) -> Option<Range<usize>> {
        let head = self.head.needle();
        (0..HEAD.min(odd + 1)).find_map(|before| {
            let is_begun = text[odd - before..odd] == head[..before];
            is_begun.then(|| self.at(text, odd - before)).flatten()
        })
    }

    /// Returns the place of the spelling that begins here.
    fn at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        self.all.iter().find_map(|spelling| {
            let Reach::Whole(mut end) = spell(&spelling.text, text, at) else {
                return None;
            };
            if let Unit::Is(code, next) = unit(text, after_break(text, end))
                && spelling.goes_on
                && is_digit(code)
            {
                end = next;
            }
            while let Unit::Is(0x3d, next) = unit(text, after_break(text, end)) {
                end = next;
            }
            Some(at..end)
        })
    }
}

/// Returns whether this is a character of either alphabet.
fn is_digit(code: u32) -> bool {
    let byte = u8::try_from(code).unwrap_or_default();
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
