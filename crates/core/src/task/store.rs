//! The conversion from the machine to its snapshot and back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::again::{KeptStart, MAX_KEPT, StartAgain, StartAgainError};
use crate::id::{QuestionId, TaskId};
use crate::operation::Safety;
use crate::outcome::{CancelResult, NotStartedReason, Outcome, Output, TimeLimit, UnknownReason};
use crate::policy::Policy;
use crate::provider::{MatchCriteria, Provider};
use crate::question::AnswerError;
use crate::request::Request;
use crate::seed::{Seed, hex, unhex32};
use crate::snapshot::{
    ResumeError, Saved, SavedAgain, SavedApiError, SavedEnd, SavedLiveness, SavedRequest,
    SavedSegment, SavedStart, SavedTurn, SavedTurnState, Since, Snapshot, TakenUp,
};
use crate::source::{Segment, SourceKey};
use crate::target::MAX_TARGET;
use crate::time::Timestamp;

use super::cancel::Cancel;
use super::clocks::Deadlines;
use super::env::Env;
use super::event_queue::{EventQueue, PendingEvent};
use super::follow::{Follow, StatusFreshness};
use super::intent::{Intent, UnresolvedStart, is_key_old, old_key};
use super::link::Link;
use super::outbox::{Outbox, Revisions};
use super::phase::{Ended, Finishing, Last, LastRead, Phase};
use super::questions::{QuestionEntry, Questions, answerable};
use super::record::Record;
use super::starting::{Locating, StartForm, StartRequest, StartState, Starting};
use super::stream::{Stream, StreamRegion};
use super::turn::{Turn, TurnState};
use super::writes::{Cause, PendingWrite, WriteKind, Writes};
use super::{Liveness, Task};

/// The largest value that a stored counter may have: each counts on from there one by one, and must never overflow.
const MOST_COUNTED: u64 = u64::MAX / 2;

impl Snapshot {
    /// Returns the provider's value as it was when the task was stored, with all that was learned of its server. Older
    /// snapshots, and those of platforms whose servers are all the same, give the default.
    ///
    /// # Errors
    /// Returns an error if the snapshot belongs to another provider, or the value cannot be read.
    pub fn provider_value<P: Provider>(&self) -> Result<P, ResumeError> {
        if self.provider() != P::NAME {
            let (found, expected) = (self.provider().to_owned(), P::NAME);
            return Err(ResumeError::Provider { found, expected });
        }
        if self.0.server.is_null() {
            return Ok(P::default());
        }
        P::deserialize(&self.0.server).map_err(|error| ResumeError::Broken(error.to_string()))
    }

    /// Returns why this question of a task that is over can no longer be answered.
    #[must_use]
    pub fn answer_error(&self, question: &QuestionId) -> AnswerError {
        let entries = self.0.questions.iter().cloned();
        let entries: Vec<QuestionEntry> = entries.map(QuestionEntry::restore).collect();
        match answerable(&entries, self.0.task.as_ref(), question) {
            Ok(_) => AnswerError::NoSuchQuestion(question.clone()),
            Err(why) => why,
        }
    }

    /// Returns what starts the same again as a new task, independent of this one.
    ///
    /// # Errors
    /// Returns an error if nothing is stored of the start, or not enough; the error says why.
    pub fn start_again(&self) -> Result<StartAgain, StartAgainError> {
        start_again(&self.0)
    }
}

