//! `multipart/form-data` (RFC 7578) with the names escaped as the WHATWG form rules say, values byte for byte, and the
//! exact length known before the first byte is read.

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::error::BuildError;
use crate::request::{Segment, Source};
use crate::seed::{Seed, hex};

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    content: Content,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file.
    Source(Source),
}

impl Part {
    /// A text part, sent byte for byte: a browser would turn its line breaks into CRLF, a prompt must stay as it is.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            filename: None,
            content_type: None,
            content: Content::Bytes(text.into().into()),
        }
    }

    /// A file part.
    pub fn file(
        name: impl Into<String>,
        filename: impl Into<String>,
        content_type: impl Into<String>,
        content: Content,
    ) -> Self {
        Self {
            name: name.into(),
            filename: Some(filename.into()),
            content_type: Some(content_type.into()),
            content,
        }
    }

    fn head(&self) -> Result<String, BuildError> {
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{}\"",
            escape_name(&self.name)
        );
        if let Some(filename) = &self.filename {
            head.push_str("; filename=\"");
            head.push_str(&escape_filename(filename));
            head.push('"');
        }
        if let Some(content_type) = &self.content_type {
            if content_type.bytes().any(|b| b < b' ' || b == 0x7f) {
                return Err(BuildError::new(format!(
                    "{content_type:?} is not a content type"
                )));
            }
            head.push_str("\r\nContent-Type: ");
            head.push_str(content_type);
        }
        head.push_str("\r\n\r\n");
        Ok(head)
    }
}

/// A field's name: every line break becomes an encoded CRLF, quotes are encoded, nothing else is touched.
fn escape_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push_str("%0D%0A");
            }
            '\n' => out.push_str("%0D%0A"),
            '"' => out.push_str("%22"),
            c => out.push(c),
        }
    }
    out
}

/// A file's name: line breaks and quotes are encoded one by one, nothing else is touched.
fn escape_filename(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            '"' => out.push_str("%22"),
            c => out.push(c),
        }
    }
    out
}

/// A whole form, ready to be sent.
#[derive(Clone, Debug)]
pub struct Form {
    boundary: String,
    parts: Vec<Part>,
    /// Framing before each part's content, then the end: one more than there are parts.
    frames: Vec<Bytes>,
}

impl Form {
    /// A form of these parts. Its boundary is not yet random: a [`Call`](crate::Call) or [`Task`](crate::Task) sets it
    /// from its seed before anything is sent.
    ///
    /// # Errors
    /// When a content type cannot be written.
    pub fn new(parts: Vec<Part>) -> Result<Self, BuildError> {
        let mut form = Self {
            boundary: String::new(),
            parts,
            frames: Vec::new(),
        };
        for part in &form.parts {
            part.head()?;
        }
        form.set_boundary("taskward-form".to_owned());
        Ok(form)
    }

    /// The same form under a boundary of 128 random bits that none of its inline contents holds.
    pub(crate) fn with_boundary(mut self, seed: &Seed) -> Self {
        let mut hash = Sha256::new();
        self.digest(&mut hash);
        let digest: [u8; 32] = hash.finalize().into();
        for attempt in 0u8.. {
            let boundary = format!(
                "taskward-{}",
                hex(&seed.derive("boundary", &[&digest[..], &[attempt]].concat()))
            );
            let taken = self.parts.iter().any(|part| match &part.content {
                Content::Bytes(bytes) => contains(bytes, boundary.as_bytes()),
                Content::Source(_) => false,
            });
            if !taken || attempt == u8::MAX {
                self.set_boundary(boundary);
                break;
            }
        }
        self
    }

    fn set_boundary(&mut self, boundary: String) {
        let mut frames = Vec::with_capacity(self.parts.len() + 1);
        for (i, part) in self.parts.iter().enumerate() {
            let mut frame = BytesMut::new();
            if i > 0 {
                frame.extend_from_slice(b"\r\n");
            }
            frame.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            frame.extend_from_slice(
                part.head()
                    .expect("checked when the form was made")
                    .as_bytes(),
            );
            frames.push(frame.freeze());
        }
        let start = if self.parts.is_empty() { "" } else { "\r\n" };
        frames.push(Bytes::from(format!("{start}--{boundary}--\r\n")));
        self.frames = frames;
        self.boundary = boundary;
    }

