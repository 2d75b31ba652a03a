//! What the wire did: failures by stage and cause.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::response::Head;

/// How far an exchange had come when it failed. The stage decides whether a write may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeProgress {
    /// Not one byte of the request left: the server cannot have seen it.
    NotSent,
    /// Some of it may have left and no complete reply head came back.
    MaybeSent,
    /// The reply's head is here; its body is lost or unusable.
    Answered(Box<Head>),
}

/// Which limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// Resolving, connecting or the TLS handshake.
    Connect,
    /// Sending the body.
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
    /// Nothing listens there, or the network is unreachable.
    Refused,
    /// The TLS handshake failed before a certificate was judged.
    Tls,
    /// The server's certificate was judged and refused. Never retried.
    Certificate,
    /// A proxy stood in the way.
    Proxy,
    /// A limit ran out.
    Timeout(TimeoutPhase),
    /// The connection was reset or closed.
    Reset,
    /// The reply ended before its promised end.
    Truncated,
    /// What came back is not HTTP as we speak it.
    Protocol,
    /// A redirect that we do not follow.
    Redirect,
    /// A reply larger than the named cap in bytes.
    TooLarge {
        /// The cap.
        cap: u64,
    },
    /// The reply came encoded although nobody asked for that.
    Encoding,
    /// A file changed between being described and being sent.
    SourceChanged,
    /// A file could not be read.
    Source,
    /// The driver let go of the exchange: a dropped future, a panic, an end of process.
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
    /// The library's own words, with host and port, without secrets.
    pub detail: String,
}

impl ExchangeFailure {
    /// A failure with the adapter's words about it.
    pub fn new(stage: ExchangeProgress, cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            progress: stage,
            cause,
            detail: detail.into(),
        }
    }

    /// The report for an exchange that the driver no longer holds.
    #[must_use]
    pub fn abandoned() -> Self {
        Self::new(
            ExchangeProgress::MaybeSent,
            Cause::Abandoned,
            "the exchange was dropped before its reply came",
        )
    }

    /// The head of the reply, if one came.
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
            Cause::Refused => f.write_str("could not connect")?,
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

/// Largest share of a server-given wait that is honoured.
pub(crate) const MAX_HINT: Duration = Duration::from_secs(300);
