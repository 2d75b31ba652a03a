//! What the caller and the human want, and what is reported to them.

use std::time::Duration;

use taskward_core::{Answer, Answered, Event, Provider, Question, Task, testing};

use super::drive::{Life, time_to_stop};
use super::observation::{Aim, Observation};
use super::report::Done;
use super::world::{Want, World, millis};
use taskward_sim::platform::SimPlatform;

/// How long a human waits before they say it again.
const AGAIN: Duration = Duration::from_secs(5);

impl<P: Provider, M: SimPlatform> World<P, M> {
    /// Returns what the caller and the human want by now.
    pub(super) fn request(&mut self, task: &mut Task<P>) -> Result<(), Life> {
        let now = self.clock();
        if self.now >= self.cancel_at {
            self.cancel_at = u64::MAX;
            let is_taken = task.cancel(now).is_ok();
            self.tell(format_args!("  the caller cancels: {is_taken}"));
        }
        while let Some(at) = self.wants.iter().position(|want| want.at <= self.now) {
            let Want {
                question, answer, ..
            } = self.wants.remove(at);
            let taken = task.answer(&question, answer.clone(), now);
            self.tell(format_args!("  the human answers {question}: {taken:?}"));
            if taken.is_ok() {
                let aim = Aim::Question(question.to_string());
                let answer = Some(answer);
                self.learn(Observation::Requested { aim, answer })?;
            }
        }
        while let Some(at) = self
            .setup
            .messages
            .iter()
            .position(|(at, _)| *at <= self.now)
        {
            let (_, text) = self.setup.messages.remove(at);
            let sent = task.send_message(text.clone(), now);
            self.tell(format_args!("  the caller says {text:?}: {sent:?}"));
            if let Ok(no) = sent {
                let aim = Aim::Message(no.0);
                let answer = Some(Answer::Text(text));
                self.learn(Observation::Requested { aim, answer })?;
            }
        }
        if self.now >= self.interrupt_at {
            self.interrupt_at = u64::MAX;
            let has_to_be_stopped = task.interrupt(now);
            self.tell(format_args!("  the caller leaves: {has_to_be_stopped}"));
            if !has_to_be_stopped {
                // The position among the events is stored first, and the caller waits for that.
                testing::save_pending(task, self)?;
                return Err(Life::HandedOver(task.cancel_result()));
            }
            self.learn(Observation::Interrupted)?;
            self.to_stop = time_to_stop(&self.setup.policy.on_interrupt);
        }
        if let Some(within) = self.to_stop.filter(|_| task.id().is_some()) {
            self.to_stop = None;
            self.left_by = now.after(within).as_millis();
            self.learn(Observation::Bounded(self.deadline.min(self.left_by)))?;
        }
        Ok(())
    }

    /// Takes note of an event that was taken.
    pub(super) fn event(&mut self, task: &Task<P>, event: &Event) -> Done {
        if !self.told.is_again {
            self.told.events.push(event.clone());
        }
        self.learn(Observation::Told(Box::new(event.clone())))?;
        match event {
            // A question that is told again may have been answered in the same moment.
            Event::Question(question) if !self.told.is_again || is_open(task, question) => {
                self.ask(question, Duration::ZERO);
            }
            Event::Withdrawn { question, .. } => {
                self.wants.retain(|want| want.question != *question);
            }
            Event::Answered { question, how, .. } if *how != Answered::Applied => {
                let open = task.questions().find(|open| open.id == *question).cloned();
                if let Some(open) = open {
                    self.ask(&open, AGAIN);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A caller that resumes a task asks it which questions are open: an answer of unknown outcome is not reported again.
    pub(super) fn doubt(&mut self, task: &Task<P>) {
        if !std::mem::take(&mut self.doubts) {
            return;
        }
        let open: Vec<Question> = task.questions().cloned().collect();
        for question in open {
            self.ask(&question, AGAIN);
        }
    }

    /// Asks a human.
    fn ask(&mut self, question: &Question, later: Duration) {
        if self.wants.iter().any(|want| want.question == question.id) {
            // They think about it already.
            return;
        }
        let Some((after, answer)) = (self.setup.human)(question) else {
            return;
        };
        let at = self
            .now
            .saturating_add(millis(after))
            .saturating_add(millis(later));
        let question = question.id.clone();
        self.tell(format_args!("  {} is put to the human", question));
        self.wants.push(Want {
            at,
            question,
            answer,
        });
    }
}

fn is_open<P: Provider>(task: &Task<P>, question: &Question) -> bool {
    task.questions().any(|open| open.id == question.id)
}