/// Converts a task to its stored form. Every value is taken apart whole, so that a new field does not compile until it
/// is stored here or named as one that is not.
pub(super) fn snapshot<P: Provider>(task: &Task<P>) -> Snapshot {
    let Task {
        env,
        // An exchange that is under way counts as abandoned after a resume.
        link: _,
        // A resumed task takes a number of its own.
        permit: _,
        out,
        clocks,
        cancel,
        phase,
    } = task;
    let (working_left, waiting_left) = clocks.left_at(env.now);
    let pending = out.events.pending();
    let mut saved = Saved {
        v: Saved::version(),
        provider: P::NAME.to_owned(),
        // A value that cannot be written is one that says nothing.
        server: serde_json::to_value(&env.provider).unwrap_or_default(),
        origin: env.origin.as_deref().map(str::to_owned),
        intent: env.intent.as_ref().map(|intent| intent.id.clone()),
        start: save_start(task),
        again: save_again(task),
        saved_at: env.now,
        working_left,
        waiting_left,
        human_is_asked: clocks.running() == TimeLimit::Waiting,
        policy: Policy::clone(&env.policy),
        seed: hex(&env.seed.0),
        jitter: env.rng.get_seed(),
        revision: out.save.revision,
        events_taken: out.events.taken(),
        events_numbered: out.events.numbered(),
        pending_events: pending
            .iter()
            .map(|(_, event)| event.as_ref().clone())
            .collect(),
        pending_event_ids: pending.iter().map(|(id, _)| *id).collect(),
        exchanges: env.exchanges,
        messages: phase.writes().messages,
        writes: phase
            .writes()
            .iter()
            .map(|write| write.stored(env.now))
            .collect(),
        cancel: cancel.stored(),
        liveness: SavedLiveness {
            byte: env.liveness.last_byte_at,
            reply: env.liveness.last_reply_at,
            change: env.liveness.last_change_at,
        },
        ..Saved::default()
    };
    match phase {
        Phase::Ended(ended) => saved.ended = Some(save_end(&ended.outcome)),
        Phase::Finishing(finishing) => saved.finishing = Some(finishing.read.stored()),
        Phase::Starting(_) | Phase::Following(_) => {}
    }
    if let Some(follow) = phase.task() {
        save_follow(follow, phase.is_ended(), &mut saved);
    }
    Snapshot(saved)
}

fn save_follow<P: Provider>(follow: &Follow<P>, is_over: bool, saved: &mut Saved) {
    let Follow {
        id,
        created_at,
        status,
        freshness,
        poller,
        stream,
        // The list is read again.
        deferred: _,
        questions,
        // They are stored in every phase.
        writes: _,
        turn,
        // Whoever takes the task up may say it again.
        no_progress_since: _,
        refused,
    } = follow;
    saved.task = Some(id.clone());
    saved.created_at = *created_at;
    saved.status.clone_from(status);
    // A task whose following is over is polled at once by whoever takes it up.
    saved.poll = (!is_over).then(|| poller.stored());
    match freshness {
        StatusFreshness::Current => {}
        StatusFreshness::StaleSince(since) => saved.stale_since = Some(*since),
        StatusFreshness::AwaitingConfirmation(said) => saved.awaiting = Some(said.clone()),
    }
    stream.store(saved);
    let saved_at = saved.saved_at;
    let due = &mut saved.stream.due;
    *due = due.filter(|due| !is_over && *due > saved_at);
    questions.store(saved);
    saved.turn = turn.as_deref().map(Turn::stored);
    saved.last_refusal = refused.as_deref().map(SavedApiError::of);
}

impl Turn {
    fn stored(&self) -> SavedTurn {
        let state = match &self.state {
            TurnState::Baseline => SavedTurnState::Baseline,
            TurnState::Sending { no, working } => SavedTurnState::Sending {
                no: *no,
                working: *working,
            },
            TurnState::Unproven { cursor, working } => SavedTurnState::Unproven {
                cursor: cursor.clone(),
                working: *working,
            },
            TurnState::Proven => SavedTurnState::Proven,
            TurnState::Lost {
                no,
                cursor,
                working,
            } => SavedTurnState::Lost {
                no: *no,
                cursor: cursor.clone(),
                working: *working,
            },
            TurnState::Undelivered { detail } => SavedTurnState::Undelivered {
                detail: detail.clone(),
            },
        };
        SavedTurn {
            text: self.text.clone(),
            state,
        }
    }
}

