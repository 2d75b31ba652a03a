//! The retry matrix: one pure function of stage, cause, status and safety, and the backoff that follows from it.

use std::time::Duration;

use http::StatusCode;

use crate::budget::OriginBudget;
use crate::error::{ApiError, ReadError};
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::operation::Safety;
use crate::policy::Retry;
use crate::reason::WaitReason;
use crate::response::{Head, Response};
use crate::time::{Timestamp, millis};

/// What an exchange that did not succeed showed.
#[derive(Clone, Debug)]
pub(crate) enum AttemptError {
    /// The wire failed.
    Wire(ExchangeFailure),
    /// The server answered with something other than 2xx.
    Refused(Box<Response>),
    /// A 2xx whose body cannot be read.
    Unreadable(ReadError),
}

impl AttemptError {
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Wire(failure) => failure.head().map(|head| head.status),
            Self::Refused(reply) => Some(reply.status()),
            Self::Unreadable(_) => None,
        }
    }

    fn head(&self) -> Option<&Head> {
        match self {
            Self::Wire(failure) => failure.head(),
            Self::Refused(reply) => Some(&reply.head),
            Self::Unreadable(_) => None,
        }
    }

    /// The wait that the server asked for; only where the status gives it a meaning.
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let head = self.head()?;
        let asked = matches!(head.status.as_u16(), 408 | 425 | 429 | 500..=599);
        asked.then(|| head.retry_after(now))?
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
            Self::Refused(reply) => {
                let error = ApiError::read(reply);
                error.fmt(f)?;
                match &error.request_id {
                    Some(id) => write!(f, " (request {id})"),
                    None => Ok(()),
                }
            }
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

/// What the matrix says of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retryability {
    /// It may be tried again.
    Retryable,
    /// It is decided: nothing was done, and trying again would not change that.
    Final,
    /// It may have been done. A write without a key stops here.
    Unknown,
}

/// The matrix of stage and status against safety.
pub(crate) fn retryability(trouble: &AttemptError, safety: Safety, policy: &Retry) -> Retryability {
    let ambiguous = if safety == Safety::Once {
        Retryability::Unknown
    } else {
        Retryability::Retryable
    };
    match trouble {
        AttemptError::Unreadable(_) => ambiguous,
        AttemptError::Refused(reply) => judge_status(&reply.head, safety, policy),
        AttemptError::Wire(failure) => match (&failure.progress, &failure.cause) {
            // What answers there is not, and will not become, the server we know.
            (
                ExchangeProgress::NotSent,
                Cause::Certificate | Cause::Protocol | Cause::SourceChanged | Cause::Source,
            ) => Retryability::Final,
            (ExchangeProgress::NotSent, _) => Retryability::Retryable,
            // The same bytes cannot be sent again.
            (ExchangeProgress::MaybeSent, Cause::SourceChanged | Cause::Source)
                if safety != Safety::Once =>
            {
                Retryability::Final
            }
            (ExchangeProgress::MaybeSent, _) => ambiguous,
            // A redirect that is refused was answered, and nothing was done.
            (ExchangeProgress::Answered(_), Cause::Redirect) => Retryability::Final,
            (ExchangeProgress::Answered(head), _) if head.status.is_success() => {
                match failure.cause {
                    Cause::TooLarge { .. } | Cause::Encoding if safety != Safety::Once => {
                        Retryability::Final
                    }
                    _ => ambiguous,
                }
            }
            (ExchangeProgress::Answered(head), _) => judge_status(head, safety, policy),
        },
    }
}

fn judge_status(head: &Head, safety: Safety, policy: &Retry) -> Retryability {
    let once = safety == Safety::Once;
    match head.status.as_u16() {
        429 => Retryability::Retryable,
        408 | 425 if once => Retryability::Unknown,
        408 | 425 => Retryability::Retryable,
        501 | 505 | 511 => Retryability::Final,
        503 if once
            && policy.unkeyed_503
            && head.headers.contains_key(http::header::RETRY_AFTER) =>
        {
            Retryability::Retryable
        }
        // 600 and above are no HTTP; whoever sends them may have done anything.
        500.. if once => Retryability::Unknown,
        500.. => Retryability::Retryable,
        _ => Retryability::Final,
    }
}

/// What to do after a failed attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Try again, not before this.
    Again(Timestamp),
    /// The budget or the deadline is spent; the write, if it was one, was not applied.
    Exhausted,
    /// Decided by the server or by the cause.
    Final,
    /// It may have been applied.
    Unknown,
}

