//! Recovers a start of unknown outcome. Keep it in step with its async twin.

use taskward_client::recover::{Recovery, RecoveryPlan, recovery_plan};
use taskward_client::run::RunSource;
use taskward_core::{Error, Provider, Search, SearchResult, SearchStep, Snapshot, TaskId};

use crate::client::Client;
use crate::run::Run;

pub(crate) fn recover<P: Provider>(
    client: &Client<P>,
    snapshot: Snapshot,
    others: Vec<TaskId>,
) -> Result<Recovery<Run<P>>, Error> {
    let inner = client.inner();
    let origin = &inner.transport.origin;
    let provider = inner.provider.clone();
    match recovery_plan(provider, origin, snapshot, others, inner.clock.now())? {
        RecoveryPlan::Follow(snapshot) => Ok(Recovery::Follow(Run::new(
            client.clone(),
            RunSource::Recover(snapshot),
        ))),
        RecoveryPlan::Search(start) => Ok(Recovery::Found(search(client, *start)?)),
    }
}

fn search<P: Provider>(client: &Client<P>, mut search: Search<P>) -> Result<SearchResult, Error> {
    let clock = client.inner().clock;
    loop {
        match search.next(clock.now()) {
            SearchStep::Done => return Ok(search.finish()),
            SearchStep::Wait(until) => std::thread::sleep(clock.left(until)),
            SearchStep::Send(probe) => match client.call(probe) {
                Ok(seen) => search.take(seen, clock.now()),
                // A conversation that cannot be read says nothing against its task.
                Err(_) if search.skip(clock.now()) => {}
                Err(error) => return Err(error),
            },
        }
    }
}
