//! A proxy between client and simulator that counts what passes and lets one operation fail.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_sim::{Head, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// How an operation fails.
///
/// | | refused | reset | timeout | short |
/// |---|---|---|---|---|
/// | connect | nobody listens | reset at once | - | closed at once |
/// | request | 429, not passed on | reset | silence | closed |
/// | head | passed on, 502 | reset | silence | half of it |
/// | body | - | reset in the middle | silence in the middle | closed in the middle |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    Reset,
    Timeout,
    Short,
}

/// One operation: the n-th connection, or a part of the n-th exchange with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Connect(usize),
    Exchange(&'static str, usize, Part),
}

/// A part of an exchange. A body that is whole comes in halves, that of a stream by its frames and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Request,
    Head,
    Body(usize),
}

impl Operation {
    /// Returns the ways in which it can fail.
    pub(crate) fn faults(&self) -> &'static [Fault] {
        use Fault::{Refused, Reset, Short, Timeout};
        match self {
            Self::Connect(_) => &[Refused, Reset, Short],
            Self::Exchange(_, _, Part::Request | Part::Head) => &[Refused, Reset, Timeout, Short],
            Self::Exchange(_, _, Part::Body(_)) => &[Reset, Timeout, Short],
        }
    }
}

/// A running proxy; it stops when dropped.
pub(crate) struct Proxy {
    inner: Arc<Inner>,
    listeners: mpsc::UnboundedSender<StdListener>,
    serving: AbortHandle,
}

struct Inner {
    address: SocketAddr,
    upstream: SocketAddr,
    endpoint: fn(&Head, &[u8]) -> &'static str,
    target: Option<(Operation, Fault)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    operations: Vec<Operation>,
    connections: usize,
    exchanges: BTreeMap<&'static str, usize>,
    struck: bool,
    closed: bool,
}

