//! The canary matrix: the key in every field of every reply, in every form, and searched wherever it could come out.
#![cfg(all(feature = "async", feature = "blocking"))]
#![allow(missing_docs)]

mod echo;
#[path = "../secrets/follow.rs"]
mod follow;

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use taskward::agent_harness::{self, AgentHarness};
use taskward::core::{Credential, KeyHeader, SecretString};
use taskward::nanonets::{self, Nanonets};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use echo::{AGENT, Echo, Form, KEY_ID, Place, RUN, SECRET, TASK, holds_key, holds_piece, places};
use follow::{Access, Goal, Said, both};

/// What was logged by whichever thread and not searched yet. The adapters have threads of their own, so the log is one
/// for the process, and so is this binary.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        logged.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns what was logged since the last call.
fn logged() -> String {
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&std::mem::take(&mut *logged)).into_owned()
}

/// How the client sends the key.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// As a bearer key.
    Bearer,
    /// As a password.
    Password,
    /// In a header of its own.
    Header,
}

impl Sent {
    /// Returns whether such a client hears this form. The first one hears all of them.
    fn hears(self, form: Form) -> bool {
        match self {
            Self::Bearer => true,
            Self::Password => matches!(form, Form::Plain | Form::Base64),
            Self::Header => form == Form::Plain,
        }
    }

    fn access(self, key: &str) -> Access {
        let key = SecretString::from(key);
        match self {
            Self::Bearer => Access::Key(key),
            Self::Password => {
                let secret = SecretString::from(SECRET);
                Access::Other(Credential::basic("o~?", &secret).expect("a pair"))
            }
            Self::Header => {
                let header = KeyHeader::new("X-Api-Key").expect("a name");
                Access::Other(Credential::api_key(header, &key).expect("a key"))
            }
        }
    }
}

/// Follows a task whose server sends the key in this place, with both adapters; returns everything that came out.
fn received(echo: &Echo, sent: Sent, place: &Place, form: Form) -> Said {
    let said = Said::default();
    let (key, pair) = (
        sent.access(SECRET),
        sent.access(&format!("{KEY_ID}:{SECRET}")),
    );
    let say = || echo.say(std::slice::from_ref(place), form);
    match place.reply() {
        // A task that is come back to.
        "status" => both(&said, (&echo.url, &key), || {
            say();
            Goal::<Nanonets>::Attach(TASK)
        }),
        "read" => both(&said, (&echo.url, &pair), || {
            say();
            Goal::<AgentHarness>::Attach(RUN)
        }),
        _ if place.is_of_nanonets() => both(&said, (&echo.url, &key), || {
            say();
            Goal::<Nanonets>::Start(nanonets::Job::agent(AGENT).query("hi"))
        }),
        _ => both(&said, (&echo.url, &pair), || {
            say();
            Goal::<AgentHarness>::Start(agent_harness::Job::goal("Write."))
        }),
    }
    said.say("debug", &logged());
    said
}

/// Rows: L5, L6, L17, L18, L21.
#[test]
fn the_key_comes_out_nowhere_wherever_a_server_puts_it() {
    let mut all: Vec<(Sent, Place, Form)> = Vec::new();
    for sent in [Sent::Bearer, Sent::Password, Sent::Header] {
        for place in places() {
            let forms = Form::ALL.into_iter();
            let forms = forms.filter(|form| place.takes(*form) && sent.hears(*form));
            all.extend(forms.map(|form| (sent, place.clone(), form)));
        }
    }
    let ours = filter_fn(|about| about.target().starts_with("taskward"));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(|| Log)
        .with_filter(ours.and(LevelFilter::DEBUG));
    tracing_subscriber::registry().with(layer).init();
    // Most of them wait: for a silence, or for time that passes.
    let threads = 16;
    let next = Mutex::new(all.iter());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cells: usize = std::thread::scope(|scope| {
        let work = || std::iter::from_fn(take).map(search).sum::<usize>();
        let searched: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        searched
            .into_iter()
            .map(|part| part.join().expect("no panic"))
            .sum()
    });
    assert!(!holds_key(&logged()));
    println!(
        "canary: {} clients, places and forms x 2 adapters, {cells} cells, 0 hits",
        all.len()
    );
}

/// At this speed a busy machine may ask for something else first, and not for the reply that has the key in it: then the
/// task is followed again.
const TRIES: usize = 5;

fn search((sent, place, form): &(Sent, Place, Form)) -> usize {
    let echo = Echo::new();
    for _ in 0..TRIES {
        let cells = search_once(&echo, *sent, place, *form);
        if echo.said() > 0 {
            return cells;
        }
    }
    panic!("the key was never said: {sent:?} {place:?} {form:?}");
}

fn search_once(echo: &Echo, sent: Sent, place: &Place, form: Form) -> usize {
    let said = received(echo, sent, place, form);
    let said = said.0.lock().expect("whole");
    for (channel, text) in said.iter() {
        assert!(
            !holds_key(text),
            "{sent:?} {place:?} {form:?}: {channel} holds the key: {text}"
        );
        assert!(
            !matches!(place, Place::Pieces(_)) || !holds_piece(text),
            "{sent:?} {place:?}: {channel} holds a piece of the key: {text}"
        );
    }
    // Once for each adapter.
    2 * said.len()
}

#[test]
fn the_search_finds_the_key_in_every_form_and_between_characters_that_are_not_shown() {
    for form in Form::ALL {
        for key in [form.spell(true), form.spell(false)] {
            assert!(holds_key(&format!("{{\"é\": \"x{key}\u{a0}\"}}")), "{key}");
        }
    }
    let (first, last) = SECRET.split_at(5);
    for hidden in [
        "\0", " ", "\t", "\u{7f}", "\u{80}", "\u{9f}", "%0a", "\\u0085",
    ] {
        let key = format!("é{first}{hidden}{last}");
        assert!(holds_key(&key), "{key:?}");
    }
    for shown in ["é", "\u{a0}", "x", "%41"] {
        assert!(!holds_key(&format!("{first}{shown}{last}")), "{shown:?}");
    }
}
