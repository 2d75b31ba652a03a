//! What an exchange may cost: times and sizes, enforced by the adapter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of one exchange; the adapter enforces them and reports a [`Failure`](crate::Failure) that names the one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the last byte sent to the end of the reply's head, informational replies included.
    pub head: Duration,
    /// Longest silence while a body is read, and longest standstill while one is sent.
    pub idle: Duration,
    /// The whole exchange; `None` on streams.
    pub total: Option<Duration>,
    /// Largest reply body in bytes.
    pub max_body: u64,
}

impl Limits {
    /// The same limits for an exchange that must be over `left` from now.
    pub(crate) fn within(mut self, left: Option<Duration>) -> Self {
        self.total = match (self.total, left) {
            (Some(total), Some(left)) => Some(total.min(left)),
            (total, left) => total.or(left),
        };
        self
    }
}

/// The defaults by kind of exchange, plain data in [`Policy`](crate::Policy).
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
    /// Head of every other reply without an upload.
    #[serde(with = "crate::time::stored")]
    pub head: Duration,
    /// Head of a reply to an upload: servers check files before they answer.
    #[serde(with = "crate::time::stored")]
    pub upload_head: Duration,
    /// Longest silence inside a body.
    #[serde(with = "crate::time::stored")]
    pub idle: Duration,
    /// Longest silence on a stream before the task is looked at by a plain read.
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
            head: Duration::from_secs(60),
            upload_head: Duration::from_secs(300),
            idle: Duration::from_secs(30),
            stream_idle: Duration::from_secs(300),
            max_body: 16 * 1024 * 1024,
        }
    }
}

/// The kind of an exchange, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Status,
    Plain,
    Upload,
    Stream,
}

impl LimitTable {
    /// The limits of one exchange that must be over `left` from now.
    pub(crate) fn of(&self, kind: Kind, left: Option<Duration>) -> Limits {
        let head = match kind {
            Kind::Status => self.status_head,
            Kind::Plain | Kind::Stream => self.head,
            Kind::Upload => self.upload_head,
        };
        // A body that dribbles below its idle limit must end too; an upload may take as long as it moves.
        let whole = match kind {
            Kind::Status | Kind::Plain => Some(
                self.connect
                    .saturating_add(head)
                    .saturating_add(self.idle.saturating_mul(10)),
            ),
            Kind::Upload | Kind::Stream => None,
        };
        let idle = if kind == Kind::Stream {
            self.stream_idle
        } else {
            self.idle
        };
        let limits = Limits {
            connect: self.connect,
            head,
            idle,
            total: whole,
            max_body: self.max_body,
        };
        match kind {
            Kind::Stream => limits,
            Kind::Status | Kind::Plain | Kind::Upload => limits.within(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: A4, B23.
    #[test]
    fn the_limits_of_an_exchange_are_the_documented_ones() {
        let table = LimitTable::default();
        let seconds = |kind| {
            let limits = table.of(kind, None);
            let total = limits.total.map(|total| total.as_secs());
            (
                limits.connect.as_secs(),
                limits.head.as_secs(),
                limits.idle.as_secs(),
                total,
            )
        };
        // A body may dribble for ten times the longest silence, and no longer.
        assert_eq!(seconds(Kind::Status), (10, 10, 30, Some(10 + 10 + 300)));
        assert_eq!(seconds(Kind::Plain), (10, 60, 30, Some(10 + 60 + 300)));
        assert_eq!(seconds(Kind::Upload), (10, 300, 30, None));
        assert_eq!(seconds(Kind::Stream), (10, 60, 300, None));
        assert_eq!(table.max_body, 16 << 20);
    }

    #[test]
    fn absurd_limits_saturate() {
        let table = LimitTable {
            connect: Duration::MAX,
            idle: Duration::MAX,
            ..LimitTable::default()
        };
        assert_eq!(table.of(Kind::Status, None).total, Some(Duration::MAX));
        assert_eq!(table.of(Kind::Upload, None).total, None);
        assert_eq!(
            table.of(Kind::Upload, Some(Duration::from_secs(1))).total,
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            table.of(Kind::Stream, Some(Duration::from_secs(1))).total,
            None
        );
    }
}
