//! The agent card: which of its interfaces this client uses, which credential that wants, and why not, in words.

use std::fmt;

use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use taskward_core::{ConfigError, Origin, Response};

use super::agent::{A2a, Binding};
use super::security::{Security, security_of};
use super::types::{AgentCard, AgentInterface};
use crate::wire;

/// Where a card is if the agent's URL does not say.
const WELL_KNOWN: &str = "/.well-known/agent-card.json";

/// The largest card that is read. Real ones have a few kilobytes.
pub const MAX_CARD: usize = 1024 * 1024;

/// The URL of an agent's card.
///
/// ```
/// # use taskward_providers::a2a::CardUrl;
/// let url = CardUrl::parse("https://agents.example/travel")?;
/// assert_eq!(url.to_string(), "https://agents.example/travel/.well-known/agent-card.json");
/// let whole = CardUrl::parse("https://agents.example/card.json?agent=travel")?;
/// assert_eq!(whole.target().as_str(), "/card.json?agent=travel");
/// # Ok::<(), taskward_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUrl {
    origin: Origin,
    root: String,
    target: PathAndQuery,
}

impl CardUrl {
    /// Reads the URL of a card, or of an agent whose card is at the usual place below. A URL whose path ends in `.json`
    /// is that of a card.
    ///
    /// # Errors
    /// Returns an error if it is no `https` URL (`http` is for loopback only), or has a user or a fragment.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let (origin, root, uri) = split(url.trim())?;
        let path = uri.path().trim_end_matches('/');
        let card = match path.to_ascii_lowercase().ends_with(".json") {
            true => path.to_owned(),
            false => format!("{path}{WELL_KNOWN}"),
        };
        let target = match uri.query() {
            Some(query) => format!("{card}?{query}"),
            None => card,
        };
        let target = target.parse();
        let target =
            target.map_err(|_| ConfigError::new("the agent's URL has a path that is none"))?;
        Ok(Self {
            origin,
            root,
            target,
        })
    }

    /// Returns the URL as a person gives it: without what every card's URL ends in.
    ///
    /// ```
    /// # use taskward_providers::a2a::CardUrl;
    /// let url = CardUrl::parse("https://agents.example/travel/.well-known/agent-card.json")?;
    /// assert_eq!(url.short(), "https://agents.example/travel");
    /// assert_eq!(CardUrl::parse(&url.short())?, url);
    /// # Ok::<(), taskward_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn short(&self) -> String {
        let path = self.target.path();
        let base = match self.target.query() {
            None => path.strip_suffix(WELL_KNOWN).unwrap_or(path),
            Some(_) => self.target.as_str(),
        };
        format!("{}{base}", self.root)
    }

    /// Returns the server's URL, as it was spelt.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns the server that the card is on.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the card's path and query.
    #[must_use]
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }
}

impl fmt::Display for CardUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.root, self.target)
    }
}

/// Splits a URL into its server, that server's own spelling, and the parsed whole.
fn split(url: &str) -> Result<(Origin, String, Uri), ConfigError> {
    let uri: Option<Uri> = url.parse().ok();
    let root = uri.as_ref().and_then(|uri| {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        Some(format!("{scheme}://{authority}"))
    });
    match (uri, root) {
        // A fragment is cut off by the parser; it would be silently lost.
        (Some(uri), Some(root)) if !url.contains('#') => Ok((Origin::parse(&root, "")?, root, uri)),
        // The whole of it says what is wrong.
        _ => match Origin::parse(url, "") {
            Err(error) => Err(error),
            Ok(_) => Err(ConfigError::new("the URL has no scheme and host")),
        },
    }
}

/// An agent that was found through its card.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentAt {
    /// Where it is on its server, and what it can do.
    pub agent: A2a,
    /// The server that its interface is on.
    pub origin: Origin,
    /// That server's URL, to be shown.
    pub root: String,
    /// Whether the interface is on another server than the card. Its owner decides: a credential goes only to a server
    /// that the user named.
    pub is_elsewhere: bool,
    /// Which credential the agent wants.
    pub security: Security,
    /// Extensions that the agent requires; this client speaks none, so the agent may refuse every request.
    pub required_extensions: Vec<String>,
}

