//! What searches for the tasks of lost starts have read for good.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use taskward_core::{SearchReply, SearchRequest, TaskId};

/// The most first messages that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The first messages of tasks that earlier searches have read: a client that recovers many starts reads each once.
#[derive(Default)]
pub(crate) struct FirstMessages(Mutex<HashMap<TaskId, SearchReply>>);

impl FirstMessages {
    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, SearchReply>> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of this request's reply.
    pub(crate) fn known<P>(&self, request: &SearchRequest<P>) -> Option<SearchReply> {
        self.lock().get(request.first_message_of()?).cloned()
    }

    /// Remembers a reply about this task, where it says something for good.
    pub(crate) fn remember(&self, task: Option<TaskId>, reply: &SearchReply) {
        if let Some((task, reply)) = task.zip(reply.lasting()) {
            let mut known = self.lock();
            if known.len() >= MOST_REMEMBERED {
                known.clear();
            }
            known.insert(task, reply);
        }
    }
}
