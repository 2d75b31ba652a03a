//! A reply as the bytes that leave, and what becomes of the connection: the pure half of every fault.

use crate::faults::Fault;
use crate::message::Reply;
use crate::time::Span;

/// What is done to the connection.
#[derive(Debug, PartialEq)]
pub(super) struct Delivery {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// What happens when the bytes are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    KeepAlive,
    Close,
    Reset,
    /// Nothing, until the client goes away.
    Hold,
    /// A reset, and nobody listens for so long.
    Refuse(Span),
}

/// Whether a request that a fault strikes is applied all the same.
pub(super) fn is_applied(fault: Option<&Fault>) -> bool {
    match fault {
        None => true,
        Some(
            Fault::Latency(_)
            | Fault::CutBody(_)
            | Fault::TruncatedJson
            | Fault::LostReplyAfterApply(_),
        ) => true,
        Some(
            Fault::Refuse(_)
            | Fault::Reset
            | Fault::CloseBeforeHead
            | Fault::Stall
            | Fault::Status { .. }
            | Fault::Html200,
        ) => false,
    }
}

/// The reply that a fault puts in place of the machine's.
pub(super) fn replacement(fault: &Fault) -> Option<Reply> {
    match fault {
        Fault::Status {
            code, retry_after, ..
        } => {
            let mut reply = Reply::error(*code, format!("simulated fault: status {code}"));
            if let Some(after) = retry_after {
                reply.headers.push(("retry-after", after.clone()));
            }
            Some(reply)
        }
        Fault::Html200 => Some(Reply {
            status: 200,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: b"<!doctype html><title>Sign in</title><p>Please sign in to this network."
                .to_vec(),
        }),
        Fault::Latency(_)
        | Fault::Refuse(_)
        | Fault::Reset
        | Fault::CloseBeforeHead
        | Fault::CutBody(_)
        | Fault::Stall
        | Fault::TruncatedJson
        | Fault::LostReplyAfterApply(_) => None,
    }
}

/// The bytes of a reply as the fault lets them out.
pub(super) fn deliver(reply: &Reply, fault: Option<&Fault>, keep_alive: bool) -> Delivery {
    let then = if keep_alive {
        Then::KeepAlive
    } else {
        Then::Close
    };
    let cut = |(head, body): (Vec<u8>, &[u8]), length: u64| {
        let mut bytes = head;
        bytes.extend_from_slice(body);
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Delivery {
            bytes,
            then: Then::Close,
        }
    };
    let nothing = |then| Delivery {
        bytes: Vec::new(),
        then,
    };
    match fault {
        None | Some(Fault::Latency(_) | Fault::Status { .. } | Fault::Html200) => {
            let mut bytes = head(reply, reply.body.len(), then);
            bytes.extend_from_slice(&reply.body);
            Delivery { bytes, then }
        }
        Some(Fault::TruncatedJson) => {
            let half = &reply.body[..reply.body.len() / 2];
            let mut bytes = head(reply, half.len(), then);
            bytes.extend_from_slice(half);
            Delivery { bytes, then }
        }
        Some(Fault::CutBody(length)) => {
            let head = head(reply, reply.body.len(), then);
            let end = head.len() as u64;
            cut((head, &reply.body), end.saturating_add(*length))
        }
        Some(Fault::LostReplyAfterApply(length)) => {
            cut((head(reply, reply.body.len(), then), &reply.body), *length)
        }
        Some(Fault::CloseBeforeHead) => nothing(Then::Close),
        Some(Fault::Reset) => nothing(Then::Reset),
        Some(Fault::Stall) => nothing(Then::Hold),
        Some(Fault::Refuse(span)) => nothing(Then::Refuse(*span)),
    }
}

fn head(reply: &Reply, length: usize, then: Then) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {length}\r\n"));
    if then == Then::Close {
        text.push_str("connection: close\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unnamed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply {
            status: 201,
            headers: vec![("date", "today".to_owned())],
            body: b"{\"a\":1}".to_vec(),
        }
    }

    #[test]
    fn every_fault_has_its_bytes() {
        let whole = "HTTP/1.1 201 Created\r\ndate: today\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
        let check = |fault: Option<Fault>, expected: &str, then: Then| {
            let delivery = deliver(&reply(), fault.as_ref(), true);
            assert_eq!(
                (
                    String::from_utf8(delivery.bytes).unwrap().as_str(),
                    delivery.then
                ),
                (expected, then)
            );
        };
        check(None, whole, Then::KeepAlive);
        check(Some(Fault::Latency(Span(9))), whole, Then::KeepAlive);
        check(
            Some(Fault::CutBody(3)),
            &whole[..whole.len() - 4],
            Then::Close,
        );
        check(Some(Fault::LostReplyAfterApply(0)), "", Then::Close);
        check(
            Some(Fault::LostReplyAfterApply(12)),
            "HTTP/1.1 201",
            Then::Close,
        );
        check(
            Some(Fault::LostReplyAfterApply(u64::MAX)),
            whole,
            Then::Close,
        );
        let half = whole
            .replace("length: 7", "length: 3")
            .replace("{\"a\":1}", "{\"a");
        check(Some(Fault::TruncatedJson), &half, Then::KeepAlive);
        check(Some(Fault::CloseBeforeHead), "", Then::Close);
        check(Some(Fault::Reset), "", Then::Reset);
        check(Some(Fault::Stall), "", Then::Hold);
        check(Some(Fault::Refuse(Span(5))), "", Then::Refuse(Span(5)));
    }

    #[test]
    fn a_connection_that_ends_says_so() {
        let delivery = deliver(&reply(), None, false);
        assert_eq!(delivery.then, Then::Close);
        assert!(
            String::from_utf8(delivery.bytes)
                .unwrap()
                .contains("\r\nconnection: close\r\n")
        );
    }
}
