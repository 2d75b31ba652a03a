//! Retries and rate limits: single calls, and many tasks of one client, in virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::world::toy::{Output, Toy, ToyJob};
use http::header::RETRY_AFTER;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use taskward_core::{
    BuildError, Call, CallStep, Cause, Error, ErrorKind, Event, ExchangeFailure, ExchangeProgress,
    NotStartedReason, Operation, OriginBudget, Outcome, Policy, ReadError, Request, Response,
    Retry, RetryReason, Safety, Seed, Step, Task, Timestamp, testing,
};

/// Sun, 06 Nov 1994 08:49:37 GMT: when a call is made.
const NOON: u64 = 784_111_777_000;
/// Ten minutes.
const STORM: u64 = 600_000;

// --- single calls ----------------------------------------------------------------------------------------------------

#[derive(Debug)]
struct Ping(Safety);

impl Operation for Ping {
    type Output = ();
    const NAME: &'static str = "ping";

    fn safety(&self) -> Safety {
        self.0
    }

    fn request(&self) -> Result<Request, BuildError> {
        let target = PathAndQuery::from_static("/ping");
        Ok(Request::empty(Method::POST, target))
    }

    fn read(&self, _: &Response) -> Result<(), ReadError> {
        Ok(())
    }
}

fn reply(status: u16, hints: &[&str]) -> Response {
    let status = StatusCode::from_u16(status).expect("status");
    let mut reply = Response::new(status, r#"{"error":"injected"}"#);
    for hint in hints {
        let value = hint.parse().expect("a header value");
        reply.head.headers.append(RETRY_AFTER, value);
    }
    reply
}

/// How a call went.
struct Went {
    /// When each request left, after the first.
    sent: Vec<u64>,
    result: Result<(), Error>,
}

impl Went {
    fn kind(&self) -> Option<ErrorKind> {
        self.result.as_ref().err().map(Error::kind)
    }

    fn wait(&self) -> u64 {
        assert!(self.sent.len() > 1, "it was not repeated");
        self.sent[1]
    }
}

/// Makes one call; `serve` answers request number `n` (from 1).
fn call(
    safety: Safety,
    policy: Policy,
    seed: u8,
    mut serve: impl FnMut(usize) -> Result<Response, ExchangeFailure>,
) -> Went {
    let mut now = Timestamp::from_millis(NOON);
    let shared = OriginBudget::new();
    let mut call = Call::new(Ping(safety), policy, &Seed([seed; 32]), now).expect("a call");
    let mut sent = Vec::new();
    loop {
        match call.next_step(now, &shared) {
            CallStep::Send { id, .. } => {
                sent.push(now.as_millis() - NOON);
                call.sent(id);
                match serve(sent.len()) {
                    Ok(reply) => call.handle_response(id, reply, now),
                    Err(failure) => call.handle_failure(id, failure, now),
                }
            }
            CallStep::Wait { until, .. } => now = until,
            CallStep::InFlight { .. } => panic!("its report is in"),
            CallStep::Done => {
                let result = call.finish();
                return Went { sent, result };
            }
        }
    }
}

/// Answers with this first, and well from then on.
fn once(first: &Response) -> impl FnMut(usize) -> Result<Response, ExchangeFailure> {
    move |n| {
        Ok(if n == 1 {
            first.clone()
        } else {
            reply(200, &[])
        })
    }
}

fn hurried(seconds: u64) -> Policy {
    let mut policy = Policy::default();
    policy.work = Some(Duration::from_secs(seconds));
    policy
}

/// Rows: F1, F9.
#[test]
fn without_a_hint_a_call_backs_off_by_itself() {
    for status in [429, 503] {
        for seed in 0..50 {
            let bad = |n| Ok(reply(if n < 5 { status } else { 200 }, &[]));
            let went = call(Safety::Repeatable, Policy::default(), seed, bad);
            assert!(went.result.is_ok(), "{status}: {:?}", went.kind());
            let waits: Vec<u64> = went.sent.windows(2).map(|two| two[1] - two[0]).collect();
            assert_eq!(waits.len(), 4, "{status}");
            for (wait, ceiling) in waits.iter().zip([500, 1000, 2000, 4000]) {
                assert!(*wait <= ceiling, "{status}: {waits:?}");
            }
        }
    }
    let first_wait = |seed| {
        let first = reply(429, &[]);
        call(Safety::Repeatable, Policy::default(), seed, once(&first)).wait()
    };
    let mut waits: Vec<u64> = (0..50).map(first_wait).collect();
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 40, "full jitter: {waits:?}");
}

