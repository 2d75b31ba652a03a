//! From the words of the libraries to a [`Failure`]: the only place that looks at their errors.
//!
//! The stage is never guessed from an error: it comes from the [`Marks`](crate::wire::Marks) of the exchange.

use std::error::Error as StdError;
use std::io;
use std::time::SystemTime;

use rustls::CertificateError;
use taskward_core::{Cause, Failure, Phase, Stage};

/// What went wrong, before anything is said about the stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }

    pub(crate) fn timeout(phase: Phase) -> Self {
        Self::new(Cause::Timeout(phase), "")
    }

    pub(crate) fn at(self, stage: Stage) -> Failure {
        Failure::new(stage, self.cause, self.detail)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for Fault {}

/// A TCP connection that did not come about; `server` is host and port.
pub(crate) fn of_connect(error: &io::Error, server: &str) -> Fault {
    let cause = match error.kind() {
        io::ErrorKind::TimedOut => Cause::Timeout(Phase::Connect),
        _ => Cause::Refused,
    };
    Fault::new(cause, format!("{server}: {error}"))
}

/// A handshake that failed.
pub(crate) fn of_handshake(error: &io::Error, server: &str) -> Fault {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(why)) => Fault::new(
            Cause::Certificate,
            format!("{server}: {}", certificate_words(why)),
        ),
        Some(rustls::Error::InvalidMessage(_)) => Fault::new(
            Cause::Tls,
            format!("{server} does not speak TLS (is this a plain HTTP port?)"),
        ),
        Some(error) => Fault::new(Cause::Tls, format!("{server}: {error}")),
        None => Fault::new(
            Cause::Tls,
            format!("{server}: the connection was lost in the handshake: {error}"),
        ),
    }
}

fn certificate_words(why: &CertificateError) -> String {
    let today = || httpdate::fmt_http_date(SystemTime::now());
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "its certificate has expired (this machine's clock says {})",
            today()
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "its certificate is not valid yet (this machine's clock says {})",
            today()
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate was issued by an authority unknown here (add it with a CA file)"
                .to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        other => format!("its certificate cannot be used: {other:?}"),
    }
}

/// An exchange that failed before its reply's head was complete. `broken` is what a write ran into earlier.
pub(crate) fn of_head(
    error: &ureq::Error,
    broken: Option<String>,
    server: &str,
    tls: bool,
) -> Fault {
    match error {
        ureq::Error::LargeResponseHeader(..) => Fault::new(
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
            Fault::new(Cause::Protocol, format!("{server}: {}{hint}", chain(error)))
        }
    }
}

fn of_head_io(error: &io::Error, broken: Option<String>, server: &str) -> Fault {
    if let Some(why) = broken {
        return Fault::new(Cause::Reset, format!("{server}: {why}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::new(
            Cause::Reset,
            format!("{server} closed the connection before it answered"),
        ),
        io::ErrorKind::InvalidData => Fault::new(Cause::Tls, format!("{server}: {error}")),
        _ => Fault::new(Cause::Reset, format!("{server}: {error}")),
    }
}

/// A body that broke off after its head.
pub(crate) fn of_body(error: &io::Error, server: &str) -> Fault {
    let cause = match find::<ureq::Error>(error) {
        Some(ureq::Error::Protocol(_)) => Cause::Protocol,
        _ => Cause::Truncated,
    };
    Fault::new(cause, format!("{server}: {}", chain(error)))
}

/// An error and all its causes, in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The first error of type `E` in a chain; errors wrapped by [`io::Error`] are looked into.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{ServerName, UnixTime};

    fn handshake(error: rustls::Error) -> Fault {
        of_handshake(
            &io::Error::new(io::ErrorKind::InvalidData, error),
            "h.example:443",
        )
    }

    #[test]
    fn a_refused_certificate_says_what_is_wrong_with_it() {
        let certificate = |why| handshake(rustls::Error::InvalidCertificate(why));
        let now = UnixTime::now();
        for (why, word) in [
            (CertificateError::Expired, "expired (this machine's clock"),
            (
                CertificateError::NotValidYetContext {
                    time: now,
                    not_before: now,
                },
                "not valid yet (this machine's clock",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("h.example").expect("name"),
                    presented: Vec::new(),
                },
                "another name",
            ),
            (CertificateError::UnknownIssuer, "CA file"),
            (CertificateError::BadSignature, "BadSignature"),
        ] {
            let fault = certificate(why);
            assert_eq!(fault.cause, Cause::Certificate);
            assert!(fault.detail.contains(word), "{fault}");
            assert!(fault.detail.starts_with("h.example:443"), "{fault}");
        }
    }

    #[test]
    fn a_handshake_with_something_else_is_no_certificate_error() {
        let fault = handshake(rustls::Error::InvalidMessage(
            rustls::InvalidMessage::InvalidContentType,
        ));
        assert_eq!(fault.cause, Cause::Tls);
        assert!(fault.detail.contains("plain HTTP port"), "{fault}");
        let cut = of_handshake(
            &io::Error::from(io::ErrorKind::UnexpectedEof),
            "h.example:443",
        );
        assert_eq!(cut.cause, Cause::Tls);
    }

    #[test]
    fn a_connection_that_does_not_come_about_names_the_server() {
        let fault = of_connect(
            &io::Error::from(io::ErrorKind::ConnectionRefused),
            "127.0.0.1:9",
        );
        assert_eq!(fault.cause, Cause::Refused);
        assert!(fault.detail.contains("127.0.0.1:9"), "{fault}");
        let fault = of_connect(&io::Error::from(io::ErrorKind::TimedOut), "h:1");
        assert_eq!(fault.cause, Cause::Timeout(Phase::Connect));
    }
}
