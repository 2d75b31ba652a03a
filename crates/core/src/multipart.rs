//! `multipart/form-data` (RFC 7578) with the names escaped as the WHATWG form rules say, values byte for byte, and the
//! exact length known before the first byte is read.

use bytes::{Bytes, BytesMut};
use hmac_sha256::Hash as Sha256;

use crate::build_error::BuildError;
use crate::seed::{Seed, hex};
use crate::source::{Segment, Source};

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    content: Content,
}

/// The content of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file.
    Source(Source),
}

impl Part {
    /// Creates a text part, sent byte for byte: a browser would turn its line breaks into CRLF, but a prompt must stay
    /// as it is.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            filename: None,
            content_type: None,
            content: Content::Bytes(text.into().into()),
        }
    }

    /// Creates a file part.
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

/// Escapes a field's name: every line break becomes an encoded CRLF, quotes are encoded, and the rest stays.
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

/// Escapes a file's name: line breaks and quotes are encoded one by one, and the rest stays.
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

/// A complete form, ready to be sent.
#[derive(Clone, Debug)]
pub struct Form {
    boundary: String,
    parts: Vec<Part>,
    /// The framing before each part's content, and the end: one more than there are parts.
    frames: Vec<Bytes>,
}

impl Form {
    /// Creates a form of these parts. Its boundary is not random yet: a [`Call`](crate::Call) or [`Task`](crate::Task)
    /// derives it from its seed before anything is sent.
    ///
    /// # Errors
    /// Returns an error if a content type cannot be encoded.
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

