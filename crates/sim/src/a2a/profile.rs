//! Real servers, as the switches that make the simulated one behave like them.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::switches::{
    Auth, BindingName, CancelsEnded, Crash, EventShape, ExtendedCard, LaterContext, Output,
    Profile, Push, PushReplies, QuestionForm, RefusedCancel, Subscribe, Switches, TaskIds,
    TimeForm, Timestamps, Versions,
};
use crate::switches::laid_over;

/// The switch that names one.
const NAME: &str = "profile";

impl Switches {
    /// Returns the switches that behave like a server.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let spec = Self {
            profile,
            ..Self::default()
        };
        if profile == Profile::Spec {
            return spec;
        }
        let real = Self {
            root_agent: "script".to_owned(),
            auth: Auth::None,
            extended_card: ExtendedCard::Unsupported,
            ..spec
        };
        match profile {
            Profile::Spec => real,
            Profile::Py => Self {
                later_context: LaterContext::Own,
                push_replies: PushReplies::Null,
                timestamps: Timestamps::OfWork,
                times: TimeForm::Micros,
                refused_cancel: RefusedCancel::Fails,
                errors_are_json: true,
                lists_write_empty: true,
                ..real
            },
            Profile::Js => Self {
                versions: Versions::OneZero,
                checks_messages: false,
                push_replies: PushReplies::Codes,
                push_ids: true,
                later_context: LaterContext::None,
                direct_answers_name_task: true,
                status_in_history_at_once: true,
                later_turns_tell_task: true,
                crash: Crash::Failed,
                cancels_ended: CancelsEnded::Cancelled,
                refused_cancel: RefusedCancel::Unsupported,
                ..real
            },
            Profile::Langgraph => Self {
                bindings: vec![BindingName::JsonRpc],
                card_needs_query: true,
                versions: Versions::Any,
                push: Push::Missing,
                extended_card: ExtendedCard::Unlisted,
                page_size_counts: true,
                subscribe: Subscribe::Missing,
                waits_always: true,
                task_ids: TaskIds::ContextAndRun,
                history_limit: Some(10),
                answers_in_history: false,
                status_in_history_at_once: true,
                question: QuestionForm::Artifact,
                message_ids_change: true,
                artifacts_in_reads: false,
                output: Output::Messages,
                completed_message: Some("Task completed successfully".to_owned()),
                events: EventShape::FirstWrapped,
                event_names: true,
                crash: Crash::Failed,
                kinds: true,
                times: TimeForm::Offset,
                error_data: false,
                ..real
            },
        }
    }

    /// Returns these with those in their place that a table gives; a profile in it replaces all others first.
    ///
    /// # Errors
    /// When the table has one that does not exist, or a value of another type.
    pub(super) fn changed(&self, given: Map<String, Value>) -> serde_json::Result<Self> {
        match given.get(NAME) {
            Some(profile) => laid_over(&Self::of(Profile::deserialize(profile)?), given),
            None => laid_over(self, given),
        }
    }
}

/// Reads the table of a file.
pub(super) fn profiled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Switches, D::Error> {
    let given = Map::deserialize(deserializer)?;
    let switches = Switches::default().changed(given);
    switches.map_err(serde::de::Error::custom)
}
