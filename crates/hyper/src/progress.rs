//! How far an exchange has come, as the connection, the body and whoever waits see it together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use taskward_client::clock::later;
use taskward_client::transport::{ProgressCell, TransportFailure};
use taskward_core::{Limits, TimeoutPhase};

/// How far one exchange has come. The connection and the body write it; the code that classifies a failure reads it.
#[derive(Debug)]
pub(crate) struct ExchangeWatch(Mutex<ExchangeState>);

#[derive(Debug)]
pub(crate) struct ExchangeState {
    /// How far the request has come: moved before its first byte may leave.
    pub(crate) progress: Arc<ProgressCell>,
    /// Whether the whole body was handed to the connection.
    pub(crate) whole: bool,
    /// When a byte last moved.
    pub(crate) moved: Instant,
    /// The error of a write. The reply may still be there to be read.
    pub(crate) broken: Option<String>,
    /// Why our side gave up.
    pub(crate) fault: Option<TransportFailure>,
}

impl ExchangeWatch {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ExchangeState::new(Arc::default())))
    }

    /// Resets for another exchange on the same connection.
    pub(crate) fn restart(&self, progress: Arc<ProgressCell>) {
        *self.lock() = ExchangeState::new(progress);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ExchangeState> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the exchange is given up, and for which reason, while the reply's head is awaited.
    pub(crate) fn head_deadline(&self, limits: &Limits) -> (Instant, TimeoutPhase) {
        let progress = self.lock();
        if progress.whole {
            (later(progress.moved, limits.head), TimeoutPhase::Head)
        } else {
            (later(progress.moved, limits.idle), TimeoutPhase::Send)
        }
    }
}

impl ExchangeState {
    fn new(progress: Arc<ProgressCell>) -> Self {
        Self {
            progress,
            whole: false,
            moved: Instant::now(),
            broken: None,
            fault: None,
        }
    }
}
