//! Short text without an allocation: ids and timestamps of every reply fit into it.

/// A string that is stored in place when it is at most [`INLINE`] bytes long.
#[derive(Clone)]
pub(super) enum Text {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<str>),
}

/// Room for a UUID (36 bytes) and for an RFC 3339 timestamp with nine fraction digits and an offset (35 bytes).
const INLINE: usize = 38;

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                Self::Inline {
                    len: text.len() as u8,
                    bytes,
                }
            }
            None => Self::Heap(text.into()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Inline { len, bytes } => std::str::from_utf8(&bytes[..usize::from(*len)])
                .expect("only whole strings are stored in place"),
            Self::Heap(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_length_comes_back_as_it_was() {
        for len in 0..100 {
            let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(Text::new(&text).as_str(), text);
            assert_eq!(
                matches!(Text::new(&text), Text::Inline { .. }),
                text.len() <= INLINE
            );
        }
    }
}
