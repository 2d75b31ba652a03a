//! The decoder of event streams against the vectors of the web platform tests, an obvious decoder, and its caps; every
//! input is fed whole, cut at every place, and byte by byte.

use std::time::Duration;

use crate::sse_world::{End, Oracle, every_cut, feed, feed_at, owned};
use taskward_core::Head;
use taskward_core::http::header::CONTENT_TYPE;
use taskward_core::http::{HeaderValue, StatusCode};
use taskward_core::sse::{
    Caps, Decoder, LINE_OVERHEAD, MAX_EVENT, MAX_LINE, MAX_LINES, MAX_SENT_ID, OwnedEvent, TooLarge,
};

/// Type, data and id of an event.
type Expected<'a> = (&'a str, &'a str, &'a str);

/// A row of the web platform tests' `eventsource/`: its name, the bytes, what they yield, the id and the retry after.
struct Vector<'a> {
    row: &'a str,
    bytes: &'a [u8],
    events: Vec<Expected<'a>>,
    id: &'a str,
    retry: Option<u64>,
}

fn data<'a>(data: &'a str) -> Expected<'a> {
    ("message", data, "")
}

fn vector<'a, const N: usize>(
    row: &'a str,
    bytes: &'a [u8],
    events: [Expected<'a>; N],
) -> Vector<'a> {
    Vector {
        row,
        bytes,
        events: events.to_vec(),
        id: "",
        retry: None,
    }
}

impl<'a> Vector<'a> {
    fn id(self, id: &'a str) -> Self {
        Self { id, ..self }
    }

    fn retry(self, retry: u64) -> Self {
        Self {
            retry: Some(retry),
            ..self
        }
    }

    fn end(&self) -> End {
        End {
            events: self
                .events
                .iter()
                .map(|(name, data, id)| owned(name, data, id))
                .collect(),
            id: self.id.to_owned(),
            retry: self.retry.map(Duration::from_millis),
            error: None,
        }
    }
}

fn check(vector: &Vector<'_>) {
    let expected = vector.end();
    assert_eq!(
        Oracle::read(vector.bytes),
        expected,
        "{}: oracle",
        vector.row
    );
    every_cut(vector.bytes, |cuts| {
        let got = feed_at(Decoder::new(), vector.bytes, cuts);
        assert_eq!(got, expected, "{}: cut at {cuts:?}", vector.row);
    });
}

