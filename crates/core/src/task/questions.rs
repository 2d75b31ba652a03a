//! The questions region: which questions are open, which were answered, and which must not be offered again.
//! ARCHITECTURE.md draws their states.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::id::{EventId, EventSeq, QuestionId, TaskId};
use crate::question::{Answer, AnswerError, Answered, Question, QuestionKind, WithdrawReason};

use crate::snapshot::{
    Saved, SavedQuestion, SavedQuestionState, SavedShownStandIn, SavedStandIn, TakenUp,
};

use super::event_queue::EventQueue;

/// The state of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuestionState {
    /// The question was reported, and nobody has answered it.
    Open,
    /// An answer is being sent.
    Answering,
    /// An answer to a stand-in is being sent, and the task has worked since: no later event is about this question.
    Overtaken,
    /// The question was answered; it is never offered again.
    Resolved,
    /// The question was answered, and the task has worked since.
    Superseded,
    /// An answer did not succeed for certain; only an explicit answer of the caller repeats it.
    Unconfirmed,
}

/// What changes the state of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuestionChange {
    /// The caller answers.
    Answered,
    /// The answer was applied, or comes too late.
    Applied,
    /// The answer was refused or not sent, or nobody knows whether it was applied.
    Failed,
    /// The task no longer asks.
    Withdrawn,
    /// An event shows the task at work. This is about stand-ins only: the events name every other question.
    Worked,
    /// The event that was taken for this question asks another one.
    Unlinked,
}

impl QuestionState {
    /// Returns the next state, or `None` if the question is forgotten: the one place that says so.
    fn after(self, change: QuestionChange) -> Option<Self> {
        Some(match (self, change) {
            (Self::Open | Self::Unconfirmed, QuestionChange::Answered) => Self::Answering,
            (Self::Answering, QuestionChange::Applied) => Self::Resolved,
            (Self::Answering, QuestionChange::Failed) => Self::Unconfirmed,
            (Self::Answering, QuestionChange::Worked) => Self::Overtaken,
            (Self::Overtaken, QuestionChange::Applied | QuestionChange::Failed)
            | (Self::Resolved, QuestionChange::Worked | QuestionChange::Unlinked) => {
                Self::Superseded
            }
            (Self::Open, QuestionChange::Withdrawn) => return None,
            // An answer may have arrived: the question is not asked again by itself.
            (Self::Unconfirmed, QuestionChange::Withdrawn) => Self::Resolved,
            (state, _) => state,
        })
    }

