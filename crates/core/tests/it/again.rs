//! Starting the same once more: what is kept of a start, and the new task that comes of it.

use crate::world::check_golden;
use serde_json::{Value, json};
use taskward_core::testing::past_saves;
use taskward_core::{
    IdempotencyKey, OriginBudget, Policy, Request, Seed, Segment, Snapshot, StartAgainError, Step,
    Task,
};

use crate::world::Act::{Ask, Complete, Work};
use crate::world::{Ended, Fault, Toy, ToyJob, World, at, outcome, policy, seed};

type Polled = Task<Toy<false, false>>;
type Keyed = Task<Toy<true, false>>;

/// Another process has other random numbers.
const OTHER: Seed = Seed([9; 32]);

fn start<const KEYED: bool>(job: &str) -> Task<Toy<KEYED, false>> {
    Task::start(Toy, &ToyJob(job.to_owned()), policy(), seed(), at(0)).expect("a job")
}

/// Through its text, as a journal keeps it.
fn stored<const KEYED: bool>(task: &Task<Toy<KEYED, false>>) -> Snapshot {
    let text = serde_json::to_string(&task.snapshot()).expect("json");
    serde_json::from_str(&text).expect("a snapshot")
}

fn again<const KEYED: bool>(
    saved: &Snapshot,
    key: Option<IdempotencyKey>,
) -> Task<Toy<KEYED, false>> {
    let again = saved.start_again().expect("enough is kept");
    Task::start_again(Toy, again, key, policy(), OTHER, at(0)).expect("a start")
}

fn request<const KEYED: bool>(task: &mut Task<Toy<KEYED, false>>) -> Request {
    match past_saves(task, at(0), &OriginBudget::new()) {
        Step::Send { request, .. } => request.as_ref().clone(),
        other => panic!("{other:?}"),
    }
}

/// What is sent, files by their names.
fn body(request: &Request) -> String {
    let segments = request.body().segments().map(|segment| match segment {
        Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Segment::Source(source) => format!("<{:?}>", source.key),
    });
    segments.collect()
}

fn kept(saved: &Snapshot) -> Value {
    serde_json::to_value(saved).expect("json")["again"].clone()
}

/// Rows: G17.
#[test]
fn the_same_is_sent_under_a_key_of_its_own() {
    let mut first = start::<true>("go");
    let sent = request(&mut first);
    let saved = stored(&first);
    let mut second = again::<true>(&saved, None);
    let mut own = again::<true>(&saved, Some(IdempotencyKey::new("mine")));
    let (repeated, under_own) = (request(&mut second), request(&mut own));
    for other in [&repeated, &under_own] {
        assert_eq!(body(other), body(&sent));
        assert_eq!(other.target(), sent.target());
        assert_eq!(other.digest(), sent.digest());
    }
    let keys = [&sent, &repeated, &under_own].map(|it| it.headers()["idempotency-key"].clone());
    assert_eq!(keys[2], "mine");
    assert_ne!(keys[0], keys[1]);
    let key = keys[0].to_str().expect("text");
    assert!(!kept(&saved).to_string().contains(key), "{}", kept(&saved));
    assert_ne!(second.snapshot().intent(), saved.intent());
    // What is kept of it is the same again.
    assert_eq!(kept(&stored(&second)), kept(&saved));
}

/// Rows: G17.
#[test]
fn what_is_kept_of_a_start_outlives_it_in_every_process() {
    let mut world = World::new(&[Work(500), Ask("which?"), Work(500), Complete("42")]);
    let mut task = world.start::<false, false>();
    assert!(matches!(world.drive_on(&mut task), Ended::Left(_)));
    let first = stored(&task);
    assert!(first.task().is_some());
    let resumed = Polled::resume(Toy, first.clone(), at(world.now)).expect("resume");
    assert_eq!(kept(&stored(&resumed)), kept(&first));
    let mut world = World::new(&[Complete("42")]);
    assert_eq!(
        world.drive(again::<false>(&first, None)),
        outcome("succeeded 42")
    );
    assert_eq!(world.count("POST /start"), 1);
    // A task that was only followed was not started here.
    let followed = World::new(&[]).attach(Policy::default());
    let nothing = StartAgainError::NothingKept;
    assert_eq!(stored(&followed).start_again().map(|_| ()), Err(nothing));
}