/// The longest wait of our own after one failure.
const OWN: u64 = 500;

/// Rows: F2, F4, F5, F6, F7.
#[test]
fn a_hint_is_one_wait_when_it_is_one_and_nothing_otherwise() {
    let asked = |seconds: u64| seconds * 1000..=seconds * 1100;
    let own = || 0..=OWN;
    let rows: Vec<(&[&str], std::ops::RangeInclusive<u64>)> = vec![
        (&["7"], asked(7)),
        (&["0"], own()),
        // No number of seconds.
        (&["-5"], own()),
        (&["abc"], own()),
        (&[""], own()),
        (&["1.5"], own()),
        (&["0x10"], own()),
        (&["1e9"], own()),
        (&["+4"], own()),
        // Dates: ahead, past, far away, of another weekday, in a second that there is not.
        (&["Sun, 06 Nov 1994 08:50:37 GMT"], asked(60)),
        (&["Sun, 06 Nov 1994 08:49:37 GMT"], own()),
        (&["Sun, 06 Nov 1994 08:49:36 GMT"], own()),
        (&["Fri, 31 Dec 9999 23:59:59 GMT"], asked(300)),
        (&["Mon, 06 Nov 1994 08:50:37 GMT"], own()),
        (&["Sun, 06 Nov 1994 08:50:60 GMT"], own()),
        // Two of them: the largest that is one.
        (&["3", "7"], asked(7)),
        (&["7", "3"], asked(7)),
        (&["abc", "7", "-9"], asked(7)),
        (&["7", "Sun, 06 Nov 1994 08:50:37 GMT"], asked(60)),
    ];
    for (hints, expected) in rows {
        for status in [429, 503] {
            for seed in 0..20 {
                let first = reply(status, hints);
                let went = call(Safety::Repeatable, Policy::default(), seed, once(&first));
                assert!(went.result.is_ok(), "{hints:?}");
                assert_eq!(went.sent.len(), 2, "{hints:?}: one wait, then go");
                let wait = went.wait();
                assert!(expected.contains(&wait), "{status} {hints:?}: {wait}");
            }
        }
    }
    // Where nothing is to be repeated there is nothing to wait for.
    for status in [200, 201, 302, 304, 400, 404] {
        let went = call(Safety::Repeatable, Policy::default(), 1, |_| {
            Ok(reply(status, &["7"]))
        });
        assert_eq!(went.sent, [0], "{status}");
        if let Err(error) = went.result {
            assert_eq!(error.retry_after(), None, "{status}");
        }
    }
}

/// Rows: F3.
#[test]
fn a_hint_of_years_is_cut_to_minutes_and_told_at_once_when_no_deadline_allows_it() {
    let years = || Ok(reply(429, &["99999999"]));
    let told = |went: &Went| {
        let error = went.result.as_ref().expect_err("refused");
        (error.kind(), error.retry_after().map(|wait| wait.as_secs()))
    };
    let limited = (ErrorKind::RateLimited, Some(99_999_999));
    for safety in [Safety::Repeatable, Safety::Keyed, Safety::Once] {
        let now = call(safety, hurried(60), 1, |_| years());
        assert_eq!((now.sent.len(), told(&now)), (1, limited), "{safety:?}");
        let patient = call(safety, hurried(3600), 1, |_| years());
        assert_eq!(told(&patient), limited, "{safety:?}");
        for wait in patient.sent.windows(2).map(|two| two[1] - two[0]) {
            assert!((300_000..=330_000).contains(&wait), "{wait}");
        }
    }
}

/// Rows: F11.
#[test]
fn a_gateways_error_leaves_a_write_without_a_key_of_unknown_outcome() {
    for status in [500, 502, 504, 599] {
        let bad = |_| Ok(reply(status, &["1"]));
        let went = call(Safety::Once, Policy::default(), 1, bad);
        assert_eq!(went.sent.len(), 1, "{status}");
        assert_eq!(went.kind(), Some(ErrorKind::OutcomeUnknown), "{status}");
        for safety in [Safety::Keyed, Safety::Repeatable] {
            let went = call(safety, Policy::default(), 1, once(&reply(status, &[])));
            assert!(went.result.is_ok() && went.sent.len() == 2, "{status}");
        }
    }
}