/// Converts the start while its outcome is not known.
fn save_start<P: Provider>(task: &Task<P>) -> Option<SavedStart> {
    let intent = task.env.intent.as_ref()?;
    let (mut attempts, mut conflicts, mut due) = (0, 0, None);
    let unresolved = match &task.phase {
        Phase::Starting(starting) => {
            (attempts, conflicts) = (starting.attempts, starting.conflicts);
            due = Some(starting.due).filter(|due| *due > task.env.now);
            starting.unresolved(None)
        }
        Phase::Ended(ended) => match &ended.last {
            Last::Start { unresolved, .. } => unresolved.as_deref()?.clone(),
            Last::Task(_) => return None,
        },
        Phase::Following(_) | Phase::Finishing(_) => return None,
    };
    Some(SavedStart {
        intent: intent.id.clone(),
        digest: unresolved.digest,
        begun_at: Some(intent.begun_at),
        ended_at: unresolved.ended_at,
        criteria: intent.criteria.clone(),
        request: unresolved.request.as_ref().map(save_request),
        attempts,
        conflicts,
        due,
    })
}

/// Converts what starts the same again.
fn save_again<P: Provider>(task: &Task<P>) -> Option<SavedAgain> {
    let intent = task.env.intent.as_ref()?;
    Some(match intent.kept.as_ref()? {
        KeptStart::Request(request) => SavedAgain::Request {
            criteria: intent.criteria.clone(),
            request: kept_request(request),
        },
        KeptStart::TooLarge(bytes) => SavedAgain::TooLarge { bytes: *bytes },
        KeptStart::FileFromMemory => SavedAgain::FileFromMemory,
        KeptStart::UnnamedFile => SavedAgain::UnnamedFile,
        KeptStart::HoldsKey => SavedAgain::HoldsKey,
    })
}

/// Converts the request, with its files by absolute paths.
fn kept_request(request: &Request) -> SavedRequest {
    let mut saved = save_request(request);
    for segment in &mut saved.body {
        if let SavedSegment::Source(source) = segment
            && let Some(fingerprint) = &source.fingerprint
        {
            source.key = SourceKey::Path(fingerprint.path.clone());
        }
    }
    saved
}

fn load_again(saved: &SavedAgain) -> Result<KeptStart, ResumeError> {
    Ok(match saved {
        SavedAgain::Request { request, .. } => KeptStart::Request(Box::new(load_request(request)?)),
        SavedAgain::TooLarge { bytes } => KeptStart::TooLarge(*bytes),
        SavedAgain::FileFromMemory => KeptStart::FileFromMemory,
        SavedAgain::UnnamedFile => KeptStart::UnnamedFile,
        SavedAgain::HoldsKey => KeptStart::HoldsKey,
    })
}

/// Restores what starts the same task again.
fn start_again(saved: &Saved) -> Result<StartAgain, StartAgainError> {
    let again = saved.again.as_ref().ok_or(StartAgainError::NothingKept)?;
    let broken = |error: ResumeError| StartAgainError::Broken(error.to_string());
    let request = match load_again(again).map_err(broken)? {
        KeptStart::Request(request) => *request,
        KeptStart::TooLarge(bytes) => {
            let limit = MAX_KEPT;
            return Err(StartAgainError::TooLarge { bytes, limit });
        }
        KeptStart::FileFromMemory => return Err(StartAgainError::FileFromMemory),
        KeptStart::UnnamedFile => return Err(StartAgainError::UnnamedFile),
        KeptStart::HoldsKey => return Err(StartAgainError::HoldsKey),
    };
    let start = saved.start.as_ref().map(|start| &start.intent);
    Ok(StartAgain {
        provider: saved.provider.clone(),
        origin: saved.origin.clone(),
        request,
        criteria: criteria_of(saved),
        unresolved: start.filter(|_| saved.task.is_none()).cloned(),
    })
}

