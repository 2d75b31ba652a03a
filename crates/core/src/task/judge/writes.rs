//! What a reply means for an answer or a message on its way.

use crate::budget::OriginBudget;
use crate::error::{ApiError, ReadError, ReadErrorKind};
use crate::event::Event;
use crate::operation::Safety;
use crate::outcome::Outcome;
use crate::provider::{Confirmation, PollResult, Provider, ReadKind};
use crate::question::{Answer, Answered, Question, WithdrawReason};
use crate::reason::{RetryReason, WaitReason};
use crate::retry::{self, AttemptError, Retryability};

use super::{Report, access_lost, by_conversation, refusal, sort};
use crate::id::QuestionId;
use crate::task::phase::Phase;
use crate::task::stream::{Aftermath, AskedInStream};
use crate::task::writes::{PendingWrite, RECONCILE_READS, WriteKind, WriteState};
use crate::task::{Flight, Purpose, QuestionState, StatusFreshness, Task};

impl<P: Provider> Task<P> {
    /// The server's words when it last refused an answer, a message or a cancel in this process, which its events tell
    /// as text.
    #[must_use]
    pub fn refusal(&self) -> Option<&ApiError> {
        self.refused.as_ref()
    }

    pub(in crate::task) fn judge_check(&mut self, report: Report, budget: &OriginBudget) {
        let read = sort(report).and_then(|reply| {
            let mark = self
                .provider
                .cursor(self.known_id(), &reply)
                .map_err(AttemptError::Unreadable)?;
            let reading = self
                .provider
                .read(self.known_id(), &ReadKind::Questions, &reply)
                .map_err(AttemptError::Unreadable)?;
            Ok((mark, reading))
        });
        let (mark, reading) = match read {
            Ok(read) => read,
            Err(error) => return self.confirmation_read_failed(&error, budget),
        };
        budget.succeeded();
        self.failed_polls = 0;
        self.not_found = None;
        if matches!(reading, PollResult::Unclear) {
            return self.check_later();
        }
        let Some(delivery) = self.writes.front() else {
            return;
        };
        let question = match &delivery.kind {
            WriteKind::Answer { question, .. } => Some(question.clone()),
            WriteKind::Message { .. } => None,
        };
        if let Some(question) = &question {
            let shown = shows(&reading, question);
            if !shown {
                let reason = self.reason_of(question, &reading);
                self.asked_no_more(sequel_of(&reading), reason);
                return self.defer_or_apply(reading);
            }
            if matches!(&reading, PollResult::Waiting(_))
                && !self.has_list()
                && !self.still_asks(&question.id, false)
            {
                return self.asked_no_more(Some(Aftermath::Worked), None);
            }
            if matches!(&reading, PollResult::Waiting(_)) && self.has_list() {
                // The task waits; its events tell whether for this.
                if let Some(delivery) = self.writes.front_mut() {
                    delivery.confirming = true;
                    delivery.cursor = mark;
                }
                return self.begin_backfill();
            }
        }
        let now = self.now;
        if let Some(delivery) = self.writes.front_mut() {
            delivery.cursor = mark;
            delivery.enter(WriteState::Write, now);
            self.save.need();
        }
    }

    /// Whether something is still asked cannot be told: nothing leaves, and it is looked at a few times more.
    fn check_later(&mut self) {
        let now = self.now;
        let Some(delivery) = self.writes.front_mut() else {
            return;
        };
        delivery.reads += 1;
        if delivery.reads < RECONCILE_READS {
            return delivery.read_later(now);
        }
        let (attempts, maybe) = (delivery.attempts, delivery.maybe_applied);
        let how = if maybe {
            Answered::Unknown
        } else {
            Answered::NotSent
        };
        self.finish_write(how, Some(super::UNCLEAR.to_owned()));
        self.end_undelivered(attempts, true);
    }

    /// Whether what is known of the events allows that the task waits for an answer to this; `read` tells whether all of
    /// them are known.
    fn still_asks(&self, question: &QuestionId, read: bool) -> bool {
        let ask = self.questions.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let stand_in = ask.is_some_and(|ask| ask.question.stand_in);
        let known = read || self.stream.is_trusted();
        match &self.stream.asked {
            Some(wait) => wait.question.id == *server_id,
            // Of a stand-in the events tell nothing.
            None => (stand_in || !known) && self.stream.end.is_none(),
        }
    }

