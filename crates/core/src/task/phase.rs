//! The phase region: where a task is between its start and its end. Every change of the phase goes through
//! [`Phase::step`], whose moves are the edges that are drawn.

use std::sync::Arc;

use crate::event::{Event, Status};
use crate::id::TaskId;
use crate::outcome::{NotStartedReason, Outcome, TaskFailure};
use crate::policy::Policy;
use crate::provider::{CreatedTask, PollResult, Provider};
use crate::snapshot::{SavedFinishing, SavedTerminal, Since};
use crate::time::Timestamp;

use super::follow::{Cx, Follow};
use super::intent::UnresolvedStart;
use super::starting::Starting;
use super::stream::{Interruption, Stream};
use super::writes::Writes;

/// The phases and the transitions between them, as drawn in ARCHITECTURE.md.
pub(super) const EDGES: &[(&str, &str, &str)] = &[
    (
        "Starting",
        "a reply or an event with an id, or the task found",
        "Following",
    ),
    (
        "Starting",
        "answered at once, refused, not started, unknown, deadline",
        "Ended",
    ),
    ("Following", "completed", "Fetching"),
    ("Following", "failed or stopped", "Tracing"),
    (
        "Following",
        "answer seen, failed or stopped without a trail, access lost, gone, deadline",
        "Ended",
    ),
    ("Fetching", "answer read, or given up", "Ended"),
    ("Tracing", "trail read, or given up", "Ended"),
];

/// The phase of a task. What can exist in one phase only lives in that phase's variant.
#[derive(Debug)]
pub(super) enum Phase<P: Provider> {
    /// The id is not known yet.
    Starting(Box<Starting<P>>),
    /// The id is known, and the task is running.
    Following(Box<Follow<P>>),
    /// The task is over, and its last words are being read.
    Finishing(Box<Finishing<P>>),
    /// The task is over.
    Ended(Box<Ended<P>>),
}

/// A task that is over, whose last words are being read.
#[derive(Debug)]
pub(super) struct Finishing<P: Provider> {
    pub(super) follow: Box<Follow<P>>,
    pub(super) read: LastRead,
}

/// What is read of a task that is over.
#[derive(Debug)]
pub(super) enum LastRead {
    /// The task completed, and its answer is being read.
    Fetching(Fetching),
    /// The task failed or was stopped, and its steps are being read.
    Tracing(Tracing),
}

/// The stored form.
impl LastRead {
    pub(super) fn stored(&self) -> SavedFinishing {
        match self {
            Self::Fetching(Fetching { since, due, tries }) => SavedFinishing::Fetching {
                since: *since,
                due: *due,
                tries: *tries,
            },
            Self::Tracing(Tracing {
                terminal,
                due,
                tries,
            }) => SavedFinishing::Tracing {
                terminal: match terminal.clone() {
                    Terminal::Failed(failure) => SavedTerminal::Failed(failure),
                    Terminal::Stopped(failure) => SavedTerminal::Stopped(failure),
                },
                due: *due,
                tries: *tries,
            },
        }
    }

    pub(super) fn restore(saved: SavedFinishing, time: &Since) -> Self {
        match saved {
            SavedFinishing::Fetching { since, due, tries } => Self::Fetching(Fetching {
                since: time.past(since),
                due: time.due(due),
                tries,
            }),
            SavedFinishing::Tracing {
                terminal,
                due,
                tries,
            } => Self::Tracing(Tracing {
                terminal: match terminal {
                    SavedTerminal::Failed(failure) => Terminal::Failed(failure),
                    SavedTerminal::Stopped(failure) => Terminal::Stopped(failure),
                },
                due: time.due(due),
                tries,
            }),
        }
    }
}

/// A task that is over, or whose following is.
#[derive(Debug)]
pub(super) struct Ended<P: Provider> {
    pub(super) outcome: Outcome<P::Output>,
    pub(super) last: Last<P>,
}

/// What was known at the end; it is stored, so that the task can be taken up again.
#[derive(Debug)]
pub(super) enum Last<P: Provider> {
    /// The id never became known.
    Start {
        /// The start request, if its outcome is unknown.
        unresolved: Option<Box<UnresolvedStart>>,
        writes: Writes,
        /// The stream that the start request opened: the driver may still hold it.
        stream: Box<Stream>,
    },
    Task(Box<Follow<P>>),
}

