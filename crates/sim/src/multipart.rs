//! A push parser of `multipart/form-data` bodies (RFC 7578), at constant memory.
//!
//! Bytes go in as they come, in pieces of any size; a [`Form`] comes out at the end. Of a file only length, digest and
//! the first [`KEPT_BYTES`] are kept. The parser is strict: a part without a name, a delimiter with something behind
//! it and a body that ends early are errors.
//!
//! File and part names are read as browsers write them: a backslash stands for itself, and the three escapes `%22`,
//! `%0D` and `%0A` for the characters that cannot stand in a quoted name.

use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::ids::hex;
use crate::message::{Form, KEPT_BYTES, Part, Upload};

/// The header block of one part may not be longer.
const MAX_PART_HEADER: usize = 16 << 10;
/// A part without a file name is a value, and no value is longer than this.
const MAX_TEXT: usize = 4 << 20;
/// More parts than this are no form that a person sends.
const MAX_PARTS: usize = 2_000;
/// All kept beginnings of one form together; files after that are known by length and digest alone.
const MAX_KEPT: usize = 16 << 20;

/// Why a body is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// The closing delimiter never came.
    #[error("multipart body ended early")]
    Truncated,
    /// A delimiter is followed by neither a line break nor two dashes.
    #[error("malformed multipart delimiter")]
    Delimiter,
    /// A part's header block is too long or is not made of header lines.
    #[error("malformed header in a multipart part")]
    PartHeader,
    /// A part has no `Content-Disposition: form-data` with a name.
    #[error("multipart part without a name")]
    Unnamed,
    /// A value is longer than the parser keeps.
    #[error("multipart field {0:?} is too long")]
    TextTooLong(String),
    /// A file is longer than the platform takes.
    #[error("File {0:?} is too large")]
    FileTooLarge(String),
    /// There are too many parts.
    #[error("too many multipart parts")]
    TooManyParts,
}

/// Returns the boundary parameter of a `multipart/form-data` content type.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (_, parameters) = content_type.split_once(';')?;
    let value = parameters
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| {
            key.trim()
                .eq_ignore_ascii_case("boundary")
                .then(|| value.trim().trim_matches('"').to_owned())
        })?;
    // RFC 2046, section 5.1.1: 1 to 70 characters.
    (1..=70).contains(&value.len()).then_some(value)
}

/// A form being read.
#[derive(Debug)]
pub struct Multipart {
    delimiter: memmem::Finder<'static>,
    state: State,
    /// What could not be judged yet; never longer than one piece and one delimiter.
    buffer: Vec<u8>,
    form: Form,
    kept: usize,
    max_file: u64,
}

#[derive(Debug)]
enum State {
    Preamble,
    AfterDelimiter,
    PartHeader,
    Value { name: String, value: Vec<u8> },
    File { upload: Upload, sha: Box<Sha256> },
    Epilogue,
}

/// Whether more can be read from what is in the buffer.
enum Progress {
    Again,
    NeedsMore,
}

