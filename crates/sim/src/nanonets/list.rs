//! Query parameters and pages of the lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::switches::{ListEnd, Switches};
use crate::ids::is_uuid;
use crate::message::{Head, Reply};
use crate::time::parse_rfc3339;

const TASK_STATUSES: [&str; 8] = [
    "pending",
    "queued",
    "running",
    "waiting_for_input",
    "awaiting_review",
    "completed",
    "failed",
    "stopped",
];
const AGENT_STATUSES: [&str; 3] = ["draft", "published", "archived"];

/// How many entries a page has when the request does not say.
const DEFAULT_LIMIT: usize = 20;

/// Which list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Agents,
    Tasks,
    Versions,
}

/// The parameters of a list, checked.
#[derive(Debug)]
pub(crate) struct Params {
    limit: usize,
    /// Whether the request names a limit or a place to go on from.
    pub(crate) asks_for_a_page: bool,
    /// Entries with a number below this are left to list.
    below: Option<usize>,
    /// What a cursor is for besides its place: the filters, if the switch binds it to them.
    filters: String,
    statuses: Option<Vec<String>>,
    q: Option<String>,
    pub(crate) agent_id: Option<String>,
    end: ListEnd,
    created_after: Option<i64>,
    created_before: Option<i64>,
    /// The precision of the timestamps that replies show, in milliseconds: bounds include what they show.
    grain: u64,
}

impl Params {
    /// Reads the query of a list; the 400 when it is wrong.
    pub(crate) fn read(head: &Head, kind: Kind, switches: &Switches) -> Result<Self, Reply> {
        let mut params = Self {
            limit: DEFAULT_LIMIT,
            asks_for_a_page: false,
            below: None,
            filters: filters(head, switches),
            statuses: None,
            q: None,
            agent_id: None,
            created_after: None,
            created_before: None,
            grain: if switches.fractional_seconds {
                1
            } else {
                1_000
            },
            end: switches.list_end,
        };
        for (key, value) in head.pairs() {
            params
                .take(&key, &value, kind, switches.clamp_limit)
                .map_err(|why| Reply::error(400, why))?;
        }
        Ok(params)
    }

    /// Takes one parameter of the query; what is wrong with it.
    fn take(&mut self, key: &str, value: &str, kind: Kind, clamps: bool) -> Result<(), String> {
        match (key, kind) {
            // An empty text says no more than a parameter that is left out.
            ("cursor", _) | ("status" | "q", Kind::Agents | Kind::Tasks) if value.is_empty() => {}
            ("limit", _) => {
                self.limit =
                    read_limit(value, clamps).ok_or("limit must be an integer from 1 to 100")?;
                self.asks_for_a_page = true;
            }
            ("cursor", _) => {
                self.below = Some(read_cursor(value, &self.filters).ok_or("Invalid cursor")?);
                self.asks_for_a_page = true;
            }
            ("status", Kind::Agents) => {
                self.statuses = Some(read_statuses(value, &AGENT_STATUSES)?);
            }
            ("status", Kind::Tasks) => {
                self.statuses = Some(read_statuses(value, &TASK_STATUSES)?);
            }
            ("q", Kind::Agents | Kind::Tasks) => self.q = Some(value.to_lowercase()),
            ("agent_id", Kind::Tasks) if is_uuid(value) => {
                self.agent_id = Some(value.to_ascii_lowercase());
            }
            ("agent_id", Kind::Tasks) => return Err("Invalid agent_id format".to_owned()),
            ("created_after", Kind::Tasks) => self.created_after = Some(read_time(key, value)?),
            ("created_before", Kind::Tasks) => self.created_before = Some(read_time(key, value)?),
            _ => return Err(format!("Unknown query parameter {key:?}")),
        }
        Ok(())
    }

