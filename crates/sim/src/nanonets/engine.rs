//! How tasks move by themselves: steps, slots, delays.

use super::Server;
use super::agents::{Answer, Shape, Step};
use super::stats::QuestionStats;
use super::switches::Title;
use super::task::{Entry, FeedItem, Message, Phase, Role, Task};
use super::views::content_of;
use crate::ids;
use serde_json::json;

/// A title has no more characters than this.
const MAX_TITLE: usize = 80;

impl Server {
    /// Lets everything happen that is due by `now`, in the order of its time.
    pub fn advance(&mut self, now: u64) {
        while let Some((at, number)) = self.agenda.first().copied().filter(|(at, _)| *at <= now) {
            self.agenda.pop_first();
            self.now = self.now.max(at);
            self.wake(number);
        }
        self.now = self.now.max(now);
    }

    /// Returns when something happens by itself next; `None` when only a request can change anything.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Fires the timers of a task that are due.
    fn wake(&mut self, number: usize) {
        let now = self.now;
        let task = &mut self.tasks[number];
        let is_due = |timer: &mut Option<u64>| timer.take_if(|at| *at <= now).is_some();
        if is_due(&mut task.stops_at) && !task.phase.is_terminal() {
            self.stop(number);
        }
        let task = &mut self.tasks[number];
        if is_due(&mut task.step_ends_at) {
            task.shown = None;
            match task.phase {
                Phase::Pending => self.take_slot_or_queue(number),
                Phase::Running => self.run_steps(number),
                Phase::Queued
                | Phase::Waiting
                | Phase::Review
                | Phase::Completed
                | Phase::Failed
                | Phase::Stopped => {}
            }
        }
        let task = &mut self.tasks[number];
        if is_due(&mut task.wakes_at) && (task.phase == Phase::Waiting || task.phase.is_terminal())
        {
            self.begin_turn(number);
        }
        self.fill_slots(self.tasks[number].agent);
    }

    /// Sets a new task going.
    pub(super) fn start(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        task.steps = task.behaviour.turn(&task.talk).into();
        if self.switches.pending_ms > 0 {
            let until = self.now.saturating_add(self.switches.pending_ms);
            task.step_ends_at = Some(until);
            self.agenda.insert((until, number));
        } else {
            self.take_slot_or_queue(number);
            self.fill_slots(self.tasks[number].agent);
        }
    }

    /// Takes up the unread messages in a new turn.
    fn begin_turn(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        let unread = std::mem::take(&mut task.unread);
        task.talk.replies.extend(unread);
        task.talk.turn += 1;
        task.question = None;
        task.ended = None;
        task.steps = task.behaviour.turn(&task.talk).into();
        if task.phase == Phase::Running {
            self.run_steps(number);
        } else {
            self.take_slot_or_queue(number);
        }
    }

    fn take_slot_or_queue(&mut self, number: usize) {
        let has_slot = self.holds_slot(self.tasks[number].phase);
        let agent = &mut self.agents[self.tasks[number].agent];
        let limit = self.switches.concurrency_limit;
        if has_slot || limit == 0 || agent.slots < limit {
            self.set_phase(number, Phase::Running);
            self.run_steps(number);
        } else {
            agent.queue.push_back(number);
            self.set_phase(number, Phase::Queued);
        }
    }

    /// Gives free slots to those that wait longest.
    pub(super) fn fill_slots(&mut self, agent: usize) {
        while self.agents[agent].slots < self.switches.concurrency_limit {
            let Some(number) = self.agents[agent].queue.pop_front() else {
                return;
            };
            // One that was stopped while it waited has left the queue for good.
            if self.tasks[number].phase == Phase::Queued {
                self.take_slot_or_queue(number);
            }
        }
    }

    fn run_steps(&mut self, number: usize) {
        loop {
            let task = &mut self.tasks[number];
            let step = task.steps.pop_front();
            match step.unwrap_or(Step::Complete(Answer {
                shape: Shape::LastContent,
                data: None,
            })) {
                Step::Work(ms) => return self.work_for(number, ms),
                Step::Show(status, ms) => {
                    task.shown = Some(status);
                    task.updated_at = self.now;
                    return self.work_for(number, ms);
                }
                Step::Think(text) => self.add_to_feed(number, Entry::Transient(text)),
                Step::Tool { name, content } => {
                    self.add_to_feed(number, Entry::ToolCall(name, content))
                }
                Step::Say(text) => self.say(number, text),
                Step::Ask(question) => {
                    self.say(number, question);
                    return self.wait_for_user(number);
                }
                // What came in meanwhile is taken up right away: the turn has ended.
                Step::Pause if !task.unread.is_empty() => return self.begin_turn(number),
                Step::Pause => return self.wait_for_user(number),
                Step::Review(what) => {
                    self.say(number, what);
                    return self.set_phase(number, Phase::Review);
                }
                Step::Complete(_) if !task.unread.is_empty() => return self.begin_turn(number),
                Step::Complete(answer) => return self.complete(number, answer),
                Step::Fail(why) => return self.fail(number, why),
            }
        }
    }

    fn work_for(&mut self, number: usize, ms: u64) {
        let until = self.now.saturating_add(ms);
        self.tasks[number].step_ends_at = Some(until);
        self.agenda.insert((until, number));
    }