    /// The list of events was read after the task was seen to wait, or could not be: is it still this question?
    pub(super) fn conclude_check(&mut self, complete: bool) {
        let now = self.now;
        let put_off = now.after(self.policy.retry.cap);
        let unknown = !complete && self.has_list() && !self.stream.is_trusted();
        let Some(delivery) = self.writes.front_mut() else {
            return;
        };
        if !std::mem::take(&mut delivery.confirming) {
            return;
        }
        if unknown {
            // Looked at again before anything is sent.
            delivery.due = put_off;
            delivery.why = WaitReason::Backoff;
            return;
        }
        let WriteKind::Answer { question, .. } = &delivery.kind else {
            return;
        };
        let id = question.id.clone();
        let stage = delivery.state;
        if self.stream.skipped && self.stream.asked.is_none() && !question.stand_in {
            // What followed the question could not be read.
            return self.check_later();
        }
        // What was read before the list, when it says that the task does not wait.
        let read = self.deferred.as_ref().and_then(sequel_of);
        let told = self.still_asks(&id, complete);
        if let Some(delivery) = self.writes.front_mut()
            && read.is_some()
            && told
            && delivery.maybe_applied
            && delivery.reads < RECONCILE_READS
        {
            // The task has moved, and its events are yet to say how.
            delivery.reads += 1;
            delivery.read_later(now);
            return;
        }
        match (read.is_none() && told, stage) {
            (true, WriteState::Reconcile) => self.still_asked(),
            (true, _) => {
                if let Some(delivery) = self.writes.front_mut() {
                    delivery.enter(WriteState::Write, now);
                }
                self.save.need();
            }
            (false, _) => self.asked_no_more(read.or(Some(Aftermath::Worked)), None),
        }
    }

    /// Why a read of the conversation does not show what is being answered; `None` when it is no conversation.
    fn reason_of(
        &self,
        question: &Question,
        reading: &PollResult<P::Output>,
    ) -> Option<WithdrawReason> {
        let ours = self.freshness != StatusFreshness::Current;
        let users = match reading {
            PollResult::Asking(shown) => shown.iter().filter_map(|shown| shown.users_before).max(),
            PollResult::NotAsking => None,
            _ => return None,
        };
        Some(by_conversation(question, users, ours))
    }

    /// Why a question is open no more, by what the events tell to have followed it.
    fn reason_told(&self, question: &QuestionId) -> WithdrawReason {
        let ask = self.questions.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let told = self.stream.aftermath.as_ref();
        match told.filter(|(id, _)| id == server_id) {
            Some((_, Aftermath::Worked)) => WithdrawReason::AnsweredElsewhere,
            Some((_, Aftermath::AskedAgain)) => WithdrawReason::Superseded,
            Some((_, Aftermath::Failed | Aftermath::Stopped)) | None => WithdrawReason::TaskMovedOn,
        }
    }

    /// The task asks no more: was our answer taken, or somebody else's? `read` is what a read of the task shows to have
    /// followed, `reason` what the conversation does.
    pub(super) fn asked_no_more(
        &mut self,
        read: Option<Aftermath>,
        reason: Option<WithdrawReason>,
    ) {
        let Some(delivery) = self.writes.front() else {
            return;
        };
        let (question, answer) = match &delivery.kind {
            WriteKind::Answer { question, answer } => (question.id.clone(), answer),
            // That the task is over tells nothing of a message that it did not ask for.
            WriteKind::Message { .. } if delivery.maybe_applied => {
                return self.finish_write(Answered::Unknown, None);
            }
            WriteKind::Message { .. } => {
                let attempts = delivery.attempts;
                let how = Answered::Gone(WithdrawReason::TaskMovedOn);
                self.finish_write(how, None);
                return self.end_undelivered(attempts, false);
            }
        };
        if delivery.maybe_applied {
            let how = self.answer_result(answer, &question, read);
            let detail = "what followed is not what this answer asks for: somebody else answered";
            let detail = matches!(how, Answered::Gone(_)).then(|| detail.to_owned());
            self.finish_write(how, detail);
            // Whatever became of the answer: nobody asks for another.
            return self.questions.set(&question, QuestionState::Resolved);
        }
        let reason = reason.unwrap_or_else(|| self.reason_told(&question));
        let ask = self.questions.get(&question);
        let reason = ask.map_or(reason, |ask| ask.elsewhere(reason));
        self.finish_write(Answered::Gone(reason), None);
        // Its events do not say so: a read may have been stale, and then it is asked again.
        if let Some(wait) = &mut self.stream.asked
            && wait.question.id == question
        {
            *wait = AskedInStream::new(wait.question.clone(), self.now);
            self.questions.forget(&question);
            self.update_clock();
        }
    }

