//! What the actions of the simulated platforms' own pages have in common.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::message::Reply;

/// What somebody says there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) message: String,
}

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|why| Reply::error(400, why.to_string()))
}

/// Reads a body that may as well be empty or null.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Reply> {
    if body.is_empty() {
        return Ok(T::default());
    }
    Ok(read::<Option<T>>(body)?.unwrap_or_default())
}

/// Answers what could be done, or could not be in this state.
pub(crate) fn acted(done_or: Result<(), String>) -> Result<Reply, Reply> {
    done_or
        .map(|()| Reply::json(200, &json!({ "ok": true })))
        .map_err(|why| Reply::error(409, why))
}