impl Multipart {
    /// Returns a parser for one body with this boundary, which refuses files longer than `max_file`.
    #[must_use]
    pub fn new(boundary: &str, max_file: Option<u64>) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            delimiter: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            state: State::Preamble,
            // The first delimiter may stand at the very start: give it the line break it lacks.
            buffer: b"\r\n".to_vec(),
            form: Form::default(),
            kept: 0,
            max_file: max_file.unwrap_or(u64::MAX),
        }
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// When the body is no form; what is pushed afterwards has no meaning.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), MultipartError> {
        if matches!(self.state, State::Epilogue) {
            return Ok(());
        }
        self.buffer.extend_from_slice(piece);
        while let Progress::Again = self.step()? {}
        Ok(())
    }

    /// Returns the form, once the whole body was pushed.
    ///
    /// # Errors
    /// When the closing delimiter is missing.
    pub fn finish(self) -> Result<Form, MultipartError> {
        match self.state {
            State::Epilogue => Ok(self.form),
            State::Preamble
            | State::AfterDelimiter
            | State::PartHeader
            | State::Value { .. }
            | State::File { .. } => Err(MultipartError::Truncated),
        }
    }

    fn step(&mut self) -> Result<Progress, MultipartError> {
        match self.state {
            State::AfterDelimiter => self.read_delimiter_end(),
            State::PartHeader => self.read_part_header(),
            State::Preamble | State::Value { .. } | State::File { .. } => self.read_content(),
            State::Epilogue => {
                self.buffer.clear();
                Ok(Progress::NeedsMore)
            }
        }
    }

    fn read_content(&mut self) -> Result<Progress, MultipartError> {
        let delimiter_len = self.delimiter.needle().len();
        if let Some(at) = self.delimiter.find(&self.buffer) {
            self.take_content(at)?;
            self.buffer.drain(..at + delimiter_len);
            self.close_part();
            self.state = State::AfterDelimiter;
            return Ok(Progress::Again);
        }
        // The last bytes may be the beginning of a delimiter.
        let safe = self.buffer.len().saturating_sub(delimiter_len - 1);
        self.take_content(safe)?;
        self.buffer.drain(..safe);
        Ok(Progress::NeedsMore)
    }

    fn take_content(&mut self, len: usize) -> Result<(), MultipartError> {
        let bytes = &self.buffer[..len];
        match &mut self.state {
            State::Value { name, value } => {
                if value.len() + len > MAX_TEXT {
                    return Err(MultipartError::TextTooLong(name.clone()));
                }
                value.extend_from_slice(bytes);
            }
            State::File { upload, sha } => {
                upload.size += len as u64;
                if upload.size > self.max_file {
                    return Err(MultipartError::FileTooLarge(upload.name.clone()));
                }
                sha.update(bytes);
                let room = (KEPT_BYTES - upload.head.len())
                    .min(MAX_KEPT - self.kept)
                    .min(len);
                upload.head.extend_from_slice(&bytes[..room]);
                self.kept += room;
            }
            State::Preamble | State::AfterDelimiter | State::PartHeader | State::Epilogue => {}
        }
        Ok(())
    }

    fn close_part(&mut self) {
        match std::mem::replace(&mut self.state, State::AfterDelimiter) {
            State::Value { name, value } => self.form.parts.push(Part::Text { name, value }),
            State::File { mut upload, sha } => {
                upload.sha256 = hex(&sha.finalize());
                self.form.parts.push(Part::File(upload));
            }
            State::Preamble | State::AfterDelimiter | State::PartHeader | State::Epilogue => {}
        }
    }

    fn read_delimiter_end(&mut self) -> Result<Progress, MultipartError> {
        let padding = self
            .buffer
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if padding > MAX_PART_HEADER {
            return Err(MultipartError::Delimiter);
        }
        match &self.buffer[padding..] {
            [b'-', b'-', ..] if padding == 0 => self.state = State::Epilogue,
            [b'\r', b'\n', ..] => {
                self.buffer.drain(..padding + 2);
                self.state = State::PartHeader;
            }
            [] | [b'\r'] => return Ok(Progress::NeedsMore),
            [b'-'] if padding == 0 => return Ok(Progress::NeedsMore),
            _ => return Err(MultipartError::Delimiter),
        }
        Ok(Progress::Again)
    }

    fn read_part_header(&mut self) -> Result<Progress, MultipartError> {
        let end = memmem::find(&self.buffer, b"\r\n\r\n");
        let Some(end) = end.filter(|end| *end <= MAX_PART_HEADER) else {
            // A part that begins with an empty line has no header at all, so no name.
            if self.buffer.starts_with(b"\r\n") {
                return Err(MultipartError::Unnamed);
            }
            if self.buffer.len() > MAX_PART_HEADER {
                return Err(MultipartError::PartHeader);
            }
            return Ok(Progress::NeedsMore);
        };
        if self.form.parts.len() == MAX_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        let header = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.state = open_part(&header)?;
        self.buffer.drain(..end + 4);
        Ok(Progress::Again)
    }
}

fn open_part(header: &str) -> Result<State, MultipartError> {
    let mut disposition = None;
    let mut content_type = String::new();
    for line in header.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(MultipartError::PartHeader)?;
        if name.eq_ignore_ascii_case("content-disposition") {
            disposition = Some(value.trim());
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = value.trim().to_owned();
        }
    }
    let parameters = disposition
        .and_then(|value| value.strip_prefix("form-data"))
        .ok_or(MultipartError::Unnamed)?;
    let (mut name, mut file_name) = (None, None);
    for (key, value) in quoted_parameters(parameters) {
        if key.eq_ignore_ascii_case("name") {
            name = Some(value);
        } else if key.eq_ignore_ascii_case("filename") {
            file_name = Some(value);
        }
    }
    let field = name.ok_or(MultipartError::Unnamed)?;
    Ok(match file_name {
        None => State::Value {
            name: field,
            value: Vec::new(),
        },
        Some(name) => State::File {
            upload: Upload {
                field,
                name,
                content_type,
                size: 0,
                sha256: String::new(),
                head: Vec::new(),
            },
            sha: Box::new(Sha256::new()),
        },
    })
}

