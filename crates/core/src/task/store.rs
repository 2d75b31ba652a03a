//! From the machine to its snapshot and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use crate::again::{KeptStart, MAX_KEPT, StartAgain, StartAgainError};
use crate::error::ApiError;
use crate::outcome::{Abandoned, Clock, Outcome};
use crate::provider::{Clue, Look, Provider};
use crate::request::{Request, Segment, SourceKey};
use crate::seed::{Seed, hex, unhex32};
use crate::snapshot::{
    ResumeError, Saved, SavedAgain, SavedCancel, SavedDelivery, SavedEnd, SavedEnding,
    SavedRequest, SavedSegment, SavedStart, SavedTurn, SavedTurnStage, SavedWait, Snapshot,
};
use crate::target::MAX_TARGET;
use crate::time::Timestamp;
use crate::why::Why;

use super::asks::Asks;
use super::clocks::Clocks;
use super::deliver::{Delivery, Parcel, Stage};
use super::events::{Events, Untold};
use super::intent::{Intent, Unresolved, is_key_old, old_key};
use super::phase::{Phase, Starting};
use super::record::Record;
use super::stream::{Ending, Wait};
use super::{Cancel, Lag, Task, Turn, TurnStage};

/// What a stored counter may have come to: each goes on from there, one by one, for ever.
const MOST_COUNTED: u64 = u64::MAX / 2;

pub(super) fn snapshot<P: Provider>(task: &Task<P>) -> Snapshot {
    let (work_left, human_left) = task.clocks.left_at(task.now);
    let untold = task.events.untold();
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
        work_left,
        human_left,
        human_runs: task.clocks.running() == Clock::Human,
        paused: task.paused,
        lags: task.lag != Lag::None,
        policy: task.policy.clone(),
        seed: hex(&task.seed.0),
        jitter: task.rng.get_seed(),
        revision: task.save.revision,
        events_taken: task.events.taken(),
        events_numbered: task.events.numbered(),
        untold: untold.iter().map(|(_, event)| event.clone()).collect(),
        untold_ids: untold.iter().map(|(id, _)| *id).collect(),
        exchanges: task.exchanges,
        messages: task.messages,
        started_at: task.started,
        position: task.stream.taken,
        wait: task.stream.wait.as_ref().map(|wait| SavedWait {
            question: wait.question.clone(),
            told: wait.told,
            doubtful: wait.doubtful,
        }),
        // What was not taken comes again, this event among it.
        ending: task
            .stream
            .ending
            .as_ref()
            .filter(|ending| ending.event.position <= task.stream.taken)
            .map(|ending| SavedEnding {
                finish: ending.finish.clone(),
                event: ending.event.clone(),
            }),
        status: task.last_status.clone(),
        asks: task.asks.all().cloned().collect(),
        stand_in: task.asks.place(),
        deliveries: task
            .deliveries
            .iter()
            .map(|delivery| SavedDelivery {
                parcel: delivery.parcel.clone(),
                stage: delivery.stage,
                mark: delivery.mark.clone(),
                key: delivery.key.clone(),
            })
            .collect(),
        turn: task.turn.as_ref().map(|turn| SavedTurn {
            text: turn.text.clone(),
            stage: match &turn.stage {
                TurnStage::Baseline => SavedTurnStage::Baseline,
                TurnStage::Sending { no, working } => SavedTurnStage::Sending {
                    no: *no,
                    working: *working,
                },
                TurnStage::Unproven { mark, working } => SavedTurnStage::Unproven {
                    mark: mark.clone(),
                    working: *working,
                },
                TurnStage::Taken => SavedTurnStage::Taken,
                TurnStage::Lost { no, mark, working } => SavedTurnStage::Lost {
                    no: *no,
                    mark: mark.clone(),
                    working: *working,
                },
                TurnStage::Undelivered { why } => SavedTurnStage::Undelivered { why: why.clone() },
            },
        }),
        cancel: match task.cancel {
            Cancel::Idle => SavedCancel::Idle,
            Cancel::Wanted { .. } => SavedCancel::Wanted,
            Cancel::Accepted => SavedCancel::Accepted,
            Cancel::Refused => SavedCancel::Refused,
        },
    })
}

