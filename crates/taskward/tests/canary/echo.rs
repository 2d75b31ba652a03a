//! A server of both platforms that says the key back: in one field of one reply, in one form, or in many at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The secret, with what JSON may escape and URLs do. It begins as a simulator's, so that time can be sped up.
pub(crate) const SECRET: &str = "sim_key_ab/cd-4f1c2b7e9d";
/// The id that a key of Agent Harness has in front of it.
pub(crate) const KEY_ID: &str = "key_sim_7";

/// The task and the run that there are.
pub(crate) const TASK: &str = "8c1e0a4e-0000-4000-8000-000000000007";
pub(crate) const RUN: &str = "run_7";
/// An agent by its id: nothing is read before the start.
pub(crate) const AGENT: &str = "00000000-0000-4000-8000-000000000001";

/// Requests of one client after which access is refused: so a watch ends that cannot get on.
const ENOUGH: u32 = 24;

/// Where the key is put, until it is spelt.
const MARK: &str = "@KEY@";

/// A way to spell the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    /// As a writer of JSON may: `\/` and `\u005f`.
    Json,
    /// Every character as `\uXXXX`.
    Unicode,
    /// JSON in a string of JSON.
    Nested,
    Percent,
    LineBreak,
    /// As the password of a user, in base64.
    Base64,
    /// As the end of another text, in the alphabet of URLs and without padding.
    Base64Url,
}

impl Form {
    pub(crate) const ALL: [Self; 8] = [
        Self::Plain,
        Self::Json,
        Self::Unicode,
        Self::Nested,
        Self::Percent,
        Self::LineBreak,
        Self::Base64,
        Self::Base64Url,
    ];

    /// Returns the key as it stands in a text; `in_json` is one between quotes.
    pub(crate) fn spell(self, in_json: bool) -> String {
        let each = |spell: &dyn Fn(char) -> String| SECRET.chars().map(spell).collect::<String>();
        let (first, last) = SECRET.split_at(9);
        match self {
            Self::Plain => SECRET.to_owned(),
            Self::Json => SECRET.replace('/', "\\/").replace('_', "\\u005f"),
            Self::Unicode => each(&|c| format!("\\u{:04X}", u32::from(c))),
            Self::Nested => SECRET.replace('/', "\\\\/").replace('_', "\\\\u005f"),
            Self::Percent => each(&|c| match c {
                'a'..='z' | '0'..='9' => c.into(),
                c => format!("%{:02x}", u32::from(c)),
            }),
            Self::LineBreak if in_json => format!("{first}\\r\\n  {last}"),
            Self::LineBreak => format!("{first}\n{last}"),
            Self::Base64 if in_json => pair().replace('/', "\\/"),
            Self::Base64 => pair(),
            Self::Base64Url => pair().replace('+', "-").replace('/', "_").replace('=', ""),
        }
    }
}

