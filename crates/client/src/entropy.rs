//! The one source of chance.

use taskward_core::{Error, ErrorKind, Seed};

/// Returns fresh entropy for one task or call.
///
/// # Errors
/// When the system has none.
pub(crate) fn seed() -> Result<Seed, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(
            ErrorKind::Local,
            format!("the system gives no randomness: {e}"),
        )
    })?;
    Ok(Seed(bytes))
}