/// Rows: G17.
#[test]
fn of_a_file_place_size_and_digest_are_kept_and_no_content() {
    let mut first = start::<false>("file in/a.csv");
    let sent = request(&mut first);
    let saved = stored(&first);
    let text = serde_json::to_string_pretty(&kept(&saved)).expect("json");
    check_golden(
        "start-again-v2.json",
        include_str!("golden/start-again-v2.json"),
        &text,
    );
    let mut second = saved.start_again().expect("enough is kept");
    let sources = second.sources();
    let [source] = sources.as_slice() else {
        panic!("{sources:?}")
    };
    let path = source.as_path().and_then(|path| path.to_str());
    assert_eq!((path, source.len), (Some("/home/ann/in/a.csv"), 4));
    // All else is sent byte for byte.
    let sent = body(&sent).replace("in/a.csv", "/home/ann/in/a.csv");
    assert_eq!(body(&request(&mut again::<false>(&saved, None))), sent);
}

/// Rows: G17.
#[test]
fn what_is_too_large_or_was_in_memory_is_not_kept_and_is_told_so() {
    let limit = 64 * 1024;
    let of_size = |size: usize| stored(&start::<false>(&"x".repeat(size)));
    // Two quotes and the target.
    let most = limit - "/start".len() - 2;
    assert!(of_size(most).start_again().is_ok());
    let larger = of_size(most + 1);
    let error = larger.start_again().map(|_| ()).expect_err("too large");
    let (bytes, limit) = (limit as u64 + 1, limit as u64);
    assert_eq!(error, StartAgainError::TooLarge { bytes, limit });
    assert_eq!(kept(&larger), json!({ "too_large": { "bytes": bytes } }));
    let secret = stored(&start::<false>("file memory secret content"));
    let error = secret.start_again().map(|_| ()).expect_err("not kept");
    assert_eq!(error, StartAgainError::FileFromMemory);
    assert_eq!(kept(&secret), json!("file_from_memory"));
    for (error, forced) in [
        (error, false),
        (StartAgainError::TooLarge { bytes, limit }, false),
        (StartAgainError::FileChanged("a".into()), true),
    ] {
        assert_eq!(error.can_be_forced(), forced, "{error}");
    }
}

/// Rows: G17.
#[test]
fn a_start_of_unknown_outcome_says_so_before_it_is_made_again() {
    let mut world = World::new(&[Complete("42")]).faults(|_, _, _| Fault::LostReply);
    let mut task: Polled = world.start_with(policy());
    world.drive_on(&mut task);
    let saved = stored(&task);
    assert!(saved.is_unknown());
    let again = saved.start_again().expect("enough is kept");
    assert_eq!(again.unresolved(), saved.intent());
    // Of one whose task is known nothing is open.
    let known = serde_json::from_str::<Snapshot>(include_str!("golden/snapshot-v2.json"));
    let again = known.expect("a snapshot").start_again().expect("kept");
    assert_eq!(again.unresolved(), None);
}

#[test]
fn a_start_is_made_again_where_it_was_made() {
    let mut value = serde_json::to_value(start::<true>("go").snapshot()).expect("json");
    value["provider"] = json!("other");
    let other: Snapshot = serde_json::from_value(value.clone()).expect("a snapshot");
    let start = other.start_again().expect("kept");
    let error = Keyed::start_again(Toy, start, None, policy(), OTHER, at(0)).map(|_| ());
    let error = error.expect_err("another provider").to_string();
    assert!(error.contains("other"), "{error}");
    value["again"]["request"]["request"]["target"] = json!("start");
    let broken: Snapshot = serde_json::from_value(value).expect("a snapshot");
    let error = broken.start_again().map(|_| ()).expect_err("broken");
    assert!(matches!(error, StartAgainError::Broken(_)), "{error:?}");
}