    /// The boundary between parts.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// What to send, in order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment<'_>> + '_ {
        let contents = self.parts.iter().map(|part| match &part.content {
            Content::Bytes(bytes) => Segment::Bytes(bytes),
            Content::Source(source) => Segment::Source(source),
        });
        let mut contents = contents;
        self.frames
            .iter()
            .flat_map(move |frame| [Some(Segment::Bytes(frame)), contents.next()])
            .flatten()
    }

    /// Feeds everything but the boundary and the files' contents.
    pub(crate) fn digest(&self, hash: &mut Sha256) {
        for part in &self.parts {
            hash.update(part.head().expect("checked when the form was made"));
            match &part.content {
                Content::Bytes(bytes) => {
                    hash.update((bytes.len() as u64).to_le_bytes());
                    hash.update(bytes);
                }
                Content::Source(source) => {
                    hash.update(format!("{:?}", source.key));
                    for number in [
                        source.len,
                        source.stamp.modified,
                        source.stamp.device,
                        source.stamp.inode,
                    ] {
                        hash.update(number.to_le_bytes());
                    }
                }
            }
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// The last component of a path written for any system, without what would make it special.
///
/// # Errors
/// When it is over 255 bytes, which no file system takes.
pub fn clean_filename(name: &str) -> Result<String, BuildError> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if last.len() > 255 {
        return Err(BuildError::new(format!(
            "a file name of {} bytes is too long (at most 255)",
            last.len()
        )));
    }
    Ok(match last {
        "" | "." | ".." => "file".to_owned(),
        last => last.to_owned(),
    })
}

/// The content type for a file name, by its extension as curl knows them; else `application/octet-stream`.
#[must_use]
pub fn content_type_of(filename: &str) -> &'static str {
    let extension = filename
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("gif") => "image/gif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("tif" | "tiff") => "image/tiff",
        Some("webp") => "image/webp",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("htm" | "html") => "text/html",
        Some("pdf") => "application/pdf",
        Some("xml") => "application/xml",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        Some("doc") => "application/msword",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xls") => "application/vnd.ms-excel",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("ppt") => "application/vnd.ms-powerpoint",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Some("eml") => "message/rfc822",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Body, Request};
    use http::Method;
    use http::uri::PathAndQuery;

    fn seed() -> Seed {
        Seed([7; 32])
    }

    fn wire(parts: Vec<Part>) -> (String, Vec<u8>) {
        let request = Request::form(Method::POST, PathAndQuery::from_static("/"), parts)
            .expect("form")
            .freeze(&seed());
        let Body::Form(form) = request.body() else {
            panic!("not a form")
        };
        let mut out = Vec::new();
        for segment in request.body().segments() {
            match segment {
                Segment::Bytes(bytes) => out.extend_from_slice(bytes),
                Segment::Source(source) => {
                    out.extend(std::iter::repeat_n(b'x', source.len as usize))
                }
            }
        }
        assert_eq!(
            out.len() as u64,
            request.body().len(),
            "the length is exact"
        );
        (form.boundary().to_owned(), out)
    }

    #[test]
    fn a_form_is_written_as_rfc_7578_says() {
        let file = Content::Source(Source::key("k", 3));
        let (b, out) = wire(vec![
            Part::text("query", "hi"),
            Part::file("files", "a.pdf", "application/pdf", file),
        ]);
        let expected = format!(
            "--{b}\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nhi\r\n--{b}\r\nContent-Disposition: form-data; \
             name=\"files\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\nxxx\r\n--{b}--\r\n"
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn names_are_escaped_and_values_are_not() {
        for (name, in_name, in_filename) in [
            ("a\"b", "a%22b", "a%22b"),
            ("a\nb", "a%0D%0Ab", "a%0Ab"),
            ("a\rb", "a%0D%0Ab", "a%0Db"),
            ("a\r\nb", "a%0D%0Ab", "a%0D%0Ab"),
            ("a\n\rb", "a%0D%0A%0D%0Ab", "a%0A%0Db"),
            ("a'\\%0\0ü😀", "a'\\%0\0ü😀", "a'\\%0\0ü😀"),
        ] {
            assert_eq!(escape_name(name), in_name);
            assert_eq!(escape_filename(name), in_filename);
            let text = "x\ny\rz\r\n--";
            let (_, out) = wire(vec![Part::file(
                name,
                name,
                "a/b",
                Content::Bytes(text.into()),
            )]);
            let out = String::from_utf8(out).expect("text");
            assert!(
                out.contains(&format!(
                    "name=\"{in_name}\"; filename=\"{in_filename}\"\r\n"
                )),
                "{out}"
            );
            assert!(
                out.contains(&format!("\r\n\r\n{text}\r\n--taskward-")),
                "{out}"
            );
        }
    }

    #[test]
    fn a_boundary_that_a_value_holds_is_not_used() {
        let mut inside = String::new();
        for _ in 0..3 {
            // The digest covers the value, so each try has a boundary of its own; put the one it would take inside.
            let (boundary, _) = wire(vec![Part::text("a", inside.clone())]);
            inside.push_str(&boundary);
            let (boundary, out) = wire(vec![Part::text("a", inside.clone())]);
            assert!(!inside.contains(&boundary));
            assert_eq!(
                String::from_utf8(out)
                    .expect("text")
                    .matches(&boundary)
                    .count(),
                2
            );
        }
        assert!(contains(b"xxabcxx", b"abc") && !contains(b"xxabxcx", b"abc"));
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_the_digest_ignores_the_boundary() {
        let parts = || vec![Part::text("a", "b")];
        assert_eq!(wire(parts()), wire(parts()));
        let request = |seed: u8| {
            Request::form(Method::POST, PathAndQuery::from_static("/"), parts())
                .expect("form")
                .freeze(&Seed([seed; 32]))
        };
        assert_eq!(request(1).digest(), request(2).digest());
    }

    #[test]
    fn a_content_type_cannot_smuggle_a_header() {
        let part = Part::file("a", "b", "text/plain\r\nX: y", Content::Bytes(Bytes::new()));
        assert!(Form::new(vec![part]).is_err());
    }

    #[test]
    fn only_the_last_component_of_a_name_is_kept() {
        for (name, clean) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.pdf", "y.pdf"),
            ("~", "~"),
            ("dir/", "file"),
            ("..", "file"),
        ] {
            assert_eq!(clean_filename(name).expect(name), clean);
        }
        assert!(clean_filename(&"x".repeat(256)).is_err());
    }
}
