//! Looking for the task of a run whose reply was lost.

use taskward_core::{
    Candidate, Operation as _, Policy, Provider as _, Response, Search, SearchResult, SearchStep,
    Seed, Similarity, Snapshot, Task, Timestamp, UnconfirmedStart,
};
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::{Fault, FaultRule};

use crate::world::{START, World, outcome};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The same prompt as every time.
const PROMPT: &str = "Extract the totals.";

/// A run that ends well.
fn runs(world: &mut World, agent: &str, prompt: &str) {
    let ended = format!("{:?}", world.run(agent, prompt));
    assert!(ended.contains("succeeded"), "{ended}");
}

/// Starts a run whose reply is lost; returns what its snapshot says to search for.
fn lost(world: &mut World, applied: bool) -> UnconfirmedStart {
    unconfirmed(lost_start(world, applied), world.now)
}

/// Starts a run whose reply is lost; returns its snapshot.
fn lost_start(world: &mut World, applied: bool) -> Snapshot {
    let fault = if applied {
        Fault::LostReplyAfterApply { after_bytes: 0 }
    } else {
        Fault::CloseBeforeHead
    };
    world.faults = taskward_sim::Faults::new(1, vec![FaultRule::new(fault).on("run").count(1)]);
    let job = Job::agent(world.agent("echo")).query(PROMPT);
    assert_eq!(
        world.run_job(&job, Policy::default()),
        outcome("outcome_unknown")
    );
    let saved = world.saved.last().expect("a snapshot").clone();
    assert!(saved.is_unknown() && !saved.is_repeatable());
    saved
}

fn unconfirmed(saved: Snapshot, now: u64) -> UnconfirmedStart {
    let task = Task::resume(Nanonets, saved, Timestamp::from_millis(now)).expect("resume");
    task.unconfirmed_start().expect("a clue")
}

/// The same of a process that was killed: nobody noted when the start was given up.
fn killed(world: &mut World, applied: bool) -> UnconfirmedStart {
    let mut start = lost(world, applied);
    start.ended_at = None;
    start
}

/// Makes so many other runs of the agent, one each time that so much has passed.
fn others(world: &mut World, many: usize, every: u64) {
    let target = format!("/api/v1/agents/{}/run", world.agent("echo"));
    let bearer = format!("Bearer {}", world.server.api_key());
    for number in 0..many {
        world.now += every;
        let request = taskward_sim::Request::new("POST", &target)
            .header("authorization", &bearer)
            .json(&serde_json::json!({ "query": format!("Job {number}.") }));
        let reply = world.server.handle(request, world.now);
        assert!(reply.status < 300, "{reply:?}");
    }
}

/// Looks for it; gives what was found, and the requests made.
fn find(world: &mut World, start: UnconfirmedStart, skew: i64) -> (SearchResult, Vec<String>) {
    serve(Search::new(Nanonets, start), world, skew)
}

/// Does the steps of a search on the platform, whose clock is ahead by so much.
fn serve(steps: Search<Nanonets>, world: &mut World, skew: i64) -> (SearchResult, Vec<String>) {
    let shifted = |millis: u64| u64::try_from(millis as i64 + skew).expect("a time");
    let bearer = format!("Bearer {}", world.server.api_key());
    let (server, now) = (&mut world.server, &mut world.now);
    search(steps, now, |target, now| {
        let sim = taskward_sim::Request::new("GET", target).header("authorization", &bearer);
        let reply = server.handle(sim, shifted(now));
        let mut response = Response::new(http::StatusCode::OK, reply.body);
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_millis(shifted(now));
        let date = httpdate::fmt_http_date(date);
        let date = date.parse().expect("a value");
        response.head.headers.insert("date", date);
        Some(response)
    })
}