/// Rows: E21.
#[test]
fn the_vectors_of_the_web_platform_tests_hold() {
    let comments = {
        let long = "x".repeat(2048);
        format!("data:1\r:\0\n:\r\ndata:2\n:{long}\rdata:3\n:data:fail\r:{long}\ndata:4\n\n")
    };
    let vectors = [
        vector(
            "event-data",
            b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
            [data("msg\nmsg"), data(""), data("end")],
        ),
        vector(
            "format-bom",
            b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n",
            [data("1"), data("3")],
        ),
        vector(
            "format-bom-2",
            b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n",
            [data("2"), data("3")],
        ),
        vector("format-comments", comments.as_bytes(), [data("1\n2\n3\n4")]),
        vector(
            "format-data-before-final-empty-line",
            b"retry:1000\ndata:test1\n\nid:test\ndata:test2\n",
            [data("test1")],
        )
        .retry(1000),
        vector(
            "format-field-data",
            b"data:\n\ndata\ndata\n\ndata:test\n\n",
            [data(""), data("\n"), data("test")],
        ),
        vector(
            "format-field-event",
            b"event:test\ndata:x\n\ndata:x\n\n",
            [("test", "x", ""), data("x")],
        ),
        vector("format-field-event-empty", b"event: \ndata:data\n\n", [data("data")]),
        vector(
            "format-field-id",
            "id: …\nretry: 200\ndata: hello\n\n".as_bytes(),
            [("message", "hello", "…")],
        )
        .id("…")
        .retry(200),
        vector(
            "format-field-id-2",
            "id: …\nretry: 200\ndata: hello\n\ndata: again\n\n".as_bytes(),
            [("message", "hello", "…"), ("message", "again", "…")],
        )
        .id("…")
        .retry(200),
        vector(
            "format-field-id-3",
            b"id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
            [
                ("message", "1", "1"),
                ("message", "2", "1"),
                ("message", "3", "2"),
                ("message", "4", "2"),
            ],
        )
        .id("2"),
        vector(
            "format-field-id-3, reset by an empty id",
            b"id: 1\ndata: 1\n\ndata: 2\n\nid:\ndata:3\n\ndata:4\n\n",
            [
                ("message", "1", "1"),
                ("message", "2", "1"),
                data("3"),
                data("4"),
            ],
        ),
        vector(
            "format-field-id-3, reset by a bare id",
            b"id: 1\ndata: 1\n\ndata: 2\n\nid\ndata:3\n\ndata:4\n\n",
            [
                ("message", "1", "1"),
                ("message", "2", "1"),
                data("3"),
                data("4"),
            ],
        ),
        vector("format-field-id-null 1", b"id: \0\ndata: x\n\n", [data("x")]),
        vector("format-field-id-null 2", b"id: \0x\ndata: x\n\n", [data("x")]),
        vector("format-field-id-null 3", b"id: x\0\ndata: x\n\n", [data("x")]),
        vector("format-field-id-null 4", b"id: x\0x\ndata: x\n\n", [data("x")]),
        vector("format-field-id-null 5", b"id:  \0\ndata: x\n\n", [data("x")]),
        vector(
            "format-field-parsing",
            b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
            [data("\0\n 2\n1\n3\n\n4")],
        ),
        vector("format-field-retry", b"retry:03000\n", []).retry(3000),
        vector("format-field-retry-bogus", b"retry:3000\nretry:1000x\n", []).retry(3000),
        vector("format-field-retry-empty", b"retry\ndata:test\n\n", [data("test")]),
        vector(
            "format-field-unknown",
            b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:comment\ndata:test\n\n",
            [data("test\n\ntest")],
        ),
        vector(
            "format-leading-space",
            b"data:\ttest\rdata: \ndata:test\n\n",
            [data("\ttest\n\ntest")],
        ),
        vector(
            "format-newlines",
            b"data:test\r\ndata\ndata:test\r\n\r\n",
            [data("test\n\ntest")],
        ),
        vector("format-null-character", b"data:\0\n\n", [data("\0")]),
        vector("format-utf-8", "data:ok…\n\n".as_bytes(), [data("ok…")]),
    ];
    for one in &vectors {
        check(one);
    }
}

/// Rows: E10, E11, E19, E21.
#[test]
fn what_the_web_platform_tests_leave_open_holds() {
    let vectors = [
        vector("an id without data is in force", b"id: 5\n\n", []).id("5"),
        vector(
            "a type without data is forgotten",
            b"event: a\n\ndata: x\n\n",
            [data("x")],
        ),
        vector(
            "the last type wins",
            b"event: a\nevent: b\ndata\n\n",
            [("b", "", "")],
        ),
        vector("an empty stream", b"", []),
        vector(
            "half a mark is the first line",
            b"\xef\xbbdata:1\n\ndata:2\n\n",
            [data("2")],
        ),
        vector("nothing but a mark", b"\xef\xbb\xbf", []),
        vector(
            "a mark before a blank line",
            b"\xef\xbb\xbf\n\ndata:1\n\n",
            [data("1")],
        ),
        vector(
            "CR alone ends lines and blocks",
            b"data:1\r\rdata:2\r\r",
            [data("1"), data("2")],
        ),
        vector(
            "a mix of endings",
            b"data:1\r\n\rdata:2\n\r\n",
            [data("1"), data("2")],
        ),
        vector("an event ends with its CR", b"data:1\r\n\r", [data("1")]),
        vector("retry 0 is a number", b"retry: 0\n\n", []).retry(0),
        vector("the largest retry", b"retry: 18446744073709551615\n", []).retry(u64::MAX),
        vector(
            "a retry out of range",
            b"retry: 7\nretry: 99999999999999999999\n",
            [],
        )
        .retry(7),
        vector(
            "zeros before a retry",
            b"retry: 00000000000000000000000007\n",
            [],
        )
        .retry(7),
        vector(
            "a sign before a retry",
            b"retry: 5\nretry: +7\nretry: -7\nretry:  7\n",
            [],
        )
        .retry(5),
        vector("an unfinished retry", b"retry: 5\nretry: 7", []).retry(5),
        vector(
            "an id keeps what no header holds",
            b"id: \x01\ndata\n\n",
            [("message", "", "\u{1}")],
        )
        .id("\u{1}"),
        vector(
            "an unknown type",
            b"event: heartbeat\ndata:\n\n",
            [("heartbeat", "", "")],
        ),
        vector(
            "invalid data",
            b"data: a\xffb\xe2\x80\ndata:\xc3\n\n",
            [data("a\u{fffd}b\u{fffd}\n\u{fffd}")],
        ),
        vector(
            "an invalid type and id",
            b"event:\xff\nid:\xf0\x9f\ndata:\n\n",
            [("\u{fffd}", "", "\u{fffd}")],
        )
        .id("\u{fffd}"),
        vector("an invalid name", b"dat\xff: a\ndata: b\n\n", [data("b")]),
        vector(
            "characters of every width",
            "data: aé…😀\n\n".as_bytes(),
            [data("aé…😀")],
        ),
        vector(
            "a colon in the value",
            b"data:a:b\ndata: :c\n\n",
            [data("a:b\n:c")],
        ),
    ];
    for one in &vectors {
        check(one);
    }
}

