//! Which credential an agent wants, and why none of ours would do.

use serde::Deserialize as _;
use serde_json::{Map, Value};
use taskward_core::KeyHeader;

use super::types::{AgentCard, SecurityScheme};

/// A credential that this client can send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WantedCredential {
    /// `Authorization: Bearer`, also for a token that the user got from an OAuth or OpenID Connect service.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A key in a header of this name.
    Header(String),
}

/// What an agent's card says about credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Security {
    /// The first credential that the agent accepts and this client can send.
    pub wanted: Option<WantedCredential>,
    /// Whether the agent refuses requests without a credential.
    pub is_required: bool,
    /// Why the others would not do, one line each.
    pub unusable: Vec<String>,
}

impl Security {
    /// Returns why no credential of ours can satisfy the agent, or `None` if there is a way.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let is_hopeless = self.is_required && self.wanted.is_none();
        is_hopeless.then(|| {
            format!(
                "the agent wants a credential that this client does not send: {}. Ask its owner for a bearer token, Basic, or a key in a header",
                self.unusable.join("; ")
            )
        })
    }
}

/// Reads what a card says.
pub(super) fn security_of(card: &AgentCard) -> Security {
    let alternatives = alternatives(card);
    let schemes = &card.security_schemes;
    let mut security = Security {
        is_required: !alternatives.is_empty() && alternatives.iter().all(|names| !names.is_empty()),
        ..Security::default()
    };
    // A card that declares schemes and requires none accepts them, presumably.
    let declared = schemes.keys().map(|name| vec![name.clone()]);
    let tried = match alternatives.is_empty() {
        true => declared.collect(),
        false => alternatives,
    };
    for names in tried {
        let usable = match names.as_slice() {
            [] => continue,
            [name] => credential(name, schemes),
            several => Err(format!("{} together", several.join(" and "))),
        };
        match usable {
            Ok(credential) => {
                security.wanted.get_or_insert(credential);
            }
            Err(why) => security.unusable.push(why),
        }
    }
    security
}

/// Returns the alternatives of a card, each with the names of the schemes that it needs together.
fn alternatives(card: &AgentCard) -> Vec<Vec<String>> {
    let new = card.security_requirements.readable();
    let new = new.map(|requirement| {
        // Some write the names without the object around them, as 0.3 does.
        match requirement.schemes.is_empty() {
            true => names(&requirement.extra),
            false => names(&requirement.schemes),
        }
    });
    let new: Vec<_> = new.collect();
    if !new.is_empty() {
        return new;
    }
    let old = card.security.iter().flatten();
    old.filter_map(|requirement| requirement.as_object().map(names))
        .collect()
}

fn names(schemes: &Map<String, Value>) -> Vec<String> {
    schemes.keys().cloned().collect()
}

/// Returns the credential of a scheme, or what it is and why it would not do.
fn credential(name: &str, schemes: &Map<String, Value>) -> Result<WantedCredential, String> {
    let scheme = schemes
        .get(name)
        .and_then(|scheme| SecurityScheme::deserialize(scheme).ok());
    let Some(scheme) = scheme else {
        return Err(format!("{name}, which the card does not describe"));
    };
    let kind = scheme.r#type.as_deref().unwrap_or_default();
    if let Some(key) = &scheme.api_key_security_scheme {
        return api_key(name, key.location.as_deref(), key.name.as_deref());
    }
    if kind == "apiKey" {
        return api_key(name, scheme.r#in.as_deref(), scheme.name.as_deref());
    }
    if let Some(http) = &scheme.http_auth_security_scheme {
        return over_http(name, http.scheme.as_deref());
    }
    if kind == "http" {
        return over_http(name, scheme.scheme.as_deref());
    }
    let is_token = scheme.oauth2_security_scheme.is_some()
        || scheme.open_id_connect_security_scheme.is_some()
        || matches!(kind, "oauth2" | "openIdConnect");
    if is_token {
        return Ok(WantedCredential::Bearer);
    }
    if scheme.mtls_security_scheme.is_some() || kind == "mutualTLS" {
        return Err(format!(
            "{name}, a certificate of the client's (mutual TLS)"
        ));
    }
    Err(format!("{name}, a kind that this version does not know"))
}

fn api_key(
    scheme: &str,
    location: Option<&str>,
    name: Option<&str>,
) -> Result<WantedCredential, String> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    match (location.unwrap_or_default(), name) {
        ("header", Some(name)) if name.eq_ignore_ascii_case("authorization") => Err(format!(
            "{scheme}, a key in the Authorization header in a form that the card does not give"
        )),
        ("header", Some(name)) => match KeyHeader::new(name) {
            Ok(header) => Ok(WantedCredential::Header(header.name().to_string())),
            Err(why) => Err(format!("{scheme}: {why}")),
        },
        ("header", None) => Err(format!("{scheme}, a key in a header without a name")),
        ("query", _) => Err(format!(
            "{scheme}, a key in the query, where logs and proxies would see it"
        )),
        ("cookie", _) => Err(format!(
            "{scheme}, a key in a cookie, which this client does not send"
        )),
        _ => Err(format!(
            "{scheme}, a key in a place that the card does not give"
        )),
    }
}

fn over_http(name: &str, scheme: Option<&str>) -> Result<WantedCredential, String> {
    match scheme.unwrap_or_default().to_ascii_lowercase().as_str() {
        "bearer" => Ok(WantedCredential::Bearer),
        "basic" => Ok(WantedCredential::Basic),
        "" => Err(format!("{name}, an HTTP scheme without a name")),
        other => Err(format!("{name}, the HTTP scheme {other}")),
    }
}