/// The start, until it is known what became of it.
fn save_start<P: Provider>(task: &Task<P>) -> Option<SavedStart> {
    let intent = task.intent.as_ref()?;
    let unresolved = match &task.phase {
        Phase::Starting(starting) => Unresolved::of(starting, None),
        Phase::Ended(_) => task.unresolved.as_deref()?.clone(),
        Phase::Following(_) | Phase::Fetching(_) | Phase::Tracing(_) => return None,
    };
    Some(SavedStart {
        intent: intent.id.clone(),
        digest: unresolved.digest,
        begun_at: Some(intent.begun_at),
        ended_at: unresolved.ended_at,
        clue: intent.clue.clone(),
        request: unresolved.request.as_ref().map(save_request),
    })
}

/// The start, for whoever wants the same again.
fn save_again<P: Provider>(task: &Task<P>) -> Option<SavedAgain> {
    let intent = task.intent.as_ref()?;
    Some(match intent.kept.as_ref()? {
        KeptStart::Request(request) => SavedAgain::Request {
            clue: intent.clue.clone(),
            request: kept_request(request),
        },
        KeptStart::TooLarge(bytes) => SavedAgain::TooLarge { bytes: *bytes },
        KeptStart::FileFromMemory => SavedAgain::FileFromMemory,
        KeptStart::UnnamedFile => SavedAgain::UnnamedFile,
        KeptStart::HoldsKey => SavedAgain::HoldsKey,
    })
}

/// The request with its files by the names that lead to them from anywhere.
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

/// What starts the same again as a stored task was started.
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
        clue: clue_of(saved),
        unresolved: start.filter(|_| saved.task.is_none()).cloned(),
    })
}

fn clue_of(saved: &Saved) -> Option<Clue> {
    match (&saved.start, &saved.again) {
        (Some(start), _) => start.clue.clone(),
        (None, Some(SavedAgain::Request { clue, .. })) => clue.clone(),
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
            why,
            attempts,
            temporary,
        } => SavedEnd::NotStarted {
            why: why.clone(),
            attempts: *attempts,
            temporary: *temporary,
        },
        Outcome::Unknown {
            intent,
            why,
            likely,
        } => SavedEnd::Unknown {
            intent: intent.clone(),
            why: why.clone(),
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
    if saved.v > Saved::version() {
        return Err(ResumeError::Version(saved.v));
    }
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
    // If the clock went back since, no time has passed, and all that is to come is by the new one.
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
        saved.position,
        saved.policy,
        seed,
        now,
    );
    task.origin = saved.origin;
    task.intent = intent;
    task.unresolved = unresolved;
    task.rng = fastrand::Rng::with_seed(saved.jitter);
    task.started = saved.started_at.map(|started| started.min(now));
    task.exchanges = saved.exchanges;
    task.messages = saved.messages;
    let mut ids = saved.untold_ids.into_iter();
    let untold = saved.untold.into_iter().map(|event| Untold {
        id: ids.next(),
        event,
    });
    task.events = Events::after(saved.events_taken, saved.events_numbered, untold);
    if !task.phase.is_ended() {
        task.events.skip_unrecorded();
    }
    task.record = Record::resumed(&task.events);
    task.save.revision = saved.revision;
    task.save.saved = saved.revision;
    if !task.phase.is_ended() {
        // What was resumed is a state of its own, and the snapshot may never have been stored where it is now.
        task.save.need();
    }
    task.last_status = saved.status;
    task.paused = saved.paused;
    task.lag = if saved.lags {
        Lag::Delivered(now)
    } else {
        Lag::None
    };
    task.clocks = Clocks::new(saved.work_left, saved.human_left, saved_at);
    if saved.human_runs {
        task.clocks.run(Clock::Human, saved_at);
    }
    // Open questions are told again: nobody may have heard of them.
    let (open, known): (Vec<_>, Vec<_>) = saved
        .asks
        .into_iter()
        .partition(|ask| matches!(ask.standing, super::Standing::Open));
    task.asks = Asks::restore(known, saved.stand_in);
    for ask in open {
        task.asks.tell(ask, &mut task.events);
    }
    task.deliveries = saved
        .deliveries
        .into_iter()
        .map(|delivery| {
            let mut restored = Delivery::new(delivery.parcel, delivery.key, now);
            restored.mark = delivery.mark;
            restored.stage = match delivery.stage {
                // It may have left after this was stored: read before anything is done.
                Stage::Write => Stage::Reconcile,
                stage => stage,
            };
            if restored.stage == Stage::Reconcile {
                restored.maybe = true;
                restored.trouble = Some("the process ended before the reply came".to_owned());
            }
            restored
        })
        .collect();
    task.turn = saved.turn.map(|turn| load_turn(turn, &mut task, now));
    task.stream.wait = saved.wait.map(|wait| Wait {
        told: wait.told,
        doubtful: wait.doubtful,
        ..Wait::new(wait.question, now)
    });
    task.stream.ending = saved.ending.map(|ending| Ending {
        finish: ending.finish,
        event: ending.event,
        doubted: None,
        tries: 0,
        reply: None,
    });
    task.cancel = match saved.cancel {
        SavedCancel::Idle => Cancel::Idle,
        SavedCancel::Wanted => Cancel::Wanted { tries: 0, due: now },
        SavedCancel::Accepted => Cancel::Accepted,
        SavedCancel::Refused => Cancel::Refused,
    };
    if task.clocks.has_run_out(now) {
        // The watch was over, or is: a question that is open since begins no time of its own.
        task.clocks.stop();
    } else {
        task.mode();
    }
    Ok(task)
}

