//! From the words of sockets and rustls to a [`ExchangeFailure`].
//!
//! The stage is never guessed from an error: it comes from how far the exchange had come.

use std::error::Error as StdError;
use std::io;
use std::time::SystemTime;

use rustls::{CertificateError, OtherError};
use taskward_core::{Cause, ExchangeFailure, ExchangeProgress, Head, TimeoutPhase};

use crate::progress::ProgressCell;
use crate::tls::SelfSigned;

/// What went wrong, without how far the exchange had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFailure {
    /// What it is.
    pub cause: Cause,
    /// The library's message, and the server that it is about.
    pub detail: String,
}

impl TransportFailure {
    /// Builds a failure with this message.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }

    /// Builds the failure of an exchange that reached a limit.
    #[must_use]
    pub fn timeout(phase: TimeoutPhase) -> Self {
        Self::new(Cause::Timeout(phase), "")
    }

    /// Builds the failure of a connection that was not established in time; `server` is host and port.
    #[must_use]
    pub fn too_late(server: &str) -> Self {
        let why = format!("{server} did not answer in time");
        Self::new(Cause::Timeout(TimeoutPhase::Connect), why)
    }

    /// Builds the failure of a lookup that found no address of this host.
    #[must_use]
    pub fn unresolved(host: &str, why: &str) -> Self {
        Self::new(Cause::Resolve, format!("{host}: {why}"))
    }

    /// Builds the failure of a reply that is no HTTP; in the clear, that may come of the wrong port.
    #[must_use]
    pub fn not_http(server: &str, why: &str, is_tls: bool) -> Self {
        let hint = match is_tls {
            true => "",
            false => " (is this an HTTPS port, or no HTTP server at all?)",
        };
        Self::new(Cause::Protocol, format!("{server}: {why}{hint}"))
    }

    /// Builds the failure of a connection that ended before the head of a reply.
    #[must_use]
    pub fn closed_early(server: &str) -> Self {
        let why = format!("{server} closed the connection before it answered");
        Self::new(Cause::Reset, why)
    }

    /// Builds the failure of an exchange with this progress.
    #[must_use]
    pub(crate) fn at(self, stage: ExchangeProgress) -> ExchangeFailure {
        ExchangeFailure::new(stage, self.cause, self.detail)
    }

    /// Builds the failure of an exchange without a reply, which came as far as this says.
    #[must_use]
    pub(crate) fn unanswered(self, progress: &ProgressCell) -> ExchangeFailure {
        self.at(progress.unanswered())
    }

    /// Builds the failure of an exchange that broke off after this head.
    #[must_use]
    pub(crate) fn after(self, head: &Head) -> ExchangeFailure {
        self.at(ExchangeProgress::Answered(Box::new(head.clone())))
    }
}

impl std::fmt::Display for TransportFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for TransportFailure {}

/// Classifies a TCP connection that could not be established; `server` is host and port.
#[must_use]
pub fn of_connect(error: &io::Error, server: &str) -> TransportFailure {
    let cause = match error.kind() {
        _ if is_out_of_descriptors(error) => Cause::OutOfDescriptors,
        io::ErrorKind::TimedOut => Cause::Timeout(TimeoutPhase::Connect),
        _ => Cause::Refused,
    };
    let why = without_number(error);
    let detail = match cause {
        Cause::Refused => format!("{server} ({})", why.to_lowercase()),
        _ => format!("{server}: {why}"),
    };
    TransportFailure::new(cause, detail)
}

/// Returns whether the process, or the whole machine, may open no more files and sockets.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes: &[i32] = if cfg!(windows) {
        &[10024] // WSAEMFILE
    } else {
        &[24, 23] // EMFILE, ENFILE
    };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Returns what an error says without the number that the operating system has for it: it says nothing to people.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error
        .raw_os_error()
        .map(|code| format!(" (os error {code})"));
    match number.and_then(|number| text.strip_suffix(&number)) {
        Some(words) => words.to_owned(),
        None => text,
    }
}

/// Classifies a failed handshake.
#[must_use]
pub fn of_handshake(error: &io::Error, server: &str) -> TransportFailure {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(why)) => TransportFailure::new(
            Cause::Certificate,
            format!("{server}: {}", certificate_words(why)),
        ),
        Some(rustls::Error::InvalidMessage(_)) => TransportFailure::new(
            Cause::Protocol,
            format!("{server} does not speak TLS (is this a plain HTTP port?)"),
        ),
        Some(error) => TransportFailure::new(Cause::Tls, format!("{server}: {error}")),
        None => TransportFailure::new(
            Cause::Tls,
            format!("{server}: the connection was lost in the handshake: {error}"),
        ),
    }
}

/// How to trust one more authority.
const HOW_TO_TRUST: &str = if cfg!(any(windows, target_vendor = "apple", target_os = "android")) {
    "a CA file of the client's adds it, or the system's own store"
} else {
    "a CA file of the client's adds it, or one that SSL_CERT_FILE names"
};

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
            format!("its certificate was issued by an authority unknown here ({HOW_TO_TRUST})")
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        CertificateError::Other(OtherError(why)) if why.is::<SelfSigned>() => {
            format!("its certificate is self-signed ({HOW_TO_TRUST})")
        }
        CertificateError::Other(OtherError(why))
            if matches!(why.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            format!(
                "its certificate is an authority's own, self-signed: the server needs one that is issued by it \
                 (then add the authority: {HOW_TO_TRUST})"
            )
        }
        other => format!("its certificate cannot be used: {other:?}"),
    }
}

/// Returns an error and all its causes, in one line.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Returns the first error of type `E` in a chain, including errors wrapped by [`io::Error`].
#[must_use]
pub fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
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

    fn handshake(error: rustls::Error) -> TransportFailure {
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
        assert_eq!(fault.cause, Cause::Protocol);
        assert!(fault.detail.contains("plain HTTP port"), "{fault}");
        let cut = of_handshake(
            &io::Error::from(io::ErrorKind::UnexpectedEof),
            "h.example:443",
        );
        assert_eq!(cut.cause, Cause::Tls);
    }

    /// Rows: F18.
    #[test]
    fn a_connection_that_does_not_come_about_names_the_server() {
        let fault = of_connect(
            &io::Error::from(io::ErrorKind::ConnectionRefused),
            "127.0.0.1:9",
        );
        assert_eq!(fault.cause, Cause::Refused);
        assert_eq!(fault.detail, "127.0.0.1:9 (connection refused)");
        // ECONNREFUSED of Linux; elsewhere another error, or none.
        let numbered = of_connect(&io::Error::from_raw_os_error(111), "127.0.0.1:9");
        assert!(!numbered.detail.contains("os error"), "{numbered}");
        let full = of_connect(&io::Error::from_raw_os_error(24), "h:1");
        if cfg!(unix) {
            assert_eq!(full.cause, Cause::OutOfDescriptors);
        }
        let fault = of_connect(&io::Error::from(io::ErrorKind::TimedOut), "h:1");
        assert_eq!(fault.cause, Cause::Timeout(TimeoutPhase::Connect));
    }
}
