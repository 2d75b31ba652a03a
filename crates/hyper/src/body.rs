//! A request's body on its way out: bytes as they are, files in chunks, an exact length, constant memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use taskward_client::failure::TransportFailure;
use taskward_client::source::{self, Piece};
use taskward_core::{Body, Cause, Segment};
use tokio::task::JoinHandle;

use crate::chunks::Chunks;
use crate::progress::ExchangeWatch;

/// Compares every file with its description, before anything is sent, where reading may block.
pub(crate) async fn check(body: &Body) -> Result<(), TransportFailure> {
    if !body
        .segments()
        .any(|part| matches!(part, Segment::Source(_)))
    {
        return Ok(());
    }
    let body = body.clone();
    tokio::task::spawn_blocking(move || source::check(&body))
        .await
        .unwrap_or_else(|e| Err(interrupted(&e)))
}

fn interrupted(error: &tokio::task::JoinError) -> TransportFailure {
    TransportFailure::new(Cause::Source, format!("reading was interrupted: {error}"))
}

/// A file with what was read of it, `None` at its end.
type Read = Result<(Chunks, Option<Bytes>), TransportFailure>;

/// The body of one attempt, as hyper pulls it.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: VecDeque<Piece>,
    /// The file whose turn it is.
    file: Option<Chunks>,
    reading: Option<JoinHandle<Read>>,
    left: u64,
    marks: Arc<ExchangeWatch>,
}

impl Upload {
    pub(crate) fn new(body: &Body, marks: Arc<ExchangeWatch>) -> Self {
        let left = body.len();
        marks.lock().whole = left == 0;
        Self {
            pieces: source::pieces(body),
            file: None,
            reading: None,
            left,
            marks,
        }
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, TransportFailure>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                let (file, chunk) = read.unwrap_or_else(|e| Err(interrupted(&e)))?;
                if let Some(chunk) = chunk {
                    self.file = Some(file);
                    return Poll::Ready(Ok(Some(chunk)));
                }
            }
            if let Some(file) = self.file.take() {
                self.read(|| Ok(file));
                continue;
            }
            match self.pieces.pop_front() {
                None => return Poll::Ready(Ok(None)),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Piece::File(source)) => self.read(move || Chunks::new(&source)),
            }
        }
    }

    /// Begins to read the next chunk of a file, where that may block.
    fn read(&mut self, open: impl FnOnce() -> Result<Chunks, TransportFailure> + Send + 'static) {
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut file = open()?;
            let chunk = file.read()?;
            Ok((file, chunk))
        }));
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = TransportFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportFailure>>> {
        match ready!(self.poll_chunk(cx)) {
            Ok(Some(chunk)) => {
                self.left = self.left.saturating_sub(chunk.len() as u64);
                if self.left == 0 {
                    self.marks.lock().whole = true;
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Ok(None) => Poll::Ready(None),
            Err(fault) => {
                self.marks.lock().fault = Some(fault.clone());
                Poll::Ready(Some(Err(fault)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
