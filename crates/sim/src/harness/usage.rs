//! Metering, worked out from the runs.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};

use super::Server;
use super::log::What;
use super::refusal::Refusal;
use super::run::{Phase, Run};
use crate::message::{Head, Reply};
use crate::time::{parse_rfc3339, rfc3339};

/// So many bytes of text are taken for a token.
const BYTES_PER_TOKEN: u64 = 4;

#[derive(Debug, Clone, Copy)]
enum Granularity {
    Hour,
    Day,
    Month,
}

impl Granularity {
    fn read(text: Option<&str>) -> Option<Self> {
        match text {
            Some("hour") => Some(Self::Hour),
            None | Some("day") => Some(Self::Day),
            Some("month") => Some(Self::Month),
            Some(_) => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Returns the beginning of the bucket that a time falls in.
    fn begin(self, ms: u64) -> u64 {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        let time = time.to_zoned_datetime(TimeZone::UTC).datetime();
        let date = match self {
            Self::Hour | Self::Day => time.date(),
            Self::Month => time.date().first_of_month(),
        };
        let hour = match self {
            Self::Hour => time.hour(),
            Self::Day | Self::Month => 0,
        };
        let begin = date.at(hour, 0, 0, 0).to_zoned_datetime(TimeZone::UTC);
        let begin = begin
            .as_ref()
            .map(ZonedDateTime::timestamp)
            .unwrap_or_default();
        u64::try_from(begin.as_millisecond()).unwrap_or_default()
    }
}

impl Server {
    pub(super) fn usage(&self, head: &Head) -> Result<Reply, Refusal> {
        let pairs: BTreeMap<String, String> = head.pairs().into_iter().collect();
        let wrong = |error: String| Refusal::new(400, "invalid_request", error);
        let time = |name: &str, default: u64| match pairs.get(name) {
            None => Ok(default),
            Some(text) => parse_rfc3339(text)
                .and_then(|ms| u64::try_from(ms).ok())
                .ok_or_else(|| wrong(format!("{name} must be a date-time with an offset"))),
        };
        let granularity = Granularity::read(pairs.get("granularity").map(String::as_str))
            .ok_or_else(|| wrong("granularity must be one of hour, day, month".to_owned()))?;
        let start = time("start", Granularity::Month.begin(self.now))?;
        // What happens at this very instant belongs to the range up to now.
        let end = time("end", self.now.saturating_add(1))?;
        if start >= end {
            return Err(wrong("start must be before end".to_owned()));
        }
        let has_label = |run: &&Run| {
            ["workspace_id", "subject_id"].iter().all(|name| {
                let label = run.request.get(*name).and_then(Value::as_str);
                pairs
                    .get(*name)
                    .is_none_or(|wanted| label == Some(wanted.as_str()))
            })
        };
        let mut buckets = BTreeMap::<(u64, &str), u64>::new();
        let mut totals = BTreeMap::<&str, u64>::new();
        for (at, kind, quantity) in self
            .runs
            .iter()
            .filter(has_label)
            .flat_map(|run| meter(run, self.now))
        {
            let is_wanted = pairs.get("event_type").is_none_or(|wanted| wanted == kind);
            if is_wanted && (start..end).contains(&at) {
                *buckets.entry((granularity.begin(at), kind)).or_default() += quantity;
                *totals.entry(kind).or_default() += quantity;
            }
        }
        let buckets: Vec<Value> = buckets
            .into_iter()
            .map(|((at, kind), quantity)| json!({ "start": rfc3339(at, false), "event_type": kind, "quantity": quantity }))
            .collect();
        let body = json!({
            "start": rfc3339(start, true),
            "end": rfc3339(end, true),
            "granularity": granularity.name(),
            "buckets": buckets,
            "totals": totals,
        });
        Ok(Reply::json(200, &body))
    }
}

/// Returns what a run has used: when, of what, how much.
fn meter(run: &Run, now: u64) -> Vec<(u64, &'static str, u64)> {
    let mut used = vec![(run.created_at, "run.created", 1)];
    for chunk in run.log.chunks() {
        let seen = chunk.visible(now);
        let bytes = match &chunk.what {
            What::Deltas { bytes } => *bytes as u64,
            What::One(kind, _) if kind == "tool.invoked" && seen > 0 => {
                used.push((chunk.first_at, "tool.invoked", 1));
                0
            }
            What::One(_, value) => value["content_delta"].as_str().map_or(0, str::len) as u64,
        };
        let tokens = seen.saturating_mul(bytes.div_ceil(BYTES_PER_TOKEN));
        if tokens > 0 {
            used.push((chunk.first_at, "tokens.consumed", tokens));
        }
    }
    if let Some(at) = run.ended_at.filter(|_| run.phase == Phase::Succeeded) {
        used.push((at, "task.completed", 1));
    }
    used
}
