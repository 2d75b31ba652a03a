//! `taskward agents`: list and show.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetAgent;
use taskward::nanonets::types::AgentListItem;

use super::table;
use crate::agents;
use crate::args::{Agents, Global, ProviderName};
use crate::exit::Exit;
use crate::out::Out;
use crate::problem::Problem;
use crate::session::Session;

pub(super) async fn agents(
    out: Arc<Out>,
    global: &Global,
    args: Agents,
) -> Result<Exit, Box<Problem>> {
    let instead = "Its runs are started without naming an agent.";
    global.only(ProviderName::Nanonets, global.provider(), "agents", instead)?;
    let session: Session<Nanonets> = Session::open(out, global, None)?;
    match args {
        Agents::List { name } => list(&session, name.as_deref()).await,
        Agents::Show { agent } => show(&session, &agent).await,
    }
}

async fn list(session: &Session<Nanonets>, name: Option<&str>) -> Result<Exit, Box<Problem>> {
    let out = &session.out;
    let agents = agents::all(session, name).await?;
    if out.is_json() {
        for agent in &agents {
            out.line(&line(agent));
        }
    } else if agents.is_empty() {
        out.say("no agents");
    } else {
        let rows: Vec<Vec<String>> = agents.iter().map(row).collect();
        let head = ["id", "name", "version", "status"];
        out.print(&table::render(&head, &rows, out.is_for_people()))?;
    }
    Ok(Exit::Ok)
}

async fn show(session: &Session<Nanonets>, wanted: &str) -> Result<Exit, Box<Problem>> {
    let id = agents::resolve(session, wanted).await?;
    let agent = session
        .call(GetAgent(id.clone()))
        .await
        .map_err(|problem| match problem.http_status() {
            Some(403 | 404) => problem.why(agents::unreachable(&id)),
            _ => problem,
        })?;
    let mut value = json!({
        "id": agent.id.as_str(),
        "agent_group_id": agent.agent_group_id.as_ref().map(|id| id.as_str()),
        "version_number": agent.version_number,
        "status": agent.status.as_ref().map(|status| status.as_str()),
        "name": agent.name,
        "is_active": agent.is_active,
        "created_at": agent.created_at.as_ref().map(|at| at.as_str()),
        "updated_at": agent.updated_at.as_ref().map(|at| at.as_str()),
        "config": agent.config,
    });
    if session.out.is_json() {
        value["v"] = 1.into();
        value["type"] = "agent".into();
        session.out.line(&value);
    } else {
        session.out.print_json(&value)?;
    }
    Ok(Exit::Ok)
}

fn row(agent: &AgentListItem) -> Vec<String> {
    let status = agent.status.as_ref().map_or("", |status| status.as_str());
    let status = match agent.is_active {
        Some(false) => format!("{status}, inactive"),
        _ => status.to_owned(),
    };
    vec![
        agent.id.to_string(),
        agent.name.clone().unwrap_or_default(),
        agent
            .version_number
            .map(|n| n.to_string())
            .unwrap_or_default(),
        status,
    ]
}

fn line(agent: &AgentListItem) -> Value {
    json!({
        "v": 1,
        "type": "agent",
        "id": agent.id.as_str(),
        "agent_group_id": agent.agent_group_id.as_ref().map(|id| id.as_str()),
        "version_number": agent.version_number,
        "status": agent.status.as_ref().map(|status| status.as_str()),
        "name": agent.name,
        "is_active": agent.is_active,
    })
}