    /// Sets a boundary of 128 random bits that none of the inline contents contains.
    pub(crate) fn with_boundary(mut self, seed: &Seed) -> Self {
        let mut hash = Sha256::new();
        self.digest(&mut hash);
        let digest = hash.finalize();
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

    /// Returns the boundary between the parts.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// Returns the segments to send, in order.
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

    /// Returns whether the form contains the content of a file.
    pub(crate) fn holds_a_file(&self) -> bool {
        self.parts
            .iter()
            .any(|part| part.filename.is_some() && matches!(part.content, Content::Bytes(_)))
    }

    /// Digests everything but the boundary and the files' contents.
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

/// Returns the last component of a path written for any operating system, without special characters.
///
/// # Errors
/// Returns an error if it is over 255 bytes, which no file system accepts.
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

/// Returns the content type for a file name, by the extensions that curl knows; otherwise `application/octet-stream`.
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

    /// One part as it was read.
    #[derive(Debug, PartialEq)]
    struct Read {
        head: Vec<String>,
        content: Vec<u8>,
    }

    impl Read {
        /// A parameter of its `Content-Disposition`, as it stands there.
        fn parameter(&self, name: &str) -> Option<&str> {
            let (_, rest) = self.head[0].split_once(&format!("; {name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        }
    }

    /// Reads a form by RFC 2046 alone: it knows the boundary and nothing of how the form was written.
    fn parse(boundary: &str, body: &[u8]) -> Vec<Read> {
        let find = |bytes: &[u8], needle: &[u8]| {
            bytes
                .windows(needle.len())
                .position(|window| window == needle)
                .expect("a delimiter or a blank line")
        };
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        let mut rest = body
            .strip_prefix(&delimiter[2..])
            .expect("a first delimiter");
        let mut parts = Vec::new();
        while rest != b"--\r\n" {
            rest = rest.strip_prefix(b"\r\n").expect("a line ends");
            let blank = find(rest, b"\r\n\r\n");
            let head = String::from_utf8(rest[..blank].to_vec()).expect("text");
            rest = &rest[blank + 4..];
            let end = find(rest, &delimiter);
            let head: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
            // A line break by itself would be one for some readers.
            assert!(
                !head.iter().any(|line| line.contains(['\r', '\n'])),
                "{head:?}"
            );
            parts.push(Read {
                head,
                content: rest[..end].to_vec(),
            });
            rest = &rest[end + delimiter.len()..];
        }
        parts
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

    /// Rows: K8, K10.
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

    /// Rows: K9.
    #[test]
    fn no_name_adds_a_header_or_a_part() {
        for hostile in [
            "a\r\nX-Evil: 1",
            "a\nX-Evil: 1",
            "a\rX-Evil: 1",
            "a\"\r\n\r\nbody",
            "a\"; filename=\"b",
            "\r\n--taskward-form--\r\n",
        ] {
            let content = Content::Bytes("content".into());
            let (boundary, out) = wire(vec![
                Part::file(hostile, hostile, "text/plain", content),
                Part::text("query", "hi"),
            ]);
            let parts = parse(&boundary, &out);
            assert_eq!(parts.len(), 2, "{hostile:?}: {parts:?}");
            assert_eq!(parts[0].head.len(), 2, "{hostile:?}: {parts:?}");
            assert_eq!(parts[0].head[1], "Content-Type: text/plain");
            assert_eq!(parts[0].content, b"content");
            // Unescaped as a browser's forms are read, the name is what it was.
            let unescape = |text: &str| {
                text.replace("%0D", "\r")
                    .replace("%0A", "\n")
                    .replace("%22", "\"")
            };
            let filename = parts[0].parameter("filename").expect("a filename");
            assert_eq!(unescape(filename), hostile);
        }
    }

    /// Rows: K14, K18.
    #[test]
    fn whatever_the_contents_are_the_same_parts_are_read_back() {
        let mut rng = fastrand::Rng::with_seed(14);
        let pieces = [
            "\r\n--taskward-",
            "--taskward-form--\r\n",
            "\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x\"\r\n\r\n",
            "\r",
            "\n",
            "--",
            "text",
        ];
        for case in 0..300 {
            let mut texts: Vec<String> = (0..rng.usize(1..5))
                .map(|_| {
                    (0..rng.usize(0..8))
                        .map(|_| pieces[rng.usize(..pieces.len())])
                        .collect()
                })
                .collect();
            let form = |texts: &[String]| {
                let part = |text: &String| Part::text("query", text.clone());
                wire(texts.iter().map(part).collect())
            };
            // The very boundary that this form would have had is one of its contents, too.
            let (taken, _) = form(&texts);
            texts.push(format!("\r\n--{taken}\r\n"));
            let (boundary, out) = form(&texts);
            assert_eq!(
                boundary.len(),
                "taskward-".len() + 32,
                "128 bits: {boundary}"
            );
            let read: Vec<Vec<u8>> = parse(&boundary, &out)
                .into_iter()
                .map(|part| part.content)
                .collect();
            let sent: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
            assert_eq!(read, sent, "case {case}");
        }
    }

    /// Rows: K6.
    #[test]
    fn the_length_of_a_form_counts_beyond_four_gigabytes() {
        let huge = 5 << 30;
        let part = |len| {
            let content = Content::Source(Source::key("k", len));
            Part::file("files", "a.bin", "application/octet-stream", content)
        };
        let length = |parts| {
            let form = Request::form(Method::POST, PathAndQuery::from_static("/"), parts);
            form.expect("form").freeze(&seed()).body().len()
        };
        let framing = length(vec![part(0), part(0)]);
        assert_eq!(length(vec![part(huge), part(huge)]), framing + 2 * huge);
    }

    /// Rows: K14.
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
    fn whatever_differs_in_a_form_differs_in_its_digest() {
        let digest = |parts: Vec<Part>| {
            let form = Request::form(Method::POST, PathAndQuery::from_static("/"), parts);
            form.expect("form").digest()
        };
        let file = |change: fn(&mut Source)| {
            let mut source = Source::key("k", 3);
            change(&mut source);
            vec![Part::file(
                "a",
                "b.txt",
                "text/plain",
                Content::Source(source),
            )]
        };
        let bytes = |name: &str, filename: &str, kind: &str, bytes: &'static str| {
            vec![Part::file(
                name,
                filename,
                kind,
                Content::Bytes(bytes.into()),
            )]
        };
        let forms = [
            vec![],
            vec![Part::text("a", "b")],
            vec![Part::text("a", "c")],
            vec![Part::text("b", "b")],
            vec![Part::text("a", "b"), Part::text("a", "b")],
            bytes("a", "b.txt", "text/plain", "xxx"),
            bytes("b", "b.txt", "text/plain", "xxx"),
            bytes("a", "c.txt", "text/plain", "xxx"),
            bytes("a", "b.txt", "text/html", "xxx"),
            bytes("a", "b.txt", "text/plain", "xx"),
            file(|_| {}),
            file(|source| source.key = crate::source::SourceKey::Key("l".into())),
            file(|source| source.len = 4),
            file(|source| source.stamp.modified = 1),
            file(|source| source.stamp.device = 1),
            file(|source| source.stamp.inode = 1),
        ];
        let all = forms.len();
        let digests: std::collections::BTreeSet<String> = forms.into_iter().map(digest).collect();
        assert_eq!(digests.len(), all);
    }

    #[test]
    fn a_file_is_sent_as_what_its_extension_says_and_else_as_bytes() {
        for (extensions, kind) in [
            (&["gif", "GIF"][..], "image/gif"),
            (&["jpg", "jpeg", "Jpg"], "image/jpeg"),
            (&["png"], "image/png"),
            (&["svg"], "image/svg+xml"),
            (&["tif", "tiff"], "image/tiff"),
            (&["webp"], "image/webp"),
            (&["txt"], "text/plain"),
            (&["csv"], "text/csv"),
            (&["md"], "text/markdown"),
            (&["htm", "html"], "text/html"),
            (&["pdf", "PDF"], "application/pdf"),
            (&["xml"], "application/xml"),
            (&["json"], "application/json"),
            (&["zip"], "application/zip"),
            (&["doc"], "application/msword"),
            (&["xls"], "application/vnd.ms-excel"),
            (&["ppt"], "application/vnd.ms-powerpoint"),
            (&["eml"], "message/rfc822"),
            (&["", "exe", "pdfx", "pdf "], "application/octet-stream"),
        ] {
            for extension in extensions {
                assert_eq!(content_type_of(&format!("a.b.{extension}")), kind);
            }
        }
        for (extension, kind) in [
            ("docx", "wordprocessingml.document"),
            ("xlsx", "spreadsheetml.sheet"),
            ("pptx", "presentationml.presentation"),
        ] {
            let full = format!("application/vnd.openxmlformats-officedocument.{kind}");
            assert_eq!(content_type_of(&format!("a.{extension}")), full);
        }
        assert_eq!(content_type_of("pdf"), "application/octet-stream");
    }

    /// Rows: L7.
    #[test]
    fn a_content_type_cannot_smuggle_a_header() {
        let form = |kind: &str| {
            let content = Content::Bytes(Bytes::new());
            Form::new(vec![Part::file("a", "b", kind, content)])
        };
        for hostile in [
            "text/plain\r\nX: y",
            "text/plain\n",
            "text/plain\r",
            "text/plain\0",
            "text/\x7fplain",
            "text/\x1fplain",
        ] {
            assert!(form(hostile).is_err(), "{hostile:?}");
        }
        assert!(form("text/plain; charset=utf-8").is_ok());
    }

    /// Rows: K12, K13.
    #[test]
    fn only_the_last_component_of_a_name_is_kept() {
        for (name, clean) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.pdf", "y.pdf"),
            ("~/a.pdf", "a.pdf"),
            ("~", "~"),
            ("", "file"),
            (".", "file"),
            ("dir/", "file"),
            ("..", "file"),
        ] {
            assert_eq!(clean_filename(name).expect(name), clean);
        }
        assert!(clean_filename(&"x".repeat(255)).is_ok());
        for len in [256, 10_000] {
            assert!(clean_filename(&"x".repeat(len)).is_err());
        }
    }
}