/// Does the steps of a search; what is served as nothing cannot be read.
fn search(
    mut search: Search<Nanonets>,
    now: &mut u64,
    mut serve: impl FnMut(&str, u64) -> Option<Response>,
) -> (SearchResult, Vec<String>) {
    let mut requests = Vec::new();
    loop {
        match search.next(Timestamp::from_millis(*now)) {
            SearchStep::Done => return (search.finish(), requests),
            SearchStep::Wait(until) => *now = until.as_millis(),
            SearchStep::Send(probe) => {
                let request = probe.request().expect("a request");
                let path = request.target().path();
                requests.push(if path.ends_with("/messages") {
                    "messages".to_owned()
                } else {
                    path.to_owned()
                });
                let reply = serve(request.target().as_str(), *now);
                *now += 20;
                let at = Timestamp::from_millis(*now);
                match reply {
                    Some(reply) => search.take(probe.read(&reply).expect("a reply"), at),
                    None => assert!(search.skip(at), "{path} was served nothing"),
                }
            }
        }
    }
}

/// Returns how often a conversation was read.
fn compared(requests: &[String]) -> usize {
    requests.iter().filter(|one| *one == "messages").count()
}

/// Those that were told the same.
fn same(found: &SearchResult) -> Vec<&Candidate> {
    let same = |one: &&Candidate| one.similarity == Similarity::Same;
    found.candidates.iter().filter(same).collect()
}

#[test]
fn a_run_that_was_made_is_found_by_its_agent_its_time_and_its_prompt() {
    let mut world = World::new("");
    // The same prompt to another agent, another prompt to this one, and the same one long ago.
    runs(&mut world, "echo", PROMPT);
    world.now += 3_600_000;
    runs(&mut world, "slow", PROMPT);
    world.now += 3_600_000;
    runs(&mut world, "echo", "Something else.");
    let start = lost(&mut world, true);
    let (found, requests) = find(&mut world, start, 0);
    assert_eq!((same(&found).len(), found.candidates.len()), (1, 1));
    assert!(
        found.complete && !found.candidates[0].outside_expected_time,
        "{found:?}"
    );
    let list = "/api/v1/tasks";
    assert_eq!(requests, [list, "messages", "messages", list]);
    assert_eq!(world.stats().starts, 4, "nothing is started again");
}

#[test]
fn a_run_that_was_never_made_is_searched_for_twice_and_then_at_another_time() {
    let mut world = World::new("");
    // Somebody said the same three days ago, and other things since.
    runs(&mut world, "echo", PROMPT);
    world.now += 3 * DAY;
    others(&mut world, 5, HOUR);
    let start = lost(&mut world, false);
    let begun = start.begun_at;
    let (found, requests) = find(&mut world, start, 0);
    assert_eq!((found.candidates.len(), found.complete), (0, true));
    assert_eq!((found.seen, found.uncompared), (5, 0));
    assert_eq!(begun.since(found.from).as_secs(), DAY / 1_000);
    assert_eq!(found.until, None);
    let lists = requests.iter().filter(|one| *one != "messages").count();
    assert_eq!((lists, compared(&requests)), (3, 5));
    assert!(world.now >= begun.as_millis() + 5_000);
    assert_eq!(world.stats().starts, 6);
}

/// Rows: G14.
#[test]
fn of_two_runs_that_may_be_it_both_are_told() {
    let mut world = World::new("");
    let start = lost(&mut world, true);
    // The impatient caller had started it by hand in the meantime.
    runs(&mut world, "echo", PROMPT);
    let (found, _) = find(&mut world, start, 0);
    // The second one began after the first was given up, but not by more than clocks may differ.
    assert_eq!((same(&found).len(), found.candidates.len()), (2, 2));
}

/// Rows: G15.
#[test]
fn the_servers_clock_says_what_time_is_meant() {
    for hours in [-5_i64, 7] {
        let skew = hours * 3_600_000;
        let mut world = World::new("");
        // The platform's clock is ahead, or behind.
        world.now = (START as i64 + skew.max(0)) as u64;
        let start = lost(&mut world, true);
        let ours = |at: Timestamp| {
            Timestamp::from_millis(u64::try_from(at.as_millis() as i64 - skew).expect("a time"))
        };
        let mut by_us = start.clone();
        (by_us.begun_at, by_us.ended_at) = (ours(start.begun_at), start.ended_at.map(ours));
        world.now = (world.now as i64 - skew) as u64;
        let (found, requests) = find(&mut world, by_us, skew);
        assert_eq!(same(&found).len(), 1, "{hours} h: {requests:?}");
        assert_eq!(requests.len(), 4, "the first look was for another time");
    }
}

