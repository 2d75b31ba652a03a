//! What to ask next: a machine without I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use taskward_core::{Request, Response, Safety};

use super::exchange::{Exchange, Outcome};
use super::mask::Mask;
use super::recording::Recording;
use super::{Examined, Probe, Stage, Vocabulary};

/// Reads of a started task until it has ended or waits.
const MAX_POLLS: u32 = 90;

/// The wait between two of them.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What is known from the replies so far, by name.
pub(crate) type Known = BTreeMap<&'static str, String>;

/// How far an examination may go.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// A task to read, besides those that lists name.
    pub task: Option<String>,
    /// Where the agent describes itself, as a path with its query; none for the usual place, or where a platform has no
    /// such thing.
    pub card: Option<String>,
    /// Starts a task: the agent or the goal, and a fresh idempotency key.
    pub start: Option<(String, String)>,
}

/// One thing to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The probe.
    pub probe: &'static Probe,
    /// The request.
    pub request: Request,
    /// How long to wait before it is sent.
    pub wait: Duration,
}

/// Asks what a scope allows, one request after the other, and records what comes.
#[derive(Debug)]
pub struct Examination {
    provider: &'static str,
    probes: &'static [Probe],
    words: &'static Vocabulary,
    served: Option<&'static str>,
    scope: Scope,
    known: Known,
    mask: Mask,
    at: usize,
    polls: u32,
    exchanges: Vec<Exchange>,
}

impl Examination {
    /// Begins to examine a platform.
    #[must_use]
    pub fn of<P: Examined>(scope: Scope) -> Self {
        let mut known = Known::new();
        if let Some(task) = &scope.task {
            known.insert("task", task.clone());
        }
        if let Some(card) = &scope.card {
            known.insert("card", card.clone());
        }
        if let Some((what, key)) = &scope.start {
            known.insert("start", what.clone());
            known.insert("key", key.clone());
        }
        Self {
            provider: P::NAME,
            probes: P::PROBES,
            words: &P::VOCABULARY,
            served: P::SERVED.map(|(operation, _)| operation),
            scope,
            known,
            mask: Mask::default(),
            at: 0,
            polls: 0,
            exchanges: Vec::new(),
        }
    }

    /// Returns what to ask next; `None` when there is nothing more. Called twice, it returns the same.
    pub fn next_step(&mut self) -> Option<Ask> {
        loop {
            let probe = self.probes.get(self.at)?;
            match self.request(probe) {
                Some(request) => {
                    let again = probe.stage == Stage::Follow && self.polls > 0;
                    let wait = if again { POLL_INTERVAL } else { Duration::ZERO };
                    return Some(Ask {
                        probe,
                        request,
                        wait,
                    });
                }
                None => self.at += 1,
            }
        }
    }

    /// Returns the request of a probe, where it is to be made and can be. One that no id fits is not made.
    fn request(&self, probe: &Probe) -> Option<Request> {
        let wanted = match probe.stage {
            Stage::Read => true,
            Stage::Start => self.scope.start.is_some(),
            Stage::Started | Stage::Follow => self.known.contains_key("started"),
        };
        if !wanted {
            return None;
        }
        (probe.request)(&self.known)?.ok()
    }

    /// Takes in the reply to the last [`Ask`], or why there is none.
    pub fn take(&mut self, ask: &Ask, reply: Result<&Response, String>) {
        let value = reply
            .as_ref()
            .ok()
            .filter(|reply| reply.status().is_success());
        let value = value.and_then(|reply| serde_json::from_slice(&reply.body).ok());
        let outcome = match &reply {
            Ok(reply) => {
                let describes = self.served == Some(ask.probe.operation);
                Outcome::Reply(self.mask.reply(reply, self.words, describes))
            }
            Err(why) => Outcome::Failure(why.clone()),
        };
        let exchange = Exchange {
            provider: self.provider.to_owned(),
            probe: ask.probe.name.to_owned(),
            operation: ask.probe.operation.to_owned(),
            method: ask.request.method().to_string(),
            target: self.mask.target(ask.request.target(), self.words),
            outcome,
        };
        // A poll that says what the one before said tells nothing.
        if self
            .exchanges
            .last()
            .is_none_or(|last| !is_same(last, &exchange))
        {
            self.exchanges.push(exchange);
        }
        if let Some(value) = &value {
            (ask.probe.learn)(value, &mut self.known);
        }
        self.polls += 1;
        let goes_on = ask.probe.stage == Stage::Follow
            && !self.known.contains_key("over")
            && self.polls < MAX_POLLS;
        if !goes_on {
            self.at += 1;
            self.polls = 0;
        }
    }

    /// Returns the id of the task that was started.
    #[must_use]
    pub fn started(&self) -> Option<&str> {
        self.known.get("started").map(String::as_str)
    }

    /// Returns whether the started task was seen to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.known.contains_key("ended")
    }

    /// Returns what was recorded until now, as a recording.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording {
            made_by: concat!("taskward ", env!("CARGO_PKG_VERSION")).to_owned(),
            exchanges: self.exchanges.clone(),
        }
    }
}

impl Ask {
    /// Returns what makes it safe to repeat.
    #[must_use]
    pub fn safety(&self) -> Safety {
        self.probe.safety
    }
}

/// Returns whether two exchanges say the same but for their times.
fn is_same(one: &Exchange, other: &Exchange) -> bool {
    let body = |exchange: &Exchange| {
        exchange
            .reply()
            .map(|reply| (reply.status, reply.body.clone()))
    };
    one.probe == other.probe && one.target == other.target && body(one) == body(other)
}
