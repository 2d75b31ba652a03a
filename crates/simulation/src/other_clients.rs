//! What others do in the same account: tasks of their own.

use taskward_core::{IdempotencyKey, Provider, Request, Safety};

use super::Beginning;
use super::observation::{Another, Observation};
use super::report::Done;
use super::wire::{content, translate};
use super::world::{World, made};
use taskward_sim::platform::SimPlatform;

impl<P: Provider, M: SimPlatform> World<P, M> {
    /// Starts what others start by now.
    pub(super) fn start_others(&mut self) -> Done {
        while let Some(nth) = self.setup.others.iter().position(|(at, _)| *at <= self.now) {
            let (at, job) = self.setup.others.remove(nth);
            let left = self.setup.others.len();
            let Some(request) = self.start_of(&job, &format!("another {left}")) else {
                continue;
            };
            let ours = match &self.setup.beginning {
                Beginning::Start(job) => self.start_of(job, ""),
                Beginning::Turn { .. } => None,
            };
            let is_alike = ours.is_some_and(|ours| content(&ours) == content(&request));
            let before = self.setup.machine.account(at);
            let sim = translate(&request, self.setup.machine.api_key());
            self.setup.machine.handle(sim, at);
            let after = self.setup.machine.account(at);
            let made = made(&before, &after);
            self.tell(format_args!(
                "  others start {made:?}, as we do: {is_alike}"
            ));
            if let Some(id) = made {
                self.learn(Observation::Another(Another { id, at, is_alike }))?;
            }
        }
        Ok(())
    }

    /// Returns what starts this job, of somebody who uses this key.
    fn start_of(&self, job: &P::Job, key: &str) -> Option<Request> {
        let keyed = P::CAPABILITIES.start == Safety::Keyed;
        let key = keyed.then(|| IdempotencyKey::new(key));
        self.setup.provider.start(job, key.as_ref()).ok()
    }
}
