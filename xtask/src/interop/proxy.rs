//! What stands between a client and a server, and breaks their conversation at a place that a test chooses.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

/// How long a test waits for a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a request asks of the agent, as far as tests tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A message that names no task.
    Start,
    /// A message to a task.
    Answer,
    /// The events of a task.
    Subscribe,
    Cancel,
    List,
    /// A task as it is now.
    Read,
    Other,
}

/// What happens to a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The server gets the request and answers; the client gets nothing, and its connection is closed.
    Drop,
    /// The client gets the head and so many events, and its connection is closed.
    CutAfterEvents(usize),
    /// The client gets so many bytes, and its connection is closed.
    CutAfterBytes(usize),
    /// The server gets the request and answers; the client waits for ever.
    Hold,
}

/// A proxy that passes everything on but for what it was told to break; it ends with the process.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// Where the server listens.
    server: u16,
    /// What is still to happen, each once.
    rules: Vec<(Wanted, Act)>,
    /// Every request so far.
    seen: Vec<Wanted>,
}

impl Proxy {
    /// Listens on a free port; the server is named later, for it has to name the proxy's port in its card.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::default(),
        };
        let accepting = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let proxy = accepting.clone();
                // A conversation that breaks is what it is here for.
                std::thread::spawn(move || drop(proxy.serve(client)));
            }
        });
        Ok(proxy)
    }

    /// Returns the port that clients reach the server on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Says where the server listens.
    pub(crate) fn lead_to(&self, server: u16) {
        self.state().server = server;
    }

    /// Breaks the reply to the next request of this kind.
    pub(crate) fn once(&self, wanted: Wanted, act: Act) {
        self.state().rules.push((wanted, act));
    }

    /// Returns how many requests of this kind there were.
    pub(crate) fn count(&self, wanted: Wanted) -> usize {
        self.state()
            .seen
            .iter()
            .filter(|one| **one == wanted)
            .count()
    }

    /// Waits until there were so many requests of this kind.
    pub(crate) fn wait_for(&self, wanted: Wanted, count: usize) -> Result<()> {
        let fewer =
            |state: &mut State| state.seen.iter().filter(|one| **one == wanted).count() < count;
        let (_, arrived) = &*self.shared;
        let waited = arrived.wait_timeout_while(self.state(), PATIENCE, fewer);
        let waited = waited.unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !waited.1.timed_out(),
            "no {wanted:?} request number {count} came"
        );
        Ok(())
    }

    /// Forgets all rules and requests, for the next test.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.seen.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes one request on, and its reply back. The server closes its connection behind the reply, so that the reply's
    /// end is the connection's.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut from_client = BufReader::new(client.try_clone()?);
        let request = Request::read(&mut from_client)?;
        let wanted = request.wanted();
        let (server, act) = {
            let mut state = self.state();
            let at = state.rules.iter().position(|(of, _)| *of == wanted);
            let act = at.map(|at| state.rules.remove(at).1);
            (state.server, act)
        };
        let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
        upstream.write_all(&request.bytes)?;
        self.state().seen.push(wanted);
        self.shared.1.notify_all();
        let result = relay(&mut upstream, &client, act);
        if act == Some(Act::Hold) {
            // Nothing comes until the client hangs up.
            from_client.read_to_end(&mut Vec::new())?;
        }
        // The other side may be gone already.
        let _ = client.shutdown(Shutdown::Both);
        if matches!(act, Some(Act::CutAfterBytes(_))) {
            // The server does not notice: one that does may drop the work.
            io::copy(&mut upstream, &mut io::sink())?;
        }
        result
    }
}

/// Passes a reply on as far as the client gets it.
fn relay(upstream: &mut TcpStream, mut client: &TcpStream, act: Option<Act>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    let mut events = Events::default();
    loop {
        let read = upstream.read(&mut buffer)?;
        let bytes = &buffer[..read];
        let (pass, over) = match act {
            None => (read, read == 0),
            Some(Act::Drop | Act::Hold) => (0, read == 0),
            Some(Act::CutAfterBytes(limit)) => {
                let pass = read.min(limit - passed);
                (pass, read == 0 || passed + pass == limit)
            }
            Some(Act::CutAfterEvents(limit)) => {
                let pass = events.until(limit, bytes);
                (pass, read == 0 || pass < read)
            }
        };
        client.write_all(&bytes[..pass])?;
        passed += pass;
        if over {
            return Ok(());
        }
    }
}

/// Counts the events that begin in a stream.
#[derive(Default)]
struct Events {
    begun: usize,
    /// The last bytes of the line that is being read, as many as tell an event's.
    line: Vec<u8>,
}

impl Events {
    /// Returns how many of these bytes stand before the data of the event behind the first `limit`.
    fn until(&mut self, limit: usize, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                self.line.clear();
                continue;
            }
            self.line.push(*byte);
            if self.line == b"data:" {
                self.begun += 1;
                if self.begun > limit {
                    return at;
                }
            }
        }
        bytes.len()
    }
}

