//! What passes over a connection, and how far an exchange has come. ureq pools the idle connections.

use std::cell::RefCell;
use std::io::{self, BufRead as _, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use rustls::{ClientConnection, StreamOwned};
use taskward_client::clock::later;
use taskward_client::transport::{ProgressCell, StreamCloser, TransportFailure};
use taskward_core::{Limits, TimeoutPhase};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::size_lines::SizeLines;

/// Bytes written at a time, and so read from a file at a time.
const OUTPUT: usize = 256 * 1024;
/// Bytes read at a time; a whole head has to fit.
const INPUT: usize = 128 * 1024;

/// How far one exchange has come, and its limits. Shared by the connection, the body and the code that classifies a failure.
#[derive(Debug)]
pub(crate) struct ExchangeWatch(Mutex<ExchangeState>);

#[derive(Debug)]
pub(crate) struct ExchangeState {
    limits: Limits,
    /// When the exchange is given up, whatever moves.
    pub(crate) end: Option<Instant>,
    /// What is read next.
    pub(crate) reading: Reading,
    /// What the head says besides what ureq writes: the key, which ureq never sees.
    pub(crate) authorization: Option<HeaderValue>,
    /// How far the request has come: moved before its first byte may leave.
    progress: Arc<ProgressCell>,
    /// When a byte last moved.
    pub(crate) moved: Instant,
    /// The error of a write. The reply may still be there to be read.
    pub(crate) broken: Option<String>,
    /// Whether the reply came before the request was whole.
    early: bool,
    /// Why our side gave up.
    pub(crate) fault: Option<TransportFailure>,
    /// Whether the connection may be used again.
    pub(crate) keep: bool,
    /// Whether the body that is read comes in chunks.
    pub(crate) chunked: bool,
    /// What closes it from another thread.
    closer: Option<Arc<StreamCloser>>,
}

/// What is read of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Head,
    Body,
    /// A stream: its silence is judged by the core.
    Stream,
}

thread_local! {
    /// The exchange that this thread performs. ureq connects and sends on the calling thread, and this is how a
    /// connection, pooled or new, learns whose bytes it carries.
    static CURRENT: RefCell<Option<Arc<ExchangeWatch>>> = const { RefCell::new(None) };
}

