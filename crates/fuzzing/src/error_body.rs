//! Bodies of refusals: whatever they are, the status is reported.

use taskward_core::http::header::{CONTENT_TYPE, HeaderName};
use taskward_core::http::{HeaderValue, StatusCode};
use taskward_core::{ApiError, Error, ErrorKind, Response};

/// How much of the server's text an error holds, with the sign that there was more.
const MOST_TEXT: usize = 2048 + '…'.len_utf8();

const TYPES: [&str; 4] = [
    "application/json",
    "text/html; charset=utf-8",
    "text/plain",
    "\u{7f}",
];

/// Two bytes of status, one of content type and of whether there is a request id, then the body.
///
/// The status stays and decides the kind of error, the text has its cap, and a page for people is not quoted.
pub fn target(data: &[u8]) {
    let [high, low, kind, body @ ..] = data else {
        return;
    };
    let number = 100 + u16::from_be_bytes([*high, *low]) % 900;
    let status = StatusCode::from_u16(number).expect("between 100 and 999");
    let mut reply = Response::new(status, body.to_vec());
    if let Ok(value) = HeaderValue::from_str(TYPES[usize::from(*kind) % TYPES.len()]) {
        reply.head.headers.insert(CONTENT_TYPE, value);
    }
    let id = (*kind >= 128).then(|| HeaderValue::from_bytes(&body[..body.len().min(40)]));
    if let Some(Ok(id)) = id {
        let name = HeaderName::from_static("x-request-id");
        reply.head.headers.insert(name, id);
    }

    let error = ApiError::read(&reply);
    assert_eq!(error.status, status);
    assert!(error.message.len() <= MOST_TEXT, "the text has a cap");
    if let Some(id) = reply.head.request_id() {
        assert_eq!(error.request_id.as_deref(), Some(id), "the header wins");
    }
    let is_page = reply.head.media_type().as_deref() == Some("text/html");
    if is_page && serde_json::from_slice::<serde_json::Value>(body).is_err() {
        assert_eq!(error.message, "", "a page is not quoted");
    }
    // An error in a 2xx is told without a number that would contradict it.
    let says_status = error.to_string().contains(&number.to_string());
    assert!(says_status || status.is_success());

    let bare = ApiError::without_body(&reply.head);
    assert_eq!((bare.status, bare.message.as_str()), (status, ""));

    let whole = Error::api(error);
    let possible: &[ErrorKind] = match number {
        401 | 403 => &[ErrorKind::Auth],
        429 => &[ErrorKind::RateLimited],
        500..=599 => &[ErrorKind::Transport, ErrorKind::Api],
        600.. => &[ErrorKind::Protocol],
        _ => &[ErrorKind::Api],
    };
    assert!(possible.contains(&whole.kind()), "{number}: {whole:?}");
    assert_eq!(whole.status(), Some(status));
}
