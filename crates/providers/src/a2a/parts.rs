//! Pieces of content, in the shape of 1.0 and in that of 0.3: text, data, and files that are here or elsewhere.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::types::{Message, Part};

/// Both alphabets and either padding: ProtoJSON says that a reader takes them all.
const READING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, READING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, READING);

/// What one part holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PartContent<'a> {
    /// Words.
    Text(&'a str),
    /// Any JSON.
    Data(&'a Value),
    /// A file in base64.
    Raw(&'a str),
    /// A file elsewhere.
    Url(&'a str),
    /// Nothing of these.
    Unknown,
}

impl Part {
    /// Returns what the part holds. A part should hold one thing; of several, what can be shown comes first.
    #[must_use]
    pub fn content(&self) -> PartContent<'_> {
        let file = self.file.as_ref();
        let raw = self.raw.as_deref();
        let raw = raw.or_else(|| file?.bytes.as_deref());
        let url = self.url.as_deref();
        let url = url.or_else(|| file?.uri.as_deref());
        // An empty text beside something else is a server's way to write "none"; alone it is an empty text.
        let text = self.text.as_deref();
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            return PartContent::Text(text);
        }
        if let Some(data) = &self.data {
            return PartContent::Data(data);
        }
        match (
            raw.filter(|raw| !raw.is_empty()),
            url.filter(|url| !url.is_empty()),
        ) {
            (Some(raw), _) => PartContent::Raw(raw),
            (None, Some(url)) => PartContent::Url(url),
            (None, None) if raw.is_some() => PartContent::Raw(""),
            (None, None) => text.map_or(PartContent::Unknown, PartContent::Text),
        }
    }

    /// Returns the file's name, if it has one. It is the server's word: clean it before it names a file here.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        let file = || self.file.as_ref()?.name.as_deref();
        let name = self.filename.as_deref().or_else(file);
        name.filter(|name| !name.is_empty())
    }

    /// Returns the media type, if it has one.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let file = || self.file.as_ref()?.mime_type.as_deref();
        let kind = self.media_type.as_deref().or_else(file);
        kind.filter(|kind| !kind.is_empty())
    }

    /// Returns the bytes of a file that is here; `None` if the part holds none, or holds something else than base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        let PartContent::Raw(raw) = self.content() else {
            return None;
        };
        let decoded = STANDARD.decode(raw).or_else(|_| URL_SAFE.decode(raw));
        decoded.ok().map(Bytes::from)
    }

    /// Returns the part as JSON, in the shape of 1.0 and without the bytes of a file, for a human or a program to read.
    pub(super) fn to_json(&self) -> Value {
        let mut object = Map::new();
        match self.content() {
            PartContent::Text(text) => drop(object.insert("text".to_owned(), json!(text))),
            PartContent::Data(data) => drop(object.insert("data".to_owned(), data.clone())),
            PartContent::Raw(raw) => {
                // Three bytes are four characters.
                object.insert("rawLength".to_owned(), json!(raw.len() / 4 * 3));
            }
            PartContent::Url(url) => drop(object.insert("url".to_owned(), json!(url))),
            PartContent::Unknown => object.extend(self.extra.clone()),
        }
        if let Some(name) = self.file_name() {
            object.insert("filename".to_owned(), json!(name));
        }
        if let Some(kind) = self.content_type() {
            object.insert("mediaType".to_owned(), json!(kind));
        }
        Value::Object(object)
    }
}

/// Returns the text of all text parts joined, or nothing if there is none. Streamed text is cut anywhere, so nothing is
/// put between.
pub(super) fn text_of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<String> {
    let mut joined: Option<String> = None;
    for part in parts {
        if let PartContent::Text(text) = part.content() {
            joined.get_or_insert_default().push_str(text);
        }
    }
    joined
}

/// Returns the one data part; nothing if there is none or several.
pub(super) fn data_of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<&'a Value> {
    let mut found = parts.into_iter().filter_map(|part| match part.content() {
        PartContent::Data(data) => Some(data),
        _ => None,
    });
    found.next().filter(|_| found.next().is_none())
}

/// Returns the text of a message.
pub(super) fn text_of_message(message: &Message) -> Option<String> {
    text_of(message.parts.readable())
}
