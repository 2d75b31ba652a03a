//! A start is keyed on Agent Harness: whatever part of its reply is lost, there is one run.

use taskward::Event;
use taskward::agent_harness::{AgentHarness, Job};
use taskward::core::SecretString;
use taskward_sim::{Fault, FaultRule, Sim};

const SPEED: u32 = 1000;

/// The beginning of the reply that a connection carries before it ends, to its last byte and beyond.
fn at_every_byte(mut start: impl FnMut(&str, SecretString) -> Event) {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    let sim = sim.expect("loopback has a free port");
    let access = sim.harness();
    for bytes in 0.. {
        let lost = Fault::LostReplyAfterApply { after_bytes: bytes };
        sim.set_faults(vec![FaultRule::new(lost).on("create_run").count(1)]);
        let reported = start(&access.base_url, access.api_key.as_str().into());
        let Event::Created { id, replayed, .. } = reported else {
            panic!("after {bytes} bytes: {reported:?}");
        };
        let stats = sim.harness_stats();
        assert_eq!(stats.starts, bytes + 1, "after {bytes} bytes");
        assert!(stats.per_run.contains_key(id.as_str()));
        let was_lost = stats.replays == bytes + 1;
        assert_eq!(replayed, was_lost, "after {bytes} bytes");
        if !was_lost {
            assert_eq!(stats.replays, bytes, "a shorter reply was taken for whole");
            assert!(bytes > 200, "head and body have more than {bytes} bytes");
            return;
        }
    }
}

/// Rows: G2.
#[cfg(feature = "async")]
#[test]
fn a_lost_reply_at_every_byte_creates_one_run_in_async() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    at_every_byte(|base_url, key| {
        let client = taskward::Client::<AgentHarness>::builder()
            .api_key(key)
            .base_url(base_url)
            .speed(SPEED);
        let client = client.build().unwrap();
        runtime.block_on(async {
            let mut running = client.run(Job::goal("Write.")).start().await.unwrap();
            loop {
                let event = running.next().await.unwrap().unwrap();
                if let Event::Created { .. } = event.event {
                    return event.event;
                }
            }
        })
    });
}

/// Rows: G2.
#[cfg(feature = "blocking")]
#[test]
fn a_lost_reply_at_every_byte_creates_one_run_in_blocking() {
    at_every_byte(|base_url, key| {
        let client = taskward::blocking::Client::<AgentHarness>::builder()
            .api_key(key)
            .base_url(base_url)
            .speed(SPEED);
        let client = client.build().unwrap();
        let mut running = client.run(Job::goal("Write.")).start().unwrap();
        let mut events = running.events().map(Result::unwrap);
        events
            .find(|event| matches!(event.event, Event::Created { .. }))
            .unwrap()
            .event
    });
}
