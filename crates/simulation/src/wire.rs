//! The wire between the task and the server.

use taskward_core::http::header::RETRY_AFTER;
use taskward_core::http::{Method, StatusCode};
use taskward_core::testing::Outgoing;
use taskward_core::{
    Cause, ErrorClass, ExchangeFailure, ExchangeProgress, Head, Limits, Provider, Request,
    Response, Segment, Task, TimeoutPhase,
};

use super::fault::FaultEvent;
use super::observation::{Aim, DeliveryFact, Kept, Observation, Sent};
use super::replies::{head_of, response};
use super::report::Done;
use super::spoil;
use super::world::{Flight, Late, News, Open, World, millis};
use taskward_sim::multipart::{Multipart, boundary};
use taskward_sim::platform::{Effect, SimPlatform};
use taskward_sim::{Answer as Served, Pulled, Reply, Request as Sim, SimBody};

/// One way through the network.
const TRIP: u64 = 10;
/// The longest that a lost request may still take, and that a reply may be late.
const LATE: u64 = 120_000;
/// Bytes of a stream that are read at once.
const PIECE: usize = 4096;

/// How servers refuse in a storm. Those before the bar may have done what was asked.
const AMBIGUOUS: [u16; 4] = [500, 502, 504, 503];
/// Those that have not.
const HONEST: [u16; 2] = [429, 503];

impl<P: Provider, M: SimPlatform> World<P, M> {
    /// Sends a request and finds out what will be reported of it, and when. `Ok(None)` when the process died over it.
    pub(super) fn begin_exchange(
        &mut self,
        task: &Task<P>,
        Outgoing {
            id,
            request,
            limits,
            ..
        }: Outgoing<'_>,
    ) -> Done<Option<Flight>> {
        self.counts.requests += 1;
        let no = self.counts.requests;
        let sim = translate(request, self.setup.machine.api_key());
        let effect = M::effect(&sim);
        self.counts.reads.count(effect);
        self.tell(format_args!(
            "-> {no} {} {} {}",
            effect.name(),
            sim.head.method,
            request.target().as_str()
        ));
        self.last_left = self.now;
        self.learn(Observation::Left(
            self.sent(task, no, request, &sim, effect),
        ))?;
        if self.strikes(FaultEvent::Kill) {
            // What was written before may arrive anyway.
            if self.chance.once_in(2) {
                self.linger(no, sim);
            }
            return Ok(None);
        }
        let begun = self.now;
        let (news, after) = self.exchange(no, sim, effect, &limits)?;
        let (news, due) = self.within_total(news, begun, after, &limits);
        let yields = self.wire.stream.is_some() && self.strikes(FaultEvent::Reorder);
        Ok(Some(Flight {
            no,
            id,
            effect,
            due,
            yields,
            news,
        }))
    }

    /// Returns what the model learns of a request that is sent.
    fn sent(&self, task: &Task<P>, no: u64, request: &Request, sim: &Sim, effect: Effect) -> Sent {
        Sent {
            no,
            effect,
            key: sim.head.header("idempotency-key").map(str::to_owned),
            content: if effect.is_write() {
                content(request)
            } else {
                String::new()
            },
            aim: (effect == Effect::Answer).then(|| aim(task)).flatten(),
            now: self.clock().as_millis(),
            at: self.now,
        }
    }

    /// Returns what is reported of an exchange, and when: the whole of it has a limit, too.
    fn within_total(&mut self, news: News, begun: u64, after: u64, limits: &Limits) -> (News, u64) {
        let due = begun + after;
        match limits.total {
            Some(total) if due > begun.saturating_add(millis(total)) => {
                self.shut_down(&news);
                let cause = Cause::Timeout(TimeoutPhase::Total);
                (
                    lost(ExchangeProgress::MaybeSent, cause),
                    begun + millis(total),
                )
            }
            _ => (news, due),
        }
    }

    /// Of a stream that nobody will read.
    fn shut_down(&mut self, news: &News) {
        if let News::Stream { sim, .. } = news {
            self.setup.machine.close(*sim);
        }
    }

