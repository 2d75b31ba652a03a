//! Many tasks under one driver, in virtual time: who is asked when, what is refused, and what a stop leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::world::Act::{Ask, Complete, Work};
use crate::world::toy::Output;
use crate::world::{Act, Server, Toy, ToyJob, at, outcome_text, policy, seed, show};
use http::StatusCode;
use taskward_core::{
    Answer, Cause, ErrorKind, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Fleet,
    FleetAddError, FleetStep, MemberId, OriginBudget, Provider, Response, Snapshot, Step, Task,
    TaskId,
};

type Polled = Toy<false, false>;
/// The toy whose tasks at work can be listed.
type Listing = Toy<true, false>;

/// How long a request and its reply take.
const LATENCY: u64 = 20;

/// A fleet, the servers of its tasks, and its driver in virtual time.
struct World<P: Provider<Output = Output>> {
    fleet: Fleet<u32, P>,
    servers: BTreeMap<u32, Server>,
    budget: OriginBudget,
    now: u64,
    /// What is under way: when it ends, and whose it is.
    underway: BTreeSet<(u64, u64)>,
    exchanges: BTreeMap<u64, (MemberId, ExchangeId, Response)>,
    /// The pages of the list among them.
    lists: BTreeMap<u64, (ExchangeId, Response)>,
    /// What the list says, if it stands still.
    still: Option<String>,
    begun: u64,
    trace: Vec<String>,
    /// For each task, the times of its requests.
    requests: BTreeMap<u32, Vec<u64>>,
    saved: BTreeMap<u32, Snapshot>,
    /// The task whose state cannot be stored before this time.
    full_disk: Option<(u32, u64)>,
    most_at_once: usize,
}

impl<P: Provider<Output = Output, Job = ToyJob> + Default> World<P> {
    fn new(most: usize) -> Self {
        Self {
            fleet: Fleet::new(most),
            servers: BTreeMap::new(),
            budget: OriginBudget::new(),
            now: 0,
            underway: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            lists: BTreeMap::new(),
            still: None,
            begun: 0,
            trace: Vec::new(),
            requests: BTreeMap::new(),
            saved: BTreeMap::new(),
            full_disk: None,
            most_at_once: 0,
        }
    }

    fn attached(key: u32, now: u64) -> Task<P> {
        let id = TaskId::new(format!("t{key}"));
        Task::attach(P::default(), id, None, policy(), seed(), at(now))
    }

    fn attach(&mut self, key: u32, script: &[Act]) -> MemberId {
        let server = Server::new(script).begun(self.now);
        self.servers.insert(key, server);
        let task = Self::attached(key, self.now);
        self.fleet.add(key, task, at(self.now)).expect("a new task")
    }

    fn start(&mut self, key: u32, script: &[Act]) {
        let mut server = Server::new(script);
        server.id = Some(format!("t{key}"));
        self.servers.insert(key, server);
        let job = ToyJob(key.to_string());
        let task = Task::start(P::default(), &job, policy(), seed(), at(self.now));
        let added = self.fleet.add(key, task.expect("a task"), at(self.now));
        added.expect("a new task");
    }

    fn say(&mut self, line: String) {
        self.trace.push(format!("{:>6} {line}", self.now));
    }

