//! What a reply means for an answer or a message on its way.

use crate::error::{ApiError, ReadError, ReadErrorKind};
use crate::event::Event;
use crate::operation::Safety;
use crate::outcome::Outcome;
use crate::provider::{Landed, Look, Provider, Reading};
use crate::question::{Answer, Answered, Question, WithdrawReason};
use crate::retry::{self, Trouble, Verdict};
use crate::shared::Shared;
use crate::why::{RetryReason, Why};

use super::{Report, access_lost, by_conversation, refusal, sort};
use crate::id::QuestionId;
use crate::task::deliver::{Delivery, Parcel, RECONCILE_LOOKS, Stage};
use crate::task::phase::Phase;
use crate::task::stream::{Sequel, Wait};
use crate::task::{Flight, Lag, Purpose, Standing, Task};

impl<P: Provider> Task<P> {
    /// The server's words when it last refused an answer, a message or a cancel in this process, which its events tell
    /// as text.
    #[must_use]
    pub fn refusal(&self) -> Option<&ApiError> {
        self.refused.as_ref()
    }

    pub(in crate::task) fn judge_check(&mut self, report: Report, shared: &mut Shared) {
        let read = sort(report).and_then(|reply| {
            let mark = self
                .provider
                .mark(self.known_id(), &reply)
                .map_err(Trouble::Unreadable)?;
            let reading = self
                .provider
                .read(self.known_id(), &Look::Questions, &reply)
                .map_err(Trouble::Unreadable)?;
            Ok((mark, reading))
        });
        let (mark, reading) = match read {
            Ok(read) => read,
            Err(trouble) => return self.delivery_read_failed(&trouble, shared),
        };
        shared.succeeded();
        self.misses = 0;
        self.not_found = None;
        if matches!(reading, Reading::Unclear) {
            return self.check_later();
        }
        let Some(delivery) = self.deliveries.front() else {
            return;
        };
        let question = match &delivery.parcel {
            Parcel::Answer { question, .. } => Some(question.clone()),
            Parcel::Message { .. } => None,
        };
        if let Some(question) = &question {
            let shown = shows(&reading, question);
            if !shown {
                let reason = self.reason_of(question, &reading);
                self.asked_no_more(sequel_of(&reading), reason);
                return self.weigh(reading);
            }
            if matches!(&reading, Reading::Waiting(_))
                && !self.has_list()
                && !self.still_asks(&question.id, false)
            {
                return self.asked_no_more(Some(Sequel::Worked), None);
            }
            if matches!(&reading, Reading::Waiting(_)) && self.has_list() {
                // The task waits; its events tell whether for this.
                if let Some(delivery) = self.deliveries.front_mut() {
                    delivery.confirming = true;
                    delivery.mark = mark;
                }
                return self.begin_fill();
            }
        }
        let now = self.now;
        if let Some(delivery) = self.deliveries.front_mut() {
            delivery.mark = mark;
            delivery.enter(Stage::Write, now);
            self.save.need();
        }
    }

    /// Whether something is still asked cannot be told: nothing leaves, and it is looked at a few times more.
    fn check_later(&mut self) {
        let now = self.now;
        let Some(delivery) = self.deliveries.front_mut() else {
            return;
        };
        delivery.looks += 1;
        if delivery.looks < RECONCILE_LOOKS {
            return delivery.look_later(now);
        }
        let (attempts, maybe) = (delivery.writes, delivery.maybe);
        let how = if maybe {
            Answered::Unknown
        } else {
            Answered::NotSent
        };
        self.finish_delivery(how, Some(super::UNCLEAR.to_owned()));
        self.end_undelivered(attempts, true);
    }

    /// Whether what is known of the events allows that the task waits for an answer to this; `read` tells whether all of
    /// them are known.
    fn still_asks(&self, question: &QuestionId, read: bool) -> bool {
        let ask = self.asks.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let stand_in = ask.is_some_and(|ask| ask.question.stand_in);
        let known = read || self.stream.is_trusted();
        match &self.stream.wait {
            Some(wait) => wait.question.id == *server_id,
            // Of a stand-in the events tell nothing.
            None => (stand_in || !known) && self.stream.ending.is_none(),
        }
    }

