//! Where a line ends.

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Bytes of the vectors that every machine of 64 bits has.
const VECTOR: usize = 16;

/// What is no longer is searched word by word. `memchr` is the faster one beyond it, once it has started.
const SHORT: usize = 64;

/// So much of a long piece is searched word by word before: names, ids and blank lines mostly end within it.
const FIRST: usize = 24;

/// What is under it is an end or a control character of another kind; few lines hold one of those.
const FIRST_OTHER: u8 = b'\r' + 1;

/// Returns the place of the first CR or LF.
#[inline]
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    if let [b'\n', ..] = bytes {
        return Some(0);
    }
    if bytes.len() <= SHORT {
        return short_end(bytes);
    }
    let (start, rest) = bytes.split_at(FIRST);
    short_end(start).or_else(|| Some(FIRST + memchr::memchr2(b'\n', b'\r', rest)?))
}

const ONES: u64 = u64::from_ne_bytes([1; WORD]);
const TOPS: u64 = ONES << 7;

/// Marks the top bit of each byte under `limit`, which is at most 128, and maybe of bytes above the first of them.
#[inline]
fn under(limit: u8, word: u64) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word
}

/// Returns whether a short piece is surely the inside of a line. It is cheaper to see that it contains no control
/// character at all than to see which one it contains.
#[inline]
pub(super) fn is_inside(bytes: &[u8]) -> bool {
    if bytes.len() > SHORT {
        return false;
    }
    let (vectors, tail) = bytes.as_chunks::<VECTOR>();
    let Some(last) = bytes.last_chunk::<VECTOR>() else {
        return all_other(tail);
    };
    // The last vector overlaps the one before.
    vectors.iter().all(|vector| all_other(vector)) && all_other(last)
}

/// Returns whether no byte is a control character that may be an end. It has no early exit, so that many bytes are
/// compared at once.
#[inline]
fn all_other(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |all, byte| all & (*byte >= FIRST_OTHER))
}

#[inline]
fn short_end(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<WORD>();
    for (number, word) in words.iter().enumerate() {
        if let Some(place) = word_end(*word) {
            return Some(number * WORD + place);
        }
    }
    match bytes.last_chunk() {
        // The last word overlaps the one before.
        Some(last) => Some(bytes.len() - WORD + word_end(*last)?),
        None => tail.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
    }
}

/// Returns the place of the first end in a word; most words need only one comparison with [`FIRST_OTHER`].
#[inline]
fn word_end(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    if under(FIRST_OTHER, word) & TOPS == 0 {
        return None;
    }
    let is = |byte: u8| under(1, word ^ (ONES * u64::from(byte)));
    let ends = (is(b'\n') | is(b'\r')) & TOPS;
    (ends != 0).then(|| ends.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_is_found_at_every_place_of_every_length() {
        // Neighbours in value are what arithmetic on words gets wrong.
        for filler in [b'x', 0, 9, 0x0b, 0x0c, 0x0e, 0x8a, 0x8d, 0xff] {
            for length in 0..160 {
                let mut bytes = vec![filler; length];
                assert_eq!(line_end(&bytes), None, "{filler} of {length}");
                for place in (0..length).rev() {
                    bytes[place] = if place % 3 == 0 { b'\r' } else { b'\n' };
                    assert_eq!(line_end(&bytes), Some(place), "{filler} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_piece_with_a_control_character_is_not_surely_inside() {
        for length in 0..=SHORT {
            // What is beyond ASCII, and what borrows from its neighbour.
            for filler in [b' ', 0x0e, 0x7f, 0x80, 0x8d, 0xff] {
                let mut bytes = vec![filler; length];
                assert!(is_inside(&bytes), "{filler} of {length}");
                for place in 0..length {
                    for end in *b"\r\n" {
                        bytes[place] = end;
                        assert!(!is_inside(&bytes), "{filler} of {length} at {place}");
                    }
                    bytes[place] = filler;
                }
            }
        }
        assert!(!is_inside(&[b'x'; SHORT + 1]));
    }
}
