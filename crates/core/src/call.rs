//! One operation from its first attempt to its result: attempts, backoff, deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::{OriginBudget, Permit};
use crate::error::{ApiError, Error};
use crate::failure::ExchangeFailure;
use crate::id::ExchangeId;
use crate::limits::{Kind, Limits};
use crate::operation::Operation;
use crate::policy::Policy;
use crate::reason::FailedAttempt;
use crate::request::Request;
use crate::response::Response;
use crate::retry::{self, Attempt, AttemptError, RetryDecision};
use crate::seed::Seed;
use crate::time::Timestamp;

/// The state machine of one [`Operation`].
///
/// # The driver's duty
/// Call [`next_step`](Self::next_step); on [`CallStep::Send`] call [`sent`](Self::sent), perform the exchange and
/// report it with [`handle_response`](Self::handle_response) or [`handle_failure`](Self::handle_failure); on
/// [`CallStep::Wait`] wait; on [`CallStep::Done`] take the result with [`finish`](Self::finish).
///
/// ```text
///          ┌──────── Wait ────────┐
///          ▼                      │
///  Ready ─ Send ─► InFlight ─► judged ─► Done
/// ```
#[derive(Debug)]
pub struct Call<O: Operation> {
    operation: O,
    request: Arc<Request>,
    policy: Policy,
    until: Timestamp,
    now: Timestamp,
    seed: Seed,
    /// Created at the first wait: most calls have none.
    rng: Option<fastrand::Rng>,
    attempts: u32,
    /// Whether the server may have received any attempt so far.
    maybe: bool,
    /// The right to send, where the server limits the rate. Somebody waits for a call, so that it goes at once.
    permit: Option<Permit>,
    state: State,
    result: Option<Result<O::Output, Error>>,
}

#[derive(Debug)]
enum State {
    Ready {
        not_before: Timestamp,
        retrying: Option<Retrying>,
    },
    InFlight {
        sent: Timestamp,
    },
    Reported {
        sent: Timestamp,
        report: Box<Result<Response, ExchangeFailure>>,
    },
    Done,
}

/// A request failed and will be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retrying {
    /// Requests made so far.
    pub attempt: u32,
    /// How the last request failed; displayed, it is the reason in words.
    pub failed: FailedAttempt,
    /// How long the call waits before the next request.
    pub wait: Duration,
}

/// What a call asks its driver to do.
#[derive(Debug)]
pub enum CallStep<'a> {
    /// Perform this exchange and report it.
    Send {
        /// The attempt's number, from 1.
        id: ExchangeId,
        /// The request to send.
        request: &'a Arc<Request>,
        /// The limits of the exchange.
        limits: Limits,
    },
    /// An exchange is under way.
    InFlight {
        /// The attempt's number.
        id: ExchangeId,
    },
    /// Ask for the next step at this time.
    Wait {
        /// When to ask.
        until: Timestamp,
        /// What failed and will be repeated.
        retrying: &'a Retrying,
    },
    /// The call is over: call [`Call::finish`].
    Done,
}

impl<O: Operation> Call<O> {
    /// Freezes the request of `operation`; nothing is sent yet.
    ///
    /// # Errors
    /// Returns an error if the operation's parameters cannot be encoded into a request.
    pub fn new(operation: O, policy: Policy, seed: &Seed, now: Timestamp) -> Result<Self, Error> {
        let request = Arc::new(operation.request()?.freeze(seed));
        let until = policy.work.map_or(Timestamp::MAX, |work| now.after(work));
        Ok(Self {
            operation,
            request,
            policy,
            until,
            now,
            seed: seed.clone(),
            rng: None,
            attempts: 0,
            maybe: false,
            permit: None,
            state: State::Ready {
                not_before: now,
                retrying: None,
            },
            result: None,
        })
    }

