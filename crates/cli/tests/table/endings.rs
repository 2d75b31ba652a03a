//! The ends of a task, and those of a watch that is left.

use taskward::core::{
    CancelFailure, Cause, FailedAttempt, IntentId, MessageNo, NotStartedReason, TimeLimit,
    Timestamp, UnavailableReason, UnknownReason,
};
use taskward::event::{RetryReason, Status};
use taskward::outcome::{CancelResult, DetachReason, StoppedBy, TaskFailure};
use taskward::question::{Answered, QuestionKind, WithdrawReason};
use taskward::{Error, ErrorKind, Event, Outcome, TaskId};

use super::{TASK, Table, question, refusal};
use crate::calls::Calls;
use crate::codes::Code;
use crate::error::CliError;
use crate::exit::Exit;
use crate::exit_report::End;
use crate::keys;
use crate::sent::{StartKind, Undelivered};

/// The attempt to which the server answered 503.
fn unavailable() -> FailedAttempt {
    let detail = "the server answered 503 Service Unavailable";
    FailedAttempt::new(RetryReason::Status(503), detail)
}

impl<P: Calls> Table<P> {
    pub(super) fn outcomes(&mut self) {
        let id = || TaskId::new(TASK);
        let fault = |status: &'static str| TaskFailure::new(Status::known(status));
        let told = |status| {
            fault(status).with_reason(
                Some("SOME_REASON".into()),
                Some("The ledger refused.".into()),
            )
        };
        self.outcome(
            "read later",
            Outcome::ResultUnavailable {
                id: id(),
                reason: UnavailableReason::Attempt(unavailable()),
            },
        );
        self.outcome(
            "with a reason",
            Outcome::Failed {
                id: id(),
                failure: told("failed"),
            },
        );
        self.outcome(
            "without one",
            Outcome::Failed {
                id: id(),
                failure: fault("failed"),
            },
        );
        for (name, by) in [
            ("by us", StoppedBy::Us),
            ("unanswered", StoppedBy::Unanswered),
            ("by others", StoppedBy::Other),
        ] {
            self.outcome(
                name,
                Outcome::Stopped {
                    id: id(),
                    by,
                    failure: told("stopped"),
                },
            );
        }
        for status in [400, 401, 403, 404, 409, 422] {
            self.outcome(
                &status.to_string(),
                Outcome::Refused(refusal(status, "the server's own words")),
            );
        }
        let message = StartKind::Message(self.connection.task(&id()));
        let refused = Outcome::Refused(refusal(409, "it is over"));
        self.outcome_of("409 of a message", &message, self.reporter(), refused);
        let hostile = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{202e}\r\nand a second line";
        self.outcome("hostile words", Outcome::Refused(refusal(400, hostile)));
        for (name, temporary) in [("for now", true), ("for good", false)] {
            let refused = FailedAttempt::new(
                RetryReason::Wire(Cause::Refused),
                "cannot connect to h.example:443 (connection refused)",
            );
            self.outcome(
                name,
                Outcome::NotStarted {
                    reason: NotStartedReason::Attempt(refused),
                    attempts: 5,
                    temporary,
                },
            );
        }
        let unknown = |likely| Outcome::Unknown {
            intent: IntentId::new("7f3a"),
            reason: UnknownReason::Attempt(FailedAttempt::new(
                RetryReason::Wire(Cause::Reset),
                "the connection was reset after the request had been sent",
            )),
            likely,
        };
        self.outcome("perhaps", unknown(false));
        self.outcome("probably", unknown(true));
        self.outcome_of("a message", &message, self.reporter(), unknown(false));
        self.outcome_of("again", &StartKind::Again, self.reporter(), unknown(false));
        self.outcome_of(
            "of a watch",
            &StartKind::Watch,
            self.reporter(),
            unknown(false),
        );
        for status in [401, 403] {
            let error = refusal(status, "the server's own words");
            self.outcome(&status.to_string(), Outcome::AccessLost { id: id(), error });
        }
        let error = refusal(404, "no such task");
        self.outcome("404", Outcome::Gone { id: id(), error });
        let late = |id, clock, last: Option<&'static str>| Outcome::DeadlineExceeded {
            id,
            limit: clock,
            last: last.map(Status::known),
            cancel: CancelResult::NotRequested,
        };
        for how in [
            CancelResult::Accepted,
            CancelResult::Confirmed(Status::known("stopped")),
            CancelResult::Failed(CancelFailure::Attempt(unavailable())),
        ] {
            let name = format!("of the agent, {}", how.code());
            let mut late = late(Some(id()), TimeLimit::Working, Some("queued"));
            if let Outcome::DeadlineExceeded { cancel, .. } = &mut late {
                *cancel = how;
            }
            self.outcome(&name, late);
        }
        self.outcome(
            "of the agent",
            late(Some(id()), TimeLimit::Working, Some("running")),
        );
        self.outcome(
            "of the human",
            late(Some(id()), TimeLimit::Waiting, Some("waiting")),
        );
        self.outcome(
            "of a stalled one",
            late(Some(id()), TimeLimit::Working, Some("stalled")),
        );
        self.outcome(
            "before any status",
            late(Some(id()), TimeLimit::Working, None),
        );
        self.outcome("before the start", late(None, TimeLimit::Working, None));
        let reporter = self.reporter();
        reporter.event(&Event::Retrying {
            attempt: 4,
            failed: unavailable(),
            until: Timestamp::from_millis(0),
        });
        let start_kind = self.start_kind.clone();
        self.outcome_of(
            "with trouble",
            &start_kind,
            reporter,
            late(Some(id()), TimeLimit::Working, None),
        );
    }

    pub(super) fn handed_back(&mut self) {
        self.left(
            "a question in words",
            DetachReason::Question(question(QuestionKind::Text)),
        );
        self.left(
            "an approval",
            DetachReason::Question(question(QuestionKind::Approval)),
        );
        self.left("data", DetachReason::Question(question(QuestionKind::Data)));
        let new = QuestionKind::Other("new".into());
        self.left("something new", DetachReason::Question(question(new)));
        self.left(
            "an answer on its way",
            DetachReason::AnswerUnconfirmed(question(QuestionKind::Text)),
        );
        self.left(
            "a review",
            DetachReason::Review(Status::known("awaiting_review")),
        );
        self.left("interrupted", DetachReason::Interrupted);
        let task = self.connection.task(&TASK.into());
        for (name, exit) in [("Ctrl-C", Exit::Interrupted), ("SIGTERM", Exit::Terminated)] {
            let reporter = self.at_work();
            let error = self.end(&reporter).detached(None, None, exit);
            self.row(format!("interrupted: {name}"), error);
        }
        let open = question(QuestionKind::Text);
        let (work, exit) = (self.at_work(), Exit::Interrupted);
        let error = self.end(&work).detached(Some(&open), None, exit);
        self.row("interrupted: with an open question", error);
        let silent = self.reporter();
        let error = self.end(&silent).detached(None, None, exit);
        self.row("interrupted: before any status", error);
        for how in [Answered::Applied, Answered::NotSent, Answered::Refused] {
            let said = Some((Undelivered::Message, how));
            let error = self.end(&work).detached(None, said, exit);
            self.row(format!("interrupted: a message was {how:?}"), error);
        }
        let gone = Some((
            Undelivered::Answer,
            Answered::Gone(WithdrawReason::TaskMovedOn),
        ));
        let over = self.reporter();
        over.event(&Event::Status(Status::known(P::DONE)));
        let error = self.end(&over).detached(None, gone, exit);
        self.row(
            "interrupted: an answer was not needed any more, and the task is over",
            error,
        );
        for kind in [Undelivered::Answer, Undelivered::Message] {
            let what = kind.as_str();
            let error = self.end(&work).undelivered(&task, kind);
            self.row(format!("interrupted: its {what} is on its way"), error);
            let error = self.end(&over).undelivered(&task, kind);
            let name = format!("interrupted: its {what} is on its way, and the task is over");
            self.row(name, error);
        }
        let start_kind = StartKind::Message(task.clone());
        for how in [
            CancelResult::NotRequested,
            CancelResult::Accepted,
            CancelResult::Confirmed(Status::known("stopped")),
            CancelResult::Failed(CancelFailure::Attempt(unavailable())),
        ] {
            let name = how.code();
            let end = |kind, reporter| {
                let end = End::new(&self.connection, kind, reporter);
                end.of(Some(&TASK.into())).detached_by_signal(&how, exit)
            };
            let error = end(&StartKind::Watch, &work);
            let lost = self.at_work();
            lost.event(&Event::Sent {
                message: MessageNo(0),
                how: Answered::Unknown,
                detail: None,
            });
            let after = end(&start_kind, &lost);
            self.row(format!("interrupted, to be stopped: {name}"), error);
            self.row(
                format!("interrupted, to be stopped: {name}, its message lost"),
                after,
            );
        }
        let why = "interrupted before the server had answered";
        let intent = Some("7f3a".to_owned());
        let starting = self.reporter();
        let error =
            End::new(&self.connection, &self.start_kind, &starting).unknown(intent, why, false);
        self.row("interrupted: while a start is on its way", error);
        let full = || CliError::new(Code::Output, "cannot write to stdout: no space left");
        self.row("output: a full disk", self.end(&work).unheard(full()));
        let gone = CliError::new(Code::OutputClosed, "output pipe closed");
        self.row("output: nobody reads", self.end(&work).unheard(gone));
        let failed = Error::new(ErrorKind::Local, "the question was not answered: it broke");
        let failed = self.connection.cli_error(&failed.with_task(TASK.into()));
        let error = self.end(&work).unanswered(failed, Some(&open));
        self.row("answers: the command of --on-question broke", error);
        self.row("key: there is none", keys::no_key::<P>());
    }
}
