//! A server that says what it is told to, byte for byte, and an operation that hands replies over as they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use taskward_core::http::uri::PathAndQuery;
use taskward_core::http::{HeaderName, HeaderValue, Method};
use taskward_core::{
    BuildError, Cause, Content, Error, ErrorKind, ExchangeProgress, IdempotencyKey, Operation,
    Part, Policy, ReadError, Request, Response, Retry, Safety, SecretString, Source,
};

/// The key of every test; it must show up nowhere but in `Authorization`.
pub(crate) const KEY: &str = "canary-4f1c2b7e9d";

pub(crate) fn key() -> SecretString {
    SecretString::from(KEY)
}

/// One request that reached the server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The requests that a server received, and who waits for more.
#[derive(Default)]
pub(crate) struct Log {
    requests: Mutex<Vec<Seen>>,
    grown: Condvar,
}

impl Log {
    fn push(&self, seen: Seen) {
        self.requests.lock().expect("log").push(seen);
        self.grown.notify_all();
    }
}

/// Something that happens once, for threads to wait for.
#[derive(Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.is_open.lock().expect("gate") = true;
        self.opened.notify_all();
    }

    pub(crate) fn wait(&self) {
        let is_open = self.is_open.lock().expect("gate");
        let open = self.opened.wait_while(is_open, |is_open| !*is_open);
        drop(open.expect("gate"));
    }
}

/// A server on loopback; each connection is handled by the script, which gets its number from 0.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Log>,
}

/// One accepted connection.
pub(crate) struct Conn {
    pub(crate) tcp: TcpStream,
    seen: Arc<Log>,
}

impl Server {
    pub(crate) fn new(script: impl Fn(&mut Conn, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Log> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let (log, count, script) = (seen.clone(), connections.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (seen, script) = (log.clone(), script.clone());
                std::thread::spawn(move || script(&mut Conn { tcp, seen }, number));
            }
        });
        Self {
            address,
            connections,
            seen,
        }
    }

    /// Reads one request, says this, closes.
    pub(crate) fn says(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::new(move |conn, _| {
            conn.request();
            conn.say(&reply);
        })
    }

    /// Reads one request, says this, and then the same again and again for as long as anybody takes it. The other end
    /// gets how many bytes were taken.
    pub(crate) fn floods(
        head: &'static str,
        more: impl Into<Vec<u8>>,
    ) -> (Self, mpsc::Receiver<u64>) {
        let (taken, received) = mpsc::channel();
        let more = more.into();
        let server = Self::new(move |conn, _| {
            conn.request();
            conn.say(head);
            let mut count = 0;
            while let Ok(some @ 1..) = conn.tcp.write(&more) {
                count += some as u64;
            }
            // Nobody listens when the test does not count.
            let _ = taken.send(count);
        });
        (server, received)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that were made, whatever came over them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Blocks until what this server received is as wanted.
    pub(crate) fn wait_until(&self, is_wanted: impl Fn(&[Seen]) -> bool) {
        let seen = self.seen.requests.lock().expect("log");
        let wanted = self.seen.grown.wait_while(seen, |seen| !is_wanted(seen));
        drop(wanted.expect("log"));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.requests.lock().expect("log").clone()
    }
}

impl Conn {
    /// Reads a request's head; `None` when the connection ended.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if self.tcp.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads a whole request.
    pub(crate) fn request(&mut self) -> Option<Seen> {
        let head = self.head()?;
        self.body(head, &[])
    }

    /// Reads the rest of the request that begins with this head and this much of its body.
    pub(crate) fn body(&mut self, head: String, started: &[u8]) -> Option<Seen> {
        let mut seen = Seen {
            head,
            body: Vec::new(),
        };
        let length = seen
            .header("content-length")
            .map_or(0, |value| value.parse::<usize>().expect("a content length"));
        seen.body = started.to_vec();
        seen.body.resize(length, 0);
        self.tcp.read_exact(&mut seen.body[started.len()..]).ok()?;
        self.seen.push(seen.clone());
        Some(seen)
    }

    /// Notes a request that was read in another way.
    pub(crate) fn note(&self, request: &[u8]) {
        let head = String::from_utf8_lossy(request).into_owned();
        let body = Vec::new();
        self.seen.push(Seen { head, body });
    }