#[test]
fn a_run_of_files_alone_is_known_by_agent_and_time_only() {
    let world = World::new("");
    let job = Job::agent(world.agent("invoice"))
        .attach(taskward_providers::nanonets::File::bytes("a.csv", "a,b\n"));
    let criteria = Nanonets.match_criteria(&job, None).expect("a clue");
    assert_eq!((criteria.title, criteria.digest), (None, None));
    let task = Task::start(
        Nanonets,
        &job,
        Policy::default(),
        Seed([1; 32]),
        Timestamp::from_millis(START),
    );
    let text = serde_json::to_string(&task.expect("a task").snapshot()).expect("json");
    assert!(
        !text.contains("a,b"),
        "an unkeyed start keeps no content: {text}"
    );
}

/// Whatever the platform makes of titles.
#[test]
fn a_start_that_was_killed_long_ago_is_the_first_that_is_compared() {
    for (title, many) in [
        ("generated", 1_100),
        ("absent", 1_600),
        ("first_message", 300),
    ] {
        let mut world = World::new(&format!("[switches]\ntitle = \"{title}\"\n"));
        others(&mut world, 10, HOUR);
        world.now += HOUR;
        let start = killed(&mut world, true);
        others(&mut world, many, 36_000);
        let (found, requests) = find(&mut world, start, 0);
        let [task] = same(&found)[..] else {
            panic!("{title}: not one of {}", found.seen);
        };
        assert_eq!(found.candidates[0], *task, "{title}");
        assert_eq!(found.seen, many + 1, "the list was read to its end");
        // As many as are read, and it is said that the others were not.
        assert_eq!(compared(&requests), 200);
        assert_eq!(
            (found.uncompared, found.complete),
            (many + 1 - 200, false),
            "{title}"
        );
        assert_eq!(
            found.candidates.last().map(|one| one.similarity),
            Some(Similarity::Unread)
        );
    }
}

#[test]
fn a_start_that_left_no_words_is_among_all_of_its_agent_since_the_closest_first() {
    let mut world = World::new("");
    let mut start = killed(&mut world, true);
    start.criteria.digest = None;
    start.criteria.title = None;
    others(&mut world, 1_600, 36_000);
    let (found, requests) = find(&mut world, start, 0);
    assert_eq!((found.candidates.len(), found.complete), (1_601, true));
    assert_eq!(found.candidates[0].title.as_deref(), Some(PROMPT));
    assert_eq!(found.candidates[0].similarity, Similarity::Incomparable);
    assert_eq!((requests.len(), compared(&requests)), (17, 0));
}

#[test]
fn of_a_busy_agent_none_is_never_certain() {
    let mut world = World::new("[switches]\ntitle = \"absent\"\n");
    let start = killed(&mut world, false);
    others(&mut world, 450, MINUTE);
    let (found, requests) = find(&mut world, start, 0);
    // At its time and at another, and none of them twice.
    assert_eq!(compared(&requests), 400);
    assert_eq!((found.uncompared, found.complete), (50, false));
    assert!(same(&found).is_empty() && found.candidates.len() == 50);
}

