//! The agent card: where an agent is, and what it can do.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::agents::BUILT_IN;
use super::refusal::{Reason, Refusal, text_404};
use super::switches::{Auth, BindingName, ExtendedCard, Push};
use super::{Call, Server};
use crate::ids::hex;
use crate::message::{Head, Reply};

impl Server {
    /// Returns the agent of a path, if there is one.
    pub(super) fn agent_of(&self, named: Option<&str>) -> Option<String> {
        let name = named.unwrap_or(&self.switches.root_agent);
        let known = self.agents();
        known.into_iter().find(|known| known == name)
    }

    /// Answers a request for a card.
    pub(super) fn card_reply(&self, named: Option<&str>, head: &Head) -> Reply {
        let mut pairs = head.pairs().into_iter();
        let queried = pairs.find(|(name, _)| name == "assistant_id");
        let queried = queried.map(|(_, agent)| agent);
        if named.is_none() && queried.is_none() && self.switches.card_needs_query {
            return text_404();
        }
        let named = named.map(str::to_owned).or(queried);
        let Some(agent) = self.agent_of(named.as_deref()) else {
            return text_404();
        };
        let card = self.card(&agent, named.as_deref(), head);
        let mut reply = Reply::json(200, &card);
        let etag = format!("W/\"{}\"", hex(&Sha256::digest(&reply.body)));
        if head.header("if-none-match") == Some(&etag) {
            reply.status = 304;
            reply.body.clear();
            reply.headers.clear();
        }
        reply.headers.push(("etag", etag));
        reply
    }

    pub(super) fn extended_card(&self, call: &Call, head: &Head) -> Result<Value, Refusal> {
        let refuse = |reason, what: &str| Err(Refusal::new(reason, what));
        match self.switches.extended_card {
            ExtendedCard::Served | ExtendedCard::Unlisted => {}
            ExtendedCard::NotConfigured => {
                let what = "The agent has no authenticated extended card configured";
                return refuse(Reason::ExtendedAgentCardNotConfigured, what);
            }
            ExtendedCard::Unsupported => {
                let what = "The agent does not support authenticated extended cards";
                return refuse(Reason::UnsupportedOperation, what);
            }
        }
        let mut card = self.card(&call.agent, call.named.as_deref(), head);
        if let Some(skills) = card["skills"].as_array_mut() {
            skills.push(json!({
                "id": "extended",
                "name": "extended",
                "description": "Is in the extended card only.",
                "tags": ["simulated"],
            }));
        }
        Ok(card)
    }

    fn card(&self, agent: &str, named: Option<&str>, head: &Head) -> Value {
        let switches = &self.switches;
        let built_in = BUILT_IN.iter().find(|(name, _, _)| *name == agent);
        let about = built_in.map_or("Does what a scenario says.", |(_, about, _)| about);
        let mut card = json!({
            "name": agent,
            "description": about,
            "version": "1",
            "supportedInterfaces": self.interfaces(named, head),
            "capabilities": {
                "streaming": switches.streaming,
                "pushNotifications": switches.push == Push::Served,
                "extendedAgentCard": matches!(
                    switches.extended_card,
                    ExtendedCard::Served | ExtendedCard::NotConfigured
                ),
            },
            "defaultInputModes": ["text/plain", "application/json", "application/octet-stream"],
            "defaultOutputModes": ["text/plain", "application/json"],
            "skills": [{
                "id": agent, "name": agent, "description": about, "tags": ["simulated"],
            }],
        });
        if !switches.input_modes.is_empty() {
            card["defaultInputModes"] = json!(switches.input_modes);
        }
        if let Some(uri) = &switches.required_extension {
            card["capabilities"]["extensions"] = json!([{ "uri": uri, "required": true }]);
        }
        if let Some((name, scheme)) = self.security() {
            card["securitySchemes"] = json!({ name: scheme });
            card["securityRequirements"] = json!([{ "schemes": { name: { "list": [] } } }]);
        }
        if switches.card_padding_bytes > 0 {
            let length = usize::try_from(switches.card_padding_bytes).unwrap_or(usize::MAX);
            card["documentationUrl"] = json!(format!("http://127.0.0.1/{}", "x".repeat(length)));
        }
        card
    }

    fn interfaces(&self, named: Option<&str>, head: &Head) -> Vec<Value> {
        let switches = &self.switches;
        let host = head.header("host").unwrap_or("127.0.0.1");
        let origin = switches.card_origin.clone();
        let origin = origin.unwrap_or_else(|| format!("http://{host}"));
        let agent = named.map_or(String::new(), |agent| format!("/agents/{}", escaped(agent)));
        let interface = |binding: &BindingName| {
            let url = match binding {
                BindingName::JsonRpc => format!("{origin}{agent}/rpc"),
                BindingName::HttpJson => format!("{origin}{agent}/rest"),
                BindingName::Other(_) => "http://127.0.0.1:1".to_owned(),
            };
            let mut interface = json!({
                "url": url,
                "protocolBinding": binding,
                "protocolVersion": switches.protocol_version,
            });
            if let Some(tenant) = &switches.tenant {
                interface["tenant"] = json!(tenant);
            }
            interface
        };
        switches.bindings.iter().map(interface).collect()
    }

    /// Returns the name of the scheme that the card has for credentials, and the scheme.
    fn security(&self) -> Option<(&'static str, Value)> {
        let http = |scheme: &str| json!({ "httpAuthSecurityScheme": { "scheme": scheme } });
        match self.switches.auth {
            Auth::None => None,
            Auth::Bearer => Some(("bearer", http("Bearer"))),
            Auth::Basic => Some(("basic", http("Basic"))),
            Auth::ApiKey => {
                let name = &self.switches.auth_header;
                let scheme = json!({ "location": "header", "name": name });
                Some(("key", json!({ "apiKeySecurityScheme": scheme })))
            }
        }
    }
}

/// Returns a name as a segment of a path.
pub(super) fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
        .replace("%5F", "_")
}