    /// Performs one step; returns false once there is nothing to do before `until`.
    fn step(&mut self, until: u64) -> bool {
        match self.fleet.next_step(at(self.now), &self.budget) {
            FleetStep::Save { member, revision } => self.save(member, revision),
            FleetStep::Send {
                member,
                id,
                request,
                ..
            } => {
                let key = *self.fleet.key(member).expect("a key");
                self.fleet.sent(member, id);
                self.most_at_once = self.most_at_once.max(self.fleet.busy());
                self.requests.entry(key).or_default().push(self.now);
                let path = request.target().as_str().to_owned();
                self.say(format!("{key} {} {path}", request.method()));
                let path = path.replacen(&format!("/t/t{key}"), "/t/t1", 1);
                let server = self.servers.get_mut(&key).expect("a server");
                let body = match request.body() {
                    taskward_core::Body::Bytes(bytes) => {
                        String::from_utf8_lossy(bytes).into_owned()
                    }
                    _ => String::new(),
                };
                let (status, reply) =
                    server.handle(request.method().as_str(), &path, &body, None, self.now);
                let status = StatusCode::from_u16(status).expect("a status");
                self.begun += 1;
                let reply = (member, id, Response::new(status, reply));
                self.exchanges.insert(self.begun, reply);
                self.underway.insert((self.now + LATENCY, self.begun));
            }
            FleetStep::List { id, request, .. } => {
                let path = request.target().as_str().to_owned();
                self.say(format!("GET {path}"));
                let reply = self.page(&path);
                self.begun += 1;
                self.lists.insert(self.begun, (id, reply));
                self.underway.insert((self.now + LATENCY, self.begun));
            }
            FleetStep::Event {
                member, no, event, ..
            } => {
                let key = *self.fleet.key(member).expect("a key");
                self.say(format!("{key} event {}", show(&event)));
                self.fleet.taken(member, no);
                if let Event::Question(question) = &*event {
                    let answer = Answer::text("EUR");
                    let now = at(self.now);
                    self.fleet
                        .answer(&key, &question.id, answer, now)
                        .expect("an open question");
                }
            }
            FleetStep::Done { member } => {
                let key = *self.fleet.key(member).expect("a key");
                let task = self.fleet.remove_member(member).expect("a task");
                let outcome = task.into_outcome().expect("an outcome");
                self.say(format!("{key} done {}", outcome_text(&outcome)));
            }
            FleetStep::Wait { until: wake } => {
                let first = self.underway.first().map_or(u64::MAX, |(end, _)| *end);
                let next = wake.as_millis().min(first).min(until);
                if next == u64::MAX || next <= self.now {
                    return false;
                }
                self.now = next;
                self.report();
            }
        }
        true
    }

    fn save(&mut self, member: MemberId, revision: taskward_core::Revision) {
        let key = *self.fleet.key(member).expect("a key");
        if let Some((full, until)) = self.full_disk
            && full == key
            && self.now < until
        {
            self.say(format!("{key} not saved"));
            return self.fleet.not_saved(member, at(until));
        }
        let snapshot = self.fleet.task(member).expect("a task").snapshot();
        assert_eq!(snapshot.revision(), revision);
        self.saved.insert(key, snapshot);
        self.fleet.saved(member, revision);
    }

    /// Returns a page of the tasks at work, newest first and 25 on a page.
    fn page(&mut self, path: &str) -> Response {
        if let Some(page) = &self.still {
            return Response::new(StatusCode::OK, page.clone());
        }
        let from = path
            .split_once("cursor=")
            .map_or(0, |(_, at)| at.parse().expect("a number"));
        let now = self.now;
        let at_work = self.servers.iter_mut().rev().filter_map(|(key, server)| {
            (server.status(now) == "running").then(|| format!("t{key} running\n"))
        });
        let lines: Vec<String> = at_work.skip(from).take(26).collect();
        let next = if lines.len() > 25 {
            (from + 25).to_string()
        } else {
            String::new()
        };
        let lines: String = lines.into_iter().take(25).collect();
        Response::new(StatusCode::OK, format!("{lines}next {next}."))
    }

    /// Reports the exchanges that are over by now.
    fn report(&mut self) {
        while let Some((end, number)) = self.underway.first().copied()
            && end <= self.now
        {
            self.underway.remove(&(end, number));
            if let Some((id, reply)) = self.lists.remove(&number) {
                self.fleet.handle_list(id, Ok(reply), at(self.now));
                continue;
            }
            let (member, id, reply) = self.exchanges.remove(&number).expect("it is under way");
            self.fleet.handle_response(member, id, reply, at(self.now));
        }
    }

