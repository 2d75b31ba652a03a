//! The limits of an exchange: times and sizes, which the adapter enforces.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::Safety;

/// The limits of one exchange. The adapter enforces them and reports an [`ExchangeFailure`](crate::ExchangeFailure)
/// that names the limit it hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// For resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the last byte sent to the end of the reply's head, interim replies included.
    pub head: Duration,
    /// Longest silence while a body is read, and longest stall while one is sent.
    pub idle: Duration,
    /// For the whole exchange, redirects included. For a stream that is handed over open it covers everything before
    /// that, including the body of a refusal; the open stream has no such limit.
    pub total: Option<Duration>,
    /// Largest reply body in bytes.
    pub max_body: u64,
    /// Which connection carries the exchange.
    pub connection: ConnectionUse,
}

/// Which connection carries an exchange. The core decides it for each exchange; adapters only obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    /// An idle connection from the pool, or a new one that goes into the pool afterwards.
    Pooled,
    /// A connection that is opened for this exchange and its redirects, and closed after it.
    ///
    /// A write without a key needs one: a server may close an idle connection at the very moment at which the request
    /// is sent on it, and then nobody can tell whether it was received. So does a stream that is read while it is open:
    /// the driver does not choose its end, so its connection can carry nothing else.
    Dedicated,
}

impl ConnectionUse {
    /// Returns the connection that a request of this safety needs.
    fn of(safety: Safety) -> Self {
        match safety {
            Safety::Repeatable | Safety::Keyed => Self::Pooled,
            Safety::Traceable | Safety::Once => Self::Dedicated,
        }
    }
}

impl Limits {
    /// Shortens these limits for an exchange that must end within `left`.
    pub(crate) fn within(mut self, left: Option<Duration>) -> Self {
        self.total = match (self.total, left) {
            (Some(total), Some(left)) => Some(total.min(left)),
            (total, left) => total.or(left),
        };
        self
    }
}

const STATUS_TOTAL: Duration = Duration::from_secs(30);

/// Returns whether this is the default, which is not stored.
fn is_status_total(total: &Duration) -> bool {
    *total == STATUS_TOTAL
}

/// The default limits by kind of exchange, as plain data in [`Policy`](crate::Policy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LimitTable {
    /// Resolving, connecting and the TLS handshake together.
    #[serde(with = "crate::time::stored")]
    pub connect: Duration,
    /// Head of a status read.
    #[serde(with = "crate::time::stored")]
    pub status_head: Duration,
    /// For the whole of a status read: its reply is small, and nothing else is learned of the task meanwhile.
    #[serde(with = "crate::time::stored", skip_serializing_if = "is_status_total")]
    pub status_total: Duration,
    /// Head of every other reply without an upload.
    #[serde(with = "crate::time::stored")]
    pub head: Duration,
    /// Head of the reply to an upload: servers check files before they answer.
    #[serde(with = "crate::time::stored")]
    pub upload_head: Duration,
    /// Longest silence inside a body.
    #[serde(with = "crate::time::stored")]
    pub idle: Duration,
    /// Longest silence on a stream before the task is polled instead.
    #[serde(with = "crate::time::stored")]
    pub stream_idle: Duration,
    /// Largest reply body in bytes.
    pub max_body: u64,
}

impl Default for LimitTable {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            status_head: Duration::from_secs(10),
            status_total: STATUS_TOTAL,
            head: Duration::from_secs(60),
            upload_head: Duration::from_secs(300),
            idle: Duration::from_secs(30),
            stream_idle: Duration::from_secs(300),
            max_body: 64 * 1024 * 1024,
        }
    }
}

/// The kind of an exchange, as far as its limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Status,
    Plain,
    Upload,
    /// A stream that is read to its end like any other body.
    WholeStream,
    /// A stream that is handed over while it is open.
    OpenStream,
}

