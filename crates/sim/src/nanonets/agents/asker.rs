//! `asker`: asks one question and uses the answer.

use serde_json::json;

use super::{Answer, Shape, Step, Talk};

const QUESTION: &str = "Which currency should the answer be in?";

pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    if talk.turn == 0 {
        return vec![Step::Work(2_000), Step::Ask(QUESTION.to_owned())];
    }
    let answer = talk.last_reply();
    let data = json!({ "query": talk.query, "question": QUESTION, "answer": answer });
    let summary = format!("Done, in {answer}.");
    vec![
        Step::Work(1_000),
        Step::Tool {
            name: "convert".to_owned(),
            content: json!({ "to": answer }),
        },
        Step::Work(1_000),
        Step::Complete(Answer {
            shape: Shape::Summary(summary),
            data: Some(data),
        }),
    ]
}
