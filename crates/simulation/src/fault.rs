//! What may go wrong, and how often.

use std::fmt;

/// Makes the enum of all faults and their names from one table.
macro_rules! fault_events {
    ($( $(#[$about:meta])* $event:ident: $name:literal, )*) => {
        /// One thing that can go wrong, or that somebody else can do, at a step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FaultEvent {
            $( $(#[$about])* $event, )*
        }

        impl FaultEvent {
            /// Every one there is.
            pub const ALL: [Self; [$( $name, )*].len()] = [$( Self::$event, )*];

            /// Returns its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$event => $name, )*
                }
            }
        }
    };
}

fault_events! {
    /// A request is lost before any of it is sent.
    DropBeforeSend: "drop before send",
    /// A request is sent and never arrives.
    DropAfterSend: "drop after send",
    /// A request is sent, its sender gives up, and it arrives anyway.
    ArriveLate: "arrive late",
    /// A request is served and its reply lost.
    DropReply: "drop reply",
    /// A reply breaks off in its head.
    CutHead: "cut head",
    /// A reply breaks off at any byte of its body; the wire may not notice.
    CutBody: "cut body",
    /// A report is handed over twice, the second time later.
    Duplicate: "duplicate",
    /// A reply, or what a stream has to say, takes long.
    Delay: "delay",
    /// What a stream says later is handed over before a reply.
    Reorder: "reorder",
    /// A read is answered as it was before.
    StaleRead: "stale read",
    /// The server or something before it refuses for a while.
    StatusStorm: "status storm",
    /// A stream breaks at any byte.
    CutStream: "cut stream",
    /// A stream ends at any byte as if it were over.
    EndStream: "end stream",
    /// The machine sleeps, or its clock is set while no process runs.
    ClockJump: "clock jump",
    /// The process is killed, and another resumes from what was durable.
    Kill: "kill",
    /// The process hands its task over as it is, durable or not.
    HandOver: "hand over",
    /// Another client answers the question.
    SecondClient: "second client",
    /// A human answers in the dashboard, or stops the task there.
    Dashboard: "dashboard",
    /// The disk refuses what is to be stored.
    FailedSave: "failed save",
    /// A question is edited in place, or another is asked behind it.
    Reword: "reword",
    /// A reply is about another task.
    Foreign: "foreign reply",
    /// An entry of a list cannot be read.
    BadEntry: "bad entry",
}

impl FaultEvent {
    /// Returns how much rarer it is than a lost request: it may strike at each step rather than at each request.
    fn rarity(self) -> u32 {
        match self {
            Self::SecondClient | Self::HandOver => 4,
            Self::Kill | Self::ClockJump | Self::StatusStorm => 6,
            Self::Dashboard => 8,
            _ => 1,
        }
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
        self.one_in[fault as usize] = (one_in > 0).then_some(one_in);
        self
    }

    pub(super) fn one_in(&self, fault: FaultEvent) -> Option<u32> {
        self.one_in[fault as usize]
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
