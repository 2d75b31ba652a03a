//! How tasks move by themselves: turns, steps, ends.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Server;
use super::agents::{words, words_and_files};
use super::script::Step;
use super::stats::QuestionStats;
use super::switches::{Crash, Output, QuestionForm};
use super::task::{Artifact, Asked, Event, State, Status};
use super::views::Shown;
use crate::ids;

/// What LangGraph says of its only artifact.
const RESPONSE: &str = "Response from assistant fe096781-5601-53d2-b2f6-0d3403f7e9ca";

/// Where a user is sent for a credential.
const SIGN_IN: &str = "sign in at http://127.0.0.1/consent";

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

    /// Fires the timers of a task that are due.
    fn wake(&mut self, number: usize) {
        let now = self.now;
        let task = &mut self.tasks[number];
        if task.cancels_at.take_if(|at| *at <= now).is_some() {
            return self.end(number, State::Canceled, None);
        }
        if task.step_ends_at.take_if(|at| *at <= now).is_some() {
            self.run_steps(number);
        }
    }

    /// Takes a message up: a turn begins.
    pub(super) fn take_turn(&mut self, number: usize, message: Value) {
        let said = words(&message);
        let is_kept = self.switches.answers_in_history;
        let task = &mut self.tasks[number];
        task.turn += 1;
        task.is_running = true;
        let context = message["contextId"].as_str();
        task.turn_context = context.unwrap_or(&task.context).to_owned();
        task.last_said.clone_from(&said);
        if task.turn == 1 {
            task.first_said = words_and_files(&message);
            task.history.push(message);
            return self.run_steps(number);
        }
        self.settle_status_message(number);
        let task = &mut self.tasks[number];
        if is_kept && !task.is_orphan {
            task.history.push(message);
        }
        let asked = task.asked.take();
        if let Some(asked) = &asked {
            let question = &mut self.questions[asked.number];
            question.answers += 1;
            question.is_open = false;
        }
        let is_orphan = std::mem::take(&mut task.is_orphan);
        if is_orphan {
            // What was to be done is forgotten: the agent begins with what was said last.
            let agent = task.agent.clone();
            let steps = match self.is_script(&agent) {
                true => self.steps(&agent, &said),
                false => vec![Step::Done(None)],
            };
            self.tasks[number].steps = steps.into();
        }
        self.tell_turn(number);
        if let Some(asked) = asked.filter(|_| self.tasks[number].is_script && !is_orphan) {
            let text = format!("{} -> {said}", asked.text);
            self.write(number, "answer", vec![json!({ "text": text })]);
        }
        self.run_steps(number);
    }

    /// Tells that a later turn has begun.
    fn tell_turn(&mut self, number: usize) {
        if !self.switches.later_turns_tell_task {
            return self.set_status(number, State::Working, None, false);
        }
        self.tasks[number].status = Status {
            state: State::Working,
            message: None,
            at: self.now,
            is_of_server: false,
        };
        let whole = self.view(number, Shown::Reply, None);
        self.emit(number, Event::Whole(whole));
    }

    pub(super) fn run_steps(&mut self, number: usize) {
        loop {
            let task = &mut self.tasks[number];
            let step = task.steps.pop_front().unwrap_or(Step::Done(None));
            if !task.is_published {
                match step {
                    Step::Silent(ms) => return self.sleep(number, ms, None),
                    Step::Reply(text) => return self.reply_without_task(number, &text),
                    _ => self.publish(number),
                }
            }
            if self.run_step(number, step) {
                return;
            }
        }
    }

    /// Does one step of a task that can be seen; whether the others have to wait.
    fn run_step(&mut self, number: usize, step: Step) -> bool {
        match step {
            // They are for the beginning.
            Step::Silent(_) | Step::Reply(_) => return false,
            Step::NoCancel => {
                self.tasks[number].is_stubborn = true;
                return false;
            }
            Step::Work { done, of } if done < of => {
                self.sleep(number, 1_000, Some(Step::Worked { done, of }));
            }
            Step::Work { .. } => return false,
            Step::Worked { done, of } => {
                self.tell(number, State::Working, &format!("step {}", done + 1));
                let rest = Step::Work { done: done + 1, of };
                self.tasks[number].steps.push_front(rest);
                return false;
            }
            Step::Quiet(ms) => self.sleep(number, ms, None),
            Step::Chunks { done, of, every_ms } if done < of => {
                self.write_chunk(number, done, of);
                let rest = Step::Chunks {
                    done: done + 1,
                    of,
                    every_ms,
                };
                self.sleep(number, every_ms, Some(rest));
            }
            Step::Chunks { .. } => return false,
            Step::Artifact(text) => {
                let text = self.tasks[number].filled(&text);
                self.write(number, "text", vec![json!({ "text": text })]);
                return false;
            }
            Step::Data(data) => {
                self.write(number, "data", vec![json!({ "data": data })]);
                return false;
            }
            Step::SignedIn => {
                self.close_question(number);
                self.tell(number, State::Working, "signed in");
                return false;
            }
            step => self.stop_at(number, step),
        }
        true
    }

    /// Does a step at which the agent waits or ends.
    fn stop_at(&mut self, number: usize, step: Step) {
        let filled = |server: &Self, text: &str| server.tasks[number].filled(text);
        match step {
            Step::Ask(text) => {
                let text = filled(self, &text);
                self.ask(number, State::InputRequired, json!({ "text": text }), &text);
                self.end_turn(number);
            }
            Step::AskData(data, text) => {
                self.ask(number, State::InputRequired, json!({ "data": data }), &text);
                self.end_turn(number);
            }
            Step::AuthIn => {
                let part = json!({ "text": "send a code" });
                self.ask(number, State::AuthRequired, part, "auth");
                self.end_turn(number);
            }
            Step::Auth(ms) => {
                let part = json!({ "text": SIGN_IN });
                self.ask(number, State::AuthRequired, part, SIGN_IN);
                self.sleep(number, ms, Some(Step::SignedIn));
            }
            Step::Fail(text) => {
                let text = filled(self, &text);
                self.end(number, State::Failed, Some(&text));
            }
            Step::Reject(text) => {
                let text = filled(self, &text);
                self.end(number, State::Rejected, Some(&text));
            }
            Step::Crash => self.break_down(number),
            Step::Done(text) => {
                let text = text.map(|text| filled(self, &text));
                self.end(number, State::Completed, text.as_deref());
            }
            _ => unreachable!("the other steps are done before"),
        }
    }

    /// Lets time pass, and then this come first.
    fn sleep(&mut self, number: usize, ms: u64, then: Option<Step>) {
        let until = self.now.saturating_add(ms);
        let task = &mut self.tasks[number];
        if let Some(step) = then {
            task.steps.push_front(step);
        }
        task.step_ends_at = Some(until);
        self.agenda.insert((until, number));
    }

    /// Ends the timers of a task.
    pub(super) fn clear_timers(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        let ends = task.step_ends_at.take();
        for at in ends.into_iter().chain(task.cancels_at.take()) {
            self.agenda.remove(&(at, number));
        }
    }

    /// Has the credential arrive that an agent waits for by itself; whether one does.
    pub(super) fn sign_in(&mut self, number: usize) -> bool {
        if self.tasks[number].steps.front() != Some(&Step::SignedIn) {
            return false;
        }
        self.clear_timers(number);
        self.run_steps(number);
        true
    }

    fn publish(&mut self, number: usize) {
        let now = self.now;
        let task = &mut self.tasks[number];
        task.is_published = true;
        task.status.at = now;
        let (status, message) = (task.status.clone(), task.history[0].clone());
        self.emit(number, Event::Created { status, message });
        match self.switches.output {
            Output::Artifacts => self.set_status(number, State::Working, None, false),
            // The first message tells it.
            Output::Messages => self.tasks[number].status.state = State::Working,
        }
    }

    fn reply_without_task(&mut self, number: usize, text: &str) {
        let mut message = json!({
            "messageId": self.next_id("message"),
            "role": "ROLE_AGENT",
            "parts": [{ "text": self.tasks[number].filled(text) }],
        });
        if self.switches.direct_answers_name_task {
            let task = &self.tasks[number];
            message["contextId"] = json!(task.context);
            message["taskId"] = json!(task.id);
        }
        let task = &mut self.tasks[number];
        task.is_running = false;
        task.steps.clear();
        self.counted.direct_answers += 1;
        self.emit(number, Event::Message(message));
    }

    /// Returns a message of the agent.
    fn say(&mut self, number: usize, part: Value) -> Value {
        let id = self.next_id("message");
        let task = &self.tasks[number];
        json!({
            "messageId": id,
            "contextId": task.turn_context,
            "taskId": task.id,
            "role": "ROLE_AGENT",
            "parts": [part],
        })
    }

    /// Sets a status that says something.
    fn tell(&mut self, number: usize, state: State, text: &str) {
        let message = self.say(number, json!({ "text": text }));
        self.set_status(number, state, Some(message), false);
    }

    fn ask(&mut self, number: usize, state: State, part: Value, text: &str) {
        let part = match self.switches.question {
            QuestionForm::Data if part.get("text").is_some() => {
                json!({ "data": { "question": part["text"] } })
            }
            _ => part,
        };
        let shown = part["text"].as_str().map(str::to_owned);
        let message = match self.switches.question {
            QuestionForm::Message | QuestionForm::Data => Some(self.say(number, part)),
            QuestionForm::Artifact | QuestionForm::Absent => None,
        };
        let asked = Asked {
            text: text.to_owned(),
            number: self.questions.len(),
        };
        let interrupt = self.interrupt(&asked);
        let task = &mut self.tasks[number];
        task.asked = Some(asked);
        self.questions.push(QuestionStats {
            task: task.id.clone(),
            text: shown.filter(|_| message.is_some()),
            time: self.now,
            answers: 0,
            is_open: true,
        });
        if self.switches.question == QuestionForm::Artifact && state == State::InputRequired {
            self.tell_artifact(number, interrupt, false);
        }
        self.set_status(number, state, message, false);
    }

    /// Has the agent ask something else in the place of its question.
    pub(super) fn reword(&mut self, number: usize, text: &str) {
        let state = self.tasks[number].status.state;
        self.close_question(number);
        self.ask(number, state, json!({ "text": text }), text);
    }

    fn close_question(&mut self, number: usize) {
        if let Some(asked) = self.tasks[number].asked.take() {
            self.questions[asked.number].is_open = false;
        }
    }

    /// Moves the message of the status into the history, unless it is there.
    fn settle_status_message(&mut self, number: usize) {
        let at_once = self.switches.status_in_history_at_once;
        let task = &mut self.tasks[number];
        let message = task.status.message.take().filter(|_| !at_once);
        task.history.extend(message);
    }

    pub(super) fn set_status(
        &mut self,
        number: usize,
        state: State,
        message: Option<Value>,
        is_of_server: bool,
    ) {
        self.settle_status_message(number);
        let status = Status {
            state,
            message,
            at: self.now,
            is_of_server,
        };
        let at_once = self.switches.status_in_history_at_once;
        let task = &mut self.tasks[number];
        if at_once {
            task.history.extend(status.message.clone());
        }
        task.status = status.clone();
        let context = task.turn_context.clone();
        self.emit(number, Event::Status { status, context });
    }

    /// Writes a whole artifact, or tells its text.
    fn write(&mut self, number: usize, name: &str, parts: Vec<Value>) {
        match (parts[0]["text"].as_str(), self.switches.output) {
            (Some(text), Output::Messages) => self.tell(number, State::Working, text),
            _ => {
                let artifact = Artifact {
                    id: self.next_id("artifact"),
                    name: name.to_owned(),
                    description: None,
                    parts,
                };
                self.tasks[number].artifacts.push(artifact.clone());
                self.tell_artifact(number, artifact, false);
            }
        }
    }

    fn tell_artifact(&mut self, number: usize, artifact: Artifact, last: bool) {
        let context = self.tasks[number].turn_context.clone();
        let event = Event::Artifact {
            artifact,
            append: false,
            last,
            context,
        };
        self.emit(number, event);
    }

    fn write_chunk(&mut self, number: usize, done: u64, of: u64) {
        let text = format!("piece {} ", done + 1);
        if self.switches.output == Output::Messages {
            return self.tell(number, State::Working, &text);
        }
        let part = json!({ "text": text });
        let task = &mut self.tasks[number];
        let piece = Artifact {
            id: "chunked".to_owned(),
            name: "chunked".to_owned(),
            description: None,
            parts: vec![part.clone()],
        };
        let known = task.artifacts.iter_mut().find(|known| known.id == piece.id);
        match known {
            Some(known) if done > 0 => known.parts.push(part),
            Some(known) => known.parts = vec![part],
            None => task.artifacts.push(piece.clone()),
        }
        let event = Event::Artifact {
            artifact: piece,
            append: done > 0,
            last: done + 1 == of,
            context: task.turn_context.clone(),
        };
        self.emit(number, event);
    }

    /// Ends a turn at a question: a message that waits is its answer.
    fn end_turn(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        task.is_running = false;
        if let Some(message) = task.queued.pop_front() {
            self.take_turn(number, message);
        }
    }

    pub(super) fn end(&mut self, number: usize, state: State, text: Option<&str>) {
        if state == State::Completed && self.switches.output == Output::Messages {
            if let Some(text) = text {
                self.tell(number, State::Working, text);
            }
            return self.end_with_newest_message(number);
        }
        let message = text.map(|text| self.say(number, json!({ "text": text })));
        self.end_with(number, state, message, false);
    }

    /// Completes a task whose artifact is what the agent said last.
    fn end_with_newest_message(&mut self, number: usize) {
        let task = &self.tasks[number];
        let told = task.status.message.iter().chain(task.history.iter().rev());
        let mut told = told.filter(|message| message["role"] == "ROLE_AGENT");
        let parts = told.next().and_then(|message| message["parts"].as_array());
        let parts = parts.cloned();
        let parts = parts.unwrap_or_else(|| vec![json!({ "text": "" })]);
        let artifact = Artifact {
            id: self.next_id("artifact"),
            name: "Assistant Response".to_owned(),
            description: Some(RESPONSE),
            parts,
        };
        self.tasks[number].artifacts = vec![artifact.clone()];
        self.tell_artifact(number, artifact, true);
        self.end_with(number, State::Completed, None, false);
    }

    /// Ends a task behind the agent's back.
    pub(super) fn end_silently(&mut self, number: usize) {
        self.end_with(number, State::Failed, None, true);
    }

    fn break_down(&mut self, number: usize) {
        match self.switches.crash {
            Crash::Failed => {
                let text = "Agent execution error: the executor crashed";
                let part = json!({ "text": text, "mediaType": "text/plain" });
                let message = self.say(number, part);
                self.end_with(number, State::Failed, Some(message), false);
            }
            Crash::Error => {
                // Whoever watches learns of the crash, and not of the status.
                self.emit(number, Event::Crashed);
                self.end_with(number, State::Failed, None, false);
            }
        }
    }

    fn end_with(
        &mut self,
        number: usize,
        state: State,
        message: Option<Value>,
        is_of_server: bool,
    ) {
        self.clear_timers(number);
        self.close_question(number);
        let task = &mut self.tasks[number];
        task.steps = VecDeque::new();
        task.is_running = false;
        self.set_status(number, state, message, is_of_server);
        self.settle_queue(number);
    }

    /// Puts what waited for its turn into the history: there is no turn any more.
    fn settle_queue(&mut self, number: usize) {
        let is_kept = self.switches.answers_in_history;
        let task = &mut self.tasks[number];
        let waiting = std::mem::take(&mut task.queued);
        task.turn += waiting.len() as u64;
        task.history.extend(waiting.into_iter().filter(|_| is_kept));
        let status = self.tasks[number].status.clone();
        let context = String::new();
        self.tell_waiting(number, &Event::Status { status, context });
    }

    fn emit(&mut self, number: usize, event: Event) {
        self.tell_waiting(number, &event);
        self.tasks[number].events.push(event);
    }

    /// Returns an id that was not there before.
    pub(super) fn next_id(&mut self, kind: &str) -> String {
        self.made += 1;
        ids::uuid(self.seed, kind, self.made)
    }
}
