//! Everything that we assume of this platform and that its documentation does not say, or says in two ways.

use serde_json::Value;
use taskward_core::sse;

use crate::doctor::evidence::{Sign, accepted, found, has_all, kind, status, texts};
use crate::doctor::{Assumption, Evidence, Finding, RecordedReply, row};
use crate::generated::agent_harness::RunStatus;

/// What would show something that only a write shows which `doctor` does not make.
const NEVER: &str = "doctor makes no such request";
/// What would show something of a run.
const RUN: &str = "a run: --task RUN names one, --start GOAL starts one";
/// What would show something of a start.
const START: &str = "a start: --start GOAL";
/// What would show something of any reply.
const REPLY: &str = "a reply of the platform";

pub(super) const ASSUMPTIONS: &[Assumption] = &[
    row(
        "events-cursor",
        &["/paths/~1v1~1runs~1{id}~1events/get/parameters/0"],
        "the query parameter cursor continues the list of events behind the page before",
        cursor_continues,
    ),
    row(
        "events-wrapper",
        &["/components/schemas/RunEventPage"],
        "a page of events is an object with the list in events",
        |evidence| {
            let pages = evidence.read("listRunEvents");
            found(
                pages.map(|page| has_field(page, "events", Value::is_array)),
                RUN,
            )
        },
    ),
    row(
        "events-next-cursor",
        &["/components/schemas/RunEventPage"],
        "a page of events has its cursor in next_cursor",
        |evidence| {
            let pages = evidence.read("listRunEvents");
            found(
                pages.map(|page| has_field(page, "next_cursor", |_| true)),
                RUN,
            )
        },
    ),
    row(
        "resume-path",
        &["/paths/~1v1~1runs~1{id}~1resume/post"],
        "POST /v1/runs/{id}/resume resumes a stalled run",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "key-calls",
        &[
            "/paths/~1v1~1api-keys/post",
            "/paths/~1v1~1api-keys~1{key_id}/delete",
            "/paths/~1v1~1api-keys~1{key_id}~1rotate/post",
            "/components/schemas/ApiKey",
        ],
        "keys are made, revoked and rotated below /v1/api-keys",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "create-fields",
        &[
            "/components/schemas/CreateRunRequest/properties/attachment_refs",
            "/components/schemas/CreateRunRequest/properties/sensitivity_tags",
            "/components/schemas/CreateRunRequest/properties/streaming",
            "/components/schemas/CreateRunRequest/properties/routing_hint",
        ],
        "a start may have attachment_refs, sensitivity_tags, streaming and routing_hint",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "limit-payload",
        &["/components/schemas/RunLimitExceededPayload"],
        "the event run.limit_exceeded has the fields of a change of status",
        |evidence| {
            let payloads = values_of(evidence, "run.limit_exceeded");
            let signs = payloads
                .iter()
                .map(|value| has_all(value, &["from_status", "to_status"]));
            found(signs, "a run that went over a limit: --task RUN names it")
        },
    ),
    row(
        "step-content",
        &[
            "/components/schemas/StepProgressPayload/properties/content",
            "/components/schemas/StepDonePayload/properties/content",
        ],
        "the content of a step event is a text",
        |evidence| {
            let steps = ["step.progress", "step.done"];
            let values = steps.iter().flat_map(|name| values_of(evidence, name));
            let contents = values.filter_map(|value| value.get("content").cloned());
            found(
                contents.map(|content| is_text(&content)),
                "a step event with content",
            )
        },
    ),
    row(
        "signal-reply",
        &["/components/schemas/SignalResponse"],
        "a signal answers any 2xx, with any body or none",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "usage-object",
        &["/components/schemas/Usage"],
        "the reply of usage is an object",
        |evidence| {
            let replies = evidence.read("getUsage");
            found(
                replies.map(|usage| match usage.as_object() {
                    Some(fields) => {
                        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                        Ok(format!("with {}", names.join(", ")))
                    }
                    None => Err(kind(usage).to_owned()),
                }),
                REPLY,
            )
        },
    ),
    row(
        "start-code",
        &[],
        "a start answers 200, 201 or 202",
        |evidence| accepted(evidence, "start", &[200, 201, 202], START),
    ),
    row(
        "start-queued",
        &[],
        "a new run has the status queued",
        |evidence| {
            found(
                evidence.read("createRun").filter_map(|run| {
                    let status = run["status"].as_str()?;
                    Some(match status {
                        "queued" => Ok(status.to_owned()),
                        _ => Err(status.to_owned()),
                    })
                }),
                START,
            )
        },
    ),
    row(
        "new-run-visible",
        &[],
        "a new run can be read at once",
        |evidence| status(evidence, "run at once", &[200], START),
    ),
    row(
        "run-more",
        &[],
        "a run that is read shows more than id and status",
        |evidence| {
            let runs = evidence.read("getRun").filter_map(Value::as_object);
            found(
                runs.map(|run| {
                    let more = run
                        .keys()
                        .find(|name| !matches!(name.as_str(), "id" | "status" | "request_id"));
                    more.map_or(Err("nothing else".to_owned()), |name| Ok(name.clone()))
                }),
                RUN,
            )
        },
    ),
    row(
        "known-statuses",
        &[],
        "runs are of the seven statuses of the specification",
        statuses,
    ),
    row(
        "known-events",
        &[],
        "events are of the types of the specification, or of tool calls",
        event_types,
    ),
    row(
        "event-fields",
        &[],
        "an event has seq, type, timestamp and payload",
        |evidence| {
            let fields = ["seq", "type", "timestamp", "payload"];
            found(
                events(evidence).iter().map(|event| has_all(event, &fields)),
                RUN,
            )
        },
    ),
    row(
        "payload-value",
        &[],
        "the payload of an event has redacted and value, an object",
        |evidence| {
            found(
                events(evidence).iter().map(|event| {
                    let payload = &event["payload"];
                    has_all(payload, &["redacted", "value"])
                        .and_then(|_| has_field(payload, "value", Value::is_object))
                }),
                RUN,
            )
        },
    ),
    row(
        "seq-steps",
        &[],
        "the numbers of events grow by one from 1",
        seq_steps,
    ),
    row(
        "times",
        &[],
        "times are RFC 3339 in UTC, with Z and milliseconds",
        times,
    ),
    row(
        "stream-name",
        &[],
        "the events of a stream are named run_event",
        |evidence| {
            found(
                frames(evidence)
                    .into_iter()
                    .map(|frame| match frame.name.as_str() {
                        "run_event" => Ok(frame.name),
                        _ => Err(frame.name),
                    }),
                RUN,
            )
        },
    ),
    row(
        "stream-ids",
        &[],
        "the events of a stream have no id",
        |evidence| {
            found(
                frames(evidence)
                    .into_iter()
                    .map(|frame| match frame.id.is_empty() {
                        true => Ok("they have none".to_owned()),
                        false => Err("they have one".to_owned()),
                    }),
                RUN,
            )
        },
    ),
    row(
        "stream-replay",
        &[],
        "a new stream begins with the first event of the run",
        stream_replay,
    ),
    row(
        "no-run",
        &[],
        "a run that does not exist answers 404",
        |evidence| status(evidence, "no run", &[404], REPLY),
    ),
    row(
        "no-run-code",
        &[],
        "its reason_code is run_not_found",
        |evidence| reason(evidence, "no run", "run_not_found"),
    ),
    row(
        "wrong-key",
        &[],
        "a key that is none answers 401",
        |evidence| status(evidence, "wrong key", &[401], REPLY),
    ),
    row(
        "wrong-key-code",
        &[],
        "its reason_code is invalid_api_key, as the error reference has it, and not one of the quickstart's",
        |evidence| reason(evidence, "wrong key", "invalid_api_key"),
    ),
    row(
        "error-shape",
        &[],
        "a refusal is a JSON object with error, reason_code and request_id",
        |evidence| {
            let refusals = evidence.own().filter(|(_, reply)| !reply.is_success());
            let bodies = refusals.filter_map(|(_, reply)| reply.json());
            found(
                bodies.map(|body| has_all(body, &["error", "reason_code", "request_id"])),
                REPLY,
            )
        },
    ),
    row(
        "health",
        &[],
        "the probes of health answer 200",
        |evidence| status(evidence, "live", &[200], REPLY),
    ),
    row(
        "rate-limit-headers",
        &[],
        "no header tells how many requests are left",
        |evidence| {
            found(
                evidence.own().map(|(_, reply)| {
                    let named = reply.headers.keys().find(|name| name.contains("ratelimit"));
                    named.map_or(Ok("none does".to_owned()), |name| Err(name.clone()))
                }),
                REPLY,
            )
        },
    ),
    row(
        "start-replay",
        &[],
        "the same key again answers 200 with the run of before, and says so in replayed",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "start-keys",
        &[],
        "a start without a key answers 400, and one under the key of another start 409; a key is remembered for good",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "start-input",
        &[],
        "a start needs no input, and a field of the wrong type answers 400",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "signal-keys",
        &[],
        "a signal under a key that was seen gives the first reply again; the header counts, not the body",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "signal-codes",
        &[],
        "a signal to a run that does not wait answers 409, and one of an unknown action 400",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "signal-kinds",
        &[],
        "a wait for data may be approved, and one for an approval be answered with data",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "signal-at-once",
        &[],
        "the next read after a signal shows that the run continues",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "wait-timeout",
        &[],
        "a wait that nobody answers ends the run as cancelled after a day",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "status-and-events",
        &[],
        "status and events of a run change at the same moment",
        |_| Finding::NotSeen("a run that is read in the middle of a change"),
    ),
    row(
        "stream-end",
        &[],
        "a stream ends behind the last event of a run, and not at a wait",
        |_| Finding::NotSeen("a recording does not hold when a stream ended"),
    ),
    row(
        "stream-heartbeat",
        &[],
        "a silent stream sends a comment now and then",
        |evidence| {
            let spoken = evidence
                .streams()
                .filter(|text| text.lines().any(|line| line.starts_with(':')));
            found(
                spoken.map(|_| Ok("it does".to_owned())),
                "a stream that is silent for a while",
            )
        },
    ),
    row(
        "stream-retry",
        &[],
        "a stream does not say when to reconnect",
        |evidence| {
            found(
                evidence.streams().map(|text| {
                    match text.lines().find(|line| line.starts_with("retry:")) {
                        None => Ok("it does not".to_owned()),
                        Some(line) => Err(line.to_owned()),
                    }
                }),
                RUN,
            )
        },
    ),
    row(
        "stream-there",
        &[],
        "there is a stream of events",
        |evidence| status(evidence, "stream", &[200], RUN),
    ),
    row(
        "events-there",
        &[],
        "there is a list of events",
        |evidence| status(evidence, "events", &[200], RUN),
    ),
    row("cursor-type", &[], "a cursor is a text", |evidence| {
        let pages = evidence.read("listRunEvents");
        let cursors = pages.filter_map(|page| page.get("next_cursor").or(page.get("cursor")));
        found(cursors.filter(|cursor| !cursor.is_null()).map(is_text), RUN)
    }),
    row(
        "cursor-goes-on",
        &[],
        "the last page of events has a cursor to go on from later",
        |evidence| {
            let pages = evidence.read("listRunEvents");
            let cursors = pages.filter_map(|page| page.get("next_cursor").or(page.get("cursor")));
            found(
                cursors.map(|cursor| match cursor.is_null() {
                    false => Ok("it has".to_owned()),
                    true => Err("it is null".to_owned()),
                }),
                RUN,
            )
        },
    ),
    row(
        "known-fields",
        &[],
        "pages of events have no fields but those of the specification",
        page_fields,
    ),
    row(
        "redaction",
        &[],
        "the caller's own fields are taken out of run.created",
        |evidence| {
            let own = ["input", "metadata", "attachment_refs", "sensitivity_tags"];
            let created = values_of(evidence, "run.created");
            found(
                created.iter().map(|value| {
                    match own.iter().find(|field| value.get(**field).is_some()) {
                        None => Ok("they are".to_owned()),
                        Some(field) => Err(format!("{field} is there")),
                    }
                }),
                RUN,
            )
        },
    ),
    row(
        "limit-status",
        &[],
        "a run that went over a limit has failed",
        |evidence| {
            let over = !values_of(evidence, "run.limit_exceeded").is_empty();
            let runs = evidence.replies("run").filter(|_| over);
            found(
                runs.filter_map(|reply| {
                    let status = reply.json()?["status"].as_str()?;
                    Some(match status {
                        "failed" => Ok(status.to_owned()),
                        _ => Err(status.to_owned()),
                    })
                }),
                "a run that went over a limit: --task RUN names it",
            )
        },
    ),
];

