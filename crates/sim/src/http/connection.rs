//! One connection: reads requests, has them answered, lets faults out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::SimHandle;
use super::deliver::{Opened, Tail, Then, WireReply, deliver, open, replacement};
use super::log::Digested;
use super::service;
use super::shape::Shaper;
use super::socket::Connection;
use super::state::{Applied, Opening, Ticket};
use super::streaming::{OpenStream, Streaming};
use super::wire::{BadHead, Framing, ParsedHead, Way, parse_head};
use crate::faults::Fault;
use crate::message::{Head, Reply, Request, SimBody};
use crate::multipart::{Multipart, boundary};

/// A body that is no form may not be longer.
const MAX_BODY: usize = 16 << 20;
/// A client that still sends when its reply is out is listened to for so long, lest a reset eat the reply.
const LINGER: Duration = Duration::from_secs(30);
/// And no longer than so much silence.
const LINGER_SILENCE: Duration = Duration::from_secs(5);

pub(super) async fn serve(
    stream: TcpStream,
    shared: Arc<SimHandle>,
    mut refusals: watch::Receiver<u64>,
) {
    // A connection that breaks is the client's affair; there is nobody to report it to.
    let mut connection = Connection::new(stream);
    let _ = connection.run(&shared, &mut refusals).await;
}

/// What is sent for a request.
enum Outgoing {
    Whole(WireReply),
    Stream(Streaming),
}

impl Outgoing {
    /// Returns how many bytes leave at once.
    fn first_bytes(&self) -> usize {
        match self {
            Self::Whole(delivery) => delivery.bytes.len(),
            Self::Stream(streaming) => streaming.opened.head.len(),
        }
    }
}

/// A body, or why there is none.
enum ReadBody {
    Whole(SimBody),
    /// It is no body of its kind; the rest of it was not read.
    Bad(String),
}

impl Connection {
    async fn run(
        &mut self,
        shared: &Arc<SimHandle>,
        refusals: &mut watch::Receiver<u64>,
    ) -> io::Result<()> {
        let _ = self.stream.set_nodelay(true);
        loop {
            let parsed = tokio::select! {
                parsed = self.read_head() => parsed?,
                _ = refusals.changed() => return self.stream.set_zero_linger(),
            };
            let outgoing = match parsed {
                None => return Ok(()),
                Some(Err(bad)) => {
                    let reply = Reply::error(bad.status, bad.why);
                    Outgoing::Whole(deliver(&reply, None, Way::CLOSING))
                }
                Some(Ok(parsed)) if service::is_service(&parsed.head.path) => {
                    Outgoing::Whole(self.answer_service(shared, parsed).await?)
                }
                Some(Ok(parsed)) => self.answer(shared, parsed).await?,
            };
            let then = match outgoing {
                Outgoing::Whole(delivery) => self.send(shared, delivery).await?,
                Outgoing::Stream(streaming) => self.send_stream(streaming, refusals).await?,
            };
            match then {
                Then::KeepAlive => {}
                Then::Close => return self.close().await,
                Then::Reset => return self.stream.set_zero_linger(),
                Then::Hold => {
                    while self.stream.read(&mut self.piece).await? > 0 {}
                    return Ok(());
                }
                Then::Refuse(span) => {
                    let span = shared.lock().clock.to_real(span);
                    shared.refuse(span).await;
                    return self.stream.set_zero_linger();
                }
            }
        }
    }

    /// Sends a reply that is no stream; returns what to do with the connection.
    async fn send(&mut self, shared: &SimHandle, delivery: WireReply) -> io::Result<Then> {
        self.stream.write_all(&delivery.bytes).await?;
        match delivery.tail {
            Tail::Nothing => {}
            Tail::Pieces { bytes, size, pause } => {
                for piece in bytes.chunks(size) {
                    let wait = shared.lock().let_pass(pause);
                    sleep(wait).await;
                    self.stream.write_all(piece).await?;
                }
            }
            // Ends with the error that shows that the client has gone.
            Tail::Endless(block) => loop {
                self.stream.write_all(&block).await?;
            },
        }
        Ok(delivery.then)
    }

    /// Returns the next head: `None` when the client has gone, an error when it is no head.
    async fn read_head(&mut self) -> io::Result<Option<Result<ParsedHead, BadHead>>> {
        loop {
            match parse_head(&self.unread) {
                Ok(Some((length, parsed))) => {
                    self.unread.drain(..length);
                    return Ok(Some(Ok(parsed)));
                }
                Ok(None) => {}
                Err(why) => return Ok(Some(Err(why))),
            }
            let count = self.stream.read(&mut self.piece).await?;
            if count == 0 {
                return Ok(None);
            }
            self.unread.extend_from_slice(&self.piece[..count]);
        }
    }

