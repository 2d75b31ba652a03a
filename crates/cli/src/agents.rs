//! Agents by name: over all pages, versions of one agent as one.

use std::collections::{BTreeMap, HashSet};

use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::ListAgents;
use taskward::nanonets::types::{AgentListItem, AgentStatus};

use crate::exit::Exit;
use crate::problem::Problem;
use crate::sanitise::one_line;
use crate::session::Session;
use crate::task_ref::quote;

/// The largest page that the API gives.
pub(crate) const PAGE: u32 = 100;

/// Where the next page of a list begins.
#[derive(Debug, Default)]
pub(crate) struct Pages(HashSet<String>);

impl Pages {
    /// The cursor of the next page; `None` after the last one.
    pub(crate) fn next(
        &mut self,
        has_more: Option<bool>,
        cursor: Option<String>,
    ) -> Result<Option<String>, Box<Problem>> {
        let more = has_more != Some(false);
        let Some(cursor) = cursor.filter(|cursor| more && !cursor.is_empty()) else {
            return Ok(None);
        };
        if !self.0.insert(cursor.clone()) {
            return Err(Problem::new(
                Exit::Other,
                "decode",
                "the server's list goes in circles: it repeats a cursor",
            ));
        }
        Ok(Some(cursor))
    }
}

/// What a 403 or 404 for an agent given by its id may mean.
pub(crate) fn unreachable(agent: &str) -> String {
    format!(
        "The agent {:?} may be inactive, or of another workspace than the key.",
        one_line(agent)
    )
}

/// All agents whose name contains `name`, any state but archived, newest first.
pub(crate) async fn all(
    session: &Session<Nanonets>,
    name: Option<&str>,
) -> Result<Vec<AgentListItem>, Box<Problem>> {
    let mut agents = Vec::new();
    let mut pages = Pages::default();
    let mut cursor = None;
    loop {
        let list = session
            .call(ListAgents {
                cursor: cursor.take(),
                limit: Some(PAGE),
                name: name.map(str::to_owned),
                status: Vec::new(),
            })
            .await?;
        agents.extend(list.data);
        cursor = pages.next(list.has_more, list.next_cursor)?;
        if cursor.is_none() {
            return Ok(agents);
        }
    }
}

/// The id of the agent that `wanted` names: an id as it is, or the newest published version of an agent of exactly this
/// name.
pub(crate) async fn resolve(
    session: &Session<Nanonets>,
    wanted: &str,
) -> Result<String, Box<Problem>> {
    if wanted.trim().is_empty() {
        return Err(Problem::input("the agent's name is empty"));
    }
    if is_uuid(wanted) {
        return Ok(wanted.to_owned());
    }
    let found = all(session, Some(wanted)).await?;
    match pick(wanted, &found) {
        Pick::One(id) => Ok(id),
        Pick::Several(agents) => Err(several(session, wanted, &agents)),
        Pick::NotRunnable(agents) => Err(not_runnable(wanted, &agents)),
        Pick::None => {
            let all = all(session, None).await?;
            // An id need not be a UUID.
            match all.iter().find(|agent| agent.id.as_str() == wanted) {
                Some(agent) => Ok(agent.id.to_string()),
                None => Err(none(session, wanted, &all)),
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

fn pick<'a>(wanted: &str, agents: &'a [AgentListItem]) -> Pick<'a> {
    let named: Vec<&AgentListItem> = agents
        .iter()
        .filter(|agent| agent.name.as_deref() == Some(wanted))
        .collect();
    let mut groups: BTreeMap<&str, &AgentListItem> = BTreeMap::new();
    for agent in &named {
        if agent.status != Some(AgentStatus::Published) {
            continue;
        }
        // Without a group, every id is an agent of its own.
        let group = agent.agent_group_id.as_ref().unwrap_or(&agent.id).as_str();
        let newest = groups.entry(group).or_insert(agent);
        if agent.version_number > newest.version_number {
            *newest = agent;
        }
    }
    let newest: Vec<&AgentListItem> = groups.into_values().collect();
    match newest.as_slice() {
        [agent] if agent.is_active != Some(false) => Pick::One(agent.id.to_string()),
        [agent] => Pick::NotRunnable(vec![agent]),
        [] if named.is_empty() => Pick::None,
        [] => Pick::NotRunnable(named),
        _ => Pick::Several(newest),
    }
}

fn several(session: &Session<Nanonets>, wanted: &str, agents: &[&AgentListItem]) -> Box<Problem> {
    let what = format!("{} agents are named {wanted:?}", agents.len());
    agents.iter().fold(
        Problem::input(what).why("Name the one by its id. Nothing was started."),
        |problem, agent| {
            let note = match agent.is_active {
                Some(false) => "inactive",
                _ => "active",
            };
            let command = format!("agents show {}", quote(agent.id.as_str()));
            problem.next("see", session.command(&command), note)
        },
    )
}

fn not_runnable(wanted: &str, agents: &[&AgentListItem]) -> Box<Problem> {
    let states: Vec<String> = agents
        .iter()
        .map(|agent| match (&agent.status, agent.is_active) {
            (Some(AgentStatus::Published), Some(false)) => "inactive".to_owned(),
            (Some(status), _) => status.as_str().to_owned(),
            (None, _) => "of unknown state".to_owned(),
        })
        .collect();
    Problem::input(format!(
        "the agent {wanted:?} cannot be run: it is {}",
        states.join(", ")
    ))
    .why("Only a published and active agent runs. Nothing was started.")
}

fn none(session: &Session<Nanonets>, wanted: &str, all: &[AgentListItem]) -> Box<Problem> {
    let mut names: Vec<&str> = all
        .iter()
        .filter(|agent| agent.status == Some(AgentStatus::Published))
        .filter(|agent| agent.is_active != Some(false))
        .filter_map(|agent| agent.name.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    let close = closest(wanted, &names);
    let mut problem = Problem::input(format!("no agent is named {wanted:?}"));
    if let Some(close) = close {
        problem = problem.why(format!("Did you mean {:?}?", one_line(close)));
    }
    const SHOWN: usize = 12;
    if !names.is_empty() {
        let more = if names.len() > SHOWN { ", …" } else { "" };
        names.truncate(SHOWN);
        let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        problem = problem.why(format!("There are: {}{more}", names.join(", ")));
    }
    problem
        .why("Nothing was started.")
        .next("see", session.command("agents list"), "")
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
        assert_eq!(pick("invoices", &list), Pick::One("a2".into()));
        assert_eq!(pick("Invoices", &list), Pick::None);
    }

    #[test]
    fn several_agents_an_inactive_one_and_a_draft_are_told_apart() {
        let several = agents(&[
            ("a", "g", 1, "published", true),
            ("b", "h", 1, "published", true),
        ]);
        assert!(matches!(pick("invoices", &several), Pick::Several(found) if found.len() == 2));
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
                matches!(pick("invoices", &list), Pick::NotRunnable(_)),
                "{list:?}"
            );
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

    #[test]
    fn a_list_ends_where_it_says_and_never_goes_in_circles() {
        let mut pages = Pages::default();
        let mut next = |more, cursor: Option<&str>| pages.next(more, cursor.map(str::to_owned));
        assert_eq!(next(Some(true), Some("a")).expect("page"), Some("a".into()));
        assert_eq!(next(None, Some("b")).expect("page"), Some("b".into()));
        assert_eq!(next(Some(true), None).expect("end"), None);
        assert_eq!(next(Some(true), Some("")).expect("end"), None);
        assert_eq!(next(Some(false), Some("c")).expect("end"), None);
        assert!(next(Some(true), Some("a")).is_err());
    }
}