    /// Returns what to do next. Called twice with nothing in between, it returns the same step.
    pub fn next_step(&mut self, now: Timestamp, budget: &OriginBudget) -> CallStep<'_> {
        self.now = self.now.max(now);
        if matches!(self.state, State::Reported { .. })
            && let State::Reported { sent, report } =
                std::mem::replace(&mut self.state, State::Done)
        {
            budget.observe(&report, sent, self.now);
            self.judge(*report, budget);
        }
        if matches!(self.state, State::Ready { .. }) && self.now >= self.until {
            let text = "the deadline passed before the call was made";
            self.end(Err(Error::new(crate::ErrorKind::Pending, text)));
        }
        let id = ExchangeId(u64::from(self.attempts));
        match &self.state {
            State::Ready {
                not_before,
                retrying: Some(retrying),
            } if self.now < *not_before => CallStep::Wait {
                until: *not_before,
                retrying,
            },
            State::Ready { .. } => {
                if self.permit.is_none() {
                    self.permit = budget.reserve(self.now);
                }
                CallStep::Send {
                    id: ExchangeId(u64::from(self.attempts) + 1),
                    limits: self.limits(),
                    request: &self.request,
                }
            }
            State::InFlight { .. } => CallStep::InFlight { id },
            State::Reported { .. } | State::Done => CallStep::Done,
        }
    }

    fn limits(&self) -> Limits {
        let kind = if self.request.is_form() {
            Kind::Upload
        } else if self.request.is_streaming() {
            Kind::WholeStream
        } else if self.operation.is_status_read() {
            Kind::Status
        } else {
            Kind::Plain
        };
        let left = (self.until != Timestamp::MAX)
            .then(|| self.until.since(self.now).max(Duration::from_millis(1)));
        let safety = self.operation.safety();
        self.policy.limits.of(kind, safety, left)
    }

    fn judge(&mut self, report: Result<Response, ExchangeFailure>, budget: &OriginBudget) {
        let error = match report {
            Ok(reply) => match self.operation.classify(&reply) {
                Ok(()) => match self.operation.read(&reply) {
                    Ok(output) => {
                        budget.succeeded();
                        return self.end(Ok(output));
                    }
                    Err(error) => AttemptError::Unreadable(error),
                },
                Err(error) => AttemptError::refused(error, &reply),
            },
            Err(failure) => AttemptError::Wire(failure),
        };
        let safety = self.operation.safety();
        let rng = self
            .rng
            .get_or_insert_with(|| fastrand::Rng::with_seed(self.seed.jitter()));
        let draw = rng.u16(..);
        let attempt = Attempt {
            safety,
            number: self.attempts,
            draw,
            now: self.now,
            until: self.until,
            maybe: self.maybe,
        };
        match retry::decide(&error, &attempt, &self.policy.retry, budget) {
            RetryDecision::Again(not_before) => {
                self.maybe |= retry::may_have_happened(&error, &self.policy.retry);
                let wait = not_before.since(self.now);
                let retrying = Some(Retrying {
                    attempt: self.attempts,
                    failed: error.record(),
                    wait,
                });
                self.state = State::Ready {
                    not_before,
                    retrying,
                };
            }
            decided
            @ (RetryDecision::Exhausted | RetryDecision::Final | RetryDecision::Unknown) => {
                let maybe = self.maybe || retry::may_have_happened(&error, &self.policy.retry);
                // A request that may be repeated may still have changed something on the server.
                let is_read = self.request.method().is_safe() || self.operation.is_read();
                let changed = maybe && !is_read;
                let mut error = error_of(error, self.now, self.attempts);
                if changed || decided == RetryDecision::Unknown {
                    error = error.into_unknown(None);
                }
                self.end(Err(error));
            }
        }
    }

    fn end(&mut self, result: Result<O::Output, Error>) {
        self.state = State::Done;
        self.result = Some(result);
    }

    /// Acknowledges that the first byte of this attempt may leave now.
    pub fn sent(&mut self, id: ExchangeId) {
        if matches!(self.state, State::Ready { .. }) && id.0 == u64::from(self.attempts) + 1 {
            self.attempts += 1;
            if let Some(permit) = self.permit.take() {
                permit.spend();
            }
            self.state = State::InFlight { sent: self.now };
        }
    }

    /// Records a complete reply.
    pub fn handle_response(&mut self, id: ExchangeId, reply: Response, now: Timestamp) {
        self.report(id, Ok(reply), now);
    }

    /// Records a failed exchange.
    pub fn handle_failure(&mut self, id: ExchangeId, failure: ExchangeFailure, now: Timestamp) {
        self.report(id, Err(failure), now);
    }

    fn report(
        &mut self,
        id: ExchangeId,
        report: Result<Response, ExchangeFailure>,
        now: Timestamp,
    ) {
        self.now = self.now.max(now);
        if let State::InFlight { sent } = self.state
            && id.0 == u64::from(self.attempts)
        {
            let report = Box::new(report);
            self.state = State::Reported { sent, report };
        }
    }

    /// Returns the result, once, after [`CallStep::Done`].
    ///
    /// # Panics
    /// Panics if the call is not done, or if the result was taken before.
    pub fn finish(&mut self) -> Result<O::Output, Error> {
        self.result
            .take()
            .expect("finish is called once, after Done")
    }
}

