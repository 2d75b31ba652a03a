//! The conversion from the machine to its snapshot and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use std::sync::Arc;

use crate::again::{KeptStart, MAX_KEPT, StartAgain, StartAgainError};
use crate::error::ApiError;
use crate::outcome::{CancelResult, NotStartedReason, Outcome, TimeLimit, UnknownReason};
use crate::provider::{MatchCriteria, Provider, ReadKind};
use crate::reason::WaitReason;
use crate::request::{Request, Segment, SourceKey};
use crate::seed::{Seed, hex, unhex32};
use crate::snapshot::{
    ResumeError, Saved, SavedAgain, SavedAskedInStream, SavedCancel, SavedEnd, SavedRequest,
    SavedSegment, SavedStart, SavedTurn, SavedTurnState, SavedUnconfirmedEnd, SavedWrite, Snapshot,
};
use crate::target::MAX_TARGET;
use crate::time::Timestamp;

use super::clocks::Deadlines;
use super::event_queue::{EventQueue, PendingEvent};
use super::intent::{Intent, UnresolvedStart, is_key_old, old_key};
use super::phase::{Phase, Starting};
use super::questions::Questions;
use super::record::Record;
use super::stream::{AskedInStream, EndConfirmation};
use super::writes::{PendingWrite, WriteKind, WriteState};
use super::{Cancel, StatusFreshness, Task, Turn, TurnState};

/// The largest value that a stored counter may have: each counts on from there one by one, and must never overflow.
const MOST_COUNTED: u64 = u64::MAX / 2;

pub(super) fn snapshot<P: Provider>(task: &Task<P>) -> Snapshot {
    let (work_left, human_left) = task.clocks.left_at(task.now);
    let pending = task.events.pending();
    Snapshot(Saved {
        v: Saved::version(),
        provider: P::NAME.to_owned(),
        origin: task.origin.clone(),
        task: task.id.clone(),
        intent: task.intent.as_ref().map(|intent| intent.id.clone()),
        start: save_start(task),
        again: save_again(task),
        ended: match &task.phase {
            Phase::Ended(outcome) => Some(save_end(outcome)),
            _ => None,
        },
        saved_at: task.now,
        working_left: work_left,
        waiting_left: human_left,
        human_is_asked: task.clocks.running() == TimeLimit::Waiting,
        paused: task.paused,
        stale: task.freshness != StatusFreshness::Current,
        policy: task.policy.clone(),
        seed: hex(&task.seed.0),
        jitter: task.rng.get_seed(),
        revision: task.save.revision,
        events_taken: task.events.taken(),
        events_numbered: task.events.numbered(),
        pending_events: pending
            .iter()
            .map(|(_, event)| event.as_ref().clone())
            .collect(),
        pending_event_ids: pending.iter().map(|(id, _)| *id).collect(),
        exchanges: task.exchanges,
        messages: task.messages,
        created_at: task.created_at,
        event_seq: task.stream.last_taken,
        asked_in_stream: task.stream.asked.as_ref().map(|wait| SavedAskedInStream {
            question: wait.question.clone(),
            told: wait.told,
            unconfirmed: wait.unconfirmed,
        }),
        // An event that was not acknowledged comes again, and with it the unconfirmed end.
        unconfirmed_end: task
            .stream
            .end
            .as_ref()
            .filter(|unconfirmed| unconfirmed.event.seq <= task.stream.last_taken)
            .map(|unconfirmed| SavedUnconfirmedEnd {
                end: unconfirmed.end.clone(),
                event: unconfirmed.event.clone(),
            }),
        status: task.last_status.clone(),
        questions: task.questions.all().cloned().collect(),
        stand_in: task.questions.place(),
        writes: task
            .writes
            .iter()
            .map(|write| SavedWrite {
                kind: write.kind.clone(),
                state: write.state,
                cursor: write.cursor.clone(),
                key: write.key.clone(),
            })
            .collect(),
        turn: task.turn.as_ref().map(|turn| SavedTurn {
            text: turn.text.clone(),
            state: match &turn.state {
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
            },
        }),
        cancel: match task.cancel {
            Cancel::Idle => SavedCancel::Idle,
            Cancel::Requested { .. } => SavedCancel::Requested,
            Cancel::Accepted => SavedCancel::Accepted,
            Cancel::Refused => SavedCancel::Refused,
        },
    })
}

/// Converts the start while its outcome is not known.
fn save_start<P: Provider>(task: &Task<P>) -> Option<SavedStart> {
    let intent = task.intent.as_ref()?;
    let unresolved = match &task.phase {
        Phase::Starting(starting) => UnresolvedStart::of(starting, None),
        Phase::Ended(_) => task.unresolved.as_deref()?.clone(),
        Phase::Following(_) | Phase::Fetching(_) | Phase::Tracing(_) => return None,
    };
    Some(SavedStart {
        intent: intent.id.clone(),
        digest: unresolved.digest,
        begun_at: Some(intent.begun_at),
        ended_at: unresolved.ended_at,
        criteria: intent.criteria.clone(),
        request: unresolved.request.as_ref().map(save_request),
    })
}

