//! `failing`: works for a while and fails, with a trail of steps.

use serde_json::json;

use super::{Step, Talk};

pub(super) fn turn(_: &Talk) -> Vec<Step> {
    vec![
        Step::Work(1_000),
        Step::Say("Posting the entry to the ledger.".to_owned()),
        Step::Work(1_000),
        Step::Tool {
            name: "post_entry".to_owned(),
            content: json!({ "account": "4711", "error": "account is closed" }),
        },
        Step::Fail("The ledger refused the entry: account 4711 is closed.".to_owned()),
    ]
}
