//! The retry matrix: a pure function of progress, cause, status and safety, and the backoff that follows from it.

use std::time::Duration;

use http::StatusCode;

use crate::budget::OriginBudget;
use crate::error::{ApiError, ErrorClass, ReadError};
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::operation::Safety;
use crate::policy::Retry;
use crate::reason::{FailedAttempt, RetryReason, WaitReason};
use crate::response::{Head, Response};
use crate::time::{Timestamp, millis};

/// Why one attempt did not succeed.
#[derive(Clone, Debug)]
pub(crate) enum AttemptError {
    /// The exchange failed.
    Wire(ExchangeFailure),
    /// The server answered with an error.
    Refused(Box<Refusal>),
    /// The server answered 2xx with a body that cannot be read.
    Unreadable(ReadError),
}

/// An error that the server answered with, and the head of that reply.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ApiError,
    pub(crate) head: Head,
}

impl AttemptError {
    /// Creates the error for a reply that is one.
    pub(crate) fn refused(error: ApiError, reply: &Response) -> Self {
        let head = reply.head.clone();
        Self::Refused(Box::new(Refusal { error, head }))
    }

    /// Returns the class of the server's error, if the server decided anything: a redirect that was not followed is
    /// none.
    pub(crate) fn class(&self) -> Option<ErrorClass> {
        let status = match self {
            Self::Refused(refusal) => return Some(refusal.error.class),
            Self::Wire(failure) => failure.head()?.status,
            Self::Unreadable(_) => return None,
        };
        let is_error = !status.is_success() && !status.is_redirection();
        is_error.then(|| ErrorClass::of_status(status))
    }

    /// Returns whether the server says that there is no such thing and never will be again (RFC 9110, section 15.5.11):
    /// another "not found" may only be too early.
    pub(crate) fn is_gone_for_good(&self) -> bool {
        self.status() == Some(StatusCode::GONE)
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Wire(failure) => failure.head().map(|head| head.status),
            Self::Refused(refusal) => Some(refusal.error.status),
            Self::Unreadable(_) => None,
        }
    }

    fn head(&self) -> Option<&Head> {
        match self {
            Self::Wire(failure) => failure.head(),
            Self::Refused(refusal) => Some(&refusal.head),
            Self::Unreadable(_) => None,
        }
    }

    /// Returns the wait that the server asked for, if the error gives it a meaning (RFC 9110, section 10.2.3).
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let is_temporary = matches!(
            self.class(),
            Some(ErrorClass::RateLimited | ErrorClass::Server)
        );
        is_temporary.then(|| self.head()?.retry_after(now))?
    }

    /// Returns what an outcome keeps of this attempt.
    pub(crate) fn record(&self) -> FailedAttempt {
        FailedAttempt::new(RetryReason::of(self), self.to_string())
    }

    /// Returns whether the attempt failed here, before the server could see anything of it, and says nothing of the server.
    pub(crate) fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Wire(ExchangeFailure {
                cause: Cause::OutOfDescriptors,
                ..
            })
        )
    }

    /// Returns whether the server refused the request for being one too many: then its rate holds the next ones back.
    pub(crate) fn is_refused_by_rate(&self) -> bool {
        let head = match self {
            Self::Refused(refusal) => Some(&refusal.head),
            Self::Wire(failure) => failure.head(),
            Self::Unreadable(_) => None,
        };
        head.is_some_and(|head| crate::budget::is_one_too_many(head.status))
    }

    fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::Wire(ExchangeFailure {
                cause: Cause::Timeout(_),
                ..
            })
        )
    }
}

impl std::fmt::Display for AttemptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wire(failure) => failure.fmt(f),
            Self::Refused(refusal) => {
                refusal.error.fmt(f)?;
                match &refusal.error.request_id {
                    Some(id) => write!(f, " (request {id})"),
                    None => Ok(()),
                }
            }
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl RetryReason {
    /// Returns why a request that the server answered with this error is repeated.
    pub(crate) fn of_error(error: &ApiError) -> Self {
        match error.status.is_success() {
            true => Self::Refused(error.class),
            false => Self::Status(error.status.as_u16()),
        }
    }

    /// Returns why an attempt that failed like this is repeated.
    pub(crate) fn of(error: &AttemptError) -> Self {
        match error {
            AttemptError::Wire(failure) => Self::Wire(failure.cause.clone()),
            AttemptError::Refused(refusal) => Self::of_error(&refusal.error),
            AttemptError::Unreadable(error) => Self::Unreadable(error.kind()),
        }
    }
}

/// Whether an attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retryability {
    /// The request may be repeated.
    Retryable,
    /// The server decided: it did nothing, and repeating the request would not change that.
    Final,
    /// The server may have acted. A write without a key must not be repeated.
    Unknown,
}

