//! A request's body on its way out: bytes as they are, files in chunks, an exact length, constant memory.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use taskward_client::failure::TransportFailure;
use taskward_client::source::{self, Opened};
use taskward_core::{Body, Segment, Source};

use crate::wire::ExchangeWatch;

/// Compares every file with its description, before anything is sent. One file is open at a time.
pub(crate) fn check(body: &Body) -> Result<(), TransportFailure> {
    for source in source::files(body) {
        Opened::new(source)?;
    }
    Ok(())
}

/// The rest of the body.
#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Source(Source),
    Opened(Opened),
}

/// The body of one attempt, as ureq pulls it.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: VecDeque<Piece>,
    left: u64,
    marks: Arc<ExchangeWatch>,
}

impl Upload {
    pub(crate) fn new(body: &Body, marks: Arc<ExchangeWatch>) -> Self {
        let pieces = body
            .segments()
            .filter(|segment| !segment.is_empty())
            .map(|segment| match segment {
                Segment::Bytes(bytes) => Piece::Bytes(bytes.clone()),
                Segment::Source(source) => Piece::Source(source.clone()),
            })
            .collect();
        Self {
            pieces,
            left: body.len(),
            marks,
        }
    }

    fn chunk(&mut self, out: &mut [u8]) -> Result<usize, TransportFailure> {
        loop {
            let mut opened = match self.pieces.pop_front() {
                None => return Ok(0),
                Some(Piece::Bytes(mut bytes)) => {
                    let taken = bytes.len().min(out.len());
                    bytes.copy_to_slice(&mut out[..taken]);
                    if !bytes.is_empty() {
                        self.pieces.push_front(Piece::Bytes(bytes));
                    }
                    return Ok(taken);
                }
                Some(Piece::Source(source)) => Opened::new(&source)?,
                Some(Piece::Opened(opened)) => opened,
            };
            let read = opened.read(out)?;
            if read > 0 {
                self.pieces.push_front(Piece::Opened(opened));
                return Ok(read);
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
