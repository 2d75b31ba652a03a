//! One look at a task, as the provider reads it, and all of its events.

use taskward::core::{
    BuildError, Item, Look, Operation, Position, ReadError, Reading, Request, Response,
};
use taskward::{Provider, TaskId};

use crate::exit::Exit;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// A look.
#[derive(Clone, Debug)]
pub(super) struct Read<P> {
    provider: P,
    id: TaskId,
    look: Look,
}

impl<P: Provider> Read<P> {
    /// At this task.
    pub(super) fn new(task: &TaskRef, look: Look) -> Self {
        Self {
            provider: P::default(),
            id: task.id().clone(),
            look,
        }
    }
}

impl<P: Provider> Operation for Read<P> {
    type Output = Reading<P::Output>;
    const NAME: &'static str = "look";

    fn request(&self) -> Result<Request, BuildError> {
        self.provider.look(&self.id, &self.look)
    }

    fn is_status_read(&self) -> bool {
        self.look == Look::Status
    }

    fn read(&self, reply: &Response) -> Result<Reading<P::Output>, ReadError> {
        self.provider.read(&self.id, &self.look, reply)
    }
}

/// Gives each event after a position, oldest first. How many entries of the list could not be read.
pub(super) async fn each_event<P: Platform>(
    session: &Session<P>,
    task: &TaskRef,
    after: Option<Position>,
    mut take: impl FnMut(&Item) -> Result<(), Box<Problem>>,
) -> Result<usize, Box<Problem>> {
    let mut last = after;
    let mut unreadable = 0;
    let mut cursor = None;
    loop {
        let look = Look::Events { cursor };
        let Reading::Events(page) = session.read(task, Read::<P>::new(task, look)).await? else {
            let what = "the list of events reads like no list of events";
            return Err(Problem::new(Exit::Other, "decode", what));
        };
        let read = page.items.len();
        unreadable += page.items.unreadable();
        let mut news = 0;
        for item in page.items.readable() {
            // A list may begin anew with every page.
            if item.event.position.is_some() && item.event.position <= last {
                continue;
            }
            last = item.event.position.or(last);
            news += 1;
            take(item)?;
        }
        // Pages that were skipped by `after` bring nothing new and are not the end.
        let skipping = news == 0 && read > 0 && last == after;
        cursor = page.next;
        if cursor.is_none() || (news == 0 && !skipping) {
            return Ok(unreadable);
        }
        let look = Look::Events {
            cursor: cursor.clone(),
        };
        if Read::<P>::new(task, look).request().is_err() {
            let bytes = cursor.map_or(0, |cursor| cursor.len());
            let what = format!(
                "the server's list of events goes on at a cursor of {bytes} bytes, which no request can carry"
            );
            return Err(Problem::new(Exit::Other, "protocol", what));
        }
    }
}