    async fn answer_service(
        &mut self,
        shared: &SimHandle,
        parsed: ParsedHead,
    ) -> io::Result<WireReply> {
        let ParsedHead {
            head,
            mut body,
            way,
            expects_continue,
        } = parsed;
        self.send_continue(expects_continue).await?;
        let mut bytes = Vec::new();
        Ok(match self.read_plain(&mut body, &mut bytes).await? {
            Ok(()) => deliver(
                &service::handle(&mut shared.lock(), &head, &bytes),
                None,
                way,
            ),
            Err(why) => deliver(&Reply::error(400, why), None, Way::CLOSING),
        })
    }

    async fn answer(
        &mut self,
        shared: &Arc<SimHandle>,
        parsed: ParsedHead,
    ) -> io::Result<Outgoing> {
        let ParsedHead {
            head,
            mut body,
            way,
            expects_continue,
        } = parsed;
        let opening = shared.lock().open(&head);
        if let Some(refusal) = &opening.refusal {
            return Ok(refuse_early(shared, &head, &opening, refusal, &body, way));
        }
        self.send_continue(expects_continue).await?;
        if let Some(Fault::Status {
            after_bytes: Some(count),
            ..
        }) = &opening.fault
        {
            self.discard(&mut body, *count).await?;
        } else {
            match self.read_body(&head, &mut body, opening.max_file).await? {
                ReadBody::Whole(body) => {
                    let request = Request { head, body };
                    return Ok(answer_whole(shared, request, opening, way).await);
                }
                ReadBody::Bad(why) => {
                    let reply = Reply::error(400, why);
                    return Ok(refuse_early(shared, &head, &opening, &reply, &body, way));
                }
            }
        }
        let reply = opening
            .fault
            .as_ref()
            .and_then(|fault| replacement(fault, opening.media_type()))
            .expect("a status fault has a reply");
        shared.lock().record(
            &head,
            &opening,
            Digested::nothing(),
            None,
            Some(reply.status),
        );
        Ok(Outgoing::Whole(deliver(
            &reply,
            opening.fault.as_ref(),
            way.if_read(&body),
        )))
    }

