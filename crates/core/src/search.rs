//! Looking for the task of a start whose reply was lost and that cannot be repeated.

use std::time::Duration;

use crate::error::{BuildError, ReadError};
use crate::id::TaskId;
use crate::operation::Operation;
use crate::pages::ListPage;
use crate::provider::{Candidate, Clue, Provider};
use crate::request::Request;
use crate::response::Response;
use crate::task::Sought;
use crate::time::Timestamp;

/// How far the two ends of the time in question are moved apart: clocks tick in seconds, and replies take theirs.
const MARGIN: Duration = Duration::from_secs(120);
/// Clocks that differ by less are the same.
const SAME: Duration = Duration::from_secs(5);
/// Between the first look that finds nothing and the second.
const AGAIN: Duration = Duration::from_secs(5);
/// Pages of one look.
const MAX_PAGES: usize = 10;
/// Tasks whose conversation is read.
const MAX_COMPARED: usize = 20;

/// The search for the task that a start of unknown outcome may have made. No I/O: do its steps, give it what they bring.
///
/// It lists the tasks of the start's agent made about then, by the server's clock, reads what was said first in each, and
/// when nothing fits looks once more. It adopts nothing.
#[derive(Debug)]
pub struct Search<P> {
    provider: P,
    sought: Sought,
    /// By how many milliseconds the server's clock is ahead of ours, once it has said.
    ahead: Option<i64>,
    looks: u32,
    state: State,
    found: Vec<Candidate>,
}

#[derive(Debug)]
enum State {
    Listing {
        cursor: Option<String>,
        pages: usize,
    },
    /// Reads what was said first in the one at this place.
    Comparing(usize),
    Waiting(Timestamp),
    Done,
}

/// What a search asks of its driver.
#[derive(Debug)]
pub enum SearchStep<P> {
    /// Perform this operation, and give its output to [`Search::take`].
    Look(Probe<P>),
    /// Ask again then.
    Wait(Timestamp),
    /// The tasks that the start may have made, newest first: call [`Search::finish`].
    Done,
}

/// One read of a search.
#[derive(Clone, Debug)]
pub struct Probe<P> {
    provider: P,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    List {
        clue: Clue,
        from: Timestamp,
        until: Option<Timestamp>,
        cursor: Option<String>,
    },
    Opening(TaskId),
}

/// What a [`Probe`] brought.
#[derive(Clone, Debug)]
pub struct Sighting {
    date: Option<Timestamp>,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    List(ListPage<Candidate>),
    Opening(Option<String>),
}

impl<P: Provider> Operation for Probe<P> {
    type Output = Sighting;
    const NAME: &'static str = "search";

    fn request(&self) -> Result<Request, BuildError> {
        match &self.what {
            What::List {
                clue,
                from,
                until,
                cursor,
            } => self.provider.search(clue, *from, *until, cursor.as_deref()),
            What::Opening(id) => self.provider.opening(id),
        }
    }

    fn read(&self, reply: &Response) -> Result<Sighting, ReadError> {
        Ok(Sighting {
            date: reply.head.date(),
            seen: match &self.what {
                What::List { .. } => Seen::List(self.provider.read_search(reply)?),
                What::Opening(_) => Seen::Opening(self.provider.read_opening(reply)?),
            },
        })
    }
}

impl<P: Provider> Search<P> {
    /// A search that has not begun.
    #[must_use]
    pub fn new(provider: P, sought: Sought) -> Self {
        Self {
            provider,
            sought,
            ahead: None,
            looks: 0,
            state: State::start(),
            found: Vec::new(),
        }
    }

    /// What to do next. Asked twice, it gives the same step.
    pub fn next(&mut self, now: Timestamp) -> SearchStep<P> {
        if matches!(self.state, State::Waiting(until) if now >= until) {
            self.state = State::start();
        }
        let what = match &self.state {
            State::Done => return SearchStep::Done,
            State::Waiting(until) => return SearchStep::Wait(*until),
            State::Listing { cursor, .. } => What::List {
                clue: self.sought.clue.clone(),
                from: self.by_server(self.sought.begun_at, -1),
                until: self.sought.ended_at.map(|at| self.by_server(at, 1)),
                cursor: cursor.clone(),
            },
            State::Comparing(at) => What::Opening(self.found[*at].id.clone()),
        };
        SearchStep::Look(Probe {
            provider: self.provider.clone(),
            what,
        })
    }

    /// Takes in what the operation brought that [`next`](Self::next) asked for.
    pub fn take(&mut self, sighting: Sighting, now: Timestamp) {
        if self.ahead.is_none()
            && let Some(date) = sighting.date
        {
            let ahead = signed(date) - signed(now);
            self.ahead = Some(ahead);
            if ahead.unsigned_abs() > SAME.as_millis() as u64 {
                // It was asked for another time than was meant.
                self.state = State::start();
                self.found.clear();
                return;
            }
        }
        match (sighting.seen, &mut self.state) {
            (Seen::List(page), State::Listing { cursor, pages }) => {
                self.found.extend(page.items);
                let next = page.next.filter(|next| !next.is_empty());
                let more = page.has_more != Some(false) && *pages + 1 < MAX_PAGES;
                match next {
                    Some(next) if more && cursor.as_ref() != Some(&next) => {
                        *pages += 1;
                        *cursor = Some(next);
                    }
                    _ => self.compare(0, now),
                }
            }
            (Seen::Opening(said), State::Comparing(at)) => {
                let at = *at;
                let is_said = said.map(|said| self.sought.clue.is_said(&said));
                self.found[at].is_said = is_said;
                self.compare(at + 1, now);
            }
            // What was not asked for says nothing.
            (Seen::List(_) | Seen::Opening(_), _) => {}
        }
    }

    /// Passes over what a read of one conversation could not bring: the task stays one that may be it.
    pub fn skip(&mut self, now: Timestamp) -> bool {
        if let State::Comparing(at) = self.state {
            self.compare(at + 1, now);
            return true;
        }
        false
    }

    /// The tasks that the start may have made, newest first. None is more than likely when there are none: a start that
    /// takes longer than two looks may still make one.
    #[must_use]
    pub fn finish(self) -> Vec<Candidate> {
        self.found
    }

    /// Goes on to the candidate at this place, or to the end.
    fn compare(&mut self, at: usize, now: Timestamp) {
        let can_tell = self.sought.clue.digest.is_some();
        if can_tell && at < self.found.len().min(MAX_COMPARED) {
            self.state = State::Comparing(at);
            return;
        }
        self.found.retain(|one| one.is_said != Some(false));
        self.looks += 1;
        self.state = if self.found.is_empty() && self.looks < 2 {
            State::Waiting(now.after(AGAIN))
        } else {
            State::Done
        };
    }

    /// A moment of ours on the server's clock, moved outwards.
    fn by_server(&self, at: Timestamp, outwards: i64) -> Timestamp {
        let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
        let at = signed(at) + self.ahead.unwrap_or(0) + outwards * margin;
        Timestamp::from_millis(u64::try_from(at).unwrap_or(0))
    }
}

impl State {
    const fn start() -> Self {
        Self::Listing {
            cursor: None,
            pages: 0,
        }
    }
}

/// Milliseconds that can be compared both ways; the year 292 million is far enough.
fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX / 4)
}
