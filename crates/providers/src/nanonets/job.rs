//! What to run.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Method;
use taskward_core::{
    BuildError, Content, Part, Request, Source, SourceKey, Target, clean_filename, content_type_of,
};

use super::types::{RunAgentRequest, TaskOutputConfig};

/// A run of an agent: a prompt, files, or both.
///
/// ```
/// # use taskward_providers::nanonets::Job;
/// let job = Job::agent("8c1e0a4e-0000-4000-8000-000000000001")
///     .query("Extract the line items.")
///     .file("invoice.pdf")
///     .output_schema(r#"{"total":"number"}"#);
/// # let _ = job;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    agent: String,
    query: Option<String>,
    files: Vec<File>,
    output: TaskOutputConfig,
}

/// One file of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    content: Content,
    name: Option<String>,
    content_type: Option<String>,
}

impl File {
    /// Sends the file at `path`; its content is read while it is sent.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            content: Content::Source(Source::path(path)),
            name: None,
            content_type: None,
        }
    }

    /// Bytes in memory under a file name.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Bytes(bytes.into()),
            name: Some(name.into()),
            content_type: None,
        }
    }

    /// Sends content that the caller's own driver provides.
    pub fn source(name: impl Into<String>, source: Source) -> Self {
        Self {
            content: Content::Source(source),
            name: Some(name.into()),
            content_type: None,
        }
    }

    /// Sends it under this name instead of its own.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends it as this content type instead of the one of its name.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    fn part(&self) -> Result<Part, BuildError> {
        let name = match (&self.name, &self.content) {
            (Some(name), _) => clean_filename(name)?,
            (
                None,
                Content::Source(Source {
                    key: SourceKey::Path(path),
                    ..
                }),
            ) => {
                // A name that is not UTF-8 is sent as far as it can be; `name` overrides it.
                let last = path
                    .file_name()
                    .unwrap_or_else(|| Path::new("file").as_os_str());
                clean_filename(&last.to_string_lossy())?
            }
            (
                None,
                Content::Source(Source {
                    key: SourceKey::Key(key),
                    ..
                }),
            ) => clean_filename(key)?,
            (None, Content::Bytes(_)) => "file".to_owned(),
        };
        let content_type = self
            .content_type
            .clone()
            .unwrap_or_else(|| content_type_of(&name).to_owned());
        Ok(Part::file(
            "files",
            name,
            content_type,
            self.content.clone(),
        ))
    }
}

impl Job {
    /// Describes a run of this agent version.
    pub fn agent(id: impl Into<String>) -> Self {
        Self {
            agent: id.into(),
            query: None,
            files: Vec::new(),
            output: TaskOutputConfig::default(),
        }
    }

    /// Sets the prompt.
    #[must_use]
    pub fn query(mut self, text: impl Into<String>) -> Self {
        self.query = Some(text.into());
        self
    }

    /// Adds the file at `path`, under its own name and the content type of its extension.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>) -> Self {
        self.attach(File::path(path))
    }

    /// Adds a file.
    #[must_use]
    pub fn attach(mut self, file: File) -> Self {
        self.files.push(file);
        self
    }

    /// Sets the wanted shape of the structured answer: JSON text or a description in words.
    #[must_use]
    pub fn output_schema(mut self, schema: impl Into<String>) -> Self {
        self.output.output_schema = Some(schema.into());
        self
    }

    /// Hints for the output.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.output.instructions = Some(text.into());
        self
    }

    /// Returns the agent that it is for, and the first message.
    pub(super) fn first_words(&self) -> (&str, Option<&str>) {
        (&self.agent, self.query.as_deref())
    }

    /// Builds the request of the run.
    ///
    /// # Errors
    /// When there is neither a prompt nor a file, or a name cannot be sent.
    pub(super) fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/api/v1/agents")
            .segment(&self.agent)?
            .path("/run")
            .build()?;
        let output = Some(&self.output).filter(|output| **output != TaskOutputConfig::default());
        let query = self.query.as_deref().filter(|query| !query.is_empty());
        if self.files.is_empty() {
            let Some(query) = query else {
                return Err(BuildError::new(
                    "there is nothing to run: give a prompt, a file or both",
                ));
            };
            let body = RunAgentRequest {
                query: query.to_owned(),
                output_config: output.cloned(),
            };
            return Request::json(Method::POST, target, &body);
        }
        let mut parts = Vec::with_capacity(self.files.len() + 2);
        parts.extend(query.map(|query| Part::text("query", query)));
        for file in &self.files {
            parts.push(file.part()?);
        }
        if let Some(output) = output {
            let json = serde_json::to_string(output).map_err(|e| {
                BuildError::new(format!("cannot write the output configuration: {e}"))
            })?;
            parts.push(Part::text("output_config", json));
        }
        Request::form(Method::POST, target, parts)
    }
}

impl taskward_core::Job for Job {
    fn sources(&mut self) -> Vec<&mut Source> {
        self.files
            .iter_mut()
            .filter_map(|file| match &mut file.content {
                Content::Source(source) => Some(source),
                Content::Bytes(_) => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward_core::Segment;

    fn body(job: &Job) -> String {
        let request = job.request().expect("request");
        request
            .body()
            .segments()
            .map(|segment| match segment {
                Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Segment::Source(_) => "<file>".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_prompt_alone_is_sent_as_json_without_nulls() {
        assert_eq!(body(&Job::agent("a").query("hi")), r#"{"query":"hi"}"#);
        let shaped = Job::agent("a")
            .query("hi")
            .output_schema(r#"{"total":"number"}"#);
        assert_eq!(
            body(&shaped),
            r#"{"query":"hi","output_config":{"output_schema":"{\"total\":\"number\"}"}}"#
        );
    }

    /// Rows: K20.
    #[test]
    fn files_are_sent_as_parts_named_files_and_the_output_configuration_is_encoded_twice() {
        let job = Job::agent("a")
            .query("hi")
            .file("dir/in\"voice.pdf")
            .attach(File::bytes("x", "y").name("../z.csv"))
            .output_schema("{\"a\":1}");
        let text = body(&job);
        for part in [
            "name=\"query\"\r\n\r\nhi\r\n",
            "name=\"files\"; filename=\"in%22voice.pdf\"\r\nContent-Type: application/pdf\r\n\r\n<file>",
            "name=\"files\"; filename=\"z.csv\"\r\nContent-Type: text/csv\r\n\r\ny\r\n",
            "name=\"output_config\"\r\n\r\n{\"output_schema\":\"{\\\"a\\\":1}\"}\r\n",
        ] {
            assert!(text.contains(part), "{part}\n in \n{text}");
        }
    }

    #[test]
    fn a_job_without_prompt_and_file_is_refused() {
        for job in [Job::agent("a"), Job::agent("a").query("")] {
            assert!(
                job.request()
                    .expect_err("refused")
                    .to_string()
                    .contains("nothing to run")
            );
        }
        assert!(Job::agent("..").query("hi").request().is_err());
        assert_eq!(
            Job::agent("a/b")
                .query("hi")
                .request()
                .expect("request")
                .target(),
            "/api/v1/agents/a%2Fb/run"
        );
    }
}