/// Why an agent's card cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardError {
    /// There is no card at the URL.
    NotThere {
        /// Where it was looked for.
        url: String,
        /// What the server answered.
        status: StatusCode,
    },
    /// The card is only for those whom the server knows.
    Unauthorised {
        /// Where it was asked for.
        url: String,
        /// What the server answered.
        status: StatusCode,
    },
    /// The server answered with another error.
    Status {
        /// Where it was asked for.
        url: String,
        /// What the server answered.
        status: StatusCode,
    },
    /// There is a web page instead of a card.
    Html {
        /// Where it was read.
        url: String,
    },
    /// What is there is no card.
    NoCard {
        /// Where it was read.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The card is larger than [`MAX_CARD`].
    TooLarge {
        /// Where it was read.
        url: String,
        /// How large it is, in bytes.
        len: usize,
    },
    /// The card names no interface at all.
    NoInterfaces {
        /// Where it was read.
        url: String,
    },
    /// The card names interfaces, none of which this client can use.
    NoneUsable {
        /// Where it was read.
        url: String,
        /// What each is, and why it cannot be used.
        interfaces: Vec<String>,
        /// The binding that was asked for, if only one was allowed.
        wanted: Option<Binding>,
    },
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere { url, status } => write!(
                f,
                "no agent card at {url}: the server answered {status}. Give the agent's base URL, or the whole URL of its card"
            ),
            Self::Unauthorised { url, status } => write!(
                f,
                "the agent card at {url} is not public: the server answered {status}. Give a credential that it accepts"
            ),
            Self::Status { url, status } => write!(
                f,
                "cannot read the agent card at {url}: the server answered {status}. Try again later"
            ),
            Self::Html { url } => write!(
                f,
                "there is a web page at {url}, not an agent card. Give the URL of the agent itself, or the whole URL of its card"
            ),
            Self::NoCard { url, why } => write!(
                f,
                "what is at {url} is no agent card: {why}. Give the agent's base URL, or the whole URL of its card"
            ),
            Self::TooLarge { url, len } => write!(
                f,
                "what is at {url} is too large for an agent card: {len} bytes, at most {MAX_CARD} are read. Give the whole URL of the card"
            ),
            Self::NoInterfaces { url } => write!(
                f,
                "the agent card at {url} names no interface, so nobody can speak to this agent. Ask its owner to complete the card"
            ),
            Self::NoneUsable {
                url,
                interfaces,
                wanted,
            } => {
                write!(
                    f,
                    "this client cannot speak to the agent of {url}: it speaks "
                )?;
                match wanted {
                    Some(wanted) => write!(f, "{wanted} only, as it was told to,")?,
                    None => f.write_str("A2A 1.0 over HTTP+JSON and JSONRPC,")?,
                }
                write!(
                    f,
                    " and the agent offers {}. Ask its owner for one of these",
                    interfaces.join("; ")
                )
            }
        }
    }
}

impl std::error::Error for CardError {}

/// Reads a card from the reply to its URL; `None` if it has not changed since the copy whose ETag was sent.
///
/// # Errors
/// Returns an error if there is no card, and says what there is instead.
pub fn read_card(url: &CardUrl, reply: &Response) -> Result<Option<AgentCard>, CardError> {
    let url = url.to_string();
    let status = reply.status();
    match status.as_u16() {
        200..=299 => {}
        304 => return Ok(None),
        404 | 405 | 410 => return Err(CardError::NotThere { url, status }),
        401 | 403 => return Err(CardError::Unauthorised { url, status }),
        _ => return Err(CardError::Status { url, status }),
    }
    let len = reply.body.len();
    if len > MAX_CARD {
        return Err(CardError::TooLarge { url, len });
    }
    match wire::decode::<AgentCard>(&reply.body) {
        Ok(card) if is_card(&card) => Ok(Some(card)),
        Ok(_) => Err(CardError::NoCard {
            url,
            why: "it names neither an agent nor an interface".to_owned(),
        }),
        Err(wire::DecodeError::NotJson {
            resembles_html: true,
            ..
        }) => Err(CardError::Html { url }),
        Err(error) => Err(CardError::NoCard {
            url,
            why: error.to_string(),
        }),
    }
}

/// Returns whether an object is a card at all: any JSON object could be read as an empty one.
fn is_card(card: &AgentCard) -> bool {
    card.name.is_some() || !interfaces(card).is_empty()
}

/// One place where an agent can be spoken to, in the words of either version.
struct Offer<'a> {
    url: &'a str,
    binding: &'a str,
    version: &'a str,
    tenant: Option<&'a str>,
}

