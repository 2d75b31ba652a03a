//! The wire between the task and the server.

use taskward_core::http::header::{HeaderName, HeaderValue};
use taskward_core::http::{Method, StatusCode};
use taskward_core::testing::Outgoing;
use taskward_core::{
    Cause, ExchangeFailure, ExchangeProgress, Head, Limits, Provider, Request, Response, Segment,
    Task, TimeoutPhase,
};

use super::fault::FaultEvent;
use super::observation::{Aim, DeliveryFact, Kept, Observation, Sent};
use super::report::Violation;
use super::spoil;
use super::world::{Flight, Late, News, Open, World, bytes, millis};
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

type Done<T = ()> = Result<T, Box<Violation>>;

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
        self.requests += 1;
        let no = self.requests;
        let sim = translate(request, self.setup.machine.api_key());
        let effect = M::effect(&sim.head);
        self.reads.count(effect);
        let outgoing = Sent {
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
        };
        self.tell(format_args!(
            "-> {no} {} {} {}",
            effect.name(),
            sim.head.method,
            request.target().as_str()
        ));
        self.last_left = self.now;
        self.learn(Observation::Left(outgoing))?;
        if self.strikes(FaultEvent::Kill) {
            // What was written before may arrive anyway.
            if self.chance.once_in(2) {
                self.linger(no, sim);
            }
            return Ok(None);
        }
        let begun = self.now;
        let (news, after) = self.exchange(no, sim, effect, &limits)?;
        let mut due = begun + after;
        let mut news = news;
        if let Some(total) = limits.total
            && due > begun.saturating_add(millis(total))
        {
            // The whole exchange has a limit, too.
            due = begun + millis(total);
            self.shut_down(&news);
            news = News::Failure(failed(
                ExchangeProgress::MaybeSent,
                Cause::Timeout(TimeoutPhase::Total),
            ));
        }
        let yields = self.stream.is_some() && self.strikes(FaultEvent::Reorder);
        Ok(Some(Flight {
            no,
            id,
            effect,
            due,
            yields,
            news,
        }))
    }

    /// Of a stream that nobody will read.
    fn shut_down(&mut self, news: &News) {
        if let News::Stream { sim, .. } = news {
            self.setup.machine.close(*sim);
        }
    }

    fn linger(&mut self, no: u64, request: Sim) {
        let at = self.now + self.chance.millis(1, LATE);
        self.late.push(Late { no, at, request });
    }

    /// Decides what happens to a request, and after how long.
    fn exchange(
        &mut self,
        no: u64,
        sim: Sim,
        effect: Effect,
        limits: &Limits,
    ) -> Done<(News, u64)> {
        let lost = |stage, cause| News::Failure(failed(stage, cause));
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
            return Ok((lost(ExchangeProgress::NotSent, cause), after));
        }
        if self.strikes(FaultEvent::DropAfterSend) {
            let timeout = self.chance.once_in(2);
            let (cause, after) = if timeout {
                (Cause::Timeout(TimeoutPhase::Head), millis(limits.head))
            } else {
                (Cause::Reset, TRIP)
            };
            return Ok((lost(ExchangeProgress::MaybeSent, cause), after));
        }
        if self.strikes(FaultEvent::ArriveLate) {
            self.linger(no, sim);
            return Ok((
                lost(
                    ExchangeProgress::MaybeSent,
                    Cause::Timeout(TimeoutPhase::Head),
                ),
                millis(limits.head),
            ));
        }
        if self.strikes(FaultEvent::StatusStorm) {
            let ambiguous = *self.chance.pick(&AMBIGUOUS);
            let honest = *self.chance.pick(&HONEST);
            let status = if self.chance.once_in(2) {
                ambiguous
            } else {
                honest
            };
            self.storm = (status, 1 + self.chance.below(6) as u32);
        }
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
        let mut after = 2 * TRIP;
        if self.strikes(FaultEvent::Delay) {
            after += self.chance.millis(100, LATE);
            if after > millis(limits.head) {
                self.forget(&answer);
                let timeout = Cause::Timeout(TimeoutPhase::Head);
                return Ok((
                    lost(ExchangeProgress::MaybeSent, timeout),
                    millis(limits.head),
                ));
            }
        }
        if self.strikes(FaultEvent::DropReply) {
            self.forget(&answer);
            return Ok((lost(ExchangeProgress::MaybeSent, Cause::Reset), after));
        }
        if self.strikes(FaultEvent::CutHead) {
            self.forget(&answer);
            let cause = [Cause::Truncated, Cause::Protocol];
            let cause = self.chance.pick(&cause).clone();
            return Ok((lost(ExchangeProgress::MaybeSent, cause), after));
        }
        let news = match answer {
            Served::Stream { head, id } => News::Stream {
                head: head_of(&head),
                sim: id,
            },
            Served::Whole(reply) => self.receive_reply(reply, target, effect),
        };
        Ok((news, after))
    }

    /// One request less of the storm; with a hint that says when to come again, or none.
    fn storm_over(&mut self) -> Option<(u16, Option<u64>)> {
        let (status, left) = self.storm;
        if left == 0 || self.has_healed() {
            return None;
        }
        self.storm.1 -= 1;
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

    fn forget(&mut self, answer: &Served) {
        if let Served::Stream { id, .. } = answer {
            self.setup.machine.close(*id);
        }
    }

    fn receive_reply(&mut self, reply: Reply, target: Option<String>, effect: Effect) -> News {
        let (mut reply, mut as_of) = (reply, self.now);
        if let Some(target) = target.filter(|_| reply.status == 200) {
            let remembered = self.memory.get(&target).cloned();
            match remembered {
                Some((older, then)) if self.strikes(FaultEvent::StaleRead) => {
                    (reply, as_of) = (older, then);
                }
                _ => drop(self.memory.insert(target, (reply.clone(), as_of))),
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
        let now = self.clock();
        let mut hint = 0;
        let (delivery, report) = match news {
            News::Stream { head, sim } => {
                self.tell(format_args!("<- {no} a stream"));
                self.close_stream();
                self.stream = Some(Open {
                    id,
                    sim,
                    ready: Default::default(),
                    stalled_until: 0,
                });
                task.handle_head(id, head, now);
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
                let has_hint = reply.head.headers.contains_key("retry-after");
                let asked = reply.head.headers.get("retry-after");
                let seconds = asked.and_then(|asked| asked.to_str().ok()?.parse().ok());
                hint = seconds.map_or(0, |seconds: u64| seconds.saturating_mul(1_000));
                let delivery = if is_whole {
                    let proves_nothing_done = status == 503 && has_hint;
                    DeliveryFact::Whole {
                        status,
                        proves_nothing_done,
                    }
                } else {
                    DeliveryFact::Torn(status)
                };
                (delivery, Ok(reply))
            }
            News::Failure(failure) => {
                self.tell(format_args!("<- {no} {failure}"));
                let delivery = match &failure.progress {
                    ExchangeProgress::NotSent => DeliveryFact::NotSent,
                    ExchangeProgress::MaybeSent => DeliveryFact::MaybeSent,
                    ExchangeProgress::Answered(head) => DeliveryFact::Torn(head.status.as_u16()),
                };
                (delivery, Err(failure))
            }
        };
        self.learn(Observation::Reported {
            no,
            effect,
            delivery,
            hint,
        })?;
        if self.strikes(FaultEvent::Duplicate) {
            self.echoes.push((id, report.clone()));
        }
        match report {
            Ok(reply) => task.handle_response(id, reply, now),
            Err(failure) => task.handle_failure(id, failure, now),
        }
        Ok(())
    }

    /// What was reported is reported again.
    pub(super) fn echo(&mut self, task: &mut Task<P>) {
        if self.echoes.is_empty() || !self.chance.once_in(3) {
            return;
        }
        let (id, report) = self.echoes.remove(0);
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
        let Some(mut open) = self.stream.take() else {
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
            self.stream = Some(open);
            return Ok(false);
        }
        let breaks = !ended && has_more && self.strikes(FaultEvent::CutStream);
        let ends = !ended && !breaks && has_more && self.strikes(FaultEvent::EndStream);
        let take = if breaks || ends {
            self.chance.below(open.ready.len())
        } else if has_more {
            let most = open.ready.len().min(PIECE);
            if self.chance.once_in(2) {
                most
            } else {
                1 + self.chance.below(most)
            }
        } else {
            0
        };
        if take > 0 {
            let chunk = bytes(open.ready.drain(..take));
            self.tell(format_args!("<~ {take} bytes"));
            task.handle_chunk(open.id, chunk, now);
        }
        if !(ended || breaks || ends) {
            if take == 0 {
                let quiet_until = if is_stalled {
                    open.stalled_until
                } else {
                    u64::MAX
                };
                let change = self.setup.machine.next_change().unwrap_or(u64::MAX);
                let change = if is_stalled { u64::MAX } else { change };
                self.stream = Some(open);
                self.pass(until.min(quiet_until).min(change));
                return Ok(false);
            }
            self.stream = Some(open);
            return Ok(true);
        }
        self.setup.machine.close(open.sim);
        self.tell(format_args!(
            "<~ {}",
            if breaks { "breaks" } else { "ends" }
        ));
        if breaks {
            let stage = ExchangeProgress::Answered(Box::new(Head::new(StatusCode::OK)));
            task.handle_failure(open.id, failed(stage, Cause::Truncated), now);
        } else {
            task.handle_end(open.id, now);
        }
        Ok(true)
    }

    pub(super) fn close_stream(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.shut_down(&opening.news);
        }
        if let Some(open) = self.stream.take() {
            self.setup.machine.close(open.sim);
        }
    }

    /// Drops everything of a process but what is on the wire.
    pub(super) fn die(&mut self) {
        self.close_stream();
        if let Some(flight) = self.flight.take() {
            self.shut_down(&flight.news);
        }
        self.echoes.clear();
    }
}

fn failed(stage: ExchangeProgress, cause: Cause) -> ExchangeFailure {
    ExchangeFailure::new(stage, cause, "as the simulation has it")
}

fn head_of(reply: &Reply) -> Head {
    let mut head = Head::new(StatusCode::from_u16(reply.status).unwrap_or_default());
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.headers.insert(HeaderName::from_static(name), value);
        }
    }
    head
}

pub(super) fn response(reply: &Reply) -> Response {
    Response {
        head: head_of(reply),
        body: reply.body.clone().into(),
    }
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
