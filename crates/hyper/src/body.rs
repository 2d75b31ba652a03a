//! A request's body on its way out: bytes as they are, files in chunks, an exact length, constant memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use taskward_client::failure::TransportFailure;
use taskward_client::source::{self, Opened};
use taskward_core::{Body, Cause, Segment, Source};
use tokio::task::JoinHandle;

use crate::chunks::Chunks;
use crate::progress::ExchangeWatch;

/// Compares every file with its description, before anything is sent. One file is open at a time.
pub(crate) async fn check(body: &Body) -> Result<(), TransportFailure> {
    for source in source::files(body) {
        let source = source.clone();
        off_the_reactor(move || Opened::new(&source)).await?;
    }
    Ok(())
}

async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransportFailure> + Send + 'static,
) -> Result<T, TransportFailure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(interrupted(&e)))
}

fn interrupted(error: &tokio::task::JoinError) -> TransportFailure {
    TransportFailure::new(Cause::Source, format!("reading was interrupted: {error}"))
}

/// The rest of the body.
#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Source(Source),
    Opened(Chunks),
}

/// A file with what was read of it, `None` at its end.
type Read = Result<(Chunks, Option<Bytes>), TransportFailure>;

/// The body of one attempt, as hyper pulls it.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: VecDeque<Piece>,
    reading: Option<JoinHandle<Read>>,
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
        let left = body.len();
        marks.lock().whole = left == 0;
        Self {
            pieces,
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
                let (opened, chunk) = read.unwrap_or_else(|e| Err(interrupted(&e)))?;
                if let Some(chunk) = chunk {
                    self.pieces.push_front(Piece::Opened(opened));
                    return Poll::Ready(Ok(Some(chunk)));
                }
            }
            let mut opened = match self.pieces.pop_front() {
                None => return Poll::Ready(Ok(None)),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Piece::Source(source)) => {
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        let mut opened = Chunks::new(&source)?;
                        let chunk = opened.read()?;
                        Ok((opened, chunk))
                    }));
                    continue;
                }
                Some(Piece::Opened(opened)) => opened,
            };
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let chunk = opened.read()?;
                Ok((opened, chunk))
            }));
        }
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