    fn run_until(&mut self, until: u64) {
        while self.step(until) {}
    }

    fn run(&mut self) {
        self.run_until(u64::MAX);
        assert!(self.fleet.is_empty() && self.fleet.is_at_rest());
    }

    fn count(&self, what: &str) -> usize {
        self.trace.iter().filter(|line| line.contains(what)).count()
    }
}

#[test]
fn two_tasks_are_followed_from_start_and_status_to_their_answers() {
    let mut world = World::<Polled>::new(1);
    world.start(7, &[Work(1500), Complete("42")]);
    world.attach(8, &[Work(1000), Complete("43")]);
    world.run();
    assert_eq!(
        world.trace,
        [
            "     0 7 POST /start",
            "    20 7 event started t7 running",
            "    20 8 GET /t/t8",
            "    40 8 event status running",
            "  1020 7 GET /t/t7",
            "  1040 8 GET /t/t8",
            "  1060 8 event status done",
            "  1060 8 GET /t/t8/result",
            "  1080 8 done succeeded 43",
            "  2540 7 GET /t/t7",
            "  2560 7 event status done",
            "  2560 7 GET /t/t7/result",
            "  2580 7 done succeeded 42",
        ]
    );
}

/// A start is the one write of these tasks: it is stored before it leaves, and its id before that is told.
#[test]
fn a_state_is_stored_before_anything_leaves() {
    let mut world = World::<Polled>::new(4);
    world.full_disk = Some((1, 5000));
    world.start(1, &[Complete("42")]);
    world.run_until(4999);
    assert_eq!(world.trace, ["     0 1 not saved"]);
    assert!(world.saved.is_empty());
    world.run();
    assert_eq!(world.count("1 POST /start"), 1);
    assert_eq!(world.count("1 done succeeded 42"), 1);
}

/// Rows: Q4.
#[test]
fn a_task_that_cannot_be_stored_is_not_sent_and_holds_nobody_up() {
    let mut world = World::<Polled>::new(1);
    world.full_disk = Some((1, 60_000));
    world.start(1, &[Complete("42")]);
    world.start(2, &[Complete("43")]);
    world.attach(3, &[Complete("44")]);
    world.run_until(59_999);
    assert_eq!(world.requests.keys().collect::<Vec<_>>(), [&2, &3]);
    assert_eq!(world.fleet.keys().collect::<Vec<_>>(), [&1]);
    world.run();
    assert_eq!(world.count("done succeeded"), 3);
}

/// A hundred tasks, of which some ask and are answered at once, with room for two exchanges.
///
/// Rows: Q1.
#[test]
fn every_task_of_many_is_seen_through_and_none_waits_longer_than_the_bound() {
    const TASKS: u32 = 100;
    let mut world = World::<Polled>::new(2);
    for key in 0..TASKS {
        match key % 3 {
            0 => world.attach(
                key,
                &[Work(30_000), Ask("Which?"), Work(9000), Complete("42")],
            ),
            _ => world.attach(key, &[Work(u64::from(key) * 500), Complete("42")]),
        };
    }
    world.run();
    assert_eq!(world.count("done succeeded 42"), TASKS as usize);
    assert_eq!(world.count("event answered"), (0..TASKS).step_by(3).len());
    assert_eq!(world.most_at_once, 2);
    // Twice as many requests as there are others, two at once.
    let bound = u64::from(2 * TASKS) * LATENCY / 2;
    let worst = world.fleet.worst_lateness();
    assert!(worst <= Duration::from_millis(bound), "{worst:?}");
    let first = world.requests.values().map(|times| times[0]).max();
    assert!(first <= Some(bound), "{first:?}");
    // Between two requests of a task lies a wait of at most 10 s.
    for (key, times) in &world.requests {
        for pair in times.windows(2) {
            assert!(
                pair[1] - pair[0] <= 10_000 + bound + LATENCY,
                "{key}: {pair:?}"
            );
        }
    }
}

