//! Credentials: the check of each request, and their life.

use serde_json::json;

use super::Server;
use super::create::read_object;
use super::refusal::Refusal;
use super::switches::AuthCodes;
use crate::ids;
use crate::message::{Head, Reply, SimBody};
use crate::time::rfc3339;

/// What the id of every fake key starts with; anything else might be a real one.
const KEY_PREFIX: &str = "key_sim_";

/// A credential.
#[derive(Debug)]
pub(crate) struct Key {
    id: String,
    secret: String,
    issued_at: u64,
    is_revoked: bool,
    /// The secret before the last rotation, and until when it opens.
    replaced: Option<(String, u64)>,
}

impl Key {
    /// Returns the `n`th key under a seed.
    pub(crate) fn new(seed: u64, n: u64, now: u64) -> Self {
        Self {
            id: format!("{KEY_PREFIX}{}", ids::token(seed, "harness key", n)),
            secret: secret(seed, n),
            issued_at: now,
            is_revoked: false,
            replaced: None,
        }
    }

    /// Returns whether this is what a client of the key sends.
    fn opens_with(&self, given: &str, now: u64) -> bool {
        let Some(secret) = given
            .strip_prefix(&self.id)
            .and_then(|it| it.strip_prefix(':'))
        else {
            return false;
        };
        let was = |(old, until): &(String, u64)| old == secret && now < *until;
        secret == self.secret || self.replaced.as_ref().is_some_and(was)
    }

    /// As a client sends it.
    pub(crate) fn credential(&self) -> String {
        format!("{}:{}", self.id, self.secret)
    }

    fn reply(&self, status: u16) -> Reply {
        let body = json!({
            "key_id": self.id,
            "secret": self.secret,
            "api_key": self.credential(),
            "created_at": rfc3339(self.issued_at, true),
        });
        Reply::json(status, &body)
    }
}

fn secret(seed: u64, n: u64) -> String {
    format!("secret_{}", ids::token(seed, "harness secret", n))
}

impl Server {
    /// Judges the credential of a request.
    pub(super) fn check_key(&self, head: &Head) -> Result<(), Refusal> {
        let family = self.switches.auth_codes;
        let refuse = |reference, quickstart, error| {
            let code = match family {
                AuthCodes::ErrorReference => reference,
                AuthCodes::Quickstart => quickstart,
            };
            Err(Refusal::new(401, code, error))
        };
        let Some(given) = head
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
        else {
            let error = "missing or malformed Authorization header";
            return refuse("invalid_api_key", "AUTH_MISSING_HEADER", error);
        };
        if !given.starts_with(KEY_PREFIX) {
            return refuse("invalid_api_key", "AUTH_KEY_INVALID", ids::REAL_KEY_WARNING);
        }
        let Some(key) = self.keys.iter().find(|key| key.opens_with(given, self.now)) else {
            return refuse("invalid_api_key", "AUTH_KEY_INVALID", "unknown API key");
        };
        let expires_at = match self.switches.api_key_lifetime_ms {
            Some(ms) => key.issued_at.saturating_add(ms),
            None => u64::MAX,
        };
        if key.is_revoked {
            return refuse(
                "api_key_revoked",
                "AUTH_KEY_INVALID",
                "the API key was revoked",
            );
        }
        if self.now >= expires_at {
            return refuse(
                "api_key_expired",
                "AUTH_KEY_INVALID",
                "the API key has expired",
            );
        }
        Ok(())
    }

    pub(super) fn create_key(&mut self, body: &SimBody) -> Result<Reply, Refusal> {
        // The body may be left out; what is in it says nothing that is known.
        if !matches!(body, SimBody::Bytes(bytes) if bytes.is_empty()) {
            read_object(body)?;
        }
        let live = self.keys.iter().filter(|key| !key.is_revoked).count();
        if live >= self.switches.api_key_limit as usize {
            let error = format!("there are {live} keys already");
            return Err(Refusal::new(409, "api_key_limit_reached", error));
        }
        let key = Key::new(self.seed, self.next_secret(), self.now);
        let reply = key.reply(201);
        self.keys.push(key);
        Ok(reply)
    }

    pub(super) fn revoke_key(&mut self, id: &str) -> Result<Reply, Refusal> {
        self.live_key(id)?.is_revoked = true;
        Ok(Reply {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Gives a key a new secret; the old one opens as long as the switch says.
    pub(super) fn rotate_key(&mut self, id: &str) -> Result<Reply, Refusal> {
        let (seed, n, now) = (self.seed, self.next_secret(), self.now);
        let until = now.saturating_add(self.switches.rotated_key_grace_ms);
        let key = self.live_key(id)?;
        let old = std::mem::replace(&mut key.secret, secret(seed, n));
        key.replaced = Some((old, until));
        key.issued_at = now;
        Ok(key.reply(200))
    }

    fn live_key(&mut self, id: &str) -> Result<&mut Key, Refusal> {
        self.keys
            .iter_mut()
            .find(|key| key.id == id && !key.is_revoked)
            .ok_or_else(|| Refusal::new(404, "api_key_not_found", "no such API key"))
    }

    fn next_secret(&mut self) -> u64 {
        self.secrets += 1;
        self.secrets
    }
}
