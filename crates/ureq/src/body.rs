//! A request's body on its way out: bytes as they are, files in chunks, an exact length, constant memory.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Buf as _;
use taskward_client::failure::TransportFailure;
use taskward_client::source::{self, Opened, Piece};
use taskward_core::Body;

use crate::wire::ExchangeWatch;

/// The body of one attempt, as ureq pulls it.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: VecDeque<Piece>,
    /// The file whose turn it is.
    file: Option<Opened>,
    left: u64,
    marks: Arc<ExchangeWatch>,
}

impl Upload {
    pub(crate) fn new(body: &Body, marks: Arc<ExchangeWatch>) -> Self {
        Self {
            pieces: source::pieces(body),
            file: None,
            left: body.len(),
            marks,
        }
    }

    fn chunk(&mut self, out: &mut [u8]) -> Result<usize, TransportFailure> {
        loop {
            if let Some(file) = &mut self.file {
                let read = file.read(out)?;
                if read > 0 {
                    return Ok(read);
                }
                self.file = None;
            }
            match self.pieces.pop_front() {
                None => return Ok(0),
                Some(Piece::Bytes(mut bytes)) => {
                    let taken = bytes.len().min(out.len());
                    bytes.copy_to_slice(&mut out[..taken]);
                    if !bytes.is_empty() {
                        self.pieces.push_front(Piece::Bytes(bytes));
                    }
                    return Ok(taken);
                }
                Some(Piece::File(source)) => self.file = Some(Opened::new(&source)?),
            }
        }
    }
}

impl Read for Upload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = if self.marks.lock().is_over() {
            // Nothing more is sent: the rest is only counted, so that ureq reads the reply.
            usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()))
        } else {
            self.chunk(out).map_err(|fault| {
                self.marks.lock().fault = Some(fault.clone());
                io::Error::other(fault)
            })?
        };
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}
