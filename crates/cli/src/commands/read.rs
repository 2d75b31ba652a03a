//! One read of a task, as the provider understands it, and all of its events.

use taskward::core::{
    ApiError, BuildError, EventSeq, Operation, PollResult, ReadError, ReadKind, Request, Response,
    StreamEvent,
};
use taskward::{Provider, TaskId};

use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::task_ref::TaskRef;

/// A read of one task.
#[derive(Clone, Debug)]
pub(crate) struct Read<P> {
    provider: P,
    id: TaskId,
    read: ReadKind,
}

impl<P: Provider> Read<P> {
    /// Of this task of this provider.
    pub(crate) fn new(provider: &P, task: &TaskRef, read: ReadKind) -> Self {
        Self {
            provider: provider.clone(),
            id: task.id().clone(),
            read,
        }
    }
}

impl<P: Provider> Operation for Read<P> {
    type Output = PollResult<P::Output>;
    const NAME: &'static str = "read";

    fn request(&self) -> Result<Request, BuildError> {
        self.provider.read_request(&self.id, &self.read)
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        self.provider.classify(reply)
    }

    fn is_status_read(&self) -> bool {
        self.read == ReadKind::Status
    }

    fn read(&self, reply: &Response) -> Result<PollResult<P::Output>, ReadError> {
        self.provider.read(&self.id, &self.read, reply)
    }
}

/// Gives each event after a position, oldest first. How many entries of the list could not be read.
pub(crate) async fn each_event<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    after: Option<EventSeq>,
    mut take: impl FnMut(&StreamEvent) -> CliResult<()>,
) -> CliResult<usize> {
    let mut last = after;
    let mut unreadable = 0;
    let mut cursor = None;
    loop {
        let read = ReadKind::Events { cursor };
        let PollResult::Events(page) = connection
            .read(task, Read::new(connection.client.provider(), task, read))
            .await?
        else {
            let what = "the list of events reads like no list of events";
            return Err(CliError::new(Code::Decode, what));
        };
        let read = page.events.len();
        unreadable += page.events.unreadable();
        let mut news = 0;
        for item in page.events.readable() {
            // A list may begin again with every page.
            if item.event.seq.is_some() && item.event.seq <= last {
                continue;
            }
            last = item.event.seq.or(last);
            news += 1;
            take(item)?;
        }
        // Pages that were skipped by `after` bring nothing new and are not the end.
        let skipping = news == 0 && read > 0 && last == after;
        cursor = page.next;
        if cursor.is_none() || (news == 0 && !skipping) {
            return Ok(unreadable);
        }
        let read = ReadKind::Events {
            cursor: cursor.clone(),
        };
        if Read::new(connection.client.provider(), task, read)
            .request()
            .is_err()
        {
            let bytes = cursor.map_or(0, |cursor| cursor.len());
            let what = format!(
                "the server's list of events continues at a cursor of {bytes} bytes, which no request can carry"
            );
            return Err(CliError::new(Code::Protocol, what));
        }
    }
}
