//! Converts hyper's errors to a [`TransportFailure`]; the only place that reads them.
//!
//! The stage is never guessed from an error: it comes from the [`ProgressCell`](taskward_client::transport::ProgressCell) of the
//! exchange.

use std::io;

use taskward_client::failure::{TransportFailure, chain, find};
use taskward_core::Cause;

/// Classifies an exchange that failed before its reply's head was complete. `broken` is the error of an earlier write.
pub(crate) fn of_head(
    error: &hyper::Error,
    broken: Option<String>,
    server: &str,
    tls: bool,
) -> TransportFailure {
    if error.is_parse() {
        let text = error.to_string();
        // A head that is too large is HTTP; hyper has no predicate for it on the client's side.
        return TransportFailure::not_http(server, &text, tls || text.contains("too large"));
    }
    if let Some(why) = broken {
        return TransportFailure::new(Cause::Reset, format!("{server}: {why}"));
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return TransportFailure::closed_early(server);
    }
    match find::<io::Error>(error) {
        Some(io) if io.kind() == io::ErrorKind::InvalidData => {
            TransportFailure::new(Cause::Tls, format!("{server}: {io}"))
        }
        _ => TransportFailure::new(Cause::Reset, format!("{server}: {}", chain(error))),
    }
}

/// Classifies a body that broke off after its head.
pub(crate) fn of_body(error: &hyper::Error, server: &str) -> TransportFailure {
    let cause = match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Cause::Protocol,
        _ if error.is_parse() => Cause::Protocol,
        _ => Cause::Truncated,
    };
    TransportFailure::new(cause, format!("{server}: {}", chain(error)))
}