fn criteria_of(saved: &Saved) -> Option<MatchCriteria> {
    match (&saved.start, &saved.again) {
        (Some(start), _) => start.criteria.clone(),
        (None, Some(SavedAgain::Request { criteria, .. })) => criteria.clone(),
        (None, _) => None,
    }
}

fn save_end<O: Output>(outcome: &Outcome<O>) -> SavedEnd {
    match outcome {
        Outcome::Answered { output } => SavedEnd::Answered(output.raw().clone()),
        Outcome::Refused(error) => SavedEnd::Refused(SavedApiError::of(error)),
        Outcome::NotStarted {
            reason,
            attempts,
            temporary,
        } => SavedEnd::NotStarted {
            reason: reason.clone(),
            attempts: *attempts,
            temporary: *temporary,
        },
        Outcome::Unknown {
            intent,
            reason,
            likely,
        } => SavedEnd::Unknown {
            intent: intent.clone(),
            reason: reason.clone(),
            likely: *likely,
        },
        Outcome::DeadlineExceeded { id: None, .. } => SavedEnd::Deadline,
        Outcome::Succeeded { .. }
        | Outcome::ResultUnavailable { .. }
        | Outcome::Failed { .. }
        | Outcome::Stopped { .. }
        | Outcome::AccessLost { .. }
        | Outcome::Gone { .. }
        | Outcome::DeadlineExceeded { .. }
        | Outcome::Interrupted { .. } => SavedEnd::Task,
    }
}

pub(super) fn resume<P: Provider>(
    provider: P,
    saved: Snapshot,
    how: TakenUp,
    now: Timestamp,
) -> Result<Task<P>, ResumeError> {
    let Snapshot(saved) = saved;
    check(&saved, P::NAME)?;
    let time = Since::new(saved.saved_at, now);
    let saved_at = time.past(saved.saved_at);
    let env = load_env(provider, &saved, &time)?;
    let mut out = load_out(&saved);
    let phase = phase_of(&saved, &env, &mut out, how, &time)?;
    let mut clocks = Deadlines::new(saved.working_left, saved.waiting_left, saved_at);
    if saved.human_is_asked {
        clocks.run(TimeLimit::Waiting, saved_at);
    }
    let mut task = Task {
        env,
        permit: None,
        link: Link::Idle,
        out,
        clocks,
        cancel: Cancel::restore(saved.cancel, &time),
        phase,
    };
    if !task.phase.is_ended() && how == TakenUp::Resumed {
        // A resumed task is a new state, and the snapshot may never have been stored where it is now.
        task.out.save.need();
    }
    if task.clocks.has_run_out(now) {
        // The task's following was over, or is now: a question that has been open since gets no time of its own.
        task.clocks.stop();
    } else {
        let (phase, mut cx) = task.parts();
        phase.update_clock(&mut cx);
    }
    Ok(task)
}

/// Checks that a stored task is one of this provider, and that its counters can count on.
fn check(saved: &Saved, expected: &'static str) -> Result<(), ResumeError> {
    if saved.provider != expected {
        let found = saved.provider.clone();
        return Err(ResumeError::Provider { found, expected });
    }
    let counted = [
        saved.revision.0,
        saved.events_taken,
        saved.events_numbered,
        saved.exchanges,
        saved.messages,
    ];
    if counted.iter().any(|count| *count > MOST_COUNTED) {
        let why = "it counts more than any task can have done";
        return Err(ResumeError::Broken(why.to_owned()));
    }
    Ok(())
}

fn load_env<P: Provider>(provider: P, saved: &Saved, time: &Since) -> Result<Env<P>, ResumeError> {
    let broken = || ResumeError::Broken("the seed is not 32 bytes".to_owned());
    let seed = match saved.seed.as_str() {
        "" => Seed([0; 32]),
        text => Seed(unhex32(text).ok_or_else(broken)?),
    };
    let past = |at: Option<Timestamp>| at.map(|at| time.past(at));
    let mut env = Env::new(provider, Arc::new(saved.policy.clone()), seed, time.now());
    env.origin = saved.origin.as_deref().map(Arc::from);
    env.intent = intent_of(saved)?.map(Box::new);
    env.rng = fastrand::Rng::with_seed(saved.jitter);
    env.exchanges = saved.exchanges;
    env.liveness = Liveness {
        last_byte_at: past(saved.liveness.byte),
        last_reply_at: past(saved.liveness.reply),
        last_change_at: past(saved.liveness.change),
    };
    Ok(env)
}

