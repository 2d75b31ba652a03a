//! What every adapter must do, whichever way it waits. Each runs these tests in its own `tests/conformance`, where a
//! module `adapter` says how its calls are waited for.

mod exchange;
pub(crate) mod follow;
mod secure;
mod stream;
mod support;