impl LimitTable {
    /// Returns the limits of one exchange of this safety that must end within `left`.
    pub(crate) fn of(&self, kind: Kind, safety: Safety, left: Option<Duration>) -> Limits {
        // A body that drips in below its idle limit must end, too; an upload may take as long as it makes progress.
        let (head, idle, total) = match kind {
            Kind::Status => (self.status_head, self.idle, Some(self.status_total)),
            Kind::Plain => {
                let total = self.with_body(self.head, self.idle.saturating_mul(10));
                (self.head, self.idle, Some(total))
            }
            Kind::Upload => (self.upload_head, self.idle, None),
            Kind::WholeStream => (self.head, self.stream_idle, None),
            Kind::OpenStream => {
                let total = self.with_body(self.head, self.idle);
                (self.head, self.stream_idle, Some(total))
            }
        };
        let connection = match kind {
            Kind::OpenStream => ConnectionUse::Dedicated,
            Kind::Status | Kind::Plain | Kind::Upload | Kind::WholeStream => {
                ConnectionUse::of(safety)
            }
        };
        let limits = Limits {
            connect: self.connect,
            head,
            idle,
            total,
            max_body: self.max_body,
            connection,
        };
        limits.within(left)
    }

    fn with_body(&self, head: Duration, body: Duration) -> Duration {
        self.connect.saturating_add(head).saturating_add(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: A4, B23, B29.
    #[test]
    fn the_limits_of_an_exchange_are_the_documented_ones() {
        let table = LimitTable::default();
        let seconds = |kind| {
            let limits = table.of(kind, Safety::Repeatable, None);
            let total = limits.total.map(|total| total.as_secs());
            (
                limits.connect.as_secs(),
                limits.head.as_secs(),
                limits.idle.as_secs(),
                total,
            )
        };
        // A body may dribble for ten times the longest silence, and no longer; that of a status less.
        assert_eq!(seconds(Kind::Status), (10, 10, 30, Some(30)));
        assert_eq!(seconds(Kind::Plain), (10, 60, 30, Some(10 + 60 + 300)));
        assert_eq!(seconds(Kind::Upload), (10, 300, 30, None));
        assert_eq!(seconds(Kind::WholeStream), (10, 60, 300, None));
        // All that comes before the stream is open.
        assert_eq!(seconds(Kind::OpenStream), (10, 60, 300, Some(10 + 60 + 30)));
        assert_eq!(table.max_body, 64 << 20);
    }

    /// Rows: B27, E28.
    #[test]
    fn a_write_without_a_key_and_an_open_stream_get_a_connection_of_their_own() {
        let table = LimitTable::default();
        for kind in [
            Kind::Status,
            Kind::Plain,
            Kind::Upload,
            Kind::WholeStream,
            Kind::OpenStream,
        ] {
            for safety in [
                Safety::Repeatable,
                Safety::Keyed,
                Safety::Traceable,
                Safety::Once,
            ] {
                let own = !safety.is_repeatable() || kind == Kind::OpenStream;
                let expected = if own {
                    ConnectionUse::Dedicated
                } else {
                    ConnectionUse::Pooled
                };
                let limits = table.of(kind, safety, None);
                assert_eq!(limits.connection, expected, "{kind:?} {safety:?}");
            }
        }
    }

    #[test]
    fn absurd_limits_saturate() {
        let table = LimitTable {
            connect: Duration::MAX,
            idle: Duration::MAX,
            ..LimitTable::default()
        };
        let total = |kind, left| table.of(kind, Safety::Repeatable, left).total;
        let second = Some(Duration::from_secs(1));
        assert_eq!(total(Kind::Plain, None), Some(Duration::MAX));
        assert_eq!(total(Kind::Upload, None), None);
        for kind in [
            Kind::Status,
            Kind::Plain,
            Kind::Upload,
            Kind::WholeStream,
            Kind::OpenStream,
        ] {
            assert_eq!(total(kind, second), second, "{kind:?}");
        }
    }
}
