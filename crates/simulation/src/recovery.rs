//! What follows when following ended with a start of unknown outcome.

use taskward_core::{
    ErrorClass, Operation as _, Outcome, Provider, Search, SearchReply, SearchRequest, SearchStep,
    Seed, Snapshot, Task, TaskId, UnconfirmedStart,
};

use super::START;
use super::fault::FaultEvent;
use super::invariant::Invariant;
use super::observation::{Found, Observation};
use super::replies::response;
use super::report::{Done, Violation};
use super::spoil;
use super::wire::translate;
use super::world::World;
use taskward_sim::platform::SimPlatform;

/// How often a start is recovered while things go wrong.
const RECOVERIES: u32 = 3;
/// For how long a start is repeated under its key.
const KEY_LIFETIME: u64 = 12 * 3_600_000;
/// One way of a search through the network.
const TRIP: u64 = 20;
/// How long a search that gets no answer waits before it asks again.
const PATIENCE: u64 = 2_000;

/// What comes after the end of a watch.
pub(super) enum After<P: Provider> {
    /// Another watch.
    Watch(Box<Task<P>>),
    /// Nothing: it ended so.
    End(Option<Outcome<P::Output>>),
}

impl<P: Provider, M: SimPlatform> World<P, M> {
    /// Returns the next watch, or how the last one ended.
    pub(super) fn conclude(&mut self, task: Task<P>) -> Done<After<P>> {
        let durable = self.durable.clone();
        let start = task.unconfirmed_start();
        let outcome = task.into_outcome();
        let (Some(Outcome::Unknown { .. }), Some(durable)) = (&outcome, durable) else {
            return Ok(After::End(outcome));
        };
        self.die();
        let saved: Snapshot = serde_json::from_str(&durable.text).expect("a snapshot is JSON");
        if saved.is_repeatable() || saved.is_traceable() || saved.task().is_some() {
            if self.counts.recoveries > RECOVERIES {
                if saved.is_repeatable() && self.has_healed() && self.now < START + KEY_LIFETIME {
                    let why = format!("a start under a key is not recovered: {outcome:?}");
                    return Err(self.broken(Violation::new(Invariant::I10, why)));
                }
                return Ok(After::End(outcome));
            }
            self.counts.recoveries += 1;
            self.wait_for_better(60_000)?;
            let policy = self.setup.policy.clone();
            let provider = self.setup.provider.clone();
            let task = Task::recover(provider, saved, policy, self.clock())
                .expect("what was stored can be gone on with");
            self.reopen();
            self.born(&task, Some(durable))?;
            return Ok(After::Watch(Box::new(task)));
        }
        let Some(start) = start else {
            return Ok(After::End(outcome));
        };
        self.wait_for_better(10_000)?;
        let Some(only) = self.search(start)? else {
            return Ok(After::End(outcome));
        };
        if !self.has_healed() && self.chance.once_in(3) {
            return Ok(After::End(outcome));
        }
        let seed = Seed(self.chance.bytes32());
        let (provider, policy) = (self.setup.provider.clone(), self.setup.policy.clone());
        let task = Task::attach(provider, only, None, policy, seed, self.clock());
        self.reopen();
        self.born(&task, None)?;
        Ok(After::Watch(Box::new(task)))
    }

    /// Returns some time, and where things heal, until they have.
    fn wait_for_better(&mut self, most: u64) -> Done {
        let soon = self.now + self.chance.millis(1_000, most);
        let healed = self.setup.heal_after.map(|_| self.healed_at);
        let until = soon.max(healed.unwrap_or(0));
        while self.now < until && self.now <= self.end() {
            self.pass(until);
            self.catch_up()?;
        }
        Ok(())
    }

    /// Makes one read of a search; `None` where the platform has none.
    fn probe(&mut self, probe: &SearchRequest<P>) -> Done<Option<SearchReply>> {
        let request = probe.request().expect("a search can be written");
        let sim = translate(&request, self.setup.machine.api_key());
        self.tell(format_args!("-> search {}", request.target().as_str()));
        self.now += TRIP;
        let mut served = self.setup.machine.handle(sim, self.now).into_reply();
        if self.strikes(FaultEvent::BadEntry)
            && let Some(body) = spoil::unreadable(&served.body, &mut self.chance)
        {
            served.body = body;
        }
        let reply = response(&served);
        if let Err(refusal) = probe.classify(&reply)
            && refusal.class == ErrorClass::NoSuchMethod
        {
            return Ok(None);
        }
        probe.read(&reply).map(Some).map_err(|error| {
            let why = format!("a search cannot be read: {error}");
            self.broken(Violation::new(Invariant::I3, why))
        })
    }

    /// Searches for the task of a start: returns the one that its caller would take for it.
    fn search(&mut self, start: UnconfirmedStart) -> Done<Option<TaskId>> {
        let is_reliable = self.skew == 0;
        let mut search = Search::new(self.setup.provider.clone(), start);
        loop {
            self.counts.steps += 1;
            match search.next(self.clock()) {
                SearchStep::Done => break,
                SearchStep::Wait(until) => {
                    let until = self.when(until);
                    self.pass(until);
                }
                SearchStep::Send(probe) => {
                    if self.strikes(FaultEvent::DropReply)
                        || self.strikes(FaultEvent::DropAfterSend)
                    {
                        self.pass(self.now + PATIENCE);
                        continue;
                    }
                    let Some(seen) = self.probe(&probe)? else {
                        return Ok(None);
                    };
                    search.take(seen, self.clock());
                }
            }
        }
        let findings = search.finish();
        let found: Vec<Found> = findings
            .candidates
            .iter()
            .map(|one| Found {
                id: one.id.to_string(),
                is_off_time: one.outside_expected_time,
            })
            .collect();
        self.tell(format_args!(
            "found {:?}, complete: {}",
            found.iter().map(|one| &one.id).collect::<Vec<_>>(),
            findings.complete
        ));
        let only = match (findings.candidates.as_slice(), findings.complete) {
            ([only], true) if !only.outside_expected_time => Some(only.id.clone()),
            _ => None,
        };
        self.learn(Observation::Searched {
            found,
            is_complete: findings.complete,
            is_reliable,
        })?;
        Ok(only)
    }
}
