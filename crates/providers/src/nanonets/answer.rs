//! What came of a run.

use serde_json::Value;
use taskward_core::Output;

use super::text::text_of;

/// The answer of a completed task: its summary, as the server sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    raw: Value,
}

impl Answer {
    pub(super) fn new(raw: Value) -> Self {
        Self { raw }
    }

    /// Returns the final answer, free-form; `None` when the task has none.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        present(self.raw.get("result"))
    }

    /// Returns the structured data from whichever of its three places has it: beside the result, in it, or in its
    /// `structuredContent`.
    #[must_use]
    pub fn extracted_data(&self) -> Option<&Value> {
        let result = self.result();
        present(self.raw.get("extracted_data"))
            .or_else(|| present(result?.get("extracted_data")))
            .or_else(|| present(result?.get("structuredContent")?.get("extracted_data")))
    }
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

impl Output for Answer {
    /// Returns the answer as text: the result when it is text, else its `summary`, `text` or `content`.
    fn text(&self) -> Option<String> {
        let result = self.result()?;
        let summary = result
            .get("structuredContent")
            .and_then(|content| content.get("summary")?.as_str());
        summary.map(str::to_owned).or_else(|| text_of(result))
    }

    /// Returns the structured data, or else a result that is not text.
    fn json(&self) -> Option<&Value> {
        self.extracted_data().or_else(|| match self.text() {
            Some(_) => None,
            None => self.result(),
        })
    }

    fn raw(&self) -> &Value {
        &self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn structured_data_is_found_wherever_it_stands() {
        let data = json!({"total": 7});
        for raw in [
            json!({"extracted_data": data, "result": {"summary": "s"}}),
            json!({"result": {"summary": "s", "extracted_data": data}}),
            json!({"result": {"structuredContent": {"summary": "s", "extracted_data": data}}}),
            json!({"extracted_data": null, "result": {"summary": "s", "extracted_data": data}}),
        ] {
            let answer = Answer::new(raw.clone());
            assert_eq!(answer.extracted_data(), Some(&data), "{raw}");
            assert_eq!(answer.text().as_deref(), Some("s"), "{raw}");
            assert_eq!(
                answer
                    .data::<std::collections::BTreeMap<String, u32>>()
                    .expect("data")["total"],
                7
            );
        }
    }

    #[test]
    fn every_shape_of_the_result_is_read() {
        for (raw, text, json) in [
            (
                json!({"result": {"summary": "s", "completed_at": "t"}}),
                Some("s"),
                None,
            ),
            (json!({"result": "plain"}), Some("plain"), None),
            (
                json!({"result": {"rows": [1]}}),
                None,
                Some(json!({"rows": [1]})),
            ),
            (json!({"result": [1, 2]}), None, Some(json!([1, 2]))),
            (json!({"result": null}), None, None),
            (json!({}), None, None),
        ] {
            let answer = Answer::new(raw.clone());
            assert_eq!(answer.text().as_deref(), text, "{raw}");
            assert_eq!(answer.json(), json.as_ref(), "{raw}");
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_an_error_that_says_so() {
        let error = Answer::new(json!({})).data::<u32>().expect_err("empty");
        assert!(error.to_string().contains("without an answer"), "{error}");
        assert!(
            Answer::new(json!({"extracted_data": {"a": "x"}}))
                .data::<Vec<u32>>()
                .is_err()
        );
    }
}