    /// Writes, whether or not the other side still reads.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.tcp.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn json(&mut self, body: &str) -> bool {
        self.say(ok(body))
    }

    /// Holds the connection open until the other side closes it.
    pub(crate) fn hold(&mut self) {
        let _ = self.tcp.set_read_timeout(Some(Duration::from_secs(20)));
        let mut rest = [0; 1024];
        while matches!(self.tcp.read(&mut rest), Ok(1..)) {}
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One attempt, short limits.
pub(crate) fn impatient() -> Policy {
    let mut policy = Policy::default();
    policy.retry = Retry::none();
    policy.limits.connect = Duration::from_secs(1);
    policy.limits.head = Duration::from_millis(400);
    policy.limits.upload_head = Duration::from_millis(400);
    policy.limits.idle = Duration::from_millis(400);
    policy.limits.stream_idle = Duration::from_millis(400);
    policy.limits.max_body = 256 * 1024;
    policy
}

/// An operation that hands its reply over as it is.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) method: Method,
    pub(crate) file: Option<Source>,
    pub(crate) json: Option<&'static str>,
    pub(crate) safety: Safety,
    /// Whether it asks for an event stream.
    pub(crate) stream: bool,
    /// Whether it brings an idempotency key and a header of its own.
    pub(crate) keyed: bool,
}

impl Probe {
    pub(crate) fn get() -> Self {
        Self {
            method: Method::GET,
            file: None,
            json: None,
            safety: Safety::Repeatable,
            stream: false,
            keyed: false,
        }
    }

    pub(crate) fn stream() -> Self {
        Self {
            stream: true,
            ..Self::get()
        }
    }

    pub(crate) fn post(json: &'static str) -> Self {
        Self {
            method: Method::POST,
            json: Some(json),
            safety: Safety::Once,
            ..Self::get()
        }
    }

    /// Returns a write with an idempotency key, and another header that is nobody else's business.
    pub(crate) fn keyed(json: &'static str) -> Self {
        Self {
            safety: Safety::Keyed,
            keyed: true,
            ..Self::post(json)
        }
    }

    pub(crate) fn upload(path: &Path) -> Self {
        Self {
            method: Method::POST,
            file: Some(Source::path(path)),
            safety: Safety::Once,
            ..Self::get()
        }
    }
}

impl Operation for Probe {
    type Output = Response;
    const NAME: &'static str = "probe";

    fn safety(&self) -> Safety {
        self.safety
    }

    fn request(&self) -> Result<Request, BuildError> {
        let request = self.bare()?;
        if !self.keyed {
            return Ok(request);
        }
        let name = HeaderName::from_static("x-workspace");
        let value = HeaderValue::from_static("secret-workspace");
        request
            .keyed(&IdempotencyKey::new("secret-idempotency-key"))?
            .header(name, value)
    }

    fn read(&self, reply: &Response) -> Result<Response, ReadError> {
        Ok(reply.clone())
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        self.file.as_mut().into_iter().collect()
    }
}

impl Probe {
    fn bare(&self) -> Result<Request, BuildError> {
        let target = PathAndQuery::from_static("/probe?x=1");
        if let Some(file) = &self.file {
            let content = Content::Source(file.clone());
            let part = Part::file("file", "file.bin", "application/octet-stream", content);
            return Request::form(self.method.clone(), target, vec![part]);
        }
        match self.json {
            Some(text) => Request::json(self.method.clone(), target, &text),
            None if self.stream => Ok(Request::get(target).streaming()),
            None => Ok(Request::empty(self.method.clone(), target)),
        }
    }
}

/// How an exchange ended, in a form that tables compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Ok(u16),
    NotSent(Cause),
    MaybeSent(Cause),
    Answered(u16, Cause),
    Api(u16),
    Other(ErrorKind),
}

pub(crate) fn ended(result: &Result<Response, Error>) -> Ended {
    let error = match result {
        Ok(reply) => return Ended::Ok(reply.status().as_u16()),
        Err(error) => error,
    };
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY), "the key is in {shown}");
    if let Some(api) = error.api_error() {
        return Ended::Api(api.status.as_u16());
    }
    let Some(failure) = error.wire_failure() else {
        return Ended::Other(error.kind());
    };
    let cause = failure.cause.clone();
    match &failure.progress {
        ExchangeProgress::NotSent => Ended::NotSent(cause),
        ExchangeProgress::MaybeSent => Ended::MaybeSent(cause),
        ExchangeProgress::Answered(head) => Ended::Answered(head.status.as_u16(), cause),
    }
}
