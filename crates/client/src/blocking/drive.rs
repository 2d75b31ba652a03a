//! Performs the effects of a followed task on the thread that waits for it; a stream is read by a thread of its own.

use std::sync::Arc;

use taskward_core::{Error, ExchangeId, NumberedEvent, Provider, Revision, Timestamp};

use super::exchange::{self, exchange};
use super::inbox::{Brought, Chunk, DriversInbox, Input};
use crate::client::Blocking;
use crate::driver::{Effect, NewExchange};
use crate::reply::Report;
use crate::running::Running;
use crate::transport::{BlockingTransport, StreamCloser};

/// A stream, open or being opened by its reader: dropped, it is closed.
struct StreamReader {
    id: ExchangeId,
    closer: Arc<StreamCloser>,
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.closer.close();
    }
}

/// The stream of a followed task, and what its driver waits in.
#[derive(Default)]
pub struct BlockingIo {
    stream: Option<StreamReader>,
    pub(super) inbox: DriversInbox,
}

impl BlockingIo {
    fn drop_stream(&mut self, id: ExchangeId) {
        if self.stream.take_if(|reading| reading.id == id).is_some() {
            self.inbox.close(id);
        }
    }
}

impl<P: Provider, T: BlockingTransport> Running<P, T, Blocking> {
    /// Drives the task to its next event; `None` once the task is over or was interrupted.
    pub(super) fn drive(&mut self) -> Result<Option<NumberedEvent>, Error> {
        if self.driver.is_ended() {
            return Ok(None);
        }
        let _driving = self.io.inbox.0.driving();
        loop {
            while let Some(request) = self.io.inbox.take_request() {
                self.driver
                    .handle_request(request, self.client.transport().now());
            }
            let now = self.client.transport().now();
            // Notes activity: the driver may not have been polled for hours, and the stream was not silent in that time.
            if let Some(reading) = &self.io.stream
                && self.io.inbox.has_chunk()
            {
                self.driver.note_activity(reading.id, now);
            }
            let budget = &self.client.inner().budget;
            match self.driver.next_effect(now, budget, |_| true) {
                Effect::Save(revision) => self.save(revision)?,
                Effect::Interrupted => return Ok(None),
                // A thread waits for its turn in its exchange.
                Effect::AwaitTurn => {}
                Effect::Send(new) if new.opens_stream => self.open_beside(new),
                Effect::Send(new) => {
                    let endpoint = &self.client.inner().endpoint;
                    let report = exchange(endpoint, new.request, new.limits, None, new.span);
                    let now = self.client.transport().now();
                    self.driver.report(new.id, report.split().0, now);
                }
                // An exchange is over before the next step: this one was somebody else's.
                Effect::AwaitExchange { id, .. } => self.driver.abandoned(id, now),
                Effect::Receive { id, until } => match &self.io.stream {
                    Some(reading) if reading.id == id => self.receive(until, true),
                    _ => self.driver.abandoned(id, now),
                },
                Effect::Close(id) => self.io.drop_stream(id),
                Effect::Wait(until, _) => self.receive(until, false),
                Effect::Event(event) => return Ok(Some(event)),
                Effect::Done => {
                    self.io.inbox.end();
                    return Ok(None);
                }
            }
        }
    }

    /// Stores which events were taken, before control is handed back.
    pub(super) fn detach(&mut self) -> Result<(), Error> {
        loop {
            let now = self.client.transport().now();
            match self.driver.next_save(now, &self.client.inner().budget) {
                Some(revision) => self.save(revision)?,
                None => return Ok(()),
            }
        }
    }

    fn save(&mut self, revision: Revision) -> Result<(), Error> {
        let saved = match self.driver.to_save() {
            Some((journal, snapshot)) => journal.record(&snapshot),
            None => Ok(()),
        };
        self.driver.saved(revision, saved)
    }

    /// Opens and reads a stream in a thread of its own, which ends with the stream, or with the driver.
    fn open_beside(&mut self, new: NewExchange) {
        let id = new.id;
        self.io.inbox.open(id);
        let closer = Arc::new(StreamCloser::default());
        let inbox = self.io.inbox.0.clone();
        let endpoint = self.client.inner().endpoint.clone();
        let closing = closer.clone();
        let read = move || {
            let report = exchange(&endpoint, new.request, new.limits, Some(&closing), new.span);
            let (opened, stream) = report.split();
            if !inbox.bring(id, Brought::Opened(opened)) {
                return;
            }
            let Some(stream) = stream else { return };
            let mut stream = exchange::StreamReader::new(stream);
            loop {
                let next = stream.read();
                let more = matches!(next, Some(Ok(_)));
                if !inbox.bring(id, Brought::Chunk(next)) || !more {
                    return;
                }
            }
        };
        self.io.stream = Some(StreamReader { id, closer });
        if std::thread::Builder::new().spawn(read).is_err() {
            self.io.drop_stream(id);
            self.driver.abandoned(id, self.client.transport().now());
        }
    }

    /// Waits for a request or, when the stream is to be read, for what it brings.
    fn receive(&mut self, until: Timestamp, reads: bool) {
        let left = self.client.transport().time_until(until);
        let input = self.io.inbox.wait(left, reads);
        let now = self.client.transport().now();
        match input {
            Some(Input::Request(request)) => self.driver.handle_request(request, now),
            Some(Input::Stream(id, Brought::Opened(report))) => self.opened(id, report, now),
            Some(Input::Stream(id, Brought::Chunk(next))) => self.received(id, next, now),
            None => {}
        }
    }

    /// Reports the outcome of the exchange that was to open the stream.
    fn opened(&mut self, id: ExchangeId, report: Report<()>, now: Timestamp) {
        if self.driver.report(id, report, now).is_none() {
            self.io.drop_stream(id);
        }
    }

    /// Reports what a stream brought.
    fn received(&mut self, id: ExchangeId, next: Chunk, now: Timestamp) {
        if !matches!(next, Some(Ok(_))) {
            self.io.drop_stream(id);
        }
        self.driver.received(id, next, now);
    }
}
