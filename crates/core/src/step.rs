//! What the machine asks of its driver.

use crate::event::Event;
use crate::id::{EventId, EventNo, ExchangeId, Revision};
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::time::Timestamp;

/// One thing to do. It is left behind only by its acknowledgement, a report, a wish of the application or later time.
#[derive(Debug)]
pub enum Step<'a, O> {
    /// Store [`Task::snapshot`](crate::Task::snapshot), then call [`Task::saved`](crate::Task::saved). No write leaves
    /// before it.
    Save {
        /// What to acknowledge.
        revision: Revision,
    },
    /// Call [`Task::sent`](crate::Task::sent), perform the exchange, report exactly once.
    Send {
        /// What to report under.
        id: ExchangeId,
        /// What to send.
        request: &'a Request,
        /// What it may cost.
        limits: Limits,
    },
    /// Call [`Task::sent`](crate::Task::sent), begin the exchange that opens the stream, and go on: it is waited for as
    /// the stream is, with [`Receive`](Self::Receive) or beside an exchange, and its head, reply or failure reported when
    /// it comes. Nothing else stands still meanwhile.
    Open {
        /// What to report under: the stream's id from now on.
        id: ExchangeId,
        /// What to send.
        request: &'a Request,
        /// What it may cost.
        limits: Limits,
    },
    /// Wait for the head of the stream that is being opened, or for the next chunk of the open one, until this time; then
    /// poll again, whether something came or not.
    Receive {
        /// The stream.
        id: ExchangeId,
        /// A wake-up, not a timeout: nothing is reported when it passes.
        until: Timestamp,
    },
    /// Drop that stream, open or being opened, then call [`Task::closed`](crate::Task::closed).
    Close {
        /// The stream.
        id: ExchangeId,
    },
    /// An exchange is under way; its report is the next input. A driver that does not hold it reports it abandoned.
    InFlight {
        /// The exchange.
        id: ExchangeId,
        /// The stream that is open or being opened, when it may be waited for meanwhile. A driver that waits for the
        /// exchange alone loses nothing.
        stream: Option<ExchangeId>,
    },
    /// Nothing to do until then; an answer, a message or a cancel may come earlier.
    Wait {
        /// When to poll again.
        until: Timestamp,
        /// What is waited for.
        why: WaitReason,
    },
    /// Tell this, then call [`Task::taken`](crate::Task::taken).
    Event {
        /// What to acknowledge.
        no: EventNo,
        /// Its number, the same in every process.
        id: EventId,
        /// What happened.
        event: &'a Event,
    },
    /// Over. Said again for ever.
    Done(&'a Outcome<O>),
}
