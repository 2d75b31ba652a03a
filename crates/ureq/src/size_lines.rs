//! Size lines of chunked bodies (RFC 9112 section 7.1), made short enough for ureq: it refuses one of more than twenty
//! bytes, be it zeros in front of the size or an extension behind it, and a good reply would be none.

/// How many bytes of extensions one body may have, as in hyper.
const MAX_EXTENSIONS: u32 = 16 * 1024;
/// Replaces what no server may send, so that ureq refuses the line.
const WRONG: u8 = b'!';

/// Follows one body, and takes out of its size lines what says nothing. All else passes as it is, and is ureq's to judge.
#[derive(Debug)]
pub(crate) struct SizeLines {
    state: State,
    extensions: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a size line.
    Start,
    /// In a size, and how much it is so far.
    Size(u64),
    /// In the white space behind it.
    Space(u64),
    /// In its extension.
    Extension(u64),
    /// Before the line feed.
    SizeEnd(u64),
    /// In a chunk, with so much of it to come.
    Data(u64),
    /// Before the carriage return behind a chunk.
    DataCr,
    /// Before the line feed behind a chunk.
    DataLf,
    /// Behind the last size line, or in something that is no chunked body.
    Rest,
}

impl SizeLines {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Start,
            extensions: 0,
        }
    }

    /// Shortens the next bytes of a body in place; returns how many remain.
    pub(crate) fn shorten(&mut self, bytes: &mut [u8]) -> usize {
        let (mut read, mut kept) = (0, 0);
        while read < bytes.len() {
            let some = match self.state {
                State::Rest => bytes.len() - read,
                State::Data(left) => {
                    let here = bytes.len() - read;
                    let some = usize::try_from(left).map_or(here, |left| left.min(here));
                    self.state = match left - some as u64 {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    some
                }
                _ => {
                    if let Some(byte) = self.step(bytes[read]) {
                        bytes[kept] = byte;
                        kept += 1;
                    }
                    read += 1;
                    continue;
                }
            };
            bytes.copy_within(read..read + some, kept);
            read += some;
            kept += some;
        }
        kept
    }

    /// Takes one byte of the framing between chunks; returns what replaces it.
    fn step(&mut self, byte: u8) -> Option<u8> {
        let (state, kept) = match (self.state, byte) {
            (State::Start, _) => match digit(byte) {
                Some(digit) => (State::Size(digit), Some(byte)),
                None => (State::Rest, Some(byte)),
            },
            // One zero was written already.
            (State::Size(0), b'0') => (State::Size(0), None),
            (State::Size(size) | State::Space(size), b' ' | b'\t') => (State::Space(size), None),
            (State::Size(size) | State::Space(size), b';') => (State::Extension(size), None),
            (State::Size(size) | State::Space(size) | State::Extension(size), b'\r') => {
                (State::SizeEnd(size), Some(byte))
            }
            (State::Size(size), _) => match (digit(byte), size.checked_mul(16)) {
                (Some(digit), Some(size)) => (State::Size(size + digit), Some(byte)),
                _ => (State::Rest, Some(byte)),
            },
            (State::Space(_) | State::Extension(_), b'\n') | (State::Space(_), _) => {
                (State::Rest, Some(WRONG))
            }
            (State::Extension(size), _) => {
                self.extensions += 1;
                match self.extensions < MAX_EXTENSIONS {
                    true => (State::Extension(size), None),
                    false => (State::Rest, Some(WRONG)),
                }
            }
            (State::SizeEnd(size @ 1..), b'\n') => (State::Data(size), Some(byte)),
            (State::DataCr, b'\r') => (State::DataLf, Some(byte)),
            (State::DataLf, b'\n') => (State::Start, Some(byte)),
            (
                State::SizeEnd(_) | State::DataCr | State::DataLf | State::Data(_) | State::Rest,
                _,
            ) => (State::Rest, Some(byte)),
        };
        self.state = state;
        kept
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what remains of a body that arrives in these pieces.
    fn shortened<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut lines = SizeLines::new();
        let mut whole = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            let kept = lines.shorten(&mut piece);
            whole.extend_from_slice(&piece[..kept]);
        }
        String::from_utf8(whole).expect("the tests are text")
    }

    /// Rows: B30.
    #[test]
    fn what_says_nothing_is_left_out_wherever_the_body_is_cut() {
        for (body, expected) in [
            ("3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            (
                "0000000000000000000000003\r\nabc\r\n0000000000000000000000000\r\n\r\n",
                "03\r\nabc\r\n0\r\n\r\n",
            ),
            (
                "3;an-extension=\"of many; words\"\r\n;\r\n\r\n0;more=of-it;and-more\r\nTrailer: x;y\r\n\r\n",
                "3\r\n;\r\n\r\n0\r\nTrailer: x;y\r\n\r\n",
            ),
            ("1F \t ; x\r\n", "1F\r\n"),
            (
                "10  \r\n0123456789abcdef\r\n2;x\r\n\r\n\r\n0\r\n\r\n00;x",
                "10\r\n0123456789abcdef\r\n2\r\n\r\n\r\n0\r\n\r\n00;x",
            ),
        ] {
            assert_eq!(shortened([body.as_bytes()]), expected);
            assert_eq!(shortened(body.as_bytes().chunks(1)), expected, "by bytes");
            for cut in 0..=body.len() {
                let (begin, end) = body.as_bytes().split_at(cut);
                assert_eq!(shortened([begin, end]), expected, "cut at {cut}");
            }
        }
    }

    /// Rows: B30.
    #[test]
    fn what_is_no_size_line_is_left_to_be_refused() {
        let long = "x".repeat(20_000);
        for (body, expected) in [
            // As it came.
            ("\r\nabc", "\r\nabc".to_owned()),
            (" 3;x\r\n", " 3;x\r\n".to_owned()),
            ("+3;x\r\n", "+3;x\r\n".to_owned()),
            ("3x;y\r\n", "3x;y\r\n".to_owned()),
            ("3\rx;y\r\n", "3\rx;y\r\n".to_owned()),
            ("3\nabc;x\r\n", "3\nabc;x\r\n".to_owned()),
            ("3\r\nabcd\r\n0;x\r\n", "3\r\nabcd\r\n0;x\r\n".to_owned()),
            ("3\r\nabc\rx;y", "3\r\nabc\rx;y".to_owned()),
            (
                "123456789abcdef01234;x\r\n",
                "123456789abcdef01234;x\r\n".to_owned(),
            ),
            // With what ureq would not see any more.
            ("3 3\r\n", "3!\r\n".to_owned()),
            ("3;x\ny\r\n", "3!y\r\n".to_owned()),
            (
                &format!("3;{long}\r\n"),
                format!("3!{}\r\n", "x".repeat(20_000 - 16 * 1024)),
            ),
        ] {
            assert_eq!(shortened([body.as_bytes()]), expected);
        }
    }
}
