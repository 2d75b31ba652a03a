//! Answers and messages: each is applied at most once, to the question that it was written for, and what is reported of it is
//! true on the server.

use taskward_core::{Answer, Answered, Event, Question, QuestionId, Safety};

use super::super::observation::{Aim, Observation, Sent};
use super::CheckResult::{Broken, Holds, Silent};
use super::{CheckResult, Model, hold};
use taskward_sim::platform::Effect;

impl Model {
    /// I-2.
    pub(super) fn answers_once(&self, fact: &Observation) -> CheckResult {
        match fact {
            Observation::Left(outgoing) if outgoing.effect == Effect::Answer => {
                self.may_leave(outgoing)
            }
            Observation::Arrived {
                no,
                answered,
                is_taken,
                ..
            } => match (self.may_be_taken(*no, *is_taken), answered) {
                (Broken(why), _) => Broken(why),
                (Silent | Holds, Some(question)) => self.may_be_answered(*no, question),
                (verdict @ (Silent | Holds), None) => verdict,
            },
            Observation::Told(event) => match &**event {
                Event::Question(question) => self.is_told_as_asked(question),
                Event::Answered { question, how, .. } => {
                    self.is_true(&Aim::Question(question.to_string()), *how)
                }
                Event::Sent { message, how, .. } => self.is_true(&Aim::Message(message.0), *how),
                _ => Silent,
            },
            _ => Silent,
        }
    }

    // --- before ------------------------------------------------------------------------------------------------

    fn may_leave(&self, outgoing: &Sent) -> CheckResult {
        let Some(aim) = &outgoing.aim else {
            return Broken("an answer leaves that no state of the task knows".to_owned());
        };
        let of_another = |earlier: &&Sent| {
            earlier.key.is_some() && earlier.key == outgoing.key && earlier.aim != outgoing.aim
        };
        if let Some(other) = self.all_left().find(of_another) {
            return Broken(format!(
                "{aim} leaves under the key of request {}",
                other.no
            ));
        }
        if let Some(Answer::Text(words)) = self.requested(aim)
            && !outgoing.content.contains(&as_json(words))
        {
            return Broken(format!("{aim} leaves in other words than were wished for"));
        }
        hold(self.was_checked(aim), || format!("{aim} leaves unchecked"))
    }

    /// Returns whether a read was made and understood after the answer was requested, or last sent, or the process began.
    fn was_checked(&self, aim: &Aim) -> bool {
        let mut read = Vec::new();
        for fact in self.past().rev() {
            match fact {
                Observation::Read { no, .. } => read.push(*no),
                Observation::Left(earlier) if read.contains(&earlier.no) => return true,
                // A message answers nothing: if it was never sent, it may be sent without another poll.
                Observation::Left(earlier)
                    if matches!(aim, Aim::Message(_))
                        && self
                            .delivery(earlier.no)
                            .is_some_and(|delivery| !delivery.may_have_happened()) => {}
                Observation::Left(earlier) if earlier.effect == Effect::Answer => return false,
                Observation::Requested { aim: wished, .. } if wished == aim => return false,
                // Nor is one that another process put off: what that one read is stored with it.
                Observation::Born(birth)
                    if matches!(aim, Aim::Message(_))
                        && birth.from.as_ref().is_some_and(|from| from.put_off(aim)) => {}
                Observation::Born(_) => return false,
                _ => {}
            }
        }
        false
    }

    /// Returns the last requested answer or message.
    fn requested(&self, aim: &Aim) -> Option<&Answer> {
        match self.since_requested(aim).first()? {
            Observation::Requested { aim: of, answer } if of == aim => answer.as_ref(),
            _ => None,
        }
    }

    // --- on the server -----------------------------------------------------------------------------------------

    /// Checks that nothing was applied that was reported as not applied.
    fn may_be_taken(&self, no: u64, is_taken: bool) -> CheckResult {
        let aim = self.left(no).and_then(|outgoing| outgoing.aim.as_ref());
        let Some(aim) = aim.filter(|_| is_taken) else {
            return Silent;
        };
        let since = self
            .past()
            .skip_while(|fact| !matches!(fact, Observation::Left(outgoing) if outgoing.no == no));
        let told = since
            .into_iter()
            .find_map(|fact| self.verdict_on(aim, fact));
        match told {
            Some(how @ (Answered::Gone(_) | Answered::Refused | Answered::NotSent)) => {
                Broken(format!("{aim} was told to be {how:?}, and is taken"))
            }
            Some(_) | None => Holds,
        }
    }

    fn verdict_on(&self, aim: &Aim, fact: &Observation) -> Option<Answered> {
        let Observation::Told(event) = fact else {
            return None;
        };
        match (&**event, aim) {
            (Event::Answered { question, how, .. }, Aim::Question(id))
                if question.as_str() == id =>
            {
                Some(*how)
            }
            (Event::Sent { message, how, .. }, Aim::Message(no)) if message.0 == *no => Some(*how),
            _ => None,
        }
    }