/// Rows: F12, F13.
#[test]
fn what_the_server_decided_is_asked_once() {
    let decided = [400, 404, 405, 409, 410, 413, 415, 422, 501, 505, 511];
    for status in decided {
        for safety in [Safety::Repeatable, Safety::Keyed, Safety::Once] {
            let went = call(safety, Policy::default(), 1, |_| Ok(reply(status, &[])));
            assert_eq!(went.sent, [0], "{status} {safety:?}");
            let error = went.result.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Api, "{status} {safety:?}");
            assert!(!error.is_retryable(), "{status}");
        }
    }
}

/// Rows: F14.
#[test]
fn many_attempts_and_endless_backoffs_overflow_nothing() {
    let mut stubborn = Policy::default();
    (stubborn.retry.reads, stubborn.retry.writes) = (64, 64);
    for safety in [Safety::Repeatable, Safety::Keyed] {
        let went = call(safety, stubborn.clone(), 1, |_| Ok(reply(503, &[])));
        assert_eq!(went.sent.len(), 64, "{safety:?}");
        for wait in went.sent.windows(2).map(|two| two[1] - two[0]) {
            assert!(wait <= 30_000, "{wait}");
        }
    }
    // A backoff of ages: the wait for the end of time is one, and no panic.
    (stubborn.retry.base, stubborn.retry.cap) = (Duration::MAX, Duration::MAX);
    let shared = OriginBudget::new();
    let now = Timestamp::from_millis(NOON);
    let mut call = Call::new(Ping(Safety::Repeatable), stubborn, &Seed([1; 32]), now).expect("one");
    let CallStep::Send { id, .. } = call.next_step(now, &shared) else {
        panic!("it is sent");
    };
    call.sent(id);
    call.handle_response(id, reply(503, &["18446744073709551616"]), now);
    let CallStep::Wait { until, .. } = call.next_step(now, &shared) else {
        panic!("it waits");
    };
    assert!(until > Timestamp::from_millis(NOON + STORM));
}

/// Rows: F16.
#[test]
fn an_error_tells_the_requests_made_and_no_retries_means_one() {
    let refused = || {
        Err(ExchangeFailure::new(
            ExchangeProgress::NotSent,
            Cause::Refused,
            "nobody",
        ))
    };
    for (safety, policy, requests) in [
        (Safety::Repeatable, Retry::default(), 5),
        (Safety::Keyed, Retry::default(), 4),
        (Safety::Once, Retry::default(), 4),
        (Safety::Repeatable, Retry::none(), 1),
        (Safety::Keyed, Retry::none(), 1),
        (Safety::Once, Retry::none(), 1),
    ] {
        let mut whole = Policy::default();
        whole.retry = policy;
        let went = call(safety, whole, 1, |_| refused());
        assert_eq!(went.sent.len(), requests, "{safety:?}");
        let error = went.result.expect_err("nobody is there");
        assert_eq!(error.attempts() as usize, requests, "{safety:?}");
    }
}

// --- tasks -----------------------------------------------------------------------------------------------------------

type Polled = Task<Toy<false, false>>;

/// One task of a client, and when it has to be driven again.
struct Driven {
    task: Polled,
    due: u64,
    told: Vec<Event>,
    end: Option<Outcome<Output>>,
}

/// Tasks of one client: they share its budget.
struct Fleet {
    tasks: Vec<Driven>,
    shared: OriginBudget,
    /// When each request left, and its path.
    sent: Vec<(u64, String)>,
}

/// How long a reply takes.
const TRIP: u64 = 20;

impl Fleet {
    /// Starts so many tasks at once.
    fn start(count: u8, policy: &Policy) -> Self {
        let task = |number| Driven {
            task: Task::start(
                Toy,
                &ToyJob("go".into()),
                policy.clone(),
                Seed([number; 32]),
                Timestamp::from_millis(0),
            )
            .expect("a task"),
            due: 0,
            told: Vec::new(),
            end: None,
        };
        Self {
            tasks: (0..count).map(task).collect(),
            shared: OriginBudget::new(),
            sent: Vec::new(),
        }
    }

