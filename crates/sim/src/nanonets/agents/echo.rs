//! `echo`: returns what it was sent.

use serde_json::{Value, json};

use super::{Answer, Shape, Step, Talk, describe};

/// Returns the newer version: query, replies, output config and the files' digests.
pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    let files: Vec<Value> = talk.files.iter().map(describe).collect();
    let data = json!({
        "query": talk.query,
        "replies": talk.replies,
        "output_config": talk.output_config,
        "files": files,
    });
    finish(talk, Some(data))
}

/// Returns the older version: the query alone.
pub(super) fn old_turn(talk: &Talk) -> Vec<Step> {
    finish(talk, None)
}

fn finish(talk: &Talk, data: Option<Value>) -> Vec<Step> {
    let heard = if talk.turn == 0 {
        talk.query()
    } else {
        talk.last_reply()
    };
    let text = if heard.is_empty() {
        format!("{} file(s)", talk.files.len())
    } else {
        heard.to_owned()
    };
    vec![
        Step::Think("Reading the request.".to_owned()),
        Step::Work(2_000),
        Step::Complete(Answer {
            shape: Shape::Summary(text),
            data,
        }),
    ]
}
