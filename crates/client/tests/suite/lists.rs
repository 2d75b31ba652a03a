//! Lists through the adapters: lazily, page by page, to an end of any form.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use taskward_core::{ErrorKind, Policy};
use taskward_providers::nanonets::Nanonets;
use taskward_providers::nanonets::operations::{ListAgentVersions, ListAgents, ListTasks};
use taskward_providers::nanonets::types::{AgentStatus, TaskStatus};
use taskward_sim::{Scenario, Sim};

use super::follow::Result;
use super::support::{KEY, Server, impatient, key, ok};
use crate::adapter::{Client, block_on, entries};

/// Starts a server with these replies for these targets; of several for one, each is sent once, the last repeatedly.
pub(super) fn server(replies: &[(&str, &str)]) -> Server {
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (target, reply) in replies.iter().rev() {
        let queue = waiting.entry((*target).to_owned()).or_default();
        queue.push((*reply).to_owned());
    }
    let waiting = Arc::new(Mutex::new(waiting));
    Server::new(move |conn, _| {
        while let Some(seen) = conn.request() {
            let target = seen.line().split(' ').nth(1).unwrap_or_default();
            let reply = {
                let mut waiting = waiting.lock().expect("replies");
                match waiting.get_mut(target) {
                    Some(queue) if queue.len() > 1 => queue.pop(),
                    Some(queue) => queue.first().cloned(),
                    None => None,
                }
            };
            let reply = reply.unwrap_or_else(|| failure(404));
            if !conn.say(reply) {
                return;
            }
        }
    })
}

fn failure(status: u16) -> String {
    format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n")
}

