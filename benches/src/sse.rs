//! One event out of an event stream, whatever the chunks: ours, lent and kept, and three peers.
//!
//! Every contender goes round and round the same bytes; one iteration is one event, and its length is checked.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use taskward_core::sse::Decoder;

use crate::contender::{Bound, Claim, Contender, at_most};

/// Length of a small event in bytes, all three lines and the blank one.
const SMALL_EVENT: usize = 215;
/// Length of the data of a big event in bytes.
const BIG_DATA: usize = 64 * 1024;
/// Length of a big event in bytes.
const BIG_EVENT: usize = BIG_DATA + "data: \n\n".len();

/// A stream that is read in a circle, cut in chunks.
#[derive(Clone, Copy)]
struct Circle {
    bytes: &'static [u8],
    chunk: usize,
    at: usize,
}

impl Circle {
    fn next_chunk(&mut self) -> &'static [u8] {
        let rest = &self.bytes[self.at..];
        let chunk = &rest[..rest.len().min(self.chunk)];
        self.at += chunk.len();
        if self.at == self.bytes.len() {
            self.at = 0;
        }
        chunk
    }
}

impl Stream for Circle {
    type Item = Result<&'static [u8], Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(self.get_mut().next_chunk())))
    }
}

/// Events of a type, an id and a line of JSON.
fn small(chunk: usize) -> (Circle, usize) {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let events = (0..4096).flat_map(|number| {
            let event = format!(
                concat!(
                    "event: run_event\nid: {number:06}\n",
                    r#"data: {{"type":"content_delta","run_id":"8c1e0a4e-5c0b-4f6e-9d1a-000000000001","seq":{number:06},"#,
                    r#""timestamp":"2026-03-04T05:06:07Z","step":"draft","delta":"and the weekly team update for th"}}"#,
                    "\n\n"
                ),
                number = number
            );
            assert_eq!(event.len(), SMALL_EVENT);
            event.into_bytes()
        });
        events.collect()
    });
    let head = "event: run_event\nid: 000000\ndata: \n\n".len();
    (circle(&BYTES, chunk), SMALL_EVENT - head)
}

/// Events of one long line of data.
fn big(chunk: usize) -> (Circle, usize) {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let text: String = (' '..='~').cycle().take(BIG_DATA).collect();
        format!("data: {text}\n\n").repeat(16).into_bytes()
    });
    (circle(&BYTES, chunk), BIG_DATA)
}

fn circle(bytes: &'static [u8], chunk: usize) -> Circle {
    Circle {
        bytes,
        chunk,
        at: 0,
    }
}

/// Ours, as it lends its events.
fn lent((mut circle, length): (Circle, usize)) -> Box<dyn FnMut()> {
    let mut decoder = Decoder::new();
    let mut rest: &[u8] = &[];
    Box::new(move || {
        loop {
            if let Some(event) = decoder.next_event(&mut rest).expect("within caps") {
                assert_eq!(black_box(event).data.len(), length);
                return;
            }
            rest = circle.next_chunk();
        }
    })
}

/// Ours, every event made one to keep.
fn kept((mut circle, length): (Circle, usize)) -> Box<dyn FnMut()> {
    let mut decoder = Decoder::new();
    let mut rest: &[u8] = &[];
    Box::new(move || {
        loop {
            if let Some(event) = decoder.next_event(&mut rest).expect("within caps") {
                assert_eq!(black_box(event.into_owned()).data.len(), length);
                return;
            }
            rest = circle.next_chunk();
        }
    })
}

fn sse_core((mut circle, length): (Circle, usize)) -> Box<dyn FnMut()> {
    let mut decoder = sse_core::SseDecoder::new();
    let mut rest: &[u8] = &[];
    Box::new(move || {
        loop {
            match decoder.next(&mut rest) {
                Some(Ok(sse_core::SseEvent::Message(event))) => {
                    assert_eq!(black_box(event).data.len(), length);
                    return;
                }
                Some(other) => panic!("{other:?}"),
                None => rest = circle.next_chunk(),
            }
        }
    })
}

fn sse_stream((circle, length): (Circle, usize)) -> Box<dyn FnMut()> {
    let mut stream = Box::pin(sse_stream::SseByteStream::new(circle));
    Box::new(move || {
        let event = next(stream.as_mut()).expect("valid");
        assert_eq!(black_box(event).data.map(|data| data.len()), Some(length));
    })
}