/// With one exchange at a time, tasks that are due are asked in the order in which they became so.
///
/// Rows: Q1.
#[test]
fn tasks_that_are_due_are_asked_in_their_order() {
    let mut world = World::<Polled>::new(1);
    for key in [5, 3, 9, 1] {
        world.attach(key, &[Work(2500), Complete("42")]);
    }
    assert_eq!(world.fleet.oldest_due(), Some(at(0)));
    world.run_until(1200);
    let order = |trace: &[String]| -> Vec<String> {
        let polls = trace.iter().filter(|line| line.contains("GET"));
        polls.map(|line| line[7..8].to_owned()).collect()
    };
    assert_eq!(
        order(&world.trace),
        ["5", "3", "9", "1", "5", "3", "9", "1"]
    );
    assert_eq!(world.fleet.oldest_due(), None);
    world.run();
    assert_eq!(world.count("done succeeded 42"), 4);
}

/// The only exchange is taken turns at: the result of the one is not read before the other is asked for the first time.
///
/// Rows: Q1.
#[test]
fn tasks_that_go_on_take_turns_with_those_that_are_due() {
    let mut world = World::<Polled>::new(1);
    for key in 1..=3 {
        world.attach(key, &[Complete("42")]);
    }
    world.run();
    let sent: Vec<&str> = world
        .trace
        .iter()
        .filter_map(|line| line.contains("GET").then_some(&line[7..]))
        .collect();
    assert_eq!(
        sent,
        [
            "1 GET /t/t1",
            "1 GET /t/t1/result",
            "2 GET /t/t2",
            "2 GET /t/t2/result",
            "3 GET /t/t3",
            "3 GET /t/t3/result",
        ]
    );
}

/// Whoever answers or cancels does not wait for the polls of others.
#[test]
fn what_the_application_requests_is_sent_before_the_polls_that_are_due() {
    let mut world = World::<Polled>::new(1);
    world.attach(1, &[Work(60_000), Complete("42")]);
    world.run_until(100);
    for key in 2..=50 {
        world.attach(key, &[Work(60_000), Complete("42")]);
    }
    world.fleet.cancel(&1, at(world.now)).expect("a cancel");
    world.run_until(100 + 3 * LATENCY);
    let posts = world.trace.iter().position(|line| line.contains("POST"));
    let polls = world.trace.iter().filter(|line| line.contains("GET"));
    assert!(polls.count() <= 4 && posts.is_some(), "{:?}", world.trace);
}

/// Rows: Q2.
#[test]
fn a_key_or_a_task_that_the_fleet_has_is_refused() {
    let mut world = World::<Polled>::new(1);
    world.attach(1, &[Work(5000), Complete("42")]);
    let other = || World::<Polled>::attached(2, 0);
    let again = || World::<Polled>::attached(1, 0);
    assert_eq!(
        world.fleet.add(1, other(), at(0)),
        Err(FleetAddError::KeyTaken)
    );
    assert_eq!(
        world.fleet.add(2, again(), at(0)),
        Err(FleetAddError::TaskTaken)
    );
    assert_eq!(world.fleet.len(), 1);
    // The id of a start is known later.
    world.start(3, &[Work(9000), Complete("42")]);
    world.run_until(1000);
    let started = World::<Polled>::attached(3, 0);
    assert_eq!(
        world.fleet.add(4, started, at(0)),
        Err(FleetAddError::TaskTaken)
    );
    // Once it is over, it may come again.
    world.run();
    world
        .servers
        .insert(1, Server::new(&[Complete("43")]).begun(world.now));
    world
        .fleet
        .add(1, again(), at(world.now))
        .expect("a new task");
    world.run();
    assert_eq!(world.count("1 done succeeded 43"), 1);
}

