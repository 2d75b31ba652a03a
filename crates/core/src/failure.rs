//! How exchanges fail: by progress and by cause.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::response::Head;

/// How far an exchange had come when it failed. This decides whether a write may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeProgress {
    /// Not one byte of the request was sent: the server cannot have seen it.
    NotSent,
    /// Some of the request may have been sent, and no complete reply head came back.
    MaybeSent,
    /// The reply's head arrived; its body is lost or unusable.
    Answered(Box<Head>),
}

/// Which limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// Resolving, connecting or the TLS handshake.
    Connect,
    /// Sending the request's body.
    Send,
    /// Waiting for the reply's head.
    Head,
    /// Waiting for more of the reply's body.
    Body,
    /// The whole exchange.
    Total,
}

impl TimeoutPhase {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Send => "sending",
            Self::Head => "waiting for the reply",
            Self::Body => "reading the reply",
            Self::Total => "exchanging the whole",
        }
    }
}

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The host name did not resolve.
    Resolve,
    /// No server listens there, or the network is unreachable.
    Refused,
    /// This machine or process has no file descriptor left for a connection. Another one that ends frees one: that is no sign
    /// of the server, and costs it neither a token of the retry budget nor a longer wait.
    OutOfDescriptors,
    /// The TLS handshake failed before the certificate was checked.
    Tls,
    /// The server's certificate was checked and rejected. Never retried.
    Certificate,
    /// A proxy refused the connection.
    Proxy,
    /// A time limit ran out.
    Timeout(TimeoutPhase),
    /// The connection was reset or closed.
    Reset,
    /// The reply ended before its announced end.
    Truncated,
    /// What came back is not HTTP as this client speaks it.
    Protocol,
    /// A redirect that this client does not follow.
    Redirect,
    /// The reply is larger than the limit.
    TooLarge {
        /// The limit in bytes.
        cap: u64,
    },
    /// The reply has a content encoding that nobody requested.
    Encoding,
    /// A file changed after it was described and before it was sent.
    SourceChanged,
    /// A file could not be read.
    Source,
    /// The driver dropped the exchange: a dropped future, a panic, the end of the process.
    Abandoned,
}

/// One failed exchange, as the adapter reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeFailure {
    /// How far the exchange had come.
    pub progress: ExchangeProgress,
    /// Why it failed.
    pub cause: Cause,
    /// The library's own words, with host and port and without secrets; of a connection that was refused, the server and
    /// then why.
    pub detail: String,
}

impl ExchangeFailure {
    /// Creates a failure with the adapter's description of it.
    pub fn new(progress: ExchangeProgress, cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            progress,
            cause,
            detail: detail.into(),
        }
    }

    /// Creates the report for an exchange that the driver no longer owns.
    #[must_use]
    pub fn abandoned() -> Self {
        Self::new(
            ExchangeProgress::MaybeSent,
            Cause::Abandoned,
            "the exchange was dropped before its reply came",
        )
    }

    /// Returns the head of the reply, if one came.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        match &self.progress {
            ExchangeProgress::Answered(head) => Some(head),
            ExchangeProgress::NotSent | ExchangeProgress::MaybeSent => None,
        }
    }
}

impl fmt::Display for ExchangeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Resolve => f.write_str("the host name does not resolve")?,
            Cause::Refused if self.detail.is_empty() => f.write_str("cannot connect")?,
            // The detail begins with the server.
            Cause::Refused => return write!(f, "cannot connect to {}", self.detail),
            Cause::OutOfDescriptors => {
                f.write_str("this process has no file descriptor left for a connection")?;
            }
            Cause::Tls => f.write_str("the TLS handshake failed")?,
            Cause::Certificate => f.write_str("the server's certificate is not trusted")?,
            Cause::Proxy => f.write_str("the proxy refused")?,
            Cause::Timeout(TimeoutPhase::Total) => {
                f.write_str("the whole exchange took too long")?
            }
            Cause::Timeout(phase) => write!(f, "timed out while {}", phase.name())?,
            Cause::Reset => f.write_str("the connection was lost")?,
            Cause::Truncated => f.write_str("the reply was cut short")?,
            Cause::Protocol => f.write_str("the reply is not valid HTTP")?,
            Cause::Redirect => f.write_str("the redirect was refused")?,
            Cause::TooLarge { cap } => write!(f, "the reply is larger than {cap} bytes")?,
            Cause::Encoding => f.write_str("the reply has a content encoding nobody asked for")?,
            Cause::SourceChanged => f.write_str("a file changed while it was sent")?,
            Cause::Source => f.write_str("a file could not be read")?,
            Cause::Abandoned => f.write_str("the exchange was abandoned")?,
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for ExchangeFailure {}

/// Longest wait that a server may ask for.
pub(crate) const MAX_HINT: Duration = Duration::from_secs(300);
