//! Event streams: what each has to send, and when.

use super::Server;
use super::run::Phase;
use crate::message::{Answer, Frame, Head, Pulled, Replay, Reply, StreamId};

/// So many bytes of frames at a time are enough; one frame may be larger.
const PULL_BYTES: usize = 64 << 10;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    run: usize,
    /// The number of the event to send next.
    next: u64,
    /// How many events it has sent.
    sent: u64,
    /// Whether the `retry` has been sent, or there is none.
    is_greeted: bool,
    /// When it sent something last, or was opened.
    quiet_since: u64,
    /// When it sent a ping last, or was opened.
    pinged_at: u64,
}

impl Server {
    pub(super) fn open_stream(&mut self, number: usize, head: &Head) -> Answer {
        let visible = self.runs[number].log.visible(self.now);
        let next = match self.switches.replay {
            Replay::FromStart => 0,
            Replay::LastEventId => head
                .header("last-event-id")
                .and_then(|id| id.parse().ok())
                .map_or(0, |seq| self.switches.first_behind(seq)),
            Replay::LiveOnly => visible,
        };
        let stream = Stream {
            run: number,
            next,
            sent: 0,
            is_greeted: self.switches.retry_ms.is_none(),
            quiet_since: self.now,
            pinged_at: self.now,
        };
        self.runs[number].streams += 1;
        self.counted.streams += 1;
        let id = StreamId(self.counted.streams);
        self.streams.insert(id, stream);
        let headers = vec![
            ("content-type", "text/event-stream".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        let head = Reply {
            status: 200,
            headers,
            body: Vec::new(),
        };
        Answer::Stream { head, id }
    }

    /// Returns what a stream has to send now, at most some 64 KiB at a time; a stream that is not open has ended.
    pub fn pull(&mut self, stream: StreamId, now: u64) -> Pulled {
        self.advance(now);
        let Some(state) = self.streams.get(&stream) else {
            return Pulled::End;
        };
        let frames = self.frames(state);
        let now = self.now;
        let state = self.streams.get_mut(&stream).expect("it was there above");
        if frames.is_empty() {
            let (number, next, sent) = (state.run, state.next, state.sent);
            if !self.is_over(number, next, sent) {
                return Pulled::Pending;
            }
            self.streams.remove(&stream);
            return Pulled::End;
        }
        let events = frames.iter().filter(|frame| frame.seq.is_some()).count() as u64;
        state.next += events;
        state.sent += events;
        state.is_greeted = true;
        state.quiet_since = now;
        if is_due(state.pinged_at, self.switches.ping_ms, now) {
            state.pinged_at = now;
        }
        Pulled::Frames(frames)
    }

    /// Forgets a stream whose client went away.
    pub fn close(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// Returns when something happens by itself next, on an open stream or to a run; always later than the last time passed
    /// in. `None` when only a request can change anything.
    #[must_use]
    pub fn next_change(&self) -> Option<u64> {
        let timers = self.agenda.first().map(|(at, _)| *at);
        let streams = self.streams.values().flat_map(|stream| {
            [
                self.runs[stream.run].log.next_after(self.now),
                due_at(stream.quiet_since, self.switches.heartbeat_ms),
                due_at(stream.pinged_at, self.switches.ping_ms),
            ]
        });
        let changes = timers.into_iter().chain(streams.flatten());
        changes.filter(|at| *at > self.now && *at < u64::MAX).min()
    }

    fn frames(&self, stream: &Stream) -> Vec<Frame> {
        let switches = &self.switches;
        let mut frames = Vec::new();
        if let Some(ms) = switches.retry_ms.filter(|_| !stream.is_greeted) {
            frames.push(self.frame(None, &[&format!("retry: {ms}")]));
        }
        if is_due(stream.pinged_at, switches.ping_ms, self.now) {
            frames.push(self.frame(None, &["event: ping", "data: {}"]));
        }
        let visible = self.runs[stream.run].log.visible(self.now);
        let mut bytes = 0;
        let mut event = stream.next;
        while event < visible && bytes < PULL_BYTES {
            let frame = self.event_frame(stream.run, event);
            bytes += frame.bytes.len();
            event += 1;
            frames.push(frame);
        }
        if frames.is_empty() && is_due(stream.quiet_since, switches.heartbeat_ms, self.now) {
            frames.push(self.frame(None, &[": heartbeat"]));
        }
        frames
    }

    fn event_frame(&self, number: usize, event: u64) -> Frame {
        let seq = self.switches.seq_of(event);
        let data = self.envelope(number, event);
        let data = std::str::from_utf8(&data).expect("JSON is UTF-8");
        let data = format!("data: {data}");
        if self.switches.event_ids || self.switches.replay == Replay::LastEventId {
            self.frame(
                Some(seq),
                &[&format!("id: {seq}"), "event: run_event", &data],
            )
        } else {
            self.frame(Some(seq), &["event: run_event", &data])
        }
    }

    fn frame(&self, seq: Option<u64>, lines: &[&str]) -> Frame {
        let end = self.switches.line_ending.text();
        let mut bytes = Vec::new();
        for line in lines.iter().chain(&[""]) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(end.as_bytes());
        }
        Frame { seq, bytes }
    }

    /// Returns whether a stream that has nothing to send never will have.
    fn is_over(&self, number: usize, next: u64, sent: u64) -> bool {
        let run = &self.runs[number];
        let has_all = next >= run.log.len();
        let waits = run.phase == Phase::AwaitingInput && sent > 0;
        has_all
            && (run.ended_at.is_some() && self.switches.stream_ends
                || waits && self.switches.stream_ends_at_wait)
    }
}

fn due_at(since: u64, every_ms: u64) -> Option<u64> {
    (every_ms > 0).then(|| since.saturating_add(every_ms))
}

fn is_due(since: u64, every_ms: u64, now: u64) -> bool {
    due_at(since, every_ms).is_some_and(|at| at <= now)
}