fn is_text(value: &Value) -> Sign {
    match value.is_string() {
        true => Ok(kind(value).to_owned()),
        false => Err(kind(value).to_owned()),
    }
}

fn has_field(object: &Value, field: &str, is: fn(&Value) -> bool) -> Sign {
    match object.get(field) {
        Some(value) if is(value) => Ok(format!("{field} is there")),
        Some(value) => Err(format!("{field} is {}", kind(value))),
        None if object.is_object() => has_all(object, &[field]),
        None => Err(format!("it is {}", kind(object))),
    }
}

/// Returns the events of a page, wherever it has them.
fn page_events(page: &Value) -> Option<&Vec<Value>> {
    let places = ["events", "data", "items", "results"];
    let within = places.iter().find_map(|place| page[*place].as_array());
    within.or(page.as_array())
}

/// Returns every event of the lists and of the streams.
fn events(evidence: &Evidence<'_>) -> Vec<Value> {
    let pages = evidence.read("listRunEvents").filter_map(page_events);
    let listed = pages.flatten().cloned();
    let streamed = frames(evidence).into_iter();
    let streamed = streamed.filter(|frame| frame.name == "run_event");
    let streamed = streamed.filter_map(|frame| serde_json::from_str(&frame.data).ok());
    listed.chain(streamed).collect()
}

