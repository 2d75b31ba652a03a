//! How far an exchange has come, as its transport notes it.

use std::sync::atomic::{AtomicU8, Ordering};

use taskward_core::ExchangeProgress;

/// How far one exchange has come: *not sent*, *maybe sent* or *answered*. It never goes back.
#[derive(Debug, Default)]
pub struct ProgressCell(AtomicU8);

const MAYBE_SENT: u8 = 1;
const ANSWERED: u8 = 2;

impl ProgressCell {
    /// Notes that a byte of the request may leave from now on.
    pub fn maybe_sent(&self) {
        self.0.fetch_max(MAYBE_SENT, Ordering::AcqRel);
    }

    /// Returns whether a byte of the request may have left.
    #[must_use]
    pub fn is_maybe_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) >= MAYBE_SENT
    }

    /// Returns how far an exchange has come that has no reply.
    pub(crate) fn unanswered(&self) -> ExchangeProgress {
        match self.is_maybe_sent() {
            true => ExchangeProgress::MaybeSent,
            false => ExchangeProgress::NotSent,
        }
    }

    /// Notes that the head of a reply came; the client calls it.
    pub(crate) fn answered(&self) {
        self.0.fetch_max(ANSWERED, Ordering::AcqRel);
    }

    /// Returns whether the head of a reply came.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.0.load(Ordering::Acquire) == ANSWERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_goes_back() {
        let cell = ProgressCell::default();
        assert!(!cell.is_maybe_sent() && !cell.is_answered());
        cell.maybe_sent();
        assert!(cell.is_maybe_sent() && !cell.is_answered());
        cell.answered();
        cell.maybe_sent();
        assert!(cell.is_maybe_sent() && cell.is_answered());
    }
}