#[test]
fn only_event_streams_are_taken_for_one() {
    let media_type = |value: &'static str| {
        let mut head = Head::new(StatusCode::OK);
        head.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(value));
        head.media_type()
    };
    let expected = Some("text/event-stream".to_owned());
    for (row, value, opens) in [
        ("format-mime-bogus", "x bogus", false),
        ("format-mime-valid-bogus", "text/x-bogus", false),
        ("format-mime-trailing-semicolon", "text/event-stream;", true),
        (
            "format-utf-8",
            "text/event-stream;charset=windows-1252",
            true,
        ),
    ] {
        assert_eq!(media_type(value) == expected, opens, "{row}");
    }
}

/// Rows: E21.
#[test]
fn the_decoder_agrees_with_an_obvious_one_on_whatever_comes() {
    let words: [&[u8]; 30] = [
        b"\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b":",
        b" ",
        b"data",
        b"data:",
        b"data: x",
        b"event",
        b"event: ",
        b"event:e",
        b"id",
        b"id:",
        b"id: 7",
        b"retry:",
        b"retry: 12",
        b"0",
        b"x",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xef",
        b"\xbb",
        b"\xff",
        "é".as_bytes(),
        "😀".as_bytes(),
        b"dat",
        b"a:",
    ];
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for round in 0..40_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.usize(..24) {
            bytes.extend_from_slice(words[random.usize(..words.len())]);
        }
        let expected = Oracle::read(&bytes);
        let every: Vec<usize> = (0..bytes.len()).collect();
        let some: Vec<usize> = (0..bytes.len()).filter(|_| random.u8(..) < 60).collect();
        for cuts in [&[][..], &every, &some] {
            let got = feed_at(Decoder::new(), &bytes, cuts);
            assert_eq!(got, expected, "round {round}: {bytes:?} cut at {cuts:?}");
        }
    }
}

#[test]
fn comments_are_counted_when_they_are_whole() {
    let bytes = b":\n: a long one, for the length of it\n\ndata: x\n:x\r\n:unfinished";
    every_cut(bytes, |cuts| {
        let mut decoder = Decoder::new();
        assert_eq!(feed(&mut decoder, bytes, cuts).0, []);
        assert_eq!(decoder.comments(), 3, "cut at {cuts:?}");
    });
}

#[test]
fn a_cut_block_leaves_nothing_to_the_next_connection() {
    let first = b"id: 1\nretry: 5\ndata: one\n\nid: 2\nevent: gone\ndata: gone\ndata: go\r";
    let second = b"\xef\xbb\xbfdata: two\n\n";
    let whole = b"id: 1\nretry: 5\ndata: one\n\n".len();
    for end in whole..=first.len() {
        let mut decoder = Decoder::new();
        let (events, error) = feed(&mut decoder, &first[..end], &[]);
        assert_eq!((events.len(), error), (1, None), "ended at {end}");
        decoder.reset();
        assert_eq!(decoder.last_event_id(), "1", "ended at {end}");
        assert_eq!(decoder.retry(), Some(Duration::from_millis(5)));
        let (events, _) = feed(&mut decoder, second, &[]);
        assert_eq!(events, [owned("message", "two", "1")], "ended at {end}");
    }
}