fn load_out(saved: &Saved) -> Outbox {
    let mut ids = saved.pending_event_ids.iter().copied();
    let events = saved.pending_events.iter().cloned();
    let pending = events.map(|event| PendingEvent {
        id: ids.next(),
        event,
    });
    Outbox {
        events: EventQueue::after(saved.events_taken, saved.events_numbered, pending),
        save: Revisions {
            revision: saved.revision,
            saved: saved.revision,
        },
        ..Outbox::default()
    }
}

/// Restores what is known of a task with this id. Whether its following is over decides what became of a write that was
/// lost.
fn load_follow<P: Provider>(
    id: TaskId,
    saved: &Saved,
    is_over: bool,
    out: &mut Outbox,
    how: TakenUp,
    time: &Since,
) -> Result<Follow<P>, ResumeError> {
    let now = time.now();
    let mut follow = Follow::new(id, None, &saved.policy, now);
    follow.created_at = saved.created_at.map(|created| time.past(created));
    follow.status.clone_from(&saved.status);
    follow.freshness = match (&saved.awaiting, saved.stale_since) {
        (Some(said), _) => StatusFreshness::AwaitingConfirmation(said.clone()),
        (None, Some(since)) => StatusFreshness::StaleSince(time.past(since)),
        (None, None) => StatusFreshness::Current,
    };
    if let Some(poll) = saved
        .poll
        .clone()
        .filter(|_| !is_over && saved.ended.is_none())
    {
        follow.poller.restore(poll, &saved.policy, time)?;
    }
    follow.questions = Questions::restore(saved, how, &mut out.events);
    follow.writes = load_writes(saved, how, time);
    follow.turn = saved
        .turn
        .as_ref()
        .map(|turn| Box::new(load_turn(turn, is_over, &mut follow.writes, now)));
    follow.stream = StreamRegion::restore(saved, time);
    let refused = saved.last_refusal.clone();
    follow.refused = refused.map(SavedApiError::load).transpose()?.map(Box::new);
    Ok(follow)
}

fn load_writes(saved: &Saved, how: TakenUp, time: &Since) -> Writes {
    let writes = saved.writes.iter().cloned();
    let writes = writes.map(|write| PendingWrite::restore(write, how, time));
    Writes::restore(writes.collect(), saved.messages)
}

fn load_turn(saved: &SavedTurn, is_over: bool, writes: &mut Writes, now: Timestamp) -> Turn {
    let text = saved.text.clone();
    let state = match saved.state.clone() {
        SavedTurnState::Baseline => TurnState::Baseline,
        SavedTurnState::Sending { no, working } => TurnState::Sending { no, working },
        SavedTurnState::Unproven { cursor, working } => TurnState::Unproven { cursor, working },
        SavedTurnState::Proven => TurnState::Proven,
        SavedTurnState::Lost {
            no,
            cursor,
            working,
        } if is_over => TurnState::Lost {
            no,
            cursor,
            working,
        },
        SavedTurnState::Lost {
            no,
            cursor,
            working,
        } => {
            let text = text.clone();
            let kind = WriteKind::Message { no, text };
            let mut lost = PendingWrite::unconfirmed(kind, None, Cause::Lost, now);
            lost.cursor = cursor;
            writes.push_front(lost);
            TurnState::Sending { no, working }
        }
        SavedTurnState::Undelivered { detail } => TurnState::Undelivered { detail },
    };
    Turn { text, state }
}

