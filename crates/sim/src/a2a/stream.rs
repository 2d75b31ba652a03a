//! Event streams: what each has to send, and when it ends.

use serde_json::{Value, json};

use super::refusal::{Reason, Refusal};
use super::switches::Oddity;
use super::task::{Event, State};
use super::views::Shown;
use super::{Call, Done, Envelope, Server};
use crate::message::{Frame, Pulled, StreamId};
use crate::time::rfc3339;

/// What opened a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message: the stream begins with the event of this number.
    Message { from: usize },
    /// A subscription: the stream begins with the task as it is.
    Subscription,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    task: usize,
    is_subscription: bool,
    envelope: Envelope,
    /// The task as it was when it was subscribed to, until it is sent.
    snapshot: Option<Value>,
    /// The number of the event to send next.
    next: usize,
    /// How many events it has sent.
    sent: u64,
    /// Whether nothing follows.
    is_over: bool,
    /// When it sent something last, or was opened.
    quiet_since: u64,
}

impl Server {
    pub(super) fn subscribe(&mut self, call: &Call) -> Result<Done, Refusal> {
        let number = self.named(call)?;
        self.check_live(number)?;
        let id = StreamId(self.next_stream());
        self.open_stream(id, number, Kind::Subscription, call.envelope.clone());
        Ok(Done::Stream(id))
    }

    pub(super) fn open_stream(
        &mut self,
        id: StreamId,
        number: usize,
        kind: Kind,
        envelope: Envelope,
    ) {
        let (next, snapshot, is_over) = match kind {
            Kind::Message { from } => (from, None, false),
            Kind::Subscription => {
                let task = self.view(number, Shown::Reply, None);
                let state = self.tasks[number].status.state;
                let is_over = self.ends_at(state, true);
                let next = self.tasks[number].events.len();
                (next, Some(json!({ "task": task })), is_over)
            }
        };
        let stream = Stream {
            task: number,
            is_subscription: kind == Kind::Subscription,
            envelope,
            snapshot,
            next,
            sent: 0,
            is_over,
            quiet_since: self.now,
        };
        self.tasks[number].streams += 1;
        self.counted.streams += 1;
        self.streams.insert(id, stream);
    }

    /// Returns what a stream has to send now; a stream that is not open has ended.
    pub fn pull(&mut self, id: StreamId, now: u64) -> Pulled {
        self.advance(now);
        let Some(mut stream) = self.streams.remove(&id) else {
            return Pulled::End;
        };
        let frames = self.frames(&mut stream);
        if frames.is_empty() {
            if stream.is_over {
                return Pulled::End;
            }
            self.streams.insert(id, stream);
            return Pulled::Pending;
        }
        stream.quiet_since = self.now;
        self.streams.insert(id, stream);
        Pulled::Frames(frames)
    }

    /// Forgets a stream, or a reply to come, whose client went away.
    pub fn close(&mut self, id: StreamId) {
        self.streams.remove(&id);
        self.late.remove(&id);
    }

    /// Returns when something happens by itself next, on an open stream or to a task; always later than the last time
    /// passed in. `None` when only a request can change anything.
    #[must_use]
    pub fn next_change(&self) -> Option<u64> {
        let timers = self.agenda.first().map(|(at, _)| *at);
        let beats = self
            .streams
            .values()
            .filter_map(|stream| self.beats_at(stream));
        let changes = timers.into_iter().chain(beats);
        changes.filter(|at| *at > self.now && *at < u64::MAX).min()
    }

    fn beats_at(&self, stream: &Stream) -> Option<u64> {
        let every = self.switches.heartbeat_ms;
        (every > 0).then(|| stream.quiet_since.saturating_add(every))
    }

    /// Returns whether streams end at a state.
    fn ends_at(&self, state: State, is_subscription: bool) -> bool {
        let switches = &self.switches;
        match state {
            State::InputRequired if is_subscription => switches.subscription_ends_at_question,
            State::InputRequired => switches.stream_ends_at_question,
            State::AuthRequired => switches.streams_end_at_auth,
            state => state.is_terminal(),
        }
    }

    fn frames(&self, stream: &mut Stream) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(snapshot) = stream.snapshot.take() {
            self.push_event(stream, snapshot, &mut frames);
        }
        let events = &self.tasks[stream.task].events;
        while !stream.is_over
            && let Some(event) = events.get(stream.next)
        {
            stream.next += 1;
            stream.is_over = match event {
                Event::Created { .. } | Event::Whole(_) | Event::Artifact { .. } => false,
                Event::Message(_) | Event::Crashed => true,
                Event::Status { status, .. } => self.ends_at(status.state, stream.is_subscription),
            };
            match event {
                Event::Crashed => frames.push(self.error_frame(stream)),
                event => {
                    let view = self.event(stream.task, event, stream.sent == 0);
                    self.push_event(stream, view, &mut frames);
                }
            }
        }
        let beats = self.beats_at(stream).is_some_and(|at| at <= self.now);
        if frames.is_empty() && !stream.is_over && beats {
            let line = format!(": ping - {}", rfc3339(self.now, true));
            frames.push(frame(None, &[line]));
        }
        frames
    }

    /// Adds the frame of an event, and the odd one behind the first.
    fn push_event(&self, stream: &mut Stream, event: Value, frames: &mut Vec<Frame>) {
        let odd = match self.switches.oddity {
            Oddity::ForeignEvent if stream.sent == 0 => Some(json!({ "statusUpdate": {
                "taskId": "another", "contextId": "another",
                "status": { "state": "TASK_STATE_COMPLETED", "timestamp": self.time(self.now) },
            }})),
            Oddity::UnknownEvent if stream.sent == 0 => {
                Some(json!({ "moodUpdate": { "mood": "cheerful" } }))
            }
            _ => None,
        };
        for event in [Some(event), odd].into_iter().flatten() {
            stream.sent += 1;
            frames.push(self.event_frame(stream, event));
        }
    }

    fn event_frame(&self, stream: &Stream, event: Value) -> Frame {
        let data = match &stream.envelope {
            Envelope::Rest => event,
            Envelope::Rpc(id) => {
                let oddity = self.switches.oddity;
                let id = if oddity == Oddity::WrongId {
                    &json!("other")
                } else {
                    id
                };
                json!({ "result": event, "id": id, "jsonrpc": "2.0" })
            }
        };
        let mut lines = Vec::new();
        if self.switches.event_ids {
            lines.push(format!("id: {}", stream.sent));
        }
        if self.switches.event_names {
            lines.push("event: message".to_owned());
        }
        lines.push(format!("data: {data}"));
        frame(Some(stream.sent), &lines)
    }

    fn error_frame(&self, stream: &mut Stream) -> Frame {
        stream.sent += 1;
        let refusal = Refusal::new(Reason::Internal, "the executor crashed");
        let error = match &stream.envelope {
            Envelope::Rest => refusal.status_error(),
            Envelope::Rpc(id) => {
                let error = refusal.rpc_error(&self.switches);
                json!({ "error": error, "id": id, "jsonrpc": "2.0" })
            }
        };
        let lines = ["event: error".to_owned(), format!("data: {error}")];
        frame(Some(stream.sent), &lines)
    }
}

/// Returns a frame of these lines.
fn frame(seq: Option<u64>, lines: &[String]) -> Frame {
    let bytes = format!("{}\n\n", lines.join("\n")).into_bytes();
    Frame { seq, bytes }
}