/// Converts a failed attempt into the error of the call.
pub(crate) fn error_of(error: AttemptError, now: Timestamp, attempts: u32) -> Error {
    let asked = error.retry_after(now);
    let error = match error {
        AttemptError::Wire(failure) => match failure.head() {
            Some(head) if !head.status.is_success() && !head.status.is_redirection() => {
                Error::api(ApiError::without_body(head))
            }
            _ => Error::failure(failure),
        },
        AttemptError::Refused(refusal) => Error::api(refusal.error),
        AttemptError::Unreadable(error) => Error::read(error),
    };
    error.with_attempts(attempts).with_retry_after(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build_error::BuildError;
    use crate::error::{ErrorKind, ReadError};
    use crate::failure::{Cause, ExchangeProgress};
    use crate::operation::Safety;
    use http::uri::PathAndQuery;
    use http::{Method, StatusCode};

    #[derive(Debug)]
    struct Ping(Safety);

    impl Operation for Ping {
        type Output = usize;
        const NAME: &'static str = "ping";
        fn safety(&self) -> Safety {
            self.0
        }
        fn request(&self) -> Result<Request, BuildError> {
            let method = match self.0 {
                Safety::Repeatable => Method::GET,
                Safety::Keyed | Safety::Traceable | Safety::Once => Method::POST,
            };
            Ok(Request::empty(method, PathAndQuery::from_static("/ping")))
        }
        fn read(&self, reply: &Response) -> Result<usize, ReadError> {
            Ok(reply.body.len())
        }
    }

    type Report = Result<u16, (ExchangeProgress, Cause)>;

    fn run(
        safety: Safety,
        policy: Policy,
        script: &[Report],
    ) -> (Result<usize, ErrorKind>, usize, u64) {
        run_of(Ping(safety), policy, script)
    }

    /// Runs a call against scripted reports; returns the result, the number of requests and the virtual time it took.
    fn run_of(
        operation: impl Operation<Output = usize>,
        policy: Policy,
        script: &[Report],
    ) -> (Result<usize, ErrorKind>, usize, u64) {
        let budget = OriginBudget::new();
        let mut now = Timestamp::from_millis(0);
        let mut call = Call::new(operation, policy, &Seed([1; 32]), now).expect("call");
        let mut sent = 0;
        loop {
            match call.next_step(now, &budget) {
                CallStep::Send { id, .. } => {
                    call.sent(id);
                    let report = script[sent.min(script.len() - 1)].clone();
                    sent += 1;
                    match report {
                        Ok(status) => {
                            let status = StatusCode::from_u16(status).expect("status");
                            call.handle_response(id, Response::new(status, "body"), now);
                        }
                        Err((stage, cause)) => {
                            call.handle_failure(id, ExchangeFailure::new(stage, cause, ""), now)
                        }
                    }
                }
                CallStep::InFlight { .. } => panic!("the report is in"),
                CallStep::Wait { until, retrying } => {
                    assert_eq!(
                        (retrying.attempt, retrying.wait),
                        (sent as u32, until.since(now))
                    );
                    now = until;
                }
                CallStep::Done => {
                    return (call.finish().map_err(|e| e.kind()), sent, now.as_millis());
                }
            }
        }
    }

    #[test]
    fn a_read_is_repeated_until_it_works_and_a_write_without_a_key_is_not() {
        let cut = || Err((ExchangeProgress::MaybeSent, Cause::Reset));
        let refused = || Err((ExchangeProgress::NotSent, Cause::Refused));
        let policy = Policy::default;
        let (result, sent, _) = run(Safety::Repeatable, policy(), &[cut(), Ok(502), Ok(200)]);
        assert_eq!((result, sent), (Ok(4), 3));
        let (result, sent, _) = run(Safety::Keyed, policy(), &[cut(), Ok(200)]);
        assert_eq!((result, sent), (Ok(4), 2));
        let (result, sent, _) = run(Safety::Once, policy(), &[cut(), Ok(200)]);
        assert_eq!((result, sent), (Err(ErrorKind::OutcomeUnknown), 1));
        let (result, sent, _) = run(Safety::Once, policy(), &[refused(), refused(), Ok(200)]);
        assert_eq!((result, sent), (Ok(4), 3));
        let (result, sent, _) = run(Safety::Once, policy(), &[refused()]);
        assert_eq!((result, sent), (Err(ErrorKind::Transport), 4));
        let (result, sent, _) = run(Safety::Repeatable, policy(), &[Ok(404)]);
        assert_eq!((result, sent), (Err(ErrorKind::Api), 1));
    }

    #[test]
    fn a_keyed_write_that_may_have_been_received_stays_unknown_whatever_its_repetition_is_told() {
        let lost = || Err((ExchangeProgress::MaybeSent, Cause::Reset));
        for later in [
            Ok(429),
            Ok(503),
            Ok(401),
            Ok(409),
            Err((ExchangeProgress::NotSent, Cause::Refused)),
        ] {
            let script = [lost(), later.clone()];
            let (result, _, _) = run(Safety::Keyed, Policy::default(), &script);
            assert_eq!(result, Err(ErrorKind::OutcomeUnknown), "{later:?}");
        }
        let (result, _, _) = run(Safety::Keyed, Policy::default(), &[Ok(429)]);
        assert_eq!(result, Err(ErrorKind::RateLimited), "never received");
    }

    #[test]
    fn a_write_that_may_be_repeated_is_of_unknown_outcome_once_it_is_not() {
        #[derive(Debug)]
        struct Change;
        impl Operation for Change {
            type Output = usize;
            const NAME: &'static str = "change";
            fn request(&self) -> Result<Request, BuildError> {
                let target = PathAndQuery::from_static("/thing");
                Ok(Request::empty(Method::PATCH, target))
            }
            fn read(&self, reply: &Response) -> Result<usize, ReadError> {
                Ok(reply.body.len())
            }
        }
        let lost = || Err((ExchangeProgress::MaybeSent, Cause::Reset));
        let refused = || Err((ExchangeProgress::NotSent, Cause::Refused));
        for (script, end) in [
            (vec![lost(), Ok(200)], Ok(4)),
            (vec![lost()], Err(ErrorKind::OutcomeUnknown)),
            (vec![lost(), refused()], Err(ErrorKind::OutcomeUnknown)),
            (vec![Ok(500), Ok(404)], Err(ErrorKind::OutcomeUnknown)),
            (vec![refused()], Err(ErrorKind::Transport)),
            (vec![Ok(409)], Err(ErrorKind::Api)),
            (vec![Ok(429)], Err(ErrorKind::RateLimited)),
        ] {
            let (result, _, _) = run_of(Change, Policy::default(), &script);
            assert_eq!(result, end, "{script:?}");
        }
    }

    #[test]
    fn a_call_with_a_deadline_ends_before_it() {
        let policy = Policy {
            work: Some(Duration::from_secs(3)),
            ..Policy::default()
        };
        let (result, _, took) = run(Safety::Repeatable, policy, &[Ok(503)]);
        assert_eq!(result, Err(ErrorKind::Transport));
        assert!(took < 3000, "{took}");
        let policy = Policy {
            work: Some(Duration::ZERO),
            ..Policy::default()
        };
        assert_eq!(
            run(Safety::Repeatable, policy, &[Ok(200)]),
            (Err(ErrorKind::Pending), 0, 0)
        );
    }

    #[test]
    fn a_stream_is_read_as_long_as_it_goes_on_within_the_deadline() {
        struct Watch;
        impl Operation for Watch {
            type Output = ();
            const NAME: &'static str = "watch";
            fn request(&self) -> Result<Request, BuildError> {
                Ok(Request::get(PathAndQuery::from_static("/stream")).streaming())
            }
            fn read(&self, _: &Response) -> Result<(), ReadError> {
                Ok(())
            }
        }
        let now = Timestamp::from_millis(0);
        for work in [None, Some(Duration::from_secs(3600))] {
            let policy = Policy {
                work,
                ..Policy::default()
            };
            let mut call = Call::new(Watch, policy, &Seed([1; 32]), now).expect("call");
            let CallStep::Send { limits, .. } = call.next_step(now, &OriginBudget::new()) else {
                panic!("it is sent");
            };
            assert_eq!(limits.total, work);
        }
    }

    #[test]
    fn one_request_means_one_request() {
        let policy = Policy {
            retry: crate::Retry::none(),
            ..Policy::default()
        };
        assert_eq!(run(Safety::Repeatable, policy, &[Ok(503)]).1, 1);
    }

    #[test]
    fn reports_for_other_attempts_change_nothing() {
        let budget = OriginBudget::new();
        let now = Timestamp::from_millis(0);
        let mut call =
            Call::new(Ping(Safety::Once), Policy::default(), &Seed([1; 32]), now).expect("call");
        call.handle_response(ExchangeId(1), Response::new(StatusCode::OK, ""), now);
        assert!(matches!(
            call.next_step(now, &budget),
            CallStep::Send {
                id: ExchangeId(1),
                ..
            }
        ));
        call.sent(ExchangeId(1));
        call.handle_response(ExchangeId(2), Response::new(StatusCode::OK, ""), now);
        assert!(matches!(
            call.next_step(now, &budget),
            CallStep::InFlight { id: ExchangeId(1) }
        ));
    }

    #[test]
    fn only_the_attempt_that_is_planned_is_taken_for_sent() {
        let budget = OriginBudget::new();
        let now = Timestamp::from_millis(0);
        let mut call =
            Call::new(Ping(Safety::Once), Policy::default(), &Seed([1; 32]), now).expect("call");
        for other in [0, 2] {
            call.sent(ExchangeId(other));
            let step = call.next_step(now, &budget);
            assert!(matches!(step, CallStep::Send { .. }), "{other}: {step:?}");
        }
        call.sent(ExchangeId(1));
        call.sent(ExchangeId(2));
        assert!(matches!(
            call.next_step(now, &budget),
            CallStep::InFlight { id: ExchangeId(1) }
        ));
    }

    #[test]
    fn a_status_is_the_platforms_word_even_if_its_body_does_not_come() {
        let answered = |status: u16| {
            let head = crate::Head::new(StatusCode::from_u16(status).expect("status"));
            Err((ExchangeProgress::Answered(Box::new(head)), Cause::Reset))
        };
        for (status, kind) in [
            (200, ErrorKind::Transport),
            (307, ErrorKind::Transport),
            (400, ErrorKind::Api),
            (429, ErrorKind::RateLimited),
            (501, ErrorKind::Api),
        ] {
            let policy = Policy {
                retry: crate::Retry::none(),
                ..Policy::default()
            };
            let (result, _, _) = run(Safety::Repeatable, policy, &[answered(status)]);
            assert_eq!(result, Err(kind), "{status}");
        }
    }
}
