//! The key is found in whatever way it is spelt, and taken out of bytes before anything reads them.

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use taskward_core::sse::{Decoder, OwnedEvent};
use taskward_core::{Credential, Head, REDACTED, SecretString, StreamRedactor, is_redacted};

/// A key with what JSON may and does escape in it.
const KEY: &str = "sim_key_ab/cd%7e\\q4f1c";

/// A key as most are.
const PLAIN: &str = "canary-4f1c2b7e9d";

fn credential(key: &str) -> Credential {
    Credential::bearer(&SecretString::from(key)).expect("a key")
}

fn each(key: &str, spell: impl Fn(usize, char) -> String) -> String {
    key.chars()
        .enumerate()
        .map(|(at, c)| spell(at, c))
        .collect()
}

/// The key in each form, as it stands in a text.
fn forms(key: &str) -> Vec<(String, String)> {
    let json = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '/' => "\\/".to_owned(),
        c => c.to_string(),
    };
    let unicode = |c: char| format!("\\u{:04x}", u32::from(c));
    let percent = |c: char| format!("%{:02X}", u32::from(c));
    let twice = |text: &str| {
        serde_json::to_string(text)
            .expect("JSON")
            .trim_matches('"')
            .to_owned()
    };
    let mut all = vec![
        ("plain".to_owned(), key.to_owned()),
        ("JSON".to_owned(), each(key, |_, c| json(c))),
        ("unicode".to_owned(), each(key, |_, c| unicode(c))),
        (
            "UNICODE".to_owned(),
            each(key, |_, c| format!("\\u{:04X}", u32::from(c))),
        ),
        (
            "mixed".to_owned(),
            each(key, |at, c| if at % 3 == 1 { unicode(c) } else { json(c) }),
        ),
        ("JSON in JSON".to_owned(), twice(&each(key, |_, c| json(c)))),
        (
            "unicode in JSON".to_owned(),
            twice(&twice(&each(key, |_, c| unicode(c)))),
        ),
        ("percent".to_owned(), each(key, |_, c| percent(c))),
        (
            "PERCENT".to_owned(),
            each(key, |_, c| percent(c).to_lowercase()),
        ),
        (
            "URL".to_owned(),
            each(key, |_, c| {
                if c.is_ascii_alphanumeric() {
                    c.into()
                } else {
                    percent(c)
                }
            }),
        ),
        (
            "URL in a URL".to_owned(),
            each(key, |_, c| {
                if c.is_ascii_alphanumeric() {
                    c.into()
                } else {
                    percent(c).replace('%', "%25")
                }
            }),
        ),
    ];
    for at in 1..key.len() {
        let (first, last) = key.split_at(at);
        for split in [
            "\n", "\r\n", "\r\n \t", "\n\n    ", "\u{2028}", "\\n", "\\r\\n  ", "\\u000a",
            "%0D%0A", "\0",
        ] {
            // Next to a backslash a line break looks like another escape.
            if !first.ends_with('\\') && !last.starts_with('\\') {
                all.push((
                    format!("{split:?} at {at}"),
                    format!("{first}{split}{last}"),
                ));
            }
        }
    }
    all
}

/// Rows: L6, L17.
#[test]
fn the_key_is_found_in_every_form_and_nothing_beside_it_is_touched() {
    for key in [KEY, PLAIN] {
        let credential = credential(key);
        for (form, spelt) in forms(key) {
            for (before, after) in [
                ("", ""),
                ("é ", " é"),
                ("\"", "\","),
                ("k=", "&x=%20"),
                (&key[..5], &key[..9]),
            ] {
                let text = format!("{before}{spelt}{after}");
                let expected = format!("{before}{REDACTED}{after}");
                assert_eq!(credential.redact(&text), expected, "{form}: {text}");
                let body = credential.redact_body(text.into());
                // As one of several strings the end of this one might begin another key.
                assert!(
                    body.starts_with(&expected.as_bytes()[..before.len() + 5]),
                    "{form}: {body:?}"
                );
            }
        }
        for text in [
            "",
            &key[1..],
            &key[..key.len() - 1],
            "\\",
            "%",
            "\\u00",
            "C:\\x\\y 100%",
            "🦀\\ud83d",
        ] {
            assert_eq!(credential.redact(text), text);
        }
    }
}

