//! Credentials of every form: which are taken, which header carries them, and that none is found in what a server says
//! back.

use ::base64::alphabet::{STANDARD, URL_SAFE};
use ::base64::engine::general_purpose::{NO_PAD, PAD};
use ::base64::engine::{Engine as _, GeneralPurpose};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use taskward_core::{
    Credential, Head, KeyHeader, Origin, REDACTED, Request, SecretString, user_agent,
};

/// Keys whose base64 has all of the characters that differ between the alphabets or are escaped, and an ordinary one.
const KEYS: [&str; 3] = ["canary-4f1c2b7e9d", "c?a>n~o?>>~~??>o~?", "ab/cd%7e8q"];

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn basic(user: &str, password: &str) -> Credential {
    Credential::basic(user, &secret(password)).expect("a pair")
}

fn header(name: &str, key: &str) -> Credential {
    let name = KeyHeader::new(name).expect("a name");
    Credential::api_key(name, &secret(key)).expect("a key")
}

/// Each form in which a key may be sent.
fn each_form(key: &str) -> [Credential; 3] {
    [
        Credential::bearer(&secret(key)).expect("a key"),
        header("X-Api-Key", key),
        basic("ann", key),
    ]
}

/// A text in base64, in both alphabets, with and without padding.
fn encoded(text: &[u8]) -> Vec<String> {
    let ways = [
        (&STANDARD, PAD),
        (&STANDARD, NO_PAD),
        (&URL_SAFE, PAD),
        (&URL_SAFE, NO_PAD),
    ];
    let encode = |(alphabet, pad)| GeneralPurpose::new(alphabet, pad).encode(text);
    ways.into_iter().map(encode).collect()
}

/// Ways to write base64 in a text.
fn spelt(text: &str) -> Vec<String> {
    let each = |spell: &dyn Fn(char) -> String| text.chars().map(spell).collect::<String>();
    let percent = |c: char| format!("%{:02X}", u32::from(c));
    let mut all = vec![
        text.to_owned(),
        text.replace('/', "\\/"),
        each(&|c| format!("\\u{:04x}", u32::from(c))),
        each(&|c| {
            if c.is_ascii_alphanumeric() {
                c.into()
            } else {
                percent(c)
            }
        }),
        each(&percent),
    ];
    for at in 1..text.len() {
        let (first, last) = text.split_at(at);
        for split in ["\n", "\r\n  ", "\\n", "\\r\\n", "%0A"] {
            all.push(format!("{first}{split}{last}"));
        }
    }
    all
}

/// Rows: L21.
#[test]
fn a_key_is_found_in_base64_whatever_stands_around_it() {
    let mut cells = 0;
    for key in KEYS {
        let around = [
            ("", ""),
            ("x", ""),
            ("xy", "z"),
            ("xyz", "zy"),
            ("user:", "\n"),
        ];
        for (before, after) in around {
            for encoded in encoded(format!("{before}{key}{after}").as_bytes()) {
                // The characters that hold only bits of the key, with the last one that holds some.
                let first = (before.len() * 8).div_ceil(6);
                let end = ((before.len() + key.len()) * 8).div_ceil(6);
                let (start, rest) = (&encoded[..first], &encoded[end..]);
                // Padding belongs to the key where it stands right behind it.
                let shown = format!("\"{start}{REDACTED}{}\"", rest.trim_start_matches('='));
                for text in spelt(&encoded[first..end]) {
                    let body = format!("\"{start}{text}{rest}\"");
                    for credential in each_form(key) {
                        assert_eq!(
                            credential.redact(&body),
                            shown,
                            "{credential:?} {key}: {body}"
                        );
                        let clean = credential.redact_body(Bytes::from(body.clone()));
                        assert_eq!(clean, shown, "{credential:?} {key}: {body}");
                        cells += 1;
                    }
                }
            }
        }
    }
    assert!(cells > 10_000, "{cells}");
}

