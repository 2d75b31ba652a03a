//! What goes wrong, or is otherwise than usual.

use std::time::Duration;

use taskward::agent_harness::Job;
use taskward_sim::harness::Replay;
use taskward_sim::{Corruption, Fault, FaultRule};

/// One run under one fault or switch.
pub(crate) struct Case {
    pub(crate) name: String,
    scenario: &'static str,
    pub(crate) switches: String,
    pub(crate) faults: Vec<FaultRule>,
}

impl Case {
    pub(crate) fn job(&self) -> Job {
        let job = Job::goal("Write.").with_input("scenario", self.scenario);
        match self.scenario {
            "long-stream" => job.with_input("events", 60),
            "big-event" => job.with_input("bytes", 300_000),
            _ => job,
        }
    }

    /// Returns how long the run may take; one never ends. All that it tells must have arrived by then, after every fault and
    /// on a busy machine: forty seconds of its time, a fifth of one of the world's, were too few.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(if self.scenario == "stall" { 200 } else { 600 })
    }

    /// Returns how far the position of an event is from that of the one before.
    pub(crate) fn step(&self) -> u64 {
        if self.switches == "seq_step = 3" {
            3
        } else {
            1
        }
    }

    /// Returns whether a connection leaves events out, which nothing has to fill in: positions need not be contiguous.
    pub(crate) fn is_lossy(&self) -> bool {
        ["a gap", "out of order", "not JSON"].contains(&self.name.as_str())
    }
}

/// Returns the cases of a scenario: those that wait see all of them, the others what concerns streams.
pub(crate) fn of(scenario: &'static str) -> Vec<Case> {
    let case = |name: &str, switches: &str, faults: Vec<FaultRule>| Case {
        name: name.to_owned(),
        scenario,
        switches: switches.to_owned(),
        faults,
    };
    let mut all = vec![case("plain", "", Vec::new())];
    // A run that never ends takes its time: a third of them has to do.
    let every = if scenario == "stall" { 3 } else { 1 };
    for (name, faults) in streams().into_iter().step_by(every) {
        all.push(case(name, "", faults));
    }
    for replay in ["from_start", "last_event_id", "live_only"] {
        for bytes in [70, 900, 2300] {
            let switches = format!("replay = \"{replay}\"");
            let cut = on_streams(Fault::CutBody { bytes }).count(2);
            all.push(case(
                &format!("{replay}, cut at {bytes}"),
                &switches,
                vec![cut],
            ));
        }
    }
    if matches!(scenario, "approve-email" | "two-waits") {
        for (name, faults) in writes() {
            all.push(case(name, "", faults));
        }
        for switches in SWITCHES {
            all.push(case(switches, switches, Vec::new()));
        }
    }
    all
}

const SWITCHES: [&str; 14] = [
    "create_in_progress_ms = 1000",
    "new_run_hidden_ms = 2000",
    "signal_delay_ms = 2500",
    "end_delay_ms = 3000",
    "wait_status_delay_ms = 2000",
    "wait_event_delay_ms = 2000",
    "empty_write_replies = true",
    "seq_step = 3",
    "event_ids = true\nline_ending = \"crlf\"",
    "line_ending = \"cr\"\nping_ms = 300",
    "events_wrapper = \"bare\"",
    "stream_missing = 404",
    "stream_missing = 404\nevents_wrapper = \"data\"\ncursor_type = \"integer\"\nevent_page_size = 3",
    "stream_ends_at_wait = true",
];

fn on_streams(fault: Fault) -> FaultRule {
    FaultRule::new(fault).on("agent-harness.stream")
}

fn status(code: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        code,
        retry_after: retry_after.map(str::to_owned),
        after_bytes: None,
    }
}

fn streams() -> Vec<(&'static str, Vec<FaultRule>)> {
    let corrupt = |form| Fault::CorruptEvent {
        after_events: 2,
        events: 2,
        form,
    };
    let once = |fault: Fault| vec![on_streams(fault).count(1)];
    vec![
        ("reset", once(Fault::Reset { after_bytes: None })),
        (
            "reset in the middle",
            once(Fault::Reset {
                after_bytes: Some(800),
            }),
        ),
        ("closed before the head", once(Fault::CloseBeforeHead)),
        ("head cut", once(Fault::CutHead { bytes: 40 })),
        (
            "stalled before the head",
            once(Fault::Stall {
                after_bytes: Some(0),
            }),
        ),
        (
            "stalled in the middle",
            once(Fault::Stall {
                after_bytes: Some(700),
            }),
        ),
        (
            "ends for ever",
            vec![on_streams(Fault::StreamEof { after_events: 0 })],
        ),
        (
            "ends after each event",
            vec![on_streams(Fault::StreamEof { after_events: 1 })],
        ),
        ("503", once(status(503, Some("2")))),
        ("404", vec![on_streams(status(404, None))]),
        ("a page", once(Fault::Html200)),
        (
            "another type",
            once(Fault::WrongContentType {
                content_type: "text/plain".to_owned(),
            }),
        ),
        ("compressed", once(Fault::GzipBomb)),
        (
            "redirected away",
            once(Fault::Redirect {
                to: Some("http://elsewhere.example/".to_owned()),
                code: 307,
            }),
        ),
        (
            "a gap",
            once(Fault::SeqGap {
                after_events: 2,
                events: 2,
            }),
        ),
        ("out of order", once(Fault::Reorder { after_events: 2 })),
        (
            "an event twice",
            once(Fault::DuplicateEvent { after_events: 2 }),
        ),
        ("not JSON", once(corrupt(Corruption::NotJson))),
        ("a stale one", once(Fault::StaleRead)),
        (
            "live only",
            once(Fault::Replay {
                mode: Replay::LiveOnly,
            }),
        ),
        ("twice", once(Fault::DuplicateReply)),
        ("with trailers", vec![on_streams(Fault::Trailers)]),
        (
            "small pieces",
            once(Fault::Dribble {
                bytes: 997,
                pause: taskward_sim::Span(1),
            }),
        ),
        (
            "cut again and again",
            vec![
                on_streams(Fault::CutBody { bytes: 500 }),
                on_streams(Fault::Reset { after_bytes: None }),
            ],
        ),
    ]
}

fn writes() -> Vec<(&'static str, Vec<FaultRule>)> {
    let on = |fault: Fault, endpoint: &str| vec![FaultRule::new(fault).on(endpoint).count(1)];
    vec![
        (
            "create: reply lost",
            on(Fault::LostReplyAfterApply { after_bytes: 0 }, "create_run"),
        ),
        (
            "create: reply cut",
            on(
                Fault::LostReplyAfterApply { after_bytes: 150 },
                "create_run",
            ),
        ),
        ("create: 502", on(status(502, None), "create_run")),
        ("create: 429", on(status(429, Some("1")), "create_run")),
        ("create: a page", on(Fault::Html200, "create_run")),
        (
            "signal: reply lost",
            on(Fault::LostReplyAfterApply { after_bytes: 0 }, "signal"),
        ),
        (
            "signal: never arrived",
            on(Fault::CloseBeforeHead, "signal"),
        ),
        ("signal: 503", on(status(503, None), "signal")),
        (
            "signal: reply cut",
            on(Fault::CutBody { bytes: 5 }, "signal"),
        ),
        ("read: 500", on(status(500, None), "read_run")),
        ("read: truncated", on(Fault::TruncatedJson, "read_run")),
        (
            "list: reset",
            on(Fault::Reset { after_bytes: None }, "events"),
        ),
    ]
}