    fn linger(&mut self, no: u64, request: Sim) {
        let at = self.now + self.chance.millis(1, LATE);
        self.wire.late.push(Late { no, at, request });
    }

    /// Decides what happens to a request, and after how long.
    fn exchange(
        &mut self,
        no: u64,
        sim: Sim,
        effect: Effect,
        limits: &Limits,
    ) -> Done<(News, u64)> {
        if let Some(news) = self.lost_on_the_way_there(no, &sim, limits) {
            return Ok(news);
        }
        self.gather_storm();
        let refusal = self.storm_over();
        if let Some((status, hint)) = refusal
            && (hint.is_some() || status == 429 || self.chance.once_in(2))
        {
            return Ok((self.refusal(status, hint), 2 * TRIP));
        }
        let target = match sim.head.method.as_str() {
            "GET" => Some(format!("{}?{}", sim.head.path, sim.head.query)),
            _ => None,
        };
        self.now += TRIP;
        let answer = self.arrive(no, sim)?;
        if let Some((status, hint)) = refusal {
            // It was done, and something on the way back says otherwise.
            self.forget(&answer);
            return Ok((self.refusal(status, hint), TRIP));
        }
        let (after, cause) = self.lost_on_the_way_back(limits);
        if let Some(cause) = cause {
            self.forget(&answer);
            return Ok((lost(ExchangeProgress::MaybeSent, cause), after));
        }
        let news = match answer {
            Served::Stream { head, id } => News::Stream {
                head: head_of(&head),
                sim: id,
            },
            Served::Whole(reply) => self.receive_reply(reply, target, effect),
            Served::Later { id } => {
                // Nobody waits longer than the limit: the reply comes too late.
                self.setup.machine.close(id);
                let cause = Cause::Timeout(TimeoutPhase::Head);
                return Ok((
                    lost(ExchangeProgress::MaybeSent, cause),
                    millis(limits.head),
                ));
            }
        };
        Ok((news, after))
    }

    /// Returns what is reported of a request that does not arrive, or only once its sender has given up, and after how
    /// long.
    fn lost_on_the_way_there(
        &mut self,
        no: u64,
        sim: &Sim,
        limits: &Limits,
    ) -> Option<(News, u64)> {
        let silence = (Cause::Timeout(TimeoutPhase::Head), millis(limits.head));
        if self.strikes(FaultEvent::DropBeforeSend) {
            let cause = [
                Cause::Refused,
                Cause::Resolve,
                Cause::Timeout(TimeoutPhase::Connect),
            ];
            let cause = self.chance.pick(&cause).clone();
            let after = if cause == Cause::Refused {
                TRIP
            } else {
                millis(limits.connect)
            };
            return Some((lost(ExchangeProgress::NotSent, cause), after));
        }
        if self.strikes(FaultEvent::DropAfterSend) {
            let (cause, after) = if self.chance.once_in(2) {
                silence
            } else {
                (Cause::Reset, TRIP)
            };
            return Some((lost(ExchangeProgress::MaybeSent, cause), after));
        }
        if self.strikes(FaultEvent::ArriveLate) {
            self.linger(no, sim.clone());
            let (cause, after) = silence;
            return Some((lost(ExchangeProgress::MaybeSent, cause), after));
        }
        None
    }

    /// Returns how long it takes until there is a reply, and why there is none, if none arrives.
    fn lost_on_the_way_back(&mut self, limits: &Limits) -> (u64, Option<Cause>) {
        let mut after = 2 * TRIP;
        if self.strikes(FaultEvent::Delay) {
            after += self.chance.millis(100, LATE);
            let most = millis(limits.head);
            if after > most {
                return (most, Some(Cause::Timeout(TimeoutPhase::Head)));
            }
        }
        if self.strikes(FaultEvent::DropReply) {
            return (after, Some(Cause::Reset));
        }
        if self.strikes(FaultEvent::CutHead) {
            let cause = [Cause::Truncated, Cause::Protocol];
            return (after, Some(self.chance.pick(&cause).clone()));
        }
        (after, None)
    }

