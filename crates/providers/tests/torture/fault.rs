//! What is counted, and what each fault means for it.

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    Reset,
    Timeout,
    Short,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Refused, Self::Reset, Self::Timeout, Self::Short];
}

/// What a driver does for a task. Each may fail in four ways:
///
/// | | refused | reset | timeout | short |
/// |---|---|---|---|---|
/// | save | not stored now, asked again | the process dies before it | it takes 20 s | the process dies after it |
/// | connect | nobody listens | reset | nobody answers | the handshake ends early |
/// | write | the connection was closed before | reset on the way | stands still | let go of on the way |
/// | head | refused after it was received | reset after it was received | no reply | no HTTP |
/// | body | no HTTP any more | reset | stands still | ends early, unnoticed by the wire |
/// | receive | no HTTP any more | reset in the middle | silent from now on | ends in the middle |
/// | close | not closed now, asked again | reset first | it takes 20 s | ends first |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Save,
    Connect,
    Write,
    Head,
    Body,
    Receive,
    Close,
}

/// One operation: what was done, and for a request of which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) endpoint: &'static str,
}

/// Which operations fail, and how. They are counted from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan(pub(crate) Vec<(usize, Fault)>);

impl Plan {
    pub(crate) fn of(&self, number: usize) -> Option<Fault> {
        let planned = self.0.iter().find(|(planned, _)| *planned == number);
        planned.map(|(_, fault)| *fault)
    }

    pub(crate) fn ends_in_a_timeout(&self) -> bool {
        self.0
            .last()
            .is_some_and(|(_, fault)| *fault == Fault::Timeout)
    }
}
