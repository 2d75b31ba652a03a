//! What the machine asks its driver to do.

use std::sync::Arc;

use crate::event::Event;
use crate::id::{EventId, EventNo, ExchangeId, Revision};
use crate::limits::Limits;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::time::Timestamp;

/// One thing to do. It is left behind only by its acknowledgement, a report, a request of the application or a later time.
#[derive(Clone, Debug)]
pub enum Step {
    /// Store [`Task::snapshot`](crate::Task::snapshot), then call [`Task::saved`](crate::Task::saved). No write is sent
    /// before that.
    Save {
        /// The revision to acknowledge.
        revision: Revision,
    },
    /// Call [`Task::sent`](crate::Task::sent), perform the exchange and report it exactly once.
    Send {
        /// The id to report under.
        id: ExchangeId,
        /// The request to send.
        request: Arc<Request>,
        /// The limits of the exchange.
        limits: Limits,
    },
    /// Call [`Task::sent`](crate::Task::sent), begin the exchange that opens the stream, and go on without waiting.
    /// Wait for it like for the stream, with [`Receive`](Self::Receive) or beside another exchange, and report its
    /// head, reply or failure when it comes. Nothing else has to wait meanwhile.
    Open {
        /// The id to report under: the stream's id from now on.
        id: ExchangeId,
        /// The request to send.
        request: Arc<Request>,
        /// The limits of the exchange.
        limits: Limits,
    },
    /// Wait until this time for the head of the stream that is being opened, or for the next chunk of the open stream;
    /// then ask for the next step again, whether something came or not.
    Receive {
        /// The stream.
        id: ExchangeId,
        /// When to wake up. This is no timeout: nothing is reported when it passes.
        until: Timestamp,
    },
    /// Drop this stream, open or being opened, then call [`Task::closed`](crate::Task::closed).
    Close {
        /// The stream.
        id: ExchangeId,
    },
    /// An exchange is under way; its report is the next input. A driver that no longer owns it reports it as abandoned.
    InFlight {
        /// The exchange.
        id: ExchangeId,
        /// The stream that is open or being opened, if the driver may wait for it meanwhile. A driver that waits only
        /// for the exchange loses nothing.
        stream: Option<ExchangeId>,
    },
    /// Nothing to do until this time; an answer, a message or a cancel may come earlier.
    Wait {
        /// When to ask for the next step again.
        until: Timestamp,
        /// What the task waits for.
        why: WaitReason,
    },
    /// Deliver this event, then call [`Task::taken`](crate::Task::taken).
    Event {
        /// The number to acknowledge.
        no: EventNo,
        /// The event's number, the same in every process.
        id: EventId,
        /// What happened.
        event: Arc<Event>,
    },
    /// Stop: the task is over, and stays so. [`Task::into_outcome`](crate::Task::into_outcome) gives the outcome away.
    Done,
}
