//! The toy server: one task that follows a script.

use bytes::Bytes;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// Works this long.
    Work(u64),
    /// Shows this status for this long.
    Show(&'static str, u64),
    /// Asks; continues `lag` after the answer.
    Ask(&'static str),
    /// Says something and continues.
    Say(&'static str),
    /// Waits for the dashboard.
    Review,
    Complete(&'static str),
    Fail(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    script: Vec<Act>,
    at: usize,
    since: u64,
    /// How long after an answer the status still says that it waits.
    pub delay: u64,
    /// How long after the end the result is still stale.
    pub result_delay: u64,
    /// How long after the start the record is not visible.
    pub invisible: u64,
    entered: bool,
    resume_at: Option<u64>,
    pub log: Vec<(&'static str, String)>,
    pub starts: u32,
    pub keys: Vec<String>,
    created: Option<u64>,
    pub cancelled: Option<u64>,
    pub gone: bool,
    pub said: Vec<String>,
    /// Events of the stream: when, seq, text.
    pub stream: Vec<(u64, u64, &'static str)>,
    streamed: u64,
    /// The id that a start gives, instead of the one the rest goes by.
    pub id: Option<String>,
    /// How many events a page of the list has; without it there is no list.
    pub page: Option<usize>,
    /// Whether the list begins with the newest.
    pub newest_first: bool,
    /// Whether a reopened stream starts with what happens next.
    pub live: bool,
    /// Whether a reopened stream starts over instead of after the position.
    pub replays: bool,
}

impl Server {
    pub(crate) fn new(script: &[Act]) -> Self {
        Self {
            script: script.to_vec(),
            at: 0,
            since: 0,
            delay: 1000,
            result_delay: 0,
            invisible: 0,
            entered: false,
            resume_at: None,
            log: Vec::new(),
            starts: 0,
            keys: Vec::new(),
            created: None,
            cancelled: None,
            gone: false,
            said: Vec::new(),
            stream: Vec::new(),
            streamed: 0,
            id: None,
            replays: false,
            page: None,
            newest_first: false,
            live: false,
        }
    }

    /// A task that exists already.
    pub(crate) fn begun(mut self, now: u64) -> Self {
        self.create(now);
        self
    }

    fn create(&mut self, now: u64) {
        self.starts += 1;
        if self.created.is_none() {
            self.created = Some(now);
            self.since = now;
            self.log.push(("user", "go".into()));
        }
    }

    fn advance(&mut self, now: u64) {
        while let Some(act) = self.script.get(self.at).copied() {
            let enter = !std::mem::replace(&mut self.entered, true);
            let over = match act {
                Act::Work(wait) | Act::Show(_, wait) => {
                    (now >= self.since + wait).then_some(self.since + wait)
                }
                Act::Ask(text) => {
                    if enter {
                        self.log.push(("assistant", text.to_owned()));
                    }
                    self.resume_at.filter(|at| now >= *at)
                }
                Act::Say(text) => {
                    self.log.push(("assistant", text.to_owned()));
                    Some(self.since)
                }
                Act::Review => self.resume_at.filter(|at| now >= *at),
                Act::Complete(_) | Act::Fail(_) => match self.resume_at {
                    // A message continues a finished conversation, if the script continues.
                    Some(at) if now >= at && self.at + 1 < self.script.len() => Some(at),
                    _ => None,
                },
            };
            let Some(over) = over else { return };
            self.since = over;
            self.at += 1;
            self.entered = false;
            self.resume_at = None;
        }
    }

    pub(crate) fn status(&mut self, now: u64) -> &'static str {
        self.advance(now);
        if self.cancelled.is_some() {
            return "stopped";
        }
        match self.script.get(self.at) {
            Some(Act::Work(_) | Act::Say(_)) | None => "running",
            Some(Act::Show(word, _)) => word,
            Some(Act::Ask(_)) => "waiting",
            Some(Act::Review) => "review",
            Some(Act::Complete(_)) => "done",
            Some(Act::Fail(_)) => "failed",
        }
    }

    pub(crate) fn dashboard(&mut self, what: &str, now: u64) {
        match what {
            "approve" => self.resume_at = Some(now),
            "stop" => self.cancelled = Some(now),
            other => panic!("{other}"),
        }
    }

    pub(crate) fn other_client(&mut self, text: &str, now: u64) {
        self.say(text, now);
    }

    fn say(&mut self, text: &str, now: u64) {
        self.said.push(text.to_owned());
        self.log.push(("user", text.to_owned()));
        let waits = matches!(
            self.script.get(self.at),
            Some(Act::Ask(_) | Act::Complete(_))
        );
        if waits && self.resume_at.is_none() {
            self.resume_at = Some(now + self.delay);
        }
    }

    pub(crate) fn handle(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
        key: Option<&str>,
        now: u64,
    ) -> (u16, String) {
        if let Some(key) = key {
            // A repeated key is answered as the first time, and done once.
            if self.keys.iter().any(|seen| seen == key) {
                return if path == "/start" {
                    (200, "t1 running.".into())
                } else {
                    (202, String::new())
                };
            }
            self.keys.push(key.to_owned());
        }
        if path == "/start" {
            self.create(now);
            return (
                201,
                format!("{} running.", self.id.as_deref().unwrap_or("t1")),
            );
        }
        let Some(created) = self.created else {
            return (404, "none".into());
        };
        if self.gone || now < created + self.invisible {
            return (404, "none".into());
        }
        let status = self.status(now);
        match (method, path.strip_prefix("/t/t1").unwrap_or(path)) {
            ("GET", "") => (200, format!("{status}.")),
            ("GET", "/log") => {
                let lines: Vec<String> = self
                    .log
                    .iter()
                    .enumerate()
                    .map(|(i, (role, text))| format!("{role} m{i} {text}"))
                    .collect();
                (200, format!("{}.", lines.join("\n")))
            }
            ("GET", list) if list.starts_with("/events") => {
                let Some(size) = self.page else {
                    return (405, "no list".into());
                };
                let from: usize = list
                    .split_once('=')
                    .map_or(0, |(_, at)| at.parse().unwrap_or(0));
                let mut past: Vec<_> = self
                    .stream
                    .iter()
                    .filter(|(when, ..)| *when <= now)
                    .collect();
                if self.newest_first {
                    past.reverse();
                }
                let mut lines: Vec<String> = past
                    .iter()
                    .skip(from)
                    .take(size)
                    .map(|(_, seq, text)| format!("{seq} {text}"))
                    .collect();
                if from + lines.len() < past.len() {
                    lines.push(format!("next {}", from + lines.len()));
                }
                (200, format!("{}.", lines.join("\n")))
            }
            ("GET", "/result") => match self.script.get(self.at) {
                Some(Act::Complete(answer)) if now >= self.since + self.result_delay => {
                    (200, format!("done {answer}."))
                }
                _ => (200, "running.".into()),
            },
            ("GET", "/trail") => match self.script.get(self.at) {
                Some(Act::Fail(why)) => (200, format!("failed {why}.")),
                _ => (200, format!("{status} cancelled.")),
            },
            ("POST", "/say") => {
                if matches!(status, "failed" | "stopped") {
                    return (409, "over".into());
                }
                let text: String = serde_json::from_str(body).expect("a text");
                self.say(&text, now);
                (202, String::new())
            }
            ("POST", "/cancel") => {
                if !matches!(status, "done" | "failed" | "stopped") {
                    self.cancelled = Some(now);
                }
                (200, "ok".into())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn open_stream(&mut self, after: u64, now: u64) {
        let past = self.stream.iter().filter(|(when, ..)| *when <= now);
        self.streamed = match () {
            () if self.live => past.map(|(_, seq, _)| *seq).max().unwrap_or(0),
            () if self.replays => 0,
            () => after,
        };
    }

    pub(crate) fn next_chunk(&mut self, now: u64, until: u64) -> Option<(u64, Bytes)> {
        let (when, seq, text) = *self
            .stream
            .iter()
            .find(|(_, seq, _)| *seq > self.streamed)?;
        if when > until.max(now) {
            return None;
        }
        self.streamed = seq;
        Some((when, Bytes::from(format!("data: {seq} {text}\n\n"))))
    }
}
