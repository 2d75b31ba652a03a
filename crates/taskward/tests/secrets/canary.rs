//! The canary matrix: the key in every field of every reply, in every form, and searched wherever it could come out.

use std::io::Write;

use taskward::agent_harness::{self, AgentHarness};
use taskward::nanonets::{self, Nanonets};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::echo::{AGENT, Echo, Form, KEY_ID, Place, SECRET, holds_key, places};
use super::{Goal, Said, both};

/// Takes what is logged.
struct Log(Said);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append("debug", &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Follows a task whose server says the key there, with both adapters; tells what was heard.
fn heard(echo: &Echo, place: &Place, form: Form) -> Said {
    let said = Said::default();
    let log = said.clone();
    let ours = filter_fn(|about| about.target().starts_with("taskward"));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || Log(log.clone()))
        .with_filter(ours.and(LevelFilter::DEBUG));
    let _logged = tracing_subscriber::registry().with(layer).set_default();
    if place.is_of_nanonets() {
        both(&said, (&echo.url, SECRET), || {
            echo.say(std::slice::from_ref(place), form);
            Goal::<Nanonets>::Start(nanonets::Job::agent(AGENT).query("hi"))
        });
    } else {
        let key = format!("{KEY_ID}:{SECRET}");
        both(&said, (&echo.url, &key), || {
            echo.say(std::slice::from_ref(place), form);
            Goal::<AgentHarness>::Start(agent_harness::Job::goal("Write."))
        });
    }
    said
}

/// Rows: L5, L6, L17, L18.
#[test]
fn the_key_comes_out_nowhere_wherever_a_server_puts_it() {
    let all: Vec<(Place, Form)> = places()
        .into_iter()
        .flat_map(|place| {
            let forms = Form::ALL.into_iter().filter(|form| place.takes(*form));
            forms.map(|form| (place.clone(), form)).collect::<Vec<_>>()
        })
        .collect();
    let threads = 16;
    let cells: usize = std::thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(threads));
        let searched: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(search).sum::<usize>()))
            .collect();
        searched
            .into_iter()
            .map(|part| part.join().expect("no panic"))
            .sum()
    });
    println!(
        "canary: {} places and forms x 2 adapters, {cells} cells, 0 hits",
        all.len()
    );
}

fn search((place, form): &(Place, Form)) -> usize {
    let echo = Echo::new();
    let said = heard(&echo, place, *form);
    assert!(
        echo.said() > 0,
        "the key was never said: {place:?} {form:?}"
    );
    let said = said.0.lock().expect("whole");
    for (channel, text) in said.iter() {
        assert!(
            !holds_key(text),
            "{place:?} {form:?}: {channel} holds the key: {text}"
        );
    }
    // Once for each adapter.
    2 * said.len()
}