    fn gather_storm(&mut self) {
        if self.strikes(FaultEvent::StatusStorm) {
            let ambiguous = *self.chance.pick(&AMBIGUOUS);
            let honest = *self.chance.pick(&HONEST);
            let status = if self.chance.once_in(2) {
                ambiguous
            } else {
                honest
            };
            self.wire.storm = (status, 1 + self.chance.below(6) as u32);
        }
    }

    /// One request less of the storm; with a hint that says when to come again, or none.
    fn storm_over(&mut self) -> Option<(u16, Option<u64>)> {
        let (status, left) = self.wire.storm;
        if left == 0 || self.has_healed() {
            return None;
        }
        self.wire.storm.1 -= 1;
        let hint = self.chance.once_in(2) && HONEST.contains(&status);
        let hint = hint.then(|| self.chance.millis(0, 20));
        Some((status, hint))
    }

    fn refusal(&mut self, status: u16, hint: Option<u64>) -> News {
        let mut reply = Reply::error(status, "a storm");
        if let Some(hint) = hint {
            reply.headers.push(("retry-after", hint.to_string()));
        }
        News::Reply {
            reply: response(&reply),
            is_whole: true,
            as_of: self.now,
        }
    }

    pub(super) fn forget(&mut self, answer: &Served) {
        if let Served::Stream { id, .. } | Served::Later { id } = answer {
            self.setup.machine.close(*id);
        }
    }

    fn receive_reply(&mut self, reply: Reply, target: Option<String>, effect: Effect) -> News {
        let (mut reply, mut as_of) = (reply, self.now);
        if let Some(target) = target.filter(|_| reply.status == 200) {
            let remembered = self.wire.memory.get(&target).cloned();
            match remembered {
                Some((older, then)) if self.strikes(FaultEvent::StaleRead) => {
                    (reply, as_of) = (older, then);
                }
                _ => drop(self.wire.memory.insert(target, (reply.clone(), as_of))),
            }
        }
        if reply.status == 200
            && effect != Effect::Start
            && let Some(body) = self.spoil(&reply.body, effect)
        {
            reply.body = body;
            // It is no read of the task, and no acknowledgement.
            return News::Reply {
                reply: response(&reply),
                is_whole: false,
                as_of,
            };
        }
        let mut response = response(&reply);
        if self.strikes(FaultEvent::CutBody) {
            let length = response.body.len();
            let at = self.chance.below(length);
            // A reply to a write that is cut unnoticed may still be whole JSON only when nothing is cut.
            if effect != Effect::Stream && self.chance.once_in(2) {
                response.body.truncate(at);
                return News::Reply {
                    reply: response,
                    is_whole: false,
                    as_of,
                };
            }
            let stage = ExchangeProgress::Answered(Box::new(response.head));
            return News::Failure(failed(stage, Cause::Truncated));
        }
        News::Reply {
            reply: response,
            is_whole: true,
            as_of,
        }
    }

    /// Another reply in the place of this one, if one is served.
    fn spoil(&mut self, body: &[u8], effect: Effect) -> Option<Vec<u8>> {
        if self.strikes(FaultEvent::Foreign) {
            return spoil::theirs(body, &mut self.chance);
        }
        if !effect.is_write() && self.strikes(FaultEvent::BadEntry) {
            return spoil::unreadable(body, &mut self.chance);
        }
        None
    }

    /// Reports to the task the outcome of its exchange.
    pub(super) fn report(&mut self, task: &mut Task<P>, flight: Flight) -> Done {
        let Flight {
            no,
            id,
            effect,
            news,
            ..
        } = flight;
        let (report, is_whole) = match news {
            News::Stream { head, sim } => {
                self.tell(format_args!("<- {no} a stream"));
                self.close_stream();
                self.wire.stream = Some(Open {
                    id,
                    sim,
                    ready: Default::default(),
                    stalled_until: 0,
                });
                task.handle_head(id, head, self.clock());
                return Ok(());
            }
            News::Reply {
                reply,
                is_whole,
                as_of,
            } => {
                let status = reply.status().as_u16();
                self.tell(format_args!("<- {no} {status} {}", reply.body.len()));
                if is_whole && status == 200 && !effect.is_write() {
                    self.learn(Observation::Read { no, as_of })?;
                }
                (Ok(reply), is_whole)
            }
            News::Failure(failure) => {
                self.tell(format_args!("<- {no} {failure}"));
                (Err(failure), false)
            }
        };
        self.learn(Observation::Reported {
            no,
            effect,
            delivery: self.delivery(&report, is_whole),
            hint: report.as_ref().map_or(0, hint),
        })?;
        if self.strikes(FaultEvent::Duplicate) {
            self.wire.echoes.push((id, report.clone()));
        }
        match report {
            Ok(reply) => task.handle_response(id, reply, self.clock()),
            Err(failure) => task.handle_failure(id, failure, self.clock()),
        }
        Ok(())
    }

