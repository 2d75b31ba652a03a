//! The questions region: what is asked, what was answered, and what may not be offered again.
//!
//! ```text
//! Open ─answer()─► Answering ─┬─► Settled (applied, gone)
//!   │                         └─► Doubtful (unknown, refused) ─answer()─► Answering
//!   └── withdrawn ──► forgotten
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::QuestionId;
use crate::question::{Answered, Question};

use super::events::Events;

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Told, nobody has answered.
    Open,
    /// An answer is on its way.
    Answering,
    /// Answered; never offered again.
    Settled,
    /// An answer went wrong; only the caller's explicit answer repeats it.
    Doubtful,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) question: Question,
    pub(crate) standing: Standing,
}

/// Reads in a row that must show a stand-in question before it is told.
const STAND_IN_LOOKS: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Asks {
    asks: BTreeMap<QuestionId, Ask>,
    stand_in: Option<(QuestionId, u32)>,
}

impl Asks {
    pub(super) fn restore(asks: Vec<Ask>) -> Self {
        Self {
            asks: asks
                .into_iter()
                .map(|ask| (ask.question.id.clone(), ask))
                .collect(),
            stand_in: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Ask> {
        self.asks.values()
    }

    /// Tells an open question once more, in a process that may not have heard of it.
    pub(super) fn offer_again(&mut self, question: Question, events: &mut Events) {
        events.push(Event::Question(question.clone()));
        self.asks.insert(
            question.id.clone(),
            Ask {
                question,
                standing: Standing::Open,
            },
        );
    }

    /// Those that a human may answer now.
    pub(super) fn open(&self) -> impl Iterator<Item = &Question> {
        self.asks
            .values()
            .filter(|ask| matches!(ask.standing, Standing::Open | Standing::Doubtful))
            .map(|ask| &ask.question)
    }

    pub(super) fn get(&self, id: &QuestionId) -> Option<&Ask> {
        self.asks.get(id)
    }

    pub(super) fn set(&mut self, id: &QuestionId, standing: Standing) {
        if let Some(ask) = self.asks.get_mut(id) {
            ask.standing = standing;
        }
    }

    /// A read showed exactly these questions: new ones are told, vanished ones withdrawn.
    pub(super) fn offer(&mut self, questions: Vec<Question>, events: &mut Events) {
        self.keep_only(
            |id| questions.iter().any(|question| question.id == *id),
            events,
        );
        for question in questions {
            if self.asks.contains_key(&question.id) || !self.believable(&question) {
                continue;
            }
            events.push(Event::Question(question.clone()));
            self.asks.insert(
                question.id.clone(),
                Ask {
                    question,
                    standing: Standing::Open,
                },
            );
        }
    }

    /// Whether a stand-in question has shown often enough.
    fn believable(&mut self, question: &Question) -> bool {
        if !question.stand_in {
            self.stand_in = None;
            return true;
        }
        let looks = match &self.stand_in {
            Some((id, looks)) if *id == question.id => looks + 1,
            _ => 1,
        };
        self.stand_in = Some((question.id.clone(), looks));
        looks >= STAND_IN_LOOKS
    }

    /// A read showed that nothing is asked.
    pub(super) fn withdraw(&mut self, events: &mut Events) {
        self.stand_in = None;
        if !self.asks.is_empty() {
            self.keep_only(|_| false, events);
        }
    }

    fn keep_only(&mut self, shown: impl Fn(&QuestionId) -> bool, events: &mut Events) {
        self.asks.retain(|id, ask| match ask.standing {
            // Settled ones stay known, or a stale read would offer them again; an answer under way is judged there.
            Standing::Settled | Standing::Answering => true,
            Standing::Open | Standing::Doubtful => {
                let keep = shown(id);
                if !keep {
                    events.push(Event::Withdrawn(id.clone()));
                }
                keep
            }
        });
    }

    /// An answer's fate is known; `shown` tells whether the last read still shows the question.
    pub(super) fn settle(&mut self, id: &QuestionId, how: Answered) {
        let standing = match how {
            Answered::Applied | Answered::Gone => Standing::Settled,
            Answered::Refused | Answered::Unknown => Standing::Doubtful,
        };
        self.set(id, standing);
    }
}
