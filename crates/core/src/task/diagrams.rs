//! The diagrams in diagrams.md are drawn by the functions that change the states.

use std::fmt::Debug;

use super::{cancel, phase, questions, stream, turn, writes};

/// From a state, by what, to a state.
pub(super) type Arrow = (String, &'static str, String);

/// Returns every arrow between these states: what `after` makes of each of them by each change.
pub(super) fn arrows<S: Debug, C: Clone>(
    states: &[fn() -> S],
    changes: &[(C, &'static str)],
    after: impl Fn(S, C) -> S,
) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for state in states {
        for (change, words) in changes {
            let (from, to) = (name(&state()), name(&after(state(), change.clone())));
            let arrow = (from, *words, to);
            if arrow.0 != arrow.2 && !arrows.contains(&arrow) {
                arrows.push(arrow);
            }
        }
    }
    arrows
}

fn name(state: &impl Debug) -> String {
    // A state that is gone is `None`.
    let text = format!("{state:?}");
    let text = text.strip_prefix("Some(").unwrap_or(&text);
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

fn drawn(edges: &[(&str, &'static str, &str)]) -> Vec<Arrow> {
    let own = |(from, on, to): &(&str, &'static str, &str)| (from.to_string(), *on, to.to_string());
    edges.iter().map(own).collect()
}

#[test]
fn the_drawn_diagrams_are_the_code() {
    let document = include_str!("diagrams.md").replace("\r\n", "\n");
    let regions = [
        ("phase.rs", drawn(phase::EDGES)),
        ("stream.rs", drawn(stream::EDGES)),
        ("stream/asked.rs", stream::asked::arrows()),
        ("questions.rs", questions::arrows()),
        ("writes.rs", writes::arrows()),
        ("cancel.rs", cancel::arrows()),
        ("turn.rs", turn::arrows()),
    ];
    assert_eq!(document.matches("```mermaid").count(), regions.len());
    for (file, arrows) in regions {
        let mut block =
            format!("(`crates/core/src/task/{file}`):\n\n```mermaid\nstateDiagram-v2\n");
        for (from, on, to) in arrows {
            block += &format!("    {from} --> {to}: {on}\n");
        }
        block += "```\n";
        assert!(
            document.contains(&block),
            "diagrams.md does not draw {file} like this:\n{block}"
        );
    }
}
