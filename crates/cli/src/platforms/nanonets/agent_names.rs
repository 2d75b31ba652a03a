//! Agents by name: over all pages, versions of one agent as one.

use std::collections::BTreeMap;

use taskward::core::sanitise::one_line;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::ListAgents;
use taskward::nanonets::types::{AgentListItem, AgentStatus};

use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::pages::{self, Extent, PAGE};
use crate::shell::quote;

/// Pages that are read at most to find an agent by its name.
const MOST_PAGES: u32 = 1000;

/// What an agent is resolved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// To run it: only a published and active one will do.
    Run,
    /// To change it.
    Care,
    /// To show it, or to list its tasks.
    Show,
}

impl For {
    /// What was not done when none is found.
    fn undone(self) -> &'static str {
        match self {
            Self::Run => "Nothing was started.",
            Self::Care => "Nothing was changed.",
            Self::Show => "",
        }
    }
}

/// All agents whose name contains `name`, any state but archived, newest first; and how many entries could not be read.
async fn all(
    connection: &Connection<Nanonets>,
    name: Option<&str>,
) -> CliResult<(Vec<AgentListItem>, usize)> {
    let operation = ListAgents {
        limit: Some(PAGE),
        name: name.map(str::to_owned),
        ..ListAgents::default()
    };
    let mut agents = Vec::new();
    let extent = Extent {
        entries: u32::MAX,
        pages: MOST_PAGES,
    };
    let name = |agent: &AgentListItem| agent.id.to_string();
    let read = pages::each(connection, operation, extent, name, |agent| {
        agents.push(agent);
        Ok(())
    });
    let unreadable = read.await.map_err(|error| match error.http_status() {
        None if error.exit() == Exit::Other => error.why("Name the agent by its id."),
        _ => error,
    })?;
    Ok((agents, unreadable))
}

