//! Issuing, revoking and replacing keys.

use std::fmt;

use http::Method;
use taskward_core::{BuildError, Operation, ReadError, Request, Response, Safety, Target};

use crate::agent_harness::types::OpenObject;
use crate::wire;

/// A credential that the platform issued. Its `Debug` shows the key's id and nothing else.
#[derive(Clone, PartialEq)]
pub struct IssuedKey(OpenObject);

impl IssuedKey {
    /// Returns the id of the key, under either of the names it may have.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        ["key_id", "id"]
            .iter()
            .find_map(|name| self.0.get(*name)?.as_str())
            .map(|id| id.split(':').next().unwrap_or_default())
    }

    /// Returns everything that the platform sent, including the secret.
    #[must_use]
    pub fn expose_secret(&self) -> &OpenObject {
        &self.0
    }
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedKey")
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// Issues a key. Not repeated when its outcome is unknown.
#[derive(Clone, Debug, Default)]
pub struct CreateApiKey {
    /// Fields of the request; the platform's documentation names none.
    pub body: OpenObject,
}

impl Operation for CreateApiKey {
    type Output = IssuedKey;
    const NAME: &'static str = "createApiKey";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        Request::json(
            Method::POST,
            Target::new("/v1/api-keys").build()?,
            &self.body,
        )
    }

    fn read(&self, reply: &Response) -> Result<IssuedKey, ReadError> {
        Ok(IssuedKey(wire::decode(&reply.body)?))
    }
}

/// Revokes a key, by its id: the part of the credential before the colon.
#[derive(Clone, Debug)]
pub struct RevokeApiKey(pub String);

impl Operation for RevokeApiKey {
    type Output = ();
    const NAME: &'static str = "revokeApiKey";

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/v1/api-keys").segment(&self.0)?.build()?;
        Ok(Request::empty(Method::DELETE, target))
    }

    fn read(&self, _reply: &Response) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Replaces a key, by its id. Not repeated when its outcome is unknown: the first replacement would be lost.
#[derive(Clone, Debug)]
pub struct RotateApiKey(pub String);

impl Operation for RotateApiKey {
    type Output = IssuedKey;
    const NAME: &'static str = "rotateApiKey";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/v1/api-keys")
            .segment(&self.0)?
            .path("/rotate");
        Ok(Request::empty(Method::POST, target.build()?))
    }

    fn read(&self, reply: &Response) -> Result<IssuedKey, ReadError> {
        Ok(IssuedKey(wire::decode(&reply.body)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn an_issued_key_shows_its_id_alone() {
        let reply = Response::new(
            StatusCode::CREATED,
            r#"{"key_id":"key_a","api_key":"key_a:hush","secret":"hush"}"#,
        );
        let key = CreateApiKey::default().read(&reply).expect("a key");
        assert_eq!(
            format!("{key:?}"),
            r#"IssuedKey { key_id: Some("key_a"), .. }"#
        );
        assert_eq!(key.expose_secret()["secret"], "hush");
    }
}