/// What moves a task to another phase, or does not.
#[must_use]
#[derive(Debug)]
pub(super) enum Move<O> {
    /// The task stays in its phase.
    Stay,
    /// The server created the task, and perhaps said what a read of it would.
    Follow(CreatedTask, Option<Box<PollResult<O>>>),
    /// The task completed: its answer is read.
    Fetch,
    /// The task failed or was stopped: its steps are read.
    Trace(Terminal),
    /// The task's following is over.
    End(Outcome<O>),
}

impl<O> Move<O> {
    /// Returns this move, or the next one if this one stays.
    pub(super) fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Stay => next(),
            moved => moved,
        }
    }

    pub(super) fn is_stay(&self) -> bool {
        matches!(self, Self::Stay)
    }
}

#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) since: Timestamp,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
}

#[derive(Debug)]
pub(super) struct Tracing {
    pub(super) terminal: Terminal,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
}

/// A certain end other than success.
#[derive(Debug, Clone)]
pub(super) enum Terminal {
    Failed(TaskFailure),
    Stopped(TaskFailure),
}

impl Terminal {
    /// Changes the failure of this end.
    pub(super) fn map(self, change: impl FnOnce(TaskFailure) -> TaskFailure) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(change(failure)),
            Self::Stopped(failure) => Self::Stopped(change(failure)),
        }
    }

    pub(super) fn status(&self) -> &Status {
        let (Self::Failed(failure) | Self::Stopped(failure)) = self;
        &failure.status
    }

    /// Adds the steps that `read` contains; steps of a different end are ignored in favour of the status.
    pub(super) fn with_steps_of(self, read: Self) -> Self {
        match (self, read) {
            (Self::Failed(_), Self::Failed(failure)) => Self::Failed(failure),
            (Self::Stopped(_), Self::Stopped(failure)) => Self::Stopped(failure),
            (known, _) => known,
        }
    }
}

