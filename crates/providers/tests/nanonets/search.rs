//! Looking for the task of a run whose reply was lost.

use taskward_core::{
    Operation as _, Policy, Provider as _, Response, Search, SearchStep, Seed, Task, Timestamp,
};
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::{Fault, FaultRule};

use crate::world::{START, World, outcome};

/// The same prompt as every time.
const PROMPT: &str = "Extract the totals.";

/// A run that ends well.
fn runs(world: &mut World, agent: &str, prompt: &str) {
    let ended = format!("{:?}", world.run(agent, prompt));
    assert!(ended.contains("succeeded"), "{ended}");
}

/// A run whose reply is lost; gives what its snapshot says to look for.
fn lost(world: &mut World, applied: bool) -> taskward_core::Sought {
    let fault = if applied {
        Fault::LostReplyAfterApply(0)
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
    let task = Task::resume(Nanonets, saved, Timestamp::from_millis(world.now)).expect("resume");
    task.sought().expect("a clue")
}

/// Looks for it; gives the ids found, and the requests made.
fn find(world: &mut World, sought: taskward_core::Sought, skew: i64) -> (Vec<String>, Vec<String>) {
    let shifted = |millis: u64| u64::try_from(millis as i64 + skew).expect("a time");
    let mut search = Search::new(Nanonets, sought);
    let mut requests = Vec::new();
    loop {
        let now = Timestamp::from_millis(world.now);
        match search.next(now) {
            SearchStep::Done => {
                let found = search.finish();
                return (
                    found.into_iter().map(|one| one.id.to_string()).collect(),
                    requests,
                );
            }
            SearchStep::Wait(until) => world.now = until.as_millis(),
            SearchStep::Look(probe) => {
                let request = probe.request().expect("a request");
                let path = request.target().path();
                requests.push(if path.ends_with("/messages") {
                    "messages".to_owned()
                } else {
                    path.to_owned()
                });
                let mut sim = taskward_sim::Request::new("GET", request.target().as_str());
                let bearer = format!("Bearer {}", world.server.api_key());
                sim = sim.header("authorization", &bearer);
                let reply = world.server.handle(sim, shifted(world.now));
                let mut response = Response::new(http::StatusCode::OK, reply.body);
                let date =
                    std::time::UNIX_EPOCH + std::time::Duration::from_millis(shifted(world.now));
                let date = httpdate::fmt_http_date(date);
                response
                    .head
                    .headers
                    .insert("date", date.parse().expect("a value"));
                let seen = probe.read(&response).expect("a reply");
                world.now += 20;
                search.take(seen, Timestamp::from_millis(world.now));
            }
        }
    }
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
    let sought = lost(&mut world, true);
    let (found, requests) = find(&mut world, sought, 0);
    assert_eq!(found.len(), 1, "{requests:?}");
    assert_eq!(requests, ["/api/v1/tasks", "messages", "messages"]);
    assert_eq!(world.stats().starts, 4, "nothing is started again");
}

#[test]
fn a_run_that_was_never_made_is_looked_for_twice() {
    let mut world = World::new("");
    let sought = lost(&mut world, false);
    let begun = world.now;
    let (found, requests) = find(&mut world, sought, 0);
    assert_eq!((found.len(), requests.len()), (0, 2));
    assert!(world.now >= begun + 5_000);
    assert_eq!(world.stats().starts, 0);
}

/// Rows: G14.
#[test]
fn of_two_runs_that_may_be_it_both_are_told() {
    let mut world = World::new("");
    let sought = lost(&mut world, true);
    // The impatient caller had started it by hand in the meantime.
    runs(&mut world, "echo", PROMPT);
    let (found, _) = find(&mut world, sought, 0);
    // The second one began after the first was given up, but not by more than clocks may differ.
    assert_eq!(found.len(), 2);
}

/// Rows: G15.
#[test]
fn the_servers_clock_says_what_time_is_meant() {
    for hours in [-5_i64, 7] {
        let skew = hours * 3_600_000;
        let mut world = World::new("");
        // The platform's clock is ahead, or behind.
        world.now = (START as i64 + skew.max(0)) as u64;
        let sought = lost(&mut world, true);
        let ours = |at: Timestamp| {
            Timestamp::from_millis(u64::try_from(at.as_millis() as i64 - skew).expect("a time"))
        };
        let mut by_us = sought.clone();
        (by_us.begun_at, by_us.ended_at) = (ours(sought.begun_at), sought.ended_at.map(ours));
        world.now = (world.now as i64 - skew) as u64;
        let (found, requests) = find(&mut world, by_us, skew);
        assert_eq!(found.len(), 1, "{hours} h: {requests:?}");
        assert_eq!(requests.len(), 3, "the first look was for another time");
    }
}

#[test]
fn a_run_of_files_alone_is_known_by_agent_and_time_only() {
    let world = World::new("");
    let job = Job::agent(world.agent("invoice"))
        .attach(taskward_providers::nanonets::File::bytes("a.csv", "a,b\n"));
    let clue = Nanonets.clue(&job).expect("a clue");
    assert_eq!((clue.title, clue.digest), (None, None));
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
