//! Credentials of requests, in each form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Server;
use super::refusal::{Reason, Refusal};
use super::switches::Auth;
use crate::ids;
use crate::message::Head;

impl Server {
    /// Judges the credential of a request.
    pub(super) fn check_key(&self, head: &Head) -> Result<(), Refusal> {
        let refuse = |message: &str| Err(Refusal::new(Reason::Unauthenticated, message));
        let given = match self.switches.auth {
            Auth::None => return Ok(()),
            Auth::Bearer => behind(head, "bearer").map(str::to_owned),
            Auth::Basic => behind(head, "basic").and_then(|word| {
                let pair = String::from_utf8(decoded(word)?).ok()?;
                Some(pair.split_once(':')?.1.to_owned())
            }),
            Auth::ApiKey => {
                let name = self.switches.auth_header.to_ascii_lowercase();
                head.header(&name).map(str::to_owned)
            }
        };
        match given {
            None => refuse("unauthorized: no credential of the kind that the card names"),
            Some(key) if key == self.api_key => Ok(()),
            Some(key) if !key.starts_with(ids::KEY_PREFIX) => refuse(ids::REAL_KEY_WARNING),
            Some(_) => refuse("unauthorized: unknown key"),
        }
    }
}

/// Returns what stands behind the scheme in `Authorization`.
fn behind<'a>(head: &'a Head, scheme: &str) -> Option<&'a str> {
    let (given, word) = head.header("authorization")?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| word.trim())
}

/// Returns what a text in base64 stands for.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Returns a text as base64.
pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}
