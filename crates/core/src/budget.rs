//! What several tasks of one origin share: the retry budget, and the rate at which the server is asked.

mod rate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::StatusCode;

use crate::failure::ExchangeFailure;
use crate::response::Response;
use crate::time::Timestamp;

pub(crate) use rate::Permit;
use rate::{Rate, Reception};

/// What the tasks of one origin have together, as plain data: how often they may repeat, and how fast they may ask.
///
/// Each repeated request takes tokens and each success gives some back, so that the tasks of a failing server do not all
/// hit it at once. Once the server has refused a request for being one too many (429 or 503), they ask it in turn, at a rate
/// that follows what it accepts.
///
/// The owner of several tasks owns one budget and lends it to each [`next_step`](crate::Task::next_step); threads share it.
/// One thread that drives tasks in the same order gets the same decisions each time.
#[derive(Debug)]
pub struct OriginBudget {
    tokens: AtomicU32,
    rate: Arc<Rate>,
}

/// The size of the bucket.
const FULL: u32 = 500;
/// The price of a repeated request.
const RETRY: u32 = 5;
/// The price of a repeated request after a timeout, which costs the server more.
const RETRY_AFTER_TIMEOUT: u32 = 10;
/// What each success gives back, so that an empty budget refills.
const SUCCESS: u32 = 5;

impl OriginBudget {
    /// Creates a full budget.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tokens: AtomicU32::new(FULL),
            rate: Arc::default(),
        }
    }

    /// Returns how many requests a second are sent at most; `None` as long as the server has refused none for being too many.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<f64> {
        self.rate.per_second()
    }

    /// Reserves the right to send a request, in turn; `None` as long as requests need not wait for one.
    #[inline]
    pub(crate) fn reserve(&self, now: Timestamp) -> Option<Permit> {
        self.rate.reserve(now)
    }

    /// Notes what the server did with a request that was sent at `sent`.
    pub(crate) fn observe(
        &self,
        report: &Result<Response, ExchangeFailure>,
        sent: Timestamp,
        now: Timestamp,
    ) {
        let status = match report {
            Ok(reply) => Some(reply.head.status),
            Err(failure) => failure.head().map(|head| head.status),
        };
        let Some(status) = status else {
            return;
        };
        let reception = if is_one_too_many(status) {
            Reception::Refused
        } else if status.is_server_error() {
            return;
        } else {
            Reception::Accepted
        };
        self.rate.observe(reception, sent, now);
    }

    /// Returns how many tokens remain.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Takes the price of a repeated request; takes nothing and returns false if too few tokens remain.
    pub(crate) fn take(&self, after_timeout: bool) -> bool {
        let price = if after_timeout {
            RETRY_AFTER_TIMEOUT
        } else {
            RETRY
        };
        // Nothing else is published with the count, so that its own order is enough.
        let take = |tokens: u32| tokens.checked_sub(price);
        let (order, load) = (Ordering::Relaxed, Ordering::Relaxed);
        self.tokens.fetch_update(order, load, take).is_ok()
    }

    /// Gives back what a success is worth.
    pub(crate) fn succeeded(&self) {
        let give = |tokens: u32| (tokens < FULL).then(|| (tokens + SUCCESS).min(FULL));
        let (order, load) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.tokens.fetch_update(order, load, give);
    }
}

/// Returns whether a server that answers so would have taken the request at another time: its rate follows from that.
pub(crate) fn is_one_too_many(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

impl Clone for OriginBudget {
    fn clone(&self) -> Self {
        Self {
            tokens: AtomicU32::new(self.tokens()),
            rate: Arc::new(Rate::clone(&self.rate)),
        }
    }
}

impl PartialEq for OriginBudget {
    fn eq(&self, other: &Self) -> bool {
        self.tokens() == other.tokens() && self.rate == other.rate
    }
}

impl Eq for OriginBudget {}

impl Default for OriginBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: F8.
    #[test]
    fn a_drained_budget_refuses_and_refills_with_successes() {
        let shared = OriginBudget::new();
        let taken = (0..200).filter(|_| shared.take(false)).count();
        assert_eq!(taken, 100);
        assert!(!shared.take(true));
        shared.succeeded();
        assert!(
            !shared.take(true),
            "a timeout costs more than one success gives back"
        );
        assert!(shared.take(false));
        for _ in 0..1000 {
            shared.succeeded();
        }
        assert_eq!(shared.tokens(), FULL);
    }
}
