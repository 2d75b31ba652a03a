//! The one request that may run beside the stream: planned, in flight, or reported.
//!
//! ```text
//! Idle ──► Planned ──► InFlight ──► Reported ──► Idle
//!             └──────────► Idle (the plan changed)
//! ```
//! The request that opens a stream leaves by `Planned ──► Idle`: once it is sent, the stream's region owns it.

use std::sync::Arc;

use crate::failure::ExchangeFailure;
use crate::id::{EventSeq, ExchangeId};
use crate::provider::ReadKind;
use crate::request::Request;
use crate::response::Response;
use crate::time::Timestamp;

/// What an exchange brought: a whole reply, or how it failed.
pub(super) type Report = Result<Response, ExchangeFailure>;

/// The state of the one request beside the stream. Each state holds what is still needed of the exchange: the request
/// until it is sent, the id until the report, and the purpose until the report is judged.
#[derive(Debug, Default)]
pub(super) enum Link {
    /// There is no request.
    #[default]
    Idle,
    /// The driver has been shown the request and has not sent it: it can be taken back.
    Planned(Exchange),
    /// The request may have reached the server; its report is the next input.
    InFlight(Sent),
    /// The driver has reported the exchange that was sent then, and the next step judges the report.
    Reported(Purpose, Timestamp, Report),
}

/// A request with its purpose.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) purpose: Purpose,
    pub(super) request: Arc<Request>,
}

/// A request that the driver performs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) id: ExchangeId,
    pub(super) purpose: Purpose,
    /// When the request was sent.
    pub(super) at: Timestamp,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Start,
    /// Starts the task, and opens the stream that names it. Once it is sent it belongs to the stream of the start.
    StartStream,
    /// Lists the tasks that a start whose reply was lost may have created.
    Locate,
    Read(Read),
    /// The read that must precede a write.
    Check,
    /// The request of a pending write.
    Write,
    /// A read that finds out whether an unconfirmed write arrived.
    Reconcile,
    Cancel,
    /// Opens the stream after this event. Once it is sent it belongs to the stream's region.
    OpenStream(Option<EventSeq>),
}

impl Purpose {
    /// Returns whether a human waits for this: then it does not wait for its turn at a server that limits the rate.
    pub(super) fn is_urgent(self) -> bool {
        match self {
            Self::Check | Self::Write | Self::Reconcile | Self::Cancel => true,
            Self::Start
            | Self::StartStream
            | Self::Locate
            | Self::Read(_)
            | Self::OpenStream(_) => false,
        }
    }
}

/// A read of the task. What a page of its events begins at stands in the backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Status,
    Questions,
    Events,
    Steps,
    Result,
}

impl Read {
    /// Returns the read that a provider asks for first. Of those that no poll plans, a status poll says more.
    pub(super) fn first(read: &ReadKind) -> Self {
        match read {
            ReadKind::Questions => Self::Questions,
            ReadKind::Steps => Self::Steps,
            ReadKind::Result => Self::Result,
            ReadKind::Status | ReadKind::Events { .. } | ReadKind::Stream { .. } => Self::Status,
        }
    }
}