    /// Drives all of them to their ends; `serve` answers a path at a time.
    fn drive(&mut self, serve: impl Fn(&str, u64) -> Response) {
        let next = |tasks: &[Driven]| {
            let open = tasks
                .iter()
                .enumerate()
                .filter(|(_, one)| one.end.is_none());
            open.min_by_key(|(_, one)| one.due).map(|(at, _)| at)
        };
        while let Some(at) = next(&self.tasks) {
            let one = &mut self.tasks[at];
            let now = Timestamp::from_millis(one.due);
            let (events, next) = testing::settle(&mut one.task, now, &self.shared);
            one.told
                .extend(events.iter().map(|event| Event::clone(event)));
            match next {
                Step::Send { id, request, .. } => {
                    let path = request.target().as_str().to_owned();
                    one.task.sent(id);
                    let reply = serve(&path, one.due);
                    self.sent.push((one.due, path));
                    one.due += TRIP;
                    let now = Timestamp::from_millis(one.due);
                    one.task.handle_response(id, reply, now);
                }
                Step::Wait { until, .. } => one.due = until.as_millis(),
                Step::Done => {
                    let again = one.task.next_step(now, &self.shared);
                    assert!(matches!(again, Step::Done), "the end stays: {again:?}");
                    one.end = one.task.outcome().map(copy);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn retries(&self) -> Vec<(u32, &str)> {
        let told = self.tasks.iter().flat_map(|one| &one.told);
        told.filter_map(|event| match event {
            Event::Retrying {
                attempt, failed, ..
            } => Some((*attempt, failed.detail.as_str())),
            _ => None,
        })
        .collect()
    }
}

/// What a test checks of an outcome.
fn copy(outcome: &Outcome<Output>) -> Outcome<Output> {
    match outcome {
        Outcome::Succeeded { id, output } => Outcome::Succeeded {
            id: id.clone(),
            output: output.clone(),
        },
        Outcome::NotStarted {
            reason,
            attempts,
            temporary,
        } => Outcome::NotStarted {
            reason: reason.clone(),
            attempts: *attempts,
            temporary: *temporary,
        },
        Outcome::DeadlineExceeded {
            id,
            limit: clock,
            last,
            cancel,
        } => Outcome::DeadlineExceeded {
            id: id.clone(),
            limit: *clock,
            last: last.clone(),
            cancel: cancel.clone(),
        },
        other => panic!("{other:?}"),
    }
}

fn words(text: &str) -> Response {
    Response::new(StatusCode::OK, text.to_owned())
}

/// A task that works until `end`.
fn works_until(end: u64) -> impl Fn(&str, u64) -> Response {
    move |path, now| match path {
        "/start" => words("t1 running."),
        "/t/t1/result" => words("done 42."),
        _ if now < end => words("running."),
        _ => words("done."),
    }
}

/// Rows: F10.
#[test]
fn a_status_that_fails_for_ever_is_read_until_the_deadline_and_told_with_its_request() {
    let mut fleet = Fleet::start(1, &hurried(600));
    fleet.drive(|path, _| match path {
        "/start" => words("t1 running."),
        _ => {
            let mut bad = reply(500, &[]);
            let id = "req-7".parse().expect("value");
            bad.head.headers.insert("x-request-id", id);
            bad
        }
    });
    let Some(Outcome::DeadlineExceeded { last, .. }) = &fleet.tasks[0].end else {
        panic!("{:?}", fleet.tasks[0].end);
    };
    assert_eq!(last.as_ref().map(|s| s.as_str()), Some("running"));
    assert_eq!(fleet.tasks[0].due, 600_000);
    let retries = fleet.retries();
    let numbers: Vec<u32> = retries.iter().map(|(number, _)| *number).collect();
    let expected: Vec<u32> = (1..=numbers.len() as u32).collect();
    assert_eq!(numbers, expected, "every failed read is counted");
    assert_eq!(numbers.len(), fleet.sent.len() - 1);
    assert!((20..120).contains(&numbers.len()), "{numbers:?}");
    for (_, why) in retries {
        let told = "the server answered 500 Internal Server Error: injected (request req-7)";
        assert_eq!(why, told);
    }
}

/// Rows: F3, F16.
#[test]
fn a_start_that_is_put_off_beyond_its_deadline_says_for_how_long() {
    let mut fleet = Fleet::start(1, &hurried(60));
    fleet.drive(|_, _| reply(429, &["99999999"]));
    let Some(Outcome::NotStarted {
        reason,
        attempts,
        temporary,
    }) = &fleet.tasks[0].end
    else {
        panic!("{:?}", fleet.tasks[0].end);
    };
    assert_eq!((*attempts, *temporary, fleet.sent.len()), (1, true, 1));
    let NotStartedReason::Exhausted { last, retry_after } = reason else {
        panic!("{reason:?}");
    };
    assert_eq!(last.reason, RetryReason::Status(429));
    assert_eq!(*retry_after, Some(Duration::from_secs(99_999_999)));
    assert_eq!(
        reason.to_string(),
        format!("{last}; it asks to wait 99999999 s")
    );
}

/// The most requests in any one second of a span.
fn most_at_once(sent: &[(u64, String)], span: std::ops::Range<u64>) -> usize {
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, _) in sent.iter().filter(|(at, _)| span.contains(at)) {
        *seconds.entry(at / 1000).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}

/// A minute of peace, ten of a storm, then peace.
///
/// Rows: F8.
#[test]
fn two_hundred_tasks_in_a_storm_ask_less_than_without_it_and_never_all_at_once() {
    const TASKS: u8 = 200;
    const BEGIN: u64 = 60_000;
    let works = works_until(BEGIN + 2 * STORM);
    let storm = BEGIN..BEGIN + STORM;
    let in_storm = |fleet: &Fleet| {
        let inside = fleet.sent.iter().filter(|(at, _)| storm.contains(at));
        inside.count()
    };
    let mut calm = Fleet::start(TASKS, &Policy::default());
    calm.drive(&works);
    let usual = in_storm(&calm);
    for hints in [
        &[][..],
        &["7"],
        &["120"],
        // The same moment for all: 90 s after the storm began, which has long passed later.
        &["Thu, 01 Jan 1970 00:02:30 GMT"],
    ] {
        let mut fleet = Fleet::start(TASKS, &Policy::default());
        fleet.drive(|path, now| {
            if storm.contains(&now) {
                reply(429, hints)
            } else {
                works(path, now)
            }
        });
        for one in &fleet.tasks {
            assert!(
                matches!(one.end, Some(Outcome::Succeeded { .. })),
                "{hints:?}: {:?}",
                one.end
            );
        }
        let asked = in_storm(&fleet);
        assert!(
            asked <= usual,
            "{hints:?}: {asked} requests, {usual} without"
        );
        // The first of them come as they would have; those who come back come back apart.
        let later = storm.start + 30_000..storm.end;
        let most = most_at_once(&fleet.sent, later);
        assert!(most <= 40, "{hints:?}: {most} of {TASKS} in one second");
    }
}

/// 250 tasks want about 30 requests a second of a server that accepts 10 in each second, and asks for a second's wait.
///
/// Rows: F17.
#[test]
fn a_server_that_limits_the_rate_is_used_and_seldom_refuses_and_every_task_has_its_turn() {
    const TASKS: u8 = 250;
    const LIMIT: u32 = 10;
    const END: u64 = 600_000;
    let accepted: RefCell<BTreeMap<u64, u32>> = RefCell::default();
    let refused: RefCell<Vec<u64>> = RefCell::default();
    let works = works_until(END);
    let mut fleet = Fleet::start(TASKS, &Policy::default());
    fleet.drive(|path, now| {
        if path == "/start" {
            return works(path, now);
        }
        let mut accepted = accepted.borrow_mut();
        let in_this_second = accepted.entry(now / 1_000).or_default();
        if *in_this_second < LIMIT {
            *in_this_second += 1;
            return works(path, now);
        }
        refused.borrow_mut().push(now);
        reply(429, &["1"])
    });
    let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
    let span = 60_000..END;
    let used: u32 = accepted
        .iter()
        .filter(|(second, _)| span.contains(&(*second * 1_000)))
        .map(|(_, count)| count)
        .sum();
    let refused = refused.iter().filter(|at| span.contains(at)).count();
    let refused = u32::try_from(refused).expect("few");
    assert!(used >= 540 * LIMIT * 9 / 10, "{used} used");
    assert!(refused * 20 <= used + refused, "{refused} of {used}");
    for one in &fleet.tasks {
        let ended = matches!(one.end, Some(Outcome::Succeeded { .. }));
        assert!(ended, "{:?}", one.end);
    }
}

/// Rows: F18.
#[test]
fn a_process_without_descriptors_pays_no_token_and_polls_at_its_usual_pace() {
    let mut fleet = Fleet::start(1, &Policy::default());
    let one = &mut fleet.tasks[0];
    let mut polls = Vec::new();
    let mut attempts = Vec::new();
    while polls.len() < 6 {
        let now = Timestamp::from_millis(one.due);
        let (events, next) = testing::settle(&mut one.task, now, &fleet.shared);
        attempts.extend(events.iter().filter_map(|event| match **event {
            Event::Retrying { attempt, .. } => Some(attempt),
            _ => None,
        }));
        match next {
            Step::Send { id, request, .. } => {
                one.task.sent(id);
                if request.target().as_str() == "/start" {
                    let started = words("t1 running.");
                    one.task.handle_response(id, started, now);
                    continue;
                }
                polls.push(one.due);
                let failure = ExchangeFailure::new(
                    ExchangeProgress::NotSent,
                    Cause::OutOfDescriptors,
                    "too many open files",
                );
                one.task.handle_failure(id, failure, now);
            }
            Step::Wait { until, .. } => one.due = until.as_millis(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.shared.tokens(), OriginBudget::new().tokens());
    assert_eq!(attempts, [1; 5]);
    let longest = polls.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest <= Some(11_000), "{polls:?}");
}

/// Rows: F8.
#[test]
fn two_hundred_calls_in_a_storm_make_a_hundred_repetitions_together() {
    let now = |at| Timestamp::from_millis(at);
    let shared = OriginBudget::new();
    let call = |seed: u8| {
        let ping = Ping(Safety::Repeatable);
        Call::new(ping, Policy::default(), &Seed([seed; 32]), now(0)).expect("a call")
    };
    let mut calls: Vec<_> = (0..200).map(|seed| (0, Some(call(seed)))).collect();
    let mut sent = Vec::new();
    let next = |calls: &[(u64, Option<Call<Ping>>)]| {
        let open = calls
            .iter()
            .enumerate()
            .filter(|(_, (_, call))| call.is_some());
        open.min_by_key(|(_, (due, _))| *due).map(|(at, _)| at)
    };
    while let Some(at) = next(&calls) {
        let (due, slot) = &mut calls[at];
        let call = slot.as_mut().expect("open");
        match call.next_step(now(*due), &shared) {
            CallStep::Send { id, .. } => {
                sent.push((*due, String::new()));
                call.sent(id);
                *due += TRIP;
                call.handle_response(id, reply(429, &[]), now(*due));
            }
            CallStep::Wait { until, .. } => *due = until.as_millis(),
            CallStep::InFlight { .. } => panic!("its report is in"),
            CallStep::Done => {
                let error = call.finish().expect_err("a storm");
                assert_eq!(error.kind(), ErrorKind::RateLimited);
                *slot = None;
            }
        }
    }
    assert_eq!(sent.len(), 200 + 100, "one request each, and the budget");
    assert_eq!(shared.tokens(), 0);
    let mut repeated: Vec<u64> = sent
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| *at > 0)
        .collect();
    repeated.sort_unstable();
    let crowd = repeated
        .iter()
        .map(|from| {
            repeated
                .iter()
                .filter(|at| (*from..from + 50).contains(at))
                .count()
        })
        .max();
    assert!(crowd <= Some(30), "{crowd:?} of 100 within 50 ms");
}

/// Reads a task's status once, outside of a followed task.
#[derive(Clone, Debug)]
struct StatusRead;

impl Operation for StatusRead {
    type Output = ();
    const NAME: &'static str = "status";

    fn is_status_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(PathAndQuery::from_static("/status")))
    }

    fn read(&self, _: &Response) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Rows: B29.
#[test]
fn a_single_status_read_is_cut_where_that_of_a_followed_task_is() {
    let now = Timestamp::from_millis(NOON);
    let shared = OriginBudget::new();
    let seed = Seed([1; 32]);
    let mut read = Call::new(StatusRead, Policy::default(), &seed, now).expect("a call");
    let CallStep::Send { limits, .. } = read.next_step(now, &shared) else {
        panic!("nothing was sent");
    };
    assert_eq!(limits.total, Some(std::time::Duration::from_secs(30)));
    let ping = Ping(Safety::Repeatable);
    let mut other = Call::new(ping, Policy::default(), &seed, now).expect("a call");
    let CallStep::Send { limits, .. } = other.next_step(now, &shared) else {
        panic!("nothing was sent");
    };
    assert_eq!(limits.total, Some(std::time::Duration::from_secs(370)));
}
