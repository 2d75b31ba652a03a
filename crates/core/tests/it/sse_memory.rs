//! What the decoder of event streams holds on to.

use taskward_core::sse::{Decoder, RETAINED};

const LARGE: usize = 4 * 1024 * 1024;

/// One buffer each for the line, the data, its repaired form, the type and the next id, and some for the id in force.
const BETWEEN_EVENTS: usize = 5 * RETAINED + 1024;

/// Feeds `bytes` in chunks of `chunk`; how many events there were, and the most that was held.
fn feed(decoder: &mut Decoder, bytes: &[u8], chunk: usize) -> (usize, usize) {
    let (mut events, mut held) = (0, 0);
    for mut rest in bytes.chunks(chunk) {
        while decoder
            .next_event(&mut rest)
            .expect("within caps")
            .is_some()
        {
            events += 1;
            held = held.max(decoder.capacity());
        }
        held = held.max(decoder.capacity());
    }
    (events, held)
}

#[test]
fn what_a_large_event_took_is_given_back() {
    let large = "x".repeat(LARGE);
    let mut invalid = b"data: ".to_vec();
    invalid.resize(LARGE, 0xff);
    invalid.extend_from_slice(b"\n\n");
    for block in [
        format!("data: {large}\n\n").into_bytes(),
        format!("event: {large}\ndata\n\n").into_bytes(),
        format!("id: {large}\ndata\n\n").into_bytes(),
        invalid,
    ] {
        for chunk in [1000, block.len()] {
            let mut decoder = Decoder::new();
            let (events, held) = feed(&mut decoder, &block, chunk);
            assert_eq!(events, 1);
            assert!(held >= LARGE, "{held}");
            feed(&mut decoder, b"event: a\nid: 1\ndata: x\n\n\n", chunk);
            let held = decoder.capacity();
            assert!(held <= BETWEEN_EVENTS, "{held}");
        }
    }
}

#[test]
fn what_an_unfinished_block_took_is_given_back_by_the_reset() {
    let large = "x".repeat(LARGE);
    for block in [
        format!("data: {large}"),
        format!("event: {large}"),
        format!("event: {large}\ndata"),
        format!("id: {large}\ndata"),
    ] {
        let mut decoder = Decoder::new();
        let (events, held) = feed(&mut decoder, block.as_bytes(), 1000);
        assert_eq!(events, 0);
        assert!(held >= LARGE, "{held}");
        decoder.reset();
        let held = decoder.capacity();
        assert!(held <= BETWEEN_EVENTS, "{held}");
    }
}

#[test]
fn lines_without_a_meaning_are_not_kept() {
    for line in [": ", "unknown: ", "datax", "retryx", "Data: "] {
        let line = line.to_owned() + &"x".repeat(LARGE);
        let (events, held) = feed(&mut Decoder::new(), line.as_bytes(), 100);
        assert_eq!(events, 0);
        assert!(held < 1024, "{line:.9}: {held}");
    }
}

/// Rows: E25.
#[test]
fn a_stream_in_its_stride_needs_no_more_memory() {
    let events = "event: a\nid: 123\ndata: one\ndata: two\n\n:\n\n".repeat(1000);
    for chunk in [1, 37, 1024, events.len()] {
        let mut decoder = Decoder::new();
        feed(&mut decoder, &events.as_bytes()[..1000], chunk);
        let before = decoder.capacity();
        decoder.reset();
        let (count, held) = feed(&mut decoder, events.as_bytes(), chunk);
        assert_eq!((count, held), (1000, before), "chunks of {chunk}");
    }
}

#[test]
fn a_log_of_the_decoder_shows_nothing_of_the_stream() {
    let mut decoder = Decoder::new();
    let bytes = b"id: secret\nevent: secret\ndata: secret\n\nid: secret\ndata: secret";
    feed(&mut decoder, bytes, 5);
    assert!(!format!("{decoder:?}").contains("secret"));
}