impl Link {
    /// Returns what the exchange is for, in whichever state it is.
    pub(super) fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Idle => None,
            Self::Planned(exchange) => Some(exchange.purpose),
            Self::InFlight(sent) => Some(sent.purpose),
            Self::Reported(purpose, ..) => Some(*purpose),
        }
    }

    /// Returns the exchange that the driver has been shown and has not sent.
    pub(super) fn planned(&self) -> Option<&Exchange> {
        match self {
            Self::Planned(exchange) => Some(exchange),
            Self::Idle | Self::InFlight(_) | Self::Reported(..) => None,
        }
    }

    /// Returns the exchange that the driver performs.
    pub(super) fn in_flight(&self) -> Option<Sent> {
        match self {
            Self::InFlight(sent) => Some(*sent),
            Self::Idle | Self::Planned(_) | Self::Reported(..) => None,
        }
    }

    /// Returns whether a request was sent whose report has not been judged.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::InFlight(_) | Self::Reported(..))
    }

    /// Returns whether a request for this purpose was sent and its report has not been judged.
    pub(super) fn has_sent(&self, purpose: Purpose) -> bool {
        self.is_busy() && self.purpose() == Some(purpose)
    }

    /// Plans an exchange in the place of one that was planned before.
    pub(super) fn plan(&mut self, exchange: Exchange) {
        debug_assert!(!self.is_busy(), "one request at a time");
        *self = Self::Planned(exchange);
    }

    /// Takes back a request that was not sent; one that was sent stays.
    pub(super) fn take_back(&mut self) {
        if let Self::Planned(_) = self {
            *self = Self::Idle;
        }
    }

    /// Forgets the exchange, in whichever state: a later report for it changes nothing. Returns what it was for.
    pub(super) fn forget(&mut self) -> Option<Purpose> {
        let purpose = self.purpose();
        *self = Self::Idle;
        purpose
    }

    /// Notes that the planned request of this id was sent; returns its purpose. One that opens a stream is given away.
    pub(super) fn sent(&mut self, id: ExchangeId, now: Timestamp) -> Option<Purpose> {
        let planned = self.planned().filter(|planned| planned.id == id);
        let purpose = planned?.purpose;
        *self = match purpose {
            Purpose::OpenStream(_) | Purpose::StartStream => Self::Idle,
            _ => Self::InFlight(Sent {
                id,
                purpose,
                at: now,
            }),
        };
        Some(purpose)
    }

    /// Notes the report for the exchange of this id; returns when it was sent, and `None` when it is not in flight.
    #[inline]
    pub(super) fn reported(&mut self, id: ExchangeId, report: Report) -> Option<Timestamp> {
        let sent = self.in_flight().filter(|sent| sent.id == id)?;
        *self = Self::Reported(sent.purpose, sent.at, report);
        Some(sent.at)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn exchange(id: u64, purpose: Purpose) -> Exchange {
        let target = http::uri::PathAndQuery::from_static("/t");
        let request = Arc::new(Request::get(target));
        let id = ExchangeId(id);
        Exchange {
            id,
            purpose,
            request,
        }
    }

    fn reply() -> Report {
        Ok(Response::new(StatusCode::OK, "{}"))
    }

    const NOW: Timestamp = Timestamp::from_millis(7);

    #[test]
    fn an_exchange_goes_from_planned_to_judged_and_each_step_counts_once() {
        let mut link = Link::default();
        assert!(link.purpose().is_none() && !link.is_busy());
        link.plan(exchange(1, Purpose::Check));
        assert!(link.planned().is_some() && !link.has_sent(Purpose::Check));
        assert_eq!(link.reported(ExchangeId(1), reply()), None, "not sent yet");
        assert_eq!(link.sent(ExchangeId(2), NOW), None, "another one");
        assert_eq!(link.sent(ExchangeId(1), NOW), Some(Purpose::Check));
        assert_eq!(link.sent(ExchangeId(1), NOW), None, "sent already");
        assert!(link.has_sent(Purpose::Check) && !link.has_sent(Purpose::Write));
        link.take_back();
        assert!(
            link.in_flight().is_some(),
            "what was sent is not taken back"
        );
        assert_eq!(link.reported(ExchangeId(2), reply()), None, "another one");
        assert_eq!(link.reported(ExchangeId(1), reply()), Some(NOW));
        assert_eq!(
            link.reported(ExchangeId(1), reply()),
            None,
            "reported already"
        );
        assert!(link.is_busy() && link.in_flight().is_none());
    }

    /// Rows: F17.
    #[test]
    fn what_a_human_waits_for_does_not_wait_for_its_turn() {
        let urgent = [
            Purpose::Check,
            Purpose::Write,
            Purpose::Reconcile,
            Purpose::Cancel,
        ];
        assert!(urgent.into_iter().all(Purpose::is_urgent));
        let patient = [
            Purpose::Start,
            Purpose::Locate,
            Purpose::Read(Read::Status),
            Purpose::OpenStream(None),
        ];
        assert!(!patient.into_iter().any(Purpose::is_urgent));
    }

    #[test]
    fn what_is_planned_is_replaced_taken_back_or_given_to_the_stream() {
        let mut link = Link::default();
        link.plan(exchange(1, Purpose::Check));
        link.plan(exchange(1, Purpose::OpenStream(None)));
        assert_eq!(
            link.sent(ExchangeId(1), NOW),
            Some(Purpose::OpenStream(None))
        );
        assert!(link.purpose().is_none(), "it is the stream's");
        link.plan(exchange(2, Purpose::Cancel));
        link.take_back();
        assert!(link.purpose().is_none());
        link.plan(exchange(3, Purpose::Cancel));
        assert_eq!(link.forget(), Some(Purpose::Cancel));
    }
}