/// Rows: E11.
#[test]
fn an_id_in_force_is_sent_back_when_a_header_can_hold_it() {
    let sent = |id: &str| {
        let header = Decoder::new()
            .with_last_event_id(id)
            .last_event_id_header()?;
        Some(header.as_bytes().to_vec())
    };
    assert_eq!(sent(""), None);
    assert_eq!(sent("7"), Some(b"7".to_vec()));
    assert_eq!(sent("…"), Some("…".as_bytes().to_vec()));
    assert_eq!(sent("\u{1}"), None);
    assert_eq!(
        sent(&"x".repeat(MAX_SENT_ID)).map(|id| id.len()),
        Some(MAX_SENT_ID)
    );
    assert_eq!(sent(&"x".repeat(MAX_SENT_ID + 1)), None);
    let mut decoder = Decoder::new().with_last_event_id("7");
    let (events, _) = feed(&mut decoder, b"data: x\n\n", &[]);
    assert_eq!(events, [owned("message", "x", "7")]);
}

fn caps(line: usize, event: usize, lines: usize) -> Caps {
    let mut caps = Caps::default();
    (caps.line, caps.event, caps.lines) = (line, event, lines);
    caps
}

#[test]
fn a_cap_is_passed_by_one_and_names_itself() {
    // Three times what fits, then what is larger by a byte, be it the end of a line.
    let fits = "data: 789\n\n:234567890\n\n";
    let lines = "data\nid\nx\n:\n:\n\n";
    let event = format!("{}\n{}\n\n", "event: 89", "data: 789");
    let event_cap = 18 + 2 * LINE_OVERHEAD;
    for (row, caps, fits, bad, error) in [
        (
            "data",
            caps(10, 1000, 9),
            fits,
            "data: 78901",
            TooLarge::Line { cap: 10 },
        ),
        (
            "comment",
            caps(10, 1000, 9),
            fits,
            ":2345678901",
            TooLarge::Line { cap: 10 },
        ),
        (
            "unknown",
            caps(10, 1000, 9),
            fits,
            "x2345678901",
            TooLarge::Line { cap: 10 },
        ),
        (
            "event",
            caps(10, 1000, 9),
            fits,
            "event: 8901",
            TooLarge::Line { cap: 10 },
        ),
        (
            "short",
            caps(10, 11, 9),
            "\n",
            "id: ",
            TooLarge::Event { cap: 11 },
        ),
        (
            "whole event",
            caps(99, event_cap, 9),
            &event,
            "event: 89\ndata: 7890",
            TooLarge::Event { cap: event_cap },
        ),
        (
            "many lines",
            caps(99, event_cap, 9),
            &event,
            "id\nid\nid\ni",
            TooLarge::Event { cap: event_cap },
        ),
        (
            "lines",
            caps(99, 999, 3),
            lines,
            "data\nid\nx\ndata\n",
            TooLarge::Lines { cap: 3 },
        ),
    ] {
        let bytes = format!("{fits}{fits}{fits}{bad}");
        let fitting = &bytes.as_bytes()[..bytes.len() - 1];
        let whole = feed_at(Decoder::with_caps(caps), fitting, &[]);
        assert_eq!(whole.error, None, "{row}: a byte less fits");
        every_cut(bytes.as_bytes(), |cuts| {
            let got = feed_at(Decoder::with_caps(caps), bytes.as_bytes(), cuts);
            assert_eq!(got.events, whole.events, "{row}: cut at {cuts:?}");
            assert_eq!(got.error, Some(error), "{row}: cut at {cuts:?}");
        });
    }
}

#[test]
fn after_a_cap_every_call_answers_the_same_until_the_reset() {
    let mut decoder = Decoder::with_caps(caps(9, 100, 9));
    let error = TooLarge::Line { cap: 9 };
    for bytes in ["data: 7890", "\n\n", "data: x\n\n"] {
        assert_eq!(
            feed(&mut decoder, bytes.as_bytes(), &[]),
            (vec![], Some(error))
        );
    }
    decoder.reset();
    let (events, error) = feed(&mut decoder, b"data: x\n\n", &[]);
    assert_eq!((events, error), (vec![owned("message", "x", "")], None));
}

