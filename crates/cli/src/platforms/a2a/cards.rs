//! Cards that were read, beside the journal: each with the ETag by which its server says that it has not changed.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use taskward::a2a::operations::{CardReply, GetAgentCard};
use taskward::a2a::types::AgentCard;
use taskward::a2a::{A2a, AgentAt, CardUrl};
use taskward::core::bytes::Bytes;
use taskward::core::{BuildError, IdempotencyKey, Operation, ReadError, Request, Response, Seed};
use taskward::error::ApiError;

use crate::cx::Cx;
use crate::store::state_folder;

/// The folder of the cards.
pub(super) struct Cache(PathBuf);

/// A card as it was read.
pub(super) struct Stored {
    pub(super) etag: Option<String>,
    card: String,
}

impl Stored {
    /// A card with its ETag.
    pub(super) fn new(etag: Option<String>, body: &Bytes) -> Self {
        Self {
            etag,
            card: String::from_utf8_lossy(body).into_owned(),
        }
    }

    /// The card, if it can be read.
    pub(super) fn card(&self) -> Option<AgentCard> {
        taskward::wire::decode(self.card.as_bytes()).ok()
    }

    /// The interface that is used.
    pub(super) fn chosen(&self, url: &CardUrl) -> Option<AgentAt> {
        A2a::from_card(&self.card()?, url, None).ok()
    }
}

impl Cache {
    /// The cards of this user; none where nothing may be written down.
    pub(super) fn of(cx: &Cx) -> Option<Self> {
        let journal = state_folder().filter(|_| !cx.global.no_journal)?;
        Some(Self(journal.parent()?.join("cards")))
    }

    fn path(&self, url: &CardUrl) -> PathBuf {
        let name = IdempotencyKey::mint(&Seed([0; 32]), "card", url.to_string().as_bytes());
        self.0.join(format!("{}.json", name.as_str()))
    }

    /// The card at this URL, if it was read before. What cannot be read is read from its server again.
    pub(super) fn stored(&self, url: &CardUrl) -> Option<Stored> {
        let text = fs::read(self.path(url)).ok()?;
        let kept: Value = serde_json::from_slice(&text).ok()?;
        let stored = Stored {
            etag: kept["etag"].as_str().map(str::to_owned),
            card: kept["card"].as_str()?.to_owned(),
        };
        stored.card().is_some().then_some(stored)
    }

    /// Keeps a card. Where that is not possible it is read again the next time.
    pub(super) fn keep(&self, url: &CardUrl, stored: &Stored) {
        let path = self.path(url);
        let written = || {
            fs::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            let kept = json!({ "etag": stored.etag, "card": stored.card });
            serde_json::to_writer(file.as_file_mut(), &kept)?;
            file.persist(&path).map(drop).map_err(|error| error.error)
        };
        let _: std::io::Result<()> = written();
    }
}

/// Reads a card, and keeps its text.
#[derive(Clone)]
pub(super) struct ReadCard(GetAgentCard);

/// A reply with its text.
pub(super) struct Read(pub(super) CardReply, pub(super) Bytes);

impl ReadCard {
    /// Reads the card at this URL, unless it is still the one with this ETag.
    pub(super) fn new(url: &CardUrl, etag: Option<String>) -> Self {
        Self(GetAgentCard {
            etag,
            ..GetAgentCard::new(url.clone())
        })
    }
}

impl Operation for ReadCard {
    type Output = Read;
    const NAME: &'static str = GetAgentCard::NAME;

    fn request(&self) -> Result<Request, BuildError> {
        self.0.request()
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        self.0.classify(reply)
    }

    fn read(&self, reply: &Response) -> Result<Read, ReadError> {
        Ok(Read(self.0.read(reply)?, reply.body.clone()))
    }
}
