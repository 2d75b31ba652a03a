//! Agents and their versions.

use http::Method;
use taskward_core::{BuildError, Operation, ReadError, Request, Response, Safety, Target};

use super::{joined, json, list_of, paged};
use crate::nanonets::types::{
    Agent, AgentList, AgentListItem, AgentStatus, AgentVersion, AgentVersionList,
    CreateAgentRequest, UpdateAgentRequest,
};

/// Returns the target of a call on one agent, `rest` below it.
fn agent_target(id: &str, rest: &'static str) -> Result<Target, BuildError> {
    Ok(Target::new("/api/v1/agents").segment(id)?.path(rest))
}

/// An agent as lists have it: without its configuration.
impl From<Agent> for AgentVersion {
    fn from(agent: Agent) -> Self {
        Self {
            id: agent.id,
            agent_group_id: agent.agent_group_id,
            version_number: agent.version_number,
            status: agent.status,
            name: agent.name,
            is_active: agent.is_active,
            created_at: agent.created_at,
            updated_at: agent.updated_at,
            extra: agent.extra,
        }
    }
}

/// Lists the workspace's agents, newest first, a page at a time.
#[derive(Clone, Debug, Default)]
pub struct ListAgents {
    /// Where the page begins: the cursor of the page before.
    pub cursor: Option<String>,
    /// Entries on a page, 1 to 100; 20 when left out.
    pub limit: Option<u32>,
    /// Only names that contain this, whatever the case.
    pub name: Option<String>,
    /// Only these states; all but archived when empty.
    pub status: Vec<AgentStatus>,
}

impl Operation for ListAgents {
    type Output = AgentList;
    const NAME: &'static str = "listAgents";

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/api/v1/agents");
        let target = paged(target, self.cursor.as_deref(), self.limit)
            .query_opt("q", self.name.as_deref())
            .query_opt(
                "status",
                joined(self.status.iter().map(AgentStatus::as_str)).as_deref(),
            );
        Ok(Request::get(target.build()?))
    }

    fn read(&self, reply: &Response) -> Result<AgentList, ReadError> {
        json(reply)
    }
}

list_of!(ListAgents, AgentListItem);

/// Creates an agent; it is published as version 1 and can be run at once.
///
/// Not repeated when its outcome is unknown: there is no idempotency key, and an agent without a name would be created
/// twice. Search for its name with [`ListAgents`] then.
#[derive(Clone, Debug, Default)]
pub struct CreateAgent(pub CreateAgentRequest);

impl Operation for CreateAgent {
    type Output = Agent;
    const NAME: &'static str = "createAgent";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/api/v1/agents").build()?;
        Request::json(Method::POST, target, &self.0)
    }

    fn read(&self, reply: &Response) -> Result<Agent, ReadError> {
        json(reply)
    }
}

/// Reads one agent version with its configuration.
#[derive(Clone, Debug)]
pub struct GetAgent(pub String);

impl Operation for GetAgent {
    type Output = Agent;
    const NAME: &'static str = "getAgent";

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(agent_target(&self.0, "")?.build()?))
    }

    fn read(&self, reply: &Response) -> Result<Agent, ReadError> {
        json(reply)
    }
}

/// Changes an agent version in place; live from its next run. Fields that the change omits stay as they are.
///
/// A `config` replaces the whole configuration: read the agent first, and send all of it.
#[derive(Clone, Debug)]
pub struct UpdateAgent {
    /// The agent version.
    pub agent: String,
    /// What changes.
    pub change: UpdateAgentRequest,
}

impl UpdateAgent {
    /// This change of this agent version.
    pub fn new(agent: impl Into<String>, change: UpdateAgentRequest) -> Self {
        Self {
            agent: agent.into(),
            change,
        }
    }
}

impl Operation for UpdateAgent {
    type Output = Agent;
    const NAME: &'static str = "updateAgent";

    // RFC 5789 promises nothing for PATCH in general. This one sets given values in place and makes no version: the
    // second of two is no change, and one that comes late does no more than a single one that was delayed.
    fn safety(&self) -> Safety {
        Safety::Repeatable
    }

    fn request(&self) -> Result<Request, BuildError> {
        if self.change == UpdateAgentRequest::default() {
            return Err(BuildError::new(
                "there is nothing to change: give a name, a system prompt, a configuration or is_active",
            ));
        }
        let target = agent_target(&self.agent, "")?.build()?;
        Request::json(Method::PATCH, target, &self.change)
    }

    fn read(&self, reply: &Response) -> Result<Agent, ReadError> {
        json(reply)
    }
}

/// Lists the versions of an agent, most recent first.
///
/// The platform's documentation says both that this list has pages and that it takes no parameters. So the first request
/// has none, and a page is asked for only with a cursor that the server gave.
#[derive(Clone, Debug)]
pub struct ListAgentVersions {
    /// Any version of the agent.
    pub agent: String,
    /// Where the page begins: the cursor of the page before.
    pub cursor: Option<String>,
    /// Entries on a page, 1 to 100; sent with a cursor only.
    pub limit: Option<u32>,
}

impl ListAgentVersions {
    /// Lists all versions of the agent that this is one of.
    pub fn new(agent: impl Into<String>) -> Self {
        Self {
            agent: agent.into(),
            cursor: None,
            limit: None,
        }
    }
}

impl Operation for ListAgentVersions {
    type Output = AgentVersionList;
    const NAME: &'static str = "listAgentVersions";