/// Returns what the events of a type say.
fn values_of(evidence: &Evidence<'_>, kind: &str) -> Vec<Value> {
    let events = events(evidence).into_iter();
    let of_type = events.filter(|event| event["type"] == kind);
    of_type
        .map(|event| event["payload"]["value"].clone())
        .collect()
}

fn frames(evidence: &Evidence<'_>) -> Vec<sse::OwnedEvent> {
    let mut frames = Vec::new();
    for text in evidence.streams() {
        let mut decoder = sse::Decoder::new();
        let mut rest = text.as_bytes();
        while let Ok(Some(event)) = decoder.next_event(&mut rest) {
            frames.push(event.into_owned());
        }
    }
    frames
}

fn stream_replay(evidence: &Evidence<'_>) -> Finding {
    let first = evidence.read("listRunEvents").filter_map(first_seq).min();
    let opened = evidence.replies("stream").any(RecordedReply::is_success);
    let seqs = frames(evidence).into_iter().filter_map(|frame| {
        let event: Value = serde_json::from_str(&frame.data).ok()?;
        event["seq"].as_u64()
    });
    let sign = first.filter(|_| opened).map(|first| match seqs.min() {
        Some(begins) if begins <= first => Ok(format!("both begin with {first}")),
        Some(begins) => Err(format!(
            "the list begins with {first}, the stream with {begins}"
        )),
        None => Err("the stream brought no event".to_owned()),
    });
    found(sign, RUN)
}

