//! What every phase and region of a task shares: the provider, the policy, time and randomness.

use std::sync::Arc;

use crate::id::{ExchangeId, IntentId};
use crate::outcome::{Outcome, UnknownReason};
use crate::policy::Policy;
use crate::provider::{Capabilities, Provider};
use crate::seed::Seed;
use crate::time::Timestamp;

use super::Liveness;
use super::intent::Intent;

/// The surroundings of a task: they are the same in every phase.
#[derive(Debug)]
pub(super) struct Env<P> {
    pub(super) provider: P,
    /// The server that the task belongs to, if the driver named it.
    pub(super) origin: Option<Arc<str>>,
    /// Shared by the tasks that were given the same one.
    pub(super) policy: Arc<Policy>,
    pub(super) seed: Seed,
    pub(super) rng: fastrand::Rng,
    pub(super) now: Timestamp,
    /// The start request that created the task, if this client sent it.
    pub(super) intent: Option<Box<Intent>>,
    /// How many exchanges were sent.
    pub(super) exchanges: u64,
    pub(super) liveness: Liveness,
    /// Whether no stream is opened. It is the driver's, and not stored.
    pub(super) is_polled: bool,
}

impl<P: Provider> Env<P> {
    pub(super) fn new(provider: P, policy: Arc<Policy>, seed: Seed, now: Timestamp) -> Self {
        Self {
            provider,
            origin: None,
            policy,
            rng: fastrand::Rng::with_seed(seed.jitter()),
            seed,
            now,
            intent: None,
            exchanges: 0,
            liveness: Liveness::default(),
            is_polled: false,
        }
    }

    /// Returns what the provider can do.
    pub(super) fn can(&self) -> Capabilities {
        self.provider.capabilities()
    }

    /// Moves the task's time to `now`. It never runs backwards: an earlier time counts as the present one.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns the id of the next exchange.
    pub(super) fn next_exchange(&self) -> ExchangeId {
        ExchangeId(self.exchanges + 1)
    }

    /// Returns the outcome of a start that may or may not have created a task, and is not repeated.
    pub(super) fn unknown_start<O>(&self, reason: UnknownReason, likely: bool) -> Outcome<O> {
        let intent = self.intent.as_ref().map(|intent| intent.id.clone());
        Outcome::Unknown {
            intent: intent.unwrap_or_else(|| IntentId::new("")),
            reason,
            likely,
        }
    }
}
