//! What a simulator takes besides its seed.

mod file;

use std::any::Any;
use std::sync::Arc;

use crate::faults::FaultRule;

/// What a simulator takes besides its seed: switches, further agents and runs, faults.
///
/// ```
/// let scenario = taskward_sim::Scenario::parse(r#"
///     [switches]
///     reply_delay_ms = 3000
///
///     [[agent]]
///     name = "buyer"
///     steps = [
///         { run = "5s" },
///         { ask = "Which supplier?" },
///         { say = "Ordering from {answer}." },
///         { review = "Order over 500" },
///         { complete = { summary = "Ordered from {answer}.", data = { ordered = true } } },
///     ]
///
///     [agent_harness]
///     signal_timeout_ms = 60000
///
///     [[run]]
///     name = "order"
///     steps = [
///         { run = "2s" },
///         { delta = "Ordering chairs." },
///         { step_done = "succeeded" },
///         { wait = { kind = "approval", payload = { total = 520 }, timeout = "10m" } },
///         { delta = " Ordered." },
///         { succeed = true },
///     ]
///
///     [[fault]]
///     on = "status"
///     kind = "status"
///     code = 503
///     probability = 0.3
/// "#)?;
/// let nanonets: taskward_sim::nanonets::Settings = scenario.of();
/// assert_eq!(nanonets.switches.reply_delay_ms, 3000);
/// # Ok::<(), taskward_sim::ScenarioError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// The faults in force from the beginning.
    pub faults: Vec<FaultRule>,
    /// At most one value of each platform's type.
    settings: Vec<Arc<dyn Any + Send + Sync>>,
}

/// Why a scenario file cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("scenario: {0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Returns the settings of the platform that has this type of them.
    #[must_use]
    pub fn of<T: Any + Clone + Default>(&self) -> T {
        let given = self.settings.iter().find_map(|one| one.downcast_ref());
        given.cloned().unwrap_or_default()
    }

    /// Replaces the settings of the platform that has this type of them.
    pub fn set<T: Any + Send + Sync>(&mut self, settings: T) {
        self.settings.retain(|one| !one.is::<T>());
        self.settings.push(Arc::new(settings));
    }
}