    /// Returns how far an exchange came, as its report says. An error of the platform counts as one, whatever the status of
    /// its reply is.
    fn delivery(&self, report: &Result<Response, ExchangeFailure>, is_whole: bool) -> DeliveryFact {
        let fact = delivery(report, is_whole);
        let (
            DeliveryFact::Whole {
                status: 200..300, ..
            },
            Ok(reply),
        ) = (&fact, report)
        else {
            return fact;
        };
        let Err(error) = self.setup.provider.classify(reply) else {
            return fact;
        };
        let status = match error.class {
            ErrorClass::Server => 500,
            ErrorClass::RateLimited => 429,
            _ => 400,
        };
        DeliveryFact::Whole {
            status,
            proves_nothing_done: false,
        }
    }

    /// What was reported is reported again.
    pub(super) fn echo(&mut self, task: &mut Task<P>) {
        if self.wire.echoes.is_empty() || !self.chance.once_in(3) {
            return;
        }
        let (id, report) = self.wire.echoes.remove(0);
        self.tell(format_args!("  exchange {id} is reported again"));
        match report {
            Ok(reply) => task.handle_response(id, reply, self.clock()),
            Err(failure) => task.handle_failure(id, failure, self.clock()),
        }
    }

    // --- streams -----------------------------------------------------------------------------------------------

    /// Reads the stream, for so long at most. Whether anything was handed over.
    pub(super) fn listen(&mut self, task: &mut Task<P>, until: u64) -> Done<bool> {
        self.inspect();
        let (now, true_now) = (self.clock(), self.now);
        let Some(mut open) = self.wire.stream.take() else {
            return Ok(false);
        };
        let mut ended = false;
        let is_stalled = true_now < open.stalled_until && !self.has_healed();
        if open.ready.is_empty() && !is_stalled {
            match self.setup.machine.pull(open.sim, true_now) {
                Pulled::Frames(frames) => {
                    open.ready
                        .extend(frames.into_iter().flat_map(|frame| frame.bytes));
                }
                Pulled::Pending => {}
                Pulled::End => ended = true,
            }
        }
        let has_more = !open.ready.is_empty() && !is_stalled;
        if has_more && self.strikes(FaultEvent::Delay) {
            open.stalled_until = true_now + self.chance.millis(100, 4 * LATE);
            self.wire.stream = Some(open);
            return Ok(false);
        }
        let breaks = !ended && has_more && self.strikes(FaultEvent::CutStream);
        let ends = !ended && !breaks && has_more && self.strikes(FaultEvent::EndStream);
        let take = match open.ready.len() {
            _ if !has_more => 0,
            ready if breaks || ends => self.chance.below(ready),
            ready if self.chance.once_in(2) => ready.min(PIECE),
            ready => 1 + self.chance.below(ready.min(PIECE)),
        };
        if take > 0 {
            let chunk: Vec<u8> = open.ready.drain(..take).collect();
            self.tell(format_args!("<~ {take} bytes"));
            task.handle_chunk(open.id, chunk.into(), now);
        }
        if ended || breaks || ends {
            self.end_stream(task, &open, breaks);
            return Ok(true);
        }
        if take == 0 {
            let change = if is_stalled {
                Some(open.stalled_until)
            } else {
                self.setup.machine.next_change()
            };
            self.wire.stream = Some(open);
            self.pass(until.min(change.unwrap_or(u64::MAX)));
            return Ok(false);
        }
        self.wire.stream = Some(open);
        Ok(true)
    }