/// Rows: L21.
#[test]
fn the_header_of_a_password_is_as_secret_as_the_password() {
    // Short ones are told apart together with their user.
    for (user, password) in [
        ("ann", "canary-4f1c2b7e9d"),
        ("administrator", "x"),
        ("", "a b c d e f"),
        ("canary-key", ""),
    ] {
        let credential = basic(user, password);
        for value in encoded(format!("{user}:{password}").as_bytes()) {
            for text in spelt(&value) {
                let shown = credential.redact(&format!("you sent <Basic {text}>"));
                assert_eq!(
                    shown,
                    format!("you sent <Basic {REDACTED}>"),
                    "{user} {password}: {text}"
                );
            }
            // As part of a header that was put into base64 once more.
            for again in encoded(format!("Basic {value}").as_bytes()) {
                assert!(credential.redact(&again).contains(REDACTED), "{again}");
            }
        }
    }
    let credential = basic("ann", "correct horse battery");
    for text in [
        "correct+horse%20battery",
        "correct\nhorse\n   battery",
        "correct\\u0020horse\\nbattery",
    ] {
        assert_eq!(credential.redact(text), REDACTED, "{text}");
    }
    assert_eq!(
        credential.redact("ann is correct, horse"),
        "ann is correct, horse"
    );
}

/// Rows: L18, L21.
#[test]
fn a_credential_in_base64_that_a_list_has_in_pieces_is_told_by_none_of_them() {
    for credential in each_form(KEYS[0]) {
        for (before, after) in [("", ""), ("x", "y"), ("ann:", "\n")] {
            for encoded in encoded(format!("{before}{}{after}", KEYS[0]).as_bytes()) {
                let first = (before.len() * 8).div_ceil(6);
                let end = (before.len() + KEYS[0].len()) * 8 / 6;
                for at in first + 1..end {
                    let parts =
                        [&encoded[..at], "", &encoded[at..]].map(|text| json!({ "text": text }));
                    let body = json!({ "id": "a", "parts": parts, "name": "b" }).to_string();
                    let clean = credential.redact_body(Bytes::from(body));
                    let value: Value = serde_json::from_slice(&clean).expect("JSON");
                    let texts: Vec<_> = parts_of(&value).collect();
                    let masked = format!("{}{REDACTED}", &encoded[..first]);
                    // Behind `ann:` it is the whole header of a password, which goes with its user.
                    let whole = before == "ann:" && texts[0] == REDACTED;
                    assert!(
                        texts[0] == masked || whole,
                        "{credential:?} {at} {encoded}: {clean:?}"
                    );
                    assert!(
                        texts[2].starts_with(REDACTED),
                        "{credential:?} {at} {encoded}: {clean:?}"
                    );
                    assert!(!texts.concat().contains(&encoded[first..first + 8]));
                }
            }
        }
    }
}

/// The texts of the parts of a message.
fn parts_of(value: &Value) -> impl Iterator<Item = &str> {
    let parts = value["parts"].as_array().expect("parts").iter();
    parts.map(|part| part["text"].as_str().expect("a text"))
}

/// Rows: L21.
#[test]
fn headers_lose_a_credential_in_base64() {
    for credential in each_form(KEYS[0]) {
        let mut head = Head::new(StatusCode::UNAUTHORIZED);
        for encoded in encoded(format!("ann:{}", KEYS[0]).as_bytes()) {
            let value = format!("Basic {encoded}").parse().expect("a value");
            head.headers.append("x-echo", value);
        }
        credential.redact_head(&mut head);
        for value in head.headers.get_all("x-echo") {
            let value = value.to_str().expect("ASCII");
            assert!(
                value == "Basic [key]" || value == "Basic YW5uOm[key]",
                "{value}"
            );
        }
    }
}

/// Rows: L18, L21.
#[test]
fn a_long_line_of_a_stream_loses_a_credential_in_base64_wherever_it_is_released() {
    for credential in each_form(KEYS[0]) {
        let filler = ".".repeat(1024 * 1024 - 300);
        let encoded = &encoded(KEYS[0].as_bytes())[1];
        let line = format!("data: {filler}{encoded}{filler}{encoded}\n\n");
        let expected = line.replace(encoded.as_str(), REDACTED);
        for first in 0..encoded.len() + 2 {
            let (one, rest) = line
                .as_bytes()
                .split_at("data: ".len() + filler.len() + first);
            let (two, three) = rest.split_at(400);
            let mut redactor = credential.redact_stream();
            let parts = [one, two, three].map(|part| redactor.push(Bytes::copy_from_slice(part)));
            assert!(
                parts.concat() == expected.as_bytes(),
                "{credential:?} {first}"
            );
        }
    }
}

