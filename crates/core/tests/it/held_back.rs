//! An event whose text ends as the key begins is delivered once more is known.

use ::base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::past_saves;
use taskward_core::{
    Credential, Event, EventNo, ExchangeId, Head, OriginBudget, Outcome, REDACTED, RawEvent,
    SecretString, Step, Task,
};

use crate::world::hand::{listening, reply, settle};
use crate::world::{Toy, at};

const KEY: &str = "canary-4f1c2b7e9d";
/// The most that is delivered while a text continues.
const TOLD: usize = 3;
const HALF: usize = KEY.len().div_ceil(2);

/// A task that is followed by its stream.
struct Listening {
    task: Task<Toy<true, true>>,
    shared: OriginBudget,
    stream: ExchangeId,
    seq: u64,
    /// What was delivered: the events' pieces of text, or their names.
    told: Vec<(u64, String)>,
}

/// What an event says, or else what it is.
fn said(event: &RawEvent) -> String {
    let piece = event.data["value"]["piece"].as_str();
    piece.map_or_else(|| format!("<{}>", event.name), str::to_owned)
}

impl Listening {
    fn new() -> Self {
        Self::with(&Credential::bearer(&SecretString::from(KEY)).expect("a key"))
    }

    fn with(credential: &Credential) -> Self {
        let shared = OriginBudget::new();
        let (task, stream) = listening(&shared);
        Self {
            task: task.with_credential(credential),
            shared,
            stream,
            seq: 0,
            told: Vec::new(),
        }
    }

    /// The stream brings an event; whatever may be delivered now is taken.
    fn hear(&mut self, text: &str) {
        self.seq += 1;
        let chunk = format!("data: {} {text}\n\n", self.seq);
        self.task
            .handle_chunk(self.stream, Bytes::from(chunk), at(50));
        self.take(50);
    }

    fn take(&mut self, now: u64) {
        while let Some((no, event)) = self.next(now) {
            if let Event::Provider(event) = event {
                let position = event.seq.expect("a place").0;
                self.told.push((position, said(&event)));
            }
            self.task.taken(no);
        }
        // No stored state contains what was not delivered: newest events are stored as they were delivered.
        let stored = serde_json::to_string(&self.task.snapshot()).expect("JSON");
        let delivered = self.told.iter().map(|(_, said)| longest(said)).max();
        assert!(longest(&stored) <= delivered.unwrap_or(0), "{stored}");
    }

    fn next(&mut self, now: u64) -> Option<(EventNo, Event)> {
        match past_saves(&mut self.task, at(now), &self.shared) {
            Step::Event { no, event, .. } => Some((no, event.as_ref().clone())),
            _ => None,
        }
    }

    /// The text as somebody reads it who joins its pieces.
    fn text(&self) -> String {
        self.told.iter().map(|(_, said)| said.as_str()).collect()
    }

    /// Returns whether everything that arrived was delivered, in order.
    fn is_all(&self) -> bool {
        let places = self.told.iter().map(|(place, _)| *place);
        places.eq(1..=self.seq)
    }
}

/// The longest part of the key in a text, of at least four characters.
fn longest(text: &str) -> usize {
    longest_of(KEY, text)
}

fn longest_of(key: &str, text: &str) -> usize {
    let parts = (0..key.len()).flat_map(|from| (from + 4..=key.len()).map(move |to| from..to));
    let held = parts.filter(|part| text.contains(&key[part.clone()]));
    held.map(|part| part.len()).max().unwrap_or_default()
}

/// Rows: L18.
#[test]
fn of_a_key_cut_anywhere_no_part_of_four_characters_is_told() {
    let mut cuts: Vec<Vec<&str>> = (1..KEY.len())
        .map(|at| vec![&KEY[..at], &KEY[at..]])
        .collect();
    for one in 1..KEY.len() - 1 {
        for two in one + 1..KEY.len() {
            cuts.push(vec![&KEY[..one], &KEY[one..two], "", &KEY[two..]]);
        }
    }
    for size in 1..9 {
        let parts = (0..KEY.len()).step_by(size);
        cuts.push(
            parts
                .map(|at| &KEY[at..(at + size).min(KEY.len())])
                .collect(),
        );
    }
    for pieces in cuts {
        let mut listening = Listening::new();
        listening.hear("say The key is cc");
        for piece in &pieces {
            listening.hear(&format!("say {piece}"));
            // However much has come of it by now.
            assert_eq!(longest(&listening.text()), 0, "{pieces:?}");
        }
        listening.hear("say , said it.");
        assert!(listening.is_all(), "{pieces:?}: {:?}", listening.told);
        let text = listening.text();
        let between = text.strip_prefix("The key is cc");
        let between = between.and_then(|text| text.strip_suffix(", said it."));
        let between = between.unwrap_or_else(|| panic!("{pieces:?}: {text}"));
        let begun = between.trim_end_matches(REDACTED);
        assert!(begun.len() <= TOLD && KEY.starts_with(begun), "{text}");
        assert!(between.contains(REDACTED), "{pieces:?}: {text}");
    }
}