    /// The list of events was read after the task was seen to wait, or could not be: is it still this question?
    pub(super) fn conclude_check(&mut self, complete: bool) {
        let now = self.now;
        let put_off = now.after(self.policy.retry.cap);
        let unknown = !complete && self.has_list() && !self.stream.is_trusted();
        let Some(delivery) = self.deliveries.front_mut() else {
            return;
        };
        if !std::mem::take(&mut delivery.confirming) {
            return;
        }
        if unknown {
            // Looked at again before anything is sent.
            delivery.due = put_off;
            delivery.why = Why::Backoff;
            return;
        }
        let Parcel::Answer { question, .. } = &delivery.parcel else {
            return;
        };
        let id = question.id.clone();
        let stage = delivery.stage;
        if self.stream.skipped && self.stream.wait.is_none() && !question.stand_in {
            // What followed the question could not be read.
            return self.check_later();
        }
        // What was read before the list, when it says that the task does not wait.
        let read = self.held.as_ref().and_then(sequel_of);
        let told = self.still_asks(&id, complete);
        if let Some(delivery) = self.deliveries.front_mut()
            && read.is_some()
            && told
            && delivery.maybe
            && delivery.looks < RECONCILE_LOOKS
        {
            // The task has moved, and its events are yet to say how.
            delivery.looks += 1;
            delivery.look_later(now);
            return;
        }
        match (read.is_none() && told, stage) {
            (true, Stage::Reconcile) => self.still_asked(),
            (true, _) => {
                if let Some(delivery) = self.deliveries.front_mut() {
                    delivery.enter(Stage::Write, now);
                }
                self.save.need();
            }
            (false, _) => self.asked_no_more(read.or(Some(Sequel::Worked)), None),
        }
    }

    /// Why a read of the conversation does not show what is being answered; `None` when it is no conversation.
    fn reason_of(
        &self,
        question: &Question,
        reading: &Reading<P::Output>,
    ) -> Option<WithdrawReason> {
        let ours = self.lag != Lag::None;
        let users = match reading {
            Reading::Asking(shown) => shown.iter().filter_map(|shown| shown.users_before).max(),
            Reading::NotAsking => None,
            _ => return None,
        };
        Some(by_conversation(question, users, ours))
    }

    /// Why a question is open no more, by what the events tell to have followed it.
    fn reason_told(&self, question: &QuestionId) -> WithdrawReason {
        let ask = self.asks.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let told = self.stream.sequel.as_ref();
        match told.filter(|(id, _)| id == server_id) {
            Some((_, Sequel::Worked)) => WithdrawReason::AnsweredElsewhere,
            Some((_, Sequel::AskedAgain)) => WithdrawReason::Superseded,
            Some((_, Sequel::Failed | Sequel::Stopped)) | None => WithdrawReason::TaskMovedOn,
        }
    }

    /// The task asks no more: was our answer taken, or somebody else's? `read` is what a read of the task shows to have
    /// followed, `reason` what the conversation does.
    pub(super) fn asked_no_more(&mut self, read: Option<Sequel>, reason: Option<WithdrawReason>) {
        let Some(delivery) = self.deliveries.front() else {
            return;
        };
        let (question, answer) = match &delivery.parcel {
            Parcel::Answer { question, answer } => (question.id.clone(), answer),
            // That the task is over tells nothing of a message that it did not ask for.
            Parcel::Message { .. } if delivery.maybe => {
                return self.finish_delivery(Answered::Unknown, None);
            }
            Parcel::Message { .. } => {
                let attempts = delivery.writes;
                let how = Answered::Gone(WithdrawReason::TaskMovedOn);
                self.finish_delivery(how, None);
                return self.end_undelivered(attempts, false);
            }
        };
        if delivery.maybe {
            let how = self.fate(answer, &question, read);
            let detail = "what followed is not what this answer asks for: somebody else answered";
            let detail = matches!(how, Answered::Gone(_)).then(|| detail.to_owned());
            self.finish_delivery(how, detail);
            // Whatever became of the answer: nobody asks for another.
            return self.asks.set(&question, Standing::Settled);
        }
        let reason = reason.unwrap_or_else(|| self.reason_told(&question));
        let ask = self.asks.get(&question);
        let reason = ask.map_or(reason, |ask| ask.elsewhere(reason));
        self.finish_delivery(Answered::Gone(reason), None);
        // Its events do not say so: a read may have been stale, and then it is asked again.
        if let Some(wait) = &mut self.stream.wait
            && wait.question.id == question
        {
            *wait = Wait::new(wait.question.clone(), self.now);
            self.asks.forget(&question);
            self.mode();
        }
    }

