//! Every `code` of the JSON lines, once: what it means and which exit codes it comes with.

use crate::exit::Exit;
use taskward::Outcome;

macro_rules! codes {
    ($($name:ident = $word:literal, [$($exit:ident),*], $meaning:literal;)*) => {
        /// The name of an error, of an outcome or of a note, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in the order of the help page.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns its name in `code`.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Says what it means, for the help pages.
            pub(crate) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }

            /// Returns the exit codes that it comes with; none for a note, which ends nothing.
            pub(crate) fn exits(self) -> &'static [Exit] {
                match self {
                    $(Self::$name => &[$(Exit::$exit),*],)*
                }
            }
        }
    };
}

// A code that is not here does not compile: errors, outcomes and notes are made of `Code` alone.
codes! {
    Usage = "usage", [Usage], "the command line is wrong";
    Input = "input", [Usage], "a value that was given cannot be used";
    Config = "config", [Usage], "the key, the server or another setting cannot be used";
    Unsupported = "unsupported", [Usage], "the platform has no such call";
    Declined = "declined", [Usage], "the prompt was answered with no";
    TaskEnded = "task_ended", [Usage], "the task has ended; only send --continue starts another turn";
    NoKey = "no_key", [Auth], "there is no API key";
    Auth = "auth", [Auth], "the API key was rejected or has no permission";
    AccessLost = "access_lost", [Auth], "the API key stopped working while the task was followed";
    Api = "api", [Other], "the server rejected the request";
    Refused = "refused", [Other, Auth], "the server rejected the start, the message or the answer";
    Gone = "gone", [Other], "the server does not know the task";
    Protocol = "protocol", [Other], "what answered is not the platform's API";
    Decode = "decode", [Other], "the reply cannot be read";
    AlreadyAnswered = "already_answered", [Other], "the question was answered from here before";
    AnsweredElsewhere = "answered_elsewhere", [Other], "the question is not open any more";
    NotWaiting = "not_waiting", [Other], "the task does not wait for an answer";
    NoAnswer = "no_answer", [Other], "the result has no such part";
    Claimed = "claimed", [Other], "another process works on the same start";
    Journal = "journal", [Other], "the journal of this machine cannot be used";
    NotStarted = "not_started", [Other, TryLater], "the task was not started";
    NotSent = "not_sent", [Other, TryLater], "nothing was sent";
    Local = "local", [Other], "something failed on this machine";
    Output = "output", [Other], "stdout or a file cannot be written";
    Internal = "internal", [Other], "a bug in taskward";
    TaskFailed = "task_failed", [TaskBad], "the task failed";
    TaskStopped = "task_stopped", [TaskBad], "the task was stopped or cancelled";
    OutcomeUnknown = "outcome_unknown", [Unknown], "a write may or may not have been applied";
    Findings = "findings", [Findings], "doctor found something wrong, or different from what is assumed";
    Waiting = "waiting", [Pending], "the task waits for an answer or a review";
    Pending = "pending", [Pending], "the task has not ended yet";
    QuestionNotShown = "question_not_shown", [Pending], "the open question was never shown on this machine";
    RateLimited = "rate_limited", [TryLater], "the server limits the rate of requests";
    Transport = "transport", [TryLater], "the server cannot be reached, or failed";
    ResultUnavailable = "result_unavailable", [TryLater], "the task completed; its result cannot be read yet";
    NotCancelled = "not_cancelled", [TryLater], "the request to stop the task did not get through";
    Deadline = "deadline", [Timeout], "--timeout or --answer-timeout was reached";
    Interrupted = "interrupted", [Interrupted, Terminated], "Ctrl-C or a signal";
    CommandNotRun = "command_not_run", [NotExecutable], "the command behind sim -- cannot be run";
    CommandNotFound = "command_not_found", [NotFound], "there is no command of the name behind sim --";
    OutputClosed = "output_closed", [ReaderGone], "the output pipe was closed";
    Watching = "watching", [], "an existing task is followed";
    StartingAgain = "starting_again", [], "a new task is about to be started: like (the task it repeats)";
    Retrying = "retrying", [], "a request failed and is repeated: attempt, reason, why, wait_ms";
    OnQuestion = "on_question", [], "a line of stderr of the --on-question command: question_id, text";
    QuestionIdentified = "question_identified", [], "more is known of a question that was opened: question";
    InReview = "in_review", [], "the task waits for a review in the platform's dashboard: status";
    Cancelling = "cancelling", [], "the task was asked to stop";
    CancelRejected = "cancel_rejected", [], "the server rejected the request to stop: detail";
    EventChanged = "event_changed", [], "an event came again with other content, and the first stands: seq";
    PossibleGap = "possible_gap", [], "the stream was reopened; what happened in between may not be told";
    NoProgress = "no_progress", [], "the status has not changed for long, by the server's own clock: since, seconds";
    EndUnconfirmed = "end_unconfirmed", [], "an event says that the task ended, and its status does not: event, status";
    EntriesUnreadable = "entries_unreadable", [], "entries of a list could not be read: entries, message";
    Other = "other", [], "something that this version has no name for";
}