impl Proxy {
    pub(crate) fn new(
        runtime: &Runtime,
        upstream: SocketAddr,
        endpoint: fn(&Head, &[u8]) -> &'static str,
        target: Option<(Operation, Fault)>,
    ) -> Self {
        let first = StdListener::bind(("127.0.0.1", 0)).expect("a port");
        let inner = Arc::new(Inner {
            address: first.local_addr().expect("an address"),
            upstream,
            endpoint,
            target,
            state: Mutex::default(),
        });
        let (listeners, more) = mpsc::unbounded_channel();
        if !inner.refuses(0) {
            listeners.send(first).expect("it is being served");
        }
        let serving = runtime.spawn(serve(inner.clone(), more)).abort_handle();
        Self {
            inner,
            listeners,
            serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Listens again, if nobody did.
    pub(crate) fn reopen(&self) {
        if std::mem::take(&mut self.inner.state().closed) {
            let listener = StdListener::bind(self.inner.address).expect("the port is still free");
            self.listeners.send(listener).expect("it is being served");
        }
    }

    /// Returns what passed so far.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.inner.state().operations.clone()
    }

    /// Returns whether the operation that was to fail was met.
    pub(crate) fn has_struck(&self) -> bool {
        self.inner.state().struck
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of a new connection.
    fn connected(&self) -> usize {
        let mut state = self.state();
        state.connections += 1;
        state.connections - 1
    }

    /// Returns whether nobody is to listen for this connection.
    fn refuses(&self, connection: usize) -> bool {
        let refused = (Operation::Connect(connection), Fault::Refused);
        let refuses = self.target.as_ref() == Some(&refused) && !self.state().struck;
        if refuses {
            let mut state = self.state();
            (state.struck, state.closed) = (true, true);
        }
        refuses
    }

    /// Counts an operation; how it fails.
    fn pass(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.state();
        let planned = self.target.as_ref();
        let fault = planned
            .filter(|(target, _)| *target == operation && !state.struck)
            .map(|(_, fault)| *fault);
        state.struck |= fault.is_some();
        state.operations.push(operation);
        fault
    }
}

/// Accepts connections as long as somebody listens.
async fn serve(inner: Arc<Inner>, mut listeners: mpsc::UnboundedReceiver<StdListener>) {
    let mut relays = JoinSet::new();
    while let Some(listener) = listeners.recv().await {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        while let Ok((client, _)) = listener.accept().await {
            let number = inner.connected();
            let relay = Relay {
                inner: inner.clone(),
                client,
            };
            // A connection that breaks is what it is for.
            let relay = async move { drop(relay.run(number).await) };
            if inner.refuses(number + 1) {
                // Before this one is answered: nobody comes in between.
                drop(listener);
                relays.spawn(relay);
                break;
            }
            relays.spawn(relay);
        }
    }
}

/// One connection of the client, for one exchange.
struct Relay {
    inner: Arc<Inner>,
    client: TcpStream,
}

impl Relay {
    async fn run(mut self, number: usize) -> io::Result<()> {
        self.client.set_nodelay(true)?;
        if let Some(fault) = self.inner.pass(Operation::Connect(number)) {
            return self.fail(fault).await;
        }
        let (head, body) = read_message(&mut self.client).await?;
        let endpoint = (self.inner.endpoint)(&parse(&head), &body);
        let nth = {
            let mut state = self.inner.state();
            let count = state.exchanges.entry(endpoint).or_default();
            *count += 1;
            *count - 1
        };
        let inner = self.inner.clone();
        let pass = |part| inner.pass(Operation::Exchange(endpoint, nth, part));
        if let Some(fault) = pass(Part::Request) {
            if fault == Fault::Refused {
                return self.say("429 Too Many Requests").await;
            }
            return self.fail(fault).await;
        }
        let mut server = TcpStream::connect(self.inner.upstream).await?;
        let lines = head.strip_suffix("\r\n").expect("it ends in a blank line");
        let head = format!("{lines}connection: close\r\n\r\n");
        server.write_all(&[head.as_bytes(), &body].concat()).await?;
        let (head, start) = read_head(&mut server).await?;
        match pass(Part::Head) {
            None => self.client.write_all(head.as_bytes()).await?,
            Some(Fault::Refused) => return self.say("502 Bad Gateway").await,
            Some(fault) => {
                if fault == Fault::Short {
                    self.client
                        .write_all(&head.as_bytes()[..head.len() / 2])
                        .await?;
                }
                return self.fail(fault).await;
            }
        }
        let mut unread = start;
        let is_stream = head.to_ascii_lowercase().contains("text/event-stream");
        let mut over = false;
        for piece in 0.. {
            let length = loop {
                match frame(&unread) {
                    Some(length) if is_stream => break length,
                    _ if over && piece == 0 => break unread.len() / 2,
                    _ if over => break unread.len(),
                    _ => over = !self.read_more(&mut server, &mut unread).await?,
                }
            };
            let fault = pass(Part::Body(piece));
            let length = if fault.is_some() { length / 2 } else { length };
            self.client.write_all(&unread[..length]).await?;
            if let Some(fault) = fault {
                return self.fail(fault).await;
            }
            unread.drain(..length);
            if over && unread.is_empty() {
                break;
            }
        }
        self.client.shutdown().await
    }

    /// Reads more of a reply; false at its end. A client that goes away takes the server's connection with it.
    async fn read_more(
        &mut self,
        server: &mut TcpStream,
        unread: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let mut nothing = [0];
        tokio::select! {
            read = server.read_buf(unread) => Ok(read? > 0),
            _ = self.client.read(&mut nothing) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Answers in place of the server.
    async fn say(mut self, status: &str) -> io::Result<()> {
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        self.client.write_all(reply.as_bytes()).await?;
        self.client.shutdown().await
    }

    async fn fail(mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Reset => {
                // What was sent before is to be read before.
                tokio::time::sleep(Duration::from_millis(3)).await;
                return self.client.set_zero_linger();
            }
            Fault::Short => self.client.shutdown().await?,
            Fault::Refused | Fault::Timeout => {}
        }
        // Until the client gives up.
        let mut rest = [0; 1024];
        while self.client.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// Returns the length of the first whole frame.
fn frame(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    Some(end + 2)
}

/// Returns a head, and what came behind it.
async fn read_head(from: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).expect("a head is text"), rest));
        }
        if from.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns a whole request: its head and its body.
async fn read_message(from: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (head, mut body) = read_head(from).await?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().expect("a length"))
    });
    while body.len() < length.unwrap_or(0) {
        if from.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head, body))
}

/// Method and target, by which the simulator names the endpoint.
fn parse(head: &str) -> Head {
    let mut words = head.split(' ');
    let (method, target) = (words.next(), words.next());
    Request::new(method.expect("a method"), target.expect("a target")).head
}