/// Returns what happened to the message of a turn that is known not to have arrived.
fn undelivered(saved: &Saved) -> Option<&Option<String>> {
    match saved.turn.as_ref().map(|turn| &turn.state) {
        Some(SavedTurnState::Undelivered { detail }) => Some(detail),
        _ => None,
    }
}

/// Restores the phase. A followed task is polled again even if its following was over.
fn phase_of<P: Provider>(
    saved: &Saved,
    env: &Env<P>,
    out: &mut Outbox,
    how: TakenUp,
    time: &Since,
) -> Result<Phase<P>, ResumeError> {
    let now = time.now();
    let ended = load_end(saved, env, now)?;
    if ended.is_none() && how == TakenUp::Resumed {
        out.events.skip_unrecorded();
    }
    // What is reported again from here on counts as not stored.
    out.record = Record::resumed(&out.events);
    let is_over = ended.is_some();
    let task = saved.task.clone();
    let follow = task.map(|id| load_follow(id, saved, is_over, out, how, time));
    let follow = follow.transpose()?.map(Box::new);
    Ok(match (ended, follow) {
        (Some(outcome), follow) => {
            let last = match follow {
                Some(follow) => Last::Task(follow),
                None => Last::Start {
                    unresolved: unresolved_of(saved)?.map(Box::new),
                    writes: load_writes(saved, how, time),
                    stream: Box::new(Stream::unopened()),
                },
            };
            Phase::Ended(Box::new(Ended { outcome, last }))
        }
        (None, Some(follow)) => match &saved.finishing {
            Some(read) => {
                let read = LastRead::restore(read.clone(), time);
                Phase::Finishing(Box::new(Finishing { follow, read }))
            }
            None => Phase::Following(follow),
        },
        (None, None) => {
            let mut starting = load_starting(saved, env.can().start, time)?;
            starting.writes = load_writes(saved, how, time);
            Phase::Starting(Box::new(starting))
        }
    })
}

fn load_starting<P: Provider>(
    saved: &Saved,
    safety: Safety,
    time: &Since,
) -> Result<Starting<P>, ResumeError> {
    let neither = || ResumeError::Broken("it has neither a task nor a start".to_owned());
    let start = saved.start.as_ref().ok_or_else(neither)?;
    let state = match &start.request {
        Some(request) => StartState::Sending(StartRequest {
            request: Arc::new(load_request(request)?),
            form: StartForm::Reply,
        }),
        None if is_traceable(saved) => {
            StartState::Locating(Box::new(Locating::new(None, false, time.now())))
        }
        None => return Err(neither()),
    };
    let mut starting = Starting::new(state, start.digest.clone(), safety, time.now());
    (starting.attempts, starting.conflicts) = (start.attempts, start.conflicts);
    starting.due = start.due.map_or(time.now(), |due| time.due(due));
    starting.maybe_received = true;
    Ok(starting)
}

/// Returns whether the start contains an id of ours, by which a read finds its task.
fn is_traceable(saved: &Saved) -> bool {
    let start = saved.start.as_ref();
    let criteria = start.and_then(|start| start.criteria.as_ref());
    criteria.is_some_and(|criteria| criteria.reference.is_some())
}