fn eventsource_stream((circle, length): (Circle, usize)) -> Box<dyn FnMut()> {
    let mut stream = Box::pin(eventsource_stream::EventStream::new(circle));
    Box::new(move || {
        let event = next(stream.as_mut()).expect("valid");
        assert_eq!(black_box(event).data.len(), length);
    })
}

/// Returns the next item of a stream that is always ready and never ends.
fn next<S: Stream>(stream: Pin<&mut S>) -> S::Item {
    let mut stream = pin!(stream);
    match stream
        .as_mut()
        .poll_next(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Some(item)) => item,
        Poll::Ready(None) | Poll::Pending => panic!("the circle has no end"),
    }
}

/// Returns all decoders on all streams.
pub(crate) fn contenders() -> Vec<Contender> {
    let small_event = |name, target, prepare| Contender {
        group: "sse",
        name,
        target,
        bytes: SMALL_EVENT as u64,
        prepare,
    };
    let big_event = |name, target, prepare| Contender {
        group: "sse",
        name,
        target,
        bytes: BIG_EVENT as u64,
        prepare,
    };
    vec![
        small_event("lent/small/1024", at_most(1_200, 0), || lent(small(1024))),
        small_event("kept/small/1024", at_most(1_800, 3), || kept(small(1024))),
        small_event("sse-core/small/1024", None, || sse_core(small(1024))),
        small_event("sse-stream/small/1024", None, || sse_stream(small(1024))),
        small_event("eventsource-stream/small/1024", None, || {
            eventsource_stream(small(1024))
        }),
        small_event("lent/small/16384", at_most(1_200, 0), || lent(small(16384))),
        small_event("sse-core/small/16384", None, || sse_core(small(16384))),
        small_event("sse-stream/small/16384", None, || sse_stream(small(16384))),
        small_event("eventsource-stream/small/16384", None, || {
            eventsource_stream(small(16384))
        }),
        small_event("lent/small/37", at_most(2_000, 0), || lent(small(37))),
        small_event("sse-core/small/37", None, || sse_core(small(37))),
        small_event("sse-stream/small/37", None, || sse_stream(small(37))),
        small_event("eventsource-stream/small/37", None, || {
            eventsource_stream(small(37))
        }),
        // Bounds are what a plain decoder with one line buffer takes: 2.4 and 4.4 instructions a byte.
        big_event("lent/big/16384", at_most(157_000, 0), || lent(big(16384))),
        big_event("sse-core/big/16384", None, || sse_core(big(16384))),
        big_event("sse-stream/big/16384", None, || sse_stream(big(16384))),
        big_event("eventsource-stream/big/16384", None, || {
            eventsource_stream(big(16384))
        }),
        // Without eventsource-stream, which takes 50 ms for each of these.
        big_event("lent/big/37", at_most(288_000, 0), || lent(big(37))),
        big_event("sse-core/big/37", None, || sse_core(big(37))),
        big_event("sse-stream/big/37", None, || sse_stream(big(37))),
    ]
}

/// Returns what is claimed of them beside each other.
pub(crate) fn claims() -> Vec<Claim> {
    let claim = |what, bound| Claim {
        group: "sse",
        what,
        bound,
    };
    vec![
        claim(
            "lent/small/1024",
            Bound::TimesAsFast(2.0, "sse-core/small/1024"),
        ),
        claim(
            "lent/small/1024",
            Bound::TimesAsFast(2.0, "sse-stream/small/1024"),
        ),
        claim(
            "lent/small/1024",
            Bound::TimesAsFast(8.0, "eventsource-stream/small/1024"),
        ),
        claim(
            "kept/small/1024",
            Bound::TimesAsFast(1.35, "sse-core/small/1024"),
        ),
        claim(
            "kept/small/1024",
            Bound::TimesAsFast(5.0, "eventsource-stream/small/1024"),
        ),
        claim(
            "lent/small/37",
            Bound::TimesTheInstructions(2.5, "lent/small/16384"),
        ),
        claim(
            "lent/big/37",
            Bound::TimesTheInstructions(2.5, "lent/big/16384"),
        ),
        claim("lent/big/16384", Bound::MegabytesPerSecond(4000.0)),
        claim("lent/big/37", Bound::MegabytesPerSecond(1000.0)),
    ]
}
