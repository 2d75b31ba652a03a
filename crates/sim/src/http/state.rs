//! What all connections share: the platform, the faults, the clock, the log.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::SimClock;
use super::deliver::EVENT_STREAM;
use super::log::{Digested, Log, RequestRecord};
use super::redact::Redactor;
use crate::faults::{Fault, FaultRule};
use crate::message::{Answer, Head, Pulled, Replay, Reply, Request, SimBody, StreamId};
use crate::platform::{Registered, SimPlatform};
use crate::platforms::{PLATFORMS, place_of};
use crate::routes::Serves;
use crate::scenario::{Scenario, ScenarioError};
use crate::struck::Faults;
use crate::time::Span;

/// A longer reply is not stored for a stale read.
const MAX_KEPT: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct State {
    seed: u64,
    scenario: Scenario,
    /// A server of each platform, in the order of [`PLATFORMS`].
    platforms: Vec<Box<dyn SimPlatform>>,
    pub(super) faults: Faults,
    pub(super) clock: SimClock,
    pub(super) log: Log,
    pub(super) records_bodies: bool,
    faulted: BTreeMap<&'static str, u64>,
    /// The last reply to each read of a task, by its target.
    told: BTreeMap<String, Reply>,
    /// Moves on whenever a stream may have something to send for another reason than that time passed by itself.
    changes: watch::Sender<u64>,
    /// How often everything was forgotten.
    epoch: u64,
}

/// An open stream, among those since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    platform: usize,
    stream: StreamId,
    epoch: u64,
}

/// What the platform made of a request.
#[derive(Debug)]
pub(super) enum Applied {
    Whole(Reply),
    /// It opened a stream, with this head.
    Stream(Reply, Ticket),
    /// The reply is yet to come.
    Later(Ticket),
}

impl Applied {
    /// Returns the reply, if it is there; of a stream the head.
    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Whole(reply) | Self::Stream(reply, _) => Some(reply),
            Self::Later(_) => None,
        }
    }
}

/// What the head of a request has decided.
#[derive(Debug)]
pub(super) struct Opening {
    platform: usize,
    pub(super) endpoint: &'static str,
    pub(super) task: Option<String>,
    pub(super) fault: Option<Fault>,
    /// The refusal that needs no body.
    pub(super) refusal: Option<Reply>,
    pub(super) max_file: Option<u64>,
}

impl Opening {
    /// Returns whether the body names the endpoint.
    fn is_enveloped(&self) -> bool {
        let envelope = PLATFORMS[self.platform].envelope;
        envelope.is_some_and(|envelope| envelope.endpoint == self.endpoint)
    }

    /// Returns what the endpoint answers with when all is well.
    pub(super) fn media_type(&self) -> &'static str {
        match (PLATFORMS[self.platform].serves)(self.endpoint) {
            Serves::Stream => EVENT_STREAM,
            Serves::List | Serves::Other => "application/json",
        }
    }
}

/// Returns a server of each platform.
fn servers(seed: u64, scenario: &Scenario, now: u64) -> Vec<Box<dyn SimPlatform>> {
    let server = |platform: &Registered| (platform.server)(seed, scenario, now);
    PLATFORMS.iter().map(server).collect()
}

impl State {
    pub(super) fn new(
        seed: u64,
        scenario: Scenario,
        clock: SimClock,
        records_bodies: bool,
    ) -> Self {
        Self {
            platforms: servers(seed, &scenario, clock.now()),
            faults: Faults::new(seed, scenario.faults.clone()),
            log: Log::default(),
            faulted: BTreeMap::new(),
            told: BTreeMap::new(),
            changes: watch::Sender::new(0),
            epoch: 0,
            seed,
            scenario,
            clock,
            records_bodies,
        }
    }

    /// What ids, keys and chances follow from.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Forgets everything that happened; ids begin again, and open streams are cut.
    pub(super) fn reset(&mut self) {
        self.platforms = servers(self.seed, &self.scenario, self.clock.now());
        self.faults = Faults::new(self.seed, self.scenario.faults.clone());
        self.log.clear();
        self.faulted.clear();
        self.told.clear();
        self.epoch += 1;
        self.announce();
    }

    pub(super) fn set_faults(&mut self, rules: Vec<FaultRule>) {
        self.faults = Faults::new(self.seed, rules);
    }