/// Returns how the task ended, if it need not or cannot be continued.
fn load_end<P: Provider>(
    saved: &Saved,
    env: &Env<P>,
    now: Timestamp,
) -> Result<Option<Outcome<P::Output>>, ResumeError> {
    Ok(Some(match (&saved.task, &saved.ended, &saved.start) {
        (_, Some(SavedEnd::Answered(raw)), _) => {
            let output = env.provider.stored_answer(raw.clone());
            let broken = || ResumeError::Broken("its answer cannot be read".to_owned());
            Outcome::Answered {
                output: output.ok_or_else(broken)?,
            }
        }
        (_, Some(SavedEnd::Refused(error)), _) => Outcome::Refused(error.clone().load()?),
        (
            _,
            Some(SavedEnd::NotStarted {
                reason,
                attempts,
                temporary,
            }),
            _,
        ) => Outcome::NotStarted {
            reason: reason.clone(),
            attempts: *attempts,
            temporary: *temporary,
        },
        (
            _,
            Some(SavedEnd::Unknown {
                intent,
                reason,
                likely,
            }),
            _,
        ) => Outcome::Unknown {
            intent: intent.clone(),
            reason: reason.clone(),
            likely: *likely,
        },
        (None, Some(SavedEnd::Deadline), _) => Outcome::DeadlineExceeded {
            id: None,
            limit: TimeLimit::Working,
            last: None,
            cancel: CancelResult::NotRequested,
        },
        (Some(_), _, _) => match undelivered(saved) {
            Some(detail) => Outcome::NotStarted {
                reason: NotStartedReason::Message {
                    detail: detail.clone(),
                },
                attempts: 0,
                temporary: true,
            },
            None => return Ok(None),
        },
        (None, _, Some(start)) => match &start.request {
            Some(_) if is_key_old(start.begun_at.unwrap_or(saved.saved_at), now) => {
                env.unknown_start(old_key(), false)
            }
            Some(_) => return Ok(None),
            // Its task is looked for, by the reference in its request.
            None if is_traceable(saved) => return Ok(None),
            None => env.unknown_start(UnknownReason::ProcessEnded, false),
        },
        (None, _, None) => return Ok(None),
    }))
}

fn intent_of(saved: &Saved) -> Result<Option<Intent>, ResumeError> {
    let start = saved.start.as_ref();
    let Some(id) = saved.intent.as_ref().or(start.map(|start| &start.intent)) else {
        return Ok(None);
    };
    let kept = saved.again.as_ref().map(load_again).transpose()?;
    Ok(Some(Intent {
        id: id.clone(),
        begun_at: start
            .and_then(|start| start.begun_at)
            .unwrap_or(saved.saved_at),
        criteria: criteria_of(saved),
        kept,
    }))
}

fn unresolved_of(saved: &Saved) -> Result<Option<UnresolvedStart>, ResumeError> {
    let Some(start) = saved.start.as_ref().filter(|_| saved.task.is_none()) else {
        return Ok(None);
    };
    Ok(Some(UnresolvedStart {
        digest: start.digest.clone(),
        request: start.request.as_ref().map(load_request).transpose()?,
        ended_at: start.ended_at,
    }))
}

fn save_request(request: &Request) -> SavedRequest {
    SavedRequest {
        method: request.method().as_str().to_owned(),
        target: request.target().as_str().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: request
            .body()
            .segments()
            .map(|segment| match segment {
                Segment::Bytes(bytes) => SavedSegment::Base64(STANDARD.encode(bytes)),
                Segment::Source(source) => SavedSegment::Source(source.clone()),
            })
            .collect(),
    }
}

fn load_request(saved: &SavedRequest) -> Result<Request, ResumeError> {
    let broken = |what: &str| ResumeError::Broken(format!("the start's {what} cannot be read"));
    let method = saved.method.parse().map_err(|_| broken("method"))?;
    if !saved.target.starts_with('/') || saved.target.len() > MAX_TARGET {
        return Err(broken("target"));
    }
    let target = saved.target.parse().map_err(|_| broken("target"))?;
    let mut headers = http::HeaderMap::new();
    for (name, value) in &saved.headers {
        headers.append(
            name.parse::<http::HeaderName>()
                .map_err(|_| broken("header"))?,
            value.parse().map_err(|_| broken("header"))?,
        );
    }
    let mut segments = Vec::with_capacity(saved.body.len());
    for segment in &saved.body {
        segments.push(match segment {
            SavedSegment::Base64(text) => {
                Ok(STANDARD.decode(text).map_err(|_| broken("body"))?.into())
            }
            SavedSegment::Source(source) => Err(source.clone()),
        });
    }
    Ok(Request::restored(method, target, headers, segments))
}
