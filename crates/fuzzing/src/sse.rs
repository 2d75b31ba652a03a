//! The decoder of event streams against a plain one, however the bytes are cut.

use taskward_core::sse::{Caps, Decoder};

#[path = "../../core/tests/it/sse_world/oracle.rs"]
mod oracle;

use oracle::{Oracle, feed_at};

/// Pieces beyond this many have the lengths of the first ones again.
const MOST_LENGTHS: usize = 15;

/// The first byte says how many bytes after it are lengths of pieces, the rest is the stream.
///
/// The decoder agrees with the plain one; cut or whole, caps are passed at the same event; a second connection differs
/// from the first by the id in force only.
pub fn target(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let (lengths, stream) = rest.split_at(rest.len().min(usize::from(*count) % (MOST_LENGTHS + 1)));
    let cuts = cuts(lengths, stream.len());

    let expected = Oracle::read(stream);
    let first = feed_at(Decoder::new(), stream, &cuts);
    assert_eq!(first, expected, "{:?} cut at {cuts:?}", shown(stream));

    let tight = || Decoder::with_caps(tight_caps());
    let whole = feed_at(tight(), stream, &[]);
    let cut = feed_at(tight(), stream, &cuts);
    assert_eq!(cut, whole, "{:?} capped, cut at {cuts:?}", shown(stream));
    assert!(
        expected.events.starts_with(&whole.events),
        "a cap loses events"
    );

    let again = feed_at(
        Decoder::new().with_last_event_id(first.id.clone()),
        stream,
        &cuts,
    );
    let changed = |(a, b): &(_, _)| a != b;
    let different = again.events.iter().zip(&first.events).find(changed);
    if let Some((again, first)) = different {
        assert_eq!((&again.name, &again.data), (&first.name, &first.data));
        assert_eq!(first.id, "", "an id of its own was lost");
    }
    assert_eq!(
        (again.events.len(), &again.retry),
        (first.events.len(), &first.retry)
    );
}

fn tight_caps() -> Caps {
    let mut caps = Caps::default();
    (caps.line, caps.event, caps.lines) = (24, 64, 4);
    caps
}

/// Returns where pieces of these lengths, over and over, end.
fn cuts(lengths: &[u8], len: usize) -> Vec<usize> {
    if lengths.iter().all(|length| *length == 0) {
        return Vec::new();
    }
    let ends = lengths.iter().cycle().scan(0, |end, length| {
        *end += usize::from(*length);
        Some(*end)
    });
    ends.take_while(|end| *end < len).take(4096).collect()
}

fn shown(stream: &[u8]) -> String {
    stream.escape_ascii().to_string()
}