    /// Returns whether an entry passes the filters; `default` judges the status when none was asked for.
    pub(crate) fn accepts(
        &self,
        status: &str,
        default: bool,
        name: Option<&str>,
        created_at: u64,
    ) -> bool {
        let shown = created_at - created_at % self.grain;
        let created_at = i64::try_from(shown).unwrap_or(i64::MAX);
        self.statuses
            .as_ref()
            .map_or(default, |wanted| wanted.iter().any(|one| one == status))
            && self
                .q
                .as_ref()
                .is_none_or(|q| name.is_some_and(|name| name.to_lowercase().contains(q)))
            && self.created_after.is_none_or(|bound| created_at >= bound)
            && self.created_before.is_none_or(|bound| created_at <= bound)
    }

    /// One page of entries that come newest first, each with its number (older entries have lower ones).
    pub(crate) fn page(&self, newest_first: impl Iterator<Item = (usize, Value)>) -> Reply {
        let mut left =
            newest_first.filter(|(number, _)| self.below.is_none_or(|below| *number < below));
        let page: Vec<(usize, Value)> = left.by_ref().take(self.limit).collect();
        let has_more = left.next().is_some();
        let last = page.last().map(|(number, _)| *number);
        let cursor = write_cursor(last.or(self.below).unwrap_or_default(), &self.filters);
        let data: Vec<Value> = page.into_iter().map(|(_, value)| value).collect();
        let body = if has_more {
            json!({ "data": data, "has_more": true, "next_cursor": cursor })
        } else {
            match self.end {
                ListEnd::Null => json!({ "data": data, "has_more": false, "next_cursor": null }),
                ListEnd::Absent => json!({ "data": data, "has_more": false }),
                ListEnd::Empty => json!({ "data": data, "has_more": false, "next_cursor": "" }),
                ListEnd::CursorWithoutMore => {
                    json!({ "data": data, "has_more": false, "next_cursor": cursor })
                }
                ListEnd::MoreWithoutCursor => {
                    json!({ "data": data, "has_more": true, "next_cursor": null })
                }
            }
        };
        Reply::json(200, &body)
    }
}

/// Returns a limit of 1 to 100, to which one outside may be moved.
fn read_limit(value: &str, clamps: bool) -> Option<usize> {
    let limit: i64 = value.parse().ok()?;
    let moved = limit.clamp(1, 100);
    usize::try_from(moved)
        .ok()
        .filter(|_| clamps || moved == limit)
}

/// Returns the statuses of a list of them, all of which are known.
fn read_statuses(value: &str, known: &[&str]) -> Result<Vec<String>, String> {
    let statuses: Vec<String> = value.split(',').map(str::to_owned).collect();
    match statuses.iter().find(|one| !known.contains(&one.as_str())) {
        Some(odd) => Err(format!("Unknown status {odd:?}")),
        None => Ok(statuses),
    }
}

fn read_time(key: &str, value: &str) -> Result<i64, String> {
    parse_rfc3339(value).ok_or_else(|| format!("Invalid {key} format"))
}

/// Returns the page as one that others follow, of which the next is the first, as
/// [`Fault::LoopedCursor`](crate::Fault::LoopedCursor) has it.
#[must_use]
pub fn looped(mut reply: Reply) -> Reply {
    if let (200, Value::Object(mut page)) = (reply.status, reply.value()) {
        page.insert("has_more".to_owned(), json!(true));
        page.insert(
            "next_cursor".to_owned(),
            json!(write_cursor(usize::MAX, "")),
        );
        reply.body = Value::Object(page).to_string().into_bytes();
    }
    reply
}

/// Returns the filters of a request, in one order; nothing when a cursor is not bound to them.
fn filters(head: &Head, switches: &Switches) -> String {
    if !switches.cursor_binds_filters {
        return String::new();
    }
    let mut pairs = head.pairs();
    pairs.retain(|(key, _)| !["cursor", "limit"].contains(&key.as_str()));
    pairs.sort();
    json!(pairs).to_string()
}

fn write_cursor(number: usize, filters: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("below:{number}:{filters}"))
}

/// Returns the place that a cursor stands for; `None` when it is none of ours or made with other filters. The one of a looped
/// page goes with all.
fn read_cursor(text: &str, filters: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (number, made_with) = std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("below:")?
        .split_once(':')?;
    let number = number.parse().ok()?;
    (made_with == filters || number == usize::MAX).then_some(number)
}