/// One attempt of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// What makes it safe to repeat.
    pub(crate) safety: Safety,
    /// Its number, from 1.
    pub(crate) number: u32,
    /// A random number, for the jitter of the next wait.
    pub(crate) draw: u16,
    /// When it failed.
    pub(crate) now: Timestamp,
    /// When the call must be over.
    pub(crate) until: Timestamp,
    /// Whether an earlier attempt may have been received.
    pub(crate) maybe: bool,
}

/// Judges one attempt and plans the next.
pub(crate) fn decide(
    trouble: &AttemptError,
    attempt: &Attempt,
    policy: &Retry,
    shared: &mut OriginBudget,
) -> RetryDecision {
    let Attempt {
        safety,
        number,
        draw,
        now,
        until,
        maybe,
    } = *attempt;
    // A keyed write of which any attempt may have been received is of unknown outcome once it is not repeated, whatever
    // its last repetition was told.
    let given_up = |decision| {
        let maybe = maybe || may_have_happened(trouble, policy);
        if safety == Safety::Keyed && maybe {
            RetryDecision::Unknown
        } else {
            decision
        }
    };
    match retryability(trouble, safety, policy) {
        Retryability::Final => return given_up(RetryDecision::Final),
        Retryability::Unknown => return RetryDecision::Unknown,
        Retryability::Retryable => {}
    }
    let allowed = if safety == Safety::Repeatable {
        policy.reads
    } else {
        policy.writes
    };
    let next = now.after(wait(trouble, number, policy, draw, now));
    if number >= allowed || next > until || !shared.take(trouble.is_timeout()) {
        return given_up(RetryDecision::Exhausted);
    }
    RetryDecision::Again(next)
}

/// Whether the attempt may have been received: what stops a write without a key.
pub(crate) fn may_have_happened(trouble: &AttemptError, policy: &Retry) -> bool {
    retryability(trouble, Safety::Once, policy) == Retryability::Unknown
}

/// The wait after `failures` failures in a row: full jitter below the backoff's ceiling, or what the server asked for
/// when that is longer (and no longer than its cap).
pub(crate) fn wait(
    trouble: &AttemptError,
    failures: u32,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> Duration {
    let own = Duration::from_millis(scale(policy.ceiling(failures), draw));
    server_delay(trouble, policy, draw, now).map_or(own, |asked| own.max(asked))
}

/// The wait that the server asked for, up to its cap. It is lengthened by up to a tenth: many who are told the same,
/// a date above all, must not come back at the same moment.
pub(crate) fn server_delay(
    trouble: &AttemptError,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> Option<Duration> {
    let asked = millis(trouble.retry_after(now)?.min(policy.hint_cap));
    let lengthened = asked.saturating_add(scale(asked / 10, draw));
    Some(Duration::from_millis(lengthened))
}

/// Why a wait of this length was chosen.
pub(crate) fn wait_reason(
    trouble: &AttemptError,
    wait: Duration,
    policy: &Retry,
    draw: u16,
    now: Timestamp,
) -> WaitReason {
    match server_delay(trouble, policy, draw, now) {
        Some(asked) if asked >= wait => WaitReason::ServerDelay,
        Some(_) | None => WaitReason::Backoff,
    }
}

/// The wait of what may be put off and not given up, while the budget is spent: the upper half of the longest backoff,
/// so that all who wait for the same server do not come back at the same moment.
pub(crate) fn exhausted_budget_delay(policy: &Retry, draw: u16) -> Duration {
    let longest = millis(policy.cap);
    Duration::from_millis(longest - longest / 2 + scale(longest / 2, draw))
}

/// `ceiling × draw / 65535`, without overflow.
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
    use Safety::{Keyed, Once, Repeatable};

    fn wire(stage: ExchangeProgress, cause: Cause) -> AttemptError {
        AttemptError::Wire(ExchangeFailure::new(stage, cause, ""))
    }

    fn answered(status: u16) -> AttemptError {
        AttemptError::Refused(Box::new(Response::new(
            StatusCode::from_u16(status).expect("status"),
            "",
        )))
    }

    /// Every row of the matrix: read or idempotent write, keyed write, write without a key.
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
            AttemptError::Refused(Box::new(reply))
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
        for (trouble, expected) in rows {
            let found = [Repeatable, Keyed, Once]
                .map(|safety| retryability(&trouble, safety, &Retry::default()));
            assert_eq!(found, expected, "{trouble:?}");
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
                &AttemptError::Refused(Box::new(reply)),
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
        let run = |number, safety, trouble: &AttemptError, until| {
            decide(
                trouble,
                &Attempt {
                    safety,
                    number,
                    draw: u16::MAX,
                    now,
                    until,
                    maybe: false,
                },
                &Retry::default(),
                &mut OriginBudget::new(),
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