    /// Returns whether a human may answer the question now.
    fn is_answerable(self) -> bool {
        matches!(self, Self::Open | Self::Unconfirmed)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuestionEntry {
    pub(super) question: Question,
    pub(super) state: QuestionState,
    /// The server's own id, if the question was reported as a stand-in and identified later.
    pub(super) known_as: Option<QuestionId>,
    /// Whether an answer of ours may have been applied: if the task goes on, that answer may be the reason.
    pub(super) may_be_ours: bool,
    /// This client's answer, once it was applied.
    pub(super) answer: Option<Answer>,
    /// The number of the event that asks the question.
    pub(super) told_as: Option<EventId>,
}

impl QuestionEntry {
    fn open(question: Question) -> Self {
        Self {
            question,
            state: QuestionState::Open,
            known_as: None,
            may_be_ours: false,
            answer: None,
            told_as: None,
        }
    }

    /// Returns whether another process may have reported the question as this stand-in, and nothing else: it is the
    /// first wait after one of the events between the previous wait and this one.
    pub(super) fn was_stood_in_for(&self, task: &TaskId, id: &QuestionId) -> bool {
        let (Some(from), Some(seq)) = (self.question.unseen_after, self.question.seq) else {
            return false;
        };
        let places = (from.0..seq.0).rev().take(MOST_PLACES);
        let mut first = places.map(|after| StandInPlace { after, nth: 1 });
        id.is_stand_in() && first.any(|place| place.id(task) == *id)
    }

    /// Returns the reason why the question is no longer open. If an answer of ours may have been applied, or if only a
    /// stand-in is known, nobody can say that somebody else answered.
    pub(super) fn elsewhere(&self, reason: WithdrawReason) -> WithdrawReason {
        let is_anybodys = self.may_be_ours || self.is_unnamed();
        match reason {
            WithdrawReason::AnsweredElsewhere if is_anybodys => WithdrawReason::TaskMovedOn,
            reason => reason,
        }
    }

    /// Returns the id by which the server knows the question.
    pub(super) fn server_id(&self) -> &QuestionId {
        self.known_as.as_ref().unwrap_or(&self.question.id)
    }

    /// Returns whether no event has named the question yet.
    pub(super) fn is_unnamed(&self) -> bool {
        self.question.stand_in && self.known_as.is_none()
    }

    fn is_called(&self, id: &QuestionId) -> bool {
        self.question.id == *id || self.known_as.as_ref() == Some(id)
    }
}

/// The stored form.
impl QuestionEntry {
    fn stored(&self) -> SavedQuestion {
        let Self {
            question,
            state,
            known_as,
            may_be_ours,
            answer,
            told_as,
        } = self.clone();
        SavedQuestion {
            question,
            state: match state {
                QuestionState::Open => SavedQuestionState::Open,
                QuestionState::Answering => SavedQuestionState::Answering,
                QuestionState::Overtaken => SavedQuestionState::Overtaken,
                QuestionState::Resolved => SavedQuestionState::Resolved,
                QuestionState::Superseded => SavedQuestionState::Superseded,
                QuestionState::Unconfirmed => SavedQuestionState::Unconfirmed,
            },
            known_as,
            may_be_ours,
            answer,
            told_as,
        }
    }

    pub(super) fn restore(saved: SavedQuestion) -> Self {
        let SavedQuestion {
            question,
            state,
            known_as,
            may_be_ours,
            answer,
            told_as,
        } = saved;
        Self {
            question,
            state: match state {
                SavedQuestionState::Open => QuestionState::Open,
                SavedQuestionState::Answering => QuestionState::Answering,
                SavedQuestionState::Overtaken => QuestionState::Overtaken,
                SavedQuestionState::Resolved => QuestionState::Resolved,
                SavedQuestionState::Superseded => QuestionState::Superseded,
                SavedQuestionState::Unconfirmed => QuestionState::Unconfirmed,
            },
            known_as,
            may_be_ours,
            answer,
            told_as,
        }
    }
}

/// What is known of a question that an event asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownAs {
    /// The question is new and must be reported.
    New,
    /// The question was reported.
    Told,
    /// The question seems to be one that was answered as a stand-in.
    Resolved,
}

/// How many events before a wait may be the place of its stand-in.
const MOST_PLACES: usize = 100_000;

/// Reads in a row that must show a stand-in before it is reported.
const STAND_IN_READS: u32 = 3;

/// The place of a stand-in about which the events say nothing: the `nth` after the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StandInPlace {
    pub(super) after: u64,
    pub(super) nth: u32,
}

impl StandInPlace {
    /// Returns the id of the question asked at this place.
    pub(super) fn id(self, task: &TaskId) -> QuestionId {
        QuestionId::stand_in(task, &format!("{}.{}", self.after, self.nth))
    }
}

/// A stand-in that too few reads have shown so far.
#[derive(Debug)]
struct StandIn {
    id: QuestionId,
    /// How many reads in a row have shown it.
    reads: u32,
    /// The place of the stand-in, if the id did not come from a read.
    place: Option<StandInPlace>,
}

#[derive(Debug, Default)]
pub(super) struct Questions {
    entries: BTreeMap<QuestionId, QuestionEntry>,
    /// The stand-in that is to be reported.
    stand_in: Option<Box<StandIn>>,
    /// The place of the task's newest stand-in: no later stand-in has its id. Few tasks have one.
    place: Option<Box<StandInPlace>>,
    /// Whether a review is open that no answer of ours resolves.
    pub(super) paused: bool,
}

impl Questions {
    /// Adds the questions to the stored form of their task.
    pub(super) fn store(&self, saved: &mut Saved) {
        let Self {
            entries,
            stand_in,
            place,
            paused,
        } = self;
        saved.questions = entries.values().map(QuestionEntry::stored).collect();
        let kept = |place: &StandInPlace| SavedStandIn {
            after: place.after,
            nth: place.nth,
        };
        saved.stand_in = place.as_deref().map(kept);
        saved.stand_in_shown = stand_in.as_ref().map(|shown| SavedShownStandIn {
            id: shown.id.clone(),
            reads: shown.reads,
            place: shown.place.as_ref().map(kept),
        });
        saved.paused = *paused;
    }