impl ExchangeWatch {
    pub(crate) fn new(
        limits: &Limits,
        end: Option<Instant>,
        closer: Option<Arc<StreamCloser>>,
        progress: Arc<ProgressCell>,
    ) -> Self {
        Self(Mutex::new(ExchangeState {
            limits: *limits,
            end,
            reading: Reading::Head,
            authorization: None,
            progress,
            moved: Instant::now(),
            broken: None,
            early: false,
            fault: None,
            keep: true,
            chunked: false,
            closer,
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ExchangeState> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` as part of this exchange.
    pub(crate) fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(None);
            }
        }
        CURRENT.set(Some(self.clone()));
        let _leave = Leave;
        work()
    }

    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

impl ExchangeState {
    /// Returns whether sending is over although the request is not whole.
    pub(crate) fn is_over(&self) -> bool {
        self.early || self.broken.is_some()
    }

    /// Returns the beginning of a request as it is sent: with the key after its first line.
    fn with_key(&mut self, head: &[u8]) -> Vec<u8> {
        let Some(key) = self.authorization.take() else {
            return head.to_owned();
        };
        let line = head.windows(2).position(|two| two == b"\r\n");
        let (line, rest) = head.split_at(line.expect("ureq writes a first line whole"));
        [line, b"\r\nauthorization: ", key.as_bytes(), rest].concat()
    }

    fn capped(&self, at: Instant, phase: TimeoutPhase) -> (Instant, TimeoutPhase) {
        match self.end {
            Some(end) if end <= at => (end, TimeoutPhase::Total),
            _ => (at, phase),
        }
    }

    fn write_deadline(&self) -> (Instant, TimeoutPhase) {
        self.capped(later(self.moved, self.limits.idle), TimeoutPhase::Send)
    }

    fn read_deadline(&self) -> (Instant, TimeoutPhase) {
        match self.reading {
            Reading::Head => self.capped(later(self.moved, self.limits.head), TimeoutPhase::Head),
            Reading::Body => self.capped(later(self.moved, self.limits.idle), TimeoutPhase::Body),
            Reading::Stream => (later(self.moved, Duration::MAX), TimeoutPhase::Body),
        }
    }

    pub(crate) fn connect_deadline(&self) -> Instant {
        let until = later(Instant::now(), self.limits.connect);
        self.end.map_or(until, |end| end.min(until))
    }
}

/// A socket whose every read and write ends at a deadline.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) tcp: Arc<TcpStream>,
    until: Instant,
}

impl Socket {
    pub(crate) fn new(tcp: Arc<TcpStream>, until: Instant) -> Self {
        Self { tcp, until }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        (&*self.tcp).read(out)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        (&*self.tcp).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns whether an operation timed out; a socket's own timeout is reported as `WouldBlock`.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// A socket, encrypted or not.
#[derive(Debug)]
pub(crate) enum Link {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Link {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &mut tls.sock,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(out),
            Self::Tls(tls) => read_tls(tls, out),
        }
    }

    /// Peeks at what there is to read now, without waiting and without taking it.
    fn glance(&mut self) -> Peek {
        let tcp = self.socket().tcp.clone();
        if tcp.set_nonblocking(true).is_err() {
            return Peek::Over;
        }
        let glance = match self {
            Self::Plain(_) => {
                let mut start = [0; 16];
                match tcp.peek(&mut start) {
                    Ok(seen) => Peek::of(&start[..seen]),
                    Err(e) if is_timeout(&e) => Peek::Nothing,
                    Err(_) => Peek::Over,
                }
            }
            Self::Tls(tls) => glance_tls(&mut tls.conn, &tcp),
        };
        match tcp.set_nonblocking(false) {
            Ok(()) => glance,
            Err(_) => Peek::Over,
        }
    }
}

/// Reads and never writes, unlike the stream's own `read`: what could not be sent must not stand before the reply. What
/// the session has to say for itself goes out with the next write.
fn read_tls(tls: &mut StreamOwned<ClientConnection, Socket>, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match tls.conn.reader().read(out) {
            Err(e) if is_timeout(&e) => {}
            read => return read,
        }
        tls.conn.read_tls(&mut tls.sock)?;
        tls.conn
            .process_new_packets()
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    }
}

/// Records may be waiting that carry no content, session tickets for one: only the decrypted bytes count.
fn glance_tls(session: &mut ClientConnection, tcp: &TcpStream) -> Peek {
    let mut socket = tcp;
    loop {
        match session.reader().fill_buf() {
            Ok(start) => return Peek::of(start),
            Err(e) if is_timeout(&e) => {}
            Err(_) => return Peek::Over,
        }
        match session.read_tls(&mut socket) {
            Ok(0) => return Peek::Over,
            Ok(_) if session.process_new_packets().is_ok() => {}
            Err(e) if is_timeout(&e) => return Peek::Nothing,
            Ok(_) | Err(_) => return Peek::Over,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peek {
    /// Nothing yet.
    Nothing,
    /// Less than a status line, or an informational reply: the real one is still to come.
    Interim,
    /// A reply.
    Reply,
    /// The other side has closed, or broken off.
    Over,
}

impl Peek {
    fn of(start: &[u8]) -> Self {
        match start {
            [] => Self::Over,
            [b'H', b'T', b'T', b'P', b'/', _, b'.', _, b' ', b'1', ..] => Self::Interim,
            _ if start.len() < 10 => Self::Interim,
            _ => Self::Reply,
        }
    }
}

/// A connection as ureq uses it; it records how far each exchange has come and enforces its limits.
///
/// A write that fails is not the end: a server that refuses an upload answers and closes, and its reply may be waiting.
/// So the failure is noted, the rest of the body is dropped, and reading decides. So it is when the reply is there
/// before the body is whole.
#[derive(Debug)]
pub(crate) struct Wire {
    link: Link,
    buffers: LazyBuffers,
    /// Follows the body, when that comes in chunks.
    lines: Option<SizeLines>,
    marks: Arc<ExchangeWatch>,
}

impl Wire {
    pub(crate) fn new(link: Link, marks: Arc<ExchangeWatch>) -> Self {
        Self {
            link,
            buffers: LazyBuffers::new(INPUT, OUTPUT),
            lines: None,
            marks,
        }
    }

    /// Joins the exchange in flight; returns whether this is its first write.
    fn adopt(&mut self) -> bool {
        if let Some(marks) = ExchangeWatch::current() {
            self.marks = marks;
        }
        let mut progress = self.marks.lock();
        let first = !progress.progress.is_maybe_sent();
        if first {
            self.lines = None;
            progress.progress.maybe_sent();
            progress.moved = Instant::now();
            if let Some(closer) = &progress.closer {
                let socket = self.link.socket().tcp.clone();
                closer.on_close(move || shutdown(&socket));
            }
        }
        first
    }

    /// Begins to follow a body in chunks, of which some may have come with the head.
    fn follow_chunks(&mut self) {
        if self.lines.is_some() || !self.marks.lock().chunked {
            return;
        }
        let mut lines = SizeLines::new();
        let mut started = self.buffers.input().to_vec();
        self.buffers.input_consume(started.len());
        let kept = lines.shorten(&mut started);
        self.buffers.input_append_buf()[..kept].copy_from_slice(&started[..kept]);
        self.buffers.input_appended(kept);
        self.lines = Some(lines);
    }

    fn timed_out(&self, phase: TimeoutPhase) -> ureq::Error {
        self.marks.lock().fault = Some(TransportFailure::timeout(phase));
        ureq::Error::Io(io::ErrorKind::TimedOut.into())
    }

    /// Writes the beginning of a request, or a stretch of its rest; `Some` when its time was over.
    fn send(&mut self, amount: usize, first: bool) -> Option<TimeoutPhase> {
        let head = first.then(|| {
            let output = &self.buffers.output()[..amount];
            self.marks.lock().with_key(output)
        });
        let amount = head.as_ref().map_or(amount, Vec::len);
        let mut done = 0;
        while done < amount {
            let (until, phase) = self.marks.lock().write_deadline();
            self.link.socket().until = until;
            let bytes = match &head {
                Some(head) => &head[done..],
                None => &self.buffers.output()[done..amount],
            };
            let written = match self.link.write(bytes) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.link.flush().map(|()| written),
                Err(error) => Err(error),
            };
            let mut progress = self.marks.lock();
            match written {
                Ok(written) => {
                    progress.moved = Instant::now();
                    done += written;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_timeout(&e) => return Some(phase),
                Err(e) => {
                    progress.broken = Some(format!("the connection was lost while sending: {e}"));
                    return None;
                }
            }
        }
        None
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.follow_chunks();
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _timeout: NextTimeout) -> Result<(), ureq::Error> {
        let first = self.adopt();
        if self.marks.lock().is_over() {
            return Ok(());
        }
        // Between the pieces of an upload: a refusal need not wait for the rest.
        if !first && matches!(self.link.glance(), Peek::Reply | Peek::Over) {
            self.marks.lock().early = true;
            return Ok(());
        }
        match self.send(amount, first) {
            Some(phase) => Err(self.timed_out(phase)),
            None => Ok(()),
        }
    }

    fn await_input(&mut self, _timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.follow_chunks();
        loop {
            let (until, phase) = self.marks.lock().read_deadline();
            self.link.socket().until = until;
            let free = self.buffers.input_append_buf();
            let read = match self.link.read(free) {
                Ok(read) => read,
                Err(e) if is_timeout(&e) => return Err(self.timed_out(phase)),
                // ureq would take a reset for the end of a body, where nothing else marks it.
                Err(e) if self.marks.lock().reading != Reading::Head => {
                    return Err(ureq::Error::Io(io::Error::other(e)));
                }
                Err(e) => return Err(ureq::Error::Io(e)),
            };
            let kept = match &mut self.lines {
                Some(lines) => lines.shorten(&mut free[..read]),
                None => read,
            };
            self.buffers.input_appended(kept);
            let mut progress = self.marks.lock();
            if progress.reading != Reading::Head {
                progress.moved = Instant::now();
            }
            // An empty read is the end of the body for ureq, and so would be an empty rest.
            if read == 0 || kept > 0 {
                return Ok(read > 0);
            }
        }
    }

    fn is_open(&mut self) -> bool {
        let usable = {
            let progress = self.marks.lock();
            progress.keep && !progress.is_over()
        };
        usable && self.buffers.input().is_empty() && self.link.glance() == Peek::Nothing
    }

    fn is_tls(&self) -> bool {
        matches!(self.link, Link::Tls(_))
    }
}

fn shutdown(socket: &TcpStream) {
    // It may be closed already, which is as good.
    let _ = socket.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_informational_reply_does_not_end_an_upload() {
        for (start, expected) in [
            ("", Peek::Over),
            ("HTTP/1.1", Peek::Interim),
            ("HTTP/1.1 103 Ea", Peek::Interim),
            ("HTTP/1.1 100 Con", Peek::Interim),
            ("HTTP/1.1 400 Bad", Peek::Reply),
            ("<html><head><tit", Peek::Reply),
        ] {
            assert_eq!(Peek::of(start.as_bytes()), expected, "{start:?}");
        }
    }
}