/// Rows: G15, J8.
#[test]
fn a_clock_that_was_set_since_the_start_does_not_hide_its_run() {
    let (minute, hour) = (MINUTE as i64, HOUR as i64);
    // How far the clock was ahead when the start began.
    for ahead in [
        -10 * minute,
        10 * minute,
        -3 * hour,
        3 * hour,
        -400 * 24 * hour,
    ] {
        for applied in [true, false] {
            let mut world = World::new("");
            others(&mut world, 3, 4 * HOUR);
            let true_one = lost(&mut world, applied);
            others(&mut world, 3, 1_000);
            let wrong = |at: Timestamp| {
                let at = u64::try_from(at.as_millis() as i64 + ahead);
                Timestamp::from_millis(at.expect("a time"))
            };
            let mut start = true_one.clone();
            start.begun_at = wrong(true_one.begun_at);
            start.ended_at = true_one.ended_at.map(wrong);
            let (found, _) = find(&mut world, start, 0);
            assert_eq!(found.ran_back, ahead > 0, "{ahead}");
            if applied {
                let [task] = same(&found)[..] else {
                    panic!("{ahead}: {found:?}");
                };
                assert!(
                    task.outside_expected_time && found.complete,
                    "{ahead}: {found:?}"
                );
                assert_eq!(found.candidates.len(), 1, "{ahead}: {found:?}");
            } else {
                // A clock that ran back may have been wrong by more than was looked at.
                assert_eq!(found.candidates.len(), 0, "{ahead}: {found:?}");
                assert_eq!(found.complete, ahead <= 0, "{ahead}: {found:?}");
            }
        }
    }
}

#[test]
fn the_run_of_another_start_is_not_found_and_does_not_end_the_search() {
    let mut world = World::new("");
    let start = lost(&mut world, false);
    // The impatient caller started it again.
    runs(&mut world, "echo", PROMPT);
    let (found, _) = find(&mut world, start.clone(), 0);
    let other = same(&found)[0].id.clone();
    let search = Search::new(Nanonets, start).except([other]);
    let (found, requests) = serve(search, &mut world, 0);
    assert_eq!(found.candidates, []);
    assert_eq!((found.seen, found.excepted, found.complete), (1, 1, true));
    assert_eq!((requests.len(), compared(&requests)), (3, 0));
}

/// Returns a page of a list that has these runs, newest first.
fn page(runs: impl Iterator<Item = usize>, next: Option<usize>) -> Option<Response> {
    let data: Vec<_> = runs
        .map(|run| serde_json::json!({ "task_id": format!("t{run}"), "status": "completed" }))
        .collect();
    let next = next.map(|next| next.to_string());
    let page = serde_json::json!({ "data": data, "has_more": next.is_some(), "next_cursor": next });
    Some(Response::new(http::StatusCode::OK, page.to_string()))
}

fn message(text: &str) -> Option<Response> {
    let messages =
        serde_json::json!({ "messages": [{ "id": "m", "role": "user", "content": text }] });
    Some(Response::new(http::StatusCode::OK, messages.to_string()))
}

fn cursor(target: &str) -> usize {
    let cursor = target
        .split("cursor=")
        .nth(1)
        .map_or("0", |rest| rest.split('&').next().expect("a value"));
    cursor.parse().expect("a number")
}

#[test]
fn where_nobody_says_when_runs_were_made_the_oldest_is_compared_first() {
    let mut world = World::new("");
    let start = killed(&mut world, false);
    let mut first = None;
    let total = 1_100;
    let (found, _) = search(Search::new(Nanonets, start), &mut world.now, |target, _| {
        if let Some(id) = target.strip_suffix("/messages") {
            first.get_or_insert_with(|| id.to_owned());
            return message(if id.ends_with("/t1") { PROMPT } else { "else" });
        }
        let at = cursor(target);
        let end = (at + 100).min(total);
        page((at..end).map(|n| total - n), (end < total).then_some(end))
    });
    assert_eq!(first.as_deref(), Some("/api/v1/tasks/t1"));
    assert_eq!(same(&found).len(), 1);
}

#[test]
fn a_list_that_does_not_end_is_left_and_that_is_told() {
    for circle in [7, usize::MAX] {
        let mut world = World::new("");
        let mut start = killed(&mut world, false);
        start.criteria.digest = None;
        let (found, requests) =
            search(Search::new(Nanonets, start), &mut world.now, |target, _| {
                let at = cursor(target);
                page(at..at + 2, Some((at + 2) % circle))
            });
        assert!(!found.complete, "{circle}");
        let pages = if circle == 7 { 8 } else { 200 };
        assert_eq!(requests.len(), pages, "{circle}");
        assert_eq!(found.candidates.len(), found.seen, "each is told once");
    }
}