/// Looks up one attempt in the matrix of progress and status against safety. docs/faults.toml, group F, states the
/// rows.
pub(crate) fn retryability(error: &AttemptError, safety: Safety, policy: &Retry) -> Retryability {
    let ambiguous = match safety.is_repeatable() {
        true => Retryability::Retryable,
        false => Retryability::Unknown,
    };
    match error {
        AttemptError::Unreadable(_) => ambiguous,
        AttemptError::Refused(refusal) => {
            judge_class(refusal.error.class, &refusal.head, safety, policy)
        }
        AttemptError::Wire(failure) => match (&failure.progress, &failure.cause) {
            // Whatever answers there is not the server that we know, and will not become it.
            (
                ExchangeProgress::NotSent,
                Cause::Certificate | Cause::Protocol | Cause::SourceChanged | Cause::Source,
            ) => Retryability::Final,
            (ExchangeProgress::NotSent, _) => Retryability::Retryable,
            // The same bytes cannot be sent again.
            (ExchangeProgress::MaybeSent, Cause::SourceChanged | Cause::Source)
                if safety.is_repeatable() =>
            {
                Retryability::Final
            }
            (ExchangeProgress::MaybeSent, _) => ambiguous,
            // A refused redirect is an answer: the server did nothing.
            (ExchangeProgress::Answered(_), Cause::Redirect) => Retryability::Final,
            (ExchangeProgress::Answered(head), _) if head.status.is_success() => {
                match failure.cause {
                    Cause::TooLarge { .. } | Cause::Encoding if safety.is_repeatable() => {
                        Retryability::Final
                    }
                    _ => ambiguous,
                }
            }
            (ExchangeProgress::Answered(head), _) => {
                judge_class(ErrorClass::of_status(head.status), head, safety, policy)
            }
        },
    }
}

fn judge_class(class: ErrorClass, head: &Head, safety: Safety, policy: &Retry) -> Retryability {
    match class {
        ErrorClass::RateLimited => Retryability::Retryable,
        ErrorClass::Server if safety.is_repeatable() => Retryability::Retryable,
        ErrorClass::Server if policy.unkeyed_503 && is_turned_away(head) => Retryability::Retryable,
        ErrorClass::Server => Retryability::Unknown,
        ErrorClass::Invalid
        | ErrorClass::Refused
        | ErrorClass::Unauthorised
        | ErrorClass::Gone
        | ErrorClass::NoSuchMethod
        | ErrorClass::NotCancellable
        | ErrorClass::Conflict => Retryability::Final,
    }
}

/// Returns whether a server that is overloaded asks to come back later: it did nothing (RFC 9110, section 15.6.4).
fn is_turned_away(head: &Head) -> bool {
    let asks = head.headers.contains_key(http::header::RETRY_AFTER);
    asks && head.status == StatusCode::SERVICE_UNAVAILABLE
}

/// What to do after a failed attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Repeat the request, but not before this time.
    Again(Timestamp),
    /// The budget or the time is used up; the write, if it was one, was not applied.
    Exhausted,
    /// The server or the cause has decided: repeating would not help.
    Final,
    /// The request may have been applied.
    Unknown,
}

/// One attempt of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// What makes the request safe to repeat.
    pub(crate) safety: Safety,
    /// The attempt's number, from 1.
    pub(crate) number: u32,
    /// A random number, for the jitter of the next wait.
    pub(crate) draw: u16,
    /// When the attempt failed.
    pub(crate) now: Timestamp,
    /// When the call must be over.
    pub(crate) until: Timestamp,
    /// Whether the server may have received an earlier attempt.
    pub(crate) maybe: bool,
}

/// Judges one attempt and decides about the next.
pub(crate) fn decide(
    error: &AttemptError,
    attempt: &Attempt,
    policy: &Retry,
    budget: &OriginBudget,
) -> RetryDecision {
    let Attempt {
        safety,
        number,
        draw,
        now,
        until,
        maybe,
    } = *attempt;
    // If the server may have received any attempt of a keyed write, its outcome is unknown once the client stops
    // repeating it, whatever the reply to the last attempt was.
    let given_up = |decision| {
        let maybe = maybe || may_have_happened(error, policy);
        if safety == Safety::Keyed && maybe {
            RetryDecision::Unknown
        } else {
            decision
        }
    };
    match retryability(error, safety, policy) {
        Retryability::Final => return given_up(RetryDecision::Final),
        Retryability::Unknown => return RetryDecision::Unknown,
        Retryability::Retryable => {}
    }
    let allowed = if safety == Safety::Repeatable {
        policy.reads
    } else {
        policy.writes
    };
    let next = now.after(wait(error, number, policy, draw, now));
    let is_paid = error.is_local() || budget.take(error.is_timeout());
    if number >= allowed || next > until || !is_paid {
        return given_up(RetryDecision::Exhausted);
    }
    RetryDecision::Again(next)
}