/// Rows: Q3.
#[test]
fn a_removed_task_cannot_be_answered_and_its_last_report_reaches_nobody() {
    let mut world = World::<Polled>::new(4);
    let member = world.attach(1, &[Ask("Which?")]);
    world.run_until(10);
    let removed = world.fleet.remove(&1).expect("the task");
    assert_eq!(removed.id(), Some(&TaskId::new("t1")));
    assert!(world.fleet.task(member).is_none() && world.fleet.remove(&1).is_none());
    let error = world
        .fleet
        .answer(&1, &"q_1".into(), Answer::text("EUR"), at(10))
        .expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::NotDriven);
    assert!(error.to_string().contains("removed"), "{error}");
    // Another one has its key, and the same number of exchanges.
    world.attach(1, &[Work(60_000), Complete("42")]);
    world.run_until(LATENCY + 5);
    assert_eq!(world.count("question"), 0, "{:?}", world.trace);
    assert_eq!(world.fleet.busy(), 1, "its own exchange is under way");
    world.run();
    assert_eq!(world.count("1 done succeeded 42"), 1);
}

/// Rows: Q5.
#[test]
fn a_stop_sends_nothing_more_and_leaves_every_task_to_be_resumed() {
    let mut world = World::<Polled>::new(2);
    for key in 1..=5 {
        world.start(key, &[Work(3000), Complete("42")]);
    }
    world.run_until(10);
    assert_eq!(world.count("POST /start"), 2, "two are under way");
    world.fleet.stop(at(world.now));
    assert!(!world.fleet.is_at_rest());
    let late = World::<Polled>::attached(9, 0);
    assert_eq!(
        world.fleet.add(9, late, at(10)),
        Err(FleetAddError::Stopped)
    );
    world.run_until(100_000);
    assert!(world.fleet.is_at_rest());
    assert_eq!(world.requests.len(), 2, "{:?}", world.trace);
    assert_eq!(world.count("event started"), 2, "{:?}", world.trace);
    assert_eq!(world.count("done not_started"), 3, "{:?}", world.trace);
    // What is stored is what there is, and the tasks that have started are followed on by another fleet.
    let mut next = World::<Polled>::new(2);
    next.now = world.now;
    assert_eq!(world.fleet.keys().collect::<Vec<_>>(), [&1, &2]);
    for key in [1, 2] {
        let task = world.fleet.remove(&key).expect("a task");
        let stored = &world.saved[&key];
        assert_eq!(task.snapshot().revision(), stored.revision());
        let task = Task::resume(Toy, stored.clone(), at(next.now)).expect("a task");
        next.fleet.add(key, task, at(next.now)).expect("a new task");
        let server = world.servers.remove(&key).expect("a server");
        next.servers.insert(key, server);
    }
    next.run();
    assert_eq!(next.count("done succeeded 42"), 2);
    assert_eq!(next.count("event started"), 0);
}

/// A start that failed before it left, and one that is stored and not sent, would be of unknown outcome for whoever resumed
/// them.
///
/// Rows: Q5.
#[test]
fn a_start_that_is_stopped_before_it_was_sent_has_not_started() {
    let mut world = World::<Polled>::new(1);
    world.start(1, &[Complete("42")]);
    let FleetStep::Save { member, revision } = world.fleet.next_step(at(0), &world.budget) else {
        panic!("it is stored first");
    };
    world.save(member, revision);
    let FleetStep::Send { id, .. } = world.fleet.next_step(at(0), &world.budget) else {
        panic!("it is sent");
    };
    world.fleet.sent(member, id);
    world.fleet.stop(at(0));
    let refused = ExchangeFailure::new(ExchangeProgress::NotSent, Cause::Refused, "test");
    world.fleet.handle_failure(member, id, refused, at(10));
    world.now = 10;
    // A disk that is full for a while holds the stop up.
    world.full_disk = Some((1, 4000));
    world.run();
    assert_eq!(
        world.trace.last().map(String::as_str),
        Some("  4000 1 done not_started")
    );
    assert!(world.saved[&1].has_started_nothing());
}