/// Converts what starts the same again.
fn save_again<P: Provider>(task: &Task<P>) -> Option<SavedAgain> {
    let intent = task.intent.as_ref()?;
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
pub(crate) fn start_again(saved: &Saved) -> Result<StartAgain, StartAgainError> {
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

fn save_end<O>(outcome: &Outcome<O>) -> SavedEnd {
    match outcome {
        Outcome::Refused(error) => SavedEnd::Refused {
            status: error.status.as_u16(),
            message: error.message.clone(),
            code: error.code.clone(),
            request_id: error.request_id.clone(),
        },
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
    now: Timestamp,
) -> Result<Task<P>, ResumeError> {
    let Snapshot(saved) = saved;
    if saved.provider != P::NAME {
        return Err(ResumeError::Provider {
            found: saved.provider,
            expected: P::NAME,
        });
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
    // If the clock was set back since, no time has passed, and everything planned follows the new clock.
    let saved_at = saved.saved_at.min(now);
    let seed = match saved.seed.as_str() {
        "" => Seed([0; 32]),
        text => Seed(
            unhex32(text)
                .ok_or_else(|| ResumeError::Broken("the seed is not 32 bytes".to_owned()))?,
        ),
    };
    let phase = phase_of::<P>(&saved, now)?;
    let intent = intent_of(&saved)?;
    let unresolved = match &phase {
        Phase::Ended(_) => unresolved_of(&saved)?,
        _ => None,
    };
    let mut task = Task::new(
        provider,
        saved.task,
        phase,
        saved.event_seq,
        saved.policy,
        seed,
        now,
    );
    task.origin = saved.origin;
    task.intent = intent;
    task.unresolved = unresolved;
    task.rng = fastrand::Rng::with_seed(saved.jitter);
    task.created_at = saved.created_at.map(|started| started.min(now));
    task.exchanges = saved.exchanges;
    task.messages = saved.messages;
    let mut ids = saved.pending_event_ids.into_iter();
    let pending = saved.pending_events.into_iter().map(|event| PendingEvent {
        id: ids.next(),
        event,
    });
    task.events = EventQueue::after(saved.events_taken, saved.events_numbered, pending);
    if !task.phase.is_ended() {
        task.events.skip_unrecorded();
    }
    task.record = Record::resumed(&task.events);
    task.save.revision = saved.revision;
    task.save.saved = saved.revision;
    if !task.phase.is_ended() {
        // A resumed task is a new state, and the snapshot may never have been stored where it is now.
        task.save.need();
    }
    task.last_status = saved.status;
    task.paused = saved.paused;
    task.freshness = if saved.stale {
        StatusFreshness::StaleSince(now)
    } else {
        StatusFreshness::Current
    };
    task.clocks = Deadlines::new(saved.working_left, saved.waiting_left, saved_at);
    if saved.human_is_asked {
        task.clocks.run(TimeLimit::Waiting, saved_at);
    }
    // Open questions are reported again: nobody may have heard of them.
    let (open, known): (Vec<_>, Vec<_>) = saved
        .questions
        .into_iter()
        .partition(|entry| matches!(entry.state, super::QuestionState::Open));
    task.questions = Questions::restore(known, saved.stand_in);
    for entry in open {
        task.questions.tell(entry, &mut task.events);
    }
    task.writes = saved
        .writes
        .into_iter()
        .map(|write| {
            let mut restored = PendingWrite::new(write.kind, write.key, now);
            restored.cursor = write.cursor;
            restored.state = match write.state {
                // The write may have been sent after this was stored: a read must show whether it arrived before
                // anything else is sent.
                WriteState::Write => WriteState::Reconcile,
                stage => stage,
            };
            if restored.state == WriteState::Reconcile {
                restored.maybe_applied = true;
                restored.last_error = Some("the process ended before the reply came".to_owned());
            }
            restored
        })
        .collect();
    task.turn = saved.turn.map(|turn| load_turn(turn, &mut task, now));
    task.stream.asked = saved.asked_in_stream.map(|wait| AskedInStream {
        told: wait.told,
        unconfirmed: wait.unconfirmed,
        ..AskedInStream::new(wait.question, now)
    });
    task.stream.end = saved.unconfirmed_end.map(|unconfirmed| EndConfirmation {
        end: unconfirmed.end,
        event: unconfirmed.event,
        contradicted_at: None,
        tries: 0,
        reply: None,
    });
    task.cancel = match saved.cancel {
        SavedCancel::Idle => Cancel::Idle,
        SavedCancel::Requested => Cancel::Requested { tries: 0, due: now },
        SavedCancel::Accepted => Cancel::Accepted,
        SavedCancel::Refused => Cancel::Refused,
    };
    if task.clocks.has_run_out(now) {
        // The task's following was over, or is now: a question that has been open since gets no time of its own.
        task.clocks.stop();
    } else {
        task.update_clock();
    }
    Ok(task)
}

fn load_turn<P: Provider>(saved: SavedTurn, task: &mut Task<P>, now: Timestamp) -> Turn {
    let stage = match saved.state {
        SavedTurnState::Baseline => TurnState::Baseline,
        SavedTurnState::Sending { no, working } => TurnState::Sending { no, working },
        SavedTurnState::Unproven { cursor, working } => TurnState::Unproven { cursor, working },
        SavedTurnState::Proven => TurnState::Proven,
        SavedTurnState::Lost {
            no,
            cursor,
            working,
        } if task.phase.is_ended() => TurnState::Lost {
            no,
            cursor,
            working,
        },
        SavedTurnState::Lost {
            no,
            cursor,
            working,
        } => {
            let text = saved.text.clone();
            let mut lost = PendingWrite::new(WriteKind::Message { no, text }, None, now);
            lost.state = WriteState::Reconcile;
            lost.cursor = cursor;
            lost.maybe_applied = true;
            task.writes.push_front(lost);
            TurnState::Sending { no, working }
        }
        SavedTurnState::Undelivered { detail } => TurnState::Undelivered { detail },
    };
    Turn {
        text: saved.text,
        state: stage,
    }
}

/// Returns what happened to the message of a turn that is known not to have arrived.
fn undelivered(saved: &Saved) -> Option<&Option<String>> {
    match saved.turn.as_ref().map(|turn| &turn.state) {
        Some(SavedTurnState::Undelivered { detail }) => Some(detail),
        _ => None,
    }
}

fn phase_of<P: Provider>(saved: &Saved, now: Timestamp) -> Result<Phase<P::Output>, ResumeError> {
    let over = |outcome| Ok(Phase::Ended(Box::new(outcome)));
    match (&saved.task, &saved.ended, &saved.start) {
        (
            _,
            Some(SavedEnd::Refused {
                status,
                message,
                code,
                request_id,
            }),
            _,
        ) => {
            let status = StatusCode::from_u16(*status)
                .map_err(|_| ResumeError::Broken(format!("{status} is no status code")))?;
            over(Outcome::Refused(ApiError {
                status,
                message: message.clone(),
                code: code.clone(),
                request_id: request_id.clone(),
            }))
        }
        (
            _,
            Some(SavedEnd::NotStarted {
                reason,
                attempts,
                temporary,
            }),
            _,
        ) => over(Outcome::NotStarted {
            reason: reason.clone(),
            attempts: *attempts,
            temporary: *temporary,
        }),
        (
            _,
            Some(SavedEnd::Unknown {
                intent,
                reason,
                likely,
            }),
            _,
        ) => over(Outcome::Unknown {
            intent: intent.clone(),
            reason: reason.clone(),
            likely: *likely,
        }),
        (None, Some(SavedEnd::Deadline), _) => over(Outcome::DeadlineExceeded {
            id: None,
            limit: TimeLimit::Working,
            last: None,
            cancel: CancelResult::NotRequested,
        }),
        (Some(_), _, _) => match undelivered(saved) {
            Some(detail) => over(Outcome::NotStarted {
                reason: NotStartedReason::Message {
                    detail: detail.clone(),
                },
                attempts: 0,
                temporary: true,
            }),
            None => Ok(Phase::follow(
                ReadKind::Status,
                now,
                WaitReason::PollInterval,
            )),
        },
        (None, _, Some(start)) => match &start.request {
            Some(_) if is_key_old(start.begun_at.unwrap_or(saved.saved_at), now) => {
                over(Outcome::Unknown {
                    intent: start.intent.clone(),
                    reason: old_key(),
                    likely: false,
                })
            }
            Some(request) => Ok(Phase::Starting(Box::new(Starting {
                request: Arc::new(load_request(request)?),
                safety: P::CAPABILITIES.start,
                attempts: 0,
                due: now,
                why: WaitReason::Backoff,
                maybe_received: true,
                conflicts: 0,
            }))),
            None => over(Outcome::Unknown {
                intent: start.intent.clone(),
                reason: UnknownReason::ProcessEnded,
                likely: false,
            }),
        },
        (None, _, None) => Err(ResumeError::Broken(
            "it has neither a task nor a start".to_owned(),
        )),
    }
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

fn unresolved_of(saved: &Saved) -> Result<Option<Box<UnresolvedStart>>, ResumeError> {
    let Some(start) = saved.start.as_ref().filter(|_| saved.task.is_none()) else {
        return Ok(None);
    };
    Ok(Some(Box::new(UnresolvedStart {
        digest: start.digest.clone(),
        request: start.request.as_ref().map(load_request).transpose()?,
        ended_at: start.ended_at,
    })))
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
