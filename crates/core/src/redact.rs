//! Removes the credential from everything that comes from outside, before anything reads it.
//!
//! # The rule
//! Nothing that a server sent, and nothing that a library says about it, becomes a value of this program before it has
//! passed one of four functions. Whatever is decoded later (errors, statuses, titles, messages, answers, raw events,
//! ids) is made of what they let through, so neither core nor a provider looks for the key again.
//!
//! | what enters | passes | called by |
//! |---|---|---|
//! | status line and headers, of redirects too | [`Credential::redact_head`] | `reply::head` of `taskward-client`, in both adapters |
//! | the body of any reply, whatever its status and type | [`Credential::redact_body`] | `Report::clean` of `taskward-client` |
//! | the bytes of an event stream | [`StreamRedactor::push`] | `EventStream` of both adapters |
//! | words about a failure | [`Credential::redact`] | `reply::clean_failure` of `taskward-client` |
//!
//! A key in pieces looks harmless piece by piece, so the events of a task also pass a fifth function before they are
//! delivered: [`HoldBack`], which [`Task::with_credential`](crate::Task::with_credential) gives to a task.
//!
//! What the program prints passes [`Credential::redact`] once more, since it also prints text that did not come from
//! the server.
//!
//! # What is found
//! The bytes are searched as they came, for every way in which each character of the key may be spelt: as itself, as a
//! JSON escape (`\u005f`, `\/`), percent-encoded (`%5F`), and either of these encoded once more (`\\u005f`, `%255F`).
//! Between two characters there may be line breaks and other control characters, plain or escaped, and after a line break
//! indentation or the `data:` of an event stream. A decoder undoes no more than that, so a text without such a spelling
//! decodes to no text with the key; and because a spelling never crosses the quotes of a JSON string, JSON stays JSON.
//!
//! The same is done for the key in base64, by itself or as part of a longer text ([`crate::needles`]): a server may say back the
//! header of a password, or a file that holds the key. Of a password the header's value is a secret, too, wherever it is.
//!
//! A key is also found where it is cut into pieces by consecutive values of one name, as in the deltas of a text:
//! [`pieces`] describes how, and how much of a key may be delivered.
//!
//! # What replaces it
//! [`REDACTED`] replaces the key. An id, a cursor or a status that contains it is invalid: the decoders refuse it as
//! they refuse a damaged one, and the reply cannot be read.
//!
//! # What this module does not do
//! It looks for no key of fewer than [`SHORTEST`](crate::SHORTEST) characters, which any text may hold by accident, and of a
//! `key_id:secret` for the secret alone: the id may be shown, and so may the user of a password. A short password is looked
//! for together with its user. Other encodings (HTML entities, a digest, base64 of base64) are not undone. Pieces are put
//! together within one reply or the events that one process tells of a task, those of base64 from its beginning on and
//! without escapes in the first of them. Of a key with backslashes in it not every mixture of forms is found.

mod pieces;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use memchr::memrchr2;

use crate::credential::Credential;
use crate::needles::REDACTED;
use crate::response::Head;

pub(crate) use pieces::{HoldBack, MAX_BEHIND, Piece};

/// Bytes of an unfinished line of a stream that are held back. A longer line is released piece by piece.
const MAX_HELD: usize = 1024 * 1024;

impl Credential {
    /// Removes the credential from a text for people to read.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match self.needles().removed(text.as_bytes()) {
            // Spellings begin and end at ASCII characters, so these are character boundaries.
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => text.to_owned(),
        }
    }

    /// Removes the credential from a reply's headers. A header whose name contains it is dropped.
    pub fn redact_head(&self, head: &mut Head) {
        let needles = self.needles();
        let names = head.headers.keys().filter(|name| needles.are_in_name(name));
        for name in names.cloned().collect::<Vec<HeaderName>>() {
            head.headers.remove(name);
        }
        for value in head.headers.values_mut() {
            if let Some(bytes) = needles.removed(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&bytes)
                    .unwrap_or_else(|_| HeaderValue::from_static(REDACTED));
            }
        }
    }

    /// Removes the credential from a whole body. A body without it is returned as it is.
    #[must_use]
    pub fn redact_body(&self, body: Bytes) -> Bytes {
        let needles = self.needles();
        if needles.are_none() || !needles.may_be_in(&body) {
            return body;
        }
        let body = needles.removed(&body).map_or(body, Bytes::from);
        pieces::without_pieces(needles, &body).map_or(body, Bytes::from)
    }

    /// Begins to remove the credential from an event stream.
    #[must_use]
    pub fn redact_stream(&self) -> StreamRedactor {
        StreamRedactor {
            credential: self.clone(),
            held: BytesMut::new(),
        }
    }
}

/// Removes a credential from an event stream, in whatever pieces its bytes come. An unfinished line is held back until it
/// is complete; a line that the end of the stream leaves unfinished belongs to no event. The task that receives the events
/// handles a key in pieces.
#[derive(Debug)]
pub struct StreamRedactor {
    credential: Credential,
    held: BytesMut,
}

impl StreamRedactor {
    /// Takes the next bytes and returns those that may be read; nothing while a line is unfinished.
    #[must_use]
    pub fn push(&mut self, mut bytes: Bytes) -> Bytes {
        let needles = self.credential.needles();
        if needles.are_none() {
            return bytes;
        }
        let Some(end) = memrchr2(b'\n', b'\r', &bytes) else {
            self.held.extend_from_slice(&bytes);
            if self.held.len() <= MAX_HELD {
                return Bytes::new();
            }
            let rest = self.held.split_off(needles.finished(&self.held));
            let text = std::mem::replace(&mut self.held, rest).freeze();
            return needles.removed(&text).map_or(text, Bytes::from);
        };
        let mut text = bytes.split_to(end + 1);
        if !self.held.is_empty() {
            self.held.extend_from_slice(&text);
            text = std::mem::take(&mut self.held).freeze();
        }
        self.held.extend_from_slice(&bytes);
        needles.removed(&text).map_or(text, Bytes::from)
    }
}