/// Every text of a value, names included, and what is JSON in it once more.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            out.push(text.clone());
            let unquoted = format!("\"{text}\"");
            for inner in [text.as_str(), &unquoted] {
                if let Ok(inner) = serde_json::from_str::<Value>(inner)
                    && inner != *value
                {
                    texts(&inner, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(fields) => {
            for (name, value) in fields {
                out.push(name.clone());
                texts(value, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Rows: L6, L17.
#[test]
fn json_stays_json_and_decodes_to_no_text_with_the_key() {
    let credential = credential(KEY);
    let percent = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut cells = 0;
    for (form, spelt) in forms(KEY) {
        // What JSON cannot hold bare is escaped, and so is all of it: a text as a server would echo it.
        let quoted = serde_json::to_string(&spelt).expect("JSON");
        let bare = format!("\"{spelt}\"");
        for string in [quoted, bare] {
            for body in [
                format!("{{\"error\":{string},\"n\":1}}"),
                format!("{{\"a\":{{{string}:[{string},{string}]}},\"b\":\"\\\\\\\"\"}}"),
                string.clone(),
            ] {
                let Ok(before) = serde_json::from_str::<Value>(&body) else {
                    continue;
                };
                let mut held = Vec::new();
                texts(&before, &mut held);
                let clean = credential.redact_body(body.clone().into());
                let after: Value = serde_json::from_slice(&clean)
                    .unwrap_or_else(|e| panic!("{form}: {body} became {clean:?}: {e}"));
                let mut said = Vec::new();
                texts(&after, &mut said);
                assert!(said.iter().any(|text| is_redacted(text)), "{form}: {body}");
                for text in said {
                    for text in [percent(&percent(&text)), percent(&text), text] {
                        let joined: String = text
                            .chars()
                            .filter(|c| !c.is_control() && *c != ' ' && *c != '\u{2028}')
                            .collect();
                        assert!(!joined.contains(KEY), "{form}: {body} became {clean:?}");
                    }
                }
                cells += 1;
            }
        }
    }
    assert!(cells > 500, "{cells}");
}

#[test]
fn what_holds_no_key_is_given_back_and_not_copied() {
    let body = Bytes::from_static(
        br#"{"task_id":"8c1e","status":"running","title":"100% \"canary\" \u00e9 caf\\"}"#,
    );
    let clean = credential(PLAIN).redact_body(body.clone());
    assert_eq!((clean.as_ptr(), clean.len()), (body.as_ptr(), body.len()));
    // A key too short to be distinguished from other text is not searched for.
    let body = Bytes::from_static(b"a running canary");
    assert_eq!(credential("canary").redact_body(body.clone()), body);
}

/// Rows: L6, L17.
#[test]
fn headers_lose_the_key_and_names_that_hold_it() {
    let credential = credential(PLAIN);
    let mut head = Head::new(StatusCode::FOUND);
    let name: HeaderName = "x-CANARY-4f1c2b7e9d-y".parse().expect("a name");
    for (name, value) in [
        (name, "1"),
        (http::header::LOCATION, "/x?k=canary%2D4f1c2b7e9d"),
        (http::header::CONTENT_TYPE, "application/json"),
        (
            HeaderName::from_static("x-request-id"),
            "a canary-4f1c2b7e9d b",
        ),
    ] {
        head.headers.append(name, value.parse().expect("a value"));
    }
    credential.redact_head(&mut head);
    let shown: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    let expected = [
        "location: \"/x?k=[key]\"",
        "content-type: \"application/json\"",
        "x-request-id: \"a [key] b\"",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    for line in expected {
        assert!(
            shown.iter().any(|shown| shown == line),
            "{line} in {shown:?}"
        );
    }
}

// --- streams -----------------------------------------------------------------------------------------------------------

fn delta(text: &str) -> String {
    json!({"kind": "content_delta", "content_delta": text}).to_string()
}

fn events(redactor: &mut StreamRedactor, chunks: &[&[u8]]) -> Vec<OwnedEvent> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        let bytes = redactor.push(Bytes::copy_from_slice(chunk));
        let mut rest: &[u8] = &bytes;
        while let Some(event) = decoder.next_event(&mut rest).expect("small") {
            events.push(event.into_owned());
        }
    }
    events
}

/// Rows: L18.
#[test]
fn a_stream_cut_anywhere_brings_the_same_events_without_the_key() {
    let credential = credential(PLAIN);
    let escaped = each(PLAIN, |_, c| format!("\\u{:04x}", u32::from(c)));
    let stream = format!(
        ": {PLAIN}\r\nid: 7\nevent: {PLAIN}\ndata: {{\"a\":\"{escaped}\",\ndata: \"b\":\"{PLAIN}\"}}\n\nid: {PLAIN}\rdata: {}\r\r\
         data: é {}\r\n\r\n",
        delta("fine, cana"),
        delta("l boats"),
    );
    let stream = stream.as_bytes();
    let whole = events(&mut credential.redact_stream(), &[stream]);
    let shown: Vec<_> = whole
        .iter()
        .map(|e| (e.name.as_str(), e.data.as_str(), e.id.as_str()))
        .collect();
    let (fine, boats) = (delta("fine, cana"), format!("é {}", delta("l boats")));
    assert_eq!(
        shown,
        [
            ("[key]", "{\"a\":\"[key]\",\n\"b\":\"[key]\"}", "7"),
            ("message", &fine, "[key]"),
            ("message", &boats, "[key]"),
        ]
    );
    for at in 0..=stream.len() {
        let (first, last) = stream.split_at(at);
        assert_eq!(
            events(&mut credential.redact_stream(), &[first, last]),
            whole,
            "cut at {at}"
        );
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(events(&mut credential.redact_stream(), &bytes), whole);
}

/// Rows: L18.
#[test]
fn a_line_beyond_what_is_held_back_comes_through_and_the_key_does_not() {
    let credential = credential(PLAIN);
    let filler = "x".repeat(1024 * 1024 - 300);
    for spelt in [
        PLAIN.to_owned(),
        each(PLAIN, |_, c| format!("\\u{:04x}", u32::from(c))),
    ] {
        let line = format!("data: {{\"a\":\"{filler}{spelt}{filler}{spelt}\"}}\n\n");
        let expected = line["data: ".len()..].trim_end().replace(&spelt, REDACTED);
        // The border between what is let go and what is held back stands at every place of the key.
        for first in 0..spelt.len() + 2 {
            let first = filler.len() + 11 + first;
            let (one, rest) = line.as_bytes().split_at(first);
            let (two, three) = rest.split_at(400);
            let mut redactor = credential.redact_stream();
            let brought =
                [one, two, three].map(|chunk| redactor.push(Bytes::copy_from_slice(chunk)));
            let mut decoder = Decoder::new();
            let mut told = Vec::new();
            for bytes in &brought {
                let mut rest: &[u8] = bytes;
                while let Some(event) = decoder.next_event(&mut rest).expect("small") {
                    told.push(event.data.to_owned());
                }
            }
            assert!(told == [expected.as_str()], "{first}");
        }
    }
}

/// What a reader gets who joins the deltas of a list of events.
fn joined(list: &[u8]) -> String {
    let events: Vec<Value> = serde_json::from_slice(list).expect("JSON");
    let texts = events
        .iter()
        .filter_map(|event| event["content_delta"].as_str());
    texts.collect()
}

/// Ways of cutting the key.
fn cuts() -> Vec<Vec<&'static str>> {
    let mut cuts: Vec<Vec<&str>> = (1..PLAIN.len())
        .map(|at| vec![&PLAIN[..at], &PLAIN[at..]])
        .collect();
    for one in 1..PLAIN.len() - 1 {
        for two in one + 1..PLAIN.len() {
            cuts.push(vec![&PLAIN[..one], &PLAIN[one..two], "", &PLAIN[two..]]);
        }
    }
    for size in 1..7 {
        cuts.push(
            (0..PLAIN.len())
                .step_by(size)
                .map(|at| &PLAIN[at..(at + size).min(PLAIN.len())])
                .collect(),
        );
    }
    cuts
}

/// Rows: L18.
#[test]
fn of_a_key_in_pieces_nothing_is_told_where_all_of_them_are_there() {
    let credential = credential(PLAIN);
    let other = json!({"kind": "usage", "model": "c", "tokens": 7}).to_string();
    for pieces in cuts() {
        for escaped in [false, true] {
            let mut events = vec![delta("the key is: ")];
            for (at, piece) in pieces.iter().enumerate() {
                let before = if at == 0 { "cc" } else { "" };
                let last = at == pieces.len() - 1;
                let said = format!("{before}{piece}{}", if last { ", said it" } else { "" });
                let mut data = delta(&said);
                if escaped {
                    let spelt = each(&said, |_, c| format!("\\u{:04x}", u32::from(c)));
                    data = data.replace(&format!("\"{said}\""), &format!("\"{spelt}\""));
                }
                events.extend([other.clone(), data]);
            }
            events.push(delta("; and no more"));
            let list = format!("[{}]", events.join(","));
            let told = joined(&credential.redact_body(list.into()));
            let masks = pieces.iter().filter(|piece| !piece.is_empty()).count();
            let masked = REDACTED.repeat(masks);
            assert_eq!(
                told,
                format!("the key is: cc{masked}, said it; and no more"),
                "{pieces:?}"
            );
        }
    }
}

/// Rows: L18.
#[test]
fn of_a_key_that_a_body_ends_within_less_than_half_is_told() {
    let credential = credential(PLAIN);
    let half = PLAIN.len().div_ceil(2);
    for at in 1..PLAIN.len() {
        let (first, last) = PLAIN.split_at(at);
        let told = |piece: String| {
            let list = format!("[{}]", delta(&piece));
            joined(&credential.redact_body(list.into()))
        };
        let (first_told, last_told) = (told(format!("é{first}")), told(format!("{last}é")));
        let shown = |piece: &str| match piece.len() < half {
            true => piece.to_owned(),
            false => REDACTED.to_owned(),
        };
        assert_eq!(first_told, format!("é{}", shown(first)));
        assert_eq!(last_told, format!("{}é", shown(last)));
    }
}

/// Rows: L18.
#[test]
fn pieces_that_make_no_key_are_told_as_they_came() {
    let credential = credential(PLAIN);
    let half = PLAIN.len().div_ceil(2);
    let said = [
        "c",
        "canary",
        "-",
        "4",
        "x",
        "f1c2b7e9",
        &PLAIN[..half - 1],
        "x",
        &PLAIN[half + 1..],
        &PLAIN[..PLAIN.len() - 1],
        "?",
        "100%",
        "\\",
        "",
    ];
    let mut events = Vec::new();
    for piece in said {
        // Of another name.
        events.extend([delta(piece), json!({"other": "-4f1c2b7e9"}).to_string()]);
    }
    let list = format!("[{}]", events.join(","));
    assert_eq!(credential.redact_body(list.clone().into()), list);
}

#[test]
fn what_resembles_a_spelling_without_end_is_passed_over() {
    let credential = credential(PLAIN);
    for text in [
        "\\",
        "%25",
        "c\n",
        "\\u0063\\n",
        "cana",
        "\"c\\n",
        "%",
        "\"\\\"",
    ] {
        let text = text.repeat(50_000);
        assert!(credential.redact(&text) == text, "{}", &text[..8]);
        assert!(
            credential.redact_body(text.clone().into()) == text,
            "{}",
            &text[..8]
        );
    }
}