/// The id of the agent that `wanted` names: an id as it is, or the newest version of an agent of exactly this name, a
/// published one before any other.
pub(super) async fn resolve(
    connection: &Connection<Nanonets>,
    wanted: &str,
    purpose: For,
) -> CliResult<String> {
    if wanted.trim().is_empty() {
        return Err(CliError::input("the agent's name is empty"));
    }
    if is_uuid(wanted) {
        return Ok(wanted.to_owned());
    }
    let (found, _) = all(connection, Some(wanted)).await?;
    match pick(wanted, &found, purpose) {
        Pick::One(id) => Ok(id),
        Pick::Several(agents) => Err(several(connection, wanted, &agents, purpose)),
        Pick::NotRunnable(agents) => Err(not_runnable(wanted, &agents)),
        Pick::None => {
            let (all, unreadable) = all(connection, None).await?;
            // An id need not be a UUID.
            match all.iter().find(|agent| agent.id.as_str() == wanted) {
                Some(agent) => Ok(agent.id.to_string()),
                None if unreadable > 0 => Err(maybe_unreadable(wanted, purpose)),
                None => Err(none(connection, wanted, &all, purpose)),
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Pick<'a> {
    One(String),
    Several(Vec<&'a AgentListItem>),
    NotRunnable(Vec<&'a AgentListItem>),
    None,
}

fn pick<'a>(wanted: &str, agents: &'a [AgentListItem], purpose: For) -> Pick<'a> {
    let named: Vec<&AgentListItem> = agents
        .iter()
        .filter(|agent| agent.name.as_deref() == Some(wanted))
        .collect();
    let rank = |agent: &AgentListItem| (is_published(agent), agent.version_number);
    let mut groups: BTreeMap<&str, &AgentListItem> = BTreeMap::new();
    for agent in &named {
        if purpose == For::Run && !is_published(agent) {
            continue;
        }
        // Without a group, every id is an agent of its own.
        let group = agent.agent_group_id.as_ref().unwrap_or(&agent.id).as_str();
        let newest = groups.entry(group).or_insert(agent);
        if rank(agent) > rank(newest) {
            *newest = agent;
        }
    }
    let newest: Vec<&AgentListItem> = groups.into_values().collect();
    match newest.as_slice() {
        [agent] if purpose == For::Run && agent.is_active == Some(false) => {
            Pick::NotRunnable(vec![agent])
        }
        [agent] => Pick::One(agent.id.to_string()),
        [] if named.is_empty() => Pick::None,
        [] => Pick::NotRunnable(named),
        _ => Pick::Several(newest),
    }
}

fn is_published(agent: &AgentListItem) -> bool {
    agent.status == Some(AgentStatus::Published)
}

fn several(
    connection: &Connection<Nanonets>,
    wanted: &str,
    agents: &[&AgentListItem],
    purpose: For,
) -> CliError {
    let what = format!("{} agents are named {wanted:?}", agents.len());
    let why = format!("Name the one by its id. {}", purpose.undone());
    let why = why.trim_end();
    agents
        .iter()
        .fold(CliError::input(what).why(why), |error, agent| {
            let note = match agent.is_active {
                Some(false) => "inactive",
                _ => "active",
            };
            let command = format!("agents show {}", quote(agent.id.as_str()));
            error.next("see", connection.command(&command), note)
        })
}

fn not_runnable(wanted: &str, agents: &[&AgentListItem]) -> CliError {
    let states: Vec<String> = agents
        .iter()
        .map(|agent| match (&agent.status, agent.is_active) {
            (Some(AgentStatus::Published), Some(false)) => "inactive".to_owned(),
            (Some(status), _) => status.as_str().to_owned(),
            (None, _) => "of unknown state".to_owned(),
        })
        .collect();
    CliError::input(format!(
        "the agent {wanted:?} cannot be run: it is {}",
        states.join(", ")
    ))
    .why("Only a published and active agent runs. Nothing was started.")
}

/// One of the entries that cannot be read may be the agent that is searched for.
fn maybe_unreadable(wanted: &str, purpose: For) -> CliError {
    let what = format!("it is not known whether an agent is named {wanted:?}");
    let why = "The list of agents has entries that could not be read.";
    let error = CliError::new(Code::Decode, what).why(why);
    match purpose.undone() {
        "" => error.why("Name the agent by its id."),
        undone => error.why(undone).why("Name the agent by its id."),
    }
}

fn none(
    connection: &Connection<Nanonets>,
    wanted: &str,
    all: &[AgentListItem],
    purpose: For,
) -> CliError {
    let mut names: Vec<&str> = all
        .iter()
        .filter(|agent| {
            purpose != For::Run || (is_published(agent) && agent.is_active != Some(false))
        })
        .filter_map(|agent| agent.name.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    let close = closest(wanted, &names);
    let mut error = CliError::input(format!("no agent is named {wanted:?}"));
    if let Some(close) = close {
        error = error.why(format!("Did you mean {:?}?", one_line(close)));
    }
    const SHOWN: usize = 12;
    if !names.is_empty() {
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        names.truncate(SHOWN);
        let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        error = error.why(format!("There are: {}{more}", names.join(", ")));
    }
    let error = match purpose.undone() {
        "" => error,
        undone => error.why(undone),
    };
    error.next("see", connection.command("agents list"), "")
}

/// The name that was probably meant: the same but for its case, or a typing error or two away.
fn closest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let limit = (wanted.chars().count() / 3).clamp(1, 3);
    names
        .iter()
        .map(|name| (distance(&wanted, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agents(entries: &[(&str, &str, i64, &str, bool)]) -> Vec<AgentListItem> {
        entries
            .iter()
            .map(|(id, group, version, status, active)| {
                serde_json::from_value(json!({
                    "id": id, "agent_group_id": group, "version_number": version, "status": status,
                    "name": "invoices", "is_active": active,
                }))
                .expect("an agent")
            })
            .collect()
    }

    #[test]
    fn versions_of_one_agent_are_one_and_the_highest_is_taken() {
        let list = agents(&[
            ("a3", "g", 3, "draft", true),
            ("a1", "g", 1, "published", true),
            ("a2", "g", 2, "published", true),
        ]);
        assert_eq!(pick("invoices", &list, For::Run), Pick::One("a2".into()));
        assert_eq!(pick("Invoices", &list, For::Run), Pick::None);
    }

    #[test]
    fn several_agents_an_inactive_one_and_a_draft_are_told_apart() {
        let several = agents(&[
            ("a", "g", 1, "published", true),
            ("b", "h", 1, "published", true),
        ]);
        assert!(
            matches!(pick("invoices", &several, For::Run), Pick::Several(found) if found.len() == 2)
        );
        for list in [
            agents(&[("a", "g", 1, "published", false)]),
            agents(&[("a", "g", 1, "draft", true)]),
            // The highest version counts, not the highest one that would run.
            agents(&[
                ("a", "g", 1, "published", true),
                ("b", "g", 2, "published", false),
            ]),
        ] {
            assert!(
                matches!(pick("invoices", &list, For::Run), Pick::NotRunnable(_)),
                "{list:?}"
            );
        }
    }

    #[test]
    fn an_agent_that_cannot_be_run_can_still_be_read_and_changed() {
        for (list, picked) in [
            (agents(&[("a", "g", 1, "published", false)]), "a"),
            (agents(&[("a", "g", 1, "draft", true)]), "a"),
            // A change is live in what is published; a draft is the dashboard's.
            (
                agents(&[
                    ("a", "g", 3, "draft", true),
                    ("b", "g", 2, "published", false),
                ]),
                "b",
            ),
        ] {
            let found = pick("invoices", &list, For::Care);
            assert_eq!(found, Pick::One(picked.into()));
        }
    }

    #[test]
    fn a_typing_error_finds_its_name_and_a_stranger_does_not() {
        let names = ["invoice", "asker", "echo"];
        for (wanted, found) in [
            ("invoise", Some("invoice")),
            ("Invoice", Some("invoice")),
            ("invioce", Some("invoice")),
            ("eco", Some("echo")),
            ("lawyer", None),
        ] {
            assert_eq!(closest(wanted, &names), found, "{wanted}");
        }
    }
}