    /// What became of an answer that may have arrived, by what followed the question. A rejection ends a task; every
    /// other answer lets it go on.
    fn answer_result(
        &self,
        answer: &Answer,
        question: &QuestionId,
        read: Option<Aftermath>,
    ) -> Answered {
        let ask = self.questions.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let told = self.stream.aftermath.as_ref();
        let told = told
            .filter(|(id, _)| id == server_id)
            .map(|(_, sequel)| *sequel);
        match (answer, told, read) {
            // Words are looked for in the conversation. That the task is over says nothing of who spoke.
            (Answer::Text(_), _, _) if P::CAPABILITIES.answer == Safety::Once => Answered::Unknown,
            (Answer::Text(_), _, _) => Answered::Applied,
            (Answer::Reject { .. }, Some(Aftermath::Failed | Aftermath::Stopped), _)
            | (Answer::Reject { .. }, None, Some(Aftermath::Failed | Aftermath::Stopped)) => {
                Answered::Applied
            }
            (Answer::Reject { .. }, Some(Aftermath::Worked | Aftermath::AskedAgain), _)
            | (Answer::Reject { .. }, None, Some(Aftermath::Worked | Aftermath::AskedAgain)) => {
                Answered::Gone(WithdrawReason::AnsweredElsewhere)
            }
            (Answer::Reject { .. }, None, None) => Answered::Unknown,
            (Answer::Approve | Answer::Input(_), Some(Aftermath::Failed), _) => {
                Answered::Gone(WithdrawReason::AnsweredElsewhere)
            }
            // It may have gone on for a while.
            (Answer::Approve | Answer::Input(_), Some(Aftermath::Stopped), _)
            | (
                Answer::Approve | Answer::Input(_),
                None,
                Some(Aftermath::Failed | Aftermath::Stopped),
            ) => Answered::Unknown,
            (Answer::Approve | Answer::Input(_), _, _) => Answered::Applied,
        }
    }

    /// A keyed answer of unknown fate, and the task still asks.
    fn still_asked(&mut self) {
        let now = self.now;
        let Some(delivery) = self.writes.front_mut() else {
            return;
        };
        delivery.reads += 1;
        if !delivery.refused && delivery.attempts < self.policy.retry.writes {
            delivery.enter(WriteState::Write, now);
            return self.save.need();
        }
        if delivery.reads < RECONCILE_READS {
            delivery.read_later(now);
            return;
        }
        let why = delivery.last_error.clone();
        let how = if delivery.maybe_applied {
            Answered::Unknown
        } else {
            Answered::Refused
        };
        self.finish_write(how, why);
    }

    fn confirmation_read_failed(&mut self, error: &AttemptError, budget: &OriginBudget) {
        if let Some(error) = access_lost(error) {
            let id = self.known_id().clone();
            return self.end(Outcome::AccessLost { id, error });
        }
        let Some((due, why)) = self.count_failed_poll(error, budget) else {
            return;
        };
        if let Some(delivery) = self.writes.front_mut() {
            delivery.due = due;
            delivery.why = why;
        }
    }

