//! An address where nothing ever answers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A listener that takes no more connections: a further one waits for an answer that never comes.
pub(crate) struct BlackHole {
    /// Where it is.
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let wait = Duration::from_millis(30);
        let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok());
        Self {
            address,
            _waiting: waiting.take(10_000).collect(),
            _listener: listener,
        }
    }
}
