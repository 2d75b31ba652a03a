//! The socket of a connection, with what was read from it and not used yet.

use tokio::net::TcpStream;

/// So much is read at a time.
const PIECE: usize = 256 << 10;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// What came behind the last thing that was read.
    pub(super) unread: Vec<u8>,
    pub(super) piece: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            piece: vec![0; PIECE],
        }
    }
}