    fn may_be_answered(&self, no: u64, question: &str) -> CheckResult {
        let aim = self.left(no).and_then(|outgoing| outgoing.aim.as_ref());
        let Some(Aim::Question(meant)) = aim else {
            // A message may answer what is asked, as its sender knows.
            return Silent;
        };
        if meant == question {
            let before = self.applied(question);
            let allowed = self.repetitions(question);
            return hold(before <= allowed, || {
                format!("question {question} is answered again, {before} times before")
            });
        }
        let Some(opened) = self.opened.get(question) else {
            return Silent;
        };
        if !self.opened.contains_key(meant) {
            // The server does not know a stand-in, and neither does a human who answers it.
            let is_stand_in = QuestionId::new(meant.as_str()).is_stand_in();
            return hold(is_stand_in, || {
                format!("an answer to {meant}, which nobody asked, is sent to {question}")
            });
        }
        let seen = self.last_read_before(no);
        hold(seen.is_none_or(|as_of| as_of <= *opened), || {
            format!("an answer to {meant} is sent when {question} was already to be seen")
        })
    }

    /// Checks that a human is shown what the server asks under this id: an answer to it answers this text.
    fn is_told_as_asked(&self, question: &Question) -> CheckResult {
        match self.asked.get(question.id.as_str()) {
            Some(text) => hold(*text == question.text, || {
                format!(
                    "{} is told as {:?} and asks {text:?}",
                    question.id, question.text
                )
            }),
            None => Silent,
        }
    }

    /// Returns how often an answer of ours that was meant for this question was applied to it.
    fn applied(&self, question: &str) -> usize {
        let applied = self.past().filter(|fact| match fact {
            Observation::Arrived {
                no,
                answered: Some(to),
                ..
            } => {
                let aim = self.left(*no).and_then(|outgoing| outgoing.aim.as_ref());
                to == question && matches!(aim, Some(Aim::Question(meant)) if meant == to)
            }
            _ => false,
        });
        applied.count()
    }

    /// Returns how often a human repeated an answer that was reported as of unknown outcome.
    fn repetitions(&self, question: &str) -> usize {
        let mut unknown = false;
        let mut repeated = 0;
        for fact in self.past() {
            match fact {
                Observation::Told(event) => {
                    if let Event::Answered {
                        question: of,
                        how: Answered::Unknown,
                        ..
                    } = &**event
                        && of.as_str() == question
                    {
                        unknown = true;
                    }
                }
                Observation::Requested {
                    aim: Aim::Question(of),
                    ..
                } if of == question && unknown => repeated += 1,
                _ => {}
            }
        }
        repeated
    }

    /// Returns when the last read before a request was sent was true.
    fn last_read_before(&self, no: u64) -> Option<u64> {
        let mut seen = None;
        for fact in self.past() {
            match fact {
                Observation::Read { as_of, .. } => seen = Some(*as_of),
                Observation::Left(outgoing) if outgoing.no == no => break,
                _ => {}
            }
        }
        seen
    }

    // --- what is reported --------------------------------------------------------------------------------------

    /// Returns whether what is reported of an answer or a message is true on the server.
    fn is_true(&self, aim: &Aim, how: Answered) -> CheckResult {
        let sent: Vec<&Sent> = self
            .since_requested(aim)
            .iter()
            .filter_map(|fact| match fact {
                Observation::Left(outgoing) if outgoing.aim.as_ref() == Some(aim) => Some(outgoing),
                _ => None,
            })
            .collect();
        let taken = |is_one: &dyn Fn(&Sent) -> bool| self.taken().filter(|one| is_one(one)).count();
        match how {
            Answered::Unknown => Holds,
            Answered::Gone(_) | Answered::Refused | Answered::NotSent => {
                let taken = taken(&|outgoing| sent.iter().any(|one| one.no == outgoing.no));
                hold(taken == 0, || format!("{aim} is {how:?}, and was taken"))
            }
            Answered::Applied => {
                // Under a key, what was taken before is not taken again: it is the same answer.
                let keyed = self.rules.answer == Safety::Keyed;
                let is_one = |outgoing: &Sent| {
                    sent.iter().any(|one| {
                        one.no == outgoing.no
                            || (keyed && one.key == outgoing.key && one.aim == outgoing.aim)
                    })
                };
                // A yes is the same from whomever it came. So is, as far as a client can see, data: where ours was lost and
                // somebody else gave theirs, nothing that can be read says which one the task used.
                let is_same = matches!(
                    self.requested(aim),
                    Some(Answer::Approve | Answer::Input(_))
                ) && self.past().any(|fact| match fact {
                    Observation::AnsweredByOther { question } => self.may_be(aim, question),
                    _ => false,
                });
                let taken = taken(&is_one);
                hold(taken == 1 || (taken == 0 && is_same), || {
                    format!("{aim} is applied, and was taken {taken} times")
                })
            }
            _ => Broken(format!("{aim} is {how:?}, which this model does not know")),
        }
    }

    /// Returns whether this is for the question that the server knows by this id: a stand-in may be for any.
    fn may_be(&self, aim: &Aim, question: &str) -> bool {
        let Aim::Question(id) = aim else {
            return false;
        };
        id == question || !self.opened.contains_key(id)
    }

    /// Returns what happened since an answer or a message was last requested.
    fn since_requested(&self, aim: &Aim) -> &[Observation] {
        let begins = |fact: &Observation| match fact {
            Observation::Requested { aim: of, .. } => of == aim,
            // A message that was not durable by then is forgotten, and its number given to another.
            Observation::Born(birth) => match (aim, &birth.from) {
                (Aim::Message(no), Some(from)) => !from.knows(*no),
                (Aim::Message(_), None) => true,
                (Aim::Question(_), _) => false,
            },
            _ => false,
        };
        let from = self.history.iter().rposition(begins).unwrap_or(0);
        &self.history[from..]
    }
}

/// Words as they stand in a JSON body.
pub(super) fn as_json(words: &str) -> String {
    let quoted = serde_json::Value::from(words).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
