//! The request of an earlier start, with ids of another start in it.

use http::Method;
use serde_json::Value;
use taskward_core::{BuildError, IdempotencyKey, Request, Segment};

use super::binding::with_version;
use super::job::message_id;

/// Returns the same request with the ids of `key`, and its conversation, if it names one. A conversation that was ours
/// becomes another one of ours; one that the caller named stays.
pub(super) fn with_ids(
    request: Request,
    key: &IdempotencyKey,
) -> Result<(Request, Option<String>), BuildError> {
    let unreadable = || BuildError::new("the stored start is no message of this protocol");
    let mut body = body_of(&request).ok_or_else(unreadable)?;
    let message = match body.get("params") {
        Some(_) => "/params/message",
        None => "/message",
    };
    let message = body.pointer_mut(message).and_then(Value::as_object_mut);
    let message = message.ok_or_else(unreadable)?;
    let text = |name: &str| message.get(name)?.as_str().map(str::to_owned);
    let (old, mut context) = (text("messageId"), text("contextId"));
    message.insert("messageId".to_owned(), message_id(key).into());
    let was_ours = |context: &String| Some(message_id(&IdempotencyKey::new(context))) == old;
    if context.as_ref().is_some_and(was_ours) {
        context = Some(key.as_str().to_owned());
        message.insert("contextId".to_owned(), key.as_str().into());
    }
    let again = Request::json(Method::POST, request.target().clone(), &body)?;
    Ok((with_version(again)?, context))
}

fn body_of(request: &Request) -> Option<Value> {
    let mut whole = Vec::new();
    // What was stored comes back in segments.
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(bytes) => whole.extend_from_slice(bytes),
            Segment::Source(_) => return None,
        }
    }
    serde_json::from_slice(&whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::a2a::{A2a, Binding, Context, Job};
    use taskward_core::Provider as _;

    #[test]
    fn the_same_start_again_has_new_ids_and_keeps_what_the_caller_named() {
        let (first, second) = (IdempotencyKey::new("one"), IdempotencyKey::new("two"));
        for binding in Binding::ALL {
            let agent = A2a::at(*binding, "/a").expect("a path");
            for (context, expected) in [
                (Context::Ours, Some("two")),
                (Context::Theirs, None),
                (Context::Given("mine".to_owned()), Some("mine")),
            ] {
                let job = Job::text("go").context(context);
                let (start, again) = (
                    agent.start(&job, Some(&first)).expect("a request"),
                    agent.start(&job, Some(&second)).expect("a request"),
                );
                let (request, context) = with_ids(start, &second).expect("a request");
                assert_eq!(context.as_deref(), expected);
                assert_eq!(body_of(&request), body_of(&again));
                assert_eq!(request.headers(), again.headers());
                assert_eq!(request.target(), again.target());
            }
        }
    }
}