    pub(in crate::task) fn judge_write(&mut self, report: Report, budget: &OriginBudget) {
        let error = match sort(report) {
            // A page comes from something in between: a login, a proxy.
            Ok(reply) if reply.head.media_type().as_deref() == Some("text/html") => {
                AttemptError::Unreadable(ReadError::new(ReadErrorKind::Html, "a web page"))
            }
            // Any other 2xx is an acceptance, whatever its body is, unless that is about another task.
            Ok(reply) => match self.provider.check_accepted(self.known_id(), &reply) {
                Ok(()) => {
                    budget.succeeded();
                    return self.finish_write(Answered::Applied, None);
                }
                Err(error) => AttemptError::Unreadable(error),
            },
            Err(error) => error,
        };
        let Some(delivery) = self.writes.front_mut() else {
            return;
        };
        let safety = delivery.kind.safety::<P>();
        delivery.attempts = delivery.attempts.saturating_add(1);
        let why = error.to_string();
        if error.status().is_some_and(|status| status.is_success()) {
            // A 2xx was seen, its body was not: it was taken.
            return self.finish_write(Answered::Applied, None);
        }
        let keyed = safety == Safety::Keyed;
        let maybe = retry::may_have_happened(&error, &self.policy.retry);
        let draw = self.rng.u16(..);
        let wait = retry::wait(
            &error,
            delivery.attempts,
            &self.policy.retry,
            draw,
            self.now,
        );
        match retry::retryability(&error, safety, &self.policy.retry) {
            Retryability::Retryable
                if !delivery.maybe_applied
                    && !maybe
                    && delivery.attempts >= self.policy.retry.writes =>
            {
                let attempts = delivery.attempts;
                self.finish_write(Answered::NotSent, Some(why));
                self.end_undelivered(attempts, true);
            }
            Retryability::Retryable => {
                // A keyed write may be repeated, but not before the task was seen to ask still.
                delivery.maybe_applied |= maybe;
                delivery.last_error = Some(why.clone());
                if delivery.maybe_applied {
                    delivery.enter(WriteState::Reconcile, self.now);
                } else if matches!(delivery.kind, WriteKind::Answer { .. }) {
                    // What it answers may be answered by somebody else meanwhile.
                    delivery.enter(WriteState::Check, self.now);
                }
                self.save.need();
                let delivery = self
                    .writes
                    .front_mut()
                    .expect("it stands at the front until it is finished");
                delivery.due = self.now.after(wait);
                delivery.why = retry::wait_reason(&error, wait, &self.policy.retry, draw, self.now);
                let (attempt, until) = (delivery.attempts, delivery.due);
                budget.take(false);
                self.events.push(Event::Retrying {
                    attempt,
                    reason: RetryReason::of(&error),
                    why,
                    until,
                });
            }
            Retryability::Final => match error.status() {
                Some(status) if status.as_u16() == 401 => {
                    let id = self.known_id().clone();
                    if let Some(error) = access_lost(&error) {
                        self.end(Outcome::AccessLost { id, error });
                    }
                }
                // The task may have moved, because of an attempt before or without us: it tells.
                Some(status) if keyed && matches!(status.as_u16(), 409 | 422) => {
                    delivery.refused = true;
                    delivery.last_error = Some(why);
                    delivery.enter(WriteState::Reconcile, self.now);
                    self.save.need();
                }
                _ => self.refused_write(&error, why),
            },
            Retryability::Unknown => {
                delivery.maybe_applied = true;
                delivery.last_error = Some(why);
                delivery.enter(WriteState::Reconcile, self.now);
                self.save.need();
            }
        }
    }

    fn refused_write(&mut self, error: &AttemptError, why: String) {
        let attempts = self.writes.front().map_or(0, |front| front.attempts);
        self.refused = refusal(error);
        self.finish_write(Answered::Refused, Some(why));
        if self.is_undelivered()
            && let AttemptError::Refused(reply) = error
        {
            return self.end(Outcome::Refused(ApiError::read(reply)));
        }
        self.end_undelivered(attempts, false);
    }

    pub(in crate::task) fn judge_reconcile(&mut self, report: Report, budget: &OriginBudget) {
        let Some(delivery) = self.writes.front() else {
            return;
        };
        if let WriteKind::Answer { question, .. } = &delivery.kind
            && P::CAPABILITIES.answer == Safety::Keyed
        {
            let question = question.clone();
            return self.reconcile_keyed(&question, report, budget);
        }
        let text = delivery.kind.text().to_owned();
        let mark = delivery.cursor.clone();
        let read = sort(report).and_then(|reply| {
            let confirmation = self
                .provider
                .find_write(self.known_id(), &reply, &mark, &text)
                .map_err(AttemptError::Unreadable)?;
            let reading = self
                .provider
                .read(self.known_id(), &ReadKind::Questions, &reply)
                .map_err(AttemptError::Unreadable)?;
            Ok((confirmation, reading))
        });
        let (confirmation, reading) = match read {
            Ok(read) => read,
            Err(error) => return self.confirmation_read_failed(&error, budget),
        };
        budget.succeeded();
        self.failed_polls = 0;
        self.not_found = None;
        match confirmation {
            Confirmation::Present => self.finish_write(Answered::Applied, None),
            Confirmation::PresentAndReplied => {
                self.finish_write(Answered::Applied, None);
                self.turn_replied();
            }
            Confirmation::Absent | Confirmation::AbsentAndReplied => {
                let Some(delivery) = self.writes.front_mut() else {
                    return;
                };
                delivery.reads += 1;
                if delivery.reads < RECONCILE_READS {
                    delivery.read_later(self.now);
                    return;
                }
                let why = delivery.last_error.clone();
                self.finish_write(Answered::Unknown, why);
                if self.turn.is_none() {
                    self.apply(reading);
                }
            }
        }
    }