    /// Restores the questions of a stored task. Open ones are reported again under their numbers, unless the task was
    /// only parked: nobody may have heard of them.
    pub(super) fn restore(saved: &Saved, how: TakenUp, events: &mut EventQueue) -> Self {
        let kept = |place: SavedStandIn| StandInPlace {
            after: place.after,
            nth: place.nth,
        };
        let mut questions = Self {
            entries: BTreeMap::new(),
            stand_in: saved.stand_in_shown.clone().map(|shown| {
                Box::new(StandIn {
                    id: shown.id,
                    reads: shown.reads,
                    place: shown.place.map(kept),
                })
            }),
            place: saved.stand_in.map(|place| Box::new(kept(place))),
            paused: saved.paused,
        };
        for entry in saved.questions.iter().cloned().map(QuestionEntry::restore) {
            if entry.state == QuestionState::Open && how == TakenUp::Resumed {
                questions.tell(entry, events);
            } else {
                questions.entries.insert(entry.question.id.clone(), entry);
            }
        }
        questions
    }

    /// Returns whether the task waits for a human, by a question or by a review.
    #[inline]
    pub(super) fn wait_for_a_human(&self) -> bool {
        self.paused || (!self.is_empty() && self.open().next().is_some())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &QuestionEntry> {
        self.entries.values()
    }

    /// Reports a question: a new one, or one again in a process that may not have reported it.
    pub(super) fn offer_again(&mut self, question: Question, events: &mut EventQueue) {
        self.tell(QuestionEntry::open(question), events);
    }

    /// Reports an open question with all that is known of it.
    pub(super) fn tell(&mut self, mut entry: QuestionEntry, events: &mut EventQueue) {
        let event = Event::Question(entry.question.clone());
        match entry.told_as {
            Some(id) => events.push_again(id, event),
            None => entry.told_as = Some(events.push(event)),
        }
        self.entries.insert(entry.question.id.clone(), entry);
    }

    /// Returns whether no question was ever asked: then a poll need not ask about any.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether no question was ever asked, none is to be reported, and no review is open.
    pub(super) fn is_unused(&self) -> bool {
        self.entries.is_empty() && self.stand_in.is_none() && !self.paused
    }

    /// Returns the questions that a human may answer now.
    pub(super) fn open(&self) -> impl Iterator<Item = &Question> {
        self.entries
            .values()
            .filter(|entry| entry.state.is_answerable())
            .map(|entry| &entry.question)
    }

    pub(super) fn get(&self, id: &QuestionId) -> Option<&QuestionEntry> {
        self.entries.get(id).or_else(|| {
            self.entries
                .values()
                .find(|entry| entry.known_as.as_ref() == Some(id))
        })
    }

    /// Returns whether a question is open that the conversation shows.
    pub(super) fn is_asking_in_words(&self) -> bool {
        self.entries.values().any(|entry| {
            let is_open = entry.state == QuestionState::Open;
            is_open && entry.question.users_before.is_some() && !entry.question.stand_in
        })
    }

    /// Returns whether an answer to this question has arrived, or no longer can.
    pub(super) fn is_resolved(&self, id: &QuestionId) -> bool {
        self.get(id)
            .is_some_and(|entry| !entry.state.is_answerable())
    }

    pub(super) fn change(&mut self, id: &QuestionId, change: QuestionChange) {
        if let Some(entry) = self.entries.get_mut(id) {
            match entry.state.after(change) {
                Some(state) => entry.state = state,
                None => self.forget(id),
            }
        }
    }

    /// Compares the question that an event asks with those that were reported, perhaps as stand-ins, so that none is
    /// reported twice. A resolved stand-in counts while the status `lags`: its event may come late.
    pub(super) fn identify(
        &mut self,
        seen: &Question,
        is_stale: bool,
        events: &mut EventQueue,
    ) -> KnownAs {
        self.stand_in = None;
        if self.get(&seen.id).is_some() {
            return KnownAs::Told;
        }
        let unnamed = self.entries.values_mut().find(|entry| {
            let alive = match entry.state {
                QuestionState::Open | QuestionState::Answering | QuestionState::Unconfirmed => true,
                QuestionState::Resolved => is_stale,
                QuestionState::Overtaken | QuestionState::Superseded => false,
            };
            alive && entry.is_unnamed()
        });
        let Some(entry) = unnamed else {
            return KnownAs::New;
        };
        entry.known_as = Some(seen.id.clone());
        entry.question.kind = seen.kind.clone();
        entry.question.text.clone_from(&seen.text);
        entry.question.payload.clone_from(&seen.payload);
        entry.question.seq = seen.seq;
        entry.question.unseen_after = seen.unseen_after;
        match entry.state {
            QuestionState::Open | QuestionState::Unconfirmed => {
                events.push(Event::Identified(entry.question.clone()));
                KnownAs::Told
            }
            QuestionState::Answering => KnownAs::Told,
            QuestionState::Resolved | QuestionState::Overtaken | QuestionState::Superseded => {
                KnownAs::Resolved
            }
        }
    }

    /// Notes that an event shows the task at work: no later event is about a stand-in that was answered.
    pub(super) fn worked(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.question.stand_in
                && let Some(state) = entry.state.after(QuestionChange::Worked)
            {
                entry.state = state;
            }
        }
    }