/// Rows: L18, L21.
#[test]
fn of_a_password_and_of_its_header_cut_anywhere_no_part_of_four_characters_is_told() {
    // ann:canary-4f1c2b7e9d
    let encoded = "YW5uOmNhbmFyeS00ZjFjMmI3ZTlk";
    let pair = Credential::basic("ann", &SecretString::from(KEY)).expect("a pair");
    for (secret, other) in [(KEY, encoded), (encoded, KEY)] {
        for at in 1..secret.len() {
            let (first, last) = secret.split_at(at);
            for (before, after) in [("", ""), (other, ""), ("", other)] {
                let mut listening = Listening::with(&pair);
                listening.hear(&format!("say He sent {before}{first}"));
                listening.hear(&format!("say {last}, {after}."));
                listening.hear("say And no more.");
                assert!(listening.is_all(), "{first}|{last}: {:?}", listening.told);
                let text = listening.text();
                assert_eq!(longest_of(secret, &text), 0, "{first}|{last}: {text}");
                assert!(
                    text.starts_with("He sent ") && text.ends_with(".And no more."),
                    "{text}"
                );
                assert!(text.contains(REDACTED), "{text}");
            }
        }
    }
}

/// Rows: L18, L21.
#[test]
fn of_a_key_in_base64_cut_anywhere_no_part_of_four_characters_is_told() {
    for before in ["", "x", "key="] {
        let encoded = BASE64_STANDARD.encode(format!("{before}{KEY}, it is."));
        // What holds bits of the key alone.
        let first = (before.len() * 8).div_ceil(6);
        let secret = &encoded[first..(before.len() + KEY.len()) * 8 / 6];
        // Where one event has all of it, it was found before the task got it.
        for at in first + 1..first + secret.len() {
            let (one, two) = encoded.split_at(at);
            let mut listening = Listening::new();
            listening.hear(&format!("say It is {one}"));
            listening.hear(&format!("say {two}"));
            listening.hear("say !");
            assert!(listening.is_all(), "{one}|{two}: {:?}", listening.told);
            let text = listening.text();
            assert_eq!(longest_of(secret, &text), 0, "{one}|{two}: {text}");
            assert!(text.contains(REDACTED) && text.ends_with('!'), "{text}");
        }
        // Of one that does not go on nothing is lost.
        let mut listening = Listening::new();
        listening.hear(&format!("say {}", &encoded[..first + 9]));
        assert_eq!(listening.told, []);
        listening.hear("say !");
        assert_eq!(listening.text(), format!("{}!", &encoded[..first + 9]));
    }
}

/// Rows: L18.
#[test]
fn what_only_begins_like_the_key_is_told_in_full_and_in_order_once_more_shows_it() {
    for size in 1..=KEY.len() {
        for len in 1..KEY.len() {
            let mut listening = Listening::new();
            let mut expected = String::new();
            for (at, c) in KEY[..len].char_indices() {
                if at % size == 0 {
                    let piece = &KEY[at..(at + size).min(len)];
                    listening.hear(&format!("say {piece}"));
                    expected.push_str(piece);
                    if expected.len() > TOLD {
                        assert!(!listening.is_all(), "{size} {c}: {:?}", listening.told);
                    } else {
                        assert!(listening.is_all(), "{size} {c}: {:?}", listening.told);
                    }
                }
            }
            listening.hear("say !");
            assert_eq!(listening.text(), format!("{expected}!"));
            assert!(listening.is_all(), "{:?}", listening.told);
        }
    }
}

/// Rows: L18.
#[test]
fn where_a_text_ends_less_than_half_of_a_key_is_told_and_more_is_masked() {
    for len in 4..KEY.len() {
        let ends: [&[&str]; 3] = [&["note"], &["wait EUR?"], &["end"]];
        for (which, end) in ends.iter().enumerate() {
            let mut listening = Listening::new();
            listening.hear(&format!("say It is {}", &KEY[..len]));
            assert_eq!(listening.told, []);
            for event in *end {
                listening.hear(event);
            }
            let shown = if len < HALF { &KEY[..len] } else { REDACTED };
            let expected = [(1, format!("It is {shown}")), (2, format!("<{}>", end[0]))];
            assert_eq!(listening.told, expected, "{which}");
        }
    }
}