/// Reads `; key="value"; key=value` as browsers write it.
fn quoted_parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut pairs = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key
            .trim_start_matches(|c: char| c == ';' || c.is_whitespace())
            .trim_end();
        let (value, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(';').unwrap_or((rest, "")),
        };
        let value = value
            .replace("%22", "\"")
            .replace("%0D", "\r")
            .replace("%0A", "\n");
        pairs.push((key, value));
        text = after;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSum it up\r\n--b\r\n\
        Content-Disposition: form-data; name=\"files\"; filename=\"a%22b\\c.csv\"\r\nContent-Type: text/csv\r\n\r\n\
        x\r\n--\r\n--ab,\r\n\r\n--b \r\ncontent-disposition: form-data; filename=\"\"; name=files\r\n\r\n\r\n--b--\r\nepilogue";

    fn parse(pieces: &[&[u8]]) -> Result<Form, MultipartError> {
        let mut parser = Multipart::new("b", None);
        pieces.iter().try_for_each(|piece| parser.push(piece))?;
        parser.finish()
    }

    fn describe(form: &Form) -> Vec<String> {
        let describe = |part: &Part| match part {
            Part::Text { name, value } => format!("{name}={}", String::from_utf8_lossy(value)),
            Part::File(file) => format!(
                "{}:{}:{}:{}:{}:{:?}",
                file.field,
                file.name,
                file.content_type,
                file.size,
                &file.sha256[..8],
                String::from_utf8_lossy(&file.head)
            ),
        };
        form.parts.iter().map(describe).collect()
    }

    #[test]
    fn a_form_is_the_same_at_every_cut_of_its_bytes() {
        let whole = describe(&parse(&[BODY]).unwrap());
        assert_eq!(
            whole,
            [
                "query=Sum it up",
                "files:a\"b\\c.csv:text/csv:14:91958934:\"x\\r\\n--\\r\\n--ab,\\r\\n\"",
                "files:::0:e3b0c442:\"\""
            ]
        );
        for cut in 0..=BODY.len() {
            assert_eq!(
                describe(&parse(&[&BODY[..cut], &BODY[cut..]]).unwrap()),
                whole,
                "cut at {cut}"
            );
        }
        let bytes: Vec<&[u8]> = BODY.chunks(1).collect();
        assert_eq!(describe(&parse(&bytes).unwrap()), whole);
    }

    #[test]
    fn a_body_cut_anywhere_before_its_end_is_no_form() {
        let end = BODY.len() - b"\r\nepilogue".len();
        for cut in 0..end {
            assert_eq!(
                parse(&[&BODY[..cut]]).err(),
                Some(MultipartError::Truncated),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn what_is_no_form_is_told_by_its_reason() {
        let part = |header: &str| format!("--b\r\n{header}\r\n\r\nx\r\n--b--");
        let check = |body: &str, expected: MultipartError| {
            assert_eq!(parse(&[body.as_bytes()]).err(), Some(expected), "{body:?}");
        };
        check("--bx\r\n", MultipartError::Delimiter);
        check("--b -", MultipartError::Delimiter);
        check(
            &part("Content-Disposition: form-data"),
            MultipartError::Unnamed,
        );
        check(
            &part("Content-Disposition: attachment; name=\"a\""),
            MultipartError::Unnamed,
        );
        check(&part("X-Other: 1"), MultipartError::Unnamed);
        check("--b\r\n\r\nx\r\n--b--", MultipartError::Unnamed);
        check(&part("no header line"), MultipartError::PartHeader);
        check(
            &part(&format!("X: {}", "y".repeat(MAX_PART_HEADER))),
            MultipartError::PartHeader,
        );
        let many = part("Content-Disposition: form-data; name=\"a\"")
            .replace("--b--", "")
            .repeat(MAX_PARTS + 1);
        check(&many, MultipartError::TooManyParts);
    }

    #[test]
    fn of_a_long_file_only_the_beginning_is_kept() {
        let mut parser = Multipart::new("b", None);
        parser
            .push(
                b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"big\"\r\n\r\n",
            )
            .unwrap();
        for _ in 0..40 {
            parser.push(&[0; 1 << 16]).unwrap();
            assert!(
                parser.buffer.len() < 64,
                "the buffer holds no more than a delimiter"
            );
        }
        parser.push(b"\r\n--b--").unwrap();
        let form = parser.finish().unwrap();
        let [Part::File(file)] = form.parts.as_slice() else {
            panic!("{form:?}")
        };
        assert_eq!((file.size, file.head.len()), (40 << 16, KEPT_BYTES));
        assert_eq!(file.sha256, hex(&Sha256::digest(vec![0; 40 << 16])));
    }

    #[test]
    fn caps_hold_for_files_and_values() {
        let mut parser = Multipart::new("b", Some(10));
        parser
            .push(
                b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"big\"\r\n\r\n",
            )
            .unwrap();
        assert_eq!(
            parser.push(&[0; 99]),
            Err(MultipartError::FileTooLarge("big".into()))
        );
        let mut parser = Multipart::new("b", None);
        parser
            .push(b"--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n")
            .unwrap();
        assert_eq!(
            parser.push(&vec![0; MAX_TEXT + 9]),
            Err(MultipartError::TextTooLong("query".into()))
        );
    }

    #[test]
    fn the_boundary_is_found_quoted_or_not() {
        let check = |content_type: &str, expected: Option<&str>| {
            assert_eq!(
                boundary(content_type).as_deref(),
                expected,
                "{content_type}"
            );
        };
        check("multipart/form-data; boundary=abc", Some("abc"));
        check(
            "multipart/form-data; charset=x; Boundary=\"a b\"",
            Some("a b"),
        );
        check("multipart/form-data", None);
        check("multipart/form-data; boundary=", None);
    }
}