    /// What became of an answer that may have arrived, by what followed the question. A rejection ends a task; every
    /// other answer lets it go on.
    fn fate(&self, answer: &Answer, question: &QuestionId, read: Option<Sequel>) -> Answered {
        let ask = self.asks.get(question);
        let server_id = ask.map_or(question, |ask| ask.server_id());
        let told = self.stream.sequel.as_ref();
        let told = told
            .filter(|(id, _)| id == server_id)
            .map(|(_, sequel)| *sequel);
        match (answer, told, read) {
            // Words are looked for in the conversation. That the task is over says nothing of who spoke.
            (Answer::Text(_), _, _) if P::CAPABILITIES.answer == Safety::Once => Answered::Unknown,
            (Answer::Text(_), _, _) => Answered::Applied,
            (Answer::Reject { .. }, Some(Sequel::Failed | Sequel::Stopped), _)
            | (Answer::Reject { .. }, None, Some(Sequel::Failed | Sequel::Stopped)) => {
                Answered::Applied
            }
            (Answer::Reject { .. }, Some(Sequel::Worked | Sequel::AskedAgain), _)
            | (Answer::Reject { .. }, None, Some(Sequel::Worked | Sequel::AskedAgain)) => {
                Answered::Gone(WithdrawReason::AnsweredElsewhere)
            }
            (Answer::Reject { .. }, None, None) => Answered::Unknown,
            (Answer::Approve | Answer::Input(_), Some(Sequel::Failed), _) => {
                Answered::Gone(WithdrawReason::AnsweredElsewhere)
            }
            // It may have gone on for a while.
            (Answer::Approve | Answer::Input(_), Some(Sequel::Stopped), _)
            | (Answer::Approve | Answer::Input(_), None, Some(Sequel::Failed | Sequel::Stopped)) => {
                Answered::Unknown
            }
            (Answer::Approve | Answer::Input(_), _, _) => Answered::Applied,
        }
    }

    /// A keyed answer of unknown fate, and the task still asks.
    fn still_asked(&mut self) {
        let now = self.now;
        let Some(delivery) = self.deliveries.front_mut() else {
            return;
        };
        delivery.looks += 1;
        if !delivery.refused && delivery.writes < self.policy.retry.writes {
            delivery.enter(Stage::Write, now);
            return self.save.need();
        }
        if delivery.looks < RECONCILE_LOOKS {
            delivery.look_later(now);
            return;
        }
        let why = delivery.trouble.clone();
        let how = if delivery.maybe {
            Answered::Unknown
        } else {
            Answered::Refused
        };
        self.finish_delivery(how, why);
    }

    fn delivery_read_failed(&mut self, trouble: &Trouble, shared: &mut Shared) {
        if let Some(error) = access_lost(trouble) {
            let id = self.known_id().clone();
            return self.end(Outcome::AccessLost { id, error });
        }
        let Some((due, why)) = self.missed(trouble, shared) else {
            return;
        };
        if let Some(delivery) = self.deliveries.front_mut() {
            delivery.due = due;
            delivery.why = why;
        }
    }