/// Returns whether the server may have received the attempt: if so, a write without a key is not repeated.
pub(crate) fn may_have_happened(error: &AttemptError, policy: &Retry) -> bool {
    retryability(error, Safety::Once, policy) == Retryability::Unknown
}

/// Returns the wait after `failures` failures in a row: full jitter below the backoff's ceiling, or the wait that the
/// server asked for if that is longer (up to its cap).
pub(crate) fn wait(
    error: &AttemptError,
    failures: u32,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> Duration {
    let own = Duration::from_millis(scale(policy.ceiling(failures), draw));
    server_delay(error, policy, draw, now).map_or(own, |asked| own.max(asked))
}

/// Returns the wait that the server asked for, up to its cap, lengthened by up to a tenth: the many clients that were
/// given the same wait, or the same date, must not return at the same moment.
pub(crate) fn server_delay(
    error: &AttemptError,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> Option<Duration> {
    let asked = millis(error.retry_after(now)?.min(policy.hint_cap));
    let lengthened = asked.saturating_add(scale(asked / 10, draw));
    Some(Duration::from_millis(lengthened))
}

/// Returns why a wait of this length was chosen.
pub(crate) fn wait_reason(
    error: &AttemptError,
    wait: Duration,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> WaitReason {
    match server_delay(error, policy, draw, now) {
        Some(asked) if asked >= wait => WaitReason::ServerDelay,
        Some(_) | None => WaitReason::Backoff,
    }
}

/// Returns the wait of a request that may be postponed but not given up, while the budget is empty: the upper half of
/// the longest backoff, so that the many clients of one server do not return at the same moment.
pub(crate) fn exhausted_budget_delay(policy: &Retry, draw: u16) -> Duration {
    let longest = millis(policy.cap);
    Duration::from_millis(longest - longest / 2 + scale(longest / 2, draw))
}

/// Returns `ceiling × draw / 65535` without overflow.
fn scale(ceiling: u64, draw: u16) -> u64 {
    let product = u128::from(ceiling) * u128::from(draw) / u128::from(u16::MAX);
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ReadErrorKind;
    use crate::failure::TimeoutPhase;
    use Retryability::{Final, Retryable as Again, Unknown};
    use Safety::{Keyed, Once, Repeatable, Traceable};

    fn wire(stage: ExchangeProgress, cause: Cause) -> AttemptError {
        AttemptError::Wire(ExchangeFailure::new(stage, cause, ""))
    }

    fn answered(status: u16) -> AttemptError {
        let reply = Response::new(StatusCode::from_u16(status).expect("status"), "");
        AttemptError::refused(ApiError::read(&reply), &reply)
    }

    /// Every row of the matrix: a read or an idempotent write, a keyed write, a write without a key.
    ///
    /// Rows: F12, F13.
    #[test]
    fn the_retry_matrix_is_the_documented_one() {
        let ok = || ExchangeProgress::Answered(Box::new(Head::new(StatusCode::OK)));
        let with_hint = |status: u16| {
            let mut reply = Response::new(StatusCode::from_u16(status).expect("status"), "");
            reply
                .head
                .headers
                .insert("retry-after", "1".parse().expect("value"));
            AttemptError::refused(ApiError::read(&reply), &reply)
        };
        let rows: Vec<(AttemptError, [Retryability; 3])> = vec![
            (
                wire(ExchangeProgress::NotSent, Cause::Resolve),
                [Again, Again, Again],
            ),
            (
                wire(ExchangeProgress::NotSent, Cause::Refused),
                [Again, Again, Again],
            ),
            (
                wire(ExchangeProgress::NotSent, Cause::Tls),
                [Again, Again, Again],
            ),
            (
                wire(
                    ExchangeProgress::NotSent,
                    Cause::Timeout(TimeoutPhase::Connect),
                ),
                [Again, Again, Again],
            ),
            (
                wire(ExchangeProgress::NotSent, Cause::Certificate),
                [Final, Final, Final],
            ),
            (
                wire(ExchangeProgress::NotSent, Cause::Protocol),
                [Final, Final, Final],
            ),
            (
                wire(ExchangeProgress::NotSent, Cause::SourceChanged),
                [Final, Final, Final],
            ),
            (
                wire(ExchangeProgress::MaybeSent, Cause::Reset),
                [Again, Again, Unknown],
            ),
            (
                wire(
                    ExchangeProgress::MaybeSent,
                    Cause::Timeout(TimeoutPhase::Head),
                ),
                [Again, Again, Unknown],
            ),
            (
                wire(ExchangeProgress::MaybeSent, Cause::Protocol),
                [Again, Again, Unknown],
            ),
            (
                wire(ExchangeProgress::MaybeSent, Cause::SourceChanged),
                [Final, Final, Unknown],
            ),
            (
                wire(ExchangeProgress::MaybeSent, Cause::Abandoned),
                [Again, Again, Unknown],
            ),
            (wire(ok(), Cause::Truncated), [Again, Again, Unknown]),
            (
                wire(ok(), Cause::Timeout(TimeoutPhase::Body)),
                [Again, Again, Unknown],
            ),
            (
                wire(ok(), Cause::TooLarge { cap: 1 }),
                [Final, Final, Unknown],
            ),
            (wire(ok(), Cause::Redirect), [Final, Final, Final]),
            (
                AttemptError::Unreadable(ReadError::new(ReadErrorKind::Truncated, "")),
                [Again, Again, Unknown],
            ),
            (answered(408), [Again, Again, Unknown]),
            (answered(425), [Again, Again, Unknown]),
            (answered(429), [Again, Again, Again]),
            (answered(500), [Again, Again, Unknown]),
            (answered(502), [Again, Again, Unknown]),
            (answered(503), [Again, Again, Unknown]),
            (with_hint(503), [Again, Again, Again]),
            (answered(504), [Again, Again, Unknown]),
            (answered(600), [Again, Again, Unknown]),
            (answered(501), [Final, Final, Final]),
            (answered(505), [Final, Final, Final]),
            (answered(511), [Final, Final, Final]),
            (answered(304), [Final, Final, Final]),
            (answered(400), [Final, Final, Final]),
            (answered(401), [Final, Final, Final]),
            (answered(404), [Final, Final, Final]),
            (answered(409), [Final, Final, Final]),
            (answered(413), [Final, Final, Final]),
            (answered(415), [Final, Final, Final]),
            (answered(422), [Final, Final, Final]),
        ];
        for (error, expected) in rows {
            let found = [Repeatable, Keyed, Once]
                .map(|safety| retryability(&error, safety, &Retry::default()));
            assert_eq!(found, expected, "{error:?}");
            let traced = retryability(&error, Traceable, &Retry::default());
            assert_eq!(traced, expected[2], "as a write without a key: {error:?}");
        }
    }

    /// Rows: F2, F3, F7.
    #[test]
    fn a_server_given_wait_is_honoured_up_to_its_cap() {
        let now = Timestamp::from_millis(0);
        let drawn = |value: &str, status: u16, draw: u16| {
            let mut reply = Response::new(StatusCode::from_u16(status).expect("status"), "");
            reply
                .head
                .headers
                .insert("retry-after", value.parse().expect("value"));
            wait(
                &AttemptError::refused(ApiError::read(&reply), &reply),
                1,
                &Retry::default(),
                draw,
                now,
            )
            .as_millis()
        };
        let hint = |value: &str, status: u16| drawn(value, status, u16::MAX);
        assert_eq!((drawn("7", 429, 0), hint("7", 429)), (7_000, 7_700));
        let most = (drawn("99999999", 429, 0), hint("99999999", 429));
        assert_eq!(most, (300_000, 330_000));
        assert_eq!(hint("0", 429), 500, "our own backoff when it is longer");
        assert_eq!(hint("7", 400), 500, "no meaning on a 400");
    }

    #[test]
    fn what_is_put_off_comes_back_spread_over_half_the_longest_backoff() {
        let wait = |draw| exhausted_budget_delay(&Retry::default(), draw).as_millis();
        assert_eq!((wait(0), wait(u16::MAX)), (15_000, 30_000));
    }

    #[test]
    fn a_retry_that_cannot_meet_the_deadline_is_not_made() {
        let now = Timestamp::from_millis(1000);
        let run = |number, safety, error: &AttemptError, until| {
            decide(
                error,
                &Attempt {
                    safety,
                    number,
                    draw: u16::MAX,
                    now,
                    until,
                    maybe: false,
                },
                &Retry::default(),
                &OriginBudget::new(),
            )
        };
        let reset = wire(ExchangeProgress::MaybeSent, Cause::Reset);
        assert_eq!(
            run(1, Repeatable, &reset, Timestamp::MAX),
            RetryDecision::Again(Timestamp::from_millis(1500))
        );
        assert_eq!(
            run(1, Repeatable, &reset, Timestamp::from_millis(1499)),
            RetryDecision::Exhausted
        );
        assert_eq!(
            run(5, Repeatable, &reset, Timestamp::MAX),
            RetryDecision::Exhausted
        );
        assert_eq!(
            run(4, Keyed, &reset, Timestamp::MAX),
            RetryDecision::Unknown
        );
        assert_eq!(
            run(
                4,
                Keyed,
                &wire(ExchangeProgress::NotSent, Cause::Refused),
                Timestamp::MAX
            ),
            RetryDecision::Exhausted
        );
        assert_eq!(run(1, Once, &reset, Timestamp::MAX), RetryDecision::Unknown);
    }
}
