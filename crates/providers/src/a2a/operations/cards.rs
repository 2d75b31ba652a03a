//! The card that everybody may read, and the one for those whom the agent knows.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Map;
use taskward_core::{
    ApiError, BuildError, Operation, ReadError, ReadErrorKind, Request, Response, Target,
};

use crate::a2a::agent::A2a;
use crate::a2a::binding::{Call, RestBody, with_version};
use crate::a2a::card::{CardError, CardUrl, read_card};
use crate::a2a::errors::classify;
use crate::a2a::types::AgentCard;

/// Reads the public card of an agent, from the server that the card is on.
#[derive(Clone, Debug)]
pub struct GetAgentCard {
    /// Where the card is.
    pub url: CardUrl,
    /// The ETag of the copy at hand: the card is sent only if it has changed.
    pub etag: Option<String>,
}

impl GetAgentCard {
    /// Reads the card at this URL.
    #[must_use]
    pub fn new(url: CardUrl) -> Self {
        Self { url, etag: None }
    }
}

/// A card, or that it is still the same.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CardReply {
    /// The card, with the ETag by which the next request recognises it.
    Card(Box<AgentCard>, Option<String>),
    /// The copy at hand is still the card.
    NotModified,
}

impl CardReply {
    /// Reads a reply to [`GetAgentCard`], errors included: their words say what to do.
    ///
    /// # Errors
    /// Returns an error if there is no card, and says what there is instead.
    pub fn of(url: &CardUrl, reply: &Response) -> Result<Self, CardError> {
        Ok(match read_card(url, reply)? {
            Some(card) => {
                let etag = reply.head.headers.get(header::ETAG);
                let etag = etag.and_then(|etag| etag.to_str().ok());
                Self::Card(Box::new(card), etag.map(str::to_owned))
            }
            None => Self::NotModified,
        })
    }
}

impl Operation for GetAgentCard {
    type Output = CardReply;
    const NAME: &'static str = "GetAgentCard";

    fn request(&self) -> Result<Request, BuildError> {
        let request = with_version(Request::get(self.url.target().clone()))?;
        match &self.etag {
            Some(etag) => {
                let name: HeaderName = header::IF_NONE_MATCH;
                let value = HeaderValue::from_str(etag)
                    .map_err(|_| BuildError::new("the card's ETag is none"))?;
                request.header(name, value)
            }
            None => Ok(request),
        }
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        match reply.status() {
            StatusCode::NOT_MODIFIED => Ok(()),
            _ => ApiError::of(reply).map_err(|error| {
                // The error page of a server without a card says less than we do.
                match read_card(&self.url, reply) {
                    Err(words) => error.with_message(words.to_string()),
                    Ok(_) => error,
                }
            }),
        }
    }

    fn read(&self, reply: &Response) -> Result<CardReply, ReadError> {
        CardReply::of(&self.url, reply).map_err(|error| {
            let kind = match &error {
                CardError::Html { .. } => ReadErrorKind::Html,
                _ => ReadErrorKind::Shape,
            };
            ReadError::new(kind, error.to_string())
        })
    }
}

/// Reads the card that the agent shows to those whom it knows.
#[derive(Clone, Debug)]
pub struct GetExtendedAgentCard {
    /// The agent.
    pub agent: A2a,
}

impl Operation for GetExtendedAgentCard {
    type Output = AgentCard;
    const NAME: &'static str = "GetExtendedAgentCard";

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::GET,
            target: Target::new("/extendedAgentCard"),
            params: Map::new(),
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<AgentCard, ReadError> {
        self.agent.read_content(&reply.body)
    }
}