    fn request(&self) -> Result<Request, BuildError> {
        let cursor = self.cursor.as_deref();
        let limit = self.limit.filter(|_| cursor.is_some());
        let target = paged(agent_target(&self.agent, "/versions")?, cursor, limit);
        Ok(Request::get(target.build()?))
    }

    fn read(&self, reply: &Response) -> Result<AgentVersionList, ReadError> {
        json(reply)
    }
}

list_of!(ListAgentVersions, AgentVersion);

/// Publishes an agent's current draft as a new version. Drafts are made in the platform's dashboard; without one it is
/// refused with 409.
///
/// Not repeated when its outcome is unknown: a draft that somebody made meanwhile would be published, too. Search for the
/// new version with [`ListAgentVersions`] then.
#[derive(Clone, Debug)]
pub struct PublishAgentVersion(pub String);

impl Operation for PublishAgentVersion {
    type Output = AgentVersion;
    const NAME: &'static str = "publishAgentVersion";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        let target = agent_target(&self.0, "/versions/publish")?.build()?;
        Ok(Request::empty(Method::POST, target))
    }

    fn read(&self, reply: &Response) -> Result<AgentVersion, ReadError> {
        json(reply)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use taskward_core::{Body, Pages};

    use super::*;

    fn body(request: &Request) -> Value {
        let Body::Bytes(body) = request.body() else {
            panic!("no JSON");
        };
        serde_json::from_slice(body).expect("JSON")
    }

    #[test]
    fn what_is_left_out_of_a_change_is_not_sent_and_nothing_is_sent_as_null() {
        let change = UpdateAgentRequest {
            system_prompt: Some(String::new()),
            ..UpdateAgentRequest::default()
        };
        let request = UpdateAgent::new("a/b", change).request().expect("request");
        assert_eq!(request.method(), Method::PATCH);
        assert_eq!(request.target(), "/api/v1/agents/a%2Fb");
        assert_eq!(body(&request), json!({ "system_prompt": "" }));
        let config = json!({ "model": null, "tools": [] });
        let create = CreateAgent(CreateAgentRequest {
            config: config.as_object().cloned(),
            ..CreateAgentRequest::default()
        });
        assert_eq!(
            body(&create.request().expect("request")),
            json!({ "config": config })
        );
        assert_eq!(
            body(&CreateAgent::default().request().expect("request")),
            json!({})
        );
    }

    #[test]
    fn a_change_of_nothing_is_refused_and_a_publication_has_no_body() {
        let nothing = UpdateAgent::new("a", UpdateAgentRequest::default());
        let error = nothing.request().expect_err("nothing to change");
        assert!(error.to_string().contains("nothing to change"), "{error}");
        let publish = PublishAgentVersion("a".into());
        assert!(publish.request().expect("request").body().is_empty());
    }

    #[test]
    fn only_what_sets_the_same_values_again_is_repeated_after_a_lost_reply() {
        let change = UpdateAgent::new("a", UpdateAgentRequest::default());
        assert_eq!(change.safety(), Safety::Repeatable);
        assert_eq!(CreateAgent::default().safety(), Safety::Once);
        assert_eq!(PublishAgentVersion("a".into()).safety(), Safety::Once);
    }

    #[test]
    fn agents_are_filtered_on_every_page() {
        let mut pages = Pages::new(ListAgents {
            limit: Some(2),
            name: Some("a&b".into()),
            status: vec![AgentStatus::Draft, AgentStatus::Archived],
            ..ListAgents::default()
        });
        let filters = "limit=2&q=a%26b&status=draft%2Carchived";
        let target = |pages: &Pages<ListAgents>| {
            let operation = pages.next().expect("no loop").expect("a page");
            operation.request().expect("request").target().to_string()
        };
        assert_eq!(target(&pages), format!("/api/v1/agents?{filters}"));
        let reply = r#"{"data":[{"id":"x"}],"has_more":true,"next_cursor":"c/1"}"#;
        let reply = Response::new(http::StatusCode::OK, reply);
        let page = ListAgents::default().read(&reply).expect("a page");
        assert_eq!(pages.take(page).len(), 1);
        assert_eq!(
            target(&pages),
            format!("/api/v1/agents?cursor=c%2F1&{filters}")
        );
    }

    /// Rows: D21.
    #[test]
    fn the_first_page_of_versions_is_asked_for_without_parameters_and_may_be_the_only_one() {
        let operation = ListAgentVersions {
            limit: Some(50),
            ..ListAgentVersions::new("a")
        };
        for (reply, second) in [
            (r#"{"data":[]}"#, None),
            (r#"{"data":[],"has_more":false,"next_cursor":null}"#, None),
            (r#"{"data":[],"has_more":true}"#, None),
            (
                r#"{"data":[],"next_cursor":"n"}"#,
                Some("/api/v1/agents/a/versions?cursor=n&limit=50"),
            ),
        ] {
            let mut pages = Pages::new(operation.clone());
            let first = pages.next().expect("no loop").expect("a page");
            let request = first.request().expect("request");
            assert_eq!(request.target(), "/api/v1/agents/a/versions", "{reply}");
            let read = first.read(&Response::new(http::StatusCode::OK, reply));
            pages.take(read.expect(reply));
            let next = pages.next().expect("no loop");
            let target = next.map(|next| next.request().expect("request").target().to_string());
            assert_eq!(target.as_deref(), second, "{reply}");
        }
    }
}
