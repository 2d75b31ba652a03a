//! `reviewer`: continues only when a human approves in the dashboard.

use serde_json::json;

use super::{Answer, Shape, Step, Talk};

pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    let what = if talk.query().is_empty() {
        "the payment"
    } else {
        talk.query()
    };
    vec![
        Step::Work(2_000),
        Step::Tool {
            name: "prepare".to_owned(),
            content: json!({ "what": what }),
        },
        Step::Review(format!("Approval needed: {what}")),
        Step::Work(1_000),
        Step::Complete(Answer {
            shape: Shape::Summary(format!("Approved and done: {what}")),
            data: Some(json!({ "approved": true })),
        }),
    ]
}