/// Returns every interface of a card, the preferred one first. A card of 1.0 may carry the fields of 0.3, too; they name
/// the same places again.
fn interfaces(card: &AgentCard) -> Vec<Offer<'_>> {
    let mut found: Vec<Offer<'_>> = card
        .supported_interfaces
        .readable()
        .filter_map(|interface| offer(interface, None))
        .collect();
    if !found.is_empty() {
        return found;
    }
    // Without a version, such a card is one of 0.3.
    let version = filled(&card.protocol_version).unwrap_or("0.3");
    if let Some(url) = filled(&card.url) {
        found.push(Offer {
            url,
            binding: filled(&card.preferred_transport).unwrap_or("JSONRPC"),
            version,
            tenant: None,
        });
    }
    let others = card.additional_interfaces.readable();
    found.extend(others.filter_map(|interface| offer(interface, Some(version))));
    found
}

fn offer<'a>(interface: &'a AgentInterface, version: Option<&'a str>) -> Option<Offer<'a>> {
    let binding = filled(&interface.protocol_binding).or(filled(&interface.transport));
    Some(Offer {
        url: filled(&interface.url)?,
        binding: binding.unwrap_or("no binding"),
        version: filled(&interface.protocol_version)
            .or(version)
            .unwrap_or("1.0"),
        tenant: filled(&interface.tenant),
    })
}

/// Returns a text that says something: some servers write an empty one where there is none.
fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

impl A2a {
    /// Chooses the interface of a card that this client speaks, the preferred one first; `wanted` allows one binding
    /// only.
    ///
    /// # Errors
    /// Returns an error if the card names no interface that this client can use, and says what it names instead.
    pub fn from_card(
        card: &AgentCard,
        url: &CardUrl,
        wanted: Option<Binding>,
    ) -> Result<AgentAt, CardError> {
        choose(card, url, wanted)
    }
}

fn choose(card: &AgentCard, url: &CardUrl, wanted: Option<Binding>) -> Result<AgentAt, CardError> {
    let offers = interfaces(card);
    if offers.is_empty() {
        return Err(CardError::NoInterfaces {
            url: url.to_string(),
        });
    }
    let mut refused = Vec::with_capacity(offers.len());
    for offer in &offers {
        match usable(offer, wanted) {
            Ok((binding, origin, root, uri)) => {
                let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
                match A2a::at(binding, path) {
                    Ok(agent) => {
                        return Ok(found(
                            card,
                            url,
                            agent_of(agent.with_card(url.short()), offer, card),
                            origin,
                            root,
                        ));
                    }
                    Err(error) => refused.push(format!("{} ({error})", offer.binding)),
                }
            }
            Err(why) => refused.push(why),
        }
    }
    Err(CardError::NoneUsable {
        url: url.to_string(),
        interfaces: refused,
        wanted,
    })
}

fn agent_of(agent: A2a, offer: &Offer<'_>, card: &AgentCard) -> A2a {
    agent
        .with_tenant(offer.tenant.unwrap_or_default())
        .with_version(offer.version)
        .with_streaming(card.capabilities.streaming)
        .with_push_notifications(card.capabilities.push_notifications)
        .with_extended_card(card.capabilities.extended_agent_card)
}

fn found(card: &AgentCard, url: &CardUrl, agent: A2a, origin: Origin, root: String) -> AgentAt {
    let extensions = card.capabilities.extensions.readable();
    let required = extensions.filter(|extension| extension.required);
    AgentAt {
        is_elsewhere: origin.canonical() != url.origin.canonical(),
        security: security_of(card),
        required_extensions: required
            .map(|extension| extension.uri.clone().unwrap_or_default())
            .collect(),
        agent,
        origin,
        root,
    }
}

/// Returns how an interface is used, or what it is and why it cannot be.
fn usable(
    offer: &Offer<'_>,
    wanted: Option<Binding>,
) -> Result<(Binding, Origin, String, Uri), String> {
    let Offer {
        binding, version, ..
    } = offer;
    let Some(known) = Binding::of(binding) else {
        return Err(format!("{binding} {version}"));
    };
    if !speaks(version) {
        return Err(format!("{binding} in version {version}"));
    }
    if wanted.is_some_and(|wanted| wanted != known) {
        return Err(format!("{binding} {version}"));
    }
    let (origin, root, uri) =
        split(offer.url).map_err(|error| format!("{binding} {version}, but {error}"))?;
    Ok((known, origin, root, uri))
}

/// Returns whether this client speaks a version: every minor one of the first.
fn speaks(version: &str) -> bool {
    version.split('.').next() == Some("1")
}
