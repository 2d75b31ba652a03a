//! `taskward agents`: list, show, create, change, publish.

use serde_json::{Value, json};
use taskward::core::sanitise::one_line;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::{
    CreateAgent, GetAgent, ListAgentVersions, ListAgents, PublishAgentVersion, UpdateAgent,
};
use taskward::nanonets::types::{
    Agent, AgentConfig, AgentListItem, AgentStatus, CreateAgentRequest, UpdateAgentRequest,
};

use super::agent_names::{For, resolve};
use crate::answers;
use crate::args::{self, Agents};
use crate::codes::Code;
use crate::commands::table::{self, Table};
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::pages::{self, Extent};
use crate::server::At;
use crate::shell::quote;
use crate::text_arg::{json_object, text_or_file};

pub(super) async fn agents(cx: &Cx, args: Agents) -> CliResult<Exit> {
    let open = async || Connection::<Nanonets>::open(cx, None, At::Settings).await;
    match args {
        Agents::List {
            name,
            status,
            limit,
        } => list(&open().await?, name, &status, limit.unwrap_or(u32::MAX)).await,
        Agents::Show { agent } => show(&open().await?, &agent).await,
        Agents::Create(args) => {
            let request = creation(&args)?;
            create(&open().await?, request).await
        }
        Agents::Update(args) => update(cx, args).await,
        Agents::Versions { agent, limit } => {
            versions(&open().await?, &agent, limit.unwrap_or(u32::MAX)).await
        }
        Agents::Publish { agent } => publish(&open().await?, &agent).await,
    }?;
    Ok(Exit::Ok)
}

async fn list(
    connection: &Connection<Nanonets>,
    name: Option<String>,
    status: &[String],
    most: u32,
) -> CliResult<()> {
    let status = status.iter().map(String::as_str);
    let operation = ListAgents {
        cursor: None,
        limit: pages::size(most),
        name,
        status: status.map(AgentStatus::from).collect(),
    };
    let mut table = Table::new(&connection.out, &["id", "name", "version", "status"]);
    let name = |agent: &AgentListItem| agent.id.to_string();
    let read = pages::each(connection, operation, Extent::of(most), name, |agent| {
        let row = |_| {
            let name = agent.name.clone().unwrap_or_default();
            vec![agent.id.to_string(), name, version(&agent), state(&agent)]
        };
        table.add(|| line(&agent), row)
    });
    let read = read.await;
    table.end(read, "no agents")
}

async fn show(connection: &Connection<Nanonets>, wanted: &str) -> CliResult<()> {
    let id = resolve(connection, wanted, For::Show).await?;
    let agent = connection
        .call(GetAgent(id.clone()))
        .await
        .map_err(|error| missing(connection, error, &id))?;
    let mut value = whole(agent);
    if connection.out.is_json() {
        connection.out.line(value.clone());
        return Ok(());
    }
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !["v", "type", "task", "task_id"].contains(&name.as_str()));
    }
    connection.out.print_json(&value)
}