/// Returns a page of agents with these ids and this next cursor.
fn page(ids: &[&str], rest: &str) -> String {
    let data: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    ok(&format!(r#"{{"data":[{}]{rest}}}"#, data.join(",")))
}

fn client(server: &Server, policy: Policy) -> Client<Nanonets> {
    Client::builder()
        .api_key(key())
        .base_url(&server.url())
        .policy(policy)
        .speed(1000)
        .build()
        .expect("settings")
}

/// Returns the targets that were asked for.
fn asked(server: &Server) -> Vec<String> {
    let target = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
    server
        .seen()
        .iter()
        .map(|seen| target(seen.line()))
        .collect()
}

/// Ids, and the errors that came between them by their kind.
fn ids<T>(
    found: Vec<std::result::Result<T, taskward_core::Error>>,
    id: impl Fn(T) -> String,
) -> Vec<std::result::Result<String, ErrorKind>> {
    found
        .into_iter()
        .map(|entry| entry.map(&id).map_err(|error| error.kind()))
        .collect()
}

/// Rows: D21.
#[test]
fn a_list_is_read_to_its_end_with_its_filters_on_every_page() {
    for end in [
        r#","has_more":false"#,
        r#","has_more":false,"next_cursor":"x""#,
        r#","has_more":true,"next_cursor":null"#,
        r#","has_more":true,"next_cursor":"""#,
        "",
    ] {
        let server = server(&[
            (
                "/api/v1/agents?limit=2&status=draft",
                &page(&["a", "b"], r#","has_more":true,"next_cursor":"n=1""#),
            ),
            (
                "/api/v1/agents?cursor=n%3D1&limit=2&status=draft",
                &page(&["c"], end),
            ),
        ]);
        let mut list = client(&server, impatient()).list(ListAgents {
            limit: Some(2),
            status: vec![AgentStatus::Draft],
            ..ListAgents::default()
        });
        let found = entries(&mut list);
        let all = ["a", "b", "c"].map(|id| Ok(id.to_owned()));
        assert_eq!(ids(found, |agent| agent.id.to_string()), all, "{end}");
        assert_eq!(asked(&server).len(), 2, "{end}");
        for seen in server.seen() {
            assert_eq!(
                seen.header("authorization"),
                Some(format!("Bearer {KEY}").as_str())
            );
        }
    }
}

/// Rows: D21.
#[test]
fn a_list_that_goes_in_circles_ends_in_an_error_after_its_entries() {
    let server = server(&[
        (
            "/api/v1/agents/g/versions",
            &page(&["v2"], r#","next_cursor":"a""#),
        ),
        (
            "/api/v1/agents/g/versions?cursor=a",
            &page(&["v1"], r#","next_cursor":"a""#),
        ),
    ]);
    let mut list = client(&server, impatient()).list(ListAgentVersions::new("g"));
    let found = entries(&mut list);
    let expected = [
        Ok("v2".to_owned()),
        Ok("v1".to_owned()),
        Err(ErrorKind::Protocol),
    ];
    assert_eq!(ids(found, |version| version.id.to_string()), expected);
    // It stays an error when asked again, and nothing more is sent.
    let error = block_on(list.next_page()).expect_err("a loop");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains(r#"repeats the cursor "a""#),
        "{error}"
    );
    assert_eq!(list.cursor(), Some("a"));
    assert_eq!(asked(&server).len(), 2);
}

#[test]
fn a_page_is_read_when_it_is_wanted_and_not_before() -> Result {
    let server = server(&[
        (
            "/api/v1/agents",
            &page(&["a", "b"], r#","next_cursor":"n""#),
        ),
        (
            "/api/v1/agents?cursor=n",
            &page(&[], r#","next_cursor":"m""#),
        ),
        ("/api/v1/agents?cursor=m", &page(&["c"], "")),
    ]);
    let mut list = client(&server, impatient()).list(ListAgents::default());
    assert_eq!((asked(&server).len(), list.cursor()), (0, None));
    let first = block_on(list.next_page())?.ok_or("no page")?;
    assert_eq!((first.len(), list.cursor()), (2, Some("n")));
    assert_eq!(asked(&server).len(), 1);
    // An empty page is a page, and not the end.
    assert_eq!(block_on(list.next_page())?.map(|page| page.len()), Some(0));
    assert_eq!(block_on(list.next_page())?.map(|page| page.len()), Some(1));
    assert!(block_on(list.next_page())?.is_none());
    assert_eq!((asked(&server).len(), list.cursor()), (3, None));
    Ok(())
}

#[test]
fn a_walk_goes_on_where_it_failed() -> Result {
    let next = "/api/v1/agents?cursor=n";
    let server = server(&[
        ("/api/v1/agents", &page(&["a"], r#","next_cursor":"n""#)),
        (next, &failure(500)),
        (next, &page(&["b"], "")),
    ]);
    let client = client(&server, impatient());
    let mut list = client.list(ListAgents::default());
    let found = entries(&mut list);
    let expected = [Ok("a".to_owned()), Err(ErrorKind::Transport)];
    assert_eq!(ids(found, |agent| agent.id.to_string()), expected);
    let cursor = list.cursor().map(str::to_owned);
    assert_eq!(cursor.as_deref(), Some("n"));
    let page = block_on(list.next_page())?.ok_or("no page")?;
    assert_eq!(page[0].id.as_str(), "b");
    let later = ListAgents {
        cursor,
        ..ListAgents::default()
    };
    let found = entries(&mut client.list(later));
    assert_eq!(
        ids(found, |agent| agent.id.to_string()),
        [Ok("b".to_owned())]
    );
    Ok(())
}

#[test]
fn every_page_is_repeated_like_any_call() {
    let server = server(&[
        ("/api/v1/agents", &failure(503)),
        ("/api/v1/agents", &page(&["a"], r#","next_cursor":"n""#)),
        ("/api/v1/agents?cursor=n", &failure(503)),
        ("/api/v1/agents?cursor=n", &page(&["b"], "")),
    ]);
    let mut list = client(&server, Policy::default()).list(ListAgents::default());
    let found = entries(&mut list);
    let all = ["a", "b"].map(|id| Ok(id.to_owned()));
    assert_eq!(ids(found, |agent| agent.id.to_string()), all);
    assert_eq!(asked(&server).len(), 4);
}

#[test]
fn the_simulators_lists_are_read_whole() -> Result {
    let scenario = Scenario::parse("[switches]\nfiller_agents = 30")?;
    let sim = Sim::builder().scenario(scenario).spawn()?;
    let access = sim.nanonets();
    let client: Client<Nanonets> = Client::builder()
        .api_key(taskward_core::SecretString::from(access.api_key))
        .base_url(&access.base_url)
        .build()?;
    let fillers = ListAgents {
        limit: Some(7),
        name: Some("FILLER".into()),
        ..ListAgents::default()
    };
    let found = entries(&mut client.list(fillers));
    let names: std::result::Result<Vec<_>, _> = found
        .into_iter()
        .map(|agent| agent.map(|agent| agent.name))
        .collect();
    let newest_first: Vec<_> = (1..=30)
        .rev()
        .map(|n| Some(format!("filler-{n:03}")))
        .collect();
    assert_eq!(names?, newest_first);
    let requests = sim.requests().len();
    assert_eq!(requests, 5);
    let none = ListTasks {
        status: vec![TaskStatus::Failed],
        ..ListTasks::default()
    };
    let found = entries(&mut client.list(none));
    assert!(found.is_empty());
    Ok(())
}

/// Rows: D23.
#[test]
fn entries_that_cannot_be_read_are_passed_over_and_counted_page_by_page() {
    let first = ok(r#"{"data":[{"id":"a"},null],"next_cursor":"c"}"#);
    let server = server(&[
        ("/api/v1/agents", &first),
        (
            "/api/v1/agents?cursor=c",
            &ok(r#"{"data":[7,{"id":"b"},{"name":"x"}]}"#),
        ),
    ]);
    let client = client(&server, Policy::default());
    let mut list = client.list(ListAgents::default());
    let found = ids(entries(&mut list), |agent| agent.id.to_string());
    assert_eq!(found, [Ok("a".to_owned()), Ok("b".to_owned())]);
    assert_eq!(list.unreadable(), 3);
}
