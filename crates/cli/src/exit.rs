//! Exit codes, by meaning: what `taskward help exit-codes` prints.

macro_rules! exits {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// How the program ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum Exit {
            $(#[doc = $meaning] $name = $code,)*
        }

        impl Exit {
            /// Every exit code, in order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Says what it means, for the help page.
            pub(crate) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }

            /// Returns the number.
            pub(crate) fn code(self) -> u8 {
                self as u8
            }
        }
    };
}

exits! {
    Ok = 0, "the task ended well, or the command did what was asked";
    Other = 1, "anything not listed here: the server rejected a request, a protocol error, a bug";
    Usage = 2, "usage, configuration or input; nothing was sent";
    TaskBad = 3, "the task ended badly: it failed, was stopped, rejected or cancelled, went over a limit, or was not answered in the platform's time (cancel: it had failed)";
    Auth = 4, "authentication failed: API key missing, rejected or without permission";
    Unknown = 5, "outcome unknown: a task or a reply may exist; the text says how to find out";
    Findings = 6, "doctor: something is wrong, or different from what is assumed";
    Pending = 8, "still pending: running, queued, stalled, waiting for an answer or a review";
    TryLater = 75, "temporary: network, 429 or 5xx after the retries; nothing was changed, try later";
    Timeout = 124, "--timeout or --answer-timeout reached; the task keeps running";
    NotExecutable = 126, "sim: the command behind -- is there and cannot be run";
    NotFound = 127, "sim: there is no command of the name behind --";
    Interrupted = 130, "Ctrl-C; detached, the task keeps running";
    ReaderGone = 141, "output pipe closed";
    Terminated = 143, "SIGTERM or SIGHUP; detached, the task keeps running";
}

/// How the process ends: as this program means it, or as the command ended that it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a code of our own.
    As(Exit),
    /// With the code of the command behind `sim --`.
    AsCommand(i32),
}

impl Ended {
    /// Returns the number.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::As(exit) => exit.code().into(),
            Self::AsCommand(code) => code,
        }
    }
}
