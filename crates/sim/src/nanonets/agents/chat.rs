//! `chat`: pauses after each turn with a reply; the message `bye` ends it, without a `task_complete` step.

use super::{Answer, Shape, Step, Talk};

pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    let heard = if talk.turn == 0 {
        talk.query()
    } else {
        talk.last_reply()
    };
    if talk.turn > 0 && heard.trim().eq_ignore_ascii_case("bye") {
        let farewell = format!("Goodbye after {} turns.", talk.turn + 1);
        let end = Step::Complete(Answer {
            shape: Shape::LastContent,
            data: None,
        });
        return vec![Step::Work(1_000), Step::Say(farewell), end];
    }
    let reply = format!(
        "Turn {}: you said {heard:?}. Say bye to end.",
        talk.turn + 1
    );
    vec![Step::Work(1_000), Step::Say(reply), Step::Pause]
}
