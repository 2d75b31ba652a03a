//! The machine of a task, driven by whatever the bytes say: replies of every shape, failures at every stage, requests of
//! the application, crashes, and time in leaps.

mod a2a;
mod checks;
mod input;
mod platforms;
mod world;

use taskward_core::Provider;
use taskward_providers::a2a::A2a;
use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::nanonets::Nanonets;

use platforms::Platform;
use world::World;

/// A task that is polled and started without a key.
pub fn nanonets(data: &[u8]) {
    ends(Nanonets, data);
}

/// A task over a stream, started and answered under keys.
pub fn agent_harness(data: &[u8]) {
    ends(AgentHarness, data);
}

/// A task of an agent; the first byte says which agent.
pub fn a2a(data: &[u8]) {
    drop(ends_of(A2a::NAME, data));
}

/// Returns how the task of these bytes ends, each time that it does; `provider` is the provider's name.
#[must_use]
pub fn ends_of(provider: &str, data: &[u8]) -> Vec<&'static str> {
    match provider {
        Nanonets::NAME => ends(Nanonets, data),
        A2a::NAME => match data.split_first() {
            Some((agent, rest)) => ends(a2a::agent(*agent), rest),
            None => Vec::new(),
        },
        _ => ends(AgentHarness, data),
    }
}

fn ends<P: Platform>(provider: P, data: &[u8]) -> Vec<&'static str> {
    World::new(provider, data).map_or_else(Vec::new, |(task, world)| world.run(task))
}