    pub(in crate::task) fn judge_write(&mut self, report: Report, shared: &mut Shared) {
        let trouble = match sort(report) {
            // A page comes from something in between: a login, a proxy.
            Ok(reply) if reply.head.media_type().as_deref() == Some("text/html") => {
                Trouble::Unreadable(ReadError::new(ReadErrorKind::Html, "a web page"))
            }
            // Any other 2xx is an acceptance, whatever its body is, unless that is about another task.
            Ok(reply) => match self.provider.accepted(self.known_id(), &reply) {
                Ok(()) => {
                    shared.succeeded();
                    return self.finish_delivery(Answered::Applied, None);
                }
                Err(error) => Trouble::Unreadable(error),
            },
            Err(trouble) => trouble,
        };
        let Some(delivery) = self.deliveries.front_mut() else {
            return;
        };
        let safety = delivery.parcel.safety::<P>();
        delivery.writes = delivery.writes.saturating_add(1);
        let why = trouble.to_string();
        if trouble.status().is_some_and(|status| status.is_success()) {
            // A 2xx was seen, its body was not: it was taken.
            return self.finish_delivery(Answered::Applied, None);
        }
        let keyed = safety == Safety::Keyed;
        let maybe = retry::may_have_happened(&trouble, &self.policy.retry);
        let draw = self.rng.u16(..);
        let wait = retry::wait(
            &trouble,
            delivery.writes,
            &self.policy.retry,
            draw,
            self.now,
        );
        match retry::judge(&trouble, safety, &self.policy.retry) {
            Verdict::Retry
                if !delivery.maybe && !maybe && delivery.writes >= self.policy.retry.writes =>
            {
                let attempts = delivery.writes;
                self.finish_delivery(Answered::NotSent, Some(why));
                self.end_undelivered(attempts, true);
            }
            Verdict::Retry => {
                // A keyed write may be repeated, but not before the task was seen to ask still.
                delivery.maybe |= maybe;
                delivery.trouble = Some(why.clone());
                if delivery.maybe {
                    delivery.enter(Stage::Reconcile, self.now);
                } else if matches!(delivery.parcel, Parcel::Answer { .. }) {
                    // What it answers may be answered by somebody else meanwhile.
                    delivery.enter(Stage::Check, self.now);
                }
                self.save.need();
                let delivery = self
                    .deliveries
                    .front_mut()
                    .expect("it stands at the front until it is finished");
                delivery.due = self.now.after(wait);
                delivery.why = retry::why(&trouble, wait, &self.policy.retry, draw, self.now);
                let (attempt, until) = (delivery.writes, delivery.due);
                shared.take(false);
                self.events.push(Event::Retrying {
                    attempt,
                    reason: RetryReason::of(&trouble),
                    why,
                    until,
                });
            }
            Verdict::Final => match trouble.status() {
                Some(status) if status.as_u16() == 401 => {
                    let id = self.known_id().clone();
                    if let Some(error) = access_lost(&trouble) {
                        self.end(Outcome::AccessLost { id, error });
                    }
                }
                // The task may have moved, because of an attempt before or without us: it tells.
                Some(status) if keyed && matches!(status.as_u16(), 409 | 422) => {
                    delivery.refused = true;
                    delivery.trouble = Some(why);
                    delivery.enter(Stage::Reconcile, self.now);
                    self.save.need();
                }
                _ => self.refused_delivery(&trouble, why),
            },
            Verdict::Unknown => {
                delivery.maybe = true;
                delivery.trouble = Some(why);
                delivery.enter(Stage::Reconcile, self.now);
                self.save.need();
            }
        }
    }

    fn refused_delivery(&mut self, trouble: &Trouble, why: String) {
        let attempts = self.deliveries.front().map_or(0, |front| front.writes);
        self.refused = refusal(trouble);
        self.finish_delivery(Answered::Refused, Some(why));
        if self.is_undelivered()
            && let Trouble::Refused(reply) = trouble
        {
            return self.end(Outcome::Refused(ApiError::read(reply)));
        }
        self.end_undelivered(attempts, false);
    }

    pub(in crate::task) fn judge_reconcile(&mut self, report: Report, shared: &mut Shared) {
        let Some(delivery) = self.deliveries.front() else {
            return;
        };
        if let Parcel::Answer { question, .. } = &delivery.parcel
            && P::CAPABILITIES.answer == Safety::Keyed
        {
            let question = question.clone();
            return self.reconcile_keyed(&question, report, shared);
        }
        let text = delivery.parcel.text().to_owned();
        let mark = delivery.mark.clone();
        let read = sort(report).and_then(|reply| {
            let landed = self
                .provider
                .landed(self.known_id(), &reply, &mark, &text)
                .map_err(Trouble::Unreadable)?;
            let reading = self
                .provider
                .read(self.known_id(), &Look::Questions, &reply)
                .map_err(Trouble::Unreadable)?;
            Ok((landed, reading))
        });
        let (landed, reading) = match read {
            Ok(read) => read,
            Err(trouble) => return self.delivery_read_failed(&trouble, shared),
        };
        shared.succeeded();
        self.misses = 0;
        self.not_found = None;
        match landed {
            Landed::Yes => self.finish_delivery(Answered::Applied, None),
            Landed::Replied => {
                self.finish_delivery(Answered::Applied, None);
                self.turn_replied();
            }
            Landed::No | Landed::Spoken => {
                let Some(delivery) = self.deliveries.front_mut() else {
                    return;
                };
                delivery.looks += 1;
                if delivery.looks < RECONCILE_LOOKS {
                    delivery.look_later(self.now);
                    return;
                }
                let why = delivery.trouble.clone();
                self.finish_delivery(Answered::Unknown, why);
                if self.turn.is_none() {
                    self.apply(reading);
                }
            }
        }
    }