    /// Separates the event with this id from the question it was taken for: it asks a question of its own.
    pub(super) fn unlink(&mut self, id: &QuestionId) {
        for entry in self.entries.values_mut() {
            if entry.known_as.as_ref() == Some(id)
                && let Some(state) = entry.state.after(QuestionChange::Unlinked)
            {
                entry.known_as = None;
                entry.state = state;
            }
        }
    }

    /// Forgets a question whose answer was not applied, so that it may be reported again.
    pub(super) fn forget(&mut self, id: &QuestionId) {
        self.entries.remove(id);
    }

    /// Compares the questions with those that a read shows: reports new ones, and withdraws vanished ones for the given
    /// reason.
    pub(super) fn offer(
        &mut self,
        questions: Vec<Question>,
        reason: impl Fn(&Question) -> WithdrawReason,
        events: &mut EventQueue,
    ) {
        self.keep_only(
            |id| questions.iter().any(|question| question.id == *id),
            reason,
            events,
        );
        for question in questions {
            if self.get(&question.id).is_some() || !self.believable(&question, None, STAND_IN_READS)
            {
                continue;
            }
            self.offer_again(question, events);
        }
    }

    /// Records that a read shows a question about which no event says anything; it is reported after enough reads that
    /// agree.
    pub(super) fn offer_stand_in(
        &mut self,
        task: &TaskId,
        after: Option<EventSeq>,
        reads: u32,
        events: &mut EventQueue,
    ) {
        let after = after.map_or(0, |after| after.0);
        let nth = match &self.place {
            Some(place) if place.after == after => place.nth + 1,
            _ => 1,
        };
        // Whatever was reported since the first of these reads is the same question.
        let shown = self.stand_in.as_ref().and_then(|shown| shown.place);
        let place = shown.unwrap_or(StandInPlace { after, nth });
        let kind = QuestionKind::Other("unknown".to_owned());
        let question = Question::new(place.id(task), kind, "").as_stand_in();
        if self.believable(&question, Some(place), reads) {
            self.stand_in = None;
            self.place = Some(Box::new(place));
            self.offer_again(question, events);
        }
    }

    /// Returns whether enough reads have shown the stand-in.
    fn believable(
        &mut self,
        question: &Question,
        place: Option<StandInPlace>,
        wanted: u32,
    ) -> bool {
        if !question.stand_in {
            self.stand_in = None;
            return true;
        }
        let reads = match &self.stand_in {
            Some(shown) if shown.id == question.id => shown.reads + 1,
            _ => 1,
        };
        self.stand_in = Some(Box::new(StandIn {
            id: question.id.clone(),
            reads,
            place,
        }));
        reads >= wanted
    }

    /// Withdraws every open question for the given reason.
    pub(super) fn withdraw(
        &mut self,
        reason: impl Fn(&Question) -> WithdrawReason,
        events: &mut EventQueue,
    ) {
        self.stand_in = None;
        if !self.entries.is_empty() {
            self.keep_only(|_| false, reason, events);
        }
    }

    fn keep_only(
        &mut self,
        shown: impl Fn(&QuestionId) -> bool,
        reason: impl Fn(&Question) -> WithdrawReason,
        events: &mut EventQueue,
    ) {
        self.entries.retain(|id, entry| {
            // Resolved ones stay known, or a stale read would offer them again; `judge/writes.rs` judges an answer
            // under way.
            let is_shown = shown(id) || entry.known_as.as_ref().is_some_and(&shown);
            if !entry.state.is_answerable() || is_shown {
                return true;
            }
            events.push(Event::Withdrawn {
                question: id.clone(),
                reason: entry.elsewhere(reason(&entry.question)),
            });
            match entry.state.after(QuestionChange::Withdrawn) {
                Some(state) => {
                    entry.state = state;
                    true
                }
                None => false,
            }
        });
    }

