//! What several tasks of one origin share: the retry budget.

/// The retry budget of one origin, plain data.
///
/// Each repetition takes tokens and each success gives some back, so that a server in trouble is not hit by every task
/// at once. Whoever owns several tasks owns it and lends it to each `poll`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginBudget {
    tokens: u32,
}

/// The bucket's size.
const FULL: u32 = 500;
/// Price of a repetition.
const RETRY: u32 = 5;
/// Price of a repetition after a timeout, which costs the server more.
const RETRY_AFTER_TIMEOUT: u32 = 10;
/// Given back by each success, so that a drained budget refills.
const SUCCESS: u32 = 5;

impl OriginBudget {
    /// A full budget.
    #[must_use]
    pub const fn new() -> Self {
        Self { tokens: FULL }
    }

    /// Tokens left.
    #[must_use]
    pub const fn tokens(&self) -> u32 {
        self.tokens
    }

    pub(crate) fn take(&mut self, after_timeout: bool) -> bool {
        let price = if after_timeout {
            RETRY_AFTER_TIMEOUT
        } else {
            RETRY
        };
        match self.tokens.checked_sub(price) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    pub(crate) fn succeeded(&mut self) {
        self.tokens = (self.tokens + SUCCESS).min(FULL);
    }
}

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
        let mut shared = OriginBudget::new();
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
