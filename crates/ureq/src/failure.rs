//! Converts ureq's errors to a [`SocketFailure`]; the only place that reads them.
//!
//! The stage is never guessed from an error: it comes from the [`Marks`](crate::wire::Marks) of the exchange.

use std::io;

use taskward_client::failure::{SocketFailure, chain, find};
use taskward_core::Cause;

/// Classifies an exchange that failed before its reply's head was complete. `broken` is the error of an earlier write.
pub(crate) fn of_head(
    error: &ureq::Error,
    broken: Option<String>,
    server: &str,
    tls: bool,
) -> SocketFailure {
    match error {
        ureq::Error::LargeResponseHeader(..) => SocketFailure::new(
            Cause::Protocol,
            format!("{server}: the reply's head is too large"),
        ),
        ureq::Error::Io(io) => of_head_io(io, broken, server),
        _ => {
            let hint = if tls {
                ""
            } else {
                " (is this an HTTPS port, or no HTTP server at all?)"
            };
            SocketFailure::new(Cause::Protocol, format!("{server}: {}{hint}", chain(error)))
        }
    }
}

fn of_head_io(error: &io::Error, broken: Option<String>, server: &str) -> SocketFailure {
    if let Some(why) = broken {
        return SocketFailure::new(Cause::Reset, format!("{server}: {why}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SocketFailure::new(
            Cause::Reset,
            format!("{server} closed the connection before it answered"),
        ),
        io::ErrorKind::InvalidData => SocketFailure::new(Cause::Tls, format!("{server}: {error}")),
        _ => SocketFailure::new(Cause::Reset, format!("{server}: {error}")),
    }
}

/// Classifies a body that broke off after its head.
pub(crate) fn of_body(error: &io::Error, server: &str) -> SocketFailure {
    let cause = match find::<ureq::Error>(error) {
        Some(ureq::Error::Protocol(_)) => Cause::Protocol,
        _ => Cause::Truncated,
    };
    SocketFailure::new(cause, format!("{server}: {}", chain(error)))
}