    /// Reports to the task that its stream ended, well or not.
    fn end_stream(&mut self, task: &mut Task<P>, open: &Open, breaks: bool) {
        self.setup.machine.close(open.sim);
        let now = self.clock();
        if breaks {
            self.tell(format_args!("<~ breaks"));
            let stage = ExchangeProgress::Answered(Box::new(Head::new(StatusCode::OK)));
            task.handle_failure(open.id, failed(stage, Cause::Truncated), now);
        } else {
            self.tell(format_args!("<~ ends"));
            task.handle_end(open.id, now);
        }
    }

    pub(super) fn close_stream(&mut self) {
        if let Some(opening) = self.wire.opening.take() {
            self.shut_down(&opening.news);
        }
        if let Some(open) = self.wire.stream.take() {
            self.setup.machine.close(open.sim);
        }
    }

    /// Drops everything of a process but what is on the wire.
    pub(super) fn die(&mut self) {
        self.close_stream();
        if let Some(flight) = self.wire.flight.take() {
            self.shut_down(&flight.news);
        }
        self.wire.echoes.clear();
    }
}

fn failed(stage: ExchangeProgress, cause: Cause) -> ExchangeFailure {
    ExchangeFailure::new(stage, cause, "as the simulation has it")
}

fn lost(stage: ExchangeProgress, cause: Cause) -> News {
    News::Failure(failed(stage, cause))
}

/// Returns how far an exchange came, as its report says; a reply may be cut and nobody notice.
fn delivery(report: &Result<Response, ExchangeFailure>, is_whole: bool) -> DeliveryFact {
    match report {
        Ok(reply) if is_whole => {
            let status = reply.status().as_u16();
            DeliveryFact::Whole {
                status,
                proves_nothing_done: status == 503 && reply.head.headers.contains_key(RETRY_AFTER),
            }
        }
        Ok(reply) => DeliveryFact::Torn(reply.status().as_u16()),
        Err(failure) => match &failure.progress {
            ExchangeProgress::NotSent => DeliveryFact::NotSent,
            ExchangeProgress::MaybeSent => DeliveryFact::MaybeSent,
            ExchangeProgress::Answered(head) => DeliveryFact::Torn(head.status.as_u16()),
        },
    }
}

/// Returns for how many milliseconds the server asks to wait.
fn hint(reply: &Response) -> u64 {
    let asked = reply.head.headers.get(RETRY_AFTER);
    let seconds = asked.and_then(|asked| asked.to_str().ok()?.parse().ok());
    seconds.map_or(0, |seconds: u64| seconds.saturating_mul(1_000))
}

/// Returns the write that the task's state says to be in flight: the first one that it has to send.
fn aim<P: Provider>(task: &Task<P>) -> Option<Aim> {
    let text = serde_json::to_string(&task.snapshot()).expect("a snapshot is JSON");
    Kept::all(&text).into_iter().next().map(|kept| kept.aim)
}

/// Returns all that a request says but for its head: the same for two that do the same.
pub(super) fn content(request: &Request) -> String {
    let (method, target) = (request.method().as_str(), request.target().as_str());
    let body = String::from_utf8_lossy(&body_of(request)).into_owned();
    format!("{method} {target}\n{body}")
}

fn body_of(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(part) => body.extend_from_slice(part),
            // No file is read here: its length stands for it.
            Segment::Source(source) => body.extend((0..source.len).map(|_| b'.')),
        }
    }
    body
}

/// Returns the request as the server takes it.
pub(super) fn translate(request: &Request, key: &str) -> Sim {
    let mut sim = Sim::new(request.method().as_str(), request.target().as_str())
        .header("authorization", &format!("Bearer {key}"));
    for (name, value) in request.headers() {
        sim = sim.header(name.as_str(), value.to_str().unwrap_or_default());
    }
    let body = body_of(request);
    let media = sim.head.header("content-type").unwrap_or_default();
    if let Some(boundary) = boundary(media)
        && request.method() == Method::POST
    {
        let mut parser = Multipart::new(&boundary, None);
        if parser.push(&body).is_ok()
            && let Ok(form) = parser.finish()
        {
            return sim.form(form);
        }
    }
    sim.body = SimBody::Bytes(body);
    sim
}
