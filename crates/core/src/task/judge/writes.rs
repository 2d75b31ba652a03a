//! What a reply means for a pending write: an answer or a message.

use std::ops::ControlFlow;

use http::StatusCode;

use crate::budget::OriginBudget;
use crate::error::{ErrorClass, ReadError, ReadErrorKind};
use crate::event::Event;
use crate::operation::Safety;
use crate::outcome::Outcome;
use crate::provider::{Confirmation, PollResult, Provider};
use crate::question::{Answer, Answered, Question, WithdrawReason};
use crate::reason::WaitReason;
use crate::retry::{self, AttemptError, Retryability};

use super::{Report, access_lost, by_conversation, refusal};
use crate::id::QuestionId;
use crate::response::Response;
use crate::task::env::Env;
use crate::task::follow::{Cx, Follow, StatusFreshness};
use crate::task::link::{Purpose, Read};
use crate::task::phase::Move;
use crate::task::questions::QuestionChange;
use crate::task::starting::Starting;
use crate::task::still_asked::{Asked, KnownEvents, StillAsked};
use crate::task::stream::sequence::SinceLast;
use crate::task::stream::{Aftermath, REOPENING};
use crate::task::writes::{Evidence, PendingWrite, RECONCILE_READS, WriteKind, WriteState};

const NOT_SENT: &str = "the watch ended before it could be sent";
/// Why an answer is given up that neither the stream nor the list allows.
const UNKNOWN: &str =
    "the task waits, and neither its stream nor its list of events can be read to see for what";

impl<P: Provider> Starting<P> {
    /// Reports that the messages were not sent.
    pub(in crate::task) fn drop_writes(&mut self, cx: &mut Cx<'_, P>) {
        while let Some(write) = self.writes.pop_front() {
            if let WriteKind::Message { no, .. } = write.kind {
                cx.out.events.push(Event::Sent {
                    message: no,
                    how: Answered::NotSent,
                    detail: Some(NOT_SENT.to_owned()),
                });
                cx.out.save.need();
            }
        }
    }
}

impl<P: Provider> Follow<P> {
    /// Judges the read before a write is sent: is the question still open, and where does the conversation stand?
    pub(in crate::task) fn judge_check(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let read = cx.sort(report).and_then(|reply| {
            let cursor = cx.env.provider.cursor(&self.id, reply);
            let cursor = cursor.map_err(AttemptError::Unreadable)?;
            Ok((cursor, self.read(cx, Read::Questions, reply)?))
        });
        let (cursor, result) = match read {
            Ok(read) => read,
            Err(error) => return self.confirmation_read_failed(cx, &error, budget),
        };
        budget.succeeded();
        self.poller.succeeded();
        if matches!(result, PollResult::Unclear) {
            return self.check_later(cx, super::UNCLEAR);
        }
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        write.cursor = cursor;
        match &write.kind {
            WriteKind::Message { .. } => {
                write.allow_message(cx.env.now, cx.out);
                Move::Stay
            }
            WriteKind::Answer { question, .. } => {
                let question = question.clone();
                self.check_answer(cx, &question, result)
            }
        }
    }

    /// Judges whether the question of an answer is still open, after this read of the task.
    fn check_answer(
        &mut self,
        cx: &mut Cx<'_, P>,
        question: &Question,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        match Asked::by_read(question, &result, &self.known_events(cx.env)) {
            Asked::Still(still) => {
                if let Some(write) = self.writes.front_mut() {
                    write.allow_answer(still, cx.env.now, cx.out);
                }
                Move::Stay
            }
            Asked::SeeList => {
                self.check_by_list(cx);
                Move::Stay
            }
            Asked::Unknown => self.check_when_known(cx),
            Asked::NoLonger => self.answered_or_over(cx, question, result),
        }
    }

    /// Handles a read that shows the task without this question.
    fn answered_or_over(
        &mut self,
        cx: &mut Cx<'_, P>,
        question: &Question,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        if matches!(result, PollResult::Waiting(_)) {
            // It waits for something else by now.
            return self.asked_no_more(cx, Some(Aftermath::Worked), None);
        }
        let reason = self.reason_of(question, &result);
        let next = self.asked_no_more(cx, aftermath_of(&result), reason);
        next.or_else(|| self.defer_or_apply(cx, result))
    }