    /// A keyed answer of unknown fate: once the task asks no more, it has arrived.
    fn reconcile_keyed(&mut self, question: &Question, report: Report, shared: &mut Shared) {
        let reading = sort(report).and_then(|reply| {
            self.provider
                .read(self.known_id(), &Look::Questions, &reply)
                .map_err(Trouble::Unreadable)
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(trouble) => return self.delivery_read_failed(&trouble, shared),
        };
        shared.succeeded();
        self.misses = 0;
        self.not_found = None;
        let shown = shows(&reading, question);
        if self.has_list() {
            // The events tell what followed.
            if let Some(delivery) = self.deliveries.front_mut() {
                delivery.confirming = true;
            }
            self.held = (!shown).then_some(reading);
            return self.begin_fill();
        }
        if !shown {
            let reason = self.reason_of(question, &reading);
            self.asked_no_more(sequel_of(&reading), reason);
            return self.weigh(reading);
        }
        if self.still_asks(&question.id, false) {
            self.still_asked();
        } else {
            self.asked_no_more(Some(Sequel::Worked), None);
        }
    }

    pub(in crate::task) fn finish_delivery(&mut self, how: Answered, detail: Option<String>) {
        let Some(delivery) = self.deliveries.pop_front() else {
            return;
        };
        if self
            .exchange
            .as_ref()
            .is_some_and(|exchange| matches!(exchange.flight, Flight::Planned))
        {
            self.exchange = None;
        }
        let Delivery {
            parcel,
            mark,
            trouble,
            ..
        } = delivery;
        let detail = detail.or(trouble).filter(|_| how != Answered::Applied);
        match parcel {
            Parcel::Answer { question, answer } => {
                self.asks.settle(&question.id, answer, how);
                self.events.push(Event::Answered {
                    question: question.id,
                    how,
                    detail,
                });
            }
            Parcel::Message { no, .. } => {
                self.events.push(Event::Sent {
                    message: no,
                    how,
                    detail: detail.clone(),
                });
                self.turn_sent(no, how, mark, detail);
            }
        }
        if !matches!(how, Answered::Refused | Answered::NotSent) {
            self.lag = Lag::Delivered(self.now);
        }
        self.rhythm.restart();
        if matches!(self.phase, Phase::Following(_)) {
            self.look_again(Look::Status, None);
        }
        self.save.need();
        self.mode();
    }

    /// The watch ends: what is known of each delivery that is not done with.
    pub(in crate::task) fn let_go(&mut self) {
        let writing = self.exchange.as_ref().is_some_and(|exchange| {
            exchange.purpose == Purpose::Write && !matches!(exchange.flight, Flight::Planned)
        });
        let mut underway = writing;
        while !self.phase.is_ended()
            && let Some(delivery) = self.deliveries.front()
        {
            if let Some(over) = self.held.as_ref().filter(|held| held.is_over())
                && delivery.maybe
                && matches!(delivery.parcel, Parcel::Answer { .. })
            {
                // It tells what followed, if not all of it.
                let followed = sequel_of(over);
                self.asked_no_more(followed, None);
                continue;
            }
            let (how, why) = if std::mem::take(&mut underway) {
                (Answered::Unknown, "the watch ended before the reply came")
            } else if delivery.maybe {
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
            let detail = match &delivery.trouble {
                Some(trouble) => format!("{trouble}; {why}"),
                None => why.to_owned(),
            };
            self.finish_delivery(how, Some(detail));
        }
    }
}

/// What a reading shows to have followed a question; `None` when it may still be asked.
fn sequel_of<O>(reading: &Reading<O>) -> Option<Sequel> {
    match reading {
        Reading::Failed(_) => Some(Sequel::Failed),
        Reading::Stopped(_) => Some(Sequel::Stopped),
        Reading::Waiting(_) | Reading::Unclear | Reading::Events(_) => None,
        Reading::Pending(_)
        | Reading::Next(..)
        | Reading::Asking(_)
        | Reading::NotAsking
        | Reading::Paused(_)
        | Reading::Ready(_)
        | Reading::Succeeded(..)
        | Reading::Unknown(_) => Some(Sequel::Worked),
    }
}

/// Whether a reading still shows the question, or may: a task that waits does not always say for what.
fn shows<O>(reading: &Reading<O>, question: &Question) -> bool {
    match reading {
        Reading::Waiting(_) => true,
        Reading::Asking(questions) => questions.iter().any(|shown| shown.id == question.id),
        _ => false,
    }
}
