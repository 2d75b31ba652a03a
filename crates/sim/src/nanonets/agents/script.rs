//! Agents that a scenario file spells out step by step.

use super::{Agent, Answer, Shape, Step, Talk};

/// A script, cut into turns.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    turns: Vec<Vec<Step>>,
}

impl Script {
    /// Cuts the steps behind each one that waits for a message.
    pub(crate) fn new(steps: &[Step]) -> Self {
        let turns = steps
            .split_inclusive(|step| matches!(step, Step::Ask(_) | Step::Pause))
            .map(<[Step]>::to_vec);
        Self {
            turns: turns.collect(),
        }
    }
}

impl Agent for Script {
    fn turn(&self, talk: &Talk) -> Vec<Step> {
        match self.turns.get(talk.turn) {
            Some(steps) => steps.iter().map(|step| fill_in(step, talk)).collect(),
            None => vec![
                Step::Work(1_000),
                Step::Say(format!("Noted: {}", talk.last_reply())),
                Step::Complete(Answer {
                    shape: Shape::LastContent,
                    data: None,
                }),
            ],
        }
    }
}

/// Puts the query and the last reply in place of `{query}` and `{answer}`.
fn fill_in(step: &Step, talk: &Talk) -> Step {
    let text = |text: &String| {
        text.replace("{query}", talk.query())
            .replace("{answer}", talk.last_reply())
    };
    match step {
        Step::Say(said) => Step::Say(text(said)),
        Step::Ask(question) => Step::Ask(text(question)),
        Step::Review(what) => Step::Review(text(what)),
        Step::Fail(why) => Step::Fail(text(why)),
        Step::Think(thought) => Step::Think(text(thought)),
        Step::Complete(Answer {
            shape: Shape::Summary(summary),
            data,
        }) => Step::Complete(Answer {
            shape: Shape::Summary(text(summary)),
            data: data.clone(),
        }),
        Step::Complete(_) | Step::Work(_) | Step::Show(..) | Step::Tool { .. } | Step::Pause => {
            step.clone()
        }
    }
}