/// The name that was given; one without a letter is none.
fn named(name: Option<&str>) -> CliResult<Option<String>> {
    match name {
        Some(name) if name.trim().is_empty() => {
            Err(CliError::input("the name is empty").why("Nothing was sent."))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

fn prompt(given: Option<&str>) -> CliResult<Option<String>> {
    given
        .map(|text| text_or_file("--system-prompt", text))
        .transpose()
}

fn config(given: Option<&str>) -> CliResult<Option<AgentConfig>> {
    given.map(|text| json_object("--config", text)).transpose()
}

fn creation(args: &args::CreateAgent) -> CliResult<CreateAgentRequest> {
    Ok(CreateAgentRequest {
        name: named(args.name.as_deref())?,
        system_prompt: prompt(args.system_prompt.as_deref())?,
        config: config(args.config.as_deref())?,
    })
}

async fn create(connection: &Connection<Nanonets>, request: CreateAgentRequest) -> CliResult<()> {
    let name = request.name.clone();
    let agent = connection
        .call(CreateAgent(request))
        .await
        .map_err(|error| uncreated(connection, error, name.as_deref()))?;
    told(connection, "created", agent)
}

/// Why an agent was not created, or may have been.
fn uncreated(connection: &Connection<Nanonets>, error: CliError, name: Option<&str>) -> CliError {
    let list = match name {
        Some(name) => format!("agents list --name {}", quote(name)),
        None => "agents list --limit 5".to_owned(),
    };
    let list = connection.command(&list);
    if error.exit() == Exit::Unknown {
        let again = match name {
            Some(_) => "The same command again is refused if it was: a name is used once.",
            None => "The same command again may create a second one.",
        };
        return error
            .meaning("it is not known whether the agent was created")
            .why(again)
            .next("see", list, "whether it is there; newest first");
    }
    match (error.http_status(), name) {
        (Some(409), Some(name)) => error
            .refusal(taken(name))
            .why("Nothing was created.")
            .next("see", list, ""),
        (Some(400 | 409 | 422), _) => error
            .refusal("the server refused to create the agent")
            .why("Nothing was created."),
        _ => error,
    }
}

async fn update(cx: &Cx, args: args::UpdateAgent) -> CliResult<()> {
    let change = UpdateAgentRequest {
        name: named(args.name.as_deref())?,
        system_prompt: prompt(args.system_prompt.as_deref())?,
        config: config(args.config.as_deref())?,
        is_active: match (args.activate, args.deactivate) {
            (false, false) => None,
            (active, _) => Some(active),
        },
    };
    if change == UpdateAgentRequest::default() {
        let what = "there is nothing to change";
        return Err(CliError::input(what).why(
            "Give --name, --system-prompt, --config, --activate or --deactivate. Nothing was sent.",
        ));
    }
    let replaces = change.config.as_ref().filter(|_| !args.yes);
    if replaces.is_some() {
        answers::attended(
            &cx.global,
            "--config replaces the agent's whole configuration",
        )?;
    }
    let connection: Connection<Nanonets> = Connection::open(cx, None, At::Settings).await?;
    let id = resolve(&connection, &args.agent, For::Care).await?;
    if let Some(config) = replaces {
        let present = connection
            .call(GetAgent(id.clone()))
            .await
            .map_err(|error| missing(&connection, error, &id))?;
        if !answers::sure(
            &connection.out,
            &replacement(&args.agent, present.config, config),
        )
        .await
        {
            return Err(answers::declined("not changed; the agent is as it was"));
        }
    }
    let name = change.name.clone();
    let agent = connection
        .call(UpdateAgent::new(id.clone(), change))
        .await
        .map_err(|error| unchanged(&connection, error, &id, name.as_deref()))?;
    told(&connection, "changed", agent)
}

/// The question before a configuration is replaced: what the new one does not have is named.
fn replacement(agent: &str, present: Option<AgentConfig>, new: &AgentConfig) -> String {
    let present = present.unwrap_or_default();
    let gone: Vec<String> = present
        .keys()
        .filter(|name| !new.contains_key(*name))
        .map(|name| one_line(name))
        .collect();
    let gone = match gone.as_slice() {
        [] => String::new(),
        gone => format!(" The new one has no {}.", gone.join(", ")),
    };
    format!("replace the whole configuration of {agent:?}?{gone}")
}

/// Why an agent was not changed, or may have been.
fn unchanged(
    connection: &Connection<Nanonets>,
    error: CliError,
    id: &str,
    name: Option<&str>,
) -> CliError {
    if error.exit() == Exit::Unknown {
        let show = connection.command(&format!("agents show {}", quote(id)));
        return error
            .meaning("it is not known whether the agent was changed")
            .why("The same command again does no harm: it sets the same values.")
            .next("see", show, "how it is now");
    }
    let refusal =
        |error: CliError, what: String| error.refusal(what).why("The agent is as it was.");
    match (error.http_status(), name) {
        (Some(409), Some(name)) => {
            let list = format!("agents list --name {}", quote(name));
            refusal(error, taken(name)).next("see", connection.command(&list), "")
        }
        (Some(400 | 409 | 422), _) => {
            refusal(error, "the server refused to change the agent".to_owned())
        }
        _ => missing(connection, error, id),
    }
}

async fn versions(connection: &Connection<Nanonets>, wanted: &str, most: u32) -> CliResult<()> {
    let id = resolve(connection, wanted, For::Show).await?;
    let operation = ListAgentVersions {
        limit: pages::size(most),
        ..ListAgentVersions::new(id.clone())
    };
    let head = &["id", "version", "status", "created", "name"];
    let mut table = Table::new(&connection.out, head);
    let name = |agent: &AgentListItem| agent.id.to_string();
    let read = pages::each(connection, operation, Extent::of(most), name, |agent| {
        let row = |people| {
            let created = table::when(agent.created_at.as_ref(), people);
            let name = agent.name.clone().unwrap_or_default();
            let id = agent.id.to_string();
            vec![id, version(&agent), state(&agent), created, name]
        };
        table.add(|| line(&agent), row)
    });
    let read = read.await;
    table
        .end(read, "no versions")
        .map_err(|error| missing(connection, error, &id))
}

async fn publish(connection: &Connection<Nanonets>, wanted: &str) -> CliResult<()> {
    let id = resolve(connection, wanted, For::Care).await?;
    let published = connection
        .call(PublishAgentVersion(id.clone()))
        .await
        .map_err(|error| unpublished(connection, error, wanted, &id))?;
    announce(connection, "published", &published);
    print(connection, published.id.as_str(), &line(&published))
}

/// Why a draft was not published, or may have been.
fn unpublished(
    connection: &Connection<Nanonets>,
    error: CliError,
    wanted: &str,
    id: &str,
) -> CliError {
    let versions = connection.command(&format!("agents versions {}", quote(id)));
    if error.exit() == Exit::Unknown {
        return error
            .meaning("it is not known whether the draft was published")
            .next("see", versions, "whether there is a new version");
    }
    match error.http_status() {
        Some(409) => error
            .refusal(format!("the agent {wanted:?} has nothing to publish"))
            .why("Drafts are made in the platform's dashboard; what agents update changes is live at once.")
            .next("see", versions, "the versions there are"),
        Some(400 | 422) => error.refusal("the server refused to publish the draft"),
        _ => missing(connection, error, id),
    }
}

/// A refusal of an agent's id. For one of another workspace the platform's documentation has both 403 and 404.
fn missing(connection: &Connection<Nanonets>, error: CliError, id: &str) -> CliError {
    let status = error.http_status();
    if !matches!(status, Some(403 | 404)) || error.exit() == Exit::Unknown {
        return error;
    }
    let what = format!("the workspace of this key has no agent {id:?}");
    let error = match status {
        // A key that may not is a matter of the key, whatever it may not.
        Some(403) => error.refusal(what).named(Code::Auth).ending(Exit::Auth),
        _ => error.refusal(what),
    };
    let list = connection.command("agents list");
    error.next("see", list, "the agents there are")
}

fn taken(name: &str) -> String {
    format!("the name {name:?} is taken: a workspace uses a name once")
}

/// Tells what became of an agent, and prints its id.
fn told(connection: &Connection<Nanonets>, what: &str, agent: Agent) -> CliResult<()> {
    announce(connection, what, &agent.clone().into());
    let id = agent.id.to_string();
    print(connection, &id, &whole(agent))
}

/// Prints an id for scripts, or all of it for programs.
fn print(connection: &Connection<Nanonets>, id: &str, value: &Value) -> CliResult<()> {
    if connection.out.is_json() {
        connection.out.line(value.clone());
        return Ok(());
    }
    connection.out.print(&format!("{}\n", one_line(id)))
}

fn announce(connection: &Connection<Nanonets>, what: &str, agent: &AgentListItem) {
    let name = agent.name.clone().unwrap_or_else(|| agent.id.to_string());
    let mut words = vec![format!("{what}: {}", one_line(&name))];
    words.extend(
        agent
            .version_number
            .map(|number| format!("version {number}")),
    );
    words.extend(Some(one_line(&state(agent))).filter(|state| !state.is_empty()));
    connection.out.say(&words.join(", "));
}

fn version(agent: &AgentListItem) -> String {
    let number = agent.version_number.map(|number| number.to_string());
    number.unwrap_or_default()
}

fn state(agent: &AgentListItem) -> String {
    let status = agent.status.as_ref().map_or("", |status| status.as_str());
    match agent.is_active {
        Some(false) => format!("{status}, inactive"),
        _ => status.to_owned(),
    }
}

/// An agent as a JSON line.
fn line(agent: &AgentListItem) -> Value {
    let fields = json!({
        "id": agent.id.as_str(),
        "agent_group_id": agent.agent_group_id.as_ref().map(|id| id.as_str()),
        "version_number": agent.version_number,
        "status": agent.status.as_ref().map(|status| status.as_str()),
        "name": agent.name,
        "is_active": agent.is_active,
        "created_at": agent.created_at.as_ref().map(|at| at.as_str()),
        "updated_at": agent.updated_at.as_ref().map(|at| at.as_str()),
    });
    lines::line(LineType::Agent, None, fields)
}

/// An agent with its configuration as a JSON line.
fn whole(mut agent: Agent) -> Value {
    let config = agent.config.take();
    let mut value = line(&agent.into());
    value["config"] = config.map_or(Value::Null, Value::Object);
    value
}
