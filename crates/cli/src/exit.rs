//! Exit codes, by meaning: what `taskward help exit-codes` prints.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The task ended well, or the command did what was asked.
    Ok = 0,
    /// Anything that has no code of its own.
    Other = 1,
    /// Usage, configuration or input; nothing was sent.
    Usage = 2,
    /// The task ended badly.
    TaskBad = 3,
    /// The key is missing, refused, or not allowed to.
    Auth = 4,
    /// A task or a reply may exist.
    Unknown = 5,
    /// The task goes on and nobody here can help it.
    Pending = 8,
    /// The network, a rate limit or the server, until the budget was spent; nothing was changed.
    TryLater = 75,
    /// A deadline passed; the task goes on.
    Timeout = 124,
    /// Ctrl-C.
    Interrupted = 130,
    /// Whoever read our output went away.
    ReaderGone = 141,
    /// SIGTERM or SIGHUP.
    Terminated = 143,
}

impl Exit {
    /// Every exit code, in order.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Other,
        Self::Usage,
        Self::TaskBad,
        Self::Auth,
        Self::Unknown,
        Self::Pending,
        Self::TryLater,
        Self::Timeout,
        Self::Interrupted,
        Self::ReaderGone,
        Self::Terminated,
    ];

    /// Says what it means, for the help page.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "the task ended well, or the command did what was asked",
            Self::Other => {
                "anything not listed here: the server rejected a request, a protocol error, a bug"
            }
            Self::Usage => "usage, configuration or input; nothing was sent",
            Self::TaskBad => {
                "the task ended badly: it failed, was stopped, rejected or cancelled, went over a limit, or was not answered in the platform's time (cancel: it had failed)"
            }
            Self::Auth => "authentication failed: API key missing, rejected or without permission",
            Self::Unknown => {
                "outcome unknown: a task or a reply may exist; the text says how to find out"
            }
            Self::Pending => {
                "still pending: running, queued, stalled, waiting for an answer or a review"
            }
            Self::TryLater => {
                "temporary: network, 429 or 5xx after the retries; nothing was changed, try later"
            }
            Self::Timeout => "--timeout or --answer-timeout reached; the task keeps running",
            Self::Interrupted => "Ctrl-C; detached, the task keeps running",
            Self::ReaderGone => "output pipe closed",
            Self::Terminated => "SIGTERM or SIGHUP; detached, the task keeps running",
        }
    }

    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}
