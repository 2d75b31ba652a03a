//! Converts ureq's errors to a [`TransportFailure`]; the only place that reads them.
//!
//! The stage is never guessed from an error: it comes from the [`ProgressCell`](taskward_client::transport::ProgressCell) of the
//! exchange.

use std::io;

use taskward_client::failure::{TransportFailure, chain, find};
use taskward_core::Cause;

/// Classifies an exchange that failed before its reply's head was complete. `broken` is the error of an earlier write.
pub(crate) fn of_head(
    error: &ureq::Error,
    broken: Option<String>,
    server: &str,
    tls: bool,
) -> TransportFailure {
    match error {
        ureq::Error::LargeResponseHeader(..) => TransportFailure::new(
            Cause::Protocol,
            format!("{server}: the reply's head is too large"),
        ),
        ureq::Error::Io(io) => of_head_io(io, broken, server),
        _ => TransportFailure::not_http(server, &chain(error), tls),
    }
}

fn of_head_io(error: &io::Error, broken: Option<String>, server: &str) -> TransportFailure {
    if let Some(why) = broken {
        return TransportFailure::new(Cause::Reset, format!("{server}: {why}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TransportFailure::closed_early(server),
        io::ErrorKind::InvalidData => {
            TransportFailure::new(Cause::Tls, format!("{server}: {error}"))
        }
        _ => TransportFailure::new(Cause::Reset, format!("{server}: {error}")),
    }
}

/// Classifies a body that broke off after its head.
pub(crate) fn of_body(error: &io::Error, server: &str) -> TransportFailure {
    let cause = match find::<ureq::Error>(error) {
        Some(ureq::Error::Protocol(_)) => Cause::Protocol,
        _ => Cause::Truncated,
    };
    TransportFailure::new(cause, format!("{server}: {}", chain(error)))
}
