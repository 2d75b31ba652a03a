//! What may go wrong, and how often.

use std::fmt;

/// One thing that can go wrong, or that somebody else can do, at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultEvent {
    /// A request is lost before any of it is sent.
    DropBeforeSend,
    /// A request is sent and never arrives.
    DropAfterSend,
    /// A request is sent, its sender gives up, and it arrives anyway.
    ArriveLate,
    /// A request is served and its reply lost.
    DropReply,
    /// A reply breaks off in its head.
    CutHead,
    /// A reply breaks off at any byte of its body; the wire may not notice.
    CutBody,
    /// A report is handed over twice, the second time later.
    Duplicate,
    /// A reply, or what a stream has to say, takes long.
    Delay,
    /// What a stream says later is handed over before a reply.
    Reorder,
    /// A read is answered as it was before.
    StaleRead,
    /// The server or something before it refuses for a while.
    StatusStorm,
    /// A stream breaks at any byte.
    CutStream,
    /// A stream ends at any byte as if it were over.
    EndStream,
    /// The machine sleeps, or its clock is set while no process runs.
    ClockJump,
    /// The process is killed, and another resumes from what was durable.
    Kill,
    /// The process hands its task over as it is, durable or not.
    HandOver,
    /// Another client answers the question.
    SecondClient,
    /// A human answers in the dashboard, or stops the task there.
    Dashboard,
    /// The disk refuses what is to be stored.
    FailedSave,
    /// A question is edited in place, or another is asked behind it.
    Reword,
    /// A reply is about another task.
    Foreign,
    /// An entry of a list cannot be read.
    BadEntry,
}

impl FaultEvent {
    /// Every one there is.
    pub const ALL: [Self; 22] = [
        Self::DropBeforeSend,
        Self::DropAfterSend,
        Self::ArriveLate,
        Self::DropReply,
        Self::CutHead,
        Self::CutBody,
        Self::Duplicate,
        Self::Delay,
        Self::Reorder,
        Self::StaleRead,
        Self::StatusStorm,
        Self::CutStream,
        Self::EndStream,
        Self::ClockJump,
        Self::Kill,
        Self::HandOver,
        Self::SecondClient,
        Self::Dashboard,
        Self::FailedSave,
        Self::Reword,
        Self::Foreign,
        Self::BadEntry,
    ];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DropBeforeSend => "drop before send",
            Self::DropAfterSend => "drop after send",
            Self::ArriveLate => "arrive late",
            Self::DropReply => "drop reply",
            Self::CutHead => "cut head",
            Self::CutBody => "cut body",
            Self::Duplicate => "duplicate",
            Self::Delay => "delay",
            Self::Reorder => "reorder",
            Self::StaleRead => "stale read",
            Self::StatusStorm => "status storm",
            Self::CutStream => "cut stream",
            Self::EndStream => "end stream",
            Self::ClockJump => "clock jump",
            Self::Kill => "kill",
            Self::HandOver => "hand over",
            Self::SecondClient => "second client",
            Self::Dashboard => "dashboard",
            Self::FailedSave => "failed save",
            Self::Reword => "reword",
            Self::Foreign => "foreign reply",
            Self::BadEntry => "bad entry",
        }
    }

    /// Returns how much rarer it is than a lost request: it may strike at each step rather than at each request.
    fn rarity(self) -> u32 {
        match self {
            Self::SecondClient | Self::HandOver => 4,
            Self::Kill | Self::ClockJump | Self::StatusStorm => 6,
            Self::Dashboard => 8,
            _ => 1,
        }
    }

    fn place(self) -> usize {
        Self::ALL
            .iter()
            .position(|one| *one == self)
            .unwrap_or_default()
    }
}

impl fmt::Display for FaultEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Of so many kinds of faults, a seed takes two, four, or eight on average. This number stays, so that a seed stays what it is.
const SPREAD: usize = 18;

/// How often each fault strikes: once in so many chances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    one_in: [Option<u32>; FaultEvent::ALL.len()],
}

impl FaultPlan {
    /// Injects no fault.
    #[must_use]
    pub fn none() -> Self {
        Self {
            one_in: [None; FaultEvent::ALL.len()],
        }
    }

    /// Injects some kinds of faults, often or rarely, as the seed has it: few at a time find more than all at once.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x6d69_7368_6170_7321);
        let mut faults = Self::none();
        let kinds = [2, 4, 8][chance.below(3)];
        let often = [6, 15, 40][chance.below(3)];
        for fault in FaultEvent::ALL {
            if chance.below(SPREAD) < kinds {
                faults = faults.with(fault, often * fault.rarity());
            }
        }
        faults
    }

    /// Sets this fault to strike once in so many chances; 0 is never.
    #[must_use]
    pub fn with(mut self, fault: FaultEvent, one_in: u32) -> Self {
        self.one_in[fault.place()] = (one_in > 0).then_some(one_in);
        self
    }

    pub(super) fn one_in(&self, fault: FaultEvent) -> Option<u32> {
        self.one_in[fault.place()]
    }
}

/// How often each fault struck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Struck([u64; FaultEvent::ALL.len()]);

impl Struck {
    /// Returns how often this one did.
    #[must_use]
    pub fn of(&self, fault: FaultEvent) -> u64 {
        self.0[fault.place()]
    }

    pub(super) fn count(&mut self, fault: FaultEvent) {
        self.0[fault.place()] += 1;
    }

    /// Adds what struck elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// Everything random of a run.
pub(super) struct Chance(fastrand::Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Returns a number below `end`; 0 when there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end.max(1))
    }

    /// One of these.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Milliseconds in this range, its end included.
    pub(super) fn millis(&mut self, from: u64, to: u64) -> u64 {
        self.0.u64(from..=to)
    }

    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.0.u32(..times.max(1)) == 0
    }

    pub(super) fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes);
        bytes
    }
}
