//! What to run.

use http::Method;
use serde_json::{Map, Value};
use taskward_core::{BuildError, IdempotencyKey, MatchCriteria, Request, Target};

use super::types::CreateRunRequest;

/// A run: a free-form input, and the caller's data that is stored with it.
///
/// ```
/// # use taskward_providers::agent_harness::Job;
/// let job = Job::goal("Draft and send the weekly team update.")
///     .workspace("marketing")
///     .subject("user-17");
/// # let _ = job;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    body: CreateRunRequest,
}

impl Job {
    /// Describes a run of this input.
    #[must_use]
    pub fn input(input: Map<String, Value>) -> Self {
        let mut job = Self::default();
        job.body.input = Some(input);
        job
    }

    /// Describes a run whose input is a goal in words: `{"goal": …}`.
    #[must_use]
    pub fn goal(goal: impl Into<String>) -> Self {
        Self::default().with_input("goal", goal.into())
    }

    /// Sets one field of the input.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let input = self.body.input.get_or_insert_with(Map::new);
        input.insert(name.into(), value.into());
        self
    }

    /// Sets the caller's own data, which is stored with the run.
    #[must_use]
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.body.metadata = Some(metadata);
        self
    }

    /// Sets the workspace that the run is accounted to: a label, which grants nothing.
    #[must_use]
    pub fn workspace(mut self, id: impl Into<String>) -> Self {
        self.body.workspace_id = Some(id.into());
        self
    }

    /// Sets the person or system that the run is accounted to: a label, which grants nothing.
    #[must_use]
    pub fn subject(mut self, id: impl Into<String>) -> Self {
        self.body.subject_id = Some(id.into());
        self
    }

    /// References to attachments, in whatever form the platform takes them.
    #[must_use]
    pub fn attachment_refs(mut self, refs: Vec<Value>) -> Self {
        self.body.attachment_refs = Some(refs);
        self
    }

    /// Sets how sensitive the input is.
    #[must_use]
    pub fn sensitivity_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let tags = tags.into_iter().map(|tag| Value::String(tag.into()));
        self.body.sensitivity_tags = Some(tags.collect());
        self
    }

    /// Sets whether the run is to stream; the platform does not document what that changes.
    #[must_use]
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.body.streaming = Some(streaming);
        self
    }

    /// Sets a hint on where the run is to be executed.
    #[must_use]
    pub fn routing_hint(mut self, hint: impl Into<String>) -> Self {
        self.body.routing_hint = Some(hint.into());
        self
    }

    /// Sets a field that this version does not know.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.body.extra.insert(name.into(), value.into());
        self
    }

    /// Describes the whole job as one digest, with its goal for people.
    pub(super) fn match_criteria(&self) -> Option<MatchCriteria> {
        let mut match_criteria =
            MatchCriteria::default().with_first_message(&serde_json::to_string(&self.body).ok()?);
        let goal = self.body.input.as_ref().and_then(|input| input.get("goal"));
        match_criteria.title = goal
            .and_then(Value::as_str)
            .and_then(|goal| MatchCriteria::default().with_first_message(goal).title);
        Some(match_criteria)
    }

    pub(super) fn request(&self, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        let target = Target::new("/v1/runs").build()?;
        let request = Request::json(Method::POST, target, &self.body)?;
        key.map_or(Ok(request.clone()), |key| request.keyed(key))
    }
}

impl taskward_core::Job for Job {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use taskward_core::Body;

    fn body(job: &Job) -> Value {
        let request = job.request(None).expect("request");
        let Body::Bytes(bytes) = request.body() else {
            panic!("no JSON");
        };
        serde_json::from_slice(bytes).expect("JSON")
    }

    #[test]
    fn match_criteria_tell_jobs_apart_by_all_that_is_sent() {
        let match_criteria = |job: Job| job.match_criteria().expect("a clue");
        let one = match_criteria(Job::goal("Report.\nIn full."));
        assert_eq!(one, match_criteria(Job::goal("Report.\nIn full.")));
        assert_eq!(one.title.as_deref(), Some("Report."));
        for other in [
            Job::goal("Report."),
            Job::goal("Report.\nIn full.").subject("user-17"),
            Job::goal("Report.\nIn full.").with_input("copies", 2),
        ] {
            assert_ne!(one.digest, match_criteria(other).digest);
        }
    }

    #[test]
    fn a_job_is_sent_with_every_field_that_was_set_and_no_other() {
        assert_eq!(body(&Job::goal("g")), json!({"input": {"goal": "g"}}));
        assert_eq!(body(&Job::default()), json!({}));
        let Value::Object(metadata) = json!({"a": 1}) else {
            panic!("an object");
        };
        let job = Job::goal("g")
            .with_input("n", 2)
            .metadata(metadata)
            .workspace("w")
            .subject("s")
            .attachment_refs(vec![json!("ref")])
            .sensitivity_tags(["pii"])
            .streaming(true)
            .routing_hint("eu")
            .extra("priority", 5);
        assert_eq!(
            body(&job),
            json!({
                "input": {"goal": "g", "n": 2}, "metadata": {"a": 1}, "workspace_id": "w", "subject_id": "s",
                "attachment_refs": ["ref"], "sensitivity_tags": ["pii"], "streaming": true, "routing_hint": "eu",
                "priority": 5
            })
        );
    }

    #[test]
    fn the_key_goes_into_the_header() {
        let key = IdempotencyKey::new("nightly-2026-11-22");
        let request = Job::goal("g").request(Some(&key)).expect("request");
        assert_eq!(request.headers()["idempotency-key"], "nightly-2026-11-22");
        assert!(
            Job::goal("g")
                .request(Some(&IdempotencyKey::new("a\nb")))
                .is_err()
        );
    }
}