    /// A keyed answer of unknown fate: once the task asks no more, it has arrived.
    fn reconcile_keyed(&mut self, question: &Question, report: Report, budget: &OriginBudget) {
        let reading = sort(report).and_then(|reply| {
            self.provider
                .read(self.known_id(), &ReadKind::Questions, &reply)
                .map_err(AttemptError::Unreadable)
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => return self.confirmation_read_failed(&error, budget),
        };
        budget.succeeded();
        self.failed_polls = 0;
        self.not_found = None;
        let shown = shows(&reading, question);
        if self.has_list() {
            // The events tell what followed.
            if let Some(delivery) = self.writes.front_mut() {
                delivery.confirming = true;
            }
            self.deferred = (!shown).then_some(reading);
            return self.begin_backfill();
        }
        if !shown {
            let reason = self.reason_of(question, &reading);
            self.asked_no_more(sequel_of(&reading), reason);
            return self.defer_or_apply(reading);
        }
        if self.still_asks(&question.id, false) {
            self.still_asked();
        } else {
            self.asked_no_more(Some(Aftermath::Worked), None);
        }
    }

    pub(in crate::task) fn finish_write(&mut self, how: Answered, detail: Option<String>) {
        let Some(delivery) = self.writes.pop_front() else {
            return;
        };
        if self
            .exchange
            .as_ref()
            .is_some_and(|exchange| matches!(exchange.flight, Flight::Planned))
        {
            self.exchange = None;
        }
        let PendingWrite {
            kind,
            cursor: mark,
            last_error: error,
            ..
        } = delivery;
        let detail = detail.or(error).filter(|_| how != Answered::Applied);
        match kind {
            WriteKind::Answer { question, answer } => {
                self.questions.resolve(&question.id, answer, how);
                self.events.push(Event::Answered {
                    question: question.id,
                    how,
                    detail,
                });
            }
            WriteKind::Message { no, .. } => {
                self.events.push(Event::Sent {
                    message: no,
                    how,
                    detail: detail.clone(),
                });
                self.turn_sent(no, how, mark, detail);
            }
        }
        if !matches!(how, Answered::Refused | Answered::NotSent) {
            self.freshness = StatusFreshness::StaleSince(self.now);
        }
        self.poll_interval.restart();
        if matches!(self.phase, Phase::Following(_)) {
            self.poll_again(ReadKind::Status, None);
        }
        self.save.need();
        self.update_clock();
    }

    /// The watch ends: what is known of each delivery that is not done with.
    pub(in crate::task) fn drop_writes(&mut self) {
        let writing = self.exchange.as_ref().is_some_and(|exchange| {
            exchange.purpose == Purpose::Write && !matches!(exchange.flight, Flight::Planned)
        });
        let mut underway = writing;
        while !self.phase.is_ended()
            && let Some(delivery) = self.writes.front()
        {
            if let Some(over) = self.deferred.as_ref().filter(|held| held.is_over())
                && delivery.maybe_applied
                && matches!(delivery.kind, WriteKind::Answer { .. })
            {
                // It tells what followed, if not all of it.
                let followed = sequel_of(over);
                self.asked_no_more(followed, None);
                continue;
            }
            let (how, why) = if std::mem::take(&mut underway) {
                (Answered::Unknown, "the watch ended before the reply came")
            } else if delivery.maybe_applied {
                let why = "the watch ended before the task showed whether it arrived";
                (Answered::Unknown, why)
            } else if delivery.refused {
                (
                    Answered::Refused,
                    "the watch ended before the task showed why",
                )
            } else {
                (Answered::NotSent, "the watch ended before it could be sent")
            };
            let detail = match &delivery.last_error {
                Some(error) => format!("{error}; {why}"),
                None => why.to_owned(),
            };
            self.finish_write(how, Some(detail));
        }
    }
}

/// What a reading shows to have followed a question; `None` when it may still be asked.
fn sequel_of<O>(reading: &PollResult<O>) -> Option<Aftermath> {
    match reading {
        PollResult::Failed(_) => Some(Aftermath::Failed),
        PollResult::Stopped(_) => Some(Aftermath::Stopped),
        PollResult::Waiting(_) | PollResult::Unclear | PollResult::Events(_) => None,
        PollResult::Pending(_)
        | PollResult::ReadFirst(..)
        | PollResult::Asking(_)
        | PollResult::NotAsking
        | PollResult::Paused(_)
        | PollResult::Ready(_)
        | PollResult::Succeeded(..)
        | PollResult::Unknown(_) => Some(Aftermath::Worked),
    }
}

/// Whether a reading still shows the question, or may: a task that waits does not always say for what.
fn shows<O>(reading: &PollResult<O>, question: &Question) -> bool {
    match reading {
        PollResult::Waiting(_) => true,
        PollResult::Asking(questions) => questions.iter().any(|shown| shown.id == question.id),
        _ => false,
    }
}