/// A request, as it goes to the server.
struct Request {
    /// The first line.
    line: String,
    body: Vec<u8>,
    bytes: Vec<u8>,
}

impl Request {
    fn read(from: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let mut lines: Vec<String> = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "connection" => continue,
                _ => {}
            }
            lines.push(line.to_owned());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let line = lines.first().cloned().unwrap_or_default();
        lines.push("Connection: close".to_owned());
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        bytes.extend_from_slice(&body);
        Ok(Self { line, body, bytes })
    }

    fn wanted(&self) -> Wanted {
        let body = String::from_utf8_lossy(&self.body);
        let rpc = |method: &str| body.contains(&format!("\"{method}\""));
        let line = &self.line;
        let sends = line.contains("/message:send") || line.contains("/message:stream");
        if sends || rpc("SendMessage") || rpc("SendStreamingMessage") {
            let to_task = body.contains("\"taskId\"");
            return if to_task {
                Wanted::Answer
            } else {
                Wanted::Start
            };
        }
        if line.contains(":subscribe") || rpc("SubscribeToTask") {
            return Wanted::Subscribe;
        }
        if line.contains(":cancel") || rpc("CancelTask") {
            return Wanted::Cancel;
        }
        if rpc("GetTask") || line.contains("/tasks/") {
            return Wanted::Read;
        }
        if rpc("ListTasks") || line.contains("/tasks") {
            return Wanted::List;
        }
        Wanted::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a proxy before a server that gives this reply to everybody.
    fn proxy_before(reply: &'static [u8]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                Request::read(&mut BufReader::new(client.try_clone().unwrap())).unwrap();
                client.write_all(reply).unwrap();
            }
        });
        let proxy = Proxy::start().unwrap();
        proxy.lead_to(port);
        proxy
    }

    fn got(proxy: &Proxy, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut got = Vec::new();
        // A cut connection may end with a reset.
        let _ = stream.read_to_end(&mut got);
        String::from_utf8(got).unwrap()
    }

    #[test]
    fn one_reply_is_broken_and_the_next_is_whole() {
        let whole = "HTTP/1.1 200 OK\r\n\r\n{\"task\":{}}";
        let proxy = proxy_before(whole.as_bytes());
        let start = "POST /rest/message:send HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let read = "GET /rest/tasks/t HTTP/1.1\r\n\r\n";
        proxy.once(Wanted::Start, Act::Drop);
        proxy.once(Wanted::Start, Act::CutAfterBytes(12));
        assert_eq!(got(&proxy, read), whole);
        assert_eq!(got(&proxy, start), "");
        assert_eq!(got(&proxy, start), "HTTP/1.1 200");
        assert_eq!(got(&proxy, start), whole);
        proxy.wait_for(Wanted::Start, 3).unwrap();
        assert_eq!(
            (proxy.count(Wanted::Start), proxy.count(Wanted::Read)),
            (3, 1)
        );
    }

    #[test]
    fn a_stream_is_cut_before_an_events_data() {
        let stream = b"HTTP/1.1 200 OK\r\n\r\nevent: message\ndata: 1\n\ndata: 2\n\ndata: 3\n\n";
        for (limit, passed) in [
            (0, "event: message\ndata"),
            (2, "data: 2\n\ndata"),
            (3, "data: 3\n\n"),
        ] {
            // However the bytes come.
            for size in [1, 7, stream.len()] {
                let mut events = Events::default();
                let mut got = Vec::new();
                for bytes in stream.chunks(size) {
                    let until = events.until(limit, bytes);
                    got.extend_from_slice(&bytes[..until]);
                    if until < bytes.len() {
                        break;
                    }
                }
                assert!(got.ends_with(passed.as_bytes()), "{limit} {size}");
            }
        }
    }

    #[test]
    fn a_request_is_told_by_its_line_or_its_method() {
        let of = |line: &str, body: &str| {
            let request = Request {
                line: line.to_owned(),
                body: body.into(),
                bytes: Vec::new(),
            };
            request.wanted()
        };
        let rest = "POST /rest/message:stream HTTP/1.1";
        assert_eq!(of(rest, r#"{"message":{}}"#), Wanted::Start);
        assert_eq!(of(rest, r#"{"message":{"taskId":"t"}}"#), Wanted::Answer);
        assert_eq!(of("GET /rest/tasks/t HTTP/1.1", ""), Wanted::Read);
        assert_eq!(of("GET /rest/tasks?contextId=c HTTP/1.1", ""), Wanted::List);
        assert_eq!(
            of("POST /rpc HTTP/1.1", r#"{"method":"CancelTask"}"#),
            Wanted::Cancel
        );
        assert_eq!(
            of("GET /.well-known/agent-card.json HTTP/1.1", ""),
            Wanted::Other
        );
    }
}
