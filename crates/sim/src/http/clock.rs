//! Simulated time over real time, or over nothing but requests.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Span;

/// Where a manual clock starts: 2026-01-01T00:00:00Z.
const MANUAL_START: u64 = 1_767_225_600_000;

#[derive(Debug)]
pub(super) enum SimClock {
    /// Runs `speed` times as fast as the wall clock.
    Running {
        start: u64,
        started: Instant,
        speed: f64,
        skipped: u64,
    },
    /// Moves only on request, and by a step with each poll of a task.
    Manual { now: u64, step: Span },
}

impl SimClock {
    pub(super) fn running(speed: f64) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let start = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self::Running {
            start,
            started: Instant::now(),
            speed,
            skipped: 0,
        }
    }

    pub(super) fn manual(step: Span) -> Self {
        Self::Manual {
            now: MANUAL_START,
            step,
        }
    }

    pub(super) fn now(&self) -> u64 {
        match self {
            Self::Running {
                start,
                started,
                speed,
                skipped,
            } => {
                let elapsed = started.elapsed().as_secs_f64() * 1_000.0 * speed;
                // A float beyond the range of an integer becomes its largest value: time stands still there.
                start
                    .saturating_add(elapsed as u64)
                    .saturating_add(*skipped)
            }
            Self::Manual { now, .. } => *now,
        }
    }

    pub(super) fn advance(&mut self, by: Span) {
        match self {
            Self::Running { skipped, .. } => *skipped = skipped.saturating_add(by.0),
            Self::Manual { now, .. } => *now = now.saturating_add(by.0),
        }
    }

    /// Moves a manual clock because a task was polled; returns whether it moved.
    pub(super) fn tick(&mut self) -> bool {
        match *self {
            Self::Manual { step, .. } if step > Span(0) => {
                self.advance(step);
                true
            }
            Self::Manual { .. } | Self::Running { .. } => false,
        }
    }

    /// Returns how long to sleep until then; `None` when no sleep brings it about.
    pub(super) fn until(&self, at: u64) -> Option<Duration> {
        match self {
            // A millisecond more than the rounding takes away, so that nobody wakes too early again and again.
            Self::Running { .. } => {
                let span = Span(at.saturating_sub(self.now()));
                Some(self.to_real(span) + Duration::from_millis(1))
            }
            Self::Manual { .. } => None,
        }
    }

    /// Lets a span of simulated time pass: gives how long to sleep, or moves a manual clock.
    pub(super) fn let_pass(&mut self, span: Span) -> Duration {
        match self {
            Self::Running { .. } => self.to_real(span),
            Self::Manual { .. } => {
                self.advance(span);
                Duration::ZERO
            }
        }
    }

    /// Returns how long a span takes in real time; for a manual clock as long as it says.
    pub(super) fn to_real(&self, span: Span) -> Duration {
        match self {
            Self::Running { speed, .. } => Duration::from_millis((span.0 as f64 / speed) as u64),
            Self::Manual { .. } => Duration::from_millis(span.0),
        }
    }
}
