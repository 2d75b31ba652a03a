//! Web hooks of a task. A server calls each at most once for each event, so a call is a hint to read the task.

use http::Method;
use serde::Serialize;
use taskward_core::{
    ApiError, BuildError, Operation, ReadError, Request, Response, Safety, SecretString, Target,
};

use crate::a2a::agent::A2a;
use crate::a2a::binding::{Call, RestBody};
use crate::a2a::errors::classify;
use crate::a2a::events::{check_named, named};
use crate::a2a::types::{
    ListTaskPushNotificationConfigsResponse, NewAuthenticationInfo, NewPushNotificationConfig,
    TaskPushNotificationConfig,
};
use crate::wire::Secret;

/// A web hook to be called. Nothing shows its secrets.
///
/// ```
/// # use taskward_providers::a2a::operations::PushConfig;
/// let hook = PushConfig::new("https://hooks.example/a2a").token("tok123".to_owned().into());
/// assert!(!format!("{hook:?}").contains("tok123"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PushConfig(NewPushNotificationConfig);

impl PushConfig {
    /// Calls this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(NewPushNotificationConfig {
            url: url.into(),
            ..NewPushNotificationConfig::default()
        })
    }

    /// Sets the web hook's id; without one the server makes it.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.0.id = Some(id.into());
        self
    }

    /// Sets what the agent sends in `X-A2A-Notification-Token`, by which the web hook recognises it.
    #[must_use]
    pub fn token(mut self, token: SecretString) -> Self {
        self.0.token = Some(Secret::from(token));
        self
    }

    /// Sets what the agent sends in `Authorization`: a scheme and its credentials.
    #[must_use]
    pub fn authentication(
        mut self,
        scheme: impl Into<String>,
        credentials: Option<SecretString>,
    ) -> Self {
        self.0.authentication = Some(NewAuthenticationInfo {
            scheme: scheme.into(),
            credentials: credentials.map(Secret::from),
        });
        self
    }

    /// Returns it as the wire has it, for [`SendMessageConfiguration`](crate::a2a::types::SendMessageConfiguration).
    #[must_use]
    pub fn into_wire(self) -> NewPushNotificationConfig {
        self.0
    }
}

fn configs(task: &str) -> Result<Target, BuildError> {
    Ok(Target::new("/tasks")
        .segment(task)?
        .path("/pushNotificationConfigs"))
}

/// Reads a reply that is a web hook of this task.
fn read_config(
    agent: &A2a,
    task: &str,
    reply: &Response,
) -> Result<TaskPushNotificationConfig, ReadError> {
    let config: TaskPushNotificationConfig = agent.read_content(&reply.body)?;
    check_named(task, named(&config.task_id))?;
    Ok(config)
}

/// Asks for calls of a web hook. Not repeated when its outcome is unknown, unless the web hook has an id of ours: the
/// second would be called, too.
#[derive(Clone, Debug)]
pub struct CreateTaskPushNotificationConfig {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// The web hook.
    pub config: PushConfig,
}

impl Operation for CreateTaskPushNotificationConfig {
    type Output = TaskPushNotificationConfig;
    const NAME: &'static str = "CreateTaskPushNotificationConfig";

    fn safety(&self) -> Safety {
        match self.config.0.id {
            Some(_) => Safety::Repeatable,
            None => Safety::Once,
        }
    }

    fn request(&self) -> Result<Request, BuildError> {
        let body = serde_json::to_value(&self.config.0)
            .map_err(|e| BuildError::new(format!("cannot write the web hook: {e}")))?;
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::POST,
            target: configs(&self.task)?,
            params: NewPushNotificationConfig {
                task_id: Some(self.task.clone()),
                ..self.config.0.clone()
            },
            body: RestBody::Json(body),
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<TaskPushNotificationConfig, ReadError> {
        read_config(&self.agent, &self.task, reply)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigParams<'a> {
    task_id: &'a str,
    id: &'a str,
}

/// Reads a web hook, with its secrets.
#[derive(Clone, Debug)]
pub struct GetTaskPushNotificationConfig {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// The web hook's id.
    pub config: String,
}

impl Operation for GetTaskPushNotificationConfig {
    type Output = TaskPushNotificationConfig;
    const NAME: &'static str = "GetTaskPushNotificationConfig";

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::GET,
            target: configs(&self.task)?.segment(&self.config)?,
            params: ConfigParams {
                task_id: &self.task,
                id: &self.config,
            },
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<TaskPushNotificationConfig, ReadError> {
        read_config(&self.agent, &self.task, reply)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListParams<'a> {
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<&'a str>,
}

/// Lists a page of a task's web hooks, with their secrets.
#[derive(Clone, Debug)]
pub struct ListTaskPushNotificationConfigs {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// How many a page has.
    pub page_size: Option<u32>,
    /// Where the page begins.
    pub page_token: Option<String>,
}

impl ListTaskPushNotificationConfigs {
    /// Lists the web hooks of this task.
    pub fn new(agent: &A2a, task: impl Into<String>) -> Self {
        Self {
            agent: agent.clone(),
            task: task.into(),
            page_size: None,
            page_token: None,
        }
    }
}

impl Operation for ListTaskPushNotificationConfigs {
    type Output = ListTaskPushNotificationConfigsResponse;
    const NAME: &'static str = "ListTaskPushNotificationConfigs";

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        let size = self.page_size.map(|size| size.to_string());
        let token = self.page_token.as_deref();
        let target = configs(&self.task)?.query_opt("pageSize", size.as_deref());
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::GET,
            target: target.query_opt("pageToken", token),
            params: ListParams {
                task_id: &self.task,
                page_size: self.page_size,
                page_token: token,
            },
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<ListTaskPushNotificationConfigsResponse, ReadError> {
        let page: ListTaskPushNotificationConfigsResponse = self.agent.read_content(&reply.body)?;
        for config in page.configs.readable() {
            check_named(&self.task, named(&config.task_id))?;
        }
        Ok(page)
    }
}

/// Removes a web hook. The second time changes nothing.
#[derive(Clone, Debug)]
pub struct DeleteTaskPushNotificationConfig {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// The web hook's id.
    pub config: String,
}

impl Operation for DeleteTaskPushNotificationConfig {
    type Output = ();
    const NAME: &'static str = "DeleteTaskPushNotificationConfig";

    fn request(&self) -> Result<Request, BuildError> {
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::DELETE,
            target: configs(&self.task)?.segment(&self.config)?,
            params: ConfigParams {
                task_id: &self.task,
                id: &self.config,
            },
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<(), ReadError> {
        self.agent.check_content(&reply.body)
    }
}