impl Code {
    /// Returns the code of an outcome that is not a success.
    pub(crate) fn of_outcome<T>(outcome: &Outcome<T>) -> Self {
        match outcome {
            Outcome::ResultUnavailable { .. } => Self::ResultUnavailable,
            Outcome::Failed { .. } => Self::TaskFailed,
            Outcome::Stopped { .. } => Self::TaskStopped,
            Outcome::Refused(_) => Self::Refused,
            Outcome::NotStarted { .. } => Self::NotStarted,
            Outcome::Unknown { .. } => Self::OutcomeUnknown,
            Outcome::AccessLost { .. } => Self::AccessLost,
            Outcome::Gone { .. } => Self::Gone,
            Outcome::DeadlineExceeded { .. } => Self::Deadline,
            Outcome::Interrupted { .. } => Self::Interrupted,
            _ => Self::Local,
        }
    }
}

/// Lays out the page of the exit codes.
pub(crate) fn exit_page() -> String {
    let mut out = String::from("Exit codes, by meaning:\n\n");
    for exit in Exit::ALL {
        out += &crate::wrap::entry(&exit.code().to_string(), 5, exit.meaning());
    }
    out +=
        "\nWith --json the last line repeats the number in \"exit\" and says more in \"code\":\n\n";
    out += &by_exit();
    out += "\ntaskward help json says what each code means.\n";
    out
}

/// Lists the codes that a program ends with, under their exit codes.
fn by_exit() -> String {
    let mut out = String::new();
    for exit in Exit::ALL {
        let codes: Vec<&str> = Code::ALL
            .iter()
            .filter(|code| code.exits().contains(exit))
            .map(|code| code.as_str())
            .collect();
        if !codes.is_empty() {
            out += &crate::wrap::entry(&exit.code().to_string(), 5, &codes.join(", "));
        }
    }
    out
}

/// Describes each code: those of errors and outcomes, or those of notes.
pub(crate) fn described(of_notes: bool) -> String {
    let mut out = String::new();
    for code in Code::ALL {
        if code.exits().is_empty() == of_notes {
            out += &crate::wrap::entry(code.as_str(), 21, code.meaning());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_in_the_help() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let pages = described(false) + &described(true);
        for name in &names {
            let is_there = pages.lines().any(|line| {
                line.strip_prefix("  ")
                    .is_some_and(|line| line.split(' ').next() == Some(name))
            });
            assert!(is_there, "{name} in {pages}");
        }
        let exits = by_exit();
        for code in Code::ALL {
            let places = exits.matches(code.as_str()).count();
            assert!(places >= code.exits().len(), "{code:?} in {exits}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
