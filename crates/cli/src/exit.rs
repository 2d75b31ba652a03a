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
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// The topic page.
pub(crate) const HELP: &str = "\
Exit codes, by meaning:

  0    the task ended well, or the command did what was asked
  1    anything not listed here: a refusal by the server, a protocol error, a bug
  2    usage, configuration or input; nothing was sent
  3    the task ended badly: it failed, was stopped, rejected or cancelled, went over a limit, or nobody answered it in
       the platform's time (cancel: it had failed)
  4    the API key is missing, was refused, or is not allowed to
  5    outcome unknown: a task or a reply may exist; the text says how to find out
  8    still pending: running, queued, stalled, waiting for an answer or a review
  75   temporary: network, 429 or 5xx after the retries; nothing was changed, try later
  124  --timeout or --answer-timeout reached; the task goes on
  130  Ctrl-C; detached, the task goes on (143: SIGTERM or SIGHUP)
  141  the reader of the output went away

With --json the last line repeats the number in \"exit\" and its name in \"code\".
";