fn load_turn<P: Provider>(saved: SavedTurn, task: &mut Task<P>, now: Timestamp) -> Turn {
    let stage = match saved.stage {
        SavedTurnStage::Baseline => TurnStage::Baseline,
        SavedTurnStage::Sending { no, working } => TurnStage::Sending { no, working },
        SavedTurnStage::Unproven { mark, working } => TurnStage::Unproven { mark, working },
        SavedTurnStage::Taken => TurnStage::Taken,
        SavedTurnStage::Lost { no, mark, working } if task.phase.is_ended() => {
            TurnStage::Lost { no, mark, working }
        }
        SavedTurnStage::Lost { no, mark, working } => {
            let text = saved.text.clone();
            let mut lost = Delivery::new(Parcel::Message { no, text }, None, now);
            lost.stage = Stage::Reconcile;
            lost.mark = mark;
            lost.maybe = true;
            task.deliveries.push_front(lost);
            TurnStage::Sending { no, working }
        }
        SavedTurnStage::Undelivered { why } => TurnStage::Undelivered { why },
    };
    Turn {
        text: saved.text,
        stage,
    }
}

/// Why the message of a turn was not delivered, when that is known.
fn undelivered(saved: &Saved) -> Option<&str> {
    match saved.turn.as_ref().map(|turn| &turn.stage) {
        Some(SavedTurnStage::Undelivered { why }) => Some(why),
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
                why,
                attempts,
                temporary,
            }),
            _,
        ) => over(Outcome::NotStarted {
            why: why.clone(),
            attempts: *attempts,
            temporary: *temporary,
        }),
        (
            _,
            Some(SavedEnd::Unknown {
                intent,
                why,
                likely,
            }),
            _,
        ) => over(Outcome::Unknown {
            intent: intent.clone(),
            why: why.clone(),
            likely: *likely,
        }),
        (None, Some(SavedEnd::Deadline), _) => over(Outcome::DeadlineExceeded {
            id: None,
            clock: Clock::Work,
            last: None,
            abandoned: Abandoned::LeftRunning,
        }),
        (Some(_), _, _) => match undelivered(saved) {
            Some(why) => over(Outcome::NotStarted {
                why: why.to_owned(),
                attempts: 0,
                temporary: true,
            }),
            None => Ok(Phase::follow(Look::Status, now, Why::Pace)),
        },
        (None, _, Some(start)) => match &start.request {
            Some(_) if is_key_old(start.begun_at.unwrap_or(saved.saved_at), now) => {
                over(Outcome::Unknown {
                    intent: start.intent.clone(),
                    why: old_key(),
                    likely: false,
                })
            }
            Some(request) => Ok(Phase::Starting(Box::new(Starting {
                request: load_request(request)?,
                safety: P::CAPABILITIES.start,
                attempts: 0,
                due: now,
                why: Why::Backoff,
                maybe: true,
                conflicts: 0,
            }))),
            None => over(Outcome::Unknown {
                intent: start.intent.clone(),
                why: "the process ended before the reply to the start came".to_owned(),
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
        clue: clue_of(saved),
        kept,
    }))
}

fn unresolved_of(saved: &Saved) -> Result<Option<Box<Unresolved>>, ResumeError> {
    let Some(start) = saved.start.as_ref().filter(|_| saved.task.is_none()) else {
        return Ok(None);
    };
    Ok(Some(Box::new(Unresolved {
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