/// Rows: L5.
#[test]
fn each_form_of_a_credential_goes_into_its_header_and_shows_in_no_other_place() {
    let origin = Origin::parse("https://h.example", "").expect("an origin");
    let agent = user_agent(None).expect("a name");
    let request = Request::json(Method::POST, PathAndQuery::from_static("/x"), &json!({}))
        .expect("a request");
    let key = "canary-4f1c2b7e9d";
    let [bearer, api_key, pair] = each_form(key);
    for (credential, name, value, shown) in [
        (
            bearer,
            "authorization",
            "Bearer canary-4f1c2b7e9d",
            "Credential(..)",
        ),
        (api_key, "x-api-key", key, "Credential(..)"),
        (
            header("Authorization", "id:canary-4f1c2b7e9d"),
            "authorization",
            "id:canary-4f1c2b7e9d",
            "Credential(id:..)",
        ),
        (
            pair,
            "authorization",
            "Basic YW5uOmNhbmFyeS00ZjFjMmI3ZTlk",
            "Credential(ann:..)",
        ),
        // RFC 7617, section 2.
        (
            basic("Aladdin", "open sesame"),
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Credential(Aladdin:..)",
        ),
    ] {
        let sealed = origin.seal(&request, &credential, &agent);
        assert_eq!(sealed.headers()[name], value);
        assert!(sealed.headers()[name].is_sensitive());
        let with = sealed.headers().values().filter(|at| **at == value).count();
        assert_eq!(with, 1, "{sealed:?}");
        assert_eq!(format!("{credential:?}"), shown);
        let debug = format!("{sealed:?}");
        assert!(
            !debug.contains("canary") && !debug.contains("Y2FuYX"),
            "{debug}"
        );
    }
    let sealed = origin.seal(&request, None, &agent);
    assert_eq!(sealed.headers().get("authorization"), None);
    assert_eq!(sealed.headers()["user-agent"], agent);
}

/// Rows: L22.
#[test]
fn a_pair_or_a_header_that_cannot_be_sent_is_refused_with_the_reason_and_without_the_secret() {
    let pair = |user: &str, password: &str| Credential::basic(user, &secret(password)).map(|_| ());
    for (user, password, why) in [
        ("a:b", "canary-pass", "colon"),
        ("a\nb", "canary-pass", "control character"),
        ("ann", "canary\npass", "control character"),
        ("ann", "canary\u{7f}pass", "control character"),
        ("ann", "canary-päss", "not ASCII"),
        ("ann", "CHANGEME", "placeholder"),
        ("", "", "both empty"),
    ] {
        let text = pair(user, password).expect_err(why).to_string();
        assert!(text.contains(why) && !text.contains("canary"), "{text}");
    }
    for (user, password) in [
        ("ann", "canary: pass\r\n"),
        ("", "x"),
        ("key", ""),
        ("änn", "x"),
    ] {
        assert_eq!(pair(user, password), Ok(()), "{user} {password}");
    }
    for (name, why) in [
        ("", "no name of a header"),
        ("X Key", "no name of a header"),
        ("Content-Length", "Taskward sets this header itself"),
        ("HOST", "Taskward sets this header itself"),
        ("idempotency-key", "Taskward sets this header itself"),
        ("Cookie", "cookies"),
    ] {
        let text = KeyHeader::new(name).expect_err(why).to_string();
        assert!(
            text.contains(why) && text.contains(&format!("{name:?}")),
            "{text}"
        );
    }
    for name in ["X-Api-Key", "authorization", "x-goog-api-key"] {
        let taken = KeyHeader::new(name).expect("a name");
        assert_eq!(taken.name().as_str(), name.to_ascii_lowercase());
    }
}
