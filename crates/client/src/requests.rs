//! What handles request of the driver of their task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taskward_core::{Answer, Error, ErrorKind, MessageNo, QuestionId};

/// Returns the result of a request to the handle that made it.
pub(crate) type Responder<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// What a handle can request of a task that is driven elsewhere.
pub(crate) enum HandleCommand {
    /// Answer a question.
    Answer(QuestionId, Answer, Responder<()>),
    /// Send a message without a question.
    Message(String, Responder<MessageNo>),
    /// Cancel the task.
    Cancel(Responder<()>),
    /// Hand control back.
    Interrupt(Responder<()>),
}

/// How long a handle waits for a task that nobody drives.
pub(crate) const NOT_DRIVEN_AFTER: Duration = Duration::from_secs(30);

/// Decides between the driver that takes a handle's request and the handle that withdraws it: the first one to claim the
/// request has it for good, so that a withdrawn request is never applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Claims the request; returns `false` when the other side has it.
    pub(crate) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Withdraws a request when the future or call that waits for it is dropped.
#[derive(Debug)]
pub(crate) struct Withdraw(pub(crate) Claim);

impl Drop for Withdraw {
    fn drop(&mut self) {
        // The driver may have claimed it: then it is applied, and its events report the outcome.
        let _ = self.0.take();
    }
}

/// A request of a handle to the driver of its task.
pub(crate) struct HandleRequest {
    command: HandleCommand,
    claim: Claim,
}

impl HandleRequest {
    /// Builds a request that can be withdrawn until the driver takes it.
    pub(crate) fn new(request: HandleCommand, claim: &Claim) -> Self {
        Self {
            command: request,
            claim: claim.clone(),
        }
    }

    /// Takes the request, unless it was withdrawn.
    pub(crate) fn take(self) -> Option<HandleCommand> {
        self.claim.take().then_some(self.command)
    }
}

/// Returns the error of a request that no driver will ever take.
pub(crate) fn gone() -> Error {
    let text = "nobody drives the task any more: it is over, or its `Running` was dropped";
    Error::new(ErrorKind::NotDriven, text)
}

/// Returns the error of a request that no driver took in time, and that was withdrawn.
pub(crate) fn not_driven(after: Duration) -> Error {
    let text = format!(
        "nobody drove the task for {after:?}: the command was withdrawn and will not be applied; call `next` or `wait` of \
         its `Running` meanwhile"
    );
    Error::new(ErrorKind::NotDriven, text)
}