/// Rows: Q6.
#[test]
fn a_fleet_opens_no_stream() {
    let mut world = World::<Toy<true, true>>::new(8);
    world.start(1, &[Work(2500), Complete("42")]);
    world.attach(2, &[Work(2500), Complete("42")]);
    world.run();
    assert_eq!(world.count("/stream"), 0, "{:?}", world.trace);
    assert_eq!(world.count("done succeeded 42"), 2);
}

/// A task that another driver has left in the middle of an exchange goes on as after a lost reply.
#[test]
fn an_exchange_that_another_driver_had_under_way_counts_as_abandoned() {
    let mut world = World::<Polled>::new(1);
    world
        .servers
        .insert(1, Server::new(&[Complete("42")]).begun(0));
    let mut task = World::<Polled>::attached(1, 0);
    let Step::Send { id, .. } = task.next_step(at(0), &world.budget) else {
        panic!("a poll is due");
    };
    task.sent(id);
    let member = world.fleet.add(1, task, at(0)).expect("a new task");
    world.run();
    assert_eq!(world.count("1 done succeeded 42"), 1);
    let failure = ExchangeFailure::abandoned();
    world
        .fleet
        .handle_failure(member, id, failure, at(world.now));
    assert!(world.fleet.is_at_rest());
}

// Lists.

/// Follows so many tasks that work for so long to their ends; the list says this, where it stands still.
fn followed<P: Provider<Output = Output, Job = ToyJob> + Default>(
    tasks: u32,
    work: u64,
    still: Option<&str>,
) -> World<P> {
    let mut world = World::<P>::new(8);
    world.still = still.map(str::to_owned);
    for key in 0..tasks {
        match key % 2 {
            0 => drop(world.attach(key, &[Work(work), Complete("42")])),
            _ => world.start(key, &[Work(work), Complete("42")]),
        }
    }
    world.run();
    assert_eq!(world.count("done succeeded"), tasks as usize);
    world
}

/// Rows: Q7.
#[test]
fn where_tasks_are_listed_a_page_stands_for_many_polls_and_each_end_is_read_from_its_task() {
    let alone = followed::<Polled>(60, 120_000, None);
    let listed = followed::<Listing>(60, 120_000, None);
    let pages = listed.count("GET /list");
    let (before, after) = (alone.count(" GET /t/t"), listed.count(" GET /t/t"));
    assert!(
        pages > 0 && (after + pages) * 4 < before * 3,
        "{before} polls; {after} and {pages} pages"
    );
    assert_eq!(listed.count("/result"), 60, "each task is read to its end");
}

#[test]
fn few_tasks_are_polled_each_for_itself() {
    let world = followed::<Listing>(8, 120_000, None);
    assert_eq!(world.count("GET /list"), 0);
}

/// Rows: Q7.
#[test]
fn a_list_that_stands_still_holds_no_task_back_for_more_than_six_polls() {
    let still: String = (0..60).map(|key| format!("t{key} running\n")).collect();
    let world = followed::<Listing>(60, 60_000, Some(&(still + "next .")));
    assert!(world.count("GET /list") > 2);
    let longest = policy().poll_backoff.cap.as_millis() as u64 * 11 / 10;
    assert!(world.now < 60_000 + 8 * longest, "{} ms", world.now);
}

/// Rows: Q7.
#[test]
fn a_list_of_other_tasks_is_read_ever_more_seldom() {
    let world = followed::<Listing>(60, 600_000, Some("other running\nnext ."));
    let pages = world.count("GET /list");
    assert!((2..20).contains(&pages), "{pages} pages in ten minutes");
}

/// Rows: Q7.
#[test]
fn a_list_that_cannot_be_read_changes_nothing() {
    let world = followed::<Listing>(60, 60_000, Some("<html>"));
    let alone = followed::<Polled>(60, 60_000, None);
    assert_eq!(world.count(" GET /t/t"), alone.count(" GET /t/t"));
    assert!((1..4).contains(&world.count("GET /list")));
}