/// A user and the secret as the password, in base64.
fn pair() -> String {
    encode(format!("o~?:{SECRET}").as_bytes())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(text: &[u8]) -> String {
    let mut out = String::new();
    for three in text.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[usize::try_from(bits >> (18 - 6 * at) & 63).expect("six bits")];
            out.push(if at <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

/// Returns whether the middle of the secret is in a text in base64, in either alphabet, whatever stands before it.
fn holds_encoded(text: &str) -> bool {
    static MIDDLES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let after = ["", "x", "xx"].map(|before| encode(format!("{before}{SECRET}").as_bytes()));
        let middles = after.map(|encoded| encoded[4..28].to_owned());
        let of_urls = |middle: &String| middle.replace('+', "-").replace('/', "_");
        let others: Vec<String> = middles.iter().map(of_urls).collect();
        middles.into_iter().chain(others).collect()
    });
    MIDDLES.iter().any(|middle| text.contains(middle))
}

/// Where the key is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this string of this reply; an empty pointer is the name of a field.
    Field(&'static str, String),
    /// In this header of this reply.
    Header(&'static str, &'static str),
    /// In the name of a header of this reply.
    HeaderName(&'static str),
    /// In the reason after the status of this reply.
    Reason(&'static str),
    /// In this string of a refusal of this status in place of this reply.
    Refusal(&'static str, u16, String),
    /// In a page or a text in place of this reply.
    Page(&'static str, u16, &'static str),
    /// In this line of the stream.
    Stream(&'static str),
    /// In the deltas of the stream, so many characters each.
    Pieces(usize),
}

impl Place {
    /// Returns the reply that it is in.
    pub(crate) fn reply(&self) -> &'static str {
        match self {
            Self::Field(reply, _)
            | Self::Header(reply, _)
            | Self::HeaderName(reply)
            | Self::Reason(reply)
            | Self::Refusal(reply, ..)
            | Self::Page(reply, ..) => reply,
            Self::Stream(_) | Self::Pieces(_) => "stream",
        }
    }

    /// Returns whether the reply is one of Nanonets.
    pub(crate) fn is_of_nanonets(&self) -> bool {
        NANONETS.contains(&self.reply())
    }

    /// Returns whether a key can be spelt so there.
    pub(crate) fn takes(&self, form: Form) -> bool {
        match self {
            // One line each, and as it is.
            Self::Header(..) | Self::Reason(_) | Self::Stream(_) => form != Form::LineBreak,
            Self::HeaderName(_) | Self::Pieces(_) => form == Form::Plain,
            // The body is the same in all of them: one form stands for the others.
            Self::Refusal(_, _, pointer) => pointer.ends_with("message") || form == Form::Unicode,
            _ => true,
        }
    }
}

const NANONETS: [&str; 8] = [
    "start", "status", "messages", "message", "summary", "result", "tasks", "agents",
];
const HARNESS: [&str; 6] = ["create", "read", "events", "stream", "signal", "usage"];

/// Returns every place that a followed task meets.
pub(crate) fn places() -> Vec<Place> {
    let mut all = Vec::new();
    let followed = NANONETS[..6].iter().chain(&HARNESS[..5]);
    for reply in followed {
        if *reply != "stream" {
            all.extend(fields_of(reply));
        }
        for name in ["X-Request-Id", "Content-Type"] {
            all.push(Place::Header(reply, name));
        }
        all.push(Place::HeaderName(reply));
        all.push(Place::Reason(reply));
        let codes: &[u16] = match *reply {
            "start" | "create" => &[400, 401, 429, 500],
            "status" | "read" => &[403, 404, 503],
            _ => &[400],
        };
        for code in codes {
            fields(&refusal(), String::new(), &mut |pointer| {
                all.push(Place::Refusal(reply, *code, pointer));
            });
        }
        let pages = if ["start", "status", "create", "read", "stream"].contains(reply) {
            5
        } else {
            1
        };
        for (code, kind) in [
            (200, "text/html"),
            (502, "text/html"),
            (500, "text/plain"),
            (307, "elsewhere"),
            (307, "here"),
        ]
        .into_iter()
        .take(pages)
        {
            all.push(Place::Page(reply, code, kind));
        }
    }
    all.extend(["comment", "id", "event", "retry", "field"].map(Place::Stream));
    all.extend((1..SECRET.len()).map(Place::Pieces));
    all
}

/// Returns every field of a reply.
pub(crate) fn fields_of(reply: &'static str) -> Vec<Place> {
    let mut all = vec![Place::Field(reply, String::new())];
    fields(&Flow::LATER.reply(reply), String::new(), &mut |pointer| {
        all.push(Place::Field(reply, pointer));
    });
    all
}

fn fields(value: &Value, pointer: String, found: &mut impl FnMut(String)) {
    match value {
        Value::String(_) => found(pointer),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                fields(item, format!("{pointer}/{at}"), found);
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                fields(value, format!("{pointer}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn refusal() -> Value {
    json!({"error": {"message": "no", "code": "x"}, "detail": "d", "request_id": "r"})
}

/// How far the one task has come.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    fails: bool,
    /// Whether the stream was asked for, or for a while was not: the run asks nothing before.
    received: bool,
    answered: bool,
    /// The first delta comes in pieces of so many characters, which make the key.
    pieces: Option<usize>,
}

impl Flow {
    /// One in which all fields are there.
    const LATER: Self = Self {
        fails: false,
        received: true,
        answered: false,
        pieces: None,
    };

    fn reply(self, name: &str) -> Value {
        let at = "2026-01-01T00:00:00Z";
        let status = match (self.fails, self.answered) {
            (true, _) => "failed",
            (false, true) => "completed",
            (false, false) => "waiting_for_input",
        };
        let state = match (self.answered, self.received) {
            (true, _) => "succeeded",
            (false, true) => "awaiting_input",
            (false, false) => "running",
        };
        match name {
            "start" => {
                json!({"task_id": TASK, "agent_id": AGENT, "status": "queued", "message": "begun", "created_at": at, "new": "n"})
            }
            "status" => {
                json!({"task_id": TASK, "agent_id": AGENT, "status": status, "title": "t", "created_at": at, "new": {"a": ["n"]}})
            }
            "messages" => json!({"data": [
                {"id": "m1", "task_id": TASK, "role": "user", "content": "hi", "created_at": at},
                {"id": "m2", "task_id": TASK, "role": "assistant", "content": {"text": "Which currency?"}, "created_at": at, "new": "n"},
            ]}),
            "message" => {
                json!({"message_id": "m3", "task_id": TASK, "status": "running", "new": "n"})
            }
            "summary" => {
                json!({"task_id": TASK, "status": "completed", "title": "t", "created_at": at,
                "result": {"summary": "done", "content": [{"text": "more"}]}, "extracted_data": {"currency": "EUR"}, "new": "n"})
            }
            "result" => {
                json!({"task_id": TASK, "status": "failed", "feed": [{"role": "assistant", "content": "boom", "new": "n"}], "new": "n"})
            }
            "tasks" => {
                json!({"data": [{"task_id": TASK, "agent_id": AGENT, "status": "running", "title": "t", "created_at": at, "new": "n"}], "has_more": false})
            }
            "agents" => {
                json!({"data": [{"id": AGENT, "name": "invoices", "description": "d", "status": "published", "new": "n"}], "has_more": false})
            }
            "create" => json!({"id": RUN, "status": "queued", "request_id": "q1", "new": "n"}),
            "read" => {
                json!({"id": RUN, "status": state, "request_id": "q2", "goal": "g", "new": {"a": ["n"]}})
            }
            "events" => json!({"events": self.events(), "new": "n", "next_cursor": null}),
            "signal" => json!({"id": RUN, "status": "running", "request_id": "q3", "new": "n"}),
            "usage" => {
                json!({"granularity": "day", "buckets": [{"start": at, "runs": 1, "new": "n"}], "new": "n"})
            }
            other => unreachable!("{other}"),
        }
    }

    fn events(self) -> Vec<Value> {
        let event = |seq: u64, kind: &str, value: Value| json!({"seq": seq, "type": kind, "timestamp": "2026-01-01T00:00:00Z", "new": "n", "payload": {"redacted": false, "value": value}});
        let mut all = vec![
            event(
                1,
                "run.created",
                json!({"goal": "g", "to_status": "queued"}),
            ),
            event(
                2,
                "step.progress",
                json!({"kind": "content_delta", "content_delta": "Dear team"}),
            ),
            event(
                3,
                "run.awaiting_input",
                json!({"input_kind": "approval", "reason_code": "awaiting_approval", "prompt": "Send it?"}),
            ),
        ];
        if !self.received {
            all.truncate(1);
        } else if let Some(size) = self.pieces {
            let parts = SECRET.as_bytes().chunks(size).map(|part| {
                let text = String::from_utf8_lossy(part);
                event(
                    0,
                    "step.progress",
                    json!({"kind": "content_delta", "content_delta": text}),
                )
            });
            all.splice(2..2, parts.collect::<Vec<_>>());
            // What was said stands in the place of what is asked.
            let asked = all.last_mut().expect("a question");
            asked["payload"]["value"]["prompt"] = Value::Null;
        }
        if self.answered {
            all.push(event(
                4,
                "step.done",
                json!({"outcome": "succeeded", "tool": "mail"}),
            ));
            all.push(event(
                5,
                "run.worker.succeeded",
                json!({"from_status": "running", "to_status": "succeeded"}),
            ));
        }
        for (at, event) in all.iter_mut().enumerate() {
            event["seq"] = json!(at + 1);
        }
        all
    }
}

/// The server; it ends with the process.
pub(crate) struct Echo {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    places: Vec<Place>,
    form: Form,
    flow: Flow,
    /// Replies with a key in them.
    said: u32,
    /// Requests.
    asked: u32,
}

impl Echo {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            places: Vec::new(),
            form: Form::Plain,
            flow: Flow::default(),
            said: 0,
            asked: 0,
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                let state = shared.clone();
                // Whether the other side still listens is its own affair.
                std::thread::spawn(move || drop(answer(tcp, &state)));
            }
        });
        Self { url, state }
    }

    /// Puts the key in this place, with the task at its beginning.
    pub(crate) fn say(&self, places: &[Place], form: Form) {
        let mut state = lock(&self.state);
        let fails = places.iter().all(|place| place.reply() == "result");
        let pieces = places.iter().find_map(|place| match place {
            Place::Pieces(size) => Some(*size),
            _ => None,
        });
        *state = State {
            places: places.to_vec(),
            form,
            flow: Flow {
                fails: fails && !places.is_empty(),
                received: false,
                answered: false,
                pieces,
            },
            said: 0,
            asked: 0,
        };
    }

    /// Returns how many replies said it.
    pub(crate) fn said(&self) -> u32 {
        lock(&self.state).said
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(mut tcp: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(tcp.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().expect("a length");
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    let mut words = first.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = target.split('?').next().unwrap_or_default();
    let name = match (method, path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "run") => "start",
        ("POST", "message") => "message",
        ("POST", "runs") => "create",
        ("POST", "signal") => "signal",
        (_, "messages") => "messages",
        (_, "summary") => "summary",
        (_, "result") => "result",
        (_, "tasks") => "tasks",
        (_, "agents") => "agents",
        (_, "events") => "events",
        (_, "stream") => "stream",
        (_, "usage") => "usage",
        _ if path.contains("/tasks/") => "status",
        _ => "read",
    };
    let reply = written(&mut lock(state), name);
    tcp.write_all(&reply)
}

/// Returns the bytes of a reply, and the step that the task makes with it.
fn written(state: &mut State, name: &str) -> Vec<u8> {
    state.asked += 1;
    state.flow.received |= name == "stream" || state.asked > ENOUGH / 2;
    let (flow, form) = (state.flow, state.form);
    if state.asked > ENOUGH {
        // Nobody waits any longer for what cannot come.
        return b"HTTP/1.1 401 Enough\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    }
    let mut code = if name == "start" || name == "create" {
        201
    } else {
        200
    };
    let mut kind = if name == "stream" {
        "text/event-stream"
    } else {
        "application/json"
    }
    .to_owned();
    let (mut reason, mut extra) = ("Fine".to_owned(), String::new());
    let mut body = if name == "stream" {
        Value::Null
    } else {
        flow.reply(name)
    };
    let mut text = None;
    let mut said = false;
    for place in state.places.iter().filter(|place| place.reply() == name) {
        said = true;
        match place {
            Place::Field(_, pointer) if pointer.is_empty() => {
                body[format!("x{MARK}")] = json!("named")
            }
            Place::Field(_, pointer) => match body.pointer_mut(pointer) {
                Some(field) => *field = json!(format!("x{MARK}x")),
                // It is one of the other half of the task.
                None => said = false,
            },
            Place::Header(_, "Content-Type") => kind = format!("application/{}", form.spell(false)),
            Place::Header(_, header) => {
                extra.push_str(&format!("{header}: x{}x\r\n", form.spell(false)))
            }
            Place::HeaderName(_) => {
                let token = SECRET.replace('/', "");
                extra.push_str(&format!("X-{token}: {SECRET}\r\n"));
            }
            Place::Reason(_) => reason = format!("x{}x", form.spell(false)),
            Place::Refusal(_, status, pointer) => {
                code = *status;
                body = refusal();
                *body.pointer_mut(pointer).expect("a field") = json!(format!("x{MARK}x"));
                // Errors name the server of the exchange.
                let key = form.spell(false).replace('\n', "");
                extra.push_str(&format!("X-Request-Id: x{key}x\r\n"));
                text = Some(body.to_string());
            }
            Place::Page(_, status, what) => {
                code = *status;
                let key = form.spell(false);
                text = Some(format!("<html><a href=\"/?k={key}\">{key}</a>"));
                match *what {
                    "elsewhere" => extra.push_str(&format!(
                        "Location: https://elsewhere.example/?k={}\r\n",
                        form.spell(false).replace('\n', "")
                    )),
                    "here" => extra.push_str(&format!(
                        "Location: /api/v1/{}\r\n",
                        form.spell(false).replace('\n', "")
                    )),
                    "text/plain" => {
                        kind = (*what).to_owned();
                        text = Some(format!("you said {key}"));
                    }
                    what => kind = what.to_owned(),
                }
            }
            Place::Stream(what) => {
                let key = form.spell(false);
                let line = match *what {
                    "comment" => format!(": {key}\n\n"),
                    "field" => format!("{key}: {key}\n\n"),
                    // Repeated with every event, it is in force.
                    what => format!(
                        "{what}: {key}\ndata: {{\"a\":\"{}\"}}\n\n",
                        form.spell(true)
                    ),
                };
                text = Some(line + &stream(flow));
            }
            Place::Pieces(_) => {}
        }
    }
    // The list has what the stream has, and under load is read first.
    said |= name == "events" && flow.received && flow.pieces.is_some();
    state.said += u32::from(said);
    if (200..300).contains(&code) && (name == "message" || name == "signal") {
        state.flow.answered = true;
    }
    let body = text.unwrap_or_else(|| match name {
        "stream" => stream(flow),
        _ => body.to_string(),
    });
    let body = body.replace(MARK, &form.spell(true));
    format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: {kind}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns the stream of all events so far.
fn stream(flow: Flow) -> String {
    flow.events()
        .iter()
        .map(|event| format!("id: {}\nevent: run_event\ndata: {event}\n\n", event["seq"]))
        .collect()
}

/// Returns whether a text holds the key in any form, found in another way than the program does: decoded until nothing changes.
pub(crate) fn holds_key(text: &str) -> bool {
    let mut text = text.to_owned();
    for _ in 0..4 {
        if holds_squeezed(&text) || holds_encoded(&text) {
            return true;
        }
        let decoded = percent(&unescaped(&text));
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    false
}

/// Returns whether six characters in a row of the secret stand in a text, of a server that says it in pieces.
pub(crate) fn holds_piece(text: &str) -> bool {
    let pieces = SECRET.as_bytes().windows(6);
    let mut pieces = pieces.map(|piece| String::from_utf8_lossy(piece));
    pieces.any(|piece| text.contains(piece.as_ref()))
}

/// Returns whether the secret stands in a text, spaces and control characters between its own left out. The canary spends
/// its time here and tests are not optimised, so the standard library, which is, finds where to compare.
fn holds_squeezed(text: &str) -> bool {
    let (first, second) = (char::from(SECRET.as_bytes()[0]), SECRET.as_bytes()[1]);
    let mut rest = text;
    while let Some(at) = rest.find(first) {
        let here = &rest[at..];
        rest = &here[1..];
        let next = rest.as_bytes().first();
        // Most are the first letter of another word.
        if next.is_none_or(|next| next.is_ascii_graphic() && *next != second) {
            continue;
        }
        let mut shown = here.chars().filter(|c| *c > ' ' && !c.is_control());
        if SECRET.chars().all(|c| shown.next() == Some(c)) {
            return true;
        }
    }
    false
}

/// With one layer of JSON escapes undone; what is none stays.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.get(1..5).filter(|_| rest.starts_with('u'));
        match code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32)
        {
            Some(c) => {
                out.push(c);
                rest = &rest[5..];
            }
            None => {
                let mut chars = rest.chars();
                match chars.next() {
                    Some('n' | 'r' | 't') => {}
                    Some(c) => out.push(c),
                    None => out.push('\\'),
                }
                rest = chars.as_str();
            }
        }
    }
    out + rest
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        match rest
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(u8::is_ascii)
        {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}