fn first_seq(page: &Value) -> Option<u64> {
    page_events(page)?.first()?["seq"].as_u64()
}

/// Judges the fields of pages and of their events; what the events say is open.
fn page_fields(evidence: &Evidence<'_>) -> Finding {
    let pages = evidence.read("listRunEvents");
    let objects = pages.flat_map(|page| page_events(page).into_iter().flatten().chain([page]));
    let names = objects
        .filter_map(Value::as_object)
        .flat_map(|object| object.keys());
    found(
        names.map(|name| match evidence.knows(name) {
            true => Ok("none".to_owned()),
            false => Err(name.clone()),
        }),
        RUN,
    )
}

fn cursor_continues(evidence: &Evidence<'_>) -> Finding {
    let last = evidence
        .replies("events")
        .filter_map(|reply| page_events(reply.json()?)?.last()?["seq"].as_u64())
        .max();
    let next = evidence
        .replies("next events")
        .filter(|reply| reply.is_success());
    let signs = next.filter_map(|reply| {
        let events = page_events(reply.json()?)?;
        let Some(first) = events.first() else {
            return Some(Ok("nothing comes behind the last event".to_owned()));
        };
        let (first, last) = (first["seq"].as_u64()?, last?);
        let seen = format!("the page behind event {last} begins with {first}");
        Some(if first > last { Ok(seen) } else { Err(seen) })
    });
    found(signs, "a page of events with a cursor")
}

