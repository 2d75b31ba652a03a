//! An open event stream on a connection: frames as they come due, no faster than the client reads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::SimHandle;
use super::deliver::{OpenedStream, Then, chunk};
use super::shape::{Shaper, StreamEnd};
use super::socket::Connection;
use super::state::{State, Ticket};
use super::wire::MAX_HEAD;
use crate::message::Pulled;

/// A stream whose head is about to be sent.
pub(super) struct Streaming {
    pub(super) open: OpenStream,
    pub(super) opened: OpenedStream,
    pub(super) shaper: Shaper,
}

/// The platform's end of a stream: it learns when the connection's end is gone, in whatever way.
pub(super) struct OpenStream {
    shared: Arc<SimHandle>,
    ticket: Ticket,
    changes: watch::Receiver<u64>,
}

/// What a stream has to send.
enum Pending {
    Bytes,
    End(StreamEnd),
    /// Nothing, for so long or until something changes.
    Wait(Option<Duration>),
}

/// What ended a wait.
enum Woken {
    ToGoOn,
    /// The client went away, or nobody is to be listened to.
    ToStop(Then),
}

impl OpenStream {
    pub(super) fn new(shared: &Arc<SimHandle>, state: &State, ticket: Ticket) -> Self {
        Self {
            shared: Arc::clone(shared),
            ticket,
            changes: state.changes(),
        }
    }

    /// Asks the platform once, and shapes what it returns.
    fn next(&mut self, shaper: &mut Shaper, out: &mut Vec<u8>) -> Pending {
        let mut state = self.shared.lock();
        // What changes from here on ends the wait that may follow.
        self.changes.mark_unchanged();
        match state.pull(self.ticket) {
            Some(Pulled::Frames(frames)) => {
                let end = shaper.push(frames, out);
                end.map_or(Pending::Bytes, Pending::End)
            }
            Some(Pulled::Pending) => match shaper.pending() {
                Some(end) => Pending::End(end),
                None => Pending::Wait(state.until_next_change(self.ticket)),
            },
            Some(Pulled::End) => Pending::End(shaper.finish(out)),
            None => Pending::End(StreamEnd::Cut),
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.shared.lock().close(self.ticket);
    }
}

impl Connection {
    /// Sends a stream to its end; returns what to do with the connection.
    pub(super) async fn send_stream(
        &mut self,
        streaming: Streaming,
        refusals: &mut watch::Receiver<u64>,
    ) -> io::Result<Then> {
        let Streaming {
            mut open,
            opened,
            mut shaper,
        } = streaming;
        self.stream.write_all(&opened.head).await?;
        let mut out = Vec::new();
        let mut end = shaper.due();
        loop {
            if let Some(end) = end {
                return self.end_stream(end, &opened).await;
            }
            let next = open.next(&mut shaper, &mut out);
            if out.is_empty() {
                // A fault may leave nothing of many frames; others want to be served meanwhile.
                yield_now().await;
            }
            let pause = shaper.pace();
            for piece in out.chunks(pause.map_or(usize::MAX, |(size, _)| size)) {
                if let Some((_, span)) = pause {
                    let wait = open.shared.lock().let_pass(span);
                    sleep(wait).await;
                }
                if opened.is_chunked {
                    self.stream.write_all(&chunk(piece)).await?;
                } else {
                    self.stream.write_all(piece).await?;
                }
            }
            out.clear();
            match next {
                Pending::Bytes => {}
                Pending::End(how) => end = Some(how),
                Pending::Wait(limit) => match self.wait(&mut open.changes, limit, refusals).await {
                    Woken::ToGoOn => {}
                    Woken::ToStop(then) => return Ok(then),
                },
            }
        }
    }

    async fn end_stream(&mut self, end: StreamEnd, opened: &OpenedStream) -> io::Result<Then> {
        Ok(match end {
            StreamEnd::Finish => {
                if opened.is_chunked {
                    self.stream.write_all(opened.last_chunk).await?;
                }
                self.stream.write_all(&opened.coda).await?;
                opened.then
            }
            StreamEnd::Cut => Then::Close,
            StreamEnd::Reset => Then::Reset,
            StreamEnd::Hold => Then::Hold,
        })
    }

    /// Waits until there may be something to send, or nobody to send it to.
    async fn wait(
        &mut self,
        changes: &mut watch::Receiver<u64>,
        limit: Option<Duration>,
        refusals: &mut watch::Receiver<u64>,
    ) -> Woken {
        let due = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => Woken::ToGoOn,
            () = due => Woken::ToGoOn,
            _ = refusals.changed() => Woken::ToStop(Then::Reset),
            // A client may send its next request early; a long one waits in the socket.
            read = self.stream.read(&mut self.piece), if self.unread.len() < MAX_HEAD => match read {
                Ok(count) if count > 0 => {
                    self.unread.extend_from_slice(&self.piece[..count]);
                    Woken::ToGoOn
                }
                _ => Woken::ToStop(Then::Close),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use crate::Sim;
    use crate::harness::Server;
    use crate::message::{Answer, Request};

    /// Returns how long until something happens by itself on the platform.
    fn next_change(sim: &Sim) -> Option<u64> {
        sim.with(|server: &mut Server, now| server.next_change().map(|at| at - now))
    }

    #[test]
    fn the_platform_forgets_a_stream_whose_client_went_away() {
        const HEARTBEAT: Option<u64> = Some(15_000);
        for scenario in ["approve-email", "long-stream"] {
            let sim = Sim::builder().manual_clock(Duration::ZERO).spawn().unwrap();
            let key = format!("Bearer {}", sim.harness().api_key);
            let input = serde_json::json!({
                "scenario": scenario, "events": 400_000, "interval_ms": 0, "delta_bytes": 100,
            });
            let create = Request::new("POST", "/v1/runs")
                .header("authorization", &key)
                .header("idempotency-key", "k")
                .json(&serde_json::json!({ "input": input }));
            let reply = sim.with(|server: &mut Server, now| server.handle(create, now));
            let Answer::Whole(reply) = reply else {
                unreachable!("{reply:?}")
            };
            let run = reply.value()["id"].as_str().unwrap().to_owned();
            // One stream waits for something to send, the other for its client to read.
            sim.advance(Duration::from_secs(10));
            let mut client = TcpStream::connect(sim.address()).unwrap();
            let request = format!(
                "GET /v1/runs/{run}/events/stream HTTP/1.1\r\nAuthorization: {key}\r\n\r\n"
            );
            client.write_all(request.as_bytes()).unwrap();
            client.read_exact(&mut [0]).unwrap();
            assert_eq!(next_change(&sim), HEARTBEAT, "{scenario}");
            drop(client);
            let until = Instant::now() + Duration::from_secs(20);
            while next_change(&sim) == HEARTBEAT {
                assert!(Instant::now() < until, "{scenario}: still open");
                std::thread::yield_now();
            }
        }
    }
}