#[test]
fn errors_say_what_was_too_large() {
    for (error, text) in [
        (
            TooLarge::Line { cap: 9 },
            "a line of the event stream is over 9 bytes",
        ),
        (
            TooLarge::Event { cap: 9 },
            "an event of the stream is over 9 bytes",
        ),
        (
            TooLarge::Lines { cap: 9 },
            "an event of the stream has over 9 lines",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// Feeds `chunk` over and over; how often it was taken before the error, at most `times`.
fn endless(first: &str, chunk: &str, times: usize) -> (usize, Option<TooLarge>) {
    let mut decoder = Decoder::new();
    assert_eq!(feed(&mut decoder, first.as_bytes(), &[]), (vec![], None));
    for taken in 0..times {
        let (events, error) = feed(&mut decoder, chunk.as_bytes(), &[]);
        assert_eq!(events, []);
        if error.is_some() {
            return (taken, error);
        }
    }
    (times, None)
}

/// Rows: E1.
#[test]
fn a_line_that_never_ends_is_too_large() {
    let chunk = "x".repeat(64 * 1024);
    for first in ["data: ", "event: ", "id: ", "retry: ", ":", "unknown", ""] {
        let (taken, error) = endless(first, &chunk, 1000);
        let rest = usize::from(first.is_empty());
        assert!((255..=255 + rest).contains(&taken), "{first:?}: {taken}");
        let cap = match first {
            ":" => TooLarge::Line { cap: MAX_LINE },
            _ => TooLarge::Event { cap: MAX_EVENT },
        };
        assert_eq!(error, Some(cap), "{first:?}");
    }
}

/// Rows: E2.
#[test]
fn endless_lines_of_nothing_are_too_large() {
    for line in ["data:\n", "data\n", "x\n", "id\r\n", "retry\r"] {
        let (taken, error) = endless("", &line.repeat(1000), 2000);
        assert_eq!(taken, MAX_LINES / 1000, "{line:?}");
        assert_eq!(error, Some(TooLarge::Lines { cap: MAX_LINES }), "{line:?}");
    }
    // Comments and blank lines are no part of an event, so a stream may live on them.
    for line in [":\n", "\n", "\r\n", ": ping\n\n"] {
        assert_eq!(
            endless("", &line.repeat(1000), 1100),
            (1100, None),
            "{line:?}"
        );
    }
}

#[test]
fn events_of_14_megabytes_pass() {
    for lines in [1, 1000] {
        let line = "x".repeat(14 * 1024 * 1024 / lines);
        let bytes = format!("data: {line}\n").repeat(lines) + "\n";
        let cuts: Vec<usize> = (0..bytes.len()).step_by(16 * 1024).collect();
        let (events, error) = feed(&mut Decoder::new(), bytes.as_bytes(), &cuts);
        assert_eq!(error, None);
        let lengths: Vec<usize> = events.iter().map(|event| event.data.len()).collect();
        assert_eq!(lengths, [line.len() * lines + lines - 1]);
    }
}

#[test]
fn a_lent_event_becomes_one_to_keep() {
    let mut decoder = Decoder::new();
    let mut rest = &b"id: 1\nevent: a\ndata: b\n\n"[..];
    let event = decoder.next_event(&mut rest).unwrap().unwrap();
    let kept: OwnedEvent = event.into();
    assert_eq!(kept, owned("a", "b", "1"));
}

#[test]
fn by_default_16_mib_and_a_million_lines_are_enough() {
    let caps = Caps::default();
    let mib = 16 << 20;
    assert_eq!((caps.line, caps.event, caps.lines), (mib, mib, 1_000_000));
    assert_eq!(taskward_core::sse::RETAINED, 256 << 10);
}

/// What a stream says is nobody's business in a log.
#[test]
fn a_decoder_that_is_printed_tells_how_far_it_is_and_nothing_of_the_text() {
    let mut decoder = Decoder::new();
    for mut piece in [
        &b":\nid: secret\nretry: 7\ndata: secret\n"[..],
        b"data: sec",
    ] {
        assert!(decoder.next_event(&mut piece).expect("small").is_none());
    }
    let printed = format!("{decoder:?}");
    assert!(
        printed.contains("comments: 1") && printed.contains("7ms"),
        "{printed}"
    );
    assert!(!printed.contains("sec"), "{printed}");
}