    /// Has the list of events read: it says what the task waits for.
    fn check_by_list(&mut self, cx: &mut Cx<'_, P>) {
        if let Some(write) = self.writes.front_mut() {
            write.evidence = Evidence::Events;
        }
        self.begin_backfill(cx);
    }

    /// Puts an answer off until the stream or the list says what the task waits for, or gives it up if neither will.
    fn check_when_known(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        if !self.known_events(cx.env).may_come() {
            return self.check_later(cx, UNKNOWN);
        }
        if let Some(write) = self.writes.front_mut() {
            write.due = cx.env.now.after(REOPENING);
            write.why = WaitReason::Backoff;
        }
        Move::Stay
    }

    fn known_events(&self, env: &Env<P>) -> KnownEvents<'_> {
        KnownEvents {
            questions: &self.questions,
            stream: &self.stream,
            has_list: self.has_list(env),
            now: env.now,
        }
    }

    /// Handles a read that cannot show whether the question is still open: nothing is sent, and the read is repeated a
    /// few times.
    fn check_later(&mut self, cx: &mut Cx<'_, P>, why: &str) -> Move<P::Output> {
        let now = cx.env.now;
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        write.reads += 1;
        if write.reads < RECONCILE_READS {
            write.read_later(now);
            return Move::Stay;
        }
        let how = match write.maybe_applied() {
            true => Answered::Unknown,
            false => Answered::NotSent,
        };
        self.finish_write(cx, how, Some(why.to_owned()))
    }

    /// Judges, after a backfill that was complete or given up, whether the task still waits for an answer to this
    /// question.
    pub(super) fn conclude_check(&mut self, cx: &mut Cx<'_, P>, complete: bool) -> Move<P::Output> {
        let now = cx.env.now;
        let is_given_up = !complete && self.has_list(cx.env) && !self.stream.is_trusted();
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        if std::mem::replace(&mut write.evidence, Evidence::Reply) != Evidence::Events {
            return Move::Stay;
        }
        if is_given_up {
            // The task is read again before anything is sent.
            write.due = now.after(cx.env.policy.retry.cap);
            write.why = WaitReason::Backoff;
            return Move::Stay;
        }
        let WriteKind::Answer { question, .. } = &write.kind else {
            return Move::Stay;
        };
        let question = question.clone();
        let is_unreadable = self.stream.sequence.since_last == SinceLast::Unreadable;
        if is_unreadable && !question.stand_in {
            return self.check_later(cx, "what followed the question could not be read");
        }
        let asked = Asked::by_events(&question, &self.known_events(cx.env), complete);
        // A poll result that the backfill deferred may say that the task does not wait.
        let read = self.deferred.as_deref().and_then(aftermath_of);
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        match (asked, read) {
            (Asked::Still(_), Some(_))
                if write.maybe_applied() && write.reads < RECONCILE_READS =>
            {
                // The task has moved on, and its events have yet to show how.
                write.reads += 1;
                write.read_later(now);
                Move::Stay
            }
            (Asked::Unknown | Asked::SeeList, None) => self.check_when_known(cx),
            (Asked::Still(still), None) => match write.state() {
                WriteState::Unconfirmed(_) => self.still_asked(cx, still),
                _ => {
                    write.allow_answer(still, now, cx.out);
                    Move::Stay
                }
            },
            (Asked::NoLonger, _) | (_, Some(_)) => {
                // An end that an event claims followed, too, even if the event that asks was lost.
                let end = self.stream.end.as_ref();
                let claimed = end.map_or(Aftermath::Worked, |end| Aftermath::of_end(&end.end));
                self.asked_no_more(cx, read.or(Some(claimed)), None)
            }
        }
    }

    /// Returns why a read of the conversation does not show the question being answered; `None` if the platform has no
    /// conversation.
    fn reason_of(
        &self,
        question: &Question,
        result: &PollResult<P::Output>,
    ) -> Option<WithdrawReason> {
        let ours = self.freshness != StatusFreshness::Current;
        let users = match result {
            PollResult::Asking(shown) => shown.iter().filter_map(|shown| shown.users_before).max(),
            PollResult::NotAsking => None,
            _ => return None,
        };
        Some(by_conversation(question, users, ours))
    }

    /// Returns why a question is no longer open, by the events that followed it.
    fn reason_by_events(&self, question: &QuestionId) -> WithdrawReason {
        let entry = self.questions.get(question);
        let server_id = entry.map_or(question, |entry| entry.server_id());
        let told = self.stream.aftermath.as_deref();
        match told.filter(|(id, _)| id == server_id) {
            Some((_, Aftermath::Worked)) => WithdrawReason::AnsweredElsewhere,
            Some((_, Aftermath::AskedAgain)) => WithdrawReason::Superseded,
            Some((_, Aftermath::Failed | Aftermath::Stopped)) | None => WithdrawReason::TaskMovedOn,
        }
    }

    /// Handles a question that is no longer open: was our answer applied, or somebody else's? `read` is what a read of
    /// the task shows to have followed, `reason` what the conversation shows.
    pub(super) fn asked_no_more(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Option<Aftermath>,
        reason: Option<WithdrawReason>,
    ) -> Move<P::Output> {
        let Some(write) = self.writes.front() else {
            return Move::Stay;
        };
        let (question, answer) = match &write.kind {
            WriteKind::Answer { question, answer } => (question.id.clone(), answer),
            // A message answers no question, so the task's end says nothing about it.
            WriteKind::Message { .. } if write.maybe_applied() => {
                return self.finish_write(cx, Answered::Unknown, None);
            }
            WriteKind::Message { .. } => {
                let how = Answered::Gone(WithdrawReason::TaskMovedOn);
                return self.finish_write(cx, how, None);
            }
        };
        if write.maybe_applied() {
            let how = self.answer_result(answer, &question, read, cx.env.can().answer);
            let detail = "what followed is not what this answer asks for: somebody else answered";
            let detail = matches!(how, Answered::Gone(_)).then(|| detail.to_owned());
            let next = self.finish_write(cx, how, detail);
            // Whatever the outcome of the answer: the question is resolved, and nobody is asked again.
            self.questions.change(&question, QuestionChange::Withdrawn);
            return next;
        }
        let reason = reason.unwrap_or_else(|| self.reason_by_events(&question));
        let entry = self.questions.get(&question);
        let reason = entry.map_or(reason, |entry| entry.elsewhere(reason));
        let next = self.finish_write(cx, Answered::Gone(reason), None);
        // The events do not say so: the read may have been stale, and then the question is reported again.
        if let Some(wait) = &mut self.stream.asked
            && wait.question.id == question
        {
            wait.restart(cx.env.now);
            self.questions.forget(&question);
            self.update_clock(cx);
        }
        next
    }

    /// Returns the outcome of an answer that may have arrived, by what followed the question. A rejection ends a task;
    /// every other answer lets it continue.
    fn answer_result(
        &self,
        answer: &Answer,
        question: &QuestionId,
        read: Option<Aftermath>,
        safety: Safety,
    ) -> Answered {
        let entry = self.questions.get(question);
        let server_id = entry.map_or(question, |entry| entry.server_id());
        let told = self.stream.aftermath.as_deref();
        let told = told
            .filter(|(id, _)| id == server_id)
            .map(|(_, aftermath)| *aftermath);
        match (answer, told, read) {
            // A text answer is found in the conversation. The end of the task does not say who wrote.
            (Answer::Text(_), _, _) if !safety.is_repeatable() => Answered::Unknown,
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
            // The task may have continued for a while before it was stopped.
            (Answer::Approve | Answer::Input(_), Some(Aftermath::Stopped), _)
            | (
                Answer::Approve | Answer::Input(_),
                None,
                Some(Aftermath::Failed | Aftermath::Stopped),
            ) => Answered::Unknown,
            (Answer::Approve | Answer::Input(_), _, _) => Answered::Applied,
        }
    }

    /// Handles a keyed answer with unknown outcome while the task still asks.
    fn still_asked(&mut self, cx: &mut Cx<'_, P>, still: StillAsked) -> Move<P::Output> {
        let now = cx.env.now;
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        write.reads += 1;
        if write.attempts < cx.env.policy.retry.writes && write.repeat(still, now, cx.out) {
            return Move::Stay;
        }
        if write.reads < RECONCILE_READS {
            write.read_later(now);
            return Move::Stay;
        }
        let why = write.last_error.clone();
        let how = if write.maybe_applied() {
            Answered::Unknown
        } else {
            Answered::Refused
        };
        self.finish_write(cx, how, why)
    }

    fn confirmation_read_failed(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let (due, why) = match self.count_failed_poll(cx, error, budget) {
            ControlFlow::Continue(later) => later,
            ControlFlow::Break(outcome) => return Move::End(outcome),
        };
        if let Some(write) = self.writes.front_mut() {
            write.due = due;
            write.why = why;
        }
        Move::Stay
    }

    pub(in crate::task) fn judge_write(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let Err(error) = self.accepted(cx, report, budget) else {
            if let Ok(reply) = report {
                self.stream.note_words(&cx.env.provider, &reply.body);
            }
            return self.finish_write(cx, Answered::Applied, None);
        };
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        let safety = write.kind.safety(cx.env.can());
        let why = error.to_string();
        let draw = cx.env.rng.u16(..);
        match retry::retryability(&error, safety, &cx.env.policy.retry) {
            Retryability::Retryable => return self.write_later(cx, &error, draw, budget),
            Retryability::Final => match error.class() {
                // A 403 refuses this write alone.
                Some(ErrorClass::Unauthorised) if error.status() != Some(StatusCode::FORBIDDEN) => {
                    let id = self.id.clone();
                    if let Some(error) = access_lost(&error) {
                        return Move::End(Outcome::AccessLost { id, error });
                    }
                }
                // The task may have moved on, because of an earlier attempt or of somebody else: a read shows it.
                Some(class)
                    if safety == Safety::Keyed
                        && (write.maybe_applied() || class == ErrorClass::Conflict) =>
                {
                    write.last_error = Some(why);
                    write.refused(cx.env.now);
                    self.refused = refusal(&error).map(Box::new);
                    cx.out.save.need();
                }
                _ => return self.refused_write(cx, &error, why),
            },
            Retryability::Unknown => {
                write.last_error = Some(why);
                write.lost(cx.env.now, WaitReason::Reconcile);
                cx.out.save.need();
            }
        }
        Move::Stay
    }

    /// Returns why the server did not accept a write, or may not have.
    fn accepted(
        &self,
        cx: &Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Result<(), AttemptError> {
        match cx.sort(report) {
            // A web page comes from something in between: a login page, a proxy.
            Ok(reply) if reply.head.media_type().as_deref() == Some("text/html") => {
                let error = ReadError::new(ReadErrorKind::Html, "a web page");
                Err(AttemptError::Unreadable(error))
            }
            // Any other reply that is no error accepts the write, whatever its body is, unless it is about another task.
            Ok(reply) => {
                let ours = cx.env.provider.check_accepted(&self.id, reply);
                ours.map_err(AttemptError::Unreadable)?;
                budget.succeeded();
                Ok(())
            }
            // The head was a 2xx and the body was lost.
            Err(AttemptError::Wire(failure))
                if cx.env.provider.status_decides()
                    && failure.head().is_some_and(|head| head.status.is_success()) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Handles a failed attempt that may be repeated: at once if the server has not received it, and otherwise only
    /// after a read has shown that the task still asks.
    fn write_later(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: &AttemptError,
        draw: u16,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let Some(write) = self.writes.front_mut() else {
            return Move::Stay;
        };
        let (now, rules) = (cx.env.now, &cx.env.policy.retry);
        let (attempt, why) = (write.attempts, error.to_string());
        let maybe = retry::may_have_happened(error, rules);
        if !maybe && !write.maybe_applied() && attempt >= rules.writes {
            return self.finish_write(cx, Answered::NotSent, Some(why));
        }
        let wait = retry::wait(error, attempt, rules, draw, now);
        let until = now.after(wait);
        let reason = retry::wait_reason(error, wait, rules, draw, now);
        if maybe {
            write.lost(until, reason);
        } else {
            write.not_received(until, reason);
        }
        write.last_error = Some(why);
        cx.out.save.need();
        if !error.is_local() {
            budget.take(false);
        }
        cx.out.events.push(Event::Retrying {
            attempt,
            failed: error.record(),
            until,
        });
        Move::Stay
    }

    fn refused_write(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: &AttemptError,
        why: String,
    ) -> Move<P::Output> {
        self.refused = refusal(error).map(Box::new);
        let next = self.finish_write(cx, Answered::Refused, Some(why));
        match error {
            AttemptError::Refused(refusal) if self.is_undelivered() => {
                Move::End(Outcome::Refused(refusal.error.clone()))
            }
            _ => next,
        }
    }

    /// Judges a read that has to find a write with unknown outcome.
    pub(in crate::task) fn judge_reconcile(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let Some(write) = self.writes.front() else {
            return Move::Stay;
        };
        let keyed = match &write.kind {
            WriteKind::Answer { question, .. } if cx.env.can().answer == Safety::Keyed => {
                Some(question.clone())
            }
            _ => None,
        };
        let read = cx.sort(report).and_then(|reply| {
            let confirmation = match keyed {
                Some(_) => Confirmation::Absent,
                None => self.find_write(cx, write, reply)?,
            };
            Ok((confirmation, self.read(cx, Read::Questions, reply)?))
        });
        let (confirmation, result) = match read {
            Ok(read) => read,
            Err(error) => return self.confirmation_read_failed(cx, &error, budget),
        };
        budget.succeeded();
        self.poller.succeeded();
        if keyed.is_some() && matches!(result, PollResult::Unclear) {
            return self.check_later(cx, super::UNCLEAR);
        }
        match keyed {
            Some(question) => self.reconcile_keyed(cx, &question, result),
            None => self.reconcile_words(cx, confirmation, result),
        }
    }

    /// Finds a write in the conversation.
    fn find_write(
        &self,
        cx: &Cx<'_, P>,
        write: &PendingWrite,
        reply: &Response,
    ) -> Result<Confirmation, AttemptError> {
        let (cursor, text) = (&write.cursor, write.kind.text());
        let reference = write.reference(cx.env, &self.id);
        let provider = &cx.env.provider;
        let found = provider.find_write(&self.id, reply, cursor, text, reference.as_ref());
        found.map_err(AttemptError::Unreadable)
    }

    /// Judges what the conversation shows of a write without a key.
    fn reconcile_words(
        &mut self,
        cx: &mut Cx<'_, P>,
        confirmation: Confirmation,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        match confirmation {
            Confirmation::Present => self.finish_write(cx, Answered::Applied, None),
            Confirmation::PresentAndReplied => {
                let next = self.finish_write(cx, Answered::Applied, None);
                self.turn_replied();
                next
            }
            Confirmation::Absent | Confirmation::AbsentAndReplied => {
                let Some(write) = self.writes.front_mut() else {
                    return Move::Stay;
                };
                write.reads += 1;
                // A message may wait for a task at work to take it up, and a read finds it exactly then.
                let may_be_queued = matches!(result, PollResult::Pending(_))
                    && write.kind.safety(cx.env.can()) == Safety::Traceable;
                if write.reads < RECONCILE_READS || may_be_queued {
                    write.read_later(cx.env.now);
                    return Move::Stay;
                }
                let why = write.last_error.clone();
                let next = self.finish_write(cx, Answered::Unknown, why);
                next.or_else(|| match self.turn {
                    None => self.apply(cx, result),
                    Some(_) => Move::Stay,
                })
            }
        }
    }

    /// Judges a read for a keyed answer with unknown outcome: once the task no longer asks, the answer has arrived.
    fn reconcile_keyed(
        &mut self,
        cx: &mut Cx<'_, P>,
        question: &Question,
        result: PollResult<P::Output>,
    ) -> Move<P::Output> {
        let asked = Asked::by_read(question, &result, &self.known_events(cx.env));
        if self.has_list(cx.env) {
            // The events say what followed.
            let is_shown = matches!(asked, Asked::Still(_) | Asked::SeeList);
            self.deferred = (!is_shown).then(|| Box::new(result));
            self.check_by_list(cx);
            return Move::Stay;
        }
        match asked {
            Asked::Still(still) => self.still_asked(cx, still),
            Asked::Unknown | Asked::SeeList => self.check_when_known(cx),
            Asked::NoLonger => self.answered_or_over(cx, question, result),
        }
    }

    /// Reports the outcome of the first write. A turn ends whose message is known not to have arrived.
    pub(in crate::task) fn finish_write(
        &mut self,
        cx: &mut Cx<'_, P>,
        how: Answered,
        detail: Option<String>,
    ) -> Move<P::Output> {
        let attempts = self.writes.front().map_or(0, |write| write.attempts);
        let next = self.report_write(cx, how, detail);
        next.or_else(|| self.end_undelivered(attempts, how == Answered::NotSent))
    }

    /// Reports the outcome of the first write.
    fn report_write(
        &mut self,
        cx: &mut Cx<'_, P>,
        how: Answered,
        detail: Option<String>,
    ) -> Move<P::Output> {
        let Some(write) = self.writes.pop_front() else {
            return Move::Stay;
        };
        // A planned request of this write must not be sent any more.
        cx.link.take_back();
        let (kind, cursor, error) = write.into_parts();
        let detail = detail.or(error).filter(|_| how != Answered::Applied);
        let next = match kind {
            WriteKind::Answer { question, answer } => {
                let is_over = self.questions.resolve(&question.id, answer, how);
                let question = question.id;
                cx.out.events.push(Event::Answered {
                    question: question.clone(),
                    how,
                    detail,
                });
                if is_over {
                    let reason = WithdrawReason::TaskMovedOn;
                    cx.out.events.push(Event::Withdrawn { question, reason });
                }
                Move::Stay
            }
            WriteKind::Message { no, .. } => {
                cx.out.events.push(Event::Sent {
                    message: no,
                    how,
                    detail: detail.clone(),
                });
                self.turn_sent(cx, no, how, cursor, detail)
            }
        };
        if !matches!(how, Answered::Refused | Answered::NotSent) {
            self.freshness = StatusFreshness::StaleSince(cx.env.now);
        }
        self.poller.restart(&cx.env.policy);
        if next.is_stay() {
            self.poll_again(cx);
        }
        cx.out.save.need();
        self.update_clock(cx);
        next
    }

    /// Reports the outcome of each pending write when the task ends, as far as it is known.
    pub(in crate::task) fn drop_writes(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        let writing = cx.link.has_sent(Purpose::Write);
        let mut underway = writing;
        let mut next = Move::Stay;
        while next.is_stay()
            && let Some(write) = self.writes.front()
        {
            if let Some(over) = self.deferred.as_ref().filter(|held| held.is_over())
                && write.maybe_applied()
                && matches!(write.kind, WriteKind::Answer { .. })
            {
                // The end shows what followed, if not all of it.
                let followed = aftermath_of(over);
                next = self.asked_no_more(cx, followed, None);
                continue;
            }
            let (how, why) = if std::mem::take(&mut underway) {
                (Answered::Unknown, "the watch ended before the reply came")
            } else if write.maybe_applied() {
                let why = "the watch ended before the task showed whether it arrived";
                (Answered::Unknown, why)
            } else if write.was_refused() {
                (
                    Answered::Refused,
                    "the watch ended before the task showed why",
                )
            } else {
                (Answered::NotSent, NOT_SENT)
            };
            let detail = match &write.last_error {
                Some(error) => format!("{error}; {why}"),
                None => why.to_owned(),
            };
            next = self.report_write(cx, how, Some(detail));
        }
        next
    }
}

/// Returns what a poll result shows to have followed a question; `None` if the question may still be open.
fn aftermath_of<O>(result: &PollResult<O>) -> Option<Aftermath> {
    match result {
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
