//! Files that say they are a stored task.

use taskward_core::testing::settle;
use taskward_core::{ExchangeFailure, OriginBudget, Provider, Snapshot, Step, Task, Timestamp};
use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::nanonets::Nanonets;

/// Steps that a resumed task is led through.
const STEPS: usize = 40;

/// Checks a file of these bytes: it is refused with a message, or it is a task that can be driven and stored again.
pub fn target(data: &[u8]) {
    let Ok(snapshot) = serde_json::from_slice::<Snapshot>(data) else {
        return;
    };
    let text = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
    assert_eq!(
        serde_json::from_str::<Snapshot>(&text).expect("what was written can be read"),
        snapshot
    );
    goes_on(Nanonets, &snapshot);
    goes_on(AgentHarness, &snapshot);
}

fn goes_on<P: Provider>(provider: P, snapshot: &Snapshot) {
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut task = match Task::resume(provider, snapshot.clone(), now) {
        Ok(task) => task,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(snapshot.provider(), P::NAME);
    assert_eq!(task.id(), snapshot.task());
    let shared = OriginBudget::new();
    for _ in 0..STEPS {
        match settle(&mut task, now, &shared).1 {
            Step::Done => break,
            Step::Send { id, .. } | Step::Open { id, .. } => {
                task.sent(id);
                task.handle_failure(id, ExchangeFailure::abandoned(), now);
            }
            Step::Close { id } => task.closed(id),
            Step::Wait { until, .. } => now = until,
            other => panic!("nothing is under way: {other:?}"),
        }
    }
}