impl<P: Provider> Phase<P> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting(_) => "Starting",
            Self::Following(_) => "Following",
            Self::Finishing(finish) => match finish.read {
                LastRead::Fetching(_) => "Fetching",
                LastRead::Tracing(_) => "Tracing",
            },
            Self::Ended(_) => "Ended",
        }
    }

    /// Makes a move, at `now`. Every change of the phase goes through here; a move that no edge allows changes nothing.
    pub(super) fn step(self, next: Move<P::Output>, policy: &Policy, now: Timestamp) -> Self {
        let (from, stays) = (self.name(), next.is_stay());
        let finishing = |follow, read| Self::Finishing(Box::new(Finishing { follow, read }));
        let ended = |outcome, last| Self::Ended(Box::new(Ended { outcome, last }));
        let to = match (self, next) {
            (Self::Starting(starting), Move::Follow(created, _)) => {
                let mut follow = Follow::new(created.id, None, policy, now);
                if starting.stream.held_exchange().is_some() {
                    follow.stream = starting.stream.into();
                    follow.stream.interruption = Interruption::Joined;
                } else if !starting.stream.recent.is_empty() {
                    follow.stream.recent = starting.stream.recent;
                }
                follow.created_at = Some(now);
                follow.status = created.status;
                follow.writes = starting.writes;
                Self::Following(Box::new(follow))
            }
            (Self::Starting(starting), Move::End(outcome)) => {
                // Only an unknown outcome leaves a task to be searched for, or a start to be sent again.
                let unresolved = matches!(outcome, Outcome::Unknown { .. })
                    .then(|| Box::new(starting.unresolved(Some(now))));
                let last = Last::Start {
                    unresolved,
                    writes: starting.writes,
                    stream: Box::new(starting.stream),
                };
                ended(outcome, last)
            }
            (Self::Following(follow), Move::Fetch) => {
                let fetching = Fetching {
                    since: now,
                    due: now,
                    tries: 0,
                };
                finishing(follow, LastRead::Fetching(fetching))
            }
            (Self::Following(follow), Move::Trace(terminal)) => {
                let tracing = Tracing {
                    terminal,
                    due: now,
                    tries: 0,
                };
                finishing(follow, LastRead::Tracing(tracing))
            }
            (Self::Following(follow), Move::End(outcome)) => ended(outcome, Last::Task(follow)),
            (Self::Finishing(finish), Move::End(outcome)) => {
                ended(outcome, Last::Task(finish.follow))
            }
            (phase, _) => phase,
        };
        debug_assert!(
            stays
                || EDGES
                    .iter()
                    .any(|edge| (edge.0, edge.2) == (from, to.name())),
            "{from} to {} is not drawn",
            to.name()
        );
        to
    }

    /// Returns what stands in the place of the phase while it moves; nobody else sees it.
    pub(super) fn moving() -> Self {
        let outcome = Outcome::NotStarted {
            reason: NotStartedReason::Cancelled,
            attempts: 0,
            temporary: false,
        };
        let last = Last::Start {
            unresolved: None,
            writes: Writes::default(),
            stream: Box::new(Stream::unopened()),
        };
        Self::Ended(Box::new(Ended { outcome, last }))
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    /// Returns what is known of the task, once it has an id.
    pub(super) fn task(&self) -> Option<&Follow<P>> {
        match self {
            Self::Following(follow) => Some(follow),
            Self::Finishing(finish) => Some(&finish.follow),
            Self::Ended(ended) => match &ended.last {
                Last::Task(follow) => Some(follow),
                Last::Start { .. } => None,
            },
            Self::Starting(_) => None,
        }
    }

    /// Returns the stream: of the task, or of a start that opens one. It never opens where the provider has none.
    pub(super) fn stream(&self) -> &Stream {
        match self {
            Self::Starting(starting) => &starting.stream,
            Self::Following(follow) => &follow.stream,
            Self::Finishing(finish) => &finish.follow.stream,
            Self::Ended(ended) => match &ended.last {
                Last::Start { stream, .. } => stream,
                Last::Task(follow) => &follow.stream,
            },
        }
    }

    /// Returns the stream: of the task, or of a start that opens one. `None` if nothing has happened in it.
    pub(super) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let region = match self {
            Self::Starting(starting) => return Some(&mut starting.stream),
            Self::Following(follow) => &mut follow.stream,
            Self::Finishing(finish) => &mut finish.follow.stream,
            Self::Ended(ended) => match &mut ended.last {
                Last::Start { stream, .. } => return Some(stream),
                Last::Task(follow) => &mut follow.stream,
            },
        };
        region.used()
    }

    /// Notes that the driver has taken an event.
    pub(super) fn taken(&mut self, event: Arc<Event>) {
        match self {
            Self::Starting(starting) => starting.stream.taken(event),
            Self::Following(follow) => follow.stream.taken(event),
            Self::Finishing(finish) => finish.follow.stream.taken(event),
            Self::Ended(ended) => match &mut ended.last {
                Last::Start { stream, .. } => stream.taken(event),
                Last::Task(follow) => follow.stream.taken(event),
            },
        }
    }

    /// Reports what became of each pending write; this may end a turn.
    pub(super) fn drop_writes(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        match self {
            Self::Starting(starting) => {
                starting.drop_writes(cx);
                Move::Stay
            }
            Self::Following(follow) => follow.drop_writes(cx),
            Self::Finishing(_) | Self::Ended(_) => Move::Stay,
        }
    }

    /// Runs the clock of whoever the task waits for.
    pub(super) fn update_clock(&self, cx: &mut Cx<'_, P>) {
        if let Some(follow) = self.task() {
            follow.update_clock(cx);
        }
    }

    pub(super) fn id(&self) -> Option<&TaskId> {
        self.task().map(|follow| &follow.id)
    }

    /// Returns the writes that are pending.
    pub(super) fn writes(&self) -> &Writes {
        match self {
            Self::Starting(starting) => &starting.writes,
            Self::Following(follow) => &follow.writes,
            Self::Finishing(finish) => &finish.follow.writes,
            Self::Ended(ended) => match &ended.last {
                Last::Start { writes, .. } => writes,
                Last::Task(follow) => &follow.writes,
            },
        }
    }
}

/// How often the client tries to read the steps, which it does on a best-effort basis.
pub(super) const STEPS_READS: u32 = 2;