    /// Adds a scenario to what is in force, until the next reset.
    ///
    /// # Errors
    /// When it is none; then nothing has changed.
    pub(super) fn add_scenario(&mut self, text: &str) -> Result<(), String> {
        let told = |why: ScenarioError| why.to_string();
        let text = Scenario::as_file(text).map_err(told)?;
        // All of it is read before anything of it is applied.
        let scenario = Scenario::parse(&text).map_err(told)?;
        let now = self.clock.now();
        for platform in &mut self.platforms {
            platform.add(&text, now)?;
        }
        self.faults.extend(scenario.faults);
        self.announce();
        Ok(())
    }

    /// Removes what a scenario added; `None` when no platform has such a table.
    pub(super) fn remove(&mut self, table: &str, name: &str) -> Option<Result<(), String>> {
        let now = self.clock.now();
        let mut servers = self.platforms.iter_mut();
        servers.find_map(|server| server.remove(table, name, now))
    }

    /// Requests that a fault kept from the platform, by endpoint.
    pub(super) fn faulted(&self) -> &BTreeMap<&'static str, u64> {
        &self.faulted
    }

    /// Lets the platforms do what is due, and returns the time.
    pub(super) fn catch_up(&mut self) -> u64 {
        let now = self.clock.now();
        for platform in &mut self.platforms {
            platform.advance(now);
        }
        now
    }

    /// Moves simulated time on.
    pub(super) fn advance(&mut self, by: Span) {
        self.clock.advance(by);
        self.catch_up();
        self.announce();
    }

    /// Lets a span of simulated time pass: gives how long to sleep, or moves a manual clock.
    pub(super) fn let_pass(&mut self, span: Span) -> Duration {
        let sleep = self.clock.let_pass(span);
        if sleep.is_zero() {
            self.announce();
        }
        sleep
    }

    /// All servers, in the order of [`PLATFORMS`].
    pub(super) fn platforms(&self) -> impl Iterator<Item = &dyn SimPlatform> {
        self.platforms.iter().map(|platform| &**platform)
    }

    /// Does something with the server of one platform.
    pub(super) fn with<S: SimPlatform, T>(&mut self, act: impl FnOnce(&mut S, u64) -> T) -> T {
        let now = self.clock.now();
        let mut servers = self.platforms.iter_mut();
        let server = servers.find_map(|server| (&mut **server as &mut dyn Any).downcast_mut());
        let done = act(server.expect("every platform is registered"), now);
        self.announce();
        done
    }

    /// Does what a human does in a platform's own pages; `None` when no platform has such an action.
    pub(super) fn operate(&mut self, path: &[&str], body: &[u8]) -> Option<Result<Reply, Reply>> {
        let now = self.clock.now();
        let mut servers = self.platforms.iter_mut();
        let done = servers.find_map(|server| server.operate(path, body, now));
        self.announce();
        done
    }

    /// Judges a head.
    pub(super) fn open(&mut self, head: &Head) -> Opening {
        let platform = place_of(&head.path);
        let (endpoint, task) = (PLATFORMS[platform].endpoint)(head);
        let mut opening = Opening {
            platform,
            endpoint,
            task,
            fault: None,
            refusal: None,
            max_file: self.platforms[platform].max_file_bytes(),
        };
        if !opening.is_enveloped() {
            self.strike(&mut opening, head);
        }
        if opening.fault.is_none() {
            opening.refusal = self.platforms[platform].admit(head).err();
        }
        opening
    }

    /// Learns from the body what the head does not say: which endpoint the request is for.
    pub(super) fn unwrap(&mut self, opening: &mut Opening, request: &Request) {
        let SimBody::Bytes(body) = &request.body else {
            return;
        };
        let envelope = PLATFORMS[opening.platform].envelope;
        if let Some(envelope) = envelope.filter(|_| opening.is_enveloped()) {
            (opening.endpoint, opening.task) = (envelope.operation)(body);
            self.strike(opening, &request.head);
        }
    }

    /// Decides about a request whose endpoint is known.
    fn strike(&mut self, opening: &mut Opening, head: &Head) {
        let endpoint = opening.endpoint;
        if self.platforms[opening.platform].is_poll(endpoint) && self.clock.tick() {
            self.announce();
        }
        self.catch_up();
        opening.fault = self.faults.decide(endpoint, &head.method, &head.path);
    }

    /// Has the platform answer.
    pub(super) fn apply(&mut self, mut request: Request, opening: &Opening) -> Applied {
        if opening.fault
            == Some(Fault::Replay {
                mode: Replay::FromStart,
            })
        {
            let fields = &mut request.head.headers;
            fields.retain(|(name, _)| name != "last-event-id");
        }
        let now = self.clock.now();
        // What the body of a call names is read as often as not.
        let is_get = request.head.method == "GET";
        let is_read = is_get || self.platforms[opening.platform].is_poll(opening.endpoint);
        let of = opening.task.as_deref().filter(|_| !is_get);
        let target = [
            &request.head.path,
            "?",
            &request.head.query,
            of.unwrap_or_default(),
        ];
        let target = target.concat();
        let answer = self.platforms[opening.platform].handle(request, now);
        if !is_read {
            self.announce();
        }
        match answer {
            Answer::Stream { head, id } => Applied::Stream(head, self.ticket(opening, id)),
            Answer::Later { id } => Applied::Later(self.ticket(opening, id)),
            Answer::Whole(reply) if opening.fault == Some(Fault::LoopedCursor) => {
                Applied::Whole(self.platforms[opening.platform].looped(reply))
            }
            Answer::Whole(reply) if is_read && opening.task.is_some() => {
                Applied::Whole(self.told(target, reply, opening))
            }
            Answer::Whole(reply) => Applied::Whole(reply),
        }
    }

    fn ticket(&self, opening: &Opening, stream: StreamId) -> Ticket {
        Ticket {
            platform: opening.platform,
            stream,
            epoch: self.epoch,
        }
    }

    /// Returns a reply that was yet to come, once it is there.
    pub(super) fn late_reply(&mut self, ticket: Ticket) -> Option<Reply> {
        if ticket.epoch != self.epoch {
            return Some(Reply::error(503, "the simulator was reset"));
        }
        let now = self.clock.now();
        self.platforms[ticket.platform].late_reply(ticket.stream, now)
    }

    /// Returns the reply to a read, or the one before it when the read is to be stale.
    fn told(&mut self, target: String, reply: Reply, opening: &Opening) -> Reply {
        if opening.fault == Some(Fault::StaleRead)
            && let Some(earlier) = self.told.get(&target)
        {
            return self.platforms[opening.platform].restated(earlier, &reply);
        }
        if (200..300).contains(&reply.status) && reply.body.len() <= MAX_KEPT {
            self.told.insert(target, reply.clone());
        }
        reply
    }

    /// Returns what a stream has to send; after a reset nothing ever again, which is no end of it.
    pub(super) fn pull(&mut self, ticket: Ticket) -> Option<Pulled> {
        let now = self.clock.now();
        (ticket.epoch == self.epoch)
            .then(|| self.platforms[ticket.platform].pull(ticket.stream, now))
    }

    /// Forgets a stream.
    pub(super) fn close(&mut self, ticket: Ticket) {
        if ticket.epoch == self.epoch {
            self.platforms[ticket.platform].close(ticket.stream);
        }
    }

    /// Returns how long to sleep until something happens by itself on a stream's platform; `None` when nothing does.
    pub(super) fn until_next_change(&self, ticket: Ticket) -> Option<Duration> {
        let next = self.platforms[ticket.platform].next_change();
        self.clock.until(next?)
    }

    /// Notifies of everything but the passing of time that may give a stream something to send.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes a request. The reply is the platform's; `None` when it saw nothing.
    pub(super) fn record(
        &mut self,
        head: &Head,
        opening: &Opening,
        body: Digested,
        reply: Option<&Reply>,
        sent: Option<u16>,
    ) {
        let platform = &self.platforms[opening.platform];
        let made = || platform.made_task(opening.endpoint, reply?);
        let task = opening.task.clone().or_else(made);
        let redactor = Redactor::of(head);
        if reply.is_none() {
            *self.faulted.entry(opening.endpoint).or_default() += 1;
        }
        self.log.push(RequestRecord {
            time: self.clock.now(),
            method: head.method.clone(),
            path: head.path.clone(),
            query: redactor.query(&head.query),
            endpoint: opening.endpoint,
            status: sent,
            task,
            body_sha256: body.sha256,
            fault: opening.fault.as_ref().map(Fault::name),
            applied: reply.is_some(),
            request_body: body.json,
            request_form: body.form,
            request_cut: body.cut,
            reply_body: reply
                .filter(|_| self.records_bodies)
                .map(|reply| redactor.value(reply.value())),
            shown: if self.records_bodies { 0 } else { body.shown },
        });
    }
}
