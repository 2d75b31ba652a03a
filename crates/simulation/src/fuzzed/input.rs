//! What the bytes mean. Once they are used up, every choice is the first one.

use arbitrary::Unstructured;
use taskward_core::http::header::{CONTENT_TYPE, RETRY_AFTER};
use taskward_core::http::{HeaderValue, StatusCode};
use taskward_core::{
    Answer, Cause, ExchangeFailure, ExchangeProgress, Head, Response, TimeoutPhase,
};

/// Statuses beside 200.
const STATUSES: [u16; 24] = [
    201, 202, 204, 302, 307, 400, 401, 403, 404, 405, 408, 409, 410, 422, 425, 429, 500, 501, 502,
    503, 504, 511, 529, 600,
];
const CAUSES: [Cause; 16] = [
    Cause::Refused,
    Cause::Resolve,
    Cause::Tls,
    Cause::Certificate,
    Cause::Proxy,
    Cause::Timeout(TimeoutPhase::Connect),
    Cause::Timeout(TimeoutPhase::Head),
    Cause::Timeout(TimeoutPhase::Total),
    Cause::Reset,
    Cause::Truncated,
    Cause::Protocol,
    Cause::Redirect,
    Cause::TooLarge { cap: 1 },
    Cause::Encoding,
    Cause::SourceChanged,
    Cause::Abandoned,
];
const HINTS: [&str; 5] = ["0", "1", "30", "99999999999", "soon"];

/// The bytes that are not used yet.
pub(super) struct Input<'a>(Unstructured<'a>);

/// How a read of a reply that is nearly one differs from it.
enum Damage {
    None,
    Cut(u8),
    Flip { at: u8, to: u8 },
    Other(u8),
}

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// One of them; of none is asked for nothing.
    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        let byte = self.byte();
        &from[usize::from(byte) % from.len()]
    }

    pub(super) fn chance(&mut self, of_256: u8) -> bool {
        // The first choice, which stands for everything behind the end, is "no".
        self.byte() > u8::MAX - of_256
    }

    /// One of these texts, as it stands or damaged, or other bytes. A number takes the place of `@`.
    pub(super) fn text(&mut self, templates: &[&str]) -> Vec<u8> {
        let template = self.pick(templates);
        let mut text = if template.contains('@') {
            let number = (self.byte() % 16).to_string();
            template.replace('@', &number)
        } else {
            (*template).to_owned()
        }
        .into_bytes();
        match self.damage() {
            Damage::None => {}
            Damage::Cut(at) => text.truncate(usize::from(at) % (text.len() + 1)),
            Damage::Flip { at, to } => {
                let len = text.len();
                if let Some(byte) = text.get_mut(usize::from(at) % len.max(1)) {
                    *byte = to;
                }
            }
            Damage::Other(len) => {
                let len = usize::from(len % 64).min(self.0.len());
                text = self.0.bytes(len).map(<[u8]>::to_vec).unwrap_or_default();
            }
        }
        text
    }

    fn damage(&mut self) -> Damage {
        match self.byte() {
            0..=223 => Damage::None,
            224..=233 => Damage::Cut(self.byte()),
            234..=243 => Damage::Flip {
                at: self.byte(),
                to: self.byte(),
            },
            244.. => Damage::Other(self.byte()),
        }
    }

    /// Returns a head, mostly of 200.
    pub(super) fn head(&mut self) -> Head {
        let status = match self.byte() {
            0..=191 => 200,
            byte => STATUSES[usize::from(byte) % STATUSES.len()],
        };
        let mut head = Head::new(StatusCode::from_u16(status).expect("three digits"));
        if status >= 400 && self.chance(128) {
            let hint: &&'static str = self.pick(&HINTS);
            let hint = HeaderValue::from_static(hint);
            head.headers.insert(RETRY_AFTER, hint);
        }
        head
    }

    pub(super) fn reply(&mut self, templates: &[&str]) -> Response {
        let mut head = self.head();
        if self.chance(16) {
            let page = HeaderValue::from_static("text/html");
            head.headers.insert(CONTENT_TYPE, page);
        }
        let body = self.text(templates).into();
        Response { head, body }
    }

    pub(super) fn failure(&mut self) -> ExchangeFailure {
        let stage = match self.byte() % 3 {
            0 => ExchangeProgress::NotSent,
            1 => ExchangeProgress::MaybeSent,
            _ => ExchangeProgress::Answered(Box::new(self.head())),
        };
        let cause = self.pick(&CAUSES).clone();
        ExchangeFailure::new(stage, cause, "as the bytes say")
    }

    pub(super) fn answer(&mut self) -> Answer {
        match self.byte() % 6 {
            0 => Answer::text("yes"),
            1 => Answer::Approve,
            2 => Answer::Reject { reason: None },
            3 => Answer::Input(serde_json::Map::new()),
            4 => Answer::text(" "),
            _ => Answer::text(String::from_utf8_lossy(&self.text(&["no"])).into_owned()),
        }
    }
}
