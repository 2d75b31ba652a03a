//! `slow`: ten minutes of simulated time, and nothing to read for the first of them.

use super::{Answer, Shape, Step, Talk};

const MINUTE: u64 = 60_000;

pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    let answer = |text: String| {
        Step::Complete(Answer {
            shape: Shape::Summary(text),
            data: None,
        })
    };
    if talk.turn > 0 {
        return vec![
            Step::Work(2_000),
            answer(format!("Noted: {}", talk.last_reply())),
        ];
    }
    let mut steps = Vec::new();
    for minute in 1..=10 {
        steps.push(Step::Think(format!("Minute {minute} begins.")));
        steps.push(Step::Work(MINUTE));
        if minute < 10 {
            steps.push(Step::Say(format!("{minute} of 10 minutes done.")));
        }
    }
    steps.push(answer("Ten minutes well spent.".to_owned()));
    steps
}