/// Goes on by itself: reads say this, and a stream that is opened again brings these events.
fn go_on(listening: &mut Listening, status: &str, chunk: &str) {
    let mut now = 60;
    for _ in 0..40 {
        listening.take(now);
        let (task, shared) = (&mut listening.task, &mut listening.shared);
        match task.next_step(at(now), shared) {
            Step::Send { id, request, .. } => {
                let path = request.target().as_str().to_owned();
                task.sent(id);
                let reply = reply(match path.as_str() {
                    "/t/t1" => status,
                    "/t/t1/result" => "done 42.",
                    "/t/t1/events" => "",
                    other => panic!("{other}"),
                });
                task.handle_response(id, reply, at(now));
            }
            Step::Open { id, .. } => {
                task.sent(id);
                task.handle_head(id, Head::new(StatusCode::OK), at(now));
                task.handle_chunk(id, Bytes::from(chunk.to_owned()), at(now));
                listening.take(now);
                return;
            }
            Step::Close { id } => task.closed(id),
            Step::Wait { until, .. } | Step::Receive { until, .. } => now = until.as_millis(),
            Step::Done => return,
            step => panic!("{step:?}"),
        }
    }
    panic!("it goes on for ever");
}

/// Rows: L18.
#[test]
fn a_text_that_does_not_go_on_keeps_nobody_from_what_a_read_says() {
    let mut listening = Listening::new();
    listening.hear("say It is canary-");
    assert_eq!(listening.told, []);
    go_on(&mut listening, "done.", "");
    assert_eq!(listening.text(), "It is canary-");
    let over = listening.task.into_outcome();
    assert!(matches!(over, Some(Outcome::Succeeded { .. })), "{over:?}");
}

/// Rows: L18.
#[test]
fn a_key_that_two_connections_bring_together_is_told_by_neither() {
    for (rest, expected) in [
        ("4f1c2b7e9d!", format!("It is {REDACTED}{REDACTED}!")),
        ("birds!", "It is canary-birds!".to_owned()),
    ] {
        let mut listening = Listening::new();
        listening.hear("say It is canary-");
        listening.task.handle_end(listening.stream, at(60));
        go_on(
            &mut listening,
            "running.",
            &format!("data: 2 say {rest}\n\n"),
        );
        assert_eq!(listening.text(), expected);
    }
}

/// Rows: L18.
#[test]
fn the_rest_of_a_key_is_masked_whatever_came_between() {
    let mut listening = Listening::new();
    for event in ["say canary-", "note", "say 4f1c", "note", "say 2b7e9d."] {
        listening.hear(event);
    }
    let expected = format!("canary-<note>{REDACTED}<note>{REDACTED}.");
    assert_eq!(listening.text(), expected);
}

/// Rows: L18.
#[test]
fn a_process_that_ends_meanwhile_leaves_the_whole_text_to_the_next() {
    let mut listening = Listening::new();
    listening.hear("say Fine, ");
    listening.hear("say canary");
    assert_eq!(listening.told, [(1, "Fine, ".to_owned())]);
    listening.task.detach();
    listening.take(60);
    let stored = listening.task.snapshot();
    let mut next = Task::resume(Toy::<true, true>, stored, at(100)).expect("a task");
    let shared = OriginBudget::new();
    settle(&mut next, 100, &shared);
    let mut opened = None;
    for _ in 0..4 {
        match next.next_step(at(100), &shared) {
            Step::Open { request, .. } => {
                opened = Some(request.target().as_str().to_owned());
                break;
            }
            Step::Send { id, .. } => {
                next.sent(id);
                next.handle_response(id, reply("running."), at(100));
                settle(&mut next, 100, &shared);
            }
            step => panic!("{step:?}"),
        }
    }
    // After the last event that was delivered, and not after the one that was held back.
    let opened = opened.expect("a stream");
    assert!(opened.ends_with('1'), "{opened}");
}

/// Rows: L18.
#[test]
fn no_more_than_so_many_events_wait_behind_one() {
    let mut listening = Listening::new();
    listening.hear("say canary-");
    let mut waited = 0;
    while listening.told.is_empty() {
        // An event of the same kind, with no text that continues.
        listening.hear("say ");
        waited += 1;
        assert!(waited <= 256, "{waited}");
    }
    assert_eq!(waited, 256);
    assert!(listening.is_all());
    // What follows continues as the key does, so the key is recognised.
    listening.hear("say 4f1c2b7e9d.");
    assert_eq!(listening.text(), format!("canary-{REDACTED}."));
}