fn statuses(evidence: &Evidence<'_>) -> Finding {
    let read = evidence.read("getRun").chain(evidence.read("createRun"));
    found(
        read.filter_map(|run| run["status"].as_str())
            .map(|status| match RunStatus::from(status) {
                RunStatus::Unknown(status) => Err(status),
                known => Ok(known.as_str().to_owned()),
            }),
        RUN,
    )
}

fn event_types(evidence: &Evidence<'_>) -> Finding {
    let known = [
        "run.created",
        "run.worker.started",
        "run.worker.succeeded",
        "run.worker.failed",
        "run.cancelled",
        "run.limit_exceeded",
        "run.awaiting_input",
        "step.progress",
        "step.done",
    ];
    let events = events(evidence);
    let names = events.iter().filter_map(|event| event["type"].as_str());
    let signs = names.map(
        |name| match known.contains(&name) || name.starts_with("tool.") {
            true => Ok("so they are".to_owned()),
            false => Err(name.to_owned()),
        },
    );
    found(signs, RUN)
}

fn seq_steps(evidence: &Evidence<'_>) -> Finding {
    let pages = evidence
        .replies("events")
        .filter_map(|reply| page_events(reply.json()?));
    found(
        pages.filter_map(|events| {
            let numbers: Vec<u64> = events
                .iter()
                .filter_map(|event| event["seq"].as_u64())
                .collect();
            let first = numbers.first()?;
            let odd = numbers
                .windows(2)
                .find(|pair| pair[0].checked_add(1) != Some(pair[1]));
            Some(match odd {
                Some(pair) => Err(format!("{} follows {}", pair[1], pair[0])),
                None if *first != 1 => Err(format!("the first is {first}")),
                None => Ok(format!("1 to {}", numbers.len())),
            })
        }),
        RUN,
    )
}

fn times(evidence: &Evidence<'_>) -> Finding {
    let usual = "2026-01-01T00:00:00.000Z";
    let mut seen = Vec::new();
    let events = events(evidence);
    let is_time = |field: &str| field == "timestamp";
    events
        .iter()
        .for_each(|event| texts(event, &is_time, &mut seen));
    found(
        seen.into_iter().map(|time| match time == usual {
            true => Ok(format!("in the form {usual}")),
            false => Err(format!("in the form {time}")),
        }),
        RUN,
    )
}

fn reason(evidence: &Evidence<'_>, probe: &str, expected: &str) -> Finding {
    let bodies = evidence.replies(probe).filter(|reply| !reply.is_success());
    let codes = bodies.filter_map(|reply| reply.json()?["reason_code"].as_str());
    found(
        codes.map(|code| match code == expected {
            true => Ok(code.to_owned()),
            false => Err(code.to_owned()),
        }),
        REPLY,
    )
}