    fn wait_for_user(&mut self, number: usize) {
        self.set_phase(number, Phase::Waiting);
        self.ask(number);
    }

    /// The assistant's last message is the question that is open now.
    fn ask(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        if let Some(message) = task.last_assistant_message() {
            let question = QuestionStats {
                task: task.id.clone(),
                message: message.id.clone(),
                answers: 0,
            };
            // What is written here has its keys in order.
            let content = content_of(message, &self.switches).to_string();
            let id = ids::question(&[&task.id, &message.id, &content]);
            if task.question.is_some_and(|open| self.asked[open].0 == id) {
                // Its text is the same.
                return;
            }
            self.asked.push((id, message.text.clone()));
            task.question = Some(self.counted.questions.len());
            self.counted.questions.push(question);
        }
    }

    /// Returns whether a task waits, and nobody has answered what it asks.
    pub(super) fn is_unanswered(&self, number: usize) -> bool {
        let task = &self.tasks[number];
        let asked = task
            .question
            .map(|question| self.counted.questions[question].answers);
        task.phase == Phase::Waiting && asked == Some(0)
    }

    /// Changes the text of the open question: it is another question.
    pub(super) fn reword(&mut self, number: usize, text: String) {
        let task = &mut self.tasks[number];
        let mut newest = task.messages.iter_mut().rev();
        if let Some(message) = newest.find(|message| message.role == Role::Assistant) {
            message.text = text;
        }
        task.updated_at = self.now;
        self.ask(number);
    }

    /// Makes the agent ask something else after its open question.
    pub(super) fn ask_more(&mut self, number: usize, text: String) {
        self.say(number, text);
        self.ask(number);
    }

    fn complete(&mut self, number: usize, answer: Answer) {
        let before = self.tasks[number].feed.len();
        match answer.shape {
            Shape::Summary(summary) => {
                self.add_to_log(number, Role::Assistant, summary.clone());
                let result = json!({ "structuredContent": { "summary": summary } });
                self.add_to_feed(number, Entry::TaskComplete(result));
            }
            Shape::Object(result) => {
                if let Some(text) = result["text"].as_str() {
                    self.add_to_log(number, Role::Assistant, text.to_owned());
                }
                self.add_to_feed(number, Entry::TaskComplete(result));
            }
            Shape::LastContent => {}
        }
        if answer.data.is_some() {
            self.tasks[number].data = answer.data;
        }
        self.end(number, Phase::Completed, before);
    }

    /// Ends a task badly, with the reason in its trail.
    pub(super) fn fail(&mut self, number: usize, why: String) {
        let before = self.tasks[number].feed.len();
        self.add_to_feed(number, Entry::Error(why));
        self.end(number, Phase::Failed, before);
    }

    /// Ends a task by a cancel.
    pub(super) fn stop(&mut self, number: usize) {
        let before = self.tasks[number].feed.len();
        self.end(number, Phase::Stopped, before);
    }

    fn end(&mut self, number: usize, phase: Phase, feed_before: usize) {
        self.set_phase(number, phase);
        let task = &mut self.tasks[number];
        task.ended = Some((self.now, feed_before));
        task.steps.clear();
        task.step_ends_at = None;
        task.wakes_at = None;
        task.stops_at = None;
        task.question = None;
    }

    /// Continues after an approval.
    pub(super) fn approve(&mut self, number: usize) {
        self.take_slot_or_queue(number);
    }

    pub(super) fn set_phase(&mut self, number: usize, phase: Phase) {
        let (held, holds) = (
            self.holds_slot(self.tasks[number].phase),
            self.holds_slot(phase),
        );
        let task = &mut self.tasks[number];
        let slots = &mut self.agents[task.agent].slots;
        *slots = *slots + u32::from(holds) - u32::from(held);
        task.phase = phase;
        task.shown = None;
        task.updated_at = self.now;
    }

    fn holds_slot(&self, phase: Phase) -> bool {
        phase == Phase::Running || (self.switches.waiting_holds_slot && phase.is_human())
    }

    fn say(&mut self, number: usize, text: String) {
        self.add_to_feed(number, Entry::Message(Role::Assistant, text.clone()));
        self.add_to_log(number, Role::Assistant, text);
    }

    pub(super) fn add_to_feed(&mut self, number: usize, entry: Entry) {
        let task = &mut self.tasks[number];
        task.feed.push(FeedItem {
            at: self.now,
            entry,
        });
        task.updated_at = self.now;
    }

    /// Adds a message to the conversation and returns its id.
    pub(super) fn add_to_log(&mut self, number: usize, role: Role, text: String) -> String {
        let task = &mut self.tasks[number];
        let id = ids::uuid(
            self.seed,
            &format!("message {}", task.id),
            task.messages.len() as u64,
        );
        task.messages.push(Message {
            id: id.clone(),
            role,
            text,
            at: self.now,
        });
        task.updated_at = self.now;
        id
    }

    pub(super) fn give_title(&mut self, number: usize, text: &str) {
        let task: &mut Task = &mut self.tasks[number];
        if task.title.is_some() {
            return;
        }
        task.title = match self.switches.title {
            Title::FirstMessage => {
                let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                Some(line.chars().take(MAX_TITLE).collect())
            }
            Title::Generated => Some(format!("Task {}", number + 1)),
            Title::Absent => None,
        };
    }
}