    async fn send_continue(&mut self, expected: bool) -> io::Result<()> {
        if expected && self.unread.is_empty() {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        Ok(())
    }

    async fn read_body(
        &mut self,
        head: &Head,
        body: &mut Framing,
        max_file: Option<u64>,
    ) -> io::Result<ReadBody> {
        if head.media_type() != "multipart/form-data" {
            let mut bytes = Vec::new();
            let read = self.read_plain(body, &mut bytes).await?;
            return Ok(read.map_or_else(ReadBody::Bad, |()| ReadBody::Whole(SimBody::Bytes(bytes))));
        }
        let Some(boundary) = head.header("content-type").and_then(boundary) else {
            return Ok(ReadBody::Bad(
                "multipart/form-data without a boundary".to_owned(),
            ));
        };
        let mut parser = Multipart::new(&boundary, max_file);
        let read = self
            .read_each(body, |piece| {
                parser.push(piece).map_err(|why| why.to_string())
            })
            .await?;
        let form = read.and_then(|()| parser.finish().map_err(|why| why.to_string()));
        Ok(form.map_or_else(ReadBody::Bad, |form| ReadBody::Whole(SimBody::Form(form))))
    }

    async fn read_plain(
        &mut self,
        body: &mut Framing,
        bytes: &mut Vec<u8>,
    ) -> io::Result<Result<(), String>> {
        let take = |piece: &[u8]| {
            if bytes.len() + piece.len() > MAX_BODY {
                return Err("body too long".to_owned());
            }
            bytes.extend_from_slice(piece);
            Ok(())
        };
        self.read_each(body, take).await
    }

    /// Reads at least so many bytes of a body, or all of it.
    async fn discard(&mut self, body: &mut Framing, count: u64) -> io::Result<()> {
        let mut seen = 0;
        let enough = |piece: &[u8]| {
            seen += piece.len() as u64;
            if seen >= count {
                Err(String::new())
            } else {
                Ok(())
            }
        };
        if count > 0 {
            // Its only error is that it is enough.
            let _ = self.read_each(body, enough).await?;
        }
        Ok(())
    }

    /// Hands a body piece by piece to `take`, until it ends or `take` refuses; says so when it ends early.
    async fn read_each(
        &mut self,
        body: &mut Framing,
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> io::Result<Result<(), String>> {
        let unread = std::mem::take(&mut self.unread);
        match feed(body, &unread, &mut take) {
            Ok(used) => self.unread.extend_from_slice(&unread[used..]),
            Err(why) => return Ok(Err(why)),
        }
        while !body.is_done() {
            let count = self.stream.read(&mut self.piece).await?;
            if count == 0 {
                return Ok(Err("the body ended early".to_owned()));
            }
            match feed(body, &self.piece[..count], &mut take) {
                Ok(used) => self.unread.extend_from_slice(&self.piece[used..count]),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }

    /// Ends the connection so that the client gets to read what was sent.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let until = Instant::now() + LINGER;
        while Instant::now() < until {
            match timeout(LINGER_SILENCE, self.stream.read(&mut self.piece)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => break,
            }
        }
        Ok(())
    }
}

/// Answers a request of which everything was read.
async fn answer_whole(
    shared: &Arc<SimHandle>,
    request: Request,
    mut opening: Opening,
    way: Way,
) -> Outgoing {
    let head = request.head.clone();
    let whole = shared.lock().records_bodies;
    let digested = Digested::new(&head, &request.body, whole);
    shared.lock().unwrap(&mut opening, &request);
    let fault = opening.fault.as_ref();
    let is_applied = fault.is_none_or(|fault| fault.acts_on().is_applied());
    let mut applied = is_applied.then(|| shared.lock().apply(request, &opening));
    if let Some(Applied::Later(ticket)) = applied {
        applied = Some(Applied::Whole(wait_for_reply(shared, ticket).await));
    }
    let (outgoing, wait) = {
        let mut state = shared.lock();
        let replaced = fault.and_then(|fault| replacement(fault, opening.media_type()));
        let ticket = match &applied {
            Some(Applied::Stream(_, ticket)) => Some(*ticket),
            _ => None,
        };
        let applied = applied.as_ref().and_then(Applied::reply);
        let reply = applied.or(replaced.as_ref());
        let sent_in_vain = Reply::error(500, "never sent");
        let shown = reply.unwrap_or(&sent_in_vain);
        let outgoing = match ticket.map(|ticket| (ticket, open(shown, fault, way))) {
            Some((ticket, Opened::Stream(opened))) => {
                let last_event_id = head.header("last-event-id");
                let shaper = Shaper::new(fault, opened.head.len() as u64, last_event_id);
                Outgoing::Stream(Streaming {
                    open: OpenStream::new(shared, &state, ticket),
                    opened,
                    shaper,
                })
            }
            Some((ticket, Opened::Instead(delivery))) => {
                state.close(ticket);
                Outgoing::Whole(delivery)
            }
            None => Outgoing::Whole(deliver(shown, fault, way)),
        };
        // A truncated status line says nothing.
        let tells = outgoing.first_bytes() >= "HTTP/1.1 200 ".len();
        let sent = reply.map(|reply| reply.status).filter(|_| tells);
        state.record(&head, &opening, digested, applied, sent);
        let wait = if let Some(Fault::Latency { span }) = fault {
            state.let_pass(*span)
        } else {
            Duration::ZERO
        };
        (outgoing, wait)
    };
    if !wait.is_zero() {
        sleep(wait).await;
    }
    outgoing
}

/// Returns a reply that is yet to come, when it is there.
async fn wait_for_reply(shared: &SimHandle, ticket: Ticket) -> Reply {
    let mut changes = shared.lock().changes();
    loop {
        let limit = {
            let mut state = shared.lock();
            // What changes from here on ends the wait.
            changes.mark_unchanged();
            if let Some(reply) = state.late_reply(ticket) {
                return reply;
            }
            state.until_next_change(ticket)
        };
        let due = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => {}
            () = due => {}
        }
    }
}

/// Answers a request whose body need not, or cannot, be read to its end.
fn refuse_early(
    shared: &SimHandle,
    head: &Head,
    opening: &Opening,
    reply: &Reply,
    body: &Framing,
    way: Way,
) -> Outgoing {
    shared.lock().record(
        head,
        opening,
        Digested::nothing(),
        Some(reply),
        Some(reply.status),
    );
    Outgoing::Whole(deliver(reply, None, way.if_read(body)))
}

/// Hands the body's bytes in a piece to `take`; gives how many of the piece's bytes were the body's.
fn feed(
    body: &mut Framing,
    piece: &[u8],
    take: &mut impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<usize, String> {
    let mut used = 0;
    while !body.is_done() && used < piece.len() {
        let taken = body.take(&piece[used..])?;
        used += taken.consumed;
        take(taken.data)?;
    }
    Ok(used)
}
