//! Signals: the answers to a run that waits.

use http::Method;
use serde_json::{Map, Value};
use taskward_core::{Answer, BuildError, IdempotencyKey, Request, Target};

use super::types::{SignalAction, SignalRequest};

/// Builds the signal that carries an answer.
pub(super) fn signal_of(answer: &Answer) -> Result<SignalRequest, BuildError> {
    let (action, payload) = match answer {
        Answer::Approve => (SignalAction::Approve, None),
        Answer::Reject { reason } => {
            let reason = reason
                .clone()
                .map(|reason| Map::from_iter([("reason".to_owned(), Value::String(reason))]));
            (SignalAction::Reject, reason)
        }
        Answer::Input(data) => (SignalAction::SubmitInput, Some(data.clone())),
        _ => {
            return Err(BuildError::new(
                "an answer on this platform is an approval, a rejection or a JSON object",
            ));
        }
    };
    Ok(SignalRequest {
        action,
        payload,
        idempotency_key: None,
        extra: Map::new(),
    })
}

/// Builds the request that sends a signal; the key is in header and body, since it is not known which one the platform
/// reads.
pub(super) fn signal_request(
    run: &str,
    mut signal: SignalRequest,
    key: &IdempotencyKey,
) -> Result<Request, BuildError> {
    let target = Target::new("/v1/runs").segment(run)?.path("/signal");
    signal.idempotency_key = Some(key.as_str().to_owned());
    Request::json(Method::POST, target.build()?, &signal)?.keyed(key)
}