    /// Records the outcome of an answer; returns whether the question is over although the answer failed.
    pub(super) fn resolve(&mut self, id: &QuestionId, answer: Answer, how: Answered) -> bool {
        self.change(
            id,
            match how {
                Answered::Applied | Answered::Gone(_) => QuestionChange::Applied,
                Answered::Refused | Answered::Unknown | Answered::NotSent => QuestionChange::Failed,
            },
        );
        if let Some(entry) = self.entries.get_mut(id) {
            entry.may_be_ours |= how == Answered::Unknown;
            entry.answer = (how == Answered::Applied).then_some(answer);
        }
        let state = self.entries.get(id).map(|entry| entry.state);
        let has_failed = !matches!(how, Answered::Applied | Answered::Gone(_));
        has_failed && state == Some(QuestionState::Superseded)
    }
}

/// Returns the arrows of the diagram.
#[cfg(test)]
pub(super) fn arrows() -> Vec<super::diagrams::Arrow> {
    let states: [fn() -> Option<QuestionState>; 6] = [
        || Some(QuestionState::Open),
        || Some(QuestionState::Answering),
        || Some(QuestionState::Unconfirmed),
        || Some(QuestionState::Overtaken),
        || Some(QuestionState::Resolved),
        || Some(QuestionState::Superseded),
    ];
    let changes = [
        (QuestionChange::Answered, "answered"),
        (QuestionChange::Applied, "applied, or too late"),
        (QuestionChange::Failed, "refused, not sent, or unknown"),
        (QuestionChange::Withdrawn, "withdrawn"),
        (QuestionChange::Worked, "a stand-in, and the task works"),
        (QuestionChange::Unlinked, "its event asks something else"),
    ];
    super::diagrams::arrows(&states, &changes, |state, change| state?.after(change))
}

/// Returns the question that may be answered now, among all that are known of a task.
pub(super) fn answerable<'a>(
    entries: impl IntoIterator<Item = &'a QuestionEntry>,
    task: Option<&TaskId>,
    id: &QuestionId,
) -> Result<&'a QuestionEntry, AnswerError> {
    let Some(entry) = named(entries, task, id) else {
        return Err(AnswerError::NoSuchQuestion(id.clone()));
    };
    match entry.state {
        QuestionState::Open | QuestionState::Unconfirmed => Ok(entry),
        QuestionState::Answering | QuestionState::Overtaken => {
            Err(AnswerError::BeingAnswered(id.clone()))
        }
        QuestionState::Resolved | QuestionState::Superseded => Err(AnswerError::AlreadyAnswered {
            id: id.clone(),
            with: entry.answer.clone(),
        }),
    }
}

/// Finds the question with this id: its own id, or that of a stand-in used here or in another process.
pub(super) fn named<'a>(
    entries: impl IntoIterator<Item = &'a QuestionEntry>,
    task: Option<&TaskId>,
    id: &QuestionId,
) -> Option<&'a QuestionEntry> {
    let entries: Vec<&QuestionEntry> = entries.into_iter().collect();
    let own = entries.iter().find(|entry| entry.is_called(id));
    let stood_in_for =
        |entry: &&&QuestionEntry| task.is_some_and(|task| entry.was_stood_in_for(task, id));
    own.or_else(|| entries.iter().find(stood_in_for)).copied()
}

/// Checks whether the answer fits the kind of the question.
pub(super) fn fits(question: &Question, answer: &Answer) -> Result<(), AnswerError> {
    let unfit = |why| {
        Err(AnswerError::WrongKind {
            id: question.id.clone(),
            wants: question.kind.clone(),
            why,
        })
    };
    match (&question.kind, answer) {
        (QuestionKind::Text | QuestionKind::Authentication, Answer::Text(text))
            if text.trim().is_empty() =>
        {
            unfit("it is empty")
        }
        (QuestionKind::Text | QuestionKind::Authentication, Answer::Text(_))
        | (QuestionKind::Authentication, Answer::Input(_))
        | (QuestionKind::Other(_), _) => Ok(()),
        (QuestionKind::Approval, Answer::Approve | Answer::Reject { .. }) => Ok(()),
        (QuestionKind::Data, Answer::Input(_) | Answer::Reject { .. }) => Ok(()),
        (QuestionKind::Text, _) => unfit("it needs words"),
        (QuestionKind::Approval, _) => unfit("it needs an approval or a rejection"),
        (QuestionKind::Data, _) => unfit("it needs a JSON object"),
        (QuestionKind::Authentication, _) => unfit("it needs words or a JSON object"),
    }
}