/// Somebody else's is listed, and ours is not yet.
///
/// Rows: G15.
#[test]
fn one_that_is_like_it_is_not_taken_for_it_before_its_own_can_be_listed() {
    let mut world = World::new("");
    let start = lost(&mut world, false);
    let mut lists = 0;
    let (found, _) = search(Search::new(Nanonets, start), &mut world.now, |target, _| {
        if target.ends_with("/messages") {
            return message(PROMPT);
        }
        lists += 1;
        page(0..lists, None)
    });
    assert_eq!((same(&found).len(), found.complete), (2, true), "{found:?}");
}

#[test]
fn what_cannot_be_read_may_be_it_and_after_some_of_it_no_more_is_tried() {
    // How many of the conversations cannot be read, and how many are tried.
    for (unread, tried) in [(1, 9), (8, 3)] {
        let mut world = World::new("");
        let start = lost(&mut world, false);
        let (found, requests) =
            search(Search::new(Nanonets, start), &mut world.now, |target, _| {
                let Some(id) = target.strip_suffix("/messages") else {
                    return page(0..8, None);
                };
                let number = id.rsplit('t').next().and_then(|id| id.parse().ok());
                if number.is_some_and(|number: usize| number < unread) {
                    return None;
                }
                message(if id.ends_with("t5") { PROMPT } else { "else" })
            });
        assert!(!found.complete, "{found:?}");
        assert_eq!(compared(&requests), tried);
        assert_eq!(found.uncompared, unread);
        let of = |kind| move |one: &&Candidate| one.similarity == kind;
        let unreadable = found.candidates.iter().filter(of(Similarity::Unreadable));
        assert_eq!(unreadable.count(), unread.min(3));
        assert_eq!(same(&found).len(), usize::from(unread == 1));
    }
}

#[test]
fn a_start_whose_run_was_found_is_gone_on_with_under_its_own_name() {
    let mut world = World::new("");
    let saved = lost_start(&mut world, true);
    let (found, _) = {
        let start = unconfirmed(saved.clone(), world.now);
        find(&mut world, start, 0)
    };
    let adopted = saved.clone().adopting(found.candidates[0].id.clone());
    assert_eq!(adopted.task(), Some(&found.candidates[0].id));
    assert_eq!(
        (adopted.intent(), adopted.origin()),
        (saved.intent(), saved.origin())
    );
    assert!(!adopted.is_unknown() && adopted.revision() > saved.revision());
    let now = Timestamp::from_millis(world.now);
    let task = Task::recover(Nanonets, adopted, Policy::default(), now).expect("a task");
    let ended = format!("{:?}", world.drive(task));
    assert!(ended.contains("succeeded"), "{ended}");
    assert_eq!(
        world.saved.last().expect("a state").intent(),
        saved.intent()
    );
    assert_eq!(world.stats().starts, 1);
}

/// A conversation that shows nothing is no proof that the run is another's.
#[test]
fn a_run_in_which_nobody_has_spoken_yet_may_be_it() {
    let mut world = World::new("");
    let start = lost(&mut world, false);
    let (found, _) = search(
        Search::new(Nanonets, start),
        &mut world.now,
        |target, _| match target.strip_suffix("/messages") {
            None => page(0..2, None),
            Some(id) if id.ends_with("t0") => {
                let none = serde_json::json!({ "messages": [] });
                Some(Response::new(http::StatusCode::OK, none.to_string()))
            }
            Some(_) => message("else"),
        },
    );
    let ids: Vec<_> = found.candidates.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["t0"]);
    assert_eq!(found.candidates[0].similarity, Similarity::Unreadable);
    assert_eq!(found.uncompared, 1);
}

#[test]
fn of_a_server_s_long_words_the_beginning_is_kept() {
    let mut world = World::new("");
    let mut start = lost(&mut world, false);
    start.criteria.digest = None;
    let (found, _) = search(Search::new(Nanonets, start), &mut world.now, |_, _| {
        let title = "é".repeat(5000);
        let run = serde_json::json!({"task_id": "t", "status": "queued", "title": title});
        let list = serde_json::json!({ "data": [run] });
        Some(Response::new(http::StatusCode::OK, list.to_string()))
    });
    let title = found.candidates[0].title.as_deref().expect("a title");
    assert_eq!(title, format!("{}…", "é".repeat(120)));
}

/// Whoever does the steps may be told late of one that was given up.
#[test]
fn what_was_not_asked_for_changes_nothing() {
    let mut world = World::new("");
    let start = lost(&mut world, false);
    let now = Timestamp::from_millis(world.now);
    let mut search = Search::new(Nanonets, start);
    let step = |search: &mut Search<Nanonets>| match search.next(now) {
        SearchStep::Send(probe) => probe,
        SearchStep::Wait(_) | SearchStep::Done => panic!("it looks"),
    };
    let list = step(&mut search);
    // A list that cannot be read is no conversation to pass over.
    assert!(!search.skip(now));
    let read = || {
        let page = page(0..2, None).expect("a page");
        list.read(&page).expect("a list")
    };
    search.take(read(), now);
    let asked = step(&mut search).request().expect("a request");
    assert!(asked.target().path().ends_with("/messages"));
    search.take(read(), now);
    let again = step(&mut search).request().expect("a request");
    assert_eq!(again.target(), asked.target());
}

/// An entry that cannot be read, or that names another agent than the one asked for, may be the task: nothing is not
/// found then, and one that is found is not the only one.
///
/// Rows: D23, G14.
#[test]
fn a_search_with_an_entry_that_cannot_be_read_concludes_nothing() {
    for applied in [false, true] {
        for entry in [
            r#"null"#,
            r#"{"status":"running"}"#,
            r#"{"task_id":"t","status":"running","agent_id":"f1c2a3b4-0000-4000-8000-00000000000b"}"#,
        ] {
            let mut world = World::new("");
            let start = lost(&mut world, applied);
            let bearer = format!("Bearer {}", world.server.api_key());
            let (server, now) = (&mut world.server, &mut world.now);
            let (found, _) = search(Search::new(Nanonets, start), now, |target, now| {
                let sim =
                    taskward_sim::Request::new("GET", target).header("authorization", &bearer);
                let reply = server.handle(sim, now).body;
                let text = String::from_utf8(reply).expect("text");
                // Behind the entries that are there.
                let text = match target.contains("/messages") {
                    true => text,
                    false if text.contains(r#""data":[]"#) => {
                        text.replace(r#""data":[]"#, &format!(r#""data":[{entry}]"#))
                    }
                    false => text.replace(r#""data":["#, &format!(r#""data":[{entry},"#)),
                };
                Some(Response::new(http::StatusCode::OK, text))
            });
            let expected = (usize::from(applied), usize::from(applied), 1, false);
            assert_eq!(
                (
                    same(&found).len(),
                    found.candidates.len(),
                    found.unreadable,
                    found.complete
                ),
                expected,
                "{entry}: {found:?}"
            );
        }
    }
}

/// Rows: D24.
#[test]
fn a_list_that_goes_on_at_a_cursor_no_request_can_carry_proves_nothing() {
    for (long, pages, complete) in [(0, 3, true), (1 << 20, 3, false)] {
        let mut world = World::new("");
        let start = lost(&mut world, false);
        let mut now = world.now;
        let cursor = "c".repeat(long);
        let body = format!(r#"{{"data":[],"has_more":true,"next_cursor":"{cursor}"}}"#);
        let (findings, asked) = search(Search::new(Nanonets, start), &mut now, |_, _| {
            Some(Response::new(http::StatusCode::OK, body.clone()))
        });
        assert_eq!((asked.len(), findings.complete), (pages, complete));
    }
}
